//! How each generator is called, and one load by it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::cli::bench::failed;
use crate::cli::bench::load::cpus::{self, Cpus, Look};
use crate::cli::bench::load::peers::{Peer, Peers};
use crate::cli::bench::load::printed::{self, Said};
use crate::cli::bench::load::server::{Kind, Known, Server};
use crate::cli::bench::machines::program;
use crate::cli::error::Problem;

/// Connections of every load.
pub const CONNECTIONS: u32 = 64;

/// A generator may take so much longer than its load.
const GRACE: Duration = Duration::from_secs(30);

/// wrk2 throws away its first ten seconds, and those in which it connects.
const WRK2_CALIBRATES_S: u64 = 10;

/// A rate that no generator reaches: wrk2 has no other way to be a closed loop.
const NO_LIMIT: u64 = 10_000_000;

/// As many requests a second as ab may reach.
const AB_PER_S: u64 = 400_000;

/// A way to make a load.
#[derive(Debug, Clone)]
pub enum Generator {
    /// Ours, with these options.
    Ours(PathBuf, Vec<&'static str>),
    /// wrk.
    Wrk(Peer),
    /// wrk2.
    Wrk2(Peer),
    /// oha.
    Oha(Peer),
    /// h2load, in HTTP/1.1.
    H2load(Peer),
    /// ab, in HTTP/1.0.
    Ab(Peer),
}

/// A generator with its name here.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub generator: Generator,
}

impl Candidate {
    /// Ours, with these options.
    pub fn ours(name: &'static str, program: &Path, options: &[&'static str]) -> Self {
        Self { name, generator: Generator::Ours(program.to_owned(), options.to_vec()) }
    }

    /// Those of the others that are here.
    pub fn others(peers: &Peers, names: &[&str]) -> Vec<Self> {
        let all = [
            ("wrk", peers.wrk.clone().map(Generator::Wrk)),
            ("wrk2", peers.wrk2.clone().map(Generator::Wrk2)),
            ("oha", peers.oha.clone().map(Generator::Oha)),
            ("h2load", peers.h2load.clone().map(Generator::H2load)),
            ("ab", peers.ab.clone().map(Generator::Ab)),
        ];
        let wanted = all.into_iter().filter(|(name, _)| names.contains(name));
        wanted.filter_map(|(name, generator)| Some(Self { name, generator: generator? })).collect()
    }
}

/// A load.
#[derive(Debug, Clone)]
pub struct Load {
    /// What it meets.
    pub server: Kind,
    /// How long it lasts.
    pub seconds: u64,
    /// Its rate; as fast as answers come else.
    pub rate: Option<u64>,
    /// Whether its memory is watched.
    pub watches_memory: bool,
}

/// What came of one load by one generator.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the server knows.
    pub known: Known,
    /// What the generator said.
    pub said: Said,
    /// CPU time of the generator.
    pub cpu: Duration,
    /// The most memory that it had, if that was watched.
    pub peak_memory_bytes: Option<u64>,
    /// The share of one of both processors that went to others.
    pub foreign_share: f64,
}

impl Generator {
    /// How long its load must last to have the figures that a load of so many seconds has.
    fn seconds(&self, load: &Load) -> u64 {
        match (self, load.rate) {
            // What is measured after the calibration must be as long as others' loads with freezes, or three seconds.
            (Self::Wrk2(_), Some(_)) => WRK2_CALIBRATES_S + load.seconds.clamp(3, 30),
            _ => load.seconds,
        }
    }

    fn command(&self, load: &Load, url: &str) -> Command {
        let (seconds, connections) = (self.seconds(load).to_string(), CONNECTIONS.to_string());
        let rate = load.rate.map(|rate| rate.to_string());
        let mut command = match self {
            Self::Ours(path, _) => program(path),
            Self::Wrk(peer) | Self::Wrk2(peer) | Self::Oha(peer) | Self::H2load(peer) | Self::Ab(peer) => {
                let mut command = program(&peer.path);
                peer.surround(&mut command);
                command
            }
        };
        let lasts = format!("{seconds}s");
        match self {
            Self::Ours(_, options) => {
                command.args(["load", url, "-t", "1", "-c", &connections, "-d", &lasts]);
                command.args(["--message-format", "json"]).args(options);
                command.args(rate.iter().flat_map(|rate| ["-R", rate]));
            }
            Self::Wrk(_) => {
                command.args(["-t", "1", "-c", &connections, "-d", &lasts, "--latency", url]);
            }
            Self::Wrk2(_) => {
                let rate = load.rate.unwrap_or(NO_LIMIT).to_string();
                command.args(["-t", "1", "-c", &connections, "-d", &lasts, "-R", &rate, "--latency", url]);
            }
            Self::Oha(_) => {
                command.args(["--no-tui", "--output-format", "json", "-c", &connections, "-z", &lasts]);
                command.args(rate.iter().flat_map(|rate| ["-q", rate, "--latency-correction"])).arg(url);
            }
            Self::H2load(_) => {
                command.args(["--h1", "-t", "1", "-c", &connections, "-D", &seconds, url]);
            }
            Self::Ab(_) => {
                // It would end after 50,000 requests, and has memory for as many as it is told.
                let most = (self.seconds(load) * AB_PER_S).to_string();
                command.args(["-q", "-k", "-c", &connections, "-t", &seconds, "-n", &most, url]);
            }
        }
        command
    }

    fn read(&self, stdout: &str) -> Result<Said, String> {
        match self {
            Self::Ours(..) => printed::ours(stdout),
            Self::Wrk(_) | Self::Wrk2(_) => printed::wrk(stdout),
            Self::Oha(_) => printed::oha(stdout),
            Self::H2load(_) => printed::h2load(stdout),
            Self::Ab(_) => printed::ab(stdout),
        }
    }
}

impl Candidate {
    /// One load.
    pub async fn run(&self, load: &Load, cpus: &Cpus, folder: &Path) -> Result<Outcome, Problem> {
        let seconds = self.generator.seconds(load);
        let server = Server::start(&load.server, cpus, folder, seconds).await?;
        let mut command = self.generator.command(load, &server.url());
        // Where it would leave something, it leaves it here.
        command.current_dir(folder);
        let own_cpu = cpus.generator.to_string();
        if matches!(self.generator, Generator::Ours(..)) {
            command.args(["--cpus", &own_cpu]);
        }
        let (look, before) = (Look::new(server.pid())?, cpus::of_ended_children()?);
        let child = cpus.on_generator(|| command.stderr(Stdio::piped()).spawn())?;
        let child = child.map_err(|error| failed(format!("{} can't be started: {error}", self.name)))?;
        let pid = child.id().unwrap_or_default();
        let limit = Duration::from_secs(seconds) + GRACE;
        let ended = async {
            let output = tokio::time::timeout(limit, child.wait_with_output()).await;
            output
                .map_err(|_| failed(format!("{} did not end within {} s", self.name, limit.as_secs())))?
                .map_err(Problem::from)
        };
        let (output, peak_memory_bytes) =
            if load.watches_memory { watched(pid, ended).await } else { (ended.await, None) };
        let output = output?;
        let cpu = cpus::of_ended_children()?.saturating_sub(before);
        let foreign_share = look.foreign_share(&Look::new(server.pid())?, cpus, cpu);
        let known = server.end().await?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let said = self.generator.read(&stdout).map_err(|why| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let last = stderr.lines().chain(stdout.lines()).rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            failed(format!("{} ended with {}: {why}: {last}", self.name, output.status))
        })?;
        Ok(Outcome { known, said, cpu, peak_memory_bytes, foreign_share })
    }
}

/// Waits for the end of a process, and looks at its memory until then. What the kernel tells at the end will not do: it
/// counts the moment before the program was started, which is ours.
async fn watched<T>(pid: u32, ended: impl Future<Output = T>) -> (T, Option<u64>) {
    let begun = Instant::now();
    let mut peak = None;
    tokio::pin!(ended);
    loop {
        tokio::select! {
            biased;
            done = &mut ended => return (done, peak),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        // At first it may still be us.
        if begun.elapsed() > Duration::from_millis(500) {
            peak = peak_memory(pid).max(peak);
        }
    }
}

fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
