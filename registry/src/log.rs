//! What the server says while it runs: a line of JSON for each thing, on standard error. Nothing
//! that a token or a password is made of comes into it.

use std::io::Write as _;

use serde_json::json;

use crate::clock::{format_millis, now_millis};

/// Writes a line. That nobody can read it is no reason to stop.
pub(crate) fn write_line(level: &str, message: &str) {
    let line = json!({"at": format_millis(now_millis()), "level": level, "message": message});
    let _ = writeln!(std::io::stderr(), "{line}");
}
