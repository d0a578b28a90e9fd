//! World: the operator's own scanner, a program that gets the folder of an unpacked skill.

use std::path::Path;
use std::process::Stdio;

use ba_agent_archive::open_published_archive;
use ba_agent_core::error::printable;
use ba_agent_core::listing::Node;
use ba_agent_core::package::Package;
use ba_agent_core::remote_registry::{ScopedName, version_key};
use ba_agent_core::text::shorten_text;
use semver::Version;
use tokio::process::Command;

use crate::problem::{Answer, Problem};
use crate::registry::RegistryServer;
use crate::stored_file::held_path;

/// What a scanner says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScanVerdict {
    /// Nothing was found, or nothing that keeps it from being published.
    Pass(String),
    /// It is not to be published.
    Block(String),
    /// There is no verdict: it timed out, failed, or is not there.
    Unknown(String),
}

impl RegistryServer {
    /// Has a version that waits looked at.
    ///
    /// # Errors
    /// 503 when its archive cannot be read.
    pub(crate) async fn scan_held(&self, name: &ScopedName, version: &Version) -> Answer<ScanVerdict> {
        let skill = self.db.find_skill(name.owner().as_str(), name.name().as_str()).await?;
        let skill = skill.ok_or_else(Problem::not_found)?;
        let row =
            self.db.find_version(skill.id, &version_key(version)).await?.ok_or_else(Problem::not_found)?;
        let stored = self.store.get(&held_path(&row.line)).await?;
        let Some(stored) = stored else {
            return Ok(ScanVerdict::Unknown("its archive is not there".to_owned()));
        };
        let limits = self.publishing_limits();
        let unpack = move || -> Answer<tempfile::TempDir> {
            let package = open_published_archive(&stored.bytes, &limits).map_err(Problem::from)?;
            let folder = tempfile::tempdir().map_err(Problem::internal)?;
            write_package(&package, folder.path()).map_err(Problem::internal)?;
            Ok(folder)
        };
        let folder = tokio::task::spawn_blocking(unpack).await.map_err(Problem::internal)??;
        Ok(self.run_scanner(folder.path()).await)
    }

    async fn run_scanner(&self, folder: &Path) -> ScanVerdict {
        let Some((program, arguments)) = self.settings.scan.command.split_first() else {
            return ScanVerdict::Unknown("`scan.command` is not set".to_owned());
        };
        let run = Command::new(program)
            .args(arguments)
            .arg(folder)
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = match tokio::time::timeout(self.settings.scan.timeout, run).await {
            Err(_) => return ScanVerdict::Unknown("the scanner took too long".to_owned()),
            Ok(Err(e)) => return ScanVerdict::Unknown(format!("the scanner cannot be run: {e}")),
            Ok(Ok(output)) => output,
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let said = printable(&shorten_text(said.trim(), 500), false);
        // clamdscan's own: 0 is clean, 1 is a finding, anything else is a failure. A scanner of
        // one's own may also say `warn`, which lets it pass and is kept.
        match output.status.code() {
            Some(0) => ScanVerdict::Pass(if said.is_empty() { "scanned".to_owned() } else { said }),
            Some(1) => {
                ScanVerdict::Block(if said.is_empty() { "the scanner refused it".to_owned() } else { said })
            }
            code => ScanVerdict::Unknown(format!("the scanner ended with {code:?}")),
        }
    }
}

/// Writes the files of a package, which holds no path that leads out of a folder.
fn write_package(package: &Package, folder: &Path) -> std::io::Result<()> {
    for entry in package.listing.entries() {
        let at = folder.join(entry.path.as_str());
        if let Some(parent) = at.parent() {
            std::fs::create_dir_all(parent)?;
        }
        // A link is shown as the text that it is: nobody who scans follows it.
        let bytes = match &entry.node {
            Node::Link { target } => target.clone().into_bytes(),
            _ => package.read(entry).map_err(|e| std::io::Error::other(e.to_string()))?.into_owned(),
        };
        std::fs::write(at, bytes)?;
    }
    Ok(())
}
