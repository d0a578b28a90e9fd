//! Which skills were written without waiting for the disk to have them.
//!
//! As long as the system runs, what was written can be read: only a power cut, or a system that
//! crashes, loses what the disk did not get yet. So nobody waits for the bytes of skills. Before
//! they are put in place it is recorded, durably, which they are and under which run of the
//! system; the first command of a later run holds these, and only these, against their digests.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ba_agent_core::registry::Registry;
use ba_agent_core::skill::SkillName;

const MAGIC: &str = "ba-agent unsettled 1";

/// The skills that one change wrote, as far as no later one wrote them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsettled {
    /// The run of the system; empty where the record of it cannot be read.
    boot: String,
    /// Milliseconds since 1970 when they had been written: what has changed after that somebody
    /// else has changed.
    at: u64,
    /// The number of that change in the history, where it has one.
    pub(crate) change: Option<u64>,
    /// `None` for all that are installed.
    skills: Option<BTreeSet<SkillName>>,
}

impl Unsettled {
    pub(super) fn new(boot: &str, change: Option<u64>, skills: BTreeSet<SkillName>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "it is compared with the times that the disk has")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Self { boot: boot.to_owned(), at, change, skills: Some(skills) }
    }

    /// Those of its skills that are installed.
    pub(crate) fn installed<'r>(&self, registry: &'r Registry) -> Vec<&'r SkillName> {
        let is_one = |name: &&SkillName| self.skills.as_ref().is_none_or(|skills| skills.contains(*name));
        registry.skills.keys().filter(is_one).collect()
    }

    /// True where what has this time of change was last touched by the command itself.
    pub(crate) fn is_of_us(&self, changed: SystemTime) -> bool {
        // The clock of a file system is a little coarser than that of programs.
        let end = UNIX_EPOCH + Duration::from_millis(self.at.saturating_add(10));
        changed <= end
    }

    pub(super) fn is_of(&self, boot: &str) -> bool {
        self.boot == boot
    }
}

/// What was unsettled before a change, and what that change writes: the skills that it writes or
/// takes away are no longer those that were written before.
pub(super) fn join_records(before: Vec<Unsettled>, new: Unsettled, registry: &Registry) -> Vec<Unsettled> {
    let written = new.skills.clone().unwrap_or_default();
    let mut all: Vec<Unsettled> = before;
    for one in &mut all {
        if let Some(skills) = &mut one.skills {
            skills.retain(|name| !written.contains(name) && registry.skills.contains_key(name));
        }
    }
    all.push(new);
    all.retain(|one| one.skills.as_ref().is_none_or(|skills| !skills.is_empty()));
    all
}

pub(super) fn to_text(all: &[Unsettled]) -> String {
    let mut text = format!("{MAGIC}\n");
    for one in all {
        let boot = if one.boot.is_empty() { "-" } else { &one.boot };
        let change = one.change.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let _ = write!(text, "{boot} {} {change}", one.at);
        match &one.skills {
            None => text.push_str(" *"),
            Some(skills) => skills.iter().for_each(|name| {
                let _ = write!(text, " {name}");
            }),
        }
        text.push('\n');
    }
    text.push_str("end\n");
    text
}

/// Reads a record. One that is not whole says nothing of what it is about: then it is all that
/// was installed until `at`, when it was written.
pub(super) fn parse_record(bytes: &[u8], at: SystemTime) -> Vec<Unsettled> {
    parse_whole(bytes).unwrap_or_else(|| {
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        vec![Unsettled { boot: String::new(), at, change: None, skills: None }]
    })
}

fn parse_whole(bytes: &[u8]) -> Option<Vec<Unsettled>> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix("end\n")?;
    let mut lines = text.lines();
    if lines.next()? != MAGIC {
        return None;
    }
    lines.map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Unsettled> {
    let mut words = line.split(' ');
    let (boot, at, change) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let change = if change == "-" { None } else { Some(change.parse().ok()?) };
    let mut words = words.peekable();
    let skills = match words.peek() {
        Some(&"*") => None,
        _ => Some(words.map(|word| word.parse().ok()).collect::<Option<BTreeSet<_>>>()?),
    };
    Some(Unsettled { boot: boot.trim_matches('-').to_owned(), at, change, skills })
}

/// True where some of it was written under another run of the system than `boot`. Reads the
/// first word of each line and no names.
pub(super) fn has_others(bytes: &[u8], boot: &str) -> bool {
    let sound = bytes.strip_prefix(MAGIC.as_bytes()).and_then(|rest| rest.strip_suffix(b"\nend\n"));
    let Some(lines) = sound else { return true };
    lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .any(|line| line.split(|byte| *byte == b' ').next() != Some(boot.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> BTreeSet<SkillName> {
        text.split(' ').map(|name| name.parse().unwrap()).collect()
    }

    fn registry(text: &str) -> Registry {
        let entry = r#"{"source":"./s","kind":"local","pin":{},"targets":["claude-code"],
            "digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "files":{},"mode":"link","installed_at":"2026-01-02T03:04:05Z"}"#;
        let skills: Vec<String> = text.split(' ').map(|name| format!("\"{name}\":{entry}")).collect();
        let text = format!(r#"{{"schema_version":"1.0","skills":{{{}}}}}"#, skills.join(","));
        Registry::parse(&text, "test").unwrap()
    }

    #[test]
    fn a_record_says_of_each_skill_who_wrote_it_last() {
        let first = Unsettled::new("boot-1", Some(7), names("a b c"));
        let all = join_records(Vec::new(), first, &registry("a b c"));
        let all = join_records(all, Unsettled::new("boot-2", None, names("b")), &registry("a b"));
        let text = to_text(&all);
        let read = parse_record(text.as_bytes(), UNIX_EPOCH);
        assert_eq!(read, all);
        let said: Vec<_> =
            read.iter().map(|one| (one.boot.as_str(), one.change, one.skills.clone())).collect();
        assert_eq!(said, [("boot-1", Some(7), Some(names("a"))), ("boot-2", None, Some(names("b")))]);
        assert!(has_others(text.as_bytes(), "boot-2") && has_others(text.as_bytes(), "boot-1"));
        let one = to_text(&read[1..]);
        assert!(!has_others(one.as_bytes(), "boot-2") && has_others(one.as_bytes(), "boot-1"));
        assert!(!has_others(to_text(&[]).as_bytes(), "boot-2"));
    }

    /// Never that everything is settled: where it cannot be read, everything is looked at.
    #[test]
    fn a_record_that_is_not_whole_is_about_everything() {
        let text = to_text(&[Unsettled::new("boot-1", Some(7), names("a b"))]);
        for end in 0..text.len() {
            let cut = &text.as_bytes()[..end];
            for bytes in [cut.to_vec(), [cut, &vec![0; text.len() - end]].concat()] {
                let read = parse_record(&bytes, UNIX_EPOCH);
                assert_eq!(read[0].installed(&registry("a b x")).len(), 3, "{end}");
                assert!(has_others(&bytes, "boot-1"), "{end}");
                assert_eq!(parse_record(to_text(&read).as_bytes(), UNIX_EPOCH), read);
            }
        }
    }

    #[test]
    fn what_changed_later_is_not_ours() {
        let now = Unsettled::new("b", None, names("a"));
        let at = UNIX_EPOCH + Duration::from_millis(now.at);
        assert!(now.is_of_us(at) && !now.is_of_us(at + Duration::from_secs(1)));
    }
}
