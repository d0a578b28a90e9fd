//! New versions as an Atom feed (RFC 4287). Its links are relative and its ids are made of names
//! alone, so that the feed of a mirror is the same feed.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::DerivedFile;
use crate::digest::sha256_hex;
use crate::remote_registry::description::RegistryDescription;
use crate::remote_registry::published_version::PublishedVersion;

/// Entries of a feed.
const MAX_ENTRIES: usize = 50;

/// The feed of a folder (`""` or with a `/` at its end): the latest of these versions, the newest
/// first.
pub(super) fn write_feed(
    description: &RegistryDescription,
    folder: &str,
    title: &str,
    lines: &[&PublishedVersion],
) -> DerivedFile {
    let mut lines: Vec<&PublishedVersion> =
        lines.iter().copied().filter(|line| line.removed.is_none()).collect();
    lines.sort_by(|a, b| {
        let newer = b.published_at.cmp(&a.published_at);
        newer.then_with(|| a.name.cmp(&b.name)).then_with(|| b.version.cmp(&a.version))
    });
    lines.truncate(MAX_ENTRIES);
    let up = "../".repeat(folder.matches('/').count());
    let updated = lines.first().map_or(Timestamp::UNIX_EPOCH, |line| line.published_at);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    out += "<feed xmlns=\"http://www.w3.org/2005/Atom\">\n";
    let _ = writeln!(out, "  <id>{}</id>", name_based_id(&format!("{}/{folder}", description.name)));
    let _ = writeln!(out, "  <title>{}</title>", escape_xml(&format!("New versions: {title}")));
    out += "  <link rel=\"self\" href=\"feed.atom\"/>\n";
    let _ = writeln!(out, "  <updated>{updated}</updated>");
    for line in lines {
        let what = format!("{} {}", line.name, line.version);
        let author = line.by.clone().unwrap_or_else(|| line.name.owner().to_string());
        let yanked = if line.yanked { " (yanked)" } else { "" };
        let _ = write!(
            out,
            "  <entry>\n    <id>{}</id>\n    <title>{}{yanked}</title>\n    <updated>{}</updated>\n    \
             <author><name>{}</name></author>\n    <link rel=\"alternate\" href=\"{up}{}/\"/>\n    \
             <link rel=\"enclosure\" type=\"application/gzip\" length=\"{}\" href=\"{up}{}\"/>\n    \
             <summary>{}</summary>\n  </entry>\n",
            name_based_id(&format!("{}/{what}", description.name)),
            escape_xml(&what),
            line.published_at,
            escape_xml(&author),
            line.name,
            line.size,
            description.blobs.path_of(&line.digest),
            escape_xml(&line.description),
        );
    }
    out += "</feed>\n";
    DerivedFile { path: format!("{folder}feed.atom"), bytes: out.into_bytes() }
}

/// An id that is always the same for a name: a UUID of version 8 (RFC 9562) out of its sha256.
fn name_based_id(name: &str) -> String {
    let hex = sha256_hex(format!("ba-agent registry feed: {name}").as_bytes());
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("urn:uuid:{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Text inside an element or attribute; what XML 1.0 cannot hold is U+FFFD.
fn escape_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '"' => out += "&quot;",
            '\t' | '\n' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
