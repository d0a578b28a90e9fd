//! `ba-agent mcp`, driven by the line as a client does, and `mcp config`. Programs that others
//! wrote are in `mcp_clients.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::Digest as _;

use crate::env::{TestEnv, skill_md};

/// Only so that a fault does not hang the suite.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that was started, and what it has said and was not looked at yet.
struct Server {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Messages that were not what was waited for.
    aside: Vec<Value>,
    last_id: i64,
    is_modern: bool,
}

impl Server {
    fn start(env: &TestEnv, args: &[&str]) -> Self {
        let mut command = env.command(&[&["mcp"], args].concat());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let input = child.stdin.take();
        Self { child, input, lines, aside: Vec::new(), last_id: 0, is_modern: false }
    }

    /// A session of the older era.
    fn legacy(env: &TestEnv, args: &[&str]) -> Self {
        let mut server = Self::start(env, args);
        server.initialize("2025-11-25");
        server
    }

    /// A session of the newer era, which needs no beginning.
    fn modern(env: &TestEnv, args: &[&str]) -> Self {
        Self { is_modern: true, ..Self::start(env, args) }
    }

    fn initialize(&mut self, version: &str) -> Value {
        let client = json!({"name": "test", "version": "1"});
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
        let answer = self.ask("initialize", params);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"].clone()
    }

    fn send_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes());
    }

    fn request(&mut self, method: &str, mut params: Value) -> i64 {
        self.last_id += 1;
        if self.is_modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}
            });
        }
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    fn receive(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("the server said nothing");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }

    /// The next message that `is_it`, whatever comes in between.
    fn wait_for(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.aside.iter().position(&is_it) {
            return self.aside.remove(at);
        }
        loop {
            let message = self.receive();
            if is_it(&message) {
                return message;
            }
            self.aside.push(message);
        }
    }

    /// The whole answer to a request.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.wait_for(|message| message["id"] == id)
    }

    #[track_caller]
    fn result(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer.get("result").is_some(), "{method}: {answer}");
        answer["result"].clone()
    }

    #[track_caller]
    fn error_code(&mut self, method: &str, params: Value) -> i64 {
        let answer = self.ask(method, params);
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{method}: {answer}"))
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.result("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// The text of a call that must have failed.
    #[track_caller]
    fn refusal(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Every item of a list, page by page.
    fn all_pages(&mut self, method: &str, key: &str) -> Vec<Value> {
        let (mut all, mut params) = (Vec::new(), json!({}));
        loop {
            let page = self.result(method, params);
            let items = page[key].as_array().unwrap();
            assert!(items.len() <= 100);
            all.extend(items.iter().cloned());
            match page.get("nextCursor") {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return all,
            }
        }
    }

    /// Closes stdin; what it ended with, and what it said to people.
    fn end(mut self) -> (i32, String) {
        drop(self.input.take());
        let output = self.child.wait_with_output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
    }
}

/// A project with two installed skills, one by hand, and one in the user's account.
fn world() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/skills/pdf").file("references/deep/api.md", "api\n").file("fill form.py", "print()\n");
    env.skill("src/skills/docx").file("logo.png", b"\x89PNG\xff\x00");
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    env.skill("project/.claude/skills/by-hand").file("notes.md", "mine\n");
    env.skill("home/.claude/skills/of-user");
    env
}

fn sha256(bytes: &[u8]) -> String {
    let digits = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256:{digits}")
}

#[test]
fn clients_of_both_eras_are_answered() {
    let env = world();
    for (asked, agreed) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        // No beginning belongs to the newest, and nobody knows the last.
        ("2026-07-28", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
    ] {
        let mut server = Server::start(&env, &[]);
        let result = server.initialize(asked);
        assert_eq!(result["protocolVersion"], agreed);
        let instructions = result["instructions"].as_str().unwrap();
        assert!(
            instructions.contains("skills are available") && instructions.len() < 2_000,
            "{instructions}"
        );
        assert_eq!(
            result["capabilities"]["extensions"]["io.modelcontextprotocol/skills"]["directoryRead"],
            true
        );
        assert_eq!(server.result("ping", json!({})), json!({}));
        assert_eq!(server.result("tools/list", json!({})).get("resultType"), None);
        assert_eq!(server.end(), (0, String::new()));
    }
    let mut server = Server::modern(&env, &[]);
    let found = server.result("server/discover", json!({}));
    assert!(found["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")), "{found}");
    assert!(found["instructions"].as_str().unwrap().contains("skills are available"));
    for (method, params) in [
        ("tools/list", json!({})),
        ("skills/list", json!({})),
        ("skills/get", json!({"uri": "skill://pdf/SKILL.md"})),
        ("resources/list", json!({})),
        ("resources/read", json!({"uri": "skill://pdf/SKILL.md"})),
        ("resources/directory/read", json!({"uri": "skill://pdf"})),
        ("resources/templates/list", json!({})),
        ("prompts/list", json!({})),
    ] {
        let result = server.result(method, params);
        let hints = (&result["resultType"], &result["ttlMs"], &result["cacheScope"]);
        assert_eq!(hints, (&json!("complete"), &json!(2000), &json!("private")), "{method}");
    }
    assert_eq!(server.error_code("ping", json!({})), -32601);
    server.is_modern = false;
    assert_eq!(server.error_code("tools/list", json!({})), -32602);
    let other = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2031-01-01",
        "io.modelcontextprotocol/clientCapabilities": {}}});
    assert_eq!(server.error_code("tools/list", other), -32022);
    assert_eq!(server.end(), (0, String::new()));
}

#[test]
fn every_tool_answers_as_its_schema_says() {
    let env = world();
    let mut server = Server::legacy(&env, &[]);
    let tools = server.result("tools/list", json!({}))["tools"].as_array().unwrap().clone();
    let calls = [
        ("activate_skill", json!({"name": "pdf", "arguments": "a b"}), "<skill_content name=\"pdf\">"),
        ("use_skill", json!({"skill_name": "pdf", "input_data": {"city": "Berlin"}}), "Text of pdf."),
        ("list_skills", json!({}), "- by-hand: Does by-hand."),
        ("search_skills", json!({"query": "docx wanted", "limit": 2}), "- docx: Does docx."),
        ("read_skill_file", json!({"name": "pdf", "path": "references/deep/api.md"}), "api\n"),
    ];
    assert_eq!(
        tools.iter().map(|tool| &tool["name"]).collect::<Vec<_>>(),
        calls.each_ref().map(|(name, ..)| name)
    );
    for (tool, (name, arguments, text)) in tools.iter().zip(calls) {
        assert!(tool["title"].is_string() && tool["description"].as_str().unwrap().len() < 2_000, "{name}");
        let hints = json!({"title": tool["title"], "readOnlyHint": true, "destructiveHint": false,
            "idempotentHint": true, "openWorldHint": false});
        assert_eq!(tool["annotations"], hints, "{name}");
        let schema = tool.to_string();
        assert!(
            !schema.contains("anyOf") && !schema.contains("$ref") && !schema.contains("[\"string\""),
            "{schema}"
        );
        let input = jsonschema::validator_for(&tool["inputSchema"]).unwrap();
        assert!(input.is_valid(&arguments), "{name}: {arguments}");
        let result = server.call(name, arguments);
        assert_ne!(result["isError"], true, "{result}");
        let output = jsonschema::validator_for(&tool["outputSchema"]).unwrap();
        let faults: Vec<String> =
            output.iter_errors(&result["structuredContent"]).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?} {result}");
        assert!(result["content"][0]["text"].as_str().unwrap().contains(text), "{name}: {result}");
    }
    let names = &tools[0]["inputSchema"]["properties"]["name"]["enum"];
    for name in ["pdf", "docx", "by-hand", "of-user", "skill-finder"] {
        assert!(names.as_array().unwrap().contains(&json!(name)), "{names}");
    }
    assert_eq!(server.end(), (0, String::new()));
}

#[test]
fn what_cannot_be_done_is_said_to_the_model() {
    let env = world();
    env.write(
        "project/.claude/skills/for-people/SKILL.md",
        "---\nname: for-people\ndescription: Deploys.\ndisable-model-invocation: true\n---\nbody\n",
    );
    let mut server = Server::legacy(&env, &[]);
    let said = server.refusal("activate_skill", json!({"name": "pfd"}));
    assert!(said.starts_with("there is no skill `pfd` here. The nearest names are: pdf, "), "{said}");
    assert_eq!(said.split(',').count(), 3, "{said}");
    let long = "x".repeat(100_000);
    assert!(server.refusal("activate_skill", json!({"name": long})).len() < 200_000);
    let said = server.refusal("activate_skill", json!({"name": "a\u{1b}[31mb\nc"}));
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let said = server.refusal("activate_skill", json!({"name": "for-people"}));
    assert!(said.contains("for people alone"), "{said}");
    for (tool, arguments, words) in [
        ("activate_skill", json!({}), "missing field `name`"),
        ("activate_skill", json!({"name": 3}), "expected a string"),
        ("activate_skill", json!({"name": "pdf", "force": true}), "unknown field `force`"),
        ("use_skill", json!({"skill_name": "pdf", "input_data": [1]}), "invalid type"),
        ("list_skills", json!({"cursor": "17"}), "not a cursor of this list"),
        ("search_skills", json!({"query": "x", "limit": -1}), "invalid value"),
        ("read_skill_file", json!({"name": "pdf", "path": "../docx/SKILL.md"}), "not a path in a skill"),
        ("read_skill_file", json!({"name": "pdf", "path": "/etc/passwd"}), "not a path in a skill"),
        (
            "read_skill_file",
            json!({"name": "pdf", "path": "references/deep/apy.md"}),
            "did you mean `references/deep/api.md`?",
        ),
        ("read_skill_file", json!({"name": "pdf", "path": "references"}), "has no file `references`"),
    ] {
        let said = server.refusal(tool, arguments);
        assert!(said.contains(words), "{tool}: {said}");
    }
    assert_eq!(server.error_code("tools/call", json!({"name": "rm"})), -32602);
    assert_eq!(server.error_code("tools/call", json!({"arguments": {}})), -32602);
    assert_eq!(server.error_code("no/such", json!({})), -32601);
    // Nothing of it has harmed the session.
    assert_eq!(server.result("ping", json!({})), json!({}));
    assert_eq!(server.end(), (0, String::new()));
}

/// Skills by hand, which need no installation.
fn many_skills(count: usize) -> TestEnv {
    let env = TestEnv::new();
    for n in 0..count {
        let name = format!("skill-{n:04}");
        env.write(
            &format!("project/.claude/skills/{name}/SKILL.md"),
            skill_md(&name, &format!("Does number {n}.")),
        );
    }
    env
}

#[test]
fn thousands_of_skills_are_listed_by_the_page_and_never_in_a_schema() {
    let env = many_skills(1_050);
    let mut server = Server::modern(&env, &[]);
    let tools = server.result("tools/list", json!({}));
    assert!(tools.to_string().len() < 8_000 && !tools.to_string().contains("skill-00"), "{tools}");
    let skills = server.all_pages("skills/list", "skills");
    let uris: BTreeSet<&str> = skills.iter().map(|skill| skill["uri"].as_str().unwrap()).collect();
    assert_eq!(uris.len(), skills.len(), "one is there twice");
    assert!((0..1_050).all(|n| uris.contains(&*format!("skill://skill-{n:04}/SKILL.md"))));
    assert_eq!(server.all_pages("resources/list", "resources").len(), skills.len());
    let (mut names, mut arguments) = (BTreeSet::new(), json!({}));
    loop {
        let page = server.call("list_skills", arguments)["structuredContent"].clone();
        let rows = page["skills"].as_array().unwrap();
        assert!(rows.iter().all(|row| names.insert(row["name"].as_str().unwrap().to_owned())));
        let Some(next) = page.get("next_cursor") else { break };
        arguments = json!({"cursor": next});
    }
    assert_eq!(names.len(), skills.len());
    for method in ["skills/list", "resources/list", "tools/list", "prompts/list"] {
        assert_eq!(server.error_code(method, json!({"cursor": "garbage"})), -32602, "{method}");
    }
    assert_eq!(server.end(), (0, String::new()));
}

#[test]
fn a_file_is_given_as_installed_or_said_to_be_edited() {
    let env = world();
    env.write("project/.claude/skills/docx/SKILL.md", skill_md("docx", "Edited, and so said."));
    env.write("project/.claude/skills/docx/mine.md", "added\n");
    env.write("project/.claude/skills/docx/large.txt", vec![b'x'; (1 << 20) + 1]);
    let mut server = Server::legacy(&env, &[]);
    for (name, path, state) in [
        ("pdf", "SKILL.md", "verified"),
        ("pdf", "./fill form.py", "verified"),
        ("docx", "SKILL.md", "edited"),
        ("docx", "mine.md", "added"),
        ("by-hand", "notes.md", "unmanaged"),
        ("of-user", "SKILL.md", "unmanaged"),
        ("skill-finder", "SKILL.md", "verified"),
    ] {
        let result = server.call("read_skill_file", json!({"name": name, "path": path}));
        let file = &result["structuredContent"];
        assert_eq!(file["state"], state, "{result}");
        assert_eq!(file["digest"], sha256(file["text"].as_str().unwrap().as_bytes()), "{name}");
    }
    let said = server.call("read_skill_file", json!({"name": "docx", "path": "SKILL.md"}));
    assert!(said["content"][0]["text"].as_str().unwrap().starts_with("This file was edited since"));
    let said = server.call("read_skill_file", json!({"name": "docx", "path": "logo.png"}));
    assert_eq!(said["structuredContent"].get("text"), None);
    assert!(
        said["content"][0]["text"].as_str().unwrap().ends_with("\niVBORw==\n")
            || said.to_string().contains("iVBOR/8A"),
        "{said}"
    );
    let said = server.refusal("read_skill_file", json!({"name": "docx", "path": "large.txt"}));
    assert!(said.contains("1048577 bytes") && said.contains("read it in pieces"), "{said}");
    assert_eq!(server.end(), (0, String::new()));
}

/// What somebody who can commit to the project puts into its skills.
#[cfg(unix)]
#[test]
fn nothing_outside_of_a_skill_is_given() {
    let env = world();
    env.write("home/secret.txt", "hunter2\n");
    let secret = env.path("home/secret.txt").display().to_string();
    env.skill("project/.claude/skills/leaky").link("out.txt", &secret).link("up", "../../..");
    env.skill("home/private").file("key.txt", "hunter2\n");
    std::os::unix::fs::symlink(env.path("home/private"), env.path("project/.claude/skills/private")).unwrap();
    let made =
        std::process::Command::new("mkfifo").arg(env.path("project/.claude/skills/leaky/pipe")).status();
    assert!(made.unwrap().success());
    let mut server = Server::modern(&env, &[]);
    for (name, path) in [
        ("leaky", "out.txt"),
        ("leaky", "up/../home/secret.txt"),
        ("leaky", "up/config"),
        ("leaky", "pipe"),
        ("private", "key.txt"),
        ("private", "SKILL.md"),
    ] {
        let said = server.call("read_skill_file", json!({"name": name, "path": path}));
        assert_eq!(said["isError"], true, "{name} {path}: {said}");
        assert!(!said.to_string().contains("hunter2"), "{said}");
    }
    for uri in [
        "skill://leaky/out.txt",
        "skill://leaky/SKILL.md",
        "skill://private/key.txt",
        "skill://pdf/%2e%2e/docx/SKILL.md",
        "skill://pdf/..%2Fdocx%2FSKILL.md",
        "file:///etc/passwd",
        "",
    ] {
        assert_eq!(server.error_code("resources/read", json!({"uri": uri})), -32602, "{uri}");
    }
    let listed = server.all_pages("skills/list", "skills");
    let uris: Vec<&Value> = listed.iter().map(|skill| &skill["uri"]).collect();
    assert!(!uris.iter().any(|uri| uri.as_str().unwrap().contains("leaky")), "{uris:?}");
    let (status, said) = server.end();
    assert_eq!(status, 0);
    assert!(said.contains("`leaky` is not served by the skills extension"), "{said}");
    assert_eq!(said.matches("`leaky` is not served").count(), 1, "told once: {said}");
}

#[test]
fn the_extension_lists_every_file_with_the_digest_that_it_has() {
    let env = world();
    env.write(
        "project/.claude/skills/other-name/SKILL.md",
        skill_md("somebody-else", "Is called otherwise."),
    );
    env.write("project/.claude/skills/under_score/SKILL.md", skill_md("under_score", "Has a name of ours."));
    env.write(
        "project/.claude/skills/verbatim/SKILL.md",
        "---\nname: verbatim\ndescription: >\n  Every field\n  passes.\nversion: 1.10\nx-list: [1, \"2\", {a: null}]\n---\nb\n",
    );
    let mut server = Server::modern(&env, &[]);
    let skills = server.all_pages("skills/list", "skills");
    let by_uri: BTreeMap<&str, &Value> =
        skills.iter().map(|skill| (skill["uri"].as_str().unwrap(), skill)).collect();
    assert!(!by_uri.keys().any(|uri| uri.contains("other") || uri.contains("_")), "{by_uri:?}");
    assert_eq!(
        by_uri["skill://verbatim/SKILL.md"]["frontmatter"],
        json!({"name": "verbatim", "description": "Every field passes.\n", "version": 1.1, "x-list": [1, "2", {"a": null}]})
    );
    let folder = env.path("project/.claude/skills/pdf");
    let pdf = by_uri["skill://pdf/SKILL.md"];
    let mut expected: Vec<Value> = ["SKILL.md", "fill form.py", "references/deep/api.md"]
        .iter()
        .map(|path| {
            let bytes = std::fs::read(folder.join(path)).unwrap();
            let uri = format!("skill://pdf/{}", path.replace(' ', "%20"));
            json!({"uri": uri, "digest": sha256(&bytes), "size": bytes.len()})
        })
        .collect();
    expected.sort_by_key(|file| file["uri"].to_string());
    assert_eq!(pdf["resources"], json!(expected));
    assert_eq!(&server.result("skills/get", json!({"uri": "skill://pdf/SKILL.md"}))["skill"], pdf);
    for file in skills.iter().flat_map(|skill| skill["resources"].as_array().unwrap()) {
        let read = server.result("resources/read", json!({"uri": file["uri"]}));
        let content = &read["contents"][0];
        let bytes = match content.get("blob") {
            Some(blob) => {
                base64::Engine::decode(&base64::prelude::BASE64_STANDARD, blob.as_str().unwrap()).unwrap()
            }
            None => content["text"].as_str().unwrap().as_bytes().to_vec(),
        };
        assert_eq!((&json!(sha256(&bytes)), &json!(bytes.len())), (&file["digest"], &file["size"]), "{file}");
    }
    let names = |server: &mut Server, uri: &str| {
        let read = server.result("resources/directory/read", json!({"uri": uri}));
        let child = |child: &Value| format!("{} {}", child["name"].as_str().unwrap(), child["mimeType"]);
        read["resources"].as_array().unwrap().iter().map(child).collect::<Vec<_>>()
    };
    assert_eq!(
        names(&mut server, "skill://pdf"),
        ["SKILL.md \"text/markdown\"", "fill form.py \"text/x-python\"", "references \"inode/directory\""]
    );
    assert_eq!(names(&mut server, "skill://pdf/references"), ["deep \"inode/directory\""]);
    for (method, uri) in [
        ("skills/get", "skill://no/SKILL.md"),
        ("skills/get", "skill://pdf/references/deep/api.md"),
        ("skills/get", "skill://other-name/SKILL.md"),
        ("resources/read", "skill://pdf/nothing.md"),
        ("resources/read", "skill://pdf"),
        ("resources/directory/read", "skill://pdf/SKILL.md"),
        ("resources/directory/read", "skill://pdf/no"),
        ("resources/directory/read", "skill://no"),
    ] {
        assert_eq!(server.error_code(method, json!({"uri": uri})), -32602, "{method} {uri}");
    }
    let (status, said) = server.end();
    assert_eq!(status, 0);
    assert!(
        said.contains("`other-name` is not served") && said.contains("another name, `somebody-else`"),
        "{said}"
    );
}

/// The bytes that are served are those that are listed, whatever happens below the server.
#[test]
fn a_file_that_changes_is_never_served_under_its_old_digest() {
    let env = world();
    let mut server = Server::modern(&env, &[]);
    let digest = |server: &mut Server, at: usize| {
        server.result("skills/get", json!({"uri": "skill://pdf/SKILL.md"}))["skill"]["resources"][at].clone()
    };
    let path = "project/.claude/skills/pdf/references/deep/api.md";
    let before = digest(&mut server, 2);
    assert_eq!(before["digest"], sha256(b"api\n"));
    // As many bytes as before, and as old: only who reads it sees that it is another.
    let at = env.path(path);
    let modified = std::fs::metadata(&at).unwrap().modified().unwrap();
    std::fs::write(&at, "apx\n").unwrap();
    std::fs::File::options().write(true).open(&at).unwrap().set_modified(modified).unwrap();
    let uri = before["uri"].clone();
    let served = server.ask("resources/read", json!({"uri": uri}));
    let is_refused = served["error"]["code"] == -32602;
    let listed = digest(&mut server, 2);
    // Either it was seen to be new, and is listed so, or it is refused once and listed then.
    assert_eq!(listed["digest"], sha256(b"apx\n"), "{served}");
    assert!(is_refused || served["result"]["contents"][0]["text"] == "apx\n", "{served}");
    assert_eq!(server.result("resources/read", json!({"uri": uri}))["contents"][0]["text"], "apx\n");
    std::fs::remove_file(&at).unwrap();
    assert_eq!(server.error_code("resources/read", json!({"uri": uri})), -32602);
    assert_eq!(server.end().0, 0);
}

/// So that nobody waits for two seconds.
const QUICK: &str = "runtime:\n  hot_swap:\n    watch_interval: 50\n";

#[test]
fn changes_are_told_to_clients_of_both_eras() {
    let env = world();
    env.write("settings/config.yaml", QUICK);
    let mut old = Server::legacy(&env, &[]);
    old.result("resources/subscribe", json!({"uri": "skill://by-hand/SKILL.md"}));
    let mut new = Server::modern(&env, &[]);
    let wanted = json!({"toolsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["skill://by-hand/SKILL.md", "skill://no/SKILL.md"]});
    let id = new.request("subscriptions/listen", json!({"notifications": wanted}));
    let is = |method: &'static str| move |message: &Value| message["method"] == method;
    let accepted = new.wait_for(is("notifications/subscriptions/acknowledged"));
    assert_eq!(
        accepted["params"]["notifications"]["resourceSubscriptions"],
        json!(["skill://by-hand/SKILL.md"])
    );

    env.write("project/.claude/skills/by-hand/SKILL.md", skill_md("by-hand", "Another text."));
    env.skill("project/.claude/skills/brand-new");
    for server in [&mut old, &mut new] {
        for method in [
            "notifications/tools/list_changed",
            "notifications/resources/list_changed",
            "notifications/resources/updated",
        ] {
            let told = server.wait_for(|message| message["method"] == method);
            if server.is_modern {
                assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id, "{told}");
            }
        }
        let said = server.call("list_skills", json!({}));
        assert!(
            said.to_string().contains("Another text.") && said.to_string().contains("brand-new"),
            "{said}"
        );
    }
    // Whoever has enough is told nothing more, and the session goes on.
    new.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
    assert!(new.result("tools/list", json!({})).is_object());
    assert_eq!((old.end().0, new.end().0), (0, 0));
}

/// An edit that goes wrong takes nothing away from whoever works with the skill.
#[test]
fn a_skill_that_breaks_is_given_as_it_was_until_it_is_mended() {
    let env = world();
    env.write("settings/config.yaml", QUICK);
    let mut server = Server::modern(&env, &[]);
    let wanted = json!({"resourcesListChanged": true});
    server.request("subscriptions/listen", json!({"notifications": wanted}));
    server.wait_for(|message| message["method"] == "notifications/subscriptions/acknowledged");
    let changed = |message: &Value| message["method"] == "notifications/resources/list_changed";
    let manifest = "project/.claude/skills/pdf/SKILL.md";
    let sound = env.read(manifest);
    env.write(manifest, "---\nname: [pdf\n---\nbroken\n");
    server.wait_for(changed);
    assert!(server.call("list_skills", json!({})).to_string().contains("- pdf: Does pdf."));
    let given = server.call("activate_skill", json!({"name": "pdf"}));
    assert_eq!(given["structuredContent"]["fallback"], true, "{given}");
    assert!(given["content"][0]["text"].as_str().unwrap().contains("Text of pdf."), "{given}");
    assert_eq!(server.error_code("skills/get", json!({"uri": "skill://pdf/SKILL.md"})), -32602);

    env.write(manifest, sound.replace("Text of pdf.", "Mended text."));
    server.wait_for(changed);
    let given = server.call("activate_skill", json!({"name": "pdf"}));
    assert_eq!(given["structuredContent"]["fallback"], false, "{given}");
    assert!(given["content"][0]["text"].as_str().unwrap().contains("Mended text."), "{given}");
    assert_eq!(server.end().0, 0);
}

/// A project whose `pdf` came from `src`, and another state of it there.
fn world_with_update() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/skills/pdf").file("references/api.md", "first\n").file("references/gone.md", "gone\n");
    #[cfg(unix)]
    env.skill("src/skills/pdf").link("api.md", "references/api.md");
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "Does pdf otherwise."));
    env.write("src/skills/pdf/references/api.md", "second\n");
    env.write("src/skills/pdf/references/new.md", "new\n");
    std::fs::remove_file(env.path("src/skills/pdf/references/gone.md")).unwrap();
    env
}

impl Server {
    /// The text of a file with its state, and the notice before it.
    #[track_caller]
    fn read_file(&mut self, name: &str, path: &str) -> (String, String, String) {
        self.read_with(json!({"name": name, "path": path}))
    }

    #[track_caller]
    fn read_with(&mut self, arguments: Value) -> (String, String, String) {
        let result = self.call("read_skill_file", arguments);
        assert_ne!(result["isError"], true, "{result}");
        let file = &result["structuredContent"];
        let word = |key: &str| file[key].as_str().unwrap_or_default().to_owned();
        let (text, notice) = (word("text"), word("notice"));
        assert_eq!(file["digest"], sha256(text.as_bytes()), "{result}");
        let shown = result["content"][0]["text"].as_str().unwrap();
        let expected = if notice.is_empty() { text.clone() } else { format!("{notice}\n\n{text}") };
        assert_eq!(shown, expected);
        (text, word("state"), notice)
    }
}

fn text_and_state(text: &str, state: &str) -> (String, String) {
    (text.to_owned(), state.to_owned())
}

#[test]
fn a_conversation_gets_the_files_that_its_instructions_were_written_for() {
    let env = world_with_update();
    let mut server = Server::legacy(&env, &[]);
    server.call("activate_skill", json!({"name": "pdf"}));
    server.call("activate_skill", json!({"name": "pdf", "session": "one"}));
    env.run(&["skill", "update", "--yes"]).ends(0);
    let mut paths = vec!["references/api.md"];
    if cfg!(unix) {
        paths.push("./api.md");
    }
    for path in paths {
        let (text, state, notice) = server.read_file("pdf", path);
        assert_eq!((text, state), text_and_state("first\n", "earlier"), "{path}");
        assert!(notice.contains("as it was then") && notice.contains("`activate_skill`"), "{notice}");
    }
    let (text, state, _) = server.read_file("pdf", "references/gone.md");
    assert_eq!((text, state), text_and_state("gone\n", "earlier"));
    let (text, state, notice) = server.read_file("pdf", "references/new.md");
    assert_eq!((text, state), text_and_state("new\n", "verified"));
    assert!(notice.contains("came with the change"), "{notice}");
    // Another conversation of this client begins with what is there now.
    let other = json!({"name": "pdf", "path": "references/api.md", "session": "two"});
    let now = ("second\n".to_owned(), "verified".to_owned(), String::new());
    assert_eq!(server.read_with(other.clone()), now);
    server.call("activate_skill", json!({"name": "pdf", "session": "two"}));
    assert_eq!(server.read_with(other), now);
    let first = server.read_with(json!({"name": "pdf", "path": "references/api.md", "session": "one"}));
    assert_eq!((first.0, first.1), text_and_state("first\n", "earlier"));

    // What a conversation was given elsewhere is remembered beside the server.
    let mut second = Server::modern(&env, &[]);
    let (text, state, _) =
        second.read_with(json!({"name": "pdf", "path": "references/api.md", "session": "one"}));
    assert_eq!((text, state), text_and_state("first\n", "earlier"));
    assert_eq!(second.read_file("pdf", "references/api.md").1, "earlier");
    second.call("activate_skill", json!({"name": "pdf"}));
    assert_eq!(second.read_file("pdf", "references/api.md"), now);

    server.call("activate_skill", json!({"name": "pdf"}));
    assert_eq!(server.read_file("pdf", "references/api.md"), now);
    let said = server.refusal("read_skill_file", json!({"name": "pdf", "path": "references/gone.md"}));
    assert!(said.contains("has no file `references/gone.md`"), "{said}");
    env.run(&["skill", "uninstall", "pdf", "--yes"]).ends(0);
    let (text, state, _) = server.read_file("pdf", "references/api.md");
    assert_eq!((text, state), text_and_state("second\n", "earlier"));
    assert_eq!((server.end().0, second.end().0), (0, 0));
}

#[test]
fn after_the_overlap_a_conversation_gets_what_is_there_now_and_is_told() {
    let env = world_with_update();
    env.write("settings/config.yaml", "runtime:\n  hot_swap:\n    version_overlap: 0\n");
    let mut server = Server::legacy(&env, &[]);
    server.call("activate_skill", json!({"name": "pdf"}));
    env.run(&["skill", "update", "--yes"]).ends(0);
    let (text, state, notice) = server.read_file("pdf", "references/api.md");
    assert_eq!((text, state), text_and_state("second\n", "verified"));
    assert!(
        notice.starts_with("The skill has changed since you loaded it, and this file with it"),
        "{notice}"
    );
    let said = server.refusal("read_skill_file", json!({"name": "pdf", "path": "references/gone.md"}));
    assert!(said.contains("has changed since you loaded it") && said.contains("`activate_skill`"), "{said}");
    let said = server.refusal("read_skill_file", json!({"name": "pdf", "path": "never-was.md"}));
    assert!(!said.contains("has changed"), "{said}");
    assert_eq!(server.end(), (0, String::new()));
}

#[test]
fn the_files_of_a_skill_that_no_registry_knows_are_kept_while_it_is_in_use() {
    let env = world();
    let mut server = Server::legacy(&env, &[]);
    server.call("activate_skill", json!({"name": "by-hand"}));
    env.write("project/.claude/skills/by-hand/notes.md", "other\n");
    let (text, state, _) = server.read_file("by-hand", "notes.md");
    assert_eq!((text, state), text_and_state("mine\n", "earlier"));
    // Back as it was: nothing has changed.
    env.write("project/.claude/skills/by-hand/notes.md", "mine\n");
    let as_it_is = ("mine\n".to_owned(), "unmanaged".to_owned(), String::new());
    assert_eq!(server.read_file("by-hand", "notes.md"), as_it_is);
    // An edit that goes wrong: the instructions stay readable, and the skill can be gone.
    let before = env.read("project/.claude/skills/by-hand/SKILL.md");
    env.write("project/.claude/skills/by-hand/SKILL.md", "---\nname: [\n---\n");
    let (text, state, _) = server.read_file("by-hand", "SKILL.md");
    assert_eq!((text.as_str(), state.as_str()), (before.as_str(), "earlier"));
    std::fs::remove_dir_all(env.path("project/.claude/skills/by-hand")).unwrap();
    let (text, state, _) = server.read_file("by-hand", "notes.md");
    assert_eq!((text, state), text_and_state("mine\n", "earlier"));
    // Who has not begun with it has nothing of it.
    let mut other = Server::legacy(&env, &[]);
    other.refusal("read_skill_file", json!({"name": "by-hand", "path": "notes.md"}));
    // An earlier state that is in no cache any more is not made up.
    server.call("activate_skill", json!({"name": "docx"}));
    env.write("project/.claude/skills/docx/SKILL.md", skill_md("docx", "Edited."));
    env.run(&["cache", "clear", "--yes"]).ends(0);
    let (text, state, notice) = server.read_file("docx", "SKILL.md");
    assert!(text.contains("Edited.") && state == "edited", "{text}");
    assert!(notice.contains("what it was is not kept here"), "{notice}");
    assert_eq!((server.end().0, other.end().0), (0, 0));
}

#[cfg(unix)]
#[test]
fn what_an_author_links_is_read_as_it_is() {
    let env = TestEnv::new();
    env.skill("project/lib/pdf").file("notes.md", "mine\n");
    env.run(&["skill", "install", "./lib/pdf", "--link"]).ends(0);
    let mut server = Server::legacy(&env, &[]);
    server.call("activate_skill", json!({"name": "pdf"}));
    env.write("project/lib/pdf/notes.md", "better\n");
    assert_eq!(server.read_file("pdf", "notes.md").0, "better\n");
    assert_eq!(server.end().0, 0);
}

#[test]
fn a_kept_version_is_read_for_as_long_as_it_is_kept() {
    let env = world_with_update();
    let text = env.read("project/.claude/skills/pdf/SKILL.md");
    let versioned = |text: &str, version| text.replacen("---\n", &format!("---\nversion: {version}\n"), 1);
    env.write("src/skills/pdf/SKILL.md", versioned(&text, "1.0.0"));
    env.run(&["skill", "update", "--yes"]).ends(0);
    env.write("src/skills/pdf/SKILL.md", versioned(&text, "2.0.0"));
    env.write("src/skills/pdf/references/new.md", "of two\n");
    env.run(&["skill", "update", "--yes", "--keep"]).ends(0);
    env.write("settings/config.yaml", "runtime:\n  hot_swap:\n    version_overlap: 0\n");
    let mut server = Server::legacy(&env, &[]);
    let read = |version: Option<&str>| {
        let mut arguments = json!({"name": "pdf", "path": "references/new.md"});
        if let Some(version) = version {
            arguments["version"] = version.into();
        }
        arguments
    };
    let one = ("new\n".to_owned(), "verified".to_owned(), String::new());
    let two = ("of two\n".to_owned(), "verified".to_owned(), String::new());
    assert_eq!(server.read_with(read(None)), two);
    assert_eq!(server.read_with(read(Some("1.0.0"))), one);
    assert_eq!(server.read_with(read(Some("latest"))), two);
    // Whoever has loaded one reads on in it.
    server.call("activate_skill", json!({"name": "pdf", "version": "1.0.0"}));
    assert_eq!(server.read_with(read(None)), one);
    assert_eq!(server.read_with(read(Some("2.0.0"))), two);
    let said = server.refusal("read_skill_file", read(Some("7.0.0")));
    assert!(
        said.contains("version `7.0.0` of `pdf` is not kept") && said.contains("skill versions pdf"),
        "{said}"
    );
    let said =
        server.refusal("read_skill_file", json!({"name": "pdf", "path": "SKILL.md", "session": "../x"}));
    assert!(said.contains("not a valid session id"), "{said}");
    assert_eq!(server.end(), (0, String::new()));
}

#[test]
fn a_skill_that_came_a_moment_ago_is_found() {
    let env = world();
    let mut server = Server::legacy(&env, &[]);
    server.call("list_skills", json!({}));
    env.skill("project/.claude/skills/just-now");
    let said = server.call("activate_skill", json!({"name": "just-now"}));
    assert!(said.to_string().contains("Text of just-now"), "{said}");
    assert_eq!(server.end().0, 0);
}

#[test]
fn garbage_is_answered_and_the_session_goes_on() {
    let env = world();
    let mut server = Server::start(&env, &[]);
    // Before the session has begun, and within it.
    for _ in 0..2 {
        for (line, code) in [
            (&b"no json"[..], -32700),
            (b"{\"jsonrpc\":", -32700),
            (b"\xff\xfe\x00\x01\x1b[31m", -32700),
            (b"[]", -32600),
            (b"17", -32600),
            (b"{}", -32600),
            (b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", -32600),
            (b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\",\"params\":3}", -32602),
        ] {
            server.send_bytes(&[line, b"\n"].concat());
            let answer = server.wait_for(|message| message.get("error").is_some());
            assert_eq!(answer["error"]["code"], code, "{}", String::from_utf8_lossy(line));
        }
        let deep = format!("{}1{}\n", "{\"a\":".repeat(5_000), "}".repeat(5_000));
        server.send_bytes(deep.as_bytes());
        assert_eq!(server.wait_for(|message| message.get("error").is_some())["error"]["code"], -32700);
        // Not a request, so nothing is answered.
        for line in [
            "",
            "   ",
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/unheard\",\"params\":{\"a\":1}}",
            "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}",
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":77}}",
        ] {
            server.send_bytes(format!("{line}\n").as_bytes());
        }
        if server.last_id == 0 {
            server.initialize("2025-11-25");
        }
    }
    assert_eq!(server.result("ping", json!({})), json!({}));
    let wrong = json!({"_meta": 3});
    assert!(server.ask("tools/list", wrong).get("error").is_some());
    assert_eq!(server.result("ping", json!({})), json!({}));
    assert!(server.aside.is_empty(), "{:?}", server.aside);
    assert_eq!(server.end(), (0, String::new()));
}

/// What the process needed at most, in KiB.
#[cfg(target_os = "linux")]
fn peak_of(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_without_an_end_costs_no_memory() {
    let env = world();
    let mut server = Server::legacy(&env, &[]);
    let before = peak_of(&server.child);
    let piece = vec![b'x'; 1 << 20];
    server.send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"a\":\"");
    for _ in 0..64 {
        server.send_bytes(&piece);
    }
    server.send_bytes(b"\"}}\n");
    let answer = server.wait_for(|message| message.get("error").is_some());
    assert_eq!(answer["error"]["code"], -32600);
    assert!(answer["error"]["message"].as_str().unwrap().contains("more than 4194304 bytes"), "{answer}");
    let grown = peak_of(&server.child) - before;
    assert!(grown < 24 << 10, "{grown} KiB more");
    assert_eq!(server.result("ping", json!({})), json!({}));
    assert_eq!(server.end(), (0, String::new()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_never_reads_is_not_waited_for_with_growing_memory() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let env = world();
    env.write("project/.claude/skills/by-hand/large.txt", vec![b'y'; 900 << 10]);
    let mut child = env
        .command(&["mcp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let writer = std::thread::spawn(move || {
        let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
            "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}});
        writeln!(input, "{begin}").unwrap();
        for id in 1..100_000 {
            let call = json!({"jsonrpc": "2.0", "id": id, "method": "resources/read",
                "params": {"uri": "skill://by-hand/large.txt"}});
            if writeln!(input, "{call}").is_err() {
                return;
            }
            count.store(id, Ordering::SeqCst);
        }
    });
    // Until it takes no more; a slow machine only makes this end earlier.
    let mut last = usize::MAX;
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = sent.load(Ordering::SeqCst);
        if now == last {
            break;
        }
        last = now;
    }
    assert!(last < 99_999, "everything was read, and nothing of it answered");
    let peak = peak_of(&child);
    assert!(peak < 96 << 10, "{peak} KiB");
    drop(output);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    writer.join().unwrap();
}

#[test]
fn a_thousand_calls_at_once_are_each_answered_once() {
    let env = world();
    let mut server = Server::legacy(&env, &[]);
    let mut input = server.input.take().unwrap();
    let writer = std::thread::spawn(move || {
        for id in 1_000..2_000 {
            let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
                "params": {"name": "read_skill_file", "arguments": {"name": "pdf", "path": "SKILL.md"}}});
            writeln!(input, "{call}").unwrap();
        }
        input
    });
    let mut open: BTreeSet<i64> = (1_000..2_000).collect();
    while !open.is_empty() {
        let answer = server.receive();
        assert_eq!(answer["result"]["structuredContent"]["state"], "verified", "{answer}");
        assert!(open.remove(&answer["id"].as_i64().unwrap()), "answered twice: {answer}");
    }
    server.input = Some(writer.join().unwrap());
    assert_eq!(server.end(), (0, String::new()));
}

#[test]
fn a_cancelled_call_leaves_the_session_as_it_was() {
    let env = world();
    let mut server = Server::legacy(&env, &[]);
    for _ in 0..50 {
        let id = server.request("tools/call", json!({"name": "list_skills", "arguments": {}}));
        server.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}),
        );
    }
    // Each was answered or not, and none of them is in the way.
    assert_eq!(server.result("ping", json!({})), json!({}));
    assert_eq!(server.end(), (0, String::new()));
}

#[test]
fn it_ends_when_the_client_goes() {
    let env = world();
    // Nothing was wanted.
    assert_eq!(Server::start(&env, &[]).end(), (0, String::new()));
    assert_eq!(env.run(&["mcp"]).ends(0).stdout, "");
    // Half a line, and the end.
    let mut server = Server::legacy(&env, &[]);
    server.send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":5,\"meth");
    assert_eq!(server.end(), (0, String::new()));
    // Everything that was asked is answered before it goes, a last line without its end too.
    let mut server = Server::legacy(&env, &[]);
    for id in 10..30 {
        server.send_bytes(
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"skills/list\"}}\n").as_bytes(),
        );
    }
    server.send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":30,\"method\":\"ping\"}");
    drop(server.input.take());
    let answered: BTreeSet<i64> = server
        .lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(&line).unwrap()["id"].as_i64().unwrap())
        .filter(|id| *id >= 10)
        .collect();
    assert_eq!(answered, (10..=30).collect());
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    // Whoever read has gone, and nothing more is written.
    let mut child = env.command(&["mcp"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    while input.write_all(ping.as_bytes()).is_ok() {}
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_at_once() {
    let env = world();
    let mut server = Server::legacy(&env, &[]);
    let pid = rustix::process::Pid::from_raw(i32::try_from(server.child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(130));
    assert_eq!(server.end().1, "");
}

#[test]
fn text_of_others_obeys_no_terminal() {
    let env = TestEnv::new();
    let tricky = "Does \u{1b}[31mharm\u{1b}[0m.\\u200b Use \u{202e}it\u{7}.";
    env.write(
        "project/.claude/skills/tricky/SKILL.md",
        format!(
            "---\nname: tricky\ndescription: \"{}\"\n---\nbody\n",
            tricky.replace('\u{1b}', "\\e").replace('\u{7}', "\\a").replace('\u{202e}', "\\u202e")
        ),
    );
    env.write("project/.claude/skills/a\u{1b}b/SKILL.md", skill_md("ab", "Has a name that is none."));
    let mut server = Server::legacy(&env, &[]);
    let is_sound = |text: &str| {
        !text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}' || c == '\u{200b}')
    };
    for (tool, arguments) in [
        ("list_skills", json!({})),
        ("search_skills", json!({"query": "harm"})),
        ("search_skills", json!({"query": "name"})),
    ] {
        let said = server.call(tool, arguments);
        let text = said["content"][0]["text"].as_str().unwrap();
        assert!(is_sound(text), "{text:?}");
        for row in said["structuredContent"]["skills"].as_array().unwrap() {
            assert!(
                is_sound(row["description"].as_str().unwrap()) && is_sound(row["name"].as_str().unwrap()),
                "{row}"
            );
        }
    }
    let (status, said) = server.end();
    assert_eq!(status, 0);
    assert!(is_sound(&said), "{said:?}");
}

#[test]
fn it_says_what_is_wrong_before_it_begins() {
    let env = world();
    env.run(&["mcp", "--json"]).ends(2).prints("a server prints no document");
    env.run(&["mcp", "--for", "claud-code"]).ends(2).says("claude-code");
    env.write("project/.ba-agent/config.yaml", "skils: {}\n");
    env.run(&["mcp"]).ends(2).says("skils");
}

/// A server that is started in a project which somebody else wrote.
#[cfg(unix)]
#[test]
fn a_hostile_project_leads_the_server_nowhere() {
    let env = world();
    env.write("home/.ssh/SKILL.md", skill_md("keys", "Secret keys."));
    for sources in [
        "[{path: /, recursive: true}]",
        "[{path: ~/.ssh}]",
        "[{path: ../home}]",
        "[{path: \"${HOME}/.ssh\"}]",
    ] {
        env.write(
            "project/claude-skills-loader-config.yaml",
            format!("loader: {{scan_sources: {sources}}}\n"),
        );
        let (status, said) = Server::start(&env, &[]).end();
        assert_eq!(status, 2, "{said}");
        assert!(said.contains("claude-skills-loader-config.yaml"), "{said}");
    }
    std::fs::create_dir(env.path("project/team")).unwrap();
    std::os::unix::fs::symlink(env.path("home"), env.path("project/team/away")).unwrap();
    std::os::unix::fs::symlink("..", env.path("project/team/again")).unwrap();
    env.write(
        "project/claude-skills-loader-config.yaml",
        "loader: {scan_sources: [{path: ./team, recursive: true, priority: 900}]}\n\
         runtime: {permissions: {default_allow: [shell_exec]}}\n",
    );
    let pattern = vec!["(x+x+)+y"; 3_000];
    let rules = json!({"skills": {"pdf": {"promptTriggers": {"intentPatterns": pattern}}}});
    env.write("project/.claude/skills/skill-rules.json", rules.to_string());
    let mut server = Server::legacy(&env, &[]);
    let listed = server.call("list_skills", json!({})).to_string();
    assert!(listed.contains("- pdf: ") && !listed.contains("keys"), "{listed}");
    let found = server.call("search_skills", json!({"query": "x".repeat(200_000)}));
    assert_ne!(found["isError"], true, "{found}");
    let given = server.call("activate_skill", json!({"name": "pdf"}));
    assert_eq!(given["structuredContent"]["context_modifier"]["allowed_tools"], json!([]), "{given}");
    server.end();
}

#[test]
fn the_settings_of_each_agent_name_the_server() {
    let env = TestEnv::new();
    let program = env!("CARGO_BIN_EXE_ba-agent");
    let entry = |path: [&str; 2], agent: &str| {
        let report = env.run(&["mcp", "config", "--agent", agent, "--json"]).ends(0).json();
        let whole: Value = serde_json::from_str(report["text"].as_str().unwrap()).unwrap();
        (report["file"].clone(), whole[path[0]][path[1]].clone())
    };
    let file = |path: &str| json!(format!("[PROJECT]/{path}"));
    let plain = json!({"command": program, "args": ["mcp"]});
    assert_eq!(entry(["mcpServers", "ba-agent"], "claude-code"), (file(".mcp.json"), plain.clone()));
    assert_eq!(entry(["mcpServers", "ba-agent"], "cursor"), (file(".cursor/mcp.json"), plain.clone()));
    assert_eq!(
        entry(["mcpServers", "ba-agent"], "gemini-cli"),
        (file(".gemini/settings.json"), plain.clone())
    );
    assert_eq!(entry(["mcpServers", "ba-agent"], "generic"), (Value::Null, plain));
    assert_eq!(
        entry(["servers", "ba-agent"], "vscode"),
        (file(".vscode/mcp.json"), json!({"type": "stdio", "command": program, "args": ["mcp"]}))
    );
    assert_eq!(
        entry(["mcp", "ba-agent"], "opencode"),
        (file("opencode.json"), json!({"type": "local", "command": [program, "mcp"]}))
    );
    let toml = env.run(&["mcp", "config", "--agent", "codex"]).ends(0).says("/.codex/config.toml; `--write`");
    assert_eq!(toml.stdout, format!("[mcp_servers.ba-agent]\ncommand = \"{program}\"\nargs = [\"mcp\"]\n"));
    assert_eq!(
        env.picture("project"),
        BTreeMap::from([(".git".to_owned(), "/".to_owned())]),
        "nothing was written"
    );
    env.run(&["mcp", "config", "--agent", "claude-code", "--global"])
        .ends(0)
        .says("claude mcp add --scope user ba-agent");
    env.run(&["mcp", "config", "--agent", "emacs"]).ends(2).says("vscode");
}

/// An update of the program counts: the agent starts what its user starts.
#[cfg(unix)]
#[test]
fn the_server_is_named_as_the_program_was_typed() {
    use std::os::unix::process::CommandExt as _;
    let env = TestEnv::new();
    let command_of = |typed: &str| {
        let mut command = env.command(&["mcp", "config", "--agent", "cursor"]);
        let run = env.done(command.arg0(typed).output().unwrap()).ends(0);
        run.json()["mcpServers"]["ba-agent"]["command"].clone()
    };
    assert_eq!(command_of("ba-agent"), "ba-agent");
    assert_eq!(command_of("/opt/x/ba-agent"), "/opt/x/ba-agent");
    assert_eq!(command_of("../bin/ba-agent"), "[PROJECT]/../bin/ba-agent");
}

#[test]
fn settings_are_written_into_and_all_else_stays() {
    let env = TestEnv::new();
    let program = env!("CARGO_BIN_EXE_ba-agent");
    let write = |agent: &str| {
        env.run(&["mcp", "config", "--agent", agent, "--write", "--json"]).ends(0).json()["changed"].clone()
    };
    // A new file, and the same again.
    assert_eq!((write("claude-code"), write("claude-code")), (json!(true), json!(false)));
    let written: Value = serde_json::from_str(&env.read("project/.mcp.json")).unwrap();
    assert_eq!(written, json!({"mcpServers": {"ba-agent": {"command": program, "args": ["mcp"]}}}));
    // Comments, order, and what somebody gave our entry.
    let before = "{\n    // mine\n    \"servers\": {\n        \"ba-agent\": {\"command\": \"old\", \"env\": {\"A\": \"1\"}},\n        \"z\": {}, /* last */\n    },\n}\n";
    env.write("project/.vscode/mcp.json", before);
    assert_eq!(write("vscode"), true);
    let after = env.read("project/.vscode/mcp.json");
    let ours = format!(
        "{{\"command\": \"{program}\", \"env\": {{\"A\": \"1\"}}, \"type\": \"stdio\", \"args\": [\"mcp\"]}}"
    );
    let expected = before.replace("{\"command\": \"old\", \"env\": {\"A\": \"1\"}}", &ours);
    assert_eq!(after.replace(' ', ""), expected.replace(' ', ""));
    assert!(
        after.starts_with("{\n    // mine\n    \"servers\": {\n")
            && after.ends_with("\n        \"z\": {}, /* last */\n    },\n}\n"),
        "{after}"
    );
    let before = "# mine\nmodel = \"x\"   # kept\n\n[mcp_servers.other]\ncommand = \"o\"\n";
    env.write("project/.codex/config.toml", before);
    assert_eq!((write("codex"), write("codex")), (json!(true), json!(false)));
    assert_eq!(
        env.read("project/.codex/config.toml"),
        format!("{before}\n[mcp_servers.ba-agent]\ncommand = \"{program}\"\nargs = [\"mcp\"]\n")
    );
    // The user's own.
    env.run(&["mcp", "config", "--agent", "codex", "--global", "--write"]).ends(0).says("Wrote the server");
    assert!(env.read("home/.codex/config.toml").contains("[mcp_servers.ba-agent]"));
    env.run(&["mcp", "config", "--agent", "claude-code", "--global", "--write"])
        .ends(2)
        .says("claude mcp add");
    env.run(&["mcp", "config", "--agent", "generic", "--write"]).ends(2);
}

#[test]
fn settings_that_cannot_be_read_stay_as_they_are() {
    let env = TestEnv::new();
    for (agent, path, text, words) in [
        ("claude-code", ".mcp.json", "{\"mcpServers\": {", "line 1, column"),
        ("claude-code", ".mcp.json", "[]", "expected an object"),
        ("claude-code", ".mcp.json", "{\"mcpServers\": []}", "expected an object for `mcpServers`"),
        ("codex", ".codex/config.toml", "a = \n", "cannot be changed"),
        ("codex", ".codex/config.toml", "mcp_servers = 3\n", "expected a table for `mcp_servers`"),
        ("gemini-cli", ".gemini/settings.json", "\u{1b}[31m", "line 1"),
    ] {
        let below = format!("project/{path}");
        env.write(&below, text);
        env.run(&["mcp", "config", "--agent", agent, "--write"]).ends(1).says(words);
        assert_eq!(env.read(&below), text);
    }
}

/// A project must not have a file outside of it changed.
#[cfg(unix)]
#[test]
fn settings_outside_of_the_project_are_not_written() {
    let env = TestEnv::new();
    env.write("home/.codex/config.toml", "a = 1\n");
    env.write("home/mine.json", "{}\n");
    std::os::unix::fs::symlink(env.path("home/.codex"), env.path("project/.codex")).unwrap();
    std::os::unix::fs::symlink(env.path("home/mine.json"), env.path("project/.mcp.json")).unwrap();
    env.run(&["mcp", "config", "--agent", "codex", "--write"]).ends(2).says("of the project is outside it");
    env.run(&["mcp", "config", "--agent", "claude-code", "--write"]).ends(2);
    assert_eq!(
        (env.read("home/.codex/config.toml"), env.read("home/mine.json")),
        ("a = 1\n".into(), "{}\n".into())
    );
}
