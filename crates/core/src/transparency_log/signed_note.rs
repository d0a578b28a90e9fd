//! A signed note (<https://c2sp.org/signed-note>): a text, an empty line, and a line for each
//! signature under it. And the keys that such signatures are checked with.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result, error, fail, printable};
use crate::text::shorten_text;

/// Bytes of an Ed25519 key, of either half.
pub const KEY_BYTES: usize = 32;

/// The most bytes that a note may have.
pub const MAX_NOTE_BYTES: usize = 16 << 10;

/// Signatures of others, who cosign, may stand beside the log's own.
const MAX_SIGNATURES: usize = 32;

/// What stands before the bytes of an Ed25519 key.
const ED25519: u8 = 1;

/// What a line of a signature begins with.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// The public key of a log, written `NAME+ID+KEY`: `skills.acme.dev/log+5d6f1c22+AZ…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: [u8; KEY_BYTES],
}

impl VerifierKey {
    /// The key of a log of this name.
    ///
    /// # Errors
    /// `Invalid` for a name that cannot stand in a note.
    pub fn new(name: &str, key: [u8; KEY_BYTES]) -> Result<Self> {
        check_key_name(name)?;
        let id = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key).finalize();
        let [a, b, c, d, ..] = <[u8; 32]>::from(id);
        Ok(Self { name: name.to_owned(), id: [a, b, c, d], key })
    }

    /// The name of the log: its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells the signatures of this key from those of others.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The public half.
    pub fn key(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }

    /// The eight hex digits of its id.
    pub fn id_text(&self) -> String {
        crate::digest::encode_hex(&self.id)
    }
}

/// Holds that a name can stand in a note: not empty, without blanks and `+`.
///
/// # Errors
/// `Invalid` where it cannot.
pub(super) fn check_key_name(name: &str) -> Result<()> {
    if name.is_empty()
        || name.len() > 256
        || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
    {
        let shown = printable(&shorten_text(name, 80), false);
        return Err(error!(Invalid, "`{shown}` is not a valid name of a log")
            .hint("expected something like `skills.example.org/log`, without blanks and `+`"));
    }
    Ok(())
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend(self.key);
        write!(f, "{}+{}+{}", self.name, self.id_text(), STANDARD.encode(bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            let shown = printable(&shorten_text(text, 120), false);
            error!(Invalid, "`{shown}` is not a valid key of a log: {why}")
                .hint("expected NAME+ID+KEY, as in `skills.example.org/log+5d6f1c22+AZ…`")
        };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("it has not three parts"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| refuse("its last part is not base64"))?;
        let key = match bytes.split_first() {
            Some((&ED25519, key)) => key.try_into().map_err(|_| refuse("it has not 32 bytes"))?,
            _ => return Err(refuse("it is not of the kind Ed25519")),
        };
        let read = Self::new(name, key)?;
        if read.id_text() == id {
            Ok(read)
        } else {
            Err(refuse("its id does not fit its name and its bytes"))
        }
    }
}

/// A signature under a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Whose it says it is.
    pub name: String,
    pub id: [u8; 4],
    pub signature: Vec<u8>,
}

/// A text with the signatures under it; none of them is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// What is signed, with the line feed at its end.
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// A text with one signature under it.
    ///
    /// # Errors
    /// `Invalid` for a text that cannot be a note's.
    pub fn new(text: String, signature: NoteSignature) -> Result<Self> {
        check_text(&text)?;
        check_key_name(&signature.name)?;
        Ok(Self { text, signatures: vec![signature] })
    }

    /// Takes a note apart.
    ///
    /// # Errors
    /// `Integrity` for what is not a note, or longer than one should be.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let refuse = |why: &str| error!(Integrity, "not a valid signed note: {why}");
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(refuse("it is too long"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8"))?;
        let at = note.rfind("\n\n").ok_or_else(|| refuse("no empty line before its signatures"))?;
        let (text, below) = (note.get(..=at).unwrap_or_default(), note.get(at + 2..).unwrap_or_default());
        check_text(text).map_err(|_| refuse("its text has characters that cannot be seen"))?;
        let lines = below.strip_suffix('\n').ok_or_else(|| refuse("it does not end with a line"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(refuse("it has too many signatures"));
            }
            signatures
                .push(read_signature(line).ok_or_else(|| refuse("a line of its signatures is not one"))?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// What is signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature that says it is of this key.
    ///
    /// # Errors
    /// `Integrity` where there is none, or several.
    pub fn find_signature(&self, key: &VerifierKey) -> Result<&NoteSignature> {
        let is_of_key = |one: &&NoteSignature| one.id == key.id && one.name == key.name;
        let mut found = self.signatures.iter().filter(is_of_key);
        if let (Some(one), None) = (found.next(), found.next()) {
            return Ok(one);
        }
        let named = |one: &NoteSignature| {
            let name = printable(&shorten_text(&one.name, 80), false);
            format!("`{name}` with the key {}", crate::digest::encode_hex(&one.id))
        };
        let signers: Vec<String> = self.signatures.iter().take(3).map(named).collect();
        fail!(
            Integrity,
            "expected one signature of `{}` with the key {}, found {}",
            printable(&key.name, false),
            key.id_text(),
            signers.join(", ")
        )
    }
}

fn check_text(text: &str) -> Result<()> {
    if !text.ends_with('\n') || text.chars().any(|c| c.is_control() && c != '\n') {
        fail!(Invalid, "not a text that can be signed: it wants lines of characters that can be seen");
    }
    Ok(())
}

fn read_signature(line: &str) -> Option<NoteSignature> {
    let (name, signature) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
    check_key_name(name).ok()?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    let named = NoteSignature { name: name.to_owned(), id: *id, signature: signature.to_vec() };
    (!signature.is_empty()).then_some(named)
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for one in &self.signatures {
            let bytes = [one.id.as_slice(), one.signature.as_slice()].concat();
            writeln!(f, "{SIGNATURE_MARK}{} {}", one.name, STANDARD.encode(bytes))?;
        }
        Ok(())
    }
}
