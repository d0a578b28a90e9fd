//! What agents do to frontmatter that is not YAML, before they try once more.

use serde_yaml::Value;

/// Codex puts single quotes around values with a colon and a blank, and around those that begin
/// like a list, an object or a reserved sign and are none. `None` where that changes nothing.
pub(super) fn quote_for_codex(block: &str) -> Option<String> {
    let mut inside_of: Option<usize> = None;
    let mut is_changed = false;
    let mut lines: Vec<String> = Vec::new();
    for line in block.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if inside_of.is_some_and(|outer| line.trim().is_empty() || indent > outer) {
            lines.push(line.to_owned());
            continue;
        }
        inside_of = None;
        match value_of_line(line) {
            Some((_, value, _)) if value.starts_with(['|', '>']) => inside_of = Some(indent),
            Some((head, value, comment)) if needs_quotes(value) => {
                lines.push(format!("{head}'{}'{comment}", value.replace('\'', "''")));
                is_changed = true;
                continue;
            }
            _ => {}
        }
        lines.push(line.to_owned());
    }
    is_changed.then(|| lines.join("\n"))
}

/// The parts of a line `key: value # comment`: all before the value, it, all behind it.
fn value_of_line(line: &str) -> Option<(&str, &str, &str)> {
    let (key, rest) = line.split_once(':')?;
    if key.trim().is_empty() || !rest.chars().next().is_none_or(char::is_whitespace) {
        return None;
    }
    let text = rest.trim_start();
    let is_comment = |at: &usize| text[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let end = text.match_indices('#').map(|(at, _)| at).find(is_comment).unwrap_or(text.len());
    let value = text.get(..end)?.trim_end();
    let start = line.len() - text.len();
    (!value.is_empty()).then(|| (&line[..start], value, &text[value.len()..]))
}

fn needs_quotes(value: &str) -> bool {
    if value.starts_with(['\'', '"']) {
        return false;
    }
    let has_separator = value
        .match_indices(':')
        .any(|(at, _)| value[at + 1..].chars().next().is_some_and(char::is_whitespace));
    has_separator
        || (value.starts_with(['[', '{', '@', '`']) && serde_yaml::from_str::<Value>(value).is_err())
}

/// Claude Code puts double quotes around values with a sign that YAML may take for its own, and
/// two blanks for each tab that a line begins with. A line that ends as on Windows stays.
pub(super) fn quote_for_claude(block: &str) -> String {
    let line = |line: &str| quoted_pair(line).unwrap_or_else(|| line.to_owned());
    blanks_for_tabs(&block.split('\n').map(line).collect::<Vec<_>>().join("\n"))
}

/// Two blanks for each tab that a line begins with.
pub(super) fn blanks_for_tabs(block: &str) -> String {
    let line = |line: &str| {
        let text = line.trim_start_matches('\t');
        format!("{}{text}", "  ".repeat(line.len() - text.len()))
    };
    block.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn quoted_pair(line: &str) -> Option<String> {
    const SIGNS: [char; 14] = ['{', '}', '[', ']', '*', '&', '#', '!', '|', '>', '%', '@', '`', '?'];
    let (key, rest) = line.split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphabetic() || c == '_' || c == '-');
    let value = rest.trim_start();
    if !is_key || value.len() == rest.len() || value.is_empty() || value.ends_with('\r') {
        return None;
    }
    let is_quoted = |mark: char| value.len() > 1 && value.starts_with(mark) && value.ends_with(mark);
    let is_odd = value.contains(SIGNS) || value.contains(": ") || value.starts_with(',');
    if is_quoted('"') || is_quoted('\'') || !is_odd {
        return None;
    }
    Some(format!("{key}: \"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// OpenCode writes values with a colon as blocks of text.
pub(super) fn block_scalars(text: &str) -> String {
    let Some(block) = super::blocks::block_to_dashes_at_start(text) else { return text.to_owned() };
    let line = |line: &str| -> String {
        let is_plain = !line.trim_start().starts_with('#') && !line.starts_with(char::is_whitespace);
        let pair = line.split_once(':').filter(|_| is_plain);
        let is_key = |key: &str| {
            let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            starts && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match pair.map(|(key, value)| (key.trim_end(), value.trim())) {
            Some((key, value)) if is_key(key) && value.contains(':') && !value.starts_with(['"', '\'']) => {
                format!("{key}: |-\n  {value}")
            }
            _ => line.to_owned(),
        }
    };
    let rewritten = block.lines().map(line).collect::<Vec<_>>().join("\n");
    text.replacen(block, &rewritten, 1)
}
