//! The bytes that a terminal sends for keys, read as keys.

use ba_agent_core::error::is_unprintable;

/// What a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PickerKey {
    Char(char),
    /// Text that was pasted: no key of it does anything but filter.
    Pasted(String),
    Enter,
    Escape,
    Interrupt,
    Tab,
    Backspace,
    ClearFilter,
    DeleteWord,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Left,
    Right,
    MarkAll,
    Redraw,
}

/// The longest sequence that a key sends; what is longer is none.
const LONGEST_SEQUENCE: usize = 32;
/// More than a filter can use.
const LONGEST_PASTE: usize = 4096;
const END_OF_PASTE: &[u8] = b"\x1b[201~";

/// Reads keys out of bytes, which may come in pieces of any length.
#[derive(Debug, Default)]
pub(crate) struct KeyDecoder {
    /// The beginning of a key.
    pending: Vec<u8>,
    /// What was pasted so far, while the terminal says that it pastes.
    paste: Option<Vec<u8>>,
}

impl KeyDecoder {
    /// The keys that are complete with these bytes.
    pub(crate) fn feed_bytes(&mut self, bytes: &[u8]) -> Vec<PickerKey> {
        let mut keys = Vec::new();
        for byte in bytes {
            let key = if self.paste.is_some() { self.feed_pasted(*byte) } else { self.feed_typed(*byte) };
            keys.extend(key);
        }
        keys
    }

    /// Nothing has followed for a while: an Escape that stands alone was the key of that name, and
    /// the beginning of anything else is dropped.
    pub(crate) fn end_sequence(&mut self) -> Option<PickerKey> {
        let pending = std::mem::take(&mut self.pending);
        (pending == [0x1b]).then_some(PickerKey::Escape)
    }

    fn feed_pasted(&mut self, byte: u8) -> Option<PickerKey> {
        if byte == 0x03 {
            return Some(PickerKey::Interrupt);
        }
        let paste = self.paste.get_or_insert_default();
        paste.push(byte);
        if paste.ends_with(END_OF_PASTE) {
            let length = (paste.len() - END_OF_PASTE.len()).min(LONGEST_PASTE);
            let text = String::from_utf8_lossy(&paste[..length]).into_owned();
            self.paste = None;
            return Some(PickerKey::Pasted(text));
        }
        if paste.len() > 2 * LONGEST_PASTE {
            paste.drain(LONGEST_PASTE..paste.len() - END_OF_PASTE.len());
        }
        None
    }

    fn feed_typed(&mut self, byte: u8) -> Option<PickerKey> {
        self.pending.push(byte);
        let key = match self.pending.as_slice() {
            [0x1b] => return None,
            [0x1b, 0x1b] => Some(PickerKey::Escape),
            [0x1b, b'[' | b'O'] => return None,
            // The function keys of the Linux console.
            [0x1b, b'[', b'['] => return None,
            [0x1b, b'O', last] => key_of_final_byte(*last),
            [0x1b, b'[', b'[', _] => None,
            [0x1b, b'[', middle @ .., last] => match last {
                0x20..=0x3f if self.pending.len() < LONGEST_SEQUENCE => return None,
                b'~' if middle == b"200" => {
                    self.paste = Some(Vec::new());
                    None
                }
                b'~' => key_of_number(middle),
                _ => key_of_final_byte(*last),
            },
            // A letter with Alt.
            [0x1b, ..] => None,
            [byte] if byte.is_ascii() => key_of_ascii(*byte),
            bytes => match std::str::from_utf8(bytes) {
                Ok(text) => text.chars().next().filter(|c| !is_unprintable(*c)).map(PickerKey::Char),
                Err(error) if error.error_len().is_none() => return None,
                Err(_) => None,
            },
        };
        self.pending.clear();
        key
    }
}

/// The key of `ESC [ NUMBER ~`, with modifiers behind a semicolon.
fn key_of_number(parameters: &[u8]) -> Option<PickerKey> {
    match parameters.split(|byte| *byte == b';').next().unwrap_or_default() {
        b"1" | b"7" => Some(PickerKey::Home),
        b"4" | b"8" => Some(PickerKey::End),
        b"5" => Some(PickerKey::PageUp),
        b"6" => Some(PickerKey::PageDown),
        _ => None,
    }
}

/// The key of `ESC [ … LETTER` or `ESC O LETTER`.
fn key_of_final_byte(byte: u8) -> Option<PickerKey> {
    match byte {
        b'A' => Some(PickerKey::Up),
        b'B' => Some(PickerKey::Down),
        b'C' => Some(PickerKey::Right),
        b'D' => Some(PickerKey::Left),
        b'H' => Some(PickerKey::Home),
        b'F' => Some(PickerKey::End),
        b'M' => Some(PickerKey::Enter),
        _ => None,
    }
}

/// The key of a byte: a sign, or one with Ctrl.
fn key_of_ascii(byte: u8) -> Option<PickerKey> {
    let key = match byte {
        b'\r' | b'\n' => PickerKey::Enter,
        b'\t' => PickerKey::Tab,
        0x7f | 0x08 => PickerKey::Backspace,
        0x01 => PickerKey::MarkAll,
        0x02 => PickerKey::PageUp,
        0x03 => PickerKey::Interrupt,
        0x04 => PickerKey::Escape,
        0x06 => PickerKey::PageDown,
        0x0c => PickerKey::Redraw,
        0x0e => PickerKey::Down,
        0x10 => PickerKey::Up,
        0x15 => PickerKey::ClearFilter,
        0x17 => PickerKey::DeleteWord,
        b' '..=b'~' => PickerKey::Char(char::from(byte)),
        _ => return None,
    };
    Some(key)
}
