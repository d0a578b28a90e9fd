//! `registry add`: a registry into the settings, once it has said that it is one.

use std::path::{Path, PathBuf};

use url::Url;

use crate::fetch::World;
use crate::fetch::remote_registry::RemoteRegistry;
use crate::settings::change::SettingsFile;
use crate::settings::remote_registries::{ConfiguredRegistry, RegistrySection};
use crate::store::lock::Lock;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::remote_registry::{OwnerName, RegistryDescription};
use ba_agent_core::source::{is_registry_name, parse_registry_address};

/// What is added, and where.
#[derive(Debug, Default)]
pub struct AddRegistryOptions {
    /// What it is called; without one, what it calls itself.
    pub name: Option<String>,
    /// Its address, or a folder of this machine.
    pub address: String,
    /// The owners whose skills come from it.
    pub serves: Vec<String>,
    /// Copies of it.
    pub mirrors: Vec<String>,
    /// It has the owners that no registry names.
    pub default: bool,
    /// Replace one of this name, and forget what was seen of it.
    pub force: bool,
    /// Into the project's settings, instead of the user's.
    pub for_project: bool,
}

/// What was added.
#[derive(Debug)]
pub struct AddRegistryReport {
    pub name: String,
    pub url: String,
    /// The settings that name it now.
    pub file: PathBuf,
    /// False where they said so already.
    pub changed: bool,
    /// What it says of itself; `None` where that could not be asked.
    pub description: Option<RegistryDescription>,
    /// Why not.
    pub unasked: Option<Error>,
}

/// Adds a registry to the settings: asked what it is, with the key of its log noted.
///
/// # Errors
/// `Usage` for an address or a name that is none; `Conflict` for a name or an owner that another one
/// has, unless forced; what keeps it from being asked, but for a token that is wanted.
pub fn add(
    workspace: &Workspace,
    options: &AddRegistryOptions,
    observer: &dyn Observer,
) -> Result<AddRegistryReport> {
    let workspace = if options.for_project { workspace.clone() } else { workspace.for_user() };
    let session = workspace.open_unrepaired(observer)?;
    let url = address_of(&options.address, &session)?;
    let mut section = RegistrySection {
        url: url.clone().try_into().map_err(|why: String| error!(Usage, "{why}"))?,
        scopes: options.serves.iter().map(|owner| owner.parse()).collect::<Result<Vec<OwnerName>>>()?,
        mirrors: options.mirrors.iter().map(|mirror| mirror_of(mirror, &session)).collect::<Result<_>>()?,
        default: options.default,
        log_key: None,
    };
    let asked = ask(&session, options.name.as_deref(), &section, options.force)?;
    section.log_key = asked.description.as_ref().and_then(|it| it.log.as_ref()).map(|log| log.key.clone());
    let name = name_of(options.name.as_deref(), asked.description.as_ref(), &url)?;
    let (file, changed) = write(&session, &name, &section, options.force)?;
    Ok(AddRegistryReport { name, url, file, changed, description: asked.description, unasked: asked.why_not })
}

/// An address, or a folder by its path.
///
/// # Errors
/// `Usage` for what is neither.
pub(super) fn address_of(text: &str, session: &Session<'_>) -> Result<String> {
    if text.contains("://") {
        return parse_registry_address(text);
    }
    let folder = session.env.absolute(Path::new(text));
    let is_path = text.starts_with(['.', '/', '~']) || folder.is_dir();
    match Url::from_file_path(&folder) {
        Ok(url) if is_path => parse_registry_address(url.as_str()),
        _ => Err(error!(Usage, "`{}` is not the address of a registry", printable(text, false))
            .hint(format!("for a host write `https://{}`, for a folder `./folder`", printable(text, false)))),
    }
}

fn mirror_of(
    text: &str,
    session: &Session<'_>,
) -> Result<crate::settings::remote_registries::RegistryAddress> {
    address_of(text, session)?.try_into().map_err(|why: String| error!(Usage, "{why}"))
}

/// What a registry said when it was asked.
struct AskedRegistry {
    description: Option<RegistryDescription>,
    why_not: Option<Error>,
}

fn ask(
    session: &Session<'_>,
    name: Option<&str>,
    section: &RegistrySection,
    force: bool,
) -> Result<AskedRegistry> {
    if session.offline {
        let why = error!(Network, "it was not asked what it is: this run is offline");
        return Ok(AskedRegistry { description: None, why_not: Some(why) });
    }
    // As it will be, so that its token goes with the question; but for the key, which is asked for.
    let mut settings = session.settings.clone();
    settings.remote_registries.put(ConfiguredRegistry {
        name: name.unwrap_or("registry").to_owned(),
        url: section.url.as_str().to_owned(),
        scopes: Vec::new(),
        mirrors: Vec::new(),
        is_default: false,
        log_key: None,
        is_of_project: session.scope.is_project(),
    });
    let base = session.scope.base();
    let world =
        World::new(&session.env, &settings, base, false, session.observer, Some(session.cache.clone()));
    let registry = RemoteRegistry::open(section.url.as_str(), &world)?;
    if force {
        registry.forget_copies();
    }
    match registry.description(true) {
        Ok(description) => Ok(AskedRegistry { description: Some(description), why_not: None }),
        Err(error) if error.kind == Kind::Auth => {
            Ok(AskedRegistry { description: None, why_not: Some(error) })
        }
        Err(error) => Err(error
            .wrap(format!("`{}` cannot be added as a registry", section.url))
            .hint("a registry has a `registry.json` at its top")),
    }
}

fn name_of(given: Option<&str>, description: Option<&RegistryDescription>, url: &str) -> Result<String> {
    let unnamed = |shown: &str| {
        error!(Usage, "`{}` is not a valid name of a registry", printable(shown, false))
            .hint("a name has small letters, digits and `-` between them: `ba-agent registry add NAME URL`")
    };
    if let Some(name) = given {
        return if is_registry_name(name) { Ok(name.to_owned()) } else { Err(unnamed(name)) };
    }
    let own = description.map(|description| description.name.to_ascii_lowercase());
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    // `skills.acme.dev` is called `acme`.
    let of_host = host.and_then(|host| host.rsplit('.').nth(1).map(str::to_owned));
    let candidates = [own.clone(), of_host].into_iter().flatten();
    candidates
        .into_iter()
        .find(|name| is_registry_name(name))
        .ok_or_else(|| unnamed(own.as_deref().unwrap_or(url)))
}

/// Writes it into the settings of the session's scope, under their lock.
fn write(
    session: &Session<'_>,
    name: &str,
    section: &RegistrySection,
    force: bool,
) -> Result<(PathBuf, bool)> {
    let path = session.store.state_dir().settings_lock_file();
    let lock = Lock::take(&path, session.lock_wait()?, &|what: &str| session.note(what))?;
    let outcome = write_locked(session, name, section, force);
    lock.release();
    outcome
}

fn write_locked(
    session: &Session<'_>,
    name: &str,
    section: &RegistrySection,
    force: bool,
) -> Result<(PathBuf, bool)> {
    let root = session.scope.is_project().then(|| session.scope.base());
    let file = SettingsFile::read(&session.scope.settings_file(), root, &session.settings.allow_links_to)?;
    let known = file.registries()?;
    if let Some((_, before)) = known.iter().find(|(known, _)| known.as_str() == name)
        && before != section
        && !force
    {
        return Err(error!(Conflict, "there is a registry named `{name}`: {}", before.url)
            .hint("choose another name, or replace it with `--force`"));
    }
    for (other, one) in known.iter().filter(|(other, _)| other.as_str() != name) {
        if let Some(owner) = section.scopes.iter().find(|owner| one.scopes.contains(owner)) {
            return Err(error!(Conflict, "`{owner}` belongs to the registry `{}`", other.as_str())
                .cause("an owner's skills come from one registry alone")
                .hint(format!(
                    "take it from there first: `ba-agent config edit`, or `ba-agent registry remove {}`",
                    other.as_str()
                )));
        }
        if section.default && one.default {
            return Err(error!(Conflict, "`{}` is the default registry", other.as_str())
                .hint("only one can be: take `default: true` from it first, with `ba-agent config edit`"));
        }
    }
    let changed = file.with_registry(name, Some(section), &session.env)?;
    if let Some(text) = &changed {
        file.write(text)?;
    }
    Ok((file.file, changed.is_some()))
}
