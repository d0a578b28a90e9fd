//! `ba-agent doctor [--fix]`.

use std::path::PathBuf;

use clap::Args;

use super::{Context, Place};
use crate::error::{Error, Result, printable};
use crate::ops::doctor::{self, Examination, Finding, Patient};
use crate::scope::Scope;
use crate::settings::Settings;
use crate::store::Store;
use crate::text::count_noun;

/// At most this many files or names are printed below a finding; `--json` has all.
const NAMED: usize = 10;

/// Look for everything that could be wrong here, and fix what is safe to fix.
#[derive(Debug, Args)]
#[command(
    long_about = "Look for everything that could be wrong here, and fix what is safe to fix.\n\n\
        Drift and missing links of installed skills, folders that are not in the registry, what \
        killed commands left, a registry or settings that cannot be read, cache and data folder, \
        tokens, names that project and user both have, and the programs beside this one. Opens no \
        connection and starts no program. Without --fix it changes nothing; each finding says what \
        --fix would do. With --fix it finishes what a killed command began, removes what such a command \
        left, and makes missing links; edited files are never touched.",
    after_help = "Examples:\n  ba-agent doctor\n  ba-agent doctor --fix\n  ba-agent doctor --global --verbose\n\n\
        Exit status: 0 nothing is wrong (or no longer), 6 something is wrong."
)]
pub(crate) struct Doctor {
    /// Fix what is safe to fix.
    #[arg(long)]
    fix: bool,
}

impl Doctor {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let scope = Scope::find(cx.env, cx.globals.global, cx.globals.project.as_deref())?;
        let (settings, settings_errors) = readable_settings(cx, &scope);
        let place = cx.as_it_stands(scope, settings)?;
        let user = user_store(cx, &place);
        let world = cx.world(&place);
        let patient = Patient {
            scope: &place.scope,
            store: &place.store,
            places: &place.places,
            world: &world,
            settings_errors: &settings_errors,
            user: user.as_ref(),
        };
        let mut seen = doctor::examine(&patient);
        let mut mended = Vec::new();
        if self.fix && seen.findings.iter().any(|finding| finding.fix.is_some()) {
            if let Err(error) = doctor::mend(&patient, cx.env.now) {
                cx.ui
                    .warn(&std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>().join(": "));
            }
            let after = doctor::examine(&patient);
            mended = seen.mended(&after);
            seen = after;
        }
        tell(cx, &place, &seen, &mended);
        Ok(if seen.wrong() > 0 { 6 } else { 0 })
    }
}

/// The settings as far as they can be read, and what is wrong with the rest.
fn readable_settings(cx: &Context<'_>, scope: &Scope) -> (Settings, Vec<Error>) {
    let (user, project) = super::settings_files(cx.env, Some(scope));
    let mut errors = Vec::new();
    let mut sound = |user: Option<PathBuf>, project: Option<PathBuf>| match Settings::load(
        cx.env,
        user.as_deref(),
        project.as_deref(),
    ) {
        Ok(_) => user.or(project),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let (user, project) = (sound(user, None), sound(None, project));
    (Settings::load(cx.env, user.as_deref(), project.as_deref()).unwrap_or_default(), errors)
}

/// The store of the user scope, seen from a project.
fn user_store(cx: &Context<'_>, place: &Place) -> Option<Store> {
    if matches!(place.scope, Scope::User { .. }) {
        return None;
    }
    let scope = Scope::find(cx.env, true, None).ok()?;
    let settings = cx.settings_of(Some(&scope)).ok()?;
    Some(cx.as_it_stands(scope, settings).ok()?.store)
}

fn tell(cx: &Context<'_>, place: &Place, seen: &Examination, mended: &[Finding]) {
    let wrong = seen.wrong();
    if cx.ui.json() {
        cx.ui.data(&serde_json::json!({
            "scope": place.scope.name(), "healthy": wrong == 0,
            "findings": seen.findings, "fixed": mended, "facts": seen.facts,
        }));
        return;
    }
    if cx.ui.verbose() {
        for (key, value) in &seen.facts {
            cx.ui.line(&format!("{} {}", cx.ui.bold(&format!("{key:<9}")), printable(value, false)));
        }
    }
    for finding in mended {
        cx.ui.status("Fixed", &format!("{} ({})", finding.message, finding.fix.unwrap_or_default()));
    }
    seen.findings.iter().for_each(|finding| one(cx, finding));
    let verdict = match wrong {
        0 => "no problems found".to_owned(),
        n => format!("{} wrong", count_noun(n, "thing")),
    };
    let notes = seen.findings.len() - wrong;
    let notes = if notes > 0 { format!(", {} to know", count_noun(notes, "thing")) } else { String::new() };
    cx.ui.status("Examined", &format!("this {}: {verdict}{notes}", place.scope.name()));
    if !mended.is_empty() || !seen.findings.iter().any(|finding| finding.fix.is_some()) {
        return;
    }
    cx.ui.note("`ba-agent doctor --fix` does what is listed as its fix, and nothing else");
}

fn one(cx: &Context<'_>, finding: &Finding) {
    cx.ui.verdict(finding.severity, finding.code, &finding.message);
    let line = |text: &str| cx.ui.line(&format!("    {}", printable(text, false)));
    finding.details.iter().take(NAMED).for_each(|detail| line(detail));
    if finding.details.len() > NAMED {
        line(&format!("and {} more", finding.details.len() - NAMED));
    }
    finding.hints.iter().for_each(|hint| line(&format!("help: {hint}")));
    if let Some(fix) = finding.fix {
        line(&format!("--fix: {fix}"));
    }
}
