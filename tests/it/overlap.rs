//! Sources that lie at, in or around the places of skills: whatever is done with them, no
//! file of a source is lost.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use proptest::prelude::*;

use crate::env::TestEnv;

#[test]
fn a_skill_at_its_own_place_is_left_as_it_is() {
    for how in [&[][..], &["--link"], &["--copy"], &["--force"], &["--link", "--force"]] {
        let env = TestEnv::new();
        env.skill("project/.claude/skills/pdf").file("only.md", "the only copy");
        let before = env.picture("project/.claude");
        let mut args = vec!["skill", "install", "./.claude/skills/pdf"];
        args.extend(how);
        let run = env.run(&args).ends(7).says("`.claude/skills/pdf` is its own source");
        assert!(run.stderr.contains("ba-agent skill adopt .claude/skills/pdf"), "{}", run.stderr);
        assert_eq!(env.picture("project/.claude"), before, "{how:?}");
        assert_eq!(env.run(&["skill", "list", "--json"]).ends(0).json()["skills"], serde_json::json!([]));
        env.run(&["skill", "install", "./.claude/skills", "--all"]).ends(0).says("`pdf` is already in place");
        assert_eq!(env.picture("project/.claude"), before, "{how:?}");
    }
}

#[test]
fn authors_whose_skill_folder_is_a_link_to_their_sources_lose_nothing() {
    let env = TestEnv::new();
    env.skill("project/skills/mine");
    env.skill("project/skills/two");
    std::fs::create_dir(env.path("project/.claude")).unwrap();
    symlink("../skills", env.path("project/.claude/skills")).unwrap();
    let before = env.picture("project/skills");
    for how in [&["--link"][..], &[], &["--link", "--dry-run"]] {
        let mut args = vec!["skill", "install", ".", "--all"];
        args.extend(how);
        env.run(&args).ends(0).says("`mine` is already in place").says("`two` is already in place");
        assert_eq!(env.picture("project/skills"), before, "{how:?}");
    }
    // In the user's scope too.
    env.skill("home/.claude/skills/x").file("only.md", "the only copy");
    let before = env.picture("home/.claude");
    let at = env.path("home/.claude/skills/x");
    env.run(&["skill", "install", "--global", "--link", at.to_str().unwrap()])
        .ends(7)
        .says("is its own source");
    assert_eq!(env.picture("home/.claude"), before);
}

#[test]
fn further_agents_get_a_skill_that_is_in_place() {
    let env = TestEnv::new();
    env.skill("project/.claude/skills/pdf");
    let args = ["skill", "install", "./.claude/skills/pdf", "-a", "claude-code", "-a", "augment", "--link"];
    env.run(&args).ends(0).says("`pdf` is already in place");
    assert_eq!(env.registry()["skills"]["pdf"]["targets"], serde_json::json!(["augment"]));
    assert!(env.path("project/.augment/skills/pdf").is_symlink());
    assert!(!env.path("project/.claude/skills/pdf").is_symlink());
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    assert!(env.path("project/.claude/skills/pdf/SKILL.md").exists());
}

#[test]
fn a_live_link_to_a_skill_in_place_stays_one_after_an_edit() {
    let env = TestEnv::new();
    env.skill("project/.claude/skills/pdf").file("sub/only.md", "the only copy");
    env.run(&["skill", "install", "./.claude/skills/pdf", "--link", "-a", "augment"]).ends(0);
    let link = std::fs::read_link(env.path("project/.augment/skills/pdf")).unwrap();
    env.write("project/.claude/skills/pdf/sub/only.md", "the author writes on");
    let before = env.picture("project/.claude");
    env.run(&["skill", "install", "./.claude/skills/pdf"]).ends(0).says("`pdf` is already in place");
    assert_eq!(env.picture("project/.claude"), before);
    assert_eq!(std::fs::read_link(env.path("project/.augment/skills/pdf")).unwrap(), link);
    assert_eq!(env.registry()["skills"]["pdf"]["mode"], "live");
    env.run(&["skill", "verify"]).ends(0);
}

#[test]
fn a_skill_installed_into_itself_does_not_grow() {
    let env = TestEnv::new();
    env.skill("project").file("notes.md", "one").file("config/own.yaml", "of the skill");
    env.run(&["skill", "install", "."]).ends(0);
    let first = env.picture("project/.claude/skills");
    let name = env.registry()["skills"].as_object().unwrap().keys().next().unwrap().clone();
    let files: Vec<_> = first.keys().filter(|path| first[*path] != "/").collect();
    let expected = ["SKILL.md", "config/own.yaml", "notes.md"].map(|file| format!("{name}/{file}"));
    assert_eq!(files, expected.iter().collect::<Vec<_>>());
    let update = env.run(&["skill", "update"]).ends(0).says("nothing to update");
    assert!(!update.stderr.contains("->"), "{}", update.stderr);
    env.run(&["skill", "install", "."]).ends(0).says("Unchanged");
    assert_eq!(env.picture("project/.claude/skills"), first);
    // Another target of its own is no part of it either, nor the settings.
    env.write("project/.ba-agent/config.yaml", "skills:\n  agents: [claude-code]\n");
    env.run(&["skill", "install", ".", "-a", "./elsewhere/skills", "--copy"]).ends(0);
    env.run(&["skill", "update"]).ends(0).says("nothing to update");
    env.write("project/notes.md", "two");
    let update = env.run(&["skill", "update"]).ends(0);
    assert!(update.stderr.contains(&format!("Updated {name}\n")), "{}", update.stderr);
    assert_eq!(env.read(&format!("project/.claude/skills/{name}/notes.md")), "two");
    assert_eq!(env.picture("project/.claude/skills").keys().count(), first.len());
    env.run(&["skill", "verify"]).ends(0);
}

#[test]
fn a_live_link_inside_the_folder_that_it_leads_to_is_refused() {
    let env = TestEnv::new();
    env.skill("project");
    let before = env.picture("project");
    env.run(&["skill", "install", ".", "--link"])
        .ends(7)
        .says("cannot be linked into itself")
        .says("--global");
    assert_eq!(env.picture("project"), before);
    env.run(&["skill", "install", ".", "--link", "--dry-run"]).ends(7);
    env.run(&["skill", "install", ".", "--link", "--global"]).ends(0);
}

#[test]
fn a_place_that_holds_its_source_is_never_replaced() {
    let env = TestEnv::new();
    env.skill("project/.claude/skills/pdf/vendor/pdf");
    env.write("project/.claude/skills/pdf/mine.txt", "mine");
    env.zip("project/.claude/skills/pdf/pdf.zip", &env.path("project/.claude/skills/pdf/vendor/pdf"));
    let before = env.picture("project/.claude");
    for source in ["./.claude/skills/pdf/vendor/pdf", "./.claude/skills/pdf/pdf.zip"] {
        for how in [&["--force"][..], &["--force", "--dry-run"], &["--force", "--link"]] {
            if source.ends_with("zip") && how.contains(&"--link") {
                continue;
            }
            let mut args = vec!["skill", "install", source, "--as", "pdf"];
            args.extend(how);
            env.run(&args).ends(7).says("would be replaced");
            assert_eq!(env.picture("project/.claude"), before, "{args:?}");
        }
    }
    assert!(!env.path("project/config/skills_registry.json").exists());
}

#[test]
fn a_place_that_became_the_source_outlives_uninstall_and_rollback() {
    let env = TestEnv::new();
    env.skill("project/skills/pdf");
    env.run(&["skill", "install", "./skills/pdf"]).ends(0);
    // The author now has the agent read the sources themselves.
    std::fs::remove_dir_all(env.path("project/.claude/skills")).unwrap();
    symlink("../skills", env.path("project/.claude/skills")).unwrap();
    let before = env.picture("project/skills");
    for args in [
        &["skill", "install", "--force"][..],
        &["skill", "update", "--force"],
        &["skill", "install", "./skills/pdf", "--link", "--force"],
        &["skill", "uninstall", "pdf"],
        &["skill", "rollback"],
        &["skill", "rollback"],
        &["skill", "uninstall", "pdf", "--force"],
    ] {
        let run = env.run(args);
        assert!([0, 3].contains(&run.status), "{args:?}: {run:?}");
        assert_eq!(env.picture("project/skills"), before, "{args:?}");
    }
}

/// How sources and places lie to each other in one sequence.
#[derive(Debug, Clone, Copy)]
enum Layout {
    /// Apart, as usual.
    Beside,
    /// `.claude/skills -> ../skills`.
    Linked,
    /// `.claude -> dot`, the skills written in `.claude/skills` itself.
    LinkedAbove,
    /// Written where they are used.
    Own,
    /// The project is the skill.
    Top,
    /// One in the folder of another's place.
    Inside,
}

impl Layout {
    /// Makes it; the folders of its skills, as the author knows them.
    fn make(self, env: &TestEnv) -> Vec<&'static str> {
        let skills = match self {
            Self::Beside => vec!["skills/a", "skills/b"],
            Self::Linked => vec!["skills/a", "skills/b"],
            Self::LinkedAbove => vec!["dot/skills/a", "dot/skills/b"],
            Self::Own => vec![".claude/skills/a", ".claude/skills/b"],
            Self::Top => vec!["."],
            Self::Inside => vec![".claude/skills/a/vendor/a", "skills/b"],
        };
        for skill in &skills {
            let at = PathBuf::from("project").join(skill);
            env.skill(at.to_str().unwrap().trim_end_matches("/.")).file("sub/only.md", "the only copy");
        }
        match self {
            Self::Linked => {
                std::fs::create_dir(env.path("project/.claude")).unwrap();
                symlink("../skills", env.path("project/.claude/skills")).unwrap();
            }
            Self::LinkedAbove => symlink("dot", env.path("project/.claude")).unwrap(),
            _ => {}
        }
        skills
    }
}

#[derive(Debug, Clone)]
struct Step {
    verb: usize,
    skill: usize,
    flags: u8,
}

impl Step {
    fn args(&self, skills: &[&str], round: usize, env: &TestEnv) -> Vec<String> {
        let skill = skills[self.skill % skills.len()];
        let name = match skill {
            "." => "project",
            skill => skill.rsplit('/').next().unwrap(),
        };
        let on = |bit: u8| self.flags >> bit & 1 == 1;
        let mut args: Vec<&str> = vec!["skill"];
        match self.verb {
            0 | 1 => {
                let skill = if skill == "." { skill } else { &format!("./{skill}") };
                let mut args = vec!["skill", "install", skill];
                [("--link", 0), ("--force", 1)].iter().for_each(|(flag, bit)| {
                    if on(*bit) {
                        args.push(flag);
                    }
                });
                match self.flags >> 2 & 3 {
                    1 => args.extend(["-a", "augment", "-a", "claude-code"]),
                    2 => args.extend(["-a", "augment"]),
                    _ => {}
                }
                return args.into_iter().map(str::to_owned).collect();
            }
            2 => args.extend(["install", ".", "--all"]),
            3 => args.extend(["uninstall", name]),
            4 => args.push("update"),
            5 => args.push("rollback"),
            6 => args.push("install"),
            _ => {
                // The author writes on.
                let file = env.path("project").join(skill).join("sub/only.md");
                std::fs::write(file, format!("the only copy, round {round}")).unwrap();
                return Vec::new();
            }
        }
        if on(1) {
            args.push("--force");
        }
        args.into_iter().map(str::to_owned).collect()
    }
}

/// What the author has: the files of the sources as they are to be.
fn sources(env: &TestEnv, skills: &[&str]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for skill in skills {
        for file in ["SKILL.md", "sub/only.md"] {
            let path = env.path("project").join(skill).join(file);
            let is_file = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
            let folder = env.path("project").join(skill);
            assert!(!folder.is_symlink(), "{skill} became a link");
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            files.insert(format!("{skill}/{file}"), format!("{is_file} {text}"));
        }
    }
    files
}

fn deepest(env: &TestEnv) -> usize {
    let picture = env.picture("project");
    picture
        .keys()
        .filter(|path| path.ends_with("SKILL.md"))
        .map(|path| path.matches('/').count())
        .max()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 60, ..ProptestConfig::default() })]
    #[test]
    fn no_sequence_of_commands_loses_a_file_of_a_source(
        layout in prop_oneof![
            Just(Layout::Beside), Just(Layout::Linked), Just(Layout::LinkedAbove),
            Just(Layout::Own), Just(Layout::Top), Just(Layout::Inside),
        ],
        steps in prop::collection::vec((0usize..8, 0usize..2, any::<u8>()), 3..9),
    ) {
        let env = TestEnv::new();
        let skills = layout.make(&env);
        let mut done: Vec<String> = Vec::new();
        for (round, (verb, skill, flags)) in steps.into_iter().enumerate() {
            let args = Step { verb, skill, flags }.args(&skills, round, &env);
            let expected = sources(&env, &skills);
            if args.is_empty() {
                done.push("edit".to_owned());
                continue;
            }
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let run = env.run(&args);
            done.push(format!("{} -> {}", args.join(" "), run.status));
            prop_assert!([0, 3, 6, 7].contains(&run.status), "{done:#?}\n{}", run.stderr);
            prop_assert_eq!(sources(&env, &skills), expected, "{:#?}\n{}", done, run.stderr);
            prop_assert!(deepest(&env) <= 5, "{done:#?} grew");
        }
    }
}
