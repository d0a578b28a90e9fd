//! `skill verify`: every difference is named, nothing else is, nothing is written.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use crate::env::TestEnv;

/// A project with three skills, one of them in two targets, one copied to two, one live.
fn installed() -> TestEnv {
    let env = TestEnv::new();
    for name in ["pdf", "docx", "xlsx"] {
        env.skill(&format!("src/skills/{name}")).file("scripts/run.py", format!("print('{name}')\n"));
    }
    env.skill("author/live");
    let two = ["--agent", "claude-code", "--agent", "augment"];
    let run = |args: &[&str]| drop(env.run(args).ends(0));
    run(&[&["skill", "install", "../src", "-s", "pdf"], &two[..]].concat());
    run(&[&["skill", "install", "../src", "-s", "docx", "--copy"], &two[..]].concat());
    run(&["skill", "install", "../src", "-s", "xlsx"]);
    run(&["skill", "install", "../author/live", "--link"]);
    env
}

/// The rows of a run, `name difference path`, without the details.
fn rows(stdout: &str) -> Vec<String> {
    stdout.lines().map(|line| line.split('\t').take(3).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn what_is_as_recorded_is_clean_for_people_and_programs() {
    let env = installed();
    let run = env.run(&["skill", "verify"]).ends(0).says("Verified 4 skills: as recorded");
    assert_eq!(run.stdout, "");
    let told = env.run(&["skill", "verify", "--json"]).ends(0).json();
    assert_eq!((&told["checked"], &told["drifted"]), (&4.into(), &0.into()));
    assert!(told["skills"].as_array().unwrap().iter().all(|one| one["faults"] == serde_json::json!([])));
    // From a folder below, and by name.
    env.run_in("project/.claude", &["skill", "verify", "pdf", "live"]).ends(0).says("2 skills");
}

/// Sizes stand behind the hashes in new records, and nobody who compares sees them. A registry from
/// before them is read the same, and stays as it is.
#[test]
fn a_record_with_sizes_counts_as_one_without() {
    let env = installed();
    let file = "project/config/skills_registry.json";
    let sized = env.read(file);
    let script = env.registry()["skills"]["pdf"]["files"]["scripts/run.py"].as_str().unwrap().to_owned();
    assert_eq!(script.split(' ').nth(2), Some("13"), "{script}");
    let mut plain = env.registry();
    plain["schema_version"] = "1.0".into();
    for entry in plain["skills"].as_object_mut().unwrap().values_mut() {
        for line in entry["files"].as_object_mut().unwrap().values_mut() {
            *line = line.as_str().unwrap().split(' ').take(2).collect::<Vec<_>>().join(" ").into();
        }
    }
    let plain = format!("{}\n", serde_json::to_string_pretty(&plain).unwrap());
    for text in [&sized, &plain] {
        env.write(file, text);
        env.run(&["skill", "verify"]).ends(0).says("as recorded");
        env.run(&["skill", "diff", "pdf"]).ends(0);
        env.run(&["skill", "update", "--yes"]).ends(0);
        env.run(&["skill", "install"]).ends(0);
        env.run(&["doctor"]).ends(0);
        assert_eq!(env.read(file), *text, "nothing was to be changed");
    }
    // What is installed beside it does not turn it into another version.
    env.skill("other/csv");
    env.run(&["skill", "install", "../other/csv"]).ends(0);
    let registry = env.registry();
    assert_eq!(registry["schema_version"], "1.0");
    assert_eq!(registry["skills"]["csv"]["files"]["SKILL.md"].as_str().unwrap().split(' ').count(), 2);
    env.run(&["skill", "verify"]).ends(0).says("Verified 5 skills");
}

#[test]
fn every_difference_is_a_row_and_the_status_is_6() {
    let env = installed();
    env.write("project/.claude/skills/pdf/SKILL.md", "edited");
    env.write("project/.claude/skills/pdf/notes/new.md", "new");
    env.write("project/.augment/skills/docx/scripts/run.py", "other");
    std::fs::remove_file(env.path("project/.claude/skills/xlsx/scripts/run.py")).unwrap();
    let run = env.run(&["skill", "verify"]).ends(6).says("3 not as recorded, 4 differences");
    let expected = [
        "docx changed .augment/skills/docx/scripts/run.py",
        "pdf changed .claude/skills/pdf/SKILL.md",
        "pdf added .claude/skills/pdf/notes/new.md",
        "xlsx missing .claude/skills/xlsx/scripts/run.py",
    ];
    assert_eq!(rows(&run.stdout), expected);
    env.run(&["skill", "verify", "live"]).ends(0);
    let told = env.run(&["skill", "verify", "xlsx", "--json"]).ends(6).json();
    assert_eq!(told["skills"][0]["faults"][0]["what"], "missing");
    assert_eq!(told["skills"][0]["faults"][0]["path"], ".claude/skills/xlsx/scripts/run.py");
    env.run(&["skill", "verify", "--quiet"]).ends(6);
}

#[cfg(unix)]
#[test]
fn links_and_folders_that_took_each_others_place_are_named() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let env = installed();
    let at = |below: &str| env.path("project").join(below);
    std::fs::set_permissions(at(".claude/skills/xlsx/SKILL.md"), std::fs::Permissions::from_mode(0o755))
        .unwrap();
    std::fs::remove_file(at(".augment/skills/pdf")).unwrap();
    symlink("../../.claude/skills/xlsx", at(".augment/skills/pdf")).unwrap();
    std::fs::rename(at(".claude/skills/docx"), at("elsewhere")).unwrap();
    symlink("../../elsewhere", at(".claude/skills/docx")).unwrap();
    std::fs::remove_dir_all(env.path("author")).unwrap();
    let run = env.run(&["skill", "verify"]).ends(6);
    let expected = [
        "docx changed .claude/skills/docx",
        "live wrong link .claude/skills/live",
        "pdf wrong link .augment/skills/pdf",
        "xlsx mode changed .claude/skills/xlsx/SKILL.md",
    ];
    assert_eq!(rows(&run.stdout), expected);
    assert!(
        run.stdout.contains("points at `../../.claude/skills/xlsx` instead of `../../.claude/skills/pdf`")
    );
}

#[test]
fn a_name_that_is_not_installed_is_3_with_the_nearest() {
    let env = installed();
    env.run(&["skill", "verify", "pfd"]).ends(3).says("did you mean `pdf`?");
    env.run(&["skill", "verify", "--global"]).ends(0).says("0 skills");
}

#[cfg(unix)]
#[test]
fn names_cannot_write_to_the_terminal() {
    let env = installed();
    env.write("project/.claude/skills/pdf/a\u{1b}[31m\nb", "x");
    let run = env.run(&["skill", "verify", "pdf"]).ends(6);
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    assert!(run.stdout.contains("a\\u{1b}[31m\\u{a}b"), "{}", run.stdout);
}

/// When each file and folder was last written.
fn times(root: &Path) -> BTreeMap<std::path::PathBuf, SystemTime> {
    let (mut out, mut stack) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(at) = stack.pop() {
        let meta = std::fs::symlink_metadata(&at).unwrap();
        if meta.is_dir() {
            stack.extend(std::fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
        }
        out.insert(at, meta.modified().unwrap());
    }
    out
}

#[cfg(unix)]
#[test]
fn it_runs_where_nothing_can_be_written_and_writes_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = installed();
    env.write("project/.claude/skills/pdf/SKILL.md", "edited");
    let before = times(&env.root());
    let bits = |mode: u32| {
        for path in before.keys().filter(|path| path.is_dir() && !path.is_symlink()) {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    bits(0o555);
    let run = env.run(&["skill", "verify"]);
    let diff = env.run(&["skill", "diff", "pdf", "--stat"]);
    let doctor = env.run(&["doctor"]);
    bits(0o755);
    assert!(run.ends(6).stdout.contains(".claude/skills/pdf/SKILL.md"));
    assert!(diff.ends(0).stdout.starts_with("M\t"));
    assert!(doctor.ends(6).stdout.contains("error[drift]"));
    let after = times(&env.root());
    // A tree that was read out of the cache is marked as used: that file is written by design.
    let ours = |path: &Path| !path.starts_with(env.path("cache"));
    let changed: Vec<_> = after.iter().filter(|(p, t)| ours(p) && before.get(*p) != Some(t)).collect();
    assert!(changed.is_empty() && after.len() == before.len(), "{changed:?}");
}

/// A command that swaps folders under it gives `verify` no differences.
#[test]
fn a_change_that_is_going_on_is_no_drift() {
    let env = installed();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let changer = scope.spawn(|| {
            let mut runs = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) && runs < 200 {
                env.write("src/skills/pdf/scripts/run.py", format!("print({runs})\n"));
                env.run(&["skill", "install", "../src", "--skill", "pdf"]).ends(0);
                runs += 1;
            }
            runs
        });
        let statuses: Vec<_> = (0..15).map(|_| env.run(&["skill", "verify"])).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(changer.join().unwrap() > 0);
        statuses.into_iter().for_each(|run| drop(run.ends(0)));
    });
}
