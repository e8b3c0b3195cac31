//! Downloaded packages, unpacked side by side into a package root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent::provision::apt::{self, Package, RULES, Resolved};
use crate::agent::provision::cache::{Kind, Manifest, find, size};
use crate::agent::provision::{Purpose, build_root, progress};
use crate::agent::state::{cannot, make};
use crate::agent::surroundings::Agent;
use crate::agent::{facts, lookup, tail_lines};
use crate::metric::short_bytes;
use crate::wire::Failure;
use crate::wire::digest::sha256;

/// Unpacking or compiling one package takes well under this.
const STEP_LIMIT: Duration = Duration::from_secs(300);

/// Downloads what was resolved and unpacks it, or finds that it is there.
pub fn unpack(
    agent: &Agent,
    name: &str,
    suite: &str,
    resolved: &Resolved<'_>,
    purpose: Purpose,
) -> Result<Manifest, Failure> {
    let state = &agent.state()?.directory;
    let kind = match purpose {
        Purpose::Running => Kind::PackageRoot,
        Purpose::Building => Kind::BuildRoot,
    };
    let digest = contents_digest(suite, kind, &resolved.packages);
    if let Ok(manifest) = find(state, &digest) {
        return Ok(manifest);
    }
    enough_space(agent, &resolved.packages)?;
    let downloads = resolved.apt.download(&resolved.packages)?;
    let half = half_place(state, &agent.state()?.work, &digest)?;
    make(&half, 0o755)?;
    progress(agent, name, format!("unpacking {} packages", resolved.packages.len()));
    let (libc, others): (Vec<&Package>, Vec<&Package>) =
        resolved.packages.iter().partition(|package| apt::is_of_libc(&package.name));
    unpack_each(agent, &others, &downloads, &half)?;
    if purpose == Purpose::Building {
        // Before the C library stands among them.
        build_root::link_libraries(&half)?;
    }
    unpack_each(agent, &libc, &downloads, &half)?;
    restrict(&half)?;
    match purpose {
        Purpose::Running => compile_python(agent, name, &half)?,
        Purpose::Building => build_root::keep_links_inside(&half)?,
    }
    let path = state.join("roots").join(&digest);
    let versions = resolved.packages.iter().map(|package| (package.name.clone(), package.version.clone())).collect();
    let manifest = Manifest { digest, path, kind, needs: None, bytes: size(&half), versions };
    manifest.seal(&half)?;
    put_in_place(&half, &manifest.path)?;
    Ok(manifest)
}

/// Packages are unpacked in the run's own work, which goes whatever happens, and moved when they are whole. In a
/// container cache and work are two volumes, and nothing can be moved from one to the other, which only shows when it is
/// tried: there it is done beside the place, and a half one of an earlier run is removed.
fn half_place(state: &Path, work: &Path, digest: &str) -> Result<PathBuf, Failure> {
    let beside = state.join("roots").join(format!("{digest}.half"));
    make(&state.join("roots"), 0o755)?;
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(|error| cannot("remove", &beside, &error))?;
    }
    let in_work = work.join(format!("root-{digest}"));
    make(&in_work, 0o755)?;
    match fs::rename(&in_work, &beside) {
        Ok(()) => fs::rename(&beside, &in_work).map(|()| in_work).map_err(|error| cannot("move", &beside, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => Ok(beside),
        Err(error) => Err(cannot("move", &in_work, &error)),
    }
}

fn unpack_each(agent: &Agent, packages: &[&Package], downloads: &Path, root: &Path) -> Result<(), Failure> {
    for package in packages {
        let file = downloads.join(&package.file);
        check_digest(&file, package)?;
        run(agent, "dpkg-deb", &["-x", &file.display().to_string(), &root.display().to_string()], root)?;
        fs::remove_file(&file).map_err(|error| cannot("remove", &file, &error))?;
    }
    Ok(())
}

/// Unpacked packages take about four times their download; a full disk makes apt and dpkg-deb fail in ways that take
/// reading, so it is seen before.
fn enough_space(agent: &Agent, packages: &[Package]) -> Result<(), Failure> {
    let state = &agent.state()?.directory;
    let needed = packages.iter().map(|package| package.bytes).sum::<u64>() * 6;
    match facts::disk_free(state) {
        Some(free) if free < needed => Err(Failure::new(
            "disk-full",
            format!("{} has {} free, and unpacking takes {}", state.display(), short_bytes(free), short_bytes(needed)),
        )
        .hint("free some space there, or choose another `state_dir` for this machine in hosts.toml")),
        _ => Ok(()),
    }
}

fn contents_digest(suite: &str, kind: Kind, packages: &[Package]) -> String {
    let lines: BTreeMap<&str, String> = packages
        .iter()
        .map(|package| (package.name.as_str(), format!("{} {}", package.version, package.sha256)))
        .collect();
    let kind = if kind == Kind::BuildRoot { "build-root\n" } else { "" };
    sha256(format!("{kind}{RULES}\n{suite}\n{lines:?}").as_bytes())[..16].to_owned()
}

/// apt has checked it against the signed index; this checks what is on the disk now.
fn check_digest(file: &Path, package: &Package) -> Result<(), Failure> {
    let bytes = fs::read(file).map_err(|error| cannot("read", file, &error))?;
    let found = sha256(&bytes);
    if found == package.sha256 {
        return Ok(());
    }
    Err(Failure::new(
        "wrong-digest",
        format!("{} is not what the signed index says: {found} instead of {}", file.display(), package.sha256),
    ))
}

/// Runs a program of the machine to its end.
pub fn run(agent: &Agent, program: &str, arguments: &[&str], directory: &Path) -> Result<(), Failure> {
    let path = lookup(program).ok_or_else(|| Failure::new("no-apt", format!("this machine has no {program}")))?;
    run_path(agent, program, path, arguments, directory)
}

fn run_path(agent: &Agent, label: &str, path: PathBuf, arguments: &[&str], directory: &Path) -> Result<(), Failure> {
    let output = agent.processes.run(agent.own_program(label, path, arguments, directory)?, STEP_LIMIT)?;
    if output.exit.is_success() {
        return Ok(());
    }
    Err(Failure::new("unpack", format!("{label} failed: {}", output.exit)).detail(tail_lines(&output.stderr, 8)))
}

/// No set-user-id program out of a package works from here, and a daemon's user must be able to read everything.
fn restrict(directory: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(directory).map_err(|error| cannot("read", directory, &error))?.flatten() {
        let (path, Ok(found)) = (entry.path(), entry.metadata()) else { continue };
        if found.is_symlink() {
            continue;
        }
        let readable = if found.is_dir() || found.mode() & 0o111 != 0 { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(readable))
            .map_err(|error| cannot("change", &path, &error))?;
        if found.is_dir() {
            restrict(&path)?;
        }
    }
    Ok(())
}

/// A Python of the root compiles its library now, or every start of a daemon would: the root is read-only for it.
fn compile_python(agent: &Agent, name: &str, root: &Path) -> Result<(), Failure> {
    let libraries = fs::read_dir(root.join("usr/lib")).into_iter().flatten().flatten().map(|entry| entry.path());
    for library in libraries.filter(|path| path.join("os.py").exists()) {
        let version = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        progress(agent, name, format!("compiling the library of {version}"));
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let found =
            [format!("usr/lib/{triplet}"), format!("lib/{triplet}")].map(|path| root.join(path).display().to_string());
        let target = library.display().to_string();
        let mut start = agent.own_program(
            &version,
            root.join("usr/bin").join(&version),
            &["-m", "compileall", "-q", "-j", "0", &target],
            root,
        )?;
        start.environment.insert("LD_LIBRARY_PATH".into(), found.join(":").into());
        // Some files of the library are tests of broken syntax; what does not compile is compiled never.
        agent.processes.run(start, STEP_LIMIT)?;
    }
    Ok(())
}

fn put_in_place(half: &Path, path: &Path) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        make(parent, 0o755)?;
    }
    // One without a manifest is a half one from a crash long ago.
    if path.exists() {
        fs::remove_dir_all(path).map_err(|error| cannot("remove", path, &error))?;
    }
    fs::rename(half, path).map_err(|error| cannot("move into the cache", path, &error))
}
