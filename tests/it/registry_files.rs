//! A remote registry in the making: the files of one, written as any publisher would.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ba_agent_core::digest::{Digest, Files, digest_of_files};
use serde_json::{Value, json};

use crate::env::TestEnv;
use ba_agent_test_support::server::{Seen, Server};

/// A folder that is a registry.
pub(crate) struct RegistryFolder {
    pub(crate) root: PathBuf,
}

impl RegistryFolder {
    pub(crate) fn new(env: &TestEnv, below: &str) -> Self {
        let root = env.path(below);
        std::fs::create_dir_all(&root).unwrap();
        let registry = Self { root };
        registry.describe(json!({}));
        registry
    }

    /// Writes `registry.json`, with more in it.
    pub(crate) fn describe(&self, more: Value) {
        let mut all = json!({ "schema": 1, "name": "acme", "auth": "none",
            "limits": { "archive": "20MiB", "unpacked": "50MiB", "files": 1000 } });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.write("registry.json", all.to_string());
    }

    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    /// Publishes the skill in a folder; `more` goes into its line.
    pub(crate) fn publish(
        &self,
        env: &TestEnv,
        name: &str,
        version: &str,
        files: &Path,
        more: Value,
    ) -> Value {
        let archive = std::fs::read(env.tar_gz("archive.tar.gz", files)).unwrap();
        let digest = Digest::of(&archive);
        let hex = digest.as_hex();
        self.write(&format!("b/sha256/{}/{hex}.tar.gz", &hex[..2]), &archive);
        let (mut tree, mut bytes) = (Files::default(), 0);
        for entry in walkdir::WalkDir::new(files).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let content = std::fs::read(entry.path()).unwrap();
                let path = entry.path().strip_prefix(files).unwrap().to_str().unwrap().to_owned();
                bytes += content.len();
                let mode = if is_executable(entry.path()) { "100755" } else { "100644" };
                tree.insert(path, format!("{mode} {}", Digest::of(&content).as_hex()));
            }
        }
        let mut line = json!({
            "v": 1, "name": name, "version": version, "digest": digest.to_string(), "size": archive.len(),
            "tree": digest_of_files(&tree).to_string(), "unpacked": bytes, "files": tree.len(),
            "description": "Does it.", "hooks": false, "published_at": "2025-12-01T00:00:00Z",
            "by": "alice", "yanked": false,
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let index = format!("{name}/index.jsonl");
        self.write(&index, format!("{}{line}\n", self.read(&index)));
        line
    }

    /// Publishes a skill of one file, whose text has the version in it.
    pub(crate) fn publish_plain(&self, env: &TestEnv, name: &str, version: &str, more: Value) -> Value {
        let skill = name.split('/').next_back().unwrap();
        let folder = format!("sources/{skill}-{version}/{skill}");
        let files = env.skill(&folder).file("notes.md", format!("This is {version}.\n")).folder();
        self.publish(env, name, version, &files, more)
    }

    /// Changes the line of a version.
    pub(crate) fn change_line(&self, name: &str, version: &str, more: Value) {
        let index = format!("{name}/index.jsonl");
        let lines = self.read(&index);
        let changed = lines.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if line["version"] == version {
                line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            }
            format!("{line}\n")
        });
        self.write(&index, changed.collect::<String>());
    }

    /// Takes a version down.
    pub(crate) fn revoke(&self, line: &Value, reason: &str) {
        let revocation = json!({ "at": "2026-01-01T00:00:00Z", "name": line["name"], "version": line["version"],
            "digest": line["digest"], "reason": reason });
        self.write("revoked.jsonl", format!("{}{revocation}\n", self.read("revoked.jsonl")));
        let removed =
            json!({ "removed": { "at": "2026-01-01T00:00:00Z", "reason": reason, "revoked": true } });
        self.change_line(line["name"].as_str().unwrap(), line["version"].as_str().unwrap(), removed);
    }

    pub(crate) fn serve(&self) -> Server {
        Server::start_files(&self.root)
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    false
}

/// What was asked for, each with how often.
pub(crate) fn asked(seen: &[Seen]) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for one in seen {
        let name = match one.target.contains("/b/sha256/") {
            true => "archive".to_owned(),
            false => one.target.clone(),
        };
        *all.entry(name).or_insert(0) += 1;
    }
    all
}
