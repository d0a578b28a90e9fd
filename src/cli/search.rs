//! `ba-agent skill search QUERY`.

use clap::Args;

use super::Context;
use crate::error::{Result, printable};
use crate::ops::search::{Answer, Found, Library, not_everything};
use crate::search::{SearchFilter, SearchQuery};
use crate::text::count_noun;

/// Search registered marketplaces and installed skills.
#[derive(Debug, Args)]
#[command(
    long_about = "Search registered marketplaces and installed skills.\n\n\
        The cached copies of the marketplaces are searched, so this works offline too; \
        `ba-agent marketplace update` renews them. Single words or a whole sentence: common words count little. \
        Beginnings of words, endings and typing errors are tolerated.",
    after_help = "Examples:\n  ba-agent skill search sql\n  ba-agent skill search \"fill pdf forms\" --limit 5\n  \
        ba-agent skill search 数据 --marketplace anthropic --json"
)]
pub(crate) struct Search {
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
    /// Maximum number of results.
    #[arg(long, short, value_name = "N", default_value_t = 20)]
    limit: usize,
}

impl Search {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let registry = place.store.read()?;
        let all = place.marketplaces(cx.env)?;
        cx.tell_hidden(&all, |_| true);
        let world = cx.world(&place);
        let mut library = Library::open(&all, self.marketplace.as_deref(), &world)?;
        tell_age(cx, &library);
        let text = self.query.join(" ");
        let query = SearchQuery::parse(&text);
        let answer = library.find(&registry, &query, &self.filter(), self.limit, &world);
        let Answer { found, total, .. } = &answer;
        if let (true, Some(error)) = (found.is_empty(), not_everything(&library.unread)) {
            return Err(error);
        }
        for (name, error) in &library.unread {
            cx.ui.warn(&format!("the marketplace `{name}` was not searched: {error}"));
        }
        let help = Help::of(&text, &answer, &library, self.is_filtered(), all.all().next().is_none());
        if cx.ui.json() {
            give(cx, &answer, &library, &help);
            return Ok(0);
        }
        tell(cx, found, &query);
        if found.is_empty() {
            tell_nothing(cx, &text, &answer, &help);
        } else if *total > found.len() {
            cx.ui.note(&format!("{} more; `--limit {total}` shows all", total - found.len()));
        }
        if let Some(first) = found.iter().find(|found| !found.installed && found.install.is_some()) {
            cx.ui.note(&format!("install with: ba-agent skill install {}", reference(first)));
        }
        Ok(0)
    }

    fn is_filtered(&self) -> bool {
        self.marketplace.is_some() || self.category.is_some() || self.installed || !self.tag.is_empty()
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

fn give(cx: &Context<'_>, answer: &Answer, library: &Library<'_>, help: &Help) {
    let unread: Vec<_> = library
        .unread
        .iter()
        .map(|(name, error)| serde_json::json!({ "name": name, "error": error }))
        .collect();
    cx.ui.data(&serde_json::json!({
        "results": answer.found, "total": answer.total, "marketplaces": library.volumes(), "unread": unread,
        "unknown_words": answer.unknown, "suggestions": help.suggestions, "hints": help.hints,
    }));
}

/// How old the oldest copy is: offline always, else where that is long.
fn tell_age(cx: &Context<'_>, library: &Library<'_>) {
    const OLD: i64 = 30;
    let ages = library.volumes().iter().filter_map(|volume| Some((volume.fetched_at?, volume.name)));
    let Some((oldest, name)) = ages.min() else { return };
    let age = cx.env.now.duration_since(oldest).as_secs().max(0);
    let (days, hours) = (age / 86_400, age / 3_600);
    let old = match (days, hours) {
        (0, 0) => "less than an hour".to_owned(),
        (0, hours) => count_noun(usize::try_from(hours).unwrap_or(0), "hour"),
        (days, _) => count_noun(usize::try_from(days).unwrap_or(0), "day"),
    };
    let others = library.volumes().iter().filter(|volume| volume.fetched_at.is_some()).count() - 1;
    let newer = if others == 0 { String::new() } else { format!(", {} newer", count_noun(others, "other")) };
    if cx.offline() {
        cx.ui.note(&format!("offline: the copy of {name} is {old} old{newer}"));
    } else if days >= OLD {
        cx.ui.note(&format!("the copy of {name} is {old} old; `ba-agent marketplace update` renews it"));
    }
}

fn tell(cx: &Context<'_>, found: &[Found], query: &SearchQuery) {
    if !cx.ui.stdout_is_terminal() {
        let row = |found: &Found| {
            let mark = if found.installed { "installed" } else { "" };
            vec![
                found.name.clone(),
                reference(found),
                mark.to_owned(),
                format!("{:.3}", found.score),
                found.description.clone(),
                origin(found),
                brings(found),
            ]
        };
        cx.ui.table(
            &["name", "install", "", "score", "description", "from", "brings"],
            &found.iter().map(row).collect::<Vec<_>>(),
        );
        return;
    }
    for one in found {
        let mark = if one.installed { "  (installed)" } else { "" };
        let name = marked(cx, &one.name, query);
        cx.ui.line(&format!("{name}  {}{mark}", printable(&reference(one), false)));
        let short: String = one.description.chars().take(160).collect();
        let more = if short.len() < one.description.len() { "…" } else { "" };
        cx.ui.line(&format!("    {}{more}", marked(cx, &short, query)));
        let parts = [origin(one), brings(one), copies(one)];
        let parts: Vec<String> =
            parts.iter().filter(|part| !part.is_empty()).map(|part| printable(part, false)).collect();
        if !parts.is_empty() {
            cx.ui.line(&format!("    {}", parts.join("; ")));
        }
    }
}

/// What `skill install` takes, as it can be pasted into a shell.
fn reference(found: &Found) -> String {
    found.install.as_ref().map_or_else(|| found.name.clone(), |name| pasted(name))
}

/// A word as a shell takes it for one: bare where nothing in it means something, else in
/// single quotes.
fn pasted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@:/._+-,=%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Repository and folder.
fn origin(found: &Found) -> String {
    let parts = [found.repository.as_str(), found.folder.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What it can do beside talking.
fn brings(found: &Found) -> String {
    let scripts = found.scripts.then(|| "has scripts".to_owned());
    let grants = (!found.grants.is_empty()).then(|| format!("wants {}", found.grants.join(", ")));
    scripts.into_iter().chain(grants).collect::<Vec<_>>().join("; ")
}

/// `+4 copies: sql-fork@two, …`.
fn copies(found: &Found) -> String {
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
fn marked(cx: &Context<'_>, text: &str, query: &SearchQuery) -> String {
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

/// What can be done by who found nothing.
#[derive(Debug, Default)]
struct Help {
    suggestions: Vec<String>,
    hints: Vec<String>,
}

impl Help {
    fn of(text: &str, answer: &Answer, library: &Library<'_>, filtered: bool, none_registered: bool) -> Self {
        let mut help = Self::default();
        if !answer.found.is_empty() {
            return help;
        }
        help.suggestions = library.suggest(text);
        if none_registered {
            help.hints
                .push("no marketplace is registered: `ba-agent marketplace add NAME SOURCE`".to_owned());
            return help;
        }
        if filtered {
            help.hints.push("try again without the filters".to_owned());
        }
        help.hints.push("try other words, or English ones: most skills are described in English".to_owned());
        help.hints.push("look in more places: `ba-agent marketplace add NAME SOURCE`".to_owned());
        help
    }
}

fn tell_nothing(cx: &Context<'_>, text: &str, answer: &Answer, help: &Help) {
    cx.ui.note(&format!("nothing was found for `{text}`"));
    if !answer.unknown.is_empty() {
        cx.ui.note(&format!(
            "no skill has {}",
            answer.unknown.iter().take(8).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        ));
    }
    if !help.suggestions.is_empty() {
        cx.ui.note(&format!("did you mean {}?", help.suggestions.join(", ")));
    }
    help.hints.iter().for_each(|hint| cx.ui.note(hint));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_survive_a_shell() {
        let check = |word: &str, expected: &str| assert_eq!(pasted(word), expected);
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
