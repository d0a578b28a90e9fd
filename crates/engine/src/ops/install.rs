//! `skill install SOURCE`: sources are fetched, their skills chosen and held to the rules,
//! planned against registry and disk, and put in place.

use std::path::{Path, PathBuf};

use super::apply::{self, Done, Report};
use super::ask::Ask;
use super::gather::{self, Choice, Gathered, SkillRequest, Skipped};
use super::overlap::{self, InPlace};
use super::plan::{self, Plan, Wanted};
use super::settle::open_session;
use super::{import, marketplace};
use crate::fetch::not_local;
use crate::workspace::{Notice, Observer, ResolvedNotice, Session, Workspace};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::error::{Result, fail};
use ba_agent_core::registry::{InstallMode, Registry};
use ba_agent_core::source::{Request, Source};

/// What is installed, and how.
#[derive(Debug, Default)]
pub struct InstallOptions {
    /// Where the skills come from, as a person writes it.
    pub sources: Vec<String>,
    /// Another tool's lock file, instead of sources.
    pub from: Option<PathBuf>,
    /// Names of skills; with none, the only one of each source, or every one with `all`.
    pub skills: Vec<String>,
    pub all: bool,
    /// The marketplace that has the sources, which are then names.
    pub marketplace: Option<String>,
    /// Branch, tag, sha or version range.
    pub reference: Option<String>,
    /// The commit that the skills are pinned to.
    pub sha: Option<String>,
    pub subdirectory: Option<String>,
    /// The name to install under.
    pub alias: Option<String>,
    /// What the archive must hash to.
    pub integrity: Option<String>,
    /// Agents or folders that receive the skills; with none, those of the settings.
    pub agents: Vec<String>,
    pub mode: InstallMode,
    /// Replace edited skills and whatever is in the way.
    pub force: bool,
    /// Codes of findings that may pass.
    pub allow: Vec<String>,
    /// Fail where `all` would leave out an invalid skill.
    pub strict: bool,
    /// Refuse a commit that no branch or tag leads to.
    pub require_reachable: bool,
    /// Change nothing.
    pub dry_run: bool,
}

/// What was installed.
#[derive(Debug)]
pub struct InstallReport {
    pub skills: Vec<Done>,
    /// Invalid skills that `all` left out.
    pub skipped: Vec<Skipped>,
    /// What the rules say of the installed ones, one sentence each.
    pub warnings: Vec<String>,
    /// Skills that lie where they were to be installed.
    pub in_place: Vec<InPlace>,
}

/// Installs skills from sources, or those that another tool's lock file names.
///
/// # Errors
/// Those of [`gather::gather`], [`plan::install`] and [`apply::apply`]; `Usage` for options that
/// contradict each other.
pub fn install(
    workspace: &Workspace,
    options: &InstallOptions,
    ask: &mut dyn Ask,
    observer: &dyn Observer,
) -> Result<InstallReport> {
    let mut session = open_session(workspace, observer)?;
    session.settings.hosts.require_reachable |= options.require_reachable;
    if !options.agents.is_empty() {
        session.settings.agents.clone_from(&options.agents);
    }
    let targets = targets_of(&session)?;
    let gathered = match &options.from {
        Some(file) => import::gather_imported(&session, file)?,
        None => gather_sources(&session, options, ask)?,
    };
    for one in &gathered {
        observer.notice(Notice::Resolved(notice_of(one)));
        warn_of_machine(&session, one);
    }
    let skipped = gathered.iter().flat_map(|one| one.skipped.clone()).collect();
    let warnings = gathered.iter().flat_map(Gathered::warnings).collect();
    let wanted = gathered.into_iter().flat_map(|one| one.candidates).map(|candidate| Wanted {
        mode: options.mode,
        pinned: options.sha.is_some(),
        targets: targets.clone(),
        candidate,
    });
    let (report, in_place) = carry_out(&session, options, wanted.collect())?;
    if !options.dry_run {
        session.keep_typed_hosts();
    }
    Ok(InstallReport { skills: report.skills, skipped, warnings, in_place })
}

/// The agents and folders that receive the skills.
fn targets_of(session: &Session<'_>) -> Result<Vec<InstallTarget>> {
    let names = &session.settings.agents;
    if names.is_empty() {
        return Ok(vec![InstallTarget::default()]);
    }
    let mut targets = Vec::new();
    for name in names {
        let target = InstallTarget::parse(name)?;
        session.places.check_links_of(&target)?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

fn gather_sources(
    session: &Session<'_>,
    options: &InstallOptions,
    ask: &mut dyn Ask,
) -> Result<Vec<Gathered>> {
    options.sources.iter().for_each(|source| session.note_typed(source));
    let world = session.world();
    let all = session.marketplaces()?;
    session.note_hidden_marketplaces(&all, |name| {
        options.marketplace.as_deref() == Some(name)
            || options.sources.iter().any(|source| source.ends_with(&format!("@{name}")))
    });
    if options.alias.is_some() && (options.sources.len() > 1 || options.skills.len() > 1 || options.all) {
        fail!(Usage, "`--as` names one skill; choose one with `--skill NAME`");
    }
    let request = |source: &String| {
        let request = marketplace::request(source, options.marketplace.as_deref(), &all, &world)?;
        skill_request(session, options, request)
    };
    let requests: Vec<SkillRequest> = options.sources.iter().map(request).collect::<Result<_>>()?;
    let gathered = marketplace::gather_all(&requests, &all, &world, ask)?;
    session.note_moved_marketplaces(&world);
    Ok(gathered)
}

fn skill_request(session: &Session<'_>, options: &InstallOptions, request: Request) -> Result<SkillRequest> {
    let request = request.with_flags(
        options.reference.as_deref(),
        options.sha.as_deref(),
        options.subdirectory.as_deref(),
    )?;
    let request = session.anchor(request);
    // Said before anybody is asked over the network.
    let may_be_local = matches!(request.source, Source::Local { .. } | Source::Marketplace { .. });
    if options.mode == InstallMode::Live && !may_be_local {
        return Err(not_local(&request.source));
    }
    let mut names = options.skills.clone();
    names.extend(request.skill.clone());
    let choice = match (options.all, names.is_empty()) {
        (true, _) => Choice::All,
        (false, true) => Choice::Only,
        (false, false) => Choice::Named(names),
    };
    Ok(SkillRequest {
        request,
        choice,
        alias: options.alias.as_deref().map(str::parse).transpose()?,
        integrity: options.integrity.as_deref().map(str::parse).transpose()?,
        commit: None,
        live: options.mode == InstallMode::Live,
        strict: options.strict,
        allow: options.allow.clone(),
    })
}

fn notice_of(gathered: &Gathered) -> ResolvedNotice {
    ResolvedNotice {
        source: gather::spoken_source_name(&gathered.resolved),
        found: gathered.found,
        chosen: gathered.candidates.len(),
        left_out: gathered
            .skipped
            .iter()
            .map(|one| format!("left out {}: {}", one.path, one.reason))
            .collect(),
        warnings: gathered.warnings(),
    }
}

/// A project's registry is for everybody who has the project; an absolute path is not.
fn warn_of_machine(session: &Session<'_>, gathered: &Gathered) {
    let (Source::Local { path } | Source::Archive { location: path }) = &gathered.resolved.source else {
        return;
    };
    if session.scope.is_project() && (Path::new(path).is_absolute() || path.starts_with('~')) {
        session.warn(&format!(
            "the registry will name `{path}`, a path on this machine: others with the project cannot restore from it; use a relative path or a repository"
        ));
    }
}

fn carry_out(
    session: &Session<'_>,
    options: &InstallOptions,
    wanted: Vec<Wanted>,
) -> Result<(Report, Vec<InPlace>)> {
    if options.dry_run {
        let (plan, in_place) = plan_install(session, wanted, &session.store.read()?, options.force)?;
        return Ok((Report::of_plan(plan, &session.places, session.env.now)?, in_place));
    }
    // Fetching may take long, so the lock is taken only now; the plan is made under it.
    let transaction = session.begin()?;
    let (plan, in_place) = plan_install(session, wanted, transaction.registry(), options.force)?;
    Ok((apply::apply(plan, transaction, session, "install")?, in_place))
}

fn plan_install(
    session: &Session<'_>,
    wanted: Vec<Wanted>,
    registry: &Registry,
    force: bool,
) -> Result<(Plan, Vec<InPlace>)> {
    let (wanted, in_place) = overlap::leave_in_place(wanted, registry, &session.places);
    let seen =
        session.places.inspect(wanted.iter().map(|w| (&w.candidate.name, &w.targets[..])), registry)?;
    Ok((plan::install(wanted, registry, &seen, force)?, in_place))
}
