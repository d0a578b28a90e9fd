//! Deeds: what is done after an answer: the derived files, scans, webhooks. Each is a job, a row
//! that any server takes and that a server which dies gives back.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use ba_agent_core::digest::{Digest, encode_hex};
use ba_agent_core::remote_registry::derived::CatalogueEntry;
use ba_agent_core::remote_registry::{
    OwnerName, RegistryAuth, RegistryDescription, ScopedName, derived, version_index_path,
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use semver::Version;
use serde_json::json;

use crate::clock::now_millis;
use crate::db::jobs::JobRow;
use crate::problem::{Answer, Problem};
use crate::registry::{App, RegistryServer};
use crate::scan::ScanVerdict;
use crate::versions::{SCANNER, Verdict};

/// How long a server may take over a job before another one does it.
const LEASE: i64 = 60_000;
/// Jobs that are taken at once.
const BATCH: i64 = 500;
/// How often a webhook is tried, and the pause before the second time, doubled each time.
const TRIES: i64 = 5;
const FIRST_PAUSE: i64 = 2_000;
/// The files of the whole registry are made at most so often.
const ROOT_PAUSE: Duration = Duration::from_millis(500);

/// Does jobs until the server stops.
pub(crate) async fn do_jobs(app: App) {
    let mut next_root = Instant::now();
    loop {
        let claimed = app.db.claim_jobs(LEASE, BATCH).await.unwrap_or_default();
        let is_idle = claimed.is_empty();
        let (derive, others): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|job| job.kind == "derive");
        for job in others {
            tokio::spawn(do_job(app.clone(), job));
        }
        if !derive.is_empty() {
            tokio::time::sleep(next_root.saturating_duration_since(Instant::now())).await;
            let started = Instant::now();
            if let Err(problem) = app.derive_files(&derive).await {
                give_back(&app, &derive, &problem).await;
            }
            // What takes long is not done without a pause.
            next_root = Instant::now() + ROOT_PAUSE.max(started.elapsed() * 5);
        }
        if is_idle {
            let woken = app.work.notified();
            let _ = tokio::time::timeout(Duration::from_secs(1), woken).await;
        }
    }
}

async fn give_back(app: &RegistryServer, jobs: &[JobRow], problem: &Problem) {
    for job in jobs {
        let _ = app.db.retry_job(job.id, 1_000, problem.detail.clone()).await;
    }
}

async fn do_job(app: App, job: JobRow) {
    let done = match job.kind.as_str() {
        "scan" => app.scan_version(&job).await,
        "webhook" => app.deliver_webhook(&job).await,
        other => {
            let why = format!("no job of the kind `{other}` is known");
            app.db.finish_job(job.id, Some(why)).await.map_err(Problem::from)
        }
    };
    if let Err(problem) = done {
        crate::log::write_line("warning", &format!("job {}: {}", job.id, problem.detail));
        let _ = app.db.retry_job(job.id, 5_000, problem.detail).await;
    }
}

/// The name that a job is about.
fn name_of_job(job: &JobRow) -> Option<ScopedName> {
    job.payload["name"].as_str()?.parse().ok()
}

impl RegistryServer {
    /// What this registry says of itself.
    pub(crate) fn describe_registry(&self) -> RegistryDescription {
        let url = self.settings.public_url();
        let mut description = RegistryDescription::new(&self.settings.shown_name());
        description.api = Some(format!("{url}/api/v1"));
        description.url = Some(url);
        description.limits = self.publishing_limits();
        description.auth = if self.is_private() { RegistryAuth::Read } else { RegistryAuth::None };
        let mut featured = self.shelf.all();
        featured.retain(|skill| skill.featured > 0);
        featured.sort_by_key(|skill| skill.featured);
        description.featured = featured.iter().filter_map(|skill| skill.name.parse().ok()).collect();
        description
    }

    /// Makes the files anew that hang on what changed, and says so to whoever wants to know.
    async fn derive_files(&self, jobs: &[JobRow]) -> Answer<()> {
        let description = self.describe_registry();
        let names: BTreeSet<ScopedName> = jobs.iter().filter_map(name_of_job).collect();
        let mut owners = BTreeSet::new();
        for name in &names {
            self.write_index(name).await?;
            self.refresh_skill(name).await?;
            self.forget_file(&version_index_path(name));
            self.derive_skill(&description, name).await?;
            owners.insert(name.owner().clone());
        }
        self.derive_owners(&description, &owners).await?;
        self.derive_root(&description).await?;
        self.write_description().await?;
        for job in jobs {
            self.tell_followers(job).await?;
            self.db.finish_job(job.id, None).await?;
        }
        Ok(())
    }

    async fn derive_skill(&self, description: &RegistryDescription, name: &ScopedName) -> Answer<()> {
        let skill = self.db.find_skill(name.owner().as_str(), name.name().as_str()).await?;
        let Some(skill) = skill else { return Ok(()) };
        let lines = self.db.index_lines(skill.id).await?;
        let is_anything = !lines.is_empty();
        let (description, own) = (description.clone(), name.clone());
        let derive = move || derived::derive_skill_files(&description, &own, &lines);
        let files = tokio::task::spawn_blocking(derive).await.map_err(Problem::internal)?;
        if is_anything { self.put_changed(files).await } else { Ok(()) }
    }

    async fn derive_owners(
        &self,
        description: &RegistryDescription,
        owners: &BTreeSet<OwnerName>,
    ) -> Answer<()> {
        let entries = self.catalogue_entries().await?;
        for owner in owners {
            self.put_changed(derived::derive_owner_files(description, owner, &entries)).await?;
        }
        Ok(())
    }

    async fn derive_root(&self, description: &RegistryDescription) -> Answer<()> {
        let (entries, description) = (self.catalogue_entries().await?, description.clone());
        let derive = move || derived::derive_root_files(&description, &entries);
        let files = tokio::task::spawn_blocking(derive).await.map_err(Problem::internal)?;
        // What leads to another file is written after it.
        let (pointers, rest): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| !file.path.contains('/') && file.path.ends_with(".json"));
        self.put_changed(rest).await?;
        self.put_changed(pointers).await
    }

    /// What stands in the catalogue: each skill that has an index, by its newest version.
    async fn catalogue_entries(&self) -> Answer<Vec<CatalogueEntry>> {
        let mut entries = Vec::new();
        for skill in self.shelf.everything() {
            let Ok(name) = skill.name.parse::<ScopedName>() else { continue };
            let known = || {
                self.index_digests.lock().unwrap_or_else(PoisonError::into_inner).get(&skill.name).cloned()
            };
            let index = match known() {
                Some(digest) => digest,
                None => {
                    let Some(stored) = self.store.get(&version_index_path(&name)).await? else { continue };
                    let digest = Digest::of(&stored.bytes);
                    let mut digests = self.index_digests.lock().unwrap_or_else(PoisonError::into_inner);
                    digests.insert(skill.name.clone(), digest.clone());
                    digest
                }
            };
            let newest = skill.latest.clone().filter(|_| !skill.is_buried);
            entries.push(CatalogueEntry { name, index, newest });
        }
        Ok(entries)
    }

    async fn write_description(&self) -> Answer<()> {
        let path = ba_agent_core::remote_registry::DESCRIPTION_FILE.to_owned();
        let bytes = self.describe_registry().to_bytes();
        self.put_changed(vec![derived::DerivedFile { path, bytes }]).await
    }

    /// Writes those files that are not what they were when this server wrote them.
    async fn put_changed(&self, files: Vec<derived::DerivedFile>) -> Answer<()> {
        for file in files {
            let hash = ba_agent_core::digest::sha256_hex(&file.bytes);
            if self.written.get(&file.path).is_some_and(|written| *written == hash) {
                continue;
            }
            let there = self.store.get(&file.path).await?;
            if there.is_none_or(|there| there.bytes != file.bytes) {
                self.store.put(&file.path, Bytes::from(file.bytes)).await?;
                self.announce_file(&file.path).await;
            }
            self.written.insert(file.path, std::sync::Arc::new(hash));
        }
        Ok(())
    }

    /// Writes what a registry has before anything is published.
    ///
    /// # Errors
    /// 503 and 507 when it cannot be written.
    pub(crate) async fn write_first_files(&self) -> Answer<()> {
        self.write_revocations().await?;
        self.write_description().await?;
        // The rest while it answers already: there may be many skills.
        self.db.add_job("derive", &json!({}), now_millis()).await?;
        Ok(())
    }

    /// All derived files anew.
    ///
    /// # Errors
    /// 503 and 507 when they cannot be written.
    pub(crate) async fn derive_everything(&self) -> Answer<usize> {
        let description = self.describe_registry();
        let rows = self.db.load_shelf().await?;
        let mut owners = BTreeSet::new();
        for name in rows.iter().filter_map(|row| row.name.parse::<ScopedName>().ok()) {
            self.write_index(&name).await?;
            self.derive_skill(&description, &name).await?;
            owners.insert(name.owner().clone());
        }
        self.derive_owners(&description, &owners).await?;
        self.write_revocations().await?;
        self.derive_root(&description).await?;
        self.write_description().await?;
        Ok(rows.len())
    }

    /// A job for each webhook that wants to know what happened.
    async fn tell_followers(&self, job: &JobRow) -> Answer<()> {
        let kind = job.payload["kind"].as_str().unwrap_or_default();
        let skill = name_of_job(job).and_then(|name| self.shelf.find(&name.to_string()));
        let Some(skill) = skill else { return Ok(()) };
        for hook in self.db.webhooks_for(skill.id, job.payload["at"].as_i64().unwrap_or(i64::MAX)).await? {
            if hook.kinds.is_empty() || hook.kinds.iter().any(|wanted| wanted == kind) {
                let body = json!({"kind": kind, "name": job.payload["name"], "version": job.payload["version"],
                    "registry": self.settings.public_url()});
                self.db.add_job("webhook", &json!({"hook": hook.id, "body": body}), now_millis()).await?;
            }
        }
        Ok(())
    }

    /// Tells an address what happened, signed with its secret; five times at most.
    async fn deliver_webhook(&self, job: &JobRow) -> Answer<()> {
        let hook = match job.payload["hook"].as_i64() {
            Some(id) => self.db.find_webhook(id).await?,
            None => None,
        };
        let Some(hook) = hook else {
            return Ok(self.db.finish_job(job.id, Some("the webhook was removed".to_owned())).await?);
        };
        let body = job.payload["body"].to_string();
        let at = now_millis() / 1000;
        let signature = sign_delivery(&hook.secret, at, &body)?;
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("registry-delivery", job.id.to_string()),
            ("registry-signature", format!("t={at},v1={signature}")),
        ];
        let allow_private = self.settings.webhooks.allow_private;
        let posted = crate::fetch::post_json(&hook.url, headers, body.into_bytes(), allow_private).await;
        let failed = match posted {
            Ok(200..300) => return Ok(self.db.finish_job(job.id, None).await?),
            Ok(status) => format!("it answered {status}"),
            Err(why) => why,
        };
        if job.attempts >= TRIES {
            return Ok(self.db.finish_job(job.id, Some(failed)).await?);
        }
        let pause = FIRST_PAUSE << (job.attempts - 1).clamp(0, 10);
        Ok(self.db.retry_job(job.id, pause, failed).await?)
    }

    /// Has a version looked at, and does what the verdict says; without one it stays held.
    async fn scan_version(&self, job: &JobRow) -> Answer<()> {
        let version = job.payload["version"].as_str().and_then(|text| Version::parse(text).ok());
        let (Some(name), Some(version)) = (name_of_job(job), version) else {
            return Ok(self.db.finish_job(job.id, Some("the job names no version".to_owned())).await?);
        };
        match self.scan_held(&name, &version).await? {
            ScanVerdict::Pass(said) => {
                let verdict = Verdict { actor: SCANNER, reason: &said };
                match self.approve(verdict, &name, &version).await {
                    // Somebody was faster.
                    Err(problem) if problem.status.as_u16() == 409 => {}
                    other => other?,
                }
                Ok(self.db.finish_job(job.id, None).await?)
            }
            ScanVerdict::Block(said) => {
                let verdict = Verdict { actor: SCANNER, reason: &said };
                self.take_down(verdict, &name, Some(&version)).await?;
                Ok(self.db.finish_job(job.id, Some(said)).await?)
            }
            ScanVerdict::Unknown(why) => {
                // It waits for an admin now.
                Ok(self.db.retry_job(job.id, 24 * 3_600_000, why).await?)
            }
        }
    }
}

/// HMAC-SHA256 over the time and the body.
fn sign_delivery(secret: &str, at: i64, body: &str) -> Answer<String> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).map_err(Problem::internal)?;
    mac.update(format!("{at}.{body}").as_bytes());
    Ok(encode_hex(&mac.finalize().into_bytes()))
}
