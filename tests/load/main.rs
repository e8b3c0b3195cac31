//! What `timetrial load` and `timetrial hist` say: results, their forms, their merging, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test that can't have what it needs has failed, and the panic says where")]

mod fixture;
mod forms;
mod lines;
mod merging;
mod real;
mod said;
mod verdicts;
