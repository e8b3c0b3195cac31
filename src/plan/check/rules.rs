//! The rules that need several files, applied to what was read.

use crate::diagnostic::{Diagnostics, Placed};
use crate::inventory::Inventory;
use crate::plan::check::{
    DataSet, Profiles, addresses, clients, cluster, endpoints, fitness, loads, machines, network, ports, postgres_conf,
    tuning,
};
use crate::scenario::{Daemon, DatabaseUse, Endpoint, Round, Scenario};

/// What was written, as far as it could be read.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The machines, if the inventory could be read.
    pub inventory: Option<&'a Inventory>,
    /// Those daemons of the scenario that could be read, in its order.
    pub daemons: &'a [Daemon],
    /// The data set, if the scenario names one that exists.
    pub data: Option<&'a DataSet>,
    /// The profiles of settings, as far as they could be read.
    pub profiles: &'a Profiles,
}

/// One endpoint of one daemon that a round loads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use<'a> {
    /// The round.
    pub(super) round: &'a Round,
    /// The path where the round names it.
    pub(super) asked: &'a Placed<String>,
    /// The daemon.
    pub(super) daemon: &'a Daemon,
    /// Its endpoint.
    pub(super) endpoint: &'a Endpoint,
}

impl<'a> Written<'a> {
    /// Everything that will be loaded.
    pub(super) fn uses(self) -> Vec<Use<'a>> {
        let mut uses = Vec::new();
        for round in &self.scenario.rounds {
            for asked in &round.endpoints {
                for daemon in self.daemons_of(round) {
                    let found = daemon.endpoints.iter().find(|endpoint| endpoint.path.value == asked.value);
                    uses.extend(found.map(|endpoint| Use { round, asked, daemon, endpoint }));
                }
            }
        }
        uses
    }

    /// The daemons that run in a round, as far as they could be read.
    pub(super) fn daemons_of(self, round: &Round) -> impl Iterator<Item = &'a Daemon> {
        self.daemons.iter().filter(|daemon| round.takes(&daemon.name))
    }

    /// Whether something that will be loaded uses a database.
    pub(super) fn uses_database(self) -> bool {
        self.uses().iter().any(|found| found.endpoint.database.value != DatabaseUse::None)
    }
}

/// Applies all rules. What follows only from a value that is wrong by itself is not reported.
pub fn apply_rules(written: Written<'_>, diagnostics: &mut Diagnostics) {
    diagnostics.seal();
    ports::check_ports(written, diagnostics);
    ports::check_database_connections(written, diagnostics);
    postgres_conf::check_conf(written, diagnostics);
    network::check_network(written, diagnostics);
    machines::check_roles(written, diagnostics);
    machines::check_tools(written, diagnostics);
    addresses::check_addresses(written, diagnostics);
    tuning::check_tuning(written, diagnostics);
    cluster::check_cluster(written, diagnostics);
    endpoints::check_endpoints(written, diagnostics);
    endpoints::check_documents(written, diagnostics);
    endpoints::check_database(written, diagnostics);
    for round in &written.scenario.rounds {
        loads::check_load(&round.load, diagnostics);
        clients::check_clients(round, written, diagnostics);
        fitness::check_fitness(round, written, diagnostics);
    }
}
