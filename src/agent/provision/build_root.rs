//! What makes unpacked packages a root that something can be built with, in place and beside the machine's own loader.
//!
//! A compiler out of it runs with the machine's C library, as every program does, and finds its other libraries by links
//! in a directory of their own. What it makes is linked to the C library in the root, which stands where `--sysroot`
//! has the linker look for it, and is on no program's path.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use crate::agent::provision::cache::{LIBRARY_LINKS, Manifest};
use crate::agent::state::{cannot, make};
use crate::wire::Failure;

/// Links all libraries that are in a root into one directory.
pub fn link_libraries(root: &Path) -> Result<(), Failure> {
    let links = root.join(LIBRARY_LINKS);
    make(&links, 0o755)?;
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    for directory in ["usr/lib", "lib"].map(|place| format!("{place}/{triplet}")) {
        for entry in fs::read_dir(root.join(&directory)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let shown = name.to_string_lossy();
            if (shown.ends_with(".so") || shown.contains(".so.")) && !links.join(&name).is_symlink() {
                let target = Path::new("..").join(&directory).join(&name);
                symlink(target, links.join(&name)).map_err(|error| cannot("link", &links, &error))?;
            }
        }
    }
    Ok(())
}

/// Has links that begin at `/` lead into the root, as they would if it were the machine's: the linker follows them.
pub fn keep_links_inside(root: &Path) -> Result<(), Failure> {
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| cannot("read", &folder, &error))?.flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() {
                folders.push((path, depth + 1));
            } else if let Some(target) = fs::read_link(&path).ok().and_then(|target| inside(&target, depth)) {
                let moved = fs::remove_file(&path).and_then(|()| symlink(target, &path));
                moved.map_err(|error| cannot("link", &path, &error))?;
            }
        }
    }
    Ok(())
}

/// The same target told from a folder that lies this deep in the root; nothing if it is relative already.
fn inside(target: &Path, depth: usize) -> Option<PathBuf> {
    if !target.is_absolute() {
        return None;
    }
    let up = std::iter::repeat_n(Component::ParentDir, depth);
    let down = target.components().filter(|part| matches!(part, Component::Normal(_)));
    Some(up.chain(down).collect())
}

/// What a build by setuptools needs in its environment beside the paths of programs and libraries.
pub fn environment(root: &Manifest, interpreter: &str) -> BTreeMap<OsString, OsString> {
    let path = root.path.display();
    // setuptools splits these as a shell would.
    let sysroot = format!("\"--sysroot={path}\"");
    let variable = |name: &str, value: String| (name.into(), value.into());
    BTreeMap::from([
        variable("CFLAGS", sysroot.clone()),
        variable("CXXFLAGS", sysroot.clone()),
        variable("LDFLAGS", sysroot),
        // The interpreter says that its headers lie beside it, where they don't.
        variable("CPATH", format!("{path}/usr/include/{interpreter}")),
        variable("PYTHONPATH", format!("{path}/usr/lib/python3/dist-packages")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_the_root() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("usr/lib/deep")).unwrap();
        fs::create_dir_all(path("lib")).unwrap();
        fs::write(path("lib/real.so.0"), "it").unwrap();
        symlink("/lib/real.so.0", path("usr/lib/deep/real.so")).unwrap();
        symlink("real.so", path("usr/lib/deep/same.so")).unwrap();
        keep_links_inside(root.path()).unwrap();
        assert_eq!(fs::read_link(path("usr/lib/deep/real.so")).unwrap(), Path::new("../../../lib/real.so.0"));
        assert_eq!(fs::read_link(path("usr/lib/deep/same.so")).unwrap(), Path::new("real.so"));
        assert_eq!(fs::read_to_string(path("usr/lib/deep/same.so")).unwrap(), "it");
    }

    #[test]
    fn the_c_library_that_comes_later_is_not_linked() {
        let root = tempfile::tempdir().unwrap();
        let lib = root.path().join(format!("lib/{}-linux-gnu", std::env::consts::ARCH));
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("libz.so.1"), "z").unwrap();
        fs::write(lib.join("libz.a"), "z").unwrap();
        link_libraries(root.path()).unwrap();
        fs::write(lib.join("libc.so.6"), "c").unwrap();
        let links = root.path().join(LIBRARY_LINKS);
        let names: Vec<_> = fs::read_dir(&links).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["libz.so.1"]);
        assert_eq!(fs::read_to_string(links.join("libz.so.1")).unwrap(), "z");
    }
}
