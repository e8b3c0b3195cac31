//! The directory that `ssh` has its sockets in, one for each controller.

use std::path::{Path, PathBuf};

/// A directory for the sockets of this controller alone, which goes with it.
#[derive(Debug)]
pub struct Sockets(PathBuf);

/// What their names begin with; the controller's process id follows.
const SOCKETS: &str = "timetrial-ssh-";

impl Sockets {
    /// Makes it, and removes those of controllers that were killed.
    pub fn make() -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
        let base = runtime.unwrap_or_else(|| PathBuf::from("/tmp"));
        sweep(&base);
        let path = base.join(format!("{SOCKETS}{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sweep(base: &Path) {
    use std::os::unix::fs::MetadataExt;
    let Ok(own) = std::fs::metadata("/proc/self").map(|found| found.uid()) else { return };
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix(SOCKETS).and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        let is_own = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == own);
        if is_own && !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
