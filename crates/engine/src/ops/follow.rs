//! From what skills need to the skills themselves: of the same source at the same commit, where
//! that came along; of the place that is named; of the registry; of the one marketplace that has
//! it. Another repository than the asker's is only asked with somebody's consent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use semver::{Version, VersionReq};
use wildmatch::WildMatch;

use super::ask::{Ask, Attendance};
use super::gather::{Candidate, Choice, KnownNames, SkillRequest};
use super::marketplace;
use crate::fetch::World;
use crate::fetch::remote_registry::RemoteRegistry;
use crate::fetch::typed_host::is_same_place;
use crate::settings::remote_registries::RemoteRegistries;
use crate::settings::runtime::CyclicAction;
use crate::skill_graph::{find_by_own_name, recorded_version};
use crate::store::marketplaces::Marketplaces;
use crate::workspace::Session;
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{DependencyRecord, Registry};
use ba_agent_core::resolver::{
    Answer, ChosenVersion, Requirement, Resolution, VersionConflict, arrange_skills, is_in_all_ranges,
    resolve_skills,
};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Reference, RegistryChoice, Request, Resolved, Revision, Sha, Source};
use ba_agent_core::text::{count_noun, list_some};
use ba_agent_core::version::{parse_label, version_in_tag};

/// What comes along with the skills that were asked for.
#[derive(Debug, Default)]
pub(crate) struct NeededSkills {
    pub(crate) candidates: Vec<Candidate>,
    /// Of each needed skill, also of those that were there, who needs it.
    pub(crate) needed_by: BTreeMap<String, Vec<String>>,
}

/// Circles that are told by name; the others are counted.
const CYCLES_TOLD: usize = 3;

/// Where needed skills are looked for.
pub(crate) struct Surroundings<'a> {
    pub(crate) session: &'a Session<'a>,
    pub(crate) world: &'a World<'a>,
    pub(crate) registry: &'a Registry,
    pub(crate) marketplaces: &'a Marketplaces,
}

/// The names that need not be brought: they are installed.
pub(crate) fn installed_names(registry: &Registry) -> KnownNames {
    Arc::new(registry.skills.keys().map(SkillName::to_string).collect())
}

/// Finds everything that `asked` need, and what that needs in turn; `at_hand` came along with them
/// from the same sources.
///
/// # Errors
/// `Conflict` for what is nowhere, for ranges that exclude each other, for another repository that
/// nobody agrees to, and for circles where those are to stop everything; those of fetching.
pub(crate) fn follow_dependencies(
    asked: &[Candidate],
    at_hand: Vec<Candidate>,
    around: &Surroundings<'_>,
    ask: &mut dyn Ask,
) -> Result<NeededSkills> {
    if asked.iter().all(|candidate| candidate.needs().skills.is_empty()) {
        return Ok(NeededSkills::default());
    }
    let mut finder =
        NeedFinder { around, ask, known: BTreeMap::new(), said: BTreeMap::new(), began: Instant::now() };
    let mut roots = BTreeMap::new();
    for candidate in asked {
        roots.insert(candidate.name.to_string(), finder.note_needs(candidate));
    }
    for candidate in at_hand {
        finder.known.entry(candidate.name.to_string()).or_insert(candidate);
    }
    let asked_names: BTreeSet<String> = roots.keys().cloned().collect();
    let resolution = resolve_skills(roots, &mut |due| finder.answer(due))?;
    let NeedFinder { mut known, .. } = finder;
    check_resolution(&resolution)?;
    report_cycles(&resolution, around.session)?;
    let mut needed = NeededSkills::default();
    for (name, choice) in &resolution.chosen {
        for (other, _) in &choice.needs {
            needed.needed_by.entry(other.clone()).or_default().push(name.clone());
        }
        if !asked_names.contains(name) {
            needed.candidates.extend(known.remove(name));
        }
    }
    needed.needed_by.values_mut().for_each(|by| by.dedup());
    Ok(needed)
}

struct NeedFinder<'f, 'a> {
    around: &'f Surroundings<'a>,
    ask: &'f mut dyn Ask,
    /// What was fetched, by its name.
    known: BTreeMap<String, Candidate>,
    /// What is said of a needed skill, by whom and where that one comes from.
    said: BTreeMap<String, Vec<SaidNeed>>,
    began: Instant,
}

/// A need as one skill says it.
struct SaidNeed {
    by: String,
    record: DependencyRecord,
    /// Where the one that says it comes from.
    asker: Arc<Resolved>,
    /// The folder of the needed one in the same source.
    folder: Option<RelPath>,
}

/// Where a needed skill is asked for.
struct NeedRequest {
    request: Request,
    commit: Option<Sha>,
    /// What it is called there.
    word: String,
}

impl NeedFinder<'_, '_> {
    /// A candidate as the resolver sees it.
    fn note_needs(&mut self, candidate: &Candidate) -> ChosenVersion {
        let by = candidate.name.to_string();
        let version = version_of(candidate);
        let by_version = version.as_ref().map(Version::to_string);
        let mut needs = Vec::new();
        for need in candidate.needs().skills.iter().filter(|need| !need.record.optional) {
            let record = &need.record;
            // A range of a plugin is about the plugin, whose version was chosen already.
            let range = record.range.as_ref().filter(|_| record.plugin.is_none());
            let range = range.and_then(|range| VersionReq::parse(range).ok());
            let requirement = Requirement {
                by: by.clone(),
                by_version: by_version.clone(),
                range,
                place: place_of(candidate, record),
            };
            needs.push((record.name.clone(), requirement));
            let said = SaidNeed {
                by: by.clone(),
                record: record.clone(),
                asker: Arc::clone(&candidate.resolved),
                folder: need.folder.clone(),
            };
            self.said.entry(record.name.clone()).or_default().push(said);
        }
        ChosenVersion { version, needs }
    }

    fn answer(&mut self, due: &[(&str, &[Requirement])]) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for (name, requirements) in due {
            self.check_time()?;
            answers.push(self.answer_one(name, requirements)?);
        }
        Ok(answers)
    }

    /// # Errors
    /// `Network` where the time that the settings give is over.
    fn check_time(&self) -> Result<()> {
        let session = self.around.session;
        session.observer.check_cancelled()?;
        let most = session.settings.loader.dependency.resolution_timeout;
        // A first repository is always waited for: the time of one connection is the client's affair.
        if self.known.is_empty() || self.began.elapsed() < Duration::from_millis(most) {
            return Ok(());
        }
        Err(error!(Network, "what the skills need was not found within {most} ms")
            .hint("`loader.dependency.resolution_timeout` in the settings gives it more time")
            .hint(NO_DEPS))
    }

    fn answer_one(&mut self, name: &str, requirements: &[Requirement]) -> Result<Answer> {
        if let Some((_, entry)) = find_by_own_name(name, self.around.registry) {
            let version = recorded_version(entry);
            if !entry.enabled {
                let text = format!("`{name}` is installed and disabled: `ba-agent skill enable {name}`");
                self.around.session.warn(&text);
            }
            return Ok(match is_in_all_ranges(version.as_ref(), requirements) {
                // What it needs in turn is the affair of the command that installed it.
                true => Answer::Chosen(ChosenVersion { version, needs: Vec::new() }),
                false => Answer::Excluded(version.into_iter().collect()),
            });
        }
        if let Some(candidate) = self.known.get(name).cloned() {
            let version = version_of(&candidate);
            if is_in_all_ranges(version.as_ref(), requirements) {
                return Ok(Answer::Chosen(self.note_needs(&candidate)));
            }
            if candidate.resolved.source == self.asker_of(name) {
                return Ok(Answer::Excluded(version.into_iter().collect()));
            }
        }
        self.fetch(name, requirements)
    }

    /// The source of the first skill that needs this one.
    fn asker_of(&self, name: &str) -> Source {
        let first = self.said.get(name).and_then(|said| said.first());
        first.map_or_else(|| Source::Own { name: name.to_owned() }, |said| said.asker.source.clone())
    }

    /// Fetches a skill from where it is said to be, or from the one marketplace that has it.
    fn fetch(&mut self, name: &str, requirements: &[Requirement]) -> Result<Answer> {
        let Some(NeedRequest { request, commit, word }) = self.request_of(name, requirements)? else {
            return Ok(Answer::Missing);
        };
        self.check_consent(name, &request)?;
        let request = SkillRequest {
            choice: Choice::Named(vec![word]),
            commit,
            follow: Some(installed_names(self.around.registry)),
            ..SkillRequest::of(request)
        };
        let (all, world) = (self.around.marketplaces, self.around.world);
        let fetched = marketplace::gather(&request, all, world, &mut |_| Ok(Vec::new()));
        let gathered = match fetched {
            Ok(gathered) => gathered,
            Err(error) if error.kind == Kind::NotFound && request.request.reference != Reference::Default => {
                return self.published(name, request);
            }
            Err(error) if error.kind == Kind::NotFound => return Ok(Answer::Missing),
            Err(error) => return Err(with_asker(error, name, requirements)),
        };
        for candidate in gathered.needed {
            self.known.entry(candidate.name.to_string()).or_insert(candidate);
        }
        let Some(candidate) = gathered.candidates.into_iter().next() else { return Ok(Answer::Missing) };

        let choice = self.note_needs(&candidate);
        self.known.insert(name.to_owned(), candidate);
        Ok(match is_in_all_ranges(choice.version.as_ref(), requirements) {
            true => Answer::Chosen(choice),
            false => Answer::Excluded(choice.version.into_iter().collect()),
        })
    }

    /// What there is of a skill of which no version is in the ranges.
    fn published(&self, name: &str, request: SkillRequest) -> Result<Answer> {
        let request = Request { reference: Reference::Default, ..request.request };
        if let Some((RegistryChoice::At(url), skill)) = request.source.as_registry_skill() {
            return match RemoteRegistry::open(url, self.around.world)?.versions(skill) {
                Ok(known) => {
                    let offered = known.lines.iter().filter(|line| line.is_offered());
                    let mut all: Vec<Version> = offered.map(|line| line.version.clone()).collect();
                    all.sort();
                    Ok(Answer::Excluded(all))
                }
                Err(error) if error.kind == Kind::NotFound => Ok(Answer::Missing),
                Err(error) => Err(error),
            };
        }
        let mut published = match crate::fetch::open_source(
            &request,
            crate::fetch::OpenOptions::default(),
            self.around.world,
        ) {
            Ok(opened) => opened.tags(),
            Err(error) if error.kind == Kind::NotFound => return Ok(Answer::Missing),
            Err(error) => return Err(error),
        }
        .iter()
        .filter_map(|tag| version_in_tag(tag, name))
        .collect::<Vec<_>>();
        published.sort();
        published.dedup();
        Ok(Answer::Excluded(published))
    }

    /// Where a needed skill is asked for; `None` where nobody knows.
    fn request_of(&self, name: &str, requirements: &[Requirement]) -> Result<Option<NeedRequest>> {
        let said = self.said.get(name).map_or(&[][..], Vec::as_slice);
        let beside = said.iter().find_map(|one| Some((one, one.folder.as_ref()?)));
        if let Some((one, folder)) = beside {
            return Ok(Some(request_beside(&one.asker, folder)));
        }
        let by_name = |request| Some(NeedRequest { request, commit: None, word: name.to_owned() });
        let mut places: Vec<(&str, Request)> = Vec::new();
        for SaidNeed { by, record, .. } in said {
            let request = match (&record.marketplace, &record.source) {
                (Some(marketplace), _) if self.around.marketplaces.get(marketplace).is_ok() => {
                    request_of_entry(&record.name, marketplace)
                }
                (Some(_), _) => continue,
                (None, Some(source)) => self.with_registry_of_owner(Request::parse(source)?)?,
                (None, None) => continue,
            };
            if places.iter().all(|(_, known)| known.source != request.source) {
                places.push((by, request));
            }
        }
        let reference = range_of(requirements);
        match places.as_slice() {
            [] => match marketplace::locate(name, self.around.marketplaces, self.around.world) {
                Ok(Source::Marketplace { entry, marketplace }) => {
                    Ok(by_name(request_of_entry(&entry, &marketplace)))
                }
                Ok(_) => Ok(None),
                Err(error) if matches!(error.kind, Kind::NotFound | Kind::Usage) => Ok(None),
                Err(error) => Err(error),
            },
            [(_, request)] => {
                let has_versions = request.source.is_git() || request.source.as_registry_skill().is_some();
                let takes_range = has_versions && request.reference == Reference::Default;
                let reference = if takes_range { reference } else { request.reference.clone() };
                Ok(by_name(Request { reference, ..request.clone() }))
            }
            [(one, from), (other, elsewhere), ..] => {
                Err(error!(Conflict, "`{one}` and `{other}` need `{name}` from different sources")
                    .cause(format!("{one} needs it from {}", from.source))
                    .cause(format!("{other} needs it from {}", elsewhere.source))
                    .hint(NO_DEPS))
            }
        }
    }

    /// The same request; of a registry's skill, of the registry to which the settings give its owner,
    /// whatever registry says that it is needed.
    fn with_registry_of_owner(&self, request: Request) -> Result<Request> {
        let registries = &self.around.session.settings.remote_registries;
        let Some((_, skill)) = request.source.as_registry_skill() else { return Ok(request) };
        match registries.owning(skill.owner()) {
            Some(one) => {
                let owned = RemoteRegistries::request_of(&one.url, skill);
                Ok(Request { source: owned.source, ..request })
            }
            None => registries.locate(request),
        }
    }

    /// # Errors
    /// `Conflict` where the repository is another one than that of who asks, and nobody agrees.
    fn check_consent(&mut self, name: &str, request: &Request) -> Result<()> {
        let said = self.said.get(name).map_or(&[][..], Vec::as_slice);
        let session = self.around.session;
        let hosts = &session.settings.hosts;
        let text = request.source.to_string();
        let allowed = &session.settings.loader.dependency.allow_sources;
        let is_allowed =
            |pattern: &String| WildMatch::new(pattern).matches(&text) || text == format!("github:{pattern}");
        // In a registry, what one owner publishes.
        let of_owner = |source: &Source| {
            let (registry, skill) = source.as_registry_skill()?;
            Some((registry.clone(), skill.owner().clone()))
        };
        let is_own = |said: &SaidNeed| {
            is_same_place(&said.asker.source, &request.source, hosts)
                || of_owner(&request.source).is_some_and(|own| of_owner(&said.asker.source) == Some(own))
        };
        if allowed.iter().any(is_allowed) || said.iter().any(is_own) {
            return Ok(());
        }
        let by = said.first().map_or("", |said| said.by.as_str());
        let shown = printable(&text, false);
        match self.ask.attendance() {
            Attendance::Agrees => return Ok(()),
            Attendance::Person => {
                let question =
                    format!("`{by}` needs `{name}` from {shown}, another source than its own. Fetch it?");
                if self.ask.confirm(&question)? {
                    return Ok(());
                }
            }
            Attendance::Nobody => {}
        }
        Err(error!(Conflict, "`{by}` needs `{name}` from {shown}, a source that needs a yes")
            .hint("`--yes` agrees to what is needed from other sources")
            .hint("the setting `loader.dependency.allow_sources` names those that need no question")
            .hint(NO_DEPS))
    }
}

pub(crate) const NO_DEPS: &str = "`--no-deps` installs without following dependencies";

/// A skill of the same source at the same commit, by its folder.
fn request_beside(asker: &Resolved, folder: &RelPath) -> NeedRequest {
    let request = Request {
        source: asker.source.clone(),
        reference: asker.reference.clone(),
        subdirectory: None,
        skill: None,
    };
    let commit = match &asker.pin {
        Revision::Commit(sha) => Some(sha.clone()),
        _ => None,
    };
    NeedRequest { request, commit, word: folder.to_string() }
}

pub(crate) fn request_of_entry(entry: &str, marketplace: &str) -> Request {
    let source = Source::Marketplace { entry: entry.to_owned(), marketplace: marketplace.to_owned() };
    Request { source, reference: Reference::Default, subdirectory: None, skill: None }
}

/// The ranges of all, as one.
pub(crate) fn range_of(requirements: &[Requirement]) -> Reference {
    let ranges = requirements.iter().filter_map(|one| one.range.as_ref());
    let mut comparators: Vec<semver::Comparator> = Vec::new();
    for comparator in ranges.flat_map(|range| &range.comparators) {
        if !comparators.contains(comparator) {
            comparators.push(comparator.clone());
        }
    }
    match comparators.is_empty() {
        true => Reference::Default,
        false => Reference::Range(VersionReq { comparators }),
    }
}

/// The version of a candidate: of the tag that was chosen for a range, else what it says of
/// itself, else what its tag says.
pub(crate) fn version_of(candidate: &Candidate) -> Option<Version> {
    let tag = candidate.resolved.chosen.as_deref();
    let of_tag = tag.and_then(|tag| version_in_tag(tag, candidate.name.as_str()));
    let own = candidate.document.frontmatter.as_ref().and_then(|front| front.version.as_deref());
    let own = own.and_then(parse_label);
    match candidate.resolved.reference {
        Reference::Range(_) => of_tag.or(own),
        _ => own.or(of_tag),
    }
}

/// Where a need is said, from the top of the source: `skills/a/SKILL.md:5, `requires``.
fn place_of(candidate: &Candidate, record: &DependencyRecord) -> String {
    let file = candidate.folder.file(&record.at);
    match &record.key {
        Some(key) => format!("{file}, `{}`", printable(key, false)),
        None => format!("{file}, a link"),
    }
}

/// # Errors
/// `Conflict` for what is missing and for ranges that exclude each other.
fn check_resolution(resolution: &Resolution) -> Result<()> {
    if let Some(conflict) = resolution.conflicts.first() {
        return Err(error_of_conflict(conflict));
    }
    let mut missing = resolution.missing.iter();
    let Some((first, by)) = missing.next() else { return Ok(()) };
    let others = missing.len();
    let asker = by.first().map_or("", |one| one.by.as_str());
    let mut error = match others {
        0 => error!(Conflict, "`{asker}` needs the skill `{first}`, which is nowhere to be found"),
        _ => error!(Conflict, "{} are nowhere to be found", count_noun(others + 1, "needed skill")),
    };
    for (name, by) in &resolution.missing {
        for one in by {
            error = error.cause(describe_requirement(name, one));
        }
    }
    Err(error
        .hint("it was looked for in the source of the skill that needs it, among the installed ones and in the marketplaces")
        .hint(NO_DEPS))
}

/// The error for ranges that no version is in, as the people see it who have to choose.
pub(crate) fn error_of_conflict(conflict: &VersionConflict) -> Error {
    let name = &conflict.name;
    let mut by: Vec<&str> = conflict.requirements.iter().map(|one| one.by.as_str()).collect();
    by.dedup();
    let mut error = match by.as_slice() {
        [one, other] => {
            error!(Conflict, "`{one}` and `{other}` need versions of `{name}` that exclude each other")
        }
        [one] => error!(Conflict, "`{one}` needs a version of `{name}` that does not exist"),
        _ => error!(Conflict, "{} need versions of `{name}` that exclude each other", list_some(&by, 5)),
    };
    let last = conflict.requirements.len().saturating_sub(1);
    let published: Vec<String> = conflict.published.iter().map(Version::to_string).collect();
    let published = match published.as_slice() {
        [] => "no version is published".to_owned(),
        some => format!("published: {}", some.join(", ")),
    };
    for (at, one) in conflict.requirements.iter().enumerate() {
        let told = describe_requirement(name, one);
        error = error.cause(if at == last { format!("{told}; {published}") } else { told });
    }
    if let [_, other] = by.as_slice() {
        error =
            error.hint(format!("install one of them elsewhere: `ba-agent skill install {other} --global`"));
    }
    error.hint(NO_DEPS)
}

/// `report-kit 2.1.0 needs charts ^1.2 (skills/report-kit/SKILL.md:5, `requires`)`.
fn describe_requirement(name: &str, one: &Requirement) -> String {
    let version = one.by_version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let range = one.range.as_ref().map(|range| format!(" {range}")).unwrap_or_default();
    format!("{}{version} needs {name}{range} ({})", one.by, one.place)
}

/// Tells of circles, or refuses them.
fn report_cycles(resolution: &Resolution, session: &Session<'_>) -> Result<()> {
    let needs: BTreeMap<&str, Vec<&str>> = resolution
        .chosen
        .iter()
        .map(|(name, one)| (name.as_str(), one.needs.iter().map(|(name, _)| name.as_str()).collect()))
        .collect();
    let cycles = arrange_skills(&needs).cycles;
    if let Some(first) = cycles.first()
        && session.settings.loader.dependency.cyclic_dependency_action == CyclicAction::FailFast
    {
        return Err(error!(Conflict, "skills need each other in a circle: {}", first.join(" -> "))
            .cause("the setting `loader.dependency.cyclic_dependency_action` is `fail_fast`")
            .hint(NO_DEPS));
    }
    for cycle in cycles.iter().take(CYCLES_TOLD) {
        session.note(&format!("these skills need each other: {}", cycle.join(" -> ")));
    }
    if cycles.len() > CYCLES_TOLD {
        let more = count_noun(cycles.len() - CYCLES_TOLD, "such circle");
        session.note(&format!("{more} more: `ba-agent skill tree` shows them"));
    }
    Ok(())
}

/// An error of fetching, with the skill for which it was done.
fn with_asker(error: Error, name: &str, requirements: &[Requirement]) -> Error {
    let by = requirements.first().map_or("", |one| one.by.as_str());
    error.wrap(format!("`{name}`, which `{by}` needs, cannot be fetched"))
}
