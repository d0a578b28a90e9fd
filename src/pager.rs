//! Faces: what is longer than the screen goes through a pager, as git and gh do it.

use std::io::{self, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use ba_agent_system::env::Env;
use ba_agent_system::interrupt;

/// What is started where nobody chose another: as git has it.
const DEFAULT: &str = "less";

/// The pager that the user wants: `BA_AGENT_PAGER`, then `PAGER`, then `less`; an empty variable
/// counts as none. `None` for `cat`: nothing stands between the program and the screen then.
fn chosen_pager(env: &Env) -> Option<&str> {
    let chosen = env.var("BA_AGENT_PAGER").or_else(|| env.var("PAGER")).unwrap_or(DEFAULT).trim();
    (chosen != "cat").then_some(chosen)
}

/// Shows `text` through the user's pager and waits for its end. False where there is none, it
/// cannot be started, or it failed: the caller then prints by itself. A pager that ends well before
/// it has read everything has shown enough.
pub(crate) fn show_in_pager(env: &Env, text: &str) -> bool {
    let Some(mut pager) = chosen_pager(env).and_then(|chosen| start_pager(env, chosen).ok()) else {
        return false;
    };
    // Ctrl-C belongs to the pager as long as it is there: `less` stops a search with it.
    interrupt::hold_while_asking(|| {
        if let Some(mut input) = pager.stdin.take() {
            let _ = input.write_all(text.as_bytes());
        }
        pager.wait().is_ok_and(has_shown_enough)
    })
}

/// A pager that was ended by Ctrl-C was ended by the person: 130 is what the shell says of that.
fn has_shown_enough(status: ExitStatus) -> bool {
    #[cfg(unix)]
    let by_person = std::os::unix::process::ExitStatusExt::signal(&status) == Some(2);
    #[cfg(not(unix))]
    let by_person = false;
    status.success() || by_person || status.code() == Some(130)
}

/// The value may have arguments, so a shell reads it, as with git. `less` is told to keep
/// colours, to leave the screen as it was, and to end by itself where everything fits.
fn start_pager(env: &Env, chosen: &str) -> io::Result<Child> {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command.arg(flag).arg(chosen).stdin(Stdio::piped());
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if env.var(name).is_none() {
            command.env(name, value);
        }
    }
    command.spawn()
}
