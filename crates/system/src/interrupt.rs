//! Ctrl-C, and the other signals that ask a program to end: SIGTERM, and SIGHUP of a terminal that
//! is closed. A command that is asked to stop ends at its next step with an error, so that
//! everything that undoes a half change runs; one that hangs in the network is ended for it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ba_agent_core::error::{Error, Kind, Result};

/// The person has asked to stop.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// Which signal that was, in words; an index into `CAUSES`.
static CAUSE: AtomicUsize = AtomicUsize::new(0);
/// A question is open: the key ends the question, and says so to whoever asked.
static ASKING: AtomicBool = AtomicBool::new(false);
/// Changes of the disk that are under way.
static CHANGES: AtomicUsize = AtomicUsize::new(0);

/// What is called when somebody asks to stop.
static WAKE: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// What a command is stopped by.
const CAUSES: [&str; 3] = ["by Ctrl-C", "by SIGTERM", "since its terminal was closed"];

/// How long a command may take to end by itself.
#[cfg(unix)]
const GRACE: Duration = Duration::from_secs(1);
/// How often the thread that waits looks.
const TICK: Duration = Duration::from_millis(10);

pub fn is_requested() -> bool {
    STOPPED.load(Ordering::SeqCst)
}

fn cause() -> &'static str {
    CAUSES.get(CAUSE.load(Ordering::SeqCst)).copied().unwrap_or_default()
}

/// The error that a stopped command ends with.
pub fn error() -> Error {
    Error::new(Kind::Interrupted, format!("stopped {}; unfinished changes are undone", cause()))
        .hint("run the command again to do it after all: what was fetched in full is in the cache")
}

/// The error of a command that is ended where it stands.
fn error_of_ended_process() -> Error {
    if CHANGES.load(Ordering::SeqCst) == 0 {
        return error();
    }
    Error::new(Kind::Interrupted, format!("stopped {} in the middle of a change", cause()))
        .hint("the next ba-agent command here undoes or finishes that change first, and says so")
}

/// Has `wake` called once when somebody asks to stop, for a command that waits for something else.
pub fn call_when_requested(wake: impl FnOnce() + Send + 'static) {
    *WAKE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
    if is_requested() {
        call_wake();
    }
}

fn call_wake() {
    let wake = WAKE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(wake) = wake {
        wake();
    }
}

/// To be asked between two steps.
///
/// # Errors
/// `Interrupted` when the person has asked to stop.
pub fn check() -> Result<()> {
    if is_requested() { Err(error()) } else { Ok(()) }
}

/// Waits, but not longer than until `check` says that the command is to end.
///
/// # Errors
/// Those of `check`.
pub fn sleep(time: Duration, check: impl Fn() -> Result<()>) -> Result<()> {
    let end = Instant::now() + time;
    loop {
        check()?;
        match end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => std::thread::sleep(left.min(TICK * 5)),
            _ => return Ok(()),
        }
    }
}

/// While it lives, the process is not ended from outside the steps of a command: a change of
/// the disk is finished or undone first.
pub struct ChangeGuard(());

impl ChangeGuard {
    pub fn begin() -> Self {
        CHANGES.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for ChangeGuard {
    fn drop(&mut self) {
        CHANGES.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs `question` with Ctrl-C held off: the terminal's library reads the key, sends the signal to
/// this process, and says so to its caller too. The terminal has its modes again afterwards, also
/// where a pager died in its own.
pub fn hold_while_asking<T>(question: impl FnOnce() -> T) -> T {
    modes::save_modes();
    ASKING.store(true, Ordering::SeqCst);
    let answer = question();
    ASKING.store(false, Ordering::SeqCst);
    modes::restore_modes();
    answer
}

/// From now on a signal asks to stop. `last_words` says the error where the command does not end by
/// itself soon; a second Ctrl-C does not wait for that. Without a terminal, SIGHUP stays what
/// whoever started the program made of it: `nohup` has it ignored.
#[cfg(unix)]
pub fn watch_for_signals(has_terminal: bool, last_words: impl FnOnce(&Error) + Send + 'static) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let wanted: &[i32] = if has_terminal { &[SIGINT, SIGTERM, SIGHUP] } else { &[SIGINT, SIGTERM] };
    // Where they cannot be registered, they end the process, as without us.
    let Ok(mut signals) = signal_hook::iterator::Signals::new(wanted) else { return };
    std::thread::spawn(move || {
        let is_meant = |signal: &i32| *signal != SIGINT || !ASKING.load(Ordering::SeqCst);
        let signal = signals.forever().find(is_meant);
        let cause = [Some(SIGINT), Some(SIGTERM), Some(SIGHUP)].iter().position(|known| *known == signal);
        CAUSE.store(cause.unwrap_or(0), Ordering::SeqCst);
        STOPPED.store(true, Ordering::SeqCst);
        call_wake();
        let mut since = Instant::now();
        let mut again = false;
        // A question that waits for a key does not end by itself.
        while !again && since.elapsed() < GRACE && !ASKING.load(Ordering::SeqCst) {
            std::thread::sleep(TICK);
            again = signals.pending().next().is_some();
            if CHANGES.load(Ordering::SeqCst) > 0 {
                // After a change that was undone the command has to say so itself.
                since = Instant::now();
            }
        }
        modes::restore_modes();
        // A terminal that was halted (Ctrl-S) takes no words, and nobody waits for that.
        let words = std::thread::spawn(move || last_words(&error_of_ended_process()));
        let since = Instant::now();
        while !words.is_finished() && since.elapsed() < GRACE {
            std::thread::sleep(TICK);
        }
        // A question that was just being put may have set its own meanwhile.
        modes::restore_modes();
        std::process::exit(i32::from(Kind::Interrupted.exit_status()));
    });
}

/// Where there are no signals, the console ends the process.
#[cfg(not(unix))]
pub fn watch_for_signals(_: bool, _: impl FnOnce(&Error) + Send + 'static) {}

/// The modes that the terminal had before a question.
mod modes {
    #[cfg(unix)]
    use {
        rustix::stdio::stdin,
        rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
        std::sync::Mutex,
    };

    #[cfg(unix)]
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    #[cfg(unix)]
    pub(super) fn save_modes() {
        if let Ok(mut before) = BEFORE.lock() {
            *before = tcgetattr(stdin()).ok();
        }
    }

    /// Those of the last question; nothing where there was none.
    #[cfg(unix)]
    pub(super) fn restore_modes() {
        if let Some(modes) = BEFORE.lock().ok().and_then(|before| before.clone()) {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
        }
    }

    #[cfg(not(unix))]
    pub(super) fn save_modes() {}

    #[cfg(not(unix))]
    pub(super) fn restore_modes() {}
}
