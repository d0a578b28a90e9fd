//! How one skill of a list is written.

use super::{ContextEntry, count_chars};
use crate::text::group_digits;

/// A form of the list of skills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingFormat {
    /// `"pdf": What it does.`
    Plain,
    /// Elements, as the reference library of the open specification writes them.
    Xml,
    /// `- pdf: What it does.`
    List,
    /// `[pdf] What it does.`
    Brackets,
}

impl ListingFormat {
    /// Every form by its name.
    pub const ALL: [(&'static str, Self); 4] =
        [("plain", Self::Plain), ("xml", Self::Xml), ("list", Self::List), ("brackets", Self::Brackets)];

    /// The form of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// As it is called.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("plain", |(name, _)| *name)
    }

    /// A description as this form has it: in one line, but for elements, which hold any text.
    pub(super) fn plain_description(self, text: &str) -> String {
        match self {
            Self::Xml => text.trim().to_owned(),
            _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    /// One skill; with an empty description its name alone.
    pub(super) fn render(self, entry: &ContextEntry, description: &str) -> String {
        let name = entry.name.split_whitespace().collect::<Vec<_>>().join(" ");
        match (self, description.is_empty()) {
            (Self::Plain, true) => format!("\"{name}\""),
            (Self::Plain, false) => format!("\"{name}\": {description}"),
            (Self::List, true) => format!("- {name}"),
            (Self::List, false) => format!("- {name}: {description}"),
            (Self::Brackets, true) => format!("[{name}]"),
            (Self::Brackets, false) => format!("[{name}] {description}"),
            (Self::Xml, is_bare) => {
                let description = match is_bare {
                    true => String::new(),
                    false => format!("<description>\n{}\n</description>\n", escape_xml(description)),
                };
                let (name, location) = (escape_xml(&entry.name), &entry.location);
                format!(
                    "<skill>\n<name>\n{name}\n</name>\n{description}<location>\n{location}\n</location>\n</skill>"
                )
            }
        }
    }

    /// The characters that a description adds to the line of a skill.
    pub(super) fn count_added(self, description: &str) -> usize {
        if description.is_empty() {
            return 0;
        }
        match self {
            Self::Plain | Self::List => count_chars(": ") + count_chars(description),
            Self::Brackets => count_chars(" ") + count_chars(description),
            Self::Xml => {
                count_chars("<description>\n")
                    + count_chars(&escape_xml(description))
                    + count_chars("\n</description>\n")
            }
        }
    }

    /// The block around the lines; `more` skills have no line.
    pub(super) fn wrap(self, lines: &[String], more: Option<usize>) -> String {
        let mut text = String::from("<available_skills>\n");
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        if let Some(more) = more {
            text.push_str(&format!("… and {} more: search_skills\n", group_digits(more)));
        }
        text.push_str("</available_skills>");
        text
    }
}

/// `& < > " '` as the standard library of Python escapes them, quotes included.
fn escape_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            c => out.push(c),
        }
    }
    out
}

/// A description in at most `most` characters: cut behind a sentence where one ends in the second
/// half, else between words, with `…` for what is missing.
pub fn cut_description(text: &str, most: usize) -> String {
    if text.len() <= most || text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    // Room for the sign itself, and for the blank before it behind a sentence.
    let is_ascii = text.is_ascii();
    let end = |chars: usize| match is_ascii {
        true => chars.min(text.len()),
        false => text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at),
    };
    let head = &text[..end(most.saturating_sub(2))];
    let sentence = head
        .char_indices()
        .filter(|(at, c)| {
            let next = head[at + c.len_utf8()..].chars().next();
            matches!(c, '。' | '！' | '？')
                || (matches!(c, '.' | '!' | '?') && next.is_none_or(char::is_whitespace))
        })
        .map(|(at, c)| at + c.len_utf8())
        .next_back()
        .filter(|at| head[..*at].chars().count() * 2 >= most);
    if let Some(at) = sentence {
        return format!("{} …", &head[..at]);
    }
    let head = &text[..end(most.saturating_sub(1))];
    let is_between = text[head.len()..].starts_with(char::is_whitespace);
    let word = match is_between {
        true => head.len(),
        // A text without blanks, as Chinese is, is cut where it is full.
        false => head.rfind(char::is_whitespace).filter(|at| at * 2 > head.len()).unwrap_or(head.len()),
    };
    let head =
        head[..word].trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-'));
    if most == 0 { String::new() } else { format!("{head}…") }
}
