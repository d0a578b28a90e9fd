//! The log of a registry whose files are written here. Something stands in the log before it stands
//! in an index: so no line names a place that is not there, and what a kill leaves is a leaf whose
//! line is still to come.

use std::path::Path;

use jiff::Timestamp;
use semver::Version;

use super::RegistryFiles;
use ba_agent_core::error::{Result, error, fail, printable};
use ba_agent_core::remote_registry::{
    DESCRIPTION_FILE, LogDescription, PublishedVersion, RegistryDescription, ScopedName, VersionChange,
};
use ba_agent_core::transparency_log::{LogEvent, write_event};
use ba_agent_tlog::{LogSigningKey, append_to_log};
use url::Url;

/// The variable that names the file of the key.
pub(crate) const LOG_KEY_VARIABLE: &str = "BA_AGENT_LOG_KEY";

impl RegistryFiles<'_> {
    /// The same registry, whose log is signed with the key in a file. A registry that has nothing in
    /// it yet begins its log with that, and the key is made where there is none.
    ///
    /// # Errors
    /// `Usage` where the registry has a log and no key is named, `Integrity` for the key of another
    /// log, `Conflict` for a registry that began without one; those of reading and writing.
    pub(crate) fn with_log_key(mut self, file: Option<&Path>) -> Result<Self> {
        let shown = self.objects.shown();
        let Some(file) = file else {
            if self.description.log.is_none() {
                return Ok(self);
            }
            return Err(error!(Usage, "`{shown}` keeps a log, and it is not said where the log's key is")
                .hint(format!("{LOG_KEY_VARIABLE} names the file of the private key that signs it")));
        };
        if let Some(log) = &self.description.log {
            let Some(key) = LogSigningKey::read_file(file)? else {
                fail!(
                    NotFound,
                    "`{}` is not there, and the log of `{shown}` is signed with it",
                    file.display()
                );
            };
            if key.verifier().to_string() != log.key {
                return Err(error!(Integrity, "`{}` is not the key of the log of `{shown}`", file.display())
                    .hint(format!("the registry names the key {}", printable(&log.key, false))));
            }
            self.log_key = Some(key);
            return Ok(self);
        }
        if self.objects.list("")?.iter().any(|one| one.path.ends_with("/index.jsonl")) {
            return Err(error!(Conflict, "`{shown}` has versions that are in no log").hint(format!(
                "a log begins with its registry; unset {LOG_KEY_VARIABLE} to go on without one"
            )));
        }
        let origin = log_origin(&self.description);
        let key = LogSigningKey::read_or_create(file, &origin)?;
        self.description.log = Some(LogDescription { origin, key: key.verifier().to_string() });
        self.objects.put(DESCRIPTION_FILE, &self.description.to_bytes())?;
        self.log_key = Some(key);
        Ok(self)
    }

    /// Puts a publication into the log, if there is one, and gives the line with its place.
    ///
    /// # Errors
    /// Those of the log.
    pub(super) fn log_publication(&self, line: &PublishedVersion) -> Result<PublishedVersion> {
        let leaf = self.log_event(&LogEvent::publication(&line.to_line())?)?;
        Ok(PublishedVersion { leaf, ..line.clone() })
    }

    /// Puts a change of a version into the log, if there is one.
    ///
    /// # Errors
    /// Those of the log.
    pub(super) fn log_change(
        &self,
        name: &ScopedName,
        version: &Version,
        change: &VersionChange,
        at: Timestamp,
    ) -> Result<()> {
        let (name, version) = (name.to_string(), version.to_string());
        let event = match change {
            VersionChange::Yank { reason } => {
                LogEvent::Yank { at, by: None, name, version, reason: reason.clone() }
            }
            VersionChange::Unyank => LogEvent::Unyank { at, by: None, name, version },
            VersionChange::Remove(removal) => {
                let reason = removal.reason.clone();
                LogEvent::Remove { at, by: None, name, version: Some(version), reason }
            }
        };
        self.log_event(&event).map(drop)
    }

    fn log_event(&self, event: &LogEvent) -> Result<Option<u64>> {
        let Some(key) = &self.log_key else { return Ok(None) };
        Ok(append_to_log(&self.objects, key, &[write_event(event)?])?.first().copied())
    }
}

/// What the log of a registry is called: by its address, or by its name.
fn log_origin(description: &RegistryDescription) -> String {
    let url = description.url.as_deref().and_then(|url| Url::parse(url).ok());
    let place = url.and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(format!("{host}{}", url.path().trim_end_matches('/')))
    });
    let name =
        || description.name.split(|c: char| c.is_whitespace() || c == '+').collect::<Vec<_>>().join("-");
    format!("{}/log", place.unwrap_or_else(name))
}
