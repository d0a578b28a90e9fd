//! Kills, full disks, and requests under way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ba_agent_core::digest::Digest;
use ba_agent_core::remote_registry::{ScopedName, parse_version_index};

use crate::publish::{put, walk};
use crate::server::{Server, wait_until};
use crate::skill::archive;

/// Every line of every index has its archive, and no archive that is served lies.
fn check_folder(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let files = folder.join("data/files");
    let mut found = BTreeMap::new();
    for path in walk(&files).into_iter().filter(|path| path.ends_with("index.jsonl")) {
        let below = path.strip_prefix(&files).unwrap().parent().unwrap().to_string_lossy().into_owned();
        let name: ScopedName = below.parse().unwrap();
        let lines = parse_version_index(&name, &std::fs::read(&path).unwrap()).unwrap();
        for line in &lines {
            let hex = line.digest.as_hex();
            let blob = files.join(format!("b/sha256/{}/{hex}.tar.gz", &hex[..2]));
            let bytes = std::fs::read(&blob).unwrap_or_else(|e| panic!("{below} {}: {e}", line.version));
            assert_eq!(Digest::of(&bytes), line.digest, "{below} {}", line.version);
        }
        found.insert(below, lines.iter().map(|line| line.version.to_string()).collect());
    }
    found
}

/// What was acknowledged is there whenever the process is killed, and no line is without its archive.
#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let kills = std::env::var("BA_REGISTRY_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let folder = tempfile::tempdir().unwrap();
    let variables = [("BA_REGISTRY_LIMITS_PUBLISH_PER_HOUR", "1000000")];
    let mut server = Server::start_in(folder.path(), &variables);
    let alice = server.user("alice", &["read", "publish"], &[]);
    let mut acknowledged: Vec<(String, String)> = Vec::new();
    for round in 0..kills {
        let is_over = AtomicBool::new(false);
        let client = crate::client::Client { url: server.client.url.clone(), ..alice.clone() };
        let publish = |thread: usize| {
            let mut done = Vec::new();
            for n in 0.. {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                let (name, version) = (format!("skill-{thread}"), format!("{round}.{n}.0"));
                let path = format!("/api/v1/skills/@acme/{name}/versions/{version}");
                let bytes = archive(&name, &version);
                let headers = [("content-type", "application/gzip")];
                match client.try_send("PUT", &path, &headers, Some(bytes)) {
                    Ok(answer) if answer.status == 201 => done.push((format!("@acme/{name}"), version)),
                    _ => break,
                }
            }
            done
        };
        std::thread::scope(|scope| {
            let publish = &publish;
            let threads: Vec<_> = (0..3).map(|thread| scope.spawn(move || publish(thread))).collect();
            // Another moment each time, from right away to in the middle of many.
            std::thread::sleep(std::time::Duration::from_millis(30 + 37 * (round % 7)));
            server.kill();
            is_over.store(true, Ordering::SeqCst);
            threads.into_iter().for_each(|thread| acknowledged.extend(thread.join().unwrap()));
        });
        // As the kill left it: lines may be missing, none may be without its archive.
        check_folder(folder.path());
        server = Server::start_in(folder.path(), &variables);
    }
    assert!(acknowledged.len() > 10, "only {}", acknowledged.len());
    let is_there = |found: &BTreeMap<String, Vec<String>>| {
        acknowledged.iter().all(|(name, version)| found.get(name).is_some_and(|all| all.contains(version)))
    };
    wait_until("all that was acknowledged", || is_there(&check_folder(folder.path())).then_some(()));
    // What the database knows and no index says yet is written by hand too.
    server.terminate();
    let status = crate::server::command(folder.path(), &variables).arg("derive").status().unwrap();
    assert!(status.success());
    assert!(is_there(&check_folder(folder.path())));
    println!("{kills} kills, {} acknowledged versions", acknowledged.len());
}

/// On a full disk nothing is half there, and the answer says why.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_507() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("data");
    std::fs::create_dir(&disk).unwrap();
    let script =
        format!("mount -t tmpfs -o size=3m none {} && exec {}", disk.display(), crate::server::PROGRAM);
    let probe = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", &format!("mount -t tmpfs -o size=1m none {}", disk.display())])
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        println!("skipped: no disk of its own can be mounted here");
        return;
    }
    let server = Server::start_by(
        folder.path(),
        &[("BA_REGISTRY_LIMITS_PUBLISH_PER_HOUR", "100000")],
        &["unshare", "-m", "sh", "-c", &script],
    );
    // The command line would see another disk: the first admin publishes.
    let root = server.admin();
    let noise = |n: u64| {
        let mut state = n + 1;
        let mut step = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        let bytes: Vec<u8> = (0..200_000).map(|_| step()).collect();
        let text = format!("---\nname: pdf\ndescription: Extracts tables from files.\n---\n{n}\n");
        crate::skill::archive_of(&[("SKILL.md", text.as_bytes()), ("data.bin", &bytes)])
    };
    let mut published = 0;
    let refused = (0..40).find_map(|n| {
        let answer = put(&root, "@acme/pdf", &format!("1.{n}.0"), noise(n));
        published += usize::from(answer.status == 201);
        (answer.status != 201).then_some(answer)
    });
    let refused = refused.expect("the disk is full at some time").expect(507);
    assert!(refused.text().contains("full"), "{}", refused.text());
    let lines = crate::publish::index(&server.client, "@acme/pdf");
    assert_eq!(lines.len(), published);
    for line in lines {
        let hex = line["digest"].as_str().unwrap().trim_start_matches("sha256:");
        server.client.get(&format!("/b/sha256/{}/{hex}.tar.gz", &hex[..2])).expect(200);
    }
}

/// SIGTERM: what is under way is answered, then the process ends, also with a stream open.
#[cfg(unix)]
#[test]
fn a_stop_loses_nothing_under_way() {
    let mut server = Server::start(&[("BA_REGISTRY_LIMITS_PUBLISH_PER_HOUR", "100000")]);
    let alice = server.user("alice", &["read", "publish"], &[]);
    put(&alice, "@acme/pdf", "0.0.1", archive("pdf", "first")).expect(201);
    let stream = {
        let client = server.client.clone();
        std::thread::spawn(move || {
            client.try_send("GET", "/api/v1/events?since=0", &[("accept", "text/event-stream")], None)
        })
    };
    let publish = |thread: usize| {
        let mut last = 0;
        for n in 0.. {
            let path = format!("/api/v1/skills/@acme/s-{thread}/versions/1.{n}.0");
            let headers = [("content-type", "application/gzip")];
            let bytes = archive(&format!("s-{thread}"), &format!("{n}"));
            match alice.try_send("PUT", &path, &headers, Some(bytes)) {
                Ok(answer) => {
                    answer.expect(201);
                    last = n + 1;
                }
                // The listener is closed: this one was never taken.
                Err(_) => break,
            }
        }
        last
    };
    let (took, published) = std::thread::scope(|scope| {
        let publish = &publish;
        let threads: Vec<_> = (0..2).map(|thread| scope.spawn(move || publish(thread))).collect();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let took = server.terminate();
        (took, threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<usize>>())
    });
    assert!(took.as_secs() < 10, "{took:?}");
    let events = stream.join().unwrap().unwrap().text();
    assert!(events.contains("@acme/pdf@0.0.1"), "{events}");
    let found = check_folder(&server.folder);
    for (thread, count) in published.into_iter().enumerate() {
        assert!(found[&format!("@acme/s-{thread}")].len() >= count);
    }
}
