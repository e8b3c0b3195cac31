//! A result for people: wrk's shape first, because everybody knows it, and then what wrk does not tell.

use std::fmt::Write as _;

use crate::loadgen::hgrm;
use crate::loadgen::tally::{Times, times};
use crate::loadgen::times_line::of_line;
use crate::loadgen::units::{bytes, metric, time};
use crate::loadgen::verdict::{busiest, is_closed};
use crate::metric::{ErrorLine, LoadResult, TimesLine, count, counted};

/// Width of the labels of wrk's part, and of ours.
const LABEL: usize = 15;
const NAME: usize = 16;

/// A result. `per_second` has the answers of each whole second, where that is known; `spectrum` asks for every percentile.
pub fn of(result: &LoadResult, per_second: &[u64], spectrum: bool) -> String {
    let all = [&result.latency, &result.service_time, &result.send_lateness];
    // A histogram that can't be read leaves its derived figures out; the figures in the line stand for themselves.
    let [latency, service, lateness] = all.map(|line| of_line(line).unwrap_or_else(|_| times()));
    let mut text = head(result);
    text.push_str(&stats(result, [&latency, &service, &lateness], per_second));
    text.push_str(&distribution(result));
    if spectrum {
        text.push_str("\n  Detailed Percentile spectrum:\n");
        text.push_str(&hgrm::of(&latency));
        text.push_str("----------------------------------------------------------\n");
    }
    text.push_str(&totals(result));
    text.push('\n');
    text.push_str(&truths(result));
    text.push_str(&verdict(result));
    text
}

/// A histogram that is no load's: its figures and, if asked for, every percentile.
pub fn of_times(line: &TimesLine, spectrum: bool) -> String {
    let all = of_line(line).unwrap_or_else(|_| times());
    let mut text = heading();
    text.push_str(&stats_row("Value", line, &all));
    text.push_str("  Distribution (HdrHistogram)\n");
    for (label, us) in ranks(line) {
        let _ = writeln!(text, "{label:>8} {}", cell(us, 12));
    }
    if spectrum {
        text.push_str("\n  Detailed Percentile spectrum:\n");
        text.push_str(&hgrm::of(&all));
    }
    let _ = writeln!(text, "  {}", counted(line.samples_count, "sample"));
    text
}

fn head(result: &LoadResult) -> String {
    let asked = result.duration_asked_us as f64 / 1e6;
    let mut text = format!("Running {}s test @ {}\n", short(asked), result.url);
    let (threads, asked) = (result.threads_count, result.connections.asked_count);
    let streams = result
        .streams_asked_count
        .map(|streams| format!(", {} at once on each", counted(u64::from(streams), "request")));
    let clients = if result.clients_count > 1 { format!("{} clients, ", result.clients_count) } else { String::new() };
    let loop_ = match result.rate_asked_per_s {
        None => "closed loop".to_owned(),
        Some(rate) => match &result.rates_asked {
            None => format!("open loop: {rate:.2} requests/sec"),
            Some(rates) => format!("open loop: {rates} requests/sec, {rate:.2} on average"),
        },
    };
    let streams = streams.unwrap_or_default();
    let _ = writeln!(text, "  {clients}{threads} threads and {asked} connections{streams}, {loop_}");
    text
}

/// `30`, `0.5`: no zeros that say nothing.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn heading() -> String {
    format!("  {:LABEL$}{:>10} {:>10} {:>10} {:>10}\n", "Stats", "Avg", "Stdev", "Max", "+/- Stdev")
}

fn stats(result: &LoadResult, all: [&Times; 3], per_second: &[u64]) -> String {
    let [latency, service, lateness] = all;
    let mut text = heading();
    text.push_str(&stats_row("Latency", &result.latency, latency));
    if !is_closed(result) {
        text.push_str(&stats_row("Service time", &result.service_time, service));
        text.push_str(&stats_row("Send lateness", &result.send_lateness, lateness));
    }
    text.push_str(&rates_row(per_second));
    text
}

fn stats_row(name: &str, line: &TimesLine, all: &Times) -> String {
    let within = line.mean_us.zip(line.stdev_us).map_or("-".to_owned(), |(mean, stdev)| within(all, mean, stdev));
    let [mean, stdev, max] = [line.mean_us, line.stdev_us, line.max_us].map(|us| cell(us, 10));
    format!("    {name:<13}{mean} {stdev} {max} {within:>10}\n")
}

/// A time, or nothing where there is none.
fn cell(us: Option<f64>, width: usize) -> String {
    format!("{:>width$}", us.map_or("-".to_owned(), time))
}

/// The part of the samples that is no further from the mean than the standard deviation.
fn within(all: &Times, mean_us: f64, stdev_us: f64) -> String {
    if all.is_empty() {
        return "-".to_owned();
    }
    let [low, high] = [mean_us - stdev_us, mean_us + stdev_us].map(|us| (us.max(0.0) * 1e3) as u64);
    // By the value that stands for a bucket, as the mean was made.
    let inside = all.iter_recorded().filter(|step| {
        let middle = all.median_equivalent(step.value_iterated_to());
        (low..=high).contains(&middle)
    });
    let inside: u64 = inside.map(|step| step.count_at_value()).sum();
    percent(inside as f64 / all.len() as f64)
}

fn percent(part: f64) -> String {
    format!("{:.2}%", part * 100.0)
}

/// Answers of whole seconds. Of a single one there is no deviation.
fn rates_row(per_second: &[u64]) -> String {
    if per_second.len() < 2 {
        return String::new();
    }
    let rates: Vec<f64> = per_second.iter().map(|answers| *answers as f64).collect();
    let number = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / number;
    let squares: f64 = rates.iter().map(|rate| (rate - mean) * (rate - mean)).sum();
    let stdev = (squares / (number - 1.0)).sqrt();
    let max = rates.iter().copied().fold(0.0, f64::max);
    let inside = rates.iter().filter(|rate| (*rate - mean).abs() <= stdev).count() as f64;
    let [mean, stdev, max] = [mean, stdev, max].map(metric);
    format!("    {:<13}{mean:>10} {stdev:>10} {max:>10} {:>10}\n", "Req/Sec", percent(inside / number))
}

fn ranks(line: &TimesLine) -> [(&'static str, Option<f64>); 8] {
    [
        ("50%", line.p50_us),
        ("75%", line.p75_us),
        ("90%", line.p90_us),
        ("95%", line.p95_us),
        ("99%", line.p99_us),
        ("99.9%", line.p99_9_us),
        ("99.99%", line.p99_99_us),
        ("100%", line.max_us),
    ]
}

fn distribution(result: &LoadResult) -> String {
    let latency = ranks(&result.latency);
    if is_closed(result) {
        let mut text = "  Latency Distribution (HdrHistogram, from when a request was sent)\n".to_owned();
        for (label, us) in latency.iter().filter(|(_, us)| us.is_some()) {
            let _ = writeln!(text, "{label:>8} {}", cell(*us, 10));
        }
        return text;
    }
    let mut text = "  Latency Distribution (HdrHistogram, from when a request was due)\n".to_owned();
    let _ = writeln!(text, "{:8} {:>10} {:>14} {:>14}", "", "Latency", "Service time", "Send lateness");
    let others = ranks(&result.service_time).into_iter().zip(ranks(&result.send_lateness));
    for ((label, us), ((_, service), (_, lateness))) in latency.into_iter().zip(others) {
        if us.or(service).or(lateness).is_some() {
            let _ = writeln!(text, "{label:>8} {} {} {}", cell(us, 10), cell(service, 14), cell(lateness, 14));
        }
    }
    text
}

/// wrk's last lines. Its parsers find their numbers here.
fn totals(result: &LoadResult) -> String {
    let seconds = result.duration_us as f64 / 1e6;
    let (answers, read) = (result.requests.answered_count, bytes(result.received_bytes as f64));
    let mut text = format!("  {answers} requests in {}, {read} read\n", time(result.duration_us as f64));
    let of = |phases: &[&str]| -> u64 {
        let lines = result.errors.iter().filter(|line| phases.contains(&line.phase.as_str()));
        lines.map(|line| line.errors_count).sum()
    };
    let [connect, read] = [of(&["connect", "tls"]), of(&["receive", "closed", "parse"])];
    let [write, timeout] = [of(&["send"]), of(&["timeout"])];
    if connect + read + write + timeout > 0 {
        let _ = writeln!(text, "  Socket errors: connect {connect}, read {read}, write {write}, timeout {timeout}");
    }
    let refused = result.statuses.iter().filter(|line| !(200..400).contains(&line.status));
    let refused: u64 = refused.map(|line| line.answers_count).sum();
    if refused > 0 {
        let _ = writeln!(text, "  Non-2xx or 3xx responses: {refused}");
    }
    let transfer = if seconds > 0.0 { result.received_bytes as f64 / seconds } else { 0.0 };
    let _ = writeln!(text, "Requests/sec: {:>10.2}", result.answers_per_s);
    let _ = writeln!(text, "Transfer/sec: {:>10}", bytes(transfer));
    text
}

/// A line with its name, or the next one of the same.
fn row(text: &mut String, name: &str, words: &str) {
    let _ = writeln!(text, "  {name:<NAME$}{words}");
}

fn truths(result: &LoadResult) -> String {
    let mut text = String::new();
    requests(&mut text, result);
    let all = &result.connections;
    let words = format!(
        "{} asked, {} at most at once, {} opened, {} alive at the end",
        count(all.asked_count),
        count(all.most_open_count),
        count(all.opened_count),
        count(all.alive_count)
    );
    row(&mut text, "Connections", &words);
    let [replaced, closed] = [all.replaced_count, all.closed_by_server_count].map(count);
    row(&mut text, "", &format!("{replaced} replaced, {closed} closed by the server"));
    let statuses = result.statuses.iter().map(|line| format!("{}: {}", line.status, count(line.answers_count)));
    let statuses: Vec<String> = statuses.collect();
    row(&mut text, "Statuses", &if statuses.is_empty() { "no answer".to_owned() } else { statuses.join(", ") });
    errors(&mut text, &result.errors);
    lateness(&mut text, result);
    cost(&mut text, result);
    text
}

fn requests(text: &mut String, result: &LoadResult) {
    let all = &result.requests;
    let due = all.due_count.map_or(String::new(), |due| format!("{} due, ", count(due)));
    let late = all.answered_count.saturating_sub(all.answered_in_time_count);
    let late = if late > 0 { format!(" ({} of them after the end)", count(late)) } else { String::new() };
    let words = format!("{due}{} sent, {} answered{late}", count(all.sent_count), count(all.answered_count));
    row(text, "Requests", &words);
    let never =
        if all.due_count.is_some() { format!(", {} never sent", count(all.never_sent_count)) } else { String::new() };
    let [good, unfinished] = [all.succeeded_count, all.unfinished_count].map(count);
    row(text, "", &format!("{good} answered as expected, {unfinished} unfinished{never}"));
    row(text, "", &format!("{:.2} answered as expected each second", result.successes_per_s));
    let bounds = result.latency.lower_bounds_count;
    if bounds > 0 {
        let words = "latencies are lower bounds: given up, unfinished or never sent";
        row(text, "", &format!("{} of {} {words}", count(bounds), count(result.latency.samples_count)));
    }
}

fn errors(text: &mut String, lines: &[ErrorLine]) {
    if lines.is_empty() {
        row(text, "Errors", "none");
        return;
    }
    let reasons = lines.iter().map(|line| line.reason.chars().count());
    let width = reasons.max().unwrap_or(0).max("reason".len());
    let head = format!("{:<10}{:<width$} {:>10} {:>10} {:>10}", "phase", "reason", "count", "50%", "100%");
    row(text, "Errors", &head);
    for line in lines {
        let [median, max] = [line.latency.p50_us, line.latency.max_us].map(|us| cell(us, 10));
        let number = count(line.errors_count);
        row(text, "", &format!("{:<10}{:<width$} {number:>10} {median} {max}", line.phase, line.reason));
    }
}

fn lateness(text: &mut String, result: &LoadResult) {
    let few = |line: &TimesLine| {
        let [p50, p99, max] = [line.p50_us, line.p99_us, line.max_us].map(|us| us.map_or("-".to_owned(), time));
        format!("50% {p50}, 99% {p99}, 100% {max}")
    };
    // A closed loop is only held up by it; its figures are those of a slower client.
    let bound =
        if is_closed(result) { String::new() } else { format!("; valid to 99% {}", time(result.lateness_bound_us)) };
    row(text, "Send lateness", &format!("{}{bound}", few(&result.send_lateness)));
    row(text, "Connect time", &few(&result.connect_time));
}

fn cost(text: &mut String, result: &LoadResult) {
    let all = &result.surroundings;
    let [user, system] = [all.own_cpu_user_us, all.own_cpu_system_us].map(|us| time(us as f64));
    let own = (all.own_cpu_user_us + all.own_cpu_system_us) as f64;
    let per_answer = match result.requests.answered_count {
        0 => String::new(),
        answers => format!(", {} an answer", time(own / answers as f64)),
    };
    let busy =
        busiest(result).map_or(String::new(), |part| format!("; busiest thread {} of a processor", percent(part)));
    row(text, "Own CPU", &format!("user {user}, system {system}{per_answer}{busy}"));
    let unknown = || "unknown".to_owned();
    let steal = all.steal_us.map_or_else(unknown, |us| time(us as f64));
    let [again, connects] = [all.retransmits_count, all.syn_retransmits_count].map(|n| n.map_or_else(unknown, count));
    row(text, "Disturbances", &format!("steal {steal}; TCP segments sent again {again}, for connecting {connects}"));
    let memory = all.peak_memory_bytes.map_or_else(unknown, |n| bytes(n as f64));
    let protocol = result.protocol.as_deref().unwrap_or("nothing answered,");
    let kind = if is_closed(result) { String::new() } else { format!(", {} waits", result.pace) };
    let because = result.scheduler_because.as_ref().map_or(String::new(), |why| format!(" ({why})"));
    row(text, "Engine", &format!("{protocol} by {}{kind}, receive times of {}", result.engine, source(result)));
    row(text, "", &format!("{}{because}; memory {memory}", result.scheduler));
}

fn source(result: &LoadResult) -> &str {
    match result.receive_times.as_str() {
        "kernel" => "the kernel",
        "user" => "our own clock",
        other => other,
    }
}

/// What can be said for and against it, last.
fn verdict(result: &LoadResult) -> String {
    let mut text = String::new();
    // A closed loop on a full processor measures the generator; that is a fact to know, and no fault of the figures.
    if let Some(part) = busiest(result).filter(|part| is_closed(result) && *part > 0.95) {
        let words = "a faster server would show no more (more threads may)";
        let _ = writeln!(text, "  {:<NAME$}our busiest thread used {}: {words}", "Note", percent(part));
    }
    if result.is_valid {
        text.push_str("VALID\n");
    }
    for reason in &result.invalid_because {
        let _ = writeln!(text, "INVALID: {reason}");
    }
    text
}
