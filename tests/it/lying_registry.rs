//! A registry that lies: with other bytes, an older index, lines that changed, redirects, endless
//! and half answers, pages for people. Whatever it says, nothing of it is written that was not
//! published, and the command says so with 5 or 6.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::env::{Run, TestEnv};
use crate::registry_files::RegistryFolder;
use ba_agent_test_support::server::{Play, Server};

const NAME: &str = "@acme/pdf-tables";
const INDEX: &str = "/@acme/pdf-tables/index.jsonl";
const PAGE: &[u8] = b"<!doctype html><title>Sign in</title>";

struct World {
    env: TestEnv,
    registry: RegistryFolder,
    server: Server,
}

/// A registry with two versions, of which the index was seen; nothing is installed.
fn world() -> World {
    let env = TestEnv::new();
    let registry = RegistryFolder::new(&env, "registry");
    for version in ["1.0.0", "1.1.0"] {
        registry.publish_plain(&env, NAME, version, json!({}));
    }
    let server = registry.serve();
    env.run(&["registry", "add", "acme", &server.url(), "--serves", "@acme"]).ends(0);
    env.run(&["skill", "show", NAME]).ends(0);
    World { env, registry, server }
}

impl World {
    /// Installs, which must fail with one of these and leave everything as it is.
    fn is_refused(&self, what: &str, statuses: &[i32]) -> Run {
        let before = self.env.picture("project");
        // What was fetched before answers for nothing.
        let _ = std::fs::remove_dir_all(self.env.path("cache/trees"));
        let run = self.env.run(&["skill", "install", NAME]);
        assert!(statuses.contains(&run.status), "{what}: {run:?}");
        assert!(run.stderr.contains("error") && !run.stderr.contains("panicked"), "{what}: {run:?}");
        assert_eq!(self.env.picture("project"), before, "{what}");
        run
    }

    fn index(&self) -> String {
        self.registry.read("@acme/pdf-tables/index.jsonl")
    }
}

#[test]
fn bytes_that_are_not_the_published_ones_are_refused() {
    let world = world();
    let plays: [(&str, Play, &[i32]); 6] = [
        ("other bytes", Play::Bytes("application/gzip", b"other".to_vec()), &[6]),
        ("one bit", Play::Corrupt(40), &[6]),
        ("half of it", Play::Truncate(100), &[5]),
        ("endless", Play::Endless(b"\x1f\x8b\x08\x00"), &[6]),
        ("a page", Play::Bytes("text/html", PAGE.to_vec()), &[5]),
        ("500", Play::Status(500), &[5]),
    ];
    for (what, play, statuses) in plays {
        world.server.play("/b/sha256/", play);
        world.is_refused(what, statuses);
        world.server.play_fair();
    }
    world.env.run(&["skill", "install", NAME]).ends(0);
}

#[test]
fn an_index_that_is_none_or_comes_in_part_is_refused() {
    let world = world();
    // One more than was seen, so that no answer says that nothing is new.
    world.registry.publish_plain(&world.env, NAME, "1.2.0", json!({}));
    let cut = world.index().len() - 20;
    let plays: [(&str, Play, &[i32]); 8] = [
        ("endless", Play::Endless(b"{\"v\":1}\n"), &[6]),
        ("a page", Play::Bytes("text/html", PAGE.to_vec()), &[5]),
        ("500", Play::Status(500), &[5]),
        ("half of it", Play::Truncate(200), &[5]),
        ("cut off", Play::Bytes("text/plain", world.index().into_bytes()[..cut].to_vec()), &[6]),
        ("no JSON", Play::Bytes("text/plain", b"nothing\n".to_vec()), &[6]),
        ("empty", Play::Bytes("text/plain", Vec::new()), &[6]),
        ("elsewhere", Play::Redirect(format!("{}{INDEX}", world.server.other_name())), &[5]),
    ];
    for (what, play, statuses) in plays {
        world.server.play(INDEX, play);
        world.is_refused(what, statuses);
        world.server.play_fair();
    }
}

/// What was seen once is held against the registry: nothing vanishes, nothing changes but whether a
/// version may be taken.
#[test]
fn an_older_or_changed_history_is_refused_and_a_yank_is_not() {
    let world = world();
    let index = world.index();
    let with = |version: &str, more: Value| {
        world.registry.write("@acme/pdf-tables/index.jsonl", &index);
        world.registry.change_line(NAME, version, more);
        let changed = world.index();
        world.registry.write("@acme/pdf-tables/index.jsonl", &index);
        changed
    };
    let first = index.lines().next().unwrap();
    let other = format!("sha256:{}", "a".repeat(64));
    for (what, text) in [
        ("an older index", format!("{first}\n")),
        ("without the first", format!("{}\n", index.lines().nth(1).unwrap())),
        ("other bytes", with("1.0.0", json!({ "digest": other }))),
        ("another tree", with("1.1.0", json!({ "tree": other }))),
        ("fewer rights", with("1.1.0", json!({ "grants": ["Bash"] }))),
        ("another time", with("1.0.0", json!({ "published_at": "2020-01-01T00:00:00Z" }))),
        ("another version", with("1.1.0", json!({ "version": "9.0.0" }))),
        ("another skill", index.replace("pdf-tables", "pdf-charts")),
        ("twice", format!("{index}{first}\n")),
    ] {
        world.registry.write("@acme/pdf-tables/index.jsonl", text);
        let run = world.is_refused(what, &[6]);
        assert!(run.stderr.contains("registry"), "{what}: {run:?}");
    }
    world.registry.write("@acme/pdf-tables/index.jsonl", with("1.1.0", json!({ "yanked": true })));
    world.env.run(&["skill", "install", NAME]).ends(0).says("1.0.0");
    // Who has an explanation forgets what was seen.
    world.registry.write("@acme/pdf-tables/index.jsonl", format!("{first}\n"));
    world.env.run(&["skill", "install", NAME, "--force"]).ends(6).says("--force");
    world.env.run(&["registry", "add", "acme", &world.server.url(), "--serves", "@acme", "--force"]).ends(0);
    world.env.run(&["skill", "install", NAME, "--force"]).ends(0);
}

#[test]
fn a_line_that_says_something_else_of_its_archive_is_refused() {
    let env = TestEnv::new();
    let registry = RegistryFolder::new(&env, "registry");
    let other = format!("sha256:{}", "a".repeat(64));
    let mismatched = env.skill("sources/other/other-name").folder();
    registry.publish(&env, "@acme/named", "1.0.0", &mismatched, json!({}));
    registry.publish_plain(&env, "@acme/tree", "1.0.0", json!({ "tree": other }));
    registry.publish_plain(&env, "@acme/small", "1.0.0", json!({ "size": 10 }));
    let server = registry.serve();
    env.run(&["registry", "add", "acme", &server.url(), "--serves", "@acme"]).ends(0);
    for (name, words) in
        [("named", "calls itself"), ("tree", "not those that were published"), ("small", "more than")]
    {
        env.run(&["skill", "install", &format!("@acme/{name}")]).ends(6).says(words);
        assert!(!env.path("project/.claude").exists(), "{name}");
    }
}

/// Any change of the index: what is installed then is a version that was published, or nothing.
#[test]
fn no_mutation_of_the_index_installs_what_was_not_published() {
    let world = world();
    let good = world.index();
    let published = ["This is 1.0.0.\n", "This is 1.1.0.\n"];
    for seed in 0..60_u64 {
        let mut dice = Dice::new(seed);
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(bytes.len());
            match dice.roll(5) {
                0 => bytes[at] ^= 1 << dice.roll(7),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, u8::try_from(dice.roll(256)).unwrap()),
                3 => bytes.truncate(at.max(1)),
                _ => {
                    let lines: Vec<Vec<u8>> =
                        bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                    let line = lines[dice.roll(lines.len())].clone();
                    bytes.extend(line);
                }
            }
        }
        world.server.play(INDEX, Play::Bytes("text/plain", bytes.clone()));
        let _ = std::fs::remove_dir_all(world.env.path("project/.claude"));
        let _ = std::fs::remove_dir_all(world.env.path("cache/trees"));
        let run = world.env.run(&["skill", "install", NAME, "--force"]);
        let shown = String::from_utf8_lossy(&bytes);
        match run.status {
            0 => {
                let text = world.env.read("project/.claude/skills/pdf-tables/notes.md");
                assert!(published.contains(&text.as_str()), "seed {seed}: {shown}");
            }
            3 | 5 | 6 => {
                let place = world.env.path("project/.claude/skills/pdf-tables");
                assert!(!place.exists() && run.stderr.contains("error"), "seed {seed}: {run:?}");
            }
            other => panic!("seed {seed}: {other} {run:?}\n{shown}"),
        }
        world.server.play_fair();
    }
}
