//! Whole campaigns in containers, and their ends.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::docker::boxes::{alone, assert_no_container_within, docker, of_runs, project};
use crate::support::running::RunDirectory;

/// The promise for what a dead controller leaves.
const GONE: Duration = Duration::from_secs(15);

#[test]
#[ignore = "needs Docker"]
fn a_campaign_in_two_containers_leaves_its_cache_and_clean_removes_that() {
    let _alone = alone();
    let project = project("whole");
    project.run().assert_code(0).assert_said("1 measured").assert_said(": FROM scratch");
    let run = RunDirectory::only(&project);
    run.assert_complete();
    let connected: Vec<_> =
        run.events().into_iter().filter(|event| event["event"]["type"] == "machine-connected").collect();
    assert_eq!(connected.len(), 2);
    assert!(connected.iter().all(|event| event["event"]["transport"] == "docker"), "{connected:?}");
    assert_eq!(of_runs("whole"), Vec::<String>::new());
    project.run().assert_code(0).assert_said("server-whole: the image").assert_not_said(": FROM scratch");

    let kept = project.timetrial(&["clean"]);
    let caches = ["cache volume timetrial-cache-server-whole, ", "cache volume timetrial-cache-client-whole, "];
    for text in caches.iter().chain(&["image timetrial/stub:", "Nothing was removed."]) {
        assert!(kept.assert_code(0).stdout.contains(text), "no `{text}` in:\n{}", kept.stdout);
    }
    let removed = project.timetrial(&["clean", "--yes"]);
    assert!(removed.assert_code(0).stdout.contains(" (removed)\n"), "{}", removed.stdout);
    let volumes = docker(&["volume", "ls", "--quiet", "--filter", "label=timetrial.kept=cache"]);
    assert!(!volumes.iter().any(|name| name.ends_with("-whole")), "{volumes:?}");
    assert_eq!(docker(&["images", "--quiet", "timetrial/stub"]), Vec::<String>::new());
}

#[test]
#[ignore = "needs Docker"]
fn two_clients_in_containers_make_one_load() {
    let _alone = alone();
    let mut project = project("pair");
    let hosts = std::fs::read_to_string(project.path("hosts.toml")).unwrap();
    let (servers, client) = hosts.split_once("[machine.client-pair]").unwrap();
    let [one, other] = [("client-pair", ".11\""), ("other-pair", ".12\"")]
        .map(|(name, end)| format!("[machine.{name}]{}", client.replace(".11\"", end)));
    project.write("hosts.toml", format!("{servers}{one}{other}"));
    let scenario = std::fs::read_to_string(project.path("scenarios/day.toml")).unwrap();
    let (head, _) = scenario.split_once("load = {").unwrap();
    project.write(
        "scenarios/day.toml",
        format!("{head}load = {{ threads = 1, connections = 5, rate = 100, duration = \"2s\" }}\n"),
    );
    project.look();
    let ended = project.run();
    // Whether a busy machine lets the figures be valid is not the question.
    assert!(matches!(ended.code(), Some(0 | 3)), "{}", ended.stderr);
    ended.assert_said("1 measured");
    let run = RunDirectory::only(&project);
    run.assert_complete();
    assert_eq!(run.event("clocks-compared")["clocks"].as_array().unwrap().len(), 2);
    let figures = run.json("trials/0001/metrics.json");
    let results = ["client-pair", "other-pair"].map(|name| -> serde_json::Value {
        let raw = String::from_utf8(run.bytes(&format!("trials/0001/raw/load.{name}.stdout"))).unwrap();
        serde_json::from_str(raw.lines().last().unwrap()).unwrap()
    });
    let answered = results.iter().map(|result| result["requests"]["answered_in_time_count"].as_u64().unwrap());
    assert_eq!(figures["requests"].as_u64().unwrap(), answered.sum::<u64>());
    assert_eq!((&figures["account"]["clients"], &figures["connections_asked"]), (&2.into(), &5.into()));
    assert_eq!(of_runs("pair"), Vec::<String>::new());
    project.timetrial(&["clean", "--yes"]).assert_code(0);
}

#[test]
#[ignore = "needs Docker"]
fn kill_9_of_the_controller_leaves_no_container_and_the_next_run_sweeps_the_network() {
    let _alone = alone();
    let project = project("killed");
    let running = project.begin();
    running.await_event("load-started");
    let run = running.directory().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    running.signal(Signal::SIGKILL);
    running.end();
    assert_no_container_within("killed", GONE);
    assert!(of_runs("killed").iter().any(|line| line.contains(&run)), "its network can't go by itself");
    project.run().assert_code(0).assert_said(&format!("left by a dead agent, removed: network timetrial-{run}"));
    assert_eq!(of_runs("killed"), Vec::<String>::new());
    project.timetrial(&["clean", "--yes"]).assert_code(0);
}

#[test]
#[ignore = "needs Docker"]
fn a_container_that_is_killed_is_told_as_what_it_was() {
    let _alone = alone();
    let project = project("shot");
    let running = project.begin();
    running.await_event("load-started");
    let client = docker(&["ps", "--quiet", "--filter", "label=timetrial.machine=client-shot"]);
    docker(&["kill", &client[0]]);
    let ended = running.end();
    ended.assert_code(1);
    let words =
        "lost the agent on client-shot: its container ended with code 137, after somebody had the engine send it";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert_eq!(of_runs("shot"), Vec::<String>::new());
    project.timetrial(&["clean", "--yes"]).assert_code(0);
}

#[test]
#[ignore = "needs Docker"]
fn what_is_swept_is_ours_and_its_controller_dead() {
    let _alone = alone();
    let project = project("swept");
    // An image that is surely there.
    project.run().assert_code(0);
    let image = docker(&["images", "--quiet", "timetrial/stub"]).remove(0);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let here = format!("{}/{}", boot.trim(), namespace.display());
    let dead = format!("timetrial.controller={here} 4294967295 1");
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap();
    let alive = format!("timetrial.controller={here} {} {ticks}", std::process::id());
    let create = |name: &str, labels: &[&str]| {
        let labels: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
        docker(&[&["create", "--name", name], labels.as_slice(), &[&image, "/none"]].concat());
    };
    create("timetrial-x-dead-swept", &["timetrial.run=x", &dead]);
    create("timetrial-x-alive-swept", &["timetrial.run=x", &alive]);
    create("timetrial-x-elsewhere-swept", &["timetrial.run=x", "timetrial.controller=boot/pid:[1] 2 3"]);
    create("timetrial-x-foreign-swept", &[]);
    let looked = project.timetrial(&["doctor"]);
    assert!(looked.stdout.contains("removed: container timetrial-x-dead-swept"), "{}", looked.stdout);
    let cleaned = project.timetrial(&["clean", "--yes"]);
    let spared = "container timetrial-x-alive-swept (left alone: run x is under way)";
    assert!(cleaned.stdout.contains(spared), "{}", cleaned.stdout);
    let mut left = docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", "name=-swept"]);
    left.sort();
    for name in &left {
        docker(&["rm", name]);
    }
    assert_eq!(left, ["timetrial-x-alive-swept", "timetrial-x-elsewhere-swept", "timetrial-x-foreign-swept"]);
    project.timetrial(&["clean", "--yes"]).assert_code(0);
}

#[test]
#[ignore = "needs Docker"]
fn one_engine_by_two_names_is_one_and_a_limit_of_memory_is_a_fact() {
    let _alone = alone();
    let project = project("twice");
    let socket = project.path("again.sock");
    std::os::unix::fs::symlink("/var/run/docker.sock", &socket).unwrap();
    let hosts = std::fs::read_to_string(project.path("hosts.toml")).unwrap();
    let client = "[machine.client-twice]\n";
    let keys = format!("{client}engine = \"unix://{}\"\nmemory = \"512MiB\"\n", socket.display());
    project.write("hosts.toml", hosts.replace(client, &keys));
    let looked = project.timetrial(&["doctor"]);
    assert_eq!(looked.stdout.matches("memory 537 MB, ").count(), 1, "{}", looked.stdout);
    assert!(
        !looked.stdout.contains("network-overlaps") && !looked.stdout.contains("another network"),
        "{}",
        looked.stdout
    );
    let cleaned = project.timetrial(&["clean", "--yes"]);
    let engines = cleaned.assert_code(0).stdout.lines().filter(|line| line.starts_with("Docker engine")).count();
    assert_eq!(engines, 1, "{}", cleaned.stdout);
    assert_eq!(cleaned.stdout.matches("timetrial-cache-server-twice").count(), 1, "{}", cleaned.stdout);
    assert_eq!(of_runs("twice"), Vec::<String>::new());
}

/// Whether a process does something of its own at SIGINT, as the kernel tells it.
fn catches_interrupts(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(caught, 16).unwrap() >> (Signal::SIGINT as u32 - 1) & 1 == 1
}

#[test]
#[ignore = "needs Docker"]
fn ctrl_c_while_containers_are_made_leaves_nothing() {
    let _alone = alone();
    let project = project("early");
    // The image is there from then on: what is cut short is the making of networks and containers.
    project.run().assert_code(0);
    for delay_ms in (0..400).step_by(40) {
        let running = project.begin();
        // Before it catches signals it has asked no engine for anything.
        running.await_that("catching of signals", || catches_interrupts(running.pid()));
        std::thread::sleep(Duration::from_millis(delay_ms));
        running.signal(Signal::SIGINT);
        running.end().assert_code(130);
        // What an engine had begun it ends within moments.
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(of_runs("early"), Vec::<String>::new(), "after {delay_ms} ms");
    }
    project.timetrial(&["clean", "--yes"]).assert_code(0);
}
