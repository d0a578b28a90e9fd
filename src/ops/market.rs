//! Deeds: marketplaces. What is written behind `add` becomes a copy of a catalogue; an entry
//! of one becomes candidates, as any other source does.

mod copy;
mod entry;
mod left_out;
mod plugin_manifest;
mod recorded;
#[cfg(test)]
mod tests;
mod update;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::{Kind, Result, error, printable};
use crate::fetch::World;
use crate::fetch::git::url_of;
use crate::fetch::marketplace::Place;
use crate::marketplace::Catalogue;
use crate::marketplaces::{Marketplace, Marketplaces};
use crate::registry::Registry;
use crate::search::Document;
use crate::settings::Settings;
use crate::skill::{Finding, SkillName};
use crate::source::{Reference, Request, Source};

pub(crate) use copy::{Fetched, check, fetch, index_of, keep, keep_search_index, search_index, search_rows};
pub(crate) use entry::{EntryView, describe, gather, gather_all, lend_version, manifests_above, want_of};
pub(crate) use recorded::is_live;
pub(crate) use update::{Updated, record, refresh};

/// Where a marketplace of the user is for a project whose settings name another host: the
/// whole address, which does not hang on settings. `None` where both mean the same.
pub(crate) fn at_hosts_of(source: &str, user: &Settings, project: &Settings) -> Option<String> {
    let Ok(Place::Tree { mut request, manifest }) = Place::parse(source) else { return None };
    let url = url_of(&request.source, user)?;
    if url_of(&request.source, project).as_ref() == Some(&url) {
        return None;
    }
    request.source = Source::Git { url };
    Some(Place::Tree { request, manifest }.text())
}

/// A name as a person writes it: `entry`, `skill` or `entry:skill`. An entry may have a colon
/// of its own, a skill has none.
fn parts(name: &str) -> (&str, Option<&str>) {
    name.rsplit_once(':').map_or((name, None), |(entry, skill)| (entry, Some(skill)))
}

/// An entry of a marketplace as a source.
fn source(entry: &str, marketplace: &str) -> Source {
    Source::Marketplace { entry: entry.to_owned(), marketplace: marketplace.to_owned() }
}

/// The marketplace's catalogue in its recorded state, and its search documents; fetched where
/// the cache has lost them. A folder of this machine has no other state than its present one.
///
/// # Errors
/// `Network` offline where the cache does not have it, else those of fetching and reading.
fn load_catalog(marketplace: &Marketplace, world: &World<'_>) -> Result<(Catalogue, String)> {
    let is_live = recorded::is_live(marketplace);
    if !is_live && let Some(kept) = copy::cached(marketplace, world) {
        return Ok((copy::read(&kept.text, marketplace)?, kept.documents));
    }
    if world.offline && !is_live {
        return Err(error!(
            Network,
            "the catalogue of `{}` is not in the cache, and this run is offline", marketplace.source
        )
        .hint("run the command once without `--offline`, then the cache has it"));
    }
    let fetched = copy::restore(marketplace, world)?;
    copy::keep(&fetched, world);
    Ok((fetched.catalogue, fetched.copy.documents))
}

/// Everything that is wrong with the catalogue of a registered marketplace, in its recorded
/// state; fetched where the cache has lost it.
///
/// # Errors
/// `Network` offline where the cache does not have it, else those of fetching and reading.
pub(crate) fn check_registered(marketplace: &Marketplace, world: &World<'_>) -> Result<Vec<Finding>> {
    let is_live = recorded::is_live(marketplace);
    if !is_live && let Some(kept) = copy::cached(marketplace, world) {
        return Ok(copy::check(marketplace, &kept.text));
    }
    let fetched = copy::restore(marketplace, world)?;
    Ok(copy::check(marketplace, &fetched.copy.text))
}

/// Entry and skill that `name` means in one marketplace: an entry of that name, else a skill
/// of that name in one of its entries.
///
/// # Errors
/// `NotFound` with the nearest name, `Usage` where several entries have such a skill.
fn resolve_name(
    name: &str,
    catalogue: &Catalogue,
    documents: &[Document<'_>],
) -> Result<(String, Option<String>)> {
    let missing = match catalogue.find(name) {
        Ok(plugin) => return Ok((plugin.name.clone(), None)),
        Err(error) if error.kind == Kind::NotFound => error,
        Err(error) => return Err(error),
    };
    let owners = owners(name, documents);
    if let (entry, Some(skill)) = parts(name)
        && owners.is_empty()
    {
        return Ok((catalogue.find(entry)?.name.clone(), Some(skill.to_owned())));
    }
    match owners.iter().collect::<Vec<_>>()[..] {
        [] => Err(match crate::words::nearest(name, documents.iter().map(|d| d.name.as_ref())) {
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
fn owners<'d>(skill: &str, documents: &'d [Document<'_>]) -> BTreeSet<&'d str> {
    let has = |document: &&Document<'_>| document.name == skill && !document.plugin.is_empty();
    documents.iter().filter(has).map(|document| document.plugin.as_ref()).collect()
}

/// One SOURCE argument where marketplaces are known: a name with `--source MARKETPLACE`, a
/// bare name that exactly one of them has (also `entry:skill`), else what
/// [`Request::parse`] makes of it.
///
/// # Errors
/// Those of [`locate`] and of [`Request::parse`]; `Usage` for `--source` beside more than a
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
    if !is_name(text) || all.enabled().next().is_none() {
        return Request::parse(text);
    }
    match Request::parse(text) {
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
    let (entry, skill) = parts(text);
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
        "`--source {}` wants a name, not `{}`",
        printable(marketplace, false),
        printable(text, false)
    )
    .hint("write the source alone, or the name of an entry or skill"))
}

/// Whether a catalogue has the entry that `entry` or `entry:skill` names.
fn has(catalogue: &Catalogue, name: &str) -> bool {
    let (entry, skill) = parts(name);
    catalogue.find(name).is_ok() || (skill.is_some() && catalogue.find(entry).is_ok())
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
                if has(&catalogue, name) || !owners(name, &documents).is_empty() {
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

/// The installed skill that `name` means: its name, or `entry:skill` by where it came from.
/// `None` when there is no such skill, or several.
pub(crate) fn installed<'r>(name: &str, registry: &'r Registry) -> Option<&'r SkillName> {
    if let Some(known) = registry.skills.keys().find(|known| known.as_str() == name) {
        return Some(known);
    }
    let (entry, skill) = parts(name);
    let skill = skill?;
    let mut called = registry.skills.iter().filter(|(known, record)| {
        let own = record.alias_of.as_deref().unwrap_or(known.as_str());
        record.marketplace.as_ref().is_some_and(|origin| origin.entry == entry)
            && (own == skill
                || known.as_str() == skill
                || record.path.as_deref().is_some_and(|path| path.ends_with(&format!("/{skill}"))))
    });
    match (called.next(), called.next()) {
        (Some((known, _)), None) => Some(known),
        _ => None,
    }
}

/// What the search reads of a copy.
pub(crate) fn parse_documents(text: &str) -> Result<Vec<Document<'_>>> {
    serde_json::from_str(text).map_err(copy::damaged)
}

/// A row of `marketplace list`.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    pub(crate) source: &'a str,
    pub(crate) manifest: Option<&'a str>,
    pub(crate) enabled: bool,
    pub(crate) pin: Option<String>,
    pub(crate) fetched_at: jiff::Timestamp,
    /// `project` or `user`.
    pub(crate) scope: &'static str,
    /// Entries of the cached copy; absent where there is none.
    pub(crate) entries: Option<usize>,
}

/// Every marketplace that the scope sees.
pub(crate) fn list<'a>(all: &'a Marketplaces, scope: &'static str, world: &World<'_>) -> Vec<Row<'a>> {
    let entries = |known: &Marketplace| match is_live(known) {
        true => load_catalog(known, world).ok().map(|(catalogue, _)| catalogue.plugins.len()),
        false => cached(known, world).map(|catalogue| catalogue.plugins.len()),
    };
    let row = |(name, known): (&'a String, &'a Marketplace)| Row {
        name,
        source: &known.source,
        manifest: known.manifest.as_deref(),
        enabled: known.enabled,
        pin: known.pin.short(),
        fetched_at: known.fetched_at,
        scope: if all.is_own(name) { scope } else { "user" },
        entries: entries(known),
    };
    let mut rows: Vec<Row<'a>> = all.all().map(row).collect();
    rows.sort_by_key(|row| row.name);
    rows
}

/// What the search reads of a marketplace, whole; fetched where the cache has lost it.
///
/// # Errors
/// `Network` offline without a copy, else those of fetching it again.
pub(crate) fn search_text(marketplace: &Marketplace, world: &World<'_>) -> Result<String> {
    match copy::cached(marketplace, world).filter(|_| !is_live(marketplace)) {
        Some(kept) => Ok(kept.documents),
        None => Ok(load_catalog(marketplace, world)?.1),
    }
}

/// The catalogue as the cache has it, if it does and it can be read.
fn cached(marketplace: &Marketplace, world: &World<'_>) -> Option<Catalogue> {
    copy::read(&copy::cached(marketplace, world)?.text, marketplace).ok()
}
