//! `ba-agent`: a package manager for agent skills.
//!
//! # The map
//!
//! Four floors over the ground; a file uses its own floor and those below, never
//! one above (`tests/it/floors.rs` holds the table and checks it).
//!
//! * **Faces** (`cli`, `ui`): the only floor that prints, prompts or knows clap.
//! * **Deeds** (`ops`): values in, values out; `ops::apply` alone changes the disk.
//! * **World** (`fetch`, `store`, `cache`, `layout`, `settings`): input and output.
//! * **Words** (`skill`, `source`, `registry`, `tree` …): pure, no IO, no clock.
//! * **Ground** (`error`, `fsx`).
//!
//! # What is deliberately absent
//!
//! No async runtime, no telemetry, no plugin system, no code of a skill that runs
//! on install, no trait with one implementor beside [`Progress`](fetch::Progress),
//! which faces implement for people and tests.

mod error;
mod fetch;
mod layout;
mod settings;
mod source;
mod tree;
mod version;

/// Runs the command line of this process; the exit status is the documented one.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
