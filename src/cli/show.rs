//! `ba-agent skill show NAME|SOURCE`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::completions::installed_names;
use ba_agent_core::error::{Result, printable};
use ba_agent_core::text::{count_noun, format_bytes};
use ba_agent_engine::ops;
use ba_agent_engine::ops::show::{Files, ShowOptions, SkillView};

/// Show everything about a skill, installed or not, without installing it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent skill show pdf\n  ba-agent skill show anthropics/skills\n  \
    ba-agent skill show anthropics/skills@pdf --json")]
pub(crate) struct ShowArgs {
    /// The name of an installed skill, or a source as for `install`.
    #[arg(value_name = "NAME|SOURCE", add = ArgValueCandidates::new(installed_names))]
    what: String,
    /// The skill of the source.
    #[arg(long, short = 's', value_name = "NAME")]
    skill: Option<String>,
    /// Branch, tag, sha or version range of the source.
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
}

impl ShowArgs {
    /// Prints what is known of skills, installed or not.
    ///
    /// # Errors
    /// Those of [`ops::show::show`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = ShowOptions { what: self.what, skill: self.skill, reference: self.reference };
        Ok(print_skill_views(cx, &ops::show::show(&cx.workspace, &options, cx.ui)?))
    }
}

fn print_skill_views(cx: &CommandContext<'_>, views: &[SkillView]) -> u8 {
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({ "skills": views }));
    } else if let [view] = views {
        tell_one(cx, view);
    } else {
        let cells = |view: &SkillView| {
            let text: String = view.entry.description.as_deref().unwrap_or("").chars().take(60).collect();
            vec![view.name.to_string(), count_noun(view.entry.files.len(), "file"), text]
        };
        cx.ui.print_as_table(&["name", "files", "description"], &views.iter().map(cells).collect::<Vec<_>>());
    }
    0
}

fn tell_one(cx: &CommandContext<'_>, view: &SkillView) {
    let line = |key: &str, value: &str| {
        cx.ui.line(&format!("{} {}", cx.ui.bold(&format!("{key:<13}")), printable(value, false)));
    };
    let entry = &view.entry;
    line("name", view.name.as_str());
    let optional = [
        (
            "installed as",
            entry.alias_of.as_deref().map(|own| format!("{} (its own name is {own})", view.name)),
        ),
        ("description", entry.description.clone()),
        ("version", entry.version.clone()),
        ("source", Some(entry.source.clone())),
        ("path", entry.path.clone()),
        ("reference", entry.reference.as_ref().map(|r| r.to_string())),
        ("commit", entry.pin.commit.clone()),
        ("archive", entry.pin.archive.clone()),
        (
            "reachability",
            entry
                .pin
                .reachable
                .map(|yes| if yes { "a branch or tag leads to it" } else { "not checked" }.to_owned()),
        ),
        ("held", entry.pinned.then(|| "yes: update leaves it here".to_owned())),
        ("digest", Some(entry.digest.to_string())),
        ("state", view.state.map(str::to_owned)),
        ("installed", view.installed.then(|| entry.installed_at.to_string())),
        ("targets", view.installed.then(|| entry.targets.join(", "))),
        ("grants", Some(entry.grants.join(", ")).filter(|text| !text.is_empty())),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            line(key, &value);
        }
    }
    tell_files(cx, view, &line);
    for finding in &view.findings {
        cx.ui.print_finding_of(".", finding);
    }
}

fn tell_files(cx: &CommandContext<'_>, view: &SkillView, line: &dyn Fn(&str, &str)) {
    let Files { count: files, bytes } = view.size();
    let total = bytes.map_or(String::new(), |bytes| format!(", {}", format_bytes(bytes)));
    line("files", &format!("{}{total}", count_noun(files, "file")));
    for (path, mode) in &view.entry.files {
        let mark = match mode.get(..6) {
            Some("100755") => " (executable)",
            Some("120000") => " (link)",
            _ => "",
        };
        cx.ui.line(&format!("  {}{mark}", printable(path, false)));
    }
}
