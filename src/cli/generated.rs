//! What comes from the code itself: schemas, completions, the manual page.

use std::path::Path;

use clap::CommandFactory;

use crate::cli::arguments::Arguments;
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::load;
use crate::cli::main::print;
use crate::{inventory, loadgen, scenario};

/// `schema`
pub fn schema(write: Option<&Path>) -> Result<u8, Problem> {
    let others = [inventory::schema(), load::requests_schema(), loadgen::schema::schema()];
    let schemas = scenario::schemas().into_iter().chain(others);
    for (name, schema) in schemas {
        let text = serde_json::to_string_pretty(&schema)
            .map_err(anyhow::Error::new)
            .map_err(|error| Problem::new(exit::FAILED, error))?
            + "\n";
        match write {
            None => print(&text)?,
            Some(directory) => {
                let path = directory.join(name);
                std::fs::write(&path, text).map_err(|error| {
                    Problem::new(
                        exit::WRONG_INPUT,
                        anyhow::Error::new(error).context(format!("can't write {}", path.display())),
                    )
                })?;
            }
        }
    }
    Ok(exit::FINE)
}

/// `completions`
pub fn completions(shell: clap_complete::Shell) -> Result<u8, Problem> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "timetrial", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(exit::FINE)
}

/// `man`
pub fn man(write: Option<&Path>) -> Result<u8, Problem> {
    let command = Arguments::command();
    if let Some(directory) = write {
        clap_mangen::generate_to(command, directory).map_err(|error| {
            let context = format!("can't write manual pages into {}", directory.display());
            Problem::new(exit::WRONG_INPUT, anyhow::Error::new(error).context(context))
        })?;
        return Ok(exit::FINE);
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    print(&String::from_utf8_lossy(&text))?;
    Ok(exit::FINE)
}
