//! One trial: a fresh daemon, one load, and the proof that nothing of it is left.

use std::time::{Duration, Instant};

use crate::event::{Happening, Outcome, Reason, paths};
use crate::host::{Link, LinkError};
use crate::plan::{Daemon, Trial};
use crate::run::campaign::{State, ask};
use crate::run::emitter::millis;
use crate::run::error::{RunError, TrialError};
use crate::run::ready::{Running, await_calm, await_ready, judge, pause, probe, reached_by_others};
use crate::run::{StopSignal, load, prepare};
use crate::wire::{Answer, Reply, Request, StartRequest};

/// Runs a trial. Whatever becomes of it, its daemon is gone afterwards, and how it ended is recorded.
pub async fn run(state: &mut State<'_>, trial: &Trial) -> Result<(), TrialError> {
    let begun = Instant::now();
    state.emitter.emit(Happening::TrialStarted {
        trial: trial.id.clone(),
        daemon: trial.daemon.clone(),
        endpoint: trial.endpoint.clone(),
        round: trial.round.clone(),
        repeat: trial.repeat,
        load_s: trial.load.duration_s,
        left_s: state.campaign.plan.trials.iter().skip_while(|other| other.id != trial.id).map(Trial::estimate_s).sum(),
    })?;
    state.emitter.json(&paths::trial(&trial.id), trial)?;
    let mut running = Vec::new();
    let result = measure(state, trial, &mut running).await;
    let cleaned = clean_up(state, trial, running).await;
    // A failed clean-up ends the campaign, whatever the trial was; of two ends the trial's own is the better story.
    let result = match (result, cleaned) {
        (Err(TrialError::Fatal(error)), _) | (_, Err(error)) => Err(TrialError::Fatal(error)),
        (result, Ok(())) => result,
    };
    let outcome = match &result {
        Ok(()) => Outcome::Measured,
        Err(TrialError::Failed(reason)) => Outcome::Failed { reason: reason.clone() },
        Err(TrialError::Fatal(RunError::Interrupted(_))) => Outcome::Interrupted,
        Err(TrialError::Fatal(error)) => Outcome::Failed { reason: error.reason() },
    };
    state.emitter.emit(Happening::TrialFinished { trial: trial.id.clone(), outcome, took_ms: millis(begun) })?;
    result
}

async fn measure(state: &mut State<'_>, trial: &Trial, running: &mut Vec<Running>) -> Result<(), TrialError> {
    let taken = prepare::listeners(state, &trial.server, trial.port).await?;
    if let Some(reason) = prepare::port_taken(&taken, &trial.server, trial.port, &trial.daemon) {
        return Err(TrialError::Failed(reason));
    }
    start(state, trial, running).await?;
    await_ready(state, trial, running).await?;
    reached_by_others(state, trial).await?;
    await_calm(state, trial, running).await?;
    if let Some(seconds) = trial.load.warm_up_s {
        load::warm_up(state, trial, running, seconds).await?;
    }
    load::measure(state, trial, running).await?;
    check_document(state, trial).await
}

async fn start(state: &mut State<'_>, trial: &Trial, running: &mut Vec<Running>) -> Result<(), TrialError> {
    let server = state.link(&trial.server)?;
    let Some(daemon) = state.campaign.plan.daemon(&trial.daemon) else { return Ok(()) };
    for (index, process) in daemon.processes.iter().enumerate() {
        let request = start_request(state, daemon, index);
        let Reply::Started { process: number, pid, start_ticks, command } =
            ask(state, &server, Request::Start(request)).await.map_err(as_trial_error)?
        else {
            return Err(RunError::Link(server.out_of_turn(&Reply::Done)).into());
        };
        let notices = server.notices(number);
        let helpers = process.helpers.clone();
        running.push(Running { process: number, pid, notices, workers: process.workers, helpers, ended: false });
        let trial = trial.id.clone();
        state.emitter.emit(Happening::DaemonStarted { trial, process: index + 1, pid, start_ticks, command })?;
    }
    Ok(())
}

/// What the agent refuses for one daemon (a program that is not there) is that trial's failure.
pub(in crate::run) fn as_trial_error(error: RunError) -> TrialError {
    match error {
        RunError::Link(error) => error.into(),
        other => other.into(),
    }
}

fn start_request(state: &State<'_>, daemon: &Daemon, index: usize) -> StartRequest {
    let digest = |name: &String| state.digests.get(name).cloned();
    StartRequest {
        label: format!("daemon {} of {}", index + 1, daemon.name),
        command: daemon.processes[index].command.clone(),
        uses: daemon.provisions.iter().filter_map(digest).collect(),
        directory: Some(prepare::source_directory(&daemon.name)),
        // A daemon may open its pool at its start, so it is given the database for `/index` as well.
        database: state.database.is_some(),
        stream: false,
        own: false,
    }
}

/// The right document before the load may be a wrong one after it: a pool that ran dry answers 500 for ever. A daemon
/// that still works off what the load has left behind gets the time to: late is not wrong.
async fn check_document(state: &mut State<'_>, trial: &Trial) -> Result<(), TrialError> {
    let limit = Duration::from_secs_f64(state.campaign.plan.wait.calm_s);
    let begun = Instant::now();
    let wrong = loop {
        match probe(state, trial).await? {
            Answer::Nothing { why } if begun.elapsed() > limit => break Some(why),
            Answer::Nothing { .. } => pause(state).await?,
            Answer::Http { status: 200, body, .. } => break differs(state, trial, &body),
            Answer::OtherProtocol { spoken } => break Some(format!("an answer in {spoken}")),
            Answer::Http { status, .. } => break Some(format!("status {status}")),
        }
    };
    state.emitter.emit(Happening::DocumentChecked {
        trial: trial.id.clone(),
        right: wrong.is_none(),
        detail: wrong,
    })?;
    Ok(())
}

fn differs(state: &State<'_>, trial: &Trial, body: &[u8]) -> Option<String> {
    let expected = state.campaign.plan.documents.get(&trial.document)?;
    judge(expected, body).err().map(|lines| lines.join("; "))
}

/// Ends the daemon, keeps its last messages, and proves that the port is free. An agent that can't stop a process of it
/// leaves it beside the next daemon, so the campaign ends there; its messages are worth less than that.
async fn clean_up(state: &mut State<'_>, trial: &Trial, running: Vec<Running>) -> Result<(), RunError> {
    let server = state.link(&trial.server)?;
    let grace_ms = (state.campaign.plan.wait.stop_s * 1e3) as u64;
    for (index, one) in running.iter().enumerate().rev() {
        let reply = stop(&state.campaign.stop, &server, one.process, grace_ms).await?;
        let Reply::Stopped { exit, killed, leftovers, still_alive, took_ms } = reply else {
            return Err(RunError::Link(server.out_of_turn(&reply)));
        };
        if !state.campaign.stop.is_hurried() {
            keep_log(state, trial, index, one.process).await?;
        }
        let (id, process) = (trial.id.clone(), index + 1);
        state.emitter.emit(Happening::DaemonStopped { trial: id, process, exit, took_ms, killed, leftovers })?;
        prepare::gone(&trial.server, &trial.daemon, exit.is_some(), &still_alive)?;
    }
    if running.is_empty() { Ok(()) } else { prove_port_free(state, trial).await }
}

/// Stops a process politely, or at once from the moment that the user is in a hurry.
async fn stop(signal: &StopSignal, server: &Link, process: u64, grace_ms: u64) -> Result<Reply, LinkError> {
    let request = |kill_now| Request::Stop { process, grace_ms, kill_now };
    let polite = server.ask(request(signal.is_hurried()));
    tokio::pin!(polite);
    tokio::select! {
        reply = &mut polite => return reply,
        () = signal.hurried() => {}
    }
    let killed = server.ask(request(true)).await;
    polite.await.and(killed)
}

async fn keep_log(state: &mut State<'_>, trial: &Trial, index: usize, process: u64) -> Result<(), RunError> {
    let server = state.link(&trial.server)?;
    let (stdout, stderr) = match server.ask(Request::LogTail { process, bytes: u64::MAX }).await {
        Ok(Reply::Log { stdout, stderr }) => (stdout, stderr),
        Ok(other) => return Err(RunError::Link(server.out_of_turn(&other))),
        Err(LinkError::Refused { failure, .. }) => {
            let message = format!("the log of {} could not be kept: {failure}", trial.daemon);
            return Ok(state.emitter.emit(Happening::Warning { message })?);
        }
        Err(lost) => return Err(lost.into()),
    };
    for (stream, bytes) in [("stdout", stdout), ("stderr", stderr)] {
        if !bytes.is_empty() {
            state.emitter.file(&paths::raw(&trial.id, &format!("daemon-{}.{stream}", index + 1)), &bytes)?;
        }
    }
    Ok(())
}

/// Every process is gone when this is asked, so the port is free at once, or somebody else has it.
const PORT_LIMIT: Duration = Duration::from_secs(5);

async fn prove_port_free(state: &mut State<'_>, trial: &Trial) -> Result<(), RunError> {
    let begun = Instant::now();
    loop {
        let left = prepare::listeners(state, &trial.server, trial.port).await?;
        let Some(first) = left.first() else {
            let (trial, port) = (trial.id.clone(), trial.port);
            state.emitter.emit(Happening::PortFree { trial, port, took_ms: millis(begun) })?;
            return Ok(());
        };
        if begun.elapsed() > PORT_LIMIT {
            return Err(RunError::Broken(Reason {
                code: "port-not-free".to_owned(),
                message: format!(
                    "{}: port {} is still taken after {} was stopped, by {first}",
                    trial.server, trial.port, trial.daemon
                ),
                detail: left.iter().map(ToString::to_string).collect(),
                hint: Some(
                    "the next daemon would be measured together with this one, so the campaign ends here".to_owned(),
                ),
            }));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
