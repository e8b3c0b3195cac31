//! `truth`: a server whose behaviour is known, for holding load generators against it. Its first line says where it
//! listens, its last one what it did.

use std::fs::{self, File};
use std::io::BufWriter;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use clap::Args;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::main::print;
use crate::truth::{Arrivals, Counts, Form, Freeze, Mischief, Place, Server, Settings};

/// What the server does.
#[derive(Debug, Args)]
pub struct TruthArguments {
    /// Where it listens: an address and a port (0 for a free one), or unix:PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = place)]
    listen: Place,
    /// It stays on this processor
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// Answers leave that long after the last byte of their request came, exact to microseconds
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3_600_000_000))]
    delay_us: u64,
    /// Never sleep: look for requests without a break
    #[arg(long)]
    busy: bool,
    /// Do nothing at all for that long, in the middle of each period from the first request on
    #[arg(long, value_name = "N", requires = "freeze_every_ms", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    freeze_ms: Option<u64>,
    /// Such a period
    #[arg(long, value_name = "N", requires = "freeze_ms", value_parser = clap::value_parser!(u64).range(2..=3_600_000))]
    freeze_every_ms: Option<u64>,
    /// What it does to each so many-th request
    #[command(flatten)]
    mischief: MischiefArguments,
    /// What its right answers look like
    #[command(flatten)]
    form: FormArguments,
    /// Write when each request came into this file at the end: eight bytes each, little-endian, nanoseconds of CLOCK_MONOTONIC
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// It ends by itself after that long
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

#[derive(Debug, Args)]
struct MischiefArguments {
    /// Reset the connection on each so many-th request
    #[arg(long, value_name = "N")]
    reset_every: Option<NonZeroU64>,
    /// Close the connection without an answer
    #[arg(long, value_name = "N")]
    fin_every: Option<NonZeroU64>,
    /// Never answer, and keep the connection
    #[arg(long, value_name = "N")]
    hang_every: Option<NonZeroU64>,
    /// Answer what is no HTTP
    #[arg(long, value_name = "N")]
    garbage_every: Option<NonZeroU64>,
    /// Answer another document
    #[arg(long, value_name = "N")]
    wrong_every: Option<NonZeroU64>,
    /// Answer 500
    #[arg(long, value_name = "N")]
    error_every: Option<NonZeroU64>,
    /// Answer well, and close the connection
    #[arg(long, value_name = "N")]
    close_every: Option<NonZeroU64>,
}

#[derive(Debug, Args)]
struct FormArguments {
    /// Bodies come in chunks
    #[arg(long)]
    chunked: bool,
    /// So many bytes of body
    #[arg(long, value_name = "N", conflicts_with = "endless_body")]
    body_bytes: Option<u64>,
    /// Bodies never end
    #[arg(long)]
    endless_body: bool,
    /// Heads never end
    #[arg(long, conflicts_with_all = ["endless_body", "body_bytes", "chunked"])]
    endless_headers: bool,
    /// One byte at a time, each so many milliseconds after the other
    #[arg(long, value_name = "MS", num_args = 0..=1, default_missing_value = "10")]
    drip: Option<u64>,
}

/// `truth`
pub fn truth(arguments: &TruthArguments) -> Result<u8, Problem> {
    // What can't be written in the end is told now.
    let record = arguments.record.as_ref().map(|path| {
        File::create(path)
            .map_err(|error| Problem::new(exit::WRONG_INPUT, error).hint(format!("--record {}", path.display())))
    });
    let record = record.transpose()?;
    let settings = settings(arguments)?;
    let server = Server::bind(settings, ends()?).map_err(|error| {
        let error = anyhow::Error::new(error).context("can't listen");
        Problem::new(exit::FAILED, error).hint("--listen 127.0.0.1:0 takes a free port")
    })?;
    print(&(serde_json::json!({"type": "listens", "address": server.address()}).to_string() + "\n"))?;
    let outcome = server.serve()?;
    if let Some(file) = record {
        outcome.arrivals.write(&mut BufWriter::new(file))?;
    }
    print(&line(&outcome.counts, &outcome.arrivals))?;
    Ok(exit::FINE)
}

fn settings(arguments: &TruthArguments) -> Result<Settings, Problem> {
    let TruthArguments { mischief, form, .. } = arguments;
    let freeze = arguments.freeze_ms.zip(arguments.freeze_every_ms);
    let freeze = freeze.map(|(length, every)| Freeze { length_ns: length * 1_000_000, every_ns: every * 1_000_000 });
    if freeze.is_some_and(|freeze| freeze.length_ns >= freeze.every_ns) {
        return Err(Problem::new(exit::WRONG_INPUT, anyhow::anyhow!("a freeze is as long as its period, or longer")));
    }
    let every = |number: Option<NonZeroU64>| number.map(NonZeroU64::get);
    Ok(Settings {
        place: arguments.listen.clone(),
        cpu: arguments.cpu,
        delay_ns: arguments.delay_us * 1_000,
        is_busy: arguments.busy,
        freeze,
        mischief: Mischief {
            reset_every: every(mischief.reset_every),
            fin_every: every(mischief.fin_every),
            hang_every: every(mischief.hang_every),
            garbage_every: every(mischief.garbage_every),
            wrong_every: every(mischief.wrong_every),
            error_every: every(mischief.error_every),
            close_every: every(mischief.close_every),
        },
        form: Form {
            is_chunked: form.chunked,
            body_bytes: form.body_bytes,
            has_endless_body: form.endless_body,
            has_endless_headers: form.endless_headers,
            drip_ns: form.drip.map(|ms| ms.saturating_mul(1_000_000)),
        },
        keeps_arrivals: arguments.record.is_some(),
        lasts_ns: arguments.seconds * 1_000_000_000,
    })
}

fn place(text: &str) -> Result<Place, String> {
    match text.strip_prefix("unix:") {
        Some(path) => Ok(Place::Unix(PathBuf::from(path))),
        None => text.parse::<SocketAddr>().map(Place::Tcp).map_err(|error| error.to_string()),
    }
}

/// What ends it: a signal, and standard input, if that is a pipe whose other end somebody holds.
fn ends() -> Result<Vec<OwnedFd>, Problem> {
    let failed = |errno: nix::Error| Problem::new(exit::FAILED, errno);
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().map_err(failed)?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(failed)?;
    let mut ends = vec![signals.as_fd().try_clone_to_owned()?];
    let is_held = |kind: fs::FileType| kind.is_fifo() || kind.is_socket();
    if fs::metadata("/proc/self/fd/0").is_ok_and(|stdin| is_held(stdin.file_type())) {
        ends.push(std::io::stdin().as_fd().try_clone_to_owned()?);
    }
    Ok(ends)
}

fn line(counts: &Counts, arrivals: &Arrivals) -> String {
    let mut line = serde_json::Map::new();
    line.insert("type".to_owned(), "truth".into());
    line.extend(counts.named().map(|(name, count)| (name.to_owned(), count.into())));
    line.insert("arrivals_recorded".to_owned(), arrivals.len().into());
    line.insert("adds_up".to_owned(), counts.add_up().into());
    serde_json::Value::Object(line).to_string() + "\n"
}
