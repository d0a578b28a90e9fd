//! `skill publish`, `skill yank`, `registry build|check|mirror`: a registry as files.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::env::{Run, TestEnv, copy_tree};

fn publish(env: &TestEnv, more: &[&str]) -> Run {
    let args = ["skill", "publish", "../src/pdf-tables", "--to", "../registry", "--yes"];
    env.run(&[&args[..], more].concat())
}

fn world() -> TestEnv {
    let env = TestEnv::new();
    let skill = env.skill("src/pdf-tables");
    #[cfg(unix)]
    skill.executable("scripts/run.sh", "#!/bin/sh\n");
    #[cfg(not(unix))]
    skill.file("scripts/run.sh", "#!/bin/sh\n");
    env
}

fn check(env: &TestEnv, place: &str) -> Run {
    env.run(&["registry", "check", place, "--json"])
}

fn faults(run: &Run) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let report = run.json();
    let faults = report["faults"].as_array().unwrap();
    faults.iter().map(|fault| (text(&fault["path"]), text(&fault["message"]))).collect()
}

/// The lines of the skill's index.
fn lines(env: &TestEnv) -> Vec<Value> {
    let text = std::fs::read_to_string(env.path("registry/@acme/pdf-tables/index.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn archive_path(line: &Value) -> String {
    let digest = line["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    format!("registry/b/sha256/{}/{digest}.tar.gz", &digest[..2])
}

#[test]
fn a_version_is_published_and_never_changes() {
    let env = world();
    let dry =
        publish(&env, &["--as", "@acme", "--dry-run"]).ends(0).says("would publish @acme/pdf-tables 0.1.0");
    assert!(dry.stdout.contains("scripts/run.sh") && !env.path("registry").exists(), "{}", dry.stdout);
    env.run(&["skill", "publish", "../src/pdf-tables", "--as", "@acme", "--to", "../registry"])
        .ends(2)
        .says("--yes");
    env.run(&["skill", "publish", "../src/pdf-tables", "--as", "@acme"]).ends(2).says("--to DIR");
    publish(&env, &[]).ends(2).says("--as @OWNER");
    assert!(!env.path("registry").exists());

    publish(&env, &["--as", "@acme"])
        .ends(0)
        .says("this begins one")
        .says("Published @acme/pdf-tables 0.1.0");
    let first = env.picture("registry");
    publish(&env, &[]).ends(0).says("already there");
    publish(&env, &["--version", "0.1.0"]).ends(0).says("already there");
    assert_eq!(env.picture("registry"), first);

    env.write("src/pdf-tables/references/more.md", "more\n");
    publish(&env, &[]).ends(2).says("`--bump patch` makes it 0.1.1");
    let other = publish(&env, &["--version", "0.1.0"]).ends(7).says("published already, with other files");
    assert!(!other.stdout.contains("Published"));
    assert_eq!(env.picture("registry"), first);
    let next = publish(&env, &["--bump", "minor", "--json"]).ends(0).json();
    assert_eq!(next["outcome"], "published");
    assert_eq!(next["plan"]["previous"]["changed"], json!([{ "path": "references/more.md", "change": "A" }]));
    assert_eq!(next["plan"]["line"]["version"], "0.2.0");
    assert_eq!(lines(&env)[1], next["plan"]["line"]);
    check(&env, "../registry").ends(0);

    // What the skill itself says must agree; what may not be published is not.
    let manifest = env.read("src/pdf-tables/SKILL.md");
    env.write("src/pdf-tables/SKILL.md", manifest.replacen("---\n", "---\nversion: 2.0.0\n", 1));
    publish(&env, &["--bump", "patch"]).ends(8).prints("calls itself version `2.0.0`");
    publish(&env, &[]).ends(0).says("pdf-tables 2.0.0");
    env.write("src/pdf-tables/.env", "A=b\n");
    let before = env.picture("registry");
    publish(&env, &["--version", "2.1.0"]).ends(8).says("so nothing is published");
    publish(&env, &["--version", "latest"]).ends(2);
    publish(&env, &["--as", "@Acme"]).ends(2);
    env.run(&["skill", "publish", "../src", "--as", "@acme", "--to", "../registry"]).ends(2);
    env.run(&["skill", "publish", "../src/pdf-tables", "--as", "@acme", "--to", "../src", "--yes"]).ends(8);
    assert_eq!(env.picture("registry"), before);
}

#[test]
fn a_skill_yaml_becomes_a_skill_and_back() {
    let env = world();
    let yaml = "apiVersion: skills.claude.ai/v1\nkind: Skill\nmetadata: {id: sql, name: SQL, version: 1.4.0, tags: [sql]}\n\
        spec:\n  description: Writes queries when somebody asks for one.\n  instructions: |\n    # Do it\n\n    Ask first.\n  \
        pricing: {model: free}\n";
    env.write("docs/skill.yaml", yaml);
    env.run(&["skill", "init", "--from", "../docs/skill.yaml", "--json"]).ends(0);
    env.run(&["skill", "validate", "sql"]).ends(0);
    let manifest = env.read("project/sql/SKILL.md");
    assert!(
        manifest.contains("name: sql") && manifest.ends_with("\n\n# Do it\n\nAsk first.\n"),
        "{manifest}"
    );
    let back = env.run(&["skill", "export", "--format", "skill-yaml", "sql"]).ends(0).stdout;
    for word in ["id: sql", "name: SQL", "version: 1.4.0", "model: free", "Ask first."] {
        assert!(back.contains(word), "{word} in {back}");
    }
    env.write("again/skill.yaml", &back);
    env.run(&["skill", "init", "--from", "../again/skill.yaml", "--dir", "again"]).ends(0);
    assert_eq!(env.read("project/again/sql/SKILL.md"), manifest);
    env.run(&["skill", "publish", "../docs", "--as", "@acme", "--to", "../registry", "--yes"])
        .ends(0)
        .says("@acme/sql 1.4.0");
    check(&env, "../registry").ends(0);
    assert!(!env.path("docs/SKILL.md").exists());

    env.run(&["skill", "init", "--from", "../docs/none.yaml"]).ends(3);
    env.write("docs/other.yaml", "apiVersion: v1\nkind: Pod\n");
    env.run(&["skill", "init", "--from", "../docs/other.yaml"]).ends(8).says("kind: Skill");
    env.run(&["skill", "init"]).ends(2);
    env.run(&["skill", "export", "--format", "skill-yaml", "nothing"]).ends(3);
    env.run(&["skill", "export", "sql"]).ends(2);
}

#[test]
fn a_folder_with_other_files_is_no_registry() {
    let env = world();
    env.run(&["skill", "publish", "../src/pdf-tables", "--as", "@acme", "--to", "../src", "--yes"])
        .ends(7)
        .says("is not a registry, but has files in it");
    for place in ["../src", "../nothing"] {
        env.run(&["registry", "build", place]).ends(3);
        env.run(&["registry", "check", place]).ends(3);
        env.run(&["registry", "mirror", place, "../copy"]).ends(3);
        env.run(&["skill", "yank", "@acme/pdf-tables@1.0.0", "--to", place]).ends(3);
    }
    assert!(!env.path("copy").exists());
}

#[test]
fn a_yanked_version_is_not_offered_and_stays() {
    let env = world();
    publish(&env, &["--as", "@acme"]).ends(0);
    env.write("src/pdf-tables/a.md", "a\n");
    publish(&env, &["--bump", "minor"]).ends(0);
    let yank = |more: &[&str]| {
        let args = ["skill", "yank", "@acme/pdf-tables@0.2.0", "--to", "../registry"];
        env.run(&[&args[..], more].concat())
    };
    let before = env.picture("registry");
    yank(&["--reason", "wrong page"]).ends(0).says("Yanked");
    assert_eq!(lines(&env)[1]["yank_reason"], "wrong page");
    let newest = env.read("registry/@acme/pdf-tables/.well-known/agent-skills/index.json");
    assert!(newest.contains(lines(&env)[0]["digest"].as_str().unwrap()), "{newest}");
    assert!(env.path(&archive_path(&lines(&env)[1])).exists());
    check(&env, "../registry").ends(0);
    yank(&["--reason", "wrong page"]).ends(0).says("Unchanged");
    yank(&["--undo"]).ends(0).says("Restored");
    let mut after = env.picture("registry");
    after.retain(|path, _| !path.starts_with("catalogue/"));
    let mut before = before;
    before.retain(|path, _| !path.starts_with("catalogue/"));
    assert_eq!(after, before);
    env.run(&["skill", "yank", "@acme/pdf-tables@9.0.0", "--to", "../registry"]).ends(3).says("0.2.0");
    env.run(&["skill", "yank", "@acme/pdf-tables", "--to", "../registry"]).ends(2);
}

/// Killed at any step, a publisher leaves no line without its archive; the next one finishes it.
#[test]
#[cfg(unix)]
fn a_killed_publisher_leaves_nothing_half() {
    let env = world();
    publish(&env, &["--as", "@acme"]).ends(0);
    env.write("src/pdf-tables/a.md", "a\n");
    copy_tree(&env.path("registry"), &env.path("saved"));
    let args =
        ["skill", "publish", "../src/pdf-tables", "--to", "../registry", "--yes", "--version", "0.2.0"];
    let (mut step, mut killed) = (1, 0);
    loop {
        let output = env.command(&args).env("BA_AGENT_FAULT", format!("kill:{step}")).output().unwrap();
        for line in lines(&env) {
            assert!(env.path(&archive_path(&line)).exists(), "step {step}: a line without its archive");
        }
        if output.status.success() {
            break;
        }
        killed += 1;
        env.run(&args).ends(0);
        assert_eq!(lines(&env).len(), 2, "step {step}");
        assert_eq!(faults(&check(&env, "../registry")), [], "step {step}");
        std::fs::remove_dir_all(env.path("registry")).unwrap();
        copy_tree(&env.path("saved"), &env.path("registry"));
        // Each step once in a while: all of them take a minute.
        step += 5;
    }
    assert!(killed > 8, "{killed}");
}

#[test]
fn several_publishers_at_once_lose_nothing() {
    let env = world();
    publish(&env, &["--as", "@acme"]).ends(0);
    for n in 0..6 {
        copy_tree(&env.path("src/pdf-tables"), &env.path(&format!("src{n}/pdf-tables")));
        env.write(&format!("src{n}/pdf-tables/a.md"), format!("{n}\n"));
    }
    let run = |version: &dyn Fn(usize) -> String| -> Vec<i32> {
        let children: Vec<_> = (0..6)
            .map(|n| {
                let folder = format!("../src{n}/pdf-tables");
                let version = version(n);
                let args =
                    ["skill", "publish", &folder, "--to", "../registry", "--yes", "--version", &version];
                let mut command = env.command(&args);
                command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                command.spawn().unwrap()
            })
            .collect();
        children.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect()
    };
    let different = run(&|n| format!("1.0.{n}"));
    assert_eq!(different, [0; 6]);
    assert_eq!(lines(&env).len(), 7);
    let mut same = run(&|_| "2.0.0".to_owned());
    same.sort_unstable();
    assert_eq!(same, [0, 7, 7, 7, 7, 7]);
    assert_eq!(lines(&env).len(), 8);
    assert_eq!(faults(&check(&env, "../registry")), []);
}

#[test]
fn a_check_names_what_differs() {
    let env = world();
    publish(&env, &["--as", "@acme"]).ends(0);
    env.write("src/pdf-tables/a.md", "a\n");
    publish(&env, &["--bump", "minor"]).ends(0);
    check(&env, "../registry").ends(0);
    copy_tree(&env.path("registry"), &env.path("saved"));
    let blob = archive_path(&lines(&env)[0]);
    let blob = blob.strip_prefix("registry/").unwrap();
    let index = "@acme/pdf-tables/index.jsonl";
    let replace = |path: &str, old: &str, new: &str| {
        let text = env.read(&format!("registry/{path}"));
        assert!(text.contains(old), "{old} in {text}");
        env.write(&format!("registry/{path}"), text.replacen(old, new, 1));
    };
    let remove = |path: &str| std::fs::remove_file(env.path(&format!("registry/{path}"))).unwrap();
    let known = "@acme/pdf-tables/.well-known/agent-skills/index.json";
    type Damage<'a> = (&'a str, &'a dyn Fn(), &'a str, &'a str, bool);
    let damages: [Damage<'_>; 12] = [
        ("an archive is gone", &|| remove(blob), blob, "is missing", false),
        (
            "an archive is other",
            &|| drop(env.write(&format!("registry/{blob}"), "x")),
            blob,
            "other bytes",
            false,
        ),
        (
            "a line has another digest of its files",
            &|| {
                let tree = lines(&env)[0]["tree"].as_str().unwrap().to_owned();
                replace(index, &tree, &format!("sha256:{}", "0".repeat(64)));
            },
            blob,
            "other files",
            false,
        ),
        (
            "a line says other rights",
            &|| replace(index, "\"scripts\":[\"scripts/run.sh\"],", ""),
            index,
            "`scripts`",
            false,
        ),
        (
            "a line is of another skill",
            &|| replace(index, "@acme/pdf", "@evil/pdf"),
            index,
            "belongs to",
            false,
        ),
        ("a line is cut", &|| replace(index, "}\n{", "}\n{\"v\":1}\n{"), index, "line 2", false),
        (
            "a version is there twice",
            &|| replace(index, "\"0.2.0\"", "\"0.1.0\""),
            index,
            "not the first",
            false,
        ),
        (
            "an index for others is other",
            &|| replace(known, "pdf-tables", "pdf-table"),
            known,
            "registry build",
            true,
        ),
        ("a feed is gone", &|| remove("feed.atom"), "feed.atom", "is missing", true),
        (
            "a catalogue is older",
            &|| replace("catalogue.json", "\"skills\": 1", "\"skills\": 2"),
            "catalogue.json",
            "registry build",
            true,
        ),
        (
            "an index of no version",
            &|| {
                drop(env.write("registry/@acme/pdf-tables/9.0.0/.well-known/agent-skills/index.json", "{}"));
            },
            "@acme/pdf-tables/9.0.0/.well-known/agent-skills/index.json",
            "made of nothing",
            true,
        ),
        (
            "a list of revocations is other",
            &|| drop(env.write("registry/revoked.jsonl", "x\n")),
            "revoked.jsonl",
            "registry build",
            true,
        ),
    ];
    for (what, damage, path, message, is_derived) in damages {
        damage();
        let found = faults(&check(&env, "../registry").ends(6));
        let is_named = found.iter().any(|(at, why)| at == path && why.contains(message));
        assert!(is_named, "{what}: {found:?}");
        if is_derived {
            assert_eq!(found.len(), 1, "{what}: {found:?}");
            env.run(&["registry", "build", "../registry"]).ends(0);
            assert_eq!(faults(&check(&env, "../registry")), [], "{what}");
        }
        std::fs::remove_dir_all(env.path("registry")).unwrap();
        copy_tree(&env.path("saved"), &env.path("registry"));
    }
    // An index that cannot be read is not built over.
    let broken = env.read(&format!("registry/{index}")) + "{";
    env.write(&format!("registry/{index}"), broken);
    let before = env.picture("registry");
    env.run(&["registry", "build", "../registry"]).ends(6);
    assert_eq!(env.picture("registry"), before);
    env.run(&["registry", "check", "../registry"]).ends(6).prints("cut off");
}

/// A web server for a folder, which counts what it is asked.
pub(crate) struct Served {
    pub(crate) url: String,
    asked: Arc<AtomicUsize>,
}

impl Served {
    pub(crate) fn folder(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (folder, counter) = (folder.clone(), counter.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    loop {
                        let mut head = String::new();
                        while reader.read_line(&mut head).is_ok_and(|count| count > 2) {}
                        let Some(path) = head.split(' ').nth(1) else { return };
                        counter.fetch_add(1, Ordering::SeqCst);
                        let file = folder.join(path.trim_start_matches('/'));
                        let (status, bytes) = match std::fs::read(&file) {
                            Ok(bytes) => ("200 OK", bytes),
                            Err(_) => ("404 Not Found", Vec::new()),
                        };
                        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", bytes.len());
                        if (&stream).write_all(&[head.as_bytes(), &bytes].concat()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, asked }
    }

    fn take_count(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

/// What a registry is, without the lock of the folder.
fn registry_of(env: &TestEnv, place: &str) -> BTreeMap<String, String> {
    let mut files = env.picture(place);
    files.retain(|path, _| path != ".lock");
    files
}

#[test]
fn a_mirror_is_the_same_registry() {
    let env = world();
    env.skill("src/docx");
    publish(&env, &["--as", "@acme"]).ends(0);
    env.write("src/pdf-tables/a.md", "a\n");
    publish(&env, &["--bump", "minor"]).ends(0);
    let docx = ["skill", "publish", "../src/docx", "--as", "@bee", "--to", "../registry", "--yes"];
    env.run(&docx).ends(0);
    env.run(&["registry", "build", "../registry"]).ends(0);
    let served = Served::folder(env.path("registry"));
    let mirror = |place: &str, more: &[&str]| {
        let args = ["registry", "mirror", &served.url, place, "--json"];
        env.run(&[&args[..], more].concat())
    };
    let first = mirror("../copy", &[]).ends(0).json();
    assert_eq!(
        (&first["skills"], &first["archives"], &first["unchanged"]),
        (&json!(2), &json!(3), &json!(false))
    );
    assert_eq!(registry_of(&env, "copy"), registry_of(&env, "registry"));
    check(&env, "../copy").ends(0);
    check(&env, &served.url).ends(0);

    served.take_count();
    assert_eq!(mirror("../copy", &[]).ends(0).json()["unchanged"], true);
    assert_eq!(served.take_count(), 1, "nothing new costs one request");

    // Something that is not the newest version changes too.
    env.run(&["skill", "yank", "@acme/pdf-tables@0.1.0", "--to", "../registry"]).ends(0);
    env.run(&["registry", "build", "../registry"]).ends(0);
    served.take_count();
    let second = mirror("../copy", &[]).ends(0).json();
    assert_eq!((&second["changed"], &second["archives"]), (&json!(["@acme/pdf-tables"]), &json!(0)));
    assert!(served.take_count() <= 4);
    assert_eq!(registry_of(&env, "copy"), registry_of(&env, "registry"));

    let part = mirror("../part", &["--only", "@acme/*", "--latest"]).ends(0).json();
    assert_eq!((&part["skills"], &part["archives"]), (&json!(1), &json!(1)));
    check(&env, "../part").ends(0);
    served.take_count();
    assert_eq!(mirror("../part", &["--only", "@acme/*", "--latest"]).ends(0).json()["unchanged"], true);
    assert_eq!(served.take_count(), 1);
    mirror("../none", &["--only", "@nobody/*"]).ends(3);
    env.run(&["registry", "mirror", "../registry", "../registry"]).ends(2);
}

/// A source that lies, or has forgotten, changes nothing of the copy.
#[test]
fn a_mirror_of_a_liar_stays_as_it_was() {
    let env = world();
    publish(&env, &["--as", "@acme"]).ends(0);
    let mirror = || env.run(&["registry", "mirror", "../registry", "../copy"]);
    mirror().ends(0);
    let copy = registry_of(&env, "copy");
    copy_tree(&env.path("registry"), &env.path("saved"));
    let reset = || {
        std::fs::remove_dir_all(env.path("registry")).unwrap();
        copy_tree(&env.path("saved"), &env.path("registry"));
    };
    let stays = |what: &str, says: &str| {
        let run = mirror().ends(6);
        assert!(run.stderr.contains(says), "{what}: {}", run.stderr);
        assert_eq!(registry_of(&env, "copy"), copy, "{what}");
        reset();
    };
    // Another archive under the version that was copied.
    std::fs::remove_dir_all(env.path("registry")).unwrap();
    env.write("src/pdf-tables/b.md", "b\n");
    publish(&env, &["--as", "@acme", "--version", "0.1.0"]).ends(0);
    stays("rewritten", "than before");
    // The skill is gone.
    std::fs::remove_dir_all(env.path("registry")).unwrap();
    env.skill("src/docx");
    env.run(&["skill", "publish", "../src/docx", "--as", "@acme", "--to", "../registry", "--yes"]).ends(0);
    stays("lost", "has lost the skill `@acme/pdf-tables`");
    // A new version whose archive is other, or not there.
    for damage in ["x", ""] {
        publish(&env, &["--bump", "minor"]).ends(0);
        let blob = env.path(&archive_path(&lines(&env)[1]));
        match damage {
            "" => std::fs::remove_file(&blob).unwrap(),
            bytes => std::fs::write(&blob, bytes).unwrap(),
        }
        stays(damage, if damage.is_empty() { "is missing" } else { "other bytes" });
    }
    // An index that the catalogue does not name.
    publish(&env, &["--bump", "minor"]).ends(0);
    let index = Path::new("registry/@acme/pdf-tables/index.jsonl");
    let text = env.read(index.to_str().unwrap()).replace("\"yanked\":false", "\"yanked\":true");
    env.write(index.to_str().unwrap(), text);
    stays("contradicts", "contradicts itself");
    // Another registry.
    let text = env.read("registry/registry.json").replace("\"registry\"", "\"other\"");
    env.write("registry/registry.json", text);
    env.run(&["registry", "build", "../registry"]).ends(0);
    mirror().ends(7).says("is another registry");
    assert_eq!(registry_of(&env, "copy"), copy);
}
