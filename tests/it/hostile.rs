//! Hostile archives and git trees through the real program: refused with status 8, the
//! entry named, not a byte of the disk changed, nothing printed that acts on a terminal.
//! The readers' own corpora, with every kind, stand beside them in their crates; the ids
//! here are theirs.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid, Repository};

use crate::env::{TestEnv, skill_md};
use ba_agent_test_support::server::Server;
use ba_agent_test_support::{tar_build, zip_build};

const SKILL: &[u8] =
    b"---\nname: skill\ndescription: Does one thing well, and says when to use it.\n---\n\nDo it.\n";

/// Small limits, so that what breaks them is small too.
const LIMITS: &str =
    "skills:\n  limits:\n    unpacked: 256KiB\n    file: 64KiB\n    entries: 300\n    skill_files: 200\n";

/// Everything there is but for the cache, which may note what it has seen.
fn all(env: &TestEnv) -> BTreeMap<String, String> {
    let mut all = env.picture("");
    all.retain(|path, _| !path.starts_with("cache"));
    all
}

/// Installs `source`, chosen by name where it offers several; `None` when all is well.
fn refused(env: &TestEnv, source: &str, words: &str) -> Option<String> {
    let before = all(env);
    let run = env.run(&["skill", "install", source, "--skill", "skill", "--verbose"]);
    let told = format!("{}: {}", run.status, run.stderr);
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if run.status != 8 || !run.stderr.contains(words) {
        return Some(format!("no {words:?} in {told}"));
    }
    if run.stderr.contains(acts) || run.stdout.contains(acts) {
        return Some(format!("raw characters in {:?}", run.stderr));
    }
    let left = env.picture("cache").into_keys().find(|path| path.starts_with("tmp/"));
    if all(env) != before || left.is_some() || outside() {
        return Some(format!("the disk changed ({left:?}): {told}"));
    }
    None
}

/// What absolute entries of the cases name.
fn outside() -> bool {
    std::path::Path::new("/tmp/ba-agent-hostile-entry").exists()
}

fn play(name: &str, cases: &[(&str, &str, Vec<u8>)]) {
    let env = TestEnv::new();
    env.write("settings/config.yaml", LIMITS);
    let failures: Vec<_> = cases
        .iter()
        .filter_map(|(id, words, bytes)| {
            env.write(name, bytes);
            refused(&env, &format!("../{name}"), words).map(|why| format!("== {id}: {why}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(cases.len() >= 25, "{}", cases.len());
}

#[test]
fn hostile_zips_are_refused() {
    use zip_build::*;
    let with = |entries: Vec<Z>| zip(&[vec![file("skill/SKILL.md", SKILL)], entries].concat());
    let named = |name: &[u8]| with(vec![file(name, b"x")]);
    let run = || file("skill/run.sh", b"#!/bin/sh\n");
    let end = |end: End| zip_with(&[file("skill/SKILL.md", SKILL)], &end);
    let whole = with(vec![]);
    let many = (0..301).map(|n| stored(format!("skill/{n}"), b"")).collect();
    play(
        "x.zip",
        &[
            ("z01", "`../evil` leads out of the folder", named(b"../evil")),
            ("z02", "is absolute", named(b"/tmp/ba-agent-hostile-entry")),
            ("z03", "begins with a drive letter", named(b"C:/evil")),
            ("z04", "contains a backslash", named(b"..\\evil")),
            ("z05", "leads out of the folder", named(b"skill/a/../../../evil")),
            ("z06", "leaves the skill", with(vec![link("skill/l", b"/etc/passwd")])),
            ("z06b", "leaves the skill", with(vec![link("skill/l", b"../../x")])),
            ("z07", "is a file and a folder", with(vec![link("skill/l", b".."), file("skill/l/evil", b"x")])),
            ("z08", "is listed twice", with(vec![link("skill/l", b"../x"), file("skill/l", b"x")])),
            ("z09", "leaves the skill", with(vec![link("skill/a", b"b"), link("skill/b", b"../../x")])),
            ("z11", "is listed twice", with(vec![file("skill/SKILL.md", b"x")])),
            ("z12", "are one name", with(vec![file("skill/A.md", b""), file("skill/a.md", b"")])),
            ("z14", "overlaps", with(vec![Z { ghost: true, offset: Some(0), ..file("skill/b", SKILL) }])),
            ("z15", "has another name", with(vec![Z { local_name: Some(b"skill/evil".to_vec()), ..run() }])),
            ("z16", "checksum is wrong", with(vec![Z { sums: [1, 3, 3], ..stored("skill/a", b"abc") }])),
            ("z17", "the limit for a file is 65536", with(vec![file("skill/bomb", &[0; 70_000])])),
            ("z18", "more than 300 entries", with(many)),
            ("z20", "device", with(vec![mode(0o020_666, stored("skill/d", b""))])),
            ("z22", "is encrypted", with(vec![Z { flags: 1, ..run() }])),
            ("z23", "`skill/\\u{1b}[2Jx`", named(b"skill/\x1b[2Jx")),
            ("z24", "device name on Windows", named(b"skill/CON")),
            ("z26", "Windows", named(b"skill/a:b")),
            ("z27", "\\u{202e}", named("skill/a\u{202e}dm.exe".as_bytes())),
            ("z28", "is not UTF-8", named(b"skill/caf\xe9")),
            ("z31", "the archive `../x.zip` is refused: it ", [b"PREFIX".to_vec(), whole.clone()].concat()),
            (
                "z32",
                "its directory is not where its end record says",
                [whole.clone(), whole.clone()].concat(),
            ),
            (
                "z33",
                "different name",
                with(vec![Z { extra: unicode_path(b"skill/run.sh", b"../evil"), ..run() }]),
            ),
            ("z34", "more than 32 folders", named(format!("skill/{}x", "d/".repeat(40)).as_bytes())),
            ("z36", "spells `.git`", named(b"skill/.GIT/config")),
            ("z38", "hidden bytes", with(vec![Z { hidden: true, ..run() }])),
            ("z48", "the archive `../x.zip` is refused: it ", whole[..whole.len() / 2].to_vec()),
            (
                "z53",
                "its directory has fewer entries than it says",
                end(End { counts: Some([2, 2]), ..End::default() }),
            ),
            ("z56", "method 12", with(vec![Z { method: 12, ..run() }])),
            ("none", "has no skill", zip(&[file("readme.md", b"x")])),
        ],
    );
}

#[test]
fn hostile_tars_are_refused() {
    use tar_build::*;
    let with = |entries: Vec<T>| tgz(&[vec![file("skill/SKILL.md", SKILL)], entries].concat());
    let named = |name: &[u8]| with(vec![file(name, b"x")]);
    let hard = |target: &str| with(vec![T { target: target.into(), ..of(b'1', "skill/h") }]);
    let whole = tar(&[file("skill/SKILL.md", SKILL)]);
    let run = || file("skill/run.sh", b"#!/bin/sh\n");
    let mut crc = gz(&whole);
    let at = crc.len() - 8;
    crc[at] ^= 1;
    let many = (0..301).map(|n| file(format!("skill/{n}"), b"")).collect();
    let desync = vec![pax(&[("size", "1024")]), file("skill/a", b""), file("skill/evil", &[b'x'; 512])];
    play(
        "x.tar.gz",
        &[
            ("t01", "leads out of the folder", named(b"../evil")),
            ("t01b", "leads out of the folder", named(b"skill/a/../../../evil")),
            ("t02", "is absolute", named(b"/tmp/ba-agent-hostile-entry")),
            ("t03", "leaves the skill", with(vec![link("skill/l", b"../../../etc/passwd")])),
            (
                "t04",
                "is a file and a folder",
                with(vec![link("skill/l", b"/tmp"), file("skill/l/evil", b"x")]),
            ),
            ("t05", "is a hard link", hard("/etc/passwd")),
            ("t06", "is a hard link", hard("skill/SKILL.md")),
            ("t08", "is a device", with(vec![of(b'3', "skill/x")])),
            ("t09", "is a named pipe", with(vec![of(b'6', "skill/x")])),
            ("t10", "leads out of the folder", with(vec![pax(&[("path", "../evil")]), run()])),
            ("t11", "two different sizes", with(vec![pax(&[("size", "0")]), run()])),
            (
                "t12",
                "leaves the skill",
                with(vec![pax(&[("linkpath", "/etc/passwd")]), link("skill/l", b"SKILL.md")]),
            ),
            ("t13", "leads out of the folder", with(vec![long(b'L', b"skill/../../evil\0"), gnu(run())])),
            ("t14", "is listed twice", with(vec![file("skill/SKILL.md", b"x")])),
            ("t15", "are one name", with(vec![file("skill/caf\u{e9}", b""), file("skill/cafe\u{301}", b"")])),
            ("t17", "the limit for a file is 65536", with(vec![file("skill/bomb", &[0; 70_000])])),
            ("t20", "of every entry", with(vec![global(&[("path", "skill/evil")]), run()])),
            ("t21", "twice", with(vec![pax(&[("path", "skill/a"), ("path", "skill/evil")]), run()])),
            ("t22", "\\u{1b}", named(b"skill/\x1b]0;x\x07")),
            ("t25", "it is cut off", gz(&whole)[..60].to_vec()),
            ("t26", "bytes follow its end", gz(&[&whole[..], b"hidden"].concat())),
            ("t27", "it is cut off", gz(&endless(&[file("skill/SKILL.md", SKILL)]))),
            ("t28", "second gzip member", [gz(&whole), gz(&whole)].concat()),
            ("t36", "unknown type `Z`", with(vec![of(b'Z', "skill/x")])),
            ("t37", "spells `.git`", named(b"skill/.git/hooks/post-checkout")),
            ("t39", "more than 300 entries", with(many)),
            ("t40", "the limit is 4096", with(vec![long(b'L', &[b'a'; 9_000]), gnu(run())])),
            ("t41", "is a sparse file", with(vec![gnu(of(b'S', "skill/x"))])),
            ("t48", "two different sizes", with(desync)),
            ("t49", "it is damaged", crc),
            ("none", "has no skill", tgz(&[file("readme.md", b"x")])),
        ],
    );
}

/// With the limits as they come, and an archive small enough to be a trap.
#[test]
fn a_bomb_is_stopped_by_the_usual_limits() {
    use zip_build::{file, zip};
    let env = TestEnv::new();
    let bomb = file("skill/bomb", &vec![0; 17 << 20]);
    assert!(bomb.packed.len() < 64 << 10);
    env.write("x.zip", zip(&[file("skill/SKILL.md", SKILL), bomb]));
    assert_eq!(refused(&env, "../x.zip", "the limit for a file is 16777216"), None);
}

/// A repository whose trees are written byte by byte, as no git program would.
struct Forge {
    repo: Repository,
    manifest: Oid,
    blob: Oid,
}

impl Forge {
    fn blob(&self, bytes: &[u8]) -> Oid {
        self.repo.blob(bytes).unwrap()
    }

    /// A tree of these lines, in this order.
    fn tree(&self, lines: &[(&str, &[u8], Oid)]) -> Oid {
        let line = |(mode, name, id): &(&str, &[u8], Oid)| {
            [mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat()
        };
        let bytes: Vec<u8> = lines.iter().flat_map(line).collect();
        self.repo.odb().unwrap().write(ObjectType::Tree, &bytes).unwrap()
    }

    /// A skill with one more entry.
    fn with(&self, mode: &str, name: &[u8], id: Oid) -> Oid {
        self.tree(&[("100644", b"SKILL.md", self.manifest), (mode, name, id)])
    }

    fn file(&self, name: &[u8]) -> Oid {
        self.with("100644", name, self.blob)
    }

    fn link(&self, target: &[u8]) -> Oid {
        self.with("120000", b"link", self.blob(target))
    }

    /// Puts the tree at `skill/` on a branch of that name.
    fn publish(&self, branch: &str, tree: Oid) {
        let root = self.tree(&[("40000", b"skill", tree)]);
        let who = "T <t@example.org> 1 +0000";
        let text = format!("tree {root}\nauthor {who}\ncommitter {who}\n\nx\n");
        let commit = self.repo.odb().unwrap().write(ObjectType::Commit, text.as_bytes()).unwrap();
        self.repo.reference(&format!("refs/heads/{branch}"), commit, true, "").unwrap();
    }
}

fn hostile_trees(forge: &Forge) -> Vec<(&'static str, &'static str, Oid)> {
    let sub = forge.tree(&[("100644", b"evil", forge.blob)]);
    let deep = (0..40).fold(sub, |below, _| forge.tree(&[("40000", b"d", below)]));
    let names: Vec<String> = (0..201).map(|n| format!("{n:03}")).collect();
    let mut many: Vec<(&str, &[u8], Oid)> =
        names.iter().map(|name| ("100644", name.as_bytes(), forge.blob)).collect();
    many.push(("100644", b"SKILL.md", forge.manifest));
    let two = |one: (&str, &[u8], Oid), other: (&str, &[u8], Oid)| {
        forge.tree(&[("100644", b"SKILL.md", forge.manifest), one, other])
    };
    let file = |name: &'static [u8]| ("100644", name, forge.blob);
    vec![
        ("g01", "leads out of the folder", forge.with("40000", b"..", sub)),
        ("g01b", "has a `.` part", forge.with("40000", b".", sub)),
        ("g02", "spells `.git`", forge.with("40000", b".git", sub)),
        ("g03", "spells `.git`", forge.with("40000", b".GIT", sub)),
        ("g04", "spells `.git`", forge.with("40000", b"git~1", sub)),
        ("g05", "has a slash inside a name", forge.file(b"../evil")),
        ("g06", "has a slash inside a name", forge.file(b"/tmp/ba-agent-hostile-entry")),
        ("g07", "contains a backslash", forge.file(b"..\\evil")),
        ("g08", "leaves the skill", forge.link(b"/etc/passwd")),
        ("g09", "leaves the skill", forge.link(b"../../x")),
        ("g09b", "`link` -> `` leaves the skill", forge.link(b"")),
        ("g09c", "`link` -> `..` leaves the skill", forge.link(b"..")),
        ("g10", "`x` is a file and a folder", two(("120000", b"x", forge.blob(b"..")), ("40000", b"x", sub))),
        ("g11", "is a git submodule", forge.with("160000", b"sub", forge.blob)),
        ("g12", "are one name", two(file(b"A.md"), file(b"a.md"))),
        ("g13", "`x` is listed twice", two(file(b"x"), file(b"x"))),
        ("g13b", "are one name", two(file("caf\u{e9}".as_bytes()), file("cafe\u{301}".as_bytes()))),
        ("g14", "device name on Windows", forge.file(b"aux.md")),
        ("g15", "Windows", forge.file(b"a:b")),
        ("g15b", "Windows", forge.file(b"dot.")),
        ("g16", "\\u{a}", forge.file(b"a\nb")),
        ("g17", "\\u{1b}", forge.file(b"a\x1b[31m")),
        ("g18", "is not UTF-8", forge.file(b"caf\xe9")),
        (
            "g19",
            "contains control or invisible characters",
            forge.with("40000", ".g\u{200c}it".as_bytes(), sub),
        ),
        ("g21", "is more than 32 folders deep", forge.with("40000", b"d", deep)),
        ("g22", "the limit for a skill is 200", forge.tree(&many)),
        ("g23", "has an empty part", forge.file(b"")),
        ("g26", "the limit for a file is 65536", forge.with("100644", b"big", forge.blob(&[b'x'; 70_000]))),
        (
            "lfs",
            "LFS",
            forge.with("100644", b"x.bin", forge.blob(b"version https://git-lfs.github.com/spec/v1\n")),
        ),
    ]
}

/// A forge, its address over `file://` or http, and the server. `None` where git is missing.
fn forge(env: &TestEnv, over_http: bool) -> Option<(Forge, String, Option<Server>)> {
    let repo = Repository::init_bare(env.path("srv/repo.git")).unwrap();
    let (manifest, blob) = (repo.blob(SKILL).unwrap(), repo.blob(b"x").unwrap());
    let forge = Forge { repo, manifest, blob };
    if !over_http {
        return Some((forge, format!("file://{}", env.path("srv/repo.git").display()), None));
    }
    let server = Server::start(&env.path("srv"))?;
    let url = format!("{}/repo.git", server.url());
    Some((forge, url, Some(server)))
}

#[test]
fn hostile_git_trees_are_refused() {
    hostile_trees_are_refused(false);
}

#[test]
fn hostile_git_trees_are_refused_over_http() {
    hostile_trees_are_refused(true);
}

fn hostile_trees_are_refused(over_http: bool) {
    let env = TestEnv::new();
    env.write("settings/config.yaml", LIMITS);
    let Some((forge, url, _server)) = forge(&env, over_http) else { return };
    let cases = hostile_trees(&forge);
    let failures: Vec<_> = cases
        .iter()
        // A host's own git does not pack a name that is empty.
        .filter(|(id, ..)| !(over_http && *id == "g23"))
        .filter_map(|(id, words, tree)| {
            forge.publish(id, *tree);
            refused(&env, &format!("{url}#{id}"), words).map(|why| format!("== {id}: {why}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(cases.len() >= 25, "{}", cases.len());
    // The same beside a sound skill is left out of all, and stops the whole under --strict.
    let evil = forge.with("40000", b".git", forge.tree(&[("100644", b"config", forge.blob)]));
    let good = forge.blob(skill_md("good", "Is good. Use it for good.").as_bytes());
    let good = forge.tree(&[("100644", b"SKILL.md", good)]);
    forge.publish("both", forge.tree(&[("40000", b"evil", evil), ("40000", b"good", good)]));
    let source = format!("{url}#both");
    env.run(&["skill", "install", &source, "--all", "--strict"]).ends(8).says("spells `.git`");
    env.run(&["skill", "install", &source, "--all"]).ends(0).says("left out skill/evil");
    assert!(!env.picture("project/.claude/skills").keys().any(|path| path.contains("evil")));
}

/// Objects that are missing or are something else than their tree says: no skill is to
/// blame, so the status is that of broken bytes. Over http the host's own git may stop first.
#[test]
fn broken_git_objects_are_an_error_and_leave_nothing() {
    for over_http in [false, true] {
        let env = TestEnv::new();
        let Some((forge, url, _server)) = forge(&env, over_http) else { return };
        let gone = Oid::from_str("1111111111111111111111111111111111111111").unwrap();
        for (name, tree, words, is_packed) in [
            ("missing-blob", forge.with("100644", b"x", gone), "the blob 1111111", false),
            ("missing-tree", forge.with("40000", b"x", gone), "the tree 1111111", false),
            ("blob-as-tree", forge.with("40000", b"x", forge.blob), "is a blob, not a tree", false),
            ("tree-as-blob", forge.with("100644", b"x", forge.tree(&[])), "is a tree, not a blob", true),
            ("no-tree", forge.blob, "is a blob, not a tree", false),
        ] {
            forge.publish(name, tree);
            let before = all(&env);
            let run = env.run(&["skill", "install", &format!("{url}#{name}"), "--skill", "skill"]);
            if over_http && !is_packed {
                // The host's git sees it first, and says so.
                run.ends(6).says("repository corruption on the remote side");
            } else {
                run.ends(6).says(words);
            }
            assert_eq!(all(&env), before, "{name}");
        }
    }
}
