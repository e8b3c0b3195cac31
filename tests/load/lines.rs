//! The JSON lines and their schema.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use timetrial::loadgen::lines::{FoundLine, ProbeLine, SecondLine, StartLine};
use timetrial::loadgen::schema::schema;
use timetrial::loadgen::tally::{Second, add};
use timetrial::metric::LoadResult;

use crate::fixture;

/// Every kind of line, with and without figures.
fn lines() -> Vec<Value> {
    let mut second = Second::new(0);
    (1..=2_000).for_each(|n| add(&mut second.latency, n * 64_000));
    let probe = ProbeLine {
        kind: "probe".to_owned(),
        rate_asked_per_s: 1_000.0,
        holds: false,
        fails_because: vec!["p99 is 61.0 ms".to_owned()],
    };
    let found = FoundLine {
        kind: "found".to_owned(),
        goal: "p99<50ms".to_owned(),
        holds_at_per_s: Some(4_000.0),
        fails_at_per_s: None,
        probes_count: 7,
        is_whole: true,
    };
    let results = [fixture::good(), fixture::mixed(), fixture::closed(), fixture::nothing(), fixture::doubtful()];
    let mut lines = vec![
        json!(StartLine::of(&fixture::settings(Some(400.0)), &["a warning".to_owned()])),
        json!(StartLine::of(&fixture::settings(None), &[])),
        json!(SecondLine::of(&second)),
        json!(SecondLine::of(&Second::new(1))),
        json!(probe),
        json!(found),
    ];
    lines.extend(results.iter().map(|result| json!(result)));
    lines
}

#[test]
fn real_lines_are_valid() {
    let validator = jsonschema::validator_for(&schema().1).unwrap();
    for line in lines() {
        let problems: Vec<String> =
            validator.iter_errors(&line).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(problems.is_empty(), "{line}: {problems:?}");
    }
}

/// Every object within a value, as a path to it.
fn objects(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.push(path.to_owned());
            map.iter().for_each(|(key, inner)| objects(inner, &format!("{path}/{key}"), found));
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                objects(item, &format!("{path}/{place}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_line_with_a_key_less_or_more_is_not() {
    let validator = jsonschema::validator_for(&schema().1).unwrap();
    for line in lines() {
        let mut paths = Vec::new();
        objects(&line, "", &mut paths);
        for path in paths {
            let keys: BTreeSet<String> = line.pointer(&path).unwrap().as_object().unwrap().keys().cloned().collect();
            for key in &keys {
                let mut less = line.clone();
                less.pointer_mut(&path).unwrap().as_object_mut().unwrap().remove(key);
                assert!(!validator.is_valid(&less), "without {path}/{key}: {less}");
            }
            let mut more = line.clone();
            more.pointer_mut(&path).unwrap()["nobody_knows_this"] = json!(1);
            assert!(!validator.is_valid(&more), "with more in {path}");
        }
    }
}

#[test]
fn keys_of_numbers_end_in_their_units() {
    // `format` is a version and `status` a code: numbers that measure nothing.
    let units = ["_us", "_s", "_per_s", "_count", "_bytes", "format", "status"];
    for line in lines() {
        let mut paths = Vec::new();
        objects(&line, "", &mut paths);
        for path in paths {
            for (key, value) in line.pointer(&path).unwrap().as_object().unwrap() {
                assert!(!value.is_number() || units.iter().any(|unit| key.ends_with(unit)), "{path}/{key}");
            }
        }
    }
}

#[test]
fn the_committed_schema_is_that_of_the_code() {
    let (name, schema) = schema();
    let path = fixture::folder().join("../../scenarios/schema").join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    if std::env::var_os("TIMETRIAL_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == text, "TIMETRIAL_BLESS=1 writes it anew");
}

#[test]
fn a_result_is_read_back_as_it_was_written() {
    for result in [fixture::mixed(), fixture::closed(), fixture::nothing()] {
        let text = timetrial::loadgen::lines::json(&result);
        assert!(text.ends_with("}\n") && !text.trim_end().contains('\n'));
        assert_eq!(serde_json::from_str::<LoadResult>(&text).unwrap(), result);
    }
}
