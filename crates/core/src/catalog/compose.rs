//! A catalogue written from a folder of skills, or brought up to date with it.
//!
//! An entry is made for each skill, in the form that Claude Code and this program read alike: the
//! marketplace itself as the source, and the one folder that the entry takes of it. Of such an
//! entry `description` and `version` follow the skill; everything else in it, every other
//! entry and every other field of the catalogue is whoever wrote it.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Catalog, EntryScan, EntrySource, resolve_skills};
use crate::error::{Result, error, printable};
use crate::listing::Listing;
use crate::path::RelPath;

/// A skill that the catalogue is to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogSkill {
    pub folder: RelPath,
    /// Unique among the skills of the folder.
    pub name: String,
    pub description: String,
    /// What its frontmatter says, if anything.
    pub version: Option<String>,
}

/// What a new catalogue says of itself; what is given replaces what a present one says.
#[derive(Debug, Clone, Default)]
pub struct CatalogHead {
    pub name: Option<String>,
    pub owner: Option<String>,
    pub email: Option<String>,
    pub description: Option<String>,
}

/// One difference between a catalogue and its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogChange {
    /// `added`, `updated`, `removed`, or `head` for what the catalogue says of itself.
    pub what: &'static str,
    /// The entry's name; for `head` that of the catalogue.
    pub name: String,
}

/// The text of a catalogue without entries, to begin with.
pub fn empty_catalog() -> Value {
    json!({ "plugins": [] })
}

/// Brings `document` up to date with the skills of its folder. Gives what it changed.
///
/// # Errors
/// `Conflict` for a document that is not a catalogue, and for a new entry whose name one that
/// was written by hand has.
pub fn update_catalog(
    document: &mut Value,
    head: &CatalogHead,
    skills: &[CatalogSkill],
    read: Option<(&Catalog, &Listing)>,
) -> Result<Vec<CatalogChange>> {
    let mut changes = Vec::new();
    let Some(top) = document.as_object_mut() else { return Err(not_a_catalogue()) };
    update_head(top, head, &mut changes);
    let entries = match top.get_mut("plugins") {
        Some(Value::Array(entries)) => entries,
        _ => return Err(not_a_catalogue()),
    };
    let covered = read.map(|(catalogue, listing)| covered_skills(catalogue, listing, skills));
    let covered = covered.unwrap_or_default();
    let mut kept = Vec::with_capacity(entries.len());
    let mut named = BTreeSet::new();
    for mut entry in std::mem::take(entries) {
        let folder = own_folder(&entry);
        let skill = folder.as_ref().and_then(|folder| skills.iter().find(|skill| skill.folder == *folder));
        match (&folder, skill) {
            (Some(_), Some(skill)) => {
                if update_entry(&mut entry, skill) {
                    changes.push(CatalogChange { what: "updated", name: name_of_entry(&entry) });
                }
                named.insert(skill.folder.clone());
            }
            (Some(folder), None) if !skills.iter().any(|skill| skill.folder.starts_with(folder)) => {
                changes.push(CatalogChange { what: "removed", name: name_of_entry(&entry) });
                continue;
            }
            _ => {}
        }
        kept.push(entry);
    }
    for skill in skills {
        if named.contains(&skill.folder) || covered.contains(&skill.folder) {
            continue;
        }
        let name = entry_name(&skill.name);
        if kept.iter().any(|entry| name_of_entry(entry) == name) {
            return Err(error!(
                Conflict,
                "the catalogue has an entry `{}` that is not this skill",
                printable(&name, false)
            )
            .cause(format!("the skill is in `{}`", skill.folder))
            .hint("rename the entry, or the skill, and run the command again"));
        }
        changes.push(CatalogChange { what: "added", name });
        kept.push(new_entry(skill));
    }
    *entries = kept;
    Ok(changes)
}

fn not_a_catalogue() -> crate::error::Error {
    error!(Conflict, "the file is not a catalogue: expected an object with a list `plugins`")
        .hint("move it away, or replace it with `--force`")
}

fn update_head(top: &mut Map<String, Value>, head: &CatalogHead, changes: &mut Vec<CatalogChange>) {
    let before = top.clone();
    let mut owner = top.get("owner").and_then(Value::as_object).cloned().unwrap_or_default();
    for (key, value) in [("name", &head.owner), ("email", &head.email)] {
        if let Some(value) = value {
            owner.insert(key.to_owned(), json!(value));
        }
    }
    // In the order in which a person reads it: the entries come last.
    let plugins = top.shift_remove("plugins");
    for (key, value) in [("name", &head.name), ("description", &head.description)] {
        if let Some(value) = value {
            top.insert(key.to_owned(), json!(value));
        }
        if key == "name" && !owner.is_empty() {
            top.insert("owner".to_owned(), Value::Object(owner.clone()));
        }
    }
    top.extend(plugins.map(|plugins| ("plugins".to_owned(), plugins)));
    if *top != before {
        let name = top.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        changes.push(CatalogChange { what: "head", name });
    }
}

/// The one folder that an entry takes of the marketplace itself, if it is of that form.
fn own_folder(entry: &Value) -> Option<RelPath> {
    let source = entry.get("source")?.as_str()?;
    if !matches!(source, "./" | ".") {
        return None;
    }
    let path = match entry.get("skills") {
        None => "",
        Some(Value::String(path)) => path.as_str(),
        Some(Value::Array(paths)) => match paths.as_slice() {
            [Value::String(path)] => path.as_str(),
            _ => return None,
        },
        Some(_) => return None,
    };
    RelPath::of_folder(path.trim_start_matches("./").trim_end_matches('/')).ok()
}

/// The skills that entries of another form bring already.
fn covered_skills(catalogue: &Catalog, listing: &Listing, skills: &[CatalogSkill]) -> BTreeSet<RelPath> {
    let mut covered = BTreeSet::new();
    for plugin in &catalogue.plugins {
        let Ok(EntrySource::Relative { path: root }) = plugin.usable_source() else { continue };
        let takes = plugin.skills.as_deref().unwrap_or_default();
        let holds_several =
            |path: &RelPath| skills.iter().any(|one| one.folder != *path && one.folder.starts_with(path));
        let is_own = match takes {
            [] => skills.iter().any(|skill| skill.folder.is_root()),
            [path] => !holds_several(path),
            _ => false,
        };
        if root.is_root() && is_own {
            continue;
        }
        let scan = EntryScan { listing, root, top: &RelPath::ROOT, is_marketplace: root.is_root() };
        if let Ok(found) = resolve_skills(plugin, None, scan) {
            covered.extend(found.folders);
        }
    }
    covered
}

/// Catalogues want names in kebab case.
fn entry_name(skill: &str) -> String {
    skill.replace('_', "-")
}

fn name_of_entry(entry: &Value) -> String {
    entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn new_entry(skill: &CatalogSkill) -> Value {
    let mut entry = json!({
        "name": entry_name(&skill.name),
        "description": skill.description,
        "source": "./",
        "strict": false,
    });
    if let (false, Some(entry)) = (skill.folder.is_root(), entry.as_object_mut()) {
        entry.insert("skills".to_owned(), json!([format!("./{}", skill.folder)]));
    }
    update_entry(&mut entry, skill);
    entry
}

/// Lets an entry follow its skill; true when something changed.
fn update_entry(entry: &mut Value, skill: &CatalogSkill) -> bool {
    let before = entry.clone();
    if let Some(entry) = entry.as_object_mut() {
        entry.insert("description".to_owned(), json!(skill.description));
        if let Some(version) = &skill.version {
            entry.insert("version".to_owned(), json!(version));
        }
    }
    *entry != before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{CatalogFormat, check_catalog};
    use crate::skill::Severity;
    use proptest::prelude::*;

    fn skill(folder: &str, name: &str) -> CatalogSkill {
        CatalogSkill {
            folder: RelPath::of_folder(folder).unwrap(),
            name: name.into(),
            description: format!("Does {name}."),
            version: None,
        }
    }

    fn head() -> CatalogHead {
        CatalogHead { name: Some("acme".into()), owner: Some("A. Person".into()), ..CatalogHead::default() }
    }

    fn changes(changes: &[CatalogChange]) -> Vec<String> {
        changes.iter().map(|change| format!("{} {}", change.what, change.name)).collect()
    }

    #[test]
    fn a_new_catalogue_has_an_entry_for_each_skill() {
        let mut document = empty_catalog();
        let skills = [skill("skills/pdf", "pdf"), skill("skills/my_x", "my_x")];
        let done = update_catalog(&mut document, &head(), &skills, None).unwrap();
        assert_eq!(changes(&done), ["head acme", "added pdf", "added my-x"]);
        let expected = json!({
            "name": "acme",
            "owner": { "name": "A. Person" },
            "plugins": [
                { "name": "pdf", "description": "Does pdf.", "source": "./", "strict": false, "skills": ["./skills/pdf"] },
                { "name": "my-x", "description": "Does my_x.", "source": "./", "strict": false, "skills": ["./skills/my_x"] },
            ],
        });
        assert_eq!(document.to_string(), expected.to_string());
        assert_eq!(update_catalog(&mut document, &head(), &skills, None), Ok(vec![]), "it is current");
    }

    #[test]
    fn what_a_person_wrote_stays() {
        let by_hand = json!({
            "$schema": "https://example.com/x.json",
            "name": "acme",
            "owner": { "name": "A", "url": "https://example.com" },
            "metadata": { "version": "1" },
            "plugins": [
                { "name": "bundle", "source": "./", "strict": false, "skills": ["./skills/a", "./skills/b"] },
                { "name": "far", "source": { "source": "github", "repo": "o/r" } },
                { "name": "renamed", "source": "./", "skills": "./skills/c/", "description": "old", "tags": ["x"], "version": "1.0.0" },
                { "name": "gone", "source": "./", "strict": false, "skills": ["./skills/gone"] },
                { "name": "whole", "source": "./more" },
                { "name": "odd", "source": 5 },
            ],
            "renames": {},
        });
        let listing = Listing::of_paths(&[
            "skills/a/SKILL.md",
            "skills/b/SKILL.md",
            "skills/c/SKILL.md",
            "skills/d/SKILL.md",
            "more/skills/e/SKILL.md",
        ]);
        let text = by_hand.to_string();
        let catalogue =
            Catalog::parse(&text, "x", CatalogFormat::of(".claude-plugin/marketplace.json", false)).unwrap();
        let skills: Vec<_> = [
            ("skills/a", "a"),
            ("skills/b", "b"),
            ("skills/c", "c"),
            ("skills/d", "d"),
            ("more/skills/e", "e"),
        ]
        .map(|(folder, name)| skill(folder, name))
        .into();
        let mut document = by_hand.clone();
        let done =
            update_catalog(&mut document, &CatalogHead::default(), &skills, Some((&catalogue, &listing)))
                .unwrap();
        assert_eq!(changes(&done), ["updated renamed", "removed gone", "added d"]);
        let mut expected = by_hand;
        expected["plugins"][2]["description"] = json!("Does c.");
        let plugins = expected["plugins"].as_array_mut().unwrap();
        plugins.remove(3);
        plugins.push(json!({ "name": "d", "description": "Does d.", "source": "./", "strict": false, "skills": ["./skills/d"] }));
        assert_eq!(document, expected);
    }

    #[test]
    fn a_name_that_another_entry_has_is_a_conflict() {
        let mut document =
            json!({ "plugins": [{ "name": "pdf", "source": { "source": "github", "repo": "o/r" } }] });
        let error = update_catalog(&mut document, &head(), &[skill("skills/pdf", "pdf")], None).unwrap_err();
        assert!(error.message.contains("`pdf` that is not this skill"), "{error:?}");
        for mut foreign in [json!([]), json!({}), json!({ "plugins": {} }), json!("x")] {
            assert!(update_catalog(&mut foreign, &head(), &[], None).is_err());
        }
    }

    #[test]
    fn a_skill_at_the_top_needs_no_path() {
        let mut document = empty_catalog();
        let skills = [skill("", "pdf")];
        update_catalog(&mut document, &head(), &skills, None).unwrap();
        assert_eq!(document["plugins"][0].get("skills"), None);
        assert_eq!(update_catalog(&mut document, &head(), &skills, None), Ok(vec![]));
    }

    proptest! {
        /// What is written is sound, each entry brings exactly its skill, and a second run
        /// finds nothing to do.
        #[test]
        fn a_catalogue_brings_its_skills(
            folders in proptest::collection::btree_set("[a-d]{1,2}(/[a-d]{1,2}){0,2}", 1..8),
            version in proptest::option::of("[0-9]\\.[0-9]\\.[0-9]"),
            before in proptest::collection::btree_set("[a-d]{1,2}(/[a-d]{1,2}){0,2}", 0..4),
        ) {
            let outermost = |folder: &&String| !folders.iter().any(|other| folder.starts_with(&format!("{other}/")));
            let skills: Vec<_> = folders.iter().filter(outermost).enumerate().map(|(n, folder)| {
                CatalogSkill { version: version.clone(), ..skill(folder, &format!("skill-{n}")) }
            }).collect();
            let old: Vec<_> = before.iter().enumerate().map(|(n, folder)| skill(folder, &format!("old-{n}"))).collect();
            let mut document = empty_catalog();
            update_catalog(&mut document, &head(), &old, None).unwrap();
            update_catalog(&mut document, &head(), &skills, None).unwrap();
            prop_assert_eq!(update_catalog(&mut document, &head(), &skills, None), Ok(vec![]));
            let text = document.to_string();
            let manner = CatalogFormat::of(".claude-plugin/marketplace.json", false);
            let findings = check_catalog(&text, "x", manner, None);
            prop_assert!(findings.iter().all(|finding| finding.severity < Severity::Warning), "{:?}", findings);
            let catalogue = Catalog::parse(&text, "x", manner).unwrap();
            let paths: Vec<String> = skills.iter().map(|skill| skill.folder.file("SKILL.md")).collect();
            let listing = Listing::of_paths(&paths.iter().map(String::as_str).collect::<Vec<_>>());
            let mut found = BTreeSet::new();
            for plugin in &catalogue.plugins {
                let scan = EntryScan { listing: &listing, root: &RelPath::ROOT, top: &RelPath::ROOT, is_marketplace: true };
                found.extend(resolve_skills(plugin, None, scan).unwrap().folders);
            }
            prop_assert_eq!(found, skills.iter().map(|skill| skill.folder.clone()).collect());
        }
    }
}
