//! The server of a registry of agent skills. The registry itself is a folder of files that every
//! reader gets with GET alone; the server writes those files, guards them, and answers what files
//! cannot: search, accounts, following, moderation.
//!
//! Floors, of which a file uses its own and those below: faces (`api`, `serve`), deeds (`publish`,
//! `versions`, `browse`, `login`, `work`), world (`db`, `store`, `fetch`, `files`, `scan`), words (the crate `ba-agent-core`).

mod api;
mod auth;
mod background;
mod browse;
mod clock;
mod db;
mod fetch;
mod files;
mod log;
mod login;
mod metrics;
mod openapi;
mod problem;
mod publish;
mod rates;
mod registry;
mod route_spec;
mod routes;
mod scan;
mod serve;
mod settings;
mod shelf;
mod store;
mod stored_file;
mod versions;
mod work;

pub use serve::{ServerNews, derive_files, serve, set_local_user};
pub use settings::{
    AuthSettings, BlobRedirect, BlobSettings, HoldMode, LimitSettings, OidcIssuer, ReadAccess, ScanSettings,
    ServerSettings, WebhookSettings,
};
