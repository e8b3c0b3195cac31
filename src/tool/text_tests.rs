use super::*;
use crate::tool::fixtures::{bytes as fixture, refuses_every_cut, texts_of_2015};
use crate::tool::{wrk, wrk2};

/// Requests, answers per second, errors (connect, receive, send, timeout, status), mean latency in seconds.
type Row = (&'static str, u64, f64, [u64; 5], f64);

const OF_WRK: [Row; 8] = [
    ("round1-api-hour-api-hour-agents", 125_402, 4_179.54, [0; 5], 0.098_31),
    ("round1-api-hour-api-hour-index", 395_847, 13_200.94, [0; 5], 0.030_31),
    ("round1-django-gunicorn-agents", 17_498, 582.93, [0, 130, 0, 2_388, 0], 0.324_59),
    ("round1-django-gunicorn-agents-with-orm", 17_173, 572.13, [0, 77, 0, 2_721, 0], 0.572_84),
    ("round1-django-gunicorn-index", 70_598, 2_344.23, [396, 0, 0, 4_093, 0], 7.70),
    ("round1-flask-gunicorn-agents", 19_035, 634.05, [0, 66, 0, 2_919, 0], 0.619_86),
    ("round1-flask-gunicorn-agents-with-pool", 76_412, 2_535.06, [199, 62, 0, 3_505, 75_932], 12.09),
    ("round1-flask-gunicorn-index", 79_598, 2_644.71, [393, 0, 0, 4_040, 0], 13.16),
];

const OF_WRK2: [Row; 18] = [
    ("round2-api-hour-api-hour-agents", 1_109_453, 3_698.21, [0; 5], 7.84),
    ("round2-api-hour-api-hour-index", 1_198_648, 3_995.59, [0; 5], 0.001_76),
    ("round2-django-gunicorn-agents", 83_428, 277.96, [0, 218, 156, 37_106, 0], 141.6),
    ("round2-django-gunicorn-index", 540_266, 1_799.00, [237, 0, 26, 26_620, 0], 82.2),
    ("round2-flask-gunicorn-agents", 91_296, 304.10, [0, 128, 185, 40_638, 0], 136.8),
    ("round2-flask-gunicorn-index", 814_328, 2_714.49, [28, 29, 136, 26_549, 0], 52.2),
    ("round3-api-hour-api-hour-agents", 301, 10.03, [0; 5], 0.006_42),
    ("round3-api-hour-api-hour-index", 310, 10.33, [0; 5], 0.001_83),
    ("round3-django-gunicorn-agents", 300, 10.00, [0; 5], 0.019_36),
    ("round3-django-gunicorn-index", 310, 10.33, [0; 5], 0.003_05),
    ("round3-flask-gunicorn-agents", 300, 10.00, [0; 5], 0.018_74),
    ("round3-flask-gunicorn-index", 310, 10.33, [0; 5], 0.002_35),
    ("round4-api-hour-api-hour-agents", 1_093_835, 3_646.15, [0; 5], 9.74),
    ("round4-api-hour-api-hour-nginx-agents", 1_198_477, 3_994.96, [0, 0, 0, 0, 312_600], 0.043_07),
    ("round4-django-meinheld-nginx-agents", 1_197_819, 3_992.68, [0, 0, 0, 0, 1_031_238], 0.121_08),
    ("round4-django-uwsgi-nginx-agents", 1_197_779, 3_991.96, [0, 0, 0, 0, 1_029_213], 0.072_71),
    ("round4-flask-meinheld-nginx-agents", 1_197_627, 3_991.43, [0, 0, 0, 0, 1_024_192], 0.111_29),
    ("round4-flask-uwsgi-nginx-agents", 1_198_372, 3_994.09, [0, 0, 0, 0, 1_021_953], 0.065_98),
];

fn check_2015(tool: &str, rows: &[Row], parse: fn(&[u8]) -> Result<WrkText, ParseError>) {
    let texts = texts_of_2015(tool);
    let named: Vec<String> = rows.iter().map(|row| format!("2015-{}.txt", row.0)).collect();
    let mut found: Vec<String> = texts.into_iter().map(|(name, _)| name).collect();
    found.sort_by_key(|name| named.iter().position(|known| known == name));
    assert_eq!(found, named);
    for (name, (_, requests, rate, errors, mean_s)) in named.iter().zip(rows) {
        let text = parse(&fixture(tool, name)).unwrap();
        let [connect, receive, send, timeout, status] = *errors;
        assert_eq!(text.requests, *requests, "{name}");
        assert_eq!(text.requests_per_second.value, *rate, "{name}");
        assert_eq!(text.errors, ErrorCounts { connect, receive, send, timeout, status, document: 0 }, "{name}");
        let mean_us = text.latency.unwrap().mean.value;
        assert!((mean_us - mean_s * 1e6).abs() < 1e-3, "{name}: {mean_us}");
        let own_rate = text.requests as f64 / (text.duration_us.value / 1e6);
        assert!((own_rate / rate - 1.0).abs() < 0.003, "{name}: {own_rate}");
    }
}

#[test]
fn every_output_of_2015_is_read() {
    check_2015("wrk", &OF_WRK, wrk::parse_text);
    check_2015("wrk2", &OF_WRK2, wrk2::parse_text);
}

#[test]
fn outputs_of_today_are_read_without_our_script() {
    let text = wrk::parse_text(&fixture("wrk", "text-latency-apihour.txt")).unwrap();
    assert_eq!((text.threads, text.connections, text.requests), (2, 8, 21_317));
    assert_eq!(text.url, "http://172.18.0.5:8008/index");
    let percentiles: Vec<(f64, f64)> = text.percentiles.iter().map(|p| (p.rank, p.us.value)).collect();
    assert_eq!(percentiles, [(50.0, 396.0), (75.0, 1_630.0), (90.0, 3_430.0), (99.0, 7_750.0)]);
    assert_eq!(text.rate.unwrap().stdev.value, 970.0);

    let text = wrk::parse_text(&fixture("wrk", "text-server-killed-midrun.txt")).unwrap();
    assert_eq!(text.errors, ErrorCounts { receive: 8, send: 79_093, ..ErrorCounts::default() });
    assert_eq!(wrk::parse_text(&fixture("wrk", "text-non2xx.txt")).unwrap().errors.status, 6_099);
    assert_eq!(wrk::parse_text(&fixture("wrk", "text-timeout.txt")).unwrap().errors.timeout, 437);
    assert_eq!(wrk::parse_text(&fixture("wrk", "text-normal.txt")).unwrap().percentiles, []);

    let text = wrk2::parse_text(&fixture("wrk2", "text-ok.txt")).unwrap();
    let histogram = text.histogram.unwrap();
    assert_eq!((text.requests, histogram.samples, histogram.mean_us.unwrap().value), (2_802, 792, 1_322.0));
}

#[test]
fn nothing_measured_is_none_and_never_zero() {
    let text = text_of(&fixture("wrk", "no-answer.out")).unwrap();
    assert_eq!((text.requests, text.latency, text.rate), (0, None, None));
    let short = wrk2::parse_text(&fixture("wrk2", "text-short.txt")).unwrap_err();
    assert_eq!(short, ParseError::NotCalibrated { calibrated: 0, threads: 2 });
    assert_eq!(parse(&fixture("wrk2", "text-short.txt")).unwrap().rate, None);
}

#[test]
fn an_output_of_the_other_tool_is_refused() {
    assert!(matches!(wrk::parse_text(&fixture("wrk2", "text-ok.txt")), Err(ParseError::OtherTool { .. })));
    assert!(matches!(wrk2::parse_text(&fixture("wrk", "text-normal.txt")), Err(ParseError::NotCalibrated { .. })));
}

#[test]
fn every_cut_is_refused() {
    for tool in ["wrk", "wrk2"] {
        for (_, whole) in texts_of_2015(tool) {
            refuses_every_cut(&whole, parse);
        }
    }
    refuses_every_cut(&fixture("wrk", "text-latency.txt"), parse);
    refuses_every_cut(&fixture("wrk2", "text-ok.txt"), parse);
}

#[test]
fn a_line_that_is_wrong_is_named() {
    let good = String::from_utf8(fixture("wrk", "text-server-killed-midrun.txt")).unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        assert!(good.contains(from), "{from}");
        assert_eq!(parse(good.replace(from, to).as_bytes()).unwrap_err().to_string(), expected);
    };
    check(
        "1278 requests",
        "-nan requests",
        "requests, duration and bytes can't be read in \"-nan requests in 3.00s, 203.43KB read\"",
    );
    check("3.19ms", "3.19", "latency can't be read in \"Latency     3.19    1.88ms  19.38ms   88.26%\"");
    check("3.19ms", "inf", "latency can't be read in \"Latency     inf    1.88ms  19.38ms   88.26%\"");
    check("425.83", "", "requests per second can't be read in \"Requests/sec:\"");
    check(
        "read 8",
        "read -8",
        "socket errors can't be read in \"Socket errors: connect 0, read -8, write 79093, timeout 0\"",
    );
    check(
        "Requests/sec",
        "\x1b[1mRequests/sec",
        "requests per second can't be read in \"\\u{1b}[1mRequests/sec:    425.83\"",
    );
    check(
        "Running 3s",
        "Running \u{9f}s",
        "the beginning of the load can't be read in \"Running \\u{9f}s test @ http://172.18.0.8:8000/index\"",
    );
    let twice = [good.as_str(), good.as_str()].concat();
    assert_eq!(
        parse(twice.as_bytes()).unwrap_err().to_string(),
        "the end of the output can't be read in \"Running 3s test @ http://172.18.0.8:8000/index\""
    );
    assert_eq!(parse(b"").unwrap_err().to_string(), "the output is cut short after \"\"");
    assert_eq!(parse(b"\n").unwrap_err().to_string(), "the output ends before the beginning of the load");
}

/// The text of an output with our line, which is taken off.
fn text_of(stdout: &[u8]) -> Result<WrkText, ParseError> {
    let lines = lines_of(stdout)?;
    parse_lines(&lines).map(|(text, _)| text)
}
