//! The transparency log of a registry (what it is: `ba_agent_core::transparency_log`), with its
//! signatures. A writer adds events with [`append_to_log`]; a client asks [`check_log`] whether the
//! log is still the one that it saw before, and whether what it is about to install is in it.
//!
//! The signatures are Ed25519, by the library that TLS has brought already.

mod append;
mod check;
mod signing_key;
#[cfg(test)]
mod tests;
mod verify;
mod write;

pub use append::append_to_log;
pub use check::{LogRead, LoggedLine, SeenTree, check_log};
pub use signing_key::LogSigningKey;
pub use verify::open_checkpoint;
pub use write::{LogAddition, plan_addition, verify_whole_log};
