//! `skill watch`: each event is a line as soon as it is seen, until somebody stops it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::env::{TestEnv, skill_md};

/// A running `skill watch`; what it prints comes line by line.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(env: &TestEnv, more: &[&str]) -> Self {
        env.write("settings/config.yaml", "runtime:\n  hot_swap: {watch_interval: 100}\n");
        let mut command = env.command(&[&["skill", "watch"], more].concat());
        // The clock of the test stands still, and events have the time of the look.
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (to, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
        Self { child, lines }
    }

    /// The next line. A busy machine may take long to start it.
    fn next(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("no event was told")
    }

    fn event(&self) -> Value {
        let line = self.next();
        let faults = crate::schemas::document_faults(&["skill", "watch", "--json"], &line);
        assert!(faults.is_empty(), "{faults:?}");
        serde_json::from_str(&line).unwrap()
    }

    /// Ends it as Ctrl-C does; what it said on stderr.
    fn stop(mut self) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
        (status.code(), said)
    }

    /// Waits until the first look is over: a skill that is made again and again is told of at last.
    fn settle(&self, env: &TestEnv) {
        for n in 0.. {
            // Codex looks into one, whoever looks into all and Claude Code into the other.
            env.skill(&format!("project/.claude/skills/probe{n}"));
            env.skill(&format!("project/.agents/skills/probe{n}"));
            if self.lines.recv_timeout(Duration::from_millis(400)).is_ok() {
                break;
            }
            assert!(n < 200, "it never began");
        }
        while self.lines.recv_timeout(Duration::from_millis(600)).is_ok() {}
    }
}

#[test]
fn events_are_lines_until_ctrl_c() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let watching = Watching::start(&env, &["--json"]);
    watching.settle(&env);
    let place = "project/.claude/skills/pdf/SKILL.md";
    let sound = env.read(place);
    env.write(place, "broken");
    let event = watching.event();
    assert_eq!((event["event"].as_str(), event["name"].as_str()), (Some("broken"), Some("pdf")));
    assert_eq!(event["fallback"], true);
    assert!(event["digest"].as_str().unwrap().starts_with("sha256:"));
    env.write(place, &sound);
    assert_eq!(watching.event()["event"], "recovered");
    env.write("src/pdf/SKILL.md", skill_md("pdf", "The second edition. Use it."));
    env.run(&["skill", "update", "--yes"]).ends(0);
    let event = watching.event();
    assert_eq!(event["event"], "changed");
    assert!(event["previous"] != event["digest"] && event["previous"].is_string(), "{event}");
    env.run(&["skill", "disable", "pdf"]).ends(0);
    assert_eq!(watching.event()["event"], "removed");
    env.run(&["skill", "enable", "pdf"]).ends(0);
    assert_eq!(watching.event()["event"], "added");
    let (status, said) = watching.stop();
    assert_eq!((status, said.as_str()), (Some(130), ""));
}

#[test]
fn people_read_sentences_and_one_agent_is_watched_alone() {
    let env = TestEnv::new();
    let watching = Watching::start(&env, &["--agent", "codex"]);
    watching.settle(&env);
    env.skill("project/.claude/skills/other");
    env.skill("project/.agents/skills/mine");
    assert_eq!(watching.next(), "03:04:05 added     mine");
    // Claude Code would list such a file as a skill: Codex does not.
    env.write("project/.agents/skills/mine/SKILL.md", "broken \u{1b}[31m");
    let line = watching.next();
    assert!(line.contains("broken    mine (the last good state is kept): "), "{line}");
    assert!(!line.contains('\u{1b}'), "{line}");
    // Settings that cannot be read are told of once, and what happens after that as ever.
    env.write("settings/config.yaml", "runtime: {hot_swap: {watch_interval: 100}}\nnonsense: 1\n");
    std::thread::sleep(Duration::from_secs(2));
    env.write("settings/config.yaml", "runtime: {hot_swap: {watch_interval: 100}}\n");
    env.skill("project/.agents/skills/late");
    assert_eq!(watching.next(), "03:04:05 added     late");
    let (status, said) = watching.stop();
    assert_eq!(status, Some(130), "{said}");
    assert!(said.matches("nonsense").count() <= 1 && !said.contains("error"), "{said}");
    env.run(&["skill", "watch", "--agent", "nobody"]).ends(2);
    env.run(&["skill", "watch", "--for", "0"]).ends(0);
}

/// A reader that goes away ends it at the next event.
#[test]
fn a_closed_pipe_ends_it() {
    let env = TestEnv::new();
    let mut watching = Watching::start(&env, &[]);
    watching.settle(&env);
    let _ = watching.child.stdout.take();
    drop(watching.lines);
    // The thread that read lets go of the pipe when the next line comes.
    for n in 0..100 {
        env.skill(&format!("project/.claude/skills/more{n}"));
        std::thread::sleep(Duration::from_millis(200));
        if let Some(status) = watching.child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(0));
            return;
        }
    }
    let _ = watching.child.kill();
    panic!("it goes on though nobody reads");
}

/// At a terminal an event goes on below its name, and no word is broken.
#[cfg(unix)]
#[test]
fn an_event_is_broken_between_words() {
    let env = TestEnv::new();
    env.write("settings/config.yaml", "runtime:\n  hot_swap: {watch_interval: 100}\n");
    for columns in [40, 80] {
        let mut command = env.command(&["skill", "watch"]);
        command.env("NO_COLOR", "1");
        let mut terminal = crate::pty::Terminal::run_at(command, columns);
        terminal.wait_for("watching the skills");
        // The first look may be still to come, and what was there then is not told: so there is more.
        let is_seen = std::sync::atomic::AtomicBool::new(false);
        let seen = std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..200 {
                    let manifest = format!("project/.claude/skills/broken-{columns}-{n}/SKILL.md");
                    env.write(&manifest, "---\nname: [\n---\n");
                    std::thread::sleep(Duration::from_millis(300));
                    if is_seen.load(std::sync::atomic::Ordering::SeqCst) {
                        break;
                    }
                }
            });
            terminal.wait_for("bracket");
            is_seen.store(true, std::sync::atomic::Ordering::SeqCst);
            terminal.screen().contents()
        });
        let broken = seen.lines().skip_while(|line| !line.contains("broken ")).collect::<Vec<_>>();
        assert!(broken.iter().all(|line| line.trim_end().chars().count() <= usize::from(columns)), "{seen}");
        let said = broken.join(" ").split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        assert!(said.contains("line 2: not YAML: unclosed bracket"), "{seen}");
        terminal.interrupt();
        terminal.wait_for_end();
    }
}
