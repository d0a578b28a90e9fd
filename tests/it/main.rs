//! The commands, run as a user runs them: the real program in a world of its own.

mod cache;
mod diff;
mod doctor;
mod env;
mod floors;
mod generated;
mod help;
mod install;
mod verify;
