//! What all requests share: the database, the files, and what is kept in memory of both.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use ba_agent_core::digest::Digest;
use ba_agent_core::error::Error;
use jsonwebtoken::jwk::JwkSet;
use moka::sync::Cache;
use tokio::sync::{Notify, watch};

use crate::clock::{day_of, now_millis};
use crate::db::tokens::TokenRow;
use crate::db::{Db, DbResult};
use crate::rates::AddressRates;
use crate::settings::{ReadAccess, ServerSettings};
use crate::shelf::SkillShelf;
use crate::store::FileStore;
use crate::stored_file::StoredFile;

/// Archives that are unpacked and looked at at once.
const LOOKED_AT: usize = 8;

/// The registry, as each request has it.
pub(crate) type App = Arc<RegistryServer>;

/// What all requests share.
pub(crate) struct RegistryServer {
    pub(crate) settings: ServerSettings,
    pub(crate) db: Db,
    pub(crate) store: FileStore,
    pub(crate) shelf: SkillShelf,
    pub(crate) rates: AddressRates,
    /// Whose turn it is to have an archive unpacked.
    pub(crate) inspections: Arc<tokio::sync::Semaphore>,
    /// The operations in OpenAPI.
    pub(crate) description: OnceLock<serde_json::Value>,
    /// Files that are asked for often.
    pub(crate) files: Cache<String, Arc<StoredFile>>,
    /// The digests of the indexes, by name, as far as they are known.
    pub(crate) index_digests: Mutex<HashMap<String, Digest>>,
    /// Derived files as this server wrote them last, by their digest.
    pub(crate) written: Cache<String, Arc<String>>,
    /// Grows with each file that is written, so that a reader knows that what it read is old.
    writes: AtomicU64,
    /// Tokens that were good a while ago, for reading while the database is away.
    pub(crate) seen_tokens: Cache<Vec<u8>, TokenRow>,
    pub(crate) issuer_keys: Cache<String, Arc<JwkSet>>,
    /// What was done shortly ago and is not to be done again at once.
    pub(crate) recent_marks: Cache<String, ()>,
    /// Archives that were fetched since the last count, by digest.
    downloads: Mutex<HashMap<String, i64>>,
    /// How often each skill was fetched in the last thirty days.
    pub(crate) popularity: RwLock<HashMap<i64, i64>>,
    /// The last event that this server knows of.
    pub(crate) seen_event: watch::Sender<i64>,
    /// Wakes whoever does jobs.
    pub(crate) work: Notify,
    /// Becomes true when the server is to stop.
    pub(crate) stop: watch::Sender<bool>,
}

impl RegistryServer {
    /// Opens the database and the files, and puts all skills into memory.
    ///
    /// # Errors
    /// `Failed` when either cannot be opened.
    pub(crate) async fn open(settings: ServerSettings) -> Result<App, Error> {
        let fault = |e: crate::db::DbError| ba_agent_core::error::error!(Failed, "{e}");
        let store = FileStore::open(&settings.objects)?;
        let db = Db::open(&settings.database).await.map_err(fault)?;
        let weight = |path: &String, file: &Arc<StoredFile>| {
            u32::try_from(path.len() + file.bytes.len() + 200).unwrap_or(u32::MAX)
        };
        let registry = Self {
            rates: AddressRates::per_minute(settings.limits.read_per_minute),
            inspections: Arc::new(tokio::sync::Semaphore::new(LOOKED_AT)),
            description: OnceLock::new(),
            files: Cache::builder().weigher(weight).max_capacity(settings.limits.memory).build(),
            index_digests: Mutex::default(),
            written: Cache::builder().max_capacity(100_000).build(),
            writes: AtomicU64::new(0),
            seen_tokens: Cache::builder().time_to_live(Duration::from_secs(600)).max_capacity(10_000).build(),
            issuer_keys: Cache::builder().time_to_live(Duration::from_secs(3600)).max_capacity(100).build(),
            recent_marks: Cache::builder().time_to_live(Duration::from_secs(30)).max_capacity(10_000).build(),
            downloads: Mutex::default(),
            popularity: RwLock::default(),
            seen_event: watch::Sender::new(0),
            work: Notify::new(),
            stop: watch::Sender::new(false),
            shelf: SkillShelf::default(),
            settings,
            db,
            store,
        };
        registry.fill_shelf().await.map_err(fault)?;
        Ok(Arc::new(registry))
    }

    async fn fill_shelf(&self) -> DbResult<()> {
        // The number first: what happens while the rest is read is read again after it.
        let seq = self.db.last_event().await?;
        self.shelf.fill(self.db.load_shelf().await?);
        self.shelf.set_removed(self.db.removed_digests().await?);
        self.seen_event.send_replace(seq);
        self.refresh_popularity().await
    }

    /// Counts anew how often each skill was fetched.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn refresh_popularity(&self) -> DbResult<()> {
        let counts = self.db.downloads_since(day_of(now_millis()) - 30).await?;
        *self.popularity.write().unwrap_or_else(PoisonError::into_inner) = counts.into_iter().collect();
        Ok(())
    }

    /// True where reading wants a token.
    pub(crate) fn is_private(&self) -> bool {
        self.settings.auth.read == ReadAccess::Read
    }

    /// How many files were written by now.
    pub(crate) fn files_changed(&self, _path: &str) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Forgets what is kept of a file that was written.
    pub(crate) fn forget_file(&self, path: &str) {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.files.invalidate(path);
        if let Some(name) = path.strip_suffix("/index.jsonl") {
            self.index_digests.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }

    /// Counts that an archive was handed out.
    pub(crate) fn count_download(&self, path: &str) {
        let hex = path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        *downloads.entry(hex.to_owned()).or_default() += 1;
    }

    /// Adds what was counted to the database; kept for later where that is away.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn flush_downloads(&self) -> DbResult<()> {
        let counted = std::mem::take(&mut *self.downloads.lock().unwrap_or_else(PoisonError::into_inner));
        let day = day_of(now_millis());
        let mut known = Vec::new();
        for (hex, n) in &counted {
            let sql = "select skill_id, version from versions where digest = $1 limit 1";
            match self.db.fetch_first(sql, crate::db::values![format!("sha256:{hex}")]).await {
                Ok(Some(row)) => known.push((row.int(0)?, row.text(1)?, day, *n)),
                Ok(None) => {}
                Err(e) => return self.keep_downloads(counted, e),
            }
        }
        match self.db.add_downloads(&known).await {
            Ok(()) => Ok(()),
            Err(e) => self.keep_downloads(counted, e),
        }
    }

    fn keep_downloads(&self, counted: HashMap<String, i64>, error: crate::db::DbError) -> DbResult<()> {
        let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        for (hex, n) in counted {
            *downloads.entry(hex).or_default() += n;
        }
        Err(error)
    }
}
