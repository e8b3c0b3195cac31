//! Rules about loads that come from several machines at once.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::Machine;
use crate::metric::counted;
use crate::plan::check::Written;
use crate::plan::check::machines::machines_with;
use crate::scenario::Round;
use crate::tool::{self, LoadTool};

/// Where several machines have the role that a load comes from, its load generator can divide it over them, and each gets
/// a part.
pub(super) fn check_clients(round: &Round, written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(inventory) = written.inventory else { return };
    let role = &round.from.value;
    let machines: Vec<&Machine> = machines_with(inventory, role).collect();
    let (Some(tool), 2..) = (tool::find(&round.load.tool.value), machines.len()) else { return };
    if tool.makes_shares() {
        check_parts(round, machines.len(), diagnostics);
        return;
    }
    let name = tool.name();
    let message = format!("`{name}` loads from one machine, and {} have the role `{role}`", machines.len());
    let others = |tool: &&dyn LoadTool| tool.makes_shares();
    let others: Vec<String> =
        tool::names().filter_map(tool::find).filter(others).map(|tool| format!("`{}`", tool.name())).collect();
    let mut diagnostic =
        Diagnostic::at(Code::SeveralClients, &round.load.tool.place, message).label("can't divide its load");
    for machine in &machines {
        if let Some(has) = machine.roles.iter().find(|has| has.value == *role) {
            diagnostic = diagnostic.also(&has.place, "a client");
        }
    }
    let hint = format!("take {}, or leave the role to one of the machines", others.join(" or "));
    diagnostics.push_unless_consequence(diagnostic.hint(hint));
}

fn check_parts(round: &Round, machines: usize, diagnostics: &mut Diagnostics) {
    let load = &round.load;
    let (threads, connections) = (load.threads.value, load.connections.value);
    let machines = u32::try_from(machines).unwrap_or(u32::MAX);
    let least = threads.saturating_mul(machines);
    // What is too few for one machine is told already.
    if connections < threads || connections >= least {
        return;
    }
    let default = if load.threads.place == load.place { ", the default," } else { "" };
    let message = format!(
        "connections = {connections} is too few for {machines} clients with {}{default} each",
        counted(threads, "thread")
    );
    let hint = match connections / machines {
        0 => format!("write at least connections = {least}"),
        fewer => format!("write threads = {fewer}, or at least connections = {least}"),
    };
    let diagnostic = Diagnostic::at(Code::FewerConnectionsThanThreads, &load.connections.place, message);
    diagnostics.push_unless_consequence(diagnostic.label("each thread of each client needs one").hint(hint));
}
