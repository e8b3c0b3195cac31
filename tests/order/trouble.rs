//! Something goes wrong at every single request, in every way: the machine is left clean and the record is whole.

use std::collections::BTreeSet;

use timetrial::event::{Happening, Outcome};
use timetrial::run::RunError;
use timetrial::wire::Request;

use crate::machine::{Story, Trouble, tell};

/// Tells every story at the same time: some of them wait a moment for last words.
fn each(trouble: fn(usize) -> Trouble, check: fn(usize, &Story, &Story)) {
    let fine = tell(Trouble::Nothing);
    std::thread::scope(|scope| {
        for number in 0..fine.asked.len() {
            let fine = &fine;
            scope.spawn(move || check(number, &tell(trouble(number)), fine));
        }
    });
}

/// What holds however a campaign ends.
fn the_record_is_whole(number: usize, story: &Story) {
    let sequence: Vec<u64> = story.events.iter().map(|event| event.sequence).collect();
    let whole: Vec<u64> = (1..=story.events.len() as u64).collect();
    assert_eq!(sequence, whole, "request {number}");
    let last = story.events.last().map(|event| &event.event);
    assert!(matches!(last, Some(Happening::CampaignFinished { .. })), "request {number}: ends with {last:?}");
    let summary = &story.summary;
    assert_eq!(summary.measured + summary.failed + summary.not_run, 2, "request {number}");
    let begun = story.events.iter().filter(|event| matches!(event.event, Happening::TrialStarted { .. })).count();
    let ended = story.events.iter().filter(|event| matches!(event.event, Happening::TrialFinished { .. })).count();
    assert_eq!(begun, ended, "request {number}: each trial that begins also ends");
    // What was measured counts as measured, also when the user stopped the run after that load; a trial that was stopped
    // before has neither failed nor been run.
    let figures: BTreeSet<&str> = trials_with(story, |event| matches!(event, Happening::TrialMeasured { .. }));
    let interrupted =
        |event: &Happening| matches!(event, Happening::TrialFinished { outcome: Outcome::Interrupted, .. });
    let stopped = trials_with(story, interrupted);
    let neither = stopped.difference(&figures).count();
    assert_eq!(begun, summary.measured + summary.failed + neither, "request {number}");
    assert!(stopped.iter().filter(|trial| figures.contains(*trial)).count() <= summary.measured, "request {number}");
}

fn trials_with(story: &Story, wanted: impl Fn(&Happening) -> bool) -> BTreeSet<&str> {
    story.events.iter().map(|event| &event.event).filter(|event| wanted(event)).filter_map(Happening::trial).collect()
}

/// The agent is told to leave, once and last: then it stops what still runs and removes its work.
fn goodbye_is_the_last_word(number: usize, story: &Story) {
    let goodbyes = story.asked.iter().filter(|request| matches!(request, Request::Goodbye)).count();
    assert!(goodbyes == 1 && matches!(story.asked.last(), Some(Request::Goodbye)), "request {number}");
}

/// Two daemons never live at once: before a daemon is started, each process of the one before was asked to stop, and
/// the agent said that it did.
fn daemons_are_alone(number: usize, story: &Story, refused: Option<usize>) {
    let mut alive = BTreeSet::new();
    let mut next = 0;
    for (place, request) in story.asked.iter().enumerate() {
        match request {
            Request::Start(_) if refused == Some(place) => {}
            Request::Start(start) => {
                if start.label.starts_with("daemon 1 ") {
                    assert!(alive.is_empty(), "request {number}: {alive:?} still live when {} starts", start.label);
                }
                if start.label.starts_with("daemon ") {
                    alive.insert(next);
                }
                next += 1;
            }
            Request::Stop { process, .. } if refused != Some(place) => {
                alive.remove(process);
            }
            _ => {}
        }
    }
}

fn outcome(story: &Story) -> Option<&Outcome> {
    story.events.iter().rev().find_map(|event| match &event.event {
        Happening::CampaignFinished { outcome, .. } => Some(outcome),
        _ => None,
    })
}

/// Whether a request belongs to the network check after the last trial.
fn is_late_check(number: usize, fine: &Story) -> bool {
    let after = fine.asked.iter().position(|request| matches!(request, Request::StopDatabase));
    let facts = fine.asked.iter().rposition(|request| matches!(request, Request::ReadFacts));
    after.is_some_and(|after| number > after) && facts.is_some_and(|facts| number < facts)
}

/// Whether a request belongs to a network check.
fn is_check(number: usize, fine: &Story) -> bool {
    let sources = fine.asked.iter().position(|request| matches!(request, Request::PutFiles { .. }));
    sources.is_some_and(|sources| number < sources) || is_late_check(number, fine)
}

#[test]
fn a_refusal_of_any_request() {
    each(Trouble::Refused, |number, story, fine| {
        the_record_is_whole(number, story);
        goodbye_is_the_last_word(number, story);
        daemons_are_alone(number, story, Some(number));
        let is_log = matches!(fine.asked[number], Request::LogTail { .. } | Request::DatabaseLog);
        let is_fine = story.summary.error.is_none() && story.summary.failed == 0;
        // A log that can't be had spoils no figures, nor does a network check after the last trial; everything else does,
        // or ends the campaign.
        let is_late_check = is_late_check(number, fine) && !matches!(fine.asked[number], Request::Stop { .. });
        let warned = |event: &Happening| matches!(event, Happening::Warning { message } if message.starts_with("no network check"));
        assert_eq!(is_late_check, story.events.iter().any(|event| warned(&event.event)), "request {number}");
        assert_eq!(is_fine, is_log || is_late_check, "request {number}, {:?}: {:?}", fine.asked[number], story.summary);
        if matches!(fine.asked[number], Request::Stop { .. }) {
            let next = story.asked.iter().skip(number).any(|request| matches!(request, Request::Start(_)));
            assert!(!next, "request {number}: something is started beside a daemon that could not be stopped");
        }
    });
}

#[test]
fn a_trial_that_fails_is_not_the_end_of_the_campaign() {
    let fine = tell(Trouble::Nothing);
    let is_daemon = |request: &Request| matches!(request, Request::Start(start) if start.label.starts_with("daemon "));
    let first_start = fine.asked.iter().position(is_daemon);
    let story = tell(Trouble::Refused(first_start.expect("something is started")));
    assert_eq!((story.summary.measured, story.summary.failed, story.summary.not_run), (1, 1, 0));
    assert!(story.summary.error.is_none());
    assert_eq!(outcome(&story), Some(&Outcome::Measured));
}

#[test]
fn an_agent_that_dies_at_any_request() {
    each(Trouble::Dies, |number, story, _| {
        the_record_is_whole(number, story);
        // Until something was changed the machine was not fit; after that the campaign is broken.
        let early = !story.asked.iter().any(|request| matches!(request, Request::PutFiles { .. }));
        let expected = match &story.summary.error {
            Some(RunError::NotFit(_)) => early,
            Some(RunError::Link(_)) => !early,
            _ => false,
        };
        assert!(expected, "request {number}: {:?}", story.summary);
        assert!(matches!(outcome(story), Some(Outcome::Failed { reason }) if reason.code == "agent-lost"));
        assert_eq!(story.asked.len(), number + 1, "nothing is asked of a dead agent");
    });
}

#[test]
fn a_stop_by_the_user_at_any_request() {
    each(Trouble::Stopped, |number, story, fine| {
        the_record_is_whole(number, story);
        goodbye_is_the_last_word(number, story);
        daemons_are_alone(number, story, None);
        match outcome(story) {
            Some(Outcome::Interrupted) => {
                let said = |event: &Happening| matches!(event, Happening::Interrupted { signal } if signal == "Ctrl-C");
                assert!(story.events.iter().any(|event| said(&event.event)), "request {number}");
            }
            // After the last trial there is nothing left to interrupt.
            Some(Outcome::Measured) => {
                let after_trials = fine.asked.iter().position(|request| matches!(request, Request::StopDatabase));
                assert!(Some(number + 6) > after_trials, "request {number} did not stop the campaign");
            }
            other => panic!("request {number}: {other:?}"),
        }
        let started =
            story.asked.iter().skip(number + 2).filter(|request| matches!(request, Request::Start(_))).count();
        assert_eq!(started, 0, "request {number}: something is started after the user's stop");
    });
}

#[test]
fn what_not_even_kill_ends_ends_the_campaign() {
    let fine = tell(Trouble::Nothing);
    for (number, request) in fine.asked.iter().enumerate() {
        if !matches!(request, Request::Stop { .. } | Request::StopDatabase) {
            continue;
        }
        let story = tell(Trouble::StaysAlive(number));
        the_record_is_whole(number, &story);
        goodbye_is_the_last_word(number, &story);
        let Some(RunError::Broken(reason)) = &story.summary.error else {
            panic!("request {number}: {:?}", story.summary);
        };
        assert_eq!(reason.code, "daemon-not-stopped");
        assert!(reason.message.ends_with(" is still alive: pid 100, `daemon --stuck`"), "{}", reason.message);
        assert_eq!(reason.detail, ["100 daemon --stuck", "101 worker"]);
        let told = |event: &Happening| match event {
            Happening::DaemonStopped { exit, leftovers, .. } => exit.is_none() && *leftovers == ["102 helper"],
            Happening::DatabaseStopped { exit, .. } => exit.is_none(),
            _ => false,
        };
        // A side of a network check has no event of its own; the reason above is all there is to tell.
        let is_told = story.events.iter().any(|event| told(&event.event));
        assert!(is_told || is_check(number, &fine), "request {number}: it is recorded first");
        let more = |request: &Request| matches!(request, Request::Start(_) | Request::ReadFacts);
        assert!(!story.asked.iter().skip(number).any(more), "request {number}: something is begun beside it");
    }
}

#[test]
fn what_the_database_said_is_kept_when_the_campaign_ends_early() {
    let fine = tell(Trouble::Nothing);
    let database = fine.asked.iter().position(|request| matches!(request, Request::StartDatabase(_)));
    let stops = fine.asked.iter().enumerate().filter(|(_, request)| matches!(request, Request::Stop { .. }));
    let stop = stops.map(|(number, _)| number).find(|number| Some(*number) > database);
    for trouble in [Trouble::Refused, Trouble::Stopped] {
        let story = tell(trouble(stop.expect("something is stopped")));
        assert!(story.summary.error.is_some());
        assert!(story.files.iter().any(|file| file == "machines/bench/postgresql.stderr"), "{:?}", story.files);
    }
    let hello = tell(Trouble::Refused(0));
    assert!(!hello.asked.iter().any(|request| matches!(request, Request::DatabaseLog)));
}
