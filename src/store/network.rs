//! What a run's network checks saw.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Happening, Moment};
use crate::metric::NetworkFigures;
use crate::plan::Trial;
use crate::store::StoredRun;

/// One network check, as its event tells it.
#[derive(Debug, Clone, Copy)]
pub struct SeenCheck<'a> {
    /// Before or after all trials.
    pub when: Moment,
    /// The machine that asks in trials.
    pub client: &'a str,
    /// The machine that answers.
    pub server: &'a str,
    /// The tool's name.
    pub tool: &'a str,
    /// What it measured.
    pub figures: &'a NetworkFigures,
    /// The client's command and the server's, as run.
    pub commands: [&'a [String]; 2],
}

impl StoredRun {
    /// Every network check, in the order in which they were made; the last of those that a resumed run made again.
    pub fn network_checks(&self) -> impl Iterator<Item = SeenCheck<'_>> {
        let all: Vec<SeenCheck<'_>> = self.all_network_checks().collect();
        let what = |check: &SeenCheck<'_>| {
            (check.when, check.client.to_owned(), check.server.to_owned(), check.tool.to_owned())
        };
        let last: BTreeMap<_, usize> = all.iter().enumerate().map(|(place, check)| (what(check), place)).collect();
        let places: BTreeSet<usize> = last.into_values().collect();
        all.into_iter().enumerate().filter(move |(place, _)| places.contains(place)).map(|(_, check)| check)
    }

    fn all_network_checks(&self) -> impl Iterator<Item = SeenCheck<'_>> {
        self.events.iter().filter_map(|event| match &event.event {
            Happening::NetworkChecked {
                when, client, server, tool, figures, client_command, server_command, ..
            } => Some(SeenCheck {
                when: *when,
                client,
                server,
                tool,
                figures,
                commands: [client_command, server_command],
            }),
            _ => None,
        })
    }

    /// What the network was seen to carry of a trial's answers, in bits per second. Nothing where one of its clients is the
    /// server's own machine or was not checked. Each of several clients was checked by itself: together they get no more than
    /// the fullest of those checks shows the server's side to carry, as far as anybody has seen, and each no more than its own.
    pub fn answers_carried(&self, trial: &Trial) -> Option<f64> {
        let rates: Vec<f64> =
            trial.clients().map(|client| self.answer_rate(client, &trial.server)).collect::<Option<_>>()?;
        let least = rates.iter().copied().min_by(f64::total_cmp)? * rates.len() as f64;
        let most = rates.into_iter().max_by(f64::total_cmp)?;
        Some(least.min(most))
    }

    /// The lowest rate of answers that was seen between two machines, in bits per second: the one that could be relied
    /// on. Nothing where no check was made, and nothing on one machine: what its CPU can copy is no limit of a network.
    pub fn answer_rate(&self, client: &str, server: &str) -> Option<f64> {
        if self.same_machine(client, server) {
            return None;
        }
        let checks = self.network_checks().filter(|check| (check.client, check.server) == (client, server));
        let rates = checks.map(|check| check.figures.to_client.bits_per_second());
        rates.filter(|rate| rate.is_finite() && *rate > 0.0).min_by(f64::total_cmp)
    }
}
