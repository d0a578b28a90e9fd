//! Addresses of the files of skills, as the skills extension of the Model Context Protocol has
//! them: `skill://NAME/PATH`, of a plugin `skill://plugin.PLUGIN/NAME/PATH`. No skill that can be
//! served has a name with a dot, so the two are never one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::path::RelPath;

const SCHEME: &str = "skill://";
const PLUGIN: &str = "plugin.";

/// What stands in a segment of a path as it is (RFC 3986: unreserved, and `@`, `:`, `+`, `,`, `=`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'+')
    .remove(b',')
    .remove(b'=');

/// Most files of a skill that is served.
pub const MOST_FILES: usize = 512;
/// Most bytes of all its files.
pub const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// A file or a folder of a skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillUri {
    /// The plugin that the skill comes with.
    pub plugin: Option<String>,
    pub name: String,
    /// [`RelPath::ROOT`] for the folder of the skill.
    pub path: RelPath,
}

impl SkillUri {
    /// The folder of a skill, by its name or `plugin:name`.
    pub fn of_skill(qualified: &str) -> Self {
        let (plugin, name) = match qualified.split_once(':') {
            Some((plugin, name)) => (Some(plugin.to_owned()), name),
            None => (None, qualified),
        };
        Self { plugin, name: name.to_owned(), path: RelPath::ROOT }
    }

    /// Reads an address. `None` for what is not one of a skill, and for a path that leads out.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(SCHEME).filter(|rest| !rest.contains(['?', '#']))?;
        let mut segments = rest.split('/').map(|segment| percent_decode_str(segment).decode_utf8().ok());
        let first = segments.next()??;
        let (plugin, name) = match first.strip_prefix(PLUGIN) {
            Some(plugin) => (Some(plugin.to_owned()), segments.next()??.into_owned()),
            None => (None, first.into_owned()),
        };
        let names = segments.collect::<Option<Vec<_>>>()?;
        // An encoded slash would make two names of one.
        if name.is_empty() || name.contains('/') || names.iter().any(|name| name.contains('/')) {
            return None;
        }
        let path =
            RelPath::of_folder(&names.join("/")).ok().filter(|path| path.is_root() == names.is_empty())?;
        Some(Self { plugin, name, path })
    }

    /// The name of the skill as it is told from others: `name`, or `plugin:name`.
    pub fn qualified_name(&self) -> String {
        match &self.plugin {
            Some(plugin) => format!("{plugin}:{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The address of a file of the same skill.
    pub fn text_of_file(&self, path: &str) -> String {
        let mut text = SCHEME.to_owned();
        if let Some(plugin) = &self.plugin {
            text.push_str(PLUGIN);
            text.extend(utf8_percent_encode(plugin, ENCODED));
            text.push('/');
        }
        text.extend(utf8_percent_encode(&self.name, ENCODED));
        for name in path.split('/').filter(|name| !name.is_empty()) {
            text.push('/');
            text.extend(utf8_percent_encode(name, ENCODED));
        }
        text
    }
}

/// Why a skill of this name cannot be served under it; `None` where it can. The open specification
/// has letters, digits and single hyphens between them, and wants the folder's name.
pub fn fault_of_served_name(name: &str, given: Option<&str>) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        return Some("its name has other signs than `a-z`, `0-9` and `-`, or more than 64".to_owned());
    }
    if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
        return Some("a hyphen of its name stands at an end, or beside another".to_owned());
    }
    match given {
        Some(given) if given == name => None,
        Some(given) => Some(format!("its frontmatter gives it another name, `{given}`")),
        None => Some("its frontmatter gives it no name".to_owned()),
    }
}

/// The media type of a file, by its name; what is not known has none.
pub fn media_type_of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "md" | "markdown" => "text/markdown",
        "txt" => "text/plain",
        "py" => "text/x-python",
        "sh" | "bash" => "application/x-sh",
        "js" | "mjs" | "cjs" => "text/javascript",
        "ts" => "text/typescript",
        "json" => "application/json",
        "yaml" | "yml" => "application/yaml",
        "toml" => "application/toml",
        "xml" | "xsd" => "application/xml",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "ttf" => "font/ttf",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_names_a_skill_and_a_path_in_it() {
        let check = |text: &str, expected: Option<(Option<&str>, &str, &str)>| {
            let found = SkillUri::parse(text);
            let found =
                found.as_ref().map(|uri| (uri.plugin.as_deref(), uri.name.as_str(), uri.path.as_str()));
            assert_eq!(found, expected, "{text}");
        };
        check("skill://pdf", Some((None, "pdf", "")));
        check("skill://pdf/SKILL.md", Some((None, "pdf", "SKILL.md")));
        check("skill://pdf/a%20b/%C3%A9.md", Some((None, "pdf", "a b/é.md")));
        check("skill://plugin.acme/pdf/SKILL.md", Some((Some("acme"), "pdf", "SKILL.md")));
        check("skill://plugin.acme/pdf", Some((Some("acme"), "pdf", "")));
        for text in [
            "",
            "pdf/SKILL.md",
            "file:///etc/passwd",
            "skill://",
            "skill:///SKILL.md",
            "skill://pdf/",
            "skill://pdf//SKILL.md",
            "skill://pdf/../other/SKILL.md",
            "skill://pdf/%2e%2e/x",
            "skill://pdf/a%2Fb",
            "skill://pdf%2F..",
            "skill://pdf/%ff",
            "skill://pdf/a%00b",
            "skill://pdf/.git/config",
            "skill://pdf/SKILL.md?x",
            "skill://pdf/SKILL.md#x",
            "skill://plugin.acme",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_name_is_served_as_the_open_specification_has_it() {
        for (name, given, is_served) in [
            ("pdf", Some("pdf"), true),
            ("a-1-b", Some("a-1-b"), true),
            ("pdf", Some("docx"), false),
            ("pdf", None, false),
            ("a_b", Some("a_b"), false),
            ("a--b", Some("a--b"), false),
            ("-a", Some("-a"), false),
            ("", Some(""), false),
            ("plugin.acme", Some("plugin.acme"), false),
        ] {
            assert_eq!(fault_of_served_name(name, given).is_none(), is_served, "{name} {given:?}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_read_back_as_what_it_was_made_of(
            plugin in prop::option::of("[a-zA-Z0-9 .%é_-]{1,12}"),
            name in "[a-z0-9-]{1,12}",
            names in prop::collection::vec("[a-z0-9 %?#+é&;:@_-]{1,8}", 1..4),
        ) {
            let path = names.join("/");
            prop_assume!(RelPath::parse(path.as_bytes()).is_ok());
            let qualified = plugin.as_ref().map_or(name.clone(), |plugin| format!("{plugin}:{name}"));
            let skill = SkillUri::of_skill(&qualified);
            let text = skill.text_of_file(&path);
            let back = SkillUri::parse(&text).unwrap();
            prop_assert_eq!(back.qualified_name(), qualified);
            prop_assert_eq!(back.path.as_str(), path);
            prop_assert!(text.is_ascii());
        }
    }
}
