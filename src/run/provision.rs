//! Has every machine get what it needs into its cache: machines side by side, on each one thing after the other.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::future::try_join_all;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::event::Happening;
use crate::host::{Link, LinkError};
use crate::plan::{Provision, ProvisionKind};
use crate::run::campaign::State;
use crate::run::emitter::millis;
use crate::run::error::RunError;
use crate::wire::{BuildRequest, Reply, Request};

/// What one agent is asked for, in order.
struct Agenda<'a> {
    link: Link,
    provisions: Vec<&'a Provision>,
}

/// Has every machine get what it needs.
pub async fn all(state: &mut State<'_>) -> Result<(), RunError> {
    let agendas = agendas(state)?;
    let (tell, mut told) = unbounded_channel();
    let inputs = state.campaign.inputs;
    let requirements = |name: &str| String::from_utf8_lossy(inputs.get(name).map_or(&[], Vec::as_slice)).into_owned();
    let stop = state.campaign.stop.clone();
    let work = try_join_all(agendas.into_iter().map(|agenda| agenda.carry_out(&requirements, tell.clone())));
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            biased;
            Some(happening) = told.recv() => keep(state, happening)?,
            result = &mut work => break result,
            signal = stop.asked() => return Err(RunError::Interrupted(signal)),
        }
    };
    drain(state, &mut told)?;
    Ok(result.map(|_| ())?)
}

/// One agenda for each agent, however many names its machine has.
fn agendas<'a>(state: &State<'a>) -> Result<Vec<Agenda<'a>>, RunError> {
    let mut agendas: Vec<Agenda<'a>> = Vec::new();
    for provision in &state.campaign.plan.provisions {
        let link = state.link(&provision.machine)?;
        match agendas.iter_mut().find(|agenda| agenda.link.is_same(&link)) {
            Some(agenda) => agenda.provisions.push(provision),
            None => agendas.push(Agenda { link, provisions: vec![provision] }),
        }
    }
    Ok(agendas)
}

fn drain(state: &mut State<'_>, told: &mut UnboundedReceiver<Happening>) -> Result<(), RunError> {
    while let Ok(happening) = told.try_recv() {
        keep(state, happening)?;
    }
    Ok(())
}

fn keep(state: &mut State<'_>, happening: Happening) -> Result<(), RunError> {
    if let Happening::ProvisionFinished { name, digest, versions, .. } = &happening {
        state.digests.insert(name.clone(), digest.clone());
        state.versions.insert(name.clone(), versions.clone());
    }
    Ok(state.emitter.emit(happening)?)
}

impl Agenda<'_> {
    async fn carry_out(
        self,
        requirements: &impl Fn(&str) -> String,
        tell: UnboundedSender<Happening>,
    ) -> Result<(), LinkError> {
        let mut digests: BTreeMap<&str, String> = BTreeMap::new();
        // Whoever listens is gone only when the campaign ends early: then nobody needs to hear it.
        let tell = |happening| {
            let _ = tell.send(happening);
        };
        for provision in &self.provisions {
            let digest = |name: &str| digests.get(name).cloned().unwrap_or_default();
            let request = provision_request(provision, &digest, requirements);
            let what = asked(&provision.what);
            let (machine, name) = (provision.machine.clone(), provision.name.clone());
            let begun = Instant::now();
            tell(Happening::ProvisionStarted { machine: machine.clone(), name: name.clone(), what });
            let reply = self.ask(&machine, request, &tell).await?;
            let Reply::Provisioned { digest, reused, bytes, versions, .. } = reply else {
                return Err(self.link.out_of_turn(&reply));
            };
            digests.insert(&provision.name, digest.clone());
            let took_ms = millis(begun);
            tell(Happening::ProvisionFinished { machine, name, digest, reused, bytes, took_ms, versions });
        }
        Ok(())
    }

    /// Asks for something long, passing its progress on.
    async fn ask(&self, machine: &str, request: Request, tell: &impl Fn(Happening)) -> Result<Reply, LinkError> {
        let mut progress = self.link.progress().await;
        let reply = self.link.ask(request);
        tokio::pin!(reply);
        loop {
            tokio::select! {
                reply = &mut reply => return reply,
                Some((name, line)) = progress.recv() => {
                    tell(Happening::ProvisionProgress { machine: machine.to_owned(), name, line });
                }
            }
        }
    }
}

/// What the agent is asked for a provision, once those that it needs have their digests.
pub fn provision_request(
    provision: &Provision,
    digest: &impl Fn(&str) -> String,
    requirements: &impl Fn(&str) -> String,
) -> Request {
    let name = provision.name.clone();
    match provision.what.clone() {
        ProvisionKind::PackageRoot { suite, packages } => Request::PackageRoot { name, suite, packages },
        ProvisionKind::BuildRoot { suite, packages } => Request::BuildRoot { name, suite, packages },
        ProvisionKind::Venv { root, interpreter, requirements: file, build, .. } => {
            let build = build.map(|build| BuildRequest { root: digest(&build.root), sources: build.sources });
            Request::Venv { name, root: digest(&root), interpreter, requirements: requirements(&file), build }
        }
    }
}

/// What is asked for, in words.
fn asked(what: &ProvisionKind) -> String {
    match what {
        ProvisionKind::PackageRoot { suite, packages } => format!("packages {} of {suite}", packages.join(", ")),
        ProvisionKind::BuildRoot { suite, packages } => {
            format!("packages {} of {suite}, to build with", packages.join(", "))
        }
        ProvisionKind::Venv { interpreter, requirements, .. } => format!("{interpreter} with {requirements}"),
    }
}
