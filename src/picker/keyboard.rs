//! The keyboard while a question is on the screen: every key is heard at once and none is shown.

use std::io;

use super::keys::PickerKey;

/// How long the keyboard is listened to before the size of the screen, and whether the program is
/// to end, are looked at again; and how long an Escape waits for what would make it another key.
#[cfg(unix)]
const TICK: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

#[cfg(unix)]
pub(crate) use unix::Keyboard;
#[cfg(not(unix))]
pub(crate) use windows::Keyboard;

#[cfg(unix)]
mod unix {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::stdio::stdin;
    use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};

    use super::super::keys::KeyDecoder;
    use super::{PickerKey, TICK, io};

    /// The terminal's modes are as before when this is dropped.
    pub(crate) struct Keyboard {
        before: Termios,
        decoder: KeyDecoder,
    }

    impl Keyboard {
        /// Takes the keyboard.
        ///
        /// # Errors
        /// Where stdin is no terminal.
        pub(crate) fn open() -> io::Result<Self> {
            let before = tcgetattr(stdin())?;
            let mut modes = before.clone();
            modes.make_raw();
            // What other threads write meanwhile keeps its line ends.
            modes.output_modes |= before.output_modes & (OutputModes::OPOST | OutputModes::ONLCR);
            tcsetattr(stdin(), OptionalActions::Now, &modes)?;
            Ok(Self { before, decoder: KeyDecoder::default() })
        }

        /// The keys of the next moment, perhaps none.
        ///
        /// # Errors
        /// Where the terminal has gone.
        pub(crate) fn read_keys(&mut self) -> io::Result<Vec<PickerKey>> {
            let mut ready = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
            match poll(&mut ready, Some(&TICK)) {
                Ok(0) => return Ok(self.decoder.end_sequence().into_iter().collect()),
                Ok(_) => {}
                Err(Errno::INTR) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            }
            let mut bytes = [0; 1024];
            match rustix::io::read(stdin(), &mut bytes) {
                // A terminal in this mode has no end; it is gone.
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => Ok(self.decoder.feed_bytes(bytes.get(..length).unwrap_or_default())),
                Err(Errno::INTR | Errno::AGAIN) => Ok(Vec::new()),
                Err(error) => Err(error.into()),
            }
        }
    }

    impl Drop for Keyboard {
        fn drop(&mut self) {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
        }
    }
}

#[cfg(not(unix))]
mod windows {
    use dialoguer::console::{Key, Term};

    use super::{PickerKey, io};

    /// The console gives keys, not bytes.
    pub(crate) struct Keyboard(Term);

    impl Keyboard {
        /// Takes the keyboard.
        ///
        /// # Errors
        /// Where stdin is no terminal.
        pub(crate) fn open() -> io::Result<Self> {
            Ok(Self(Term::stderr()))
        }

        /// The next key, where it is one that means something here.
        ///
        /// # Errors
        /// Where the console has gone.
        pub(crate) fn read_keys(&mut self) -> io::Result<Vec<PickerKey>> {
            let key = match self.0.read_key_raw()? {
                Key::CtrlC | Key::Char('\u{3}') => PickerKey::Interrupt,
                Key::Enter => PickerKey::Enter,
                Key::Escape => PickerKey::Escape,
                Key::Backspace => PickerKey::Backspace,
                Key::Tab => PickerKey::Tab,
                Key::ArrowUp | Key::Char('\u{10}') => PickerKey::Up,
                Key::ArrowDown | Key::Char('\u{e}') => PickerKey::Down,
                Key::ArrowLeft => PickerKey::Left,
                Key::ArrowRight => PickerKey::Right,
                Key::PageUp => PickerKey::PageUp,
                Key::PageDown => PickerKey::PageDown,
                Key::Home => PickerKey::Home,
                Key::End => PickerKey::End,
                Key::Char('\u{1}') => PickerKey::MarkAll,
                Key::Char('\u{15}') => PickerKey::ClearFilter,
                Key::Char('\u{17}') => PickerKey::DeleteWord,
                Key::Char(c) if !c.is_control() => PickerKey::Char(c),
                _ => return Ok(Vec::new()),
            };
            Ok(vec![key])
        }
    }
}
