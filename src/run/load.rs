//! The load of a trial: the generator started on each machine that the load comes from, and the figures read.

use std::time::{Duration, Instant};

use crate::event::{Happening, Reason, paths};
use crate::host::Link;
use crate::metric::LoadFigures;
use crate::plan::{Load, Share, Trial};
use crate::run::campaign::{State, stop_if_asked};
use crate::run::clocks::{self, Beginning};
use crate::run::emitter::millis;
use crate::run::error::{RunError, TrialError};
use crate::run::generators::{self, Generator, Work, named};
use crate::run::ready::Running;
use crate::tool::{self, LoadRequest, LoadTool, ParseError, Shared};
use crate::wire::{Reply, Request, StartRequest, WorkFile};

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
    let made = generate(state, trial, running, trial.load.duration_s, "load").await?;
    let tool = find(&trial.load)?;
    let mut figures = figures(state, trial, tool, &made).map_err(|error| {
        let kept = if trial.more_clients.is_empty() { "load.stdout" } else { "load.*.stdout" };
        let kept = paths::raw(&trial.id, kept);
        TrialError::Failed(Reason {
            code: "unreadable-output".to_owned(),
            message: format!("no figures from {}: {error}", trial.load.tool),
            detail: Vec::new(),
            hint: Some(format!("the raw output is kept in {kept}")),
        })
    })?;
    if let Some(version) = package_version(state, trial, tool) {
        figures.tool = format!("{} {version}", trial.load.tool);
    }
    state.emitter.json(&paths::metrics(&trial.id), &figures)?;
    state.emitter.emit(Happening::TrialMeasured { trial: trial.id.clone(), figures: Box::new(figures) })?;
    Ok(())
}

/// What came of a load.
struct Made {
    generators: Vec<Generator>,
    beginning: Option<Beginning>,
}

/// The figures of one generator, or of all together.
fn figures(state: &State<'_>, trial: &Trial, tool: &dyn LoadTool, made: &Made) -> Result<LoadFigures, ParseError> {
    let outputs: Vec<_> = made.generators.iter().filter_map(Generator::output).collect();
    if let ([only], [output], true) = (&made.generators[..], &outputs[..], trial.more_clients.is_empty()) {
        return tool.parse(&only.request, output);
    }
    let ahead = |client: &str| made.beginning.as_ref().map_or(0, |beginning| beginning.ahead_us(client));
    let shared: Vec<Shared<'_>> = made
        .generators
        .iter()
        .zip(&outputs)
        .map(|(one, output)| Shared {
            client: &one.client,
            request: &one.request,
            output,
            clock_ahead_us: ahead(&one.client),
        })
        .collect();
    let (connections, rate) = (trial.load.connections, trial.load.rate.map(|rate| rate as f64));
    let whole = Share { client: &trial.client, connections, rate };
    tool.parse_shares(&request(state, trial, &whole, None, trial.load.duration_s), &shared)
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

fn request(
    state: &State<'_>,
    trial: &Trial,
    share: &Share<'_>,
    beginning: Option<&Beginning>,
    seconds: f64,
) -> LoadRequest {
    let daemon = state.campaign.plan.daemon(&trial.daemon);
    LoadRequest {
        url: trial.url(),
        threads: trial.load.threads,
        connections: share.connections,
        duration: Duration::from_secs_f64(seconds),
        timeout: Duration::from_secs_f64(trial.load.timeout_s.unwrap_or_default()),
        rate: share.rate,
        start_at_us: beginning.map(|beginning| beginning.by_clock_of(share.client)),
        protocol: daemon.map_or_else(String::new, |daemon| daemon.protocol.clone()),
        streams: trial.load.streams.unwrap_or(1),
    }
}

/// One run of the generators, `name` in the trial's raw outputs.
async fn generate(
    state: &mut State<'_>,
    trial: &Trial,
    running: &mut [Running],
    seconds: f64,
    name: &str,
) -> Result<Made, TrialError> {
    // Nothing is started for a user who has asked to stop meanwhile.
    stop_if_asked(state)?;
    let shares = trial.shares();
    for share in &shares {
        prepare(state, trial, share, seconds).await?;
    }
    let beginning = clocks::agree(state, trial).await?;
    let lead = beginning.as_ref().map_or(Duration::ZERO, Beginning::lead);
    let total = Duration::from_secs_f64(seconds);
    let mut work = Work { name, begun: Instant::now(), lead, total, generators: Vec::new() };
    let worked = at_work(state, trial, running, &shares, beginning.as_ref(), &mut work).await;
    if worked.is_err() {
        generators::end(state, trial, &mut work).await?;
    }
    worked?;
    Ok(Made { generators: work.generators, beginning })
}

async fn at_work(
    state: &mut State<'_>,
    trial: &Trial,
    running: &mut [Running],
    shares: &[Share<'_>],
    beginning: Option<&Beginning>,
    work: &mut Work<'_>,
) -> Result<(), TrialError> {
    for share in shares {
        let request = request(state, trial, share, beginning, work.total.as_secs_f64());
        let generator = start(state, trial, share.client, request, work.name).await?;
        work.generators.push(generator);
    }
    generators::follow(state, trial, running, work).await
}

/// Where the generator's files lie, and what it works in.
fn directory(trial: &Trial) -> String {
    format!("load/{}", trial.id)
}

async fn prepare(state: &State<'_>, trial: &Trial, share: &Share<'_>, seconds: f64) -> Result<(), TrialError> {
    let client = state.link(share.client)?;
    let invocation = find(&trial.load)?.invocation(&request(state, trial, share, None, seconds));
    let files =
        invocation.files.into_iter().map(|file| WorkFile { path: file.name, bytes: file.contents.into_bytes() });
    client.ask(Request::PutFiles { directory: directory(trial), files: files.collect() }).await?;
    Ok(())
}

async fn start(
    state: &mut State<'_>,
    trial: &Trial,
    client: &str,
    request: LoadRequest,
    name: &str,
) -> Result<Generator, TrialError> {
    let link = state.link(client)?;
    let tool = find(&trial.load)?;
    let mut command = tool.invocation(&request).command;
    let binary = state.campaign.plan.machine(client).and_then(|machine| machine.tools.get(&trial.load.tool));
    if let Some(binary) = binary {
        command.program.clone_from(binary);
    }
    let uses = trial.load.provision.iter().filter_map(|name| state.digests.get(name).cloned()).collect();
    let start = StartRequest {
        label: format!("{name} by {}", trial.load.tool),
        command,
        uses,
        directory: Some(directory(trial)),
        database: false,
        stream: true,
        own: tool.is_own() && binary.is_none(),
    };
    let (process, pid, command) = started(&link, start).await?;
    if name == "load" {
        let (trial, client) = (trial.id.clone(), named(trial, client));
        state.emitter.emit(Happening::LoadStarted { trial, pid, command, client })?;
    }
    let (notices, client) = (link.notices(process), client.to_owned());
    Ok(Generator { client, request, link, process, notices, stdout: Vec::new(), stderr: Vec::new(), exit: None })
}

async fn started(link: &Link, start: StartRequest) -> Result<(u64, u32, Vec<String>), TrialError> {
    match link.ask(Request::Start(start)).await? {
        Reply::Started { process, pid, command, .. } => Ok((process, pid, command)),
        other => Err(RunError::Link(link.out_of_turn(&other)).into()),
    }
}
