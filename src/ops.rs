//! Deeds: one function for each command, `ops::install::install` for `skill install`. It is given
//! the [`Workspace`](crate::workspace::Workspace), its options as a value, whoever answers its
//! questions ([`ask::Ask`]) and whoever is told what happens meanwhile; it gives back a report.
//! None of them knows of a command line or prints.

pub(crate) mod apply;
pub(crate) mod ask;
pub(crate) mod cache;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod gather;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod install;
pub(crate) mod installed;
mod installed_state;
pub(crate) mod list;
pub(crate) mod marketplace;
pub(crate) mod outdated;
pub(crate) mod overlap;
pub(crate) mod pin;
pub(crate) mod plan;
pub(crate) mod recorded;
pub(crate) mod restore;
pub(crate) mod rollback;
pub(crate) mod search;
pub(crate) mod settle;
pub(crate) mod show;
mod supply;
pub(crate) mod uninstall;
pub(crate) mod update;
pub(crate) mod validate;
pub(crate) mod verify;

#[cfg(test)]
mod tests;
