//! `ba-agent skill search QUERY`.

use clap::Args;

use super::CommandContext;
use super::install::install_found;
use crate::picker::{PickerItem, PickerQuestion, SelectionMode};
use ba_agent_core::catalog::KnownCatalog;
use ba_agent_core::error::{Result, printable};
use ba_agent_core::search::{SearchFilter, SearchQuery};
use ba_agent_core::text::{count_noun, shorten_text};
use ba_agent_engine::ops;
use ba_agent_engine::ops::ask::{Ask, Unattended};
use ba_agent_engine::ops::search::{FoundRow, SearchAnswer, SearchOptions, SearchReport};

/// Search registered marketplaces and installed skills.
#[derive(Debug, Args)]
#[command(
    long_about = "Search registered marketplaces and installed skills.\n\n\
        The cached copies of the marketplaces are searched, so this works offline too; \
        `ba-agent marketplace update` renews them. Single words or a whole sentence: what many skills say counts little. \
        Beginnings of words, endings and typing errors are forgiven.\n\n\
        On a terminal the rows are a list to choose from: Enter installs what is marked or else the row you stand on, \
        Esc leaves and prints the rows. In a pipe, and with --list, --yes, --json or --quiet, they are only printed.",
    after_help = "Examples:\n  ba-agent skill search sql\n  ba-agent skill search \"fill pdf forms\" --limit 5\n  \
        ba-agent skill search 数据 --marketplace anthropic --json"
)]
pub(crate) struct SearchArgs {
    /// Words to search for; without any, everything that matches the filters.
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Only this marketplace.
    #[arg(long, short, value_name = "NAME")]
    marketplace: Option<String>,
    /// Only what has this tag or keyword (repeatable).
    #[arg(long, short, value_name = "TAG")]
    tag: Vec<String>,
    /// Only this category.
    #[arg(long, short, value_name = "CATEGORY")]
    category: Option<String>,
    /// Only installed skills.
    #[arg(long, short)]
    installed: bool,
    /// Only print the rows, also on a terminal: for scripts that have one.
    #[arg(long)]
    list: bool,
    /// Maximum number of results.
    #[arg(long, short, value_name = "N", default_value_t = 20)]
    limit: usize,
}

impl SearchArgs {
    /// Prints what the registered marketplaces have for some words.
    ///
    /// # Errors
    /// Those of [`ops::search::search`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let text = self.query.join(" ");
        let options = SearchOptions { text, filter: self.filter(), limit: self.limit };
        // Whoever wants rows alone, or sends them on, is asked for nothing.
        let may_ask = !self.list && cx.ui.stdout_is_terminal() && cx.ui.may_ask_which();
        let ask: &mut dyn Ask =
            if may_ask { &mut cx.ui.terminal_questions() } else { &mut Unattended::default() };
        let report = ops::search::search(&cx.workspace, &options, ask, cx.ui)?;
        for (name, error) in &report.unread {
            cx.ui.warn(&format!("the marketplace `{name}` was not searched: {error}"));
        }
        if cx.ui.json() {
            print_search_rows(cx, &report);
            return Ok(0);
        }
        let SearchAnswer { found, total, .. } = &report.answer;
        if !self.list && cx.ui.may_choose_on_screen() {
            let sources = choose_rows(cx, &options.text, found)?;
            if !sources.is_empty() {
                return install_found(cx, sources);
            }
        }
        print_search_table(cx, found, &SearchQuery::parse(&options.text));
        if report.declined {
            cx.ui.note("none was added; later: ba-agent marketplace add --known NAME...");
        } else if !report.known.is_empty() {
            tell_known(cx, report.known);
        } else if found.is_empty() {
            tell_nothing(cx, &options.text, &report);
        }
        if *total > found.len() {
            cx.ui.note(&format!("{} more; `--limit {total}` shows all", total - found.len()));
        }
        if let Some(first) = found.iter().find(|found| !found.installed && found.install.is_some()) {
            cx.ui.note(&format!("install with: ba-agent skill install {}", reference(first)));
        }
        Ok(0)
    }

    fn filter(&self) -> SearchFilter {
        SearchFilter {
            marketplace: self.marketplace.clone(),
            tags: self.tag.clone(),
            category: self.category.clone(),
            installed: self.installed,
        }
    }
}

/// Lets the person choose what to install; nothing where there is nothing to install, or the person
/// leaves.
fn choose_rows(cx: &CommandContext<'_>, text: &str, found: &[FoundRow]) -> Result<Vec<String>> {
    let rows: Vec<(&FoundRow, &String)> =
        found.iter().filter_map(|row| Some((row, row.install.as_ref()?))).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let item = |(row, install): &(&FoundRow, &String)| {
        let mark = if row.installed { "installed" } else { "" };
        let date = Some(date(row)).filter(|date| !date.is_empty()).map(|date| format!("as of {date}"));
        PickerItem::new(&row.name)
            .with_fact(mark)
            .described(&row.description)
            .with_detail(install)
            .with_detail(&origin_of_row(row))
            .with_detail(&date.unwrap_or_default())
            .with_detail(&what_row_brings(row))
            .with_detail(&other_copies_of_row(row))
    };
    let count = count_noun(rows.len(), "skill");
    let title = match text.trim() {
        "" => format!("{count} found. Install which?"),
        words => format!("{count} found for `{}`. Install which?", shorten_text(words, 60)),
    };
    let items = rows.iter().map(item).collect();
    let question = PickerQuestion::new(&title, "install", SelectionMode::Many, items);
    let chosen = cx.ui.choose_or_leave(question)?.unwrap_or_default();
    Ok(chosen.iter().filter_map(|at| rows.get(*at)).map(|(_, install)| (*install).clone()).collect())
}

fn print_search_rows(cx: &CommandContext<'_>, report: &SearchReport) {
    let unread =
        report.unread.iter().map(|(name, error)| serde_json::json!({ "name": name, "error": error }));
    cx.ui.print_json_document(&serde_json::json!({
        "results": report.answer.found, "total": report.answer.total, "marketplaces": report.marketplaces,
        "unread": unread.collect::<Vec<_>>(), "unknown_words": report.answer.unknown,
        "suggestions": report.suggestions, "hints": report.hints, "known": report.known,
    }));
}

fn print_search_table(cx: &CommandContext<'_>, found: &[FoundRow], query: &SearchQuery) {
    if !cx.ui.stdout_is_terminal() {
        let row = |found: &FoundRow| {
            let mark = if found.installed { "installed" } else { "" };
            vec![
                found.name.clone(),
                reference(found),
                mark.to_owned(),
                format!("{:.3}", found.score),
                shorten_text(&found.description, usize::MAX),
                origin_of_row(found),
                what_row_brings(found),
                date(found),
            ]
        };
        cx.ui.print_as_table(
            &["name", "install", "", "score", "description", "from", "brings", "commit"],
            &found.iter().map(row).collect::<Vec<_>>(),
        );
        return;
    }
    for one in found {
        let mark = if one.installed { "  (installed)" } else { "" };
        cx.ui.line(&format!("{}{mark}", heading_of_row(cx, one, query)));
        let description = shorten_text(&one.description, SHOWN_OF_DESCRIPTION);
        for line in cx.ui.wrap_lines(&description, INDENT.len()).lines() {
            cx.ui.line(&format!("{INDENT}{}", with_matches_marked(cx, line, query)));
        }
        let date = Some(date(one)).filter(|date| !date.is_empty()).map(|date| format!("as of {date}"));
        let parts =
            [origin_of_row(one), date.unwrap_or_default(), what_row_brings(one), other_copies_of_row(one)];
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        for line in cx.ui.wrap_lines(&printable(&parts.join("; "), false), INDENT.len()).lines() {
            cx.ui.line(&format!("{INDENT}{line}"));
        }
    }
}

/// Before what is said of a row.
const INDENT: &str = "    ";
/// So much of a description tells whether a skill is the one that is looked for.
const SHOWN_OF_DESCRIPTION: usize = 160;

/// What `install` takes; before it the name, where that is not how it begins.
fn heading_of_row(cx: &CommandContext<'_>, found: &FoundRow, query: &SearchQuery) -> String {
    let name = with_matches_marked(cx, &found.name, query);
    let reference = reference(found);
    match reference.strip_prefix(&found.name) {
        Some("") => name,
        Some(rest) if rest.starts_with('@') => format!("{name}{}", printable(rest, false)),
        _ => format!("{name}  {}", printable(&reference, false)),
    }
}

/// What `skill install` takes, as it can be pasted into a shell.
fn reference(found: &FoundRow) -> String {
    found.install.as_ref().map_or_else(|| found.name.clone(), |name| safe_to_be_pasted(name))
}

/// A word as a shell takes it for one: bare where nothing in it means something, else in
/// single quotes.
fn safe_to_be_pasted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@:/._+-,=%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Repository and folder.
fn origin_of_row(found: &FoundRow) -> String {
    let parts = [found.repository.as_str(), found.folder.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The day of the commit that it is shown as of.
fn date(found: &FoundRow) -> String {
    found.committed_at.map_or_else(String::new, |at| at.strftime("%F").to_string())
}

/// What it can do beside talking.
fn what_row_brings(found: &FoundRow) -> String {
    let scripts = found.scripts.then(|| "has scripts".to_owned());
    let grants = (!found.grants.is_empty()).then(|| format!("wants {}", found.grants.join(", ")));
    scripts.into_iter().chain(grants).collect::<Vec<_>>().join("; ")
}

/// `+4 copies: sql-fork@two, …`.
fn other_copies_of_row(found: &FoundRow) -> String {
    const SHOWN: usize = 3;
    let names = found.copies.iter().map(|copy| copy.install.as_ref().unwrap_or(&copy.name));
    let mut names: Vec<&str> = names.take(SHOWN).map(String::as_str).collect();
    let more = match found.copies.len() {
        0 => return String::new(),
        1 => "+1 copy".to_owned(),
        n => format!("+{n} copies"),
    };
    if found.copies.len() > SHOWN {
        names.push("…");
    }
    format!("{more}: {}", names.join(", "))
}

/// Outside text with what matches in bold.
fn with_matches_marked(cx: &CommandContext<'_>, text: &str, query: &SearchQuery) -> String {
    let mut out = String::new();
    let mut at = 0;
    for range in query.matched_ranges(text) {
        out.push_str(&printable(text.get(at..range.start).unwrap_or_default(), false));
        out.push_str(&cx.ui.bold(&printable(text.get(range.clone()).unwrap_or_default(), false)));
        at = range.end;
    }
    out.push_str(&printable(text.get(at..).unwrap_or_default(), false));
    out
}

/// What can be searched by who has registered nothing yet, and how.
fn tell_known(cx: &CommandContext<'_>, known: &[KnownCatalog]) {
    cx.ui.note("no marketplace is registered: only installed skills were searched");
    cx.ui.note("known public catalogues, fetched only when you add them:");
    let items: Vec<(&str, &str)> = known.iter().map(|one| (one.name, one.about)).collect();
    cx.ui.print_items_to_stderr(&items);
    let first = known.first().map_or("NAME", |one| one.name);
    cx.ui.note(&format!("add one or more: ba-agent marketplace add --known {first}"));
    cx.ui.note("add another one: ba-agent marketplace add owner/repo");
}

fn tell_nothing(cx: &CommandContext<'_>, text: &str, report: &SearchReport) {
    match text.trim() {
        "" => cx.ui.note("nothing was found"),
        text => cx.ui.note(&format!("nothing was found for `{}`", shorten_text(text, 60))),
    }
    if !report.answer.unknown.is_empty() {
        cx.ui.note(&format!(
            "no skill has {}",
            report
                .answer
                .unknown
                .iter()
                .take(8)
                .map(|word| format!("`{}`", shorten_text(word, 60)))
                .collect::<Vec<_>>()
                .join(", ")
        ));
    }
    if !report.suggestions.is_empty() {
        cx.ui.note(&format!("did you mean {}?", report.suggestions.join(", ")));
    }
    report.hints.iter().for_each(|hint| cx.ui.note(hint));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_survive_a_shell() {
        let check = |word: &str, expected: &str| assert_eq!(safe_to_be_pasted(word), expected);
        check("pdf@anthropic", "pdf@anthropic");
        check("office:pdf@anthropic", "office:pdf@anthropic");
        check("\"Error Resolver\"@davila", "'\"Error Resolver\"@davila'");
        check("it's@x", r"'it'\''s@x'");
        check("$(rm)@x", "'$(rm)@x'");
        check("报表@x", "'报表@x'");
        check("-rf", "'-rf'");
        check("", "''");
    }
}
