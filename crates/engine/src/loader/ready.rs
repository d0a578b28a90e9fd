//! Whether the machine has what a skill needs. Programs are looked for, never run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ba_agent_core::error::printable;
use ba_agent_core::loader::Readiness;
use ba_agent_system::env::Env;

/// This machine, as far as skills ask for it.
pub(crate) struct Machine<'e> {
    env: &'e Env,
    path: Vec<PathBuf>,
    /// What was looked for already: hundreds of skills ask for the same program.
    known: HashMap<String, bool>,
}

impl<'e> Machine<'e> {
    pub(crate) fn new(env: &'e Env) -> Self {
        let separator = if cfg!(windows) { ';' } else { ':' };
        let path = env.var("PATH").unwrap_or_default().split(separator).filter(|folder| !folder.is_empty());
        let path = path.map(PathBuf::from).filter(|folder| folder.is_absolute()).collect();
        Self { env, path, known: HashMap::new() }
    }

    /// What a skill needs and the machine has not, each in a few words: `` `gws` is not in PATH ``.
    pub(crate) fn find_unmet(&mut self, needs: &Readiness) -> Vec<String> {
        let mut unmet = Vec::new();
        let shown = |text: &str| printable(text, false);
        if !needs.os.is_empty() && !needs.os.iter().any(|os| is_this_system(os)) {
            unmet.push(format!("it runs on {}", shown(&needs.os.join(", "))));
        }
        for bin in &needs.bins {
            if !self.has_program(bin) {
                unmet.push(format!("`{}` is not in PATH", shown(bin)));
            }
        }
        if !needs.any_bins.is_empty() && !needs.any_bins.iter().any(|bin| self.has_program(bin)) {
            unmet.push(format!("none of {} is in PATH", shown(&needs.any_bins.join(", "))));
        }
        for name in needs.env.iter().filter(|name| self.env.var(name).is_none()) {
            unmet.push(format!("the variable `{}` is not set", shown(name)));
        }
        unmet
    }

    fn has_program(&mut self, name: &str) -> bool {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        // A name with a path in it could ask for any file of the user's.
        let is_plain = !name.is_empty() && !name.contains(['/', '\\']) && name != "." && name != "..";
        let endings: &[&str] = if cfg!(windows) { &["", ".exe", ".cmd", ".bat"] } else { &[""] };
        let has = is_plain
            && self.path.iter().any(|folder| {
                endings.iter().any(|ending| is_program(&folder.join(format!("{name}{ending}"))))
            });
        self.known.insert(name.to_owned(), has);
        has
    }
}

/// True for this system, as Node and as people call it.
fn is_this_system(name: &str) -> bool {
    match name.to_ascii_lowercase().as_str() {
        "darwin" | "macos" | "mac" => cfg!(target_os = "macos"),
        "win32" | "windows" | "win" => cfg!(windows),
        "unix" | "posix" => cfg!(unix),
        "all" | "any" | "*" => true,
        other => other == std::env::consts::OS,
    }
}

fn is_program(file: &Path) -> bool {
    let Ok(meta) = std::fs::metadata(file) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        meta.is_file() && meta.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    meta.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn programs_are_looked_for_and_never_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let marker = dir.path().join("was-run");
        std::fs::write(bin.join("tool"), format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
        std::fs::set_permissions(bin.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(bin.join("text"), "").unwrap();
        let path = format!("relative:{}:/nowhere", bin.display());
        let env = Env::isolated(dir.path(), &[("PATH", &path), ("TOKEN", "x")]);
        let mut machine = Machine::new(&env);
        let needs = |bins: &[&str], any: &[&str], env: &[&str], os: &[&str]| {
            let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
            Readiness {
                bins: list(bins),
                any_bins: list(any),
                env: list(env),
                os: list(os),
                config: Vec::new(),
            }
        };
        for (needs, unmet) in [
            (needs(&["tool"], &["gone", "tool"], &["TOKEN"], &["plan9", std::env::consts::OS]), 0),
            (needs(&["text"], &[], &[], &[]), 1),
            (needs(&["gone", "../bin/tool", ""], &[], &[], &[]), 3),
            (needs(&[], &["gone", "text"], &["OTHER"], &["plan9"]), 3),
        ] {
            assert_eq!(machine.find_unmet(&needs).len(), unmet, "{needs:?}");
        }
        assert!(!marker.exists());
        let said = machine.find_unmet(&needs(&["gws"], &[], &[], &[]));
        assert_eq!(said, ["`gws` is not in PATH"]);
    }
}
