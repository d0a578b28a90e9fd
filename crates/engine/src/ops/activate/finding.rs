//! What somebody should know of an activation that went well.

use std::collections::BTreeSet;

use serde::Serialize;

use super::ActivateOptions;
use ba_agent_core::activation::DynamicCommand;
use ba_agent_core::error::{is_unprintable, printable};
use ba_agent_core::text::{count_noun, list_some};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActivationFinding {
    /// Stable: `edited`, `fallback`, `hidden-characters`, `missing-input` …
    pub code: &'static str,
    pub message: String,
}

impl ActivationFinding {
    /// A finding; the message is made safe to show.
    pub(super) fn new(code: &'static str, message: impl AsRef<str>) -> Self {
        Self { code, message: printable(message.as_ref(), false) }
    }
}

/// Characters that cannot be seen, in what the caller puts into the text: it is passed on as it is.
pub(super) fn of_options(options: &ActivateOptions) -> Vec<ActivationFinding> {
    let mut findings = Vec::new();
    let mut look = |what: &str, text: &str| {
        let hidden: Vec<char> =
            text.chars().filter(|c| is_unprintable(*c) && !matches!(c, '\n' | '\t' | '\r')).collect();
        if let Some(first) = hidden.first() {
            let count = count_noun(hidden.len(), "character");
            let message =
                format!("{what} have {count} that cannot be seen, the first is U+{:04X}", u32::from(*first));
            findings.push(ActivationFinding::new("hidden-characters", message));
        }
    };
    if let Some(arguments) = &options.arguments {
        look("the arguments", arguments);
    }
    if let Some(input) = &options.input {
        let mut texts = String::new();
        collect_texts(&serde_json::Value::Object(input.clone()), &mut texts);
        look("the values of `--input`", &texts);
    }
    findings
}

fn collect_texts(value: &serde_json::Value, texts: &mut String) {
    match value {
        serde_json::Value::String(text) => texts.push_str(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                texts.push_str(key);
                collect_texts(value, texts);
            }
        }
        _ => {}
    }
}

/// Keys that the instructions want and the input does not have.
pub(super) fn of_missing_inputs(missing: &BTreeSet<String>) -> Option<ActivationFinding> {
    if missing.is_empty() {
        return None;
    }
    let names: Vec<&str> = missing.iter().map(String::as_str).collect();
    let message =
        format!("`--input` has nothing for {}, which the text keeps as it is", list_some(&names, 10));
    Some(ActivationFinding::new("missing-input", message))
}

/// Commands that an agent may run before its model sees the text.
pub(super) fn of_dynamic(commands: &[DynamicCommand]) -> Option<ActivationFinding> {
    let first = commands.first()?;
    let message = match commands.len() {
        1 => format!("the command on line {} was not run; it stands in the text as it is", first.line),
        several => {
            format!(
                "{several} commands, the first on line {}, were not run; they stand in the text as they are",
                first.line
            )
        }
    };
    Some(ActivationFinding::new("dynamic", message))
}
