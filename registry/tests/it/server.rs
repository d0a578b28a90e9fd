//! The program, started on a free port in a folder of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ba-agent-registry");

/// A running server. It is killed when this goes.
pub(crate) struct Server {
    child: Child,
    pub(crate) folder: PathBuf,
    _own: Option<tempfile::TempDir>,
    pub(crate) client: Client,
    pub(crate) setup_token: Option<String>,
    variables: Vec<(String, String)>,
}

/// The program with these variables, in a folder, with an otherwise empty environment.
pub(crate) fn command(folder: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", folder).env("BA_REGISTRY_LISTEN", "127.0.0.1:0");
    command.envs(variables.iter().copied());
    command
}

impl Server {
    /// Over SQLite and a folder, nothing set but these variables.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(own.path(), variables);
        server._own = Some(own);
        server
    }

    /// In a folder that is there before and after.
    pub(crate) fn start_in(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_by(folder, variables, &[])
    }

    /// By another program, which starts it.
    pub(crate) fn start_by(folder: &Path, variables: &[(&str, &str)], by: &[&str]) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = command(folder, variables);
        if let [program, arguments @ ..] = by {
            let mut other = Command::new(program);
            other.args(arguments).current_dir(folder).env_clear();
            other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            command = other;
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut setup_token = None;
        let url = loop {
            let Some(line) = lines.next().transpose().unwrap() else {
                let said = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                panic!("the server ended before it was ready: {said}");
            };
            if let Some(url) = line.strip_prefix("ready at ") {
                break url.to_owned();
            }
            if let Some(token) = line.trim().strip_prefix("one-time token: ") {
                setup_token = Some(token.to_owned());
            }
        };
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        // Nobody reads on: a server must not wait for that.
        drop(lines);
        Self {
            child,
            folder: folder.to_owned(),
            _own: None,
            client: Client::new(&url),
            setup_token,
            variables,
        }
    }

    /// The client of the first admin, made by the one-time token.
    pub(crate) fn admin(&self) -> Client {
        let token = self.setup_token.as_deref().expect("the first start prints a token");
        let body = json!({"token": token, "login": "root", "password": "correct horse battery"});
        let made = self.client.post("/api/v1/setup", &body).expect(201).json();
        self.client.with_token(made["token"].as_str().unwrap())
    }

    /// A client of an admin, where there are people already.
    pub(crate) fn admin_again(&self) -> Client {
        self.make_user("boss", &["--admin"]);
        self.token_of("boss", &["read", "publish", "yank", "owner", "admin"], &[])
    }

    /// A client of a new user with these scopes, bound to these names.
    pub(crate) fn user(&self, login: &str, scopes: &[&str], names: &[&str]) -> Client {
        self.make_user(login, &[]);
        self.token_of(login, scopes, names)
    }

    /// Makes a user by the command line, as an operator does.
    pub(crate) fn make_user(&self, login: &str, flags: &[&str]) {
        use std::io::Write as _;
        let variables: Vec<(&str, &str)> =
            self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut child = command(&self.folder, &variables)
            .args(["admin", "user", login])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"correct horse battery\n").unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// A token of a user, by their password.
    pub(crate) fn token_of(&self, login: &str, scopes: &[&str], names: &[&str]) -> Client {
        let mut client = self.client.clone();
        client.authorization = Some(basic(login, "correct horse battery"));
        let made =
            client.post("/api/v1/tokens", &json!({"scopes": scopes, "names": names})).expect(201).json();
        self.client.with_token(made["token"].as_str().unwrap())
    }

    /// Asks it to stop, as a service manager does; how long that took.
    #[cfg(unix)]
    pub(crate) fn terminate(&mut self) -> Duration {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let started = Instant::now();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        started.elapsed()
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn basic(login: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{login}:{password}")))
}

/// Asks until the answer is there; fails after ten seconds.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{what} did not happen in 10 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}
