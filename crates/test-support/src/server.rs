//! A small HTTP server on loopback for tests: smart HTTP through the `git http-backend`
//! program, and switches for everything a host can do wrong. Plain threads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    /// The value of a header, `""` where it was not sent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Play {
    /// Answers with this status and no body worth reading.
    Status(u16),
    /// As [`Play::Status`], with this `Retry-After`.
    Later(u16, &'static str),
    /// Redirects to this URL, the query kept.
    Redirect(String),
    /// Answers with these bytes: content type, body.
    Bytes(&'static str, Vec<u8>),
    /// Answers with what a function makes of the request.
    Reply(Reply),
    /// Lets git answer, and cuts the body after so many bytes.
    Truncate(usize),
    /// Lets git answer, and stops sending after so many bytes until the test ends.
    Stall(usize),
    /// Lets git answer, and turns the byte at this place of the body around.
    Corrupt(usize),
    /// Sends these bytes again and again, until nobody takes them any more.
    Endless(&'static [u8]),
}

/// What makes an answer out of a request: content type, body.
#[derive(Clone)]
pub struct Reply(Arc<ReplyFn>);

type ReplyFn = dyn Fn(&Seen) -> (&'static str, Vec<u8>) + Send + Sync;

impl Reply {
    /// Answers with what `make` returns.
    pub fn new(make: impl Fn(&Seen) -> (&'static str, Vec<u8>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

/// Answers of git, by everything that they depend on. Repositories that never change while a
/// test runs can be asked the same question a thousand times for the price of one.
#[derive(Debug, Default)]
pub struct AnswerCache(Mutex<BTreeMap<AnswerKey, Answer>>);

/// Path and query, `Git-Protocol`, the body.
type AnswerKey = (String, String, Vec<u8>);

/// The first rule whose text stands in the target decides.
#[derive(Debug, Clone)]
struct Rule {
    part: String,
    /// How many requests it is for; `usize::MAX` for all.
    times: usize,
    play: Play,
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Seen>,
    connections: usize,
    /// Bytes of all answers.
    sent: usize,
    rules: Vec<Rule>,
    /// The `Authorization` that git's answers need.
    authorization: Option<String>,
    /// Plain files stand behind it, and no git.
    has_files: bool,
    /// `key=value` of the server's git configuration.
    config: Vec<String>,
    /// Speaks versions 0 only.
    old: bool,
    /// Beginnings of paths that stand for others: the last one that fits.
    aliases: Vec<(String, String)>,
    cache: Option<Arc<AnswerCache>>,
}

/// A running server; it stops when it is dropped.
pub struct Server {
    port: u16,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Serves the repositories below `root`, or `None`, with a printed line, where there
    /// is no git program. With `BA_AGENT_REQUIRE_GIT=1` that is a failure instead.
    #[allow(clippy::print_stderr, clippy::disallowed_methods)]
    pub fn start(root: &Path) -> Option<Self> {
        let git = Command::new("git").args(["http-backend"]).env("REQUEST_METHOD", "GET").output();
        if !git.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("Status:")) {
            assert!(
                std::env::var_os("BA_AGENT_REQUIRE_GIT").is_none(),
                "git http-backend is missing, and BA_AGENT_REQUIRE_GIT is set"
            );
            eprintln!("skipped: there is no `git http-backend` here");
            return None;
        }
        Some(Self::start_bare(root))
    }

    /// As [`Server::start`], for tests that need no git behind it.
    pub fn start_bare(root: &Path) -> Self {
        Self::listen(root, None)
    }

    /// Serves the files below `root` as any web server does, each with an `ETag`.
    pub fn start_files(root: &Path) -> Self {
        let server = Self::listen(root, None);
        server.state.lock().unwrap().has_files = true;
        server
    }

    /// As [`Server::start`], over TLS.
    pub fn start_tls(root: &Path, tls: Arc<rustls::ServerConfig>) -> Option<Self> {
        drop(Self::start(root)?);
        Some(Self::listen(root, Some(tls)))
    }

    fn listen(root: &Path, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // Public hosts leave blobs out when they are asked to; git itself has to be told.
        let config = vec!["uploadpack.allowFilter=true".to_owned()];
        let state = Arc::new(Mutex::new(State { config, ..State::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped, root) = (Arc::clone(&state), Arc::clone(&stop), root.to_owned());
        let scheme = if tls.is_some() { "https" } else { "http" };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (shared, stopped, root) = (Arc::clone(&shared), Arc::clone(&stopped), root.clone());
                let tls = tls.clone();
                std::thread::spawn(move || {
                    let _ = serve(stream, tls, &shared, &stopped, &root);
                });
            }
        });
        Self { port, scheme, state, stop }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// The same server under its other name, which is another host to a client.
    pub fn other_name(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.port)
    }

    /// Plays `play` for every request whose target holds `part`.
    pub fn play(&self, part: &str, play: Play) {
        self.play_times(part, usize::MAX, play);
    }

    /// Plays it for the first `times` of them.
    pub fn play_times(&self, part: &str, times: usize, play: Play) {
        self.state.lock().unwrap().rules.push(Rule { part: part.into(), times, play });
    }

    /// Forgets all rules.
    pub fn play_fair(&self) {
        self.state.lock().unwrap().rules.clear();
    }

    /// Wants this user and password, given as the base64 of `user:password`.
    pub fn require_basic(&self, base64: &str) {
        self.state.lock().unwrap().authorization = Some(format!("Basic {base64}"));
    }

    /// Wants this token.
    pub fn require_token(&self, token: &str) {
        self.state.lock().unwrap().authorization = Some(format!("Bearer {token}"));
    }

    /// Sets `key=value` in the configuration of the git behind it.
    pub fn configure(&self, setting: &str) {
        self.state.lock().unwrap().config.push(setting.into());
    }

    /// Speaks version 0 of git's protocol and no other.
    pub fn speak_old(&self) {
        self.state.lock().unwrap().old = true;
    }

    /// Serves paths that begin with `from` from `to`, both beginning with a slash: a repository
    /// that moves on is one path that is pointed at one state of it after the other.
    pub fn point(&self, from: &str, to: &str) {
        let mut state = self.state.lock().unwrap();
        state.aliases.retain(|(known, _)| known != from);
        state.aliases.push((from.into(), to.into()));
    }

    /// Keeps git's answers, for repositories that never change but by [`Server::point`].
    pub fn keep_answers(&self, cache: &Arc<AnswerCache>) {
        self.state.lock().unwrap().cache = Some(Arc::clone(cache));
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.state.lock().unwrap().seen.clear();
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Bytes of the bodies of all answers so far.
    pub fn sent(&self) -> usize {
        self.state.lock().unwrap().sent
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Answers the requests of one connection.
fn serve(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    state: &Mutex<State>,
    stop: &AtomicBool,
    root: &Path,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    state.lock().unwrap().connections += 1;
    match tls {
        None => converse(stream, state, stop, root),
        Some(tls) => {
            let session = rustls::ServerConnection::new(tls).map_err(std::io::Error::other)?;
            converse(rustls::StreamOwned::new(session, stream), state, stop, root)
        }
    }
}

fn converse(
    line: impl Read + Write,
    state: &Mutex<State>,
    stop: &AtomicBool,
    root: &Path,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(line);
    while let Some(seen) = request(&mut reader)? {
        let (play, allowed, backend) = {
            let mut state = state.lock().unwrap();
            state.seen.push(seen.clone());
            let allowed = state.authorization.as_ref().is_none_or(|a| seen.header("authorization") == a);
            let rule = state.rules.iter_mut().find(|r| r.times > 0 && seen.target.contains(&r.part));
            let play = rule.map(|rule| {
                rule.times -= usize::from(rule.times != usize::MAX);
                rule.play.clone()
            });
            let fits = |(from, _): &&(String, String)| seen.target.starts_with(from.as_str());
            let target = match state.aliases.iter().rev().find(fits) {
                Some((from, to)) => format!("{to}{}", &seen.target[from.len()..]),
                None => seen.target.clone(),
            };
            let (config, old, cache) = (state.config.clone(), state.old, state.cache.clone());
            let has_files = state.has_files;
            (play, allowed, Backend { root, target, config, old, cache, has_files })
        };
        let answer = match &play {
            Some(Play::Status(status)) => Answer::new(*status, "text/plain", b"no".to_vec()),
            Some(Play::Later(status, when)) => {
                let mut answer = Answer::new(*status, "text/plain", b"no".to_vec());
                answer.headers.push(("Retry-After".into(), (*when).into()));
                answer
            }
            Some(Play::Redirect(to)) => {
                let query = seen.target.split_once('?').map(|(_, q)| format!("?{q}")).unwrap_or_default();
                let mut answer = Answer::new(301, "text/plain", Vec::new());
                answer.headers.push(("Location".into(), format!("{to}{query}")));
                answer
            }
            Some(Play::Bytes(kind, bytes)) => Answer::new(200, kind, bytes.clone()),
            Some(Play::Reply(Reply(make))) => {
                let (kind, bytes) = make(&seen);
                Answer::new(200, kind, bytes)
            }
            _ if !allowed => {
                let mut answer = Answer::new(401, "text/plain", b"who are you?".to_vec());
                answer.headers.push(("WWW-Authenticate".into(), "Basic realm=\"test\"".into()));
                answer
            }
            Some(Play::Endless(bytes)) => return send_for_ever(reader.get_mut(), bytes, stop),
            _ => backend.answer(&seen)?,
        };
        state.lock().unwrap().sent += answer.body.len();
        send(reader.get_mut(), answer, play.as_ref(), stop)?;
    }
    Ok(())
}

fn request(reader: &mut impl BufRead) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut parts = line.split_whitespace().map(str::to_owned);
    let (method, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen { method, target, headers, body: Vec::new() };
    seen.body = vec![0; seen.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut seen.body)?;
    Ok(Some(seen))
}

#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, kind: &str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("Content-Type".into(), kind.into())], body }
    }
}

fn send(
    stream: &mut impl Write,
    mut answer: Answer,
    play: Option<&Play>,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} x\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    if let Some(Play::Corrupt(at)) = play
        && let Some(byte) = answer.body.get_mut(*at)
    {
        *byte ^= 0xff;
    }
    let length = match play {
        Some(Play::Truncate(length) | Play::Stall(length)) => (*length).min(answer.body.len()),
        _ => answer.body.len(),
    };
    let mut out = head.into_bytes();
    out.extend_from_slice(&answer.body[..length]);
    stream.write_all(&out)?;
    stream.flush()?;
    if matches!(play, Some(Play::Stall(_))) {
        while !stop.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    if matches!(play, Some(Play::Truncate(_) | Play::Stall(_))) {
        // Dropping the stream ends the connection.
        return Err(std::io::Error::other("cut on purpose"));
    }
    Ok(())
}

/// Sends the same bytes again and again.
fn send_for_ever(stream: &mut impl Write, bytes: &[u8], stop: &AtomicBool) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 x\r\nConnection: close\r\n\r\n")?;
    let block = bytes.repeat(64 * 1024 / bytes.len().max(1) + 1);
    while !stop.load(Ordering::SeqCst) {
        stream.write_all(&block)?;
    }
    Ok(())
}

/// What stands behind the server for one request.
struct Backend<'a> {
    root: &'a Path,
    /// Path and query, aliases resolved.
    target: String,
    config: Vec<String>,
    old: bool,
    cache: Option<Arc<AnswerCache>>,
    has_files: bool,
}

impl Backend<'_> {
    /// A file, with what it is called in this state.
    fn read_file(&self, seen: &Seen) -> Answer {
        let path = self.target.split('?').next().unwrap_or_default().trim_start_matches('/');
        let is_inside = !path.split('/').any(|part| part == "..");
        let Some(bytes) = std::fs::read(self.root.join(path)).ok().filter(|_| is_inside) else {
            return Answer::new(404, "text/plain", b"no".to_vec());
        };
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(&bytes, &mut hasher);
        let etag = format!("\"{:016x}\"", std::hash::Hasher::finish(&hasher));
        let mut answer = match seen.header("if-none-match") == etag {
            true => Answer::new(304, "text/plain", Vec::new()),
            false => Answer::new(200, "application/octet-stream", bytes),
        };
        answer.headers.push(("ETag".into(), etag));
        answer
    }

    /// Git's answer, out of the cache where there is one that has it.
    fn answer(&self, seen: &Seen) -> std::io::Result<Answer> {
        if self.has_files {
            return Ok(self.read_file(seen));
        }
        let Some(cache) = &self.cache else { return self.run_git(seen) };
        let key = (self.target.clone(), seen.header("git-protocol").to_owned(), seen.body.clone());
        if let Some(answer) = cache.0.lock().unwrap().get(&key) {
            return Ok(answer.clone());
        }
        let answer = self.run_git(seen)?;
        cache.0.lock().unwrap().insert(key, answer.clone());
        Ok(answer)
    }

    /// Runs `git http-backend` as a web server does (CGI).
    fn run_git(&self, seen: &Seen) -> std::io::Result<Answer> {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut command = Command::new("git");
        for setting in &self.config {
            command.args(["-c", setting]);
        }
        let nowhere = PathBuf::from("/dev/null");
        command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", nowhere)
            .env("REQUEST_METHOD", &seen.method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", seen.header("content-type"))
            .env("CONTENT_LENGTH", seen.body.len().to_string())
            .env("REMOTE_ADDR", "127.0.0.1")
            .env_remove("GIT_DIR")
            .env_remove("GIT_PROTOCOL");
        if !self.old {
            command.env("GIT_PROTOCOL", seen.header("git-protocol"));
        }
        if !seen.header("content-encoding").is_empty() {
            command.env("HTTP_CONTENT_ENCODING", seen.header("content-encoding"));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut input = child.stdin.take().unwrap();
        // A request fits into a pipe; git may end without reading it.
        let _ = input.write_all(&seen.body);
        drop(input);
        let mut out = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut out)?;
        child.wait()?;
        Ok(read_cgi(&out))
    }
}

/// Status, headers and body of what a CGI program printed.
fn read_cgi(out: &[u8]) -> Answer {
    let end = out.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(out.len());
    let head = String::from_utf8_lossy(&out[..end]).into_owned();
    let mut answer =
        Answer { status: 200, headers: Vec::new(), body: out.get(end + 4..).unwrap_or(b"").to_vec() };
    for line in head.lines() {
        match line.split_once(':') {
            Some(("Status", value)) => {
                answer.status = value.split_whitespace().next().and_then(|s| s.parse().ok()).unwrap_or(500);
            }
            Some((name, value)) => answer.headers.push((name.into(), value.trim().into())),
            None => {}
        }
    }
    answer
}
