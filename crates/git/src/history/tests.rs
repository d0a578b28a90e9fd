//! The log of a folder is the one that its definition gives, over each way to a repository.

use std::collections::BTreeSet;

use git2::Oid;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::OldCommit;
use crate::Remote;
use crate::testing::Bench;
use ba_agent_core::path::RelPath;
use ba_agent_core::source::{Sha, Source};
use ba_agent_test_support::Repo;
use ba_agent_test_support::server::Server;

/// A commit to be made: its parents, counted back from it, and what it does to the files.
type Deed = (usize, Option<usize>, u8);

fn sha(id: Oid) -> Sha {
    id.to_string().parse().unwrap()
}

/// Makes the commits, the newest last; no state of a folder ever comes back.
fn grow(repo: &mut Repo, deeds: &[Deed], salt: usize) -> Vec<Oid> {
    let mut made: Vec<(Oid, usize, usize)> = Vec::new();
    for (n, (back, other, what)) in deeds.iter().enumerate() {
        let back_to = |back: usize| made.len().checked_sub(back % made.len().max(1) + 1);
        let parents: BTreeSet<usize> =
            [Some(*back), *other].into_iter().flatten().filter_map(back_to).collect();
        let from = parents.iter().next_back().map_or((n, n), |parent| (made[*parent].1, made[*parent].2));
        let (inside, outside) = match what % 4 {
            0 => (n, from.1),
            1 => (n, n),
            _ => (from.0, n),
        };
        let texts = [inside, outside].map(|state| format!("{salt} {state}"));
        let files =
            [("skills/a/SKILL.md", texts[0].as_bytes()), ("skills/b/x", texts[1].as_bytes()), ("r", b"r")];
        let ids: Vec<Oid> = parents.iter().map(|parent| made[*parent].0).collect();
        made.push((repo.commit(&files, &ids), inside, outside));
    }
    made.into_iter().map(|(id, ..)| id).collect()
}

/// `git log OLD..NEW -- FOLDER`, by its definition.
fn expected(repo: &Repo, old: Oid, new: Oid, folder: &str) -> BTreeSet<String> {
    let mut walk = repo.repository.revwalk().unwrap();
    walk.push(new).unwrap();
    walk.hide(old).unwrap();
    let tree = |id: Oid| {
        let root = repo.repository.find_commit(id).unwrap().tree().unwrap();
        root.get_path(folder.as_ref()).ok().map(|entry| entry.id())
    };
    let touched = walk.flatten().filter(|id| {
        let commit = repo.repository.find_commit(*id).unwrap();
        commit.parent_ids().all(|parent| tree(parent) != tree(*id))
    });
    touched.map(|id| id.to_string()).collect()
}

#[test]
fn the_log_is_the_one_of_git_whichever_way_it_comes() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let Some(server) = Server::start(&bench.served()) else { return };
    server.configure("uploadpack.allowFilter=true");
    let urls = [repo.file_url(), format!("{}/o/r.git", server.url())];
    let folder = RelPath::parse(b"skills/a").unwrap();
    let deeds =
        prop::collection::vec((0usize..3, prop::option::weighted(0.3, 0usize..4), any::<u8>()), 2..12);
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let mut salt = 0;
    let looked = std::cell::Cell::new(0);
    let repo = std::cell::RefCell::new(&mut repo);
    let salted = std::cell::RefCell::new(&mut salt);
    TestRunner::new(config)
        .run(&(deeds, 0usize..12), |(deeds, at)| {
            **salted.borrow_mut() += 1;
            let mut repo = repo.borrow_mut();
            let commits = grow(&mut repo, &deeds, **salted.borrow());
            let (old, new) = (commits[at % (commits.len() - 1)], commits[commits.len() - 1]);
            repo.set("refs/heads/main", new);
            let leads = repo.repository.graph_descendant_of(new, old).unwrap();
            let tree = repo.repository.find_commit(old).unwrap().tree().unwrap();
            let installed = tree.get_path(folder.as_str().as_ref()).unwrap().id().to_string();
            let wanted = expected(&repo, old, new, folder.as_str());
            for url in &urls {
                let client = bench.client();
                let remote = Remote::open(&Source::Git { url: url.clone() }, &client).unwrap();
                let asked = vec![OldCommit { sha: sha(old), must_lead_here: true }];
                let between = remote.history_since(&sha(new), asked, Some(100)).unwrap();
                prop_assert_eq!(between.leads_from(&sha(old)), leads);
                prop_assert_eq!(between.rewritten().is_empty(), leads);
                let log = between.log(&sha(old), &[&folder], Some(&installed));
                prop_assert_eq!(log.is_some(), leads);
                if let Some(log) = log {
                    let told: BTreeSet<String> = log.commits.iter().map(|one| one.sha.to_string()).collect();
                    prop_assert_eq!(&told, &wanted, "{} {:?}", url, deeds);
                    prop_assert!(!log.is_cut);
                    prop_assert!(log.commits.is_sorted_by(|a, b| a.at >= b.at));
                    looked.set(looked.get() + told.len());
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(looked.get() > 20, "only {} commits were told of", looked.get());
}

/// A branch that began before the old commit still has the folder as it was then: that is no
/// change of it, though it is neither what is installed nor sent.
#[test]
fn a_branch_from_before_the_old_commit_touches_nothing_by_that() {
    let bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let Some(server) = Server::start(&bench.served()) else { return };
    server.configure("uploadpack.allowFilter=true");
    let mut commit = |a: &str, b: &str, parents: &[Oid]| {
        repo.commit(&[("skills/a/SKILL.md", a.as_bytes()), ("skills/b/x", b.as_bytes())], parents)
    };
    let before = commit("first", "first", &[]);
    let old = commit("second", "first", &[before]);
    let side = commit("first", "other", &[before]);
    let touching = commit("third", "other", &[side]);
    let merge = commit("third", "other", &[old, touching]);
    repo.set("refs/heads/main", merge);
    let folder = RelPath::parse(b"skills/a").unwrap();
    let tree = repo.repository.find_commit(old).unwrap().tree().unwrap();
    let installed = tree.get_path(folder.as_str().as_ref()).unwrap().id().to_string();
    for url in [repo.file_url(), format!("{}/o/r.git", server.url())] {
        let client = bench.client();
        let remote = Remote::open(&Source::Git { url }, &client).unwrap();
        let asked = vec![OldCommit { sha: sha(old), must_lead_here: true }];
        let between = remote.history_since(&sha(merge), asked, Some(100)).unwrap();
        let log = between.log(&sha(old), &[&folder], Some(&installed)).unwrap();
        let told: Vec<Sha> = log.commits.into_iter().map(|one| one.sha).collect();
        assert_eq!(told, [sha(touching)]);
    }
}
