//! tar and tar.gz: one pass over the blocks, which reads to the very end, so that the
//! checksum of gzip is seen and nothing hides behind the archive.
//!
//! The `tar` crate takes single headers apart; the frame around them is ours, because
//! the crate takes the first of two `path` records where others take the last, has no
//! bound on GNU long names (10 KB of tar.gz keep it busy for minutes), and stops
//! reading at the end blocks.

mod pax;

use std::io::{self, Read};

use ::tar::{EntryType, Header};
use flate2::bufread::GzDecoder;

use ba_agent_core::listing::Limits;
use ba_agent_core::package::Package;

use super::Refusal;
use super::extractor::Extractor;
use pax::Pax;

/// tar counts in blocks of this many bytes.
const BLOCK: usize = 512;
/// Bytes of a GNU long name: `PATH_MAX` of Linux, of which 1,024 are then allowed.
const MAX_LONG_NAME: u64 = 4_096;
/// Bytes of a pax header; node-tar has the same bound.
const MAX_PAX: u64 = 1024 * 1024;
/// Bytes of zeros behind the two end blocks; GNU tar fills up to 10 KiB, or to the
/// blocking factor it was told.
const MAX_PADDING: u64 = 1024 * 1024;

/// Reads a gzip file that holds one tar archive: one member, its checksum right, and
/// nothing behind it. The name in its header (RFC 1952 §2.3.1) is ignored.
///
/// # Errors
/// A [`Refusal`], as [`read`].
pub(super) fn read_gzip(bytes: &[u8], limits: &Limits) -> Result<Package, Refusal> {
    let mut gzip = GzDecoder::new(bytes);
    let tree = read(&mut gzip, limits)?;
    if !gzip.into_inner().is_empty() {
        return Err(Refusal::refuse_whole_archive("bytes or a second gzip member follow its end"));
    }
    Ok(tree)
}

/// Reads a tar archive to the end of `source`.
///
/// # Errors
/// A [`Refusal`] for what is damaged, hostile, or more than the limits allow.
pub(super) fn read(source: impl Read, limits: &Limits) -> Result<Package, Refusal> {
    let mut reader = Reader { source, extractor: Extractor::new(limits), ahead: Ahead::default() };
    while let Some(block) = reader.header()? {
        reader.entry(&block)?;
    }
    if !reader.ahead.is_empty() {
        return Err(Refusal::refuse_whole_archive("it ends after a long name that no entry follows"));
    }
    reader.end()?;
    reader.extractor.finish()
}

/// True for a header block: not empty, and its checksum is right.
pub(super) fn is_header(block: &[u8; BLOCK]) -> bool {
    let mut sum = 0;
    for (at, byte) in block.iter().enumerate() {
        // The checksum's own field counts as spaces.
        sum += u64::from(if (148..156).contains(&at) { b' ' } else { *byte });
    }
    let field = Header::from_byte_slice(block).as_old().cksum;
    !is_zero(block) && parse_octal_field(&field) == Some(sum)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0)
}

/// An octal number of a header, filled up with spaces or NUL; 0 for an empty field.
/// Binary (base-256) numbers, which only files of over 8 GiB need, are `None`.
fn parse_octal_field(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii_start();
    let length = digits.iter().position(|b| matches!(b, 0 | b' ')).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(length);
    if !rest.iter().all(|b| matches!(b, 0 | b' ')) {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// What headers before an entry say about it.
#[derive(Default)]
struct Ahead {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
}

impl Ahead {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.name.is_none() && self.target.is_none()
    }
}

struct Reader<'a, R> {
    source: R,
    extractor: Extractor<'a>,
    ahead: Ahead,
}

impl<R: Read> Reader<'_, R> {
    /// The next header, or `None` at the first of the end blocks.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, Refusal> {
        let mut block = [0; BLOCK];
        self.source.read_exact(&mut block).map_err(refusal_of_io_error)?;
        if is_zero(&block) {
            return Ok(None);
        }
        if !is_header(&block) {
            return Err(Refusal::refuse_whole_archive(
                "it does not contain a tar archive, or a header in it is damaged",
            ));
        }
        Ok(Some(block))
    }

    fn entry(&mut self, block: &[u8; BLOCK]) -> Result<(), Refusal> {
        let header = Header::from_byte_slice(block);
        let own_name = header.path_bytes();
        let refuse = |reason: &str| Refusal::refuse_archive_entry(&own_name, reason);
        let is_posix = header.as_ustar().is_some() || header.as_gnu().is_some();
        if !is_posix && !is_zero(&block[257..265]) {
            return Err(refuse("has a header of an unknown format"));
        }
        let size = parse_octal_field(&header.as_old().size)
            .ok_or_else(|| refuse("has a size that is not an octal number"))?;
        let kind = header.entry_type();
        // The format before POSIX has no such types. Some programs read them in its headers all
        // the same, others take them for entries: the name of what follows would differ.
        if !is_posix && describes_another(kind) {
            return Err(refuse("describes another entry in a format that has no such headers"));
        }
        match kind {
            EntryType::XHeader => {
                let pax = Pax::parse(&self.read_meta_entry(&own_name, size, MAX_PAX)?)
                    .map_err(|why| refuse(&why))?;
                set_only_once(&mut self.ahead.pax, pax).ok_or_else(|| refuse("follows another pax header"))
            }
            EntryType::XGlobalHeader => {
                self.extractor.count_archive_entry()?;
                Pax::check_global(&self.read_meta_entry(&own_name, size, MAX_PAX)?)
                    .map_err(|why| refuse(&why))
            }
            EntryType::GNULongName => {
                let name = self.long_name(&own_name, size)?;
                set_only_once(&mut self.ahead.name, name).ok_or_else(|| refuse("follows another long name"))
            }
            EntryType::GNULongLink => {
                let target = self.long_name(&own_name, size)?;
                set_only_once(&mut self.ahead.target, target)
                    .ok_or_else(|| refuse("follows another long link"))
            }
            kind => self.extract_tar_object(header, kind, &own_name, size),
        }
    }

    /// A file, folder, link or oddity, with what stood ahead of it.
    fn extract_tar_object(
        &mut self,
        header: &Header,
        kind: EntryType,
        own: &[u8],
        size: u64,
    ) -> Result<(), Refusal> {
        let Ahead { pax, name: long_name, target: long_target } = std::mem::take(&mut self.ahead);
        let pax = pax.unwrap_or_default();
        let Some(name) = only_agreed_value(pax.path, long_name, own) else {
            return Err(Refusal::refuse_archive_entry(own, "has two long names"));
        };
        let refuse = |reason: &str| Err(Refusal::refuse_archive_entry(&name, reason));
        self.extractor.count_archive_entry()?;
        if pax.size.is_some_and(|other| other != size) {
            return refuse("has two different sizes");
        }
        check_kind(kind, size).map_err(|reason| Refusal::refuse_archive_entry(&name, reason))?;
        if kind == EntryType::Directory {
            return self.extractor.folder(&name);
        }
        let path = self.extractor.path(&name)?;
        match kind {
            EntryType::Symlink => {
                let own_target = header.link_name_bytes().unwrap_or_default();
                let Some(target) = only_agreed_value(pax.target, long_target, &own_target) else {
                    return refuse("has two long targets");
                };
                self.extractor.link(path, target);
            }
            EntryType::Link => self.extractor.note_special_file(path, "hard link"),
            EntryType::Fifo => self.extractor.note_special_file(path, "named pipe"),
            EntryType::Char | EntryType::Block => self.extractor.note_special_file(path, "device"),
            _ => {
                let Some(mode) = parse_octal_field(&header.as_old().mode) else {
                    return refuse("has a mode that is not an octal number");
                };
                let bytes = self.bytes(&name, size)?;
                // The owner's bit alone decides, as in git.
                self.extractor.file(path, mode & 0o100 != 0, bytes);
            }
        }
        Ok(())
    }

    /// The bytes of a header that describes another entry; they count as unpacked.
    fn read_meta_entry(&mut self, name: &[u8], size: u64, limit: u64) -> Result<Vec<u8>, Refusal> {
        if size > limit {
            return Err(Refusal::refuse_archive_entry(
                name,
                format!("is a header of {size} bytes; the limit is {limit}"),
            ));
        }
        self.bytes(name, size)
    }

    /// A GNU long name; one NUL ends it, and none stands inside.
    fn long_name(&mut self, name: &[u8], size: u64) -> Result<Vec<u8>, Refusal> {
        let mut long = self.read_meta_entry(name, size, MAX_LONG_NAME)?;
        if long.last() == Some(&0) {
            long.pop();
        }
        if long.contains(&0) {
            return Err(Refusal::refuse_archive_entry(name, "is a long name with NUL inside"));
        }
        Ok(long)
    }

    /// Exactly `size` bytes, and what fills their last block.
    fn bytes(&mut self, name: &[u8], size: u64) -> Result<Vec<u8>, Refusal> {
        self.extractor.charge_against_limits(name, size)?;
        let mut bytes = Vec::new();
        // The limit stands behind this size; what is not there is never touched.
        let fits = usize::try_from(size).is_ok_and(|size| bytes.try_reserve_exact(size).is_ok());
        if !fits {
            return Err(Refusal::refuse_archive_entry(name, "is too large for this machine"));
        }
        self.source.by_ref().take(size).read_to_end(&mut bytes).map_err(refusal_of_io_error)?;
        if bytes.len() as u64 != size {
            return Err(refusal_of_io_error(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut filler = [0; BLOCK];
        let rest = bytes.len().next_multiple_of(BLOCK) - bytes.len();
        self.source.read_exact(filler.get_mut(..rest).unwrap_or_default()).map_err(refusal_of_io_error)?;
        Ok(bytes)
    }

    /// The second end block, and nothing but zeros behind it.
    fn end(&mut self) -> Result<(), Refusal> {
        let mut block = [0; BLOCK];
        let one_block = |_| Refusal::refuse_whole_archive("it is cut off: it ends without two empty blocks");
        self.source.read_exact(&mut block).map_err(one_block)?;
        let mut total = 0;
        loop {
            if !is_zero(&block) {
                return Err(Refusal::refuse_whole_archive("bytes follow its end"));
            }
            if total > MAX_PADDING {
                return Err(Refusal::refuse_whole_archive("more than 1 MiB of zeros follow its end"));
            }
            block = [0; BLOCK];
            match self.source.read(&mut block).map_err(refusal_of_io_error)? {
                0 => return Ok(()),
                count => total += count as u64,
            }
        }
    }
}

/// True for the types of headers that say something about the entry behind them.
fn describes_another(kind: EntryType) -> bool {
    use EntryType::{GNULongLink, GNULongName, XGlobalHeader, XHeader};
    matches!(kind, XHeader | XGlobalHeader | GNULongName | GNULongLink)
}

/// Fills an empty place; `None` when it was taken.
fn set_only_once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// The types that are read, of which only a file may have bytes: programs differ in
/// whether they pass over those of a folder or link.
fn check_kind(kind: EntryType, size: u64) -> Result<(), String> {
    use EntryType::{Block, Char, Directory, Fifo, GNUSparse, Link, Regular, Symlink};
    match kind {
        Regular => Ok(()),
        Directory | Symlink | Link | Fifo | Char | Block if size == 0 => Ok(()),
        Directory | Symlink | Link | Fifo | Char | Block => {
            Err("has bytes, but is not a regular file".into())
        }
        GNUSparse => Err("is a sparse file".into()),
        other => Err(format!("is of the unknown type `{}`", other.as_byte().escape_ascii())),
    }
}

/// The one name that is told: by pax, by GNU or by the header. `None` when pax and GNU
/// both tell one, which different programs would read differently.
fn only_agreed_value(pax: Option<Vec<u8>>, gnu: Option<Vec<u8>>, own: &[u8]) -> Option<Vec<u8>> {
    match (pax, gnu) {
        (Some(_), Some(_)) => None,
        (Some(name), None) | (None, Some(name)) => Some(name),
        (None, None) => Some(own.to_vec()),
    }
}

fn refusal_of_io_error(error: io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Refusal::refuse_whole_archive("it is cut off").hint("download it again");
    }
    Refusal::refuse_whole_archive(format!("it is damaged: {error}"))
}
