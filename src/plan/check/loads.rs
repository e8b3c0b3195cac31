//! Rules about load shapes: what the load generator can do.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, duration_words, nearest_hint};
use crate::scenario::Load;
use crate::tool::{self, LoadRequest, LoadTool, Pace};

/// A load must be one that its load generator can make.
pub(super) fn check_load(load: &Load, diagnostics: &mut Diagnostics) {
    let Some(tool) = tool::find(&load.tool.value) else {
        let message = format!("there is no load generator `{}`", load.tool.value);
        let hint = nearest_hint(&load.tool.value, "load generators", tool::names());
        let diagnostic = Diagnostic::at(Code::UnknownTool, &load.tool.place, message).label("unknown");
        diagnostics.push_unless_consequence(diagnostic.hint(hint));
        return;
    };
    check_connections(load, tool, diagnostics);
    check_rate(load, tool, diagnostics);
    check_timeout(load, tool, diagnostics);
    let shortest = tool.shortest_for(&request(load));
    if load.duration.value < shortest {
        let (name, shortest) = (tool.name(), duration_words(shortest));
        let message = format!("`{name}` needs at least {shortest} for figures worth reading");
        let diagnostic = Diagnostic::at(Code::TooShort, &load.duration.place, message)
            .label("too short")
            .also(&load.tool.place, "this load generator")
            .hint(format!("write duration = \"{shortest}\" or more"));
        diagnostics.push_unless_consequence(diagnostic);
    }
}

/// The load as the tool will be asked for it; where it goes to does not matter here.
fn request(load: &Load) -> LoadRequest {
    LoadRequest {
        url: String::new(),
        threads: load.threads.value,
        connections: load.connections.value,
        duration: load.duration.value,
        timeout: load.timeout.value,
        rate: load.rate.as_ref().map(|rate| rate.value as f64),
        start_at_us: None,
        // What daemons speak is held against the tool where they are known.
        protocol: String::new(),
        streams: load.streams.as_ref().map_or(1, |streams| streams.value),
    }
}

fn check_rate(load: &Load, tool: &dyn LoadTool, diagnostics: &mut Diagnostics) {
    let name = tool.name();
    let others = || {
        let names: Vec<_> = tool::names()
            .filter_map(tool::find)
            .filter(|tool| tool.pace().keeps_a_rate())
            .map(|tool| format!("`{}`", tool.name()))
            .collect();
        names.join(", ")
    };
    match (&load.rate, tool.pace()) {
        (Some(rate), Pace::ClosedLoop) => {
            let message = format!("`{name}` has no rate: each connection sends as soon as it has an answer");
            let diagnostic = Diagnostic::at(Code::NeedlessRate, &rate.place, message)
                .label("has no effect")
                .also(&load.tool.place, "a closed loop")
                .hint(format!("remove `rate`, or take a load generator that keeps one: {}", others()));
            diagnostics.push_unless_consequence(diagnostic);
        }
        (None, Pace::OpenLoop) => {
            let message = format!("`{name}` needs a rate");
            let diagnostic = Diagnostic::at(Code::MissingRate, &load.tool.place, message)
                .label("sends at a rate")
                .hint("add rate = 500 (requests per second over all connections)");
            diagnostics.push_unless_consequence(diagnostic);
        }
        _ => {}
    }
}

/// A time limit that has no effect would be believed all the same.
fn check_timeout(load: &Load, tool: &dyn LoadTool, diagnostics: &mut Diagnostics) {
    // A default has no place of its own.
    if tool.has_time_limit() || load.timeout.place == load.place {
        return;
    }
    let message = format!("`{}` knows no late answers: it waits for each one until the load ends", tool.name());
    let diagnostic = Diagnostic::at(Code::NeedlessTimeout, &load.timeout.place, message)
        .label("has no effect")
        .also(&load.tool.place, "has no time limit")
        .hint("remove `timeout`");
    diagnostics.push_unless_consequence(diagnostic);
}

fn check_connections(load: &Load, tool: &dyn LoadTool, diagnostics: &mut Diagnostics) {
    let (threads, connections) = (load.threads.value, load.connections.value);
    if threads == 0 || connections.is_multiple_of(threads) {
        return;
    }
    // A default has no place of its own to point at.
    let (by, is_default) = if load.threads.place == load.place { (", the default", true) } else { ("", false) };
    let mut point = |diagnostic: Diagnostic| {
        let pointed = if is_default { diagnostic } else { diagnostic.also(&load.threads.place, "threads") };
        diagnostics.push_unless_consequence(pointed);
    };
    if connections < threads {
        let message = format!("connections = {connections} is too few for {threads} threads{by}");
        let diagnostic = Diagnostic::at(Code::FewerConnectionsThanThreads, &load.connections.place, message)
            .label("each thread needs one")
            .hint(format!("write threads = {connections}, or at least connections = {threads}"));
        return point(diagnostic);
    }
    let real = tool.connections_used(&request(load));
    if real == connections {
        return;
    }
    let message =
        format!("{threads} threads{by} do not divide {connections} connections evenly: only {real} will be opened");
    let diagnostic = Diagnostic::at(Code::UnevenConnections, &load.connections.place, message)
        .warning()
        .label(format!("really {real}"))
        .hint(format!("write connections = {real} or {}", real.saturating_add(threads)));
    point(diagnostic);
}
