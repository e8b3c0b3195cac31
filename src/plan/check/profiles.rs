//! The profiles that a scenario names: `sysctl/NAME.conf`, `postgres-conf/NAME.conf`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{
    Code, Diagnostic, Diagnostics, Placed, SourceFile, folder_entries, is_name, nearest_hint, read_source,
};
use crate::plan::check::InputFile;
use crate::scenario::Scenario;
use crate::tuning::{WrittenSetting, parse_conf, parse_sysctl};

/// The folder of kernel settings.
const SYSCTL: &str = "sysctl";

/// The folder of PostgreSQL's settings.
const CONF: &str = "postgres-conf";

/// All profiles of a scenario, each once.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    /// Those of kernel settings.
    pub sysctl: Vec<Profile>,
    /// PostgreSQL's, if there is one.
    pub conf: Option<Profile>,
}

/// A profile, as read.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name: the file's stem.
    pub name: String,
    /// Its file in the project folder: `sysctl/today.conf`.
    pub input: String,
    /// The file.
    pub file: Arc<SourceFile>,
    /// Its settings, as far as they could be read.
    pub settings: Vec<WrittenSetting>,
    /// Whether nothing is wrong with it by itself.
    pub is_sound: bool,
}

impl Profiles {
    /// A profile of kernel settings.
    pub fn sysctl(&self, name: &str) -> Option<&Profile> {
        self.sysctl.iter().find(|profile| profile.name == name)
    }

    /// The files, for copies in the run directory.
    pub(super) fn inputs(&self) -> impl Iterator<Item = InputFile> {
        self.sysctl
            .iter()
            .chain(&self.conf)
            .map(|profile| InputFile { name: profile.input.clone(), bytes: profile.file.text.clone().into_bytes() })
    }
}

impl Profile {
    /// Where a setting of it stands, for people: `sysctl/today.conf:7`.
    pub fn place_of(&self, setting: &WrittenSetting) -> String {
        format!("{}:{}", self.input, setting.name.place.start().line)
    }
}

/// Reads the profiles that a scenario names, each once.
pub(super) fn read_profiles(folder: &Path, scenario: &Scenario, diagnostics: &mut Diagnostics) -> Profiles {
    let mut profiles = Profiles::default();
    for name in scenario.tunes.iter().flat_map(|tune| &tune.sysctl) {
        if profiles.sysctl(&name.value).is_none() {
            profiles.sysctl.extend(read(folder, SYSCTL, name, parse_sysctl, diagnostics));
        }
    }
    let conf = scenario.postgres.as_ref().and_then(|postgres| postgres.conf.as_ref());
    profiles.conf = conf.and_then(|name| read(folder, CONF, name, parse_conf, diagnostics));
    profiles
}

fn read(
    project: &Path,
    folder: &str,
    name: &Placed<String>,
    parse: fn(&Arc<SourceFile>, &mut Diagnostics) -> Vec<WrittenSetting>,
    diagnostics: &mut Diagnostics,
) -> Option<Profile> {
    // What can't be a name is told already.
    if !is_name(&name.value) || diagnostics.has_error_at(&name.place) {
        return None;
    }
    let all = project.join(folder);
    let path = all.join(format!("{}.conf", name.value));
    let file = match read_source(&path) {
        Ok(file) => file,
        Err(problem) if problem.code() == Code::NoSuchFile => {
            diagnostics.push(unknown(name, folder, &path, &names(&all)));
            return None;
        }
        Err(problem) => {
            diagnostics.push(problem.named_at(&name.place, "named here"));
            return None;
        }
    };
    let settings = parse(&file, diagnostics);
    let is_sound = !diagnostics.has_error_in(&path);
    let input = format!("{folder}/{}.conf", name.value);
    Some(Profile { name: name.value.clone(), input, file, settings, is_sound })
}

fn unknown(name: &Placed<String>, folder: &str, path: &Path, known: &[String]) -> Diagnostic {
    let message = format!("there is no profile `{}` in {folder}/", name.value);
    let hint = nearest_hint(&name.value, "profiles", known.iter().map(String::as_str));
    let label = format!("no file `{}`", path.display());
    Diagnostic::at(Code::UnknownProfile, &name.place, message).label(label).hint(hint)
}

/// The names of the profiles in a folder.
fn names(folder: &Path) -> Vec<String> {
    let name = |path: PathBuf| {
        let is_profile = path.extension().is_some_and(|extension| extension == "conf");
        path.file_stem().filter(|_| is_profile).map(|stem| stem.to_string_lossy().into_owned())
    };
    folder_entries(folder).into_iter().filter_map(name).filter(|name| is_name(name)).collect()
}
