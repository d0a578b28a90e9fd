//! Deeds: values in, values out. Each command is a request that is gathered into
//! candidates, planned against the registry, and applied in one transaction.

pub(crate) mod apply;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod gather;
pub(crate) mod installed;
pub(crate) mod list;
pub(crate) mod marketplace;
pub(crate) mod outdated;
pub(crate) mod overlap;
pub(crate) mod pin;
pub(crate) mod plan;
pub(crate) mod recorded;
pub(crate) mod repoint;
pub(crate) mod restore;
pub(crate) mod rollback;
pub(crate) mod search;
pub(crate) mod settle;
pub(crate) mod show;
pub(crate) mod update;
pub(crate) mod validate;
pub(crate) mod verify;
