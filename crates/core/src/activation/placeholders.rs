//! What stands for something else in the instructions of a skill, and what is put there.
//!
//! One pass from left to right over the instructions. What was put in is never looked at again,
//! so that arguments and inputs cannot bring placeholders of their own.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::arguments::split_arguments;

/// What the placeholders of one activation stand for. Those whose value is not known stay.
#[derive(Debug, Clone, Default)]
pub struct PlaceholderValues<'a> {
    /// `$ARGUMENTS` as it was typed; its words are `$0`, `$ARGUMENTS[0]` and, by name, `$NAME`.
    pub arguments: Option<&'a str>,
    /// The names that the skill gives the words of its arguments.
    pub names: &'a [String],
    /// `{input.KEY}`.
    pub input: Option<&'a Map<String, Value>>,
    /// `${CLAUDE_SKILL_DIR}` and `{baseDir}`.
    pub base_dir: &'a str,
    /// `${CLAUDE_PROJECT_DIR}`.
    pub project_dir: Option<&'a str>,
    /// `${CLAUDE_SESSION_ID}`.
    pub session: Option<&'a str>,
    /// `${CLAUDE_PLUGIN_ROOT}`.
    pub plugin_root: Option<&'a str>,
}

/// Instructions with everything in its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilledText {
    pub text: String,
    /// Keys of `{input.KEY}` that the input does not have; they stay as they are.
    pub missing_inputs: BTreeSet<String>,
}

/// Puts values in the place of placeholders. Arguments that no placeholder takes are appended as
/// `ARGUMENTS: …`, an input that none takes as `INPUT: …`.
#[must_use]
pub fn fill_placeholders(body: &str, values: &PlaceholderValues<'_>) -> FilledText {
    let words = values.arguments.map(split_arguments).unwrap_or_default();
    let mut filler = Filler {
        values,
        words: &words,
        names: sort_names(values.names),
        filled: FilledText { text: String::with_capacity(body.len()), missing_inputs: BTreeSet::new() },
        took_arguments: false,
        took_input: false,
    };
    filler.fill_text(body);
    filler.append_unused();
    filler.filled
}

/// The names with their places, the longest first, so that `$ab` is not `$a` and a `b`. A name
/// that is there twice is its first word; the second word has none.
fn sort_names(names: &[String]) -> Vec<(&str, usize)> {
    let mut sorted: Vec<(&str, usize)> = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        if !sorted.iter().any(|(known, _)| known == name) {
            sorted.push((name, at));
        }
    }
    sorted.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    sorted
}

struct Filler<'a> {
    values: &'a PlaceholderValues<'a>,
    words: &'a [String],
    names: Vec<(&'a str, usize)>,
    filled: FilledText,
    took_arguments: bool,
    took_input: bool,
}

/// A placeholder that was recognised: what stands for it, and its bytes in the instructions.
struct FoundPlaceholder {
    length: usize,
    /// `None`: it stays as it is.
    value: Option<String>,
}

impl Filler<'_> {
    fn fill_text(&mut self, body: &str) {
        let mut at = 0;
        while let Some(next) = body[at..].find(['$', '{']).map(|found| at + found) {
            self.filled.text.push_str(&body[at..next]);
            let (before, rest) = (&body[..next], &body[next..]);
            if self.is_escaped(before, rest) {
                // The backslash goes, what it kept from being filled stays.
                self.filled.text.pop();
                self.filled.text.push('$');
                at = next + 1;
                continue;
            }
            let found = self.find_placeholder(before, rest);
            match found.value {
                Some(value) => self.filled.text.push_str(&value),
                None => self.filled.text.push_str(&rest[..found.length]),
            }
            at = next + found.length;
        }
        self.filled.text.push_str(&body[at..]);
    }

    /// True where exactly one backslash stands before something that arguments are put into.
    fn is_escaped(&self, before: &str, rest: &str) -> bool {
        let Some(behind) = rest.strip_prefix('$') else { return false };
        let is_single = before.strip_suffix('\\').is_some_and(|more| !more.ends_with('\\'));
        is_single
            && (behind.starts_with(|c: char| c.is_ascii_digit())
                || behind.starts_with("ARGUMENTS")
                || self.find_name(behind).is_some())
    }

    fn find_placeholder(&mut self, before: &str, rest: &str) -> FoundPlaceholder {
        if let Some(behind) = rest.strip_prefix("${") {
            return self.find_variable(behind).unwrap_or(FoundPlaceholder { length: 1, value: None });
        }
        if let Some(behind) = rest.strip_prefix('$') {
            return self.find_argument(behind).unwrap_or(FoundPlaceholder { length: 1, value: None });
        }
        // `${baseDir}` and `{{baseDir}}` belong to another language.
        let is_foreign = before.ends_with(['$', '{']);
        let found = if is_foreign { None } else { self.find_braced(rest) };
        found.unwrap_or(FoundPlaceholder { length: 1, value: None })
    }

    /// `${CLAUDE_…}`; `behind` begins behind the brace.
    fn find_variable(&self, behind: &str) -> Option<FoundPlaceholder> {
        let name = name_before_brace(behind)?;
        let value = match name {
            "CLAUDE_SKILL_DIR" => Some(self.values.base_dir),
            "CLAUDE_PROJECT_DIR" => self.values.project_dir,
            "CLAUDE_SESSION_ID" => self.values.session,
            "CLAUDE_PLUGIN_ROOT" => self.values.plugin_root,
            _ => return None,
        };
        Some(FoundPlaceholder { length: name.len() + 3, value: value.map(str::to_owned) })
    }

    /// `$NAME`, `$ARGUMENTS[0]`, `$ARGUMENTS`, `$0`; `behind` begins behind the `$`.
    fn find_argument(&mut self, behind: &str) -> Option<FoundPlaceholder> {
        if let Some((name, place)) = self.find_name(behind) {
            let length = 1 + name.len();
            self.took_arguments = true;
            return Some(FoundPlaceholder {
                length,
                value: Some(self.words.get(place).cloned().unwrap_or_default()),
            });
        }
        if let Some(more) = behind.strip_prefix("ARGUMENTS") {
            if let Some(index) = bracketed_number(more) {
                return Some(self.take_word(index, "$ARGUMENTS[]".len() + index.len()));
            }
            self.took_arguments = true;
            let value = Some(self.values.arguments.unwrap_or_default().to_owned());
            return Some(FoundPlaceholder { length: "$ARGUMENTS".len(), value });
        }
        let digits = behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let is_whole = digits > 0 && !behind[digits..].starts_with(is_word_character);
        is_whole.then(|| self.take_word(&behind[..digits], 1 + digits))
    }

    /// The word of this number; where there is none, the placeholder stays.
    fn take_word(&mut self, number: &str, length: usize) -> FoundPlaceholder {
        let value = number.parse::<usize>().ok().and_then(|at| self.words.get(at)).cloned();
        self.took_arguments |= value.is_some();
        FoundPlaceholder { length, value }
    }

    /// The longest name that `text` begins with and that ends there.
    fn find_name(&self, text: &str) -> Option<(&str, usize)> {
        let ends = |name: &str| {
            text.strip_prefix(name)
                .is_some_and(|behind| !behind.starts_with(|c| c == '[' || is_word_character(c)))
        };
        self.names.iter().find(|(name, _)| ends(name)).copied()
    }

    /// `{baseDir}`, `{input.KEY}`.
    fn find_braced(&mut self, rest: &str) -> Option<FoundPlaceholder> {
        let name = name_before_brace(rest.strip_prefix('{')?)?;
        let length = name.len() + 2;
        if name == "baseDir" {
            return Some(FoundPlaceholder { length, value: Some(self.values.base_dir.to_owned()) });
        }
        let path = name.strip_prefix("input.").filter(|path| is_input_path(path))?;
        let input = self.values.input?;
        let value = find_input(input, path);
        match value {
            Some(_) => self.took_input = true,
            None => drop(self.filled.missing_inputs.insert(path.to_owned())),
        }
        Some(FoundPlaceholder { length, value: value.map(show_value) })
    }

    fn append_unused(&mut self) {
        if let Some(arguments) = self.values.arguments.filter(|text| !text.is_empty() && !self.took_arguments)
        {
            self.filled.text.push_str("\n\nARGUMENTS: ");
            self.filled.text.push_str(arguments);
        }
        if let Some(input) = self.values.input.filter(|input| !input.is_empty() && !self.took_input) {
            self.filled.text.push_str("\n\nINPUT: ");
            self.filled.text.push_str(&Value::Object(input.clone()).to_string());
        }
    }
}

fn is_word_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Bytes of a name in braces.
const LONGEST_NAME: usize = 256;

/// What stands before the closing brace. It is not looked for far away: a text of nothing but
/// opening ones would take for ever.
fn name_before_brace(text: &str) -> Option<&str> {
    let near = text.as_bytes().get(..LONGEST_NAME).unwrap_or(text.as_bytes());
    text.get(..near.iter().position(|byte| *byte == b'}')?)
}

/// The digits of `[12]` at the beginning of a text.
fn bracketed_number(text: &str) -> Option<&str> {
    let text = text.strip_prefix('[')?;
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (digits > 0 && text[digits..].starts_with(']')).then(|| &text[..digits])
}

/// A path of keys: what an author would write, and no sentence that happens to begin so.
fn is_input_path(path: &str) -> bool {
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    path.split('.').all(is_key)
}

/// The value at `a.b`: a key of that very name, else one below the other.
fn find_input<'v>(input: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    if let Some(value) = input.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    find_input(input.get(first)?.as_object()?, rest)
}

/// A text as it is, everything else as JSON.
fn show_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(body: &str, arguments: Option<&str>, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let values = PlaceholderValues {
            arguments,
            names: &names,
            base_dir: "/s/x",
            project_dir: Some("/p"),
            session: Some("S1"),
            ..PlaceholderValues::default()
        };
        fill_placeholders(body, &values).text
    }

    /// Each row was seen in the text that Claude Code 2.1.332 made of it.
    #[test]
    fn arguments_take_their_places() {
        let check = |body: &str, arguments: Option<&str>, names: &[&str], expected: &str| {
            assert_eq!(fill(body, arguments, names), expected, "{body:?} {arguments:?} {names:?}");
        };
        let two = Some("a b");
        check("$ARGUMENTS|$ARGUMENTS[0]|$ARGUMENTS[9]|$0|$1|$2", two, &[], "a b|a|$ARGUMENTS[9]|a|b|$2");
        check("$10 $00 $01 $1a $0_x $0.txt", two, &[], "$10 a b $1a $0_x a.txt");
        check("$0é|$0-|$é|$ARGUMENTS[00]|$ARGUMENTS[-1]", two, &[], "aé|a-|$é|a|a b[-1]");
        check("$ARGUMENTS[0][1]|$0[1]|$000|$0$1", two, &[], "a[1]|a[1]|a|ab");
        check(
            "$99999999999999999999|$ARGUMENTS[x]|$ARGUMENTSX",
            two,
            &[],
            "$99999999999999999999|a b[x]|a bX",
        );
        check("$$0 $$ARGUMENTS ${ARGUMENTS}", two, &[], "$a $a b ${ARGUMENTS}");
        check("\\$ARGUMENTS \\$0 \\$9 \\$1a \\$ARGUMENTS[3] x\\$1 $0", two, &[], {
            "$ARGUMENTS $0 $9 $1a $ARGUMENTS[3] x$1 a"
        });
        check("\\\\$0 \\\\$ARGUMENTS \\\\\\$0 \\$foo", two, &[], "\\\\a \\\\a b \\\\\\a \\$foo");
        check("US$5 costs $100 $0", two, &[], "US$5 costs $100 a");
        // Without arguments.
        check("$ARGUMENTS|$0|\\$0|$ARGUMENTS[0]", None, &[], "|$0|$0|$ARGUMENTS[0]");
        check("$who|$what", None, &["who", "what"], "|");
        // Names.
        check("$who $what $0 $1 $2", Some("me"), &["who", "what"], "me  me $1 $2");
        check(
            "$who $whom $who-x $who_ ${who} $who. $Who",
            Some("me"),
            &["who"],
            "me $whom me-x $who_ ${who} me. $Who",
        );
        check("\\$who \\$whom \\\\$who $who$what $whoé $who[0]", Some("W H"), &["who", "what"], {
            "$who \\$whom \\\\W WH Wé $who[0]"
        });
        check("$a-b|$a|$a-bc", Some("1 2"), &["a", "a-b"], "2|1|1-bc");
        check("$a $b $1", Some("1 2"), &["a", "a"], "1 $b 2");
        check(
            "$ARGUMENTS|$ARGUMENTS[0]|\\$ARGUMENTS[0]",
            Some("\"a b\" c"),
            &["ARGUMENTS"],
            "a b|a b|$ARGUMENTS[0]",
        );
        check("\\$$who|$\\$who", Some("1"), &["who"], "\\$1|$$who");
        check("$a$b$$a$$", Some("1 2"), &["$a", "b"], "$a21$$");
    }

    #[test]
    fn arguments_that_nothing_takes_are_appended() {
        for body in ["plain", "\\$ARGUMENTS", "$5", "$ARGUMENTS[5]", "$1a", "${ARGUMENTS}", "\\$0"] {
            let text = fill(body, Some("q"), &["who"]);
            assert!(text.ends_with("\n\nARGUMENTS: q"), "{body}: {text}");
        }
        assert_eq!(fill("plain\n", Some("  x y  "), &[]), "plain\n\n\nARGUMENTS:   x y  ");
        assert_eq!(fill("nope $b", Some("q"), &["a", "b"]), "nope ");
        assert_eq!(fill("plain", Some(""), &[]), "plain");
        assert_eq!(fill("plain", None, &[]), "plain");
    }

    #[test]
    fn variables_are_filled_where_they_are_known() {
        let body = "${CLAUDE_SKILL_DIR}/a ${CLAUDE_PROJECT_DIR} ${CLAUDE_SESSION_ID} ${CLAUDE_PLUGIN_ROOT} \
                    ${CLAUDE_EFFORT} $CLAUDE_SKILL_DIR ${CLAUDE_SKILL_DIR:-a} ${ CLAUDE_SKILL_DIR }";
        assert_eq!(
            fill(body, None, &[]),
            "/s/x/a /p S1 ${CLAUDE_PLUGIN_ROOT} ${CLAUDE_EFFORT} $CLAUDE_SKILL_DIR ${CLAUDE_SKILL_DIR:-a} \
             ${ CLAUDE_SKILL_DIR }"
        );
        assert_eq!(fill("\\${CLAUDE_SKILL_DIR}", None, &[]), "\\/s/x");
        assert_eq!(fill("{baseDir}/run.sh ${baseDir} {{baseDir}} { baseDir }", None, &[]), {
            "/s/x/run.sh ${baseDir} {{baseDir}} { baseDir }"
        });
    }

    #[test]
    fn inputs_take_their_places() {
        let input = serde_json::json!({
            "name": "Ann", "n": 3, "list": [1, "x"], "deep": {"key": "v"}, "a.b": "dotted", "evil": "{input.name} $0",
        });
        let fill = |body: &str| {
            let values = PlaceholderValues {
                input: input.as_object(),
                arguments: Some("w"),
                ..PlaceholderValues::default()
            };
            fill_placeholders(body, &values)
        };
        let text = |body: &str| fill(body).text;
        assert_eq!(text("{input.name} {input.n} {input.list} $0"), "Ann 3 [1,\"x\"] w");
        assert_eq!(text("{input.deep.key} {input.a.b} {input.deep} $0"), "v dotted {\"key\":\"v\"} w");
        assert_eq!(text("{input.evil} $0"), "{input.name} $0 w");
        assert_eq!(text("${input.name} {{input.name}} {input. name} {input.n} $0"), {
            "${input.name} {{input.name}} {input. name} 3 w"
        });
        let missing = fill("{input.gone} {input.n} $0");
        assert_eq!(missing.text, "{input.gone} 3 w");
        assert_eq!(missing.missing_inputs, BTreeSet::from(["gone".to_owned()]));
        assert_eq!(text("nothing $0"), format!("nothing w\n\nINPUT: {input}"));
    }

    #[test]
    fn a_long_text_of_signs_takes_no_long_time() {
        for sign in ["{", "${", "$ARGUMENTS[", "$", "\\$", "{input.", "`!"] {
            let text = sign.repeat((1 << 20) / sign.len());
            let began = std::time::Instant::now();
            fill(&text, Some("a b"), &["who", "what"]);
            assert!(began.elapsed().as_secs() < 20, "{sign}: {:?}", began.elapsed());
        }
    }

    #[test]
    fn long_arguments_take_no_long_time() {
        let began = std::time::Instant::now();
        for part in ["a ", "'", "\"b c\" ", "$(", "`", "\\", "$x ", "# "] {
            let arguments = part.repeat((10 << 20) / part.len());
            let text = fill("$0|$ARGUMENTS", Some(&arguments), &[]);
            assert!(text.ends_with(&arguments), "{part}");
        }
        assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    }

    proptest! {
        /// Whatever arguments and inputs hold, it comes out as it went in.
        #[test]
        fn what_is_put_in_is_not_looked_at_again(
            word in r"(\$ARGUMENTS|\$0|\$a|\{baseDir\}|\{input\.k\}|\$\{CLAUDE_SKILL_DIR\}|\\\$0|x){1,4}",
        ) {
            let input = serde_json::json!({ "k": word });
            let names = ["a".to_owned()];
            let quoted = format!("'{word}'");
            let values = PlaceholderValues {
                arguments: Some(&quoted), names: &names, input: input.as_object(), base_dir: "/s",
                project_dir: None, session: None, plugin_root: None,
            };
            let filled = fill_placeholders("<$0><$a><$ARGUMENTS[0]><{input.k}><$ARGUMENTS>", &values).text;
            prop_assert_eq!(filled, format!("<{word}><{word}><{word}><{word}><{quoted}>"));
            let appended = fill_placeholders("text", &values).text;
            let beginning = format!("text\n\nARGUMENTS: {quoted}");
            prop_assert!(appended.starts_with(&beginning));
        }

        #[test]
        fn a_text_without_placeholders_stays_as_it_is(text in "[^$]*") {
            prop_assume!(!text.contains("{baseDir}"));
            prop_assert_eq!(fill(&text, None, &["who"]), text);
        }

        #[test]
        fn no_text_panics(text in any::<String>(), arguments in any::<String>(), name in "[^ ]{1,4}") {
            fill(&text, Some(&arguments), &[&name]);
        }

        #[test]
        fn no_text_of_signs_panics(text in r"[\\$A{}\[\]01é]{0,16}|(ARGUMENTS|\$|\\|\[|\]|0|\{input\.|\}|CLAUDE_SKILL_DIR){0,8}") {
            fill(&text, Some("p q"), &["A", "0é"]);
        }
    }
}
