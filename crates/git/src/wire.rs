//! Git's smart protocol, the reading half of it: pkt-lines, the listing of
//! refs, the request for a pack and the pack out of the answer. Versions 0, 1 and 2,
//! as gitprotocol-common(5), -pack(5) and -v2(5) have them. It knows no host: bytes in,
//! bytes out.
//!
//! Own code instead of libgit2's, because registering a transport with libgit2 is
//! `unsafe` in its Rust binding, errors come back through it as text, and it has
//! neither protocol v2 nor filters.

use std::fmt::Write as _;
use std::io::{self, Read};

use ba_agent_core::error::{Error, Result, error, fail, printable};
use ba_agent_core::source::Sha;
use ba_agent_net::http::from_reader;

/// The longest pkt-line, its length included (gitprotocol-common).
const LONGEST: usize = 65_520;
/// What we call ourselves; `agent` may hold no spaces.
const AGENT: &str = concat!("agent=ba-agent/", env!("CARGO_PKG_VERSION"));

/// One pkt-line.
#[derive(Debug, PartialEq, Eq)]
enum Packet {
    Data(Vec<u8>),
    Flush,
    /// `0001`: between the sections of version 2.
    Delimiter,
    /// `0002`: the end of an answer of version 2 over a connection that stays.
    End,
}

/// The next pkt-line; `None` where the stream ends between two.
fn read_wire_packet(reader: &mut impl Read) -> Result<Option<Packet>> {
    let mut head = [0; 4];
    let mut have = 0;
    while have < head.len() {
        match reader.read(&mut head[have..]).map_err(from_reader)? {
            0 if have == 0 => return Ok(None),
            0 => fail!(Network, "the connection was closed in the middle of the answer"),
            read => have += read,
        }
    }
    let digits = std::str::from_utf8(&head).ok().filter(|s| s.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(length) = digits.and_then(|s| usize::from_str_radix(s, 16).ok()) else {
        return Err(not_git("expected a line of git's protocol"));
    };
    match length {
        0 => Ok(Some(Packet::Flush)),
        1 => Ok(Some(Packet::Delimiter)),
        2 => Ok(Some(Packet::End)),
        4..=LONGEST => {
            let mut data = vec![0; length - 4];
            reader.read_exact(&mut data).map_err(from_reader)?;
            Ok(Some(Packet::Data(data)))
        }
        _ => Err(not_git("a pkt-line has an invalid length")),
    }
}

/// Whether a text is the beginning of `info/refs` as a plain file: `ID<tab>refs/…` lines.
pub(crate) fn is_plain_listing(text: &str) -> bool {
    let first = text.lines().next().and_then(|line| line.split_once('\t'));
    first.is_some_and(|(id, name)| id.parse::<Sha>().is_ok() && name.starts_with("refs/"))
}

/// A line of text without its line feed; `ERR` lines are errors.
fn text_of_packet_line(data: &[u8]) -> Result<&[u8]> {
    let text = data.strip_suffix(b"\n").unwrap_or(data);
    match text.strip_prefix(b"ERR ") {
        Some(why) => Err(refused(why)),
        None => Ok(text),
    }
}

/// What the remote itself says is wrong. `NotFound`: what can be refused here is what was asked
/// for; `Integrity` where it says that its own copy is damaged.
fn refused(why: &[u8]) -> Error {
    let why = String::from_utf8_lossy(&why[..why.len().min(1_000)]);
    let said = printable(why.trim(), false);
    if said.to_ascii_lowercase().contains("corrupt") {
        return error!(Integrity, "the repository is damaged at its host")
            .cause(said)
            .hint("its owner has to repair it; nothing was changed here");
    }
    error!(NotFound, "the remote refused: {said}")
}

/// The id at the beginning of a line of refs, and what follows it. Only a *name* may be other
/// than UTF-8.
///
/// # Errors
/// `Network` for what is no id.
fn split_id(text: &[u8]) -> Result<(&str, Option<&str>)> {
    let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
    let (id, rest) = text.split_at(end);
    let id = std::str::from_utf8(id).ok().filter(|id| id.is_ascii());
    let id = id.ok_or_else(|| not_git("a ref has an invalid id"))?;
    Ok((id, rest.get(1..).and_then(|rest| std::str::from_utf8(rest).ok())))
}

/// The error for an answer that is not made as git makes them.
fn not_git(why: &str) -> Error {
    error!(Network, "the remote does not speak git's protocol")
        .cause(why)
        .hint("a proxy may have changed the answer: try again, or see what `git ls-remote` says")
}

fn append(out: &mut Vec<u8>, text: &str) {
    let mut head = String::new();
    // Writing to a String cannot fail.
    let _ = write!(head, "{:04x}", text.len() + 4);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// A ref as the remote lists it. The name is what was sent, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefLine {
    pub(crate) name: String,
    pub(crate) id: Sha,
    /// The commit behind an annotated tag.
    pub(crate) peeled: Option<Sha>,
    /// The ref that a symbolic one names.
    pub(crate) target: Option<String>,
}

/// What a remote says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advertisement {
    /// Versions 0 and 1: all refs at once.
    Refs { lines: Vec<RefLine>, capabilities: Vec<String> },
    /// Version 2: only what it can do.
    Capabilities(Vec<String>),
}

impl Advertisement {
    /// Reads the first answer. Over http it begins with a line that names the service.
    ///
    /// # Errors
    /// `Network` for what is not git's protocol, `NotFound` for an `ERR` line,
    /// `Invalid` for a repository of SHA-256 objects.
    pub(crate) fn read(reader: &mut impl Read) -> Result<Self> {
        let mut first = read_data_packet(reader)?;
        if text_of_packet_line(&first)?.starts_with(b"# service=") {
            if read_wire_packet(reader)? != Some(Packet::Flush) {
                return Err(not_git("expected a line of git's protocol"));
            }
            first = read_data_packet(reader)?;
        }
        let hello = match text_of_packet_line(&first)? {
            b"version 2" => Self::Capabilities(read_capabilities(reader)?),
            b"version 1" => first_version(read_data_packet(reader)?, reader)?,
            _ => first_version(first, reader)?,
        };
        let (Self::Refs { capabilities: can, .. } | Self::Capabilities(can)) = &hello;
        if can.iter().any(|c| c == "object-format=sha256") {
            fail!(Invalid, "the repository uses SHA-256 object ids, which are not supported yet");
        }
        Ok(hello)
    }

    fn has_capability(&self, what: &str) -> bool {
        match self {
            Self::Refs { capabilities, .. } => capabilities.iter().any(|c| c == what),
            Self::Capabilities(all) => all.iter().any(|c| {
                c.strip_prefix("fetch=").is_some_and(|features| features.split(' ').any(|f| f == what))
            }),
        }
    }

    /// Whether the remote can leave blobs out of a commit and send those alone that are
    /// asked for later. Version 2 lets any object be wanted by its id (gitprotocol-v2, as
    /// partial clones use it); before, a server only gives what its refs list.
    pub(crate) fn supports_filter(&self) -> bool {
        matches!(self, Self::Capabilities(_)) && self.has_capability("filter") && self.has_shallow()
    }

    /// Whether the remote can send a commit without its history.
    pub(crate) fn has_shallow(&self) -> bool {
        self.has_capability("shallow")
    }
}

/// A data packet, or an empty one for a flush at once (an empty repository).
fn read_data_packet(reader: &mut impl Read) -> Result<Vec<u8>> {
    match read_wire_packet(reader)? {
        Some(Packet::Data(data)) => Ok(data),
        Some(_) => Ok(Vec::new()),
        None => fail!(Network, "the connection was closed without an answer"),
    }
}

fn read_capabilities(reader: &mut impl Read) -> Result<Vec<String>> {
    let mut all = Vec::new();
    while let Some(Packet::Data(data)) = read_wire_packet(reader)? {
        all.push(String::from_utf8_lossy(text_of_packet_line(&data)?).into_owned());
    }
    Ok(all)
}

fn first_version(first: Vec<u8>, reader: &mut impl Read) -> Result<Advertisement> {
    let mut lines = Vec::new();
    if first.is_empty() {
        return Ok(Advertisement::Refs { lines, capabilities: Vec::new() });
    }
    let end = first.iter().position(|b| *b == 0).unwrap_or(first.len());
    let (head, rest) = first.split_at(end);
    let features = String::from_utf8_lossy(rest.get(1..).unwrap_or_default());
    let capabilities: Vec<String> = features.trim().split(' ').map(str::to_owned).collect();
    add_first_version(&mut lines, text_of_packet_line(head)?)?;
    while let Some(Packet::Data(data)) = read_wire_packet(reader)? {
        add_first_version(&mut lines, text_of_packet_line(&data)?)?;
    }
    for capability in &capabilities {
        let Some((name, target)) = capability.strip_prefix("symref=").and_then(|s| s.split_once(':')) else {
            continue;
        };
        for line in lines.iter_mut().filter(|line| line.name == name) {
            line.target = Some(target.to_owned());
        }
    }
    Ok(Advertisement::Refs { lines, capabilities })
}

/// Takes `ID NAME`, or `ID NAME^{}` for what the tag before it points at. Names that
/// are not UTF-8 cannot be asked for and are left out.
fn add_first_version(lines: &mut Vec<RefLine>, text: &[u8]) -> Result<()> {
    let (id, name) = split_id(text)?;
    if id == "shallow" {
        return Ok(());
    }
    if !text.contains(&b' ') {
        return Err(not_git("expected a line of git's protocol"));
    }
    let id: Sha = id.parse().map_err(|_| not_git("a ref has an invalid id"))?;
    let Some(name) = name.filter(|name| *name != "capabilities^{}") else { return Ok(()) };
    match (name.strip_suffix("^{}"), lines.last_mut()) {
        (Some(tag), Some(last)) if last.name == tag => last.peeled = Some(id),
        (Some(_), _) => {}
        (None, _) => lines.push(RefLine { name: name.to_owned(), id, peeled: None, target: None }),
    }
    Ok(())
}

/// The request of version 2 for HEAD, branches and tags.
pub(crate) fn listing_request() -> Vec<u8> {
    let mut out = Vec::new();
    append(&mut out, "command=ls-refs\n");
    append(&mut out, &format!("{AGENT}\n"));
    out.extend_from_slice(b"0001");
    for text in
        ["peel\n", "symrefs\n", "ref-prefix HEAD\n", "ref-prefix refs/heads/\n", "ref-prefix refs/tags/\n"]
    {
        append(&mut out, text);
    }
    out.extend_from_slice(b"0000");
    out
}

/// The answer to [`listing_request`].
///
/// # Errors
/// `Network` for lines that are none.
pub(crate) fn read_listing(reader: &mut impl Read) -> Result<Vec<RefLine>> {
    let mut lines = Vec::new();
    loop {
        match read_wire_packet(reader)? {
            Some(Packet::Data(data)) => {
                lines.extend(second_version(text_of_packet_line(&data)?)?);
            }
            Some(Packet::Flush) => return Ok(lines),
            _ => fail!(Network, "the connection was closed in the middle of the list of refs"),
        }
    }
}

fn second_version(text: &[u8]) -> Result<Option<RefLine>> {
    let (id, rest) = split_id(text)?;
    if id == "unborn" {
        return Ok(None);
    }
    if !text.contains(&b' ') {
        return Err(not_git("expected a line of git's protocol"));
    }
    let sha = |id: &str| id.parse::<Sha>().map_err(|_| not_git("a ref has an invalid id"));
    let id = sha(id)?;
    let Some(mut parts) = rest.map(|rest| rest.split(' ')) else { return Ok(None) };
    let name = parts.next().unwrap_or_default();
    let mut line = RefLine { name: name.to_owned(), id, peeled: None, target: None };
    for attribute in parts {
        if let Some(target) = attribute.strip_prefix("symref-target:") {
            line.target = Some(target.to_owned());
        } else if let Some(peeled) = attribute.strip_prefix("peeled:") {
            line.peeled = Some(sha(peeled)?);
        }
    }
    Ok(Some(line))
}

/// The request for a pack; `wish.wants` must not be empty.
pub(crate) fn pack_request(hello: &Advertisement, wish: &FetchRequest<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    if matches!(hello, Advertisement::Capabilities(_)) {
        append(&mut out, "command=fetch");
        append(&mut out, AGENT);
        out.extend_from_slice(b"0001");
        append(&mut out, "ofs-delta\n");
        append(&mut out, "no-progress\n");
    }
    let filter = wish.filter.filter(|_| hello.has_capability("filter"));
    let mut features = match hello {
        Advertisement::Refs { .. } => first_features(hello, filter.is_some()),
        Advertisement::Capabilities(_) => String::new(),
    };
    for want in wish.wants {
        append(&mut out, &format!("want {want}{features}\n"));
        features.clear();
    }
    if let Some(depth) = wish.depth {
        append(&mut out, &format!("deepen {depth}\n"));
    }
    if let Some(filter) = filter {
        append(&mut out, &format!("filter {filter}\n"));
    }
    if matches!(hello, Advertisement::Refs { .. }) {
        out.extend_from_slice(b"0000");
    }
    if let Some(have) = wish.have {
        append(&mut out, &format!("have {have}\n"));
    }
    append(&mut out, "done\n");
    if matches!(hello, Advertisement::Capabilities(_)) {
        out.extend_from_slice(b"0000");
    }
    out
}

/// What a pack shall hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FetchRequest<'a> {
    /// Commits or, where the remote [brings single objects](Advertisement::supports_filter), blobs.
    pub(crate) wants: &'a [Sha],
    /// How many commits back; 1 is the commits alone, without it everything that came before them.
    pub(crate) depth: Option<u16>,
    /// Objects to leave out, where the remote can do that: `tree:0`, `blob:none`.
    pub(crate) filter: Option<&'static str>,
    /// A commit that need not be sent, and nothing that came before it.
    pub(crate) have: Option<&'a Sha>,
    /// The history in it will be walked, not only looked up by ids.
    pub(crate) walked: bool,
}

fn first_features(hello: &Advertisement, filtered: bool) -> String {
    let mut features = String::new();
    for feature in ["side-band-64k", "ofs-delta", "no-progress", "shallow", "filter"] {
        if hello.has_capability(feature) && (feature != "filter" || filtered) {
            features.push(' ');
            features.push_str(feature);
        }
    }
    features.push(' ');
    features.push_str(AGENT);
    features
}

/// The bytes of the pack in an answer to [`pack_request`].
pub(crate) struct PackStream<R> {
    reader: R,
    /// Whether the pack comes in pkt-lines with a band number.
    banded: bool,
    chunk: Vec<u8>,
    at: usize,
    ended: bool,
    /// Bytes and packets that were no part of the pack.
    talk: usize,
}

/// Talk that a remote may send beside a pack: we ask for none, and some warn all the same.
const MOST_TALK: usize = 1 << 20;

impl<R: Read> PackStream<R> {
    /// Reads what stands before the pack.
    ///
    /// # Errors
    /// `NotFound` when the remote refuses to send it (it says why), `Network` for an
    /// answer that is none.
    pub(crate) fn begin(hello: &Advertisement, shallow: bool, mut reader: R) -> Result<Self> {
        match hello {
            Advertisement::Capabilities(_) => skip_sections(&mut reader)?,
            Advertisement::Refs { .. } => {
                if shallow {
                    skip_until_flush(&mut reader)?;
                }
                let answer = read_data_packet(&mut reader)?;
                if !matches!(text_of_packet_line(&answer)?.get(..3), Some(b"NAK" | b"ACK")) {
                    return Err(not_git("expected a line of git's protocol"));
                }
            }
        }
        let banded = matches!(hello, Advertisement::Capabilities(_)) || hello.has_capability("side-band-64k");
        Ok(Self { reader, banded, chunk: Vec::new(), at: 0, ended: false, talk: 0 })
    }

    fn next_chunk(&mut self) -> Result<()> {
        while !self.ended {
            match read_wire_packet(&mut self.reader)? {
                Some(Packet::Data(data)) => match data.split_first() {
                    Some((1, bytes)) if !bytes.is_empty() => {
                        (self.chunk, self.at) = (data, 1);
                        return Ok(());
                    }
                    Some((3, why)) => return Err(refused(why)),
                    // Progress, and the empty packets that keep a connection open.
                    _ => {
                        self.talk += data.len() + 4;
                        if self.talk > MOST_TALK {
                            fail!(Network, "the remote sends messages instead of the pack");
                        }
                    }
                },
                Some(_) => self.ended = true,
                None => fail!(Network, "the connection was closed in the middle of a pack"),
            }
        }
        drain_side_band(&mut self.reader);
        Ok(())
    }
}

impl<R: Read> Read for PackStream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.banded {
            return self.reader.read(buffer);
        }
        if self.at == self.chunk.len() && !self.ended {
            self.next_chunk().map_err(io::Error::other)?;
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }
}

/// Sections of version 2 before `packfile`: each a title, lines, a delimiter.
fn skip_sections(reader: &mut impl Read) -> Result<()> {
    loop {
        match read_wire_packet(reader)? {
            Some(Packet::Data(data)) if text_of_packet_line(&data)? == b"packfile" => return Ok(()),
            Some(Packet::Data(_) | Packet::Delimiter) => {}
            Some(_) => fail!(NotFound, "the remote sent no pack"),
            None => fail!(Network, "the connection was closed without an answer"),
        }
    }
}

/// Reads the response to its end, so that the connection returns to the pool.
pub(crate) fn drain_side_band(reader: &mut impl Read) {
    let _ = reader.read(&mut [0; 16]);
}

fn skip_until_flush(reader: &mut impl Read) -> Result<()> {
    loop {
        match read_wire_packet(reader)? {
            Some(Packet::Data(data)) => text_of_packet_line(&data).map(|_| ())?,
            Some(Packet::Flush) => return Ok(()),
            Some(_) => fail!(Network, "the remote does not speak git's protocol"),
            None => fail!(Network, "the connection was closed without an answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::error::Kind;
    use proptest::prelude::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    /// Pkt-lines out of texts; `"0000"` and `"0001"` stand for themselves.
    fn lines(texts: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for text in texts {
            match *text {
                "0000" | "0001" => out.extend_from_slice(text.as_bytes()),
                text => append(&mut out, text),
            }
        }
        out
    }

    fn pack_of(bands: &[u8]) -> Result<Vec<u8>> {
        let hello = Advertisement::Capabilities(Vec::new());
        let mut answer = lines(&["packfile\n"]);
        answer.extend_from_slice(bands);
        answer.extend_from_slice(b"0000");
        let mut pack = Vec::new();
        let mut reader = PackStream::begin(&hello, false, &answer[..])?;
        reader.read_to_end(&mut pack).map_err(from_reader)?;
        Ok(pack)
    }

    /// A host that keeps the line open sends packets of the first band with nothing in them.
    #[test]
    fn talk_beside_the_pack_is_passed_over_up_to_a_limit() {
        assert_eq!(pack_of(&lines(&["\u{1}PA", "\u{1}", "\u{2}counting", "\u{1}CK"])).unwrap(), b"PACK");
        for talk in ["\u{2}counting", "\u{1}", ""] {
            let endless = lines(&vec![talk; MOST_TALK / 4 + 1]);
            let error = pack_of(&endless).unwrap_err();
            assert!(error.kind == Kind::Network && error.message.contains("sends messages"), "{error:?}");
        }
    }

    /// A byte that was turned around on the way is not a name that is not UTF-8.
    #[test]
    fn a_broken_id_is_a_broken_answer_and_a_foreign_name_is_left_out() {
        let line = |id: &[u8], name: &[u8]| [id, b" ", name].concat();
        let mut bent = A.as_bytes().to_vec();
        bent[7] ^= 0xff;
        let name = b"refs/heads/m\xe4rz";
        for (text, expected) in [
            (line(A.as_bytes(), b"refs/heads/main"), Ok(1)),
            (line(A.as_bytes(), name), Ok(0)),
            (line(&bent, b"HEAD"), Err(Kind::Network)),
            (line(b"zz", b"HEAD"), Err(Kind::Network)),
            (A.as_bytes().to_vec(), Err(Kind::Network)),
        ] {
            let mut lines = Vec::new();
            let first = add_first_version(&mut lines, &text).map(|()| lines.len());
            assert_eq!(first.map_err(|e| e.kind), expected, "{text:?}");
            let second = second_version(&text).map(|line| line.iter().count());
            assert_eq!(second.map_err(|e| e.kind), expected, "{text:?}");
        }
        assert_eq!(refused(b"upload-pack: not our ref 12").kind, Kind::NotFound);
        let damaged = refused(b"aborting due to possible repository corruption on the remote side.");
        assert_eq!(damaged.kind, Kind::Integrity);
    }

    #[test]
    fn the_first_version_lists_at_once() {
        let head = format!("{A} HEAD\0side-band-64k shallow symref=HEAD:refs/heads/main\n");
        let texts = [
            "# service=git-upload-pack\n",
            "0000",
            &head,
            &format!("{A} refs/heads/main\n"),
            &format!("{A} refs/tags/v1\n"),
            &format!("{B} refs/tags/v1^{{}}\n"),
            "0000",
        ];
        let hello = Advertisement::read(&mut &lines(&texts)[..]).unwrap();
        assert!(hello.has_shallow());
        let Advertisement::Refs { lines, .. } = hello else { panic!("version 0 was sent") };
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].target.as_deref(), Some("refs/heads/main"));
        assert_eq!(lines[2].peeled, Some(B.parse().unwrap()));
    }

    #[test]
    fn the_second_version_lists_when_asked() {
        let hello = lines(&["version 2\n", "agent=x\n", "ls-refs\n", "fetch=shallow filter\n", "0000"]);
        let hello = Advertisement::read(&mut &hello[..]).unwrap();
        assert!(hello.has_shallow());
        assert!(matches!(hello, Advertisement::Capabilities(_)));
        let texts = [
            &format!("{A} HEAD symref-target:refs/heads/main\n"),
            &format!("{A} refs/tags/v1 peeled:{B}\n"),
            "unborn HEAD symref-target:refs/heads/x\n",
            "0000",
        ];
        let listed = read_listing(&mut &lines(&texts)[..]).unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[1].peeled, Some(B.parse().unwrap()));
    }

    #[test]
    fn what_is_no_protocol_is_an_error_of_its_kind() {
        for (bytes, kind) in [
            (&b""[..], Kind::Network),
            (b"<html>", Kind::Network),
            (b"00", Kind::Network),
            (b"0003", Kind::Network),
            (b"fff1", Kind::Network),
            (b"+123", Kind::Network),
            (b"0010abc", Kind::Network),
            (b"0009hello", Kind::Network),
            (b"0008xx y", Kind::Network),
        ] {
            let error = Advertisement::read(&mut &bytes[..]).unwrap_err();
            assert_eq!(error.kind, kind, "{}: {error}", String::from_utf8_lossy(bytes));
        }
        let error = Advertisement::read(&mut &lines(&["ERR no such \u{1b}[31mthing\n"])[..]).unwrap_err();
        assert_eq!(error.kind, Kind::NotFound);
        assert_eq!(error.message, "the remote refused: no such \\u{1b}[31mthing");
        let sha256 = lines(&["version 2\n", "object-format=sha256\n", "0000"]);
        assert_eq!(Advertisement::read(&mut &sha256[..]).unwrap_err().kind, Kind::Invalid);
        assert!(
            matches!(Advertisement::read(&mut &b"0000"[..]), Ok(Advertisement::Refs { lines, .. }) if lines.is_empty())
        );
    }

    #[test]
    fn a_pack_comes_out_of_its_bands() {
        let hello = Advertisement::Capabilities(vec!["fetch=shallow".into()]);
        let answer = lines(&[
            "shallow-info\n",
            &format!("shallow {A}\n"),
            "0001",
            "packfile\n",
            "\u{2}counting\n",
            "\u{1}PA",
            "\u{1}CK",
            "0000",
        ]);
        let mut bytes = Vec::new();
        PackStream::begin(&hello, true, &answer[..]).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"PACK");

        let old = Advertisement::Refs {
            lines: vec![],
            capabilities: vec!["side-band-64k".into(), "shallow".into()],
        };
        let answer =
            lines(&[&format!("shallow {A}\n"), "0000", "NAK\n", "\u{1}PACK", "\u{3}out of memory\n"]);
        let mut pack = PackStream::begin(&old, true, &answer[..]).unwrap();
        let error = from_reader(pack.read_to_end(&mut Vec::new()).unwrap_err());
        assert_eq!(error.message, "the remote refused: out of memory");

        let cut = lines(&["packfile\n", "\u{1}PA"]);
        let mut pack = PackStream::begin(&hello, true, &cut[..]).unwrap();
        assert_eq!(from_reader(pack.read_to_end(&mut Vec::new()).unwrap_err()).kind, Kind::Network);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Advertisement::read(&mut &bytes[..]);
            let _ = read_listing(&mut &bytes[..]);
            let hello = Advertisement::Capabilities(Vec::new());
            if let Ok(mut pack) = PackStream::begin(&hello, true, &bytes[..]) {
                let _ = io::copy(&mut pack, &mut io::sink());
            }
        }
    }
}
