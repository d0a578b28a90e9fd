//! `skill usage`: which skills are used, how often, how well, and which never.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::loader::load_skills;
use crate::usage_log::{read_uses, record_uses};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::loader::SkillOrigin;
use ba_agent_core::transcript::{TranscriptAgent, TranscriptReader};
use ba_agent_core::usage::{SkillUsage, UsageSums, UseEvent};
use ba_agent_system::fsx;

/// Bytes of a line of a transcript that are read; the rest of a longer one is passed over.
const LONGEST_LINE: u64 = 16 << 20;
/// Folders below the one of all transcripts.
const DEEPEST: usize = 5;

/// What is to be summed up.
#[derive(Debug, Clone, Default)]
pub struct UsageOptions {
    /// Only what was used since: `30d`, `12h`, or a date.
    pub since: Option<String>,
    /// Agents whose own transcripts are read first.
    pub import: Vec<String>,
}

/// What the log says.
#[derive(Debug, Serialize)]
pub struct UsageReport {
    pub scope: &'static str,
    pub since: Option<Timestamp>,
    pub skills: Vec<SkillUsage>,
    /// Skills that are there, and of which nothing was seen in that time.
    pub never_used: Vec<String>,
    /// Of each agent whose transcripts were read, how many uses are new.
    pub imported: BTreeMap<&'static str, u64>,
    /// Shares that are above what the settings call an alert.
    pub warnings: Vec<String>,
    /// Whether uses are noted at all.
    pub log: bool,
}

/// Sums the log up, after reading transcripts where that is asked for.
///
/// # Errors
/// `Usage` for a time or an agent that is not understood; those of opening the session.
pub fn usage(workspace: &Workspace, options: &UsageOptions, observer: &dyn Observer) -> Result<UsageReport> {
    let workspace = workspace.or_user_at_home();
    let session = workspace.open_unrepaired(observer)?;
    let since = options.since.as_deref().map(|text| parse_since(text, session.env.now)).transpose()?;
    let agents: Vec<TranscriptAgent> = options.import.iter().map(|id| agent_of(id)).collect::<Result<_>>()?;
    let mut known = UsageSums::default();
    if !agents.is_empty() {
        read_uses(&session, |event| {
            known.add_event(&event);
        });
    }
    let mut imported = BTreeMap::new();
    for agent in agents {
        imported.insert(agent.id(), import_transcripts(&session, agent, &mut known)?);
    }
    let mut sums = UsageSums::since(since);
    read_uses(&session, |event| {
        sums.add_event(&event);
    });
    let skills = sums.into_rows();
    let loaded = load_skills(&session, None)?;
    let own = if session.scope.is_project() { SkillOrigin::Project } else { SkillOrigin::User };
    let is_used = |name: &str| skills.iter().any(|row| row.name == name);
    let mut never_used: Vec<String> = loaded
        .all()
        .filter(|skill| skill.origin == own && !is_used(&skill.name) && !is_used(&skill.qualified))
        .map(|skill| skill.qualified.clone())
        .collect();
    never_used.sort();
    never_used.dedup();
    let warnings = find_alerts(&session, &skills);
    let log = session.settings.monitoring.usage_log;
    Ok(UsageReport { scope: session.scope.name(), since, skills, never_used, imported, warnings, log })
}

/// # Errors
/// `Usage` for an agent whose transcripts are not known.
fn agent_of(id: &str) -> Result<TranscriptAgent> {
    TranscriptAgent::of_id(id.trim()).ok_or_else(|| {
        let known = TranscriptAgent::ALL.map(TranscriptAgent::id).join(", ");
        error!(Usage, "the transcripts of `{}` are not known", printable(id, false))
            .hint(format!("those of these agents are read: {known}"))
    })
}

/// A point in time: so long ago, or a date.
///
/// # Errors
/// `Usage` for anything else.
fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp> {
    let text = text.trim();
    let fault = || {
        error!(Usage, "`{}` is not a valid time", printable(text, false))
            .hint("write for example `30d`, `12h`, `2w`, or a date such as `2026-11-01`")
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        return day.to_zoned(jiff::tz::TimeZone::UTC).map(|at| at.timestamp()).map_err(|_| fault());
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
    let (number, unit) = text.split_at(end);
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        "w" => 24 * 7,
        _ => return Err(fault()),
    };
    let ago =
        number.parse::<i64>().ok().and_then(|n| n.checked_mul(hours)).filter(|hours| *hours < 10_000_000);
    now.checked_sub(SignedDuration::from_hours(ago.ok_or_else(fault)?)).map_err(|_| fault())
}

/// The shares that are above the thresholds of the settings, as sentences.
#[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
fn find_alerts(session: &Session<'_>, skills: &[SkillUsage]) -> Vec<String> {
    let thresholds = &session.settings.monitoring.alert_thresholds;
    let sum = |of: fn(&SkillUsage) -> u64| skills.iter().map(of).sum::<u64>();
    let (tried, failed, denied) = (sum(|s| s.activations), sum(|s| s.failures), sum(|s| s.denied));
    let mut alerts = Vec::new();
    let mut check = |what: &str, part: u64, whole: u64, threshold: f64, worst: fn(&SkillUsage) -> u64| {
        if whole == 0 || part as f64 / whole as f64 <= threshold {
            return;
        }
        let worst = skills.iter().max_by_key(|skill| worst(skill)).map_or("", |skill| skill.name.as_str());
        alerts.push(format!(
            "{part} of {whole} {what}, more than {}%: most of them `{}`",
            threshold * 100.0,
            printable(worst, false)
        ));
    };
    check("activations failed", failed, tried, thresholds.skill_load_failure_rate, |s| s.failures);
    check("uses were denied", denied, tried + denied, thresholds.permission_denial_rate, |s| s.denied);
    alerts
}

/// Notes the uses that an agent's transcripts tell of and the log does not; how many there were.
///
/// # Errors
/// `Interrupted` where somebody stops it. A transcript that cannot be read is told.
fn import_transcripts(session: &Session<'_>, agent: TranscriptAgent, known: &mut UsageSums) -> Result<u64> {
    let Some(folder) = transcripts_of(session, agent) else { return Ok(0) };
    let root = session.scope.is_project().then(|| fsx::real_path(session.scope.base()));
    let mut found: u64 = 0;
    for file in find_transcripts(&folder, agent) {
        session.observer.check_cancelled()?;
        let mut events: Vec<UseEvent> = Vec::new();
        let read = read_transcript(&file, agent, &mut |one| {
            let is_here = root.as_ref().is_none_or(|root| {
                one.cwd.as_deref().is_some_and(|cwd| fsx::real_path(Path::new(cwd)).starts_with(root))
            });
            if is_here && known.add_event(&one.event) {
                events.push(one.event);
            }
        });
        if let Err(error) = read {
            session.warn(&format!("`{}` was not read to its end: {error}", file.display()));
        }
        found += events.len() as u64;
        record_uses(session, &events);
    }
    Ok(found)
}

/// Where an agent keeps its transcripts.
fn transcripts_of(session: &Session<'_>, agent: TranscriptAgent) -> Option<PathBuf> {
    let env = &session.env;
    let (variable, folder, below) = match agent {
        TranscriptAgent::ClaudeCode => ("CLAUDE_CONFIG_DIR", ".claude", "projects"),
        TranscriptAgent::Codex => ("CODEX_HOME", ".codex", "sessions"),
    };
    let own = match env.var(variable) {
        Some(path) => env.absolute(Path::new(path)),
        None => env.home.as_ref()?.join(folder),
    };
    Some(own.join(below))
}

/// The transcripts below a folder, in the order of their names.
fn find_transcripts(folder: &Path, agent: TranscriptAgent) -> Vec<PathBuf> {
    let is_transcript = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let is_own = agent != TranscriptAgent::Codex || name.starts_with("rollout-");
        entry.file_type().is_file() && name.ends_with(".jsonl") && is_own
    };
    let all = walkdir::WalkDir::new(folder).max_depth(DEEPEST).sort_by_file_name();
    all.into_iter().flatten().filter(is_transcript).map(walkdir::DirEntry::into_path).collect()
}

/// Reads a transcript line by line; never more than one line of it is in memory.
///
/// # Errors
/// What the disk says. What was read until then counts.
fn read_transcript(
    file: &Path,
    agent: TranscriptAgent,
    take: &mut dyn FnMut(ba_agent_core::transcript::TranscribedUse),
) -> std::io::Result<()> {
    let opened = fsx::open_plain_file(file).map_err(|e| std::io::Error::other(e.message))?;
    let Some((file, _)) = opened else { return Ok(()) };
    let mut lines = BufReader::with_capacity(64 << 10, file);
    let mut reader = TranscriptReader::new(agent);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = std::io::Read::take(&mut lines, LONGEST_LINE).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && length as u64 == LONGEST_LINE {
            skip_line(&mut lines)?;
            continue;
        }
        reader.read_line(&line).into_iter().for_each(&mut *take);
        if line.capacity() > 1 << 20 {
            line = Vec::new();
        }
    }
}

/// Passes over the rest of a line.
///
/// # Errors
/// What the disk says.
fn skip_line(lines: &mut impl std::io::BufRead) -> std::io::Result<()> {
    loop {
        let buffer = lines.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        let is_over = buffer.is_empty() || end.is_some();
        lines.consume(used);
        if is_over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_several_ways() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let check = |text: &str, expected: &str| {
            assert_eq!(parse_since(text, now).unwrap(), expected.parse::<Timestamp>().unwrap(), "{text}");
        };
        check("30d", "2026-10-29T12:00:00Z");
        check("12h", "2026-11-28T00:00:00Z");
        check("2w", "2026-11-14T12:00:00Z");
        check("2026-11-01", "2026-11-01T00:00:00Z");
        check("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z");
        for text in ["", "d", "30", "30x", "-3d", "99999999999999999999d", "9999999w", "soon"] {
            assert!(parse_since(text, now).is_err(), "{text}");
        }
    }

    /// A line of more bytes than are read, in the middle and at the end.
    #[test]
    fn an_endless_line_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.jsonl");
        let used = "{\"timestamp\":\"2026-11-28T01:36:27Z\",\"sessionId\":\"s\",\"message\":{\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Skill\",\"input\":{\"skill\":\"pdf\"}}]}}\n";
        let done = "{\"timestamp\":\"2026-11-28T01:36:28Z\",\"message\":{\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\"}]}}\n";
        let long = "x".repeat(usize::try_from(LONGEST_LINE).unwrap() + 100);
        std::fs::write(&file, format!("{used}{long}\n{done}{long}")).unwrap();
        let mut found = Vec::new();
        read_transcript(&file, TranscriptAgent::ClaudeCode, &mut |one| found.push(one.event.skill)).unwrap();
        assert_eq!(found, ["pdf"]);
    }
}
