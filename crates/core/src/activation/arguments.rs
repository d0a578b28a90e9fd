//! The words of a skill's arguments, as `$0` and `$ARGUMENTS[0]` name them.
//!
//! Claude Code reads the arguments as the first simple command of a shell would be read and runs
//! nothing of it. What is here was found by giving it texts: words, quotes, backslashes, quotes
//! that are never closed, comments, operators, redirections, assignments in front and variables
//! that stand alone come out the same. It differs where that reading loses what a person wrote:
//! reserved words (`if`, `for`), brackets and parentheses are words here.

/// What ends the words: the rest would be another command.
const OPERATORS: [char; 4] = ['|', '&', ';', '\n'];

/// The words of `text`, without their quotes.
#[must_use]
pub fn split_arguments(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut is_assigned = false;
    let mut rest = skip_blanks(text, true);
    while let Some(first) = rest.chars().next() {
        if OPERATORS.contains(&first) {
            // Nothing stands in front of it: what does not begin a command is passed over.
            if !words.is_empty() || is_assigned {
                break;
            }
            rest = skip_blanks(&rest[first.len_utf8()..], true);
            continue;
        }
        if first == '#' {
            break;
        }
        let word = read_word(rest);
        rest = skip_blanks(&rest[word.length..], false);
        match word.kind {
            WordKind::Assignment if words.is_empty() => is_assigned = true,
            WordKind::Plain | WordKind::Assignment => words.push(word.text),
            WordKind::Variable | WordKind::Sign if words.is_empty() => words.push(word.text),
            WordKind::Variable | WordKind::Sign => {}
            // Files behind it belong to the redirection, not to the command.
            WordKind::Redirection if !words.is_empty() => break,
            WordKind::Redirection => rest = skip_blanks(&rest[read_word(rest).length..], true),
        }
    }
    // What has no command in it is split at its blanks, quotes and all.
    if words.is_empty() { text.split_whitespace().map(str::to_owned).collect() } else { words }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r')
}

/// The text behind blanks and continued lines, and behind line ends where `lines`.
fn skip_blanks(text: &str, lines: bool) -> &str {
    let mut rest = text;
    loop {
        let behind = rest.trim_start_matches(|c| is_blank(c) || (lines && c == '\n'));
        let behind = behind.strip_prefix("\\\n").unwrap_or(behind);
        if behind.len() == rest.len() {
            return rest;
        }
        rest = behind;
    }
}

/// `NAME=VALUE`, `NAME+=VALUE`, `NAME[0]=VALUE`, as a shell takes them in front of a command: the
/// name without quotes.
fn is_assignment(word: &str) -> bool {
    let Some((name, value)) = word.split_once('=') else { return false };
    let name = name.strip_suffix('+').unwrap_or(name);
    let name = name.split_once('[').filter(|(_, rest)| rest.ends_with(']')).map_or(name, |(name, _)| name);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && !value.starts_with('=') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A word at the beginning of a text.
struct ArgumentWord {
    text: String,
    /// Bytes of the text that it takes.
    length: usize,
    kind: WordKind,
}

#[derive(PartialEq, Eq)]
enum WordKind {
    Plain,
    /// `NAME=VALUE`
    Assignment,
    /// `$NAME`, `${…}`, `$(…)` or `` `…` `` alone: a shell would put something else there.
    Variable,
    /// `=` alone.
    Sign,
    /// `>`, `2>&1`, `<<<`.
    Redirection,
}

fn read_word(text: &str) -> ArgumentWord {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if text[digits..].starts_with(['<', '>']) {
        let signs = text[digits..].trim_start_matches(['<', '>', '&', '|']);
        return ArgumentWord {
            text: String::new(),
            length: text.len() - signs.len(),
            kind: WordKind::Redirection,
        };
    }
    let mut word = String::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let behind = &text[at + c.len_utf8()..];
        match c {
            _ if is_blank(c) || OPERATORS.contains(&c) || matches!(c, '<' | '>') => break,
            '\\' if behind.starts_with('\n') => break,
            '\\' => {
                let escaped = behind.chars().next();
                word.extend(escaped);
                at += 1 + escaped.map_or(0, char::len_utf8);
            }
            '\'' | '"' => {
                let Some(end) = find_quote(behind, c) else {
                    // One that is never closed takes all that is left, as it stands.
                    word.push_str(text[at..].trim_end_matches(|c| is_blank(c) || c == '\n'));
                    return ArgumentWord { text: word, length: text.len(), kind: WordKind::Plain };
                };
                word.push_str(&behind[..end]);
                at += end + 2;
            }
            '`' => {
                let length = behind.find('`').map_or(text.len() - at, |end| end + 2);
                word.push_str(&text[at..at + length]);
                at += length;
            }
            '$' if behind.starts_with('\'') => {
                // `$'…'` is another way to quote, which is not undone.
                let length = find_quote(&behind[1..], '\'').map_or(text.len() - at, |end| end + 3);
                word.push_str(&text[at..at + length]);
                at += length;
            }
            '$' if behind.starts_with(['{', '(']) => {
                let length = 1 + nested_length(behind);
                word.push_str(&text[at..at + length]);
                at += length;
            }
            _ => {
                word.push(c);
                at += c.len_utf8();
            }
        }
    }
    // A sign that belongs nowhere still takes its place, so that the reading goes on.
    let length = if at == 0 { text.chars().next().map_or(0, char::len_utf8) } else { at };
    let kind = match &text[..at] {
        written if is_variable(written) => WordKind::Variable,
        written if is_assignment(written) => WordKind::Assignment,
        "=" => WordKind::Sign,
        _ => WordKind::Plain,
    };
    ArgumentWord { text: word, length, kind }
}

/// Where the quote ends that began in front of `text`. In double quotes a backslash keeps the
/// next character from ending it; both stay.
fn find_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// Bytes of `{…}` or `(…)` at the beginning of a text, with what is nested in it; to the end of
/// the text where it is never closed.
fn nested_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + c.len_utf8();
        }
    }
    text.len()
}

fn is_variable(word: &str) -> bool {
    if let Some(quoted) = word.strip_prefix('`') {
        return quoted.find('`').is_none_or(|end| end + 1 == quoted.len());
    }
    let Some(name) = word.strip_prefix('$') else { return false };
    if let Some(quoted) = name.strip_prefix('\'') {
        return find_quote(quoted, '\'').is_none_or(|end| end + 1 == quoted.len());
    }
    if name.starts_with(['{', '(']) {
        return nested_length(name) == name.len();
    }
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_special = matches!(name, "$" | "?" | "#" | "*" | "-" | "!" | "@");
    is_special || (is_name && !name.starts_with(|c: char| c.is_ascii_digit() && name.len() > 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each row was seen in the text that Claude Code 2.1.332 made of it.
    #[test]
    fn words_are_those_of_a_shell() {
        let check = |text: &str, expected: &[&str]| assert_eq!(split_arguments(text), expected, "{text:?}");
        check("", &[]);
        check("a b", &["a", "b"]);
        check("  lead  trail  ", &["lead", "trail"]);
        check("a\tb\tc", &["a", "b", "c"]);
        check("a\rb c", &["a", "b", "c"]);
        check("a\\\nb", &["a", "b"]);
        check(" \n x \"y z\" \n more", &["x", "y z"]);
        check("x\u{a0}y z", &["x\u{a0}y", "z"]);
        check("é \"ü ö\" 日本 語", &["é", "ü ö", "日本", "語"]);
        // Quotes.
        check("\"x y\" z'q r'", &["x y", "zq r"]);
        check("a\"b c\"d e", &["ab cd", "e"]);
        check("\"a b\"'c d' e", &["a bc d", "e"]);
        check("a\"\"b c", &["ab", "c"]);
        check("\"\" b", &["", "b"]);
        check("\" \"", &[" "]);
        check("\"a\\\"b\" c", &["a\\\"b", "c"]);
        check("\"a\\nb\" c", &["a\\nb", "c"]);
        check("'a\"b' c", &["a\"b", "c"]);
        check("--flag=\"x y\" z", &["--flag=x y", "z"]);
        check("a \"x\ny\" b", &["a", "x\ny", "b"]);
        // Backslashes.
        check("\\n a\\ b", &["n", "a b"]);
        check("a\\\\b c", &["a\\b", "c"]);
        check("C:\\dir\\file x", &["C:dirfile", "x"]);
        check("a\\", &["a"]);
        check("'a\\'b' c", &["a\\b' c"]);
        // Quotes that are never closed.
        check("\"unclosed a b", &["\"unclosed a b"]);
        check("it's fine now", &["it's fine now"]);
        check("a \"b c", &["a", "\"b c"]);
        check("\"a b\" 'c", &["a b", "'c"]);
        // Comments and operators.
        check("# comment a", &["#", "comment", "a"]);
        check("fix issue #123 now", &["fix", "issue"]);
        check("a#b c", &["a#b", "c"]);
        check("\\# a", &["#", "a"]);
        check("a|b c", &["a"]);
        check("a && b", &["a"]);
        check("a; b", &["a"]);
        check("; a", &["a"]);
        check("a\nb", &["a"]);
        check("https://x.y/z?a=b&c=d e", &["https://x.y/z?a=b"]);
        check("a>b c", &["a"]);
        check("a 2>&1 b", &["a"]);
        check("<x y> z", &["y"]);
        check("2>x a", &["a"]);
        // Assignments in front, variables that stand alone.
        check("a=b c", &["c"]);
        check("a=1 b=2", &["a=1", "b=2"]);
        check("x=ya'b c'", &["x=ya'b", "c'"]);
        check("a x=1 b", &["a", "x=1", "b"]);
        check("-a=1 b", &["-a=1", "b"]);
        check("a== b", &["a==", "b"]);
        check("a = b", &["a", "b"]);
        check("= b", &["=", "b"]);
        check("$HOME a", &["$HOME", "a"]);
        check("a $HOME ${X} $(x y) b", &["a", "b"]);
        check("a $ $$ $1 b", &["a", "b"]);
        check("$'a' x", &["$'a'", "x"]);
        check("a $'b c' d", &["a", "d"]);
        check("$\"a b\" c", &["$a b", "c"]);
        check("a ${X}y $HOME/x x$Y b", &["a", "${X}y", "$HOME/x", "x$Y", "b"]);
        check("a \"$X y\" '$X' b", &["a", "$X y", "$X", "b"]);
        check("a\\$HOME b", &["a$HOME", "b"]);
        check("$1 \\$0 `x`", &["$1", "$0"]);
        check("a`b c` d", &["a`b c`", "d"]);
        check("a `b c", &["a"]);
        // Patterns are not files.
        check("**/*.rs x? [b]", &["**/*.rs", "x?", "[b]"]);
        check("{\"a\": 1}", &["{a:", "1}"]);
    }

    #[test]
    fn reserved_words_and_parentheses_stay() {
        assert_eq!(split_arguments("if x y"), ["if", "x", "y"]);
        assert_eq!(split_arguments("mend foo() please"), ["mend", "foo()", "please"]);
        assert_eq!(split_arguments("a != b"), ["a", "!=", "b"]);
    }

    proptest! {
        #[test]
        fn no_text_panics_or_hangs(text in any::<String>()) {
            let _ = split_arguments(&text);
        }

        #[test]
        fn no_text_of_signs_panics_or_hangs(text in "[a$`\\\\'\"{}()<>|&;# \n=1-]{0,24}") {
            let _ = split_arguments(&text);
        }

        #[test]
        fn plain_words_are_split_at_blanks(words in prop::collection::vec("[a-z0-9._/-]{1,8}", 1..6)) {
            prop_assert_eq!(split_arguments(&words.join(" ")), words);
        }

        #[test]
        fn what_is_quoted_stays_whole(words in prop::collection::vec("[ -&(-~]{0,8}", 1..5)) {
            // An assignment, a variable or a comment would not be one in quotes.
            let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(split_arguments(&quoted.join(" ")), words);
        }
    }
}
