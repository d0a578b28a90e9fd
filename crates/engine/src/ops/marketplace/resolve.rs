//! Names to sources: which entry of which marketplace a person means.

use std::collections::BTreeSet;

use super::{load_catalog, parse_documents};
use crate::fetch::World;
use crate::fetch::typed_host::parse_typed;
use crate::ops::installed::split_name;
use crate::store::marketplaces::Marketplaces;
use ba_agent_core::catalog::Catalog;
use ba_agent_core::error::{Kind, Result, error, printable};
use ba_agent_core::search::SearchDocument;
use ba_agent_core::source::{Reference, Request, Source};

/// An entry of a marketplace as a source.
pub(super) fn source(entry: &str, marketplace: &str) -> Source {
    Source::Marketplace { entry: entry.to_owned(), marketplace: marketplace.to_owned() }
}

/// Entry and skill that `name` means in one marketplace: an entry of that name, else a skill
/// of that name in one of its entries.
///
/// # Errors
/// `NotFound` with the nearest name, `Usage` where several entries have such a skill.
pub(super) fn resolve_name(
    name: &str,
    catalogue: &Catalog,
    documents: &[SearchDocument<'_>],
) -> Result<(String, Option<String>)> {
    let missing = match catalogue.find_entry(name) {
        Ok(plugin) => return Ok((plugin.name.clone(), None)),
        Err(error) if error.kind == Kind::NotFound => error,
        Err(error) => return Err(error),
    };
    let owners = entries_owning_skill(name, documents);
    if let (entry, Some(skill)) = split_name(name)
        && owners.is_empty()
    {
        return Ok((catalogue.find_entry(entry)?.name.clone(), Some(skill.to_owned())));
    }
    match owners.iter().collect::<Vec<_>>()[..] {
        [] => Err(match ba_agent_core::text::find_nearest(name, documents.iter().map(|d| d.name.as_ref())) {
            Some(near) if missing.hints.is_empty() => missing.hint(format!("did you mean `{near}`?")),
            _ => missing,
        }),
        [owner] => Ok(((*owner).to_owned(), Some(name.to_owned()))),
        ref several => {
            let shown = printable(name, false);
            let error = error!(Usage, "{} entries have a skill called `{shown}`", several.len());
            Err(several.iter().fold(error, |error, owner| error.hint(format!("write `{owner}:{shown}`"))))
        }
    }
}

/// Entries that have a skill of this name.
fn entries_owning_skill<'d>(skill: &str, documents: &'d [SearchDocument<'_>]) -> BTreeSet<&'d str> {
    let has = |document: &&SearchDocument<'_>| document.name == skill && !document.plugin.is_empty();
    documents.iter().filter(has).map(|document| document.plugin.as_ref()).collect()
}

/// One SOURCE argument where marketplaces are known: a name with `--source MARKETPLACE`, a
/// bare name that exactly one of them has (also `entry:skill`), else what
/// [`Request::parse`] makes of it.
///
/// # Errors
/// Those of `locate` and of [`Request::parse`]; `Usage` for `--source` beside more than a
/// name.
pub(crate) fn request(
    text: &str,
    marketplace: Option<&str>,
    all: &Marketplaces,
    world: &World<'_>,
) -> Result<Request> {
    let of = |source| Request { source, reference: Reference::Default, subdirectory: None, skill: None };
    let text = text.trim();
    if let Some(marketplace) = marketplace {
        check_name(text, marketplace, all, world)?;
        return Ok(of(source(text, marketplace)));
    }
    let parse = || {
        let request = parse_typed(text, &world.settings.hosts)?;
        world.settings.remote_registries.locate(request)
    };
    if !is_name(text) || all.enabled().next().is_none() {
        return parse();
    }
    match parse() {
        // `builtin:pdf` is a source of its own.
        Ok(request) => Ok(request),
        Err(error) => match locate(text, all, world) {
            // What is no plain name was perhaps not meant as one.
            Err(missing) if missing.kind == Kind::NotFound && Request::bare_name(text).is_none() => {
                Err(error)
            }
            found => found.map(of),
        },
    }
}

/// True for what needs no quotes to be an entry, a skill or `entry:skill`.
fn is_name(text: &str) -> bool {
    let (entry, skill) = split_name(text);
    Request::entry_name(entry).is_some() && skill.is_none_or(|skill| Request::entry_name(skill).is_some())
}

/// What stands beside `--source MARKETPLACE`: a name, or what looks like none and is the
/// name of an entry all the same.
fn check_name(text: &str, marketplace: &str, all: &Marketplaces, world: &World<'_>) -> Result<()> {
    let known = all.get(marketplace)?;
    if is_name(text) || has(&load_catalog(known, world)?.0, text) {
        return Ok(());
    }
    Err(error!(
        Usage,
        "`--source {}` needs a name, not `{}`",
        printable(marketplace, false),
        printable(text, false)
    )
    .hint("write only the source, or only the name of an entry or skill"))
}

/// Whether a catalogue has the entry that `entry` or `entry:skill` names.
fn has(catalogue: &Catalog, name: &str) -> bool {
    let (entry, skill) = split_name(name);
    catalogue.find_entry(name).is_ok() || (skill.is_some() && catalogue.find_entry(entry).is_ok())
}

/// The one enabled marketplace that has an entry or a skill called `name`, as a source.
///
/// # Errors
/// `NotFound` when none has it, `Usage` when several do, naming each; what keeps one from
/// being read, when no other has it.
pub(crate) fn locate(name: &str, all: &Marketplaces, world: &World<'_>) -> Result<Source> {
    let mut having = Vec::new();
    let mut unread = None;
    for (marketplace, known) in all.enabled() {
        match load_catalog(known, world) {
            Ok((catalogue, text)) => {
                let documents = parse_documents(&text).unwrap_or_default();
                if has(&catalogue, name) || !entries_owning_skill(name, &documents).is_empty() {
                    having.push(marketplace.clone());
                }
            }
            Err(error) => unread = unread.or(Some(error)),
        }
    }
    let shown = printable(name, false);
    match (having.as_slice(), unread) {
        ([one], _) => Ok(source(name, one)),
        ([], Some(error)) => {
            Err(error.wrap(format!("`{shown}` was not found, but not every marketplace could be read")))
        }
        ([], None) => Err(error!(NotFound, "no registered marketplace has `{shown}`")
            .hint(format!("look for it with `ba-agent skill search {shown}`"))
            .hint("for a repository write `owner/repo`, for a folder `./folder`")),
        (several, _) => {
            let error = error!(Usage, "{} marketplaces have `{shown}`", several.len());
            let write = |one| format!("write `{}`", printable(&source(name, one).to_string(), false));
            Err(several.iter().fold(error, |error, one| error.hint(write(one))))
        }
    }
}
