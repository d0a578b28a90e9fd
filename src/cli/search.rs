//! `ba-agent skill search QUERY`.

use clap::Args;

use super::Context;
use crate::error::{Result, printable};
use crate::ops::find::{Answer, Found, Library, not_everything};
use crate::search::{Filter, Query};
use crate::words::count;

/// Search registered marketplaces and installed skills.
#[derive(Debug, Args)]
#[command(
    long_about = "Search registered marketplaces and installed skills.\n\n\
        The cached copies of the marketplaces are searched, so this works offline too; \
        `ba-agent marketplace update` renews them. Single words or a whole sentence: what many skills say counts little. \
        Beginnings of words, endings and typing errors are forgiven.",
    after_help = "Examples:\n  ba-agent skill search sql\n  ba-agent skill search \"fill pdf forms\" --limit 5\n  \
        ba-agent skill search 数据 --marketplace anthropic --json"
)]
pub(crate) struct Search {
    /// Words to look for; without any, everything that the filters let through.
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
    /// At most so many.
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
        if cx.offline() {
            tell_age(cx, &library);
        }
        let text = self.query.join(" ");
        let query = Query::parse(&text);
        let answer = library.find(&registry, &query, &self.filter(), self.limit, &world);
        let Answer { found, total } = &answer;
        if let (true, Some(error)) = (found.is_empty(), not_everything(&library.unread)) {
            return Err(error);
        }
        for (name, error) in &library.unread {
            cx.ui.warn(&format!("the marketplace `{name}` was not searched: {error}"));
        }
        if cx.ui.json() {
            give(cx, &answer, &library);
            return Ok(0);
        }
        tell(cx, found, &query);
        if found.is_empty() {
            tell_nothing(cx, &text, library.suggest(&text), all.all().next().is_none());
        } else if *total > found.len() {
            cx.ui.note(&format!("{} more; `--limit {total}` shows all", total - found.len()));
        }
        Ok(0)
    }

    fn filter(&self) -> Filter {
        Filter {
            marketplace: self.marketplace.clone(),
            tags: self.tag.clone(),
            category: self.category.clone(),
            installed: self.installed,
        }
    }
}

fn give(cx: &Context<'_>, answer: &Answer, library: &Library<'_>) {
    let unread: Vec<_> = library
        .unread
        .iter()
        .map(|(name, error)| serde_json::json!({ "name": name, "error": error }))
        .collect();
    cx.ui.data(&serde_json::json!({
        "results": answer.found, "total": answer.total, "marketplaces": library.volumes(), "unread": unread,
    }));
}

fn tell_age(cx: &Context<'_>, library: &Library<'_>) {
    for volume in library.volumes() {
        // A folder is read as it stands.
        let Some(fetched_at) = volume.fetched_at else { continue };
        let age = cx.env.now.duration_since(fetched_at).as_secs().max(0);
        let (days, hours) = (age / 86_400, age / 3_600);
        let old = match (days, hours) {
            (0, 0) => "less than an hour".to_owned(),
            (0, hours) => count(usize::try_from(hours).unwrap_or(0), "hour"),
            (days, _) => count(usize::try_from(days).unwrap_or(0), "day"),
        };
        cx.ui.note(&format!("offline: the copy of {} is {old} old", volume.name));
    }
}

fn tell(cx: &Context<'_>, found: &[Found], query: &Query) {
    if !cx.ui.stdout_is_terminal() {
        let row = |found: &Found| {
            let place = found.install.clone().unwrap_or_else(|| found.name.clone());
            let mark = if found.installed { "installed" } else { "" };
            vec![
                found.name.clone(),
                place,
                mark.to_owned(),
                format!("{:.3}", found.score),
                found.description.clone(),
            ]
        };
        cx.ui.table(
            &["name", "install", "", "score", "description"],
            &found.iter().map(row).collect::<Vec<_>>(),
        );
        return;
    }
    for one in found {
        let place =
            one.install.as_ref().map_or(String::new(), |place| format!("  {}", printable(place, false)));
        let mark = if one.installed { "  (installed)" } else { "" };
        cx.ui.line(&format!("{}{place}{mark}", marked(cx, &one.name, query)));
        let short: String = one.description.chars().take(160).collect();
        let more = if short.len() < one.description.len() { "…" } else { "" };
        cx.ui.line(&format!("    {}{more}", marked(cx, &short, query)));
    }
}

/// Outside text with what matches in bold.
fn marked(cx: &Context<'_>, text: &str, query: &Query) -> String {
    let mut out = String::new();
    let mut at = 0;
    for range in query.ranges(text) {
        out.push_str(&printable(text.get(at..range.start).unwrap_or_default(), false));
        out.push_str(&cx.ui.bold(&printable(text.get(range.clone()).unwrap_or_default(), false)));
        at = range.end;
    }
    out.push_str(&printable(text.get(at..).unwrap_or_default(), false));
    out
}

fn tell_nothing(cx: &Context<'_>, text: &str, near: Vec<String>, none_registered: bool) {
    cx.ui.note(&format!("nothing was found for `{text}`"));
    if !near.is_empty() {
        cx.ui.note(&format!("did you mean {}?", near.join(", ")));
    }
    if none_registered {
        cx.ui.note("no marketplace is registered: `ba-agent marketplace add NAME SOURCE`");
    }
}
