//! The JSON Schema of inventory files, for editors: made from the keys that the reader asks for.

use serde_json::Value;

use crate::inventory::INVENTORY;

/// The file name and the schema.
pub fn schema() -> (&'static str, Value) {
    let about = "The machines of a campaign, and how they are reached.";
    ("hosts.schema.json", INVENTORY.document_schema("timetrial inventory", about))
}
