//! From `[tune.ROLE]` and profiles to what is changed on each machine.

use crate::plan::check::Project;
use crate::plan::wanted::{Wanted, merged};
use crate::plan::{ConfSetting, Docker, Machine, NoFile, PostgresConf, Transport, TunedSetting, Tuning};
use crate::scenario::Tune;
use crate::tuning::{conf_danger, danger, in_containers};

/// What is changed on each machine that takes part, in the machines' order.
pub(super) fn tuning(project: &Project, machines: &[Machine]) -> Vec<Tuning> {
    machines.iter().filter_map(|machine| of_machine(project, machine)).collect()
}

fn of_machine(project: &Project, machine: &Machine) -> Option<Tuning> {
    let plays = |tune: &&Tune| machine.roles.contains(&tune.role.value);
    let tunes: Vec<&Tune> = project.scenario.tunes.iter().filter(plays).collect();
    let mut profiles: Vec<String> = Vec::new();
    for name in tunes.iter().flat_map(|tune| &tune.sysctl) {
        if !profiles.contains(&name.value) {
            profiles.push(name.value.clone());
        }
    }
    let settings: Vec<TunedSetting> =
        merged(&tunes, &project.profiles).into_iter().map(|wanted| planned(project, wanted)).collect();
    // Roles of one machine that both have a limit have the same one.
    let nofile = tunes.iter().find_map(|tune| tune.nofile.as_ref());
    let nofile = nofile.map(|limit| NoFile { want: limit.want.value, at_least: limit.at_least.value });
    let is_nothing = settings.is_empty() && nofile.is_none();
    (!is_nothing).then(|| Tuning { machine: machine.name.clone(), profiles, settings, nofile })
}

fn planned(project: &Project, wanted: Wanted<'_>) -> TunedSetting {
    // What no profile says, the scenario says itself.
    let here = || format!("{}:{}", project.scenario_input, wanted.place.start().line);
    TunedSetting {
        name: wanted.name.to_owned(),
        danger: danger(wanted.name, &wanted.value).map(str::to_owned),
        value: wanted.value,
        from: wanted.profile.unwrap_or_else(here),
        optional: wanted.optional,
        at_least: wanted.at_least,
    }
}

/// A container has its settings from its first moment: those that can be its own, and no others.
pub(super) fn give_to_containers(machines: &mut [Machine], tuning: &[Tuning]) {
    for machine in machines {
        let Transport::Docker(docker) = &mut machine.transport else { continue };
        let settings =
            tuning.iter().filter(|tuning| tuning.machine == machine.name).flat_map(|tuning| &tuning.settings);
        settings.filter(|setting| in_containers(&setting.name)).for_each(|setting| give(docker, setting));
    }
}

fn give(docker: &mut Docker, setting: &TunedSetting) {
    docker.tuned.insert(setting.name.clone(), setting.value.clone());
    if setting.optional {
        docker.optional.push(setting.name.clone());
    }
}

/// The profile that PostgreSQL runs with.
pub(super) fn conf(project: &Project) -> Option<PostgresConf> {
    let profile = project.profiles.conf.as_ref()?;
    let settings = profile.settings.iter().map(|setting| ConfSetting {
        name: setting.name.value.clone(),
        value: setting.value.value.clone(),
        from: profile.place_of(setting),
        danger: conf_danger(&setting.name.value, &setting.value.value).map(str::to_owned),
    });
    Some(PostgresConf { name: profile.name.clone(), settings: settings.collect() })
}
