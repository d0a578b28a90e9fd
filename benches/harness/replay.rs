//! A server that asks the one behind it once for each request and from then on says the
//! same again: what is measured is the client, not `git http-backend`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Method, target, protocol version and body: what an answer depends on.
type Key = (String, String, Vec<u8>);

#[derive(Default)]
struct Memory(Mutex<HashMap<Key, Arc<Vec<u8>>>>);

/// The server; it runs until the process ends.
pub(crate) struct Replay {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    memory: Arc<Memory>,
}

impl Replay {
    /// Repeats what the server at `behind` (`http://127.0.0.1:PORT`) says.
    pub(crate) fn start(behind: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = behind.strip_prefix("http://").unwrap().to_owned();
        let memory = Arc::new(Memory::default());
        let shared = Arc::clone(&memory);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (memory, behind) = (Arc::clone(&shared), behind.clone());
                std::thread::spawn(move || {
                    let _ = serve(&stream, &memory, &behind);
                });
            }
        });
        Self { url, memory }
    }

    /// Asks again from now on.
    pub(crate) fn forget(&self) {
        self.memory.0.lock().unwrap().clear();
    }
}

fn serve(mut stream: &TcpStream, memory: &Memory, behind: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(message) = Message::read(&mut reader)? {
        let (method, target) = message.request();
        let key = (method, target + "\n" + message.header("git-protocol"), message.body.clone());
        let known = memory.0.lock().unwrap().get(&key).cloned();
        let answer = match known {
            Some(answer) => answer,
            None => {
                let answer = Arc::new(ask(&message, behind)?);
                memory.0.lock().unwrap().insert(key, Arc::clone(&answer));
                answer
            }
        };
        stream.write_all(&answer)?;
    }
    Ok(())
}

fn ask(message: &Message, behind: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(behind)?;
    stream.write_all(&message.bytes())?;
    let answer = Message::read(&mut BufReader::new(stream))?;
    Ok(answer.ok_or(std::io::ErrorKind::UnexpectedEof)?.bytes())
}

/// A request or an answer, its body measured by `Content-Length`.
struct Message {
    /// First line and headers as they came, with the empty line.
    head: String,
    body: Vec<u8>,
}

impl Message {
    fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut message = Self { head: String::new(), body: Vec::new() };
        loop {
            let before = message.head.len();
            if reader.read_line(&mut message.head)? == 0 {
                return Ok(None);
            }
            if message.head[before..].trim_end().is_empty() {
                break;
            }
        }
        message.body = vec![0; message.header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut message.body)?;
        Ok(Some(message))
    }

    fn header(&self, name: &str) -> &str {
        let pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        pairs
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
            .unwrap_or("")
    }

    fn request(&self) -> (String, String) {
        let mut words = self.head.split_whitespace().map(str::to_owned);
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }
}
