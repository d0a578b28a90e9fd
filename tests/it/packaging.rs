//! The ways in which people get the program, with a binary of a few lines in the place of the real
//! one: the install script against a release on loopback, npm and pip in folders of their own.
//!
//! A program that is not installed is skipped with a message, unless `BA_AGENT_REQUIRE_PACKAGING`
//! is set.
#![cfg(unix)]
#![allow(clippy::print_stderr, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ba_agent_test_support::server::{Play, Server};
use sha2::Digest as _;

use crate::env::TestEnv;

const VERSION: &str = env!("CARGO_PKG_VERSION");

const TARGETS: [&str; 4] = [
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
];

/// A program in a folder and an environment of its own, or `None` where it is missing.
fn program(env: &TestEnv, name: &str) -> Option<Command> {
    // Some shells do not know the flag: that it can be started is enough.
    let mut probe = Command::new(name);
    probe.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if probe.status().is_err() {
        let required = std::env::var_os("BA_AGENT_REQUIRE_PACKAGING").is_some();
        assert!(!required, "{name} is missing, and BA_AGENT_REQUIRE_PACKAGING is set");
        eprintln!("skipped: there is no {name} here");
        return None;
    }
    let mut command = Command::new(name);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", env.home());
    command.current_dir(env.project());
    Some(command)
}

fn ended(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&text))
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", ended(&output));
    output
}

/// Says its version, ends with the status that it is told, or waits for a signal.
fn fake_binary(version: &str) -> String {
    format!(
        "#!/bin/sh\ncase $1 in\n  --version) echo 'ba-agent {version}' ;;\n  status) exit \"$2\" ;;\n  \
         wait) trap 'echo got it; exit 130' TERM; echo ready; i=0; while [ $i -lt 400 ]; do i=$((i + 1)); sleep 0.05; done ;;\n  \
         die) kill -KILL $$ ;;\n  *) echo \"$@\" ;;\nesac\n"
    )
}

/// Binaries for all platforms as `packaging/build-release` leaves them.
fn binaries(env: &TestEnv) -> PathBuf {
    for target in TARGETS {
        env.write(&format!("binaries/{target}/ba-agent"), fake_binary(VERSION));
    }
    env.write("binaries/x86_64-pc-windows-msvc/ba-agent.exe", "MZ");
    env.path("binaries")
}

/// Runs `packaging/build.py COMMAND FROM TO`; `None` without Python.
fn build(env: &TestEnv, command: &str, from: &Path, to: &str) -> Option<PathBuf> {
    let out = env.path(to);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/build.py");
    succeed(program(env, "python3")?.arg(script).arg(command).arg(from).arg(&out));
    Some(out)
}

/// A release on loopback, and its files.
fn release(env: &TestEnv) -> Option<(Server, PathBuf)> {
    let files = build(env, "archives", &binaries(env), "release")?;
    let server = Server::start_bare(&env.root());
    for file in std::fs::read_dir(&files).unwrap().map(Result::unwrap) {
        let bytes = std::fs::read(file.path()).unwrap();
        server.play(file.file_name().to_str().unwrap(), Play::Bytes("application/octet-stream", bytes));
    }
    Some((server, files))
}

fn install_script(env: &TestEnv, server: &Server, args: &[&str]) -> Output {
    let mut sh = program(env, "sh").unwrap_or_else(|| {
        // `sh --version` is not of every shell.
        let mut sh = Command::new("sh");
        sh.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", env.home());
        sh
    });
    sh.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh"));
    sh.args(["--from", &server.url()]).args(args).output().unwrap()
}

/// Nothing but the named files is in the folder that was installed to.
fn only(folder: &Path, names: &[&str]) {
    let found =
        std::fs::read_dir(folder).map(|all| all.map(|one| one.unwrap().file_name()).collect::<Vec<_>>());
    assert_eq!(found.unwrap_or_default(), names.iter().map(std::ffi::OsString::from).collect::<Vec<_>>());
}

#[test]
fn the_install_script_installs_what_the_release_vouches_for() {
    let env = TestEnv::new();
    let Some((server, _)) = release(&env) else { return };
    let local = env.home().join(".local/bin");
    let output = install_script(&env, &server, &[]);
    assert!(ended(&output).contains(&format!("Installed ba-agent {VERSION} as ")), "{}", ended(&output));
    assert!(ended(&output).contains("is not in your PATH"), "{}", ended(&output));
    only(&local, &["ba-agent"]);
    let output = succeed(Command::new(local.join("ba-agent")).arg("--version"));
    assert_eq!(output.stdout, format!("ba-agent {VERSION}\n").into_bytes());
    // Over an older one, to a folder with a blank, by its version.
    let to = env.path("with blank");
    env.write("with blank/ba-agent", "old\n");
    let output = install_script(&env, &server, &["--to", to.to_str().unwrap(), "--version", VERSION]);
    assert!(output.status.success(), "{}", ended(&output));
    only(&to, &["ba-agent"]);
    succeed(Command::new(to.join("ba-agent")).arg("--version"));
}

#[test]
fn the_install_script_installs_nothing_else() {
    let env = TestEnv::new();
    let Some((good, files)) = release(&env) else { return };
    let sums = std::fs::read_to_string(files.join("SHA256SUMS")).unwrap();
    let half = |text: &[u8]| text[..text.len() / 2].to_vec();
    type Change<'a> = &'a dyn Fn(&str, Vec<u8>) -> Option<Vec<u8>>;
    let changes: [(&str, Change<'_>, &str); 6] = [
        (
            "changed",
            &|name, mut bytes| {
                if name != "SHA256SUMS" {
                    bytes.push(0);
                }
                Some(bytes)
            },
            "is not the file of the release",
        ),
        (
            "truncated",
            &|name, bytes| Some(if name == "SHA256SUMS" { bytes } else { half(&bytes) }),
            "is not the file of the release",
        ),
        ("missing", &|name, bytes| (name == "SHA256SUMS").then_some(bytes), "cannot be downloaded"),
        ("without sums", &|name, bytes| (name != "SHA256SUMS").then_some(bytes), "cannot be downloaded"),
        (
            "half the sums",
            &|name, bytes| Some(if name == "SHA256SUMS" { b"abc".to_vec() } else { bytes }),
            "no checksum of",
        ),
        (
            "a web page",
            &|name, bytes| Some(if name == "SHA256SUMS" { b"<html>".to_vec() } else { bytes }),
            "no checksum of",
        ),
    ];
    for (what, change, message) in changes {
        let server = Server::start_bare(&env.root());
        for name in sums.lines().map(|line| &line[66..]).chain(["SHA256SUMS"]) {
            let play = match change(name, std::fs::read(files.join(name)).unwrap()) {
                Some(bytes) => Play::Bytes("application/octet-stream", bytes),
                None => Play::Status(404),
            };
            server.play(name, play);
        }
        let to = env.path(what);
        let output = install_script(&env, &server, &["--to", to.to_str().unwrap()]);
        assert!(!output.status.success() && ended(&output).contains(message), "{what}: {}", ended(&output));
        only(&to, &[]);
    }
    for (args, message) in [
        (&["--version", "9.9.9"][..], "the release says 9.9.9"),
        (&["--version", "1;id"], "is not a version"),
        (&["--to"], "--to needs a value"),
        (&["--unknown"], "unknown argument"),
    ] {
        let to = env.path("none");
        let output = install_script(&env, &good, &[&["--to", to.to_str().unwrap()], args].concat());
        assert!(!output.status.success() && ended(&output).contains(message), "{args:?}: {}", ended(&output));
        only(&to, &[]);
    }
    // A part of the script does nothing.
    let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh")).unwrap();
    let body = script.trim_end().strip_suffix("main \"$@\"").unwrap();
    for tenth in 1..=10 {
        let part = &body[..body.len() * tenth / 10];
        env.write("part.sh", part);
        let mut sh = Command::new("sh");
        sh.env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", env.path("part-home"));
        let _ = sh.arg(env.path("part.sh")).args(["--from", &good.url()]).output().unwrap();
        assert!(!env.path("part-home").exists(), "{tenth} tenths");
    }
}

#[test]
fn the_scripts_are_sound() {
    let env = TestEnv::new();
    let Some(mut shellcheck) = program(&env, "shellcheck") else { return };
    let at = |file: &str| format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    succeed(shellcheck.args([
        at("install.sh"),
        at("packaging/build-release"),
        at(".ci/run"),
        at("tests/install-agents"),
    ]));
}

#[test]
fn the_same_binaries_give_the_same_packages() {
    let env = TestEnv::new();
    let from = binaries(&env);
    for command in ["archives", "npm", "wheels"] {
        let (Some(one), Some(two)) = (build(&env, command, &from, "one"), build(&env, command, &from, "two"))
        else {
            return;
        };
        assert_eq!(crate::env::picture(&one), crate::env::picture(&two), "{command}");
        for folder in [one, two] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
    let archives = build(&env, "archives", &from, "release").unwrap();
    let sums = std::fs::read_to_string(archives.join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 5);
    let formula = build(&env, "homebrew", &archives, "brew").unwrap().join("ba-agent.rb");
    let formula = std::fs::read_to_string(formula).unwrap();
    for target in TARGETS {
        let bytes = std::fs::read(archives.join(format!("ba-agent-{target}.tar.gz"))).unwrap();
        let sum = ba_agent_core::digest::encode_hex(&sha2::Sha256::digest(&bytes));
        let address = format!("/v{VERSION}/ba-agent-{target}.tar.gz\"\n      sha256 \"{sum}\"\n");
        assert!(formula.contains(&address), "{formula}");
    }
}

#[test]
fn npm_installs_the_binary_of_this_platform() {
    let env = TestEnv::new();
    if program(&env, "npm").is_none() || program(&env, "node").is_none() {
        return;
    }
    let Some(packages) = build(&env, "npm", &binaries(&env), "npm") else { return };
    let names = ["ba-agent", "linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];
    let npm = || program(&env, "npm").unwrap();
    for name in names {
        succeed(
            npm()
                .args(["pack", "--offline", "--pack-destination"])
                .arg(env.project())
                .arg(packages.join(name)),
        );
    }
    // As the registry would give them: the wrapper, and the one package for this platform.
    let (system, cpu) = (std::env::consts::OS, std::env::consts::ARCH);
    let system = if system == "macos" { "darwin" } else { system };
    let cpu = if cpu == "aarch64" { "arm64" } else { "x64" };
    let own = format!("ba-agent-{system}-{cpu}-{VERSION}.tgz");
    let prefix = env.path("prefix");
    let install = |files: &[&str]| {
        let mut npm = npm();
        npm.args([
            "install",
            "--offline",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--ignore-scripts",
        ]);
        npm.arg("--prefix").arg(&prefix).args(files.iter().map(|file| format!("./{file}")));
        npm.output().unwrap()
    };
    let output = install(&[&own, &format!("ba-agent-{VERSION}.tgz")]);
    assert!(output.status.success(), "{}", ended(&output));
    let installed = prefix.join("node_modules/.bin/ba-agent");
    let run = |args: &[&str]| {
        let mut node = Command::new(&installed);
        node.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).args(args);
        node
    };
    assert_eq!(succeed(&mut run(&["--version"])).stdout, format!("ba-agent {VERSION}\n").into_bytes());
    assert_eq!(succeed(&mut run(&["a b", "--json"])).stdout, b"a b --json\n");
    assert_eq!(run(&["status", "7"]).output().unwrap().status.code(), Some(7));
    check_signals(&run);
    // A package for another platform is refused by npm, not installed and broken.
    let other = if system == "darwin" { "linux" } else { "darwin" };
    let output = install(&[&format!("ba-agent-{other}-{cpu}-{VERSION}.tgz")]);
    assert!(!output.status.success() && ended(&output).contains("EBADPLATFORM"), "{}", ended(&output));
    // Without the optional package it says what is missing.
    std::fs::remove_dir_all(prefix.join("node_modules/@ba-agent")).unwrap();
    let output = run(&["--version"]).output().unwrap();
    assert!(
        output.status.code() == Some(1) && ended(&output).contains("--omit=optional"),
        "{}",
        ended(&output)
    );
}

/// A signal reaches the binary, and one that ends it ends whoever started it.
fn check_signals(run: &dyn Fn(&[&str]) -> Command) {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::os::unix::process::ExitStatusExt as _;
    let mut child = run(&["wait"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    said.read_to_string(&mut line).unwrap();
    assert_eq!((line.as_str(), child.wait().unwrap().code()), ("ready\ngot it\n", Some(130)));
    assert_eq!(run(&["die"]).output().unwrap().status.signal(), Some(9));
}

#[test]
fn pip_installs_the_binary_of_this_platform() {
    let env = TestEnv::new();
    let Some(wheels) = build(&env, "wheels", &binaries(&env), "wheels") else { return };
    let venv = env.path("venv");
    let made = program(&env, "python3").unwrap().args(["-m", "venv"]).arg(&venv).output().unwrap();
    if !made.status.success() {
        let required = std::env::var_os("BA_AGENT_REQUIRE_PACKAGING").is_some();
        assert!(!required, "python3 -m venv does not work: {}", ended(&made));
        eprintln!("skipped: python3 has no venv here");
        return;
    }
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", env.home());
    pip.args(["install", "--no-index", "--disable-pip-version-check", "--find-links"])
        .arg(&wheels)
        .arg("ba-agent");
    succeed(&mut pip);
    let run = |args: &[&str]| {
        let mut command = Command::new(venv.join("bin/ba-agent"));
        command.args(args);
        command
    };
    assert_eq!(succeed(&mut run(&["--version"])).stdout, format!("ba-agent {VERSION}\n").into_bytes());
    assert_eq!(run(&["status", "7"]).output().unwrap().status.code(), Some(7));
    // What pip removes is all that it had installed.
    let mut pip = Command::new(venv.join("bin/pip"));
    succeed(pip.env("HOME", env.home()).args([
        "uninstall",
        "--yes",
        "--disable-pip-version-check",
        "ba-agent",
    ]));
    assert!(!venv.join("bin/ba-agent").exists());
}

#[test]
fn the_latest_version_is_asked_for_only_when_that_is_wanted() {
    let mut env = TestEnv::new();
    let server = Server::start_bare(&env.root());
    env.set("BA_AGENT_RELEASES_URL", format!("{}/latest", server.url()));
    let run = env.run(&["self", "version"]).ends(0);
    assert!(run.stdout.starts_with(&format!("version  {VERSION}\n")), "{run:?}");
    env.run(&["self", "version", "--check", "--offline"]).ends(5).says("offline");
    assert_eq!(server.seen().len(), 0);
    let answer = |text: String| {
        server.play_fair();
        server.play("/latest", Play::Bytes("application/json", text.into()));
    };
    answer(format!(r#"{{"tag_name":"v{VERSION}","html_url":"https://example.com/r"}}"#));
    env.run(&["self", "version", "--check"]).ends(0);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(server.seen()[0].header("authorization"), "");
    answer(r#"{"tag_name":"v999.1.0","html_url":"https://example.com/r\u001b[31m"}"#.into());
    let run = env
        .run(&["self", "version", "--check"])
        .ends(6)
        .says("there is a later release: https://example.com/r");
    assert!(run.stdout.contains("latest   999.1.0\n") && !run.stderr.contains('\u{1b}'), "{run:?}");
    let json = env.run(&["self", "version", "--check", "--json"]).ends(6).json();
    assert_eq!(json["latest"]["newer"], true);
    answer("<html>".into());
    env.run(&["self", "version", "--check"]).ends(1).says("names no version");
    server.play_fair();
    server.play("/latest", Play::Status(404));
    env.run(&["self", "version", "--check"]).ends(3);
    env.set("BA_AGENT_RELEASES_URL", "http://127.0.0.1:1/latest");
    env.run(&["self", "version", "--check"]).ends(5);
}

#[test]
fn findings_become_annotations() {
    let env = TestEnv::new();
    env.write(
        "project/skills/pdf/SKILL.md",
        "---\nname: pdf\ndescription: Reads PDFs, 100 % of them.\n---\nSee [x](no.md).\n",
    );
    let run = env.run(&["skill", "validate", "./skills", "--output-format", "github"]).ends(0);
    let line = "::warning file=skills/pdf/SKILL.md,line=5,col=5,title=dead-link::the link to `no.md` leads to nothing in the skill%0Ahelp: add the file";
    assert!(run.stdout.starts_with(line), "{}", run.stdout);
    env.run(&["skill", "install", "./skills/pdf"]).ends(0);
    env.write("project/.claude/skills/pdf/SKILL.md", "edited\n");
    let run = env.run(&["skill", "verify", "--output-format", "github"]).ends(6);
    let line = "::error file=.claude/skills/pdf/SKILL.md,title=not as recorded::pdf: changed";
    assert!(run.stdout.starts_with(line), "{}", run.stdout);
}

/// What runs with somebody's token is pinned to a commit, and what it types is a command.
#[test]
fn workflows_are_pinned_and_type_commands_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut pinned, mut typed) = (0, 0);
    for file in
        ["action.yml", ".github/workflows/ci.yml", ".github/workflows/release.yml", ".pre-commit-hooks.yaml"]
    {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for line in text.lines().map(str::trim) {
            if let Some((_, used)) = line.split_once("uses: ") {
                let sha = used.split([' ', '@']).nth(1).unwrap_or_default();
                assert!(sha.len() == 40 && sha.bytes().all(|b| b.is_ascii_hexdigit()), "{file}: {line}");
                assert!(used.contains(" # v"), "{file}: {line}: say which version that is");
                pinned += 1;
            }
            let line = line.trim_start_matches("entry: ");
            if !line.starts_with("ba-agent ") {
                continue;
            }
            let line = line.replace("\"${more[@]}\"", "").replace("\"${folders[@]}\"", "x");
            let words = line.split("||").next().unwrap().split_whitespace();
            let parsed = ba_agent::command().try_get_matches_from(words);
            assert!(parsed.is_ok(), "{file}: {line}: {}", parsed.unwrap_err());
            typed += 1;
        }
        // Whoever may write can be led by what others wrote: such text goes through a variable.
        assert!(!text.contains("${{ github.event"), "{file}");
    }
    assert!(pinned >= 7 && typed >= 4, "{pinned} {typed}");
}
