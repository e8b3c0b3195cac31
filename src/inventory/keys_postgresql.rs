//! The keys of a machine's own PostgreSQL.

use crate::diagnostic::{Key, ListOf, Pattern, Shape, TableOf, Text, Whole};
use crate::inventory::Postgresql;
use crate::inventory::forms::is_cluster;
use crate::inventory::read;

pub(super) static POSTGRESQL: Key<TableOf<Postgresql>> = Key::optional(
    "postgresql",
    "A PostgreSQL of the machine's own for campaigns to use, in place of a private one: a cluster as Debian's \
     `pg_lsclusters` lists it. It gets a drop-in file with the campaign's settings, a database and a role, and is started \
     anew; at the end all of that is taken away again. Needs `may_tune = true`.",
    TableOf { shape: &POSTGRESQL_SHAPE, read: read::postgresql },
);

static POSTGRESQL_SHAPE: Shape = Shape { what: "`postgresql`", keys: &[&CLUSTER, &PORT, &ACCEPT] };

pub(super) static CLUSTER: Key<Pattern> = Key::required(
    "cluster",
    "Its major version and its name.",
    Pattern {
        what: "a PostgreSQL cluster",
        hint: "write VERSION/NAME as `pg_lsclusters` lists them, of version 13 or later: \"15/main\"",
        pattern: "^[1-9][0-9]/[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        fits: is_cluster,
    },
);

pub(super) static PORT: Key<Whole<u16>> =
    Key::default("port", "The TCP port that it listens on.", Whole { min: 1, max: u16::MAX }, || 5432);

pub(super) static ACCEPT: Key<ListOf<Text>> = Key::optional(
    "accept",
    "Settings that can lose data, such as `fsync`, and that a campaign may make here all the same: the scenario accepts \
     them for its figures, and this for the data that is in this cluster.",
    ListOf { item: Text, at_least: 1 },
);
