//! What was fetched once is had again by its source: without a connection, or with no more
//! of one than the question what the reference is now.

use crate::env::{Run, TestEnv, commit, skill_md};
use ba_agent_test_support::server::Server;

/// A host with three skills, one of which calls itself otherwise than its folder.
fn host() -> Option<(TestEnv, Server, git2::Repository)> {
    let mut env = TestEnv::new();
    let server = Server::start(&env.path("srv"))?;
    for name in ["pdf", "docx"] {
        env.skill(&format!("src/skills/{name}")).file("scripts/run.py", format!("print('{name}')\n"));
    }
    env.write("src/skills/sre/SKILL.md", skill_md("axiom-sre", "Reads logs. Use it for logs."));
    let repo = env.git_repo("srv/acme/skills.git", &env.path("src"));
    env.set("BA_AGENT_GITHUB_URL", server.url());
    std::fs::create_dir_all(env.path("second/.git")).unwrap();
    Some((env, server, repo))
}

/// Runs in a second project; the requests that it took.
fn second(env: &TestEnv, server: &Server, args: &[&str]) -> (Run, Vec<String>) {
    let before = server.seen().len();
    let run = env.run_in("second", args);
    let seen = server.seen().split_off(before);
    (run, seen.into_iter().map(|seen| seen.target).collect())
}

#[test]
fn a_skill_that_was_installed_once_needs_no_connection() {
    let Some((env, server, _repo)) = host() else { return };
    for name in ["pdf", "axiom-sre"] {
        let source = format!("acme/skills@{name}");
        env.run(&["skill", "install", &source]).ends(0);
        let (run, seen) = second(&env, &server, &["skill", "install", &source, "--offline"]);
        run.ends(0).says("offline: acme/skills is taken as it was on ");
        assert!(seen.is_empty(), "{seen:?}");
    }
    assert_eq!(env.picture("second/.claude/skills"), env.picture("project/.claude/skills"));
    let entry = |below: &str| {
        let text = env.read(&format!("{below}/config/skills_registry.json"));
        let registry: serde_json::Value = serde_json::from_str(&text).unwrap();
        registry["skills"]["pdf"].clone()
    };
    assert_eq!(entry("second"), entry("project"), "nothing tells where it came from");
    // By its folder and by its commit too.
    let sha = entry("project")["pin"]["commit"].as_str().unwrap().to_owned();
    for args in [vec!["acme/skills/skills/pdf"], vec!["acme/skills@pdf", "--sha", &sha]] {
        let args = [&["skill", "install", "--offline", "--force"], &args[..]].concat();
        let (run, seen) = second(&env, &server, &args);
        run.ends(0);
        assert!(seen.is_empty());
    }
}

#[test]
fn what_was_never_fetched_is_named() {
    let Some((env, server, _repo)) = host() else { return };
    env.run(&["skill", "install", "acme/skills@pdf"]).ends(0);
    for (args, status, words) in [
        (vec!["acme/skills@docx"], 3, "not in the cache"),
        (vec!["acme/skills", "--all"], 3, "not in the cache"),
        (vec!["acme/skills@none"], 3, "not in the cache"),
        (vec!["acme/other@pdf"], 5, "this run is offline"),
        (vec!["acme/skills@pdf#v9"], 3, "v9"),
    ] {
        let args = [&["skill", "install", "--offline"], &args[..]].concat();
        let (run, seen) = second(&env, &server, &args);
        run.ends(status).says(words);
        assert!(seen.is_empty());
        assert!(env.picture("second/.claude").is_empty());
    }
    env.run(&["skill", "install", "acme/skills", "--all"]).ends(0);
    let (run, seen) = second(&env, &server, &["skill", "install", "acme/skills", "--all", "--offline"]);
    run.ends(0);
    assert!(seen.is_empty());
    assert_eq!(env.picture("second/.claude/skills"), env.picture("project/.claude/skills"));
}

#[test]
fn a_second_project_asks_only_what_the_branch_is() {
    let Some((env, server, repo)) = host() else { return };
    env.run(&["skill", "install", "acme/skills", "--all"]).ends(0);
    let (run, seen) = second(&env, &server, &["skill", "install", "acme/skills", "--all"]);
    run.ends(0);
    assert_eq!(seen.len(), 2, "greeting and listing: {seen:?}");
    assert_eq!(env.picture("second/.claude/skills"), env.picture("project/.claude/skills"));
    // A new commit: its trees, and the one skill that changed.
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "The second edition, with more in it."));
    commit(&repo, "refs/heads/main", &env.path("src"), "second");
    let (run, seen) = second(&env, &server, &["skill", "update", "--yes"]);
    run.ends(0).says("Updated pdf");
    assert_eq!(seen.iter().filter(|target| target.ends_with("/git-upload-pack")).count(), 4, "{seen:?}");
    // What the update saw is known now: the changed skill and those that stayed.
    std::fs::create_dir_all(env.path("third/.git")).unwrap();
    env.run_in("third", &["skill", "install", "acme/skills", "--all", "--offline"]).ends(0);
    assert_eq!(env.picture("third/.claude/skills"), env.picture("second/.claude/skills"));
}

/// Skills that are left out, or not offered, have a say in the names of the others: what is
/// known of a commit includes their manifests, though nothing else of them was kept.
#[test]
fn skills_that_were_left_out_need_no_connection_either() {
    let Some((env, server, repo)) = host() else { return };
    env.skill("src/template/sample").file("large.bin", vec![0; 5_000]);
    env.write("src/skills/broken/SKILL.md", "# no frontmatter\n");
    env.write("src/skills/broken/more.txt", "more\n");
    commit(&repo, "refs/heads/main", &env.path("src"), "more");
    env.run(&["skill", "install", "acme/skills", "--all"]).ends(0).says("left out skills/broken");
    for (args, requests) in [(&[][..], 2), (&["--offline"], 0)] {
        let args = [&["skill", "install", "acme/skills", "--all"], args].concat();
        let (run, seen) = second(&env, &server, &args);
        run.ends(0).says("left out skills/broken");
        assert_eq!(seen.len(), requests, "{seen:?}");
        assert_eq!(env.picture("second/.claude/skills"), env.picture("project/.claude/skills"));
        std::fs::remove_dir_all(env.path("second/.claude")).unwrap();
        std::fs::remove_dir_all(env.path("second/config")).unwrap();
    }
    let (run, _) = second(&env, &server, &["skill", "install", "acme/skills@sample", "--offline"]);
    run.ends(3).says("not in the cache");
}

/// Names are given among all skills of a source. What a folder of it alone was called must not
/// decide, later, who is meant in the whole: the cache would have a say in what is installed.
#[test]
fn a_name_that_a_folder_alone_gave_is_not_taken_for_the_whole() {
    let Some((env, server, repo)) = host() else { return };
    env.write("src/more/one/SKILL.md", skill_md("shared", "The first of two. Use it for one."));
    env.write("src/more/two/SKILL.md", skill_md("shared", "The second of two. Use it for two."));
    env.write("src/other/pdf-old/SKILL.md", skill_md("pdf", "Calls itself pdf. Use it for nothing."));
    commit(&repo, "refs/heads/main", &env.path("src"), "more");
    env.run(&["skill", "install", "acme/skills/more/one"]).ends(0);
    env.run(&["skill", "install", "acme/skills/other/pdf-old"]).ends(0);
    for offline in [&[][..], &["--offline"]] {
        let args = [&["skill", "install", "acme/skills@shared"], offline].concat();
        let (run, _) = second(&env, &server, &args);
        assert!(matches!(run.status, 2 | 3), "{}", run.stderr);
        assert!(env.picture("second/.claude").is_empty());
    }
    let (run, _) = second(&env, &server, &["skill", "install", "acme/skills@pdf"]);
    run.ends(0);
    assert!(env.read("second/.claude/skills/pdf/SKILL.md").contains("Does pdf."));
}

/// A cache that somebody else could write to, as those of CI, must not choose the bytes.
#[test]
fn what_the_cache_says_of_a_skill_is_not_believed() {
    let Some((env, server, _repo)) = host() else { return };
    env.run(&["skill", "install", "acme/skills", "--all"]).ends(0);
    let kept =
        env.picture("cache").into_iter().find(|(path, text)| path.starts_with("commits/") && text != "/");
    let (path, _) = kept.expect("the commit is remembered");
    let bytes = std::fs::read(env.path("cache").join(&path)).unwrap();
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let digest = |name: &str| {
        let line = head.lines().find(|line| line.contains(&format!(" {name} "))).unwrap();
        line.split(' ').next().unwrap().to_owned()
    };
    // The digest of one skill in the place of another's.
    let evil = head.replace(&digest("pdf"), &digest("docx"));
    assert_ne!(evil, head);
    std::fs::write(env.path("cache").join(&path), [evil.as_bytes(), &bytes[end..]].concat()).unwrap();
    let (run, _) = second(&env, &server, &["skill", "install", "acme/skills@pdf", "--offline"]);
    run.ends(3).says("not in the cache");
    let (run, _) = second(&env, &server, &["skill", "install", "acme/skills@pdf"]);
    run.ends(0);
    assert_eq!(
        env.read("second/.claude/skills/pdf/SKILL.md"),
        env.read("project/.claude/skills/pdf/SKILL.md")
    );
    // One skill's name for another.
    let swapped = head.replace(" pdf ", " x ").replace(" docx ", " pdf ").replace(" x ", " docx ");
    std::fs::write(env.path("cache").join(&path), [swapped.as_bytes(), &bytes[end..]].concat()).unwrap();
    let (run, _) = second(&env, &server, &["skill", "install", "acme/skills@docx", "--force"]);
    run.ends(0);
    assert_eq!(
        env.read("second/.claude/skills/docx/SKILL.md"),
        env.read("project/.claude/skills/docx/SKILL.md")
    );
}
