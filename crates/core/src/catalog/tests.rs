//! Minimal reproductions of what stands in real catalogues, and of what must not.

use super::*;
use crate::error::Kind;
use crate::listing::Listing;
use crate::path::RelPath;
use proptest::prelude::*;
use serde_json::{Value, json};

const SHA: &str = "d16d14ac7f817336e21bf9392cf51b6cac6194d8";
const CLAUDE: CatalogFormat =
    CatalogFormat { dialect: CatalogDialect::Claude, named: false, official: false };
const CODEX: CatalogFormat = CatalogFormat { dialect: CatalogDialect::Codex, named: true, official: false };

fn with(plugins: &Value) -> String {
    json!({ "name": "m", "owner": { "name": "o" }, "plugins": plugins }).to_string()
}

fn entry(source: &Value) -> String {
    with(&json!([{ "name": "p", "source": source }]))
}

fn codes(text: &str, manner: CatalogFormat) -> Vec<&'static str> {
    check_catalog(text, "m.json", manner, None).iter().map(|f| f.code).collect()
}

/// The request that a source becomes, or the code that it is refused with.
fn request(source: &Value, manner: CatalogFormat) -> String {
    let text = entry(source);
    let catalogue = Catalog::parse(&text, "m.json", manner).unwrap();
    let Ok(source) = catalogue.plugins[0].usable_source() else {
        let findings = check_catalog(&text, "m.json", manner, None);
        return findings.iter().find(|f| f.severity == Severity::Error).unwrap().code.to_owned();
    };
    match source.to_requirement(false) {
        Ok(EntryRequirement::Inside(path)) => format!("inside `{path}`"),
        Ok(EntryRequirement::Elsewhere { request, integrity }) => {
            let integrity =
                integrity.map(|digest| format!(" {}", digest.as_hex().get(..4).unwrap_or_default()));
            format!("{request}{}", integrity.unwrap_or_default())
        }
        Ok(EntryRequirement::Npm(package)) => format!("npm {} {:?}", package.name, package.version),
        Err(error) => format!("{:?}", error.kind),
    }
}

#[test]
fn every_source_that_is_documented_or_seen_is_understood() {
    let check = |source: Value, expected: &str| assert_eq!(request(&source, CLAUDE), expected, "{source}");
    let sha = |text: &str| text.replace("SHA", SHA);
    check(json!("./plugins/hookify"), "inside `plugins/hookify`");
    check(json!("./"), "inside ``");
    check(json!("."), "inside ``");
    check(json!("plugins/accessibility-kanban"), "inside `plugins/accessibility-kanban`");
    check(json!({ "source": "local", "path": "./plugins/x" }), "inside `plugins/x`");
    check(json!({ "source": "github", "repo": "figma/mcp-server-guide" }), "github:figma/mcp-server-guide");
    check(json!({ "source": "github", "repo": "o/r", "ref": "v1.2" }), "github:o/r#v1.2");
    check(json!({ "source": "github", "repo": "o/r", "ref": "main", "sha": SHA }), &sha("github:o/r#SHA"));
    check(
        json!({ "source": "github", "repo": "o/r", "path": "a/b", "sha": SHA }),
        &sha("github:o/r/a/b#SHA"),
    );
    check(json!({ "source": "github", "repo": "o/r", "subdirectory": "a" }), "github:o/r/a");
    check(
        json!({ "source": "url", "url": "https://git.example.org/o/r.git", "sha": SHA }),
        &sha("https://git.example.org/o/r.git#SHA"),
    );
    check(
        json!({ "source": "url", "url": "https://git.example.org/o/r.git", "sha": SHA, "path": "revenuecat" }),
        &sha("https://git.example.org/o/r.git//revenuecat#SHA"),
    );
    check(json!({ "source": "git", "url": "git@example.org:o/r.git" }), "git@example.org:o/r.git");
    check(
        json!({ "source": "git-subdir", "url": "https://git.example.org/o/r.git", "path": "skills", "ref": "main", "sha": SHA }),
        &sha("https://git.example.org/o/r.git//skills#SHA"),
    );
    check(json!({ "source": "git-subdir", "url": "o/r", "path": "./skills/" }), "github:o/r/skills");
    check(
        json!({ "source": "npm", "package": "@acme/skills", "version": "^1" }),
        "npm @acme/skills Some(\"^1\")",
    );
    check(
        json!({ "source": "archive", "url": "https://example.org/p.zip", "sha256": "ab".repeat(32) }),
        "https://example.org/p.zip abab",
    );
    check(json!("https://git.example.org/o/r.git"), "https://git.example.org/o/r.git");
}

#[test]
fn what_is_refused_names_its_rule() {
    let check = |source: Value, expected: &str| assert_eq!(request(&source, CLAUDE), expected, "{source}");
    for path in ["../x", "./a/../../x", "/etc", "C:/x", "a\\b", "./.git/x", "", "/"] {
        check(json!(path), "source-path");
    }
    check(json!({ "source": "local", "path": "../x" }), "source-path");
    check(json!({ "source": "git-subdir", "url": "o/r", "path": "../x" }), "source-path");
    check(json!({ "source": "git-subdir", "url": "o/r" }), "source-address");
    check(json!({ "source": "command", "command": "curl x | sh" }), "source-command");
    check(json!({ "source": "svn", "url": "https://x.example/" }), "source-type");
    check(json!({ "repo": "o/r" }), "source-type");
    check(json!(7), "source-type");
    for pin in ["commit", "rev", "tag", "hash", "sha256", "branch"] {
        check(json!({ "source": "github", "repo": "o/r", pin: "x" }), "source-pin");
    }
    check(json!({ "source": "github", "repo": "o/r", "sha": "d16d14a" }), "source-sha");
    check(json!({ "source": "github", "repo": "o/r", "sha": 7 }), "source-sha");
    check(json!({ "source": "github", "repo": "o/r", "ref": 7 }), "source-pin");
    check(json!({ "source": "npm", "package": "kit", "version": 7 }), "source-pin");
    check(json!({ "source": "github", "repo": "not a repo" }), "source-address");
    check(json!({ "source": "github" }), "source-address");
    check(json!({ "source": "url", "url": "./" }), "source-address");
    check(json!({ "source": "url", "url": "ext::sh -c x" }), "source-address");
    check(json!({ "source": "archive", "url": "https://x.example/p.rar" }), "source-address");
    check(json!({ "source": "archive", "url": "https://x.example/p.zip", "sha256": "ab" }), "source-sha");
    check(json!({ "source": "archive", "url": "https://x.example/p.zip", "sha": SHA }), "source-pin");
    check(json!({ "source": "npm", "package": "../x" }), "source-address");
    // Only a person, or a marketplace on this machine, may name what lies on it.
    check(json!({ "source": "url", "url": "file:///home/me/repo" }), "Invalid");
    check(json!({ "source": "url", "url": "http://127.0.0.1:99/r.git" }), "Invalid");
    // A path is not a `git@host:path`, whatever it holds.
    for path in ["/a@b:c.zip", "./a@b:c.zip", "~/a@b:c.zip", "../a@b:c/d.tar.gz"] {
        check(json!({ "source": "archive", "url": path }), "Invalid");
    }
}

#[test]
fn a_pin_beside_the_source_holds_too() {
    let of = |plugin: Value| with(&json!([plugin]));
    let text = of(json!({ "name": "p", "source": "https://x.example/o/r.git", "ref": "main", "sha": SHA }));
    let catalogue = Catalog::parse(&text, "m", CLAUDE).unwrap();
    assert!(catalogue.plugins[0].usable_source().unwrap().is_pinned());
    let text = of(json!({ "name": "p", "source": "./x", "sha": SHA }));
    assert_eq!(codes(&text, CLAUDE), ["source-pin"]);
    assert_eq!(codes(&entry(&json!({ "source": "github", "repo": "o/r" })), CLAUDE), ["source-floating"]);
}

#[test]
fn a_url_of_a_dot_is_the_marketplace_only_where_that_dialect_is_named() {
    let source = json!({ "source": "url", "url": "./" });
    assert_eq!(request(&source, CODEX), "inside ``");
    assert_eq!(request(&source, CatalogFormat { named: false, ..CODEX }), "source-address");
    let text =
        json!({ "name": "m", "plugins": [{ "name": "p", "source": source, "policy": {} }], "interface": {} });
    assert_eq!(codes(&text.to_string(), CODEX), [""; 0]);
    assert_eq!(Catalog::parse(&text.to_string(), "m", CLAUDE).unwrap_err().kind, Kind::Invalid);
}

#[test]
fn bare_names_are_looked_for_below_the_plugin_root() {
    let text = |source: &str| {
        json!({ "name": "m", "owner": { "name": "o" }, "metadata": { "pluginRoot": "./plugins/" },
            "plugins": [{ "name": "p", "source": source }] })
        .to_string()
    };
    for (source, path) in [("x", "plugins/x"), ("./x", "x"), ("a/b", "a/b"), ("./", ""), (" .", "plugins")] {
        let catalogue = Catalog::parse(&text(source), "m", CLAUDE).unwrap();
        assert_eq!(
            catalogue.plugins[0].usable_source().unwrap().to_requirement(false).unwrap(),
            EntryRequirement::Inside(RelPath::parse(path.as_bytes()).unwrap_or(RelPath::ROOT)),
            "{source}"
        );
    }
    assert_eq!(codes(&text("x"), CLAUDE), [""; 0]);
}

#[test]
fn everything_is_found_at_once_with_its_place() {
    let text = "{\n  \"plugins\": [\n    {\"name\": \"a\", \"source\": \"../x\"},\n    {\"name\": \"a\", \"source\": \"./y\", \"naem\": 1},\n\
                {\"source\": 7},\n    \"b\"\n  ],\n  \"renames\": {\"c\": \"d\", \"d\": \"c\", \"e\": \"f\"}, \"renames\": 7\n}";
    let found: Vec<_> = check_catalog(text, "m.json", CLAUDE, None)
        .into_iter()
        .map(|f| format!("{}:{} {}", f.line, f.column, f.code))
        .collect();
    assert_eq!(
        found,
        [
            "1:1 name-missing",
            "1:1 owner-missing",
            "3:29 source-path",
            "4:5 entry-duplicate",
            "4:36 key-unknown",
            "5:1 entry-name",
            "5:12 source-type",
            "6:5 entry-type",
            "8:46 key-duplicate",
            "8:57 wrong-type",
        ]
    );
    let error = Catalog::parse(text, "m.json", CLAUDE).unwrap_err();
    assert_eq!((error.kind, error.causes.len()), (Kind::Invalid, 2), "{error:?}");
    assert!(error.causes[0].starts_with("m.json:1:1: the catalogue has no `name`"), "{error:?}");
}

#[test]
fn what_is_no_catalogue_is_said() {
    for (text, code) in [
        ("", "not-json"),
        ("<html>", "not-json"),
        ("[]", "not-an-object"),
        (r#"{"name":"m","owner":{"name":"o"}}"#, "plugins-missing"),
        (r#"{"name":"m","owner":{"name":"o"},"plugins":{}}"#, "plugins-type"),
        (r#"{"name":"m","owner":"o","plugins":[]}"#, "owner-type"),
        (r#"{"name":"m","owner":{},"plugins":[]}"#, "owner-type"),
        (r#"{"name":7,"owner":{"name":"o"},"plugins":[]}"#, "name-missing"),
        (r#"{"owner":{"name":"o"},"plugins":[]}"#, "name-missing"),
        (r#"{"name":"m","plugins":[]}"#, "owner-missing"),
    ] {
        assert_eq!(codes(text, CLAUDE), [code], "{text}");
        assert_eq!(Catalog::parse(text, "m", CLAUDE).unwrap_err().kind, Kind::Invalid, "{text}");
    }
    let large = " ".repeat(MAX_BYTES as usize + 1);
    assert_eq!(codes(&large, CLAUDE), ["too-large"]);
}

#[test]
fn one_bad_entry_stops_nobody_else() {
    let text = with(&json!([
        { "name": "bad", "source": { "source": "command", "command": "x" } },
        { "name": "good", "source": "./x", "description": 7, "tags": "one", "keywords": [1, "two"] },
        { "name": "skills", "source": "./y", "skills": ["./a", "../b"] },
    ]));
    let catalogue = Catalog::parse(&text, "m.json", CLAUDE).unwrap();
    assert!(
        catalogue.find_entry("bad").unwrap().usable_source().unwrap_err().message.contains("runs a command")
    );
    let good = catalogue.find_entry("good").unwrap();
    assert_eq!(
        (good.unusable_because(), &good.tags[..], &good.keywords[..]),
        (None, &["one".into()][..], &["two".into()][..])
    );
    let typed = with(&json!([{ "name": "p", "source": "./", "skills": ["./a", 7] }]));
    assert_eq!(codes(&typed, CLAUDE), ["skills-path"]);
    assert!(
        catalogue.find_entry("skills").unwrap().usable_source().unwrap_err().message.contains("leads out")
    );
}

#[test]
fn names_are_found_through_renames_and_doubles_are_not_guessed_at() {
    let text = json!({ "name": "m", "owner": { "name": "o" },
        "renames": { "old": "older", "older": "new", "gone": null, "a": "b", "b": "a", "lost": "nowhere" },
        "plugins": [{ "name": "new", "source": "./n" }, { "name": "two", "source": "./1" }, { "name": "two", "source": "./2" }] });
    let catalogue = Catalog::parse(&text.to_string(), "m", CLAUDE).unwrap();
    assert_eq!(catalogue.find_entry("old").unwrap().name, "new");
    for (name, kind, word) in [
        ("gone", Kind::NotFound, "withdrawn"),
        ("a", Kind::Invalid, "cycle"),
        ("two", Kind::Invalid, "two entries"),
        ("nwe", Kind::NotFound, "no entry `nwe`"),
        ("lost", Kind::NotFound, "no entry `nowhere`"),
    ] {
        let error = catalogue.find_entry(name).unwrap_err();
        assert_eq!(error.kind, kind, "{name}");
        assert!(error.message.contains(word), "{name}: {error:?}");
    }
    let mut found = codes(&text.to_string(), CLAUDE);
    found.sort_unstable();
    assert_eq!(found, ["entry-duplicate", "renames-cycle", "renames-cycle", "renames-target"]);
}

#[test]
fn what_installs_here_and_nowhere_else_is_warned_of() {
    for (entry, expected) in [
        (json!({ "name": "p", "source": "./p", "tags": "one" }), "list-expected"),
        (json!({ "name": "p", "source": "./p", "keywords": "one" }), "list-expected"),
        (
            json!({ "name": "p", "source": { "source": "archive", "url": "http://h/x.zip", "sha256": "0".repeat(64) } }),
            "source-plain-http",
        ),
        (
            json!({ "name": "p", "source": { "source": "url", "url": "http://h/x.git", "sha": "0".repeat(40) } }),
            "source-plain-http",
        ),
    ] {
        let text = with(&json!([entry]));
        assert_eq!(codes(&text, CLAUDE), [expected], "{text}");
        assert!(Catalog::parse(&text, "m", CLAUDE).unwrap().plugins[0].unusable_because().is_none());
    }
}

#[test]
fn renames_of_entries_that_are_there_may_lead_in_a_circle_too() {
    let text = |renames: serde_json::Value| {
        json!({ "name": "m", "owner": { "name": "o" }, "renames": renames,
            "plugins": [{ "name": "a", "source": "./a" }, { "name": "b", "source": "./b" }] })
        .to_string()
    };
    assert_eq!(codes(&text(json!({ "a": "b", "b": "a" })), CLAUDE), ["renames-cycle", "renames-cycle"]);
    assert_eq!(codes(&text(json!({ "old": "a", "a": "b" })), CLAUDE), [""; 0]);
}

#[test]
fn names_that_others_refuse_are_warned_of() {
    let document = |name: &str| json!({ "name": name, "owner": { "name": "o" }, "plugins": [] }).to_string();
    let kept = "claude-code-marketplace claude-code-plugins claude-plugins-official claude-plugins-community \
                claude-community anthropic-marketplace anthropic-plugins agent-skills anthropic-agent-skills \
                knowledge-work-plugins life-sciences claude-for-legal claude-for-financial-services \
                financial-services-plugins first-party-plugins healthcare";
    let alike = "official-claude-plugins anthropic-plugins-v2";
    for name in kept.split(' ').chain(alike.split(' ')) {
        assert_eq!(codes(&document(name), CLAUDE), ["name-reserved"], "{name}");
        let read = Catalog::parse(&document(name), "m", CLAUDE).unwrap();
        assert_eq!(read.reserved_name(), Some(name));
        assert_eq!(codes(&document(name), CatalogFormat { official: true, ..CLAUDE }), [""; 0], "{name}");
    }
    assert_eq!(codes(&document("My Market"), CLAUDE), ["name-invalid"]);
    for free in ["claude-skills", "official-plugins", "health", "community"] {
        assert_eq!(codes(&document(free), CLAUDE), [""; 0], "{free}");
    }
    for (source, expected) in [
        ("anthropics/skills", true),
        ("https://github.com/Anthropics/x.git", true),
        ("git@github.com:anthropics/skills.git", true),
        ("evil/anthropics", false),
        ("https://github.com.evil.example/anthropics/x.git", false),
        ("gitlab:anthropics/skills", false),
        ("./anthropics", false),
    ] {
        assert_eq!(is_official(&source.parse().unwrap()), expected, "{source}");
    }
}

#[test]
fn folders_that_are_named_but_not_there_are_found() {
    let text = "{\"name\": \"m\", \"owner\": {\"name\": \"o\"}, \"plugins\": [\n\
        {\"name\": \"a\", \"source\": \"./p\", \"skills\": [\"./x\", \"./y\", \".\"]},\n\
        {\"name\": \"b\", \"source\": \"./q\", \"skills\": \"./x\"},\n\
        {\"name\": \"c\", \"source\": \"./\", \"skills\": \"./z\"},\n\
        {\"name\": \"d\", \"source\": \"../r\"},\n\
        {\"name\": \"e\", \"source\": {\"source\": \"github\", \"repo\": \"o/r\", \"sha\": \"SHA\"}, \"skills\": \"./x\"}]}"
        .replace("SHA", SHA);
    let is_folder = |path: &str| matches!(path, "" | "p" | "p/x");
    let found: Vec<_> = check_catalog(&text, "m.json", CLAUDE, Some(&is_folder))
        .iter()
        .map(|f| format!("{}:{} {}", f.line, f.column, f.code))
        .collect();
    assert_eq!(found, ["2:50 skills-gone", "3:25 source-gone", "4:41 skills-gone", "5:25 source-path"]);
    // Of a text alone nothing of that is known.
    assert_eq!(codes(&text, CLAUDE), ["source-path"]);
}

fn plugin(extra: Value) -> CatalogEntry {
    let mut entry = json!({ "name": "p", "source": "./p" });
    for (key, value) in extra.as_object().unwrap() {
        entry[key] = value.clone();
    }
    Catalog::parse(&with(&json!([entry])), "m", CLAUDE).unwrap().plugins.remove(0)
}

fn manifest(value: &Value) -> PluginManifest {
    PluginManifest::read(&value.to_string(), "plugin.json").0.unwrap()
}

fn folder(text: &str) -> RelPath {
    RelPath::of_folder(text).unwrap()
}

#[track_caller]
fn folders(entry: Value, own: Option<Value>, scan: (&[&str], &str, bool), expected: &[&str]) {
    let (paths, root, is_marketplace) = scan;
    let listing = Listing::of_paths(paths);
    let own = own.as_ref().map(manifest);
    let found = resolve_skills(
        &plugin(entry),
        own.as_ref(),
        EntryScan { listing: &listing, root: &folder(root), top: &RelPath::ROOT, is_marketplace },
    )
    .unwrap();
    assert_eq!(found.folders, expected);
}

#[test]
fn skills_are_found_by_the_rules() {
    let tree = [
        "p/skills/a/SKILL.md",
        "p/skills/b/skill.md",
        "p/more/c/SKILL.md",
        "p/d/SKILL.md",
        "q/skills/e/SKILL.md",
    ];
    let p = (&tree[..], "p", false);
    folders(json!({}), None, p, &["p/skills/a", "p/skills/b"]);
    folders(json!({ "skills": "./more" }), None, p, &["p/more/c", "p/skills/a", "p/skills/b"]);
    folders(
        json!({ "skills": ["./d"] }),
        Some(json!({ "name": "p", "skills": ["./more/c"] })),
        p,
        &["p/d", "p/more/c", "p/skills/a", "p/skills/b"],
    );
    folders(
        json!({ "skills": ["./d"], "strict": false }),
        Some(json!({ "name": "p" })),
        p,
        &["p/d", "p/skills/a", "p/skills/b"],
    );
    // One skill that is reached twice is one skill.
    folders(
        json!({ "skills": "./skills/" }),
        Some(json!({ "name": "p", "skills": "./skills/" })),
        p,
        &["p/skills/a", "p/skills/b"],
    );
    // Files that lie deeper, or in another plugin, are not the plugin's.
    folders(json!({}), None, (&["p/skills/x/y/SKILL.md", "p/skills/SKILL.md"], "p", false), &[]);
}

#[test]
fn a_plugin_that_is_the_marketplace_has_what_it_lists() {
    let tree = ["skills/a/SKILL.md", "skills/b/SKILL.md", "skills/c/SKILL.md", "template/SKILL.md"];
    let root = (&tree[..], "", true);
    folders(
        json!({ "strict": false, "skills": ["./skills/a", "./skills/c"] }),
        None,
        root,
        &["skills/a", "skills/c"],
    );
    folders(json!({ "skills": "./skills/" }), None, root, &["skills/a", "skills/b", "skills/c"]);
    folders(json!({ "skills": ["./gone"] }), None, root, &["skills/a", "skills/b", "skills/c"]);
    folders(json!({}), None, root, &["skills/a", "skills/b", "skills/c"]);
    // The same list in a plugin of its own repository adds to the convention.
    folders(
        json!({ "skills": ["./skills/a"] }),
        None,
        (&tree, "", false),
        &["skills/a", "skills/b", "skills/c"],
    );
}

#[test]
fn a_manifest_at_the_root_is_the_one_skill_of_a_plugin_without_others() {
    folders(json!({}), None, (&["p/SKILL.md", "p/x.md"], "p", false), &["p"]);
    folders(json!({}), None, (&["SKILL.md"], "", false), &[""]);
    folders(json!({}), None, (&["p/SKILL.md", "p/skills/a/SKILL.md"], "p", false), &["p/skills/a"]);
    folders(
        json!({ "skills": "." }),
        None,
        (&["p/SKILL.md", "p/skills/a/SKILL.md"], "p", false),
        &["p", "p/skills/a"],
    );
}

#[test]
fn links_inside_the_marketplace_are_followed_and_others_are_not() {
    let tree = [
        "shared/a/SKILL.md",
        "p/skills/a -> ../../shared/a",
        "p/skills/out -> ../../../etc",
        "p/skills/abs -> /etc",
        "p/skills/loop -> loop",
        "q/skills -> ../p/skills",
    ];
    folders(json!({}), None, (&tree, "p", false), &["shared/a"]);
    folders(json!({}), None, (&tree, "q", false), &["shared/a"]);
}

#[test]
fn an_entry_without_skills_says_what_it_has() {
    let tree = [
        "p/agents/x.md",
        "p/agents/y.md",
        "p/commands/c.md",
        "p/.mcp.json",
        "p/hooks/hooks.json",
        "q/plugin.json",
        "q/deep/skills/z/SKILL.md",
        "canvas/extensions/x/main.mjs",
        "canvas/README.md",
    ];
    let listing = Listing::of_paths(&tree);
    let look = |root: &str, entry: Value, own: Option<Value>| {
        let own = own.as_ref().map(manifest);
        let found = resolve_skills(
            &plugin(entry),
            own.as_ref(),
            EntryScan { listing: &listing, root: &folder(root), top: &RelPath::ROOT, is_marketplace: false },
        );
        found.unwrap().error_of_no_skills("p")
    };
    let error = look("p", json!({ "skills": ["./none"] }), None);
    assert_eq!(error.kind, Kind::NotFound);
    assert_eq!(
        error.causes,
        ["it has 2 agents, 1 command, 1 hook, 1 MCP server", "it lists `p/none`, which has no skill"]
    );
    assert_eq!(
        look("r", json!({ "lspServers": { "x": {} } }), None).causes,
        ["it has 1 LSP server", "there is no folder `r`"]
    );
    assert_eq!(look("canvas", json!({}), None).causes, ["its folder contains README.md, extensions"]);
    assert!(
        look("q", json!({}), None).causes[0]
            .contains("1 skill is not where plugins keep skills, the first in `q/deep/skills/z`")
    );
    let own = json!({ "name": "q", "extensions": { "com.example.build": { "skills": ["./skills/a", "./skills/b"] } } });
    assert!(
        look("q", json!({}), Some(own)).causes[0]
            .contains("2 skills under `extensions` of `com.example.build`")
    );
}

#[test]
fn what_is_listed_for_another_program_is_taken_from_where_it_lies() {
    let tree = [
        "m/p/README.md",
        "m/p/own/c/SKILL.md",
        "m/skills/a/SKILL.md",
        "m/skills/b/SKILL.md",
        "skills/a/SKILL.md",
        "m/more/d/SKILL.md",
    ];
    let listing = Listing::of_paths(&tree);
    let look = |entry: Value, skills: Value| {
        let own = manifest(
            &json!({ "name": "p", "extensions": { "com.example.build": { "skills": skills }, "x": 1 } }),
        );
        let (root, top) = (folder("m/p"), folder("m"));
        let scan = EntryScan { listing: &listing, root: &root, top: &top, is_marketplace: false };
        resolve_skills(&plugin(entry), Some(&own), scan).unwrap().folders
    };
    assert_eq!(look(json!({}), json!(["./skills/a/", "own/c"])), ["m/p/own/c", "m/skills/a"]);
    assert_eq!(look(json!({}), json!("./more")), ["m/more/d"]);
    assert_eq!(look(json!({}), json!(["../skills/a", "/skills/b", "", ".", 1, "none"])), [""; 0]);
    assert_eq!(look(json!({ "strict": false }), json!(["skills/a"])), [""; 0]);
}

#[test]
fn an_entry_that_is_not_strict_suffers_no_second_definition() {
    let listing = Listing::of_paths(&["p/skills/a/SKILL.md"]);
    let (root, top) = (folder("p"), RelPath::ROOT);
    let scan = EntryScan { listing: &listing, root: &root, top: &top, is_marketplace: false };
    let own = manifest(&json!({ "name": "p", "skills": "./skills" }));
    assert_eq!(
        resolve_skills(&plugin(json!({ "strict": false })), Some(&own), scan).unwrap_err().kind,
        Kind::Invalid
    );
    assert!(resolve_skills(&plugin(json!({})), Some(&own), scan).is_ok());
}

#[test]
fn a_plugin_manifest_is_read_leniently_but_not_past_its_folder() {
    let (own, findings) = PluginManifest::read(
        r#"{"name":"p","keywords":[],"agents":[],"version":1,"category":"x"}"#,
        "p.json",
    );
    assert_eq!(own.unwrap().parts, [""; 0]);
    assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["wrong-type"]);
    assert!(PluginManifest::read(r#"{"name":"p","skills":"../x"}"#, "p.json").0.is_none());
    assert!(PluginManifest::read("{", "p.json").0.is_none());
    assert!(PluginManifest::read(r#"{"name":"p","skills":{"a":1}}"#, "p.json").0.is_none());
}

#[test]
fn the_version_is_the_plugins_own_then_the_entrys_then_the_pin() {
    let own = manifest(&json!({ "name": "p", "version": "1" }));
    let entry = plugin(json!({ "version": "2" }));
    assert_eq!(plugin_version(Some(&own), &entry, Some("abc")), "1");
    assert_eq!(plugin_version(None, &entry, Some("abc")), "2");
    assert_eq!(plugin_version(None, &plugin(json!({})), Some("abc")), "abc");
    assert_eq!(plugin_version(None, &plugin(json!({})), None), "unknown");
}

#[test]
fn roots_and_dialects_follow_from_the_place_of_the_file() {
    for (path, root, dialect) in [
        (".claude-plugin/marketplace.json", "", CatalogDialect::Claude),
        (".github/plugin/marketplace.json", "", CatalogDialect::Claude),
        ("a/b/.agents/plugins/marketplace.json", "a/b", CatalogDialect::Codex),
        ("x/.cursor-plugin/marketplace.json", "x", CatalogDialect::Codex),
        ("x/marketplace.json", "x", CatalogDialect::Claude),
        ("marketplace.json", "", CatalogDialect::Claude),
    ] {
        assert_eq!((root_of(path), CatalogFormat::of(path, false).dialect), (root, dialect), "{path}");
    }
}

#[test]
fn both_versions_of_a_well_known_index_are_read() {
    let url = url::Url::parse("https://acme.example/.well-known/agent-skills/index.json").unwrap();
    let digest = format!("sha256:{}", "ab".repeat(32));
    let index = json!({ "$schema": "https://schemas.agentskills.io/discovery/0.2.0/schema.json", "skills": [
        { "name": "review", "type": "skill-md", "description": "d", "url": "/.well-known/agent-skills/review/SKILL.md", "digest": digest },
        { "name": "wrangler", "type": "archive", "url": "wrangler.tar.gz", "digest": digest },
        { "name": "undigested", "type": "archive", "url": "x.zip" },
        { "name": "new", "type": "image", "url": "x.png", "digest": digest },
    ] });
    let served = read_well_known(&index.to_string(), &url).unwrap();
    let wants: Vec<_> =
        served.catalogue.plugins.iter().map(|p| format!("{:?}", p.usable_source().unwrap())).collect();
    assert!(wants[0].contains("https://acme.example/.well-known/agent-skills/review/SKILL.md"), "{wants:?}");
    assert!(wants[1].contains("https://acme.example/.well-known/agent-skills/wrangler.tar.gz"), "{wants:?}");
    assert_eq!(served.skipped, ["undigested: it has no `digest`", "new: its type `image` is not known"]);
    assert!(read_well_known(r#"{"$schema":"https://x.example/9","skills":[]}"#, &url).is_err());
    assert!(read_well_known("{}", &url).is_err());
    assert!(served_files(&index.to_string(), &url, &url.join("review").unwrap()).is_err());
}

#[test]
fn the_files_of_an_index_without_digests_stay_in_their_folder() {
    let url = url::Url::parse("https://acme.example/.well-known/skills/index.json").unwrap();
    let skill = |name: &str, files: &[&str]| json!({ "name": name, "files": files });
    let index = json!({ "skills": [
        skill("a", &["SKILL.md"]),
        skill("b", &["SKILL.md", "scripts/x y.py", "a%2e%2e.md"]),
        skill("../c", &["SKILL.md"]),
        skill("d/e", &["SKILL.md"]),
        skill("index.json", &["SKILL.md"]),
        skill("up", &["SKILL.md", "../x"]),
        skill("root", &["SKILL.md", "/etc/passwd"]),
        skill("git", &["SKILL.md", ".git/config"]),
        skill("twice", &["SKILL.md", "SKILL.md"]),
        skill("none", &["README.md"]),
        skill("empty", &[]),
    ] })
    .to_string();
    let served = read_well_known(&index, &url).unwrap();
    let names: Vec<_> = served.catalogue.plugins.iter().map(|p| p.name.as_str()).collect();
    assert_eq!((names, served.skipped.len()), (vec!["a", "b"], 9));
    for (part, reason) in
        [(0, "../c: its name"), (3, "up: its file `../x` leads out"), (6, "twice: its file `SKILL.md`")]
    {
        assert!(served.skipped[part].starts_with(reason), "{:?}", served.skipped);
    }
    assert!(!served.catalogue.plugins[1].usable_source().unwrap().is_pinned());
    let at = |name: &str| url.join(name).unwrap();
    let files: Vec<String> = served_files(&index, &url, &at("b"))
        .unwrap()
        .into_iter()
        .map(|(path, url)| format!("{path} {url}"))
        .collect();
    assert_eq!(
        files,
        [
            "SKILL.md https://acme.example/.well-known/skills/b/SKILL.md",
            "a%2e%2e.md https://acme.example/.well-known/skills/b/a%252e%252e.md",
            "scripts/x y.py https://acme.example/.well-known/skills/b/scripts/x%20y.py",
        ]
    );
    for (name, kind) in [("gone", Kind::NotFound), ("up", Kind::Invalid), ("twice", Kind::Invalid)] {
        assert_eq!(served_files(&index, &url, &at(name)).unwrap_err().kind, kind, "{name}");
    }
}

/// Not a timing: shows that size alone decides, and that nothing is lost.
#[test]
fn ten_thousand_entries_are_read() {
    let entries: Vec<_> = (0..10_000)
        .map(|n| json!({ "name": format!("p-{n}"), "description": "x".repeat(300), "source": { "source": "github", "repo": format!("o/r{n}"), "sha": SHA } }))
        .collect();
    let text = with(&json!(entries));
    let catalogue = Catalog::parse(&text, "m", CLAUDE).unwrap();
    assert_eq!(catalogue.plugins.len(), 10_000);
    assert!(catalogue.plugins.iter().all(|plugin| plugin.usable_source().unwrap().is_pinned()));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[{}\\[\\]\",:./a1 \n]{0,80}") {
        let _ = (check_catalog(&text, "m", CLAUDE, None), check_catalog(&text, "m", CODEX, None), PluginManifest::read(&text, "p"));
    }

    #[test]
    fn no_path_of_a_catalogue_leaves_it(path in "[./a\\\\:]{0,12}") {
        if let Ok(catalogue) = Catalog::parse(&entry(&json!(path)), "m", CLAUDE)
            && let Ok(EntrySource::Relative { path }) = catalogue.plugins[0].usable_source()
        {
            prop_assert!(path.is_root() || RelPath::parse(path.as_str().as_bytes()).is_ok(), "{}", path);
        }
    }
}
