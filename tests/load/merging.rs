//! Merging: the whole of parts is what one client would have counted.

use proptest::prelude::*;
use timetrial::loadgen::fault::Fault;
use timetrial::loadgen::lines::json;
use timetrial::loadgen::merged::{NotMerged, merged};
use timetrial::loadgen::result;
use timetrial::loadgen::stored::{NotStored, Stored, read};
use timetrial::loadgen::tally::Tally;
use timetrial::metric::LoadResult;

use crate::fixture;

/// One request of a made-up load.
#[derive(Debug, Clone, Copy)]
enum Event {
    Answer { status: u16, late_ns: u64, service_ns: u64 },
    Failure { fault: Fault, latency_ns: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    let status = prop::sample::select(vec![200_u16, 200, 200, 304, 404, 500]);
    let fault =
        prop::sample::select(vec![Fault::Receive(104), Fault::Timeout, Fault::ClosedInAnswer, Fault::Parse("x")]);
    let time = 1_u64..4_000_000_000_000;
    prop_oneof![
        4 => (status, 1_u64..900_000, time.clone())
            .prop_map(|(status, late_ns, service_ns)| Event::Answer { status, late_ns, service_ns }),
        1 => (fault, time).prop_map(|(fault, latency_ns)| Event::Failure { fault, latency_ns }),
    ]
}

fn of(events: impl Iterator<Item = Event>) -> LoadResult {
    let mut tally = Tally::default();
    for event in events {
        match event {
            Event::Answer { status, late_ns, service_ns } => fixture::answer(&mut tally, status, late_ns, service_ns),
            Event::Failure { fault, latency_ns } => fixture::failure(&mut tally, fault, latency_ns),
        }
    }
    result::of(&fixture::settings(Some(400.0)), &fixture::load(tally))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_merge_of_parts_is_the_whole(events in prop::collection::vec(event(), 1..200), clients in 1_usize..5) {
        let whole = of(events.iter().copied());
        let parts: Vec<LoadResult> =
            (0..clients).map(|client| of(events.iter().copied().skip(client).step_by(clients))).collect();
        // Through text, as it comes from other machines.
        let parts: Vec<LoadResult> = parts.iter().map(|part| match read(&json(part)) {
            Ok(Stored::Result(result)) => *result,
            other => panic!("{other:?}"),
        }).collect();
        let sum = merged(&parts).unwrap();
        prop_assert_eq!(&sum.requests, &whole.requests);
        prop_assert_eq!(&sum.statuses, &whole.statuses);
        prop_assert_eq!(&sum.errors, &whole.errors);
        prop_assert_eq!(&sum.latency, &whole.latency);
        prop_assert_eq!(&sum.service_time, &whole.service_time);
        prop_assert_eq!(&sum.send_lateness, &whole.send_lateness);
        prop_assert_eq!((sum.received_bytes, sum.sent_bytes), (whole.received_bytes, whole.sent_bytes));
        prop_assert!((sum.answers_per_s - whole.answers_per_s).abs() < 1e-6);
        prop_assert_eq!(sum.clients_count as usize, clients);
    }
}

#[test]
fn two_clients_are_one_load() {
    let mut other = fixture::mixed();
    other.started_unix_us += 200_000;
    other.engine = "io_uring".to_owned();
    other.surroundings.steal_us = None;
    let whole = merged(&[fixture::good(), other]).unwrap();
    assert_eq!((whole.threads_count, whole.connections.asked_count, whole.clients_count), (4, 128, 2));
    assert_eq!((whole.rate_asked_per_s, whole.engine.as_str()), (Some(800.0), "mixed"));
    assert_eq!(whole.surroundings.steal_us, None);
    assert!(whole.is_valid, "{:?}", whole.invalid_because);
}

#[test]
fn what_speaks_against_a_part_speaks_against_the_whole() {
    let mut late = fixture::doubtful();
    late.started_unix_us += 1_000_000;
    let whole = merged(&[fixture::good(), late.clone()]).unwrap();
    assert!(!whole.is_valid);
    let apart = "the clients began 1.00 s apart, of 30.0 s: they did not load the server together all the time";
    assert_eq!(whole.invalid_because.len(), late.invalid_because.len() + 1);
    assert_eq!(whole.invalid_because[0], format!("client 2: {}", late.invalid_because[0]));
    assert_eq!(whole.invalid_because.last().map(String::as_str), Some(apart));
}

#[test]
fn what_is_not_one_load_is_refused() {
    let check = |change: fn(&mut LoadResult), expected: &str| {
        let mut other = fixture::good();
        change(&mut other);
        let error = merged(&[fixture::good(), other]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        |other| other.url = "http://127.0.0.1:8080/".to_owned(),
        "they are not of one load: the URL is http://127.0.0.1:8080/agents in the first and http://127.0.0.1:8080/ in number 2",
    );
    check(
        |other| other.duration_asked_us = 10_000_000,
        "they are not of one load: the duration is 30.0 s in the first and 10.0 s in number 2",
    );
    check(
        |other| other.pace = "closed".to_owned(),
        "they are not of one load: the pace is precise in the first and closed in number 2",
    );
    check(
        |other| other.rates_asked = Some("100..300".to_owned()),
        "they are not of one load: the rate is the same all the time in the first and a ramp in number 2",
    );
    check(
        |other| other.started_unix_us += 60_000_000,
        "number 2 was not at work at the same time as the first: they began 60.0 s apart (hint: --start-at has clients begin together)",
    );
    check(
        |other| other.latency.histogram = None,
        "the latency histograms can't be added: it has samples and no histogram",
    );
    assert_eq!(merged(&[]), Err(NotMerged::Nothing));
}

#[test]
fn files_are_read_by_what_they_hold() {
    let good = fixture::good();
    let text = good.latency.histogram.clone().unwrap();
    let lines = format!("{{\"type\":\"start\"}}\n{}\n\n", json(&good));
    assert!(matches!(read(&lines), Ok(Stored::Result(result)) if *result == good));
    let histograms = |text: &str| match read(text) {
        Ok(Stored::Histograms(all)) => all.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(histograms(&format!("{text}\n{text}\n")), 2);
    let log = format!(
        "#[Logged with x]\n\"StartTimestamp\",\"Interval_Length\"\n0.127,1.007,2.769,{text}\n1.1,1.0,2.7,{text}\n"
    );
    assert_eq!(histograms(&log), 2);
    assert_eq!(histograms(&log.replace("\n0.127", "\nTag=A,0.127").replace("\n1.1", "\nTag=A,1.1")), 2);
    let tagged = log.replace("\n0.127", "\nTag=A,0.127");
    let tags = NotStored::Tags { one: "A".to_owned(), other: "nothing".to_owned() };
    assert_eq!(read(&tagged).unwrap_err(), tags);
}

#[test]
fn files_that_hold_something_else_are_told() {
    let check = |text: &str, expected: &str| {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    };
    check("", "it holds neither");
    check("\n# only a comment\n", "it holds neither");
    check("hello\n", "line 1: it is no HdrHistogram");
    check(
        "{\"type\":\"second\"}\n",
        "its last line is no result of a load, so the load did not end: it is of type second",
    );
    check("{\"type\":\"res", "its last line is no result of a load, so the load did not end: EOF");
    check(
        "{\"type\":\"result\",\"format\":1}",
        "its last line is no result of a load, so the load did not end: missing field",
    );
    let newer = json(&LoadResult { format: 2, tool: "timetrial 9.0.0".to_owned(), ..fixture::good() });
    check(&newer, "its format is 2, and this program reads up to 1: timetrial 9.0.0 reads it");
}
