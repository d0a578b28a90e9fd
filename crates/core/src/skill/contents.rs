//! The files beside the manifest, judged by their names and modes. What would break on
//! a file system or lead out of the skill is not here but in
//! [`check_portable`](crate::listing::check_portable), which refuses it.

use crate::listing::{FileEntry, Node};

use super::rules::{self, Finding, Findings, Position, Profile};
use super::{LOWER_MANIFEST, MANIFEST};

/// Bytes that an upload may have unpacked (platform documentation, August 2026).
const MAX_UPLOAD: u64 = 30 * 1000 * 1000;

/// Looks at all files of one skill, `entries` relative to it: nested manifests,
/// executables, archives, files that look like secrets, and the size for an upload.
/// The bytes are for [`super::check_text`].
pub fn check_files(entries: &[FileEntry], profile: Profile) -> Vec<Finding> {
    let mut all = Vec::new();
    for entry in entries {
        let mut findings = Findings::new(profile, entry.path.as_str());
        check_file(entry, &mut findings);
        all.extend(findings.into_vec());
    }
    let size: u64 = entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.size));
    if size > MAX_UPLOAD {
        let mut findings = Findings::new(profile, MANIFEST);
        let message = format!("the skill has {size} bytes; uploads are limited to {MAX_UPLOAD}");
        findings.add_finding(rules::BUNDLE_SIZE, Position::START, message, "leave large files out");
        all.extend(findings.into_vec());
    }
    all
}

fn check_file(entry: &FileEntry, findings: &mut Findings) {
    let name = entry.path.name();
    if is_manifest(name) && entry.path.depth() > 0 {
        let message = "a skill inside a skill: agents list only the outer one";
        findings.add_finding(
            rules::NESTED_SKILL,
            Position::START,
            message,
            "make it a file below `references/`, or a skill beside this one",
        );
    }
    if is_manifest(name) && entry.path.depth() == 0 && !matches!(name, MANIFEST | LOWER_MANIFEST) {
        findings.add_finding(
            rules::MANIFEST_NAME,
            Position::START,
            "agents do not find this file",
            "rename it to `SKILL.md`",
        );
    }
    if entry.node == (Node::File { executable: true }) {
        findings.add_finding(rules::EXECUTABLE, Position::START, "can be run", "");
    }
    let lower = name.to_ascii_lowercase();
    if is_secret(&lower) {
        let help = "take it out of the skill, and change the secret if it was ever published";
        findings.add_finding(rules::SECRET_FILE, Position::START, "looks like a file with secrets", help);
    }
    if is_archive(&lower) {
        let help = "put the files themselves into the skill, where people can see them";
        findings.add_finding(
            rules::ARCHIVE_INSIDE,
            Position::START,
            "an archive, whose contents are not checked",
            help,
        );
    }
}

/// `SKILL.md` in any case.
fn is_manifest(name: &str) -> bool {
    name.eq_ignore_ascii_case(MANIFEST)
}

/// Ends of files that a shell or an interpreter runs.
const SCRIPTS: [&str; 16] = [
    "bash", "bat", "cjs", "cmd", "fish", "js", "lua", "mjs", "php", "pl", "ps1", "py", "rb", "sh", "ts",
    "zsh",
];

/// Whether a file is there to be run, by its mode or its name.
pub fn is_program(entry: &FileEntry) -> bool {
    let end = entry.path.name().rsplit_once('.').map_or("", |(_, end)| end);
    matches!(entry.node, Node::File { executable: true })
        || (matches!(entry.node, Node::File { .. }) && SCRIPTS.contains(&end))
}

/// Bytes of a key file; what is longer is something else.
const MAX_KEY: usize = 256 * 1024;

/// Looks into one file for a private key or the key of a service account, whatever the file
/// is called. Nothing of it is repeated.
pub fn check_secrets(path: &str, bytes: &[u8], profile: Profile) -> Vec<Finding> {
    let mut findings = Findings::new(profile, path);
    let known = path.rsplit('/').next().is_some_and(|name| is_secret(&name.to_ascii_lowercase()));
    if let Some(what) = find_secret(bytes).filter(|_| !known) {
        let message = format!("looks like {what}");
        findings.add_finding(
            rules::SECRET_FILE,
            Position::START,
            message,
            "take it out of the skill, and change the secret if it was ever published",
        );
    }
    findings.into_vec()
}

/// What a file is that nobody should have published.
fn find_secret(bytes: &[u8]) -> Option<&'static str> {
    // Of most files the first byte says that they are neither.
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace())?;
    if !matches!(first, b'{' | b'-') && first.is_ascii_graphic() {
        return None;
    }
    let text = std::str::from_utf8(bytes.get(..bytes.len().min(MAX_KEY))?).ok()?;
    let is_key_head = |line: &str| {
        let line = line.trim();
        line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----")
    };
    let has_key = text.contains("PRIVATE KEY-----");
    let trimmed = text.trim_start();
    if has_key && trimmed.starts_with('{') && text.contains("\"service_account\"") {
        return Some("the key of a service account");
    }
    // A document may quote such a line: a key file begins with it, and has lines of base 64.
    let mut lines = trimmed.lines();
    let begins = has_key && lines.next().is_some_and(is_key_head);
    let body = || lines.filter(|line| line.len() >= 40 && line.bytes().all(is_base64)).take(2).count();
    (begins && body() > 0).then_some("a private key")
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// By names under which tools keep keys; samples and templates are none.
fn is_secret(lower: &str) -> bool {
    let sample = ["example", "sample", "template", "dist", "test"].iter().any(|word| lower.ends_with(word));
    let env = lower == ".env" || (lower.starts_with(".env.") && !sample);
    let exact = [
        ".netrc",
        "_netrc",
        ".npmrc",
        ".pypirc",
        ".git-credentials",
        ".pgpass",
        ".htpasswd",
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        "credentials.json",
        "client_secret.json",
        "service-account.json",
        "service_account.json",
        "serviceaccount.json",
        "secrets.json",
        "secrets.yaml",
        "secrets.yml",
    ];
    let ending = [".p12", ".pfx", ".keystore", ".jks", ".ppk", ".kdbx"];
    env || exact.contains(&lower) || ending.iter().any(|end| lower.ends_with(end))
}

fn is_archive(lower: &str) -> bool {
    [".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".7z", ".rar", ".whl", ".jar"]
        .iter()
        .any(|end| lower.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RelPath;

    fn codes(path: &str, executable: bool) -> Vec<&'static str> {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        let entry = FileEntry { path, node: Node::File { executable }, size: 1, slot: 0 };
        check_files(&[entry], Profile::Lint).iter().map(|f| f.code).collect()
    }

    #[test]
    fn each_name_gets_its_finding() {
        for (path, expected) in [
            ("SKILL.md", None),
            ("scripts/run.py", None),
            ("sub/SKILL.md", Some("nested-skill")),
            ("a/b/skill.md", Some("nested-skill")),
            ("Skill.md", Some("manifest-name")),
            (".env", Some("secret-file")),
            ("x/.env.production", Some("secret-file")),
            (".env.example", None),
            (".environment.md", None),
            ("ID_RSA", Some("secret-file")),
            ("id_rsa.pub", None),
            ("service-account.json", Some("secret-file")),
            ("fonts.zip", Some("archive-inside")),
        ] {
            assert_eq!(codes(path, false), Vec::from_iter(expected), "{path}");
        }
        assert_eq!(codes("run.sh", true), ["executable"]);
    }

    #[test]
    fn a_key_is_known_by_what_is_in_it() {
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7";
        let key = |sort: &str| {
            format!("-----BEGIN {sort}PRIVATE KEY-----\n{line}\n{line}\n-----END {sort}PRIVATE KEY-----\n")
        };
        let account = serde_json::json!({ "type": "service_account", "private_key": key("") }).to_string();
        for (path, text, expected) in [
            ("keys/vertex-1a2b.json", account.clone(), true),
            ("deploy", key("RSA "), true),
            ("deploy", key("OPENSSH "), true),
            ("deploy", format!("\n{}", key("")), true),
            ("references/tls.md", format!("# Keys\n\n```\n{}```\n", key("EC ")), false),
            (
                "references/tls.md",
                "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n".into(),
                false,
            ),
            ("public.pem", key("").replace("PRIVATE", "PUBLIC"), false),
            (
                "example.json",
                serde_json::json!({ "type": "service_account", "private_key": "…" }).to_string(),
                false,
            ),
            // Told by its name already.
            ("service-account.json", account.clone(), false),
        ] {
            let found = check_secrets(path, text.as_bytes(), Profile::Install);
            assert_eq!(!found.is_empty(), expected, "{path} {text}");
            for finding in found {
                assert_eq!(
                    (finding.code, finding.severity),
                    ("secret-file", crate::skill::Severity::Warning)
                );
                assert!(!format!("{finding:?}").contains("MIIE"));
            }
        }
    }

    #[test]
    fn an_upload_has_a_size() {
        let path = RelPath::parse(b"a").unwrap();
        let entry = FileEntry { path, node: Node::File { executable: false }, size: MAX_UPLOAD + 1, slot: 0 };
        let entries = [entry];
        assert_eq!(check_files(&entries, Profile::Upload)[0].code, "bundle-too-large");
        assert_eq!(check_files(&entries, Profile::Lint), []);
    }
}
