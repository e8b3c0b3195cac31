//! `run`: a whole campaign, wired: plan, agents, store, display, report.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::rc::Rc;

use jiff::Timestamp;

use crate::cli::arguments::{Format, RunArguments};
use crate::cli::connect::Connector;
use crate::cli::error::Problem;
use crate::cli::{consent, exit, files, signals, stored};
use crate::diagnostic::printable;
use crate::display::{Display, Style};
use crate::event::{Recorder, Write};
use crate::plan::{Machine, Plan, input_name};
use crate::run::{Campaign, Resumed, RunError, StopHandle, Summary, run as run_campaign, stop_channel};
use crate::store::{Controller, RunWriter, run_id};

/// Joins the store and the display: what happens is kept first, and shown then in any case.
struct Wired<'a> {
    store: &'a mut RunWriter,
    display: &'a RefCell<Display>,
}

impl Recorder for Wired<'_> {
    fn write(&mut self, write: Write<'_>) -> std::io::Result<()> {
        let event = match &write {
            Write::Event(event) => Some(*event),
            Write::File { .. } => None,
        };
        let written = self.store.write(write);
        // Shown also where it can't be kept: what is put back on the machines concerns whoever looks, store or no store.
        if let Some(event) = event {
            self.display.borrow_mut().show(event);
        }
        written
    }
}

/// `run`
pub fn run(arguments: &RunArguments, format: Format) -> Result<u8, Problem> {
    let (project, diagnostics) = files::load(&arguments.files, format)?;
    if format == Format::Human {
        files::show(&diagnostics, format)?;
    }
    let plan = files::make_plan(&project)?;
    let run = run_id(Timestamp::now(), &plan.scenario, salt());
    let connector = Connector::new(&project.inventory.place.file.path, &run, &project.inputs);
    let inputs: BTreeMap<String, Vec<u8>> =
        project.inputs.into_iter().map(|file| (input_name(&file.name), file.bytes)).collect();
    let ready = Ready::new(&plan, &run, &inputs, &connector, arguments.yes, format)?;
    let store = &arguments.store.directory;
    let unmade = |error: std::io::Error| {
        let error =
            anyhow::Error::new(error).context(format!("can't make the run directory {}", store.join(&run).display()));
        Problem::new(exit::WRONG_INPUT, error).hint("choose a store that can be written with --store DIR")
    };
    let mut writer = RunWriter::create(store, &run, &plan, &inputs).map_err(unmade)?;
    writer.controller(&controller(&project.inventory.place.file.path, &ready.owner)).map_err(unmade)?;
    ready.carry_out(writer, None)
}

/// A campaign that can begin, or go on, once its record is there.
pub struct Ready<'a> {
    plan: &'a Plan,
    run: &'a str,
    inputs: &'a BTreeMap<String, Vec<u8>>,
    connector: &'a Connector,
    certificates: BTreeMap<String, String>,
    /// Whether the user is asked before this machine is changed.
    asks: bool,
    format: Format,
    /// Who runs it.
    pub owner: String,
    /// What shows it.
    pub display: Rc<RefCell<Display>>,
}

impl<'a> Ready<'a> {
    /// Sees that the user agrees, or can be asked, and that all files for the machines are there.
    pub fn new(
        plan: &'a Plan,
        run: &'a str,
        inputs: &'a BTreeMap<String, Vec<u8>>,
        connector: &'a Connector,
        agreed: bool,
        format: Format,
    ) -> Result<Self, Problem> {
        let asks = consent::needed(plan, agreed)?;
        let certificates = connector.certificates(&plan.machines)?;
        let display = Rc::new(RefCell::new(Display::new(style(format))));
        Ok(Self { plan, run, inputs, connector, certificates, asks, format, owner: owner(run), display })
    }

    /// Carries it out, up to the exit code.
    pub fn carry_out(self, mut writer: RunWriter, resumed: Option<&Resumed>) -> Result<u8, Problem> {
        let directory = writer.directory().to_owned();
        let (handle, stop) = stop_channel();
        let confirm = consent::asker(&self.display);
        let campaign = Campaign {
            plan: self.plan,
            run: self.run,
            inputs: self.inputs,
            certificates: &self.certificates,
            owner: self.owner,
            confirm: self.asks.then_some(&confirm),
            stop,
            resumed,
        };
        let mut wired = Wired { store: &mut writer, display: &self.display };
        let summary = in_runtime(&campaign, handle, self.connector, &mut wired)?;
        finish(&directory, writer, &summary, self.format)
    }
}

/// What whoever resumes the run must know of this process.
pub fn controller(hosts: &Path, owner: &str) -> Controller {
    let hosts = std::path::absolute(hosts).unwrap_or_else(|_| hosts.to_owned());
    let timetrial = env!("CARGO_PKG_VERSION").to_owned();
    Controller { timetrial, hosts: hosts.to_string_lossy().into_owned(), owner: owner.to_owned() }
}

/// How events are shown in this format.
fn style(format: Format) -> Style {
    match format {
        Format::Json => Style::Json,
        Format::Human if std::io::stderr().is_terminal() => Style::Bar,
        Format::Human => Style::Plain,
    }
}

/// Four digits that differ between two runs of one second.
fn salt() -> u16 {
    let nanos = Timestamp::now().subsec_nanosecond().unsigned_abs();
    (nanos ^ std::process::id()) as u16
}

/// Runs a campaign, and minds what the user sends it meanwhile.
fn in_runtime(
    campaign: &Campaign<'_>,
    handle: StopHandle,
    connector: &Connector,
    recorder: &mut Wired<'_>,
) -> Result<Summary, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let display = recorder.display;
    let say = |line: &str| display.borrow().say(&printable(line));
    let connect = async |machine: &Machine| connector.connect(machine, &say).await;
    runtime.block_on(async {
        tokio::select! {
            // First: until it was asked once, a signal just kills.
            biased;
            error = signals::watch(handle, |line| display.borrow().say(line)) => Err(match error {
                Err(error) => Problem::from(error),
                Ok(()) => Problem::told(exit::FAILED),
            }),
            summary = async {
                let summary = run_campaign(campaign, recorder, connect).await;
                connector.close().await.iter().for_each(|line| say(line));
                summary
            } => Ok(summary),
        }
    })
}

/// Who runs the campaign, for the machines' locks.
pub fn owner(run: &str) -> String {
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown user".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!(
        "{user}@{}, process {}, run {run}, since {}",
        host.trim(),
        std::process::id(),
        Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ")
    )
}

/// The manifest, the report, the last words, and the exit code.
fn finish(directory: &Path, writer: RunWriter, summary: &Summary, format: Format) -> Result<u8, Problem> {
    if !matches!(summary.error, Some(RunError::Record(_))) {
        writer.complete().map_err(|error| {
            Problem::new(exit::FAILED, anyhow::Error::new(error).context("can't complete the run's record"))
        })?;
    }
    let code = match &summary.error {
        // Where the record could not be written, no page can be either.
        Some(RunError::Record(error)) => {
            let error =
                anyhow::anyhow!("{error}").context(format!("can't write the record in {}", directory.display()));
            return Err(Problem::new(exit::FAILED, error)
                .hint("the run was stopped, and what was written before is kept; is the disk full?"));
        }
        Some(RunError::Interrupted(_)) => exit::INTERRUPTED,
        Some(RunError::NotFit(_)) => exit::NOT_FIT,
        Some(_) => exit::FAILED,
        None if summary.failed > 0 => exit::FAILED,
        None => exit::FINE,
    };
    // Neither "interrupted" nor "nothing was changed" says that a machine is not what it was.
    let code = if summary.left.is_empty() { code } else { exit::FAILED };
    // How the run ended weighs more than a page that can't be written.
    let keep = |problem: Problem| if code == exit::FINE { problem } else { problem.with_code(code) };
    let invalid = stored::after_run(directory, format).map_err(keep)?;
    Ok(if code == exit::FINE && invalid { exit::INVALID } else { code })
}
