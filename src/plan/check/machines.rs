//! Rules about who does what: roles, and the load generators that machines must have.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, Placed, nearest_hint};
use crate::inventory::{Inventory, Machine};
use crate::plan::check::Written;
use crate::scenario::Round;
use crate::tool;

/// The one role that several machines may have: a load may come from all of them at once.
const SHARED: &str = "client";

/// Each role that the scenario needs belongs to one machine; only clients may be several.
pub(super) fn check_roles(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(inventory) = written.inventory else { return };
    check_shared_roles(inventory, diagnostics);
    // A role that is mistyped in the inventory is reported there, and would be missing here as well.
    if diagnostics.has_any_in(&inventory.place.file.path) {
        return;
    }
    let mut told: Vec<&str> = Vec::new();
    for (role, place, why) in needed_roles(written) {
        if machine_with(inventory, role).is_none() && !told.contains(&role) {
            told.push(role);
            diagnostics.push_unless_consequence(missing_role(inventory, role, place, why));
        }
    }
}

/// Each role, where it is asked for, and what for.
pub(super) fn needed_roles<'a>(written: Written<'a>) -> Vec<(&'a str, &'a Place, &'static str)> {
    let scenario = written.scenario;
    let daemons = scenario.daemons.first().map_or(&scenario.place, |daemon| &daemon.place);
    let mut roles = vec![("server", daemons, "daemons run on it")];
    roles.extend(
        scenario
            .postgres
            .iter()
            .map(|postgres| (postgres.role.value.as_str(), &postgres.role.place, "PostgreSQL runs on it")),
    );
    let from = |round: &'a Round| (round.from.value.as_str(), &round.from.place, "the load comes from it");
    roles.extend(scenario.rounds.iter().map(from));
    roles
}

fn missing_role(inventory: &Inventory, role: &str, place: &Place, why: &str) -> Diagnostic {
    let message = format!("no machine has the role `{role}`");
    let diagnostic = Diagnostic::at(Code::MissingRole, place, message).label(why);
    let path = inventory.place.file.path.display();
    let hint = format!("add \"{role}\" to the roles of a machine in {path}; one machine may have all roles");
    let diagnostic = diagnostic.hint(hint);
    match inventory.machines.first() {
        Some(machine) => diagnostic.also(&machine.name.place, "a machine that could have it"),
        None => diagnostic,
    }
}

fn check_shared_roles(inventory: &Inventory, diagnostics: &mut Diagnostics) {
    let mut seen: Vec<(&Placed<String>, &Machine)> = Vec::new();
    for machine in &inventory.machines {
        for role in machine.roles.iter().filter(|role| role.value != SHARED) {
            let Some((first, other)) = seen.iter().find(|(known, _)| known.value == role.value) else {
                seen.push((role, machine));
                continue;
            };
            // Twice in one machine is reported by its reader.
            if other.name.value == machine.name.value {
                continue;
            }
            let (names, role_name) = ((&other.name.value, &machine.name.value), &role.value);
            let message = format!("`{}` and `{}` both have the role `{role_name}`", names.0, names.1);
            let diagnostic = Diagnostic::at(Code::SharedRole, &role.place, message)
                .label("the second")
                .also(&first.place, "the first")
                .hint("leave the role to one of them");
            diagnostics.push_unless_consequence(diagnostic);
        }
    }
}

/// The machine with a role; the first one of the clients.
pub(super) fn machine_with<'a>(inventory: &'a Inventory, role: &str) -> Option<&'a Machine> {
    machines_with(inventory, role).next()
}

/// The machines with a role: clients may be several.
pub(super) fn machines_with<'a>(inventory: &'a Inventory, role: &str) -> impl Iterator<Item = &'a Machine> {
    inventory.machines.iter().filter(move |machine| machine.roles.iter().any(|has| has.value == role))
}

/// The machines that a scenario uses, each once, in the inventory's order.
pub(super) fn players<'a>(written: Written<'_>, inventory: &'a Inventory) -> Vec<&'a Machine> {
    let roles: Vec<&str> = needed_roles(written).into_iter().map(|(role, _, _)| role).collect();
    let plays = |machine: &&Machine| machine.roles.iter().any(|role| roles.contains(&role.value.as_str()));
    inventory.machines.iter().filter(plays).collect()
}

/// A load generator that comes in no package must be named by the machine that the load comes from; and what a machine
/// names must be a load generator.
pub(super) fn check_tools(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(inventory) = written.inventory else { return };
    for machine in &inventory.machines {
        let known = || tool::names().chain(tool::network_names());
        for (name, path) in machine.tools.iter().filter(|(name, _)| !known().any(|known| known == name.as_str())) {
            let message = format!("`{name}` is neither a load generator nor a network tool");
            let diagnostic = Diagnostic::at(Code::UnknownTool, &path.place, message).label("a program for nothing");
            diagnostics.push_unless_consequence(diagnostic.hint(nearest_hint(name, "tools", known())));
        }
    }
    for round in &written.scenario.rounds {
        let wanted = &round.load.tool;
        let Some(tool) = tool::find(&wanted.value).filter(|tool| tool.package().is_none() && !tool.is_own()) else {
            continue;
        };
        let machines: Vec<&Machine> = machines_with(inventory, &round.from.value).collect();
        // That it can't load from several at all is told where that is checked.
        let can_load = machines.len() == 1 || tool.makes_shares();
        for machine in machines {
            if !can_load || machine.tools.contains_key(&wanted.value) {
                continue;
            }
            diagnostics.push_unless_consequence(missing_tool(wanted, machine));
        }
    }
}

fn missing_tool(tool: &Placed<String>, machine: &Machine) -> Diagnostic {
    let (tool_name, machine_name) = (&tool.value, &machine.name.value);
    let message =
        format!("`{tool_name}` comes in no Debian package, and machine `{machine_name}` names no program for it");
    let own: Vec<&str> = tool::names().filter(|name| tool::find(name).is_some_and(|tool| tool.is_own())).collect();
    let hint = format!(
        "build it, and add tools = {{ {tool_name} = \"/absolute/path\" }} to [machine.{machine_name}]; or take `{}`, which each \
         machine has",
        own.join("`, `")
    );
    Diagnostic::at(Code::MissingTool, &tool.place, message)
        .label("which program?")
        .also(&machine.name.place, "the load comes from this machine")
        .hint(hint)
}
