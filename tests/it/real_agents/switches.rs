//! What is taken out of the targets is gone for every agent, and what is put there is what it has.

use super::listing::{listed_by_claude, listed_by_codex};
use super::precedence::{listed_by_gemini, listed_by_opencode};
use super::stand_in::ModelStandIn;
use super::{RealAgent, find_agent};
use crate::env::{TestEnv, commit, skill_md};

const AGENTS: [&str; 4] = ["claude-code", "codex", "gemini-cli", "opencode"];

/// What an agent has of the skills of a test: name and description; `None` where it is not here.
fn skills_of(env: &TestEnv, agent: &str) -> Option<Vec<(String, String)>> {
    let model = ModelStandIn::start(env, &[]);
    let listed = match agent {
        "claude-code" => {
            RealAgent::claude_code(env, &model)?.ask_claude("hi", &[]);
            listed_by_claude(&model)
        }
        "codex" => {
            let listed = listed_by_codex(&RealAgent::codex(env, &model)?);
            listed.into_iter().map(|one| (one.name, one.shown)).collect()
        }
        "gemini-cli" => {
            let (listed, _) = listed_by_gemini(&RealAgent::gemini(env, &model)?);
            listed.into_iter().map(|one| (one.name, one.shown)).collect()
        }
        _ => {
            let listed = listed_by_opencode(&find_agent(env, "opencode")?);
            listed.into_iter().map(|one| (one.name, one.shown)).collect()
        }
    };
    let mut ours: Vec<(String, String)> =
        listed.into_iter().filter(|(name, _)| name.starts_with("our-")).collect();
    ours.sort();
    Some(ours)
}

/// Words of a command, with every agent as a target.
fn for_all_agents<'w>(words: &[&'w str]) -> Vec<&'w str> {
    words.iter().copied().chain(AGENTS.iter().flat_map(|agent| ["--agent", agent])).collect()
}

#[test]
fn a_disabled_skill_is_gone_for_every_agent() {
    let env = TestEnv::new();
    for name in ["our-first", "our-second"] {
        env.skill(&format!("src/skills/{name}"));
    }
    env.run(&for_all_agents(&["skill", "install", "../src", "--all"])).ends(0);
    let before = env.picture("project/.claude/skills");
    for (typed, expected) in [
        (None, &["our-first", "our-second"][..]),
        (Some("disable"), &["our-second"]),
        (Some("enable"), &["our-first", "our-second"]),
    ] {
        if let Some(verb) = typed {
            env.run(&["skill", verb, "our-first"]).ends(0);
        }
        for agent in AGENTS {
            let Some(skills) = skills_of(&env, agent) else { continue };
            let names: Vec<&str> = skills.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, expected, "{agent} after {typed:?}");
        }
    }
    assert_eq!(env.picture("project/.claude/skills"), before);
}

#[test]
fn the_version_that_is_used_is_the_one_that_every_agent_has() {
    let env = TestEnv::new();
    let publish = |version: &str| {
        let text = skill_md("our-first", &format!("Version {version} of it. Use when it is wanted."));
        let text = text.replacen("---\n", &format!("---\nversion: {version}\n"), 1);
        env.skill("src/skills/our-first").file("SKILL.md", text);
    };
    publish("1.0.0");
    let repo = env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&for_all_agents(&["skill", "install", &url, "--all"])).ends(0);
    publish("1.1.0");
    commit(&repo, "refs/heads/main", &env.path("src"), "second");
    env.run(&["skill", "update", "--keep"]).ends(0);
    for (used, expected) in [(None, "1.1.0"), (Some("1.0.0"), "1.0.0"), (Some("latest"), "1.1.0")] {
        if let Some(version) = used {
            env.run(&["skill", "use", "our-first", "--version", version]).ends(0);
        }
        for agent in AGENTS {
            let Some(skills) = skills_of(&env, agent) else { continue };
            let about = format!("Version {expected} of it. Use when it is wanted.");
            assert_eq!(skills, [("our-first".to_owned(), about)], "{agent} with {used:?}");
        }
    }
}
