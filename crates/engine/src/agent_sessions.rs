//! World: which skills are active in which conversation, so that what a model has read already is
//! not given once more.
//!
//! A file a conversation, in the state folder of the scope, for its owner alone. What a person
//! wrote is never in it: of messages there are hashes of their terms, salted with the
//! conversation's id, of texts hashes. A file that cannot be used is said, and begun anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::store::lock::Lock;
use crate::workspace::Session;
use ba_agent_core::activation::ContextModifier;
use ba_agent_core::digest::{Digest, Files, sha256_hex};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::follow_up::{REMEMBERED_MESSAGES, message_terms};
use ba_agent_system::fsx;

/// Bytes of a file that are read; what is written stays far below.
const LARGEST: u64 = 2 << 20;
/// Characters of a conversation's id.
const LONGEST_ID: usize = 128;
/// Skills of one conversation that are remembered: the oldest go.
const MOST_SKILLS: usize = 64;
/// Files of a skill that are remembered by name.
const MOST_FILES: usize = 256;
/// Conversations that are remembered, and for how long.
const MOST_SESSIONS: usize = 500;
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long another activation of the same conversation is waited for.
const WAIT: Duration = Duration::from_secs(2);

/// What is remembered of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AgentSession {
    #[serde(rename = "session")]
    id: String,
    updated_at: Timestamp,
    /// In the order in which they were activated.
    pub(crate) skills: Vec<ActiveSkill>,
    /// Hashes of the terms of the last messages, the oldest first.
    messages: Vec<BTreeSet<String>>,
}

/// A skill whose instructions a conversation has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ActiveSkill {
    /// The name that means it and no other.
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) digest: Option<Digest>,
    /// sha256 of the manifest.
    pub(crate) manifest: String,
    /// sha256 of the instructions as they were given.
    pub(crate) text: String,
    /// The files that it had; empty where there were too many.
    pub(crate) files: Files,
    pub(crate) activated_at: Timestamp,
    pub(crate) modifier: ContextModifier,
    /// What the skill itself wants a person to be asked about; in `modifier` is what the settings say, too.
    #[serde(default)]
    pub(crate) own_approval: Vec<String>,
}

/// The id of a conversation, which becomes the name of a file.
///
/// # Errors
/// `Usage` for one that is empty, too long, or has other characters than letters, digits, `.`, `_`
/// and `-`.
pub(crate) fn check_session_id(id: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if id.is_empty() || id.len() > LONGEST_ID || id.starts_with('.') || !id.chars().all(is_plain) {
        let shown: String = id.chars().take(40).collect();
        return Err(error!(Usage, "`{}` is not a valid session id", printable(&shown, false)).hint(format!(
            "expected 1 to {LONGEST_ID} of A-Z, a-z, 0-9, `.`, `_` and `-`, not beginning with `.`"
        )));
    }
    Ok(())
}

impl AgentSession {
    fn new(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    /// The conversation's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The skill of this name, where it is active.
    pub(crate) fn find_active(&self, name: &str) -> Option<&ActiveSkill> {
        self.skills.iter().find(|skill| skill.name == name)
    }

    /// Notes an activation; what was known of the skill before is replaced.
    pub(crate) fn note_activation(&mut self, mut skill: ActiveSkill) {
        if skill.files.len() > MOST_FILES {
            skill.files.clear();
        }
        self.skills.retain(|known| known.name != skill.name);
        self.skills.push(skill);
        let excess = self.skills.len().saturating_sub(MOST_SKILLS);
        self.skills.drain(..excess);
    }

    /// What holds for all active skills together.
    pub(crate) fn join_modifiers(&self) -> ContextModifier {
        let none = ContextModifier::default();
        self.skills.iter().fold(none, |joined, skill| joined.joined_with(&skill.modifier))
    }

    /// Terms of a message in the form in which they are kept.
    pub(crate) fn hash_terms(&self, message: &str) -> BTreeSet<String> {
        let hash = |term: String| sha256_hex(format!("{}\n{term}", self.id).as_bytes())[..16].to_owned();
        message_terms(message).into_iter().map(hash).collect()
    }

    /// Terms of the messages before, the oldest first.
    pub(crate) fn earlier_terms(&self) -> &[BTreeSet<String>] {
        &self.messages
    }

    /// Remembers the terms of a message.
    pub(crate) fn note_message(&mut self, terms: BTreeSet<String>) {
        self.messages.push(terms);
        let excess = self.messages.len().saturating_sub(REMEMBERED_MESSAGES);
        self.messages.drain(..excess);
    }
}

/// Where the conversations of a scope are remembered.
fn sessions_folder(session: &Session<'_>) -> PathBuf {
    session.store.state_dir().folder().join("sessions")
}

/// A conversation, and what was wrong with what is remembered of it, in a sentence.
#[derive(Debug)]
pub(crate) struct RememberedSession {
    pub(crate) session: AgentSession,
    pub(crate) fault: Option<String>,
}

/// What is remembered of a conversation; nothing of one that is new, or whose file cannot be used.
///
/// # Errors
/// Those of [`check_session_id`].
pub(crate) fn read_agent_session(session: &Session<'_>, id: &str) -> Result<RememberedSession> {
    check_session_id(id)?;
    let path = sessions_folder(session).join(format!("{id}.json"));
    Ok(match read_file(&path, id) {
        Ok(read) => RememberedSession { session: read.unwrap_or_else(|| AgentSession::new(id)), fault: None },
        Err(fault) => {
            let fault =
                format!("what was remembered of session `{id}` cannot be used ({fault}); it begins anew");
            RememberedSession { session: AgentSession::new(id), fault: Some(fault) }
        }
    })
}

/// Reads a file; `None` where there is none, or one of a conversation whose id differs in case.
///
/// # Errors
/// Why it cannot be used.
fn read_file(path: &Path, id: &str) -> Result<Option<AgentSession>, String> {
    if std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err("it is not a regular file".to_owned());
    }
    let bytes = match fsx::read_plain_file(path, LARGEST) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) => return Err(printable(&error.message, false)),
    };
    let read: AgentSession = serde_json::from_slice(&bytes).map_err(|_| "it is damaged".to_owned())?;
    Ok(Some(read).filter(|read| read.id == id))
}

/// Changes what is remembered of a conversation, as it stands now: several programs may do so at
/// once. What cannot be written is the fault of the result, and hinders nothing.
///
/// # Errors
/// Those of [`check_session_id`].
pub(crate) fn change_agent_session(
    session: &Session<'_>,
    id: &str,
    change: impl FnOnce(&mut AgentSession),
) -> Result<RememberedSession> {
    check_session_id(id)?;
    let folder = sessions_folder(session);
    let lock = session
        .store
        .make_state_folder()
        .map_err(ba_agent_core::error::Error::from)
        .and_then(|()| Lock::take(&folder.join(".lock"), WAIT, &|_| {}));
    let mut changed = read_agent_session(session, id)?.session;
    change(&mut changed);
    changed.updated_at = session.env.now;
    let path = folder.join(format!("{id}.json"));
    let is_new = !fsx::exists(&path);
    let written = lock.and_then(|lock| {
        let text = serde_json::to_vec(&changed).unwrap_or_default();
        let written = replace_file(&path, &text);
        if is_new {
            forget_old_sessions(&folder, session.env.now);
        }
        // The lock file stays: removing it with the folder would race with the next.
        drop(lock);
        written
    });
    let fault = written.err().map(|error| format!("session `{id}` cannot be remembered: {}", error.message));
    Ok(RememberedSession { session: changed, fault })
}

/// Writes a file that only its owner reads, over whatever stands there.
fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        return Err(error!(Conflict, "`{}` is a folder", path.display()).hint("move it away"));
    }
    let new = fsx::new_beside(path);
    let _ = std::fs::remove_file(&new);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&new)?;
    std::io::Write::write_all(&mut file, bytes)?;
    drop(file);
    fsx::put_new_in_place(path)?;
    Ok(())
}

/// Removes conversations that nobody went on with for long, and the oldest where there are many.
fn forget_old_sessions(folder: &Path, now: Timestamp) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_session = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    let mut known: Vec<(Timestamp, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter(|path| is_session(path))
        .filter_map(|path| {
            let written = std::fs::symlink_metadata(&path).ok()?.modified().ok()?;
            Some((Timestamp::try_from(written).ok()?, path))
        })
        .collect();
    known.sort();
    let excess = known.len().saturating_sub(MOST_SESSIONS);
    for (at, (written, path)) in known.iter().enumerate() {
        if at < excess || now.duration_since(*written) > KEPT_FOR {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Workspace, WorkspaceOptions};
    use ba_agent_system::env::Env;
    use ba_agent_test_support::Counting;

    fn in_session(check: impl FnOnce(&Session<'_>)) {
        let home = tempfile::tempdir().unwrap();
        let options = WorkspaceOptions { global: true, ..WorkspaceOptions::default() };
        let workspace = Workspace::new(Env::isolated(home.path(), &[]), options);
        let counting = Counting::default();
        check(&workspace.open_unrepaired(&counting).unwrap());
    }

    fn active(name: &str) -> ActiveSkill {
        ActiveSkill {
            name: name.to_owned(),
            version: None,
            digest: Some(Digest::of(b"x")),
            manifest: "m".into(),
            text: "t".into(),
            files: Files::new(),
            activated_at: Timestamp::UNIX_EPOCH,
            modifier: ContextModifier { allowed_tools: vec![name.to_owned()], ..ContextModifier::default() },
            own_approval: Vec::new(),
        }
    }

    #[test]
    fn an_id_is_the_name_of_a_file_and_no_path() {
        for good in ["a", "0f3c-11", "A.b_c-9", &"x".repeat(128)] {
            assert!(check_session_id(good).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", ".x", "a/b", "../x", "a\\b", "a b", "ä", "a\0", "a\n", "C:", &"x".repeat(129)]
        {
            assert_eq!(check_session_id(bad).unwrap_err().kind.exit_status(), 2, "{bad:?}");
        }
    }

    #[test]
    fn what_was_noted_is_remembered_without_words() {
        in_session(|session| {
            change_agent_session(session, "s1", |one| {
                one.note_activation(active("pdf"));
                one.note_activation(active("xlsx"));
                one.note_activation(active("pdf"));
                let terms = one.hash_terms("Extract the confidential tables");
                one.note_message(terms);
            })
            .unwrap();
            let read = read_agent_session(session, "s1").unwrap().session;
            let names: Vec<_> = read.skills.iter().map(|skill| skill.name.as_str()).collect();
            assert_eq!(names, ["xlsx", "pdf"]);
            assert_eq!(read.join_modifiers().allowed_tools, ["xlsx", "pdf"]);
            assert_eq!(read.earlier_terms()[0], read.hash_terms("tables, confidential: extracted"));
            let text = std::fs::read_to_string(sessions_folder(session).join("s1.json")).unwrap();
            assert!(!text.contains("confidenti") && !text.contains("tabl"), "{text}");
            // The same word of another conversation has another hash.
            assert_ne!(AgentSession::new("s2").hash_terms("tables"), read.hash_terms("tables"));
            assert!(read_agent_session(session, "S2").unwrap().session.skills.is_empty());
        });
    }

    #[test]
    fn a_file_that_cannot_be_used_is_begun_anew() {
        in_session(|session| {
            change_agent_session(session, "s", |one| one.note_activation(active("pdf"))).unwrap();
            let path = sessions_folder(session).join("s.json");
            let damage: [&dyn Fn(); 4] = [
                &|| std::fs::write(&path, "{\"session\":\"s\"").unwrap(),
                &|| std::fs::write(&path, vec![b' '; 3 << 20]).unwrap(),
                &|| std::fs::write(&path, "[".repeat(100_000)).unwrap(),
                &|| {
                    std::fs::remove_file(&path).unwrap();
                    #[cfg(unix)]
                    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
                },
            ];
            for spoil in damage {
                spoil();
                let read = read_agent_session(session, "s").unwrap();
                assert!(read.session.skills.is_empty() && read.fault.is_some());
                change_agent_session(session, "s", |one| one.note_activation(active("xlsx"))).unwrap();
                assert!(!path.is_symlink());
                assert_eq!(read_agent_session(session, "s").unwrap().session.skills[0].name, "xlsx");
            }
        });
    }

    #[test]
    fn what_is_remembered_stays_bounded() {
        in_session(|session| {
            let changed = change_agent_session(session, "s", |one| {
                for number in 0..200 {
                    let mut skill = active(&format!("skill-{number}"));
                    skill.files = (0..500).map(|n| (format!("f{n}"), String::new())).collect();
                    one.note_activation(skill);
                    let terms = one.hash_terms(&format!("word{number} and another"));
                    one.note_message(terms);
                }
            });
            let changed = changed.unwrap().session;
            assert_eq!((changed.skills.len(), changed.messages.len()), (MOST_SKILLS, REMEMBERED_MESSAGES));
            assert_eq!(changed.skills[0].name, "skill-136");
            assert!(changed.skills[0].files.is_empty());
            let folder = sessions_folder(session);
            for number in 0..MOST_SESSIONS + 20 {
                std::fs::write(folder.join(format!("old-{number}.json")), "{}").unwrap();
            }
            change_agent_session(session, "new", |_| {}).unwrap();
            let left = std::fs::read_dir(&folder).unwrap().count();
            assert!(left <= MOST_SESSIONS + 1, "{left}");
        });
    }

    #[test]
    fn several_writers_lose_nothing() {
        let home = tempfile::tempdir().unwrap();
        let options = WorkspaceOptions { global: true, ..WorkspaceOptions::default() };
        let workspace = Workspace::new(Env::isolated(home.path(), &[]), options);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let workspace = &workspace;
                scope.spawn(move || {
                    let counting = Counting::default();
                    let session = workspace.open_unrepaired(&counting).unwrap();
                    for number in 0..10 {
                        let name = format!("skill-{thread}-{number}");
                        change_agent_session(&session, "s", |one| one.note_activation(active(&name)))
                            .unwrap();
                    }
                });
            }
        });
        let counting = Counting::default();
        let session = workspace.open_unrepaired(&counting).unwrap();
        assert_eq!(read_agent_session(&session, "s").unwrap().session.skills.len(), 40);
    }
}
