//! Which names of a run's plan lead to one machine.

use std::collections::BTreeSet;

use crate::event::Happening;
use crate::plan::Trial;
use crate::store::StoredRun;

impl StoredRun {
    /// Whether a trial's load came from its daemon's own machine, or a part of it did.
    pub fn is_local(&self, trial: &Trial) -> bool {
        trial.clients().any(|client| self.same_machine(client, &trial.server))
    }

    /// Whether two names lead to one machine, so that no network is between them: one name, or names that were seen to
    /// share an agent, perhaps by way of a third.
    pub fn same_machine(&self, one: &str, other: &str) -> bool {
        let shared: Vec<(&str, &str)> = self.events.iter().filter_map(|event| pair(&event.event)).collect();
        let mut names = BTreeSet::from([one]);
        loop {
            let known = names.len();
            for (machine, owner) in &shared {
                if names.contains(machine) || names.contains(owner) {
                    names.extend([machine, owner]);
                }
            }
            if names.len() == known {
                return names.contains(other);
            }
        }
    }
}

fn pair(event: &Happening) -> Option<(&str, &str)> {
    match event {
        Happening::MachineShared { machine, other } => Some((machine, other)),
        _ => None,
    }
}
