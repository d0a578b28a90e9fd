//! World: the skills that an agent has here, with what each says of itself. Every source is looked
//! through; what cannot be read is named and stops nothing else.

mod lookup;
mod plugins;
mod ready;
mod scan;
mod sources;
mod switches;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::registry_facts::RecordedSkills;
use crate::workspace::Session;
use ba_agent_core::agents::Agent;
use ba_agent_core::diff::line_similarity;
use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_core::interop::locale_compare;
use ba_agent_core::loader::{
    AgentRules, LoadFinding, LoadedSkill, NameRule, NamedBy, OmitReason, OmittedSkill, SkillConflict,
    SkillFacts, SkillOrigin, SkillSwitch, SkillSwitches, settle_names,
};
use ba_agent_core::skill::{MANIFEST, read_summary};
use ba_agent_core::text::find_nearest;
use ba_agent_system::fsx;

pub(crate) use lookup::{find_loaded_skill, look_up_skills};
pub(crate) use ready::Machine;
use scan::{FoundSkills, scan_source};
use sources::find_sources;
use switches::read_switches;

/// What an agent has here.
#[derive(Debug, Default)]
pub(crate) struct LoadedSkills {
    /// What the model is offered: by name, or in the order of the agent.
    pub(crate) listed: Vec<LoadedSkill>,
    /// What it is not, and why.
    pub(crate) omitted: Vec<OmittedSkill>,
    pub(crate) conflicts: Vec<SkillConflict>,
    pub(crate) findings: Vec<LoadFinding>,
    /// The folders that were looked through, in the order of the agent.
    pub(crate) folders: Vec<PathBuf>,
    /// What the registries say of them.
    pub(crate) recorded: RecordedSkills,
    /// What the agent's own settings say of single skills.
    switches: SkillSwitches,
}

/// Looks through every source; with an agent through those that it reads, in its own order.
///
/// # Errors
/// `Interrupted` where somebody stops it. A source or a skill that cannot be read is a finding.
pub(crate) fn load_skills(session: &Session<'_>, agent: Option<&'static Agent>) -> Result<LoadedSkills> {
    let mut loaded = LoadedSkills::default();
    let mut found = FoundSkills::default();
    for source in find_sources(session, agent) {
        scan_source(&source, named_by(agent), session, &mut found, &mut loaded)?;
        loaded.folders.push(source.root);
    }
    let mut found = found.skills;
    if agent.is_none() {
        found.extend(builtin_skills(session, |_| true));
    }
    loaded.recorded = RecordedSkills::read(session);
    settle_skills(session, agent, found, &mut loaded);
    Ok(loaded)
}

fn named_by(agent: Option<&'static Agent>) -> NamedBy {
    agent.map_or(NamedBy::Folder, |agent| AgentRules::of(agent).named_by)
}

/// Which of the skills that were found count, and which of these the model is offered.
fn settle_skills(
    session: &Session<'_>,
    agent: Option<&'static Agent>,
    found: Vec<LoadedSkill>,
    loaded: &mut LoadedSkills,
) {
    let rules = agent.map(AgentRules::of);
    loaded.switches = read_switches(session, agent);
    let mut found = leave_out_closed(found, loaded);
    // Those that cannot do without another, by their folders.
    let mut needing: Vec<(PathBuf, Vec<String>)> = Vec::new();
    for skill in &mut found {
        let Some(facts) = loaded.recorded.of_folder(&skill.folder) else { continue };
        skill.digest = Some(facts.digest());
        if facts.category.is_some() {
            skill.facts.category.clone_from(&facts.category);
        }
        let needs = facts.needs.iter().filter(|need| need.is_declared).map(|need| need.name.clone());
        let needs: Vec<String> = needs.collect();
        if !needs.is_empty() && agent.is_none() {
            needing.push((skill.folder.clone(), needs));
        }
    }
    let missing = missing_needs(needing, &found);
    loaded.omitted.extend(loaded.recorded.disabled().map(disabled_skill));
    if agent.is_some() {
        let disabled = loaded.recorded.disabled_in(&loaded.folders);
        loaded.omitted.extend(disabled.map(|(name, target)| skill_disabled_for(name, target)));
    }
    let override_threshold = session.settings.loader.project_skill_override_threshold;
    let rule = rules.map_or(NameRule::Priority { override_threshold }, |rules| rules.names);
    let largest = session.settings.limits.manifest;
    let mut settled = settle_names(found, rule, |one, other| similarity(one, other, largest));
    loaded.conflicts.append(&mut settled.conflicts);
    loaded.omitted.append(&mut settled.omitted);
    let mut machine = Machine::new(&session.env);
    let mut reasons = Vec::new();
    let mut listed = settled.listed;
    let left_out = listed.extract_if(.., |skill| {
        let missing = || missing.iter().find(|(folder, _)| *folder == skill.folder);
        let missing = || missing().map(|(_, name)| reason_of_missing(name));
        let switches = &loaded.switches;
        let switched = || switches.reason_to_omit(skill, || fsx::real_path(&skill.manifest));
        let reason = reason_to_omit(skill, rules.as_ref(), &mut machine).or_else(switched).or_else(missing);
        let is_out = reason.is_some();
        reasons.extend(reason);
        is_out
    });
    let left_out: Vec<LoadedSkill> = left_out.collect();
    loaded.omitted.extend(left_out.into_iter().zip(reasons).map(|(skill, (reason, detail))| OmittedSkill {
        name: skill.qualified.clone(),
        reason,
        detail,
        skill: Some(Box::new(skill)),
    }));
    loaded.listed = listed;
    order_skills(&mut loaded.listed, agent);
    add_caution(loaded, rules.as_ref(), agent);
    note_name_only(loaded);
}

/// Without the skills of an origin that the agent does not look at.
fn leave_out_closed(found: Vec<LoadedSkill>, loaded: &mut LoadedSkills) -> Vec<LoadedSkill> {
    let (closed, open): (Vec<LoadedSkill>, Vec<LoadedSkill>) =
        found.into_iter().partition(|skill| loaded.switches.find_closed_origin(skill.origin).is_some());
    for skill in closed {
        let said_by = loaded.switches.find_closed_origin(skill.origin).unwrap_or_default();
        let detail = format!("{said_by} switches it off");
        loaded.omitted.push(OmittedSkill {
            name: skill.qualified.clone(),
            reason: OmitReason::Disabled,
            detail,
            skill: Some(Box::new(skill)),
        });
    }
    open
}

/// Of the folders that need others by name, those whose need is not among what was found, with
/// the name of the first.
fn missing_needs(needing: Vec<(PathBuf, Vec<String>)>, found: &[LoadedSkill]) -> Vec<(PathBuf, String)> {
    if needing.is_empty() {
        return Vec::new();
    }
    let present: HashSet<&str> = found.iter().map(|skill| skill.name.as_str()).collect();
    let missing = needing.into_iter().filter_map(|(folder, needs)| {
        Some((folder, needs.into_iter().find(|name| !present.contains(name.as_str()))?))
    });
    missing.collect()
}

/// Why a skill cannot work whose files name another one that is not there. A link alone is no
/// reason: its instructions may do without.
fn reason_of_missing(name: &str) -> (OmitReason, String) {
    let name = printable(name, false);
    (OmitReason::Dependency, format!("it needs the skill `{name}`, which is not here"))
}

fn skill_disabled_for(name: &str, target: &str) -> OmittedSkill {
    let target = printable(target, false);
    OmittedSkill {
        detail: format!(
            "it is disabled for {target}; `ba-agent skill enable {name} --agent {target}` puts it back"
        ),
        ..disabled_skill(name)
    }
}

fn disabled_skill(name: &str) -> OmittedSkill {
    OmittedSkill {
        name: name.to_owned(),
        reason: OmitReason::Disabled,
        detail: format!("it is disabled; `ba-agent skill enable {name}` puts it back"),
        skill: None,
    }
}

/// The folders whose skills are watched for changes, and how deep each is looked through.
pub(crate) fn find_watched_folders(
    session: &Session<'_>,
    agent: Option<&'static Agent>,
) -> Vec<(PathBuf, usize)> {
    let watched = find_sources(session, agent).into_iter().filter(|source| source.watched);
    watched.map(|source| (source.root, source.depth)).collect()
}

/// Why a skill is not offered to the model, where it is not.
fn reason_to_omit(
    skill: &LoadedSkill,
    rules: Option<&AgentRules>,
    machine: &mut Machine<'_>,
) -> Option<(OmitReason, String)> {
    if skill.facts.disable_model_invocation && rules.is_none_or(|rules| rules.hides_by_flag) {
        let detail = "`disable-model-invocation: true`: only a person starts it";
        return Some((OmitReason::ModelInvocation, detail.to_owned()));
    }
    if rules.is_some_and(|rules| rules.hides_by_policy) && forbids_implicit_use(&skill.folder) {
        let detail = "`allow_implicit_invocation: false` in `agents/openai.yaml`: only a person starts it";
        return Some((OmitReason::ModelInvocation, detail.to_owned()));
    }
    if rules.is_none_or(|rules| rules.checks_machine) {
        let unmet = machine.find_unmet(&skill.facts.requires);
        if !unmet.is_empty() {
            return Some((OmitReason::Requires, unmet.join("; ")));
        }
    }
    None
}

/// By name, but for an agent that has another order.
fn order_skills(skills: &mut [LoadedSkill], agent: Option<&'static Agent>) {
    match agent.map(|agent| agent.id) {
        None => skills.sort_by(|a, b| a.qualified.cmp(&b.qualified)),
        // Those that it brings itself, the project's, then the user's.
        Some("codex") => skills.sort_by(|a, b| {
            let rank = |skill: &LoadedSkill| match skill.origin {
                _ if skill.folder.iter().any(|part| part == ".system") => 0,
                SkillOrigin::Project => 2,
                _ => 3,
            };
            // Paths as texts: `a-b/x` before `a/x`.
            let path = |skill: &LoadedSkill| skill.manifest.as_os_str().to_os_string();
            (rank(a), &a.name).cmp(&(rank(b), &b.name)).then_with(|| path(a).cmp(&path(b)))
        }),
        Some("claude-code") => skills.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("opencode") => skills.sort_by(|a, b| locale_compare(&a.name, &b.name)),
        Some(_) => {}
    }
}

/// What somebody should know who relies on the list of an agent.
fn add_caution(loaded: &mut LoadedSkills, rules: Option<&AgentRules>, agent: Option<&'static Agent>) {
    let Some((caution, agent)) = rules.and_then(|rules| rules.caution).zip(agent) else { return };
    if agent.id != "opencode" || !loaded.conflicts.is_empty() {
        loaded.findings.push(LoadFinding { path: agent.id.to_owned(), message: caution.to_owned() });
    }
}

/// Says which skills are listed by name alone because the settings say so.
fn note_name_only(loaded: &mut LoadedSkills) {
    let named = loaded.listed.iter().filter_map(|skill| {
        let said_by = loaded.name_only(skill)?;
        let message = format!("{said_by} lists it by name alone");
        Some(LoadFinding { path: printable(&skill.manifest.to_string_lossy(), false), message })
    });
    let mut named: Vec<LoadFinding> = named.collect();
    loaded.findings.append(&mut named);
}

/// What Codex reads beside a manifest.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct OpenaiFile {
    policy: OpenaiPolicy,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct OpenaiPolicy {
    allow_implicit_invocation: Option<bool>,
}

/// True where `agents/openai.yaml` of a skill says so; one that cannot be read says nothing, as
/// Codex has it.
fn forbids_implicit_use(folder: &Path) -> bool {
    let bytes = fsx::read_plain_file(&folder.join("agents/openai.yaml"), 1 << 20).ok().flatten();
    let file = bytes.and_then(|bytes| serde_yaml::from_slice::<OpenaiFile>(&bytes).ok()).unwrap_or_default();
    file.policy.allow_implicit_invocation == Some(false)
}

/// The share of equal lines of two manifests; none where one cannot be read.
fn similarity(one: &LoadedSkill, other: &LoadedSkill, largest: u64) -> f64 {
    let read = |skill: &LoadedSkill| {
        let bytes = fsx::read_plain_file(&skill.manifest, largest).ok().flatten()?;
        String::from_utf8(bytes).ok()
    };
    match (read(one), read(other)) {
        (Some(one), Some(other)) => line_similarity(&one, &other),
        _ => 0.0,
    }
}

/// The skills that the program carries, of those whose names are wanted.
fn builtin_skills(session: &Session<'_>, is_wanted: impl Fn(&str) -> bool) -> Vec<LoadedSkill> {
    let limits = &session.settings.limits;
    let skill = |builtin: &crate::builtin::BuiltinSkill| {
        let (_, bytes) = builtin.files.iter().find(|(path, _)| *path == MANIFEST)?;
        let front = read_summary(Some(builtin.name), bytes, limits).frontmatter?;
        let folder = PathBuf::from(format!("builtin:{}", builtin.name));
        Some(LoadedSkill {
            name: builtin.name.to_owned(),
            qualified: builtin.name.to_owned(),
            origin: SkillOrigin::Builtin,
            priority: SkillOrigin::Builtin.default_priority(),
            plugin: None,
            manifest: folder.join(MANIFEST),
            folder,
            facts: SkillFacts::of(&front),
            digest: None,
            fallback: false,
            stamp: 0,
        })
    };
    session.builtin.all.iter().filter(|builtin| is_wanted(builtin.name)).filter_map(skill).collect()
}

/// Where the program's own skill of this name stands, if the folder is one.
pub(crate) fn builtin_name(skill: &LoadedSkill) -> Option<&str> {
    skill.folder.to_str()?.strip_prefix("builtin:")
}

/// The bytes of a skill's manifest.
///
/// # Errors
/// `NotFound` where it is gone meanwhile; those of [`fsx::read_plain_file`].
pub(crate) fn read_manifest_of(skill: &LoadedSkill, session: &Session<'_>) -> Result<Vec<u8>> {
    let gone = || {
        error!(NotFound, "`{}` is not there any more", printable(&skill.manifest.to_string_lossy(), false))
    };
    if let Some(name) = builtin_name(skill) {
        let files = session.builtin.all.iter().find(|one| one.name == name).map(|one| one.files);
        let bytes = files.and_then(|files| files.iter().find(|(path, _)| *path == MANIFEST));
        return bytes.map(|(_, bytes)| bytes.to_vec()).ok_or_else(gone);
    }
    fsx::read_plain_file(&skill.manifest, session.settings.limits.manifest)?.ok_or_else(gone)
}

impl LoadedSkills {
    /// Where the settings of the agent say that this skill is listed by name alone.
    pub(crate) fn name_only(&self, skill: &LoadedSkill) -> Option<&str> {
        let found = self.switches.find(skill, || fsx::real_path(&skill.manifest));
        found.filter(|(switch, _)| *switch == SkillSwitch::NameOnly).map(|(_, said_by)| said_by)
    }

    /// Every skill that can be read, also those that the model is not offered.
    pub(crate) fn all(&self) -> impl Iterator<Item = &LoadedSkill> {
        self.listed.iter().chain(self.omitted.iter().filter_map(|one| one.skill.as_deref()))
    }

    /// The skill of this name: as it is listed, or as `user:NAME`, `project:NAME`,
    /// `plugin:NAME`. Also one that only a person may start.
    ///
    /// # Errors
    /// `NotFound` for a name that there is none of, with the nearest, and for one that several
    /// have, with what to write instead.
    pub(crate) fn find_skill(&self, name: &str) -> Result<&LoadedSkill> {
        let name = name.trim();
        if let Some(found) = self.all().find(|skill| skill.qualified == name) {
            return Ok(found);
        }
        if let Some((origin, rest)) = name.split_once(':')
            && let Some(found) = self.all().find(|skill| skill.origin.name() == origin && skill.name == rest)
        {
            return Ok(found);
        }
        let of_name: Vec<&LoadedSkill> = self.all().filter(|skill| skill.name == name).collect();
        match of_name[..] {
            [] => Err(self.unknown_skill(name)),
            [one] => Ok(one),
            _ => {
                let names: Vec<String> =
                    of_name.iter().map(|skill| format!("`{}`", skill.qualified)).collect();
                let shown = printable(name, false);
                Err(error!(NotFound, "`{shown}` is ambiguous: {} skills have this name", of_name.len())
                    .hint(format!("write {}", names.join(" or "))))
            }
        }
    }

    fn unknown_skill(&self, name: &str) -> Error {
        let shown = printable(name, false);
        if let Some(out) = self.omitted.iter().find(|one| one.name == name) {
            let error =
                error!(NotFound, "the skill `{shown}` cannot be used: {}", printable(&out.detail, false));
            return match out.reason {
                OmitReason::Disabled => error.hint(format!("`ba-agent skill enable {shown}` puts it back")),
                _ => error.hint("`ba-agent skill context` says what is left out, and why"),
            };
        }
        let error = error!(NotFound, "there is no skill `{shown}` here");
        let near = find_nearest(name, self.all().map(|skill| skill.qualified.as_str()));
        let error = match near {
            Some(near) => error.hint(format!("did you mean `{}`?", printable(near, false))),
            None => error,
        };
        error.hint("`ba-agent skill context` lists those that there are")
    }
}

#[cfg(test)]
mod tests;
