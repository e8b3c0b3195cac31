//! Which machines load goes between.

use crate::plan::{Database, NetworkCheck, NetworkPair, NetworkTool, Trial};
use crate::scenario;

/// The check of all ways that load takes, each once: the trials' in their order, then those to the database. A database
/// beside its daemons has no network before it.
pub(in crate::plan) fn planned(
    written: &scenario::Network,
    trials: &[Trial],
    database: Option<&Database>,
) -> NetworkCheck {
    let mut pairs: Vec<NetworkPair> = Vec::new();
    let loads = trials.iter().flat_map(|trial| {
        let pair = |client: &str| NetworkPair { client: client.to_owned(), server: trial.server.clone() };
        trial.clients().map(pair).collect::<Vec<_>>()
    });
    let queries = database.into_iter().flat_map(|database| {
        let pair = |client: &String| NetworkPair { client: client.clone(), server: database.machine.clone() };
        database.clients.iter().filter(|client| **client != database.machine).map(pair)
    });
    for pair in loads.chain(queries) {
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    let tool = |name: &str| NetworkTool { name: name.to_owned(), provisions: std::collections::BTreeMap::new() };
    NetworkCheck {
        tools: written.tools.iter().map(|written| tool(&written.value)).collect(),
        duration_s: written.duration.value.as_secs_f64(),
        port: written.port.value,
        pairs,
    }
}
