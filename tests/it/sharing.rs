//! What an author needs before others get a skill: findings about what it leads to.

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
