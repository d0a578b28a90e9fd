//! Git over loopback HTTP and out of local repositories: references, hostile trees,
//! broken packs, redirects, credentials.

use super::*;
use crate::testing::Bench;
use ba_agent_core::listing::Node;
use ba_agent_test_support::Repo;
use ba_agent_test_support::server::{Play, Server};

fn folder(text: &str) -> RelPath {
    RelPath::of_folder(text).unwrap()
}

fn git(url: impl Into<String>) -> Source {
    Source::Git { url: url.into() }
}

fn sha(id: Oid) -> Sha {
    id.to_string().parse().unwrap()
}

fn named(name: &str) -> Reference {
    Reference::Named(name.into())
}

/// Ids of a repository with two branches, tags of both sorts and a hidden ref.
struct Seeded {
    first: Oid,
    main: Oid,
    topic: Oid,
    hidden: Oid,
}

fn seed(repo: &mut Repo) -> Seeded {
    let first = repo.commit(&[("a/SKILL.md", b"one"), ("b.txt", b"b")], &[]);
    let main = repo.commit(&[("a/SKILL.md", b"two"), ("a/x/y.txt", b"y"), ("b.txt", b"b")], &[first]);
    let topic = repo.commit(&[("a/SKILL.md", b"topic")], &[main]);
    let hidden = repo.commit(&[("a/SKILL.md", b"hidden")], &[first]);
    repo.set("refs/heads/main", main);
    repo.set("refs/heads/feature/deep/topic", topic);
    repo.set("refs/pull/1/head", hidden);
    repo.set("refs/tags/v1.0.0", first);
    repo.annotate("v1.2.0", main);
    repo.set("refs/tags/v2.0.0", topic);
    Seeded { first, main, topic, hidden }
}

/// What stands in `a/SKILL.md` of a reference.
fn skill(remote: &Remote, reference: &Reference) -> Result<String> {
    let tree = remote.fetch(&remote.resolve(reference, None, None)?, Extent::Full)?;
    let entry = tree.package().listing.entry_at("a/SKILL.md").expect("a/SKILL.md is listed");
    Ok(String::from_utf8(tree.package().read(entry)?.into_owned()).unwrap())
}

/// Every kind of reference, through one remote after the other.
fn check_references(source: &Source, bench: &Bench, ids: &Seeded) {
    let client = bench.client();
    let cases = [
        (Reference::Default, "two"),
        (named("main"), "two"),
        (named("feature/deep/topic"), "topic"),
        (Reference::Branch("feature/deep/topic".into()), "topic"),
        (named("v1.0.0"), "one"),
        (Reference::Tag("v1.2.0".into()), "two"),
        (named("refs/tags/v2.0.0"), "topic"),
        (Reference::Sha(sha(ids.first)), "one"),
        (named(&ids.topic.to_string()[..9]), "topic"),
        (named(&ids.first.to_string()), "one"),
        (Reference::Range("^1".parse().unwrap()), "two"),
        (Reference::Range("1.0".parse().unwrap()), "two"),
        (Reference::Range("=1.0.0".parse().unwrap()), "one"),
        (Reference::Tail("feature/deep/topic/a".into()), "topic"),
        (Reference::Tail(format!("{}/a/SKILL.md", ids.first)), "one"),
        (Reference::Tail("main".into()), "two"),
    ];
    for (reference, expected) in cases {
        let remote = Remote::open(source, &client).unwrap();
        assert_eq!(skill(&remote, &reference).unwrap(), expected, "{reference:?}");
    }
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn every_reference_over_http() {
    for old in [false, true] {
        let bench = Bench::new();
        let ids = seed(&mut bench.repository("o/r.git"));
        let Some(server) = Server::start(&bench.served()) else { return };
        if old {
            server.speak_old();
        }
        check_references(&git(format!("{}/o/r.git", server.url())), &bench, &ids);
    }
}

#[test]
fn every_reference_of_a_local_repository() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let ids = seed(&mut repo);
    check_references(&git(repo.file_url()), &bench, &ids);
    check_references(&git(repo.path.to_string_lossy()), &bench, &ids);
    check_references(&git("./srv/o/r.git"), &bench, &ids);
}

#[test]
fn a_short_sha_that_no_ref_lists_is_found_in_the_history() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let ids = seed(&mut repo);
    repo.repository.find_reference("refs/tags/v1.0.0").unwrap().delete().unwrap();
    let Some(server) = Server::start(&bench.served()) else { return };
    let client = bench.client();
    let remote = Remote::open(&git(format!("{}/o/r.git", server.url())), &client).unwrap();
    let resolved = remote.resolve(&named(&ids.first.to_string()[..7]), None, None).unwrap();
    assert_eq!(resolved.pin, Revision::Commit(sha(ids.first)));
    assert_eq!(resolved.reference, Reference::Sha(sha(ids.first)));
    assert_eq!(skill(&remote, &resolved.reference).unwrap(), "one");
    let missing = remote.resolve(&named("0000000"), None, None).unwrap_err();
    assert_eq!(missing.kind, Kind::NotFound);
}

#[test]
fn a_tail_is_settled_by_the_longest_ref() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let ids = seed(&mut repo);
    let client = bench.client();
    let remote = Remote::open(&git(repo.file_url()), &client).unwrap();
    let check = |tail: &str, branch: &str, folder: Option<&str>| {
        let resolved = remote.resolve(&Reference::Tail(tail.into()), None, None).unwrap();
        assert_eq!(resolved.reference, Reference::Branch(branch.into()), "{tail}");
        assert_eq!(resolved.subdirectory.as_ref().map(RelPath::as_str), folder, "{tail}");
    };
    check("main", "main", None);
    check("main/", "main", None);
    check("main/skills/pdf", "main", Some("skills/pdf"));
    check("main/skills/pdf/SKILL.md", "main", Some("skills/pdf"));
    check("main/SKILL.md", "main", None);
    check("main/aSKILL.md", "main", Some("aSKILL.md"));
    check("feature/deep/topic/x/y", "feature/deep/topic", Some("x/y"));
    let short = format!("{}/a", &ids.main.to_string()[..8]);
    let resolved = remote.resolve(&Reference::Tail(short), None, None).unwrap();
    assert_eq!(resolved.pin, Revision::Commit(sha(ids.main)));
    let bad = |tail: &str| remote.resolve(&Reference::Tail(tail.into()), None, None).unwrap_err().kind;
    assert_eq!(bad("main/../../etc"), Kind::Usage);
    assert_eq!(bad("nothing/here"), Kind::NotFound);
    let named = RelPath::parse(b"other").unwrap();
    let both = remote.resolve(&Reference::Tail("main/x".into()), Some(&named), None).unwrap_err();
    assert_eq!(both.kind, Kind::Usage);
}

#[test]
fn what_is_not_there_is_named_with_what_is_near() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let ids = seed(&mut repo);
    let client = bench.client();
    let remote = Remote::open(&git(repo.file_url()), &client).unwrap();
    let error = remote.resolve(&named("mian"), None, None).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    assert_eq!(error.hints, ["did you mean `main`?"]);
    let error = remote.resolve(&Reference::Tag("v1.0.1".into()), None, None).unwrap_err();
    assert!(error.hints[0].starts_with("did you mean `v1."), "{error:?}");
    let error = remote.resolve(&Reference::Range("^9".parse().unwrap()), None, None).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    let gone = "1234567890123456789012345678901234567890".parse().unwrap();
    let resolved = remote.resolve(&Reference::Sha(gone), None, None).unwrap();
    assert_eq!(remote.fetch(&resolved, Extent::Full).err().unwrap().kind, Kind::NotFound);
    let folder = RelPath::parse(b"a/none").unwrap();
    let resolved = remote.resolve(&Reference::Default, Some(&folder), None).unwrap();
    assert_eq!(remote.fetch(&resolved, Extent::Full).err().unwrap().kind, Kind::NotFound);
    let blob = sha(repo.repository.find_commit(ids.main).unwrap().tree_id());
    let resolved = remote.resolve(&Reference::Sha(blob), None, None).unwrap();
    assert_eq!(remote.fetch(&resolved, Extent::Full).err().unwrap().kind, Kind::Integrity);
    assert_eq!(Remote::open(&git("file:///nothing/here"), &client).err().unwrap().kind, Kind::NotFound);
    let empty = bench.repository("o/empty.git");
    let remote = Remote::open(&git(empty.file_url()), &client).unwrap();
    assert_eq!(remote.resolve(&Reference::Default, None, None).unwrap_err().kind, Kind::NotFound);
}

#[test]
fn a_name_of_branch_and_tag_is_refused_unless_it_is_one_commit() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let ids = seed(&mut repo);
    repo.set("refs/heads/v1.0.0", ids.topic);
    repo.set("refs/heads/v2.0.0", ids.topic);
    let client = bench.client();
    let remote = Remote::open(&git(repo.file_url()), &client).unwrap();
    let error = remote.resolve(&named("v1.0.0"), None, None).unwrap_err();
    assert_eq!(error.kind, Kind::Usage);
    assert!(error.message.contains("branch") && error.message.contains("tag"), "{error:?}");
    assert_eq!(error.hints.len(), 2);
    let one = remote.resolve(&named("v2.0.0"), None, None).unwrap();
    assert_eq!(one.reference, Reference::Tag("v2.0.0".into()));
    let branch = remote.resolve(&named("refs/heads/v1.0.0"), None, None).unwrap();
    assert_eq!(branch.pin, Revision::Commit(sha(ids.topic)));
}

/// A branch can be named like a sha: the branch must not stand in for the commit.
#[test]
fn a_branch_named_like_a_sha_does_not_hijack_it() {
    for old in [false, true] {
        let bench = Bench::new();
        let mut repo = bench.repository("o/r.git");
        let ids = seed(&mut repo);
        let gone = "1234567890123456789012345678901234567890";
        repo.set(&format!("refs/heads/{}", ids.first), ids.topic);
        repo.set(&format!("refs/heads/{gone}"), ids.topic);
        let Some(server) = Server::start(&bench.served()) else { return };
        if old {
            server.speak_old();
        }
        let client = bench.client();
        let remote = Remote::open(&git(format!("{}/o/r.git", server.url())), &client).unwrap();
        for reference in [Reference::Sha(sha(ids.first)), named(&ids.first.to_string())] {
            assert_eq!(skill(&remote, &reference).unwrap(), "one");
        }
        let error = skill(&remote, &Reference::Sha(gone.parse().unwrap())).unwrap_err();
        assert_eq!(error.kind, Kind::NotFound, "{error:?}");
    }
}

/// A commit that only a hidden ref (a fork's pull request) leads to.
#[test]
fn a_commit_outside_of_branches_and_tags_is_told_apart() {
    let bench = Bench::new();
    let ids = seed(&mut bench.repository("o/r.git"));
    let Some(server) = Server::start(&bench.served()) else { return };
    let client = bench.client();
    let source = git(format!("{}/o/r.git", server.url()));
    let remote = Remote::open(&source, &client).unwrap();
    assert_eq!(skill(&remote, &Reference::Sha(sha(ids.hidden))).unwrap(), "hidden");
    assert_eq!(remote.is_reachable(&sha(ids.hidden)), Ok(false));
    assert_eq!(remote.is_reachable(&sha(ids.first)), Ok(true));
    assert_eq!(remote.is_reachable(&sha(ids.main)), Ok(true));
    server.speak_old();
    server.configure("uploadpack.hideRefs=refs/pull");
    // Another run: what a host said first holds for one.
    let client = bench.client();
    let remote = Remote::open(&source, &client).unwrap();
    let error = skill(&remote, &Reference::Sha(sha(ids.hidden))).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound, "{error:?}");
    // Not a tip, so the old server refuses it alone; the history has it.
    let parent = Remote::open(&source, &client).unwrap();
    assert_eq!(skill(&parent, &Reference::Sha(sha(ids.first))).unwrap(), "one");
}

#[test]
fn a_rewritten_branch_is_told_from_one_that_moved_on() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let first = repo.commit(&[("SKILL.md", b"one")], &[]);
    let second = repo.commit(&[("SKILL.md", b"two")], &[first]);
    let third = repo.commit(&[("SKILL.md", b"three")], &[second]);
    let other = repo.commit(&[("SKILL.md", b"other")], &[first]);
    repo.set("refs/heads/main", third);
    repo.set("refs/heads/other", other);
    let Some(server) = Server::start(&bench.served()) else { return };
    let urls = [format!("{}/o/r.git", server.url()), repo.file_url()];
    for (filters, old) in [(true, false), (false, false), (false, true)] {
        server.configure(if filters {
            "uploadpack.allowFilter=true"
        } else {
            "uploadpack.allowFilter=false"
        });
        if old {
            server.speak_old();
        }
        for url in &urls {
            let client = bench.client();
            let remote = Remote::open(&git(url.clone()), &client).unwrap();
            // Gone altogether: what a rewritten branch leaves once the host has tidied up.
            let gone: Sha = "0123456789012345678901234567890123456789".parse().unwrap();
            let (first, second, other) = (sha(first), sha(second), sha(other));
            // In every order, though the oldest first is what costs least.
            for (asked, lost) in [
                (vec![&first], vec![]),
                (vec![&first, &second], vec![]),
                (vec![&second, &first], vec![]),
                (vec![&other], vec![&other]),
                (vec![&gone], vec![&gone]),
                (vec![&other, &gone, &second, &first], vec![&other, &gone]),
                (vec![&first, &other, &second, &gone], vec![&other, &gone]),
            ] {
                let asked: Vec<Sha> = asked.into_iter().cloned().collect();
                let lost = lost.into_iter().cloned().collect();
                for depth in [None, Some(2), Some(100)] {
                    let old = asked.iter().cloned().map(|sha| OldCommit { sha, must_lead_here: true });
                    let between = remote.history_since(&sha(third), old.collect(), depth).unwrap();
                    assert_eq!(*between.rewritten(), lost, "{asked:?} {url} {filters} {depth:?}");
                }
            }
        }
    }
}

#[test]
fn one_folder_is_listed_with_paths_from_the_top_and_git_ids() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let ids = seed(&mut repo);
    let client = bench.client();
    let remote = Remote::open(&git(repo.file_url()), &client).unwrap();
    let folder = RelPath::parse(b"a").unwrap();
    let tree = remote
        .fetch(&remote.resolve(&Reference::Default, Some(&folder), None).unwrap(), Extent::Full)
        .unwrap();
    let paths: Vec<_> = tree.package().listing.entries().iter().map(|e| (e.path.as_str(), e.size)).collect();
    assert_eq!(paths, [("a/SKILL.md", 3), ("a/x/y.txt", 1)]);
    let root = repo.repository.find_commit(ids.main).unwrap().tree().unwrap();
    assert_eq!(tree.folder_id(&RelPath::ROOT), Some(root.id().to_string()));
    assert_eq!(tree.folder_id(&folder), Some(root.get_name("a").unwrap().id().to_string()));
    assert_eq!(tree.folder_id(&RelPath::parse(b"b.txt").unwrap()), None);
    assert_eq!(tree.folder_id(&RelPath::parse(b"none").unwrap()), None);
}

#[test]
fn a_work_tree_and_a_linked_one_are_opened_in_place() {
    let bench = Bench::new();
    let path = bench.home.path().join("work");
    let repository = git2::Repository::init_opts(
        &path,
        git2::RepositoryInitOptions::new().external_template(false).initial_head("main"),
    )
    .unwrap();
    let mut repo = Repo::over(repository, path.join(".git"));
    let id = repo.commit(&[("a/SKILL.md", b"work")], &[]);
    repo.set("refs/heads/main", id);
    repo.repository.worktree("linked", &bench.home.path().join("linked"), None).unwrap();
    let client = bench.client();
    for place in ["work", "linked"] {
        let remote = Remote::open(&git(format!("./{place}")), &client).unwrap();
        assert_eq!(skill(&remote, &Reference::Default).unwrap(), "work", "{place}");
    }
}

/// Blobs are the bytes of the repository, whatever attributes say (g20).
#[test]
fn no_filter_touches_a_byte() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let files: [(&str, &[u8]); 4] = [
        (".gitattributes", b"* text eol=crlf ident\n*.u working-tree-encoding=UTF-16\n"),
        ("ident.txt", b"$Id$\n"),
        ("crlf.txt", b"a\r\nb\nc\r\n"),
        ("x.u", b"\xff\xfe\0"),
    ];
    let id = repo.commit(&files, &[]);
    repo.set("refs/heads/main", id);
    let client = bench.client();
    let remote = Remote::open(&git(repo.file_url()), &client).unwrap();
    let tree = remote.fetch(&remote.resolve(&Reference::Default, None, None).unwrap(), Extent::Full).unwrap();
    for (path, bytes) in files {
        assert_eq!(
            &*tree.package().read(tree.package().listing.entry_at(path).unwrap()).unwrap(),
            bytes,
            "{path}"
        );
    }
}

/// g01–g19, g23: each name is refused, the sound file beside it stays.
#[test]
fn hostile_names_are_refused_one_by_one() {
    let long = [b'n'; 256];
    let huge = vec![b'h'; 100_000];
    let names: &[&[u8]] = &[
        b"..",
        b".",
        b"../evil",
        b"a/b",
        b"/abs",
        b".git",
        b".GIT",
        b"git~1",
        b".git ",
        b".git.",
        b"",
        b"back\\slash",
        b"new\nline",
        b"esc\x1b[31m",
        b"\xff\xfe",
        ".g\u{200c}it".as_bytes(),
        "bidi\u{202e}".as_bytes(),
        b".git::$INDEX_ALLOCATION",
        &long,
        &huge,
    ];
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let blob = repo.blob(b"x");
    let inner = repo.raw_tree(&[("100644", b"f", blob)]);
    for (number, name) in names.iter().enumerate() {
        for (mode, id) in [("100644", blob), ("40000", inner), ("160000", blob)] {
            let tree = repo.raw_tree(&[(mode, name, id), ("100644", b"ok", blob)]);
            let top = repo.raw_tree(&[("40000", b"s", tree)]);
            let commit = repo.commit_tree(top, &[]);
            repo.set("refs/heads/main", commit);
            let client = bench.client();
            let remote = Remote::open(&git(repo.file_url()), &client).unwrap();
            let tree = remote
                .fetch(&remote.resolve(&Reference::Default, None, None).unwrap(), Extent::Full)
                .unwrap();
            let paths: Vec<_> = tree.package().listing.entries().iter().map(|e| e.path.as_str()).collect();
            assert_eq!(paths, ["s/ok"], "{number} {mode}");
            let refused: Vec<_> = tree.package().listing.refused_below(&folder("s")).collect();
            assert_eq!(refused.len(), 1, "{number} {mode}");
            assert!(refused[0].shown.len() < 10_000);
            assert!(!refused[0].shown.contains(['\u{1b}', '\n', '\u{202e}']));
        }
    }
}

/// g08–g13, g21, g24, g25: links, twins, submodules, odd modes, depth, bombs, holes.
#[test]
fn odd_trees_are_listed_as_they_are_or_refused() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let blob = repo.blob(b"x");
    let out = repo.blob(b"/etc/passwd");
    let long = repo.blob(&[b'l'; 5_000]);
    let gone = Oid::from_str("1234567890123456789012345678901234567890").unwrap();
    let dir = repo.raw_tree(&[("100644", b"f", blob)]);
    let tree = repo.raw_tree(&[
        ("120000", b"link", out),
        ("40000", b"link", dir),
        ("120000", b"long", long),
        ("100644", b"twin", blob),
        ("100755", b"twin", blob),
        ("100644", b"TWIN", blob),
        ("100664", b"old-mode", blob),
        ("160000", b"sub", gone),
        ("20000", b"device", blob),
        ("100644", b"hole", gone),
    ]);
    let commit = repo.commit_tree(tree, &[]);
    repo.set("refs/heads/main", commit);
    let client = bench.client();
    let remote = Remote::open(&git(repo.file_url()), &client).unwrap();
    let resolved = remote.resolve(&Reference::Default, None, None).unwrap();
    let tree = remote.fetch(&resolved, Extent::Full).unwrap();
    let shown: Vec<String> = tree
        .package()
        .listing
        .entries()
        .iter()
        .map(|e| format!("{} {}", e.node.git_mode(), e.path))
        .collect();
    assert_eq!(
        shown,
        [
            "100644 TWIN",
            "000000 device",
            "100644 hole",
            "120000 link",
            "100644 link/f",
            "100644 old-mode",
            "160000 sub",
            "100644 twin",
            "100755 twin",
        ]
    );
    assert_eq!(
        tree.package().listing.entry_at("link").unwrap().node,
        Node::Link { target: "/etc/passwd".into() }
    );
    assert_eq!(tree.package().listing.refused_below(&RelPath::ROOT).count(), 1);
    let hole = tree.package().read(tree.package().listing.entry_at("hole").unwrap()).unwrap_err();
    assert_eq!(hole.kind, Kind::Integrity);

    let mut deep = dir;
    for _ in 0..200 {
        deep = repo.raw_tree(&[("40000", b"d", deep)]);
    }
    check_refused(&mut repo, &bench, deep, None);
    let mut bomb = repo.raw_tree(&[]);
    for _ in 0..4 {
        let names: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
        let lines: Vec<_> = names.iter().map(|n| ("40000", n.as_bytes(), bomb)).collect();
        bomb = repo.raw_tree(&lines);
    }
    let objects = GitObjects::open_local(&repo.path).unwrap();
    assert_eq!(walk::list_up_to(5_000, &objects, bomb, None).unwrap_err().kind, Kind::Invalid);
    let missing = repo.raw_tree(&[("40000", b"d", gone)]);
    check_refused(&mut repo, &bench, missing, Some(Kind::Integrity));
    let cut = repo.write(ObjectType::Tree, b"100644 name\0short");
    check_refused(&mut repo, &bench, cut, Some(Kind::Integrity));
    let blob_as_tree = repo.raw_tree(&[("40000", b"d", blob)]);
    check_refused(&mut repo, &bench, blob_as_tree, Some(Kind::Integrity));
}

/// A tree that is refused as a whole with this kind, or (`None`) only in part.
fn check_refused(repo: &mut Repo, bench: &Bench, tree: Oid, kind: Option<Kind>) {
    let commit = repo.commit_tree(tree, &[]);
    repo.set("refs/heads/main", commit);
    let client = bench.client();
    let remote = Remote::open(&git(repo.file_url()), &client).unwrap();
    let fetched = remote.fetch(&remote.resolve(&Reference::Default, None, None).unwrap(), Extent::Full);
    match kind {
        Some(kind) => assert_eq!(fetched.err().map(|e| e.kind), Some(kind)),
        None => {
            let tree = fetched.unwrap();
            assert!(tree.package().listing.entries().is_empty());
            assert_eq!(tree.package().listing.refused_below(&RelPath::ROOT).count(), 1);
        }
    }
}

/// A repository of two skills with a link in each and one beside them.
fn two_skills(repo: &mut Repo) {
    let blob = |repo: &Repo, text: &str| repo.blob(text.as_bytes());
    let (a, b) = (blob(repo, "a"), blob(repo, "b"));
    let (inner, out) = (blob(repo, "SKILL.md"), blob(repo, "../../../etc/passwd"));
    let long = blob(repo, &"x/".repeat(4_000));
    let first = repo.raw_tree(&[("120000", b"CLAUDE.md", inner), ("100644", b"SKILL.md", a)]);
    let second = repo.raw_tree(&[
        ("100644", b"SKILL.md", b),
        ("120000", b"long", long),
        ("120000", b"passwd", out),
        ("100755", b"run.sh", a),
    ]);
    let skills = repo.raw_tree(&[("40000", b"first", first), ("40000", b"second", second)]);
    let root = repo.raw_tree(&[("100644", b"README.md", b), ("40000", b"skills", skills)]);
    let commit = repo.commit_tree(root, &[]);
    repo.set("refs/heads/main", commit);
}

fn below(folder: &'static str) -> impl Fn(&FileEntry) -> bool {
    move |entry| entry.path.as_str().starts_with(folder)
}

#[test]
fn of_a_partial_tree_what_is_asked_for_is_fetched_and_no_more() {
    let bench = Bench::new();
    two_skills(&mut bench.repository("o/r.git"));
    let Some(server) = Server::start(&bench.served()) else { return };
    let client = bench.client();
    let remote = Remote::open(&git(format!("{}/o/r.git", server.url())), &client).unwrap();
    let resolved = remote.resolve(&Reference::Default, None, None).unwrap();
    let mut tree = remote.fetch(&resolved, Extent::Partial).unwrap();
    let paths = |tree: &PartialTree| {
        tree.package()
            .listing
            .entries()
            .iter()
            .map(|entry| entry.path.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let all = "README.md skills/first/CLAUDE.md skills/first/SKILL.md skills/second/SKILL.md \
               skills/second/long skills/second/passwd skills/second/run.sh";
    assert_eq!(paths(&tree), all);
    assert!(tree.folder_id(&folder("skills/first")).is_some());
    let get = |tree: &PartialTree, path: &str| {
        let entry = tree.package().listing.entry_at(path).expect(path);
        tree.package().read(entry).map(|bytes| String::from_utf8(bytes.into_owned()).unwrap())
    };
    assert_eq!(get(&tree, "README.md").unwrap_err().kind, Kind::Integrity, "it was never sent");

    let before = server.seen().len();
    remote.fetch_files(&mut tree, &resolved, &below("skills/first/")).unwrap();
    remote.fetch_files(&mut tree, &resolved, &below("skills/first/")).unwrap();
    assert_eq!(server.seen().len(), before + 1, "one request, and none for what is here");
    assert_eq!(get(&tree, "skills/first/SKILL.md").unwrap(), "a");
    let link = tree.package().listing.entry_at("skills/first/CLAUDE.md").unwrap();
    assert_eq!((&link.node, link.size), (&Node::Link { target: "SKILL.md".into() }, 8));
    // Equal bytes are one object: this one came along, its neighbours did not.
    assert_eq!(get(&tree, "skills/second/run.sh").unwrap(), "a");
    assert!(get(&tree, "skills/second/SKILL.md").is_err());

    remote.fetch_files(&mut tree, &resolved, &below("skills/second/")).unwrap();
    let again = Remote::open(&git(format!("{}/o/r.git", server.url())), &client).unwrap();
    assert_eq!(again.fetch_refs().unwrap().branches.len(), 1);
    assert_eq!(server.connections(), 1, "every answer is read to its end");
    let greetings = server.seen().iter().filter(|seen| seen.target.contains("info/refs")).count();
    assert_eq!(greetings, 1, "a host is greeted once");
    let entry = tree.package().listing.entry_at("skills/second/passwd").unwrap();
    assert_eq!(entry.node, Node::Link { target: "../../../etc/passwd".into() });
    assert_eq!(
        tree.package().listing.refused_below(&folder("skills/second")).count(),
        1,
        "a link longer than a path"
    );
    assert!(tree.package().listing.entry_at("skills/second/long").is_none());
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn a_host_that_cannot_leave_blobs_out_sends_them() {
    for (setting, old) in [("uploadpack.allowFilter=false", false), ("core.bare=true", true)] {
        let bench = Bench::new();
        two_skills(&mut bench.repository("o/r.git"));
        let Some(server) = Server::start(&bench.served()) else { return };
        server.configure(setting);
        if old {
            server.speak_old();
        }
        let client = bench.client();
        let remote = Remote::open(&git(format!("{}/o/r.git", server.url())), &client).unwrap();
        let resolved = remote.resolve(&Reference::Default, None, None).unwrap();
        let mut tree = remote.fetch(&resolved, Extent::Partial).unwrap();
        let before = server.seen().len();
        remote.fetch_files(&mut tree, &resolved, &|_| true).unwrap();
        assert_eq!(server.seen().len(), before, "all was here");
        assert_eq!(
            tree.package().read(tree.package().listing.entry_at("README.md").unwrap()).unwrap().as_ref(),
            b"b"
        );
    }
}

#[test]
fn a_host_that_gives_no_single_blobs_sends_the_commit() {
    let bench = Bench::new();
    two_skills(&mut bench.repository("o/r.git"));
    let Some(server) = Server::start(&bench.served()) else { return };
    let client = bench.client();
    let remote = Remote::open(&git(format!("{}/o/r.git", server.url())), &client).unwrap();
    let resolved = remote.resolve(&Reference::Default, None, None).unwrap();
    let mut tree = remote.fetch(&resolved, Extent::Partial).unwrap();
    let refusal = b"0032ERR upload-pack: not our ref 0123456789012345\n0000".to_vec();
    server.play_times("/git-upload-pack", 1, Play::Bytes("application/x-git-upload-pack-result", refusal));
    remote.fetch_files(&mut tree, &resolved, &below("skills/first/")).unwrap();
    assert_eq!(
        tree.package()
            .read(tree.package().listing.entry_at("skills/first/SKILL.md").unwrap())
            .unwrap()
            .as_ref(),
        b"a"
    );
}

#[test]
fn blobs_that_a_host_owes_or_garbles_are_an_error() {
    let bench = Bench::new();
    two_skills(&mut bench.repository("o/r.git"));
    let Some(server) = Server::start(&bench.served()) else { return };
    let client = bench.client();
    let remote = Remote::open(&git(format!("{}/o/r.git", server.url())), &client).unwrap();
    let resolved = remote.resolve(&Reference::Default, None, None).unwrap();
    let empty = b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";
    let mut owed = b"000dpackfile\n0025\x01".to_vec();
    owed.extend_from_slice(empty);
    owed.extend_from_slice(b"0000");
    for (play, kind) in [
        (Play::Bytes("application/x-git-upload-pack-result", owed), Kind::Integrity),
        (Play::Corrupt(60), Kind::Integrity),
        (Play::Truncate(60), Kind::Network),
    ] {
        let mut tree = remote.fetch(&resolved, Extent::Partial).unwrap();
        server.play("/git-upload-pack", play);
        let fetched = remote.fetch_files(&mut tree, &resolved, &below("skills/first/"));
        let entry = tree.package().listing.entry_at("skills/first/SKILL.md").unwrap();
        let error = fetched.and_then(|()| tree.package().read(entry).map(|_| ())).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        server.play_fair();
    }
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn a_lying_pack_is_an_error_and_leaves_nothing() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let noise: Vec<u8> = (0..60_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let id = repo.commit(&[("a/SKILL.md", b"x"), ("noise", &noise)], &[]);
    repo.set("refs/heads/main", id);
    let Some(server) = Server::start(&bench.served()) else { return };
    let source = git(format!("{}/o/r.git", server.url()));
    let check = |play: Option<Play>, kinds: &[Kind]| {
        let client = match play {
            Some(Play::Stall(_)) => bench.hasty_client(),
            _ => bench.client(),
        };
        let remote = Remote::open(&source, &client).unwrap();
        let resolved = remote.resolve(&Reference::Default, None, None).unwrap();
        server.play_fair();
        if let Some(play) = play.clone() {
            server.play("git-upload-pack", play);
        }
        let error = remote.fetch(&resolved, Extent::Full).map(|_| ()).unwrap_err();
        assert!(kinds.contains(&error.kind), "{play:?}: {error:?}");
        server.play_fair();
        assert_eq!(bench.leftovers(), 0);
    };
    for length in [0, 3, 20, 100, 1_000, 30_000, 200_000] {
        check(Some(Play::Truncate(length)), &[Kind::Network, Kind::Integrity]);
    }
    check(Some(Play::Stall(30_000)), &[Kind::Network]);
    check(Some(Play::Corrupt(100_000)), &[Kind::Network, Kind::Integrity]);
    check(Some(Play::Bytes("text/html", b"<html>".to_vec())), &[Kind::Network]);
    check(
        Some(Play::Bytes("x", b"000dpackfile\n0009\x01junk0000".to_vec())),
        &[Kind::Network, Kind::Integrity],
    );
    check(
        Some(Play::Bytes("x", b"000dpackfile\n0011\x01PACK\0\0\0\x02\xff\xff\xff\xff0000".to_vec())),
        &[Kind::Invalid],
    );
    let empty = b"000dpackfile\n0025\x01PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e0000";
    check(Some(Play::Bytes("x", empty.to_vec())), &[Kind::Integrity]);
    let client = bench.client();
    let remote = Remote::open(&source, &client).unwrap();
    assert_eq!(skill(&remote, &Reference::Default).unwrap(), "x");
}

#[test]
fn a_pack_may_not_pass_its_limit() {
    let mut bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let noise: Vec<u8> = (0..60_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let id = repo.commit(&[("noise", &noise)], &[]);
    repo.set("refs/heads/main", id);
    bench.limits.pack = 100_000;
    let Some(server) = Server::start(&bench.served()) else { return };
    let client = bench.client();
    let remote = Remote::open(&git(format!("{}/o/r.git", server.url())), &client).unwrap();
    let resolved = remote.resolve(&Reference::Default, None, None).unwrap();
    assert_eq!(remote.fetch(&resolved, Extent::Full).err().unwrap().kind, Kind::Invalid);
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn many_threads_read_one_tree() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let names: Vec<String> = (0..200).map(|n| format!("f{n}")).collect();
    let files: Vec<_> = names.iter().map(|n| (n.as_str(), n.as_bytes())).collect();
    let id = repo.commit(&files, &[]);
    repo.set("refs/heads/main", id);
    let Some(server) = Server::start(&bench.served()) else { return };
    let client = bench.client();
    let remote = Remote::open(&git(format!("{}/o/r.git", server.url())), &client).unwrap();
    let tree = remote.fetch(&remote.resolve(&Reference::Default, None, None).unwrap(), Extent::Full).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for entry in tree.package().listing.entries() {
                    assert_eq!(tree.package().read(entry).unwrap().as_ref(), entry.path.as_str().as_bytes());
                }
            });
        }
    });
    assert!(bench.progress.0.load(std::sync::atomic::Ordering::Relaxed) > 0);
}

/// The user's `ssh`, played by a shell script that runs the command it was given.
#[cfg(unix)]
#[test]
fn every_reference_over_ssh() {
    let bench = Bench::new();
    let script = bench.home.path().join("ssh.sh");
    let note = bench.home.path().join("arguments");
    let text = format!("echo \"$@\" >> {}\nfor last; do :; done\neval \"$last\"\n", note.display());
    std::fs::write(&script, text).unwrap();
    let command = format!("sh '{}' -F 'my config'", script.display());
    let env = ba_agent_system::env::Env::isolated(bench.home.path(), &[("GIT_SSH_COMMAND", &command)]);
    let bench = Bench { home: ba_agent_test_support::TestHome { env, ..bench.home }, ..bench };
    let mut repo = bench.repository("o/it's.git");
    let ids = seed(&mut repo);
    if Server::start(&bench.served()).is_none() {
        return;
    }
    check_references(&git(format!("me@h.example:{}", repo.path.display())), &bench, &ids);
    let noted = std::fs::read_to_string(&note).unwrap();
    let line = noted.lines().next().unwrap();
    assert!(
        line.starts_with(
            "-F my config -o ConnectTimeout=10 -o BatchMode=yes -- me@h.example git-upload-pack '"
        ),
        "{line}"
    );
    let client = bench.client();
    let remote = Remote::open(&git(format!("ssh://h.example:7{}", repo.path.display())), &client).unwrap();
    assert_eq!(remote.is_reachable(&sha(ids.first)), Ok(true));
    assert_eq!(remote.is_reachable(&sha(ids.hidden)), Ok(false));
    let offline = bench.offline_client();
    let remote = Remote::open(&git("h.example:r"), &offline).unwrap();
    assert_eq!(remote.fetch_refs().unwrap_err().kind, Kind::Network);
}

#[cfg(unix)]
#[test]
fn what_ssh_answers_becomes_an_error_of_its_kind() {
    for (script, kind, hint) in [
        ("echo 'git@h.example: Permission denied (publickey).' >&2; exit 255", Kind::Auth, "ssh -T"),
        ("echo 'Host key verification failed.' >&2; exit 255", Kind::Auth, "fingerprint"),
        ("echo 'ERROR: Repository not found.' >&2; exit 1", Kind::NotFound, "name"),
        ("echo 'ssh: Could not resolve hostname h.example' >&2; exit 255", Kind::Network, "connection"),
        ("printf 'hello, this is no git\\033[31m'", Kind::Network, ""),
        ("exit 0", Kind::Network, ""),
        ("exec sleep 600", Kind::Network, ""),
    ] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("ssh.sh"), format!("{script}\n")).unwrap();
        let command = format!("sh {}/ssh.sh", home.path().display());
        let bench = Bench::with(&[("GIT_SSH_COMMAND", &command)]);
        let client = bench.hasty_client();
        let remote = Remote::open(&git("git@h.example:o/r.git"), &client).unwrap();
        let error = remote.fetch_refs().unwrap_err();
        assert_eq!(error.kind, kind, "{script}: {error:?}");
        assert!(error.hints.iter().any(|h| h.contains(hint)) || hint.is_empty(), "{script}: {error:?}");
    }
    let bench = Bench::with(&[("GIT_SSH_COMMAND", "ssh; touch x")]);
    let client = bench.client();
    let remote = Remote::open(&git("git@h.example:o/r.git"), &client).unwrap();
    assert_eq!(remote.fetch_refs().unwrap_err().kind, Kind::Usage);
}

/// Finding 12: a loose object that is cut short makes libgit2 spin.
#[test]
fn half_a_loose_object_is_an_error() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let noise: Vec<u8> = (0..20_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let id = repo.commit(&[("a/SKILL.md", b"x"), ("noise", &noise)], &[]);
    repo.set("refs/heads/main", id);
    let tag = repo.annotate("v1.0.0", id);
    let client = bench.client();
    let fetch = || {
        let remote = Remote::open(&git(repo.file_url()), &client)?;
        remote.fetch(&remote.resolve(&Reference::Default, None, None)?, Extent::Full)
    };
    let cut = |id: Oid, share: usize| {
        let name = id.to_string();
        let file = repo.path.join("objects").join(&name[..2]).join(&name[2..]);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / share]).unwrap();
    };
    let blob = repo.blob(&noise);
    cut(blob, 2);
    let tree = fetch().unwrap();
    assert_eq!(
        tree.package().read(tree.package().listing.entry_at("noise").unwrap()).unwrap_err().kind,
        Kind::Integrity
    );
    assert_eq!(
        tree.package().read(tree.package().listing.entry_at("a/SKILL.md").unwrap()).unwrap().as_ref(),
        b"x"
    );
    cut(tag, 2);
    assert!(fetch().is_ok());
    cut(repo.repository.find_commit(id).unwrap().tree_id(), 3);
    assert_eq!(fetch().err().unwrap().kind, Kind::Integrity);
    cut(id, 2);
    assert_eq!(fetch().err().unwrap().kind, Kind::Integrity);
}

#[test]
fn a_commit_says_when_it_was_made_or_nothing() {
    let check = |lines: &str, expected: Option<i64>| {
        let commit = format!("tree {}\n{lines}\n\ncommitter b <b> 7 +0000\n", "a".repeat(40));
        let at = walk::committed_at(commit.as_bytes()).map(jiff::Timestamp::as_second);
        assert_eq!(at, expected, "{lines}");
    };
    check("author a <a> 5 +0000\ncommitter b <b@c> 1767323045 +0100", Some(1_767_323_045));
    check("committer b > c <b@c> -5 +0000", Some(-5));
    check("committer <> 0 +0000", Some(0));
    for none in
        ["", "committer", "committer b <b@c>", "committer b <b@c> x", "committer 7", "author a <a> 5 +0000"]
    {
        check(none, None);
    }
    check("committer b <b@c> 99999999999999999 +0000", None);
    check("committer b <b@c> 99999999999999999999999999 +0000", None);
}
