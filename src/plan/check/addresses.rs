//! Rules about where machines are: several of them must reach each other.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::{Inventory, Machine, Transport};
use crate::plan::check::Written;
use crate::plan::check::machines::players;
use crate::plan::roles::bench_address;

/// Each of several machines has an address that the others can reach.
pub(super) fn check_addresses(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(inventory) = written.inventory else { return };
    // A key that is mistyped is reported there, and would be missing here as well.
    if diagnostics.has_any_in(&inventory.place.file.path) {
        return;
    }
    check_networks(inventory, diagnostics);
    let machines = players(written, inventory);
    if machines.len() < 2 {
        return;
    }
    let mut seen: BTreeMap<String, &Machine> = BTreeMap::new();
    for machine in machines {
        let Some(address) = bench_address(machine, inventory) else {
            if machine.docker.is_none() {
                diagnostics.push_unless_consequence(missing(machine));
            }
            continue;
        };
        let is_container = |machine: &Machine| machine.transport.value == Transport::Docker;
        // Two names behind ssh may be one machine; two containers never are.
        if let Some(first) = seen.insert(address.clone(), machine)
            && (is_container(first) || is_container(machine))
        {
            diagnostics.push_unless_consequence(twice(&address, first, machine));
        }
    }
}

fn missing(machine: &Machine) -> Diagnostic {
    let message = format!("machine `{}` has no address that the others can reach", machine.name.value);
    let hint = "add bench_address = \"192.168.2.100\": its IP address on the network that carries the load";
    Diagnostic::at(Code::MissingAddress, &machine.name.place, message).label("where is it?").hint(hint)
}

fn twice(address: &str, first: &Machine, second: &Machine) -> Diagnostic {
    let message = format!("`{}` and `{}` both have the address {address}", first.name.value, second.name.value);
    let place = |machine: &Machine| {
        machine.bench_address.as_ref().map_or_else(|| machine.name.place.clone(), |address| address.place.clone())
    };
    Diagnostic::at(Code::AddressTwice, &place(second), message)
        .label("the second")
        .also(&place(first), "the first")
        .hint("give each machine an address of its own")
}

/// A container in a network that somebody made needs an address that is free there, and only its maker knows one.
fn check_networks(inventory: &Inventory, diagnostics: &mut Diagnostics) {
    for machine in &inventory.machines {
        let network = machine.docker.as_ref().and_then(|docker| docker.network.as_ref());
        if let (Some(network), None) = (network, &machine.bench_address) {
            let message = format!("`{}` joins the network `{}` without an address", machine.name.value, network.value);
            let hint = "add a bench_address that is free in that network";
            let diagnostic = Diagnostic::at(Code::MissingAddress, &network.place, message).label("where in it?");
            diagnostics.push_unless_consequence(diagnostic.hint(hint));
        }
    }
}
