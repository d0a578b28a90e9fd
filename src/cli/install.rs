//! `ba-agent skill install SOURCE…`.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::completions::agent_names;
use super::{Context, Place, import};
use crate::agents::InstallTarget;
use crate::error::{Result, error, fail};
use crate::fetch::World;
use crate::ops::apply::{Done, Report};
use crate::ops::gather::{self, Ask, Choice, Gathered, Offer};
use crate::ops::marketplace;
use crate::ops::overlap::{self, InPlace};
use crate::ops::plan::{self, Action, Plan, Wanted};
use crate::ops::restore::{self, Due, Supply, TRIES};
use crate::registry::{InstallMode, Registry};
use crate::source::{Request, Source};
use crate::store::marketplaces::Marketplaces;
use crate::text::count_noun;

/// Install skills from a source, or restore those in the registry.
#[derive(Debug, Args)]
#[command(
    long_about = "Install skills from a source, or restore those in the registry.\n\n\
        SOURCE is github:owner/repo (or owner/repo), gitlab:group/repo, bitbucket:o/r, any git URL, \
        a URL from a browser, ./folder, ./archive.zip, https://…/archive.tar.gz, https://host/.well-known/skills/NAME, \
        builtin:NAME or NAME@MARKETPLACE (ENTRY:SKILL@MARKETPLACE, of any other name \"NAME\"@MARKETPLACE). \
        A repository may be followed by #REF (a branch, tag, sha or range such as ^1.2) and @SKILL.",
    after_help = "Examples:\n  \
        ba-agent skill install anthropics/skills --skill pdf --skill docx\n  \
        ba-agent skill install anthropics/skills@pdf\n  \
        ba-agent skill install github:owner/repo/path/in/repo#v1.2.0\n  \
        ba-agent skill install https://github.com/owner/repo/tree/main/skills/pdf\n  \
        ba-agent skill install ./my-skills.zip --all --agent cursor --agent claude-code\n  \
        ba-agent skill install owner/repo --skill pdf --sha <40 hex> --yes\n  \
        ba-agent skill install --frozen"
)]
pub(crate) struct Install {
    /// Where the skills come from.
    ///
    /// Without one, the skills that the registry records are restored.
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// Install the skills of another tool's lock file: skills-lock.json, .skill-lock.json or
    /// apm.lock.yaml.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sources", "frozen", "skills", "all", "reference", "sha", "alias"], value_hint = clap::ValueHint::FilePath)]
    from: Option<PathBuf>,
    /// For CI: verify every byte, never write the registry, fail on any difference.
    #[arg(long, conflicts_with = "sources")]
    frozen: bool,
    /// Install only the skill of this name (repeatable).
    #[arg(long = "skill", short = 's', value_name = "NAME")]
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
    /// An agent, or a folder, that receives the skill (repeatable).
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
    /// Allow this finding of the rules (repeatable).
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// Fail if `--all` would leave out an invalid skill.
    #[arg(long)]
    strict: bool,
    /// Refuse a commit that no branch or tag of the repository contains.
    #[arg(long)]
    require_reachable: bool,
    /// Show what would be done, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

impl Install {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let mut place = if self.frozen { cx.place_of_frozen()? } else { cx.place()? };
        place.settings.require_reachable |= self.require_reachable;
        if self.sources.is_empty() && self.from.is_none() {
            return self.restore(cx, &place);
        }
        if !self.agents.is_empty() {
            place.settings.agents.clone_from(&self.agents);
        }
        let targets = self.targets(&place)?;
        let gathered = match &self.from {
            Some(file) => import::gather(cx, &place, file)?,
            None => self.gather(cx, &place)?,
        };
        for one in &gathered {
            tell_gathered(cx, one);
            self.warn_of_machine(cx, &place, one);
        }
        let skipped: Vec<_> = gathered.iter().flat_map(|one| one.skipped.clone()).collect();
        let warnings: Vec<_> = gathered.iter().flat_map(Gathered::warnings).collect();
        let wanted = gathered.into_iter().flat_map(|one| one.candidates).map(|candidate| Wanted {
            mode: self.mode(),
            pinned: self.sha.is_some(),
            targets: targets.clone(),
            candidate,
        });
        let (report, in_place) = self.carry_out(cx, &place, wanted.collect())?;
        for one in &in_place {
            cx.ui.note(&format!(
                "`{}` is already in place: `{}` is its source and is not changed",
                one.name, one.place
            ));
        }
        tell(cx, &report, self.dry_run);
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({
                "skills": report.skills, "skipped": skipped, "warnings": warnings, "in_place": in_place,
                "dry_run": self.dry_run,
            }));
        }
        Ok(0)
    }

    /// A project's registry is for everybody who has the project; an absolute path is not.
    fn warn_of_machine(&self, cx: &Context<'_>, place: &Place, gathered: &Gathered) {
        let (Source::Local { path } | Source::Archive { location: path }) = &gathered.resolved.source else {
            return;
        };
        if place.scope.is_project() && (Path::new(path).is_absolute() || path.starts_with('~')) {
            cx.ui.warn(&format!(
                "the registry will name `{path}`, a path on this machine: others with the project cannot \
                 restore from it; use a relative path or a repository"
            ));
        }
    }

    fn gather(&self, cx: &Context<'_>, place: &Place) -> Result<Vec<Gathered>> {
        let world = cx.world(place);
        let all = place.marketplaces(cx.env)?;
        cx.tell_hidden(&all, |name| {
            self.marketplace.as_deref() == Some(name)
                || self.sources.iter().any(|source| source.ends_with(&format!("@{name}")))
        });
        let asks = self.asks(cx, place, &all, &world)?;
        marketplace::gather_all(&asks, &all, &world, &|ask, offers| choose(cx, ask, offers))
    }

    /// `install` without a source: the registry is the lock file.
    fn restore(&self, cx: &Context<'_>, place: &Place) -> Result<u8> {
        self.check_bare()?;
        let world = cx.world(place);
        let supply = Supply::new(&world, vec![place.cache.clone()]);
        let known = place.store.read()?;
        let report = self.put_back(cx, place, &supply)?;
        let find_untracked = place.places.find_untracked(&known)?;
        tell(cx, &report, self.dry_run);
        for (source, to) in world.git.moves() {
            cx.ui.note(&format!(
                "{source} has moved to {to}; `ba-agent skill update NAME --source {to}` records that"
            ));
        }
        if !find_untracked.is_empty() {
            let names: Vec<&str> = find_untracked.iter().map(String::as_str).collect();
            cx.ui.note(&format!("not in the registry, not touched: {}", some_of(&names, LISTED)));
        }
        if report.skills.is_empty() {
            cx.ui.note(&format!("`{}` records no skills", place.store.registry_file().display()));
        }
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({
                "skills": report.skills, "find_untracked": find_untracked, "frozen": self.frozen, "dry_run": self.dry_run,
            }));
        }
        Ok(0)
    }

    /// Brings the disk to what the registry says. Where another command changes the registry, or
    /// the cache loses files, between the look and the change, it begins anew.
    fn put_back(&self, cx: &Context<'_>, place: &Place, supply: &Supply<'_>) -> Result<Report> {
        for _ in 0..TRIES {
            let lost = supply.lost();
            match self.attempt(cx, place, supply) {
                Ok(Some(report)) => return Ok(report),
                Ok(None) => {}
                Err(_) if supply.lost() > lost => {}
                Err(error) => return Err(error),
            }
        }
        Err(error!(Conflict, "other commands keep changing these skills")
            .hint("wait for them to end, then run the command again"))
    }

    /// Plans and does it; `None` where a host has to be asked for more than before the lock was
    /// taken: nobody waits for a host while it is held.
    fn attempt(&self, cx: &Context<'_>, place: &Place, supply: &Supply<'_>) -> Result<Option<Report>> {
        let known = place.store.read()?;
        let due = self.due(&known, place, supply)?;
        supply.prepare(&restore::wanted(&due))?;
        if self.dry_run || due.is_empty() {
            let plan = restore::plan(&known, due, supply)?;
            plan.check_recorded()?;
            return Report::of_plan(plan, &place.places, cx.env.now).map(Some);
        }
        // Only what is to be changed needs the lock, and under it another look.
        let transaction = match self.frozen {
            true => place.store.begin_unrepaired(&cx.waiting())?,
            false => place.store.begin(&cx.waiting())?,
        };
        let due = self.due(transaction.registry(), place, supply)?;
        if supply.lacks(&restore::wanted(&due)) {
            return Ok(None);
        }
        let plan = restore::plan(transaction.registry(), due, supply)?;
        cx.apply(place, plan, transaction, "install").map(Some)
    }

    fn due<'r>(&self, registry: &'r Registry, place: &Place, supply: &Supply<'_>) -> Result<Vec<Due<'r>>> {
        let seen = place.places.inspect_recorded(registry.skills.keys(), registry)?;
        restore::due(registry, &seen, supply, self.frozen, self.force)
    }

    /// Flags that say which skill, or how, need a source.
    fn check_bare(&self) -> Result<()> {
        let given = [
            ("--skill", !self.skills.is_empty()),
            ("--all", self.all),
            ("--ref", self.reference.is_some()),
            ("--sha", self.sha.is_some()),
            ("--subdirectory", self.subdirectory.is_some()),
            ("--as", self.alias.is_some()),
            ("--integrity", self.integrity.is_some()),
            ("--agent", !self.agents.is_empty()),
            ("--copy", self.copy),
            ("--link", self.link),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(error!(Usage, "`{flag}` needs a source")
                .hint("without a source `install` restores what the registry records")),
            None => Ok(()),
        }
    }

    fn asks(
        &self,
        cx: &Context<'_>,
        place: &Place,
        all: &Marketplaces,
        world: &World<'_>,
    ) -> Result<Vec<Ask>> {
        if self.alias.is_some() && (self.sources.len() > 1 || self.skills.len() > 1 || self.all) {
            fail!(Usage, "`--as` names one skill; choose one with `--skill NAME`");
        }
        let ask = |source: &String| {
            self.ask(cx, place, marketplace::request(source, self.marketplace.as_deref(), all, world)?)
        };
        self.sources.iter().map(ask).collect()
    }

    fn ask(&self, cx: &Context<'_>, place: &Place, request: Request) -> Result<Ask> {
        let request = request.with_flags(
            self.reference.as_deref(),
            self.sha.as_deref(),
            self.subdirectory.as_deref(),
        )?;
        let request = place.anchor(cx.env, request);
        let mut names = self.skills.clone();
        names.extend(request.skill.clone());
        let choice = match (self.all, names.is_empty()) {
            (true, _) => Choice::All,
            (false, true) => Choice::Only,
            (false, false) => Choice::Named(names),
        };
        Ok(Ask {
            request,
            choice,
            alias: self.alias.as_deref().map(str::parse).transpose()?,
            integrity: self.integrity.as_deref().map(str::parse).transpose()?,
            commit: None,
            live: self.link,
            strict: self.strict,
            allow: self.allow.clone(),
        })
    }

    fn targets(&self, place: &Place) -> Result<Vec<InstallTarget>> {
        let names = &place.settings.agents;
        if names.is_empty() {
            return Ok(vec![InstallTarget::default()]);
        }
        let mut targets = Vec::new();
        for name in names {
            let target = InstallTarget::parse(name)?;
            place.places.check(&target)?;
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    fn mode(&self) -> InstallMode {
        match (self.link, self.copy) {
            (true, _) => InstallMode::Live,
            (_, true) => InstallMode::Copy,
            _ => InstallMode::Link,
        }
    }

    fn carry_out(
        &self,
        cx: &Context<'_>,
        place: &Place,
        wanted: Vec<Wanted>,
    ) -> Result<(Report, Vec<InPlace>)> {
        if self.dry_run {
            let registry = place.store.read()?;
            let (plan, in_place) = self.plan(wanted, &registry, place)?;
            return Ok((Report::of_plan(plan, &place.places, cx.env.now)?, in_place));
        }
        let transaction = place.store.begin(&cx.waiting())?;
        let (plan, in_place) = self.plan(wanted, transaction.registry(), place)?;
        Ok((cx.apply(place, plan, transaction, "install")?, in_place))
    }

    fn plan(&self, wanted: Vec<Wanted>, registry: &Registry, place: &Place) -> Result<(Plan, Vec<InPlace>)> {
        let (wanted, in_place) = overlap::leave_in_place(wanted, registry, &place.places);
        let seen =
            place.places.inspect(wanted.iter().map(|w| (&w.candidate.name, &w.targets[..])), registry)?;
        Ok((plan::install(wanted, registry, &seen, self.force)?, in_place))
    }
}

/// Asks which of several skills are meant; without a person that is an error which lists them.
fn choose(cx: &Context<'_>, ask: &Ask, offers: &[Offer]) -> Result<Vec<usize>> {
    let source = ask.request.source.display_name();
    if !cx.ui.interactive() {
        let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
        let error = error!(Usage, "{source} has {}: specify one or more", count_noun(offers.len(), "skill"))
            .hint(format!("it has {}", some_of(&names, LISTED)));
        return Err(error.hint("choose with `--skill NAME` (repeatable), or install all with `--all`"));
    }
    let lines: Vec<String> = offers.iter().map(Offer::line).collect();
    let chosen =
        cx.ui.choose(&format!("{source} has {}. Which ones?", count_noun(offers.len(), "skill")), &lines)?;
    if chosen.is_empty() {
        fail!(Usage, "no skill was chosen; nothing was changed");
    }
    Ok(chosen)
}

/// At most this many names are listed in a message.
const LISTED: usize = 40;
/// At most this many skills or warnings get lines of their own, unless with `--verbose`.
const TOLD: usize = 30;
/// At most this many executables of a skill are named.
const NAMED: usize = 6;

fn tell_gathered(cx: &Context<'_>, gathered: &Gathered) {
    cx.ui.status("Resolved", &gather::spoken(&gathered.resolved));
    if gathered.found > 1 {
        cx.ui.status(
            "Chose",
            &format!("{} of {}", gathered.candidates.len(), count_noun(gathered.found, "skill")),
        );
    }
    let left_out = gathered.skipped.iter().map(|one| format!("left out {}: {}", one.path, one.reason));
    warn_some(cx, left_out.collect(), "left out");
    warn_some(cx, gathered.warnings(), "warned of");
}

/// The first of many warnings, and how many there are.
fn warn_some(cx: &Context<'_>, warnings: Vec<String>, what: &str) {
    let told = if cx.ui.verbose() { warnings.len() } else { TOLD };
    for warning in warnings.iter().take(told) {
        cx.ui.warn(warning);
    }
    if warnings.len() > told {
        cx.ui.warn(&format!("{} more are {what}: `--verbose` names them all", warnings.len() - told));
    }
}

fn tell(cx: &Context<'_>, report: &Report, dry_run: bool) {
    let of = |done: &Done| done.warnings.iter().map(|w| format!("{}: {w}", done.name)).collect::<Vec<_>>();
    warn_some(cx, report.skills.iter().flat_map(of).collect(), "warned of");
    if report.skills.len() > TOLD && !cx.ui.verbose() {
        return tell_sum(cx, report, dry_run);
    }
    for done in &report.skills {
        let verb = match (done.action, dry_run) {
            (Action::Add | Action::Replace, true) => "Would put",
            (Action::Add, false) => "Installed",
            (Action::Replace, false) => "Replaced",
            (Action::Keep, _) => "Unchanged",
            (Action::Remove, _) => "Removed",
        };
        cx.ui.status(verb, &format!("{} in {}", done.name, done.places.join(", ")));
        tell_contents(cx, done);
    }
}

/// One line for each sort of action, for those who install hundreds.
fn tell_sum(cx: &Context<'_>, report: &Report, dry_run: bool) {
    for (action, verb) in
        [(Action::Add, "Installed"), (Action::Replace, "Replaced"), (Action::Keep, "Unchanged")]
    {
        let these: Vec<&Done> = report.skills.iter().filter(|done| done.action == action).collect();
        let Some(first) = these.first() else { continue };
        let folders: Vec<&str> = first.places.iter().map(String::as_str).collect();
        let verb = if dry_run && action != Action::Keep { "Would put" } else { verb };
        cx.ui.status(verb, &format!("{} in {}", count_noun(these.len(), "skill"), folders.join(", ")));
    }
    let with_grants = report.skills.iter().filter(|done| !done.entry.grants.is_empty()).count();
    if with_grants > 0 {
        cx.ui.detail(&format!(
            "{} ask for grants: `ba-agent skill show NAME` says which",
            count_noun(with_grants, "skill")
        ));
    }
}

/// A list for a sentence, cut where it gets long.
fn some_of(names: &[&str], most: usize) -> String {
    let shown = names.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{shown} and {} more", names.len() - most) } else { shown }
}

fn tell_contents(cx: &Context<'_>, done: &Done) {
    if done.action == Action::Keep {
        return;
    }
    if !done.entry.grants.is_empty() {
        cx.ui.detail(&format!("grants: {}", done.entry.grants.join(", ")));
    }
    let executables: Vec<&str> = done.entry.executable_files().collect();
    if !executables.is_empty() {
        cx.ui.detail(&format!("executables: {}", some_of(&executables, NAMED)));
    }
    if done.entry.pin.reachable == Some(false) {
        cx.ui.detail("reachability: not checked (`--require-reachable` checks it)");
    }
    if cx.ui.verbose() {
        cx.ui.detail(&format!("{}, {}", count_noun(done.entry.files.len(), "file"), done.entry.digest));
    }
}
