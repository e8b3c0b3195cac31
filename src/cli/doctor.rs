//! `doctor`: what this binary and each machine are and lack, with what mends it.

use std::fmt::Write as _;
use std::path::Path;

use futures_util::future::join_all;

use crate::cli::arguments::{DoctorArguments, Format};
use crate::cli::connect::Connector;
use crate::cli::error::Problem;
use crate::cli::main::print;
use crate::cli::{exit, files};
use crate::diagnostic::{Diagnostics, printable};
use crate::display;
use crate::host::{Connection, Link, LinkError};
use crate::inventory::{self, read_inventory};
use crate::metric::short_bytes;
use crate::plan::check::{InputFile, read_bases};
use crate::plan::lone_machine;
use crate::wire::{self, ClusterAsked, ClusterLook, Facts, Failure, Reply, Request, Undone};

/// `doctor`
pub fn doctor(arguments: &DoctorArguments, format: Format) -> Result<u8, Problem> {
    let mut diagnostics = Diagnostics::new();
    let inventory = read_inventory(&arguments.hosts, &mut diagnostics);
    let folder = arguments.hosts.parent().unwrap_or(Path::new(""));
    let bases = inventory.as_ref().map(|inventory| read_bases(folder, inventory, &mut diagnostics)).unwrap_or_default();
    files::show(&diagnostics, format)?;
    let Some(inventory) = inventory.filter(|_| !diagnostics.has_errors()) else {
        return Err(Problem::told(exit::WRONG_INPUT));
    };
    let mut found = vec![binary()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connector = Connector::new(&arguments.hosts, &run(), &bases);
    let looks = inventory.machines.iter().map(|machine| look(&connector, machine, &bases));
    let (looked, left) = runtime.block_on(async { (join_all(looks).await, connector.close().await) });
    found.extend(looked);
    left.iter().for_each(|line| tell(line));
    let fit = found.iter().all(|one| one.problems.is_empty());
    print(&match format {
        Format::Human => found.iter().map(Found::text).collect::<String>(),
        Format::Json => found.iter().map(|one| one.json() + "\n").collect::<String>(),
    })?;
    Ok(if fit { exit::FINE } else { exit::NOT_FIT })
}

/// What was found of one thing.
struct Found {
    name: String,
    lines: Vec<String>,
    /// What is wrong, and what mends it.
    problems: Vec<(String, String)>,
}

impl Found {
    fn text(&self) -> String {
        let mut text = format!("{}\n", printable(&self.name));
        for line in &self.lines {
            let _ = writeln!(text, "  {}", printable(line));
        }
        for (problem, remedy) in &self.problems {
            let _ = writeln!(text, "  problem: {}\n    (hint: {})", printable(problem), printable(remedy));
        }
        text
    }

    fn json(&self) -> String {
        let problems: Vec<_> =
            self.problems.iter().map(|(problem, hint)| serde_json::json!({"problem": problem, "hint": hint})).collect();
        serde_json::json!({"name": self.name, "facts": self.lines, "problems": problems}).to_string()
    }
}

/// The command that builds a binary which runs on any machine of its architecture.
const BUILD: &str = "cargo build --release, in the project's folder: its .cargo/config.toml links statically";

fn binary() -> Found {
    let is_static = cfg!(target_feature = "crt-static");
    let path = std::env::current_exe().map_or_else(|_| "unknown path".to_owned(), |path| path.display().to_string());
    let lines = vec![path, format!("{}, {}", std::env::consts::ARCH, if is_static { "static" } else { "not static" })];
    let mut problems = Vec::new();
    if !is_static {
        problems.push(("this binary is not static: it can't be sent to other machines".to_owned(), BUILD.to_owned()));
    }
    Found { name: format!("timetrial {}", env!("CARGO_PKG_VERSION")), lines, problems }
}

async fn look(connector: &Connector, machine: &inventory::Machine, bases: &[InputFile]) -> Found {
    let name = format!("machine {}", machine.name.value);
    match read(connector, machine, bases).await {
        Ok(Seen { facts, place, swept, undone, cluster }) => {
            let mut lines = facts.as_ref().map(|facts| lines(facts, &place)).unwrap_or_default();
            lines.extend(swept.iter().map(|left| format!("left by a dead agent, removed: {left}")));
            lines.extend(undone.iter().flat_map(display::left_undone));
            let own = facts.map_or_else(|error| vec![problem_of(error)], |facts| problems(&facts));
            let changed = undone.iter().flat_map(still_changed).collect();
            let (fine, unfit) = cluster.map_or((None, None), postgresql);
            lines.extend(fine);
            Found {
                name,
                lines,
                problems: [changed, own, unfit.into_iter().collect(), missing_tools(machine)].concat(),
            }
        }
        Err(error) => Found { name, lines: Vec::new(), problems: vec![problem_of(error)] },
    }
}

/// The machine's own PostgreSQL: that a campaign can use it, or why it can't.
fn postgresql(look: ClusterLook) -> (Option<String>, Option<(String, String)>) {
    let Some(refused) = look.refused else {
        let version = look.settings.get("server_version").map_or("unknown", String::as_str);
        return (Some(format!("PostgreSQL {}, which campaigns use: version {version}", look.name)), None);
    };
    let hint = refused.hint.unwrap_or_else(|| "remove `postgresql` from the machine in hosts.toml".to_owned());
    (None, Some((refused.message, hint)))
}

/// What a dead agent had changed, and could not be put back at this contact.
fn still_changed(undone: &Undone) -> Vec<(String, String)> {
    let hint = "look at why it failed; `timetrial restore --hosts FILE` then tries again, and says what it does";
    display::still_changed(undone).into_iter().map(|line| (line, hint.to_owned())).collect()
}

/// A failure with its own hint, where it has one.
fn problem_of(error: LinkError) -> (String, String) {
    let general = "ask again; `timetrial run` says the same, and changes nothing before this is mended";
    let whole = |failure: Failure| {
        let lines: String = failure.detail.iter().map(|line| format!(" | {line}")).collect();
        (failure.message + &lines, failure.hint.unwrap_or_else(|| general.to_owned()))
    };
    match error {
        LinkError::Refused { failure, .. } => whole(failure),
        LinkError::Unreachable { failure, .. } => whole(*failure),
        other => (other.to_string(), general.to_owned()),
    }
}

/// On this machine, the programs that the inventory names are looked for.
fn missing_tools(machine: &inventory::Machine) -> Vec<(String, String)> {
    if machine.transport.value != inventory::Transport::Local {
        return Vec::new();
    }
    let missing = machine.tools.iter().filter(|(_, path)| !Path::new(&path.value).exists());
    let told = missing.map(|(tool, path)| {
        let problem = format!("hosts.toml names {} for {tool}, and it is not there", path.value);
        (problem, format!("build {tool} there, or take the line out of `tools`"))
    });
    told.collect()
}

struct Seen {
    /// They may fail after the hello, which has told already what it did.
    facts: Result<Facts, LinkError>,
    place: String,
    swept: Vec<String>,
    undone: Option<Undone>,
    cluster: Option<ClusterLook>,
}

async fn read(connector: &Connector, machine: &inventory::Machine, bases: &[InputFile]) -> Result<Seen, LinkError> {
    let planned = lone_machine(machine, bases);
    let Connection { host, link } = connector.connect(&planned, &tell).await?;
    let mut seen = ask(&link, machine).await;
    if let Ok(seen) = &mut seen {
        seen.swept.extend_from_slice(host.swept());
    }
    // It leaves whatever it said: it has made its work directory, and takes it away again.
    let left = link.ask(Request::Goodbye).await;
    drop(link);
    host.wait().await;
    let mut seen = seen?;
    if let (Ok(_), Err(error)) = (&seen.facts, left) {
        seen.facts = Err(error);
    }
    Ok(seen)
}

/// A look has a name too, as a run has.
fn run() -> String {
    format!("doctor-{}", std::process::id())
}

/// What takes long is told at once; what was found is the result.
fn tell(line: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), format!("{}\n", printable(line)).as_bytes());
}

async fn ask(link: &Link, machine: &inventory::Machine) -> Result<Seen, LinkError> {
    let run = run();
    let owner = format!("timetrial doctor, process {}", std::process::id());
    let hello = Request::Hello { protocol: wire::PROTOCOL, run, owner, ca_bundle: None, proxy: None };
    let (place, swept, undone) = match link.ask(hello).await? {
        Reply::Welcome { state_dir, swept, undone, .. } => (state_dir, swept, undone),
        other => return Err(link.out_of_turn(&other)),
    };
    let facts = match link.ask(Request::ReadFacts).await {
        Ok(Reply::Facts(facts)) => Ok(*facts),
        Ok(other) => Err(link.out_of_turn(&other)),
        Err(error) => Err(error),
    };
    let mut cluster = None;
    if let (Some(own), Ok(_)) = (&machine.postgresql, &facts) {
        let asked = ClusterAsked { name: own.value.cluster.value.clone(), port: own.value.port.value };
        let look = Request::Look { settings: Vec::new(), cluster: Some(asked) };
        cluster = match link.ask(look).await? {
            Reply::Look(look) => look.cluster,
            other => return Err(link.out_of_turn(&other)),
        };
    }
    Ok(Seen { facts, place, swept, undone, cluster })
}

fn lines(facts: &Facts, place: &str) -> Vec<String> {
    let unknown = || "unknown".to_owned();
    let bytes = |bytes: Option<u64>| bytes.map_or_else(unknown, short_bytes);
    let mut lines = vec![
        format!(
            "{}, kernel {}",
            facts.distribution.clone().unwrap_or_else(unknown),
            facts.kernel.clone().unwrap_or_else(unknown)
        ),
        format!("{} x {}, {}", facts.cpus, facts.cpu_model.clone().unwrap_or_else(unknown), facts.architecture),
        format!("memory {}, {} available", bytes(facts.memory_bytes), bytes(facts.memory_available_bytes)),
        format!("cache in {place}, {} free", bytes(facts.disk_free_bytes)),
        if facts.nameless {
            format!("daemons run as user {}, which has no name: no PostgreSQL can be made here", facts.user)
        } else {
            format!("daemons run as {}", facts.user)
        },
    ];
    lines
        .extend(facts.virtualization.iter().map(|kind| format!("{kind}: its neighbours can be heard in every figure")));
    lines.extend(facts.cpu_governor.iter().map(|governor| format!("frequency governor {governor}")));
    lines.extend(facts.cpu_turbo.iter().map(|turbo| format!("turbo {turbo}")));
    lines
}

fn problems(facts: &Facts) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    if !facts.missing.is_empty() {
        let remedy = "packages are resolved by Debian's own apt: use a Debian machine, or daemons with `system = true`";
        problems.push((format!("missing: {}", facts.missing.join(", ")), remedy.to_owned()));
    }
    const ROOM: u64 = 2_000_000_000;
    if let Some(free) = facts.disk_free_bytes.filter(|free| *free < ROOM) {
        problems.push((
            format!("{} free, a campaign wants {}", short_bytes(free), short_bytes(ROOM)),
            "free some space, or set `state_dir`".to_owned(),
        ));
    }
    problems
}
