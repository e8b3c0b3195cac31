//! All goes well: the exact sequence.

use timetrial::event::{Happening, Moment, Outcome};
use timetrial::run::RunError;
use timetrial::wire::Request;

use crate::machine::{CONTENT, Trouble, golden, tell, tell_of};

/// A request in a few words.
fn words(request: &Request) -> String {
    match request {
        Request::Identify => "who are you".to_owned(),
        Request::Hello { .. } => "hello".to_owned(),
        Request::ReadFacts => "read facts".to_owned(),
        Request::Listeners { port } => format!("who listens on {port}"),
        Request::PackageRoot { name, .. } => format!("packages {name}"),
        Request::BuildRoot { name, .. } => format!("packages {name} to build with"),
        Request::Venv { name, root, build: None, .. } => format!("venv {name} from {root}"),
        Request::Venv { name, root, build: Some(build), .. } => {
            format!("venv {name} from {root}, {} built with {}", build.sources.join(" and "), build.root)
        }
        Request::PutFiles { directory, files } => format!("put {} into {directory}", files.len()),
        Request::StartDatabase(database) => format!("start database from {}", database.root),
        Request::DatabaseAccess => "access to the database".to_owned(),
        Request::UseDatabase { access } => format!("use the database by {access:?}"),
        Request::DatabaseLog => "log of the database".to_owned(),
        Request::StopDatabase => "stop database".to_owned(),
        Request::Start(start) => format!("start {}", start.label),
        Request::Tree { process } => format!("tree of {process}"),
        Request::Calm { process, .. } => format!("is {process} calm"),
        Request::Stop { process, kill_now, .. } => format!("stop {process}{}", if *kill_now { " now" } else { "" }),
        Request::LogTail { process, .. } => format!("log of {process}"),
        Request::Probe { path, .. } => format!("ask for {path}"),
        Request::Look { .. } => "look".to_owned(),
        Request::Tune { settings, .. } => format!("tune {}", settings.len()),
        Request::VerifyTuning => "verify the tuning".to_owned(),
        Request::Restore { .. } => "restore".to_owned(),
        Request::Unlock { .. } => "unlock".to_owned(),
        Request::Kept => "what is kept".to_owned(),
        Request::RemoveKept => "remove what is kept".to_owned(),
        Request::Clock => "what time is it".to_owned(),
        Request::Goodbye => "goodbye".to_owned(),
    }
}

const BEFORE: [&str; 13] = [
    "hello",
    "read facts",
    "look",
    "who listens on 15201",
    "who listens on 15202",
    "who listens on 18471",
    "who listens on 25432",
    "packages postgresql@bench",
    "packages python3.11@bench",
    "venv venv-counter@bench from digest of python3.11@bench",
    "packages packages-counter@bench",
    "packages wrk@bench",
    "packages iperf@bench",
];

const FILL: [&str; 2] = ["put 2 into daemons/counter", "start database from digest of postgresql@bench"];

/// A network check whose waiting side has this number.
fn network(first: usize) -> Vec<String> {
    let ports = ["who listens on 15201", "who listens on 15202"].map(str::to_owned);
    let listens = ["start network server by iperf", "who listens on 15201", "start network client by iperf"];
    let stops = [format!("stop {}", first + 1), format!("stop {first}")];
    ports.clone().into_iter().chain(listens.map(str::to_owned)).chain(stops).chain(ports).collect()
}

/// One trial whose first process has this number: the daemon's two processes, the warm-up and the load after them.
fn trial(id: &str, first: usize) -> Vec<String> {
    let helper = first + 1;
    let mut steps = vec![
        "who listens on 18471".to_owned(),
        "start daemon 1 of counter".to_owned(),
        "start daemon 2 of counter".to_owned(),
        "ask for /index".to_owned(),
        format!("tree of {first}"),
        format!("tree of {helper}"),
        format!("is {first} calm"),
        format!("is {helper} calm"),
    ];
    for load in ["warm-up", "load"] {
        steps.extend([format!("put 1 into load/{id}"), format!("start {load} by wrk")]);
    }
    steps.push("ask for /index".to_owned());
    for process in [helper, first] {
        steps.extend([format!("stop {process}"), format!("log of {process}")]);
    }
    steps.push("who listens on 18471".to_owned());
    steps
}

#[test]
fn a_campaign_of_two_trials() {
    let story = tell(Trouble::Nothing);
    let mut expected: Vec<String> = BEFORE.map(str::to_owned).to_vec();
    expected.push("tune 1".to_owned());
    expected.extend(network(0));
    expected.extend(FILL.map(str::to_owned));
    expected.extend(trial("0001", 2));
    expected.extend(trial("0002", 6));
    expected.extend(["verify the tuning", "log of the database", "stop database"].map(str::to_owned));
    expected.extend(network(10));
    expected.extend(["read facts", "goodbye"].map(str::to_owned));
    let asked: Vec<String> = story.asked.iter().map(words).collect();
    assert_eq!(asked, expected);
    assert_eq!((story.summary.measured, story.summary.failed, story.summary.not_run), (2, 0, 0));
    assert!(story.summary.error.is_none(), "{:?}", story.summary.error);
}

#[test]
fn what_is_built_comes_before_its_venv_and_templates_are_filled_in() {
    let story = tell_of(golden("front"), Trouble::Nothing);
    let provisions: Vec<String> = story.asked.iter().map(words).skip(4).take(3).collect();
    let expected = [
        "packages python3.9@bench",
        "packages build@bench to build with",
        "venv venv-counter@bench from digest of python3.9@bench, gunicorn built with digest of build@bench",
    ];
    assert_eq!(provisions, expected);
    let files = story.asked.iter().find_map(|request| match request {
        Request::PutFiles { files, .. } => Some(files),
        _ => None,
    });
    let content = |name: &str| {
        let file = files.and_then(|files| files.iter().find(|file| file.path == name)).expect("it was put there");
        String::from_utf8_lossy(&file.bytes).into_owned()
    };
    // Only what stood between at signs: the file's own braces stay.
    assert_eq!(content("front.conf"), "for 18471 and /state/w/0/tmp/backend.sock of {work}");
    assert_eq!(content("daemon.toml"), CONTENT);
}

#[test]
fn the_events_of_a_trial_tell_its_story() {
    let story = tell(Trouble::Nothing);
    let of_trial = story.events.iter().filter(|event| event.event.trial() == Some("0001"));
    let types =
        of_trial.map(|event| serde_json::to_value(&event.event).expect("events can be written")["type"].clone());
    let types: Vec<String> = types.map(|word| word.as_str().unwrap_or_default().to_owned()).collect();
    let expected = [
        "trial-started",
        "daemon-started",
        "daemon-started",
        "daemon-ready",
        "daemon-calm",
        "warm-up-finished",
        "load-started",
        "load-finished",
        "trial-measured",
        "document-checked",
        "daemon-stopped",
        "daemon-stopped",
        "port-free",
        "trial-finished",
    ];
    assert_eq!(types, expected);
    let protocols: Vec<Option<&str>> = story
        .events
        .iter()
        .filter_map(|event| match &event.event {
            Happening::DaemonReady { protocol_seen, .. } => Some(protocol_seen.as_deref()),
            _ => None,
        })
        .collect();
    assert!(!protocols.is_empty() && protocols.iter().all(|seen| *seen == Some("HTTP/1.1")), "{protocols:?}");
    let last = story.events.last().map(|event| &event.event);
    let finished = Happening::CampaignFinished { outcome: Outcome::Measured, measured: 2, failed: 0, not_run: 0 };
    assert_eq!(last, Some(&finished));
}

#[test]
fn what_was_measured_is_kept_in_the_trials_folder() {
    let story = tell(Trouble::Nothing);
    for file in [
        "machines/bench/facts-before.json",
        "machines/bench/facts-after.json",
        "machines/bench/postgresql.stderr",
        "network/before/bench/bench/iperf-client.stdout",
        "network/before/bench/bench/iperf-server.stdout",
        "network/after/bench/bench/iperf-client.stdout",
        "network/after/bench/bench/iperf-server.stdout",
        "trials/0002/trial.json",
        "trials/0002/metrics.json",
        "trials/0002/raw/load.stdout",
        "trials/0002/raw/warm-up.stdout",
        "trials/0002/raw/daemon-2.stdout",
    ] {
        assert!(story.files.iter().any(|kept| kept == file), "no {file} in {:?}", story.files);
    }
}

#[test]
fn the_network_is_told_before_and_after() {
    let story = tell(Trouble::Nothing);
    let told = story.events.iter().filter_map(|event| match &event.event {
        Happening::NetworkChecked { when, figures, .. } => Some((*when, figures.to_client.bytes_received)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [(Moment::Before, 50_462_720), (Moment::After, 50_462_720)]);
}

/// iperf's server may come back before its client listens: that is no word about the network, and both outputs are kept.
#[test]
fn a_check_that_missed_its_way_back_is_repeated() {
    let story = tell(Trouble::NoWayBack(2));
    assert!(story.summary.error.is_none() && story.summary.measured == 2, "{:?}", story.summary);
    let warned = story.events.iter().filter_map(|event| match &event.event {
        Happening::Warning { message } => Some(message.as_str()),
        _ => None,
    });
    let warned: Vec<&str> = warned.collect();
    let [first, second] = warned[..] else { panic!("{warned:?}") };
    assert!(
        first.starts_with("attempt 1 of at most 3 to check the loopback of bench failed and is repeated: "),
        "{first}"
    );
    assert!(first.contains("expected reverse connect did not occur"), "{first}");
    assert!(first.ends_with(" kept beside network/before/bench/bench/iperf-client.stdout"), "{first}");
    assert!(second.ends_with(" kept beside network/before/bench/bench/iperf-client-2.stdout"), "{second}");
    for name in ["client.stderr", "client-2.stderr", "client-3.stdout", "server.stdout", "server-3.stdout"] {
        let name = format!("network/before/bench/bench/iperf-{name}");
        assert!(story.files.contains(&name), "{name} is not in {:?}", story.files);
    }
    let late = |file: &&String| file.starts_with("network/after/") && file.contains("-2.");
    assert_eq!(story.files.iter().filter(late).count(), 0);
}

#[test]
fn a_way_back_that_never_comes_makes_machines_unfit() {
    let story = tell(Trouble::NoWayBack(3));
    let Some(RunError::NotFit(reason)) = &story.summary.error else { panic!("{:?}", story.summary) };
    assert!(reason.message.contains("of the client: \"ERROR: expected reverse connect did not occur\""), "{reason:?}");
    assert!(reason.hint.as_ref().is_some_and(|hint| hint.contains("port 15202")), "{reason:?}");
    let begun =
        |request: &&Request| matches!(request, Request::Start(start) if start.label.starts_with("network client"));
    assert_eq!(story.asked.iter().filter(begun).count(), 3);
}
