//! A pseudo-terminal: a program at it, with a keyboard that presses and a screen that is read.
#![cfg(unix)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A machine that takes longer for one answer is not being waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program at a terminal of 100 columns.
pub(crate) struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    reader: JoinHandle<()>,
    is_gone: Arc<AtomicBool>,
    emulator: vt100::Parser,
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
    pub(crate) fn run_at(command: Command, columns: u16) -> Self {
        Self::run_sized(command, columns, 40)
    }

    pub(crate) fn run_sized(mut command: Command, columns: u16, rows: u16) -> Self {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        // A program that inherited it would hold its own terminal open.
        rustix::io::fcntl_setfd(&control, rustix::io::FdFlags::CLOEXEC).unwrap();
        grantpt(&control).unwrap();
        unlockpt(&control).unwrap();
        let name = ptsname(&control, Vec::new()).unwrap();
        let user: OwnedFd =
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        rustix::termios::tcsetwinsize(&user, size_of(columns, rows)).unwrap();
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
        let is_gone = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&is_gone);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let tick = rustix::event::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
            while !gone.load(Ordering::SeqCst) {
                let mut ready = [PollFd::new(&reader, PollFlags::IN)];
                if !matches!(rustix::event::poll(&mut ready, Some(&tick)), Ok(1..)) {
                    continue;
                }
                // Linux says EIO, others the end, when the program has gone.
                let Ok(length @ 1..) = reader.read(&mut buffer) else { return };
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let emulator = vt100::Parser::new(cells(rows), cells(columns), 200);
        Self { keyboard, screen, reader, is_gone, emulator, child, seen: String::new(), known: 0 }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.emulator.process(bytes);
        self.seen.push_str(&String::from_utf8_lossy(bytes));
    }

    /// Reads until the screen, as a person sees it, is as wanted; what is on it.
    #[track_caller]
    pub(crate) fn wait_for_screen(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        loop {
            let shown = self.emulator.screen().contents();
            if !self.is_being_drawn() && holds(&shown) {
                return shown;
            }
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.take_in(&bytes),
                Err(why) => panic!("{why}: {what} is not to be seen in\n{shown}\n{:?}", self.seen),
            }
        }
    }

    /// True in the middle of what belongs together on the screen.
    fn is_being_drawn(&self) -> bool {
        self.seen.rfind("\x1b[?2026h") > self.seen.rfind("\x1b[?2026l")
    }

    /// The screen as it is, with its colours.
    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.emulator.screen()
    }

    /// True while the program has the second screen.
    pub(crate) fn is_on_second_screen(&self) -> bool {
        self.emulator.screen().alternate_screen()
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.emulator.screen_mut().set_size(cells(rows), cells(columns));
        rustix::termios::tcsetwinsize(&self.keyboard, size_of(columns, rows)).unwrap();
    }

    /// Whether the terminal shows what is typed and gives it line by line, as at the beginning.
    pub(crate) fn has_its_modes(&self) -> bool {
        use rustix::termios::LocalModes;
        let modes = rustix::termios::tcgetattr(&self.keyboard).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// From now on the terminal takes nothing more, as after Ctrl-S; what wakes it is pressed.
    pub(crate) fn halt(&mut self, keys: &str) {
        self.is_gone.store(true, Ordering::SeqCst);
        while !self.reader.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.press(keys);
    }

    /// The terminal goes away, as when its window is closed; the program's status.
    pub(crate) fn hang_up(self) -> std::process::ExitStatus {
        self.is_gone.store(true, Ordering::SeqCst);
        self.reader.join().unwrap();
        drop(self.keyboard);
        wait_for_status(self.child)
    }

    /// The status of a program that does not end with what it writes.
    pub(crate) fn status(self) -> std::process::ExitStatus {
        wait_for_status(self.child)
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
                Ok(bytes) => self.take_in(&bytes),
                Err(why) => panic!("{why}: no {words:?} in {:?}", self.seen),
            }
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Interrupts the program, as its terminal does for Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// As [`Terminal::end`], with the screen as it is left instead of all that was written.
    pub(crate) fn end_on_screen(mut self) -> (std::process::ExitStatus, String) {
        self.read_to_end();
        assert!(!self.is_on_second_screen(), "{:?}", self.seen);
        assert!(!self.emulator.screen().hide_cursor(), "{:?}", self.seen);
        assert!(self.has_its_modes());
        (self.child.wait().unwrap(), self.emulator.screen().contents())
    }

    /// The status and everything that was shown.
    pub(crate) fn end(mut self) -> (std::process::ExitStatus, String) {
        self.read_to_end();
        (self.child.wait().unwrap(), self.seen)
    }

    /// Waits until the program has closed the terminal.
    pub(crate) fn wait_for_end(&mut self) {
        self.read_to_end();
    }

    fn read_to_end(&mut self) {
        loop {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.take_in(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().unwrap();
                    panic!("the program did not end: {:?}", self.seen);
                }
            }
        }
    }
}

fn wait_for_status(mut child: Child) -> std::process::ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the program did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

fn size_of(columns: u16, rows: u16) -> rustix::termios::Winsize {
    rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
