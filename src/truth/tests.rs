//! The server against plain clients of the standard library: what they see is what it counts.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::truth::{Counts, Form, Freeze, Mischief, Outcome, Place, Server, Settings};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: truth\r\n\r\n";

/// A running server. It ends with this, or when it is asked what it did.
struct Running {
    address: String,
    end: Option<UnixStream>,
    thread: Option<JoinHandle<Outcome>>,
}

impl Running {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let place = Place::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut settings = Settings::plain(place, 60_000_000_000);
        change(&mut settings);
        let (end, watched) = UnixStream::pair().expect("a pair of sockets");
        let server = Server::bind(settings, vec![OwnedFd::from(watched)]).expect("a free port");
        let address = server.address().to_owned();
        let thread = std::thread::spawn(|| server.serve().expect("a server that serves"));
        Self { address, end: Some(end), thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("a server that listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket with a timeout");
        stream
    }

    fn outcome(&mut self) -> Outcome {
        drop(self.end.take());
        let outcome = self.thread.take().expect("asked once").join().expect("a server that does not panic");
        assert!(outcome.counts.add_up(), "{:?}", outcome.counts);
        outcome
    }

    fn counts(&mut self) -> Counts {
        self.outcome().counts
    }
}

/// What a client saw.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Answer { status: String, closes: bool, body: String },
    End,
    Reset,
}

fn seen_error(error: &std::io::Error) -> Seen {
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    Seen::Reset
}

/// One answer whose length is told, byte by byte.
fn read_answer(stream: &mut impl Read) -> Seen {
    let mut bytes = Vec::new();
    let mut byte = [0];
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(0) => return Seen::End,
            Ok(_) => bytes.push(byte[0]),
            Err(error) => return seen_error(&error),
        }
    }
    let head = text(&bytes);
    let after =
        |name: &str| head.split_once(name).and_then(|(_, rest)| rest.split_once("\r\n")).map(|(value, _)| value);
    let mut body = vec![0; after("Content-Length: ").and_then(|value| value.parse().ok()).unwrap_or(0)];
    if let Err(error) = stream.read_exact(&mut body) {
        return seen_error(&error);
    }
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Seen::Answer { status, closes: after("Connection: ") == Some("close"), body: text(&body) }
}

/// So many requests one after the other; a connection that ended is replaced.
fn requests(server: &Running, number: usize) -> Vec<Seen> {
    let mut stream = server.connect();
    let mut all = Vec::new();
    for _ in 0..number {
        let seen = match stream.write_all(REQUEST) {
            Ok(()) => read_answer(&mut stream),
            Err(error) => seen_error(&error),
        };
        if !matches!(seen, Seen::Answer { closes: false, .. }) {
            stream = server.connect();
        }
        all.push(seen);
    }
    all
}

fn count(all: &[Seen], wanted: impl Fn(&Seen) -> bool) -> u64 {
    all.iter().filter(|seen| wanted(seen)).count() as u64
}

fn is_answer(seen: &Seen, wanted: &str) -> bool {
    matches!(seen, Seen::Answer { status, .. } if status == wanted)
}

#[test]
fn a_plain_server_answers_each_request() {
    let mut server = Running::new(|_| ());
    let all = requests(&server, 100);
    let right = Seen::Answer { status: "200".to_owned(), closes: false, body: "{\"ok\":true}".to_owned() };
    assert!(all.iter().all(|seen| *seen == right), "{:?}", all.first());
    let counts = server.counts();
    assert_eq!((counts.requests, counts.answers_200, counts.connections), (100, 100, 1));
    assert_eq!(counts.bytes_received, 100 * REQUEST.len() as u64);
}

#[test]
fn each_mischief_is_seen_as_often_as_it_is_counted() {
    let mut server = Running::new(|settings| {
        settings.mischief = Mischief {
            reset_every: Some(7),
            fin_every: Some(5),
            wrong_every: Some(11),
            error_every: Some(3),
            close_every: Some(4),
            ..Mischief::default()
        };
    });
    let all = requests(&server, 1_000);
    let counts = server.counts();
    assert_eq!(counts.requests, 1_000);
    assert_eq!(counts.resets, count(&all, |seen| *seen == Seen::Reset));
    assert_eq!(counts.fins, count(&all, |seen| *seen == Seen::End));
    assert_eq!(counts.answers_500, count(&all, |seen| is_answer(seen, "500")));
    assert_eq!(counts.closes, count(&all, |seen| matches!(seen, Seen::Answer { closes: true, .. })));
    let wrong = |seen: &Seen| matches!(seen, Seen::Answer { body, .. } if body == "{\"ok\":false}");
    assert_eq!(counts.answers_wrong, count(&all, wrong));
    assert_eq!(counts.answers_200 + counts.answers_wrong, count(&all, |seen| is_answer(seen, "200")));
    assert_eq!(counts.connections, 1 + counts.resets + counts.fins + counts.closes);
    for happened in [counts.resets, counts.fins, counts.answers_500, counts.closes, counts.answers_wrong] {
        assert!(happened > 0, "{counts:?}");
    }
}

#[test]
fn garbage_is_never_an_answer() {
    let mut server = Running::new(|settings| settings.mischief.garbage_every = Some(1));
    for _ in 0..4 {
        let mut stream = server.connect();
        stream.write_all(REQUEST).expect("a server that reads");
        let mut bytes = [0; 1_000];
        let length = stream.read(&mut bytes).expect("some garbage");
        assert!(!String::from_utf8_lossy(&bytes[..length]).contains("{\"ok\":true}"));
    }
    assert_eq!(server.counts().answers_garbage, 4);
}

#[test]
fn who_hangs_is_never_answered_and_stays_connected() {
    let mut server = Running::new(|settings| settings.mischief.hang_every = Some(2));
    let mut stream = server.connect();
    for _ in 0..3 {
        stream.write_all(REQUEST).expect("a server that reads");
    }
    assert!(is_answer(&read_answer(&mut stream), "200"));
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket with a timeout");
    let error = stream.read(&mut [0]).expect_err("silence");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    let counts = server.counts();
    assert_eq!((counts.requests, counts.answers_200, counts.hangs, counts.connections_open_at_end), (3, 1, 2, 1));
}

#[test]
fn an_answer_is_never_early() {
    let delay = Duration::from_millis(20);
    let mut server = Running::new(|settings| {
        settings.delay_ns = 20_000_000;
        settings.keeps_arrivals = true;
    });
    let mut stream = server.connect();
    let begun = Instant::now();
    for _ in 0..10 {
        let sent = Instant::now();
        stream.write_all(REQUEST).expect("a server that reads");
        assert!(is_answer(&read_answer(&mut stream), "200"));
        assert!(sent.elapsed() >= delay, "after {:?}", sent.elapsed());
    }
    let took = begun.elapsed();
    let outcome = server.outcome();
    let arrivals: Vec<u64> = outcome.arrivals.iter().collect();
    assert_eq!(arrivals.len(), 10);
    assert!(arrivals.windows(2).all(|two| two[1] - two[0] >= 20_000_000), "{arrivals:?}");
    assert!(u128::from(arrivals[9] - arrivals[0]) < took.as_nanos());
    let mut bytes = Vec::new();
    outcome.arrivals.write(&mut bytes).expect("memory");
    assert_eq!(bytes[..8], arrivals[0].to_le_bytes());
}

#[test]
fn answers_that_are_due_at_the_end_are_told() {
    let mut server = Running::new(|settings| settings.delay_ns = 60_000_000_000);
    let mut stream = server.connect();
    stream.write_all(&REQUEST.repeat(3)).expect("a server that reads");
    let mut gone = server.connect();
    gone.write_all(REQUEST).expect("a server that reads");
    drop(gone);
    // Both have come when a third one's nonsense was refused.
    let mut third = server.connect();
    third.write_all(b"nonsense\r\n\r\n").expect("a server that reads");
    assert!(is_answer(&read_answer(&mut third), "400"));
    let counts = server.counts();
    assert_eq!((counts.requests, counts.pending_at_end, counts.undelivered, counts.bad_requests), (4, 3, 1, 1));
}

#[test]
fn a_frozen_server_does_nothing_and_then_drains() {
    let mut server = Running::new(|settings| {
        settings.freeze = Some(Freeze { length_ns: 300_000_000, every_ns: 1_000_000_000 });
    });
    let mut stream = server.connect();
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    while begun.elapsed() < Duration::from_millis(900) {
        let sent = Instant::now();
        stream.write_all(REQUEST).expect("a server that reads");
        assert!(is_answer(&read_answer(&mut stream), "200"));
        longest = longest.max(sent.elapsed());
    }
    assert!(longest >= Duration::from_millis(250), "the longest wait was {longest:?}");
    assert_eq!(server.counts().freezes, 1);
}

#[test]
fn large_bodies_come_whole_in_chunks_or_not() {
    for is_chunked in [false, true] {
        let mut server = Running::new(|settings| {
            settings.form = Form { body_bytes: Some(3_000_001), is_chunked, ..Form::default() };
        });
        let mut stream = server.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").expect("a server that reads");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an end");
        assert_eq!(bytes.iter().filter(|byte| **byte == b'x').count(), 3_000_001);
        let counts = server.counts();
        assert_eq!((counts.answers_200, counts.closes_as_asked), (1, 1));
        assert_eq!(counts.bytes_sent, bytes.len() as u64);
    }
}

#[test]
fn what_never_ends_never_ends() {
    let endless = [
        Form { has_endless_body: true, ..Form::default() },
        Form { has_endless_headers: true, ..Form::default() },
        Form { body_bytes: Some(u64::MAX - 1), ..Form::default() },
    ];
    for form in endless {
        let mut server = Running::new(|settings| settings.form = form);
        let mut stream = server.connect();
        stream.write_all(REQUEST).expect("a server that reads");
        let mut bytes = vec![0; 20_000_000];
        stream.read_exact(&mut bytes).expect("as much as anybody reads");
        drop(stream);
        // Others are served meanwhile: an answer of theirs begins.
        let mut other = server.connect();
        other.write_all(b"HEAD / HTTP/1.1\r\n\r\n").expect("a server that reads");
        other.read_exact(&mut bytes[..17]).expect("a head");
        assert_eq!(&bytes[..17], b"HTTP/1.1 200 OK\r\n");
        drop(other);
        assert_eq!(server.counts().requests, 2);
    }
}

#[test]
fn a_dripping_answer_takes_its_time() {
    let mut server = Running::new(|settings| settings.form.drip_ns = Some(1_000_000));
    let mut stream = server.connect();
    let begun = Instant::now();
    stream.write_all(REQUEST).expect("a server that reads");
    assert!(is_answer(&read_answer(&mut stream), "200"));
    assert!(begun.elapsed() >= Duration::from_millis(100), "it took {:?}", begun.elapsed());
    let counts = server.counts();
    assert_eq!((counts.answers_200, counts.connections_lost), (1, 0));
}

#[test]
fn it_listens_on_unix_sockets_too() {
    let path = std::env::temp_dir().join(format!("timetrial-truth-{}.socket", std::process::id()));
    let place = Place::Unix(path.clone());
    let mut server = Running::new(|settings| *settings = Settings { place, keeps_arrivals: true, ..settings.clone() });
    assert_eq!(server.address, format!("unix:{}", path.display()));
    let mut stream = UnixStream::connect(&path).expect("a server that listens");
    stream.write_all(REQUEST).expect("a server that reads");
    assert!(is_answer(&read_answer(&mut stream), "200"));
    let outcome = server.outcome();
    assert_eq!((outcome.counts.answers_200, outcome.arrivals.len()), (1, 1));
    assert!(!path.exists(), "its file goes with it");
}

#[test]
fn it_ends_by_itself() {
    let begun = Instant::now();
    let mut server = Running::new(|settings| (settings.lasts_ns, settings.is_busy) = (50_000_000, true));
    let thread = server.thread.take().expect("it runs");
    thread.join().expect("a server that does not panic");
    assert!((50..10_000).contains(&begun.elapsed().as_millis()), "after {:?}", begun.elapsed());
}
