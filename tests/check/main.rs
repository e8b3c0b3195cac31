//! What `check` says about the files that people write: golden texts, schemas, and bytes of all kinds.

#![expect(clippy::unwrap_used, reason = "a test that can't read its own files has failed, and the panic says where")]

mod golden;
mod robust;
mod schema;
mod shipped;

use std::path::Path;
use std::time::Duration;

use timetrial::plan::check::{Pace, ToolFacts};

/// The load generators that the cases know.
const TOOLS: [ToolFacts; 2] = [
    ToolFacts { name: "wrk", pace: Pace::ClosedLoop, shortest: Duration::from_secs(1), is_packaged: true },
    ToolFacts { name: "wrk2", pace: Pace::OpenLoop, shortest: Duration::from_secs(10), is_packaged: false },
];

/// The folder of this repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
