//! `skill context`: what an agent is told of its skills inside its budget, and what it is not.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::settle::open_session;
use crate::loader::{LoadedSkills, builtin_name, load_skills, read_manifest_of};
use crate::settings::SMALLEST_BUDGET;
use crate::usage_log::count_recent_uses;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::agents::{Agent, InstallTarget};
use ba_agent_core::context::{
    ActiveInstructions, ActiveText, AgentListing, ContextBudget, ContextEntry, FittedList, ListingFormat,
    ListingStatus, ShownAs, count_chars, estimate_tokens, fit_active, fit_for_agent, fit_listing,
    label_for_claude, rank_entries,
};
use ba_agent_core::error::{Kind, Result, error, fail, printable};
use ba_agent_core::loader::{LoadFinding, LoadedSkill, OmitReason, OmittedSkill, SkillConflict};
use ba_agent_core::skill::read_summary;
use jiff::Timestamp;

/// What is to be told.
#[derive(Debug, Clone, Default)]
pub struct ContextOptions {
    /// The agent whose own rules count.
    pub agent: Option<String>,
    /// What the user wants: skills that fit it keep their descriptions.
    pub query: Option<String>,
    /// Skills that are active.
    pub active: Vec<String>,
    /// Characters for everything, instead of the setting or the agent's own.
    pub budget: Option<usize>,
    /// `plain`, `xml`, `list` or `brackets`, instead of the setting.
    pub format: Option<String>,
}

/// The context of an agent. Its keys are those of the JSON document.
#[derive(Debug, Serialize)]
pub struct ContextReport {
    schema_version: &'static str,
    /// `project` or `user`.
    pub scope: &'static str,
    /// The agent whose rules were applied.
    pub agent: Option<&'static str>,
    /// `plain`, `xml`, `list`, `brackets`, or the agent's own.
    pub format: String,
    pub budget: ReportedBudget,
    pub used: UsedContext,
    pub status: ListingStatus,
    /// The list of skills; empty where there are none.
    pub text: String,
    pub skills: Vec<ContextSkill>,
    pub active: Vec<ActiveText>,
    pub omitted: Vec<OmittedSkill>,
    pub conflicts: Vec<SkillConflict>,
    pub findings: Vec<LoadFinding>,
}

/// How many characters go to what.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ReportedBudget {
    pub total_chars: usize,
    /// For the list of skills; `None` for an agent that has no limit.
    pub metadata: Option<usize>,
    pub active: usize,
    pub system: usize,
    pub buffer: usize,
}

/// Characters that are used.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct UsedContext {
    pub metadata: usize,
    pub active: usize,
    pub tokens_estimated: usize,
}

/// A skill that is listed.
#[derive(Debug, Serialize)]
pub struct ContextSkill {
    pub name: String,
    pub qualified: String,
    pub source: &'static str,
    pub path: String,
    pub version: Option<String>,
    pub digest: Option<String>,
    pub category: String,
    pub mode: bool,
    pub description: String,
    pub shown: String,
    pub shown_as: ShownAs,
    pub uses: u64,
    pub last_used: Option<Timestamp>,
}

impl ContextReport {
    /// How many skills are listed in full, shortened, and by name alone.
    pub fn count_by_form(&self) -> (usize, usize, usize) {
        let count = |form| self.skills.iter().filter(|skill| skill.shown_as == form).count();
        (count(ShownAs::Full), count(ShownAs::Shortened), count(ShownAs::Name))
    }

    /// What `--strict` fails with: a skill, or a whole description, had no room.
    pub fn failure(&self) -> Option<Kind> {
        (self.status >= ListingStatus::Names).then_some(Kind::Integrity)
    }
}

/// Works out what an agent is told.
///
/// # Errors
/// `Usage` for an agent, a format or a budget that cannot be used, and for too many active skills;
/// `NotFound` for an active skill that is not there; those of reading the skills.
pub fn describe_context(
    workspace: &Workspace,
    options: &ContextOptions,
    observer: &dyn Observer,
) -> Result<ContextReport> {
    let workspace = workspace.or_user_at_home();
    let session = open_session(&workspace, observer)?;
    let agent = options.agent.as_deref().map(parse_agent).transpose()?;
    let format = parse_format(options, &session)?;
    let budget = split_budget(options, &session)?;
    let mut loaded = load_skills(&session, agent)?;
    let mut entries = entries_of(&loaded, options, agent, &session);
    let aliases = (agent.is_some_and(|agent| agent.id == "codex"))
        .then(|| alias_locations(&mut entries, &loaded, session.scope.base()));
    let listing = match agent {
        None => {
            let least = session.settings.loader.context_budget.min_description_chars;
            fit_listing(&entries, format, budget.metadata, least)
        }
        Some(agent) => fit_for_agent(&entries, listing_of(agent, options, &session)),
    };
    let active = fit_active(&read_active(&loaded, options, &session)?, budget.active);
    let mut report = empty_report(&session, agent, budget, options);
    if agent.is_none() || options.format.is_some() {
        report.format = format.name().to_owned();
    }
    report.used = UsedContext {
        metadata: count_chars(&listing.text),
        active: active.iter().map(|one| one.chars).sum(),
        tokens_estimated: estimate_tokens(&listing.text)
            + active.iter().map(|one| estimate_tokens(&one.text)).sum::<usize>(),
    };
    report.active = active;
    report.add_skills(&loaded, &entries, &listing, &session);
    report.omitted.append(&mut loaded.omitted);
    report.omitted.sort_by(|a, b| (&a.name, a.reason).cmp(&(&b.name, b.reason)));
    (report.status, report.text) = (listing.status, listing.text);
    if let Some(aliases) = aliases.filter(|_| !report.text.is_empty()) {
        report.text = format!("{aliases}### Available skills\n{}", report.text);
    }
    (report.conflicts, report.findings) = (loaded.conflicts, loaded.findings);
    Ok(report)
}

/// How an agent lists its skills, with the variable that it reads itself.
fn listing_of(agent: &Agent, options: &ContextOptions, session: &Session<'_>) -> AgentListing {
    let variable = session.env.var("SLASH_COMMAND_TOOL_CHAR_BUDGET").and_then(|text| text.parse().ok());
    AgentListing::of_agent(agent.id, options.budget.or(variable.filter(|_| agent.id == "claude-code")))
}

fn empty_report(
    session: &Session<'_>,
    agent: Option<&'static Agent>,
    budget: ContextBudget,
    options: &ContextOptions,
) -> ContextReport {
    let listing = agent.map(|agent| listing_of(agent, options, session));
    let metadata = listing.map_or(Some(budget.metadata), AgentListing::limit);
    let ContextBudget { total_chars, active, system, buffer, .. } = budget;
    ContextReport {
        schema_version: "1.0",
        scope: session.scope.name(),
        agent: agent.map(|agent| agent.id),
        format: agent.map_or("plain", |agent| agent.id).to_owned(),
        budget: ReportedBudget { total_chars, metadata, active, system, buffer },
        used: UsedContext { metadata: 0, active: 0, tokens_estimated: 0 },
        status: ListingStatus::Full,
        text: String::new(),
        skills: Vec::new(),
        active: Vec::new(),
        omitted: Vec::new(),
        conflicts: Vec::new(),
        findings: Vec::new(),
    }
}

/// The agent of this id.
///
/// # Errors
/// `Usage` for one that is not known, and for a folder.
fn parse_agent(id: &str) -> Result<&'static Agent> {
    match InstallTarget::parse(id)? {
        InstallTarget::Agent(agent) => Ok(agent),
        InstallTarget::Folder(folder) => {
            Err(error!(Usage, "expected an agent, found the folder `{}`", printable(&folder, false))
                .hint("`ba-agent agents --all` lists the known agents"))
        }
    }
}

fn parse_format(options: &ContextOptions, session: &Session<'_>) -> Result<ListingFormat> {
    let name = options.format.as_deref().unwrap_or(&session.settings.loader.format);
    ListingFormat::of_name(name).ok_or_else(|| {
        let known: Vec<&str> = ListingFormat::ALL.iter().map(|(name, _)| *name).collect();
        error!(Usage, "expected one of {}, found `{}`", known.join(", "), printable(name, false))
    })
}

fn split_budget(options: &ContextOptions, session: &Session<'_>) -> Result<ContextBudget> {
    let settings = &session.settings.loader.context_budget;
    let total = options.budget.unwrap_or(settings.total_chars);
    if total < SMALLEST_BUDGET {
        return Err(error!(
            Usage,
            "a budget of {total} characters is too small: expected {SMALLEST_BUDGET} or more"
        )
        .hint("the default is 15000; `ba-agent config set loader.context_budget.total_chars N` changes it"));
    }
    if options.active.len() > settings.max_active {
        fail!(
            Usage,
            "expected {} active skills at most, found {}",
            settings.max_active,
            options.active.len()
        );
    }
    Ok(ContextBudget::split(
        total,
        settings.metadata_ratio,
        settings.active_content_ratio,
        settings.buffer_ratio,
    ))
}

/// What is listed of each skill.
fn entries_of(
    loaded: &LoadedSkills,
    options: &ContextOptions,
    agent: Option<&'static Agent>,
    session: &Session<'_>,
) -> Vec<ContextEntry> {
    let used = count_recent_uses(session);
    let entry = |skill: &LoadedSkill| {
        let use_of = used.get(&skill.qualified).or_else(|| used.get(&skill.name));
        ContextEntry {
            name: printable(listed_name(skill, agent), false),
            description: printable(&listed_description(skill, agent, loaded), true),
            location: printable(&skill.manifest.to_string_lossy(), false),
            mode: skill.facts.mode && agent.is_none(),
            uses: use_of.map_or(0, |one| one.uses),
            last_used: use_of.and_then(|one| one.last),
            relevance: 0.0,
        }
    };
    let mut entries: Vec<ContextEntry> = loaded.listed.iter().map(entry).collect();
    if agent.is_some_and(|agent| agent.id == "claude-code") {
        label_entries(&mut entries, loaded);
    }
    if let Some(query) = &options.query {
        for (entry, score) in rank_entries(&entries, query).into_iter().enumerate() {
            entries.get_mut(entry).into_iter().for_each(|entry| entry.relevance = score);
        }
    }
    entries
}

/// Writes the locations as Codex does, from the top of their skills folders, which get short
/// names; gives the table of these.
fn alias_locations(entries: &mut [ContextEntry], loaded: &LoadedSkills, base: &Path) -> String {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    // It reads those of its settings first, then what the repository has from its top down.
    let is_shared = |folder: &Path| folder.starts_with(base) && folder.ends_with(".agents/skills");
    let (shared, own): (Vec<&PathBuf>, Vec<&PathBuf>) = loaded.folders.iter().partition(|one| is_shared(one));
    let roots: Vec<PathBuf> = own.into_iter().chain(shared.into_iter().rev()).map(|one| real(one)).collect();
    let manifests: Vec<PathBuf> = loaded.listed.iter().map(|skill| real(&skill.manifest)).collect();
    let is_used =
        |root: &&PathBuf| manifests.iter().any(|manifest| nearest_root(manifest, &roots) == Some(*root));
    let used: Vec<&PathBuf> = roots.iter().filter(is_used).collect();
    for (entry, manifest) in entries.iter_mut().zip(&manifests) {
        let alias = nearest_root(manifest, &roots).and_then(|root| {
            let at = used.iter().position(|used| *used == root)?;
            Some(format!("r{at}/{}", manifest.strip_prefix(root).ok()?.display()))
        });
        let location = alias.unwrap_or_else(|| manifest.display().to_string());
        entry.location = printable(&location, false);
    }
    let line = |(at, root): (usize, &&PathBuf)| {
        format!("- `r{at}` = `{}`\n", printable(&root.to_string_lossy(), false))
    };
    format!("### Skill roots\n{}", used.iter().enumerate().map(line).collect::<String>())
}

/// The deepest of the folders that a file lies in.
fn nearest_root<'r>(file: &Path, roots: &'r [PathBuf]) -> Option<&'r PathBuf> {
    roots.iter().filter(|root| file.starts_with(root)).max_by_key(|root| root.components().count())
}

/// The name that the model says: for agents the one that they have, which several may share.
fn listed_name<'s>(skill: &'s LoadedSkill, agent: Option<&'static Agent>) -> &'s str {
    match agent {
        Some(_) if skill.plugin.is_none() => &skill.name,
        _ => &skill.qualified,
    }
}

/// Names skills as Claude Code does, but for those that its settings want by name alone.
fn label_entries(entries: &mut [ContextEntry], loaded: &LoadedSkills) {
    let names = |skill: &LoadedSkill| (listed_name(skill, None).to_owned(), skill.facts.name.clone());
    let names: Vec<(String, Option<String>)> = loaded.listed.iter().map(names).collect();
    let names: Vec<(&str, Option<&str>)> =
        names.iter().map(|(name, own)| (name.as_str(), own.as_deref())).collect();
    for ((entry, label), skill) in entries.iter_mut().zip(label_for_claude(&names)).zip(&loaded.listed) {
        if loaded.name_only(skill).is_none() {
            entry.name = printable(&label, false);
        }
    }
}

/// What the model is told that a skill does. When to use it is a key of Claude Code's.
fn listed_description(skill: &LoadedSkill, agent: Option<&'static Agent>, loaded: &LoadedSkills) -> String {
    if loaded.name_only(skill).is_some() {
        return String::new();
    }
    let reads_when = agent.is_none_or(|agent| agent.id == "claude-code");
    match skill.facts.when_to_use.as_ref().filter(|_| reads_when) {
        Some(when) if skill.facts.description.is_empty() => when.clone(),
        Some(when) => format!("{} - {when}", skill.facts.description),
        None => skill.facts.description.clone(),
    }
}

/// The instructions of the skills that are active.
///
/// # Errors
/// `NotFound` for one that is not there; those of reading it.
fn read_active(
    loaded: &LoadedSkills,
    options: &ContextOptions,
    session: &Session<'_>,
) -> Result<Vec<ActiveInstructions>> {
    let mut seen: Vec<&str> = Vec::new();
    let mut active = Vec::new();
    for name in &options.active {
        let skill = loaded.find_skill(name)?;
        if seen.contains(&skill.qualified.as_str()) {
            continue;
        }
        seen.push(&skill.qualified);
        let bytes = read_manifest_of(skill, session)?;
        let read = read_summary(None, &bytes, &session.settings.limits);
        let text = String::from_utf8_lossy(&bytes);
        let body =
            text.split_inclusive('\n').skip(read.body_starts_line.saturating_sub(1)).collect::<String>();
        active.push(ActiveInstructions {
            name: printable(&skill.qualified, false),
            body: printable(&body, true),
            location: printable(&skill.manifest.to_string_lossy(), false),
        });
    }
    Ok(active)
}

impl ContextReport {
    /// What is listed, and what had no room.
    fn add_skills(
        &mut self,
        loaded: &LoadedSkills,
        entries: &[ContextEntry],
        listing: &FittedList,
        session: &Session<'_>,
    ) {
        for one in &listing.skills {
            let (Some(skill), Some(entry)) = (loaded.listed.get(one.entry), entries.get(one.entry)) else {
                continue;
            };
            self.skills.push(ContextSkill {
                name: printable(&skill.name, false),
                qualified: printable(&skill.qualified, false),
                source: skill.origin.name(),
                path: shown_path(skill, session),
                version: skill.facts.version.as_deref().map(|version| printable(version, false)),
                digest: skill.digest.as_ref().map(ToString::to_string),
                category: printable(skill.facts.category.as_deref().unwrap_or("default"), false),
                mode: skill.facts.mode,
                description: entry.description.clone(),
                shown: one.shown.clone(),
                shown_as: one.shown_as,
                uses: entry.uses,
                last_used: entry.last_used,
            });
        }
        let room = self.budget.metadata.unwrap_or_default();
        for skill in listing.dropped.iter().filter_map(|at| loaded.listed.get(*at)) {
            self.omitted.push(OmittedSkill {
                name: printable(&skill.qualified, false),
                reason: OmitReason::Budget,
                detail: format!("there is no room for its name in {room} characters"),
                skill: None,
            });
        }
    }
}

/// The manifest as a person names it: from the base of the scope, else whole.
fn shown_path(skill: &LoadedSkill, session: &Session<'_>) -> String {
    let base = session.scope.base();
    let path = match builtin_name(skill) {
        Some(_) => &skill.manifest,
        None => skill.manifest.strip_prefix(base).unwrap_or(&skill.manifest),
    };
    printable(&path.to_string_lossy(), false)
}
