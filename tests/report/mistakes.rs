//! The mistakes of the 2015 campaign and their like: each is caught, by its rule, with its numbers.

use timetrial::event::{Outcome, Reason};
use timetrial::metric::{ErrorCounts, LoadFigures};
use timetrial::plan::DatabaseUse;
use timetrial::referee::{Gives, Verdict, judge, rules};
use timetrial::report::Report;
use timetrial::store::{Seen, StoredRun, StoredTrial};

use crate::build::{daemon, figures, measured, planned, run, seen};
use crate::runs;

/// Judges one trial, built from a good one by a change.
fn judged(change: impl FnOnce(&mut StoredTrial)) -> Verdict {
    let mut run = good();
    change(&mut run.trials[0]);
    judge(&run).verdict("0001").expect("every trial has a verdict").clone()
}

fn good() -> StoredRun {
    let mut run = run("20261112T182904Z-quickstart-3f9a");
    daemon(&mut run, "flask", "Flask", false);
    let trial = planned(&mut run, "flask", "/index", DatabaseUse::None);
    let seen = seen(&run, &trial, 18);
    measured(&mut run, trial, figures(2_000.0, 178), seen);
    run
}

/// The same with figures of 2015: `wrk -t12 -c400 -d30s`.
fn published(figures: LoadFigures) -> Verdict {
    judged(|stored| {
        stored.trial.load.threads = 12;
        stored.trial.load.connections = 400;
        stored.trial.load.duration_s = 30.0;
        stored.figures = Some(figures);
    })
}

fn of_2015(requests: u64, printed: f64, mean_us: f64, errors: ErrorCounts) -> LoadFigures {
    let mut figures = figures(2_000.0, 178);
    figures.requests = requests;
    figures.duration_us = 30_110_000;
    figures.printed_requests_per_second = printed;
    figures.errors = errors;
    // What wrk called a timeout before its version 4 was no count of answers.
    figures.late_answers = None;
    let latency = figures.latency.as_mut().expect("they have a latency");
    latency.mean_us = mean_us;
    latency.max_us = 26_430_000.0;
    latency.percentiles.clear();
    figures.service_time = figures.latency.clone();
    figures.threads = 12;
    figures.connections_asked = 400;
    figures.connections_used = 396;
    figures
}

fn rules_of(verdict: &Verdict) -> Vec<&'static str> {
    verdict.findings().iter().map(|finding| finding.rule).collect()
}

/// The sentence of a rule that made a trial suspect.
fn suspect(verdict: &Verdict, rule: &str) -> String {
    assert!(matches!(verdict, Verdict::Suspect(_)), "{verdict:?}");
    message(verdict, rule)
}

fn message(verdict: &Verdict, rule: &str) -> String {
    let finding = verdict.findings().iter().find(|finding| finding.rule == rule);
    finding.unwrap_or_else(|| panic!("{rule} is not in {verdict:?}")).message.clone()
}

#[test]
fn one_good_sample_is_unjudged() {
    let verdict = judged(|_| {});
    assert_eq!((verdict.word(), verdict.findings()[0].message.as_str()), ("unjudged", "one sample"));
}

#[test]
fn django_index_lost_its_connections_and_obeys_no_law() {
    let errors = ErrorCounts { connect: 396, timeout: 4_093, ..ErrorCounts::default() };
    let verdict = published(of_2015(70_598, 2_344.23, 7_700_000.0, errors));
    let connections = suspect(&verdict, "fewer-connections");
    assert!(
        connections.starts_with("400 connections asked for, 396 used (12 threads with 33 each), 0 alive"),
        "{connections}"
    );
    let law = suspect(&verdict, "littles-law");
    assert!(law.contains("2,345/s × 7.70 s mean latency is 18,054 requests under way"), "{law}");
    let errors = suspect(&verdict, "errors");
    assert!(errors.contains("connect 396 (0.56 %), timeout 4,093 (5.8 %)"), "{errors}");
}

#[test]
fn wrks_corrected_latency_is_not_taken_for_the_service_time() {
    // Pauses of a daemon make wrk invent answers: its mean grows a hundredfold, while nobody waited longer.
    let corrected = |stored: &mut StoredTrial, known: bool| {
        let figures = stored.figures.as_mut().expect("the trial was measured");
        figures.service_time = figures.latency.clone().filter(|_| known);
        let latency = figures.latency.as_mut().expect("it has a latency");
        latency.mean_us *= 100.0;
        latency.max_us *= 100.0;
    };
    let verdict = judged(|stored| corrected(stored, true));
    assert_eq!(rules_of(&verdict), ["samples"]);
    let verdict = judged(|stored| corrected(stored, false));
    assert!(suspect(&verdict, "littles-law").contains("(ratio 0.01"), "{verdict:?}");
    assert!(suspect(&verdict, "latency-corrected").starts_with("no service times were read: the mean of 3.20 s"));
}

#[test]
fn a_load_whose_connections_died_is_no_load() {
    // 1,000 answers on each connection, then the daemon closed it, and the load generator opened no new one.
    let slowed = |stored: &mut StoredTrial, times: f64, keep_alive: bool| {
        let figures = stored.figures.as_mut().expect("the trial was measured");
        for latency in [&mut figures.latency, &mut figures.service_time].into_iter().flatten() {
            latency.mean_us /= times;
        }
        stored.seen.keep_alive = Some(keep_alive);
    };
    let verdict = judged(|stored| slowed(stored, 8.0, true));
    assert_eq!(verdict.word(), "invalid");
    assert!(rules_of(&verdict).contains(&"connections-lost"), "{verdict:?}");
    // One connection for each request takes time between requests that nobody counts as latency.
    let verdict = judged(|stored| slowed(stored, 8.0, false));
    assert!(!rules_of(&verdict).contains(&"connections-lost"), "{verdict:?}");
    let verdict = judged(|stored| slowed(stored, 1.5, true));
    assert_eq!(verdict.word(), "suspect");
}

#[test]
fn connections_that_thread_division_drops_are_missed() {
    let verdict = published(of_2015(395_847, 13_146.69, 30_120.0, ErrorCounts::default()));
    assert_eq!(rules_of(&verdict), ["fewer-connections"]);
}

#[test]
fn a_total_printed_as_a_rate_is_caught() {
    let verdict = published(of_2015(70_598, 70_598.0, 168_900.0, ErrorCounts::default()));
    let message = suspect(&verdict, "printed-rate");
    assert!(message.contains("printed 70,598/s") && message.contains("2,345/s (30.11 times that)"), "{message}");
}

#[test]
fn flasks_pool_succeeded_480_times() {
    let errors = ErrorCounts { connect: 199, receive: 62, timeout: 3_505, status: 75_932, ..ErrorCounts::default() };
    let verdict = published(of_2015(76_412, 2_538.6, 78_000.0, errors));
    let status = suspect(&verdict, "status-errors");
    assert!(status.starts_with("75,932 of 76,412 answers (99.4 %)") && status.contains("480 succeeded"), "{status}");
    let other = suspect(&verdict, "errors");
    assert!(other.contains("connect 199 (0.26 %), receive 62 (0.08 %), timeout 3,505 (4.6 %)"), "{other}");
}

#[test]
fn api_hour_missed_the_rate_without_an_error() {
    let verdict = judged(|stored| {
        let figures = stored.figures.as_mut().unwrap();
        figures.rate_asked = Some(4_000);
        figures.requests = 55_544;
        figures.printed_requests_per_second = 3_698.0;
        let latency = figures.latency.as_mut().unwrap();
        latency.mean_us = 7_840_000.0;
        latency.max_us = 106_000_000.0;
    });
    assert_eq!(rules_of(&verdict), ["rate-not-reached"]);
    let message = message(&verdict, "rate-not-reached");
    assert!(message.starts_with("3,698 of 4,000 requests/s reached (92.5 %)"), "{message}");
}

#[test]
fn keep_alive_that_differs_is_seen() {
    let verdict = judged(|stored| stored.seen.keep_alive = Some(true));
    assert!(suspect(&verdict, "keep-alive-differs").contains("closes each connection"));
}

#[test]
fn a_protocol_that_differs_is_seen_and_grouped_by() {
    let old = |stored: &mut StoredTrial| stored.seen.protocol = Some("HTTP/1.0".to_owned());
    let message = suspect(&judged(old), "protocol-differs");
    assert!(message.contains("declared as one that speaks HTTP/1.1, but it answered in HTTP/1.0"), "{message}");
    let mut run = runs::full();
    old(&mut run.trials[0]);
    let markdown = Report::new(&run).markdown();
    assert!(markdown.contains("protocol: HTTP/1.0**") && markdown.contains("protocol: HTTP/1.1**"), "{markdown}");
    // A run that was kept before the protocol was looked at says nothing against it.
    assert_eq!(rules_of(&judged(|stored| stored.seen.protocol = None)), ["samples"]);
}

#[test]
fn missing_workers_are_counted() {
    let verdict = judged(|stored| stored.seen.workers = Some(1));
    assert!(suspect(&verdict, "workers-differ").starts_with("2 workers asked for, 1 counted"));
}

#[test]
fn a_start_that_is_measured_is_seen() {
    suspect(&judged(|stored| stored.seen.calm = Some(false)), "not-calm");
}

#[test]
fn processes_that_outlive_their_daemon_are_named() {
    let left = || ["31 gunicorn", "32 gunicorn", "33 gunicorn", "34 gunicorn"].map(str::to_owned).to_vec();
    let verdict = judged(|stored| stored.seen.leftovers = left());
    assert!(suspect(&verdict, "leftovers").contains("(31 gunicorn; 32 gunicorn; 33 gunicorn and 1 more)"));
}

#[test]
fn a_load_that_ended_early_is_seen() {
    let verdict = judged(|stored| stored.trial.load.duration_s = 30.0);
    assert!(suspect(&verdict, "load-duration").contains("lasted 15.0 s, 30.0 s were planned"));
}

#[test]
fn a_wrong_document_makes_invalid() {
    let verdict = judged(|stored| stored.seen.document_after = Some((false, Some("18 bytes more".to_owned()))));
    assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");
    assert!(message(&verdict, "wrong-document").contains("(18 bytes more)"));
}

#[test]
fn nothing_but_refusals_is_invalid() {
    let verdict = judged(|stored| {
        let figures = stored.figures.as_mut().unwrap();
        figures.errors.status = figures.requests;
    });
    assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");
    assert_eq!(rules_of(&verdict), ["no-success", "status-errors"]);
}

#[test]
fn no_answer_at_all_is_invalid() {
    let verdict = judged(|stored| {
        let figures = stored.figures.as_mut().unwrap();
        (figures.requests, figures.bytes_received, figures.printed_requests_per_second) = (0, 0, 0.0);
        figures.errors.connect = 64;
    });
    assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");
    assert!(message(&verdict, "errors").starts_with("errors against 0 answers: connect 64;"));
}

/// Nothing but late answers, or none at all, has counts and no latency: it is invalid and shown, not missing.
#[test]
fn a_total_failure_is_invalid() {
    let failing = |requests: u64, errors: ErrorCounts| {
        judged(|stored| {
            let figures = stored.figures.as_mut().unwrap();
            (figures.requests, figures.late_answers, figures.errors) = (requests, Some(errors.timeout), errors);
            figures.printed_requests_per_second = figures.requests_per_second();
            (figures.latency, figures.service_time) = (None, None);
        })
    };
    let late = failing(16, ErrorCounts { timeout: 16, ..ErrorCounts::default() });
    assert!(matches!(late, Verdict::Invalid(_)), "{late:?}");
    assert_eq!(rules_of(&late), ["no-success", "errors"]);
    assert!(message(&late, "no-success").starts_with("not one of 16 answers came in time: no latency was measured"));
    let dropped = failing(0, ErrorCounts { receive: 2_210, ..ErrorCounts::default() });
    assert_eq!(rules_of(&dropped), ["no-success", "errors"]);
    assert!(message(&dropped, "no-success").starts_with("no request was answered"));
    assert!(message(&dropped, "errors").contains("receive 2,210"));
}

#[test]
fn what_was_not_measured_has_its_reason() {
    let reason =
        Reason { code: "not-ready".to_owned(), message: "no answer in 30 s".to_owned(), detail: vec![], hint: None };
    let cases = [
        (Some(Outcome::Failed { reason }), "no answer in 30 s"),
        (Some(Outcome::Interrupted), "the user stopped the run in this trial"),
        (None, "the run was cut off in this trial"),
        (Some(Outcome::Measured), "the trial ended well, but its figures are not in the run directory"),
    ];
    for (outcome, expected) in cases {
        let verdict = judged(|stored| {
            stored.outcome = outcome;
            stored.figures = None;
            stored.seen = Seen::default();
        });
        assert_eq!((verdict.word(), message(&verdict, "not-measured").as_str()), ("not measured", expected));
    }
}

#[test]
fn figures_of_a_trial_that_then_failed_are_kept_and_suspect() {
    let verdict = judged(|stored| stored.outcome = None);
    suspect(&verdict, "bad-ending");
}

#[test]
fn every_trial_is_counted_once() {
    let summary = judge(&runs::incomplete()).summary;
    assert_eq!((summary.trials, summary.measured(), summary.not_measured, summary.not_begun), (8, 3, 1, 4));
    let summary = judge(&runs::with_failures()).summary;
    assert_eq!((summary.unjudged, summary.suspect, summary.invalid, summary.not_measured), (4, 2, 1, 1));
    assert_eq!(judge(&runs::repeats()).summary.suspect, 3);
}

#[test]
fn rules_have_stable_distinct_words_and_a_text() {
    let rules = rules();
    for (place, rule) in rules.iter().enumerate() {
        assert!(rule.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.id);
        assert!(rule.text.ends_with('.'), "{}", rule.id);
        assert!(rules[..place].iter().all(|other| other.id != rule.id), "{} is there twice", rule.id);
    }
    assert!(rules.iter().any(|rule| rule.gives == Gives::Invalid));
}
