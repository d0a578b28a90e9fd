//! `skill history`: the last changes.

use super::settle::open_session;
use crate::history::Record;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::Result;

/// The last changes of this scope, newest first.
///
/// # Errors
/// Those of [`crate::history::History::records`].
pub fn list_changes(workspace: &Workspace, observer: &dyn Observer) -> Result<Vec<Record>> {
    open_session(workspace, observer)?.store.history().records()
}
