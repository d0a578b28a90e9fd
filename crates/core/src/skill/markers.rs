//! Where the frontmatter of a `SKILL.md` begins and ends.
//!
//! The closing marker is a line that is exactly `---` (blanks may follow). Readers
//! that take any `---`, also an indented one or one inside a value, cut values short
//! (`description: a --- b`) and call broken files valid.

use super::rules::{self, Findings, Position, short_excerpt};

/// The parts of a manifest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ManifestParts<'a> {
    /// The frontmatter between the markers, with the line feed of its last line.
    pub(crate) block: &'a str,
    /// The line that `block` begins on.
    pub(crate) block_line: usize,
    /// Everything behind the closing marker.
    pub(crate) body: &'a str,
    pub(crate) body_line: usize,
}

/// A line with its number and where it begins.
#[derive(Clone, Copy)]
struct ManifestLine<'a> {
    number: usize,
    start: usize,
    text: &'a str,
}

impl ManifestLine<'_> {
    fn is_marker(&self) -> bool {
        self.text
            .strip_prefix("---")
            .is_some_and(|rest| rest.trim_matches([' ', '\t', '\r', '\n']).is_empty())
    }

    fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    fn excerpt_text(&self) -> String {
        short_excerpt(self.text.trim_end(), 60)
    }
}

/// Lines with their line feeds.
fn numbered_lines(text: &str) -> impl Iterator<Item = ManifestLine<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').enumerate().map(move |(at, text)| {
        let line = ManifestLine { number: at + 1, start, text };
        start += text.len();
        line
    })
}

/// Splits a manifest without its byte order mark. `None`, with a finding that says
/// why, when there is no frontmatter that could be read. `limit`: bytes of the block.
pub(crate) fn split_manifest<'a>(
    text: &'a str,
    limit: u64,
    findings: &mut Findings,
) -> Option<ManifestParts<'a>> {
    let first = numbered_lines(text).find(|line| !line.is_blank());
    let Some(opening) = first.filter(ManifestLine::is_marker) else {
        report_missing(text, first, findings);
        return None;
    };
    if opening.number > 1 {
        findings.add_finding(
            rules::BLANK_BEFORE,
            Position::START,
            format!("blank lines before the frontmatter, which begins on line {}", opening.number),
            "remove them: other agents find no frontmatter here",
        );
    }
    let block_start = opening.start + opening.text.len();
    let Some(closing) = numbered_lines(text).skip(opening.number).find(ManifestLine::is_marker) else {
        not_closed(text, opening, findings);
        return None;
    };
    let block = &text[block_start..closing.start];
    if block.len() as u64 > limit {
        let message = format!("the frontmatter has {} bytes; the limit is {limit}", block.len());
        findings.add_finding(
            rules::FRONTMATTER_SIZE,
            Position::at_line(opening.number),
            message,
            "move the text into the body",
        );
        return None;
    }
    let body = &text[closing.start + closing.text.len()..];
    Some(ManifestParts { block, block_line: opening.number + 1, body, body_line: closing.number + 1 })
}

const FORM: &str = "begin the file with `---`, `name: …`, `description: …`, `---`, each on a line of its own";

fn report_missing(text: &str, first: Option<ManifestLine<'_>>, findings: &mut Findings) {
    let Some(first) = first else {
        findings.add_finding(rules::NO_FRONTMATTER, Position::START, "the file is empty", FORM);
        return;
    };
    let at = Position::at_line(first.number);
    match later_frontmatter(text) {
        Some(later) => findings.add_finding(
            rules::TEXT_BEFORE,
            at,
            format!(
                "frontmatter must start on line 1, but line {} is `{}`",
                first.number,
                first.excerpt_text()
            ),
            format!("move what is before line {later} into the body"),
        ),
        None => {
            let message =
                format!("no frontmatter: line {} is `{}`, not `---`", first.number, first.excerpt_text());
            findings.add_finding(rules::NO_FRONTMATTER, at, message, FORM);
        }
    }
}

/// The line of a `---` outside of code fences behind which `key:` stands: frontmatter
/// that came too late. What a fence shows is an example and never read.
fn later_frontmatter(text: &str) -> Option<usize> {
    let mut fenced = false;
    let mut marker = None;
    for line in numbered_lines(text) {
        let trimmed = line.text.trim_start();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            fenced = !fenced;
        }
        let key = line.text.split_once(':').map(|(key, _)| key);
        if marker.is_some() && key.is_some_and(|key| matches!(key, "name" | "description")) {
            return marker;
        }
        marker = (!fenced && line.is_marker()).then_some(line.number);
    }
    None
}

fn not_closed(text: &str, opening: ManifestLine<'_>, findings: &mut Findings) {
    let near = numbered_lines(text).skip(opening.number).find(|line| {
        let trimmed = line.text.trim();
        trimmed == "---" || trimmed == "..." || (trimmed.len() > 3 && trimmed.chars().all(|c| c == '-'))
    });
    let help = match near {
        Some(line) => format!("line {} must be exactly `---`, without indentation", line.number),
        None => "put a line `---` after the last key".to_owned(),
    };
    let message = format!("the frontmatter that begins on line {} is not closed", opening.number);
    findings.add_finding(rules::NOT_CLOSED, Position::at_line(opening.number), message, help);
}

#[cfg(test)]
mod tests {
    use super::super::rules::Profile;
    use super::*;

    fn split_all(text: &str) -> (Option<ManifestParts<'_>>, Vec<(&'static str, usize)>) {
        let mut findings = Findings::new(Profile::Install, "SKILL.md");
        let parts = split_manifest(text, 100, &mut findings);
        (parts, findings.into_vec().iter().map(|f| (f.code, f.line)).collect())
    }

    #[test]
    fn the_block_keeps_its_last_line_feed() {
        let (parts, findings) = split_all("---\nname: x\n--- \t\n# Body\n");
        assert_eq!(
            parts,
            Some(ManifestParts { block: "name: x\n", block_line: 2, body: "# Body\n", body_line: 4 })
        );
        assert_eq!(findings, []);
        assert_eq!(split_all("---\r\na: b\r\n---\r\n").0.unwrap().block, "a: b\r\n");
        assert_eq!(
            split_all("---\n---").0.unwrap(),
            ManifestParts { block: "", block_line: 2, body: "", body_line: 3 }
        );
    }

    #[test]
    fn only_a_line_of_its_own_closes() {
        let block = |text| split_all(text).0.map(|parts| parts.block.to_owned());
        assert_eq!(block("---\na: x --- y\n---\n").as_deref(), Some("a: x --- y\n"));
        assert_eq!(block("---\na: |\n  ---\n---\n").as_deref(), Some("a: |\n  ---\n"));
        assert_eq!(block("---\na: b\n---- \n---x\n---\n").as_deref(), Some("a: b\n---- \n---x\n"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, expected) in [
            ("", ("no-frontmatter", 1)),
            ("\n \n", ("no-frontmatter", 1)),
            ("# Title\n", ("no-frontmatter", 1)),
            ("\n# Title\n\n---\n\nrule\n", ("no-frontmatter", 2)),
            ("---name: x\n---\n", ("no-frontmatter", 1)),
            ("# T\n```yaml\n---\nname: x\n---\n```\n", ("no-frontmatter", 1)),
            ("<!-- c -->\n---\nname: x\n---\n", ("text-before-frontmatter", 1)),
            ("---\nname: x\n", ("frontmatter-not-closed", 1)),
            ("---\na: |\n  x\n  ---\nbody\n", ("frontmatter-not-closed", 1)),
            ("---\na: b\n...\n", ("frontmatter-not-closed", 1)),
        ] {
            let (parts, findings) = split_all(text);
            assert_eq!((parts, findings), (None, vec![expected]), "{text}");
        }
        let (parts, findings) = split_all("\n\n---\na: b\n---\n");
        assert_eq!((parts.unwrap().block_line, findings), (4, vec![("blank-before-frontmatter", 1)]));
    }

    #[test]
    fn a_block_over_the_limit_is_not_read() {
        let text = format!("---\na: {}\n---\n", "x".repeat(97));
        assert_eq!(split_all(&text).1, [("frontmatter-too-large", 1)]);
        assert!(split_all(&format!("---\na: {}\n---\n", "x".repeat(96))).0.is_some());
    }
}
