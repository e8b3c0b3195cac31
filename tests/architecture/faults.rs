//! That the table of faults is whole, and that the tests it names are there.

use std::path::Path;

use crate::sources::project;

/// How many faults there are; the table numbers them from 1.
const FAULTS: usize = 41;

/// What begins the reason of a fault, or of a part of it, that no test makes.
const NOT_MADE: &str = "not made here: ";

/// A row of the table.
struct Row {
    id: String,
    /// The file and the function of each test.
    tests: Vec<(String, String)>,
    /// Why there is no test of it, or none of a part of it.
    not_made: Option<String>,
}

/// What is wrong with a row is told as the row itself.
fn row(line: &str) -> Result<Row, String> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [id, fault, must, shown] = cells[..] else { return Err(format!("{} cells: {line}", cells.len())) };
    if fault.is_empty() || must.is_empty() {
        return Err(format!("an empty cell: {line}"));
    }
    let mut row = Row { id: id.to_owned(), tests: Vec::new(), not_made: None };
    for part in shown.split("<br>") {
        let test =
            part.strip_prefix('`').and_then(|part| part.strip_suffix('`')).and_then(|part| part.split_once(": "));
        match (test, part.strip_prefix(NOT_MADE)) {
            (Some((file, function)), _) => row.tests.push((file.to_owned(), function.to_owned())),
            (None, Some(why)) if why.len() > 10 => row.not_made = Some(why.to_owned()),
            _ => return Err(format!("neither a test nor a reason: `{part}` in {id}")),
        }
    }
    Ok(row)
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(project().join("docs/faults.md")).expect("docs/faults.md can be read");
    let lines = text.lines().filter(|line| line.starts_with("| F") && !line.starts_with("| Fault"));
    lines.map(|line| row(line).unwrap_or_else(|what| panic!("docs/faults.md: {what}"))).collect()
}

/// Whether a file has a function of this name that is a test.
fn has_test(text: &str, function: &str) -> bool {
    let at = [format!("fn {function}() {{"), format!("async fn {function}() {{")];
    let lines: Vec<&str> = text.lines().collect();
    let found = lines.iter().position(|line| at.iter().any(|begin| line.trim_start() == begin));
    // Above it stand its attributes, and nothing else.
    let is_test = |above: &&str| ["#[test]", "#[tokio::test]"].contains(&above.trim());
    found.is_some_and(|at| lines[..at].iter().rev().take_while(|line| line.trim().starts_with("#[")).any(is_test))
}

#[test]
fn every_fault_has_one_row() {
    let found: Vec<String> = rows().into_iter().map(|row| row.id).collect();
    let wanted: Vec<String> = (1..=FAULTS).map(|number| format!("F{number}")).collect();
    assert_eq!(found, wanted, "docs/faults.md (left) has each fault once, in order");
}

#[test]
fn every_test_of_a_fault_is_there() {
    for row in rows() {
        assert!(!row.tests.is_empty() || row.not_made.is_some(), "{} has neither a test nor a reason", row.id);
        for (file, function) in &row.tests {
            let is_ours = ["tests/", "src/"].iter().any(|folder| file.starts_with(folder)) && !file.contains("..");
            assert!(is_ours && Path::new(file).extension().is_some_and(|end| end == "rs"), "{}: {file}", row.id);
            let text = std::fs::read_to_string(project().join(file)).unwrap_or_default();
            assert!(has_test(&text, function), "{}: {file} has no test `{function}`", row.id);
        }
    }
}

#[test]
fn rows_are_read_right() {
    let fine =
        row("| F1 | a | b | `tests/a.rs: one`<br>`src/b.rs: two`<br>not made here: for a good reason |").unwrap();
    assert_eq!((fine.id.as_str(), fine.tests.len(), fine.not_made.is_some()), ("F1", 2, true));
    assert_eq!(fine.tests[1], ("src/b.rs".to_owned(), "two".to_owned()));
    for wrong in ["| F1 | a | b |", "| F1 | | b | `a: b` |", "| F1 | a | b | |", "| F1 | a | b | soon |"] {
        assert!(row(wrong).is_err(), "{wrong}");
    }
    assert!(has_test("#[test]\n#[ignore = \"x\"]\nfn one() {\n", "one"));
    assert!(!has_test("#[test]\nfn two() {}\nfn one() {\n", "one") && !has_test("#[test]\nfn one_more() {\n", "one"));
}
