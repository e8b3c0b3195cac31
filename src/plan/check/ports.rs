//! Rules about ports, and about how many connections PostgreSQL allows.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, Placed};
use crate::plan::check::outgoing::{Given, Outgoing, RESERVED as RESERVED_PORTS};
use crate::plan::check::rules::Use;
use crate::plan::check::{Written, max_connections};
use crate::scenario::{DatabaseUse, Postgres, Scenario};

/// Ports below this need a privilege.
const FIRST_UNPRIVILEGED: u16 = 1_024;

/// Connections that PostgreSQL keeps for its superuser (`superuser_reserved_connections`).
const RESERVED: u64 = 3;

/// Ports must be free for an ordinary user, now and during the load.
pub(super) fn check_ports(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Scenario { port, postgres, .. } = written.scenario;
    check_port(port, "the daemons", &[Outgoing::of(written, "server")], diagnostics);
    let Some(postgres) = postgres else { return };
    check_port(&postgres.port, "PostgreSQL", &[Outgoing::of(written, &postgres.role.value)], diagnostics);
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

/// A port that is listened on, on these machines.
pub(super) fn check_port(port: &Placed<u16>, who: &str, machines: &[Outgoing<'_>], diagnostics: &mut Diagnostics) {
    let number = port.value;
    if number < FIRST_UNPRIVILEGED {
        let message = format!("port {number} needs a privilege that {who} will not have");
        let first = machines.iter().map(Outgoing::first).min().filter(|first| *first > FIRST_UNPRIVILEGED);
        let hint = match first {
            Some(first) => format!("take a port from {FIRST_UNPRIVILEGED} to {}", first - 1),
            None => format!("take one from {FIRST_UNPRIVILEGED} on, and add it to {RESERVED_PORTS} in a profile"),
        };
        let diagnostic = Diagnostic::at(Code::PrivilegedPort, &port.place, message);
        diagnostics.push_unless_consequence(diagnostic.label("below 1024").hint(hint));
    }
    if let Some(taken) = machines.iter().find_map(|machine| taken(machine, number)) {
        let message = format!("port {number} of {who} can be taken by an outgoing connection");
        diagnostics.push_unless_consequence(taken.told(&port.place, message));
    }
}

/// A port that a machine gives to outgoing connections.
pub(super) struct Taken<'a> {
    port: u16,
    given: Given<'a>,
    /// The first that it gives.
    first: u16,
}

/// Whether a machine gives this port to outgoing connections.
pub(super) fn taken<'a>(machine: &Outgoing<'a>, port: u16) -> Option<Taken<'a>> {
    Some(Taken { port, given: machine.gives(port)?.clone(), first: machine.first() })
}

impl Taken<'_> {
    /// What Linux gives, by whose word, and which port to take.
    fn told(&self, place: &Place, message: String) -> Diagnostic {
        self.told_of("", self.first.saturating_sub(1), place, message)
    }

    /// The same of the port after the one that is written.
    pub(super) fn told_of_next(&self, place: &Place, message: String) -> Diagnostic {
        self.told_of("the next port: ", self.first.saturating_sub(2), place, message)
    }

    fn told_of(&self, why: &str, most: u16, place: &Place, message: String) -> Diagnostic {
        let Given { range, said } = &self.given;
        let label = format!("{why}Linux gives {} to {} to outgoing connections", range.start(), range.end());
        let other = (most >= FIRST_UNPRIVILEGED).then(|| format!("take a port from {FIRST_UNPRIVILEGED} to {most}"));
        let diagnostic = Diagnostic::at(Code::EphemeralPort, place, message).label(label);
        let Some((place, by)) = said else { return other.into_iter().fold(diagnostic, Diagnostic::hint) };
        let keep = format!("add {} to {RESERVED_PORTS} in a profile of that machine", self.port);
        let hint = other.map_or_else(|| keep.clone(), |other| format!("{other}, or {keep}"));
        diagnostic.also(place, format!("because of {by}")).hint(hint)
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
