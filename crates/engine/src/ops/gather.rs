//! Deeds: requests to candidates. Names are known only after fetching, so this fetches,
//! looks for skills in what came, and picks the ones that were meant.

mod folders;
mod needed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use semver::Version;
use serde::Serialize;
use wildmatch::WildMatch;

use crate::fetch::{self, FetchedPackage, OpenOptions, PackageSource, World, obstacle};
use crate::unmanaged::UnmanagedSkill;
use ba_agent_core::dependency::{PluginNeed, SkillNeed, SkillNeeds};
use ba_agent_core::digest::{self, Digest, Files};
use ba_agent_core::discover::{self, FoundSkill, UnnamedSkill};
use ba_agent_core::error::{Context as _, Error, Kind, Result, error, printable};
use ba_agent_core::listing::{Limits, Listing, Node, check_portable};
use ba_agent_core::package::{Package, PackageDir};
use ba_agent_core::path::{RelPath, ancestor_folders};
use ba_agent_core::registry::{
    FileRecords, InstallMode, LockEntry, MarketplaceOrigin, ReferenceRecord, RevisionRecord, SkillSummary,
};
use ba_agent_core::skill::{self, Finding, Profile, Severity, SkillManifest, SkillName};
use ba_agent_core::source::{Reference, Request, Resolved, Revision, Sha, Source};
use ba_agent_core::text::{count_noun, find_nearest, list_some};

use ba_agent_git::Extent;

use ba_agent_system::parallel;
pub(crate) use folders::gather_each;
pub use needed::KnownNames;

/// One source and what is wanted from it.
#[derive(Debug, Clone)]
pub struct SkillRequest {
    pub request: Request,
    pub choice: Choice,
    /// `--as`.
    pub alias: Option<SkillName>,
    /// What an archive's bytes must hash to.
    pub integrity: Option<Digest>,
    /// The commit to take, whatever the reference is by now.
    pub commit: Option<Sha>,
    /// `--link`: the local folder itself, not a copy.
    pub live: bool,
    /// Fail on invalid skills instead of leaving them out of `--all`.
    pub strict: bool,
    /// Codes of findings that may pass.
    pub allow: Vec<String>,
    /// Bring what the chosen ones need of the same source, but for these names.
    pub follow: Option<KnownNames>,
}

impl SkillRequest {
    /// Everything as usual: the only skill, under its own name.
    pub fn of(request: Request) -> Self {
        Self {
            request,
            choice: Choice::Only,
            alias: None,
            integrity: None,
            commit: None,
            live: false,
            strict: false,
            allow: Vec::new(),
            follow: None,
        }
    }
}

/// Which skills of a source are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The only one; with several, ask.
    Only,
    /// The only one; with several, an error that names them, before any file of them is fetched.
    Sole,
    Named(Vec<String>),
    All,
}

/// A skill that can be chosen.
#[derive(Debug, Clone, Serialize)]
pub struct Offer {
    pub name: SkillName,
    /// Its folder in the source.
    pub path: String,
    pub description: String,
    /// Why it cannot be installed, where that is known by its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl Offer {
    /// A skill that lies in a skills folder; `None` where its folder has no name for a skill.
    pub(crate) fn of_folder(found: &UnmanagedSkill) -> Option<Self> {
        Some(Self {
            name: found.name.parse().ok()?,
            path: found.path.clone(),
            description: found.path.clone(),
            fault: None,
        })
    }
}

/// A skill that could be installed: its files and everything known of it.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub name: SkillName,
    /// What it is called among all skills of its source, where all were looked at.
    pub(crate) given: Option<SkillName>,
    /// The name it gives itself, where it gets another.
    pub(crate) alias_of: Option<String>,
    pub(crate) fetched: Arc<FetchedPackage>,
    /// Its folder in the package.
    pub(crate) folder: RelPath,
    pub(crate) resolved: Arc<Resolved>,
    pub(crate) document: SkillManifest,
    pub(crate) marketplace: Option<MarketplaceOrigin>,
    /// A branch or tag gave the commit, or one was found to lead to it.
    reachable: bool,
    manifest: String,
    allow: Vec<String>,
    live: Option<PathBuf>,
    digest: OnceLock<(Digest, Files)>,
    needs: OnceLock<Arc<SkillNeeds>>,
}

/// What came of one [`SkillRequest`].
#[derive(Debug)]
pub struct Gathered {
    pub(crate) resolved: Arc<Resolved>,
    pub candidates: Vec<Candidate>,
    /// What the candidates need of the same source, where that was to come along.
    pub(crate) needed: Vec<Candidate>,
    pub(crate) skipped: Vec<Skipped>,
    /// Skills that the source offers.
    pub(crate) found: usize,
    /// What is odd about the way that led here, one sentence each.
    pub(crate) notes: Vec<String>,
    /// The plugin of a marketplace that they are of.
    pub(crate) plugin: Option<GatheredPlugin>,
}

/// A plugin of a marketplace, as far as others need it and it needs others.
#[derive(Debug, Clone)]
pub(crate) struct GatheredPlugin {
    pub(crate) origin: MarketplaceOrigin,
    pub(crate) version: Option<Version>,
    pub(crate) needs: Vec<PluginNeed>,
}

/// An invalid skill that `--all` leaves out.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    pub(crate) path: String,
    pub(crate) reason: String,
}

impl Skipped {
    /// Where it is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Why it is left out.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Gathered {
    /// What went on all the same, one sentence each.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let of = |candidate: &Candidate| {
            let name = candidate.name.clone();
            candidate
                .document
                .findings
                .iter()
                .filter(|finding| finding.severity == Severity::Warning)
                .map(|finding| format!("{name}: {finding}"))
                .collect::<Vec<_>>()
        };
        self.notes.iter().cloned().chain(self.candidates.iter().flat_map(of)).collect()
    }
}

/// Fetches what `ask` names and picks the skills that are meant. `choose` is asked when
/// there are several and none was named; it answers with positions.
///
/// # Errors
/// Those of fetching; `NotFound` for a name or folder that is not there, `Invalid` for a
/// chosen skill that breaks the rules and for an archive without a skill.
pub fn gather(
    ask: &SkillRequest,
    world: &World<'_>,
    choose: &mut dyn FnMut(&[Offer]) -> Result<Vec<usize>>,
) -> Result<Gathered> {
    let mut looked = look(ask, world)?;
    looked.choose(choose)?;
    looked.gather(&world.settings.limits)
}

/// A source whose skills are known. Looking and gathering may be done for several sources at
/// once; between them a person may be asked, which is one question after the other.
pub struct SourceSkills<'w> {
    ask: SkillRequest,
    source: SkillSource<'w>,
    chosen: Vec<usize>,
}

/// Opens what `ask` names and finds its skills.
///
/// # Errors
/// Those of [`gather`].
pub(crate) fn look<'w>(ask: &SkillRequest, world: &'w World<'w>) -> Result<SourceSkills<'w>> {
    let skill = match &ask.choice {
        Choice::Named(names) if names.len() == 1 => {
            names.first().map(String::as_str).filter(|name| !is_pattern(name))
        }
        _ => None,
    };
    let extent = if is_few(ask) { Extent::Partial } else { Extent::Full };
    let (integrity, commit) = (ask.integrity.as_ref(), ask.commit.as_ref());
    let source = fetch::open_source(
        &ask.request,
        OpenOptions { skill, integrity, commit, extent, ..OpenOptions::default() },
        world,
    )?;
    look_in(ask, source, None, world)
}

/// Finds the skills of an opened source. With `only`, no others than those in these folders
/// can be chosen; names are given among all skills of the source all the same, so that they do
/// not depend on which of its entries was asked for.
///
/// # Errors
/// Those of [`gather`].
pub fn look_in<'w>(
    ask: &SkillRequest,
    opened: PackageSource<'w>,
    only: Option<&[RelPath]>,
    world: &World<'_>,
) -> Result<SourceSkills<'w>> {
    let source = SkillSource::look(ask, opened, only, world)?;
    Ok(SourceSkills { ask: ask.clone(), source, chosen: Vec::new() })
}

impl SourceSkills<'_> {
    /// Settles which of its skills are meant.
    ///
    /// # Errors
    /// `NotFound` or `Usage` for names that none or several have, and those of `choose`.
    pub fn choose(&mut self, choose: &mut dyn FnMut(&[Offer]) -> Result<Vec<usize>>) -> Result<()> {
        self.chosen = self.source.choose(&self.ask, choose)?;
        Ok(())
    }

    /// Fetches the chosen skills and holds them to the rules.
    ///
    /// # Errors
    /// Those of [`gather`].
    pub fn gather(self, limits: &Limits) -> Result<Gathered> {
        self.source.candidates(&self.ask, self.chosen, limits)
    }
}

/// At most this many names are listed in a message.
const LISTED: usize = 30;

/// True for a word that means every name that fits it: `*` is any text, `?` one character.
fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?'])
}

/// True when a part of a repository is probably enough.
fn is_few(ask: &SkillRequest) -> bool {
    matches!(ask.choice, Choice::Named(_) | Choice::Sole) || ask.request.subdirectory.is_some()
}

/// A fetched source and the skills in it.
struct SkillSource<'w> {
    opened: PackageSource<'w>,
    live: Option<PathBuf>,
    reachable: bool,
    skills: Vec<SourceSkill>,
    /// Skills that it offers; `skills` may have fewer, where the others need not be known.
    offered: usize,
}

/// A skill of a source, its manifest read.
#[derive(Debug)]
struct SourceSkill {
    found: FoundSkill,
    name: SkillName,
    document: SkillManifest,
}

impl SourceSkill {
    fn path(&self) -> String {
        if self.found.folder.is_root() { self.found.manifest.clone() } else { self.found.folder.to_string() }
    }

    /// True when a person who says `word` means this one: its name here, the name it gives
    /// itself, its folder's name or its whole path.
    fn is_called(&self, word: &str) -> bool {
        let folder = self.found.folder.as_str();
        // `plugin:skill`, as agents call a skill of a plugin.
        if let Some((plugin, skill)) = word.rsplit_once(':') {
            return folder.split('/').rev().skip(1).any(|above| above == plugin) && self.is_called(skill);
        }
        self.name.as_str() == word
            || self.document.frontmatter.as_ref().is_some_and(|f| f.name.as_deref() == Some(word))
            || folder == word
            || folder.rsplit('/').next() == Some(word)
    }

    /// True when nothing in its manifest stops an installation.
    fn is_sound(&self, allow: &[String]) -> Result<bool> {
        Ok(self.first_error(allow)?.is_none())
    }

    fn first_error(&self, allow: &[String]) -> Result<Option<String>> {
        let mut findings = self.document.findings.clone();
        skill::allow_findings(&mut findings, allow)?;
        let error = findings.iter().find(|finding| finding.severity == Severity::Error);
        Ok(error.map(ToString::to_string))
    }

    fn offer(&self, allow: &[String]) -> Result<Offer> {
        let description = self.document.frontmatter.as_ref().map_or("", |f| f.description.as_str());
        let (name, path, fault) = (self.name.clone(), self.path(), self.first_error(allow)?);
        Ok(Offer { name, path, description: description.to_owned(), fault })
    }
}

impl<'w> SkillSource<'w> {
    /// Finds the skills of a fetched source and reads their manifests.
    fn look(
        ask: &SkillRequest,
        mut opened: PackageSource<'w>,
        only: Option<&[RelPath]>,
        world: &World<'_>,
    ) -> Result<Self> {
        let base = opened.resolved.subdirectory.clone().unwrap_or(RelPath::ROOT);
        let mut found = discover::find_skills(opened.listing(), &base);
        discover::include_listed(opened.listing(), only.unwrap_or_default(), &mut found);
        if found.is_empty() {
            let obstacles = obstacle::find_obstacles(&mut opened, &base, world)?;
            let error = nothing_found(ask, &opened.resolved, opened.listing(), &base, obstacles.is_empty());
            return Err(obstacle::explain_obstacles(error, &obstacles, &opened.resolved, &base));
        }
        found.sort_by(|a, b| a.folder.cmp(&b.folder));
        let meant = |skill: &SourceSkill| only.is_none_or(|only| only.contains(&skill.found.folder));
        let offered =
            |found: &FoundSkill| found.offered && only.is_none_or(|only| only.contains(&found.folder));
        let offered = found.iter().filter(|found| offered(found)).count();
        let evident = if opened.is_partial() && only.is_none() {
            read_evident(ask, &found, &mut opened, world)?
        } else {
            None
        };
        let skills = match evident {
            Some(skills) => skills,
            None => read_all(found, !is_few(ask) || world.offline, &mut opened, world)?,
        };
        // Without `--link` too: a skill that is recorded as a live link may stay one.
        let live = match fetch::local_folder(&opened.resolved.source, world) {
            Err(error) if ask.live => return Err(error),
            folder => folder.ok(),
        };
        let reachable = is_reachable(&opened.resolved, world);
        let skills = skills.into_iter().filter(meant).collect();
        Ok(Self { skills, opened, live, reachable, offered })
    }

    /// Positions of the skills that are meant, in the order of their folders.
    fn choose(
        &self,
        ask: &SkillRequest,
        choose: &mut dyn FnMut(&[Offer]) -> Result<Vec<usize>>,
    ) -> Result<Vec<usize>> {
        let offered: Vec<usize> =
            (0..self.skills.len()).filter(|at| self.skills[*at].found.offered).collect();
        match &ask.choice {
            Choice::Named(words) => {
                let each = words.iter().map(|word| self.meant_by(word)).collect::<Result<Vec<_>>>()?;
                Ok(each.into_iter().flatten().collect())
            }
            Choice::All if offered.is_empty() => Ok((0..self.skills.len()).collect()),
            Choice::All => Ok(offered),
            Choice::Only | Choice::Sole if self.skills.len() == 1 => Ok(vec![0]),
            Choice::Only | Choice::Sole if offered.len() == 1 => Ok(offered),
            Choice::Sole => Err(self.must_be_named(&offered)),
            Choice::Only => {
                let offered = if offered.is_empty() { (0..self.skills.len()).collect() } else { offered };
                let offers: Vec<Offer> =
                    offered.iter().map(|at| self.skills[*at].offer(&ask.allow)).collect::<Result<_>>()?;
                let chosen = choose(&offers)?;
                Ok(chosen.into_iter().filter_map(|at| offered.get(at).copied()).collect())
            }
        }
    }

    /// The error for a source with several skills of which one is meant.
    fn must_be_named(&self, offered: &[usize]) -> Error {
        let names: Vec<&str> = offered.iter().map(|at| self.skills[*at].name.as_str()).collect();
        let source = self.spoken_repository_name();
        error!(Usage, "{source} has {}, and one of them must be named", count_noun(names.len(), "skill"))
            .hint("add `--skill NAME`")
            .hint(format!("it has {}", list_some(&names, LISTED)))
    }

    /// The skills that a word means: the one of that name, or all offered ones that fit a
    /// pattern such as `react-*`.
    fn meant_by(&self, word: &str) -> Result<Vec<usize>> {
        if !is_pattern(word) {
            return self.named(word).map(|at| vec![at]);
        }
        let pattern = WildMatch::new(word);
        let fits = |skill: &SourceSkill| {
            let folder = skill.found.folder.as_str();
            let last = folder.rsplit('/').next().unwrap_or_default();
            [skill.name.as_str(), folder, last].into_iter().any(|name| pattern.matches(name))
        };
        let skills = self.skills.iter().enumerate();
        let all: Vec<usize> =
            skills.filter(|(_, skill)| skill.found.offered && fits(skill)).map(|(at, _)| at).collect();
        if all.is_empty() { Err(self.unknown(word)) } else { Ok(all) }
    }

    /// The one skill that `word` names; offered ones go before those set aside.
    fn named(&self, word: &str) -> Result<usize> {
        let called = |offered: bool| -> Vec<usize> {
            let is =
                |at: &usize| self.skills[*at].found.offered == offered && self.skills[*at].is_called(word);
            let all: Vec<usize> = (0..self.skills.len()).filter(is).collect();
            // A name or folder that exactly one has is that one, whatever others call themselves.
            let by_name = all.iter().find(|at| self.skills[**at].name.as_str() == word);
            let by_folder = || all.iter().find(|at| self.skills[**at].found.folder == *word);
            by_name.or_else(by_folder).map_or(all.clone(), |at| vec![*at])
        };
        let candidates = Some(called(true)).filter(|all| !all.is_empty()).unwrap_or_else(|| called(false));
        match candidates.as_slice() {
            [at] => Ok(*at),
            [] => Err(self.unknown(word)),
            several => {
                let mut error = error!(
                    Usage,
                    "{} skills of {} are called `{word}`",
                    several.len(),
                    self.spoken_repository_name()
                );
                for at in several {
                    error = error.cause(self.skills[*at].path());
                }
                Err(error.hint("specify one by its folder: `--skill PATH`, or SOURCE/PATH"))
            }
        }
    }

    fn unknown(&self, word: &str) -> Error {
        // As many as everywhere else are said to be there: those that are set aside do not count.
        let is_any_offered = self.skills.iter().any(|skill| skill.found.offered);
        let skills = self.skills.iter().filter(|skill| skill.found.offered || !is_any_offered);
        let names: Vec<&str> = skills.map(|skill| skill.name.as_str()).collect();
        let named = if is_pattern(word) { "that fits" } else { "named" };
        let mut error = error!(
            NotFound,
            "{} has no skill {named} `{}`",
            self.spoken_repository_name(),
            printable(word, false)
        );
        if let Some(near) = find_nearest(word, names.iter().copied()) {
            error = error.hint(format!("did you mean `{near}`?"));
        }
        if self.opened.has_ref(word) {
            let source = match &self.opened.resolved.source {
                Source::Github { owner, repo } => format!("{owner}/{repo}"),
                source => source.to_string(),
            };
            let word = printable(word, false);
            error = error.hint(format!(
                "`{word}` is a branch or tag: its skills are in `ba-agent skill install {source}#{word}`"
            ));
        }
        error.hint(format!("it has {}: {}", count_noun(names.len(), "skill"), list_some(&names, LISTED)))
    }

    fn spoken_repository_name(&self) -> String {
        self.opened.resolved.source.display_name()
    }

    /// The chosen skills as candidates, all their files at hand; invalid ones are left out of
    /// "all", and of several that were chosen from a list.
    fn candidates(self, ask: &SkillRequest, chosen: Vec<usize>, limits: &Limits) -> Result<Gathered> {
        let Self { mut opened, live, reachable, skills, offered } = self;
        let is_from_list = ask.choice == Choice::Only && chosen.len() > 1;
        let may_skip = (ask.choice == Choice::All || is_from_list) && !ask.strict;
        // Of a skill that is left out for its manifest no other file is needed.
        let mut lost = BTreeSet::new();
        for at in chosen.iter().filter(|_| may_skip) {
            if !skills[*at].is_sound(&ask.allow)? {
                lost.insert(*at);
            }
        }
        let wanted = chosen.iter().filter(|at| !lost.contains(at));
        let wanted: Vec<&SourceSkill> = wanted.map(|at| &skills[*at]).collect();
        let needed = match &ask.follow {
            Some(known) => needed::find_needed(&mut opened, &wanted, known, limits)?,
            None => Vec::new(),
        };
        let folders: Vec<&RelPath> = wanted.iter().map(|skill| &skill.found.folder).collect();
        let notes = note_of_age(&opened);
        let (resolved, fetched) = opened.into_package(&folders, |_| false)?;
        let ground = Ground { resolved: Arc::new(resolved), fetched: Arc::new(fetched), live, reachable };
        let mut gathered = Gathered {
            resolved: ground.resolved.clone(),
            candidates: Vec::new(),
            needed: Vec::new(),
            skipped: Vec::new(),
            found: offered,
            notes: notes.into_iter().collect(),
            plugin: None,
        };
        let mut seen = vec![false; skills.len()];
        for at in chosen {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let candidate = ground.candidate(ask, &skills[at])?;
            let checked =
                if lost.contains(&at) { candidate.judge_all_findings(&[]) } else { candidate.check(limits) };
            match checked {
                Ok(()) => gathered.candidates.push(candidate),
                Err(error) if may_skip => {
                    gathered.skipped.push(Skipped { path: skills[at].path(), reason: reason_of(&error) });
                }
                Err(error) => return Err(error),
            }
        }
        if gathered.candidates.is_empty()
            && let Some(first) = gathered.skipped.first()
        {
            return Err(error!(Invalid, "{} has no valid skill", gathered.resolved.source.display_name())
                .cause(format!("{}: {}", first.path, first.reason)));
        }
        for skill in &needed {
            let candidate = ground.candidate(&SkillRequest { alias: None, ..ask.clone() }, skill)?;
            candidate.check(limits).context(|| format!("the needed skill `{}` is not valid", skill.name))?;
            gathered.needed.push(candidate);
        }
        needed::name_needs(
            &mut gathered.candidates.iter_mut().chain(&mut gathered.needed).collect::<Vec<_>>(),
        );
        Ok(gathered)
    }
}

/// What is to be said of a repository whose refs could not be asked for.
fn note_of_age(opened: &PackageSource<'_>) -> Option<String> {
    let then = opened.as_of?;
    let name = opened.resolved.source.display_name();
    Some(format!("this run is offline: {name} is taken as it was on {}", then.strftime("%F %R UTC")))
}

/// Reads the manifests of all skills and gives each its name. With `is_whole` their other
/// files will be wanted too: those that are in the cache come from there at once.
fn read_all(
    found: Vec<FoundSkill>,
    is_whole: bool,
    opened: &mut PackageSource<'_>,
    world: &World<'_>,
) -> Result<Vec<SourceSkill>> {
    if is_whole {
        opened.load_cached(&found.iter().map(|found| &found.folder).collect::<Vec<_>>())?;
    }
    let manifests: BTreeSet<String> = found.iter().map(FoundSkill::manifest_path).collect();
    let tree = opened.ensure_files(|entry| manifests.contains(entry.path.as_str()))?;
    let limits = &world.settings.limits;
    let read = |found: &FoundSkill| read_manifest(tree, found, limits);
    let documents = parallel::run_jobs(parallel::count_cores(), &found, || world.check_cancelled(), read)?;
    let names = name_all(&found, &documents, &opened.resolved, world);
    let skills = found.into_iter().zip(documents).zip(names);
    let skills = skills.map(|((found, mut document), (name, clashes))| {
        document.findings.extend(clashes);
        SourceSkill { found, name, document }
    });
    Ok(skills.collect())
}

/// The skills that `ask` names, when it is evident from the folders alone which these are and
/// how they are called: then nothing else of the source has to be fetched. `None` when the
/// other manifests have a say in it.
fn read_evident(
    ask: &SkillRequest,
    found: &[FoundSkill],
    opened: &mut PackageSource<'_>,
    world: &World<'_>,
) -> Result<Option<Vec<SourceSkill>>> {
    let Choice::Named(words) = &ask.choice else { return Ok(None) };
    let folders: Vec<&RelPath> = found.iter().map(|found| &found.folder).collect();
    let source = source_name(&opened.resolved, world);
    let mut meant = Vec::new();
    for word in words {
        let known = opened.known().iter().find_map(|known| {
            let name = known.name.as_ref().filter(|name| name.as_str() == word)?;
            let at = folders.iter().position(|folder| **folder == known.folder)?;
            Some((at, name.clone()))
        });
        let evident = known.or_else(|| discover::find_unambiguous(&folders, word, &source));
        let Some((at, name)) = evident else { return Ok(None) };
        if !found[at].offered {
            return Ok(None);
        }
        if !meant.iter().any(|(known, _)| *known == at) {
            meant.push((at, name));
        }
    }
    let folders: Vec<&RelPath> = meant.iter().map(|(at, _)| &found[*at].folder).collect();
    let mut skills = Vec::new();
    let tree = opened.ensure_folders(&folders)?;
    for (at, name) in meant {
        let document = read_manifest(tree, &found[at], &world.settings.limits)?;
        let written = document.frontmatter.as_ref().and_then(|front| front.name.as_deref());
        if !discover::keeps_name(written, &found[at].folder, &source, &name) {
            return Ok(None);
        }
        skills.push(SourceSkill { found: found[at].clone(), name, document });
    }
    Ok(Some(skills))
}

/// What the candidates of one source share.
struct Ground {
    resolved: Arc<Resolved>,
    fetched: Arc<FetchedPackage>,
    live: Option<PathBuf>,
    reachable: bool,
}

impl Ground {
    fn candidate(&self, ask: &SkillRequest, skill: &SourceSkill) -> Result<Candidate> {
        let own = skill.document.frontmatter.as_ref().and_then(|f| f.name.clone());
        let name = ask.alias.clone().unwrap_or_else(|| skill.name.clone());
        let mut document = skill.document.clone();
        let entries = self.fetched.package().dir(&skill.found.folder).entries();
        document.findings.extend(skill::check_files(&entries, Profile::Install));
        skill::allow_findings(&mut document.findings, &ask.allow)?;
        Ok(Candidate {
            given: self.resolved.subdirectory.is_none().then(|| skill.name.clone()),
            alias_of: Some(own.unwrap_or_else(|| skill.name.to_string())).filter(|own| *own != name.as_str()),
            live: self.live.as_ref().map(|folder| folder.join(skill.found.folder.as_str())),
            name,
            fetched: self.fetched.clone(),
            folder: skill.found.folder.clone(),
            manifest: skill.found.manifest.clone(),
            resolved: self.resolved.clone(),
            document,
            marketplace: None,
            reachable: self.reachable,
            allow: ask.allow.clone(),
            digest: OnceLock::new(),
            needs: OnceLock::new(),
        })
    }
}

/// True when nobody has to wonder whose commit it is.
fn is_reachable(resolved: &Resolved, world: &World<'_>) -> bool {
    world.settings.hosts.require_reachable || !matches!(resolved.reference, Reference::Sha(_))
}

/// Fetches what [`candidate_fetched_again`] reads of a newer state of a source: the folders of these recorded
/// skills and, where one is no longer there, the manifests that tell where it went.
///
/// # Errors
/// Those of fetching.
pub(crate) fn ensure_again(
    opened: &mut PackageSource<'_>,
    entries: &[(&SkillName, &LockEntry)],
    offered: &Offered,
    world: &World<'_>,
) -> Result<()> {
    // A folder that no source can have is not there either.
    let folders: Vec<RelPath> = entries.iter().filter_map(|(_, entry)| entry.folder().ok()).collect();
    opened.ensure_folders(&folders.iter().collect::<Vec<_>>())?;
    let here = |entry: &LockEntry| entry.folder().is_ok_and(|folder| is_skill(opened.listing(), &folder));
    let gone: Vec<_> = entries.iter().filter(|(_, entry)| !here(entry)).collect();
    let mut went = Vec::new();
    for (name, entry) in gone {
        // One that is nowhere is told when it is looked for.
        went.extend(offered.find(name, &SkillSummary::of(entry), opened, &world.settings.limits)?.ok());
    }
    let went: Vec<&RelPath> = went.iter().map(|found| &found.folder).collect();
    opened.ensure_folders(&went).map(|_| ())
}

/// True when a folder is the root of a skill.
pub(crate) fn is_skill(listing: &Listing, folder: &RelPath) -> bool {
    skill_at(listing, folder).is_some()
}

/// The skill whose root is this folder.
fn skill_at(listing: &Listing, folder: &RelPath) -> Option<FoundSkill> {
    discover::find_skills(listing, folder).into_iter().find(|found| found.folder == *folder)
}

/// The skills that a source offers now with the name and description that each gives itself:
/// read once, and only when a recorded skill is not where it was.
#[derive(Debug, Default)]
pub struct Offered(OnceLock<Vec<(FoundSkill, Option<String>, String)>>);

impl Offered {
    /// Where a recorded skill went that is no longer in its folder: the one skill of its own
    /// name. Else the sentence that says that it is gone, with what may have become of it.
    ///
    /// # Errors
    /// Those of fetching the manifests.
    pub(crate) fn find(
        &self,
        name: &SkillName,
        entry: &SkillSummary<'_>,
        opened: &mut PackageSource<'_>,
        limits: &Limits,
    ) -> Result<Result<FoundSkill, String>> {
        if self.0.get().is_none() {
            let offered = discover::find_skills(opened.listing(), &RelPath::ROOT)
                .into_iter()
                .filter(|found| found.offered);
            let offered: Vec<FoundSkill> = offered.collect();
            let manifests: BTreeSet<String> = offered.iter().map(FoundSkill::manifest_path).collect();
            let tree = opened.ensure_files(|entry| manifests.contains(entry.path.as_str()))?;
            let read = |found: FoundSkill| {
                let front = read_manifest(tree, &found, limits)?.frontmatter;
                let (name, description) = front.map_or((None, String::new()), |f| (f.name, f.description));
                Ok((found, name, description))
            };
            let _ = self.0.set(offered.into_iter().map(read).collect::<Result<_>>()?);
        }
        Ok(self.known(name, entry))
    }

    /// As [`Offered::find`], once that was asked.
    fn known(&self, name: &SkillName, entry: &SkillSummary<'_>) -> Result<FoundSkill, String> {
        let own = entry.alias_of.as_deref().unwrap_or(name.as_str());
        let all = self.0.get().map_or(&[][..], Vec::as_slice);
        let mut same = all.iter().filter(|(_, written, _)| written.as_deref() == Some(own));
        match (same.next(), same.next()) {
            (Some((found, ..)), None) => Ok(found.clone()),
            _ => Err(format!("it is no longer in {}{}", entry.source, self.what_became_of_skill(entry))),
        }
    }

    /// What is nearly the same as a skill that is gone, for its sentence.
    fn what_became_of_skill(&self, entry: &SkillSummary<'_>) -> String {
        /// Less alike than this are two skills.
        const ALIKE: f64 = 0.8;
        let Some(before) = entry.description.as_deref().filter(|text| !text.is_empty()) else {
            return String::new();
        };
        let likeness = |now: &str| strsim::sorensen_dice(before, now);
        let all = self.0.get().map_or(&[][..], Vec::as_slice).iter();
        let scored = all.map(|(found, _, now)| (likeness(now), found)).filter(|(score, _)| *score >= ALIKE);
        match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, found)) => {
                format!("; `{}` has nearly the same description", printable(found.folder.as_str(), false))
            }
            None => String::new(),
        }
    }
}

/// A recorded skill in a newer tree of its source: in its folder or, when that is gone, where
/// the one skill of its own name is now. Name and exceptions stay as they were recorded.
///
/// # Errors
/// `NotFound` when it is nowhere, `Invalid` when it breaks the rules now.
pub fn candidate_fetched_again(
    name: &SkillName,
    entry: &LockEntry,
    (fetched, offered): (&Arc<FetchedPackage>, &Offered),
    resolved: Arc<Resolved>,
    world: &World<'_>,
) -> Result<Candidate> {
    let limits = &world.settings.limits;
    let package = fetched.package();
    let found = match entry.folder().ok().and_then(|folder| skill_at(&package.listing, &folder)) {
        Some(found) => found,
        None => offered.known(name, &SkillSummary::of(entry)).map_err(|gone| error!(NotFound, "{gone}"))?,
    };
    let mut document = read_manifest(package, &found, limits)?;
    skill::allow_findings(&mut document.findings, &entry.allowed)?;
    let reachable = resolved.chosen.is_some() || is_reachable(&resolved, world);
    let candidate = Candidate {
        name: name.clone(),
        given: None,
        alias_of: entry.alias_of.clone(),
        fetched: fetched.clone(),
        folder: found.folder,
        manifest: found.manifest,
        resolved,
        document,
        marketplace: entry.marketplace.clone(),
        reachable,
        allow: entry.allowed.clone(),
        live: None,
        digest: OnceLock::new(),
        needs: OnceLock::new(),
    };
    candidate.check(limits)?;
    Ok(candidate)
}

/// A skill that lies in a folder of this machine, under the name of the folder, held to the rules
/// with all of its files.
///
/// # Errors
/// `Invalid` for one that breaks them, or has no manifest; `Failed` for what cannot be read.
pub(crate) fn candidate_of_folder(
    name: &SkillName,
    folder: &Path,
    source: Source,
    allow: &[String],
    world: &World<'_>,
) -> Result<Candidate> {
    let limits = &world.settings.limits;
    let package = fetch::local::open_folder(folder, &[], limits)?;
    let Some(found) = skill_at(&package.listing, &RelPath::ROOT) else {
        return Err(error!(Invalid, "there is no `{}` in it", skill::MANIFEST));
    };
    let mut document = read_manifest(&package, &found, limits)?;
    document.findings.extend(skill::check_files(package.listing.entries(), Profile::Install));
    skill::allow_findings(&mut document.findings, allow)?;
    let written = document.frontmatter.as_ref().and_then(|front| front.name.clone());
    let resolved = Resolved {
        source,
        reference: Reference::Default,
        chosen: None,
        pin: Revision::Live,
        subdirectory: None,
    };
    let candidate = Candidate {
        name: name.clone(),
        given: None,
        alias_of: written.filter(|written| written != name.as_str()),
        fetched: Arc::new(FetchedPackage::Whole(package)),
        folder: RelPath::ROOT,
        manifest: found.manifest,
        resolved: Arc::new(resolved),
        document,
        marketplace: None,
        reachable: false,
        allow: allow.to_vec(),
        live: Some(folder.to_path_buf()),
        digest: OnceLock::new(),
        needs: OnceLock::new(),
    };
    candidate.check(limits)?;
    let mut findings = Vec::new();
    for path in candidate.digest()?.1.keys() {
        findings.extend(candidate.examine(path, &candidate.read_or_link(path)?));
    }
    candidate.judge_all_findings(&findings)?;
    Ok(candidate)
}

fn read_manifest(tree: &Package, found: &FoundSkill, limits: &Limits) -> Result<SkillManifest> {
    let path = found.manifest_path();
    let entry = tree
        .listing
        .entry_at(&path)
        .ok_or_else(|| error!(Integrity, "`{path}` was listed but is not there"))?;
    if entry.size > limits.manifest {
        return Ok(skill::too_large(&found.manifest, entry.size, Profile::Install, limits));
    }
    Ok(skill::read_manifest(
        &found.manifest,
        found.folder.last_name(),
        &tree.read(entry)?,
        Profile::Install,
        limits,
    ))
}

fn name_all(
    found: &[FoundSkill],
    documents: &[SkillManifest],
    resolved: &Resolved,
    world: &World<'_>,
) -> Vec<(SkillName, Vec<Finding>)> {
    let written = |document: &SkillManifest| document.frontmatter.as_ref().and_then(|f| f.name.clone());
    let written: Vec<Option<String>> = documents.iter().map(written).collect();
    let unnamed: Vec<UnnamedSkill<'_>> = found
        .iter()
        .zip(&written)
        .map(|(found, written)| UnnamedSkill { folder: &found.folder, written: written.as_deref() })
        .collect();
    discover::name_all(&unnamed, &source_name(resolved, world))
}

/// The name for a skill at the top of a source that gives itself none.
fn source_name(resolved: &Resolved, world: &World<'_>) -> String {
    let local = fetch::local_folder(&resolved.source, world).ok();
    let folder = local.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    folder.as_deref().or_else(|| resolved.source.default_skill_name()).unwrap_or("skill").to_owned()
}

/// Why a source has no skill, as well as it can be told; with `guess` also what may have been
/// meant instead.
fn nothing_found(
    ask: &SkillRequest,
    resolved: &Resolved,
    listing: &Listing,
    base: &RelPath,
    guess: bool,
) -> Error {
    let name = resolved.source.display_name();
    if !base.is_root() && !listing.has_folder(base) {
        let folders: BTreeSet<&str> =
            listing.entries().iter().flat_map(|e| ancestor_folders(&e.path)).collect();
        let error = error!(NotFound, "{name} has no folder `{base}`");
        if !guess {
            return error;
        }
        return match find_nearest(base.as_str(), folders.into_iter()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("`ba-agent skill show {}` lists its skills", ask.request.source)),
        };
    }
    // An archive is the skill; a repository may hold other things.
    let kind = match resolved.source {
        Source::Archive { .. } => Kind::Invalid,
        _ => Kind::NotFound,
    };
    let place = if base.is_root() { name } else { format!("{name}, folder `{base}`,") };
    let error = Error::new(kind, format!("{place} has no skill: there is no SKILL.md in it"));
    match discover::near_misses(listing, base).first() {
        _ if !guess => error,
        Some(near) => {
            error.hint(format!("there is `{near}`, but the file must be called exactly `SKILL.md`"))
        }
        None => error.hint("a skill is a folder with a SKILL.md, at most six folders deep"),
    }
}

fn reason_of(error: &Error) -> String {
    error.causes.first().unwrap_or(&error.message).clone()
}

impl Candidate {
    /// SkillSource and folder, for sentences.
    pub fn described_for_errors(&self) -> String {
        let source = self.resolved.source.to_string();
        if self.folder.is_root() { source } else { format!("{source} in {}", self.folder) }
    }

    /// A name that could stand beside the one that is taken.
    pub(crate) fn another_name(&self) -> SkillName {
        let owner = match &self.resolved.source {
            Source::Github { owner, .. } => owner.as_str(),
            Source::Bitbucket { workspace, .. } => workspace,
            Source::RemoteRegistry { skill, .. } => skill.owner().as_str(),
            source => source.kind(),
        };
        SkillName::nearest_to(&format!("{owner}-{}", self.name)).unwrap_or_else(|| self.name.clone())
    }

    /// The digest of its tree, and `MODE SHA256` of each file. Reads everything once.
    ///
    /// # Errors
    /// `Failed` where a file cannot be read, `Integrity` where its bytes are not those of its id.
    pub fn digest(&self) -> Result<&(Digest, Files)> {
        if self.digest.get().is_none() {
            let files = self.package().files()?;
            let _ = self.digest.set((digest::digest_of_files(&files), files));
        }
        self.digest.get().ok_or_else(|| error!(Failed, "the digest of `{}` is missing", self.name))
    }

    /// What its files say it needs.
    pub(crate) fn needs(&self) -> &SkillNeeds {
        self.needs.get_or_init(|| {
            let package = self.fetched.package();
            let mut needs = needed::needs_in(package, &self.folder, &self.manifest, self.name.as_str());
            if let Some(line) = self.fetched.published() {
                needed::add_published_needs(&mut needs, line, &self.resolved.source);
            }
            Arc::new(needs)
        })
    }

    /// Adds to what it needs what its plugin does.
    pub(crate) fn add_needs(&mut self, more: impl IntoIterator<Item = SkillNeed>) {
        let mut needs = self.needs().clone();
        let is_known = |needs: &SkillNeeds, one: &SkillNeed| {
            needs.skills.iter().any(|known| known.record.name == one.record.name)
        };
        for one in more {
            if !is_known(&needs, &one) {
                needs.skills.push(one);
            }
        }
        self.needs = OnceLock::from(Arc::new(needs));
    }

    /// The bytes of one of its files.
    ///
    /// # Errors
    /// `NotFound` for a path that it does not have, and those of reading.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let package = self.fetched.package();
        let entry = package.listing.entry_at(&self.folder.file(path));
        let entry = entry.ok_or_else(|| error!(NotFound, "`{}` has no file `{path}`", self.name))?;
        Ok(package.read(entry)?.into_owned())
    }

    /// The bytes of one of its files, or what a link says.
    ///
    /// # Errors
    /// Those of [`Candidate::read`].
    pub(crate) fn read_or_link(&self, path: &str) -> Result<Vec<u8>> {
        let package = self.fetched.package();
        match package.listing.entry_at(&self.folder.file(path)).map(|entry| &entry.node) {
            Some(Node::Link { target }) => Ok(target.clone().into_bytes()),
            _ => self.read(path),
        }
    }

    /// The bytes of its manifest.
    ///
    /// # Errors
    /// Those of [`Candidate::read`].
    pub(crate) fn read_manifest(&self) -> Result<Vec<u8>> {
        self.read(&self.manifest)
    }

    /// Its files by path, relative to it.
    pub(crate) fn entries(&self) -> Vec<ba_agent_core::listing::FileEntry> {
        self.package().entries()
    }

    /// Its files.
    pub(crate) fn package(&self) -> PackageDir<'_> {
        self.fetched.package().dir(&self.folder)
    }

    /// What can be said before anything is written: paths, modes, manifest.
    ///
    /// # Errors
    /// `Invalid`, with every finding that stops it.
    fn check(&self, limits: &Limits) -> Result<()> {
        if let Some(refused) = self.fetched.package().listing.refused_below(&self.folder).next() {
            return Err(error!(Invalid, "{} cannot be installed", self.described_for_errors())
                .cause(format!("the path `{}` {}", refused.shown, refused.reason)));
        }
        let entries = self.entries();
        check_portable(&entries, limits)
            .context(|| format!("{} cannot be installed", self.described_for_errors()))?;
        self.judge_all_findings(&[])
    }

    /// Findings of the rules about one file, as its bytes are written.
    pub(crate) fn examine(&self, path: &str, bytes: &[u8]) -> Vec<Finding> {
        // The manifest was read whole when the source was looked at.
        if path == self.manifest {
            return Vec::new();
        }
        let mut findings = skill::check_text(path, bytes, Profile::Install);
        findings.extend(skill::check_secrets(path, bytes, Profile::Install));
        findings
    }

    /// Says whether the findings of the manifest and `more` let it be installed.
    ///
    /// # Errors
    /// `Invalid`, with each finding that does not.
    pub(crate) fn judge_all_findings(&self, more: &[Finding]) -> Result<()> {
        let mut more = more.to_vec();
        skill::allow_findings(&mut more, &self.allow)?;
        let all = self.document.findings.iter().chain(&more);
        let errors: Vec<&Finding> = all.filter(|finding| finding.severity == Severity::Error).collect();
        if errors.is_empty() {
            return Ok(());
        }
        let mut error = error!(Invalid, "the skill {} is not valid", self.described_for_errors());
        for finding in &errors {
            error = error.cause(finding.to_string());
        }
        for finding in &errors {
            if !finding.help.is_empty() && !error.hints.contains(&finding.help) {
                error = error.hint(finding.help.clone());
            }
            if skill::can_be_allowed(finding.code) {
                error = error.hint(format!("to install it anyway, add `--allow {}`", finding.code));
            }
        }
        Err(error)
    }

    /// The author's folder that a live link points at.
    ///
    /// # Errors
    /// `Usage` where the source is no local folder.
    pub(crate) fn live_folder(&self) -> Result<&Path> {
        self.live.as_deref().ok_or_else(|| error!(Usage, "`--link` is for local folders"))
    }

    pub(crate) fn pin_record(&self) -> RevisionRecord {
        let tree = self.fetched.folder_id(&self.folder);
        let mut record = RevisionRecord::of(&self.resolved.pin, self.resolved.chosen.as_deref(), tree);
        record.reachable = record.commit.as_ref().filter(|_| self.reachable).map(|_| true);
        record
    }

    /// The registry entry of a tree with these files, but for targets and mode.
    pub fn record(&self, digest: Digest, files: impl Into<FileRecords>, now: Timestamp) -> LockEntry {
        let mut front = self.document.frontmatter.clone().unwrap_or_default();
        if let Some(line) = self.fetched.published() {
            // The registry gives the version; a skill's own is a label that agrees with it.
            front.version = Some(line.version.to_string());
            front.category = front.category.or_else(|| line.category.clone());
        }
        LockEntry {
            source: self.resolved.source.to_string(),
            kind: self.resolved.source.kind().to_owned(),
            path: (!self.folder.is_root()).then(|| self.folder.to_string()),
            reference: ReferenceRecord::of(&self.resolved.reference),
            pin: self.pin_record(),
            pinned: false,
            digest,
            files: files.into(),
            automatic: false,
            category: front.category,
            dependencies: self.needs().skills.iter().map(|need| need.record.clone()).collect(),
            disabled_for: BTreeMap::new(),
            enabled: true,
            versions: BTreeMap::new(),
            version: front.version,
            description: Some(front.description).filter(|text| !text.is_empty()),
            grants: front.allowed_tools,
            hooks: front.hooks,
            allowed: self.allow.clone(),
            alias_of: self.alias_of.clone(),
            targets: Vec::new(),
            mode: InstallMode::Link,
            installed_at: now,
            updated_at: None,
            marketplace: self.marketplace.clone(),
            extra: BTreeMap::new(),
        }
    }
}

/// The same of a recorded skill: `github:anthropics/skills main (3f2a1c9)`.
pub fn spoken_record_name(entry: &LockEntry) -> String {
    let chosen = entry.pin.chosen.as_ref().map(|chosen| format!(" {chosen}")).unwrap_or_default();
    let pin = entry.pin.short_text().map(|pin| format!(" ({pin})")).unwrap_or_default();
    format!("{}{chosen}{pin}", entry.source)
}

/// A settled source in one breath: `anthropics/skills main (3f2a1c9)`.
pub fn spoken_source_name(resolved: &Resolved) -> String {
    let name = resolved.source.display_name();
    let reference = match (&resolved.reference, &resolved.chosen) {
        (Reference::Range(_), Some(tag)) if resolved.reference.exact_version().is_some() => format!(" {tag}"),
        (Reference::Range(range), Some(tag)) => format!(" {tag} (in {range})"),
        (_, Some(chosen))
        | (Reference::Branch(chosen) | Reference::Tag(chosen) | Reference::Named(chosen), None) => {
            format!(" {chosen}")
        }
        _ => String::new(),
    };
    match &resolved.pin {
        Revision::Commit(sha) => format!("{name}{reference} ({})", sha.short()),
        Revision::Archive(hex) => {
            format!("{name}{reference} (sha256 {})", hex.get(..7).unwrap_or(hex))
        }
        Revision::Builtin(version) => format!("{name} ({version})"),
        Revision::Live => name,
    }
}

#[cfg(test)]
mod tests;
