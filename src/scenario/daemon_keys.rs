//! The keys of a daemon file.

use crate::diagnostic::{
    EndpointPath, Flag, Identifier, Key, ListOf, MapOf, Name, RelativeFile, Shape, TableOf, Template, Text, Word, Words,
};
use crate::scenario::daemon;
use crate::scenario::{DatabaseUse, Endpoint, Process, Traits, WorkersAt};

/// What a command or a variable may name in braces: the scenario's figures, and the address to listen on.
pub const PLACEHOLDERS: &[&str] = &["workers", "address", "port", "pool"];

/// The keys of the whole file.
pub static DAEMON: Shape = Shape {
    what: "a daemon",
    keys: &[&TITLE, &INTERPRETER, &PACKAGES, &REQUIREMENTS, &SYSTEM, &PROCESSES, &TRAITS, &ENDPOINTS],
};

pub(super) static TITLE: Key<Text> =
    Key::required("title", "One line for people: framework, server, and what is special.", Text);

pub(super) static INTERPRETER: Key<Words<&str>> = Key::optional(
    "interpreter",
    "A Python of a package root, for a virtual environment with the requirements.",
    Words {
        what: "interpreters",
        words: &[Word { word: "python3.11", value: "python3.11" }],
        refused: &[("python3.9", "another Debian release's Python is not built in this version yet")],
    },
);

pub(super) static PACKAGES: Key<ListOf<Identifier>> = Key::optional(
    "packages",
    "Debian packages that the daemon needs, unpacked into its package root; nothing is installed.",
    ListOf { item: Identifier::PACKAGE, at_least: 0 },
);

pub(super) static REQUIREMENTS: Key<RelativeFile> = Key::optional(
    "requirements",
    "A pip requirements file in this folder, each line with an exact version and its hashes.",
    RelativeFile,
);

pub(super) static SYSTEM: Key<Flag> =
    Key::default("system", "Use what is on the machine's PATH; nothing is provisioned.", Flag, || false);

pub(super) static PROCESSES: Key<ListOf<TableOf<Process>>> = Key::required(
    "process",
    "The daemon's processes, each a `[[process]]`: started in order, stopped in reverse.",
    ListOf { item: TableOf { shape: &PROCESS_SHAPE, read: daemon::process }, at_least: 1 },
);

pub(super) static TRAITS: Key<TableOf<Traits>> = Key::required(
    "traits",
    "What must be alike between daemons that are compared, or is said in words by the report.",
    TableOf { shape: &TRAITS_SHAPE, read: daemon::traits },
);

pub(super) static ENDPOINTS: Key<ListOf<TableOf<Endpoint>>> = Key::required(
    "endpoint",
    "What the daemon answers, each an `[[endpoint]]`.",
    ListOf { item: TableOf { shape: &ENDPOINT_SHAPE, read: daemon::endpoint }, at_least: 1 },
);

static PROCESS_SHAPE: Shape = Shape { what: "a process", keys: &[&COMMAND, &ENVIRONMENT, &WORKERS, &HELPERS] };

pub(super) static COMMAND: Key<ListOf<Template>> = Key::required(
    "command",
    "Program and arguments, one text each; no shell is involved. `{workers}`, `{address}`, `{port}` and `{pool}` are \
     replaced; `{{` and `}}` are plain braces.",
    ListOf { item: Template { placeholders: PLACEHOLDERS }, at_least: 1 },
);

pub(super) static ENVIRONMENT: Key<MapOf<Template>> = Key::optional(
    "environment",
    "Variables added to the environment; the same placeholders are replaced.",
    MapOf { item: Template { placeholders: PLACEHOLDERS }, keys: &Name::VARIABLE, at_least: 0 },
);

pub(super) static WORKERS: Key<Words<WorkersAt>> = Key::default(
    "workers",
    "Where the stated number of workers is counted: the `children` of this process (gunicorn, uWSGI, nginx), the \
     process `itself`, or `nowhere` (a helper or a front).",
    Words {
        what: "words",
        words: &[
            Word { word: "children", value: WorkersAt::Children },
            Word { word: "itself", value: WorkersAt::Itself },
            Word { word: "nowhere", value: WorkersAt::Nowhere },
        ],
        refused: &[],
    },
    || WorkersAt::Children,
);

pub(super) static HELPERS: Key<ListOf<Text>> = Key::optional(
    "helpers",
    "Children that are no workers: those whose command line holds one of these texts are not counted.",
    ListOf { item: Text, at_least: 1 },
);

static TRAITS_SHAPE: Shape = Shape { what: "`[traits]`", keys: &[&KEEP_ALIVE, &PROTOCOL] };

pub(super) static KEEP_ALIVE: Key<Flag> = Key::required(
    "keep_alive",
    "Whether the daemon keeps connections open between requests. It is held against what the daemon really does.",
    Flag,
);

pub(super) static PROTOCOL: Key<Words<&str>> = Key::default(
    "protocol",
    "The protocol that the daemon speaks, without TLS; HTTP/2 with prior knowledge. It is held against what the daemon \
     really speaks.",
    Words {
        what: "protocols",
        words: &[
            Word { word: "HTTP/1.1", value: "HTTP/1.1" },
            Word { word: "HTTP/1.0", value: "HTTP/1.0" },
            Word { word: "HTTP/2", value: "HTTP/2" },
        ],
        refused: &[],
    },
    || "HTTP/1.1",
);

static ENDPOINT_SHAPE: Shape = Shape { what: "an endpoint", keys: &[&PATH, &DOCUMENT, &DATABASE] };

pub(super) static PATH: Key<EndpointPath> =
    Key::required("path", "The path of its URL, as a round names it: `/agents`.", EndpointPath);

pub(super) static DOCUMENT: Key<Identifier> = Key::required(
    "document",
    "The document that it must answer: a name in the `documents` folder of the scenario's data set.",
    Identifier::PLAIN,
);

pub(super) static DATABASE: Key<Words<DatabaseUse>> = Key::default(
    "database",
    "How it uses database connections: not at all (`none`), a new `connection-per-request`, or a `pool` in each \
     worker.",
    Words {
        what: "words",
        words: &[
            Word { word: "none", value: DatabaseUse::None },
            Word { word: "connection-per-request", value: DatabaseUse::ConnectionPerRequest },
            Word { word: "pool", value: DatabaseUse::Pool },
        ],
        refused: &[],
    },
    || DatabaseUse::None,
);
