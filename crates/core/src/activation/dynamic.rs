//! Commands in the instructions of a skill that some agents run before the model sees the text:
//! `` !`git diff` `` behind a blank, and blocks that begin with ```` ```! ````. They are named
//! and never run.

use serde::Serialize;

/// A command that an agent might run, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DynamicCommand {
    /// The line of the file that it begins on, 1-based.
    pub line: usize,
    pub command: String,
}

/// Commands that are listed; one skill with more is not written by a person.
const MOST: usize = 1_000;

/// The commands of a body that begins on `first_line` of its file, in the order of the text.
#[must_use]
pub fn find_dynamic(body: &str, first_line: usize) -> Vec<DynamicCommand> {
    let mut found = Vec::new();
    let mut line = first_line;
    let mut at = 0;
    while let Some(next) = body[at..].find(['`', '!']).map(|found| at + found) {
        if found.len() == MOST {
            break;
        }
        line += count_lines(&body[at..next]);
        let rest = &body[next..];
        let (command, length) = match (inline_command(&body[..next], rest), block_command(rest)) {
            (Some(inline), _) => inline,
            (None, Some(block)) => block,
            (None, None) => ("", 1),
        };
        if !command.is_empty() {
            found.push(DynamicCommand { line, command: command.to_owned() });
        }
        line += count_lines(&rest[..length]);
        at = next + length;
    }
    found
}

fn count_lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// `` !`command` `` behind a blank or at the start, and its bytes.
fn inline_command<'t>(before: &str, rest: &'t str) -> Option<(&'t str, usize)> {
    let is_free = before.is_empty() || before.ends_with(char::is_whitespace);
    let (command, _) = rest.strip_prefix("!`").filter(|_| is_free)?.split_once('`')?;
    (!command.trim().is_empty()).then(|| (command.trim(), command.len() + 3))
}

/// A block that begins with ```` ```! ````, and its bytes.
fn block_command(rest: &str) -> Option<(&str, usize)> {
    let (command, _) = rest.strip_prefix("```!")?.split_once("```")?;
    (!command.trim().is_empty()).then(|| (command.trim(), command.len() + 7))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Which of them are run was seen with Claude Code 2.1.332.
    #[test]
    fn commands_are_found_where_an_agent_runs_them() {
        let check = |body: &str, expected: &[(usize, &str)]| {
            let found = find_dynamic(body, 5);
            let found: Vec<_> = found.iter().map(|one| (one.line, one.command.as_str())).collect();
            assert_eq!(found, expected, "{body:?}");
        };
        check("!`git diff HEAD`", &[(5, "git diff HEAD")]);
        check("# T\n\n - !`echo c` tail\n\t!`echo q`", &[(7, "echo c"), (8, "echo q")]);
        check("!`echo A` and !`echo B`", &[(5, "echo A"), (5, "echo B")]);
        check("!`echo r`!`echo s`", &[(5, "echo r")]);
        check("```\n!`echo n`\n```", &[(6, "echo n")]);
        check("!`echo e\nf` !`g`", &[(5, "echo e\nf"), (6, "g")]);
        check(
            "```!\necho 1\necho 2\n```\nmid\n```!\necho 3\n```\n",
            &[(5, "echo 1\necho 2"), (10, "echo 3")],
        );
        check("  ```! bash\n  echo m\n  ```", &[(5, "bash\n  echo m")]);
        check("```!echo D\n```", &[(5, "echo D")]);
        for none in [
            "x!`echo a`",
            "(!`echo b`)",
            "`!`echo d``",
            "\\!`echo h`",
            "!``echo i``",
            "!` `",
            "~~~!\necho l\n~~~",
            "\"!`echo p`\"",
            "```!\necho u",
            "!`echo v",
            "```bash\n!echo y\n```",
            "```!\n```",
            "no ! `echo C`",
            "",
        ] {
            check(none, &[]);
        }
    }

    #[test]
    fn a_text_of_nothing_else_is_cut_off() {
        assert_eq!(find_dynamic(&"!`a` ".repeat(5_000), 1).len(), MOST);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[!` \na]{0,40}") {
            let lines = text.matches('\n').count() + 1;
            prop_assert!(find_dynamic(&text, 1).iter().all(|one| one.line <= lines));
        }
    }
}
