//! `run --dry-run`: what tuning would change, and whether the plan can work there.

use std::fmt::Write as _;

use crate::cli::arguments::{Format, RunArguments};
use crate::cli::connect::Connector;
use crate::cli::error::Problem;
use crate::cli::main::print;
use crate::cli::{exit, files};
use crate::diagnostic::printable;
use crate::display;
use crate::metric::counted;
use crate::plan::{Machine, Transport};
use crate::preflight;
use crate::run::{Looked, dry_run as look_at_all, refusal};

/// `run --dry-run`
pub fn dry_run(arguments: &RunArguments, format: Format) -> Result<u8, Problem> {
    let (project, diagnostics) = files::load(&arguments.files, format)?;
    if format == Format::Human {
        files::show(&diagnostics, format)?;
    }
    let plan = files::make_plan(&project)?;
    let run = format!("dry-run-{}", std::process::id());
    let connector = Connector::new(&project.inventory.place.file.path, &run, &project.inputs);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let say = |line: &str| {
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), format!("{}\n", printable(line)).as_bytes());
    };
    let connect = async |machine: &Machine| connector.connect(&untuned(machine), &say).await;
    let looked = runtime.block_on(async {
        let looked = look_at_all(&plan, connect).await;
        connector.close().await.iter().for_each(|line| say(line));
        looked
    });
    let looked = looked.map_err(|error| {
        let reason = error.reason();
        let problem = Problem::new(exit::NOT_FIT, anyhow::anyhow!("{}", reason.message)).detail(reason.detail);
        reason.hint.into_iter().fold(problem, Problem::hint)
    })?;
    print(&match format {
        Format::Human => text(&looked),
        Format::Json => json(&looked),
    })?;
    Ok(if refusal(&looked.sums).is_some() { exit::NOT_FIT } else { exit::FINE })
}

/// A container as it would be without the campaign's settings, so that the difference shows.
fn untuned(machine: &Machine) -> Machine {
    let mut machine = machine.clone();
    if let Transport::Docker(docker) = &mut machine.transport {
        docker.tuned.clear();
        docker.optional.clear();
    }
    machine
}

fn text(looked: &Looked) -> String {
    let mut text = String::from("What is asked of the machines\n");
    for line in preflight::text(&looked.sums) {
        let _ = writeln!(text, "  {}", printable(&line));
    }
    for (machine, seen) in &looked.machines {
        let Some(left) = &seen.look.left else { continue };
        let _ = writeln!(
            text,
            "\n{} is still as run {} left it; a run would first:",
            printable(machine),
            printable(&left.run)
        );
        for line in display::to_undo(left) {
            let _ = writeln!(text, "  {line}");
        }
    }
    let changes = looked.differences.iter().filter(|difference| difference.changes()).count();
    let _ = match (looked.differences.is_empty(), changes) {
        (true, _) => writeln!(text, "\nNothing is tuned."),
        (false, 0) => writeln!(text, "\nTuning would change nothing"),
        (false, changes) => {
            writeln!(text, "\nTuning would make {}, and undo them at the end", counted(changes, "change"))
        }
    };
    for difference in &looked.differences {
        let _ = writeln!(text, "  {}", printable(&difference.to_string()));
    }
    text.push_str("\nNothing was changed.\n");
    text
}

fn json(looked: &Looked) -> String {
    let differences: Vec<_> = looked
        .differences
        .iter()
        .map(|one| {
            serde_json::json!({"machine": one.machine, "name": one.name, "now": one.now, "then": one.then, "from": one.from,
                "refused": one.refused, "danger": one.danger, "made": one.made, "changes": one.changes()})
        })
        .collect();
    let left: Vec<_> =
        looked.machines.iter().filter_map(|(machine, seen)| Some((machine, seen.look.left.as_ref()?))).collect();
    serde_json::json!({"sums": looked.sums, "differences": differences, "left": left}).to_string() + "\n"
}
