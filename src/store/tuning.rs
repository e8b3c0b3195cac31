//! What a run tells of its tuning.

use std::collections::BTreeMap;

use crate::event::{Event, Happening};
use crate::store::StoredRun;
use crate::wire::Outcome;

/// A setting that somebody else changed while trials were measured under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Its name.
    pub name: String,
    /// What it had been set to.
    pub set: String,
    /// What it was found to be; none where it was gone.
    pub found: Option<String>,
    /// When that was found, in words.
    pub when: &'static str,
}

impl StoredRun {
    /// Settings of a machine that were no longer as they had been set when the session that a trial lasts from was over:
    /// read again after its last trial, or, where it ended before that, when it was put back.
    pub fn drifted(&self, machine: &str, trial: &str) -> Vec<Drift> {
        let begun = |event: &Event| matches!(&event.event, Happening::TrialStarted { trial: id, .. } if id == trial);
        let sessions = self.events.chunk_by(|_, next| !matches!(next.event, Happening::CampaignResumed { .. }));
        // A trial that was begun again lasts from its last session.
        let session = sessions.filter(|session| session.iter().any(begun)).next_back().unwrap_or_default();
        self.drifted_in(session, machine)
    }

    fn drifted_in(&self, session: &[Event], machine: &str) -> Vec<Drift> {
        let mut set: BTreeMap<&str, &str> = BTreeMap::new();
        let mut verified = None;
        let mut undone = Vec::new();
        for event in session {
            match &event.event {
                Happening::MachineTuned { machine: of, settings, .. } if self.same_machine(machine, of) => {
                    set.extend(
                        settings.iter().filter_map(|tuned| Some((tuned.name.as_str(), tuned.after.as_deref()?))),
                    );
                }
                Happening::TuningVerified { machine: of, changed, .. } if self.same_machine(machine, of) => {
                    let drift = changed.iter().map(|tuned| Drift {
                        name: tuned.name.clone(),
                        set: tuned.wanted.clone(),
                        found: tuned.after.clone(),
                        when: "after the last trial",
                    });
                    verified.get_or_insert_with(Vec::new).extend(drift);
                }
                Happening::TuningUndone { machine: of, undone: entries } if self.same_machine(machine, of) => {
                    let alone = entries.entries.iter().filter(|entry| entry.outcome == Outcome::LeftAlone);
                    undone.extend(alone.filter_map(|entry| {
                        let set = set.get(entry.name.as_str())?;
                        let (name, found) = (entry.name.clone(), entry.found.clone());
                        Some(Drift { name, set: (*set).to_owned(), found, when: "when the machine was put back" })
                    }));
                }
                _ => {}
            }
        }
        // What was changed after everything had been read again concerns no trial.
        verified.unwrap_or(undone)
    }
}
