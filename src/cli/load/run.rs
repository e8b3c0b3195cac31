//! Carries out `load`.

use std::net::IpAddr;

use crate::cli::arguments::Format;
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::load::arguments::LoadArguments;
use crate::cli::load::find;
use crate::cli::load::machine::{self, Machine};
use crate::cli::load::output::{Files, Seconds, say};
use crate::cli::load::read::{Wanted, read};
use crate::cli::load::resolve::resolve;
use crate::cli::load::signals::{self, STOP};
use crate::cli::load::wrong::Found;
use crate::cli::main::print;
use crate::diagnostic::{printable, printable_lines};
use crate::loadgen::drive::{self, StartError};
use crate::loadgen::lines::{StartLine, json};
use crate::loadgen::settings::{Address, Settings};
use crate::loadgen::times_line::of_line;
use crate::loadgen::{hgrm, result, text};
use crate::metric::LoadResult;

/// `load`
pub fn load(arguments: &LoadArguments, format: Format) -> Result<u8, Problem> {
    let machine = Machine::look();
    let mut found = Found::default();
    let Some(mut wanted) = decided(arguments, &machine, &mut found) else {
        say(found.text().trim_end());
        return Err(Problem::told(exit::WRONG_INPUT));
    };
    let resolved = resolve(&wanted.url, arguments.unix.as_ref())?;
    wanted.settings.target.addresses = vec![resolved.address];
    found.warnings.extend(machine::port_exhaustion(&wanted.settings, &machine));
    let mut files = Files::open(arguments)?;
    for warning in &found.warnings {
        say(&format!("warning: {}", printable(warning)));
    }
    if let Some(note) = resolved.note.filter(|_| format == Format::Human) {
        say(&format!("note: {}", printable(&note)));
    }
    signals::listen()?;
    if let Some(search) = &wanted.search {
        return find::find(&wanted.settings, search, format, &mut files);
    }
    let One { result, per_second, problem } = one(&wanted.settings, &found.warnings, format, &mut files)?;
    match format {
        Format::Json => print(&json(&result))?,
        Format::Human => print(&printable_lines(&text::of(&result, &per_second, arguments.latency)))?,
    }
    if let Ok(times) = of_line(&result.latency) {
        files.percentiles(&hgrm::of(&times))?;
    }
    match problem {
        // What was measured is told all the same.
        Some(error) => Err(error.into()),
        None => Ok(code(&result)),
    }
}

/// All that can be decided and refused before anything is contacted.
fn decided(arguments: &LoadArguments, machine: &Machine, found: &mut Found) -> Option<Wanted> {
    let wanted = read(arguments, machine, found)?;
    machine::check(&wanted.settings, arguments.unix.is_none(), machine, found);
    found.is_fine().then_some(wanted)
}

/// What came of one load.
pub struct One {
    /// Its result.
    pub result: LoadResult,
    /// The answers of each whole second.
    pub per_second: Vec<u64>,
    /// What could not be written of its seconds.
    pub problem: Option<std::io::Error>,
}

/// One load.
pub fn one(settings: &Settings, warnings: &[String], format: Format, files: &mut Files) -> Result<One, Problem> {
    if format == Format::Json {
        print(&json(&StartLine::of(settings, warnings)))?;
    }
    let mut seconds = Seconds::of(settings, format, files);
    let load = drive::run(settings, &STOP, &mut |second| seconds.take(second));
    let (per_second, problem) = seconds.end();
    let load = load.map_err(|error| not_started(error, settings))?;
    Ok(One { result: result::of(settings, &load), per_second, problem })
}

/// The exit code of a result.
pub fn code(result: &LoadResult) -> u8 {
    if STOP.is_asked() {
        exit::INTERRUPTED
    } else if result.requests.succeeded_count == 0 {
        exit::FAILED
    } else if !result.is_valid {
        exit::INVALID
    } else {
        exit::FINE
    }
}

fn not_started(error: StartError, settings: &Settings) -> Problem {
    let hint = match &error {
        StartError::NoConnection { hint, .. } | StartError::Machine { hint, .. } => hint.clone(),
    };
    let code = if STOP.is_asked() { exit::INTERRUPTED } else { exit::FAILED };
    let problem = Problem::new(code, error);
    match hint.or_else(|| usual_hint(settings)) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn usual_hint(settings: &Settings) -> Option<String> {
    match settings.target.addresses.first()? {
        Address::Tcp(address) if is_everywhere(address.ip()) => {
            Some("that address is for listening: write the one of a machine".to_owned())
        }
        _ => None,
    }
}

fn is_everywhere(address: IpAddr) -> bool {
    address.is_unspecified()
}
