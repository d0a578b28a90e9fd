//! The server, run as its operator runs it: the real program on a port of its own, over SQLite and
//! a folder, or over a PostgreSQL that the test starts.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "helpers of tests are tests too"
)]

mod account;
mod browse;
mod client;
mod matrix;
mod oidc;
mod people;
mod postgres;
mod publish;
#[cfg(unix)]
mod robust;
mod server;
mod settings;
mod skill;
