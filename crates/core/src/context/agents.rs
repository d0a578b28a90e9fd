//! What real agents make of their skills, each with its own form, limits and budget.

use std::collections::HashMap;

use unicode_width::UnicodeWidthStr as _;

use super::format::ListingFormat;
use super::{ContextEntry, FittedList, ListingStatus, ShownAs, ShownSkill, fit_listing};

/// How an agent lists its skills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentListing {
    /// `- name: description` within so many characters; whole descriptions leave, names stay.
    ClaudeCode { budget: usize },
    /// `- name: description (file: path)` within so many tokens, a token being four bytes;
    /// descriptions get shorter evenly, then go, then skills by their order.
    Codex { budget: usize },
    /// Elements in lines of their own, nothing escaped.
    GeminiCli,
    /// The same, with the path escaped.
    OpenCode,
    /// `- **name**: description`, and below it how to read on.
    DeepAgents,
    /// Elements with name, description and location, all of them.
    Xml,
    /// Another agent: what this program would list itself, without a budget.
    Unbounded,
}

/// Characters that Claude Code has for its list, as 2.1.332 has it for its default model.
const CLAUDE_CHARS: usize = 30_000;
/// Characters of the skills that it brings itself, which stay in full where others get short.
const CLAUDE_BUNDLED: usize = 6_077;
/// Characters of one entry that Claude Code lists at most.
const CLAUDE_ENTRY: usize = 1_536;

/// Tokens of the lines of Codex's list, as 0.171 has it for its models.
const CODEX_TOKENS: usize = 10_000;
/// Characters of a description that Codex lists at most.
const CODEX_DESCRIPTION: usize = 1_024;

impl AgentListing {
    /// The listing of the agent with this id; `budget` goes before its own.
    pub fn of_agent(id: &str, budget: Option<usize>) -> Self {
        match id {
            "claude-code" => {
                Self::ClaudeCode { budget: budget.unwrap_or(CLAUDE_CHARS).saturating_sub(CLAUDE_BUNDLED) }
            }
            "codex" => Self::Codex { budget: budget.map_or(CODEX_TOKENS, |chars| chars.div_ceil(4)) },
            "gemini-cli" => Self::GeminiCli,
            "opencode" => Self::OpenCode,
            "deepagents" => Self::DeepAgents,
            "goose" => Self::Xml,
            _ => Self::Unbounded,
        }
    }
}

impl AgentListing {
    /// The characters that it has for its list; `None` where there is no limit.
    pub fn limit(self) -> Option<usize> {
        match self {
            Self::ClaudeCode { budget } => Some(budget),
            Self::Codex { budget } => Some(budget * 4),
            _ => None,
        }
    }
}

/// The list of `entries` as an agent would have it, in their order.
pub fn fit_for_agent(entries: &[ContextEntry], listing: AgentListing) -> FittedList {
    match listing {
        AgentListing::ClaudeCode { budget } => list_for_claude(entries, budget),
        AgentListing::Codex { budget } => list_for_codex(entries, budget),
        AgentListing::GeminiCli => {
            list_in_full(entries, ["<available_skills>", "</available_skills>"], |one| {
                element(one, &one.location)
            })
        }
        AgentListing::OpenCode => {
            list_in_full(entries, ["<available_skills>", "</available_skills>"], |one| {
                element(one, &escape_path(&one.location))
            })
        }
        AgentListing::DeepAgents => list_in_full(entries, [""; 2], |one| {
            let (name, description, path) = (&one.name, &one.description, &one.location);
            format!("- **{name}**: {description}\n  -> Read `{path}` for full instructions")
        }),
        AgentListing::Xml => in_given_order(entries, ListingFormat::Xml),
        AgentListing::Unbounded => in_given_order(entries, ListingFormat::List),
    }
}

/// Everything, in the order in which it is given.
fn in_given_order(entries: &[ContextEntry], format: ListingFormat) -> FittedList {
    let plain: Vec<ContextEntry> =
        entries.iter().map(|one| ContextEntry { mode: false, ..one.clone() }).collect();
    fit_listing(&plain, format, usize::MAX, 0)
}

/// Everything, each skill as `render` has it, between two lines where there are some.
fn list_in_full(
    entries: &[ContextEntry],
    around: [&str; 2],
    render: impl Fn(&ContextEntry) -> String,
) -> FittedList {
    let shown = |(entry, one): (usize, &ContextEntry)| ShownSkill {
        entry,
        shown: one.description.clone(),
        shown_as: ShownAs::Full,
    };
    let skills: Vec<ShownSkill> = entries.iter().enumerate().map(shown).collect();
    let [before, behind] = around.map(str::to_owned);
    let lines = std::iter::once(before).chain(entries.iter().map(render)).chain([behind]);
    let lines: Vec<String> = lines.filter(|line| !line.is_empty() && !entries.is_empty()).collect();
    FittedList { text: lines.join("\n"), status: ListingStatus::Full, skills, dropped: Vec::new() }
}

fn element(entry: &ContextEntry, location: &str) -> String {
    let ContextEntry { name, description, .. } = entry;
    format!(
        "  <skill>\n    <name>{name}</name>\n    <description>{description}</description>\n    \
         <location>{location}</location>\n  </skill>"
    )
}

fn escape_path(path: &str) -> String {
    let path = path.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    path.replace('"', "&quot;").replace('\'', "&#39;")
}

/// Names of commands that Claude Code 2.1 brings itself, so that no skill is found by them.
const CLAUDE_COMMANDS: &[&str] = &[
    "agents",
    "auto-mode-setup",
    "autocompact",
    "batch",
    "claude-api",
    "clear",
    "code-review",
    "color",
    "compact",
    "config",
    "context",
    "dataviz",
    "debug",
    "deep-research",
    "doctor",
    "effort",
    "fast",
    "fewer-permission-prompts",
    "focus",
    "goal",
    "heapdump",
    "init",
    "insights",
    "list-agents",
    "loop",
    "mcp",
    "memory",
    "model",
    "output-style",
    "plugin-authoring",
    "recap",
    "reload-plugins",
    "reload-skills",
    "rename",
    "run",
    "run-skill-generator",
    "security-review",
    "simplify",
    "team-onboarding",
    "update-config",
    "usage",
    "verify",
    "workflow-authoring",
];

/// What Claude Code calls skills in its list, which are given as folder and own name in the order
/// of the list: the folder, with the own name in brackets where that leads to this skill.
pub fn label_for_claude(skills: &[(&str, Option<&str>)]) -> Vec<String> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (at, (folder, own)) in skills.iter().enumerate() {
        first.entry(folder).or_insert(at);
        own.iter().for_each(|own| {
            first.entry(own).or_insert(at);
        });
    }
    let is_plain = |name: &str| {
        let is_sound = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '-');
        !name.is_empty() && name.chars().all(is_sound)
    };
    let label = |(at, (folder, own)): (usize, &(&str, Option<&str>))| match own {
        Some(own)
            if own != folder
                && !folder.ends_with(&format!(":{own}"))
                && is_plain(own)
                && first.get(own) == Some(&at)
                && !CLAUDE_COMMANDS.contains(own) =>
        {
            format!("{folder} ({own})")
        }
        _ => (*folder).to_owned(),
    };
    skills.iter().enumerate().map(label).collect()
}

fn single_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text with one blank for each run of line feeds; other blanks stay.
fn in_one_line(text: &str) -> String {
    let lines = text.split(['\n', '\r']).enumerate();
    let lines = lines.filter(|(at, line)| *at == 0 || !line.is_empty());
    lines.map(|(_, line)| line).collect::<Vec<_>>().join(" ")
}

/// Each entry in a line, none without its name.
fn list_for_claude(entries: &[ContextEntry], budget: usize) -> FittedList {
    let texts: Vec<(String, bool)> = entries
        .iter()
        .map(|entry| {
            // As it escapes them: nothing but the two brackets.
            let text = in_one_line(entry.description.trim()).replace('<', "&lt;").replace('>', "&gt;");
            match text.char_indices().nth(CLAUDE_ENTRY) {
                Some((end, _)) => (format!("{}…", text[..end].trim_end()), true),
                None => (text, false),
            }
        })
        .collect();
    let line = |at: usize, description: &str| match description.is_empty() {
        true => format!("- {}", entries[at].name),
        false => format!("- {}: {description}", entries[at].name),
    };
    // By the columns that it takes: a sign of Chinese or Japanese is two.
    let cost = |at: usize, description: &str| line(at, description).width() + 1;
    let full: usize = texts.iter().enumerate().map(|(at, (text, _))| cost(at, text)).sum();
    let mut kept = vec![true; entries.len()];
    if full > budget.saturating_add(1) {
        let names: usize = (0..entries.len()).map(|at| cost(at, "")).sum();
        let mut left = (budget + 1).saturating_sub(names);
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|at| (std::cmp::Reverse(entries[*at].uses), *at));
        for at in order {
            let more = cost(at, &texts[at].0) - cost(at, "");
            kept[at] = more <= left;
            left -= if kept[at] { more } else { 0 };
        }
    }
    let skills: Vec<ShownSkill> = texts
        .into_iter()
        .zip(&kept)
        .enumerate()
        .map(|(entry, ((text, is_cut), kept))| match kept {
            true if is_cut => ShownSkill { entry, shown: text, shown_as: ShownAs::Shortened },
            true => ShownSkill { entry, shown: text, shown_as: ShownAs::Full },
            false => ShownSkill { entry, shown: String::new(), shown_as: ShownAs::Name },
        })
        .collect();
    let text: Vec<String> = skills.iter().map(|one| line(one.entry, &one.shown)).collect();
    let status = status_of(&skills, &[]);
    FittedList { text: text.join("\n"), status, skills, dropped: Vec::new() }
}

fn status_of(skills: &[ShownSkill], dropped: &[usize]) -> ListingStatus {
    let has = |how: ShownAs| skills.iter().any(|one| one.shown_as == how);
    match () {
        () if !dropped.is_empty() => ListingStatus::Dropped,
        () if has(ShownAs::Name) => ListingStatus::Names,
        () if has(ShownAs::Shortened) => ListingStatus::Shortened,
        () => ListingStatus::Full,
    }
}

/// What a line of Codex's list costs, with its line feed.
fn codex_cost(name: &str, description: &str, path: &str) -> usize {
    (codex_line(name, description, path).len() + 1).div_ceil(4)
}

fn codex_line(name: &str, description: &str, path: &str) -> String {
    match description.is_empty() {
        true => format!("- {name}: (file: {path})"),
        false => format!("- {name}: {description} (file: {path})"),
    }
}

/// Codex's three steps: all as it is; every name and an equal share of the room for each
/// description; names in their order until the room is full.
fn list_for_codex(entries: &[ContextEntry], budget: usize) -> FittedList {
    let texts: Vec<String> = entries
        .iter()
        .map(|entry| single_line(&entry.description).chars().take(CODEX_DESCRIPTION).collect())
        .collect();
    let cost = |at: usize, text: &str| codex_cost(&entries[at].name, text, &entries[at].location);
    let full: usize = texts.iter().enumerate().map(|(at, text)| cost(at, text)).sum();
    let least: usize = (0..entries.len()).map(|at| cost(at, "")).sum();
    let (mut skills, mut dropped) = (Vec::new(), Vec::new());
    if full <= budget {
        for (entry, shown) in texts.into_iter().enumerate() {
            skills.push(ShownSkill { entry, shown, shown_as: ShownAs::Full });
        }
    } else if least <= budget {
        for (entry, shown) in share_descriptions(entries, &texts, budget - least).into_iter().enumerate() {
            let shown_as = match () {
                () if shown == texts[entry] => ShownAs::Full,
                () if shown.is_empty() => ShownAs::Name,
                () => ShownAs::Shortened,
            };
            skills.push(ShownSkill { entry, shown, shown_as });
        }
    } else {
        let mut left = budget;
        for entry in 0..entries.len() {
            match left.checked_sub(cost(entry, "")) {
                Some(rest) => {
                    left = rest;
                    skills.push(ShownSkill { entry, shown: String::new(), shown_as: ShownAs::Name });
                }
                None => dropped.push(entry),
            }
        }
    }
    let line =
        |one: &ShownSkill| codex_line(&entries[one.entry].name, &one.shown, &entries[one.entry].location);
    let text = skills.iter().map(line).collect::<Vec<_>>().join("\n");
    let status = status_of(&skills, &dropped);
    FittedList { text, status, skills, dropped }
}

/// One character more for each in turn, as long as its line still has room.
fn share_descriptions(entries: &[ContextEntry], texts: &[String], mut left: usize) -> Vec<String> {
    let bare: Vec<usize> =
        entries.iter().map(|one| codex_line(&one.name, "", &one.location).len() + 1).collect();
    let ends: Vec<Vec<usize>> =
        texts.iter().map(|text| text.char_indices().map(|(at, c)| at + c.len_utf8()).collect()).collect();
    // A description costs its bytes and a blank more than the name alone.
    let extra = |at: usize, chars: usize| match chars.checked_sub(1).and_then(|last| ends[at].get(last)) {
        Some(bytes) => (bare[at] + bytes + 1).div_ceil(4) - bare[at].div_ceil(4),
        None => 0,
    };
    let mut chars = vec![0_usize; texts.len()];
    loop {
        let mut changed = false;
        for at in 0..texts.len() {
            let next = chars[at] + 1;
            if next > ends[at].len() {
                continue;
            }
            let more = extra(at, next) - extra(at, chars[at]);
            if more <= left {
                left -= more;
                chars[at] = next;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let prefix = |(at, text): (usize, &String)| match chars[at].checked_sub(1) {
        Some(last) => text[..ends[at][last]].to_owned(),
        None => String::new(),
    };
    texts.iter().enumerate().map(prefix).collect()
}
