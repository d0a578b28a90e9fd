//! Deeds: values in, values out. Each command is a request that is gathered into
//! candidates, planned against the registry, and applied in one transaction.

pub(crate) mod apply;
pub(crate) mod changes;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod find;
pub(crate) mod gather;
pub(crate) mod market;
pub(crate) mod outdated;
pub(crate) mod overlap;
pub(crate) mod parallel;
pub(crate) mod plan;
pub(crate) mod query;
pub(crate) mod recorded;
pub(crate) mod repoint;
pub(crate) mod restore;
pub(crate) mod rollback;
pub(crate) mod update;
pub(crate) mod verify;
pub(crate) mod view;
