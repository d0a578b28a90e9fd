//! The commands, run as a user runs them: the real program in a world of its own.

mod acceptance;
mod env;
mod floors;
mod generated;
mod help;
mod hostile;
mod http;
mod install;
mod lock;
mod reliability;
mod terminal;
mod update;

#[path = "../support/server.rs"]
mod server;
