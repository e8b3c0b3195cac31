//! The arguments. Help texts come from the comments here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::agent::Shim;
use crate::cli::bench::LoadBenchArguments;
use crate::cli::load::arguments::{HistArguments, LoadArguments};
use crate::cli::truth::TruthArguments;

/// Trustworthy end-to-end benchmarks of network daemons
///
/// One command runs a whole campaign: it provisions machines, starts each daemon afresh for each trial, loads it, keeps
/// every raw output, and reports. Nothing is installed, and every machine ends as it was found.
#[derive(Debug, Parser)]
#[command(name = "timetrial", version, max_term_width = 120, propagate_version = true)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// What messages look like: for people, or JSON lines for programs
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub message_format: Format,
}

/// What messages look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Human,
    /// JSON, for programs
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find every problem in the files, without contacting a machine
    Check(Files),
    /// Print every trial and every change, in order, with an estimate; contacts nothing
    Plan(Files),
    /// Run the whole campaign
    Run(RunArguments),
    /// Go on with a run that was cut off or stopped
    ///
    /// Its unfinished trials are run by its own plan and inputs. Finished trials are not run again, and their files do not change. The machines must be what they were: another
    /// kernel, processor, memory or package is told, and nothing is measured. A trial that was cut off is run again; what
    /// it left is kept beside it.
    Resume(ResumeArguments),
    /// Say what the machines of an inventory are and lack, with what mends it
    ///
    /// An agent looks at each machine. It makes its cache folder if there is none, and sweeps what a dead agent left, as
    /// any contact does.
    Doctor(DoctorArguments),
    /// Show what outlives campaigns on the machines of an inventory, and remove it
    ///
    /// Package roots, virtual environments, images that were built, and what a dead controller left. Everything of it is
    /// made again by the next campaign that needs it.
    Clean(CleanArguments),
    /// Put machines back as they were, where an agent died before it could
    ///
    /// Every contact does it by itself; this does nothing else. It shows what it puts back, reads it back, and does
    /// nothing the second time.
    Restore(RestoreArguments),
    /// End the campaign that holds a machine, by the id of its lock
    ///
    /// Its agent stops what runs, puts the machine back, and leaves; its campaign fails with that.
    Unlock(UnlockArguments),
    /// List the runs in the store
    List(Store),
    /// Show a run: its figures, verdicts, and what failed
    Show(OneRun),
    /// Make a run's report again: HTML, Markdown, CSV, JSON
    Report(OneRun),
    /// List the referee's rules
    Rules,
    /// Load a server over HTTP, on time, with every error counted
    ///
    /// The built-in load generator. With -R it is an open loop: requests are due by a schedule, and latency counts from when
    /// they were due. What it can't vouch for it calls INVALID, with the reason. wrk's and wrk2's flags mean the same here.
    Load(Box<LoadArguments>),
    /// Work with histograms of loads: merge those of several clients
    Hist(HistArguments),
    /// Measure our own speed and cost, beside others in the same run
    Bench(BenchArguments),
    /// Print or write the JSON Schemas of our files and of the lines of a load
    Schema {
        /// Write them into this directory instead
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command
    Man {
        /// Write the pages of all commands into this directory instead
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
    /// A server whose behaviour is known, for holding load generators against it
    ///
    /// It does on purpose what servers do on bad days, counts all of it, and ends by itself. Its first line says where it
    /// listens, its last one what it did.
    #[command(hide = true)]
    Truth(TruthArguments),
    /// Our binary at work on a machine; started by a controller
    #[command(hide = true)]
    Agent {
        /// Where it keeps its cache and its work
        #[arg(long)]
        state_dir: Option<PathBuf>,
    },
    /// Ends what a dead agent left in a work directory, as the user that daemons run as; started by an agent
    #[command(hide = true)]
    Sweep {
        /// The work directory
        work: PathBuf,
    },
    /// Says its limit of open files; started by an agent
    #[command(hide = true)]
    Limit,
    /// The moment between the agent and a program it starts
    #[command(hide = true)]
    Exec(Shim),
}

/// The files of a campaign.
#[derive(Debug, Args)]
pub struct Files {
    /// The scenario file
    pub scenario: PathBuf,
    /// The inventory; hosts.toml of the project folder if not said
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// The project folder; the nearest one upward from the scenario that holds hosts.toml or daemons/ if not said
    #[arg(long, value_name = "DIR")]
    pub project: Option<PathBuf>,
}

/// What a run needs.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Its files
    #[command(flatten)]
    pub files: Files,
    /// The store
    #[command(flatten)]
    pub store: Store,
    /// Only reach the machines and look: print the sums and every difference that tuning would make
    ///
    /// Nothing is changed: no lock is taken, nothing is swept or undone. Our program is put where it is not yet, and a
    /// machine that is a container is made and removed.
    #[arg(long)]
    pub dry_run: bool,
    /// Agree beforehand to the changes that tuning makes on this machine
    ///
    /// Without it they are shown and confirmed on a terminal; elsewhere such a campaign is refused.
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Which machines to put back.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The inventory
    #[arg(long, value_name = "FILE", default_value = "hosts.toml")]
    pub hosts: PathBuf,
}

/// Which lock to break.
#[derive(Debug, Args)]
pub struct UnlockArguments {
    /// The machine
    pub machine: String,
    /// The id of its lock, as the refusal names it
    #[arg(long, value_name = "ID")]
    pub id: String,
    /// The inventory
    #[arg(long, value_name = "FILE", default_value = "hosts.toml")]
    pub hosts: PathBuf,
}

/// The store.
#[derive(Debug, Args)]
pub struct Store {
    /// The results store
    #[arg(long = "store", value_name = "DIR", default_value = "reports")]
    pub directory: PathBuf,
}

/// A run of the store.
#[derive(Debug, Args)]
pub struct OneRun {
    /// Its id, a unique beginning of it, its path, or `latest`
    #[arg(default_value = "latest")]
    pub run: String,
    /// The store
    #[command(flatten)]
    pub store: Store,
}

/// What to go on with.
#[derive(Debug, Args)]
pub struct ResumeArguments {
    /// The run
    #[command(flatten)]
    pub run: OneRun,
    /// Where the inventory is now, if its folder was moved
    ///
    /// Only its folder counts, where relative paths of keys and certificates begin. What it says is not read again: the run
    /// has a copy.
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// Agree beforehand to the changes that tuning makes on this machine
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// What to look at.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// The inventory
    #[arg(long, value_name = "FILE", default_value = "hosts.toml")]
    pub hosts: PathBuf,
}

/// What to clean.
#[derive(Debug, Args)]
pub struct CleanArguments {
    /// The inventory
    #[arg(long, value_name = "FILE", default_value = "hosts.toml")]
    pub hosts: PathBuf,
    /// Remove it; without this it is only shown
    #[arg(long)]
    pub yes: bool,
}

/// What to measure.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArguments {
    /// One of the benches; trials if not said
    #[command(subcommand)]
    pub what: Option<Bench>,
    /// Those of the first
    #[command(flatten)]
    pub trials: TrialsArguments,
}

/// The benches.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// What a trial costs beyond its load, beside a shell script that does the same by hand
    Trials(TrialsArguments),
    /// Our load generator beside wrk, wrk2, oha, h2load and ab, against servers whose behaviour is known
    ///
    /// It needs two processors of a quiet machine. nginx, wrk, h2load and ab are taken from the PATH, or into the cache;
    /// wrk2 and oha are named. With everything it takes about half an hour.
    Load(LoadBenchArguments),
    /// The check of 1, 8 and 32 machines behind ssh, beside the same check by Ansible
    ///
    /// Each machine is an sshd of its own on an address of the loopback, with a state directory of its own. It needs sshd,
    /// and Ansible for the comparison.
    Machines(MachinesArguments),
    /// Tuning this machine and putting it back, beside Ansible with the same settings
    ///
    /// It changes five settings of this machine that nothing depends on, and puts them back whatever happens. It needs root,
    /// and Ansible with its collection ansible.posix for the comparison.
    Tuning(TuningArguments),
}

/// How trials are measured.
#[derive(Debug, Args)]
pub struct TrialsArguments {
    /// The scenario whose Flask daemon is used
    #[arg(default_value = "scenarios/quickstart.toml")]
    pub scenario: PathBuf,
    /// The inventory; hosts.toml of the project folder if not said
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// Rounds; each runs every peer once, in turn
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
}

/// How tuning is measured.
#[derive(Debug, Args)]
pub struct TuningArguments {
    /// Rounds; each runs every peer once, in turn
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
    /// The folder of Ansible's programs, if they are not on the PATH
    #[arg(long, value_name = "DIR")]
    pub ansible: Option<PathBuf>,
}

/// How checks of machines are measured.
#[derive(Debug, Args)]
pub struct MachinesArguments {
    /// Rounds; each runs every peer once, in turn
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
    /// The folder of Ansible's programs, if they are not on the PATH
    #[arg(long, value_name = "DIR")]
    pub ansible: Option<PathBuf>,
    /// The first port that the sshd's listen on
    #[arg(long, default_value_t = 22_010)]
    pub port: u16,
}
