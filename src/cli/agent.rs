//! The hidden commands: the agent and its shim.

use std::path::{Path, PathBuf};

use crate::agent::{Shim, kill_marked, open_files, run_shim, serve as serve_controller};
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::main::print;

/// Serves a controller over standard input and output.
pub fn serve(state_dir: Option<PathBuf>) -> Result<u8, Problem> {
    serve_controller(state_dir, std::io::stdin(), std::io::stdout())?;
    Ok(exit::FINE)
}

/// Ends what a dead agent left, and prints it.
pub fn sweep(work: &Path) -> Result<u8, Problem> {
    let killed: String = kill_marked(work).into_iter().map(|process| process + "\n").collect();
    print(&killed)?;
    Ok(exit::FINE)
}

/// Says how many files it may have open: soft, hard.
pub fn limit() -> Result<u8, Problem> {
    let (soft, hard) = open_files()
        .ok_or_else(|| Problem::new(exit::FAILED, anyhow::anyhow!("the kernel tells no limit of open files")))?;
    print(&format!("{soft} {hard}\n"))?;
    Ok(exit::FINE)
}

/// Becomes another program. That this returns is the error.
pub fn exec(shim: Shim) -> Result<u8, Problem> {
    Err(Problem::new(exit::FAILED, run_shim(shim)))
}
