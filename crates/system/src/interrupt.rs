//! Ctrl-C. A command that is asked to stop ends at its next step with an error, so that
//! everything that undoes a half change runs; one that hangs in the network is ended for it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ba_agent_core::error::{Error, Kind, Result};

/// The person has asked to stop.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// A question is open: the key ends the question, and says so to whoever asked.
static ASKING: AtomicBool = AtomicBool::new(false);
/// Changes of the disk that are under way.
static CHANGES: AtomicUsize = AtomicUsize::new(0);

/// How long a command may take to end by itself.
#[cfg(unix)]
const GRACE: Duration = Duration::from_secs(1);
/// How often the thread that waits looks.
const TICK: Duration = Duration::from_millis(10);

pub fn is_requested() -> bool {
    STOPPED.load(Ordering::SeqCst)
}

/// The error that a stopped command ends with.
pub fn error() -> Error {
    Error::new(Kind::Interrupted, "stopped by Ctrl-C; unfinished changes are undone")
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

/// Runs `question` with the signal held off; the terminal's library sends it to this process
/// when it reads the key, and says so to its caller too.
pub fn hold_while_asking<T>(question: impl FnOnce() -> T) -> T {
    ASKING.store(true, Ordering::SeqCst);
    let answer = question();
    ASKING.store(false, Ordering::SeqCst);
    answer
}

/// From now on Ctrl-C asks to stop. `last_words` is what is said where the command does not end
/// by itself soon; a second Ctrl-C does not wait for that.
#[cfg(unix)]
pub fn watch_for_signals(last_words: impl FnOnce() + Send + 'static) {
    use signal_hook::consts::SIGINT;

    // Where it cannot be registered, Ctrl-C ends the process, as without us.
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT]) else { return };
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if !ASKING.load(Ordering::SeqCst) {
                break;
            }
        }
        STOPPED.store(true, Ordering::SeqCst);
        let mut since = Instant::now();
        let mut again = false;
        while !again && since.elapsed() < GRACE {
            std::thread::sleep(TICK);
            again = signals.pending().next().is_some();
            if CHANGES.load(Ordering::SeqCst) > 0 {
                // After a change that was undone the command has to say so itself.
                since = Instant::now();
            }
        }
        last_words();
        std::process::exit(i32::from(Kind::Interrupted.exit_status()));
    });
}

/// Where there are no signals, the console ends the process.
#[cfg(not(unix))]
pub fn watch_for_signals(_: impl FnOnce() + Send + 'static) {}
