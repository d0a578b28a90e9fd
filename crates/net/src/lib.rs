//! How `ba-agent` reaches hosts over HTTP: which may be asked at all ([`policy`]), who the user is
//! to them ([`credentials`], [`git_config`]), and the one client that asks ([`http::Net`]), with
//! retries, proxies, trusted authorities and the rule of redirects.
//!
//! What is set about hosts comes from the caller ([`hosts::HostSettings`]); `.netrc` and git's
//! configuration are read here, and git's credential helpers started. Of the program's crates it
//! uses `ba-agent-core` and `ba-agent-system`.

pub mod credentials;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub mod git_config;
pub mod hosts;
pub mod http;
pub mod policy;
#[cfg(test)]
mod testing;
