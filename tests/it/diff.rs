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
        "bin/data: binary files differ (3 -> 2 bytes)\n",
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
    assert!(!plain.contains('\u{1b}') && plain.contains("+two\\u{1b}[2J\n"), "{plain}");
    let coloured = env.run(&["skill", "diff", "pdf", "--color", "always"]).ends(0).stdout;
    assert!(coloured.contains("\u{1b}[31m-two") && coloured.contains("\u{1b}[32m+two"), "{coloured}");
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
    env.run(&["skill", "diff", "pdf", "--offline"])
        .ends(3)
        .says(&format!("missing: {digest} of [ROOT]/src/pdf"));
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
    env.run(&["skill", "diff", "pdf"]).ends(7).says("is neither a file nor a link");
    env.run(&["skill", "uninstall", "pdf", "--force"]).ends(7).says("is neither a file nor a link");
}
