//! World: where the files are. The store itself waits for disks and hosts, so it is asked on threads
//! that may wait.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use ba_agent_core::error::{Error, Kind, Result};
use ba_agent_core::listing::Limits;
use ba_agent_net::hosts::HostSettings;
use ba_agent_net::http::{Net, Patience};
use ba_agent_objects::{ObjectTag, Objects};
use ba_agent_system::env::Env;
use ba_agent_system::progress::Progress;
use bytes::Bytes;

use crate::problem::{Answer, Problem};

/// Bytes that a file of the registry may have.
const CAP: u64 = 256 << 20;
/// How long an address that the store itself answers is good for.
const PRESIGNED: Duration = Duration::from_secs(600);
/// How long the object store may be silent: whoever waits for an answer goes away at some time.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(3),
    idle: Duration::from_secs(10),
    slow: Duration::from_secs(30),
    pauses: [Duration::from_millis(100), Duration::from_millis(400)],
};

/// A file of the store.
#[derive(Debug, Clone)]
pub(crate) struct StoredBytes {
    pub(crate) bytes: Bytes,
    /// What [`FileStore::put_if_match`] compares.
    pub(crate) etag: ObjectTag,
}

/// Where the files are.
#[derive(Clone)]
pub(crate) struct FileStore {
    objects: Arc<Objects<'static>>,
}

/// Nobody looks on.
struct UnwatchedProgress;

impl Progress for UnwatchedProgress {
    fn begin(&self, _: &str) {}

    fn advance(&self, _: u64, _: Option<u64>) {}
}

impl FileStore {
    /// Opens a folder, made where it is not, or a bucket of S3.
    ///
    /// # Errors
    /// `Usage` for an address that is neither; `Failed` when the folder cannot be made.
    pub(crate) fn open(address: &str) -> Result<Self> {
        // The client lives as long as the process: there is one store in it.
        let env: &'static Env = Box::leak(Box::new(Env::read(None)?));
        let hosts: &'static HostSettings = Box::leak(Box::new(HostSettings {
            // The operator named the endpoint, and a store on the same network needs no more.
            allow_http: true,
            ..HostSettings::default()
        }));
        let limits: &'static Limits = Box::leak(Box::new(Limits::default()));
        let net = Net::new(env, hosts, limits, false, &UnwatchedProgress).with_patience(PATIENCE);
        let objects = Objects::open(address, env, Box::leak(Box::new(net)))?;
        if let Objects::Folder(folder) = &objects {
            fs_err::create_dir_all(folder.folder())?;
        }
        Ok(Self { objects: Arc::new(objects) })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Objects<'static>) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        let objects = self.objects.clone();
        let done = tokio::task::spawn_blocking(move || work(&objects)).await.map_err(Problem::internal)?;
        done.map_err(refuse_for_store)
    }

    /// A file, whole.
    ///
    /// # Errors
    /// 503 when the store is away.
    pub(crate) async fn get(&self, path: &str) -> Answer<Option<StoredBytes>> {
        let path = path.to_owned();
        let found = self.run(move |objects| objects.get(&path, CAP)).await?;
        Ok(found.map(|object| StoredBytes { bytes: object.bytes.into(), etag: object.etag }))
    }

    /// A file of more than `least` bytes, to be read piece by piece; `None` for a smaller one and
    /// where the store is not a folder.
    ///
    /// # Errors
    /// 503 when the store is away.
    pub(crate) async fn open_large(&self, path: &str, least: u64) -> Answer<Option<(tokio::fs::File, u64)>> {
        let path = path.to_owned();
        let opened = self.run(move |objects| {
            let Objects::Folder(folder) = objects else { return Ok(None) };
            let file = ba_agent_system::fsx::open_plain_file(&folder.folder().join(path))?;
            Ok(file.filter(|(_, length)| *length > least))
        });
        Ok(opened.await?.map(|(file, length)| (tokio::fs::File::from_std(file), length)))
    }

    /// An address that the store itself answers for some minutes; `None` where it cannot.
    pub(crate) fn presign(&self, path: &str) -> Option<String> {
        self.objects.presign(path, PRESIGNED).map(|url| url.to_string())
    }

    /// Writes a file where there is none; says whether it did.
    ///
    /// # Errors
    /// 503 when the store is away, 507 when it is full.
    pub(crate) async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Answer<bool> {
        let path = path.to_owned();
        self.run(move |objects| objects.put_if_absent(&path, &bytes)).await
    }

    /// Writes a file where the one that is there has that tag, or where there is none for `None`;
    /// says whether it did.
    ///
    /// # Errors
    /// 503 when the store is away, 507 when it is full.
    pub(crate) async fn put_if_match(
        &self,
        path: &str,
        bytes: Bytes,
        etag: Option<ObjectTag>,
    ) -> Answer<bool> {
        let path = path.to_owned();
        self.run(move |objects| objects.put_if_match(&path, &bytes, etag.as_ref())).await
    }

    /// Writes a file, whatever is there.
    ///
    /// # Errors
    /// 503 when the store is away, 507 when it is full.
    pub(crate) async fn put(&self, path: &str, bytes: Bytes) -> Answer<()> {
        let path = path.to_owned();
        self.run(move |objects| objects.put(&path, &bytes)).await
    }

    /// Moves a file, when it is there: first written at its new place, then removed.
    ///
    /// # Errors
    /// 503 when the store is away, 507 when it is full.
    pub(crate) async fn move_file(&self, from: &str, to: &str) -> Answer<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.run(move |objects| {
            let Some(object) = objects.get(&from, CAP)? else { return Ok(()) };
            objects.put_if_absent(&to, &object.bytes)?;
            objects.delete(&from)
        })
        .await
    }

    /// Says whether files can be reached now.
    ///
    /// # Errors
    /// 503 when they cannot.
    pub(crate) async fn check(&self) -> Answer<()> {
        self.run(|objects| match objects {
            Objects::Folder(folder) => Ok(ba_agent_system::fsx::check_writable(folder.folder())
                .map_err(|why| Error::new(Kind::Failed, why))?),
            Objects::S3(_) => objects.get("registry.json", CAP).map(|_| ()),
        })
        .await
    }
}

fn refuse_for_store(error: Error) -> Problem {
    if error.hints.iter().any(|hint| hint.starts_with("the disk is full")) {
        return Problem::new(StatusCode::INSUFFICIENT_STORAGE, "the disk of the registry is full");
    }
    let causes = error.causes.join(": ");
    crate::log::write_line("error", &format!("the files cannot be reached: {}: {causes}", error.message));
    Problem::unavailable("the files of the registry cannot be reached", 5)
}
