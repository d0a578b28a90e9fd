//! The tables, in both dialects, and how a database gets from one version to the next.

use super::{Db, DbError, DbResult, values};
use crate::clock::now_millis;

/// A step from one version of the tables to the next.
struct Migration {
    sqlite: &'static [&'static str],
    postgres: &'static [&'static str],
}

const MIGRATIONS: &[Migration] = &[Migration { sqlite: SQLITE_1, postgres: POSTGRES_1 }];

const SQLITE_1: &[&str] = &[
    "create table users(id integer primary key autoincrement, login text not null unique, password_hash text,
     oidc_issuer text, oidc_subject text, created_at integer not null, banned_at integer, ban_reason text,
     unique(oidc_issuer, oidc_subject))",
    "create table owners(id integer primary key autoincrement, name text not null unique, skeleton text not null,
     visibility text not null default 'public', verified_domain text, created_at integer not null,
     held_at integer, tombstoned_at integer)",
    "create index owners_skeleton on owners(skeleton)",
    "create table members(owner_id integer not null references owners(id),
     user_id integer not null references users(id), role text not null, primary key(owner_id, user_id))",
    "create table skills(id integer primary key autoincrement, owner_id integer not null references owners(id),
     name text not null, description text not null, category text not null default '',
     tags text not null default '[]', meta text not null default '{}', featured integer not null default 0,
     created_at integer not null, tombstoned_at integer, unique(owner_id, name))",
    "create table versions(skill_id integer not null references skills(id), version text not null,
     digest text not null, tree text not null, size integer not null, line text not null, status text not null,
     by text not null, published_at integer not null, yanked_at integer, yank_reason text, removed_at integer,
     removed_reason text, leaf integer, primary key(skill_id, version))",
    "create index versions_digest on versions(digest)",
    "create index versions_status on versions(status)",
    "create table tokens(id integer primary key autoincrement, user_id integer not null references users(id),
     hash blob not null unique, hint text not null, scopes text not null, names text not null,
     expires_at integer not null, last_used_at integer, revoked_at integer)",
    "create table publishers(skill_id integer not null references skills(id), issuer text not null,
     claims text not null)",
    "create table follows(user_id integer not null references users(id),
     skill_id integer not null references skills(id), notify integer not null, since integer not null,
     primary key(user_id, skill_id))",
    "create table events(seq integer primary key autoincrement, at integer not null, actor text not null,
     kind text not null, subject text not null, detail text not null)",
    "create table downloads(skill_id integer not null references skills(id), version text not null,
     day integer not null, n integer not null, primary key(skill_id, version, day))",
    "create table reports(id integer primary key autoincrement, skill_id integer not null references skills(id),
     version text, reporter text not null, reason text not null, status text not null, note text)",
    "create table webhooks(id integer primary key autoincrement, user_id integer not null references users(id),
     url text not null, secret text not null, kinds text not null)",
    "create table jobs(id integer primary key autoincrement, kind text not null, payload text not null,
     run_at integer not null, attempts integer not null default 0, locked_until integer, error text,
     done_at integer)",
    "create index jobs_open on jobs(run_at) where done_at is null",
    "create table sessions(hash blob primary key, user_id integer not null, expires_at integer not null)",
    "create table quotas(key text not null, window_start integer not null, n integer not null,
     primary key(key, window_start))",
];

const POSTGRES_1: &[&str] = &[
    "create table users(id bigint generated always as identity primary key, login text not null unique,
     password_hash text, oidc_issuer text, oidc_subject text, created_at bigint not null, banned_at bigint,
     ban_reason text, unique(oidc_issuer, oidc_subject))",
    "create table owners(id bigint generated always as identity primary key, name text not null unique,
     skeleton text not null, visibility text not null default 'public', verified_domain text,
     created_at bigint not null, held_at bigint, tombstoned_at bigint)",
    "create index owners_skeleton on owners(skeleton)",
    "create table members(owner_id bigint not null references owners(id),
     user_id bigint not null references users(id), role text not null, primary key(owner_id, user_id))",
    "create table skills(id bigint generated always as identity primary key,
     owner_id bigint not null references owners(id), name text not null, description text not null,
     category text not null default '', tags text[] not null default '{}', meta jsonb not null default '{}',
     featured bigint not null default 0, created_at bigint not null, tombstoned_at bigint,
     unique(owner_id, name))",
    "create table versions(skill_id bigint not null references skills(id), version text not null,
     digest text not null, tree text not null, size bigint not null, line jsonb not null, status text not null,
     by text not null, published_at bigint not null, yanked_at bigint, yank_reason text, removed_at bigint,
     removed_reason text, leaf bigint, primary key(skill_id, version))",
    "create index versions_digest on versions(digest)",
    "create index versions_status on versions(status)",
    "create table tokens(id bigint generated always as identity primary key,
     user_id bigint not null references users(id), hash bytea not null unique, hint text not null,
     scopes text[] not null, names text[] not null, expires_at bigint not null, last_used_at bigint,
     revoked_at bigint)",
    "create table publishers(skill_id bigint not null references skills(id), issuer text not null,
     claims jsonb not null)",
    "create table follows(user_id bigint not null references users(id),
     skill_id bigint not null references skills(id), notify bigint not null, since bigint not null,
     primary key(user_id, skill_id))",
    "create table events(seq bigint generated always as identity primary key, at bigint not null,
     actor text not null, kind text not null, subject text not null, detail jsonb not null)",
    "create table downloads(skill_id bigint not null references skills(id), version text not null,
     day bigint not null, n bigint not null, primary key(skill_id, version, day))",
    "create table reports(id bigint generated always as identity primary key,
     skill_id bigint not null references skills(id), version text, reporter text not null,
     reason text not null, status text not null, note text)",
    "create table webhooks(id bigint generated always as identity primary key,
     user_id bigint not null references users(id), url text not null, secret text not null,
     kinds text[] not null)",
    "create table jobs(id bigint generated always as identity primary key, kind text not null,
     payload jsonb not null, run_at bigint not null, attempts bigint not null default 0, locked_until bigint,
     error text, done_at bigint)",
    "create index jobs_open on jobs(run_at) where done_at is null",
    "create table sessions(hash bytea primary key, user_id bigint not null, expires_at bigint not null)",
    "create table quotas(key text not null, window_start bigint not null, n bigint not null,
     primary key(key, window_start))",
];

/// Any number that nobody else locks: the first bytes of `ba-agent-registry`.
const LOCK: i64 = 0x6261_2d61_6765_6e74;

/// Brings the tables to the version that this program knows, one server at a time.
///
/// # Errors
/// `Failed` for tables of a later version; those of the database.
pub(super) async fn migrate(db: &Db) -> DbResult<()> {
    let mut tx = db.begin().await?;
    if db.is_shared() {
        tx.execute("select pg_advisory_xact_lock($1)", values![LOCK]).await?;
    }
    tx.execute(
        "create table if not exists migrations(version bigint primary key, applied_at bigint not null)",
        Vec::new(),
    )
    .await?;
    let row = tx.fetch_first("select max(version) from migrations", Vec::new()).await?;
    let at = row.map(|row| row.int(0)).transpose()?.unwrap_or_default();
    let at = usize::try_from(at).unwrap_or_default();
    if at > MIGRATIONS.len() {
        return Err(DbError::Failed(format!(
            "the tables have version {at}, this program knows {}; start a newer one",
            MIGRATIONS.len()
        )));
    }
    for (n, migration) in MIGRATIONS.iter().enumerate().skip(at) {
        let statements = if db.is_shared() { migration.postgres } else { migration.sqlite };
        for statement in statements {
            tx.execute(*statement, Vec::new()).await?;
        }
        let version = i64::try_from(n + 1).unwrap_or(i64::MAX);
        tx.execute(
            "insert into migrations(version, applied_at) values ($1, $2)",
            values![version, now_millis()],
        )
        .await?;
    }
    tx.commit().await
}
