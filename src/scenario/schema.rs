//! JSON Schemas of scenario and daemon files, for editors: made from the keys that the readers ask for.

use serde_json::Value;

use crate::scenario::{DAEMON, SCENARIO};

/// The file names and the schemas.
pub fn schemas() -> [(&'static str, Value); 2] {
    let scenario = SCENARIO.document_schema("timetrial scenario", "What is compared, and how.");
    let about = "What a daemon needs, how it is started, and what it answers.";
    [("scenario.schema.json", scenario), ("daemon.schema.json", DAEMON.document_schema("timetrial daemon", about))]
}
