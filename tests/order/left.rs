//! What is left changed on a machine is told, whatever else ends the campaign; and nothing is measured beside it.

use timetrial::event::{Happening, Outcome};
use timetrial::plan::TunedSetting;
use timetrial::run::RunError;
use timetrial::wire::Request;

use crate::machine::{Story, Trouble, tell, tell_of, two_trials};

fn warnings(story: &Story) -> Vec<&str> {
    let warned = story.events.iter().filter_map(|event| match &event.event {
        Happening::Warning { message } => Some(message.as_str()),
        _ => None,
    });
    warned.collect()
}

fn place(story: &Story, wanted: impl Fn(&Request) -> bool) -> usize {
    story.asked.iter().position(wanted).expect("it is asked for")
}

fn is_load(request: &Request) -> bool {
    matches!(request, Request::Start(start) if start.label == "load by wrk")
}

#[test]
fn a_machine_that_an_earlier_run_left_changed_measures_nothing() {
    let story = tell(Trouble::StillChanged);
    let Some(RunError::NotFit(reason)) = &story.summary.error else { panic!("{:?}", story.summary) };
    assert_eq!(reason.code, "left-changed");
    let words = "bench is still as run an-earlier-one left it: net.core.somaxconn could not be put back: read-only";
    assert_eq!(reason.message, words);
    assert!(reason.hint.as_ref().is_some_and(|hint| hint.contains("timetrial restore")), "{reason:?}");
    let told = |happening: &Happening| matches!(happening, Happening::LeftUndone { .. });
    assert!(story.events.iter().any(|event| told(&event.event)));
    assert!(matches!(story.asked[..], [Request::Hello { .. }, Request::Goodbye]), "{:?}", story.asked);
}

#[test]
fn a_value_of_somebody_else_is_told_and_the_campaign_goes_on() {
    let story = tell(Trouble::LeftAlone);
    assert!(story.summary.error.is_none() && story.summary.measured == 2, "{:?}", story.summary);
}

#[test]
fn of_an_agent_that_is_lost_it_is_told_that_its_machine_may_be_tuned() {
    let fine = tell(Trouble::Nothing);
    let story = tell(Trouble::Dies(place(&fine, is_load)));
    let [warning] = warnings(&story)[..] else { panic!("{:?}", warnings(&story)) };
    assert!(warning.starts_with("bench may still be tuned: its agent was lost before"), "{warning}");
    assert!(warning.contains("If that agent lives, it does so by itself") && warning.contains("timetrial restore"));
    assert_eq!(story.summary.left.len(), 1);
    // Also of one that died while it made the settings, and not of one that died before.
    let tune = place(&fine, |request| matches!(request, Request::Tune { .. }));
    assert_eq!(warnings(&tell(Trouble::Dies(tune))).len(), 1);
    let before = tell(Trouble::Dies(tune - 1));
    assert!(warnings(&before).is_empty() && before.summary.left.is_empty());
    // Where only open files are asked for, nothing of the machine is changed.
    let mut plan = two_trials();
    plan.tuning[0].settings.clear();
    assert_eq!(warnings(&tell_of(plan, Trouble::Dies(place(&fine, is_load)))), [""; 0]);
}

#[test]
fn after_ctrl_c_it_is_told_what_could_not_be_put_back() {
    let fine = tell(Trouble::Nothing);
    let story = tell(Trouble::StoppedAndLeft(place(&fine, is_load)));
    assert!(matches!(story.summary.error, Some(RunError::Interrupted(_))), "{:?}", story.summary);
    let [warning] = warnings(&story)[..] else { panic!("{:?}", warnings(&story)) };
    let words = "bench is left changed: net.core.somaxconn could not be put back: read-only (hint: `timetrial restore";
    assert!(warning.starts_with(words), "{warning}");
    assert_eq!(story.summary.left.len(), 1);
    let last = story.events.last().map(|event| &event.event);
    assert!(matches!(last, Some(Happening::CampaignFinished { outcome: Outcome::Interrupted, .. })));
}

#[test]
fn fewer_open_files_than_are_needed_end_the_campaign() {
    let story = tell(Trouble::FewFiles);
    let Some(RunError::NotFit(reason)) = &story.summary.error else { panic!("{:?}", story.summary) };
    assert_eq!(reason.message, "bench: 900 open files were asked for, 100 are got, and 900 are needed");
}

#[test]
fn open_files_that_somebody_took_away_meanwhile_are_told() {
    let verified = |trouble| {
        let story = tell(trouble);
        assert!(story.summary.error.is_none(), "{:?}", story.summary);
        let changed = story.events.into_iter().find_map(|event| match event.event {
            Happening::TuningVerified { settings, changed, .. } => Some((settings, changed)),
            _ => None,
        });
        changed.expect("it is verified")
    };
    assert_eq!(verified(Trouble::Nothing), (1, Vec::new()));
    let (settings, changed) = verified(Trouble::FewerFilesLater);
    let [files] = &changed[..] else { panic!("{changed:?}") };
    assert_eq!((settings, files.name.as_str()), (1, "open files of what is started"));
    assert_eq!((files.wanted.as_str(), files.after.as_deref()), ("900", Some("100")));
}

#[test]
fn what_the_sums_do_without_is_not_asked_for() {
    let mut plan = two_trials();
    let more = |name: &str, optional, at_least| TunedSetting {
        name: name.to_owned(),
        optional,
        at_least,
        ..plan.tuning[0].settings[0].clone()
    };
    let settings = [more("refused.optional", true, None), more("refused.enough", false, Some(4096))];
    plan.tuning[0].settings.extend(settings);
    let story = tell_of(plan, Trouble::Nothing);
    assert!(story.summary.error.is_none(), "{:?}", story.summary);
    let asked = story.asked.iter().find_map(|request| match request {
        Request::Tune { settings, .. } => Some(settings.len()),
        _ => None,
    });
    assert_eq!(asked, Some(1));
    let told = story.events.iter().find_map(|event| match &event.event {
        Happening::MachineTuned { settings, .. } => Some(settings.iter().filter(|tuned| !tuned.took).count()),
        _ => None,
    });
    assert_eq!(told, Some(2), "what was left is told all the same");
    let drifted = story.events.iter().any(|event| match &event.event {
        Happening::TuningVerified { changed, .. } => !changed.is_empty(),
        _ => false,
    });
    assert!(!drifted, "nobody set what nobody verifies");
}
