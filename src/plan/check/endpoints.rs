//! Rules about endpoints: somebody must have them, their documents must exist, their database too.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Placed, nearest_hint};
use crate::plan::check::Written;
use crate::scenario::{Daemon, DatabaseUse, Round};

/// Each endpoint of a round belongs to a daemon, and each daemon has something to do in it.
pub(super) fn check_endpoints(written: Written<'_>, diagnostics: &mut Diagnostics) {
    // Where a daemon could not be read, or one of its endpoints, nobody knows what the daemons have.
    let is_wrong = |daemon: &Daemon| diagnostics.has_any_in(&daemon.place.file.path);
    let are_known = !written.daemons.is_empty() && written.daemons.len() >= written.scenario.daemons.len();
    if !are_known
        || written.daemons.iter().any(is_wrong)
        || !written.scenario.rounds.iter().all(|round| knows_its_daemons(round, written))
    {
        return;
    }
    for round in &written.scenario.rounds {
        if check_unknown_endpoints(round, written, diagnostics) {
            check_idle_daemons(round, written, diagnostics);
        }
    }
    check_left_out(written, diagnostics);
}

/// Whether a round's own list of daemons was read; what is wrong in it is told already, and looks here like more.
fn knows_its_daemons(round: &Round, written: Written<'_>) -> bool {
    let listed = |name: &Placed<String>| written.scenario.daemons.iter().any(|daemon| daemon.value == name.value);
    round.daemons.as_ref().is_none_or(|named| !named.is_empty() && named.iter().all(listed))
}

/// A daemon that no round takes is compared with nothing.
fn check_left_out(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let scenario = written.scenario;
    for named in scenario.daemons.iter().filter(|named| !scenario.rounds.iter().any(|round| round.takes(&named.value)))
    {
        let message = format!("`{}` is in no round", named.value);
        let diagnostic = Diagnostic::at(Code::NothingToRun, &named.place, message).warning().label("never runs");
        let hint = "add it to the `daemons` of a round, or leave it out here";
        diagnostics.push_unless_consequence(diagnostic.hint(hint));
    }
}

/// Whether somebody has each of them.
fn check_unknown_endpoints(round: &Round, written: Written<'_>, diagnostics: &mut Diagnostics) -> bool {
    let mut paths: Vec<&str> = Vec::new();
    for path in
        written.daemons_of(round).flat_map(|daemon| &daemon.endpoints).map(|endpoint| endpoint.path.value.as_str())
    {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let unknown: Vec<_> = round.endpoints.iter().filter(|asked| !paths.contains(&asked.value.as_str())).collect();
    for asked in &unknown {
        let whole = if round.daemons.is_some() { "round" } else { "scenario" };
        let message = format!("no daemon of this {whole} has the endpoint `{}`", asked.value);
        let hint = nearest_hint(&asked.value, "endpoints", paths.iter().copied());
        let diagnostic = Diagnostic::at(Code::UnknownEndpoint, &asked.place, message).label("nobody answers this");
        diagnostics.push_unless_consequence(diagnostic.hint(hint));
    }
    unknown.is_empty()
}

fn check_idle_daemons(round: &Round, written: Written<'_>, diagnostics: &mut Diagnostics) {
    if round.endpoints.is_empty() {
        return;
    }
    for daemon in written.daemons_of(round) {
        let asked = |path: &str| round.endpoints.iter().any(|asked| asked.value == path);
        if daemon.endpoints.iter().any(|endpoint| asked(&endpoint.path.value)) {
            continue;
        }
        let message = format!("`{}` has none of the endpoints of round `{}`", daemon.name, round.name.value);
        let mut diagnostic = Diagnostic::at(Code::NothingToRun, &round.name.place, message).warning();
        if let Some(named) = written.scenario.daemons.iter().find(|named| named.value == daemon.name) {
            diagnostic = diagnostic.also(&named.place, "does nothing in that round");
        }
        let has = daemon.endpoints.iter().map(|endpoint| format!("`{}`", endpoint.path.value)).collect::<Vec<_>>();
        let hint = format!("it has {}: add one of them to the round, or leave the daemon out", has.join(", "));
        diagnostics.push_unless_consequence(diagnostic.label("in this round").hint(hint));
    }
}

/// Each loaded endpoint has a document that the data set holds.
pub(super) fn check_documents(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let uses = written.uses();
    let Some(name) = &written.scenario.data else {
        if let Some(found) = uses.first() {
            let message = "the endpoints must answer documents, and the scenario names no data set";
            let diagnostic = Diagnostic::at(Code::UnknownData, &written.scenario.place, message)
                .label("`data` is missing")
                .also(&found.endpoint.document.place, "a document of a data set")
                .hint("add data = \"NAME\", a folder in scenarios/data");
            diagnostics.push_unless_consequence(diagnostic);
        }
        return;
    };
    let Some(data) = written.data else { return };
    for found in uses {
        let document = &found.endpoint.document;
        // A document that exists but is not JSON was reported where it is wrong.
        let file = data.folder.join("documents").join(format!("{}.json", document.value));
        if data.documents.contains_key(&document.value) || file.exists() {
            continue;
        }
        let message = format!("the data set `{}` has no document `{}`", data.name, document.value);
        let diagnostic = Diagnostic::at(Code::UnknownDocument, &document.place, message)
            .label(format!("no file `{}`", file.display()))
            .also(&name.place, "the data set")
            .hint(nearest_hint(&document.value, "documents", data.documents.keys().map(String::as_str)));
        diagnostics.push_unless_consequence(diagnostic);
    }
}

/// A scenario whose endpoints use a database has one.
pub(super) fn check_database(written: Written<'_>, diagnostics: &mut Diagnostics) {
    if written.scenario.postgres.is_some() {
        return;
    }
    let uses = written.uses();
    let mut hungry = uses.iter().filter(|found| found.endpoint.database.value != DatabaseUse::None);
    let Some(first) = hungry.next() else { return };
    let message = format!("endpoint `{}` uses a database, and the scenario has none", first.asked.value);
    let diagnostic = Diagnostic::at(Code::MissingPostgres, &first.asked.place, message)
        .label("needs a database")
        .also(&first.endpoint.database.place, format!("says `{}`", first.daemon.name))
        .hint("add a table `[postgres]` to the scenario; empty, it takes the defaults");
    diagnostics.push_unless_consequence(diagnostic);
}
