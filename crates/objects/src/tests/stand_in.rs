//! A small S3 on loopback: objects, conditions, lists of two at a time, and what can go wrong.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ba_agent_core::digest::sha256_hex;
use url::Url;

/// What an answer is instead.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Status(u16),
    NoBucket,
    /// The connection ends without an answer.
    Hang,
    /// The body ends before its length.
    Cut,
}

#[derive(Default)]
struct State {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    unsigned: AtomicUsize,
    faults: Mutex<(usize, Option<Fault>)>,
    stop: AtomicBool,
}

pub(super) struct StandIn {
    state: Arc<State>,
    port: u16,
}

impl StandIn {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let state = shared.clone();
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { state, port }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn clear(&self) {
        self.state.objects.lock().unwrap().clear();
    }

    pub(super) fn unsigned(&self) -> usize {
        self.state.unsigned.load(Ordering::SeqCst)
    }

    pub(super) fn fail_next(&self, times: usize, fault: Fault) {
        *self.state.faults.lock().unwrap() = (times, Some(fault));
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

struct Asked {
    method: String,
    url: Url,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let url = Url::parse(&format!("http://host{target}")).ok()?;
    Some(Asked { method, url, headers, body })
}

fn serve(stream: &TcpStream, state: &State) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read_request(&mut reader) {
        let signed = asked.url.query().is_some_and(|query| query.contains("X-Amz-Signature="));
        let names = asked.url.query_pairs().find(|(name, _)| name == "X-Amz-SignedHeaders");
        let names = names.map(|(_, names)| names.into_owned()).unwrap_or_default();
        let is_whole = ["if-match", "if-none-match", "content-type"]
            .iter()
            .all(|name| !asked.headers.contains_key(*name) || names.split(';').any(|one| one == *name));
        if !signed || !is_whole || asked.headers.contains_key("authorization") {
            state.unsigned.fetch_add(1, Ordering::SeqCst);
        }
        let fault = {
            let mut faults = state.faults.lock().unwrap();
            let fault = faults.1.filter(|_| faults.0 > 0);
            faults.0 = faults.0.saturating_sub(1);
            fault
        };
        match fault {
            Some(Fault::Hang) => return,
            Some(Fault::Status(status)) => send(stream, status, "", b"<Error><Code>Broken</Code></Error>"),
            Some(Fault::NoBucket) => send(stream, 404, "", b"<Error><Code>NoSuchBucket</Code></Error>"),
            Some(Fault::Cut) => {
                let _ = (&mut &*stream)
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"x\"\r\n\r\n12");
                return;
            }
            None => answer(stream, state, &asked),
        }
    }
}

fn answer(stream: &TcpStream, state: &State, asked: &Asked) {
    let path = asked.url.path().trim_start_matches('/').replace('+', "%2B");
    let path = url::form_urlencoded::parse(format!("k={path}").as_bytes()).next().unwrap().1.into_owned();
    let key = path.split_once('/').map_or("", |(_, key)| key).to_owned();
    let mut objects = state.objects.lock().unwrap();
    let tag = |bytes: &[u8]| format!("\"{}\"", &sha256_hex(bytes)[..32]);
    match (asked.method.as_str(), key.is_empty()) {
        ("GET", true) => {
            let list = list_objects(&objects, &asked.url);
            send(stream, 200, "", list.as_bytes());
        }
        ("GET", false) => match objects.get(&key) {
            Some(bytes) => send(stream, 200, &tag(bytes), bytes),
            None => send(stream, 404, "", b"<Error><Code>NoSuchKey</Code></Error>"),
        },
        ("PUT", false) => {
            let there = objects.get(&key).map(|bytes| tag(bytes));
            let absent = asked.headers.get("if-none-match").is_none_or(|_| there.is_none());
            let matches = asked.headers.get("if-match").is_none_or(|wanted| there.as_ref() == Some(wanted));
            if absent && matches {
                objects.insert(key, asked.body.clone());
                send(stream, 200, &tag(&asked.body), b"");
            } else {
                send(stream, 412, "", b"<Error><Code>PreconditionFailed</Code></Error>");
            }
        }
        ("DELETE", false) => {
            objects.remove(&key);
            send(stream, 204, "", b"");
        }
        _ => send(stream, 400, "", b""),
    }
}

/// Two of a list, and where it goes on.
fn list_objects(objects: &BTreeMap<String, Vec<u8>>, url: &Url) -> String {
    let get = |wanted: &str| {
        url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let (prefix, after) = (get("prefix").unwrap_or_default(), get("continuation-token"));
    let found: Vec<_> = objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| *key > after))
        .collect();
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
    );
    for (key, bytes) in found.iter().take(2) {
        out += &format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", bytes.len());
    }
    if found.len() > 2 {
        out += &format!(
            "<NextContinuationToken>{}</NextContinuationToken><IsTruncated>true</IsTruncated>",
            found[1].0
        );
    }
    out + "</ListBucketResult>"
}

fn send(mut stream: &TcpStream, status: u16, etag: &str, body: &[u8]) {
    let etag = if etag.is_empty() { String::new() } else { format!("etag: {etag}\r\n") };
    let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head = format!("HTTP/1.1 {status} X\r\n{length}{etag}\r\n");
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}
