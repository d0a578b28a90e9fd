//! The README's tours, typed from top to bottom at a terminal: what they print is what the
//! README shows. `UPDATE_GOLDEN=1` writes it anew.
//!
//! The repositories are of our own making, with the names that are used there.
#![cfg(unix)]

use std::path::Path;

use serde_json::json;

use crate::env::{TestEnv, commit, copy_tree, skill_md};
use crate::pty::Terminal;
use crate::readme::{PATH, WRITING};
use ba_agent_test_support::server::Server;

/// Longer output is cut in the README.
const MOST_LINES: usize = 16;
const SHOWN_LINES: usize = 10;

/// `anthropics/skills` in two editions, which is a marketplace as well.
fn host(env: &TestEnv) -> Option<Server> {
    let server = Server::start(&env.path("srv"))?;
    for (name, about) in [
        ("pdf", "Reads PDF files and fills their forms. Use when a PDF is to be read, filled or joined."),
        ("docx", "Writes and edits Word documents. Use when a .docx file is wanted."),
        ("xlsx", "Reads and writes spreadsheets. Use when an .xlsx file is there or wanted."),
        ("skill-creator", "Helps to write skills. Use when a new skill is wanted."),
    ] {
        let maker = env.skill(&format!("src/skills/{name}")).file("SKILL.md", skill_md(name, about));
        maker.executable("scripts/run.py", format!("print('{name}')\n"));
    }
    let skills = ["pdf", "docx", "xlsx"].map(|name| format!("./skills/{name}"));
    let plugins = json!([
        { "name": "document-skills", "source": "./", "description": "PDF, Word and spreadsheets.", "skills": skills },
        { "name": "example-skills", "source": "./", "description": "To learn from.", "skills": ["./skills/skill-creator"] },
    ]);
    let document =
        json!({ "name": "anthropic-agent-skills", "owner": { "name": "Anthropic" }, "plugins": plugins });
    env.write("src/.claude-plugin/marketplace.json", document.to_string());
    let repo = env.git_repo("skills.git", &env.path("src"));
    copy_tree(&env.path("skills.git"), &env.path("srv/1/anthropics/skills.git"));
    let text = env.read("src/skills/pdf/SKILL.md");
    env.write("src/skills/pdf/SKILL.md", text + "\nJoined files keep their bookmarks.\n");
    commit(&repo, "refs/heads/main", &env.path("src"), "Keep the bookmarks of joined files");
    copy_tree(&env.path("skills.git"), &env.path("srv/2/anthropics/skills.git"));
    publish(&server, 1);
    Some(server)
}

fn publish(server: &Server, edition: u8) {
    server.point("/anthropics/skills.git", &format!("/{edition}/anthropics/skills.git"));
}

/// What a line of the shell shows at a terminal.
fn shown(env: &TestEnv, folder: &Path, line: &str) -> (i32, Vec<String>) {
    let program = Path::new(env!("CARGO_BIN_EXE_ba-agent")).parent().unwrap();
    let ours = env.command(&[]);
    let path = ours.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).unwrap();
    let path = format!("{}:{}", program.display(), path.to_string_lossy());
    let mut command = std::process::Command::new("sh");
    command.args(["-c", line]).current_dir(folder).env_clear();
    command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", path).env("NO_COLOR", "1").env("TERM", "dumb");
    let (status, seen) = Terminal::run(command).end();
    let text = seen.replace("\r\n", "\n");
    assert!(!text.contains(['\u{1b}', '\r']), "{line}: {text:?}");
    let lines: Vec<String> = text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect();
    (status.code().unwrap(), lines)
}

/// The lines of a block with what they print now.
fn retold(env: &TestEnv, server: &Server, block: &str) -> String {
    let mut out = String::new();
    for typed in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
        if typed.starts_with("ba-agent skill outdated") {
            publish(server, 2);
        }
        let (status, mut lines) = shown(env, &env.project(), typed);
        // The host of the pages that it names stands in for the real one.
        lines.iter_mut().for_each(|line| *line = line.replace(&server.url(), "https://github.com"));
        let expected = match typed {
            "ba-agent skill install pdf" => 2,
            "ba-agent skill outdated" => 6,
            "ba-agent skill verify" => status,
            _ => 0,
        };
        assert_eq!(status, expected, "{typed}\n{}", lines.join("\n"));
        if lines.len() > MOST_LINES {
            lines.truncate(SHOWN_LINES);
            lines.push("...".to_owned());
        }
        out += &format!("$ {typed}\n");
        lines.iter().for_each(|line| out += &format!("{line}\n"));
    }
    out
}

#[test]
fn the_tours_can_be_typed_from_top_to_bottom() {
    let mut env = TestEnv::new();
    let Some(server) = host(&env) else { return };
    env.set("BA_AGENT_GITHUB_URL", server.url());
    let _guard = WRITING.lock();
    let readme = std::fs::read_to_string(PATH).unwrap();
    let mut parts = readme.split("```console\n");
    let mut retelling = parts.next().unwrap().to_owned();
    for part in parts {
        let (block, rest) = part.split_once("```\n").unwrap();
        let now = retold(&env, &server, block);
        retelling += &format!("```console\n{now}```\n{rest}");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(PATH, retelling).unwrap();
        return;
    }
    snapbox::assert_data_eq!(readme.clone(), snapbox::Data::from(retelling).raw());
    ci_recipes(&env, &server, &readme);
}

/// The lines of the chapter for CI, in clones of the project that have nothing yet.
fn ci_recipes(env: &TestEnv, server: &Server, readme: &str) {
    let chapter = readme.split("\n## In CI\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let recipes: Vec<&str> =
        chapter.lines().filter(|line| line.starts_with("ba-agent skill install ")).collect();
    assert!(recipes.len() >= 2, "{recipes:?}");
    for (number, line) in recipes.into_iter().enumerate() {
        let clone = env.path(&format!("clone-{number}"));
        std::fs::create_dir_all(clone.join(".git")).unwrap();
        if line.contains("--frozen") {
            copy_tree(&env.path("project/config"), &clone.join("config"));
        }
        let _ = std::fs::remove_dir_all(env.path("cache"));
        publish(server, 2);
        let (status, lines) = shown(env, &clone, line);
        assert_eq!(status, 0, "{line}\n{}", lines.join("\n"));
        let text = std::fs::read_to_string(clone.join(".claude/skills/pdf/SKILL.md")).unwrap();
        // The commit that is named is the first one; the registry has the second.
        assert_eq!(text.contains("bookmarks"), line.contains("--frozen"), "{line}");
        let (status, lines) = shown(env, &clone, "ba-agent skill verify");
        assert_eq!(status, 0, "{line}\n{}", lines.join("\n"));
    }
}
