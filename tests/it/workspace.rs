//! Where a command keeps its own state, and what it does where there is no place for it.

use crate::env::TestEnv;

#[cfg(unix)]
#[test]
fn a_working_directory_that_is_gone_is_no_hindrance_with_a_project() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let project = env.project().display().to_string();
    let from_nowhere = |args: &[&str]| {
        let gone = env.path("gone");
        std::fs::create_dir(&gone).unwrap();
        let ours = env.command(&[]);
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(&gone).env_clear();
        shell.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.args(["-c", "rmdir \"$PWD\" && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_ba-agent")]).args(args);
        env.done(shell.output().unwrap())
    };
    let run = from_nowhere(&["skill", "list", "--project", &project]).ends(0);
    assert!(run.stdout.contains("pdf"), "{}", run.stdout);
    let run = from_nowhere(&["skill", "list"]).ends(1);
    assert!(
        run.stderr.contains("caused by:") && run.stderr.contains("hint: change to a folder"),
        "{}",
        run.stderr
    );
    let run = from_nowhere(&["skill", "list", "--json"]).ends(1);
    assert_eq!(run.json()["error"]["kind"], "failed");
    assert!(run.json()["error"]["hints"].to_string().contains("--project"));
}

/// A container that runs as a user whom its system does not know.
#[cfg(target_os = "linux")]
#[test]
fn a_user_without_a_home_can_install_and_list() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let env = TestEnv::new();
    env.skill("src/pdf");
    for folder in ["", "project", "src", "tmp"] {
        std::fs::create_dir_all(env.path(folder)).unwrap();
        std::fs::set_permissions(env.path(folder), std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let run = |args: &[&str]| {
        let mut command = env.command(args);
        for variable in ["HOME", "BA_AGENT_CACHE_DIR", "BA_AGENT_CONFIG_DIR"] {
            command.env_remove(variable);
        }
        command.env("TMPDIR", env.path("tmp")).uid(54321).gid(54321);
        command.output().ok().map(|output| env.done(output))
    };
    let Some(first) = run(&["skill", "list"]) else {
        return skipped("only root can run it as somebody else");
    };
    first.ends(0);
    run(&["skill", "install", "../src/pdf"]).unwrap().ends(0).says("BA_AGENT_DATA_DIR");
    assert!(run(&["skill", "list"]).unwrap().ends(0).stdout.contains("pdf"));
    run(&["skill", "rollback"]).unwrap().ends(0);
    assert!(!env.path("project/.claude/skills/pdf").exists());
    // A folder of that name that others can write is not used: nothing in it would be ours.
    let own = env.path("tmp/ba-agent-54321");
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o777)).unwrap();
    run(&["skill", "install", "../src/pdf"]).unwrap().ends(1).says("no home directory");
}

#[cfg(target_os = "linux")]
#[allow(clippy::print_stderr)]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

#[test]
fn a_change_that_was_killed_is_only_reported_by_frozen() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.skill("src/docx");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let mut command = env.command(&["skill", "install", "../src/docx"]);
    assert!(!command.env("BA_AGENT_FAULT", "kill:16").output().unwrap().status.success());
    let journal = env.state().join("journal.json");
    assert!(journal.exists(), "the step is not one while the journal is there");
    let before = env.picture("");
    env.run(&["skill", "install", "--frozen"]).ends(0).says("`--frozen` repairs nothing");
    assert_eq!(env.picture(""), before);
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf")).unwrap();
    let before = env.picture("project");
    env.run(&["skill", "install", "--frozen"]).ends(7).says("doctor --fix");
    assert_eq!(env.picture("project"), before);
    env.run(&["doctor", "--fix"]);
    assert!(!journal.exists());
    env.run(&["skill", "install", "--frozen"]).ends(0);
}

/// A record that cannot be read is never passed over: `rollback` would undo another change.
#[test]
fn an_unreadable_record_is_an_error_that_names_it() {
    let env = TestEnv::new();
    for name in ["pdf", "docx"] {
        env.skill(&format!("src/{name}"));
        env.run(&["skill", "install", &format!("../src/{name}")]).ends(0);
    }
    let newest = env.state().join("history/00000002.json");
    for text in ["", "{", "\u{0}\u{0}"] {
        std::fs::write(&newest, text).unwrap();
        let before = env.picture("project");
        for command in ["rollback", "history"] {
            let run = env.run(&["skill", command]).ends(8);
            assert!(run.stderr.contains("00000002.json") && run.stderr.contains("hint:"), "{}", run.stderr);
        }
        assert_eq!(env.picture("project"), before);
    }
    std::fs::remove_file(newest).unwrap();
    env.run(&["skill", "rollback"]).ends(0);
    assert!(!env.path("project/.claude/skills/pdf").exists());
}

/// Without its record a change could not be turned back: then it is not made.
#[test]
fn a_history_that_cannot_be_written_stops_the_change() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.skill("src/docx");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let history = env.state().join("history");
    std::fs::remove_dir_all(&history).unwrap();
    std::fs::write(&history, "in the way").unwrap();
    env.write("project/.claude/skills/pdf/SKILL.md", "edited");
    let before = env.picture("project");
    env.run(&["skill", "install", "../src/docx"]).ends(1).says("the record of this change cannot be kept");
    env.run(&["skill", "install", "--force"]).ends(1).says("kept");
    assert_eq!(env.picture("project"), before);
}

/// Links of a project that lead out of it, at every place where something is read or written
/// by name.
#[cfg(unix)]
mod links_of_a_project {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use crate::env::{Run, TestEnv};

    fn world() -> TestEnv {
        let env = TestEnv::new();
        env.skill("src/pdf");
        env.write("outside/keep", "precious");
        env
    }

    fn link(env: &TestEnv, target: &str, at: &str) {
        let at = env.path(at);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(Path::new(target), at).unwrap();
    }

    fn refused(env: &TestEnv, args: &[&str]) -> Run {
        let before = env.picture("outside");
        let run = env.run(args).ends(2).says("is outside it");
        assert!(run.stderr.contains("allow_links_to"), "{}", run.stderr);
        assert_eq!(env.picture("outside"), before);
        run
    }

    #[test]
    fn skill_folders_are_refused_unless_the_user_allows_it() {
        for (target, at) in [("../../outside", ".claude/skills"), ("../outside", ".claude")] {
            let env = world();
            link(&env, target, &format!("project/{at}"));
            refused(&env, &["skill", "install", "../src/pdf"]);
            env.run(&["skill", "list"]).ends(0);
            let run = env.run(&["doctor"]).ends(6);
            assert!(run.stdout.contains("is outside it"), "{}", run.stdout);
            // The project cannot allow it to itself, the user can.
            env.write("project/.ba-agent/config.yaml", "skills:\n  allow_links_to: [/]\n");
            env.run(&["skill", "install", "../src/pdf"]).ends(2).says("cannot be set by a project");
            std::fs::remove_file(env.path("project/.ba-agent/config.yaml")).unwrap();
            let own = format!("skills:\n  allow_links_to: ['{}']\n", env.path("outside").display());
            env.write("settings/config.yaml", own);
            env.run(&["skill", "install", "../src/pdf"]).ends(0);
            env.run(&["skill", "verify"]).ends(0);
            env.run(&["skill", "uninstall", "pdf"]).ends(0);
        }
    }

    #[test]
    fn a_folder_that_is_the_repositorys_own_is_refused() {
        let env = world();
        env.write("project/.git/hooks/keep", "mine");
        link(&env, "../.git/hooks", "project/.claude/skills");
        let before = env.picture("project/.git");
        env.run(&["skill", "install", "../src/pdf"]).ends(2).says("is outside it");
        assert_eq!(env.picture("project/.git"), before);
        std::fs::remove_file(env.path("project/.claude/skills")).unwrap();
        env.run(&["skill", "install", "../src/pdf", "--agent", "./.git/hooks"]).ends(2);
        assert_eq!(env.picture("project/.git"), before);
    }

    #[test]
    fn links_that_stay_inside_are_followed_and_stay() {
        let env = world();
        std::fs::create_dir(env.path("project/skills")).unwrap();
        link(&env, "../skills", "project/.claude/skills");
        link(&env, "../state/r.json", "project/config/skills_registry.json");
        link(&env, "../state/m.json", "project/config/skills_marketplaces.json");
        env.write("project/state/r.json", "{\"schema_version\": \"1.0\", \"skills\": {}}\n");
        env.write("project/state/m.json", "{\"schema_version\": \"1.0\", \"marketplaces\": {}}\n");
        env.run(&["skill", "install", "../src/pdf"]).ends(0);
        env.run(&["marketplace", "add", "m", "../src", "--scope", "project"]).ends(0);
        for at in ["config/skills_registry.json", "config/skills_marketplaces.json", ".claude/skills"] {
            assert!(env.path(&format!("project/{at}")).is_symlink(), "{at}");
        }
        assert!(env.read("project/state/r.json").contains("pdf"));
        assert!(env.read("project/state/m.json").contains("\"m\""));
        assert!(env.path("project/skills/pdf/SKILL.md").exists());
    }

    #[test]
    fn a_registry_or_list_of_marketplaces_that_leads_out_is_refused() {
        let env = world();
        env.write("outside/r.json", "{\"schema_version\": \"1.0\", \"skills\": {}}\n");
        for target in ["../../outside/r.json", "../../outside/not-there.json"] {
            link(&env, target, "project/config/skills_registry.json");
            refused(&env, &["skill", "install", "../src/pdf"]);
            refused(&env, &["skill", "list"]);
            std::fs::remove_file(env.path("project/config/skills_registry.json")).unwrap();
            link(&env, target, "project/config/skills_marketplaces.json");
            refused(&env, &["marketplace", "add", "m", "../src", "--scope", "project"]);
            refused(&env, &["marketplace", "list"]);
            std::fs::remove_file(env.path("project/config/skills_marketplaces.json")).unwrap();
        }
        std::fs::remove_dir(env.path("project/config")).unwrap();
        link(&env, "../outside", "project/config");
        refused(&env, &["skill", "install", "../src/pdf"]);
        refused(&env, &["marketplace", "add", "m", "../src", "--scope", "project"]);
    }

    #[test]
    fn the_users_own_are_written_through() {
        let env = world();
        let pdf = env.path("src/pdf").display().to_string();
        env.run(&["skill", "install", "--global", &pdf]).ends(0);
        env.run(&["marketplace", "add", "m", &env.path("src").display().to_string(), "--global"]).ends(0);
        for name in ["skills_registry.json", "skills_marketplaces.json"] {
            std::fs::create_dir_all(env.path("dotfiles")).unwrap();
            let at = env.path("settings").join(name);
            std::fs::rename(&at, env.path("dotfiles").join(name)).unwrap();
            symlink(Path::new("../dotfiles").join(name), &at).unwrap();
        }
        env.skill("src/docx");
        env.run(&["skill", "install", "--global", &env.path("src/docx").display().to_string()]).ends(0);
        env.run(&["marketplace", "add", "n", &env.path("src").display().to_string(), "--global"]).ends(0);
        for (name, text) in [("skills_registry.json", "docx"), ("skills_marketplaces.json", "\"n\"")] {
            assert!(env.path("settings").join(name).is_symlink(), "{name}");
            assert!(env.read(&format!("dotfiles/{name}")).contains(text), "{name}");
        }
        // A link to nothing is not an empty registry.
        std::fs::remove_file(env.path("dotfiles/skills_registry.json")).unwrap();
        env.run(&["skill", "list", "--global"]).ends(7).says("is a broken link");
    }

    #[test]
    fn a_dangling_skills_folder_is_named_as_such() {
        let env = world();
        link(&env, "../not-cloned-yet", "project/.claude/skills");
        env.run(&["skill", "install", "../src/pdf"]).ends(7).says("is a broken link");
        let run = env.run(&["doctor"]).ends(6);
        assert!(run.stdout.contains("is a broken link"), "{}", run.stdout);
        std::fs::create_dir(env.path("project/not-cloned-yet")).unwrap();
        env.run(&["skill", "install", "../src/pdf"]).ends(0);
    }

    #[test]
    fn a_live_link_out_of_the_project_is_made_only_where_it_was_typed() {
        let env = world();
        env.run(&["skill", "install", "--link", "../src/pdf"]).ends(0);
        // Its own user gets it back.
        std::fs::remove_file(env.path("project/.claude/skills/pdf")).unwrap();
        env.run(&["skill", "install"]).ends(0);
        // A clone of the project does not make it, whatever is typed but the link itself.
        let registry = env.read("project/config/skills_registry.json");
        env.write("clone/config/skills_registry.json", &registry);
        std::fs::create_dir(env.path("clone/.git")).unwrap();
        for args in
            [&["skill", "install"][..], &["skill", "install", "--frozen"], &["skill", "install", "--force"]]
        {
            let run = env.run_in("clone", args).ends(2).says("outside of the project");
            assert!(run.stderr.contains("skill install --link"), "{}", run.stderr);
        }
        env.run_in("clone", &["doctor", "--fix"]).ends(6);
        env.run_in("clone", &["skill", "update"]);
        assert!(!env.path("clone/.claude").exists());
        let source = env.path("src/pdf").display().to_string();
        env.run_in("clone", &["skill", "install", "--link", &source]).ends(0);
        assert!(env.path("clone/.claude/skills/pdf").is_symlink());
        // One that stays inside is fine.
        env.skill("inside/own/pdf");
        let inside = registry.replace("../src/pdf", "./own/pdf");
        assert_ne!(inside, registry);
        env.write("inside/config/skills_registry.json", inside);
        env.run_in("inside", &["skill", "install"]).ends(0);
        assert!(env.path("inside/.claude/skills/pdf").is_symlink());
    }

    #[test]
    fn pipes_devices_and_huge_files_hold_nobody_up() {
        let places = [
            ("config/skills_registry.json", &["skill", "list"][..]),
            ("config/skills_marketplaces.json", &["marketplace", "list"]),
            (".ba-agent/config.yaml", &["skill", "list"]),
        ];
        for (at, args) in places {
            for what in ["pipe", "zero", "huge", "folder"] {
                let env = world();
                let file = env.path("project").join(at);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                match what {
                    "pipe" => drop(std::process::Command::new("mkfifo").arg(&file).status().unwrap()),
                    "zero" => symlink("/dev/zero", &file).unwrap(),
                    "huge" => std::fs::File::create(&file).unwrap().set_len(1 << 40).unwrap(),
                    _ => std::fs::create_dir(&file).unwrap(),
                }
                let run = env.run(args);
                assert!([2, 7, 8].contains(&run.status), "{at} {what}: {run:?}");
                env.run(&["doctor"]);
                env.run(&["skill", "install", "../src/pdf"]);
                let _ = std::fs::remove_file(&file);
            }
        }
        let env = world();
        env.run(&["skill", "install", "../src/pdf"]).ends(0);
        let skill = env.path("project/.claude/skills/pdf");
        std::process::Command::new("mkfifo").arg(skill.join("pipe")).status().unwrap();
        std::fs::File::create(skill.join("huge")).unwrap().set_len(1 << 40).unwrap();
        for args in [&["skill", "verify"][..], &["skill", "list"], &["skill", "diff", "pdf"], &["doctor"]] {
            env.run(args);
        }
        std::fs::remove_file(skill.join("SKILL.md")).unwrap();
        std::process::Command::new("mkfifo").arg(skill.join("SKILL.md")).status().unwrap();
        for args in [&["skill", "verify"][..], &["skill", "show", "pdf"], &["skill", "search", "pdf"]] {
            env.run(args);
        }
        env.run(&["skill", "validate", ".claude/skills/pdf"]);
    }
}

/// A project may take over a name of the user's marketplaces, but not in silence.
#[test]
fn a_marketplace_that_hides_the_users_is_told() {
    let env = TestEnv::new();
    for name in ["mine", "theirs"] {
        env.skill(&format!("{name}/skills/pdf"));
    }
    env.run(&["marketplace", "add", "acme", &env.path("mine").display().to_string(), "--global"]).ends(0);
    env.run(&["marketplace", "add", "acme", "../theirs", "--scope", "project"]).ends(0);
    env.run(&["skill", "search", "pdf"]).ends(0).says("`acme` is");
    let run = env.run(&["skill", "install", "pdf@acme"]).ends(0).says("`acme` is");
    assert!(run.stderr.contains("/theirs") && run.stderr.contains("/mine"), "{}", run.stderr);
}

/// What the last changes took away is kept beside their record, whatever becomes of the cache.
#[test]
fn rollback_needs_neither_cache_nor_host() {
    let env = TestEnv::new();
    for name in ["pdf", "docx"] {
        env.skill(&format!("src/{name}")).file("a/deep/file.txt", name);
    }
    drop(env.git_repo("repo.git", &env.path("src")));
    let url = format!("file://{}", env.path("repo.git").display());
    for limit in ["", "skills:\n  cache_limit: 0\n"] {
        env.write("settings/config.yaml", limit);
        env.run(&["skill", "install", &url, "--all"]).ends(0);
        let installed = (env.picture("project/.claude"), env.read("project/config/skills_registry.json"));
        env.write("src/pdf/SKILL.md", crate::env::skill_md("pdf", "The second edition of it, another one."));
        let repo = git2::Repository::open(env.path("repo.git")).unwrap();
        crate::env::commit(&repo, "refs/heads/main", &env.path("src"), "second");
        env.run(&["skill", "update", "--yes"]).ends(0);
        env.run(&["skill", "uninstall", "pdf", "docx"]).ends(0);
        env.run(&["cache", "clear", "--yes"]).ends(0);
        std::fs::rename(env.path("repo.git"), env.path("away.git")).unwrap();
        let first = env.run(&["skill", "history", "--json"]).json()["changes"].as_array().unwrap().len() - 1;
        env.run(&["skill", "rollback", "--to", &first.to_string(), "--offline"]).ends(0);
        assert_eq!(env.picture("project/.claude"), installed.0, "{limit}");
        assert_eq!(env.read("project/config/skills_registry.json"), installed.1, "{limit}");
        let run = env.run(&["skill", "rollback", "--to", &first.to_string()]).ends(0);
        assert!(run.stderr.contains("nothing to change"), "{}", run.stderr);
        std::fs::rename(env.path("away.git"), env.path("repo.git")).unwrap();
        env.run(&["skill", "uninstall", "pdf", "docx"]).ends(0);
        env.skill("src/pdf").file("a/deep/file.txt", "pdf");
    }
}

/// Of many skills at once, in one bundle, and only as long as a record names them.
#[test]
fn the_history_of_many_skills_is_kept_and_pruned_with_its_records() {
    let env = TestEnv::new();
    for n in 0..40 {
        env.skill(&format!("src/skills/s{n}"));
    }
    env.run(&["skill", "install", "../src", "--all", "--quiet"]).ends(0);
    let names: Vec<String> = (0..40).map(|n| format!("s{n}")).collect();
    let mut args = vec!["skill", "uninstall", "--quiet"];
    args.extend(names.iter().map(String::as_str));
    env.run(&args).ends(0);
    env.run(&["cache", "clear", "--yes"]).ends(0);
    std::fs::rename(env.path("src"), env.path("away")).unwrap();
    env.run(&["skill", "rollback", "--quiet"]).ends(0);
    env.run(&["skill", "verify"]).ends(0);
    assert_eq!(std::fs::read_dir(env.path("project/.claude/skills")).unwrap().count(), 40);
    let trees = || {
        env.picture(
            &env.state().strip_prefix(env.root()).unwrap().join("history/trees").display().to_string(),
        )
    };
    assert!(!trees().is_empty());
    std::fs::rename(env.path("away"), env.path("src")).unwrap();
    for n in 0..21 {
        env.run(&["skill", "pin", if n % 2 == 0 { "s1" } else { "s2" }, "--quiet"]);
        env.run(&["skill", "install", "builtin:skill-finder", "--quiet"]).ends(0);
        env.run(&["skill", "uninstall", "skill-finder", "--quiet"]).ends(0);
    }
    let left = trees().keys().filter(|path| path.contains("bundles/")).count();
    assert_eq!(left, 0, "the bundle is named by no record any more");
}

/// The folder is the same though its path is not: the file system says so.
#[cfg(target_os = "linux")]
#[test]
fn a_project_that_was_moved_finds_its_history_and_a_copy_does_not() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    if std::fs::metadata(env.project()).unwrap().created().is_err() {
        return skipped("this file system does not say when a folder was made");
    }
    std::fs::create_dir_all(env.path("copy/config")).unwrap();
    std::fs::copy(
        env.path("project/config/skills_registry.json"),
        env.path("copy/config/skills_registry.json"),
    )
    .unwrap();
    env.run_in("copy", &["skill", "rollback"]).ends(3);
    std::fs::rename(env.project(), env.path("moved")).unwrap();
    env.run_in("moved", &["skill", "rollback"]).ends(0);
    assert!(!env.path("moved/.claude/skills/pdf").exists());
    std::fs::create_dir_all(env.path("project/.git")).unwrap();
    env.run(&["skill", "rollback"]).ends(3);
}

/// What a killed command left is repaired where the project is now: a kill, `mv`, any command.
#[cfg(target_os = "linux")]
#[test]
fn an_unfinished_change_moves_with_its_project() {
    let mut moved = 0;
    for step in 8..20 {
        let env = TestEnv::new();
        env.skill("src/pdf");
        env.skill("src/docx");
        if std::fs::metadata(env.project()).unwrap().created().is_err() {
            return skipped("this file system does not say when a folder was made");
        }
        env.run(&["skill", "install", "../src/pdf"]).ends(0);
        let before = env.picture("project");
        let mut command = env.command(&["skill", "install", "../src/docx"]);
        let ended = command.env("BA_AGENT_FAULT", format!("kill:{step}")).output().unwrap().status;
        if ended.success() || !env.state().join("journal.json").exists() {
            continue;
        }
        moved += 1;
        std::fs::rename(env.project(), env.path("moved")).unwrap();
        let list = env.run_in("moved", &["skill", "list", "--json"]).ends(0).json();
        match list["skills"].as_array().unwrap().len() {
            1 => assert_eq!(env.picture("moved"), before, "step {step}"),
            skills => assert_eq!(skills, 2, "step {step}"),
        }
        env.run_in("moved", &["doctor"]).ends(0);
        env.run_in("moved", &["skill", "install", "--frozen"]).ends(0);
    }
    assert!(moved >= 3, "{moved}");
}

#[test]
fn rollback_takes_the_name_that_a_marketplace_gives() {
    let env = TestEnv::new();
    env.skill("m/plug/skills/pdf");
    env.skill("m/plug/skills/docx");
    let catalogue = r#"{"name":"m","owner":{"name":"o"},"plugins":[{"name":"plug","source":"./plug","description":"d"}]}"#;
    env.write("m/.claude-plugin/marketplace.json", catalogue);
    env.run(&["marketplace", "add", "m", "../m"]).ends(0);
    env.run(&["skill", "install", "plug@m", "--all"]).ends(0);
    env.run(&["skill", "uninstall", "plug:pdf"]).ends(0);
    env.run(&["skill", "rollback", "plug:pdf"]).ends(0);
    assert!(env.path("project/.claude/skills/pdf").exists());
    env.run(&["skill", "rollback", "plug:none"]).ends(3).says("no change of `plug:none` is known");
}

/// `/home` is a link on some systems, and HOME is spelled through it.
#[cfg(unix)]
#[test]
fn a_home_behind_a_link_is_the_home() {
    let mut env = TestEnv::new();
    env.skill("src/pdf");
    std::fs::create_dir_all(env.path("var/home/u/.claude/skills")).unwrap();
    std::fs::create_dir_all(env.path("var/home/u/work")).unwrap();
    std::os::unix::fs::symlink("var/home", env.path("homes")).unwrap();
    let source = env.path("src/pdf").display().to_string();
    for home in ["homes/u", "var/home/u"] {
        env.set("HOME", env.path(home).display().to_string());
        env.run_in("var/home/u/work", &["skill", "install", &source]).ends(0);
        assert!(env.path("var/home/u/work/.claude/skills/pdf").exists());
        env.run_in("var/home/u/work", &["skill", "uninstall", "pdf"]).ends(0);
        std::fs::remove_dir_all(env.path("var/home/u/work/config")).unwrap();
        std::fs::remove_dir_all(env.path("var/home/u/work/.claude")).unwrap();
        env.run_in("var/home/u", &["skill", "list"]).ends(2).says("the home directory is not a project");
    }
}

/// What `sudo` leaves behind it.
#[cfg(target_os = "linux")]
#[test]
fn folders_of_another_user_are_named() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    for folder in ["", "home", "project", "cache", "settings"] {
        std::fs::set_permissions(env.path(folder), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = env.command(&["doctor"]);
    command.env("BA_AGENT_DATA_DIR", env.path("elsewhere")).uid(54321).gid(54321);
    let Ok(output) = command.output() else {
        return skipped("only root can run it as somebody else");
    };
    let run = env.done(output).ends(6);
    for place in [".claude/skills", "config", "config/skills_registry.json"] {
        let said = format!("[PROJECT]/{place}` belongs to root and cannot be written");
        assert!(run.stdout.contains(&said), "{place}: {}", run.stdout);
    }
    assert!(run.stdout.contains("sudo chown"), "{}", run.stdout);
}

#[cfg(unix)]
#[test]
fn what_is_kept_for_a_project_that_is_gone_is_mentioned() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    std::fs::create_dir_all(env.path("gone/.git")).unwrap();
    env.run_in("gone", &["skill", "install", "../src/pdf"]).ends(0);
    std::fs::remove_dir_all(env.path("gone")).unwrap();
    let run = env.run(&["doctor"]).ends(0);
    if run.stdout.is_empty() {
        return assert!(std::fs::metadata(env.project()).unwrap().created().is_err());
    }
    assert!(run.stdout.contains("[ROOT]/gone in [HOME]"), "{}", run.stdout);
    env.run(&["doctor", "--fix"]).ends(0);
    assert!(env.state().exists(), "it is not removed");
}

#[test]
fn a_file_in_the_place_of_the_registrys_folder_points_at_the_setting() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.write("project/config", "a file");
    env.run(&["skill", "list"]).ends(0);
    env.run(&["skill", "install", "../src/pdf"]).ends(7).says("skills.registry");
    env.run(&["marketplace", "add", "m", "../src", "--scope", "project"])
        .ends(7)
        .says("the list of marketplaces cannot be stored");
    let told = env.run(&["doctor", "--json"]).ends(6).json();
    assert_eq!(told["findings"][0]["code"], "folder", "{told}");
    assert_eq!(env.read("project/config"), "a file");
    env.write("project/.ba-agent/config.yaml", "skills:\n  registry: lock/skills.json\n");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
}

/// Also where it stands further up.
#[test]
fn a_file_in_the_place_of_a_skills_folder_is_named() {
    for place in [".claude", ".claude/skills"] {
        let env = TestEnv::new();
        env.skill("src/pdf");
        env.write(&format!("project/{place}"), "a file");
        let words = format!("{place}` is a file, not a folder for skills");
        env.run(&["skill", "install", "../src/pdf"]).ends(7).says(&words);
        let told = env.run(&["doctor", "--json"]).ends(6).json();
        assert!(told["findings"][0]["message"].as_str().unwrap().contains(&words), "{told}");
        assert_eq!(env.read(&format!("project/{place}")), "a file");
    }
}

#[test]
fn a_target_has_one_spelling() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf", "--agent", "./a/.//b/", "--agent", "./a/b"])
        .ends(0)
        .says("Installed pdf in a/b");
    assert_eq!(env.registry()["skills"]["pdf"]["targets"], serde_json::json!(["./a/b"]));
    let absolute = env.path("project/a/b").display().to_string();
    env.run(&["skill", "install", "../src/pdf", "--agent", &absolute]).ends(2).says("is an absolute path");
}

#[test]
fn paths_are_shown_without_a_dot_in_them() {
    let env = TestEnv::new();
    env.skill("project/own/pdf");
    env.write("project/.ba-agent/config.yaml", "skills:\n  install_dir: ./skills\n");
    env.run(&["skill", "install", "./own/pdf"]).ends(0).says("Installed pdf in skills");
    std::fs::remove_dir_all(env.path("project/own")).unwrap();
    std::fs::remove_dir_all(env.path("project/skills")).unwrap();
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    let run = env.run(&["skill", "install"]).ends(3);
    assert!(!run.stderr.contains("/./"), "{}", run.stderr);
}

#[test]
fn rollback_takes_away_the_links_of_targets_that_were_added() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let before = (env.picture("project/.claude"), env.read("project/config/skills_registry.json"));
    env.run(&["skill", "install", "../src/pdf", "--agent", "augment"]).ends(0);
    assert!(env.path("project/.augment/skills/pdf").exists());
    env.run(&["skill", "rollback"]).ends(0);
    assert!(!env.path("project/.augment/skills/pdf").is_symlink());
    assert_eq!((env.picture("project/.claude"), env.read("project/config/skills_registry.json")), before);
    env.run(&["skill", "rollback"]).ends(0);
    env.run(&["skill", "verify"]).ends(0);
    assert!(env.path("project/.augment/skills/pdf").exists());
}
