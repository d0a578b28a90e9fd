//! Faces: the user's browser, for pages that a person asked for.

use std::process::{Command, Stdio};

use ba_agent_system::env::Env;
use ba_agent_system::interrupt;

/// Opens an address of plain ASCII in the user's browser: that of `BROWSER`, else the desktop's.
/// False where there is none, so that the caller prints the address instead.
pub(crate) fn open_in_browser(env: &Env, url: &str) -> bool {
    let named = env.var("BROWSER").map(str::trim).filter(|text| !text.is_empty());
    if let Some(browser) = named.filter(|_| !cfg!(windows)) {
        // The first of a list; it may have arguments, so a shell reads it. The address is none of
        // its words. It may be one for the terminal, which it then has until it ends.
        let browser = browser.split(':').next().unwrap_or(browser);
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{browser} \"$@\"")).arg(browser).arg(url);
        return interrupt::hold_while_asking(|| command.status()).is_ok_and(|status| status.success());
    }
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else {
        // Without a desktop `xdg-open` looks for browsers of the terminal, and takes its time.
        let is_desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env.var(name).is_some());
        if !is_desktop {
            return false;
        }
        Command::new("xdg-open")
    };
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
