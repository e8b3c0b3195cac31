//! `[tune.ROLE]`: what is changed on a machine for the campaign.

use crate::diagnostic::{
    Code, Diagnostic, Flag, Identifier, Key, ListOf, MapOf, Name, Placed, PlainOr, Shape, Table, TableOf, Whole, Word,
    Words,
};
use crate::scenario::{NoFile, Tune};

/// The roles whose machines are tuned.
pub(super) static TUNE: Key<TableOf<Vec<Tune>>> = Key::optional(
    "tune",
    "What is changed for the campaign on the machine with a role, and put back after it: `[tune.server]`. The machine \
     needs `may_tune = true` in the inventory.",
    TableOf { shape: &TUNES, read: tunes },
);

static TUNES: Shape = Shape { what: "`[tune]`", keys: &[&SERVER, &CLIENT, &DATABASE] };

static SERVER: Key<TableOf<Tune>> =
    Key::optional("server", "On the machine that runs the daemons.", TableOf { shape: &ROLE, read: tune });

static CLIENT: Key<TableOf<Tune>> =
    Key::optional("client", "On the machine that the load comes from.", TableOf { shape: &ROLE, read: tune });

static DATABASE: Key<TableOf<Tune>> =
    Key::optional("database", "On the machine that PostgreSQL runs on.", TableOf { shape: &ROLE, read: tune });

static ROLE: Shape =
    Shape { what: "`[tune.ROLE]`", keys: &[&SYSCTL, &NOFILE, &GOVERNOR, &TURBO, &OPTIONAL, &AT_LEAST, &ACCEPT] };

static SYSCTL: Key<ListOf<Identifier>> = Key::default(
    "sysctl",
    "Profiles of kernel settings: files in `sysctl/`, without their `.conf`.",
    ListOf { item: Identifier::PLAIN, at_least: 0 },
    Vec::new,
);

/// So many files nobody has open; a limit above it is a slip.
const FILES: Whole<u64> = Whole { min: 64, max: 1 << 30 };

static NOFILE: Key<PlainOr<Whole<u64>, NoFile>> = Key::optional(
    "nofile",
    "How many files each daemon, load generator and PostgreSQL may have open: `65536`, or \
     `{ want = 1_048_576, at_least = 8_192 }` where less is enough.",
    PlainOr { plain: FILES, meaning: all_of_it, table: TableOf { shape: &NOFILE_SHAPE, read: nofile } },
);

static NOFILE_SHAPE: Shape = Shape { what: "`nofile`", keys: &[&WANT, &ENOUGH] };

static WANT: Key<Whole<u64>> = Key::required("want", "What is asked for.", FILES);

static ENOUGH: Key<Whole<u64>> = Key::required("at_least", "What is enough.", FILES);

static GOVERNOR: Key<Words<&str>> = Key::optional(
    "governor",
    "The frequency governor of all processors.",
    Words {
        what: "governors",
        words: &[
            Word { word: "performance", value: "performance" },
            Word { word: "powersave", value: "powersave" },
            Word { word: "ondemand", value: "ondemand" },
            Word { word: "conservative", value: "conservative" },
            Word { word: "schedutil", value: "schedutil" },
        ],
        refused: &[],
    },
);

static TURBO: Key<Flag> = Key::optional(
    "turbo",
    "Whether processors may run faster than they can for ever. Without it figures vary less.",
    Flag,
);

static OPTIONAL: Key<ListOf<Identifier>> = Key::default(
    "optional",
    "Settings that the campaign goes on without where a machine does not let itself be set so: names of settings, \
     `governor`, `turbo`. The report then says so.",
    ListOf { item: Identifier::SETTING, at_least: 0 },
    Vec::new,
);

static AT_LEAST: Key<MapOf<Whole<u64>>> = Key::default(
    "at_least",
    "Settings of which less is enough, and how much: `at_least = { \"net.core.somaxconn\" = 4096 }`.",
    MapOf { item: Whole { min: 0, max: 1 << 62 }, keys: &Name::SETTING, at_least: 0 },
    Vec::new,
);

static ACCEPT: Key<ListOf<Identifier>> = Key::default(
    "accept",
    "Settings of the profiles that are dangerous, and meant: `accept = [\"net.ipv4.tcp_rmem\"]`.",
    ListOf { item: Identifier::SETTING, at_least: 0 },
    Vec::new,
);

fn tunes(table: &Table<'_>) -> Vec<Tune> {
    [&SERVER, &CLIENT, &DATABASE].into_iter().filter_map(|key| table.optional(key)).map(|tune| tune.value).collect()
}

fn tune(table: &Table<'_>) -> Tune {
    let sysctl = table.value(&SYSCTL).value;
    table.report_duplicates(&sysctl, "profile");
    let (optional, accept) = (table.value(&OPTIONAL).value, table.value(&ACCEPT).value);
    table.report_duplicates(&optional, "setting");
    table.report_duplicates(&accept, "setting");
    let nofile = table.optional(&NOFILE).map(|nofile| nofile.value);
    if let Some(nofile) = nofile.as_ref().filter(|nofile| nofile.at_least.value > nofile.want.value) {
        report_more_than_wanted(table, nofile);
    }
    Tune {
        place: table.place().clone(),
        role: table.key().clone(),
        sysctl,
        nofile,
        governor: table.optional(&GOVERNOR).map(|governor| governor.map(str::to_owned)),
        turbo: table.optional(&TURBO),
        optional,
        at_least: table.value(&AT_LEAST).value,
        accept,
    }
}

fn nofile(table: &Table<'_>) -> NoFile {
    NoFile { want: table.value(&WANT), at_least: table.value(&ENOUGH) }
}

fn all_of_it(files: Placed<u64>) -> NoFile {
    NoFile { want: files.clone(), at_least: files }
}

fn report_more_than_wanted(table: &Table<'_>, nofile: &NoFile) {
    let (want, at_least) = (nofile.want.value, nofile.at_least.value);
    let message = format!("at least {at_least} open files are needed, and only {want} are asked for");
    table.report(
        Diagnostic::at(Code::Contradiction, &nofile.at_least.place, message)
            .label("more than is asked for")
            .also(&nofile.want.place, "what is asked for")
            .hint("let `want` be the larger of the two"),
    );
}
