//! Which state of each skill a conversation was given by a server, and the files of that state: for
//! a while they are given also when others have come in their place. Who follows instructions finds
//! the files beside them that the instructions were written for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::agent_sessions::read_agent_session;
use crate::install_state::read_entry;
use crate::kept_versions::{find_tree, has_tree};
use crate::workspace::Session;
use ba_agent_core::digest::{Digest, Files, sha256_hex};
use ba_agent_core::path::{RelPath, resolve_link};

/// Activations that are remembered: the oldest go.
const MOST_ACTIVATED: usize = 256;
/// Bytes of files that no cache has, of all skills together.
const MOST_HELD: u64 = 16 << 20;
/// Links that are followed inside of one state.
const MOST_LINKS: usize = 8;

/// What the conversations of one server have been given.
#[derive(Default)]
pub(super) struct ActivatedVersions {
    /// The oldest first; of a conversation and a name there is one.
    known: Vec<ActivatedVersion>,
}

/// A state of a skill, as a conversation got it.
pub(super) struct ActivatedVersion {
    /// The name that means the skill and no other.
    pub(super) name: String,
    /// The conversation, where it has said which it is.
    pub(super) session: Option<String>,
    /// A version that was asked for, and is kept beside the one in use.
    pub(super) version: Option<String>,
    pub(super) digest: Digest,
    /// Path to `MODE SHA256`.
    pub(super) files: Files,
    /// The bytes of files that no cache has.
    held: BTreeMap<String, Vec<u8>>,
    /// When it was first seen that the skill has another state.
    changed_at: Option<Instant>,
}

impl ActivatedVersion {
    pub(super) fn new(name: &str, session: Option<&str>, digest: Digest, files: Files) -> Self {
        let (name, session) = (name.to_owned(), session.map(str::to_owned));
        Self { name, session, version: None, digest, files, held: BTreeMap::new(), changed_at: None }
    }

    /// Keeps the bytes of its files, where no cache of this machine has them and they are few enough.
    pub(super) fn hold_files(&mut self, session: &Session<'_>, folder: &Path) {
        if !has_tree(session, &self.digest) {
            self.held = read_all(folder, &self.files).unwrap_or_default();
        }
    }

    /// How long it is still given, at this time: nothing once that is over. The time begins when
    /// another state is seen for the first time, at the latest now.
    pub(super) fn remaining(&mut self, now: Instant, overlap: Duration) -> Option<Duration> {
        let elapsed = now.saturating_duration_since(*self.changed_at.get_or_insert(now));
        overlap.checked_sub(elapsed).filter(|left| !left.is_zero())
    }

    /// What it has at a path, at the end of its links: the path, and `MODE SHA256`.
    pub(super) fn find_file(&self, path: &RelPath, session: &Session<'_>) -> Option<(String, &str)> {
        let mut at = path.as_str().to_owned();
        for _ in 0..MOST_LINKS {
            let line = self.files.get(&at)?;
            if !line.starts_with("120000") {
                return Some((at, line));
            }
            let target = String::from_utf8(self.read_file(&at, session)?).ok()?;
            at = resolve_link(&at, &target)?.as_str().to_owned();
        }
        None
    }

    /// The bytes of a file as they were, if this machine has them still.
    pub(super) fn read_file(&self, path: &str, session: &Session<'_>) -> Option<Vec<u8>> {
        let line = self.files.get(path)?;
        let bytes = match self.held.get(path) {
            Some(bytes) => bytes.clone(),
            None => {
                let package = find_tree(session, &self.digest)?;
                let entry = package.listing.entries().iter().find(|one| one.path.as_str() == path)?;
                match &entry.node {
                    ba_agent_core::listing::Node::Link { target } => target.clone().into_bytes(),
                    _ => package.read(entry).ok()?.into_owned(),
                }
            }
        };
        line.ends_with(&sha256_hex(&bytes)).then_some(bytes)
    }
}

impl ActivatedVersions {
    /// Remembers an activation; what the conversation had of the skill before is forgotten.
    pub(super) fn note(&mut self, one: ActivatedVersion) {
        self.known.retain(|known| known.name != one.name || known.session != one.session);
        self.known.push(one);
        self.known.drain(..self.known.len().saturating_sub(MOST_ACTIVATED));
        let mut bytes = 0_u64;
        for known in self.known.iter_mut().rev() {
            bytes += known.held.values().map(|file| file.len() as u64).sum::<u64>();
            if bytes > MOST_HELD {
                known.held.clear();
            }
        }
    }

    /// What a conversation has of a skill. One that does not say which it is has what the client got
    /// last; one that was begun elsewhere has what is remembered of it.
    pub(super) fn find(
        &mut self,
        name: &str,
        conversation: Option<&str>,
        session: &Session<'_>,
    ) -> Option<&mut ActivatedVersion> {
        let of = |known: &ActivatedVersion, wanted: Option<&str>| {
            known.name == name && known.session.as_deref() == wanted
        };
        let mut found = self.known.iter().rposition(|known| of(known, conversation));
        match conversation {
            None if found.is_none() => found = self.known.iter().rposition(|known| known.name == name),
            Some(id) if found.is_none() => {
                let remembered = read_agent_session(session, id).ok()?.session;
                let active = remembered.find_active(name)?;
                let digest = active.digest.clone().filter(|_| !active.files.is_empty())?;
                self.note(ActivatedVersion::new(name, Some(id), digest, active.files.clone()));
                found = self.known.len().checked_sub(1);
            }
            _ => {}
        }
        self.known.get_mut(found?)
    }

    /// True where somebody has something that can change.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Looks at what is known of one skill, which may have changed: `digest_now` says which state
    /// it has, where it is still there and can be read.
    pub(super) fn note_change(
        &mut self,
        name: &str,
        now: Instant,
        digest_now: impl FnOnce() -> Option<Digest>,
    ) {
        let mut of_name = self.known.iter_mut().filter(|known| known.name == name).peekable();
        if of_name.peek().is_none() {
            return;
        }
        let digest = digest_now();
        for known in of_name {
            match digest == Some(known.digest.clone()) {
                true => known.changed_at = None,
                false => _ = known.changed_at.get_or_insert(now),
            }
        }
    }
}

/// The bytes of all files of a folder, if they are the recorded ones and not too many.
fn read_all(folder: &Path, files: &Files) -> Option<BTreeMap<String, Vec<u8>>> {
    let size_of = |path: &String| std::fs::symlink_metadata(folder.join(path)).map_or(0, |meta| meta.len());
    let size = files.keys().map(size_of).fold(0, u64::saturating_add);
    if size > MOST_HELD {
        return None;
    }
    let read = |(path, line): (&String, &String)| {
        let bytes = read_entry(folder, path, line).ok()?;
        line.ends_with(&sha256_hex(&bytes)).then(|| (path.clone(), bytes))
    };
    files.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::testing::Bench;
    use crate::workspace::{Workspace, WorkspaceOptions};
    use ba_agent_test_support::Counting;

    fn in_session(check: impl FnOnce(&Session<'_>)) {
        let bench = Bench::new();
        let options = WorkspaceOptions { global: true, ..WorkspaceOptions::default() };
        let workspace = Workspace::new(bench.env.clone(), options);
        check(&workspace.open_unrepaired(&Counting::default()).unwrap());
    }

    fn version(name: &str, session: Option<&str>, state: &str) -> ActivatedVersion {
        ActivatedVersion::new(name, session, Digest::of(state.as_bytes()), Files::new())
    }

    fn second(number: u64) -> impl Fn(Instant) -> Instant {
        move |from| from + Duration::from_secs(number)
    }

    #[test]
    fn it_is_given_from_the_first_sight_of_another_state_on() {
        let (begin, overlap) = (Instant::now(), Duration::from_secs(300));
        let at = |seconds| second(seconds)(begin);
        let mut one = version("a", None, "1");
        assert_eq!(one.remaining(at(1_000), overlap), Some(overlap));
        assert_eq!(one.remaining(at(1_299), overlap), Some(Duration::from_secs(1)));
        assert_eq!(one.remaining(at(1_300), overlap), None);
        assert_eq!(one.remaining(at(9_999), overlap), None);
        assert_eq!(version("a", None, "1").remaining(begin, Duration::ZERO), None);
        // A time that no clock reaches.
        assert!(version("a", None, "1").remaining(begin, Duration::MAX).is_some());
    }

    #[test]
    fn what_was_only_touched_has_not_changed() {
        in_session(|session| {
            let (begin, overlap) = (Instant::now(), Duration::from_secs(300));
            let mut all = ActivatedVersions::default();
            all.note(version("a", None, "1"));
            let mut look = |state: Option<&str>, seconds| {
                all.note_change("a", second(seconds)(begin), || {
                    state.map(|state| Digest::of(state.as_bytes()))
                });
                all.note_change("b", begin, || panic!("nobody has `b`"));
                let changed = all.find("a", None, session).unwrap().changed_at;
                changed.map(|at| at.duration_since(begin).as_secs())
            };
            assert_eq!(look(Some("1"), 1), None);
            assert_eq!(look(Some("2"), 2), Some(2));
            assert_eq!(look(Some("3"), 3), Some(2));
            assert_eq!(look(Some("1"), 4), None);
            assert_eq!(look(None, 5), Some(5));
            let left = all.find("a", None, session).unwrap().remaining(second(6)(begin), overlap);
            assert_eq!(left, Some(Duration::from_secs(299)));
        });
    }

    #[test]
    fn each_conversation_has_its_own() {
        in_session(|session| {
            let mut all = ActivatedVersions::default();
            for (conversation, state) in [(None, "1"), (Some("x"), "2"), (None, "3"), (Some("y"), "4")] {
                all.note(version("a", conversation, state));
            }
            let mut digest =
                |conversation| all.find("a", conversation, session).map(|one| one.digest.clone());
            let state = |text: &str| Some(Digest::of(text.as_bytes()));
            assert_eq!(
                (digest(None), digest(Some("x")), digest(Some("y"))),
                (state("3"), state("2"), state("4"))
            );
            assert_eq!(digest(Some("nobody")), None);
            let mut all = ActivatedVersions::default();
            all.note(version("a", Some("x"), "1"));
            // A client with one conversation, which names it once.
            assert_eq!(all.find("a", None, session).unwrap().digest, Digest::of(b"1"));
            assert!(all.find("b", None, session).is_none());
        });
    }

    #[test]
    fn what_is_held_stays_bounded() {
        in_session(|session| {
            let folder = tempfile::tempdir().unwrap();
            let large = vec![b'x'; (MOST_HELD as usize) / 4];
            let mut all = ActivatedVersions::default();
            for number in 0..6 {
                let name = format!("f{number}");
                std::fs::write(folder.path().join(&name), &large).unwrap();
                let files = Files::from([(name.clone(), format!("100644 {}", sha256_hex(&large)))]);
                let mut one = ActivatedVersion::new(&name, None, Digest::of(name.as_bytes()), files);
                one.hold_files(session, folder.path());
                assert_eq!(one.held.len(), 1);
                all.note(one);
            }
            let held: Vec<usize> = all.known.iter().map(|one| one.held.len()).collect();
            assert_eq!(held, [0, 0, 1, 1, 1, 1]);
            for number in 0..MOST_ACTIVATED {
                all.note(version(&format!("g{number}"), None, "1"));
            }
            assert_eq!(all.known.len(), MOST_ACTIVATED);
            // More than all together, and files that are not the recorded ones.
            std::fs::write(folder.path().join("f0"), vec![b'x'; MOST_HELD as usize + 1]).unwrap();
            for path in ["f0", "f1"] {
                let files = Files::from([(path.to_owned(), format!("100644 {}", "0".repeat(64)))]);
                let mut one = ActivatedVersion::new("a", None, Digest::of(b"1"), files);
                one.hold_files(session, folder.path());
                assert!(one.held.is_empty());
            }
        });
    }
}
