//! `skill install SOURCE`: sources are fetched, their skills chosen and held to the rules,
//! planned against registry and disk, and put in place.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::agents::note_other_agents;
use super::apply::{self, Done, Report};
use super::ask::Ask;
use super::follow::{self, NeededSkills, Surroundings};
use super::follow_plugins::follow_plugins;
use super::gather::{self, Candidate, Choice, Gathered, SkillRequest, Skipped};
use super::import::{self, ImportedSource};
use super::overlap::{self, InPlace};
use super::plan::{self, InstallReason, LeftOutSkill, Plan, Wanted};
use super::settle::open_session;
use super::{adopt, marketplace};
use crate::fetch::not_local;
use crate::fetch::typed_host::is_same_place;
use crate::workspace::{Notice, Observer, ResolvedNotice, Session, Workspace};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::category::SkillCategory;
use ba_agent_core::error::{Error, Result, error, fail, printable};
use ba_agent_core::interop::IntegrityClaim;
use ba_agent_core::registry::{InstallMode, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Reference, Request, Resolved, Source};
use ba_agent_net::hosts::HostSettings;

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
    /// Leave out, instead of stopping, what something else has the name of.
    pub skip_existing: bool,
    /// Refuse a commit that no branch or tag leads to.
    pub require_reachable: bool,
    /// Also what would be installed disabled, or is disabled.
    pub enable: bool,
    /// Keep the version that is replaced beside the new one.
    pub keep: bool,
    /// Install what is asked for alone, whatever that needs.
    pub no_deps: bool,
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
    /// Skills that were left out because something else has their name.
    pub left_out: Vec<LeftOutSkill>,
    /// Replaced skills of which no file is another one now.
    pub same_files: Vec<SkillName>,
    /// Of each skill that others need, who they are.
    pub needed_by: BTreeMap<String, Vec<String>>,
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
    note_other_agents(&session);
    let (gathered, needed) = match &options.from {
        // The other tool has followed what there was to follow.
        Some(file) => (import::gather_imported(&session, file)?, NeededSkills::default()),
        None => {
            let (gathered, needed) = gather_sources(&session, options, ask)?;
            (gathered.into_iter().map(ImportedSource::from).collect(), needed)
        }
    };
    for ImportedSource { gathered, .. } in &gathered {
        observer.notice(Notice::Resolved(notice_of(gathered)));
        session.warn_of_machine(&gathered.resolved.source);
    }
    let skipped = gathered.iter().flat_map(|one| one.gathered.skipped.clone()).collect();
    let warnings = gathered.iter().flat_map(|one| one.gathered.warnings()).collect();
    let (mut wanted, mut promised) = (Vec::new(), BTreeMap::new());
    for ImportedSource { gathered, integrity } in gathered {
        for candidate in gathered.candidates {
            promised.extend(integrity.clone().map(|claim| (candidate.name.clone(), claim)));
            wanted.push(Wanted {
                mode: options.mode,
                pinned: options.sha.is_some(),
                enabled: !is_kept_for_later(&candidate, options),
                keep: if options.keep { session.settings.loader.keep_versions } else { 0 },
                targets: targets.clone(),
                reason: InstallReason::Asked,
                candidate,
            });
        }
    }
    let NeededSkills { candidates, needed_by } = needed;
    wanted.extend(candidates.into_iter().map(|candidate| want_needed(candidate, options, &targets)));
    let (report, planned) = carry_out(&session, options, wanted, &promised)?;
    if !options.dry_run {
        session.keep_typed_hosts();
    }
    let PlannedInstall { in_place, left_out, same_files } = planned;
    let skills = report.skills;
    Ok(InstallReport { skills, skipped, warnings, in_place, left_out, same_files, needed_by })
}

/// A skill that comes along: a link where those are that need it, held where they are held.
fn want_needed(candidate: Candidate, options: &InstallOptions, targets: &[InstallTarget]) -> Wanted {
    let is_live = options.mode == InstallMode::Live && candidate.live_folder().is_ok();
    let mode = match options.mode {
        InstallMode::Live if !is_live => InstallMode::Link,
        mode => mode,
    };
    let pinned = options.sha.is_some() && matches!(candidate.resolved.reference, Reference::Sha(_));
    let (targets, reason) = (targets.to_vec(), InstallReason::Needed);
    Wanted { candidate, targets, mode, pinned, enabled: true, keep: 0, reason }
}

/// True for a skill of those that are installed disabled unless somebody chooses them.
fn is_kept_for_later(candidate: &Candidate, options: &InstallOptions) -> bool {
    let front = candidate.document.frontmatter.as_ref();
    let category = front.and_then(|front| front.category.as_deref());
    options.all && !options.enable && category.map(SkillCategory::of) == Some(SkillCategory::Professional)
}

/// The agents and folders that receive the skills.
fn targets_of(session: &Session<'_>) -> Result<Vec<InstallTarget>> {
    let targets = session.settings.targets()?;
    for target in &targets {
        session.places.check_links_of(target)?;
    }
    Ok(targets)
}

fn gather_sources(
    session: &Session<'_>,
    options: &InstallOptions,
    ask: &mut dyn Ask,
) -> Result<(Vec<Gathered>, NeededSkills)> {
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
    check_sources_beside_names(options)?;
    let registry = session.store.read()?;
    let follow = (!options.no_deps).then(|| follow::installed_names(&registry));
    let request = |source: &String| {
        let request = marketplace::request(source, options.marketplace.as_deref(), &all, &world)?;
        Ok(SkillRequest { follow: follow.clone(), ..skill_request(session, options, request)? })
    };
    let requests: Vec<SkillRequest> = options.sources.iter().map(request).collect::<Result<_>>()?;
    let mut gathered = marketplace::gather_all(&requests, &all, &world, ask)?;
    session.note_moved_marketplaces(&world);
    let needed = match options.no_deps {
        true => NeededSkills::default(),
        false => {
            let around = Surroundings { session, world: &world, registry: &registry, marketplaces: &all };
            let mut extra = follow_plugins(&mut gathered, &around)?;
            let asked: Vec<Candidate> = gathered.iter().flat_map(|one| one.candidates.clone()).collect();
            let mut at_hand: Vec<Candidate> =
                gathered.iter_mut().flat_map(|one| std::mem::take(&mut one.needed)).collect();
            for one in &mut extra {
                at_hand.append(&mut one.candidates);
                at_hand.append(&mut one.needed);
            }
            follow::follow_dependencies(&asked, at_hand, &around, ask)?
        }
    };
    Ok((gathered, needed))
}

/// `--skill a b` is written by who knows tools that take several names behind one flag: then `b`
/// stands where a source does, and may even be an entry of a marketplace.
///
/// # Errors
/// `Usage` for such a word.
fn check_sources_beside_names(options: &InstallOptions) -> Result<()> {
    let is_name = |source: &&String| Request::bare_name(source).is_some();
    let Some(first) = options.skills.first().filter(|_| options.marketplace.is_none()) else { return Ok(()) };
    if options.sources.iter().all(|source| is_name(&source)) {
        return Ok(());
    }
    match options.sources.iter().find(is_name) {
        Some(word) => {
            Err(error!(Usage, "`{word}` stands where a source does: is it a skill, as `{first}` is?")
                .hint(format!("for several skills of one source write `--skill {first},{word}`")))
        }
        None => Ok(()),
    }
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
    if let (true, Some(skill)) = (options.all, &request.skill) {
        let skill = printable(skill, false);
        return Err(error!(
            Usage,
            "`@{skill}` names one skill, and `--all` means every one: which is meant?"
        )
        .hint(format!("for that skill leave out `--all`, for all of them leave out `@{skill}`")));
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
        follow: None,
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

/// What the content of skills was when another tool wrote its lock file.
type Promised = BTreeMap<SkillName, IntegrityClaim>;

/// What a plan says beside its steps.
struct PlannedInstall {
    in_place: Vec<InPlace>,
    left_out: Vec<LeftOutSkill>,
    same_files: Vec<SkillName>,
}

fn carry_out(
    session: &Session<'_>,
    options: &InstallOptions,
    wanted: Vec<Wanted>,
    promised: &Promised,
) -> Result<(Report, PlannedInstall)> {
    if options.dry_run {
        let (plan, planned) = plan_install(session, wanted, &session.store.read()?, options, promised)?;
        return Ok((Report::of_plan(plan, &session.places, session.env.now)?, planned));
    }
    // Fetching may take long, so the lock is taken only now; the plan is made under it.
    let transaction = session.begin()?;
    let (plan, planned) = plan_install(session, wanted, transaction.registry(), options, promised)?;
    Ok((apply::apply(plan, transaction, session, "install")?, planned))
}

fn plan_install(
    session: &Session<'_>,
    mut wanted: Vec<Wanted>,
    registry: &Registry,
    options: &InstallOptions,
    promised: &Promised,
) -> Result<(Plan, PlannedInstall)> {
    keep_recorded_sources(&mut wanted, registry, &session.settings.hosts);
    for one in &mut wanted {
        // What somebody has disabled stays so.
        if let Some(entry) = registry.skills.get(&one.candidate.name) {
            one.enabled = entry.enabled || options.enable;
            if options.agents.is_empty() && !options.enable {
                one.targets.retain(|target| !entry.disabled_for.contains_key(&target.to_string()));
            }
        }
    }
    let lying = find_lying(session, &mut wanted, registry, options, promised)?;
    let (wanted, in_place) = overlap::leave_in_place(wanted, registry, &session.places);
    // Of "all" those that are in place are done.
    if let (true, false, Some(first)) = (wanted.is_empty(), options.all, in_place.first()) {
        return Err(error_of_own_source(first));
    }
    let places = |one: &Wanted| session.places.targets_in_use(one.targets.clone(), one.enabled);
    let targets: Vec<_> = wanted.iter().map(|one| (&one.candidate.name, places(one))).collect();
    let mut seen =
        session.places.inspect(targets.iter().map(|(name, targets)| (*name, &targets[..])), registry)?;
    for name in &lying {
        seen.entry(name.clone()).or_default().lies_as_wanted = true;
    }
    let (wanted, left_out) = match options.skip_existing {
        true => plan::leave_out_taken(wanted, registry, &seen)?,
        false => (wanted, Vec::new()),
    };
    let plan = plan::install(wanted, registry, &seen, options.force)?;
    let same_files = plan::names_with_same_files(&plan, &seen)?;
    Ok((plan, PlannedInstall { in_place, left_out, same_files }))
}

/// A skill that comes from the place of its record keeps the source as it is written there, though
/// the settings would have it written in another way now.
fn keep_recorded_sources(wanted: &mut [Wanted], registry: &Registry, hosts: &HostSettings) {
    for candidate in wanted.iter_mut().map(|one| &mut one.candidate) {
        let Some(entry) = registry.skills.get(&candidate.name) else { continue };
        let Ok(recorded) = Request::parse(&entry.source) else { continue };
        let resolved = candidate.resolved.as_ref();
        if is_same_place(&recorded.source, &resolved.source, hosts) {
            candidate.resolved = Arc::new(Resolved { source: recorded.source, ..resolved.clone() });
        }
    }
}

/// Which of the wanted skills lie there already, in the very places and with the very bytes: they
/// are recorded as they lie. What another tool's lock file names is wanted where that tool has put
/// it, however its folders and links lie.
fn find_lying(
    session: &Session<'_>,
    wanted: &mut [Wanted],
    registry: &Registry,
    options: &InstallOptions,
    promised: &Promised,
) -> Result<Vec<SkillName>> {
    let mut lying = Vec::new();
    if wanted.iter().all(|one| registry.skills.contains_key(&one.candidate.name)) {
        return Ok(lying);
    }
    let mut found = adopt::look_for_unmanaged(session)?;
    found.retain(|found| wanted.iter().any(|one| one.candidate.name.as_str() == found.name));
    let layouts = adopt::find_layouts(&found, &session.places);
    for one in wanted.iter_mut().filter(|one| !registry.skills.contains_key(&one.candidate.name)) {
        let name = one.candidate.name.clone();
        let Some(Ok(layout)) = layouts.get(name.as_str()) else { continue };
        if layout.mode == InstallMode::Live {
            continue;
        }
        if options.from.is_some() {
            let asked = std::mem::take(&mut one.targets).into_iter().filter(|_| !options.agents.is_empty());
            one.targets.clone_from(&layout.targets);
            one.targets.extend(asked.filter(|target| !layout.targets.contains(target)));
            one.mode = layout.mode;
        }
        let mut roots = (session.places.roots(&one.targets), session.places.roots(&layout.targets));
        roots.0.sort();
        roots.1.sort();
        if roots.0 != roots.1 || (roots.0.len() > 1 && one.mode != layout.mode) {
            continue;
        }
        let is_promised = || adopt::is_as_promised(layout, promised.get(&name));
        if adopt::is_the_same(&one.candidate, layout)? {
            lying.push(name);
        } else if options.from.is_some() && !options.force && is_promised() {
            session.warn(&format!(
                "{name}: its files are those of the lock file, and its source has changed since: it counts as edited; `ba-agent skill diff {name}` shows how"
            ));
            lying.push(name);
        } else {
            continue;
        }
        one.targets.clone_from(&layout.targets);
        one.enabled = true;
    }
    Ok(lying)
}

/// The error for a folder that is asked to be installed where it lies.
fn error_of_own_source(one: &InPlace) -> Error {
    error!(Conflict, "`{}` would be installed where it lies: `{}` is its own source", one.name, one.place)
        .hint(format!("to have it managed as it is: `ba-agent skill adopt {}`", one.place))
        .hint("for another agent add `--agent AGENT`")
}

impl From<Gathered> for ImportedSource {
    fn from(gathered: Gathered) -> Self {
        Self { gathered, integrity: None }
    }
}
