//! Skills that people have published, in any number: each agent lists of them what we say. Where
//! they lie, `BA_AGENT_PUBLISHED_SKILLS` says (a checkout of openclaw/skills, say): none are kept here.

use std::path::PathBuf;

use super::dialects::{listed_by_deepagents, told_by_us, told_in_order};
use super::listing::{Listed, assert_same, listed_by_claude, listed_by_codex};
use super::precedence::{listed_by_gemini, listed_by_opencode};
use super::stand_in::ModelStandIn;
use super::{RealAgent, find_agent};
use crate::dice::figure;
use crate::env::TestEnv;

/// The manifests below the folder that the variable names, each with a name for its folder.
#[allow(clippy::print_stderr, clippy::disallowed_methods)]
fn published() -> Option<Vec<(String, PathBuf)>> {
    let Some(top) = std::env::var_os("BA_AGENT_PUBLISHED_SKILLS").map(PathBuf::from) else {
        eprintln!("skipped: BA_AGENT_PUBLISHED_SKILLS names no folder of skills");
        return None;
    };
    let is_manifest = |name: &str| name.eq_ignore_ascii_case("SKILL.md");
    let files = walkdir::WalkDir::new(&top).sort_by_file_name().into_iter().flatten();
    let files = files.filter(|entry| entry.file_name().to_str().is_some_and(is_manifest));
    let named = files.map(|entry| {
        let folder = entry.path().parent().unwrap().strip_prefix(&top).unwrap();
        // Not one that an agent brings, and found again by `told_by_us`.
        (format!("odd-{}", folder.display().to_string().replace('/', "--")), entry.into_path())
    });
    Some(named.collect())
}

/// A world with these below a folder.
fn world(skills: &[(String, PathBuf)], below: &str) -> TestEnv {
    let env = TestEnv::new();
    for (name, manifest) in skills {
        let file = manifest.file_name().unwrap().to_str().unwrap();
        env.write(&format!("{below}/{name}/{file}"), std::fs::read(manifest).unwrap());
    }
    env
}

/// Counts what is the same, and keeps what is not.
#[derive(Default)]
struct Comparison {
    same: usize,
    differ: Vec<String>,
}

impl Comparison {
    /// Compares two lists. Of a name that several skills of one folder have, most agents take any.
    fn add(&mut self, theirs: Vec<Listed>, ours: Vec<Listed>, agent: &str) {
        let takes_any = matches!(agent, "gemini-cli" | "opencode" | "deepagents");
        let keys = |listed: Vec<Listed>| -> Vec<(String, String)> {
            let place = |path: String| if takes_any { String::new() } else { path };
            listed.into_iter().map(|one| (one.name, place(one.path))).collect()
        };
        let (theirs, ours) = (keys(theirs), keys(ours));
        self.same += theirs.iter().filter(|one| ours.contains(one)).count();
        self.differ.extend(
            theirs.iter().filter(|one| !ours.contains(one)).map(|one| format!("{agent} alone: {one:?}")),
        );
        self.differ.extend(
            ours.iter().filter(|one| !theirs.contains(one)).map(|one| format!("{agent}, we alone: {one:?}")),
        );
    }

    #[track_caller]
    fn end(self, agent: &str) {
        let tried = self.same + self.differ.len();
        figure(&format!("published skills as {agent} lists them"), tried, self.same, "");
        assert!(self.differ.is_empty(), "{} of {tried}:\n{}", self.differ.len(), self.differ.join("\n"));
    }
}

/// In the room that it has, and all of them, some at a time.
#[test]
fn codex_lists_published_skills_as_we_say() {
    let Some(skills) = published() else { return };
    let mut all = Comparison::default();
    for count in [66, 300, 2_068].into_iter().filter(|count| *count <= skills.len()) {
        let env = world(&skills[..count], "project/.agents/skills");
        let Some(codex) = find_agent(&env, "codex") else { return };
        let place =
            |listed: Vec<Listed>| listed.into_iter().map(|one| (one.name, one.path)).collect::<Vec<_>>();
        let (theirs, ours) = (place(listed_by_codex(&codex)), place(told_in_order(&env, "codex", &[])));
        assert_same(&theirs, &ours, &format!("{count} published skills"));
    }
    for some in skills.chunks(150) {
        let env = world(some, "project/.agents/skills");
        let Some(codex) = find_agent(&env, "codex") else { return };
        let mut theirs = listed_by_codex(&codex);
        theirs.retain(|one| one.path.contains("/odd-"));
        all.add(theirs, told_by_us(&env, "codex"), "codex");
    }
    all.end("codex");
}

#[test]
fn gemini_cli_lists_published_skills_as_we_say() {
    let Some(skills) = published() else { return };
    let mut all = Comparison::default();
    for some in skills.chunks(300) {
        let env = world(some, "project/.agents/skills");
        let model = ModelStandIn::start(&env, &[]);
        let Some(gemini) = RealAgent::gemini(&env, &model) else { return };
        let mut theirs = listed_by_gemini(&gemini).0;
        theirs.retain(|one| one.path.contains("/odd-"));
        all.add(theirs, told_by_us(&env, "gemini-cli"), "gemini-cli");
    }
    all.end("gemini-cli");
}

#[test]
fn opencode_lists_published_skills_as_we_say() {
    let Some(skills) = published() else { return };
    let mut all = Comparison::default();
    for some in skills.chunks(300) {
        let env = world(some, "project/.agents/skills");
        let Some(opencode) = find_agent(&env, "opencode") else { return };
        let mut theirs = listed_by_opencode(&opencode);
        theirs.retain(|one| one.path.contains("/odd-") && !one.shown.is_empty());
        all.add(theirs, told_by_us(&env, "opencode"), "opencode");
    }
    all.end("opencode");
}

#[test]
fn deepagents_lists_published_skills_as_we_say() {
    let Some(skills) = published() else { return };
    let mut all = Comparison::default();
    for some in skills.chunks(300) {
        let env = world(some, "project/.deepagents/skills");
        let Some(python) = find_agent(&env, "langchain-python") else { return };
        let folder = env.path("project/.deepagents/skills").display().to_string();
        all.add(listed_by_deepagents(&python, &[folder]), told_by_us(&env, "deepagents"), "deepagents");
    }
    all.end("deepagents");
}

/// With their labels and descriptions, all at once.
#[test]
fn claude_code_lists_published_skills_as_we_say() {
    let Some(skills) = published() else { return };
    let env = world(&skills, "home/.claude/skills");
    let model = ModelStandIn::start(&env, &[]);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    claude.set("SLASH_COMMAND_TOOL_CHAR_BUDGET", "9000000").ask_claude("hi", &[]);
    let of_ours = |lines: Vec<(String, String)>| -> Vec<Listed> {
        let lines = lines.into_iter().filter(|(name, _)| name.starts_with("odd-"));
        lines.map(|(name, about)| Listed { name, shown: String::new(), path: about }).collect()
    };
    let theirs = of_ours(listed_by_claude(&model));
    let text = env.run(&["skill", "context", "--for", "claude-code", "--budget", "9000000"]).ends(0).stdout;
    let line = |line: &str| {
        let line = line.strip_prefix("- ")?;
        let (name, about) = line.split_once(": ").unwrap_or((line, ""));
        Some((name.to_owned(), about.to_owned()))
    };
    let ours = of_ours(text.lines().filter_map(line).collect());
    let mut all = Comparison::default();
    all.add(theirs, ours, "claude-code");
    all.end("claude-code");
}
