//! `check` and `plan`: what the files show.

use std::io::IsTerminal;

use crate::cli::arguments::{Files, Format};
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::main::print;
use crate::diagnostic::Diagnostics;
use crate::metric::counted;
use crate::plan::check::{Project, load_project};
use crate::plan::{self, Plan};

/// Reads and checks the files; what was found is printed to standard error, and errors end the command.
pub fn load(files: &Files, format: Format) -> Result<(Project, Diagnostics), Problem> {
    let (project, diagnostics) = load_project(&files.scenario, files.hosts.as_deref(), files.project.as_deref());
    match project {
        Some(project) => Ok((project, diagnostics)),
        None => {
            show(&diagnostics, format)?;
            Err(Problem::told(exit::WRONG_INPUT))
        }
    }
}

/// Diagnostics are what `check` was asked for, so as JSON they are its result.
pub fn show(diagnostics: &Diagnostics, format: Format) -> Result<(), Problem> {
    match format {
        Format::Json => print(&diagnostics.json_lines()),
        Format::Human => {
            let colour =
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let mut text = diagnostics.render(colour);
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes());
            Ok(())
        }
    }
}

/// `check`
pub fn check(files: &Files, format: Format) -> Result<u8, Problem> {
    let (project, diagnostics) = load(files, format)?;
    show(&diagnostics, format)?;
    let plan = make_plan(&project)?;
    if format == Format::Human {
        print(&format!(
            "{}: fine, {} of {}\n",
            files.scenario.display(),
            counted(plan.trials.len(), "trial"),
            counted(plan.daemons.len(), "daemon")
        ))?;
    }
    Ok(exit::FINE)
}

/// The plan of a checked project.
pub fn make_plan(project: &Project) -> Result<Plan, Problem> {
    plan::build(project).map_err(|error| Problem::new(exit::WRONG_INPUT, error))
}

/// `plan`
pub fn plan(files: &Files, format: Format) -> Result<u8, Problem> {
    let (project, diagnostics) = load(files, format)?;
    if format == Format::Human {
        show(&diagnostics, format)?;
    }
    let plan = make_plan(&project)?;
    print(&match format {
        Format::Human => plan::text(&plan),
        Format::Json => {
            serde_json::to_string_pretty(&plan)
                .map_err(anyhow::Error::new)
                .map_err(|error| Problem::new(exit::FAILED, error))?
                + "\n"
        }
    })?;
    Ok(exit::FINE)
}
