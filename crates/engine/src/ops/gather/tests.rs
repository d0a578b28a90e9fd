//! How often the manifests of a source are read, counted at its contents.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::fetch::testing::Bench;
use ba_agent_core::listing::{FileEntry, Node};
use ba_agent_core::package::Contents;
use ba_agent_core::path::RelPath;

/// A manifest for every path, named after its folder; counts what is read.
struct CountedManifests(Arc<AtomicUsize>);

impl Contents for CountedManifests {
    fn read(&self, entry: &FileEntry) -> Result<Cow<'_, [u8]>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let folder = entry.path.as_str().rsplit('/').nth(1).unwrap_or_default();
        let text = format!("---\nname: {folder}\ndescription: Does what {folder} does.\n---\n\nBody.\n");
        Ok(Cow::Owned(text.into_bytes()))
    }
}

fn recorded(name: &str) -> (SkillName, LockEntry) {
    let entry = serde_json::json!({
        "source": "github:o/r", "kind": "github", "path": format!("old/{name}"), "pin": {},
        "digest": format!("sha256:{}", "0".repeat(64)), "files": {}, "targets": ["claude-code"],
        "mode": "link", "installed_at": "2026-01-01T00:00:00Z",
    });
    (name.parse().unwrap(), serde_json::from_value(entry).unwrap())
}

/// Reads of manifests to find so many skills again whose common folder was renamed.
fn reads_to_find_again(count: usize) -> usize {
    let bench = Bench::new();
    let world = bench.world();
    let skills: Vec<(SkillName, LockEntry)> = (0..count).map(|n| recorded(&format!("s{n}"))).collect();
    let file = |n| FileEntry {
        path: RelPath::parse(format!("new/s{n}/SKILL.md").as_bytes()).unwrap(),
        node: Node::File { executable: false },
        size: 1,
        slot: 0,
    };
    let listing = Listing::new((0..count).map(file).collect());
    let reads = Arc::new(AtomicUsize::new(0));
    let package = Package::new(listing, CountedManifests(Arc::clone(&reads)));
    let resolved = Resolved {
        source: "github:o/r".parse().unwrap(),
        reference: Reference::Default,
        chosen: None,
        pin: Revision::Commit("0123456789012345678901234567890123456789".parse().unwrap()),
        subdirectory: None,
    };
    let mut source = PackageSource::whole(resolved, package);
    let offered = Offered::default();
    let entries: Vec<_> = skills.iter().map(|(name, entry)| (name, entry)).collect();
    ensure_again(&mut source, &entries, &offered, &world).unwrap();
    let (resolved, fetched) = source.into_package(&[], |_| false).unwrap();
    let (resolved, fetched) = (Arc::new(resolved), Arc::new(fetched));
    for (name, entry) in &skills {
        let candidate =
            candidate_fetched_again(name, entry, (&fetched, &offered), Arc::clone(&resolved), &world)
                .unwrap();
        assert_eq!(candidate.folder.as_str(), format!("new/{name}"));
    }
    reads.load(Ordering::SeqCst)
}

/// Each is read once to learn who moved where, and once as the skill that it is now.
#[test]
fn a_renamed_folder_costs_two_reads_for_each_of_its_skills() {
    for count in [1, 10, 200] {
        assert_eq!(reads_to_find_again(count), 2 * count);
    }
}
