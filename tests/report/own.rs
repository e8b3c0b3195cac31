//! What our own load generator says of itself reaches the referee and the tables; loads of several machines are told as such.

use timetrial::event::Moment;
use timetrial::metric::{Account, Connections, ErrorCounts, Latency, LoadFigures, Percentile, Surroundings};
use timetrial::plan::DatabaseUse;
use timetrial::referee::{Verdict, judge};
use timetrial::report::Report;
use timetrial::store::StoredRun;

use crate::build::{between_two_machines, checked, daemon, figures, measured, planned, run, seen};

/// Times whose every rank is so many times this one.
fn times(samples: u64, us: f64) -> Latency {
    let percentiles =
        [(50.0, 1.0), (90.0, 2.0), (99.0, 4.0)].map(|(rank, factor)| Percentile { rank, us: us * factor });
    Latency {
        samples: Some(samples),
        mean_us: us,
        stdev_us: us,
        min_us: Some(us / 10.0),
        max_us: us * 8.0,
        percentiles: percentiles.to_vec(),
    }
}

/// Figures of a fine load: open at this rate, or closed.
fn own(rate: Option<u64>) -> LoadFigures {
    let mut figures = figures(2_000.0, 178);
    figures.rate_asked = rate;
    figures.tool = "timetrial 0.1.0".to_owned();
    let connections = Connections {
        asked_count: 64,
        most_open_count: 64,
        opened_count: 70,
        replaced_count: 6,
        closed_by_server_count: 0,
        alive_count: 64,
    };
    figures.account = Some(Box::new(Account {
        due: rate.map(|_| figures.requests),
        sent: figures.requests,
        answered: figures.requests,
        successes: figures.requests,
        under_way: 63.9,
        unfinished: 0,
        never_sent: 0,
        latency_lower_bounds: 0,
        service_time_lower_bounds: 0,
        connections,
        send_lateness: Some(times(figures.requests, 40.0)),
        lateness_bound_us: 1_000.0,
        invalid_because: Vec::new(),
        engine: "epoll, closed, SCHED_OTHER, receive times of the kernel".to_owned(),
        surroundings: Surroundings::default(),
        clients: 1,
    }));
    figures
}

/// A run of one trial with these figures, its generator's word changed.
fn with(rate: Option<u64>, change: impl FnOnce(&mut LoadFigures, &mut Account)) -> StoredRun {
    let mut run = run("20261112T182904Z-quickstart-3f9a");
    daemon(&mut run, "flask", "Flask", false);
    let mut trial = planned(&mut run, "flask", "/index", DatabaseUse::None);
    (trial.load.tool, trial.load.rate) = ("timetrial".to_owned(), rate);
    run.plan.trials[0] = trial.clone();
    let mut figures = own(rate);
    let mut account = figures.account.take().expect("it tells of itself");
    change(&mut figures, &mut account);
    figures.account = Some(account);
    let seen = seen(&run, &trial, 18);
    measured(&mut run, trial, figures, seen);
    run
}

fn verdict(run: &StoredRun) -> Verdict {
    judge(run).verdict("0001").expect("every trial has a verdict").clone()
}

/// The rules that apply, and the first one's message.
fn found(rate: Option<u64>, change: impl FnOnce(&mut LoadFigures, &mut Account)) -> (Vec<&'static str>, String) {
    let verdict = verdict(&with(rate, change));
    let findings = verdict.findings();
    (findings.iter().map(|finding| finding.rule).collect(), findings[0].message.clone())
}

#[test]
fn a_fine_load_is_fine() {
    for rate in [None, Some(2_000)] {
        assert_eq!(found(rate, |_, _| ()).0, ["samples"]);
    }
}

#[test]
fn a_generator_that_does_not_believe_itself_makes_invalid() {
    let run = with(Some(2_000), |_, account| {
        account.invalid_because = vec!["its own lateness is 3 ms".to_owned(), "it was stopped".to_owned()];
        account.send_lateness = Some(times(30_040, 9_000.0));
    });
    let verdict = verdict(&run);
    assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");
    // Its lateness is told once.
    let [finding] = verdict.findings() else { panic!("{verdict:?}") };
    assert_eq!(
        (finding.rule, finding.message.as_str()),
        ("generator-invalid", "the load generator says of its own figures: its own lateness is 3 ms; it was stopped")
    );
}

#[test]
fn a_generator_that_was_late_makes_suspect() {
    let late =
        |us: f64| move |_: &mut LoadFigures, account: &mut Account| account.send_lateness = Some(times(30_040, us));
    let (rules, message) = found(Some(2_000), late(8_000.0));
    assert_eq!(rules, ["generator-late"]);
    assert!(
        message.starts_with("at 50 % the load generator sent 8.00 ms late, 26.0 % of the latency of 30.7 ms"),
        "{message}"
    );
    let (rules, message) = found(None, late(9_000.0));
    assert_eq!(rules, ["generator-late"]);
    assert!(
        message.starts_with("each connection waited 9.00 ms for the load generator before each request, 22.0 %"),
        "{message}"
    );
}

#[test]
fn what_was_never_sent_makes_suspect() {
    let (rules, message) = found(Some(2_000), |_, account| account.never_sent = 31);
    assert_eq!(rules, ["rate-not-kept"]);
    assert_eq!(
        message,
        "31 of 30,040 due requests (0.10 %) were never sent, since none of 64 connections was free: the rate was not the one \
         asked for"
    );
    assert_eq!(found(Some(2_000), |_, account| account.never_sent = 30).0, ["samples"]);
}

/// The tool waits for what is under way at the end: refusals may be more than the answers within the measured time.
#[test]
fn refusals_are_held_against_all_answers() {
    let (rules, message) = found(None, |figures, account| {
        (figures.requests, account.answered, account.successes) = (30_040, 30_100, 40);
        figures.errors = ErrorCounts { status: 30_060, ..ErrorCounts::default() };
    });
    assert_eq!(rules, ["status-errors"]);
    assert!(message.starts_with("30,060 of 30,100 answers (99.9 %)"), "{message}");
    assert!(message.ends_with("40 succeeded: the latencies are those of the others alone"), "{message}");
    let (rules, message) = found(None, |figures, account| {
        figures.errors = ErrorCounts { timeout: 7, document: 2, ..ErrorCounts::default() };
        (account.service_time_lower_bounds, account.successes) = (7, 30_038);
    });
    assert_eq!(rules, ["errors"]);
    assert!(message.contains("timeout 7 (0.02 %), document 2 ("), "{message}");
    assert!(
        message.ends_with(", but for what was given up: that is in them as long as it was waited for"),
        "{message}"
    );
}

#[test]
fn connections_that_were_not_there_are_seen() {
    let (rules, message) = found(None, |_, account| account.connections.most_open_count = 60);
    assert_eq!(rules, ["fewer-connections"]);
    assert_eq!(message, "64 connections asked for, 60 open at once at most: the load was smaller than stated");
    let (rules, message) = found(None, |_, account| account.under_way = 40.0);
    assert_eq!(rules, ["littles-law"]);
    assert!(
        message.starts_with("all times together are 40.0 requests under way at once, with 64 connections alive"),
        "{message}"
    );
}

#[test]
fn its_lateness_stands_in_the_tables_and_in_the_csv() {
    let run = with(Some(2_000), |_, account| (account.unfinished, account.latency_lower_bounds) = (3, 5));
    let report = Report::new(&run);
    let (markdown, csv) = (report.markdown(), report.csv());
    assert!(markdown.contains("Send lateness p99") && markdown.contains("160 µs"), "{markdown}");
    let [head, line]: [Vec<&str>; 2] =
        [csv.lines().next(), csv.lines().nth(1)].map(|line| line.expect("there are two").split(',').collect());
    let cell = |name: &str| line[head.iter().position(|column| *column == name).expect("there is one")];
    assert_eq!(cell("send_lateness_p50_us"), "40");
    assert_eq!(cell("send_lateness_p99_us"), "160");
    assert_eq!((cell("sent_count"), cell("unfinished_count"), cell("never_sent_count")), ("30040", "3", "0"));
    assert_eq!((cell("latency_lower_bounds_count"), cell("document_errors_count")), ("5", "0"));
    let plain = Report::new(&with(None, |_, account| account.send_lateness = None)).markdown();
    assert!(!plain.contains("Send lateness"), "{plain}");
}

/// Two clients, each checked by itself: the server's side is the limit that somebody has seen, and each one's own is one.
#[test]
fn a_load_from_two_machines_is_told_with_its_parts() {
    let mut run = with(None, |_, account| account.clients = 2);
    between_two_machines(&mut run, &["iperf"]);
    let second = timetrial::plan::Machine { name: "second".to_owned(), ..run.plan.machines[1].clone() };
    run.plan.machines.push(second);
    run.plan.trials[0].more_clients = vec!["second".to_owned()];
    run.trials[0].trial = run.plan.trials[0].clone();
    checked(&mut run, Moment::Before, "iperf", 900, 100);
    let carried = |run: &StoredRun| run.answers_carried(&run.plan.trials[0]);
    assert_eq!(carried(&run), None, "the second one was not checked");
    let mut other = run.events.last().expect("the check").clone();
    if let timetrial::event::Happening::NetworkChecked { client, figures, .. } = &mut other.event {
        "second".clone_into(client);
        figures.to_client.bytes_received *= 3;
    }
    other.sequence += 1;
    run.events.push(other);
    let (one, both) = (run.answer_rate("loader", "local"), carried(&run));
    assert_eq!(both, one.map(|rate| rate * 2.0), "each has half of the load, and the first carries no more");
    let markdown = Report::new(&run).markdown();
    assert!(markdown.contains("load from loader and second together to the daemon on local"), "{markdown}");
    assert!(markdown.contains("32 + 32 connections, 2 threads each"), "{markdown}");
}
