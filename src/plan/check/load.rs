//! Reads all files of a campaign and finds everything that is wrong with them.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Placed, nearest_hint};
use crate::inventory::{Inventory, read_inventory};
use crate::plan::check::bases::read_bases;
use crate::plan::check::data::{folder_names, read_data};
use crate::plan::check::folder::{files_in, name_in, normal};
use crate::plan::check::profiles::read_profiles;
use crate::plan::check::{DataSet, InputFile, Profiles, Project, Written, apply_rules};
use crate::scenario::{Daemon, Scenario, read_daemon, read_scenario};

/// Reads a scenario and all that it refers to. `hosts` is `hosts.toml` of the project folder unless said; the project
/// folder is the nearest one upward from the scenario that holds `hosts.toml` or `daemons/` unless said. There is a
/// project only if nothing is wrong; warnings may be there all the same.
pub fn load_project(scenario: &Path, hosts: Option<&Path>, project: Option<&Path>) -> (Option<Project>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let written = read_scenario(scenario, &mut diagnostics);
    let Some(folder) = project.map(Path::to_owned).or_else(|| project_folder(scenario)) else {
        let message = "no project folder: no folder above the scenario holds `hosts.toml` or `daemons/`";
        let hint = "move the scenario into a project, or name one with --project DIR";
        diagnostics.push(Diagnostic::in_file(Code::NoProject, scenario, message).hint(hint));
        return (None, diagnostics);
    };
    let hosts = hosts.map_or_else(|| folder.join("hosts.toml"), Path::to_owned);
    let inventory = read_inventory(&hosts, &mut diagnostics);
    let Some(written) = written else { return (None, diagnostics) };
    let daemons = read_daemons(&folder, &written, &mut diagnostics);
    // Where the scenario is not TOML, nobody knows what it lacks or refers to.
    if diagnostics.has_syntax_error_in(scenario) {
        return (None, diagnostics);
    }
    let bases = inventory.as_ref().map(|inventory| read_bases(&folder, inventory, &mut diagnostics));
    let profiles = read_profiles(&folder, &written, &mut diagnostics);
    let data = read_rest(&folder, &written, inventory.as_ref(), &daemons, &profiles, &mut diagnostics);
    let Some(inventory) = inventory.filter(|_| !diagnostics.has_errors()) else { return (None, diagnostics) };
    let mut inputs = collect_inputs(&folder, &written, &inventory, &daemons, data.as_ref(), &mut diagnostics);
    inputs.extend(bases.unwrap_or_default());
    inputs.extend(profiles.inputs());
    inputs.sort_by(|left, right| left.name.cmp(&right.name));
    if diagnostics.has_errors() {
        return (None, diagnostics);
    }
    let scenario_input = scenario_input(&folder, &written);
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    let project = Project { folder, scenario: written, scenario_input, inventory, daemons, data, profiles, inputs };
    (Some(project), diagnostics)
}

/// Reads the data set, then applies the rules that need several files.
fn read_rest(
    folder: &Path,
    scenario: &Scenario,
    inventory: Option<&Inventory>,
    daemons: &[Daemon],
    profiles: &Profiles,
    diagnostics: &mut Diagnostics,
) -> Option<DataSet> {
    let mut written = Written { scenario, inventory, daemons, data: None, profiles };
    let schema_is_needed = scenario.postgres.is_some() && written.uses_database();
    let name = scenario.data.as_ref().filter(|name| !diagnostics.has_error_at(&name.place));
    let data = name.and_then(|name| read_data(folder, name, schema_is_needed, diagnostics));
    written.data = data.as_ref();
    apply_rules(written, diagnostics);
    data
}

/// The nearest folder upward from a scenario that holds `hosts.toml` or `daemons/`, told from the current folder.
fn project_folder(scenario: &Path) -> Option<PathBuf> {
    let scenario = normal(scenario);
    let is_project = |folder: &&Path| folder.join("hosts.toml").is_file() || folder.join("daemons").is_dir();
    let folder = scenario.ancestors().skip(1).find(is_project)?;
    let here = std::env::current_dir().ok();
    let shown = here.and_then(|here| folder.strip_prefix(here).ok().map(Path::to_owned));
    Some(shown.unwrap_or_else(|| folder.to_owned()))
}

/// Reads each daemon once, in the scenario's order.
fn read_daemons(folder: &Path, scenario: &Scenario, diagnostics: &mut Diagnostics) -> Vec<Daemon> {
    let all = folder.join("daemons");
    let is_sound = !diagnostics.has_syntax_error_in(&scenario.path);
    let mut daemons: Vec<Daemon> = Vec::new();
    for name in &scenario.daemons {
        if diagnostics.has_error_at(&name.place) || daemons.iter().any(|known| known.name == name.value) {
            continue;
        }
        let own = all.join(&name.value);
        if !own.is_dir() {
            if is_sound {
                diagnostics.push(unknown_daemon(name, &own, &all));
            }
            continue;
        }
        match read_daemon(&own, diagnostics) {
            Ok(daemon) => daemons.push(daemon),
            Err(problem) => {
                let problem = problem.if_missing("a daemon's folder needs a daemon.toml that says how it is started");
                diagnostics.push(problem.named_at(&name.place, "named here"));
            }
        }
    }
    daemons
}

fn unknown_daemon(name: &Placed<String>, own: &Path, all: &Path) -> Diagnostic {
    let message = format!("there is no daemon `{}`", name.value);
    let hint = nearest_hint(&name.value, "daemons", folder_names(all).iter().map(String::as_str));
    Diagnostic::at(Code::UnknownDaemon, &name.place, message).label(format!("no folder `{}`", own.display())).hint(hint)
}

/// The bytes of every file concerned. Those that were parsed are given as they were parsed, so that a file which is
/// changed meanwhile can't differ from its copy.
fn collect_inputs(
    folder: &Path,
    scenario: &Scenario,
    inventory: &Inventory,
    daemons: &[Daemon],
    data: Option<&DataSet>,
    diagnostics: &mut Diagnostics,
) -> Vec<InputFile> {
    let mut inputs = Vec::new();
    let hosts = input_name(folder, &inventory.place.file.path, "");
    for (place, name) in [(&scenario.place, scenario_input(folder, scenario)), (&inventory.place, hosts)] {
        inputs.push(InputFile { name, bytes: place.file.text.clone().into_bytes() });
    }
    for daemon in daemons {
        for mut input in files_in(&daemon.folder, folder, diagnostics) {
            if name_in(folder, &daemon.place.file.path).as_deref() == Some(input.name.as_str()) {
                input.bytes = daemon.place.file.text.clone().into_bytes();
            }
            inputs.push(input);
        }
    }
    inputs.extend(data.into_iter().flat_map(data_inputs));
    inputs
}

fn data_inputs(data: &DataSet) -> Vec<InputFile> {
    let root = format!("scenarios/data/{}", data.name);
    let mut inputs = Vec::new();
    if let Some(schema) = &data.schema {
        inputs.push(InputFile { name: format!("{root}/schema.sql"), bytes: schema.clone() });
    }
    for (name, document) in &data.documents {
        inputs.push(InputFile { name: format!("{root}/documents/{name}.json"), bytes: document.bytes.clone() });
    }
    for table in &data.tables {
        inputs.push(InputFile { name: format!("{root}/rows/{}.csv", table.table), bytes: table.bytes.clone() });
    }
    inputs
}

fn scenario_input(folder: &Path, scenario: &Scenario) -> String {
    input_name(folder, &scenario.place.file.path, "scenarios")
}

/// The name of a file in the project folder; a file that lies elsewhere gets a place in it.
fn input_name(folder: &Path, path: &Path, otherwise: &str) -> String {
    let inside = name_in(&normal(folder), &normal(path));
    inside.unwrap_or_else(|| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if otherwise.is_empty() { file } else { format!("{otherwise}/{file}") }
    })
}
