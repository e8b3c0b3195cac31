//! What a tool must offer to check the network between two machines.

use std::time::Duration;

use crate::command::{Command, Output};
use crate::metric::{Flow, NetworkFigures};
use crate::tool::error::ParseError;

/// A tool that sends between two machines, both ways at once: how its two sides are called and how what they printed
/// is read. Nothing here runs them.
pub trait NetworkTool: Sync {
    /// Its name in scenarios.
    fn name(&self) -> &'static str;

    /// The Debian package that brings it.
    fn package(&self) -> &'static str;

    /// The port on the client's machine that the server connects back to, if it does. The server's own is the request's.
    fn back_port(&self, port: u16) -> Option<u16>;

    /// Whether the server ends by itself after one client.
    fn serves_once(&self) -> bool;

    /// How to call the side that waits. It listens on its benchmark address and on no other.
    fn server(&self, request: &NetworkRequest) -> Command;

    /// How to call the side that begins.
    fn client(&self, request: &NetworkRequest) -> Command;

    /// The figures in what both sides printed, or why they can't be trusted.
    fn parse(&self, request: &NetworkRequest, sides: Sides<'_>) -> Result<NetworkFigures, ParseError>;
}

/// A check between two machines, or over the loopback of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRequest {
    /// The benchmark address of the machine that begins.
    pub client_address: String,
    /// The benchmark address of the machine that waits.
    pub server_address: String,
    /// The port that the server listens on.
    pub port: u16,
    /// How long, in whole seconds.
    pub duration: Duration,
}

/// What both sides printed.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// The side that began.
    pub client: &'a Output,
    /// The side that waited.
    pub server: &'a Output,
}

/// Figures that no network can have.
pub(in crate::tool) fn plausible(what: &'static str, flow: Flow) -> Result<Flow, ParseError> {
    let why = if flow.bytes_received == 0 || flow.duration_us == 0 {
        format!("{} bytes in {} µs", flow.bytes_received, flow.duration_us)
    } else if flow.bytes_received > flow.bytes_sent {
        format!("{} bytes arrived, and only {} were sent", flow.bytes_received, flow.bytes_sent)
    } else {
        return Ok(flow);
    };
    Err(ParseError::Implausible { what, why })
}

/// A sender that stopped clearly before its time was stopped by something.
pub(in crate::tool) fn whole(request: &NetworkRequest, seconds: f64) -> Result<(), ParseError> {
    /// Senders stop between two looks at the clock.
    const SHARE: f64 = 0.95;
    let asked = request.duration;
    if seconds >= asked.as_secs_f64() * SHARE {
        return Ok(());
    }
    Err(ParseError::StoppedEarly { asked, measured: Duration::try_from_secs_f64(seconds).unwrap_or_default() })
}

/// The name of a flow in errors.
pub(in crate::tool) const TO_SERVER: &str = "the flow from client to server";
/// The name of the other one.
pub(in crate::tool) const TO_CLIENT: &str = "the flow from server to client";
