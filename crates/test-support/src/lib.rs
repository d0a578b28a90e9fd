//! Support for the tests of all crates: what two of them need stands here once. Never published,
//! a dependency of tests alone.

mod fuzz;

pub use fuzz::{FuzzTarget, run_near_seeds};
