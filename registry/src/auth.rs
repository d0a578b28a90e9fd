//! Who asks, and whether they may. What each route needs stands in the table of routes; here that
//! need is held against the token, the names it is bound to, and what its person is to the owner.

pub(crate) mod credentials;
pub(crate) mod oidc;
pub(crate) mod passwords;

use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;

use self::credentials::{AccessSecret, RequestCredentials, read_credentials};
use crate::clock::now_millis;
use crate::db::DbError;
use crate::db::tokens::TokenRow;
use crate::problem::{Answer, Problem};
use crate::registry::{App, RegistryServer};
use crate::settings::ReadAccess;

/// What a token may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenScope {
    Read,
    Publish,
    Yank,
    Owner,
    Admin,
}

impl TokenScope {
    /// All of them, the weakest first.
    pub(crate) const ALL: [Self; 5] = [Self::Read, Self::Publish, Self::Yank, Self::Owner, Self::Admin];

    /// As tokens name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Yank => "yank",
            Self::Owner => "owner",
            Self::Admin => "admin",
        }
    }

    /// The scope of that name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// What an operation asks of whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteNeed {
    /// Nothing, also where reading wants a token.
    Open,
    /// To be allowed to read.
    Read,
    /// To be somebody.
    User,
    /// To manage one's own account: a session, a password, or a token that may.
    Account,
    /// The scope, for the name in the path, and a role with its owner.
    Publish,
    Yank,
    Owner,
    /// To be an admin, by a token that may or a session.
    Admin,
}

impl RouteNeed {
    /// The scope that a token must have.
    pub(crate) fn scope(self) -> Option<TokenScope> {
        match self {
            Self::Open => None,
            Self::Read | Self::User => Some(TokenScope::Read),
            Self::Account | Self::Owner => Some(TokenScope::Owner),
            Self::Publish => Some(TokenScope::Publish),
            Self::Yank => Some(TokenScope::Yank),
            Self::Admin => Some(TokenScope::Admin),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct ApiCaller {
    pub(crate) user: i64,
    pub(crate) login: String,
    pub(crate) is_admin: bool,
    /// What the token may do; none for a session and a password, which may all that the person may.
    pub(crate) token: Option<TokenRow>,
}

impl ApiCaller {
    /// Whether the token, if it is one, has a scope.
    pub(crate) fn has_scope(&self, scope: TokenScope) -> bool {
        self.token.as_ref().is_none_or(|token| token.scopes.iter().any(|one| one == scope.as_str()))
    }

    /// Whether the token, if it is one, is for `@owner/name`, or for all of `@owner` without a name.
    pub(crate) fn covers(&self, owner: &str, name: Option<&str>) -> bool {
        let Some(token) = &self.token else { return true };
        let whole = format!("@{owner}/*");
        let is_for =
            |one: &String| *one == whole || name.is_some_and(|name| *one == format!("@{owner}/{name}"));
        token.names.is_empty() || token.names.iter().any(is_for)
    }

    /// Who it is, as events name them.
    pub(crate) fn actor(&self) -> &str {
        &self.login
    }
}

impl RegistryServer {
    /// Whoever these credentials are of; `None` without any.
    ///
    /// # Errors
    /// 401 for credentials that are not, or no longer, good; 503 when nobody can say.
    pub(crate) async fn identify(
        &self,
        credentials: Option<RequestCredentials>,
        need: RouteNeed,
    ) -> Answer<Option<ApiCaller>> {
        match credentials {
            None => Ok(None),
            Some(RequestCredentials::Token(secret)) => self.identify_token(secret, need).await.map(Some),
            Some(RequestCredentials::Session(secret)) => self.identify_session(&secret).await,
            Some(RequestCredentials::Password { login, password }) if need == RouteNeed::Account => {
                self.identify_password(&login, password).await.map(Some)
            }
            Some(RequestCredentials::Password { .. }) => {
                Err(Problem::unauthorized("a password is taken where tokens are made, and nowhere else"))
            }
            Some(RequestCredentials::Jwt(jwt)) if need == RouteNeed::Read => {
                let claims = self.verify_jwt(jwt).await?;
                Ok(Some(ApiCaller { user: 0, login: claims.subject, is_admin: false, token: None }))
            }
            Some(RequestCredentials::Jwt(_)) => Err(Problem::unauthorized(
                "a build's token is good for reading, and for `/api/v1/oidc/token`",
            )),
            Some(RequestCredentials::Unknown) => {
                Err(Problem::unauthorized("these credentials are not of this registry"))
            }
        }
    }

    async fn identify_token(&self, secret: AccessSecret, need: RouteNeed) -> Answer<ApiCaller> {
        let hash = secret.hash();
        let found = match self.db.find_token(hash.clone()).await {
            Ok(found) => found,
            // Reads go on while the database is away, for whoever was seen shortly before.
            Err(DbError::Unavailable(why)) if need == RouteNeed::Read => match self.seen_tokens.get(&hash) {
                Some(token) => Some(token),
                None => return Err(DbError::Unavailable(why).into()),
            },
            Err(other) => return Err(other.into()),
        };
        let Some(token) = found else {
            return Err(Problem::unauthorized("the token is not one of this registry"));
        };
        if token.is_revoked && token.ban_reason.is_none() {
            return Err(Problem::unauthorized("the token was revoked"));
        }
        if token.is_banned {
            let why = token.ban_reason.clone().unwrap_or_default();
            return Err(Problem::unauthorized(format!("the account is banned: {why}")));
        }
        let now = now_millis();
        if token.expires_at <= now {
            return Err(Problem::unauthorized("the token has expired"));
        }
        if token.last_used_at.is_none_or(|at| now - at > 60_000) {
            let (db, id) = (self.db.clone(), token.id);
            tokio::spawn(async move { drop(db.touch_token(id).await) });
        }
        self.seen_tokens.insert(hash, token.clone());
        Ok(ApiCaller {
            user: token.user,
            login: token.login.clone(),
            is_admin: token.is_admin,
            token: Some(token),
        })
    }

    async fn identify_session(&self, secret: &AccessSecret) -> Answer<Option<ApiCaller>> {
        let found = self.db.find_session(secret.hash()).await?;
        Ok(found.map(|(user, login, is_admin)| ApiCaller { user, login, is_admin, token: None }))
    }

    /// Whether the caller may do what a route is for.
    ///
    /// # Errors
    /// 401 where somebody is wanted, 403 where somebody else or another token is, 404 where the
    /// owner is not one that they can know of.
    pub(crate) async fn permit(
        &self,
        caller: Option<&ApiCaller>,
        need: RouteNeed,
        names: Named<'_>,
    ) -> Answer<()> {
        if need == RouteNeed::Open || (need == RouteNeed::Read && self.settings.auth.read == ReadAccess::None)
        {
            return Ok(());
        }
        let Some(caller) = caller else {
            return Err(Problem::unauthorized("this needs a token")
                .with_hint("`ba-agent login` gets one; send it as `Authorization: Bearer …`"));
        };
        if let Some(scope) = need.scope().filter(|scope| !caller.has_scope(*scope)) {
            return Err(Problem::missing_scope(scope.as_str(), None));
        }
        match need {
            RouteNeed::Admin if !caller.is_admin => Err(Problem::missing_scope("admin", None)),
            RouteNeed::Account if caller.token.as_ref().is_some_and(|token| !token.names.is_empty()) => {
                Err(Problem::missing_scope("owner", None))
            }
            RouteNeed::Publish | RouteNeed::Yank | RouteNeed::Owner => {
                self.permit_name(caller, need, names).await
            }
            _ => Ok(()),
        }
    }

    async fn permit_name(&self, caller: &ApiCaller, need: RouteNeed, names: Named<'_>) -> Answer<()> {
        let Some(owner) = names.owner else { return Ok(()) };
        let scope = need.scope().unwrap_or(TokenScope::Owner).as_str();
        let shown = names.name.map_or_else(|| format!("@{owner}"), |name| format!("@{owner}/{name}"));
        if !caller.covers(owner, names.name) {
            return Err(Problem::missing_scope(scope, Some(&shown)));
        }
        let role = self.db.role_of(caller.user, owner).await?;
        match role.as_deref() {
            Some("owner") => Ok(()),
            Some("publisher") if need != RouteNeed::Owner => Ok(()),
            // A name that nobody has is claimed by who publishes first.
            None if need == RouteNeed::Publish && self.db.find_owner(owner).await?.is_none() => Ok(()),
            // A build that is trusted has a token for that one name, and no membership.
            None if need == RouteNeed::Publish && is_build_token(caller, &shown) => Ok(()),
            _ => Err(Problem::new(
                axum::http::StatusCode::FORBIDDEN,
                format!("`{}` is not among those who may `{scope}` for `@{owner}`", caller.login),
            )),
        }
    }
}

/// True for the token of a trusted build: the one name in it was checked when it was given.
fn is_build_token(caller: &ApiCaller, name: &str) -> bool {
    // No person's login has such signs.
    let is_build = caller.login.contains("://") && caller.login.contains('#');
    is_build && caller.token.as_ref().is_some_and(|token| token.names == [name])
}

/// The names in a path.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Named<'a> {
    pub(crate) owner: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

/// Stands before each operation: who asks, and may they. Whoever it is stands in the extensions
/// of the request.
pub(crate) async fn guard_route(
    State((app, need)): State<(App, RouteNeed)>,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Answer {
    let (method, headers) = (request.method().clone(), request.headers().clone());
    match admit_request(&app, need, &params, &method, &headers).await {
        Ok(caller) => {
            request.extensions_mut().insert(MaybeCaller(caller));
            Ok(next.run(request).await)
        }
        Err(problem) => {
            // What was sent is read, so that who sent it hears the answer and the connection stays.
            let _ = axum::body::to_bytes(request.into_body(), DRAINED).await;
            Err(problem)
        }
    }
}

/// Bytes of a body that is refused which are read all the same.
pub(crate) const DRAINED: usize = 1 << 20;

async fn admit_request(
    app: &RegistryServer,
    need: RouteNeed,
    params: &RawPathParams,
    method: &Method,
    headers: &HeaderMap,
) -> Answer<Option<ApiCaller>> {
    let credentials = read_credentials(headers);
    check_origin(method, headers, credentials.as_ref())?;
    let caller = if need == RouteNeed::Open { None } else { app.identify(credentials, need).await? };
    let find = |wanted: &str| params.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
    let named = Named { owner: find("owner"), name: find("name") };
    app.permit(caller.as_ref(), need, named).await?;
    Ok(caller)
}

/// Whoever asks, in the extensions of a request.
#[derive(Debug, Clone)]
pub(crate) struct MaybeCaller(pub(crate) Option<ApiCaller>);

impl MaybeCaller {
    /// The caller of an operation that is for somebody.
    ///
    /// # Errors
    /// 401 where there is nobody.
    pub(crate) fn known(self) -> Answer<ApiCaller> {
        self.0.ok_or_else(|| Problem::unauthorized("this needs a token"))
    }
}

/// A browser's session changes something only from a page of this registry.
fn check_origin(
    method: &Method,
    headers: &HeaderMap,
    credentials: Option<&RequestCredentials>,
) -> Answer<()> {
    if method.is_safe() || !matches!(credentials, Some(RequestCredentials::Session(_))) {
        return Ok(());
    }
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    match origin.is_some_and(|origin| origin == host && !host.is_empty()) {
        true => Ok(()),
        false => Err(Problem::new(
            axum::http::StatusCode::FORBIDDEN,
            "a session may change something only from a page of this registry",
        )),
    }
}
