//! The first contact with every machine of the plan, all at once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::sync::mpsc::{self, UnboundedSender};

use crate::event::{Happening, Reason};
use crate::host::{Connection, Host, Link, LinkError};
use crate::plan::Machine;
use crate::run::campaign::{Connected, State, stop_if_asked};
use crate::run::error::RunError;
use crate::run::prepare;
use crate::wire::{Reply, Request};

/// Starts an agent on every machine and opens the conversations. Two names that lead to one machine share one agent.
pub async fn all<C>(state: &mut State<'_>, connect: C) -> Result<(), RunError>
where
    C: AsyncFn(&Machine) -> Result<Connection, LinkError>,
{
    let machines = &state.campaign.plan.machines;
    let connections = tokio::select! {
        connections = join_all(machines.iter().map(async |machine| connect(machine).await)) => connections,
        signal = state.campaign.stop.asked() => return Err(RunError::Interrupted(signal)),
    };
    let mut failed = Vec::new();
    for (machine, connection) in machines.iter().zip(connections) {
        match connection {
            Ok(Connection { host, link }) => {
                state.machines.insert(machine.name.clone(), Connected { link, host: Some(host) });
            }
            Err(error) => failed.push(RunError::Link(error)),
        }
    }
    all_failures(failed)?;
    let shared = if machines.len() > 1 { share(state).await? } else { BTreeMap::new() };
    stop_if_asked(state)?;
    let mut answers = greet(state, &shared).await?;
    let mut failed = Vec::new();
    for machine in machines {
        let told = match (shared.get(&machine.name), answers.remove(&machine.name)) {
            (Some(other), _) => prepare::shares(state, machine, other),
            (None, Some(Ok(reply))) => prepare::welcome(state, machine, reply),
            (None, Some(Err(error))) => Err(RunError::Link(error)),
            (None, None) => Ok(()),
        };
        match told {
            Err(error @ RunError::Link(_)) => failed.push(error),
            other => other?,
        }
    }
    all_failures(failed)
}

/// Opens all conversations at once: an agent may wait for the one of an earlier run to leave, and says so.
async fn greet(
    state: &mut State<'_>,
    shared: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Result<Reply, LinkError>>, RunError> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let owners = state.campaign.plan.machines.iter().filter(|machine| !shared.contains_key(&machine.name));
    let mut hellos = Vec::new();
    for machine in owners {
        let (link, request, tell) = (state.link(&machine.name)?, prepare::hello(state, machine), tell.clone());
        hellos.push(async move { (machine.name.clone(), ask_telling(&link, request, tell).await) });
    }
    let answers = join_all(hellos);
    tokio::pin!(answers);
    loop {
        tokio::select! {
            answers = &mut answers => return Ok(answers.into_iter().collect()),
            signal = state.campaign.stop.asked() => return Err(RunError::Interrupted(signal)),
            Some((machine, name, line)) = told.recv() => {
                state.emitter.emit(Happening::ProvisionProgress { machine, name, line })?;
            }
        }
    }
}

/// A line of progress: the machine, what it is about, the line.
type Line = (String, String, String);

/// Asks for something long, passing its progress on.
async fn ask_telling(link: &Link, request: Request, tell: UnboundedSender<Line>) -> Result<Reply, LinkError> {
    let mut progress = link.progress().await;
    let reply = link.ask(request);
    tokio::pin!(reply);
    loop {
        tokio::select! {
            reply = &mut reply => return reply,
            Some((name, line)) = progress.recv() => {
                // Nobody listens any more when the user stops the campaign.
                let _ = tell.send((link.machine().to_owned(), name, line));
            }
        }
    }
}

/// Nothing was changed yet, so whoever mends one machine wants to hear of all of them.
fn all_failures(failed: Vec<RunError>) -> Result<(), RunError> {
    let mut reasons = failed.iter().map(RunError::reason);
    let Some(mut first) = reasons.next() else { return Ok(()) };
    for other in reasons {
        let Reason { message, hint, .. } = other;
        let hint = hint.map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
        first.detail.push(format!("and {message}{hint}"));
    }
    Err(RunError::NotFit(first))
}

/// Has all names of one machine use the agent of the first; tells for each other name which that is.
async fn share(state: &mut State<'_>) -> Result<BTreeMap<String, String>, RunError> {
    let machines = &state.campaign.plan.machines;
    let links: Vec<Link> = machines.iter().map(|machine| state.link(&machine.name)).collect::<Result<_, _>>()?;
    let answers = join_all(links.iter().map(|link| link.ask(Request::Identify))).await;
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut shared = BTreeMap::new();
    for ((machine, link), answer) in machines.iter().zip(links).zip(answers) {
        let Reply::Identity { identity } = answer? else {
            return Err(RunError::Link(link.out_of_turn(&Reply::Done)));
        };
        let Some(owner) = owners.get(&identity) else {
            owners.insert(identity, machine.name.clone());
            continue;
        };
        let link = state.link(owner)?;
        shared.insert(machine.name.clone(), owner.clone());
        if let Some(surplus) = state.machines.insert(machine.name.clone(), Connected { link, host: None }) {
            dismiss(surplus).await;
        }
    }
    Ok(shared)
}

/// Sends an agent home that has touched nothing.
async fn dismiss(surplus: Connected) {
    // One that is gone already is as good.
    let _ = surplus.link.ask(Request::Goodbye).await;
    drop(surplus.link);
    surplus.host.unwrap_or(Host::Elsewhere).wait().await;
}
