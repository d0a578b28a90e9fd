//! A pseudo-terminal: a program at it, with a keyboard that presses and a screen that is read.
#![cfg(unix)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A machine that takes longer for one answer is not being waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program at a terminal of 100 columns.
pub(crate) struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    pub(crate) child: Child,
    seen: String,
    /// How much of `seen` was waited for already.
    known: usize,
}

impl Terminal {
    pub(crate) fn run(command: Command) -> Self {
        Self::run_at(command, 100)
    }

    /// At a terminal of so many columns.
    pub(crate) fn run_at(mut command: Command, columns: u16) -> Self {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&control).unwrap();
        unlockpt(&control).unwrap();
        let name = ptsname(&control, Vec::new()).unwrap();
        let user: OwnedFd = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let size = rustix::termios::Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&user, size).unwrap();
        command.stdin(user.try_clone().unwrap()).stdout(user.try_clone().unwrap()).stderr(user);
        if command.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm");
        }
        let child = command.spawn().unwrap();
        // The last of our own copies of the user's side is in `command`.
        drop(command);
        let keyboard = File::from(control);
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Linux says EIO, others the end, when the program has gone.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, screen, child, seen: String::new(), known: 0 }
    }

    /// Reads until `words` have been shown behind those of the last time.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, words: &str) {
        loop {
            if let Some(at) = self.seen[self.known..].find(words) {
                self.known += at + words.len();
                return;
            }
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => panic!("{why}: no {words:?} in {:?}", self.seen),
            }
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// The status and everything that was shown.
    pub(crate) fn end(mut self) -> (std::process::ExitStatus, String) {
        loop {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().unwrap();
                    panic!("the program did not end: {:?}", self.seen);
                }
            }
        }
        (self.child.wait().unwrap(), self.seen)
    }
}
