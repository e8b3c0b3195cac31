//! The files that come with the product are right, and its project is found from wherever one stands.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use timetrial::diagnostic::{Code, Diagnostics, SourceFile, folder_entries, read_source};
use timetrial::plan::check::load_project;
use timetrial::tuning::{WrittenSetting, conf_danger, danger, gone, parse_conf, parse_sysctl};
use timetrial::{tuning, wire};

use crate::root;

fn codes(diagnostics: &Diagnostics) -> Vec<Code> {
    diagnostics.in_order().iter().map(|found| found.code).collect()
}

#[test]
fn the_quickstart_has_nothing_wrong() {
    let (project, diagnostics) = load_project(&root().join("scenarios/quickstart.toml"), None, None);
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(false));
    let project = project.unwrap();
    assert_eq!(project.daemons.len(), 3);
    assert_eq!(project.data.unwrap().tables.iter().map(|table| table.rows).collect::<Vec<_>>(), [0, 50]);
    let trials: usize = project.daemons.iter().map(|daemon| daemon.endpoints.len()).sum();
    assert_eq!(trials, 8);
    assert!(project.inputs.iter().any(|input| input.name == "daemons/django-gunicorn/agentsite/views.py"));
}

/// Each load generator that needs no binary of its own loads the same daemon in the same way.
#[test]
fn the_comparison_of_generators_has_nothing_wrong() {
    let (project, diagnostics) = load_project(&root().join("scenarios/generators.toml"), None, None);
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(false));
    let rounds = project.unwrap().scenario.rounds;
    let tools: Vec<&str> = rounds.iter().map(|round| round.load.tool.value.as_str()).collect();
    assert_eq!(tools, ["timetrial", "wrk", "h2load", "timetrial"]);
    assert!(rounds.windows(2).all(|two| two[0].load.connections.value == two[1].load.connections.value));
}

/// The campaign on tuned machines needs machines that may be tuned, of whatever kind, and nothing else.
#[test]
fn the_tuned_campaign_is_fine_on_machines_that_may_be_tuned() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts.toml");
    let scenario = root().join("scenarios/two-machines-tuned.toml");
    let kinds = [
        |address: &str| format!("transport = \"ssh\"\nhost = \"{address}\"\nbecome = \"sudo\""),
        |_: &str| "transport = \"docker\"\nbuild = \"debian\"".to_owned(),
    ];
    for keys in kinds {
        let write = |tunable: &str| {
            let text = format!(
                "[machine.server]\n{}\nroles = [\"server\", \"database\"]\n{tunable}\n[machine.client]\n{}\nroles = \
                 [\"client\"]\n{tunable}\n",
                keys("10.0.0.1"),
                keys("10.0.0.2")
            );
            fs::write(&hosts, text).unwrap();
        };
        write("may_tune = true");
        let (project, diagnostics) = load_project(&scenario, Some(&hosts), None);
        assert!(diagnostics.is_empty(), "{}", diagnostics.render(false));
        let inputs = project.unwrap().inputs;
        for name in ["sysctl/network-booster.conf", "sysctl/keep-ports.conf", "postgres-conf/2015.conf"] {
            let input = inputs.iter().find(|input| input.name == name).unwrap();
            assert_eq!(input.bytes, fs::read(root().join(name)).unwrap());
        }
        write("");
        let (_, diagnostics) = load_project(&scenario, Some(&hosts), None);
        assert_eq!(codes(&diagnostics), [Code::MayNotTune, Code::MayNotTune]);
    }
}

/// Profiles that no shipped scenario names are right all the same.
#[test]
fn every_shipped_profile_can_be_read() {
    for (folder, parse) in [("sysctl", parse_sysctl as Parse), ("postgres-conf", parse_conf)] {
        let mut count = 0;
        for path in folder_entries(&root().join(folder)) {
            if path.extension().is_none_or(|extension| extension != "conf") {
                continue;
            }
            let mut diagnostics = Diagnostics::new();
            let settings = parse(&read_source(&path).unwrap(), &mut diagnostics);
            assert!(diagnostics.is_empty() && !settings.is_empty(), "{}", diagnostics.render(false));
            count += 1;
            let is_todays = path.ends_with("today.conf");
            for setting in settings.iter().filter(|_| is_todays) {
                let (name, value) = (&setting.name.value, &setting.value.value);
                assert_eq!((danger(name, value), gone(name), conf_danger(name, value)), (None, None, None), "{name}");
            }
        }
        assert!(count >= 2, "{folder} holds {count} profiles");
    }
}

/// The names of the two settings that are no sysctl are part of messages.
#[test]
fn profiles_and_messages_name_the_processors_settings_alike() {
    assert_eq!((tuning::GOVERNOR, tuning::TURBO), (wire::GOVERNOR, wire::TURBO));
}

type Parse = fn(&Arc<SourceFile>, &mut Diagnostics) -> Vec<WrittenSetting>;

#[test]
fn copies_are_named_from_the_project_folder_wherever_one_stands() {
    // Tests run in the project folder, whose path from there is empty.
    for scenario in [Path::new("scenarios/quickstart.toml"), &root().join("scenarios/quickstart.toml")] {
        let inputs = load_project(scenario, None, None).0.unwrap().inputs;
        for name in ["hosts.toml", "scenarios/quickstart.toml"] {
            assert!(inputs.iter().any(|input| input.name == name), "{name}");
        }
        assert!(inputs.iter().all(|input| !input.name.starts_with('/')));
    }
}

#[test]
fn a_scenario_outside_any_project_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("alone.toml");
    fs::write(&scenario, "").unwrap();
    let (project, diagnostics) = load_project(&scenario, None, None);
    assert!(project.is_none());
    assert!(codes(&diagnostics).contains(&Code::NoProject));
    // The project may be said, and the hosts too.
    let (_, diagnostics) = load_project(&scenario, Some(&root().join("hosts.toml")), Some(root()));
    assert!(!codes(&diagnostics).contains(&Code::NoProject));
}

#[test]
fn a_large_file_is_refused_and_many_problems_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hosts.toml"), "#".repeat((1 << 20) + 1)).unwrap();
    let scenario = folder.path().join("many.toml");
    let keys: String = (0..200).map(|number| format!("unknown-{number} = 1\n")).collect();
    fs::write(&scenario, keys).unwrap();
    let (_, diagnostics) = load_project(&scenario, None, None);
    let codes = codes(&diagnostics);
    assert!(codes.contains(&Code::TooLarge) && codes.contains(&Code::TooMany), "{codes:?}");
    assert!(codes.len() < 60);
}

#[test]
fn more_rows_than_a_message_holds_are_refused_with_their_sum() {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("tests/check/base"), folder.path());
    let scenario = folder.path().join("scenarios/calibration.toml");
    let rows = folder.path().join("scenarios/data/agents/rows");
    let of_mib = |mib: usize| format!("id,name\n{}", "1234567,abcdefg\n".repeat(mib << 16));
    fs::write(rows.join("first.csv"), of_mib(20)).unwrap();
    fs::write(rows.join("second.csv"), of_mib(9)).unwrap();
    let (project, diagnostics) = load_project(&scenario, None, None);
    assert!(project.is_some(), "{}", diagnostics.render(false));
    fs::write(rows.join("second.csv"), of_mib(40)).unwrap();
    let (project, diagnostics) = load_project(&scenario, None, None);
    assert!(project.is_none());
    assert_eq!(codes(&diagnostics), [Code::TooLarge]);
    let told = diagnostics.render(false);
    assert!(told.contains("the rows of the data set hold 61 MiB in all, and 30 MiB are allowed"), "{told}");
}

#[test]
fn links_and_odd_files_in_a_daemon_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("tests/check/base"), folder.path());
    let scenario = folder.path().join("scenarios/calibration.toml");
    let alpha = folder.path().join("daemons/alpha");
    fs::create_dir(alpha.join("__pycache__")).unwrap();
    fs::write(alpha.join("__pycache__/x.pyc"), "x").unwrap();
    let (project, _) = load_project(&scenario, None, None);
    assert!(project.unwrap().inputs.iter().all(|input| !input.name.contains("__pycache__")));
    std::os::unix::fs::symlink("/etc/passwd", alpha.join("secrets")).unwrap();
    let (project, diagnostics) = load_project(&scenario, None, None);
    assert!(project.is_none());
    assert_eq!(codes(&diagnostics), [Code::BadPath]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
