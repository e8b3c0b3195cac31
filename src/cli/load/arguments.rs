//! The arguments of `load`. Numbers and durations are read by us, so that everything that is wrong is told at once.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What to load, and how.
#[derive(Debug, Clone, Args)]
pub struct LoadArguments {
    /// What to request: http://HOST:PORT/PATH, or https
    ///
    /// A name is looked up once, before the load; its first address that accepts a connection is used. An IPv6 address stands
    /// in brackets.
    #[arg(required_unless_present = "script")]
    pub url: Option<String>,
    /// Threads; 2, or 1 for a single connection, if not said
    ///
    /// Each has its own connections and its own part of the schedule. More than there are processors make nothing better.
    #[arg(short, long, value_name = "N", help_heading = "What is sent when")]
    pub threads: Option<String>,
    /// Connections over all threads
    #[arg(
        short,
        long,
        value_name = "N",
        default_value = "64",
        allow_negative_numbers = true,
        help_heading = "What is sent when"
    )]
    pub connections: String,
    /// How long requests are sent: 30, 30s, 500ms, 5m, 1h
    #[arg(short, long, value_name = "TIME", default_value = "30s", help_heading = "What is sent when")]
    pub duration: String,
    /// Requests a second over all connections: an open loop
    ///
    /// 4000 is a constant rate, 1000..5000 grows evenly over the duration, and 1000,2000,4000 are steps of equal length. 4k is
    /// 4000. Requests are due by a schedule whatever the server does, and latency counts from when they were due. Without
    /// this the loop is closed: each connection sends its next request when the last was answered.
    #[arg(short = 'R', long, value_name = "RATE", allow_negative_numbers = true, help_heading = "What is sent when")]
    pub rate: Option<String>,
    /// From when on a request without its whole answer is given up
    ///
    /// It is counted as a timeout, and its connection is closed and replaced.
    #[arg(long, value_name = "TIME", default_value = "2s", help_heading = "What is sent when")]
    pub timeout: String,
    /// When to begin, in seconds of Unix time: several clients begin together
    #[arg(long, value_name = "UNIX_SECONDS", help_heading = "What is sent when")]
    pub start_at: Option<String>,
    /// Search for the highest rate that holds a goal: 'p99<50ms', 'p99.9<1s,errors<0.1%'
    ///
    /// Each probe is a load of its own, as long as --duration says. The first one has the rate of -R, or 1000; rates are
    /// doubled until one fails, and halved in between until they are within 2 %. A probe also fails that is invalid or does
    /// not keep its rate.
    #[arg(long, value_name = "GOAL", help_heading = "What is sent when")]
    pub find_max: Option<String>,
    /// The pause between two probes of --find-max, for the server to come to rest
    #[arg(long, value_name = "TIME", default_value = "1s", help_heading = "What is sent when")]
    pub settle: String,
    /// The method; GET, or POST where there is a body, if not said
    #[arg(short = 'X', long, value_name = "METHOD", help_heading = "What is requested")]
    pub method: Option<String>,
    /// A header, 'Name: value'; may be said several times
    ///
    /// `Host` is made from the URL unless it is said here. No other header is sent but what a body needs.
    #[arg(short = 'H', long, value_name = "HEADER", help_heading = "What is requested")]
    pub header: Vec<String>,
    /// A body
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file", help_heading = "What is requested")]
    pub body: Option<String>,
    /// A file whose bytes are the body
    #[arg(long, value_name = "FILE", help_heading = "What is requested")]
    pub body_file: Option<PathBuf>,
    /// A file of requests in TOML, each with its weight
    ///
    /// Each `[[request]]` has a `path`, and what else it needs: weight, method, headers, body or body_file, expect_status,
    /// expect_bytes, expect_sha256. The URL then says only where they go; -H and what is expected hold for all of them.
    ///
    /// In paths, headers and bodies, of the file and of these arguments, ${number} is the number of the request,
    /// ${random:1..1000} a number from 1 to 1000 that is the same in each run, ${line:FILE} the lines of a file in turn, and
    /// $${ a plain ${.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["method", "body", "body_file"],
        help_heading = "What is requested"
    )]
    pub requests: Option<PathBuf>,
    /// The status codes that are right: 200,304 or 200-299; 200-399 if not said
    #[arg(long, value_name = "CODES", help_heading = "What is a right answer")]
    pub expect_status: Option<String>,
    /// The number of bytes that a right body has
    #[arg(long, value_name = "N", help_heading = "What is a right answer")]
    pub expect_bytes: Option<String>,
    /// The SHA-256 that a right body has, in hexadecimal
    #[arg(long, value_name = "HEX", help_heading = "What is a right answer")]
    pub expect_sha256: Option<String>,
    /// Whether connections stay: yes, no, or how many requests each carries
    ///
    /// With `no`, requests say `Connection: close`.
    #[arg(long, value_name = "yes|no|N", default_value = "yes", help_heading = "Connections")]
    pub keep_alive: String,
    /// The same as --keep-alive no
    #[arg(long, conflicts_with = "keep_alive", help_heading = "Connections")]
    pub no_keep_alive: bool,
    /// Speak HTTP/2; without TLS by prior knowledge
    #[arg(long, help_heading = "Connections")]
    pub http2: bool,
    /// Requests under way at once on each connection of HTTP/2; 1 if not said
    #[arg(long, value_name = "N", help_heading = "Connections")]
    pub streams: Option<String>,
    /// Connect to this Unix socket; the URL says only what is requested
    #[arg(long, value_name = "PATH", help_heading = "Connections")]
    pub unix: Option<PathBuf>,
    /// Trust the authorities of this PEM file instead of the machine's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", help_heading = "Connections")]
    pub cacert: Option<PathBuf>,
    /// Take any certificate
    #[arg(long, help_heading = "Connections")]
    pub insecure: bool,
    /// How the kernel is spoken to
    #[arg(long, value_enum, default_value_t = EngineWord::Auto, help_heading = "How it is measured")]
    pub engine: EngineWord,
    /// In an open loop, wake up every 250 µs instead of for each request: less CPU, less precision
    #[arg(long, help_heading = "How it is measured")]
    pub economy: bool,
    /// Don't ask for the real-time scheduler class in an open loop
    #[arg(long, help_heading = "How it is measured")]
    pub no_real_time: bool,
    /// The processors to run on, one for each thread in turn: 0,1 or 0-3
    #[arg(long, value_name = "LIST", help_heading = "How it is measured")]
    pub cpus: Option<String>,
    /// The largest p99 of our own send lateness with which an open loop is valid
    #[arg(long, value_name = "TIME", default_value = "1ms", help_heading = "How it is measured")]
    pub lateness_bound: String,
    /// Print every percentile, as wrk2 does
    #[arg(short = 'L', long, help_heading = "Output")]
    pub latency: bool,
    /// Write the percentiles of latency into this file, in HdrHistogram's format
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub hgrm: Option<PathBuf>,
    /// Write a line for each second into this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub csv: Option<PathBuf>,
    /// wrk's scripts are not supported
    #[arg(short, long, value_name = "FILE", hide = true)]
    pub script: Option<PathBuf>,
}

/// How the kernel is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineWord {
    /// The best that this kernel, this container and this load allow
    Auto,
    /// epoll
    Epoll,
    /// io_uring, or an error where it can't be had
    #[value(name = "io_uring")]
    IoUring,
}

/// What to do with histograms.
#[derive(Debug, Args)]
pub struct HistArguments {
    /// What to do
    #[command(subcommand)]
    pub what: Hist,
}

/// What can be done with histograms.
#[derive(Debug, clap::Subcommand)]
pub enum Hist {
    /// Merge the results of several clients, or bare histograms, exactly
    ///
    /// A file holds the JSON lines of `timetrial load`, of which the last one counts; or HdrHistogram's V2 encodings in
    /// Base64, one a line; or its interval log (.hlog). Results must be of one load: clients that ran at the same time.
    Merge(MergeArguments),
}

/// What to merge.
#[derive(Debug, Args)]
pub struct MergeArguments {
    /// The files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print every percentile, as wrk2 does
    #[arg(long)]
    pub latency: bool,
    /// Write the percentiles into this file, in HdrHistogram's format
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
}
