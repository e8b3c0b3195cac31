//! Reads an inventory file.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{
    Code, Diagnostic, Diagnostics, Place, Placed, SourceFile, Table, TableOf, read_document, read_source,
};
use crate::inventory::keys::{self, INVENTORY};
use crate::inventory::{Inventory, Machine, Transport};

/// Reads an inventory from the disk; nothing if the file can't be read. See [`parse_inventory`].
pub fn read_inventory(path: &Path, diagnostics: &mut Diagnostics) -> Option<Inventory> {
    match read_source(path) {
        Ok(file) => Some(parse_inventory(&file, diagnostics)),
        Err(problem) => {
            let hint = "write one: [machine.here] with transport = \"local\" and roles = [\"server\", \"client\", \"database\"]";
            diagnostics.push(problem.if_missing(hint).at_the_file());
            None
        }
    }
}

/// Reads an inventory from its text. What is wrong goes to the diagnostics and is replaced by stand-ins: the inventory
/// may only be used when they have no errors, or to look for further ones.
pub fn parse_inventory(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Inventory {
    read_document(file, &TableOf { shape: &INVENTORY, read: inventory }, diagnostics)
}

fn inventory(table: &Table<'_>) -> Inventory {
    let named = |(name, machine): (Placed<String>, Placed<Machine>)| Machine { name, ..machine.value };
    let machines: Vec<Machine> = table.value(&keys::MACHINES).value.into_iter().map(named).collect();
    check_one_local_machine(table, &machines);
    Inventory { place: Place::clone(table.place()), machines }
}

/// Two names for this machine would be two agents that each take it for their own.
fn check_one_local_machine(table: &Table<'_>, machines: &[Machine]) {
    let mut local = machines.iter().filter(|machine| machine.transport.value == Transport::Local);
    let Some(first) = local.next() else { return };
    for second in local {
        let names = (&first.name.value, &second.name.value);
        let message = format!("`{}` and `{}` are both this machine", names.0, names.1);
        let hint = format!("give all roles to `{}` and remove `{}`", names.0, names.1);
        table.report(
            Diagnostic::at(Code::Duplicate, &second.transport.place, message)
                .label("the same machine again")
                .also(&first.transport.place, "this machine")
                .hint(hint),
        );
    }
}

/// The state directory stands in search paths (`PATH`, `LD_LIBRARY_PATH`) and in apt's configuration, and neither knows
/// a way to quote.
fn check_state_dir(table: &Table<'_>, directory: &Placed<String>) {
    let Some(character) = directory.value.chars().find(|character| [':', ';', '"'].contains(character)) else {
        return;
    };
    let message = format!("`state_dir` must not hold a `{character}`");
    let hint = "search paths and apt's configuration are made of it, and neither can hold `:`, `;` or `\"` in a name";
    table.report(Diagnostic::at(Code::BadPath, &directory.place, message).label("not such a path").hint(hint));
}

/// Reads one machine.
pub(super) fn machine(table: &Table<'_>) -> Machine {
    let roles = table.value(&keys::MACHINE_ROLES).value;
    let roles: Vec<Placed<String>> = roles.into_iter().map(|role| role.map(str::to_owned)).collect();
    table.report_duplicates(&roles, "role");
    let tools = table.value(&keys::TOOLS).value;
    let state_dir = table.optional(&keys::STATE_DIR);
    if let Some(directory) = &state_dir {
        check_state_dir(table, directory);
    }
    Machine {
        name: table.key().clone(),
        transport: table.value(&keys::TRANSPORT),
        roles,
        state_dir,
        bench_address: table.optional(&keys::BENCH_ADDRESS),
        ca_bundle: table.optional(&keys::CA_BUNDLE),
        tools: tools.into_iter().map(|(name, path)| (name.value, path)).collect(),
    }
}
