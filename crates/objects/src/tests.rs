//! A folder and a bucket are held to one model; what is different about each stands below.

mod stand_in;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ba_agent_core::error::Kind;
use ba_agent_core::listing::Limits;
use ba_agent_net::hosts::HostSettings;
use ba_agent_net::http::{Net, Patience};
use ba_agent_test_support::TestHome;

use super::*;
use stand_in::{Fault, StandIn};

struct Bench {
    home: TestHome,
    hosts: HostSettings,
    limits: Limits,
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKTEST"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];

impl Bench {
    fn new(variables: &[(&str, &str)]) -> Self {
        Self { home: TestHome::with(variables), hosts: HostSettings::default(), limits: Limits::default() }
    }

    fn net(&self) -> Net<'_> {
        let patience =
            Patience { idle: Duration::from_secs(5), pauses: [Duration::ZERO; 2], ..Patience::default() };
        Net::new(&self.home.env, &self.hosts, &self.limits, false, &self.home.progress)
            .with_patience(patience)
    }
}

/// Reads, writes on every condition, lists and removes, held to a map.
fn check_against_model(objects: &Objects<'_>) {
    let paths = ["registry.json", "@acme/pdf/index.jsonl", "b/sha256/ab/x.tar.gz", "@acme/pdf/a b+c.txt"];
    let mut model: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let mut state = 7_u32;
    let mut stale: Option<ObjectTag> = None;
    for step in 0..120_u32 {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let path = paths[(state >> 16) as usize % paths.len()];
        let bytes = format!("{step}-{}", "x".repeat((state >> 20) as usize % 50)).into_bytes();
        let there = objects.get(path, 1_000).unwrap();
        assert_eq!(there.as_ref().map(|one| &one.bytes), model.get(path), "{step} {path}");
        match (state >> 8) % 5 {
            0 => {
                objects.put(path, &bytes).unwrap();
                model.insert(path, bytes);
            }
            1 => {
                assert_eq!(objects.put_if_absent(path, &bytes).unwrap(), !model.contains_key(path), "{step}");
                model.entry(path).or_insert(bytes);
            }
            2 => {
                let etag = there.map(|one| one.etag);
                assert!(objects.put_if_match(path, &bytes, etag.as_ref()).unwrap(), "{step}");
                model.insert(path, bytes);
                stale = etag.or(stale);
            }
            3 => {
                // What an earlier reader knew matches no more.
                let Some(old) = &stale else { continue };
                if there.is_some_and(|one| one.etag != *old) {
                    assert!(!objects.put_if_match(path, &bytes, Some(old)).unwrap(), "{step}");
                }
            }
            _ => {
                objects.delete(path).unwrap();
                model.remove(path);
            }
        }
    }
    let listed: Vec<(String, u64)> =
        objects.list("").unwrap().into_iter().map(|one| (one.path, one.size)).collect();
    let expected: Vec<(String, u64)> =
        model.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.len() as u64)).collect();
    assert_eq!(listed, expected);
    objects.put("@acme/pdf/x", b"1").unwrap();
    objects.put("@acme/pdf-more/x", b"1").unwrap();
    assert!(objects.list("@acme/pdf").unwrap().iter().all(|one| one.path.starts_with("@acme/pdf/")));
    assert_eq!(objects.list("nowhere").unwrap(), []);
    assert_eq!(objects.get("@acme/pdf/x/y", 10).unwrap(), None);
    assert_eq!(objects.get("@acme/pdf/x", 0).unwrap_err().kind, Kind::Invalid, "one byte more than allowed");
    for bad in ["../x", "/x", "a//b", "a/../b", "", "a\u{1b}b", "./a"] {
        assert_eq!(objects.put(bad, b"x").unwrap_err().kind, Kind::Invalid, "{bad:?}");
        assert_eq!(objects.get(bad, 9).unwrap_err().kind, Kind::Invalid, "{bad:?}");
    }
}

#[test]
fn a_folder_keeps_files() {
    let bench = Bench::new(&[]);
    let net = bench.net();
    let objects = Objects::open("place/of files", &bench.home.env, &net).unwrap();
    check_against_model(&objects);
    assert_eq!(objects.presign("registry.json", Duration::from_secs(9)), None);
    let Objects::Folder(folder) = &objects else { panic!() };
    folder.put_all([("a/1", &b"one"[..]), ("a/2", b"two")]).unwrap();
    assert_eq!(objects.get("a/2", 9).unwrap().unwrap().bytes, b"two");
}

#[test]
fn a_bucket_keeps_files() {
    let stand_in = StandIn::start();
    let bench = Bench::new(&KEYS);
    let net = bench.net();
    for prefix in ["", "/deep/er"] {
        let address = format!("s3://skills{prefix}?endpoint={}", stand_in.url());
        let objects = Objects::open(&address, &bench.home.env, &net).unwrap();
        check_against_model(&objects);
        let public = objects.presign("@acme/pdf/x", Duration::from_secs(9)).unwrap();
        assert!(public.as_str().contains("X-Amz-Signature") && !public.as_str().contains("hunter2"));
        stand_in.clear();
    }
    assert_eq!(stand_in.unsigned(), 0, "every request is signed");
}

/// The protocol as another program speaks it, where that is installed.
#[test]
fn moto_takes_what_we_send() {
    let Some(moto) = Moto::start() else {
        #[expect(clippy::disallowed_methods, reason = "what whoever runs the tests wants")]
        let is_required = std::env::var_os(concat!("BA", "_AGENT_REQUIRE_MOTO")).is_some();
        assert!(!is_required, "moto_server is not installed, but required");
        eprintln!("skipped: there is no moto_server here (`pip install 'moto[server,s3]'`)");
        return;
    };
    let bench = Bench::new(&KEYS);
    let net = bench.net();
    let address = format!("s3://skills/registry?endpoint={}", moto.url);
    moto.make_bucket(&net);
    check_against_model(&Objects::open(&address, &bench.home.env, &net).unwrap());
}

struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut command = Command::new("moto_server");
        command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().ok()?;
        let moto = Self { child, url: format!("http://127.0.0.1:{port}") };
        for _ in 0..300 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(moto);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto_server does not answer");
    }

    fn make_bucket(&self, net: &Net<'_>) {
        let url = Url::parse(&format!("{}/skills", self.url)).unwrap();
        let ask = ba_agent_net::http::SignedRequest {
            method: ba_agent_net::http::SignedMethod::Put,
            url: &url,
            headers: &[],
            body: b"",
        };
        assert_eq!(net.send_signed(ask).unwrap().status_code(), 200);
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let bench = Bench::new(&[]);
    let net = bench.net();
    let outside = bench.home.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("x"), "old").unwrap();
    let place = bench.home.path().join("place");
    std::fs::create_dir_all(&place).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, place.join("@acme")).unwrap();
        std::os::unix::fs::symlink(outside.join("x"), place.join("registry.json")).unwrap();
        let objects = Objects::open(place.to_str().unwrap(), &bench.home.env, &net).unwrap();
        for path in ["@acme/x", "@acme/y/z", "registry.json"] {
            assert_eq!(objects.put(path, b"new").unwrap_err().kind, Kind::Conflict, "{path}");
            assert_eq!(objects.get(path, 9).unwrap_err().kind, Kind::Conflict, "{path}");
            assert_eq!(objects.delete(path).unwrap_err().kind, Kind::Conflict, "{path}");
        }
        assert_eq!(objects.list("").unwrap(), []);
        std::fs::remove_file(place.join(".lock")).unwrap();
        std::os::unix::fs::symlink(outside.join("lock"), place.join(".lock")).unwrap();
        assert_eq!(objects.put("a", b"new").unwrap_err().kind, Kind::Conflict);
        assert_eq!(std::fs::read(outside.join("x")).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }
}

/// Many writers of one file: each that was told that it wrote is in it.
#[test]
fn no_write_on_condition_is_lost() {
    let stand_in = StandIn::start();
    let bench = Bench::new(&KEYS);
    let net = bench.net();
    let bucket = format!("s3://skills?endpoint={}", stand_in.url());
    for address in ["place", bucket.as_str()] {
        let objects = Objects::open(address, &bench.home.env, &net).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let objects = &objects;
                scope.spawn(move || {
                    for n in 0..5 {
                        loop {
                            let there = objects.get("index", 10_000).unwrap();
                            let old = there.as_ref().map_or(&b""[..], |one| &one.bytes);
                            let new = [old, format!("{writer}.{n}\n").as_bytes()].concat();
                            if objects
                                .put_if_match("index", &new, there.as_ref().map(|one| &one.etag))
                                .unwrap()
                            {
                                break;
                            }
                        }
                    }
                });
            }
        });
        let text = String::from_utf8(objects.get("index", 10_000).unwrap().unwrap().bytes).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!((lines.len(), text.lines().count()), (20, 20), "{address}: {text}");
    }
}

#[test]
fn a_bucket_in_trouble_is_said_in_words() {
    let stand_in = StandIn::start();
    let bench = Bench::new(&KEYS);
    let net = bench.net();
    let address = format!("s3://skills?endpoint={}", stand_in.url());
    let objects = Objects::open(&address, &bench.home.env, &net).unwrap();
    objects.put("a", b"12345").unwrap();
    // Once is tried again.
    stand_in.fail_next(1, Fault::Status(503));
    assert_eq!(objects.get("a", 9).unwrap().unwrap().bytes, b"12345");
    stand_in.fail_next(1, Fault::Hang);
    assert_eq!(objects.get("a", 9).unwrap().unwrap().bytes, b"12345");
    for (fault, kind) in [
        (Fault::Status(500), Kind::Network),
        (Fault::Status(403), Kind::Auth),
        (Fault::Status(301), Kind::Network),
        (Fault::Status(507), Kind::Failed),
        (Fault::NoBucket, Kind::NotFound),
        (Fault::Cut, Kind::Network),
    ] {
        stand_in.fail_next(9, fault);
        let error = match fault {
            Fault::NoBucket => objects.list("").unwrap_err(),
            _ => objects.get("a", 9).map(drop).unwrap_err(),
        };
        assert_eq!(error.kind, kind, "{fault:?}: {error:?}");
        let all = format!("{error:?}");
        assert!(!all.contains("X-Amz") && !all.contains("hunter2"), "{all}");
        stand_in.fail_next(0, fault);
    }
    let none = Bench::new(&[]);
    let net = none.net();
    assert_eq!(Objects::open("s3://skills", &none.home.env, &net).err().unwrap().kind, Kind::Auth);
}

#[test]
fn the_address_of_a_bucket_is_read() {
    let bench = Bench::new(&[("AWS_REGION", "eu-central-1")]);
    let parse = |text: &str| S3Address::parse(text, &bench.home.env);
    let plain = parse("s3://skills").unwrap();
    assert_eq!((plain.prefix.as_str(), plain.region.as_str(), plain.path_style), ("", "eu-central-1", false));
    let full = parse("s3://skills/a/b/?endpoint=https://s3.example.org:9000&region=x").unwrap();
    assert_eq!((full.prefix.as_str(), full.region.as_str(), full.path_style), ("a/b/", "x", true));
    assert_eq!(full.endpoint.unwrap().as_str(), "https://s3.example.org:9000/");
    assert!(!parse("s3://skills?endpoint=https://h&style=host").unwrap().path_style);
    let set = Bench::new(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_DEFAULT_REGION", "y")]);
    let set = S3Address::parse("s3://skills", &set.home.env).unwrap();
    assert_eq!((set.region.as_str(), set.endpoint.is_some()), ("y", true));
    for bad in [
        "s3://",
        "s3:///a",
        "s3://ab",
        "s3://A_b",
        "s3://skills/../x",
        "s3://skills?x=1",
        "s3://skills?endpoint=h",
        "s3://skills?endpoint=ftp://h",
        "s3://skills?style=none",
        "s3://user:pw@skills",
    ] {
        assert_eq!(parse(bad).unwrap_err().kind, Kind::Usage, "{bad}");
    }
    let net = bench.net();
    assert_eq!(Objects::open("https://h/x", &bench.home.env, &net).err().unwrap().kind, Kind::Usage);
}
