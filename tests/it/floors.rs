//! What may know what. Between crates Cargo sees to it, and this file says which arrows there may
//! be; inside the crates it looks for what Cargo does not see: a file that names a module of a
//! higher floor, IO among the rules, a process, a line that is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which crates of the program a crate may use, tests aside.
const ARROWS: &[(&str, &[&str])] = &[
    ("ba-agent-core", &[]),
    ("ba-agent-archive", &["ba-agent-core"]),
    ("ba-agent-system", &["ba-agent-core"]),
    ("ba-agent-net", &["ba-agent-core", "ba-agent-system"]),
    ("ba-agent-git", &["ba-agent-core", "ba-agent-net", "ba-agent-system"]),
    ("ba-agent-objects", &["ba-agent-core", "ba-agent-net", "ba-agent-system"]),
    (
        "ba-agent-engine",
        &[
            "ba-agent-archive",
            "ba-agent-core",
            "ba-agent-git",
            "ba-agent-net",
            "ba-agent-objects",
            "ba-agent-system",
            "ba-agent-tlog",
        ],
    ),
    ("ba-agent", &["ba-agent-core", "ba-agent-engine", "ba-agent-system"]),
    (
        "ba-agent-registry",
        &["ba-agent-archive", "ba-agent-core", "ba-agent-net", "ba-agent-objects", "ba-agent-system"],
    ),
    ("ba-agent-test-support", &["ba-agent-system"]),
    ("ba-agent-tlog", &["ba-agent-core", "ba-agent-objects", "ba-agent-system"]),
];

/// The floors of the engine, by module.
const FLOORS: &[(&str, u8)] = &[
    ("agent_sessions", 2),
    ("builtin", 1),
    ("fetch", 2),
    ("fingerprint", 2),
    ("graph_facts", 2),
    ("history", 2),
    ("install_dirs", 2),
    ("install_state", 2),
    ("kept_versions", 2),
    ("poll", 2),
    ("registry_facts", 2),
    ("registry_tokens", 2),
    ("loader", 2),
    ("registry_files", 2),
    ("scope", 2),
    ("sealed_cache", 2),
    ("settings", 2),
    ("skill_content", 2),
    ("skill_graph", 2),
    ("skill_index", 2),
    ("skill_words", 2),
    ("store", 2),
    ("unmanaged", 2),
    ("usage_log", 2),
    ("workspace", 2),
    ("ops", 3),
    ("fuzz", 4),
    ("lib", 4),
];

/// The floors of the server, by module.
const SERVER_FLOORS: &[(&str, u8)] = &[
    ("clock", 1),
    ("log", 1),
    ("rates", 1),
    ("settings", 1),
    ("stored_file", 1),
    ("db", 2),
    ("fetch", 2),
    ("files", 2),
    ("metrics", 2),
    ("problem", 2),
    ("registry", 2),
    ("scan", 2),
    ("shelf", 2),
    ("store", 2),
    ("auth", 3),
    ("background", 3),
    ("browse", 3),
    ("login", 3),
    ("publish", 3),
    ("versions", 3),
    ("work", 3),
    ("api", 4),
    ("lib", 4),
    ("main", 4),
    ("openapi", 4),
    ("pages", 4),
    ("route_spec", 4),
    ("routes", 4),
    ("serve", 4),
];

fn floor(package: &str, module: &str) -> Option<u8> {
    let floors = if package == SERVER { SERVER_FLOORS } else { FLOORS };
    floors.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// A Rust file of the program.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// The folder of its crate below `crates/`, empty for the root package.
    pub(crate) package: String,
    /// The modules that it stands in, its own last; none for the top of a crate.
    pub(crate) module: Vec<String>,
}

impl Source {
    /// The module right below the top of its crate, or the name of the top's file.
    fn top(&self) -> String {
        let name = || self.path.file_stem().unwrap().to_string_lossy().into_owned();
        self.module.first().cloned().unwrap_or_else(name)
    }

    /// For tests alone, whole.
    pub(crate) fn is_for_tests(&self) -> bool {
        let aside = ["tests", "testing", "routes", "corpus", "fuzz", "bench", "laws", "mutations"];
        self.package == "test-support" || self.module.iter().any(|part| aside.contains(&part.as_str()))
    }
}

/// The folder of the server of a registry, and what its files are known by here.
const SERVER: &str = "registry";

/// Every Rust file of the program, of all crates.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut packages = vec![(String::new(), root.join("src"))];
    for folder in std::fs::read_dir(root.join("crates")).unwrap().map(Result::unwrap) {
        packages.push((folder.file_name().into_string().unwrap(), folder.path().join("src")));
    }
    // The server stands beside the client; a package of the client alone has no such folder.
    let server = root.join(SERVER).join("src");
    if server.is_dir() {
        packages.push((SERVER.to_owned(), server));
    }
    packages.into_iter().flat_map(|(package, src)| sources_of(&package, &src)).collect()
}

fn sources_of(package: &str, src: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|e| e == "rs") => {
                    let below = path.strip_prefix(src).unwrap().with_extension("");
                    let part = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
                    let mut module: Vec<String> = below.iter().map(part).collect();
                    if module == ["lib"] || module == ["main"] {
                        module.clear();
                    }
                    files.push(Source { path, package: package.to_owned(), module });
                }
                _ => {}
            }
        }
    }
    files
}

/// What cargo knows of the packages that are built for this machine.
fn metadata() -> Value {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let args = ["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host];
    let out =
        Command::new(env!("CARGO")).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Each package by its id, and the ids of those that it is built with, tests aside.
fn packages(metadata: &Value) -> BTreeMap<&str, (&Value, BTreeSet<&str>)> {
    let id = |value: &'_ Value, key: &str| value[key].as_str().unwrap().to_owned();
    let by_id = |wanted: &str| {
        metadata["packages"].as_array().unwrap().iter().find(|package| id(package, "id") == wanted).unwrap()
    };
    let mut all = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let is_built = |dep: &&Value| {
            dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].as_str() != Some("dev"))
        };
        let deps = node["deps"].as_array().unwrap().iter().filter(is_built);
        let deps = deps.map(|dep| dep["pkg"].as_str().unwrap()).collect();
        all.insert(node["id"].as_str().unwrap(), (by_id(node["id"].as_str().unwrap()), deps));
    }
    all
}

#[test]
fn crates_depend_on_each_other_as_it_is_drawn() {
    let metadata = metadata();
    let packages = packages(&metadata);
    let mut seen = BTreeSet::new();
    for (package, deps) in packages.values().filter(|(package, _)| package["source"].is_null()) {
        let name = package["name"].as_str().unwrap();
        let allowed = ARROWS.iter().find(|(known, _)| *known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("`{name}` has no line in this table"));
        seen.insert(name);
        let own = deps.iter().map(|id| packages[id].0).filter(|dep| dep["source"].is_null());
        let own: BTreeSet<&str> = own.map(|dep| dep["name"].as_str().unwrap()).collect();
        assert_eq!(own, allowed.iter().copied().collect(), "{name}");
    }
    assert_eq!(seen.len(), ARROWS.len(), "{seen:?}");
}

#[test]
fn the_rules_are_built_without_a_compiler_of_c() {
    let metadata = metadata();
    let packages = packages(&metadata);
    let core = packages.iter().find(|(_, (package, _))| package["name"] == "ba-agent-core").unwrap();
    let (mut seen, mut open) = (BTreeSet::new(), vec![*core.0]);
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(packages[id].1.iter().copied());
        }
    }
    assert!(seen.len() > 20, "only {} packages: is this still the tree?", seen.len());
    for package in seen.iter().map(|id| packages[id].0) {
        let name = package["name"].as_str().unwrap();
        assert!(package["links"].is_null(), "{name} links a library");
        assert!(!["cc", "cmake", "bindgen", "pkg-config"].contains(&name), "{name} builds C");
    }
}

#[test]
fn the_rules_do_no_io() {
    let words = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "std::time",
        "fs_err",
        "tempfile",
        "io::stdin",
        "io::stdout",
        "io::stderr",
        "Timestamp::now",
        "Zoned::now",
    ];
    let mut files = 0;
    for source in sources().into_iter().filter(|source| source.package == "core" && !source.is_for_tests()) {
        files += 1;
        let text = std::fs::read_to_string(&source.path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let found = words.iter().find(|word| line.contains(*word));
            assert!(found.is_none(), "{}: {line}", source.path.display());
        }
    }
    assert!(files >= 50, "only {files} files");
}

#[test]
fn no_file_uses_a_higher_floor() {
    let mut faults = Vec::new();
    let mut uses = 0;
    let has_floors = |source: &Source| ["engine", SERVER].contains(&source.package.as_str());
    for source in sources().into_iter().filter(has_floors) {
        let module = source.top();
        let own = floor(&source.package, &module)
            .unwrap_or_else(|| panic!("`{module}` has no floor in this table"));
        let text = std::fs::read_to_string(&source.path).unwrap();
        for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for part in line.split("crate::").skip(1) {
                let named: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(other) = floor(&source.package, &named) else { continue };
                uses += 1;
                if other > own {
                    let path = source.path.display();
                    faults.push(format!("{path}:{}: {module} ({own}) names {named} ({other})", n + 1));
                }
            }
        }
    }
    assert!(uses > 100, "only {uses} uses were seen: does this test still read the code?");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn processes_are_started_by_the_transports_and_for_the_user_alone() {
    // Beside the transports: what the user's own environment names, and a person asked for.
    let allowed = [
        "git/src/ssh.rs",
        "net/src/credentials/helper.rs",
        // The scanner that the operator of a registry set.
        "registry/src/scan.rs",
        "src/pager.rs",
        "src/editor.rs",
        "src/browser.rs",
        // What a person starts as a server.
        "src/registry_server.rs",
    ];
    for source in sources().into_iter().filter(|source| !source.is_for_tests()) {
        let text = std::fs::read_to_string(&source.path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let starts = code.contains("Command::new(") && code.contains("process::");
        let path = source.path.display().to_string().replace('\\', "/");
        assert!(!starts || allowed.iter().any(|end| path.ends_with(end)), "{path} starts a process");
    }
}

#[test]
fn only_faces_print_and_know_the_command_line() {
    let faces = ["cli", "ui", "lib", "main"];
    let words = ["println!", "print!(", "eprint!(", "dbg!", "io::stdout()", "io::stderr()", "clap::"];
    let is_face = |source: &Source| {
        let is_client = source.package.is_empty() && faces.contains(&source.top().as_str());
        // The server has its command line, and a log.
        let is_server = source.package == SERVER && ["main", "log"].contains(&source.top().as_str());
        is_client || is_server
    };
    for source in sources().into_iter().filter(|source| !source.is_for_tests() && !is_face(source)) {
        let path = source.path.display().to_string().replace('\\', "/");
        let text = std::fs::read_to_string(&source.path).unwrap();
        for line in text.split("#[cfg(test)]").next().unwrap().lines() {
            // Whether they are terminals is asked where the surroundings are read.
            let is_asked = path.ends_with("system/src/env.rs") && line.contains("is_terminal()");
            let found = words.iter().find(|word| line.contains(*word) && !is_asked);
            assert!(found.is_none(), "{path} is no face: {line}");
        }
    }
}

/// The servers wait for clients; nothing else of the program waits for more than one thing.
#[test]
fn only_the_servers_are_asynchronous() {
    let words = ["async fn", "async move", "async {", "tokio::", "rmcp::"];
    let mut files = 0;
    let is_client = |source: &Source| !source.is_for_tests() && source.package != SERVER;
    for source in sources().into_iter().filter(is_client) {
        let is_server = source.package.is_empty() && source.top() == "mcp";
        files += usize::from(is_server);
        let text = std::fs::read_to_string(&source.path).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let found = words.iter().find(|word| line.contains(*word));
            assert!(found.is_none() || is_server, "{}: {line}", source.path.display());
        }
    }
    assert!(files >= 3, "only {files} files of the server were seen");
    for manifest in ["core", "archive", "system", "net", "git", "engine"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates").join(manifest).join("Cargo.toml");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(!text.contains("tokio") && !text.contains("rmcp"), "{manifest} is asynchronous");
    }
}

/// `fuzz/` is no part of what `cargo test` builds.
#[test]
fn each_fuzz_target_has_its_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Not in the package, which has no folder of another package.
    let Ok(manifest) = std::fs::read_to_string(root.join("fuzz/Cargo.toml")) else { return };
    let read_me = std::fs::read_to_string(root.join("fuzz/README.md")).unwrap();
    let seeds = std::fs::read_to_string(root.join("fuzz/seeds.rs")).unwrap();
    let mut names = BTreeSet::new();
    for source in
        sources().into_iter().filter(|source| source.module == ["fuzz"] && source.package != "test-support")
    {
        let library = format!("ba_agent_{}", source.package);
        assert!(seeds.contains(&format!("{library}::fuzz::TARGETS")), "{library}");
        let text = std::fs::read_to_string(&source.path).unwrap();
        let table = text.split_once("TARGETS: &[Target] =").unwrap().1.split_once("];").unwrap().0;
        for name in table.split("(\"").skip(1).map(|line| line.split('"').next().unwrap().to_owned()) {
            let file = std::fs::read_to_string(root.join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
            assert!(file.contains(&format!("{library}::fuzz::{name}(data)")), "{name}");
            assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
            assert!(read_me.contains(&format!("| `{name}` |")), "{name}");
            assert!(names.insert(name.clone()), "two targets are called {name}");
        }
    }
    let files = std::fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap().count();
    assert_eq!(files, names.len());
}
