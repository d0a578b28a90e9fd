//! Skills that need others: what comes along, what holds what, and what is refused.

use serde_json::{Value, json};

use crate::env::{TestEnv, commit};
use ba_agent_test_support::server::Server;

/// Writes a skill that needs others: lines of its frontmatter, then its body.
fn write_skill(env: &TestEnv, below: &str, front: &str, body: &str) {
    let name = below.rsplit('/').next().unwrap();
    let front = if front.is_empty() { String::new() } else { format!("{front}\n") };
    let text = format!(
        "---\nname: {name}\ndescription: Does {name}. Use it when {name} is wanted.\n{front}---\n\n# {name}\n\n{body}\n"
    );
    env.write(&format!("{below}/SKILL.md"), text);
}

/// `report` needs `charts`, which leads to `shared`; `other` needs `charts` too, `lone` nothing.
fn office() -> TestEnv {
    let env = TestEnv::new();
    write_skill(&env, "src/skills/report", "version: 2.1.0\nrequires: [charts]", "Do it.");
    write_skill(&env, "src/skills/charts", "version: 1.4.1", "Read `../shared/SKILL.md` first.");
    write_skill(&env, "src/skills/shared", "", "Do it.");
    write_skill(&env, "src/skills/other", "metadata: {openclaw: {requires: {skills: [charts]}}}", "Do it.");
    write_skill(&env, "src/skills/lone", "dependencies: [pandas>=2, numpy]", "Do it.");
    env
}

fn installed(env: &TestEnv) -> Vec<String> {
    env.registry()["skills"].as_object().unwrap().keys().cloned().collect()
}

/// The names of those that nobody asked for.
fn automatic(env: &TestEnv) -> Vec<String> {
    let registry = env.registry();
    let all = registry["skills"].as_object().unwrap();
    all.iter().filter(|(_, entry)| entry["automatic"] == true).map(|(name, _)| name.clone()).collect()
}

#[test]
fn what_a_skill_needs_comes_along() {
    let env = office();
    let run = env.run(&["skill", "install", "../src", "-s", "report"]).ends(0);
    let run = run.says("Installed charts in .claude/skills (needed by report)");
    run.says("Installed shared in .claude/skills (needed by charts)")
        .says("Installed report in .claude/skills\n");
    assert_eq!(installed(&env), ["charts", "report", "shared"]);
    assert_eq!(automatic(&env), ["charts", "shared"]);
    let dependencies = &env.registry()["skills"]["charts"]["dependencies"];
    assert_eq!(*dependencies, json!([{ "at": "SKILL.md:9", "kind": "link", "name": "shared" }]));
    let dependencies = &env.registry()["skills"]["report"]["dependencies"];
    assert_eq!(
        *dependencies,
        json!([{ "at": "SKILL.md:5", "key": "requires", "kind": "declared", "name": "charts" }])
    );
    // The same again changes nothing; what was needed is asked for now.
    let before = env.read("project/config/skills_registry.json");
    env.run(&["skill", "install", "../src", "-s", "report"]).ends(0).says("Unchanged");
    assert_eq!(env.read("project/config/skills_registry.json"), before);
    env.run(&["skill", "install", "../src", "-s", "shared"]).ends(0);
    assert_eq!(automatic(&env), ["charts"]);
}

#[test]
fn a_dry_run_and_json_name_what_would_come() {
    let env = office();
    let told = env.run(&["skill", "install", "../src", "-s", "report", "--dry-run", "--json"]).ends(0).json();
    let names: Vec<&str> =
        told["skills"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["charts", "report", "shared"]);
    assert_eq!(told["needed_by"], json!({ "charts": ["report"], "shared": ["charts"] }));
    assert_eq!(told["skills"][0]["entry"]["automatic"], true);
    assert!(!env.path("project/config").exists());
}

#[test]
fn nothing_is_followed_where_that_is_not_wanted() {
    let env = office();
    env.run(&["skill", "install", "../src", "-s", "report", "--no-deps"]).ends(0);
    assert_eq!(installed(&env), ["report"]);
    assert_eq!(env.registry()["skills"]["report"]["dependencies"][0]["name"], "charts");
    // Packages of other programs are no skills.
    env.run(&["skill", "install", "../src", "-s", "lone"]).ends(0);
    assert_eq!(installed(&env), ["lone", "report"]);
    env.run(&["skill", "install", "--no-deps"]).ends(2).says("needs a source");
}

#[test]
fn what_is_installed_already_is_not_brought_again() {
    let env = office();
    env.skill("mine/charts");
    env.run(&["skill", "install", "../mine/charts"]).ends(0);
    let before = env.registry()["skills"]["charts"].clone();
    env.run(&["skill", "install", "../src", "-s", "report"]).ends(0);
    assert_eq!(installed(&env), ["charts", "report"]);
    assert_eq!(env.registry()["skills"]["charts"], before, "it is the user's own, and stays");
}

#[test]
fn what_others_need_is_not_taken_away() {
    let env = office();
    env.run(&["skill", "install", "../src", "-s", "report,other"]).ends(0);
    let before = env.picture("project");
    let run = env.run(&["skill", "uninstall", "charts"]).ends(7).says("`charts` is needed by other, report");
    run.says("`ba-agent skill uninstall charts other report`");
    env.run(&["skill", "uninstall", "shared"])
        .ends(7)
        .says("`ba-agent skill uninstall shared charts other report`");
    env.run(&["skill", "uninstall", "charts", "--agent", "claude-code"]).ends(7).says("is needed by");
    assert_eq!(env.picture("project"), before);
    // Together, or by force.
    env.run(&["skill", "uninstall", "report"]).ends(0);
    env.run(&["skill", "uninstall", "charts", "--force"]).ends(0).says("needed by nothing any more: shared");
    assert_eq!(installed(&env), ["other", "shared"]);
    env.run(&["skill", "uninstall", "--prune"]).ends(0).says("Removed shared");
    env.run(&["skill", "uninstall", "--prune"]).ends(0).says("nothing came along");
    assert_eq!(installed(&env), ["other"]);
}

/// A day with them: one comes along for two, leaves with the last, and comes back.
#[test]
fn what_came_along_goes_with_the_last_that_needs_it() {
    let env = office();
    env.run(&["skill", "install", "../src", "-s", "report"]).ends(0);
    env.run(&["skill", "install", "../src", "-s", "other"]).ends(0);
    env.run(&["skill", "uninstall", "report", "--prune"]).ends(0);
    assert_eq!(installed(&env), ["charts", "other", "shared"]);
    let full = env.picture("project");
    env.run(&["skill", "uninstall", "other", "--prune"])
        .ends(0)
        .says("Removed charts")
        .says("Removed shared");
    assert!(installed(&env).is_empty());
    assert!(!env.path("project/.claude/skills/charts").exists());
    env.run(&["skill", "rollback", "--yes"]).ends(0);
    assert_eq!(env.picture("project"), full, "one change, turned back as one");
    assert_eq!(automatic(&env), ["charts", "shared"]);
    env.run(&["skill", "verify"]).ends(0);
}

/// What needs each other is installed together, and said.
#[test]
fn circles_are_told() {
    let env = TestEnv::new();
    write_skill(&env, "src/a", "", "See [b](../b/SKILL.md).");
    write_skill(&env, "src/b", "", "See [a](../a/SKILL.md).");
    env.run(&["skill", "install", "../src", "-s", "a"]).ends(0).says("need each other: a -> b -> a");
    assert_eq!(installed(&env), ["a", "b"]);
    env.run(&["skill", "uninstall", "a"]).ends(7).says("`ba-agent skill uninstall a --prune`");
    env.run(&["skill", "uninstall", "a", "--prune"]).ends(0);
    assert!(installed(&env).is_empty());
}

#[test]
fn what_is_nowhere_stops_everything() {
    let env = office();
    write_skill(&env, "src/skills/wants", "requires: [charts, gone, lost@^2]", "Do it.");
    let run = env
        .run(&["skill", "install", "../src", "-s", "wants"])
        .ends(7)
        .says("2 needed skills are nowhere to be found");
    let run = run.says("wants needs gone (skills/wants/SKILL.md:4, `requires`)").says("wants needs lost ^2");
    run.says("`--no-deps` installs without following dependencies");
    assert!(!env.path("project/config").exists());
    env.run(&["skill", "install", "../src", "-s", "wants", "--no-deps"]).ends(0);
    // A suggestion is none.
    write_skill(&env, "src/skills/hints", "related-skills: [gone]", "Do it.");
    env.run(&["skill", "install", "../src", "-s", "hints"]).ends(0);
    let told = env.registry()["skills"]["hints"]["dependencies"][0].clone();
    assert_eq!((&told["name"], &told["optional"]), (&json!("gone"), &json!(true)));
}

#[test]
fn ranges_that_exclude_each_other_are_told_with_both_sides() {
    let env = office();
    write_skill(&env, "src/skills/old", "version: 0.9.0\nrequires: [charts@^2]", "Do it.");
    let run = env.run(&["skill", "install", "../src", "-s", "report,old"]).ends(7);
    let run = run.says("`old` and `report` need versions of `charts` that exclude each other");
    let run = run.says("old 0.9.0 needs charts ^2 (skills/old/SKILL.md:5, `requires`)");
    let run = run.says("report 2.1.0 needs charts (skills/report/SKILL.md:5, `requires`); published: 1.4.1");
    run.says("`ba-agent skill install report --global`").says("`--no-deps`");
    assert!(!env.path("project/config").exists());
    // The installed one counts as well.
    env.run(&["skill", "install", "../src", "-s", "charts"]).ends(0);
    env.run(&["skill", "install", "../src", "-s", "old"])
        .ends(7)
        .says("needs a version of `charts` that does not exist");
}

/// Chains, long ones too, and names that mean no harm to anybody.
#[test]
fn bad_input_ends_in_a_message() {
    let env = TestEnv::new();
    for n in 0..400 {
        write_skill(&env, &format!("chain/s{n:03}"), &format!("requires: [s{:03}]", (n + 1) % 400), "Do it.");
    }
    env.run(&["skill", "install", "../chain", "-s", "s000"]).ends(0);
    assert_eq!(installed(&env).len(), 400);
    for (n, front) in [
        "requires: [bad]",
        "requires: ['../../../../etc']",
        "requires: ['charts@newest']",
        "requires:\n- {skill: x, source: 'https://u:secret@example.com/x.git'}",
        "requires: {skills: {a: {b: c}}}",
        "dependencies: 7",
        "metadata: [1, 2]",
    ]
    .iter()
    .enumerate()
    {
        write_skill(&env, &format!("bad{n}/bad"), front, "Do it.");
        let run = env.run(&["skill", "install", &format!("../bad{n}"), "--dry-run"]);
        assert!(matches!(run.status, 0 | 7), "{front}: {}", run.stderr);
        assert!(!run.stderr.contains("secret") && !run.stdout.contains("secret"), "{front}: {}", run.stderr);
    }
}

/// A repository names another host: nothing is asked there before somebody has agreed.
#[test]
fn another_source_needs_a_yes() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.set("BA_AGENT_GITHUB_URL", server.url());
    write_skill(
        &env,
        "one/skills/report",
        "requires:\n- skill: charts\n  source: github:evil/charts\n  version: ^1.2",
        "Do it.",
    );
    env.git_repo("srv/acme/one.git", &env.path("one"));
    write_skill(&env, "two/skills/charts", "version: 1.2.0", "Do it.");
    let repo = env.git_repo("srv/evil/charts.git", &env.path("two"));
    let tag = |name: &str| {
        let head = repo.head().unwrap().peel(git2::ObjectType::Commit).unwrap();
        repo.tag_lightweight(name, &head, true).unwrap();
    };
    tag("v1.2.0");
    write_skill(&env, "two/skills/charts", "version: 1.4.1", "Do it better.");
    commit(&repo, "refs/heads/main", &env.path("two"), "more");
    tag("v1.4.1");
    write_skill(&env, "two/skills/charts", "version: 2.0.0", "Do it otherwise.");
    commit(&repo, "refs/heads/main", &env.path("two"), "other");
    tag("v2.0.0");
    let asked = || server.seen().iter().filter(|seen| seen.target.contains("evil")).count();
    let install = ["skill", "install", "acme/one@report"];
    let run = env.run(&install).ends(7).says("`report` needs `charts` from github:evil/charts");
    run.says("`--yes` agrees").says("loader.dependency.allow_sources").says("--no-deps");
    assert_eq!(asked(), 0, "nobody has agreed");
    assert!(!env.path("project/config").exists());
    env.run(&[&install[..], &["--yes"]].concat()).ends(0).says("needed by report");
    assert!(asked() > 0);
    let entry = env.registry()["skills"]["charts"].clone();
    assert_eq!(
        (&entry["version"], &entry["pin"]["ref"]),
        (&json!("1.4.1"), &json!("v1.4.1")),
        "the highest in ^1.2"
    );
    assert_eq!(entry["reference"], json!({ "range": "^1.2" }));
    // What no version is in is told with what there is.
    write_skill(
        &env,
        "one/skills/report",
        "requires:\n- skill: charts\n  source: github:evil/charts\n  version: ^3",
        "Do it.",
    );
    let one = git2::Repository::open(env.path("srv/acme/one.git")).unwrap();
    commit(&one, "refs/heads/main", &env.path("one"), "more");
    std::fs::create_dir_all(env.path("third/.git")).unwrap();
    let run = env.run_in("third", &[&install[..], &["--yes"]].concat()).ends(7);
    run.says("published: 1.2.0, 1.4.1, 2.0.0");
}

/// The lock brings back the same set, in a clone and without following anything.
#[test]
fn a_clone_gets_the_same_set() {
    let env = office();
    env.run(&["skill", "install", "../src", "-s", "report"]).ends(0);
    let registry = env.read("project/config/skills_registry.json");
    std::fs::create_dir_all(env.path("clone/.git")).unwrap();
    env.write("clone/config/skills_registry.json", &registry);
    env.run_in("clone", &["skill", "install", "--frozen"]).ends(0);
    assert_eq!(env.picture("clone/.claude"), env.picture("project/.claude"));
    assert_eq!(env.read("clone/config/skills_registry.json"), registry);
    let value: Value = serde_json::from_str(&registry).unwrap();
    assert_eq!(value["skills"].as_object().unwrap().len(), 3);
}

/// The lines of a drawing.
fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn what_needs_what_is_drawn_and_told() {
    let env = office();
    write_skill(
        &env,
        "src/skills/kit",
        "requires: {skills: [charts, report], bins: [no-such-program]}\ndependencies: [pandas>=2]",
        "Do it.",
    );
    env.run(&["skill", "install", "../src", "-s", "kit,other"]).ends(0);
    let run = env.run(&["skill", "tree"]).ends(0);
    let expected = [
        "kit (lacks bin:no-such-program)",
        "├── charts 1.4.1",
        "│   └── shared",
        "└── report 2.1.0",
        "    └── charts 1.4.1 (*)",
        "other",
        "└── charts 1.4.1 (*)",
    ];
    assert_eq!(lines(&run.stdout), expected);
    env.run(&["skill", "tree", "--strict"]).ends(0);
    let run = env.run(&["skill", "deps", "kit"]).ends(0);
    assert_eq!(lines(&run.stdout)[..5], expected[..5]);
    assert_eq!(lines(&run.stdout)[5..], ["packages of kit: pandas>=2"]);
    let told = env.run(&["skill", "deps", "kit", "--json"]).ends(0).json();
    assert_eq!(told["roots"], json!(["kit"]));
    assert_eq!(told["order"], json!(["shared", "charts", "report", "kit"]));
    assert_eq!(told["packages"], json!([{ "skill": "kit", "text": "pandas>=2" }]));
    let node = &told["nodes"][1];
    assert_eq!(
        (&node["name"], &node["ready"], &node["unmet"]),
        (&json!("kit"), &json!(false), &json!(["bin:no-such-program"]))
    );
    let edge = json!({ "from": "charts", "to": "shared", "range": null, "kind": "link", "optional": false, "at": "SKILL.md:9" });
    assert_eq!(told["edges"][0], edge);
    let run = env.run(&["skill", "why", "shared"]).ends(0);
    assert_eq!(
        lines(&run.stdout),
        ["kit -> charts -> shared", "other -> charts -> shared", "kit -> report -> charts -> shared"]
    );
    env.run(&["skill", "why", "kit"]).ends(0).says("kit was asked for");
    let told = env.run(&["skill", "why", "charts", "--json"]).ends(0).json();
    assert_eq!((&told["asked"], &told["ways"][0]), (&json!(false), &json!(["kit", "charts"])));
    env.run(&["skill", "deps", "none"]).ends(3);
    env.run(&["skill", "why", "char"]).ends(3).says("did you mean `charts`?");
}

#[test]
fn what_is_missing_or_in_a_circle_counts_where_that_is_strict() {
    let env = office();
    write_skill(&env, "src/skills/broken", "requires: [charts@^2, gone]", "See [it](../ring/SKILL.md).");
    write_skill(&env, "src/skills/ring", "", "See [it](../broken/SKILL.md).");
    env.run(&["skill", "install", "../src", "-s", "broken,ring", "--no-deps"]).ends(0);
    env.run(&["skill", "install", "../src", "-s", "charts"]).ends(0);
    let run = env.run(&["skill", "tree"]).ends(0).says("gone is missing: broken needs it");
    let run = run.says("charts is 1.4.1: broken needs ^2").says("need each other: broken -> ring -> broken");
    let expected = [
        "broken",
        "├── charts 1.4.1 (^2)",
        "│   └── shared",
        "├── gone (missing)",
        "└── ring",
        "    └── broken (circle)",
    ];
    assert_eq!(lines(&run.stdout), expected);
    env.run(&["skill", "tree", "--strict"]).ends(6);
    let told = env.run(&["skill", "tree", "--json", "--strict"]).ends(6).json();
    assert_eq!(told["cycles"], json!([["broken", "ring", "broken"]]));
    assert_eq!(told["missing"], json!([{ "name": "gone", "wanted_by": ["broken"], "range": null }]));
    assert_eq!(told["conflicts"][0]["wanted_by"][0]["range"], "^2");
    env.run(&["skill", "why", "gone"]).ends(0).says("gone is not installed");
    // A model is not offered what lacks a part.
    let told = env.run(&["skill", "context", "--json"]).ends(0).json();
    let omitted: Vec<_> =
        told["omitted"].as_array().unwrap().iter().map(|one| (&one["name"], &one["reason"])).collect();
    assert_eq!(omitted, [(&json!("broken"), &json!("dependency"))]);
    let told = env.run(&["doctor", "--json"]).ends(0).json();
    let codes: Vec<&str> =
        told["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    for code in ["dependency-missing", "dependency-version", "dependency-circle"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
}

/// Writes another edition of the source and commits it.
fn publish(env: &TestEnv, repo: &git2::Repository, below: &str, front: &str, body: &str) {
    write_skill(env, below, front, body);
    commit(repo, "refs/heads/main", &env.path("src"), "another edition");
}

#[test]
fn an_update_brings_what_the_new_version_needs() {
    let env = office();
    let repo = env.git_repo("repo", &env.path("src"));
    let source = format!("file://{}", env.path("repo").display());
    env.run(&["skill", "install", &source, "-s", "lone"]).ends(0);
    publish(&env, &repo, "src/skills/lone", "requires: [charts]", "Do it with charts.");
    let before = env.picture("project");
    env.run(&["skill", "update", "--dry-run"]).ends(0).says("Would put charts").says("Would put shared");
    assert_eq!(env.picture("project"), before);
    env.run(&["skill", "update"]).ends(0).says("Installed charts (needed by what was updated)");
    assert_eq!(installed(&env), ["charts", "lone", "shared"]);
    assert_eq!(automatic(&env), ["charts", "shared"]);
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "tree", "--strict"]).ends(0);
    // What it cannot have keeps it where it is.
    let held = env.registry()["skills"]["lone"].clone();
    publish(&env, &repo, "src/skills/lone", "requires: [charts, gone]", "Do it with what is gone.");
    env.run(&["skill", "update"]).ends(0).says("`lone` stays as it is: lone needs gone");
    assert_eq!(env.registry()["skills"]["lone"]["digest"], held["digest"]);
    assert!(env.read("project/.claude/skills/lone/SKILL.md").contains("with charts"));
}

#[test]
fn an_update_stays_inside_all_ranges() {
    let env = office();
    write_skill(&env, "src/skills/report", "version: 2.1.0\nrequires: [charts@^1]", "Do it.");
    let repo = env.git_repo("repo", &env.path("src"));
    let source = format!("file://{}", env.path("repo").display());
    env.run(&["skill", "install", &source, "-s", "report"]).ends(0);
    publish(&env, &repo, "src/skills/charts", "version: 1.5.0", "Do it better.");
    env.run(&["skill", "update"]).ends(0);
    assert_eq!(env.registry()["skills"]["charts"]["version"], "1.5.0");
    publish(&env, &repo, "src/skills/charts", "version: 2.0.0", "Do it otherwise.");
    env.run(&["skill", "update"])
        .ends(0)
        .says("`charts` stays as it is: it would be 2.0.0, and report needs ^1 of it");
    assert_eq!(env.registry()["skills"]["charts"]["version"], "1.5.0");
    // Both at once are no conflict.
    publish(&env, &repo, "src/skills/report", "version: 3.0.0\nrequires: [charts@^2]", "Do it.");
    env.run(&["skill", "update"]).ends(0);
    assert_eq!(env.registry()["skills"]["charts"]["version"], "2.0.0");
    assert_eq!(env.registry()["skills"]["report"]["version"], "3.0.0");
    env.run(&["skill", "tree", "--strict"]).ends(0);
}

#[test]
fn settings_decide_about_circles_and_sources() {
    let mut env = TestEnv::new();
    write_skill(&env, "src/a", "", "See [b](../b/SKILL.md).");
    write_skill(&env, "src/b", "", "See [a](../a/SKILL.md).");
    env.write(
        "project/.ba-agent/config.yaml",
        "loader:\n  dependency: {cyclic_dependency_action: fail_fast}\n",
    );
    env.run(&["skill", "install", "../src", "-s", "a"])
        .ends(7)
        .says("in a circle: a -> b -> a")
        .says("--no-deps");
    assert!(!env.path("project/config").exists());
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.set("BA_AGENT_GITHUB_URL", server.url());
    write_skill(&env, "one/report", "requires: ['acme/other@charts']", "Do it.");
    env.git_repo("srv/acme/one.git", &env.path("one"));
    write_skill(&env, "two/charts", "", "Do it.");
    env.git_repo("srv/acme/other.git", &env.path("two"));
    // A project cannot agree in the place of its user.
    let allow = "loader:\n  dependency: {allow_sources: ['github:acme/*']}\n";
    env.write("project/.ba-agent/config.yaml", allow);
    let install = ["skill", "install", "acme/one@report"];
    env.run(&install);
    assert!(!env.path("project/config").exists());
    env.write("project/.ba-agent/config.yaml", "");
    env.write("settings/config.yaml", allow);
    env.run(&install).ends(0).says("Installed charts");
}

/// What is kept of the registry and of manifests changes no answer: with it, without it, with a
/// damaged one, after each change of a file.
#[test]
fn what_is_kept_of_skills_changes_no_answer() {
    let mut env = office();
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    let cache = env.path("answers");
    env.set("BA_AGENT_CACHE_DIR", cache.to_string_lossy());
    let commands: [&[&str]; 6] = [
        &["skill", "tree", "--json"],
        &["skill", "context", "--json"],
        &["skill", "context", "--json", "--for", "claude-code"],
        &["skill", "activate", "charts", "--json"],
        &["skill", "activate", "report", "--json", "--for", "claude-code"],
        &["skill", "recommend", "charts", "--json"],
    ];
    let files = |below: &std::path::Path| {
        let all = walkdir::WalkDir::new(below).into_iter().filter_map(Result::ok);
        all.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect::<Vec<_>>()
    };
    let skill = |name: &str, file: &str| format!("project/.claude/skills/{name}/{file}");
    let changes: [&dyn Fn(&TestEnv); 6] = [
        &|_| {},
        &|env| {
            drop(env.write(&skill("lone", "SKILL.md"), "---\nname: lone\ndescription: X. When.\n---\n\nx\n"))
        },
        &|env| drop(env.write(&skill("other", "skill.yaml"), "dependencies: [pandas>=3]\n")),
        &|env| drop(env.write(&skill("shared", "SKILL.md"), "---\nname: [\n---\n")),
        &|env| drop(env.run(&["skill", "disable", "lone"]).ends(0)),
        &|env| std::fs::remove_dir_all(env.path(&skill("report", ""))).unwrap(),
    ];
    for (at, change) in changes.iter().enumerate() {
        change(&env);
        for command in commands {
            let answer = |env: &TestEnv| {
                let output = env.command(command).output().unwrap();
                // What was used before counts in what is said of the skills.
                let used = |text: &str| text.lines().filter(|line| !line.contains("use")).collect::<String>();
                (output.status.code(), used(&String::from_utf8_lossy(&output.stdout)), output.stderr)
            };
            let kept = answer(&env);
            assert_eq!(answer(&env), kept, "{at}, {command:?}, again");
            for damage in [&b""[..], &[0xff; 3_000]] {
                files(&cache.join("index")).iter().for_each(|file| std::fs::write(file, damage).unwrap());
                assert_eq!(answer(&env), kept, "{at}, {command:?}, damaged");
            }
            std::fs::remove_dir_all(&cache).unwrap();
            assert_eq!(answer(&env), kept, "{at}, {command:?}, with an empty cache");
        }
    }
}
