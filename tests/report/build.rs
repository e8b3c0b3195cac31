//! Builds stored runs, event by event, as a real campaign would leave them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use timetrial::command::{Command, Exit};
use timetrial::event::{Event, Happening, Moment, Outcome, Reason};
use timetrial::metric::{ErrorCounts, Flow, Latency, LoadFigures, NetworkFigures, Percentile};
use timetrial::plan::{
    Daemon, Database, DatabaseUse, Document, Load, Machine, NetworkCheck, NetworkPair, NetworkTool, Plan, Process,
    Provision, ProvisionKind, Transport, Trial, Wait, WorkersAt,
};
use timetrial::store::{RunState, Seen, StoredRun, StoredTrial};
use timetrial::wire::Facts;

pub const POOL: DatabaseUse = DatabaseUse::Pool { per_worker: 4 };

/// A run on one machine, with nothing measured yet.
pub fn run(id: &str) -> StoredRun {
    let mut run = StoredRun {
        id: id.to_owned(),
        directory: PathBuf::from("reports").join(id),
        plan: plan(),
        events: Vec::new(),
        trials: Vec::new(),
        facts: BTreeMap::from([(
            "local".to_owned(),
            BTreeMap::from([("before".to_owned(), facts()), ("after".to_owned(), facts_after())]),
        )]),
        state: RunState::Complete(Outcome::Measured),
    };
    begin(&mut run);
    run
}

/// Adds an event so many milliseconds after the last one.
pub fn happens(run: &mut StoredRun, after_ms: u64, event: Happening) {
    let sequence = run.events.len() as u64 + 1;
    let elapsed_ms = run.events.last().map_or(0, |event| event.elapsed_ms) + after_ms;
    let start: jiff::Timestamp = "2026-11-12T18:29:04Z".parse().expect("a time");
    let time = start + jiff::SignedDuration::from_millis(elapsed_ms.try_into().expect("a short run"));
    run.events.push(Event { sequence, time, elapsed_ms, event });
}

/// Adds a daemon.
pub fn daemon(run: &mut StoredRun, name: &str, title: &str, keep_alive: bool) {
    let words: &[&str] = if keep_alive {
        &["--worker-class", "aiohttp.GunicornWebWorker", "--keep-alive", "45"]
    } else {
        &["--worker-class", "sync"]
    };
    let fixed = ["--bind", "127.0.0.1:8016", "--workers", "2"];
    let mut command = Command::new("gunicorn", fixed.iter().chain(words).chain(&["application:app"]).copied());
    command.environment.insert("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
    run.plan.daemons.push(Daemon {
        name: name.to_owned(),
        title: title.to_owned(),
        provisions: vec![format!("venv-{name}")],
        processes: vec![Process { command, workers: WorkersAt::Children, helpers: Vec::new() }],
        keep_alive,
        protocol: "HTTP/1.1".to_owned(),
        workers: 2,
        files: vec![format!("daemons/{name}/application.py")],
        templates: Vec::new(),
        values: BTreeMap::new(),
    });
}

/// Plans a trial.
pub fn planned(run: &mut StoredRun, daemon: &str, endpoint: &str, database_use: DatabaseUse) -> Trial {
    let trial = Trial {
        id: format!("{:04}", run.plan.trials.len() + 1),
        round: "calibration".to_owned(),
        daemon: daemon.to_owned(),
        endpoint: endpoint.to_owned(),
        repeat: 1,
        document: if endpoint == "/index" { "index" } else { "agents" }.to_owned(),
        database_use,
        server: "local".to_owned(),
        client: "local".to_owned(),
        more_clients: Vec::new(),
        address: "127.0.0.1".to_owned(),
        port: 8016,
        load: Load {
            tool: "wrk".to_owned(),
            provision: Some("tools".to_owned()),
            threads: 2,
            connections: 64,
            streams: None,
            duration_s: 15.0,
            warm_up_s: None,
            rate: None,
            timeout_s: Some(2.0),
        },
    };
    run.plan.trials.push(trial.clone());
    trial
}

/// wrk keeps no latency above its time limit.
const LATEST_US: f64 = 1_994_000.0;

/// Figures of a closed loop that obeys Little's law: 64 connections, so many requests per second, for 15 s.
pub fn figures(rate: f64, bytes_per_response: u64) -> LoadFigures {
    let requests = (rate * 15.02) as u64;
    let mean = 64.0 / rate * 1e6;
    let percentile = |rank, factor: f64| Percentile { rank, us: (mean * factor).round().min(LATEST_US) };
    let factors = [(50.0, 0.96), (75.0, 1.08), (90.0, 1.24), (95.0, 1.4), (99.0, 1.81), (99.9, 2.6), (99.99, 3.2)];
    let latency = Latency {
        samples: Some(requests),
        mean_us: (mean * 1000.0).round() / 1000.0,
        stdev_us: (mean * 0.22).round(),
        min_us: Some((mean * 0.2).round()),
        max_us: (mean * 3.4).round().min(LATEST_US),
        percentiles: factors.into_iter().map(|(rank, factor)| percentile(rank, factor)).collect(),
    };
    LoadFigures {
        requests,
        duration_us: 15_020_000,
        bytes_received: requests * bytes_per_response,
        printed_requests_per_second: (requests as f64 / 15.02 * 100.0).round() / 100.0,
        errors: ErrorCounts::default(),
        late_answers: Some(0),
        service_time: Some(latency.clone()),
        latency: Some(latency),
        threads: 2,
        connections_asked: 64,
        connections_used: 64,
        streams_asked: None,
        rate_asked: None,
        protocol: None,
        tool: "wrk 4.1.0".to_owned(),
        account: None,
    }
}

/// What is seen of a trial when all is well.
pub fn seen(run: &StoredRun, trial: &Trial, body_bytes: u64) -> Seen {
    let daemon = run.plan.daemon(&trial.daemon).expect("the daemon was added");
    Seen {
        body_bytes: Some(body_bytes),
        keep_alive: Some(daemon.keep_alive),
        protocol: Some(daemon.protocol.clone()),
        workers: Some(daemon.workers),
        document_after: Some((true, None)),
        calm: Some(true),
        daemon_commands: daemon.processes.iter().map(|process| process.command.words()).collect(),
        load_commands: vec![
            ["wrk", "-t2", "-c64", "-d15s", "--timeout", "2s", "--latency", "-s", "done.lua", &trial.url()]
                .map(str::to_owned)
                .to_vec(),
        ],
        leftovers: Vec::new(),
    }
}

/// A trial that was measured, with all its events.
pub fn measured(run: &mut StoredRun, trial: Trial, figures: LoadFigures, seen: Seen) {
    let id = trial.id.clone();
    started(run, &trial);
    ready(run, &trial, &seen);
    let command = seen.load_commands[0].clone();
    happens(run, 5, Happening::LoadStarted { trial: id.clone(), pid: 4_200, command, client: None });
    let exit = Exit::Code { code: 0 };
    happens(run, 15_031, Happening::LoadFinished { trial: id.clone(), exit, took_ms: 15_031, client: None });
    happens(run, 1, Happening::TrialMeasured { trial: id.clone(), figures: Box::new(figures.clone()) });
    let (right, detail) = seen.document_after.clone().unwrap_or((true, None));
    happens(run, 12, Happening::DocumentChecked { trial: id.clone(), right, detail });
    let leftovers = seen.leftovers.clone();
    happens(
        run,
        480,
        Happening::DaemonStopped {
            trial: id.clone(),
            process: 0,
            exit: Some(exit),
            took_ms: 478,
            killed: false,
            leftovers,
        },
    );
    happens(run, 3, Happening::PortFree { trial: id.clone(), port: trial.port, took_ms: 2 });
    happens(run, 1, Happening::TrialFinished { trial: id, outcome: Outcome::Measured, took_ms: 16_810 });
    run.trials.push(StoredTrial { trial, outcome: Some(Outcome::Measured), figures: Some(figures), seen });
}

/// Plans a network check by these tools between two machines, for the trials that are planned already.
pub fn between_two_machines(run: &mut StoredRun, tools: &[&str]) {
    let client =
        Machine { name: "loader".to_owned(), address: "192.168.2.100".to_owned(), ..run.plan.machines[0].clone() };
    run.plan.machines.push(client);
    for trial in &mut run.plan.trials {
        trial.client = "loader".to_owned();
    }
    let tool = |name: &&str| NetworkTool { name: (*name).to_owned(), provisions: BTreeMap::new() };
    run.plan.network = Some(NetworkCheck {
        tools: tools.iter().map(tool).collect(),
        duration_s: 5.0,
        port: 15_201,
        pairs: vec![NetworkPair { client: "loader".to_owned(), server: "local".to_owned() }],
    });
}

/// A network check that saw these rates, in Mbit/s: of requests, and of answers.
pub fn checked(run: &mut StoredRun, when: Moment, tool: &str, requests: u64, answers: u64) {
    let retransmits = (tool == "iperf3").then_some(3);
    let flow = |megabits: u64| {
        let bytes = megabits * 1_000_000 / 8 * 5;
        Flow { bytes_received: bytes, duration_us: 5_000_000, bytes_sent: bytes + 1_448, retransmits }
    };
    let figures = NetworkFigures {
        to_server: flow(requests),
        to_client: flow(answers),
        client_cpu_percent: retransmits.map(|_| 11.4),
        server_cpu_percent: retransmits.map(|_| 9.8),
        tool: format!("{tool} of a test"),
    };
    let command = |side: &str| [tool, side, "-p", "15201"].map(str::to_owned).to_vec();
    let (client, server, tool) = ("loader".to_owned(), "local".to_owned(), tool.to_owned());
    let (client_command, server_command) = (command("-c"), command("-s"));
    let checked = Happening::NetworkChecked {
        when,
        client,
        server,
        tool,
        figures,
        loopback: false,
        client_command,
        server_command,
        took_ms: 5_412,
    };
    happens(run, 5_412, checked);
}

/// A trial that failed before its load.
pub fn failed(run: &mut StoredRun, trial: Trial, reason: Reason) {
    started(run, &trial);
    let outcome = Outcome::Failed { reason };
    happens(run, 640, Happening::TrialFinished { trial: trial.id.clone(), outcome: outcome.clone(), took_ms: 655 });
    let seen = Seen { daemon_commands: seen(run, &trial, 0).daemon_commands, ..Seen::default() };
    run.trials.push(StoredTrial { trial, outcome: Some(outcome), figures: None, seen });
}

/// A trial in which the run was cut off, while its load ran.
pub fn cut_off(run: &mut StoredRun, trial: Trial) {
    started(run, &trial);
    let seen = seen(run, &trial, 6_401);
    ready(run, &trial, &seen);
    let command = seen.load_commands[0].clone();
    happens(run, 5, Happening::LoadStarted { trial: trial.id.clone(), pid: 4_200, command, client: None });
    run.trials.push(StoredTrial { trial, outcome: None, figures: None, seen });
    run.state = RunState::Incomplete;
    for moments in run.facts.values_mut() {
        moments.remove("after");
    }
}

/// The end of a run that ended by itself.
pub fn finish(run: &mut StoredRun) {
    let exit = Some(Exit::Code { code: 0 });
    happens(run, 210, Happening::DatabaseStopped { machine: "local".to_owned(), cluster: None, exit, took_ms: 208 });
    let machine = "local".to_owned();
    happens(run, 15, Happening::MachineReleased { machine, stopped: Vec::new(), removed_work_dir: true });
    let measured = run.trials.iter().filter(|trial| trial.figures.is_some()).count();
    let failed = run.trials.len() - measured;
    let not_run = run.plan.trials.len() - run.trials.len();
    happens(run, 2, Happening::CampaignFinished { outcome: Outcome::Measured, measured, failed, not_run });
}

fn started(run: &mut StoredRun, trial: &Trial) {
    let id = trial.id.clone();
    let (daemon, endpoint, round) = (trial.daemon.clone(), trial.endpoint.clone(), trial.round.clone());
    let repeat = trial.repeat;
    happens(
        run,
        4,
        Happening::TrialStarted { trial: id.clone(), daemon, endpoint, round, repeat, load_s: 15.0, left_s: 60.0 },
    );
    let number = run.trials.len() as u32;
    let (pid, start_ticks) = (3_100 + number * 40, 112_400 + u64::from(number) * 1_683);
    let commands = run.plan.daemon(&trial.daemon).map(|daemon| daemon.processes[0].command.words());
    let command = commands.unwrap_or_default();
    happens(run, 9, Happening::DaemonStarted { trial: id, process: 0, pid, start_ticks: Some(start_ticks), command });
}

fn ready(run: &mut StoredRun, trial: &Trial, seen: &Seen) {
    let happening = Happening::DaemonReady {
        trial: trial.id.clone(),
        took_ms: 742,
        status: 200,
        body_bytes: seen.body_bytes.unwrap_or(0),
        document_sha256: "5f8f04f6a3a8".repeat(5),
        keep_alive_seen: seen.keep_alive.unwrap_or(false),
        workers_seen: seen.workers.unwrap_or(0),
        protocol_seen: seen.protocol.clone(),
    };
    happens(run, 742, happening);
    let calm = seen.calm.unwrap_or(true);
    let cpu_percent = if calm { 0.4 } else { 61.0 };
    happens(run, 311, Happening::DaemonCalm { trial: trial.id.clone(), took_ms: 311, calm, cpu_percent });
}

fn begin(run: &mut StoredRun) {
    let id = run.id.clone();
    let scenario = run.plan.scenario.clone();
    happens(
        run,
        0,
        Happening::CampaignStarted { run: id, scenario, timetrial: "0.1.0".to_owned(), trials: 8, estimate_s: 140.0 },
    );
    let machine = || "local".to_owned();
    let connected = Happening::MachineConnected {
        machine: machine(),
        transport: "local".to_owned(),
        agent_pid: 2_871,
        agent_version: "0.1.0".to_owned(),
        boot_id: "6f0c3f1e-2f6b-4f0c-9a70-2f4d1c7f9f3e".to_owned(),
        sent_bytes: None,
        swept: Vec::new(),
    };
    happens(run, 41, connected);
    for (name, bytes, took_ms, versions) in provisioned() {
        let finished = Happening::ProvisionFinished {
            machine: machine(),
            name: name.to_owned(),
            digest: "9b1de7c2a4".repeat(6),
            reused: took_ms < 100,
            bytes,
            took_ms,
            versions: text_map(versions),
        };
        happens(run, took_ms, finished);
    }
    let started = Happening::DatabaseStarted {
        machine: machine(),
        version: "15.14 (Debian 15.14-0+deb12u1)".to_owned(),
        pid: 2_990,
        port: 54_032,
        took_ms: 1_930,
        rows: BTreeMap::from([("agentfeatures".to_owned(), 50), ("agent_login_status".to_owned(), 0)]),
        settings: text_map(&[("fsync", "off"), ("max_connections", "100"), ("shared_buffers", "128MB")]),
        profile: Vec::new(),
    };
    happens(run, 1_934, started);
}

type Provisioned = (&'static str, u64, u64, &'static [(&'static str, &'static str)]);

fn provisioned() -> [Provisioned; 3] {
    [
        (
            "tools",
            91_400_000,
            8_840,
            &[
                ("libluajit-5.1-2", "2.1.0~beta3+git20220320+dfsg-4.1"),
                ("libpq5", "15.14-0+deb12u1"),
                ("postgresql-15", "15.14-0+deb12u1"),
                ("python3.11", "3.11.2-6+deb12u6"),
                ("wrk", "4.1.0-3+b2"),
            ],
        ),
        (
            "venv-django-gunicorn",
            61_200_000,
            6_410,
            &[("Django", "5.2.19"), ("gunicorn", "27.0.1"), ("psycopg2-binary", "2.9.13"), ("sqlparse", "0.5.3")],
        ),
        (
            "venv-aiohttp-gunicorn",
            38_900_000,
            12,
            &[("aiohttp", "3.14.5"), ("asyncpg", "0.32.0"), ("gunicorn", "27.0.1")],
        ),
    ]
}

fn plan() -> Plan {
    let provision = |name: &str, what| Provision { name: name.to_owned(), machine: "local".to_owned(), what };
    let venv = |name: &str| ProvisionKind::Venv {
        root: "tools".to_owned(),
        interpreter: "python3.11".to_owned(),
        requirements: format!("daemons/{name}/requirements.txt"),
        sha256: "c0ffee".repeat(10),
        build: None,
    };
    let packages = ["postgresql-15", "wrk", "python3.11-venv"].map(str::to_owned).to_vec();
    Plan {
        format: timetrial::plan::FORMAT,
        tuning: Vec::new(),
        scenario: "quickstart".to_owned(),
        title: "Django, Flask and aiohttp: calibration on one machine".to_owned(),
        machines: vec![Machine {
            name: "local".to_owned(),
            transport: Transport::Local,
            proxy: None,
            may_tune: false,
            binary: None,
            roles: ["server", "client", "database"].map(str::to_owned).to_vec(),
            address: "127.0.0.1".to_owned(),
            state_dir: None,
            ca_bundle: None,
            tools: BTreeMap::new(),
        }],
        daemons: Vec::new(),
        database: Some(database()),
        network: None,
        documents: BTreeMap::from(
            ["index", "agents"]
                .map(|name| (name.to_owned(), Document { sha256: "00".repeat(32), content: serde_json::Value::Null })),
        ),
        provisions: vec![
            provision("tools", ProvisionKind::PackageRoot { suite: "bookworm".to_owned(), packages }),
            provision("venv-django-gunicorn", venv("django-gunicorn")),
            provision("venv-aiohttp-gunicorn", venv("aiohttp-gunicorn")),
        ],
        trials: Vec::new(),
        wait: Wait { ready_s: 30.0, calm_s: 10.0, stop_s: 10.0 },
        inputs: BTreeMap::from([
            ("scenarios/quickstart.toml".to_owned(), "41b0c7d29e5f6a38".repeat(4)),
            ("hosts.toml".to_owned(), "7e11a0b2c3d4e5f6".repeat(4)),
        ]),
    }
}

fn database() -> Database {
    Database {
        conf: None,
        machine: "local".to_owned(),
        provision: Some("tools".to_owned()),
        cluster: None,
        version: 15,
        address: "127.0.0.1".to_owned(),
        port: 54_032,
        authentication: "scram-sha-256".to_owned(),
        sslmode: "disable".to_owned(),
        max_connections: 100,
        clients: vec!["local".to_owned()],
        data: "agents".to_owned(),
        tables: BTreeMap::from([("agentfeatures".to_owned(), 50), ("agent_login_status".to_owned(), 0)]),
        files: Vec::new(),
    }
}

fn facts() -> Facts {
    Facts {
        hostname: Some("bench-1".to_owned()),
        distribution: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
        suite: Some("bookworm".to_owned()),
        kernel: Some("6.18.44".to_owned()),
        architecture: "x86_64".to_owned(),
        cpu_model: Some("AMD EPYC 7763 64-Core Processor".to_owned()),
        cpus: 2,
        memory_bytes: Some(8_226_000_000),
        memory_available_bytes: Some(7_120_000_000),
        disk_free_bytes: Some(41_300_000_000),
        load_1m: Some(0.31),
        uptime_s: Some(18 * 60 + 12),
        boot_id: Some("6f0c3f1e-2f6b-4f0c-9a70-2f4d1c7f9f3e".to_owned()),
        virtualization: Some("kvm".to_owned()),
        cpu_governor: None,
        cpu_turbo: None,
        nofile: Some((1_024, 1_048_576)),
        user: "bench".to_owned(),
        nameless: false,
        sysctl: text_map(&[
            ("net.core.somaxconn", "4096"),
            ("net.ipv4.ip_local_port_range", "32768 60999"),
            ("net.ipv4.tcp_tw_reuse", "2"),
        ]),
        missing: Vec::new(),
    }
}

fn facts_after() -> Facts {
    Facts {
        memory_available_bytes: Some(7_030_000_000),
        disk_free_bytes: Some(41_000_000_000),
        load_1m: Some(2.94),
        uptime_s: Some(20 * 60 + 51),
        ..facts()
    }
}

fn text_map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
