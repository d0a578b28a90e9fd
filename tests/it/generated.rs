//! Generated files are what the program would generate now. `UPDATE_GOLDEN=1` rewrites them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::env::TestEnv;

const SHELLS: [(&str, &str); 5] = [
    ("bash", "ba-agent.bash"),
    ("elvish", "ba-agent.elv"),
    ("fish", "ba-agent.fish"),
    ("powershell", "_ba-agent.ps1"),
    ("zsh", "_ba-agent"),
];

fn check(file: &Path, generated: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, generated).unwrap();
    }
    let committed = std::fs::read_to_string(file).unwrap_or_default().replace("\r\n", "\n");
    assert!(committed == generated, "{} is old: run the tests with UPDATE_GOLDEN=1", file.display());
}

#[test]
fn completions_are_current() {
    let env = TestEnv::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    for (shell, file) in SHELLS {
        check(&folder.join(file), &env.run(&["completions", shell]).ends(0).stdout);
    }
    let there: BTreeSet<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(there, SHELLS.iter().map(|(_, file)| (*file).into()).collect());
}

#[test]
fn man_pages_are_current() {
    let env = TestEnv::new();
    env.run(&["man", "../pages"]).ends(0).says("Wrote");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let mut pages = BTreeSet::new();
    for entry in std::fs::read_dir(env.path("pages")).unwrap().map(Result::unwrap) {
        check(&folder.join(entry.file_name()), &std::fs::read_to_string(entry.path()).unwrap());
        pages.insert(entry.file_name());
    }
    let there: BTreeSet<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(there, pages, "pages that no command has");
    assert!(pages.len() >= 10);
}
