//! What agents that nobody here wrote do with skills, and that this program says the same: the
//! programs as npm and PyPI have them, in an empty environment with a temporary home. Their
//! models are stand-ins on loopback, which keep what each agent was about to tell a model.
//!
//! A program that is not in `PATH` is skipped with a message, unless `BA_AGENT_REQUIRE_AGENTS`
//! names it (`claude,codex`; `all`).
#![cfg(unix)]

mod activation;
mod dialects;
mod hooks;
mod listing;
mod mcp;
mod precedence;
mod published;
mod recipes;
mod registry_files;
mod settings;
mod stand_in;
mod switches;
mod tools;

use std::io::{Read, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::{Run, TestEnv};
use stand_in::ModelStandIn;

/// An agent that has not ended by then hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program of somebody else, in the world of a test.
pub(crate) struct RealAgent<'e> {
    env: &'e TestEnv,
    program: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// The program `name` of `PATH`; `None`, with a printed line, where there is none.
#[allow(clippy::print_stderr, clippy::disallowed_methods)]
pub(crate) fn find_agent<'e>(env: &'e TestEnv, name: &str) -> Option<RealAgent<'e>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let Some(program) = found else {
        let wanted = std::env::var("BA_AGENT_REQUIRE_AGENTS").unwrap_or_default();
        let is_wanted = wanted.split(',').map(str::trim).any(|wanted| wanted == name || wanted == "all");
        assert!(!is_wanted, "{name} is missing, and BA_AGENT_REQUIRE_AGENTS names it");
        eprintln!("skipped: there is no {name} here");
        return None;
    };
    Some(RealAgent { env, program, variables: Vec::new() })
}

impl<'e> RealAgent<'e> {
    /// Claude Code, whose model is the stand-in.
    fn claude_code(env: &'e TestEnv, model: &ModelStandIn) -> Option<Self> {
        let agent = find_agent(env, "claude")?
            .set("ANTHROPIC_BASE_URL", model.url())
            .set("ANTHROPIC_API_KEY", "x")
            .set("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        Some(agent)
    }

    /// Codex, whose model is the stand-in.
    fn codex(env: &'e TestEnv, model: &ModelStandIn) -> Option<Self> {
        let agent = find_agent(env, "codex")?;
        let config = format!(
            "model_provider = \"stub\"\nmodel = \"gpt-5\"\n[model_providers.stub]\nname = \"stub\"\n\
             base_url = \"{}/v1\"\nwire_api = \"responses\"\nrequires_openai_auth = false\n\
             supports_websockets = false\n",
            model.url()
        );
        env.write("home/.codex/config.toml", config);
        Some(agent)
    }

    /// Gemini CLI, whose model is the stand-in; settings that are there already stay.
    fn gemini(env: &'e TestEnv, model: &ModelStandIn) -> Option<Self> {
        let agent = find_agent(env, "gemini")?;
        let settings = r#"{"security": {"folderTrust": {"enabled": false}, "auth": {"selectedType": "gemini-api-key"}}}"#;
        if !env.path("home/.gemini/settings.json").exists() {
            env.write("home/.gemini/settings.json", settings);
        }
        Some(agent.set("GOOGLE_GEMINI_BASE_URL", model.url()).set("GEMINI_API_KEY", "x"))
    }

    /// OpenCode, which asks nobody for models or for a newer version.
    fn opencode(env: &'e TestEnv) -> Option<Self> {
        let agent = find_agent(env, "opencode")?;
        Some(agent.set("OPENCODE_DISABLE_MODELS_FETCH", "1").set("OPENCODE_DISABLE_AUTOUPDATE", "1"))
    }

    fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs it in the project. What it starts finds this program in `PATH`, in the same world.
    fn run(&self, args: &[&str]) -> Run {
        self.run_in(&self.env.project(), args)
    }

    fn run_in(&self, folder: &Path, args: &[&str]) -> Run {
        let mut command = Command::new(&self.program);
        let ours = self.env.command(&[]);
        command.args(args).current_dir(folder).env_clear();
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let here = Path::new(env!("CARGO_BIN_EXE_ba-agent")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", here.display())).envs(self.variables.clone());
        // Some end before a pipe has taken all; a file takes it at once.
        let mut printed = tempfile::tempfile().unwrap();
        command.stdin(Stdio::null()).stdout(printed.try_clone().unwrap()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = read_aside(child.stderr.take().unwrap());
        let status = end_in_time(&mut child, args);
        printed.rewind().unwrap();
        let stdout = read_aside(printed);
        // As they are: what an agent prints holds paths that a test looks for.
        let text = |reader: std::thread::JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&reader.join().unwrap()).into_owned()
        };
        Run { status, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Asks Claude Code, without a terminal; the events that it prints.
    fn ask_claude(&self, prompt: &str, more: &[&str]) -> Vec<Value> {
        let args = ["-p", prompt, "--output-format", "stream-json", "--verbose", "--allowedTools", "Skill"];
        let run = self.run(&[&args[..], more].concat()).ends(0);
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks Codex, without a terminal.
    fn ask_codex(&self, prompt: &str, more: &[&str]) -> Run {
        self.run(&[&["exec", "--skip-git-repo-check"], more, &[prompt]].concat()).ends(0)
    }

    /// Asks Gemini CLI, without a terminal. A named model needs no answer on which one to take.
    fn ask_gemini(&self, prompt: &str) -> Run {
        self.run(&["-m", "gemini-2.5-flash", "--yolo", "-p", prompt]).ends(0)
    }
}

fn read_aside(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn end_in_time(child: &mut Child, args: &[&str]) -> i32 {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{args:?} did not end in {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Makes `count` skills below a folder: names and descriptions as people write them, some
/// short, some as long as the specification allows, some in other alphabets.
fn write_skills(env: &TestEnv, below: &str, count: usize) {
    const DOES: [&str; 8] = ["review", "draft", "export", "lint", "plan", "merge", "audit", "chart"];
    const WHAT: [&str; 9] =
        ["invoices", "api", "sql", "tests", "release-notes", "kubernetes", "pdf", "tickets", "css_grid"];
    for at in 0..count {
        let name = format!("{}-{}-{}", DOES[at % 8], WHAT[(at / 8) % 9], at / 72);
        let words = (at * 7919) % 97 + 6;
        let tail: Vec<String> = (0..words).map(|word| format!("{}{word}", WHAT[(at + word) % 9])).collect();
        let opening = match at % 11 {
            3 => "Prüft Verträge; “quoted” & <tagged>.",
            5 => "表を読みます。",
            _ => "Works on what it is named after.",
        };
        let mut about = format!("{opening} Use when somebody asks for {}.", tail.join(" "));
        if let Some((end, _)) = about.char_indices().nth(1_024) {
            about.truncate(end);
        }
        let text = format!(
            "---\nname: {name}\ndescription: {}\n---\n\n# {name}\n\nText of {name}.\n",
            serde_json::to_string(&about).unwrap()
        );
        env.write(&format!("{below}/{name}/SKILL.md"), text);
    }
}

/// A skill whose description says where it lies.
fn write_named(env: &TestEnv, below: &str, name: &str) {
    let text = format!("---\nname: {name}\ndescription: The one of {below}.\n---\n\nText of {below}.\n");
    env.write(&format!("{below}/{name}/SKILL.md"), text);
}
