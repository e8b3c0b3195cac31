use super::*;
use crate::tool::fixtures::{mutate, output, refuses_every_cut};
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
    Iperf3.parse(&request(), Sides { client, server })
}

fn side(name: &str) -> Output {
    output("iperf3", name, 0)
}

fn refused(client: &Output) -> String {
    parse(client, &side("ok-server")).unwrap_err().to_string()
}

#[test]
fn the_commands() {
    let words = |command: Command| command.words().join(" ");
    assert_eq!(words(Iperf3.server(&request())), "iperf3 -s -1 -B 10.77.0.2 -p 15201 -J");
    let client = "iperf3 -c 10.77.0.2 -B 10.77.0.1 -p 15201 -t 2 --bidir -J";
    assert_eq!(words(Iperf3.client(&request())), client);
}

/// Between two network namespaces: 100 Mbit/s to the server and 200 back, headers included.
#[test]
fn a_real_check() {
    let figures = parse(&side("ok-client"), &side("ok-server")).unwrap();
    let flow =
        |bytes_received, bytes_sent| Flow { bytes_received, duration_us: 2_006_403, bytes_sent, retransmits: Some(0) };
    assert_eq!(figures.to_server, flow(24_127_264, 25_229_192));
    assert_eq!(figures.to_client, flow(46_903_704, 49_938_432));
    assert_eq!((figures.to_server.bits_per_second() / 1e6).round(), 96.0);
    assert_eq!((figures.to_client.bits_per_second() / 1e6).round(), 187.0);
    assert_eq!(figures.client_cpu_percent.map(f64::round), Some(2.0));
    assert_eq!(figures.tool, "iperf 3.12");
}

#[test]
fn failures_may_end_with_exit_code_0_and_are_errors() {
    let says = "iperf3 ended with exit code 0 and says: \"unable to connect to server: Connection refused\"";
    assert_eq!(refused(&side("refused-client")), says);
    assert!(refused(&side("killed-client")).contains("and says: "), "{}", refused(&side("killed-client")));
    assert!(refused(&side("text-client")).starts_with("the JSON of iperf3 can't be read: "));
    // It carried load one way only, with other options.
    assert_eq!(refused(&side("one-way-client")), "the output ends before sum_sent_bidir_reverse");
    let silent = Output { exit: Exit::Signal { signal: 9 }, stdout: Vec::new(), stderr: Vec::new() };
    let text = parse(&side("ok-client"), &silent).unwrap_err().to_string();
    assert_eq!(text, "iperf3 failed with signal 9 (KILL); on stderr: nothing");
}

#[test]
fn what_can_not_be_true_is_an_error() {
    let changed = |name: &str, from: &str, to: &str| {
        let whole = side(name);
        let text = String::from_utf8(whole.stdout).unwrap();
        assert!(text.contains(from), "{from}");
        Output { stdout: text.replace(from, to).into_bytes(), ..whole }
    };
    let client = |from: &str, to: &str| refused(&changed("ok-client", from, to));
    let server =
        |from: &str, to: &str| parse(&side("ok-client"), &changed("ok-server", from, to)).unwrap_err().to_string();
    assert!(client("96201068.2799019", "86201068.2799019").starts_with("bits per second of sum_received: the text"));
    let asked = "the test: asked for TCP, 1 stream each way, 2 s, 0 s omitted, the tool did ";
    assert_eq!(
        client("\"num_streams\":\t1", "\"num_streams\":\t3"),
        format!("{asked}TCP, 3 stream each way, 2 s, 0 s omitted")
    );
    assert_eq!(
        client("\"duration\":\t2", "\"duration\":\t9"),
        format!("{asked}TCP, 1 stream each way, 9 s, 0 s omitted")
    );
    let text = server(
        "49938432,\n\t\t\t\"bits_per_second\":\t199116257.30224684",
        "4993843,\n\t\t\t\"bits_per_second\":\t19911625.34",
    );
    assert_eq!(text, "bytes that the server sent: the client says 49938432, the server says 4993843");
}

/// Only white space stands behind the last brace.
#[test]
fn half_an_output_has_no_figures() {
    let (client, server) = (side("ok-client"), side("ok-server"));
    refuses_every_cut(client.stdout.trim_ascii_end(), |cut| {
        parse(&Output { stdout: cut.to_vec(), ..client.clone() }, &server)
    });
    refuses_every_cut(server.stdout.trim_ascii_end(), |cut| {
        parse(&client, &Output { stdout: cut.to_vec(), ..server.clone() })
    });
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..6)) {
        for name in ["ok-client", "ok-server"] {
            let mut broken = side(name);
            mutate(&mut broken.stdout, &changes);
            let _ = parse(&broken, &side("ok-server"));
            let _ = parse(&side("ok-client"), &broken);
        }
    }
}
