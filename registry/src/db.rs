//! World: the database, SQLite on one machine or PostgreSQL for several. Each statement stands
//! once where both read it alike, and twice, beside each other, where they do not.
//!
//! Times are milliseconds since 1970, lists and documents JSON text on our side of the wire.

pub(crate) mod accounts;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod people;
pub(crate) mod quotas;
mod schema;
pub(crate) mod skills;
pub(crate) mod tokens;

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Postgres, Row as _, Sqlite, Transaction};

/// A statement in both dialects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sql {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl From<&'static str> for Sql {
    fn from(both: &'static str) -> Self {
        Self { sqlite: both, postgres: both }
    }
}

/// What is bound to `$1`, `$2` …
#[derive(Debug, Clone)]
pub(crate) enum SqlValue {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Vec<u8>),
}

impl From<i64> for SqlValue {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for SqlValue {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for SqlValue {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for SqlValue {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for SqlValue {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for SqlValue {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

/// The values of a statement: `values![a, b]`.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::SqlValue::from($value)),*] };
}
pub(crate) use values;

/// Why the database did not do what was asked.
#[derive(Debug)]
pub(crate) enum DbError {
    /// It cannot be reached, or not in time.
    Unavailable(String),
    /// A row of that key is there already.
    Exists,
    /// The disk that it writes to is full.
    DiskFull,
    /// Two transactions wanted the same; again, please.
    Busy,
    /// Anything else: a fault of ours.
    Failed(String),
}

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the database is away: {why}"),
            Self::Exists => f.write_str("a row of that key exists"),
            Self::DiskFull => f.write_str("the disk of the database is full"),
            Self::Busy => f.write_str("the database is busy"),
            Self::Failed(why) => write!(f, "the database refused: {why}"),
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().map(|code| code.into_owned()).unwrap_or_default();
                match code.as_str() {
                    _ if database.is_unique_violation() => Self::Exists,
                    "13" | "53100" => Self::DiskFull,
                    "5" | "6" | "261" | "262" | "517" | "40001" | "40P01" => Self::Busy,
                    // A server that goes down, comes up, or has no place left.
                    code if code.starts_with("57P") || code.starts_with("08") || code == "53300" => {
                        Self::Unavailable(text)
                    }
                    "10" | "14" | "8" => Self::Unavailable(text),
                    _ if text.contains("disk is full") => Self::DiskFull,
                    _ => Self::Failed(text),
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}

/// What comes back from the database.
pub(crate) type DbResult<T> = Result<T, DbError>;

/// A row of either.
pub(crate) enum DbRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl DbRow {
    /// The number at a column, none for NULL.
    ///
    /// # Errors
    /// `Failed` for a column that is not there or holds something else.
    pub(crate) fn maybe_int(&self, column: usize) -> DbResult<Option<i64>> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get_unchecked(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// The number at a column, 0 for NULL.
    ///
    /// # Errors
    /// As [`DbRow::maybe_int`].
    pub(crate) fn int(&self, column: usize) -> DbResult<i64> {
        Ok(self.maybe_int(column)?.unwrap_or_default())
    }

    /// The text at a column, none for NULL.
    ///
    /// # Errors
    /// `Failed` for a column that is not there or holds something else.
    pub(crate) fn maybe_text(&self, column: usize) -> DbResult<Option<String>> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get_unchecked(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// The text at a column, empty for NULL.
    ///
    /// # Errors
    /// As [`DbRow::maybe_text`].
    pub(crate) fn text(&self, column: usize) -> DbResult<String> {
        Ok(self.maybe_text(column)?.unwrap_or_default())
    }

    /// The list of texts at a column that holds JSON.
    ///
    /// # Errors
    /// As [`DbRow::maybe_text`].
    pub(crate) fn texts(&self, column: usize) -> DbResult<Vec<String>> {
        Ok(serde_json::from_str(&self.text(column)?).unwrap_or_default())
    }
}

/// The database.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    /// One connection writes, several read.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
    },
    Postgres(PgPool),
}

/// Several statements that are done all or not at all.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Binds the values to a statement of either database.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match value {
                SqlValue::Int(value) => query.bind(value),
                SqlValue::Text(value) => query.bind(value),
                SqlValue::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Db {
    /// Opens what `address` names: `sqlite:PATH` (made where it is not) or `postgres://…`, and
    /// brings its tables to what this program knows.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached; `Failed` for an address that is neither, and for
    /// tables of a later version.
    pub(crate) async fn open(address: &str) -> DbResult<Self> {
        let db = match address.strip_prefix("sqlite:") {
            Some(path) => open_sqlite(Path::new(path.trim_start_matches("//"))).await?,
            None if address.starts_with("postgres://") || address.starts_with("postgresql://") => {
                let options =
                    PgPoolOptions::new().max_connections(16).acquire_timeout(Duration::from_secs(3));
                Self::Postgres(options.connect(address).await?)
            }
            None => {
                let why = "expected `sqlite:PATH` or `postgres://USER@HOST/DATABASE` as the database";
                return Err(DbError::Failed(why.to_owned()));
            }
        };
        schema::migrate(&db).await?;
        Ok(db)
    }

    /// Begins a transaction that writes: on SQLite nobody else does meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when there is no connection.
    pub(crate) async fn begin(&self) -> DbResult<Tx> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Does one statement; says how many rows it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn execute(&self, sql: impl Into<Sql>, values: Vec<SqlValue>) -> DbResult<u64> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { write, .. } => bound!(sql.sqlite, values).execute(write).await?.rows_affected(),
            Self::Postgres(pool) => bound!(sql.postgres, values).execute(pool).await?.rows_affected(),
        })
    }

    /// All rows of a question.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn fetch_all(&self, sql: impl Into<Sql>, values: Vec<SqlValue>) -> DbResult<Vec<DbRow>> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { read, .. } => {
                bound!(sql.sqlite, values).fetch_all(read).await?.into_iter().map(DbRow::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                bound!(sql.postgres, values).fetch_all(pool).await?.into_iter().map(DbRow::Postgres).collect()
            }
        })
    }

    /// The first row of a question.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn fetch_first(
        &self,
        sql: impl Into<Sql>,
        values: Vec<SqlValue>,
    ) -> DbResult<Option<DbRow>> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite { read, .. } => {
                bound!(sql.sqlite, values).fetch_optional(read).await?.map(DbRow::Sqlite)
            }
            Self::Postgres(pool) => {
                bound!(sql.postgres, values).fetch_optional(pool).await?.map(DbRow::Postgres)
            }
        })
    }

    /// True for PostgreSQL, which several servers may share.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Waits for what is under way and closes all connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                write.close().await;
                read.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Does one statement; says how many rows it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn execute(&mut self, sql: impl Into<Sql>, values: Vec<SqlValue>) -> DbResult<u64> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => bound!(sql.sqlite, values).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => bound!(sql.postgres, values).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// All rows of a question.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn fetch_all(
        &mut self,
        sql: impl Into<Sql>,
        values: Vec<SqlValue>,
    ) -> DbResult<Vec<DbRow>> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => {
                let rows = bound!(sql.sqlite, values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(DbRow::Sqlite).collect()
            }
            Self::Postgres(tx) => {
                let rows = bound!(sql.postgres, values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(DbRow::Postgres).collect()
            }
        })
    }

    /// The first row of a question.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn fetch_first(
        &mut self,
        sql: impl Into<Sql>,
        values: Vec<SqlValue>,
    ) -> DbResult<Option<DbRow>> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(tx) => {
                bound!(sql.sqlite, values).fetch_optional(&mut **tx).await?.map(DbRow::Sqlite)
            }
            Self::Postgres(tx) => {
                bound!(sql.postgres, values).fetch_optional(&mut **tx).await?.map(DbRow::Postgres)
            }
        })
    }

    /// Makes it so. Dropped without, nothing of it was done.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn commit(self) -> DbResult<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

async fn open_sqlite(path: &Path) -> DbResult<Db> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs_err::create_dir_all(folder).map_err(|e| DbError::Unavailable(e.to_string()))?;
    }
    // FULL: what was acknowledged is on the disk, also after a power cut.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5));
    let pool =
        |most: u32| SqlitePoolOptions::new().max_connections(most).acquire_timeout(Duration::from_secs(10));
    let write = pool(1).connect_with(options.clone()).await?;
    let read = pool(4).connect_with(options.pragma("query_only", "on")).await?;
    Ok(Db::Sqlite { write, read })
}
