//! What other commands ask of marketplaces: sources by bare names, requests for an update,
//! installed skills by their origin.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::cached::keep_fetched_catalogue;
use super::fetch::fetch;
use super::resolve::locate;
use super::update::{MarketplaceUpdateReport, record, refresh};
use super::*;
use crate::fetch::marketplace::Place;
use crate::fetch::testing::Bench;
use crate::ops::gather::{Choice, SkillRequest};
use crate::ops::installed::match_installed;
use crate::store::marketplaces::Marketplaces;
use ba_agent_core::catalog::EntryRequirement;
use ba_agent_core::error::Kind;
use ba_agent_core::registry::{MarketplaceOrigin, Registry};
use ba_agent_core::source::Request;

/// Writes a marketplace of two plugins, and registers it under each of `names`.
fn shop(bench: &Bench, names: &[&str]) -> Marketplaces {
    let root = bench.home.path();
    let plugins = json!([
        { "name": "office", "source": "./office" },
        { "name": "data", "source": "./data" },
        { "name": "away", "source": { "source": "github", "repo": "o/r", "sha": "a".repeat(40) } },
        { "name": "package", "source": { "source": "npm", "package": "kit" } },
    ]);
    for (folder, skill) in [("office", "pdf"), ("office", "docx"), ("data", "pdf"), ("data", "sql")] {
        let at = root.join(format!("m/{folder}/skills/{skill}"));
        std::fs::create_dir_all(&at).unwrap();
        let text = format!("---\nname: {skill}\ndescription: Does {skill} for whoever asks.\n---\n\nText.\n");
        std::fs::write(at.join("SKILL.md"), text).unwrap();
    }
    std::fs::create_dir_all(root.join("m/.claude-plugin")).unwrap();
    let document = json!({ "name": "m", "owner": { "name": "o" }, "plugins": plugins });
    std::fs::write(root.join("m/.claude-plugin/marketplace.json"), document.to_string()).unwrap();
    let file: PathBuf = root.join("skills_marketplaces.json");
    for name in names {
        let fetched = fetch(&Place::parse("./m").unwrap(), &bench.world()).unwrap();
        assert_eq!((fetched.skills, fetched.warnings.len()), (4, 0));
        crate::store::marketplaces::change(
            &file,
            &file.with_extension("lock"),
            Duration::ZERO,
            &|_| (),
            |all| {
                all.insert((*name).to_owned(), fetched.marketplace);
                Ok(())
            },
        )
        .unwrap();
    }
    Marketplaces::read(&file, None).unwrap()
}

fn ask(text: &str, choice: Choice) -> SkillRequest {
    SkillRequest { choice, ..SkillRequest::of(Request::parse(text).unwrap()) }
}

fn gathered(bench: &Bench, all: &Marketplaces, text: &str, choice: Choice) -> Vec<String> {
    let mut first = |_: &[crate::ops::gather::Offer]| Ok(vec![0]);
    let gathered = gather(&ask(text, choice), all, &bench.world(), &mut first).unwrap();
    gathered.candidates.iter().map(|candidate| candidate.name.to_string()).collect()
}

#[test]
fn an_entry_becomes_candidates_that_know_their_origin() {
    let bench = Bench::new();
    let all = shop(&bench, &["acme"]);
    assert_eq!(gathered(&bench, &all, "office@acme", Choice::All), ["docx", "office-pdf"]);
    assert_eq!(gathered(&bench, &all, "office@acme", Choice::Only), ["docx"]);
    assert_eq!(gathered(&bench, &all, "office@acme", Choice::Named(vec!["pdf".into()])), ["office-pdf"]);
    assert_eq!(gathered(&bench, &all, "data:pdf@acme", Choice::Only), ["data-pdf"]);
    let one = gather(&ask("sql@acme", Choice::Only), &all, &bench.world(), &mut |_| Ok(vec![])).unwrap();
    let candidate = &one.candidates[0];
    assert_eq!(
        candidate.marketplace,
        Some(MarketplaceOrigin { name: "acme".into(), entry: "data".into(), version: None })
    );
    assert_eq!(
        (candidate.resolved.source.to_string().as_str(), candidate.folder.as_str()),
        ("./m", "data/skills/sql")
    );
    let other =
        gather(&ask("office@acme", Choice::Named(vec!["sql".into()])), &all, &bench.world(), &mut |_| {
            Ok(vec![])
        });
    assert_eq!(other.unwrap_err().kind, Kind::NotFound);
    let digest = Some(format!("sha256:{}", "a".repeat(64)).parse().unwrap());
    let held = SkillRequest { integrity: digest, ..ask("sql@acme", Choice::Only) };
    assert_eq!(gather(&held, &all, &bench.world(), &mut |_| Ok(vec![])).unwrap_err().kind, Kind::Usage);
    // Other sources go their usual way.
    assert_eq!(gathered(&bench, &all, "./m/data/skills/sql", Choice::Only), ["sql"]);
}

#[test]
fn a_bare_name_is_the_one_marketplace_that_has_it() {
    let bench = Bench::new();
    let one = shop(&bench, &["acme"]);
    let locate =
        |name: &str, all: &Marketplaces| locate(name, all, &bench.world()).map(|source| source.to_string());
    assert_eq!(locate("sql", &one).unwrap(), "sql@acme");
    assert_eq!(locate("office", &one).unwrap(), "office@acme");
    assert_eq!(locate("office:pdf", &one).unwrap(), "office:pdf@acme");
    let error = locate("excel", &one).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    let two = shop(&bench, &["acme", "other"]);
    let error = locate("sql", &two).unwrap_err();
    assert_eq!(
        (error.kind, error.hints),
        (Kind::Usage, vec!["write `sql@acme`".into(), "write `sql@other`".into()])
    );
}

#[test]
fn a_source_argument_may_be_a_name() {
    let bench = Bench::new();
    let (none, one) = (Marketplaces::default(), shop(&bench, &["acme"]));
    let read = |text: &str, source: Option<&str>, all: &Marketplaces| {
        request(text, source, all, &bench.world()).map_or_else(|e| format!("{:?}", e.kind), |r| r.to_string())
    };
    assert_eq!(read("sql", None, &one), "sql@acme");
    assert_eq!(read("office:pdf", None, &one), "office:pdf@acme");
    assert_eq!(read("sql", Some("acme"), &one), "sql@acme");
    assert_eq!(read("sql", Some("gone"), &one), "NotFound");
    assert_eq!(read("./x", Some("acme"), &one), "Usage");
    assert_eq!(read("excel", None, &one), "NotFound");
    assert_eq!(read("officce:pdf", None, &one), "Usage");
    assert_eq!(read("sql", None, &none), "Usage");
    assert_eq!(read("builtin:skill-finder", None, &one), "builtin:skill-finder");
    assert_eq!(read("o/r", None, &one), "github:o/r");
}

#[test]
fn an_update_can_ask_what_an_entry_leads_to() {
    let bench = Bench::new();
    let all = shop(&bench, &["acme"]);
    let of = |entry: &str| {
        let origin = MarketplaceOrigin { name: "acme".into(), entry: entry.into(), version: None };
        want_of(&origin, &all, &bench.world()).map(|wanted| match wanted.requirement {
            Some(EntryRequirement::Elsewhere { request, .. }) => request.to_string(),
            Some(EntryRequirement::Npm(package)) => format!("npm {}", package.name),
            other => format!("{other:?}"),
        })
    };
    assert_eq!(of("away").unwrap(), format!("github:o/r#{}", "a".repeat(40)));
    assert_eq!(of("office").unwrap(), "./m");
    assert_eq!(of("package").unwrap(), "npm kit");
    assert_eq!(of("gone").unwrap_err().kind, Kind::NotFound);
}

#[test]
fn an_installed_skill_is_found_by_its_origin() {
    let bench = Bench::new();
    let all = shop(&bench, &["acme"]);
    let mut registry = Registry::default();
    for text in ["office:pdf@acme", "data:pdf@acme"] {
        let one = gather(&ask(text, Choice::Only), &all, &bench.world(), &mut |_| Ok(vec![])).unwrap();
        let candidate = &one.candidates[0];
        let (digest, files) = candidate.digest().unwrap().clone();
        registry.skills.insert(candidate.name.clone(), candidate.record(digest, files, bench.env.now));
    }
    let name = |text: &str| match_installed(text, &registry).map(|name| name.as_str());
    assert_eq!(name("office:pdf"), Some("office-pdf"));
    assert_eq!(name("data:pdf"), Some("data-pdf"));
    assert_eq!(name("data-pdf"), Some("data-pdf"));
    assert_eq!((name("pdf"), name("office:docx"), name("x:pdf")), (None, None, None));
}

#[test]
fn a_plain_catalogue_is_read_back_as_it_was_made() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.home.path().join("p/skills/é x")).unwrap();
    std::fs::write(
        bench.home.path().join("p/skills/é x/SKILL.md"),
        "---\nname: x\ndescription: Does x \"well\".\n---\n\nx\n",
    )
    .unwrap();
    let fetched = fetch(&Place::parse("./p").unwrap(), &bench.world()).unwrap();
    let again = cached::read(&fetched.copy.text, &fetched.marketplace).unwrap();
    assert_eq!(again, fetched.catalogue);
    assert_eq!(again.plugins[0].description.as_deref(), Some("Does x \"well\"."));
}

/// What an update found is in the cache before it is recorded, what it replaces stays there,
/// and a record that somebody else changed meanwhile is not written over.
#[test]
fn an_update_that_is_not_recorded_loses_nothing() {
    let bench = Bench::new();
    let mut repo = bench.repository("m.git");
    let catalogue = |name: &str| json!({ "name": name, "owner": { "name": "o" }, "plugins": [] }).to_string();
    let first = repo.commit(&[("marketplace.json", catalogue("first").as_bytes())], &[]);
    repo.set("refs/heads/main", first);
    let cache = Some(ba_agent_system::cache::Cache::new(&bench.home.path().join(".cache"), 1 << 20));
    let world = bench.cached_world(cache.clone());
    let fetched = fetch(&Place::parse(&repo.file_url()).unwrap(), &world).unwrap();
    keep_fetched_catalogue(&fetched, &world);
    let old = fetched.marketplace;
    let own = |known: &RegisteredMarketplace| BTreeMap::from([("m".to_owned(), known.clone())]);
    let file = bench.home.path().join("m.json");
    let put = |all: &mut BTreeMap<String, RegisteredMarketplace>| {
        all.extend(own(&old));
        Ok(())
    };
    crate::store::marketplaces::change(&file, &file.with_extension("lock"), Duration::ZERO, &|_| (), put)
        .unwrap();
    let second = repo.commit(&[("marketplace.json", catalogue("second").as_bytes())], &[first]);
    repo.set("refs/heads/main", second);
    let all = Marketplaces::read(&file, None).unwrap();
    // Another run: one asks each repository for its refs once.
    let world = bench.cached_world(cache.clone());
    let MarketplaceUpdateReport { mut updated, failed } = refresh(&["m".to_owned()], &all, &world).unwrap();
    assert!(failed.is_empty() && updated[0].changed);
    let offline = bench.offline_world(cache);
    let name = |known: &RegisteredMarketplace| load_catalog(known, &offline).unwrap().0.name;
    assert_eq!(name(&old), Some("first".to_owned()));
    let mut changed = own(&RegisteredMarketplace { enabled: false, ..old.clone() });
    let before = changed.clone();
    let failed = record(&mut updated, &mut changed);
    assert_eq!((failed[0].1.kind, changed, updated.len()), (Kind::Conflict, before, 0));
    let mut updated = refresh(&["m".to_owned()], &all, &world).unwrap().updated;
    let mut recorded = own(&old);
    assert!(record(&mut updated, &mut recorded).is_empty());
    assert_eq!(name(&recorded["m"]), Some("second".to_owned()));
}
