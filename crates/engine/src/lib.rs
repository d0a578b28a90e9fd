//! The engine of `ba-agent`: what each command does, for a terminal, a server or a test alike.
//!
//! A caller holds a [`workspace::Workspace`] and calls one function for each command:
//! [`ops::install::install`] for `skill install`. It gives options as a value, whoever answers
//! questions ([`ops::ask::Ask`]) and whoever is told what happens meanwhile
//! ([`workspace::Observer`]), and gets a report. Nothing here prints or knows of a command line.
//!
//! # The map
//!
//! Two floors over the crates `ba-agent-core`, `ba-agent-archive`, `ba-agent-system`,
//! `ba-agent-net` and `ba-agent-git`; a file uses its own floor and those below, never one above
//! (`tests/it/floors.rs` of the program holds the table and checks it).
//!
//! * **Deeds** (`ops`): one function for each command, options in, a report out; `ops::apply`
//!   alone changes skills and registry, but for `doctor --fix`.
//! * **World** (`fetch`, `store`, `history`, `install_dirs`, `install_state`, `scope`,
//!   `settings`, `workspace`): input and output, each behind one small type.
//!
//! An install goes one way: text to `Request`, resolved and fetched to a package, looked
//! through for candidates, planned against the registry, staged, validated, swapped in,
//! recorded, reported.
//!
//! # What is deliberately absent
//!
//! No async runtime, no telemetry, no plugin system, no code of a skill that runs on
//! install, no checkout by libgit2, no unpacking by an archive crate, no trait with one
//! implementor: the three that a caller implements (`Progress`, `workspace::Observer`,
//! `ops::ask::Ask`) have the terminal and the tests.

pub(crate) mod agent_sessions;
pub mod builtin;
pub mod fetch;
mod fingerprint;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod graph_facts;
pub mod history;
pub mod install_dirs;
pub mod install_state;
mod kept_versions;
mod loader;
pub mod ops;
pub mod poll;
mod registry_facts;
mod registry_files;
pub mod registry_tokens;
pub mod scope;
mod sealed_cache;
pub mod settings;
mod skill_content;
pub(crate) mod skill_graph;
mod skill_index;
pub(crate) mod skill_words;
pub mod store;
mod unmanaged;
pub(crate) mod usage_log;
pub mod workspace;
