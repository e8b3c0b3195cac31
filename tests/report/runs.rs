//! The runs that the tests look at.

use timetrial::event::{Happening, Moment, Outcome, Reason};
use timetrial::metric::{ErrorCounts, LoadFigures};
use timetrial::plan::{DatabaseUse, Trial, WorkersAt};
use timetrial::store::{RunState, StoredRun};

use crate::build::{
    POOL, between_two_machines, checked, cut_off, daemon, failed, figures, finish, happens, measured, planned, run,
    seen,
};
use crate::tuning;

const DJANGO: &str = "django-gunicorn";
const FLASK: &str = "flask-gunicorn";
const AIOHTTP: &str = "aiohttp-gunicorn";

/// Daemon, endpoint, database use, requests/s, bytes per response, bytes of the document.
type Row = (&'static str, &'static str, DatabaseUse, f64, u64, u64);

const ROWS: [Row; 8] = [
    (DJANGO, "/index", DatabaseUse::None, 2_012.4, 268, 18),
    (FLASK, "/index", DatabaseUse::None, 2_387.9, 178, 18),
    (AIOHTTP, "/index", DatabaseUse::None, 8_104.2, 171, 17),
    (DJANGO, "/agents", DatabaseUse::ConnectionPerRequest, 96.3, 7_352, 7_100),
    (DJANGO, "/agents_with_orm", DatabaseUse::ConnectionPerRequest, 88.1, 7_352, 7_100),
    (FLASK, "/agents", DatabaseUse::ConnectionPerRequest, 121.7, 7_262, 7_100),
    (FLASK, "/agents_with_pool", POOL, 604.5, 7_262, 7_100),
    (AIOHTTP, "/agents", POOL, 1_312.8, 6_570, 6_401),
];

fn with_daemons(id: &str) -> StoredRun {
    let mut run = run(id);
    daemon(&mut run, DJANGO, "Django on Gunicorn, sync workers", false);
    daemon(&mut run, FLASK, "Flask on Gunicorn, sync workers", false);
    daemon(&mut run, AIOHTTP, "aiohttp on Gunicorn", true);
    run
}

fn with_plan(id: &str) -> (StoredRun, Vec<(Trial, Row)>) {
    let mut run = with_daemons(id);
    let plan = ROWS.map(|row| (planned(&mut run, row.0, row.1, row.2), row)).to_vec();
    (run, plan)
}

fn measure(run: &mut StoredRun, trial: Trial, row: Row) {
    let seen = seen(run, &trial, row.5);
    let mut figures = figures(row.3, row.4);
    if row.1 == "/agents_with_orm" {
        (figures.errors.timeout, figures.late_answers) = (7, Some(7));
        // wrk keeps no latency of a late answer.
        let times = figures.service_time.as_mut().expect("wrk has service times");
        times.samples = Some(figures.requests - 7);
    }
    measured(run, trial, figures, seen);
}

/// All eight rows; one of them has late answers.
pub fn full() -> StoredRun {
    let (mut run, plan) = with_plan("20261112T182904Z-quickstart-3f9a");
    for (trial, row) in plan {
        measure(&mut run, trial, row);
    }
    finish(&mut run);
    run
}

/// Over a network that was checked by two tools before, and by one of them after.
pub fn networked() -> StoredRun {
    let (mut run, plan) = with_plan("20261112T201500Z-quickstart-5d20");
    between_two_machines(&mut run, &["iperf", "iperf3"]);
    checked(&mut run, Moment::Before, "iperf", 903, 943);
    checked(&mut run, Moment::Before, "iperf3", 911, 938);
    for (place, (_, row)) in plan.into_iter().enumerate() {
        let trial = run.plan.trials[place].clone();
        measure(&mut run, trial, row);
    }
    checked(&mut run, Moment::After, "iperf", 901, 940);
    let message = "no network check after the last trial: iperf3 ended with exit code 0".to_owned();
    happens(&mut run, 9, Happening::Warning { message });
    finish(&mut run);
    run
}

/// One daemon dies at its start; one answers with refusals; one another document.
pub fn with_failures() -> StoredRun {
    let (mut run, plan) = with_plan("20261112T191500Z-quickstart-77c1");
    for (place, (trial, row)) in plan.into_iter().enumerate() {
        match place {
            3 => failed(&mut run, trial, died()),
            6 => {
                let seen = seen(&run, &trial, row.5);
                let mut figures = figures(5_088.0, 190);
                figures.errors = ErrorCounts { status: figures.requests - 480, timeout: 31, ..ErrorCounts::default() };
                figures.late_answers = Some(31);
                measured(&mut run, trial, figures, seen);
            }
            7 => {
                let mut seen = seen(&run, &trial, row.5);
                seen.document_after = Some((false, Some("$[0].number: \"301\" instead of \"300\"".to_owned())));
                measured(&mut run, trial, figures(row.3, row.4), seen);
            }
            _ => measure(&mut run, trial, row),
        }
    }
    let after = run.facts.get_mut("local").and_then(|moments| moments.get_mut("after")).expect("the run has facts");
    after.sysctl.insert("net.ipv4.tcp_tw_reuse".to_owned(), "1".to_owned());
    finish(&mut run);
    run
}

fn died() -> Reason {
    Reason {
        code: "daemon-died".to_owned(),
        message: "django-gunicorn ended with exit code 3 before it answered /agents".to_owned(),
        detail: [
            "[2026-11-12 19:16:02 +0000] [3220] [ERROR] Exception in worker process",
            "Traceback (most recent call last):",
            "  File \"agentsite/wsgi.py\", line 3, in <module>",
            "ModuleNotFoundError: No module named 'psycopg2'",
            "[2026-11-12 19:16:02 +0000] [3220] [ERROR] Worker failed to boot.",
        ]
        .map(str::to_owned)
        .to_vec(),
        hint: Some("psycopg2-binary is missing from daemons/django-gunicorn/requirements.txt".to_owned()),
    }
}

/// Cut off in the fourth trial.
pub fn incomplete() -> StoredRun {
    let (mut run, plan) = with_plan("20261112T200000Z-quickstart-0b52");
    for (place, (trial, row)) in plan.into_iter().enumerate() {
        match place {
            0..3 => measure(&mut run, trial, row),
            3 => cut_off(&mut run, trial),
            _ => {}
        }
    }
    run
}

/// An open loop with three samples of each row, one of which falls behind.
pub fn repeats() -> StoredRun {
    let mut run = with_daemons("20261113T030000Z-nightly-91aa");
    for repeat in 1..=3 {
        for (name, rate) in [(DJANGO, 480.2), (AIOHTTP, 499.7)] {
            let mut trial = planned(&mut run, name, "/index", DatabaseUse::None);
            "constant-rate".clone_into(&mut trial.round);
            "wrk2".clone_into(&mut trial.load.tool);
            trial.repeat = repeat;
            trial.load.rate = Some(500);
            *run.plan.trials.last_mut().expect("just planned") = trial.clone();
            let seen = seen(&run, &trial, 18);
            let mut figures = figures(rate + f64::from(repeat), 178);
            figures.rate_asked = Some(500);
            figures.tool = "wrk2 4.0.0".to_owned();
            figures.late_answers = None;
            figures.service_time = None;
            let answers = figures.requests;
            let latency = figures.latency.as_mut().expect("they have a latency");
            // The first ten of fifteen seconds are calibration.
            latency.samples = Some(answers / 3);
            latency.mean_us /= 20.0;
            latency.percentiles.retain(|percentile| percentile.rank != 99.9);
            measured(&mut run, trial, figures, seen);
        }
    }
    finish(&mut run);
    run
}

/// Markup, terminal sequences, formulas, table marks, directions and NUL.
pub const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\u{1b}]52;c;cm0gLXJmIH4=\u{7}",
    "=cmd|' /C calc'!A0",
    "| pipe | `tick` ``` [link](http://evil.example) <img src=x onerror=alert(1)>",
    "a\u{202e}b\u{2066}c\0d\u{9b}31m\u{feff}\u{200b}",
    "\" onmouseover=\"alert(1)\" x='",
    "line one\nline two\r\n\tline three",
    "</style></title></pre>--><svg onload=alert(1)>",
];

/// Outside bytes wherever they can be.
pub fn hostile() -> StoredRun {
    let (mut run, plan) = with_plan("=HYPERLINK(\"http://evil.example\")");
    let all = HOSTILE.join(" ");
    run.plan.title = all.clone();
    run.plan.scenario = HOSTILE[0].to_owned();
    run.plan.inputs.insert(all.clone(), all.clone());
    for (place, daemon) in run.plan.daemons.iter_mut().enumerate() {
        daemon.title = HOSTILE[[0, 2, 3][place]].to_owned();
        daemon.protocol = all.clone();
        daemon.processes[0].command.arguments.push(all.clone());
        daemon.processes[0].workers = WorkersAt::Nowhere;
        daemon.processes[0].command.environment.insert("X".to_owned(), all.clone());
    }
    for (place, (mut trial, row)) in plan.into_iter().enumerate() {
        trial.endpoint = HOSTILE[place].to_owned();
        trial.round = HOSTILE[7 - place].to_owned();
        trial.document = HOSTILE[place].to_owned();
        trial.load.tool = all.clone();
        let mut seen = seen(&run, &trial, row.5);
        seen.leftovers = HOSTILE.map(str::to_owned).to_vec();
        seen.document_after = Some((false, Some(all.clone())));
        seen.load_commands = vec![HOSTILE.map(str::to_owned).to_vec()];
        let figures = LoadFigures { tool: all.clone(), ..figures(row.3, row.4) };
        if place % 2 == 0 {
            measured(&mut run, trial, figures, seen);
        } else {
            let reason = Reason {
                code: HOSTILE[2].to_owned(),
                message: all.clone(),
                detail: HOSTILE.map(str::to_owned).to_vec(),
                hint: Some(all.clone()),
            };
            failed(&mut run, trial, reason);
        }
    }
    hostile_facts(&mut run, &all);
    tuning::everywhere(&mut run, &all);
    happens(&mut run, 1, Happening::Warning { message: all.clone() });
    let reason = Reason { code: all.clone(), message: all.clone(), detail: vec![all.clone()], hint: Some(all) };
    run.state = RunState::Complete(Outcome::Failed { reason });
    run
}

fn hostile_facts(run: &mut StoredRun, all: &str) {
    let facts = run.facts.get_mut("local").and_then(|moments| moments.get_mut("after")).expect("the run has facts");
    facts.hostname = Some(all.to_owned());
    facts.kernel = Some(all.to_owned());
    facts.cpu_model = Some(all.to_owned());
    facts.sysctl.insert(all.to_owned(), all.to_owned());
    let facts = facts.clone();
    run.facts.insert(all.to_owned(), [("before".to_owned(), facts)].into());
    let versions = [(all.to_owned(), all.to_owned())].into();
    let finished = Happening::ProvisionFinished {
        machine: "local".to_owned(),
        name: "tools".to_owned(),
        digest: all.to_owned(),
        reused: false,
        bytes: u64::MAX,
        took_ms: 1,
        versions,
    };
    happens(run, 1, finished);
    let machine = &mut run.plan.machines[0];
    machine.roles.push(all.to_owned());
    machine.address = all.to_owned();
}
