//! `ba-agent skill activate NAME`.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::{agent_names, installed_names};
use ba_agent_core::activation::{ContextModifier, MessageFormat};
use ba_agent_core::error::{Result, printable};
use ba_agent_core::text::{count_noun, format_bytes};
use ba_agent_core::usage::UsageChannel;
use ba_agent_engine::ops::activate::{ActivateOptions, Activation, activate, parse_input};

/// Print the instructions of a skill as a model gets them.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    long_about = "Print the instructions of a skill as a model gets them.\n\n\
        The text is the one that Claude Code gives its model: the body of SKILL.md with arguments and \
        folders in their places. On a terminal you see it with what the skill may use, what it needs and \
        what is not as it should be; in a pipe it is the text alone; `--json` has all of it. Commands in \
        the text are named and never run. The bytes are held against the registry; where SKILL.md cannot \
        be used, the state that was installed stands in for it.\n\n\
        With `--session` a conversation that has the instructions already gets one line instead of them. \
        `--message` with what the person wrote says whether it goes on with the skill at all.",
    after_help = "Examples:\n  ba-agent skill activate pdf\n  \
        ba-agent skill activate deploy --arguments 'staging \"release 2\"' --json\n  \
        ba-agent skill activate greet --input '{\"city\":\"Berlin\"}' --messages openai\n  \
        ba-agent skill activate pdf --session 4f1c --message 'and page 7?' --json"
)]
pub(crate) struct ActivateArgs {
    /// The skill, as `skill context` lists it: `pdf`, `project:deploy`, `plugin:deploy`.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: String,
    /// What `$ARGUMENTS` stands for; its words, quoted as in a shell, are `$0`, `$1` and so on.
    #[arg(long, short = 'a', value_name = "TEXT", allow_hyphen_values = true)]
    arguments: Option<String>,
    /// A JSON object: what `{input.KEY}` stands for.
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    input: Option<String>,
    /// A version that is kept beside the active one.
    #[arg(long = "version", value_name = "VERSION")]
    wanted: Option<String>,
    /// The conversation, so that what it has already is not given again.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Print the messages alone, as JSON: for a program with a conversation, or for an API.
    #[arg(long, value_name = "FORMAT", value_enum)]
    messages: Option<MessagesFor>,
    /// The agent whose skills count, and whose words for tools.
    #[arg(long = "for", value_name = "AGENT", add = ArgValueCandidates::new(agent_names))]
    agent: Option<String>,
    /// The whole text, also where the conversation has it.
    #[arg(long)]
    full: bool,
    /// What the person wrote, to see whether it goes on with the skill. It is not kept.
    #[arg(long, value_name = "TEXT", requires = "session", allow_hyphen_values = true)]
    message: Option<String>,
    /// Whether it does, where neither the message nor its words say so.
    #[arg(long, value_name = "WHETHER", requires = "session", value_enum)]
    followup: Option<Whether>,
    /// Fail where the bytes differ from the registry.
    #[arg(long)]
    verify: bool,
}

/// For whom messages are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum MessagesFor {
    /// A program that keeps a conversation
    Host,
    /// Anthropic's Messages API
    Anthropic,
    /// OpenAI's Responses API
    Openai,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whether {
    Yes,
    No,
}

impl ActivateArgs {
    /// Prints what a model gets of a skill.
    ///
    /// # Errors
    /// Those of [`activate`] and [`parse_input`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let format = self.messages.map(|messages| match messages {
            MessagesFor::Host => MessageFormat::Host,
            MessagesFor::Anthropic => MessageFormat::Anthropic,
            MessagesFor::Openai => MessageFormat::OpenAi,
        });
        let options = ActivateOptions {
            arguments: self.arguments,
            input: self.input.as_deref().map(parse_input).transpose()?,
            version: self.wanted,
            session: self.session,
            messages: format.unwrap_or_default(),
            agent: self.agent,
            full: self.full,
            message: self.message,
            follow_up: self.followup.map(|whether| whether == Whether::Yes),
            verify: self.verify,
            ..ActivateOptions::of(&self.name, UsageChannel::Cli)
        };
        let activation = activate(&cx.workspace, &options, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&activation);
            return Ok(0);
        }
        for finding in &activation.findings {
            cx.ui.warn(&finding.message);
        }
        if format.is_some() {
            cx.ui.print_json_document(&activation.messages);
        } else if cx.ui.is_for_eyes() {
            cx.ui.print_paged(cx.env(), &describe(cx, &activation));
        } else {
            cx.ui.write(activation.instructions.as_bytes());
            if !activation.instructions.ends_with('\n') {
                cx.ui.write(b"\n");
            }
        }
        Ok(0)
    }
}

/// What a person sees of it: what the skill may do, what it needs, and what the model gets.
fn describe(cx: &CommandContext<'_>, activation: &Activation) -> String {
    const KEY: usize = 14;
    let mut text = String::new();
    for (key, value) in facts_of(activation) {
        let wrapped = cx.ui.wrap_lines(&printable(&value, false), KEY);
        let wrapped = wrapped.replace('\n', &format!("\n{:KEY$}", ""));
        let _ = writeln!(text, "{} {wrapped}", cx.ui.bold(&format!("{key:<13}")));
    }
    let body = printable(activation.instructions.trim_end(), true);
    let _ = writeln!(text, "\n{}\n\n{}", cx.ui.bold("The model gets:"), cx.ui.wrap_text(&body));
    text
}

fn facts_of(activation: &Activation) -> Vec<(&'static str, String)> {
    let modifier = &activation.context_modifier;
    let version = activation.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let fallback = if activation.fallback { ", the state that was installed" } else { "" };
    let named = |names: &[String]| Some(names.join(", ")).filter(|text| !text.is_empty());
    let needs = activation.dependencies.iter().map(|name| format!("`ba-agent skill activate {name}`"));
    let needs: Vec<String> = needs.collect();
    let bytes: u64 = activation.resources.iter().map(|one| one.size).sum();
    let files = format!("{}, {}", count_noun(activation.resources.len(), "other file"), format_bytes(bytes));
    let optional = [
        ("skill", Some(format!("{}{version} ({}{fallback})", activation.skill_name, activation.source))),
        ("folder", Some(activation.base_dir.clone())),
        ("needs first", named(&needs)),
        ("may use", named(&modifier.allowed_tools)),
        ("may not use", named(&modifier.disallowed_tools)),
        ("forbidden", named(&modifier.forbidden_operations)),
        ("asks before", named(&modifier.require_approval)),
        ("limits", limits_of(modifier)),
        ("model", modifier.model.clone()),
        ("files", (!activation.resources.is_empty()).then_some(files)),
        (
            "not run",
            named(&activation.dynamic.iter().map(|one| format!("`{}`", one.command)).collect::<Vec<_>>()),
        ),
        ("session", activation.session.as_ref().map(|one| format!("{}: {}", one.id, one.active.join(", ")))),
        ("follow-up", describe_follow_up(activation)),
        (
            "length",
            Some(format!("{} characters, about {} tokens", activation.chars, activation.tokens_estimated)),
        ),
    ];
    optional.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn limits_of(modifier: &ContextModifier) -> Option<String> {
    let limits = &modifier.resource_limits;
    let parts =
        [("cpu", &limits.max_cpu_time), ("memory", &limits.max_memory), ("disk", &limits.max_disk_io)];
    let said = parts.iter().filter_map(|(what, limit)| Some(format!("{what} {}", limit.as_ref()?)));
    Some(said.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

fn describe_follow_up(activation: &Activation) -> Option<String> {
    use ba_agent_core::follow_up::FollowUpStep;
    let answer = activation.follow_up.as_ref()?;
    let why = match answer.step? {
        FollowUpStep::Inactive => "the skill was not active",
        FollowUpStep::Reference => "the message says so",
        FollowUpStep::Length => "the message is too short to stand alone",
        FollowUpStep::Terms => "its words meet those before",
        FollowUpStep::Caller => "the caller says so",
        FollowUpStep::Nothing => "nothing says that it is",
    };
    let verdict = if answer.is_follow_up { "yes" } else { "no" };
    let percent = answer.confidence.map_or(0.0, |sure| sure * 100.0);
    let saved = match answer.tokens_saved {
        0 => String::new(),
        saved => format!(", about {saved} tokens saved"),
    };
    Some(format!("{verdict}: {why} ({percent:.0} % sure){saved}"))
}
