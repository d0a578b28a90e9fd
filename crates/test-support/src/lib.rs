//! Support for the tests of all crates: what two of them need stands here once. Never published,
//! a dependency of tests alone.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests are tests too")]

mod fuzz;
pub mod server;
#[path = "../../archive/src/corpus/tar_build.rs"]
pub mod tar_build;
#[path = "../../archive/src/corpus/zip_build.rs"]
pub mod zip_build;

pub use fuzz::{FuzzTarget, run_near_seeds};
