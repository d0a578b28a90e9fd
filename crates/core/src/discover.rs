//! Which skills a source holds, and what each is called when several are taken
//! out of one source.

use std::collections::{BTreeMap, BTreeSet};

use crate::listing::{FileEntry, Listing, Node};
use crate::path::{RelPath, with_ancestors};
use crate::skill::{Finding, LOWER_MANIFEST, MANIFEST, SkillName, given_name, report_name_clash};

/// Folders above a manifest. The open specification's client guide says 4 to 6; the
/// deepest layout in the measured repositories has 5.
const MAX_DEPTH: usize = 6;

/// Folders whose skills are samples, tests or someone else's: 56 of 920 manifests in
/// the measured repositories.
const ASIDE: &[&str] = &[
    "template",
    "templates",
    "test",
    "tests",
    "__tests__",
    "testdata",
    "fixture",
    "fixtures",
    "__fixtures__",
    "test-fixtures",
    "test_fixtures",
    "node_modules",
];

/// A skill of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSkill {
    /// Its folder, seen from the top of the listing.
    pub folder: RelPath,
    /// The file name of its manifest: `SKILL.md` or `skill.md`.
    pub manifest: String,
    /// False below `templates/`, `tests/`, `fixtures/`, `node_modules/` and their like:
    /// there only for someone who names it.
    pub offered: bool,
}

impl FoundSkill {
    /// The path of its manifest, seen from the top of the listing.
    pub fn manifest_path(&self) -> String {
        self.folder.file(&self.manifest)
    }
}

/// Finds the skills at and below the folder `base`, in byte order of their folders, whatever
/// the layout of the source. A manifest in `base` itself makes that the only skill; a manifest
/// below a skill belongs to that skill. Links are not followed.
pub fn find_skills(listing: &Listing, base: &RelPath) -> Vec<FoundSkill> {
    let mut manifests: BTreeMap<&str, &FileEntry> = BTreeMap::new();
    for (folder, entry) in manifest_candidates(listing, base) {
        let name = entry.path.name();
        if matches!(entry.node, Node::File { .. }) && (name == MANIFEST || name == LOWER_MANIFEST) {
            // `SKILL.md` sorts before `skill.md` and stays.
            manifests.entry(folder).or_insert(entry);
        }
    }
    let outermost = |folder: &str| !folders_above(folder).any(|above| manifests.contains_key(above));
    let found = manifests.iter().filter(|(folder, _)| outermost(folder)).map(|(folder, entry)| FoundSkill {
        folder: entry.path.parent(),
        manifest: entry.path.name().to_owned(),
        offered: !folder.split('/').any(|name| ASIDE.contains(&name.to_ascii_lowercase().as_str())),
    });
    found.collect()
}

/// Paths that a person may have meant as a manifest, though no agent finds them:
/// `Skill.md`, `SKILL.MD` and so on, and a `SKILL.md` that is a link. Only where
/// [`find_skills`] would have looked, and not inside a skill.
pub fn near_misses(listing: &Listing, base: &RelPath) -> Vec<String> {
    let found = find_skills(listing, base);
    let inside = |folder: &str| {
        with_ancestors(folder).any(|above| found.iter().any(|skill| skill.folder.as_str() == above))
    };
    let near = manifest_candidates(listing, base).filter(|(_, entry)| {
        let name = entry.path.name();
        let link = matches!(entry.node, Node::Link { .. });
        (link || (name != MANIFEST && name != LOWER_MANIFEST)) && !inside(entry.path.folder())
    });
    near.map(|(_, entry)| entry.path.as_str().to_owned()).collect()
}

/// Adds the skills in `folders`, which a catalogue lists. They are offered wherever they are:
/// deeper than others, inside another skill, among samples.
pub fn include_listed(listing: &Listing, folders: &[RelPath], found: &mut Vec<FoundSkill>) {
    for folder in folders {
        if let Some(known) = found.iter_mut().find(|known| known.folder == *folder) {
            known.offered = true;
            continue;
        }
        let is_file = |name: &&&str| {
            listing.entry_at(&folder.file(name)).is_some_and(|entry| matches!(entry.node, Node::File { .. }))
        };
        if let Some(manifest) = [MANIFEST, LOWER_MANIFEST].iter().find(is_file) {
            found.push(FoundSkill {
                folder: folder.clone(),
                manifest: (*manifest).to_owned(),
                offered: true,
            });
        }
    }
}

/// Everything called `SKILL.md` in any case, with its folder seen from `base`.
fn manifest_candidates<'a>(
    listing: &'a Listing,
    base: &RelPath,
) -> impl Iterator<Item = (&'a str, &'a FileEntry)> {
    let skip = if base.is_root() { 0 } else { base.as_str().len() + 1 };
    listing.entries_below(base).iter().filter_map(move |entry| {
        let rest = entry.path.as_str().get(skip..)?;
        let (folder, name) = rest.rsplit_once('/').unwrap_or(("", rest));
        let depth = if folder.is_empty() { 0 } else { folder.matches('/').count() + 1 };
        (name.eq_ignore_ascii_case(MANIFEST) && depth <= MAX_DEPTH).then_some((folder, entry))
    })
}

/// The folders above `folder`, the top among them; nothing above the top.
fn folders_above(folder: &str) -> impl Iterator<Item = &str> {
    let top = (!folder.is_empty()).then_some("");
    top.into_iter().chain(folder.match_indices('/').map(|(at, _)| &folder[..at]))
}

/// A skill of a source that wants a name.
#[derive(Debug, Clone, Copy)]
pub struct UnnamedSkill<'a> {
    /// Its folder, seen from the top of the source. No two are equal.
    pub folder: &'a RelPath,
    /// `name` of its frontmatter, as written.
    pub written: Option<&'a str>,
}

/// Finds the skill that `word`, a name or a whole folder, means, by the names of folders alone:
/// its position and its name. `None` where the manifests of several skills would have to be
/// read to tell. The caller must check that one manifest with [`keeps_name`].
pub fn find_unambiguous(folders: &[&RelPath], word: &str, source_name: &str) -> Option<(usize, SkillName)> {
    let names: Vec<SkillName> =
        folders.iter().map(|folder| given_name(None, folder.last_name(), source_name)).collect();
    let at = match folders.iter().position(|folder| !folder.is_root() && **folder == *word) {
        Some(at) => at,
        None => names.iter().position(|name| name.as_str() == word)?,
    };
    let name = names.get(at)?;
    // Another folder of this name would be a rival, and one whose whole path makes it could
    // be pushed there by a clash.
    let rivals = names.iter().zip(folders).enumerate().filter(|(other, _)| *other != at);
    let mut rivals = rivals.map(|(_, (rival, folder))| (rival, SkillName::nearest_to(folder.as_str())));
    let is_free = rivals.all(|(rival, slug)| rival != name && slug.as_ref() != Some(name));
    (is_free && (name.as_str() == word || word.contains('/'))).then(|| (at, name.clone()))
}

/// True when a skill whose frontmatter says `written` has the name `name`, which was found by its
/// folder alone.
pub fn keeps_name(written: Option<&str>, folder: &RelPath, source_name: &str, name: &SkillName) -> bool {
    given_name(written, folder.last_name(), source_name) == *name
}

/// Names for several skills of one source, in the order of `skills`: by frontmatter, on
/// a clash by folder, on a further clash `<distinguishing ancestor>-<folder>`, at last
/// numbered. The names are unique, and do not depend on the order of `skills`. Each
/// name that a clash changed comes with a finding whose file is the manifest's path.
///
/// Give it every skill that the source offers, also when only one is wanted: a name
/// must not depend on what else is chosen.
pub fn name_all(skills: &[UnnamedSkill<'_>], source_name: &str) -> Vec<(SkillName, Vec<Finding>)> {
    let by_folder =
        skills.iter().map(|skill| given_name(None, skill.folder.last_name(), source_name)).collect();
    let mut naming = Naming { skills, source_name, stage: vec![0; skills.len()], by_folder };
    let mut names = naming.current_names();
    while naming.advance_clashing(&names) {
        names = naming.current_names();
    }
    number_duplicates(skills, &mut names);
    let first: Vec<SkillName> = Naming { stage: vec![0; skills.len()], ..naming }.current_names();
    let told = skills.iter().zip(first).zip(names).map(|((skill, first), name)| {
        let findings = if first == name {
            Vec::new()
        } else {
            report_name_clash(&skill.folder.file(MANIFEST), &first, &name)
        };
        (name, findings)
    });
    told.collect()
}

/// How far each skill has been pushed away from the name it wanted:
/// 0 frontmatter, 1 folder, 2 and more: ancestors that tell it from the others.
struct Naming<'a> {
    skills: &'a [UnnamedSkill<'a>],
    source_name: &'a str,
    stage: Vec<usize>,
    /// The names that the folders would give.
    by_folder: Vec<SkillName>,
}

const QUALIFIED: usize = 2;
const LAST_STAGE: usize = 3;

impl Naming<'_> {
    fn current_names(&self) -> Vec<SkillName> {
        (0..self.skills.len()).map(|at| self.name_of_skill(at)).collect()
    }

    fn name_of_skill(&self, at: usize) -> SkillName {
        let skill = &self.skills[at];
        match self.stage[at] {
            0 => given_name(skill.written, skill.folder.last_name(), self.source_name),
            1 => self.by_folder[at].clone(),
            QUALIFIED => self.qualified_name(at),
            _ => SkillName::nearest_to(skill.folder.as_str()).unwrap_or_else(|| self.by_folder[at].clone()),
        }
    }

    /// Moves the skills that clash on. A skill that already has its folder's name
    /// keeps it against others that have not.
    fn advance_clashing(&mut self, names: &[SkillName]) -> bool {
        let mut groups: BTreeMap<&SkillName, Vec<usize>> = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            groups.entry(name).or_default().push(at);
        }
        let mut moved = false;
        for group in groups.values().filter(|group| group.len() > 1) {
            let has_own = |at: &usize| self.stage[*at] <= 1 && self.by_folder[*at] == names[*at];
            let (own, find_untracked): (Vec<usize>, Vec<usize>) = group.iter().copied().partition(has_own);
            // Their folder's name is what the own ones clash over: past it at once.
            let own = if own.len() == 1 { Vec::new() } else { own };
            let own = own.into_iter().map(|at| (at, QUALIFIED));
            let find_untracked = find_untracked.into_iter().map(|at| (at, self.stage[at] + 1));
            for (at, stage) in own.chain(find_untracked).collect::<Vec<_>>() {
                moved |= stage <= LAST_STAGE;
                self.stage[at] = stage.min(LAST_STAGE);
            }
        }
        moved
    }

    /// The nearest ancestor in which the skill differs from some other that ends in the
    /// same folder name, before that name.
    fn qualified_name(&self, at: usize) -> SkillName {
        let plain = &self.by_folder[at];
        let mine: Vec<&str> = ancestor_names(self.skills[at].folder);
        let rivals: Vec<Vec<&str>> = (0..self.skills.len())
            .filter(|other| *other != at && self.by_folder[*other] == *plain)
            .map(|other| ancestor_names(self.skills[other].folder))
            .collect();
        let differs = |depth: &usize| rivals.iter().any(|rival| rival.get(*depth) != mine.get(*depth));
        let ancestor = (0..mine.len()).find(differs).map_or("", |depth| mine[depth]);
        SkillName::nearest_to(&format!("{ancestor}-{plain}")).unwrap_or_else(|| plain.clone())
    }
}

/// The names of the folders above a folder, from the nearest outwards.
fn ancestor_names(folder: &RelPath) -> Vec<&str> {
    folder.as_str().rsplit('/').skip(1).collect()
}

/// Gives every name that is still there twice a number, in byte order of the folders.
fn number_duplicates(skills: &[UnnamedSkill<'_>], names: &mut [SkillName]) {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|at| (skills[*at].folder, skills[*at].written));
    let mut taken: BTreeSet<SkillName> = names.iter().cloned().collect();
    let mut given: BTreeSet<SkillName> = BTreeSet::new();
    for at in order {
        if given.insert(names[at].clone()) {
            continue;
        }
        let stem: String = names[at].as_str().chars().take(56).collect();
        let free = (2_usize..)
            .filter_map(|n| SkillName::nearest_to(&format!("{stem}-{n}")))
            .find(|name| !taken.contains(name));
        if let Some(name) = free {
            taken.insert(name.clone());
            given.insert(name.clone());
            names[at] = name;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(text: &str) -> RelPath {
        RelPath::of_folder(text).unwrap()
    }

    /// Folders of the skills; `-` before those that are not offered.
    fn check(paths: &[&str], base: &str, expected: &[&str]) {
        let found = find_skills(&Listing::of_paths(paths), &folder(base));
        let folders: Vec<_> =
            found.iter().map(|f| format!("{}{}", if f.offered { "" } else { "-" }, f.folder)).collect();
        assert_eq!(folders, expected, "{paths:?} below `{base}`");
    }

    #[test]
    fn a_manifest_at_the_top_is_the_skill() {
        check(&["SKILL.md", "skills/a/SKILL.md", "references/x.md"], "", &[""]);
        check(&["SKILL.md", "skills/a/SKILL.md"], "skills", &["skills/a"]);
        check(&["x/SKILL.md", "x/y/SKILL.md"], "x", &["x"]);
        check(&["x/SKILL.md"], "y", &[]);
        check(&["README.md"], "", &[]);
    }

    #[test]
    fn all_layouts_are_found_together() {
        check(
            &[
                ".agents/skills/a/SKILL.md",
                ".claude/skills/b/SKILL.md",
                ".github/skills/c/SKILL.md",
                "packages/x/skills/d/SKILL.md",
                "plugins/p/skills/e/SKILL.md",
                "skills/.curated/f/SKILL.md",
                "skills/author/slug/SKILL.md",
                "skills/g/SKILL.md",
                "top/SKILL.md",
            ],
            "",
            &[
                ".agents/skills/a",
                ".claude/skills/b",
                ".github/skills/c",
                "packages/x/skills/d",
                "plugins/p/skills/e",
                "skills/.curated/f",
                "skills/author/slug",
                "skills/g",
                "top",
            ],
        );
    }

    #[test]
    fn a_nested_manifest_belongs_to_its_skill() {
        check(
            &[
                "s/qdrant/SKILL.md",
                "s/qdrant/volume/SKILL.md",
                "s/qdrant/volume/deep/SKILL.md",
                "s/qdrant-b/SKILL.md",
            ],
            "",
            &["s/qdrant", "s/qdrant-b"],
        );
        check(&["guard/SKILL.md", "guard/test-fixtures/evil/SKILL.md"], "", &["guard"]);
        check(&["a/b/SKILL.md"], "a/b", &["a/b"]);
    }

    #[test]
    fn samples_are_there_only_for_who_names_them() {
        let paths = [
            "a/SKILL.md",
            "node_modules/m/SKILL.md",
            "template/SKILL.md",
            "templates/hello/SKILL.md",
            "x/Tests/t/SKILL.md",
            "x/__fixtures__/f/SKILL.md",
            "y/examples/e/SKILL.md",
        ];
        let expected = [
            "a",
            "-node_modules/m",
            "-template",
            "-templates/hello",
            "-x/Tests/t",
            "-x/__fixtures__/f",
            "y/examples/e",
        ];
        check(&paths, "", &expected);
        check(&paths, "templates", &["templates/hello"]);
        check(&paths, "templates/hello", &["templates/hello"]);
    }

    #[test]
    fn six_folders_down_and_no_further() {
        check(&["1/2/3/4/5/6/SKILL.md", "1/2/3/4/5/x/7/SKILL.md"], "", &["1/2/3/4/5/6"]);
        check(&["1/2/3/4/5/x/7/SKILL.md"], "1", &["1/2/3/4/5/x/7"]);
    }

    #[test]
    fn only_two_spellings_are_manifests() {
        let paths = [
            "a/skill.md",
            "b/Skill.md",
            "c/SKILL.MD",
            "d/SKILL.md -> ../a/skill.md",
            "e/skills.md",
            "a/x/Skill.md",
        ];
        check(&paths, "", &["a"]);
        assert_eq!(find_skills(&Listing::of_paths(&paths), &RelPath::ROOT)[0].manifest, "skill.md");
        assert_eq!(
            near_misses(&Listing::of_paths(&paths), &RelPath::ROOT),
            ["b/Skill.md", "c/SKILL.MD", "d/SKILL.md"]
        );
        assert_eq!(near_misses(&Listing::of_paths(&paths), &folder("b")), ["b/Skill.md"]);
        assert_eq!(
            find_skills(&Listing::of_paths(&["f/SKILL.md", "f/skill.md"]), &RelPath::ROOT)[0].manifest,
            "SKILL.md"
        );
    }

    #[test]
    fn links_are_not_followed() {
        check(&[".claude/skills -> ../skills", "skills/a/SKILL.md", "s/a -> ../skills/a"], "", &["skills/a"]);
    }

    fn names(skills: &[(&str, &str)]) -> Vec<String> {
        let folders: Vec<RelPath> = skills.iter().map(|(text, _)| folder(text)).collect();
        let skills: Vec<_> = folders
            .iter()
            .zip(skills)
            .map(|(folder, (_, name))| UnnamedSkill { folder, written: (!name.is_empty()).then_some(*name) })
            .collect();
        name_all(&skills, "owner-repo").into_iter().map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn a_clash_is_settled_by_folders() {
        let check =
            |skills: &[(&str, &str)], expected: &[&str]| assert_eq!(names(skills), expected, "{skills:?}");
        check(&[("skills/sre", "axiom-sre"), ("skills/b", "")], &["axiom-sre", "b"]);
        check(&[("", "Some Skill")], &["some-skill"]);
        check(&[("", "")], &["owner-repo"]);
        check(&[("x/qmd-a", "qmd"), ("y/qmd-b", "qmd")], &["qmd-a", "qmd-b"]);
        check(&[("s/pdf", "pdf"), ("s/other", "pdf")], &["pdf", "other"]);
        check(&[("s/a", "x"), ("s/x", "")], &["a", "x"]);
        check(
            &[
                ("external/discord/skills/access", "access"),
                ("external/imessage/skills/access", "access"),
                ("external/telegram/skills/access", "access"),
                ("external/discord/skills/configure", "configure"),
                ("external/imessage/skills/configure", "configure"),
            ],
            &[
                "discord-access",
                "imessage-access",
                "telegram-access",
                "discord-configure",
                "imessage-configure",
            ],
        );
        check(&[(".apm/skills/x", "x"), (".agents/skills/x", "x")], &["apm-x", "agents-x"]);
        check(&[("a/b/x", ""), ("a/c/x", ""), ("d/b/x", "")], &["a-b-x", "c-x", "d-b-x"]);
        check(&[("技/x", ""), ("能/x", "")], &["x", "x-2"]);
    }

    #[test]
    fn a_skill_is_evident_when_no_other_folder_has_a_say() {
        let folders = ["skills/pdf", "skills/docx", "a/shared", "b/shared", "pdf/tools", "x/pdf-tools", ""];
        let folders = folders.map(folder);
        let folders: Vec<&RelPath> = folders.iter().collect();
        let check = |word: &str, expected: Option<(usize, &str)>| {
            let found = find_unambiguous(&folders, word, "repo");
            assert_eq!(found.as_ref().map(|(at, name)| (*at, name.as_str())), expected, "{word}");
        };
        check("docx", Some((1, "docx")));
        check("skills/docx", Some((1, "docx")));
        check("repo", Some((6, "repo")));
        for word in ["shared", "a/shared", "pdf-tools", "none", "", "skills"] {
            check(word, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn an_evident_name_is_the_one_that_is_given(
            skills in proptest::collection::btree_map(
                "[abA-]{1,2}(/[abA-]{1,2}){0,2}",
                proptest::option::of("[abA -]{1,4}"),
                1..7,
            ),
            word in "[ab-]{1,2}(/[ab]{1,2})?",
        ) {
            let folders: Vec<RelPath> = skills.keys().map(|text| folder(text)).collect();
            let folders: Vec<&RelPath> = folders.iter().collect();
            let unnamed: Vec<_> = folders
                .iter()
                .zip(skills.values())
                .map(|(folder, written)| UnnamedSkill { folder, written: written.as_deref() })
                .collect();
            if let Some((at, name)) = find_unambiguous(&folders, &word, "repo")
                && keeps_name(unnamed[at].written, folders[at], "repo", &name)
            {
                let named = name_all(&unnamed, "repo");
                assert_eq!(named[at].0, name);
                assert!(named[at].1.is_empty());
            }
        }
    }

    #[test]
    fn a_changed_name_is_told() {
        let (x, y) = (folder("a/x"), folder("b/y"));
        let skills = [
            UnnamedSkill { folder: &x, written: Some("n") },
            UnnamedSkill { folder: &y, written: Some("n") },
        ];
        let named = name_all(&skills, "repo");
        assert_eq!(named[0].1[0].code, "name-clash");
        assert_eq!(named[0].1[0].file, "a/x/SKILL.md");
        assert!(named[0].1[0].message.contains("`n`") && named[0].1[0].message.contains("`x`"));
        assert!(name_all(&skills[..1], "repo")[0].1.is_empty());
    }

    proptest! {
        #[test]
        fn names_are_unique_whatever_the_order(
            skills in prop::collection::btree_map("(\\.?[ab技]|-)(/[ab技A]){0,3}", prop::option::of("[ab_A 技]{0,2}"), 0..12)
        ) {
            let skills: Vec<_> = skills.iter().map(|(text, written)| (folder(text), written.as_deref())).collect();
            let forward: Vec<_> = skills.iter().map(|(folder, written)| UnnamedSkill { folder, written: *written }).collect();
            let backward: Vec<_> = forward.iter().rev().copied().collect();
            let names: Vec<_> = name_all(&forward, "r").into_iter().map(|(name, _)| name).collect();
            let unique: BTreeSet<_> = names.iter().collect();
            prop_assert_eq!(unique.len(), names.len());
            let mut turned: Vec<_> = name_all(&backward, "r").into_iter().map(|(name, _)| name).collect();
            turned.reverse();
            prop_assert_eq!(turned, names);
        }

        #[test]
        fn no_skill_lies_inside_another(paths in prop::collection::vec("([ab]/){0,4}(SKILL\\.md|x)", 0..12)) {
            let paths: BTreeSet<_> = paths.iter().map(String::as_str).collect();
            let found = find_skills(&Listing::of_paths(&paths.into_iter().collect::<Vec<_>>()), &RelPath::ROOT);
            for skill in &found {
                prop_assert!(!found.iter().any(|other| folders_above(skill.folder.as_str()).any(|above| other.folder == *above)));
            }
        }
    }
}
