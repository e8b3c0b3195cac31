//! `clean`: what outlives campaigns on each machine, shown, and removed where that is asked for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cli::arguments::{CleanArguments, Format};
use crate::cli::connect::Connector;
use crate::cli::error::Problem;
use crate::cli::main::print;
use crate::cli::{exit, files};
use crate::diagnostic::{Diagnostics, printable};
use crate::display;
use crate::host::{Connection, EngineKeeper, Known, Link, LinkError, Thing};
use crate::inventory::{self, Inventory, Source, read_inventory};
use crate::metric::short_bytes;
use crate::plan::lone_machine;
use crate::wire::{self, Failure, Kept, Reply, Request, Undone};

/// `clean`
pub fn clean(arguments: &CleanArguments, format: Format) -> Result<u8, Problem> {
    let mut diagnostics = Diagnostics::new();
    let inventory = read_inventory(&arguments.hosts, &mut diagnostics);
    files::show(&diagnostics, format)?;
    let Some(inventory) = inventory.filter(|_| !diagnostics.has_errors()) else {
        return Err(Problem::told(exit::WRONG_INPUT));
    };
    let cleaning = Cleaning { connector: Connector::new(&arguments.hosts, &run(), &[]), remove: arguments.yes };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let places = runtime.block_on(cleaning.all(&inventory));
    print(&match format {
        Format::Human => text(&places, arguments.yes),
        Format::Json => places.iter().map(Place::json).collect(),
    })?;
    let fine = places.iter().all(|place| place.problems.is_empty());
    Ok(if fine { exit::FINE } else { exit::NOT_FIT })
}

/// A look has a name too, as a run has.
fn run() -> String {
    format!("clean-{}", std::process::id())
}

/// A machine or an engine, and what is kept there.
struct Place {
    name: String,
    /// What an earlier run had left changed, and became of it at this contact.
    undone: Option<Undone>,
    lines: Vec<Line>,
    /// What went wrong, and what mends it.
    problems: Vec<(String, Option<String>)>,
}

/// Something that is kept.
struct Line {
    what: String,
    name: String,
    bytes: Option<u64>,
    /// Whether it is gone now.
    removed: bool,
    /// Why it is left alone.
    stays: Option<String>,
}

/// A place where an engine shall be, as the inventory says it, and what the inventory has there.
struct Found {
    said: Option<String>,
    known: Known,
}

/// What came of a look at a machine.
enum Asked {
    Kept(Spoken),
    /// It is the one of a place that was looked at before.
    Same(usize),
}

/// What an agent said.
struct Spoken {
    /// What its hello put back.
    undone: Option<Undone>,
    kept: Result<Vec<Kept>, LinkError>,
}

struct Cleaning {
    connector: Connector,
    remove: bool,
}

impl Cleaning {
    /// Machines one after the other: two names may be one machine, whose lock only one can have. Containers are not
    /// started for this: what is kept of them is on their engine.
    async fn all(&self, inventory: &Inventory) -> Vec<Place> {
        let mut places = Vec::new();
        // By what each agent says that it is: the first place that is the same one.
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut engines: BTreeMap<String, Found> = BTreeMap::new();
        for machine in &inventory.machines {
            let name = &machine.name.value;
            let Some(docker) = &machine.docker else {
                self.machine(machine, &mut places, &mut seen).await;
                continue;
            };
            let said = docker.engine.as_ref().map(|engine| engine.value.as_str());
            match EngineKeeper::place(said) {
                Ok(place) => {
                    let known = &mut engines.entry(place).or_insert_with(|| Found::at(said)).known;
                    known.machines.push(name.clone());
                    if let Source::Build(base) = &docker.source.value {
                        known.bases.push(base.clone());
                    }
                }
                Err(failure) => places.push(Place::wrong(format!("machine {name}"), failure)),
            }
        }
        places.extend(self.engines(engines).await);
        places
    }

    /// All engines are found before one is looked at: two places may be one engine, and what is known by either is known.
    async fn engines(&self, places: BTreeMap<String, Found>) -> Vec<Place> {
        let mut looked = Vec::new();
        let mut keepers: Vec<(String, EngineKeeper, Known)> = Vec::new();
        for (place, Found { said, known }) in places {
            match self.keeper(said.as_deref()).await {
                Err(failure) => looked.push(Place::wrong(engine_name(&place, &known), failure)),
                Ok(keeper) => {
                    let same = keepers.iter_mut().find(|(_, other, _)| other.identity() == keeper.identity());
                    let Some((_, _, all)) = same else {
                        keepers.push((place, keeper, known));
                        continue;
                    };
                    all.machines.extend(known.machines);
                    all.bases.extend(known.bases);
                    keeper.close().await;
                }
            }
        }
        for (place, keeper, known) in keepers {
            let name = engine_name(&place, &known);
            looked.push(match self.engine(&keeper, &known).await {
                Ok((lines, problems)) => Place { name, undone: None, lines, problems },
                Err(failure) => Place::wrong(name, failure),
            });
            keeper.close().await;
        }
        looked
    }

    async fn keeper(&self, said: Option<&str>) -> Result<EngineKeeper, Failure> {
        let sockets = self.connector.engine_sockets(said)?;
        EngineKeeper::open(said, sockets.as_deref()).await
    }

    async fn engine(
        &self,
        keeper: &EngineKeeper,
        known: &Known,
    ) -> Result<(Vec<Line>, Vec<(String, Option<String>)>), Failure> {
        let (mut lines, mut problems) = (Vec::new(), Vec::new());
        for thing in keeper.things(known).await? {
            let mut line = Line::of(&thing);
            if self.remove && thing.stays.is_none() {
                match keeper.remove(&thing).await {
                    Ok(()) => line.removed = true,
                    Err(failure) => problems.push((failure.message, failure.hint)),
                }
            }
            lines.push(line);
        }
        Ok((lines, problems))
    }

    /// Looks at a machine; one that was looked at under another name gets this name too, and nothing is told twice.
    async fn machine(&self, machine: &inventory::Machine, places: &mut Vec<Place>, seen: &mut BTreeMap<String, usize>) {
        let name = format!("machine {}", machine.name.value);
        places.push(match self.ask(machine, seen, places.len()).await {
            Ok(Asked::Kept(Spoken { undone, kept })) => {
                let mut place = match kept {
                    Ok(kept) => {
                        let lines = kept.into_iter().map(|kept| Line::kept(kept, self.remove)).collect();
                        Place { name, undone: None, lines, problems: Vec::new() }
                    }
                    Err(error) => Place::lost(name, error),
                };
                place.problems.extend(undone.iter().flat_map(still_changed));
                place.undone = undone;
                place
            }
            Ok(Asked::Same(place)) => {
                places[place].name += &format!(", {}", machine.name.value);
                return;
            }
            Err(error) => Place::lost(name, error),
        });
    }

    async fn ask(
        &self,
        machine: &inventory::Machine,
        seen: &mut BTreeMap<String, usize>,
        place: usize,
    ) -> Result<Asked, LinkError> {
        let planned = lone_machine(machine, &[]);
        let Connection { host, link } = self.connector.connect(&planned, &|_| {}).await?;
        let kept = match identity(&link).await {
            Ok(identity) => match seen.get(&identity) {
                Some(place) => Ok(Asked::Same(*place)),
                None => {
                    seen.insert(identity, place);
                    self.speak(&link).await.map(Asked::Kept)
                }
            },
            Err(error) => Err(error),
        };
        let left = link.ask(Request::Goodbye).await;
        drop(link);
        host.wait().await;
        let mut asked = kept?;
        if let Asked::Kept(spoken) = &mut asked
            && let (Ok(_), Err(error)) = (&spoken.kept, left)
        {
            spoken.kept = Err(error);
        }
        Ok(asked)
    }

    async fn speak(&self, link: &Link) -> Result<Spoken, LinkError> {
        let owner = format!("timetrial clean, process {}", std::process::id());
        let hello = Request::Hello { protocol: wire::PROTOCOL, run: run(), owner, ca_bundle: None, proxy: None };
        let Reply::Welcome { undone, .. } = link.ask(hello).await? else {
            return Err(link.out_of_turn(&Reply::Done));
        };
        let kept = match link.ask(if self.remove { Request::RemoveKept } else { Request::Kept }).await {
            Ok(Reply::Kept { kept }) => Ok(kept),
            Ok(other) => Err(link.out_of_turn(&other)),
            Err(error) => Err(error),
        };
        Ok(Spoken { undone, kept })
    }
}

/// Which machine an agent is on, with which state directory.
async fn identity(link: &Link) -> Result<String, LinkError> {
    match link.ask(Request::Identify).await? {
        Reply::Identity { identity, .. } => Ok(identity),
        other => Err(link.out_of_turn(&other)),
    }
}

/// What a dead agent had changed, and could not be put back at this contact.
fn still_changed(undone: &Undone) -> Vec<(String, Option<String>)> {
    let hint = "look at why it failed; `timetrial restore --hosts FILE` then tries again, and says what it does";
    display::still_changed(undone).into_iter().map(|line| (line, Some(hint.to_owned()))).collect()
}

fn engine_name(place: &str, known: &Known) -> String {
    format!("Docker engine {place} ({})", known.machines.join(", "))
}

impl Found {
    fn at(said: Option<&str>) -> Self {
        Self { said: said.map(str::to_owned), known: Known::default() }
    }
}

impl Place {
    fn wrong(name: String, failure: Failure) -> Self {
        let detail: String = failure.detail.iter().map(|line| format!(" | {line}")).collect();
        Self { name, undone: None, lines: Vec::new(), problems: vec![(failure.message + &detail, failure.hint)] }
    }

    fn lost(name: String, error: LinkError) -> Self {
        match error {
            LinkError::Refused { failure, .. } => Self::wrong(name, failure),
            LinkError::Unreachable { failure, .. } => Self::wrong(name, *failure),
            other => Self { name, undone: None, lines: Vec::new(), problems: vec![(other.to_string(), None)] },
        }
    }

    fn json(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(Line::json).collect();
        let problems: Vec<_> =
            self.problems.iter().map(|(problem, hint)| serde_json::json!({"problem": problem, "hint": hint})).collect();
        serde_json::json!({"name": self.name, "undone": self.undone, "kept": lines, "problems": problems}).to_string()
            + "\n"
    }
}

impl Line {
    fn of(thing: &Thing) -> Self {
        let what = thing.kind.words().to_owned();
        Self { what, name: thing.name.clone(), bytes: thing.bytes, removed: false, stays: thing.stays.clone() }
    }

    fn kept(kept: Kept, removed: bool) -> Self {
        let Kept { name, what, bytes, stays } = kept;
        Self { what, name, bytes: Some(bytes), removed: removed && stays.is_none(), stays }
    }

    fn json(&self) -> serde_json::Value {
        let Self { what, name, bytes, removed, stays } = self;
        serde_json::json!({"what": what, "name": name, "bytes": bytes, "removed": removed, "stays": stays})
    }

    fn text(&self) -> String {
        let size = self.bytes.map(|bytes| format!(", {}", short_bytes(bytes))).unwrap_or_default();
        let fate = match (&self.stays, self.removed) {
            (Some(why), _) => format!(" (left alone: {why})"),
            (None, true) => " (removed)".to_owned(),
            (None, false) => String::new(),
        };
        printable(&format!("{} {}{size}{fate}", self.what, self.name)).into_owned()
    }
}

fn text(places: &[Place], remove: bool) -> String {
    let mut text = String::new();
    for place in places {
        let _ = writeln!(text, "{}", printable(&place.name));
        for line in place.undone.iter().flat_map(display::left_undone) {
            let _ = writeln!(text, "  {line}");
        }
        for line in &place.lines {
            let _ = writeln!(text, "  {}", line.text());
        }
        if place.lines.is_empty() && place.undone.is_none() && place.problems.is_empty() {
            let _ = writeln!(text, "  nothing");
        }
        for (problem, hint) in &place.problems {
            let _ = writeln!(text, "  problem: {}", printable(problem));
            if let Some(hint) = hint {
                let _ = writeln!(text, "    (hint: {})", printable(hint));
            }
        }
    }
    let could_be = places.iter().flat_map(|place| &place.lines).any(|line| line.stays.is_none());
    if !remove && could_be {
        text +=
            "Nothing was removed. `timetrial clean --yes` removes it; the next campaign makes again what it needs.\n";
    }
    text
}
