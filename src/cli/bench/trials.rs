//! `bench trials`: what a trial costs beyond its load and its daemon, beside a shell script that does the same by hand,
//! in turns in one run. Speed is measured here and asserted nowhere. A script does not reach over several machines, so
//! with those there is no peer, and the limit that was set is the measure.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use crate::cli::arguments::{Files, Format, TrialsArguments};
use crate::cli::bench::{Scratch, Spread, failed, say};
use crate::cli::connect::Connector;
use crate::cli::error::Problem;
use crate::cli::main::print;
use crate::cli::{exit, files, signals};
use crate::command::Command;
use crate::event::{Event, Happening, Recorder, Write};
use crate::host::{Connection, Link};
use crate::plan::{Machine, Plan, Provision, ProvisionKind, Trial, input_name};
use crate::run::{Campaign, RunError, StopSignal, provision_request, run as run_campaign, stop_channel};
use crate::store::{RunWriter, run_id};
use crate::wire::{self, Notice, Reply, Request, StartRequest, WorkFile};

/// The peer.
const BY_HAND: &str = include_str!("../../../benches/by-hand.sh");

/// Trials of each peer in a round.
const TRIALS: usize = 3;

/// Seconds of load in each.
const LOAD_S: f64 = 1.0;

/// `bench trials`
pub fn trials(arguments: &TrialsArguments, format: Format) -> Result<u8, Problem> {
    let files = Files { scenario: arguments.scenario.clone(), hosts: arguments.hosts.clone(), project: None };
    let (project, _) = files::load(&files, format)?;
    let plan = one_trial(files::make_plan(&project)?)?;
    let inputs: BTreeMap<String, Vec<u8>> =
        project.inputs.iter().map(|file| (input_name(&file.name), file.bytes.clone())).collect();
    let run = format!("bench-{}", std::process::id());
    let connector = Connector::new(&project.inventory.place.file.path, &run, &project.inputs);
    let certificates = connector.certificates(&plan.machines)?;
    let bench = Bench { plan, inputs, connector, certificates };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (handle, stop) = stop_channel();
    let measured = runtime.block_on(async {
        tokio::select! {
            biased;
            ended = signals::watch(handle, say) => Err(ended.err().map_or_else(|| Problem::told(exit::FAILED), Problem::from)),
            measured = async {
                let measured = bench.rounds(arguments.rounds, &stop).await;
                bench.connector.close().await.iter().for_each(|line| say(line));
                measured
            } => measured,
        }
    })?;
    print(&table(&measured, arguments.rounds, format, &bench.plan))?;
    Ok(exit::FINE)
}

struct Bench {
    plan: Plan,
    inputs: BTreeMap<String, Vec<u8>>,
    connector: Connector,
    certificates: BTreeMap<String, String>,
}

/// The first trial of the plan that needs no database, with a short load, a few times.
fn one_trial(mut plan: Plan) -> Result<Plan, Problem> {
    let wanted =
        |trial: &&Trial| trial.daemon.starts_with("flask") && trial.database_use == crate::plan::DatabaseUse::None;
    let trial = plan.trials.iter().find(wanted).cloned();
    let mut trial = trial.ok_or_else(|| {
        failed("the scenario has no trial of a Flask daemon without a database")
            .hint("bench the shipped scenarios/quickstart.toml")
    })?;
    by_wrk(&mut plan, &mut trial);
    (trial.load.duration_s, trial.load.warm_up_s) = (LOAD_S, None);
    plan.trials = (1..=TRIALS).map(|number| Trial { id: format!("{number:04}"), ..trial.clone() }).collect();
    (plan.database, plan.network) = (None, None);
    plan.daemons.retain(|daemon| daemon.name == trial.daemon);
    let mut needed: Vec<String> =
        plan.daemons.iter().flat_map(|daemon| daemon.provisions.clone()).chain(trial.load.provision).collect();
    for provision in &plan.provisions {
        if let ProvisionKind::Venv { root, build, .. } = &provision.what {
            needed.extend([root].into_iter().chain(build.iter().map(|build| &build.root)).cloned());
        }
    }
    plan.provisions.retain(|provision| needed.contains(&provision.name));
    Ok(plan)
}

/// The script loads with wrk, so both do.
fn by_wrk(plan: &mut Plan, trial: &mut Trial) {
    let (suite, packages) = ("bookworm".to_owned(), vec!["wrk".to_owned()]);
    let name = format!("wrk@{}", trial.client);
    let what = ProvisionKind::PackageRoot { suite, packages };
    if plan.provisions.iter().all(|known| known.name != name) {
        plan.provisions.push(Provision { name: name.clone(), machine: trial.client.clone(), what });
    }
    trial.load.tool = "wrk".to_owned();
    (trial.load.provision, trial.load.streams, trial.load.rate) = (Some(name), None, None);
}

/// A recorder that writes a real run directory, and keeps the events.
struct Kept {
    writer: RunWriter,
    events: Vec<Event>,
}

impl Recorder for Kept {
    fn write(&mut self, write: Write<'_>) -> std::io::Result<()> {
        if let Write::Event(event) = &write {
            self.events.push((*event).clone());
        }
        self.writer.write(write)
    }
}

impl Bench {
    /// Each trial's overhead, ours and by hand, round by round in turns.
    async fn rounds(&self, rounds: u32, stop: &StopSignal) -> Result<Measured, Problem> {
        let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            say(&format!("round {round} of {rounds}: {TRIALS} trials each"));
            ours.extend(self.ours(stop).await?);
            if self.plan.machines.len() == 1 {
                by_hand.extend(self.by_hand(stop).await?);
            }
        }
        let (whole, calm): (Vec<f64>, Vec<f64>) = ours.into_iter().map(|one| (one.whole, one.calm)).unzip();
        let rest = whole.iter().zip(&calm).map(|(whole, calm)| whole - calm).collect();
        let by_hand = (!by_hand.is_empty()).then(|| Spread::of(by_hand));
        Ok(Measured { whole: Spread::of(whole), calm: Spread::of(calm), rest: Spread::of(rest), by_hand })
    }

    /// The overhead of each trial of a real campaign, with a real run directory.
    async fn ours(&self, stop: &StopSignal) -> Result<Vec<Overhead>, Problem> {
        let store = Scratch(std::env::temp_dir().join(format!("timetrial-bench-{}", std::process::id())));
        self.campaign(&store.0, stop).await
    }

    async fn campaign(&self, store: &Path, stop: &StopSignal) -> Result<Vec<Overhead>, Problem> {
        let run = run_id(Timestamp::now(), "bench", 0);
        let writer = RunWriter::create(store, &run, &self.plan, &self.inputs)?;
        let mut kept = Kept { writer, events: Vec::new() };
        let campaign = Campaign {
            confirm: None,
            plan: &self.plan,
            run: &run,
            inputs: &self.inputs,
            certificates: &self.certificates,
            owner: "timetrial bench".to_owned(),
            stop: stop.clone(),
            resumed: None,
        };
        let connect = async |machine: &Machine| self.connector.connect(machine, &|_| {}).await;
        let summary = run_campaign(&campaign, &mut kept, connect).await;
        match summary.error {
            Some(RunError::Interrupted(_)) => return Err(Problem::told(exit::INTERRUPTED)),
            Some(error) => return Err(Problem::new(exit::FAILED, error)),
            // A trial that failed has no times of its own: all of it would count as overhead.
            None if summary.failed > 0 => {
                return Err(failed("a trial of our own failed, so there is nothing to compare")
                    .hint("`timetrial run` says why"));
            }
            None => {}
        }
        self.plan.trials.iter().map(|trial| overhead(&kept.events, &trial.id)).collect()
    }

    /// The same by the script, run by an agent as a daemon would be: same programs, same user, same limits.
    async fn by_hand(&self, stop: &StopSignal) -> Result<Vec<f64>, Problem> {
        let machine = self.plan.machines.first().ok_or_else(|| failed("the plan has no machine"))?;
        let link_problem = |error: crate::host::LinkError| Problem::new(exit::FAILED, error);
        let Connection { host, link } = self.connector.connect(machine, &|_| {}).await.map_err(link_problem)?;
        let lines = tokio::select! {
            lines = self.script(machine, &link) => lines,
            _ = stop.asked() => Err(Problem::told(exit::INTERRUPTED)),
        };
        link.ask(Request::Goodbye).await.map_err(link_problem)?;
        drop(link);
        host.wait().await;
        lines?
            .lines()
            .map(|line| overhead_of_line(line).ok_or_else(|| failed(format!("the script printed `{line}`"))))
            .collect()
    }

    async fn script(&self, machine: &Machine, link: &Link) -> Result<String, Problem> {
        let link_problem = |error: crate::host::LinkError| Problem::new(exit::FAILED, error);
        let hello = Request::Hello {
            protocol: wire::PROTOCOL,
            run: "by-hand".to_owned(),
            owner: "timetrial bench".to_owned(),
            ca_bundle: self.certificates.get(&machine.name).cloned(),
            proxy: machine.proxy.clone(),
        };
        link.ask(hello).await.map_err(link_problem)?;
        let (Some(trial), Some(daemon)) = (self.plan.trials.first(), self.plan.daemons.first()) else {
            return Err(failed("the plan is empty"));
        };
        let prefix = format!("inputs/daemons/{}/", daemon.name);
        let mut sources: Vec<WorkFile> = Vec::new();
        for name in &daemon.files {
            let bytes = self.inputs.get(name).cloned().unwrap_or_default();
            sources.push(WorkFile { path: name.trim_start_matches(&prefix).to_owned(), bytes });
        }
        link.ask(Request::PutFiles { directory: "daemons/by-hand".to_owned(), files: sources })
            .await
            .map_err(link_problem)?;
        let script = WorkFile { path: "by-hand.sh".to_owned(), bytes: BY_HAND.as_bytes().to_vec() };
        link.ask(Request::PutFiles { directory: "script".to_owned(), files: vec![script] })
            .await
            .map_err(link_problem)?;
        let uses = self.digests(link).await?;
        let process = &daemon.processes[0].command;
        let expected =
            self.plan.documents.get(&trial.document).map(|document| document.content.to_string()).unwrap_or_default();
        // Frameworks put spaces where they like; a key of the document is enough for a script.
        let expected = expected.split('"').nth(1).unwrap_or_default().to_owned();
        let mut arguments: Vec<String> = vec!["-c".to_owned(), "work=$1; shift; script=$work/script/by-hand.sh; cp -r \"$work/daemons/by-hand\" \"$TMPDIR/by-hand\" && cd \"$TMPDIR/by-hand\" && exec bash \"$script\" \"$@\"".to_owned(), "by-hand".to_owned(), "{work}".to_owned()];
        let load = &trial.load;
        arguments.extend([
            TRIALS.to_string(),
            trial.port.to_string(),
            trial.endpoint.clone(),
            expected,
            daemon.workers.to_string(),
        ]);
        arguments.extend([LOAD_S.to_string(), load.threads.to_string(), load.connections.to_string(), "--".to_owned()]);
        arguments.extend(process.words());
        let command = Command { environment: process.environment.clone(), ..Command::new("/bin/bash", arguments) };
        let request = StartRequest {
            label: "the script by hand".to_owned(),
            command,
            uses,
            directory: None,
            database: false,
            stream: true,
            own: false,
        };
        let Reply::Started { process, .. } = link.ask(Request::Start(request)).await.map_err(link_problem)? else {
            return Err(failed("the agent did not start the script"));
        };
        follow(link, process).await
    }

    async fn digests(&self, link: &Link) -> Result<Vec<String>, Problem> {
        let mut digests = BTreeMap::new();
        let link_problem = |error: crate::host::LinkError| Problem::new(exit::FAILED, error);
        for provision in &self.plan.provisions {
            let digest = |name: &str| digests.get(name).cloned().unwrap_or_default();
            let text = |name: &str| {
                self.inputs.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
            };
            let request = provision_request(provision, &digest, &text);
            if let Reply::Provisioned { digest, .. } = link.ask(request).await.map_err(link_problem)? {
                digests.insert(provision.name.clone(), digest);
            }
        }
        let used = self
            .plan
            .daemons
            .iter()
            .flat_map(|daemon| &daemon.provisions)
            .chain(self.plan.trials.iter().filter_map(|trial| trial.load.provision.as_ref()));
        Ok(used
            .filter_map(|name| digests.get(name).cloned())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect())
    }
}

/// What the script printed, once it has ended well.
async fn follow(link: &Link, process: u64) -> Result<String, Problem> {
    let mut notices = link.notices(process);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match notices.recv().await {
            Some(Notice::Output { stderr: true, bytes, .. }) => stderr.extend(bytes),
            Some(Notice::Output { bytes, .. }) => stdout.extend(bytes),
            Some(Notice::Exited { exit, .. }) if exit.is_success() => {
                return Ok(String::from_utf8_lossy(&stdout).into_owned());
            }
            Some(Notice::Exited { exit, .. }) => {
                return Err(failed(format!(
                    "the script by hand failed with {exit}: {}",
                    String::from_utf8_lossy(&stderr)
                )));
            }
            Some(Notice::Progress { .. }) => {}
            None => return Err(Problem::new(exit::FAILED, link.lost().await)),
        }
    }
}

/// What a trial cost, in milliseconds.
struct Overhead {
    /// Wall time less its load, and less the daemon's own start and stop: from its start until it is ready, and from TERM
    /// until it is gone. What looking at it takes in between is in them, here as in the script.
    whole: f64,
    /// What of it was the wait for calm.
    calm: f64,
}

fn overhead(events: &[Event], trial: &str) -> Result<Overhead, Problem> {
    let (mut whole, mut own, mut calm) = (None, 0, 0);
    for event in events.iter().map(|event| &event.event).filter(|event| event.trial() == Some(trial)) {
        match event {
            Happening::TrialFinished { took_ms, .. } => whole = Some(*took_ms),
            Happening::DaemonCalm { took_ms, .. } => calm += took_ms,
            Happening::DaemonReady { took_ms, .. }
            | Happening::LoadFinished { took_ms, .. }
            | Happening::DaemonStopped { took_ms, .. } => own += took_ms,
            _ => {}
        }
    }
    let whole = whole.ok_or_else(|| failed(format!("trial {trial} did not end")))?;
    Ok(Overhead { whole: whole.saturating_sub(own) as f64, calm: calm as f64 })
}

/// The same of a line of the script: whole, load, start, stop.
fn overhead_of_line(line: &str) -> Option<f64> {
    let numbers: Vec<f64> = line.split_ascii_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let [whole, load, start, stop] = numbers.as_slice() else { return None };
    Some(whole - load - start - stop)
}

/// What came of all rounds.
struct Measured {
    whole: Spread,
    calm: Spread,
    rest: Spread,
    by_hand: Option<Spread>,
}

fn table(measured: &Measured, rounds: u32, format: Format, plan: &Plan) -> String {
    let Measured { whole, calm, rest, by_hand } = measured;
    let what = plan.trials.first().map_or_else(String::new, |trial| format!("{} {}", trial.daemon, trial.endpoint));
    let machines: Vec<&str> = plan.machines.iter().map(|machine| machine.transport.word()).collect();
    if format == Format::Json {
        let mut line = serde_json::json!({"bench": "overhead-per-trial", "what": what, "rounds": rounds,
            "trials_per_round": TRIALS, "transports": machines, "timetrial": whole.json(), "calm": calm.json(),
            "without_calm": rest.json()});
        if let Some(by_hand) = by_hand {
            line["by_hand"] = by_hand.json();
            line["difference_ms"] = (whole.median - by_hand.median).into();
            line["ratio"] = (whole.median / by_hand.median).into();
        }
        return line.to_string() + "\n";
    }
    let row = |name: &str, spread: &Spread| {
        format!("  {name:<12} {:>7.0} ms   {:.0} to {:.0} ms\n", spread.median, spread.least, spread.most)
    };
    let mut text = format!(
        "overhead per trial: wall time less the load and the daemon's own start and stop\n\
         ({what}, machines: {}, {LOAD_S} s of wrk, {} trials each in {rounds} rounds)\n\n\
         \x20               median   range\n{}",
        machines.join(", "),
        rounds as usize * TRIALS,
        row("timetrial", whole),
    );
    match by_hand {
        Some(by_hand) => {
            let (difference, ratio) = (whole.median - by_hand.median, whole.median / by_hand.median);
            text += &row("by hand", by_hand);
            text += &format!(
                "  difference   {difference:>+7.0} ms   ratio {ratio:.2} (aim: at most 300 ms more; both wait 300 ms for calm)\n"
            );
        }
        None => {
            text += &row("  calm", calm);
            text += &row("  the rest", rest);
            text += "  aim: the rest under 1000 ms. A script by hand is no peer over several machines.\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::overhead_of_line;

    #[test]
    fn a_line_of_the_script_is_read() {
        assert_eq!(overhead_of_line("2000 1010 300 250"), Some(440.0));
        assert_eq!(overhead_of_line("2000 1010 300"), None);
        assert_eq!(overhead_of_line("the port is taken"), None);
    }
}
