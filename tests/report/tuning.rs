//! Tuning: what was reckoned, set, read back and put back, in every format.

use timetrial::event::{Event, Happening, Sum, SumVerdict};
use timetrial::plan::{ConfSetting, NoFile, PostgresConf, TunedSetting, Tuning};
use timetrial::referee::judge;
use timetrial::report::Report;
use timetrial::store::StoredRun;
use timetrial::wire::{Change, Compared, Outcome, PutBack, Tuned, Undone};

use crate::build::happens;
use crate::runs;

fn text(value: &str) -> String {
    value.to_owned()
}

fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn planned(name: &str, value: &str, line: u32, danger: Option<&str>) -> TunedSetting {
    let from = format!("sysctl/network-booster.conf:{line}");
    let danger = danger.map(str::to_owned);
    TunedSetting { name: text(name), value: text(value), from, optional: false, at_least: None, danger }
}

fn set(name: &str, wanted: &str, before: Option<&str>, after: Option<&str>, why: Option<&str>) -> Tuned {
    let [before, after, why] = [before, after, why].map(|value| value.map(str::to_owned));
    Tuned { name: text(name), wanted: text(wanted), took: why.is_none(), before, after, why, source: None }
}

fn entry(name: &str, found: Option<&str>, before: &str, outcome: Outcome) -> PutBack {
    PutBack { name: text(name), found: found.map(str::to_owned), before: some(before), outcome }
}

fn sum(code: &str, words: &str, verdict: SumVerdict, hint: Option<&str>) -> Sum {
    Sum { code: text(code), machine: text("local"), text: text(words), verdict, hint: hint.map(str::to_owned) }
}

/// Of four settings one was refused; somebody changed another meanwhile, and one could not be put back.
pub fn tuned() -> StoredRun {
    let mut run = runs::full();
    // What stands at its end comes after the tuning.
    let end = run.events.split_off(run.events.len() - 3);
    let reuse = "it breaks connections from behind address translation";
    run.plan.tuning = vec![Tuning {
        machine: text("local"),
        profiles: vec![text("network-booster"), text("ports")],
        settings: vec![
            planned("net.core.somaxconn", "65536", 5, None),
            planned("net.ipv4.tcp_tw_reuse", "1", 12, Some(reuse)),
            planned("net.ipv4.tcp_fin_timeout", "10", 14, None),
            planned("net.netfilter.nf_conntrack_max", "262144", 20, None),
        ],
        nofile: Some(NoFile { want: 65_536, at_least: 20_000 }),
    }];
    let database = run.plan.database.as_mut().expect("the run has a database");
    let conf = |name: &str, value: &str, line: u32, danger: Option<&str>| ConfSetting {
        name: text(name),
        value: text(value),
        from: format!("postgres-conf/today.conf:{line}"),
        danger: danger.map(str::to_owned),
    };
    let lost = "a crash loses the data of the cluster";
    database.conf = Some(PostgresConf {
        name: text("today"),
        settings: vec![conf("shared_buffers", "512MB", 7, None), conf("fsync", "off", 9, Some(lost))],
    });
    for event in &mut run.events {
        if let Happening::DatabaseStarted { profile, .. } = &mut event.event {
            let missed = Some("it is on");
            *profile = vec![
                set("shared_buffers", "512MB", None, Some("512MB"), None),
                set("fsync", "off", None, Some("on"), missed),
            ];
        }
    }
    story(&mut run);
    run.events.extend(end);
    for (place, event) in run.events.iter_mut().enumerate() {
        event.sequence = place as u64 + 1;
    }
    run
}

fn story(run: &mut StoredRun) {
    let machine = || text("local");
    let sums = vec![
        sum("descriptors", "2 workers with 64 connections = 128 of 65,536 open files", SumVerdict::Fits, None),
        sum(
            "ports",
            "64 connections of 28,232 ports, 30,000 in TIME_WAIT",
            SumVerdict::Doubtful,
            Some("wait a minute"),
        ),
    ];
    happens(run, 3, Happening::Reckoned { sums });
    let settings = vec![
        set("net.core.somaxconn", "65536", Some("4096"), Some("65536"), None),
        set("net.ipv4.tcp_tw_reuse", "1", Some("2"), Some("1"), None),
        set("net.ipv4.tcp_fin_timeout", "10", Some("60"), Some("10"), None),
        set("net.netfilter.nf_conntrack_max", "262144", None, None, Some("this kernel has no such setting")),
    ];
    let nofile = Some((65_536, 1_048_576));
    happens(run, 12, Happening::MachineTuned { machine: machine(), settings, nofile, took_ms: 9 });
    let changed = vec![set("net.ipv4.tcp_fin_timeout", "10", Some("60"), Some("30"), Some("it is 30"))];
    happens(run, 5, Happening::TuningVerified { machine: machine(), settings: 3, changed });
    let why = text("permission denied");
    let entries = vec![
        entry("net.core.somaxconn", Some("65536"), "4096", Outcome::Restored),
        entry("net.ipv4.tcp_tw_reuse", Some("1"), "2", Outcome::Failed { why }),
        entry("net.ipv4.tcp_fin_timeout", Some("30"), "60", Outcome::LeftAlone),
    ];
    let undone = Undone { run: run.id.clone(), entries, took_ms: 4 };
    happens(run, 6, Happening::TuningUndone { machine: machine(), undone });
    let change = |name: &str, from: &str, to: &str| Change { name: text(name), from: some(from), to: some(to) };
    let ours = vec![change("net.ipv4.tcp_tw_reuse", "2", "1"), change("net.ipv4.tcp_fin_timeout", "60", "30")];
    let others = vec![change("vm.swappiness", "60", "10")];
    let compared = Compared { values: 1_204, differences: ours.iter().cloned().chain(others).collect() };
    happens(run, 2, Happening::MachineCompared { machine: machine(), compared, ours });
}

/// These bytes wherever tuning tells something of a machine or a file.
pub fn everywhere(run: &mut StoredRun, all: &str) {
    let setting = TunedSetting {
        name: text(all),
        value: text(all),
        from: text(all),
        optional: true,
        at_least: None,
        danger: some(all),
    };
    run.plan.tuning.push(Tuning {
        machine: text(all),
        profiles: vec![text(all)],
        settings: vec![setting],
        nofile: None,
    });
    let machine = || text(all);
    let bad = || set(all, all, Some(all), Some(all), Some(all));
    let undone = || {
        let why = text(all);
        let outcomes = [Outcome::LeftAlone, Outcome::Failed { why }];
        let entries = outcomes.map(|outcome| entry(all, Some(all), all, outcome)).to_vec();
        Undone { run: text(all), entries, took_ms: u64::MAX }
    };
    let change = Change { name: text(all), from: some(all), to: some(all) };
    let compared = Compared { values: 1, differences: vec![change.clone()] };
    let hint = some(all);
    let sums = vec![Sum { code: text(all), machine: text(all), text: text(all), verdict: SumVerdict::Refused, hint }];
    let story = [
        Happening::Reckoned { sums },
        Happening::LeftUndone { machine: machine(), undone: undone() },
        Happening::MachineTuned { machine: machine(), settings: vec![bad()], nofile: Some((0, u64::MAX)), took_ms: 1 },
        Happening::TuningVerified { machine: machine(), settings: 1, changed: vec![bad()] },
        Happening::TuningUndone { machine: machine(), undone: undone() },
        Happening::MachineCompared { machine: machine(), compared, ours: vec![change] },
    ];
    for event in story {
        happens(run, 1, event);
    }
    for event in &mut run.events {
        if let Happening::DatabaseStarted { profile, .. } = &mut event.event {
            profile.push(bad());
        }
    }
}

fn json(run: &StoredRun) -> serde_json::Value {
    serde_json::from_str(&Report::new(run).json()).expect("JSON")
}

/// The part of the page between its heading and the next of the same rank.
fn section(page: &str) -> &str {
    let from = page.find("<h2>Tuning</h2>").expect("the section") + 4;
    let rest = &page[from..];
    &rest[..rest.find("<h2>").unwrap_or(rest.len())]
}

#[test]
fn the_page_says_what_was_set_and_what_was_not() {
    let page = Report::new(&tuned()).html();
    let found = section(&page);
    let told = [
        "3 of 4 settings took",
        "▲ no: this kernel has no such setting",
        "sysctl/network-booster.conf:12",
        "it breaks connections from behind address translation",
        "Open files of each process: 65,536",
        "▲ After the last trial, 1 of 3 settings no longer stood as set",
        "▲ Put back: 1 of 3 changes",
        "▲ not put back: permission denied",
        "▲ left alone: somebody else set it meanwhile",
        "3 of 1,204 values compared differ",
        "not tuned by this run",
        "✓ fits",
        "▲ may not fit: wait a minute",
        "1 of 2 settings of the profile took",
        "postgres-conf/today.conf:9",
        "a crash loses the data of the cluster",
    ];
    for words in told {
        assert!(found.contains(words), "{words} is missing in:\n{found}");
    }
}

#[test]
fn a_machine_as_it_was_found_is_said_in_one_line() {
    let mut run = tuned();
    for event in &mut run.events {
        match &mut event.event {
            Happening::TuningVerified { changed, .. } => changed.clear(),
            Happening::MachineCompared { compared, ours, .. } => {
                compared.differences.clear();
                ours.clear();
            }
            _ => {}
        }
    }
    let page = Report::new(&run).html();
    let found = section(&page);
    assert!(found.contains("all of 3 settings still stood as set"), "{found}");
    assert!(found.contains("It is as it was found: 1,204 values compared."), "{found}");
    assert!(!found.contains("Whose"), "{found}");
}

/// A run that was killed tells no undoing; the one that goes on tells what it found, and tunes anew.
#[test]
fn a_resumed_run_tells_each_tuning() {
    let mut run = tuned();
    let is_undoing =
        |event: &Happening| matches!(event, Happening::TuningUndone { .. } | Happening::MachineCompared { .. });
    run.events.retain(|event| !is_undoing(&event.event));
    assert!(section(&Report::new(&run).html()).contains("Nothing tells that it was put back"));
    let entries = vec![entry("net.core.somaxconn", Some("65536"), "4096", Outcome::Restored)];
    let undone = Undone { run: run.id.clone(), entries, took_ms: 1 };
    happens(&mut run, 1, Happening::LeftUndone { machine: text("local"), undone });
    story(&mut run);
    let told = json(&run);
    let machines = told["tuning"]["machines"].as_array().expect("machines");
    assert_eq!(machines.len(), 2);
    assert!(machines[0]["undone"].is_null() && machines[0]["left"] == serde_json::json!([]));
    assert_eq!(machines[1]["left"][0]["entries"][0]["outcome"], "restored");
    assert_eq!(machines[1]["undone"]["entries"].as_array().map(Vec::len), Some(3));
}

/// Only where all of it was undone was the machine put back.
#[test]
fn what_an_earlier_run_left_is_told_as_what_became_of_it() {
    let told = |outcome: Outcome| {
        let mut run = tuned();
        let entries = vec![
            entry("net.core.somaxconn", Some("65536"), "4096", Outcome::Restored),
            entry("vm.swappiness", Some("42"), "60", outcome),
        ];
        let undone = Undone { run: text("an-earlier-one"), entries, took_ms: 1 };
        happens(&mut run, 1, Happening::LeftUndone { machine: text("local"), undone });
        Report::new(&run).markdown()
    };
    let [whole, alone, failed] = [
        "local was still as run an-earlier-one had left it, and was put back before this one.",
        "On local, vm.swappiness, which run an-earlier-one had changed, was set by somebody else since, and was left as that: 42.",
        "On local, vm.swappiness, which run an-earlier-one had changed, could not be put back: permission denied.",
    ];
    for (outcome, words) in [
        (Outcome::Restored, whole),
        (Outcome::LeftAlone, alone),
        (Outcome::Failed { why: text("permission denied") }, failed),
    ] {
        let page = told(outcome);
        let found = [whole, alone, failed].map(|one| page.contains(one));
        assert_eq!(found, [whole, alone, failed].map(|one| one == words), "{words}");
    }
}

/// Ctrl-C comes before anything is read again: what is found when the machine is put back counts, for the trials of that
/// session and for no others.
#[test]
fn what_somebody_changed_before_the_user_stopped_the_run_marks_the_trials_of_that_session() {
    let mut run = tuned();
    let third = |event: &Event| matches!(&event.event, Happening::TrialStarted { trial, .. } if trial == "0003");
    let place = run.events.iter().position(third).expect("a third trial");
    let of_tuning = |event: &Happening| {
        matches!(
            event,
            Happening::MachineTuned { .. } | Happening::TuningVerified { .. } | Happening::TuningUndone { .. }
        )
    };
    let mut session: Vec<Event> = run.events.iter().filter(|event| of_tuning(&event.event)).cloned().collect();
    run.events.retain(|event| !of_tuning(&event.event));
    session.retain(|event| !matches!(event.event, Happening::TuningVerified { .. }));
    let mut resumed = run.events[place].clone();
    resumed.event = Happening::CampaignResumed { timetrial: text("0.1.0"), finished: 2, left: 6 };
    let place = place.min(run.events.len());
    run.events.splice(place..place, session.into_iter().chain([resumed]));
    let judgement = judge(&run);
    let drifted = |trial: &str| {
        let findings = judgement.verdict(trial).expect("a verdict").findings();
        findings.iter().find(|finding| finding.rule == "tuning-changed").map(|finding| finding.message.clone())
    };
    let words = "net.ipv4.tcp_fin_timeout of local was set to 10 and was 30 when the machine was put back: somebody changed it \
                 meanwhile";
    assert_eq!(drifted("0001").as_deref(), Some(words));
    assert_eq!(drifted("0003"), None);
}

#[test]
fn what_was_planned_and_never_made_is_told() {
    let mut run = tuned();
    run.events
        .retain(|event| !matches!(event.event, Happening::MachineTuned { .. } | Happening::TuningVerified { .. }));
    run.events
        .retain(|event| !matches!(event.event, Happening::TuningUndone { .. } | Happening::MachineCompared { .. }));
    assert!(section(&Report::new(&run).html()).contains("4 settings planned; the run ended before any was made."));
    assert_eq!(json(&run)["tuning"]["machines"][0]["planned"], 4);
}

#[test]
fn nothing_tuned_is_one_line() {
    let page = Report::new(&runs::full()).html();
    let found = section(&page);
    assert!(found.contains("Nothing was tuned for this run."), "{found}");
    assert!(!found.contains("<table"), "{found}");
    assert!(!section(&Report::new(&tuned()).html()).contains("Nothing was tuned"));
}

#[test]
fn what_the_run_itself_set_is_no_doubt_and_what_became_of_it_since_is() {
    let mut run = tuned();
    let moments = run.facts.get_mut("local").expect("its machine has facts");
    let mut after = moments["before"].clone();
    for (key, from, to) in [
        ("net.core.somaxconn", "4096", "65536"),
        ("net.ipv4.tcp_fin_timeout", "60", "30"),
        ("net.ipv4.tcp_rmem", "4096 131072 6291456", "4096 87380 33554432"),
        ("vm.swappiness", "60", "10"),
    ] {
        moments.get_mut("before").expect("they were read").sysctl.insert(text(key), text(from));
        after.sysctl.insert(text(key), text(to));
    }
    moments.insert(text("after"), after);
    for event in &mut run.events {
        if let Happening::MachineTuned { settings, .. } = &mut event.event {
            // As the kernel writes it, which is not how facts do.
            settings.push(set("net.ipv4.tcp_rmem", "4096 87380 33554432", None, Some("4096\t87380\t33554432"), None));
        }
    }
    let report = Report::new(&run).markdown();
    let doubts: Vec<&str> = report.lines().filter(|line| line.ends_with("changed during the run.")).collect();
    assert_eq!(doubts, ["- ▲ *doubt:* On local, net.ipv4.tcp_fin_timeout, vm.swappiness changed during the run."]);
    assert!(report.contains("| net.core.somaxconn | 4096 | 65536 |"), "{report}");
}
