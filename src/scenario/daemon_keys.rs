//! The keys of a daemon file.

use crate::diagnostic::{
    EndpointPath, Flag, Identifier, Key, ListOf, MapOf, Name, RelativeFile, Shape, TableOf, Template, Text, Word, Words,
};
use crate::scenario::daemon;
use crate::scenario::{Build, DatabaseUse, Endpoint, Process, Traits, WorkersAt};

/// What a command, a variable or a template may name: the scenario's figures, the address to listen on, and for daemons
/// of several processes a socket between them and a folder for what they write.
pub const PLACEHOLDERS: &[&str] = &["workers", "address", "port", "pool", "socket", "scratch"];

/// The keys of the whole file.
pub static DAEMON: Shape = Shape {
    what: "a daemon",
    keys: &[
        &TITLE,
        &INTERPRETER,
        &PACKAGES,
        &REQUIREMENTS,
        &BUILD,
        &TEMPLATES,
        &SYSTEM,
        &PROCESSES,
        &TRAITS,
        &ENDPOINTS,
    ],
};

pub(super) static TITLE: Key<Text> =
    Key::required("title", "One line for people: framework, server, and what is special.", Text);

pub(super) static INTERPRETER: Key<Words<&str>> = Key::optional(
    "interpreter",
    "A Python of a package root, for a virtual environment with the requirements. `packages` come from the same Debian \
     release as it.",
    Words {
        what: "interpreters",
        words: &[Word { word: "python3.11", value: "python3.11" }, Word { word: "python3.9", value: "python3.9" }],
        refused: &[],
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

pub(super) static BUILD: Key<TableOf<Build>> = Key::optional(
    "build",
    "What of the requirements comes as sources and is built on the machine; everything else comes as wheels.",
    TableOf { shape: &BUILD_SHAPE, read: daemon::build },
);

static BUILD_SHAPE: Shape = Shape { what: "`build`", keys: &[&SOURCES, &BUILD_PACKAGES] };

pub(super) static SOURCES: Key<ListOf<Identifier>> = Key::required(
    "sources",
    "Distributions of the requirements that are built from their sources.",
    ListOf { item: Identifier::DISTRIBUTION, at_least: 1 },
);

pub(super) static BUILD_PACKAGES: Key<ListOf<Identifier>> = Key::required(
    "packages",
    "Debian packages that they are built with (setuptools, a compiler, headers), unpacked into a root of their own that \
     no daemon uses; nothing is installed.",
    ListOf { item: Identifier::PACKAGE, at_least: 1 },
);

pub(super) static TEMPLATES: Key<ListOf<RelativeFile>> = Key::optional(
    "templates",
    "Files in this folder whose placeholders are filled in when they are put on the machine. There they stand between at \
     signs: `@port@`.",
    ListOf { item: RelativeFile, at_least: 0 },
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
     replaced, and so are `{socket}`, the path of a private Unix socket, and `{scratch}`, a private folder; `{{` and \
     `}}` are plain braces.",
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
