//! The keys of a scenario file.

use std::time::Duration;

use crate::diagnostic::{
    EndpointPath, Identifier, Key, ListOf, OneOrMore, Shape, Span, TableOf, Text, Whole, Word, Words,
};
use crate::scenario::read;
use crate::scenario::tune::TUNE;
use crate::scenario::{Authentication, Load, Network, Postgres, Round, SslMode, Wait};

/// The keys of the whole file.
pub static SCENARIO: Shape = Shape {
    what: "a scenario",
    keys: &[&TITLE, &DAEMONS, &WORKERS, &POOL, &PORT, &DATA, &POSTGRES, &NETWORK, &TUNE, &WAIT, &ROUNDS],
};

pub(super) static TITLE: Key<Text> = Key::required("title", "One line for people: what is compared.", Text);

pub(super) static DAEMONS: Key<ListOf<Identifier>> = Key::required(
    "daemons",
    "The daemons that are compared, in the order of running: names of folders in `daemons/`.",
    ListOf { item: Identifier::PLAIN, at_least: 1 },
);

pub(super) static WORKERS: Key<Whole<u32>> =
    Key::required("workers", "Worker processes, the same number for each daemon.", Whole { min: 1, max: 1_024 });

pub(super) static POOL: Key<Whole<u32>> = Key::default(
    "pool",
    "Database connections that each worker keeps, for endpoints with a pool; the same for each daemon.",
    Whole { min: 1, max: 1_000 },
    || 10,
);

pub(super) static PORT: Key<Whole<u16>> = Key::required(
    "port",
    "The TCP port that each daemon listens on; only one daemon lives at a time. Take one from 1024 to 32767.",
    Whole { min: 1, max: u16::MAX },
);

pub(super) static DATA: Key<Identifier> = Key::optional(
    "data",
    "The data set, a folder in `scenarios/data/`: the documents that endpoints must answer, and the rows of the \
     database.",
    Identifier::PLAIN,
);

pub(super) static POSTGRES: Key<TableOf<Postgres>> = Key::optional(
    "postgres",
    "A private PostgreSQL cluster, made new for the campaign and filled from the data set.",
    TableOf { shape: &POSTGRES_SHAPE, read: read::postgres },
);

pub(super) static NETWORK: Key<TableOf<Network>> = Key::optional(
    "network",
    "A check of the network before the first trial and after the last, between all machines that load goes between: both \
     ways at once.",
    TableOf { shape: &NETWORK_SHAPE, read: read::network },
);

pub(super) static WAIT: Key<TableOf<Wait>> = Key::optional(
    "wait",
    "How long a daemon may take to start, to become calm, and to stop.",
    TableOf { shape: &WAIT_SHAPE, read: read::wait },
);

pub(super) static ROUNDS: Key<ListOf<TableOf<Round>>> = Key::required(
    "round",
    "The rounds, in order: each a `[[round]]` with one load shape, run on each endpoint of each daemon.",
    ListOf { item: TableOf { shape: &ROUND_SHAPE, read: read::round }, at_least: 1 },
);

static POSTGRES_SHAPE: Shape = Shape {
    what: "`[postgres]`",
    keys: &[&POSTGRES_ROLE, &VERSION, &POSTGRES_PORT, &AUTHENTICATION, &SSLMODE, &MAX_CONNECTIONS, &CONF, &CONF_ACCEPT],
};

const ROLES: &[Word<&str>] = &[
    Word { word: "client", value: "client" },
    Word { word: "server", value: "server" },
    Word { word: "database", value: "database" },
];

pub(super) static POSTGRES_ROLE: Key<Words<&str>> = Key::default(
    "role",
    "The role of the machine that PostgreSQL runs on.",
    Words { what: "roles", words: ROLES, refused: &[] },
    || "database",
);

pub(super) static VERSION: Key<Whole<u32>> = Key::default(
    "version",
    "PostgreSQL's major version. This version of timetrial runs Debian 12's, which is 15.",
    Whole { min: 15, max: 15 },
    || 15,
);

pub(super) static POSTGRES_PORT: Key<Whole<u16>> = Key::default(
    "port",
    "The TCP port that PostgreSQL listens on. Not the 5432 of a PostgreSQL that may run on the machine already.",
    Whole { min: 1, max: u16::MAX },
    || 15_432,
);

pub(super) static AUTHENTICATION: Key<Words<Authentication>> = Key::default(
    "authentication",
    "How daemons prove who they are. It costs CPU at each new connection, so it is the same for all.",
    Words {
        what: "words",
        words: &[
            Word { word: "scram-sha-256", value: Authentication::ScramSha256 },
            Word { word: "md5", value: Authentication::Md5 },
            Word { word: "trust", value: Authentication::Trust },
        ],
        refused: &[],
    },
    || Authentication::ScramSha256,
);

const NO_CERTIFICATE: &str = "the private cluster has no certificate, so its connections can't be encrypted";

pub(super) static SSLMODE: Key<Words<SslMode>> = Key::default(
    "sslmode",
    "Whether database connections are encrypted. The private cluster has no certificate: they are not.",
    Words {
        what: "modes",
        words: &[Word { word: "disable", value: SslMode::Disable }],
        refused: &[
            ("allow", NO_CERTIFICATE),
            ("prefer", NO_CERTIFICATE),
            ("require", NO_CERTIFICATE),
            ("verify-ca", NO_CERTIFICATE),
            ("verify-full", NO_CERTIFICATE),
        ],
    },
    || SslMode::Disable,
);

pub(super) static MAX_CONNECTIONS: Key<Whole<u32>> = Key::default(
    "max_connections",
    "How many connections PostgreSQL allows; 3 of them are kept for its superuser.",
    Whole { min: 10, max: 10_000 },
    || 100,
);

pub(super) static CONF: Key<Identifier> = Key::optional(
    "conf",
    "A profile of settings that PostgreSQL runs with: a file in `postgres-conf/`, without its `.conf`.",
    Identifier::PLAIN,
);

pub(super) static CONF_ACCEPT: Key<ListOf<Identifier>> = Key::default(
    "accept",
    "Settings of the profile that are dangerous, and meant: `accept = [\"fsync\"]`.",
    ListOf { item: Identifier::SETTING, at_least: 0 },
    Vec::new,
);

static NETWORK_SHAPE: Shape = Shape { what: "`[network]`", keys: &[&NETWORK_TOOL, &NETWORK_DURATION, &NETWORK_PORT] };

pub(super) static NETWORK_TOOL: Key<OneOrMore<Identifier>> = Key::required(
    "tool",
    "What sends: `iperf` (version 2, as in 2015), `iperf3`, or both in a list, one after the other.",
    OneOrMore(ListOf { item: Identifier::PLAIN, at_least: 1 }),
);

pub(super) static NETWORK_DURATION: Key<Span> =
    Key::default("duration", "How long each check sends, in whole seconds.", seconds(1, 3_600), || {
        Duration::from_secs(5)
    });

pub(super) static NETWORK_PORT: Key<Whole<u16>> = Key::default(
    "port",
    "The TCP port that the waiting side listens on; iperf needs the next one as well, on the other machine. Not the 5001 \
     or 5201 of a server that may run on the machine already.",
    Whole { min: 1, max: u16::MAX - 1 },
    || 15_201,
);

static WAIT_SHAPE: Shape = Shape { what: "`[wait]`", keys: &[&READY, &CALM, &STOP] };

const UP_TO_AN_HOUR: Span =
    Span { min: Duration::from_millis(100), max: Duration::from_hours(1), whole_seconds: false };

pub(super) static READY: Key<Span> = Key::default(
    "ready",
    "How long a daemon may take from its start to its first right document.",
    UP_TO_AN_HOUR,
    || Duration::from_secs(60),
);

pub(super) static CALM: Key<Span> = Key::default(
    "calm",
    "How long a ready daemon may take until its processes use hardly any CPU.",
    UP_TO_AN_HOUR,
    || Duration::from_secs(30),
);

pub(super) static STOP: Key<Span> =
    Key::default("stop", "How long a daemon has from TERM until KILL.", UP_TO_AN_HOUR, || Duration::from_secs(10));

static ROUND_SHAPE: Shape =
    Shape { what: "a round", keys: &[&NAME, &FROM, &ROUND_DAEMONS, &ENDPOINTS, &REPEATS, &LOAD] };

pub(super) static NAME: Key<Identifier> = Key::required(
    "name",
    "The round's name, unique in the scenario: `calibration`, `constant-rate`.",
    Identifier::PLAIN,
);

pub(super) static FROM: Key<Words<&str>> = Key::default(
    "from",
    "The role of the machine that the load comes from; from all that have it at once, where several are clients.",
    Words { what: "roles", words: ROLES, refused: &[] },
    || "client",
);

pub(super) static ROUND_DAEMONS: Key<ListOf<Identifier>> = Key::optional(
    "daemons",
    "Only these of the scenario's daemons run in this round: where one load generator can't load them all.",
    ListOf { item: Identifier::PLAIN, at_least: 1 },
);

pub(super) static ENDPOINTS: Key<ListOf<EndpointPath>> = Key::required(
    "endpoints",
    "The paths that are loaded, in order. Each daemon runs those that it has.",
    ListOf { item: EndpointPath, at_least: 1 },
);

pub(super) static REPEATS: Key<Whole<u32>> = Key::default(
    "repeats",
    "How often each trial is done, each time on a fresh daemon. One sample shows no spread.",
    Whole { min: 1, max: 1_000 },
    || 1,
);

pub(super) static LOAD: Key<TableOf<Load>> = Key::required(
    "load",
    "The load shape: `load = { connections = 64, duration = \"15s\" }`.",
    TableOf { shape: &LOAD_SHAPE, read: read::load },
);

static LOAD_SHAPE: Shape =
    Shape { what: "a load", keys: &[&TOOL, &THREADS, &CONNECTIONS, &STREAMS, &DURATION, &WARM_UP, &RATE, &TIMEOUT] };

pub(super) static TOOL: Key<Identifier> = Key::default(
    "tool",
    "The load generator: `timetrial`, our own, which each machine has (at a fixed `rate`, else each connection sends as soon as \
     it has an answer; also HTTP/2), `wrk` (as soon as it has an answer), `wrk2` (a fixed rate), `h2load` (like `wrk`, and \
     HTTP/2).",
    Identifier::PLAIN,
    || "timetrial".to_owned(),
);

pub(super) static THREADS: Key<Whole<u32>> = Key::default(
    "threads",
    "Threads of the load generator, on each machine that the load comes from. It divides the connections evenly over them.",
    Whole { min: 1, max: 1_024 },
    || 2,
);

pub(super) static CONNECTIONS: Key<Whole<u32>> = Key::required(
    "connections",
    "Connections that are kept busy at the same time, over all threads and all machines that the load comes from.",
    Whole { min: 1, max: 60_000 },
);

pub(super) static STREAMS: Key<Whole<u32>> = Key::optional(
    "streams",
    "Requests under way at once on each connection, 1 if not said: for a load generator and daemons of HTTP/2.",
    Whole { min: 1, max: 1_000 },
);

const fn seconds(min: u64, max: u64) -> Span {
    Span { min: Duration::from_secs(min), max: Duration::from_secs(max), whole_seconds: true }
}

pub(super) static DURATION: Key<Span> =
    Key::required("duration", "How long the load is measured, in whole seconds.", seconds(1, 86_400));

pub(super) static WARM_UP: Key<Span> =
    Key::optional("warm_up", "The same load before, for this long and unmeasured.", seconds(1, 86_400));

pub(super) static RATE: Key<Whole<u64>> = Key::optional(
    "rate",
    "Requests per second over all connections, for a load generator that keeps a rate.",
    Whole { min: 1, max: 10_000_000 },
);

pub(super) static TIMEOUT: Key<Span> =
    Key::default("timeout", "After this long, in whole seconds, an answer counts as late.", seconds(1, 3_600), || {
        Duration::from_secs(2)
    });
