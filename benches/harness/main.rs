//! Whole-process measurements behind `cargo bench`: floor, ours, floor, ours … in one
//! run, on repositories of its own making, over loopback only. What the rows mean, and
//! how to run a part of them, stands in `benches/README.md`.
//!
//! Started by `cargo test --benches` it does nothing.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a tool for developers: it prints, reads its own environment, and stops where something is odd"
)]

mod floors;
#[cfg(unix)]
mod journeys;
mod measure;
mod options;
mod parts;
/// The pseudo-terminal of the tests, which do more with it.
#[cfg(unix)]
#[path = "../../tests/it/pty.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod pty;
mod pure;
mod replay;
mod repos;
mod rows;
mod runtime;
mod scale;
mod table;
mod world;

/// The server of the tests: smart HTTP through `git http-backend`.
use options::Options;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if floors::run(&words) {
        return;
    }
    if !words.iter().any(|word| word == "--bench") {
        println!("measurements run under `cargo bench`");
        return;
    }
    let options = match Options::parse(&words) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            std::process::exit(2);
        }
    };
    if options.wants_pure() {
        pure::run(&options);
    }
    if options.wants_rows() {
        let world = world::World::new(&options);
        if options.journeys {
            #[cfg(unix)]
            journeys::run(&world, &options);
        } else if options.runtime {
            runtime::run(&world, &options);
        } else if options.scale {
            scale::run(&world, &options);
        } else {
            rows::run(&world, &options);
        }
    }
}
