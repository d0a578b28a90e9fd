//! The one table of rules: what each finding is called and how grave it is for
//! whom. Nothing else in the crate decides a severity.

use std::cmp::Reverse;

use serde::Serialize;

use crate::error::{Result, fail, printable};

/// How grave a finding is. Only `Error` stops something, unless the caller is strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Error,
}

/// Who asks: each looks at the same rules with other eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Lenient where real skills are, strict where safety is at stake.
    Install,
    /// The open specification, as `validate` reads it.
    Lint,
    /// What an upload to claude.ai or the Skills API accepts: six keys, no reserved words.
    Upload,
}

/// One rule: its stable name and what a break of it means under each profile
/// (`None`: not worth a word).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SkillRule {
    /// Stable kebab-case name, for `--json`, `--allow` and documentation.
    pub(crate) code: &'static str,
    pub(crate) install: Option<Severity>,
    pub(crate) lint: Option<Severity>,
    pub(crate) upload: Option<Severity>,
    /// True when the person who installs may overrule it with `--allow CODE`.
    pub(crate) allowable: bool,
}

impl SkillRule {
    /// The severity of a break under `profile`; `None` when it is not reported.
    pub(crate) fn severity_under(&self, profile: Profile) -> Option<Severity> {
        match profile {
            Profile::Install => self.install,
            Profile::Lint => self.lint,
            Profile::Upload => self.upload,
        }
    }
}

/// `E` error, `W` warning, `I` for information, `_` silent.
macro_rules! level {
    (E) => {
        Some(Severity::Error)
    };
    (W) => {
        Some(Severity::Warning)
    };
    (I) => {
        Some(Severity::Info)
    };
    (_) => {
        None
    };
}

/// Writes each row both as a constant and into [`ALL`].
macro_rules! rules {
    ($($name:ident $code:literal $install:tt $lint:tt $upload:tt $allowable:literal)+) => {
        $(pub(crate) const $name: &SkillRule = &SkillRule {
            code: $code,
            install: level!($install),
            lint: level!($lint),
            upload: level!($upload),
            allowable: $allowable,
        };)+
        /// Every rule, in the order of the table.
        pub(crate) const ALL: &[&SkillRule] = &[$($name),+];
    };
}

// The levels are those of a measurement over 4,578 public skills: an error in the
// install column meets almost no skill that works elsewhere.
//
// constant              code                       install lint upload, may be overruled
rules! {
    MANIFEST_CASE        "manifest-lower-case"          W E E false
    MANIFEST_NAME        "manifest-name"                E E E false
    MANIFEST_SIZE        "manifest-too-large"           E E E false
    NOT_UTF8             "not-utf-8"                    E E E false
    BYTE_ORDER_MARK      "byte-order-mark"              W W W false
    LINE_ENDINGS         "crlf"                         _ W W false

    NO_FRONTMATTER       "no-frontmatter"               E E E true
    TEXT_BEFORE          "text-before-frontmatter"      E E E false
    BLANK_BEFORE         "blank-before-frontmatter"     W E E false
    NOT_CLOSED           "frontmatter-not-closed"       E E E false
    FRONTMATTER_SIZE     "frontmatter-too-large"        E E E false
    MERGE_CONFLICT       "merge-conflict"               E E E false
    CONTROL_IN_YAML      "control-in-frontmatter"       E E E false
    YAML                 "invalid-yaml"                 E E E false
    UNQUOTED             "unquoted-value"               W E E false
    NOT_A_MAP            "frontmatter-not-a-map"        E E E false
    YAML_DEPTH           "yaml-too-deep"                E E E false
    YAML_DOCUMENTS       "yaml-documents"               E E E false
    YAML_ANCHOR          "yaml-anchor"                  E E E false
    YAML_TAG             "yaml-tag"                     E E E false
    YAML_MERGE           "yaml-merge-key"               E E E false
    DUPLICATE_KEY        "duplicate-key"                E E E false
    COMPLEX_KEY          "complex-key"                  _ W E false

    NAME_MISSING         "name-missing"                 W E E false
    NAME_TYPE            "name-not-a-string"            E E E false
    NAME_INVALID         "name-invalid"                 W E E false
    NAME_PLAIN           "name-reads-as-other-type"     _ W E false
    NAME_FOLDER          "name-folder-mismatch"         W E E false
    NAME_RESERVED        "name-reserved-word"           _ _ E false
    NAME_CLASH           "name-clash"                   W W W false
    DESCRIPTION_MISSING  "description-missing"          E E E false
    DESCRIPTION_TYPE     "description-not-a-string"     E E E false
    DESCRIPTION_LONG     "description-too-long"         W E E false
    DESCRIPTION_SHORT    "description-short"            _ W W false
    ANGLE_BRACKETS       "angle-brackets"               _ _ E false
    COMPATIBILITY        "compatibility"                W E E false
    METADATA_TYPE        "metadata-not-a-map"           W E E false
    METADATA_VALUES      "metadata-values"              _ W W false
    TOOLS_FORM           "allowed-tools-form"           _ W W false
    TOOLS_PARENTHESES    "allowed-tools-parentheses"    W E E false
    WRONG_TYPE           "wrong-type"                   W E E false
    LIST_AS_TEXT         "list-as-text"                 _ W E false
    DEPENDENCIES         "dependencies"                 I W E false
    ENTRYPOINT           "entrypoint"                   W E E false
    KEY_NOT_PORTABLE     "key-not-portable"             _ I E false
    KEY_UNKNOWN          "key-unknown"                  _ W E false

    BODY_EMPTY           "body-empty"                   W W W false
    BODY_LONG            "body-long"                    _ W W false
    TEMPLATE_TEXT        "template-text"                _ W W false
    DEAD_LINK            "dead-link"                    _ W W false
    LINK_OUTSIDE         "link-outside"                 _ W W false
    MISSING_FILE         "missing-file"                 _ W W false

    TAG_CHARACTERS       "tag-characters"               E E E true
    BIDI_IN_MANIFEST     "bidi-control"                 E E E true
    BIDI_ELSEWHERE       "bidi-control-in-file"         W W W false
    VARIATION_SELECTORS  "variation-selectors"          E E E true
    HIDDEN_DESCRIPTION   "hidden-in-description"        E E E true
    ZERO_WIDTH           "zero-width"                   W W W false
    CONTROL              "control-character"            W W W false
    NATIVE_BINARY        "native-binary"                W W W false
    LFS_POINTER          "lfs-pointer"                  E E E false

    EXECUTABLE           "executable"                   I I I false
    SECRET_FILE          "secret-file"                  W W W false
    ARCHIVE_INSIDE       "archive-inside"               I W W false
    NESTED_SKILL         "nested-skill"                 _ W E false
    BUNDLE_SIZE          "bundle-too-large"             _ _ E false
    UNFIT                "not-installable"              E E E false
}

/// A place in a text file: both 1-based, columns in code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    /// The first character of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The beginning of a line.
    pub(crate) fn at_line(line: usize) -> Self {
        Self { line, column: 1 }
    }
}

/// One thing to say about a skill. `message` and `help` are safe to print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable name of the rule.
    pub code: &'static str,
    pub severity: Severity,
    /// The file, relative to the skill (for a clash of names: to the source).
    pub file: String,
    /// 1-based; 1 when the finding is about the file as a whole.
    pub line: usize,
    /// 1-based, in code points.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it; may be empty.
    pub help: String,
}

/// `file:line:column: what is wrong [code]`.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, column, message, code, .. } = self;
        write!(f, "{file}:{line}:{column}: {message} [{code}]")
    }
}

/// True for a rule that whoever installs may overrule with `--allow CODE`.
pub fn can_be_allowed(code: &str) -> bool {
    ALL.iter().any(|rule| rule.allowable && rule.code == code)
}

/// The codes that `--allow` takes.
pub fn allowable_codes() -> impl Iterator<Item = &'static str> {
    ALL.iter().filter(|rule| rule.allowable).map(|rule| rule.code)
}

/// What [`check_portable`](crate::listing::check_portable) or a reader says of a skill, as a
/// finding: an error under every profile.
pub fn not_installable(reason: &str) -> Finding {
    let mut findings = Findings::new(Profile::Lint, ".");
    findings.add_finding(
        UNFIT,
        Position::START,
        reason,
        "rename, move or remove it: it cannot be installed everywhere",
    );
    findings.into_vec().remove(0)
}

/// Findings about one file, collected under one profile.
#[derive(Debug)]
pub(crate) struct Findings {
    profile: Profile,
    file: String,
    list: Vec<Finding>,
}

impl Findings {
    /// For a file of this name; the name may come from outside.
    pub(crate) fn new(profile: Profile, file: &str) -> Self {
        Self { profile, file: printable(file, false), list: Vec::new() }
    }

    /// Notes a break of `rule`, or nothing when the profile is silent about it. Line
    /// feeds and everything that acts on a terminal is escaped here, once for all.
    pub(crate) fn add_finding(
        &mut self,
        rule: &SkillRule,
        at: Position,
        message: impl AsRef<str>,
        help: impl AsRef<str>,
    ) {
        let Some(severity) = rule.severity_under(self.profile) else { return };
        self.list.push(Finding {
            code: rule.code,
            severity,
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            message: printable(message.as_ref(), false),
            help: printable(help.as_ref(), false),
        });
    }

    /// Adds findings that were made elsewhere.
    pub(crate) fn add_all(&mut self, others: Vec<Finding>) {
        self.list.extend(others);
    }

    /// True when a break of `rule` was noted.
    pub(crate) fn has_rule(&self, rule: &SkillRule) -> bool {
        self.list.iter().any(|finding| finding.code == rule.code)
    }

    /// In the order of the file; the graver first where two stand at one place.
    pub(crate) fn into_vec(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|f| (f.line, f.column, Reverse(f.severity)));
        self.list
    }
}

/// The gravest severity among findings; `None` when there are none.
pub fn worst_severity(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|f| f.severity).max()
}

/// Lowers the errors of the rules that were overruled with `--allow CODE` to
/// warnings.
///
/// # Errors
/// `Usage` for a code that is not a rule, or one that cannot be overruled.
pub fn allow_findings(findings: &mut [Finding], codes: &[String]) -> Result<()> {
    for code in codes {
        if !ALL.iter().any(|rule| rule.allowable && rule.code == code) {
            let known: Vec<_> = ALL.iter().filter(|rule| rule.allowable).map(|rule| rule.code).collect();
            fail!(Usage, "`{}` cannot be allowed; only {} can", printable(code, false), known.join(", "));
        }
        for finding in findings.iter_mut().filter(|f| f.code == code) {
            finding.severity = finding.severity.min(Severity::Warning);
        }
    }
    Ok(())
}

/// At most `limit` characters of outside text, for a message.
pub(crate) fn short_excerpt(text: &str, limit: usize) -> String {
    let mut short: String = text.chars().take(limit).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_stable_words_and_unique() {
        let mut seen = BTreeSet::new();
        for rule in ALL {
            assert!(seen.insert(rule.code), "{} is there twice", rule.code);
            let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(rule.code.bytes().all(sound), "{}", rule.code);
        }
    }

    #[test]
    fn each_profile_is_at_least_as_strict_as_the_one_before() {
        for rule in ALL {
            assert!(rule.install <= rule.lint, "{}: lint is milder than install", rule.code);
            assert!(rule.lint <= rule.upload, "{}: upload is milder than lint", rule.code);
        }
    }

    #[test]
    fn only_an_allowable_code_is_allowed() {
        let mut findings = Findings::new(Profile::Install, "SKILL.md");
        findings.add_finding(TAG_CHARACTERS, Position::START, "hidden", "");
        findings.add_finding(NOT_CLOSED, Position::START, "open", "");
        let mut findings = findings.into_vec();
        assert!(allow_findings(&mut findings, &["frontmatter-not-closed".into()]).is_err());
        assert!(allow_findings(&mut findings, &["tag-characters".into()]).is_ok());
        let levels: Vec<_> = findings.iter().map(|f| f.severity).collect();
        assert_eq!(levels, [Severity::Warning, Severity::Error]);
        assert_eq!(worst_severity(&findings), Some(Severity::Error));
    }

    #[test]
    fn a_finding_never_acts_on_the_terminal() {
        let mut findings = Findings::new(Profile::Lint, "a\u{1b}b");
        findings.add_finding(NOT_CLOSED, Position::START, "x\u{202e}y\nz", "\u{7}");
        let findings = findings.into_vec();
        assert_eq!(findings[0].file, "a\\u{1b}b");
        assert_eq!(findings[0].message, "x\\u{202e}y\\u{a}z");
        assert_eq!(findings[0].help, "\\u{7}");
    }
}
