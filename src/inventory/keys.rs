//! The keys of an inventory file.

use crate::diagnostic::{AbsolutePath, Address, Flag, Key, ListOf, MapOf, Name, Pattern, Shape, TableOf, Word, Words};
use crate::inventory::Machine;
use crate::inventory::forms::{FILE_HERE, is_proxy};
use crate::inventory::keys_docker::{BUILD, CPUS, ENGINE, IMAGE, MEMORY, NETWORK, NOFILE, SYSCTLS};
use crate::inventory::keys_postgresql::POSTGRESQL;
use crate::inventory::keys_ssh::{BECOME, HOST, JUMP, KEY, KNOWN_HOSTS, PORT, SSH_CONFIG, USER};
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

static MACHINE: Shape = Shape {
    what: "a machine",
    keys: &[
        &TRANSPORT,
        &HOST,
        &USER,
        &PORT,
        &KEY,
        &JUMP,
        &KNOWN_HOSTS,
        &SSH_CONFIG,
        &BECOME,
        &ENGINE,
        &IMAGE,
        &BUILD,
        &NETWORK,
        &CPUS,
        &MEMORY,
        &NOFILE,
        &SYSCTLS,
        &BENCH_ADDRESS,
        &MACHINE_ROLES,
        &MAY_TUNE,
        &POSTGRESQL,
        &STATE_DIR,
        &CA_BUNDLE,
        &PROXY,
        &BINARY,
        &TOOLS,
    ],
};

pub(super) static TRANSPORT: Key<Words<Transport>> = Key::required(
    "transport",
    "How the machine is reached: `local` is this machine, `ssh` another one by your own ssh, `docker` a container that \
     lives as long as the campaign.",
    Words {
        what: "transports",
        words: &[
            Word { word: "local", value: Transport::Local },
            Word { word: "ssh", value: Transport::Ssh },
            Word { word: "docker", value: Transport::Docker },
        ],
        refused: &[],
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
     PostgreSQL. Each role belongs to one machine, but for `client`: the load comes from all that have it at once. One machine \
     may have all of them.",
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
    "The machine's IP address on the benchmark network, apart from the one by which it is controlled. When all roles share \
     one machine it is 127.0.0.1; else that of `host`, where it is an address.",
    Address,
);

pub(super) static CA_BUNDLE: Key<Pattern> = Key::optional(
    "ca_bundle",
    "A file of CA certificates here, on the controller: it is sent along, for downloads of packages through a proxy that \
     has its own. A relative path begins at this file's folder.",
    FILE_HERE,
);

pub(super) static PROXY: Key<Pattern> = Key::optional(
    "proxy",
    "A proxy for downloads of packages, as the machine reaches it: `http://10.0.0.1:3128`.",
    Pattern {
        what: "the URL of a proxy",
        hint: "write http://HOST:PORT; no user and password: secrets never stand in these files",
        pattern: "^https?://[^@ ]+$",
        fits: is_proxy,
    },
);

pub(super) static MAY_TUNE: Key<Flag> = Key::default(
    "may_tune",
    "Whether a campaign may change settings of this machine, and put them back after it.",
    Flag,
    || false,
);

pub(super) static BINARY: Key<Pattern> = Key::optional(
    "binary",
    "A static `timetrial` for this machine's processor, where that is another than the controller's: a file here.",
    FILE_HERE,
);

pub(super) static TOOLS: Key<MapOf<AbsolutePath>> = Key::optional(
    "tools",
    "Programs on the machine that come in no package, by tool: `tools = { wrk2 = \"/opt/wrk2/wrk\" }`.",
    MapOf { item: AbsolutePath, keys: &Name::PLAIN, at_least: 0 },
);
