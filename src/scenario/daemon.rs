//! Reads a daemon's folder: its `daemon.toml` and its requirements.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{
    Code, Diagnostic, Diagnostics, FileProblem, Placed, SourceFile, Table, TableOf, read_document, read_source,
};
use crate::scenario::daemon_keys::{self as keys, DAEMON};
use crate::scenario::{Daemon, Endpoint, Process, Traits, WorkersAt, check_requirements};

/// Reads the daemon in this folder. A problem with the file itself is given back, so that the caller can point at where
/// the daemon is named; everything else goes to the diagnostics. See [`parse_daemon`].
pub fn read_daemon(folder: &Path, diagnostics: &mut Diagnostics) -> Result<Daemon, FileProblem> {
    let file = read_source(&folder.join("daemon.toml"))?;
    let daemon = parse_daemon(&file, diagnostics);
    if let Some(requirements) = daemon.requirements.as_ref().filter(|file| !diagnostics.has_error_at(&file.place)) {
        match read_source(&folder.join(&requirements.value)) {
            Ok(file) => check_requirements(&file, diagnostics),
            Err(problem) => {
                let problem = problem.if_missing("write it with `pip-compile --generate-hashes`, or correct the name");
                diagnostics.push(problem.named_at(&requirements.place, "named here"));
            }
        }
    }
    Ok(daemon)
}

/// Reads a daemon from the text of its file, without its requirements. What is wrong goes to the diagnostics and is
/// replaced by stand-ins: the daemon may only be used when they have no errors, or to look for further ones.
pub fn parse_daemon(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Daemon {
    let mut daemon = read_document(file, &TableOf { shape: &DAEMON, read: self::daemon }, diagnostics);
    daemon.folder = file.path.parent().map(Path::to_path_buf).unwrap_or_default();
    daemon.name = daemon.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    daemon
}

fn daemon(table: &Table<'_>) -> Daemon {
    let packages = table.value(&keys::PACKAGES).value;
    table.report_duplicates(&packages, "package");
    let endpoints: Vec<Endpoint> = table.value(&keys::ENDPOINTS).value.into_iter().map(|item| item.value).collect();
    table.report_duplicates(endpoints.iter().map(|endpoint| &endpoint.path), "endpoint");
    let daemon = Daemon {
        name: String::new(),
        folder: PathBuf::new(),
        place: table.place().clone(),
        title: table.value(&keys::TITLE),
        interpreter: table.optional(&keys::INTERPRETER).map(|interpreter| interpreter.map(str::to_owned)),
        packages,
        requirements: table.optional(&keys::REQUIREMENTS),
        system: table.value(&keys::SYSTEM).value,
        processes: table.value(&keys::PROCESSES).value.into_iter().map(|item| item.value).collect(),
        traits: table.value(&keys::TRAITS).value,
        endpoints,
    };
    check_provisioning(table, &daemon);
    check_port_is_used(table, &daemon);
    daemon
}

/// Reads a `[[process]]`.
pub(super) fn process(table: &Table<'_>) -> Process {
    let environment = table.value(&keys::ENVIRONMENT).value;
    let command = table.value(&keys::COMMAND).value;
    if let Some(program) = command.first().filter(|program| program.value.trim().is_empty()) {
        let message = "the program's name is empty";
        let hint = "write the program first: command = [\"gunicorn\", ...]";
        table.report(Diagnostic::at(Code::BadText, &program.place, message).label("empty").hint(hint));
    }
    let (workers, helpers) = (table.value(&keys::WORKERS), table.optional(&keys::HELPERS));
    if let Some(helpers) = helpers.as_ref().filter(|_| workers.value != WorkersAt::Children) {
        let message = "`helpers` are left out of the children of a process, and this one's are not counted";
        let diagnostic = Diagnostic::at(Code::Contradiction, &helpers.place, message).label("of no use here");
        let hint = "remove `helpers`, or write workers = \"children\"";
        table.report(diagnostic.also(&workers.place, "what is counted").hint(hint));
    }
    Process {
        command,
        environment: environment.into_iter().map(|(name, value)| (name.value, value)).collect(),
        workers,
        helpers: helpers.map(|helpers| helpers.value).unwrap_or_default(),
    }
}

/// Reads `[traits]`.
pub(super) fn traits(table: &Table<'_>) -> Traits {
    Traits { keep_alive: table.value(&keys::KEEP_ALIVE), protocol: table.value(&keys::PROTOCOL).map(str::to_owned) }
}

/// Reads an `[[endpoint]]`.
pub(super) fn endpoint(table: &Table<'_>) -> Endpoint {
    Endpoint {
        path: table.value(&keys::PATH),
        document: table.value(&keys::DOCUMENT),
        database: table.value(&keys::DATABASE),
    }
}

/// What is provisioned must fit together.
fn check_provisioning(table: &Table<'_>, daemon: &Daemon) {
    if let (Some(requirements), false, false) = (&daemon.requirements, table.says(&keys::INTERPRETER), daemon.system) {
        let message = "`requirements` needs an `interpreter` to install them for";
        let hint = "add interpreter = \"python3.11\"";
        table.report(
            Diagnostic::at(Code::MissingKey, &requirements.place, message).label("for which Python?").hint(hint),
        );
    }
    if !daemon.system {
        return;
    }
    let provisioned = daemon.packages.first().map(|package| &package.place);
    let provisioned = provisioned.or(daemon.requirements.as_ref().map(|file| &file.place));
    let provisioned = provisioned.or(daemon.interpreter.as_ref().map(|interpreter| &interpreter.place));
    if let Some(place) = provisioned {
        let message = "`system = true` means that nothing is provisioned, but this asks for it";
        let diagnostic = Diagnostic::at(Code::Contradiction, place, message)
            .label("would be provisioned")
            .also(&table.value(&keys::SYSTEM).place, "nothing is provisioned")
            .hint("remove `system = true`, or remove `interpreter`, `packages` and `requirements`");
        table.report(diagnostic);
    }
}

/// A daemon that is not told the port listens on another one, and would never be ready.
fn check_port_is_used(table: &Table<'_>, daemon: &Daemon) {
    let words = |process: &Process| -> Vec<Placed<String>> {
        process.command.iter().chain(process.environment.values()).cloned().collect()
    };
    let texts: Vec<Placed<String>> = daemon.processes.iter().flat_map(words).collect();
    let Some(first) = texts.first() else { return };
    // Where a text was wrong it is missing here, and perhaps it was the one.
    if !table.has_errors() && !texts.iter().any(|text| text.value.contains("{port}")) {
        let message = "no command or variable of this daemon uses `{port}`";
        let diagnostic = Diagnostic::at(Code::UnusedPlaceholder, &first.place, message).warning();
        let hint = "pass the scenario's port on, as in \"--bind\", \"{address}:{port}\"";
        table.report(diagnostic.label("how does it know its port?").hint(hint));
    }
}
