//! The line of JSON that our Lua hook prints after the tool's own text.

use serde::Deserialize;

use crate::metric::{ErrorCounts, Latency, Percentile};
use crate::tool::error::{FirstLine, ParseError};

/// How our line begins. No other line of wrk or wrk2 begins with a brace.
const MARK: &str = r#"{"timetrial":"#;

/// What the tool counted, without the rounding of its text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::tool) struct Exact {
    /// The version of this line.
    timetrial: u32,
    pub requests: u64,
    pub duration_us: u64,
    pub bytes: u64,
    pub errors: ExactErrors,
    pub latency: Option<ExactLatency>,
    pub service_time: Option<ExactLatency>,
    pub rate: Option<ExactRate>,
}

/// The tool's error counters under its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::tool) struct ExactErrors {
    connect: u64,
    read: u64,
    write: u64,
    status: u64,
    timeout: u64,
}

/// Times in microseconds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::tool) struct ExactLatency {
    pub samples: Option<u64>,
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    pub stdev: f64,
    pub percentiles: Vec<(f64, f64)>,
}

/// Answers per second and thread.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::tool) struct ExactRate {
    #[serde(rename = "min")]
    _min: f64,
    pub max: f64,
    pub mean: f64,
    pub stdev: f64,
}

impl Exact {
    /// Reads the lines after the tool's text: ours, and nothing else.
    pub fn parse(rest: &[String], stderr: &[u8]) -> Result<Self, ParseError> {
        let [line] = rest else {
            return match rest {
                [] => Err(ParseError::NoExactFigures { stderr: FirstLine::of(stderr) }),
                _ => Err(ParseError::BadExactFigures { why: format!("there are {} lines", rest.len()) }),
            };
        };
        if !line.starts_with(MARK) {
            return Err(ParseError::NoExactFigures { stderr: FirstLine::of(stderr) });
        }
        let exact: Self =
            serde_json::from_str(line).map_err(|error| ParseError::BadExactFigures { why: error.to_string() })?;
        if exact.timetrial != 1 {
            return Err(ParseError::BadExactFigures { why: format!("its version is {}, not 1", exact.timetrial) });
        }
        Ok(exact)
    }
}

impl ExactErrors {
    /// The same counts under our names.
    pub fn by_kind(self) -> ErrorCounts {
        let Self { connect, read, write, status, timeout } = self;
        ErrorCounts { connect, send: write, receive: read, timeout, status, document: 0 }
    }
}

impl ExactLatency {
    /// The same figures in the shape of every tool.
    pub fn figures(&self) -> Latency {
        Latency {
            samples: self.samples,
            mean_us: self.mean,
            stdev_us: self.stdev,
            min_us: Some(self.min),
            max_us: self.max,
            percentiles: self.percentiles.iter().map(|&(rank, us)| Percentile { rank, us }).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let error = Exact::parse(&[line.to_owned()], b"wrk.lua: oops\n").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    const GOOD: &str = concat!(
        r#"{"timetrial":1,"requests":2,"duration_us":3,"bytes":9007199254740993,"#,
        r#""errors":{"connect":1,"read":2,"write":3,"status":4,"timeout":5},"#,
        r#""latency":null,"service_time":null,"rate":null}"#
    );

    #[test]
    fn counts_keep_every_digit_and_get_our_names() {
        let exact = Exact::parse(&[GOOD.to_owned()], b"").unwrap();
        assert_eq!(exact.bytes, 9_007_199_254_740_993);
        let errors = ErrorCounts { connect: 1, receive: 2, send: 3, status: 4, timeout: 5, document: 0 };
        assert_eq!(exact.errors.by_kind(), errors);
    }

    #[test]
    fn what_is_not_our_line_is_refused() {
        check("Requests/sec: 1", r#"the line of exact figures is missing; on stderr: "wrk.lua: oops""#);
        check(
            &GOOD.replace("\"timetrial\":1", "\"timetrial\":2"),
            "the line of exact figures can't be read: its version",
        );
        check(
            &GOOD.replace("\"requests\":2", "\"requests\":-2"),
            "the line of exact figures can't be read: invalid value",
        );
        check(
            &GOOD.replace("\"requests\":2", "\"requests\":null"),
            "the line of exact figures can't be read: invalid type",
        );
        check(&GOOD.replace("\"read\":2,", ""), "the line of exact figures can't be read: missing field `read`");
        check(&GOOD.replace("\"rate\"", "\"fate\""), "the line of exact figures can't be read: unknown field `fate`");
        check(&GOOD[..40], "the line of exact figures can't be read: EOF");
        let two = [GOOD.to_owned(), GOOD.to_owned()];
        assert!(matches!(Exact::parse(&two, b""), Err(ParseError::BadExactFigures { .. })));
        assert!(matches!(Exact::parse(&[], b""), Err(ParseError::NoExactFigures { .. })));
    }
}
