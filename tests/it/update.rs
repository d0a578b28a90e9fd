//! `outdated`, `update`, `pin`, `unpin`, `rollback`, `history`.

use git2::{Oid, Repository};

use crate::env::{TestEnv, commit, skill_md};

/// A repository of three skills whose `pdf` and `docx` are installed from `main`.
struct World {
    env: TestEnv,
    repo: Repository,
}

impl World {
    fn new(reference: &[&str]) -> Self {
        let env = TestEnv::new();
        for name in ["pdf", "docx", "xlsx"] {
            env.skill(&format!("src/skills/{name}"));
        }
        let repo = env.git_repo("repo.git", &env.path("src"));
        let tip = repo.refname_to_id("refs/heads/main").unwrap();
        repo.reference("refs/tags/v1.0.0", tip, false, "").unwrap();
        let world = Self { env, repo };
        let url = world.url();
        let mut args = vec!["skill", "install", &url, "-s", "pdf", "-s", "docx"];
        args.extend(reference);
        world.env.run(&args).ends(0);
        world
    }

    fn url(&self) -> String {
        format!("file://{}", self.env.path("repo.git").display())
    }

    /// Another edition of a skill, committed to `main`.
    fn publish(&self, name: &str, text: &str) -> Oid {
        self.env.write(
            &format!("src/skills/{name}/SKILL.md"),
            skill_md(name, &format!("{text}: another edition of it.")),
        );
        commit(&self.repo, "refs/heads/main", &self.env.path("src"), text)
    }

    fn text(&self, name: &str) -> String {
        self.env.read(&format!("project/.claude/skills/{name}/SKILL.md"))
    }

    fn state(&self) -> (std::collections::BTreeMap<String, String>, String) {
        (self.env.picture("project/.claude"), self.env.read("project/config/skills_registry.json"))
    }
}

#[test]
fn outdated_only_reads_and_says_it_by_its_status() {
    let world = World::new(&[]);
    world.env.run(&["skill", "outdated"]).ends(0).says("nothing is behind");
    let second = world.publish("pdf", "second");
    let before = world.env.picture("project");
    let run = world.env.run(&["skill", "outdated"]).ends(6);
    assert!(run.stdout.contains("pdf\tbehind\t"), "{}", run.stdout);
    let json = world.env.run(&["skill", "outdated", "--json"]).ends(6).json();
    assert_eq!((&json["behind"], &json["skills"][0]["state"]), (&1.into(), &"moved".into()));
    assert_eq!(json["skills"][1]["latest"], second.to_string()[..7]);
    assert_eq!(world.env.picture("project"), before);
    std::fs::remove_dir_all(world.env.path("repo.git")).unwrap();
    world.env.run(&["skill", "outdated"]).ends(3);
}

#[test]
fn update_moves_what_changed_and_writes_nothing_else() {
    let world = World::new(&[]);
    let second = world.publish("pdf", "second");
    let dry = world.env.run(&["skill", "update", "--dry-run", "--diff"]).ends(0);
    assert!(
        dry.stdout.contains("-description: Does pdf") && dry.stdout.contains("+description: second"),
        "{}",
        dry.stdout
    );
    assert!(world.text("pdf").contains("Does pdf"));
    let docx = std::fs::metadata(world.env.path("project/.claude/skills/docx/SKILL.md"))
        .unwrap()
        .modified()
        .unwrap();
    let run = world.env.run(&["skill", "update"]).ends(0);
    assert!(run.stderr.contains("Updated pdf") && run.stderr.contains("M SKILL.md"), "{}", run.stderr);
    assert!(run.stderr.contains("Moved docx"), "{}", run.stderr);
    assert!(world.text("pdf").contains("second"));
    let again = std::fs::metadata(world.env.path("project/.claude/skills/docx/SKILL.md"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(docx, again, "an unchanged skill was written again");
    for name in ["pdf", "docx"] {
        assert_eq!(world.env.registry()["skills"][name]["pin"]["commit"], second.to_string());
    }
    world.env.run(&["skill", "update"]).ends(0).says("nothing to update");
    world.env.run(&["skill", "install", "--frozen"]).ends(0);
}

#[test]
fn targets_mode_and_alias_stay_as_recorded() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    let repo = env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--as", "papers", "-a", "augment", "-a", "claude-code", "--copy"])
        .ends(0);
    env.write("src/pdf/SKILL.md", skill_md("pdf", "The second edition of it, quite another."));
    commit(&repo, "refs/heads/main", &env.path("src"), "second");
    env.run(&["skill", "update", "papers"]).ends(0);
    let entry = &env.registry()["skills"]["papers"];
    assert_eq!(entry["targets"], serde_json::json!(["augment", "claude-code"]));
    assert_eq!((&entry["mode"], &entry["alias_of"]), (&"copy".into(), &"pdf".into()));
    assert_eq!(env.picture("project/.augment/skills/papers"), env.picture("project/.claude/skills/papers"));
    assert!(env.read("project/.claude/skills/papers/SKILL.md").contains("second edition"));
}

#[test]
fn a_range_moves_inside_itself() {
    let world = World::new(&["--ref", "^1"]);
    let second = world.publish("pdf", "second");
    world.repo.reference("refs/tags/v1.4.0", second, false, "").unwrap();
    let third = world.publish("pdf", "third");
    world.repo.reference("refs/tags/v2.0.0", third, false, "").unwrap();
    world.env.run(&["skill", "update", "pdf"]).ends(0);
    let entry = &world.env.registry()["skills"]["pdf"];
    assert_eq!((&entry["pin"]["ref"], &entry["reference"]["range"]), (&"v1.4.0".into(), &"^1".into()));
    assert!(world.text("pdf").contains("second"));
}

#[test]
fn a_held_skill_stays_until_it_is_let_go() {
    let world = World::new(&[]);
    world.env.run(&["skill", "pin", "pdf"]).ends(0).says("Held pdf");
    world.publish("pdf", "second");
    world.env.run(&["skill", "update", "pdf"]).ends(0).says("is held");
    assert!(world.text("pdf").contains("Does pdf"));
    world.env.run(&["skill", "unpin", "pdf"]).ends(0).says("follows the default branch");
    world.env.run(&["skill", "update", "pdf"]).ends(0);
    assert!(world.text("pdf").contains("second"));
    let first = world.repo.revparse_single("main~1").unwrap().id().to_string();
    world.env.run(&["skill", "pin", "pdf", &first]).ends(0);
    assert!(world.text("pdf").contains("Does pdf"));
    assert_eq!(world.env.registry()["skills"]["pdf"]["pinned"], true);
    world.env.run(&["skill", "pin", "pdf", "0123456789012345678901234567890123456789"]).ends(3);
    world.env.run(&["skill", "pin", "pdf", "abc"]).ends(2);
}

#[test]
fn a_moved_tag_and_a_rewritten_branch_need_consent() {
    let world = World::new(&["--ref", "v1.0.0"]);
    let second = world.publish("pdf", "second");
    world.repo.reference("refs/tags/v1.0.0", second, true, "").unwrap();
    let before = world.state();
    world.env.run(&["skill", "update"]).ends(7).says("the tag `v1.0.0` of");
    assert_eq!(world.state(), before);
    world.env.run(&["skill", "update", "--yes"]).ends(0);
    assert!(world.text("pdf").contains("second"));

    let world = World::new(&[]);
    world.repo.find_reference("refs/heads/main").unwrap().delete().unwrap();
    world.publish("pdf", "rewritten");
    let before = world.state();
    world.env.run(&["skill", "update"]).ends(7).says("was rewritten");
    assert_eq!(world.state(), before);
    world.env.run(&["skill", "update", "--yes"]).ends(0);
    assert!(world.text("pdf").contains("rewritten"));
}

#[test]
fn grown_grants_scripts_and_hooks_need_consent() {
    let world = World::new(&[]);
    for (file, text, words) in [
        (
            "SKILL.md",
            "---\nname: pdf\ndescription: Reads tables. Use for tables.\nallowed-tools: Bash\n---\nx\n",
            "asks for more tools: Bash",
        ),
        ("scripts/go.py", "print()\n", "has new scripts: scripts/go.py"),
        (
            "SKILL.md",
            "---\nname: pdf\ndescription: Reads tables. Use for tables.\nallowed-tools: Bash\nhooks:\n  Stop: []\n---\nx\n",
            "now brings hooks",
        ),
    ] {
        world.env.write(&format!("src/skills/pdf/{file}"), text);
        commit(&world.repo, "refs/heads/main", &world.env.path("src"), "grown");
        let before = world.state();
        world.env.run(&["skill", "update", "pdf"]).ends(7).says(words);
        assert_eq!(world.state(), before);
        world.env.run(&["skill", "update", "pdf", "--yes"]).ends(0);
    }
}

#[test]
fn edits_stop_an_update_and_are_kept_when_given_up() {
    let world = World::new(&[]);
    world.publish("pdf", "second");
    world.env.write("project/.claude/skills/pdf/SKILL.md", "mine");
    let before = world.state();
    world.env.run(&["skill", "update"]).ends(7).says("`pdf` was edited");
    assert_eq!(world.state(), before);
    world.env.run(&["skill", "update", "--force"]).ends(0);
    assert!(world.text("pdf").contains("second"));
    world.env.run(&["skill", "rollback", "--offline"]).ends(0);
    assert_eq!(world.text("pdf"), "mine");
    world.env.run(&["skill", "rollback", "--force"]).ends(0);
    assert!(world.text("pdf").contains("second"));
}

#[test]
fn every_change_can_be_rolled_back_offline_and_the_rollback_too() {
    let world = World::new(&[]);
    let env = &world.env;
    let mut states = vec![world.state()];
    world.publish("pdf", "second");
    for args in [
        &["skill", "update"][..],
        &["skill", "uninstall", "docx"],
        &["skill", "install", "builtin:skill-finder"],
        &["skill", "pin", "pdf"],
    ] {
        env.run(args).ends(0);
        states.push(world.state());
    }
    std::fs::remove_dir_all(env.path("repo.git")).unwrap();
    let registry_without_times = |text: &str| text.to_owned();
    let last = states.len() - 1;
    env.run(&["skill", "rollback", "--offline"]).ends(0);
    assert_eq!(world.state().0, states[last - 1].0);
    assert_eq!(registry_without_times(&world.state().1), states[last - 1].1);
    env.run(&["skill", "rollback", "--offline"]).ends(0);
    assert_eq!(world.state(), states[last], "a rollback rolled back");
    let history = env.run(&["skill", "history", "--json"]).ends(0).json();
    let changes = history["changes"].as_array().unwrap();
    assert_eq!(changes[0]["command"], "rollback");
    // Back before each change in turn, the oldest last.
    let first = changes.len() as u64 - 6;
    for (n, state) in states.iter().enumerate().take(4).skip(1).rev() {
        let id = (first + n as u64 + 1).to_string();
        env.run(&["skill", "rollback", "--to", &id, "--offline"]).ends(0);
        assert_eq!(world.state(), *state, "before change {id}");
    }
    env.run(&["skill", "rollback", "--to", "999"]).ends(3);
}

#[test]
fn one_skill_can_be_rolled_back_alone() {
    let world = World::new(&[]);
    world.publish("pdf", "second");
    world.publish("docx", "second");
    world.env.run(&["skill", "update"]).ends(0);
    world.env.run(&["skill", "rollback", "pdf"]).ends(0);
    assert!(world.text("pdf").contains("Does pdf") && world.text("docx").contains("second"));
    world.env.run(&["skill", "rollback", "xlsx"]).ends(3);
}

#[test]
fn a_skill_that_moved_is_followed_and_one_that_is_gone_stays() {
    let world = World::new(&[]);
    std::fs::create_dir_all(world.env.path("src/plugins/office/skills")).unwrap();
    std::fs::rename(world.env.path("src/skills/pdf"), world.env.path("src/plugins/office/skills/pdf"))
        .unwrap();
    std::fs::remove_dir_all(world.env.path("src/skills/docx")).unwrap();
    world.publish("xlsx", "second");
    let run = world.env.run(&["skill", "update"]).ends(0);
    assert!(run.stderr.contains("`docx` stays as it is: it is no longer in"), "{}", run.stderr);
    assert_eq!(world.env.registry()["skills"]["pdf"]["path"], "plugins/office/skills/pdf");
    assert!(world.text("docx").contains("Does docx"));
}

#[test]
fn an_invalid_new_version_is_left_out_and_named() {
    let world = World::new(&[]);
    world.env.write("src/skills/pdf/SKILL.md", "no frontmatter any more\n");
    world.publish("docx", "second");
    world.env.run(&["skill", "update"]).ends(0).says("`pdf` stays as it is");
    assert!(world.text("pdf").contains("Does pdf") && world.text("docx").contains("second"));
}

#[test]
fn a_commit_outside_of_every_branch_is_told_apart() {
    let world = World::new(&[]);
    let second = world.publish("xlsx", "second");
    world.repo.reference("refs/pull/7/head", second, true, "").unwrap();
    let first = world.repo.find_commit(second).unwrap().parent_id(0).unwrap();
    world.repo.reference("refs/heads/main", first, true, "").unwrap();
    let (url, sha) = (world.url(), second.to_string());
    let args = ["skill", "install", &url, "-s", "xlsx", "--sha", &sha];
    let mut strict = args.to_vec();
    strict.push("--require-reachable");
    world.env.run(&strict).ends(6).says("no branch or tag");
    world.env.run(&args).ends(0).says("reachability: not checked");
    let shown = world.env.run(&["skill", "show", "xlsx"]).ends(0).stdout;
    assert!(shown.contains("reachability") && shown.contains("not checked"), "{shown}");
}

/// A change elsewhere in a repository is no news of a skill.
#[test]
fn only_a_skill_whose_files_changed_is_behind() {
    let world = World::new(&[]);
    let tip = world.publish("xlsx", "second");
    let run = world.env.run(&["skill", "outdated", "--all"]).ends(0);
    assert!(
        run.stdout.contains("pdf\tmoved\t") && run.stdout.contains(&tip.to_string()[..7]),
        "{}",
        run.stdout
    );
    world.env.run(&["skill", "outdated"]).ends(0).says("nothing is behind");
    world.env.run(&["skill", "update"]).ends(0).says("its files are the same");
}

/// What its source does not have any more is said, and does not count as behind for ever.
#[test]
fn a_skill_that_is_gone_is_neither_behind_nor_silent() {
    let world = World::new(&[]);
    let sample =
        |name: &str| skill_md(name, "Reads and writes documents of the old kind, with tables in them.");
    world.env.write("src/skills/docx/SKILL.md", sample("docx"));
    commit(&world.repo, "refs/heads/main", &world.env.path("src"), "described");
    world.env.run(&["skill", "update"]).ends(0);
    std::fs::remove_dir_all(world.env.path("src/skills/docx")).unwrap();
    world.env.write("src/skills/words/SKILL.md", sample("words"));
    commit(&world.repo, "refs/heads/main", &world.env.path("src"), "renamed");
    for _ in 0..2 {
        let run = world.env.run(&["skill", "outdated"]).ends(0).says("it is no longer in");
        assert!(run.stdout.contains("docx\tgone\t"), "{}", run.stdout);
        assert!(run.stderr.contains("`skills/words` has nearly the same description"), "{}", run.stderr);
        world.env.run(&["skill", "update"]).ends(0).says("`docx` stays as it is: it is no longer in");
    }
    // One that only moved is behind, since an update follows it.
    std::fs::create_dir_all(world.env.path("src/plugins")).unwrap();
    std::fs::rename(world.env.path("src/skills/pdf"), world.env.path("src/plugins/pdf")).unwrap();
    commit(&world.repo, "refs/heads/main", &world.env.path("src"), "moved");
    let run = world.env.run(&["skill", "outdated"]).ends(6);
    assert!(run.stdout.contains("pdf\tbehind\t") && run.stdout.contains("docx\tgone\t"), "{}", run.stdout);
}

#[test]
fn a_live_link_to_a_folder_that_is_gone_is_mentioned() {
    let env = TestEnv::new();
    env.skill("mine");
    env.run(&["skill", "install", "../mine", "--link"]).ends(0);
    env.run(&["skill", "outdated"]).ends(0).says("nothing is behind");
    std::fs::remove_dir_all(env.path("mine")).unwrap();
    let run = env.run(&["skill", "outdated"]).ends(0).says("target of its live link no longer exists");
    assert!(run.stdout.contains("mine\tgone\t"), "{}", run.stdout);
    env.run(&["skill", "update"]).ends(0).says("`mine` stays as it is");
}

/// One source that cannot be had does not hold back the others; the command says which, and
/// does not end with success.
#[test]
fn a_dead_source_holds_back_no_other() {
    let world = World::new(&[]);
    let other = world.env.git_repo("other.git", &world.env.path("src"));
    let url = format!("file://{}", world.env.path("other.git").display());
    world.env.run(&["skill", "install", &url, "-s", "xlsx"]).ends(0);
    std::fs::remove_dir_all(other.path()).unwrap();
    world.publish("pdf", "second");
    let run = world.env.run(&["skill", "update"]).ends(3).says("`xlsx` was not updated");
    assert!(run.stderr.contains("Updated pdf"), "{}", run.stderr);
    assert!(world.text("pdf").contains("second") && world.text("xlsx").contains("Does xlsx"));
    let json = world.env.run(&["skill", "update", "--json"]).ends(3).json();
    assert_eq!(
        (&json["failed"][0]["name"], &json["failed"][0]["error"]["kind"]),
        (&"xlsx".into(), &"not_found".into())
    );
    // Asked for by itself it is the failure of the command.
    let json = world.env.run(&["skill", "update", "xlsx", "--json"]).ends(3).json();
    assert_eq!(json["error"]["kind"], "not_found");
}

#[test]
fn a_tag_is_named_where_the_branch_would_be() {
    let world = World::new(&["--ref", "v1.0.0"]);
    let shown = world.env.run(&["skill", "outdated", "--all", "--json"]).ends(0).json();
    assert_eq!(shown["skills"][0]["ref"], "v1.0.0");
}

/// The diff of a dry run needs no cache where the installed files are as they were.
#[test]
fn a_dry_run_compares_with_what_is_installed() {
    let world = World::new(&[]);
    world.publish("pdf", "second");
    world.env.run(&["cache", "clear", "--yes"]).ends(0);
    let run = world.env.run(&["skill", "update", "--dry-run", "--diff"]).ends(0);
    assert!(run.stdout.contains("-description: Does pdf"), "{}\n{}", run.stdout, run.stderr);
}
