//! Tables: printed line by line as the figures come, and put between two markers of
//! `benches/README.md`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A table of the README.
pub(crate) struct Table {
    /// `<!-- rows:begin -->` and `<!-- rows:end -->` stand around `rows`.
    name: &'static str,
    lines: String,
    /// The table as it was, to compare with.
    old: String,
}

impl Table {
    /// A table with this heading; the words of `about` stand above it in the README.
    pub(crate) fn new(name: &'static str, about: &str, heading: &[&str]) -> Self {
        let old = between(&readme(), name).map_or_else(String::new, |(_, inner, _)| inner.to_owned());
        let mut table = Self { name, lines: format!("\n{about}\n\n"), old };
        println!("{about}");
        table.row(&heading.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
        let rule: Vec<String> = heading.iter().map(|_| "---".to_owned()).collect();
        let _ = writeln!(table.lines, "|{}|", rule.join("|"));
        table
    }

    /// Adds a row, and prints it.
    pub(crate) fn row(&mut self, cells: &[String]) {
        let line = format!("| {} |", cells.join(" | "));
        println!("{line}");
        self.lines.push_str(&line);
        self.lines.push('\n');
    }

    /// What stood in this column of the row that begins with these cells.
    pub(crate) fn before(&self, first: &[&str], column: usize) -> Option<String> {
        let start = format!("| {} |", first.join(" | "));
        let line = self.old.lines().find(|line| line.starts_with(&start))?;
        line.trim_matches('|').split('|').nth(column).map(|cell| cell.trim().to_owned())
    }

    /// Puts the table into the README.
    pub(crate) fn write(&self) {
        let text = readme();
        let Some((head, _, tail)) = between(&text, self.name) else {
            eprintln!("{} has no markers for `{}`", file().display(), self.name);
            return;
        };
        std::fs::write(file(), format!("{head}{}{tail}", self.lines)).unwrap();
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/README.md")
}

fn readme() -> String {
    std::fs::read_to_string(file()).unwrap_or_default()
}

/// What stands up to the first marker, between the two, and from the second on.
fn between<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let first = text.find(&begin)? + begin.len();
    let last = first + text[first..].find(&end)?;
    Some((&text[..first], &text[first..last], &text[last..]))
}

/// Day, machine and versions: without them no figure says anything.
pub(crate) fn circumstances(place: &str) -> String {
    let day = jiff::Timestamp::now().to_string();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, m)| m));
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{}, {} × {}, {} {}, {place}, load {load} at the start, ba-agent {}, {}",
        day.get(..10).unwrap_or_default(),
        cores,
        model.unwrap_or(std::env::consts::ARCH),
        std::env::consts::OS,
        kernel.trim(),
        env!("CARGO_PKG_VERSION"),
        git_version(),
    )
}

fn git_version() -> String {
    let output = std::process::Command::new("git").arg("--version").output();
    output.map_or("no git".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
