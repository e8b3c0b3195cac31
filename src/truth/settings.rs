//! What the server does, and to which request.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// TCP. Port 0 takes a free one.
    Tcp(SocketAddr),
    /// A unix socket, which must not be there yet.
    Unix(PathBuf),
}

/// What the server does.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub place: Place,
    /// The processor that it stays on.
    pub cpu: Option<usize>,
    /// An answer leaves exactly that long after the last byte of its request came.
    pub delay_ns: u64,
    /// Never sleeps: it looks for requests without a break.
    pub is_busy: bool,
    /// When it does nothing at all.
    pub freeze: Option<Freeze>,
    /// To which request it does what.
    pub mischief: Mischief,
    /// What answers look like.
    pub form: Form,
    /// Keeps when each request came.
    pub keeps_arrivals: bool,
    /// It ends after that long by itself.
    pub lasts_ns: u64,
}

impl Settings {
    /// A plain server.
    pub fn plain(place: Place, lasts_ns: u64) -> Self {
        Self {
            place,
            cpu: None,
            delay_ns: 0,
            is_busy: false,
            freeze: None,
            mischief: Mischief::default(),
            form: Form::default(),
            keeps_arrivals: false,
            lasts_ns,
        }
    }
}

/// A freeze in the middle of each period, counted from the first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze {
    /// How long it is.
    pub length_ns: u64,
    /// How long a period is.
    pub every_ns: u64,
}

impl Freeze {
    /// How long the freeze goes on, if there is one so long after the first request.
    pub fn goes_on(&self, elapsed_ns: u64) -> Option<u64> {
        let begins = (self.every_ns - self.length_ns) / 2;
        let place = elapsed_ns % self.every_ns;
        (begins..begins + self.length_ns).contains(&place).then(|| begins + self.length_ns - place)
    }
}

/// What it does to each so many-th request. Of several, the first in this order.
#[derive(Debug, Clone, Default)]
pub struct Mischief {
    /// Resets the connection (RST) without an answer.
    pub reset_every: Option<u64>,
    /// Closes the connection (FIN) without an answer.
    pub fin_every: Option<u64>,
    /// Never answers, and keeps the connection.
    pub hang_every: Option<u64>,
    /// Answers what is no HTTP.
    pub garbage_every: Option<u64>,
    /// Answers another document.
    pub wrong_every: Option<u64>,
    /// Answers 500.
    pub error_every: Option<u64>,
    /// Answers well with `Connection: close`, and closes.
    pub close_every: Option<u64>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The right answer.
    Answer,
    /// The right answer, and the connection is closed.
    AnswerAndClose,
    /// 500.
    Error,
    /// Another document.
    Wrong,
    /// What is no HTTP.
    Garbage,
    /// Nothing, ever.
    Hang,
    /// The end of the connection.
    Fin,
    /// A reset.
    Reset,
}

impl Mischief {
    /// What becomes of the request with this number; the first is 1.
    pub fn fate(&self, number: u64) -> Fate {
        let fates = [
            (self.reset_every, Fate::Reset),
            (self.fin_every, Fate::Fin),
            (self.hang_every, Fate::Hang),
            (self.garbage_every, Fate::Garbage),
            (self.wrong_every, Fate::Wrong),
            (self.error_every, Fate::Error),
            (self.close_every, Fate::AnswerAndClose),
        ];
        let hit = |every: &Option<u64>| every.is_some_and(|every| number.is_multiple_of(every));
        fates.iter().find(|(every, _)| hit(every)).map_or(Fate::Answer, |(_, fate)| *fate)
    }
}

/// What right answers look like.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// The body comes in chunks.
    pub is_chunked: bool,
    /// So many bytes of body in the place of the small document.
    pub body_bytes: Option<u64>,
    /// The body never ends. It comes in chunks.
    pub has_endless_body: bool,
    /// The head never ends.
    pub has_endless_headers: bool,
    /// One byte at a time, so far apart.
    pub drip_ns: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_fate_of_several_is_met() {
        let mischief =
            Mischief { reset_every: Some(10), error_every: Some(5), close_every: Some(3), ..Mischief::default() };
        let fates: Vec<Fate> = (1..=10).map(|number| mischief.fate(number)).collect();
        let count = |wanted: Fate| fates.iter().filter(|fate| **fate == wanted).count();
        assert_eq!(
            [Fate::Answer, Fate::AnswerAndClose, Fate::Error, Fate::Reset].map(count),
            [5, 3, 1, 1],
            "of ten requests: {fates:?}"
        );
    }

    #[test]
    fn a_freeze_is_in_the_middle_of_its_period() {
        let freeze = Freeze { length_ns: 10, every_ns: 100 };
        let check = |elapsed, expected| assert_eq!(freeze.goes_on(elapsed), expected, "after {elapsed}");
        check(44, None);
        check(45, Some(10));
        check(54, Some(1));
        check(55, None);
        check(149, Some(6));
    }
}
