//! `allowed-tools`: which tools a skill asks to use without a question.

use super::rules::{self, Findings};
use super::yaml::{Data, Yaml};

/// Splits on commas and blanks outside parentheses: `Bash(git add:*), Read` is two
/// tools. An opening parenthesis that is never closed takes the rest.
pub(crate) fn split_tools(text: &str) -> Vec<String> {
    let mut tools = Vec::new();
    let mut tool = String::new();
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c == ',' || c.is_whitespace()) {
            tools.extend(take_tool(&mut tool));
        } else {
            tool.push(c);
        }
    }
    tools.extend(take_tool(&mut tool));
    tools
}

fn take_tool(tool: &mut String) -> Option<String> {
    let tool = std::mem::take(tool);
    let trimmed = tool.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// Reads the three shapes that real skills use: text with blanks (the open
/// specification's), text with commas, a list.
pub(super) fn read_tools(value: &Yaml, findings: &mut Findings) -> Vec<String> {
    let tools = match &value.data {
        Data::List(items) => {
            for item in items.iter().filter(|item| item.as_text().is_none()) {
                let message = format!("`allowed-tools` contains {}, but each tool must be text", item.kind());
                findings.add_finding(
                    rules::WRONG_TYPE,
                    item.at,
                    message,
                    "write each tool as `Name` or `Name(pattern)`",
                );
            }
            items.iter().filter_map(Yaml::as_text).flat_map(split_tools).collect()
        }
        Data::Scalar { .. } => value.as_text().map(split_tools).unwrap_or_default(),
        Data::Map(_) => {
            let message = "`allowed-tools` is a map, but should be text";
            findings.add_finding(rules::WRONG_TYPE, value.at, message, "separate the tools with spaces");
            Vec::new()
        }
    };
    check_form(value, &tools, findings);
    tools
}

fn check_form(value: &Yaml, tools: &[String], findings: &mut Findings) {
    if let Some(open) = tools.iter().find(|tool| !is_balanced(tool)) {
        let message = format!("the parentheses of `{}` do not match", rules::short_excerpt(open, 60));
        findings.add_finding(
            rules::TOOLS_PARENTHESES,
            value.at,
            message,
            "close what is opened, as in `Bash(git:*)`",
        );
    }
    let spaced = tools.join(" ");
    let commas =
        matches!(&value.data, Data::Scalar { text, .. } if text.trim() != spaced && text.contains(','));
    if commas || matches!(value.data, Data::List(_)) {
        let help = format!("the open specification separates tools with spaces: `allowed-tools: {spaced}`");
        findings.add_finding(
            rules::TOOLS_FORM,
            value.at,
            "`allowed-tools` in a form that not every agent reads",
            help,
        );
    }
}

fn is_balanced(tool: &str) -> bool {
    let mut depth = 0_i64;
    for c in tool.chars() {
        depth += i64::from(c == '(') - i64::from(c == ')');
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blanks_and_commas_split_outside_parentheses_only() {
        let check = |text: &str, expected: &[&str]| assert_eq!(split_tools(text), expected, "{text}");
        check("Bash(git:*) Bash(jq:*) Read", &["Bash(git:*)", "Bash(jq:*)", "Read"]);
        check("Read, Write,Edit", &["Read", "Write", "Edit"]);
        check("Bash(gh issue:*), Bash(mkdir *)", &["Bash(gh issue:*)", "Bash(mkdir *)"]);
        check("Bash(a(b, c) d) mcp__server__tool", &["Bash(a(b, c) d)", "mcp__server__tool"]);
        check("Bash(open a, b", &["Bash(open a, b"]);
        check("a) b", &["a)", "b"]);
        check(" ,, \t\n", &[]);
    }

    #[test]
    fn parentheses_match_or_not() {
        assert!(is_balanced("Bash(a(b)c)"));
        assert!(!is_balanced("Bash(a"));
        assert!(!is_balanced("a)("));
    }

    proptest! {
        #[test]
        fn nothing_inside_parentheses_is_lost(tools in prop::collection::vec("[A-Z][a-z]{0,5}\\([a-z*:, ]{0,12}\\)", 0..6), comma: bool) {
            let text = tools.join(if comma { ", " } else { " " });
            prop_assert_eq!(split_tools(&text), tools);
        }

        #[test]
        fn only_blanks_and_commas_go(text in any::<String>()) {
            let keep = |text: &str| text.chars().filter(|c| *c != ',' && !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(keep(&split_tools(&text).concat()), keep(&text));
        }
    }
}
