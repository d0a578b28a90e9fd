//! What happened, in order: the audit, the feeds, and what the other servers follow.

use serde::Serialize;
use serde_json::Value;

use super::{Db, DbResult, DbRow, Sql, Tx, values};
use crate::clock::{format_millis, now_millis};

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RegistryEvent {
    pub(crate) seq: i64,
    pub(crate) at: String,
    pub(crate) actor: String,
    pub(crate) kind: String,
    /// `@owner/name`, `@owner/name@1.2.0`, `@owner` or a login.
    pub(crate) subject: String,
    pub(crate) detail: Value,
}

const SINCE: Sql = Sql {
    sqlite: "select seq, at, actor, kind, subject, detail from events where seq > $1 order by seq limit $2",
    postgres: "select seq, at, actor, kind, subject, detail::text from events where seq > $1 order by seq limit $2",
};

const LATEST: Sql = Sql {
    sqlite: "select seq, at, actor, kind, subject, detail from events order by seq desc limit $1",
    postgres: "select seq, at, actor, kind, subject, detail::text from events order by seq desc limit $1",
};

const INSERT: Sql = Sql {
    sqlite: "insert into events(at, actor, kind, subject, detail) values ($1, $2, $3, $4, $5) returning seq",
    postgres: "insert into events(at, actor, kind, subject, detail) values ($1, $2, $3, $4, $5::jsonb)
     returning seq",
};

/// The key of the lock under which events are numbered, so that a reader never sees a number
/// before a smaller one.
const ORDER: i64 = 0x6576_656e_7473;

fn event_of(row: &DbRow) -> DbResult<RegistryEvent> {
    Ok(RegistryEvent {
        seq: row.int(0)?,
        at: format_millis(row.int(1)?),
        actor: row.text(2)?,
        kind: row.text(3)?,
        subject: row.text(4)?,
        detail: serde_json::from_str(&row.text(5)?).unwrap_or_default(),
    })
}

impl Db {
    /// What happened after `seq`, oldest first, at most `most`.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn events_since(&self, seq: i64, most: i64) -> DbResult<Vec<RegistryEvent>> {
        let rows = self.fetch_all(SINCE, values![seq, most]).await?;
        rows.iter().map(event_of).collect()
    }

    /// What happened last, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn latest_events(&self, most: i64) -> DbResult<Vec<RegistryEvent>> {
        let rows = self.fetch_all(LATEST, values![most]).await?;
        rows.iter().map(event_of).collect()
    }

    /// The number of the last event.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn last_event(&self) -> DbResult<i64> {
        let row = self.fetch_first("select max(seq) from events", Vec::new()).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }
}

impl Tx {
    /// Notes what happens by this transaction: the last thing that it does, since from here to its
    /// end no other event is numbered. The number.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn note_event(
        &mut self,
        actor: &str,
        kind: &str,
        subject: &str,
        detail: &Value,
    ) -> DbResult<i64> {
        if matches!(self, Self::Postgres(_)) {
            self.execute("select pg_advisory_xact_lock($1)", values![ORDER]).await?;
            self.execute("select pg_notify('events', '')", Vec::new()).await?;
        }
        let values = values![now_millis(), actor, kind, subject, detail.to_string()];
        self.fetch_first(INSERT, values).await?.map_or(Ok(0), |row| row.int(0))
    }
}
