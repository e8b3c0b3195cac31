//! What is changed on machines and what PostgreSQL runs with, for people: each change in its order, and its undoing.

use crate::metric::counted;
use crate::plan::{Database, Plan, Transport, TunedSetting, Tuning};
use crate::tuning::{GOVERNOR, TURBO, gone, in_containers};

/// Each change, in order.
pub(super) fn changes(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for tuning in &plan.tuning {
        let is_container = is_container(plan, tuning);
        lines.extend(tuning.settings.iter().map(|setting| change(&tuning.machine, setting, is_container)));
        if let Some(limit) = tuning.nofile {
            let enough =
                if limit.at_least < limit.want { format!(", at least {}", limit.at_least) } else { String::new() };
            let machine = &tuning.machine;
            lines.push(format!("{machine}: let each program of the campaign have {} files open{enough}", limit.want));
        }
    }
    lines
}

fn is_container(plan: &Plan, tuning: &Tuning) -> bool {
    plan.machine(&tuning.machine).is_some_and(|machine| matches!(machine.transport, Transport::Docker(_)))
}

fn change(machine: &str, setting: &TunedSetting, is_container: bool) -> String {
    let TunedSetting { name, value, from, .. } = setting;
    if let Some(since) = gone(name) {
        return format!("{machine}: do without {name} = {value} ({from}): {since}");
    }
    if is_container && !in_containers(name) {
        return format!("{machine}: do without {name} = {value} ({from}): it is no container's own");
    }
    let what = match name.as_str() {
        GOVERNOR => "the frequency governor of all processors",
        TURBO => "turbo",
        name => name,
    };
    let mut line = format!("{machine}: set {what} = {value} ({from})");
    if is_container {
        line.push_str(", as its container starts");
    }
    if let Some(enough) = setting.at_least {
        line.push_str(&format!(", at least {enough}"));
    }
    if setting.optional {
        line.push_str(", if it can be set");
    }
    if let Some(danger) = &setting.danger {
        line.push_str(&format!("; DANGEROUS, and accepted: {danger}"));
    }
    line
}

/// How each machine becomes again what it was.
pub(super) fn undoing(plan: &Plan) -> Vec<String> {
    let line = |tuning: &Tuning| {
        let machine = &tuning.machine;
        if is_container(plan, tuning) {
            return format!(
                "{machine}: its settings end with its container; nothing of the machine under it was changed"
            );
        }
        let settings = counted(tuning.settings.len(), "setting");
        format!(
            "{machine}: verify, then put back all that was changed of {settings}, read it back, and compare with before"
        )
    };
    plan.tuning.iter().filter(|tuning| !tuning.settings.is_empty()).map(line).collect()
}

/// Each setting of the profile that PostgreSQL runs with.
pub(super) fn conf_lines(database: &Database) -> Vec<String> {
    let settings = database.conf.iter().flat_map(|conf| &conf.settings);
    let line = |setting: &crate::plan::ConfSetting| {
        let danger = setting.danger.as_ref().map(|danger| format!("; DANGEROUS, and accepted: {danger}"));
        let (machine, danger) = (&database.machine, danger.unwrap_or_default());
        format!("{machine}: with {} = {} ({}){danger}", setting.name, setting.value, setting.from)
    };
    settings.map(line).collect()
}
