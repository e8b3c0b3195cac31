//! The folders that containers are built from.

use std::path::Path;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest_hint};
use crate::inventory::{Inventory, Source};
use crate::plan::check::InputFile;
use crate::plan::check::data::folder_names;
use crate::plan::check::folder::files_in;

/// The files of each folder that a container of the inventory is built from.
pub fn read_bases(folder: &Path, inventory: &Inventory, diagnostics: &mut Diagnostics) -> Vec<InputFile> {
    let all = folder.join("docker");
    let mut seen: Vec<&str> = Vec::new();
    let mut inputs = Vec::new();
    for source in inventory.machines.iter().filter_map(|machine| Some(&machine.docker.as_ref()?.source)) {
        let Source::Build(base) = &source.value else { continue };
        if seen.contains(&base.as_str()) || diagnostics.has_error_at(&source.place) {
            continue;
        }
        seen.push(base);
        let own = all.join(base);
        if own.join("Dockerfile").is_file() {
            inputs.extend(files_in(&own, folder, diagnostics));
            continue;
        }
        let message = format!("there is no Dockerfile for `{base}`");
        let hint = nearest_hint(base, "folders in docker/", folder_names(&all).iter().map(String::as_str));
        let label = format!("no file `{}`", own.join("Dockerfile").display());
        diagnostics.push(Diagnostic::at(Code::UnknownBase, &source.place, message).label(label).hint(hint));
    }
    inputs
}
