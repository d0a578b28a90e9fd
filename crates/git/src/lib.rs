//! Git repositories for `ba-agent`. A [`Remote`] is opened for a source, lists its refs once,
//! settles references and fetches trees, without a work tree and without libgit2 ever
//! seeing a URL, a token or a configuration.
//!
//! It asks hosts through `ba-agent-net` or the user's `ssh`, reads repositories of this machine in
//! place, keeps what it was sent in the cache, and writes no other file. Of the program's crates
//! it uses `ba-agent-core`, `ba-agent-net` and `ba-agent-system`.

mod address;
mod client;
mod commit_index;
mod control_files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod history;
mod ignored;
mod loose;
mod moved;
mod objects;
mod pack;
mod partial;
mod recall;
mod refs;
pub mod ssh;
#[cfg(test)]
mod testing;
mod tree_id;
mod walk;
mod wire;

use std::cell::{OnceCell, RefCell};
use std::io::Read;
use std::sync::Arc;

use git2::{ObjectType, Oid};
use jiff::Timestamp;
use url::Url;

use crate::ssh::{SshSession, Target};
use address::Address;
use ba_agent_core::error::{Error, Kind, Result, error, fail, printable};
use ba_agent_core::listing::FileEntry;
use ba_agent_core::path::RelPath;
use ba_agent_core::source::{Reference, Resolved, Revision, Sha, Source};
use ba_agent_core::text::count_noun;
use ba_agent_net::credentials::Login;
use ba_agent_net::http::{HttpRequest, HttpResponse, Net};
use ba_agent_system::cache::Cache;
use ba_agent_system::progress::CancellableReader;
use objects::GitObjects;
use partial::CommitTrees;
use refs::FoundReference;
use walk::TreeListing;
use wire::{Advertisement, FetchRequest, PackStream, RefLine};

pub use address::url_of;
pub use client::GitClient;
pub use commit_index::{CachedSkill, canonical_url};
pub use history::{CommitLog, CommitsBetween, LoggedCommit, OldCommit};
pub use ignored::{GitView, look_up_files};
pub use partial::PartialTree;
pub use recall::{recall_folder, recall_refs, recall_skills};
pub use refs::Refs;
pub use tree_id::compute_tree_id;

/// A commit object is read whole; its message is of no use here.
const LARGEST_COMMIT: u64 = 16 * 1024 * 1024;
/// What a server sees first. Some tell git from browsers by the beginning of it.
const AGENT: &str = concat!("git/2.0 (ba-agent ", env!("CARGO_PKG_VERSION"), ")");

/// The version of libgit2 that is in this program.
pub fn library_version() -> (u32, u32, u32) {
    git2::Version::get().libgit2_version()
}

/// A git repository that can be asked.
pub struct Remote<'w> {
    client: &'w GitClient<'w>,
    source: Source,
    /// What the cache knows it by.
    key: String,
    name: String,
    road: Transport,
    refs: OnceCell<Refs>,
    /// The whole history of branches and tags, once something needed it.
    history: RefCell<Option<Arc<GitObjects>>>,
    /// A repository that moved is followed: see [`Remote::following_moves`].
    follows_moves: bool,
}

/// How much of a commit is fetched at once, where nothing of it is in the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// Its commit and trees, where the host can leave the blobs out:
    /// [`Remote::fetch_files`] has them later.
    #[default]
    Partial,
    /// All of it in one pack.
    Full,
}

/// How the repository is reached.
enum Transport {
    Http { base: RefCell<Url>, login: Option<Login>, hello: OnceCell<Advertisement> },
    Ssh { target: Target, open: RefCell<Option<(SshSession, Advertisement)>> },
    Local(Arc<GitObjects>),
}

impl<'w> Remote<'w> {
    /// Finds the way to a source; no host is asked yet.
    ///
    /// # Errors
    /// `Usage` for a URL that is not allowed, `NotFound` for a path without a repository.
    pub fn open(source: &Source, client: &'w GitClient<'w>) -> Result<Self> {
        let name = address::name_of(source);
        let Some(url) = address::url_of(source, client.net.hosts) else {
            fail!(Usage, "this source is not a git repository");
        };
        let road = match Address::find(&url, &client.net)? {
            Address::Http { base, login } => {
                Transport::Http { base: RefCell::new(base), login, hello: OnceCell::new() }
            }
            Address::Ssh(target) => Transport::Ssh { target, open: RefCell::new(None) },
            Address::Local(path) => Transport::Local(Arc::new(GitObjects::open_local(&path)?)),
        };
        let (refs, history) = (OnceCell::new(), RefCell::new(None));
        let key = commit_index::repository_key(source, &url);
        Ok(Self { client, source: source.clone(), key, name, road, refs, history, follows_moves: false })
    }

    /// Follows a repository to wherever its host says that it has moved. For a recorded commit,
    /// which says what comes, and nothing else.
    pub fn following_moves(self) -> Self {
        Self { follows_moves: true, ..self }
    }

    /// HEAD, branches and tags: asked once, then remembered.
    ///
    /// # Errors
    /// `Auth`, `NotFound` or `Network`, as the host answers.
    pub fn fetch_refs(&self) -> Result<&Refs> {
        if let Some(refs) = self.refs.get() {
            return Ok(refs);
        }
        // Another source of this command may be the same repository.
        if let Some(refs) = self.client.ref_listings.get(&self.key) {
            return Ok(self.refs.get_or_init(|| refs));
        }
        let lines = match &self.road {
            Transport::Http { .. } => self.list_by_http()?,
            Transport::Ssh { target, open } => {
                let opened = self.open_ssh(target)?;
                let Advertisement::Refs { lines, .. } = &opened.1 else {
                    fail!(Network, "{} speaks another version of git's protocol", target.host());
                };
                let lines = lines.clone();
                *open.borrow_mut() = Some(opened);
                lines
            }
            Transport::Local(objects) => list_local(objects)?,
        };
        let refs = Refs::new(lines);
        if !self.follows_moves {
            self.client.ref_listings.set(self.key.clone(), refs.clone());
        }
        Ok(self.refs.get_or_init(|| refs))
    }

    /// What a reference is now: never `Named` or `Tail` afterwards. `skill` chooses
    /// among tags that carry a name; it matters to ranges only.
    ///
    /// # Errors
    /// `NotFound` with a suggestion; `Usage` for what is ambiguous.
    pub fn resolve(
        &self,
        reference: &Reference,
        subdirectory: Option<&RelPath>,
        skill: Option<&str>,
    ) -> Result<Resolved> {
        let settled = match reference {
            Reference::Sha(sha) => FoundReference::Commit {
                reference: reference.clone(),
                chosen: None,
                sha: sha.clone(),
                rest: None,
            },
            _ => self
                .fetch_refs()?
                .settle_reference(reference, skill)
                .map_err(|e| self.error_about_remote(e))?,
        };
        let (reference, chosen, sha, rest) = match settled {
            FoundReference::Commit { reference, chosen, sha, rest } => (reference, chosen, sha, rest),
            FoundReference::Short { prefix, rest } => {
                let sha = self.lengthen_short_sha(&prefix)?;
                (Reference::Sha(sha.clone()), None, sha, rest)
            }
        };
        Ok(Resolved {
            source: self.source.clone(),
            reference,
            chosen,
            pin: Revision::Commit(sha),
            subdirectory: refs::join_folder(subdirectory, rest.as_deref())?,
        })
    }

    /// The tree of a pinned commit, below its subdirectory if it has one.
    ///
    /// The commit is looked up by its id, never through a ref, so a branch that is named
    /// like a sha cannot stand in for it.
    ///
    /// # Errors
    /// `NotFound` when the repository does not have the commit or the folder.
    pub fn fetch(&self, resolved: &Resolved, extent: Extent) -> Result<PartialTree> {
        let Revision::Commit(sha) = &resolved.pin else {
            fail!(Usage, "`{}` is a git repository: only a commit can be fetched", self.name);
        };
        self.client.net.progress.begin(&format!("Fetching {}", self.name));
        let (objects, known, is_partial) = match self.load_known(sha) {
            Some((objects, known)) => (Arc::new(objects), known, true),
            None => {
                let objects = self.objects_of_commit(sha, extent).map_err(|e| self.error_about_remote(e))?;
                (objects, Vec::new(), extent == Extent::Partial && self.supports_filter()?)
            }
        };
        let commit = objects.read(parse_object_id(sha)?, ObjectType::Commit, LARGEST_COMMIT)?;
        let (root, committed_at) = (walk::tree_of(&commit)?, walk::committed_at(&commit));
        let TreeListing { listing, ids, folders } =
            walk::list_tree(&objects, root, resolved.subdirectory.as_ref()).map_err(|e| match e.kind {
                Kind::NotFound => {
                    e.wrap(format!("{} does not have that folder at {}", self.name, sha.short()))
                }
                _ => e.wrap(format!("{} at {} cannot be read", self.name, sha.short())),
            })?;
        self.remember_refs();
        let repository = self.key.clone();
        let trees = CommitTrees { repository, objects, root, committed_at, folders, known };
        Ok(PartialTree::new(listing, ids, trees, is_partial))
    }

    /// Fetches the files of a partial tree that `wanted` says and that are not here yet: one
    /// request, whatever their number. Where most of a large commit is wanted, or the host
    /// gives no single blobs, that is the whole commit.
    ///
    /// # Errors
    /// As [`Remote::fetch`].
    pub fn fetch_files(
        &self,
        tree: &mut PartialTree,
        resolved: &Resolved,
        wanted: &dyn Fn(&FileEntry) -> bool,
    ) -> Result<()> {
        let Revision::Commit(sha) = &resolved.pin else { return Ok(()) };
        let absent = tree.absent_objects_of(wanted)?;
        if absent.wanted.is_empty() {
            return Ok(());
        }
        if self.client.net.offline {
            return Err(error!(
                NotFound,
                "{} of {} {} not in the cache",
                count_noun(absent.wanted.len(), "file"),
                self.name,
                if absent.wanted.len() == 1 { "is" } else { "are" }
            )
            .hint("run it once without `--offline`, then the cache has them"));
        }
        let whole = || self.fetch_commit(sha, Extent::Full).map_err(|e| self.error_about_remote(e));
        let blobs = || {
            let wants: Vec<Sha> = absent.wanted.iter().filter_map(|id| id.to_string().parse().ok()).collect();
            self.pack(&FetchRequest { wants: &wants, ..FetchRequest::default() })
        };
        let objects = match self.supports_filter()? {
            false => whole()?,
            // More than a pack may have; what is wanted of it may be less.
            true if absent.is_most() => match whole() {
                Err(e) if e.kind == Kind::Invalid => blobs().map_err(|e| self.error_about_remote(e))?,
                fetched => fetched?,
            },
            true => match blobs() {
                Err(e) if e.kind == Kind::NotFound => whole()?,
                fetched => fetched.map_err(|e| self.error_about_remote(e))?,
            },
        };
        tree.add_objects(objects)
    }

    /// Whether a branch or tag leads to the commit. GitHub hands out commits that only
    /// a fork has; the tip of a ref is known at once, else the whole history is fetched.
    ///
    /// # Errors
    /// As [`Remote::fetch`].
    pub fn is_reachable(&self, sha: &Sha) -> Result<bool> {
        if self.fetch_refs()?.list_tips().any(|tip| tip == sha) {
            return Ok(true);
        }
        let history = self.objects_of_history()?;
        let sought = parse_object_id(sha)?;
        let tips: Vec<Oid> =
            self.fetch_refs()?.list_tips().filter_map(|tip| parse_object_id(tip).ok()).collect();
        history.with(|repository| {
            let mut walk = repository.revwalk().map_err(objects::error_of_git_library)?;
            for tip in tips {
                // A tag may point at something that is no commit.
                let _ = walk.push(tip);
            }
            Ok(walk.flatten().any(|found| found == sought))
        })
    }

    /// True when a commit costs nothing but the reading: the repository is of this machine, or
    /// the cache has it.
    pub fn is_at_hand(&self, sha: &Sha) -> bool {
        self.is_local() || self.load_known(sha).is_some()
    }

    /// Puts the repository's name on top of an error.
    fn error_about_remote(&self, error: Error) -> Error {
        if error.message.contains(&self.name) {
            return error;
        }
        let message = format!("{}: {}", self.name, error.message);
        Error { message, ..error }
    }

    /// The objects around a commit, the commit among them.
    fn objects_of_commit(&self, sha: &Sha, extent: Extent) -> Result<Arc<GitObjects>> {
        let id = parse_object_id(sha)?;
        let find = |objects: &GitObjects| {
            objects.find(id, ObjectType::Commit, LARGEST_COMMIT).map_err(|e| {
                e.wrap(format!("`{}` is not a commit", sha.short()))
                    .hint("name the commit itself, not a tag object")
            })
        };
        if let Transport::Local(objects) = &self.road {
            return match find(objects)? {
                Some(_) => Ok(Arc::clone(objects)),
                None => Err(no_commit(sha)),
            };
        }
        let known = self.history.borrow().clone();
        if let Some(history) = known
            && find(&history)?.is_some()
        {
            return Ok(history);
        }
        match self.fetch_commit(sha, extent) {
            Ok(objects) => match find(&objects)? {
                Some(_) => return Ok(Arc::new(objects)),
                None => fail!(Integrity, "the remote did not send the commit {}", sha.short()),
            },
            // An old server gives only what it lists: then the history may have it.
            Err(e) if e.kind != Kind::NotFound => return Err(e),
            Err(_) => {}
        }
        let history = self.objects_of_history()?;
        match find(&history)? {
            Some(_) => Ok(history),
            None => Err(no_commit(sha)),
        }
    }

    /// One commit without its history, where the server can do that.
    fn fetch_commit(&self, sha: &Sha, extent: Extent) -> Result<GitObjects> {
        let want = match self.refs.get() {
            Some(refs) => refs.id_to_want(sha),
            None => sha.clone(),
        };
        let partial = extent == Extent::Partial && self.supports_filter()?;
        let filter = partial.then_some("blob:none");
        self.pack(&FetchRequest { wants: &[want], depth: Some(1), filter, ..FetchRequest::default() })
    }

    /// Whether the settings want to know that a branch or tag leads to a commit; offline nobody
    /// can say.
    pub fn requires_reachable(&self) -> bool {
        self.client.net.hosts.require_reachable && !self.client.net.offline
    }

    /// Where earlier commands have kept what they fetched.
    pub fn cache(&self) -> Option<&'w Cache> {
        self.client.cache.as_ref()
    }

    /// What an earlier command has kept of a commit.
    fn load_known(&self, sha: &Sha) -> Option<(GitObjects, Vec<CachedSkill>)> {
        let cache = self.client.cache.as_ref().filter(|_| !self.is_local())?;
        commit_index::load_commit(&self.key, sha, cache)
    }

    /// True for a repository of this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.road, Transport::Local(_))
    }

    /// Without a connection: takes the refs for what they were when they were last asked for,
    /// and says when that was.
    pub fn recall_refs(&self) -> Option<Timestamp> {
        let cache = self.client.cache.as_ref().filter(|_| !self.is_local())?;
        let (refs, then) = commit_index::load_refs(&self.key, cache)?;
        let _ = self.refs.set(refs);
        Some(then)
    }

    /// When the cache last heard what the refs are; `None` where it has not, and for a repository
    /// of this machine.
    pub fn refs_cached_at(&self) -> Option<Timestamp> {
        let cache = self.client.cache.as_ref().filter(|_| !self.is_local())?;
        Some(commit_index::load_refs(&self.key, cache)?.1)
    }

    fn remember_refs(&self) {
        let Some(cache) = self.client.cache.as_ref().filter(|_| !self.client.net.offline && !self.is_local())
        else {
            return;
        };
        if let Some(refs) = self.client.ref_listings.get(&self.key) {
            commit_index::store_refs(&self.key, &refs, self.client.net.env.now, cache);
        }
    }

    /// Whether blobs can be left with the host until they are asked for.
    ///
    /// # Errors
    /// As [`Remote::fetch_refs`].
    pub fn supports_filter(&self) -> Result<bool> {
        match &self.road {
            Transport::Http { .. } => Ok(self.hello_by_http()?.supports_filter()),
            // Each request would be a login of its own.
            Transport::Ssh { .. } | Transport::Local(_) => Ok(false),
        }
    }

    /// The history of all branches and tags.
    fn objects_of_history(&self) -> Result<Arc<GitObjects>> {
        if let Transport::Local(objects) = &self.road {
            return Ok(Arc::clone(objects));
        }
        if let Some(history) = &*self.history.borrow() {
            return Ok(Arc::clone(history));
        }
        let wants = self.fetch_refs()?.list_all();
        if wants.is_empty() {
            fail!(NotFound, "{} is empty", self.name);
        }
        let history =
            Arc::new(self.pack(&FetchRequest { wants: &wants, walked: true, ..FetchRequest::default() })?);
        *self.history.borrow_mut() = Some(Arc::clone(&history));
        Ok(history)
    }

    /// The one commit of the history that begins with these digits.
    fn lengthen_short_sha(&self, prefix: &str) -> Result<Sha> {
        let mut found = Vec::new();
        let tips: Vec<Oid> =
            self.fetch_refs()?.list_tips().filter_map(|tip| parse_object_id(tip).ok()).collect();
        self.objects_of_history()?.with(|repository| {
            let mut walk = repository.revwalk().map_err(objects::error_of_git_library)?;
            for tip in tips {
                let _ = walk.push(tip);
            }
            let ids = walk.flatten().map(|id| id.to_string());
            found.extend(ids.filter(|id| id.starts_with(prefix)).take(5));
            Ok(())
        })?;
        match &found[..] {
            [] => Err(error!(NotFound, "{}: there is no branch, tag or commit `{prefix}`", self.name)
                .hint("write the full sha if only a pull request or a fork has it")),
            [sha] => sha.parse(),
            _ => Err(error!(Usage, "{}: `{prefix}` is ambiguous: several commits begin with it", self.name)
                .hint(format!("write more digits: {}", found.join(", ")))),
        }
    }

    /// Asks for a pack and indexes it as it comes.
    fn pack(&self, wish: &FetchRequest<'_>) -> Result<GitObjects> {
        match &self.road {
            Transport::Http { .. } => {
                let hello = self.hello_by_http()?;
                let depth = wish.depth.filter(|_| hello.has_shallow());
                let request = wire::pack_request(hello, &FetchRequest { depth, ..*wish });
                let answer = self
                    .post_upload_request(hello, &request)?
                    .into_reader(self.client.net.limits.pack.saturating_mul(2));
                receive_into_objects(
                    &self.client.net,
                    PackStream::begin(hello, depth.is_some(), answer)?,
                    wish.walked,
                )
            }
            Transport::Ssh { target, open } => {
                let opened = open.borrow_mut().take();
                let (mut session, hello) = opened.map_or_else(|| self.open_ssh(target), Ok)?;
                let depth = wish.depth.filter(|_| hello.has_shallow());
                session.send(&wire::pack_request(&hello, &FetchRequest { depth, ..*wish }))?;
                let received = PackStream::begin(&hello, depth.is_some(), &mut session)
                    .and_then(|pack| receive_into_objects(&self.client.net, pack, wish.walked));
                received
                    .map_err(|e| if e.kind == Kind::Network { session.explain_with_ssh_talk(e) } else { e })
            }
            Transport::Local(_) => fail!(Failed, "{} is on this machine: nothing can be sent", self.name),
        }
    }

    fn open_ssh(&self, target: &Target) -> Result<(SshSession, Advertisement)> {
        let mut session = SshSession::start(&self.client.net, target)?;
        match Advertisement::read(&mut (&mut session).take(self.client.net.limits.download)) {
            Ok(hello) => Ok((session, hello)),
            Err(e) => Err(session.explain_with_ssh_talk(e)),
        }
    }

    fn list_by_http(&self) -> Result<Vec<RefLine>> {
        match self.hello_by_http()? {
            Advertisement::Refs { lines, .. } => Ok(lines.clone()),
            hello @ Advertisement::Capabilities(_) => {
                let answer = self.post_upload_request(hello, &wire::listing_request())?;
                let mut reader = answer.into_reader(self.client.net.limits.download);
                let lines = wire::read_listing(&mut reader);
                wire::drain_side_band(&mut reader);
                lines
            }
        }
    }

    /// The first answer of a server, asked once; a redirect that stays with the same
    /// repository moves the base URL.
    fn hello_by_http(&self) -> Result<&Advertisement> {
        let Transport::Http { base, login, hello } = &self.road else {
            fail!(Failed, "{} is not reached by http", self.name);
        };
        if let Some(hello) = hello.get() {
            return Ok(hello);
        }
        let asked = base.borrow().to_string();
        let greeting = format!("{asked}{}", if self.follows_moves { " or elsewhere" } else { "" });
        if let Some((moved, known)) = self.client.advertisements.get(&greeting) {
            *base.borrow_mut() = moved;
            return Ok(hello.get_or_init(|| known));
        }
        let mut url = base.borrow().clone();
        url.set_path(&format!("{}/info/refs", url.path()));
        url.set_query(Some("service=git-upload-pack"));
        let headers = [("User-Agent", AGENT), ("Git-Protocol", "version=2"), ("Accept", "*/*")];
        let ask = HttpRequest { headers: &headers, login: login.as_ref(), ..HttpRequest::get(&url) };
        let rule = if self.follows_moves { moved::allow_move } else { moved::refuse_move };
        let answer = self.client.net.follow(ask, |from, to| rule(self.client.net.hosts, from, to))?;
        let answer = answer.check_status(&self.client.net.credentials, &self.name)?;
        if answer.content_type() != "application/x-git-upload-pack-advertisement" {
            return Err(not_smart(base.borrow().as_str(), answer));
        }
        if !moved::is_same(&url, &answer.url) {
            self.client
                .note_move(self.source.to_string(), moved::source_of(self.client.net.hosts, &answer.url));
        }
        let mut moved = answer.url.clone();
        moved.set_query(None);
        moved.set_path(answer.url.path().strip_suffix("/info/refs").unwrap_or(answer.url.path()));
        *base.borrow_mut() = moved;
        let mut reader = answer.into_reader(self.client.net.limits.download);
        let read = Advertisement::read(&mut reader);
        wire::drain_side_band(&mut reader);
        let read = read.map_err(|e| self.error_about_remote(e))?;
        self.client.advertisements.set(greeting, (base.borrow().clone(), read.clone()));
        Ok(hello.get_or_init(|| read))
    }

    /// A request to `git-upload-pack`, answered with a success. No redirect is followed:
    /// git's own servers redirect the first request or none.
    fn post_upload_request(&self, hello: &Advertisement, body: &[u8]) -> Result<HttpResponse> {
        let Transport::Http { base, login, .. } = &self.road else {
            fail!(Failed, "{} is not reached by http", self.name);
        };
        let mut url = base.borrow().clone();
        url.set_path(&format!("{}/git-upload-pack", url.path()));
        let mut headers = vec![
            ("User-Agent", AGENT),
            ("Content-Type", "application/x-git-upload-pack-request"),
            ("Accept", "application/x-git-upload-pack-result"),
        ];
        if matches!(hello, Advertisement::Capabilities(_)) {
            headers.push(("Git-Protocol", "version=2"));
        }
        let ask = HttpRequest {
            headers: &headers,
            body: Some(body),
            login: login.as_ref(),
            ..HttpRequest::get(&url)
        };
        self.client
            .net
            .follow(ask, |_, to| {
                fail!(
                    Network,
                    "the host redirects to `{}` in the middle of the exchange",
                    printable(to.as_str(), false)
                )
            })?
            .check_status(&self.client.net.credentials, &self.name)
    }
}

/// The error for an answer that is not one of git's smart protocol.
fn not_smart(base: &str, answer: HttpResponse) -> Error {
    let shown = printable(base, false);
    let kind = printable(answer.content_type(), false);
    let mut start = String::new();
    let _ = answer.into_reader(u64::MAX).take(4096).read_to_string(&mut start);
    if wire::is_plain_listing(&start) {
        return error!(
            Invalid,
            "`{shown}` is served as plain files, git's \"dumb\" protocol, which is not supported"
        )
        .cause(format!("the remote answered with `{kind}`"))
        .hint("its host can serve it through `git http-backend`, as the large hosts do")
        .hint("or clone it first: `git clone URL FOLDER`, then install `file:///path/to/FOLDER`");
    }
    error!(NotFound, "`{shown}` is not a git repository")
        .cause(format!("the remote answered with `{kind}`"))
        .hint("use the clone address that the site shows")
}

/// A history is walked by libgit2; all else is decoded in memory.
fn receive_into_objects(net: &Net<'_>, pack: impl Read, walked: bool) -> Result<GitObjects> {
    let pack = CancellableReader::new(pack, net.progress);
    if walked { GitObjects::receive(net, pack) } else { GitObjects::receive_in_memory(net, pack) }
}

fn no_commit(sha: &Sha) -> Error {
    error!(NotFound, "there is no commit {sha}")
        .hint("is the sha from this repository, and not from a fork of it?")
}

fn parse_object_id(sha: &Sha) -> Result<Oid> {
    Oid::from_str(sha.as_str())
        .map_err(|_| error!(Invalid, "`{}` is a SHA-256 commit id, which is not supported yet", sha.short()))
}

/// HEAD, branches and tags of a repository of this machine.
fn list_local(objects: &GitObjects) -> Result<Vec<RefLine>> {
    let mut lines = objects.with(|repository| {
        let mut lines = Vec::new();
        if let Ok(head) = repository.find_reference("HEAD") {
            let target = head.symbolic_target().ok().flatten().map(str::to_owned);
            lines.extend(local_line("HEAD", &head).map(|line| RefLine { target, ..line }));
        }
        for reference in repository.references().map_err(objects::error_of_git_library)?.flatten() {
            let Ok(name) = reference.name() else { continue };
            if name.starts_with("refs/heads/") || name.starts_with("refs/tags/") {
                lines.extend(local_line(name, &reference));
            }
        }
        Ok(lines)
    })?;
    for line in lines.iter_mut().filter(|line| line.name.starts_with("refs/tags/")) {
        line.peeled = line.peeled.take().or_else(|| peel_tag_to_commit(objects, &line.id));
    }
    Ok(lines)
}

fn local_line(name: &str, reference: &git2::Reference<'_>) -> Option<RefLine> {
    let direct = reference.resolve().ok()?;
    let sha = |id: Oid| id.to_string().parse().ok();
    let peeled = direct.target_peel().and_then(sha);
    Some(RefLine { name: name.to_owned(), id: sha(direct.target()?)?, peeled, target: None })
}

/// How many tags may stand between a tag and its commit; real ones have one.
const TAGS_OF_TAGS: usize = 8;

/// What an annotated tag points at in the end; `None` for what is none.
fn peel_tag_to_commit(objects: &GitObjects, id: &Sha) -> Option<Sha> {
    let mut at = parse_object_id(id).ok()?;
    for _ in 0..TAGS_OF_TAGS {
        let (kind, bytes) = objects.find_any(at, LARGEST_COMMIT).ok()??;
        if kind != ObjectType::Tag {
            break;
        }
        let first = bytes.split(|b| *b == b'\n').next()?;
        at = Oid::from_str(std::str::from_utf8(first).ok()?.strip_prefix("object ")?).ok()?;
    }
    at.to_string().parse().ok().filter(|found| found != id)
}

#[cfg(test)]
mod tests;
