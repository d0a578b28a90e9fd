//! Deeds: remote registries, which serve skills: `registry add|build|check|list|mirror|remove|show`.

mod add;
mod build;
mod check;
mod list;
mod mirror;
mod remove;
mod show;

pub use add::{AddRegistryOptions, AddRegistryReport, add};
pub use build::{BuildReport, build_registry};
pub use check::{CheckReport, RegistryFault, check_registry};
pub use list::{ListedRegistry, list};
pub use mirror::{MirrorOptions, MirrorReport, mirror_registry};
pub use remove::{RemoveRegistryReport, remove};
pub use show::{RegistryView, show};
