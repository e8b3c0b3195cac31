//! The keys of an inventory file.

use crate::diagnostic::{AbsolutePath, Address, Key, ListOf, MapOf, Name, Shape, TableOf, Word, Words};
use crate::inventory::Machine;
use crate::inventory::model::{ROLES, Transport};
use crate::inventory::read;

/// The keys of the whole file.
pub static INVENTORY: Shape = Shape { what: "an inventory", keys: &[&MACHINES] };

/// The machines by name.
pub(super) static MACHINES: Key<MapOf<TableOf<Machine>>> = Key::required(
    "machine",
    "The machines of a campaign, each a table of its own: `[machine.NAME]`.",
    MapOf { item: TableOf { shape: &MACHINE, read: read::machine }, keys: &Name::PLAIN, at_least: 1 },
);

static MACHINE: Shape =
    Shape { what: "a machine", keys: &[&TRANSPORT, &MACHINE_ROLES, &STATE_DIR, &BENCH_ADDRESS, &CA_BUNDLE, &TOOLS] };

pub(super) static TRANSPORT: Key<Words<Transport>> = Key::required(
    "transport",
    "How the machine is reached. `local` is this machine, without privileges.",
    Words {
        what: "transports",
        words: &[Word { word: "local", value: Transport::Local }],
        refused: &[
            ("ssh", "reaching machines over SSH is not built in this version yet"),
            ("docker", "containers as machines are not built in this version yet"),
        ],
    },
);

const ROLE_WORDS: &[Word<&str>] = &[
    Word { word: ROLES[0], value: ROLES[0] },
    Word { word: ROLES[1], value: ROLES[1] },
    Word { word: ROLES[2], value: ROLES[2] },
];

pub(super) static MACHINE_ROLES: Key<ListOf<Words<&str>>> = Key::required(
    "roles",
    "What the machine does in a scenario: `server` runs the daemons, `client` makes the load, `database` runs \
     PostgreSQL. Each role belongs to one machine; one machine may have all of them.",
    ListOf { item: Words { what: "roles", words: ROLE_WORDS, refused: &[] }, at_least: 1 },
);

pub(super) static STATE_DIR: Key<AbsolutePath> = Key::optional(
    "state_dir",
    "Where the agent keeps its cache and its work on the machine, as an absolute path. By default it takes a folder of \
     the user's own.",
    AbsolutePath,
);

pub(super) static BENCH_ADDRESS: Key<Address> = Key::optional(
    "bench_address",
    "The machine's IP address on the benchmark network. When all roles share one machine it is 127.0.0.1.",
    Address,
);

pub(super) static CA_BUNDLE: Key<AbsolutePath> = Key::optional(
    "ca_bundle",
    "A file of CA certificates on the machine, for downloads of packages through a proxy that has its own.",
    AbsolutePath,
);

pub(super) static TOOLS: Key<MapOf<AbsolutePath>> = Key::optional(
    "tools",
    "Programs on the machine that come in no package, by tool: `tools = { wrk2 = \"/opt/wrk2/wrk\" }`.",
    MapOf { item: AbsolutePath, keys: &Name::PLAIN, at_least: 0 },
);
