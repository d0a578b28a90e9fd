//! What `gh skill` writes into the `SKILL.md` that it installs: keys of the frontmatter's
//! `metadata` that name the repository. It writes the whole frontmatter anew, so that an installed
//! manifest never has the bytes of its source.

use serde_yaml::Value;

use super::{ImportedSkill, IntegrityClaim, build_request, commit_sha};
use crate::listing::Limits;
use crate::skill::{Frontmatter, Profile, SkillManifest, read_manifest};

/// Its keys, besides `local-path`.
const PREFIX: &str = "github-";
const LOCAL: &str = "local-path";

/// The skill as `gh skill` has recorded it in its frontmatter, or why that cannot be used; `None`
/// where it has written nothing.
pub fn read_gh_metadata(name: &str, front: &Frontmatter) -> Option<Result<ImportedSkill, String>> {
    let metadata = front.metadata.as_ref()?;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (place, path) = match (text("github-repo"), text(LOCAL)) {
        (Some(repo), _) if repo.contains("://") || repo.contains('@') => {
            (repo.to_owned(), text("github-path").unwrap_or_default())
        }
        (Some(repo), _) => (format!("github:{repo}"), text("github-path").unwrap_or_default()),
        (None, Some(local)) => (local.to_owned(), ""),
        (None, None) => return None,
    };
    let reference = text("github-pinned").or_else(|| text("github-ref")).map(|reference| {
        let bare = reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/"));
        bare.unwrap_or(reference)
    });
    let skill = |request| ImportedSkill {
        name: name.to_owned(),
        request,
        choice: (path.is_empty() && text(LOCAL).is_none()).then(|| name.to_owned()),
        commit: commit_sha(reference),
        integrity: text("github-tree-sha").map(|tree| IntegrityClaim::Tree(tree.to_owned())),
        note: None,
    };
    Some(build_request(&place, reference, path).map(skill).map_err(|e| e.message))
}

/// True when a manifest says what that of its source says, but for what `gh skill` has added and
/// the way in which it writes YAML.
pub fn differs_by_gh_metadata_alone(installed: &[u8], source: &[u8], limits: &Limits) -> bool {
    let read = |bytes| read_manifest("SKILL.md", None, bytes, Profile::Install, limits);
    let (installed_manifest, source_manifest) = (read(installed), read(source));
    let body = |bytes: &[u8], manifest: &SkillManifest| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let lines = text.lines().skip(manifest.body_starts_line.saturating_sub(1));
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    };
    if body(installed, &installed_manifest) != body(source, &source_manifest) {
        return false;
    }
    match (installed_manifest.frontmatter, source_manifest.frontmatter) {
        (Some(ours), Some(theirs)) => {
            has_gh_metadata(&ours) && without_gh_metadata(ours) == without_gh_metadata(theirs)
        }
        _ => false,
    }
}

fn is_of_gh(key: &Value) -> bool {
    key.as_str().is_some_and(|key| key.starts_with(PREFIX) || key == LOCAL)
}

fn has_gh_metadata(front: &Frontmatter) -> bool {
    front.metadata.as_ref().and_then(Value::as_mapping).is_some_and(|keys| keys.keys().any(is_of_gh))
}

fn without_gh_metadata(mut front: Frontmatter) -> Frontmatter {
    if let Some(Value::Mapping(keys)) = &mut front.metadata {
        keys.retain(|key, _| !is_of_gh(key));
        if keys.is_empty() {
            front.metadata = None;
        }
    }
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "---\nname: pdf\ndescription: \"Reads PDF files. Use for PDF.\"\nlicense: MIT\n---\n\n# PDF\n\nText.\n";

    fn installed(keys: &str) -> String {
        format!(
            "---\ndescription: Reads PDF files. Use for PDF.\nlicense: MIT\nmetadata:\n{keys}name: pdf\n---\n# PDF\n\nText.\n"
        )
    }

    fn front(text: &str) -> Frontmatter {
        read_manifest("SKILL.md", None, text.as_bytes(), Profile::Install, &Limits::default())
            .frontmatter
            .unwrap()
    }

    #[test]
    fn the_repository_is_read_off_the_frontmatter() {
        let sha = "3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39";
        for (keys, expected) in [
            (
                "    github-repo: https://github.com/acme/skills\n    github-path: skills/pdf\n    github-ref: refs/heads/main\n",
                "github:acme/skills/skills/pdf#main",
            ),
            (
                "    github-repo: acme/skills\n    github-ref: refs/tags/v1.0\n    github-path: skills/pdf/SKILL.md\n",
                "github:acme/skills/skills/pdf#v1.0",
            ),
            (
                &format!("    github-repo: acme/skills\n    github-pinned: {sha}\n    github-ref: main\n"),
                &format!("github:acme/skills#{sha}"),
            ),
            ("    local-path: /srv/skills/pdf\n", "/srv/skills/pdf"),
        ] {
            let skill = read_gh_metadata("pdf", &front(&installed(keys))).unwrap().unwrap();
            assert_eq!(skill.request.to_string(), expected);
        }
        assert_eq!(read_gh_metadata("pdf", &front(SOURCE)), None);
        assert_eq!(read_gh_metadata("pdf", &front(&installed("    author: me\n"))), None);
        let refused = read_gh_metadata("pdf", &front(&installed("    github-repo: ext::sh -c x\n")));
        assert!(refused.unwrap().is_err());
    }

    #[test]
    fn what_it_adds_is_told_from_edits() {
        let same =
            |ours: &str| differs_by_gh_metadata_alone(ours.as_bytes(), SOURCE.as_bytes(), &Limits::default());
        let written = installed("    github-repo: acme/skills\n    github-tree-sha: 00\n");
        assert!(same(&written));
        assert!(!same(&written.replace("Text.", "Other text.")));
        assert!(!same(&written.replace("MIT", "GPL")));
        assert!(!same(&installed("    author: me\n")));
        assert!(!same(&written.replace("metadata:\n", "metadata:\n    author: me\n")));
        assert!(!same(SOURCE), "nothing is added");
        assert!(!differs_by_gh_metadata_alone(b"", SOURCE.as_bytes(), &Limits::default()));
    }
}
