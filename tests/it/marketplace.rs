//! `marketplace …`: registering, renewing, checking, and what an entry of one leads to.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::env::{TestEnv, commit, skill_md};
use ba_agent_test_support::server::{Play, Server};

/// A marketplace is registered for the user unless it is asked for the project.
const FILE: &str = "settings/skills_marketplaces.json";
const OF_PROJECT: &str = "project/config/skills_marketplaces.json";

/// Writes a catalogue of these entries below the root.
pub(crate) fn catalogue(env: &TestEnv, folder: &str, plugins: &Value) {
    let document = json!({ "name": "acme", "owner": { "name": "Acme" }, "plugins": plugins });
    env.write(&format!("{folder}/.claude-plugin/marketplace.json"), document.to_string());
}

/// A marketplace in `m/` with two entries of skills, one of agents, and one that is broken.
fn shop() -> TestEnv {
    let env = TestEnv::new();
    for skill in ["office/skills/pdf", "office/skills/docx", "data/skills/sql", "data/skills/pdf"] {
        env.skill(&format!("m/plugins/{skill}"));
    }
    env.write("m/plugins/crew/agents/boss.md", "x");
    env.write("m/plugins/crew/.mcp.json", "{}");
    catalogue(
        &env,
        "m",
        &json!([
            { "name": "office", "source": "./plugins/office", "description": "Papers", "tags": ["work"] },
            { "name": "data", "source": "plugins/data", "category": "databases", "version": "1.2.0" },
            { "name": "crew", "source": "./plugins/crew" },
            { "name": "bad", "source": { "source": "command", "command": "x" } },
        ]),
    );
    env
}

pub(crate) fn file_url(env: &TestEnv, below: &str) -> String {
    format!("file://{}", env.path(below).display())
}

/// Runs, expects a refusal, and that nothing changed but the cache.
#[track_caller]
pub(crate) fn refused(env: &TestEnv, args: &[&str], status: i32, words: &str) {
    let before = (env.picture("project"), env.picture("home"), env.picture("settings"));
    env.run(args).ends(status).says(words);
    assert_eq!(
        before,
        (env.picture("project"), env.picture("home"), env.picture("settings")),
        "the disk changed"
    );
}

pub(crate) fn shown(env: &TestEnv, what: &str) -> Value {
    env.run(&["skill", "show", what, "--json"]).ends(0).json()
}

pub(crate) fn names(shown: &Value) -> Vec<&str> {
    shown["skills"].as_array().unwrap().iter().map(|skill| skill["name"].as_str().unwrap()).collect()
}

#[test]
fn a_marketplace_is_added_listed_shown_switched_off_and_removed() {
    let env = shop();
    env.git_repo("m.git", &env.path("m"));
    let url = file_url(&env, "m.git");
    let run = env.run(&["marketplace", "add", "acme", &url]).ends(0).says("Added acme");
    assert!(run.stderr.contains("4 entries, 4 skills in it"), "{}", run.stderr);
    assert!(run.stderr.contains("the entry `bad` cannot be used"), "{}", run.stderr);
    let known = &serde_json::from_str::<Value>(&env.read(FILE)).unwrap()["marketplaces"]["acme"];
    assert_eq!(known["source"], url);
    assert_eq!(known["manifest"], ".claude-plugin/marketplace.json");
    assert_eq!((&known["enabled"], &known["fetched_at"]), (&json!(true), &json!("2026-01-02T03:04:05Z")));
    assert_eq!(known["pin"]["commit"].as_str().unwrap().len(), 40);
    assert!(env.run(&["marketplace", "list"]).ends(0).stdout.starts_with("acme\tfile://"));
    let entries = env.run(&["marketplace", "show", "acme", "--json"]).ends(0).json();
    assert_eq!(entries["entries"][0]["skills"], json!(["docx", "pdf"]));
    assert_eq!(
        entries["entries"][3]["fault"].as_str().map(|fault| fault.contains("runs a command")),
        Some(true)
    );
    assert!(env.run(&["marketplace", "show", "acme", "sql"]).ends(0).stdout.contains("databases"));
    env.run(&["marketplace", "disable", "acme"]).ends(0);
    assert_eq!(env.run(&["skill", "search", "sql", "--json"]).ends(0).json()["total"], 0);
    env.run(&["marketplace", "enable", "acme"]).ends(0);
    env.run(&["marketplace", "remove", "acme"]).ends(0);
    assert_eq!(env.run(&["marketplace", "list", "--json"]).ends(0).json()["marketplaces"], json!([]));
    refused(&env, &["marketplace", "remove", "acme"], 3, "no marketplace named `acme`");
}

#[test]
fn an_entry_and_a_skill_of_one_are_found_by_name() {
    let env = shop();
    env.run(&["marketplace", "add", "acme", "../m"]).ends(0);
    assert_eq!(names(&shown(&env, "office@acme")), ["docx", "office-pdf"]);
    let sql = shown(&env, "sql@acme");
    assert_eq!((names(&sql), &sql["skills"][0]["version"]), (vec!["sql"], &json!("1.2.0")));
    // One name in two entries: each keeps a name of its own, whichever was asked for.
    assert_eq!(names(&shown(&env, "data:pdf@acme")), ["data-pdf"]);
    refused(&env, &["skill", "show", "pdf@acme"], 2, "write `office:pdf`");
    refused(&env, &["skill", "show", "ofice@acme"], 3, "did you mean `office`?");
    refused(&env, &["skill", "show", "office@acmee"], 3, "did you mean `acme`?");
    refused(&env, &["skill", "show", "bad@acme"], 8, "runs a command");
    let run = env.run(&["skill", "show", "crew@acme"]).ends(3).says("the entry `crew` has no skills");
    assert!(run.stderr.contains("it has 1 agent, 1 MCP server"), "{}", run.stderr);
    env.run(&["skill", "show", "data@acme"]).ends(0).says("does not begin with `./`");
}

#[test]
fn a_plain_repository_is_a_marketplace_of_its_skills() {
    let env = TestEnv::new();
    env.skill("src/skills/pdf");
    env.skill("src/skills/docx");
    env.skill("src/templates/sample");
    env.git_repo("src.git", &env.path("src"));
    env.run(&["marketplace", "add", "plain", &file_url(&env, "src.git")]).ends(0).says("2 entries, 2 skills");
    assert_eq!(names(&shown(&env, "pdf@plain")), ["pdf"]);
    env.run(&["marketplace", "show", "plain", "docx"]).ends(0);
    env.write("empty/README.md", "x");
    refused(&env, &["marketplace", "add", "empty", "../empty"], 3, "no catalogue and no skill");
}

#[test]
fn a_root_with_explicit_skills_has_those_and_no_others() {
    let env = TestEnv::new();
    for skill in ["a", "b", "c"] {
        env.skill(&format!("m/skills/{skill}"));
    }
    let entry = |name: &str, skills: Value| json!({ "name": name, "source": "./", "strict": false, "skills": skills });
    catalogue(
        &env,
        "m",
        &json!([entry("one", json!(["./skills/a", "./skills/c"])), entry("two", json!(["./skills/b"]))]),
    );
    env.run(&["marketplace", "add", "acme", "../m"]).ends(0);
    assert_eq!(names(&shown(&env, "one@acme")), ["a", "c"]);
    assert_eq!(names(&shown(&env, "two@acme")), ["b"]);
}

#[test]
fn the_sha_of_an_entry_goes_before_its_ref_and_must_exist() {
    let env = TestEnv::new();
    env.skill("p/kit/skills/pdf");
    let repo = env.git_repo("p.git", &env.path("p"));
    let first = repo.refname_to_id("refs/heads/main").unwrap().to_string();
    env.write("p/kit/skills/pdf/SKILL.md", skill_md("pdf", "Second edition of it, with more in it."));
    let second = commit(&repo, "refs/heads/main", &env.path("p"), "second").to_string();
    let url = file_url(&env, "p.git");
    let entry = |name: &str, source: Value| json!({ "name": name, "source": source });
    let sub = |sha: &str| json!({ "source": "url", "url": url, "path": "kit", "ref": "main", "sha": sha });
    catalogue(
        &env,
        "m",
        &json!([
            entry("old", sub(&first)),
            entry("lost", sub(&"1".repeat(40))),
            entry("floating", json!({ "source": "git-subdir", "url": url, "path": "kit" })),
            entry("plain", json!(url)),
            entry("away", json!({ "source": "git-subdir", "url": url, "path": "gone" })),
        ]),
    );
    env.run(&["marketplace", "add", "acme", "../m"]).ends(0);
    let view = shown(&env, "old@acme");
    assert_eq!(view["skills"][0]["pin"]["commit"], first);
    assert_eq!(view["skills"][0]["path"], "kit/skills/pdf");
    assert_eq!(view["skills"][0]["marketplace"], json!({ "name": "acme", "entry": "old" }));
    env.run(&["skill", "show", "old@acme"]).ends(0).says("is not documented");
    assert_eq!(shown(&env, "floating@acme")["skills"][0]["pin"]["commit"], second);
    refused(&env, &["skill", "show", "lost@acme"], 3, "1111111");
    refused(&env, &["skill", "show", "away@acme"], 3, "gone");
    // The repository's root has no `skills/`: the rules find nothing there, and it is said where it is.
    refused(&env, &["skill", "show", "plain@acme"], 3, "kit/skills/pdf");
}

#[test]
fn an_archive_is_held_to_its_sha256() {
    let env = TestEnv::new();
    env.skill("p/top/skills/pdf");
    let zip = env.zip("p.zip", &env.path("p"));
    let hex = format!("{:x}", HexOf(&std::fs::read(&zip).unwrap()));
    let url = file_url(&env, "p.zip");
    let entry = |name: &str, sha: &str| json!({ "name": name, "source": { "source": "archive", "url": url, "sha256": sha } });
    catalogue(&env, "m", &json!([entry("good", &hex), entry("wrong", &"ab".repeat(32))]));
    env.run(&["marketplace", "add", "acme", "../m"]).ends(0);
    let view = shown(&env, "good@acme");
    assert_eq!(view["skills"][0]["pin"]["archive"], format!("sha256:{hex}"));
    refused(&env, &["skill", "show", "wrong@acme"], 6, "is not the archive that was expected");
}

/// The sha256 of bytes as hex.
struct HexOf<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Sha256::digest(self.0).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[test]
fn an_update_follows_the_moves_of_the_catalogue() {
    let env = shop();
    let repo = env.git_repo("m.git", &env.path("m"));
    env.run(&["marketplace", "add", "acme", &file_url(&env, "m.git")]).ends(0);
    env.run(&["marketplace", "update"]).ends(0).says("Unchanged acme");
    env.write(
        "m/plugins/data/skills/sql/SKILL.md",
        skill_md("sql", "Now about kangaroos, and when to use them."),
    );
    catalogue(
        &env,
        "m",
        &json!([{ "name": "data", "source": "./plugins/data" }, { "name": "office", "source": "./plugins/crew" }, { "name": "new", "source": "./plugins/office" }]),
    );
    let second = commit(&repo, "refs/heads/main", &env.path("m"), "second").to_string();
    // Until it is updated, the copy and the files behind it are those of the recorded state.
    assert_ne!(shown(&env, "sql@acme")["skills"][0]["pin"]["commit"], second);
    assert_eq!(env.run(&["skill", "search", "kangaroos", "--json"]).ends(0).json()["total"], 0);
    let run = env.run(&["marketplace", "update", "acme", "--json"]).ends(0).json();
    let one = &run["marketplaces"][0];
    assert_eq!(
        (&one["changed"], &one["added"], &one["removed"], &one["moved"]),
        (&json!(true), &json!(["new"]), &json!(["bad", "crew"]), &json!(["office"]))
    );
    assert_eq!(shown(&env, "sql@acme")["skills"][0]["pin"]["commit"], second);
    assert_eq!(
        env.run(&["skill", "search", "kangaroos", "--json"]).ends(0).json()["results"][0]["name"],
        "sql"
    );
}

#[test]
fn what_cannot_be_registered_is_said_and_nothing_is_written() {
    let env = shop();
    env.write("bad/.claude-plugin/marketplace.json", r#"{"plugins": {}}"#);
    env.write("html/marketplace.json", "<html>");
    let codex =
        json!({ "name": "c", "plugins": [{ "name": "p", "source": { "source": "url", "url": "./" } }] });
    env.write("codex/.agents/plugins/marketplace.json", codex.to_string());
    env.skill("codex/skills/pdf");
    let add = |name, source| ["marketplace", "add", name, source];
    for (args, status, words) in [
        (add("a b", "../m"), 2, "is not a valid marketplace name"),
        (add("acme", "nothing"), 2, "does not say where"),
        (add("acme", "../gone"), 3, "does not exist"),
        (add("acme", "../bad"), 8, "`plugins` is an object, but should be a list"),
        (add("acme", "../bad"), 8, "the catalogue has no `name`"),
        (add("acme", "../html/marketplace.json"), 8, "not JSON"),
        (
            add("acme", "../m/.cursor-plugin/marketplace.json"),
            3,
            "there is no `.cursor-plugin/marketplace.json`",
        ),
        (add("acme", "http://127.0.0.1:9/marketplace.json"), 5, "127.0.0.1"),
    ] {
        refused(&env, &args, status, words);
    }
    // That dialect means its own root only for a person who names the file.
    env.run(&add("unnamed", "../codex")).ends(0).says("would be a folder on the machine of whoever installs");
    env.run(&["skill", "show", "p@unnamed"]).ends(8);
    env.run(&add("named", "../codex/.agents/plugins/marketplace.json")).ends(0);
    assert_eq!(names(&shown(&env, "p@named")), ["pdf"]);
    env.run(&add("acme", "../m")).ends(0);
    refused(&env, &add("acme", "../codex"), 7, "the marketplace `acme` already exists");
    refused(
        &env,
        &["marketplace", "add", "x", "../m", "--manifest", "gone.json"],
        3,
        "there is no `gone.json`",
    );
}

#[test]
fn a_manifest_of_a_hundred_megabytes_is_refused() {
    let env = TestEnv::new();
    let path = env.write("m/.claude-plugin/marketplace.json", "{");
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100 << 20).unwrap();
    refused(&env, &["marketplace", "add", "acme", "../m"], 8, "too large");
    let run = env.run(&["marketplace", "validate", "../m"]).ends(8);
    assert!(run.stdout.contains("error[too-large]"), "{}", run.stdout);
}

#[test]
fn validate_says_everything_with_its_place() {
    let env = TestEnv::new();
    let text = "{\"name\": \"Acme\",\n \"plugins\": [{\"name\": \"a\", \"source\": \"../x\"}]}";
    env.write("project/.claude-plugin/marketplace.json", text);
    let run = env.run(&["marketplace", "validate"]).ends(8).says("1 invalid, 3 findings");
    for line in [
        ".claude-plugin/marketplace.json:1:1: error[owner-missing]",
        ".claude-plugin/marketplace.json:1:10: warning[name-invalid]",
        ".claude-plugin/marketplace.json:2:38: error[source-path]",
    ] {
        assert!(run.stdout.contains(line), "no {line} in\n{}", run.stdout);
    }
    let json = env.run(&["marketplace", "validate", "--json"]).ends(8).json();
    assert_eq!(json["catalogues"][0]["findings"].as_array().unwrap().len(), 3);
    env.write(
        "project/.claude-plugin/marketplace.json",
        r#"{"name":"acme","owner":{"name":"o"},"plugins":[]}"#,
    );
    env.run(&["marketplace", "validate", "--strict"]).ends(0).says("1 catalogue: valid");
    env.run(&["marketplace", "validate", "../home"]).ends(3);
}

#[test]
fn validate_says_which_folders_are_not_there() {
    let env = TestEnv::new();
    env.skill("m/plugins/office/skills/pdf");
    env.skill("m/plugins/office/more/docx");
    let office = json!({ "name": "office", "source": "./plugins/office", "skills": ["./more", "./gone"] });
    let root =
        json!({ "name": "root", "source": "./", "strict": false, "skills": ["./plugins/office/more/docx"] });
    let plugins = json!([office, root, { "name": "lost", "source": "./.github/plugins/lost" }]);
    catalogue(&env, "m", &plugins);
    for path in ["../m", "../m/.claude-plugin/marketplace.json"] {
        let run = env.run(&["marketplace", "validate", path]).ends(8).says("1 invalid, 2 findings");
        for words in [
            "marketplace.json:1:115: warning[skills-gone]: the folder `plugins/office/gone` of `skills` does not exist",
            "error[source-gone]: the folder `.github/plugins/lost` of the source does not exist",
        ] {
            assert!(run.stdout.contains(words), "{}", run.stdout);
        }
    }
    env.write("m/.github/plugins/lost/x", "x");
    env.run(&["marketplace", "validate", "../m"]).ends(0);
    env.run(&["marketplace", "validate", "../m", "--strict"]).ends(8);
}

#[test]
fn a_name_of_somebody_else_is_warned_of_but_not_at_home() {
    let env = TestEnv::new();
    let document = json!({ "name": "agent-skills", "owner": { "name": "o" }, "plugins": [] });
    env.write("m/.claude-plugin/marketplace.json", document.to_string());
    env.run(&["marketplace", "add", "m", "../m"]).ends(0).says("reserved for marketplaces of Anthropic");
    let validate = || env.run(&["marketplace", "validate", "../m"]).ends(0).stdout;
    assert!(validate().contains("warning[name-reserved]"));
    let repo = git2::Repository::init(env.path("m")).unwrap();
    repo.remote("origin", "https://github.com/evil/skills").unwrap();
    assert!(validate().contains("warning[name-reserved]"));
    repo.remote_set_url("origin", "git@github.com:anthropics/skills.git").unwrap();
    assert_eq!(validate(), "");
}

#[test]
fn a_marketplace_is_the_users_unless_the_project_is_asked_for() {
    let env = shop();
    std::fs::create_dir_all(env.path("second/.git")).unwrap();
    let scope = |below: &str| {
        let rows = env.run_in(below, &["marketplace", "list", "--json"]).ends(0).json();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let rows = rows["marketplaces"].as_array().unwrap().iter();
        rows.map(|row| format!("{} {}", text(row, "name"), text(row, "scope"))).collect::<Vec<_>>()
    };
    // A relative path means the same in every project, and at home.
    env.run(&["marketplace", "add", "acme", "../m"]).ends(0);
    assert!(!env.path(OF_PROJECT).exists());
    for below in ["project", "second", "home"] {
        assert_eq!(scope(below), ["acme user"], "{below}");
        let found = env.run_in(below, &["skill", "search", "sql", "--json"]).ends(0).json();
        assert_eq!(found["results"][0]["install"], "sql@acme", "{below}");
    }
    assert_eq!(names(&shown(&env, "sql@acme")), ["sql"]);
    // What a project sees of the user's it can also change by name.
    env.run(&["marketplace", "disable", "acme"]).ends(0);
    env.run_in("second", &["marketplace", "enable", "acme"]).ends(0);
    env.run(&["marketplace", "update"]).ends(0).says("Unchanged acme");
    env.run(&["marketplace", "add", "team", "../m", "--scope", "project"]).ends(0).says("everybody who has");
    env.run(&["marketplace", "add", "named", "../m", "--project", "."]).ends(0);
    assert_eq!(scope("project"), ["acme user", "named project", "team project"]);
    assert_eq!(scope("second"), ["acme user"]);
    // The project's own is meant where both have the name.
    env.run(&["marketplace", "add", "acme", "../m", "--scope", "project"]).ends(0);
    env.run(&["marketplace", "remove", "acme", "team", "named"]).ends(0);
    assert_eq!(scope("project"), ["acme user"]);
    env.run_in("home", &["marketplace", "remove", "acme"]).ends(0);
    assert_eq!(scope("second"), [] as [&str; 0]);
    refused(&env, &["marketplace", "add", "x", "../m", "--scope", "project", "--global"], 2, "not for both");
    refused(&env, &["marketplace", "remove", "x"], 3, "no marketplace named `x`");
}

/// Without a name a marketplace is called what it calls itself.
#[test]
fn a_marketplace_has_the_name_of_its_catalogue() {
    let env = TestEnv::new();
    let write = |folder: &str, name: &str| {
        env.skill(&format!("{folder}/skills/{folder}-tool"));
        let plugins = json!([{ "name": "kit", "source": "./" }]);
        let document = json!({ "name": name, "owner": { "name": "Acme" }, "plugins": plugins });
        env.write(&format!("{folder}/.claude-plugin/marketplace.json"), document.to_string());
    };
    let added_as = |args: &[&str]| {
        let run = env.run(&[&["marketplace", "add"], args, &["--json"]].concat()).ends(0).json();
        run["name"].as_str().unwrap().to_owned()
    };
    for (folder, name, expected) in
        [("a", "acme-tools", "acme-tools"), ("b", "Acme: Tools (v2)!", "Acme-Tools-v2")]
    {
        write(folder, name);
        assert_eq!(added_as(&[&format!("../{folder}")]), expected);
    }
    env.run(&["skill", "search", "tool"]).ends(0).prints("a-tool@acme-tools").prints("b-tool@Acme-Tools-v2");
    // Once more is no other one, and keeps the name that it was given.
    assert_eq!(added_as(&["mine", "../a", "--force"]), "mine");
    env.run(&["marketplace", "remove", "acme-tools"]).ends(0);
    assert_eq!(added_as(&["../a"]), "mine");
    write("c", "mine");
    refused(&env, &["marketplace", "add", "../c"], 7, "`ba-agent marketplace add NAME ../c`");
    write("d", "claude-plugins-official");
    refused(&env, &["marketplace", "add", "../d"], 7, "a name that Anthropic keeps");
    write("e", "数据");
    refused(&env, &["marketplace", "add", "../e"], 2, "gives itself no name");
    env.skill("plain/skills/pdf");
    refused(&env, &["marketplace", "add", "../plain"], 2, "`ba-agent marketplace add plain ../plain`");
    refused(&env, &["marketplace", "add", "a", "b", "c"], 2, "`--known NAME...`");
    refused(&env, &["marketplace", "add"], 2, "");
}

/// What is known by name is offered, and fetched only where it is named.
#[test]
fn known_catalogues_are_offered_and_never_fetched_unasked() {
    let mut env = shop();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.git_repo("srv/anthropics/skills.git", &env.path("m"));
    env.set("BA_AGENT_GITHUB_URL", server.url());
    let known = env.run(&["marketplace", "add", "--known", "--json"]).ends(0).json();
    let first = &known["known"][0];
    assert_eq!((&first["name"], &first["registered_as"]), (&json!("anthropic"), &Value::Null), "{known}");
    env.run(&["marketplace", "add", "--known"]).ends(0).prints("anthropics/skills");
    for args in [&["skill", "search", "sql"][..], &["skill", "search", "sql", "--yes"], &["skill", "search"]]
    {
        let run = env.run(args).ends(0).says("ba-agent marketplace add --known anthropic");
        assert!(run.stderr.contains("superpowers"), "{}", run.stderr);
    }
    let found = env.run(&["skill", "search", "sql", "--json"]).ends(0).json();
    let offered = found["known"].as_array().map(Vec::len);
    assert_eq!(offered, known["known"].as_array().map(Vec::len));
    refused(
        &env,
        &["marketplace", "add", "--known", "anthropic", "antropic"],
        3,
        "did you mean `anthropic`?",
    );
    refused(&env, &["marketplace", "add", "anthropic"], 2, "`ba-agent marketplace add --known anthropic`");
    assert_eq!(server.seen().len(), 0, "nothing was asked for");
    // One that cannot be fetched does not hold back the other.
    let both = env.run(&["marketplace", "add", "--known", "superpowers", "anthropic"]).ends(3);
    both.says("`superpowers` was not added");
    // Another name that it was given stays, and an entry is not taken for one more skill.
    env.run(&["marketplace", "remove", "anthropic"]).ends(0);
    env.run(&["marketplace", "add", "mine", "anthropics/skills"]).ends(0);
    env.run(&["marketplace", "add", "--known", "anthropic"]).ends(0).says("Added mine");
    let both = ["skill", "install", "anthropics/skills", "--skill", "pdf", "sql"];
    env.run(&both).ends(2).says("write `--skill pdf,sql`");
    env.run(&["skill", "install", "sql@mine", "--skill", "data:sql", "--dry-run"]).ends(0).says("put sql");
    env.run(&["marketplace", "remove", "mine"]).ends(0);
    let added = env.run(&["marketplace", "add", "--known", "anthropic", "--json"]).ends(0).json();
    let added = &added["added"][0];
    assert_eq!((&added["name"], &added["scope"]), (&json!("anthropic"), &json!("user")));
    let known = env.run(&["marketplace", "add", "--known", "--json"]).ends(0).json();
    assert_eq!(known["known"][0]["registered_as"], "anthropic");
    let run = env.run(&["skill", "search", "sql"]).ends(0).prints("sql@anthropic");
    assert!(!run.stderr.contains("--known"), "{}", run.stderr);
    assert_eq!(env.run(&["skill", "search", "sql", "--json"]).ends(0).json()["known"], json!([]));
}

/// A person is asked which of the known catalogues the first search should have.
#[cfg(unix)]
#[test]
fn the_first_search_at_a_terminal_adds_what_is_chosen() {
    use crate::pty::Terminal;
    let mut env = shop();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.git_repo("srv/anthropics/skills.git", &env.path("m"));
    env.set("BA_AGENT_GITHUB_URL", server.url());
    let searched = |keys: &str| {
        let mut terminal = Terminal::run(env.command(&["skill", "search", "sql"]));
        terminal.wait_for("superpowers");
        terminal.press(keys);
        if keys.ends_with('\r') {
            terminal.wait_for_screen("what was found", |screen| screen.contains("> [ ] sql"));
            terminal.press("\u{1b}");
        }
        terminal.end()
    };
    let (status, seen) = searched("\u{1b}");
    assert!(status.success() && seen.contains("none was added"), "{seen}");
    assert_eq!(server.seen().len(), 0, "nothing was asked for");
    let (status, seen) = searched(" \r");
    assert!(status.success() && seen.contains("added `anthropic`"), "{seen}");
    assert!(env.read(FILE).contains("github:anthropics/skills"));
    // Found in the same breath, and not asked again.
    let (_, seen) = Terminal::run(env.command(&["skill", "search", "sql", "--list"])).end();
    assert!(seen.contains("@anthropic") && !seen.contains("superpowers"), "{seen}");
    let run = env.run(&["marketplace", "remove", "anthropic"]).ends(0);
    assert!(run.stderr.contains("Removed"), "{}", run.stderr);
    // Who sends the rows on is not asked, though a person is there.
    let command = env.command(&["skill", "search", "sql"]);
    let mut piped = std::process::Command::new("sh");
    piped.args(["-c", "\"$0\" \"$@\" | cat"]).arg(command.get_program()).args(command.get_args()).env_clear();
    piped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    piped.current_dir(command.get_current_dir().unwrap());
    let (status, seen) = Terminal::run(piped).end();
    assert!(status.success() && seen.contains("add --known") && !seen.contains("[ ]"), "{seen}");
    // Nor who wants rows alone, is only looking for what is installed, or is offline.
    for flag in ["--list", "--installed", "--offline"] {
        let (status, seen) = Terminal::run(env.command(&["skill", "search", "sql", flag])).end();
        assert!(status.success() && !seen.contains("[ ]"), "{seen}");
    }
}

#[test]
fn a_copy_that_is_gone_is_fetched_again_in_the_same_state() {
    let env = shop();
    let repo = env.git_repo("m.git", &env.path("m"));
    env.run(&["marketplace", "add", "acme", &file_url(&env, "m.git")]).ends(0);
    let before = env.picture("project");
    std::fs::remove_dir_all(env.path("cache/catalogs")).unwrap();
    env.run(&["marketplace", "show", "acme", "--offline"]).ends(5).says("is not in the cache");
    catalogue(&env, "m", &json!([]));
    commit(&repo, "refs/heads/main", &env.path("m"), "emptied");
    let run = env.run(&["marketplace", "show", "acme", "--json"]).ends(0).json();
    assert_eq!(run["entries"].as_array().unwrap().len(), 4);
    assert_eq!(env.picture("project"), before);
}

fn serve(server: &Server, path: &str, bytes: impl Into<Vec<u8>>) {
    server.play(path, Play::Bytes("application/json", bytes.into()));
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{:x}", HexOf(bytes))
}

#[test]
fn a_host_serves_skills_by_a_well_known_index() {
    let env = TestEnv::new();
    let server = Server::start_bare(Path::new("/nonexistent"));
    let skill = skill_md("review", "Reviews code. Use it when code is to be reviewed.");
    env.skill("packed/wrangler");
    let archive = std::fs::read(env.tar_gz("w.tar.gz", &env.path("packed/wrangler"))).unwrap();
    let entry = |name: &str, kind: &str, url: &str, digest: String| json!({ "name": name, "type": kind, "description": name, "url": url, "digest": digest });
    let index = json!({ "$schema": "https://schemas.agentskills.io/discovery/0.2.0/schema.json", "skills": [
        entry("review", "skill-md", "/.well-known/agent-skills/review/SKILL.md", sha256(skill.as_bytes())),
        entry("wrangler", "archive", "wrangler.tar.gz", sha256(&archive)),
        entry("forged", "archive", "wrangler.tar.gz", sha256(b"other")),
        entry("picture", "image", "p.png", sha256(b"x")),
    ]});
    serve(&server, "/agent-skills/index.json", index.to_string());
    serve(&server, "/review/SKILL.md", skill);
    serve(&server, "/wrangler.tar.gz", archive);
    let run = env.run(&["marketplace", "add", "acme", &server.url()]).ends(0).says("3 entries");
    assert!(run.stderr.contains("left out picture"), "{}", run.stderr);
    let view = shown(&env, "review@acme");
    assert_eq!(view["skills"][0]["kind"], "archive");
    assert_eq!(names(&shown(&env, "wrangler@acme")), ["wrangler"]);
    refused(&env, &["skill", "show", "forged@acme"], 6, "expected");
    assert_eq!(
        env.run(&["skill", "search", "wrangler", "--json"]).ends(0).json()["results"][0]["install"],
        "wrangler@acme"
    );
}

#[test]
fn a_token_stays_with_its_host_when_a_catalogue_redirects() {
    let mut env = TestEnv::new();
    let (server, other) =
        (Server::start_bare(Path::new("/nonexistent")), Server::start_bare(Path::new("/nonexistent")));
    env.set("BA_AGENT_GITHUB_URL", server.url());
    env.set("GITHUB_TOKEN", "canary-of-a-token");
    server.play("/marketplace.json", Play::Redirect(format!("{}/there.json", other.other_name())));
    serve(
        &other,
        "/there.json",
        r#"{"name":"acme","owner":{"name":"o"},"plugins":[{"name":"a","source":"./a"}]}"#,
    );
    env.run(&["marketplace", "add", "acme", &format!("{}/marketplace.json", server.url())]).ends(0);
    assert!(!server.seen()[0].header("authorization").is_empty());
    assert!(other.seen().iter().all(|seen| seen.header("authorization").is_empty()));
    // Of a catalogue alone, entries that are folders have nothing to start from.
    refused(&env, &["skill", "show", "a@acme"], 8, "only the catalogue is registered");
    for (path, content) in env.picture(".") {
        assert!(!content.contains("canary-of-a-token"), "{path}");
    }
}

#[test]
fn a_package_of_npm_is_held_to_its_integrity() {
    use base64::Engine as _;
    let mut env = TestEnv::new();
    let server = Server::start_bare(Path::new("/nonexistent"));
    env.set("BA_AGENT_NPM_URL", server.url());
    env.skill("p/package/skills/pdf");
    let tarball = std::fs::read(env.tar_gz("p.tgz", &env.path("p"))).unwrap();
    let integrity = |bytes: &[u8]| {
        format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(sha2::Sha512::digest(bytes)))
    };
    let dist = |integrity: String| json!({ "dist": { "tarball": format!("{}/p.tgz", server.url()), "integrity": integrity } });
    serve(&server, "/@acme%2fkit/1.0.0", dist(integrity(&tarball)).to_string());
    serve(&server, "/@acme%2fkit/latest", dist(integrity(b"other")).to_string());
    let all =
        json!({ "versions": { "1.0.0": dist(integrity(&tarball)), "2.0.0": dist(integrity(b"other")) } });
    serve(&server, "/@acme%2fkit", all.to_string());
    server.play("/p.tgz", Play::Bytes("application/gzip", tarball));
    server.play("/gone", Play::Status(404));
    let entry = |name: &str, package: &str, version: Option<&str>| json!({ "name": name, "source": { "source": "npm", "package": package, "version": version } });
    catalogue(
        &env,
        "m",
        &json!([
            entry("exact", "@acme/kit", Some("1.0.0")),
            entry("range", "@acme/kit", Some("^1")),
            entry("latest", "@acme/kit", None),
            entry("none", "@acme/kit", Some("^9")),
            entry("gone", "gone", None),
        ]),
    );
    env.run(&["marketplace", "add", "acme", "../m"]).ends(0);
    for entry in ["exact@acme", "range@acme"] {
        let view = shown(&env, entry);
        assert_eq!(view["skills"][0]["source"], format!("{}/p.tgz", server.url()));
        assert_eq!(view["skills"][0]["path"], "package/skills/pdf");
    }
    refused(&env, &["skill", "show", "latest@acme"], 6, "does not match its integrity");
    refused(&env, &["skill", "show", "none@acme"], 3, "no version of");
    refused(&env, &["skill", "show", "gone@acme"], 3, "not found");
}
