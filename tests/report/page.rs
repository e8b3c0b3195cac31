//! The HTML page: whole, self-contained, and with a verdict by every number. To look at the pages:
//! `TIMETRIAL_PAGES=/tmp/pages cargo test --test report pages`.

use timetrial::event::{Event, Happening};
use timetrial::report::Report;
use timetrial::store::StoredRun;

use crate::runs;

fn all() -> [(&'static str, StoredRun); 6] {
    [
        ("full", runs::full()),
        ("networked", runs::networked()),
        ("failures", runs::with_failures()),
        ("incomplete", runs::incomplete()),
        ("repeats", runs::repeats()),
        ("hostile", runs::hostile()),
    ]
}

#[test]
fn pages_are_well_formed_and_self_contained() {
    for (name, run) in all() {
        let page = Report::new(&run).html();
        if let Some(folder) = std::env::var_os("TIMETRIAL_PAGES") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), &page).unwrap();
        }
        well_formed(&page);
        assert!(page.contains("default-src 'none'; style-src 'sha256-"), "{name}");
        let controls = page.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(controls, None, "{name}");
    }
}

#[test]
fn a_page_says_first_what_must_be_known() {
    let page = Report::new(&runs::with_failures()).html();
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("the page has no {text}"));
    let first_table = place("<table");
    assert!(place("only 7 of 8 trials were measured") < first_table);
    assert!(place("1 ✕ invalid") < first_table);
    assert!(place("before it answered /agents") < first_table);
    assert!(place("net.ipv4.tcp_tw_reuse changed during the run") < first_table);
}

#[test]
fn an_incomplete_run_is_no_whole_one() {
    let page = Report::new(&runs::incomplete()).html();
    assert!(page.contains("This run is incomplete"));
    assert!(page.contains("the run was cut off in this trial"));
    assert!(page.contains("4 – not begun"));
}

#[test]
fn unlike_daemons_stand_apart_in_words() {
    let page = Report::new(&runs::full()).html();
    assert!(page.contains("keep-alive: no · database connections: one per request"));
    assert!(page.contains("keep-alive: yes · database connections: pool of 4 per worker"));
    assert!(page.contains("The same for all: workers: 2; protocol: HTTP/1.1."));
    for graph in ["Requests/s", "Errors", "Latency"] {
        assert!(page.contains(&format!("<strong>{graph}</strong>")), "{graph}");
    }
}

/// One notice for each rule, and an invalid number is not a missing one.
#[test]
fn what_many_trials_share_is_said_once() {
    let mut run = runs::full();
    for stored in &mut run.trials[..6] {
        stored.figures.as_mut().unwrap().connections_used = 60;
    }
    run.trials[0].seen.document_after = Some((false, None));
    let markdown = Report::new(&run).markdown();
    let head: Vec<&str> = markdown.lines().take_while(|line| !line.starts_with("## ")).collect();
    let of = |start: &str| head.iter().filter(|line| line.starts_with(start)).copied().collect::<Vec<_>>();
    let [shared] = of("- ▲ *doubt:* 6 trials: fewer-connections: Django")[..] else { panic!("{markdown}") };
    assert!(shared.ends_with("(and 5 more, see their rows)."), "{shared}");
    assert_eq!((of("- ✕ *invalid:* Django").len(), of("- – *missing:*").len()), (1, 0), "{markdown}");
}

#[test]
fn one_thing_is_said_in_the_singular() {
    let mut run = runs::full();
    run.plan.trials.truncate(1);
    run.trials.truncate(1);
    run.trials[0].trial.load.threads = 1;
    run.trials[0].trial.load.connections = 1;
    let markdown = Report::new(&run).markdown();
    assert!(markdown.contains("The run is complete: its trial was measured."), "{markdown}");
    assert!(markdown.contains("1 thread, 1 connection, 15 s"), "{markdown}");
    run.trials.clear();
    let markdown = Report::new(&run).markdown();
    assert!(markdown.contains("only 0 of 1 trial was measured") && markdown.contains("1 of 1 trial was never begun"));
}

/// An endpoint that drops every connection is a failure with numbers, not a gap.
#[test]
fn a_total_failure_is_shown_with_its_errors() {
    let mut run = runs::full();
    let figures = run.trials[0].figures.as_mut().unwrap();
    (figures.requests, figures.bytes_received, figures.printed_requests_per_second) = (0, 0, 0.0);
    (figures.errors.receive, figures.latency, figures.service_time) = (2_210, None, None);
    let report = Report::new(&run);
    let markdown = report.markdown();
    let row = markdown.lines().find(|line| line.starts_with("| Django")).unwrap();
    assert!(row.contains("| ✕ invalid | 0.00 | receive 2,210 | – | – |"), "{row}");
    assert!(report.csv().lines().nth(1).unwrap().contains("invalid,no-success errors"));
    assert!(report.html().contains("receive 2,210</text>") && report.html().contains("no number"));
}

#[test]
fn a_resumed_run_says_so_and_does_not_count_the_time_in_which_nothing_ran() {
    let mut run = runs::full();
    let took = |run: &StoredRun| -> serde_json::Value {
        let report: serde_json::Value = serde_json::from_str(&Report::new(run).json()).unwrap();
        report["run"]["took_ms"].clone()
    };
    let before = took(&run);
    assert!(before.is_u64() && !Report::new(&run).markdown().contains("sessions"), "{before}");
    let ends = |event: &Event| matches!(event.event, Happening::TrialFinished { .. });
    let third = run.events.iter().enumerate().filter(|(_, event)| ends(event)).nth(2).unwrap().0;
    for event in &mut run.events[third + 1..] {
        event.elapsed_ms += 3_600_000;
    }
    let mut resumed = run.events[third + 1].clone();
    resumed.elapsed_ms = run.events[third].elapsed_ms + 3_600_000;
    resumed.event = Happening::CampaignResumed { timetrial: "0.1.0".to_owned(), finished: 3, left: 5 };
    run.events.insert(third + 1, resumed);
    let page = Report::new(&run).markdown();
    assert!(page.contains("2 sessions: 3 trials finished before the run was resumed 2026-11-12 18:"), "{page}");
    assert!(page.contains(" UTC, and then 5 trials finished."), "{page}");
    assert!(page.contains("the run was resumed: 3 trials finished before, 5 left"), "{page}");
    assert_eq!(took(&run), before);
}

/// Every opened element is closed, in order.
fn well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let body = page.strip_prefix("<!DOCTYPE html>").expect("the page begins with its doctype");
    let mut rest = body;
    while let Some(begin) = rest.find('<') {
        let end = begin + rest[begin..].find('>').expect("every tag ends");
        let tag = &rest[begin + 1..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed at …{}", &rest[..rest.len().min(80)]);
        } else if !matches!(name, "meta" | "br") {
            open.push(name);
        }
        assert!(
            !matches!(name, "script" | "link" | "img" | "iframe" | "object" | "a"),
            "<{tag}> loads or leads elsewhere"
        );
        for forbidden in [" src=", " href=", " style=", " on"] {
            assert!(!tag.contains(forbidden), "<{tag}> has {forbidden}");
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in <{tag}>");
    }
    assert!(open.is_empty(), "left open: {open:?}");
}
