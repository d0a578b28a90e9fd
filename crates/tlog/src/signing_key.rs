//! The private key of a log, and the file it is kept in.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;

use ba_agent_core::error::{Result, error, fail};
use ba_agent_core::transparency_log::{Checkpoint, KEY_BYTES, NoteSignature, SignedNote, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// What a private key begins with, as other programs for signed notes write it.
const PREFIX: &str = "PRIVATE+KEY+";

/// What stands before the bytes of an Ed25519 key.
const ED25519: u8 = 1;

/// The most bytes of a key's file.
const MAX_FILE_BYTES: u64 = 1024;

/// The private key of a log.
pub struct LogSigningKey {
    pair: Ed25519KeyPair,
    seed: [u8; KEY_BYTES],
    verifier: VerifierKey,
}

/// Never its private half.
impl fmt::Debug for LogSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSigningKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl LogSigningKey {
    /// A new key for the log of this name.
    ///
    /// # Errors
    /// `Invalid` for a name that no log can have; `Failed` where the system gives no random bytes.
    pub fn generate(origin: &str) -> Result<Self> {
        let mut seed = [0; KEY_BYTES];
        if SystemRandom::new().fill(&mut seed).is_err() {
            fail!(Failed, "the system gave no random bytes for the key of a log");
        }
        Self::from_seed(origin, seed)
    }

    /// The key that these bytes stand for.
    ///
    /// # Errors
    /// `Invalid` for a name that no log can have.
    pub fn from_seed(origin: &str, seed: [u8; KEY_BYTES]) -> Result<Self> {
        let unusable = || error!(Invalid, "the private key of the log cannot be used");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| unusable())?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| unusable())?;
        let verifier = VerifierKey::new(origin, public)?;
        Ok(Self { pair, seed, verifier })
    }

    /// Reads the text that [`LogSigningKey::to_text`] writes.
    ///
    /// # Errors
    /// `Invalid` where it is something else; nothing of it is in the message.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| error!(Invalid, "not a valid private key of a log: {why}");
        let rest = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or_else(|| refuse("it does not begin with `PRIVATE+KEY+`"))?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("it has not all its parts"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| refuse("its last part is not base64"))?;
        let seed = match bytes.split_first() {
            Some((&ED25519, seed)) => seed.try_into().map_err(|_| refuse("it has not 32 bytes"))?,
            _ => return Err(refuse("it is not of the kind Ed25519")),
        };
        let read = Self::from_seed(name, seed)?;
        if read.verifier.id_text() == id { Ok(read) } else { Err(refuse("its id does not fit")) }
    }

    /// The key as text: one line, to be kept secret.
    pub fn to_text(&self) -> String {
        let bytes = [[ED25519].as_slice(), &self.seed].concat();
        format!("{PREFIX}{}+{}+{}\n", self.verifier.name(), self.verifier.id_text(), STANDARD.encode(bytes))
    }

    /// What others check its signatures with.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Reads a key from its file; none where there is no file.
    ///
    /// # Errors
    /// `Invalid` for a file that is not a key, and for one that others than its owner can read.
    pub fn read_file(path: &Path) -> Result<Option<Self>> {
        let meta = match fs_err::metadata(path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        if !meta.is_file() || meta.len() > MAX_FILE_BYTES {
            fail!(
                Invalid,
                "`{}` is not a valid private key of a log: it is not a small file",
                path.display()
            );
        }
        refuse_open_file(path, &meta)?;
        let text = fs_err::read_to_string(path)?;
        Self::parse(&text).map(Some).map_err(|e| e.wrap(format!("`{}` cannot be used", path.display())))
    }

    /// Reads the key of a log from its file, or makes one there.
    ///
    /// # Errors
    /// As [`LogSigningKey::read_file`]; `Invalid` for the key of another log; `Failed` where the file
    /// cannot be written.
    pub fn read_or_create(path: &Path, origin: &str) -> Result<Self> {
        if let Some(key) = Self::read_file(path)? {
            return key.hold_to(origin, path);
        }
        let key = Self::generate(origin)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // A temporary file is for its owner alone, and so is what it is renamed to.
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(key.to_text().as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(key),
            // Somebody else was faster: theirs is the key.
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => match Self::read_file(path)? {
                Some(key) => key.hold_to(origin, path),
                None => Err(e.error.into()),
            },
            Err(e) => Err(e.error.into()),
        }
    }

    fn hold_to(self, origin: &str, path: &Path) -> Result<Self> {
        if self.verifier.name() == origin {
            return Ok(self);
        }
        let named = self.verifier.name();
        Err(error!(Invalid, "`{}` is the key of the log `{named}`, expected `{origin}`", path.display())
            .hint("a log keeps its name and its key: clients have pinned them"))
    }

    /// Signs the head of the log.
    ///
    /// # Errors
    /// `Invalid` for the head of another log.
    pub fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> Result<String> {
        if checkpoint.origin != self.verifier.name() {
            fail!(Invalid, "the key of `{}` does not sign for `{}`", self.verifier.name(), checkpoint.origin);
        }
        let text = checkpoint.to_string();
        let signature = self.pair.sign(text.as_bytes()).as_ref().to_vec();
        let (name, id) = (self.verifier.name().to_owned(), self.verifier.id());
        Ok(SignedNote::new(text, NoteSignature { name, id, signature })?.to_string())
    }
}

/// Refuses what others can read. A key that another user owns may be read through its group: so a
/// cluster hands its secrets to a program that is not root.
#[cfg(unix)]
fn refuse_open_file(path: &Path, meta: &std::fs::Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = meta.mode() & 0o777;
    let is_own = meta.uid() == rustix::process::geteuid().as_raw();
    let refused = if is_own { 0o077 } else { 0o037 };
    if mode & refused == 0 {
        return Ok(());
    }
    Err(error!(Invalid, "`{}` can be read by others (mode {mode:o}): it signs the log", path.display())
        .hint(format!("chmod 600 {}", path.display())))
}

#[cfg(not(unix))]
fn refuse_open_file(_: &Path, _: &std::fs::Metadata) -> Result<()> {
    Ok(())
}
