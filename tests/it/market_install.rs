//! Installing from marketplaces: by entry, by skill, by bare name; what is recorded needs no
//! marketplace any more.

use std::path::Path;

use serde_json::{Value, json};

use crate::env::{TestEnv, commit, skill_md};
use ba_agent_test_support::server::{Play, Server};

/// A marketplace in `m.git` with two plugins that both have a skill `pdf`.
fn shop() -> (TestEnv, String) {
    let env = TestEnv::new();
    for skill in ["office/skills/pdf", "office/skills/docx", "data/skills/sql", "data/skills/pdf"] {
        env.skill(&format!("m/{skill}"));
    }
    let plugins = json!([{ "name": "office", "source": "./office" }, { "name": "data", "source": "./data", "version": "2.0.0" }]);
    let document = json!({ "name": "acme", "owner": { "name": "o" }, "plugins": plugins });
    env.write("m/.claude-plugin/marketplace.json", document.to_string());
    env.git_repo("m.git", &env.path("m"));
    let url = format!("file://{}", env.path("m.git").display());
    env.run(&["marketplace", "add", "acme", &url]).ends(0);
    (env, url)
}

fn names(registry: &Value) -> Vec<&str> {
    registry["skills"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_skill_is_installed_by_every_way_to_name_it() {
    for args in [
        &["sql@acme"][..],
        &["data:sql@acme"],
        &["sql", "--source", "acme"],
        &["sql"],
        &["data@acme", "--skill", "sql"],
        &["data@acme", "--skill", "data:sql"],
    ] {
        let (env, url) = shop();
        env.run(&[&["skill", "install"], args].concat()).ends(0).says("Installed sql");
        let entry = &env.registry()["skills"]["sql"];
        assert_eq!(entry["source"], url, "{args:?}");
        assert_eq!(entry["marketplace"], json!({ "name": "acme", "entry": "data" }));
        assert_eq!((&entry["path"], &entry["version"]), (&json!("data/skills/sql"), &json!("2.0.0")));
        assert_eq!(entry["pin"]["commit"].as_str().unwrap().len(), 40);
    }
}

/// Agents call a skill `plugin:skill`: by the name of the entry or by the folder above it.
#[test]
fn a_skill_is_chosen_by_the_name_that_agents_give_it() {
    let (env, url) = shop();
    let plugins = json!([{ "name": "my kit", "source": "./office" }]);
    let document = json!({ "name": "kits", "owner": { "name": "o" }, "plugins": plugins });
    env.write("m/.claude-plugin/marketplace.json", document.to_string());
    env.run(&["marketplace", "add", "kits", "../m"]).ends(0);
    env.run(&["skill", "install", "my kit@kits", "--skill", "my kit:docx"]).ends(0);
    env.run(&["skill", "install", "my kit@kits", "--skill", "your kit:pdf"]).ends(3);
    assert_eq!(names(&env.registry()), ["docx"]);
    env.run(&["skill", "install", &url, "--skill", "data:pdf", "--skill", "office:pdf"]).ends(0);
    env.run(&["skill", "install", &url, "--skill", "nobody:sql"]).ends(3);
    assert_eq!(names(&env.registry()), ["data-pdf", "docx", "office-pdf"]);
}

#[test]
fn a_whole_entry_is_installed_and_twins_live_side_by_side() {
    let (env, _) = shop();
    env.run(&["skill", "install", "office@acme", "--all"]).ends(0);
    env.run(&["skill", "install", "data:pdf@acme"]).ends(0);
    assert_eq!(names(&env.registry()), ["data-pdf", "docx", "office-pdf"]);
    env.run(&["skill", "install", "office@acme"]).ends(2).says("it has docx");
    env.run(&["skill", "show", "office:pdf"]).ends(0);
    env.run(&["skill", "uninstall", "data:pdf"]).ends(0).says("Removed data-pdf");
    let found = env.run(&["skill", "search", "docx", "--json"]).ends(0).json();
    assert_eq!((&found["results"][0]["installed"], &found["total"]), (&json!(true), &json!(1)));
}

#[test]
fn a_name_that_two_marketplaces_have_must_say_which() {
    let (env, url) = shop();
    env.run(&["marketplace", "add", "other", &url]).ends(0);
    let run = env.run(&["skill", "install", "sql"]).ends(2).says("2 marketplaces have `sql`");
    assert!(
        run.stderr.contains("write `sql@acme`") && run.stderr.contains("write `sql@other`"),
        "{}",
        run.stderr
    );
    env.run(&["marketplace", "disable", "other"]).ends(0);
    env.run(&["skill", "install", "sql"]).ends(0);
    env.run(&["skill", "install", "excel"]).ends(3).says("no registered marketplace has `excel`");
}

#[test]
fn a_remote_entry_is_recorded_as_the_repository_it_is() {
    let (env, _) = shop();
    env.skill("kit/sub/skills/pdf");
    let repo = env.git_repo("kit.git", &env.path("kit"));
    let sha = repo.refname_to_id("refs/heads/main").unwrap().to_string();
    let kit = format!("file://{}", env.path("kit.git").display());
    let entry = |sha: &str| {
        let source = json!({ "source": "git-subdir", "url": kit, "path": "sub", "ref": "main", "sha": sha });
        json!({ "name": "far", "owner": { "name": "o" }, "plugins": [{ "name": "kit", "source": source }] })
            .to_string()
    };
    env.write("far/marketplace.json", entry(&sha));
    env.run(&["marketplace", "add", "far", "../far"]).ends(0);
    env.run(&["skill", "install", "kit@far"]).ends(0);
    let record = &env.registry()["skills"]["pdf"];
    assert_eq!((&record["source"], &record["pin"]["commit"]), (&json!(kit), &json!(sha)));
    assert_eq!(record["reference"], json!({ "sha": sha }));
    env.write("kit/sub/skills/pdf/SKILL.md", skill_md("pdf", "Second edition of it, with more in it."));
    let second = commit(&repo, "refs/heads/main", &env.path("kit"), "second").to_string();
    env.write("far/marketplace.json", entry(&second));
    let run = env.run(&["marketplace", "update", "far", "--json"]).ends(0).json();
    assert_eq!(run["marketplaces"][0]["moved"], json!(["kit"]));
}

#[test]
fn an_update_follows_the_sha_that_the_marketplace_names() {
    let env = TestEnv::new();
    env.skill("s/skills/pdf");
    let repo = env.git_repo("s.git", &env.path("s"));
    let first = repo.refname_to_id("refs/heads/main").unwrap();
    env.write("s/skills/pdf/SKILL.md", skill_md("pdf", "The second edition of it, quite another."));
    let second = commit(&repo, "refs/heads/main", &env.path("s"), "second");
    let url = format!("file://{}", env.path("s.git").display());
    let publish = |sha: git2::Oid| {
        let source = json!({ "source": "url", "url": url, "sha": sha.to_string() });
        let document = json!({
            "name": "acme", "owner": { "name": "o" },
            "plugins": [{ "name": "office", "version": sha.to_string()[..4], "source": source }],
        });
        env.write("m/.claude-plugin/marketplace.json", document.to_string());
    };
    publish(first);
    env.run(&["marketplace", "add", "acme", "../m"]).ends(0);
    env.run(&["skill", "install", "office@acme"]).ends(0);
    let pin = || env.registry()["skills"]["pdf"]["pin"]["commit"].as_str().unwrap().to_owned();
    assert_eq!(pin(), first.to_string(), "the sha beats the branch");
    env.run(&["skill", "update"]).ends(0).says("nothing to update");
    publish(second);
    env.run(&["marketplace", "update"]).ends(0);
    env.run(&["skill", "outdated"]).ends(6);
    env.run(&["skill", "update"]).ends(0).says("Updated pdf");
    assert_eq!(pin(), second.to_string());
    // A skill without a version has that of its entry, after an update as before.
    assert_eq!(env.registry()["skills"]["pdf"]["version"], second.to_string()[..4]);
    // The lock needs no marketplace.
    env.run(&["marketplace", "remove", "acme"]).ends(0);
    std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    env.run(&["skill", "install", "--frozen"]).ends(0).says("Installed pdf");
}

/// What a registry says of `@acme/kit`, its `latest` being the tarball at this path.
fn publish(server: &Server, version: &str, tarball: &[u8]) {
    use base64::Engine as _;
    use sha2::Digest as _;
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha512::digest(tarball));
    let url = format!("{}/kit-{version}.tgz", server.url());
    let dist = json!({ "dist": { "tarball": url, "integrity": format!("sha512-{hash}") } }).to_string();
    server.play_fair();
    for name in ["latest", version] {
        server.play(&format!("/@acme%2fkit/{name}"), Play::Bytes("application/json", dist.clone().into()));
    }
    server.play(&format!("/kit-{version}.tgz"), Play::Bytes("application/gzip", tarball.to_vec()));
}

fn tarball(env: &TestEnv, words: &str) -> Vec<u8> {
    env.write("p/package/skills/pdf/SKILL.md", skill_md("pdf", words));
    std::fs::read(env.tar_gz("p.tgz", &env.path("p"))).unwrap()
}

#[test]
fn an_update_follows_the_package_that_the_marketplace_names() {
    let mut env = TestEnv::new();
    let server = Server::start_bare(Path::new("/nonexistent"));
    env.set("BA_AGENT_NPM_URL", server.url());
    let entry = |version: Option<&str>| {
        let source = json!({ "source": "npm", "package": "@acme/kit", "version": version });
        let plugins = json!([{ "name": "kit", "source": source }]);
        json!({ "name": "acme", "owner": { "name": "o" }, "plugins": plugins }).to_string()
    };
    env.write("m/marketplace.json", entry(None));
    publish(&server, "1.0.0", &tarball(&env, "The first edition of it."));
    env.run(&["marketplace", "add", "acme", "../m"]).ends(0);
    env.run(&["skill", "install", "kit@acme"]).ends(0);
    let installed = || env.read("project/.claude/skills/pdf/SKILL.md");
    env.run(&["skill", "outdated"]).ends(0);
    env.run(&["skill", "update"]).ends(0).says("nothing to update");
    // The tag `latest` moves to another version.
    publish(&server, "2.0.0", &tarball(&env, "The second edition of it."));
    env.run(&["skill", "outdated"]).ends(6);
    assert!(server.seen().iter().all(|seen| seen.target != "/kit-2.0.0.tgz"), "to look costs no tarball");
    env.run(&["skill", "update"]).ends(0).says("Updated pdf");
    let record = env.registry()["skills"]["pdf"].clone();
    assert_eq!(record["source"], format!("{}/kit-2.0.0.tgz", server.url()));
    assert_eq!(record["marketplace"], json!({ "name": "acme", "entry": "kit" }));
    assert!(installed().contains("second"));
    env.run(&["skill", "outdated"]).ends(0);
    // Other bytes at the same address, with a new promise.
    publish(&server, "2.0.0", &tarball(&env, "The second edition of it, mended."));
    env.run(&["skill", "outdated"]).ends(6);
    env.run(&["skill", "update"]).ends(0).says("Updated pdf");
    assert!(installed().contains("mended"));
    // The entry names a version, the first one.
    publish(&server, "1.0.0", &tarball(&env, "The first edition of it."));
    env.write("m/marketplace.json", entry(Some("1.0.0")));
    env.run(&["marketplace", "update"]).ends(0);
    env.run(&["skill", "outdated"]).ends(6);
    env.run(&["skill", "update"]).ends(0).says("Updated pdf");
    assert!(installed().contains("first"));
    // A registry that cannot be asked is no "current", and changes nothing.
    let before = env.picture("project");
    server.play_fair();
    server.play("kit", Play::Status(404));
    env.run(&["skill", "outdated"]).ends(3).says("not found");
    env.run(&["skill", "update"]).ends(3);
    assert_eq!(env.picture("project"), before);
}

#[test]
fn an_entry_of_any_name_can_be_said() {
    let env = TestEnv::new();
    let names = ["my plugin", "a.b", "Big_Kit", "数据", "@scope/kit", "x:y", "x.zip", "github"];
    let plugins: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            env.skill(&format!("m/{n}/skills/skill-{n}"));
            json!({ "name": name, "source": format!("./{n}") })
        })
        .collect();
    let document = json!({ "name": "acme", "owner": { "name": "o" }, "plugins": plugins });
    env.write("m/marketplace.json", document.to_string());
    env.run(&["marketplace", "add", "m", "../m"]).ends(0);
    let installs = |args: &[&str], n: usize| {
        let args = [&["skill", "show", "--json"], args].concat();
        let shown = env.run(&args).ends(0).json();
        assert_eq!(shown["skills"][0]["name"], format!("skill-{n}"), "{args:?}");
    };
    for (n, name) in names.iter().enumerate() {
        installs(&[&format!("\"{name}\"@m")], n);
        installs(&[&format!("\"{name}:skill-{n}\"@m")], n);
        env.run(&["skill", "install", name, "--source", "m", "--as", &format!("as-{n}")]).ends(0);
        env.run(&["marketplace", "show", "m", name]).ends(0);
        let found = env.run(&["skill", "search", &format!("skill-{n}"), "--json"]).ends(0).json();
        installs(&[found["results"][0]["install"].as_str().unwrap()], n);
        // Where it came from disambiguates what is installed.
        env.run(&["skill", "uninstall", &format!("{name}:skill-{n}")]).ends(0);
    }
    for (n, text) in
        [(0, "my plugin@m"), (0, "my plugin:skill-0@m"), (1, "a.b@m"), (2, "Big_Kit@m"), (3, "数据@m")]
    {
        installs(&[text], n);
    }
    for (n, text) in [(0, "my plugin"), (1, "a.b"), (2, "Big_Kit"), (3, "数据"), (5, "x:y@m")] {
        installs(&[text], n);
    }
    let before = env.picture("project");
    env.run(&["skill", "install", "@scope/kit@m"]).ends(2).says("\"@scope/kit\"@m");
    env.run(&["skill", "install", "a/b", "--source", "m"]).ends(2).says("needs a name");
    env.run(&["skill", "install", "x.zip@m"]).ends(2).says("`\"a/b\"@marketplace`");
    assert_eq!(env.picture("project"), before);
}

#[test]
fn an_update_over_http_has_the_version_of_the_plugin() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.set("BA_AGENT_GITHUB_URL", server.url());
    env.skill("m/office/skills/pdf");
    let plugin = |version: &str| json!({ "name": "office", "version": version }).to_string();
    env.write("m/office/.claude-plugin/plugin.json", plugin("1.1.0"));
    let plugins = json!([{ "name": "office", "source": "./office", "version": "0.1.0" }]);
    let document = json!({ "name": "acme", "owner": { "name": "o" }, "plugins": plugins });
    env.write("m/.claude-plugin/marketplace.json", document.to_string());
    let repo = env.git_repo("srv/acme/m.git", &env.path("m"));
    env.run(&["marketplace", "add", "acme", "acme/m"]).ends(0);
    env.run(&["skill", "install", "pdf@acme"]).ends(0);
    let version = || env.registry()["skills"]["pdf"]["version"].clone();
    assert_eq!(version(), "1.1.0");
    env.write("m/office/.claude-plugin/plugin.json", plugin("1.2.0"));
    env.write("m/office/skills/pdf/SKILL.md", skill_md("pdf", "Second edition of it, with more in it."));
    commit(&repo, "refs/heads/main", &env.path("m"), "second");
    env.run(&["skill", "update"]).ends(0).says("Updated pdf");
    assert_eq!(version(), "1.2.0");
}
