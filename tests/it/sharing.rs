//! What an author needs before others get a skill: findings about what it leads to, and an
//! archive of it.
#![cfg(unix)]

use crate::env::TestEnv;

/// A skill of these files, each with a line of text.
fn skill_of(env: &TestEnv, body: &str, files: &[&str]) {
    let head = "---\nname: tables\ndescription: Reads tables. Use when there are tables to be read.\n---\n";
    env.write("src/tables/SKILL.md", format!("{head}{body}"));
    for file in files {
        env.write(&format!("src/tables/{file}"), "text\n");
    }
}

#[test]
fn what_instructions_lead_to_is_a_warning_and_with_strict_an_error() {
    let env = TestEnv::new();
    let body = "See [forms](references/forms.md), [sums](references/sums.md) and [other](../other/SKILL.md).\n\n\
                ```sh\npython scripts/run.py\npython scripts/gone.py\n```\n";
    skill_of(&env, body, &["references/forms.md", "scripts/run.py"]);
    let run = env.run(&["skill", "validate", "../src/tables"]).ends(0).says("valid, 3 findings");
    let places: Vec<_> = run.stdout.lines().filter(|line| line.contains("warning[")).collect();
    assert_eq!(
        places,
        [
            "../src/tables/SKILL.md:5:35: warning[dead-link]: the link to `references/sums.md` leads to nothing in the skill",
            "../src/tables/SKILL.md:5:66: warning[link-outside]: the link to `../other/SKILL.md` leads out of the skill",
            "../src/tables/SKILL.md:9:8: warning[missing-file]: `scripts/gone.py` is not in the skill",
        ]
    );
    env.run(&["skill", "validate", "../src/tables", "--strict"]).ends(8).says("1 invalid, 3 findings");
    let json = env.run(&["skill", "validate", "../src/tables", "--json"]).ends(0).json();
    assert_eq!(json["skills"][0]["findings"][0]["code"], "dead-link");
    // Whoever installs it is not told: it is the author's business.
    let run = env.run(&["skill", "install", "../src/tables"]).ends(0);
    assert!(!run.stderr.contains("dead-link") && !run.stdout.contains("dead-link"), "{run:?}");

    skill_of(&env, "See [forms](references/forms.md).\n", &[]);
    env.run(&["skill", "validate", "../src/tables", "--strict"]).ends(0).says("valid, 0 findings");
}

#[test]
fn a_new_skill_is_valid_but_not_finished() {
    let env = TestEnv::new();
    env.run(&["skill", "init", "tables"]).ends(0);
    let run = env.run(&["skill", "validate", "tables"]).ends(0).says("valid, 2 findings");
    assert_eq!(run.stdout.matches("warning[template-text]").count(), 2, "{}", run.stdout);
    env.run(&["skill", "validate", "tables", "--strict"]).ends(8);
}

#[test]
fn hostile_links_are_shown_safely_and_end() {
    let env = TestEnv::new();
    let deep = format!("{}{}", "[".repeat(3000), "](x.md)".repeat(3000));
    let body =
        format!("[a](\u{1b}]0;x\u{7}.md) [b](%1b%5b31m.md) [c](<\u{202e}.md>) {deep}\n`scripts/\u{1b}.py`\n");
    skill_of(&env, &body, &["scripts/run.py"]);
    let run = env.run(&["skill", "validate", "../src/tables"]);
    assert!(!run.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{}", run.stdout);
    assert!(run.stdout.contains("dead-link"), "{}", run.stdout);
    // What grows with the square of its length would not end here.
    let many: String = (0..20_000).map(|n| format!("[a](x{n}.md) scripts/n{n}.py ")).collect();
    skill_of(&env, &many, &["scripts/run.py"]);
    let run = env.run(&["skill", "validate", "../src/tables", "--json"]).ends(0).json();
    assert!(run["skills"][0]["findings"].as_array().unwrap().len() > 40_000);
    for one in ["scripts/", "{baseDir}/", "../", "[", "![", "](", "<", "`"] {
        skill_of(&env, &one.repeat(600_000 / one.len()), &["scripts/run.py"]);
        env.run(&["skill", "validate", "../src/tables"]).ends(0);
    }
}

/// A skill with everything that an archive can hold.
fn skill_to_pack(env: &TestEnv) {
    env.skill("src/tables")
        .file("references/forms \u{e9}.md", "text\n")
        .executable("scripts/run.py", "print(1)\n")
        .link("CLAUDE.md", "SKILL.md");
}

fn set_mode(env: &TestEnv, below: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(env.path(below), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn digest_of_installed(env: &TestEnv) -> String {
    env.registry()["skills"]["tables"]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_packed_skill_installs_as_its_folder_does() {
    let env = TestEnv::new();
    skill_to_pack(&env);
    env.run(&["skill", "install", "../src/tables"]).ends(0);
    let digest = digest_of_installed(&env);
    env.run(&["skill", "uninstall", "tables"]).ends(0);
    for (format, file) in [("zip", "tables.skill"), ("zip", "tables.zip"), ("tar.gz", "tables.tgz")] {
        let run = env.run(&["skill", "pack", "../src/tables", "-o", file, "--format", format, "--json"]);
        let packed = run.ends(0).json();
        assert_eq!(packed["archive"]["digest"], digest, "{file}");
        assert_eq!(packed["archive"]["files"], 4);
        let integrity = packed["archive"]["integrity"].as_str().unwrap();
        let source = format!("./{file}");
        env.run(&["skill", "install", &source, "--integrity", integrity]).ends(0);
        assert_eq!(digest_of_installed(&env), digest, "{file}");
        env.run(&["skill", "verify"]).ends(0);
        env.run(&["skill", "uninstall", "tables"]).ends(0);
        let other = format!("sha256:{}", "0".repeat(64));
        env.run(&["skill", "install", &source, "--integrity", &other]).ends(6);
    }
}

#[test]
fn the_bytes_do_not_depend_on_where_when_or_by_whom_it_is_packed() {
    let (one, mut two) = (TestEnv::new(), TestEnv::new());
    let mut packed = Vec::new();
    two.set("SOURCE_DATE_EPOCH", "");
    for env in [&one, &two] {
        skill_to_pack(env);
        // Times, a umask, owners and attributes of this copy are nobody's business.
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        if std::ptr::eq(env, &two) {
            let file = std::fs::File::options().append(true).open(env.path("src/tables/SKILL.md")).unwrap();
            file.set_modified(old).unwrap();
            set_mode(env, "src/tables/SKILL.md", 0o600);
            set_mode(env, "src/tables/scripts/run.py", 0o700);
        }
        for format in ["zip", "tar.gz"] {
            let run =
                env.run(&["skill", "pack", "../src/tables", "--format", format, "--json"]).ends(0).json();
            packed.push((format, run["archive"]["integrity"].clone()));
        }
    }
    // The first has the time of SOURCE_DATE_EPOCH, the second 1980.
    assert_ne!(packed[0], packed[2]);
    let mut three = TestEnv::new();
    three.set("SOURCE_DATE_EPOCH", "");
    skill_to_pack(&three);
    for (at, format) in [(2, "zip"), (3, "tar.gz")] {
        let run = three.run(&["skill", "pack", "../src/tables", "--format", format, "--json"]).ends(0).json();
        assert_eq!((format, run["archive"]["integrity"].clone()), packed[at]);
    }
}

#[test]
fn what_is_not_part_of_the_skill_is_left_out_and_named() {
    let env = TestEnv::new();
    skill_to_pack(&env);
    env.run(&["skill", "pack", "../src/tables", "-o", "plain.zip"]).ends(0);
    for file in [
        "SKILL.md~",
        ".SKILL.md.swp",
        "#SKILL.md#",
        ".#SKILL.md",
        "references/x.orig",
        "scripts/__pycache__/run.pyc",
        "node_modules/a/index.js",
        ".DS_Store",
        "Thumbs.db",
        ".git/HEAD",
        "build/out.txt",
        "secret.log",
    ] {
        env.write(&format!("src/tables/{file}"), "text\n");
    }
    let without_patterns =
        env.run(&["skill", "pack", "../src/tables", "-o", "more.zip", "--json"]).ends(0).json();
    let left_out = |json: &serde_json::Value| json["left_out"].as_array().unwrap().len();
    assert_eq!(left_out(&without_patterns), 8);
    std::fs::remove_dir_all(env.path("src/tables/.git")).unwrap();
    // The user's own patterns do not count: the archive is the same on every machine.
    env.write("home/.config/git/ignore", "*.py\n");
    env.write("src/.gitignore", "*.log\n");
    env.write("src/.git/HEAD", "ref: refs/heads/main\n");
    env.write("src/tables/.gitignore", "/build/\n.gitignore\n");
    let run = env.run(&["skill", "pack", "../src/tables", "-o", "ignored.zip"]).ends(0).says("left out: ");
    assert!(run.stderr.contains("and 6 more"), "{}", run.stderr);
    let same = |file: &str| std::fs::read(env.project().join(file)).unwrap();
    assert_eq!(same("ignored.zip"), same("plain.zip"));
    assert_ne!(same("more.zip"), same("plain.zip"));
}

#[test]
fn what_git_tracks_is_packed_whatever_it_is_called() {
    let env = TestEnv::new();
    skill_to_pack(&env);
    env.write("src/tables/kept.orig", "text\n");
    env.write("src/tables/left.orig", "text\n");
    env.write("src/.gitignore", "*.py\n*.orig\n");
    let repository = git2::Repository::init(env.path("src")).unwrap();
    let mut index = repository.index().unwrap();
    for file in ["tables/SKILL.md", "tables/scripts/run.py", "tables/kept.orig"] {
        index.add_path(std::path::Path::new(file)).unwrap();
    }
    index.write().unwrap();
    let json = env.run(&["skill", "pack", "../src/tables", "--json"]).ends(0).json();
    assert_eq!(json["left_out"], serde_json::json!(["left.orig"]));
    assert_eq!(json["archive"]["files"], 5);
}

#[test]
fn an_invalid_skill_is_not_packed() {
    let env = TestEnv::new();
    let nothing_written = |file: &str| assert!(!env.project().join(file).exists(), "{file}");
    env.write(
        "src/Bad Name/SKILL.md",
        "---\nname: Bad Name\ndescription: Reads tables. Use for tables.\n---\nText\n",
    );
    let run = env.run(&["skill", "pack", "../src/Bad Name"]).ends(8);
    assert!(run.stdout.contains("error[name-invalid]"), "{run:?}");
    // A link that leads out is no matter of taste.
    skill_to_pack(&env);
    std::os::unix::fs::symlink("../../home", env.path("src/tables/out")).unwrap();
    let run = env.run(&["skill", "pack", "../src/tables"]).ends(8);
    assert!(run.stdout.contains("error[not-installable]"), "{run:?}");
    nothing_written("tables.skill");
    std::fs::remove_file(env.path("src/tables/out")).unwrap();
    skill_of(&env, "See [x](no.md).\n", &[]);
    let json = env.run(&["skill", "pack", "../src/tables", "--strict", "--json"]).ends(8).json();
    assert_eq!(
        (&json["archive"], &json["checked"]["findings"][0]["code"]),
        (&serde_json::Value::Null, &"dead-link".into())
    );
    nothing_written("tables.skill");
    env.run(&["skill", "pack", "../src/tables"]).ends(0);
    env.run(&["skill", "pack", "../src/tables", "--profile", "upload", "--force"]).ends(0);
    for (path, status) in [("../src", 2), ("../none", 3), ("../home", 3), ("../src/tables/CLAUDE.md", 2)] {
        env.run(&["skill", "pack", path]).ends(status);
    }
}

#[test]
fn an_archive_never_replaces_another_file_unasked() {
    let env = TestEnv::new();
    skill_to_pack(&env);
    let pack = |more: &[&str]| env.run(&[&["skill", "pack", "../src/tables"], more].concat());
    pack(&[]).ends(0).says("Packed tables in tables.skill (4 files");
    pack(&[]).ends(0).says("Unchanged tables in tables.skill");
    env.write("project/mine.zip", "mine\n");
    pack(&["-o", "mine.zip"]).ends(7).says("--force");
    assert_eq!(std::fs::read_to_string(env.project().join("mine.zip")).unwrap(), "mine\n");
    pack(&["-o", "mine.zip", "--force"]).ends(0);
    assert_ne!(std::fs::read_to_string(env.project().join("mine.zip")).unwrap_or_default(), "mine\n");
    std::fs::create_dir(env.project().join("dist")).unwrap();
    pack(&["-o", "dist", "--format", "tar.gz"]).ends(0).says("dist/tables.tar.gz");
    for (output, format, status) in [
        ("none/x.zip", "zip", 2),
        ("x.rar", "zip", 2),
        ("x", "zip", 2),
        ("x.zip", "tar.gz", 2),
        ("../src/tables/x.zip", "zip", 2),
        ("../src/tables/references", "zip", 2),
    ] {
        pack(&["-o", output, "--format", format]).ends(status);
    }
    // From inside the skill it lies beside it, not in it.
    let run = env.run_in("src/tables", &["skill", "pack"]).ends(0).says("../tables.skill");
    assert!(env.path("src/tables.skill").is_file(), "{run:?}");
    env.run_in("src/tables/references", &["skill", "pack", "..", "--format", "tar.gz"])
        .ends(0)
        .says("../../tables.tar.gz");
}

fn catalogue(env: &TestEnv) -> serde_json::Value {
    serde_json::from_str(&env.read("shop/.claude-plugin/marketplace.json")).unwrap()
}

/// A folder of three skills, one of which is not valid.
fn shop(env: &TestEnv) {
    env.write(
        "shop/skills/pdf/SKILL.md",
        "---\nname: pdf\ndescription: Reads PDFs. Use for PDF files.\nversion: 1.2.0\n---\nText\n",
    );
    env.skill("shop/skills/my_docx");
    env.write("shop/skills/broken/SKILL.md", "# No frontmatter\n");
    env.skill("shop/tests/sample");
    env.skill("shop/.claude/skills/own");
}

#[test]
fn a_folder_of_skills_becomes_a_marketplace() {
    let env = TestEnv::new();
    shop(&env);
    env.run(&["marketplace", "init", "../shop"]).ends(2).says("--owner");
    assert!(!env.path("shop/.claude-plugin").exists());
    env.run(&["marketplace", "init", "../shop", "--owner", "Acme", "--check"]).ends(6).says("Would write");
    assert!(!env.path("shop/.claude-plugin").exists());
    let run = env
        .run(&["marketplace", "init", "../shop", "--owner", "Acme"])
        .ends(0)
        .says("(2 entries, 3 changes)");
    assert!(run.stderr.contains("`skills/broken` is left out"), "{run:?}");
    let made = catalogue(&env);
    assert_eq!((&made["name"], &made["owner"]["name"]), (&"shop".into(), &"Acme".into()));
    assert_eq!(made["plugins"][1]["name"], "pdf");
    assert_eq!(made["plugins"][1]["version"], "1.2.0");
    env.run(&["marketplace", "validate", "../shop", "--strict"]).ends(0);
    env.run(&["marketplace", "init", "../shop", "--check"]).ends(0).says("Unchanged");

    env.run(&["marketplace", "add", "acme", "../shop"]).ends(0).says("2 skills in it");
    env.run(&["skill", "install", "pdf@acme"]).ends(0);
    env.run(&["skill", "install", "my-docx@acme"]).ends(0);
    let installed = env.registry();
    let names: Vec<_> = installed["skills"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["my_docx", "pdf"]);
}

#[test]
fn a_marketplace_follows_its_skills_and_keeps_what_people_wrote() {
    let env = TestEnv::new();
    shop(&env);
    env.write("home/.gitconfig", "[user]\n\tname = A. Person\n\temail = a@example.com\n");
    env.run(&["marketplace", "init", "../shop", "--name", "acme"]).ends(0);
    let mut edited = catalogue(&env);
    assert_eq!(edited["owner"], serde_json::json!({ "name": "A. Person", "email": "a@example.com" }));
    edited["plugins"][1]["tags"] = serde_json::json!(["paper"]);
    let far =
        serde_json::json!({ "name": "far", "source": { "source": "github", "repo": "o/r" }, "note": 1 });
    edited["plugins"].as_array_mut().unwrap().insert(0, far.clone());
    env.write("shop/.claude-plugin/marketplace.json", edited.to_string());
    env.run(&["marketplace", "init", "../shop", "--check"]).ends(0);
    assert_eq!(
        env.read("shop/.claude-plugin/marketplace.json"),
        edited.to_string(),
        "current is not written again"
    );

    std::fs::remove_dir_all(env.path("shop/skills/my_docx")).unwrap();
    env.skill("shop/skills/sql");
    env.write("shop/skills/pdf/SKILL.md", "---\nname: pdf\ndescription: Reads and writes PDFs.\n---\nText\n");
    let json = env.run(&["marketplace", "init", "../shop", "--check", "--json"]).ends(6).json();
    let changes: Vec<_> =
        json["changes"].as_array().unwrap().iter().map(|c| format!("{} {}", c["what"], c["name"])).collect();
    assert_eq!(changes, ["\"removed\" \"my-docx\"", "\"updated\" \"pdf\"", "\"added\" \"sql\""]);
    env.run(&["marketplace", "init", "../shop"]).ends(0);
    let now = catalogue(&env);
    assert_eq!(now["plugins"][0], far);
    assert_eq!(now["plugins"][1]["tags"], serde_json::json!(["paper"]));
    assert_eq!(now["plugins"][1]["description"], "Reads and writes PDFs.");
    assert_eq!(now["plugins"][2]["name"], "sql");
}

#[test]
fn what_is_not_a_catalogue_is_not_overwritten() {
    let env = TestEnv::new();
    shop(&env);
    for foreign in ["", "mine\n", "[]", "{\"name\": \"x\"}", "<<<<<<< HEAD\n{}\n"] {
        let file = env.write("shop/.claude-plugin/marketplace.json", foreign);
        env.run(&["marketplace", "init", "../shop", "--owner", "A"]).ends(7).says("--force");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), foreign);
    }
    env.run(&["marketplace", "init", "../shop", "--owner", "A", "--force"]).ends(0);
    env.run(&["marketplace", "validate", "../shop"]).ends(0);
    // Never through a link that leads out.
    std::fs::remove_dir_all(env.path("shop/.claude-plugin")).unwrap();
    env.write("home/mine/marketplace.json", "{\"plugins\": []}");
    std::os::unix::fs::symlink("../home/mine", env.path("shop/.claude-plugin")).unwrap();
    env.run(&["marketplace", "init", "../shop", "--owner", "A", "--force"]).ends(7).says("through a link");
    assert_eq!(env.read("home/mine/marketplace.json"), "{\"plugins\": []}");
    env.run(&["marketplace", "init", "../home", "--owner", "A"]).ends(3);
    env.run(&["marketplace", "init", "../none", "--owner", "A"]).ends(3);
}
