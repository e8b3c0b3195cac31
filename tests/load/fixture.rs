//! Loads that never happened, with figures that are easy to check.

use std::path::PathBuf;
use std::time::Duration;

use timetrial::loadgen::drive::Load;
use timetrial::loadgen::fault::Fault;
use timetrial::loadgen::request::{Expect, Requests, Spec};
use timetrial::loadgen::result;
use timetrial::loadgen::schedule::Schedule;
use timetrial::loadgen::settings::{Address, Engine, Pace, Protocol, Settings, Target, Wait};
use timetrial::loadgen::tally::{Tally, add};
use timetrial::metric::{LoadResult, Surroundings};

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/load")
}

/// A load of 30 s.
pub fn settings(rate: Option<f64>) -> Settings {
    let duration = Duration::from_secs(30);
    let spec = Spec {
        method: "GET".to_owned(),
        path: "/agents".to_owned(),
        headers: vec![("Host".to_owned(), "127.0.0.1:8080".to_owned())],
        body: Vec::new(),
        weight: 1,
        expect: Expect::default(),
    };
    Settings {
        target: Target {
            url: "http://127.0.0.1:8080/agents".to_owned(),
            authority: "127.0.0.1:8080".to_owned(),
            addresses: vec![Address::Tcp(([127, 0, 0, 1], 8080).into())],
            tls: None,
        },
        requests: Requests::of(vec![spec]),
        threads: 2,
        connections: 64,
        duration,
        pace: rate.map_or(Pace::Closed, |rate| Pace::Open(Schedule::constant(rate, duration))),
        timeout: Duration::from_secs(2),
        requests_per_connection: None,
        protocol: Protocol::Http1,
        engine: Engine::Auto,
        wait: Wait::Precise,
        real_time: true,
        cpus: Vec::new(),
        start_at_us: None,
        lateness_bound: Duration::from_millis(1),
    }
}

/// One request that was answered, in nanoseconds.
pub fn answer(tally: &mut Tally, status: u16, late_ns: u64, service_ns: u64) {
    tally.due += 1;
    tally.sent += 1;
    tally.answers += 1;
    tally.answers_in_time += 1;
    tally.statuses[usize::from(status)] += 1;
    tally.bytes_received += 160;
    tally.bytes_sent += 60;
    add(&mut tally.lateness, late_ns);
    if (200..400).contains(&status) {
        tally.successes += 1;
        tally.successes_in_time += 1;
        add(&mut tally.latency, late_ns + service_ns);
        add(&mut tally.service, service_ns);
    } else {
        tally.fault(Fault::Status(status), late_ns + service_ns);
    }
}

/// One request that failed without an answer.
pub fn failure(tally: &mut Tally, fault: Fault, latency_ns: u64) {
    tally.due += 1;
    tally.sent += 1;
    add(&mut tally.lateness, 20_000);
    tally.fault(fault, latency_ns);
    if fault == Fault::Timeout {
        add(&mut tally.latency, latency_ns);
        add(&mut tally.service, latency_ns);
        tally.bounded += 1;
    }
}

/// So many answers, from 1 ms on, each 100 ns later than the one before.
pub fn tally(answers: u64) -> Tally {
    let mut tally = Tally::default();
    for number in 0..answers {
        answer(&mut tally, 200, 20_000 + number % 100 * 300, 1_000_000 + number * 100);
    }
    (0..64).for_each(|number| add(&mut tally.connecting, 80_000 + number * 1_000));
    tally.connections_opened = 64;
    tally.connections_most = 64;
    tally.connections_alive = 64;
    tally
}

pub fn load(tally: Tally) -> Load {
    Load {
        tally,
        protocol: Some("HTTP/1.1"),
        engine: "epoll",
        scheduler: "SCHED_FIFO",
        scheduler_because: None,
        receive_times: "kernel",
        started_unix_us: 1_800_000_000_000_000,
        duration_ns: 30_000_000_000,
        is_interrupted: false,
        surroundings: Surroundings {
            own_cpu_user_us: 300_000,
            own_cpu_system_us: 900_000,
            busiest_thread_cpu_us: 620_000,
            steal_us: Some(1_500),
            retransmits_count: Some(0),
            syn_retransmits_count: Some(0),
            peak_memory_bytes: Some(3_200_000),
        },
    }
}

/// An open loop of 400 requests a second that went well.
pub fn good() -> LoadResult {
    result::of(&settings(Some(400.0)), &load(tally(12_000)))
}

/// The same with all that can go wrong in it, and still valid.
pub fn mixed_tally() -> Tally {
    let mut tally = tally(11_940);
    (0..30).for_each(|number| answer(&mut tally, 500, 20_000, 400_000 + number * 1_000));
    (0..12).for_each(|_| failure(&mut tally, Fault::Receive(104), 700_000));
    (0..5).for_each(|_| failure(&mut tally, Fault::ClosedBeforeAnswer, 300_000));
    (0..3).for_each(|_| failure(&mut tally, Fault::Timeout, 2_000_000_000));
    tally.due += 6;
    tally.sent += 4;
    tally.unfinished = 4;
    tally.never_sent = 2;
    (0..6).for_each(|_| add(&mut tally.latency, 1_500_000_000));
    (0..4).for_each(|_| add(&mut tally.service, 1_500_000_000));
    tally.bounded += 6;
    tally.answers_in_time -= 3;
    tally.successes_in_time -= 3;
    tally.connections_opened += 20;
    tally.connections_replaced += 20;
    tally
}

pub fn mixed() -> LoadResult {
    result::of(&settings(Some(400.0)), &load(mixed_tally()))
}

/// A closed loop of a full processor.
pub fn closed() -> LoadResult {
    let mut load = load(tally(60_000));
    load.tally.lateness.clear();
    load.tally.due = 0;
    load.scheduler = "SCHED_OTHER";
    load.surroundings.busiest_thread_cpu_us = 29_500_000;
    load.surroundings.steal_us = None;
    result::of(&settings(None), &load)
}

/// A load that nobody answered.
pub fn nothing() -> LoadResult {
    let mut tally = Tally::default();
    (0..64).for_each(|_| tally.fault(Fault::Connect(111), 90_000));
    tally.due = 12_000;
    tally.never_sent = 12_000;
    (0..12_000).for_each(|number| add(&mut tally.latency, 2_500_000 * (12_000 - number)));
    tally.bounded = 12_000;
    let mut load = load(tally);
    load.protocol = None;
    load.surroundings = Surroundings::default();
    result::of(&settings(Some(400.0)), &load)
}

/// A load that can't be believed, for every reason there is.
pub fn doubtful() -> LoadResult {
    let mut tally = tally(3_000);
    (0..100).for_each(|_| add(&mut tally.lateness, 7_000_000));
    tally.connections_most = 60;
    tally.due = 4_000;
    tally.never_sent = 1_000;
    let mut load = load(tally);
    load.duration_ns = 10_000_000_000;
    load.is_interrupted = true;
    load.scheduler = "SCHED_OTHER";
    load.scheduler_because = Some("this process may not ask for another: EPERM (Operation not permitted)".to_owned());
    load.surroundings.busiest_thread_cpu_us = 9_900_000;
    result::of(&settings(Some(400.0)), &load)
}
