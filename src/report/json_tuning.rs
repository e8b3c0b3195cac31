//! Tuning in JSON.

use serde::Serialize;

use crate::event::SumVerdict;
use crate::report::escape::Text;
use crate::report::model::{ChangeRow, MachineTuning, SettingRow, Tuning, UndoneRows};

/// All of it.
#[derive(Serialize)]
pub struct TuningOut<'a> {
    sums: Vec<Sum<'a>>,
    machines: Vec<Machine<'a>>,
    database: Vec<Cluster<'a>>,
}

#[derive(Serialize)]
struct Sum<'a> {
    machine: &'a Text,
    code: &'a Text,
    text: &'a Text,
    verdict: SumVerdict,
    hint: Option<&'a Text>,
}

#[derive(Serialize)]
struct Machine<'a> {
    machine: &'a Text,
    profiles: &'a [Text],
    planned: usize,
    left: Vec<Undone<'a>>,
    tuned: Option<Tuned<'a>>,
    verified: Option<Verified<'a>>,
    undone: Option<Undone<'a>>,
    compared: Option<Compared<'a>>,
}

#[derive(Serialize)]
struct Tuned<'a> {
    settings: Vec<Setting<'a>>,
    nofile: Option<Limit>,
    nofile_asked: Option<Asked>,
    took_ms: u64,
}

#[derive(Serialize)]
struct Limit {
    soft: u64,
    hard: u64,
}

#[derive(Serialize)]
struct Asked {
    want: u64,
    at_least: u64,
}

#[derive(Serialize)]
struct Cluster<'a> {
    machine: &'a Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a Text>,
    settings: Vec<Setting<'a>>,
}

#[derive(Serialize)]
struct Setting<'a> {
    name: &'a Text,
    before: Option<&'a Text>,
    asked: &'a Text,
    read_back: Option<&'a Text>,
    took: bool,
    why: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a Text>,
    from: Option<&'a Text>,
    danger: Option<&'a Text>,
}

#[derive(Serialize)]
struct Verified<'a> {
    settings: usize,
    changed: Vec<Change<'a>>,
}

#[derive(Serialize)]
struct Change<'a> {
    name: &'a Text,
    from: Option<&'a Text>,
    to: Option<&'a Text>,
    ours: bool,
}

#[derive(Serialize)]
struct Undone<'a> {
    run: &'a Text,
    entries: Vec<Entry<'a>>,
    took_ms: u64,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a Text,
    found: Option<&'a Text>,
    before: Option<&'a Text>,
    outcome: &'static str,
    why: Option<&'a Text>,
}

#[derive(Serialize)]
struct Compared<'a> {
    values: usize,
    differences: Vec<Change<'a>>,
}

/// Makes it.
pub fn tuning(tuning: &Tuning) -> TuningOut<'_> {
    let sums = tuning.sums.iter().map(|sum| Sum {
        machine: &sum.machine,
        code: &sum.code,
        text: &sum.text,
        verdict: sum.verdict,
        hint: sum.hint.as_ref(),
    });
    let database = tuning.database.iter().map(|rows| Cluster {
        machine: &rows.machine,
        cluster: rows.cluster.as_ref(),
        settings: rows.settings.iter().map(setting).collect(),
    });
    TuningOut {
        sums: sums.collect(),
        machines: tuning.machines.iter().map(machine).collect(),
        database: database.collect(),
    }
}

fn machine(one: &MachineTuning) -> Machine<'_> {
    Machine {
        machine: &one.machine,
        profiles: &one.profiles,
        planned: one.planned,
        left: one.left.iter().map(undone).collect(),
        tuned: one.tuned.as_ref().map(|tuned| Tuned {
            settings: tuned.settings.iter().map(setting).collect(),
            nofile: tuned.nofile.map(|(soft, hard)| Limit { soft, hard }),
            nofile_asked: tuned.nofile_asked.map(|(want, at_least)| Asked { want, at_least }),
            took_ms: tuned.took_ms,
        }),
        verified: one.verified.as_ref().map(|verified| Verified {
            settings: verified.settings,
            changed: verified.changed.iter().map(change).collect(),
        }),
        undone: one.undone.as_ref().map(undone),
        compared: one.compared.as_ref().map(|compared| Compared {
            values: compared.values,
            differences: compared.differences.iter().map(change).collect(),
        }),
    }
}

fn setting(row: &SettingRow) -> Setting<'_> {
    Setting {
        name: &row.name,
        before: row.before.as_ref(),
        asked: &row.asked,
        read_back: row.read_back.as_ref(),
        took: row.took,
        why: row.why.as_ref(),
        source: row.source.as_ref(),
        from: row.from.as_ref(),
        danger: row.danger.as_ref(),
    }
}

fn change(row: &ChangeRow) -> Change<'_> {
    Change { name: &row.name, from: row.from.as_ref(), to: row.to.as_ref(), ours: row.ours }
}

fn undone(rows: &UndoneRows) -> Undone<'_> {
    let entries = rows.entries.iter().map(|entry| Entry {
        name: &entry.name,
        found: entry.found.as_ref(),
        before: entry.before.as_ref(),
        outcome: entry.outcome,
        why: entry.why.as_ref(),
    });
    Undone { run: &rows.run, entries: entries.collect(), took_ms: rows.took_ms }
}
