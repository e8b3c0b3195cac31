use super::*;
use crate::command::Exit;
use crate::tool::fixtures::{bytes, mutate, output, refuses_every_cut};
use proptest::prelude::*;
use std::time::Duration;

fn request() -> NetworkRequest {
    NetworkRequest {
        client_address: "10.77.0.1".to_owned(),
        server_address: "10.77.0.2".to_owned(),
        port: 15_201,
        duration: Duration::from_secs(2),
    }
}

fn parse(client: &Output, server: &Output) -> Result<NetworkFigures, ParseError> {
    Iperf.parse(&request(), Sides { client, server })
}

fn side(name: &str) -> Output {
    output("iperf", name, 0)
}

fn refused(client: &Output, server: &Output) -> String {
    parse(client, server).unwrap_err().to_string()
}

#[test]
fn the_commands() {
    let words = |command: Command| command.words().join(" ");
    assert_eq!(words(Iperf.server(&request())), "iperf -s -B 10.77.0.2 -p 15201 -f b");
    let client = "iperf -c 10.77.0.2 -B 10.77.0.1 -p 15201 -f b -t 2 -d -L 15202";
    assert_eq!(words(Iperf.client(&request())), client);
    let six = NetworkRequest { server_address: "fd00::2".to_owned(), ..request() };
    assert_eq!(words(Iperf.server(&six)), "iperf -s -B fd00::2 -p 15201 -f b -V");
}

/// Between two network namespaces: 100 Mbit/s to the server and 200 back, headers included.
#[test]
fn a_real_check() {
    let figures = parse(&side("ok-client"), &side("ok-server")).unwrap();
    let there = Flow { bytes_received: 25_690_172, duration_us: 2_132_700, bytes_sent: 25_690_172, retransmits: None };
    let back = Flow { bytes_received: 50_462_720, duration_us: 2_147_200, bytes_sent: 50_462_720, retransmits: None };
    assert_eq!((figures.to_server.bits_per_second() / 1e6).round(), 96.0);
    assert_eq!((figures.to_client.bits_per_second() / 1e6).round(), 188.0);
    assert_eq!((figures.to_server, figures.to_client), (there, back));
}

/// The lines of the post of 2015, and the rates that follow from them: 1.06 GBytes in 10.1 s is not quite 903 Mbits/s.
#[test]
fn the_published_outputs() {
    let check = |name: &str, expected: &[(u16, u16, f64, f64)]| {
        let text = bytes("iperf", name);
        // Published texts have no line feed at their end, and a prompt at their beginning.
        let text = [text.as_slice(), b"\n"].concat();
        let lines = parse_text(&text).unwrap();
        let found: Vec<(u16, u16, f64, f64)> = lines
            .iter()
            .map(|line| {
                let computed = line.bytes.value * 8.0 / line.seconds.value / 1e5;
                (line.local, line.remote, line.bits_per_second.value / 1e6, computed.round() / 10.0)
            })
            .collect();
        assert_eq!(found, expected, "{name}");
    };
    check("2015-server.txt", &[(5001, 16316, 903.0, 901.5), (24831, 5001, 943.0, 944.0)]);
    check("2015-client.txt", &[(16316, 5001, 908.0, 910.5), (5001, 24831, 927.0, 934.8)]);
}

#[test]
fn rounded_outputs_are_read_and_are_not_exact() {
    let lines = parse_text(&bytes("iperf", "2.1.8-client.out")).unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[1].local, lines[1].remote), (44070, 5001));
    assert!((lines[1].bits_per_second.value - 8.37e9).abs() < 1.0);
    assert!(matches!(lines[1].exact_bytes(), Err(ParseError::Unreadable { .. })));
}

/// Its rates agree with its bytes only where the connection's line is the right one.
#[test]
fn a_server_of_several_clients_is_nobodys() {
    let several = side("2.1.8-server-of-several");
    assert!(parse_text(&several.stdout).is_err());
}

#[test]
fn failures_end_with_exit_code_0_and_are_errors() {
    let check = |name: &str, expected: &str| {
        assert_eq!(refused(&side(&format!("{name}-client")), &side("ok-server")), expected, "{name}");
    };
    let could_not = "iperf could not connect, exit code 0; on stderr: ";
    check("refused", &format!("{could_not}\"tcp connect failed: Connection refused\""));
    check("no-route", &format!("{could_not}\"tcp connect failed: Network is unreachable\""));
    let killed = refused(&side("killed-client"), &Output { exit: Exit::Signal { signal: 9 }, ..side("killed-server") });
    assert!(killed.contains("iperf"), "{killed}");
    let silent = Output { exit: Exit::Code { code: 0 }, stdout: Vec::new(), stderr: Vec::new() };
    assert_eq!(refused(&silent, &side("ok-server")), "the output ends before the figures of both ways");
    assert_eq!(refused(&side("ok-client"), &silent), "the output ends before the figures of both ways");
}

/// The client was not listening yet when the server came back, or nothing lets the server back: both sides tell.
#[test]
fn a_way_back_that_is_missing_may_come_the_next_time() {
    let error = parse(&side("no-way-back-client"), &side("no-way-back-server")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the way back of iperf did not come about; on stderr of the client: \"ERROR: expected reverse connect did not occur\", \
         of the server: \"tcp connect failed: Connection refused\""
    );
    assert!(error.may_pass());
    // The server alone tells of it as well.
    let silent = Output { stderr: Vec::new(), ..side("no-way-back-client") };
    assert!(parse(&silent, &side("no-way-back-server")).unwrap_err().may_pass());
    assert!(!parse(&side("refused-client"), &side("ok-server")).unwrap_err().may_pass());
    assert!(!parse(&side("refused-client"), &side("no-way-back-server")).unwrap_err().may_pass());
}

fn changed(name: &str, from: &str, to: &str) -> Output {
    let whole = side(name);
    let text = String::from_utf8(whole.stdout).unwrap();
    assert!(text.contains(from), "{from}");
    Output { stdout: text.replacen(from, to, 1).into_bytes(), ..whole }
}

#[test]
fn what_can_not_be_true_is_an_error() {
    let client = |from: &str, to: &str| refused(&changed("ok-client", from, to), &side("ok-server"));
    let text = client("188015829 bits/sec", "18801582 bits/sec");
    assert_eq!(text, "bits per second: the text says 18801582, the exact figures say 50462720 bytes in 2.1472 s");
    let text = client("0.0000-2.1482 sec  25690172 Bytes  95670099", "0.0000-2.1482 sec  25690171 Bytes  95670095");
    assert_eq!(text, "the flow from client to server can't be: 25690172 bytes arrived, and only 25690171 were sent");
    let text = client("0.0000-2.1482 sec  25690172 Bytes  95670099", "0.0000-1.0000 sec  25690172 Bytes  205521376");
    assert_eq!(text, "the load was stopped after 1s of 2s");
    let text = client("50462720 Bytes", "48.1 MBytes");
    assert!(text.starts_with("bits per second: ") || text.starts_with("the exact number of bytes"), "{text}");
    let text = client("port 15202 connected", "port 15203 connected");
    assert_eq!(text, "the output ends before the figures of both ways");
    let stranger = "[ ID] Interval       Transfer     Bandwidth\n[  9] 0.0000-2.1482 sec";
    let text = client("[ ID] Interval       Transfer     Bandwidth\n[  2] 0.0000-2.1472 sec", stranger);
    assert!(text.starts_with("a connection can't be read in "), "{text}");
}

#[test]
fn half_an_output_has_no_figures() {
    let server = side("ok-server");
    refuses_every_cut(&side("ok-client").stdout, |cut| {
        parse(&Output { stdout: cut.to_vec(), ..side("ok-client") }, &server)
    });
    // The sum at the end of a server's output is no figure: without it the others are whole all the same.
    let whole = parse(&side("ok-client"), &server).unwrap();
    for end in 0..server.stdout.len() {
        let cut = Output { stdout: server.stdout[..end].to_vec(), ..server.clone() };
        if let Ok(figures) = parse(&side("ok-client"), &cut) {
            assert_eq!(figures, whole, "cut after {end} bytes");
        }
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..6)) {
        for name in ["ok-client", "ok-server", "no-way-back-client"] {
            let mut broken = side(name);
            mutate(&mut broken.stdout, &changes);
            let _ = parse(&broken, &side("ok-server"));
            let _ = parse(&side("ok-client"), &broken);
        }
    }
}
