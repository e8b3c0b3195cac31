//! A run that goes on: what was done before, and whether the machines are still what they were then. Figures of two kinds
//! of machine do not belong in one run.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, Happening, Moment, Outcome, Reason, Recorder, paths};
use crate::plan::{Plan, Trial};
use crate::run::campaign::{Campaign, State, Summary};
use crate::run::emitter::Emitter;
use crate::run::error::RunError;
use crate::run::prepare;
use crate::wire::Facts;

/// What was done and seen before a run was resumed.
#[derive(Debug, Default)]
pub struct Resumed {
    /// The trials that are not run again.
    pub finished: BTreeSet<String>,
    /// How many sessions the run had.
    pub sessions: u32,
    /// The number of its last event.
    pub sequence: u64,
    /// Milliseconds since its start.
    pub elapsed_ms: u64,
    /// What each machine was at the first contact.
    pub machines: BTreeMap<String, Facts>,
    /// What their events tell, by [`Resumed::with_events`].
    pub seen: Seen,
}

/// What the events tell of the sessions before.
#[derive(Debug, Default)]
pub struct Seen {
    /// Of the finished trials, those with figures.
    measured: usize,
    /// The last boot of each machine.
    boots: BTreeMap<String, String>,
    /// What was put into caches first: by name, its digest and versions.
    provisions: BTreeMap<String, (String, BTreeMap<String, String>)>,
    /// Whether every check of the network before the first trial was made.
    is_network_checked: bool,
}

impl Resumed {
    /// With what the events of the sessions before tell.
    pub fn with_events(self, plan: &Plan, events: &[Event]) -> Self {
        let mut seen = Seen::default();
        let mut checked = BTreeSet::new();
        for event in events {
            match &event.event {
                Happening::MachineConnected { machine, boot_id, .. } => {
                    seen.boots.insert(machine.clone(), boot_id.clone());
                }
                Happening::ProvisionFinished { name, digest, versions, .. } => {
                    seen.provisions.entry(name.clone()).or_insert_with(|| (digest.clone(), versions.clone()));
                }
                Happening::NetworkChecked { when: Moment::Before, client, server, tool, .. } => {
                    checked.insert((client, server, tool));
                }
                Happening::TrialFinished { trial, outcome: Outcome::Measured, .. } if self.finished.contains(trial) => {
                    seen.measured += 1;
                }
                _ => {}
            }
        }
        seen.is_network_checked = plan.network.iter().all(|check| {
            let ways = check.pairs.iter().flat_map(|pair| check.tools.iter().map(move |tool| (pair, tool)));
            ways.into_iter().all(|(pair, tool)| checked.contains(&(&pair.client, &pair.server, &tool.name)))
        });
        Self { seen, ..self }
    }
}

/// Numbers and times go on where they ended.
pub fn emitter<'a>(resumed: Option<&Resumed>, recorder: &'a mut dyn Recorder) -> Emitter<'a> {
    let (sequence, elapsed_ms) = resumed.map_or((0, 0), |resumed| (resumed.sequence, resumed.elapsed_ms));
    Emitter::after(recorder, sequence, elapsed_ms)
}

/// The count of trials at the beginning of a session.
pub fn summary(campaign: &Campaign<'_>) -> Summary {
    let (measured, finished) =
        campaign.resumed.map_or((0, 0), |resumed| (resumed.seen.measured, resumed.finished.len()));
    let not_run = campaign.plan.trials.len() - finished;
    Summary { measured, failed: finished - measured, not_run, error: None, left: Vec::new() }
}

/// The first event of a session.
pub fn beginning(campaign: &Campaign<'_>) -> Happening {
    let Campaign { plan, run, .. } = *campaign;
    let timetrial = env!("CARGO_PKG_VERSION").to_owned();
    let trials = plan.trials.len();
    match campaign.resumed.map(|resumed| resumed.finished.len()) {
        Some(finished) => Happening::CampaignResumed { timetrial, finished, left: trials - finished },
        None => Happening::CampaignStarted {
            run: run.to_owned(),
            scenario: plan.scenario.clone(),
            timetrial,
            trials,
            estimate_s: plan.estimate_s(),
        },
    }
}

/// Whether a trial is still to be run.
pub fn is_left(campaign: &Campaign<'_>, trial: &Trial) -> bool {
    campaign.resumed.is_none_or(|resumed| !resumed.finished.contains(&trial.id))
}

/// Whether the network was checked before the first trial.
pub fn network_is_checked(campaign: &Campaign<'_>) -> bool {
    campaign.resumed.is_some_and(|resumed| resumed.seen.is_network_checked)
}

/// Reads and keeps every machine's facts at the contact, and holds them against those of the first session.
pub async fn facts(state: &mut State<'_>) -> Result<Vec<(String, Facts)>, RunError> {
    let Some(resumed) = state.campaign.resumed else { return prepare::facts(state, "before").await };
    let when = moment(state.campaign);
    let mut all = Vec::new();
    let mut changes = Vec::new();
    for machine in &state.campaign.plan.machines {
        let name = &machine.name;
        let now = prepare::facts_of(state, name).await?;
        all.push((name.clone(), now.clone()));
        let Some(before) = resumed.machines.get(name) else {
            state.emitter.json(&paths::facts(name, "before"), &now)?;
            continue;
        };
        state.emitter.json(&paths::facts(name, &when), &now)?;
        changes.extend(differences(before, &now).into_iter().map(|change| format!("{name}: {change}")));
        tell_other_boot(state, resumed, name, before, &now)?;
    }
    same_or_refused(changes).map(|()| all)
}

/// What is read at the contact is kept under this word.
pub fn moment(campaign: &Campaign<'_>) -> String {
    campaign.resumed.map_or_else(|| "before".to_owned(), |resumed| format!("resumed-{}", resumed.sessions))
}

/// Another boot has other addresses of everything and other caches: worth knowing, and no reason to refuse.
fn tell_other_boot(
    state: &mut State<'_>,
    resumed: &Resumed,
    machine: &str,
    before: &Facts,
    now: &Facts,
) -> Result<(), RunError> {
    let Some(last) = resumed.seen.boots.get(machine).or(before.boot_id.as_ref()) else { return Ok(()) };
    let Some(boot) = now.boot_id.as_ref().filter(|boot| *boot != last) else { return Ok(()) };
    let message = format!(
        "{machine} was started anew before the run was resumed (boot {last}, now {boot}): trials before and after that \
         were measured in two boots"
    );
    Ok(state.emitter.emit(Happening::Warning { message })?)
}

/// Holds what was put into caches against what the first session had.
pub fn same_provisions(state: &State<'_>) -> Result<(), RunError> {
    let Some(resumed) = state.campaign.resumed else { return Ok(()) };
    let mut changes = Vec::new();
    for (name, (digest, versions)) in &resumed.seen.provisions {
        let Some(now) = state.digests.get(name).filter(|now| *now != digest) else { continue };
        let none = BTreeMap::new();
        let versions_now = state.versions.get(name).unwrap_or(&none);
        let names: BTreeSet<&String> = versions.keys().chain(versions_now.keys()).collect();
        let word = |versions: &BTreeMap<String, String>, name: &String| {
            versions.get(name).cloned().unwrap_or_else(|| "not there".to_owned())
        };
        let differ = names.into_iter().filter(|package| versions.get(*package) != versions_now.get(*package));
        let told: Vec<String> = differ
            .map(|package| format!("{package} was {}, and is {}", word(versions, package), word(versions_now, package)))
            .collect();
        let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join("; ")) };
        changes.push(format!("{name}: its contents were {digest}, and are {now}{told}"));
    }
    same_or_refused(changes)
}

fn same_or_refused(changes: Vec<String>) -> Result<(), RunError> {
    let Some(first) = changes.first() else { return Ok(()) };
    Err(RunError::NotFit(Reason {
        code: "machine-changed".to_owned(),
        message: format!(
            "the run can't go on, for what its first trials were measured with is another one now: {first}"
        ),
        detail: changes.iter().skip(1).cloned().collect(),
        hint: Some(
            "have it as it was and resume again, or begin a new run: figures of both would look comparable and not be"
                .to_owned(),
        ),
    }))
}

/// A kernel keeps a little more or less memory for itself at each boot.
const MEMORY_PERCENT: u64 = 1;

/// What a machine was and is no more, of what decides how fast it is.
fn differences(before: &Facts, now: &Facts) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut pairs = vec![
        ("kernel", text(&before.kernel), text(&now.kernel)),
        ("architecture", before.architecture.clone(), now.architecture.clone()),
        ("processor", text(&before.cpu_model), text(&now.cpu_model)),
        ("number of CPUs", before.cpus.to_string(), now.cpus.to_string()),
    ];
    let memory = |facts: &Facts| facts.memory_bytes.map_or("unknown".to_owned(), |bytes| format!("{bytes} bytes"));
    let is_close = match (before.memory_bytes, now.memory_bytes) {
        (Some(before), Some(now)) => before.abs_diff(now) <= before / 100 * MEMORY_PERCENT,
        (before, now) => before == now,
    };
    if !is_close {
        pairs.push(("memory", memory(before), memory(now)));
    }
    let differing = pairs.into_iter().filter(|(_, before, now)| before != now);
    differing.map(|(what, before, now)| format!("its {what} was {before}, and is {now}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Facts {
        Facts {
            kernel: Some("6.1.0".to_owned()),
            architecture: "x86_64".to_owned(),
            cpu_model: Some("a processor".to_owned()),
            cpus: 4,
            memory_bytes: Some(8_000_000_000),
            load_1m: Some(0.1),
            ..Facts::default()
        }
    }

    #[test]
    fn only_what_decides_how_fast_a_machine_is_tells_it_from_another() {
        let before = machine();
        let same = Facts { load_1m: Some(3.0), memory_bytes: Some(8_000_400_000), uptime_s: Some(5), ..machine() };
        assert_eq!(differences(&before, &same), Vec::<String>::new());
        let one = |now: Facts| differences(&before, &now).join("|");
        assert_eq!(one(Facts { kernel: None, ..machine() }), "its kernel was 6.1.0, and is unknown");
        assert_eq!(one(Facts { cpus: 2, ..machine() }), "its number of CPUs was 4, and is 2");
        assert_eq!(one(Facts { architecture: "aarch64".to_owned(), ..machine() }).matches("aarch64").count(), 1);
        assert_eq!(one(Facts { cpu_model: Some("other".to_owned()), ..machine() }).matches("processor").count(), 2);
        let less = Facts { memory_bytes: Some(7_000_000_000), ..machine() };
        assert_eq!(one(less), "its memory was 8000000000 bytes, and is 7000000000 bytes");
        assert_eq!(one(Facts { memory_bytes: None, ..machine() }), "its memory was 8000000000 bytes, and is unknown");
    }
}
