//! Sentences that more than one format says.

use crate::metric::{Flow, bit_rate, count, duration_us, rate, short_bytes};
use crate::referee::Summary;
use crate::report::escape::Text;
use crate::report::model::{CeilingRow, CheckRow, Head, Network, Row, Software, TrialTimes, UNKNOWN};

/// Where a run keeps what.
pub const FILES: &str = "Everything here comes from the run directory: the plan in plan.json, what happened in \
    events.jsonl, what the load generator printed, byte for byte, under trials/, and copies of all files that \
    people wrote in inputs/.";

/// What is said of each verdict, once.
pub const VERDICTS: &str = "Verdicts: ✓ valid; ▲ suspect, the number may not mean what it seems to; ✕ invalid, it means \
    nothing; ○ unjudged, nothing speaks against it, but one sample, or repeats that nobody analysed, can't tell a real \
    difference from chance; – not measured.";

/// What the columns mean.
pub const COLUMNS: &str = "Requests/s counts successful answers (status 2xx or 3xx, and in time where the load generator \
    counts late answers) over the measured time; where others were refused or late, all answers stand beside. An answer \
    that was both is taken away twice, so the number is never too high. Errors are told by kind and never added up, because load \
    generators count different things under one name. Latency is of answers of any status, but not of those that \
    the load generator dropped: wrk drops late ones, wrk2 those of its first ten seconds. Where that left fewer than all, \
    the table says how many. Our own generator times successes alone, and what it gave up as at least as long as it waited for it (the CSV \
    tells how many); its send lateness is how much later than due it sent, which is its own error and not the daemon's. In a closed loop it is the service time, from sending a request to its answer, without the correction that wrk makes to \
    what it prints (the CSV has both). p99 is the latency that 99 of 100 answers did not exceed; a percentile above which \
    there is not even one answer is left out. Received counts \
    headers and body.";

/// How the charts are to be read.
pub const CHARTS: &str = "Bars begin at zero, and all groups of a chart share its scale. Pale bars are suspect, broken \
    outlines invalid.";

/// What a network check is.
pub const NETWORK: &str = "Each check sends both ways at once, while nothing else of the campaign runs: requests go to \
    the daemon's machine, answers come back. What arrived counts, without the headers of TCP and below. What both sides \
    printed is kept, byte for byte, under network/ in the run directory.";

/// Where there is none.
pub const LOOPBACK: &str = "All of them went over the loopback of one machine: that is what its CPU can copy, and no \
    network.";

/// What a ceiling is.
pub const CEILINGS: &str = "The ceiling of each endpoint: the lowest rate of answers that a check saw, over the mean bytes of \
    one answer with its HTTP headers. A daemon that comes near it is held up by the network. The share is what the \
    answers of any status took of it.";

/// The head of the table of checks, and which columns are numbers.
pub const CHECK_HEAD: [(&str, bool); 8] = [
    ("Between", false),
    ("When", false),
    ("By", false),
    ("Requests", true),
    ("Answers", true),
    ("Requests sent again", true),
    ("Answers sent again", true),
    ("CPU, server / client", true),
];

/// The cells of a check.
pub fn check(check: &CheckRow) -> [Text; 8] {
    let (there, back) = (&check.figures.to_server, &check.figures.to_client);
    let again = |flow: &Flow| flow.retransmits.map_or(UNKNOWN.to_owned(), count);
    let cpu = |percent: Option<f64>| percent.map_or(UNKNOWN.to_owned(), |percent| format!("{percent:.0} %"));
    let cpus = format!("{} / {}", cpu(check.figures.server_cpu_percent), cpu(check.figures.client_cpu_percent));
    [
        Text::joined([&check.client, &check.server], " – "),
        Text::from(check.when),
        check.tool.clone(),
        Text::from(bit_rate(there.bits_per_second())),
        Text::from(bit_rate(back.bits_per_second())),
        Text::from(again(there)),
        Text::from(again(back)),
        Text::from(cpus),
    ]
}

/// The commands of the checks, each pair of them once: those after are those before.
pub fn check_commands(network: &Network) -> Vec<Text> {
    let mut commands: Vec<Text> = Vec::new();
    for command in network.checks.iter().flat_map(|check| check.commands.iter().rev()) {
        if !commands.contains(command) {
            commands.push(command.clone());
        }
    }
    commands
}

/// The head of the table of ceilings, and which columns are numbers.
pub const CEILING_HEAD: [(&str, bool); 5] =
    [("Trial", false), ("Bytes per response", true), ("Ceiling, requests/s", true), ("Reached", true), ("Share", true)];

/// The cells of an endpoint's ceiling.
pub fn ceiling(row: &CeilingRow) -> [Text; 5] {
    [
        Text::joined([&row.trial, &row.name], " "),
        Text::from(count(row.bytes_per_response.round() as u64)),
        Text::from(rate(row.ceiling.answers_per_second)),
        Text::from(rate(row.reached)),
        Text::from(percent(row.ceiling.share)),
    ]
}

/// A share that is not zero never reads as zero.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.01 => "under 0.01 %".to_owned(),
        percent if percent < 1.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// What, when and where in one line.
pub fn when_and_where(head: &Head) -> Text {
    let scenario = head.scenario.within("Scenario ", "");
    let when =
        head.started.map_or("at an unknown time".to_owned(), |time| time.strftime("%-d %B %Y, %H:%M UTC").to_string());
    let took = head.took_ms.map(|took| format!("took {}", minutes(took)));
    let by = head.timetrial.as_ref().map(|version| version.within("timetrial ", ""));
    let parts = [Some(scenario), Some(Text::from(when)), took.map(Text::from), by];
    let places = Text::joined(&head.places, "; ");
    Text::joined(parts.iter().flatten().chain([&places]), " · ")
}

/// `1 suspect, 7 unjudged`: what there is none of is left out, but never what is missing.
pub fn summary(summary: Summary) -> String {
    let counts = [
        (summary.valid, "✓ valid"),
        (summary.suspect, "▲ suspect"),
        (summary.invalid, "✕ invalid"),
        (summary.unjudged, "○ unjudged"),
        (summary.not_measured, "– not measured"),
        (summary.not_begun, "– not begun"),
    ];
    let words: Vec<String> =
        counts.into_iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if words.is_empty() { "no trial".to_owned() } else { words.join(" · ") }
}

fn process(pid: u32, start_ticks: Option<u64>) -> String {
    match start_ticks {
        Some(ticks) => format!("pid {pid} started at tick {ticks}"),
        None => format!("pid {pid}, gone before its start time could be read"),
    }
}

/// What was put into a cache, in one line.
pub fn provision(software: &Software) -> Text {
    let machine = software.machine.within("on ", "");
    let size = software.bytes.map(|bytes| Text::from(short_bytes(bytes)));
    let reused = match software.reused {
        Some(true) => "there already",
        Some(false) => "made in this run",
        None => "not finished in this run",
    };
    let digest = software.digest.as_ref().map(|digest| digest.within("digest ", ""));
    let reused = Text::from(reused);
    Text::joined(
        [Some(&software.what), Some(&machine), size.as_ref(), Some(&reused), digest.as_ref()].into_iter().flatten(),
        " · ",
    )
}

/// A trial's place, outcome and proof of freshness.
pub fn trial(row: &Row) -> Text {
    let fresh: Vec<String> = row.times.started.iter().map(|(pid, ticks)| process(*pid, *ticks)).collect();
    let fresh = if fresh.is_empty() {
        "no process of it was started".to_owned()
    } else {
        format!("fresh: {}", fresh.join(", "))
    };
    let planned = if row.begun { "" } else { "; the commands are those of the plan" };
    let outcome = format!("{}; {fresh}{planned}; raw outputs in ", row.outcome);
    Text::joined([&Text::from(outcome), &row.raw], "")
}

/// The cells of a trial's times, in the order of its steps.
pub fn times(times: &TrialTimes) -> [Text; 7] {
    let at = times.at_ms.map_or("–".to_owned(), clock);
    [
        Text::from(at),
        took(times.ready_ms),
        took(times.calm_ms),
        took(times.warm_up_ms),
        took(times.load_ms),
        took(times.stop_ms),
        took(times.whole_ms),
    ]
}

/// A duration that a step took, if it is known.
pub fn took(ms: Option<u64>) -> Text {
    Text::from(ms.map_or("–".to_owned(), |ms| duration_us(ms as f64 * 1e3)))
}

/// Time since the campaign's start: `2:05.3`.
pub fn clock(ms: u64) -> String {
    format!("{}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms / 100 % 10)
}

/// A long duration: `3 min 12 s`.
fn minutes(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => duration_us(ms as f64 * 1e3),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}
