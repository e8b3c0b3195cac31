//! Rules about ports, and about how many connections PostgreSQL allows.

use std::ops::RangeInclusive;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Placed};
use crate::plan::check::rules::Use;
use crate::plan::check::{Written, max_connections};
use crate::scenario::{DatabaseUse, Postgres, Scenario};

/// Linux takes the local ports of outgoing connections from this range unless it is told otherwise
/// (`net.ipv4.ip_local_port_range`), and nothing reserves a port in it yet.
pub(super) const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// Ports below this need a privilege.
const FIRST_UNPRIVILEGED: u16 = 1_024;

/// Connections that PostgreSQL keeps for its superuser (`superuser_reserved_connections`).
const RESERVED: u64 = 3;

/// Ports must be free for an ordinary user, now and during the load.
pub(super) fn check_ports(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Scenario { port, postgres, .. } = written.scenario;
    check_port(port, "the daemons", diagnostics);
    let Some(postgres) = postgres else { return };
    check_port(&postgres.port, "PostgreSQL", diagnostics);
    if port.value == postgres.port.value {
        let message = format!("the daemons and PostgreSQL would both listen on port {}", port.value);
        let label = if postgres.port.place == postgres.place { "PostgreSQL's default" } else { "PostgreSQL" };
        let diagnostic = Diagnostic::at(Code::PortClash, &port.place, message)
            .label("the daemons")
            .also(&postgres.port.place, label)
            .hint("give one of them another port, such as 8016 and 15432");
        diagnostics.push_unless_consequence(diagnostic);
    }
}

pub(super) fn check_port(port: &Placed<u16>, who: &str, diagnostics: &mut Diagnostics) {
    let number = port.value;
    if number < FIRST_UNPRIVILEGED {
        let message = format!("port {number} needs a privilege that {who} will not have");
        let hint = format!("take a port from {FIRST_UNPRIVILEGED} to {}", EPHEMERAL.start() - 1);
        let diagnostic = Diagnostic::at(Code::PrivilegedPort, &port.place, message);
        diagnostics.push_unless_consequence(diagnostic.label("below 1024").hint(hint));
    }
    if EPHEMERAL.contains(&number) {
        let (first, last) = (EPHEMERAL.start(), EPHEMERAL.end());
        let message = format!("port {number} of {who} can be taken by an outgoing connection");
        let label = format!("Linux gives {first} to {last} to outgoing connections");
        let hint = format!("take a port from {FIRST_UNPRIVILEGED} to {}", first - 1);
        let diagnostic = Diagnostic::at(Code::EphemeralPort, &port.place, message);
        diagnostics.push_unless_consequence(diagnostic.label(label).hint(hint));
    }
}

/// How many database connections a trial may open, and how that comes about.
struct Demand<'a> {
    what: Use<'a>,
    pooled: u64,
    per_request: u64,
}

impl Demand<'_> {
    fn total(&self) -> u64 {
        self.pooled + self.per_request + RESERVED
    }
}

/// PostgreSQL must allow as many connections as the hungriest trial may open: a pool in each worker, and where each
/// request makes its own, one for each connection of the load.
pub(super) fn check_database_connections(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(postgres) = &written.scenario.postgres else { return };
    // `max_by_key` keeps the last of equal ones: going backwards, that is the one written first.
    let demands = written.uses().into_iter().rev().map(|what| demand(written.scenario, what));
    let Some(worst) = demands.max_by_key(Demand::total) else { return };
    let allowed = max_connections(postgres, written.profiles);
    if worst.total() > u64::from(allowed.value) {
        diagnostics.push_unless_consequence(too_few(written.scenario, &allowed, &worst, postgres));
    }
}

fn demand<'a>(scenario: &Scenario, what: Use<'a>) -> Demand<'a> {
    // A daemon's pools are opened when it starts, whichever endpoint is loaded.
    let has_pool = what.daemon.endpoints.iter().any(|endpoint| endpoint.database.value == DatabaseUse::Pool);
    let pool = u64::from(scenario.workers.value) * u64::from(scenario.pool.value);
    let makes_its_own = what.endpoint.database.value == DatabaseUse::ConnectionPerRequest;
    let connections = u64::from(what.round.load.connections.value);
    Demand { what, pooled: if has_pool { pool } else { 0 }, per_request: if makes_its_own { connections } else { 0 } }
}

fn too_few(scenario: &Scenario, allowed: &Placed<u32>, worst: &Demand<'_>, postgres: &Postgres) -> Diagnostic {
    let (workers, pool) = (&scenario.workers, &scenario.pool);
    let mut sum = Vec::new();
    if worst.pooled > 0 {
        sum.push(format!("{} workers x pool of {}", workers.value, pool.value));
    }
    if worst.per_request > 0 {
        sum.push(format!("{} requests at once", worst.per_request));
    }
    sum.push(format!("{RESERVED} kept for the superuser"));
    let needed = worst.total();
    let message = format!(
        "`{}` may open more connections than PostgreSQL allows: {} = {needed}, and max_connections is {}",
        worst.what.daemon.name,
        sum.join(" + "),
        allowed.value,
    );
    let is_default = allowed.place == postgres.place;
    let label = if is_default { "max_connections = 100 by default" } else { "too few" };
    let mut diagnostic = Diagnostic::at(Code::TooFewConnections, &allowed.place, message).label(label);
    if worst.pooled > 0 {
        diagnostic = diagnostic.also(&workers.place, "workers");
        if pool.place != scenario.place {
            diagnostic = diagnostic.also(&pool.place, "connections for each worker");
        }
    }
    if worst.per_request > 0 {
        diagnostic = diagnostic.also(&worst.what.round.load.connections.place, "requests at once");
    }
    let file = match &postgres.conf {
        Some(conf) if allowed.place.file.path != postgres.place.file.path => {
            format!("postgres-conf/{}.conf", conf.value)
        }
        _ => "[postgres]".to_owned(),
    };
    diagnostic.hint(format!("write max_connections = {needed} in {file}, or make the others smaller"))
}
