//! A run that is cut off at every line of its events, and what a resumed one keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::event::{Event, Happening, Outcome, Reason, Recorder as _, Write, paths};
use crate::metric::{ErrorCounts, LoadFigures};
use crate::plan::Plan;
use crate::plan::document::sha256_bytes;
use crate::store::{Controller, ResumeError, Resumption, RunWriter, open};

fn now() -> Timestamp {
    "2026-11-23T18:45:01Z".parse().unwrap()
}

fn me() -> Controller {
    let timetrial = env!("CARGO_PKG_VERSION").to_owned();
    Controller { timetrial, hosts: "/project/hosts.toml".to_owned(), owner: "a test".to_owned() }
}

/// Four trials of a plan with one input.
fn plan() -> (Plan, BTreeMap<String, Vec<u8>>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/golden/steady.json");
    let mut plan: Plan = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    plan.trials.truncate(1);
    for number in 2..=4 {
        let mut trial = plan.trials[0].clone();
        trial.id = format!("{number:04}");
        plan.trials.push(trial);
    }
    plan.inputs = BTreeMap::from([("inputs/hosts.toml".to_owned(), sha256_bytes(b"[machine.here]"))]);
    (plan, BTreeMap::from([("inputs/hosts.toml".to_owned(), b"[machine.here]".to_vec())]))
}

/// Writes events, numbered after those that are there.
struct Story {
    writer: RunWriter,
    sequence: u64,
}

impl Story {
    fn tell(&mut self, event: Happening) {
        self.sequence += 1;
        let event = Event { sequence: self.sequence, time: now(), elapsed_ms: self.sequence * 10, event };
        self.writer.write(Write::Event(&event)).unwrap();
    }

    fn begin(&mut self, trial: &str) {
        let [trial, daemon, endpoint, round] = [trial, "a", "/index", "only"].map(str::to_owned);
        let id = trial.clone();
        self.tell(Happening::TrialStarted { trial, daemon, endpoint, round, repeat: 1, load_s: 1.0, left_s: 1.0 });
        self.file(&paths::trial(&id), b"{}");
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        self.writer.write(Write::File { path, bytes, append: false }).unwrap();
    }

    fn measure(&mut self, trial: &str, figures: &LoadFigures) {
        self.file(&paths::metrics(trial), &serde_json::to_vec(figures).unwrap());
        self.tell(Happening::TrialMeasured { trial: trial.to_owned(), figures: Box::new(figures.clone()) });
    }

    fn end(&mut self, trial: &str, outcome: Outcome) {
        self.tell(Happening::TrialFinished { trial: trial.to_owned(), outcome, took_ms: 5 });
    }

    fn finish(&mut self, outcome: Outcome) {
        self.tell(Happening::CampaignFinished { outcome, measured: 0, failed: 0, not_run: 0 });
    }
}

fn figures() -> LoadFigures {
    LoadFigures {
        requests: 7,
        duration_us: 1_000_000,
        bytes_received: 70,
        printed_requests_per_second: 7.0,
        errors: ErrorCounts::default(),
        late_answers: None,
        latency: None,
        service_time: None,
        threads: 1,
        connections_asked: 1,
        connections_used: 1,
        streams_asked: None,
        rate_asked: None,
        protocol: None,
        tool: "a tool".to_owned(),
        account: None,
    }
}

fn failed(code: &str) -> Outcome {
    let reason = Reason { code: code.to_owned(), message: "no".to_owned(), detail: Vec::new(), hint: None };
    Outcome::Failed { reason }
}

/// One measured, one failed, one measured, and one that ended the campaign, all in one session.
fn story(store: &Path) -> PathBuf {
    let (plan, inputs) = plan();
    let mut writer = RunWriter::create(store, "run", &plan, &inputs).unwrap();
    writer.controller(&me()).unwrap();
    let mut story = Story { writer, sequence: 0 };
    let timetrial = env!("CARGO_PKG_VERSION").to_owned();
    let (run, scenario) = ("run".to_owned(), "steady".to_owned());
    story.tell(Happening::CampaignStarted { run, scenario, timetrial, trials: 4, estimate_s: 4.0 });
    story.begin("0001");
    story.measure("0001", &figures());
    story.end("0001", Outcome::Measured);
    story.begin("0002");
    story.end("0002", failed("not-ready"));
    story.begin("0003");
    story.measure("0003", &figures());
    story.end("0003", Outcome::Measured);
    story.begin("0004");
    story.end("0004", failed("agent-lost"));
    story.finish(failed("agent-lost"));
    let directory = story.writer.directory().to_owned();
    story.writer.complete().unwrap();
    directory
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            assert!(fs::copy(entry.path(), target).is_ok())
        }
    }
}

fn resume(directory: &Path) -> (Story, BTreeSet<String>) {
    let resumption = Resumption::of(directory).unwrap();
    let (sequence, finished) = (resumption.sequence(), resumption.finished.clone());
    (Story { writer: resumption.begin(&me()).unwrap(), sequence }, finished)
}

#[test]
fn cut_off_at_every_line_it_knows_what_is_finished() {
    let store = tempfile::tempdir().unwrap();
    let whole = story(store.path());
    let text = fs::read_to_string(whole.join(paths::EVENTS)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 12);
    // After so many lines: the first trial has ended, the campaign has gone on after the second, the third has ended.
    let expected = |lines: usize| -> Vec<&str> {
        let ends = [(4, "0001"), (7, "0002"), (9, "0003")];
        ends.into_iter().filter(|(end, _)| *end <= lines).map(|(_, trial)| trial).collect()
    };
    for many in 0..=lines.len() {
        // Each once at the end of a line, and once with half of the next.
        for half in [0, 9] {
            let directory = store.path().join(format!("cut-{many}-{half}"));
            copy(&whole, &directory);
            fs::remove_file(directory.join(paths::COMPLETE)).unwrap();
            let mut cut: String = lines[..many].iter().map(|line| format!("{line}\n")).collect();
            cut.push_str(lines.get(many).map_or("", |next| &next[..half]));
            fs::write(directory.join(paths::EVENTS), &cut).unwrap();
            let (mut story, finished) = resume(&directory);
            assert_eq!(Vec::from_iter(&finished), expected(many), "after {many} lines");
            assert_eq!(story.sequence, many as u64);
            let is_half = half > 0 && many < lines.len();
            assert_eq!(directory.join("sessions/1/events.half").exists(), is_half);
            let left = 4 - finished.len();
            let timetrial = env!("CARGO_PKG_VERSION").to_owned();
            story.tell(Happening::CampaignResumed { timetrial, finished: finished.len(), left });
            for trial in ["0001", "0002", "0003", "0004"].into_iter().filter(|trial| !finished.contains(*trial)) {
                story.begin(trial);
                story.measure(trial, &figures());
                story.end(trial, Outcome::Measured);
            }
            story.finish(Outcome::Measured);
            story.writer.complete().unwrap();
            let run = open(&directory).unwrap();
            let numbers: Vec<u64> = run.events.iter().map(|event| event.sequence).collect();
            assert_eq!(numbers, Vec::from_iter(1..=run.events.len() as u64));
            assert_eq!(run.trials.len(), 4);
            let measured = |trial: &str| run.trials.iter().any(|one| one.trial.id == trial && one.figures.is_some());
            assert!(measured("0001") && measured("0003") && measured("0004"), "after {many} lines");
            assert_eq!(measured("0002"), many < 7, "one that failed and was finished is not run again");
            assert!(Resumption::of(&directory).unwrap().is_over());
        }
    }
}

#[test]
fn what_an_earlier_session_wrote_is_kept_beside_what_the_next_one_does() {
    let store = tempfile::tempdir().unwrap();
    let directory = story(store.path());
    let manifest = fs::read(directory.join(paths::COMPLETE)).unwrap();
    for session in 1..=2 {
        let (mut story, finished) = resume(&directory);
        assert_eq!(finished.len(), 3);
        assert!(matches!(Resumption::of(&directory), Err(ResumeError::Runs { owner, .. }) if owner == "a test"));
        story.begin("0004");
        for bytes in [format!("{session}, first"), format!("{session}, last")] {
            story.file("machines/here/facts-after.json", bytes.as_bytes());
        }
        for bytes in [b"one ", b"two "] {
            story.writer.write(Write::File { path: "network/out", bytes, append: true }).unwrap();
        }
    }
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(read("trials/0004.cut-1/trial.json"), "{}");
    assert!(directory.join("trials/0004.cut-2").exists() && !directory.join("trials/0003.cut-1").exists());
    assert_eq!(fs::read(directory.join("sessions/1/complete.json")).unwrap(), manifest);
    assert!(!directory.join("sessions/2/complete.json").exists());
    assert_eq!(read("sessions/2/machines/here/facts-after.json"), "1, last");
    assert_eq!(read("machines/here/facts-after.json"), "2, last");
    assert_eq!((read("sessions/2/network/out"), read("network/out")), ("one two ".into(), "one two ".into()));
    assert!(directory.join("sessions/1/controller.json").exists());
    // The last attempt was only begun: what the one before it came to is not told as its own.
    let run = open(&directory).unwrap();
    let last = run.trials.last().unwrap();
    assert_eq!((last.trial.id.as_str(), &last.outcome, last.figures.is_some()), ("0004", &None, false));
}

#[test]
fn one_that_the_user_stopped_is_run_again_and_time_never_goes_back() {
    let store = tempfile::tempdir().unwrap();
    let directory = story(store.path());
    let (mut story, _) = resume(&directory);
    story.begin("0004");
    story.measure("0004", &figures());
    story.end("0004", Outcome::Interrupted);
    story.finish(Outcome::Interrupted);
    let elapsed = story.sequence * 10;
    story.writer.complete().unwrap();
    let resumption = Resumption::of(&directory).unwrap();
    assert_eq!((resumption.left(), resumption.is_over(), resumption.sessions), (1, false, 2));
    let after = |seconds| now() + jiff::SignedDuration::from_secs(seconds);
    assert_eq!(resumption.elapsed_ms(after(3)), elapsed + 3000);
    assert_eq!(resumption.elapsed_ms(after(-3600)), elapsed, "a clock that was set back");
}
