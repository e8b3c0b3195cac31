//! iperf 2: one TCP connection each way, both at once (`-d`), as in the post of 2015.
//!
//! Seen on 2.1.8, on 2.0 outputs of 2015, and on both ends of one check:
//!
//! - **Exit code 0** also when nothing took the connection, when there was no route, and when the way back could not be
//!   made. Only lines with figures count, and one that is missing is an error.
//! - **The race**: the server comes back at once, also where the client does not listen yet (1 of 5 checks on a busy machine).
//!   Then the server says `connect failed` and the client `expected reverse connect did not occur`.
//! - **The way back** is a second connection, from the server to a port that the client listens on (`-L`). Without `-L` it
//!   is the server's own port number, which on one machine is taken.
//! - **Names of connections** (`[  1]`, `[ *2]`) are in no order, and only newer servers mark the way back with `*`. Which
//!   is which is told by the ports of its `local … port … connected with … port …` line.
//! - **Units**: `Mbits` is 10^6 bits, `GBytes` is 2^30 bytes. With `-f b` both are whole: bytes are exact then.
//! - **The interval** is the side's own: a receiver's ends when the last byte has arrived. So the receiver's line counts,
//!   which for one way stands in the server's output and for the other in the client's. In 2.1.8 both sides print the same
//!   bytes.
//! - `[SUM]` adds the two ways up. It is no figure of any network, and is passed over.
//! - The version is not printed; it is that of the package.

use crate::command::{Command, Output};
use crate::metric::{Flow, NetworkFigures};
use crate::tool::error::{FirstLine, ParseError, beginning};
use crate::tool::load::seconds;
use crate::tool::network::{NetworkRequest, NetworkTool, Sides, TO_CLIENT, TO_SERVER, plausible, whole};

/// iperf 2.
pub struct Iperf;

const NAME: &str = "iperf";

impl NetworkTool for Iperf {
    fn name(&self) -> &'static str {
        NAME
    }

    fn package(&self) -> &'static str {
        "iperf"
    }

    fn back_port(&self, port: u16) -> Option<u16> {
        Some(port.saturating_add(1))
    }

    fn serves_once(&self) -> bool {
        false
    }

    fn server(&self, request: &NetworkRequest) -> Command {
        let mut arguments = vec!["-s".to_owned()];
        arguments.extend(option("-B", &request.server_address));
        arguments.extend(common(request));
        Command::new(NAME, arguments)
    }

    fn client(&self, request: &NetworkRequest) -> Command {
        let mut arguments: Vec<String> = option("-c", &request.server_address).into();
        arguments.extend(option("-B", &request.client_address));
        arguments.extend(common(request));
        arguments.extend(option("-t", seconds(request.duration)));
        arguments.push("-d".to_owned());
        arguments.extend(option("-L", back(request)));
        Command::new(NAME, arguments)
    }

    fn parse(&self, request: &NetworkRequest, sides: Sides<'_>) -> Result<NetworkFigures, ParseError> {
        if misses_way_back(sides) {
            let (client, server) = (FirstLine::of(&sides.client.stderr), FirstLine::of(&sides.server.stderr));
            return Err(ParseError::NoWayBack { tool: NAME, client, server });
        }
        let (out, back_in) = ways(sides.client, |line| line.local == back(request))?;
        let (back_out, arrived) = ways(sides.server, |line| line.local == request.port)?;
        whole(request, out.seconds.value)?;
        whole(request, back_out.seconds.value)?;
        Ok(NetworkFigures {
            to_server: flow(TO_SERVER, &out, &arrived)?,
            to_client: flow(TO_CLIENT, &back_out, &back_in)?,
            client_cpu_percent: None,
            server_cpu_percent: None,
            tool: NAME.to_owned(),
        })
    }
}

fn back(request: &NetworkRequest) -> u16 {
    request.port.saturating_add(1)
}

fn option(name: &str, value: impl ToString) -> [String; 2] {
    [name.to_owned(), value.to_string()]
}

fn common(request: &NetworkRequest) -> Vec<String> {
    let mut arguments: Vec<String> = option("-p", request.port).into();
    arguments.extend(option("-f", "b"));
    if request.server_address.contains(':') {
        arguments.push("-V".to_owned());
    }
    arguments
}

/// What this side sent and what it received, in this order.
fn ways(output: &Output, is_received: impl Fn(&Line) -> bool) -> Result<(Line, Line), ParseError> {
    if !output.exit.is_success() {
        let (exit, stderr) = (output.exit, FirstLine::of(&output.stderr));
        return Err(ParseError::Failed { tool: NAME, exit, stderr });
    }
    let lines = parse_text(&output.stdout).map_err(|error| told(output, error))?;
    let (mut received, mut sent): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(is_received);
    match (sent.pop(), received.pop(), sent.is_empty() && received.is_empty()) {
        (Some(sent), Some(received), true) => Ok((sent, received)),
        (Some(_), Some(_), false) => Err(ParseError::NotAsAsked {
            what: "connections",
            asked: "one each way".to_owned(),
            done: "more of them: somebody else uses this port".to_owned(),
        }),
        _ => Err(told(output, ParseError::Missing { what: "the figures of both ways" })),
    }
}

/// What either side says of a connection that it could not make.
const CONNECT_FAILED: &str = "connect failed";

/// What a client says that the server did not come back to.
const NO_WAY_BACK: &str = "expected reverse connect did not occur";

fn says(output: &Output, words: &str) -> bool {
    output.stderr.windows(words.len()).any(|window| window == words.as_bytes())
}

/// Whether the client reached the server, and the server did not reach the client: on a busy machine it may come back
/// before the client listens.
fn misses_way_back(sides: Sides<'_>) -> bool {
    // A client that was refused itself says both.
    let arrived = sides.client.exit.is_success() && !says(sides.client, CONNECT_FAILED);
    arrived && (says(sides.client, NO_WAY_BACK) || says(sides.server, CONNECT_FAILED))
}

/// What the tool said of a failure is a better reason than a line that is missing for it.
fn told(output: &Output, error: ParseError) -> ParseError {
    let (tool, exit, stderr) = (NAME, output.exit, FirstLine::of(&output.stderr));
    match error {
        ParseError::Missing { .. } if says(output, CONNECT_FAILED) => ParseError::Refused { tool, exit, stderr },
        ParseError::Missing { .. } if !output.stderr.trim_ascii().is_empty() => {
            ParseError::Failed { tool, exit, stderr }
        }
        other => other,
    }
}

fn flow(what: &'static str, sent: &Line, received: &Line) -> Result<Flow, ParseError> {
    let flow = Flow {
        bytes_received: received.exact_bytes()?,
        duration_us: (received.seconds.value * 1e6).round() as u64,
        bytes_sent: sent.exact_bytes()?,
        retransmits: None,
    };
    plausible(what, flow)
}

/// One connection and its figures, as a side printed them.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The port on the side that printed it.
    pub local: u16,
    /// The port on the other side.
    pub remote: u16,
    /// The end of its interval, in seconds; it begins at 0.
    pub seconds: Rounded,
    /// Bytes carried.
    pub bytes: Rounded,
    /// Bits per second, as printed.
    pub bits_per_second: Rounded,
}

/// A figure that was printed with so many digits and no more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rounded {
    /// As printed.
    pub value: f64,
    /// The true value is at most this far away.
    pub within: f64,
}

impl Rounded {
    fn times(self, unit: f64) -> Self {
        Self { value: self.value * unit, within: self.within * unit }
    }

    fn least(self) -> f64 {
        (self.value - self.within).max(0.0)
    }

    fn most(self) -> f64 {
        self.value + self.within
    }
}

impl Line {
    fn exact_bytes(&self) -> Result<u64, ParseError> {
        if self.bytes.within <= 0.5 && self.bytes.value < 9e15 {
            return Ok(self.bytes.value as u64);
        }
        let line = format!("{} bytes, give or take {}", self.bytes.value, self.bytes.within);
        Err(ParseError::Unreadable { what: "the exact number of bytes", line })
    }

    /// The rate is printed beside what it follows from: both must tell the same, within the digits printed.
    fn agrees(self) -> Result<Self, ParseError> {
        let (seconds, bits) = (self.seconds, self.bytes.times(8.0));
        let (least, most) = (bits.least() / seconds.most(), bits.most() / seconds.least());
        if self.bits_per_second.most() >= least && self.bits_per_second.least() <= most {
            return Ok(self);
        }
        Err(ParseError::Disagreement {
            what: "bits per second".to_owned(),
            text: format!("{}", self.bits_per_second.value),
            exact: format!("{} bytes in {} s", self.bytes.value, seconds.value),
        })
    }
}

/// Reads what one side printed, of any version: each connection with its figures. Figures are as rounded as it has them.
pub fn parse_text(stdout: &[u8]) -> Result<Vec<Line>, ParseError> {
    let text = String::from_utf8_lossy(stdout);
    if let Some(last) = text.lines().next_back().filter(|_| !text.ends_with('\n')) {
        return Err(ParseError::CutShort { last: beginning(last) });
    }
    let mut connections: Vec<(&str, u16, u16)> = Vec::new();
    let mut lines: Vec<(&str, Line)> = Vec::new();
    for raw in text.lines() {
        let Some((id, rest)) = raw.strip_prefix('[').and_then(|inner| inner.split_once(']')) else { continue };
        // 2.1 marks the way back with a star in one line and perhaps not in the other.
        let (id, rest) = (id.trim().trim_start_matches('*'), rest.trim());
        let bad = |what| ParseError::Unreadable { what, line: beginning(raw) };
        if id == "ID" || id == "SUM" {
            continue;
        }
        if rest.starts_with("local ") {
            let (local, remote) = ports(rest).ok_or_else(|| bad("the two ends of a connection"))?;
            connections.push((id, local, remote));
            continue;
        }
        let known = connections.iter().rev().find(|(known, ..)| *known == id);
        let &(_, local, remote) = known.ok_or_else(|| bad("a connection"))?;
        if lines.iter().any(|(other, _)| *other == id) {
            return Err(bad("a connection's one line of figures"));
        }
        let (seconds, bytes, bits_per_second) = figures(rest).ok_or_else(|| bad("interval, transfer and bandwidth"))?;
        lines.push((id, Line { local, remote, seconds, bytes, bits_per_second }.agrees()?));
    }
    if lines.is_empty() || lines.len() < connections.len() {
        return Err(ParseError::Missing { what: "the figures of both ways" });
    }
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// `local 10.0.0.1 port 44070 connected with 10.0.0.2 port 5001 (...)`
fn ports(line: &str) -> Option<(u16, u16)> {
    let mut words = line.split_whitespace();
    let expected = ["local", "", "port", "", "connected", "with", "", "port", ""];
    let mut found = Vec::new();
    for word in expected {
        let next = words.next()?;
        if word.is_empty() {
            found.push(next);
        } else if word != next {
            return None;
        }
    }
    Some((found.get(1)?.parse().ok()?, found.get(3)?.parse().ok()?))
}

/// `0.0000-2.0153 sec  1.96 GBytes  8.37 Gbits/sec`
fn figures(line: &str) -> Option<(Rounded, Rounded, Rounded)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    // 2.0 pads the interval: `0.0- 9.9 sec`.
    let (interval, rest) = match words.as_slice() {
        [begin, end, rest @ ..] if begin.ends_with('-') => (format!("{begin}{end}"), rest),
        [interval, rest @ ..] => ((*interval).to_owned(), rest),
        [] => return None,
    };
    let ["sec", bytes, byte_unit, bits, bit_unit] = rest else { return None };
    let (begin, end) = interval.split_once('-')?;
    let seconds = rounded(end).filter(|end| end.value > end.within)?;
    rounded(begin).filter(|begin| begin.value == 0.0)?;
    let byte_unit = match *byte_unit {
        "Bytes" => 1.0,
        "KBytes" => 1024.0,
        "MBytes" => 1_048_576.0,
        "GBytes" => 1_073_741_824.0,
        "TBytes" => 1_099_511_627_776.0,
        _ => return None,
    };
    let bit_unit = match *bit_unit {
        "bits/sec" => 1.0,
        "Kbits/sec" => 1e3,
        "Mbits/sec" => 1e6,
        "Gbits/sec" => 1e9,
        "Tbits/sec" => 1e12,
        _ => return None,
    };
    Some((seconds, rounded(bytes)?.times(byte_unit), rounded(bits)?.times(bit_unit)))
}

/// Digits and at most one point.
fn rounded(word: &str) -> Option<Rounded> {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_decimal = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && (1..=15).contains(&digits);
    let value = word.parse().ok().filter(|_| is_decimal)?;
    let places = word.split_once('.').map_or(0, |(_, places)| places.len());
    Some(Rounded { value, within: 0.5 * 0.1_f64.powi(i32::try_from(places).ok()?) })
}

#[cfg(test)]
#[path = "iperf_tests.rs"]
mod tests;
