//! What the instructions lead to: links and files of the skill that are not there, and text
//! of a template that nobody replaced.
//!
//! Only what is sure is said. Over 3,566 public skills each rule here was held against what it
//! found; what met examples, files that the agent is to make, or files of the user's project
//! was made narrower until it did not.

use std::collections::{BTreeSet, HashMap};

use percent_encoding::percent_decode_str;
use pulldown_cmark::{Event, LinkType, Parser, Tag};

use crate::listing::FileEntry;
use crate::path::ancestor_folders;

use super::rules::{self, Finding, Findings, Position, Profile, short_excerpt};
use super::{TEMPLATE_DESCRIPTION, TEMPLATE_LINES};

/// Words by which agents let instructions name the folder of the skill itself.
const SKILL_FOLDER: &[&str] = &["basedir", "skilldir", "skillroot", "claudeskilldir"];

/// The folders that the open specification recommends, whose files instructions name, and
/// the endings of what an author puts there. What else is named is often made by the agent.
const FOLDERS: &[(&str, &[&str])] = &[
    ("scripts/", &["py", "sh", "bash", "js", "mjs", "cjs", "ts", "rb", "pl", "ps1", "php", "lua", "r"]),
    ("references/", &["md", "txt", "pdf"]),
];

/// Words on a line that only tells of such a file, or has it made.
const TELLING: &[&str] = &[
    "example",
    "e.g.",
    "would ",
    "could ",
    "such as",
    "create",
    "creating",
    "save",
    "write",
    "add ",
    "output",
    "generate ",
    "copy ",
    "optional",
    "if present",
    "if it exists",
    "missing",
    "commit",
    "> ",
];

/// Parts of file names that stand for another.
const PLACEHOLDERS: &[&str] =
    &["example", "your", "my-", "my_", "script_name", "script-name", "filename", "foo", "xxx"];

/// Looks at the text of a manifest for what it leads to: relative links, and files below
/// `scripts/` and `references/` that it names. `entries` are the files of the skill,
/// relative to it; `body_starts_line` is that of [`SkillManifest`](super::SkillManifest).
pub fn check_body(
    manifest_name: &str,
    bytes: &[u8],
    body_starts_line: usize,
    entries: &[FileEntry],
    profile: Profile,
) -> Vec<Finding> {
    let mut findings = Findings::new(profile, manifest_name);
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    let start = text.split_inclusive('\n').take(body_starts_line.saturating_sub(1)).map(str::len).sum();
    let (head, body) = text.split_at(start);
    let files = SkillFiles::of_entries(entries);
    check_template(head, body, body_starts_line, &mut findings);
    let linked = check_links(body, body_starts_line, &files, &mut findings);
    check_mentions(body, body_starts_line, &files, &linked, &mut findings);
    findings.into_vec()
}

/// Paths of a skill, to look names up.
struct SkillFiles<'a> {
    files: BTreeSet<&'a str>,
    folders: BTreeSet<&'a str>,
    /// The files that end in a name, whatever its case.
    by_name: HashMap<String, Vec<&'a str>>,
}

impl<'a> SkillFiles<'a> {
    fn of_entries(entries: &'a [FileEntry]) -> Self {
        let folders = entries.iter().flat_map(|entry| ancestor_folders(&entry.path)).collect();
        let files: BTreeSet<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
        let mut by_name: HashMap<String, Vec<&str>> = HashMap::new();
        for file in &files {
            by_name.entry(lower_name(file)).or_default().push(file);
        }
        Self { files, folders, by_name }
    }

    /// True for a file or folder of the skill; a link may lead to the skill itself.
    fn has_path(&self, path: &str) -> bool {
        path.is_empty() || self.files.contains(path) || self.folders.contains(path)
    }

    /// As [`Self::has_path`], also seen from a folder of the skill that a step may have gone
    /// into, and for a script that is compiled from another.
    fn has_near(&self, path: &str) -> bool {
        let below = |file: &&str| file.strip_suffix(path).is_some_and(|folder| folder.ends_with('/'));
        let source = |(from, to): &(&str, &str)| {
            path.strip_suffix(from).is_some_and(|stem| self.has_path(&format!("{stem}{to}")))
        };
        self.has_path(path)
            || self.by_name.get(&lower_name(path)).is_some_and(|files| files.iter().any(below))
            || [(".js", ".ts"), (".js", ".tsx"), (".mjs", ".mts")].iter().any(source)
    }

    /// What to do about a path that is not there.
    fn advise_on(&self, path: &str) -> String {
        match self.by_name.get(&lower_name(path)).map(Vec::as_slice) {
            Some([other]) => format!("there is `{}`", short_excerpt(other, 80)),
            _ => "add the file to the skill, or take its name out of the instructions".to_owned(),
        }
    }
}

fn lower_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_lowercase()
}

/// Lines and columns of bytes of the body, each found from the one before: a body may have a
/// hundred thousand links in one line.
struct Cursor<'a> {
    body: &'a str,
    at: usize,
    place: Position,
}

impl<'a> Cursor<'a> {
    fn new(body: &'a str, body_line: usize) -> Self {
        Self { body, at: 0, place: Position::at_line(body_line) }
    }

    /// The place of a byte that does not lie before the one asked for last.
    fn position_of(&mut self, at: usize) -> Position {
        for c in self.body.get(self.at..at).unwrap_or_default().chars() {
            match c {
                '\n' => self.place = Position::at_line(self.place.line + 1),
                _ => self.place.column += 1,
            }
        }
        self.at = at.max(self.at);
        self.place
    }
}

/// The lines of `init` that nobody replaced: the description's and the body's first.
fn check_template(head: &str, body: &str, body_line: usize, findings: &mut Findings) {
    let described = head.lines().position(|line| line.contains(TEMPLATE_DESCRIPTION));
    let written = body.lines().position(|line| TEMPLATE_LINES.contains(&line.trim()));
    for line in described.map(|at| at + 1).into_iter().chain(written.map(|at| at + body_line)) {
        findings.add_finding(
            rules::TEMPLATE_TEXT,
            Position::at_line(line),
            "the text of the template is still there",
            "write what the agent needs here in its place",
        );
    }
}

/// Reports relative links and images to what is not in the skill. Gives the paths it spoke of.
fn check_links(
    body: &str,
    body_line: usize,
    files: &SkillFiles<'_>,
    findings: &mut Findings,
) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut cursor = Cursor::new(body, body_line);
    for (event, range) in Parser::new(body).into_offset_iter() {
        let (what, kind, written) = match event {
            Event::Start(Tag::Link { link_type, dest_url, .. }) => ("link", link_type, dest_url),
            Event::Start(Tag::Image { link_type, dest_url, .. }) => ("image", link_type, dest_url),
            _ => continue,
        };
        if matches!(kind, LinkType::Autolink | LinkType::Email) {
            continue;
        }
        let Some(path) = relative_target(&written) else { continue };
        let shown = short_excerpt(&path, 80);
        let at = cursor.position_of(range.start);
        match resolve_inside(&path) {
            None => findings.add_finding(
                rules::LINK_OUTSIDE,
                at,
                format!("the {what} to `{shown}` leads out of the skill"),
                "what lies outside is not installed with it: bring the file into the skill, or name it in words",
            ),
            Some(inside) if !files.has_path(&inside) => {
                let message = format!("the {what} to `{shown}` leads to nothing in the skill");
                findings.add_finding(rules::DEAD_LINK, at, message, files.advise_on(&inside));
                named.insert(inside);
            }
            Some(_) => {}
        }
    }
    named
}

/// The path that a link means beside the manifest; `None` for an address, an anchor, a path
/// from the top of a site, and text that stands for a link (`url`, `{name}.md`).
fn relative_target(written: &str) -> Option<String> {
    let path = written.split(['#', '?']).next()?;
    let path = strip_skill_folder(path).unwrap_or(path);
    let scheme = path.split(['/', '.']).next()?;
    if path.is_empty() || path.starts_with(['/', '\\']) || scheme.contains(':') {
        return None;
    }
    if path.contains(['{', '}', '<', '>', '$', '*', '…', '|', '[']) || path.contains("...") {
        return None;
    }
    let name = path.trim_end_matches('/').rsplit('/').next()?;
    let is_file = name.contains('.') || name.chars().all(|c| c.is_ascii_uppercase());
    if !(is_file || path.ends_with('/')) || path.contains("path/to") {
        return None;
    }
    Some(percent_decode_str(path).decode_utf8_lossy().into_owned())
}

/// The path without `.` and `..`; `None` where it leads out of the folder it is seen from.
fn resolve_inside(path: &str) -> Option<String> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

/// What follows `{baseDir}/`, `${CLAUDE_SKILL_DIR}/` and their like.
pub(crate) fn strip_skill_folder(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('$').unwrap_or(path);
    let (word, rest) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once("}/")?,
        None if rest.len() < path.len() => rest.split_once('/')?,
        None => return None,
    };
    let letters: String = word.chars().filter(|c| *c != '_').collect();
    SKILL_FOLDER.contains(&letters.to_ascii_lowercase().as_str()).then_some(rest)
}

/// Reports files below the recommended folders that the text names and the skill does not
/// have, each once. A folder that the skill lacks too may be one of the user's project.
fn check_mentions(
    body: &str,
    body_line: usize,
    files: &SkillFiles<'_>,
    linked: &BTreeSet<String>,
    findings: &mut Findings,
) {
    let mut said = linked.clone();
    let mut cursor = Cursor::new(body, body_line);
    let mut line_start = 0;
    for line in body.split_inclusive('\n') {
        let mentions = mentions_in(line);
        if !only_tells(line, &mentions) {
            for Mention { start, path, is_sure } in mentions {
                let known =
                    is_sure || path.split('/').next().is_some_and(|folder| files.folders.contains(folder));
                if !known || files.has_near(&path) || !said.insert(path.clone()) {
                    continue;
                }
                findings.add_finding(
                    rules::MISSING_FILE,
                    cursor.position_of(line_start + start),
                    format!("`{}` is not in the skill", short_excerpt(&path, 80)),
                    files.advise_on(&path),
                );
            }
        }
        line_start += line.len();
    }
}

/// A path such as `scripts/x.py` in a line.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Mention {
    /// The byte of the line that it begins at.
    start: usize,
    path: String,
    /// The text says that it is the skill's own folder (`{baseDir}/scripts/x.py`).
    is_sure: bool,
}

/// True where the words around the paths say that they are examples, or to be made.
fn only_tells(line: &str, mentions: &[Mention]) -> bool {
    let mut around = String::new();
    let mut at = 0;
    for Mention { start, path, .. } in mentions {
        around.push_str(line.get(at..*start).unwrap_or_default());
        at = start + path.len();
    }
    around.push_str(line.get(at..).unwrap_or_default());
    let around = around.to_lowercase();
    !mentions.is_empty() && TELLING.iter().any(|word| around.contains(word))
}

/// Characters of a path that is looked at, and of what may stand before it.
const LONGEST_MENTION: usize = 200;

/// The paths that a line names, in its order.
fn mentions_in(line: &str) -> Vec<Mention> {
    let is_path = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
    let is_before = |b: u8| is_path(b) || !b.is_ascii() || b"{}$~<>@:\\%*".contains(&b);
    let matches = FOLDERS.iter().flat_map(|(folder, endings)| {
        line.match_indices(folder).map(|(start, folder)| (start, folder.len(), *endings))
    });
    let mut found = Vec::new();
    for (start, length, endings) in matches {
        let before = line.as_bytes()[..start].iter().rev().take(LONGEST_MENTION);
        let prefix = line.get(start - before.take_while(|b| is_before(**b)).count()..start).unwrap_or("…");
        let is_sure = strip_skill_folder(prefix).is_some_and(|rest| rest.is_empty() || rest == "./");
        let rest = &line[start..];
        let end = rest.bytes().take(LONGEST_MENTION).take_while(|b| is_path(*b)).count();
        let goes_on = rest[end..].starts_with(|c: char| !c.is_ascii() || "*{<$[%\\@".contains(c));
        let path = rest[..end].trim_end_matches(['.', '-', '/']);
        if !(is_sure || prefix.is_empty() || prefix == "./")
            || goes_on
            || end == LONGEST_MENTION
            || !names_file(path, length, endings)
        {
            continue;
        }
        if let Some(path) = resolve_inside(path) {
            found.push(Mention { start, path, is_sure });
        }
    }
    found.sort();
    found
}

/// True for a path longer than its folder that ends in one of `endings` and does not stand for
/// another.
fn names_file(path: &str, folder: usize, endings: &[&str]) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    let (stem, ending) = (stem.to_ascii_lowercase(), ending.to_ascii_lowercase());
    path.len() > folder
        && !stem.is_empty()
        && endings.contains(&ending.as_str())
        && !PLACEHOLDERS.iter().any(|part| stem.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Listing;
    use crate::skill::{Severity, SkillName, manifest_template};

    const HEAD: &str = "---\nname: a\ndescription: Does it.\n---\n";

    /// What is found in a body, as `code@line:column message`, in a skill of these files.
    fn found(files: &[&str], body: &str) -> Vec<String> {
        let listing = Listing::of_paths(files);
        let text = format!("{HEAD}{body}");
        let findings = check_body("SKILL.md", text.as_bytes(), 5, listing.entries(), Profile::Lint);
        assert!(findings.iter().all(|finding| finding.severity == Severity::Warning));
        assert_eq!(check_body("SKILL.md", text.as_bytes(), 5, listing.entries(), Profile::Install), []);
        findings
            .iter()
            .map(|f| format!("{}@{}:{} {} | {}", f.code, f.line, f.column, f.message, f.help))
            .collect()
    }

    #[test]
    fn links_to_what_is_not_there() {
        let files = ["SKILL.md", "references/a b.md", "references/Forms.md", "img/x.png", "LICENSE"];
        for sound in [
            "[a](references/a%20b.md)",
            "[a](<references/a b.md>)",
            "[a](./references/Forms.md#part \"title\")",
            "[a](references/../img/x.png?raw=1) [b](img) [c](references/) [d](.) [e](LICENSE)",
            "![a](img/x.png) [b](#anchor) [c](https://x.y/z.md) [d](mailto:a@b.c) [e](//h/x.md) <https://x.y/z>",
            "[a]({baseDir}/img/x.png) [a](${CLAUDE_SKILL_DIR}/img/x.png) [a]($SKILL_DIR/img/x.png)",
            "[a](url) [b](/docs/x.md) [c]({name}.md) [d](path/to/x.md) [e](a/.../b.md) [f]($X/y.md)",
            "`[a](no.md)` and\n\n```md\n[a](no.md)\n```\n\n    [a](no.md)\n\n<!-- [a](no.md) -->\n",
            "[a][b]\n\n[c]: no.md",
        ] {
            assert_eq!(found(&files, sound), [""; 0], "{sound}");
        }
        let add = "add the file to the skill, or take its name out of the instructions";
        for (body, expected) in [
            ("é [a](no.md)", format!("dead-link@5:3 the link to `no.md` leads to nothing in the skill | {add}")),
            ("\n![a](img/y.png)", format!("dead-link@6:1 the image to `img/y.png` leads to nothing in the skill | {add}")),
            ("[a][b]\n\n[b]: no.md", format!("dead-link@5:1 the link to `no.md` leads to nothing in the skill | {add}")),
            ("| [a](none/) |", format!("dead-link@5:3 the link to `none/` leads to nothing in the skill | {add}")),
            ("[a](NOTICE)", format!("dead-link@5:1 the link to `NOTICE` leads to nothing in the skill | {add}")),
            ("[a](forms.md)", "dead-link@5:1 the link to `forms.md` leads to nothing in the skill | there is `references/Forms.md`".into()),
            ("[a](references/forms.md)", "dead-link@5:1 the link to `references/forms.md` leads to nothing in the skill | there is `references/Forms.md`".into()),
            ("[a](${SKILL_DIR}/no.md)", format!("dead-link@5:1 the link to `no.md` leads to nothing in the skill | {add}")),
        ] {
            assert_eq!(found(&files, body), [expected], "{body}");
        }
    }

    #[test]
    fn links_that_lead_out_are_named_as_such() {
        for link in ["../other/SKILL.md", "a/../../x.md", "%2e%2e/x.md", "..", "../"] {
            let found = found(&["SKILL.md"], &format!("[a]({link})"));
            assert!(found.len() == 1 && found[0].starts_with("link-outside@5:1 "), "{link}: {found:?}");
        }
    }

    #[test]
    fn files_that_are_named_and_missing() {
        let files = [
            "SKILL.md",
            "scripts/run.py",
            "scripts/src/index.ts",
            "ooxml/scripts/pack.py",
            "references/x.md",
        ];
        for sound in [
            "run `scripts/run.py`, ./scripts/run.py, {baseDir}/scripts/run.py, (references/x.md).",
            "import './scripts/src/index.js'; cd ooxml && python scripts/pack.py",
            // Of the user's project, of another skill, of a plugin.
            "myproject/scripts/no.py /scripts/no.py ~/scripts/no.py ../scripts/no.py ${CLAUDE_PLUGIN_ROOT}/scripts/no.py",
            "tools: assets/no.png scripts/ scripts/no scripts/<name>.py scripts/*.py scripts/no_{a}.py scripts/no.py.template",
            // Told of, or made.
            "for example `scripts/no.py`",
            "Create `scripts/no.py`",
            "node scripts/run.js-not > scripts/no.sh",
            "`scripts/your_script.py` `scripts/example.sh` `references/filename.md`",
        ] {
            assert_eq!(found(&files, sound), [""; 0], "{sound}");
        }
        // Without the folder it may be the project's; not where the text says whose it is.
        assert_eq!(found(&["SKILL.md"], "python scripts/no.py"), [""; 0]);
        let add = "add the file to the skill, or take its name out of the instructions";
        let expected = format!("missing-file@5:11 `scripts/no.py` is not in the skill | {add}");
        assert_eq!(found(&["SKILL.md"], "{baseDir}/scripts/no.py"), [expected]);
        for (body, place, path) in [
            ("é `python scripts/no.py --all`", "5:11", "scripts/no.py"),
            ("```sh\nbash ./scripts/sub/no.sh\n```", "6:8", "scripts/sub/no.sh"),
            ("See references/no.md.", "5:5", "references/no.md"),
            ("scripts/create_all.py; scripts/create_all.py", "5:1", "scripts/create_all.py"),
        ] {
            let expected = format!("missing-file@{place} `{path}` is not in the skill | {add}");
            assert_eq!(found(&files, body), [expected], "{body}");
        }
        // A link to it says it once.
        let both = found(&files, "[scripts/no.py](scripts/no.py)");
        assert!(both.len() == 1 && both[0].starts_with("dead-link@5:1 "), "{both:?}");
    }

    #[test]
    fn text_of_the_template_is_found_until_it_is_replaced() {
        let name: SkillName = "x".parse().unwrap();
        let lines = |text: &str| -> Vec<_> {
            let start = crate::skill::read_manifest(
                "SKILL.md",
                None,
                text.as_bytes(),
                Profile::Lint,
                &crate::listing::Limits::default(),
            )
            .body_starts_line;
            let findings = check_body("SKILL.md", text.as_bytes(), start, &[], Profile::Lint);
            findings.iter().map(|f| (f.code, f.line)).collect()
        };
        let text = manifest_template(&name, "");
        assert_eq!(lines(&text), [("template-text", 3), ("template-text", 8)]);
        let text = manifest_template(&name, "Counts words. Use when words are to be counted.");
        assert_eq!(lines(&text), [("template-text", 8)]);
        for (at, line) in TEMPLATE_LINES.iter().enumerate() {
            let text = manifest_template(&name, "Counts words. Use when words are to be counted.");
            let kept = TEMPLATE_LINES
                .iter()
                .filter(|other| *other != line)
                .fold(text, |text, other| text.replace(other, "Do it."));
            assert_eq!(lines(&kept).len(), 1, "line {at} alone");
        }
        let done = TEMPLATE_LINES
            .iter()
            .fold(manifest_template(&name, "Counts."), |text, line| text.replace(line, "Do it."));
        assert_eq!(lines(&done), []);
    }
}
