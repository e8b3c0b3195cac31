//! Rules about tuning: only machines that may be tuned, only what they can have, and nothing dangerous by mistake.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Placed, nearest, nearest_hint};
use crate::inventory::{Inventory, Machine};
use crate::plan::check::Written;
use crate::plan::check::machines::{machine_with, machines_with, needed_roles};
use crate::plan::wanted::{Wanted, profiles_of, setting_name, wanted};
use crate::scenario::{NoFile, Tune};
use crate::tuning::{GOVERNOR, TURBO, danger, gone, in_containers, same, single_number};

/// Applies them to each `[tune.ROLE]`.
pub(super) fn check_tuning(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let mut told: Vec<&str> = Vec::new();
    for tune in &written.scenario.tunes {
        check_tune(tune, written, diagnostics);
        let Some(inventory) = written.inventory else { continue };
        // A role or a flag that is mistyped is reported there, and would be missing here as well.
        if diagnostics.has_any_in(&inventory.place.file.path) || !check_role(tune, written, inventory, diagnostics) {
            continue;
        }
        for machine in machines_with(inventory, &tune.role.value) {
            if !told.contains(&machine.name.value.as_str()) {
                told.push(&machine.name.value);
                check_consent(tune, machine, written, diagnostics);
            }
            check_container(tune, machine, written, diagnostics);
        }
    }
    check_two_values(written, diagnostics);
}

/// What can be said of a `[tune.ROLE]` whichever machine has the role.
fn check_tune(tune: &Tune, written: Written<'_>, diagnostics: &mut Diagnostics) {
    let all = wanted(tune, written.profiles);
    let role = &tune.role.value;
    for setting in &all {
        if let Some(danger) = danger(setting.name, &setting.value).filter(|_| !setting.accepted) {
            let message = format!("{} = {} is dangerous: {danger}", setting.name, setting.value);
            let hint = format!(
                "if it is meant, add \"{}\" to `accept` in [tune.{role}]; else change the profile",
                setting.name
            );
            let diagnostic = Diagnostic::at(Code::DangerousSetting, setting.place, message).label("dangerous");
            let diagnostic = diagnostic.also(setting.asked, "asked for here, and not accepted").hint(hint);
            diagnostics.push_unless_consequence(diagnostic);
        }
        if let Some(since) = gone(setting.name).filter(|_| !setting.optional) {
            let message = format!("no kernel has `{}` any more: {since}", setting.name);
            let hint =
                format!("remove it from the profile, or add \"{}\" to `optional` in [tune.{role}]", setting.name);
            let diagnostic = Diagnostic::at(Code::GoneSetting, setting.place, message).label("gone");
            diagnostics.push_unless_consequence(diagnostic.also(setting.asked, "asked for here").hint(hint));
        }
    }
    let is_whole = tune.sysctl.len() == profiles_of(tune, written.profiles).filter(|(_, found)| found.is_sound).count();
    // Where a profile could not be read, nobody knows what it sets.
    if is_whole {
        check_named(tune, &all, diagnostics);
    }
}

/// What `optional`, `at_least` and `accept` name is set by the same `[tune.ROLE]`.
fn check_named(tune: &Tune, all: &[Wanted<'_>], diagnostics: &mut Diagnostics) {
    let enough = tune.at_least.iter().map(|(name, _)| name);
    let lists = [("optional", &tune.optional), ("accept", &tune.accept)];
    let named = lists.into_iter().flat_map(|(key, names)| names.iter().map(move |name| (key, name)));
    for (key, name) in named.chain(enough.map(|name| ("at_least", name))) {
        let is_set = all.iter().any(|setting| setting.name == setting_name(&name.value));
        if !is_set {
            let message = format!("`{key}` names `{}`, which nothing in [tune.{}] sets", name.value, tune.role.value);
            let known = all.iter().map(|setting| short(setting.name));
            let diagnostic = Diagnostic::at(Code::UnsetSetting, &name.place, message).label("set by nothing");
            let hint = unset_hint(&name.value, &tune.role.value, known.collect());
            diagnostics.push_unless_consequence(diagnostic.hint(hint));
        }
    }
    for (name, enough) in &tune.at_least {
        let named = setting_name(&name.value);
        for setting in all.iter().filter(|setting| setting.name == named) {
            check_enough(name, enough, setting, diagnostics);
        }
    }
}

/// A profile may set dozens; only the nearest is told.
fn unset_hint(name: &str, role: &str, known: Vec<&str>) -> String {
    if matches!(name, "governor" | "turbo") {
        return format!("say what `{name}` shall be in [tune.{role}], or remove it here");
    }
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.len() > 6 => "remove it, or take a profile that sets it".to_owned(),
        None => nearest_hint(name, "settings", known),
    }
}

/// As scenarios name it.
fn short(name: &str) -> &str {
    match name {
        GOVERNOR => "governor",
        TURBO => "turbo",
        name => name,
    }
}

fn check_enough(name: &Placed<String>, enough: &Placed<u64>, setting: &Wanted<'_>, diagnostics: &mut Diagnostics) {
    let Some(number) = single_number(&setting.value) else {
        let message = format!("less can't be enough of `{}`: its value is no single whole number", name.value);
        let diagnostic = Diagnostic::at(Code::NotANumber, &name.place, message).label("less of what?");
        let diagnostic = diagnostic.also(setting.place, format!("set to {}", setting.value));
        let hint = format!("remove it; add \"{}\" to `optional` if the campaign can do without it", name.value);
        return diagnostics.push_unless_consequence(diagnostic.hint(hint));
    };
    if enough.value > number {
        let message =
            format!("at least {} of `{}` is needed, and only {number} is asked for", enough.value, name.value);
        let diagnostic = Diagnostic::at(Code::Contradiction, &enough.place, message).label("more than is asked for");
        let diagnostic = diagnostic.also(setting.place, format!("set to {number}"));
        diagnostics.push_unless_consequence(diagnostic.hint(format!("write {number} or less")));
    }
}

/// Whether a machine takes part with this role.
fn check_role(tune: &Tune, written: Written<'_>, inventory: &Inventory, diagnostics: &mut Diagnostics) -> bool {
    let role = &tune.role.value;
    if machine_with(inventory, role).is_none() {
        let message = format!("no machine has the role `{role}`, which [tune.{role}] is about");
        let path = inventory.place.file.path.display();
        let hint = format!("add \"{role}\" to the roles of a machine in {path}, or remove [tune.{role}]");
        let diagnostic = Diagnostic::at(Code::MissingRole, &tune.place, message).label("tunes nothing");
        diagnostics.push_unless_consequence(diagnostic.hint(hint));
        return false;
    }
    if !needed_roles(written).iter().any(|(needed, _, _)| needed == role) {
        let message = format!("nothing in this scenario happens on a machine with the role `{role}`");
        let hint = format!("remove [tune.{role}], or write it for a role that daemons, a load or PostgreSQL have here");
        let diagnostic = Diagnostic::at(Code::UnusedRole, &tune.place, message).label("tunes nothing");
        diagnostics.push_unless_consequence(diagnostic.hint(hint));
        return false;
    }
    true
}

/// The machine's owner agrees to its being tuned, and the agent there can do it.
fn check_consent(tune: &Tune, machine: &Machine, written: Written<'_>, diagnostics: &mut Diagnostics) {
    let name = &machine.name.value;
    if !machine.may_tune {
        let message = format!("the scenario tunes machine `{name}`, and the inventory does not allow it");
        let path = machine.name.place.file.path.display();
        let hint = format!(
            "add the line `may_tune = true` under [machine.{name}] in {path}: its settings are then changed for the \
             campaign, and put back after it"
        );
        let diagnostic = Diagnostic::at(Code::MayNotTune, &tune.place, message).label("would change its settings");
        let diagnostic = diagnostic.also(&machine.name.place, "has no `may_tune = true`").hint(hint);
        diagnostics.push_unless_consequence(diagnostic);
        return;
    }
    let Some(ssh) = &machine.ssh else { return };
    if !wanted(tune, written.profiles).is_empty() && !ssh.become_root && ssh.user.as_deref() != Some("root") {
        let message = match &ssh.user {
            Some(user) => format!("machine `{name}` is to be tuned by its user `{user}`, who is hardly root"),
            None => format!("machine `{name}` is to be tuned, and nothing says that its user is root"),
        };
        let hint =
            format!("add become = \"sudo\" to [machine.{name}], which needs `sudo -n` there, or user = \"root\"");
        let diagnostic = Diagnostic::at(Code::NotRoot, &machine.name.place, message).warning().label("who sets them?");
        diagnostics.push_unless_consequence(diagnostic.also(&tune.place, "its settings").hint(hint));
    }
}

/// A container is given only what is its own, by a closed list.
fn check_container(tune: &Tune, machine: &Machine, written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(docker) = &machine.docker else { return };
    let (role, container) = (&tune.role.value, &machine.name.value);
    for setting in wanted(tune, written.profiles) {
        let name = setting.name;
        if !in_containers(name) && !setting.optional {
            let message = format!("`{}` is no container's own, and `{container}` is a container", short(name));
            let hint = format!(
                "add \"{}\" to `optional` in [tune.{role}] to go on without it, or take a machine that is none",
                short(name)
            );
            let diagnostic = Diagnostic::at(Code::NotInContainers, setting.place, message).label("the whole machine's");
            let diagnostic = diagnostic.also(&machine.name.place, "a container").hint(hint);
            diagnostics.push_unless_consequence(asked_for(diagnostic, &setting));
        }
        let own = docker.sysctls.iter().find(|(known, _)| setting_name(known) == name);
        if let Some((_, own)) = own.filter(|(_, own)| !same(own, &setting.value)) {
            let message = format!("`{name}` of `{container}` is to be {}, and {own} by the inventory", setting.value);
            let diagnostic = Diagnostic::at(Code::TwoValues, setting.place, message).label("one value");
            let diagnostic = diagnostic.also(&machine.name.place, format!("its `sysctls` say {own}"));
            diagnostics.push_unless_consequence(diagnostic.hint("remove it from `sysctls`, or from the profile"));
        }
    }
}

/// One setting of one machine has one value, whichever of its roles and profiles it comes from.
fn check_two_values<'a>(written: Written<'a>, diagnostics: &mut Diagnostics) {
    let of_each = |tune: &'a Tune| {
        let settings = wanted(tune, written.profiles);
        machines_of(tune, written)
            .into_iter()
            .flat_map(move |machine| settings.clone().into_iter().map(move |setting| (machine.clone(), setting)))
    };
    let all: Vec<(String, Wanted<'_>)> = written.scenario.tunes.iter().flat_map(of_each).collect();
    for (at, (machine, setting)) in all.iter().enumerate() {
        let earlier = all.iter().take(at).find(|(other, known)| other == machine && known.name == setting.name);
        if let Some((_, first)) = earlier.filter(|(_, first)| !same(&first.value, &setting.value)) {
            let name = short(setting.name);
            let message = format!("`{name}` is to be {}, and {} on the same machine", setting.value, first.value);
            let diagnostic = Diagnostic::at(Code::TwoValues, setting.place, message).label("one value");
            let diagnostic = diagnostic.also(first.place, "and another");
            let diagnostic = diagnostic.hint("remove one of the two, or leave one profile out");
            diagnostics.push_unless_consequence(asked_for(diagnostic, setting));
        }
    }
    // What stands in for a wrong limit is no second one.
    if !diagnostics.has_any_in(&written.scenario.place.file.path) {
        check_two_limits(written, diagnostics);
    }
}

/// Points at the profile's name in the scenario, where the setting does not stand in the scenario itself.
fn asked_for(diagnostic: Diagnostic, setting: &Wanted<'_>) -> Diagnostic {
    if setting.asked == setting.place { diagnostic } else { diagnostic.also(setting.asked, "asked for here") }
}

/// The machines that a `[tune.ROLE]` is about; where none is known, each role is told apart.
fn machines_of(tune: &Tune, written: Written<'_>) -> Vec<String> {
    let found = written.inventory.into_iter().flat_map(|inventory| machines_with(inventory, &tune.role.value));
    let names: Vec<String> = found.map(|machine| machine.name.value.clone()).collect();
    if names.is_empty() { vec![format!("[{}]", tune.role.value)] } else { names }
}

fn check_two_limits<'a>(written: Written<'a>, diagnostics: &mut Diagnostics) {
    let of_each = |tune: &'a Tune| {
        let machines = tune.nofile.iter().flat_map(|_| machines_of(tune, written));
        machines.filter_map(|machine| Some((machine, tune.nofile.as_ref()?)))
    };
    let limits: Vec<(String, &NoFile)> = written.scenario.tunes.iter().flat_map(of_each).collect();
    for (at, (machine, limit)) in limits.iter().enumerate() {
        let values = (limit.want.value, limit.at_least.value);
        let differs =
            |first: &&(String, &NoFile)| first.0 == *machine && (first.1.want.value, first.1.at_least.value) != values;
        if let Some((_, first)) = limits.iter().take(at).find(differs) {
            let message = "`nofile` is given twice for the same machine, and not alike";
            let diagnostic = Diagnostic::at(Code::TwoValues, &limit.want.place, message).label("one limit");
            let diagnostic = diagnostic.also(&first.want.place, "and another");
            diagnostics.push_unless_consequence(diagnostic.hint("write the same in both, or in one of them only"));
        }
    }
}
