//! `ba-agent login`, `logout` and `whoami`.

use std::io::Read as _;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::registry_names;
use ba_agent_core::error::{Result, error};
use ba_agent_engine::ops;
use ba_agent_engine::ops::login::{LoginOptions, Secret};

/// Bytes of a token on stdin.
const LONGEST_TOKEN: u64 = 64 * 1024;

/// Log in to a registry.
#[derive(Debug, Args)]
#[command(
    long_about = "Log in to a registry.\n\n\
        Shows a code that you approve on the registry's page, or takes a token on stdin with `--token -`. The token \
        is kept in `credentials.yaml` beside your settings, which only you may read, and is sent to that registry \
        alone. In CI set BA_AGENT_TOKEN_NAME instead, with the name of the registry in capitals.",
    after_help = "Examples:\n  ba-agent login acme\n  ba-agent login acme --token - < token.txt"
)]
pub(crate) struct LoginArgs {
    /// Its name in the settings; by default the only one, or the default one.
    #[arg(value_name = "REGISTRY", add = ArgValueCandidates::new(registry_names))]
    registry: Option<String>,
    /// Take a token from stdin: `--token -`. It is never given on the command line, where others see it.
    #[arg(long, value_name = "-")]
    token: Option<String>,
}

/// Forget the token of a registry.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent logout acme")]
pub(crate) struct LogoutArgs {
    /// Its name in the settings; by default the only one, or the default one.
    #[arg(value_name = "REGISTRY", add = ArgValueCandidates::new(registry_names))]
    registry: Option<String>,
}

/// Say who you are to a registry, and what your token may do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent whoami\n  ba-agent whoami acme --json")]
pub(crate) struct WhoamiArgs {
    /// Its name in the settings; by default the only one, or the default one.
    #[arg(value_name = "REGISTRY", add = ArgValueCandidates::new(registry_names))]
    registry: Option<String>,
}

impl LoginArgs {
    /// Gets or takes a token.
    ///
    /// # Errors
    /// `Usage` for a token on the command line; those of [`ops::login::login`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let token = match self.token.as_deref() {
            None if cx.ui.json() => {
                return Err(error!(Usage, "with `--json` the code to approve would not be seen")
                    .hint("log in without it, or give a token on stdin: `--token -`"));
            }
            None => None,
            Some("-") => Some(read_token()?),
            Some(_) => {
                return Err(error!(Usage, "a token is not written on the command line, where others see it")
                    .hint("give it on stdin: `ba-agent login NAME --token - < FILE`"));
            }
        };
        let options = LoginOptions { registry: self.registry, token };
        let report = ops::login::login(&cx.workspace, &options, cx.ui)?;
        let user = report.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
        cx.ui.status("Logged in", &format!("to {}{user}", report.registry));
        cx.ui.detail(&format!("the token is in {}", report.file.display()));
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        }
        Ok(0)
    }
}

fn read_token() -> Result<Secret> {
    let mut text = String::new();
    std::io::stdin()
        .take(LONGEST_TOKEN)
        .read_to_string(&mut text)
        .map_err(|e| error!(Usage, "the token on stdin cannot be read").cause(e))?;
    match text.trim() {
        "" => Err(error!(Usage, "there is no token on stdin").hint("`ba-agent login NAME --token - < FILE`")),
        token => Ok(Secret::new(token)),
    }
}

impl LogoutArgs {
    /// Forgets the token.
    ///
    /// # Errors
    /// Those of [`ops::login::logout`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::login::logout(&cx.workspace, self.registry.as_deref(), cx.ui)?;
        match report.logged_out {
            true => cx.ui.status("Logged out", &format!("of {}", report.registry)),
            false => cx.ui.note(&format!("no token was kept for `{}`", report.registry)),
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        }
        Ok(0)
    }
}

impl WhoamiArgs {
    /// Prints who the user is.
    ///
    /// # Errors
    /// Those of [`ops::login::whoami`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::login::whoami(&cx.workspace, self.registry.as_deref(), cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        let Some(account) = &report.account else {
            cx.ui.line(&format!("{}: there is a token; files alone cannot say whose it is", report.registry));
            return Ok(0);
        };
        cx.ui.line(&format!("{}: {}", report.registry, account.login));
        let mut facts = Vec::new();
        facts.extend(account.owners.iter().map(|one| ("owner", one.clone())));
        facts.push(("may", account.scopes.join(", ")));
        if !account.names.is_empty() {
            facts.push(("only for", account.names.join(", ")));
        }
        facts.extend(account.expires_at.iter().map(|at| ("expires", at.clone())));
        for (key, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            cx.ui.line(&format!("  {key:<9} {value}"));
        }
        Ok(0)
    }
}
