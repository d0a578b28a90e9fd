//! Counts in a window of time, over all servers, and keys that may be used once.

use super::{Db, DbResult, Tx, values};
use crate::clock::now_millis;

impl Tx {
    /// Counts one more in the window of `length` milliseconds that now is in; what is counted by
    /// then, this one with it, and when the window ends.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn count_in_window(&mut self, key: &str, length: i64) -> DbResult<(i64, i64)> {
        let start = now_millis().div_euclid(length) * length;
        let sql = "insert into quotas(key, window_start, n) values ($1, $2, 1)
         on conflict(key, window_start) do update set n = quotas.n + 1 returning n";
        let row = self.fetch_first(sql, values![key, start]).await?;
        Ok((row.map_or(Ok(0), |row| row.int(0))?, start + length))
    }

    /// Uses a key that may be used once, and is forgotten after `expires_at`.
    ///
    /// # Errors
    /// `Exists` when it was used.
    pub(crate) async fn use_once(&mut self, key: &str, expires_at: i64) -> DbResult<bool> {
        let sql = "insert into quotas(key, window_start, n) values ($1, $2, 1) on conflict do nothing";
        Ok(self.execute(sql, values![key, expires_at]).await? > 0)
    }
}

impl Db {
    /// Forgets counts of windows, keys, sessions and jobs that are long over.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn forget_old_rows(&self) -> DbResult<()> {
        let now = now_millis();
        let before = now - 2 * crate::clock::DAY;
        self.execute("delete from quotas where window_start < $1", values![before]).await?;
        self.execute("delete from sessions where expires_at < $1", values![now]).await?;
        let sql = "delete from jobs where done_at is not null and done_at < $1";
        self.execute(sql, values![now - 30 * crate::clock::DAY]).await.map(|_| ())
    }
}
