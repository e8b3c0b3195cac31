//! What can become of a request that was not answered as it should be, by phase and by reason.

use std::fmt;

/// One kind of failure. Each is counted by itself, with latencies of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A connection could not be made.
    Connect(Errno),
    /// A connection was not made within the time limit.
    ConnectTimeout,
    /// The handshake of TLS failed.
    Tls(Why),
    /// A request could not be sent.
    Send(Errno),
    /// An answer could not be received.
    Receive(Errno),
    /// The server closed the connection before the first byte of an answer.
    ClosedBeforeAnswer,
    /// The server closed the connection in the middle of an answer.
    ClosedInAnswer,
    /// What came is no answer.
    Parse(Why),
    /// The whole answer did not come within the time limit.
    Timeout,
    /// An answer with a status that was not expected.
    Status(u16),
    /// An answer with another document than the expected one.
    Document(Why),
    /// HTTP/2: the stream was reset, or the connection ended, by this code.
    Stream(u32),
}

/// A code of the kernel.
pub type Errno = i32;

/// A reason in words that are ours.
pub type Why = &'static str;

impl Fault {
    /// The phase of a request's life in which it failed, in one word.
    pub fn phase(self) -> &'static str {
        match self {
            Self::Connect(_) | Self::ConnectTimeout => "connect",
            Self::Tls(_) => "tls",
            Self::Send(_) => "send",
            Self::Receive(_) | Self::Stream(_) => "receive",
            Self::ClosedBeforeAnswer | Self::ClosedInAnswer => "closed",
            Self::Parse(_) => "parse",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
            Self::Document(_) => "document",
        }
    }

    /// Whether a whole answer came.
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Status(_) | Self::Document(_))
    }

    /// Whether a request was meant: one that could not be connected for was never sent, but where each has a connection.
    pub fn is_of_connection(self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout | Self::Tls(_))
    }

    /// The reason within its phase: an errno's name, a status, a word.
    pub fn reason(self) -> String {
        match self {
            Self::Connect(errno) | Self::Send(errno) | Self::Receive(errno) => errno_name(errno),
            Self::ConnectTimeout => "not made within the time limit".to_owned(),
            Self::Tls(why) | Self::Parse(why) | Self::Document(why) => why.to_owned(),
            Self::ClosedBeforeAnswer => "before an answer".to_owned(),
            Self::ClosedInAnswer => "in the middle of an answer".to_owned(),
            Self::Timeout => "no whole answer within the time limit".to_owned(),
            Self::Status(status) => status.to_string(),
            Self::Stream(code) => format!("stream reset with code {code}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.phase(), self.reason())
    }
}

/// `ECONNREFUSED` and what that means, as the C library says it.
fn errno_name(errno: Errno) -> String {
    let name = nix::errno::Errno::from_raw(errno);
    format!("{name:?} ({})", name.desc())
}
