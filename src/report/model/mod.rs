//! What every format shows, laid out once: results by round and document, facts, software, commands, times. Pure.

mod build;
mod columns;
mod facts;
mod head;
mod network;
mod results;
mod sessions;
mod software;
mod times;
mod tuned;
mod tuning;
mod types;

pub use columns::{Column, columns};
pub use tuned::{ChangeRow, ClusterRows, MachineTuning, PutBackRow, SettingRow, SumRow, Tuning, UndoneRows};
pub use types::{
    Ceiling, CeilingRow, CheckRow, DatabaseFacts, Fact, Group, Head, MachineFacts, Model, Network, ReasonText, Row,
    Section, Shows, Software, TrialTimes, UNKNOWN,
};
