//! How a load is divided over the machines that it comes from.

use crate::plan::Trial;

/// The part of a load that comes from one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Share<'a> {
    /// The machine.
    pub client: &'a str,
    /// Its connections.
    pub connections: u32,
    /// Its requests per second, where a rate is asked for.
    pub rate: Option<f64>,
}

impl Trial {
    /// The machines that the load comes from: one, or several at the same time.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.client.as_str()).chain(self.more_clients.iter().map(String::as_str))
    }

    /// What each of them does. Connections that do not divide evenly go to the first, one each; the rate is divided exactly.
    pub fn shares(&self) -> Vec<Share<'_>> {
        let machines = u32::try_from(self.more_clients.len()).unwrap_or(u32::MAX - 1) + 1;
        let (each, left) = (self.load.connections / machines, self.load.connections % machines);
        let rate = self.load.rate.map(|rate| rate as f64 / f64::from(machines));
        let share = |(place, client)| Share { client, connections: each + u32::from(place < left), rate };
        (0..).zip(self.clients()).map(share).collect()
    }

    /// `a`, or `a, b and c together`.
    pub fn clients_words(&self) -> String {
        match &self.more_clients[..] {
            [] => self.client.clone(),
            [others @ .., last] => {
                let first = std::iter::once(&self.client).chain(others).cloned().collect::<Vec<_>>().join(", ");
                format!("{first} and {last} together")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{DatabaseUse, Load};

    fn trial(connections: u32, rate: Option<u64>, more_clients: &[&str]) -> Trial {
        Trial {
            id: "0001".to_owned(),
            round: "round".to_owned(),
            daemon: "daemon".to_owned(),
            endpoint: "/".to_owned(),
            repeat: 1,
            document: "index".to_owned(),
            database_use: DatabaseUse::None,
            server: "server".to_owned(),
            client: "a".to_owned(),
            more_clients: more_clients.iter().map(ToString::to_string).collect(),
            address: "10.0.0.1".to_owned(),
            port: 8016,
            load: Load {
                tool: "timetrial".to_owned(),
                provision: None,
                threads: 1,
                connections,
                streams: None,
                duration_s: 1.0,
                warm_up_s: None,
                rate,
                timeout_s: None,
            },
        }
    }

    #[test]
    fn connections_and_rates_are_divided_and_nothing_is_lost() {
        let check = |trial: Trial, connections: &[u32], words: &str| {
            let shares = trial.shares();
            assert_eq!(shares.iter().map(|share| share.connections).collect::<Vec<_>>(), connections);
            assert_eq!(connections.iter().sum::<u32>(), trial.load.connections);
            let rates: Option<f64> = shares.iter().map(|share| share.rate).sum();
            let apart = rates.zip(trial.load.rate).map_or(0.0, |(sum, rate)| (sum - rate as f64).abs());
            assert!(apart < 1e-9 && rates.is_some() == trial.load.rate.is_some(), "{rates:?}");
            assert_eq!(trial.clients_words(), words);
        };
        check(trial(64, None, &[]), &[64], "a");
        check(trial(64, Some(500), &["b"]), &[32, 32], "a and b together");
        check(trial(65, Some(500), &["b", "c"]), &[22, 22, 21], "a, b and c together");
        check(trial(3, Some(1), &["b", "c"]), &[1, 1, 1], "a, b and c together");
    }
}
