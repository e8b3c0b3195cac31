//! `hist`: histograms of loads, merged exactly.

use std::io::{Read, Write};
use std::path::Path;

use crate::cli::arguments::Format;
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::load::arguments::{Hist, HistArguments, MergeArguments};
use crate::cli::main::print;
use crate::diagnostic::printable_lines;
use crate::loadgen::lines::json;
use crate::loadgen::merged::merged;
use crate::loadgen::stored::{Stored, read};
use crate::loadgen::times_line::{line, of_line, sum};
use crate::loadgen::{hgrm, text};
use crate::metric::{LoadResult, TimesLine};

/// `hist`
pub fn hist(arguments: &HistArguments, format: Format) -> Result<u8, Problem> {
    match &arguments.what {
        Hist::Merge(wanted) => merge(wanted, format),
    }
}

fn merge(arguments: &MergeArguments, format: Format) -> Result<u8, Problem> {
    let mut results = Vec::new();
    let mut bare = Vec::new();
    for path in &arguments.files {
        let read = read(&content(path)?).map_err(|error| wrong(anyhow::Error::new(error).context(in_file(path))))?;
        match read {
            Stored::Result(result) => results.push(*result),
            Stored::Histograms(histograms) => bare.extend(histograms),
        }
    }
    if !results.is_empty() && !bare.is_empty() {
        let message = "some files hold results of loads, others bare histograms";
        return Err(wrong(anyhow::anyhow!(message)).hint("merge each kind by itself"));
    }
    not_twice(arguments, &results)?;
    if results.is_empty() {
        let all = sum(&bare).map_err(|error| wrong(anyhow::Error::new(error)))?;
        let line = line(&all, 0);
        percentiles(arguments, &line)?;
        match format {
            Format::Json => print(&json(&line))?,
            Format::Human => print(&text::of_times(&line, arguments.latency))?,
        }
        return Ok(exit::FINE);
    }
    let whole = merged(&results).map_err(|error| wrong(anyhow::Error::new(error)))?;
    percentiles(arguments, &whole.latency)?;
    match format {
        Format::Json => print(&json(&whole))?,
        Format::Human => print(&printable_lines(&text::of(&whole, &[], arguments.latency)))?,
    }
    Ok(code(&whole))
}

/// Two loads are never alike to the last count and time: a file is there twice.
fn not_twice(arguments: &MergeArguments, results: &[LoadResult]) -> Result<(), Problem> {
    let mut pairs = (0..results.len()).flat_map(|one| (0..one).map(move |other| (other, one)));
    let Some((one, other)) = pairs.find(|(one, other)| results[*one] == results[*other]) else { return Ok(()) };
    let [one, other] = [one, other].map(|place| arguments.files[place].display().to_string());
    let message =
        if one == other { format!("{one} is there twice") } else { format!("{other} holds the same result as {one}") };
    Err(wrong(anyhow::anyhow!("{message}: it would be counted twice")).hint("name each client's result once"))
}

fn code(whole: &LoadResult) -> u8 {
    match (whole.requests.succeeded_count, whole.is_valid) {
        (0, _) => exit::FAILED,
        (_, false) => exit::INVALID,
        _ => exit::FINE,
    }
}

fn wrong(error: anyhow::Error) -> Problem {
    Problem::new(exit::WRONG_INPUT, error)
}

fn in_file(path: &Path) -> String {
    format!("{} can't be merged", path.display())
}

fn content(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| wrong(anyhow::Error::new(error).context(in_file(path))))?;
    Ok(text)
}

fn percentiles(arguments: &MergeArguments, line: &TimesLine) -> Result<(), Problem> {
    let Some(path) = &arguments.hgrm else { return Ok(()) };
    let times = of_line(line).map_err(|error| wrong(anyhow::Error::new(error)))?;
    let mut file = crate::cli::load::create(path)?;
    Ok(file.write_all(hgrm::of(&times).as_bytes())?)
}
