//! Reads a daemon's folder: its `daemon.toml` and its requirements.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{
    Code, Diagnostic, Diagnostics, FileProblem, Placed, SourceFile, Table, TableOf, nearest_hint, read_document,
    read_source,
};
use crate::scenario::daemon_keys::{self as keys, DAEMON};
use crate::scenario::requirements::{check_requirements, names_of, normal_name};
use crate::scenario::template::check_template;
use crate::scenario::{Build, Daemon, Endpoint, Process, Traits, WorkersAt, placeholders_of};

/// Reads the daemon in this folder. A problem with the file itself is given back, so that the caller can point at where
/// the daemon is named; everything else goes to the diagnostics. See [`parse_daemon`].
pub fn read_daemon(folder: &Path, diagnostics: &mut Diagnostics) -> Result<Daemon, FileProblem> {
    let file = read_source(&folder.join("daemon.toml"))?;
    let daemon = parse_daemon(&file, diagnostics);
    if let Some(requirements) = daemon.requirements.as_ref().filter(|file| !diagnostics.has_error_at(&file.place)) {
        match read_source(&folder.join(&requirements.value)) {
            Ok(file) => {
                check_requirements(&file, diagnostics);
                check_sources(&daemon, &file, diagnostics);
            }
            Err(problem) => {
                let problem = problem.if_missing("write it with `pip-compile --generate-hashes`, or correct the name");
                diagnostics.push(problem.named_at(&requirements.place, "named here"));
            }
        }
    }
    let templates = read_templates(&daemon, diagnostics);
    if let Some(templates) = templates.filter(|_| !daemon.templates.is_empty()) {
        check_port_is_used(&daemon, &templates, diagnostics);
    }
    Ok(daemon)
}

/// The daemon's templates, checked; nothing if one can't be read.
fn read_templates(daemon: &Daemon, diagnostics: &mut Diagnostics) -> Option<Vec<Arc<SourceFile>>> {
    let mut files = Vec::new();
    for template in &daemon.templates {
        match read_source(&daemon.folder.join(&template.value)) {
            Ok(file) => {
                check_template(&file, diagnostics);
                files.push(file);
            }
            Err(problem) => {
                let problem = problem.if_missing("put it into the daemon's folder, or correct the name");
                diagnostics.push(problem.named_at(&template.place, "named here"));
            }
        }
    }
    (files.len() == daemon.templates.len()).then_some(files)
}

/// What shall be built from sources must be among the requirements.
fn check_sources(daemon: &Daemon, requirements: &SourceFile, diagnostics: &mut Diagnostics) {
    let names = names_of(&requirements.text);
    for source in daemon.build.iter().flat_map(|build| &build.sources) {
        if names.contains(&normal_name(&source.value)) || diagnostics.has_error_at(&source.place) {
            continue;
        }
        let message = format!("the requirements have no `{}` to build", source.value);
        let hint = nearest_hint(&source.value, "requirements", names.iter().map(String::as_str));
        let label = format!("not in {}", requirements.path.display());
        diagnostics.push(Diagnostic::at(Code::UnknownRequirement, &source.place, message).label(label).hint(hint));
    }
}

/// Reads a daemon from the text of its file, without its requirements and templates. What is wrong goes to the diagnostics and is
/// replaced by stand-ins: the daemon may only be used when they have no errors, or to look for further ones.
pub fn parse_daemon(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Daemon {
    let mut daemon = read_document(file, &TableOf { shape: &DAEMON, read: self::daemon }, diagnostics);
    if daemon.templates.is_empty() {
        check_port_is_used(&daemon, &[], diagnostics);
    }
    daemon.folder = file.path.parent().map(Path::to_path_buf).unwrap_or_default();
    daemon.name = daemon.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    daemon
}

fn daemon(table: &Table<'_>) -> Daemon {
    let packages = table.value(&keys::PACKAGES).value;
    table.report_duplicates(&packages, "package");
    let templates = table.value(&keys::TEMPLATES).value;
    table.report_duplicates(&templates, "template");
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
        build: table.optional(&keys::BUILD).map(|build| build.value),
        templates,
        system: table.value(&keys::SYSTEM).value,
        processes: table.value(&keys::PROCESSES).value.into_iter().map(|item| item.value).collect(),
        traits: table.value(&keys::TRAITS).value,
        endpoints,
    };
    check_provisioning(table, &daemon);
    daemon
}

/// Reads `build`.
pub(super) fn build(table: &Table<'_>) -> Build {
    let (sources, packages) = (table.value(&keys::SOURCES).value, table.value(&keys::BUILD_PACKAGES).value);
    table.report_duplicates(&sources, "distribution");
    table.report_duplicates(&packages, "package");
    Build { place: table.place().clone(), sources, packages }
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
    if let (Some(build), None, false) = (&daemon.build, &daemon.requirements, daemon.system) {
        let message = "`build` needs `requirements` that pin what is built";
        let hint = "add requirements = \"requirements.txt\"";
        table.report(Diagnostic::at(Code::MissingKey, &build.place, message).label("built from what?").hint(hint));
    }
    if !daemon.system {
        return;
    }
    let provisioned = daemon.packages.first().map(|package| &package.place);
    let provisioned = provisioned.or(daemon.requirements.as_ref().map(|file| &file.place));
    let provisioned = provisioned.or(daemon.interpreter.as_ref().map(|interpreter| &interpreter.place));
    let provisioned = provisioned.or(daemon.build.as_ref().map(|build| &build.place));
    if let Some(place) = provisioned {
        let message = "`system = true` means that nothing is provisioned, but this asks for it";
        let diagnostic = Diagnostic::at(Code::Contradiction, place, message)
            .label("would be provisioned")
            .also(&table.value(&keys::SYSTEM).place, "nothing is provisioned")
            .hint("remove `system = true`, or remove `interpreter`, `packages`, `requirements` and `build`");
        table.report(diagnostic);
    }
}

/// A daemon that is not told the port listens on another one, and would never be ready.
fn check_port_is_used(daemon: &Daemon, templates: &[Arc<SourceFile>], diagnostics: &mut Diagnostics) {
    let words = |process: &Process| -> Vec<Placed<String>> {
        process.command.iter().chain(process.environment.values()).cloned().collect()
    };
    let texts: Vec<Placed<String>> = daemon.processes.iter().flat_map(words).collect();
    let Some(first) = texts.first() else { return };
    let is_in = |template: &Arc<SourceFile>| placeholders_of(&template.text).any(|(_, name)| name == "port");
    let is_used = texts.iter().any(|text| text.value.contains("{port}")) || templates.iter().any(is_in);
    // Where a text was wrong it is missing here, and perhaps it was the one.
    if !is_used && !diagnostics.has_error_in(&daemon.place.file.path) {
        let message = if templates.is_empty() {
            "no command or variable of this daemon uses `{port}`"
        } else {
            "no command, variable or template of this daemon uses the port"
        };
        let diagnostic = Diagnostic::at(Code::UnusedPlaceholder, &first.place, message).warning();
        let hint = "pass the scenario's port on, as in \"--bind\", \"{address}:{port}\"";
        diagnostics.push(diagnostic.label("how does it know its port?").hint(hint));
    }
}
