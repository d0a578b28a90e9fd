//! The acceptance cases: minimal reproductions, of our own writing, of what real skills
//! look like, and what a good installer does with each. Beside these, cases 19, 20 and 23
//! are in `discover.rs`, 20 also in `skill/hidden.rs`, 22 in `tree.rs`; 24 to 29 are about
//! marketplaces.

use super::*;
use proptest::prelude::*;

/// Findings of a manifest as `code@line`, without those for information.
fn codes(folder: &str, text: &str, profile: Profile) -> Vec<String> {
    let document = read_manifest(MANIFEST, Some(folder), text.as_bytes(), profile, &Limits::default());
    let told = document.findings.iter().filter(|f| f.severity > Severity::Info);
    told.map(|f| format!("{}{}@{}", if f.severity == Severity::Error { "!" } else { "" }, f.code, f.line))
        .collect()
}

/// What `install` and `validate` say: errors with `!`.
fn check(folder: &str, text: &str, install: &[&str], lint: &[&str]) {
    assert_eq!(codes(folder, text, Profile::Install), install, "install\n{text}");
    assert_eq!(codes(folder, text, Profile::Lint), lint, "lint\n{text}");
}

fn front(text: &str) -> Frontmatter {
    read_manifest(MANIFEST, None, text.as_bytes(), Profile::Install, &Limits::default()).frontmatter.unwrap()
}

fn first(text: &str) -> Finding {
    read_manifest(MANIFEST, None, text.as_bytes(), Profile::Install, &Limits::default()).findings.remove(0)
}

const ABOUT: &str = "description: Does a thing. Use when the thing is to be done.";

#[test]
fn a_sound_skill_has_no_findings() {
    let text = format!("---\nname: pdf\n{ABOUT}\n---\n\n# PDF\n");
    check("pdf", &text, &[], &[]);
    assert_eq!(codes("pdf", &text, Profile::Upload), [""; 0]);
    let document = read_manifest(MANIFEST, Some("pdf"), text.as_bytes(), Profile::Lint, &Limits::default());
    assert_eq!(document.body_starts_line, 5);
}

#[test]
fn case_1_an_unquoted_colon_is_recovered() {
    let text =
        "---\nname: discord\ndescription: Control it via the tool: send messages, react.\n---\n\nBody\n";
    check("discord", text, &["unquoted-value@3"], &["!unquoted-value@3"]);
    assert_eq!(front(text).description, "Control it via the tool: send messages, react.");
    let finding = first(text);
    assert_eq!((finding.line, finding.column), (3, 14));
    assert!(finding.help.contains("'Control it via the tool: send messages, react.'"));
}

#[test]
fn case_2_brackets_in_a_row_are_text() {
    let text = format!("---\nname: leave\n{ABOUT}\nargument-hint: [date] [duration] [type]\n---\nBody\n");
    check("leave", &text, &["unquoted-value@4"], &["!unquoted-value@4"]);
    assert_eq!(front(&text).extra["argument-hint"], "[date] [duration] [type]");
}

#[test]
fn case_3_a_merge_conflict_is_named_with_its_line() {
    let text =
        format!("---\nname: daily\n{ABOUT}\n<<<<<<< Updated upstream\nx: 1\n=======\n>>>>>>> b\n---\nBody\n");
    check("daily", &text, &["!merge-conflict@4"], &["!merge-conflict@4"]);
    assert_eq!(first(&text).message, "merge-conflict marker, line 4");
}

#[test]
fn case_4_markdown_up_to_a_later_rule_is_not_frontmatter() {
    let text = format!(
        "---\n## name: hunt\n{ABOUT}\n\n# Hunt\n\nFind: what is new.\n\n| a | b |\n| --- | --- |\n\n---\n\nMore\n"
    );
    check("hunt", &text, &["!invalid-yaml@9"], &["!invalid-yaml@9"]);
    let document = read_manifest(MANIFEST, None, text.as_bytes(), Profile::Install, &Limits::default());
    assert_eq!(document.frontmatter, None);
}

#[test]
fn cases_5_and_6_open_frontmatter_is_an_error() {
    let never = format!("---\nname: cli\n{ABOUT}\n\n# Title\n\n| --- | --- |\n");
    check("cli", &never, &["!frontmatter-not-closed@1"], &["!frontmatter-not-closed@1"]);
    let indented = "---\nname: talk\ndescription: |\n  Talks.\n  ---\n# Title\n";
    check("talk", indented, &["!frontmatter-not-closed@1"], &["!frontmatter-not-closed@1"]);
    assert!(first(indented).help.starts_with("line 5 must be exactly `---`"));
}

#[test]
fn case_7_a_blank_line_before_is_forgiven_by_install_only() {
    let text =
        format!("\n---\nname: ralph\n{ABOUT}\nallowed-tools:\n  - Read\n  - Bash(git add:*)\n---\nBody\n");
    check(
        "ralph-loop",
        &text,
        &["blank-before-frontmatter@1", "name-folder-mismatch@3"],
        &["!blank-before-frontmatter@1", "!name-folder-mismatch@3", "allowed-tools-form@6"],
    );
    assert_eq!(front(&text).allowed_tools, ["Read", "Bash(git add:*)"]);
}

#[test]
fn cases_8_and_9_frontmatter_stands_first_and_never_in_a_fence() {
    let comment = format!("<!-- by me -->\n---\nname: wallet\n{ABOUT}\n---\nBody\n");
    check("wallet", &comment, &["!text-before-frontmatter@1"], &["!text-before-frontmatter@1"]);
    assert!(first(&comment).message.contains("must start on line 1, but line 1 is `<!-- by me -->`"));
    let fence = format!("# Force\n\n```yaml\n---\nname: force\n{ABOUT}\n---\n```\n");
    check("force", &fence, &["!no-frontmatter@1"], &["!no-frontmatter@1"]);
    assert_eq!(front("# T\n\nDoes a\nthing.\n\nMore.\n").description, "Does a thing.");
}

#[test]
fn case_10_broken_json_is_not_guessed_at() {
    let text = format!("---\nname: fac\n{ABOUT}\nmetadata: {{\"a\":{{\"b\":1}}\n---\nBody\n");
    let codes = codes("fac", &text, Profile::Install);
    assert_eq!(codes.len(), 1);
    assert!(codes[0].starts_with("!invalid-yaml@4"), "{codes:?}");
}

#[test]
fn case_11_control_characters_are_a_finding() {
    let text = "---\nname: img\ndescription: It\u{e2}\u{80}\u{99}s made of images\n---\nBody\n";
    let findings = codes("img", text, Profile::Install);
    assert_eq!(findings, ["!control-in-frontmatter@3", "control-character@3"]);
    let finding = first(text);
    assert_eq!(finding.message, "control character U+0080 at line 3");
    assert_eq!(finding.column, 17);
}

#[test]
fn case_12_windows_line_ends_install_as_they_are() {
    let text = format!(
        "---\r\nname: dom\r\n{ABOUT}\r\nmetadata: {{\"clawdbot\":{{\"requires\":{{\"bins\":[\"x\"]}}}}}}\r\n---\r\n\r\nBody\r\n"
    );
    check("dom", &text, &[], &["crlf@1", "metadata-values@4"]);
    assert_eq!(front(&text).description, ABOUT.trim_start_matches("description: "));
    let mixed = format!("---\nname: dom\n{ABOUT}\n---\n\r\nBody\n");
    check("dom", &mixed, &[], &["crlf@1"]);
}

#[test]
fn case_13_a_long_description_and_a_reserved_word() {
    let long = format!(
        "---\nname: claude-api\ndescription: >-\n  {}\n  {}\n---\nBody\n",
        "é".repeat(1024),
        "e".repeat(43)
    );
    check("claude-api", &long, &["description-too-long@4"], &["!description-too-long@4"]);
    assert_eq!(
        codes("claude-api", &long, Profile::Upload),
        ["!name-reserved-word@2", "!description-too-long@4"]
    );
    assert!(
        read_manifest(MANIFEST, None, long.as_bytes(), Profile::Lint, &Limits::default()).findings[0]
            .message
            .contains("1068")
    );
}

#[test]
fn case_14_a_title_as_name_and_other_types() {
    let text =
        format!("---\nname: Azure CLI\n{ABOUT}\ncompatibility:\n  - os: linux\nrepository: x\n---\nBody\n");
    check(
        "azure-cli",
        &text,
        &["name-invalid@2", "name-folder-mismatch@2", "compatibility@5"],
        &["!name-invalid@2", "!name-folder-mismatch@2", "!compatibility@5", "key-unknown@6"],
    );
    assert_eq!(named(&text, Some("azure-cli"), "repo"), "azure-cli");
}

/// The name that a skill of this text is installed under.
fn named(text: &str, folder: Option<&str>, source: &str) -> String {
    given_name(front(text).name.as_deref(), folder, source).to_string()
}

#[test]
fn case_15_names_that_differ_in_case() {
    let text = format!("---\nname: Notebook\n{ABOUT}\n---\nBody\n");
    check(
        "notebook",
        &text,
        &["name-invalid@2", "name-folder-mismatch@2"],
        &["!name-invalid@2", "!name-folder-mismatch@2"],
    );
    assert_eq!(named(&text, Some("notebook"), "r"), "notebook");
}

#[test]
fn case_16_a_missing_name_is_the_folders() {
    let text = format!("---\n{ABOUT}\n---\nBody\n");
    check("verify-it", &text, &["name-missing@1"], &["!name-missing@1"]);
    assert_eq!(named(&text, Some("verify-it"), "r"), "verify-it");
    assert_eq!(named(&text, None, "Some Repo"), "some-repo");
    assert_eq!(named(&text, None, "技能"), "skill");
}

#[test]
fn case_17_a_summary_is_no_description() {
    let text = "---\nname: fast\nsummary: Uses a browser fast.\nrequires: [brew]\n---\nBody\n";
    assert_eq!(codes("fast", text, Profile::Install), ["!description-missing@1"]);
    assert!(first(text).help.contains("`summary`"));
    assert_eq!(front(text).description, "");
}

#[test]
fn case_18_a_template_that_was_not_filled_in() {
    let text = format!("---\nname: {{{{project_name}}}}\n{ABOUT}\n---\nBody\n");
    check("hello", &text, &["!name-not-a-string@2"], &["!name-not-a-string@2", "complex-key@2"]);
    assert!(first(&text).message.starts_with("`name` must be text"));
}

#[test]
fn case_21_hidden_tags_block_and_can_be_allowed() {
    let hidden: String = "send it".chars().map(|c| char::from_u32(c as u32 + 0xe0000).unwrap()).collect();
    let text = format!("---\nname: a\n{ABOUT}\n---\nBody{hidden}\n");
    check("a", &text, &["!tag-characters@5"], &["!tag-characters@5"]);
    let mut findings =
        read_manifest(MANIFEST, None, text.as_bytes(), Profile::Install, &Limits::default()).findings;
    assert!(findings[0].message.contains("\"send it\""));
    allow_findings(&mut findings, &["tag-characters".into()]).unwrap();
    assert_eq!(worst_severity(&findings), Some(Severity::Warning));
}

#[test]
fn case_30_nulls_and_an_empty_body_install() {
    let text = "---\nname: google\ndescription: Search things\nmetadata:\nhomepage:\n---\n";
    check(
        "google",
        text,
        &["metadata-not-a-map@4", "body-empty@7"],
        &["description-short@3", "!metadata-not-a-map@4", "key-unknown@5", "body-empty@7"],
    );
    assert_eq!(front(text).metadata, None);
}

#[test]
fn duplicate_keys_anchors_and_tags_are_errors() {
    for (line, code) in [
        ("name: b", "!duplicate-key@4"),
        ("allowed-tools: A\nallowedTools: B", "!duplicate-key@5"),
        ("license: &x MIT", "!yaml-anchor@4"),
        ("license: *x", "!yaml-anchor@4"),
        ("license: !x MIT", "!yaml-tag@4"),
        ("metadata: {<<: {a: b}}", "!yaml-merge-key@4"),
    ] {
        let found = codes("a", &format!("---\nname: a\n{ABOUT}\n{line}\n---\nBody\n"), Profile::Install);
        assert_eq!(found.first().map(String::as_str), Some(code), "{line}");
    }
}

#[test]
fn a_key_that_stands_twice_is_one_finding() {
    for line in ["name: b", "license: a\nlicense: b"] {
        let found = codes("a", &format!("---\nname: a\n{ABOUT}\n{line}\n---\nBody\n"), Profile::Install);
        let twice = found.iter().filter(|code| code.starts_with("!duplicate-key")).count();
        assert_eq!(twice, 1, "{line}: {found:?}");
    }
}

#[test]
fn encodings_are_told_apart() {
    let sound = format!("---\nname: a\n{ABOUT}\n---\nBody\n");
    check("a", &format!("\u{feff}{sound}"), &["byte-order-mark@1"], &["byte-order-mark@1"]);
    let code = |bytes: &[u8]| {
        let finding =
            read_manifest(MANIFEST, None, bytes, Profile::Install, &Limits::default()).findings.remove(0);
        (finding.code, finding.line, finding.column, finding.message)
    };
    assert_eq!(
        code(b"---\nname: a\ndescription: caf\xe9\n---\n"),
        ("not-utf-8", 3, 17, "byte 0xE9 is not UTF-8".into())
    );
    assert_eq!(code(b"\xff\xfe-\0-\0-\0").3, "the file is UTF-16, not UTF-8");
    assert_eq!(code(b"version https://git-lfs.github.com/spec/v1\noid x\n").0, "lfs-pointer");
    assert_eq!(code(b"---\nname: a\ndescription: x\0y\n---\n").0, "control-in-frontmatter");
    assert_eq!(code(b"---\nname: a\rname: b\ndescription: x\n---\n").0, "control-in-frontmatter");
}

#[test]
fn scalars_of_other_types_are_read_as_written() {
    for (written, read) in
        [("yes", "yes"), ("3000", "3000"), ("'1.10'", "1.10"), ("1.10", "1.10"), ("x # c", "x")]
    {
        assert_eq!(front(&format!("---\nname: {written}\n{ABOUT}\n---\n")).name.as_deref(), Some(read));
    }
    for nothing in ["null", "~", "", "\"\""] {
        assert_eq!(front(&format!("---\nname: {nothing}\n{ABOUT}\n---\n")).name, None);
    }
    let text = format!("---\nname: 3000\n{ABOUT}\n---\nBody\n");
    check("3000", &text, &[], &["name-reads-as-other-type@2"]);
}

#[test]
fn a_value_keeps_its_dashes_and_tabs_do_not_indent() {
    let text = "---\nname: a\ndescription: a --- b, and then some more words\n---\nBody\n";
    assert_eq!(front(text).description, "a --- b, and then some more words");
    let tabs = format!("---\nname: a\n{ABOUT}\nmetadata:\n\tx: y\n---\nBody\n");
    assert_eq!(codes("a", &tabs, Profile::Install), ["!invalid-yaml@5"]);
    assert_eq!(first(&tabs).help, "YAML is indented with spaces, never with tabs");
}

#[test]
fn sizes_and_depths_are_bounded() {
    let huge = format!("---\nname: a\n{ABOUT}\nx: {}\n---\nBody\n", "y".repeat(70_000));
    assert_eq!(codes("a", &huge, Profile::Install), ["!frontmatter-too-large@1"]);
    let more = format!("{huge}{}", "y".repeat(1 << 20));
    assert_eq!(codes("a", &more, Profile::Install), ["!manifest-too-large@1"]);
    let deep = format!("---\nname: a\n{ABOUT}\nx: {}{}\n---\nBody\n", "[".repeat(40), "]".repeat(40));
    assert_eq!(codes("a", &deep, Profile::Install), ["!yaml-too-deep@4"]);
    let lines = format!("---\nname: a\n{ABOUT}\n---\n{}", "x\n".repeat(500));
    check("a", &lines, &[], &["body-long@1"]);
}

#[test]
fn the_file_name_matters() {
    let text = format!("---\nname: a\n{ABOUT}\n---\nBody\n");
    let check = |name: &str, profile, expected: Option<(&str, Severity)>| {
        let findings = read_manifest(name, Some("a"), text.as_bytes(), profile, &Limits::default()).findings;
        assert_eq!(findings.first().map(|f| (f.code, f.severity)), expected, "{name}");
    };
    check("skill.md", Profile::Install, Some(("manifest-lower-case", Severity::Warning)));
    check("skill.md", Profile::Lint, Some(("manifest-lower-case", Severity::Error)));
    check("Skill.md", Profile::Install, Some(("manifest-name", Severity::Error)));
    check("SKILL.MD", Profile::Install, Some(("manifest-name", Severity::Error)));
    check("SKILL.md", Profile::Upload, None);
}

#[test]
fn our_own_keys_are_read_in_every_spelling() {
    let text = format!(
        "---\nname: a\n{ABOUT}\nversion: 1.10\ndisplay_name: A\ncategory: c\nauthor: me\nentrypoint: ./scripts/a.py\n\
         function: run\nrequirements: [x, y]\nmodel: m\ndisable-model-invocation: Yes\nmode: true\ntags: p, q\n\
         examples:\n  - one, two\ntriggers: []\nhooks: {{}}\ndependencies:\n  - skill: b\n    version: ^1.2\n\
         \x20 - name: c\n    source: github:o/r\nwhenToUse: now\n---\nBody\n"
    );
    let front = front(&text);
    assert_eq!(front.version.as_deref(), Some("1.10"));
    assert_eq!(front.entrypoint.as_deref(), Some("scripts/a.py"));
    assert_eq!(
        (front.requirements, front.tags),
        (vec!["x".into(), "y".into()], vec!["p".into(), "q".into()])
    );
    assert_eq!(front.examples, ["one, two"]);
    assert!(front.disable_model_invocation && front.mode && front.hooks);
    assert_eq!(front.dependencies[0].version.as_deref(), Some("^1.2"));
    assert_eq!(
        (front.dependencies[1].skill.as_str(), front.dependencies[1].source.as_deref()),
        ("c", Some("github:o/r"))
    );
    assert_eq!(front.extra["whenToUse"], "now");
    assert_eq!(codes("a", &text, Profile::Install), [""; 0]);
    assert_eq!(codes("a", &text, Profile::Lint), ["list-as-text@14"]);
}

#[test]
fn wrong_types_are_findings() {
    for (line, code) in [
        ("mode: perhaps", "wrong-type@4"),
        ("mode: [x]", "wrong-type@4"),
        ("version: [1]", "wrong-type@4"),
        ("license: {a: b}", "wrong-type@4"),
        ("tags: {a: b}", "wrong-type@4"),
        ("tags: [[a]]", "wrong-type@4"),
        ("allowed-tools: {a: b}", "wrong-type@4"),
        ("allowed-tools: [[a]]", "wrong-type@4"),
        ("allowed-tools: Bash(a", "allowed-tools-parentheses@4"),
        ("entrypoint: ../x", "entrypoint@4"),
        ("entrypoint: /bin/sh", "entrypoint@4"),
        ("compatibility: ''", "compatibility@4"),
        ("metadata: text", "metadata-not-a-map@4"),
    ] {
        let text = format!("---\nname: a\n{ABOUT}\n{line}\n---\nBody\n");
        assert_eq!(codes("a", &text, Profile::Install), [code], "{line}");
    }
    for line in [
        "dependencies: [torch>=2.0, numpy]",
        "dependencies: x",
        "dependencies: [{version: 1}]",
        "dependencies: [{skill: a, version: latest}]",
    ] {
        let text = format!("---\nname: a\n{ABOUT}\n{line}\n---\nBody\n");
        assert_eq!(codes("a", &text, Profile::Lint), ["dependencies@4"], "{line}");
    }
    for block in ["- a\n", "text\n", "[]\n"] {
        assert_eq!(
            codes("a", &format!("---\n{block}---\nBody\n"), Profile::Install),
            ["!frontmatter-not-a-map@2"]
        );
    }
    assert_eq!(
        codes("a", "---\n# nothing\n---\nBody\n", Profile::Install),
        ["!description-missing@1", "name-missing@1"]
    );
    for about in ["[a]", "{a: b}"] {
        let text = format!("---\nname: a\ndescription: {about}\n---\nBody\n");
        assert_eq!(codes("a", &text, Profile::Install), ["!description-not-a-string@3"]);
    }
    for about in ["", "''", "'  '", "~"] {
        let text = format!("---\nname: a\ndescription: {about}\n---\nBody\n");
        assert_eq!(codes("a", &text, Profile::Install), ["!description-missing@3"]);
    }
}

#[test]
fn an_upload_accepts_six_keys_and_no_brackets() {
    let text = format!("---\nname: a\n{ABOUT} <b>\nversion: 1\nfoo: 1\nmodel: m\neffort: x\n---\nBody\n");
    let expected = [
        "!angle-brackets@3",
        "!key-not-portable@4",
        "!key-unknown@5",
        "!key-not-portable@6",
        "!key-not-portable@7",
    ];
    assert_eq!(codes("a", &text, Profile::Upload), expected);
    assert_eq!(codes("a", &text, Profile::Lint), ["key-unknown@5"]);
}

#[test]
fn a_misspelt_key_is_recognised() {
    let help = |line: &str| {
        let text = format!("---\nname: a\n{ABOUT}\n{line}\n---\nBody\n");
        read_manifest(MANIFEST, None, text.as_bytes(), Profile::Lint, &Limits::default())
            .findings
            .remove(0)
            .help
    };
    assert_eq!(help("licence: MIT"), "did you mean `license`?");
    assert_eq!(help("Allowed-Tools: Read"), "did you mean `allowed-tools`?");
    assert!(help("homepage: x").starts_with("no known agent"));
}

#[test]
fn hidden_characters_in_a_description_block() {
    let text = "---\nname: a\ndescription: Does\u{200b} a thing when it is to be done.\n---\nBody\n";
    assert_eq!(codes("a", text, Profile::Install), ["!hidden-in-description@3", "zero-width@3"]);
    let emoji = "---\nname: a\ndescription: Family 👨\u{200d}👩\u{200d}👧 and \u{2764}\u{fe0f} می\u{200c}خواهم\n---\nBody\n";
    assert_eq!(codes("a", emoji, Profile::Install), [""; 0]);
}

#[test]
fn what_init_writes_passes_everywhere() {
    for (name, about) in [
        ("pdf", ""),
        ("3d-print", "Prints: things. \"Quoted\" #1 — use when printing,\nalways"),
        ("a", "x \\ y \u{1b} and some more words here"),
    ] {
        let name: SkillName = name.parse().unwrap();
        let text = manifest_template(&name, about);
        for profile in [Profile::Install, Profile::Lint, Profile::Upload] {
            assert_eq!(
                read_manifest(MANIFEST, Some(name.as_str()), text.as_bytes(), profile, &Limits::default())
                    .findings,
                []
            );
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_manifest(MANIFEST, Some("a"), &bytes, Profile::Lint, &Limits::default());
    }

    #[test]
    fn no_frontmatter_panics(block in "((name|description|metadata|allowed-tools|mode|dependencies|x): ?)?[-ab:?,\\[\\]{}#&*!|>'\"%@` \n\t~<0é]{0,40}\n[ -~\n]{0,40}") {
        let text = format!("---\n{block}\n---\nbody\n");
        let document = read_manifest(MANIFEST, Some("a"), text.as_bytes(), Profile::Lint, &Limits::default());
        if let Some(front) = document.frontmatter {
            let name = given_name(front.name.as_deref(), Some("a"), "b");
            prop_assert!(name.as_str().parse::<SkillName>().is_ok());
            prop_assert!(serde_json::to_string(&front).is_ok());
        }
    }

    #[test]
    fn install_never_refuses_what_lint_passes(block in "name: [a-c-]{1,4}\ndescription: [ -~]{0,30}\n[a-e]{1,2}: [ -~]{0,10}") {
        let text = format!("---\n{block}\n---\nbody\n");
        let worst = |profile| worst_severity(&read_manifest(MANIFEST, None, text.as_bytes(), profile, &Limits::default()).findings);
        prop_assert!(worst(Profile::Install) <= worst(Profile::Lint));
    }

    #[test]
    fn any_description_makes_a_sound_template(about in "[ -~é技]{20,200}") {
        let text = manifest_template(&SkillName::nearest_to("x").unwrap(), &about);
        let document = read_manifest(MANIFEST, Some("x"), text.as_bytes(), Profile::Lint, &Limits::default());
        let words: Vec<_> = about.split_whitespace().collect();
        if words.join(" ").chars().count() >= 20 {
            prop_assert_eq!(document.frontmatter.unwrap().description, words.join(" "));
            prop_assert_eq!(document.findings, vec![]);
        }
    }
}
