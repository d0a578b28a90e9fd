//! What happened between two states of a repository: which commits lie between them, which of those
//! touch a folder, and whether the one leads to the other at all.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use git2::{ObjectType, Oid};
use jiff::Timestamp;

use crate::objects::GitObjects;
use crate::wire::FetchRequest;
use crate::{LARGEST_COMMIT, Remote, Transport, parse_object_id, walk};
use ba_agent_core::error::{Kind, Result};
use ba_agent_core::path::RelPath;
use ba_agent_core::source::Sha;

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
    /// The commits since old ones, by the part that has them: skills mostly share theirs.
    since: RefCell<HashMap<(usize, Oid), Arc<CommitsSince>>>,
}

/// What was sent of the history behind the new commit, in answer to one question.
#[derive(Debug)]
struct HistoryPart {
    objects: Arc<GitObjects>,
    /// The commit from which on it was asked for.
    since: Sha,
    /// The commits that are here and their parents.
    reached: StepsBack,
    /// How many steps back something is known.
    depth: usize,
    /// There are more commits than were sent.
    is_cut: bool,
    /// What was read already: many skills are looked for in the same commits.
    read: RefCell<ReadObjects>,
}

#[derive(Debug, Default)]
struct ReadObjects {
    commits: HashMap<Oid, Option<Arc<ReadCommit>>>,
    /// The folders of each tree; `None` for one that was not sent.
    trees: HashMap<Oid, Option<Arc<FoldersOfTree>>>,
}

type FoldersOfTree = Vec<(Vec<u8>, Oid)>;

#[derive(Debug)]
struct ReadCommit {
    root: Option<Oid>,
    parents: Vec<Oid>,
    at: Option<Timestamp>,
    subject: String,
}

/// The commits between an old and the new one that are looked through, newest first.
#[derive(Debug)]
struct CommitsSince {
    commits: Vec<Oid>,
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
    /// those of all. Files are left out where the remote can do that, and trees too unless `depth`
    /// says how many commits back they are wanted: a repository with a hundred commits a day shall
    /// not send those of a year.
    ///
    /// # Errors
    /// As [`Remote::fetch`].
    pub fn history_since(
        &self,
        new: &Sha,
        old: Vec<OldCommit>,
        depth: Option<u16>,
    ) -> Result<CommitsBetween> {
        let tip = parse_object_id(new)?;
        let mut between = CommitsBetween { tip: Some(tip), ..CommitsBetween::default() };
        let mut left = old;
        while let Some(first) = left.first().cloned() {
            let mut part = self.part_since(new, &first.sha, depth)?;
            left.retain(|old| !part.reaches(&old.sha));
            if part.is_cut && first.must_lead_here && left.first() == Some(&first) {
                between.parts.push(part);
                part = self.part_since(new, &first.sha, None)?;
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

    fn part_since(&self, new: &Sha, since: &Sha, depth: Option<u16>) -> Result<HistoryPart> {
        let (objects, limit) = match &self.road {
            Transport::Local(objects) => (Arc::clone(objects), None),
            _ => {
                let wants = [self.refs.get().map_or_else(|| new.clone(), |refs| refs.id_to_want(new))];
                let ask = |filter, depth| {
                    let have = Some(since);
                    let filter = Some(filter);
                    self.pack(&FetchRequest { wants: &wants, filter, have, depth, ..FetchRequest::default() })
                };
                match depth.map(|depth| ask("blob:none", Some(depth))) {
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
        let is_cut = limit.is_some_and(|depth| reached.values().any(|step| step.steps >= usize::from(depth)));
        let (since, read) = (since.clone(), RefCell::default());
        let depth = depth.map_or(usize::MAX, usize::from);
        Ok(HistoryPart { objects, since, reached, depth, is_cut, read })
    }
}

/// A commit and those before it, as far as they are here, and the ids that these name.
fn steps_back(objects: &GitObjects, tip: Oid) -> Result<StepsBack> {
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
        let root = self.commit(tip).and_then(|commit| commit.root);
        root.is_some_and(|tree| self.objects.size(tree).is_ok_and(|size| size.is_some()))
    }

    /// A commit, if it was sent.
    fn commit(&self, id: Oid) -> Option<Arc<ReadCommit>> {
        let read = || {
            let bytes = self.objects.find(id, ObjectType::Commit, LARGEST_COMMIT).ok()??;
            Some(Arc::new(ReadCommit {
                root: walk::tree_of(&bytes).ok(),
                parents: walk::parents_of(&bytes),
                at: walk::committed_at(&bytes),
                subject: walk::subject_of(&bytes),
            }))
        };
        self.read.borrow_mut().commits.entry(id).or_insert_with(read).clone()
    }

    /// The tree of a folder below a tree; the inner `None` where there is no such folder, the outer
    /// where a tree on the way was not sent.
    fn folder_below(&self, root: Oid, folder: &RelPath) -> Option<Option<Oid>> {
        let mut at = root;
        for name in folder.as_str().split('/').filter(|name| !name.is_empty()) {
            let read = || walk::list_subfolders(&self.objects, at).ok().map(Arc::new);
            let tree = self.read.borrow_mut().trees.entry(at).or_insert_with(read).clone()?;
            match tree.iter().find(|(known, _)| known == name.as_bytes()) {
                Some((_, id)) => at = *id,
                None => return Some(None),
            }
        }
        Some(Some(at))
    }

    /// The commits since an old one. What lies behind it is not there, or not meant.
    fn list_since(&self, old: Oid) -> Option<CommitsSince> {
        let behind = steps_back(&self.objects, old).ok()?;
        let mut between = Vec::new();
        for (id, step) in self.reached.iter().filter(|(id, _)| !behind.contains_key(*id)) {
            if let Some(commit) = self.commit(*id) {
                between.push((std::cmp::Reverse(commit.at), step.order, *id));
            }
        }
        between.sort();
        let is_cut = self.is_cut && !self.reached.contains_key(&old) || between.len() > self.depth;
        let commits = between.into_iter().take(self.depth).map(|(.., id)| id).collect();
        Some(CommitsSince { commits, is_cut })
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
    /// `folders[0]` is where the folder was in `old`, and `installed` its tree then.
    pub fn log(&self, old: &Sha, folders: &[&RelPath], installed: Option<&str>) -> Option<CommitLog> {
        let (tip, old_id) = (self.tip?, parse_object_id(old).ok()?);
        if self.rewritten.contains(old) {
            return None;
        }
        let leads = |part: &HistoryPart| part.reaches(old) || (part.is_cut && part.since == *old);
        let (n, part) = self.parts.iter().enumerate().find(|(_, part)| leads(part) && part.has_trees(tip))?;
        let known = self.since.borrow().get(&(n, old_id)).cloned();
        let since = match known {
            Some(since) => since,
            None => Arc::new(part.list_since(old_id)?),
        };
        self.since.borrow_mut().insert((n, old_id), Arc::clone(&since));
        let installed = installed.and_then(|id| Oid::from_str(id).ok());
        let states = FolderStates { part, folders, old: old_id, installed, known: RefCell::default() };
        let commits = since.commits.iter().filter_map(|id| states.log_if_touched(*id)).collect();
        Some(CommitLog { commits, is_cut: since.is_cut })
    }
}

/// The tree of a folder at a commit, `Some(None)` where it is not there; the outer `None` where
/// that was not sent. What is not sent was so before the commits that were: the remote leaves out
/// what those have on which they stand.
type FolderState = Option<Option<Oid>>;

/// The trees of some folders at each commit.
struct FolderStates<'a> {
    part: &'a HistoryPart,
    folders: &'a [&'a RelPath],
    old: Oid,
    /// The tree of the first folder at the old commit.
    installed: Option<Oid>,
    known: RefCell<HashMap<Oid, Vec<FolderState>>>,
}

impl FolderStates<'_> {
    /// The commit, if it left the folders otherwise than each of its parents has them.
    fn log_if_touched(&self, id: Oid) -> Option<LoggedCommit> {
        let commit = self.part.commit(id)?;
        if commit.parents.iter().any(|parent| self.is_cut_off(*parent)) {
            return None;
        }
        let now = self.trees_at(id);
        let is_touched = match commit.parents.is_empty() {
            true => now.iter().any(|state| matches!(state, Some(Some(_)))),
            false => commit.parents.iter().all(|parent| self.differs(&self.trees_at(*parent), &now)),
        };
        let sha = id.to_string().parse().ok().filter(|_| is_touched)?;
        Some(LoggedCommit { sha, subject: commit.subject.clone(), at: commit.at })
    }

    /// A commit that was not sent because it lies too far back: nothing is known of it.
    fn is_cut_off(&self, id: Oid) -> bool {
        let steps = self.part.reached.get(&id).map_or(0, |step| step.steps);
        self.part.is_cut && steps >= self.part.depth
    }

    /// Whether one of the folders is another one. Where only one side is known, that is said by
    /// whether its tree was sent: if so it is new. A folder that is gone was there before, if it
    /// is the first; the others are where it came to later.
    fn differs(&self, before: &[FolderState], now: &[FolderState]) -> bool {
        let is_new = |tree: Oid| self.part.objects.size(tree).is_ok_and(|size| size.is_some());
        before.iter().zip(now).enumerate().any(|(n, states)| match states {
            (Some(before), Some(now)) => before != now,
            (None, None) => false,
            (Some(Some(tree)), None) | (None, Some(Some(tree))) => is_new(*tree),
            (Some(None), None) | (None, Some(None)) => n == 0,
        })
    }

    fn trees_at(&self, id: Oid) -> Vec<FolderState> {
        if let Some(known) = self.known.borrow().get(&id) {
            return known.clone();
        }
        let root = self.part.commit(id).and_then(|commit| commit.root);
        let tree = |(n, folder): (usize, &&RelPath)| match root {
            Some(root) => self.part.folder_below(root, folder),
            None if n == 0 && id == self.old => self.installed.map(Some),
            None => None,
        };
        let trees: Vec<FolderState> = self.folders.iter().enumerate().map(tree).collect();
        self.known.borrow_mut().insert(id, trees.clone());
        trees
    }
}

#[cfg(test)]
mod tests;
