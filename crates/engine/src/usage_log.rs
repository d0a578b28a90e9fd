//! World: the log of the use of skills, on this machine and for its user alone.
//!
//! A line an event, in a file of the scope's state folder. Any number of processes add to it at
//! once: each opens it for appending and writes its lines with one call, so that lines never mix.
//! Nobody waits for anybody, and a log that cannot be written hinders no command. What a full
//! disk or a power cut left is passed over by the reader.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::workspace::Session;
use ba_agent_core::usage::{SkillUse, UseEvent, UseOutcome};
use ba_agent_system::fsx;

/// A log of this many bytes is put aside, and the one before that goes: some 40,000 events stay.
const LARGEST: u64 = 4 << 20;
/// What is read of a log to know what was used lately: some 1,500 events, in a millisecond.
const RECENT: u64 = 256 << 10;
/// What is written with one call.
const BATCH: usize = 64 << 10;

/// Notes that a skill was used. Does nothing where the settings say so; never fails and never
/// waits: whoever uses a skill must not be hindered by the log of it.
pub(crate) fn record_use(session: &Session<'_>, event: &UseEvent) {
    record_uses(session, std::slice::from_ref(event));
}

/// As [`record_use`], for many.
pub(crate) fn record_uses(session: &Session<'_>, events: &[UseEvent]) {
    let is_on = session.settings.monitoring.usage_log;
    if events.is_empty() || !is_on || session.store.make_state_folder().is_err() {
        return;
    }
    let path = session.store.state_dir().usage_file();
    let mut lines = String::new();
    for event in events {
        lines.push_str(&event.to_line());
        if lines.len() > BATCH {
            append_lines(&path, &lines);
            lines.clear();
        }
    }
    append_lines(&path, &lines);
}

/// Adds lines to the log; what cannot be written is lost.
fn append_lines(path: &Path, lines: &str) {
    if let Some(mut file) = open_to_append(path).filter(|_| !lines.is_empty()) {
        let _ = file.write_all(lines.as_bytes());
        if file.metadata().is_ok_and(|meta| meta.len() > LARGEST) {
            put_aside(path, &file);
        }
    }
}

/// A plain file of this user's own; a link, a pipe or a device is not written to.
fn open_to_append(path: &Path) -> Option<File> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(fsx::NO_FOLLOW | fsx::NO_WAIT);
    }
    options.open(path).ok().filter(|file| file.metadata().is_ok_and(|meta| meta.is_file()))
}

fn path_put_aside(path: &Path) -> PathBuf {
    path.with_file_name("usage.1.jsonl")
}

/// Begins a new log. Of several processes that find it too large, one does it: who has the lock of
/// the file, and finds it still under its name.
fn put_aside(path: &Path, file: &File) {
    if file.try_lock().is_ok() {
        if is_still_there(path, file) {
            let _ = std::fs::rename(path, path_put_aside(path));
        }
        let _ = file.unlock();
    }
}

#[cfg(unix)]
fn is_still_there(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    matches!((std::fs::symlink_metadata(path), file.metadata()),
        (Ok(there), Ok(own)) if there.dev() == own.dev() && there.ino() == own.ino())
}

#[cfg(not(unix))]
fn is_still_there(path: &Path, _: &File) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.len() > LARGEST)
}

/// Calls `take` with every event of the scope that can be read, older ones first. Of a user's
/// account these are the events of all its projects.
pub(crate) fn read_uses(session: &Session<'_>, mut take: impl FnMut(UseEvent)) {
    let state = session.store.state_dir();
    let mut logs = vec![state.usage_file()];
    if !session.scope.is_project() {
        let name = logs[0].file_name().unwrap_or_default().to_owned();
        logs = state.all_folders().into_iter().map(|folder| folder.join(&name)).collect();
        logs.sort();
    }
    for log in logs {
        for path in [path_put_aside(&log), log] {
            // One more batch than the largest may stand in it.
            for_each_event(&path, LARGEST + BATCH as u64 * 2, &mut take);
        }
    }
}

/// How often each skill was used lately, and when last: of one scope, from the end of its log.
pub(crate) fn count_recent_uses(session: &Session<'_>) -> HashMap<String, SkillUse> {
    let mut counts: HashMap<String, SkillUse> = HashMap::new();
    for_each_event(&session.store.state_dir().usage_file(), RECENT, &mut |event| {
        if matches!(event.event, UseOutcome::Activated | UseOutcome::Followup) {
            let count = counts.entry(event.skill).or_default();
            count.uses += 1;
            count.last = count.last.max(Some(event.at));
        }
    });
    counts
}

/// Reads the last `most` bytes of a log, line by line.
fn for_each_event(path: &Path, most: u64, take: &mut impl FnMut(UseEvent)) {
    let Ok(Some((mut file, size))) = fsx::open_plain_file(path) else { return };
    let mut bytes = Vec::new();
    let start = size.saturating_sub(most);
    // Where the reading begins in the middle of a line, that line is the one before it.
    if file.seek(SeekFrom::Start(start)).is_err() || file.take(most).read_to_end(&mut bytes).is_err() {
        return;
    }
    let lines = bytes.split(|byte| *byte == b'\n').skip(usize::from(start > 0));
    lines.filter_map(UseEvent::parse_line).for_each(take);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Workspace, WorkspaceOptions};
    use ba_agent_core::usage::UsageChannel;
    use ba_agent_system::env::Env;
    use ba_agent_test_support::Counting;
    use jiff::Timestamp;

    fn in_project<T>(test: impl FnOnce(&Session<'_>, &Path) -> T) -> T {
        let home = tempfile::tempdir().unwrap();
        let project = home.path().join("p/.claude");
        std::fs::create_dir_all(&project).unwrap();
        let mut env = Env::isolated(home.path(), &[]);
        env.cwd = project;
        let workspace = Workspace::new(env, WorkspaceOptions::default());
        let observer = Counting::default();
        let session = workspace.open_unrepaired(&observer).unwrap();
        let log = session.store.state_dir().usage_file();
        test(&session, &log)
    }

    fn used(skill: &str) -> UseEvent {
        UseEvent::new(Timestamp::UNIX_EPOCH, skill, UsageChannel::Cli, UseOutcome::Activated)
    }

    fn names(session: &Session<'_>) -> Vec<String> {
        let mut names = Vec::new();
        read_uses(session, |event| names.push(event.skill));
        names
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        in_project(|session, log| {
            assert!(names(session).is_empty() && !log.exists());
            record_use(session, &used("a"));
            record_use(session, &used("b"));
            record_uses(session, &[used("a"), used("a")]);
            assert_eq!(names(session), ["a", "b", "a", "a"]);
            let counts = count_recent_uses(session);
            assert_eq!((counts["a"].uses, counts["b"].uses), (3, 1));
        });
    }

    /// Lines that were cut, and bytes of anybody's.
    #[test]
    fn damaged_lines_are_passed_over() {
        in_project(|session, log| {
            record_use(session, &used("a"));
            let mut bytes = std::fs::read(log).unwrap();
            bytes.extend_from_slice(b"{\"at\":\"1970-01-0\n\xff\xfe\n[]\n\n{\"at\":3}\n{\"at\":\"19");
            std::fs::write(log, bytes).unwrap();
            record_use(session, &used("b"));
            assert_eq!(names(session), ["a", "b"]);
        });
    }

    #[test]
    fn threads_that_write_at_once_lose_nothing() {
        in_project(|session, _| {
            record_use(session, &used("first"));
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    scope.spawn(move || {
                        for _ in 0..100 {
                            record_use(session, &used(&format!("skill-of-{thread}")));
                        }
                    });
                }
            });
            let names = names(session);
            assert_eq!(names.len(), 801);
            for thread in 0..8 {
                let own = format!("skill-of-{thread}");
                assert_eq!(names.iter().filter(|name| **name == own).count(), 100);
            }
        });
    }

    /// However much is written, two files of the largest size stay.
    #[test]
    fn the_log_stays_small() {
        in_project(|session, log| {
            let old: Vec<UseEvent> = (0..60_000).map(|_| used("an-old-one")).collect();
            record_uses(session, &old);
            let new: Vec<UseEvent> = (0..60_000).map(|_| used("a-newer-one")).collect();
            record_uses(session, &new);
            record_use(session, &used("last"));
            let sizes = [log.to_path_buf(), path_put_aside(log)].map(|path| path.metadata().unwrap().len());
            assert!(sizes.iter().all(|size| *size <= LARGEST + BATCH as u64 * 2), "{sizes:?}");
            let names = names(session);
            assert_eq!(names.last().map(String::as_str), Some("last"));
            assert!(names.iter().filter(|name| *name == "a-newer-one").count() > 40_000);
            assert!(count_recent_uses(session).values().map(|count| count.uses).sum::<u64>() < 4_000);
        });
    }

    #[cfg(unix)]
    #[test]
    fn nothing_but_a_plain_file_is_written_to() {
        in_project(|session, log| {
            record_use(session, &used("a"));
            std::fs::remove_file(log).unwrap();
            let other = log.with_file_name("other");
            std::os::unix::fs::symlink(&other, log).unwrap();
            record_use(session, &used("b"));
            assert!(!other.exists());
            std::fs::remove_file(log).unwrap();
            std::fs::create_dir(log).unwrap();
            record_use(session, &used("c"));
            assert!(names(session).is_empty());
        });
    }
}
