//! The table of all operations: which address, what it needs, what it may answer. The router, the
//! guard before each operation, and the description in OpenAPI are made of it, and so is the test
//! that tries each with every kind of token.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;

use crate::api;
use crate::auth::guard_route;
use crate::registry::App;
use crate::route_spec::RouteSpec;

/// All operations.
pub(crate) fn all_routes() -> impl Iterator<Item = &'static RouteSpec> {
    let parts: [&[RouteSpec]; 7] = [
        api::account::ROUTES,
        api::admin::ROUTES,
        api::compat::ROUTES,
        api::health::ROUTES,
        api::people::ROUTES,
        api::publish::ROUTES,
        api::skills::ROUTES,
    ];
    parts.into_iter().flatten()
}

/// The router of all operations, each behind its guard.
pub(crate) fn api_router(app: &App) -> Router<App> {
    let mut router = Router::new();
    for spec in all_routes() {
        let guard = from_fn_with_state((app.clone(), spec.need), guard_route);
        router = router.route(spec.path, (spec.handler)().route_layer(guard));
    }
    router.layer(DefaultBodyLimit::max(api::JSON_LIMIT))
}
