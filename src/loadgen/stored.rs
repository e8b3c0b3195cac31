//! Results and histograms as they lie in files: the JSON lines of a load, bare V2 encodings, or HdrHistogram's interval log.

use crate::loadgen::tally::Times;
use crate::loadgen::times_line::{NoHistogram, decoded};
use crate::metric::{LOAD_RESULT_FORMAT, LoadResult};

/// What a file holds.
#[derive(Debug, Clone)]
pub enum Stored {
    /// The result of a load.
    Result(Box<LoadResult>),
    /// Histograms, of nobody knows what.
    Histograms(Vec<Times>),
}

/// Why a file can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// It holds nothing.
    #[error("it holds neither a result nor a histogram")]
    Empty,
    /// Its last line is no result: the load was cut off, or it is something else.
    #[error("its last line is no result of a load, so the load did not end: {why}")]
    NoResult {
        /// What a reader says of it.
        why: String,
    },
    /// A newer program wrote it.
    #[error("its format is {format}, and this program reads up to {LOAD_RESULT_FORMAT}: {tool} reads it")]
    Newer {
        /// Its version.
        format: u64,
        /// Who wrote it.
        tool: String,
    },
    /// A line holds no histogram.
    #[error("line {line}: {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why not.
        why: NoHistogram,
    },
    /// An interval log of several things.
    #[error("its histograms are of several things, tagged {one} and {other}: their sum would mean nothing")]
    Tags {
        /// One.
        one: String,
        /// Another.
        other: String,
    },
}

/// Reads a file.
pub fn read(text: &str) -> Result<Stored, NotStored> {
    let lines = || (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let Some((_, last)) = lines().last() else { return Err(NotStored::Empty) };
    if last.trim_start().starts_with('{') {
        return result(last).map(|result| Stored::Result(Box::new(result)));
    }
    let mut tag: Option<&str> = None;
    let mut all = Vec::new();
    for (number, line) in lines() {
        // Comments and the names of the columns.
        if line.starts_with('#') || line.starts_with('"') {
            continue;
        }
        let own = line.strip_prefix("Tag=").and_then(|rest| rest.split(',').next()).unwrap_or("nothing");
        if let Some(one) = tag.replace(own).filter(|one| *one != own) {
            return Err(NotStored::Tags { one: one.to_owned(), other: own.to_owned() });
        }
        let encoded = line.rsplit(',').next().unwrap_or(line);
        all.push(decoded(encoded).map_err(|why| NotStored::Line { line: number, why })?);
    }
    if all.is_empty() { Err(NotStored::Empty) } else { Ok(Stored::Histograms(all)) }
}

fn result(line: &str) -> Result<LoadResult, NotStored> {
    let no_result = |error: serde_json::Error| NotStored::NoResult { why: error.to_string() };
    let value: serde_json::Value = serde_json::from_str(line).map_err(no_result)?;
    let kind = value["type"].as_str().unwrap_or("nothing");
    if kind != "result" {
        return Err(NotStored::NoResult { why: format!("it is of type {kind}") });
    }
    match value["format"].as_u64() {
        Some(format) if format > u64::from(LOAD_RESULT_FORMAT) => {
            let tool = value["tool"].as_str().unwrap_or("a later one").to_owned();
            Err(NotStored::Newer { format, tool })
        }
        _ => serde_json::from_value(value).map_err(no_result),
    }
}
