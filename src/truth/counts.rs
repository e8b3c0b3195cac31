//! What the server did.

/// Counts of all that was done. Each request that came stands in exactly one class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Of those, closed by the client, politely.
    pub connections_closed_by_client: u64,
    /// Of those, lost: reset by the client, or broken.
    pub connections_lost: u64,
    /// Of those, open at the end.
    pub connections_open_at_end: u64,
    /// Connections that could not be accepted, for want of descriptors or memory; each attempt.
    pub accepts_failed: u64,
    /// Requests that came whole.
    pub requests: u64,
    /// Of those, answered well to their last byte, `Connection: close` or not.
    pub answers_200: u64,
    /// Of those, answered 500.
    pub answers_500: u64,
    /// Of those, answered with another document.
    pub answers_wrong: u64,
    /// Of those, answered with what is no HTTP.
    pub answers_garbage: u64,
    /// Of those, answered by a reset.
    pub resets: u64,
    /// Of those, answered by the end of the connection.
    pub fins: u64,
    /// Of those, never answered.
    pub hangs: u64,
    /// Of those, whose answer could not be given, or not to its last byte: the connection was gone.
    pub undelivered: u64,
    /// Of those, whose answer was still due or on its way at the end.
    pub pending_at_end: u64,
    /// Of the good answers, those that closed the connection unasked.
    pub closes: u64,
    /// Of the good answers, those that closed it because the client asked for it.
    pub closes_as_asked: u64,
    /// What came and was no request that is understood here; answered 400, and the connection closed.
    pub bad_requests: u64,
    /// Bytes that came.
    pub bytes_received: u64,
    /// Bytes that were sent.
    pub bytes_sent: u64,
    /// Freezes.
    pub freezes: u64,
    /// Answers that left more than 20 µs after the delay that was asked for.
    pub answers_late: u64,
    /// How late the latest was.
    pub latest_answer_ns: u64,
}

impl Counts {
    /// All counts with their names.
    pub fn named(&self) -> [(&'static str, u64); 23] {
        [
            ("connections", self.connections),
            ("connections_closed_by_client", self.connections_closed_by_client),
            ("connections_lost", self.connections_lost),
            ("connections_open_at_end", self.connections_open_at_end),
            ("accepts_failed", self.accepts_failed),
            ("requests", self.requests),
            ("answers_200", self.answers_200),
            ("answers_500", self.answers_500),
            ("answers_wrong", self.answers_wrong),
            ("answers_garbage", self.answers_garbage),
            ("resets", self.resets),
            ("fins", self.fins),
            ("hangs", self.hangs),
            ("undelivered", self.undelivered),
            ("pending_at_end", self.pending_at_end),
            ("closes", self.closes),
            ("closes_as_asked", self.closes_as_asked),
            ("bad_requests", self.bad_requests),
            ("bytes_received", self.bytes_received),
            ("bytes_sent", self.bytes_sent),
            ("freezes", self.freezes),
            ("answers_late", self.answers_late),
            ("latest_answer_ns", self.latest_answer_ns),
        ]
    }

    /// Whether each request stands in exactly one class.
    pub fn add_up(&self) -> bool {
        let classes = [
            self.answers_200,
            self.answers_500,
            self.answers_wrong,
            self.answers_garbage,
            self.resets,
            self.fins,
            self.hangs,
            self.undelivered,
            self.pending_at_end,
        ];
        classes.iter().sum::<u64>() == self.requests
    }
}
