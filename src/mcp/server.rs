//! The session: what each request of the protocol is answered with, in both of its eras.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, DiscoverResult,
    ErrorCode, ErrorData, GetSkillRequestParams, GetSkillResult, Implementation, InitializeRequestParams,
    InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceDirectoryRequestParams,
    ReadResourceDirectoryResult, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    Resource, ResourceContents, ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig, Skill,
    SkillFrontmatter, SkillResource, SkillResources, SubscribeRequestParams, SubscriptionFilter,
    UnsubscribeRequestParams,
};
use rmcp::service::{Peer, RequestContext, RoleServer, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData as McpError, ServerHandler};
use serde_json::Value;

use ba_agent_core::error::{Error, Kind};
use ba_agent_engine::ops::mcp::{SkillChanges, SkillEntry, SkillService};

use super::tools;

/// Subscriptions of one client at once.
const SUBSCRIPTIONS: usize = 8;
/// Resources that one client of the older era wants to hear of.
const WATCHED: usize = 1_000;

/// A session with one client.
pub(super) struct McpServer(Arc<McpSession>);

/// What the session and its watcher share.
pub(super) struct McpSession {
    service: SkillService,
    sinks: Mutex<Vec<SubscriptionSink>>,
    /// What a client of the older era subscribed to.
    watched: Mutex<BTreeSet<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl McpServer {
    pub(super) fn new(service: SkillService) -> Self {
        Self(Arc::new(McpSession { service, sinks: Mutex::default(), watched: Mutex::default() }))
    }

    /// For the watcher.
    pub(super) fn share(&self) -> Arc<McpSession> {
        Arc::clone(&self.0)
    }

    fn service(&self) -> &SkillService {
        &self.0.service
    }

    /// How long an answer holds, in milliseconds.
    fn ttl(&self) -> u64 {
        u64::try_from(self.service().interval().as_millis()).unwrap_or(u64::MAX)
    }
}

impl McpSession {
    /// Looks through the sources. What cannot be read is told when it is asked for.
    pub(super) fn load_catalog(&self) {
        let _ = self.service.load_catalog();
    }

    /// Looks at the disk now and then, and tells whoever wants to hear what has changed.
    pub(super) async fn watch(self: Arc<Self>, peer: Peer<RoleServer>) {
        loop {
            tokio::time::sleep(self.service.interval()).await;
            // A client of the older era has introduced itself; one of the newer has subscribed, or works
            // with a skill of which it may want more files.
            let is_older = peer.peer_info().is_some();
            let is_waited_for = is_older || !lock(&self.sinks).is_empty() || self.service.has_activated();
            if !is_waited_for {
                continue;
            }
            // What cannot be read now may be at the next look; who asks meanwhile is told.
            let Ok(change) = self.service.look_for_changes() else { continue };
            if change.skills.is_empty() && !change.schema {
                continue;
            }
            if is_older {
                self.tell_older_client(&peer, &change).await;
            }
            let sinks: Vec<SubscriptionSink> = lock(&self.sinks).clone();
            for sink in sinks {
                tell_subscriber(&sink, &change).await;
            }
        }
    }

    async fn tell_older_client(&self, peer: &Peer<RoleServer>, change: &SkillChanges) {
        // Where it has gone the session ends by itself.
        if change.schema {
            let _ = peer.notify_tool_list_changed().await;
        }
        let _ = peer.notify_resource_list_changed().await;
        let watched: Vec<String> = {
            let watched = lock(&self.watched);
            change.skills.iter().filter(|uri| watched.contains(*uri)).cloned().collect()
        };
        for uri in watched {
            let _ = peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await;
        }
    }
}

async fn tell_subscriber(sink: &SubscriptionSink, change: &SkillChanges) {
    let accepted = sink.accepted();
    if change.schema && accepted.tools_list_changed == Some(true) {
        let _ = sink.notify_tool_list_changed().await;
    }
    if accepted.resources_list_changed == Some(true) {
        let _ = sink.notify_resource_list_changed().await;
    }
    let wanted = accepted.resource_subscriptions.iter().flatten();
    for uri in wanted.filter(|uri| change.skills.contains(uri)) {
        let _ = sink.notify_resource_updated(uri.as_str()).await;
    }
}

/// An error of the engine as one of the protocol: what was asked for is wrong, or we are.
fn protocol_error(error: &Error) -> McpError {
    let text = tools::text_of_error(error);
    match error.kind {
        Kind::NotFound | Kind::Usage | Kind::Invalid | Kind::Conflict | Kind::Integrity => {
            McpError::invalid_params(text, None)
        }
        _ => McpError::internal_error(text, None),
    }
}

fn skill_of(entry: SkillEntry) -> Skill {
    let mut extra = entry.frontmatter;
    let mut text = |key: &str| match extra.shift_remove(key) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let mut frontmatter = SkillFrontmatter::new(text("name"), text("description"));
    frontmatter.extra = extra;
    let files = entry.files.into_iter().map(|file| SkillResource::new(file.uri, file.digest, file.size));
    Skill::new(entry.uri, frontmatter, SkillResources::Files(files.collect()))
}

fn resource_of(resource: ba_agent_engine::ops::mcp::ServedResource) -> Resource {
    let mut made = Resource::new(resource.uri, resource.name);
    made.description = resource.description;
    made.size = resource.size;
    made.mime_type = match resource.is_folder {
        true => Some(rmcp::model::DIRECTORY_MIME_TYPE.to_owned()),
        false => resource.media_type.map(str::to_owned),
    };
    made
}

fn cursor_of(request: Option<&PaginatedRequestParams>) -> Option<&str> {
    request.and_then(|request| request.cursor.as_deref())
}

/// The lists that are always empty have no page to go on with.
fn refuse_cursor(request: Option<&PaginatedRequestParams>) -> Result<(), McpError> {
    match cursor_of(request) {
        Some(_) => Err(McpError::invalid_params("this list has no pages", None)),
        None => Ok(()),
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_prompts()
            .build();
        let settings = serde_json::Map::from_iter([("directoryRead".to_owned(), Value::Bool(true))]);
        let extension = rmcp::model::SKILLS_EXTENSION_ID.to_owned();
        capabilities.extensions = Some(std::iter::once((extension, settings)).collect());
        let server = Implementation::new("ba-agent", env!("CARGO_PKG_VERSION"))
            .with_title("Agent skills")
            .with_description("The skills that are installed here, with their files as they were installed");
        ServerConfig::new(capabilities).with_server_info(server)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, McpError> {
        context.peer.set_peer_info(request.clone());
        let mut result = self.negotiate_initialize(&request)?;
        // Without them the tools say the same.
        result.instructions = self.service().instructions().ok();
        Ok(result)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, McpError> {
        let versions: Vec<ProtocolVersion> = self.supported_protocol_versions().into_owned();
        let mut info = self.get_info();
        info.instructions = self.service().instructions().ok();
        let result = DiscoverResult::from_server_info(versions, info);
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, McpError> {
        refuse_cursor(request.as_ref())?;
        let names = self.service().schema_names().map_err(|error| protocol_error(&error))?;
        let result = ListToolsResult::with_all_items(tools::describe_tools(&names));
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, McpError> {
        let arguments = request.arguments.unwrap_or_default();
        let result = tools::call_tool(self.service(), &request.name, arguments);
        let unknown = || McpError::invalid_params(format!("there is no tool `{}`", request.name), None);
        result.map(CallToolResponse::from).ok_or_else(unknown)
    }

    async fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, McpError> {
        let page = self
            .service()
            .list_entries(cursor_of(request.as_ref()))
            .map_err(|error| protocol_error(&error))?;
        let mut result = ListSkillsResult::with_all_items(page.items.into_iter().map(skill_of).collect());
        result.next_cursor = page.next;
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, McpError> {
        let entry = self.service().find_entry(&request.uri).map_err(|error| protocol_error(&error))?;
        let result = GetSkillResult::new(skill_of(entry));
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, McpError> {
        let page = self
            .service()
            .list_resources(cursor_of(request.as_ref()))
            .map_err(|error| protocol_error(&error))?;
        let mut result =
            ListResourcesResult::with_all_items(page.items.into_iter().map(resource_of).collect());
        result.next_cursor = page.next;
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, McpError> {
        refuse_cursor(request.as_ref())?;
        let result = ListResourceTemplatesResult::default();
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, McpError> {
        refuse_cursor(request.as_ref())?;
        Ok(ListPromptsResult::default().with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, McpError> {
        let read = self.service().read_resource(&request.uri).map_err(|error| match error.kind {
            // The older era has a code of its own for this; the newer one is put right later.
            Kind::NotFound => McpError::resource_not_found(tools::text_of_error(&error), None),
            _ => protocol_error(&error),
        })?;
        let contents = match String::from_utf8(read.bytes) {
            Ok(text) => ResourceContents::text(text, request.uri)
                .with_mime_type(read.media_type.unwrap_or("text/plain")),
            Err(bytes) => ResourceContents::blob(tools::encode_base64(bytes.as_bytes()), request.uri)
                .with_mime_type(read.media_type.unwrap_or("application/octet-stream")),
        };
        let result = ReadResourceResult::new(vec![contents]);
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private).into())
    }

    async fn read_resource_directory(
        &self,
        request: ReadResourceDirectoryRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceDirectoryResult, McpError> {
        let children = self
            .service()
            .read_directory(&request.uri, request.cursor.as_deref())
            .map_err(|error| protocol_error(&error))?;
        let result = ListResourcesResult::with_all_items(children.into_iter().map(resource_of).collect());
        Ok(result.with_ttl_ms(self.ttl()).with_cache_scope(CacheScope::Private))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // Whatever changes from now on is told.
        let _ = self.service().begin_watching();
        let mut accepted = requested.clone();
        accepted.prompts_list_changed = None;
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.truncate(WATCHED);
            uris.retain(|uri| self.service().find_entry(uri).is_ok());
        }
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), McpError> {
        let sink = context.sink().clone();
        {
            let mut sinks = lock(&self.0.sinks);
            if sinks.len() >= SUBSCRIPTIONS {
                let why = format!("{SUBSCRIPTIONS} subscriptions are open already: end one of them first");
                return Err(McpError::invalid_request(why, None));
            }
            sinks.push(sink.clone());
        }
        context.cancelled().await;
        lock(&self.0.sinks).retain(|known| known.id() != sink.id());
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), McpError> {
        self.service().find_entry(&request.uri).map_err(|error| protocol_error(&error))?;
        let mut watched = lock(&self.0.watched);
        if watched.len() >= WATCHED {
            return Err(McpError::invalid_request(format!("{WATCHED} resources are watched already"), None));
        }
        watched.insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), McpError> {
        lock(&self.0.watched).remove(&request.uri);
        Ok(())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, McpError> {
        // A method that we know comes here where its parameters are not what it takes.
        const KNOWN: [&str; 9] = [
            "tools/call",
            "skills/get",
            "resources/read",
            "resources/directory/read",
            "resources/subscribe",
            "resources/unsubscribe",
            "subscriptions/listen",
            "server/discover",
            "initialize",
        ];
        Err(match KNOWN.contains(&request.method.as_str()) {
            true => McpError::invalid_params(format!("not valid parameters of {}", request.method), None),
            false => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None),
        })
    }
}
