//! iperf 3: one TCP connection each way, both at once (`--bidir`, since 3.7), as JSON on both sides.
//!
//! Seen on 3.12, on both ends of one check:
//!
//! - **Exit code 0** also when nothing took the connection: the document has an `error` then, and an empty `end`.
//! - **The client's document** has all four sums, because the server tells it what arrived. The server's own has zeros
//!   where only the other side knows: what it sent is right, what the client received reads 0. Those are not read.
//! - `sum_sent` and `sum_received` go from client to server, the two with `_bidir_reverse` back.
//! - What was received may be less than what was sent: at the end of the time both sides just stop.
//! - `retransmits` are the sender's, from the kernel.
//! - `cpu_utilization_percent` is of one CPU, the tool's own on both sides.
//! - The server ends after one client (`-1`), which nobody else can then be.

use serde::Deserialize;

use crate::command::{Command, Exit, Output};
use crate::metric::{Flow, NetworkFigures};
use crate::tool::error::{FirstLine, ParseError};
use crate::tool::load::seconds;
use crate::tool::network::{NetworkRequest, NetworkTool, Sides, TO_CLIENT, TO_SERVER, plausible, whole};

/// iperf 3.
pub struct Iperf3;

const NAME: &str = "iperf3";

impl NetworkTool for Iperf3 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn package(&self) -> &'static str {
        "iperf3"
    }

    fn back_port(&self, _port: u16) -> Option<u16> {
        None
    }

    fn serves_once(&self) -> bool {
        true
    }

    fn server(&self, request: &NetworkRequest) -> Command {
        let port = request.port.to_string();
        Command::new(NAME, ["-s", "-1", "-B", &request.server_address, "-p", &port, "-J"])
    }

    fn client(&self, request: &NetworkRequest) -> Command {
        let (port, time) = (request.port.to_string(), seconds(request.duration).to_string());
        let (server, client) = (request.server_address.as_str(), request.client_address.as_str());
        Command::new(NAME, ["-c", server, "-B", client, "-p", &port, "-t", &time, "--bidir", "-J"])
    }

    fn parse(&self, request: &NetworkRequest, sides: Sides<'_>) -> Result<NetworkFigures, ParseError> {
        let client = read(sides.client)?;
        let server = read(sides.server)?;
        for document in [&client, &server] {
            as_asked(request, document)?;
        }
        let (sent, received) = (client.sum("sum_sent")?, client.sum("sum_received")?);
        let (back_sent, back_received) =
            (client.sum("sum_sent_bidir_reverse")?, client.sum("sum_received_bidir_reverse")?);
        // What each side knows by itself is held against what the other was told of it.
        same("bytes that the server received", received, server.sum("sum_received")?)?;
        same("bytes that the server sent", back_sent, server.sum("sum_sent_bidir_reverse")?)?;
        whole(request, sent.seconds)?;
        whole(request, back_sent.seconds)?;
        let cpu = client.end.cpu_utilization_percent.as_ref();
        Ok(NetworkFigures {
            to_server: flow(TO_SERVER, sent, received)?,
            to_client: flow(TO_CLIENT, back_sent, back_received)?,
            client_cpu_percent: cpu.map(|cpu| cpu.host_total),
            server_cpu_percent: cpu.map(|cpu| cpu.remote_total),
            tool: client.start.version.clone().unwrap_or_else(|| NAME.to_owned()),
        })
    }
}

#[derive(Debug, Deserialize)]
struct Document {
    start: Start,
    end: End,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Start {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    test_start: Option<TestStart>,
}

/// What the side set out to do.
#[derive(Debug, Deserialize)]
struct TestStart {
    protocol: String,
    num_streams: u64,
    duration: u64,
    omit: u64,
}

#[derive(Debug, Deserialize)]
struct End {
    #[serde(default)]
    sum_sent: Option<Sum>,
    #[serde(default)]
    sum_received: Option<Sum>,
    #[serde(default)]
    sum_sent_bidir_reverse: Option<Sum>,
    #[serde(default)]
    sum_received_bidir_reverse: Option<Sum>,
    #[serde(default)]
    cpu_utilization_percent: Option<Cpu>,
}

#[derive(Debug, Deserialize)]
struct Sum {
    seconds: f64,
    bytes: u64,
    bits_per_second: f64,
    #[serde(default)]
    retransmits: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Cpu {
    host_total: f64,
    remote_total: f64,
}

fn read(output: &Output) -> Result<Document, ParseError> {
    let (tool, exit) = (NAME, output.exit);
    let document: Document = match serde_json::from_slice(&output.stdout) {
        Ok(document) => document,
        Err(_) if output.stdout.trim_ascii().is_empty() || matches!(exit, Exit::Signal { .. }) => {
            return Err(ParseError::Failed { tool, exit, stderr: FirstLine::of(&output.stderr) });
        }
        Err(error) => return Err(ParseError::BadDocument { tool, why: error.to_string() }),
    };
    if let Some(said) = &document.error {
        return Err(ParseError::Says { tool, exit, said: FirstLine::of(said.as_bytes()) });
    }
    if !exit.is_success() {
        return Err(ParseError::Failed { tool, exit, stderr: FirstLine::of(&output.stderr) });
    }
    Ok(document)
}

impl Document {
    fn sum(&self, what: &'static str) -> Result<&Sum, ParseError> {
        let sum = match what {
            "sum_sent" => &self.end.sum_sent,
            "sum_received" => &self.end.sum_received,
            "sum_sent_bidir_reverse" => &self.end.sum_sent_bidir_reverse,
            _ => &self.end.sum_received_bidir_reverse,
        };
        let sum = sum.as_ref().ok_or(ParseError::Missing { what })?;
        let computed = sum.bytes as f64 * 8.0 / sum.seconds;
        // The two are one division in the tool itself; its digits are as many as a double has.
        if (computed - sum.bits_per_second).abs() <= computed.abs() * 1e-6 {
            return Ok(sum);
        }
        Err(ParseError::Disagreement {
            what: format!("bits per second of {what}"),
            text: sum.bits_per_second.to_string(),
            exact: format!("{} bytes in {} s", sum.bytes, sum.seconds),
        })
    }
}

fn as_asked(request: &NetworkRequest, document: &Document) -> Result<(), ParseError> {
    let done = document.start.test_start.as_ref().ok_or(ParseError::Missing { what: "test_start" })?;
    let words = |protocol: &str, streams, time, omit| {
        format!("{protocol}, {streams} stream each way, {time} s, {omit} s omitted")
    };
    let asked = words("TCP", 1, seconds(request.duration), 0);
    let done = words(&done.protocol, done.num_streams, done.duration, done.omit);
    if asked == done { Ok(()) } else { Err(ParseError::NotAsAsked { what: "the test", asked, done }) }
}

fn same(what: &'static str, client: &Sum, server: &Sum) -> Result<(), ParseError> {
    if client.bytes == server.bytes {
        return Ok(());
    }
    Err(ParseError::SidesDisagree { what, client: client.bytes.to_string(), server: server.bytes.to_string() })
}

fn flow(what: &'static str, sent: &Sum, received: &Sum) -> Result<Flow, ParseError> {
    let flow = Flow {
        bytes_received: received.bytes,
        duration_us: (received.seconds * 1e6).round() as u64,
        bytes_sent: sent.bytes,
        retransmits: sent.retransmits,
    };
    plausible(what, flow)
}

#[cfg(test)]
#[path = "iperf3_tests.rs"]
mod tests;
