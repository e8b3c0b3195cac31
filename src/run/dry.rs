//! A dry run: every machine is reached and looked at, and nothing is changed. No hello is said, so no agent takes a lock,
//! sweeps, or makes a directory.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::event::Sum;
use crate::host::{Connection, Link, LinkError};
use crate::plan::{Machine, Plan};
use crate::preflight::{self, Difference, Seen};
use crate::run::RunError;
use crate::run::contact::{NamePlace, all_failures, two_caches};
use crate::run::tuning::look_request;
use crate::wire::{Reply, Request};

/// What a dry run saw.
#[derive(Debug)]
pub struct Looked {
    /// Each machine.
    pub machines: BTreeMap<String, Seen>,
    /// The sums.
    pub sums: Vec<Sum>,
    /// What tuning would change.
    pub differences: Vec<Difference>,
}

/// Looks at every machine of a plan.
pub async fn dry_run<C>(plan: &Plan, connect: C) -> Result<Looked, RunError>
where
    C: AsyncFn(&Machine) -> Result<Connection, LinkError>,
{
    let mut connections = Vec::new();
    let mut failed = Vec::new();
    let reached = join_all(plan.machines.iter().map(async |machine| connect(machine).await)).await;
    for (machine, connection) in plan.machines.iter().zip(reached) {
        match connection {
            Ok(connection) => connections.push((machine, connection)),
            Err(error) => failed.push(RunError::Link(error)),
        }
    }
    let looked = match all_failures(failed) {
        Err(error) => Err(error),
        Ok(()) => look_at_all(plan, &connections).await,
    };
    let leaving = connections.into_iter().map(async |(_, Connection { host, link })| {
        let left = link.ask(Request::Goodbye).await;
        drop(link);
        host.wait().await;
        left.map(drop)
    });
    let left = join_all(leaving).await.into_iter().collect::<Result<(), LinkError>>();
    let unfit = |error| RunError::Link(error).before_changes();
    let (one, looks) = looked.map_err(RunError::before_changes)?;
    left.map_err(unfit)?;
    let undone = |seen: &Seen| preflight::as_undone(seen.clone());
    let before: BTreeMap<String, Seen> = looks.iter().map(|(name, seen)| (name.clone(), undone(seen))).collect();
    let made = one.machines.iter().filter_map(|machine| {
        Some((machine.name.clone(), preflight::as_made(machine, before.get(&machine.name).cloned()?)))
    });
    let sums = preflight::sums(&one, &made.collect());
    let differences = preflight::differences(&one, &before);
    Ok(Looked { machines: looks, sums, differences })
}

/// The plan with one name for each machine, and what was seen of each.
async fn look_at_all(
    plan: &Plan,
    connections: &[(&Machine, Connection)],
) -> Result<(Plan, BTreeMap<String, Seen>), RunError> {
    let shared = if connections.len() > 1 { shared(plan, connections).await? } else { BTreeMap::new() };
    let one = preflight::as_one(plan, &shared);
    let owners = connections.iter().filter(|(machine, _)| !shared.contains_key(&machine.name));
    let looks = owners.map(async |(machine, Connection { link, .. })| {
        let seen = look(&one, machine, link).await?;
        Ok::<_, LinkError>((machine.name.clone(), seen))
    });
    let (mut seen, mut failed) = (BTreeMap::new(), Vec::new());
    for look in join_all(looks).await {
        match look {
            Ok((name, look)) => drop(seen.insert(name, look)),
            Err(error) => failed.push(RunError::Link(error)),
        }
    }
    all_failures(failed).map(|()| (one, seen))
}

/// Each name of a machine that another name led to before, and that other.
async fn shared(plan: &Plan, connections: &[(&Machine, Connection)]) -> Result<BTreeMap<String, String>, RunError> {
    let answers = join_all(connections.iter().map(|(_, connection)| connection.link.ask(Request::Identify))).await;
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut shared = BTreeMap::new();
    let mut places = Vec::new();
    for ((machine, connection), answer) in connections.iter().zip(answers) {
        let Reply::Identity { identity, machine: own } = answer? else {
            return Err(RunError::Link(connection.link.out_of_turn(&Reply::Done)));
        };
        places.push(NamePlace { name: machine.name.clone(), machine: own, identity: identity.clone() });
        match owners.get(&identity) {
            Some(owner) => {
                shared.insert(machine.name.clone(), owner.clone());
            }
            None => {
                owners.insert(identity, machine.name.clone());
            }
        }
    }
    two_caches(plan, &places).map_or(Ok(shared), |reason| Err(RunError::NotFit(reason)))
}

async fn look(plan: &Plan, machine: &Machine, link: &Link) -> Result<Seen, LinkError> {
    let look = match link.ask(look_request(plan, &machine.name)).await? {
        Reply::Look(look) => *look,
        other => return Err(link.out_of_turn(&other)),
    };
    let facts = match link.ask(Request::ReadFacts).await? {
        Reply::Facts(facts) => *facts,
        other => return Err(link.out_of_turn(&other)),
    };
    let mut seen = Seen { look, facts };
    preflight::complete(plan, machine, &mut seen);
    Ok(seen)
}
