//! Rules about a PostgreSQL of the machine's own: only where its owner agrees, and nothing that can lose his data unless he
//! accepts it himself; what a scenario accepts, it accepts for a private cluster that is thrown away.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::{Machine, Postgresql};
use crate::plan::check::Written;
use crate::plan::check::machines::machine_with;
use crate::scenario::Postgres;
use crate::tuning::{conf_danger, loses_data};

/// Applies them to the machine that PostgreSQL runs on.
pub(super) fn check_cluster(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some((postgres, inventory)) = written.scenario.postgres.as_ref().zip(written.inventory) else { return };
    if diagnostics.has_any_in(&inventory.place.file.path) {
        return;
    }
    let Some(machine) = machine_with(inventory, &postgres.role.value) else { return };
    let Some(own) = machine.postgresql.as_ref().map(|own| &own.value) else { return };
    check_owner(machine, own, diagnostics);
    check_version(postgres, own, diagnostics);
    if machine.roles.iter().any(|role| role.value == "server") {
        check_port(written, own, diagnostics);
    }
    let settings = written.profiles.conf.iter().flat_map(|profile| &profile.settings);
    for setting in settings {
        let (name, value) = (&setting.name.value, &setting.value.value);
        let is_accepted = own.accept.iter().any(|accepted| accepted.value.eq_ignore_ascii_case(name));
        if !loses_data(name, value) || is_accepted {
            continue;
        }
        let why = conf_danger(name, value).unwrap_or("it can lose data");
        let (cluster, machine_name) = (&own.cluster.value, &machine.name.value);
        let message = format!("{name} = {value} is dangerous for PostgreSQL {cluster} of `{machine_name}`: {why}");
        let hint = format!(
            "if its data may be lost, add accept = [\"{name}\"] to `postgresql` of [machine.{machine_name}]; else change the \
             profile, or remove `postgresql`, and the campaign makes a private cluster"
        );
        let diagnostic = Diagnostic::at(Code::DangerousSetting, &setting.name.place, message).label("can lose data");
        let diagnostic = diagnostic.also(&own.cluster.place, "the machine's own, and not accepted for it");
        diagnostics.push_unless_consequence(diagnostic.hint(hint));
    }
}

fn check_owner(machine: &Machine, own: &Postgresql, diagnostics: &mut Diagnostics) {
    let (name, cluster) = (&machine.name.value, &own.cluster.value);
    if !machine.may_tune {
        let message =
            format!("PostgreSQL {cluster} of machine `{name}` would be changed, and the inventory does not allow it");
        let hint = format!(
            "add the line `may_tune = true` under [machine.{name}]: PostgreSQL {cluster} then gets the campaign's settings and \
             data, and is put back after it"
        );
        let diagnostic = Diagnostic::at(Code::MayNotTune, &own.cluster.place, message).label("would be changed");
        diagnostics
            .push_unless_consequence(diagnostic.also(&machine.name.place, "has no `may_tune = true`").hint(hint));
        return;
    }
    let Some(ssh) = &machine.ssh else { return };
    if !ssh.become_root && ssh.user.as_deref() != Some("root") {
        let message = format!(
            "PostgreSQL {cluster} of machine `{name}` is to be changed, and nothing says that its user is root"
        );
        let hint =
            format!("add become = \"sudo\" to [machine.{name}], which needs `sudo -n` there, or user = \"root\"");
        let diagnostic = Diagnostic::at(Code::NotRoot, &machine.name.place, message).warning().label("who starts it?");
        diagnostics.push_unless_consequence(diagnostic.also(&own.cluster.place, "its PostgreSQL").hint(hint));
    }
}

fn check_version(postgres: &Postgres, own: &Postgresql, diagnostics: &mut Diagnostics) {
    let is_said = postgres.version.place != postgres.place;
    if is_said && postgres.version.value != own.version() {
        let (version, cluster) = (postgres.version.value, &own.cluster.value);
        let message = format!("the scenario asks for PostgreSQL {version}, and the machine's own is {cluster}");
        let diagnostic = Diagnostic::at(Code::Contradiction, &postgres.version.place, message).label("one version");
        let diagnostic = diagnostic.also(&own.cluster.place, "and another");
        diagnostics.push_unless_consequence(diagnostic.hint("remove `version`, or name another cluster"));
    }
}

fn check_port(written: Written<'_>, own: &Postgresql, diagnostics: &mut Diagnostics) {
    let port = &written.scenario.port;
    if port.value == own.port.value {
        let message =
            format!("the daemons would listen on port {}, as PostgreSQL {} does", port.value, own.cluster.value);
        let diagnostic = Diagnostic::at(Code::PortClash, &port.place, message).label("the daemons");
        let diagnostic = diagnostic.also(&own.cluster.place, "PostgreSQL");
        diagnostics.push_unless_consequence(diagnostic.hint("give the daemons another port"));
    }
}
