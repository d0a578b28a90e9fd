//! `mcp`: what a server of the Model Context Protocol answers about the skills here, as values.
//! How they go over a wire is the face's.

mod activated_versions;
mod activation;
mod catalog;
pub mod config;
mod files;
mod manifest;
mod resources;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::poll::Poll;
use crate::registry_facts::RecordedSkills;
use crate::usage_log::count_recent_uses;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::agents::{Agent, find_agent};
use ba_agent_core::error::{Kind, Result, error, printable};
use ba_agent_core::loader::LoadedSkill;
use ba_agent_core::search::SearchFilter;
use ba_agent_core::skill_uri::SkillUri;
use ba_agent_core::text::{list_some, shorten_text};

use super::ask::Unattended;
use super::search::{SearchOptions, search};
use activated_versions::ActivatedVersions;
pub use activation::{ActivateCall, ServedActivation};
use catalog::SkillCatalog;
pub use catalog::SkillChanges;
pub use files::{ReadCall, SkillFile};
pub use manifest::{ServedFile, SkillEntry};
pub use resources::{ResourceBytes, ServedResource};

/// Skills of one page of a list.
pub const PAGE: usize = 100;
/// Up to so many skills are named in the schema of a tool.
pub const NAMED: usize = 64;
/// Characters of a description in a list; a search gives it whole.
const LISTED_DESCRIPTION: usize = 300;
/// Characters of a description that is given whole.
const DESCRIPTION: usize = 1_536;
/// Bytes of a file that is given to a model.
const LARGEST_FILE: u64 = 1 << 20;
/// Rows of a search where nobody says how many, and the most.
const FOUND: usize = 5;
const MOST_FOUND: usize = 50;
/// Skills that the instructions name.
const MOST_USED: usize = 8;

/// What a server serves.
#[derive(Debug, Clone, Default)]
pub struct ServiceOptions {
    /// The agent whose skills are served, as it reads them itself.
    pub agent: Option<String>,
}

/// The skills of a workspace, for a process that answers many questions about them. What it knows
/// of the disk is as old as the settings' `watch_interval` at most.
pub struct SkillService {
    workspace: Workspace,
    agent: Option<&'static Agent>,
    observer: Box<dyn Observer + Send>,
    interval: Duration,
    state: Mutex<ServedState>,
    /// What the registries say, and since when that is known.
    recorded: Mutex<Option<(Instant, RecordedSkills)>>,
}

/// What is known of the disk, and what of it nobody was told.
#[derive(Default)]
struct ServedState {
    catalog: Option<SkillCatalog>,
    poll: Option<Poll>,
    untold: SkillChanges,
    activated: ActivatedVersions,
}

/// A skill, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkillRow {
    pub name: String,
    pub description: String,
    /// `user`, `project`, `plugin`, `builtin`, `extra`, or the marketplace that has it.
    pub source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    pub installed: bool,
    /// What installs it, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
}

/// Some of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListPage<T> {
    pub items: Vec<T>,
    pub total: usize,
    /// What gets the rest; absent at the end.
    pub next: Option<String>,
}

impl SkillService {
    /// A service for the skills of a workspace; in the home directory, which is no project, for
    /// those of the user.
    ///
    /// # Errors
    /// Those of finding the scope and reading its settings; `Usage` for an agent that is not known.
    pub fn open(
        workspace: &Workspace,
        options: &ServiceOptions,
        observer: Box<dyn Observer + Send>,
    ) -> Result<Self> {
        let workspace = workspace.or_user_at_home().without_network();
        let agent = options.agent.as_deref().map(find_agent).transpose()?;
        let interval = {
            let session = workspace.open_unrepaired(&*observer)?;
            Duration::from_millis(session.settings.runtime.hot_swap.watch_interval)
        };
        let (state, recorded) = (Mutex::default(), Mutex::default());
        Ok(Self { workspace, agent, observer, interval, state, recorded })
    }

    /// How long what was answered holds.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// What a client tells its model before anything else; below 2,000 bytes. The agent waits for
    /// it, so that it is said without a look through the folders.
    ///
    /// # Errors
    /// Those of opening a session.
    pub fn instructions(&self) -> Result<String> {
        let session = self.workspace.open_unrepaired(&*self.observer)?;
        let (count, used) = self.with_recorded(&session, |recorded| {
            (recorded.count_enabled(), most_used(&session, recorded, MOST_USED))
        });
        let count = match count {
            0 => String::new(),
            count => format!(" (the registry records {count})"),
        };
        let mut text = format!(
            "Agent skills are available here{count}: instructions, with files, for tasks. Before you begin a task, \
             see whether one fits: `search_skills` with words of the task, or `list_skills`. Load it with \
             `activate_skill` before you act, follow it, and read the files that it names with `read_skill_file`. \
             `search_skills` also finds what is not here, in the catalogues that the user has registered, and says \
             what installs it."
        );
        if !used.is_empty() {
            let names: Vec<&str> = used.iter().map(String::as_str).collect();
            text.push_str(&format!(" Used most: {}.", list_some(&names, MOST_USED)));
        }
        Ok(text)
    }

    /// The names that a schema can list: none where there are too many, here or in the registry.
    ///
    /// # Errors
    /// Those of opening a session and of looking through the sources.
    pub fn schema_names(&self) -> Result<Vec<String>> {
        let session = self.workspace.open_unrepaired(&*self.observer)?;
        if self.with_recorded(&session, RecordedSkills::count_enabled) > NAMED {
            return Ok(Vec::new());
        }
        self.with_catalog(|catalog, _| {
            let listed = &catalog.loaded.listed;
            let is_named = listed.len() <= NAMED;
            Ok(if is_named {
                listed.iter().map(|skill| skill.qualified.clone()).collect()
            } else {
                Vec::new()
            })
        })
    }

    /// Answers from what the registries say, which is as old as the interval at most.
    fn with_recorded<T>(&self, session: &Session<'_>, answer: impl FnOnce(&RecordedSkills) -> T) -> T {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.as_ref().is_none_or(|(at, _)| at.elapsed() >= self.interval) {
            *recorded = Some((Instant::now(), RecordedSkills::read(session)));
        }
        match &*recorded {
            Some((_, recorded)) => answer(recorded),
            None => answer(&RecordedSkills::default()),
        }
    }

    /// The skills in the order of their names, from behind `cursor`.
    ///
    /// # Errors
    /// `Usage` for a cursor that no page ended with; those of [`SkillService::instructions`].
    pub fn list_skills(&self, category: Option<&str>, cursor: Option<&str>) -> Result<ListPage<SkillRow>> {
        self.with_catalog(|catalog, _| {
            let wanted = |skill: &&LoadedSkill| {
                category.is_none_or(|wanted| skill.facts.category.as_deref().unwrap_or("default") == wanted)
            };
            let skills: Vec<&LoadedSkill> = catalog.sorted().filter(wanted).collect();
            let (page, next) = page_of(&skills, |skill| &skill.qualified, cursor)?;
            let items = page.iter().map(|skill| row_of(skill, LISTED_DESCRIPTION)).collect();
            Ok(ListPage { items, total: skills.len(), next })
        })
    }

    /// Skills that have to do with the words of a query: those here first, then others of the
    /// catalogues that this machine has copies of. No connection is opened.
    ///
    /// # Errors
    /// Those of [`SkillService::schema_names`].
    pub fn search_skills(&self, query: &str, limit: Option<usize>) -> Result<Vec<SkillRow>> {
        let limit = limit.unwrap_or(FOUND).clamp(1, MOST_FOUND);
        let mut rows = self.with_catalog(|catalog, _| {
            let found = catalog.rank(query, limit);
            Ok(found.into_iter().map(|skill| row_of(skill, DESCRIPTION)).collect::<Vec<_>>())
        })?;
        if rows.len() < limit {
            let options =
                SearchOptions { text: query.to_owned(), filter: SearchFilter::default(), limit: limit * 2 };
            // Without a catalogue there is nothing more; a broken one must not hide what is here.
            let found = search(&self.workspace, &options, &mut Unattended::default(), &*self.observer);
            let others = found.map(|report| report.answer.found).unwrap_or_default();
            let others = others.into_iter().filter(|row| !row.installed && row.install.is_some());
            rows.extend(others.take(limit - rows.len()).map(|row| SkillRow {
                name: printable(&row.name, false),
                description: one_line(&row.description, DESCRIPTION),
                source: printable(&row.marketplace, false),
                version: Some(printable(&row.version, false)).filter(|version| !version.is_empty()),
                category: Some(printable(&row.category, false)).filter(|category| !category.is_empty()),
                installed: false,
                install:
                    row.install.map(|source| format!("ba-agent skill install {}", printable(&source, false))),
            }));
        }
        Ok(rows)
    }

    /// The names that are nearest to one that nothing has, the nearest first.
    pub fn nearest_names(&self, name: &str, most: usize) -> Vec<String> {
        let nearest = self.with_catalog(|catalog, _| Ok(catalog.nearest_names(name, most)));
        nearest.unwrap_or_default()
    }

    /// Looks through the sources, for questions that come later.
    ///
    /// # Errors
    /// Those of [`SkillService::schema_names`].
    pub fn load_catalog(&self) -> Result<()> {
        self.with_catalog(|_, _| Ok(()))
    }

    /// Remembers how everything is now, so that each later change is seen.
    ///
    /// # Errors
    /// Those of [`SkillService::schema_names`].
    pub fn begin_watching(&self) -> Result<()> {
        self.load_catalog()?;
        let session = self.workspace.open_unrepaired(&*self.observer)?;
        let mut state = self.state();
        if state.poll.is_none() {
            self.refresh(&mut state, &session, false)?;
        }
        Ok(())
    }

    /// True where a client works with a skill, whose change matters to it.
    pub fn has_activated(&self) -> bool {
        !self.state().activated.is_empty()
    }

    /// Looks at the disk; what has changed since this was last asked.
    ///
    /// # Errors
    /// Those of [`SkillService::schema_names`].
    pub fn look_for_changes(&self) -> Result<SkillChanges> {
        let session = self.workspace.open_unrepaired(&*self.observer)?;
        let mut state = self.state();
        self.refresh(&mut state, &session, false)?;
        Ok(std::mem::take(&mut state.untold))
    }

    fn state(&self) -> MutexGuard<'_, ServedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the disk. Skills are read where fingerprints say that something has changed, or
    /// where it is `wanted` whatever they say.
    fn refresh(&self, state: &mut ServedState, session: &Session<'_>, wanted: bool) -> Result<()> {
        let is_quiet = match (&mut state.poll, &mut state.catalog) {
            (Some(poll), Some(_)) => poll.look(session)?.is_empty(),
            // Not at the beginning: the first look reads every manifest.
            (None, Some(_)) => {
                let poll = state.poll.insert(Poll::new(self.agent));
                poll.look(session)?;
                false
            }
            (_, None) => false,
        };
        if let Some(catalog) = state.catalog.as_mut().filter(|_| is_quiet && !wanted) {
            catalog.read_at = Instant::now();
            return Ok(());
        }
        let mut new = SkillCatalog::read(session, self.agent, Instant::now())?;
        if let Some(poll) = &state.poll {
            new.keep_last_good(poll);
        }
        if let Some(old) = state.catalog.take() {
            let change = new.take_over(old);
            let changed = change.skills.iter().filter_map(|uri| SkillUri::parse(uri));
            for name in changed.map(|uri| uri.qualified_name()) {
                state.activated.note_change(&name, Instant::now(), || new.digest_of(session, &name));
            }
            state.untold.add(change);
        }
        state.catalog = Some(new);
        Ok(())
    }

    /// Answers from what is known, after a look where that is older than the interval.
    fn with_catalog<T>(
        &self,
        answer: impl FnOnce(&mut SkillCatalog, &Session<'_>) -> Result<T>,
    ) -> Result<T> {
        let session = self.workspace.open_unrepaired(&*self.observer)?;
        let mut state = self.state();
        if state.catalog.as_ref().is_none_or(|catalog| catalog.read_at.elapsed() >= self.interval) {
            self.refresh(&mut state, &session, false)?;
        }
        match state.catalog.as_mut() {
            Some(catalog) => answer(catalog, &session),
            None => Err(error!(Failed, "the skills could not be read")),
        }
    }

    /// Reads everything anew, for who does not find something.
    fn look_again(&self) -> Result<()> {
        let session = self.workspace.open_unrepaired(&*self.observer)?;
        self.refresh(&mut self.state(), &session, true)
    }

    /// The same for one skill. One that is not known may have come a moment ago.
    fn with_skill<T>(
        &self,
        name: &str,
        answer: impl FnOnce(&mut SkillCatalog, &Session<'_>, &LoadedSkill) -> Result<T>,
    ) -> Result<T> {
        let is_unknown = |catalog: &mut SkillCatalog| matches!(catalog.loaded.find_skill(name), Err(error) if error.kind == Kind::NotFound);
        if self.with_catalog(|catalog, _| Ok(is_unknown(catalog)))? {
            self.look_again()?;
        }
        self.with_catalog(|catalog, session| {
            let skill = catalog.loaded.find_skill(name)?.clone();
            if skill.facts.disable_model_invocation {
                return Err(error!(Conflict, "`{}` is for people alone to start", printable(name, false))
                    .cause("it says `disable-model-invocation: true`"));
            }
            answer(catalog, session, &skill)
        })
    }
}

/// The items behind the one that a cursor names, a page of them, and the cursor of the next page.
fn page_of<'i, T>(
    items: &'i [T],
    name_of: impl Fn(&T) -> &str,
    cursor: Option<&str>,
) -> Result<(&'i [T], Option<String>)> {
    let start = match cursor {
        None => 0,
        // Where the skill has gone meanwhile, the list goes on with the one behind it.
        Some(cursor) => match cursor.strip_prefix(CURSOR) {
            Some(last) => items.partition_point(|item| name_of(item) <= last),
            None => {
                return Err(error!(Usage, "`{}` is not a cursor of this list", printable(cursor, false))
                    .hint("pass the one that the page before ended with, or none"));
            }
        },
    };
    let rest = items.get(start..).unwrap_or_default();
    let page = rest.get(..PAGE.min(rest.len())).unwrap_or_default();
    let next = page.last().filter(|_| rest.len() > page.len());
    Ok((page, next.map(|last| format!("{CURSOR}{}", name_of(last)))))
}

const CURSOR: &str = "after:";

/// The names used most of late, of those that the registries still have.
fn most_used(session: &Session<'_>, recorded: &RecordedSkills, most: usize) -> Vec<String> {
    let mut used: Vec<(u64, String)> = count_recent_uses(session)
        .into_iter()
        .filter(|(name, _)| name.len() <= 128 && recorded.has_enabled(name))
        .map(|(name, count)| (count.uses, printable(&name, false)))
        .collect();
    used.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    used.into_iter().take(most).map(|(_, name)| name).collect()
}

fn row_of(skill: &LoadedSkill, description: usize) -> SkillRow {
    let text = match &skill.facts.when_to_use {
        Some(when) => format!("{} - {when}", skill.facts.description),
        None => skill.facts.description.clone(),
    };
    let word = |text: &Option<String>| text.as_deref().map(|text| one_line(text, 100));
    SkillRow {
        name: printable(&skill.qualified, false),
        description: one_line(&text, description),
        source: skill
            .plugin
            .clone()
            .map_or_else(|| skill.origin.name().to_owned(), |plugin| printable(&plugin, false)),
        version: word(&skill.facts.version),
        category: word(&skill.facts.category),
        installed: true,
        install: None,
    }
}

/// Text of others in one line, without signs that a terminal would obey.
fn one_line(text: &str, most: usize) -> String {
    printable(&shorten_text(text, most), false)
}
