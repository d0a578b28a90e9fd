//! What is counted, and where it can be read: on a port of its own, which no proxy leads to.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use ba_agent_core::error::{Result, error};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::registry::App;

static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Counts a request by its status, and how long it took.
pub(crate) fn count_request(status: u16, took: Duration) {
    if EXPORTER.get().is_none() {
        return;
    }
    let class = match status {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    metrics::counter!("registry_requests_total", "status" => class).increment(1);
    metrics::histogram!("registry_request_seconds").record(took.as_secs_f64());
}

/// Counts something that happened.
pub(crate) fn count_event(kind: &'static str) {
    metrics::counter!("registry_events_total", "kind" => kind).increment(1);
}

/// Answers `/metrics` at an address.
///
/// # Errors
/// `Failed` when the address cannot be listened at.
pub(crate) async fn start_listener(app: App, at: SocketAddr) -> Result<()> {
    if EXPORTER.get().is_none() {
        let built = PrometheusBuilder::new().install_recorder();
        let handle = built.map_err(|e| error!(Failed, "metrics cannot be counted: {e}"))?;
        let _ = EXPORTER.set(handle);
    }
    let listener = tokio::net::TcpListener::bind(at).await;
    let listener = listener.map_err(|e| error!(Failed, "`{at}` cannot be listened at").cause(e))?;
    let render = move || {
        metrics::gauge!("registry_skills")
            .set(f64::from(u32::try_from(app.shelf.count()).unwrap_or(u32::MAX)));
        std::future::ready(EXPORTER.get().map(PrometheusHandle::render).unwrap_or_default())
    };
    let router = Router::new().route("/metrics", get(render));
    tokio::spawn(async move { drop(axum::serve(listener, router).await) });
    Ok(())
}
