//! `skill diff`: the edits line by line, out of the cache, never from anywhere else.

use crate::env::TestEnv;

fn installed() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/pdf").file("notes.md", "one\ntwo\nthree\n").file("bin/data", [0, 1, 2]);
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    env
}

#[test]
fn an_untouched_skill_has_no_diff() {
    let env = installed();
    let run = env.run(&["skill", "diff", "pdf"]).ends(0).says("`pdf` is as it was installed");
    assert_eq!(run.stdout, "");
    env.run(&["skill", "diff", "pfd"]).ends(3).says("did you mean `pdf`?");
}

#[test]
fn edits_are_a_unified_diff_that_git_takes_back() {
    let env = installed();
    let before = env.picture("project/.claude/skills/pdf");
    env.write("project/.claude/skills/pdf/notes.md", "one\n2\nthree\n");
    env.write("project/.claude/skills/pdf/new.md", "new\n");
    // What programs leave behind is no edit.
    env.write("project/.claude/skills/pdf/bin/__pycache__/x.pyc", "x");
    let run = env.run(&["skill", "diff", "pdf", "--offline"]).ends(0);
    let expected = "\
diff --git a/.claude/skills/pdf/new.md b/.claude/skills/pdf/new.md
new file mode 100644
--- /dev/null
+++ b/.claude/skills/pdf/new.md
@@ -0,0 +1 @@
+new
diff --git a/.claude/skills/pdf/notes.md b/.claude/skills/pdf/notes.md
--- a/.claude/skills/pdf/notes.md
+++ b/.claude/skills/pdf/notes.md
@@ -1,3 +1,3 @@
 one
-two
+2
 three
";
    assert_eq!(run.stdout, expected);
    // The other way round, with the git that the tests have: from what was installed, the diff
    // leads to what is there.
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf/bin/__pycache__")).unwrap();
    let edited = env.picture("project/.claude/skills/pdf");
    env.write("project/.claude/skills/pdf/notes.md", "one\ntwo\nthree\n");
    std::fs::remove_file(env.path("project/.claude/skills/pdf/new.md")).unwrap();
    assert_eq!(env.picture("project/.claude/skills/pdf"), before);
    let repo = git2::Repository::init(env.project()).unwrap();
    let diff = git2::Diff::from_buffer(run.stdout.as_bytes()).unwrap();
    repo.apply(&diff, git2::ApplyLocation::WorkDir, None).unwrap();
    assert_eq!(env.picture("project/.claude/skills/pdf"), edited);
}

#[cfg(unix)]
#[test]
fn modes_links_bytes_and_removed_files_are_shown() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let env = installed();
    let at = |below: &str| env.path("project/.claude/skills/pdf").join(below);
    std::fs::set_permissions(at("SKILL.md"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(at("bin/data"), [0, 9]).unwrap();
    std::fs::remove_file(at("notes.md")).unwrap();
    symlink("SKILL.md", at("CLAUDE.md")).unwrap();
    let out = env.run(&["skill", "diff", "pdf"]).ends(0).stdout;
    for words in [
        "old mode 100644\nnew mode 100755\n",
        "GIT binary patch\nliteral 2\n",
        "deleted file mode 100644\n--- a/.claude/skills/pdf/notes.md\n+++ /dev/null\n",
        "new file mode 120000\n--- /dev/null\n+++ b/.claude/skills/pdf/CLAUDE.md\n@@ -0,0 +1 @@\n+SKILL.md\n\\ No newline",
    ] {
        assert!(out.contains(words), "no {words:?} in\n{out}");
    }
    let run = env
        .run(&["skill", "diff", "pdf", "--stat"])
        .ends(0)
        .says("4 files changed, 1 line added, 3 lines removed");
    let rows: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(
        rows,
        [
            "A\t+1\t-0\t.claude/skills/pdf/CLAUDE.md",
            "T\t+0\t-0\t.claude/skills/pdf/SKILL.md",
            "M\t+0\t-0\t.claude/skills/pdf/bin/data",
            "D\t+0\t-3\t.claude/skills/pdf/notes.md",
        ]
    );
}

#[test]
fn colour_comes_only_when_asked_for_and_hidden_text_is_shown() {
    let env = installed();
    env.write("project/.claude/skills/pdf/notes.md", "one\ntwo\u{1b}[2J\nthree\n");
    let plain = env.run(&["skill", "diff", "pdf"]).ends(0).stdout;
    assert!(plain.contains("+two\u{1b}[2J\n"), "a patch is what it is: {plain}");
    let coloured = env.run(&["skill", "diff", "pdf", "--color", "always"]).ends(0).stdout;
    assert!(coloured.contains("\u{1b}[31m-two") && coloured.contains("\u{1b}[32m+two"), "{coloured}");
    assert!(!coloured.contains("\u{1b}[2J") && coloured.contains("two\\u{1b}[2J"), "{coloured}");
    let told = env.run(&["skill", "diff", "pdf", "--json", "--color", "always"]).ends(0).json();
    let file = &told["files"][0];
    assert_eq!((&file["what"], &file["added"], &file["removed"]), (&"modified".into(), &1.into(), &1.into()));
    assert_eq!(file["path"], ".claude/skills/pdf/notes.md");
    assert!(file["diff"].as_str().unwrap().starts_with("diff --git "));
}

#[test]
fn every_copy_is_compared_and_a_link_to_the_first_is_none() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.skill("src/docx");
    for (name, copy) in [("pdf", "--copy"), ("docx", "--quiet")] {
        let source = format!("../src/{name}");
        env.run(&["skill", "install", &source, copy, "--agent", "claude-code", "--agent", "augment"]).ends(0);
        env.write(&format!("project/.augment/skills/{name}/new.md"), "new\n");
    }
    let paths = |name: &str| {
        let told = env.run(&["skill", "diff", name, "--json"]).ends(0).json();
        let files = told["files"].as_array().unwrap().clone();
        files.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths("pdf"), [".augment/skills/pdf/new.md"]);
    assert_eq!(paths("docx"), [".claude/skills/docx/new.md"]);
}

#[test]
fn without_the_cache_it_says_what_is_missing() {
    let env = installed();
    env.write("project/.claude/skills/pdf/new.md", "new\n");
    env.run(&["cache", "clear", "--yes"]).ends(0);
    // Only what is new: nothing of what was installed is needed.
    assert!(env.run(&["skill", "diff", "pdf"]).ends(0).stdout.contains("+new"));
    env.write("project/.claude/skills/pdf/notes.md", "edited\n");
    let digest = env.registry()["skills"]["pdf"]["digest"].as_str().unwrap().to_owned();
    env.run(&["skill", "diff", "pdf", "--offline"]).ends(3).says(&format!("missing: {digest} of ../src/pdf"));
}

#[test]
fn what_is_gone_or_live_has_no_diff_and_says_so() {
    let env = installed();
    env.skill("author/live");
    env.run(&["skill", "install", "../author/live", "--link"]).ends(0);
    env.run(&["skill", "diff", "live"]).ends(0).says("is a live link");
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf")).unwrap();
    env.run(&["skill", "diff", "pdf"]).ends(3).says("`.claude/skills/pdf` is not there");
    env.write("project/.claude/skills/pdf", "a file");
    env.run(&["skill", "diff", "pdf"]).ends(7).says("no longer the folder");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_skill_is_not_waited_on() {
    let env = installed();
    let pipe = env.path("project/.claude/skills/pdf/pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        std::os::unix::net::UnixListener::bind(&pipe).unwrap();
    }
    env.run(&["skill", "verify"]).ends(6);
    env.run(&["skill", "diff", "pdf"]).ends(7).says("is not a regular file or a link");
    env.run(&["skill", "uninstall", "pdf", "--force"]).ends(7).says("is not a regular file or a link");
}

/// What a file may be made into: text of several sorts, bytes, nothing, a link.
#[cfg(unix)]
fn content(kind: u8, seed: u8) -> Option<Vec<u8>> {
    let line = |n: u8| format!("line {n}\n");
    let many = |from: u8, to: u8| (from..to).map(line).collect::<String>();
    Some(match kind {
        0 => return None,
        1 => Vec::new(),
        2 => many(0, 9).into_bytes(),
        3 => many(0, 9).replace("line 4", &format!("other {seed}")).into_bytes(),
        4 => many(0, 9).replace('\n', "\r\n").into_bytes(),
        5 => [many(0, 4), "\u{feff}\u{1b}[31m\u{200b}\rlone".to_owned(), seed.to_string()]
            .concat()
            .into_bytes(),
        6 => [many(2, 7).as_bytes(), b"caf\xe9 \xff\n", &[seed]].concat(),
        7 => (0..=255_u8).cycle().take(usize::from(seed) * 9).map(|byte| byte.wrapping_mul(seed)).collect(),
        8 => vec![0; 30 + usize::from(seed)],
        _ => b"-- a\n++ b\n--- c\n+++ d\n@@ e\ndiff --git f\n\\ no\n".to_vec(),
    })
}

#[cfg(unix)]
fn make(at: &std::path::Path, kind: u8, seed: u8) {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    if std::fs::symlink_metadata(at).is_ok() {
        std::fs::remove_file(at).unwrap();
    }
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    if kind == 10 {
        symlink(if seed > 127 { "SKILL.md" } else { "sub" }, at).unwrap();
    } else if let Some(bytes) = content(kind, seed) {
        std::fs::write(at, bytes).unwrap();
        let mode = if seed.is_multiple_of(3) { 0o755 } else { 0o644 };
        std::fs::set_permissions(at, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[cfg(unix)]
proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 40, max_shrink_iters: 40, ..Default::default() })]
    #[test]
    fn what_a_diff_shows_git_takes_back(
        files in proptest::collection::vec((0..5usize, 1..10u8, 0..11u8, 0..=255u8, 0..=255u8), 1..6),
    ) {
        if !std::process::Command::new("git").arg("--version").output().is_ok_and(|out| out.status.success()) {
            eprintln!("skipped: there is no git");
            return Ok(());
        }
        let env = TestEnv::new();
        let source = env.skill("src/pdf").file("sub/x", "x").folder();
        const NAMES: [&str; 5] = ["a", "b c", "sub/d", "t\u{e4}t", "sub/q'$e"];
        for (name, old, _, seed, _) in &files {
            make(&source.join(NAMES[*name]), *old, *seed);
        }
        env.run(&["skill", "install", "../src/pdf"]).ends(0);
        let installed = env.path("project/.claude/skills/pdf");
        let before = bytes_below(&installed);
        for (name, _, new, _, seed) in &files {
            make(&installed.join(NAMES[*name]), *new, *seed);
        }
        let edited = bytes_below(&installed);
        let patch = env.command(&["skill", "diff", "pdf"]).output().unwrap();
        proptest::prop_assert!(patch.status.success(), "{:?}", patch);
        std::fs::remove_dir(env.path("project/.git")).unwrap();
        let git = |args: &[&str]| {
            let mut git = std::process::Command::new("git");
            git.args(args).current_dir(env.project()).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", env.home());
            git.output().unwrap()
        };
        git(&["init", "-q"]);
        env.write("patch", &patch.stdout);
        if before != edited {
            let back = git(&["apply", "-R", "../patch"]);
            let shown = String::from_utf8_lossy(&patch.stdout);
            proptest::prop_assert!(back.status.success(), "{back:?}\n{shown}");
            // A deleted file comes back without its bit, also from a patch that git made.
            let mut expected = before;
            let is_file = |path: &str| edited.get(path).is_some_and(|(sort, _)| *sort != 'l');
            expected.iter_mut().filter(|(path, _)| !is_file(path)).for_each(|(_, (sort, _))| {
                if *sort == 'x' {
                    *sort = 'f';
                }
            });
            proptest::prop_assert_eq!(bytes_below(&installed), expected);
            proptest::prop_assert!(git(&["apply", "../patch"]).status.success());
        }
        proptest::prop_assert_eq!(bytes_below(&installed), edited);
    }
}

/// Sort and bytes of every file and link below a folder.
#[cfg(unix)]
fn bytes_below(folder: &std::path::Path) -> std::collections::BTreeMap<String, (char, Vec<u8>)> {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::PermissionsExt as _;
    let mut all = std::collections::BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let meta = std::fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                pending.push(path);
                continue;
            }
            let bytes = match meta.is_symlink() {
                true => std::fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec(),
                false => std::fs::read(&path).unwrap(),
            };
            let sort = match meta.permissions().mode() & 0o100 {
                _ if meta.is_symlink() => 'l',
                0 => 'f',
                _ => 'x',
            };
            all.insert(path.display().to_string(), (sort, bytes));
        }
    }
    all
}

/// What somebody put there need not be of a size that fits into memory.
#[test]
fn an_enormous_file_is_named_and_not_read() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let file = env.write("project/.claude/skills/pdf/big.bin", "");
    std::fs::File::options().write(true).open(file).unwrap().set_len(33 << 20).unwrap();
    let run = env.run(&["skill", "diff", "pdf"]).ends(7);
    run.says("`.claude/skills/pdf/big.bin` has 34603008 bytes, too many to compare");
    let run = env.run(&["skill", "validate", ".claude/skills/pdf", "--json"]).ends(8);
    assert!(run.stdout.contains("the limit for a file is"), "{}", run.stdout);
}
