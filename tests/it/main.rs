//! The commands, run as a user runs them: the real program in a world of its own.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests are tests too")]

mod acceptance;
mod adopt;
mod cache;
mod dice;
mod diff;
mod doctor;
mod env;
mod floors;
mod full_stdout;
mod generated;
mod given_up;
mod help;
mod hostile;
mod hostile_project;
mod http;
mod install;
mod interop;
mod live_links;
mod lock;
mod picker;
#[cfg(target_os = "linux")]
mod power;
mod pty;
mod readme;
mod reliability;
mod schemas;
mod sequences;
mod shells;
mod show;
mod terminal;
mod tour;
mod two_users;
mod update;
mod verify;
mod workspace;

mod catalogues;
mod interrupted;
mod market_http;
mod market_install;
mod marketplace;
mod messages;
mod moved;
mod networks;
mod offline;
mod one_cache;
mod open_eyes;
mod output;
mod overlap;
mod requests;
mod restore;
mod search;
mod served;
mod shape;
mod sharing;
