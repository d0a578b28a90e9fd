//! `config`: who says what a setting is, and files in which a single line changes.

use serde_json::Value;

use crate::env::{Run, TestEnv};

fn setting(env: &TestEnv, key: &str) -> (Value, String) {
    let one = env.run(&["config", "get", key, "--json"]).ends(0).json();
    (one["value"].clone(), one["origin"].as_str().unwrap().to_owned())
}

fn set(env: &TestEnv, args: &[&str]) -> Run {
    env.run(&[&["config", "set"], args].concat())
}

#[test]
fn every_setting_is_listed_with_who_says_it() {
    let mut env = TestEnv::new();
    env.write(
        "settings/config.yaml",
        "skills:\n  cache_limit: 2GiB\n  npm_url: https://npm.example\n  limits:\n    file: 1MiB\n",
    );
    env.write(
        "project/.ba-agent/config.yaml",
        "skills:\n  agents: [codex]\n  limits:\n    file: 8MiB\n    pack: 1MiB\n",
    );
    env.set("BA_AGENT_NPM_URL", "https://other.example");
    env.set("GH_TOKEN", "canary");
    let list = env.run(&["config", "list", "--json"]).ends(0);
    assert!(!list.stdout.contains("canary"));
    let settings = list.json()["settings"].as_array().unwrap().clone();
    let of = |key: &str| {
        let one = settings.iter().find(|one| one["key"] == key).unwrap();
        (one["value"].as_str().unwrap_or("-").to_owned(), one["origin"].as_str().unwrap().to_owned())
    };
    for (key, value, origin) in [
        ("agents", "codex", "project"),
        ("cache_limit", "2GiB", "user"),
        ("npm_url", "https://other.example", "environment"),
        ("limits.pack", "1MiB", "project"),
        // A project may not raise it.
        ("limits.file", "1MiB", "user"),
        ("limits.depth", "32", "default"),
        ("github_url", "https://github.com", "default"),
        ("auth.github_token", "-", "environment"),
    ] {
        assert_eq!(of(key), (value.to_owned(), origin.to_owned()), "{key}");
    }
    let text = env.run(&["config", "list"]).ends(0).stdout;
    assert!(text.contains("npm_url\thttps://other.example\tBA_AGENT_NPM_URL\n"), "{text}");
    assert!(text.contains("auth.github_token\t(hidden)\tGH_TOKEN\n") && text.lines().count() == 57, "{text}");
    assert_eq!(env.run(&["config", "get", "cache_limit"]).ends(0).stdout, "2GiB\n");
}

#[test]
fn what_skills_may_and_how_they_are_listed_is_set_by_its_own_sections() {
    let env = TestEnv::new();
    let file = "project/.ba-agent/config.yaml";
    env.write("project/claude-skills-loader-config.yaml", "loader:\n  format: list\n  max_workers: 2\n");
    assert_eq!(env.run(&["config", "get", "loader.format"]).ends(0).stdout, "list\n");
    env.run(&["config", "set", "loader.format", "xml"]).ends(0);
    env.run(&["config", "set", "loader.context_budget.buffer_ratio", "0.2"]).ends(0);
    env.run(&["config", "set", "runtime.permissions.require_approval", "shell_exec,http_get"]).ends(0);
    let text = env.read(file);
    assert!(text.contains("loader:\n  format: xml\n  context_budget:\n    buffer_ratio: 0.2\n"), "{text}");
    assert!(text.contains("require_approval: [shell_exec, http_get]"), "{text}");
    let settings = env.run(&["config", "list", "--json"]).ends(0).json()["settings"].clone();
    let of = |key: &str| {
        let one = settings.as_array().unwrap().iter().find(|one| one["key"] == key).unwrap();
        (one["value"].as_str().unwrap().to_owned(), one["from"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(of("loader.format").0, "xml");
    assert!(of("loader.max_workers").1.ends_with("claude-skills-loader-config.yaml"));
    for (key, value) in [
        ("loader.format", "html"),
        ("loader.context_budget.metadata_ratio", "0.9"),
        ("loader.context_budget.total_chars", "10"),
        ("loader.dependency.allow_sources", "o/r"),
        ("loader.scan_sources", "x"),
        ("monitoring.usage_log", "maybe"),
    ] {
        assert_eq!(env.run(&["config", "set", key, value]).ends(2).stdout, "", "{key}");
    }
    assert_eq!(env.read(file), text);
    env.write(file, "loader:\n  formt: xml\n");
    let error = env.run(&["config", "list"]).ends(2).stderr;
    assert!(error.contains("formt") && error.contains("line 2"), "{error}");
}

#[test]
fn one_line_changes_and_all_others_stay() {
    let env = TestEnv::new();
    let file = "project/.ba-agent/config.yaml";
    let text = "# ours\nskills:\n  # who gets them\n  agents:\n    - claude-code # the first\n    - codex\n\n  install_dir: ./x   # why\n# end\n";
    env.write(file, text);
    set(&env, &["install_dir", "./y"]).ends(0).says("Set install_dir");
    assert_eq!(env.read(file), text.replace("./x ", "./y "));
    set(&env, &["agents", "cursor", "codex"]).ends(0);
    let now = "# ours\nskills:\n  # who gets them\n  agents: [cursor, codex] # the first\n\n  install_dir: ./y   # why\n# end\n";
    assert_eq!(env.read(file).replace(" # the first", ""), now.replace(" # the first", ""));
    set(&env, &["agents", "cursor,codex"]).ends(0).says("Unchanged agents");
    set(&env, &["limits.file", "1MiB"]).ends(0);
    assert_eq!(setting(&env, "limits.file"), ("1MiB".into(), "project".into()));
    for key in ["limits.file", "agents", "install_dir"] {
        env.run(&["config", "unset", key]).ends(0);
        assert_eq!(setting(&env, key).1, "default", "{key}");
    }
    assert!(
        env.read(file).starts_with("# ours\n") && env.read(file).ends_with("# end\n"),
        "{}",
        env.read(file)
    );
    env.run(&["config", "unset", "agents"]).ends(0).says("Unchanged");
}

#[test]
fn a_new_file_names_its_schema() {
    let env = TestEnv::new();
    set(&env, &["agents", "codex"]).ends(0);
    let text = env.read("project/.ba-agent/config.yaml");
    assert!(
        text.starts_with("# yaml-language-server: $schema=https://")
            && text.ends_with("skills:\n  agents: [codex]\n"),
        "{text}"
    );
    assert!(text.contains("/schemas/settings.schema.json\n"));
    set(&env, &["cache_limit", "3GiB", "--global"]).ends(0);
    assert!(env.read("settings/config.yaml").contains("cache_limit: 3GiB"));
    env.skill("src/pdf");
    env.run(&["install", "../src/pdf"]).ends(0).says(".agents/skills");
}

/// The table of the README says who may set what.
#[test]
fn what_is_no_value_or_not_this_scopes_to_say_is_not_written() {
    let env = TestEnv::new();
    for (args, status, said) in [
        (&["cache_limit", "1GiB"][..], 2, "cannot be set by a project"),
        (&["auth.github_token", "x"], 2, "cannot be set by a project"),
        (&["allow_http", "true"], 2, "--global"),
        (&["install_dir", "../x"], 2, "is outside the project"),
        (&["registry", ".git/hooks/x"], 2, "is outside the project"),
        (&["agents", "${HOME}"], 2, "variable"),
        (&["agents", "claud-code"], 2, "did you mean `claude-code`?"),
        (&["cache_limit", "lots", "--global"], 2, "not a valid size"),
        (&["allow_http", "perhaps", "--global"], 2, "true or false"),
        (&["github_url", "nothing", "--global"], 2, "not the address of a host"),
        (&["agent", "codex"], 3, "did you mean `agents`?"),
        (&["install_dir", "./a", "./b"], 2, "takes one value"),
    ] {
        set(&env, args).ends(status).says(said);
    }
    assert!(!env.path("project/.ba-agent").exists() && !env.path("settings/config.yaml").exists());
    let odd = "skills: {agents: [codex]}\n";
    env.write("project/.ba-agent/config.yaml", odd);
    set(&env, &["install_dir", "./x"]).ends(2).says("config edit");
    assert_eq!(env.read("project/.ba-agent/config.yaml"), odd);
    env.write("project/.ba-agent/config.yaml", "skills:\n  nothing: 1\n");
    env.run(&["config", "list"]).ends(2).says("line 2");
}

#[test]
fn a_token_is_written_and_never_shown() {
    let env = TestEnv::new();
    let run = set(&env, &["auth.github_token", "canary", "--global"]).ends(0).says("as it is");
    assert!(!run.stderr.contains("canary"));
    for args in
        [&["config", "get", "auth.github_token"][..], &["config", "list"], &["config", "list", "--json"]]
    {
        assert!(!env.run(args).ends(0).stdout.contains("canary"), "{args:?}");
    }
    let quiet = set(&env, &["auth.github_token", "${MY_TOKEN}", "--global"]).ends(0);
    assert!(!quiet.stderr.contains("as it is"), "{}", quiet.stderr);
    assert!(env.read("settings/config.yaml").contains("github_token: \"${MY_TOKEN}\""));
}

#[test]
fn an_editor_that_has_the_file_open_is_named() {
    let env = TestEnv::new();
    env.write("project/.ba-agent/config.yaml", "skills:\n  agents: [codex]\n");
    env.write("project/.ba-agent/.config.yaml.swp", "");
    set(&env, &["agents", "cursor"]).ends(0).says("an editor seems to have").says(".config.yaml.swp");
}

#[cfg(unix)]
#[test]
fn a_projects_file_that_leads_out_is_not_changed() {
    let env = TestEnv::new();
    env.write("outside.yaml", "skills:\n  agents: [codex]\n");
    std::fs::create_dir_all(env.path("project/.ba-agent")).unwrap();
    std::os::unix::fs::symlink(env.path("outside.yaml"), env.path("project/.ba-agent/config.yaml")).unwrap();
    set(&env, &["agents", "cursor"]).ends(2).says("outside it");
    assert!(env.read("outside.yaml").contains("codex"));
    // One's own stays a link.
    std::os::unix::fs::symlink(env.path("outside.yaml"), env.path("settings/config.yaml")).unwrap();
    std::fs::remove_file(env.path("project/.ba-agent/config.yaml")).unwrap();
    set(&env, &["agents", "cursor", "--global"]).ends(0);
    assert!(env.read("outside.yaml").contains("cursor"));
    assert!(env.path("settings/config.yaml").symlink_metadata().unwrap().is_symlink());
}

/// The editor is a script that writes what the test says.
#[cfg(unix)]
#[test]
fn what_was_edited_is_taken_over_if_it_can_be_used() {
    use crate::pty::Terminal;
    let mut env = TestEnv::new();
    let file = "project/.ba-agent/config.yaml";
    let edit = |env: &TestEnv, said: &str| {
        let mut terminal = Terminal::run(env.command(&["config", "edit"]));
        terminal.wait_for(said);
        terminal.end();
    };
    env.set("EDITOR", "printf 'skills:\\n  agents: [codex]\\n' >");
    edit(&env, "Changed");
    assert_eq!(env.read(file), "skills:\n  agents: [codex]\n");
    env.set("EDITOR", "true");
    edit(&env, "Unchanged");
    for bad in ["skills:\\n  nothing: 1\\n", "skills:\\n  allow_http: true\\n", "skills: ["] {
        env.set("VISUAL", format!("printf '{bad}' >"));
        edit(&env, "what you wrote is in");
        assert_eq!(env.read(file), "skills:\n  agents: [codex]\n", "{bad}");
    }
    let other = env.path(file).display().to_string();
    env.set(
        "VISUAL",
        format!("printf 'skills:\\n  agents: [roo]\\n' > {other}; printf 'skills:\\n  agents: [zed]\\n' >"),
    );
    edit(&env, "was changed meanwhile");
    assert_eq!(env.read(file), "skills:\n  agents: [roo]\n");
    env.run(&["config", "edit", "--json"]).ends(2);
}
