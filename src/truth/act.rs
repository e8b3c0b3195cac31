//! What becomes of a request when it is due.

use std::cmp::Ordering;
use std::cmp::Reverse;

use crate::truth::clock;
use crate::truth::connection::{Class, Sending, Turn};
use crate::truth::connections::Token;
use crate::truth::request::Head;
use crate::truth::server::Server;
use crate::truth::settings::Fate;
use crate::truth::socket;

/// From when on an answer is late.
const LATE_NS: u64 = 20_000;

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at_ns: u64,
    /// The number of the request; 0 if it is none's.
    pub number: u64,
    /// On which connection.
    pub token: Token,
    /// What.
    pub what: What,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// What becomes of a request.
    Act(Fate, Head),
    /// The next turn of an answer that goes on.
    Turn,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ns, self.number, self.token).cmp(&(other.at_ns, other.number, other.token))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Server {
    /// Does what is due by now.
    pub(in crate::truth) fn carry_out_due(&mut self) {
        if self.due.is_empty() {
            return;
        }
        let now = clock::now();
        while let Some(due) = self.due.peek().map(|Reverse(due)| *due).filter(|due| due.at_ns <= now) {
            self.due.pop();
            match due.what {
                What::Act(fate, head) => {
                    let late = clock::now().saturating_sub(due.at_ns);
                    self.counts.answers_late += u64::from(late > LATE_NS);
                    self.counts.latest_answer_ns = self.counts.latest_answer_ns.max(late);
                    self.act(due.token, due.number, fate, head);
                }
                What::Turn => {
                    if let Some(connection) = self.connections.get(due.token) {
                        connection.has_turn = false;
                    }
                    self.flush(due.token);
                }
            }
        }
    }

    /// Does to a request what its fate is.
    pub(in crate::truth) fn act(&mut self, token: Token, number: u64, fate: Fate, head: Head) {
        let Some(connection) = self.connections.get(token) else {
            self.counts.undelivered += 1;
            return;
        };
        if connection.closes {
            self.counts.undelivered += 1;
            return;
        }
        match if connection.hangs { Fate::Hang } else { fate } {
            Fate::Hang => {
                connection.hangs = true;
                self.counts.hangs += 1;
            }
            Fate::Fin => {
                self.counts.fins += 1;
                self.close(token);
            }
            Fate::Reset => {
                socket::close_by_reset(&connection.socket);
                self.counts.resets += 1;
                self.close(token);
            }
            _ => {
                let class = match fate {
                    Fate::Error => Class::Error,
                    Fate::Wrong => Class::Wrong,
                    Fate::Garbage => Class::Garbage,
                    Fate::AnswerAndClose => Class::RightAndClose,
                    _ if head.wants_close => Class::RightAndCloseAsAsked,
                    _ => Class::Right,
                };
                // Who wants the end of the connection gets it, whatever the answer.
                connection.closes = head.wants_close;
                let fate = if class == Class::RightAndCloseAsAsked { Fate::AnswerAndClose } else { fate };
                // Garbage has no head that could be had alone.
                self.answer(token, fate, number, head.is_head && fate != Fate::Garbage, class);
            }
        }
    }

    fn answer(&mut self, token: Token, fate: Fate, number: u64, head_only: bool, class: Class) {
        let (Some(answer), Some(connection)) = (self.answers.of(fate, number), self.connections.get(token)) else {
            return;
        };
        connection.closes |= matches!(class, Class::RightAndClose | Class::RightAndCloseAsAsked);
        let parts = if head_only { &answer.parts[..1] } else { &answer.parts };
        for (place, part) in parts.iter().enumerate() {
            let left = if head_only { answer.head_bytes as u64 } else { part.bytes };
            let then = (place + 1 == parts.len()).then_some(class);
            connection.out.push_back(Sending { block: part.block.clone(), at: 0, left, then });
        }
        self.flush(token);
    }

    /// What came was no request.
    pub(in crate::truth) fn refuse(&mut self, token: Token) {
        self.counts.bad_requests += 1;
        let Some(connection) = self.connections.get(token) else { return };
        for part in &self.answers.bad_request.parts {
            let then = Some(Class::BadRequest);
            connection.out.push_back(Sending { block: part.block.clone(), at: 0, left: part.bytes, then });
        }
        connection.closes = true;
        self.flush(token);
    }

    /// Sends what can be sent now.
    pub(in crate::truth) fn flush(&mut self, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        if connection.has_turn {
            return;
        }
        let drip_ns = self.settings.form.drip_ns;
        let turn = connection.flush(drip_ns.map(|_| 1), &mut self.counts);
        match turn {
            Turn::Lost => {
                self.counts.connections_lost += 1;
                self.close(token);
            }
            Turn::Empty if connection.closes => self.close(token),
            Turn::More => {
                connection.has_turn = true;
                let at_ns = clock::now() + drip_ns.unwrap_or(0);
                self.due.push(Reverse(Due { at_ns, number: 0, token, what: What::Turn }));
            }
            // The kernel tells when it takes more.
            Turn::Empty | Turn::Full => {}
        }
    }
}
