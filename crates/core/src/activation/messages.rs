//! The messages of an activation: as a host keeps them, and as the APIs of two vendors take them.

use serde::Serialize;

use super::permissions::ContextModifier;

/// For whom messages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MessageFormat {
    /// A program that has a conversation: what is seen, what only the model reads, what it may do.
    #[default]
    Host,
    /// Anthropic's Messages API: only what the model reads.
    Anthropic,
    /// OpenAI's Responses API: only what the model reads.
    OpenAi,
}

/// One message, in the shape that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ActivationMessage {
    Host(HostMessage),
    Api(ApiMessage),
}

/// A message that a host keeps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostMessage {
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    /// `visible`: shown to the person; `hidden`: for the model alone.
    visibility: &'static str,
    #[serde(rename = "isMeta")]
    is_meta: bool,
    content: HostContent,
}

/// What a host is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum HostContent {
    Text(String),
    Permissions(GrantedPermissions),
}

/// What the model may do without a question while the skill is active.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GrantedPermissions {
    #[serde(rename = "type")]
    kind: &'static str,
    allowed_tools: Vec<String>,
    model: Option<String>,
}

/// A message as an API takes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApiMessage {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    role: &'static str,
    content: Vec<ApiText>,
}

/// A part of a message that is text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApiText {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
}

impl MessageFormat {
    /// The messages that give a model the instructions of the skill `name`.
    pub fn write_messages(
        self,
        name: &str,
        arguments: Option<&str>,
        instructions: &str,
        modifier: &ContextModifier,
    ) -> Vec<ActivationMessage> {
        let api = |kind, part| {
            let content = vec![ApiText { kind: part, text: instructions.to_owned() }];
            vec![ActivationMessage::Api(ApiMessage { kind, role: "user", content })]
        };
        match self {
            Self::Anthropic => api(None, "text"),
            Self::OpenAi => api(Some("message"), "input_text"),
            Self::Host => {
                let mut messages = vec![
                    host_message("metadata", false, HostContent::Text(describe_loading(name, arguments))),
                    host_message("instruction", true, HostContent::Text(instructions.to_owned())),
                ];
                if modifier.asks_for_something() {
                    let granted = GrantedPermissions {
                        kind: "command_permissions",
                        allowed_tools: modifier.allowed_tools.clone(),
                        model: modifier.model.clone(),
                    };
                    messages.push(host_message("permissions", true, HostContent::Permissions(granted)));
                }
                messages.into_iter().map(ActivationMessage::Host).collect()
            }
        }
    }

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }
}

fn host_message(kind: &'static str, is_meta: bool, content: HostContent) -> HostMessage {
    let visibility = if is_meta { "hidden" } else { "visible" };
    HostMessage { kind, role: "user", visibility, is_meta, content }
}

/// What a person sees instead of the instructions.
fn describe_loading(name: &str, arguments: Option<&str>) -> String {
    let mut text = format!(
        "<command-message>The \"{name}\" skill is loading</command-message>\n<command-name>{name}</command-name>"
    );
    if let Some(arguments) = arguments.filter(|text| !text.is_empty()) {
        text.push_str(&format!("\n<command-args>{arguments}</command-args>"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_documented_shapes() {
        let modifier = ContextModifier {
            allowed_tools: vec!["Read".into(), "Bash(git:*)".into()],
            model: Some("haiku".into()),
            ..ContextModifier::default()
        };
        let written = |format: MessageFormat, arguments: Option<&str>, modifier: &ContextModifier| {
            serde_json::to_string(&format.write_messages("argy", arguments, "Do it.", modifier)).unwrap()
        };
        assert_eq!(
            written(MessageFormat::Host, Some("a b"), &modifier),
            concat!(
                r#"[{"type":"metadata","role":"user","visibility":"visible","isMeta":false,"content":"#,
                r#""<command-message>The \"argy\" skill is loading</command-message>\n<command-name>argy</command-name>\n"#,
                r#"<command-args>a b</command-args>"},"#,
                r#"{"type":"instruction","role":"user","visibility":"hidden","isMeta":true,"content":"Do it."},"#,
                r#"{"type":"permissions","role":"user","visibility":"hidden","isMeta":true,"content":"#,
                r#"{"type":"command_permissions","allowed_tools":["Read","Bash(git:*)"],"model":"haiku"}}]"#
            )
        );
        let plain = written(MessageFormat::Host, None, &ContextModifier::default());
        assert!(!plain.contains("command-args") && !plain.contains("permissions"), "{plain}");
        assert_eq!(
            written(MessageFormat::Anthropic, Some("a"), &modifier),
            r#"[{"role":"user","content":[{"type":"text","text":"Do it."}]}]"#
        );
        assert_eq!(
            written(MessageFormat::OpenAi, None, &modifier),
            r#"[{"type":"message","role":"user","content":[{"type":"input_text","text":"Do it."}]}]"#
        );
    }
}
