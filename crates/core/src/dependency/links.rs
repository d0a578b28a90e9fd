//! Paths in the instructions that lead out of the skill's own folder.

use percent_encoding::percent_decode_str;
use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd};

use crate::skill::strip_skill_folder;

/// A path that begins with `../`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PathAbove {
    pub(super) path: String,
    pub(super) line: usize,
}

/// Bytes of such a path.
const LONGEST: usize = 512;

/// The links, code spans and words that are a path out of the skill's folder; blocks of code are
/// passed over, which show what is typed elsewhere.
pub(super) fn links_above(body: &str, body_line: usize) -> Vec<PathAbove> {
    let mut found = Vec::new();
    // Most instructions have none, and reading Markdown takes time.
    if !body.contains("../") {
        return found;
    }
    let (mut in_code, mut at, mut line) = (false, 0, body_line);
    for (event, range) in Parser::new(body).into_offset_iter() {
        let texts: Vec<&str> = match &event {
            Event::Start(Tag::CodeBlock(_)) => {
                in_code = true;
                continue;
            }
            Event::End(TagEnd::CodeBlock) => {
                in_code = false;
                continue;
            }
            Event::Start(Tag::Link { link_type, dest_url, .. })
                if !matches!(link_type, LinkType::Autolink | LinkType::Email) =>
            {
                vec![dest_url]
            }
            Event::Code(text) => vec![text],
            Event::Text(text) if !in_code => text.split_whitespace().collect(),
            _ => continue,
        };
        for path in texts.into_iter().filter_map(path_above) {
            if range.start >= at {
                line += body.get(at..range.start).unwrap_or_default().matches('\n').count();
                at = range.start;
            }
            found.push(PathAbove { path, line });
        }
    }
    found
}

/// The path, without anchor and without the punctuation around a word.
fn path_above(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || "()[]<>\"'*_,;:".contains(c));
    let text = text.split(['#', '?']).next()?;
    let path = strip_skill_folder(text).unwrap_or(text).trim_end_matches(['.', ',', ';', ':', ')']);
    let path = path.strip_prefix("./").unwrap_or(path);
    let is_plain = |path: &str| !path.contains(|c: char| c.is_whitespace() || "{}<>$*|…".contains(c));
    if !path.starts_with("../") || path.len() > LONGEST || !is_plain(path) {
        return None;
    }
    Some(percent_decode_str(path).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_out_of_the_folder_is_found_where_it_is_one() {
        for (text, expected) in [
            ("[x](../shared/SKILL.md)", Some("../shared/SKILL.md")),
            ("[x](../shared/SKILL.md#part)", Some("../shared/SKILL.md")),
            ("[`+x`](../a%20b/SKILL.md)", Some("../a b/SKILL.md")),
            ("> **First:** read `../shared/SKILL.md` for it.", Some("../shared/SKILL.md")),
            ("Read ../shared/SKILL.md.", Some("../shared/SKILL.md")),
            ("Read (../shared/SKILL.md), then go on", Some("../shared/SKILL.md")),
            ("[x](./../shared/SKILL.md)", Some("../shared/SKILL.md")),
            ("[x]({baseDir}/../shared/x.md)", Some("../shared/x.md")),
            ("run `cat ../shared/SKILL.md`", None),
            ("```\n../shared/SKILL.md\n```", None),
            ("    ../shared/SKILL.md", None),
            ("[x](https://example.com/../a)", None),
            ("[x](references/../../a.md)", None),
            ("[x](../{name}/SKILL.md)", None),
            ("[x](../*/SKILL.md)", None),
            ("go up with `..` or `../`", Some("../")),
            ("nothing", None),
        ] {
            let found = links_above(text, 1);
            assert_eq!(found.first().map(|one| one.path.as_str()), expected, "{text}");
        }
    }

    #[test]
    fn each_has_its_line() {
        let body = "# A\n\nRead `../a/x` and\n[b](../b/y)\n\n* ../c/z\n";
        let lines: Vec<_> = links_above(body, 7).into_iter().map(|one| (one.path, one.line)).collect();
        let expected = [("../a/x", 9), ("../b/y", 10), ("../c/z", 12)];
        assert_eq!(lines, expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
