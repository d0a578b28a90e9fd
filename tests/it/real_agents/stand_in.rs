//! Models that are not there: Anthropic's Messages, OpenAI's Responses and Google's
//! `generateContent`, each as much of it as its agent needs to believe in a conversation.

use serde_json::{Value, json};

use crate::env::TestEnv;
use ba_agent_test_support::server::{Play, Reply, Seen, Server};

/// What the model does at one turn; when all are done it says `done` and ends.
#[derive(Debug, Clone)]
pub(crate) struct ToolCall {
    pub(crate) tool: &'static str,
    pub(crate) input: Value,
}

pub(crate) struct ModelStandIn(Server);

impl ModelStandIn {
    /// A model that calls these tools, one after the other.
    pub(crate) fn start(env: &TestEnv, calls: &[ToolCall]) -> Self {
        let server = Server::start_bare(&env.path("nothing"));
        let calls = calls.to_vec();
        let reply = Reply::new(move |seen| answer(seen, &calls));
        server.play("", Play::Reply(reply));
        Self(server)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// What it was asked so far, by requests that had tools to offer or a prompt to answer.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let asked = |seen: &Seen| seen.method == "POST" && is_for_a_model(&seen.target);
        let seen = self.0.seen().into_iter().filter(asked);
        seen.map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect()
    }

    /// Every text of the last request, of whatever role, in the order that it has.
    pub(crate) fn last_texts(&self) -> Vec<String> {
        let requests = self.requests();
        let mut texts = Vec::new();
        collect_texts(requests.last().expect("the agent asked its model nothing"), &mut texts);
        texts
    }
}

fn is_for_a_model(target: &str) -> bool {
    let path = target.split('?').next().unwrap();
    path.ends_with("/v1/messages") || path.ends_with("/responses") || path.ends_with("enerateContent")
}

/// The strings below `text`, `content`, `output` and the like; not those of tools.
fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => {
            let kept =
                fields.iter().filter(|(key, _)| !matches!(key.as_str(), "tools" | "metadata" | "type"));
            kept.for_each(|(_, value)| collect_texts(value, texts));
        }
        _ => {}
    }
}

fn answer(seen: &Seen, calls: &[ToolCall]) -> (&'static str, Vec<u8>) {
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let path = seen.target.split('?').next().unwrap();
    if !is_for_a_model(path) {
        return ("application/json", b"{\"input_tokens\": 10}".to_vec());
    }
    // The turn is told by how many results of tools came back so far.
    let text = body.to_string();
    let is_result = ["\"type\":\"tool_result\"", "_call_output\"", "\"functionResponse\""];
    let done: usize = is_result.iter().map(|mark| text.matches(mark).count()).sum();
    let call = calls.get(done).filter(|_| body.get("tools").is_some());
    if path.ends_with("/v1/messages") {
        messages(&body, done, call)
    } else if path.ends_with("/responses") {
        responses(done, call)
    } else {
        generate_content(path, call)
    }
}

fn event_stream(events: &[Value]) -> (&'static str, Vec<u8>) {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    ("text/event-stream", events.iter().map(event).collect::<String>().into_bytes())
}

/// Anthropic's Messages, streamed or whole.
fn messages(body: &Value, done: usize, call: Option<&ToolCall>) -> (&'static str, Vec<u8>) {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let mut message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage});
    let (block, delta, stop) = match call {
        Some(call) => (
            json!({"type": "tool_use", "id": format!("toolu_{done}"), "name": call.tool, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": call.input.to_string()}),
            "tool_use",
        ),
        None => {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": "done"}), "end_turn")
        }
    };
    if body["stream"] != json!(true) {
        message["content"] = json!([{"type": "text", "text": "done"}]);
        message["stop_reason"] = json!("end_turn");
        return ("application/json", message.to_string().into_bytes());
    }
    event_stream(&[
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null},
            "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop"}),
    ])
}

/// OpenAI's Responses, streamed.
fn responses(done: usize, call: Option<&ToolCall>) -> (&'static str, Vec<u8>) {
    let item = match call {
        Some(call) => {
            json!({"type": "function_call", "id": format!("fc_{done}"), "call_id": format!("call_{done}"),
            "name": call.tool, "arguments": call.input.to_string(), "status": "completed"})
        }
        None => json!({"type": "message", "id": "m_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "done", "annotations": []}]}),
    };
    let usage = json!({"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2});
    event_stream(&[
        json!({"type": "response.created", "response": {"id": "resp_1"}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"id": "resp_1", "object": "response",
            "status": "completed", "output": [item], "usage": usage}}),
    ])
}

/// Google's `generateContent` and `streamGenerateContent`.
fn generate_content(path: &str, call: Option<&ToolCall>) -> (&'static str, Vec<u8>) {
    let part = match call {
        Some(call) => json!({"functionCall": {"name": call.tool, "args": call.input}}),
        None => json!({"text": "done"}),
    };
    let answer = json!({
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
    });
    if path.contains("stream") {
        ("text/event-stream", format!("data: {answer}\r\n\r\n").into_bytes())
    } else {
        ("application/json", answer.to_string().into_bytes())
    }
}
