//! The README says what the program does: its commands are understood, its tour is true.

use snapbox::{assert_data_eq, str};

use crate::env::{TestEnv, commit, skill_md};

const README: &str = include_str!("../../README.md");

/// The words of a command line as a shell splits them: blanks, and double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.split(" #").next().unwrap().trim().chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_of_the_readme_is_one() {
    let is_command = |line: &&str| line.starts_with("$ ba-agent ") || line.starts_with("- run: ba-agent ");
    let lines: Vec<&str> = README.lines().map(str::trim).filter(is_command).collect();
    assert!(lines.len() > 15, "{lines:?}");
    for line in lines {
        let command = line.trim_start_matches("$ ").trim_start_matches("- run: ");
        let command = command.split('|').next().unwrap();
        let parsed = ba_agent::command().try_get_matches_from(words(command));
        assert!(parsed.is_ok(), "{line}\n{}", parsed.unwrap_err());
    }
}

#[test]
fn every_command_stands_in_the_readme() {
    let definition = ba_agent::command();
    for group in definition.get_subcommands() {
        let verbs: Vec<String> = match group.get_name() {
            "skill" | "marketplace" => group
                .get_subcommands()
                .map(|verb| format!("{} {}", group.get_name(), verb.get_name()))
                .collect(),
            name => vec![name.to_owned()],
        };
        for verb in verbs {
            let last = verb.rsplit(' ').next().unwrap();
            let is_there =
                README.contains(&format!("ba-agent {verb}")) || README.contains(&format!("`{last}"));
            assert!(is_there, "the README does not know `{verb}`");
        }
    }
}

#[test]
fn the_tour_reads_as_it_is_told() {
    let env = TestEnv::new();
    let about = "Extracts tables from PDF files. Use when a PDF holds tables.";
    let run = env.run(&["skill", "init", "pdf-tables", "--description", about]).ends(0);
    assert_data_eq!(
        run.stderr,
        str![[r#"
     Created ./pdf-tables/SKILL.md
             check it with `ba-agent skill validate ./pdf-tables`

"#]]
    );
    let run = env.run(&["skill", "validate", "pdf-tables", "--strict"]).ends(0);
    assert_data_eq!(
        run.stderr,
        str![[r#"
     Checked 1 skill: valid, 0 findings

"#]]
    );
    let run = env.run(&["skill", "install", "./pdf-tables"]).ends(0);
    assert_data_eq!(
        run.stderr,
        str![[r#"
    Resolved ./pdf-tables
   Installed pdf-tables in .claude/skills

"#]]
    );
    let run = env.run(&["skill", "install", "pdf"]).ends(2);
    assert_data_eq!(
        run.stderr,
        str![[r#"
error: `pdf` does not say where the skill comes from

hint: for a folder write `./pdf`
hint: for a repository write `owner/repo`, or `owner/repo@skill-name`
hint: to look for it by name use `ba-agent skill search pdf`

"#]]
    );
}

#[test]
fn an_update_reads_as_it_is_told() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    let repo = env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url]).ends(0);
    env.write("src/pdf/SKILL.md", skill_md("pdf", "The second edition of it, quite another."));
    commit(&repo, "refs/heads/main", &env.path("src"), "second");
    assert_data_eq!(
        env.run(&["skill", "update"]).ends(0).stderr,
        str![[r#"
     Updated pdf [..] -> [..]
             M SKILL.md

"#]]
    );
    assert_data_eq!(
        env.run(&["skill", "rollback"]).ends(0).stderr,
        str![[r#"
    Restored pdf in .claude/skills

"#]]
    );
}

/// What the built-in skills tell an agent to type.
#[test]
fn every_command_of_a_builtin_skill_is_one() {
    let texts = [
        include_str!("../../builtin/skill-finder/SKILL.md"),
        include_str!("../../builtin/skill-author/SKILL.md"),
        include_str!("../../builtin/skill-author/references/keys.md"),
        include_str!("../../builtin/skill-author/references/checklist.md"),
    ];
    let commands = texts.iter().flat_map(|text| text.split('`').skip(1).step_by(2));
    let commands = commands.filter(|code| code.starts_with("ba-agent ") && !code.contains("--help"));
    let mut seen = 0;
    for command in commands {
        let parsed = ba_agent::command().try_get_matches_from(words(command));
        assert!(parsed.is_ok(), "{command}\n{}", parsed.unwrap_err());
        seen += 1;
    }
    assert!(seen > 30, "only {seen} commands were seen");
}
