//! Names to installed skills.

use crate::install_dirs::InstallDirs;
use crate::scope::describe_scope;
use crate::unmanaged;
use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_core::registry::Registry;
use ba_agent_core::skill::SkillName;

/// A name as a person writes it: `entry`, `skill` or `entry:skill`. An entry may have a colon
/// of its own, a skill has none.
pub(super) fn split_name(name: &str) -> (&str, Option<&str>) {
    name.rsplit_once(':').map_or((name, None), |(entry, skill)| (entry, Some(skill)))
}

/// The installed skill that `name` means: its name, or `entry:skill` by where it came from.
/// `None` when there is no such skill, or several.
pub(crate) fn match_installed<'r>(name: &str, registry: &'r Registry) -> Option<&'r SkillName> {
    if let Some(known) = registry.skills.keys().find(|known| known.as_str() == name) {
        return Some(known);
    }
    let (entry, skill) = split_name(name);
    let skill = skill?;
    let mut called = registry.skills.iter().filter(|(known, record)| {
        let own = record.alias_of.as_deref().unwrap_or(known.as_str());
        record.marketplace.as_ref().is_some_and(|origin| origin.entry == entry)
            && (own == skill
                || known.as_str() == skill
                || record.path.as_deref().is_some_and(|path| path.ends_with(&format!("/{skill}"))))
    });
    match (called.next(), called.next()) {
        (Some((known, _)), None) => Some(known),
        _ => None,
    }
}

/// The installed skills of these names.
///
/// # Errors
/// `NotFound` for the first that is not installed, with the nearest name.
pub(crate) fn find_installed(
    names: &[String],
    registry: &Registry,
    places: &InstallDirs,
) -> Result<Vec<SkillName>> {
    names.iter().map(|name| find_one_installed(name, registry, places)).collect()
}

/// As [`find_installed`], for one name.
///
/// # Errors
/// `NotFound` where it is not installed, with the nearest name.
pub(crate) fn find_one_installed(name: &str, registry: &Registry, places: &InstallDirs) -> Result<SkillName> {
    if let Some(known) = match_installed(name, registry) {
        return Ok(known.clone());
    }
    if let Some(path) = unmanaged::find_by_hand(name, places) {
        return Err(error_of_unmanaged(name, &path));
    }
    let scope = places.scope();
    let mut error = error!(NotFound, "no skill named `{name}` is installed in {}", describe_scope(scope));
    if let Some(near) = ba_agent_core::text::find_nearest(name, registry.skills.keys().map(SkillName::as_str))
    {
        error = error.hint(format!("did you mean `{near}`?"));
    }
    Err(error.hint(
        "`ba-agent skill list` shows what is installed; `--global` is for the skills of your user account",
    ))
}

/// The error for a skill that lies there and is in no registry.
pub(crate) fn error_of_unmanaged(name: &str, path: &str) -> Error {
    let (name, path) = (printable(name, false), printable(path, false));
    error!(NotFound, "`{name}` is not managed: `{path}` is there, but ba-agent did not install it")
        .hint(format!("to take it over as it is: `ba-agent skill adopt {name}`"))
}
