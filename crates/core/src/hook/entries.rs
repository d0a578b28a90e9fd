//! The entries of our hook in the settings of agents. Everything else in such a file belongs to
//! others and stays as it is, to the byte.

use serde::Serialize;
use serde_json::{Value, json};

use super::HookAgent;
use super::shell::split_words;
use crate::json_edit::{JsonEditFault, append_element, read_commented_json, remove_element, remove_member};

/// Which file of an agent holds its hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookFile {
    /// From the root of a project, and from the home directory.
    pub project: &'static str,
    pub user: &'static str,
}

/// Whether our hook stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookState {
    Installed,
    Absent,
    /// It is there, and not as it would be installed now.
    Changed,
}

/// Seconds after which an agent no longer waits.
const TIMEOUT: u64 = 5;

impl HookAgent {
    /// Where its hooks are. A project's are shared with whoever has the project.
    pub fn file(self) -> HookFile {
        match self {
            Self::ClaudeCode => HookFile { project: ".claude/settings.json", user: ".claude/settings.json" },
            Self::Codex => HookFile { project: ".codex/hooks.json", user: ".codex/hooks.json" },
            Self::GeminiCli => HookFile { project: ".gemini/settings.json", user: ".gemini/settings.json" },
        }
    }

    /// What else a person has to do before the agent runs it.
    pub fn trust_needed(self) -> Option<&'static str> {
        match self {
            Self::ClaudeCode => None,
            Self::Codex => Some(
                "Codex asks once whether it may run a new hook, and does not run it before: answer in `/hooks`",
            ),
            Self::GeminiCli => Some(
                "Gemini CLI runs the hooks of a project only where its folder is trusted, and names new ones once",
            ),
        }
    }

    /// The events in the order in which they are installed, and which tools they are for.
    fn wanted_events(self) -> &'static [(&'static str, Option<&'static str>)] {
        match self {
            Self::ClaudeCode => &[
                ("SessionStart", None),
                ("UserPromptSubmit", None),
                ("UserPromptExpansion", None),
                ("PreToolUse", Some("*")),
                ("PostToolUse", Some("Skill")),
                ("PostToolUseFailure", Some("Skill")),
            ],
            Self::Codex => &[("SessionStart", None), ("UserPromptSubmit", None), ("PreToolUse", None)],
            Self::GeminiCli => &[
                ("SessionStart", None),
                ("BeforeAgent", None),
                ("BeforeTool", Some("*")),
                ("AfterTool", Some("activate_skill")),
            ],
        }
    }

    /// What stands in the list of an event.
    fn entry(self, matcher: Option<&str>, program: &str) -> Value {
        let command = format!("{program} hook run --agent {}", self.id());
        let hook = match self {
            Self::GeminiCli => {
                json!({"name": "ba-agent", "type": "command", "command": command, "timeout": TIMEOUT * 1_000})
            }
            _ => json!({"type": "command", "command": command, "timeout": TIMEOUT}),
        };
        match matcher {
            Some(matcher) => json!({"matcher": matcher, "hooks": [hook]}),
            None => json!({"hooks": [hook]}),
        }
    }
}

/// True for a command that is our hook, under whatever path.
pub fn is_own_command(command: &str) -> bool {
    let words = split_words(command);
    let Some((program, rest)) = words.split_first() else { return false };
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let is_ours = name.strip_suffix(".exe").unwrap_or(name) == "ba-agent";
    is_ours && rest.windows(2).any(|pair| pair == ["hook", "run"])
}

/// Our hooks in a file: event, place of the group in its list, place in the group.
fn own_hooks(settings: &Value) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (event, groups) in settings.get("hooks").and_then(Value::as_object).into_iter().flatten() {
        for (n, group) in groups.as_array().into_iter().flatten().enumerate() {
            for (m, hook) in group.get("hooks").and_then(Value::as_array).into_iter().flatten().enumerate() {
                if hook.get("command").and_then(Value::as_str).is_some_and(is_own_command) {
                    found.push((event.clone(), n, m));
                }
            }
        }
    }
    found
}

/// Whether our hook stands in the settings as `install_hooks` would write it.
///
/// # Errors
/// Where the text is not JSON.
pub fn find_hooks(agent: HookAgent, text: &str, program: &str) -> Result<HookState, JsonEditFault> {
    let settings = read_commented_json(text)?;
    let own = own_hooks(&settings);
    if own.is_empty() {
        return Ok(HookState::Absent);
    }
    let wanted = agent.wanted_events();
    let is_as_wanted = |(event, matcher): &(&str, Option<&str>)| {
        let groups = settings["hooks"][*event].as_array();
        groups.is_some_and(|groups| groups.contains(&agent.entry(*matcher, program)))
    };
    let is_whole = wanted.iter().all(is_as_wanted) && own.len() == wanted.len();
    Ok(if is_whole { HookState::Installed } else { HookState::Changed })
}

/// The settings with our hook; `None` where it is there already.
///
/// # Errors
/// Where the text is not JSON, and where something on the way is not an object or a list.
pub fn install_hooks(agent: HookAgent, text: &str, program: &str) -> Result<Option<String>, JsonEditFault> {
    if find_hooks(agent, text, program)? == HookState::Installed {
        return Ok(None);
    }
    let mut text = uninstall_hooks(text)?.unwrap_or_else(|| text.to_owned());
    for (event, matcher) in agent.wanted_events() {
        text = append_element(&text, &["hooks", event], &agent.entry(*matcher, program))?;
    }
    Ok(Some(text))
}

/// The settings without our hook, and without lists and objects that are empty without it; `None`
/// where it is not there.
///
/// # Errors
/// Those of [`install_hooks`].
pub fn uninstall_hooks(text: &str) -> Result<Option<String>, JsonEditFault> {
    let mut text = text.to_owned();
    let mut own = own_hooks(&read_commented_json(&text)?);
    if own.is_empty() {
        return Ok(None);
    }
    while let Some((event, group, place)) = own.pop() {
        let place_of_group = group.to_string();
        let path = ["hooks", event.as_str(), place_of_group.as_str(), "hooks"];
        text = remove_element(&text, &path, place)?.unwrap_or(text);
        let settings = read_commented_json(&text)?;
        let groups = &settings["hooks"][&event];
        if groups[group]["hooks"].as_array().is_some_and(Vec::is_empty) {
            let is_last = groups.as_array().is_some_and(|groups| groups.len() == 1);
            text = match is_last {
                true => remove_member(&text, &["hooks", &event])?,
                false => remove_element(&text, &["hooks", &event], group)?,
            }
            .unwrap_or(text);
        }
    }
    let settings = read_commented_json(&text)?;
    if settings["hooks"].as_object().is_some_and(serde_json::Map::is_empty) {
        text = remove_member(&text, &["hooks"])?.unwrap_or(text);
    }
    // Of a file that held nothing else, without a comment of anybody's.
    let is_bare = text.chars().all(|c| c.is_whitespace() || matches!(c, '{' | '}'));
    Ok(Some(if is_bare { "{}\n".to_owned() } else { text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_OTHERS: &str = "{\n    // my own\n    \"model\": \"opus\",\n    \"hooks\": {\n        \"PreToolUse\": [\n            {\n                \"matcher\": \"Bash\",\n                \"hooks\": [\n                    { \"type\": \"command\", \"command\": \"guard.sh\" }, // keep\n                ]\n            }\n        ],\n        \"Stop\": []\n    }\n}\n";

    #[test]
    fn a_hook_comes_and_goes_and_all_else_stays() {
        for agent in HookAgent::ALL {
            for before in [
                OF_OTHERS,
                &OF_OTHERS.replace('\n', "\r\n"),
                "{\n  \"a\": [1,   2]\n}\n",
                "{\"a\":1}",
                "{\"a\": 1, \"hooks\": {\"Stop\": [ ]}}",
            ] {
                assert_eq!(find_hooks(agent, before, "ba-agent"), Ok(HookState::Absent));
                let with = install_hooks(agent, before, "ba-agent").unwrap().unwrap();
                assert_eq!(find_hooks(agent, &with, "ba-agent"), Ok(HookState::Installed), "{with}");
                assert_eq!(install_hooks(agent, &with, "ba-agent"), Ok(None));
                assert_eq!(uninstall_hooks(&with).unwrap().as_deref(), Some(before), "{with}");
                assert_eq!(uninstall_hooks(before), Ok(None));
            }
            let fresh = install_hooks(agent, "", "ba-agent").unwrap().unwrap();
            assert_eq!(read_commented_json(&uninstall_hooks(&fresh).unwrap().unwrap()).unwrap(), json!({}));
        }
    }

    #[test]
    fn another_path_or_an_edit_is_a_changed_one_and_is_renewed() {
        let agent = HookAgent::ClaudeCode;
        let old = install_hooks(agent, OF_OTHERS, "/old/ba-agent").unwrap().unwrap();
        assert_eq!(find_hooks(agent, &old, "ba-agent"), Ok(HookState::Changed));
        let new = install_hooks(agent, &old, "ba-agent").unwrap().unwrap();
        assert_eq!(find_hooks(agent, &new, "ba-agent"), Ok(HookState::Installed));
        assert!(!new.contains("/old/") && new.contains("guard.sh"));
        let edited = old.replace("\"timeout\": 5", "\"timeout\": 9");
        assert_eq!(find_hooks(agent, &edited, "/old/ba-agent"), Ok(HookState::Changed));
    }

    /// Somebody has put a hook of theirs into our group.
    #[test]
    fn what_others_put_beside_ours_stays() {
        let with = install_hooks(HookAgent::Codex, "{}", "ba-agent").unwrap().unwrap();
        let mut value = read_commented_json(&with).unwrap();
        value["hooks"]["PreToolUse"][0]["hooks"].as_array_mut().unwrap().push(json!({"command": "mine"}));
        let text = serde_json::to_string_pretty(&value).unwrap();
        let without = read_commented_json(&uninstall_hooks(&text).unwrap().unwrap()).unwrap();
        assert_eq!(without, json!({"hooks": {"PreToolUse": [{"hooks": [{"command": "mine"}]}]}}));
    }

    #[test]
    fn our_command_is_known_under_any_path() {
        for command in [
            "ba-agent hook run",
            "/x/ba-agent hook run --agent codex",
            "'/a b/ba-agent' hook run",
            "ba-agent --quiet hook run",
        ] {
            assert!(is_own_command(command), "{command}");
        }
        for command in [
            "",
            "ba-agent hook status",
            "echo ba-agent hook run",
            "my-ba-agent hook run",
            "ba-agent skill list",
        ] {
            assert!(!is_own_command(command), "{command}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for text in ["{", "[]", "{\"hooks\": 3}", "{\"hooks\": {\"SessionStart\": {}}}"] {
            assert!(install_hooks(HookAgent::ClaudeCode, text, "ba-agent").is_err(), "{text}");
        }
    }
}
