//! Values and rules of `ba-agent`: what a source, a skill, a package, a registry or a catalogue
//! is, what is right and wrong about it, and how a search orders what it finds.
//!
//! Everything here computes: no file, connection, process, thread, clock or variable of the
//! environment, and no C compiler to build it. The bytes come from the caller, who reads them
//! with the crates `ba-agent-archive`, `ba-agent-net`, `ba-agent-git` and `ba-agent-system`. This crate
//! depends on none of them; all of them depend on it.
//!
//! What a reader meets first: [`source::Request`] is what a person asks for, [`package::Package`]
//! what was fetched, [`discover`] which skills are in it, [`skill`] what each says of itself,
//! [`registry::Registry`] what is installed. Failures are [`error::Error`].

pub mod activation;
pub mod agents;
pub mod catalog;
pub mod category;
pub mod context;
pub mod dependency;
pub mod dependency_graph;
pub mod diff;
pub mod digest;
pub mod discover;
pub mod error;
pub mod follow_up;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub mod hook;
pub mod interop;
pub mod json;
pub mod json_edit;
pub mod listing;
pub mod loader;
pub mod package;
pub mod path;
pub mod recommend;
pub mod registry;
pub mod remote_registry;
pub mod resolver;
pub mod schema;
pub mod search;
pub mod settings_text;
pub mod skill;
pub mod skill_uri;
pub mod skill_yaml;
pub mod source;
pub mod text;
pub mod transcript;
pub mod transparency_log;
pub mod usage;
pub mod version;
