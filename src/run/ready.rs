//! When a daemon is ready: it answers the right document, has the workers that were asked for, and is calm.

use std::time::{Duration, Instant};

use crate::event::{Happening, Reason};
use crate::host::ProcessNotices;
use crate::plan::document;
use crate::plan::{Daemon, Document, Trial, WorkersAt};
use crate::run::campaign::{State, ask};
use crate::run::emitter::millis;
use crate::run::error::{RunError, TrialError};
use crate::run::prepare::listeners;
use crate::wire::{Answer, Listener, Member, Notice, Reply, Request};

/// A started process of a daemon.
pub struct Running {
    /// The agent's number for it.
    pub process: u64,
    /// Its pid.
    pub pid: u32,
    /// Tells its end.
    pub notices: ProcessNotices,
    /// Where its workers are counted.
    pub workers: WorkersAt,
    /// What the command lines of its children that are no workers hold.
    pub helpers: Vec<String>,
    /// Whether its end was seen.
    pub ended: bool,
}

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// A whole but wrong document may be a daemon still filling its cache; after this long it is taken for its answer.
const WRONG_FOR: Duration = Duration::from_secs(2);

/// The time limit of one probe.
const PROBE_LIMIT_MS: u64 = 5_000;

/// What the daemon was doing at the last look: told when the time limit is reached.
enum Seen {
    Nothing(String),
    OtherProtocol(String),
    Status(u16, Vec<u8>),
    Wrong(Vec<String>),
    Workers(u32),
    Ready { status: u16, body_bytes: u64, sha256: String, keep_alive: bool, protocol: String, workers: u32 },
}

/// Waits until the daemon is ready, or dead, or out of time.
pub async fn await_ready(state: &mut State<'_>, trial: &Trial, running: &mut [Running]) -> Result<(), TrialError> {
    let (begun, plan) = (Instant::now(), state.campaign.plan);
    let limit = Duration::from_secs_f64(plan.wait.ready_s);
    let mut wrong_since: Option<Instant> = None;
    loop {
        died(state, trial, running).await?;
        let seen = look(state, trial, running).await?;
        if let Seen::Ready { status, body_bytes, sha256, keep_alive, protocol, workers } = seen {
            state.emitter.emit(Happening::DaemonReady {
                trial: trial.id.clone(),
                took_ms: millis(begun),
                status,
                body_bytes,
                document_sha256: sha256,
                keep_alive_seen: keep_alive,
                workers_seen: workers,
                protocol_seen: Some(protocol),
            })?;
            return Ok(());
        }
        wrong_since = match seen {
            Seen::Wrong(_) | Seen::OtherProtocol(_) => wrong_since.or(Some(Instant::now())),
            _ => None,
        };
        if wrong_since.is_some_and(|since| since.elapsed() > WRONG_FOR) || begun.elapsed() > limit {
            return Err(TrialError::Failed(not_ready(state, trial, running, seen, limit).await));
        }
        pause(state).await?;
    }
}

/// Lets a moment pass, unless the user wants to stop.
pub async fn pause(state: &State<'_>) -> Result<(), RunError> {
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => Ok(()),
        signal = state.campaign.stop.asked() => Err(RunError::Interrupted(signal)),
    }
}

async fn look(state: &State<'_>, trial: &Trial, running: &[Running]) -> Result<Seen, TrialError> {
    let plan = state.campaign.plan;
    let (Some(expected), Some(daemon)) = (plan.documents.get(&trial.document), plan.daemon(&trial.daemon)) else {
        return Ok(Seen::Nothing("the plan lacks its document".to_owned()));
    };
    let probed = probe(state, trial).await?;
    let (status, keep_alive, protocol, body) = match probed {
        Answer::Nothing { why } => return Ok(Seen::Nothing(why)),
        Answer::OtherProtocol { spoken } => return Ok(Seen::OtherProtocol(spoken)),
        Answer::Http { status, keep_alive, protocol, body } => (status, keep_alive, protocol, body),
    };
    if status != 200 {
        return Ok(Seen::Status(status, body));
    }
    let sha256 = match judge(expected, &body) {
        Ok(sha256) => sha256,
        Err(differences) => return Ok(Seen::Wrong(differences)),
    };
    let workers = count_workers(state, trial, running).await?;
    if workers != daemon.workers && daemon.counts_workers() {
        return Ok(Seen::Workers(workers));
    }
    Ok(Seen::Ready { status, body_bytes: body.len() as u64, sha256, keep_alive, protocol, workers })
}

/// Asks the daemon once, from where the load will come.
pub async fn probe(state: &State<'_>, trial: &Trial) -> Result<Answer, TrialError> {
    probe_from(state, trial, &trial.client).await
}

/// How often a machine may ask in vain for a daemon that answers another one.
const REACHED_WITHIN: u32 = 3;

/// A daemon that is ready for the first client answers the others as well: else a part of the load would go nowhere.
pub async fn reached_by_others(state: &State<'_>, trial: &Trial) -> Result<(), TrialError> {
    for client in &trial.more_clients {
        let mut asked = 0;
        loop {
            let answer = probe_from(state, trial, client).await?;
            asked += 1;
            match answer {
                Answer::Http { status: 200, .. } => break,
                _ if asked < REACHED_WITHIN => pause(state).await?,
                other => return Err(TrialError::Failed(not_reached(trial, client, &other))),
            }
        }
    }
    Ok(())
}

fn not_reached(trial: &Trial, client: &str, answer: &Answer) -> Reason {
    let seen = match answer {
        Answer::Http { status, .. } => format!("it answered with status {status}"),
        Answer::OtherProtocol { spoken } => format!("it answered in {spoken}"),
        Answer::Nothing { why } => why.clone(),
    };
    Reason {
        code: "not-reached".to_owned(),
        message: format!("{} answers {}, and not {client}: {seen}", trial.url(), trial.client),
        detail: Vec::new(),
        hint: Some(format!("look at the network between {client} and {}: addresses, routes, firewalls", trial.server)),
    }
}

async fn probe_from(state: &State<'_>, trial: &Trial, client: &str) -> Result<Answer, TrialError> {
    let (client, address, path) = (state.link(client)?, trial.address.clone(), trial.endpoint.clone());
    let protocol = declared_protocol(state, trial);
    let request = Request::Probe { address, port: trial.port, path, protocol, timeout_ms: PROBE_LIMIT_MS };
    match ask(state, &client, request).await? {
        Reply::Answer(answer) => Ok(answer),
        other => Err(RunError::Link(client.out_of_turn(&other)).into()),
    }
}

/// What the daemon's file says that it speaks.
fn declared_protocol(state: &State<'_>, trial: &Trial) -> String {
    state.campaign.plan.daemon(&trial.daemon).map_or_else(String::new, |daemon| daemon.protocol.clone())
}

/// The canonical hash of the right document, or the differences.
pub fn judge(expected: &Document, body: &[u8]) -> Result<String, Vec<String>> {
    let answered: serde_json::Value = serde_json::from_slice(body).map_err(|error| {
        let start: String = String::from_utf8_lossy(body).chars().take(200).collect();
        vec![format!("the answer is not JSON: {error}"), format!("it begins: {start}")]
    })?;
    let sha256 = document::sha256(&answered);
    if sha256 == expected.sha256 { Ok(sha256) } else { Err(document::differences(&expected.content, &answered)) }
}

async fn count_workers(state: &State<'_>, trial: &Trial, running: &[Running]) -> Result<u32, TrialError> {
    let server = state.link(&trial.server)?;
    let mut workers = 0;
    for one in running {
        let members = match server.ask(Request::Tree { process: one.process }).await? {
            Reply::Tree { members } => members,
            other => return Err(RunError::Link(server.out_of_turn(&other)).into()),
        };
        let helps = |member: &Member| one.helpers.iter().any(|helper| member.command.contains(helper));
        let child = |member: &&Member| member.parent == one.pid && !member.zombie && !helps(member);
        workers += match one.workers {
            WorkersAt::Children => members.iter().filter(child).count(),
            WorkersAt::Itself => 1,
            WorkersAt::Nowhere => 0,
        };
    }
    Ok(u32::try_from(workers).unwrap_or(u32::MAX))
}

/// An error with its last log lines if a process of the daemon has ended.
pub async fn died(state: &mut State<'_>, trial: &Trial, running: &mut [Running]) -> Result<(), TrialError> {
    for (index, one) in running.iter_mut().enumerate() {
        while let Ok(notice) = one.notices.try_recv() {
            if let Notice::Exited { exit, .. } = notice {
                one.ended = true;
                let process = one.process;
                let detail = log_lines(state, trial, process).await;
                return Err(TrialError::Failed(Reason {
                    code: "daemon-died".to_owned(),
                    message: format!("{} ended by itself with {exit} (its process {})", trial.daemon, index + 1),
                    detail,
                    hint: Some("its last log lines say why".to_owned()),
                }));
            }
        }
    }
    Ok(())
}

/// The last lines that a process printed, messages before output.
async fn log_lines(state: &State<'_>, trial: &Trial, process: u64) -> Vec<String> {
    const LINES: usize = 20;
    let Ok(link) = state.link(&trial.server) else { return Vec::new() };
    let Ok(Reply::Log { stdout, stderr }) = link.ask(Request::LogTail { process, bytes: 8192 }).await else {
        return Vec::new();
    };
    let text = format!("{}\n{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(ToString::to_string).collect()
}

async fn not_ready(state: &State<'_>, trial: &Trial, running: &[Running], seen: Seen, limit: Duration) -> Reason {
    let (url, limit, protocol) = (trial.url(), limit.as_secs_f64(), declared_protocol(state, trial));
    let mut elsewhere = Vec::new();
    let (code, message, mut detail) = match seen {
        Seen::Nothing(why) => {
            elsewhere = listening_elsewhere(state, trial).await;
            ("not-ready", format!("{url} did not answer in {protocol} within {limit} s: {why}"), elsewhere.clone())
        }
        Seen::Status(status, body) => {
            let text = String::from_utf8_lossy(&body);
            let lines = text.lines().take(5).map(|line| line.chars().take(200).collect()).collect();
            ("not-ready", format!("{url} answers with status {status}, for {limit} s"), lines)
        }
        Seen::Workers(seen) => {
            let asked = state.campaign.plan.daemon(&trial.daemon).map_or(0, |daemon| daemon.workers);
            (
                "wrong-workers",
                format!("{} has {seen} worker processes, {asked} were asked for", trial.daemon),
                Vec::new(),
            )
        }
        Seen::OtherProtocol(spoken) => {
            return Reason {
                code: "wrong-protocol".to_owned(),
                message: format!("{url} answers in {spoken}, and {} is declared to speak {protocol}", trial.daemon),
                detail: Vec::new(),
                hint: Some(
                    "correct `protocol` under [traits] of its daemon.toml, or make its command speak it".to_owned(),
                ),
            };
        }
        Seen::Wrong(differences) => {
            return Reason {
                code: "wrong-document".to_owned(),
                message: format!("{url} answers another document than `{}`", trial.document),
                detail: differences,
                hint: Some(
                    "mend the daemon, or the document in the scenario's data set; nothing wrong is measured".to_owned(),
                ),
            };
        }
        Seen::Ready { .. } => ("not-ready", format!("{url} was not ready"), Vec::new()),
    };
    for one in running {
        detail.extend(log_lines(state, trial, one.process).await);
    }
    let hint = if elsewhere.is_empty() {
        "its last log lines may say why; `ready` under [wait] is the time limit".to_owned()
    } else {
        format!("have its command listen on {}, which `{{address}}` in it stands for", trial.address)
    };
    Reason { code: code.to_owned(), message, detail, hint: Some(hint) }
}

/// Who listens on the daemon's port at another address: often the daemon itself, on IPv6 or on the loopback alone.
async fn listening_elsewhere(state: &State<'_>, trial: &Trial) -> Vec<String> {
    let listeners = listeners(state, &trial.server, trial.port).await.unwrap_or_default();
    let reached = |listener: &Listener| [trial.address.as_str(), "0.0.0.0"].contains(&listener.address.as_str());
    if listeners.iter().any(reached) {
        return Vec::new();
    }
    let line = |listener: &Listener| format!("port {} is listened on by {listener}", trial.port);
    listeners.iter().map(line).collect()
}

/// A tree is calm under this.
const CALM_PERCENT: f64 = 5.0;
/// For this long.
const CALM_FOR_MS: u64 = 300;

/// Waits until each process tree is calm. A daemon that never is gets measured all the same, and its verdict says so.
pub async fn await_calm(state: &mut State<'_>, trial: &Trial, running: &[Running]) -> Result<(), TrialError> {
    let (begun, server) = (Instant::now(), state.link(&trial.server)?);
    let limit_ms = (state.campaign.plan.wait.calm_s * 1e3) as u64;
    let (mut all_calm, mut most) = (true, 0.0_f64);
    for one in running {
        let request =
            Request::Calm { process: one.process, below_percent: CALM_PERCENT, for_ms: CALM_FOR_MS, limit_ms };
        let reply = tokio::select! {
            reply = server.ask(request) => reply?,
            signal = state.campaign.stop.asked() => return Err(RunError::Interrupted(signal).into()),
        };
        let Reply::Calm { calm, cpu_percent, .. } = reply else {
            return Err(RunError::Link(server.out_of_turn(&reply)).into());
        };
        all_calm &= calm;
        most = most.max(cpu_percent);
    }
    let trial = trial.id.clone();
    state.emitter.emit(Happening::DaemonCalm { trial, took_ms: millis(begun), calm: all_calm, cpu_percent: most })?;
    Ok(())
}

impl Daemon {
    /// Whether its workers are counted anywhere.
    pub fn counts_workers(&self) -> bool {
        self.processes.iter().any(|process| process.workers != WorkersAt::Nowhere)
    }
}
