//! A plan as it is on machines of which some have two names: what is asked of either name is asked of one kernel.

use std::collections::BTreeMap;

use crate::plan::{NoFile, Plan, TunedSetting, Tuning};

/// The plan with one name for each machine. `shared` has, for each other name of one, the name that stays.
pub fn as_one(plan: &Plan, shared: &BTreeMap<String, String>) -> Plan {
    let mut plan = plan.clone();
    if shared.is_empty() {
        return plan;
    }
    let rename = |name: &mut String| {
        if let Some(owner) = shared.get(name) {
            name.clone_from(owner);
        }
    };
    plan.machines.retain(|machine| !shared.contains_key(&machine.name));
    for trial in &mut plan.trials {
        rename(&mut trial.server);
        rename(&mut trial.client);
        trial.more_clients.iter_mut().for_each(rename);
    }
    if let Some(database) = &mut plan.database {
        rename(&mut database.machine);
        database.clients.iter_mut().for_each(rename);
        database.clients.sort();
        database.clients.dedup();
    }
    for pair in plan.network.iter_mut().flat_map(|network| &mut network.pairs) {
        rename(&mut pair.client);
        rename(&mut pair.server);
    }
    let mut merged: Vec<Tuning> = Vec::new();
    for mut tuning in std::mem::take(&mut plan.tuning) {
        rename(&mut tuning.machine);
        match merged.iter_mut().find(|other| other.machine == tuning.machine) {
            Some(other) => merge(other, tuning),
            None => merged.push(tuning),
        }
    }
    plan.tuning = merged;
    plan
}

/// Both want something: what either can't do without, the machine must have.
fn merge(one: &mut Tuning, other: Tuning) {
    one.profiles
        .extend(other.profiles.into_iter().filter(|profile| !one.profiles.contains(profile)).collect::<Vec<_>>());
    for setting in other.settings {
        let alike = |known: &&mut TunedSetting| known.name == setting.name && known.value == setting.value;
        match one.settings.iter_mut().find(alike) {
            Some(known) => {
                known.optional &= setting.optional;
                known.at_least = known.at_least.zip(setting.at_least).map(|(one, other)| one.max(other));
                known.danger = known.danger.take().or(setting.danger);
            }
            // Another value for the same setting stays beside it, and is refused by its sum.
            None => one.settings.push(setting),
        }
    }
    one.nofile = match (one.nofile, other.nofile) {
        (Some(one), Some(other)) => {
            Some(NoFile { want: one.want.max(other.want), at_least: one.at_least.max(other.at_least) })
        }
        (one, other) => one.or(other),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SumVerdict;
    use crate::plan::Machine;
    use crate::preflight::fixtures::{seen, tuned_plan};
    use crate::preflight::{differences, sums};

    /// The load comes from a second name of the one machine, for which something is tuned as well.
    fn two_names(value: &str) -> (Plan, BTreeMap<String, String>) {
        let mut plan = tuned_plan(&[("net.ipv4.ip_local_port_range", "1024 65535"), ("net.core.somaxconn", "8192")]);
        plan.machines.push(Machine { name: "loader".to_owned(), ..plan.machines[0].clone() });
        plan.trials.iter_mut().for_each(|trial| "loader".clone_into(&mut trial.client));
        plan.tuning[0].settings[1].optional = true;
        plan.tuning[0].settings[1].at_least = Some(100);
        let mut second = plan.tuning[0].clone();
        "loader".clone_into(&mut second.machine);
        second.settings.remove(0);
        second.settings[0].optional = false;
        value.clone_into(&mut second.settings[0].value);
        second.nofile = Some(NoFile { want: 9000, at_least: 8000 });
        plan.tuning.push(second);
        (plan, BTreeMap::from([("loader".to_owned(), "pc".to_owned())]))
    }

    #[test]
    fn what_either_name_can_not_do_without_the_machine_must_have() {
        let (plan, shared) = two_names("8192");
        let one = as_one(&plan, &shared);
        assert_eq!((one.machines.len(), one.tuning.len()), (1, 1));
        assert!(one.trials.iter().all(|trial| trial.client == "pc" && trial.server == "pc"));
        let setting = &one.tuning[0].settings[1];
        assert_eq!((one.tuning[0].settings.len(), setting.optional, setting.at_least), (2, false, Some(100)));
        assert_eq!(one.tuning[0].nofile.map(|nofile| nofile.at_least), Some(8000));
        assert_eq!(as_one(&plan, &BTreeMap::new()), plan);
    }

    #[test]
    fn changes_are_counted_once_and_the_load_has_the_ports_that_the_server_is_given() {
        let (plan, shared) = two_names("8192");
        let one = as_one(&plan, &shared);
        let machine = seen(&[("net.ipv4.ip_local_port_range", "10000 10100"), ("net.core.somaxconn", "4096")]);
        let machines = BTreeMap::from([("pc".to_owned(), machine)]);
        let names: Vec<String> = differences(&one, &machines).into_iter().map(|one| one.name).collect();
        assert_eq!(names.iter().filter(|name| *name == "net.core.somaxconn").count(), 1, "{names:?}");
        let sums = sums(&one, &machines);
        let ports = sums.iter().find(|sum| sum.code == "ephemeral-ports").unwrap();
        assert_eq!(ports.verdict, SumVerdict::Fits, "{ports:?}");
    }

    #[test]
    fn two_values_for_one_kernel_are_refused_before_anything_is_changed() {
        let (plan, shared) = two_names("16384");
        let one = as_one(&plan, &shared);
        let machines = BTreeMap::from([("pc".to_owned(), seen(&[("net.core.somaxconn", "4096")]))]);
        let sums = sums(&one, &machines);
        let refused = sums.iter().find(|sum| sum.code == "two-values").unwrap();
        assert_eq!(refused.verdict, SumVerdict::Refused);
        assert!(refused.text.starts_with("`net.core.somaxconn` shall be 8192 (") && refused.text.contains("16384"));
    }
}
