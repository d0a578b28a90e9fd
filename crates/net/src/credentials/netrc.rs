//! World: `.netrc`, which curl, and so git, reads for logins.

use std::path::PathBuf;

use fs_err as fs;

use ba_agent_core::error::{Result, error};
use ba_agent_system::env::Env;

/// A larger file is none that people write.
const LARGEST: u64 = 1 << 20;

/// What a file says of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NetrcMatch {
    /// The `machine` entry of the host.
    Machine {
        user: String,
        password: String,
    },
    /// No entry of its own, but a `default`. It would go to whatever host a project names, so
    /// it is not used, and said.
    OnlyDefault,
    Nothing,
}

/// Looks the host up in `NETRC`, else in `.netrc` of the home (`_netrc` on Windows).
///
/// # Errors
/// `Failed` when the file is there and cannot be read.
pub(super) fn find_login(env: &Env, host: &str) -> Result<NetrcMatch> {
    let named = env.var("NETRC").map(|path| env.absolute(path.as_ref()));
    let name = if cfg!(windows) { "_netrc" } else { ".netrc" };
    let Some(file) = named.or_else(|| env.home.as_ref().map(|home| home.join(name))) else {
        return Ok(NetrcMatch::Nothing);
    };
    match read_netrc_text(&file)? {
        Some(text) => Ok(parse(&text, host)),
        None => Ok(NetrcMatch::Nothing),
    }
}

fn read_netrc_text(file: &PathBuf) -> Result<Option<String>> {
    let Ok(meta) = fs::metadata(file) else { return Ok(None) };
    if !meta.is_file() || meta.len() > LARGEST {
        return Ok(None);
    }
    let bytes = fs::read(file).map_err(|e| error!(Failed, "`{}` cannot be read", file.display()).cause(e))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The first entry of the host that has a password. An entry whose file names a user alone is
/// passed over, as curl does.
fn parse(text: &str, host: &str) -> NetrcMatch {
    let mut words = Words { rest: text };
    let mut found = NetrcMatch::Nothing;
    let mut entry: Option<NetrcEntry> = None;
    let close = |entry: &mut Option<NetrcEntry>, found: &mut NetrcMatch| {
        if let Some(entry) = entry.take().filter(|entry| !entry.password.is_empty()) {
            match entry.is_default {
                true if *found == NetrcMatch::Nothing => *found = NetrcMatch::OnlyDefault,
                false if !matches!(found, NetrcMatch::Machine { .. }) => {
                    *found = NetrcMatch::Machine { user: entry.user, password: entry.password };
                }
                _ => {}
            }
        }
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" => {
                close(&mut entry, &mut found);
                let is_ours = words.next().is_some_and(|name| name.eq_ignore_ascii_case(host));
                entry = is_ours.then(NetrcEntry::default);
            }
            "default" => {
                close(&mut entry, &mut found);
                entry = Some(NetrcEntry { is_default: true, ..NetrcEntry::default() });
            }
            "login" | "password" | "account" => {
                let value = words.next().unwrap_or_default();
                match (&mut entry, word.as_str()) {
                    (Some(entry), "login") => entry.user = value,
                    (Some(entry), "password") => entry.password = value,
                    _ => {}
                }
            }
            "macdef" => words.skip_macro(),
            _ => {}
        }
    }
    close(&mut entry, &mut found);
    found
}

#[derive(Default)]
struct NetrcEntry {
    user: String,
    password: String,
    is_default: bool,
}

/// Words between white space; `"…"` with backslashes is one; `#` begins a comment where a
/// word could begin.
struct Words<'t> {
    rest: &'t str,
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                break;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            return (!word.is_empty()).then(|| word.to_owned());
        };
        let (mut word, mut chars) = (String::new(), quoted.char_indices());
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Some(word);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => word.push('\n'),
                    Some('r') => word.push('\r'),
                    Some('t') => word.push('\t'),
                    Some(c) => word.push(c),
                    None => break,
                },
                c => word.push(c),
            }
        }
        self.rest = "";
        Some(word)
    }
}

impl Words<'_> {
    /// A macro ends with an empty line.
    fn skip_macro(&mut self) {
        let end = self.rest.find("\n\n").map(|at| at + 2);
        let end = end.or_else(|| self.rest.find("\r\n\r\n").map(|at| at + 4));
        self.rest = end.map_or("", |end| &self.rest[end..]);
    }
}

/// Whatever the text: a login has a password, and one that is found for a host is found in a
/// file that names that host.
#[cfg(any(test, fuzzing))]
pub fn check_any(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for host in ["h.example", "127.0.0.1", ""] {
        if let NetrcMatch::Machine { password, .. } = parse(&text, host) {
            assert!(!password.is_empty());
            let names = text.to_ascii_lowercase().contains(host);
            assert!(names || text.contains('\\'), "{host} is not in the file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_finds_its_own_entry_and_no_other() {
        let file = "# mine\nmachine other.example login a password b\n\
            machine h.example\n\tlogin me\n\tpassword s#cret account x\n\
            machine q.example login \"a b\" password \"x\\\"y\\\\\"\n\
            machine half.example login only\n\
            macdef init\n  machine trap.example login t password t\n\n\
            machine h.example login second password second\n";
        let machine =
            |user: &str, password: &str| NetrcMatch::Machine { user: user.into(), password: password.into() };
        for (host, found) in [
            ("h.example", machine("me", "s#cret")),
            ("H.EXAMPLE", machine("me", "s#cret")),
            ("other.example", machine("a", "b")),
            ("q.example", machine("a b", "x\"y\\")),
            ("half.example", NetrcMatch::Nothing),
            ("trap.example", NetrcMatch::Nothing),
            ("example", NetrcMatch::Nothing),
            ("x.h.example", NetrcMatch::Nothing),
        ] {
            assert_eq!(parse(file, host), found, "{host}");
        }
        let with_default = "machine h.example login a password b\ndefault login c password d\n";
        assert_eq!(parse(with_default, "h.example"), machine("a", "b"));
        assert_eq!(parse(with_default, "o.example"), NetrcMatch::OnlyDefault);
        for text in
            ["", "machine", "machine h.example login", "\"", "\"\\", "default", "macdef", "password x"]
        {
            assert_eq!(parse(text, "h.example"), NetrcMatch::Nothing, "{text}");
        }
    }

    proptest::proptest! {
        /// No file makes it panic, and no file gives a host the login of another.
        #[test]
        fn only_an_entry_of_its_own_is_found(
            words in proptest::collection::vec("(machine|default|login|password|macdef|account|h[.]example|other|\"|\\\\|#|\n\n|\\PC{0,6})", 0..20),
        ) {
            let text = words.join(" ");
            if let NetrcMatch::Machine { .. } = parse(&text, "h.example") {
                proptest::prop_assert!(text.contains("machine") && text.contains("h.example"), "{text}");
            }
            let _ = parse(&words.join("\n"), "h.example");
        }
    }
}
