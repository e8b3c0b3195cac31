//! Puts the model together.

use crate::command::shell_words;
use crate::referee;
use crate::report::escape::Text;
use crate::report::model::types::Model;
use crate::report::model::{facts, head, network, results, software, times, tuned};
use crate::store::StoredRun;

impl Model {
    /// Judges a run and lays everything out.
    pub fn new(run: &StoredRun) -> Self {
        let judgement = referee::judge(run);
        let sections = results::sections(run, &judgement);
        let machines = facts::machines(run);
        Self {
            head: head::head(run, judgement.summary, &sections, &machines),
            summary: judgement.summary,
            network: network::network(run, &sections),
            tuning: tuned::tuning(run),
            sections,
            machines,
            software: software::software(run),
            database: software::database(run),
            steps: times::steps(run),
            inputs: run.plan.inputs.iter().map(|(path, digest)| (Text::from(path), short_digest(digest))).collect(),
            again: Text::from(shell_words(&["timetrial".to_owned(), "report".to_owned(), run.id.clone()])),
        }
    }
}

/// The beginning of a digest: enough to tell two apart.
pub fn short_digest(digest: &str) -> Text {
    Text::from(digest.chars().take(16).collect::<String>())
}
