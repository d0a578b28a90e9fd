//! What is offered at a TAB, asked for as the shells' scripts ask.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::env::TestEnv;
use ba_agent_test_support::server::Server;

/// The candidates for the last of `words`, with what is said of each.
fn offered(env: &TestEnv, words: &[&str]) -> Vec<(String, String)> {
    let mut args = vec!["--", "ba-agent"];
    args.extend(words);
    let output = env.command(&args).env("BA_AGENT_COMPLETE", "fish").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let pair = |line: &str| {
        line.split_once('\t').map_or((line.into(), String::new()), |(a, b)| (a.into(), b.into()))
    };
    text.lines().map(pair).collect()
}

fn words_of(env: &TestEnv, words: &[&str]) -> Vec<String> {
    offered(env, words).into_iter().map(|(word, _)| word).collect()
}

/// Three installed skills, and two catalogues of which one is the project's.
fn world() -> TestEnv {
    let env = TestEnv::new();
    for name in ["pdf", "docx", "data-sql"] {
        env.skill(&format!("src/skills/{name}"));
    }
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    env.skill("shop/kit/skills/sql");
    env.skill("shop/kit/skills/sqlite");
    let plugins = json!([{ "name": "kit", "source": "./kit", "category": "data", "tags": ["sql", "db"] }]);
    let shop = json!({ "name": "acme", "owner": { "name": "A" }, "plugins": plugins });
    env.write("shop/.claude-plugin/marketplace.json", shop.to_string());
    env.run(&["marketplace", "add", "acme", "../shop", "--scope", "project"]).ends(0);
    env.run(&["marketplace", "add", "mine", "../src"]).ends(0);
    env
}

#[test]
fn commands_have_their_own_names_and_flags_come_after_a_dash() {
    let env = TestEnv::new();
    let top = words_of(&env, &[""]);
    for name in ["install", "skill", "list", "marketplace", "doctor"] {
        assert!(top.iter().any(|word| word == name), "{name}: {top:?}");
    }
    for alias in ["add", "ls", "remove", "market", "skills", "--json", "-q"] {
        assert!(!top.iter().any(|word| word == alias), "{alias}: {top:?}");
    }
    assert_eq!(words_of(&env, &["skill", "inst"]), ["install"]);
    assert_eq!(words_of(&env, &["inst"]), ["install"]);
    // An alias is understood, and offered where nothing else begins so.
    assert!(words_of(&env, &["skill", "add", "--fro"]).contains(&"--frozen".to_owned()));
    assert!(words_of(&env, &["remove", "--for"]).contains(&"--force".to_owned()));
    for words in [&["skill", "list", "--"][..], &["list", "-"]] {
        let flags = words_of(&env, words);
        assert!(
            flags.contains(&"--check".to_owned()) && flags.iter().all(|flag| flag.starts_with('-')),
            "{flags:?}"
        );
    }
    assert_eq!(words_of(&env, &["skill", "list", ""]), Vec::<String>::new());
    assert_eq!(words_of(&env, &["--color", ""]), ["auto", "always", "never"]);
    assert_eq!(words_of(&env, &["list", "--color="]), ["--color=auto", "--color=always", "--color=never"]);
}

#[test]
fn names_that_are_known_here_are_offered_and_none_twice() {
    let env = world();
    assert_eq!(words_of(&env, &["uninstall", "d"]), ["data-sql", "docx"]);
    assert_eq!(words_of(&env, &["skill", "uninstall", "docx", "d"]), ["data-sql"]);
    assert_eq!(words_of(&env, &["marketplace", "show", ""]), ["acme", "mine"]);
    assert_eq!(words_of(&env, &["marketplace", "remove", "acme", ""]), ["mine"]);
    assert_eq!(words_of(&env, &["search", "-m", "a"]), ["acme"]);
    assert_eq!(words_of(&env, &["install", "kit", "--source", ""]), ["acme", "mine"]);
    assert_eq!(words_of(&env, &["install", "sq"]), ["sql@acme", "sqlite@acme"]);
    assert_eq!(words_of(&env, &["install", "sql@"]), ["sql@acme"]);
    assert_eq!(words_of(&env, &["install", "sql@acme", "sq"]), ["sqlite@acme"]);
    assert_eq!(words_of(&env, &["install", "--source", "acme", "s"]), ["sql", "sqlite"]);
    assert_eq!(words_of(&env, &["show", "pd"]), ["pdf", "pdf@mine"]);
    assert_eq!(words_of(&env, &["search", "--category", ""]), ["data"]);
    assert_eq!(words_of(&env, &["search", "--tag", ""]), ["db", "sql"]);
    assert_eq!(words_of(&env, &["install", "x", "--agent", "claude"]), ["claude-code"]);
    assert!(words_of(&env, &["install", "x", "--allow", "no-front"]).contains(&"no-frontmatter".to_owned()));
    let changes = offered(&env, &["rollback", "--to", ""]);
    assert!(matches!(&changes[..], [(id, title)] if id == "1" && title.contains("install")), "{changes:?}");
    let installed = offered(&env, &["pin", "pd"]);
    assert_eq!(installed, [("pdf".to_owned(), "Does pdf. Use it when pdf is wanted.".to_owned())]);
}

#[test]
fn folders_and_archives_are_offered_where_a_source_stands() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.path("project/local/one")).unwrap();
    env.write("project/local.zip", "");
    for words in [&["install", "./lo"][..], &["skill", "install", "./lo"], &["skill", "show", "./lo"]] {
        assert_eq!(words_of(&env, words), ["./local.zip", "./local/"], "{words:?}");
    }
    assert_eq!(words_of(&env, &["install", "local/"]), ["local/one/"]);
    assert_eq!(words_of(&env, &["validate", "lo"]), ["local.zip", "local/"]);
    assert_eq!(words_of(&env, &["install", "--from", "loc"]), ["local.zip", "local/"]);
}

#[test]
fn another_project_is_asked_where_it_is_named() {
    let env = world();
    std::fs::create_dir_all(env.path("other/.git")).unwrap();
    let other = env.path("other").display().to_string();
    assert_eq!(words_of(&env, &["--project", &other, "uninstall", ""]), Vec::<String>::new());
    assert_eq!(words_of(&env, &["--project", &other, "marketplace", "show", ""]), ["mine"]);
    assert_eq!(words_of(&env, &["uninstall", &format!("--project={other}"), ""]), Vec::<String>::new());
    env.run(&["--project", &other, "install", "../src/skills/pdf"]).ends(0);
    assert_eq!(words_of(&env, &["--project", &other, "uninstall", ""]), ["pdf"]);
}

/// Out of the cache alone: the host counts who asks.
#[test]
fn refs_and_skills_of_a_repository_come_out_of_the_cache() {
    let mut env = TestEnv::new();
    env.skill("src/skills/pdf");
    env.skill("src/skills/docx");
    let repo = env.git_repo("srv/acme/skills.git", &env.path("src"));
    let tip = repo.refname_to_id("refs/heads/main").unwrap();
    for name in ["refs/tags/v1.0.0", "refs/heads/next"] {
        repo.reference(name, tip, false, "").unwrap();
    }
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.set("BA_AGENT_GITHUB_URL", server.url());
    assert_eq!(words_of(&env, &["install", "acme/skills", "--ref", ""]), Vec::<String>::new());
    env.run(&["install", "acme/skills", "--skill", "pdf"]).ends(0);
    let asked = server.seen().len();
    assert_eq!(words_of(&env, &["install", "acme/skills", "--ref", ""]), ["main", "next", "v1.0.0"]);
    assert_eq!(words_of(&env, &["show", "acme/skills", "--ref", "v"]), ["v1.0.0"]);
    assert_eq!(words_of(&env, &["install", "acme/skills", "--skill", ""]), ["docx", "pdf"]);
    assert_eq!(words_of(&env, &["install", "--ref", "v1.0.0", "acme/skills", "-s", "p"]), ["pdf"]);
    assert_eq!(words_of(&env, &["install", "acme/skills@"]), ["acme/skills@docx", "acme/skills@pdf"]);
    assert_eq!(server.seen().len(), asked);
}

/// Names of files and of catalogues are somebody else's: none may become a command.
#[cfg(unix)]
#[test]
fn what_a_shell_could_run_is_not_offered() {
    let env = TestEnv::new();
    for name in ["$(touch x)", "a;touch x", "`id`", "a b", "good", "a\u{1b}[2Jb", "a\nb", "&x", "|x", "!x"] {
        env.write(&format!("project/{name}"), "");
    }
    let plugins = json!([
        { "name": "$(touch x)", "source": "./a" }, { "name": "a;b", "source": "./b" }, { "name": "fine", "source": "./c" },
    ]);
    let shop = json!({ "name": "acme", "owner": { "name": "A" }, "plugins": plugins });
    env.write("shop/.claude-plugin/marketplace.json", shop.to_string());
    env.run(&["marketplace", "add", "acme", "../shop"]);
    for shell in ["bash", "elvish", "powershell"] {
        let mut command = env.command(&["--", "ba-agent", "install", ""]);
        command.env("BA_AGENT_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "2").env("_CLAP_IFS", "\n");
        let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let words: Vec<&str> = output.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert!(
            words.contains(&"good")
                && words.iter().all(|word| !word.contains(['$', ';', '`', ' ', '&', '|', '!', '\u{1b}'])),
            "{shell}: {words:?}"
        );
    }
    // fish and zsh quote what they insert; nothing can quote a control character on the screen.
    let words = words_of(&env, &["install", ""]);
    assert!(
        words.contains(&"a b".to_owned()) && words.iter().all(|word| !word.contains('\u{1b}')),
        "{words:?}"
    );
}

/// Nothing is printed but candidates, nothing written, no lock waited for, whatever is there.
#[cfg(unix)]
#[test]
fn a_project_of_any_content_gets_no_more_than_an_empty_answer() {
    let env = world();
    let lock = std::fs::File::open(env.state()).unwrap();
    let _held = lock.try_lock();
    let picture = || -> BTreeMap<String, (String, std::time::SystemTime)> {
        let all = walkdir::WalkDir::new(env.root()).into_iter().map(Result::unwrap);
        let entry = |entry: walkdir::DirEntry| {
            let content = std::fs::read(entry.path()).map(|bytes| format!("{bytes:?}")).unwrap_or_default();
            let path = entry.path().display().to_string();
            (path, (content, entry.path().symlink_metadata().unwrap().modified().unwrap()))
        };
        all.filter(|entry| !entry.path().ends_with("config.yaml")).map(entry).collect()
    };
    let lines: &[&[&str]] = &[
        &["install", ""],
        &["uninstall", ""],
        &["show", "x"],
        &["search", "--tag", ""],
        &["rollback", "--to", ""],
        &["install", "acme/skills", "--ref", ""],
        &["install", "acme/skills", "--skill", ""],
        &["marketplace", "show", ""],
    ];
    for (file, content) in [
        ("project/.gitignore", "x"),
        ("project/config/skills_registry.json", "{ not json"),
        ("project/config/skills_marketplaces.json", "[]"),
        ("project/.ba-agent/config.yaml", "skills: {nothing: 1}"),
    ] {
        env.write(file, content);
        let before = picture();
        lines.iter().for_each(|line| drop(offered(&env, line)));
        assert_eq!(picture(), before, "{file}");
    }
    std::fs::remove_file(env.path("project/.ba-agent/config.yaml")).unwrap();
    std::fs::remove_file(env.path("project/config/skills_registry.json")).unwrap();
    for place in ["project/.ba-agent/config.yaml", "project/config/skills_registry.json"] {
        std::process::Command::new("mkfifo").arg(env.path(place)).status().unwrap();
        for line in lines {
            let begun = std::time::Instant::now();
            offered(&env, line);
            assert!(begun.elapsed() < Duration::from_secs(30), "{line:?}");
        }
    }
    let nonsense =
        env.command(&["--", "ba-agent", ""]).env("BA_AGENT_COMPLETE", "nonsense").output().unwrap();
    assert!(
        nonsense.status.success() && nonsense.stdout.is_empty() && nonsense.stderr.is_empty(),
        "{nonsense:?}"
    );
    let far = env
        .command(&["--"])
        .env("BA_AGENT_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "3")
        .output()
        .unwrap();
    assert!(far.status.success() && far.stderr.is_empty(), "{far:?}");
}
