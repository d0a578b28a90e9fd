//! `npx skills` with a registry that is a folder of files behind a web server.

use super::find_agent;
use crate::env::TestEnv;
use crate::publish::Served;

#[test]
fn npx_skills_installs_and_updates_from_files() {
    let env = TestEnv::new();
    let Some(skills) = find_agent(&env, "skills") else { return };
    let skills = skills.set("DISABLE_TELEMETRY", "1").set("DO_NOT_TRACK", "1").set("CI", "1");
    env.skill("src/pdf-tables").file("references/more.md", "one\n");
    env.skill("src/docx");
    let publish = |skill: &str, version: &str| {
        let folder = format!("../src/{skill}");
        let args = [
            "skill",
            "publish",
            &folder,
            "--as",
            "@acme",
            "--to",
            "../registry",
            "--yes",
            "--version",
            version,
        ];
        env.run(&args).ends(0);
    };
    publish("pdf-tables", "1.0.0");
    publish("docx", "1.0.0");
    let served = Served::folder(env.path("registry"));
    let add = |below: &str| {
        let address = format!("{}/@acme/{below}", served.url);
        skills.run(&["add", &address, "-y", "-a", "claude-code"]).ends(0);
    };
    let more = "project/.claude/skills/pdf-tables/references/more.md";
    let lock = |digest: &str| {
        let text = env.read("project/skills-lock.json");
        assert!(text.contains(digest), "{digest} in {text}");
    };
    let digest_of = |line: usize| {
        let index = env.read("registry/@acme/pdf-tables/index.jsonl");
        let line: serde_json::Value = serde_json::from_str(index.lines().nth(line).unwrap()).unwrap();
        line["digest"].as_str().unwrap().to_owned()
    };
    add("pdf-tables");
    assert_eq!(env.read(more), "one\n");
    lock(&digest_of(0));
    assert!(!env.path("project/.claude/skills/docx").exists(), "one skill was asked for");

    env.write("src/pdf-tables/references/more.md", "two\n");
    publish("pdf-tables", "1.1.0");
    skills.run(&["update", "-y"]).ends(0);
    assert_eq!(env.read(more), "two\n");
    lock(&digest_of(1));

    add("pdf-tables/1.0.0");
    assert_eq!(env.read(more), "one\n");
}
