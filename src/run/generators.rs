//! The generators of a load at work: one, or one on each of several machines, which begin together. Their output is kept
//! byte for byte as it comes.

use std::time::{Duration, Instant};

use futures_util::future::select_all;

use crate::command::{Exit, Output};
use crate::event::{Happening, Reason, paths};
use crate::host::{Link, LinkError, ProcessNotices};
use crate::metric::duration_us;
use crate::plan::Trial;
use crate::run::campaign::State;
use crate::run::emitter::millis;
use crate::run::error::{RunError, TrialError};
use crate::run::prepare;
use crate::run::ready::{Running, died};
use crate::tool::LoadRequest;
use crate::wire::{Notice, Reply, Request};

/// A generator gets this much longer than its load and its time limit for late answers.
const SLACK: Duration = Duration::from_secs(15);

/// After the user's wish to stop, this long to print what was measured so far.
const LAST_WORDS_MS: u64 = 2_000;

/// Time between two reports of progress.
const TICK: Duration = Duration::from_millis(250);

/// A part of a load that is over this long before its time has failed, and the others need not go on.
const EARLY: Duration = Duration::from_secs(1);

/// A load under way.
pub struct Work<'a> {
    /// Its name in the trial's raw outputs: `load`, `warm-up`.
    pub name: &'a str,
    /// When the first generator was started.
    pub begun: Instant,
    /// How long after that the load begins: several begin together.
    pub lead: Duration,
    /// How long it lasts.
    pub total: Duration,
    /// Those that were started.
    pub generators: Vec<Generator>,
}

/// A generator at work on one machine.
pub struct Generator {
    /// The machine.
    pub client: String,
    /// What was asked of it.
    pub request: LoadRequest,
    /// The machine's agent.
    pub link: Link,
    /// Its number there.
    pub process: u64,
    /// What it prints, and its end.
    pub notices: ProcessNotices,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// And what it said.
    pub stderr: Vec<u8>,
    /// How it ended, once it has.
    pub exit: Option<Exit>,
}

impl Generator {
    /// All that it printed, once it has ended.
    pub fn output(&self) -> Option<Output> {
        self.exit.map(|exit| Output { exit, stdout: self.stdout.clone(), stderr: self.stderr.clone() })
    }
}

/// The machine of a generator, where the load comes from several: one needs no name.
pub fn named(trial: &Trial, client: &str) -> Option<String> {
    (!trial.more_clients.is_empty()).then(|| client.to_owned())
}

/// Keeps what the generators print, until all end, the daemon dies, their time is up, or the user stops them.
pub async fn follow(
    state: &mut State<'_>,
    trial: &Trial,
    running: &mut [Running],
    work: &mut Work<'_>,
) -> Result<(), TrialError> {
    let late = Duration::from_secs_f64(trial.load.timeout_s.unwrap_or_default());
    let (begun, lead, limit) = (work.begun, work.lead, work.lead + work.total + late + SLACK);
    let total_ms = u64::try_from(work.total.as_millis()).unwrap_or(u64::MAX);
    let mut tick = tokio::time::interval(TICK);
    let stop = state.campaign.stop.clone();
    let others = links_beside(state, &work.generators);
    loop {
        tokio::select! {
            lost = any_lost(&others) => return Err(RunError::Link(lost).into()),
            (place, notice) = next_notice(&mut work.generators) => {
                take(state, trial, work, place, notice).await?;
                if work.generators.iter().all(|generator| generator.exit.is_some()) {
                    // A daemon that died in the last moment of the load is seen here.
                    return died(state, trial, running).await;
                }
            }
            _ = tick.tick() => {
                died(state, trial, running).await?;
                let elapsed = begun.elapsed().saturating_sub(lead);
                let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                state.emitter.emit(Happening::LoadProgress { trial: trial.id.clone(), elapsed_ms, total_ms })?;
            }
            () = tokio::time::sleep_until((begun + limit).into()) => return Err(too_slow(trial, limit - lead)),
            signal = stop.asked() => return Err(RunError::Interrupted(signal).into()),
        }
    }
}

/// The links to all agents that make no load.
fn links_beside(state: &State<'_>, generators: &[Generator]) -> Vec<Link> {
    let makes_load = |link: &Link| generators.iter().any(|generator| generator.link.is_same(link));
    let others = state.machines.values().filter(|machine| machine.host.is_some() && !makes_load(&machine.link));
    others.map(|machine| machine.link.clone()).collect()
}

/// Waits until one of these agents is lost: without the daemon's or the database's there is nothing to measure.
async fn any_lost(links: &[Link]) -> LinkError {
    if links.is_empty() {
        return std::future::pending().await;
    }
    select_all(links.iter().map(|link| Box::pin(link.lost()))).await.0
}

/// The next thing that one of them says, and which it is.
async fn next_notice(generators: &mut [Generator]) -> (usize, Option<Notice>) {
    let alive = generators.iter_mut().enumerate().filter(|(_, generator)| generator.exit.is_none());
    let next: Vec<_> =
        alive.map(|(place, generator)| Box::pin(async move { (place, generator.notices.recv().await) })).collect();
    if next.is_empty() {
        return std::future::pending().await;
    }
    select_all(next).await.0
}

async fn take(
    state: &mut State<'_>,
    trial: &Trial,
    work: &mut Work<'_>,
    place: usize,
    notice: Option<Notice>,
) -> Result<(), TrialError> {
    let (name, begun) = (work.name, work.begun);
    let generator = &mut work.generators[place];
    match notice {
        Some(Notice::Output { stderr, bytes, .. }) => {
            keep(state, trial, name, generator, stderr, &bytes)?;
            (if stderr { &mut generator.stderr } else { &mut generator.stdout }).extend_from_slice(&bytes);
        }
        Some(Notice::Exited { exit, .. }) => {
            generator.exit = Some(exit);
            if name == "load" {
                tell_end(state, trial, &generator.client, exit, begun)?;
            }
            return on_time(trial, work, place, exit);
        }
        Some(Notice::Progress { .. }) => {}
        None => return Err(RunError::Link(generator.link.lost().await).into()),
    }
    Ok(())
}

/// Of several generators none may end long before the others.
fn on_time(trial: &Trial, work: &Work<'_>, place: usize, exit: Exit) -> Result<(), TrialError> {
    let generator = &work.generators[place];
    let worked = work.begun.elapsed().saturating_sub(work.lead);
    let Some(client) = named(trial, &generator.client).filter(|_| worked + EARLY < work.total) else { return Ok(()) };
    let said = String::from_utf8_lossy(&generator.stderr);
    let words = |time: Duration| duration_us(time.as_secs_f64() * 1e6);
    Err(TrialError::Failed(Reason {
        code: "load-ended-early".to_owned(),
        message: format!(
            "{} on {client} ended with {exit} after {} of {}, so the load was not the one asked for",
            trial.load.tool,
            words(worked),
            words(work.total)
        ),
        detail: said.lines().filter(|line| !line.trim().is_empty()).take(5).map(str::to_owned).collect(),
        hint: Some(format!(
            "its raw output is kept in {}",
            raw(trial, work.name, &client_of(trial, generator), "stdout")
        )),
    }))
}

fn client_of(trial: &Trial, generator: &Generator) -> Option<String> {
    named(trial, &generator.client)
}

/// `trials/0001/raw/load.stdout`, and of several machines `load.loader.stdout`.
pub fn raw(trial: &Trial, name: &str, client: &Option<String>, stream: &str) -> String {
    let client = client.as_ref().map(|client| format!(".{client}")).unwrap_or_default();
    paths::raw(&trial.id, &format!("{name}{client}.{stream}"))
}

fn keep(
    state: &mut State<'_>,
    trial: &Trial,
    name: &str,
    generator: &Generator,
    stderr: bool,
    bytes: &[u8],
) -> std::io::Result<()> {
    let stream = if stderr { "stderr" } else { "stdout" };
    state.emitter.append(&raw(trial, name, &client_of(trial, generator), stream), bytes)
}

fn tell_end(state: &mut State<'_>, trial: &Trial, client: &str, exit: Exit, begun: Instant) -> std::io::Result<()> {
    let (id, client, took_ms) = (trial.id.clone(), named(trial, client), millis(begun));
    state.emitter.emit(Happening::LoadFinished { trial: id, exit, took_ms, client })
}

fn too_slow(trial: &Trial, limit: Duration) -> TrialError {
    TrialError::Failed(Reason {
        code: "load-too-slow".to_owned(),
        message: format!("{} did not end within {} s and was stopped", trial.load.tool, limit.as_secs()),
        detail: Vec::new(),
        hint: None,
    })
}

/// Ends whatever still works before its time, and keeps what it still had to say. Whatever goes wrong with one, the others
/// are ended too.
pub async fn end(state: &mut State<'_>, trial: &Trial, work: &mut Work<'_>) -> Result<(), TrialError> {
    let mut ended = Ok(());
    let (name, begun) = (work.name, work.begun);
    for generator in work.generators.iter_mut().filter(|generator| generator.exit.is_none()) {
        let one = end_one(state, trial, name, begun, generator).await;
        ended = ended.and(one);
    }
    ended
}

async fn end_one(
    state: &mut State<'_>,
    trial: &Trial,
    name: &str,
    begun: Instant,
    generator: &mut Generator,
) -> Result<(), TrialError> {
    let (process, kill_now) = (generator.process, state.campaign.stop.is_hurried());
    let reply = generator.link.ask(Request::Stop { process, grace_ms: LAST_WORDS_MS, kill_now }).await?;
    let Reply::Stopped { exit, still_alive, .. } = reply else {
        return Err(RunError::Link(generator.link.out_of_turn(&reply)).into());
    };
    let patience = Duration::from_millis(LAST_WORDS_MS);
    while let Ok(Some(notice)) = tokio::time::timeout(patience, generator.notices.recv()).await {
        match notice {
            Notice::Output { stderr, bytes, .. } => keep(state, trial, name, generator, stderr, &bytes)?,
            Notice::Exited { exit, .. } => {
                generator.exit = Some(exit);
                tell_end(state, trial, &generator.client, exit, begun)?;
                break;
            }
            Notice::Progress { .. } => {}
        }
    }
    Ok(prepare::gone(&generator.client, &trial.load.tool, exit.is_some(), &still_alive)?)
}
