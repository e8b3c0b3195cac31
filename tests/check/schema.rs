//! The JSON Schemas: the committed ones are those of the code, the readers know the same keys, and the shipped files
//! are valid by them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use timetrial::diagnostic::{Diagnostics, SourceFile};
use timetrial::{inventory, scenario};

use crate::root;

fn schemas() -> Vec<(&'static str, Value)> {
    scenario::schemas().into_iter().chain([inventory::schema()]).collect()
}

#[test]
fn committed_schemas_are_those_of_the_code() {
    for (name, schema) in schemas() {
        let path = root().join("scenarios/schema").join(name);
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("TIMETRIAL_BLESS").is_some() {
            fs::write(&path, text).unwrap();
            continue;
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{} is not up to date: TIMETRIAL_BLESS=1 writes it anew", path.display());
    }
}

#[test]
fn shipped_files_are_valid_and_name_their_schema() {
    let root = root();
    let mut files = vec![
        (root.join("scenarios/quickstart.toml"), "scenario.schema.json"),
        (root.join("scenarios/two-machines-tuned.toml"), "scenario.schema.json"),
        (root.join("scenarios/generators.toml"), "scenario.schema.json"),
        (root.join("hosts.toml"), "hosts.schema.json"),
    ];
    for entry in fs::read_dir(root.join("daemons")).unwrap() {
        files.push((entry.unwrap().path().join("daemon.toml"), "daemon.schema.json"));
    }
    for (path, schema_name) in files {
        let text = fs::read_to_string(&path).unwrap();
        let named = text.lines().next().and_then(|line| line.strip_prefix("#:schema ")).unwrap_or_default();
        let schema = path.parent().unwrap().join(named);
        assert!(schema.ends_with(schema_name) && schema.is_file(), "{} names {named:?}", path.display());
        let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
        let document: Value = toml::from_str(&text).unwrap();
        let problems: Vec<String> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{}: {problems:?}", path.display());
    }
}

/// Every table of a schema, with a TOML text that leads into it and sets one key nobody knows.
fn tables(schema: &Value, path: &str, inside: &str, found: &mut Vec<(String, BTreeSet<String>)>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    found.push((format!("{inside}\nnobody-knows-this = 1\n"), properties.keys().cloned().collect()));
    for (key, property) in properties {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if property["type"] == "array" && property["items"]["properties"].is_object() {
            tables(&property["items"], &key, &format!("{inside}\n[[{key}]]"), found);
        } else if property["additionalProperties"]["properties"].is_object() {
            tables(&property["additionalProperties"], &format!("{key}.x"), &format!("{inside}\n[{key}.x]"), found);
        } else if property["properties"].is_object() {
            tables(property, &key, &format!("{inside}\n[{key}]"), found);
        }
        for either in property["anyOf"].as_array().into_iter().flatten() {
            tables(either, &key, &format!("{inside}\n[{key}]"), found);
        }
    }
}

/// The keys that a reader lists when it meets one that it does not know.
fn keys_listed_by_reader(schema: &str, text: &str) -> BTreeSet<String> {
    let file = Arc::new(SourceFile { path: PathBuf::from("x.toml"), text: text.to_owned() });
    let mut diagnostics = Diagnostics::new();
    match schema {
        "scenario.schema.json" => drop(scenario::parse_scenario(&file, &mut diagnostics)),
        "daemon.schema.json" => drop(scenario::parse_daemon(&file, &mut diagnostics)),
        _ => drop(inventory::parse_inventory(&file, &mut diagnostics)),
    }
    let found = diagnostics.in_order();
    let unknown = found.iter().find(|found| found.message.starts_with("`nobody-knows-this`"));
    let hint = unknown.unwrap_or_else(|| panic!("{}", diagnostics.render(false))).hint.clone().unwrap();
    hint.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn readers_and_schemas_know_the_same_keys() {
    let mut count = 0;
    for (name, schema) in schemas() {
        let mut found = Vec::new();
        tables(&schema, "", "", &mut found);
        for (text, keys) in found {
            assert_eq!(keys_listed_by_reader(name, &text), keys, "{name}: {text}");
            count += 1;
        }
    }
    assert_eq!(count, 21, "a table is missing from the walk, or is new");
}

#[test]
fn schemas_refuse_what_readers_refuse() {
    let check = |schema: usize, text: &str| {
        let (name, schema) = &schemas()[schema];
        let document: Value = toml::from_str(text).unwrap();
        let sound = fs::read_to_string(root().join("tests/check/base/scenarios/calibration.toml")).unwrap();
        let sound: Value = toml::from_str(&sound).unwrap();
        let validator = jsonschema::validator_for(schema).unwrap();
        assert!(*name != "scenario.schema.json" || validator.is_valid(&sound));
        assert!(!validator.is_valid(&document), "{name} accepts {text}");
    };
    let sound = fs::read_to_string(root().join("tests/check/base/scenarios/calibration.toml")).unwrap();
    for (from, to) in [
        ("workers = 2", "workers = 0"),
        ("workers = 2", "workers = \"2\""),
        ("workers = 2", "wokers = 2"),
        ("port    = 8016", ""),
        ("\"15s\"", "\"15\""),
        ("\"15s\"", "15"),
        ("[\"/index\", \"/agents\"]", "[]"),
        ("\"/index\"", "\"index\""),
        ("\"alpha\"", "\"../alpha\""),
        ("[postgres]", "[postgres]\nsslmode = \"require\""),
        ("[postgres]", "[tune.nobody]\n[postgres]"),
        ("[postgres]", "[tune.server]\nnofile = 1\n[postgres]"),
        ("[postgres]", "[tune.server]\nnofile = { want = 100 }\n[postgres]"),
        ("[postgres]", "[tune.server]\nsysctl = [\"../x\"]\n[postgres]"),
    ] {
        assert!(sound.contains(from), "{from}");
        check(0, &sound.replacen(from, to, 1));
    }
    check(2, "[machine.x]\ntransport = \"telnet\"\nroles = [\"server\"]\n");
    check(2, "[machine.\"../x\"]\ntransport = \"local\"\nroles = [\"server\"]\n");
}
