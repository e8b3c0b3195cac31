//! The load of a trial: the generator started, its output kept byte for byte as it comes, its figures read.

use std::time::{Duration, Instant};

use futures_util::future::select_all;

use crate::command::Output;
use crate::event::{Happening, Reason, paths};
use crate::host::{Link, LinkError, ProcessNotices};
use crate::plan::{Load, Trial};
use crate::run::campaign::{State, stop_if_asked};
use crate::run::emitter::millis;
use crate::run::error::{RunError, TrialError};
use crate::run::prepare;
use crate::run::ready::{Running, died};
use crate::tool::{self, LoadRequest, LoadTool};
use crate::wire::{Notice, Reply, Request, StartRequest, WorkFile};

/// A generator gets this much longer than its load and its time limit for late answers.
const SLACK: Duration = Duration::from_secs(15);

/// After the user's wish to stop, this long to print what was measured so far.
const LAST_WORDS_MS: u64 = 2_000;

/// Time between two reports of progress.
const TICK: Duration = Duration::from_millis(250);

/// The unmeasured load before. Its output is kept, for whoever wonders, and read by nobody.
pub async fn warm_up(
    state: &mut State<'_>,
    trial: &Trial,
    running: &mut [Running],
    seconds: f64,
) -> Result<(), TrialError> {
    let begun = Instant::now();
    generate(state, trial, running, seconds, "warm-up").await?;
    state.emitter.emit(Happening::WarmUpFinished { trial: trial.id.clone(), took_ms: millis(begun) })?;
    Ok(())
}

/// The measured load.
pub async fn measure(state: &mut State<'_>, trial: &Trial, running: &mut [Running]) -> Result<(), TrialError> {
    let output = generate(state, trial, running, trial.load.duration_s, "load").await?;
    let (tool, request) = (find(&trial.load)?, request(state, trial, trial.load.duration_s));
    let mut figures = tool.parse(&request, &output).map_err(|error| {
        TrialError::Failed(Reason {
            code: "unreadable-output".to_owned(),
            message: format!("no figures from {}: {error}", trial.load.tool),
            detail: Vec::new(),
            hint: Some(format!("the raw output is kept in {}", paths::raw(&trial.id, "load.stdout"))),
        })
    })?;
    if let Some(version) = package_version(state, trial, tool) {
        figures.tool = format!("{} {version}", trial.load.tool);
    }
    state.emitter.json(&paths::metrics(&trial.id), &figures)?;
    state.emitter.emit(Happening::TrialMeasured { trial: trial.id.clone(), figures: Box::new(figures) })?;
    Ok(())
}

fn package_version(state: &State<'_>, trial: &Trial, tool: &dyn LoadTool) -> Option<String> {
    state.versions.get(trial.load.provision.as_ref()?)?.get(tool.package()?).cloned()
}

fn find(load: &Load) -> Result<&'static dyn LoadTool, TrialError> {
    tool::find(&load.tool).ok_or_else(|| {
        TrialError::Failed(Reason {
            code: "unknown-tool".to_owned(),
            message: format!("this build knows no load generator `{}`", load.tool),
            detail: Vec::new(),
            hint: None,
        })
    })
}

fn request(state: &State<'_>, trial: &Trial, seconds: f64) -> LoadRequest {
    let daemon = state.campaign.plan.daemon(&trial.daemon);
    LoadRequest {
        url: trial.url(),
        threads: trial.load.threads,
        connections: trial.load.connections,
        duration: Duration::from_secs_f64(seconds),
        timeout: Duration::from_secs_f64(trial.load.timeout_s.unwrap_or_default()),
        rate: trial.load.rate.map(|rate| rate as f64),
        start_at_us: None,
        protocol: daemon.map_or_else(String::new, |daemon| daemon.protocol.clone()),
        streams: trial.load.streams.unwrap_or(1),
    }
}

/// One run of the generator, `name` in the trial's raw outputs.
async fn generate(
    state: &mut State<'_>,
    trial: &Trial,
    running: &mut [Running],
    seconds: f64,
    name: &str,
) -> Result<Output, TrialError> {
    // Nothing is started for a user who has asked to stop meanwhile.
    stop_if_asked(state)?;
    let client = state.link(&trial.client)?;
    let process = start(state, &client, trial, seconds, name).await?;
    let (notices, total) = (client.notices(process), Duration::from_secs_f64(seconds));
    let mut generator = Generator { process, name, begun: Instant::now(), total, notices };
    let followed = follow(state, trial, running, &client, &mut generator).await;
    if followed.is_err() {
        end(state, trial, &client, &mut generator).await?;
    }
    let output = followed?;
    if name == "load" {
        let (trial, took_ms) = (trial.id.clone(), millis(generator.begun));
        state.emitter.emit(Happening::LoadFinished { trial, exit: output.exit, took_ms })?;
    }
    Ok(output)
}

struct Generator<'a> {
    process: u64,
    name: &'a str,
    begun: Instant,
    total: Duration,
    notices: ProcessNotices,
}

async fn start(
    state: &mut State<'_>,
    client: &Link,
    trial: &Trial,
    seconds: f64,
    name: &str,
) -> Result<u64, TrialError> {
    let tool = find(&trial.load)?;
    let mut invocation = tool.invocation(&request(state, trial, seconds));
    let directory = format!("load/{}", trial.id);
    let files =
        invocation.files.into_iter().map(|file| WorkFile { path: file.name, bytes: file.contents.into_bytes() });
    client.ask(Request::PutFiles { directory: directory.clone(), files: files.collect() }).await?;
    let machine = state.campaign.plan.machines.iter().find(|machine| machine.name == trial.client);
    let binary = machine.and_then(|machine| machine.tools.get(&trial.load.tool));
    if let Some(binary) = binary {
        invocation.command.program.clone_from(binary);
    }
    let uses = trial.load.provision.iter().filter_map(|name| state.digests.get(name).cloned()).collect();
    let request = StartRequest {
        label: format!("{name} by {}", trial.load.tool),
        command: invocation.command,
        uses,
        directory: Some(directory),
        database: false,
        stream: true,
        own: tool.is_own() && binary.is_none(),
    };
    match client.ask(Request::Start(request)).await? {
        Reply::Started { process, pid, command, .. } => {
            if name == "load" {
                state.emitter.emit(Happening::LoadStarted { trial: trial.id.clone(), pid, command })?;
            }
            Ok(process)
        }
        other => Err(RunError::Link(client.out_of_turn(&other)).into()),
    }
}

/// Keeps what the generator prints, until it ends, its daemon dies, its time is up, or the user stops it.
async fn follow(
    state: &mut State<'_>,
    trial: &Trial,
    running: &mut [Running],
    client: &Link,
    generator: &mut Generator<'_>,
) -> Result<Output, TrialError> {
    let limit = generator.total + Duration::from_secs_f64(trial.load.timeout_s.unwrap_or_default()) + SLACK;
    let mut tick = tokio::time::interval(TICK);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let stop = state.campaign.stop.clone();
    let others = state.links_beside(client);
    loop {
        tokio::select! {
            lost = any_lost(&others) => return Err(RunError::Link(lost).into()),
            notice = generator.notices.recv() => match notice {
                Some(Notice::Output { stderr: is_stderr, bytes, .. }) => {
                    keep(state, trial, generator.name, is_stderr, &bytes)?;
                    (if is_stderr { &mut stderr } else { &mut stdout }).extend_from_slice(&bytes);
                }
                Some(Notice::Exited { exit, .. }) => return finished(state, trial, running, Output { exit, stdout, stderr }).await,
                Some(Notice::Progress { .. }) => {}
                None => return Err(RunError::Link(client.lost().await).into()),
            },
            _ = tick.tick() => {
                died(state, trial, running).await?;
                let elapsed_ms = millis(generator.begun);
                let total_ms = u64::try_from(generator.total.as_millis()).unwrap_or(u64::MAX);
                state.emitter.emit(Happening::LoadProgress { trial: trial.id.clone(), elapsed_ms, total_ms })?;
            }
            () = tokio::time::sleep_until((generator.begun + limit).into()) => return Err(too_slow(trial, limit)),
            signal = stop.asked() => return Err(RunError::Interrupted(signal).into()),
        }
    }
}

/// Waits until one of these agents is lost: without the daemon's or the database's there is nothing to measure.
async fn any_lost(links: &[Link]) -> LinkError {
    if links.is_empty() {
        return std::future::pending().await;
    }
    select_all(links.iter().map(|link| Box::pin(link.lost()))).await.0
}

/// A daemon that died in the last moment of the load is seen here.
async fn finished(
    state: &mut State<'_>,
    trial: &Trial,
    running: &mut [Running],
    output: Output,
) -> Result<Output, TrialError> {
    died(state, trial, running).await?;
    Ok(output)
}

fn keep(state: &mut State<'_>, trial: &Trial, name: &str, stderr: bool, bytes: &[u8]) -> std::io::Result<()> {
    let stream = if stderr { "stderr" } else { "stdout" };
    state.emitter.append(&paths::raw(&trial.id, &format!("{name}.{stream}")), bytes)
}

fn too_slow(trial: &Trial, limit: Duration) -> TrialError {
    TrialError::Failed(Reason {
        code: "load-too-slow".to_owned(),
        message: format!("{} did not end within {} s and was stopped", trial.load.tool, limit.as_secs()),
        detail: Vec::new(),
        hint: None,
    })
}

/// Ends a generator before its time, and keeps what it still had to say.
async fn end(
    state: &mut State<'_>,
    trial: &Trial,
    client: &Link,
    generator: &mut Generator<'_>,
) -> Result<(), TrialError> {
    let request = Request::Stop {
        process: generator.process,
        grace_ms: LAST_WORDS_MS,
        kill_now: state.campaign.stop.is_hurried(),
    };
    let reply = client.ask(request).await?;
    let Reply::Stopped { exit, still_alive, .. } = reply else {
        return Err(RunError::Link(client.out_of_turn(&reply)).into());
    };
    let patience = Duration::from_millis(LAST_WORDS_MS);
    while let Ok(Some(notice)) = tokio::time::timeout(patience, generator.notices.recv()).await {
        match notice {
            Notice::Output { stderr, bytes, .. } => keep(state, trial, generator.name, stderr, &bytes)?,
            Notice::Exited { exit, .. } => {
                let (trial, took_ms) = (trial.id.clone(), millis(generator.begun));
                state.emitter.emit(Happening::LoadFinished { trial, exit, took_ms })?;
                break;
            }
            Notice::Progress { .. } => {}
        }
    }
    Ok(prepare::gone(&trial.client, &trial.load.tool, exit.is_some(), &still_alive)?)
}
