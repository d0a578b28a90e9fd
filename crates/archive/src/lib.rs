//! From the bytes of an archive to a package in memory. The magic bytes decide
//! what is read; the name must not say otherwise.
//!
//! Bytes in, values out: no file is opened and none is written. Of the program's crates this
//! one uses `ba-agent-core` alone.
//!
//! A hostile or ambiguous archive is refused as a whole, before anything is written:
//! two programs must never see two different trees in the same bytes. What is only
//! wrong for some file system (links, Windows' names, twins) becomes an entry that
//! [`check_portable`](ba_agent_core::listing::check_portable) judges for the skill it stands in.
//!
//! Nothing inside an archive is opened as an archive again, and no link is followed.

mod extractor;
mod published;
mod sniff;
mod tar;
mod writer;
mod zip;

#[cfg(any(test, fuzzing))]
#[cfg_attr(not(test), allow(dead_code, reason = "of it `fuzz` takes the bytes alone"))]
#[allow(clippy::unwrap_used, reason = "made for tests: what it writes to is memory")]
mod corpus;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod laws;

use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_core::listing::Limits;
use ba_agent_core::package::Package;

use sniff::ArchiveFormat;

pub use published::open_published_archive;
pub use writer::{FIRST_TIME, PackFormat, write_archive, write_published_archive};

/// Reads the archive `bytes` (zip, tar or tar.gz) that is known as `name`, a file name,
/// path or URL. [`Package::skipped`] counts what the Finder had added.
///
/// Needs at most [`Limits::unpacked`] bytes of memory beside `bytes` and a bounded
/// amount for each of [`Limits::entries`]; the time grows with these sizes alone, not
/// with what the archive claims.
///
/// # Errors
/// `Invalid`, naming the archive, the entry and the reason, when it is no archive, its
/// name says another format, it breaks a limit, or is not exactly one plain tree.
pub fn open_archive(name: &str, bytes: &[u8], limits: &Limits) -> Result<Package> {
    read(name, bytes, limits).map_err(|refusal| refusal.into_error(name))
}

fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Package, Refusal> {
    if bytes.len() as u64 > limits.download {
        return Err(Refusal::refuse_over_limit(
            format!("it has more than {} bytes", limits.download),
            "download",
        ));
    }
    match sniff::detect_format(name, bytes)? {
        ArchiveFormat::Zip => zip::read(bytes, limits),
        ArchiveFormat::Tar => tar::read(bytes, limits),
        ArchiveFormat::TarGz => tar::read_gzip(bytes, limits),
    }
}

/// Why an archive is refused, without its name, which [`open_archive`] puts in front.
#[derive(Debug)]
struct Refusal {
    reason: String,
    hint: Option<String>,
}

impl Refusal {
    /// The archive as a whole: "it …" or a sentence of its own.
    fn refuse_whole_archive(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None }
    }

    /// One entry, by its name as found: "leads out of the folder".
    fn refuse_archive_entry(name: &[u8], reason: impl AsRef<str>) -> Self {
        Self::refuse_whole_archive(format!("the entry `{}` {}", shown(name), reason.as_ref()))
    }

    /// Something is beyond a limit; `setting` is the key below `skills.limits`.
    fn refuse_over_limit(reason: String, setting: &str) -> Self {
        Self::refuse_whole_archive(reason)
            .hint(format!("if you trust the archive, raise `skills.limits.{setting}` in config.yaml"))
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn into_error(self, name: &str) -> Error {
        let error = error!(Invalid, "the archive `{}` is refused: {}", printable(name, false), self.reason);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// An entry's name safe and short enough for a message: escaped, at most 100 characters.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let mut short: String = text.chars().take(100).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    printable(&short, false)
}
