//! Deeds: values in, values out. Each command is a request that is gathered into
//! candidates, planned against the registry, and applied in one transaction.

pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod find;
pub(crate) mod gather;
pub(crate) mod market;
pub(crate) mod plan;
pub(crate) mod query;
pub(crate) mod view;
