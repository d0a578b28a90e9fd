//! `marketplace add`: a marketplace is fetched, its catalogue kept, and its record written.

use super::cached::keep_fetched_catalogue;
use super::check_name;
use super::fetch::{FetchedMarketplace, check, fetch};
use crate::fetch::marketplace::Place;
use crate::ops::settle::open_session;
use crate::store::marketplaces::Marketplaces;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Result, error, fail};
use ba_agent_core::skill::Finding;

/// The marketplace that is registered.
#[derive(Debug, Default)]
pub struct AddOptions {
    /// What it is called here.
    pub name: String,
    /// Where it is, as a person writes it.
    pub source: String,
    /// The catalogue to use, if the source has several.
    pub manifest: Option<String>,
    /// Replace a marketplace of this name.
    pub force: bool,
}

/// The marketplace as it was registered.
#[derive(Debug)]
pub struct AddReport {
    pub fetched: FetchedMarketplace,
    /// Everything that is wrong with its catalogue.
    pub findings: Vec<Finding>,
}

/// Fetches a marketplace and registers it.
///
/// # Errors
/// `Usage` for what cannot be its name or its source; `Conflict` where the name is taken (unless
/// forced); those of fetching and of writing the record.
pub fn add(workspace: &Workspace, options: &AddOptions, observer: &dyn Observer) -> Result<AddReport> {
    check_name(&options.name)?;
    let session = open_session(workspace, observer)?;
    let all = session.marketplaces()?;
    let at = place_to_add(&session, options)?;
    check_free(options, &all, &at)?;
    session.note_typed(&options.source);
    let world = session.world();
    let fetched = fetch(&at, &world)?;
    // The catalogue is in the cache before the record leads to it.
    keep_fetched_catalogue(&fetched, &world);
    let record = fetched.marketplace.clone();
    session.change_marketplaces(|known| {
        known.insert(options.name.clone(), record);
        Ok(())
    })?;
    session.keep_typed_hosts();
    let findings = check(&fetched.marketplace, &fetched.copy.text);
    Ok(AddReport { fetched, findings })
}

fn place_to_add(session: &Session<'_>, options: &AddOptions) -> Result<Place> {
    let mut at = Place::parse(&options.source)?;
    if let Place::Tree { request, manifest } = &mut at {
        **request = session.anchor((**request).clone());
        if request.skill.is_some() {
            fail!(
                Usage,
                "a marketplace is not a single skill: omit `@{}`",
                request.skill.as_deref().unwrap_or("")
            );
        }
        if let Some(path) = &options.manifest {
            let path = path.trim_start_matches("./").replace('\\', "/");
            *manifest = Some(path);
        }
    } else if options.manifest.is_some() {
        fail!(
            Usage,
            "`--manifest` names a file of a repository, folder or archive; `{}` is not one of these",
            options.source
        );
    }
    Ok(at)
}

/// Says whether the name is free, or may be replaced.
fn check_free(options: &AddOptions, all: &Marketplaces, at: &Place) -> Result<()> {
    let Ok(known) = all.get(&options.name) else { return Ok(()) };
    if options.force || !all.is_own(&options.name) || known.source == at.text() {
        return Ok(());
    }
    Err(error!(Conflict, "the marketplace `{}` already exists: {}", options.name, known.source)
        .hint("choose another name, or replace it with `--force`"))
}
