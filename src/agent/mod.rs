//! Our binary at work on a machine, for one campaign: processes, files, packages, the database, and the dead man's
//! switch. Threads of the standard library, no async but in one file: an agent must not be clever.

mod calm;
mod database;
mod facts;
mod identity;
mod kept;
mod listeners;
mod locks;
mod output;
mod own;
mod probe;
mod probe_http2;
mod process;
mod procfs;
mod provision;
mod serve;
mod shared_memory;
mod shim;
mod state;
mod stop;
mod surroundings;
mod tuning;
mod work;

pub use serve::serve;
pub use shim::{Shim, run as run_shim};
pub use surroundings::Agent;
pub use tuning::nofile::current as open_files;
pub use work::kill_marked;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

/// Locks. A thread that panicked with the lock held leaves data that is still whole: every change here is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Finds a program on the PATH of the agent itself, and where administration programs are.
fn lookup(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from));
    places.map(|place| place.join(program)).find(|candidate| surroundings::is_program(candidate))
}

/// The last lines of an output, as text.
fn tail_lines(bytes: &[u8], most: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(most)..].iter().map(ToString::to_string).collect()
}
