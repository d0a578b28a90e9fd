//! Where the files of a registry of skills are: a folder, or a bucket of S3. Each file is written
//! whole, and on condition where somebody else may write it too: that nothing is there, or that it
//! is still what was read. So several writers need no service that locks, and a reader never sees
//! half a file.
//!
//! Of the program's crates it uses `ba-agent-core`, `ba-agent-net` and `ba-agent-system`.

mod folder;
mod s3;
mod s3_address;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::path::RelPath;
use ba_agent_net::http::Net;
use ba_agent_system::env::Env;
use url::Url;

pub use folder::FolderObjects;
pub use s3::S3Objects;
pub use s3_address::S3Address;

/// A place with files in it, by their paths from its top.
pub enum Objects<'a> {
    Folder(FolderObjects),
    S3(Box<S3Objects<'a>>),
}

/// A file with what it is known by until somebody writes it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    pub bytes: Vec<u8>,
    pub etag: ObjectTag,
}

/// What the bytes of a file are known by, to whoever keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectTag(pub(crate) String);

/// A file in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedObject {
    pub path: String,
    pub size: u64,
}

impl<'a> Objects<'a> {
    /// Opens `s3://BUCKET/PREFIX?endpoint=…&region=…`, or the folder of that path.
    ///
    /// # Errors
    /// `Usage` for an address that is not one of them; `Auth` where no key for S3 is set.
    pub fn open(address: &str, env: &Env, net: &'a Net<'a>) -> Result<Self> {
        if address.starts_with("s3://") {
            return Ok(Self::S3(Box::new(S3Objects::new(S3Address::parse(address, env)?, env, net)?)));
        }
        if address.contains("://") {
            let shown = printable(address, false);
            return Err(error!(Usage, "`{shown}` is not a folder or a bucket")
                .hint("name a folder, or `s3://BUCKET/PREFIX`"));
        }
        Ok(Self::Folder(FolderObjects::new(env.absolute(address.as_ref())).called(address)))
    }

    /// How a person calls the place.
    pub fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.shown(),
            Self::S3(s3) => s3.shown(),
        }
    }

    /// Reads a file of at most `cap` bytes; `None` where there is none.
    ///
    /// # Errors
    /// `Invalid` for a larger file, `Conflict` for what is not a file; those of the disk or the
    /// network.
    pub fn get(&self, path: &str, cap: u64) -> Result<Option<StoredObject>> {
        check_path(path)?;
        match self {
            Self::Folder(folder) => folder.get(path, cap),
            Self::S3(s3) => s3.get(path, cap),
        }
    }

    /// Writes a file, whatever was there.
    ///
    /// # Errors
    /// Those of the disk or the network; nothing is half written.
    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        check_path(path)?;
        match self {
            Self::Folder(folder) => folder.put(path, bytes),
            Self::S3(s3) => s3.put(path, bytes),
        }
    }

    /// Writes a file where there is none; false where there is one.
    ///
    /// # Errors
    /// Those of [`Objects::put`].
    pub fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        check_path(path)?;
        match self {
            Self::Folder(folder) => folder.put_if_absent(path, bytes),
            Self::S3(s3) => s3.put_if_absent(path, bytes),
        }
    }

    /// Writes a file that is still what `etag` says (`None`: is not there); false where somebody
    /// else wrote it.
    ///
    /// # Errors
    /// Those of [`Objects::put`].
    pub fn put_if_match(&self, path: &str, bytes: &[u8], etag: Option<&ObjectTag>) -> Result<bool> {
        let Some(etag) = etag else { return self.put_if_absent(path, bytes) };
        check_path(path)?;
        match self {
            Self::Folder(folder) => folder.put_if_match(path, bytes, etag),
            Self::S3(s3) => s3.put_if_match(path, bytes, etag),
        }
    }

    /// All files below a folder (`""` for all), in byte order of their paths. What a killed
    /// writer left is not among them.
    ///
    /// # Errors
    /// Those of the disk or the network.
    pub fn list(&self, folder: &str) -> Result<Vec<ListedObject>> {
        if !folder.is_empty() {
            check_path(folder)?;
        }
        match self {
            Self::Folder(place) => place.list(folder),
            Self::S3(s3) => s3.list(folder),
        }
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// Those of the disk or the network.
    pub fn delete(&self, path: &str) -> Result<()> {
        check_path(path)?;
        match self {
            Self::Folder(folder) => folder.delete(path),
            Self::S3(s3) => s3.delete(path),
        }
    }

    /// An address at which anybody may read the file for a while; `None` for a folder.
    pub fn presign(&self, path: &str, expires_in: Duration) -> Option<Url> {
        match self {
            Self::Folder(_) => None,
            Self::S3(s3) => Some(s3.presign(path, expires_in)),
        }
    }
}

/// A path that may be written: it was made of names out of files of others.
fn check_path(path: &str) -> Result<()> {
    match RelPath::parse(path.as_bytes()) {
        Ok(_) => Ok(()),
        Err(reason) => Err(error!(Invalid, "the path `{}` {reason}", printable(path, false))),
    }
}
