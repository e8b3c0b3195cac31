//! What the machines were, before and after.

use crate::event::Happening;
use crate::metric::{counted, short_bytes};
use crate::report::escape::Text;
use crate::report::model::types::{Fact, MachineFacts};
use crate::store::StoredRun;
use crate::wire::{Facts, GOVERNOR, TURBO};

/// Each machine of the plan, and any other that has facts.
pub fn machines(run: &StoredRun) -> Vec<MachineFacts> {
    let planned = run.plan.machines.iter().map(|machine| machine.name.as_str());
    let others = run.facts.keys().map(String::as_str).filter(|name| run.plan.machines.iter().all(|m| m.name != *name));
    planned.chain(others).map(|name| machine(run, name)).collect()
}

fn machine(run: &StoredRun, name: &str) -> MachineFacts {
    let moments = run.facts.get(name);
    let before = moments.and_then(|moments| moments.get("before"));
    let after = moments.and_then(|moments| moments.get("after"));
    let part = run.plan.machines.iter().find(|machine| machine.name == name).map_or_else(
        || "not in the plan".to_owned(),
        |machine| {
            let transport = machine.transport.word();
            format!("{} at {}, reached by transport {transport}", machine.roles.join(", "), machine.address)
        },
    );
    let is_ours = |key: &str, value: Option<&str>| set_by_the_run(run, name, key, value);
    MachineFacts { name: Text::from(name), part: Text::from(part), facts: facts(before, after, is_ours) }
}

/// Whether the run itself gave a setting of a machine this value: that is told with its tuning, and is no doubt. The facts
/// after the last trial are read before the machine is put back.
fn set_by_the_run(run: &StoredRun, name: &str, key: &str, value: Option<&str>) -> bool {
    run.events.iter().any(|event| match &event.event {
        Happening::MachineTuned { machine, settings, .. } if run.same_machine(machine, name) => {
            settings.iter().any(|tuned| tuned.name == key && same_words(tuned.after.as_deref(), value))
        }
        _ => false,
    })
}

/// The kernel parts the numbers of a setting by tabs, and facts by spaces.
fn same_words(one: Option<&str>, other: Option<&str>) -> bool {
    let [one, other] = [one, other].map(|text| text.map(|text| text.split_ascii_whitespace().collect::<Vec<_>>()));
    one.is_some() && one == other
}

/// One machine in one line: `local: Debian GNU/Linux 12 (bookworm), 2 CPUs, ...`.
pub fn line(name: &str, facts: Option<&Facts>) -> Text {
    let Some(facts) = facts else { return Text::from(format!("{name} (no facts)")) };
    let cpu = facts.cpu_model.as_ref().map(|model| format!(" ({})", model.trim())).unwrap_or_default();
    let parts = [
        facts.distribution.clone(),
        facts.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
        Some(counted(facts.cpus, "CPU") + &cpu),
        facts.memory_bytes.map(|bytes| format!("{} memory", short_bytes(bytes))),
        facts.virtualization.as_ref().map(|kind| format!("virtual ({kind})")),
    ];
    Text::from(format!("{name}: {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", ")))
}

/// A fact, how it is read, and what may move it.
type Reader = (&'static str, fn(&Facts) -> Option<String>, Moves);

#[derive(Clone, Copy, PartialEq)]
enum Moves {
    ByItself,
    ByTheRun,
    /// Unless the run itself set this setting.
    Not(&'static str),
    No,
}

const READERS: [Reader; 18] = [
    ("host name", |facts| facts.hostname.clone(), Moves::No),
    ("distribution", |facts| facts.distribution.clone(), Moves::No),
    ("kernel", |facts| facts.kernel.clone(), Moves::No),
    ("architecture", |facts| Some(facts.architecture.clone()), Moves::No),
    ("virtualization", |facts| facts.virtualization.clone(), Moves::No),
    ("processor", |facts| facts.cpu_model.clone(), Moves::No),
    ("logical CPUs", |facts| Some(facts.cpus.to_string()), Moves::No),
    ("CPU governor", |facts| facts.cpu_governor.clone(), Moves::Not(GOVERNOR)),
    ("CPU turbo", |facts| facts.cpu_turbo.clone(), Moves::Not(TURBO)),
    ("memory", |facts| facts.memory_bytes.map(short_bytes), Moves::No),
    ("memory available", |facts| facts.memory_available_bytes.map(short_bytes), Moves::ByItself),
    ("disk free", |facts| facts.disk_free_bytes.map(short_bytes), Moves::ByItself),
    ("load average, 1 min", |facts| facts.load_1m.map(|load| format!("{load:.2}")), Moves::ByItself),
    ("uptime", |facts| facts.uptime_s.map(uptime), Moves::ByItself),
    ("boot id", |facts| facts.boot_id.clone(), Moves::No),
    ("open files, soft / hard", |facts| facts.nofile.map(|(soft, hard)| format!("{soft} / {hard}")), Moves::No),
    ("daemons' user", |facts| Some(facts.user.clone()), Moves::No),
    ("missing tools", |facts| (!facts.missing.is_empty()).then(|| facts.missing.join(", ")), Moves::No),
];

fn facts(before: Option<&Facts>, after: Option<&Facts>, is_ours: impl Fn(&str, Option<&str>) -> bool) -> Vec<Fact> {
    let single = READERS.iter().map(|(name, read, moves)| {
        let (before, after) = (before.and_then(read), after.and_then(read));
        let moves = match *moves {
            Moves::Not(key) if is_ours(key, after.as_deref()) => Moves::ByTheRun,
            moves => moves,
        };
        fact((*name).to_owned(), before, after, moves)
    });
    let mut keys: Vec<&String> = before.into_iter().chain(after).flat_map(|facts| facts.sysctl.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let value = |facts: Option<&Facts>, key: &String| facts.and_then(|facts| facts.sysctl.get(key).cloned());
    let settings = keys.into_iter().map(|key| {
        let (before, after) = (value(before, key), value(after, key));
        let moves = if is_ours(key, after.as_deref()) { Moves::ByTheRun } else { Moves::No };
        fact(key.clone(), before, after, moves)
    });
    single.chain(settings).filter(|fact| fact.before.is_some() || fact.after.is_some()).collect()
}

fn fact(name: String, before: Option<String>, after: Option<String>, moves: Moves) -> Fact {
    Fact {
        name: Text::from(name),
        changed: matches!(moves, Moves::No | Moves::Not(_)) && before.is_some() && after.is_some() && before != after,
        before: before.map(Text::from),
        after: after.map(Text::from),
    }
}

fn uptime(seconds: u64) -> String {
    match seconds {
        0..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_governor_that_the_run_set_is_nobody_elses_change() {
        let with = |governor: &str| {
            let [cpu_governor, cpu_turbo] = [governor, "on"].map(|word| Some(word.to_owned()));
            Facts { cpu_governor, cpu_turbo, ..Facts::default() }
        };
        let changes = |ours: &str| {
            let (before, after) = (with("powersave"), with("performance"));
            let is_ours = |key: &str, value: Option<&str>| key == GOVERNOR && value == Some(ours);
            facts(Some(&before), Some(&after), is_ours).iter().filter(|fact| fact.changed).count()
        };
        assert_eq!((changes("performance"), changes("ondemand")), (0, 1));
    }
}
