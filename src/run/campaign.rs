//! The whole campaign, from the first contact to the last goodbye.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Happening, Moment, Outcome, Reason, Recorder};
use crate::host::{Connection, Host, Link, LinkError};
use crate::plan::{Machine, Plan};
use crate::preflight;
use crate::run::emitter::Emitter;
use crate::run::error::{RunError, TrialError};
use crate::run::{Confirm, Resumed, StopSignal, contact, network, prepare, provision, release, resume, trial, tuning};
use crate::wire::{Reply, Request};

/// What a campaign works with.
pub struct Campaign<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The run's id.
    pub run: &'a str,
    /// The bytes of the input files, by their names in the plan.
    pub inputs: &'a BTreeMap<String, Vec<u8>>,
    /// Certificates for downloads, by the machines that they are for.
    pub certificates: &'a BTreeMap<String, String>,
    /// Who runs it, for the machines' locks.
    pub owner: String,
    /// Asks the user before this machine is changed; none where that is agreed already.
    pub confirm: Option<&'a Confirm>,
    /// The user's wish to stop.
    pub stop: StopSignal,
    /// What was done before, where a run goes on.
    pub resumed: Option<&'a Resumed>,
}

/// How a campaign ended.
#[derive(Debug)]
pub struct Summary {
    /// Trials with figures.
    pub measured: usize,
    /// Trials that went wrong, some of them perhaps after their load.
    pub failed: usize,
    /// Trials not begun, and the one that the user stopped.
    pub not_run: usize,
    /// What ended it early.
    pub error: Option<RunError>,
    /// Each machine that was left changed, or may have been: it weighs more than how the campaign ended.
    pub left: Vec<Reason>,
}

/// A machine in the campaign.
pub(in crate::run) struct Connected {
    pub link: Link,
    /// None where it shares the agent of another name.
    pub host: Option<Host>,
}

/// The campaign under way.
pub(in crate::run) struct State<'a> {
    pub campaign: &'a Campaign<'a>,
    pub emitter: Emitter<'a>,
    pub machines: BTreeMap<String, Connected>,
    /// Digests of what was provisioned, by provision name.
    pub digests: BTreeMap<String, String>,
    /// Package versions of what was provisioned, by provision name.
    pub versions: BTreeMap<String, BTreeMap<String, String>>,
    pub database: Option<String>,
    /// What was set, as read back, by machine.
    pub tuned: BTreeMap<String, BTreeMap<String, String>>,
    /// The limit of open files that what is started has, soft and hard, as read back, by machine.
    pub open_files: BTreeMap<String, (u64, u64)>,
    /// Machines on which settings were begun to be made, or their own PostgreSQL to be prepared: if such a one's agent is
    /// lost, nobody knows what it left.
    pub touched: BTreeSet<String>,
    /// Where each machine's agent has the run's work directory.
    pub work_dirs: BTreeMap<String, String>,
}

impl State<'_> {
    /// The plan, with one name for each machine: for what is asked of a machine whatever it is called.
    pub fn as_one(&self) -> Plan {
        preflight::as_one(self.campaign.plan, &self.shared())
    }

    /// Each name that shares the agent of another, and that other.
    pub fn shared(&self) -> BTreeMap<String, String> {
        let owner = |link: &Link| {
            let mut owners = self.machines.iter().filter(|(_, other)| other.host.is_some());
            Some(owners.find(|(_, other)| other.link.is_same(link))?.0.clone())
        };
        let names = self.machines.iter().filter(|(_, machine)| machine.host.is_none());
        names.filter_map(|(name, machine)| Some((name.clone(), owner(&machine.link)?))).collect()
    }

    /// The link to a machine of the plan.
    pub fn link(&self, machine: &str) -> Result<Link, RunError> {
        let unknown = || LinkError::Lost { machine: machine.to_owned(), why: "it was never connected".to_owned() };
        Ok(self.machines.get(machine).ok_or_else(unknown)?.link.clone())
    }
}

/// Carries out the plan. What went wrong is in the summary; the machines are left clean in any case. An error of the
/// recorder is the only one that can't be recorded.
pub async fn run<C>(campaign: &Campaign<'_>, recorder: &mut dyn Recorder, connect: C) -> Summary
where
    C: AsyncFn(&Machine) -> Result<Connection, LinkError>,
{
    let mut state = State {
        campaign,
        emitter: resume::emitter(campaign.resumed, recorder),
        machines: BTreeMap::new(),
        digests: BTreeMap::new(),
        versions: BTreeMap::new(),
        database: None,
        tuned: BTreeMap::new(),
        open_files: BTreeMap::new(),
        touched: BTreeSet::new(),
        work_dirs: BTreeMap::new(),
    };
    let mut summary = resume::summary(campaign);
    let mut error = carry_out(&mut state, connect, &mut summary).await.err();
    if let Some(RunError::Interrupted(signal)) = &error {
        let signal = signal.clone();
        error = state.emitter.emit(Happening::Interrupted { signal }).err().map(RunError::Record).or(error);
    }
    if error.is_some() && !campaign.stop.is_hurried() {
        // What the database said may be why. Whatever goes wrong now, the first error is the one to tell.
        let _ = prepare::keep_database_log(&mut state).await;
    }
    // Machines are released whatever happened, and a record that can't be written does not keep us from it.
    let released = release::all(&mut state).await;
    summary.left = released.left;
    // The first error is the one to tell; what was left changed is told beside it, whatever that was.
    let is_told = |reason: &&Reason| {
        error.is_none() && matches!(&released.error, Some(RunError::Broken(told)) if told == *reason)
    };
    let beside: Vec<String> = summary.left.iter().filter(|reason| !is_told(reason)).map(in_a_line).collect();
    let told = beside.into_iter().map(|message| state.emitter.emit(Happening::Warning { message }));
    let told = told.fold(Ok(()), Result::and);
    summary.error = error.or(released.error).or(told.err().map(RunError::Record));
    if let Err(failed) = finish(&mut state, &summary) {
        summary.error.get_or_insert(RunError::Record(failed));
    }
    summary
}

/// A reason with all that belongs to it.
fn in_a_line(reason: &Reason) -> String {
    let detail: String = reason.detail.iter().map(|line| format!("; {line}")).collect();
    let hint = reason.hint.iter().map(|hint| format!(" (hint: {hint})")).collect::<String>();
    format!("{}{detail}{hint}", reason.message)
}

fn finish(state: &mut State<'_>, summary: &Summary) -> std::io::Result<()> {
    let outcome = match &summary.error {
        None => Outcome::Measured,
        Some(RunError::Interrupted(_)) => Outcome::Interrupted,
        Some(error) => Outcome::Failed { reason: error.reason() },
    };
    let Summary { measured, failed, not_run, .. } = *summary;
    state.emitter.emit(Happening::CampaignFinished { outcome, measured, failed, not_run })
}

async fn carry_out<C>(state: &mut State<'_>, connect: C, summary: &mut Summary) -> Result<(), RunError>
where
    C: AsyncFn(&Machine) -> Result<Connection, LinkError>,
{
    let plan = state.campaign.plan;
    state.emitter.emit(resume::beginning(state.campaign))?;
    get_fit(state, connect).await.map_err(RunError::before_changes)?;
    prepare::sources(state).await?;
    prepare::database(state).await?;
    for planned in plan.trials.iter().filter(|trial| resume::is_left(state.campaign, trial)) {
        stop_if_asked(state)?;
        summary.not_run -= 1;
        let result = trial::run(state, planned).await;
        *count_of(summary, &result, state.emitter.has_measured(&planned.id)) += 1;
        if let Err(TrialError::Fatal(error)) = result {
            return Err(error);
        }
    }
    tuning::verify(state).await?;
    prepare::stop_database(state).await?;
    network::check(state, Moment::After).await?;
    prepare::facts(state, "after").await.map(drop)
}

/// Where a trial counts. One with figures was measured, also if it went wrong after its load; one that the user stopped
/// did not fail.
fn count_of<'a>(summary: &'a mut Summary, result: &Result<(), TrialError>, has_figures: bool) -> &'a mut usize {
    match result {
        Ok(()) => &mut summary.measured,
        Err(TrialError::Fatal(RunError::Interrupted(_))) if has_figures => &mut summary.measured,
        Err(TrialError::Fatal(RunError::Interrupted(_))) => &mut summary.not_run,
        Err(_) => &mut summary.failed,
    }
}

/// Everything before the first trial's own work: contact, facts, ports, sums, the cache, tuning, and the network as tuned.
async fn get_fit<C>(state: &mut State<'_>, connect: C) -> Result<(), RunError>
where
    C: AsyncFn(&Machine) -> Result<Connection, LinkError>,
{
    contact::all(state, connect).await?;
    let seen = tuning::look(state).await?;
    prepare::ports_free(state).await?;
    tuning::reckon(state, &seen)?;
    provision::all(state).await?;
    resume::same_provisions(state)?;
    tuning::agree(state, &seen).await?;
    tuning::apply(state, &seen).await?;
    if resume::network_is_checked(state.campaign) { Ok(()) } else { network::check(state, Moment::Before).await }
}

pub(in crate::run) fn stop_if_asked(state: &State<'_>) -> Result<(), RunError> {
    state.campaign.stop.has_asked().map_or(Ok(()), |signal| Err(RunError::Interrupted(signal)))
}

/// Waits for an agent's answer, or for the user's wish to stop.
pub(in crate::run) async fn ask(state: &State<'_>, link: &Link, request: Request) -> Result<Reply, RunError> {
    tokio::select! {
        reply = link.ask(request) => Ok(reply?),
        signal = state.campaign.stop.asked() => Err(RunError::Interrupted(signal)),
    }
}
