//! Reads an inventory file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{
    Code, Diagnostic, Diagnostics, Key, Kind, Place, Placed, SourceFile, Table, TableOf, read_document, read_source,
};
use crate::inventory::forms::size_bytes;
use crate::inventory::keys::{self, INVENTORY};
use crate::inventory::{
    Docker, Inventory, Machine, Postgresql, Source, Ssh, Transport, foreign, keys_docker, keys_postgresql, keys_ssh,
};

/// Reads an inventory from the disk; nothing if the file can't be read. See [`parse_inventory`].
pub fn read_inventory(path: &Path, diagnostics: &mut Diagnostics) -> Option<Inventory> {
    match read_source(path) {
        Ok(file) => Some(parse_inventory(&file, diagnostics)),
        Err(problem) => {
            let hint = "write one: [machine.here] with transport = \"local\" and roles = [\"server\", \"client\", \"database\"]";
            diagnostics.push(problem.if_missing(hint).at_the_file());
            None
        }
    }
}

/// Reads an inventory from its text. What is wrong goes to the diagnostics and is replaced by stand-ins: the inventory
/// may only be used when they have no errors, or to look for further ones.
pub fn parse_inventory(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Inventory {
    read_document(file, &TableOf { shape: &INVENTORY, read: inventory }, diagnostics)
}

fn inventory(table: &Table<'_>) -> Inventory {
    let named = |(name, machine): (Placed<String>, Placed<Machine>)| Machine { name, ..machine.value };
    let machines: Vec<Machine> = table.value(&keys::MACHINES).value.into_iter().map(named).collect();
    Inventory { place: Place::clone(table.place()), machines }
}

/// The state directory stands in search paths (`PATH`, `LD_LIBRARY_PATH`) and in apt's configuration, and neither knows
/// a way to quote.
fn check_state_dir(table: &Table<'_>, directory: &Placed<String>) {
    let Some(character) = directory.value.chars().find(|character| [':', ';', '"'].contains(character)) else {
        return;
    };
    let message = format!("`state_dir` must not hold a `{character}`");
    let hint = "search paths and apt's configuration are made of it, and neither can hold `:`, `;` or `\"` in a name";
    table.report(Diagnostic::at(Code::BadPath, &directory.place, message).label("not such a path").hint(hint));
}

/// Folders of a container that are its system, whole: a volume over one of them hides it.
const SYSTEM: [&str; 13] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt/timetrial",
    "/proc",
    "/sbin",
    "/sys",
    "/usr",
];

/// Folders that may hold a folder of ours, and are not one.
const SHARED: [&str; 16] = [
    "/",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/srv",
    "/tmp",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
];

/// The state directory of a container is where a volume is mounted.
fn check_mount(table: &Table<'_>, directory: &Placed<String>) {
    // One way to write it: no `//`, no `/./`, nothing behind the last name.
    let path: PathBuf = Path::new(&directory.value).components().collect();
    let is_system =
        SYSTEM.iter().any(|folder| path.starts_with(folder)) || SHARED.iter().any(|folder| path == Path::new(folder));
    if !is_system {
        return;
    }
    let message = format!("`state_dir` of a container must not be `{}`", directory.value);
    let hint = "a volume is mounted there: name a folder that holds nothing else, such as /var/cache/timetrial, or leave it out";
    table.report(Diagnostic::at(Code::BadPath, &directory.place, message).label("a folder of the system").hint(hint));
}

/// Reads one machine.
pub(super) fn machine(table: &Table<'_>) -> Machine {
    let roles = table.value(&keys::MACHINE_ROLES).value;
    let roles: Vec<Placed<String>> = roles.into_iter().map(|role| role.map(str::to_owned)).collect();
    table.report_duplicates(&roles, "role");
    let tools = table.value(&keys::TOOLS).value;
    let state_dir = table.optional(&keys::STATE_DIR);
    if let Some(directory) = &state_dir {
        check_state_dir(table, directory);
    }
    let transport = table.value(&keys::TRANSPORT);
    let is = |wanted: Transport| transport.value == wanted;
    if let Some(directory) = state_dir.as_ref().filter(|_| is(Transport::Docker)) {
        check_mount(table, directory);
    }
    // Of one that is not known nobody can say which keys are its own.
    if transport.place.text().trim_matches(['"', '\'']) == transport.value.word() {
        foreign::report(table, &transport);
    }
    Machine {
        name: table.key().clone(),
        ssh: is(Transport::Ssh).then(|| ssh(table, &transport)),
        docker: is(Transport::Docker).then(|| docker(table, &transport)),
        transport: transport.clone(),
        roles,
        state_dir,
        bench_address: table.optional(&keys::BENCH_ADDRESS),
        ca_bundle: table.optional(&keys::CA_BUNDLE),
        proxy: table.optional(&keys::PROXY),
        may_tune: table.value(&keys::MAY_TUNE).value,
        postgresql: own_postgresql(table, &transport),
        binary: table.optional(&keys::BINARY),
        tools: tools.into_iter().map(|(name, path)| (name.value, path)).collect(),
    }
}

fn own_postgresql(table: &Table<'_>, transport: &Placed<Transport>) -> Option<Placed<Postgresql>> {
    let found = table.optional(&keys_postgresql::POSTGRESQL)?;
    if transport.value != Transport::Docker {
        return Some(found);
    }
    let message = "a container has no PostgreSQL of its own: it is new for each campaign";
    table.report(
        Diagnostic::at(Code::ForeignKey, &found.place, message)
            .label("for machines that stay")
            .also(&transport.place, "the transport")
            .hint("remove it: the campaign makes a private cluster in the container"),
    );
    None
}

/// Reads a machine's own PostgreSQL.
pub(super) fn postgresql(table: &Table<'_>) -> Postgresql {
    let accept = table.optional(&keys_postgresql::ACCEPT).map(|accept| accept.value).unwrap_or_default();
    table.report_duplicates(&accept, "setting");
    Postgresql { cluster: table.value(&keys_postgresql::CLUSTER), port: table.value(&keys_postgresql::PORT), accept }
}

fn text<K: Kind<Value = String>>(table: &Table<'_>, key: &Key<K>) -> Option<String> {
    table.optional(key).map(|found| found.value)
}

fn ssh(table: &Table<'_>, transport: &Placed<Transport>) -> Ssh {
    let host = table.optional(&keys_ssh::HOST);
    if host.is_none() && !table.says(&keys_ssh::HOST) {
        let diagnostic = Diagnostic::at(Code::MissingKey, &transport.place, "a machine behind `ssh` needs a `host`");
        table.report(
            diagnostic
                .label("which machine?")
                .hint("add host = \"10.0.0.2\": a name, an address, or a `Host` of your ssh configuration"),
        );
    }
    Ssh {
        host: host.unwrap_or_else(|| Placed::new(String::new(), transport.place.clone())),
        user: text(table, &keys_ssh::USER),
        port: table.optional(&keys_ssh::PORT).map(|port| port.value),
        key: text(table, &keys_ssh::KEY),
        jump: text(table, &keys_ssh::JUMP),
        known_hosts: text(table, &keys_ssh::KNOWN_HOSTS),
        config: text(table, &keys_ssh::SSH_CONFIG),
        become_root: table.optional(&keys_ssh::BECOME).is_some(),
    }
}

fn docker(table: &Table<'_>, transport: &Placed<Transport>) -> Docker {
    let memory = text(table, &keys_docker::MEMORY);
    let sysctls = table.value(&keys_docker::SYSCTLS).value;
    Docker {
        engine: table.optional(&keys_docker::ENGINE),
        source: source(table, transport),
        network: table.optional(&keys_docker::NETWORK),
        cpus: text(table, &keys_docker::CPUS),
        memory_bytes: memory.and_then(|size| size_bytes(&size)),
        nofile: table.optional(&keys_docker::NOFILE).map(|files| files.value),
        sysctls: sysctls.into_iter().map(|(name, value)| (name.value, value.value)).collect(),
    }
}

/// What a container is made from: one of two keys.
fn source(table: &Table<'_>, transport: &Placed<Transport>) -> Placed<Source> {
    let (image, build) = (table.optional(&keys_docker::IMAGE), table.optional(&keys_docker::BUILD));
    match (image, build) {
        (Some(image), Some(build)) => {
            let message = "a container is made from an `image` or from a `build`, not from both";
            table.report(
                Diagnostic::at(Code::Contradiction, &build.place, message)
                    .label("one")
                    .also(&image.place, "and another")
                    .hint("remove one of them"),
            );
            build.map(Source::Build)
        }
        (Some(image), None) => image.map(Source::Image),
        (None, Some(build)) => build.map(Source::Build),
        (None, None) => {
            if !table.says(&keys_docker::IMAGE) && !table.says(&keys_docker::BUILD) {
                let message = "a container needs an `image` or a `build`";
                let hint = "add image = \"debian:bookworm-slim\", or build = \"debian\" for docker/debian/Dockerfile";
                table.report(Diagnostic::at(Code::MissingKey, &transport.place, message).label("of what?").hint(hint));
            }
            Placed::new(Source::Image(String::new()), transport.place.clone())
        }
    }
}
