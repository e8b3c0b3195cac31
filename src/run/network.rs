//! The network check: a tool's two sides on two machines, both ways at once, while nothing else of the campaign runs.
//! Both outputs are kept byte for byte, and the figures are read from both.

use std::time::{Duration, Instant};

use crate::command::{Command, Output};
use crate::event::{Happening, Moment, Reason, paths};
use crate::host::{Link, ProcessNotices};
use crate::plan::{NetworkCheck, NetworkPair, NetworkTool, Plan};
use crate::run::campaign::{State, ask, stop_if_asked};
use crate::run::emitter::millis;
use crate::run::error::{RunError, TrialError};
use crate::run::trial::as_trial_error;
use crate::run::{prepare, ready};
use crate::tool::{self, NetworkRequest, Sides};
use crate::wire::{Notice, Reply, Request, StartRequest};

/// The side that waits must listen within this time.
const LISTEN_LIMIT: Duration = Duration::from_secs(5);

/// The side that begins gets this much longer than it sends: a full buffer takes its time on a slow network.
const SLACK: Duration = Duration::from_secs(15);

/// A side that is asked to end has this long for its last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A check whose two sides missed each other is made so often in all.
const ATTEMPTS: u32 = 3;

/// Checks every way that load takes with every tool of the plan. Before the first trial a network that can't be checked
/// is one that nothing should be measured over; after the last one what was measured stays, and the doubt is told.
pub async fn check(state: &mut State<'_>, when: Moment) -> Result<(), RunError> {
    let Some(check) = &state.campaign.plan.network else { return Ok(()) };
    for pair in &check.pairs {
        for tool in &check.tools {
            stop_if_asked(state)?;
            let loopback = state.link(&pair.client)?.is_same(&state.link(&pair.server)?);
            let way = Way { when, check, pair, tool, loopback, attempt: 1 };
            match (one(state, way).await, when) {
                (Ok(()), _) => {}
                (Err(TrialError::Fatal(error)), _) => return Err(error),
                (Err(TrialError::Failed(reason)), Moment::Before) => return Err(RunError::NotFit(reason)),
                (Err(TrialError::Failed(reason)), Moment::After) => {
                    let hint = reason.hint.map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
                    let message = format!("no network check after the last trial: {}{hint}", reason.message);
                    state.emitter.emit(Happening::Warning { message })?;
                }
            }
        }
    }
    Ok(())
}

/// The ports that checks will listen on, by machine.
pub fn ports(plan: &Plan) -> Vec<(String, u16)> {
    let Some(check) = &plan.network else { return Vec::new() };
    let mut ports = Vec::new();
    for pair in &check.pairs {
        ports.push((pair.server.clone(), check.port));
        let tools = check.tools.iter().filter_map(|tool| tool::find_network(&tool.name));
        ports.extend(tools.filter_map(|tool| tool.back_port(check.port)).map(|port| (pair.client.clone(), port)));
    }
    ports
}

/// One check: when, how, between whom, with what.
#[derive(Clone, Copy)]
struct Way<'a> {
    when: Moment,
    check: &'a NetworkCheck,
    pair: &'a NetworkPair,
    tool: &'a NetworkTool,
    /// Whether both are one machine, perhaps by two names.
    loopback: bool,
    /// The how many-th attempt this is, from 1.
    attempt: u32,
}

impl Way<'_> {
    /// `iperf-client.stdout`, and of the second attempt `iperf-client-2.stdout`
    fn raw(&self, side: &str, stream: &str) -> String {
        let tool = &self.tool.name;
        let again = if self.attempt > 1 { format!("-{}", self.attempt) } else { String::new() };
        let name = format!("{tool}-{side}{again}.{stream}");
        paths::network(self.when, &self.pair.client, &self.pair.server, &name)
    }

    /// `the network between a and b`
    fn what(&self) -> String {
        let NetworkPair { client, server } = self.pair;
        if client == server {
            format!("the loopback of {server}")
        } else if self.loopback {
            format!("the loopback between {client} and {server}, which are one machine,")
        } else {
            format!("the network between {client} and {server}")
        }
    }

    fn failed(&self, code: &str, message: String, hint: Option<String>) -> TrialError {
        let message = format!("{} could not be checked: {message}", self.what());
        TrialError::Failed(Reason { code: code.to_owned(), message, detail: Vec::new(), hint })
    }
}

/// A side of a check, running or ended.
struct Side {
    link: Link,
    machine: String,
    /// `client` or `server`.
    name: &'static str,
    process: u64,
    pid: u32,
    command: Vec<String>,
    notices: ProcessNotices,
    output: Option<Output>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// One check, made again where its two sides missed each other: that says nothing of the network.
async fn one(state: &mut State<'_>, mut way: Way<'_>) -> Result<(), TrialError> {
    let Way { when, pair, check, .. } = way;
    let tool = tool::find_network(&way.tool.name).ok_or_else(|| {
        way.failed("unknown-tool", format!("this build knows no network tool `{}`", way.tool.name), None)
    })?;
    let request = request(state.campaign.plan, check, pair);
    let (begun, [client, server], mut figures) = loop {
        let begun = Instant::now();
        let (client, server, name) = (pair.client.clone(), pair.server.clone(), way.tool.name.clone());
        state.emitter.emit(Happening::NetworkCheckStarted { when, client, server, tool: name })?;
        let sides = attempt(state, way, tool, &request).await?;
        let outputs = sides.each_ref().map(|(_, output)| output);
        match tool.parse(&request, Sides { client: outputs[0], server: outputs[1] }) {
            Ok(figures) => break (begun, sides.map(|(command, _)| command), figures),
            Err(error) if error.may_pass() && way.attempt < ATTEMPTS => {
                let (what, attempt) = (way.what(), way.attempt);
                let message = format!(
                    "attempt {attempt} of at most {ATTEMPTS} to check {what} failed and is repeated: {error}; what it printed \
                     is kept beside {}",
                    way.raw("client", "stdout")
                );
                state.emitter.emit(Happening::Warning { message })?;
                way.attempt += 1;
            }
            Err(error) => return Err(unreadable(way, &error)),
        }
    };
    let version = way.tool.provisions.get(&pair.client).and_then(|name| state.versions.get(name));
    if let Some(version) = version.and_then(|versions| versions.get(tool.package())) {
        figures.tool = format!("{} {version}", way.tool.name);
    }
    Ok(state.emitter.emit(Happening::NetworkChecked {
        when,
        client: pair.client.clone(),
        server: pair.server.clone(),
        tool: way.tool.name.clone(),
        figures,
        loopback: way.loopback,
        client_command: client,
        server_command: server,
        took_ms: millis(begun),
    })?)
}

/// A side's command, as run, and what it printed.
type Ended = (Vec<String>, Output);

/// Runs both sides once, the client's first in the answer. Both are gone afterwards, and their ports are free.
async fn attempt(
    state: &mut State<'_>,
    way: Way<'_>,
    tool: &dyn tool::NetworkTool,
    request: &NetworkRequest,
) -> Result<[Ended; 2], TrialError> {
    let Way { pair, check, .. } = way;
    let back = tool.back_port(check.port).map(|port| (&pair.client, port));
    let used: Vec<(&String, u16)> = std::iter::once((&pair.server, check.port)).chain(back).collect();
    for (machine, port) in &used {
        let taken = prepare::listeners(state, machine, *port).await.map_err(as_trial_error)?;
        if let Some(reason) = prepare::port_taken(&taken, machine, *port, "the network check") {
            return Err(TrialError::Failed(reason));
        }
    }
    let mut server = start(state, way, "server", &pair.server, tool.server(request)).await?;
    let exchanged = exchange(state, way, &mut server, tool.client(request)).await;
    if tool.serves_once() && exchanged.is_ok() {
        await_end(state, way, &mut server).await?;
    }
    let ended = end(state, way, &mut server).await;
    // A side that can't be stopped ends the campaign, whatever came of the check.
    let client = match (exchanged, ended) {
        (Err(TrialError::Fatal(error)), _) | (_, Err(TrialError::Fatal(error))) => {
            return Err(TrialError::Fatal(error));
        }
        (exchanged, ended) => ended.and(exchanged)?,
    };
    for (machine, port) in used {
        prove_port_free(state, way, machine, port).await?;
    }
    Ok([whole(way, client)?, whole(way, server)?])
}

fn request(plan: &Plan, check: &NetworkCheck, pair: &NetworkPair) -> NetworkRequest {
    let address = |name: &str| plan.machine(name).map(|machine| machine.address.clone()).unwrap_or_default();
    NetworkRequest {
        client_address: address(&pair.client),
        server_address: address(&pair.server),
        port: check.port,
        duration: Duration::from_secs_f64(check.duration_s),
    }
}

fn unreadable(way: Way<'_>, error: &tool::ParseError) -> TrialError {
    let back = tool::find_network(&way.tool.name).and_then(|tool| tool.back_port(way.check.port));
    let NetworkPair { client, server } = way.pair;
    let back = back.map(|port| format!(", and port {port} of {client} from there")).unwrap_or_default();
    let (port, raw) = (way.check.port, way.raw("client", "stdout"));
    let hint = format!(
        "port {port} of {server} must be reachable from {client}{back}; what both sides printed is kept beside {raw}"
    );
    way.failed("network-unchecked", error.to_string(), Some(hint))
}

async fn start(
    state: &State<'_>,
    way: Way<'_>,
    name: &'static str,
    machine: &str,
    mut command: Command,
) -> Result<Side, TrialError> {
    // Nothing is started for a user who has asked to stop meanwhile.
    stop_if_asked(state)?;
    let link = state.link(machine)?;
    let planned = state.campaign.plan.machine(machine);
    if let Some(binary) = planned.and_then(|machine| machine.tools.get(&way.tool.name)) {
        command.program.clone_from(binary);
    }
    let provision = way.tool.provisions.get(machine);
    let request = StartRequest {
        label: format!("network {name} by {}", way.tool.name),
        command,
        uses: provision.and_then(|name| state.digests.get(name).cloned()).into_iter().collect(),
        directory: None,
        database: false,
        stream: true,
        own: false,
    };
    match link.ask(Request::Start(request)).await? {
        Reply::Started { process, pid, command, .. } => Ok(Side {
            notices: link.notices(process),
            link,
            machine: machine.to_owned(),
            name,
            process,
            pid,
            command,
            output: None,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }),
        other => Err(RunError::Link(link.out_of_turn(&other)).into()),
    }
}

/// The client's whole run, once the server listens. The client is gone afterwards, however it went.
async fn exchange(
    state: &mut State<'_>,
    way: Way<'_>,
    server: &mut Side,
    command: Command,
) -> Result<Side, TrialError> {
    await_listening(state, way, server).await?;
    let mut client = start(state, way, "client", &way.pair.client, command).await?;
    let followed = follow(state, way, &mut client, server).await;
    let ended = end(state, way, &mut client).await;
    match (followed, ended) {
        (Err(TrialError::Fatal(error)), _) | (_, Err(TrialError::Fatal(error))) => Err(TrialError::Fatal(error)),
        (followed, ended) => followed.and(ended).map(|()| client),
    }
}

/// Looks until the server itself is seen to listen: connecting to it would be taken for the client.
async fn await_listening(state: &mut State<'_>, way: Way<'_>, server: &mut Side) -> Result<(), TrialError> {
    let begun = Instant::now();
    loop {
        while let Ok(notice) = server.notices.try_recv() {
            take(state, way, server, notice)?;
        }
        if let Some(output) = &server.output {
            let (tool, machine, exit) = (&way.tool.name, &server.machine, output.exit);
            let said = [&output.stderr, &output.stdout].map(|bytes| tool::FirstLine::of(bytes));
            let [messages, printed] = said;
            let message = format!(
                "{tool} on {machine} ended before it listened, {exit}; on stderr: {messages}, on stdout: {printed}"
            );
            return Err(way.failed("network-unchecked", message, None));
        }
        let request = Request::Listeners { port: way.check.port };
        let reply = ask(state, &server.link, request).await.map_err(as_trial_error)?;
        let Reply::Listeners { listeners } = reply else {
            return Err(RunError::Link(server.link.out_of_turn(&reply)).into());
        };
        // Where the owner of a port can't be seen, nobody else had it a moment ago.
        if listeners.iter().any(|listener| listener.pid.is_none_or(|pid| pid == server.pid)) {
            return Ok(());
        }
        if begun.elapsed() > LISTEN_LIMIT {
            let message = format!(
                "{} does not listen on port {} of {} within {} s",
                way.tool.name,
                way.check.port,
                server.machine,
                LISTEN_LIMIT.as_secs()
            );
            return Err(way.failed("network-unchecked", message, None));
        }
        ready::pause(state).await?;
    }
}

/// Keeps what both sides print until the client ends, its time is up, or the user stops it.
async fn follow(state: &mut State<'_>, way: Way<'_>, client: &mut Side, server: &mut Side) -> Result<(), TrialError> {
    let limit = Duration::from_secs_f64(way.check.duration_s) + SLACK;
    let deadline = tokio::time::Instant::now() + limit;
    let stop = state.campaign.stop.clone();
    while client.output.is_none() {
        tokio::select! {
            notice = client.notices.recv() => match notice {
                Some(notice) => take(state, way, client, notice)?,
                None => return Err(RunError::Link(client.link.lost().await).into()),
            },
            notice = server.notices.recv(), if server.output.is_none() => match notice {
                Some(notice) => take(state, way, server, notice)?,
                None => return Err(RunError::Link(server.link.lost().await).into()),
            },
            () = tokio::time::sleep_until(deadline) => {
                let message = format!("{} did not end within {} s and was stopped", way.tool.name, limit.as_secs());
                return Err(unreachable(way, message));
            }
            signal = stop.asked() => return Err(RunError::Interrupted(signal).into()),
        }
    }
    Ok(())
}

/// A network that swallows packets without a word makes a tool wait.
fn unreachable(way: Way<'_>, message: String) -> TrialError {
    let hint = "a firewall between them may swallow its packets without an answer".to_owned();
    way.failed("network-unchecked", message, Some(hint))
}

/// Keeps what a side prints, and notes its end.
fn take(state: &mut State<'_>, way: Way<'_>, side: &mut Side, notice: Notice) -> std::io::Result<()> {
    match notice {
        Notice::Output { stderr, bytes, .. } => {
            let stream = if stderr { "stderr" } else { "stdout" };
            state.emitter.append(&way.raw(side.name, stream), &bytes)?;
            (if stderr { &mut side.stderr } else { &mut side.stdout }).extend_from_slice(&bytes);
        }
        Notice::Exited { exit, .. } => {
            let (stdout, stderr) = (std::mem::take(&mut side.stdout), std::mem::take(&mut side.stderr));
            side.output = Some(Output { exit, stdout, stderr });
        }
        Notice::Progress { .. } => {}
    }
    Ok(())
}

/// Lets a side that ends by itself print its last words.
async fn await_end(state: &mut State<'_>, way: Way<'_>, side: &mut Side) -> std::io::Result<()> {
    while side.output.is_none() {
        let Ok(Some(notice)) = tokio::time::timeout(LAST_WORDS, side.notices.recv()).await else { break };
        take(state, way, side, notice)?;
    }
    Ok(())
}

/// Ends a side, keeps what it still has to say, and makes sure that it is gone.
async fn end(state: &mut State<'_>, way: Way<'_>, side: &mut Side) -> Result<(), TrialError> {
    let grace_ms = u64::try_from(LAST_WORDS.as_millis()).unwrap_or(u64::MAX);
    let kill_now = state.campaign.stop.is_hurried();
    // A side that can't be stopped would run beside the trials.
    let reply =
        side.link.ask(Request::Stop { process: side.process, grace_ms, kill_now }).await.map_err(RunError::Link)?;
    let Reply::Stopped { exit, still_alive, .. } = reply else {
        return Err(RunError::Link(side.link.out_of_turn(&reply)).into());
    };
    await_end(state, way, side).await?;
    Ok(prepare::gone(&side.machine, &format!("{} of the network check", way.tool.name), exit.is_some(), &still_alive)?)
}

fn whole(way: Way<'_>, side: Side) -> Result<Ended, TrialError> {
    let unsaid = || format!("{} of {} ended, and its output never came to an end", way.tool.name, side.machine);
    let output = side.output.ok_or_else(|| way.failed("network-unchecked", unsaid(), None))?;
    Ok((side.command, output))
}

/// Both sides are gone when this is asked, so the port is free at once, or somebody else has it.
async fn prove_port_free(state: &State<'_>, way: Way<'_>, machine: &str, port: u16) -> Result<(), TrialError> {
    let begun = Instant::now();
    loop {
        let left = prepare::listeners(state, machine, port).await.map_err(as_trial_error)?;
        let Some(first) = left.first() else { return Ok(()) };
        if begun.elapsed() > LISTEN_LIMIT {
            let message =
                format!("{machine}: port {port} is still taken after {} was stopped, by {first}", way.tool.name);
            let hint = Some("stop that process, or choose another port in the scenario".to_owned());
            let (code, detail) = ("port-not-free".to_owned(), Vec::new());
            return Err(RunError::Broken(Reason { code, message, detail, hint }).into());
        }
        ready::pause(state).await?;
    }
}
