//! That the papers tell the truth: every dependency is explained and has a licence that fits ours, and no shipped text
//! names a place that only one machine has.
#![expect(clippy::disallowed_methods, reason = "the licences are told by cargo itself")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::sources::project;

fn read(name: &str) -> String {
    std::fs::read_to_string(project().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_dependency_is_explained() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml is TOML");
    let named = |table: &str| -> BTreeSet<String> {
        manifest[table].as_table().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let needed: BTreeSet<String> = named("dependencies").union(&named("dev-dependencies")).cloned().collect();
    let explained: BTreeSet<String> = read("docs/dependencies.md")
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect();
    assert_eq!(needed, explained, "Cargo.toml (left) and the tables of docs/dependencies.md (right) differ");
}

/// Licences under which everything that we link or test with may be had.
const LICENCES: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// Whether a licence expression can be met: each part of an AND, one part of an OR. `/` is an old way to write OR.
fn fits(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let all = expression.split(" AND ").map(|part| part.trim().trim_start_matches('(').trim_end_matches(')'));
    let one = |part: &str| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim()));
    all.into_iter().all(one)
}

#[test]
fn licences_are_read_right() {
    assert!(fits("MIT OR Apache-2.0") && fits("Unlicense/MIT") && fits("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(fits("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT"));
    assert!(!fits("GPL-3.0-only") && !fits("MIT AND GPL-3.0-only") && !fits(""));
}

#[test]
fn every_licence_fits_ours() {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &target])
        .current_dir(project())
        .output()
        .expect("cargo runs, as it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("cargo lists packages");
    assert!(packages.len() > 50, "only {} packages", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(fits(licence), "{} is under `{licence}`", package["name"]);
    }
}

/// What a shipped text must not name. Put together here, so that this file does not name it either.
fn foreign() -> Vec<String> {
    let hosts = [["crates", "io"], ["pypi", "org"], ["pythonhosted", "org"], ["npmjs", "org"], ["docker", "io"]];
    let mut words: Vec<String> = hosts.iter().map(|host| host.join(".")).collect();
    words.push(["deb", "debian", "org"].join("."));
    words.extend(["work", "root", "home/"].map(|folder| format!("/{folder}/")));
    words
}

#[test]
fn no_text_names_a_machine_or_a_registry() {
    let words = foreign();
    for path in shipped(project()) {
        // What is not text has no words; cargo writes its lock file itself.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if path.file_name().is_some_and(|name| name == "Cargo.lock") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let found = words.iter().find(|word| line.contains(word.as_str()));
            assert_eq!(found, None, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

/// Every file of the project but what is built, what was measured, and what git keeps.
fn shipped(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the project can be read").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let is_kept_apart = folder == project() && ["target", "reports"].iter().any(|kept| name == *kept);
        if is_kept_apart || name == ".git" || name == "__pycache__" {
            continue;
        }
        if path.is_dir() { found.extend(shipped(&path)) } else { found.push(path) }
    }
    found
}
