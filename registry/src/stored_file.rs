//! A file of the layout: what its path says of it, and the tag of its bytes.

use axum::http::HeaderValue;
use ba_agent_core::digest::sha256_hex;
use ba_agent_core::remote_registry::PublishedVersion;
use bytes::Bytes;

/// Where the archive of a version that waits is kept: no reader gets it there.
pub(crate) fn held_path(line: &PublishedVersion) -> String {
    format!("held/{}.tar.gz", line.digest.as_hex())
}

/// Where the archive of a version that was removed is kept: no reader gets it there.
pub(crate) fn removed_path(line: &PublishedVersion) -> String {
    format!("removed/{}.tar.gz", line.digest.as_hex())
}

/// A file as it is handed out.
#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) bytes: Bytes,
    pub(crate) etag: HeaderValue,
    pub(crate) kind: FileKind,
}

/// What a path leads to, by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileKind {
    pub(crate) content_type: &'static str,
    pub(crate) cache_control: &'static str,
    /// An archive, whose bytes never change.
    pub(crate) is_blob: bool,
}

const MINUTE: &str = "public, max-age=60";
const FOR_EVER: &str = "public, max-age=31536000, immutable";

impl FileKind {
    const fn new(content_type: &'static str, cache_control: &'static str) -> Self {
        Self { content_type, cache_control, is_blob: false }
    }

    /// What a path of the layout leads to; `None` for one that is not of it.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let is_plain = !path.is_empty()
            && path.len() <= 400
            && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"@/._-+".contains(&b))
            && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_plain {
            return None;
        }
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let last = path.rsplit('/').next().unwrap_or_default();
        match (first, rest) {
            ("registry.json", "") => Some(Self::new("application/json", "public, max-age=300")),
            ("catalogue.json", "") => Some(Self::new("application/json", MINUTE)),
            ("revoked.jsonl", "") => Some(Self::new("application/jsonl", MINUTE)),
            ("feed.atom", "") => Some(Self::new("application/atom+xml", MINUTE)),
            (".well-known", "agent-skills/index.json") => Some(Self::new("application/json", MINUTE)),
            ("catalogue", _) => Some(Self::new("application/gzip", FOR_EVER)),
            ("b", _) => Some(Self { is_blob: true, ..Self::new("application/gzip", FOR_EVER) }),
            ("log", "checkpoint") => Some(Self::new("text/plain; charset=utf-8", "no-cache")),
            ("log", _) => Some(Self::new("application/octet-stream", FOR_EVER)),
            (owner, _) if owner.starts_with('@') => match last {
                "index.jsonl" => Some(Self::new("application/jsonl", MINUTE)),
                "index.json" if rest.ends_with(".well-known/agent-skills/index.json") => {
                    Some(Self::new("application/json", MINUTE))
                }
                "feed.atom" => Some(Self::new("application/atom+xml", MINUTE)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl StoredFile {
    /// A file with the tag of its bytes.
    pub(crate) fn new(kind: FileKind, bytes: Bytes) -> Self {
        let tag = sha256_hex(&bytes).chars().take(32).collect::<String>();
        let etag = HeaderValue::from_str(&format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes, etag, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_layout_lead_to_files() {
        for path in [
            "registry.json",
            "revoked.jsonl",
            "catalogue.json",
            "catalogue/ab.jsonl.gz",
            "feed.atom",
            ".well-known/agent-skills/index.json",
            "@acme/.well-known/agent-skills/index.json",
            "@acme/feed.atom",
            "@acme/pdf/index.jsonl",
            "@acme/pdf/feed.atom",
            "@acme/pdf/.well-known/agent-skills/index.json",
            "@acme/pdf/1.0.0+b/.well-known/agent-skills/index.json",
            "b/sha256/ab/abcd.tar.gz",
            "log/checkpoint",
        ] {
            assert!(FileKind::of(path).is_some(), "{path}");
        }
        for path in [
            "",
            "/registry.json",
            "held/x",
            "registry.json/x",
            "@acme/../registry.json",
            "b//x",
            "@acme/pdf",
            "@acme/pdf/SKILL.md",
            "private/x",
            ".lock",
            "b/sha256/ab/.x\u{0}",
            "@acme/pdf/index.jsonl.new~",
            ".well-known/other",
            "b/./x",
        ] {
            assert!(FileKind::of(path).is_none(), "{path}");
        }
    }
}
