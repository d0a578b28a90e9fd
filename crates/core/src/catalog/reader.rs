//! Reads JSON objects of catalogues and plugins: values by key, and a finding with line and
//! column for what is not as it should be.

use std::collections::BTreeSet;

use super::rules::{self, CatalogRule};
use super::{CatalogFormat, MAX_BYTES};
use crate::error::printable;
use crate::json::{Json, JsonKey, LineIndex};
use crate::path::RelPath;
use crate::skill::{Finding, Severity};

/// Parts that an entry or a plugin may have beside skills.
pub(super) const PARTS: [&str; 7] =
    ["agents", "commands", "hooks", "mcpServers", "lspServers", "outputStyles", "workflows"];

/// The text of one JSON file, what is wrong with it, and where.
pub(super) struct CatalogReader<'a> {
    file: String,
    lines: LineIndex<'a>,
    pub(super) findings: Vec<Finding>,
    pub(super) manner: CatalogFormat,
    /// Whether a path from the marketplace's root is a folder; `None` where only the text is
    /// known.
    pub(super) is_folder: Option<&'a dyn Fn(&str) -> bool>,
    /// Warnings are not collected: for 100,000 entries they would take 50 MB.
    errors_only: bool,
}

impl<'a> CatalogReader<'a> {
    /// A reader of `text`; `file` is the name of its file in findings.
    pub(super) fn new(text: &'a str, file: &str, manner: CatalogFormat) -> Self {
        let file = printable(file, false);
        Self {
            file,
            lines: LineIndex::of(text),
            findings: Vec::new(),
            manner,
            is_folder: None,
            errors_only: false,
        }
    }

    /// Leaves out what can be used all the same: of 100,000 entries that would be 50 MB.
    pub(super) fn errors_only(self) -> Self {
        Self { errors_only: true, ..self }
    }

    /// Looks also whether the folders that a catalogue names are there.
    pub(super) fn with_folders(self, is_folder: Option<&'a dyn Fn(&str) -> bool>) -> Self {
        Self { is_folder, ..self }
    }

    /// The line that a byte of the text stands in.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.lines.line_and_column(offset).0
    }

    /// Notes a break of `rule` at a byte of the text.
    pub(super) fn report_at(
        &mut self,
        rule: CatalogRule,
        offset: usize,
        message: impl AsRef<str>,
        help: impl AsRef<str>,
    ) {
        if self.is_passed_over(rule) {
            return;
        }
        let (line, column) = self.lines.line_and_column(offset);
        self.add_finding(rule, line, column, message.as_ref(), help.as_ref());
    }

    fn is_passed_over(&self, rule: CatalogRule) -> bool {
        self.errors_only && rule.severity != Severity::Error && rule.code != rules::SOURCE_SHAPE.code
    }

    fn add_finding(&mut self, rule: CatalogRule, line: usize, column: usize, message: &str, help: &str) {
        if self.is_passed_over(rule) {
            return;
        }
        self.findings.push(Finding {
            code: rule.code,
            severity: rule.severity,
            file: self.file.clone(),
            line,
            column,
            message: printable(message, false),
            help: printable(help, false),
        });
    }

    /// The whole text as an object.
    pub(super) fn open_document(&mut self, text: &'a str) -> Option<JsonMembers<'a>> {
        if text.len() as u64 > MAX_BYTES {
            let message = format!("{} bytes; the limit for a catalogue is {MAX_BYTES}", text.len());
            self.add_finding(rules::TOO_LARGE, 1, 1, &message, "");
            return None;
        }
        match Json::parse(text) {
            Ok(json) => {
                let members = self.open_object(json);
                if members.is_none() {
                    self.report_at(
                        rules::NOT_AN_OBJECT,
                        json.offset(),
                        format!("the file is {}, not an object", json.kind()),
                        "",
                    );
                }
                members
            }
            Err(fault) => {
                self.add_finding(
                    rules::NOT_JSON,
                    fault.line,
                    fault.column,
                    &format!("not JSON: {}", fault.message),
                    "",
                );
                None
            }
        }
    }

    /// The members of an object, a key that is there twice reported.
    pub(super) fn open_object(&mut self, json: Json<'a>) -> Option<JsonMembers<'a>> {
        let pairs = json.as_object()?;
        let mut seen = BTreeSet::new();
        for (key, _) in &pairs {
            if !seen.insert(key.text.as_ref()) {
                let message = format!("duplicate key `{}`", key.text);
                self.report_at(
                    rules::KEY_DUPLICATE,
                    key.offset,
                    message,
                    "keep one of them: programs differ in which one they use",
                );
            }
        }
        Some(JsonMembers { at: json.offset(), pairs })
    }

    /// Reports keys that nothing here knows.
    pub(super) fn check_keys_known(&mut self, members: &JsonMembers<'a>, known: &[&str], what: &str) {
        for (key, _) in &members.pairs {
            let text = key.text.as_ref();
            if !known.contains(&text) && !PARTS.contains(&text) && !text.starts_with("x-") {
                let message = format!("{what} has the unknown key `{text}`");
                self.report_at(rules::KEY_UNKNOWN, key.offset, message, "it has no effect; is it misspelt?");
            }
        }
    }

    /// A text that may be absent.
    pub(super) fn read_text(&mut self, members: &JsonMembers<'a>, name: &str) -> Option<String> {
        let value = members.get(name)?;
        let text = value.as_text();
        if text.is_none() {
            self.wrong_type(value, name, "a text");
        }
        text.map(|text| text.into_owned())
    }

    /// Reports that the value of the key `name` should be `wanted`.
    pub(super) fn wrong_type(&mut self, value: Json<'a>, name: &str, wanted: &str) {
        let message = format!("`{name}` is {}, but should be {wanted}", value.kind());
        self.report_at(rules::WRONG_TYPE, value.offset(), message, "");
    }

    /// A list of texts that may be absent; a text alone counts as a list of one where
    /// `single` says so.
    pub(super) fn read_texts(
        &mut self,
        members: &JsonMembers<'a>,
        name: &str,
        single: bool,
    ) -> Option<Vec<(String, usize)>> {
        let value = members.get(name)?;
        if let Some(text) = value.as_text().filter(|_| single) {
            return Some(vec![(text.into_owned(), value.offset())]);
        }
        let Some(items) = value.as_list() else {
            self.wrong_type(
                value,
                name,
                if single { "a text or a list of texts" } else { "a list of texts" },
            );
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item.as_text() {
                Some(text) => texts.push((text.into_owned(), item.offset())),
                None => self.wrong_type(item, name, "a list of texts"),
            }
        }
        Some(texts)
    }

    /// The texts of a list. A text alone is taken as a list of one, with a warning.
    pub(super) fn read_words(&mut self, members: &JsonMembers<'a>, name: &str) -> Vec<String> {
        if let Some(value) = members.get(name).filter(|value| value.as_text().is_some()) {
            let message = format!("`{name}` is a text, but should be a list of texts");
            self.report_at(
                rules::LIST_EXPECTED,
                value.offset(),
                message,
                "some clients refuse it: write a list",
            );
        }
        self.read_texts(members, name, true).unwrap_or_default().into_iter().map(|(text, _)| text).collect()
    }

    /// `skills`: paths below the plugin. Not one of them may lead out.
    pub(super) fn skill_paths(&mut self, members: &JsonMembers<'a>) -> Option<Vec<RelPath>> {
        let value = members.get("skills")?;
        let sound = |item: &Json<'_>| item.as_text().is_some();
        if !sound(&value) && !value.as_list().is_some_and(|items| items.iter().all(sound)) {
            let message = "`skills` should be a path or a list of paths";
            self.report_at(
                rules::SKILLS_PATH,
                value.offset(),
                message,
                "ignoring it would install other skills",
            );
            return None;
        }
        let mut paths = Vec::new();
        for (text, offset) in self.read_texts(members, "skills", true)? {
            match clean_path(&text) {
                Ok(path) => paths.push(path),
                Err(reason) => {
                    let message = format!("the path `{text}` in `skills` {reason}");
                    self.report_at(
                        rules::SKILLS_PATH,
                        offset,
                        message,
                        "name a folder below the plugin, like `./skills/pdf`",
                    );
                }
            }
        }
        Some(paths)
    }

    /// A name alone, or an object with one.
    pub(super) fn read_person(&mut self, members: &JsonMembers<'a>, name: &str) -> Option<String> {
        let value = members.get(name)?;
        if let Some(text) = value.as_text() {
            return Some(text.into_owned());
        }
        match self.open_object(value) {
            Some(person) => self.read_text(&person, "name"),
            None => {
                self.wrong_type(value, name, "a name or an object with a `name`");
                None
            }
        }
    }

    /// The parts that are declared beside skills.
    pub(super) fn declared_parts(&self, members: &JsonMembers<'a>) -> Vec<&'static str> {
        let full = |part: &&str| members.get(part).is_some_and(|value| !is_empty(value));
        PARTS.iter().copied().filter(full).collect()
    }

    /// What was read all the same although nothing documents it.
    pub(super) fn notes_since(&self, from: usize) -> Vec<String> {
        let odd = |finding: &&Finding| finding.code == rules::SOURCE_SHAPE.code;
        self.findings.iter().skip(from).filter(odd).map(|finding| finding.message.clone()).collect()
    }

    /// The first error since `from` findings were there.
    pub(super) fn error_since(&self, from: usize) -> Option<String> {
        let worst =
            self.findings.iter().skip(from).find(|f| f.severity == Severity::Error && f.code != "wrong-type");
        worst.map(|finding| {
            format!("{} ({}:{}:{})", finding.message, finding.file, finding.line, finding.column)
        })
    }
}

fn is_empty(value: Json<'_>) -> bool {
    value.is_null()
        || value.as_list().is_some_and(|list| list.is_empty())
        || value.as_object().is_some_and(|object| object.is_empty())
}

/// The members of one object.
pub(super) struct JsonMembers<'a> {
    pub(super) at: usize,
    pub(super) pairs: Vec<(JsonKey<'a>, Json<'a>)>,
}

impl<'a> JsonMembers<'a> {
    /// The value of a key, the last where there are two; `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<Json<'a>> {
        let found = self.pairs.iter().rev().find(|(key, _)| key.text == name);
        found.map(|(_, value)| *value).filter(|value| !value.is_null())
    }

    /// Where the value of a key begins; the object itself without one.
    pub(super) fn value_at(&self, name: &str) -> usize {
        self.get(name).map_or(self.at, |value| value.offset())
    }

    /// Where a key begins; the object itself without it.
    pub(super) fn offset_of(&self, name: &str) -> usize {
        let found = self.pairs.iter().rev().find(|(key, _)| key.text == name);
        found.map_or(self.at, |(key, _)| key.offset)
    }
}

/// Reads a path of a catalogue, which may begin with `./` and end with `/`. The error is the
/// reason alone.
///
/// # Errors
/// The reason why the path cannot be used.
pub(super) fn clean_path(text: &str) -> Result<RelPath, &'static str> {
    let mut path = text.trim();
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() && text.trim().starts_with('/') {
        return Err("is absolute");
    }
    if path.is_empty() || path == "." {
        return if text.trim().is_empty() { Err("is empty") } else { Ok(RelPath::ROOT) };
    }
    RelPath::parse(path.as_bytes())
}
