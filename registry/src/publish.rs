//! Deed: a version is published. The archive is held against all rules before anything of it is
//! stored; then its bytes are written, then its row, then the line of the index: a reader never
//! sees a line whose archive is missing, and what a kill leaves open is a job that is done later.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ba_agent_archive::open_published_archive;
use ba_agent_core::error::printable;
use ba_agent_core::path::RelPath;
use ba_agent_core::remote_registry::derived::newest_version;
use ba_agent_core::remote_registry::{
    MAX_VERSIONS, OwnerName, Publication, PublishedSource, PublishedVersion, PublishingLimits, ScopedName,
    archive_path, check_publication, describe_publication, find_look_alike, version_index_path, version_key,
    write_version_index,
};
use ba_agent_core::skill::{Finding, Severity};
use bytes::Bytes;
use semver::Version;
use serde_json::{Value, json};

use crate::auth::ApiCaller;
use crate::clock::now_millis;
use crate::db::Tx;
use crate::db::skills::{StoredSkill, status};
use crate::problem::{Answer, Problem, ProblemDetail};
use crate::registry::RegistryServer;
use crate::settings::HoldMode;
use crate::stored_file::held_path;

/// The window in which an owner's publications are counted: an hour.
const WINDOW: i64 = 60 * 60 * 1000;

/// What somebody wants to publish.
pub(crate) struct PublishRequest {
    pub(crate) name: ScopedName,
    pub(crate) version: Version,
    pub(crate) bytes: Bytes,
    pub(crate) caller: ApiCaller,
}

/// What became of it.
pub(crate) enum PublicationOutcome {
    /// It is in the index.
    Created { line: Box<PublishedVersion>, findings: Value, quota: PublishQuota },
    /// The same bytes were there.
    Same { line: Box<PublishedVersion> },
    /// It waits for a scan or an admin.
    Waits { line: Box<PublishedVersion>, job: i64, status: String },
}

/// How much an owner may publish yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PublishQuota {
    limit: i64,
    used: i64,
    ends: i64,
}

impl PublishQuota {
    /// Says in the headers what is left.
    pub(crate) fn write_to(self, headers: &mut HeaderMap) {
        let seconds = ((self.ends - now_millis()) / 1000).max(1);
        let mut set = |name: HeaderName, value: i64| headers.insert(name, HeaderValue::from(value));
        set(HeaderName::from_static("ratelimit-limit"), self.limit);
        set(HeaderName::from_static("ratelimit-remaining"), (self.limit - self.used).max(0));
        set(HeaderName::from_static("ratelimit-reset"), seconds);
        if self.used > self.limit {
            set(header::RETRY_AFTER, seconds);
        }
    }
}

impl RegistryServer {
    /// What this registry takes.
    pub(crate) fn publishing_limits(&self) -> PublishingLimits {
        let limits = &self.settings.limits;
        PublishingLimits { archive: limits.archive, unpacked: limits.unpacked, files: limits.files }
    }

    /// Publishes a version.
    ///
    /// # Errors
    /// 409 for other bytes under the same version, 410 for a name that was removed, 422 with every
    /// finding for what breaks a rule, 429 for too many, 503 and 507 when it cannot be stored.
    pub(crate) async fn publish_version(&self, request: PublishRequest) -> Answer<PublicationOutcome> {
        let PublishRequest { name, version, bytes, caller } = request;
        let source = self.source_of_build(&caller);
        let (line, findings) = self.inspect_archive(&name, &version, bytes.clone(), &caller, source).await?;
        let owner_hold = self.holds_owner(name.owner()).await?;
        let first_status = match self.settings.hold {
            _ if owner_hold => status::HELD,
            HoldMode::None => status::LIVE,
            HoldMode::Scan => status::SCAN,
            HoldMode::Approve => status::HELD,
        };
        let place = if first_status == status::LIVE { archive_path(&line.digest) } else { held_path(&line) };
        self.store.put_if_absent(&place, bytes).await?;
        let recorded = self.record_version(&line, &caller, first_status, owner_hold).await?;
        let quota = match recorded {
            RecordedPublication::There(outcome) => return Ok(*outcome),
            RecordedPublication::New { quota, job } if first_status != status::LIVE => {
                self.work.notify_waiters();
                crate::metrics::count_event("held");
                let _ = quota;
                return Ok(PublicationOutcome::Waits {
                    line: Box::new(line),
                    job,
                    status: first_status.to_owned(),
                });
            }
            RecordedPublication::New { quota, .. } => quota,
        };
        self.write_index(&name).await?;
        self.refresh_skill(&name).await?;
        self.work.notify_waiters();
        crate::metrics::count_event("publish");
        Ok(PublicationOutcome::Created { line: Box::new(line), findings, quota })
    }

    /// The commit of a trusted build, as its issuer said.
    fn source_of_build(&self, caller: &ApiCaller) -> Option<PublishedSource> {
        let (issuer, subject) = caller.login.split_once('#').filter(|(issuer, _)| issuer.contains("://"))?;
        let git =
            subject.split(':').nth(1).map(|repository| match issuer.contains("githubusercontent.com") {
                true => format!("https://github.com/{repository}"),
                false => repository.to_owned(),
            });
        Some(PublishedSource { git: git?, commit: None, path: None, verified: Some("oidc".to_owned()) })
    }

    /// Unpacks the archive in memory, holds it against every rule, and computes its line.
    async fn inspect_archive(
        &self,
        name: &ScopedName,
        version: &Version,
        bytes: Bytes,
        caller: &ApiCaller,
        source: Option<PublishedSource>,
    ) -> Answer<(PublishedVersion, Value)> {
        let _turn = self.inspections.acquire().await.map_err(Problem::internal)?;
        let limits = self.publishing_limits();
        let (name, version, by) = (name.clone(), version.clone(), caller.login.clone());
        let published_at = crate::clock::timestamp_of(now_millis());
        let inspected = tokio::task::spawn_blocking(move || {
            let package = open_published_archive(&bytes, &limits).map_err(refuse_archive)?;
            let findings = check_publication(&package, &name, &version, &limits).map_err(refuse_archive)?;
            let (blocking, shown): (Vec<_>, Vec<_>) =
                findings.into_iter().partition(|finding| finding.severity == Severity::Error);
            if !blocking.is_empty() {
                let why = format!("the skill breaks {} of the rules for what is published", blocking.len());
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why);
                return Err(problem.with_errors(blocking.iter().map(detail_of).collect()));
            }
            let publication = Publication {
                name: &name,
                version: &version,
                archive: &bytes,
                published_at,
                by: Some(&by),
                source,
            };
            let line = describe_publication(&package, publication).map_err(refuse_archive)?;
            Ok((line, shown_findings(&shown)))
        });
        inspected.await.map_err(Problem::internal)?
    }

    /// The name and version that an archive gives itself, for an owner.
    ///
    /// # Errors
    /// 422 for an archive that is refused or says neither.
    pub(crate) async fn read_label(&self, owner: &str, bytes: Bytes) -> Answer<(ScopedName, Version)> {
        let owner: OwnerName = owner.parse().map_err(Problem::from)?;
        let limits = self.publishing_limits();
        let read = tokio::task::spawn_blocking(move || {
            let package = open_published_archive(&bytes, &limits).map_err(refuse_archive)?;
            let root = RelPath::ROOT;
            let skill = package.dir(&root);
            let entries = skill.entries();
            let manifest = entries.iter().find(|entry| entry.path.as_str() == ba_agent_core::skill::MANIFEST);
            let bytes = manifest.map(|entry| skill.read(entry)).transpose().map_err(refuse_archive)?;
            let limits = ba_agent_core::listing::Limits::default();
            let read = ba_agent_core::skill::read_manifest(
                ba_agent_core::skill::MANIFEST,
                None,
                &bytes.unwrap_or_default(),
                ba_agent_core::skill::Profile::Lint,
                &limits,
            );
            let front = read.frontmatter.ok_or_else(|| invalid_label("its SKILL.md cannot be read"))?;
            let name = front.name.ok_or_else(|| invalid_label("its SKILL.md says no `name`"))?;
            let version = front.version.as_deref().and_then(ba_agent_core::version::parse_label);
            let version = version.ok_or_else(|| invalid_label("its SKILL.md says no `version`"))?;
            let name = ScopedName::new(owner, name.parse().map_err(Problem::from)?).map_err(Problem::from)?;
            Ok((name, version))
        });
        read.await.map_err(Problem::internal)?
    }

    /// True when what the owner publishes waits for an admin: it is held, or new and taken for
    /// another.
    async fn holds_owner(&self, owner: &OwnerName) -> Answer<bool> {
        if let Some(known) = self.db.find_owner(owner.as_str()).await? {
            return Ok(known.is_held);
        }
        let names = self.db.owner_names().await?;
        let used: Vec<OwnerName> = names.iter().filter_map(|name| name.parse().ok()).collect();
        Ok(find_look_alike(owner, used.iter()).is_some())
    }

    /// Stores the row of a version, its event and what is to be done with it, in one transaction.
    async fn record_version(
        &self,
        line: &PublishedVersion,
        caller: &ApiCaller,
        first_status: &str,
        is_owner_held: bool,
    ) -> Answer<RecordedPublication> {
        let mut tx = self.db.begin().await?;
        let skill = claim_name(&mut tx, &line.name, caller, is_owner_held).await?;
        let key = version_key(&line.version);
        if let Some(there) = tx.find_version(skill.id, &key).await? {
            return answer_existing(&there, line)
                .map(|outcome| RecordedPublication::There(Box::new(outcome)));
        }
        let most = i64::try_from(MAX_VERSIONS).unwrap_or(i64::MAX);
        if tx.count_versions(skill.id).await? >= most {
            return Err(Problem::conflict(format!(
                "`{}` has {MAX_VERSIONS} versions, which is the limit",
                line.name
            )));
        }
        let quota = self.count_publication(&mut tx, line.name.owner()).await?;
        tx.insert_version(skill.id, &key, line, first_status).await?;
        let subject = format!("{}@{}", line.name, line.version);
        let payload =
            json!({"name": line.name, "version": line.version, "kind": "publish", "at": now_millis()});
        let job = if first_status == status::LIVE {
            show_if_newest(&mut tx, &skill, &key, line).await?;
            tx.add_job("derive", &payload, now_millis()).await?
        } else {
            let kind = if first_status == status::SCAN { "scan" } else { "approval" };
            // Nobody but an admin does an approval: it is due when it is done.
            let due = if first_status == status::SCAN { now_millis() } else { i64::MAX };
            tx.add_job(kind, &payload, due).await?
        };
        let kind = if first_status == status::LIVE { "publish" } else { "hold" };
        let detail = json!({"digest": line.digest, "tree": line.tree, "status": first_status});
        tx.note_event(caller.actor(), kind, &subject, &detail).await?;
        tx.commit().await?;
        Ok(RecordedPublication::New { quota, job })
    }

    async fn count_publication(&self, tx: &mut Tx, owner: &OwnerName) -> Answer<PublishQuota> {
        let limit = self.settings.limits.publish_per_hour;
        let (used, ends) = tx.count_in_window(&format!("publish:{owner}"), WINDOW).await?;
        let quota = PublishQuota { limit, used, ends };
        if used <= limit {
            return Ok(quota);
        }
        let why = format!("{owner} has published {limit} versions in this hour, which is the limit");
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, why);
        quota.write_to(&mut problem.headers);
        Err(problem)
    }

    /// Writes the index of a skill as the database has it. Several servers may do so at once: each
    /// read the file before the rows, so whoever wrote over a newer one would find it changed.
    ///
    /// # Errors
    /// 503 and 507 when it cannot be written.
    pub(crate) async fn write_index(&self, name: &ScopedName) -> Answer<()> {
        let path = version_index_path(name);
        let (owner, bare) = (name.owner().as_str(), name.name().as_str());
        for _ in 0..100 {
            let there = self.store.get(&path).await?;
            let Some(skill) = self.db.find_skill(owner, bare).await? else { return Ok(()) };
            let lines = self.db.index_lines(skill.id).await?;
            if lines.is_empty() {
                return Ok(());
            }
            let bytes = Bytes::from(write_version_index(&lines));
            if there.as_ref().is_some_and(|there| there.bytes == bytes) {
                return Ok(());
            }
            if self.store.put_if_match(&path, bytes, there.map(|there| there.etag)).await? {
                self.announce_file(&path).await;
                return Ok(());
            }
        }
        Err(Problem::unavailable("the index of this skill is written by many at once", 1))
    }

    /// Reads a skill anew into memory.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn refresh_skill(&self, name: &ScopedName) -> Answer<()> {
        if let Some(row) = self.db.shelf_row(name.owner().as_str(), name.name().as_str()).await? {
            self.shelf.put(row);
        }
        Ok(())
    }

    /// Forgets what is kept of a file that was written, here and at the other servers.
    pub(crate) async fn announce_file(&self, path: &str) {
        self.forget_file(path);
        if self.db.is_shared() {
            // Who misses it reads the old file for a minute at most.
            let sql = "select pg_notify('files', $1)";
            let _ = self.db.fetch_first(sql, crate::db::values![path]).await;
        }
    }
}

enum RecordedPublication {
    There(Box<PublicationOutcome>),
    New { quota: PublishQuota, job: i64 },
}

/// The skill of a name, which the first who publishes to it gets.
async fn claim_name(
    tx: &mut Tx,
    name: &ScopedName,
    caller: &ApiCaller,
    is_owner_held: bool,
) -> Answer<StoredSkill> {
    let owner = name.owner();
    let id = match tx.lock_owner(owner.as_str()).await? {
        Some(known) if known.is_tombstoned => return Err(Problem::gone(format!("{owner} was removed"))),
        Some(known) => known.id,
        None => {
            let id = tx.create_owner(owner.as_str(), &owner.skeleton(), is_owner_held).await?;
            tx.put_member(id, caller.user, "owner").await?;
            id
        }
    };
    let skill = tx.claim_skill(id, owner.as_str(), name.name().as_str()).await?;
    match skill.is_tombstoned {
        true => Err(Problem::gone(format!("`{name}` was removed; a name is never given again"))),
        false => Ok(skill),
    }
}

fn answer_existing(
    there: &crate::db::skills::VersionRow,
    line: &PublishedVersion,
) -> Answer<PublicationOutcome> {
    let same = there.digest == line.digest.to_string();
    match there.status.as_str() {
        status::REMOVED | status::REFUSED => {
            let why = there.removed_reason.clone().unwrap_or_else(|| "refused".to_owned());
            Err(Problem::conflict(format!("`{}` {} was taken down: {why}", line.name, line.version))
                .with_hint("publish a higher version"))
        }
        _ if !same => {
            let why = format!("`{}` {} is published already, with other files", line.name, line.version);
            Err(Problem::conflict(why).with_hint("a published version never changes: publish a higher one"))
        }
        status::LIVE => Ok(PublicationOutcome::Same { line: Box::new(there.line.clone()) }),
        waits => Ok(PublicationOutcome::Waits {
            line: Box::new(there.line.clone()),
            job: 0,
            status: waits.to_owned(),
        }),
    }
}

/// Shows the skill by this version where no higher one stands for it.
async fn show_if_newest(tx: &mut Tx, skill: &StoredSkill, key: &str, line: &PublishedVersion) -> Answer<()> {
    let is_higher = |latest: &String| Version::parse(latest).is_ok_and(|latest| latest > line.version);
    if !line.version.pre.is_empty() || skill.latest.as_ref().is_some_and(is_higher) {
        return Ok(());
    }
    Ok(tx.show_version(skill.id, Some((key, line))).await?)
}

/// Shows the skill by the version that stands for it now.
///
/// # Errors
/// Those of the database.
pub(crate) async fn show_newest(tx: &mut Tx, skill: i64) -> Answer<()> {
    let lines = tx.index_lines(skill).await?;
    let newest = newest_version(&lines).map(|line| (version_key(&line.version), line));
    Ok(tx.show_version(skill, newest.as_ref().map(|(key, line)| (key.as_str(), *line))).await?)
}

/// What the rules say of an archive is the archive's fault.
fn refuse_archive(error: ba_agent_core::error::Error) -> Problem {
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.message.clone());
    let reason = std::iter::once(&error.message).chain(&error.causes);
    problem.errors =
        reason.map(|message| ProblemDetail { at: None, message: printable(message, false) }).collect();
    problem
}

fn invalid_label(why: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the archive does not say what it is: {why}"))
}

fn detail_of(finding: &Finding) -> ProblemDetail {
    let at = printable(&format!("{}:{}", finding.file, finding.line), false);
    ProblemDetail { at: Some(at), message: printable(&finding.message, false) }
}

fn shown_findings(findings: &[Finding]) -> Value {
    let shown = |finding: &Finding| {
        json!({"code": finding.code, "at": printable(&format!("{}:{}", finding.file, finding.line), false),
            "message": printable(&finding.message, false)})
    };
    findings.iter().map(shown).collect()
}
