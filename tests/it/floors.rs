//! The floors: no file names a module of a higher one, and nothing is missing in the table.

use std::path::{Path, PathBuf};

/// Module to floor, as `src/lib.rs` draws it.
const FLOORS: &[(&str, u8)] = &[
    ("error", 0),
    ("fsx", 0),
    ("interrupt", 0),
    ("parallel", 0),
    ("agents", 1),
    ("builtin", 1),
    ("catalog", 1),
    ("diff", 1),
    ("digest", 1),
    ("discover", 1),
    ("interop", 1),
    ("json", 1),
    ("package", 1),
    ("listing", 1),
    ("path", 1),
    ("registry", 1),
    ("search", 1),
    ("skill", 1),
    ("source", 1),
    ("version", 1),
    ("text", 1),
    ("cache", 2),
    ("env", 2),
    ("fetch", 2),
    ("history", 2),
    ("install_dirs", 2),
    ("install_state", 2),
    ("scope", 2),
    ("settings", 2),
    ("store", 2),
    ("workspace", 2),
    ("ops", 3),
    ("bench", 4),
    ("cli", 4),
    ("fuzz", 4),
    ("ui", 4),
    ("lib", 4),
    ("main", 4),
];

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// Every Rust file of the program.
pub(crate) fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|e| e == "rs") => files.push(path),
                _ => {}
            }
        }
    }
    files
}

/// The top module that a file belongs to.
fn module_of(file: &Path) -> String {
    let below = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn no_file_uses_a_higher_floor() {
    let mut faults = Vec::new();
    let mut uses = 0;
    for file in sources() {
        let module = module_of(&file);
        let own = floor(&module).unwrap_or_else(|| panic!("`{module}` has no floor in this table"));
        let text = std::fs::read_to_string(&file).unwrap();
        for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for part in line.split("crate::").skip(1) {
                let named: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(other) = floor(&named) else { continue };
                uses += 1;
                if other > own {
                    faults.push(format!(
                        "{}:{}: {module} ({own}) names {named} ({other})",
                        file.display(),
                        n + 1
                    ));
                }
            }
        }
    }
    assert!(uses > 100, "only {uses} uses were seen: does this test still read the code?");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn processes_are_started_by_the_transports_alone() {
    let allowed = ["fetch/ssh.rs", "fetch/credentials/helper.rs"];
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let starts = code.contains("Command::new(") && code.contains("process::");
        let path = file.display().to_string().replace('\\', "/");
        let is_test = path.contains("/tests") || path.contains("corpus");
        assert!(
            !starts || is_test || allowed.iter().any(|end| path.ends_with(end)),
            "{path} starts a process"
        );
    }
}

#[test]
fn only_faces_print_and_know_the_command_line() {
    let faces = ["cli", "ui", "lib", "main", "bench", "fuzz"];
    let words = ["println!", "print!(", "eprint!(", "dbg!", "io::stdout()", "io::stderr()", "clap::"];
    for file in sources().into_iter().filter(|file| !faces.contains(&module_of(file).as_str())) {
        let path = file.display().to_string().replace('\\', "/");
        if path.contains("/tests") || path.contains("/testing") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.split("#[cfg(test)]").next().unwrap().lines() {
            // Whether they are terminals is asked where the surroundings are read.
            let is_asked = path.ends_with("src/env.rs") && line.contains("is_terminal()");
            let found = words.iter().find(|word| line.contains(*word) && !is_asked);
            assert!(found.is_none(), "{path} is no face: {line}");
        }
    }
}
