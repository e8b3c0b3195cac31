//! Rules about the network check: what it is made with, and its ports.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Placed, nearest_hint};
use crate::plan::check::Written;
use crate::plan::check::machines::{machine_with, needed_roles};
use crate::plan::check::outgoing::Outgoing;
use crate::plan::check::ports::{check_port, taken};
use crate::scenario::Network;
use crate::tool;

/// A network check must be one that can be made, on ports that nothing else of the campaign listens on. It runs while
/// daemons and PostgreSQL do not; all the same, one port for one thing keeps what is seen there unmistakable.
pub(super) fn check_network(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(network) = &written.scenario.network else { return };
    let known = |name: &Placed<String>| tool::find_network(&name.value).is_some();
    for name in network.tools.iter().filter(|name| !known(name)) {
        let message = format!("there is no network tool `{}`", name.value);
        let hint = nearest_hint(&name.value, "network tools", tool::network_names());
        let diagnostic = Diagnostic::at(Code::UnknownTool, &name.place, message).label("unknown");
        diagnostics.push_unless_consequence(diagnostic.hint(hint));
    }
    let of = |role: &str| Outgoing::every(written, role);
    // Either side may listen, whichever way a tool sends.
    let machines: Vec<Outgoing<'_>> = needed_roles(written).iter().flat_map(|(role, _, _)| of(role)).collect();
    check_port(&network.port, "the network check", &machines, diagnostics);
    let begin: Vec<Outgoing<'_>> = beginning(written).into_iter().flat_map(of).collect();
    let is_told = machines.iter().any(|machine| machine.gives(network.port.value).is_some());
    let taken = |port: u16| Some((port, begin.iter().find_map(|machine| taken(machine, port))?));
    if let Some((back, taken)) = ports(network).into_iter().skip(1).find_map(taken).filter(|_| !is_told) {
        let message = format!("port {back}, which the network check is connected back to, can be taken by others");
        diagnostics.push_unless_consequence(taken.told_of_next(&network.port.place, message));
    }
    let postgres = written.scenario.postgres.as_ref().map(|postgres| (&postgres.port, "PostgreSQL"));
    for (other, who) in std::iter::once((&written.scenario.port, "the daemons")).chain(postgres) {
        if let Some(port) = ports(network).into_iter().find(|port| *port == other.value) {
            diagnostics.push_unless_consequence(clash(network, port, other, who));
        }
    }
}

/// The roles whose machines begin a check, and are connected back to: those that load comes from, and that of the
/// daemons where their database is on another machine.
fn beginning(written: Written<'_>) -> Vec<&str> {
    let name = |role: &str| Some(&machine_with(written.inventory?, role)?.name.value);
    let database = written.scenario.postgres.as_ref().and_then(|postgres| name(&postgres.role.value));
    let queries = database.filter(|database| name("server") != Some(database)).map(|_| "server");
    written.scenario.rounds.iter().map(|round| round.from.value.as_str()).chain(queries).collect()
}

/// The port of the waiting side, and the one that a tool connects back to.
fn ports(network: &Network) -> Vec<u16> {
    let port = network.port.value;
    let tools = network.tools.iter().filter_map(|name| tool::find_network(&name.value));
    std::iter::once(port).chain(tools.filter_map(|tool| tool.back_port(port))).collect()
}

fn clash(network: &Network, port: u16, other: &Placed<u16>, who: &str) -> Diagnostic {
    let message = format!("{who} and the network check would both listen on port {port}");
    let back = port != network.port.value;
    let label = match (network.port.place == network.place, back) {
        (true, false) => "15201 is the network check's default",
        (true, true) => "the port after 15201, the network check's default: it is connected back to",
        (false, false) => "the network check",
        (false, true) => "the network check is connected back to on the next port",
    };
    Diagnostic::at(Code::PortClash, &other.place, message)
        .label(who)
        .also(&network.port.place, label)
        .hint("give one of them another port, such as 8016, 15432 and 15201")
}
