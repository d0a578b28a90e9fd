//! What is to be done later, by any server, once.

use serde::Serialize;
use serde_json::Value;

use super::{Db, DbResult, DbRow, Sql, Tx, values};
use crate::clock::now_millis;

/// Something to do, or done.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct JobRow {
    pub(crate) id: i64,
    pub(crate) kind: String,
    #[serde(skip)]
    pub(crate) payload: Value,
    pub(crate) attempts: i64,
    pub(crate) error: Option<String>,
    #[serde(skip)]
    pub(crate) done_at: Option<i64>,
}

const COLUMNS_SQLITE: &str = "select id, kind, payload, attempts, error, done_at from jobs where id = $1";
const COLUMNS_POSTGRES: &str =
    "select id, kind, payload::text, attempts, error, done_at from jobs where id = $1";

const CLAIM: Sql = Sql {
    sqlite:
        "update jobs set locked_until = $1 + $2, attempts = attempts + 1 where id in (select id from jobs
     where done_at is null and run_at <= $1 and (locked_until is null or locked_until <= $1)
     and kind <> 'device' order by run_at, id limit $3) returning id, kind, payload, attempts, error, done_at",
    postgres:
        "update jobs set locked_until = $1 + $2, attempts = attempts + 1 where id in (select id from jobs
     where done_at is null and run_at <= $1 and (locked_until is null or locked_until <= $1)
     and kind <> 'device' order by run_at, id limit $3 for update skip locked)
     returning id, kind, payload::text, attempts, error, done_at",
};

const INSERT: Sql = Sql {
    sqlite: "insert into jobs(kind, payload, run_at) values ($1, $2, $3) returning id",
    postgres: "insert into jobs(kind, payload, run_at) values ($1, $2::jsonb, $3) returning id",
};

fn job_of(row: &DbRow) -> DbResult<JobRow> {
    Ok(JobRow {
        id: row.int(0)?,
        kind: row.text(1)?,
        payload: serde_json::from_str(&row.text(2)?).unwrap_or_default(),
        attempts: row.int(3)?,
        error: row.maybe_text(4)?,
        done_at: row.maybe_int(5)?,
    })
}

impl Db {
    /// Takes up to `most` jobs that are due, for `lease` milliseconds: a server that dies gives
    /// them back by that.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn claim_jobs(&self, lease: i64, most: i64) -> DbResult<Vec<JobRow>> {
        let mut tx = self.begin().await?;
        let rows = tx.fetch_all(CLAIM, values![now_millis(), lease, most]).await?;
        let jobs = rows.iter().map(job_of).collect::<DbResult<Vec<_>>>()?;
        tx.commit().await?;
        Ok(jobs)
    }

    /// The job of that number.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_job(&self, id: i64) -> DbResult<Option<JobRow>> {
        let sql = Sql { sqlite: COLUMNS_SQLITE, postgres: COLUMNS_POSTGRES };
        self.fetch_first(sql, values![id]).await?.map(|row| job_of(&row)).transpose()
    }

    /// Notes that a job is done, with why it failed for good where it did.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn finish_job(&self, id: i64, error: Option<String>) -> DbResult<()> {
        let sql = "update jobs set done_at = $1, locked_until = null, error = $2 where id = $3";
        self.execute(sql, values![now_millis(), error, id]).await.map(|_| ())
    }

    /// Gives a job back, to be tried again in `wait` milliseconds.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn retry_job(&self, id: i64, wait: i64, error: String) -> DbResult<()> {
        let sql = "update jobs set run_at = $1, locked_until = null, error = $2 where id = $3";
        self.execute(sql, values![now_millis() + wait, error, id]).await.map(|_| ())
    }

    /// Jobs of a kind that wait, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn open_jobs(&self, kind: &str) -> DbResult<Vec<JobRow>> {
        let sql = Sql {
            sqlite: "select id, kind, payload, attempts, error, done_at from jobs
             where kind = $1 and done_at is null order by id",
            postgres: "select id, kind, payload::text, attempts, error, done_at from jobs
             where kind = $1 and done_at is null order by id",
        };
        self.fetch_all(sql, values![kind]).await?.iter().map(job_of).collect()
    }

    /// Changes what a job holds.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn set_job_payload(&self, id: i64, payload: &Value) -> DbResult<()> {
        let sql = Sql {
            sqlite: "update jobs set payload = $1 where id = $2",
            postgres: "update jobs set payload = $1::jsonb where id = $2",
        };
        self.execute(sql, values![payload.to_string(), id]).await.map(|_| ())
    }

    /// Notes something to do outside of a transaction; its number.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn add_job(&self, kind: &str, payload: &Value, run_at: i64) -> DbResult<i64> {
        let mut tx = self.begin().await?;
        let id = tx.add_job(kind, payload, run_at).await?;
        tx.commit().await?;
        Ok(id)
    }
}

impl Tx {
    /// Notes something to do from `run_at` on; its number.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn add_job(&mut self, kind: &str, payload: &Value, run_at: i64) -> DbResult<i64> {
        let row = self.fetch_first(INSERT, values![kind, payload.to_string(), run_at]).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }
}
