//! Single keys of a `config.yaml`, changed line by line, so that comments, order and line ends
//! stay. What is written in another way than block by block (`skills: {…}`) is not understood
//! here: whoever calls reads the result again and compares.

/// A line that says something, as `key: rest`.
struct KeyLine<'t> {
    at: usize,
    indent: usize,
    key: &'t str,
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_empty_or_comment(line: &str) -> bool {
    let bare = line.trim();
    bare.is_empty() || bare.starts_with('#') || bare == "---"
}

fn key_of(line: &str) -> Option<&str> {
    let (key, rest) = line.trim_start().split_once(':')?;
    let is_key = rest.is_empty() || rest.starts_with([' ', '\r', '\t']);
    is_key.then(|| key.trim().trim_matches(['"', '\'']))
}

/// The lines below the one at `head`, up to the next that stands no deeper.
fn end_of_block(lines: &[String], head: usize, indent: usize) -> usize {
    let below = lines.iter().enumerate().skip(head + 1);
    let is_next = |line: &str| {
        // A list may stand as deep as its key.
        let is_item = indent_of(line) == indent && line.trim_start().starts_with("- ");
        !is_empty_or_comment(line) && indent_of(line) <= indent && !is_item
    };
    let end = below.clone().find(|(_, line)| is_next(line)).map_or(lines.len(), |(at, _)| at);
    let mut said = below.take(end - head - 1).filter(|(_, line)| !is_empty_or_comment(line));
    said.next_back().map_or(head + 1, |(at, _)| at + 1)
}

/// The line of `key` among those from `from` to `to` that stand at the depth of the first.
fn find_key<'t>(lines: &'t [String], from: usize, to: usize, key: &str) -> Option<KeyLine<'t>> {
    let said = || (from..to).filter(|at| !is_empty_or_comment(&lines[*at]));
    let indent = indent_of(&lines[said().next()?]);
    let at = said().find(|at| indent_of(&lines[*at]) == indent && key_of(&lines[*at]) == Some(key))?;
    Some(KeyLine { at, indent, key: key_of(&lines[at])? })
}

/// Where a comment begins behind a value, with the blanks before it.
fn comment_behind(line: &str) -> Option<&str> {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '#' && before.is_whitespace() => {
                return Some(&line[line[..at].trim_end().len()..]);
            }
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {}
        }
        before = c;
    }
    None
}

/// The text with `path` set to `value`, which is YAML on one line.
pub fn set_key(text: &str, path: &[&str], value: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (mut from, mut to, mut depth) = (0, lines.len(), 0);
    for (n, key) in path.iter().enumerate() {
        match find_key(&lines, from, to, key) {
            Some(found) if n + 1 == path.len() => {
                let (at, indent, key) = (found.at, found.indent, found.key.to_owned());
                let stop = end_of_block(&lines, at, indent);
                let comment = comment_behind(&lines[at]).map(str::to_owned).unwrap_or_default();
                lines.splice(at..stop, [format!("{}{key}: {value}{comment}", " ".repeat(indent))]);
                return join(&lines, end);
            }
            Some(found) => {
                (from, to) = (found.at + 1, end_of_block(&lines, found.at, found.indent));
                let deeper = lines[from..to].iter().find(|line| !is_empty_or_comment(line));
                depth = deeper.map_or(found.indent + 2, |line| indent_of(line));
            }
            None => {
                // Above the key itself its groups are missing too.
                let new = path[n..].iter().enumerate().map(|(below, key)| {
                    let is_last = n + below + 1 == path.len();
                    let value = if is_last { format!(" {value}") } else { String::new() };
                    format!("{}{key}:{value}", " ".repeat(depth + below * 2))
                });
                let new: Vec<String> = new.collect();
                lines.splice(to..to, new);
                return join(&lines, end);
            }
        }
    }
    join(&lines, end)
}

/// The text without `path`, and without the groups that have nothing else in them.
pub fn unset_key(text: &str, path: &[&str]) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for length in (1..=path.len()).rev() {
        let Some((found, from, to)) = find_path(&lines, &path[..length]) else { continue };
        let is_group = length < path.len();
        let has_more = lines[from..to].iter().any(|line| !is_empty_or_comment(line));
        if is_group && has_more {
            break;
        }
        lines.drain(found..if is_group { found + 1 } else { to });
    }
    join(&lines, end)
}

/// The line of a path, and the lines of what is below it.
fn find_path(lines: &[String], path: &[&str]) -> Option<(usize, usize, usize)> {
    let (mut found, mut from, mut to) = (0, 0, lines.len());
    for key in path {
        let line = find_key(lines, from, to, key)?;
        (found, from, to) = (line.at, line.at + 1, end_of_block(lines, line.at, line.indent));
    }
    Some((found, from, to))
}

fn join(lines: &[String], end: &str) -> String {
    lines.iter().map(|line| format!("{}{end}", line.trim_end_matches('\r'))).collect()
}

/// A text as one word or quoted, so that YAML reads that text.
pub fn quote_scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '.' | '/'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | '@'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n" | ".inf" | ".nan"
        );
    if is_plain { text.to_owned() } else { serde_json::to_string(text).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_set_where_it_belongs_and_all_else_stays() {
        for (before, path, after) in [
            ("", &["skills", "agents"][..], "skills:\n  agents: V\n"),
            ("# mine\n", &["skills", "agents"], "# mine\nskills:\n  agents: V\n"),
            ("skills:\n  a: 1 # why\n  b: 2\n", &["skills", "a"], "skills:\n  a: V # why\n  b: 2\n"),
            ("skills:\n    a: 1\n\n# end\n", &["skills", "b"], "skills:\n    a: 1\n    b: V\n\n# end\n"),
            (
                "skills:\n  agents:\n    - x # one\n    - y\n  # c\n  b: 2\n",
                &["skills", "agents"],
                "skills:\n  agents: V\n  # c\n  b: 2\n",
            ),
            (
                "skills:\n  agents:\n  - x\n  - y\n  b: 2\n",
                &["skills", "agents"],
                "skills:\n  agents: V\n  b: 2\n",
            ),
            (
                "skills:\n  limits:\n    file: 1\n",
                &["skills", "limits", "pack"],
                "skills:\n  limits:\n    file: 1\n    pack: V\n",
            ),
            ("skills:\n  a: 1\n", &["skills", "limits", "pack"], "skills:\n  a: 1\n  limits:\n    pack: V\n"),
            ("skills:\r\n  a: 1\r\n", &["skills", "a"], "skills:\r\n  a: V\r\n"),
            ("skills:\n  a: 'x # y' # z\n", &["skills", "a"], "skills:\n  a: V # z\n"),
        ] {
            assert_eq!(set_key(before, path, "V"), after, "{before:?}");
        }
    }

    #[test]
    fn a_key_goes_with_the_groups_that_are_empty_then() {
        for (before, path, after) in [
            ("skills:\n  a: 1\n  b: 2\n", &["skills", "a"][..], "skills:\n  b: 2\n"),
            ("# c\nskills:\n  a: 1\n", &["skills", "a"], "# c\n"),
            ("skills:\n  limits:\n    file: 1\n  b: 2\n", &["skills", "limits", "file"], "skills:\n  b: 2\n"),
            (
                "skills:\n  limits:\n    file: 1\n    # why\n    pack: 2\n",
                &["skills", "limits", "file"],
                "skills:\n  limits:\n    # why\n    pack: 2\n",
            ),
            ("skills:\n  agents:\n  - x\n  b: 2\n", &["skills", "agents"], "skills:\n  b: 2\n"),
            ("skills:\n  b: 2\n", &["skills", "a"], "skills:\n  b: 2\n"),
        ] {
            assert_eq!(unset_key(before, path), after, "{before:?}");
        }
    }

    #[test]
    fn what_yaml_would_take_for_something_else_is_quoted() {
        for (text, written) in [
            ("claude-code", "claude-code"),
            ("./a/b", "./a/b"),
            ("yes", "\"yes\""),
            ("", "\"\""),
            ("1.5", "\"1.5\""),
            ("a: b", "\"a: b\""),
            ("~/x", "\"~/x\""),
        ] {
            assert_eq!(quote_scalar(text), written);
        }
    }
}
