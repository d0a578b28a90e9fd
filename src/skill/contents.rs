//! The files beside the manifest, judged by their names and modes. What would break on
//! a file system or lead out of the skill is not here but in
//! [`check_portable`](crate::tree::check_portable), which refuses it.

use crate::tree::{Entry, Node};

use super::rules::{self, Finding, Findings, Pos, Profile};
use super::{LOWER_MANIFEST, MANIFEST};

/// Bytes that an upload may have unpacked (platform documentation, August 2026).
const MAX_UPLOAD: u64 = 30 * 1000 * 1000;

/// Looks at all files of one skill, `entries` relative to it: nested manifests,
/// executables, archives, files that look like secrets, and the size for an upload.
/// The bytes are for [`super::check_text`].
pub(crate) fn check_files(entries: &[Entry], profile: Profile) -> Vec<Finding> {
    let mut all = Vec::new();
    for entry in entries {
        let mut findings = Findings::new(profile, entry.path.as_str());
        check_file(entry, &mut findings);
        all.extend(findings.into_vec());
    }
    let size: u64 = entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.size));
    if size > MAX_UPLOAD {
        let mut findings = Findings::new(profile, MANIFEST);
        let message = format!("the skill has {size} bytes: an upload may have {MAX_UPLOAD}");
        findings.add(rules::BUNDLE_SIZE, Pos::START, message, "leave large files out");
        all.extend(findings.into_vec());
    }
    all
}

fn check_file(entry: &Entry, findings: &mut Findings) {
    let name = entry.path.name();
    if is_manifest(name) && entry.path.depth() > 0 {
        let message = "a skill inside a skill: agents list only the outer one";
        findings.add(
            rules::NESTED_SKILL,
            Pos::START,
            message,
            "make it a file below `references/`, or a skill beside this one",
        );
    }
    if is_manifest(name) && entry.path.depth() == 0 && !matches!(name, MANIFEST | LOWER_MANIFEST) {
        findings.add(
            rules::MANIFEST_NAME,
            Pos::START,
            "agents do not find this file",
            "rename it to `SKILL.md`",
        );
    }
    if entry.node == (Node::File { executable: true }) {
        findings.add(rules::EXECUTABLE, Pos::START, "can be run", "");
    }
    let lower = name.to_ascii_lowercase();
    if is_secret(&lower) {
        let help = "take it out of the skill, and change what it holds if it was ever published";
        findings.add(rules::SECRET_FILE, Pos::START, "looks like a file with secrets", help);
    }
    if is_archive(&lower) {
        let help = "put the files themselves into the skill, where people can see them";
        findings.add(
            rules::ARCHIVE_INSIDE,
            Pos::START,
            "an archive: what it holds is not looked through",
            help,
        );
    }
}

/// `SKILL.md` in any case.
fn is_manifest(name: &str) -> bool {
    name.eq_ignore_ascii_case(MANIFEST)
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
    use crate::tree::TreePath;

    fn codes(path: &str, executable: bool) -> Vec<&'static str> {
        let path = TreePath::parse(path.as_bytes()).unwrap();
        let entry = Entry { path, node: Node::File { executable }, size: 1, slot: 0 };
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
    fn an_upload_has_a_size() {
        let path = TreePath::parse(b"a").unwrap();
        let entry = Entry { path, node: Node::File { executable: false }, size: MAX_UPLOAD + 1, slot: 0 };
        let entries = [entry];
        assert_eq!(check_files(&entries, Profile::Upload)[0].code, "bundle-too-large");
        assert_eq!(check_files(&entries, Profile::Lint), []);
    }
}
