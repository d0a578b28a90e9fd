//! `ba-agent install` for `ba-agent skill install`: the word `skill` may be left out.

use std::ffi::OsString;

/// The command line with the word `skill` in it, where its first word is a verb of `skill` and no
/// command of its own; also behind `help`. So a short form can never do anything else than the
/// long one, and has no page of its own.
pub(crate) fn with_skill_word(definition: &clap::Command, mut args: Vec<OsString>) -> Vec<OsString> {
    let Some(mut at) = position_of_word(definition, &args, 1) else { return args };
    if args[at] == "help" {
        let Some(next) = position_of_word(definition, &args, at + 1) else { return args };
        at = next;
    }
    if args[at].to_str().is_some_and(|word| is_short_form(definition, word)) {
        args.insert(at, "skill".into());
    }
    args
}

/// True for a verb of `skill`, or its alias, that nothing else at the top is called.
pub(crate) fn is_short_form(definition: &clap::Command, word: &str) -> bool {
    definition.find_subcommand(word).is_none()
        && definition.find_subcommand("skill").is_some_and(|skill| skill.find_subcommand(word).is_some())
}

/// Where the next word is that is no flag, and no value of a flag.
pub(crate) fn position_of_word(definition: &clap::Command, args: &[OsString], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(arg) = args.get(at) {
        let text = arg.to_str().unwrap_or_default();
        match text.strip_prefix("--") {
            Some("") => return None,
            Some(flag) if !flag.contains('=') => {
                let option = definition.get_arguments().find(|arg| arg.get_long() == Some(flag));
                at += usize::from(option.is_some_and(|option| option.get_action().takes_values()));
            }
            Some(_) => {}
            None if text.len() > 1 && text.starts_with('-') => {
                let is_last = |arg: &&clap::Arg| arg.get_short() == text.chars().last();
                let option = definition.get_arguments().find(is_last);
                at += usize::from(option.is_some_and(|option| option.get_action().takes_values()));
            }
            None => return Some(at),
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    fn expand(line: &str) -> String {
        let args = line.split(' ').map(OsString::from).collect();
        let args = with_skill_word(&Cli::definition(), args);
        args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_word_is_put_in_where_it_was_left_out_and_nowhere_else() {
        for (typed, meant) in [
            ("b install x", "b skill install x"),
            ("b --json -q list", "b --json -q skill list"),
            ("b --project list ls", "b --project list skill ls"),
            ("b --project=list --color never add x", "b --project=list --color never skill add x"),
            ("b help update", "b help skill update"),
            ("b skill install update", "b skill install update"),
            ("b marketplace update", "b marketplace update"),
            ("b doctor", "b doctor"),
            ("b help", "b help"),
            ("b nothing-of-that-name", "b nothing-of-that-name"),
            ("b -- list", "b -- list"),
            ("b --project", "b --project"),
            ("b", "b"),
        ] {
            assert_eq!(expand(typed), meant, "{typed}");
        }
    }

    /// Else the verb of `skill` could only be reached by its long form, and the sentence of the
    /// help would be wrong.
    #[test]
    fn every_verb_of_skill_has_a_short_form() {
        let definition = Cli::definition();
        let skill = definition.find_subcommand("skill").unwrap();
        for verb in skill.get_subcommands() {
            for name in verb.get_name_and_visible_aliases() {
                assert!(is_short_form(&definition, name), "{name}");
            }
        }
    }
}
