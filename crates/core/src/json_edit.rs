//! JSON settings of other programs, changed in one place and left alone everywhere else: comments,
//! order, indentation and line ends stay. Editors and agents let comments and a comma behind the
//! last member stand in their settings, so both are read here too.

use std::fmt;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::json::{Json, JsonFault, JsonKey};

/// Why a text cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonEditFault {
    /// Both 1-based; the column counts code points.
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl fmt::Display for JsonEditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl From<JsonFault> for JsonEditFault {
    fn from(fault: JsonFault) -> Self {
        Self { line: fault.line, column: fault.column, message: fault.message }
    }
}

/// The value of a text with comments. An empty text is an empty object, as whoever reads such
/// settings takes it.
///
/// # Errors
/// The first place where it is not JSON.
pub fn read_commented_json(text: &str) -> Result<Value, JsonEditFault> {
    if is_blank(text) {
        return Ok(Value::Object(Map::new()));
    }
    let strict = blank_trailing_commas(blank_comments(text));
    let root = Json::parse(&strict)?;
    Ok(value_of(&strict, root))
}

/// The text with `value` at `path`, whose objects are made where they are missing; `None` where
/// that stands there already.
///
/// # Errors
/// Where the text is not JSON, and where something on the way is not an object.
pub fn set_member(text: &str, path: &[&str], value: &Value) -> Result<Option<String>, JsonEditFault> {
    if is_blank(text) {
        let layout = JsonLayout::of("");
        return Ok(Some(format!("{}\n", layout.render(&nest(path, value), ""))));
    }
    let document = EditedJson::read(text)?;
    let mut at = document.root()?;
    for (n, key) in path.iter().enumerate() {
        let members = document.members_of(at, path.get(..n).unwrap_or_default())?;
        match last_of(&members, key) {
            Some(member) => at = member,
            None => {
                let value = nest(path.get(n + 1..).unwrap_or_default(), value);
                return Ok(Some(document.with_member(at, &members, key, &value)));
            }
        }
    }
    if value_of(&document.strict, at) == *value {
        return Ok(None);
    }
    let layout = JsonLayout::of(text);
    let new = layout.render(value, indent_at(text, at.offset()));
    Ok(Some(splice(text, &[(at.offset()..at.end(), &new)])))
}

/// The text without the member at `path`; `None` where there is none.
///
/// # Errors
/// Where the text is not JSON, and where something on the way is not an object.
pub fn remove_member(text: &str, path: &[&str]) -> Result<Option<String>, JsonEditFault> {
    if is_blank(text) {
        return Ok(None);
    }
    let document = EditedJson::read(text)?;
    let Some((key, above)) = path.split_last() else { return Ok(None) };
    let mut at = document.root()?;
    for (n, key) in above.iter().enumerate() {
        let members = document.members_of(at, path.get(..n).unwrap_or_default())?;
        let Some(member) = last_of(&members, key) else { return Ok(None) };
        at = member;
    }
    let members = document.members_of(at, above)?;
    Ok(document.without_member(&members, key))
}

/// The text with `value` at the end of the list at `path`, which is made where it is missing. A part
/// of the path that is a number is a place in a list.
///
/// # Errors
/// Where the text is not JSON, and where something on the way is not an object or a list.
pub fn append_element(text: &str, path: &[&str], value: &Value) -> Result<String, JsonEditFault> {
    if !is_blank(text) {
        let document = EditedJson::read(text)?;
        if let Some(list) = document.list_at(path)? {
            let items: Vec<_> = spans_of(list);
            return Ok(document.with_item(list, &items, None, value));
        }
    }
    let list = Value::Array(vec![value.clone()]);
    Ok(set_member(text, path, &list)?.unwrap_or_else(|| text.to_owned()))
}

/// The text without one element of the list at `path`; `None` where there is none.
///
/// # Errors
/// Those of [`append_element`].
pub fn remove_element(text: &str, path: &[&str], place: usize) -> Result<Option<String>, JsonEditFault> {
    if is_blank(text) {
        return Ok(None);
    }
    let document = EditedJson::read(text)?;
    let Some(list) = document.list_at(path)? else { return Ok(None) };
    Ok(document.without_item(&spans_of(list), place))
}

fn spans_of(list: Json<'_>) -> Vec<Range<usize>> {
    list.as_list().unwrap_or_default().iter().map(|item| item.offset()..item.end()).collect()
}

/// `value` inside of objects, one for each key.
fn nest(path: &[&str], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |inner, key| {
        let mut object = Map::new();
        object.insert((*key).to_owned(), inner);
        Value::Object(object)
    })
}

fn is_blank(text: &str) -> bool {
    text.strip_prefix('\u{feff}').unwrap_or(text).trim().is_empty()
}

fn value_of(strict: &str, at: Json<'_>) -> Value {
    strict.get(at.offset()..at.end()).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
}

/// The value of a key; of several the last, as every reader has it.
fn last_of<'a>(members: &[(JsonKey<'a>, Json<'a>)], key: &str) -> Option<Json<'a>> {
    members.iter().rev().find(|(known, _)| known.text == key).map(|(_, value)| *value)
}

/// A text beside the same text as strict JSON, in which every byte has its place.
struct EditedJson<'t> {
    text: &'t str,
    /// Comments are blanks.
    uncommented: String,
    /// Commas behind a last member are blanks too.
    strict: String,
}

impl<'t> EditedJson<'t> {
    fn read(text: &'t str) -> Result<Self, JsonEditFault> {
        let uncommented = blank_comments(text);
        let strict = blank_trailing_commas(uncommented.clone());
        Ok(Self { text, uncommented, strict })
    }

    fn root(&self) -> Result<Json<'_>, JsonEditFault> {
        Ok(Json::parse(&self.strict)?)
    }

    fn members_of<'d>(
        &'d self,
        at: Json<'d>,
        path: &[&str],
    ) -> Result<Vec<(JsonKey<'d>, Json<'d>)>, JsonEditFault> {
        at.as_object().ok_or_else(|| {
            let what = if path.is_empty() { "the whole".to_owned() } else { format!("`{}`", path.join(".")) };
            let (line, column) = line_and_column(self.text, at.offset());
            JsonEditFault {
                line,
                column,
                message: format!("expected an object for {what}, found {}", at.kind()),
            }
        })
    }

    /// The text with one more member at the end of an object.
    fn with_member(
        &self,
        at: Json<'_>,
        members: &[(JsonKey<'_>, Json<'_>)],
        key: &str,
        value: &Value,
    ) -> String {
        let spans: Vec<_> = members.iter().map(|(key, value)| key.offset..value.end()).collect();
        self.with_item(at, &spans, Some(key), value)
    }

    /// The text with one more item at the end of an object, or of a list where there is no key.
    fn with_item(&self, at: Json<'_>, items: &[Range<usize>], key: Option<&str>, value: &Value) -> String {
        let text = self.text;
        let (open, close) = (at.offset(), at.end().saturating_sub(1));
        let inside = text.get(open + 1..close).unwrap_or_default();
        let layout = JsonLayout::of(text);
        let named = |colon: &str| {
            key.map(|key| format!("{}{colon}", Value::String(key.to_owned()))).unwrap_or_default()
        };
        let Some(last) = items.last() else {
            let base = indent_at(text, open);
            let indent = format!("{base}{}", layout.unit);
            let end = open + 1 + inside.trim_end().len();
            let (newline, key) = (layout.newline, named(": "));
            let item = format!("{newline}{indent}{key}{}{newline}{base}", layout.render(value, &indent));
            return splice(text, &[(end..close, &item)]);
        };
        let comma = self.comma_after(last.end, close);
        if !inside.contains('\n') {
            let is_tight = !inside.contains([' ', '\t']);
            let (before, colon) = if is_tight { (",", ":") } else { (", ", ": ") };
            let item = format!("{before}{}{value}", named(colon));
            return splice(text, &[(last.end..last.end, &item)]);
        }
        let indent = items
            .iter()
            .rev()
            .find_map(|item| indent_before(text, item.start))
            .map_or_else(|| format!("{}{}", indent_at(text, open), layout.unit), ToOwned::to_owned);
        let item = format!("{}{indent}{}{}", layout.newline, named(": "), layout.render(value, &indent));
        let end = open + 1 + inside.trim_end().len();
        match comma {
            Some(_) => splice(text, &[(end..end, &format!("{item},"))]),
            None => splice(text, &[(last.end..last.end, ","), (end..end, &item)]),
        }
    }

    /// The text without the last member of this name, and the line that it stood on.
    fn without_member(&self, members: &[(JsonKey<'_>, Json<'_>)], key: &str) -> Option<String> {
        let at = members.iter().rposition(|(known, _)| known.text == key)?;
        let spans: Vec<_> = members.iter().map(|(key, value)| key.offset..value.end()).collect();
        self.without_item(&spans, at)
    }

    /// The text without one of the items of an object or a list, and the line that it stood on.
    fn without_item(&self, items: &[Range<usize>], at: usize) -> Option<String> {
        let text = self.text;
        let item = items.get(at)?;
        let next = items.get(at + 1).map_or(text.len(), |next| next.start);
        let comma = self.comma_after(item.end, next);
        let before = text.get(..item.start).unwrap_or_default().trim_end_matches([' ', '\t']);
        let before = before.strip_suffix('\n').map_or(before, |line| line.strip_suffix('\r').unwrap_or(line));
        let range = before.len()..comma.map_or(item.end, |comma| comma + 1);
        let orphan = at.checked_sub(1).filter(|_| comma.is_none()).and_then(|above| items.get(above));
        match orphan.and_then(|above| self.comma_after(above.end, item.start)) {
            Some(orphan) if orphan < range.start => {
                Some(splice(text, &[(orphan..orphan + 1, ""), (range, "")]))
            }
            Some(orphan) => Some(splice(text, &[(orphan..range.end, "")])),
            None => Some(splice(text, &[(range, "")])),
        }
    }

    /// The list at `path`; a part of it that is a number is a place in a list.
    fn list_at(&self, path: &[&str]) -> Result<Option<Json<'_>>, JsonEditFault> {
        let mut at = self.root()?;
        for (n, key) in path.iter().enumerate() {
            let next = match (at.as_list(), key.parse::<usize>()) {
                (Some(items), Ok(place)) => items.get(place).copied(),
                _ => last_of(&self.members_of(at, path.get(..n).unwrap_or_default())?, key),
            };
            let Some(next) = next else { return Ok(None) };
            at = next;
        }
        if at.as_list().is_some() {
            return Ok(Some(at));
        }
        let (line, column) = line_and_column(self.text, at.offset());
        let message = format!("expected a list for `{}`, found {}", path.join("."), at.kind());
        Err(JsonEditFault { line, column, message })
    }

    /// Where the comma behind a value stands, if there is one before `end`.
    fn comma_after(&self, value_end: usize, end: usize) -> Option<usize> {
        let rest = self.uncommented.get(value_end..end)?;
        let blanks = rest.len() - rest.trim_start().len();
        rest.trim_start().starts_with(',').then_some(value_end + blanks)
    }
}

/// How a text is laid out.
struct JsonLayout<'t> {
    newline: &'static str,
    /// One step of indentation.
    unit: &'t str,
}

impl<'t> JsonLayout<'t> {
    /// As the text is, else as most are.
    fn of(text: &'t str) -> Self {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let first =
            text.lines().find(|line| line.starts_with([' ', '\t']) && line.trim_start().starts_with('"'));
        let unit =
            first.map_or("  ", |line| line.get(..line.len() - line.trim_start().len()).unwrap_or("  "));
        Self { newline, unit }
    }

    /// A value on lines of its own, its first at `indent`. Lists of plain values stay on one line.
    fn render(&self, value: &Value, indent: &str) -> String {
        let inner = format!("{indent}{}", self.unit);
        let (open, close, items) = match value {
            Value::Object(members) if !members.is_empty() => {
                let items = members.iter();
                let items = items.map(|(key, value)| {
                    format!("{}: {}", Value::String(key.clone()), self.render(value, &inner))
                });
                ('{', '}', items.collect::<Vec<_>>())
            }
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                ('[', ']', items.iter().map(|item| self.render(item, &inner)).collect())
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                return format!("[{}]", items.join(", "));
            }
            plain => return plain.to_string(),
        };
        let newline = self.newline;
        let items = items.join(&format!(",{newline}{inner}"));
        format!("{open}{newline}{inner}{items}{newline}{indent}{close}")
    }
}

/// The blanks that the line of `at` begins with.
fn indent_at(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    let line = text.get(before.rfind('\n').map_or(0, |end| end + 1)..).unwrap_or_default();
    let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
    line.get(..blanks).unwrap_or_default()
}

/// The blanks before `at`, where nothing else stands before it on its line.
fn indent_before(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?;
    let line = before.get(before.rfind('\n')? + 1..)?;
    line.chars().all(|c| c == ' ' || c == '\t').then_some(line)
}

/// The text with ranges replaced, which stand in its order.
fn splice(text: &str, edits: &[(Range<usize>, &str)]) -> String {
    let mut new = String::with_capacity(text.len() + 256);
    let mut done = 0;
    for (range, with) in edits {
        new.push_str(text.get(done..range.start).unwrap_or_default());
        new.push_str(with);
        done = range.end;
    }
    new.push_str(text.get(done..).unwrap_or_default());
    new
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The same text with a blank for each byte of a comment, line ends aside.
fn blank_comments(text: &str) -> String {
    let mut new = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let length = length_of_quoted(rest);
                new.push_str(rest.get(..length).unwrap_or_default());
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => {
                // One that is not closed is left for the parser to complain of.
                rest.get(2..).and_then(|inner| inner.find("*/")).map_or(0, |end| end + 4)
            }
            _ => 0,
        };
        if length == 0 {
            new.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        for byte in rest.bytes().take(length) {
            new.push(if byte == b'\n' || byte == b'\r' { char::from(byte) } else { ' ' });
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    new
}

/// The bytes of a text in quotes at the beginning of `rest`, up to the end where it is not closed.
fn length_of_quoted(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The same text with a blank for each comma behind which an object or a list ends.
fn blank_trailing_commas(uncommented: String) -> String {
    let bytes = uncommented.as_bytes();
    let mut commas = Vec::new();
    let mut at = 0;
    let mut comma = None;
    // A comma in front of which nothing stands is not behind a last member.
    let mut is_behind_value = false;
    while let Some(byte) = bytes.get(at) {
        let mut step = 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b',' => {
                comma = is_behind_value.then_some(at);
                is_behind_value = false;
            }
            b'}' | b']' => {
                commas.extend(comma.take());
                is_behind_value = true;
            }
            other => {
                step = if *other == b'"' { uncommented.get(at..).map_or(1, length_of_quoted) } else { 1 };
                comma = None;
                is_behind_value = !matches!(other, b'{' | b'[' | b':');
            }
        }
        at += step;
    }
    let mut new = uncommented;
    for at in commas {
        new.replace_range(at..=at, " ");
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn set(text: &str, path: &[&str], value: &Value) -> String {
        set_member(text, path, value).unwrap().unwrap_or_else(|| "(unchanged)".to_owned())
    }

    #[test]
    fn a_member_is_added_as_the_others_stand() {
        let check = |text: &str, expected: &str| {
            assert_eq!(set(text, &["servers", "new"], &json!({"args": ["mcp"]})), expected, "{text}");
        };
        check("", "{\n  \"servers\": {\n    \"new\": {\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n");
        check(" \n", "{\n  \"servers\": {\n    \"new\": {\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n");
        check("{}", "{\n  \"servers\": {\n    \"new\": {\n      \"args\": [\"mcp\"]\n    }\n  }\n}");
        check("{\"a\":1}\n", "{\"a\":1,\"servers\":{\"new\":{\"args\":[\"mcp\"]}}}\n");
        check("{ \"a\": 1 }\n", "{ \"a\": 1, \"servers\": {\"new\":{\"args\":[\"mcp\"]}} }\n");
        check(
            "{\r\n\t\"servers\": {\r\n\t\t\"old\": 1\r\n\t}\r\n}\r\n",
            "{\r\n\t\"servers\": {\r\n\t\t\"old\": 1,\r\n\t\t\"new\": {\r\n\t\t\t\"args\": [\"mcp\"]\r\n\t\t}\r\n\t}\r\n}\r\n",
        );
        check(
            "{\n    // mine\n    \"servers\": {\n        \"old\": 1, // the \"last\", so far\n    },\n}\n",
            "{\n    // mine\n    \"servers\": {\n        \"old\": 1, // the \"last\", so far\n        \"new\": {\n            \"args\": [\"mcp\"]\n        },\n    },\n}\n",
        );
        check(
            "{\n  \"servers\": {\n    \"old\": 1 // {, not closed\n  }\n}\n",
            "{\n  \"servers\": {\n    \"old\": 1, // {, not closed\n    \"new\": {\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n",
        );
        check(
            "{\n  \"servers\": { /* none yet */ }\n}\n",
            "{\n  \"servers\": { /* none yet */\n    \"new\": {\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n",
        );
    }

    #[test]
    fn a_value_is_replaced_alone_and_the_same_one_is_left() {
        let text = "{\n  \"a\": { \"new\": [1,   2] }, // kept\n  \"b\": 2\n}\n";
        assert_eq!(set(text, &["a", "new"], &json!([1, 2])), "(unchanged)");
        assert_eq!(
            set(text, &["a", "new"], &json!("x")),
            "{\n  \"a\": { \"new\": \"x\" }, // kept\n  \"b\": 2\n}\n"
        );
        // Of a key that is there twice the last one counts.
        assert_eq!(set("{\"a\":1,\"a\":2}", &["a"], &json!(2)), "(unchanged)");
    }

    #[test]
    fn what_is_not_an_object_is_left_alone() {
        for (text, message) in [
            ("[1]", "line 1, column 1: expected an object for the whole, found a list"),
            ("{\n  \"a\": 3}", "line 2, column 8: expected an object for `a`, found a number"),
            ("{\"a\": }", "line 1, column 7: expected value"),
            ("{\"a\": 1 /* open }", "line 1, column 9: expected `,` or `}`"),
            ("{\"a\": \"half", "line 1, column 11: EOF while parsing a string"),
            ("{,}", "line 1, column 2: key must be a string"),
            ("{\"a\": 1,,}", "line 1, column 9: key must be a string"),
            ("[1,,]", "line 1, column 4: expected value"),
        ] {
            let fault = set_member(text, &["a", "b"], &json!(1)).unwrap_err();
            assert_eq!(fault.to_string(), message, "{text}");
            assert!(remove_member(text, &["a", "b"]).is_err(), "{text}");
        }
    }

    #[test]
    fn a_member_is_removed_with_its_line() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(remove_member(text, &["a", "x"]).unwrap().as_deref(), expected, "{text}");
        };
        check("", None);
        check("{\"a\":{\"y\":1}}", None);
        check("{\"b\":{\"x\":1}}", None);
        check("{\"a\":{\"x\":1}}", Some("{\"a\":{}}"));
        check("{\"a\":{\"x\":1,\"y\":2}}", Some("{\"a\":{\"y\":2}}"));
        check("{\"a\":{\"y\":2,\"x\":1}}", Some("{\"a\":{\"y\":2}}"));
        check("{\"a\": {\n  \"y\": 2, // two\n  \"x\": 1\n}}", Some("{\"a\": {\n  \"y\": 2 // two\n}}"));
        check("{\"a\": {\n  \"x\": 1, // one\n  \"y\": 2\n}}", Some("{\"a\": { // one\n  \"y\": 2\n}}"));
        check("{\"a\": {\n  \"y\": 2,\n  \"x\": 1,\n}}", Some("{\"a\": {\n  \"y\": 2,\n}}"));
    }

    #[test]
    fn an_element_is_added_and_removed_alone() {
        let check = |text: &str, expected: &str| {
            let new = append_element(text, &["a", "b"], &json!({"x": 1})).unwrap();
            assert_eq!(new, expected, "{text}");
            let places = read_commented_json(&new).unwrap()["a"]["b"].as_array().unwrap().len();
            let removed = remove_element(&new, &["a", "b"], places - 1).unwrap().unwrap();
            let before = read_commented_json(text).unwrap();
            if before["a"]["b"].as_array().is_some_and(|list| !list.is_empty()) {
                assert_eq!(removed, text);
            }
        };
        check("{}", "{\n  \"a\": {\n    \"b\": [\n      {\n        \"x\": 1\n      }\n    ]\n  }\n}");
        check("{\"a\":{\"b\":[]}}", "{\"a\":{\"b\":[\n  {\n    \"x\": 1\n  }\n]}}");
        check("{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1,{\"x\":1}]}}");
        check(
            "{\n  \"a\": {\n    \"b\": [\n      2, // two\n      3 // three\n    ]\n  }\n}\n",
            "{\n  \"a\": {\n    \"b\": [\n      2, // two\n      3, // three\n      {\n        \"x\": 1\n      }\n    ]\n  }\n}\n",
        );
        let nested = "{\"a\": [{\"b\": [1, 2]}, 5]}";
        assert_eq!(
            remove_element(nested, &["a", "0", "b"], 0).unwrap().unwrap(),
            "{\"a\": [{\"b\": [ 2]}, 5]}"
        );
        assert_eq!(remove_element(nested, &["a", "7", "b"], 0).unwrap(), None);
        assert_eq!(remove_element(nested, &["x"], 0).unwrap(), None);
        assert!(append_element("{\"a\": 3}", &["a"], &json!(1)).is_err());
        assert!(append_element("{\"a\": {\"b\": {}}}", &["a", "b"], &json!(1)).is_err());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z\"/\\\\,{} *é]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c/\"]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// A text of this value, in one of some layouts.
    fn laid_out(value: &Value, layout: usize) -> String {
        match layout {
            0 => value.to_string(),
            1 => serde_json::to_string_pretty(value).unwrap(),
            2 => serde_json::to_string_pretty(value).unwrap().replace('\n', "\r\n"),
            3 => serde_json::to_string_pretty(value).unwrap().replace("\n", " // {\"x\": [\n"),
            _ => serde_json::to_string_pretty(value).unwrap().replace('\n', " /* , \" */\n"),
        }
    }

    proptest! {
        #[test]
        fn what_was_set_is_there_and_all_else_as_before(
            members in prop::collection::btree_map("[a-c/\"]{1,2}", any_value(), 0..5),
            value in any_value(),
            key in "[a-d/\"]{1,2}",
            layout in 0usize..5,
        ) {
            let before = Value::Object(members.clone().into_iter().collect());
            let text = laid_out(&before, layout);
            prop_assert_eq!(&read_commented_json(&text).unwrap(), &before);
            let new = set_member(&text, &[&key], &value).unwrap();
            let mut expected = before.clone();
            expected[&key] = value;
            prop_assert_eq!(new.is_none(), expected == before);
            let new = new.unwrap_or(text.clone());
            prop_assert_eq!(&read_commented_json(&new).unwrap(), &expected, "{}", new);
            let removed = remove_member(&new, &[&key]).unwrap().unwrap();
            expected.as_object_mut().unwrap().shift_remove(&key);
            prop_assert_eq!(&read_commented_json(&removed).unwrap(), &expected, "{}", removed);
            // What was added is gone again, to the byte.
            if !members.contains_key(&key) && !members.is_empty() {
                prop_assert_eq!(removed, text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[{}\\[\\]\",:/* \n1a\\\\é]{0,40}", key in "[a1]") {
            if let Ok(Some(new)) = set_member(&text, &[&key, "b"], &json!([{}])) {
                prop_assert_eq!(&read_commented_json(&new).unwrap()[&key]["b"], &json!([{}]));
            }
            let _ = remove_member(&text, &[&key]);
        }
    }
}
