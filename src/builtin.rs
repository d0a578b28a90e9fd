//! The skills that ship inside the binary.

use ba_agent_engine::builtin::{BuiltinSkill, BuiltinSkills};

/// All of them, in order of their names.
pub(crate) const BUILTIN: BuiltinSkills = BuiltinSkills {
    version: env!("CARGO_PKG_VERSION"),
    all: &[
        BuiltinSkill {
            name: "skill-author",
            files: &[
                ("SKILL.md", include_bytes!("../builtin/skill-author/SKILL.md")),
                (
                    "references/checklist.md",
                    include_bytes!("../builtin/skill-author/references/checklist.md"),
                ),
                ("references/keys.md", include_bytes!("../builtin/skill-author/references/keys.md")),
            ],
        },
        BuiltinSkill {
            name: "skill-finder",
            files: &[("SKILL.md", include_bytes!("../builtin/skill-finder/SKILL.md"))],
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::listing::{FileEntry, Limits, Node, check_portable};
    use ba_agent_core::path::RelPath;
    use ba_agent_core::skill::{Profile, check_files, check_text, read_manifest};

    fn entries(builtin: &BuiltinSkill) -> Vec<FileEntry> {
        let entry = |(slot, (path, bytes)): (usize, &(&str, &[u8]))| FileEntry {
            path: RelPath::parse(path.as_bytes()).unwrap(),
            node: Node::File { executable: false },
            size: bytes.len() as u64,
            slot,
        };
        builtin.files.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn every_built_in_skill_passes_every_profile_without_a_word() {
        for builtin in BUILTIN.all {
            for profile in [Profile::Install, Profile::Lint, Profile::Upload] {
                let (_, manifest) = builtin.files.iter().find(|(path, _)| *path == "SKILL.md").unwrap();
                let document =
                    read_manifest("SKILL.md", Some(builtin.name), manifest, profile, &Limits::default());
                assert_eq!(document.findings, [], "{} {profile:?}", builtin.name);
                assert_eq!(document.frontmatter.unwrap().name.as_deref(), Some(builtin.name));
                assert_eq!(check_files(&entries(builtin), profile), [], "{}", builtin.name);
                for (path, bytes) in builtin.files {
                    assert_eq!(check_text(path, bytes, profile), [], "{} {path}", builtin.name);
                }
            }
            assert_eq!(check_portable(&entries(builtin), &Limits::default()), Ok(()));
        }
    }

    #[test]
    fn names_and_paths_are_in_order_and_every_file_is_mentioned() {
        assert!(BUILTIN.all.is_sorted_by_key(|builtin| builtin.name));
        for builtin in BUILTIN.all {
            assert!(builtin.files.is_sorted_by_key(|(path, _)| path));
            let manifest = String::from_utf8_lossy(builtin.files[0].1);
            for (path, _) in &builtin.files[1..] {
                assert!(manifest.contains(path), "{} does not mention {path}", builtin.name);
            }
        }
    }

    #[test]
    fn the_files_are_those_of_the_folder() {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("builtin");
        let mut on_disk: Vec<String> = walkdir::WalkDir::new(&top)
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.path().strip_prefix(&top).unwrap().to_string_lossy().replace('\\', "/"))
            .collect();
        on_disk.sort();
        let ours: Vec<String> = BUILTIN
            .all
            .iter()
            .flat_map(|b| b.files.iter().map(move |(path, _)| format!("{}/{path}", b.name)))
            .collect();
        assert_eq!(on_disk, ours);
    }
}
