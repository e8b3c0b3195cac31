//! How long everything took, from the events.

use std::collections::BTreeMap;

use crate::event::{Happening, Moment, Outcome};
use crate::metric::counted;
use crate::report::escape::Text;
use crate::report::model::types::{Step, TrialTimes};
use crate::store::StoredRun;

/// The times of each trial, by its id.
pub fn trials(run: &StoredRun) -> BTreeMap<String, TrialTimes> {
    let mut all: BTreeMap<String, TrialTimes> = BTreeMap::new();
    for event in run.lasting_events() {
        if let Some(trial) = trial_of(&event.event) {
            note(all.entry(trial.to_owned()).or_default(), &event.event, event.elapsed_ms);
        }
    }
    all
}

/// The trial whose time an event tells.
fn trial_of(happening: &Happening) -> Option<&str> {
    match happening {
        Happening::TrialStarted { trial, .. }
        | Happening::DaemonStarted { trial, .. }
        | Happening::DaemonReady { trial, .. }
        | Happening::DaemonCalm { trial, .. }
        | Happening::WarmUpFinished { trial, .. }
        | Happening::LoadFinished { trial, .. }
        | Happening::DaemonStopped { trial, .. }
        | Happening::TrialFinished { trial, .. } => Some(trial),
        _ => None,
    }
}

fn note(times: &mut TrialTimes, happening: &Happening, at_ms: u64) {
    match *happening {
        Happening::TrialStarted { .. } => (times.at_ms, times.load_ms) = (Some(at_ms), None),
        Happening::DaemonStarted { pid, start_ticks, .. } => times.started.push((pid, start_ticks)),
        Happening::DaemonReady { took_ms, .. } => times.ready_ms = Some(took_ms),
        Happening::DaemonCalm { took_ms, .. } => times.calm_ms = Some(took_ms),
        Happening::WarmUpFinished { took_ms, .. } => times.warm_up_ms = Some(took_ms),
        // Of several machines the last one counts.
        Happening::LoadFinished { took_ms, .. } => times.load_ms = times.load_ms.max(Some(took_ms)),
        // Processes are stopped one after the other.
        Happening::DaemonStopped { took_ms, .. } => {
            times.stop_ms = Some(times.stop_ms.unwrap_or(0).saturating_add(took_ms));
        }
        Happening::TrialFinished { took_ms, .. } => times.whole_ms = Some(took_ms),
        _ => {}
    }
}

/// The campaign's steps; each trial is one.
pub fn steps(run: &StoredRun) -> Vec<Step> {
    let step = |(at_ms, (what, took_ms))| Step { at_ms, what: Text::from(what), took_ms };
    run.events.iter().filter_map(|event| Some((event.elapsed_ms, words(run, &event.event)?))).map(step).collect()
}

fn words(run: &StoredRun, happening: &Happening) -> Option<(String, Option<u64>)> {
    Some(match happening {
        Happening::MachineConnected { machine, transport, agent_pid, agent_version, swept, .. } => {
            let swept =
                if swept.is_empty() { String::new() } else { format!("; removed from before: {}", swept.join(", ")) };
            (format!("agent {agent_version} answers on {machine} ({transport}, pid {agent_pid}){swept}"), None)
        }
        Happening::MachineShared { machine, other } => {
            (format!("{machine} is the same machine as {other}: they share its agent"), None)
        }
        Happening::MachineTuned { machine, settings, took_ms, .. } => {
            let took = settings.iter().filter(|tuned| tuned.took).count();
            (format!("{machine} tuned: {took} of {} settings took, read back", settings.len()), Some(*took_ms))
        }
        Happening::TuningVerified { machine, settings, changed } => {
            (format!("{machine}: {} of {settings} settings still as they were set", settings - changed.len()), None)
        }
        Happening::TuningUndone { machine, undone } => {
            (format!("{machine} put back: {} settings", undone.entries.len()), Some(undone.took_ms))
        }
        Happening::MachineCompared { machine, compared, .. } => {
            let differ = compared.differences.len();
            (
                format!("{machine} held against what it was found as: {differ} of {} values differ", compared.values),
                None,
            )
        }
        Happening::CampaignResumed { finished, left, .. } => {
            (format!("the run was resumed: {} finished before, {left} left", counted(*finished, "trial")), None)
        }
        Happening::ProvisionFinished { machine, name, reused, took_ms, .. } => {
            let how = if *reused { "reused" } else { "made" };
            (format!("{name} on {machine}: {how}"), Some(*took_ms))
        }
        Happening::DatabaseStarted { machine, version, took_ms, .. } => {
            (format!("PostgreSQL {version} on {machine}: started and filled"), Some(*took_ms))
        }
        Happening::NetworkChecked { when, client, server, tool, took_ms, .. } => {
            let moment = match when {
                Moment::Before => "before the first trial",
                Moment::After => "after the last trial",
            };
            (format!("network {client} - {server} by {tool}, {moment}: checked"), Some(*took_ms))
        }
        Happening::TrialFinished { trial, outcome, took_ms } => {
            (format!("trial {}: {}", trial_words(run, trial), outcome_words(outcome)), Some(*took_ms))
        }
        Happening::DatabaseStopped { machine, cluster: Some(cluster), took_ms, .. } => {
            (format!("PostgreSQL {cluster} on {machine}: left to itself"), Some(*took_ms))
        }
        Happening::DatabaseStopped { machine, exit, took_ms, .. } => {
            let exit = exit.map_or_else(|| "how it ended is not known".to_owned(), |exit| exit.to_string());
            (format!("PostgreSQL on {machine}: stopped ({exit})"), Some(*took_ms))
        }
        Happening::MachineReleased { machine, stopped, removed_work_dir } => {
            let left = if *removed_work_dir { "nothing left behind" } else { "its work directory is still there" };
            let stopped = if stopped.is_empty() { String::new() } else { format!("; stopped {}", stopped.join(", ")) };
            (format!("agent left {machine}: {left}{stopped}"), None)
        }
        Happening::Interrupted { signal } => (format!("the user asked to stop ({signal})"), None),
        Happening::Warning { message } => (format!("warning: {message}"), None),
        Happening::CampaignFinished { outcome, measured, failed, not_run } => {
            let numbers = format!("{measured} measured, {failed} failed, {not_run} not run");
            (format!("campaign {}: {numbers}", outcome_words(outcome)), None)
        }
        _ => return None,
    })
}

fn trial_words(run: &StoredRun, id: &str) -> String {
    let trial = run.plan.trials.iter().find(|trial| trial.id == id);
    trial.map_or_else(|| id.to_owned(), |trial| format!("{id}, {} {}", trial.daemon, trial.endpoint))
}

fn outcome_words(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Measured => "measured",
        Outcome::Failed { .. } => "failed",
        Outcome::Interrupted => "interrupted",
    }
}
