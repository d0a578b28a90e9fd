//! `skill adopt`: skills that somebody or another tool put into a skills folder are recorded as they
//! lie there. Not a byte of them is moved or changed.

mod claim;
mod compare;
mod layout;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use self::claim::{Claim, ForeignLocks, KnownSkills, find_claims};
pub(crate) use self::layout::{Layout, find_layouts};
use super::apply;
use super::ask::{Ask, Attendance};
use super::gather::{self, Candidate, Choice, Gathered, SkillRequest, Skipped};
use super::installed::match_installed;
use super::plan::{Action, Content, InstallReason, Plan, Step, Wanted};
use super::settle::open_session;
use crate::fetch::World;
use crate::install_state;
use crate::unmanaged::{self, UnmanagedSkill};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::diff::FileDiff;
use ba_agent_core::digest::digest_of_files;
use ba_agent_core::error::{Context as _, Error, Kind, Result, error, printable};
use ba_agent_core::interop::{FetchedSkill, IntegrityClaim};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Request, Source};
use ba_agent_core::text::{count_noun, list_some};
use ba_agent_system::cache::Cache;
use compare::Comparison;

/// What is adopted, and how.
#[derive(Debug, Default)]
pub struct AdoptOptions {
    /// Names of skills, or paths of their folders.
    pub what: Vec<String>,
    /// Every skill that nobody recorded.
    pub all: bool,
    /// Where the skill comes from, as `install` takes it.
    pub source: Option<String>,
    /// Ask nobody where skills come from.
    pub no_source: bool,
    /// Adopt what differs from its source too, as edited.
    pub force: bool,
    /// Codes of findings that may pass.
    pub allow: Vec<String>,
    /// Fail where `all` would leave something out.
    pub strict: bool,
    /// Change nothing.
    pub dry_run: bool,
}

/// What was adopted.
#[derive(Debug, Default)]
pub struct AdoptReport {
    pub skills: Vec<AdoptedSkill>,
    /// What `all` has left out, and why.
    pub skipped: Vec<Skipped>,
}

/// One skill that was adopted.
#[derive(Debug, Serialize)]
pub struct AdoptedSkill {
    pub name: SkillName,
    /// The skills folders that have it, as a person names them; the first holds the files.
    pub places: Vec<String>,
    pub entry: LockEntry,
    /// Who names its source; absent where nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_by: Option<String>,
    /// Why that source was taken, where others were named too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How its files differ from those of its source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<FileDiff>,
    /// The same line by line.
    #[serde(skip)]
    pub diffs: Vec<String>,
}

/// A skill that is about to be adopted.
struct Adoption {
    layout: Layout,
    wanted: Candidate,
    /// Whose record of the source was followed, and why where there were several.
    named_by: Option<String>,
    reason: Option<String>,
    comparison: Comparison,
    /// The record of a skill without a source, whose files are recorded anew.
    before: Option<LockEntry>,
}

/// Records skills that lie in a skills folder and are in no registry.
///
/// # Errors
/// `NotFound` for what is not there, `Usage` where nothing is named and nobody can be asked,
/// `Invalid` for a skill that breaks the rules, `Conflict` for one that differs from its source and
/// was not agreed to, that lies in several places in different ways, or changes meanwhile; those of
/// fetching. Nothing is recorded then.
pub fn adopt(
    workspace: &Workspace,
    options: &AdoptOptions,
    ask: &mut dyn Ask,
    observer: &dyn Observer,
) -> Result<AdoptReport> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let chosen = choose(&session, options, &registry, ask)?;
    let mut report = AdoptReport::default();
    let adoptions = examine(&session, options, chosen, &registry, &mut report)?;
    agree(&adoptions, options, ask)?;
    for one in adoptions.iter().filter(|one| one.named_by.is_some()) {
        session.warn_of_machine(&one.wanted.resolved.source);
    }
    if !options.dry_run && !adoptions.is_empty() {
        record(&session, &adoptions, &registry)?;
        session.keep_typed_hosts();
    }
    let now = session.env.now;
    report.skills = adoptions.into_iter().map(|one| one.into_report(now)).collect::<Result<_>>()?;
    Ok(report)
}

/// What is meant, and how it lies.
struct Chosen {
    layouts: BTreeMap<String, Result<Layout>>,
    /// Skills without a source that are recorded already.
    again: Vec<SkillName>,
}

/// Everything in the skills folders of this scope that nobody recorded.
///
/// # Errors
/// Those of reading the registry.
pub(crate) fn look_for_unmanaged(session: &Session<'_>) -> Result<Vec<UnmanagedSkill>> {
    let text = session.store.read_registry_text()?;
    let summary = text.summary()?;
    let mut named = session.named_targets();
    named.extend(unmanaged::recorded_targets(&summary));
    let scanned = unmanaged::scan_roots(&session.places, &named);
    Ok(unmanaged::find_unmanaged(&scanned, &summary, &session.places))
}

/// True when the files of a layout are what a lock file says of them.
pub(crate) fn is_as_promised(layout: &Layout, integrity: Option<&IntegrityClaim>) -> bool {
    let Some(integrity @ IntegrityClaim::Files(_)) = integrity else { return false };
    let digest = digest_of_files(&layout.files);
    let content = FetchedSkill { digest: &digest, files: &layout.files, tree: None, archive: None };
    let read = |path: &str| {
        let line = layout.files.get(path).map_or("", String::as_str);
        install_state::read_entry(&layout.folder, path, line)
    };
    matches!(integrity.is_kept(&content, read), Ok(Some(true)))
}

/// True when what a candidate would put there lies there to the last byte.
///
/// # Errors
/// Those of [`Candidate::digest`].
pub(crate) fn is_the_same(candidate: &Candidate, layout: &Layout) -> Result<bool> {
    Ok(install_state::find_drift(&candidate.digest()?.1, &layout.files).is_empty())
}

fn choose(
    session: &Session<'_>,
    options: &AdoptOptions,
    registry: &Registry,
    ask: &mut dyn Ask,
) -> Result<Chosen> {
    let found = look_for_unmanaged(session)?;
    let mut chosen = Chosen { layouts: BTreeMap::new(), again: Vec::new() };
    if options.all {
        chosen.layouts = find_layouts(&found, &session.places);
        return Ok(chosen);
    }
    if options.what.is_empty() {
        let names = ask_which(&found, ask, session)?;
        let meant: Vec<UnmanagedSkill> = found.into_iter().filter(|one| names.contains(&one.name)).collect();
        chosen.layouts = find_layouts(&meant, &session.places);
        return Ok(chosen);
    }
    for what in &options.what {
        let meant = meant_by(what, &found, session);
        if !meant.is_empty() {
            chosen.layouts.extend(find_layouts(&meant, &session.places));
            continue;
        }
        match match_installed(what, registry) {
            Some(name) if registry.skills[name].kind == "own" => chosen.again.push(name.clone()),
            Some(name) => return Err(error_of_managed_skill(name, &registry.skills[name])),
            None => return Err(error_of_nothing_there(what, &found, session)),
        }
    }
    Ok(chosen)
}

/// The places that a person means: by path one folder with the links to it, by name all of that name.
fn meant_by(what: &str, found: &[UnmanagedSkill], session: &Session<'_>) -> Vec<UnmanagedSkill> {
    let by_name: Vec<UnmanagedSkill> = found.iter().filter(|one| one.name == what).cloned().collect();
    if !by_name.is_empty() {
        return by_name;
    }
    let path = session.env.absolute(std::path::Path::new(what.trim_end_matches('/')));
    let at = path.parent().and_then(|above| Some(std::fs::canonicalize(above).ok()?.join(path.file_name()?)));
    let Some(one) = found.iter().find(|one| Some(&one.at) == at.as_ref()) else { return Vec::new() };
    let same = std::fs::canonicalize(&one.at).ok();
    let leads_there = |other: &&UnmanagedSkill| {
        other.name == one.name
            && (other.at == one.at
                || (other.at.is_symlink() && std::fs::canonicalize(&other.at).ok() == same))
    };
    found.iter().filter(leads_there).cloned().collect()
}

fn ask_which(found: &[UnmanagedSkill], ask: &mut dyn Ask, session: &Session<'_>) -> Result<BTreeSet<String>> {
    let names: BTreeSet<String> = found.iter().map(|one| one.name.clone()).collect();
    if names.is_empty() {
        session.note("nothing to adopt: every skill in the skills folders is managed");
        return Ok(names);
    }
    if ask.attendance() != Attendance::Person {
        let list: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(error!(Usage, "{} not managed: specify which to adopt", are(names.len()))
            .hint(format!("not managed: {}", list_some(&list, super::ask::LISTED)))
            .hint("name one or more, or adopt all with `--all`"));
    }
    let of_name = |name: &String| found.iter().find(|one| one.name == *name);
    let offers: Vec<gather::Offer> =
        names.iter().filter_map(of_name).filter_map(gather::Offer::of_folder).collect();
    let chosen = ask.choose_skills("this folder", &offers)?;
    Ok(chosen.into_iter().filter_map(|at| Some(offers.get(at)?.name.to_string())).collect())
}

fn are(count: usize) -> String {
    let noun = count_noun(count, "skill");
    if count == 1 { format!("{noun} is") } else { format!("{noun} are") }
}

fn error_of_managed_skill(name: &SkillName, entry: &LockEntry) -> Error {
    error!(Conflict, "`{name}` is managed already, from {}", printable(&entry.source, false))
        .hint(format!("what was edited in it: `ba-agent skill diff {name}`"))
        .hint(format!(
            "to take it from elsewhere from now on: `ba-agent skill update {name} --source SOURCE`"
        ))
}

fn error_of_nothing_there(what: &str, found: &[UnmanagedSkill], session: &Session<'_>) -> Error {
    let shown = printable(what, false);
    let error = error!(NotFound, "`{shown}` is not an unmanaged skill of this {}", session.places.scope());
    let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    let near = ba_agent_core::text::find_nearest(what, names.iter().copied());
    let error = near.into_iter().fold(error, |error, near| error.hint(format!("did you mean `{near}`?")));
    match names.is_empty() {
        true => error.hint("what is adopted lies in a skills folder, such as `.claude/skills/NAME`"),
        false => error.hint(format!("not managed: {}", list_some(&names, super::ask::LISTED))),
    }
    .hint("a skill from elsewhere is installed: `ba-agent skill install PATH`")
}

/// Holds everything that was chosen to the rules, finds its source and compares it. With `all`,
/// what cannot be adopted is left out.
fn examine(
    session: &Session<'_>,
    options: &AdoptOptions,
    chosen: Chosen,
    registry: &Registry,
    report: &mut AdoptReport,
) -> Result<Vec<Adoption>> {
    let world = session.world();
    options.source.iter().for_each(|source| session.note_typed(source));
    let asks_locks = options.source.is_none() && !options.no_source;
    let locks = if asks_locks { ForeignLocks::read(session)? } else { ForeignLocks::default() };
    let known = if asks_locks { known_registries(session, registry) } else { KnownSkills::default() };
    if options.source.is_some() && chosen.layouts.len() + chosen.again.len() > 1 {
        return Err(error!(
            Usage,
            "`--source` names the source of one skill, and {} are meant",
            chosen.layouts.len()
        ));
    }
    let mut looked = Vec::new();
    for (name, layout) in chosen.layouts {
        let one =
            layout.and_then(|layout| look_at(layout, registry, options, (&locks, &known), session, &world));
        looked.push((name, one));
    }
    let mut fetched = fetch_claims(&looked, session, &world)?.into_iter();
    let mut adoptions = Vec::new();
    for (name, looked) in looked {
        let adoption = looked.and_then(|looked| {
            let claims = fetched.by_ref().take(looked.claims.len()).collect();
            settle(looked, claims, &world)
        });
        match adoption {
            Ok(adoption) => adoptions.push(adoption),
            Err(error) if options.all && !options.strict && may_be_left_out(&error) => {
                let reason =
                    std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>().join(": ");
                report.skipped.push(Skipped { path: name, reason });
            }
            Err(error) => return Err(error),
        }
    }
    for name in chosen.again {
        adoptions.extend(adopt_again(name, registry, session, options, &world)?);
    }
    Ok(adoptions)
}

/// A skill as it lies there, and who names a source for it.
struct LookedSkill {
    layout: Layout,
    found: Candidate,
    claims: Vec<Claim>,
}

fn look_at(
    layout: Layout,
    registry: &Registry,
    options: &AdoptOptions,
    (locks, known): (&ForeignLocks, &KnownSkills),
    session: &Session<'_>,
    world: &World<'_>,
) -> Result<LookedSkill> {
    if registry.skills.contains_key(&layout.name) {
        return Err(error_of_second_place(&layout, registry));
    }
    let found = candidate_in_place(&layout, &options.allow, session, world)?;
    let mut claims = match &options.source {
        _ if layout.mode == InstallMode::Live => Vec::new(),
        Some(source) => vec![typed_claim(source, &layout, session)?],
        None if options.no_source => Vec::new(),
        None => find_claims(&layout, &found, locks, known, session)?,
    };
    for claim in &mut claims {
        claim.request.allow.clone_from(&options.allow);
    }
    Ok(LookedSkill { layout, found, claims })
}

/// Asks every source that is named, each repository once. One that was typed may be an entry of a
/// marketplace.
fn fetch_claims(
    looked: &[(String, Result<LookedSkill>)],
    session: &Session<'_>,
    world: &World<'_>,
) -> Result<Vec<Result<Gathered>>> {
    let looked = looked.iter().filter_map(|(_, looked)| looked.as_ref().ok());
    let requests: Vec<SkillRequest> =
        looked.flat_map(|one| &one.claims).map(|claim| claim.request.clone()).collect();
    match &requests[..] {
        [typed] if matches!(typed.request.source, Source::Marketplace { .. }) => {
            let all = session.marketplaces()?;
            Ok(vec![super::marketplace::gather(typed, &all, world, &mut |_| Ok(Vec::new()))])
        }
        requests => gather::gather_each(requests, world),
    }
}

/// What is wrong with one skill alone. A host that cannot be reached is no property of the skill.
fn may_be_left_out(error: &Error) -> bool {
    !matches!(error.kind, Kind::Network | Kind::Interrupted | Kind::Failed)
}

fn error_of_second_place(layout: &Layout, registry: &Registry) -> Error {
    let name = &layout.name;
    let source = registry.skills.get(name).map(|entry| printable(&entry.source, false)).unwrap_or_default();
    error!(
        Conflict,
        "a skill named `{name}` is managed already, and `{}` is another folder",
        layout.paths.join("`, `")
    )
    .cause(format!("installed: {source}"))
    .hint(format!(
        "to have it there too: `ba-agent skill install {source} --skill {name} --agent AGENT --force`"
    ))
    .hint("or give the folder another name, then adopt it")
}

/// The registries in which a source may be found: this one, and of a project's user.
fn known_registries(session: &Session<'_>, registry: &Registry) -> KnownSkills {
    let of_user = if session.scope.is_project() { session.registry_of_user() } else { None };
    KnownSkills { here: registry.clone(), of_user }
}

/// The skill as it lies there, held to the rules.
fn candidate_in_place(
    layout: &Layout,
    allow: &[String],
    session: &Session<'_>,
    world: &World<'_>,
) -> Result<Candidate> {
    let source = match layout.mode {
        InstallMode::Live => {
            let request = Request::parse(&layout.folder.display().to_string())?;
            session.anchor(request).source
        }
        _ => Source::Own { name: layout.name.to_string() },
    };
    gather::candidate_of_folder(&layout.name, &layout.folder, source, allow, world)
        .context(|| format!("`{}` cannot be adopted", layout.paths.first().map_or("", String::as_str)))
}

fn typed_claim(source: &str, layout: &Layout, session: &Session<'_>) -> Result<Claim> {
    let all = session.marketplaces()?;
    let request = super::marketplace::request(source, None, &all, &session.world())?;
    let choice = match (&request.skill, &request.subdirectory) {
        (Some(skill), _) => Choice::Named(vec![skill.clone()]),
        (None, Some(_)) => Choice::Only,
        (None, None) if request.source.is_git() || matches!(request.source, Source::Marketplace { .. }) => {
            Choice::Named(vec![layout.name.to_string()])
        }
        (None, None) => Choice::Only,
    };
    let request = SkillRequest {
        choice,
        alias: Some(layout.name.clone()),
        ..SkillRequest::of(session.anchor(request))
    };
    if session
        .places
        .local_path(&request.request.source, "")
        .is_some_and(|place| std::fs::canonicalize(&layout.folder).is_ok_and(|folder| folder == place))
    {
        return Err(error!(
            Usage,
            "`{}` is the folder itself, not where it comes from",
            printable(source, false)
        )
        .hint("with `--no-source` it is adopted as a skill of your own"));
    }
    Ok(Claim { by: "--source".to_owned(), request, integrity: None })
}

/// Compares a skill with the sources that are named: one that has these very bytes is taken, else the
/// surest.
fn settle(looked: LookedSkill, gathered: Vec<Result<Gathered>>, world: &World<'_>) -> Result<Adoption> {
    let LookedSkill { layout, found, claims } = looked;
    let mut first: Option<(Claim, Candidate, Comparison)> = None;
    let mut sources: Vec<Source> = Vec::new();
    for (claim, gathered) in claims.into_iter().zip(gathered) {
        let gathered = gathered.map_err(|e| {
            e.wrap(format!(
                "the source of `{}`, named by {}, cannot be compared with it",
                layout.name, claim.by
            ))
            .hint(format!("to adopt it without a source: `ba-agent skill adopt {} --no-source`", layout.name))
        })?;
        let Some(candidate) = gathered.candidates.into_iter().next() else { continue };
        let source = candidate.resolved.source.clone();
        if sources.iter().any(|known| known.is_same_as(&source)) {
            continue;
        }
        sources.push(source);
        let mut comparison = compare::compare(&candidate, &layout, &world.settings.limits)?;
        let is_same = comparison.edits.is_empty();
        if !is_same && is_as_promised(&layout, claim.integrity.as_ref()) {
            comparison.note = Some("its files are those of the lock file; its source has changed since");
        }
        if first.is_none() || is_same {
            first = Some((claim, candidate, comparison));
        }
        if is_same {
            break;
        }
    }
    Ok(match first {
        Some((claim, wanted, comparison)) => {
            let reason = reason_of_choice(sources.len(), comparison.edits.is_empty());
            Adoption { layout, wanted, named_by: Some(claim.by), reason, comparison, before: None }
        }
        None => Adoption::as_found(layout, found),
    })
}

/// Why one of several sources was taken; nothing where there was only one.
fn reason_of_choice(named: usize, is_same: bool) -> Option<String> {
    match (named, is_same) {
        (0 | 1, _) => None,
        (_, false) => Some("the first of several that are named; none has the same files".to_owned()),
        (2, true) => Some("another is named too, whose files differ".to_owned()),
        (more, true) => Some(format!("{} others are named too, whose files differ", more - 1)),
    }
}

/// A skill without a source is what its author has: recorded as it is now.
fn adopt_again(
    name: SkillName,
    registry: &Registry,
    session: &Session<'_>,
    options: &AdoptOptions,
    world: &World<'_>,
) -> Result<Option<Adoption>> {
    let entry = registry.skills[&name].clone();
    let roots = session.places.roots_of(&entry)?;
    let folders: Vec<_> = roots.iter().map(|root| root.join(name.as_str())).collect();
    let Some(folder) = folders.first().filter(|folder| folder.is_dir()).cloned() else {
        return Err(error!(NotFound, "the folder of `{name}` is missing, and it has no source")
            .hint(format!("`ba-agent skill rollback {name}` may have it")));
    };
    let layout = Layout {
        files: install_state::hash_folder(&folder)?,
        folder,
        targets: entry
            .targets
            .iter()
            .map(|text| ba_agent_core::agents::InstallTarget::parse(text))
            .collect::<Result<_>>()?,
        mode: entry.mode,
        paths: folders.iter().map(|folder| session.places.shown_to_user(folder)).collect(),
        name,
    };
    let found = candidate_in_place(&layout, &options.allow, session, world)?;
    if found.digest()?.0 == entry.digest {
        session.note(&format!("`{}` is as it was adopted", layout.name));
        return Ok(None);
    }
    Ok(Some(Adoption { before: Some(entry), ..Adoption::as_found(layout, found) }))
}

/// Asks of each skill that differs from its source; with nobody to ask, those that were not agreed
/// to in advance are an error.
fn agree(adoptions: &[Adoption], options: &AdoptOptions, ask: &mut dyn Ask) -> Result<()> {
    let edited: Vec<&Adoption> = adoptions.iter().filter(|one| !one.comparison.edits.is_empty()).collect();
    if edited.is_empty() || options.force || options.dry_run {
        return Ok(());
    }
    match ask.attendance() {
        Attendance::Agrees => Ok(()),
        Attendance::Nobody => Err(error_of_edits(&edited)),
        Attendance::Person => {
            for one in edited {
                let source = gather::spoken_source_name(&one.wanted.resolved);
                let note = one.comparison.note.map(|note| format!(" ({note})")).unwrap_or_default();
                let changed = |edit: &FileDiff| format!("{} {}", edit.what.status_letter(), edit.path);
                let files: Vec<String> = one.comparison.edits.iter().map(changed).collect();
                let files: Vec<&str> = files.iter().map(String::as_str).collect();
                let name = &one.layout.name;
                let question = format!(
                    "`{name}` differs from {source} in {}{note}. Adopt it as edited?",
                    list_some(&files, 5)
                );
                if !ask.consent(&question, Some(&|| Ok(one.comparison.diffs.clone())))? {
                    return Err(error!(Conflict, "`{}` was not adopted, and nothing else", one.layout.name)
                        .hint("name only those that you want"));
                }
            }
            Ok(())
        }
    }
}

fn error_of_edits(edited: &[&Adoption]) -> Error {
    let mut error = match edited {
        [one] => error!(
            Conflict,
            "`{}` is not what its source has: {}",
            one.layout.name,
            gather::spoken_source_name(&one.wanted.resolved)
        ),
        several => error!(Conflict, "{} are not what their sources have", count_noun(several.len(), "skill")),
    };
    for one in edited {
        if let Some(note) = one.comparison.note {
            error = error.cause(format!("{}: {note}", one.layout.name));
        }
        for edit in one.comparison.edits.iter().take(10) {
            error = error.cause(format!(
                "{}: {} {}",
                one.layout.name,
                edit.what.status_letter(),
                printable(&edit.path, false)
            ));
        }
    }
    let name = edited.first().map(|one| one.layout.name.to_string()).unwrap_or_default();
    error
        .hint(format!("see how it differs with `ba-agent skill adopt {name} --dry-run`"))
        .hint("with `--force` (or `--yes`) it is adopted as edited: `diff` and `verify` go on showing the edits")
        .hint("with `--source SOURCE` it is held against another source, with `--no-source` against none")
}

/// Records everything in one change. What stands on the disk is looked at once more under the lock.
fn record(session: &Session<'_>, adoptions: &[Adoption], registry: &Registry) -> Result<()> {
    let transaction = session.begin()?;
    for (one, is_as_before) in adoptions.iter().zip(still_lie_there(adoptions, session)?) {
        let recorded = |registry: &Registry| registry.skills.get(&one.layout.name).cloned();
        if !is_as_before || recorded(transaction.registry()) != recorded(registry) {
            return Err(error!(Conflict, "`{}` was changed while it was being adopted", one.layout.name)
                .hint("nothing was recorded; run the command again"));
        }
    }
    let steps = adoptions.iter().map(Adoption::step).collect();
    apply::apply(Plan { steps }, transaction, session, "adopt")?;
    for one in adoptions {
        keep_in_cache(&one.wanted, &session.cache);
    }
    Ok(())
}

/// Of each adoption whether its folders and links are as they were looked at.
fn still_lie_there(adoptions: &[Adoption], session: &Session<'_>) -> Result<Vec<bool>> {
    let paths: BTreeSet<&String> = adoptions.iter().flat_map(|one| &one.layout.paths).collect();
    let mut found = look_for_unmanaged(session)?;
    found.retain(|found| paths.contains(&found.path));
    let now = find_layouts(&found, &session.places);
    let is_as_before = |one: &Adoption| match one.before {
        Some(_) => {
            install_state::hash_folder(&one.layout.folder).is_ok_and(|files| files == one.layout.files)
        }
        None => matches!(now.get(one.layout.name.as_str()), Some(Ok(now)) if *now == one.layout),
    };
    Ok(adoptions.iter().map(is_as_before).collect())
}

/// Keeps what was recorded, so that `diff` and a restore need no host. Nobody waits for it.
fn keep_in_cache(wanted: &Candidate, cache: &Cache) {
    let Ok((digest, files)) = wanted.digest() else { return };
    if !cache.has(digest) {
        let bytes: Result<Vec<Vec<u8>>> = files.keys().map(|path| wanted.read_or_link(path)).collect();
        if let Ok(bytes) = bytes {
            cache.put(digest, files, &bytes);
        }
    }
}

impl Adoption {
    /// A skill that is recorded as it was found, held against nothing.
    fn as_found(layout: Layout, wanted: Candidate) -> Self {
        let comparison = Comparison::default();
        Self { layout, wanted, named_by: None, reason: None, comparison, before: None }
    }

    fn step(&self) -> Step {
        let wanted = Wanted {
            candidate: self.wanted.clone(),
            targets: self.layout.targets.clone(),
            mode: self.layout.mode,
            pinned: false,
            enabled: true,
            keep: 0,
            reason: InstallReason::Kept,
        };
        Step {
            name: self.layout.name.clone(),
            action: Action::Adopt,
            content: Some(Content::Found(Box::new(wanted))),
            before: self.before.clone(),
            gives_up_edits: false,
        }
    }

    fn into_report(self, now: jiff::Timestamp) -> Result<AdoptedSkill> {
        let (digest, files) = self.wanted.digest()?.clone();
        let mut entry = self.wanted.record(digest, files, now);
        entry.mode = self.layout.mode;
        entry.targets = self.layout.targets.iter().map(ToString::to_string).collect();
        Ok(AdoptedSkill {
            name: self.layout.name,
            places: self.layout.paths.iter().map(|path| folder_above(path)).collect(),
            entry,
            named_by: self.named_by,
            reason: self.reason,
            edits: self.comparison.edits,
            diffs: self.comparison.diffs,
        })
    }
}

fn folder_above(path: &str) -> String {
    path.rsplit_once('/').map_or(path, |(above, _)| above).to_owned()
}
