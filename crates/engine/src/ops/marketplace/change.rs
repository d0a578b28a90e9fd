//! `marketplace remove`, `enable` and `disable`: the records of marketplaces; skills that came
//! from them stay. A name is that of the scope itself, else the user's that is seen behind it.

use std::collections::BTreeMap;

use crate::ops::settle::open_session;
use crate::store::marketplaces::{Marketplaces, RegisteredMarketplace};
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::Result;

/// Forgets marketplaces.
///
/// # Errors
/// `NotFound` for a name that is not registered; those of writing the records.
pub fn remove(workspace: &Workspace, names: &[String], observer: &dyn Observer) -> Result<()> {
    change_named(workspace, names, observer, &|known, name| drop(known.remove(name)))
}

/// Says of marketplaces whether they are searched and installed from by name.
///
/// # Errors
/// Those of [`remove`].
pub fn set_enabled(
    workspace: &Workspace,
    names: &[String],
    enabled: bool,
    observer: &dyn Observer,
) -> Result<()> {
    change_named(workspace, names, observer, &|known, name| {
        if let Some(one) = known.get_mut(name) {
            one.enabled = enabled;
        }
    })
}

/// The named marketplaces, parted by whose records they are in.
#[derive(Debug, Default)]
pub(super) struct NamesByScope {
    /// Of the scope itself.
    pub(super) own: Vec<String>,
    /// Of the user, seen from a project.
    pub(super) of_user: Vec<String>,
}

impl NamesByScope {
    /// Parts these names.
    ///
    /// # Errors
    /// `NotFound` for a name that is not registered.
    pub(super) fn of(names: &[String], all: &Marketplaces) -> Result<Self> {
        let mut parted = Self::default();
        for name in names {
            all.get(name)?;
            if all.is_own(name) { &mut parted.own } else { &mut parted.of_user }.push(name.clone());
        }
        Ok(parted)
    }
}

/// Changes each of the named records, all of one scope in one write. Every name is looked up
/// before anything is changed.
fn change_named(
    workspace: &Workspace,
    names: &[String],
    observer: &dyn Observer,
    change: &dyn Fn(&mut BTreeMap<String, RegisteredMarketplace>, &String),
) -> Result<()> {
    let session = open_session(&workspace.or_user_at_home(), observer)?;
    let NamesByScope { own, of_user } = NamesByScope::of(names, &session.marketplaces()?)?;
    let change_all = |known: &mut BTreeMap<_, _>, names: &[String]| {
        names.iter().for_each(|name| change(known, name));
        Ok(())
    };
    if !own.is_empty() {
        session.change_marketplaces(|known| change_all(known, &own))?;
    }
    if !of_user.is_empty() {
        // With the user's own settings: nothing that the project says counts there.
        let user = open_session(&workspace.for_user(), observer)?;
        user.change_marketplaces(|known| change_all(known, &of_user))?;
    }
    Ok(())
}
