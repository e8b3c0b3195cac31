//! Trials that were begun more than once, because a run was cut off and resumed: which of their events count.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, Happening, Moment, Outcome, Reason};
use crate::store::StoredRun;

impl StoredRun {
    /// The events without those of attempts at trials that were begun again.
    pub fn lasting_events(&self) -> impl Iterator<Item = &Event> {
        lasting(&self.events)
    }
}

/// The events without those of attempts at trials that were begun again.
pub(in crate::store) fn lasting(events: &[Event]) -> impl Iterator<Item = &Event> {
    let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, event) in events.iter().enumerate() {
        if let Happening::TrialStarted { trial, .. } = &event.event {
            begun.insert(trial, place);
        }
    }
    let counts = move |(place, event): &(usize, &Event)| {
        event.event.trial().and_then(|trial| begun.get(trial)).is_none_or(|begun| begun <= place)
    };
    events.iter().enumerate().filter(counts).map(|(_, event)| event)
}

/// The trials that need no other attempt: they have figures, or failed in a way that the campaign went on after. One
/// that ended the campaign, or that the user or a crash cut short, is not among them.
pub fn finished(events: &[Event]) -> BTreeSet<String> {
    let mut finished = BTreeSet::new();
    // A failed trial, until it is seen whether the campaign went on after it.
    let mut failed: Option<(&str, &Reason)> = None;
    for event in events {
        match &event.event {
            Happening::TrialFinished { trial, outcome: Outcome::Measured, .. } => {
                finished.insert(trial.clone());
            }
            Happening::TrialFinished { trial, outcome: Outcome::Failed { reason }, .. } => {
                failed = Some((trial, reason));
            }
            // Whether it would have gone on is not known.
            Happening::CampaignResumed { .. } => failed = None,
            Happening::TrialStarted { trial, .. } if failed.is_some_and(|(other, _)| other == trial) => failed = None,
            other => {
                if let Some((trial, reason)) = failed
                    && went_on(other, reason)
                {
                    finished.insert(trial.to_owned());
                    failed = None;
                }
            }
        }
    }
    finished
}

/// Whether an event shows that the campaign went on after a trial that failed for this reason.
fn went_on(happening: &Happening, reason: &Reason) -> bool {
    match happening {
        Happening::TrialStarted { .. }
        | Happening::DatabaseStopped { .. }
        | Happening::NetworkCheckStarted { when: Moment::After, .. }
        | Happening::TuningVerified { .. } => true,
        Happening::CampaignFinished { outcome: Outcome::Failed { reason: end }, .. } => end != reason,
        Happening::CampaignFinished { .. } => true,
        _ => false,
    }
}
