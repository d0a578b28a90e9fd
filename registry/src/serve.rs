//! The server: its router, its listeners, and how it stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use ba_agent_core::error::{Error, Result, error};
use tokio::net::TcpListener;

use crate::auth::credentials::read_credentials;
use crate::auth::{Named, RouteNeed};
use crate::problem::{Answer, Problem};
use crate::rates::{RateState, client_address};
use crate::registry::{App, RegistryServer};
use crate::routes::api_router;
use crate::settings::ServerSettings;

/// How long what is under way has when the server is to stop.
const PATIENCE: Duration = Duration::from_secs(9);

/// What the server tells whoever started it.
pub enum ServerNews {
    /// It answers at this address.
    Ready(SocketAddr),
    /// There is nobody yet: this makes the first admin.
    FirstStart { address: String, token: String },
}

/// Serves a registry until the process is asked to stop.
///
/// # Errors
/// `Failed` when the database, the files or the address cannot be had.
pub fn serve(settings: ServerSettings, tell: &(dyn Fn(ServerNews) + Sync)) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(run_server(settings, tell));
    // What waits for a disk or a host on a thread of its own is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(500));
    served
}

async fn run_server(settings: ServerSettings, tell: &(dyn Fn(ServerNews) + Sync)) -> Result<()> {
    crate::auth::oidc::install_cryptography();
    let listener = TcpListener::bind(settings.listen).await.map_err(|e| {
        error!(Failed, "`{}` cannot be listened at", settings.listen)
            .cause(e)
            .hint("set `listen` to another one")
    })?;
    let address = listener.local_addr()?;
    let mut settings = settings;
    settings.listen = address;
    let metrics = settings.metrics;
    let app = RegistryServer::open(settings).await?;
    let first = app.first_start_token().await.map_err(|problem| error!(Failed, "{}", problem.detail))?;
    if let Some(token) = first {
        let token = token.reveal().to_owned();
        let address = format!("{}/api/v1/setup", app.settings.public_url());
        tell(ServerNews::FirstStart { address, token });
    }
    app.write_first_files().await.map_err(|problem| error!(Failed, "{}", problem.detail))?;
    let _ = app.description.set(crate::openapi::describe_operations(&app.settings.public_url()));
    let stopping = watch_for_stop(app.clone())?;
    let background = crate::background::start_tasks(&app);
    if let Some(at) = metrics {
        crate::metrics::start_listener(app.clone(), at).await?;
    }
    tell(ServerNews::Ready(address));
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let service = router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(stop_asked(app.clone()));
    tokio::select! {
        done = served.into_future() => done?,
        () = give_up(app.clone()) => crate::log::write_line("warning", "requests under way were cut off"),
    }
    app.stop.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(1), background.finish(&app)).await;
    stopping.abort();
    let _ = tokio::time::timeout(Duration::from_secs(1), app.db.close()).await;
    Ok(())
}

async fn stop_asked(app: App) {
    let mut stop = app.stop.subscribe();
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn give_up(app: App) {
    stop_asked(app).await;
    tokio::time::sleep(PATIENCE).await;
}

/// Stops the server on SIGTERM and SIGINT.
fn watch_for_stop(app: App) -> Result<tokio::task::JoinHandle<()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(tokio::spawn(async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            app.stop.send_replace(true);
        }))
    }
    #[cfg(not(unix))]
    Ok(tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        app.stop.send_replace(true);
    }))
}

fn router(app: &App) -> Router {
    let router = api_router(app)
        .fallback(serve_rest)
        .method_not_allowed_fallback(refuse_method)
        .layer(from_fn_with_state(app.clone(), around_request))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(answer_panic));
    router.with_state(app.clone())
}

/// What is no operation is a file.
async fn serve_rest(State(app): State<App>, request: Request) -> Answer {
    let path = request.uri().path().trim_start_matches('/');
    if app.is_private() {
        let caller = app.identify(read_credentials(request.headers()), RouteNeed::Read).await?;
        app.permit(caller.as_ref(), RouteNeed::Read, Named::default()).await?;
    }
    match percent_encoding::percent_decode_str(path).decode_utf8() {
        Ok(path) => app.serve_file(request.method(), &path, request.headers()).await,
        Err(_) => Err(Problem::not_found()),
    }
}

async fn refuse_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "there is no such operation at this address")
}

fn answer_panic(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal("an operation panicked").into_response()
}

/// Around every request: how often its address asks, and what every answer says.
async fn around_request(State(app): State<App>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let path = request.uri().path();
    let is_free = path.starts_with("/b/") || matches!(path, "/healthz" | "/readyz");
    let is_check = request.headers().contains_key(header::IF_NONE_MATCH);
    let address = peer.map(|peer| client_address(peer, request.headers(), &app.settings.trusted_proxies));
    let take = |app: &Arc<RegistryServer>| address.map(|address| app.rates.take(address));
    let mut state = if is_free || is_check { None } else { take(&app) };
    if let Some(state) = state.filter(|state| state.is_over) {
        return refuse_rate(state);
    }
    let is_head = *request.method() == Method::HEAD;
    let started = std::time::Instant::now();
    let mut response = next.run(request).await;
    if is_check && !is_free && response.status() != StatusCode::NOT_MODIFIED {
        state = take(&app);
        if let Some(state) = state.filter(|state| state.is_over) {
            return refuse_rate(state);
        }
    }
    crate::metrics::count_request(response.status().as_u16(), started.elapsed());
    let headers = response.headers_mut();
    if let Some(state) = state.filter(|_| !headers.contains_key("ratelimit-limit")) {
        state.write_to(headers);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_head && !headers.contains_key(header::CONTENT_LENGTH) {
        *response.body_mut() = Body::empty();
    }
    response
}

fn refuse_rate(state: RateState) -> Response {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "this address asks too often");
    let mut response = problem.into_response();
    state.write_to(response.headers_mut());
    response
}

/// Makes a local user, or gives one a new password.
///
/// # Errors
/// `Failed` when the database cannot be had, `Usage` for a login or a password that cannot be.
pub fn set_local_user(
    settings: &ServerSettings,
    login: &str,
    password: String,
    is_admin: bool,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = RegistryServer::open(settings.clone()).await?;
        let made = app.set_local_user(login, password, is_admin).await;
        app.db.close().await;
        made.map_err(|problem| Error::new(ba_agent_core::error::Kind::Usage, problem.detail))
    })
}

/// Makes all files anew that are made of others, from what the database says; how many skills.
///
/// # Errors
/// `Failed` when the database or the files cannot be had.
pub fn derive_files(settings: &ServerSettings) -> Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = RegistryServer::open(settings.clone()).await?;
        let derived = app.derive_everything().await;
        app.db.close().await;
        derived.map_err(|problem| error!(Failed, "{}", problem.detail))
    })
}
