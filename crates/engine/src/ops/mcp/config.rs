//! `mcp config`: what an agent's own settings need so that it starts this server, and where they
//! are; written into them without a change of anything else.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use crate::store::lock::Lock;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_core::json_edit::{read_commented_json, set_member};
use ba_agent_core::text::find_nearest;
use ba_agent_system::fsx;

/// The name that the server has in the settings of agents.
const SERVER: &str = "ba-agent";
/// Bytes of settings that are read.
const LARGEST: u64 = 8 << 20;

/// Which agent, and whether its settings are changed.
#[derive(Debug, Clone, Default)]
pub struct ConfigOptions {
    /// One of [`CLIENTS`].
    pub agent: String,
    /// The program and its arguments, as the agent is to start them.
    pub command: Vec<String>,
    /// Change the file instead of only saying what belongs there.
    pub write: bool,
}

/// What belongs into the settings of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigReport {
    pub agent: &'static str,
    /// The file; absent where the agent has none that others may write.
    pub file: Option<PathBuf>,
    pub format: &'static str,
    /// The settings, as a whole file would have them.
    pub text: String,
    /// A command of the agent that does the same.
    pub alternative: Option<String>,
    /// What the agent wants besides.
    pub note: Option<&'static str>,
    /// It was to be written.
    pub written: bool,
    /// The file has another text now.
    pub changed: bool,
}

/// How an agent's settings say it.
struct Client {
    id: &'static str,
    format: Format,
    /// In a project, from its root.
    project: Option<&'static str>,
    /// Of the user, from the home directory.
    user: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `mcpServers.NAME {command, args}`.
    McpServers,
    /// The same below `servers`, with a type.
    Servers,
    /// `mcp.NAME {type: "local", command: [...]}`.
    OpenCode,
    /// `[mcp_servers.NAME]`.
    Toml,
}

const fn define(
    id: &'static str,
    format: Format,
    project: Option<&'static str>,
    user: Option<&'static str>,
) -> Client {
    Client { id, format, project, user }
}

/// From the agents' own documentation and sources, November 2026.
const CLIENTS: &[Client] = &[
    // Its file for the user holds its state too, and it writes that at any time.
    define("claude-code", Format::McpServers, Some(".mcp.json"), None),
    define("codex", Format::Toml, Some(".codex/config.toml"), Some(".codex/config.toml")),
    define("cursor", Format::McpServers, Some(".cursor/mcp.json"), Some(".cursor/mcp.json")),
    define("gemini-cli", Format::McpServers, Some(".gemini/settings.json"), Some(".gemini/settings.json")),
    define("opencode", Format::OpenCode, Some("opencode.json"), Some(".config/opencode/opencode.json")),
    // Where its file for the user is depends on the platform and the profile.
    define("vscode", Format::Servers, Some(".vscode/mcp.json"), None),
    define("generic", Format::McpServers, None, None),
];

/// The agents that [`configure`] knows, `generic` last.
pub fn known_clients() -> impl Iterator<Item = &'static str> {
    CLIENTS.iter().map(|client| client.id)
}

/// What an agent's settings need to start the server, and with `write` the settings changed.
///
/// # Errors
/// `Usage` for an agent that is not known, or has no file to write; `Failed` for settings that
/// cannot be read as what they are, which stay as they were.
pub fn configure(
    workspace: &Workspace,
    options: &ConfigOptions,
    observer: &dyn Observer,
) -> Result<ConfigReport> {
    let workspace = workspace.or_user_at_home();
    let session = workspace.open_unrepaired(observer)?;
    let client = find_client(&options.agent)?;
    let file = file_of(client, &session);
    let members = client.format.members_of(&options.command);
    let text = match client.format {
        Format::Toml => with_toml_table("", &members)?.unwrap_or_default(),
        format => with_members("", format, &members)?.unwrap_or_default(),
    };
    let mut report = ConfigReport {
        agent: client.id,
        file: file.clone(),
        format: if client.format == Format::Toml { "toml" } else { "json" },
        text,
        alternative: alternative_to(client, session.scope.is_project(), &options.command),
        note: note_about(client, session.scope.is_project()),
        written: options.write,
        changed: false,
    };
    if options.write {
        let file = file.ok_or_else(|| no_file(client, &report))?;
        report.changed = write_settings(&session, &file, client.format, &members)?;
    }
    Ok(report)
}

fn find_client(id: &str) -> Result<&'static Client> {
    let id = if id == "github-copilot" { "vscode" } else { id };
    CLIENTS.iter().find(|client| client.id == id).ok_or_else(|| {
        let names: Vec<String> = known_clients().map(|id| format!("`{id}`")).collect();
        let error = error!(
            Usage,
            "`{}` is not an agent whose settings `mcp config` can change",
            printable(id, false)
        );
        let error = match find_nearest(id, known_clients()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        };
        error.hint(format!("known are {}; most others take what `--agent generic` prints", names.join(", ")))
    })
}

fn file_of(client: &Client, session: &Session<'_>) -> Option<PathBuf> {
    match session.scope.is_project() {
        true => client.project.map(|path| session.scope.base().join(path)),
        false => client.user.map(|path| session.scope.base().join(path)),
    }
}

/// A command of the agent itself for what has no file, or is the way it recommends.
fn alternative_to(client: &Client, is_project: bool, command: &[String]) -> Option<String> {
    let words: Vec<String> = command.iter().map(|word| quote_word(word)).collect();
    let words = words.join(" ");
    match client.id {
        "claude-code" => {
            let scope = if is_project { "project" } else { "user" };
            Some(format!("claude mcp add --scope {scope} {SERVER} -- {words}"))
        }
        "codex" if !is_project => Some(format!("codex mcp add {SERVER} -- {words}")),
        "gemini-cli" => {
            let scope = if is_project { "project" } else { "user" };
            Some(format!("gemini mcp add --scope {scope} {SERVER} {words}"))
        }
        "vscode" if !is_project => {
            let (program, args) = command.split_first()?;
            let entry = json!({"name": SERVER, "command": program, "args": args}).to_string();
            Some(format!("code --add-mcp {}", quote_word(&entry)))
        }
        _ => None,
    }
}

/// What an agent asks of its user before it starts a server that a project names.
fn note_about(client: &Client, is_project: bool) -> Option<&'static str> {
    match client.id {
        "claude-code" if is_project => {
            Some("Claude Code asks once whether the server of a project may start")
        }
        "codex" if is_project => {
            Some("Codex reads the settings of a project only where you trust the project")
        }
        "gemini-cli" => Some("Gemini CLI starts servers only in folders that you trust"),
        _ => None,
    }
}

/// A word as a shell takes it.
fn quote_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn no_file(client: &Client, report: &ConfigReport) -> Error {
    let error = error!(Usage, "`{}` has no file of settings here that another program may write", client.id);
    match &report.alternative {
        Some(command) => error.hint(format!("type `{command}`")),
        None => error.hint("without `--write` what belongs into its settings is printed"),
    }
}

impl Format {
    /// Where the server's entry stands.
    fn path(self) -> [&'static str; 2] {
        match self {
            Self::McpServers => ["mcpServers", SERVER],
            Self::Servers => ["servers", SERVER],
            Self::OpenCode => ["mcp", SERVER],
            Self::Toml => ["mcp_servers", SERVER],
        }
    }

    /// The members of the entry that are ours; others that somebody put there stay.
    fn members_of(self, command: &[String]) -> Vec<(&'static str, Value)> {
        let (program, args) = command.split_first().map_or(("", &[][..]), |(one, rest)| (one.as_str(), rest));
        match self {
            Self::OpenCode => vec![("type", json!("local")), ("command", json!(command))],
            Self::Servers => {
                vec![("type", json!("stdio")), ("command", json!(program)), ("args", json!(args))]
            }
            Self::McpServers | Self::Toml => vec![("command", json!(program)), ("args", json!(args))],
        }
    }
}

/// Changes a file of settings; true where it has another text now.
fn write_settings(
    session: &Session<'_>,
    file: &Path,
    format: Format,
    members: &[(&'static str, Value)],
) -> Result<bool> {
    // A project's file must not lead out of it; a user's own may be a link.
    let real = match session.scope.is_project() {
        true => session.places.check_inside("file of settings", file)?,
        false => fsx::real_path(file),
    };
    // Two of these at once would lose what one of them wrote.
    let lock = session.store.state_dir().settings_lock_file();
    let lock = Lock::take(&lock, session.lock_wait()?, &|what: &str| session.note(what))?;
    let changed = change_file(file, &real, format, members);
    lock.release();
    changed
}

/// Reads, changes and writes.
fn change_file(file: &Path, real: &Path, format: Format, members: &[(&'static str, Value)]) -> Result<bool> {
    let bytes = fsx::read_plain_file(real, LARGEST)?.unwrap_or_default();
    let unread = |why: String| {
        error!(Failed, "`{}` cannot be changed", file.display())
            .cause(printable(&why, false))
            .hint("correct it by hand and run the command again; it was not changed")
    };
    let text = String::from_utf8(bytes).map_err(|_| unread("it is not UTF-8".to_owned()))?;
    let new = match format {
        Format::Toml => with_toml_table(&text, members),
        format => with_members(&text, format, members),
    };
    let Some(new) = new.map_err(|error| unread(error.message))? else { return Ok(false) };
    fsx::create_folders(fsx::parent(real))?;
    fsx::write_atomic(real, new.as_bytes())?;
    Ok(true)
}

/// The text with the entry; `None` where it has it already.
fn with_members(text: &str, format: Format, members: &[(&'static str, Value)]) -> Result<Option<String>> {
    let fault = |fault: ba_agent_core::json_edit::JsonEditFault| error!(Failed, "{fault}");
    let root = read_commented_json(text).map_err(fault)?;
    let [outer, inner] = format.path();
    if !root.get(outer).and_then(|servers| servers.get(inner)).is_some_and(Value::is_object) {
        let whole: Value = members.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        return set_member(text, &[outer, inner], &whole).map_err(fault);
    }
    let mut new = None;
    for (key, value) in members {
        let before = new.as_deref().unwrap_or(text);
        if let Some(after) = set_member(before, &[outer, inner, key], value).map_err(fault)? {
            new = Some(after);
        }
    }
    Ok(new)
}

/// The same for TOML.
fn with_toml_table(text: &str, members: &[(&'static str, Value)]) -> Result<Option<String>> {
    let [outer, inner] = Format::Toml.path();
    let mut document: toml_edit::DocumentMut =
        text.parse().map_err(|fault: toml_edit::TomlError| error!(Failed, "{}", fault.message()))?;
    let not_a_table = |name: &str| error!(Failed, "expected a table for `{name}`");
    let mut servers_of_nothing = toml_edit::Table::new();
    servers_of_nothing.set_implicit(true);
    let servers = document.entry(outer).or_insert(toml_edit::Item::Table(servers_of_nothing));
    let servers = servers.as_table_like_mut().ok_or_else(|| not_a_table(outer))?;
    let entry = servers.entry(inner).or_insert(toml_edit::Item::Table(toml_edit::Table::new()));
    let entry = entry.as_table_like_mut().ok_or_else(|| not_a_table(inner))?;
    for (key, value) in members {
        let old = entry.get(key).and_then(toml_edit::Item::as_value);
        if old.map(json_of).as_ref() != Some(value) {
            entry.insert(key, toml_edit::Item::Value(toml_of(value)));
        }
    }
    let new = document.to_string();
    Ok((new != text).then_some(new))
}

/// A text or a list of texts.
fn toml_of(value: &Value) -> toml_edit::Value {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().unwrap_or_default().into(),
    }
}

/// The same the other way; null for what is neither.
fn json_of(value: &toml_edit::Value) -> Value {
    match value.as_array() {
        Some(items) => items.iter().map(|item| item.as_str().map_or(Value::Null, Value::from)).collect(),
        None => value.as_str().map_or(Value::Null, Value::from),
    }
}
