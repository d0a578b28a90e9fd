//! `marketplace update`: each repository is asked what its refs are, several hosts at once, and
//! fetched only where they moved.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::cached::keep_fetched_catalogue;
use super::change::NamesByScope;
use super::fetch::{self, FetchedMarketplace};
use super::recorded::{is_live, place_of};
use super::{cached, load_catalog};
use crate::fetch::marketplace::Place;
use crate::fetch::{PackageSource, World};
use crate::ops::settle::open_session;
use crate::store::marketplaces::{Marketplaces, RegisteredMarketplace};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::catalog::Catalog;
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::registry::RevisionRecord;
use ba_agent_git::Extent;
use ba_agent_git::Remote;
use ba_agent_system::parallel;

/// What became of one marketplace.
#[derive(Debug, Serialize)]
pub struct Updated {
    pub name: String,
    pub changed: bool,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Entries that are new, gone, or point somewhere else.
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub moved: Vec<String>,
    pub warnings: Vec<String>,
    /// The record as it was and, where it is another one now, as it is.
    #[serde(skip)]
    records: (RegisteredMarketplace, Option<RegisteredMarketplace>),
}

/// What became of the marketplaces.
#[derive(Debug)]
pub struct MarketplaceUpdateReport {
    pub updated: Vec<Updated>,
    /// Those that could not be updated, and why.
    pub failed: Vec<(String, Error)>,
}

/// Fetches the catalogues of the named marketplaces anew, or of all that this scope sees, where
/// they moved. One that fails does not hold back the others.
///
/// # Errors
/// `NotFound` for a name that is not registered; those of writing the records.
pub fn update(
    workspace: &Workspace,
    names: &[String],
    observer: &dyn Observer,
) -> Result<MarketplaceUpdateReport> {
    let session = open_session(&workspace.or_user_at_home(), observer)?;
    let all = session.marketplaces()?;
    let every: Vec<String> = all.all().map(|(name, _)| name.clone()).collect();
    let NamesByScope { own, of_user } =
        NamesByScope::of(if names.is_empty() { &every } else { names }, &all)?;
    let mut report = update_own(&session, &own, &all)?;
    if !of_user.is_empty() {
        // On the user's hosts and with the user's settings, whatever the project says.
        let user = open_session(&workspace.for_user(), observer)?;
        let of_user = update_own(&user, &of_user, &user.marketplaces()?)?;
        report.updated.extend(of_user.updated);
        report.failed.extend(of_user.failed);
    }
    Ok(report)
}

/// Updates marketplaces of the scope of this very session.
fn update_own(
    session: &Session<'_>,
    names: &[String],
    all: &Marketplaces,
) -> Result<MarketplaceUpdateReport> {
    let MarketplaceUpdateReport { mut updated, mut failed } = refresh(names, all, &session.world())?;
    // The new catalogues are in the cache before the records lead to them; the old ones
    // stay for projects that are still at the old state.
    if !names.is_empty() {
        failed.extend(session.change_marketplaces(|own| Ok(record(&mut updated, own)))?);
    }
    Ok(MarketplaceUpdateReport { updated, failed })
}

/// Looks what the marketplaces of these names are now, and keeps their new catalogues in the
/// cache; nothing is recorded yet. One that fails does not hold back the others.
///
/// # Errors
/// `Interrupted` when the command is to end.
pub(super) fn refresh(
    names: &[String],
    all: &Marketplaces,
    world: &World<'_>,
) -> Result<MarketplaceUpdateReport> {
    let look = |name: &String| Ok(all.get(name).and_then(|known| refresh_one(name, known, world)));
    let looked = parallel::run_jobs(parallel::MAX_HOSTS, names, || world.check_cancelled(), look)?;
    world.check_cancelled()?;
    let mut report = MarketplaceUpdateReport { updated: Vec::new(), failed: Vec::new() };
    for (name, outcome) in names.iter().zip(looked) {
        match outcome {
            Ok(one) => report.updated.push(one),
            Err(error) => report.failed.push((name.clone(), error)),
        }
    }
    Ok(report)
}

/// Writes what [`refresh`] found into the records of the scope. One that another command
/// changed meanwhile is left as it is, and told.
pub(super) fn record(
    updated: &mut Vec<Updated>,
    own: &mut BTreeMap<String, RegisteredMarketplace>,
) -> Vec<(String, Error)> {
    let mut failed = Vec::new();
    updated.retain(|one| {
        let (before, now) = &one.records;
        let Some(now) = now else { return true };
        if own.get(&one.name) != Some(before) {
            let error = error!(Conflict, "another command changed it meanwhile")
                .hint(format!("run `ba-agent marketplace update {}` again", one.name));
            failed.push((one.name.clone(), error));
            return false;
        }
        own.insert(one.name.clone(), now.clone());
        true
    });
    failed
}

fn refresh_one(name: &str, known: &RegisteredMarketplace, world: &World<'_>) -> Result<Updated> {
    let place = place_of(known)?;
    let fetched = match &place {
        Place::Tree { request, manifest } if request.source.is_git() => {
            let remote = Remote::open(&request.source, &world.git)?;
            let resolved = remote.resolve(&request.reference, request.subdirectory.as_ref(), None)?;
            let pin = RevisionRecord::of(&resolved.pin, resolved.chosen.as_deref(), None);
            // A record of an earlier version does not say how many entries there are.
            if pin.commit == known.pin.commit && known.entries.is_some() {
                let record = (pin != known.pin).then(|| RegisteredMarketplace { pin, ..known.clone() });
                return Ok(report_of_unmoved(name, known, record));
            }
            let source = PackageSource::of_commit(remote, resolved, Extent::Partial)?;
            fetch::of_source(&place, source, request, manifest.as_deref(), world)?
        }
        _ => fetch::fetch(&place, world)?,
    };
    // A folder has no old state; what was seen of it last may be in the cache.
    let before = match is_live(known) {
        true => cached(known, world),
        false => load_catalog(known, world).map(|(catalogue, _)| catalogue).ok(),
    };
    keep_fetched_catalogue(&fetched, world);
    Ok(compare(name, known, before.as_ref(), fetched))
}

fn report_of_unmoved(
    name: &str,
    known: &RegisteredMarketplace,
    record: Option<RegisteredMarketplace>,
) -> Updated {
    Updated {
        name: name.to_owned(),
        changed: false,
        from: known.pin.short_text(),
        to: known.pin.short_text(),
        added: Vec::new(),
        removed: Vec::new(),
        moved: Vec::new(),
        warnings: Vec::new(),
        records: (known.clone(), record),
    }
}

fn compare(
    name: &str,
    known: &RegisteredMarketplace,
    before: Option<&Catalog>,
    now: FetchedMarketplace,
) -> Updated {
    let names = |catalogue: &Catalog| {
        catalogue.plugins.iter().map(|plugin| plugin.name.clone()).collect::<BTreeSet<_>>()
    };
    let new = names(&now.catalogue);
    let old = before.map_or_else(|| new.clone(), names);
    let moved = now.catalogue.plugins.iter().filter(|plugin| {
        let was = before.and_then(|before| before.plugins.iter().find(|old| old.name == plugin.name));
        was.is_some_and(|was| was.usable_source().ok() != plugin.usable_source().ok())
    });
    let moved = moved.map(|plugin| plugin.name.clone()).collect();
    let FetchedMarketplace { marketplace, warnings, .. } = now;
    let record = RegisteredMarketplace {
        named: known.named,
        enabled: known.enabled,
        extra: known.extra.clone(),
        ..marketplace
    };
    // What did not move keeps the time at which it was fetched.
    let same = RegisteredMarketplace { fetched_at: known.fetched_at, ..record.clone() } == *known;
    Updated {
        name: name.to_owned(),
        changed: known.pin != record.pin || old != new,
        from: known.pin.short_text(),
        to: record.pin.short_text(),
        added: new.difference(&old).cloned().collect(),
        removed: old.difference(&new).cloned().collect(),
        moved,
        warnings,
        records: (known.clone(), (!same).then_some(record)),
    }
}
