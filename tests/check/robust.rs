//! No bytes make a reader panic, and whatever is said about them is harmless to a terminal.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use timetrial::diagnostic::{Diagnostics, SourceFile, read_source};
use timetrial::inventory::parse_inventory;
use timetrial::plan::check::{Profiles, Written, apply_rules};
use timetrial::scenario::{check_requirements, parse_daemon, parse_scenario};
use timetrial::tuning::{parse_conf, parse_sysctl};

use crate::root;

/// Reads one text as each kind of file, applies the rules to the result, and draws what was found.
fn read_as_everything(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("daemon.toml");
    fs::write(&path, bytes).unwrap();
    match read_source(&path) {
        Ok(file) => read_text(&file),
        Err(problem) => {
            let mut diagnostics = Diagnostics::new();
            diagnostics.push(problem.at_the_file());
            draw(&diagnostics);
        }
    }
}

fn read_text(file: &Arc<SourceFile>) {
    let mut diagnostics = Diagnostics::new();
    let scenario = parse_scenario(file, &mut diagnostics);
    draw(&diagnostics);
    let daemon = parse_daemon(file, &mut diagnostics);
    let inventory = parse_inventory(file, &mut diagnostics);
    check_requirements(file, &mut diagnostics);
    drop((parse_sysctl(file, &mut diagnostics), parse_conf(file, &mut diagnostics)));
    draw(&diagnostics);
    // The rules must cope with stand-ins, too.
    let daemons = [daemon];
    let profiles = Profiles::default();
    let written = Written {
        scenario: &scenario,
        inventory: Some(&inventory),
        daemons: &daemons,
        data: None,
        profiles: &profiles,
    };
    let mut diagnostics = Diagnostics::new();
    apply_rules(written, &mut diagnostics);
    draw(&diagnostics);
}

fn draw(diagnostics: &Diagnostics) {
    let text = diagnostics.render(false);
    let harmful = text.chars().find(|character| character.is_control() && *character != '\n');
    assert_eq!(harmful, None, "{text:?}");
    for line in diagnostics.json_lines().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

fn shipped() -> Vec<Vec<u8>> {
    let files = [
        "scenarios/quickstart.toml",
        "hosts.toml",
        "daemons/flask-gunicorn/daemon.toml",
        "tests/check/base/daemons/beta/daemon.toml",
        "tests/check/base/daemons/alpha/requirements.txt",
        "scenarios/two-machines-tuned.toml",
        "sysctl/network-booster.conf",
        "postgres-conf/2015.conf",
    ];
    files.iter().map(|file| fs::read(root().join(file)).unwrap()).collect()
}

/// A change somewhere in a text.
#[derive(Debug, Clone)]
enum Change {
    Put(usize, Vec<u8>),
    Cut(usize, usize),
    Copy(usize, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let telling: &[&str] = &[
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "=",
        ".",
        ",",
        "#",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\\",
        "\0",
        "\u{feff}",
        "\u{202e}",
        "\u{1b}[31m",
        "é",
        "🚲",
        "-1",
        "1e999",
        "99999999999999999999999999999999999999999",
        "0x",
        "inf",
        "1979-05-27",
        "true",
        "{port}",
        "a.b.c",
        "--hash",
        "\\u0000",
        "[machine.x]\n",
        "[[round]]\n",
        "[wait]\n",
    ];
    prop_oneof![
        (any::<usize>(), prop::sample::select(telling))
            .prop_map(|(at, text)| Change::Put(at, text.as_bytes().to_vec())),
        (any::<usize>(), vec(any::<u8>(), 0..4)).prop_map(|(at, bytes)| Change::Put(at, bytes)),
        (any::<usize>(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (any::<usize>(), any::<usize>(), 1..80_usize).prop_map(|(from, to, length)| Change::Copy(from, to, length)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for change in changes {
        let size = bytes.len() + 1;
        match change {
            Change::Put(at, put) => drop(bytes.splice(at % size..at % size, put)),
            Change::Cut(at, length) => {
                let at = at % size;
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Change::Copy(from, to, length) => {
                let from = from % size;
                let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
                bytes.splice(to % size..to % size, piece);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_make_nothing_panic(
        file in prop::sample::select(shipped()),
        changes in vec(change(), 1..6),
    ) {
        read_as_everything(&changed(file, changes));
    }

    #[test]
    fn random_bytes_make_nothing_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
    }
}

#[test]
fn extreme_texts_make_nothing_panic() {
    let deep = 100_000;
    for text in [
        "[".repeat(deep),
        format!("title = {}", "[".repeat(deep)),
        format!("title = {}", "{a=".repeat(deep)),
        format!("title = {}1{}", "[".repeat(deep), "]".repeat(deep)),
        format!("{}a = 1", "a.".repeat(deep)),
        format!("[{}a]", "a.".repeat(deep)),
        format!("[[{}a]]", "a.".repeat(deep)),
        format!("title = {{ {}a = 1 }}", "a.".repeat(deep)),
        "[a.a.a.a.a.a.a.a]\n".repeat(1_000),
        "=".repeat(deep),
        "\n".repeat(deep),
        "a=1\n".repeat(deep),
        format!("title = \"{}\"", "x".repeat(deep)),
        format!("title = \"{}\u{1b}\"", "é".repeat(deep)),
        format!("{} = 1", "x".repeat(deep)),
        format!("daemons = [{}]", "\"a\",".repeat(deep)),
        format!("daemons = [{}]", "\"../a\",".repeat(deep)),
        "[[round]]\n".repeat(10_000),
    ] {
        let start = std::time::Instant::now();
        let shown: String = text.chars().take(20).collect();
        read_as_everything(text.as_bytes());
        assert!(start.elapsed() < Duration::from_secs(60), "{shown:?} took {:?}", start.elapsed());
    }
}
