//! Deeds: what happens to what was published: yank, the end of a skill, owners, trusted builds, and
//! what an admin does: take down, restore, approve. Each says who did it and why.

use axum::http::StatusCode;
use ba_agent_core::remote_registry::{
    OwnerName, PublishedVersion, Removal, Revocation, ScopedName, archive_path, version_key,
    write_revocations,
};
use bytes::Bytes;
use semver::Version;
use serde_json::{Value, json};

use crate::clock::{DAY, now_millis, timestamp_of};
use crate::db::people::PublisherRow;
use crate::db::skills::{StoredSkill, VersionRow, status};
use crate::db::{Db, Tx};
use crate::problem::{Answer, Problem};
use crate::publish::show_newest;
use crate::registry::RegistryServer;
use crate::stored_file::{held_path, removed_path};

/// A skill may be removed by its owner while it is younger than this.
const REMOVABLE: i64 = 3 * DAY;

/// What an admin says of a skill.
pub(crate) struct Verdict<'a> {
    pub(crate) actor: &'a str,
    pub(crate) reason: &'a str,
}

/// A change of one version: what it becomes, and what it waits for then; `None` where it is so.
type Change = dyn Fn(&VersionRow) -> Answer<Option<(PublishedVersion, &'static str)>> + Send + Sync;

impl RegistryServer {
    /// Yanks a version or lets it be taken again; it may be so already.
    ///
    /// # Errors
    /// 404 for a version that is not there, 409 for one that was removed.
    pub(crate) async fn set_yanked(
        &self,
        actor: &str,
        name: &ScopedName,
        version: &Version,
        yanked: bool,
        reason: Option<String>,
    ) -> Answer<PublishedVersion> {
        let kind = if yanked { "yank" } else { "unyank" };
        let detail = json!({"reason": reason});
        let change = move |row: &VersionRow| match row.status.as_str() {
            status::LIVE if row.line.yanked == yanked && row.line.yank_reason == reason => Ok(None),
            status::LIVE => {
                let yank_reason = reason.clone().filter(|_| yanked);
                Ok(Some((PublishedVersion { yanked, yank_reason, ..row.line.clone() }, status::LIVE)))
            }
            status::REMOVED => Err(Problem::conflict("this version was removed, and stays so")),
            _ => Err(Problem::not_found()),
        };
        let lines = self.change_versions(name, Some(version), actor, (kind, detail), &change).await?;
        lines.into_iter().next().ok_or_else(Problem::not_found)
    }

    /// Changes one version of a skill or all of them, in the database, then in the index.
    async fn change_versions(
        &self,
        name: &ScopedName,
        version: Option<&Version>,
        actor: &str,
        (kind, detail): (&str, Value),
        change: &Change,
    ) -> Answer<Vec<PublishedVersion>> {
        let mut tx = self.db.begin().await?;
        let skill = lock_known(&mut tx, name).await?;
        let keys = match version {
            Some(version) => vec![version_key(version)],
            None => tx.version_keys(skill.id).await?,
        };
        let (mut lines, mut is_changed) = (Vec::new(), false);
        for key in keys {
            let row = tx.find_version(skill.id, &key).await?.ok_or_else(Problem::not_found)?;
            match change(&row)? {
                Some((line, to)) => {
                    tx.update_version(skill.id, &key, &line, to).await?;
                    lines.push(line);
                    is_changed = true;
                }
                None => lines.push(row.line),
            }
        }
        if !is_changed {
            return Ok(lines);
        }
        show_newest(&mut tx, skill.id).await?;
        let subject = version.map_or_else(|| name.to_string(), |version| format!("{name}@{version}"));
        let payload = json!({"name": name, "version": version, "kind": kind, "at": now_millis()});
        tx.add_job("derive", &payload, now_millis()).await?;
        tx.note_event(actor, kind, &subject, &detail).await?;
        tx.commit().await?;
        self.write_index(name).await?;
        self.refresh_skill(name).await?;
        self.work.notify_waiters();
        Ok(lines)
    }

    /// Removes a skill that is new and that nothing needs; its name is a tombstone then.
    ///
    /// # Errors
    /// 409 for one that is older or needed: yank it instead.
    pub(crate) async fn remove_skill(&self, actor: &str, name: &ScopedName) -> Answer<()> {
        let skill = self.db.find_skill(name.owner().as_str(), name.name().as_str()).await?;
        let skill = skill.filter(|skill| !skill.is_tombstoned).ok_or_else(Problem::not_found)?;
        let needed = self.shelf.all().iter().any(|other| {
            let deps = other.latest.iter().flat_map(|latest| &latest.deps);
            other.name != name.to_string() && deps.into_iter().any(|dep| dep.name == *name)
        });
        if now_millis() - skill.created_at > REMOVABLE || needed {
            let why = if needed { "other skills need it" } else { "it is older than three days" };
            return Err(Problem::conflict(format!("`{name}` cannot be removed: {why}")).with_hint(
                "yank its versions instead: who has them keeps them, and no new installation takes them",
            ));
        }
        let reason = "removed by its owner".to_owned();
        let change = removal_of(Removal { at: timestamp_of(now_millis()), reason, revoked: false });
        let lines = self.change_versions(name, None, actor, ("remove", json!({})), &change).await?;
        let mut tx = self.db.begin().await?;
        tx.bury_skill(skill.id).await?;
        tx.note_event(actor, "tombstone", &name.to_string(), &json!({})).await?;
        tx.commit().await?;
        self.refresh_skill(name).await?;
        self.put_away(&lines).await
    }

    /// Takes down a version, or all of a skill: its archive is served no more, and every client
    /// refuses its digest. One that waits is refused.
    ///
    /// # Errors
    /// 404 for what is not there.
    pub(crate) async fn take_down(
        &self,
        verdict: Verdict<'_>,
        name: &ScopedName,
        version: Option<&Version>,
    ) -> Answer<usize> {
        let removal =
            Removal { at: timestamp_of(now_millis()), reason: verdict.reason.to_owned(), revoked: true };
        let detail = json!({"reason": verdict.reason});
        let change = removal_of(removal);
        let lines = self.change_versions(name, version, verdict.actor, ("takedown", detail), &change).await?;
        self.put_away(&lines).await?;
        let skill = self.db.find_skill(name.owner().as_str(), name.name().as_str()).await?;
        if let Some(skill) = skill {
            let mut tx = self.db.begin().await?;
            tx.settle_reports(skill.id, verdict.reason).await?;
            tx.commit().await?;
        }
        Ok(lines.len())
    }

    /// Moves the archives of removed versions to where no reader gets them, and says so in the list
    /// of what is revoked.
    async fn put_away(&self, lines: &[PublishedVersion]) -> Answer<()> {
        self.refresh_removed().await?;
        for line in lines {
            let path = archive_path(&line.digest);
            self.store.move_file(&path, &removed_path(line)).await?;
            self.announce_file(&path).await;
        }
        self.write_revocations().await
    }

    /// Brings back what was taken down.
    ///
    /// # Errors
    /// 404 for what is not there; 409 for what was not taken down.
    pub(crate) async fn restore(
        &self,
        verdict: Verdict<'_>,
        name: &ScopedName,
        version: Option<&Version>,
    ) -> Answer<usize> {
        let only_one = version.is_some();
        let change = move |row: &VersionRow| match row.status.as_str() {
            status::REMOVED if row.line.removed.as_ref().is_some_and(|removal| removal.revoked) => {
                Ok(Some((PublishedVersion { removed: None, ..row.line.clone() }, status::LIVE)))
            }
            _ if only_one => Err(Problem::conflict("this version was not taken down")),
            _ => Ok(None),
        };
        let before = self.db.find_skill(name.owner().as_str(), name.name().as_str()).await?;
        let before = before.ok_or_else(Problem::not_found)?;
        for line in self.db.index_lines(before.id).await? {
            let is_it = version.is_none_or(|version| version_key(version) == version_key(&line.version));
            if is_it && line.removed.is_some() {
                // Before the line says so: a reader never sees a line without its archive.
                self.store.move_file(&removed_path(&line), &archive_path(&line.digest)).await?;
            }
        }
        let detail = json!({"reason": verdict.reason});
        let lines = self.change_versions(name, version, verdict.actor, ("restore", detail), &change).await?;
        self.refresh_removed().await?;
        self.write_revocations().await?;
        Ok(lines.len())
    }

    /// Lets a version that waits be published, and its owner publish without waiting.
    ///
    /// # Errors
    /// 404 for what is not there; 409 for what does not wait.
    pub(crate) async fn approve(
        &self,
        verdict: Verdict<'_>,
        name: &ScopedName,
        version: &Version,
    ) -> Answer<()> {
        let skill = self.db.find_skill(name.owner().as_str(), name.name().as_str()).await?;
        let skill = skill.ok_or_else(Problem::not_found)?;
        let row =
            self.db.find_version(skill.id, &version_key(version)).await?.ok_or_else(Problem::not_found)?;
        if !matches!(row.status.as_str(), status::SCAN | status::HELD) {
            return Err(Problem::conflict("this version does not wait for anybody"));
        }
        self.store.move_file(&held_path(&row.line), &archive_path(&row.line.digest)).await?;
        let published_at = timestamp_of(now_millis() / 1000 * 1000);
        let change = move |row: &VersionRow| match row.status.as_str() {
            status::SCAN | status::HELD => {
                // Readers wait from when it can be read.
                Ok(Some((PublishedVersion { published_at, ..row.line.clone() }, status::LIVE)))
            }
            _ => Ok(None),
        };
        let detail = json!({"reason": verdict.reason, "digest": row.line.digest});
        self.change_versions(name, Some(version), verdict.actor, ("publish", detail), &change).await?;
        let mut tx = self.db.begin().await?;
        if verdict.actor != SCANNER && tx.release_owner(name.owner().as_str()).await? {
            let detail = json!({"reason": verdict.reason});
            tx.note_event(verdict.actor, "release", &name.owner().to_string(), &detail).await?;
        }
        tx.commit().await?;
        self.finish_waiting_jobs(name, version, None).await
    }

    /// Ends the jobs that wait for a version.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn finish_waiting_jobs(
        &self,
        name: &ScopedName,
        version: &Version,
        why: Option<String>,
    ) -> Answer<()> {
        for kind in ["scan", "approval"] {
            for job in self.db.open_jobs(kind).await? {
                let is_it = job.payload["name"] == json!(name) && job.payload["version"] == json!(version);
                if is_it {
                    self.db.finish_job(job.id, why.clone()).await?;
                }
            }
        }
        Ok(())
    }

    /// Reads anew which archives were removed.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn refresh_removed(&self) -> Answer<()> {
        self.shelf.set_removed(self.db.removed_digests().await?);
        Ok(())
    }

    /// Writes the list of what is revoked.
    ///
    /// # Errors
    /// 503 and 507 when it cannot be written.
    pub(crate) async fn write_revocations(&self) -> Answer<()> {
        let path = ba_agent_core::remote_registry::REVOKED_FILE;
        for _ in 0..100 {
            let there = self.store.get(path).await?;
            let lines = self.db.removed_lines().await?;
            let revoked: Vec<Revocation> = lines.iter().filter_map(Revocation::of_version).collect();
            let bytes = Bytes::from(write_revocations(&revoked));
            if there.as_ref().is_some_and(|there| there.bytes == bytes) {
                return Ok(());
            }
            if self.store.put_if_match(path, bytes, there.map(|there| there.etag)).await? {
                self.announce_file(path).await;
                return Ok(());
            }
        }
        Err(Problem::unavailable("the list of revoked skills is written by many at once", 1))
    }

    /// Makes somebody an owner or publisher.
    ///
    /// # Errors
    /// 404 for a login that nobody has, 409 for the last owner, 422 for a role that there is not.
    pub(crate) async fn put_member(&self, actor: &str, owner: &str, login: &str, role: &str) -> Answer<()> {
        if !matches!(role, "owner" | "publisher") {
            let why = format!("`{role}` is not a valid role; expected `owner` or `publisher`");
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why));
        }
        let user = self.db.find_user(login).await?.ok_or_else(|| no_login(login))?;
        let mut tx = self.db.begin().await?;
        let known = tx.lock_owner(owner).await?.ok_or_else(Problem::not_found)?;
        tx.put_member(known.id, user.id, role).await?;
        keep_one_owner(&mut tx, known.id).await?;
        let detail = json!({"login": login, "role": role});
        tx.note_event(actor, "owner", &format!("@{owner}"), &detail).await?;
        Ok(tx.commit().await?)
    }

    /// Takes somebody away from an owner.
    ///
    /// # Errors
    /// 404 for whom is not a member, 409 for the last owner.
    pub(crate) async fn remove_member(&self, actor: &str, owner: &str, login: &str) -> Answer<()> {
        let user = self.db.find_user(login).await?.ok_or_else(|| no_login(login))?;
        let mut tx = self.db.begin().await?;
        let known = tx.lock_owner(owner).await?.ok_or_else(Problem::not_found)?;
        if !tx.remove_member(known.id, user.id).await? {
            return Err(no_login(login));
        }
        keep_one_owner(&mut tx, known.id).await?;
        let detail = json!({"login": login, "role": null});
        tx.note_event(actor, "owner", &format!("@{owner}"), &detail).await?;
        Ok(tx.commit().await?)
    }

    /// Says which builds may publish a skill.
    ///
    /// # Errors
    /// 422 for an issuer that this registry does not know, and for claims that say nothing.
    pub(crate) async fn set_publishers(
        &self,
        actor: &str,
        name: &ScopedName,
        rows: &[PublisherRow],
    ) -> Answer<()> {
        let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
        let is_known = |one: &PublisherRow| {
            self.settings.auth.oidc.iter().any(|known| same(known.issuer.as_str(), &one.issuer))
        };
        if let Some(unknown) = rows.iter().find(|one| !is_known(one)) {
            let why = format!("`{}` is not an issuer that this registry knows", unknown.issuer);
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why));
        }
        let says = |one: &PublisherRow| one.claims.as_object().is_some_and(|claims| !claims.is_empty());
        if rows.iter().any(|one| !says(one)) {
            let why = "a trusted build is named by at least one claim, for instance `repository`";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why));
        }
        let mut tx = self.db.begin().await?;
        let skill = lock_known(&mut tx, name).await?;
        tx.set_publishers(skill.id, rows).await?;
        tx.note_event(actor, "publishers", &name.to_string(), &json!({"publishers": rows})).await?;
        Ok(tx.commit().await?)
    }

    /// Bans somebody, or lifts the ban. What they published stays: taking it down is another act.
    ///
    /// # Errors
    /// 404 for a login that nobody has.
    pub(crate) async fn set_ban(&self, verdict: Verdict<'_>, login: &str, banned: bool) -> Answer<()> {
        let mut tx = self.db.begin().await?;
        if !Db::set_ban(&mut tx, login, banned.then_some(verdict.reason)).await? {
            return Err(no_login(login));
        }
        let kind = if banned { "ban" } else { "unban" };
        tx.note_event(verdict.actor, kind, login, &json!({"reason": verdict.reason})).await?;
        Ok(tx.commit().await?)
    }

    /// Reserves the name of an owner, so that nobody claims it or one that looks like it.
    ///
    /// # Errors
    /// 409 for a name that is taken.
    pub(crate) async fn reserve_owner(&self, verdict: Verdict<'_>, owner: &OwnerName) -> Answer<()> {
        let mut tx = self.db.begin().await?;
        tx.reserve_owner(owner.as_str(), &owner.skeleton()).await?;
        let detail = json!({"reason": verdict.reason});
        tx.note_event(verdict.actor, "reserve", &owner.to_string(), &detail).await?;
        Ok(tx.commit().await?)
    }

    /// Features a skill at a place, 0 for no more.
    ///
    /// # Errors
    /// 404 for what is not there.
    pub(crate) async fn feature_skill(
        &self,
        verdict: Verdict<'_>,
        name: &ScopedName,
        place: i64,
    ) -> Answer<()> {
        let mut tx = self.db.begin().await?;
        let skill = lock_known(&mut tx, name).await?;
        tx.feature_skill(skill.id, place).await?;
        tx.add_job("derive", &json!({"name": name, "kind": "feature"}), now_millis()).await?;
        let detail = json!({"reason": verdict.reason, "place": place});
        tx.note_event(verdict.actor, "feature", &name.to_string(), &detail).await?;
        tx.commit().await?;
        self.refresh_skill(name).await?;
        self.work.notify_waiters();
        Ok(())
    }
}

/// Who approves what a scan found nothing in.
pub(crate) const SCANNER: &str = "scanner";

fn removal_of(removal: Removal) -> impl Fn(&VersionRow) -> Answer<Option<(PublishedVersion, &'static str)>> {
    move |row| {
        let line = PublishedVersion { removed: Some(removal.clone()), ..row.line.clone() };
        Ok(match row.status.as_str() {
            status::LIVE => Some((line, status::REMOVED)),
            status::SCAN | status::HELD => Some((line, status::REFUSED)),
            _ => None,
        })
    }
}

async fn lock_known(tx: &mut Tx, name: &ScopedName) -> Answer<StoredSkill> {
    let skill = tx.lock_skill(name.owner().as_str(), name.name().as_str()).await?;
    skill.ok_or_else(Problem::not_found)
}

async fn keep_one_owner(tx: &mut Tx, owner: i64) -> Answer<()> {
    match tx.count_owners(owner).await? {
        0 => Err(Problem::conflict("this is the last owner: make somebody else one first")),
        _ => Ok(()),
    }
}

fn no_login(login: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("no user has the login `{login}`"))
}
