//! Finds runs in the store and reads them back, whole or cut off.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::event::{Event, Happening, paths};
use crate::metric::LoadFigures;
use crate::plan::{self, Plan};
use crate::store::attempts::lasting;
use crate::store::write::{FORMAT, Manifest, digest_all};
use crate::store::{RunState, Seen, StoredRun, StoredTrial};
use crate::wire::Facts;

/// Why a run can't be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such run.
    #[error("no run `{wanted}` in {store}")]
    NoSuchRun {
        /// What was asked for.
        wanted: String,
        /// Where it was looked for.
        store: String,
    },
    /// A prefix of several.
    #[error("`{wanted}` is the beginning of {} runs: {}", .runs.len(), .runs.join(", "))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// The runs.
        runs: Vec<String>,
    },
    /// A file of it.
    #[error("can't read {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// Made by a newer version.
    #[error("{path} has format {found}, and this version of timetrial reads up to {known}")]
    Newer {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
}

/// The ids of all runs, oldest first: they begin with their time.
pub fn list(store: &Path) -> Vec<String> {
    let entries = fs::read_dir(store).into_iter().flatten().flatten();
    let is_run = |path: &PathBuf| path.join(paths::PLAN).exists();
    let runs = entries.map(|entry| entry.path()).filter(is_run);
    let mut ids: Vec<String> = runs.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    ids.sort();
    ids
}

/// The directory of a run: an id, a unique beginning of one, a path, or `latest`.
pub fn locate(store: &Path, wanted: &str) -> Result<PathBuf, StoreError> {
    let ids = list(store);
    let none = || StoreError::NoSuchRun { wanted: wanted.to_owned(), store: store.display().to_string() };
    if wanted == "latest" {
        return ids.last().map(|id| store.join(id)).ok_or_else(none);
    }
    if ids.iter().any(|id| id == wanted) {
        return Ok(store.join(wanted));
    }
    let path = Path::new(wanted);
    if path.join(paths::PLAN).exists() {
        return Ok(path.to_owned());
    }
    let begun: Vec<&String> = ids.iter().filter(|id| !wanted.is_empty() && id.starts_with(wanted)).collect();
    match begun.as_slice() {
        [] => Err(none()),
        [one] => Ok(store.join(one)),
        several => Err(StoreError::Ambiguous {
            wanted: wanted.to_owned(),
            runs: several.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// Reads a run.
pub fn open(directory: &Path) -> Result<StoredRun, StoreError> {
    let plan = read_plan(&directory.join(paths::PLAN))?;
    let events = read_events(&directory.join(paths::EVENTS))?;
    let state = state(directory, &events)?;
    let mut facts: BTreeMap<String, BTreeMap<String, Facts>> = BTreeMap::new();
    for machine in &plan.machines {
        for when in ["before", "after"] {
            if let Some(read) = read_json_if_there(&directory.join(paths::facts(&machine.name, when)))? {
                facts.entry(machine.name.clone()).or_default().insert(when.to_owned(), read);
            }
        }
    }
    let trials = trials(directory, &plan, &events)?;
    let id = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(StoredRun { id, directory: directory.to_owned(), plan, events, trials, facts, state })
}

/// What is not as it was when the run was completed; nothing for a run without a manifest.
pub fn damage(directory: &Path) -> Result<Vec<String>, StoreError> {
    let path = directory.join(paths::COMPLETE);
    let Some(Versioned { format }) = read_json_if_there(&path)? else { return Ok(Vec::new()) };
    not_newer(&path, format, FORMAT)?;
    let manifest: Manifest = read_json(&path)?;
    let mut now = BTreeMap::new();
    digest_all(directory, directory, &mut now).map_err(|error| file_error(directory, &error))?;
    let changed = manifest.files.iter().filter_map(|(path, digest)| match now.get(path) {
        None => Some(format!("{path} is missing")),
        Some(found) if found != digest => Some(format!("{path} was changed")),
        Some(_) => None,
    });
    let added = now.keys().filter(|path| !manifest.files.contains_key(*path)).map(|path| format!("{path} was added"));
    Ok(changed.chain(added).collect())
}

fn file_error(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::File { path: path.display().to_string(), why: why.to_string() }
}

#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

fn read_plan(path: &Path) -> Result<Plan, StoreError> {
    // The version first: a newer plan may have anything else in it.
    let Versioned { format } = read_json(path)?;
    not_newer(path, format, plan::FORMAT)?;
    read_json(path)
}

fn not_newer(path: &Path, found: u32, known: u32) -> Result<(), StoreError> {
    if found <= known {
        return Ok(());
    }
    Err(StoreError::Newer { path: path.display().to_string(), found, known })
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let bytes = fs::read(path).map_err(|error| file_error(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| file_error(path, &error))
}

pub(in crate::store) fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    if path.exists() { read_json(path).map(Some) } else { Ok(None) }
}

fn read_events(path: &Path) -> Result<Vec<Event>, StoreError> {
    // As bytes: half a line may end in the middle of a character.
    let bytes = fs::read(path).map_err(|error| file_error(path, &error))?;
    let mut events = Vec::new();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for (number, line) in lines.iter().enumerate() {
        match serde_json::from_slice(line) {
            Ok(event) => events.push(event),
            // A power cut may leave half a line at the very end, and nowhere else.
            Err(_) if number + 1 == lines.len() && !line.ends_with(b"\n") => {}
            Err(error) => return Err(file_error(path, &format!("line {}: {error}", number + 1))),
        }
    }
    Ok(events)
}

fn state(directory: &Path, events: &[Event]) -> Result<RunState, StoreError> {
    let path = directory.join(paths::COMPLETE);
    let Some(Versioned { format }) = read_json_if_there(&path)? else { return Ok(RunState::Incomplete) };
    not_newer(&path, format, FORMAT)?;
    match events.last().map(|event| &event.event) {
        Some(Happening::CampaignFinished { outcome, .. }) => Ok(RunState::Complete(outcome.clone())),
        _ => Err(file_error(&path, &"the run is complete, and its events do not end with its end")),
    }
}

fn trials(directory: &Path, plan: &Plan, events: &[Event]) -> Result<Vec<StoredTrial>, StoreError> {
    let mut trials = Vec::new();
    for trial in &plan.trials {
        let own: Vec<&Happening> =
            lasting(events).map(|event| &event.event).filter(|event| event.trial() == Some(&trial.id)).collect();
        if own.is_empty() {
            continue;
        }
        let outcome = own.iter().find_map(|event| match event {
            Happening::TrialFinished { outcome, .. } => Some(outcome.clone()),
            _ => None,
        });
        // What was measured stays measured, however its trial ended after that: the referee says what that means.
        let is_measured = own.iter().any(|event| matches!(event, Happening::TrialMeasured { .. }));
        let metrics = directory.join(paths::metrics(&trial.id));
        let figures: Option<LoadFigures> = if is_measured { Some(read_json(&metrics)?) } else { None };
        trials.push(StoredTrial { trial: trial.clone(), outcome, figures, seen: seen(&own) });
    }
    Ok(trials)
}

fn seen(events: &[&Happening]) -> Seen {
    let mut seen = Seen::default();
    for event in events {
        match event {
            Happening::DaemonReady { body_bytes, keep_alive_seen, workers_seen, protocol_seen, .. } => {
                seen.body_bytes = Some(*body_bytes);
                seen.keep_alive = Some(*keep_alive_seen);
                seen.workers = Some(*workers_seen);
                seen.protocol.clone_from(protocol_seen);
            }
            Happening::DaemonCalm { calm, .. } => seen.calm = Some(*calm),
            Happening::DaemonStarted { command, .. } => seen.daemon_commands.push(command.clone()),
            Happening::LoadStarted { command, .. } => seen.load_commands.push(command.clone()),
            Happening::DocumentChecked { right, detail, .. } => seen.document_after = Some((*right, detail.clone())),
            Happening::DaemonStopped { leftovers, .. } => seen.leftovers.extend(leftovers.iter().cloned()),
            _ => {}
        }
    }
    seen
}
