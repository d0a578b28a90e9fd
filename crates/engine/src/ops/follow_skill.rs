//! `skill follow`, `unfollow` and `following`: skills of registries that somebody wants to hear of.
//! The list stands in the user's settings; what is new is read from the index of each, so it works
//! without a server. Where there is one, and a token, it is told too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::config::change_setting;
use crate::fetch::World;
use crate::fetch::remote_registry::{RegistryApi, RemoteRegistry};
use crate::registry_tokens;
use crate::settings::remote_registries::ConfiguredRegistry;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::remote_registry::ScopedName;
use ba_agent_core::source::{Reference, RegistryChoice, Request, Source};
use ba_agent_net::http::Method;
use ba_agent_system::fsx;
use ba_agent_system::parallel;

/// The settings that hold the two lists.
const FOLLOWED: &str = "follows.skills";
const NOTIFIED: &str = "follows.notify";
/// Bytes of what was seen.
const LARGEST: u64 = 4 << 20;

/// A followed skill as it stands in the list.
#[derive(Debug, Clone, Serialize)]
pub struct FollowedSkill {
    /// `@owner/name`, or with the name of a registry before it.
    pub name: String,
    /// Whether `outdated` tells of new versions.
    pub notify: bool,
    /// False where it was so already.
    pub changed: bool,
    /// Whether its registry's server was told too.
    pub told_server: bool,
}

/// Puts a skill onto the list, or says whether it is to be told of.
///
/// # Errors
/// `Usage` for what is not a skill of a registry, `NotFound` for one that no registry has; those of
/// changing the settings.
pub fn follow(
    workspace: &Workspace,
    name: &str,
    notify: Option<bool>,
    observer: &dyn Observer,
) -> Result<FollowedSkill> {
    let user = workspace.for_user();
    let session = user.open_unrepaired(observer)?;
    let world = session.world();
    let request = parse_followed(name)?;
    let text = request.source.to_string();
    let (registry, skill) = open(&request, &world)?;
    let versions = registry.versions(&skill)?;
    let is_known = session.settings.followed.contains(&text);
    let was_told = session.settings.notified.contains(&text);
    let notify = notify.unwrap_or(!is_known || was_told);
    let changed = !is_known || was_told != notify;
    change_list(&user, FOLLOWED, &session.settings.followed, &text, true, observer)?;
    change_list(&user, NOTIFIED, &session.settings.notified, &text, notify, observer)?;
    if !is_known && let Some(newest) = registry.newest(&versions) {
        let mut seen = read_seen(&session);
        seen.insert(text.clone(), newest.version.to_string());
        write_seen(&session, &seen);
    }
    let told = tell_server(&session, &registry, &skill, &[("subscribe", None), ("push", Some(notify))]);
    Ok(FollowedSkill { name: text, notify, changed, told_server: told })
}

/// Takes a skill off the list.
///
/// # Errors
/// `NotFound` for one that is not on it; those of changing the settings.
pub fn unfollow(workspace: &Workspace, name: &str, observer: &dyn Observer) -> Result<FollowedSkill> {
    let user = workspace.for_user();
    let session = user.open_unrepaired(observer)?;
    let request = parse_followed(name)?;
    let text = request.source.to_string();
    if !session.settings.followed.contains(&text) {
        return Err(error!(NotFound, "you do not follow `{text}`")
            .hint("`ba-agent skill following` lists what you follow"));
    }
    change_list(&user, FOLLOWED, &session.settings.followed, &text, false, observer)?;
    change_list(&user, NOTIFIED, &session.settings.notified, &text, false, observer)?;
    let mut seen = read_seen(&session);
    seen.remove(&text);
    write_seen(&session, &seen);
    let world = session.world();
    let told = open(&request, &world)
        .map(|(registry, skill)| tell_server(&session, &registry, &skill, &[("unsubscribe", None)]))
        .unwrap_or(false);
    Ok(FollowedSkill { name: text, notify: false, changed: true, told_server: told })
}

/// What is known of a followed skill now.
#[derive(Debug, Serialize)]
pub struct FollowingView {
    pub name: String,
    pub notify: bool,
    /// The newest version that may be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// What was the newest when this list was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// True where the newest is another one than that.
    pub new: bool,
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// What is new of the skills that are followed; from then on it counts as seen.
///
/// # Errors
/// Those of reading the settings. A registry that does not answer is told in its row.
pub fn following(workspace: &Workspace, observer: &dyn Observer) -> Result<Vec<FollowingView>> {
    let session = workspace.for_user().open_unrepaired(observer)?;
    let views = look(&session, &session.settings.followed)?;
    let mut seen = read_seen(&session);
    for view in &views {
        seen.extend(view.newest.clone().map(|newest| (view.name.clone(), newest)));
    }
    seen.retain(|name, _| session.settings.followed.contains(name));
    write_seen(&session, &seen);
    Ok(views)
}

/// What is new of those that are to be told of; it does not count as seen.
///
/// # Errors
/// `Interrupted` when the command is to end.
pub(super) fn new_versions(session: &Session<'_>) -> Result<Vec<FollowingView>> {
    let mut views = look(session, &session.settings.notified)?;
    views.retain(|view| view.new);
    Ok(views)
}

fn look(session: &Session<'_>, names: &[String]) -> Result<Vec<FollowingView>> {
    let (world, seen) = (session.world(), read_seen(session));
    let view = |name: &String| {
        let newest = newest_of(name, &world);
        let (newest, published_at, error) = match newest {
            Ok(found) => (found.as_ref().map(|(version, _)| version.clone()), found.map(|(_, at)| at), None),
            Err(error) => (None, None, Some(error)),
        };
        let seen = seen.get(name).cloned();
        let new = newest.is_some() && newest != seen;
        let (name, notify) = (name.clone(), session.settings.notified.contains(name));
        Ok(FollowingView { name, notify, newest, published_at, seen, new, error })
    };
    parallel::run_jobs(parallel::MAX_HOSTS, names, || world.check_cancelled(), view)
}

fn newest_of(name: &str, world: &World<'_>) -> Result<Option<(String, Timestamp)>> {
    let (registry, skill) = open(&parse_followed(name)?, world)?;
    let versions = registry.versions(&skill)?;
    Ok(registry.newest(&versions).map(|line| (line.version.to_string(), line.published_at)))
}

/// A skill of a registry and nothing more.
fn parse_followed(text: &str) -> Result<Request> {
    let request = Request::parse(text)?;
    if request.source.as_registry_skill().is_none() {
        return Err(error!(Usage, "`{}` is not a skill of a registry", printable(text, false))
            .hint("write it like `@owner/name`"));
    }
    if request.reference != Reference::Default {
        return Err(error!(Usage, "a skill is followed, not a version of it")
            .hint(format!("write `{}`", request.source)));
    }
    Ok(request)
}

fn open<'w>(request: &Request, world: &'w World<'w>) -> Result<(RemoteRegistry<'w>, ScopedName)> {
    let Source::RemoteRegistry { registry, skill } = &request.source else {
        return Err(error!(Usage, "`{}` is not a skill of a registry", request.source));
    };
    let url = match registry {
        RegistryChoice::At(url) => url.clone(),
        choice => world.settings.remote_registries.address_for(choice, skill)?,
    };
    Ok((RemoteRegistry::open(&url, world)?, skill.clone()))
}

/// Puts a name into a list of the user's settings, or takes it out.
fn change_list(
    user: &Workspace,
    key: &str,
    before: &[String],
    name: &str,
    is_in: bool,
    observer: &dyn Observer,
) -> Result<()> {
    let mut list: Vec<String> = before.iter().filter(|one| *one != name).cloned().collect();
    list.extend(is_in.then(|| name.to_owned()));
    list.sort();
    let words = (!list.is_empty()).then_some(list.as_slice());
    if words.is_none() && before.is_empty() {
        return Ok(());
    }
    change_setting(user, key, words, observer).map(drop)
}

/// Tells the server, where there is one and a token for it; what goes wrong there is only told.
fn tell_server(
    session: &Session<'_>,
    registry: &RemoteRegistry<'_>,
    skill: &ScopedName,
    calls: &[(&str, Option<bool>)],
) -> bool {
    let configured: Option<&ConfiguredRegistry> = registry.configured();
    let has_token = configured
        .is_some_and(|one| registry_tokens::find_token(&session.env, one).is_ok_and(|token| token.is_some()));
    if session.offline || !has_token {
        return false;
    }
    let told = RegistryApi::open(registry).and_then(|api| {
        calls.iter().try_for_each(|(call, enabled)| {
            let body = enabled
                .map_or_else(|| serde_json::json!({}), |enabled| serde_json::json!({ "enabled": enabled }));
            api.call(&Method::POST, &format!("skills/{skill}/{call}"), Some(&body)).map(drop)
        })
    });
    match told {
        Ok(()) => true,
        // Files alone have nobody to tell.
        Err(error) if error.kind == Kind::Usage => false,
        Err(error) => {
            session.warn(&format!("the list here is changed, its registry was not told: {}", error.message));
            false
        }
    }
}

/// The newest version of each when the list was last looked at.
type SeenVersions = BTreeMap<String, String>;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SeenFile {
    seen: SeenVersions,
}

fn seen_file(session: &Session<'_>) -> Option<PathBuf> {
    Some(session.env.data_dir().ok()?.join("following.json"))
}

/// What cannot be read counts as not seen.
fn read_seen(session: &Session<'_>) -> SeenVersions {
    let bytes = seen_file(session).and_then(|file| fsx::read_plain_file(&file, LARGEST).ok().flatten());
    bytes.and_then(|bytes| serde_json::from_slice::<SeenFile>(&bytes).ok()).unwrap_or_default().seen
}

/// Without a place for it everything is told once more.
fn write_seen(session: &Session<'_>, seen: &SeenVersions) {
    let Some(file) = seen_file(session) else { return };
    let text = serde_json::to_vec_pretty(&SeenFile { seen: seen.clone() }).unwrap_or_default();
    let _ = fsx::create_folders(fsx::parent(&file));
    let _ = fsx::write_atomic(&file, &text);
}
