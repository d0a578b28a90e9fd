//! The readers of hostile bytes, one function each: any bytes go in, and a panic says that
//! something is not as promised. For `fuzz/`, and for the tests, which run each over its seeds
//! and what is near them.

mod seeds;

use crate::fetch::marketplace::Place;

/// A name, what it does with bytes, and what a fuzzer may begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[
    ("journal", journal, seeds::journal),
    ("marketplace_place", marketplace_place, seeds::marketplace_place),
    ("marketplaces", marketplaces, seeds::marketplaces),
    ("npm", npm, seeds::npm),
    ("settings", settings, seeds::settings),
];

/// The journal of a killed command: it names nothing but places of its own.
pub fn journal(data: &[u8]) {
    crate::store::check_any_journal(data);
}

/// A project's settings: they take nothing of the user's and widen nothing.
pub fn settings(data: &[u8]) {
    crate::settings::check_any(data);
}

/// What is typed behind `marketplace add`: its text means the same place.
pub fn marketplace_place(data: &[u8]) {
    let Some(place) = std::str::from_utf8(data).ok().and_then(|text| Place::parse(text).ok()) else { return };
    let again = Place::parse(&place.text()).expect("the text of a place is one");
    assert_eq!(again.text(), place.text());
    assert_eq!(again.is_local(), place.is_local());
}

/// The file of registered marketplaces: read and written alike.
pub fn marketplaces(data: &[u8]) {
    crate::store::marketplaces::check_any(data);
}

/// A wanted version, and what an npm registry answers.
pub fn npm(data: &[u8]) {
    crate::fetch::npm::check_any(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_runs_over_its_seeds_and_what_is_near_them() {
        ba_agent_test_support::run_near_seeds(TARGETS);
    }
}
