//! Ctrl-C anywhere: 130 and a sentence, and nothing half done.

#![cfg(unix)]

use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::env::{Run, TestEnv};
use ba_agent_test_support::server::{Play, Server};

fn start(env: &TestEnv, args: &[&str]) -> Child {
    env.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: &Child) {
    signal(child, Signal::INT);
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn end(env: &TestEnv, mut child: Child) -> Run {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut err).unwrap();
    let status = child.wait().unwrap();
    env.done(std::process::Output { status, stdout: out, stderr: err })
}

/// A host that falls silent in the middle of a pack.
#[test]
fn a_command_that_waits_for_a_host_ends_with_130_and_the_sentence() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.skill("src/pdf");
    drop(env.git_repo("srv/acme/skills.git", &env.path("src")));
    env.set("BA_AGENT_GITHUB_URL", server.url());
    server.play("/git-upload-pack", Play::Stall(20));
    let before = env.picture("project");
    let install = ["skill", "install", "acme/skills"];
    for (args, with, words) in [
        (&install[..], Signal::INT, "error: stopped by Ctrl-C"),
        (&install[..], Signal::TERM, "error: stopped by SIGTERM"),
        (&["skill", "install", "acme/skills", "--json"], Signal::INT, ""),
    ] {
        let asked = server.seen().len();
        let child = start(&env, args);
        wait_until("it asks the host", || server.seen().len() >= asked + 2);
        signal(&child, with);
        let run = end(&env, child).ends(130);
        if args.contains(&"--json") {
            assert_eq!(run.json()["error"]["kind"], "interrupted");
        } else {
            assert!(
                run.stderr.contains(words) && run.stderr.contains("run the command again"),
                "{}",
                run.stderr
            );
        }
        assert_eq!(env.picture("project"), before);
    }
    server.play_fair();
    env.run(&["skill", "install", "acme/skills"]).ends(0);
}

/// At any moment of an installation: all of it, or 130 and nothing.
#[test]
fn an_installation_that_is_stopped_is_whole_or_undone() {
    let env = TestEnv::new();
    for at in 0..60 {
        env.skill(&format!("src/s{at}")).file("data", vec![b'x'; 20_000]);
    }
    let before = env.picture("project");
    let mut stopped = 0;
    for round in 0..12 {
        let child = start(&env, &["skill", "install", "../src", "--all"]);
        // The moment differs from round to round, and does not matter to what must hold.
        std::thread::sleep(Duration::from_millis(4 * round));
        interrupt(&child);
        let run = end(&env, child);
        match run.status {
            0 => assert_eq!(env.registry()["skills"].as_object().unwrap().len(), 60),
            130 => {
                assert!(run.stderr.contains("stopped"), "{}", run.stderr);
                let left: Vec<_> =
                    env.picture("project").into_keys().filter(|path| path.contains("SKILL.md")).collect();
                assert!(left.is_empty(), "{left:?}");
                stopped += 1;
            }
            // Before the program listens, the signal ends it.
            -1 => assert_eq!(env.picture("project"), before),
            other => panic!("{other}: {}", run.stderr),
        }
        env.run(&["doctor"]).ends(0);
        if run.status == 0 {
            env.run(&["skill", "rollback"]).ends(0);
        }
    }
    println!("{stopped} of 12 were stopped in the middle");
}
