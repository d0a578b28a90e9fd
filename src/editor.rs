//! Faces: the user's editor, for files that a person changes by hand.

use std::path::Path;
use std::process::Command;

use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_system::env::Env;
use ba_agent_system::interrupt;

/// The editor that the user wants: `VISUAL`, then `EDITOR`; an empty variable counts as none. No
/// setting of a project has a say in it.
fn chosen_editor(env: &Env) -> Option<&str> {
    let named = |name: &str| env.var(name).map(str::trim).filter(|text| !text.is_empty());
    named("VISUAL").or_else(|| named("EDITOR"))
}

/// Says whether somebody is there who can edit, and with what.
///
/// # Errors
/// `Usage` without a terminal, and where no editor is named.
pub(crate) fn require_editor(env: &Env) -> Result<()> {
    if !env.stdin_is_terminal || !env.stderr_is_terminal {
        return Err(error!(Usage, "an editor needs a terminal, and this run has none"));
    }
    match chosen_editor(env) {
        Some(_) => Ok(()),
        None => {
            Err(error!(Usage, "no editor is named").hint("set VISUAL or EDITOR, for example `EDITOR=nano`"))
        }
    }
}

/// Opens a file in the user's editor and waits for its end.
///
/// # Errors
/// Those of [`require_editor`]; `Failed` for an editor that cannot be started or fails.
pub(crate) fn edit_in_editor(env: &Env, file: &Path) -> Result<()> {
    require_editor(env)?;
    let editor = chosen_editor(env).unwrap_or_default();
    // The value may have arguments, so a shell reads it, as with git; the path is none of its words.
    let mut command = if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.arg("/C").arg(format!("{editor} \"{}\"", file.display()));
        command
    } else {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{editor} \"$@\"")).arg(editor).arg(file);
        command
    };
    // Ctrl-C belongs to the editor as long as it is there.
    let ended = interrupt::hold_while_asking(|| command.status());
    let shown = printable(editor, false);
    let failed = |why: String| -> Error {
        error!(Failed, "the editor `{shown}` failed")
            .cause(why)
            .hint("to use another one set VISUAL or EDITOR")
    };
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
