//! The index of known commits in the cache folder. For each commit it has
//!
//! 1. the commit and its trees,
//! 2. for each skill that was installed, the digest of its cached package,
//! 3. the manifests of the other skills, since the name of a skill depends on all skills of
//!    its source.
//!
//! Beside the commits it has the refs of each repository as they were at the last fetch. So a
//! known commit is not fetched again, and what was installed once can be installed again
//! without a connection.
//!
//! Nothing in it is trusted: objects are found by the hashes of their bytes, packages by their
//! digests, and each file of a package is compared with the id that git's tree has for it. Only
//! the refs are taken as they are written, and only without a connection.

use std::collections::BTreeSet;
use std::path::PathBuf;

use git2::{ObjectType, Oid};
use jiff::Timestamp;
use url::Url;

use super::objects::{CachedObjects, GitObjects};
use super::refs::{Refs, Tag};
use super::walk;
use ba_agent_core::digest::Digest;
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Sha, Source};
use ba_agent_system::cache::{Cache, CacheSection};

const COMMIT: &str = "ba-agent commit 1";
/// In the place of a name: no skill is called so.
const UNNAMED: &str = "-";
/// In the place of the folder of a skill at the top.
const TOP: &str = ".";
const REFS: &str = "ba-agent refs 1";
/// Bytes of the trees of a commit that are kept; openclaw/skills (2,417 skills) has 1.2 MB.
const LARGEST: usize = 16 << 20;
/// Trees upon trees that are gone through for it.
const MOST_TREES: usize = 200_000;

/// A skill of a commit that was installed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedSkill {
    pub folder: RelPath,
    /// What it is called among all skills of its source; `None` where not all were looked at.
    pub name: Option<SkillName>,
    pub digest: Digest,
}

/// A repository, whoever names it and however: by where it is, since `github:o/r` is another
/// one for a project whose settings name another host; and by the name of its only skill,
/// which hangs on how the source is written.
pub(super) fn repository_key(source: &Source, url: &str) -> String {
    format!("{}\n{}", canonical_url(url), source.default_skill_name().unwrap_or_default())
}

/// Different ways to write one address, made equal where that is safe: case of scheme and
/// host, a default port, a slash or `.git` at the end. A password is left out.
pub fn canonical_url(url: &str) -> String {
    let url = url.strip_prefix("git+").unwrap_or(url);
    let text = match Url::parse(url) {
        Ok(mut parsed) if parsed.has_host() => {
            let _ = parsed.set_password(None);
            parsed.to_string()
        }
        _ => url.to_owned(),
    };
    let text = text.trim_end_matches('/');
    text.strip_suffix(".git").unwrap_or(text).to_owned()
}

fn commit_file(repository: &str, sha: &Sha, cache: &Cache) -> PathBuf {
    // Not by the commit alone: a repository shall not seem to have what only a fork has.
    cache.entry_file(CacheSection::Commits, &format!("{repository}\n{sha}"))
}

fn refs_file(repository: &str, cache: &Cache) -> PathBuf {
    cache.entry_file(CacheSection::Refs, repository)
}

/// The commit with its trees, and what is known of its skills; `None` where it is not, or
/// where it is not whole.
pub(super) fn load_commit(
    repository: &str,
    sha: &Sha,
    cache: &Cache,
) -> Option<(GitObjects, Vec<CachedSkill>)> {
    let bytes = cache.read(&commit_file(repository, sha, cache))?;
    let (known, start) = parse_commit_skills(&bytes)?;
    let kept = CachedObjects::read(bytes, start)?;
    let objects = GitObjects::from_cache(kept);
    is_whole(&objects, sha).then_some((objects, known))
}

/// The skills that such a file knows, and where its objects begin.
fn parse_commit_skills(bytes: &[u8]) -> Option<(Vec<CachedSkill>, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let mut lines = std::str::from_utf8(bytes.get(..end)?).ok()?.lines();
    if lines.next()? != COMMIT {
        return None;
    }
    Some((lines.map(known_of).collect::<Option<Vec<_>>>()?, end + 2))
}

fn known_of(line: &str) -> Option<CachedSkill> {
    let mut words = line.splitn(3, ' ');
    let (digest, name) = (words.next()?.parse().ok()?, words.next()?);
    let name = if name == UNNAMED { None } else { Some(name.parse().ok()?) };
    let folder = match words.next()? {
        TOP => RelPath::ROOT,
        folder => RelPath::parse(folder.as_bytes()).ok()?,
    };
    Some(CachedSkill { digest, name, folder })
}

fn is_whole(objects: &GitObjects, sha: &Sha) -> bool {
    Oid::from_str(sha.as_str()).is_ok_and(|id| collect_commit_skills(objects, id).is_some())
}

/// The commit and all trees below it, each once, as they are written; `None` where one is
/// missing, or where they are too large to be kept.
fn collect_commit_skills(objects: &GitObjects, commit: Oid) -> Option<Vec<u8>> {
    let text = objects.find(commit, ObjectType::Commit, LARGEST as u64).ok()??;
    let root = walk::tree_of(&text).ok()?;
    let mut out = Vec::new();
    CachedObjects::append_cached_object(&mut out, ObjectType::Commit, &text);
    let (mut seen, mut pending) = (BTreeSet::from([root]), vec![root]);
    while let Some(id) = pending.pop() {
        let tree = objects.find(id, ObjectType::Tree, LARGEST as u64).ok()??;
        CachedObjects::append_cached_object(&mut out, ObjectType::Tree, &tree);
        if out.len() > LARGEST || seen.len() > MOST_TREES {
            return None;
        }
        pending.extend(walk::folders_of(&tree).ok()?.into_iter().filter(|id| seen.insert(*id)));
    }
    Some(out)
}

/// The manifests of a commit, each with the folder of its skill, and who has their bytes.
pub(super) struct Manifests<'a> {
    pub(super) all: Vec<(&'a str, Oid)>,
    pub(super) read: &'a dyn Fn(Oid) -> Option<Vec<u8>>,
}

/// Remembers a commit and more of its skills. What cannot be written is not remembered, which
/// is no failure of the command.
pub(super) fn store_commit(
    repository: &str,
    sha: &Sha,
    objects: &GitObjects,
    manifests: &Manifests<'_>,
    more: &[CachedSkill],
    cache: &Cache,
) {
    // As the file stands now: one command remembers what it kept, and before it what stayed.
    let old = std::fs::read(commit_file(repository, sha, cache)).ok();
    let old = old.and_then(|bytes| parse_commit_skills(&bytes)).map(|(known, _)| known);
    let (is_new, known) = (old.is_none(), old.unwrap_or_default());
    let mut all: Vec<&CachedSkill> = known.iter().collect();
    // A name that was given among all is not forgotten for one that was not.
    let is_fresh = |new: &&CachedSkill| {
        let same = |old: &&CachedSkill| old.folder == new.folder && old.digest == new.digest;
        new.name.is_some() || !known.iter().any(|old| same(&old))
    };
    let more: Vec<&CachedSkill> = more.iter().filter(is_fresh).collect();
    all.retain(|old| !more.iter().any(|new| new.folder == old.folder));
    all.extend(more);
    all.sort_by(|a, b| a.folder.cmp(&b.folder));
    let is_news = is_new || all.len() != known.len() || !all.iter().copied().eq(&known);
    if !cache.is_enabled() || !is_news {
        return;
    }
    let commit = Oid::from_str(sha.as_str()).ok().and_then(|id| collect_commit_skills(objects, id));
    let Some(mut commit) = commit else { return };
    let kept: BTreeSet<&str> = all.iter().map(|known| known.folder.as_str()).collect();
    for (_, id) in manifests.all.iter().filter(|(folder, _)| !kept.contains(folder)) {
        let bytes = (manifests.read)(*id).filter(|bytes| commit.len() + bytes.len() <= LARGEST);
        bytes
            .into_iter()
            .for_each(|bytes| CachedObjects::append_cached_object(&mut commit, ObjectType::Blob, &bytes));
    }
    let mut text = format!("{COMMIT}\n");
    for CachedSkill { folder, name, digest } in all {
        let folder = if folder.is_root() { TOP } else { folder.as_str() };
        let name = name.as_ref().map_or(UNNAMED, SkillName::as_str);
        text.push_str(&format!("{digest} {name} {folder}\n"));
    }
    text.push('\n');
    let _ = cache.write(&commit_file(repository, sha, cache), &[text.as_bytes(), &commit]);
}

/// Remembers what the refs are now, as [`store_commit`] does.
pub(super) fn store_refs(repository: &str, refs: &Refs, now: Timestamp, cache: &Cache) {
    if !cache.is_enabled() {
        return;
    }
    let mut text = format!("{REFS} {now}\n");
    if let Some(head) = &refs.head {
        text.push_str(&format!("head {head} {}\n", refs.default_branch.as_deref().unwrap_or_default()));
    }
    for (name, sha) in &refs.branches {
        text.push_str(&format!("branch {sha} {name}\n"));
    }
    for (name, Tag { object, commit }) in &refs.tags {
        text.push_str(&format!("tag {object} {commit} {name}\n"));
    }
    let _ = cache.write(&refs_file(repository, cache), &[text.as_bytes()]);
}

/// What the refs were when they were last asked for, and when that was.
pub(super) fn load_refs(repository: &str, cache: &Cache) -> Option<(Refs, Timestamp)> {
    let text = String::from_utf8(cache.read(&refs_file(repository, cache))?).ok()?;
    let mut lines = text.lines();
    let then = lines.next()?.strip_prefix(REFS)?.trim().parse().ok()?;
    let mut refs = Refs::default();
    for line in lines {
        let (kind, rest) = line.split_once(' ')?;
        let (sha, name) = rest.split_once(' ')?;
        let sha: Sha = sha.parse().ok()?;
        match kind {
            "head" => {
                refs.head = Some(sha);
                refs.default_branch = Some(name.to_owned()).filter(|name| !name.is_empty());
            }
            "branch" => drop(refs.branches.insert(name.to_owned(), sha)),
            "tag" => {
                let (commit, name) = name.split_once(' ')?;
                refs.tags.insert(name.to_owned(), Tag { object: sha, commit: commit.parse().ok()? });
            }
            _ => return None,
        }
    }
    Some((refs, then))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn none() -> Manifests<'static> {
        Manifests { all: Vec::new(), read: &|_| None }
    }

    const HERE: &str = "https://h.example/r";

    #[test]
    fn a_repository_is_known_by_where_it_is() {
        let github = |repo: &str| Source::Github { owner: "o".into(), repo: repo.into() };
        let key = |source: &Source, url: &str| repository_key(source, url);
        let one = key(&github("r"), "https://github.com/o/r.git");
        for url in
            ["https://GitHub.com/o/r", "https://github.com:443/o/r.git/", "git+https://github.com/o/r.git"]
        {
            assert_eq!(key(&github("r"), url), one, "{url}");
        }
        for url in [
            "http://github.com/o/r",
            "https://github.com:8443/o/r",
            "https://github.com/o/R",
            "https://evil.example/o/r",
        ] {
            assert_ne!(key(&github("r"), url), one, "{url}");
        }
        assert_eq!(canonical_url("https://me:secret@h.example/r.git"), "https://me@h.example/r");
        assert_eq!(canonical_url("git@h.example:o/r.git"), "git@h.example:o/r");
    }

    /// A commit of two folders, out of a repository of its own.
    fn objects(bench: &Bench) -> (GitObjects, Sha) {
        let mut repo = bench.repository("o/r.git");
        let commit = repo.commit(&[("a/b/SKILL.md", b"x"), ("c/SKILL.md", b"y")], &[]);
        (GitObjects::open_local(&repo.path).unwrap(), commit.to_string().parse().unwrap())
    }

    fn known(folder: &str, name: &str) -> CachedSkill {
        CachedSkill {
            folder: RelPath::of_folder(folder).unwrap(),
            name: name.parse().ok(),
            digest: Digest::of(folder.as_bytes()),
        }
    }

    #[test]
    fn a_commit_is_remembered_with_its_skills() {
        let bench = Bench::new();
        let cache = Cache::new(bench.home.path(), 1 << 20);
        let (objects, sha) = objects(&bench);
        assert!(load_commit(HERE, &sha, &cache).is_none());
        store_commit(HERE, &sha, &objects, &none(), &[known("c", "c"), known("", "top")], &cache);
        let (kept, skills) = load_commit(HERE, &sha, &cache).unwrap();
        assert_eq!(skills, [known("", "top"), known("c", "c")]);
        let more = [known("a/b", "b")];
        store_commit(HERE, &sha, &kept, &none(), &more, &cache);
        assert_eq!(load_commit(HERE, &sha, &cache).unwrap().1.len(), 3);
        // Looked at alone, it keeps the name that it was given among all.
        let alone = |folder| CachedSkill { name: None, ..known(folder, "x") };
        store_commit(HERE, &sha, &kept, &none(), &[alone("c"), alone("w")], &cache);
        let skills = load_commit(HERE, &sha, &cache).unwrap().1;
        assert_eq!(skills[2..], [known("c", "c"), alone("w")]);
        // The manifest of a skill that was not kept stays with the commit.
        let id = Oid::hash_object(ObjectType::Blob, b"x").unwrap();
        let read = |wanted| (wanted == id).then(|| b"x".to_vec());
        let manifests = Manifests { all: vec![("z", id), ("c", Oid::ZERO_SHA1)], read: &read };
        store_commit(HERE, &sha, &kept, &manifests, &[known("q", "q")], &cache);
        let (kept, _) = load_commit(HERE, &sha, &cache).unwrap();
        assert_eq!(kept.find_any(id, 9).unwrap().unwrap().1, b"x");
        // Another source does not have it, though the commit is the same.
        assert!(load_commit("https://h.example/fork", &sha, &cache).is_none());
    }

    #[test]
    fn a_wrong_byte_is_never_believed() {
        let bench = Bench::new();
        let cache = Cache::new(bench.home.path(), 1 << 20);
        let (objects, sha) = objects(&bench);
        store_commit(HERE, &sha, &objects, &none(), &[known("c", "c")], &cache);
        let file = commit_file(HERE, &sha, &cache);
        let sound = std::fs::read(&file).unwrap();
        let start = sound.windows(2).position(|pair| pair == b"\n\n").unwrap() + 2;
        for at in start..sound.len() {
            let mut broken = sound.clone();
            broken[at] ^= 4;
            std::fs::write(&file, &broken).unwrap();
            assert!(load_commit(HERE, &sha, &cache).is_none(), "byte {at}");
        }
        for length in 0..sound.len() {
            std::fs::write(&file, &sound[..length]).unwrap();
            assert!(load_commit(HERE, &sha, &cache).is_none(), "{length} bytes");
        }
    }

    #[test]
    fn refs_are_what_they_were() {
        let bench = Bench::new();
        let cache = Cache::new(bench.home.path(), 1 << 20);
        let now = Timestamp::UNIX_EPOCH;
        let sha = |digit: &str| digit.repeat(40).parse::<Sha>().unwrap();
        let mut refs = Refs { head: Some(sha("a")), default_branch: Some("main".into()), ..Refs::default() };
        refs.branches.insert("feature/x y".into(), sha("b"));
        refs.tags.insert("v1".into(), Tag { object: sha("c"), commit: sha("d") });
        assert!(load_refs(HERE, &cache).is_none());
        for refs in [refs, Refs { head: Some(sha("e")), ..Refs::default() }, Refs::default()] {
            store_refs(HERE, &refs, now, &cache);
            assert_eq!(load_refs(HERE, &cache), Some((refs, now)));
        }
    }
}
