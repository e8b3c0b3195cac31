//! The network: its ceiling, and the two ways in which it spoils a number.

use timetrial::event::{Happening, Moment};
use timetrial::plan::DatabaseUse;
use timetrial::referee::{Verdict, judge};
use timetrial::report::Report;
use timetrial::store::StoredRun;

use crate::build::{between_two_machines, checked, daemon, figures, happens, measured, planned, run, seen};
use crate::runs;

/// One trial at this rate, with answers of 7,302 bytes, over a network with these rates of answers in Mbit/s.
fn over(rate: f64, before: &[(&str, u64)], after: &[(&str, u64)]) -> StoredRun {
    let mut run = run("20261112T182904Z-quickstart-3f9a");
    daemon(&mut run, "flask", "Flask", false);
    planned(&mut run, "flask", "/agents", DatabaseUse::None);
    between_two_machines(&mut run, &["iperf", "iperf3"]);
    for (tool, answers) in before {
        checked(&mut run, Moment::Before, tool, 900, *answers);
    }
    let trial = run.plan.trials[0].clone();
    let seen = seen(&run, &trial, 7_100);
    measured(&mut run, trial, figures(rate, 7_302), seen);
    for (tool, answers) in after {
        checked(&mut run, Moment::After, tool, 900, *answers);
    }
    run
}

fn findings(run: &StoredRun) -> Vec<(&'static str, String)> {
    let judgement = judge(run);
    let verdict = judgement.verdict("0001").expect("every trial has a verdict");
    let suspect = matches!(verdict, Verdict::Suspect(_));
    verdict.findings().iter().filter(|_| suspect).map(|found| (found.rule, found.message.clone())).collect()
}

/// The best run of 2015 took 194 of 943 Mbit/s: the post thought that it might have filled the network.
#[test]
fn a_fifth_of_the_network_is_no_limit() {
    let run = over(3_321.0, &[("iperf", 943)], &[("iperf", 940)]);
    assert_eq!(findings(&run), []);
    let json: serde_json::Value = serde_json::from_str(&Report::new(&run).json()).expect("JSON");
    let ceiling = &json["trials"][0]["network_ceiling"];
    // 940 Mbit/s of answers with 7,302 bytes each, of which 3,321 were reached.
    assert_eq!(ceiling["bits_per_s"].as_f64(), Some(940e6));
    assert_eq!(ceiling["answers_per_s"].as_f64().map(f64::round), Some(16_091.0));
    assert_eq!(ceiling["share"].as_f64().map(|share| (share * 1e3).round()), Some(206.0));
}

#[test]
fn a_full_network_makes_suspect() {
    let found = findings(&over(13_200.0, &[("iperf", 943)], &[("iperf", 940)]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0],
        (
            "network-limit",
            "the answers came at 771 Mbit/s, 82.0 % of the 940 Mbit/s that the network check saw: the network was the limit, \
             or close to it"
                .to_owned()
        )
    );
    assert_eq!(findings(&over(12_800.0, &[("iperf", 943)], &[("iperf", 940)])), []);
}

#[test]
fn the_lowest_rate_is_the_ceiling() {
    // A tool that saw less is believed.
    let found = findings(&over(6_000.0, &[("iperf", 943), ("iperf3", 400)], &[]));
    assert_eq!(found.iter().map(|(rule, _)| *rule).collect::<Vec<_>>(), ["network-limit"]);
}

/// At 4,000 a second the answers take 234 Mbit/s.
#[test]
fn a_network_that_changed_makes_suspect() {
    let found = findings(&over(4_000.0, &[("iperf", 943), ("iperf3", 943)], &[("iperf", 790), ("iperf3", 800)]));
    assert_eq!(
        found,
        [(
            "network-changed",
            "the network carried 943 Mbit/s of answers before the first trial (by iperf3) and 800 Mbit/s after the last (by \
             iperf3), 15.2 % apart: it changed meanwhile, and the answers took 29.2 % of the lower of both"
                .to_owned()
        )]
    );
    assert_eq!(findings(&over(4_000.0, &[("iperf", 943)], &[("iperf", 860)])), []);
    // What one tool carried could be carried, whatever another saw.
    assert_eq!(findings(&over(4_000.0, &[("iperf", 943), ("iperf3", 943)], &[("iperf", 940), ("iperf3", 700)])), []);
    // What another tool saw says nothing of a change.
    assert_eq!(findings(&over(4_000.0, &[("iperf", 943)], &[("iperf3", 700)])), []);
    assert_eq!(findings(&over(4_000.0, &[("iperf", 943)], &[])), []);
}

/// The share is that of the lower rate, whichever moment saw it: 20 % of 800 Mbit/s are 2,739 answers a second.
#[test]
fn a_load_that_takes_little_of_the_network_does_not_feel_its_change() {
    let rules = |rate: f64, before: u64, after: u64| -> Vec<&'static str> {
        let found = findings(&over(rate, &[("iperf", before)], &[("iperf", after)]));
        found.into_iter().map(|(rule, _)| rule).collect()
    };
    assert_eq!(rules(2_700.0, 943, 800), [""; 0]);
    assert_eq!(rules(2_800.0, 943, 800), ["network-changed"]);
    assert_eq!(rules(2_700.0, 800, 943), [""; 0]);
    assert_eq!(rules(2_800.0, 800, 943), ["network-changed"]);
    // A link that fell by more than half is another one for every load.
    assert_eq!(rules(100.0, 943, 480), [""; 0]);
    assert_eq!(rules(100.0, 943, 460), ["network-changed"]);
    assert_eq!(rules(100.0, 943, 94), ["network-changed"]);
}

#[test]
fn a_loopback_may_change() {
    let mut run = over(100.0, &[], &[]);
    run.trials[0].trial.client = "local".to_owned();
    run.plan.trials[0].client = "local".to_owned();
    checked(&mut run, Moment::Before, "iperf", 900, 900);
    checked(&mut run, Moment::After, "iperf", 100, 100);
    for event in &mut run.events {
        if let Happening::NetworkChecked { client, .. } = &mut event.event {
            *client = "local".to_owned();
        }
    }
    assert_eq!(findings(&run), []);
}

/// Two names, perhaps by way of a third, and the load would fill the network and the network changed, if there were one.
#[test]
fn two_names_of_one_machine_have_no_network_between_them() {
    let full = || over(13_200.0, &[("iperf", 943)], &[("iperf", 300)]);
    let share = |run: &mut StoredRun, machine: &str, other: &str| {
        let (machine, other) = (machine.to_owned(), other.to_owned());
        happens(run, 1, Happening::MachineShared { machine, other });
    };
    let alone = |run: &StoredRun| {
        assert_eq!(findings(run), []);
        let report = Report::new(run);
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!(json["network"]["loopback"], true);
        assert!(json["trials"][0]["network_ceiling"].is_null());
        let html = report.html();
        assert!(html.contains("shared one machine") && html.contains("two names of one machine"), "{html}");
        assert!(!html.contains("The ceiling of each endpoint"));
        assert!(report.terminal().contains("over the loopback: no network"), "{}", report.terminal());
    };
    let mut run = full();
    share(&mut run, "local", "loader");
    alone(&run);
    run.plan.network = None;
    assert!(!Report::new(&run).html().contains("the network between them was not checked"));
    let mut run = full();
    share(&mut run, "local", "third");
    assert_eq!(findings(&run).len(), 2, "loader is another machine");
    assert!(!Report::new(&run).html().contains("shared one machine"));
    share(&mut run, "loader", "third");
    alone(&run);
}

#[test]
fn two_machines_without_a_check_are_told() {
    let mut run = over(100.0, &[], &[]);
    run.plan.network = None;
    let unchecked = "the network between them was not checked";
    assert!(Report::new(&run).html().contains(unchecked));
    assert!(!Report::new(&runs::networked()).html().contains(unchecked));
}

#[test]
fn a_check_that_is_missing_is_told() {
    let report = Report::new(&runs::networked());
    let missing = "loader – local by iperf3, after the last trial";
    assert!(report.terminal().contains(&format!("no check: {missing}")), "{}", report.terminal());
    assert!(report.html().contains(missing) && report.markdown().contains(missing));
}
