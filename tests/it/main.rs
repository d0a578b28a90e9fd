//! The commands, run as a user runs them: the real program in a world of its own.

mod env;
mod floors;
mod generated;
mod help;
mod install;
mod marketplace;
mod search;
#[path = "../support/server.rs"]
mod server;
