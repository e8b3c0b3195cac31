//! All that a run tells of its tuning: the sums, what was set and how it was read back, and how it was undone.

use std::collections::BTreeSet;

use crate::event::{Happening, SumVerdict};
use crate::plan::TunedSetting;
use crate::report::escape::Text;
use crate::store::StoredRun;
use crate::wire::{Compared, Outcome, PutBack, Tuned, Undone};

/// The tuning of a run.
#[derive(Debug, Default)]
pub struct Tuning {
    /// What was reckoned before anything was changed.
    pub sums: Vec<SumRow>,
    /// Each machine that was tuned, that should have been, or that was put back; one that was tuned again when the run was
    /// resumed stands here again.
    pub machines: Vec<MachineTuning>,
    /// The settings of the PostgreSQL profile, by the machine of the cluster.
    pub database: Vec<ClusterRows>,
}

/// The settings of a PostgreSQL cluster.
#[derive(Debug)]
pub struct ClusterRows {
    /// Its machine.
    pub machine: Text,
    /// For people: which one it is.
    pub title: Text,
    /// Where it is the machine's own: `15/main`.
    pub cluster: Option<Text>,
    /// The profile's settings.
    pub settings: Vec<SettingRow>,
}

/// A sum.
#[derive(Debug)]
pub struct SumRow {
    /// The machine.
    pub machine: Text,
    /// A stable word.
    pub code: Text,
    /// The sum, in words and numbers.
    pub text: Text,
    /// What comes of it.
    pub verdict: SumVerdict,
    /// What to do, where it does not come out.
    pub hint: Option<Text>,
}

/// What happened to a machine, from its tuning until it was put back.
#[derive(Debug, Default)]
pub struct MachineTuning {
    /// The machine.
    pub machine: Text,
    /// The profiles that its settings come from.
    pub profiles: Vec<Text>,
    /// How many settings were planned.
    pub planned: usize,
    /// What a dead agent had left, and was undone before anything else.
    pub left: Vec<UndoneRows>,
    /// What was set; none where the run ended before.
    pub tuned: Option<TunedRows>,
    /// What was still so after the last trial; none where nobody looked.
    pub verified: Option<Verified>,
    /// How it was put back; none where nobody told.
    pub undone: Option<UndoneRows>,
    /// The machine held against what it was at the first contact.
    pub compared: Option<ComparedRows>,
}

/// What was set.
#[derive(Debug)]
pub struct TunedRows {
    /// Every setting.
    pub settings: Vec<SettingRow>,
    /// Soft and hard limit of open files that was got.
    pub nofile: Option<(u64, u64)>,
    /// The limit of open files that was asked for, and what was enough.
    pub nofile_asked: Option<(u64, u64)>,
    /// How long it took.
    pub took_ms: u64,
}

/// A setting, asked for and read back.
#[derive(Debug)]
pub struct SettingRow {
    /// Its name.
    pub name: Text,
    /// What it was.
    pub before: Option<Text>,
    /// What was asked for.
    pub asked: Text,
    /// What was read back.
    pub read_back: Option<Text>,
    /// Whether it took.
    pub took: bool,
    /// Why not.
    pub why: Option<Text>,
    /// Where PostgreSQL says that it comes from.
    pub source: Option<Text>,
    /// Where it stands in a file that a person wrote.
    pub from: Option<Text>,
    /// What is dangerous about it, which the scenario accepts.
    pub danger: Option<Text>,
}

/// What was still so after the last trial.
#[derive(Debug)]
pub struct Verified {
    /// How many settings were read again.
    pub settings: usize,
    /// Those that were no longer as they had been set.
    pub changed: Vec<ChangeRow>,
}

/// A value that is another one now.
#[derive(Debug)]
pub struct ChangeRow {
    /// Its name.
    pub name: Text,
    /// What it was.
    pub from: Option<Text>,
    /// What it is.
    pub to: Option<Text>,
    /// Whether the run had tuned it.
    pub ours: bool,
}

/// What was undone.
#[derive(Debug)]
pub struct UndoneRows {
    /// The run that had made the changes.
    pub run: Text,
    /// Each setting.
    pub entries: Vec<PutBackRow>,
    /// How long it took.
    pub took_ms: u64,
}

/// A setting that was to be put back.
#[derive(Debug)]
pub struct PutBackRow {
    /// Its name.
    pub name: Text,
    /// What it was found to be.
    pub found: Option<Text>,
    /// What it was before, and shall be again.
    pub before: Option<Text>,
    /// A stable word: `restored`, `already-so`, `left-alone`, `undone-by-boot`, `failed`.
    pub outcome: &'static str,
    /// Where it failed: why.
    pub why: Option<Text>,
}

/// The machine held against what it was.
#[derive(Debug)]
pub struct ComparedRows {
    /// How many values.
    pub values: usize,
    /// Those that differ.
    pub differences: Vec<ChangeRow>,
}

/// Reads it from the events.
pub fn tuning(run: &StoredRun) -> Tuning {
    let mut all = Tuning::default();
    for event in &run.events {
        note(&mut all, run, &event.event);
    }
    for planned in &run.plan.tuning {
        // One that was only put back after an earlier run should still have been tuned; one of two names stands here by
        // the other one.
        let names = run.plan.machines.iter().filter(|machine| run.same_machine(&planned.machine, &machine.name));
        let names: Vec<Text> =
            names.map(|machine| Text::from(&machine.name)).chain([Text::from(&planned.machine)]).collect();
        if all.machines.iter().all(|machine| !names.contains(&machine.machine)) {
            all.machines.push(begun(run, &planned.machine));
        }
    }
    all
}

fn note(all: &mut Tuning, run: &StoredRun, event: &Happening) {
    match event {
        Happening::Reckoned { sums } => {
            all.sums.extend(sums.iter().map(|sum| SumRow {
                machine: Text::from(&sum.machine),
                code: Text::from(&sum.code),
                text: Text::from(&sum.text),
                verdict: sum.verdict,
                hint: sum.hint.as_ref().map(Text::from),
            }));
        }
        Happening::LeftUndone { machine, undone } => {
            let fresh = |one: &MachineTuning| one.tuned.is_none();
            of(all, run, machine, fresh).left.push(undone_rows(undone));
        }
        Happening::MachineTuned { machine, settings, nofile, took_ms } => {
            let planned: Vec<&crate::plan::Tuning> = planned_for(run, machine).collect();
            let rows = settings.iter().map(|tuned| {
                let planned = planned.iter().flat_map(|tuning| &tuning.settings).find(|one| one.name == tuned.name);
                setting(tuned, planned.map(place))
            });
            let tuned = TunedRows {
                settings: rows.collect(),
                nofile: *nofile,
                nofile_asked: planned
                    .iter()
                    .filter_map(|tuning| tuning.nofile.map(|asked| (asked.want, asked.at_least)))
                    .reduce(|one, other| (one.0.max(other.0), one.1.max(other.1))),
                took_ms: *took_ms,
            };
            of(all, run, machine, |one| one.tuned.is_none()).tuned = Some(tuned);
        }
        Happening::TuningVerified { machine, settings, changed } => {
            let changed = changed.iter().map(|tuned| ChangeRow {
                name: Text::from(&tuned.name),
                from: Some(Text::from(&tuned.wanted)),
                to: tuned.after.as_ref().map(Text::from),
                ours: true,
            });
            let verified = Verified { settings: *settings, changed: changed.collect() };
            of(all, run, machine, |_| true).verified = Some(verified);
        }
        Happening::TuningUndone { machine, undone } => {
            of(all, run, machine, |_| true).undone = Some(undone_rows(undone));
        }
        Happening::MachineCompared { machine, compared, ours } => {
            let ours = |name: &str| ours.iter().any(|change| change.name == name);
            of(all, run, machine, |_| true).compared = Some(compared_rows(compared, ours));
        }
        Happening::DatabaseStarted { machine, profile, .. } if !profile.is_empty() => {
            let database = run.plan.database.as_ref();
            let cluster = database.and_then(|database| database.cluster.as_ref()).map(Text::from);
            let planned = database.and_then(|database| database.conf.as_ref());
            let rows = profile.iter().map(|tuned| {
                let planned = planned.and_then(|conf| conf.settings.iter().find(|one| one.name == tuned.name));
                setting(tuned, planned.map(|one| (one.from.as_str(), one.danger.as_deref())))
            });
            let settings = rows.collect();
            let title = match database.and_then(|database| database.cluster.as_ref()) {
                Some(cluster) => format!("PostgreSQL {cluster} on {machine}, the machine's own"),
                None => format!("PostgreSQL on {machine}"),
            };
            let (machine, title) = (Text::from(machine), Text::from(title));
            all.database.push(ClusterRows { machine, title, cluster, settings });
        }
        _ => {}
    }
}

/// The last story of a machine, if it may go on; else a new one.
fn of<'a>(
    all: &'a mut Tuning,
    run: &StoredRun,
    machine: &str,
    goes_on: impl FnOnce(&MachineTuning) -> bool,
) -> &'a mut MachineTuning {
    let name = Text::from(machine);
    let last = all.machines.iter().rposition(|one| one.machine == name);
    let place = match last.filter(|place| goes_on(&all.machines[*place])) {
        Some(place) => place,
        None => {
            all.machines.push(begun(run, machine));
            all.machines.len() - 1
        }
    };
    &mut all.machines[place]
}

fn begun(run: &StoredRun, machine: &str) -> MachineTuning {
    let mut profiles: Vec<&String> = Vec::new();
    let mut settings = BTreeSet::new();
    for tuning in planned_for(run, machine) {
        let fresh: Vec<&String> = tuning.profiles.iter().filter(|profile| !profiles.contains(profile)).collect();
        profiles.extend(fresh);
        settings.extend(tuning.settings.iter().map(|setting| &setting.name));
    }
    MachineTuning {
        machine: Text::from(machine),
        profiles: profiles.into_iter().map(Text::from).collect(),
        planned: settings.len(),
        ..MachineTuning::default()
    }
}

/// What is planned for a machine, under whichever of its names.
fn planned_for<'a>(run: &'a StoredRun, machine: &str) -> impl Iterator<Item = &'a crate::plan::Tuning> {
    run.plan.tuning.iter().filter(move |tuning| run.same_machine(machine, &tuning.machine))
}

fn place(setting: &TunedSetting) -> (&str, Option<&str>) {
    (&setting.from, setting.danger.as_deref())
}

fn setting(tuned: &Tuned, planned: Option<(&str, Option<&str>)>) -> SettingRow {
    SettingRow {
        name: Text::from(&tuned.name),
        before: tuned.before.as_ref().map(Text::from),
        asked: Text::from(&tuned.wanted),
        read_back: tuned.after.as_ref().map(Text::from),
        took: tuned.took,
        why: tuned.why.as_ref().map(Text::from),
        source: tuned.source.as_ref().map(Text::from),
        from: planned.map(|(from, _)| Text::from(from)),
        danger: planned.and_then(|(_, danger)| danger).map(Text::from),
    }
}

fn undone_rows(undone: &Undone) -> UndoneRows {
    UndoneRows {
        run: Text::from(&undone.run),
        entries: undone.entries.iter().map(put_back).collect(),
        took_ms: undone.took_ms,
    }
}

fn put_back(entry: &PutBack) -> PutBackRow {
    let (outcome, why) = match &entry.outcome {
        Outcome::Restored => ("restored", None),
        Outcome::AlreadySo => ("already-so", None),
        Outcome::LeftAlone => ("left-alone", None),
        Outcome::UndoneByBoot => ("undone-by-boot", None),
        Outcome::Failed { why } => ("failed", Some(Text::from(why))),
    };
    let value = |value: &Option<String>| value.as_ref().map(Text::from);
    PutBackRow { name: Text::from(&entry.name), found: value(&entry.found), before: value(&entry.before), outcome, why }
}

fn compared_rows(compared: &Compared, ours: impl Fn(&str) -> bool) -> ComparedRows {
    let differences = compared.differences.iter().map(|change| ChangeRow {
        name: Text::from(&change.name),
        from: change.from.as_ref().map(Text::from),
        to: change.to.as_ref().map(Text::from),
        ours: ours(&change.name),
    });
    ComparedRows { values: compared.values, differences: differences.collect() }
}
