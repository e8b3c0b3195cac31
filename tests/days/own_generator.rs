//! Our own load generator: on one machine, and on two clients at once that are one machine in truth.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::machine;
use crate::support::project::{Project, RUN};
use crate::support::running::{RunDirectory, Running};

/// One daemon under a load that names no tool, with these keys.
fn project(load: &str) -> Project {
    let mut project = Project::new();
    let text = format!(
        "title = \"a day\"\ndaemons = [\"alpha\"]\nworkers = 2\nport = {}\ndata = \"set\"\n\n[[round]]\nname = \"only\"\n\
         endpoints = [\"/index\"]\nload = {{ {load} }}\n",
        project.port
    );
    project.write("scenarios/day.toml", text);
    project.look();
    project
}

/// The same, loaded from two clients with agents of their own.
fn from_two(load: &str) -> Project {
    let mut project = project(load);
    let (state, aside) = (project.path("s"), project.path("out/aside"));
    let text = format!(
        "[machine.here]\ntransport = \"local\"\nroles = [\"server\", \"client\"]\nstate_dir = {state:?}\n\n\
         [machine.aside]\ntransport = \"local\"\nroles = [\"client\"]\nstate_dir = {aside:?}\n"
    );
    project.write("hosts.toml", text);
    project.look();
    project
}

/// It ran to its end. Whether a busy machine lets the figures be valid is not the question.
fn assert_ran(code: Option<i32>, told: &str) {
    assert!(matches!(code, Some(0 | 3)), "exit code {code:?}: {told}");
}

#[test]
fn it_needs_nothing_on_the_machine() {
    let project = project("threads = 1, connections = 3, duration = \"1s\", warm_up = \"1s\"");
    let ended = project.run();
    assert_ran(ended.code(), &ended.stderr);
    ended.assert_said("1 measured");
    project.assert_clean();
    let run = RunDirectory::only(&project);
    run.assert_complete();
    assert!(!run.types().iter().any(|kind| kind == "provision-started"), "{:?}", run.types());
    let started = run.event("load-started");
    let command: Vec<&str> = started["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let url = format!("http://127.0.0.1:{}/index", project.port);
    assert_eq!(command[0], env!("CARGO_BIN_EXE_timetrial"));
    assert_eq!(command[1..7], ["load", &url, "-t", "1", "-c", "3"]);
    let figures = run.json("trials/0001/metrics.json");
    let raw = String::from_utf8(run.bytes("trials/0001/raw/load.stdout")).unwrap();
    let result: serde_json::Value = serde_json::from_str(raw.lines().last().unwrap()).unwrap();
    assert_eq!(figures["requests"], result["requests"]["answered_in_time_count"]);
    assert_eq!(figures["service_time"]["mean_us"], result["service_time"]["mean_us"]);
    assert_eq!(figures["protocol"], "HTTP/1.1");
    assert!(figures["requests"].as_u64().unwrap() > 10, "{figures}");
    assert!(run.bytes("trials/0001/raw/warm-up.stdout").ends_with(b"}\n"));
}

#[test]
fn two_clients_begin_together_and_make_one_load() {
    let project = from_two("threads = 1, connections = 5, rate = 100, duration = \"2s\"");
    let ended = project.run();
    assert_ran(ended.code(), &ended.stderr);
    ended.assert_said("1 measured");
    project.assert_clean();
    let run = RunDirectory::only(&project);
    run.assert_complete();
    let clocks = run.event("clocks-compared")["clocks"].clone();
    for (place, name) in ["here", "aside"].iter().enumerate() {
        assert_eq!(clocks[place]["machine"], *name);
        // It is one clock.
        assert!(clocks[place]["ahead_us"].as_i64().unwrap().abs() < 1_000_000, "{clocks}");
    }
    let result = |name: &str| -> serde_json::Value {
        let raw = String::from_utf8(run.bytes(&format!("trials/0001/raw/load.{name}.stdout"))).unwrap();
        serde_json::from_str(raw.lines().last().unwrap()).unwrap()
    };
    let (here, aside, figures) = (result("here"), result("aside"), run.json("trials/0001/metrics.json"));
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let count = |result: &serde_json::Value, key: &str| number(&result["requests"][key]);
    let sum = |key: &str| count(&here, key) + count(&aside, key);
    assert_eq!(number(&figures["requests"]), sum("answered_in_time_count"));
    assert_eq!(number(&figures["account"]["sent"]), sum("sent_count"));
    assert_eq!((number(&figures["connections_asked"]), number(&figures["rate_asked"])), (5, 100));
    assert_eq!((&here["connections"]["asked_count"], &aside["connections"]["asked_count"]), (&3.into(), &2.into()));
    assert_eq!((&here["rate_asked_per_s"], &aside["rate_asked_per_s"]), (&50.0.into(), &50.0.into()));
    let samples = |result: &serde_json::Value| number(&result["latency"]["samples_count"]);
    assert_eq!(number(&figures["latency"]["samples"]), samples(&here) + samples(&aside));
    let began = number(&here["started_unix_us"]).abs_diff(number(&aside["started_unix_us"]));
    assert!(began < 1_000_000, "they began {began} µs apart");
    assert_eq!(figures["account"]["clients"], 2);
}

#[test]
fn a_client_whose_agent_is_killed_ends_the_campaign() {
    let project = from_two("threads = 1, connections = 4, duration = \"20s\"");
    let running = Running::start(&project, project.command(RUN));
    running.await_that("load on both clients", || running.events_of("load-started") == 2);
    let agents = machine::pids(&project.path("out/aside"), " agent");
    assert_eq!(agents.len(), 1, "{:?}", machine::processes_of(&project.path("out/aside")));
    kill(Pid::from_raw(agents[0]), Signal::SIGKILL).unwrap();
    let ended = running.end();
    ended.assert_code(1);
    assert!(ended.stderr.contains("aside"), "{}", ended.stderr);
    let run = RunDirectory::only(&project);
    assert_eq!(run.failure("0001")["code"], "agent-lost");
    assert!(!run.0.join("trials/0001/metrics.json").exists());
    // What it left is removed at the next contact; its load died with it.
    let is_load = |line: &String| line.contains(" load ");
    let begun = std::time::Instant::now();
    while machine::processes_of(&project.path("")).iter().any(is_load) {
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", machine::processes_of(&project.path("")));
        std::thread::sleep(Duration::from_millis(50));
    }
}
