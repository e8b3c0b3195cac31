//! What tuning would change: each setting as it stands, and as it would be.

use std::collections::BTreeMap;

use crate::plan::{Database, Machine, Plan};
use crate::preflight::Seen;
use crate::preflight::machine::made_with;

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
}

impl Difference {
    /// Whether anything would change.
    pub fn changes(&self) -> bool {
        self.refused.is_none() && self.now.as_deref() != Some(self.then.as_str())
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { machine, name, now, then, from, refused, danger } = self;
        let now = now.as_deref().map_or("(not there)", |now| if now.is_empty() { "(empty)" } else { now });
        match refused {
            Some(why) => write!(f, "{machine}: {name} stays {now}: {why} ({from})")?,
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
        let look = machines.get(&tuning.machine).map(|seen| &seen.look);
        for setting in &tuning.settings {
            let standing = look.and_then(|look| look.settings.get(&setting.name)).cloned().unwrap_or_default();
            all.push(Difference {
                machine: tuning.machine.clone(),
                name: setting.name.clone(),
                now: standing.value,
                then: setting.value.clone(),
                from: setting.from.clone(),
                refused: standing.refused,
                danger: setting.danger.clone(),
            });
        }
        if let Some(nofile) = tuning.nofile {
            let now = look.and_then(|look| look.nofile).map(|(soft, _)| soft.to_string());
            all.push(Difference {
                machine: tuning.machine.clone(),
                name: "open files of what is started".to_owned(),
                now,
                then: nofile.want.to_string(),
                from: format!("nofile, at least {}", nofile.at_least),
                refused: None,
                danger: None,
            });
        }
    }
    all.extend(plan.database.iter().flat_map(|database| of_cluster(database, machines)));
    all
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
        standing.refused = Some(format!("this kernel has only {available}"));
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

#[cfg(test)]
mod tests {
    use super::*;

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
