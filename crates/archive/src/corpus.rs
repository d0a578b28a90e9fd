//! Every known way to make an archive lie, and what real producers write. Accept and
//! refuse run together: a rule that is one notch too strict breaks GitHub's own
//! archives, one that is too lax lets an attack through.
//!
//! The ids are those of the measured kinds (z: zip, t: tar); f are formats and names,
//! a are layouts of real producers, written here field by field.

mod accepted;
mod formats;
#[allow(unreachable_pub, reason = "the crate of test support has it too")]
mod tar_build;
mod tars;
#[allow(unreachable_pub, reason = "the crate of test support has it too")]
mod zip_build;
mod zips;

use ba_agent_core::listing::{Limits, Node, check_portable};
use ba_agent_core::package::Package;

use super::open_archive;

/// What must become of an archive.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expect {
    /// Read, and fit to install, with exactly these entries: `MODE PATH`, links with
    /// ` -> TARGET`.
    Accept(&'static [&'static str]),
    /// Refused as a whole; the message holds this.
    Refuse(&'static str),
    /// Read, but the skill is refused; the message holds this.
    SkillRefused(&'static str),
}

pub(super) struct Case {
    pub(super) id: &'static str,
    pub(super) what: &'static str,
    /// The name of the file.
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) expect: Expect,
}

pub(super) const SKILL: &[u8] =
    b"---\nname: skill\ndescription: Does one thing well, and says when to use it.\n---\n\nDo it.\n";
pub(super) const SCRIPT: &[u8] = b"#!/bin/sh\necho done\n";

/// Small limits, so that what breaks them is small too.
pub(super) fn limits() -> Limits {
    Limits { download: 1 << 20, unpacked: 1 << 18, file: 1 << 16, entries: 300, ..Limits::default() }
}

pub(super) fn all() -> Vec<Case> {
    [zips::cases(), tars::cases(), formats::cases(), accepted::cases()].into_iter().flatten().collect()
}

/// The listing as the table writes it.
pub(super) fn lines(tree: &Package) -> Vec<String> {
    let line = |entry: &ba_agent_core::listing::FileEntry| match &entry.node {
        Node::Link { target } => format!("120000 {} -> {target}", entry.path),
        node => format!("{} {}", node.git_mode(), entry.path),
    };
    tree.listing.entries().iter().map(line).collect()
}

fn check(case: &Case) -> Result<(), String> {
    let limits = limits();
    let opened = open_archive(case.name, &case.bytes, &limits);
    let says = |error: &ba_agent_core::error::Error, expected: &str| match error.message.contains(expected) {
        true if error.message.chars().any(ba_agent_core::error::is_unprintable) => {
            Err("raw characters".to_owned())
        }
        true => Ok(()),
        false => Err(error.message.clone()),
    };
    match (case.expect, opened) {
        (Expect::Refuse(expected), Err(error)) => says(&error, expected),
        (Expect::Refuse(_), Ok(tree)) => Err(format!("accepted: {:?}", lines(&tree))),
        (_, Err(error)) => Err(error.message),
        (expect, Ok(tree)) => match (expect, check_portable(tree.listing.entries(), &limits)) {
            (Expect::SkillRefused(expected), Err(error)) => says(&error, expected),
            (Expect::Accept(expected), Ok(())) if lines(&tree) == expected => check_bytes(&tree),
            (_, portable) => Err(format!("{portable:?}: {:?}", lines(&tree))),
        },
    }
}

/// The two known files have their known bytes, and every size is right.
fn check_bytes(tree: &Package) -> Result<(), String> {
    for entry in tree.listing.entries() {
        let bytes = tree.read(entry).map_err(|error| error.message)?;
        let known = match entry.path.name() {
            "SKILL.md" => bytes == SKILL,
            "run.sh" => bytes == SCRIPT,
            _ => true,
        };
        if !known || bytes.len() as u64 != entry.size {
            return Err(format!("other bytes in {}", entry.path));
        }
    }
    Ok(())
}

#[test]
fn every_archive_ends_as_listed() {
    let failures: Vec<_> = all()
        .iter()
        .filter_map(|case| {
            check(case).err().map(|why| format!("{} {}: {why} ({:?})", case.id, case.what, case.expect))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_corpus_is_as_large_as_promised() {
    let cases = all();
    let accepted = cases.iter().filter(|case| matches!(case.expect, Expect::Accept(_))).count();
    assert!(cases.len() - accepted >= 150, "{} refused", cases.len() - accepted);
    assert!(accepted >= 30, "{accepted} accepted");
    let ids: std::collections::BTreeSet<_> = cases.iter().map(|case| case.id).collect();
    assert_eq!(ids.len(), cases.len(), "ids stand once");
    for id in (1..=57).map(|n| format!("z{n:02}")).chain((1..=49).map(|n| format!("t{n:02}"))) {
        assert!(ids.contains(id.as_str()), "{id} is missing");
    }
}

#[test]
fn a_refusal_names_the_archive_the_entry_and_the_setting() {
    let many: Vec<_> = (0..301).map(|n| zip_build::stored(format!("skill/{n}"), b"")).collect();
    let error = open_archive("dir/x\u{1b}.zip", &zip_build::zip(&many), &limits()).err().unwrap();
    assert_eq!(error.kind, ba_agent_core::error::Kind::Invalid);
    assert_eq!(error.message, "the archive `dir/x\\u{1b}.zip` is refused: it has more than 300 entries");
    assert_eq!(error.hints, ["if you trust the archive, raise `skills.limits.entries` in config.yaml"]);
    let error = open_archive("x.zip", &zip_build::zip(&[zip_build::stored("../a\u{202e}", b"")]), &limits())
        .err()
        .unwrap();
    assert_eq!(
        error.message,
        "the archive `x.zip` is refused: the entry `../a\\u{202e}` contains control or invisible characters"
    );
}
