//! Where the seconds of a load go: a bar, JSON lines, a file.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::cli::arguments::Format;
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::load::arguments::LoadArguments;
use crate::cli::load::signals::STOP;
use crate::display::{LoadBar, LoadMoment};
use crate::loadgen::csv;
use crate::loadgen::lines::{SecondLine, json};
use crate::loadgen::settings::Settings;
use crate::loadgen::tally::Second;

/// Files that are made before a load begins, so that it is not run for nothing.
pub struct Files {
    csv: Option<Named>,
    hgrm: Option<Named>,
}

/// A file, and what it is called.
struct Named {
    file: File,
    path: PathBuf,
}

impl Named {
    fn create(path: &Path) -> Result<Self, Problem> {
        Ok(Self { file: create(path)?, path: path.to_owned() })
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.file.write_all(text.as_bytes()).map_err(|error| {
            std::io::Error::new(error.kind(), format!("{} can't be written: {error}", self.path.display()))
        })
    }
}

impl Files {
    /// Makes them.
    pub fn open(arguments: &LoadArguments) -> Result<Self, Problem> {
        let open = |path: Option<&Path>| path.map(Named::create).transpose();
        let mut files = Self { csv: open(arguments.csv.as_deref())?, hgrm: open(arguments.hgrm.as_deref())? };
        if let Some(file) = &mut files.csv {
            file.write(csv::HEAD)?;
        }
        Ok(files)
    }

    /// Writes the percentiles.
    pub fn percentiles(&mut self, text: &str) -> Result<(), Problem> {
        match &mut self.hgrm {
            Some(file) => Ok(file.write(text)?),
            None => Ok(()),
        }
    }
}

/// Makes a file to write into.
pub fn create(path: &Path) -> Result<File, Problem> {
    File::create(path).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{} can't be written", path.display()));
        Problem::new(exit::WRONG_INPUT, error)
    })
}

/// Shows and keeps the seconds of one load.
pub struct Seconds<'a> {
    bar: LoadBar,
    is_json: bool,
    files: &'a mut Files,
    errors: u64,
    /// Answers of each whole second.
    answers: Vec<u64>,
    whole_seconds: u64,
    /// What could not be written.
    problem: Option<std::io::Error>,
}

impl<'a> Seconds<'a> {
    /// For a load.
    pub fn of(settings: &Settings, format: Format, files: &'a mut Files) -> Self {
        let is_shown = format == Format::Human && std::io::stderr().is_terminal();
        let whole_seconds = settings.duration.as_secs();
        Self {
            bar: LoadBar::new(is_shown, settings.duration.as_secs_f64().ceil() as u64),
            is_json: format == Format::Json,
            files,
            errors: 0,
            answers: Vec::new(),
            whole_seconds,
            problem: None,
        }
    }

    /// Takes a second. A reader that is gone stops the load: nobody would know what it does to the server.
    pub fn take(&mut self, second: &Second) {
        let line = if self.is_json { SecondLine::of(second) } else { SecondLine::shown(second) };
        self.errors += line.errors_count;
        if second.index < self.whole_seconds {
            self.answers.push(second.answers);
        }
        if self.is_json {
            let written = write_line(&json(&line));
            self.note(written);
        }
        // A file beside the result is not worth the load: what it lacks is told at the end.
        if let Some(Err(error)) = self.files.csv.as_mut().map(|file| file.write(&csv::row(&line))) {
            self.files.csv = None;
            self.problem.get_or_insert(error);
        }
        self.bar.show(&LoadMoment {
            elapsed_s: line.from_s + 1,
            answers: line.answers_count,
            errors: self.errors,
            p50_us: line.latency.p50_us,
            p99_us: line.latency.p99_us,
        });
    }

    fn note(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            STOP.ask();
            self.problem.get_or_insert(error);
        }
    }

    /// The load is over: the answers of its seconds, and what could not be written. A reader that has gone is no error.
    pub fn end(self) -> (Vec<u64>, Option<std::io::Error>) {
        self.bar.clear();
        (self.answers, self.problem.filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe))
    }
}

fn write_line(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Says something to people, on standard error.
pub fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}
