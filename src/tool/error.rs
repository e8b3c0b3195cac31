//! What can be wrong with a load that is asked for, and with what a tool printed.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::command::Exit;

/// Why a tool can't do what a scenario asks of it.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RequestError {
    /// No thread.
    #[error("at least one thread is needed")]
    NoThreads,
    /// A thread would have no connection.
    #[error("{connections} connections can't be divided over {threads} threads")]
    FewerConnectionsThanThreads {
        /// Connections asked for.
        connections: u32,
        /// Threads asked for.
        threads: u32,
    },
    /// The tool's command line has no fractions.
    #[error("{tool} takes a {field} in whole seconds, not {duration:?}")]
    NotWholeSeconds {
        /// The tool.
        tool: &'static str,
        /// `duration` or `timeout`.
        field: &'static str,
        /// What was asked.
        duration: Duration,
    },
    /// A rate for a tool that has none.
    #[error("{tool} is a closed loop: it can't be held to a rate ({rate} per second)")]
    RateOfClosedLoop {
        /// The tool.
        tool: &'static str,
        /// What was asked.
        rate: f64,
    },
    /// No rate for a tool that needs one.
    #[error("{tool} needs a rate")]
    NoRate {
        /// The tool.
        tool: &'static str,
    },
    /// A protocol that the tool does not speak.
    #[error("{tool} does not speak {protocol}")]
    OtherProtocol {
        /// The tool.
        tool: &'static str,
        /// What was asked.
        protocol: String,
    },
    /// Several requests at once on a connection that can have one.
    #[error("{tool} can't have {streams} requests at once on a connection of {protocol}")]
    NoStreams {
        /// The tool.
        tool: &'static str,
        /// The protocol.
        protocol: String,
        /// What was asked.
        streams: u32,
    },
    /// The load would be over before the tool measures.
    #[error("{tool} measures nothing in {asked:?}: the shortest load with these connections is {shortest:?}")]
    TooShort {
        /// The tool.
        tool: &'static str,
        /// What was asked.
        asked: Duration,
        /// What would do.
        shortest: Duration,
    },
}

impl RequestError {
    /// The field of the load that is wrong, as scenarios name it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::NoThreads => "threads",
            Self::FewerConnectionsThanThreads { .. } => "connections",
            Self::NotWholeSeconds { field, .. } => field,
            Self::RateOfClosedLoop { .. } | Self::NoRate { .. } => "rate",
            Self::OtherProtocol { .. } => "tool",
            Self::NoStreams { .. } => "streams",
            Self::TooShort { .. } => "duration",
        }
    }
}

/// Why a tool's output has no figures that can be trusted.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ParseError {
    /// The tool found no address for the host.
    #[error("{tool} could not resolve the host, {exit}; on stderr: {stderr}")]
    Unresolved {
        /// The tool.
        tool: &'static str,
        /// How it ended.
        exit: Exit,
        /// What it said.
        stderr: FirstLine,
    },
    /// Nothing took the tool's first connection.
    #[error("{tool} could not connect, {exit}; on stderr: {stderr}")]
    Refused {
        /// The tool.
        tool: &'static str,
        /// How it ended.
        exit: Exit,
        /// What it said.
        stderr: FirstLine,
    },
    /// Something answered, and not one answer could be read.
    #[error("{tool} could read no answer; on stderr: {stderr}")]
    NotUnderstood {
        /// The tool.
        tool: &'static str,
        /// What it said.
        stderr: FirstLine,
    },
    /// A signal ended the tool.
    #[error("{tool} was ended by {exit}; on stderr: {stderr}")]
    Killed {
        /// The tool.
        tool: &'static str,
        /// Which signal.
        exit: Exit,
        /// What it said.
        stderr: FirstLine,
    },
    /// The tool failed in another way.
    #[error("{tool} failed with {exit}; on stderr: {stderr}")]
    Failed {
        /// The tool.
        tool: &'static str,
        /// How it ended.
        exit: Exit,
        /// What it said.
        stderr: FirstLine,
    },
    /// The output stops in the middle of a line.
    #[error("the output is cut short after {last:?}")]
    CutShort {
        /// The beginning of its last line.
        last: String,
    },
    /// The output ends before a line that must be there.
    #[error("the output ends before {what}")]
    Missing {
        /// What the line would have told.
        what: &'static str,
    },
    /// A line is not what it must be at this place.
    #[error("{what} can't be read in {line:?}")]
    Unreadable {
        /// What the line should have told.
        what: &'static str,
        /// The beginning of the line.
        line: String,
    },
    /// The text is there, but our own line of exact figures is not.
    #[error("the line of exact figures is missing; on stderr: {stderr}")]
    NoExactFigures {
        /// What the tool said: perhaps what was wrong with the script.
        stderr: FirstLine,
    },
    /// Our own line of exact figures is damaged.
    #[error("the line of exact figures can't be read: {why}")]
    BadExactFigures {
        /// The JSON reader's reason.
        why: String,
    },
    /// This is the output of another tool.
    #[error("this is not the output of {tool}: {why}")]
    OtherTool {
        /// The tool that was asked for.
        tool: &'static str,
        /// What gives it away.
        why: &'static str,
    },
    /// What the tool set out to do is not what it was asked.
    #[error("{what}: asked for {asked}, the tool did {done}")]
    NotAsAsked {
        /// What differs.
        what: &'static str,
        /// What was asked.
        asked: String,
        /// What the output says.
        done: String,
    },
    /// Two figures that should be one.
    #[error("{what}: the text says {text}, the exact figures say {exact}")]
    Disagreement {
        /// What differs.
        what: String,
        /// The value in the text.
        text: String,
        /// The value in the line of exact figures.
        exact: String,
    },
    /// The load ended before its time.
    #[error("the load was stopped after {measured:?} of {asked:?}")]
    StoppedEarly {
        /// What was asked.
        asked: Duration,
        /// What was measured.
        measured: Duration,
    },
    /// Threads of wrk2 never finished their calibration, so that their latencies are those of the warm-up.
    #[error("{calibrated} of {threads} threads finished their calibration, so the latencies are not those of the load")]
    NotCalibrated {
        /// Threads that did.
        calibrated: usize,
        /// All threads.
        threads: u32,
    },
    /// The tool tells an error in its own output; its exit code may be 0 all the same.
    #[error("{tool} ended with {exit} and says: {said}")]
    Says {
        /// The tool.
        tool: &'static str,
        /// How it ended.
        exit: Exit,
        /// What it says.
        said: FirstLine,
    },
    /// What should be one JSON document is none, or lacks something.
    #[error("the JSON of {tool} can't be read: {why}")]
    BadDocument {
        /// The tool.
        tool: &'static str,
        /// The JSON reader's reason.
        why: String,
    },
    /// The client's connection came, and the server's back to it did not.
    #[error("the way back of {tool} did not come about; on stderr of the client: {client}, of the server: {server}")]
    NoWayBack {
        /// The tool.
        tool: &'static str,
        /// What the side that began said.
        client: FirstLine,
        /// What the side that waited said.
        server: FirstLine,
    },
    /// The two sides of a network check tell two things.
    #[error("{what}: the client says {client}, the server says {server}")]
    SidesDisagree {
        /// What differs.
        what: &'static str,
        /// The client's figure.
        client: String,
        /// The server's figure.
        server: String,
    },
    /// A load of several machines, by a tool that can't divide one.
    #[error("{tool} can't make a load together with other machines")]
    NotShared {
        /// The tool.
        tool: &'static str,
    },
    /// What one of several machines printed.
    #[error("of {client}: {why}")]
    OfClient {
        /// The machine.
        client: String,
        /// Why its figures can't be trusted.
        why: Box<ParseError>,
    },
    /// The parts of a load are no whole.
    #[error("the results of the clients are not one: {why}")]
    NotOne {
        /// What keeps them apart.
        why: String,
    },
    /// Figures that can't be.
    #[error("{what} can't be: {why}")]
    Implausible {
        /// Which figure.
        what: &'static str,
        /// The figure and its bound.
        why: String,
    },
}

impl ParseError {
    /// Whether the same may go well the next time: both sides ran, and one was only too late for the other.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NoWayBack { .. })
    }
}

/// The first line that a tool said on stderr, made fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstLine(String);

impl FirstLine {
    /// The first line with anything on it. Invalid UTF-8 is replaced, a long line is cut.
    pub fn of(stderr: &[u8]) -> Self {
        let text = stderr.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
        Self(beginning(&String::from_utf8_lossy(text.trim_ascii())))
    }
}

impl fmt::Display for FirstLine {
    /// In quotes, control characters escaped: it is outside text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("nothing") } else { write!(f, "{:?}", self.0) }
    }
}

/// As much of a line as an error should quote.
pub(in crate::tool) fn beginning(line: &str) -> String {
    const LONGEST: usize = 160;
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_found_cut_and_escaped() {
        let check = |stderr: &[u8], expected: &str| assert_eq!(FirstLine::of(stderr).to_string(), expected);
        check(b"", "nothing");
        check(b"\n \n", "nothing");
        check(b"\nunable to connect\nmore\n", r#""unable to connect""#);
        check(b"\x1b]52;c;evil\x07 \xff\xfe", "\"\\u{1b}]52;c;evil\\u{7} \u{fffd}\u{fffd}\"");
        assert_eq!(FirstLine::of("é".repeat(500).as_bytes()).to_string().chars().count(), 163);
    }
}
