//! Frontmatter as a tree that knows where each value stands and how it was written.
//!
//! Built from parser events and not from a deserialiser, for three reasons: a
//! finding needs line and column; `version: 1.10` must stay `1.10` and `name: yes`
//! must stay `yes`; and anchors, aliases, tags, merge keys and duplicate keys, which
//! parsers of other agents read in different ways, must be seen to be refused.
//! Aliases are never expanded, so no input can grow.

use granit_parser::{ErrorKind, Event, Marker, Options, Parser, ScalarStyle};
use serde_yaml::{Mapping, Number, Value};

use super::rules::{self, Position, SkillRule, short_excerpt};

/// Collections inside each other; the deepest real frontmatter has 7.
const MAX_DEPTH: usize = 32;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Yaml {
    pub(crate) at: Position,
    pub(crate) data: Data,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    /// The text after escapes; `plain` when it was written without quotes and not
    /// as a block, so that a parser may read it as a number, a boolean or null.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Yaml>),
    Map(Vec<(Yaml, Yaml)>),
}

/// Something that must not stand in frontmatter.
#[derive(Debug)]
pub(crate) struct YamlFault {
    pub(crate) rule: &'static SkillRule,
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

/// Reads one YAML document. `first_line` is the line of the file that `block` begins
/// on. Faults that leave the tree readable come beside it, all of them.
///
/// # Errors
/// The fault after which nothing more can be read. `None` as tree: only comments.
pub(crate) fn parse_yaml(
    block: &str,
    first_line: usize,
) -> Result<(Option<Yaml>, Vec<YamlFault>), YamlFault> {
    let mut options = Options::default();
    options.emit_unresolved_aliases = true;
    let mut builder = YamlBuilder { first_line, ..YamlBuilder::default() };
    for event in Parser::new_from_str_with_options(block, options) {
        let (event, span) = event.map_err(|error| builder.syntax_fault(&error))?;
        let at = builder.position_of(&span.start);
        builder.take_event(event, at)?;
    }
    Ok((builder.root, builder.faults))
}

impl Yaml {
    /// The text of a scalar that is not null.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// True for `key:` with nothing behind it, `~` and `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar { text, plain: true } if is_null(text))
    }

    /// True for a plain scalar that YAML parsers give as something else than text.
    pub(crate) fn reads_as_other_type(&self) -> bool {
        let Data::Scalar { text, plain: true } = &self.data else { return false };
        // YAML 1.1 parsers take these for booleans too.
        let old = ["yes", "no", "on", "off", "y", "n"];
        !matches!(plain_value(text), Value::String(_))
            || old.iter().any(|word| text.eq_ignore_ascii_case(word))
    }

    /// What kind of value this is, for a message.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.data {
            Data::Scalar { .. } if self.is_null() => "nothing",
            Data::Scalar { .. } => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// The value as every other YAML reader of the core schema gives it, keys as text.
    pub(crate) fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar { text, plain: true } => plain_value(text),
            Data::Scalar { text, plain: false } => Value::String(text.clone()),
            Data::List(items) => Value::Sequence(items.iter().map(Self::to_value).collect()),
            Data::Map(pairs) => Value::Mapping(
                pairs
                    .iter()
                    .map(|(key, value)| (Value::String(key.key_text()), value.to_value()))
                    .collect::<Mapping>(),
            ),
        }
    }

    /// A key as text; a map or list used as a key in flow form.
    pub(crate) fn key_text(&self) -> String {
        match &self.data {
            Data::Scalar { text, .. } => text.clone(),
            Data::List(items) => {
                format!("[{}]", items.iter().map(Self::key_text).collect::<Vec<_>>().join(", "))
            }
            Data::Map(pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|(k, v)| format!("{}: {}", k.key_text(), v.key_text())).collect();
                format!("{{{}}}", pairs.join(", "))
            }
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A plain scalar under the core schema of YAML 1.2 (section 10.3.2).
fn plain_value(text: &str) -> Value {
    match text {
        _ if is_null(text) => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => parse_number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn parse_number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().filter(|_| !octal.starts_with('+')).map(Number::from);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+')).map(Number::from);
    }
    match digits {
        ".inf" | ".Inf" | ".INF" => {
            return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }.into());
        }
        ".nan" | ".NaN" | ".NAN" if digits.len() == text.len() => return Some(f64::NAN.into()),
        _ => {}
    }
    // Leading zeros are text to the YAML crates (a postcode, not a number).
    let zeros = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    let begins = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let numeric = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if zeros || !begins || !numeric || !digits.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Number::from)
}

/// A collection whose end is still to come.
enum OpenCollection {
    List(Position, Vec<Yaml>),
    /// With the key that waits for its value.
    Map(Position, Vec<(Yaml, Yaml)>, Option<Yaml>),
}

#[derive(Default)]
struct YamlBuilder {
    first_line: usize,
    open: Vec<OpenCollection>,
    root: Option<Yaml>,
    documents: usize,
    faults: Vec<YamlFault>,
}

impl YamlBuilder {
    fn position_of(&self, marker: &Marker) -> Position {
        Position { line: (marker.line() + self.first_line).saturating_sub(1), column: marker.col() + 1 }
    }

    fn syntax_fault(&self, error: &granit_parser::ScanError) -> YamlFault {
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            return too_deep(self.position_of(error.marker()));
        }
        YamlFault {
            rule: rules::YAML,
            at: self.position_of(error.marker()),
            message: error.kind().to_string(),
            help: "",
        }
    }

    fn add_fault(
        &mut self,
        rule: &'static SkillRule,
        at: Position,
        message: impl Into<String>,
        help: &'static str,
    ) {
        self.faults.push(YamlFault { rule, at, message: message.into(), help });
    }

    fn take_event(&mut self, event: Event<'_>, at: Position) -> Result<(), YamlFault> {
        match event {
            Event::DocumentStart(..) => return self.start_document(at),
            Event::Scalar(text, style, anchor, tag) => {
                self.check_properties(at, anchor, tag.is_some());
                let plain = style == ScalarStyle::Plain;
                self.place_value(Yaml { at, data: Data::Scalar { text: text.into_owned(), plain } });
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_properties(at, anchor, tag.is_some());
                return self.open_collection(OpenCollection::List(at, Vec::new()), at);
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_properties(at, anchor, tag.is_some());
                return self.open_collection(OpenCollection::Map(at, Vec::new(), None), at);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close_collection(),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.add_fault(
                    rules::YAML_ANCHOR,
                    at,
                    "a YAML alias (`*name`)",
                    "quote the value if `*` is meant as text",
                );
                self.place_value(Yaml { at, data: Data::Scalar { text: String::new(), plain: true } });
            }
            _ => {}
        }
        Ok(())
    }

    fn start_document(&mut self, at: Position) -> Result<(), YamlFault> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let message = "a second YAML document begins here".to_owned();
        Err(YamlFault { rule: rules::YAML_DOCUMENTS, at, message, help: "remove the line `...`" })
    }

    fn check_properties(&mut self, at: Position, anchor: usize, tag: bool) {
        if anchor != 0 {
            self.add_fault(
                rules::YAML_ANCHOR,
                at,
                "a YAML anchor (`&name`)",
                "quote the value if `&` is meant as text",
            );
        }
        if tag {
            self.add_fault(
                rules::YAML_TAG,
                at,
                "a YAML tag (`!name`)",
                "quote the value if `!` is meant as text",
            );
        }
    }

    fn open_collection(&mut self, open: OpenCollection, at: Position) -> Result<(), YamlFault> {
        self.open.push(open);
        if self.open.len() <= MAX_DEPTH {
            return Ok(());
        }
        Err(too_deep(at))
    }

    fn close_collection(&mut self) {
        let closed = match self.open.pop() {
            Some(OpenCollection::List(at, items)) => Yaml { at, data: Data::List(items) },
            Some(OpenCollection::Map(at, pairs, _)) => {
                self.check_keys(&pairs);
                Yaml { at, data: Data::Map(pairs) }
            }
            None => return,
        };
        self.place_value(closed);
    }

    /// Puts a finished value where it belongs.
    fn place_value(&mut self, value: Yaml) {
        match self.open.last_mut() {
            Some(OpenCollection::List(_, items)) => items.push(value),
            Some(OpenCollection::Map(_, pairs, key)) => match key.take() {
                Some(key) => pairs.push((key, value)),
                None => *key = Some(value),
            },
            None => self.root = Some(value),
        }
    }

    fn check_keys(&mut self, pairs: &[(Yaml, Yaml)]) {
        let mut seen = std::collections::BTreeMap::new();
        for (key, _) in pairs {
            let Data::Scalar { text, plain } = &key.data else {
                self.add_fault(rules::COMPLEX_KEY, key.at, format!("{} as a key", key.kind()), "");
                continue;
            };
            if *plain && text == "<<" {
                self.add_fault(rules::YAML_MERGE, key.at, "a YAML merge key (`<<`)", "write the keys out");
            }
            if let Some(first) = seen.insert(text.as_str(), key.at) {
                let shown = short_excerpt(text, 60);
                let message = format!("the key `{shown}` is already on line {}", first.line);
                self.add_fault(rules::DUPLICATE_KEY, key.at, message, "keep one of the two");
            }
        }
    }
}

fn too_deep(at: Position) -> YamlFault {
    let message = format!("lists and maps nested more than {MAX_DEPTH} levels deep");
    YamlFault { rule: rules::YAML_DEPTH, at, message, help: "keep the frontmatter flat" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(text: &str) -> Yaml {
        let (tree, faults) = parse_yaml(text, 2).unwrap();
        assert!(faults.is_empty(), "{faults:?}");
        tree.unwrap()
    }

    fn code(text: &str) -> &'static str {
        match parse_yaml(text, 2) {
            Ok((_, faults)) => faults.first().map_or("none", |fault| fault.rule.code),
            Err(fault) => fault.rule.code,
        }
    }

    #[test]
    fn values_are_those_of_the_other_yaml_reader() {
        for text in [
            "a: 1\nb: -2\nc: 1.5\nd: 1e3\ne: 0x1f\nf: 0o17\ng: 007\nh: +5\ni: .5\nj: 1_000\nk: 1.\n",
            "a: ~\nb:\nc: null\nd: true\ne: 'true'\nf: yes\ng: 12:30\nh: 2026-01-01\ni: 1.2.3\nj: v1\n",
            "a: |\n  x\n  y\nb: >-\n  x\n  y\nc: \"\\u00e9\\n\"\n",
            "a: {\"b\": [1, \"2\", {c: d}]}\n",
            "metadata: {\n  \"a\": 1\n}\n",
            "a: x\r\nb: |\r\n  y\r\n  z\r\n",
            "a: b - c --- d\nb: x#y\nc: x # y\n",
            "a: -\u{e9}\nb: - \nc: 1e\nd: e1\ne: .\nf: -.inf\ng: 99999999999999999999\n",
        ] {
            let theirs: Result<Value, _> = serde_yaml::from_str(text);
            match theirs {
                Ok(theirs) => assert_eq!(tree(text).to_value(), theirs, "{text}"),
                Err(_) => assert!(parse_yaml(text, 1).is_err(), "{text}"),
            }
        }
    }

    #[test]
    fn text_stays_as_it_was_written() {
        let Data::Map(pairs) = tree("version: 1.10\nname: yes\ncount: 3000\n").data else { panic!() };
        let texts: Vec<_> = pairs.iter().map(|(_, value)| value.as_text().unwrap()).collect();
        assert_eq!(texts, ["1.10", "yes", "3000"]);
        assert!(pairs.iter().all(|(_, value)| value.reads_as_other_type()));
        assert_eq!(pairs[2].1.at, Position { line: 4, column: 8 });
    }

    #[test]
    fn what_parsers_read_differently_is_refused() {
        for (text, expected) in [
            ("a: &x 1\n", "yaml-anchor"),
            ("a: *x\n", "yaml-anchor"),
            ("a: &x [1]\nb: *x\n", "yaml-anchor"),
            ("a: !!str 1\n", "yaml-tag"),
            ("a: !ruby/object:X {}\n", "yaml-tag"),
            ("a: 1\na: 2\n", "duplicate-key"),
            ("a: {b: 1, \"b\": 2}\n", "duplicate-key"),
            ("a:\n  <<: {b: 1}\n", "yaml-merge-key"),
            ("a: {{b}}\n", "complex-key"),
            ("a: 1\n...\nb: 2\n", "yaml-documents"),
            ("a: b: c\n", "invalid-yaml"),
            ("a: \"\u{80}\"\n", "invalid-yaml"),
            ("a:\n\tb: c\n", "invalid-yaml"),
            ("a: x\nb\n", "invalid-yaml"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded_and_aliases_do_not_multiply() {
        let nested = |n: usize| format!("a: {}{}\n", "[".repeat(n), "]".repeat(n));
        assert_eq!(code(&nested(MAX_DEPTH - 1)), "none");
        assert_eq!(code(&nested(MAX_DEPTH)), "yaml-too-deep");
        assert_eq!(code(&nested(30_000)), "yaml-too-deep");
        assert_eq!(code(&"- ".repeat(30_000)), "yaml-too-deep");
        let laughs = (1..20).fold("a0: &a0 [x,x]\n".to_owned(), |text, n| {
            let m = n - 1;
            text + &format!("a{n}: &a{n} [*a{m},*a{m},*a{m},*a{m},*a{m},*a{m},*a{m},*a{m},*a{m}]\n")
        });
        assert_eq!(code(&laughs), "yaml-anchor");
    }

    #[test]
    fn an_error_names_the_line_of_the_file() {
        let fault = parse_yaml("a: x\nb: y: z\n", 2).unwrap_err();
        assert_eq!(fault.at, Position { line: 3, column: 5 });
    }

    /// Values such as frontmatter holds, for the comparison below.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(|n| Value::Number(n.into())),
            "[ -~é技\n]{0,12}".prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Sequence),
                prop::collection::btree_map("[a-z]{1,6}", inner, 0..4)
                    .prop_map(|map| Value::Mapping(map.into_iter().map(|(k, v)| (k.into(), v)).collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_the_other_library_writes_is_read_the_same(value in value()) {
            let text = serde_yaml::to_string(&value).unwrap();
            let (tree, faults) = parse_yaml(&text, 1).map_err(|f| TestCaseError::fail(f.message))?;
            prop_assert!(faults.is_empty());
            prop_assert_eq!(tree.map_or(Value::Null, |tree| tree.to_value()), value);
        }

        #[test]
        fn no_text_panics(text in "[-ab:?,\\[\\]{}#&*!|>'\"%@` \n\t\r.~<0é\u{80}\u{feff}]{0,60}") {
            if let Ok((Some(tree), _)) = parse_yaml(&text, 1) {
                tree.to_value();
                tree.key_text();
            }
        }
    }
}
