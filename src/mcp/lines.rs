//! Messages, one a line. Two threads wait for the streams, so that it does not matter what the
//! streams are: a pipe, a socket, a file. Nothing here grows with what a client sends or leaves
//! unread: a line has a largest size, and few requests are open at once.

use std::borrow::Cow;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, ErrorData, JsonRpcMessage, RequestId,
    ServerJsonRpcMessage,
};
use rmcp::service::RoleServer;
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

/// Bytes of a line: far above every request that there is.
const LONGEST_LINE: usize = 4 << 20;
/// What is kept of a buffer between lines.
const KEPT: usize = 64 << 10;
/// Requests that are answered at once. More are read when an answer was taken.
const OPEN_REQUESTS: usize = 8;

/// Requests and answers, as lines of two streams.
pub(super) struct LineTransport {
    incoming: mpsc::Receiver<ClientJsonRpcMessage>,
    outgoing: Option<mpsc::Sender<OutgoingLine>>,
    flow: Arc<RequestFlow>,
    ended: watch::Receiver<bool>,
}

/// A line to be written, and who waits for that.
struct OutgoingLine {
    bytes: Vec<u8>,
    /// The request that it answers.
    answers: Option<RequestId>,
    written: Option<oneshot::Sender<io::Result<()>>>,
}

/// Which requests are open, and whether answers can be written still.
#[derive(Default)]
struct RequestFlow {
    state: Mutex<FlowState>,
    changed: Condvar,
}

#[derive(Default)]
struct FlowState {
    open: Vec<RequestId>,
    /// Nobody reads what is written any more.
    is_broken: bool,
    fault: Option<io::Error>,
}

impl RequestFlow {
    fn state(&self) -> MutexGuard<'_, FlowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more request may be open; false where nobody reads answers any more.
    fn begin_request(&self, id: &RequestId) -> bool {
        let mut state = self.state();
        while state.open.len() >= OPEN_REQUESTS && !state.is_broken {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open.push(id.clone());
        !state.is_broken
    }

    /// A request was answered, or is not to be.
    fn end_request(&self, id: &RequestId) {
        let mut state = self.state();
        if let Some(at) = state.open.iter().position(|open| open == id) {
            state.open.swap_remove(at);
        }
        self.changed.notify_all();
    }

    fn break_off(&self, fault: io::Error) {
        let mut state = self.state();
        state.is_broken = true;
        state.fault.get_or_insert(fault);
        self.changed.notify_all();
    }
}

/// What went wrong with writing, for who asks in the end.
pub(super) struct WriteFault(Arc<RequestFlow>);

impl WriteFault {
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.state().fault.take()
    }
}

impl LineTransport {
    /// Begins to read and to write.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(super) fn begin(input: Box<dyn Read + Send>, output: Box<dyn Write + Send>) -> io::Result<Self> {
        let (sender, incoming) = mpsc::channel(1);
        let (outgoing, lines) = mpsc::channel(OPEN_REQUESTS);
        let (end, ended) = watch::channel(false);
        let flow = Arc::new(RequestFlow::default());
        let (write_flow, read_flow) = (Arc::clone(&flow), Arc::clone(&flow));
        let errors = outgoing.clone();
        std::thread::Builder::new()
            .name("mcp output".to_owned())
            .spawn(move || write_lines(output, lines, &write_flow, &end))?;
        std::thread::Builder::new()
            .name("mcp input".to_owned())
            .spawn(move || read_messages(input, &sender, &errors, &read_flow))?;
        Ok(Self { incoming, outgoing: Some(outgoing), flow, ended })
    }

    /// What may have gone wrong with writing.
    pub(super) fn fault(&self) -> WriteFault {
        WriteFault(Arc::clone(&self.flow))
    }
}

impl Transport<RoleServer> for LineTransport {
    type Error = io::Error;

    fn name() -> Cow<'static, str> {
        "lines".into()
    }

    fn send(
        &mut self,
        item: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let outgoing = self.outgoing.clone();
        let (sender, written) = oneshot::channel();
        let line = line_of(&item).map(|bytes| {
            let answers = match item {
                JsonRpcMessage::Response(response) => Some(response.id),
                JsonRpcMessage::Error(error) => error.id,
                _ => None,
            };
            OutgoingLine { bytes, answers, written: Some(sender) }
        });
        async move {
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            outgoing.ok_or_else(gone)?.send(line?).await.map_err(|_| gone())?;
            written.await.unwrap_or_else(|_| Err(gone()))
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        tokio::select! {
            message = self.incoming.recv() => message,
            // Also where whoever wrote has gone altogether.
            _ = self.ended.wait_for(|ended| *ended) => None,
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.outgoing = None;
        Ok(())
    }
}

fn line_of(message: &ServerJsonRpcMessage) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

fn write_lines(
    mut output: Box<dyn Write + Send>,
    mut lines: mpsc::Receiver<OutgoingLine>,
    flow: &RequestFlow,
    end: &watch::Sender<bool>,
) {
    while let Some(line) = lines.blocking_recv() {
        let result = output.write_all(&line.bytes).and_then(|()| output.flush());
        if let Some(id) = &line.answers {
            flow.end_request(id);
        }
        let fault = result.as_ref().err().map(|fault| io::Error::new(fault.kind(), fault.to_string()));
        if let Some(written) = line.written {
            let _ = written.send(result);
        }
        if let Some(fault) = fault {
            flow.break_off(fault);
            let _ = end.send(true);
            return;
        }
    }
}

/// Reads messages until the input ends, or nobody wants them any more.
fn read_messages(
    input: Box<dyn Read + Send>,
    messages: &mpsc::Sender<ClientJsonRpcMessage>,
    errors: &mpsc::Sender<OutgoingLine>,
    flow: &RequestFlow,
) {
    let mut lines = LineReader { input: BufReader::new(input), line: Vec::new() };
    // What comes before the first request is of no session.
    let mut has_begun = false;
    while let Some(line) = lines.read_line() {
        let refused = match line.map_or_else(too_long, parse_message) {
            ParsedLine::Message(message) => {
                has_begun |= matches!(*message, JsonRpcMessage::Request(_));
                if has_begun && !pass_on(*message, messages, flow) {
                    return;
                }
                continue;
            }
            ParsedLine::Nothing => continue,
            ParsedLine::Refused(id, why) => ServerJsonRpcMessage::error(why, id),
        };
        let Ok(bytes) = line_of(&refused) else { continue };
        if errors.blocking_send(OutgoingLine { bytes, answers: None, written: None }).is_err() {
            return;
        }
    }
}

/// Gives a message to the session; false where there is none any more.
fn pass_on(
    message: ClientJsonRpcMessage,
    messages: &mpsc::Sender<ClientJsonRpcMessage>,
    flow: &RequestFlow,
) -> bool {
    match &message {
        // It stays open for as long as the client likes; how many there are is counted elsewhere.
        JsonRpcMessage::Request(request)
            if matches!(request.request, ClientRequest::SubscriptionsListenRequest(_)) => {}
        JsonRpcMessage::Request(request) if !flow.begin_request(&request.id) => return false,
        JsonRpcMessage::Notification(notification) => {
            if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                && let Some(id) = &cancelled.params.request_id
            {
                flow.end_request(id);
            }
        }
        _ => {}
    }
    messages.blocking_send(message).is_ok()
}

/// What a line is.
enum ParsedLine {
    Message(Box<ClientJsonRpcMessage>),
    Refused(Option<RequestId>, ErrorData),
    /// A blank line, an answer to nothing that was asked, a notification that is not known.
    Nothing,
}

fn too_long() -> ParsedLine {
    let why = format!("a message has more than {LONGEST_LINE} bytes");
    ParsedLine::Refused(None, ErrorData::invalid_request(why, None))
}

fn parse_message(line: &[u8]) -> ParsedLine {
    if line.iter().all(u8::is_ascii_whitespace) {
        return ParsedLine::Nothing;
    }
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(fault) => {
            let why = format!("not a JSON document: {fault}");
            return ParsedLine::Refused(None, ErrorData::new(ErrorCode::PARSE_ERROR, why, None));
        }
    };
    let invalid = |id, why: &'static str| ParsedLine::Refused(id, ErrorData::invalid_request(why, None));
    if value.is_array() {
        return invalid(None, "a batch: send each message on a line of its own");
    }
    let Some(members) = value.as_object() else {
        return invalid(None, "not a message: expected an object");
    };
    let id = match members.get("id") {
        None => None,
        Some(Value::String(text)) => Some(RequestId::String(text.as_str().into())),
        Some(Value::Number(number)) if number.is_i64() => number.as_i64().map(RequestId::Number),
        Some(_) => return invalid(None, "the id is not a text or a whole number"),
    };
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return invalid(id, "`jsonrpc` is not \"2.0\"");
    }
    match members.get("method") {
        Some(Value::String(_)) => {}
        // Nothing was asked of the client.
        None if members.contains_key("result") || members.contains_key("error") => {
            return ParsedLine::Nothing;
        }
        _ => return invalid(id, "no method: expected a text"),
    }
    let is_request = id.is_some();
    if is_request && members.get("params").is_some_and(|params| !params.is_object()) {
        return ParsedLine::Refused(id, ErrorData::invalid_params("`params` is not an object", None));
    }
    match serde_json::from_value(value) {
        Ok(message) => ParsedLine::Message(Box::new(message)),
        Err(fault) if is_request => {
            ParsedLine::Refused(id, ErrorData::invalid_params(format!("not a valid request: {fault}"), None))
        }
        Err(_) => ParsedLine::Nothing,
    }
}

/// Lines of a stream, in bounded memory.
struct LineReader {
    input: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
}

impl LineReader {
    /// The next line without its end; `Some(None)` for one that is too long, of which the rest is
    /// passed over. What stands behind the last line end is a line too.
    fn read_line(&mut self) -> Option<Option<&[u8]>> {
        self.line.clear();
        self.line.shrink_to(KEPT);
        let mut is_too_long = false;
        let mut has_any = false;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return None,
            };
            if available.is_empty() {
                if !has_any {
                    return None;
                }
                break;
            }
            has_any = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            if self.line.len() + piece.len() > LONGEST_LINE {
                is_too_long = true;
                self.line.clear();
            } else if !is_too_long {
                self.line.extend_from_slice(piece);
            }
            let consumed = end.map_or(available.len(), |end| end + 1);
            self.input.consume(consumed);
            if end.is_some() {
                break;
            }
        }
        Some(if is_too_long { None } else { Some(self.line.as_slice()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(input: &[u8]) -> Vec<Option<usize>> {
        let input: Box<dyn Read + Send> = Box::new(io::Cursor::new(input.to_vec()));
        let mut reader = LineReader { input: BufReader::with_capacity(7, input), line: Vec::new() };
        let mut lengths = Vec::new();
        while let Some(line) = reader.read_line() {
            lengths.push(line.map(<[u8]>::len));
        }
        lengths
    }

    #[test]
    fn a_line_of_any_length_is_one_line() {
        assert_eq!(read_all(b""), []);
        assert_eq!(read_all(b"\n"), [Some(0)]);
        assert_eq!(read_all(b"a\n\nhalf"), [Some(1), Some(0), Some(4)]);
        let mut long = vec![b'x'; LONGEST_LINE + 1];
        long.extend_from_slice(b"\nok\n");
        assert_eq!(read_all(&long), [None, Some(2)]);
        let mut longest = vec![b'x'; LONGEST_LINE];
        longest.push(b'\n');
        assert_eq!(read_all(&longest), [Some(LONGEST_LINE)]);
        // Twice too long, and without an end.
        assert_eq!(read_all(&vec![b'x'; 2 * LONGEST_LINE + 2]), [None]);
    }

    #[test]
    fn what_is_not_a_message_is_answered_with_why() {
        let check = |line: &str, expected: Option<(Option<&str>, i32)>| {
            let found = match parse_message(line.as_bytes()) {
                ParsedLine::Message(_) => panic!("{line} is a message"),
                ParsedLine::Nothing => None,
                ParsedLine::Refused(id, why) => Some((id.map(|id| id.to_string()), why.code.0)),
            };
            assert_eq!(found, expected.map(|(id, code)| (id.map(str::to_owned), code)), "{line}");
        };
        check("", None);
        check("  \r", None);
        check("{", Some((None, -32700)));
        check("\u{0}\u{1b}[31m", Some((None, -32700)));
        check(&"[".repeat(100_000), Some((None, -32700)));
        check(&format!("{}{}", "{\"a\":".repeat(1_000), "1"), Some((None, -32700)));
        check("3", Some((None, -32600)));
        check("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", Some((None, -32600)));
        check("{\"id\":1,\"method\":\"ping\"}", Some((Some("1"), -32600)));
        check("{\"jsonrpc\":\"1.0\",\"id\":\"a\",\"method\":\"ping\"}", Some((Some("a"), -32600)));
        check("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", Some((None, -32600)));
        check("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", Some((None, -32600)));
        check("{\"jsonrpc\":\"2.0\",\"id\":1}", Some((Some("1"), -32600)));
        check("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", Some((Some("1"), -32600)));
        check(
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":[1]}",
            Some((Some("1"), -32602)),
        );
        check("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", None);
        check("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"x\"}}", None);
        for line in [
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
            "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"no/such\",\"params\":{}}",
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\r",
        ] {
            assert!(matches!(parse_message(line.as_bytes()), ParsedLine::Message(_)), "{line}");
        }
    }
}
