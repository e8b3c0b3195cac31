//! Rules about load generators and daemons together: whether the one can load the other.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Placed};
use crate::plan::check::Written;
use crate::scenario::{Daemon, Round};
use crate::tool::{self, LoadTool, MULTIPLEXED};

/// The load generator of a round can load each of its daemons, in the way that is asked for.
pub(super) fn check_fitness(round: &Round, written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(tool) = tool::find(&round.load.tool.value) else { return };
    let daemons: Vec<&Daemon> = written.daemons_of(round).collect();
    let fits = |daemon: &&&Daemon| {
        tool.protocols().contains(&daemon.traits.protocol.value.as_str())
            && (daemon.traits.keep_alive.value || !tool.needs_keep_alive())
    };
    let unfit: Vec<&Daemon> = daemons.iter().filter(|daemon| !fits(daemon)).copied().collect();
    if !unfit.is_empty() {
        let fit: Vec<&Daemon> = daemons.iter().filter(fits).copied().collect();
        for daemon in unfit {
            diagnostics.push_unless_consequence(unfit_tool(round, tool, daemon, &fit));
        }
        return;
    }
    let Some(streams) = round.load.streams.as_ref().filter(|streams| streams.value > 1) else { return };
    let (message, place, why) = if !tool.multiplexes() {
        let message = format!("`{}` has one request under way on each connection", tool.name());
        (message, &round.load.tool.place, "sends one after the other")
    } else {
        let Some(plain) = daemons.iter().find(|daemon| daemon.traits.protocol.value != MULTIPLEXED) else { return };
        let protocol = &plain.traits.protocol;
        let message =
            format!("`{}` speaks {}, which has one request at a time on each connection", plain.name, protocol.value);
        (message, &protocol.place, protocol_label(protocol, "its protocol"))
    };
    let diagnostic = Diagnostic::at(Code::NeedlessStreams, &streams.place, message).label("can't be").also(place, why);
    let hint = format!("remove `streams`, or make a round of its own for the daemons of {MULTIPLEXED}");
    diagnostics.push_unless_consequence(diagnostic.hint(hint));
}

/// A default stands where its table begins, and should be told as one.
fn protocol_label(protocol: &Placed<String>, said: &'static str) -> &'static str {
    if protocol.place.text().contains(&protocol.value) { said } else { "HTTP/1.1 by default" }
}

fn unfit_tool(round: &Round, tool: &dyn LoadTool, daemon: &Daemon, fit: &[&Daemon]) -> Diagnostic {
    let (name, protocol) = (tool.name(), &daemon.traits.protocol);
    let speaks = |tool: &dyn LoadTool| tool.protocols().contains(&protocol.value.as_str());
    let (message, place, label) = if speaks(tool) {
        let message = format!("`{name}` can't load `{}`: it needs daemons that keep connections open", daemon.name);
        (message, &daemon.traits.keep_alive.place, "closes each one")
    } else {
        let message = format!("`{name}` can't load `{}`: it does not speak {}", daemon.name, protocol.value);
        (message, &protocol.place, protocol_label(protocol, "what the daemon speaks"))
    };
    let able =
        |tool: &&'static dyn LoadTool| speaks(*tool) && (daemon.traits.keep_alive.value || !tool.needs_keep_alive());
    let others: Vec<String> =
        tool::names().filter_map(tool::find).filter(able).map(|tool| format!("`{}`", tool.name())).collect();
    let mut hints = Vec::new();
    if !fit.is_empty() {
        let names: Vec<String> = fit.iter().map(|daemon| format!("\"{}\"", daemon.name)).collect();
        hints.push(format!("write daemons = [{}] in this round", names.join(", ")));
    }
    if !others.is_empty() {
        hints.push(format!("take {} in a round for `{}`", others.join(" or "), daemon.name));
    }
    Diagnostic::at(Code::UnfitTool, &round.load.tool.place, message)
        .label("can't load it")
        .also(place, label)
        .hint(hints.join(", and "))
}
