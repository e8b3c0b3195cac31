//! The agent's life: hello, requests, heartbeats, and the dead man's switch. Whatever ends it, what it started ends
//! before it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::agent::process::{PassOn, Start};
use crate::agent::shim::OWN_PROGRAM;
use crate::agent::state::{self, State};
use crate::agent::stop::{self, stop_all};
use crate::agent::surroundings::{Agent, resolve};
use crate::agent::{calm, database, facts, identity, kept, listeners, lock, probe, procfs, provision, tuning, work};
use crate::wire::{
    self, Failure, FromAgent, Kept, Member, Notice, Reply, Request, StartRequest, ToAgent, WorkFile, frame,
};

/// What wakes the agent's main thread.
enum Wake {
    Message(ToAgent),
    /// End of input, a broken pipe, a signal: nobody is there any more.
    Alone,
}

type Out = Arc<Mutex<Box<dyn Write + Send>>>;

/// How long daemons get when the controller is gone: with the search for leftovers, everything ends well under 15 s.
const LAST_GRACE: Duration = Duration::from_secs(3);

/// Serves one controller, until it says goodbye, goes away, or is silent for too long.
pub fn serve(
    state_dir: Option<PathBuf>,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> std::io::Result<()> {
    // What is written here is for the daemons' user too, whatever the umask of whoever started us.
    nix::sys::stat::umask(nix::sys::stat::Mode::S_IWGRP | nix::sys::stat::Mode::S_IWOTH);
    // A session of its own: Ctrl-C in the controller's terminal is the controller's to handle. It fails only where
    // the agent already leads one.
    let _ = nix::unistd::setsid();
    // What our processes leave behind becomes our child, so that it is seen and reaped.
    nix::sys::prctl::set_child_subreaper(true)?;
    let (wake, woken) = channel();
    let (notices, noticed) = channel();
    watch_signals(wake.clone())?;
    let agent = Arc::new(Agent::new(state_dir, notices));
    let out: Out = Arc::new(Mutex::new(Box::new(output)));
    writeln!(lock(&out), "{}", wire::MAGIC)?;
    lock(&out).flush()?;
    read_messages(input, wake.clone());
    beat(Arc::clone(&out), wake);
    pass_notices(noticed, Arc::clone(&out));
    let polite = attend(&agent, &woken, &out);
    let left = leave(&agent);
    if let Some(id) = polite
        && send(&out, &FromAgent::Reply { id, reply: Ok(left) })
    {
        tuning::was_heard(&agent);
    }
    Ok(())
}

/// Hands out requests until the end; the id of the goodbye, if there was one.
fn attend(agent: &Arc<Agent>, woken: &Receiver<Wake>, out: &Out) -> Option<u64> {
    loop {
        match woken.recv_timeout(wire::SILENCE) {
            Ok(Wake::Message(ToAgent::Heartbeat)) => {}
            Ok(Wake::Message(ToAgent::Request { id, request: Request::Goodbye })) => return Some(id),
            Ok(Wake::Message(ToAgent::Request { id, request })) => {
                let (agent, out) = (Arc::clone(agent), Arc::clone(out));
                thread::spawn(move || {
                    let tunes = matches!(request, Request::Tune { .. });
                    let reply = answer(&agent, request);
                    let tells = match &reply {
                        Ok(Reply::Welcome { undone, .. } | Reply::Restored { undone, .. }) => undone.is_some(),
                        Ok(_) => false,
                        Err(_) => tunes,
                    };
                    if send(&out, &FromAgent::Reply { id, reply }) && tells {
                        tuning::was_heard(&agent);
                    }
                });
            }
            Ok(Wake::Alone) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Stops everything, puts back what was tuned, removes the work directory.
fn leave(agent: &Agent) -> Reply {
    agent.leaving.store(true, Ordering::Release);
    agent.processes.close();
    // A hello that is under way either has made its directories by then, or makes none any more.
    let _opened = lock(&agent.opening);
    let state = agent.state();
    let stopped = state.as_ref().map(|state| stop_all(&agent.processes, LAST_GRACE, &state.mark()));
    // Settings that are just being made stop at the next one, and are undone by who makes them.
    let (undone, compared) = tuning::leave(agent);
    let removed_work_dir = state.as_ref().map_or(true, |state| state.close());
    Reply::Goodbye { stopped: stopped.unwrap_or_default(), removed_work_dir, undone, compared }
}

fn send(out: &Out, message: &FromAgent) -> bool {
    frame::write(&mut *lock(out), message).is_ok()
}

fn read_messages(mut input: impl Read + Send + 'static, wake: Sender<Wake>) {
    thread::spawn(move || {
        while let Ok(Some(message)) = frame::read(&mut input) {
            if wake.send(Wake::Message(message)).is_err() {
                return;
            }
        }
        let _ = wake.send(Wake::Alone);
    });
}

fn beat(out: Out, wake: Sender<Wake>) {
    thread::spawn(move || {
        while send(&out, &FromAgent::Heartbeat) {
            thread::sleep(wire::HEARTBEAT);
        }
        let _ = wake.send(Wake::Alone);
    });
}

fn pass_notices(noticed: Receiver<Notice>, out: Out) {
    thread::spawn(move || {
        while let Ok(notice) = noticed.recv() {
            send(&out, &FromAgent::Notice(notice));
        }
    });
}

/// TERM, HUP and INT end the agent as a lost controller does: in order. They are taken by a thread that waits for
/// them; the shim takes the block off again for what it starts.
fn watch_signals(wake: Sender<Wake>) -> std::io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        signals.add(signal);
    }
    signals.thread_block()?;
    thread::spawn(move || {
        let _ = signals.wait();
        let _ = wake.send(Wake::Alone);
    });
    Ok(())
}

fn answer(agent: &Agent, request: Request) -> Result<Reply, Failure> {
    match request {
        Request::Identify => {
            Ok(Reply::Identity { identity: facts::identity(&directory(agent)?), machine: facts::machine() })
        }
        Request::Hello { protocol, run, owner, ca_bundle, proxy } => {
            hello(agent, protocol, &run, &owner, Downloads { ca_bundle, proxy })
        }
        Request::ReadFacts => {
            let nameless = identity::is_nameless(&agent.identity, &agent.processes);
            Ok(Reply::Facts(Box::new(facts::read(&directory(agent)?, &agent.identity, nameless))))
        }
        Request::Listeners { port } => Ok(Reply::Listeners { listeners: listeners::on(port) }),
        Request::PackageRoot { name, suite, packages } => {
            provision::package_root(agent, &name, &suite, &packages, provision::Purpose::Running)
        }
        Request::BuildRoot { name, suite, packages } => {
            provision::package_root(agent, &name, &suite, &packages, provision::Purpose::Building)
        }
        Request::Venv { name, root, interpreter, requirements, build } => {
            provision::venv(agent, &provision::VenvRequest { name, root, interpreter, requirements, build })
        }
        Request::PutFiles { directory, files } => put_files(agent, &directory, &files),
        Request::StartDatabase(request) => {
            let (started, reply) = database::start(agent, &request)?;
            *lock(&agent.database) = Some(started);
            Ok(reply)
        }
        Request::DatabaseAccess => {
            let database = lock(&agent.database);
            Ok(Reply::Access(database.as_ref().ok_or_else(no_database)?.access()))
        }
        Request::UseDatabase { access } => {
            *lock(&agent.access) = Some(access);
            Ok(Reply::Done)
        }
        Request::DatabaseLog => {
            let database = lock(&agent.database);
            database::log(agent, database.as_ref().ok_or_else(no_database)?)
        }
        Request::StopDatabase => stop_database(agent),
        Request::Start(request) => start(agent, request),
        Request::Tree { process } => tree(agent, process),
        Request::Calm { process, below_percent, for_ms, limit_ms } => {
            let session = agent.processes.with(process, |entry| entry.pid)?;
            let calm =
                calm::wait(session, below_percent, Duration::from_millis(for_ms), Duration::from_millis(limit_ms));
            Ok(Reply::Calm { calm: calm.calm, took_ms: millis(calm.took), cpu_percent: calm.cpu_percent })
        }
        Request::Stop { process, grace_ms, kill_now } => stop_process(agent, process, grace_ms, kill_now),
        Request::LogTail { process, bytes } => {
            let most = usize::try_from(bytes).unwrap_or(usize::MAX);
            agent
                .processes
                .with(process, |entry| Reply::Log { stdout: entry.stdout.last(most), stderr: entry.stderr.last(most) })
        }
        Request::Probe { address, port, path, protocol, timeout_ms } => {
            Ok(Reply::Answer(probe::probe(&address, port, &path, &protocol, Duration::from_millis(timeout_ms))))
        }
        Request::Kept => Ok(told_kept(agent, kept::kept(&agent.state()?.directory))),
        Request::RemoveKept => Ok(told_kept(agent, kept::remove(&agent.state()?.directory)?)),
        Request::Look { settings, cluster } => tuning::look(agent, &settings, cluster.as_ref()),
        Request::Tune { settings, nofile } => tuning::tune(agent, &settings, nofile),
        Request::VerifyTuning => tuning::verify(agent),
        Request::Restore { owner } => tuning::restore(agent, &directory(agent)?, &owner),
        Request::Unlock { id } => {
            let locks = [directory(agent)?, agent.tuning_place.clone()].map(|place| place.join("lock"));
            tuning::unlock(&locks, &agent.tuning_place, &id)
        }
        Request::Clock => Ok(Reply::Clock { unix_us: unix_us() }),
        Request::Goodbye => Err(Failure::new("protocol", "goodbye is the main thread's to answer")),
    }
}

/// What is kept or was removed, and what stays in any case.
fn told_kept(agent: &Agent, mut kept: Vec<Kept>) -> Reply {
    kept.extend(kept::staying(&agent.tuning_place));
    Reply::Kept { kept }
}

/// Where the agent keeps things.
fn directory(agent: &Agent) -> Result<PathBuf, Failure> {
    match &agent.state_dir {
        Some(directory) => Ok(directory.clone()),
        None => state::default_directory(agent.identity.change),
    }
}

/// What downloads of packages need here.
struct Downloads {
    ca_bundle: Option<String>,
    proxy: Option<String>,
}

fn hello(agent: &Agent, protocol: u32, run: &str, owner: &str, downloads: Downloads) -> Result<Reply, Failure> {
    if protocol != wire::PROTOCOL {
        let message = format!("the controller speaks protocol {protocol}, this agent {}", wire::PROTOCOL);
        return Err(Failure::new("protocol", message).hint("use one build of timetrial for both"));
    }
    let directory = directory(agent)?;
    let _opening = lock(&agent.opening);
    let while_busy = |told: Option<String>| agent.waits_on(told);
    // First of all: whatever comes next may fail.
    let (mut session, undone) = tuning::enter(agent, run, owner, &while_busy)?;
    let kill = |work: &Path| kill_of_both(agent, work);
    let unfit = |failure: Failure| failure.detail(undone.as_ref().map(tuning::in_words));
    let opened = State::open(&directory, run, owner, &agent.identity, &while_busy, &kill).map_err(unfit)?;
    // The lock may have come since there was none to share: who tunes looks for those that are at work without it.
    if let Err(failure) = session.share_late(&agent.tuning_place, &while_busy) {
        opened.close();
        return Err(unfit(failure));
    }
    let state = agent.keep(opened)?;
    *lock(&agent.tuning) = session;
    if let Some(text) = downloads.ca_bundle {
        let path = state.work.join("ca-bundle.pem");
        std::fs::write(&path, text).map_err(|error| state::cannot("write", &path, &error))?;
        let _ = agent.ca_bundle.set(path.display().to_string());
    }
    if let Some(proxy) = downloads.proxy {
        let _ = agent.proxy.set(proxy);
    }
    Ok(Reply::Welcome {
        protocol: wire::PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        boot_id: procfs::boot_id().unwrap_or_else(|| "unknown".to_owned()),
        state_dir: state.directory.display().to_string(),
        work_dir: state.work.display().to_string(),
        swept: state.swept.clone(),
        undone,
    })
}

/// Kills what a dead agent left. Root without CAP_SYS_PTRACE, as in most containers, may not look into the processes of
/// another user, so where daemons run as one, that user looks as well.
fn kill_of_both(agent: &Agent, work: &Path) -> Vec<String> {
    let mut killed = work::kill_marked(work);
    if let Some(identity) = agent.changed_identity() {
        let start = Start {
            label: "the search for what a dead agent left".to_owned(),
            program: PathBuf::from(OWN_PROGRAM),
            arguments: vec!["sweep".into(), work.into()],
            environment: std::collections::BTreeMap::new(),
            directory: PathBuf::from("/"),
            identity: Some(identity),
            death_signal: Signal::SIGKILL,
            input: Vec::new(),
            pass_on: PassOn::Nothing,
        };
        // A search that fails leaves processes, and the ports that they hold are found taken a moment later.
        if let Ok(output) = agent.processes.run(start, SWEEP_LIMIT) {
            killed.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
        }
    }
    killed
}

/// Killing takes milliseconds; a machine with very many processes gets patience.
const SWEEP_LIMIT: Duration = Duration::from_secs(20);

fn put_files(agent: &Agent, directory: &str, files: &[WorkFile]) -> Result<Reply, Failure> {
    let directory = agent.state()?.work.join(inside(directory)?);
    // It may be asked for to work in, without any file.
    std::fs::create_dir_all(&directory).map_err(|error| state::cannot("make", &directory, &error))?;
    for file in files {
        let path = directory.join(inside(&file.path)?);
        let parent = path.parent().unwrap_or(&directory);
        std::fs::create_dir_all(parent).map_err(|error| state::cannot("make", parent, &error))?;
        std::fs::write(&path, &file.bytes).map_err(|error| state::cannot("write", &path, &error))?;
    }
    Ok(Reply::Done)
}

/// A relative path that stays inside: the controller checked it, and the agent may be root.
fn inside(path: &str) -> Result<&std::path::Path, Failure> {
    let path = std::path::Path::new(path);
    let fine = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    fine.then_some(path).ok_or_else(|| Failure::new("path", format!("`{}` leaves the work directory", path.display())))
}

fn start(agent: &Agent, request: StartRequest) -> Result<Reply, Failure> {
    let state = agent.state()?;
    let mut environment = agent.environment(&request.uses)?;
    if request.database {
        let access = lock(&agent.database).as_ref().map(database::Database::access);
        let access = access.or_else(|| lock(&agent.access).clone()).ok_or_else(no_database)?;
        environment.extend(access.0.into_iter().map(|(name, value)| (name.into(), value.into())));
    }
    let work = state.work.display().to_string();
    let fill = |text: &str| text.replace("{work}", &work);
    environment.extend(request.command.environment.iter().map(|(name, value)| (name.into(), fill(value).into())));
    let (program, shown) = if request.own {
        let own = std::env::current_exe().map_or_else(|_| PathBuf::from("timetrial"), PathBuf::from);
        (PathBuf::from(OWN_PROGRAM), own)
    } else {
        let program = resolve(&fill(&request.command.program), &environment)?;
        (program.clone(), program)
    };
    let arguments: Vec<String> = request.command.arguments.iter().map(|argument| fill(argument)).collect();
    let directory = match &request.directory {
        Some(directory) => state.work.join(inside(directory)?),
        None => state.work.join("tmp"),
    };
    // A load generator is worth nothing without its controller; a daemon is asked politely, as ever.
    let (polite, pass_on) =
        if request.stream { (Signal::SIGINT, PassOn::Notices) } else { (Signal::SIGTERM, PassOn::Nothing) };
    let start = Start {
        label: request.label,
        program,
        arguments: arguments.iter().map(Into::into).collect(),
        environment,
        directory,
        identity: agent.changed_identity(),
        death_signal: if request.stream { Signal::SIGKILL } else { Signal::SIGTERM },
        input: Vec::new(),
        pass_on,
    };
    let process = agent.processes.start(start, polite)?;
    let command = std::iter::once(shown.display().to_string()).chain(arguments).collect();
    agent.processes.with(process, |entry| Reply::Started {
        process,
        pid: entry.pid,
        start_ticks: entry.start_ticks,
        command,
    })
}

fn tree(agent: &Agent, process: u64) -> Result<Reply, Failure> {
    let session = agent.processes.with(process, |entry| entry.pid)?;
    let member = |stat: procfs::Stat| Member {
        pid: stat.pid,
        parent: stat.parent,
        zombie: stat.state == 'Z',
        name: stat.name,
        command: procfs::command_line(stat.pid),
    };
    Ok(Reply::Tree { members: procfs::members(session).into_iter().map(member).collect() })
}

fn stop_process(agent: &Agent, process: u64, grace_ms: u64, kill_now: bool) -> Result<Reply, Failure> {
    let began = std::time::Instant::now();
    let grace = if kill_now { Duration::ZERO } else { Duration::from_millis(grace_ms) };
    let stopped = stop::stop(&agent.processes, process, grace)?;
    Ok(told(stopped, began))
}

fn told(stopped: stop::Stopped, began: std::time::Instant) -> Reply {
    let stop::Stopped { exit, killed, leftovers, still_alive } = stopped;
    Reply::Stopped { exit, killed, leftovers, still_alive, took_ms: millis(began.elapsed()) }
}

fn no_database() -> Failure {
    Failure::new("no-database", "the database is not running")
}

fn stop_database(agent: &Agent) -> Result<Reply, Failure> {
    let began = std::time::Instant::now();
    let Some(database) = lock(&agent.database).take() else {
        return Err(no_database());
    };
    let stopped = database::stop_and_remove(agent, &database)?;
    Ok(told(stopped, began))
}

fn unix_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
