//! What a run hands over to be kept. The run knows no store: whoever wires them gives it a recorder.

use crate::event::Event;

/// Something to keep, in the order it is handed over.
#[derive(Debug)]
pub enum Write<'a> {
    /// An event.
    Event(&'a Event),
    /// A whole file of the run directory, or more bytes at its end.
    File {
        /// Its path in the run directory, by [`paths`].
        path: &'a str,
        /// The bytes.
        bytes: &'a [u8],
        /// Whether they come after those that are there.
        append: bool,
    },
}

/// Keeps what happens. An error ends the run: the record is the product.
pub trait Recorder {
    /// Keeps it, or says why it could not.
    fn write(&mut self, write: Write<'_>) -> std::io::Result<()>;
}

/// The names in a run directory.
pub mod paths {
    /// The plan.
    pub const PLAN: &str = "plan.json";
    /// The events.
    pub const EVENTS: &str = "events.jsonl";
    /// The manifest, written last.
    pub const COMPLETE: &str = "complete.json";
    /// Byte copies of what people wrote.
    pub const INPUTS: &str = crate::plan::INPUTS;
    /// Rendered pages: outside the manifest.
    pub const REPORT: &str = "report";

    /// A machine's facts, `before` or `after`.
    pub fn facts(machine: &str, when: &str) -> String {
        format!("machines/{machine}/facts-{when}.json")
    }

    /// What was seen of a machine for tuning, `before` or `after`.
    pub fn look(machine: &str, when: &str) -> String {
        format!("machines/{machine}/look-{when}.json")
    }

    /// The last messages of the PostgreSQL on a machine.
    pub fn database_log(machine: &str) -> String {
        format!("machines/{machine}/postgresql.stderr")
    }

    /// A raw output of a network check: `iperf-client.stdout`. A machine's name may hold any sign but a slash.
    pub fn network(when: crate::event::Moment, client: &str, server: &str, name: &str) -> String {
        format!("network/{}/{client}/{server}/{name}", when.word())
    }

    /// The planned trial.
    pub fn trial(id: &str) -> String {
        format!("trials/{id}/trial.json")
    }

    /// Its figures.
    pub fn metrics(id: &str) -> String {
        format!("trials/{id}/metrics.json")
    }

    /// A raw output of it.
    pub fn raw(id: &str, name: &str) -> String {
        format!("trials/{id}/raw/{name}")
    }
}
