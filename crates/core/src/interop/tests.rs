use super::*;
use crate::error::Kind;
use crate::registry::{InstallMode, LockEntry, ReferenceRecord, Registry, RevisionRecord};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// `name: request[ @commit]` of what is imported, `name! reason` of what is not.
fn lines(file: &str, text: &str) -> Vec<String> {
    let import = read_lock_file(file, text).unwrap();
    let skill = |one: &ImportedSkill| {
        let commit = one.commit.as_ref().map(|sha| format!(" @{}", sha.short())).unwrap_or_default();
        format!("{}: {}{commit}", one.name, one.request)
    };
    let left = |one: &SkippedSkill| format!("{}! {}", one.name, one.reason);
    import.skills.iter().map(skill).chain(import.left_out.iter().map(left)).collect()
}

fn entry(fields: &str) -> String {
    format!(r#"{{"version":1,"skills":{{"a":{{{fields}}}}}}}"#)
}

#[test]
fn entries_of_skills_are_read() {
    for (fields, expected) in [
        (
            r#""source":"acme/repo","sourceType":"github","skillPath":"skills/a/SKILL.md","ref":"v1.0.0""#,
            "a: github:acme/repo/skills/a#v1.0.0",
        ),
        (r#""source":"acme/repo","sourceType":"github""#, "a: github:acme/repo"),
        (r#""source":"acme/repo","sourceType":"github","skillPath":"SKILL.md""#, "a: github:acme/repo"),
        (r#""source":"acme/repo","sourceType":"github","skillPath":"x/a""#, "a: github:acme/repo/x/a"),
        (
            r#""source":"acme/repo","sourceType":"github","ref":"feature/deep/x""#,
            "a: github:acme/repo#feature/deep/x",
        ),
        (
            r#""source":"https://ghe.example.org/a/b.git","sourceType":"github""#,
            "a: https://ghe.example.org/a/b.git",
        ),
        (
            r#""source":"x","sourceUrl":"https://gitlab.com/g/s/r.git","sourceType":"gitlab","skillPath":"k/SKILL.md""#,
            "a: gitlab:g/s/r//k",
        ),
        (
            r#""source":"git@git.example.org:t/r.git","sourceType":"git","skillPath":"k/skill.md""#,
            "a: git@git.example.org:t/r.git//k",
        ),
        (r#""source":"../pack","sourceType":"local""#, "a: ../pack"),
        (r#""source":"pack/x","sourceType":"local""#, "a: ./pack/x"),
        (r#""source":".","sourceType":"local""#, "a: ."),
        (r#""source":"./p","sourceType":"local","skillPath":"k/SKILL.md""#, "a: ./p//k"),
    ] {
        assert_eq!(lines("skills-lock.json", &entry(fields)), [expected], "{fields}");
    }
}

#[test]
fn what_cannot_be_imported_is_told_and_the_rest_is_kept() {
    for (fields, reason) in [
        (r#""source":"x","sourceType":"well-known""#, "index of a web site"),
        (r#""source":"x","sourceType":"node_modules""#, "npm package"),
        (r#""source":"x","sourceType":"ftp""#, "`ftp` is unknown"),
        (r#""source":"acme/repo""#, "no source type"),
        (r#""sourceType":"github""#, "where it comes from"),
        (r#""source":"ext::sh -c x","sourceType":"git""#, "lets an address run a command"),
        (r#""source":"https://u:p@h.example/r.git","sourceType":"git""#, "password"),
        (
            r#""source":"builtin:skill-finder","sourceType":"git""#,
            "cannot be named as a source by a lock file",
        ),
        (r#""source":"a/b","sourceType":"github","skillPath":"../../x/SKILL.md""#, "leads out"),
        (r#""source":"a/b","sourceType":"github","ref":"--upload-pack=x""#, "begins with a dash"),
        (r#""source":"a/b","sourceType":"github","computedHash":"zz""#, "its hash `zz` is not a sha256"),
        (r#""source":"a/b","sourceType":"github","commit":"abc""#, "not a full commit sha"),
        (r#""source":"./x","sourceType":"local","ref":"v1""#, "no meaning"),
    ] {
        let text = entry(fields)
            .replace(r#""skills":{"#, r#""skills":{"good":{"source":"o/r","sourceType":"github"},"#);
        let found = lines("skills-lock.json", &text);
        assert_eq!(found[0], "good: github:o/r", "{fields}");
        assert!(found[1].starts_with("a! ") && found[1].contains(reason), "{fields}: {}", found[1]);
        assert!(!found[1].contains("u:p@"), "{}", found[1]);
    }
}

#[test]
fn promises_are_told_apart_by_their_form() {
    let promise = |fields: &str| {
        let text = entry(&format!(r#""source":"o/r","sourceType":"github",{fields}"#));
        read_lock_file("skills-lock.json", &text).unwrap().skills.remove(0)
    };
    assert_eq!(
        promise(&format!(r#""computedHash":"{HASH}""#)).integrity,
        Some(IntegrityClaim::Files(HASH.into()))
    );
    assert_eq!(
        promise(&format!(r#""skillFolderHash":"{SHA}""#)).integrity,
        Some(IntegrityClaim::Tree(SHA.into()))
    );
    assert_eq!(promise(r#""computedHash":"""#).integrity, None);
    assert_eq!(promise(r#""skillPath":"SKILL.md""#).choice, None);
    assert_eq!(promise(r#""skillPath":"""#).choice.as_deref(), Some("a"));
    let ours = promise(&format!(
        r#""computedHash":"{SHA}","integrity":"sha256:{HASH}","commit":"{SHA}","ref":"main""#
    ));
    assert_eq!(ours.integrity, Some(IntegrityClaim::Digest(format!("sha256:{HASH}").parse().unwrap())));
    assert_eq!(ours.commit.as_ref().map(Sha::as_str), Some(SHA));
    assert_eq!(ours.request.to_string(), "github:o/r#main");
    let pinned = promise(&format!(r#""pinnedRef":"{SHA}","subagents":["x"]"#));
    assert_eq!(pinned.commit.unwrap().as_str(), SHA);
    assert!(pinned.note.unwrap().contains("subagents"));
}

#[test]
fn the_file_of_a_user_has_another_version() {
    let text = format!(
        r#"{{"version":3,"skills":{{"b":{{"source":"o/r","sourceType":"github",
        "sourceUrl":"https://github.com/o/r.git","ref":"v1","skillPath":"skills/b/SKILL.md",
        "skillFolderHash":"{SHA}","installedAt":"2026-01-01T00:00:00Z","pluginName":"p"}}}},
        "dismissed":{{}},"lastSelectedAgents":["claude-code"]}}"#
    );
    let import = read_lock_file("home/.agents/.skill-lock.json", &text).unwrap();
    assert_eq!(import.format, LockFormat::SkillLock);
    assert_eq!(import.skills[0].choice, None);
    assert_eq!(lines(".skill-lock.json", &text), ["b: github:o/r/skills/b#v1"]);
}

#[test]
fn damage_is_an_error_and_never_an_empty_list() {
    for (file, text, kind, words) in [
        ("skills-lock.json", "", Kind::Invalid, "line 1"),
        ("skills-lock.json", "{}", Kind::Invalid, "damaged"),
        ("skills-lock.json", "[]", Kind::Invalid, "damaged"),
        ("skills-lock.json", "{\"version\":1}", Kind::Invalid, "damaged"),
        ("skills-lock.json", "{\"version\":1,\n\"skills\":{\"a\":{}", Kind::Invalid, "line 2"),
        ("skills-lock.json", "{\"version\":1,\"skills\":[]}", Kind::Invalid, "line 1"),
        ("skills-lock.json", "{\"version\":1,\"skills\":{\"a\":7}}", Kind::Invalid, "line 1"),
        ("skills-lock.json", "{\"version\":1,\n\"skills\":{\"a\":{},\n\"a\":{}}}", Kind::Invalid, "line 3"),
        ("skills-lock.json", "{\"version\":\"1\",\"skills\":{}}", Kind::Invalid, "line 1"),
        (
            "skills-lock.json",
            "{\n<<<<<<< HEAD\n=======\n>>>>>>> b\n}",
            Kind::Invalid,
            "git conflict markers on line 2",
        ),
        ("skills-lock.json", "{\"version\":2,\"skills\":{}}", Kind::Conflict, "version 2"),
        (".skill-lock.json", "{\"version\":4,\"skills\":{}}", Kind::Conflict, "version 4"),
        ("apm.lock.yaml", "", Kind::Invalid, "apm"),
        ("apm.lock.yaml", "a: [", Kind::Invalid, "line"),
        ("apm.lock.yaml", "lockfile_version: '1'\n", Kind::Invalid, "no `dependencies`"),
        ("apm.lock.yaml", "dependencies: []\n", Kind::Invalid, "no `lockfile_version`"),
        ("apm.lock.yaml", "lockfile_version: '3'\ndependencies: []\n", Kind::Conflict, "version 3"),
        ("apm.lock.yaml", "lockfile_version: '1'\ndependencies: {}\n", Kind::Invalid, "line 2"),
        ("apm.lock.yaml", "lockfile_version: '1'\ndependencies:\n- 7\n", Kind::Invalid, "line"),
        (
            "apm.lock.yaml",
            "lockfile_version: '1'\ndependencies:\n- name: a\n  name: b\n",
            Kind::Invalid,
            "line",
        ),
        ("Cargo.lock", "", Kind::Usage, "skills-lock.json"),
        ("x\u{1b}.json", "", Kind::Invalid, "x\\u{1b}.json"),
    ] {
        let error = read_lock_file(file, text).unwrap_err();
        let all = format!("{} {:?} {:?}", error.message, error.causes, error.hints);
        assert_eq!(error.kind, kind, "{text}: {all}");
        assert!(all.contains(words), "{text}: {all}");
    }
    assert_eq!(lines("skills-lock.json", "{\"version\":1,\"skills\":{}}"), [""; 0]);
}

#[test]
fn packages_of_apm_become_the_skills_that_they_installed() {
    let text = format!(
        "lockfile_version: '2'\napm_version: 0.35.0\ndependencies:\n\
- repo_url: acme/one\n  materialization_repo_url: Acme/One\n  host: github.com\n  resolved_ref: v1.0.0\n  resolved_commit: {SHA}\n  package_type: claude_skill\n  virtual_path: skills/a\n  deployed_files: [.claude/skills/a, .claude/skills/a/SKILL.md, .codex/skills/a/x]\n\
- repo_url: acme/bundle\n  resolved_commit: {SHA}\n  constraint: ^1.2.0\n  resolved_tag: v1.4.0\n  package_type: skill_bundle\n  skill_subset: [x, skills/y]\n  deployed_files: [.claude/skills/z/SKILL.md]\n\
- repo_url: team/sub/repo\n  host: git.example.org\n  port: 8443\n  resolved_ref: main\n  deployed_files: [.github/skills/g/SKILL.md]\n\
- repo_url: _local/pack\n  name: pack\n  source: local\n  local_path: ./packages/pack\n  deployed_files: ['.agents/skills/pack/SKILL.md', 'app-db://w/skills/no']\n\
- repo_url: acme/reg\n  source: registry\n  resolved_url: https://r.example.org/reg-1.0.0.zip\n  resolved_hash: {HASH}\n  deployed_files: [.claude/skills/reg]\n\
- repo_url: acme/hooks\n  package_type: hook_package\n  deployed_files: [.claude/hooks/h.json]\n\
- repo_url: acme/prompt\n  virtual_path: prompts/p.prompt.md\n  deployed_files: [.claude/skills/p/SKILL.md]\n\
- repo_url: acme/proxied\n  registry_prefix: art/github\n  deployed_files: [.claude/skills/q]\n\
- repo_url: acme/bad\n  resolved_commit: abc\n  deployed_files: [.claude/skills/q]\n"
    );
    assert_eq!(
        lines("apm.lock.yaml", &text),
        [
            "a: github:Acme/One/skills/a#v1.0.0 @0123456",
            "x: github:acme/bundle#^1.2.0 @0123456",
            "y: github:acme/bundle#^1.2.0 @0123456",
            "g: git+https://git.example.org:8443/team/sub/repo#main",
            "pack: ./packages/pack",
            "reg: https://r.example.org/reg-1.0.0.zip",
            "acme/hooks! no skill of it was installed",
            "acme/prompt/prompts/p.prompt.md! `prompts/p.prompt.md` is a single file, not a folder with a SKILL.md",
            "acme/proxied! it comes through a proxy of a registry, which is not read here",
            "acme/bad! `abc` is not a full commit sha of 40 hex digits",
        ]
    );
    let import = read_lock_file("apm.lock.yaml", &text).unwrap();
    let archive = format!("sha256:{HASH}").parse().unwrap();
    assert_eq!(import.skills[5].integrity, Some(IntegrityClaim::Archive(archive)));
    assert_eq!(import.skills[0].choice, None);
    assert_eq!(import.skills[1].choice.as_deref(), Some("x"));
    let plugin = text.replace("virtual_path: skills/a", "virtual_path: plugins/kit");
    let import = read_lock_file("apm.lock.yaml", &plugin).unwrap();
    assert_eq!(import.skills[0].request.to_string(), "github:Acme/One/plugins/kit#v1.0.0");
    assert_eq!(import.skills[0].choice.as_deref(), Some("a"));
}

/// An entry of two files with the bytes `one` and `two`.
fn installed(source: &str, kind: &str, path: Option<&str>) -> LockEntry {
    let mut files = crate::digest::Files::new();
    for (path, mode, bytes) in
        [("SKILL.md", "100644", "one"), ("b/run.sh", "100755", "two"), ("L", "120000", "SKILL.md")]
    {
        files.insert(path.into(), format!("{mode} {}", crate::digest::sha256_hex(bytes.as_bytes())));
    }
    LockEntry {
        source: source.into(),
        kind: kind.into(),
        path: path.map(str::to_owned),
        reference: None,
        pin: RevisionRecord { commit: Some(SHA.into()), ..RevisionRecord::default() },
        pinned: false,
        digest: crate::digest::digest_of_files(&files),
        files: files.into(),
        automatic: false,
        category: None,
        dependencies: Vec::new(),
        disabled_for: std::collections::BTreeMap::new(),
        enabled: true,
        versions: std::collections::BTreeMap::new(),
        version: None,
        description: None,
        allowed: Vec::new(),
        hooks: false,
        grants: Vec::new(),
        alias_of: None,
        targets: vec!["claude-code".into()],
        mode: InstallMode::Link,
        installed_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        updated_at: None,
        marketplace: None,
        extra: std::collections::BTreeMap::new(),
    }
}

const HOSTS: Hosts<'static> =
    Hosts { github: "https://github.com", gitlab: "https://gitlab.com", bitbucket: "https://bitbucket.org" };

fn exported(skills: &[(&str, LockEntry)]) -> export::LockExport {
    let mut registry = Registry::default();
    registry.skills.extend(skills.iter().map(|(name, entry)| (name.parse().unwrap(), entry.clone())));
    export_lock(&registry, &HOSTS, &mut |_, path| {
        Ok(if path == "SKILL.md" { b"one".to_vec() } else { b"two".to_vec() })
    })
    .unwrap()
}

#[test]
fn an_export_has_their_keys_then_ours_and_is_sorted() {
    let mut zed = installed("github:acme/repo", "github", Some("skills/zed"));
    zed.reference = Some(ReferenceRecord::Tag("v1.0.0".into()));
    let export = exported(&[("zed", zed.clone()), ("abc", installed("./pack", "local", None))]);
    assert!(export.left_out.is_empty() && export.notes.is_empty());
    // printf b/run.shtwoSKILL.mdone | sha256sum
    let hash = "94445219b02acb30123dac512903c5f9d9ed219b3a6e59aa2c19af8755be0b1c";
    let digest = &zed.digest;
    assert_eq!(
        export.text,
        format!(
            r#"{{
  "version": 1,
  "skills": {{
    "abc": {{
      "source": "./pack",
      "sourceType": "local",
      "computedHash": "{hash}",
      "commit": "{SHA}",
      "integrity": "{digest}",
      "agents": [
        "claude-code"
      ],
      "mode": "link"
    }},
    "zed": {{
      "source": "acme/repo",
      "ref": "v1.0.0",
      "sourceType": "github",
      "skillPath": "skills/zed/SKILL.md",
      "computedHash": "{hash}",
      "commit": "{SHA}",
      "integrity": "{digest}",
      "agents": [
        "claude-code"
      ],
      "mode": "link"
    }}
  }}
}}
"#
        )
    );
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    let skills = [
        ("a", installed("github:acme/repo", "github", Some("skills/a"))),
        ("b", installed("gitlab:g/s/r", "gitlab", Some("k"))),
        ("c", installed("bitbucket:w/r", "bitbucket", None)),
        ("d", installed("https://git.example.org/x.git", "git", Some("d"))),
        ("e", installed("git@git.example.org:t/r.git", "git", None)),
    ];
    let export = exported(&skills);
    let import = read_lock_file("skills-lock.json", &export.text).unwrap();
    assert!(import.left_out.is_empty(), "{:?}", import.left_out);
    for ((name, entry), found) in skills.iter().zip(&import.skills) {
        assert_eq!(found.name, *name);
        assert_eq!(found.request.source.to_string(), entry.source);
        assert_eq!(found.request.subdirectory.as_ref().map(RelPath::as_str), entry.path.as_deref());
        assert_eq!(found.commit.as_ref().map(Sha::as_str), Some(SHA));
        assert_eq!(found.integrity, Some(IntegrityClaim::Digest(entry.digest.clone())));
    }
}

#[test]
fn what_skills_cannot_say_is_told() {
    let mut range = installed("github:o/r", "github", None);
    range.reference = Some(ReferenceRecord::Range("^1".into()));
    range.pin.chosen = Some("v1.4.0".into());
    let mut alias = installed("github:o/r", "github", Some("x"));
    alias.alias_of = Some("range".into());
    let mut renamed = installed("github:o/r", "github", Some("y"));
    renamed.alias_of = Some("Azure CLI".into());
    let mut pinned = installed("github:o/r", "github", Some("z"));
    pinned.pinned = true;
    let export = exported(&[
        ("range", range),
        ("range-two", alias),
        ("azure-cli", renamed),
        ("pinned", pinned),
        ("zip", installed("./x.zip", "archive", None)),
        ("built", installed("builtin:built", "builtin", None)),
    ]);
    let names: Vec<&str> = export.left_out.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["built", "range-two", "zip"]);
    assert_eq!(export.notes.len(), 1, "{:?}", export.notes);
    assert!(export.notes[0].contains("`^1`"));
    let document: serde_json::Value = serde_json::from_str(&export.text).unwrap();
    assert_eq!(document["skills"]["range"]["ref"], "v1.4.0");
    assert_eq!(document["skills"]["pinned"]["ref"], SHA);
    assert_eq!(document["skills"]["Azure CLI"]["skillPath"], "y/SKILL.md");
}

#[test]
fn edited_files_are_not_exported() {
    let mut registry = Registry::default();
    registry.skills.insert("a".parse().unwrap(), installed("github:o/r", "github", None));
    let error = export_lock(&registry, &HOSTS, &mut |_, _| Ok(b"edited".to_vec())).unwrap_err();
    assert_eq!(error.kind, Kind::Integrity);
    assert!(error.hints[0].contains("diff a"), "{error:?}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", at in 0usize..400) {
        let mut whole = exported(&[("a", installed("github:o/r", "github", Some("x")))]).text;
        whole.truncate(at.min(whole.len()));
        for text in [&text, &whole] {
            let _ = read_lock_file("skills-lock.json", text);
            let _ = read_lock_file("apm.lock.yaml", text);
        }
    }
}
