//! What `check` says, held against golden texts. Each case in `tests/check/` is laid over the project in
//! `tests/check/base`; `TIMETRIAL_BLESS=1 cargo test --test check` writes the texts anew. Read them aloud: each must say
//! what is wrong, where, and what to do.

use std::fs;
use std::path::{Path, PathBuf};

use timetrial::diagnostic::{Code, Diagnostics};
use timetrial::plan::check::{Project, load_project};

fn cases_folder() -> PathBuf {
    crate::root().join("tests/check")
}

fn case_names() -> Vec<String> {
    let entries = fs::read_dir(cases_folder()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    names.sort();
    names
}

/// Copies a folder over another one. The expected texts are no part of the project.
fn lay_over(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            lay_over(&entry.path(), &target);
        } else if name == "REMOVE" {
            for path in fs::read_to_string(entry.path()).unwrap().lines() {
                fs::remove_file(to.join(path)).unwrap();
            }
        } else if !["expected.txt", "expected.jsonl", "NOTE"].contains(&name.as_str()) {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

struct Checked {
    project: Option<Project>,
    human: String,
    json: String,
}

fn check(case: &str) -> Checked {
    let folder = tempfile::tempdir().unwrap();
    lay_over(&cases_folder().join("base"), folder.path());
    let own = cases_folder().join(case);
    remove_blockers(&own, folder.path());
    lay_over(&own, folder.path());
    let scenario = folder.path().join("scenarios/calibration.toml");
    let (project, diagnostics) = load_project(&scenario, None, None);
    let shown = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
    let human = if diagnostics.is_empty() { "nothing is wrong\n".to_owned() } else { told(&diagnostics) };
    Checked { project, human: shown(human), json: shown(diagnostics.json_lines()) }
}

/// A case may put a folder where the base has a file.
fn remove_blockers(own: &Path, folder: &Path) {
    for entry in fs::read_dir(own).unwrap() {
        let entry = entry.unwrap();
        let target = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() && target.is_file() {
            fs::remove_file(target).unwrap();
        }
    }
}

fn told(diagnostics: &Diagnostics) -> String {
    format!("{}{}\n", diagnostics.render(false), diagnostics.summary())
}

fn hold(path: &Path, found: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("TIMETRIAL_BLESS").is_some() {
        fs::write(path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected != found {
        wrong.push(format!("--- {}\nexpected:\n{expected}\nfound:\n{found}", path.display()));
    }
}

#[test]
fn each_case_is_told_as_expected() {
    let mut wrong = Vec::new();
    for case in case_names() {
        let checked = check(&case);
        let own = cases_folder().join(&case);
        hold(&own.join("expected.txt"), &checked.human, &mut wrong);
        if case.starts_with("26-") {
            hold(&own.join("expected.jsonl"), &checked.json, &mut wrong);
        }
        assert_eq!(checked.project.is_none(), checked.human.contains("error["), "{case}");
        let harmful = |character: char| character.is_control() && character != '\n';
        assert!(!checked.human.contains(harmful), "{case} lets a control character through");
    }
    assert!(wrong.is_empty(), "{}\nTIMETRIAL_BLESS=1 writes them anew", wrong.join("\n"));
}

#[test]
fn each_code_is_told_by_some_case() {
    let texts: Vec<String> = case_names()
        .iter()
        .map(|case| fs::read_to_string(cases_folder().join(case).join("expected.txt")).unwrap_or_default())
        .collect();
    // These need files that no repository should hold: a large one, and ones outside any project.
    let elsewhere = [Code::TooLarge, Code::TooMany, Code::NoProject];
    for code in Code::ALL.iter().filter(|code| !elsewhere.contains(code)) {
        let told = format!("[{}]", code.word());
        assert!(texts.iter().any(|text| text.contains(&told)), "no case has {told}");
    }
}

#[test]
fn a_sound_project_has_all_its_inputs() {
    let project = check("00-nothing-wrong").project.unwrap();
    let names: Vec<&str> = project.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "daemons/alpha/daemon.toml",
            "daemons/alpha/requirements.txt",
            "daemons/beta/daemon.toml",
            "hosts.toml",
            "scenarios/calibration.toml",
            "scenarios/data/agents/documents/agents.json",
            "scenarios/data/agents/documents/index.json",
            "scenarios/data/agents/rows/agents.csv",
            "scenarios/data/agents/schema.sql",
        ]
    );
    for input in &project.inputs {
        assert_eq!(input.bytes, fs::read(cases_folder().join("base").join(&input.name)).unwrap(), "{}", input.name);
    }
    let data = project.data.unwrap();
    assert_eq!(data.tables[0].rows, 1);
    assert_eq!(project.scenario.pool.value, 10);
    assert_eq!(project.scenario.rounds[0].load.threads.value, 2);
}
