//! The one error value of the crate and the exit status it ends in.
//!
//! An error says what went wrong, where, why (`causes`) and what to type next
//! (`hints`). It is written where it happens and carried up unchanged; a floor
//! above only adds to it.

use std::fmt;
use std::io;

use serde::Serialize;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure this is; decides the exit status and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Anything that has no better word: exit 1.
    Failed,
    /// The command line is wrong: exit 2.
    Usage,
    /// A repository, reference, folder, skill or entry does not exist: exit 3.
    NotFound,
    /// The other side wants credentials, or refuses the ones it got: exit 4.
    Auth,
    /// A host cannot be reached or broke off: exit 5.
    Network,
    /// Bytes are not the ones that were promised: exit 6.
    Integrity,
    /// A name is taken, a skill was edited, a lock is held: exit 7.
    Conflict,
    /// A skill, archive or manifest breaks the rules: exit 8.
    Invalid,
    /// Ctrl-C: exit 130.
    Interrupted,
}

impl Kind {
    /// The documented exit status of the process.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Auth => 4,
            Self::Network => 5,
            Self::Integrity => 6,
            Self::Conflict => 7,
            Self::Invalid => 8,
            Self::Interrupted => 130,
        }
    }
}

/// A failure as a person reads it and as `--json` prints it.
///
/// The parts may quote untrusted text; the face that prints them escapes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    /// From the nearest to the deepest reason.
    pub causes: Vec<String>,
    /// Each is something to do next, most likely first.
    pub hints: Vec<String>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// Adds a deeper reason below the ones that are there.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds something to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts a new message on top; the old one becomes the first cause.
    pub fn wrap(mut self, message: impl Into<String>) -> Self {
        let old = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, old);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// `fs_err` has put the path into the message already.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        let mut ours = Self::new(Kind::Failed, error.to_string());
        let mut source = error.get_ref().and_then(|inner| inner.source());
        while let Some(cause) = source {
            ours = ours.cause(cause);
            source = cause.source();
        }
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ours.hint("the disk is full: nothing was changed; free some space and run the command again")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ours.hint("nothing was changed; check who owns the folder and whether it can be written")
            }
            _ => ours,
        }
    }
}

/// Adds what was being done to a failure that came from below.
pub trait Context<T> {
    /// Puts `message` on top of the failure.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().wrap(message()))
    }
}

/// `Err` with a message: `fail!(NotFound, "no skill named `{name}`")`.
#[doc(hidden)]
#[macro_export]
macro_rules! __fail {
    ($kind:ident, $($message:tt)+) => {
        return Err($crate::error::Error::new($crate::error::Kind::$kind, format!($($message)+)))
    };
}

/// An [`Error`] value: `error!(NotFound, "no skill named `{name}`").hint("…")`.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($kind:ident, $($message:tt)+) => {
        $crate::error::Error::new($crate::error::Kind::$kind, format!($($message)+))
    };
}

// One path for each: a macro that is exported stands at the top of its crate, under a name of its own.
#[doc(inline)]
pub use {__error as error, __fail as fail};

/// Text from outside made safe to show: control, bidirectional, zero-width and
/// tag characters become `\u{…}`, so that no skill can write to the terminal.
/// A line feed stays when `lines` is true.
pub fn printable(text: &str, lines: bool) -> String {
    // Nearly every cell of every table.
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if (c == '\n' && lines) || !is_unprintable(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

/// True for characters that act on a terminal or cannot be seen (Unicode
/// categories Cc and Cf as far as they hide or reorder text, tag characters,
/// line separators and variation selectors beyond emoji).
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_error_keeps_its_reasons_in_order() {
        let error = Error::new(Kind::Network, "deep").cause("deeper").wrap("on top");
        assert_eq!(error.message, "on top");
        assert_eq!(error.causes, ["deep", "deeper"]);
        assert_eq!(error.kind, Kind::Network);
    }

    #[test]
    fn escape_sequences_and_hidden_text_are_shown_not_obeyed() {
        assert_eq!(printable("a\u{1b}[31mb\nc", false), "a\\u{1b}[31mb\\u{a}c");
        assert_eq!(printable("a\nb", true), "a\nb");
        assert_eq!(printable("x\u{202e}y\u{200b}\u{e0041}", false), "x\\u{202e}y\\u{200b}\\u{e0041}");
        assert_eq!(printable("技能 é ✓", false), "技能 é ✓");
    }
}
