//! What a load generator must offer to be used by a scenario.

use std::time::Duration;

use crate::command::{Command, Output};
use crate::metric::LoadFigures;
use crate::tool::error::{ParseError, RequestError};

/// A load generator: how it is called and how its output is read. Nothing here runs it.
pub trait LoadTool: Sync {
    /// Its name in scenarios.
    fn name(&self) -> &'static str;

    /// Whether it sends as fast as answers come, or at a rate.
    fn pace(&self) -> Pace;

    /// The protocols that it can be asked to speak, in the words of daemons.
    fn protocols(&self) -> &'static [&'static str] {
        &["HTTP/1.1", "HTTP/1.0"]
    }

    /// Whether it is a part of this program, which is there wherever an agent is.
    fn is_own(&self) -> bool {
        false
    }

    /// Whether several machines can make one load together, each a part: [`LoadTool::parse_shares`] makes one of them.
    fn makes_shares(&self) -> bool {
        false
    }

    /// Whether it can have several requests under way at once on one connection.
    fn multiplexes(&self) -> bool {
        false
    }

    /// Whether it can be told from when on an answer is too late.
    fn has_time_limit(&self) -> bool {
        true
    }

    /// Whether it can load only daemons that keep their connections open.
    fn needs_keep_alive(&self) -> bool {
        false
    }

    /// How many connections it sets out to open: most divide them over their threads in whole numbers.
    fn connections_used(&self, request: &LoadRequest) -> u32 {
        request.connections - request.connections.checked_rem(request.threads).unwrap_or(0)
    }

    /// The shortest load, this one included, that has figures worth reading.
    fn shortest(&self) -> Duration;

    /// The shortest load for this very request, where it depends on more than the tool.
    fn shortest_for(&self, _request: &LoadRequest) -> Duration {
        self.shortest()
    }

    /// The Debian package that brings it, or `None`: then it is our own, or the inventory names a binary.
    fn package(&self) -> Option<&'static str>;

    /// How to call it, and the files that must lie in its working directory. The request passed [`check`].
    fn invocation(&self, request: &LoadRequest) -> Invocation;

    /// The figures in what it printed, or why they can't be trusted.
    fn parse(&self, request: &LoadRequest, output: &Output) -> Result<LoadFigures, ParseError>;

    /// The figures of a load that several machines made together, of which this was asked for in all.
    fn parse_shares(&self, _whole: &LoadRequest, _shares: &[Shared<'_>]) -> Result<LoadFigures, ParseError> {
        Err(ParseError::NotShared { tool: self.name() })
    }
}

/// One machine's part of a load.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    /// The machine.
    pub client: &'a str,
    /// What was asked of it.
    pub request: &'a LoadRequest,
    /// What it printed there.
    pub output: &'a Output,
    /// How far the machine's clock is ahead of ours, in microseconds: times of different machines are held against each
    /// other.
    pub clock_ahead_us: i64,
}

/// What decides when a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Each connection sends its next request when the last was answered. A rate can't be asked for.
    ClosedLoop,
    /// Requests are due at a rate, whatever the daemon does. The rate is required.
    OpenLoop,
    /// An open loop where a rate is asked for, a closed loop else.
    Either,
}

impl Pace {
    /// Whether a rate can be asked for.
    pub fn keeps_a_rate(self) -> bool {
        self != Self::ClosedLoop
    }
}

/// The load that a trial asks for. Latency is always measured.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadRequest {
    /// What is requested, again and again.
    pub url: String,
    /// Threads of the load generator.
    pub threads: u32,
    /// Connections, over all threads.
    pub connections: u32,
    /// How long, in whole seconds.
    pub duration: Duration,
    /// From when on an answer is too late, in whole seconds. Nothing to a tool without a time limit.
    pub timeout: Duration,
    /// Requests per second, over all connections: for a tool that keeps a rate and no other. A whole number, but where several
    /// machines share one.
    pub rate: Option<f64>,
    /// When to begin, in microseconds of Unix time by the machine's own clock, where several begin together.
    pub start_at_us: Option<u64>,
    /// The daemon's protocol, in the word of its file.
    pub protocol: String,
    /// Requests under way at once on each connection: one, but for a tool and a protocol that can have more.
    pub streams: u32,
}

/// A command and what it needs beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program by its bare name, and its arguments.
    pub command: Command,
    /// Files to put into the command's working directory before it starts.
    pub files: Vec<SideFile>,
}

/// A file beside a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideFile {
    /// Its name, without any folder.
    pub name: String,
    /// What is in it.
    pub contents: String,
}

/// The protocol whose connections carry several requests at once.
pub const MULTIPLEXED: &str = "HTTP/2";

/// Whether the tool can do what is asked, found before any machine is contacted.
pub fn check(tool: &dyn LoadTool, request: &LoadRequest) -> Result<(), RequestError> {
    let name = tool.name();
    if request.threads == 0 {
        return Err(RequestError::NoThreads);
    }
    if request.connections < request.threads {
        let (connections, threads) = (request.connections, request.threads);
        return Err(RequestError::FewerConnectionsThanThreads { connections, threads });
    }
    for (field, duration) in [("duration", request.duration), ("timeout", request.timeout)] {
        if duration.subsec_nanos() != 0 || duration.is_zero() {
            return Err(RequestError::NotWholeSeconds { tool: name, field, duration });
        }
    }
    match (tool.pace(), request.rate) {
        (Pace::ClosedLoop, Some(rate)) => return Err(RequestError::RateOfClosedLoop { tool: name, rate }),
        (Pace::OpenLoop, None) => return Err(RequestError::NoRate { tool: name }),
        (_, Some(rate)) if !(rate.is_finite() && rate > 0.0) => return Err(RequestError::NoRate { tool: name }),
        (Pace::ClosedLoop, None) | (Pace::OpenLoop, Some(_)) | (Pace::Either, _) => {}
    }
    let protocol = request.protocol.clone();
    if !tool.protocols().contains(&request.protocol.as_str()) {
        return Err(RequestError::OtherProtocol { tool: name, protocol });
    }
    if request.streams != 1 && !(tool.multiplexes() && request.protocol == MULTIPLEXED) {
        return Err(RequestError::NoStreams { tool: name, protocol, streams: request.streams });
    }
    let shortest = tool.shortest_for(request);
    if request.duration < shortest {
        return Err(RequestError::TooShort { tool: name, asked: request.duration, shortest });
    }
    Ok(())
}

/// Whole seconds for a command line; a fraction, which [`check`] refuses, is rounded up and never cut to nothing.
pub(in crate::tool) fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::registry::find;

    fn request() -> LoadRequest {
        LoadRequest {
            url: "http://127.0.0.1:8016/index".to_owned(),
            threads: 2,
            connections: 64,
            duration: Duration::from_secs(15),
            timeout: Duration::from_secs(2),
            rate: None,
            start_at_us: None,
            protocol: "HTTP/1.1".to_owned(),
            streams: 1,
        }
    }

    fn refused(tool: &str, request: &LoadRequest) -> String {
        check(find(tool).unwrap(), request).unwrap_err().to_string()
    }

    #[test]
    fn a_plain_request_is_fine() {
        assert_eq!(check(find("wrk").unwrap(), &request()), Ok(()));
        assert_eq!(check(find("wrk2").unwrap(), &LoadRequest { rate: Some(500.0), ..request() }), Ok(()));
        for rate in [None, Some(500.0)] {
            assert_eq!(check(find("timetrial").unwrap(), &LoadRequest { rate, ..request() }), Ok(()));
        }
        let multiplexed = LoadRequest { protocol: MULTIPLEXED.to_owned(), streams: 10, ..request() };
        assert_eq!(check(find("h2load").unwrap(), &multiplexed), Ok(()));
    }

    #[test]
    fn each_mistake_is_named() {
        let of = |change: fn(&mut LoadRequest)| {
            let mut changed = request();
            change(&mut changed);
            changed
        };
        let check = |tool: &str, request: LoadRequest, expected: &str| assert_eq!(refused(tool, &request), expected);
        check("wrk", of(|r| r.threads = 0), "at least one thread is needed");
        check("wrk", of(|r| r.connections = 1), "1 connections can't be divided over 2 threads");
        check(
            "wrk",
            of(|r| r.duration = Duration::from_millis(1500)),
            "wrk takes a duration in whole seconds, not 1.5s",
        );
        check("wrk", of(|r| r.timeout = Duration::ZERO), "wrk takes a timeout in whole seconds, not 0ns");
        check("wrk", of(|r| r.rate = Some(7.0)), "wrk is a closed loop: it can't be held to a rate (7 per second)");
        check("wrk2", of(|_| ()), "wrk2 needs a rate");
        check("timetrial", of(|r| r.rate = Some(0.0)), "timetrial needs a rate");
        check("wrk2", of(|r| r.rate = Some(0.0)), "wrk2 needs a rate");
        check("wrk", of(|r| r.protocol = "HTTP/2".to_owned()), "wrk does not speak HTTP/2");
        check("wrk", of(|r| r.streams = 2), "wrk can't have 2 requests at once on a connection of HTTP/1.1");
        check("h2load", of(|r| r.streams = 2), "h2load can't have 2 requests at once on a connection of HTTP/1.1");
        check("h2load", of(|r| r.protocol = "HTTP/1.0".to_owned()), "h2load does not speak HTTP/1.0");
        check(
            "h2load",
            of(|r| r.rate = Some(7.0)),
            "h2load is a closed loop: it can't be held to a rate (7 per second)",
        );
        let ten = of(|r| (r.rate, r.duration) = (Some(5.0), Duration::from_secs(10)));
        check("wrk2", ten, "wrk2 measures nothing in 10s: the shortest load with these connections is 11s");
    }

    #[test]
    fn fractions_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(15)), 15);
    }
}
