//! World: what a registry says of its skills without their files, kept in the cache, so that one of
//! thousands of skills costs a look at the file's time and no reading. It holds for one state of the
//! file; of another, and where what was kept cannot be used, the registry is read instead.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::install_dirs::InstallDirs;
use crate::sealed_cache::{SealedBytes, keep_sealed};
use crate::store::Store;
use crate::workspace::Session;
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::digest::Digest;
use ba_agent_core::registry::{DependencyKind, FileRecords, InstallMode, find_entry_ranges};
use ba_agent_system::cache::{Cache, CacheSection};
use ba_agent_system::fsx;

/// Raised with every change of what is kept; the version of the program is part of it.
const MAGIC: &str = concat!("ba-agent registry 2 ", env!("CARGO_PKG_VERSION"), "\n");

/// What a registry says of one skill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedFacts {
    pub(crate) name: String,
    digest: [u8; 32],
    pub(crate) category: Option<String>,
    pub(crate) enabled: bool,
    /// Which of the lists of targets it has.
    targets: usize,
    /// Which of them are those that it is disabled for.
    disabled_for: usize,
    pub(crate) needs: Vec<RecordedNeed>,
    /// Where its entry stands in the registry.
    range: Range<usize>,
}

/// A skill that another one cannot do without.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedNeed {
    pub(crate) name: String,
    /// Its files name it; a link of its instructions alone says less.
    pub(crate) is_declared: bool,
}

/// What one registry says.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct FactsTable {
    /// Each list of targets that some skill has.
    targets: Vec<Vec<String>>,
    /// In the order of their names.
    skills: Vec<RecordedFacts>,
    /// Of the registry's file; `None` where there is none that can be read.
    state: Option<Fingerprint>,
}

/// The registry of one scope.
#[derive(Debug)]
struct ScopeFacts {
    table: FactsTable,
    /// The folders of each list of targets.
    roots: Vec<Vec<PathBuf>>,
    store: Store,
}

/// What the registries of this scope and of the user's account say. One that cannot be read says
/// nothing; whoever changes it is told why.
#[derive(Debug, Default)]
pub(crate) struct RecordedSkills {
    /// The session's own first: of what both record, it counts.
    scopes: Vec<ScopeFacts>,
}

impl RecordedSkills {
    pub(crate) fn read(session: &Session<'_>) -> Self {
        let mut scopes = vec![ScopeFacts::read(&session.store, &session.places, &session.cache)];
        if session.scope.is_project()
            && let Some((store, places)) = session.store_of_user()
        {
            scopes.push(ScopeFacts::read(&store, &places, &session.cache));
        }
        Self { scopes }
    }

    /// The enabled skill that has this folder.
    pub(crate) fn of_folder(&self, folder: &Path) -> Option<&RecordedFacts> {
        Some(self.find_by_folder(folder)?.1)
    }

    fn find_by_folder(&self, folder: &Path) -> Option<(&ScopeFacts, &RecordedFacts)> {
        let (name, root) = (folder.file_name()?.to_str()?, folder.parent()?);
        self.scopes.iter().find_map(|scope| {
            let facts = scope.find(name).filter(|facts| facts.enabled)?;
            let roots = scope.roots.get(facts.targets)?;
            // Nearly always written the same; to compare part by part takes longer.
            let is_there = |one: &PathBuf| one.as_os_str() == root.as_os_str() || one == root;
            roots.iter().any(is_there).then_some((scope, facts))
        })
    }

    /// The names of skills that are disabled, those of the user first.
    pub(crate) fn disabled(&self) -> impl Iterator<Item = &str> {
        let all = self.scopes.iter().rev().flat_map(|scope| &scope.table.skills);
        all.filter(|facts| !facts.enabled).map(|facts| facts.name.as_str())
    }

    /// The names of skills that none of these folders has because they are disabled for their
    /// agents, each with one of these.
    pub(crate) fn disabled_in(&self, folders: &[PathBuf]) -> impl Iterator<Item = (&str, &str)> {
        let first_in = move |scope: &'_ ScopeFacts, list: usize| {
            let roots = scope.roots.get(list)?;
            let at = roots.iter().position(|root| folders.contains(root))?;
            // One that cannot be read has no folder.
            scope.table.targets.get(list).filter(|targets| targets.len() == roots.len())?;
            Some(at)
        };
        self.scopes.iter().rev().flat_map(move |scope| {
            scope.table.skills.iter().filter(|facts| facts.enabled).filter_map(move |facts| {
                let at = first_in(scope, facts.disabled_for)?;
                let target = scope.table.targets.get(facts.disabled_for)?.get(at)?;
                first_in(scope, facts.targets).is_none().then_some((facts.name.as_str(), target.as_str()))
            })
        })
    }

    /// How many skills are recorded and enabled.
    pub(crate) fn count_enabled(&self) -> usize {
        self.scopes.iter().flat_map(|scope| &scope.table.skills).filter(|facts| facts.enabled).count()
    }

    /// True where some registry records this skill and it is enabled.
    pub(crate) fn has_enabled(&self, name: &str) -> bool {
        self.scopes.iter().filter_map(|scope| scope.find(name)).any(|facts| facts.enabled)
    }

    /// What a skill cannot do without, as the first registry says that records one of this name.
    pub(crate) fn needs_of(&self, name: &str) -> &[RecordedNeed] {
        self.scopes.iter().find_map(|scope| scope.find(name)).map_or(&[], |facts| &facts.needs)
    }

    /// What each skill cannot do without of those that this one leads to, and it itself.
    pub(crate) fn needs_from(&self, name: &str) -> BTreeMap<String, Vec<String>> {
        let mut needs = BTreeMap::new();
        let mut open = vec![name.to_owned()];
        while let Some(name) = open.pop() {
            if needs.contains_key(&name) {
                continue;
            }
            let needed: Vec<String> = self.needs_of(&name).iter().map(|need| need.name.clone()).collect();
            open.extend(needed.iter().cloned());
            needs.insert(name, needed);
        }
        needs
    }

    /// These names and all that any registry says they cannot do without.
    pub(crate) fn with_all_needs(&self, names: &mut BTreeSet<String>) {
        let mut open: Vec<String> = names.iter().cloned().collect();
        while let Some(name) = open.pop() {
            let all = self.scopes.iter().filter_map(|scope| scope.find(&name));
            for need in all.flat_map(|facts| &facts.needs) {
                if names.insert(need.name.clone()) {
                    open.push(need.name.clone());
                }
            }
        }
    }

    /// The files of the skill that has this folder, out of its registry.
    pub(crate) fn read_files(&self, folder: &Path, cache: &Cache) -> Option<RecordedSkillFiles> {
        let (scope, facts) = self.find_by_folder(folder)?;
        if let Some(files) = facts.read_files(&scope.store, scope.table.state) {
            return Some(files);
        }
        // The registry is another one by now.
        let now = FactsTable::read(&scope.store, cache);
        let facts = now.find(&facts.name)?;
        facts.read_files(&scope.store, now.state)
    }
}

/// The files of one skill, as its registry has them.
#[derive(Debug, Deserialize)]
pub(crate) struct RecordedSkillFiles {
    digest: Digest,
    pub(crate) files: FileRecords,
    mode: InstallMode,
    installed_at: Timestamp,
    updated_at: Option<Timestamp>,
}

impl RecordedSkillFiles {
    /// True for a link to a folder that its author works in.
    pub(crate) fn is_live(&self) -> bool {
        self.mode == InstallMode::Live
    }

    /// When they were written.
    pub(crate) fn written_at(&self) -> SystemTime {
        SystemTime::from(self.updated_at.unwrap_or(self.installed_at))
    }
}

impl RecordedFacts {
    pub(crate) fn digest(&self) -> Digest {
        Digest::from_bytes(&self.digest)
    }

    /// What the registry has of its files, while that is in this state: it knows where they stand.
    fn read_files(&self, store: &Store, state: Option<Fingerprint>) -> Option<RecordedSkillFiles> {
        let (mut file, _) = fsx::open_plain_file(store.registry_file()).ok()??;
        let now = file.metadata().ok().as_ref().map(Fingerprint::of);
        if now.is_none() || now != state {
            return None;
        }
        let mut bytes = vec![0; self.range.len()];
        file.seek(SeekFrom::Start(u64::try_from(self.range.start).ok()?)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        let files: RecordedSkillFiles = serde_json::from_slice(&bytes).ok()?;
        (files.digest.to_bytes() == self.digest).then_some(files)
    }
}

impl ScopeFacts {
    fn read(store: &Store, places: &InstallDirs, cache: &Cache) -> Self {
        let table = FactsTable::read(store, cache);
        let roots = |targets: &Vec<String>| {
            let targets = targets.iter().filter_map(|text| InstallTarget::parse(text).ok());
            targets.map(|target| places.root_as_written(&target)).collect()
        };
        Self { roots: table.targets.iter().map(roots).collect(), table, store: store.clone() }
    }

    fn find(&self, name: &str) -> Option<&RecordedFacts> {
        self.table.find(name)
    }
}

impl FactsTable {
    fn find(&self, name: &str) -> Option<&RecordedFacts> {
        let at = self.skills.binary_search_by(|facts| facts.name.as_str().cmp(name)).ok()?;
        self.skills.get(at)
    }

    fn read(store: &Store, cache: &Cache) -> Self {
        let file = store.registry_file();
        let meta = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file);
        let Some(state) = meta.as_ref().map(Fingerprint::of).filter(|_| store.check_registry_place().is_ok())
        else {
            return Self::default();
        };
        let kept = facts_file(cache, file);
        if let Some(sealed) = SealedBytes::open(cache, &kept, MAGIC)
            && let Ok((of, table)) = postcard::from_bytes::<(&str, Self)>(sealed.body())
            && of == file.to_string_lossy()
            && table.state == Some(state)
        {
            return table;
        }
        let Some(table) = Self::parse(store).map(|table| Self { state: Some(state), ..table }) else {
            return Self::default();
        };
        keep_sealed(cache, &kept, MAGIC, &(file.to_string_lossy(), &table));
        table
    }

    fn parse(store: &Store) -> Option<Self> {
        let text = store.read_registry_text().ok()?;
        let summary = text.summary().ok()?;
        let mut ranges = text.text().and_then(find_entry_ranges).unwrap_or_default();
        let mut table = Self::default();
        for (name, entry) in summary.skills {
            let targets: Vec<String> = entry.targets.iter().map(ToString::to_string).collect();
            let needs = entry.dependencies.into_iter().filter(|one| !one.optional);
            let needs = needs.map(|one| RecordedNeed {
                is_declared: one.kind == DependencyKind::Declared,
                name: one.name,
            });
            let facts = RecordedFacts {
                digest: entry.digest.to_bytes(),
                category: entry.category.as_ref().map(ToString::to_string),
                enabled: entry.enabled,
                targets: table.place_of_list(targets),
                disabled_for: table.place_of_list(entry.disabled_for.into_keys().collect()),
                needs: needs.collect(),
                range: ranges.remove(name.as_str()).unwrap_or_default(),
                name: name.to_string(),
            };
            table.skills.push(facts);
        }
        Some(table)
    }

    /// Where this list of targets stands, which is kept once.
    fn place_of_list(&mut self, targets: Vec<String>) -> usize {
        self.targets.iter().position(|known| *known == targets).unwrap_or_else(|| {
            self.targets.push(targets);
            self.targets.len() - 1
        })
    }
}

fn facts_file(cache: &Cache, registry: &Path) -> PathBuf {
    let mut key = b"registry\n".to_vec();
    key.extend_from_slice(registry.as_os_str().as_encoded_bytes());
    cache.entry_file(CacheSection::Skills, &ba_agent_core::digest::sha256_hex(&key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealed_cache::check_damage;
    use crate::workspace::{Workspace, WorkspaceOptions};
    use ba_agent_system::env::Env;
    use ba_agent_test_support::Counting;

    fn entry(name: &str, digit: &str, more: &str) -> String {
        format!(
            r#""{name}": {{"digest": "sha256:{}", "files": {{"SKILL.md": "100644 {name}"}}, "kind": "local", "pin": {{}},
            "installed_at": "2026-01-01T00:00:00Z", "mode": "copy", "source": "./x", "targets": ["claude-code"]{more}}}"#,
            digit.repeat(64)
        )
    }

    fn registry(entries: &[String]) -> String {
        format!(r#"{{"schema_version": "1.1", "skills": {{{}}}}}"#, entries.join(", "))
    }

    fn in_project(test: impl FnOnce(&Session<'_>, &Path)) {
        let dir = tempfile::tempdir().unwrap();
        let mut env = Env::isolated(dir.path(), &[]);
        env.cwd = dir.path().join("project");
        std::fs::create_dir_all(env.cwd.join("config")).unwrap();
        let file = env.cwd.join("config/skills_registry.json");
        let counting = Counting::default();
        let workspace = Workspace::new(env, WorkspaceOptions::default());
        std::fs::write(&file, registry(&[])).unwrap();
        test(&workspace.open_unrepaired(&counting).unwrap(), &file);
    }

    fn folder(registry: &Path, name: &str) -> PathBuf {
        registry.parent().unwrap().with_file_name(".claude/skills").join(name)
    }

    #[test]
    fn what_was_kept_holds_for_one_state_of_the_registry() {
        in_project(|session, file| {
            let needs = r#", "category": "core", "dependencies": [{"at": "x", "kind": "declared", "name": "b"},
                {"at": "x", "kind": "link", "name": "c"}, {"at": "x", "kind": "link", "name": "d", "optional": true}]"#;
            let text = registry(&[entry("b", "0", r#", "enabled": false"#), entry("a", "1", needs)]);
            std::fs::write(file, &text).unwrap();
            for _ in 0..2 {
                let all = RecordedSkills::read(session);
                let facts = all.of_folder(&folder(file, "a")).unwrap();
                assert_eq!(
                    (facts.digest().as_hex(), facts.category.as_deref()),
                    (&*"1".repeat(64), Some("core"))
                );
                assert!(all.of_folder(&folder(file, "b")).is_none() && all.of_folder(file).is_none());
                assert_eq!(all.disabled().collect::<Vec<_>>(), ["b"]);
                let needs: Vec<_> =
                    all.needs_of("a").iter().map(|n| (n.name.as_str(), n.is_declared)).collect();
                assert_eq!(needs, [("b", true), ("c", false)]);
                let files = all.read_files(&folder(file, "a"), &session.cache).unwrap();
                assert_eq!(files.files.get("SKILL.md").map(String::as_str), Some("100644 a"));
            }
            // The same length, in the same file, and its time put back.
            let old = RecordedSkills::read(session);
            let then = std::fs::metadata(file).unwrap().modified().unwrap();
            let other = text.replace(&"1".repeat(64), &"2".repeat(64)).replace("100644 a", "100644 z");
            std::thread::sleep(std::time::Duration::from_millis(20));
            std::fs::write(file, &other).unwrap();
            std::fs::File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
            let now = RecordedSkills::read(session);
            if cfg!(unix) {
                assert_eq!(now.of_folder(&folder(file, "a")).unwrap().digest().as_hex(), "2".repeat(64));
            }
            // Whoever knows an older state gets what stands there now.
            std::fs::write(file, registry(&[entry("0", "0", ""), entry("a", "3", "")])).unwrap();
            let files = old.read_files(&folder(file, "a"), &session.cache).unwrap();
            assert_eq!(files.digest.as_hex(), "3".repeat(64));
        });
    }

    #[test]
    fn a_registry_that_cannot_be_read_says_nothing_and_is_not_kept() {
        in_project(|session, file| {
            for text in ["", "{", r#"{"schema_version": "9.0", "skills": {}}"#] {
                std::fs::write(file, text).unwrap();
                assert_eq!(FactsTable::read(&session.store, &session.cache), FactsTable::default());
                assert!(!facts_file(&session.cache, file).exists());
            }
            std::fs::remove_file(file).unwrap();
            assert_eq!(FactsTable::read(&session.store, &session.cache), FactsTable::default());
        });
    }

    #[test]
    fn damaged_and_forged_bytes_count_as_nothing() {
        in_project(|session, file| {
            std::fs::write(file, registry(&[entry("a", "1", "")])).unwrap();
            let table = FactsTable::read(&session.store, &session.cache);
            let kept = facts_file(&session.cache, file);
            let is_known = || {
                let sealed = SealedBytes::open(&session.cache, &kept, MAGIC);
                let decoded = sealed.and_then(|sealed| {
                    let decoded: (&str, FactsTable) = postcard::from_bytes(sealed.body()).ok()?;
                    Some(decoded.1)
                });
                decoded.is_some_and(|known| known.state == table.state)
            };
            check_damage(&kept, MAGIC, is_known);
            for bytes in [&b""[..], b"garbage", &[0xff; 4_000]] {
                std::fs::write(&kept, bytes).unwrap();
                assert_eq!(FactsTable::read(&session.store, &session.cache), table);
            }
            // It is mended meanwhile.
            assert!(is_known());
        });
    }
}
