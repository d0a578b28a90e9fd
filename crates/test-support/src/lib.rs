//! Support for the tests of all crates: what two of them need stands here once. Never published,
//! a dependency of tests alone. What only some crates need is behind a feature, so that the tests of
//! the rules are built without git and TLS.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests are tests too")]

mod fuzz;
#[cfg(feature = "home")]
mod home;
#[cfg(feature = "git")]
mod repo;
#[cfg(feature = "server")]
pub mod server;
#[path = "../../archive/src/corpus/tar_build.rs"]
pub mod tar_build;
#[path = "../../archive/src/corpus/zip_build.rs"]
pub mod zip_build;

pub use fuzz::{FuzzTarget, run_near_seeds};
#[cfg(feature = "home")]
pub use home::{Counting, TestHome};
#[cfg(feature = "git")]
pub use repo::Repo;
