//! Deeds: remote registries, which serve skills: `registry build|check|mirror`.

mod build;
mod check;
mod mirror;

pub use build::{BuildReport, build_registry};
pub use check::{CheckReport, RegistryFault, check_registry};
pub use mirror::{MirrorOptions, MirrorReport, mirror_registry};
