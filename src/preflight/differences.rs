//! What tuning would change: each setting as it stands, and as it would be.

use std::collections::BTreeMap;

use crate::plan::{Database, Machine, NoFile, Plan, Tuning};
use crate::preflight::machine::{On, made_with};
use crate::preflight::{Seen, descriptors};

/// A setting, now and then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The machine.
    pub machine: String,
    /// The setting.
    pub name: String,
    /// As it stands; none where there is no such setting.
    pub now: Option<String>,
    /// As it would be.
    pub then: String,
    /// Where that is written: `sysctl/network-booster.conf:6`.
    pub from: String,
    /// Why it can't be set here; none where it can.
    pub refused: Option<String>,
    /// What is dangerous about it.
    pub danger: Option<String>,
    /// Whether it is of something that the campaign makes for itself, and takes away: nothing of the machine changes.
    pub made: bool,
}

impl Difference {
    /// Whether anything would change.
    pub fn changes(&self) -> bool {
        !self.made && self.refused.is_none() && self.now.as_deref() != Some(self.then.as_str())
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { machine, name, now, then, from, refused, danger, made } = self;
        let now = now.as_deref().map_or("(not there)", |now| if now.is_empty() { "(empty)" } else { now });
        match refused {
            Some(why) => write!(f, "{machine}: {name} stays {now}: {why} ({from})")?,
            None if *made => write!(f, "{machine}: {name} = {then} ({from})")?,
            None if now == then.as_str() => write!(f, "{machine}: {name} is {now} already ({from})")?,
            None => write!(f, "{machine}: {name} {now} -> {then} ({from})")?,
        }
        match danger.as_ref().filter(|_| refused.is_none()) {
            Some(danger) => write!(f, "; dangerous, and accepted: {danger}"),
            None => Ok(()),
        }
    }
}

/// Everything that the plan's tuning would do, in its order.
pub fn differences(plan: &Plan, machines: &BTreeMap<String, Seen>) -> Vec<Difference> {
    let mut all = Vec::new();
    for tuning in &plan.tuning {
        let on = machines.get(&tuning.machine).map(|seen| On { plan, name: &tuning.machine, seen });
        for setting in &tuning.settings {
            let standing = on.and_then(|on| on.seen.look.settings.get(&setting.name)).cloned().unwrap_or_default();
            all.push(Difference {
                machine: tuning.machine.clone(),
                name: setting.name.clone(),
                now: standing.value,
                then: setting.value.clone(),
                from: setting.from.clone(),
                refused: on.map_or(standing.refused, |on| on.refusal(setting)),
                danger: setting.danger.clone(),
                made: false,
            });
        }
        all.extend(tuning.nofile.map(|nofile| of_files(tuning, nofile, on.as_ref())));
    }
    all.extend(plan.database.iter().flat_map(|database| of_cluster(database, machines)));
    all.extend(plan.database.iter().flat_map(of_private));
    all
}

/// The limit of open files that what is started would get, which may be less than was asked for.
fn of_files(tuning: &Tuning, nofile: NoFile, on: Option<&On<'_>>) -> Difference {
    let now = on.and_then(|on| on.seen.look.nofile).map(|(soft, _)| soft.to_string());
    let got = on.and_then(descriptors::got).unwrap_or(nofile.want);
    let NoFile { want, at_least } = nofile;
    let from = match (got < want, at_least < want) {
        (true, _) => format!("nofile: {want} asked for, at least {at_least}"),
        (false, true) => format!("nofile, at least {at_least}"),
        (false, false) => "nofile".to_owned(),
    };
    let refused = on.filter(|_| got < at_least).map(|on| format!("{got} at most: {}", descriptors::bound(on)));
    Difference {
        machine: tuning.machine.clone(),
        name: "open files of what is started".to_owned(),
        now,
        then: got.to_string(),
        from,
        refused,
        danger: None,
        made: false,
    }
}

/// What a campaign's own PostgreSQL is made with.
fn of_private(database: &Database) -> Vec<Difference> {
    let settings = database.conf.iter().filter(|_| database.cluster.is_none()).flat_map(|conf| &conf.settings);
    let made = settings.map(|setting| Difference {
        machine: database.machine.clone(),
        name: format!("the campaign's own PostgreSQL: {}", setting.name),
        now: None,
        then: setting.value.clone(),
        from: setting.from.clone(),
        refused: None,
        danger: setting.danger.clone(),
        made: true,
    });
    made.collect()
}

/// The settings that are not to be made on a machine, since they can't be and the campaign goes on without them: each
/// with the reason. What was reckoned without is left as it is.
pub fn withheld(plan: &Plan, machine: &str, seen: &Seen) -> BTreeMap<String, String> {
    let on = On { plan, name: machine, seen };
    let settings = on.tuning().into_iter().flat_map(|tuning| &tuning.settings);
    let dispensable = settings.filter(|setting| setting.optional || on.is_enough(setting));
    dispensable.filter_map(|setting| Some((setting.name.clone(), on.refusal(setting)?))).collect()
}

/// What changes in the machine's own PostgreSQL.
fn of_cluster(database: &Database, machines: &BTreeMap<String, Seen>) -> Vec<Difference> {
    let Some(cluster) = &database.cluster else { return Vec::new() };
    let look = machines.get(&database.machine).and_then(|seen| seen.look.cluster.as_ref());
    let why = look.and_then(|look| look.refused.as_ref()).map(|refused| refused.message.clone());
    let now = |name: &str| look.and_then(|look| look.settings.get(&name.to_ascii_lowercase())).cloned();
    let difference = |name: &str, now: Option<String>, then: &str, from: &str, danger: Option<String>| Difference {
        machine: database.machine.clone(),
        name: format!("PostgreSQL {cluster}: {name}"),
        now,
        then: then.to_owned(),
        from: from.to_owned(),
        refused: why.clone(),
        danger,
        made: false,
    };
    let settings = database.conf.iter().flat_map(|conf| &conf.settings);
    let mut all: Vec<Difference> = settings
        .map(|setting| {
            difference(&setting.name, now(&setting.name), &setting.value, &setting.from, setting.danger.clone())
        })
        .collect();
    if !all.iter().any(|one| one.name.to_ascii_lowercase().ends_with(": max_connections")) {
        let wanted = database.max_connections.to_string();
        all.push(difference("max_connections", now("max_connections"), &wanted, "[postgres]", None));
    }
    let made = "made, and dropped at the end";
    all.push(difference("database and role of the campaign", None, made, &database.data, None));
    all
}

/// The one setting whose values the kernel lists, and where it lists them.
const CHOICE: (&str, &str) = ("net.ipv4.tcp_congestion_control", "net.ipv4.tcp_available_congestion_control");

/// Completes what an agent saw by what only the plan knows. What it may not write itself is no refusal where the machine
/// is made with it; and a value that the kernel has not is refused whoever would set it.
pub fn complete(plan: &Plan, machine: &Machine, seen: &mut Seen) {
    let standings = &mut seen.look.settings;
    for (name, _) in made_with(machine) {
        if let Some(standing) = standings.get_mut(name) {
            standing.refused = None;
        }
    }
    let mut settings =
        plan.tuning.iter().filter(|tuning| tuning.machine == machine.name).flat_map(|tuning| &tuning.settings);
    let available = standings.get(CHOICE.1).and_then(|standing| standing.value.clone());
    if let (Some(wanted), Some(available)) = (settings.find(|setting| setting.name == CHOICE.0), available)
        && !available.split_whitespace().any(|one| one == wanted.value)
        && let Some(standing) = standings.get_mut(CHOICE.0)
    {
        // Loading a module would be a change that nobody undoes.
        let wanted = &wanted.value;
        standing.refused = Some(format!(
            "this kernel has {available} loaded, and not {wanted} (if it comes with a module: modprobe tcp_{wanted})"
        ));
    }
}

/// A machine as it will be made, where what was looked at was made without the campaign's settings.
pub fn as_made(machine: &Machine, mut seen: Seen) -> Seen {
    for (name, value) in made_with(machine) {
        let standing = seen.look.settings.entry(name.clone()).or_default();
        if standing.refused.is_none() {
            standing.value = Some(value.clone());
        }
    }
    seen
}

/// A machine as it will be once a contact has undone what an earlier run left there.
pub fn as_undone(mut seen: Seen) -> Seen {
    if let Some(left) = &seen.look.left {
        let undone = left.entries.iter().filter(|entry| !left.stays.contains(&entry.name));
        for entry in undone {
            if let Some(standing) = seen.look.settings.get_mut(&entry.name) {
                standing.value.clone_from(&entry.to);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ConfSetting, PostgresConf};
    use crate::preflight::fixtures::{plan_of_2015, seen, tuned_plan};
    use crate::wire::{Change, Left};

    fn of(plan: &Plan, machine: Seen) -> Vec<String> {
        let all = differences(plan, &BTreeMap::from([("pc".to_owned(), machine)]));
        all.iter().map(|one| format!("{} {one}", one.changes())).collect()
    }

    #[test]
    fn what_is_left_is_undone_before_and_somebody_elses_value_stays() {
        let plan = tuned_plan(&[("vm.swappiness", "1"), ("vm.dirty_ratio", "42")]);
        let mut machine = seen(&[("vm.swappiness", "1"), ("vm.dirty_ratio", "42")]);
        let change = |name: &str, from: &str, to: &str| Change {
            name: name.to_owned(),
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
        };
        let entries = vec![change("vm.swappiness", "1", "60"), change("vm.dirty_ratio", "42", "10")];
        machine.look.left = Some(Left { entries, stays: vec!["vm.dirty_ratio".to_owned()], ..Left::default() });
        assert_eq!(
            of(&plan, as_undone(machine)),
            [
                "true pc: vm.swappiness 60 -> 1 (sysctl/network-booster.conf:1)",
                "false pc: vm.dirty_ratio is 42 already (sysctl/network-booster.conf:2)"
            ]
        );
    }

    #[test]
    fn of_open_files_what_is_got_is_shown_and_a_refusal_is_no_change() {
        let mut plan = tuned_plan(&[]);
        plan.tuning[0].nofile = Some(NoFile { want: 1_048_576, at_least: 8192 });
        let mut machine = seen(&[]);
        machine.look.nofile = Some((1024, 20_000));
        assert_eq!(
            of(&plan, machine.clone()),
            ["true pc: open files of what is started 1024 -> 20000 (nofile: 1048576 asked for, at least 8192)"]
        );
        machine.look.nofile = Some((20_000, 20_000));
        assert!(of(&plan, machine.clone())[0].starts_with("false pc: open files of what is started is 20000 already"));
        machine.look.nofile = Some((1024, 4096));
        assert_eq!(
            of(&plan, machine),
            [
                "false pc: open files of what is started stays 1024: 4096 at most: the hard limit there, which the agent may \
              not raise (nofile: 1048576 asked for, at least 8192)"
            ]
        );
    }

    #[test]
    fn a_campaigns_own_postgresql_is_shown_with_its_dangers_and_changes_nothing() {
        let mut plan = plan_of_2015();
        let fsync = ConfSetting {
            name: "fsync".to_owned(),
            value: "off".to_owned(),
            from: "postgres-conf/fast.conf:9".to_owned(),
            danger: Some("a crash loses the data".to_owned()),
        };
        let conf = PostgresConf { name: "fast".to_owned(), settings: vec![fsync] };
        plan.database.as_mut().unwrap().conf = Some(conf);
        assert_eq!(
            of(&plan, seen(&[])),
            [
                "false pc: the campaign's own PostgreSQL: fsync = off (postgres-conf/fast.conf:9); dangerous, and accepted: a \
              crash loses the data"
            ]
        );
    }

    #[test]
    fn what_is_reckoned_without_is_not_made_and_what_is_needed_is() {
        let mut plan = tuned_plan(&[("a.b", "1"), ("a.c", "1"), ("a.d", "9"), ("a.e", "1")]);
        plan.tuning[0].settings[0].optional = true;
        plan.tuning[0].settings[2].at_least = Some(5);
        let mut machine = seen(&[("a.b", "0"), ("a.c", "0"), ("a.d", "7"), ("a.e", "0")]);
        for name in ["a.b", "a.c", "a.d"] {
            machine.look.settings.get_mut(name).unwrap().refused = Some("no".to_owned());
        }
        let withheld: Vec<String> = withheld(&plan, "pc", &machine).into_keys().collect();
        assert_eq!(withheld, ["a.b", "a.d"]);
    }

    #[test]
    fn what_would_change_is_told_from_what_would_not() {
        let difference = |now: Option<&str>, refused: Option<&str>| Difference {
            machine: "server".to_owned(),
            name: "net.core.somaxconn".to_owned(),
            now: now.map(str::to_owned),
            then: "100000".to_owned(),
            from: "sysctl/a.conf:1".to_owned(),
            refused: refused.map(str::to_owned),
            danger: None,
            made: false,
        };
        let check = |difference: Difference, changes: bool, text: &str| {
            assert_eq!((difference.changes(), difference.to_string().as_str()), (changes, text));
        };
        check(difference(Some("4096"), None), true, "server: net.core.somaxconn 4096 -> 100000 (sysctl/a.conf:1)");
        check(
            difference(Some("100000"), None),
            false,
            "server: net.core.somaxconn is 100000 already (sysctl/a.conf:1)",
        );
        check(
            difference(None, Some("this kernel has no such setting")),
            false,
            "server: net.core.somaxconn stays (not there): this kernel has no such setting (sysctl/a.conf:1)",
        );
    }
}
