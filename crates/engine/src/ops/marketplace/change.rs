//! `marketplace remove`, `enable` and `disable`: the records of marketplaces; skills that came
//! from them stay.

use std::collections::BTreeMap;

use crate::ops::settle::open_session;
use crate::store::marketplaces::{Marketplaces, RegisteredMarketplace};
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::{Result, error, printable};

/// Forgets marketplaces of this scope.
///
/// # Errors
/// `NotFound` for a name that is not registered here; those of writing the records.
pub fn remove(workspace: &Workspace, names: &[String], observer: &dyn Observer) -> Result<()> {
    let session = open_session(workspace, observer)?;
    let all = session.marketplaces()?;
    session.change_marketplaces(|known| {
        check_own(names, &all, known)?;
        names.iter().for_each(|name| drop(known.remove(name)));
        Ok(())
    })
}

/// Says of marketplaces of this scope whether they are searched and installed from by name.
///
/// # Errors
/// Those of [`remove`].
pub fn set_enabled(
    workspace: &Workspace,
    names: &[String],
    enabled: bool,
    observer: &dyn Observer,
) -> Result<()> {
    let session = open_session(workspace, observer)?;
    let all = session.marketplaces()?;
    session.change_marketplaces(|known| {
        check_own(names, &all, known)?;
        for name in names {
            if let Some(one) = known.get_mut(name) {
                one.enabled = enabled;
            }
        }
        Ok(())
    })
}

/// Only marketplaces of the scope itself can be changed from it.
fn check_own(
    names: &[String],
    all: &Marketplaces,
    known: &BTreeMap<String, RegisteredMarketplace>,
) -> Result<()> {
    let Some(name) = names.iter().find(|name| !known.contains_key(*name)) else { return Ok(()) };
    all.get(name)?;
    Err(error!(NotFound, "`{}` is registered for your user account, not here", printable(name, false))
        .hint("add `--global`"))
}
