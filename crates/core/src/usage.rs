//! What is known of the use of skills: one event a line, and the sums over them.
//!
//! An event says which skill, when, by whom and with what outcome. It never holds what a person
//! wrote: no prompt, no argument, no path.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, sha256_hex};

/// Bytes of a name, version or agent that are kept.
const LONGEST_WORD: usize = 200;

/// Who saw a skill being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageChannel {
    /// A hook that an agent ran.
    Hook,
    /// A call of the MCP server.
    Mcp,
    /// A command that was typed, or run by a program.
    Cli,
    /// What an agent wrote down by itself, read afterwards.
    Import,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UseOutcome {
    /// The instructions were loaded.
    Activated,
    /// They could not be.
    Failed,
    /// Something that the skill or its user forbids was wanted, and refused.
    Denied,
    /// The instructions were there already, and a short message was enough.
    Followup,
}

/// One use of a skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseEvent {
    pub at: Timestamp,
    pub skill: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub by: UsageChannel,
    pub event: UseOutcome,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// The agent's id, for instance `claude-code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// [`hash_session`] of the conversation's id: tells conversations apart, and not which they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Tokens that a light answer saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_saved: Option<u64>,
    /// The same for what two channels saw of one use, so that it counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl UseEvent {
    /// An event of which nothing more is known.
    pub fn new(at: Timestamp, skill: &str, by: UsageChannel, event: UseOutcome) -> Self {
        Self {
            at,
            skill: skill.to_owned(),
            digest: None,
            version: None,
            by,
            event,
            ms: None,
            agent: None,
            session: None,
            tokens_saved: None,
            id: None,
        }
    }

    /// The same in a conversation of an agent; of its id only the hash is kept.
    #[must_use]
    pub fn in_session(mut self, agent: Option<&str>, session: Option<&str>) -> Self {
        self.agent = agent.map(str::to_owned);
        self.session = session.filter(|id| !id.is_empty()).map(hash_session);
        self
    }

    /// The same, known by what the agent calls this one use.
    #[must_use]
    pub fn of_call(mut self, agent: &str, call: &str) -> Self {
        self.id = Some(sha256_hex(format!("{agent}\n{call}").as_bytes())[..16].to_owned());
        self
    }

    /// The event as one line with its end; words that are too long for one are cut.
    pub fn to_line(&self) -> String {
        let mut event = self.clone();
        let words = [Some(&mut event.skill), event.version.as_mut(), event.agent.as_mut()];
        words.into_iter().flatten().for_each(cut_word);
        let mut line = serde_json::to_string(&event).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads a line. A line that begins with the rest of another, which was cut when a disk was
    /// full or a machine stopped, counts from where its own event begins.
    pub fn parse_line(line: &[u8]) -> Option<Self> {
        if line.is_empty() {
            return None;
        }
        let read = |bytes: &[u8]| serde_json::from_slice::<Self>(bytes).ok();
        read(line).or_else(|| {
            let begin = b"{\"at\":";
            let at = line.windows(begin.len()).rposition(|window| window == begin)?;
            read(line.get(at..)?)
        })
    }
}

fn cut_word(word: &mut String) {
    let end = (0..=LONGEST_WORD).rev().find(|end| word.is_char_boundary(*end));
    if word.len() > LONGEST_WORD {
        word.truncate(end.unwrap_or(0));
    }
}

/// What stands in the log for the id of a conversation.
pub fn hash_session(id: &str) -> String {
    sha256_hex(id.as_bytes())[..12].to_owned()
}

/// How often a skill was used, and when last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SkillUse {
    pub uses: u64,
    pub last: Option<Timestamp>,
}

/// What a log says of one skill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SkillUsage {
    pub name: String,
    /// Tries to load it: those that succeeded and those that failed.
    pub activations: u64,
    pub successes: u64,
    pub failures: u64,
    pub denied: u64,
    /// Times that a short message was enough.
    pub followups: u64,
    pub tokens_saved: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// The middle one of the times that loading took.
    pub p50_ms: Option<u64>,
    /// Activations by who saw them.
    pub by: ChannelCounts,
}

/// How many of the activations each channel saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ChannelCounts {
    pub hook: u64,
    pub mcp: u64,
    pub cli: u64,
    pub import: u64,
}

/// Adds events up, one after the other, in any order.
#[derive(Debug, Default)]
pub struct UsageSums {
    skills: BTreeMap<String, (SkillUsage, Vec<u64>)>,
    known: HashSet<String>,
    since: Option<Timestamp>,
}

impl UsageSums {
    /// Sums over events that are not older than `since`.
    pub fn since(since: Option<Timestamp>) -> Self {
        Self { since, ..Self::default() }
    }

    /// True for a use that was added already.
    pub fn knows(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    /// Adds an event; false where it is one that another channel has told of.
    pub fn add_event(&mut self, event: &UseEvent) -> bool {
        if let Some(id) = &event.id
            && !self.known.insert(id.clone())
        {
            return false;
        }
        if self.since.is_some_and(|since| event.at < since) {
            return true;
        }
        let empty = || (SkillUsage::of(&event.skill), Vec::new());
        let (sum, times) = self.skills.entry(event.skill.clone()).or_insert_with(empty);
        match event.event {
            UseOutcome::Activated => sum.successes += 1,
            UseOutcome::Failed => sum.failures += 1,
            UseOutcome::Denied => sum.denied += 1,
            UseOutcome::Followup => sum.followups += 1,
        }
        sum.tokens_saved = sum.tokens_saved.saturating_add(event.tokens_saved.unwrap_or(0));
        if matches!(event.event, UseOutcome::Activated | UseOutcome::Failed) {
            sum.activations += 1;
            *sum.by.of(event.by) += 1;
            times.extend(event.ms);
        }
        sum.first = Some(sum.first.map_or(event.at, |first| first.min(event.at)));
        sum.last = Some(sum.last.map_or(event.at, |last| last.max(event.at)));
        true
    }

    /// What was added, one row a skill, the most used first, then by name.
    pub fn into_rows(self) -> Vec<SkillUsage> {
        let mut rows: Vec<SkillUsage> = self
            .skills
            .into_values()
            .map(|(sum, mut times)| {
                times.sort_unstable();
                SkillUsage { p50_ms: times.get(times.len().saturating_sub(1) / 2).copied(), ..sum }
            })
            .collect();
        rows.sort_by(|a, b| {
            (b.activations + b.followups).cmp(&(a.activations + a.followups)).then(a.name.cmp(&b.name))
        });
        rows
    }
}

impl SkillUsage {
    /// A skill of which nothing was seen.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            activations: 0,
            successes: 0,
            failures: 0,
            denied: 0,
            followups: 0,
            tokens_saved: 0,
            first: None,
            last: None,
            p50_ms: None,
            by: ChannelCounts::default(),
        }
    }
}

impl ChannelCounts {
    fn of(&mut self, channel: UsageChannel) -> &mut u64 {
        match channel {
            UsageChannel::Hook => &mut self.hook,
            UsageChannel::Mcp => &mut self.mcp,
            UsageChannel::Cli => &mut self.cli,
            UsageChannel::Import => &mut self.import,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(second: i64, skill: &str, by: UsageChannel, event: UseOutcome) -> UseEvent {
        UseEvent::new(Timestamp::from_second(second).unwrap(), skill, by, event)
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let plain = event(5, "pdf", UsageChannel::Cli, UseOutcome::Activated);
        assert_eq!(
            plain.to_line(),
            "{\"at\":\"1970-01-01T00:00:05Z\",\"skill\":\"pdf\",\"by\":\"cli\",\"event\":\"activated\"}\n"
        );
        let full = UseEvent { ms: Some(3), tokens_saved: Some(9), version: Some("1.0.0".into()), ..plain }
            .in_session(Some("codex"), Some("abc"))
            .of_call("codex", "call_1");
        assert_eq!(UseEvent::parse_line(full.to_line().trim_end().as_bytes()), Some(full.clone()));
        assert!(!full.to_line().contains("abc"), "the id of the conversation itself is not kept");
    }

    /// A line whose beginning belongs to another one, which a full disk cut.
    #[test]
    fn an_event_behind_a_cut_one_is_read() {
        let line = event(5, "pdf", UsageChannel::Hook, UseOutcome::Failed).to_line();
        for cut in 0..line.len() - 1 {
            let glued = format!("{}{}", &line[..cut], line.trim_end());
            let read = UseEvent::parse_line(glued.as_bytes());
            assert_eq!(read.map(|event| event.event), Some(UseOutcome::Failed), "{glued}");
        }
    }

    #[test]
    fn sums_count_each_use_once() {
        use UsageChannel::{Cli, Hook, Import};
        use UseOutcome::{Activated, Denied, Failed, Followup};
        let timed = |second, ms| UseEvent { ms: Some(ms), ..event(second, "a", Cli, Activated) };
        let seen = event(30, "a", Hook, Activated).of_call("claude-code", "toolu_1");
        let events = [
            timed(10, 7),
            timed(20, 1),
            UseEvent { by: Import, ..seen.clone() },
            seen,
            event(40, "a", Hook, Denied),
            event(5, "b", Cli, Failed),
            UseEvent { tokens_saved: Some(100), ..event(50, "b", Cli, Followup) },
        ];
        let sum = |events: &[UseEvent], since| {
            let mut sums = UsageSums::since(since);
            for event in events {
                sums.add_event(event);
            }
            sums.into_rows()
        };
        let rows = sum(&events, None);
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let (a, b) = (&rows[0], &rows[1]);
        assert_eq!((a.activations, a.successes, a.failures, a.denied), (3, 3, 0, 1));
        assert_eq!((a.first, a.last), (Timestamp::from_second(10).ok(), Timestamp::from_second(40).ok()));
        assert_eq!((a.p50_ms, a.by.cli, a.by.import, a.by.hook), (Some(1), 2, 1, 0));
        assert_eq!((b.activations, b.failures, b.followups, b.tokens_saved), (1, 1, 1, 100));
        let late = sum(&events, Timestamp::from_second(45).ok());
        assert_eq!(late.iter().map(|row| (row.name.as_str(), row.followups)).collect::<Vec<_>>(), [("b", 1)]);
    }

    proptest! {
        /// Whatever stands in a line, and whatever a name is made of.
        #[test]
        fn no_line_is_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200), name in ".{0,400}") {
            let _ = UseEvent::parse_line(&bytes);
            let line = event(1, &name, UsageChannel::Mcp, UseOutcome::Activated).to_line();
            prop_assert_eq!(line.matches('\n').count(), 1);
            let read = UseEvent::parse_line(line.trim_end_matches('\n').as_bytes()).unwrap();
            prop_assert!(name.starts_with(&read.skill) && read.skill.len() <= LONGEST_WORD);
        }
    }
}
