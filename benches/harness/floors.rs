//! Floors that no program of the system gives: this very program in another role.
//!
//! * `floor-clap …`: parses a small command line with clap and ends: what start-up costs
//!   any program that uses it.
//! * `floor-hash DIR`: reads every file below a folder and hashes it.
//! * `make DIR N`: makes a repository of `N` skills, for a profiler.
//! * `serve DIR`: serves the repositories in it as the rows "cached" have it, for a profiler.
//! * `peak FILE PROGRAM …`: runs a program and writes its peak memory in KiB to a file.

use std::path::Path;
use std::process::Command;

use clap::{Arg, ArgAction};
use sha2::Digest as _;

use crate::replay::Replay;
use crate::repos::{self, Layout};
use ba_agent_test_support::server::Server;

/// Plays the role that the first argument names; false where it names none.
pub(crate) fn run(words: &[String]) -> bool {
    match words.first().map(String::as_str) {
        Some("floor-clap") => bare(words),
        Some("floor-hash") => hash(Path::new(&words[1])),
        Some("make") => drop(repos::make(Path::new(&words[1]), words[2].parse().unwrap(), Layout::Authors)),
        Some("serve") => serve(Path::new(&words[1])),
        Some("peak") => peak(Path::new(&words[1]), &words[2..]),
        _ => return false,
    }
    true
}

/// One subcommand and three flags; `--version` and `--help` end the process here.
fn bare(words: &[String]) {
    let flag = |name: &'static str| Arg::new(name).long(name).global(true).action(ArgAction::SetTrue);
    let list = clap::Command::new("list").about("List things");
    let command = clap::Command::new("floor-clap").version("1.0.0").about("Does nothing").subcommand(list);
    let command = command.args([flag("json"), flag("quiet"), flag("verbose")]);
    command.get_matches_from(words);
}

fn serve(root: &Path) {
    let Some(live) = Server::start(root) else { return };
    println!("{}", Replay::start(&live.url()).url);
    std::thread::park();
}

fn hash(folder: &Path) {
    let mut total = sha2::Sha256::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten() {
        if entry.file_type().is_file() {
            total.update(sha2::Sha256::digest(std::fs::read(entry.path()).unwrap()));
        }
    }
    println!("{} bytes of digest", total.finalize().len());
}

/// Waits for the program from a small process of its own: what a child inherits of its
/// parent's peak at `exec` is then next to nothing.
fn peak(to: &Path, command: &[String]) {
    let status = Command::new(&command[0]).args(&command[1..]).status().unwrap();
    std::fs::write(to, children_peak().to_string()).unwrap();
    std::process::exit(status.code().unwrap_or(1));
}

/// Peak memory in KiB of the largest process that was waited for.
#[cfg(target_os = "linux")]
fn children_peak() -> i64 {
    use nix::sys::resource::{UsageWho, getrusage};
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| usage.max_rss())
}

/// Elsewhere the unit differs or there is no such call: not measured.
#[cfg(not(target_os = "linux"))]
fn children_peak() -> i64 {
    0
}
