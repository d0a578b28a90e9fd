//! The machine that `ba-agent` runs on, each part behind one small type: [`env::Env`] is what the
//! process was started with, [`fsx`] changes files whole or not at all, [`cache::Cache`] keeps
//! what was fetched, [`parallel`] has the threads, [`interrupt`] knows of Ctrl-C, and
//! [`progress::Progress`] is how whoever called sees that work goes on, and ends it.
//!
//! It may read and write; it opens no connection and starts no process. Of the program's crates
//! it uses `ba-agent-core` alone.

pub mod cache;
pub mod env;
pub mod fsx;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub mod interrupt;
pub mod parallel;
pub mod progress;
