//! A run that goes on: only what is left is asked for, and only of machines that are what they were.

use std::collections::{BTreeMap, BTreeSet};

use timetrial::event::{Event, Happening, Outcome};
use timetrial::plan::Plan;
use timetrial::run::{Resumed, RunError};
use timetrial::wire::{Facts, Request};

use crate::machine::{Story, Trouble, tell, tell_again, two_trials};

/// What a whole run left behind, when its first trial was over.
fn after_the_first(plan: &Plan, change: impl Fn(&mut Event)) -> (Resumed, u64) {
    let whole = tell(Trouble::Nothing);
    let is_end = |event: &&Event| matches!(&event.event, Happening::TrialFinished { trial, .. } if trial == "0001");
    let end = whole.events.iter().find(is_end).expect("the first trial ended").sequence;
    let mut events: Vec<Event> = whole.events.into_iter().filter(|event| event.sequence <= end).collect();
    events.iter_mut().for_each(change);
    let resumed = Resumed {
        finished: BTreeSet::from(["0001".to_owned()]),
        sessions: 1,
        sequence: end,
        elapsed_ms: 1_000_000,
        machines: BTreeMap::from([("bench".to_owned(), Facts::default())]),
        ..Resumed::default()
    };
    (resumed.with_events(plan, &events), end)
}

fn asked(story: &Story, what: impl Fn(&Request) -> bool) -> usize {
    story.asked.iter().filter(|request| what(request)).count()
}

fn is_load(request: &Request) -> bool {
    matches!(request, Request::Start(start) if start.label.starts_with("load "))
}

fn is_network_client(request: &Request) -> bool {
    matches!(request, Request::Start(start) if start.label.starts_with("network client"))
}

fn warnings(story: &Story) -> Vec<&str> {
    let warnings = story.events.iter().filter_map(|event| match &event.event {
        Happening::Warning { message } => Some(message.as_str()),
        _ => None,
    });
    warnings.collect()
}

#[test]
fn only_what_is_left_is_done_and_the_numbers_go_on() {
    let plan = two_trials();
    let (resumed, end) = after_the_first(&plan, |_| {});
    let whole = tell(Trouble::Nothing);
    let story = tell_again(&plan, &resumed, Trouble::Nothing);
    assert!(story.summary.error.is_none(), "{:?}", story.summary.error);
    assert_eq!((story.summary.measured, story.summary.failed, story.summary.not_run), (2, 0, 0));
    assert_eq!((asked(&whole, is_load), asked(&story, is_load)), (2, 1));
    // Before the trials it was checked; after them it is checked now.
    assert_eq!((asked(&whole, is_network_client), asked(&story, is_network_client)), (2, 1));
    assert_eq!(asked(&story, |request| matches!(request, Request::StartDatabase(_))), 1, "the database is made anew");
    let first = &story.events[0];
    assert_eq!(first.sequence, end + 1);
    assert!(matches!(first.event, Happening::CampaignResumed { finished: 1, left: 1, .. }), "{first:?}");
    assert!(story.events.iter().all(|event| event.elapsed_ms >= 1_000_000));
    assert!(story.events.iter().all(|event| event.event.trial() != Some("0001")));
    assert!(story.files.iter().any(|file| file == "machines/bench/facts-resumed-1.json"), "{:?}", story.files);
    assert!(story.files.iter().all(|file| !file.ends_with("facts-before.json")), "{:?}", story.files);
    assert_eq!(warnings(&story), Vec::<&str>::new());
}

#[test]
fn a_network_that_was_not_wholly_checked_is_checked() {
    let plan = two_trials();
    let (resumed, _) = after_the_first(&plan, |event| {
        if let Happening::NetworkChecked { tool, .. } = &mut event.event {
            tool.push_str("-other");
        }
    });
    let story = tell_again(&plan, &resumed, Trouble::Nothing);
    assert!(story.summary.error.is_none(), "{:?}", story.summary.error);
    assert_eq!(asked(&story, is_network_client), 2);
}

#[test]
fn another_boot_is_told() {
    let plan = two_trials();
    let (mut resumed, _) = after_the_first(&plan, |_| {});
    resumed.seen = after_the_first(&plan, |event| {
        if let Happening::MachineConnected { boot_id, .. } = &mut event.event {
            "the last boot".clone_into(boot_id);
        }
    })
    .0
    .seen;
    let story = tell_again(&plan, &resumed, Trouble::Nothing);
    assert!(story.summary.error.is_none(), "{:?}", story.summary.error);
    let told = warnings(&story);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("bench was started anew before the run was resumed (boot the last boot, now boot)"));
}

/// Refused as not fit, with this in the reason; nothing was measured, and the agent was sent home.
fn refused(plan: &Plan, resumed: &Resumed, says: &str) {
    let story = tell_again(plan, resumed, Trouble::Nothing);
    let Some(RunError::NotFit(reason)) = &story.summary.error else { panic!("{:?}", story.summary.error) };
    assert!(reason.message.contains(says), "{}", reason.message);
    assert_eq!(asked(&story, |request| matches!(request, Request::Start(_) | Request::StartDatabase(_))), 0);
    assert!(matches!(story.asked.last(), Some(Request::Goodbye)));
    assert_eq!((story.summary.measured, story.summary.not_run), (1, 1));
    let last = story.events.last().map(|event| &event.event);
    assert!(matches!(last, Some(Happening::CampaignFinished { outcome: Outcome::Failed { .. }, measured: 1, .. })));
}

#[test]
fn another_machine_or_another_package_is_refused_with_what_was_and_what_is() {
    let plan = two_trials();
    let (mut resumed, _) = after_the_first(&plan, |_| {});
    let other = Facts { kernel: Some("4.0".to_owned()), cpus: 9, ..Facts::default() };
    resumed.machines.insert("bench".to_owned(), other);
    refused(&plan, &resumed, "bench: its kernel was 4.0, and is unknown");
    let (resumed, _) = after_the_first(&plan, |event| {
        if let Happening::ProvisionFinished { name, digest, versions, .. } = &mut event.event
            && name == "wrk@bench"
        {
            "older".clone_into(digest);
            versions.insert("wrk".to_owned(), "4.0".to_owned());
        }
    });
    let says = "wrk@bench: its contents were older, and are digest of wrk@bench (wrk was 4.0, and is not there)";
    refused(&plan, &resumed, says);
}
