//! Git objects, from a pack that was received or out of a repository of this
//! machine. Read by several threads; never checked out, no filter and no attribute is
//! ever applied.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use fs_err as fs;
use git2::{ErrorCode, Indexer, ObjectType, Odb, Oid, Repository};
use tempfile::TempDir;

use crate::control_files;
use crate::loose::LooseObjects;
use crate::pack::header::{check_head, too_large};
use crate::pack::spill::Spill;
use crate::pack::{Pack, PackLimits, Received};
use ba_agent_core::error::{Error, Result, error, fail, printable};
use ba_agent_net::http::{Net, from_reader};

/// Time that unpacking may take, waiting for the host not counted. 256 MiB of pack can
/// hold 260 GB of zeros; openclaw/skills (12,203 files) takes half a second.
const LONGEST_WORK: Duration = Duration::from_secs(300);

/// Bytes of the line before an object in [`CachedObjects`].
const LONGEST_LINE: usize = 32;

/// Git objects, and handles to read them with.
#[derive(Debug)]
pub(crate) struct GitObjects {
    /// Handles that nobody uses right now. Declared before `storage`, so that they are
    /// closed before the folder goes.
    handles: Mutex<Vec<Handle>>,
    storage: Storage,
}

struct Handle(Repository);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

#[derive(Debug)]
enum Storage {
    /// A pack that was decoded in memory.
    Held(Box<Pack>),
    /// Objects out of the cache.
    CachedObjects(CachedObjects),
    /// A folder with one pack in it; removed when this is dropped.
    Fetched(TempDir),
    /// A repository of this machine.
    Local(LocalRepository),
}

#[derive(Debug)]
struct LocalRepository {
    /// Its git folder.
    folder: PathBuf,
    /// Looked at when the first object is wanted.
    loose: OnceLock<LooseObjects>,
}

impl LocalRepository {
    fn loose_objects(&self, repository: &Repository) -> &LooseObjects {
        self.loose.get_or_init(|| LooseObjects::of(repository.commondir()))
    }
}

impl GitObjects {
    /// Indexes a pack as it comes in, below the cache folder. Every object is hashed
    /// on the way, so what is found by its id later is what the id says.
    ///
    /// # Errors
    /// `Integrity` for a pack that is damaged or above `limits.pack` bytes; what the
    /// reader says for a line that breaks.
    pub(crate) fn receive(net: &Net<'_>, pack: impl Read) -> Result<Self> {
        let tmp = net.env.cache_dir()?.join("tmp");
        fs::create_dir_all(&tmp)?;
        let folder = tempfile::Builder::new().prefix("git-").tempdir_in(&tmp)?;
        let packs = folder.path().join("pack");
        fs::create_dir(&packs)?;
        index_pack_in_folder(net, pack, &packs)?;
        // Objects were hashed by the indexer; hashing them again at each read costs half
        // of the reading. Repositories of this machine are checked in `read` instead.
        git2::opts::strict_hash_verification(false);
        Ok(Self { handles: Mutex::default(), storage: Storage::Fetched(folder) })
    }

    /// As [`GitObjects::receive`], in memory where the pack is not too large for that. Only
    /// for a single commit: a history cannot be walked in it ([`GitObjects::with`]).
    ///
    /// # Errors
    /// As [`GitObjects::receive`].
    pub(crate) fn receive_in_memory(net: &Net<'_>, mut pack: impl Read) -> Result<Self> {
        let advance = |done, all| net.progress.advance(done, Some(all));
        let tmp = net.env.cache_dir()?.join("tmp");
        match Pack::receive(&mut pack, PackLimits::REAL, net.limits.pack, &tmp, advance)? {
            Received::Here(pack) => {
                Ok(Self { handles: Mutex::default(), storage: Storage::Held(Box::new(pack)) })
            }
            Received::Large(begun) => Self::receive(net, begun.into_reader()?.chain(pack)),
        }
    }

    /// The objects of a pack that is in memory already.
    #[cfg(any(test, fuzzing))]
    pub(super) fn from_pack(pack: Pack) -> Self {
        Self { handles: Mutex::default(), storage: Storage::Held(Box::new(pack)) }
    }

    /// The repository at `path`: a work tree, a linked work tree or a bare one. Only
    /// objects and refs are read, so it does not matter who owns it.
    ///
    /// # Errors
    /// `NotFound` when there is none; those of [`control_files::check_control_files`].
    pub(crate) fn open_local(path: &Path) -> Result<Self> {
        let folder = control_files::git_folder(path)?;
        control_files::check_control_files(&folder)?;
        git2::opts::strict_hash_verification(false);
        let objects = Self {
            handles: Mutex::default(),
            storage: Storage::Local(LocalRepository { folder, loose: OnceLock::new() }),
        };
        objects.with(|_| Ok(())).map_err(|e| not_readable(path, &objects.storage, e))?;
        Ok(objects)
    }

    /// Objects out of the cache, which has checked their ids.
    pub(crate) fn from_cache(kept: CachedObjects) -> Self {
        Self { handles: Mutex::default(), storage: Storage::CachedObjects(kept) }
    }

    /// True for a repository of this machine.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.storage, Storage::Local(_))
    }

    fn open(&self) -> Result<Handle, git2::Error> {
        match &self.storage {
            Storage::Held(_) | Storage::CachedObjects(_) => {
                Err(git2::Error::from_str("one commit has no history"))
            }
            Storage::Local(local) => Repository::open_bare(&local.folder).map(Handle),
            Storage::Fetched(folder) => {
                // No repository: so no configuration, no hooks, no refs.
                let odb = Odb::new()?;
                odb.add_disk_alternate(&folder.path().to_string_lossy())?;
                Repository::from_odb(odb).map(Handle)
            }
        }
    }

    /// Lends a handle to `job`. Threads that come at once get one each.
    ///
    /// # Errors
    /// Those of `job`; `Integrity` where the objects cannot be opened.
    pub(crate) fn with<T>(&self, job: impl FnOnce(&Repository) -> Result<T>) -> Result<T> {
        let free = self.handles.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let handle = match free {
            Some(handle) => handle,
            None => self.open().map_err(error_of_git_library)?,
        };
        let outcome = job(&handle.0);
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        outcome
    }

    /// The bytes of an object; `None` when it is not there.
    ///
    /// # Errors
    /// `Integrity` for another type than `kind`, more than `cap` bytes, or bytes that
    /// do not have the id.
    pub(crate) fn find(&self, id: Oid, kind: ObjectType, cap: u64) -> Result<Option<Vec<u8>>> {
        match self.find_any(id, cap)? {
            Some((found, bytes)) if found == kind => Ok(Some(bytes)),
            Some((found, _)) => fail!(Integrity, "the object {id} is a {found}, not a {kind}"),
            None => Ok(None),
        }
    }

    /// As [`GitObjects::find`], whatever type it has.
    ///
    /// # Errors
    /// `Integrity` for more than `cap` bytes, and for bytes that do not have the id.
    pub(crate) fn find_any(&self, id: Oid, cap: u64) -> Result<Option<(ObjectType, Vec<u8>)>> {
        match &self.storage {
            Storage::Held(pack) => return pack.find(id, cap),
            Storage::CachedObjects(kept) => return kept.find(id, cap),
            Storage::Fetched(_) | Storage::Local(_) => {}
        }
        self.with(|repository| {
            if let Storage::Local(local) = &self.storage
                && let Some(found) = local.loose_objects(repository).read_loose(id, cap)?
            {
                return Ok(Some(found));
            }
            let odb = repository.odb().map_err(error_of_git_library)?;
            let object = match odb.read(id) {
                Ok(object) => object,
                Err(e) if e.code() == ErrorCode::NotFound => return Ok(None),
                Err(e) => return Err(error_of_git_library(e)),
            };
            let (kind, length) = (object.kind(), object.len());
            if length as u64 > cap {
                fail!(Integrity, "the object {id} has {length} bytes; the limit is {cap}");
            }
            if self.is_local() && !Oid::hash_object(kind, object.data()).is_ok_and(|found| found == id) {
                fail!(Integrity, "the object {id} is damaged");
            }
            Ok(Some((kind, object.data().to_vec())))
        })
    }

    /// The bytes that an object says it has; `None` when it is not there or broken.
    ///
    /// # Errors
    /// `Integrity` where the objects cannot be opened.
    pub(crate) fn size(&self, id: Oid) -> Result<Option<u64>> {
        match &self.storage {
            Storage::Held(pack) => return Ok(pack.size(id)),
            Storage::CachedObjects(kept) => return Ok(kept.size(id)),
            Storage::Fetched(_) | Storage::Local(_) => {}
        }
        self.with(|repository| {
            if let Storage::Local(local) = &self.storage
                && let Some(found) = local.loose_objects(repository).loose_size(id)
            {
                return Ok(found);
            }
            let header = repository.odb().and_then(|odb| odb.read_header(id));
            Ok(header.ok().map(|(size, _)| size as u64))
        })
    }

    /// As [`GitObjects::find`], where a missing object is an error too.
    ///
    /// # Errors
    /// Those of [`GitObjects::find`], and `Integrity` for an object that is missing.
    pub(crate) fn read(&self, id: Oid, kind: ObjectType, cap: u64) -> Result<Vec<u8>> {
        self.find(id, kind, cap)?.ok_or_else(|| {
            error!(Integrity, "the {kind} {id} is missing")
                .hint("the repository is damaged, or its host did not send everything")
        })
    }
}

/// Objects in one buffer, each as `KIND LENGTH`, a line feed and its bytes; or collected one by
/// one, then beyond [`IN_MEMORY`] in a file without a name.
#[derive(Debug)]
pub(crate) struct CachedObjects {
    bytes: Vec<u8>,
    objects: HashMap<Oid, (ObjectType, Stand)>,
    spill: Option<Spill>,
}

/// Where the bytes of an object are.
#[derive(Debug)]
enum Stand {
    Memory(Range<usize>),
    Spilled { offset: u64, length: usize },
}

impl Stand {
    fn length(&self) -> usize {
        match self {
            Self::Memory(range) => range.len(),
            Self::Spilled { length, .. } => *length,
        }
    }
}

/// Bytes that are collected in memory; more go into a file.
const IN_MEMORY: usize = 8 << 20;

impl CachedObjects {
    /// Adds an object to a buffer.
    pub(crate) fn append_cached_object(buffer: &mut Vec<u8>, kind: ObjectType, bytes: &[u8]) {
        buffer.extend_from_slice(format!("{} {}\n", kind.str(), bytes.len()).as_bytes());
        buffer.extend_from_slice(bytes);
    }

    /// Reads what begins at `start`; each object has the id that its bytes have.
    pub(crate) fn read(bytes: Vec<u8>, start: usize) -> Option<Self> {
        let (mut objects, mut at) = (HashMap::new(), start);
        while at < bytes.len() {
            let rest = bytes.get(at..)?;
            let end = rest.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n')?;
            let (kind, length) = std::str::from_utf8(rest.get(..end)?).ok()?.split_once(' ')?;
            let kind = ObjectType::from_str(kind)?;
            let body = at + end + 1;
            let range = body..body.checked_add(length.parse().ok()?)?;
            let id = Oid::hash_object(kind, bytes.get(range.clone())?).ok()?;
            at = range.end;
            objects.insert(id, (kind, Stand::Memory(range)));
        }
        Some(Self { bytes, objects, spill: None })
    }

    /// Room for blobs that come one by one; the file is made in `folder` when it is needed.
    pub(crate) fn open_for_collecting(folder: &Path) -> Self {
        Self { bytes: Vec::new(), objects: HashMap::new(), spill: Some(Spill::new(folder, u64::MAX)) }
    }

    /// Takes a blob with the id that it was found to have.
    pub(crate) fn add(&mut self, id: Oid, blob: &[u8]) {
        if self.objects.contains_key(&id) {
            return;
        }
        let is_full = self.bytes.len() + blob.len() > IN_MEMORY;
        let spilled = self.spill.as_ref().filter(|_| is_full).and_then(|spill| spill.add(blob));
        let stand = match spilled {
            Some(offset) => Stand::Spilled { offset, length: blob.len() },
            // Also where no file can be written.
            None => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(blob);
                Stand::Memory(start..self.bytes.len())
            }
        };
        self.objects.insert(id, (ObjectType::Blob, stand));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    fn find(&self, id: Oid, cap: u64) -> Result<Option<(ObjectType, Vec<u8>)>> {
        let Some((kind, stand)) = self.objects.get(&id) else { return Ok(None) };
        if stand.length() as u64 > cap {
            fail!(Integrity, "the object {id} has {} bytes; the limit is {cap}", stand.length());
        }
        let bytes = match (stand, &self.spill) {
            (Stand::Memory(range), _) => self.bytes.get(range.clone()).map(<[u8]>::to_vec),
            (Stand::Spilled { offset, length }, Some(spill)) => Some(spill.read(*offset, *length)?),
            (Stand::Spilled { .. }, None) => None,
        };
        Ok(bytes.map(|bytes| (*kind, bytes)))
    }

    fn size(&self, id: Oid) -> Option<u64> {
        self.objects.get(&id).map(|(_, stand)| stand.length() as u64)
    }
}

/// The error for a folder that libgit2 does not open: no repository, or one of a format that
/// is newer than it.
fn not_readable(path: &Path, storage: &Storage, error: Error) -> Error {
    let shown = path.display();
    let format = match storage {
        Storage::Local(local) => newer_format(&local.folder),
        _ => None,
    };
    match format {
        Some(what) => error!(Invalid, "`{shown}` is a git repository with {what}, which is not supported yet")
            .hint("over http it can be read if it has SHA-1 ids; for its files as they are write ./folder, without file://"),
        None => error!(NotFound, "`{shown}` is not a git repository")
            .cause(error.message)
            .hint("write a plain folder as ./folder, without file://"),
    }
}

/// Which extension of a repository's format is the reason.
fn newer_format(folder: &Path) -> Option<&'static str> {
    let file = folder.join("config");
    let config = file.is_file().then(|| git2::Config::open(&file).ok()).flatten()?;
    let has =
        |name: &str, value: &str| config.get_string(name).is_ok_and(|is| is.eq_ignore_ascii_case(value));
    if has("extensions.objectformat", "sha256") {
        return Some("SHA-256 object ids");
    }
    has("extensions.refstorage", "reftable").then_some("refs in the reftable format")
}

fn index_pack_in_folder(net: &Net<'_>, mut pack: impl Read, folder: &Path) -> Result<()> {
    use std::io::Write as _;
    let cap = net.limits.pack;
    let budget = Cell::new(LONGEST_WORK);
    let resolving: Cell<Option<Instant>> = Cell::new(None);
    let mut indexer = Indexer::new(None, folder, 0o644, false).map_err(error_of_git_library)?;
    indexer.progress(|progress| {
        net.progress.advance(progress.received_objects() as u64, Some(progress.total_objects() as u64));
        resolving.get().is_none_or(|start| start.elapsed() < budget.get())
    });
    let mut head = [0; 12];
    pack.read_exact(&mut head).map_err(from_reader)?;
    check_head(&head)?;
    indexer.write_all(&head).map_err(error_of_damaged_pack)?;
    let mut done = head.len() as u64;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = pack.read(&mut chunk).map_err(from_reader)?;
        if read == 0 {
            break;
        }
        done += read as u64;
        if done > cap {
            return Err(too_large(cap));
        }
        let start = Instant::now();
        indexer.write_all(&chunk[..read]).map_err(error_of_damaged_pack)?;
        budget.set(budget.get().saturating_sub(start.elapsed()));
        if budget.get().is_zero() {
            fail!(Invalid, "the pack that the remote sent takes too long to unpack");
        }
    }
    resolving.set(Some(Instant::now()));
    indexer
        .commit()
        .map_err(|e| error_of_damaged_pack(std::io::Error::other(printable(e.message(), false))))?;
    Ok(())
}

fn error_of_damaged_pack(error: std::io::Error) -> Error {
    error!(Integrity, "the pack that the remote sent is damaged")
        .cause(printable(&error.to_string(), false))
        .hint("try again; if it happens again, the repository or its host is broken")
}

/// An error of libgit2's: at this place always about objects that cannot be read.
pub(crate) fn error_of_git_library(error: git2::Error) -> Error {
    error!(Integrity, "git objects cannot be read").cause(printable(error.message(), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What does not fit into the memory that is meant for it comes back out of the file.
    #[test]
    fn many_blobs_need_little_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = CachedObjects::open_for_collecting(dir.path());
        let blob = |n: usize| vec![u8::try_from(n % 251).unwrap(); IN_MEMORY / 10 + n];
        let id = |n: usize| Oid::hash_object(ObjectType::Blob, &blob(n)).unwrap();
        for n in (0..40).chain(0..40) {
            kept.add(id(n), &blob(n));
        }
        assert!(kept.bytes.len() <= IN_MEMORY);
        for n in 0..40 {
            assert_eq!(kept.find(id(n), u64::MAX).unwrap(), Some((ObjectType::Blob, blob(n))));
            assert_eq!(kept.size(id(n)), Some(blob(n).len() as u64));
            assert!(kept.find(id(n), 9).is_err());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
        // Where none can be made everything stays in memory.
        let mut kept = CachedObjects::open_for_collecting(&dir.path().join("file/below"));
        std::fs::write(dir.path().join("file"), "").unwrap();
        (0..20).for_each(|n| kept.add(id(n), &blob(n)));
        assert_eq!(kept.find(id(19), u64::MAX).unwrap(), Some((ObjectType::Blob, blob(19))));
    }
}
