//! `ba-agent skill install SOURCE…`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::agent_names;
use crate::ui::LISTED_ALONE;
use ba_agent_core::agents::split_agent_names;
use ba_agent_core::error::Result;
use ba_agent_core::registry::InstallMode;
use ba_agent_core::skill::SkillName;
use ba_agent_core::text::{count_noun, list_some};
use ba_agent_engine::ops;
use ba_agent_engine::ops::apply::Done;
use ba_agent_engine::ops::ask::LISTED;
use ba_agent_engine::ops::install::InstallOptions;
use ba_agent_engine::ops::plan::Action;
use ba_agent_engine::ops::restore::RestoreOptions;

/// Install skills from a source, or restore those in the registry.
#[derive(Debug, Args)]
#[command(
    long_about = "Install skills from a source, or restore those in the registry.\n\n\
        SOURCE is github:owner/repo (or owner/repo), gitlab:group/repo, bitbucket:o/r, any git URL, \
        a URL from a browser, ./folder, ./archive.zip, https://…/archive.tar.gz, https://host/.well-known/skills/NAME, \
        builtin:NAME or NAME@MARKETPLACE (ENTRY:SKILL@MARKETPLACE, of any other name \"NAME\"@MARKETPLACE). \
        A repository may be followed by #REF (a branch, tag, sha or range such as ^1.2) and @SKILL.",
    after_help = "Examples:\n  \
        ba-agent skill install anthropics/skills --skill pdf,docx\n  \
        ba-agent skill install anthropics/skills@pdf\n  \
        ba-agent skill install github:owner/repo/path/in/repo#v1.2.0\n  \
        ba-agent skill install https://github.com/owner/repo/tree/main/skills/pdf\n  \
        ba-agent skill install ./my-skills.zip --all --agent cursor,claude-code\n  \
        ba-agent skill install owner/repo --skill pdf --sha <40 hex> --yes\n  \
        ba-agent skill install owner/repo@pdf --no-deps\n  \
        ba-agent skill install --frozen"
)]
pub(crate) struct Install {
    /// Where the skills come from.
    ///
    /// Without one, the skills that the registry records are restored.
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// Install the skills of another tool's lock file: skills-lock.json, .skill-lock.json,
    /// apm.lock.yaml, or installed_plugins.json of Claude Code.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sources", "frozen", "skills", "all", "reference", "sha", "alias"], value_hint = clap::ValueHint::FilePath)]
    from: Option<PathBuf>,
    /// For CI: verify every byte, never write the registry, fail on any difference.
    #[arg(long, conflicts_with = "sources")]
    frozen: bool,
    /// Install only the skills of these names: `a,b`, a pattern such as `'react-*'` (repeatable).
    #[arg(long = "skill", short = 's', value_name = "NAME", value_delimiter = ',')]
    skills: Vec<String>,
    /// The marketplace that has it; SOURCE is then a name.
    #[arg(long = "source", value_name = "MARKETPLACE")]
    marketplace: Option<String>,
    /// Every valid skill of the source.
    #[arg(long, conflicts_with = "skills")]
    all: bool,
    /// Branch, tag, sha or version range.
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// Exactly this commit; the skill is pinned to it.
    #[arg(long, value_name = "SHA", conflicts_with = "reference")]
    sha: Option<String>,
    /// The folder of the source to search.
    #[arg(long, value_name = "PATH", alias = "path")]
    subdirectory: Option<String>,
    /// Install under this name.
    #[arg(long = "as", value_name = "NAME")]
    alias: Option<String>,
    /// The sha256 that an archive must have, or the digest of a skill that a host serves.
    #[arg(long, value_name = "sha256:HEX")]
    integrity: Option<String>,
    /// Agents, or a folder, that receive the skill (repeatable; `cursor,codex`).
    #[arg(long = "agent", short = 'a', value_name = "NAME", add = ArgValueCandidates::new(agent_names))]
    agents: Vec<String>,
    /// Give every target a copy of its own instead of a link to the first.
    #[arg(long, conflicts_with = "link")]
    copy: bool,
    /// Link to a local folder instead of copying it, for authors.
    #[arg(long)]
    link: bool,
    /// Replace edited skills and whatever is in the way.
    #[arg(long, short)]
    force: bool,
    /// Leave out every skill whose name something else has, instead of stopping, and name it.
    #[arg(long, conflicts_with_all = ["from", "frozen"])]
    skip_existing: bool,
    /// Also give agents what is disabled: by you, or because it is `professional` and `--all` brought it.
    #[arg(long, conflicts_with = "frozen")]
    enable: bool,
    /// Keep the version that is replaced: `skill versions` lists it, `skill use` brings it back.
    #[arg(long, conflicts_with = "frozen")]
    keep: bool,
    /// Allow this finding of the rules (repeatable).
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// Fail if `--all` would leave out an invalid skill.
    #[arg(long)]
    strict: bool,
    /// Refuse a commit that no branch or tag of the repository contains.
    #[arg(long)]
    require_reachable: bool,
    /// Install what is named alone, without the skills that it needs.
    #[arg(long, conflicts_with_all = ["from", "frozen"])]
    no_deps: bool,
    /// Show what would be done, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

/// Installs what was found by its references, as `install` with these words does.
///
/// # Errors
/// Those of [`ops::install::install`].
pub(super) fn install_found(cx: &CommandContext<'_>, sources: Vec<String>) -> Result<u8> {
    install_sources(cx, &InstallOptions { sources, mode: InstallMode::Link, ..InstallOptions::default() })
}

fn install_sources(cx: &CommandContext<'_>, options: &InstallOptions) -> Result<u8> {
    let report = ops::install::install(&cx.workspace, options, &mut cx.ui.terminal_questions(), cx.ui)?;
    for one in &report.in_place {
        cx.ui.note(&format!(
            "`{}` is already in place: `{}` is its source and is not changed",
            one.name, one.place
        ));
    }
    let left_out: Vec<String> =
        report.left_out.iter().map(|one| format!("left out {}: {}", one.name, one.reason)).collect();
    cx.ui.warn_some(&left_out, "left out");
    let told = InstallTelling {
        same_files: &report.same_files,
        needed_by: Some(&report.needed_by),
        dry_run: options.dry_run,
    };
    print_installed_skills(cx, &report.skills, &told);
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({
            "skills": report.skills, "skipped": report.skipped, "warnings": report.warnings,
            "in_place": report.in_place, "left_out": report.left_out, "same_files": report.same_files,
            "needed_by": report.needed_by, "dry_run": options.dry_run,
        }));
    }
    Ok(0)
}

impl Install {
    /// Installs from sources, or brings the disk to what the registry says.
    ///
    /// # Errors
    /// Those of [`ops::install::install`] and [`ops::restore::restore_all`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        if self.sources.is_empty() && self.from.is_none() {
            return self.restore(cx);
        }
        install_sources(cx, &self.options())
    }

    fn options(self) -> InstallOptions {
        let mode = match (self.link, self.copy) {
            (true, _) => InstallMode::Live,
            (_, true) => InstallMode::Copy,
            _ => InstallMode::Link,
        };
        InstallOptions {
            sources: self.sources,
            from: self.from,
            skills: self.skills,
            all: self.all,
            marketplace: self.marketplace,
            reference: self.reference,
            sha: self.sha,
            subdirectory: self.subdirectory,
            alias: self.alias,
            integrity: self.integrity,
            agents: split_agent_names(&self.agents),
            mode,
            force: self.force,
            allow: self.allow,
            strict: self.strict,
            skip_existing: self.skip_existing,
            require_reachable: self.require_reachable,
            enable: self.enable,
            keep: self.keep,
            no_deps: self.no_deps,
            dry_run: self.dry_run,
        }
    }

    /// `install` without a source: the registry is the lock file.
    fn restore(self, cx: &CommandContext<'_>) -> Result<u8> {
        let frozen = self.frozen;
        let options = RestoreOptions::of_install(&self.options(), frozen)?;
        let report = ops::restore::restore_all(&cx.workspace, options, cx.ui)?;
        let told = InstallTelling { same_files: &[], needed_by: None, dry_run: options.dry_run };
        print_installed_skills(cx, &report.skills, &told);
        for (source, to) in &report.moves {
            cx.ui.note(&format!(
                "{source} has moved to {to}; `ba-agent skill update NAME --source {to}` records that"
            ));
        }
        if !report.strangers.is_empty() {
            let names: Vec<&str> = report.strangers.iter().map(String::as_str).collect();
            cx.ui.note(&format!(
                "not in the registry, not touched: {}; `ba-agent skill adopt` takes them over",
                list_some(&names, LISTED)
            ));
        }
        if report.skills.is_empty() {
            cx.ui.note(&format!("`{}` records no skills", report.registry));
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({
                "skills": report.skills, "strangers": report.strangers, "frozen": frozen,
                "dry_run": options.dry_run,
            }));
        }
        Ok(0)
    }
}

/// At most this many executables of a skill are named; `--verbose` names them all.
const NAMED: usize = 3;
/// More skills than this that stay as they are get one line together.
const UNCHANGED_ALONE: usize = 5;

/// What is said of installed skills beside what was done.
struct InstallTelling<'a> {
    same_files: &'a [SkillName],
    needed_by: Option<&'a BTreeMap<String, Vec<String>>>,
    dry_run: bool,
}

impl InstallTelling<'_> {
    /// ` (needed by report-kit)`, for a skill that nobody asked for.
    fn asker_of(&self, done: &Done) -> String {
        let by = self.needed_by.and_then(|all| all.get(done.name.as_str()));
        match by.filter(|_| done.entry.automatic) {
            Some(by) => {
                let by: Vec<&str> = by.iter().map(String::as_str).collect();
                format!(" (needed by {})", list_some(&by, NAMED))
            }
            None => String::new(),
        }
    }
}

fn print_installed_skills(cx: &CommandContext<'_>, skills: &[Done], told: &InstallTelling<'_>) {
    let (same_files, dry_run) = (told.same_files, told.dry_run);
    let of = |done: &Done| done.warnings.iter().map(|w| format!("{}: {w}", done.name)).collect::<Vec<_>>();
    cx.ui.warn_some(&skills.iter().flat_map(of).collect::<Vec<_>>(), "warned of");
    let verb = |done: &Done| verb_of(done, same_files, dry_run);
    let (kept, changed): (Vec<&Done>, Vec<&Done>) =
        skills.iter().partition(|done| done.action == Action::Keep);
    for (these, most) in [(kept, UNCHANGED_ALONE), (changed, LISTED_ALONE)] {
        if these.len() > most && !cx.ui.verbose() {
            tell_sum(cx, &these, &verb);
            continue;
        }
        for done in these {
            if done.action == Action::Replace && !done.new_places.is_empty() {
                let verb = if dry_run { "Would add" } else { "Added" };
                cx.ui.status(verb, &format!("{} to {}", done.name, done.new_places.join(", ")));
                continue;
            }
            let same = if verb(done) == RECORDED { " (its files are the same)" } else { "" };
            let asker = told.asker_of(done);
            cx.ui.status(verb(done), &format!("{} in {}{same}{asker}", done.name, done.places.join(", ")));
            tell_contents(cx, done);
        }
    }
}

/// For a skill of which no file became another one.
const RECORDED: &str = "Recorded";

fn verb_of(done: &Done, same_files: &[SkillName], dry_run: bool) -> &'static str {
    match (done.action, dry_run) {
        (Action::Add | Action::Replace, true) => "Would put",
        (Action::Add, false) => "Installed",
        (Action::Replace, false) if same_files.contains(&done.name) => RECORDED,
        (Action::Replace, false) => "Replaced",
        (Action::Keep, _) => "Unchanged",
        (Action::Remove | Action::Forget, _) => "Removed",
        (Action::Adopt, true) => "Would adopt",
        (Action::Adopt, false) => "Adopted",
    }
}

/// One line for each sort of action, for those who install hundreds.
fn tell_sum(cx: &CommandContext<'_>, skills: &[&Done], verb_of: &dyn Fn(&Done) -> &'static str) {
    for verb in ["Installed", "Replaced", RECORDED, "Adopted", "Would put", "Would adopt", "Unchanged"] {
        let these: Vec<&&Done> = skills.iter().filter(|done| verb_of(done) == verb).collect();
        let Some(first) = these.first() else { continue };
        let folders: Vec<&str> = first.places.iter().map(String::as_str).collect();
        cx.ui.status(verb, &format!("{} in {}", count_noun(these.len(), "skill"), folders.join(", ")));
    }
    let changed = skills.iter().filter(|done| done.action != Action::Keep);
    let with_grants = changed.filter(|done| !done.entry.grants.is_empty()).count();
    if with_grants > 0 {
        cx.ui.warn(&format!(
            "{} ask for tools: `ba-agent skill show NAME` says which",
            count_noun(with_grants, "skill")
        ));
    }
}

fn tell_contents(cx: &CommandContext<'_>, done: &Done) {
    if done.action == Action::Keep {
        return;
    }
    if !done.entry.grants.is_empty() {
        cx.ui.attention("grants:", &done.entry.grants.join(", "));
    }
    let mut executables: Vec<&str> = done.entry.executable_files().collect();
    executables.sort_by_key(|path| (is_only_a_part(path), path.matches('/').count()));
    if !executables.is_empty() {
        let named = if cx.ui.verbose() { executables.len() } else { NAMED };
        cx.ui.detail(&format!("executables: {}", list_some(&executables, named)));
    }
    if done.entry.pin.commit.is_some() && done.entry.pin.reachable.is_none() {
        cx.ui.detail("reachability: not checked (`--require-reachable` checks it)");
    }
    if cx.ui.verbose() {
        cx.ui.detail(&format!("{}, {}", count_noun(done.entry.files.len(), "file"), done.entry.digest));
    }
}

/// True for an executable that others import, and nobody starts.
fn is_only_a_part(path: &str) -> bool {
    path.rsplit('/').next() == Some("__init__.py")
}
