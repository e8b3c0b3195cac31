//! The bench from its beginning to its end.

use std::fs;
use std::path::PathBuf;

use crate::cli::arguments::Format;
use crate::cli::bench::load::arguments::{LoadBenchArguments, Part};
use crate::cli::bench::load::cpus::Cpus;
use crate::cli::bench::load::peers::Peers;
use crate::cli::bench::load::rounds::Bench;
use crate::cli::bench::load::section::Section;
use crate::cli::bench::load::table;
use crate::cli::bench::machines::stopped;
use crate::cli::bench::{Scratch, say};
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::main::print;

/// `bench load`
pub fn load(arguments: &LoadBenchArguments, format: Format) -> Result<u8, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sections, told) = runtime.block_on(async {
        tokio::select! {
            biased;
            stopped = stopped() => Err(stopped.err().map_or_else(|| Problem::told(exit::INTERRUPTED), Problem::from)),
            measured = measure(arguments) => measured,
        }
    })?;
    let text = match format {
        Format::Json => table::json(&sections, arguments.rounds),
        Format::Human => table::human(&sections, &head(arguments, &told)),
    };
    print(&text)?;
    Ok(exit::FINE)
}

fn head(arguments: &LoadBenchArguments, told: &str) -> String {
    format!(
        "load generators side by side: median (and range) of {} interleaved rounds; loads of {} s, one thread each;\n{told}",
        arguments.rounds, arguments.seconds
    )
}

async fn measure(arguments: &LoadBenchArguments) -> Result<(Vec<Section>, String), Problem> {
    let cpus = Cpus::first_two()?;
    let told = cpus.told();
    say(&told);
    let folder = Scratch(std::env::temp_dir().join(format!("timetrial-bench-load-{}", std::process::id())));
    fs::create_dir(&folder.0)?;
    let ours = arguments.timetrial.clone().unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    let peers = Peers::find(arguments).await?;
    let LoadBenchArguments { rounds, tries, seconds, .. } = *arguments;
    let bench = Bench { cpus, folder, rounds, tries, seconds, ours, peers };
    let all = [Part::Closed, Part::Fast, Part::Steady5000, Part::Steady20000, Part::Freeze, Part::Memory];
    let mut sections = Vec::new();
    for part in all.into_iter().filter(|part| arguments.only.is_empty() || arguments.only.contains(part)) {
        sections.push(match part {
            Part::Closed => bench.closed().await?,
            Part::Fast => bench.fast().await?,
            Part::Steady5000 => bench.steady("steady5000", 5_000).await?,
            Part::Steady20000 => bench.steady("steady20000", 20_000).await?,
            Part::Freeze => bench.freeze().await?,
            Part::Memory => bench.memory().await?,
        });
    }
    Ok((sections, told))
}
