//! Whole plans as they stand in `tests/plan/golden`: what `plan` prints for the shipped quick start and for two small
//! projects, as text and as JSON. `TIMETRIAL_BLESS=1` writes them anew.
#![expect(clippy::disallowed_methods, reason = "the plan is printed by the command, as a person would have it printed")]

use std::path::Path;
use std::process::{Command, Stdio};

use timetrial::plan::{self, Plan, Transport};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn printed(scenario: &str, more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_timetrial"))
        .args(["plan", scenario])
        .args(more)
        .current_dir(project())
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a plan is text")
}

fn same_as_golden(printed: &str, name: &str) {
    let path = project().join("tests/plan/golden").join(name);
    if std::env::var_os("TIMETRIAL_BLESS").is_some() {
        std::fs::write(&path, printed).expect("the golden files can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(printed == expected, "{} differs; TIMETRIAL_BLESS=1 writes it anew:\n{printed}", path.display());
}

/// The plan that the JSON holds is the one that the text tells.
fn comes_back(scenario: &str) -> String {
    let json = printed(scenario, &["--message-format", "json"]);
    let plan: Plan = serde_json::from_str(&json).expect("the JSON is a plan");
    let again = serde_json::to_string_pretty(&plan).expect("a plan can be written") + "\n";
    assert!(again == json, "written again, the plan differs:\n{again}");
    assert_eq!(plan::text(&plan), printed(scenario, &[]));
    let numbered: Vec<String> = (1..=plan.trials.len()).map(|number| format!("{number:04}")).collect();
    assert_eq!(plan.trials.iter().map(|trial| trial.id.clone()).collect::<Vec<_>>(), numbered);
    json
}

/// Connections and rate are divided over three machines, and the network to each is checked.
#[test]
fn loads_from_several_machines() {
    let scenario = "tests/plan/projects/steady/scenarios/shared.toml";
    let hosts = ["--hosts", "tests/plan/projects/steady/several.toml"];
    same_as_golden(&printed(scenario, &hosts), "shared.txt");
    let json = printed(scenario, &[&hosts[..], &["--message-format", "json"]].concat());
    same_as_golden(&json, "shared.json");
    let plan: Plan = serde_json::from_str(&json).expect("the JSON is a plan");
    let shares: Vec<(&str, u32, Option<f64>)> = plan
        .trials
        .iter()
        .flat_map(|trial| trial.shares())
        .map(|share| (share.client, share.connections, share.rate))
        .collect();
    let third = Some(500.0 / 3.0);
    assert_eq!(shares[..3], [("one", 22, None), ("two", 22, None), ("three", 21, None)]);
    assert_eq!(shares[3..], [("one", 2, third), ("two", 2, third), ("three", 2, third)]);
    let pairs = plan.network.expect("it has one").pairs;
    assert_eq!(pairs.iter().map(|pair| pair.client.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
}

/// Only the text: the JSON holds a digest of each source file of the daemons.
#[test]
fn the_quick_start() {
    let scenario = "scenarios/quickstart.toml";
    same_as_golden(&printed(scenario, &[]), "quickstart.txt");
    comes_back(scenario);
}

#[test]
fn repeats_warm_up_and_a_rate() {
    let scenario = "tests/plan/projects/steady/scenarios/steady.toml";
    same_as_golden(&printed(scenario, &[]), "steady.txt");
    same_as_golden(&comes_back(scenario), "steady.json");
}

#[test]
fn a_daemon_of_two_processes_that_is_built_and_filled_in() {
    let scenario = "tests/plan/projects/front/scenarios/front.toml";
    same_as_golden(&printed(scenario, &[]), "front.txt");
    same_as_golden(&comes_back(scenario), "front.json");
}

#[test]
fn a_daemon_of_the_machine_itself_without_a_database() {
    let scenario = "tests/plan/projects/system/scenarios/system.toml";
    same_as_golden(&printed(scenario, &[]), "system.txt");
    same_as_golden(&comes_back(scenario), "system.json");
}

/// Behind ssh all is set that was asked for; a container gets only what is its own, and the rest is told.
#[test]
fn machines_that_are_tuned_and_a_database_with_a_profile() {
    let scenario = "tests/plan/projects/tuned/scenarios/tuned.toml";
    same_as_golden(&printed(scenario, &[]), "tuned.txt");
    let json = comes_back(scenario);
    same_as_golden(&json, "tuned.json");
    let plan: Plan = serde_json::from_str(&json).expect("the JSON is a plan");
    let Some(Transport::Docker(docker)) = plan.machine("loader").map(|machine| machine.transport.clone()) else {
        panic!("the load comes from a container");
    };
    assert_eq!(docker.tuned.keys().collect::<Vec<_>>(), ["net.core.somaxconn", "net.ipv4.tcp_congestion_control"]);
    assert_eq!(docker.optional, ["net.ipv4.tcp_congestion_control"]);
    assert_eq!(plan.tuning.iter().map(|tuning| tuning.settings.len()).collect::<Vec<_>>(), [7, 5]);
    assert_eq!(plan.database.map(|database| database.max_connections), Some(60));
}

/// The plan is made without looking at any machine, so it is the same from wherever it is asked for.
#[test]
fn the_plan_does_not_depend_on_where_it_is_made() {
    let scenario = project().join("tests/plan/projects/system/scenarios/system.toml").display().to_string();
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_timetrial"))
        .args(["plan", &scenario])
        .current_dir("/")
        .env_clear()
        .output()
        .expect("the binary was built for this test");
    assert_eq!(
        String::from_utf8_lossy(&elsewhere.stdout),
        printed("tests/plan/projects/system/scenarios/system.toml", &[])
    );
}

/// Load goes from the client to the daemons, and their queries go on from there.
#[test]
fn the_way_to_a_database_on_a_machine_of_its_own_is_checked() {
    let ways = |hosts: &str| -> Vec<(String, String)> {
        let scenario = "tests/plan/projects/steady/scenarios/steady.toml";
        let hosts = format!("tests/plan/projects/steady/{hosts}");
        let json = printed(scenario, &["--message-format", "json", "--hosts", &hosts]);
        let plan: Plan = serde_json::from_str(&json).expect("the JSON is a plan");
        let pairs = plan.network.expect("the scenario has its network checked").pairs;
        pairs.into_iter().map(|pair| (pair.client, pair.server)).collect()
    };
    let way = |client: &str, server: &str| (client.to_owned(), server.to_owned());
    assert_eq!(ways("three.toml"), [way("loader", "daemons"), way("daemons", "rows")]);
    assert_eq!(ways("hosts.toml"), [way("bench", "bench")]);
}
