//! `list`, `show`, `report`, `rules`: what the store holds.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::arguments::{Format, OneRun, Store};
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::main::print;
use crate::diagnostic::printable;
use crate::event::{Outcome, paths};
use crate::metric::counted;
use crate::referee;
use crate::report::Report;
use crate::store::{self, RunState, StoredRun};

/// `list`
pub fn list(wanted: &Store, format: Format) -> Result<u8, Problem> {
    let ids = store::list(&wanted.directory);
    let mut text = String::new();
    for id in &ids {
        // One run that can't be read hides no other.
        let line = match (store::open(&wanted.directory.join(id)), format) {
            (Ok(run), Format::Human) => format!("{id}  {}", describe(&run)),
            (Ok(run), Format::Json) => {
                let measured = run.trials.iter().filter(|trial| trial.figures.is_some()).count();
                serde_json::json!({"run": id, "scenario": run.plan.scenario, "title": run.plan.title, "state": state_word(&run.state),
                    "trials": run.plan.trials.len(), "measured": measured}).to_string()
            }
            (Err(error), Format::Human) => format!("{id}  unreadable: {}", printable(&error.to_string())),
            (Err(error), Format::Json) => {
                serde_json::json!({"run": id, "state": "unreadable", "error": error.to_string()}).to_string()
            }
        };
        let _ = writeln!(text, "{line}");
    }
    if ids.is_empty() && format == Format::Human {
        text = format!("no runs in {}; `timetrial run SCENARIO` makes one\n", wanted.directory.display());
    }
    print(&text)?;
    Ok(exit::FINE)
}

fn describe(run: &StoredRun) -> String {
    let measured = run.trials.iter().filter(|trial| trial.figures.is_some()).count();
    format!(
        "{}: {measured} of {} measured. {}",
        state_word(&run.state),
        counted(run.plan.trials.len(), "trial"),
        printable(&run.plan.title)
    )
}

fn state_word(state: &RunState) -> &'static str {
    match state {
        RunState::Complete(Outcome::Measured) => "complete",
        RunState::Complete(Outcome::Interrupted) => "interrupted",
        RunState::Complete(Outcome::Failed { .. }) => "failed",
        RunState::Incomplete => "cut off or still running",
    }
}

/// Reads a run; what was changed since its end is said, whatever it is read for.
fn read(wanted: &OneRun) -> Result<(PathBuf, StoredRun), Problem> {
    let directory = store::locate(&wanted.store.directory, &wanted.run)?;
    let run = store::open(&directory)?;
    for change in store::damage(&directory)? {
        let line = format!("warning: {}: {} since the run's end\n", directory.display(), printable(&change));
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
    }
    Ok((directory, run))
}

/// `show`
pub fn show(wanted: &OneRun, format: Format) -> Result<u8, Problem> {
    let (_, run) = read(wanted)?;
    let report = Report::new(&run);
    print(&match format {
        Format::Human => report.terminal(),
        Format::Json => report.json(),
    })?;
    Ok(exit::FINE)
}

/// `report`
pub fn report(wanted: &OneRun) -> Result<u8, Problem> {
    let (directory, run) = read(wanted)?;
    let mut text = String::new();
    for path in write_pages(&directory, &Report::new(&run))? {
        let _ = writeln!(text, "{}", path.display());
    }
    print(&text)?;
    Ok(exit::FINE)
}

fn write_pages(directory: &Path, report: &Report) -> Result<Vec<PathBuf>, Problem> {
    let folder = directory.join(paths::REPORT);
    let pages = [
        ("index.html", report.html()),
        ("report.md", report.markdown()),
        ("trials.csv", report.csv()),
        ("report.json", report.json()),
    ];
    let cannot = |path: &Path, error: std::io::Error| {
        Problem::new(
            exit::FAILED,
            anyhow::Error::new(error).context(format!("can't write the report {}", path.display())),
        )
        .hint("the run itself is kept; `timetrial report` makes its pages again")
    };
    std::fs::create_dir_all(&folder).map_err(|error| cannot(&folder, error))?;
    let mut written = Vec::new();
    for (name, text) in pages {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| cannot(&path, error))?;
        written.push(path);
    }
    Ok(written)
}

/// The end of `run`: pages are made, the figures shown; whether a verdict is invalid.
pub fn after_run(directory: &Path, format: Format) -> Result<bool, Problem> {
    let run = store::open(directory)?;
    let report = Report::new(&run);
    let pages = write_pages(directory, &report)?;
    if format == Format::Human {
        let page = pages.first().map_or_else(String::new, |path| path.display().to_string());
        print(&format!("\n{}report: {page}\n", report.terminal()))?;
    }
    Ok(report.summary().invalid > 0)
}

/// `rules`
pub fn rules(format: Format) -> Result<u8, Problem> {
    let mut text = String::new();
    for rule in referee::rules() {
        let _ = match format {
            Format::Human => writeln!(text, "{}\n    {}", rule.id, rule.text),
            Format::Json => writeln!(text, "{}", serde_json::json!({"rule": rule.id, "text": rule.text})),
        };
    }
    print(&text)?;
    Ok(exit::FINE)
}
