//! Events as JSON lines, for programs.

use crate::event::Event;

/// One line for each event, progress among them.
pub fn line(event: &Event) -> String {
    serde_json::to_string(event).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}
