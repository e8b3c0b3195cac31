//! Gives events their number and time, and hands them over.

use std::time::Instant;

use jiff::Timestamp;

use crate::event::{Event, Happening, Recorder, Write};

/// Hands events and files to the recorder.
pub struct Emitter<'a> {
    recorder: &'a mut dyn Recorder,
    start: Instant,
    /// Milliseconds that the run had when this session began.
    before_ms: u64,
    sequence: u64,
    measured: Option<String>,
}

impl<'a> Emitter<'a> {
    /// The campaign's clock starts here, or goes on behind an event with this number and time.
    pub fn after(recorder: &'a mut dyn Recorder, sequence: u64, before_ms: u64) -> Self {
        Self { recorder, start: Instant::now(), before_ms, sequence, measured: None }
    }

    /// Hands over an event. Progress takes no number: it is not stored, and stored numbers have no gaps.
    pub fn emit(&mut self, event: Happening) -> std::io::Result<()> {
        if !event.is_progress() {
            self.sequence += 1;
        }
        if let Happening::TrialMeasured { trial, .. } = &event {
            self.measured = Some(trial.clone());
        }
        let elapsed_ms = self.before_ms.saturating_add(millis(self.start));
        let event = Event { sequence: self.sequence, time: Timestamp::now(), elapsed_ms, event };
        self.recorder.write(Write::Event(&event))
    }

    /// Whether a trial has figures, however it ended after its load.
    pub fn has_measured(&self, trial: &str) -> bool {
        self.measured.as_deref() == Some(trial)
    }

    /// Hands over a file.
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> std::io::Result<()> {
        self.recorder.write(Write::File { path, bytes, append: false })
    }

    /// Hands over more bytes of a file.
    pub fn append(&mut self, path: &str, bytes: &[u8]) -> std::io::Result<()> {
        self.recorder.write(Write::File { path, bytes, append: true })
    }

    /// Hands over a value as a JSON file.
    pub fn json(&mut self, path: &str, value: &impl serde::Serialize) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec_pretty(value)?;
        bytes.push(b'\n');
        self.file(path, &bytes)
    }
}

/// Milliseconds since then.
pub fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
