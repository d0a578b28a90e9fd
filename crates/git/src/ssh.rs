//! Git over the user's own `ssh`, so that their keys, agents, `known_hosts` and
//! `~/.ssh/config` work. One of the two places that start a process. Arguments go as a
//! list; nothing passes through a shell of this machine.

use std::io::{self, Read, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use ba_agent_core::error::{Error, Result, error, fail, printable};
use ba_agent_net::http::{Net, Speed};

/// Where a repository is, for ssh. Made by [`Target::new`] alone, so always checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
}

impl Target {
    /// Checks that no part can be taken for an option (CVE-2017-1000117 and its
    /// followers) and that the path has no control characters.
    ///
    /// # Errors
    /// `Usage`, naming the part.
    pub(crate) fn new(user: Option<&str>, host: &str, port: Option<u16>, path: &str) -> Result<Self> {
        let sound = |name: &str| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            !name.is_empty() && !name.starts_with('-') && name.bytes().all(fits)
        };
        if !sound(host) || host.contains('_') {
            fail!(Usage, "`{}` is not a valid name of an ssh host", printable(host, false));
        }
        if let Some(user) = user.filter(|user| !sound(user)) {
            fail!(Usage, "`{}` is not a valid user name for ssh", printable(user, false));
        }
        if path.is_empty() || path.starts_with('-') || path.chars().any(ba_agent_core::error::is_unprintable)
        {
            fail!(Usage, "`{}` is not a valid path of a repository", printable(path, false));
        }
        Ok(Self { user: user.map(str::to_owned), host: host.into(), port, path: path.into() })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// `-p PORT -- USER@HOST COMMAND`; `batch` forbids questions.
    fn arguments(&self, batch: bool) -> Vec<String> {
        let mut arguments = vec!["-o".to_owned(), "ConnectTimeout=10".to_owned()];
        if batch {
            arguments.extend(["-o".to_owned(), "BatchMode=yes".to_owned()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let command = format!("git-upload-pack {}", quoted_for_shell(&self.path));
        arguments.extend(["--".to_owned(), format!("{user}{}", self.host), command]);
        arguments
    }
}

/// As messages show it: `USER@HOST:PORT 'PATH'`.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, " {}", quoted_for_shell(&self.path))
    }
}

/// A word for the *remote* shell, quoted as git does it: within `'…'`, but `'` and `!`
/// outside of them behind a backslash.
fn quoted_for_shell(path: &str) -> String {
    let mut out = String::from("'");
    for c in path.chars() {
        match c {
            '\'' => out.push_str("'\\''"),
            '!' => out.push_str("'\\!'"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// The program and its first arguments: `GIT_SSH_COMMAND`, `core.sshCommand`,
/// `GIT_SSH`, else `ssh`, in git's order.
///
/// # Errors
/// `Usage` for a command that only a shell could take apart.
pub fn find_program(net: &Net<'_>) -> Result<Vec<String>> {
    let config = net.credentials.git_config()?;
    let variable = net.env.var("GIT_SSH_COMMAND").map(str::to_owned);
    let named = variable.map(|value| ("GIT_SSH_COMMAND", value));
    let named = named
        .or_else(|| Some(("core.sshCommand", config.last_text_of_key("core", "sshcommand")?.to_owned())));
    if let Some((name, value)) = named {
        return split_shell_words(&value).ok_or_else(|| {
            error!(Usage, "{name} needs a shell, which ba-agent does not use: `{}`", printable(&value, false))
                .hint("write a program and plain arguments, or put the command into a script and name the script")
        });
    }
    Ok(vec![net.env.var("GIT_SSH").unwrap_or("ssh").to_owned()])
}

/// Splits a command at spaces, with `'…'` and `"…"`. `None` when a shell would do more
/// with it than that, or when there is nothing.
fn split_shell_words(text: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some('"'), '$' | '`' | '\\' | '!') => return None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '~' | '#') if word.is_none() => return None,
            (None, c) if c.is_control() || "|&;<>()$`\\*?[]{}!".contains(c) => return None,
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let first = words.first()?;
    (quote.is_none() && !first.is_empty() && !first.contains('=')).then_some(words)
}

/// A running `ssh`, and what it says.
pub(crate) struct SshSession {
    child: Child,
    input: Option<ChildStdin>,
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
    idle: Duration,
    /// Since the first bytes; a person may take long before them.
    speed: Option<Speed>,
    slow: Duration,
    talk: Option<Receiver<Vec<u8>>>,
    host: String,
}

/// Bytes of `ssh`'s own talk that are kept for a message.
const TALK: usize = 16 * 1024;
/// How long to wait for the talk of an ssh that has ended.
const LAST_WORDS: Duration = Duration::from_millis(300);

impl SshSession {
    /// Starts `ssh` and, on the other side, `git-upload-pack`.
    ///
    /// # Errors
    /// `Failed` when there is no ssh program, `Network` for `--offline`.
    pub(crate) fn start(net: &Net<'_>, target: &Target) -> Result<Self> {
        if net.offline {
            return Err(error!(Network, "{} was not contacted: this run is offline", target.host)
                .hint("run it again without `--offline`"));
        }
        let program = find_program(net)?;
        let (name, first) = program.split_first().ok_or_else(|| error!(Failed, "no ssh program"))?;
        let batch = !(net.env.stdin_is_terminal && net.env.stderr_is_terminal);
        let mut child = Command::new(name)
            .args(first)
            .args(target.arguments(batch))
            .current_dir(&net.env.cwd)
            .env_remove("GIT_PROTOCOL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| {
                error!(Failed, "`{}` cannot be started", printable(name, false))
                    .cause(e)
                    .hint("install OpenSSH, or use the https:// address of the repository")
            })?;
        let chunks = child
            .stdout
            .take()
            .map(pump_output_of_child)
            .ok_or_else(|| error!(Failed, "ssh has no output"))?;
        let talk = child.stderr.take().map(listen_to_child_errors);
        Ok(Self {
            input: child.stdin.take(),
            child,
            chunks,
            chunk: Vec::new(),
            at: 0,
            // A person may have to touch a key or type a passphrase.
            idle: if batch { net.configured_patience().idle } else { net.configured_patience().idle * 10 },
            speed: None,
            slow: net.configured_patience().slow,
            talk,
            host: target.host.clone(),
        })
    }

    /// Sends a request; the other side answers into [`Read`].
    ///
    /// # Errors
    /// As [`SshSession::explain_with_ssh_talk`].
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        let sent = self.input.as_mut().map(|input| input.write_all(request).and_then(|()| input.flush()));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => {
                Err(self
                    .explain_with_ssh_talk(error!(Network, "{}: connection closed by the host", self.host)))
            }
        }
    }

    /// `error` in the light of what ssh said: unknown host key, no permission, no such
    /// repository. Ends the process.
    pub(crate) fn explain_with_ssh_talk(&mut self, error: Error) -> Error {
        self.end();
        let mut talk = Vec::new();
        // Not until the pipe ends: a connection that ssh shares (`ControlPersist`) holds
        // it open in the background.
        while let Some(chunks) = &self.talk
            && let Ok(chunk) = chunks.recv_timeout(LAST_WORDS)
            && talk.len() < TALK
        {
            talk.extend(chunk);
        }
        explained_ssh_error(&self.host, &String::from_utf8_lossy(&talk), error)
    }

    fn end(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads ssh's output in a thread of its own, so that the reader can stop waiting. An
/// empty chunk is the end.
fn pump_output_of_child(mut output: ChildStdout) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, chunks) = sync_channel(8);
    std::thread::spawn(move || {
        loop {
            let mut chunk = vec![0; 64 * 1024];
            let read = output.read(&mut chunk).map(|length| {
                chunk.truncate(length);
                chunk
            });
            let last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
            if sender.send(read).is_err() || last {
                return;
            }
        }
    });
    chunks
}

/// Reads what ssh says, from a thread of its own so that its pipe never fills.
fn listen_to_child_errors(mut errors: ChildStderr) -> Receiver<Vec<u8>> {
    let (sender, talk) = sync_channel(TALK / 1024);
    std::thread::spawn(move || {
        let mut chunk = [0; 1024];
        while let Ok(length @ 1..) = errors.read(&mut chunk) {
            // What nobody has room for is dropped.
            let _ = sender.try_send(chunk[..length].to_vec());
        }
    });
    talk
}

fn explained_ssh_error(host: &str, talk: &str, error: Error) -> Error {
    let said = printable(talk.trim(), true);
    let low = talk.to_ascii_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| low.contains(needle));
    let error = if has(&["host key verification failed", "host identification has changed"]) {
        error!(Auth, "the ssh host key of {host} is unknown, or has changed").hint(format!(
            "connect once with `ssh {host}` and compare the fingerprint with the one the host publishes"
        ))
    } else if has(&["permission denied", "publickey", "too many authentication failures"]) {
        error!(Auth, "{host} did not accept your ssh key")
            .hint(format!("test it with `ssh -T git@{host}`; `ssh-add -l` lists the keys of the agent"))
    } else if has(&[
        "repository not found",
        "does not appear to be a git repository",
        "could not be found",
        "no such file",
    ]) {
        error!(NotFound, "the repository was not found on {host}")
            .hint("is the name right? does your ssh key have permission to read it?")
    } else if has(&[
        "could not resolve",
        "connection refused",
        "timed out",
        "no route",
        "unreachable",
        "connection closed",
        "connection reset",
    ]) {
        error!(Network, "{host} cannot be reached").hint("check the connection and the name")
    } else {
        error
    };
    if said.is_empty() { error } else { error.cause(said) }
}

impl Read for SshSession {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            ba_agent_system::interrupt::check().map_err(io::Error::other)?;
            let begin = Instant::now();
            self.chunk = match self.chunks.recv_timeout(self.idle) {
                Ok(chunk) => {
                    let chunk = chunk?;
                    if let Some(speed) = self.speed.as_mut().filter(|_| !chunk.is_empty()) {
                        let counted = speed.count(&self.host, chunk.len() as u64, begin.elapsed());
                        counted.map_err(io::Error::other)?;
                    }
                    self.speed.get_or_insert_with(|| Speed::new(self.slow));
                    chunk
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(io::Error::other(error!(Network, "{} stopped sending", self.host)));
                }
                Err(RecvTimeoutError::Disconnected) => Vec::new(),
            };
            self.at = 0;
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }
}

impl Drop for SshSession {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::error::Kind;

    #[test]
    fn a_command_is_split_as_far_as_no_shell_is_needed() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let expected = expected.map(|all| all.iter().map(|s| (*s).to_owned()).collect());
            assert_eq!(split_shell_words(text), expected, "{text}");
        };
        check("ssh", Some(&["ssh"]));
        check("ssh -i '/my keys/id' -F \"a b\"", Some(&["ssh", "-i", "/my keys/id", "-F", "a b"]));
        check("  ssh\t-o  User=x ''", Some(&["ssh", "-o", "User=x", ""]));
        check("a'b'\"c\"", Some(&["abc"]));
        for text in [
            "",
            "  ",
            "ssh; id",
            "ssh | id",
            "ssh & id",
            "ssh $HOME",
            "ssh `id`",
            "ssh \"$(id)\"",
            "ssh > x",
            "~/bin/ssh",
            "ssh ~/x",
            "ssh # x",
            "A=1 ssh",
            "ssh \\x",
            "ssh 'x",
            "ssh *",
            "ssh {a,b}",
            "ssh\nid",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn nothing_of_a_target_is_taken_for_an_option() {
        let target = |user, host, path| Target::new(user, host, None, path).map(|t| t.arguments(true));
        for (user, host, path) in [
            (None, "-oProxyCommand=x", "p"),
            (None, "", "p"),
            (None, "a b", "p"),
            (None, "a;b", "p"),
            (None, "h\u{f6}st", "p"),
            (Some("-l"), "host", "p"),
            (Some(""), "host", "p"),
            (Some("a$b"), "host", "p"),
            (None, "host", "-x"),
            (None, "host", ""),
            (None, "host", "a\nb"),
        ] {
            assert_eq!(target(user, host, path).unwrap_err().kind, Kind::Usage, "{user:?} {host} {path}");
        }
        let arguments =
            Target::new(Some("git"), "h.example", Some(22), "o/it's!.git").unwrap().arguments(true);
        assert_eq!(
            arguments,
            [
                "-o",
                "ConnectTimeout=10",
                "-o",
                "BatchMode=yes",
                "-p",
                "22",
                "--",
                "git@h.example",
                r"git-upload-pack 'o/it'\''s'\!'.git'",
            ]
        );
    }

    #[test]
    fn what_ssh_says_decides_the_kind() {
        for (talk, kind) in [
            ("Host key verification failed.\r\n", Kind::Auth),
            ("git@h: Permission denied (publickey).", Kind::Auth),
            ("ERROR: Repository not found.\nfatal: x", Kind::NotFound),
            ("fatal: '/x' does not appear to be a git repository", Kind::NotFound),
            ("ssh: Could not resolve hostname h", Kind::Network),
            ("ssh: connect to host h port 22: Connection refused", Kind::Network),
            ("something else", Kind::Integrity),
        ] {
            let error = explained_ssh_error("h", talk, error!(Integrity, "as it was"));
            assert_eq!(error.kind, kind, "{talk}");
            assert!(error.causes.iter().all(|c| !c.contains('\r')));
        }
    }
}
