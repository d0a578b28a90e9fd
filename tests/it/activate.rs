//! `skill activate` and `skill deactivate`: what a model gets of a skill, from a terminal, a pipe
//! and a program.

use serde_json::{Value, json};

use crate::env::TestEnv;

const ARGY: &str = "---
name: argy
description: Shows its arguments. Use when arguments are wanted.
version: 1.0.0
allowed-tools: Read, Bash(git:*)
model: haiku
arguments: [who, what]
forbidden_operations: [\"rm -rf\"]
resource_limits: {max_cpu_time: 30s, max_memory: 512MB, max_disk_io: 100MB}
---

# Argy

$ARGUMENTS|$0|$1|$2|$who|$what|\\$0|{input.city}|{baseDir}|${CLAUDE_PROJECT_DIR}|${CLAUDE_PLUGIN_ROOT}
Diff: !`git diff HEAD`
";

/// A project whose `argy` is installed from a repository.
fn world() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/skills/argy").file("SKILL.md", ARGY).executable("scripts/run.sh", "#!/bin/sh\n");
    env.skill("src/skills/plain");
    env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--all", "--yes"]).ends(0);
    env
}

fn activate(env: &TestEnv, more: &[&str]) -> Value {
    let mut args = vec!["skill", "activate"];
    args.extend(more);
    args.push("--json");
    env.run(&args).ends(0).json()
}

fn codes(activation: &Value) -> Vec<&str> {
    activation["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

#[test]
fn a_host_gets_messages_permissions_and_what_stands_beside() {
    let env = world();
    let done =
        activate(&env, &["argy", "--arguments", "ann \"the thing\"", "--input", "{\"city\":\"Bonn\"}"]);
    assert_eq!(done["skill_name"], "argy");
    assert_eq!(
        (&done["success"], &done["error"], &done["fallback"]),
        (&json!(true), &Value::Null, &json!(false))
    );
    assert_eq!((&done["version"], &done["source"]), (&json!("1.0.0"), &json!("project")));
    assert_eq!(done["digest"], env.registry()["skills"]["argy"]["digest"]);
    let text = |project: &str| {
        let folder = format!("{project}/.claude/skills/argy");
        format!(
            "Base directory for this skill: {0}\n\n# Argy\n\nann \"the thing\"|ann|the thing|$2|ann|the thing|$0|Bonn|{0}|{1}|\
         ${{CLAUDE_PLUGIN_ROOT}}\nDiff: !`git diff HEAD`\n",
            folder, project
        )
    };
    let shown = "<command-message>The \"argy\" skill is loading</command-message>\n<command-name>argy</command-name>\n\
                 <command-args>ann \"the thing\"</command-args>";
    assert_eq!(
        done["messages"],
        json!([
            {"type": "metadata", "role": "user", "visibility": "visible", "isMeta": false, "content": shown},
            {"type": "instruction", "role": "user", "visibility": "hidden", "isMeta": true, "content": text("[PROJECT]")},
            {"type": "permissions", "role": "user", "visibility": "hidden", "isMeta": true, "content":
                {"type": "command_permissions", "allowed_tools": ["Read", "Bash(git:*)"], "model": "haiku"}},
        ])
    );
    assert_eq!(
        done["context_modifier"],
        json!({
            "allowed_tools": ["Read", "Bash(git:*)"], "disallowed_tools": [], "model": "haiku",
            "disable_model_invocation": false, "forbidden_operations": ["rm -rf"],
            "require_approval": ["database_write", "shell_exec"],
            "resource_limits": {"max_cpu_time": "30s", "max_memory": "512MB", "max_disk_io": "100MB"},
        })
    );
    assert_eq!(done["resources"], json!([{"path": "scripts/run.sh", "size": 10, "executable": true}]));
    assert_eq!(done["dynamic"], json!([{"line": 15, "command": "git diff HEAD"}]));
    let given = text(&env.project().to_string_lossy());
    assert_eq!(done["chars"], given.chars().count());
    assert_eq!(done["tokens_estimated"], given.len().div_ceil(4));
    assert_eq!(
        (&done["light"], &done["session"], &done["follow_up"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
    assert_eq!(codes(&done), ["dynamic"]);
}

#[test]
fn a_pipe_gets_the_text_and_an_api_its_messages() {
    let env = world();
    let text = env.run(&["skill", "activate", "plain"]).ends(0);
    assert!(
        text.stdout.starts_with("Base directory for this skill: [PROJECT]/.claude/skills/plain\n\n"),
        "{text:?}"
    );
    assert_eq!(text.stderr, "");
    for (format, kind, part) in
        [("anthropic", Value::Null, "text"), ("openai", json!("message"), "input_text")]
    {
        let run = env.run(&["skill", "activate", "plain", "--messages", format]).ends(0);
        let messages: Value = serde_json::from_str(&run.stdout).unwrap();
        let [message] = &messages.as_array().unwrap()[..] else { panic!("{messages}") };
        assert_eq!((&message["type"], &message["role"]), (&kind, &json!("user")));
        assert_eq!(message["content"].as_array().unwrap().len(), 1);
        assert_eq!(message["content"][0]["type"], part);
        assert_eq!(message["content"][0]["text"].as_str().unwrap().trim_end(), text.stdout.trim_end());
    }
    let run = env.run(&["skill", "activate", "argy"]).ends(0);
    assert!(run.stderr.contains("the command on line 15 was not run"), "{}", run.stderr);
}

#[test]
fn tools_have_the_names_of_the_agent() {
    let env = TestEnv::new();
    env.write("project/.agents/skills/argy/SKILL.md", ARGY);
    let done = activate(&env, &["argy", "--for", "gemini-cli"]);
    assert_eq!(done["context_modifier"]["allowed_tools"], json!(["read_file", "run_shell_command(git)"]));
    // Codex puts the whole file beside the prompt.
    let done = activate(&env, &["argy", "--for", "codex", "--arguments", "ann"]);
    let text = done["messages"][1]["content"].as_str().unwrap();
    let file = "[PROJECT]/.agents/skills/argy/SKILL.md";
    assert!(
        text.starts_with(&format!("<skill>\n<name>argy</name>\n<path>{file}</path>\n---\nname: argy\n")),
        "{text}"
    );
    assert!(text.contains("---\n\n# Argy\n\nann|ann|$1|") && text.ends_with("`\n\n</skill>"), "{text}");
    env.run(&["skill", "activate", "argy", "--for", "gemni-cli"]).ends(2).says("did you mean `gemini-cli`?");
}

#[test]
fn a_projects_settings_take_away_and_never_give() {
    let env = world();
    env.write(
        "project/.ba-agent/config.yaml",
        "runtime:\n  skill_permissions:\n    argy: {allowed_tools: [git, http_get], forbidden_operations: [sudo], \
         resource_limits: {max_cpu_time: 5s}}\n",
    );
    let done = activate(&env, &["argy"]);
    let modifier = &done["context_modifier"];
    assert_eq!(modifier["allowed_tools"], json!(["Bash(git:*)"]));
    assert_eq!(modifier["forbidden_operations"], json!(["rm -rf", "sudo"]));
    assert_eq!(modifier["resource_limits"]["max_cpu_time"], "5s");
    assert_eq!(modifier["resource_limits"]["max_memory"], "512MB");
}

#[test]
fn an_edited_skill_is_said_and_with_verify_refused() {
    let env = world();
    assert!(codes(&activate(&env, &["plain", "--verify"])).is_empty());
    env.write("project/.claude/skills/plain/extra.md", "mine\n");
    let done = activate(&env, &["plain"]);
    assert_eq!(codes(&done), ["edited"]);
    assert!(done["findings"][0]["message"].as_str().unwrap().contains("extra.md added"), "{done}");
    env.run(&["skill", "activate", "plain", "--verify"])
        .ends(6)
        .says("extra.md added")
        .says("skill diff plain");
    // What appears by itself is no edit.
    std::fs::remove_file(env.path("project/.claude/skills/plain/extra.md")).unwrap();
    env.write("project/.claude/skills/plain/.DS_Store", "x");
    assert!(codes(&activate(&env, &["plain", "--verify"])).is_empty());
    // Nobody recorded this one.
    env.skill("project/.claude/skills/by-hand");
    assert!(codes(&activate(&env, &["by-hand"])).is_empty());
    env.run(&["skill", "activate", "by-hand", "--verify"]).ends(6).says("skill adopt by-hand");
}

#[test]
fn a_skill_that_cannot_be_read_falls_back_to_what_was_installed() {
    let env = world();
    let sound = activate(&env, &["plain"]);
    for broken in ["---\nname: [\n---\nx\n", "no frontmatter\n", "", "\u{0}\u{1}"] {
        env.write("project/.claude/skills/plain/SKILL.md", broken);
        let done = activate(&env, &["plain"]);
        assert_eq!((&done["fallback"], &done["messages"]), (&json!(true), &sound["messages"]), "{broken:?}");
        assert_eq!(codes(&done), ["fallback"]);
        env.run(&["skill", "activate", "plain", "--verify"]).ends(6);
    }
    // Nothing is kept.
    env.run(&["cache", "clear", "--yes"]).ends(0);
    env.run(&["skill", "activate", "plain"]).ends(8).says("no earlier state of it is kept");
    env.write("project/.claude/skills/other/SKILL.md", "broken\n");
    env.run(&["skill", "activate", "other"]).ends(8).says("skill validate");
}

#[test]
fn what_a_skill_needs_is_named_before_it() {
    let env = world();
    let mut registry = env.registry();
    let needs = |name: &str| json!({"name": name, "kind": "declared", "key": "requires", "at": "SKILL.md:4"});
    registry["schema_version"] = json!("1.1");
    registry["skills"]["argy"]["dependencies"] = json!([needs("plain"), needs("gone")]);
    registry["skills"]["plain"]["dependencies"] = json!([needs("deeper"), needs("argy")]);
    env.write("project/config/skills_registry.json", registry.to_string());
    let done = activate(&env, &["argy"]);
    assert_eq!(done["dependencies"], json!(["deeper", "plain", "gone"]));
    assert_eq!(codes(&done), ["missing-dependency", "missing-dependency", "dynamic"]);
    assert!(done["findings"][0]["message"].as_str().unwrap().contains("`deeper`"), "{done}");
    // `validate` and the text are the same whether or not they are there.
    assert_eq!(done["success"], true);
}

#[test]
fn another_version_is_read_out_of_what_is_kept() {
    let env = TestEnv::new();
    let text = |version: &str| {
        format!(
            "---\nname: multi\ndescription: Has versions. Use it to try them.\nversion: {version}\n---\nThis is {version}.\n"
        )
    };
    env.write("src/skills/multi/SKILL.md", text("1.0.0"));
    let repo = env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--all"]).ends(0);
    env.write("src/skills/multi/SKILL.md", text("2.0.0"));
    crate::env::commit(&repo, "HEAD", &env.path("src"), "two");
    env.run(&["skill", "update", "--keep", "--yes"]).ends(0);
    let said = |more: &[&str]| {
        let mut args = vec!["multi"];
        args.extend(more);
        let done = activate(&env, &args);
        let text = done["messages"][1]["content"].as_str().unwrap().to_owned();
        (text, done["version"].clone(), done["base_dir"].as_str().unwrap().to_owned())
    };
    let (now, version, folder) = said(&[]);
    assert!(now.ends_with("This is 2.0.0.\n") && folder.ends_with(".claude/skills/multi"), "{now}");
    assert_eq!(version, "2.0.0");
    let (old, version, folder) = said(&["--version", "1.0.0", "--verify"]);
    assert!(old.ends_with("This is 1.0.0.\n") && old.contains(&folder), "{old}");
    assert_eq!((version, folder.as_str()), (json!("1.0.0"), "[PROJECT]/.ba-agent/versions/multi/1.0.0"));
    assert_eq!(said(&["--version", "latest"]).0, now);
    // Two versions in two conversations at the same time.
    let first = said(&["--version", "1.0.0", "--session", "a"]).0;
    let second = said(&["--session", "b"]).0;
    assert_eq!((first, second), (old, now));
    env.run(&["skill", "activate", "multi", "--version", "3"]).ends(3).says("skill versions multi");
}

#[test]
fn what_does_not_exist_is_named_with_what_comes_near() {
    let env = world();
    env.run(&["skill", "activate", "plian"]).ends(3).says("did you mean `plain`?");
    env.run(&["skill", "activate", "../plain"]).ends(3);
    env.run(&["skill", "activate", "plain/../argy"]).ends(3);
    env.run(&["skill", "activate", "plain", "--version", "9.9"]).ends(3).says("skill versions plain");
    activate(&env, &["argy", "--version", "1.0.0"]);
    env.run(&["skill", "activate", ""]).ends(3);
    env.run(&["skill", "activate", "a\u{1b}[31mb"]).ends(3).says("\\u{1b}");
}

#[test]
fn several_of_one_name_are_told_apart() {
    let env = TestEnv::new();
    let skill =
        |body: &str| format!("---\nname: deploy\ndescription: Deploys. Use it to deploy.\n---\n{body}\n");
    env.write("home/.claude/skills/deploy/SKILL.md", skill("One way.\nOf mine.\nAnd no other."));
    env.write("project/.claude/skills/deploy/SKILL.md", skill("Quite\nanother\nway\nof\nthe\nproject."));
    let text = |name: &str| env.run(&["skill", "activate", name]).ends(0).stdout;
    assert!(text("user:deploy").contains("Of mine."));
    assert!(text("project:deploy").contains("of\nthe\nproject."));
    assert_eq!(activate(&env, &["project:deploy"])["source"], "project");
}

#[test]
fn a_session_gets_the_same_text_once() {
    let env = world();
    let first = activate(&env, &["argy", "--session", "s1"]);
    assert_eq!((&first["light"], &first["follow_up"]), (&json!(false), &Value::Null));
    assert_eq!((&first["session"]["id"], &first["session"]["active"]), (&json!("s1"), &json!(["argy"])));
    let again = activate(&env, &["argy", "--session", "s1", "--arguments", "more"]);
    assert_eq!(again["light"], true);
    let text = again["messages"][1]["content"].as_str().unwrap();
    assert!(text.starts_with("The skill \"argy\" is active in this conversation already"), "{text}");
    assert!(text.ends_with("/.claude/skills/argy/SKILL.md.\n\nARGUMENTS: more"), "{text}");
    assert_eq!(text.lines().next().unwrap().matches('\n').count(), 0);
    let saved = again["follow_up"]["tokens_saved"].as_u64().unwrap();
    assert_eq!(
        again["follow_up"],
        json!({"is_follow_up": true, "step": null, "confidence": null, "tokens_saved": saved})
    );
    assert_eq!(again["context_modifier"], first["context_modifier"]);
    assert_eq!(activate(&env, &["argy", "--session", "s1", "--full"])["light"], false);
    assert_eq!(activate(&env, &["argy", "--session", "s2"])["light"], false);
    // Another skill of the same conversation: what both may do.
    let both = activate(&env, &["plain", "--session", "s1"]);
    assert_eq!((&both["light"], &both["session"]["active"]), (&json!(false), &json!(["argy", "plain"])));
    assert_eq!(both["context_modifier"]["allowed_tools"], json!([]));
    assert_eq!(both["session"]["context_modifier"]["allowed_tools"], json!(["Read", "Bash(git:*)"]));
    // A new file beside the same instructions is named; new instructions are given.
    env.write("project/.claude/skills/argy/more.md", "more\n");
    let again = activate(&env, &["argy", "--session", "s1"]);
    let text = again["messages"][1]["content"].as_str().unwrap();
    assert!(text.contains("Since then in its folder: more.md added."), "{text}");
    env.write("project/.claude/skills/argy/SKILL.md", ARGY.replace("# Argy", "# Argy, changed"));
    let changed = activate(&env, &["argy", "--session", "s1"]);
    assert_eq!(changed["light"], false);
    assert!(codes(&changed).contains(&"changed"), "{changed}");
    assert_eq!(activate(&env, &["argy", "--session", "s1"])["light"], true);
    // The log counts what was saved, and has no word of what was asked.
    let log = std::fs::read_to_string(env.state().join("usage.jsonl")).unwrap();
    assert!(
        log.contains("\"event\":\"followup\"") && log.contains(&format!("\"tokens_saved\":{saved}")),
        "{log}"
    );
    assert!(!log.contains("more") && !log.contains("s1"), "{log}");
}

#[test]
fn what_hides_in_the_instructions_is_named() {
    let env = TestEnv::new();
    let text = "---\nname: odd\ndescription: Does odd things. Use it when they are wanted.\n---\nRead\u{200b} this\u{7}.\n";
    env.write("project/.claude/skills/odd/SKILL.md", text);
    let done = activate(&env, &["odd"]);
    assert_eq!(codes(&done), ["hidden-characters", "hidden-characters"]);
    assert!(done["messages"][1]["content"].as_str().unwrap().contains("Read\u{200b} this\u{7}."));
    // What no installation would take is given to no model, unless somebody allowed it.
    let tags = text.replace('\u{200b}', "\u{e0041}\u{e0042}");
    env.write("project/.claude/skills/odd/SKILL.md", &tags);
    env.run(&["skill", "activate", "odd"]).ends(8).says("hidden tag characters that spell \"AB\"");
    env.write("src/other/SKILL.md", tags.replace("name: odd", "name: other"));
    env.run(&["skill", "install", "../src/other", "--allow", "tag-characters"]).ends(0);
    assert_eq!(codes(&activate(&env, &["other"])), ["hidden-characters", "hidden-characters"]);
    // An edit that hides something falls back to what was installed.
    env.skill("src/sound");
    env.run(&["skill", "install", "../src/sound"]).ends(0);
    let file = "project/.claude/skills/sound/SKILL.md";
    env.write(file, format!("{}\u{e0041}\n", env.read(file)));
    let done = activate(&env, &["sound"]);
    assert_eq!((codes(&done), &done["fallback"]), (vec!["fallback"], &json!(true)));
}

#[test]
fn a_message_says_whether_it_goes_on() {
    let env = world();
    let ask = |message: &str, more: &[&str]| {
        let mut args = vec!["plain", "--session", "s", "--message", message];
        args.extend(more);
        let done = activate(&env, &args);
        (done["light"].as_bool().unwrap(), done["follow_up"]["step"].as_str().map(str::to_owned))
    };
    let step = |name: &str| Some(name.to_owned());
    assert_eq!(ask("Extract the tables of the annual report", &[]), (false, None));
    assert_eq!(ask("now save them as CSV", &[]), (true, step("reference")));
    assert_eq!(ask("blue ink please", &[]), (true, step("length")));
    assert_eq!(ask("Every table with a total in the annual report", &[]), (true, step("terms")));
    assert_eq!(ask("Compose a cheerful birthday song for aunt Ann", &[]), (false, step("nothing")));
    assert_eq!(
        ask("Paint seven mountains behind grandmother's cottage", &["--followup", "yes"]),
        (true, step("caller"))
    );
    assert_eq!(ask("new topic: taxes", &["--followup", "yes"]), (false, step("reference")));
    assert_eq!(ask("and again", &["--full"]), (false, step("reference")));
    // Nothing of what was said is kept.
    let kept = std::fs::read_to_string(env.state().join("sessions/s.json")).unwrap();
    for word in ["annual", "report", "birthday", "grandmother", "taxes"] {
        assert!(!kept.contains(word), "{kept}");
    }
    env.run(&["skill", "activate", "plain", "--message", "x"]).ends(2);
}

#[test]
fn what_is_deactivated_is_given_whole_again() {
    let env = world();
    activate(&env, &["argy", "--session", "s"]);
    activate(&env, &["plain", "--session", "s"]);
    let left = env.run(&["skill", "deactivate", "argy", "--session", "s", "--json"]).ends(0).json();
    assert_eq!(left["session"]["active"], json!(["plain"]));
    assert_eq!(left["session"]["context_modifier"]["allowed_tools"], json!([]));
    env.run(&["skill", "deactivate", "argy", "--session", "s"]).ends(3).says("active are plain");
    env.run(&["skill", "deactivate", "plian", "--session", "s"]).ends(3).says("did you mean `plain`?");
    env.run(&["skill", "deactivate", "plain", "--session", "t"]).ends(3).says("no skill is active there");
    assert_eq!(activate(&env, &["argy", "--session", "s"])["light"], false);
    env.run(&["skill", "deactivate", "plain", "--session", "s"]).ends(0).says("active there: argy");
}

#[test]
fn bad_input_is_named_and_nothing_is_written() {
    let env = world();
    let deep = format!("{{\"a\":{}", "[".repeat(20_000));
    for input in ["", "x", "{", "[1]", "\"a\"", "3", "null", "{\"a\":1}}", &deep] {
        env.run(&["skill", "activate", "plain", "--input", input]).ends(2).says("--input");
    }
    for id in ["", "..", "../x", "a/b", ".x", "a b", "x\u{1b}", &"x".repeat(129)] {
        env.run(&["skill", "activate", "plain", "--session", id]).ends(2).says("not a valid session id");
        env.run(&["skill", "deactivate", "plain", "--session", id]).ends(2).says("not a valid session id");
    }
    let done =
        activate(&env, &["argy", "--arguments", "a\u{200b}b\u{1b}[31m", "--input", "{\"x\":\"\u{202e}\"}"]);
    assert_eq!(codes(&done), ["hidden-characters", "hidden-characters", "missing-input", "dynamic"]);
    assert!(done["messages"][1]["content"].as_str().unwrap().contains("a\u{200b}b\u{1b}[31m|"));
    let placeholders =
        activate(&env, &["argy", "--arguments", "'$ARGUMENTS' '{baseDir}'", "--input", "{\"city\":\"$0\"}"]);
    let text = placeholders["messages"][1]["content"].as_str().unwrap();
    assert!(
        text.contains("'$ARGUMENTS' '{baseDir}'|$ARGUMENTS|{baseDir}|$2|$ARGUMENTS|{baseDir}|$0|$0|"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn manifests_that_are_no_plain_files_stop_nothing_else() {
    let env = world();
    let folder = env.path("project/.claude/skills/huge");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::File::create(folder.join("SKILL.md")).unwrap().set_len(100 << 20).unwrap();
    env.run(&["skill", "activate", "huge"]).ends(8);
    let pipe = env.path("project/.claude/skills/pipe");
    std::fs::create_dir_all(&pipe).unwrap();
    let made = std::process::Command::new("mkfifo").arg(pipe.join("SKILL.md")).status();
    if made.is_ok_and(|status| status.success()) {
        env.run(&["skill", "activate", "pipe"]).ends(8);
    }
    let ring = env.path("project/.claude/skills/ring");
    std::fs::create_dir_all(&ring).unwrap();
    std::os::unix::fs::symlink("SKILL.md", ring.join("SKILL.md")).unwrap();
    assert_ne!(env.run(&["skill", "activate", "ring"]).status, 0);
    // A folder with a pipe beside a sound manifest.
    let made =
        std::process::Command::new("mkfifo").arg(env.path("project/.claude/skills/plain/pipe")).status();
    if made.is_ok_and(|status| status.success()) {
        assert_eq!(codes(&activate(&env, &["plain"])), ["edited"]);
    }
    activate(&env, &["argy"]);
}

#[cfg(unix)]
#[test]
fn a_session_file_that_cannot_be_used_is_begun_anew() {
    let env = world();
    activate(&env, &["plain", "--session", "s"]);
    let path = env.state().join("sessions/s.json");
    for spoil in 0..3 {
        match spoil {
            0 => std::fs::write(&path, "{\"session\":").unwrap(),
            1 => std::fs::write(&path, vec![b'['; 4 << 20]).unwrap(),
            _ => {
                std::fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink(env.path("canary"), &path).unwrap();
            }
        }
        let done = activate(&env, &["plain", "--session", "s"]);
        assert_eq!((codes(&done), &done["light"]), (vec!["session"], &json!(false)), "{done}");
        assert!(done["findings"][0]["message"].as_str().unwrap().contains("begins anew"), "{done}");
        assert_eq!(activate(&env, &["plain", "--session", "s"])["light"], true);
    }
    assert!(!env.path("canary").exists());
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_skill_of_the_program_is_activated_without_being_installed() {
    let env = TestEnv::new();
    let done = activate(&env, &["skill-finder"]);
    assert_eq!((&done["source"], &done["base_dir"]), (&json!("builtin"), &json!("builtin:skill-finder")));
}
