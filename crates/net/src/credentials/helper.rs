//! Git's credential helpers, asked as gitcredentials(7) has it: all that fit the URL,
//! one after the other, until name and password are known.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use url::Url;

use crate::git_config::{GitConfig, is_true};

/// What is asked of the helpers, and which ones there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    helpers: Vec<String>,
    /// One that would answer for any host was left out.
    pub(super) is_withheld: bool,
    /// `key=value` lines.
    request: String,
    user: Option<String>,
}

/// A name and a password, as helpers give them.
#[derive(PartialEq, Eq)]
pub(super) struct HelperLogin {
    pub(super) user: String,
    pub(super) password: String,
}

impl Question {
    /// For the repository at `url`; `user` is the name that its address says. `is_of_user` tells
    /// whether the host is one that the user has named, and not only a project: a helper that
    /// is set for every host and may answer without looking is asked for no other.
    pub(super) fn for_repository(
        config: &GitConfig,
        url: &Url,
        user: Option<&str>,
        is_of_user: impl Fn() -> bool,
    ) -> Self {
        let (mut helpers, mut is_withheld): (Vec<String>, bool) = (Vec::new(), false);
        for (value, is_for_all) in config.credential_helpers_for(url, user) {
            if value.is_empty() {
                // An empty one forgets those before it.
                helpers.clear();
            } else if is_for_all && is_blind(value) && !is_of_user() {
                is_withheld = true;
            } else {
                helpers.push(value.to_owned());
            }
        }
        let named = config.credential_values_for("username", url, user).flatten().last();
        let user = user.or(named).filter(|name| is_one_line(name)).map(str::to_owned);
        let mut request = format!("protocol={}\nhost={}\n", url.scheme(), host(url));
        if config.credential_values_for("usehttppath", url, user.as_deref()).last().is_some_and(is_true) {
            let path = percent_encoding::percent_decode_str(url.path().trim_start_matches('/'));
            let path = path.decode_utf8_lossy();
            if is_one_line(&path) {
                request.push_str(&format!("path={path}\n"));
            }
        }
        Self { helpers, is_withheld, request, user }
    }

    /// What the same answer is for: one question is asked once.
    pub(super) fn cache_key(&self) -> String {
        format!("{}{:?}{:?}", self.request, self.user, self.helpers)
    }

    /// Asks; `None` where no helper knows.
    pub(super) fn ask_helpers(&self) -> Option<HelperLogin> {
        let (mut user, mut password) = (self.user.clone(), None);
        for helper in &self.helpers {
            let mut request = self.request.clone();
            if let Some(user) = &user {
                request.push_str(&format!("username={user}\n"));
            }
            let Some(output) = run_credential_helper(helper, &request) else { continue };
            for (key, value) in output.lines().filter_map(|line| line.split_once('=')) {
                match key {
                    "username" => user = Some(value.to_owned()),
                    "password" => password = Some(value.to_owned()),
                    "quit" if is_true(Some(value)) => return None,
                    _ => {}
                }
            }
            if let (Some(user), Some(password)) = (&user, &password) {
                return Some(HelperLogin { user: user.clone(), password: password.clone() });
            }
        }
        None
    }
}

/// Whether a helper may be one that says the same whatever host is asked for, as the lines in
/// the configuration of a CI do. Those that git knows by name keep a login for each host.
fn is_blind(helper: &str) -> bool {
    let program = helper.split_whitespace().next().unwrap_or_default();
    let file = program.rsplit(['/', '\\']).next().unwrap_or_default();
    helper.starts_with('!') || (is_absolute(helper) && !file.starts_with("git-credential-"))
}

fn is_one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

/// What a helper says to `get`; `None` for one that cannot be started or fails. `!…` is a line
/// for the shell, an absolute path a program, anything else `git credential-NAME`.
fn run_credential_helper(helper: &str, request: &str) -> Option<String> {
    let line = match helper.strip_prefix('!') {
        Some(line) => line.to_owned(),
        None if is_absolute(helper) => helper.to_owned(),
        None => format!("git credential-{helper}"),
    };
    let mut child =
        start_helper_process(Command::new("sh").args(["-c", &format!("{line} get")])).or_else(|| {
            // Windows may have no shell; most lines are a program and plain words.
            let mut words = line.split_whitespace();
            start_helper_process(Command::new(words.next()?).args(words).arg("get"))
        })?;
    if let Some(mut input) = child.stdin.take() {
        // A helper need not read what it is asked.
        let _ = input.write_all(request.as_bytes());
    }
    let output = child.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn start_helper_process(command: &mut Command) -> Option<Child> {
    // A terminal that a helper needs it opens itself; its talk would tear ours.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()
}

fn is_absolute(helper: &str) -> bool {
    helper.starts_with('/') || (cfg!(windows) && helper.get(1..3).is_some_and(|at| at == ":\\" || at == ":/"))
}
