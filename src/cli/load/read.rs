//! From arguments to a load, as far as the arguments alone decide it. Nothing is contacted here.

use std::path::Path;
use std::time::Duration;

use crate::cli::load::arguments::{EngineWord, LoadArguments};
use crate::cli::load::machine::Machine;
use crate::cli::load::requests;
use crate::cli::load::url::{self, Url};
use crate::cli::load::words::{Bounds, Rates, duration_within, list, rates, scaled, whole};
use crate::cli::load::wrong::Found;
use crate::loadgen::goal::Goal;
use crate::loadgen::schedule::Schedule;
use crate::loadgen::settings::{Engine, Pace, Protocol, Settings, Target, Tls, Wait};
use crate::metric::{count, counted, duration_us};

/// The rate of the first probe, where none is said.
const FIRST_RATE: f64 = 1_000.0;
/// Threads, where none are said.
const THREADS: u64 = 2;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY_S: f64 = 86_400.0;

/// A load that is decided but for its addresses, which are looked up when nothing is wrong.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The load, without addresses.
    pub settings: Settings,
    /// Where it goes.
    pub url: Url,
    /// A search instead of a single load.
    pub search: Option<Search>,
}

/// A search for the highest rate.
#[derive(Debug, Clone)]
pub struct Search {
    /// What has to hold.
    pub goal: Goal,
    /// The rate of the first probe.
    pub first_rate: f64,
    /// The pause between two probes.
    pub settle: Duration,
}

/// Reads all arguments. Whatever is wrong is in `found`, and then there is no load.
pub fn read(arguments: &LoadArguments, machine: &Machine, found: &mut Found) -> Option<Wanted> {
    if arguments.script.is_some() {
        let hint = "what scripts did has flags: -X, -H, --body, and --requests for several; what they computed is in the result";
        found.wrong("-s/--script: wrk's Lua scripts are not supported", hint);
    }
    // Without a URL to believe, all else is still looked at.
    let url = arguments.url.as_deref().map(url::parse);
    let url = url.and_then(|url| found.take(url)).unwrap_or_else(Url::stand_in);
    let size = size(arguments, found);
    let time = time(arguments, found);
    let rates = arguments.rate.as_deref().and_then(|text| found.take(rates(text)));
    let search = search(arguments, rates.as_ref(), found);
    let connections = connections(arguments, found);
    let requests = requests::read(arguments, &url, found);
    let tls = tls(arguments, &url, found);
    let measured = measured(arguments, machine, found);
    let start_at_us = start_at(arguments, machine, found);
    let (size, time) = (size?, time?);
    let pace = match rates {
        Some(rates) => pace(&rates, time.duration, found)?,
        None => Pace::Closed,
    };
    let is_open = pace != Pace::Closed || search.is_some();
    if arguments.economy && !is_open {
        let hint = "say a rate with -R, or leave --economy out";
        found.wrong("--economy says how due requests are woken up for, and in a closed loop none is ever due", hint);
    }
    let (connections, requests, measured) = (connections?, requests?, measured?);
    if let Some(fragment) = &url.fragment {
        found.warn(format!("the fragment #{fragment} is not sent: no browser would, either"));
    }
    if !found.is_fine() {
        return None;
    }
    let target = Target { url: url.text.clone(), authority: url.authority.clone(), addresses: Vec::new(), tls };
    let settings = Settings {
        target,
        requests,
        threads: size.threads,
        connections: size.connections,
        duration: time.duration,
        pace,
        timeout: time.timeout,
        requests_per_connection: connections.requests_per_connection,
        protocol: connections.protocol,
        engine: measured.engine,
        wait: if arguments.economy { Wait::Economy } else { Wait::Precise },
        real_time: !arguments.no_real_time,
        cpus: measured.cpus,
        start_at_us,
        lateness_bound: measured.lateness_bound,
    };
    carried(&settings, found);
    Some(Wanted { settings, url, search })
}

struct Size {
    threads: u32,
    connections: u32,
}

fn size(arguments: &LoadArguments, found: &mut Found) -> Option<Size> {
    let hint = "each connection has one request under way; write a number, 1k is 1000";
    let bounds = Bounds { name: "-c/--connections", least: 1, most: 1_000_000, hint };
    let connections = found.take(whole(&bounds, &arguments.connections));
    let hint = "one thread carries some 100,000 requests a second; write a number from 1 to 1024";
    let bounds = Bounds { name: "-t/--threads", least: 1, most: 1_024, hint };
    let threads = match &arguments.threads {
        Some(text) => found.take(whole(&bounds, text))?,
        None => THREADS.min(connections?),
    };
    let connections = connections?;
    if threads > connections {
        let message = format!(
            "{} for {}: a thread without a connection does nothing",
            counted(threads, "thread"),
            counted(connections, "connection")
        );
        found.wrong(message, format!("-t {connections} at most, or -c {threads} at least"));
        return None;
    }
    Some(Size { threads: u32::try_from(threads).ok()?, connections: u32::try_from(connections).ok()? })
}

struct Time {
    duration: Duration,
    timeout: Duration,
}

fn time(arguments: &LoadArguments, found: &mut Found) -> Option<Time> {
    let month = Duration::from_secs(30 * 86_400);
    let duration = duration_within("-d/--duration", &arguments.duration, Duration::from_millis(10), month);
    let timeout = duration_within("--timeout", &arguments.timeout, Duration::from_millis(1), HOUR);
    let (duration, timeout) = (found.take(duration), found.take(timeout));
    Some(Time { duration: duration?, timeout: timeout? })
}

/// A schedule in which at least one request is due.
fn pace(rates: &Rates, duration: Duration, found: &mut Found) -> Option<Pace> {
    let schedule = match rates {
        Rates::Constant(rate) => Schedule::constant(*rate, duration),
        Rates::Ramp(first, last) => Schedule::ramp(*first, *last, duration),
        Rates::Steps(rates) => Schedule::steps(rates, duration),
    };
    if schedule.total() == 0 {
        let long = duration_us(duration.as_secs_f64() * 1e6);
        let message = format!("-R/--rate: {} requests/s are not one request in {long}", schedule.mean_rate());
        found.wrong(message, "a higher rate, or a longer duration");
        return None;
    }
    Some(Pace::Open(schedule))
}

fn search(arguments: &LoadArguments, rates: Option<&Rates>, found: &mut Found) -> Option<Search> {
    let text = arguments.find_max.as_ref()?;
    let settle = duration_within("--settle", &arguments.settle, Duration::ZERO, HOUR);
    let settle = found.take(settle);
    let goal = Goal::parse(text).map_err(|message| {
        let hint = "write p50, p90, p99, p99.9 or max, `<` and a time, and perhaps errors<0.1%: 'p99<50ms,errors<0.1%'";
        (format!("--find-max: {message}"), hint.to_owned())
    });
    let goal = found.take(goal);
    let first_rate = match rates {
        None => FIRST_RATE,
        Some(Rates::Constant(rate)) => *rate,
        Some(_) => {
            found.wrong("--find-max: a search begins at one rate", "write -R 1000, or leave it out");
            return None;
        }
    };
    let alone = [
        ("--csv", arguments.csv.is_some()),
        ("--hgrm", arguments.hgrm.is_some()),
        ("--start-at", arguments.start_at.is_some()),
    ];
    for (name, _) in alone.iter().filter(|(_, is_said)| *is_said) {
        found.wrong(
            format!("{name} is for one load, and --find-max makes many"),
            "search first, then load at the rate that was found",
        );
    }
    Some(Search { goal: goal?, first_rate, settle: settle? })
}

struct Connections {
    requests_per_connection: Option<u64>,
    protocol: Protocol,
}

fn connections(arguments: &LoadArguments, found: &mut Found) -> Option<Connections> {
    let hint = "write yes, no, or how many requests a connection carries";
    let bounds = Bounds { name: "--keep-alive", least: 1, most: u64::MAX, hint };
    let requests_per_connection = match keep_alive(arguments) {
        "yes" => Some(None),
        "no" => Some(Some(1)),
        text => found.take(whole(&bounds, text)).map(Some),
    };
    let hint = "write how many requests are under way at once on each connection";
    let bounds = Bounds { name: "--streams", least: 1, most: 100_000, hint };
    let streams = match &arguments.streams {
        None => Some(1),
        Some(_) if !arguments.http2 => {
            found.wrong("--streams: HTTP/1.1 has one request under way on a connection", "add --http2, or more -c");
            None
        }
        Some(text) => found.take(whole(&bounds, text)),
    };
    let streams = streams.and_then(|streams| u32::try_from(streams).ok())?;
    if arguments.http2 && keep_alive(arguments) != "yes" {
        let hint = "leave --keep-alive out: a connection carries all its streams as long as the server lets it";
        found.wrong("--keep-alive: HTTP/2 keeps its connections", hint);
        return None;
    }
    let protocol = if arguments.http2 { Protocol::Http2 { streams } } else { Protocol::Http1 };
    Some(Connections { requests_per_connection: requests_per_connection?, protocol })
}

/// What was said of keeping connections, in one word.
pub fn keep_alive(arguments: &LoadArguments) -> &str {
    if arguments.no_keep_alive { "no" } else { &arguments.keep_alive }
}

fn tls(arguments: &LoadArguments, url: &Url, found: &mut Found) -> Option<Tls> {
    if !url.is_https {
        for (name, is_said) in [("--cacert", arguments.cacert.is_some()), ("--insecure", arguments.insecure)] {
            if is_said {
                found.wrong(format!("{name} is about certificates, and http has none"), "write https, or leave it out");
            }
        }
        return None;
    }
    if let Some(path) = &arguments.cacert {
        certificates(path, found);
    }
    let authorities = arguments.cacert.clone();
    Some(Tls { server_name: url.host.clone(), authorities, insecure: arguments.insecure })
}

fn certificates(path: &Path, found: &mut Found) {
    match std::fs::read_to_string(path) {
        Err(error) => {
            found.wrong(format!("--cacert: {} can't be read: {error}", path.display()), "name a PEM file");
        }
        Ok(text) if !text.contains("-----BEGIN CERTIFICATE-----") => {
            let message = format!("--cacert: {} has no certificate in PEM", path.display());
            found.wrong(
                message,
                "it must hold `-----BEGIN CERTIFICATE-----`; openssl x509 makes PEM out of other forms",
            );
        }
        Ok(_) => {}
    }
}

struct Measured {
    engine: Engine,
    cpus: Vec<usize>,
    lateness_bound: Duration,
}

fn measured(arguments: &LoadArguments, machine: &Machine, found: &mut Found) -> Option<Measured> {
    let engine = match arguments.engine {
        EngineWord::Auto => Engine::Auto,
        EngineWord::Epoll => Engine::Epoll,
        EngineWord::IoUring => Engine::IoUring,
    };
    let bound = duration_within("--lateness-bound", &arguments.lateness_bound, Duration::from_micros(1), HOUR);
    let lateness_bound = found.take(bound);
    let cpus = arguments.cpus.as_deref().map(|text| list("--cpus", text, 65_535));
    let cpus = cpus.map_or(Some(Vec::new()), |cpus| found.take(cpus));
    let cpus: Vec<usize> = cpus?.into_iter().map(|cpu| cpu as usize).collect();
    let absent: Vec<String> =
        cpus.iter().filter(|cpu| !machine.cpus.contains(cpu)).map(|cpu| format!("{cpu}")).collect();
    if !absent.is_empty() {
        let there = machine.cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        found.wrong(
            format!("--cpus: we may not run on {}", absent.join(",")),
            format!("this machine lets us run on {there}"),
        );
    }
    Some(Measured { engine, cpus, lateness_bound: lateness_bound? })
}

fn start_at(arguments: &LoadArguments, machine: &Machine, found: &mut Found) -> Option<u64> {
    let text = arguments.start_at.as_deref()?;
    let now_s = machine.now_unix_us as f64 / 1e6;
    let hint = format!("write seconds of Unix time in the future, such as {:.0}", now_s + 10.0);
    match scaled(text) {
        None => found.wrong(format!("--start-at: `{text}` is no time"), hint),
        Some(at) if at <= now_s => {
            let late = duration_us((now_s - at) * 1e6);
            found.wrong(format!("--start-at: {text} was {late} ago"), hint);
        }
        Some(at) if at > now_s + DAY_S => {
            found.wrong(format!("--start-at: {text} is more than a day ahead"), hint);
        }
        Some(at) => return Some((at * 1e6) as u64),
    }
    None
}

/// The least time that each answer may need, below which a rate is told to be more than its connections may carry.
const LEAST_ANSWER_US: f64 = 1_000.0;

/// By Little's law, so many connections carry a rate only while answers are quick enough.
fn carried(settings: &Settings, found: &mut Found) {
    let Pace::Open(schedule) = &settings.pace else { return };
    let streams = match settings.protocol {
        Protocol::Http1 => 1,
        Protocol::Http2 { streams } => streams,
    };
    let places = f64::from(settings.connections) * f64::from(streams);
    let largest = schedule.largest_rate();
    let answer_us = places / largest * 1e6;
    if answer_us >= LEAST_ANSWER_US {
        return;
    }
    let [rate, all] = [largest, largest * settings.timeout.as_secs_f64()].map(crate::metric::rate);
    let (at_once, number) = (counted(places as u64, "request"), count(places as u64));
    found.warn(format!(
        "{at_once} at once carry {rate}/s only while an answer takes less than {} on average ({number} / {rate}/s); \
         others wait for a connection, and that wait is latency. Answers as slow as the time limit of {} would take {all} \
         at once",
        duration_us(answer_us),
        duration_us(settings.timeout.as_secs_f64() * 1e6)
    ));
}
