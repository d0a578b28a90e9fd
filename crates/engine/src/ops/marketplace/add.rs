//! `marketplace add`: a marketplace is fetched, its catalogue kept, and its record written.

use std::path::Path;

use super::cached::keep_fetched_catalogue;
use super::check_name;
use super::fetch::{FetchedMarketplace, check, fetch};
use super::known::list_known;
use crate::fetch::marketplace::Place;
use crate::fetch::typed_host::{is_same_place, with_typed_host};
use crate::ops::import;
use crate::ops::settle::open_session;
use crate::store::marketplaces::Marketplaces;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::catalog::{self, KnownCatalog};
use ba_agent_core::error::{Error, Result, error, fail, printable};
use ba_agent_core::interop;
use ba_agent_core::skill::Finding;
use ba_agent_core::source::{Request, Source};
use ba_agent_net::hosts::HostSettings;

/// The marketplace that is registered.
#[derive(Debug, Default)]
pub struct AddOptions {
    /// What it is called here; what its catalogue calls itself where this is not said.
    pub name: Option<String>,
    /// Where it is, as a person writes it.
    pub source: String,
    /// The catalogue to use, if the source has several.
    pub manifest: Option<String>,
    /// Replace a marketplace of this name.
    pub force: bool,
    /// For everybody who works in the project, and not for the user in all projects. Also meant
    /// where the workspace names its project.
    pub for_project: bool,
    /// For the user, also where the workspace names its project.
    pub for_user: bool,
}

/// The marketplace as it was registered.
#[derive(Debug)]
pub struct AddReport {
    /// What it is called here.
    pub name: String,
    /// `project` or `user`.
    pub scope: &'static str,
    pub fetched: FetchedMarketplace,
    /// Everything that is wrong with its catalogue.
    pub findings: Vec<Finding>,
}

/// What became of known catalogues.
#[derive(Debug, Default)]
pub struct AddKnownReport {
    pub added: Vec<AddReport>,
    /// Those that could not be added, and why.
    pub failed: Vec<(String, Error)>,
}

/// Fetches a marketplace and registers it, for the user unless it is asked for the project.
///
/// # Errors
/// `Usage` for what cannot be its name or its source, and for a catalogue that gives itself none;
/// `Conflict` where the name is taken (unless forced) or is kept for somebody else; those of
/// fetching and of writing the record.
pub fn add(workspace: &Workspace, options: &AddOptions, observer: &dyn Observer) -> Result<AddReport> {
    options.name.as_deref().map(check_name).transpose()?;
    let workspace = whose(workspace, options)?;
    let session = open_session(&workspace, observer)?;
    let all = session.marketplaces()?;
    let at = place_to_add(&session, options)?;
    if let Some(name) = &options.name {
        check_free(name, options, &all, (&at, &session.settings.hosts))?;
    }
    session.note_typed(&options.source);
    let world = session.world();
    let fetched = fetch(&at, &world)?;
    let name = match &options.name {
        Some(name) => name.clone(),
        None => name_of_fetched(&fetched, options, &all, (&at, &session.settings.hosts))?,
    };
    // The catalogue is in the cache before the record leads to it.
    keep_fetched_catalogue(&fetched, &world);
    let record = fetched.marketplace.clone();
    session.change_marketplaces(|known| {
        known.insert(name.clone(), record);
        Ok(())
    })?;
    session.keep_typed_hosts();
    let findings = check(&fetched.marketplace, &fetched.copy.text);
    Ok(AddReport { name, scope: session.scope.name(), fetched, findings })
}

/// Fetches and registers catalogues that are known by name. One that fails does not hold back
/// the others.
///
/// # Errors
/// `NotFound` for a name that is not known, before anything is fetched; `Interrupted` when the
/// command is to end.
pub fn add_known(
    workspace: &Workspace,
    names: &[String],
    options: &AddOptions,
    observer: &dyn Observer,
) -> Result<AddKnownReport> {
    let known: Vec<&KnownCatalog> =
        names.iter().map(|name| catalog::find_known(name)).collect::<Result<_>>()?;
    // One that is there under another name keeps that one.
    let listed = list_known(workspace, observer)?;
    let name_of = |one: &KnownCatalog| {
        let here = listed.iter().find(|listed| listed.catalog == *one);
        here.and_then(|here| here.registered_as.clone()).unwrap_or_else(|| one.name.to_owned())
    };
    let mut report = AddKnownReport::default();
    for one in known {
        observer.check_cancelled()?;
        let options = AddOptions {
            name: Some(name_of(one)),
            // On the public host, whatever `owner/repo` is for the user.
            source: one.page(),
            manifest: None,
            force: options.force,
            ..*options
        };
        match add(workspace, &options, observer) {
            Ok(added) => report.added.push(added),
            Err(error) => report.failed.push((one.name.to_owned(), error)),
        }
    }
    Ok(report)
}

/// Registers the marketplaces of Claude Code's `known_marketplaces.json`, under their names. One that
/// fails, or cannot be registered here, does not hold back the others; one that is registered
/// already stays.
///
/// # Errors
/// `NotFound` and `Invalid` for the file; `Interrupted` when the command is to end.
pub fn add_from(
    workspace: &Workspace,
    file: &Path,
    options: &AddOptions,
    observer: &dyn Observer,
) -> Result<AddKnownReport> {
    let path = workspace.env().absolute(file);
    let text = import::read_lock_file(&path)?;
    let (known, left_out) = interop::read_known_marketplaces(&path.display().to_string(), &text)?;
    let mut report = AddKnownReport::default();
    for one in left_out {
        report.failed.push((one.name, error!(Usage, "it cannot be registered here: {}", one.reason)));
    }
    let session = open_session(&whose(workspace, options)?, observer)?;
    let registered = session.marketplaces()?;
    for one in known {
        observer.check_cancelled()?;
        if registered.get(&one.name).is_ok() && !options.force {
            session.note(&format!("`{}` is registered already", printable(&one.name, false)));
            continue;
        }
        let options =
            AddOptions { name: Some(one.name.clone()), source: one.source, manifest: None, ..*options };
        match add(workspace, &options, observer) {
            Ok(added) => report.added.push(added),
            Err(error) => report.failed.push((one.name, error)),
        }
    }
    Ok(report)
}

/// The workspace whose records get the marketplace.
fn whose(workspace: &Workspace, options: &AddOptions) -> Result<Workspace> {
    if options.for_project && (options.for_user || workspace.is_of_user()) {
        return Err(error!(
            Usage,
            "a marketplace is registered for the project or for the user, not for both"
        ));
    }
    let for_project = options.for_project || (workspace.names_project() && !options.for_user);
    Ok(if for_project { workspace.clone() } else { workspace.for_user() })
}

fn place_to_add(session: &Session<'_>, options: &AddOptions) -> Result<Place> {
    let mut at = Place::parse(&options.source).map_err(|error| with_known_name(error, options))?;
    if let Place::Tree { request, manifest } = &mut at {
        let typed = with_typed_host(&options.source, (**request).clone(), &session.settings.hosts);
        **request = session.anchor_marketplace(typed);
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

/// The error for a source that cannot be read, with what was probably meant: a known catalogue.
fn with_known_name(error: Error, options: &AddOptions) -> Error {
    let is_known = options.name.is_none() && catalog::find_known(options.source.trim()).is_ok();
    if !is_known {
        return error;
    }
    let name = options.source.trim();
    error!(Usage, "`{name}` does not say where the marketplace is")
        .hint(format!("for the known catalogue of that name: `ba-agent marketplace add --known {name}`"))
}

/// True for the place that is recorded as `recorded`, however its host was written then.
fn is_same_marketplace(recorded: &str, at: &Place, hosts: &HostSettings) -> bool {
    let (Ok(Place::Tree { request: mut known, manifest }), Place::Tree { request, .. }) =
        (Place::parse(recorded), at)
    else {
        return recorded == at.text();
    };
    if is_same_place(&known.source, &request.source, hosts) {
        known.source = request.source.clone();
    }
    Place::Tree { request: known, manifest }.text() == at.text()
}

/// Says whether the name is free, or may be replaced.
fn check_free(
    name: &str,
    options: &AddOptions,
    all: &Marketplaces,
    (at, hosts): (&Place, &HostSettings),
) -> Result<()> {
    let Ok(known) = all.get(name) else { return Ok(()) };
    if options.force || !all.is_own(name) || is_same_marketplace(&known.source, at, hosts) {
        return Ok(());
    }
    Err(error!(Conflict, "the marketplace `{name}` already exists: {}", known.source)
        .hint(format!("choose another name: `ba-agent marketplace add NAME {}`", options.source))
        .hint("or replace it with `--force`"))
}

/// The name that a marketplace gets of which only the source was said: the one that it has
/// already, else its catalogue's.
fn name_of_fetched(
    fetched: &FetchedMarketplace,
    options: &AddOptions,
    all: &Marketplaces,
    (at, hosts): (&Place, &HostSettings),
) -> Result<String> {
    let is_it = |name: &str, source: &str| all.is_own(name) && is_same_marketplace(source, at, hosts);
    if let Some((name, _)) = all.all().find(|(name, known)| is_it(name, &known.source)) {
        return Ok(name.clone());
    }
    let source = printable(&options.source, false);
    let other = format!("give it one: `ba-agent marketplace add {} {source}`", name_from_place(at));
    let has_catalogue = fetched.marketplace.manifest.is_some() || !matches!(at, Place::Tree { .. });
    let Some(name) = fetched.catalogue.registrable_name().filter(|_| has_catalogue) else {
        return Err(error!(Usage, "{source} gives itself no name that a marketplace can have").hint(other));
    };
    let is_official = matches!(at, Place::Tree { request, .. } if catalog::is_official(&request.source));
    if let Some(reserved) = fetched.catalogue.reserved_name().filter(|_| !is_official) {
        return Err(error!(
            Conflict,
            "{source} calls itself `{}`, a name that Anthropic keeps for its own marketplaces",
            printable(reserved, false)
        )
        .hint(other));
    }
    check_free(&name, options, all, (at, hosts))?;
    Ok(name)
}

/// A name for a marketplace that has none, by where it is.
fn name_from_place(at: &Place) -> String {
    let text = match at {
        Place::Tree { request, .. } => match &request.source {
            Source::Github { owner, repo } => format!("{owner}-{repo}"),
            _ => request.default_skill_name().unwrap_or_default().to_owned(),
        },
        Place::File(url) | Place::Served(url) => url.host_str().unwrap_or_default().replace('.', "-"),
    };
    Some(text).filter(|text| Request::bare_name(text).is_some()).unwrap_or_else(|| "NAME".to_owned())
}
