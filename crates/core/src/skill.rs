//! What a skill says of itself, and the rules that it keeps or breaks.
//!
//! `install` is lenient where real skills are and strict where safety is at stake;
//! `validate` is strict. Both read with the same code, [`read_manifest`], and differ only in
//! the column of the table in `skill/rules.rs`. Every finding is reported, not only
//! the first; which of them stop something is the caller's question to [`worst_severity`].
//!
//! Nothing here touches a disk. Bytes come in, findings and values go out.

mod body;
mod contents;
mod credentials;
mod frontmatter;
mod hidden;
mod markers;
mod name;
mod quoting;
mod rules;
mod tools;
mod verbatim;
pub(crate) mod yaml;

pub use body::check_body;
pub(crate) use body::strip_skill_folder;
pub use contents::{check_files, check_secrets, is_program};
pub use credentials::find_credentials;
pub use frontmatter::Frontmatter;
pub(crate) use frontmatter::canonical_key;
pub use hidden::check_text;
pub use name::SkillName;
pub use rules::{
    Finding, Profile, Severity, allow_findings, allowable_codes, can_be_allowed, not_installable,
    worst_severity,
};
pub(crate) use tools::split_tools;
pub use verbatim::frontmatter_as_json;

use crate::error::is_unprintable;
use crate::listing::Limits;

use rules::{Findings, Position, short_excerpt};
use yaml::{Data, Yaml};

/// The name that the open specification gives to the file ("exactly").
pub const MANIFEST: &str = "SKILL.md";
/// The one other spelling that is installed, with a warning.
pub const LOWER_MANIFEST: &str = "skill.md";

/// Lines of a manifest (open specification: "under 500 lines").
const MAX_LINES: usize = 500;
/// Bytes of a manifest that fit the recommended 5,000 tokens (measured: 4 bytes a token).
const MAX_BYTES: usize = 20_000;

/// A manifest, read.
#[derive(Debug, Clone, PartialEq)]
pub struct SkillManifest {
    /// `None` when it cannot be read; an error finding then says why. Where there is
    /// none at all it holds the first paragraph as description, as Claude Code does,
    /// for a caller that was told `--allow no-frontmatter`.
    pub frontmatter: Option<Frontmatter>,
    /// In the order of the file.
    pub findings: Vec<Finding>,
    /// The line on which the body begins, 1-based; may lie one behind the last.
    pub body_starts_line: usize,
}

/// Reads the bytes of a manifest whole: markers, YAML, keys, body, hidden text.
///
/// `manifest_name` is its file name, `folder_name` the name of the folder it stands
/// in (`None` where that says nothing: a repository's root, a staging folder).
/// Limits: `limits.manifest` and `limits.frontmatter` bytes. Never fails, never panics.
pub fn read_manifest(
    manifest_name: &str,
    folder_name: Option<&str>,
    bytes: &[u8],
    profile: Profile,
    limits: &Limits,
) -> SkillManifest {
    if bytes.len() as u64 > limits.manifest {
        return too_large(manifest_name, bytes.len() as u64, profile, limits);
    }
    let mut findings = Findings::new(profile, manifest_name);
    check_manifest_name(manifest_name, &mut findings);
    let mut document = SkillManifest { frontmatter: None, findings: Vec::new(), body_starts_line: 1 };
    findings.add_all(check_text(manifest_name, bytes, profile));
    if let Some(text) = decode_text(bytes, &mut findings) {
        read_text(text, folder_name, profile, limits, &mut findings, &mut document);
    }
    document.findings = findings.into_vec();
    document
}

/// A manifest as a tree and a body, for readers of more than [`Frontmatter`] has.
pub(crate) struct ManifestText<'a> {
    /// Empty where there is no frontmatter, or none that can be read.
    pub(crate) pairs: Vec<(Yaml, Yaml)>,
    pub(crate) body: &'a str,
    pub(crate) body_line: usize,
}

/// Splits a manifest and reads its frontmatter, without a word about what is wrong with it: that
/// [`read_manifest`] says.
pub(crate) fn read_manifest_text(text: &str) -> ManifestText<'_> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut findings = Findings::new(Profile::Install, MANIFEST);
    match markers::split_manifest(text, Limits::default().frontmatter, &mut findings) {
        Some(parts) => ManifestText {
            pairs: read_block(parts.block, parts.block_line, &mut findings).unwrap_or_default(),
            body: parts.body,
            body_line: parts.body_line,
        },
        None => ManifestText { pairs: Vec::new(), body: text, body_line: 1 },
    }
}

/// The keys of a block as lenient readers of YAML have them: of one that is there twice the last
/// value counts. `None` where the block is no such list.
pub(crate) fn read_lenient_keys(block: &str) -> Option<serde_yaml::Mapping> {
    let (tree, _) = yaml::parse_yaml(block, 1).ok()?;
    match tree?.to_value() {
        serde_yaml::Value::Mapping(map) => Some(map),
        _ => None,
    }
}

/// The findings for a manifest with more bytes than `limits.manifest`, so that it need not be
/// read.
pub fn too_large(manifest_name: &str, size: u64, profile: Profile, limits: &Limits) -> SkillManifest {
    let mut findings = Findings::new(profile, manifest_name);
    check_manifest_name(manifest_name, &mut findings);
    let message = format!("{size} bytes; the limit for a manifest is {}", limits.manifest);
    findings.add_finding(
        rules::MANIFEST_SIZE,
        Position::START,
        message,
        "move details into other files of the skill",
    );
    SkillManifest { frontmatter: None, findings: findings.into_vec(), body_starts_line: 1 }
}

/// The frontmatter alone, for a loader that has thousands of skills to read: neither the body nor
/// hidden text is looked at. The same findings about what keeps it from being read.
pub fn read_summary(folder_name: Option<&str>, bytes: &[u8], limits: &Limits) -> SkillManifest {
    let mut findings = Findings::new(Profile::Install, MANIFEST);
    let mut document = SkillManifest { frontmatter: None, findings: Vec::new(), body_starts_line: 1 };
    if let Some(text) = decode_text(bytes, &mut findings) {
        match markers::split_manifest(text, limits.frontmatter, &mut findings) {
            None => document.frontmatter = without_frontmatter(text, &findings),
            Some(parts) => {
                document.body_starts_line = parts.body_line;
                if let Some(pairs) = read_block(parts.block, parts.block_line, &mut findings) {
                    let profile = Profile::Install;
                    let front = frontmatter::read_frontmatter(&pairs, folder_name, profile, &mut findings);
                    document.frontmatter = Some(front);
                }
            }
        }
    }
    document.findings = findings.into_vec();
    document
}

fn check_manifest_name(name: &str, findings: &mut Findings) {
    match name {
        MANIFEST => {}
        LOWER_MANIFEST => {
            let message = "the file is `skill.md`, which many agents do not find";
            findings.add_finding(rules::MANIFEST_CASE, Position::START, message, "rename it to `SKILL.md`");
        }
        _ => {
            let message = format!("the file is `{}`, which agents do not find", short_excerpt(name, 80));
            findings.add_finding(rules::MANIFEST_NAME, Position::START, message, "rename it to `SKILL.md`");
        }
    }
}

/// The text without byte order mark, or a finding that names the first bad byte.
fn decode_text<'a>(bytes: &'a [u8], findings: &mut Findings) -> Option<&'a str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let sound = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = sound.matches('\n').count() + 1;
            let column = sound.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
            let message = match bytes {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16, not UTF-8".to_owned(),
                _ => format!(
                    "byte 0x{:02X} is not UTF-8",
                    bytes.get(error.valid_up_to()).copied().unwrap_or(0)
                ),
            };
            findings.add_finding(
                rules::NOT_UTF8,
                Position { line, column },
                message,
                "save the file as UTF-8",
            );
            return None;
        }
    };
    let Some(rest) = text.strip_prefix('\u{feff}') else { return Some(text) };
    let help = "save the file without it: some agents do not find the frontmatter after it";
    findings.add_finding(
        rules::BYTE_ORDER_MARK,
        Position::START,
        "the file begins with a byte order mark",
        help,
    );
    Some(rest)
}

fn read_text(
    text: &str,
    folder: Option<&str>,
    profile: Profile,
    limits: &Limits,
    findings: &mut Findings,
    document: &mut SkillManifest,
) {
    check_size(text, findings);
    let Some(parts) = markers::split_manifest(text, limits.frontmatter, findings) else {
        document.frontmatter = without_frontmatter(text, findings);
        return;
    };
    document.body_starts_line = parts.body_line;
    if parts.body.trim().is_empty() {
        let help = "write the instructions below the frontmatter";
        findings.add_finding(
            rules::BODY_EMPTY,
            Position::at_line(parts.body_line),
            "there is nothing below the frontmatter",
            help,
        );
    }
    if let Some(pairs) = read_block(parts.block, parts.block_line, findings) {
        document.frontmatter = Some(frontmatter::read_frontmatter(&pairs, folder, profile, findings));
    }
}

fn check_size(text: &str, findings: &mut Findings) {
    let breaks = text.bytes().filter(|b| *b == b'\n').count();
    let lines = breaks + usize::from(!text.is_empty() && !text.ends_with('\n'));
    if lines > MAX_LINES || text.len() > MAX_BYTES {
        let message = format!("{lines} lines, {} bytes: more than {MAX_LINES} or {MAX_BYTES}", text.len());
        let help = "move details into files below `references/`, which agents read when they need them";
        findings.add_finding(rules::BODY_LONG, Position::START, message, help);
    }
    let windows = if text.contains('\r') { text.matches("\r\n").count() } else { 0 };
    if windows > 0 {
        let how = if windows == breaks { "Windows line ends" } else { "mixed line ends" };
        findings.add_finding(rules::LINE_ENDINGS, Position::START, how, "save the file with LF line ends");
    }
}

/// Builds a frontmatter from the first paragraph of a file that has none, if nothing else is
/// wrong with the file.
fn without_frontmatter(text: &str, findings: &Findings) -> Option<Frontmatter> {
    let paragraph = text
        .split("\n\n")
        .map(str::trim)
        .find(|part| !part.is_empty() && !part.starts_with(['#', '`', '<', '-', '|', '~']))?;
    let description = short_excerpt(&paragraph.split_whitespace().collect::<Vec<_>>().join(" "), 1000);
    findings.has_rule(rules::NO_FRONTMATTER).then(|| Frontmatter { description, ..Frontmatter::default() })
}

/// The pairs of the frontmatter; `None` after an error finding.
fn read_block(block: &str, line: usize, findings: &mut Findings) -> Option<Vec<(Yaml, Yaml)>> {
    if has_conflict(block, line, findings) || has_control(block, line, findings) {
        return None;
    }
    let (tree, faults) = match yaml::parse_yaml(block, line) {
        Ok(read) => read,
        Err(fault) => match quoting::recover_block(block, line, &fault, findings) {
            Some(read) => read,
            None => {
                let help = quoting::advise_quoting(block, line, &fault);
                findings.add_finding(fault.rule, fault.at, format!("not YAML: {}", fault.message), help);
                return None;
            }
        },
    };
    for fault in faults {
        findings.add_finding(fault.rule, fault.at, fault.message, fault.help);
    }
    match tree.map(|tree| (tree.at, tree.kind(), tree.data)) {
        None => Some(Vec::new()),
        Some((_, _, Data::Map(pairs))) => Some(pairs),
        Some((at, kind, _)) => {
            let message = format!("the frontmatter is {kind}, but should be `key: value` lines");
            findings.add_finding(rules::NOT_A_MAP, at, message, "begin with `name: …` and `description: …`");
            None
        }
    }
}

fn has_conflict(block: &str, line: usize, findings: &mut Findings) -> bool {
    let marker = |text: &str| ["<<<<<<<", ">>>>>>>", "|||||||"].iter().any(|m| text.starts_with(m));
    let Some((at, _)) = block.lines().enumerate().find(|(_, text)| marker(text)) else { return false };
    let message = format!("merge-conflict marker, line {}", line + at);
    findings.add_finding(
        rules::MERGE_CONFLICT,
        Position::at_line(line + at),
        message,
        "resolve the conflict",
    );
    true
}

/// Characters that some YAML readers refuse, some take for line ends and some pass on.
fn has_control(block: &str, line: usize, findings: &mut Findings) -> bool {
    for (at, text) in block.split('\n').enumerate() {
        let text = text.strip_suffix('\r').unwrap_or(text);
        let odd = |c: char| (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}');
        if let Some((column, c)) = text.chars().enumerate().find(|(_, c)| odd(*c)) {
            let at = Position { line: line + at, column: column + 1 };
            let message = format!("control character U+{:04X} at line {}", u32::from(c), at.line);
            findings.add_finding(
                rules::CONTROL_IN_YAML,
                at,
                message,
                "remove it; often UTF-8 that was once read as Latin-1",
            );
            return true;
        }
    }
    false
}

/// The name that a skill is installed under: `name` if it is one, else the folder's, else the
/// nearest name to either, else the source's. `folder_name` is `None` at the root of a source.
fn choose_name(written: Option<&str>, folder_name: Option<&str>, source_name: &str) -> Option<SkillName> {
    let exact = |text: Option<&str>| text.and_then(|text| text.parse::<SkillName>().ok());
    let near = |text: Option<&str>| text.and_then(SkillName::nearest_to);
    exact(written)
        .or_else(|| exact(folder_name))
        .or_else(|| near(written))
        .or_else(|| near(folder_name))
        .or_else(|| near(Some(source_name)))
}

/// What `choose_name` gives, or `skill` where it has nothing to choose from: one
/// skill among many must not stop the others.
pub(crate) fn given_name(written: Option<&str>, folder_name: Option<&str>, source_name: &str) -> SkillName {
    choose_name(written, folder_name, source_name).unwrap_or_else(SkillName::fallback_name)
}

/// Reports that the skill whose manifest is `file` is not installed under the name it asks for.
pub(crate) fn report_name_clash(file: &str, wanted: &SkillName, given: &SkillName) -> Vec<Finding> {
    let mut findings = Findings::new(Profile::Install, file);
    let message =
        format!("several skills of this source have the name `{wanted}`: this one gets the name `{given}`");
    findings.add_finding(
        rules::NAME_CLASH,
        Position::START,
        message,
        "to choose another name, install it on its own with `--as NAME`",
    );
    findings.into_vec()
}

/// The description of a new skill for which none was given.
const TEMPLATE_DESCRIPTION: &str =
    "Says what this skill does in one sentence. Use when the user asks for it.";

/// Lines of a new skill that are to be replaced: [`check_body`] finds them.
const TEMPLATE_LINES: [&str; 4] = [
    "Write here what an agent must know to do this well and would not guess.",
    "1. First step.",
    "2. Second step.",
    "- What can be checked at the end.",
];

/// The `SKILL.md` that `init` writes. It passes [`Profile::Lint`] and
/// [`Profile::Upload`] without a warning when the name is portable
/// ([`SkillName::portability_fault`]) and the description is at most 1,024 characters, but for
/// one: that its text is to be replaced ([`check_body`]).
pub fn manifest_template(name: &SkillName, description: &str) -> String {
    let visible: String = description.chars().filter(|c| c.is_whitespace() || !is_unprintable(*c)).collect();
    let mut description = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if description.is_empty() {
        description = TEMPLATE_DESCRIPTION.to_owned();
    }
    let quoted = serde_json::Value::String(description).to_string();
    let title = name.as_str().split(['-', '_']).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
    let [intro, first, second, done] = TEMPLATE_LINES;
    format!(
        "---\nname: {name}\ndescription: {quoted}\n---\n\n# {title}\n\n{intro}\n\n\
         ## Steps\n\n{first}\n{second}\n\n## Done when\n\n{done}\n"
    )
}

#[cfg(test)]
mod tests;
