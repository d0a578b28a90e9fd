//! Deeds: one function for each command, `ops::install::install` for `skill install`. It is given
//! the [`Workspace`](crate::workspace::Workspace), its options as a value, whoever answers its
//! questions ([`ask::Ask`]) and whoever is told what happens meanwhile; it gives back a report.
//! None of them knows of a command line or prints.

pub mod activate;
pub mod adopt;
pub mod agents;
pub mod apply;
pub mod ask;
pub mod cache;
pub mod complete;
pub mod config;
pub mod context;
pub mod deactivate;
pub mod deps;
pub mod diff;
pub mod disable;
pub mod doctor;
pub mod edit;
pub mod enable;
pub mod export;
pub(crate) mod follow;
mod follow_plugins;
pub mod follow_skill;
pub mod gather;
pub mod history;
pub mod hook;
pub(crate) mod import;
pub mod init;
pub mod install;
pub(crate) mod installed;
mod installed_state;
pub mod list;
pub mod login;
pub mod marketplace;
pub mod mcp;
pub mod open;
pub mod outdated;
pub(crate) mod overlap;
pub mod pack;
pub mod path;
pub mod pin;
pub mod plan;
pub mod publish;
pub mod recommend;
pub(crate) mod recorded;
pub mod registry;
mod relocate;
pub mod restore;
pub(crate) mod revoked;
pub mod rollback;
pub mod search;
pub mod self_version;
pub(crate) mod settle;
pub mod show;
mod supply;
pub mod tree;
pub mod uninstall;
pub mod update;
pub mod usage;
pub mod use_version;
pub mod validate;
pub mod verify;
pub mod versions;
pub mod watch;
pub mod why;
pub mod yank;

#[cfg(test)]
mod tests;
