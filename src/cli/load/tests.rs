//! What is wrong with arguments, and what may go wrong: each message with its hint.

use clap::Parser;

use crate::cli::arguments::{Arguments, Command};
use crate::cli::load::machine::{self, Machine};
use crate::cli::load::read::{Wanted, read};
use crate::cli::load::wrong::Found;
use crate::loadgen::settings::{Address, Pace, Protocol};

const URL: &str = "http://127.0.0.1:8080/agents";

fn machine() -> Machine {
    let now_unix_us = 1_800_000_000_000_000;
    Machine { files: 65_536, ports: (32_768, 60_999), reuse: 2, cpus: vec![0, 1], now_unix_us }
}

/// What comes of arguments, which are words with single spaces between them.
fn decided(words: &str, machine: &Machine) -> (Option<Wanted>, Found) {
    let words = ["timetrial", "load"].into_iter().chain(words.split(' '));
    let Command::Load(arguments) = Arguments::try_parse_from(words).unwrap().command else { panic!("not load") };
    let mut found = Found::default();
    let wanted = read(&arguments, machine, &mut found);
    let wanted =
        wanted.inspect(|wanted| machine::check(&wanted.settings, arguments.unix.is_none(), machine, &mut found));
    (wanted, found)
}

fn fine(words: &str) -> Wanted {
    let (wanted, found) = decided(&format!("{URL} {words}"), &machine());
    assert_eq!(found.text(), "", "{words}");
    wanted.unwrap()
}

fn check(words: &str, expected: &[&str]) {
    let (_, found) = decided(words, &machine());
    assert_eq!(found.text().lines().collect::<Vec<_>>(), expected, "{words}");
}

#[test]
fn what_is_not_said_is_usual() {
    let (wanted, _) = decided(URL, &machine());
    let settings = wanted.unwrap().settings;
    assert_eq!((settings.threads, settings.connections, settings.duration.as_secs()), (2, 64, 30));
    assert_eq!((settings.timeout.as_secs(), settings.lateness_bound.as_millis()), (2, 1));
    assert_eq!((settings.pace, settings.requests_per_connection), (Pace::Closed, None));
    assert_eq!((settings.protocol, settings.real_time), (Protocol::Http1, true));
    let spec = settings.requests.spec(0);
    assert_eq!((spec.method.as_str(), spec.path.as_str()), ("GET", "/agents"));
    assert_eq!(spec.headers, [("Host".to_owned(), "127.0.0.1:8080".to_owned())]);
    assert_eq!(fine("-c 1").settings.threads, 1);
}

#[test]
fn what_is_said_is_taken() {
    let settings = fine("-t 4 -c 1k -d 1m30s -R 1k..5k --timeout 500ms --keep-alive 100 --economy --cpus 0-1").settings;
    assert_eq!((settings.threads, settings.connections, settings.duration.as_secs()), (4, 1_000, 90));
    assert_eq!((settings.requests_per_connection, settings.cpus), (Some(100), vec![0, 1]));
    assert!(matches!(settings.pace, Pace::Open(schedule) if schedule.total() == 270_000));
    let spec = fine("--body x=1 -H Accept:text/html -H Host:h --no-keep-alive").settings;
    assert_eq!(spec.requests_per_connection, Some(1));
    let spec = spec.requests.spec(0);
    let headers = [("Accept", "text/html"), ("Host", "h"), ("Connection", "close")];
    assert_eq!(spec.method, "POST");
    assert_eq!(spec.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let settings =
        fine("--http2 --streams 10 --expect-status 200-202,304 --expect-bytes 0 --start-at 1800000010.5").settings;
    assert_eq!(
        (settings.protocol, settings.start_at_us),
        (Protocol::Http2 { streams: 10 }, Some(1_800_000_010_500_000))
    );
    assert_eq!(settings.requests.spec(0).expect.statuses, [200, 201, 202, 304]);
    assert!(fine("--find-max p99<50ms -R 200").search.is_some_and(|search| search.first_rate == 200.0));
}

#[test]
fn what_is_wrong_is_told_with_what_would_be_right() {
    let with_url = |words: &str, expected: &[&str]| check(&format!("{URL} {words}"), expected);
    with_url(
        "-t 8 -c 4",
        &[
            "error: 8 threads for 4 connections: a thread without a connection does nothing",
            "  (hint: -t 4 at most, or -c 8 at least)",
        ],
    );
    with_url(
        "-c 0",
        &[
            "error: -c/--connections: 0 is too few: at least 1",
            "  (hint: each connection has one request under way; write a number, 1k is 1000)",
        ],
    );
    with_url(
        "-d 5x --timeout 2h",
        &[
            "error: -d/--duration: `5x` is no duration",
            "  (hint: write a number and a unit: 30s, 500ms, 5m, 1h; without a unit it is seconds)",
            "error: --timeout: 2h is too long",
            "  (hint: write a time from 1.00 ms to 3600 s)",
        ],
    );
    with_url(
        "-R 0.1 -d 1",
        &[
            "error: -R/--rate: 0.1 requests/s are not one request in 1.00 s",
            "  (hint: a higher rate, or a longer duration)",
        ],
    );
    with_url(
        "--economy",
        &[
            "error: --economy says how due requests are woken up for, and in a closed loop none is ever due",
            "  (hint: say a rate with -R, or leave --economy out)",
        ],
    );
    with_url(
        "--streams 4",
        &["error: --streams: HTTP/1.1 has one request under way on a connection", "  (hint: add --http2, or more -c)"],
    );
    with_url("--cpus 0,2,7", &["error: --cpus: we may not run on 2,7", "  (hint: this machine lets us run on 0,1)"]);
    with_url(
        "--insecure",
        &["error: --insecure is about certificates, and http has none", "  (hint: write https, or leave it out)"],
    );
    with_url(
        "-s x.lua",
        &[
            "error: -s/--script: wrk's Lua scripts are not supported",
            "  (hint: what scripts did has flags: -X, -H, --body, and --requests for several; what they computed is in the \
             result)",
        ],
    );
    with_url(
        "--start-at 1799999998",
        &[
            "error: --start-at: 1799999998 was 2.00 s ago",
            "  (hint: write seconds of Unix time in the future, such as 1800000010)",
        ],
    );
    check(
        "http://me:secret@h/",
        &[
            "error: `http://...@h/`: a user in a URL is not sent",
            "  (hint: pass -H 'Authorization: Basic ...' with the Base64 of user:password)",
        ],
    );
}

#[test]
fn what_is_wrong_with_requests_is_told() {
    let with_url = |words: &str, message: &str| {
        let (_, found) = decided(&format!("{URL} {words}"), &machine());
        let text = found.text();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(format!("error: {message}").as_str()), "{words}");
        assert!(lines.next().is_some_and(|hint| hint.starts_with("  (hint: ")) && lines.next().is_none(), "{text}");
    };
    with_url("-X G(T", "-X/--method: `G(T` is no method");
    with_url("-X connect", "-X/--method: CONNECT opens a tunnel and is no request");
    with_url("-H Accept", "-H/--header: `Accept` is no header");
    with_url("-H A(b:c", "-H/--header: `A(b` can't be the name of a header");
    with_url("-H a:b\u{1}", "-H/--header: the value of a has a control character");
    with_url("-H Host:a -H host:b", "-H/--header: Host is said twice");
    with_url("-H Content-Length:3", "-H/--header: Content-Length is made from the body");
    with_url("--http2 -H Connection:close", "-H/--header: HTTP/2 has no Connection");
    with_url("--expect-status 20", "--expect-status: 20 is no status");
    with_url("--expect-status 2xx", "--expect-status: `2xx` is no list of numbers up to 999");
    with_url("--expect-bytes 1.5", "--expect-bytes: `1.5` is no whole number");
    with_url("--http2 --no-keep-alive", "--keep-alive: HTTP/2 keeps its connections");
    with_url("--http2 --keep-alive 3", "--keep-alive: HTTP/2 keeps its connections");
    with_url("--keep-alive maybe", "--keep-alive: `maybe` is no whole number");
    with_url(
        "--body-file /nowhere/at/all",
        "--body-file: /nowhere/at/all can't be read: No such file or directory (os error 2)",
    );
    with_url("--find-max p99<50", "--find-max: `p99<50` needs a time with its unit, such as 50ms");
    with_url("--find-max p99<5s -R 1..2", "--find-max: a search begins at one rate");
    with_url("--find-max p99<5s --csv x", "--csv is for one load, and --find-max makes many");
    with_url("--lateness-bound 0", "--lateness-bound: 0 is too short");
}

#[test]
fn what_the_machine_does_not_let_be_is_refused_with_the_sum() {
    let few = Machine { files: 1_024, ..machine() };
    let (_, found) = decided(&format!("{URL} -c 1k"), &few);
    assert_eq!(
        found.text().lines().collect::<Vec<_>>(),
        [
            "error: too few descriptors: 1,000 connections + 40 of our own = 1,040 open files, and this process may have 1,024",
            "  (hint: ulimit -Hn 1040 in this shell as root, LimitNOFILE= in systemd, --ulimit nofile= in docker)",
        ]
    );
    check(
        &format!("{URL} -c 30k"),
        &[
            "error: too few local ports: each of 30,000 connections to one address and port needs one of its own, and \
             net.ipv4.ip_local_port_range has 28,232 (32768 to 60999)",
            "  (hint: sysctl net.ipv4.ip_local_port_range='1024 65535', or several client machines)",
        ],
    );
    // A socket in the file system needs no port.
    assert!(decided(&format!("{URL} -c 30k --unix /run/x"), &machine()).1.is_fine());
}

/// The warnings before a load to an address.
fn warned(words: &str, address: &str, machine: &Machine) -> Vec<String> {
    let (wanted, mut found) = decided(&format!("{URL} {words}"), machine);
    let mut settings = wanted.unwrap_or_else(|| panic!("{}", found.text())).settings;
    settings.target.addresses = vec![Address::Tcp(address.parse().unwrap())];
    found.warnings.extend(machine::port_exhaustion(&settings, machine));
    found.warnings
}

#[test]
fn port_exhaustion_is_told_in_these_words_with_the_sum() {
    let machine = machine();
    assert_eq!(
        warned("-R 4000 --no-keep-alive", "10.0.0.1:80", &machine),
        ["port exhaustion: 4,000 new connections/s x 60 s in TIME_WAIT = 240,000 local ports, and \
             net.ipv4.ip_local_port_range has 28,232 (32768 to 60999): from 7.06 s on, connects may fail with EADDRNOTAVAIL; \
             keep connections, widen the range, or use several client machines"]
    );
    assert_eq!(
        warned("--no-keep-alive", "10.0.0.1:80", &machine),
        ["port exhaustion: above 471 new connections/s (28,232 ports / 60 s in TIME_WAIT) connects may fail with \
             EADDRNOTAVAIL, since net.ipv4.ip_local_port_range has 28,232 (32768 to 60999); keep connections, widen the range, \
             or use several client machines"]
    );
    // Ports of the loopback are taken again after a second, and ten requests each need a tenth of the ports.
    assert_eq!(warned("-R 4000 --no-keep-alive", "127.0.0.1:80", &machine), Vec::<String>::new());
    assert_eq!(warned("-R 4000 --keep-alive 10", "10.0.0.1:80", &machine), Vec::<String>::new());
    assert_eq!(warned("-R 4000 -d 5 --no-keep-alive", "10.0.0.1:80", &machine), Vec::<String>::new());
    assert_eq!(warned("-R 4000", "10.0.0.1:80", &machine), Vec::<String>::new());
}

#[test]
fn a_rate_that_its_connections_can_hardly_carry_is_told() {
    assert_eq!(
        warned("-R 100k -c 64", "127.0.0.1:80", &machine()),
        [
            "64 requests at once carry 100,000/s only while an answer takes less than 640 µs on average (64 / 100,000/s); \
             others wait for a connection, and that wait is latency. Answers as slow as the time limit of 2.00 s would take \
             200,000 at once"
        ]
    );
    assert_eq!(warned("-R 20k -c 64", "127.0.0.1:80", &machine()), Vec::<String>::new());
    let (_, found) = decided("http://h/a#b -X get", &machine());
    assert_eq!(
        found.warnings,
        [
            "methods mind case: `get` is sent as it is, which is not `GET`",
            "the fragment #b is not sent: no browser would, either",
        ]
    );
}
