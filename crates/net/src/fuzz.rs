//! What holds for the texts that credentials are read from, whatever is in them: for `fuzz/`, and
//! for the tests, which run it over seeds and what is near them.

use crate::credentials::check_any_netrc;
use crate::git_config::check_any_parameters;

/// A name, what it does with bytes, and what a fuzzer may begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All targets, in the order of their names.
pub const TARGETS: &[Target] =
    &[("git_parameters", git_parameters, git_parameters_seeds), ("netrc", netrc, netrc_seeds)];

/// A `.netrc` file.
pub fn netrc(data: &[u8]) {
    check_any_netrc(data);
}

/// `GIT_CONFIG_PARAMETERS`, as `git -c` hands it on.
pub fn git_parameters(data: &[u8]) {
    check_any_parameters(data);
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn netrc_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "# mine\nmachine h.example\n\tlogin me\n\tpassword s#cret account x\n",
        "machine q login \"a b\" password \"x\\\"y\\\\\"\ndefault login c password d\n",
        "macdef init\n  machine 127.0.0.1 login t password t\n\nmachine 127.0.0.1 password p",
    ])
}

fn git_parameters_seeds() -> Vec<Vec<u8>> {
    texts(&["'http.proxy'='http://h:1' 'core.bare'=", "'url.a.insteadOf=b'  'x.y'='it'\\''s'\\!''"])
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_target_runs_over_its_seeds_and_what_is_near_them() {
        ba_agent_test_support::run_near_seeds(super::TARGETS);
    }
}
