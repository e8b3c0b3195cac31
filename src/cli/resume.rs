//! `resume`: goes on with a run that was cut off or stopped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::cli::arguments::{Format, ResumeArguments};
use crate::cli::campaign::{Ready, controller};
use crate::cli::connect::Connector;
use crate::cli::error::Problem;
use crate::cli::main::print;
use crate::cli::{exit, files, stored};
use crate::diagnostic::{Diagnostics, printable};
use crate::event::Outcome;
use crate::inventory::read_inventory;
use crate::metric::counted;
use crate::plan::Plan;
use crate::run::Resumed;
use crate::store::{self, Resumption, RunState};

/// `resume`
pub fn resume(arguments: &ResumeArguments, format: Format) -> Result<u8, Problem> {
    let directory = store::locate(&arguments.run.store.directory, &arguments.run.run)?;
    let resumption = Resumption::of(&directory)?;
    if resumption.is_over() {
        return nothing_to_do(resumption, format);
    }
    let (hosts, run) = (hosts(arguments, &resumption)?, resumption.id.clone());
    let (plan, inputs) = (resumption.run.plan.clone(), resumption.inputs.clone());
    still_allowed(&plan, &hosts, format)?;
    let connector = Connector::again(&hosts, &run, &inputs);
    let ready = Ready::new(&plan, &run, &inputs, &connector, arguments.yes, format)?;
    found(&resumption).iter().for_each(|line| ready.display.borrow().say(&printable(line)));
    // A run that was cut off before its first event has touched nothing: it begins.
    let resumed = resumption.has_begun().then(|| resumed(&resumption));
    let writer = resumption.begin(&controller(&hosts, &ready.owner)).map_err(unwritten)?;
    ready.carry_out(writer, resumed.as_ref())
}

fn unwritten(error: std::io::Error) -> Problem {
    Problem::new(exit::WRONG_INPUT, anyhow::Error::new(error).context("can't write the run's directory"))
        .hint("it must be writable for whoever resumes the run, and its disk not full")
}

/// The inventory: its folder counts, and which machines it still lets be tuned.
fn hosts(arguments: &ResumeArguments, resumption: &Resumption) -> Result<PathBuf, Problem> {
    let recorded = || resumption.controller.as_ref().map(|controller| PathBuf::from(&controller.hosts));
    let hosts = arguments.hosts.clone().or_else(recorded).ok_or_else(|| {
        let error = anyhow::anyhow!("run {} does not tell where its inventory was", resumption.id);
        Problem::new(exit::WRONG_INPUT, error)
            .hint("--hosts FILE says it: its folder counts, and which machines it lets be tuned")
    })?;
    let hosts = std::path::absolute(&hosts).unwrap_or(hosts);
    match hosts.parent().map(std::fs::read_dir) {
        Some(Err(error)) => {
            let what = format!("can't read the folder of the inventory {}", hosts.display());
            Err(Problem::new(exit::WRONG_INPUT, anyhow::Error::new(error).context(what))
                .hint("--hosts FILE says where it is now; keys and certificates are looked for from there"))
        }
        _ => Ok(hosts),
    }
}

/// Whether the machines may still be tuned: the plan is the recorded one, but whose machine it is has the last word now.
/// An inventory that is not there any more says nothing.
fn still_allowed(plan: &Plan, hosts: &Path, format: Format) -> Result<(), Problem> {
    let tuned = plan.tuning.iter().filter(|tuning| !tuning.settings.is_empty()).map(|tuning| &tuning.machine);
    let own = plan.database.iter().filter(|database| database.cluster.is_some()).map(|database| &database.machine);
    let names: BTreeSet<&String> = tuned.chain(own).collect();
    if names.is_empty() || !hosts.is_file() {
        return Ok(());
    }
    let mut diagnostics = Diagnostics::new();
    let inventory = read_inventory(hosts, &mut diagnostics);
    let Some(inventory) = inventory.filter(|_| !diagnostics.has_errors()) else {
        // Nobody can say what it allows.
        files::show(&diagnostics, format)?;
        return Err(Problem::told(exit::WRONG_INPUT));
    };
    let refused = inventory.machines.iter().find(|machine| names.contains(&machine.name.value) && !machine.may_tune);
    let Some(machine) = refused.map(|machine| &machine.name.value) else { return Ok(()) };
    let what = anyhow::anyhow!("the scenario tunes machine `{machine}`, and the inventory does not allow it any more");
    Err(Problem::new(exit::WRONG_INPUT, what).hint(format!(
        "add the line `may_tune = true` under [machine.{machine}] in {}: its settings are then changed for the campaign, and \
         put back after it",
        hosts.display()
    )))
}

fn resumed(resumption: &Resumption) -> Resumed {
    let run = &resumption.run;
    let before = |(machine, facts): (&String, &std::collections::BTreeMap<String, _>)| {
        Some((machine.clone(), facts.get("before").cloned()?))
    };
    let resumed = Resumed {
        finished: resumption.finished.clone(),
        sessions: resumption.sessions,
        sequence: resumption.sequence(),
        elapsed_ms: resumption.elapsed_ms(Timestamp::now()),
        machines: run.facts.iter().filter_map(before).collect(),
        ..Resumed::default()
    };
    resumed.with_events(&run.plan, &run.events)
}

/// What was found, in lines.
fn found(resumption: &Resumption) -> Vec<String> {
    let (run, finished) = (&resumption.run, resumption.finished.len());
    let how = match &run.state {
        RunState::Incomplete if !resumption.has_begun() => "was cut off before it began".to_owned(),
        RunState::Incomplete => "was cut off".to_owned(),
        RunState::Complete(Outcome::Interrupted) => "was stopped by the user".to_owned(),
        RunState::Complete(Outcome::Failed { reason }) => format!("failed: {}", reason.message),
        RunState::Complete(Outcome::Measured) => "ended by itself".to_owned(),
    };
    let all = counted(run.plan.trials.len(), "trial");
    let mut lines = vec![format!("run {} {how}; {finished} of {all} finished", resumption.id)];
    let again = run.trials.iter().filter(|stored| !resumption.finished.contains(&stored.trial.id));
    lines.extend(again.map(|stored| {
        let trial = &stored.trial;
        format!(
            "  trial {} ({} {}) was begun and is run again; what it left is kept",
            trial.id, trial.daemon, trial.endpoint
        )
    }));
    if resumption.half > 0 {
        let bytes = counted(resumption.half, "byte");
        lines.push(format!("  half an event, {bytes}, stood at the end of its events, and is kept beside them"));
    }
    lines
}

/// It ended by itself; at most its manifest is missing.
fn nothing_to_do(resumption: Resumption, format: Format) -> Result<u8, Problem> {
    let (id, trials, sealed) = (resumption.id.clone(), resumption.run.plan.trials.len(), resumption.is_sealed());
    let directory = resumption.run.directory.clone();
    if !sealed {
        resumption.seal().map_err(unwritten)?;
        stored::after_run(&directory, format)?;
    }
    let manifest = if sealed { "" } else { " but to write its manifest, which was missing" };
    print(&match format {
        Format::Human => {
            format!("run {id}: all of its {} ran to the end: nothing to do{manifest}\n", counted(trials, "trial"))
        }
        Format::Json => serde_json::json!({"run": id, "state": "complete", "left": 0}).to_string() + "\n",
    })?;
    Ok(exit::FINE)
}
