//! Marketplaces over http, where what earlier commands left in the cache is a part of a
//! repository: no command may answer for the whole with that part.

use serde_json::json;

use crate::env::{Run, TestEnv, commit, skill_md};
use ba_agent_test_support::server::Server;

/// A host with `acme/m`: a catalogue of two plugins with two skills each.
struct Shop {
    env: TestEnv,
    server: Server,
    repo: git2::Repository,
}

fn shop() -> Option<Shop> {
    let mut env = TestEnv::new();
    let server = Server::start(&env.path("srv"))?;
    for skill in ["office/skills/pdf", "office/skills/docx", "data/skills/sql", "data/skills/csv"] {
        env.skill(&format!("m/{skill}")).file("scripts/run.py", format!("print('{skill}')\n"));
    }
    env.write(
        "m/office/.claude-plugin/plugin.json",
        json!({ "name": "office", "version": "1.0.0" }).to_string(),
    );
    // Does not compress, so that it is in no answer unseen.
    let noise: Vec<u8> = (0..75_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    env.write("m/large.bin", noise);
    let plugins = json!([{ "name": "office", "source": "./office" }, { "name": "data", "source": "./data" }]);
    let document = json!({ "name": "acme", "owner": { "name": "o" }, "plugins": plugins });
    env.write("m/.claude-plugin/marketplace.json", document.to_string());
    let repo = env.git_repo("srv/acme/m.git", &env.path("m"));
    env.set("BA_AGENT_GITHUB_URL", server.url());
    std::fs::create_dir_all(env.path("second/.git")).unwrap();
    Some(Shop { env, server, repo })
}

impl Shop {
    fn run(&self, args: &[&str]) -> Run {
        self.env.run(args)
    }

    fn empty_cache(&self) {
        std::fs::remove_dir_all(self.env.path("cache")).unwrap();
        std::fs::create_dir(self.env.path("cache")).unwrap();
    }
}

/// Each way to have a part of the commit in the cache, then each command that reads another
/// part of it: the answer is the one of an empty cache.
#[test]
fn a_part_in_the_cache_never_stands_for_the_whole() {
    let Some(shop) = shop() else { return };
    let before: &[&[&[&str]]] = &[
        &[&["skill", "install", "acme/m@pdf"]],
        &[&["skill", "install", "acme/m/data/skills/sql"]],
        &[&["marketplace", "add", "acme", "acme/m"], &["skill", "install", "office@acme", "--skill", "pdf"]],
        &[&["skill", "install", "acme/m@pdf"], &["skill", "update"]],
    ];
    let then: &[&[&[&str]]] = &[
        &[&["marketplace", "add", "acme", "acme/m", "--force"], &["marketplace", "show", "acme", "--json"]],
        &[
            &["marketplace", "add", "acme", "acme/m", "--force"],
            &["skill", "install", "office@acme", "--skill", "docx"],
        ],
        &[
            &["marketplace", "add", "acme", "acme/m", "--force"],
            &["marketplace", "update"],
            &["skill", "search", "sql", "--json"],
        ],
        &[&["marketplace", "add", "acme", "acme/m", "--force"], &["skill", "install", "data@acme", "--all"]],
        &[&["skill", "install", "acme/m", "--all"]],
        &[&["skill", "show", "acme/m", "--json"]],
    ];
    for first in before {
        for second in then {
            let answers = [false, true].map(|is_warm| {
                for folder in ["project/.claude", "project/config", "second/.claude", "second/config"] {
                    let _ = std::fs::remove_dir_all(shop.env.path(folder));
                }
                let _ = std::fs::remove_file(shop.env.path("settings/skills_marketplaces.json"));
                shop.empty_cache();
                first.iter().for_each(|args| drop(shop.run(args).ends(0)));
                if !is_warm {
                    shop.empty_cache();
                }
                let runs: Vec<Run> =
                    second.iter().map(|args| shop.env.run_in("second", args).ends(0)).collect();
                let printed = runs.into_iter().map(|run| run.stdout).collect::<String>();
                (printed, shop.env.picture("second"))
            });
            assert_eq!(answers[0], answers[1], "{first:?} then {second:?}");
        }
    }
}

/// Of a repository that a marketplace is in, nothing is fetched but what is read.
#[test]
fn a_marketplace_costs_what_is_read_of_it() {
    let Some(shop) = shop() else { return };
    shop.run(&["marketplace", "add", "acme", "acme/m"]).ends(0);
    assert!(shop.server.sent() < 30_000, "{} bytes", shop.server.sent());
    shop.run(&["skill", "install", "office@acme", "--all"]).ends(0);
    assert_eq!(shop.env.registry()["skills"]["pdf"]["version"], "1.0.0");
    assert!(shop.server.sent() < 60_000, "{} bytes", shop.server.sent());
}

/// What the cache does not have is not blamed on the repository.
#[test]
fn offline_says_what_the_cache_does_not_have() {
    let Some(shop) = shop() else { return };
    shop.run(&["marketplace", "add", "acme", "acme/m"]).ends(0);
    shop.run(&["skill", "install", "pdf@acme"]).ends(0);
    let run = shop.env.run(&["skill", "install", "sql@acme", "--offline"]).ends(3).says("not in the cache");
    assert!(!run.stderr.contains("damaged") && run.stderr.contains("without `--offline`"), "{}", run.stderr);
}

/// A repository that is larger than a pack may be has a catalogue all the same.
#[test]
fn a_catalogue_in_a_repository_that_is_too_large_can_be_added() {
    let Some(shop) = shop() else { return };
    shop.env.write("settings/config.yaml", "skills:\n  limits:\n    pack: 100KiB\n");
    shop.run(&["marketplace", "add", "acme", "acme/m"]).ends(0);
    shop.run(&["skill", "install", "sql@acme"]).ends(0);
    shop.env.write("m/data/skills/sql/SKILL.md", skill_md("sql", "Second edition of it, with more in it."));
    commit(&shop.repo, "refs/heads/main", &shop.env.path("m"), "second");
    shop.run(&["marketplace", "update"]).ends(0);
    shop.run(&["skill", "update"]).ends(0).says("Updated sql");
}

impl Shop {
    /// The requests of a run: what was asked for, without the repository's name.
    fn requests(&self, args: &[&str]) -> Vec<String> {
        let before = self.server.seen().len();
        self.run(args).ends(0);
        let seen = self.server.seen().split_off(before);
        let last = |target: &str| target.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
        seen.iter().map(|seen| last(&seen.target)).collect()
    }
}

/// Every request of every step, so that none comes in unnoticed.
#[test]
fn each_command_asks_as_often_as_it_must() {
    let Some(shop) = shop() else { return };
    let count = |args: &[&str], expected: usize| {
        let requests = shop.requests(args);
        assert_eq!(requests.len(), expected, "{args:?}: {requests:?}");
    };
    // Capabilities, refs, trees, catalogue and plugin manifests, manifests of its skills.
    count(&["marketplace", "add", "acme", "acme/m"], 5);
    count(&["marketplace", "show", "acme"], 0);
    count(&["skill", "search", "sql"], 0);
    // What is listed is what was recorded, whatever the cache has, and costs nothing.
    let listed = |args: &[&str]| shop.run(args).ends(0).stdout;
    let before = (listed(&["marketplace", "list"]), listed(&["marketplace", "list", "--json"]));
    assert!(before.1.contains("\"entries\": 2"), "{}", before.1);
    let cache = shop.env.path("cache");
    std::fs::rename(&cache, shop.env.path("away")).unwrap();
    count(&["marketplace", "list"], 0);
    assert_eq!((listed(&["marketplace", "list"]), listed(&["marketplace", "list", "--json"])), before);
    let _ = std::fs::remove_dir_all(&cache);
    std::fs::rename(shop.env.path("away"), &cache).unwrap();
    // The commit is known: capabilities, files.
    count(&["skill", "install", "sql@acme"], 2);
    let file = shop.env.read("settings/skills_marketplaces.json");
    // Nothing moved: capabilities, refs.
    count(&["marketplace", "update"], 2);
    assert_eq!(shop.env.read("settings/skills_marketplaces.json"), file, "nothing moved, nothing is written");
    count(&["skill", "outdated"], 2);
    count(&["skill", "update"], 2);
    shop.env.write("m/data/skills/sql/SKILL.md", skill_md("sql", "Second edition of it, with more in it."));
    commit(&shop.repo, "refs/heads/main", &shop.env.path("m"), "second");
    count(&["marketplace", "update"], 5);
    // Also where no cache has anything of it.
    shop.empty_cache();
    count(&["marketplace", "update"], 2);
}

/// Several marketplaces are asked at once, and one that fails does not hold back the others.
#[test]
fn each_marketplace_is_updated_for_itself() {
    let Some(shop) = shop() else { return };
    for name in ["one", "three"] {
        shop.run(&["marketplace", "add", name, "acme/m"]).ends(0);
    }
    let gone = shop.env.git_repo("srv/acme/gone.git", &shop.env.path("m"));
    shop.run(&["marketplace", "add", "two", "acme/gone"]).ends(0);
    std::fs::remove_dir_all(gone.path()).unwrap();
    shop.env.write("m/data/skills/sql/SKILL.md", skill_md("sql", "Second edition of it, with more in it."));
    let second = commit(&shop.repo, "refs/heads/main", &shop.env.path("m"), "second").to_string();
    shop.run(&["marketplace", "update"]).ends(3).says("the marketplace `two` was not updated");
    let text = shop.env.read("settings/skills_marketplaces.json");
    assert_eq!(text.matches(&second).count(), 2, "{text}");
    shop.run(&["skill", "search", "edition"]).ends(0);
    shop.run(&["marketplace", "update", "one"]).ends(0).says("Unchanged one");
}
