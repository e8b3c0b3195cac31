//! The cache's books: which request led to which contents, and what each contents is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::agent::state::{cannot, make};
use crate::wire::digest::sha256;
use crate::wire::{Failure, Reply};

/// What one thing in the cache is. It is written last: a directory without it is unfinished, and made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its digest.
    pub digest: String,
    /// Where it is.
    pub path: PathBuf,
    /// What kind it is.
    pub kind: Kind,
    /// The package root that it needs, by digest.
    pub needs: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// What is in it: names and versions.
    pub versions: BTreeMap<String, String>,
}

/// Kinds of things in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Debian packages, unpacked.
    PackageRoot,
    /// Debian packages to build with, unpacked with a C library of their own.
    BuildRoot,
    /// A Python virtual environment.
    Venv,
}

/// In a build root the libraries of its programs are found by links in this directory, for in their own ones a C library
/// stands beside them, which is not the one that the machine's loader belongs to.
pub const LIBRARY_LINKS: &str = ".timetrial-libraries";

/// The file that makes a directory of the cache a whole one.
const MANIFEST: &str = ".timetrial.json";

impl Manifest {
    /// As an answer to whoever asked for it.
    pub fn reply(self, reused: bool) -> Reply {
        let path = self.path.display().to_string();
        Reply::Provisioned { digest: self.digest, path, reused, bytes: self.bytes, versions: self.versions }
    }

    /// Directories for the PATH, its own before those of what it needs.
    pub fn program_directories(&self, state: &Path) -> Result<Vec<PathBuf>, Failure> {
        let own: &[&str] = match self.kind {
            Kind::PackageRoot | Kind::BuildRoot => &["usr/local/bin", "usr/bin", "bin", "usr/sbin", "sbin"],
            Kind::Venv => &["bin"],
        };
        self.directories(state, own, Self::program_directories)
    }

    /// Directories for the library path. The libc family is in none of them: it must be the one that the machine's
    /// loader belongs to.
    pub fn library_directories(&self, state: &Path) -> Result<Vec<PathBuf>, Failure> {
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let own = match self.kind {
            Kind::PackageRoot => vec![format!("usr/lib/{triplet}"), format!("lib/{triplet}")],
            Kind::BuildRoot => vec![LIBRARY_LINKS.to_owned()],
            Kind::Venv => Vec::new(),
        };
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        self.directories(state, &own, Self::library_directories)
    }

    fn directories(
        &self,
        state: &Path,
        own: &[&str],
        of_needed: fn(&Self, &Path) -> Result<Vec<PathBuf>, Failure>,
    ) -> Result<Vec<PathBuf>, Failure> {
        let own = own.iter().map(|directory| self.path.join(directory)).filter(|directory| directory.is_dir());
        let mut directories: Vec<PathBuf> = own.collect();
        if let Some(needed) = &self.needs {
            directories.extend(of_needed(&find(state, needed)?, state)?);
        }
        Ok(directories)
    }

    /// Writes it where it is, which makes the directory a whole one.
    pub fn seal(&self, directory: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Failure::new("manifest", error.to_string()))?;
        write_whole(&directory.join(MANIFEST), &text)
    }
}

/// Where package roots and venvs are.
fn places(state: &Path) -> [PathBuf; 2] {
    [state.join("roots"), state.join("venvs")]
}

/// What has this digest.
pub fn find(state: &Path, digest: &str) -> Result<Manifest, Failure> {
    let read = |place: PathBuf| read_manifest(&place.join(digest));
    places(state).into_iter().find_map(read).ok_or_else(|| {
        Failure::new("not-provisioned", format!("nothing with the digest {digest} is in the cache {}", state.display()))
            .hint("it was removed during the campaign; run it again")
    })
}

fn read_manifest(directory: &Path) -> Option<Manifest> {
    serde_json::from_slice(&fs::read(directory.join(MANIFEST)).ok()?).ok()
}

/// The name of a request.
pub fn request_digest(parts: &[&str]) -> String {
    sha256(parts.join("\0").as_bytes())[..16].to_owned()
}

/// What this request led to before, if it is still whole.
pub fn reuse(state: &Path, request: &str) -> Option<Manifest> {
    let digest = fs::read_to_string(state.join("requests").join(request)).ok()?;
    find(state, digest.trim()).ok()
}

/// Remembers what a request led to.
pub fn remember(state: &Path, request: &str, manifest: &Manifest) -> Result<(), Failure> {
    let directory = state.join("requests");
    make(&directory, 0o755)?;
    write_whole(&directory.join(request), manifest.digest.as_bytes())
}

/// Writes a file that is either whole or not there.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let half = path.with_extension("half");
    fs::write(&half, bytes).and_then(|()| fs::rename(&half, path)).map_err(|error| cannot("write", path, &error))
}

/// The size of what a directory holds.
pub fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
