//! `ba-agent skill show NAME|SOURCE`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::choice::SkillChoice;
use super::complete::installed_names;
use crate::table::Column;
use ba_agent_core::error::{Result, printable};
use ba_agent_core::registry::{DependencyRecord, LockEntry};
use ba_agent_core::text::{count_noun, format_bytes, shorten_text};
use ba_agent_engine::ops;
use ba_agent_engine::ops::show::{Files, ShowOptions, SkillView};

/// Show everything about a skill, installed or not, without installing it.
#[derive(Debug, Args)]
#[command(
    long_about = "Show everything about a skill, installed or not, without installing it.\n\n\
        What the registry or its source says of it, its files, and its instructions. On a terminal \
        lines are broken between words, and what does not fit goes through the pager of \
        BA_AGENT_PAGER or PAGER, else through `less`; set it to `cat` to have none. Of a source with \
        several skills each is a row; choose one with `--skill`.",
    after_help = "Examples:\n  ba-agent skill show pdf\n  ba-agent skill show anthropics/skills\n  \
    ba-agent skill show anthropics/skills@pdf --json\n  ba-agent skill show pdf --body\n  \
    ba-agent skill show anthropics/skills@pdf --file scripts/fill.py"
)]
pub(crate) struct ShowArgs {
    /// The name of an installed skill, or a source as for `install`. Without one you choose from
    /// the installed skills, on a terminal.
    #[arg(value_name = "NAME|SOURCE", add = ArgValueCandidates::new(installed_names))]
    what: Option<String>,
    /// The skill of the source.
    #[arg(long, short = 's', value_name = "NAME")]
    skill: Option<String>,
    /// Branch, tag, sha or version range of the source.
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// Print only the instructions: `SKILL.md` without its frontmatter, as it is.
    #[arg(long, conflicts_with = "file")]
    body: bool,
    /// Print only this file of the skill, byte for byte where stdout is not a terminal.
    #[arg(long, value_name = "PATH", conflicts_with = "json")]
    file: Option<String>,
}

impl ShowArgs {
    /// Prints what is known of skills, installed or not.
    ///
    /// # Errors
    /// Those of [`ops::show::show`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let choice = SkillChoice::new("show", "<NAME|SOURCE>", "skill show <NAME|SOURCE>");
        let Some(what) = choice.name_or_choice(cx, self.what)? else { return Ok(0) };
        let options =
            ShowOptions { what, skill: self.skill, reference: self.reference, with_bodies: self.body };
        if let Some(path) = &self.file {
            let bytes = ops::show::show_file(&cx.workspace, &options, path, cx.ui)?;
            print_exactly(cx, &bytes);
            return Ok(0);
        }
        let views = ops::show::show(&cx.workspace, &options, cx.ui)?;
        if self.body && !cx.ui.json() {
            let bodies: Vec<&str> = views.iter().filter_map(|view| view.body.as_deref()).collect();
            print_exactly(cx, bodies.join("\n").as_bytes());
        } else {
            print_skill_views(cx, &views);
        }
        Ok(0)
    }
}

/// What somebody else wrote: as it is in a pipe or a file, where it can harm no terminal.
fn print_exactly(cx: &CommandContext<'_>, bytes: &[u8]) {
    if cx.ui.is_for_eyes() {
        cx.ui.print_paged(cx.env(), &printable(&String::from_utf8_lossy(bytes), true));
    } else {
        cx.ui.write(bytes);
    }
}

fn print_skill_views(cx: &CommandContext<'_>, views: &[SkillView]) {
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({ "skills": views }));
    } else if let [view] = views {
        cx.ui.print_paged(cx.env(), &describe(cx, view));
    } else {
        let cells = |view: &SkillView| {
            let text = shorten_text(view.entry.description.as_deref().unwrap_or(""), 60);
            vec![view.name.to_string(), count_noun(view.entry.files.len(), "file"), text]
        };
        let columns = [Column::from("name"), Column::optional("files", 1), Column::from("description")];
        cx.ui.print_as_table(&columns, &views.iter().map(cells).collect::<Vec<_>>());
    }
}

/// All that is known of one skill: facts, files, findings, instructions.
fn describe(cx: &CommandContext<'_>, view: &SkillView) -> String {
    const KEY: usize = 14;
    let mut text = String::new();
    let mut fact = |key: &str, value: &str| {
        let wrapped =
            cx.ui.wrap_lines(&printable(value, false), KEY).replace('\n', &format!("\n{:KEY$}", ""));
        let _ = writeln!(text, "{} {wrapped}", cx.ui.bold(&format!("{key:<13}")));
    };
    for (key, value) in facts_of(view) {
        fact(key, &value);
    }
    let Files { count: files, bytes } = view.size();
    let total = bytes.map_or(String::new(), |bytes| format!(", {}", format_bytes(bytes)));
    fact("files", &format!("{}{total}", count_noun(files, "file")));
    for (path, mode) in &view.entry.files {
        let mark = match mode.get(..6) {
            Some("100755") => " (executable)",
            Some("120000") => " (link)",
            _ => "",
        };
        let _ = writeln!(text, "  {}{mark}", printable(path, false));
    }
    for finding in &view.findings {
        text.push_str(&cx.ui.describe_finding(".", finding));
    }
    if let Some(body) = view.body.as_deref().filter(|body| !body.trim().is_empty()) {
        let body = printable(body, true);
        let _ =
            writeln!(text, "\n{}", if cx.ui.is_for_eyes() { cx.ui.wrap_text(body.trim_end()) } else { body });
    }
    text
}

/// What is known of a skill, by its words.
fn facts_of(view: &SkillView) -> Vec<(&'static str, String)> {
    let entry = &view.entry;
    let optional = [
        ("name", Some(view.name.to_string())),
        (
            "installed as",
            entry.alias_of.as_deref().map(|own| format!("{} (its own name is {own})", view.name)),
        ),
        ("description", entry.description.as_deref().map(|text| shorten_text(text, usize::MAX))),
        ("grants", Some(entry.grants.join(", ")).filter(|text| !text.is_empty())),
        ("version", entry.version.clone()),
        ("source", Some(entry.source.clone())),
        ("path", entry.path.clone()),
        ("reference", entry.reference.as_ref().map(|r| r.to_string())),
        ("commit", entry.pin.commit.clone()),
        ("archive", entry.pin.archive.clone()),
        (
            "reachability",
            entry.pin.commit.as_ref().map(|_| {
                let known = entry.pin.reachable.is_some();
                if known { "a branch or tag leads to it" } else { "not checked" }.to_owned()
            }),
        ),
        ("held", entry.pinned.then(|| "yes: update leaves it here".to_owned())),
        ("digest", Some(entry.digest.to_string())),
        ("state", view.state.map(str::to_owned)),
        ("needs", Some(list_needs(entry, false)).filter(|text| !text.is_empty())),
        ("suggests", Some(list_needs(entry, true)).filter(|text| !text.is_empty())),
        ("came along", entry.automatic.then(|| format!("yes: `ba-agent skill why {}`", view.name))),
        ("category", entry.category.clone()),
        ("disabled", (!entry.enabled).then(|| format!("yes: `ba-agent skill enable {}`", view.name))),
        ("disabled for", Some(list_keys(&entry.disabled_for)).filter(|text| !text.is_empty())),
        ("installed", view.installed.then(|| entry.installed_at.strftime("%F %R UTC").to_string())),
        ("targets", view.installed.then(|| entry.targets.join(", "))),
    ];
    optional.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// `charts ^1.2, shared`.
fn list_needs(entry: &LockEntry, optional: bool) -> String {
    let needs = entry.dependencies.iter().filter(|need| need.optional == optional);
    let tell = |need: &DependencyRecord| match &need.range {
        Some(range) => format!("{} {range}", need.name),
        None => need.name.clone(),
    };
    needs.map(tell).collect::<Vec<_>>().join(", ")
}

fn list_keys<T>(map: &BTreeMap<String, T>) -> String {
    map.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}
