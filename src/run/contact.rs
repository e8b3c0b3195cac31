//! The first contact with every machine of the plan, all at once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::sync::mpsc::{self, UnboundedSender};

use crate::event::{Happening, Reason};
use crate::host::{Connection, Host, Link, LinkError};
use crate::plan::{Machine, Plan};
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
    let (order, shared) = if machines.len() > 1 {
        share(state).await?
    } else {
        (machines.iter().map(|machine| machine.name.clone()).collect(), BTreeMap::new())
    };
    stop_if_asked(state)?;
    let mut answers = greet(state, &order).await?;
    let mut failed = Vec::new();
    for machine in machines {
        let told = match (shared.get(&machine.name), answers.remove(&machine.name)) {
            (Some(other), _) => prepare::shares(state, machine, other),
            (None, Some(Ok(reply))) => prepare::welcome(state, machine, reply),
            (None, Some(Err(error))) => Err(RunError::Link(error)),
            (None, None) => Ok(()),
        };
        match told {
            Err(error @ (RunError::Link(_) | RunError::NotFit(_))) => failed.push(error),
            other => other?,
        }
    }
    all_failures(failed)
}

/// Opens the conversations, which is where machines are locked: in an order that is the same for all campaigns, whatever
/// they call the machines, so that of two that want the same ones one gets them all. An agent may wait for the one of an
/// earlier run to leave, and says so. After a refusal the others are asked all the same: nothing was changed yet, and
/// whoever mends one machine wants to hear of all.
async fn greet(
    state: &mut State<'_>,
    order: &[String],
) -> Result<BTreeMap<String, Result<Reply, LinkError>>, RunError> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut hellos = Vec::new();
    for name in order {
        let Some(machine) = state.campaign.plan.machine(name) else { continue };
        hellos.push((name.clone(), state.link(name)?, prepare::hello(state, machine)));
    }
    let answers = async move {
        let mut answers = BTreeMap::new();
        for (name, link, request) in hellos {
            let answer = ask_telling(&link, request, tell.clone()).await;
            answers.insert(name, answer);
        }
        answers
    };
    tokio::pin!(answers);
    loop {
        tokio::select! {
            answers = &mut answers => return Ok(answers),
            signal = state.campaign.stop.asked() => return Err(RunError::Interrupted(signal)),
            Some((machine, name, line)) = told.recv() => {
                state.emitter.emit(Happening::ProvisionProgress { machine, name, line })?;
            }
        }
    }
}

/// A line of progress: the machine, what it is about, the line.
type Line = (String, String, String);

/// Asks for something that may have to wait, telling what for.
pub(in crate::run) async fn ask_patiently(
    state: &mut State<'_>,
    link: &Link,
    request: Request,
) -> Result<Reply, RunError> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let answer = ask_telling(link, request, tell);
    tokio::pin!(answer);
    loop {
        tokio::select! {
            answer = &mut answer => return Ok(answer?),
            signal = state.campaign.stop.asked() => return Err(RunError::Interrupted(signal)),
            Some((machine, name, line)) = told.recv() => {
                state.emitter.emit(Happening::ProvisionProgress { machine, name, line })?;
            }
        }
    }
}

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
pub(in crate::run) fn all_failures(failed: Vec<RunError>) -> Result<(), RunError> {
    let mut reasons = failed.iter().map(RunError::reason);
    let Some(mut first) = reasons.next() else { return Ok(()) };
    for other in reasons {
        let Reason { message, hint, .. } = other;
        let hint = hint.map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
        first.detail.push(format!("and {message}{hint}"));
    }
    Err(RunError::NotFit(first))
}

/// The names whose agents are used, in the order of locking; and for each other name which of them it shares.
type Shared = (Vec<String>, BTreeMap<String, String>);

/// Has all names of one machine use the agent of the first.
async fn share(state: &mut State<'_>) -> Result<Shared, RunError> {
    let machines = &state.campaign.plan.machines;
    let links: Vec<Link> = machines.iter().map(|machine| state.link(&machine.name)).collect::<Result<_, _>>()?;
    let answers = join_all(links.iter().map(|link| link.ask(Request::Identify))).await;
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut places = Vec::new();
    let mut shared = BTreeMap::new();
    for ((machine, link), answer) in machines.iter().zip(links).zip(answers) {
        let Reply::Identity { identity, machine: own } = answer? else {
            return Err(RunError::Link(link.out_of_turn(&Reply::Done)));
        };
        places.push(NamePlace { name: machine.name.clone(), machine: own, identity: identity.clone() });
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
    if let Some(reason) = two_caches(state.campaign.plan, &places) {
        return Err(RunError::NotFit(reason));
    }
    // By what each machine says that it is, not by what this inventory calls it.
    Ok((owners.into_values().collect(), shared))
}

/// Where a name leads to: the machine, and with its state directory.
pub(in crate::run) struct NamePlace {
    pub name: String,
    pub machine: String,
    pub identity: String,
}

/// Names of one machine with different state directories have several agents there, of which none can tune what another
/// is at work on: told before anything is begun.
pub(in crate::run) fn two_caches(plan: &Plan, places: &[NamePlace]) -> Option<Reason> {
    let cluster = plan.database.as_ref().filter(|database| database.cluster.is_some());
    let changes = |name: &str| {
        plan.tuning.iter().any(|tuning| tuning.machine == name)
            || cluster.is_some_and(|database| database.machine == name)
    };
    let together = |one: &NamePlace, other: &NamePlace| !one.machine.is_empty() && one.machine == other.machine;
    let is_tuned = |one: &NamePlace| places.iter().any(|other| together(one, other) && changes(&other.name));
    let (one, other) = places.iter().enumerate().find_map(|(at, one)| {
        let other = places[at..].iter().find(|other| together(one, other) && one.identity != other.identity)?;
        is_tuned(one).then_some((&one.name, &other.name))
    })?;
    Some(Reason {
        code: "two-state-dirs".to_owned(),
        message: format!(
            "{one} and {other} are one machine with two state directories, and this campaign tunes it: it would keep \
             itself out"
        ),
        detail: Vec::new(),
        hint: Some(format!("give {one} and {other} the same `state_dir` in hosts.toml: they share one agent then")),
    })
}

/// Sends an agent home that has touched nothing.
async fn dismiss(surplus: Connected) {
    // One that is gone already is as good.
    let _ = surplus.link.ask(Request::Goodbye).await;
    drop(surplus.link);
    surplus.host.unwrap_or(Host::Elsewhere).wait().await;
}
