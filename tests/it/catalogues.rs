//! Minimal reproductions of what stands in real catalogues, each with what it resolves to, and
//! of catalogues that break the rules: what is said, with which status, and nothing written.

use std::path::Path;

use serde_json::{Value, json};

use crate::env::{TestEnv, commit};
use crate::marketplace::{catalogue, file_url, names, refused, shown};
use ba_agent_test_support::server::{Play, Server};

/// Registers the folder `m/` as `acme`.
fn add(env: &TestEnv) {
    env.run(&["marketplace", "add", "acme", "../m"]).ends(0);
}

/// What an entry resolves to: its skills, or the status and the words of the refusal.
#[track_caller]
fn resolves(env: &TestEnv, entry: &str, expected: Result<&[&str], (i32, &str)>) {
    let text = format!("{entry}@acme");
    match expected {
        Ok(skills) => assert_eq!(names(&shown(env, &text)), skills, "{entry}"),
        Err((status, words)) => refused(env, &["skill", "install", &text, "--all"], status, words),
    }
}

fn plugin_json(env: &TestEnv, folder: &str, document: &Value) {
    env.write(&format!("m/{folder}/.claude-plugin/plugin.json"), document.to_string());
}

/// A remote of a plugin with one skill in `sub/`, and its first commit.
fn remote(env: &TestEnv, name: &str) -> (String, String) {
    env.skill(&format!("{name}/sub/skills/{name}"));
    env.skill(&format!("{name}/skills/at-root"));
    let repo = env.git_repo(&format!("{name}.git"), &env.path(name));
    let sha = repo.refname_to_id("refs/heads/main").unwrap().to_string();
    env.write(&format!("{name}/later"), "x");
    commit(&repo, "refs/heads/main", &env.path(name), "later");
    (file_url(env, &format!("{name}.git")), sha)
}

/// Folders by convention, four shapes of pinned remotes, plugins of language servers with no
/// `plugin.json`, and a folder that is on the disk but not in the list.
#[test]
fn the_shape_of_the_official_catalogue() {
    let env = TestEnv::new();
    let (url, sha) = remote(&env, "far");
    env.skill("m/plugins/hookify/skills/writing-rules");
    env.write("m/plugins/hookify/agents/x.md", "x");
    env.skill("m/plugins/example-plugin/skills/example");
    let servers = json!({ "go": { "command": "gopls" } });
    let remote = |source: Value| json!({ "name": source["as"], "source": source["source"], "homepage": "https://x.example" });
    let plugins = json!([
        { "name": "hookify", "source": "./plugins/hookify", "category": "productivity", "author": { "name": "A" } },
        { "name": "gopls", "source": "./plugins/gopls", "strict": false, "lspServers": servers, "version": "1.0.0" },
        remote(json!({ "as": "url", "source": { "source": "url", "url": url, "sha": sha } })),
        remote(json!({ "as": "sub", "source": { "source": "git-subdir", "url": url, "path": "sub", "ref": "main", "sha": sha } })),
        remote(json!({ "as": "path", "source": { "source": "url", "url": url, "path": "sub", "sha": sha } })),
        remote(json!({ "as": "noref", "source": { "source": "git-subdir", "url": url, "path": "./sub/", "sha": sha } })),
        { "name": "renamed", "source": { "source": "git-subdir", "url": url, "path": "sub", "ref": "main", "sha": sha } },
    ]);
    env.write("m/plugins/gopls/README.md", "x");
    catalogue(&env, "m", &plugins);
    add(&env);
    resolves(&env, "hookify", Ok(&["writing-rules"]));
    resolves(&env, "gopls", Err((3, "it has 1 LSP server")));
    resolves(&env, "example-plugin", Err((3, "no entry `example-plugin`")));
    resolves(&env, "url", Ok(&["at-root"]));
    // Several entries of one source and sha are one tree, and each is itself.
    for entry in ["sub", "path", "noref", "renamed"] {
        resolves(&env, entry, Ok(&["far"]));
        let skill = &shown(&env, &format!("{entry}@acme"))["skills"][0];
        assert_eq!(skill["pin"]["commit"], sha);
        assert_eq!(skill["marketplace"]["entry"], entry);
    }
}

/// One root, cut into entries by `skills`; what no entry lists is nobody's.
#[test]
fn the_shape_of_a_root_that_lists_its_skills() {
    let env = TestEnv::new();
    for skill in ["skills/pdf", "skills/docx", "skills/art", "template"] {
        env.skill(&format!("m/{skill}"));
    }
    let entry = |name: &str, skills: Value| json!({ "name": name, "source": "./", "strict": false, "skills": skills });
    let gone = entry("gone", json!(["./skills/none"]));
    catalogue(
        &env,
        "m",
        &json!([
            entry("documents", json!(["./skills/pdf", "./skills/docx"])),
            entry("examples", json!(["./skills/art"])),
            gone
        ]),
    );
    add(&env);
    resolves(&env, "documents", Ok(&["docx", "pdf"]));
    resolves(&env, "examples", Ok(&["art"]));
    // Where none of the listed is there, the default scan holds.
    resolves(&env, "gone", Ok(&["art", "docx", "pdf"]));
}

/// Many plugins by convention, one with a list beside it, one that floats, many without
/// skills.
#[test]
fn the_shape_of_a_catalogue_of_many_plugins() {
    let env = TestEnv::new();
    let (url, _) = remote(&env, "far");
    env.skill("m/plugins/a/skills/one");
    env.skill("m/plugins/a/skills/two");
    env.skill("m/plugins/listed/decks/pptx");
    plugin_json(
        &env,
        "plugins/listed",
        &json!({ "name": "listed", "version": "2.1.0", "skills": ["./decks/pptx"] }),
    );
    env.write("m/plugins/none/agents/x.md", "x");
    env.write("m/plugins/none/commands/y.md", "y");
    let local =
        |name: &str| json!({ "name": name, "source": format!("./plugins/{name}"), "version": "1.0.0" });
    let floating =
        json!({ "name": "floating", "source": { "source": "git-subdir", "url": url, "path": "sub" } });
    catalogue(&env, "m", &json!([local("a"), local("listed"), local("none"), floating]));
    add(&env);
    resolves(&env, "a", Ok(&["one", "two"]));
    resolves(&env, "listed", Ok(&["pptx"]));
    // The plugin's own version goes before the entry's.
    assert_eq!(shown(&env, "listed@acme")["skills"][0]["version"], "2.1.0");
    assert_eq!(shown(&env, "a@acme")["skills"][0]["version"], "1.0.0");
    resolves(&env, "none", Err((3, "it has 1 agent, 1 command")));
    resolves(&env, "floating", Ok(&["far"]));
}

/// One root with `skills` in both files: each skill is reached twice, and is one. Without
/// `skills` in either, the folder of that name.
#[test]
fn the_shape_of_a_root_that_is_one_plugin() {
    for skills in [Some("./skills/"), None] {
        let env = TestEnv::new();
        env.skill("m/skills/one");
        env.skill("m/skills/two");
        env.skill("m/elsewhere/three");
        plugin_json(
            &env,
            ".",
            &json!({ "name": "all", "skills": skills, "keywords": [], "agents": [], "category": "x" }),
        );
        catalogue(&env, "m", &json!([{ "name": "all", "source": "./", "skills": skills }]));
        add(&env);
        resolves(&env, "all", Ok(&["one", "two"]));
        assert_eq!(env.run(&["skill", "search", "one", "--json"]).ends(0).json()["total"], 1);
    }
}

/// `.github/plugin/`, paths without `./`, skills under `extensions` that a build puts in place
/// on another branch, `github` with `path`, and the branch itself.
#[test]
fn the_shape_of_a_catalogue_that_is_built() {
    let env = TestEnv::new();
    let own = json!({ "name": "kanban", "extensions": { "com.example.build": { "skills": ["./skills/a", "./skills/b"] } },
        "agents": ["a11y-auditor"], "tags": ["x"] });
    env.write("m/plugins/kanban/.github/plugin/plugin.json", own.to_string());
    env.skill("m/skills/a");
    let source = json!({ "source": "github", "repo": "acme/far", "path": "sub", "sha": "1".repeat(40) });
    let plugins =
        json!([{ "name": "kanban", "source": "plugins/kanban" }, { "name": "far", "source": source }]);
    let document = json!({ "name": "built", "owner": { "name": "o" }, "metadata": { "pluginRoot": "./plugins" }, "plugins": plugins });
    env.write("m/.github/plugin/marketplace.json", document.to_string());
    let repo = env.git_repo("m.git", &env.path("m"));
    let url = file_url(&env, "m.git");
    env.run(&["marketplace", "add", "acme", &url]).ends(0).says("2 entries, 1 skill");
    // Listed for a build, but there: taken from where it lies.
    resolves(&env, "kanban", Ok(&["a"]));
    env.skill("m/plugins/kanban/skills/a");
    commit(&repo, "refs/heads/marketplace", &env.path("m"), "built");
    env.run(&["marketplace", "add", "acme", &format!("{url}#marketplace"), "--force"])
        .ends(0)
        .says("3 entries, 2 skills");
    // The skill lies at the root of the repository too: each keeps a name of its own.
    resolves(&env, "kanban", Ok(&["kanban-a"]));
    assert!(env.run(&["marketplace", "validate", "../m"]).ends(0).stdout.contains("source-undocumented"));
}

/// Catalogues of other programs: `local` sources and `policy` without an owner, read where
/// nothing else is there, and one that must be named.
#[test]
fn the_shapes_of_other_dialects() {
    let env = TestEnv::new();
    env.skill("m/plugins/x/skills/one");
    let entry = json!({ "name": "x", "source": { "source": "local", "path": "./plugins/x" }, "policy": { "installation": "AVAILABLE" } });
    let document = json!({ "name": "codex", "interface": { "displayName": "C" }, "plugins": [entry] });
    env.write("m/.agents/plugins/marketplace.json", document.to_string());
    add(&env);
    resolves(&env, "x", Ok(&["one"]));
    env.run(&["marketplace", "validate", "../m", "--strict"]).ends(0);
    let cursor = json!({ "name": "cursor", "owner": { "name": "o" }, "plugins": [{ "name": "y", "source": "./plugins/x" }] });
    env.write("m/.cursor-plugin/marketplace.json", cursor.to_string());
    let named = "../m/.cursor-plugin/marketplace.json";
    env.run(&["marketplace", "add", "acme", named, "--force"]).ends(0);
    resolves(&env, "y", Ok(&["one"]));
    resolves(&env, "x", Err((3, "no entry `x`")));
    // Named, `{"source": "url", "url": "./"}` is the root.
    let root =
        json!({ "name": "codex", "plugins": [{ "name": "z", "source": { "source": "url", "url": "./" } }] });
    env.write("m/.agents/plugins/marketplace.json", root.to_string());
    env.skill("m/skills/two");
    env.run(&["marketplace", "add", "acme", "../m/.agents/plugins/marketplace.json", "--force"]).ends(0);
    resolves(&env, "z", Ok(&["two"]));
}

/// Folders that are not there, and a plugin whose own name no folder could have.
#[test]
fn the_shapes_of_fixtures() {
    let env = TestEnv::new();
    env.skill("m/plugins/spaced/skills/one");
    plugin_json(&env, "plugins/spaced", &json!({ "name": "My Plugin With Spaces" }));
    let plugins = json!([{ "name": "azure", "source": "./.github/plugins/azure-skills" }, { "name": "spaced", "source": "./plugins/spaced" }]);
    catalogue(&env, "m", &plugins);
    add(&env);
    resolves(&env, "azure", Err((3, "there is no folder `.github/plugins/azure-skills`")));
    resolves(&env, "spaced", Ok(&["one"]));
}

#[test]
fn a_catalogue_that_is_none_says_everything_at_once() {
    let env = TestEnv::new();
    for (text, words) in [
        ("", &["not JSON"][..]),
        ("<!doctype html>", &["not JSON"]),
        ("{\"plugins\": [", &["not JSON"]),
        ("[]", &["is a list, not an object"]),
        ("{}", &["no `name`", "no `owner`", "no `plugins`"]),
        (r#"{"name": 7, "owner": "me", "plugins": {}}"#, &["`name` is", "`owner` is", "`plugins` is"]),
        (r#"{"name": "m", "owner": {}, "plugins": null}"#, &["`owner` has no `name`", "no `plugins`"]),
    ] {
        env.write("m/.claude-plugin/marketplace.json", text);
        for words in words {
            refused(&env, &["marketplace", "add", "acme", "../m"], 8, words);
            let run = env.run(&["marketplace", "validate", "../m"]).ends(8);
            assert!(run.stdout.contains(words), "{text}: {}", run.stdout);
        }
    }
    assert!(!env.path("project/config").exists());
}

#[test]
fn a_catalogue_that_a_host_sends_without_end_is_cut_off() {
    let (env, server) = (TestEnv::new(), Server::start_bare(Path::new("/nonexistent")));
    server.play("/", Play::Bytes("application/json", vec![b' '; 33 << 20]));
    for path in ["/marketplace.json", "/.well-known/skills/index.json"] {
        refused(
            &env,
            &["marketplace", "add", "acme", &format!("{}{path}", server.url())],
            8,
            "sent more than",
        );
    }
}

#[test]
fn an_entry_that_breaks_the_rules_installs_nothing() {
    let env = TestEnv::new();
    env.skill("m/a/skills/one");
    env.skill("outside/skills/two");
    plugin_json(&env, "own", &json!({ "name": "own", "skills": ["../../outside/skills/two"] }));
    env.skill("m/own/skills/three");
    let entry = |name: &str, source: Value| json!({ "name": name, "source": source });
    let away = format!("file://{}", env.path("nowhere.git").display());
    let skills = |name: &str, path: &str| json!({ "name": name, "source": "./a", "skills": [path] });
    let document = json!({
        "name": "m", "owner": { "name": "o" },
        "renames": { "old": "older", "older": "old", "withdrawn": null },
        "plugins": [
            entry("up", json!("../outside")), entry("absolute", json!("/etc")), entry("drive", json!("C:/x")),
            skills("skills-up", "../../outside"), skills("skills-absolute", "/etc"),
            entry("own", json!("./own")), entry("own-up", json!({ "source": "local", "path": "a/../../outside" })),
            entry("twice", json!("./a")), entry("twice", json!("./own")),
            entry("command", json!({ "source": "command", "command": "touch x" })),
            entry("rev", json!({ "source": "url", "url": away, "rev": "main" })),
            entry("short", json!({ "source": "url", "url": away, "sha": "d16d14a" })),
            entry("away", json!({ "source": "url", "url": away })),
            entry("typed", json!(7)),
        ],
    });
    env.write("m/.claude-plugin/marketplace.json", document.to_string());
    add(&env);
    for (name, status, words) in [
        ("up", 8, "leads out of the folder"),
        ("absolute", 8, "is absolute"),
        ("drive", 8, "of the source"),
        ("skills-up", 8, "leads out of the folder"),
        ("skills-absolute", 8, "is absolute"),
        ("own", 8, "leads out of the folder"),
        ("own-up", 8, "leads out of the folder"),
        ("twice", 8, "two entries are called `twice`"),
        ("command", 8, "runs a command"),
        ("rev", 8, "has no effect"),
        ("short", 8, "not a full commit sha"),
        ("away", 3, "nowhere.git"),
        ("typed", 8, "should be text or an object"),
        ("old", 8, "form a cycle"),
        ("withdrawn", 3, "was withdrawn"),
    ] {
        resolves(&env, name, Err((status, words)));
    }
    let run = env.run(&["marketplace", "add", "copy", "../m"]).ends(0);
    let run = run.says("findings (").says("`ba-agent marketplace validate copy` lists them");
    assert!(!run.stderr.contains("(0 errors)"), "{}", run.stderr);
    env.run(&["marketplace", "validate", "copy"]).ends(8);
    let run = env.run(&["marketplace", "validate", "../m"]).ends(8);
    for code in [
        "renames-cycle",
        "entry-duplicate",
        "source-path",
        "skills-path",
        "source-command",
        "source-pin",
        "source-sha",
    ] {
        assert!(run.stdout.contains(&format!("error[{code}]")), "{code}: {}", run.stdout);
    }
}
