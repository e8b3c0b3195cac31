//! A load that comes from two machines at once: what is asked of each, and what becomes of the other when one fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use timetrial::event::{Event, Happening, Outcome, Reason, Recorder, Write};
use timetrial::host::{Connection, Host, fake};
use timetrial::plan::{Machine, Plan};
use timetrial::run::{Campaign, RunError, Summary, run, stop_channel};
use timetrial::wire::{Answer, Reply, Request};

use crate::machine::{CONTENT, Scene, Trouble, golden};

/// The machine on which something goes wrong.
const FAILING: &str = "two";

/// A campaign that is over.
struct Story {
    /// Each request, with the machine that it was asked of.
    asked: Vec<(String, Request)>,
    events: Vec<Event>,
    files: BTreeSet<String>,
    summary: Summary,
}

impl Story {
    fn asked_of(&self, machine: &str) -> Vec<&Request> {
        self.asked.iter().filter(|(name, _)| name == machine).map(|(_, request)| request).collect()
    }
}

#[derive(Default)]
struct Kept {
    events: Vec<Event>,
    files: BTreeSet<String>,
}

impl Recorder for Kept {
    fn write(&mut self, write: Write<'_>) -> std::io::Result<()> {
        match write {
            Write::Event(event) if event.event.is_progress() => {}
            Write::Event(event) => self.events.push(event.clone()),
            Write::File { path, .. } => drop(self.files.insert(path.to_owned())),
        }
        Ok(())
    }
}

/// Two trials of a second, with three connections from one machine and two from the other: as the fixtures were made.
fn plan() -> Plan {
    let mut plan = golden("steady");
    (plan.database, plan.network) = (None, None);
    for name in ["one", "two"] {
        plan.machines.push(Machine { name: name.to_owned(), ..plan.machines[0].clone() });
    }
    plan.provisions.retain(|provision| !provision.name.starts_with("wrk") && !provision.name.starts_with("iperf"));
    plan.trials.truncate(2);
    for trial in &mut plan.trials {
        (trial.client, trial.more_clients) = ("one".to_owned(), vec!["two".to_owned()]);
        let load = &mut trial.load;
        (load.tool, load.provision, load.streams) = ("timetrial".to_owned(), None, Some(1));
        (load.threads, load.connections, load.duration_s, load.warm_up_s) = (1, 5, 1.0, None);
    }
    plan
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_micros()).expect("not for long")
}

/// What is odd about the second client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Odd {
    Nothing,
    /// It does not reach the daemon.
    CutOff,
    /// Its clock is an hour ahead. What its generator printed was printed by another clock.
    Ahead,
}

/// Runs it, with this trouble on the second client.
fn tell(trouble: Trouble) -> Story {
    tell_of(trouble, Odd::Nothing)
}

fn tell_of(trouble: Trouble, odd: Odd) -> Story {
    let plan = plan();
    let (handle, stop) = stop_channel();
    let handle = Arc::new(handle);
    let inputs = plan.inputs.keys().map(|name| (name.clone(), CONTENT.as_bytes().to_vec())).collect();
    let (owner, certificates) = ("a test".to_owned(), BTreeMap::new());
    let campaign = Campaign {
        plan: &plan,
        run: "a-run",
        inputs: &inputs,
        certificates: &certificates,
        owner,
        confirm: None,
        resumed: None,
        stop,
    };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let connect = async |machine: &Machine| {
        let (name, asked) = (machine.name.clone(), Arc::clone(&asked));
        let own = if name == FAILING { trouble } else { Trouble::Nothing };
        let mut scene = Scene::new(&plan, own, Arc::clone(&handle));
        let script = move |request: &Request, notices: &mut Vec<_>| {
            asked.lock().expect("nobody panicked").push((name.clone(), request.clone()));
            let reply = scene.answer(request, notices)?;
            let odd = if name == FAILING { odd } else { Odd::Nothing };
            Ok(match (request, odd) {
                (Request::Identify, _) => Reply::Identity { identity: name.clone(), machine: name.clone() },
                (Request::Clock, Odd::Ahead) => Reply::Clock { unix_us: now_us() + 3_600_000_000 },
                (Request::Probe { .. }, Odd::CutOff) => {
                    Reply::Answer(Answer::Nothing { why: "no route to host".to_owned() })
                }
                _ => reply,
            })
        };
        let (link, _) = fake(&machine.name, Box::new(script)).await?;
        Ok(Connection { host: Host::Elsewhere, link })
    };
    let mut kept = Kept::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let summary = runtime.block_on(run(&campaign, &mut kept, connect));
    let asked = asked.lock().expect("nobody panicked").clone();
    Story { asked, events: kept.events, files: kept.files, summary }
}

fn words(request: &Request) -> Option<String> {
    match request {
        Request::Probe { .. } => Some("ask for the document".to_owned()),
        Request::PutFiles { directory, .. } => Some(format!("make {directory}")),
        Request::Clock => Some("what time is it".to_owned()),
        Request::Start(start) => Some(format!("start {}", start.label)),
        Request::Stop { .. } => Some("stop".to_owned()),
        _ => None,
    }
}

#[test]
fn both_are_asked_in_turn() {
    let story = tell(Trouble::Nothing);
    assert_eq!((story.summary.measured, story.summary.error.is_none()), (2, true), "{:?}", story.summary);
    let first = story.asked.iter().position(|(_, request)| matches!(request, Request::Probe { .. }));
    let first = first.expect("the daemon was asked for its document");
    let mut of_trial: Vec<String> = story.asked[first..]
        .iter()
        .filter(|(name, _)| name != "bench")
        .filter_map(|(name, request)| Some(format!("{name}: {}", words(request)?)))
        .collect();
    of_trial.dedup();
    let expected = [
        "one: ask for the document",
        "two: ask for the document",
        "one: make load/0001",
        "two: make load/0001",
        "one: what time is it",
        "two: what time is it",
        "one: start load by timetrial",
        "two: start load by timetrial",
        "one: ask for the document",
    ];
    assert_eq!(of_trial[..expected.len()], expected);
    let apart = begin(&story, "two") - begin(&story, "one");
    assert!(apart.abs() < 1.0, "{apart}");
}

/// When a machine was told to begin.
fn begin(story: &Story, machine: &str) -> f64 {
    let starts = story.asked_of(machine).into_iter().find_map(|request| match request {
        Request::Start(start) if start.own => Some(start.command.arguments.clone()),
        _ => None,
    });
    let words = starts.expect("our own program was started");
    let at = words.iter().position(|word| word == "--start-at").expect("it was told when to begin");
    words[at + 1].parse().expect("it is a time")
}

#[test]
fn figures_are_of_the_whole_and_outputs_of_each() {
    let story = tell(Trouble::Nothing);
    let figures = story.events.iter().find_map(|event| match &event.event {
        Happening::TrialMeasured { figures, .. } => Some(figures),
        _ => None,
    });
    let figures = figures.expect("it was measured");
    assert_eq!((figures.requests, figures.connections_asked, figures.threads), (6_813 + 3_292, 5, 2));
    assert_eq!(figures.account.as_ref().map(|account| account.clients), Some(2));
    for machine in ["one", "two"] {
        let name = format!("trials/0001/raw/load.{machine}.stdout");
        assert!(story.files.contains(&name), "no {name} in {:?}", story.files);
    }
    let clients = |wanted: fn(&Happening) -> Option<&Option<String>>| {
        let told = story.events.iter().filter_map(|event| wanted(&event.event));
        told.flatten().cloned().collect::<Vec<_>>()
    };
    let started = clients(|event| match event {
        Happening::LoadStarted { client, .. } => Some(client),
        _ => None,
    });
    assert_eq!(started, ["one", "two", "one", "two"]);
    let clocks = story.events.iter().find_map(|event| match &event.event {
        Happening::ClocksCompared { clocks, .. } => Some(clocks),
        _ => None,
    });
    let [one, two] = &clocks.expect("clocks were compared")[..] else { panic!("{clocks:?}") };
    assert!(one.ahead_us.abs() < 1_000_000 && two.ahead_us.abs() < 1_000_000, "{clocks:?}");
}

/// Each is told the time by its own clock; and the fixtures began at one time, so by a clock that is an hour ahead one of
/// them did not.
#[test]
fn a_client_that_did_not_begin_with_the_others_has_no_part_in_the_load() {
    let story = tell_of(Trouble::Nothing, Odd::Ahead);
    let apart = begin(&story, "two") - begin(&story, "one");
    assert!((apart - 3_600.0).abs() < 1.0, "{apart}");
    let clocks = story.events.iter().find_map(|event| match &event.event {
        Happening::ClocksCompared { clocks, .. } => Some(clocks),
        _ => None,
    });
    let ahead = clocks.expect("clocks were compared")[1].ahead_us;
    assert!((ahead - 3_600_000_000).abs() < 1_000_000, "{ahead}");
    let reason = failure(&story);
    assert_eq!((story.summary.failed, reason.code.as_str()), (2, "unreadable-output"));
    assert!(reason.message.contains("number 2 was not at work at the same time as the first"), "{reason:?}");
}

/// Why the first trial failed.
fn failure(story: &Story) -> Reason {
    let reason = story.events.iter().find_map(|event| match &event.event {
        Happening::TrialFinished { outcome: Outcome::Failed { reason }, .. } => Some(reason),
        _ => None,
    });
    reason.expect("the trial failed").clone()
}

#[test]
fn a_client_that_does_not_reach_the_daemon_is_named() {
    let story = tell_of(Trouble::Nothing, Odd::CutOff);
    assert_eq!((story.summary.failed, story.summary.error.is_none()), (2, true), "{:?}", story.summary);
    let reason = failure(&story);
    assert_eq!(reason.code, "not-reached");
    assert!(reason.message.ends_with(" answers one, and not two: no route to host"), "{reason:?}");
    let is_load = |(_, request): &(String, Request)| matches!(request, Request::Start(start) if start.own);
    assert!(!story.asked.iter().any(is_load), "no load is begun that could not be whole");
}

/// Tells every story at the same time.
fn each(trouble: fn(usize) -> Trouble, check: fn(usize, &Story)) {
    let number = tell(Trouble::Nothing).asked_of(FAILING).len();
    std::thread::scope(|scope| {
        for number in 0..number {
            scope.spawn(move || check(number, &tell(trouble(number))));
        }
    });
}

fn the_record_is_whole(number: usize, story: &Story) {
    let sequence: Vec<u64> = story.events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequence, (1..=story.events.len() as u64).collect::<Vec<u64>>(), "request {number}");
    let last = story.events.last().map(|event| &event.event);
    assert!(matches!(last, Some(Happening::CampaignFinished { .. })), "request {number}: ends with {last:?}");
    let count = |wanted: fn(&Happening) -> bool| story.events.iter().filter(|event| wanted(&event.event)).count();
    let begun = count(|event| matches!(event, Happening::TrialStarted { .. }));
    assert_eq!(begun, count(|event| matches!(event, Happening::TrialFinished { .. })), "request {number}");
}

/// Whatever became of the other: what was started here has ended or was stopped, and the last word is goodbye.
fn the_others_are_left_clean(number: usize, story: &Story) {
    for machine in ["bench", "one"] {
        let asked = story.asked_of(machine);
        let goodbyes = asked.iter().filter(|request| matches!(request, Request::Goodbye)).count();
        let is_last = matches!(asked.last(), Some(Request::Goodbye));
        assert!(goodbyes == 1 && is_last, "request {number}, {machine}: {:?}", asked.last());
    }
    let told = |wanted: fn(&Happening) -> Option<&Option<String>>| {
        story.events.iter().filter_map(|event| wanted(&event.event)).flatten().filter(|client| *client == "one").count()
    };
    let started = told(|event| match event {
        Happening::LoadStarted { client, .. } => Some(client),
        _ => None,
    });
    let ended = told(|event| match event {
        Happening::LoadFinished { client, .. } => Some(client),
        _ => None,
    });
    assert_eq!(started, ended, "request {number}: the part of the load that comes from one");
}

#[test]
fn a_refusal_of_any_request_of_one_client() {
    each(Trouble::Refused, |number, story| {
        the_record_is_whole(number, story);
        the_others_are_left_clean(number, story);
        let is_fine = story.summary.error.is_none() && story.summary.failed == 0;
        assert!(!is_fine, "request {number}: {:?}", story.summary);
        // A trial without one of its clients has no figures.
        assert!(story.summary.measured <= 2, "request {number}");
    });
}

#[test]
fn a_client_that_is_lost_at_any_request() {
    each(Trouble::Dies, |number, story| {
        the_record_is_whole(number, story);
        the_others_are_left_clean(number, story);
        let is_lost = matches!(&story.summary.error, Some(RunError::Link(_) | RunError::NotFit(_)));
        assert!(is_lost, "request {number}: {:?}", story.summary);
        let reason = story.summary.error.as_ref().map(RunError::reason);
        assert!(reason.is_some_and(|reason| reason.code == "agent-lost" && reason.message.contains("two")));
    });
}

#[test]
fn a_stop_by_the_user_while_one_client_answers() {
    each(Trouble::Stopped, |number, story| {
        the_record_is_whole(number, story);
        the_others_are_left_clean(number, story);
        let goodbyes = story.asked_of(FAILING).iter().filter(|request| matches!(request, Request::Goodbye)).count();
        assert_eq!(goodbyes, 1, "request {number}");
    });
}
