//! `ba-agent skill show NAME|SOURCE`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::completions::installed_names;
use super::{Context, Place, did_you_mean};
use crate::error::{Error, Kind, Result, error, printable};
use crate::ops::gather::{Ask, Choice};
use crate::ops::installed::match_installed;
use crate::ops::marketplace;
use crate::ops::show::{self, Files, View};
use crate::skill::SkillName;
use crate::source::Request;
use crate::text::{count_noun, format_bytes};

/// Show everything about a skill, installed or not, without installing it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent skill show pdf\n  ba-agent skill show anthropics/skills\n  \
    ba-agent skill show anthropics/skills@pdf --json")]
pub(crate) struct Show {
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

impl Show {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let registry = place.store.read()?;
        let installed = match_installed(&self.what, &registry).cloned();
        if let Some(name) = installed.filter(|_| self.skill.is_none() && self.reference.is_none()) {
            let seen = place.places.inspect_recorded(std::iter::once(&name), &registry)?;
            let view = show::installed(&name, &registry.skills[&name], &seen);
            return Ok(tell(cx, &[view]));
        }
        let all = place.marketplaces(cx.env)?;
        let request = marketplace::request(&self.what, None, &all, &cx.world(&place)).map_err(|error| {
            let is_ambiguous = error.kind != Kind::NotFound && all.enabled().next().is_some();
            if is_ambiguous {
                error
            } else {
                self.neither(error, registry.skills.keys().map(SkillName::as_str))
            }
        })?;
        self.source(cx, &place, request)
    }

    /// A word that is no source was probably meant as a name.
    fn neither<'a>(&self, error: Error, known: impl Iterator<Item = &'a str>) -> Error {
        if Request::bare_name(&self.what).is_none() {
            return error;
        }
        let mut error =
            error!(NotFound, "no skill named `{}` is installed here", printable(&self.what, false));
        if let Some(hint) = did_you_mean(&self.what, known) {
            error = error.hint(hint);
        }
        error.hint("for a skill that is not installed give its source, for example owner/repo@NAME")
    }

    fn source(&self, cx: &Context<'_>, place: &Place, request: Request) -> Result<u8> {
        let request = place.anchor(cx.env, request.with_flags(self.reference.as_deref(), None, None)?);
        let mut names: Vec<String> = self.skill.iter().cloned().collect();
        names.extend(request.skill.clone());
        let ask = Ask {
            choice: if names.is_empty() { Choice::All } else { Choice::Named(names) },
            ..Ask::of(request)
        };
        let world = cx.world(place);
        let gathered = marketplace::gather(&ask, &place.marketplaces(cx.env)?, &world, &|_| Ok(Vec::new()))?;
        for note in &gathered.notes {
            cx.ui.warn(note);
        }
        for skipped in &gathered.skipped {
            cx.ui.warn(&format!("{} is not valid: {}", skipped.path, skipped.reason));
        }
        let views: Vec<View> =
            gathered.candidates.iter().map(|c| show::candidate(c, cx.env.now)).collect::<Result<_>>()?;
        if views.is_empty() {
            return Err(Error::new(Kind::NotFound, "there is nothing to show"));
        }
        Ok(tell(cx, &views))
    }
}

fn tell(cx: &Context<'_>, views: &[View]) -> u8 {
    if cx.ui.json() {
        cx.ui.data(&serde_json::json!({ "skills": views }));
    } else if let [view] = views {
        tell_one(cx, view);
    } else {
        let cells = |view: &View| {
            let text: String = view.entry.description.as_deref().unwrap_or("").chars().take(60).collect();
            vec![view.name.to_string(), count_noun(view.entry.files.len(), "file"), text]
        };
        cx.ui.table(&["name", "files", "description"], &views.iter().map(cells).collect::<Vec<_>>());
    }
    0
}

fn tell_one(cx: &Context<'_>, view: &View) {
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
        cx.ui.finding(".", finding);
    }
}

fn tell_files(cx: &Context<'_>, view: &View, line: &dyn Fn(&str, &str)) {
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
