//! The pages of `--help`: commands in groups, and the flags of a command apart from those that
//! every command has.

use std::fmt::Write as _;

use clap::builder::StyledStr;

/// The commands of `skill`, by what one wants.
pub(crate) const GROUPS: [(&str, &[&str]); 8] = [
    ("Get and remove", &["install", "uninstall", "adopt", "restore"]),
    ("Choose what agents have", &["enable", "disable", "versions", "use"]),
    ("Find and read", &["list", "search", "recommend", "usage", "show", "path", "open", "edit"]),
    ("See what needs what", &["deps", "tree", "why"]),
    ("Give to a model", &["context", "activate", "deactivate"]),
    (
        "Keep current",
        &["outdated", "update", "follow", "unfollow", "following", "pin", "unpin", "rollback", "history"],
    ),
    ("Check", &["watch", "verify", "diff", "validate"]),
    ("Write and share", &["init", "pack", "publish", "yank", "export"]),
];

/// What the first page shows of them.
const FREQUENT: [&str; 8] =
    ["install", "uninstall", "update", "outdated", "list", "search", "show", "verify"];

/// The definition with the pages of the commands that are asked for laid out as they are shown.
/// Parsing does not need it, and all of them take longer than the rest of a short command.
pub(crate) fn lay_out_help(root: clap::Command, is_asked: &dyn Fn(&clap::Command) -> bool) -> clap::Command {
    let globals: Vec<clap::Arg> = root
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .map(|arg| arg.clone().hide_short_help(true))
        .collect();
    let flags: Vec<String> = globals
        .iter()
        .filter_map(|arg| {
            Some(match (arg.get_short(), arg.get_long()?) {
                (Some(short), _) => format!("-{short}"),
                (None, long) => format!("--{long}"),
            })
        })
        .collect();
    let line = format!("Global options ({}) are explained by `--help`.", flags.join(" "));
    let root = root.mut_subcommands(|command| lay_out_command(command, &globals, &line, is_asked));
    let template = template_of(&root, &sections_of_root(&root));
    let skill = root.find_subcommand("skill").filter(|skill| is_asked(skill));
    let skill = skill.map(|skill| template_of(skill, &sections_of_skill(skill)));
    let root = root.help_template(template);
    match skill {
        Some(template) => root.mut_subcommand("skill", |skill| skill.help_template(template)),
        None => root,
    }
}

/// `-h` explains what this command has of its own, `--help` all of it.
fn lay_out_command(
    command: clap::Command,
    globals: &[clap::Arg],
    line: &str,
    is_asked: &dyn Fn(&clap::Command) -> bool,
) -> clap::Command {
    let is_shown = is_asked(&command);
    // The word `skill` may be left out.
    if !is_shown && command.get_name() != "skill" {
        return command;
    }
    let command = command.mut_subcommands(|below| lay_out_command(below, globals, line, is_asked));
    if !is_shown {
        return command;
    }
    let command = command.args(globals);
    let Some(after) = command.get_after_help().map(ToString::to_string) else { return command };
    let long = command.get_after_long_help().map_or_else(|| after.clone(), ToString::to_string);
    command.after_help(format!("{line}\n\n{after}")).after_long_help(long)
}

/// A heading, and the names and sentences below it.
type Section = (String, Vec<(String, String)>);

fn sections_of_root(root: &clap::Command) -> Vec<Section> {
    let Some(skill) = root.find_subcommand("skill") else { return Vec::new() };
    let mut frequent: Vec<_> = FREQUENT.iter().filter_map(|name| row_of(skill, name)).collect();
    frequent.push((
        "…".to_owned(),
        "`ba-agent skill --help` lists all; the word `skill` may be left out".to_owned(),
    ));
    let all = root.get_subcommands().filter(|command| !command.is_hide_set());
    let others = all.filter_map(|command| row_of(root, command.get_name()));
    vec![("Skills".to_owned(), frequent), ("All commands".to_owned(), others.collect())]
}

fn sections_of_skill(skill: &clap::Command) -> Vec<Section> {
    let mut sections: Vec<Section> = GROUPS
        .iter()
        .map(|(heading, names)| {
            ((*heading).to_owned(), names.iter().filter_map(|name| row_of(skill, name)).collect())
        })
        .collect();
    let is_grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others =
        skill.get_subcommands().filter(|command| !command.is_hide_set() && !is_grouped(command.get_name()));
    let others: Vec<_> = others.filter_map(|command| row_of(skill, command.get_name())).collect();
    if !others.is_empty() {
        sections.push(("Other".to_owned(), others));
    }
    sections
}

fn row_of(of: &clap::Command, name: &str) -> Option<(String, String)> {
    let command = of.get_subcommands().find(|command| command.get_name() == name)?;
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    let aliases =
        if aliases.is_empty() { String::new() } else { format!(" [alias: {}]", aliases.join(", ")) };
    Some((name.to_owned(), format!("{about}{aliases}")))
}

/// The page of a command whose commands are listed by sections.
fn template_of(command: &clap::Command, sections: &[Section]) -> StyledStr {
    let styles = command.get_styles();
    let (heading, literal) = (styles.get_header(), styles.get_literal());
    let width =
        dialoguer::console::Term::stdout().size_checked().map_or(100, |(_, columns)| usize::from(columns));
    let longest =
        sections.iter().flat_map(|(_, rows)| rows).map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = "{before-help}{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (title, rows) in sections {
        let _ = write!(text, "\n{heading}{title}:{heading:#}\n");
        for (name, about) in rows {
            let indent = " ".repeat(longest + 4);
            let about = textwrap::fill(
                about,
                textwrap::Options::new(width.clamp(longest + 24, 100))
                    .initial_indent(&indent)
                    .subsequent_indent(&indent),
            );
            let pad = " ".repeat(longest + 2 - name.chars().count());
            let _ = writeln!(text, "  {literal}{name}{literal:#}{pad}{}", about.trim_start());
        }
    }
    let _ = write!(text, "\n{heading}Options:{heading:#}\n{{options}}{{after-help}}");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, UsageError};

    fn page_of(args: &[String]) -> String {
        let args = args.iter().map(Into::into).collect();
        match Cli::parse_args(args).err().map(|error| *error) {
            Some(UsageError::Page(page)) => page.render().ansi().to_string(),
            other => panic!("no page: {}", other.is_some()),
        }
    }

    fn walk(command: &clap::Command, path: &[String], visit: &mut dyn FnMut(&[String], &clap::Command)) {
        visit(path, command);
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            for name in std::iter::once(below.get_name()).chain(below.get_all_aliases()) {
                walk(below, &[path, &[name.to_owned()]].concat(), visit);
            }
        }
    }

    /// What is laid out for one command is what stands among all of them.
    #[test]
    fn every_page_is_the_same_when_it_is_laid_out_alone() {
        let mut seen = 0;
        walk(&Cli::definition(), &["ba-agent".to_owned()], &mut |path, _| {
            for flag in ["-h", "--help"] {
                let args = [path, &[flag.to_owned()]].concat();
                let among_all = Cli::definition().try_get_matches_from(&args).unwrap_err();
                let expected = among_all.render().ansi().to_string();
                assert_eq!(page_of(&args), expected, "{args:?}");
                if path.get(1).is_some_and(|word| word == "skill") && path.len() == 3 {
                    // Without the word `skill`, where nothing else has the name.
                    let short = [&path[..1], &path[2..], &[flag.to_owned()]].concat();
                    let page = page_of(&short);
                    assert!(page == expected || Cli::definition().find_subcommand(&path[2]).is_some());
                }
                seen += 1;
            }
            let help = [&path[..1], &["help".to_owned()], &path[1..]].concat();
            let among_all = Cli::definition().try_get_matches_from(&help).unwrap_err();
            assert_eq!(page_of(&help), among_all.render().ansi().to_string(), "{help:?}");
        });
        assert!(seen > 100, "{seen}");
    }
}
