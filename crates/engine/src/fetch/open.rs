//! One match over the kinds of source.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use super::{PackageSource, World, local, obstacle, remote_registry, served};
use ba_agent_archive::open_archive;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Context as _, Error, Kind, Result, error, printable};
use ba_agent_core::listing::{FileEntry, Listing, Node};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::MANIFEST;
use ba_agent_core::source::{Reference, Request, Resolved, Revision, Sha, Source};
use ba_agent_core::text::{find_nearest, format_age};
use ba_agent_git::{self as git, Extent, Remote, canonical_url};
use ba_agent_system::fsx;

/// How a source is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions<'a> {
    /// The skill that is wanted; it chooses among tags that carry a name.
    pub(crate) skill: Option<&'a str>,
    /// What an archive's bytes must hash to.
    pub(crate) integrity: Option<&'a Digest>,
    /// The commit to take instead of what the reference is now; the reference stays what was
    /// asked for, so that an update follows it.
    pub(crate) commit: Option<&'a Sha>,
    /// How much of a repository is fetched at once; the rest comes when it is asked for.
    pub(crate) extent: Extent,
    /// Follow a repository that has moved: only for a recorded commit, which says what comes,
    /// whoever sends it.
    pub(crate) follow_moves: bool,
    /// What is recorded is wanted, by its digest: also a version of a registry that is no longer
    /// offered.
    pub(crate) is_recorded: bool,
}

/// Opens what `request` names. The one way to any source but a package of npm.
///
/// # Errors
/// `NotFound`, `Auth`, `Network` as the source answers; `Integrity` for other bytes than
/// promised; `Invalid` for an archive that is none; `Usage` for a digest without an archive
/// and a commit without a repository.
pub(crate) fn open_source<'w>(
    request: &Request,
    options: OpenOptions<'_>,
    world: &'w World<'w>,
) -> Result<PackageSource<'w>> {
    let integrity = options.integrity;
    let has_digest = matches!(
        request.source,
        Source::Archive { .. } | Source::Served { .. } | Source::RemoteRegistry { .. }
    );
    if integrity.is_some() && !has_digest {
        return Err(error!(Usage, "`--integrity` is for archives; `{}` is not an archive", request.source)
            .hint("to pin a git source to a commit use `--sha`"));
    }
    if options.commit.is_some() && !request.source.is_git() {
        return Err(error!(Usage, "`{}` has no commits", request.source));
    }
    let (pin, tree) = match &request.source {
        Source::Github { .. } | Source::Gitlab { .. } | Source::Bitbucket { .. } | Source::Git { .. } => {
            return open_git_repository(request, options, world);
        }
        Source::RemoteRegistry { .. } => {
            return remote_registry::open_registry_skill(request, options, world);
        }
        Source::Archive { location } => open_packed_archive(request, location, integrity, world)?,
        Source::Served { url } => {
            let (digest, tree) = served::open_served(url, world)?;
            check_received_digest(request, integrity, &digest)?;
            (Revision::Archive(digest.as_hex().to_owned()), tree)
        }
        Source::Local { .. } => {
            let folder = local_folder(&request.source, world)?;
            let own = world.own.as_ref().map_or_else(Vec::new, |own| own());
            (Revision::Live, local::open_folder(&folder, &own, &world.settings.limits)?)
        }
        Source::Builtin { name } => {
            (Revision::Builtin(world.builtin.version.to_owned()), open_builtin_skill(name, world)?)
        }
        Source::Own { name } => return Err(error_of_no_source(name)),
        Source::Marketplace { entry, marketplace } => {
            return Err(error!(
                NotFound,
                "there is no marketplace named `{marketplace}` to look for `{entry}` in"
            ));
        }
    };
    Ok(PackageSource::whole(resolved_at_revision(request, pin), tree))
}

fn open_git_repository<'w>(
    request: &Request,
    options: OpenOptions<'_>,
    world: &'w World<'w>,
) -> Result<PackageSource<'w>> {
    let remote = Remote::open(&request.source, &world.git)?;
    let remote = if options.follow_moves { remote.following_moves() } else { remote };
    let then = if world.offline { remote.recall_refs() } else { None };
    let folder = request.subdirectory.as_ref();
    let settled = remote.resolve(&request.reference, folder, options.skill);
    let settled = settled.map_err(|error| with_cached_state(error, &remote, request, world));
    let resolved = match options.commit {
        None => settled?,
        Some(commit) => {
            let settled = match settled {
                // The branch may be gone; the commit need not be.
                Err(error) if error.kind == Kind::NotFound => {
                    remote.resolve(&Reference::Sha(commit.clone()), folder, options.skill)
                }
                settled => settled,
            }?;
            Resolved { pin: Revision::Commit(commit.clone()), ..settled }
        }
    };
    let asked = resolved.clone();
    let mut source = PackageSource::of_commit(remote, resolved, options.extent)
        .map_err(|error| no_folder(error, asked, world))?;
    source.as_of = then.filter(|_| !matches!(request.reference, Reference::Sha(_)));
    Ok(source)
}

/// The error about a host that cannot be reached, with what the cache has of the repository.
fn with_cached_state(error: Error, remote: &Remote<'_>, request: &Request, world: &World<'_>) -> Error {
    let then = remote.refs_cached_at().filter(|_| error.kind == Kind::Network && !world.offline);
    let Some(then) = then else { return error };
    let name = request.source.display_name();
    error.hint(format!(
        "the cache has {name} as it was {}: with `--offline` that is used",
        format_age(then, world.env.now)
    ))
}

/// A folder that is not there may be a submodule or a link: then the error says so.
fn no_folder(error: Error, mut resolved: Resolved, world: &World<'_>) -> Error {
    let Some(folder) = resolved.subdirectory.take().filter(|_| error.kind == Kind::NotFound) else {
        return error;
    };
    let whole = Remote::open(&resolved.source, &world.git)
        .and_then(|remote| PackageSource::of_commit(remote, resolved, Extent::Partial));
    let Ok(mut whole) = whole else { return error };
    match obstacle::find_obstacles(&mut whole, &folder, world) {
        // What is only alike is no help where it is known what it is.
        Ok(found) if !found.is_empty() => obstacle::explain_obstacles(
            Error { hints: Vec::new(), ..error },
            &found,
            &whole.resolved,
            &folder,
        ),
        _ => error,
    }
}

/// Where a source is, the same text for everybody who reaches the same place: the settings'
/// addresses applied, a path as the disk has it.
pub(crate) fn origin_key(source: &Source, world: &World<'_>) -> String {
    match source {
        Source::Archive { location } | Source::Local { path: location } if !location.contains("://") => {
            let path = from_base(location, world);
            fs::canonicalize(&path).unwrap_or(path).display().to_string()
        }
        Source::Archive { location } | Source::Served { url: location } => canonical_url(location),
        Source::RemoteRegistry { registry, skill } => {
            let address = world.settings.remote_registries.address_for(registry, skill);
            address.map_or_else(|_| source.to_string(), |url| format!("{url}/{skill}"))
        }
        source => git::url_of(source, &world.settings.hosts)
            .map_or_else(|| source.to_string(), |url| canonical_url(&url)),
    }
}

fn resolved_at_revision(request: &Request, pin: Revision) -> Resolved {
    Resolved {
        source: request.source.clone(),
        reference: Reference::Default,
        chosen: None,
        pin,
        subdirectory: request.subdirectory.clone(),
    }
}

fn open_packed_archive(
    request: &Request,
    location: &str,
    integrity: Option<&Digest>,
    world: &World<'_>,
) -> Result<(Revision, Package)> {
    let limits = &world.settings.limits;
    let bytes = if location.contains("://") {
        world.progress.begin(&format!("Fetching {}", request.source.display_name()));
        world.net().download(location, limits.download)?
    } else {
        read_capped(&from_base(location, world), limits.download)?
    };
    let digest = Digest::of(&bytes);
    check_received_digest(request, integrity, &digest)?;
    let name = location.split(['?', '#']).next().unwrap_or(location);
    let alone = name.contains("://") && name.ends_with("/SKILL.md");
    let tree = if alone { package_of_one_file(bytes)? } else { open_archive(name, &bytes, limits)? };
    Ok((Revision::Archive(digest.as_hex().to_owned()), tree))
}

/// Holds what came to what was promised.
fn check_received_digest(request: &Request, promised: Option<&Digest>, received: &Digest) -> Result<()> {
    let Some(promised) = promised.filter(|promised| *promised != received) else { return Ok(()) };
    let what = if matches!(request.source, Source::Served { .. }) { "skill" } else { "archive" };
    Err(error!(Integrity, "`{}` is not the {what} that was expected", request.source)
        .cause(format!("expected: {promised}"))
        .cause(format!("received: {received}"))
        .hint("nothing was changed; ask its publisher which one is right"))
}

/// A skill that is one file, as hosts serve it for discovery.
fn package_of_one_file(bytes: Vec<u8>) -> Result<Package> {
    let path = RelPath::parse(MANIFEST.as_bytes()).map_err(|e| error!(Failed, "{MANIFEST}: {e}"))?;
    let entry = FileEntry { path, node: Node::File { executable: false }, size: bytes.len() as u64, slot: 0 };
    Ok(Package::in_memory(Listing::new(vec![entry]), vec![bytes]))
}

fn read_capped(path: &Path, cap: u64) -> Result<Vec<u8>> {
    let Some((file, size)) = fsx::open_plain_file(path)? else {
        return Err(error_of_missing_path(std::io::ErrorKind::NotFound.into(), path, "archive"));
    };
    // A file that grows meanwhile is held to the limit too.
    let mut bytes = Vec::new();
    if size <= cap {
        file.take(cap + 1).read_to_end(&mut bytes)?;
    }
    let size = size.max(bytes.len() as u64);
    if size > cap {
        return Err(error!(
            Invalid,
            "`{}` has {size} bytes; the limit for an archive is {cap}",
            path.display()
        )
        .hint("raise `skills.limits.download` in config.yaml if you trust it"));
    }
    Ok(bytes)
}

fn error_of_missing_path(error: std::io::Error, path: &Path, what: &str) -> Error {
    if error.kind() != std::io::ErrorKind::NotFound {
        return error.into();
    }
    // Without the `./` that a person typed behind the folder that it starts from.
    let path: PathBuf = path.components().collect();
    let shown = printable(&path.display().to_string(), false);
    error!(NotFound, "the {what} `{shown}` does not exist")
}

/// A path of a source: from the base of the scope, `~` being the home.
fn from_base(path: &str, world: &World<'_>) -> PathBuf {
    // Without `.`: it is shown to people.
    world.env.from(world.base, path).components().filter(|part| *part != Component::CurDir).collect()
}

/// The error for a source that no link can lead to.
pub(crate) fn not_local(source: &Source) -> Error {
    error!(Usage, "`{source}` is not a local folder")
        .hint("`--link` creates a live link to a local folder; other sources are copied")
}

/// The real folder of a local source.
///
/// # Errors
/// `NotFound` where it is missing, `Usage` where it is no folder or no local source.
pub(crate) fn local_folder(source: &Source, world: &World<'_>) -> Result<PathBuf> {
    let Source::Local { path } = source else {
        return Err(not_local(source));
    };
    let folder = from_base(path, world);
    let meta = fs::metadata(&folder).map_err(|e| error_of_missing_path(e, &folder, "folder"))?;
    if !meta.is_dir() {
        return Err(error!(Usage, "`{}` is not a folder or an archive", folder.display())
            .hint("archives end in .zip, .skill, .tar, .tar.gz or .tgz"));
    }
    fs::canonicalize(&folder).context(|| format!("`{}` cannot be reached", folder.display()))
}

/// The error for a skill that lies nowhere but where it was found.
fn error_of_no_source(name: &str) -> Error {
    error!(NotFound, "`{name}` has no source: it was adopted where it lay, and its files are only there")
        .hint("commit its folder with the project, or copy it from who has it")
        .hint(format!("once it is in a repository: `ba-agent skill update {name} --source SOURCE`"))
}

fn open_builtin_skill(name: &str, world: &World<'_>) -> Result<Package> {
    let all = world.builtin.all;
    let Some(found) = all.iter().find(|one| one.name == name) else {
        let names: Vec<&str> = all.iter().map(|one| one.name).collect();
        let error = error!(NotFound, "there is no built-in skill named `{}`", printable(name, false));
        let error = match find_nearest(name, names.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `builtin:{near}`?")),
            None => error,
        };
        return Err(error.hint(format!("built-in skills are {}", names.join(", "))));
    };
    let entry = |(slot, (path, bytes)): (usize, &(&str, &'static [u8]))| {
        let path =
            RelPath::parse(path.as_bytes()).map_err(|e| error!(Invalid, "built-in path {path}: {e}"))?;
        Ok(FileEntry { path, node: Node::File { executable: false }, size: bytes.len() as u64, slot })
    };
    let entries = found.files.iter().enumerate().map(entry).collect::<Result<Vec<_>>>()?;
    Ok(Package::embedded(Listing::new(entries), found.files.iter().map(|(_, bytes)| *bytes).collect()))
}
