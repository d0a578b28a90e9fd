//! What happened between two states of a repository: which commits lie between them, which of those
//! touch a folder, and whether the one leads to the other at all.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use git2::{ObjectType, Oid};
use jiff::Timestamp;

use crate::objects::Objects;
use crate::wire::FetchRequest;
use crate::{LARGEST_COMMIT, Remote, Transport, parse_object_id, walk};
use ba_agent_core::error::{Kind, Result};
use ba_agent_core::path::RelPath;
use ba_agent_core::source::Sha;

/// So many commits back the trees are asked for and looked through: a repository with a hundred
/// commits a day shall not send those of a year.
const LOG_DEPTH: u16 = 100;

/// A commit that something was installed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldCommit {
    pub sha: Sha,
    /// Whether it has to be known for sure if the new commit grew out of it, however many lie
    /// between: so with branches, not with tags.
    pub must_lead_here: bool,
}

/// The commits between old ones and a new one.
#[derive(Debug, Default)]
pub struct CommitsBetween {
    tip: Option<Oid>,
    parts: Vec<HistoryPart>,
    rewritten: BTreeSet<Sha>,
    /// What lies behind old commits, by the part that says so: skills mostly share theirs.
    behind: RefCell<HashMap<(usize, Oid), Arc<StepsBack>>>,
}

/// What was sent of the history behind the new commit, in answer to one question.
#[derive(Debug)]
struct HistoryPart {
    objects: Arc<Objects>,
    /// The commit from which on it was asked for.
    since: Sha,
    /// The commits that are here and their parents.
    reached: StepsBack,
    /// There are more commits than were sent.
    is_cut: bool,
}

/// How a commit was come by, on the way back from a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct StepBack {
    /// The fewest steps that lead to it.
    steps: usize,
    /// Its place among all: first parents go first.
    order: usize,
}

type StepsBack = BTreeMap<Oid, StepBack>;

/// The commits that touch a folder, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitLog {
    pub commits: Vec<LoggedCommit>,
    /// Older ones were not looked at.
    pub is_cut: bool,
}

/// A commit, for people. Its subject is untrusted text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCommit {
    pub sha: Sha,
    pub subject: String,
    pub at: Option<Timestamp>,
}

impl Remote<'_> {
    /// The commits since `old`, of which the first should be the oldest: then one request has
    /// those of all. Files are left out where the remote can do that, and without `with_trees`
    /// trees too.
    ///
    /// # Errors
    /// As [`Remote::fetch`].
    pub fn history_since(&self, new: &Sha, old: Vec<OldCommit>, with_trees: bool) -> Result<CommitsBetween> {
        let tip = parse_object_id(new)?;
        let mut between = CommitsBetween { tip: Some(tip), ..CommitsBetween::default() };
        let mut left = old;
        while let Some(first) = left.first().cloned() {
            let mut part = self.part_since(new, &first.sha, with_trees)?;
            left.retain(|old| !part.reaches(&old.sha));
            if part.is_cut && first.must_lead_here && left.first() == Some(&first) {
                between.parts.push(part);
                part = self.part_since(new, &first.sha, false)?;
                left.retain(|old| !part.reaches(&old.sha));
            }
            between.parts.push(part);
            // What was not sent lies behind the oldest: others may be there. Of a repository of
            // this machine everything is here.
            let lost = match left.first() {
                _ if self.is_local() => std::mem::take(&mut left),
                Some(still) if *still == first => vec![left.remove(0)],
                _ => Vec::new(),
            };
            between.rewritten.extend(lost.into_iter().filter(|old| old.must_lead_here).map(|old| old.sha));
        }
        Ok(between)
    }

    fn part_since(&self, new: &Sha, since: &Sha, with_trees: bool) -> Result<HistoryPart> {
        let (objects, depth) = match &self.road {
            Transport::Local(objects) => (Arc::clone(objects), None),
            _ => {
                let wants = [self.refs.get().map_or_else(|| new.clone(), |refs| refs.id_to_want(new))];
                let ask = |filter, depth| {
                    let have = Some(since);
                    let filter = Some(filter);
                    self.pack(&FetchRequest { wants: &wants, filter, have, depth, ..FetchRequest::default() })
                };
                let depth = with_trees.then_some(LOG_DEPTH);
                match with_trees.then(|| ask("blob:none", depth)) {
                    // A remote that gives no trees gives commits all the same.
                    None => (Arc::new(ask("tree:0", None)?), None),
                    Some(Err(e)) if matches!(e.kind, Kind::NotFound | Kind::Invalid | Kind::Integrity) => {
                        (Arc::new(ask("tree:0", None)?), None)
                    }
                    Some(sent) => (Arc::new(sent?), depth),
                }
            }
        };
        let reached = steps_back(&objects, parse_object_id(new)?)?;
        let is_cut = depth.is_some_and(|depth| reached.values().any(|step| step.steps >= usize::from(depth)));
        Ok(HistoryPart { objects, since: since.clone(), reached, is_cut })
    }
}

/// A commit and those before it, as far as they are here, and the ids that these name.
fn steps_back(objects: &Objects, tip: Oid) -> Result<StepsBack> {
    let mut found = BTreeMap::from([(tip, StepBack { steps: 0, order: 0 })]);
    let mut pending = VecDeque::from([(tip, 0)]);
    while let Some((id, steps)) = pending.pop_front() {
        let Some(commit) = objects.find(id, ObjectType::Commit, LARGEST_COMMIT)? else { continue };
        for parent in walk::parents_of(&commit) {
            let step = StepBack { steps: steps + 1, order: found.len() };
            found.entry(parent).or_insert_with(|| {
                pending.push_back((parent, step.steps));
                step
            });
        }
    }
    Ok(found)
}

impl HistoryPart {
    fn reaches(&self, sha: &Sha) -> bool {
        parse_object_id(sha).is_ok_and(|id| self.reached.contains_key(&id))
    }

    fn has_trees(&self, tip: Oid) -> bool {
        let commit = self.objects.find(tip, ObjectType::Commit, LARGEST_COMMIT).ok().flatten();
        let tree = commit.and_then(|commit| walk::tree_of(&commit).ok());
        tree.is_some_and(|tree| self.objects.size(tree).is_ok_and(|size| size.is_some()))
    }
}

impl CommitsBetween {
    /// Of the old commits that have to lead to the new one, those that do not: the branch was
    /// rewritten since.
    pub fn rewritten(&self) -> &BTreeSet<Sha> {
        &self.rewritten
    }

    /// Whether any history was asked for.
    pub fn was_asked(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether the new commit is known to have grown out of an old one.
    pub fn leads_from(&self, old: &Sha) -> bool {
        self.parts.iter().any(|part| part.reaches(old))
    }

    /// The commits since `old` that touch one of `folders`, as `git log` tells them: a merge
    /// that only takes what one of its sides has is none. `None` where the two do not hang
    /// together, or nothing was sent to say so by.
    ///
    /// `folders[0]` is where the folder was in `old`, and `installed` its tree then: a tree that
    /// was not sent is one that `old` has.
    pub fn log(&self, old: &Sha, folders: &[&RelPath], installed: Option<&str>) -> Option<CommitLog> {
        let (tip, old_id) = (self.tip?, parse_object_id(old).ok()?);
        if self.rewritten.contains(old) {
            return None;
        }
        let leads = |part: &HistoryPart| part.reaches(old) || (part.is_cut && part.since == *old);
        let (n, part) = self.parts.iter().enumerate().find(|(_, part)| leads(part) && part.has_trees(tip))?;
        let known = self.behind.borrow().get(&(n, old_id)).cloned();
        let behind = match known {
            Some(behind) => behind,
            None => Arc::new(steps_back(&part.objects, old_id).ok()?),
        };
        self.behind.borrow_mut().insert((n, old_id), Arc::clone(&behind));
        let mut between = Vec::new();
        for (id, step) in part.reached.iter().filter(|(id, _)| !behind.contains_key(*id)) {
            if let Some(commit) = part.objects.find(*id, ObjectType::Commit, LARGEST_COMMIT).ok()? {
                between.push((std::cmp::Reverse(walk::committed_at(&commit)), step.order, *id));
            }
        }
        between.sort();
        let is_cut = part.is_cut && !part.reaches(old) || between.len() > usize::from(LOG_DEPTH);
        let installed = installed.and_then(|id| Oid::from_str(id).ok());
        let mut states = FolderStates { part, folders, installed, known: HashMap::new() };
        let looked_at = between.into_iter().take(LOG_DEPTH.into());
        let commits = looked_at.filter_map(|(_, _, id)| states.log_if_touched(id)).collect();
        Some(CommitLog { commits, is_cut })
    }
}

/// The trees of some folders at each commit.
struct FolderStates<'a> {
    part: &'a HistoryPart,
    folders: &'a [&'a RelPath],
    installed: Option<Oid>,
    known: HashMap<Oid, Vec<Option<Oid>>>,
}

impl FolderStates<'_> {
    /// The commit, if it left the folders otherwise than each of its parents has them.
    fn log_if_touched(&mut self, id: Oid) -> Option<LoggedCommit> {
        let commit = self.part.objects.find(id, ObjectType::Commit, LARGEST_COMMIT).ok()??;
        let now = self.trees_at(id);
        let parents = walk::parents_of(&commit);
        if parents.iter().any(|parent| self.is_cut_off(*parent)) {
            return None;
        }
        let is_first = parents.is_empty() && now.iter().any(Option::is_some);
        let is_touched =
            !parents.is_empty() && parents.into_iter().all(|parent| self.trees_at(parent) != now);
        (is_first || is_touched).then(|| {
            Some(LoggedCommit {
                sha: id.to_string().parse().ok()?,
                subject: walk::subject_of(&commit),
                at: walk::committed_at(&commit),
            })
        })?
    }

    /// A commit that was not sent because it lies too far back: nothing is known of it.
    fn is_cut_off(&self, id: Oid) -> bool {
        let steps = self.part.reached.get(&id).map_or(0, |step| step.steps);
        self.part.is_cut && steps >= usize::from(LOG_DEPTH)
    }

    fn trees_at(&mut self, id: Oid) -> Vec<Option<Oid>> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let commit = self.part.objects.find(id, ObjectType::Commit, LARGEST_COMMIT).ok().flatten();
        let root = commit.and_then(|commit| walk::tree_of(&commit).ok());
        let tree = |(n, folder): (usize, &&RelPath)| {
            let found = root.and_then(|root| walk::folder_id(&self.part.objects, root, folder.as_str()).ok());
            found.unwrap_or(if n == 0 { self.installed } else { None })
        };
        let trees: Vec<Option<Oid>> = self.folders.iter().enumerate().map(tree).collect();
        self.known.insert(id, trees.clone());
        trees
    }
}

#[cfg(test)]
mod tests;
