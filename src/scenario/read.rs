//! Reads a scenario file.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{
    Code, Diagnostic, Diagnostics, Placed, SourceFile, Table, TableOf, is_name, nearest_hint, read_document,
    read_source,
};
use crate::scenario::scenario_keys::{self as keys, SCENARIO};
use crate::scenario::tune::TUNE;
use crate::scenario::{Load, Network, Postgres, Round, Scenario, Wait};

/// Reads a scenario from the disk; nothing if the file can't be read. See [`parse_scenario`].
pub fn read_scenario(path: &Path, diagnostics: &mut Diagnostics) -> Option<Scenario> {
    match read_source(path) {
        Ok(file) => Some(parse_scenario(&file, diagnostics)),
        Err(problem) => {
            diagnostics.push(problem.at_the_file());
            None
        }
    }
}

/// Reads a scenario from its text. What is wrong goes to the diagnostics and is replaced by stand-ins: the scenario may
/// only be used when they have no errors, or to look for further ones.
pub fn parse_scenario(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Scenario {
    let mut scenario = read_document(file, &TableOf { shape: &SCENARIO, read: self::scenario }, diagnostics);
    scenario.path.clone_from(&file.path);
    scenario.name = file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if !is_name(&scenario.name) {
        let message = format!("the file's name `{}` can't be the name of a scenario", scenario.name);
        let hint = "rename the file: runs are named after it, so it holds only a-z, 0-9, `.`, `_` and `-`";
        diagnostics.push(Diagnostic::in_file(Code::BadName, &file.path, message).hint(hint));
    }
    scenario
}

fn scenario(table: &Table<'_>) -> Scenario {
    let daemons = table.value(&keys::DAEMONS).value;
    table.report_duplicates(&daemons, "daemon");
    let rounds: Vec<Round> = table.value(&keys::ROUNDS).value.into_iter().map(|round| round.value).collect();
    table.report_duplicates(rounds.iter().map(|round| &round.name), "round");
    report_unlisted(table, &daemons, &rounds);
    Scenario {
        name: String::new(),
        path: std::path::PathBuf::new(),
        place: table.place().clone(),
        title: table.value(&keys::TITLE),
        daemons,
        workers: table.value(&keys::WORKERS),
        pool: table.value(&keys::POOL),
        port: table.value(&keys::PORT),
        data: table.optional(&keys::DATA),
        postgres: table.optional(&keys::POSTGRES).map(|postgres| postgres.value),
        network: table.optional(&keys::NETWORK).map(|network| network.value),
        tunes: table.optional(&TUNE).map(|tunes| tunes.value).unwrap_or_default(),
        wait: table.value(&keys::WAIT).value,
        rounds,
    }
}

/// Reads `[network]`.
pub(super) fn network(table: &Table<'_>) -> Network {
    let tools = table.value(&keys::NETWORK_TOOL).value;
    table.report_duplicates(&tools, "network tool");
    Network {
        place: table.place().clone(),
        tools,
        duration: table.value(&keys::NETWORK_DURATION),
        port: table.value(&keys::NETWORK_PORT),
    }
}

/// A round runs daemons of its scenario and no others.
fn report_unlisted(table: &Table<'_>, daemons: &[Placed<String>], rounds: &[Round]) {
    let listed = |name: &str| daemons.iter().any(|daemon| daemon.value == name);
    for named in rounds.iter().flat_map(|round| round.daemons.iter().flatten()) {
        // A stand-in is empty, and its own problem is reported already.
        if named.value.is_empty() || listed(&named.value) {
            continue;
        }
        let message = format!("`{}` is not one of this scenario's daemons", named.value);
        let hint = nearest_hint(&named.value, "daemons", daemons.iter().map(|daemon| daemon.value.as_str()));
        let diagnostic = Diagnostic::at(Code::UnlistedDaemon, &named.place, message).label("not in `daemons` above");
        table.report(diagnostic.hint(format!("{hint}; add it there as well if it is to be compared")));
    }
}

/// Reads `[postgres]`.
pub(super) fn postgres(table: &Table<'_>) -> Postgres {
    let accept = table.value(&keys::CONF_ACCEPT).value;
    table.report_duplicates(&accept, "setting");
    Postgres {
        place: table.place().clone(),
        role: table.value(&keys::POSTGRES_ROLE).map(str::to_owned),
        version: table.value(&keys::VERSION),
        port: table.value(&keys::POSTGRES_PORT),
        authentication: table.value(&keys::AUTHENTICATION),
        sslmode: table.value(&keys::SSLMODE),
        max_connections: table.value(&keys::MAX_CONNECTIONS),
        conf: table.optional(&keys::CONF),
        accept,
    }
}

/// Reads `[wait]`.
pub(super) fn wait(table: &Table<'_>) -> Wait {
    Wait {
        ready: table.value(&keys::READY).value,
        calm: table.value(&keys::CALM).value,
        stop: table.value(&keys::STOP).value,
    }
}

/// Reads a `[[round]]`.
pub(super) fn round(table: &Table<'_>) -> Round {
    let endpoints = table.value(&keys::ENDPOINTS).value;
    table.report_duplicates(&endpoints, "endpoint");
    let daemons = table.optional(&keys::ROUND_DAEMONS).map(|daemons| daemons.value);
    table.report_duplicates(daemons.iter().flatten(), "daemon");
    Round {
        name: table.value(&keys::NAME),
        from: table.value(&keys::FROM).map(str::to_owned),
        daemons,
        endpoints,
        repeats: table.value(&keys::REPEATS),
        load: table.value(&keys::LOAD).value,
    }
}

/// Reads a `load`.
pub(super) fn load(table: &Table<'_>) -> Load {
    Load {
        place: table.place().clone(),
        tool: table.value(&keys::TOOL),
        threads: table.value(&keys::THREADS),
        connections: table.value(&keys::CONNECTIONS),
        streams: table.optional(&keys::STREAMS),
        duration: table.value(&keys::DURATION),
        warm_up: table.optional(&keys::WARM_UP),
        rate: table.optional(&keys::RATE),
        timeout: table.value(&keys::TIMEOUT),
    }
}
