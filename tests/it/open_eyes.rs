//! Updating with open eyes: what `outdated`, `update --dry-run` and `update` say of versions, commits
//! and pages that compare them, whatever happened upstream.

use git2::{Oid, Repository, Signature, Time};

use crate::env::{Run, TestEnv, commit, skill_md};
use ba_agent_test_support::server::Server;

/// `acme/skills` with `pdf` and `docx`, on this machine and behind a host.
struct Upstream {
    env: TestEnv,
    server: Option<Server>,
    repo: Repository,
}

impl Upstream {
    fn new() -> Self {
        let mut env = TestEnv::new();
        for name in ["pdf", "docx"] {
            env.skill(&format!("src/skills/{name}"));
        }
        let repo = env.git_repo("srv/acme/skills.git", &env.path("src"));
        let server = Server::start(&env.path("srv"));
        if let Some(server) = &server {
            env.set("BA_AGENT_GITHUB_URL", server.url());
        }
        Self { env, server, repo }
    }

    /// The ways to write it: both, or without `git` the one on this machine alone.
    fn sources(&self) -> Vec<String> {
        let local = format!("file://{}", self.env.path("srv/acme/skills.git").display());
        self.server.iter().map(|_| "acme/skills".to_owned()).chain([local]).collect()
    }

    fn tip(&self) -> Oid {
        self.repo.refname_to_id("refs/heads/main").unwrap()
    }

    fn tag(&self, name: &str, at: Oid) {
        self.repo.reference(&format!("refs/tags/{name}"), at, true, "").unwrap();
    }

    /// Another edition of a skill on `main`.
    fn publish(&self, skill: &str, message: &str) -> Oid {
        let text = format!("Edition {} of {skill}. Use it when it is wanted.", self.count());
        self.env.write(&format!("src/skills/{skill}/SKILL.md"), skill_md(skill, &text));
        self.commit(message)
    }

    /// What stands in `src/`, on `main`.
    fn commit(&self, message: &str) -> Oid {
        commit(&self.repo, "refs/heads/main", &self.env.path("src"), message)
    }

    fn count(&self) -> usize {
        let mut walk = self.repo.revwalk().unwrap();
        walk.push_glob("refs/heads/*").unwrap();
        walk.count()
    }

    /// A merge of `main` and another commit, with the files of the second.
    fn merge(&self, other: Oid, message: &str) -> Oid {
        let by = Signature::new("T", "t@example.org", &Time::new(1_767_323_045, 0)).unwrap();
        let parents = [self.tip(), other].map(|id| self.repo.find_commit(id).unwrap());
        let tree = parents[1].tree().unwrap();
        let parents: Vec<_> = parents.iter().collect();
        self.repo.commit(Some("refs/heads/main"), &by, &by, message, &tree, &parents).unwrap()
    }

    /// A project of its own with both skills from a source, as it is now.
    fn installed(&self, source: &str, more: &[&str]) -> String {
        let below = format!(
            "project-{}",
            self.env.picture("").keys().filter(|k| k.starts_with("project-") && !k.contains('/')).count()
        );
        std::fs::create_dir_all(self.env.path(&below).join(".git")).unwrap();
        let args = [&["skill", "install", source, "-s", "pdf", "-s", "docx"], more].concat();
        self.env.run_in(&below, &args).ends(0);
        below
    }

    fn json(&self, below: &str, args: &[&str], status: i32) -> serde_json::Value {
        self.env.run_in(below, &[args, &["--json"]].concat()).ends(status).json()
    }

    /// The subjects of the commits that a dry run tells of `pdf`.
    fn subjects(&self, below: &str) -> Vec<String> {
        let json = self.json(below, &["skill", "update", "--dry-run"], 0);
        let commits = json["logs"]["pdf"]["commits"].as_array().cloned().unwrap_or_default();
        commits.iter().map(|one| one["subject"].as_str().unwrap().to_owned()).collect()
    }
}

#[track_caller]
fn says(run: &Run, words: &[&str]) {
    for word in words {
        assert!(
            run.stderr.contains(word) || run.stdout.contains(word),
            "{word}\n{}\n{}",
            run.stdout,
            run.stderr
        );
    }
}

#[test]
fn a_range_has_a_wanted_and_a_latest_version() {
    let up = Upstream::new();
    up.tag("v1.0.0", up.tip());
    let sources = up.sources();
    let projects: Vec<String> =
        sources.iter().map(|source| up.installed(source, &["--ref", "^1.0"])).collect();
    // Nothing newer in the range, but outside: not behind, and said all the same.
    let outside = up.publish("docx", "Another docx");
    up.tag("v2.0.0", outside);
    for below in &projects {
        let run = up.env.run_in(below, &["skill", "outdated"]).ends(0);
        says(
            &run,
            &["pdf\tcurrent\tv1.0.0\tv1.0.0\tv2.0.0\t^1.0\t", "there are newer versions than they follow"],
        );
        let one = &up.json(below, &["skill", "outdated"], 0)["skills"][1];
        assert_eq!(
            (&one["current"], &one["wanted"], &one["latest"]),
            (&"v1.0.0".into(), &"v1.0.0".into(), &"v2.0.0".into())
        );
        assert_eq!(one["latest_commit"], outside.to_string());
        up.env.run_in(below, &["skill", "update"]).ends(0).says("nothing to update");
    }
    let inside = up.publish("pdf", "Another pdf");
    up.tag("v1.1.0", inside);
    for (below, source) in projects.iter().zip(&sources) {
        let run = up.env.run_in(below, &["skill", "outdated"]).ends(6);
        says(&run, &["pdf\tbehind\tv1.0.0\tv1.1.0\tv2.0.0\t^1.0\t"]);
        let json = up.json(below, &["skill", "outdated"], 6);
        assert_eq!(
            (&json["behind"], &json["skills"][1]["wanted_commit"]),
            (&2.into(), &inside.to_string().into())
        );
        let run = up.env.run_in(below, &["skill", "update", "pdf"]).ends(0);
        says(&run, &["Updated pdf v1.0.0 -> v1.1.0", "M SKILL.md", "Another pdf"]);
        assert_eq!(run.stderr.contains("/acme/skills/compare/v1.0.0...v1.1.0"), source == "acme/skills");
        assert!(!run.stderr.contains("Another docx"), "{}", run.stderr);
        let run = up.env.run_in(below, &["skill", "list"]).ends(0);
        says(&run, &["\t^1.0\tv1.1.0\t", "\t^1.0\tv1.0.0\t"]);
        says(&up.env.run_in(below, &["skill", "history"]).ends(0), &["~pdf v1.0.0 -> v1.1.0"]);
    }
}

/// A tag that stays where it is has newer ones above it; one that is moved is told apart by commits.
#[test]
fn a_tag_is_called_by_its_name() {
    let up = Upstream::new();
    let first = up.tip();
    up.tag("v1.0.0", first);
    for source in up.sources() {
        up.tag("v1.0.0", first);
        let below = up.installed(&source, &["--ref", "v1.0.0"]);
        let second = up.publish("pdf", "Another pdf");
        up.tag("v1.1.0", second);
        let run = up.env.run_in(&below, &["skill", "outdated"]).ends(0);
        says(&run, &["pdf\tcurrent\tv1.0.0\tv1.0.0\tv1.1.0\tv1.0.0\t"]);
        up.tag("v1.0.0", second);
        let (old, new) = (&first.to_string()[..7], &second.to_string()[..7]);
        let moved = format!("v1.0.0 ({old}) -> v1.0.0 ({new})");
        let run = up.env.run_in(&below, &["skill", "outdated"]).ends(6);
        says(&run, &[&format!("pdf\tbehind\tv1.0.0 ({old})\tv1.0.0 ({new})\t")]);
        up.env.run_in(&below, &["skill", "update"]).ends(7).says("has moved from");
        let run = up.env.run_in(&below, &["skill", "update", "--yes"]).ends(0);
        says(&run, &[&format!("Updated pdf {moved}"), "Another pdf"]);
        if source == "acme/skills" {
            says(&run, &[&format!("compare/{}...{}", &first.to_string()[..12], &second.to_string()[..12])]);
        }
    }
}

/// The commits that are named are those of `git log OLD..NEW -- FOLDER`.
#[test]
fn the_commits_that_touch_a_skill_are_named() {
    let up = Upstream::new();
    up.env.write("src/README.md", "first");
    up.commit("begin");
    let projects: Vec<String> = up.sources().iter().map(|source| up.installed(source, &[])).collect();
    up.env.write("src/README.md", "second");
    let fork = up.commit("Only the readme");
    up.publish("docx", "Only docx");
    up.publish("pdf", "First of pdf\n\nWith a body that is not told.");
    // A branch that began before, merged with its own state of everything.
    up.repo.reference("refs/heads/side", fork, true, "").unwrap();
    let text = skill_md("pdf", "From the side. Use it when it is wanted.");
    up.env.write("src/skills/pdf/SKILL.md", text);
    let side = commit(&up.repo, "refs/heads/side", &up.env.path("src"), "From the side");
    up.merge(side, "Merge the side");
    up.publish("pdf", "\n  \u{1b}[31mRed\u{7} and \u{202e}turned\nmore");
    up.env.write("src/skills/pdf/notes.md", "Notes.");
    up.commit("");
    let told = ["(no message)", "\u{1b}[31mRed\u{7} and \u{202e}turned", "First of pdf", "From the side"];
    for below in &projects {
        assert_eq!(up.subjects(below), told, "{below}");
        let run = up.env.run_in(below, &["skill", "update", "--dry-run"]).ends(0);
        says(&run, &["(no message)", "First of pdf", "\\u{1b}[31mRed\\u{7} and \\u{202e}turned"]);
        assert!(!run.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", run.stderr);
        for other in ["Only the readme", "Only docx\n             First", "Merge the side", "With a body"] {
            assert!(!run.stderr.contains(other), "{other}: {}", run.stderr);
        }
    }
    // What the cache holds changes nothing.
    up.env.run(&["cache", "clear", "--yes"]).ends(0);
    projects.iter().for_each(|below| assert_eq!(up.subjects(below), told, "{below}"));
    // Of many the newest five, and how many there are.
    for n in 0..4 {
        up.publish("pdf", &format!("Number {n}"));
    }
    for below in &projects {
        let run = up.env.run_in(below, &["skill", "update"]).ends(0);
        says(&run, &["Number 3", "Number 0", "(no message)", "and 3 older commits"]);
        assert!(!run.stderr.contains("First of pdf"), "{}", run.stderr);
    }
}

/// More commits than are looked through: the newest are named, and nothing is claimed of the rest.
#[test]
fn a_long_history_is_cut_and_a_rewritten_one_still_found_out() {
    let up = Upstream::new();
    let projects: Vec<String> = up.sources().iter().map(|source| up.installed(source, &[])).collect();
    up.publish("pdf", "Too old to be seen");
    for n in 0..120 {
        up.env.write("src/README.md", format!("{n}"));
        up.commit(&format!("Readme {n}"));
    }
    up.publish("pdf", "New enough");
    for below in &projects {
        // A dry run looks further.
        assert_eq!(up.subjects(below), ["New enough", "Too old to be seen"]);
        let run = up.env.run_in(below, &["skill", "update"]).ends(0);
        says(&run, &["New enough", "older commits were not looked through"]);
        assert!(!run.stderr.contains("Too old") && !run.stderr.contains("Readme"), "{}", run.stderr);
    }
    // As long, and of other beginnings.
    up.repo.find_reference("refs/heads/main").unwrap().delete().unwrap();
    (0..110).for_each(|n| {
        up.env.write("src/README.md", format!("other {n}"));
        up.commit(&format!("Other {n}"));
    });
    for below in &projects {
        let run = up.env.run_in(below, &["skill", "update"]).ends(7);
        says(&run, &["was rewritten"]);
    }
}

#[test]
fn between_unrelated_commits_nothing_is_compared() {
    let up = Upstream::new();
    let projects: Vec<String> = up.sources().iter().map(|source| up.installed(source, &[])).collect();
    up.repo.find_reference("refs/heads/main").unwrap().delete().unwrap();
    up.publish("pdf", "A new beginning");
    for below in &projects {
        let run = up.env.run_in(below, &["skill", "update", "--dry-run"]).ends(0);
        says(&run, &["was rewritten", "so no commits can be listed", "Would update pdf"]);
        assert!(!run.stderr.contains("Compare") && !run.stderr.contains("A new beginning"), "{}", run.stderr);
    }
}

#[test]
fn a_skill_that_moved_has_the_commits_of_both_folders() {
    let up = Upstream::new();
    let projects: Vec<String> = up.sources().iter().map(|source| up.installed(source, &[])).collect();
    up.publish("pdf", "In the old folder");
    std::fs::create_dir_all(up.env.path("src/plugins/office/skills")).unwrap();
    std::fs::rename(up.env.path("src/skills/pdf"), up.env.path("src/plugins/office/skills/pdf")).unwrap();
    std::fs::remove_dir_all(up.env.path("src/skills/docx")).unwrap();
    up.commit("Moved to the office");
    up.env.write("src/plugins/office/skills/pdf/notes.md", "Notes.");
    up.commit("In the new folder");
    for below in &projects {
        assert_eq!(up.subjects(below), ["In the new folder", "Moved to the office", "In the old folder"]);
        let run = up.env.run_in(below, &["skill", "update", "--dry-run"]).ends(0);
        says(&run, &["`docx` would stay as it is: it is no longer in"]);
    }
}

/// A dry run lists files with their lines, or all lines; it claims nothing to be done.
#[test]
fn a_dry_run_speaks_of_what_would_be() {
    let up = Upstream::new();
    let source = up.sources().pop().unwrap();
    let below = up.installed(&source, &[]);
    up.publish("pdf", "Another pdf");
    let before = up.env.picture(&below);
    let run = up.env.run_in(&below, &["skill", "update", "--dry-run"]).ends(0);
    says(&run, &["Would update pdf", "M SKILL.md +1 -1", "Would move docx", "(its files are the same)"]);
    assert_eq!(run.stdout, "");
    for done in ["Updated", " Moved", "Took", "stays"] {
        assert!(!run.stderr.contains(done), "{}", run.stderr);
    }
    for flag in ["--diff", "-p"] {
        let run = up.env.run_in(&below, &["skill", "update", "pdf", "--dry-run", flag]).ends(0);
        says(
            &run,
            &["diff --git a/pdf/SKILL.md b/pdf/SKILL.md", "-description: Does pdf", "+description: Edition"],
        );
    }
    let json = up.json(&below, &["skill", "update", "--dry-run", "--diff"], 0);
    assert_eq!(
        (&json["diffs"]["pdf"][0]["added"], &json["diffs"]["pdf"][0]["removed"]),
        (&1.into(), &1.into())
    );
    up.env.run_in(&below, &["skill", "update", "--diff"]).ends(2);
    assert_eq!(up.env.picture(&below), before);
    // Edited: an update stops and names what discards the edits.
    up.env.write(&format!("{below}/.claude/skills/pdf/SKILL.md"), "mine");
    up.env.run_in(&below, &["skill", "update"]).ends(7).says("`ba-agent skill restore pdf`");
}

#[cfg(unix)]
mod at_a_terminal {
    use super::*;
    use crate::pty::Terminal;

    /// Several updates are chosen from; who leaves has changed nothing.
    #[test]
    fn several_updates_can_be_chosen_from() {
        let up = Upstream::new();
        let source = up.sources().pop().unwrap();
        up.env.run(&["skill", "install", &source, "--all"]).ends(0);
        up.publish("pdf", "Another pdf");
        up.publish("docx", "Another docx");
        let before = up.env.picture("project");
        // Who wants to hear nothing is not asked, and who agreed to everything wants them all.
        for flag in ["--quiet", "--yes"] {
            let (status, seen) = Terminal::run(up.env.command(&["skill", "update", flag])).end();
            assert_eq!(status.code(), Some(0), "{seen}");
            assert!(!seen.contains("Which ones?"), "{seen}");
            up.env.run(&["skill", "rollback"]).ends(0);
            assert_eq!(up.env.picture("project"), before, "{flag}");
        }
        let mut terminal = Terminal::run(up.env.command(&["skill", "update"]));
        terminal.wait_for("Which ones?");
        while terminal.child.try_wait().unwrap().is_none() {
            terminal.press("\u{3}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(terminal.end().0.code(), Some(130));
        assert_eq!(up.env.picture("project"), before);
        let mut terminal = Terminal::run(up.env.command(&["skill", "update"]));
        terminal.wait_for("Which ones?");
        terminal.wait_for("pdf");
        terminal.press(" ");
        terminal.press("\r");
        let (status, seen) = terminal.end();
        assert_eq!(status.code(), Some(0), "{seen}");
        let read = |name: &str| up.env.read(&format!("project/.claude/skills/{name}/SKILL.md"));
        assert!(read("docx").contains("Does docx") && read("pdf").contains("Edition"), "{seen}");
    }

    /// A long difference goes through the pager, in a dry run, in a question and of edits; what it was
    /// about is said behind it.
    #[test]
    fn a_long_difference_is_paged_and_the_summary_comes_last() {
        let up = Upstream::new();
        let source = up.sources().pop().unwrap();
        up.env.run(&["skill", "install", &source, "-s", "pdf"]).ends(0);
        let lines: String = (0..200).map(|n| format!("Line {n}.\n")).collect();
        up.env.write("src/skills/pdf/notes.md", &lines);
        up.commit("Many lines");
        let paged = |args: &[&str]| {
            let mut command = up.env.command(args);
            command.env("NO_COLOR", "1").env("TERM", "dumb").env("PAGER", "sed s/Line/Paged/");
            command
        };
        let (status, seen) = Terminal::run(paged(&["skill", "update", "--dry-run", "--diff"])).end();
        assert_eq!(status.code(), Some(0), "{seen}");
        assert!(seen.contains("+Paged 199.") && !seen.contains("+Line"), "{seen}");
        assert!(seen.rfind("Would update pdf") > seen.rfind("+Paged 199."), "{seen}");
        up.env.write("project/.claude/skills/pdf/mine.md", &lines);
        let (_, seen) = Terminal::run(paged(&["skill", "diff", "pdf"])).end();
        assert!(seen.rfind("discards these edits") > seen.rfind("+Paged 199."), "{seen}");
        let mut terminal = Terminal::run(paged(&["skill", "restore", "pdf"]));
        terminal.wait_for("Discard the edits of `pdf`?");
        terminal.press("d\r");
        terminal.wait_for("+Paged 199.");
        terminal.wait_for("Discard the edits of `pdf`?");
        terminal.press("\r");
        assert_eq!(terminal.end().0.code(), Some(2));
    }

    /// Whatever the subject, lines end where the terminal does.
    #[test]
    fn subjects_are_cut_where_the_terminal_ends() {
        let up = Upstream::new();
        let source = up.sources().pop().unwrap();
        up.env.run(&["skill", "install", &source, "-s", "pdf"]).ends(0);
        up.publish("pdf", &format!("Long {}", "表 word ".repeat(40)));
        for columns in [40, 80] {
            let mut command = up.env.command(&["skill", "update", "--dry-run"]);
            command.env("NO_COLOR", "1").env("TERM", "dumb");
            let (_, seen) = Terminal::run_at(command, columns).end();
            let line = seen.lines().find(|line| line.contains("Long")).unwrap();
            let width = line.trim_end().chars().map(|c| if c > '\u{2e80}' { 2 } else { 1 }).sum::<usize>();
            assert!(width <= usize::from(columns) && line.contains('…'), "{columns}: {line}");
            assert_eq!(line.contains("2026-01-02"), columns == 80, "{line}");
        }
    }
}
