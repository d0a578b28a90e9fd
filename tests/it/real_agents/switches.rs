//! What is taken out of the targets is gone for every agent, and back as it was.

use serde_json::Value;

use super::listing::listed_by_codex;
use super::precedence::{listed_by_gemini, listed_by_opencode};
use super::stand_in::ModelStandIn;
use super::{RealAgent, find_agent};
use crate::env::TestEnv;

/// What an agent has of `names`, by an agent's id; `None` where the agent is not here.
fn names_of(env: &TestEnv, agent: &str) -> Option<Vec<String>> {
    let model = ModelStandIn::start(env, &[]);
    let names: Vec<String> = match agent {
        "claude-code" => {
            let events = RealAgent::claude_code(env, &model)?.ask_claude("hi", &[]);
            let skills = events[0]["skills"].as_array().unwrap().iter();
            skills.filter_map(Value::as_str).map(str::to_owned).collect()
        }
        "codex" => {
            let listed = listed_by_codex(&RealAgent::codex(env, &model)?);
            listed.into_iter().map(|one| one.name).collect()
        }
        "gemini-cli" => {
            let (listed, _) = listed_by_gemini(&RealAgent::gemini(env, &model)?);
            listed.into_iter().map(|(name, _)| name).collect()
        }
        _ => {
            let listed = listed_by_opencode(&find_agent(env, "opencode")?);
            listed.into_iter().map(|(name, _)| name).collect()
        }
    };
    let mut ours: Vec<String> = names.into_iter().filter(|name| name.starts_with("our-")).collect();
    ours.sort();
    Some(ours)
}

#[test]
fn a_disabled_skill_is_gone_for_every_agent() {
    const AGENTS: [&str; 4] = ["claude-code", "codex", "gemini-cli", "opencode"];
    let env = TestEnv::new();
    for name in ["our-first", "our-second"] {
        env.skill(&format!("src/skills/{name}"));
    }
    let targets = AGENTS.iter().flat_map(|agent| ["--agent", agent]);
    let install = ["skill", "install", "../src", "--all"].into_iter().chain(targets).collect::<Vec<_>>();
    env.run(&install).ends(0);
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
            let Some(names) = names_of(&env, agent) else { continue };
            assert_eq!(names, expected, "{agent} after {typed:?}");
        }
    }
    assert_eq!(env.picture("project/.claude/skills"), before);
}
