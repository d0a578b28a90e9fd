//! World: tokens for remote registries: those of the environment, and those that `login` keeps in a
//! file of the user's own, which nobody else may read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::settings::remote_registries::ConfiguredRegistry;
use ba_agent_core::error::{Context as _, Result, error};
use ba_agent_net::hosts::Secret;
use ba_agent_system::env::Env;
use ba_agent_system::fsx;

/// What stands before the name of a registry in a variable.
const VARIABLE: &str = "BA_AGENT_TOKEN_";
/// Bytes of the file.
const LARGEST: u64 = 1 << 20;
const HEAD: &str = "# Tokens for registries, kept by `ba-agent login`. Keep this file to yourself.\n";

/// A token as the file has it.
#[derive(Clone, Serialize, Deserialize)]
struct KeptToken {
    token: String,
    /// Whose it is, as the registry said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

/// The tokens, by the addresses of their registries.
type KeptTokens = BTreeMap<String, KeptToken>;

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenOrigin {
    Environment,
    File,
}

/// The variable that may hold the token of a registry.
pub(crate) fn token_variable(registry: &str) -> String {
    format!("{VARIABLE}{}", registry.to_ascii_uppercase().replace('-', "_"))
}

/// The file that keeps tokens.
///
/// # Errors
/// `Failed` where there is no home.
pub(crate) fn tokens_file(env: &Env) -> Result<PathBuf> {
    Ok(env.config_dir()?.join("credentials.yaml"))
}

/// The token for a registry of the user's own settings, without the blanks that come with it.
///
/// # Errors
/// `Usage` for a token of several lines and a file that cannot be read as one of tokens.
pub(crate) fn find_token(env: &Env, registry: &ConfiguredRegistry) -> Result<Option<Secret>> {
    Ok(find_token_with_origin(env, registry)?.map(|(token, _)| token))
}

/// As [`find_token`], with where it comes from.
///
/// # Errors
/// Those of [`find_token`].
pub(crate) fn find_token_with_origin(
    env: &Env,
    registry: &ConfiguredRegistry,
) -> Result<Option<(Secret, TokenOrigin)>> {
    // Nothing of the user's is for a registry that a project alone names.
    if registry.is_of_project {
        return Ok(None);
    }
    let variable = token_variable(&registry.name);
    if let Some(text) = env.var(&variable).map(str::trim).filter(|text| !text.is_empty()) {
        return Ok(Some((check_token(text, &variable)?, TokenOrigin::Environment)));
    }
    let file = tokens_file(env)?;
    let Some(kept) = read(&file)?.remove(&registry.url) else { return Ok(None) };
    Ok(Some((check_token(kept.token.trim(), &file.display().to_string())?, TokenOrigin::File)))
}

/// A token that can stand in one line of a request.
///
/// # Errors
/// `Usage` for an empty one, and for one with blanks or control characters inside.
pub(crate) fn check_token(text: &str, place: &str) -> Result<Secret> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(error!(Usage, "the token in {place} is not one word of plain characters")
            .hint("it must hold only the token, on one line"));
    }
    Ok(Secret::new(text))
}

/// Keeps a token.
///
/// # Errors
/// Those of reading and writing the file.
pub(crate) fn keep_token(env: &Env, url: &str, token: &Secret, user: Option<&str>) -> Result<PathBuf> {
    let file = tokens_file(env)?;
    let mut all = read(&file)?;
    let (token, user) = (token.expose_secret_text().to_owned(), user.map(str::to_owned));
    all.insert(url.to_owned(), KeptToken { token, user });
    write(&file, &all)?;
    Ok(file)
}

/// Forgets a token; false where there was none.
///
/// # Errors
/// Those of reading and writing the file.
pub(crate) fn forget_token(env: &Env, url: &str) -> Result<bool> {
    let file = tokens_file(env)?;
    let mut all = read(&file)?;
    if all.remove(url).is_none() {
        return Ok(false);
    }
    write(&file, &all)?;
    Ok(true)
}

fn read(file: &Path) -> Result<KeptTokens> {
    let Some(bytes) = fsx::read_plain_file(file, LARGEST)? else { return Ok(KeptTokens::default()) };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(KeptTokens::default());
    }
    // What is wrong with it is not quoted: the line may hold a token.
    let all: Option<KeptTokens> = serde_yaml::from_slice::<Option<KeptTokens>>(&bytes).map_err(|e| {
        let line = e.location().map_or(0, |at| at.line());
        error!(Usage, "the tokens in `{}` cannot be read: line {line}", file.display())
            .hint("correct it, or delete it and log in again")
    })?;
    Ok(all.unwrap_or_default())
}

fn write(file: &Path, all: &KeptTokens) -> Result<()> {
    let text =
        serde_yaml::to_string(all).map_err(|e| error!(Failed, "the tokens cannot be written").cause(e))?;
    let text = if all.is_empty() { HEAD.to_owned() } else { format!("{HEAD}{text}") };
    fsx::create_folders(fsx::parent(file))?;
    write_private(file, text.as_bytes()).context(|| format!("`{}` cannot be written", file.display()))
}

/// Writes a file that only its owner may read, as a whole.
fn write_private(file: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let folder = fsx::parent(file);
    // Such a file is its owner's alone from the beginning.
    let mut new = tempfile::Builder::new().prefix(".credentials-").tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(is_of_project: bool) -> ConfiguredRegistry {
        ConfiguredRegistry {
            name: "acme-2".into(),
            url: "https://a.example".into(),
            scopes: Vec::new(),
            mirrors: Vec::new(),
            is_default: false,
            log_key: None,
            is_of_project,
        }
    }

    fn token(env: &Env, of_project: bool) -> Option<String> {
        find_token(env, &registry(of_project)).unwrap().map(|token| token.expose_secret_text().to_owned())
    }

    #[test]
    fn a_token_is_kept_for_its_registry_and_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::isolated(dir.path(), &[]);
        assert_eq!(token(&env, false), None);
        let file = keep_token(&env, "https://a.example", &Secret::new("bar_1"), Some("alice")).unwrap();
        keep_token(&env, "https://b.example", &Secret::new("bar_2"), None).unwrap();
        assert_eq!(token(&env, false).as_deref(), Some("bar_1"));
        assert_eq!(token(&env, true), None, "a project's registry gets nothing");
        assert!(std::fs::read_to_string(&file).unwrap().contains("user: alice"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(forget_token(&env, "https://a.example").unwrap());
        assert!(!forget_token(&env, "https://a.example").unwrap());
        assert_eq!(token(&env, false), None);
        forget_token(&env, "https://b.example").unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), HEAD);
    }

    #[test]
    fn the_variable_goes_before_the_file_and_must_be_one_word() {
        let dir = tempfile::tempdir().unwrap();
        let with = |text| Env::isolated(dir.path(), &[(&token_variable("acme-2"), text)]);
        keep_token(&with(""), "https://a.example", &Secret::new("bar_1"), None).unwrap();
        assert_eq!(token(&with(" bar_9\n"), false).as_deref(), Some("bar_9"));
        assert_eq!(token(&with("  "), false).as_deref(), Some("bar_1"));
        assert_eq!(token(&with("bar_9"), true), None);
        let error = find_token(&with("canary\nX: y"), &registry(false)).unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn a_broken_file_is_told_without_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::isolated(dir.path(), &[]);
        let file = tokens_file(&env).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "https://a.example: [canary]\n").unwrap();
        let error = find_token(&env, &registry(false)).unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
