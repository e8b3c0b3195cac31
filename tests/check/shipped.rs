//! The files that come with the product are right, and its project is found from wherever one stands.

use std::fs;
use std::path::Path;

use timetrial::diagnostic::{Code, Diagnostics};
use timetrial::plan::check::load_project;

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
