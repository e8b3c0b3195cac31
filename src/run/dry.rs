//! A dry run: every machine is reached and looked at, and nothing is changed. No hello is said, so no agent takes a lock,
//! sweeps, or makes a directory.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::event::Sum;
use crate::host::{Connection, Link, LinkError};
use crate::plan::{Machine, Plan};
use crate::preflight::{self, Difference, Seen};
use crate::run::RunError;
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
    let looks = plan.machines.iter().map(async |machine| {
        let Connection { host, link } = connect(machine).await?;
        let seen = look(plan, machine, &link).await;
        let left = link.ask(Request::Goodbye).await;
        drop(link);
        host.wait().await;
        left.and(seen)
    });
    let mut machines = BTreeMap::new();
    for (machine, seen) in plan.machines.iter().zip(join_all(looks).await) {
        machines.insert(machine.name.clone(), seen.map_err(|error| RunError::Link(error).before_changes())?);
    }
    let made = plan.machines.iter().filter_map(|machine| {
        let seen = machines.get(&machine.name).cloned()?;
        Some((machine.name.clone(), preflight::as_made(machine, seen)))
    });
    let sums = preflight::sums(plan, &made.collect());
    let differences = preflight::differences(plan, &machines);
    Ok(Looked { machines, sums, differences })
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
