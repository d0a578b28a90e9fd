//! `skill use`: another version of a skill comes into its targets, and the one that was there is kept.

use semver::VersionReq;
use serde::Serialize;

use super::apply::{self, Done, Report};
use super::installed::find_one_installed;
use super::plan::{Action, Content, Plan, Step, error_of_edited_skill, user_edits_of_skill};
use super::settle::open_session;
use super::supply::{Supply, try_until_settled};
use crate::install_state::DriftKind;
use crate::kept_versions;
use crate::skill_graph::recorded_version;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Result, error};
use ba_agent_core::registry::{InstallMode, LATEST_VERSION, LockEntry, Registry};
use ba_agent_core::skill::SkillName;

/// Which version of which skill is used.
#[derive(Debug, Default)]
pub struct UseOptions {
    /// The skill as a person names it.
    pub name: String,
    /// A label that `versions` lists, or `latest`.
    pub version: String,
    /// Give up edits; a copy is kept for `rollback`.
    pub force: bool,
}

/// What is used now.
#[derive(Debug, Serialize)]
pub struct UseReport {
    /// The version that is in the targets now.
    pub version: String,
    /// The one that was there; the same where nothing had to be done.
    pub previous: String,
    pub skills: Vec<Done>,
}

/// Puts a kept version of a skill into its targets, and holds it there: `update` leaves it alone
/// until `latest` is used, or it is unpinned.
///
/// # Errors
/// `NotFound` for a skill that is not installed, a version that is not kept, and offline for files
/// that are not on this machine; `Conflict` for edits (unless forced), and where another skill needs
/// other versions; `Usage` for a live link; those of [`apply::apply`].
pub fn use_version(
    workspace: &Workspace,
    options: &UseOptions,
    observer: &dyn Observer,
) -> Result<UseReport> {
    let session = open_session(workspace, observer)?;
    let world = session.world();
    let supply = Supply::new(&world, kept_versions::caches(&session).to_vec());
    let mut labels = (String::new(), String::new());
    let report = try_until_settled(&supply, || attempt(&session, options, &supply, &mut labels))?;
    let (version, previous) = labels;
    Ok(UseReport { version, previous, skills: report.skills })
}

/// Plans and does it; `None` where another command changed something between. Nobody waits for a
/// host while the lock is held.
fn attempt(
    session: &Session<'_>,
    options: &UseOptions,
    supply: &Supply<'_>,
    labels: &mut (String, String),
) -> Result<Option<Report>> {
    let registry = session.store.read()?;
    let name = find_one_installed(&options.name, &registry, &session.places)?;
    let before = &registry.skills[&name];
    if before.mode == InstallMode::Live {
        return Err(error!(Usage, "`{name}` is a live link, which has no versions")
            .cause(format!("it is whatever `{}` holds", before.source))
            .hint(format!(
                "to have versions, install it as a copy: `ba-agent skill install {}`",
                before.source
            )));
    }
    let label = kept_versions::find_label(&name, before, &options.version)?;
    let mut after = before.with_version(&label).unwrap_or_else(|| before.clone());
    after.pinned = options.version.trim() != LATEST_VERSION;
    check_ranges(&name, &after, &registry)?;
    *labels = (label, before.version_label());
    let is_there = after.digest == before.digest;
    if !is_there {
        supply.prepare(&[(&name, &after)])?;
    }
    let transaction = session.begin()?;
    if *transaction.registry() != registry || (!is_there && supply.lacks_any_recorded(&[(&name, &after)])) {
        return Ok(None);
    }
    let step = match is_there {
        true => step_of_record(&name, before, after),
        false => {
            kept_versions::keep_tree(session, &name, before);
            step_of_files(&name, before, after, &registry, session, supply, options.force)?
        }
    };
    apply::apply(Plan { steps: vec![step] }, transaction, session, "use").map(Some)
}

fn step_of_record(name: &SkillName, before: &LockEntry, after: LockEntry) -> Step {
    let content = Some(Content::Noted(Box::new(after)));
    let before = Some(before.clone());
    Step { name: name.clone(), action: Action::Keep, content, before, gives_up_edits: false }
}

fn step_of_files(
    name: &SkillName,
    before: &LockEntry,
    after: LockEntry,
    registry: &Registry,
    session: &Session<'_>,
    supply: &Supply<'_>,
    force: bool,
) -> Result<Step> {
    let drift = user_edits_of_skill(before, &session.inspect_one(name, registry)?);
    let lost = drift.iter().any(|one| one.change != DriftKind::Missing);
    if lost && !force {
        return Err(error_of_edited_skill(name, &drift, "use"));
    }
    let recorded = supply.recorded(name, &after, &after.digest)?;
    Ok(Step {
        name: name.clone(),
        action: Action::Replace,
        content: Some(Content::Recorded(Box::new(recorded))),
        before: Some(before.clone()),
        gives_up_edits: lost,
    })
}

/// What other skills need of this one has to stay true.
///
/// # Errors
/// `Conflict` where a range that an enabled skill asks for excludes the version.
fn check_ranges(name: &SkillName, after: &LockEntry, registry: &Registry) -> Result<()> {
    let Some(version) = recorded_version(after) else { return Ok(()) };
    let own = after.alias_of.as_deref().unwrap_or(name.as_str());
    for (other, entry) in registry.skills.iter().filter(|(other, entry)| *other != name && entry.enabled) {
        let wants = entry.dependencies.iter().filter(|one| !one.optional);
        for want in wants.filter(|one| one.name == name.as_str() || one.name == own) {
            let Some(range) = want.range.as_deref() else { continue };
            if range.parse::<VersionReq>().is_ok_and(|range| !range.matches(&version)) {
                return Err(error!(Conflict, "`{other}` needs another version of `{name}` than {version}")
                    .cause(format!("it needs {range} ({})", want.at))
                    .hint(format!("`ba-agent skill disable {other}`, then use that version"))
                    .hint("for one activation alone name the version there: `activate --version`"));
            }
        }
    }
    Ok(())
}
