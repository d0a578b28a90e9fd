//! Finds and runs the server of a registry, because a person asked for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use ba_agent_core::error::{Result, error};
use ba_agent_system::env::Env;

/// What the program is called.
const PROGRAM: &str = if cfg!(windows) { "ba-agent-registry.exe" } else { "ba-agent-registry" };

/// The server beside this program, else the first on the PATH. No folder of a project is looked into:
/// what stands on the PATH as a relative one is passed over.
pub(crate) fn find_registry_server(env: &Env) -> Option<PathBuf> {
    let own = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(PROGRAM)));
    let path = env.var("PATH").unwrap_or_default();
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    own.into_iter().chain(folders.map(|folder| folder.join(PROGRAM))).find(|program| program.is_file())
}

/// Runs it until it ends. On Unix it takes the place of this program, so that whoever ends the one
/// has ended the other.
///
/// # Errors
/// `Failed` where it cannot be started.
pub(crate) fn run_registry_server(program: &Path, args: &[OsString]) -> Result<u8> {
    let mut command = Command::new(program);
    command.args(args);
    let unstarted = |e: std::io::Error| error!(Failed, "`{}` cannot be started", program.display()).cause(e);
    #[cfg(unix)]
    return Err(unstarted(std::os::unix::process::CommandExt::exec(&mut command)));
    #[cfg(not(unix))]
    {
        let status = command.status().map_err(unstarted)?;
        Ok(status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1)))
    }
}
