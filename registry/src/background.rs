//! What goes on beside the requests: jobs, following what other servers did, counting downloads,
//! and forgetting what is over.

use std::collections::BTreeSet;
use std::time::Duration;

use ba_agent_core::remote_registry::{ScopedName, version_index_path};
use sqlx::postgres::PgListener;
use tokio::task::JoinHandle;

use crate::db::{Db, DbResult};
use crate::registry::{App, RegistryServer};

/// How often downloads are added to the database.
const FLUSH: Duration = Duration::from_secs(10);
/// How often what is over is forgotten.
const TIDY: Duration = Duration::from_secs(600);
/// How often events are looked for where nobody tells of them.
const LOOK: Duration = Duration::from_secs(1);
/// Events that are read at once.
const EVENTS: i64 = 500;

/// What runs beside the requests.
pub(crate) struct BackgroundTasks(Vec<JoinHandle<()>>);

/// Starts it.
pub(crate) fn start_tasks(app: &App) -> BackgroundTasks {
    BackgroundTasks(vec![
        tokio::spawn(crate::work::do_jobs(app.clone())),
        tokio::spawn(follow_events(app.clone())),
        tokio::spawn(repeat(app.clone(), FLUSH, |app| async move {
            let _ = app.flush_downloads().await;
            let _ = app.refresh_popularity().await;
        })),
        tokio::spawn(repeat(app.clone(), TIDY, |app| async move {
            let _ = app.db.forget_old_rows().await;
            app.rates.forget_full();
        })),
    ])
}

impl BackgroundTasks {
    /// Ends it, and writes what is only in memory.
    pub(crate) async fn finish(self, app: &App) {
        for task in self.0 {
            task.abort();
        }
        let _ = app.flush_downloads().await;
    }
}

async fn repeat<F: Future<Output = ()>>(app: App, pause: Duration, work: impl Fn(App) -> F) {
    loop {
        tokio::time::sleep(pause).await;
        work(app.clone()).await;
    }
}

/// Follows what happens, here and at other servers, so that what is in memory is as the database.
async fn follow_events(app: App) {
    loop {
        let listener = match &app.db {
            Db::Postgres(pool) => PgListener::connect_with(pool).await.ok(),
            Db::Sqlite { .. } => None,
        };
        match listener {
            Some(listener) => follow_listener(&app, listener).await,
            None => {
                let _ = tokio::time::timeout(LOOK, app.work.notified()).await;
                let _ = app.catch_up().await;
            }
        }
    }
}

async fn follow_listener(app: &App, mut listener: PgListener) {
    if listener.listen_all(["events", "files"]).await.is_err() {
        tokio::time::sleep(LOOK).await;
        return;
    }
    // What happened while nobody listened.
    let _ = app.catch_up().await;
    loop {
        match tokio::time::timeout(LOOK, listener.recv()).await {
            Ok(Ok(told)) if told.channel() == "files" => {
                app.forget_file(told.payload());
                app.written.invalidate(told.payload());
            }
            Ok(Ok(_)) | Err(_) => {
                let _ = app.catch_up().await;
            }
            Ok(Err(_)) => return tokio::time::sleep(LOOK).await,
        }
    }
}

impl RegistryServer {
    /// Reads what happened since the last time, and anew what it happened to.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn catch_up(&self) -> DbResult<()> {
        loop {
            let seen = *self.seen_event.borrow();
            let events = self.db.events_since(seen, EVENTS).await?;
            let Some(last) = events.last().map(|event| event.seq) else { return Ok(()) };
            let names: BTreeSet<ScopedName> =
                events.iter().filter_map(|event| name_of_subject(&event.subject)).collect();
            for name in &names {
                let row = self.db.shelf_row(name.owner().as_str(), name.name().as_str()).await?;
                if let Some(row) = row {
                    self.shelf.put(row);
                }
                self.forget_file(&version_index_path(name));
            }
            let is_removal = |kind: &str| matches!(kind, "takedown" | "restore" | "remove" | "tombstone");
            if events.iter().any(|event| is_removal(&event.kind)) {
                self.shelf.set_removed(self.db.removed_digests().await?);
                self.forget_file(ba_agent_core::remote_registry::REVOKED_FILE);
                self.files.invalidate_all();
            }
            self.seen_event.send_replace(last);
        }
    }
}

/// The skill that an event is about.
fn name_of_subject(subject: &str) -> Option<ScopedName> {
    let end = subject.get(1..)?.find('@').map_or(subject.len(), |at| at + 1);
    subject.get(..end)?.parse().ok()
}
