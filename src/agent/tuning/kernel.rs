//! Settings as the kernel has them: the one place where they are read and written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::agent::procfs;
use crate::tuning::same;
use crate::wire::{GOVERNOR, TURBO};

/// Where the kernel shows its settings.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `/proc/sys`
    pub sysctl: PathBuf,
    /// `/sys/devices/system/cpu`
    pub cpu: PathBuf,
}

impl Default for Kernel {
    fn default() -> Self {
        Self { sysctl: "/proc/sys".into(), cpu: "/sys/devices/system/cpu".into() }
    }
}

/// Settings of which one being set makes the other 0: a limit in bytes, and the same limit as a share.
const PAIRS: [(&str, &str); 3] = [
    ("vm.dirty_bytes", "vm.dirty_ratio"),
    ("vm.dirty_background_bytes", "vm.dirty_background_ratio"),
    ("vm.overcommit_kbytes", "vm.overcommit_ratio"),
];

/// The other of a pair.
pub fn partner(name: &str) -> Option<&'static str> {
    PAIRS.iter().find_map(|(bytes, share)| match name {
        _ if name == *bytes => Some(*share),
        _ if name == *share => Some(*bytes),
        _ => None,
    })
}

/// What a setting changes along with it and does not change back, where that can be set by itself: a congestion control
/// becomes one that everybody may choose.
pub fn along(name: &str, kernel: &Kernel) -> Option<&'static str> {
    const ALLOWED: &str = "net.ipv4.tcp_allowed_congestion_control";
    (name == "net.ipv4.tcp_congestion_control" && kernel.not_writable(ALLOWED).is_none()).then_some(ALLOWED)
}

/// Whether of a pair it is the one that counts bytes.
pub fn counts_bytes(name: &str) -> bool {
    PAIRS.iter().any(|(bytes, _)| *bytes == name)
}

/// A value for people and for comparing: fields apart by one space.
pub fn tidy(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

impl Kernel {
    /// A setting's value as it is, but for the line's end; none where there is no such setting or it can't be read.
    pub fn read(&self, name: &str) -> Option<String> {
        match name {
            GOVERNOR => self.read_governor(),
            TURBO => {
                let (path, on) = self.turbo()?;
                let value = text(&path)?;
                Some(if value == on { "on" } else { "off" }.to_owned())
            }
            _ => text(&self.path(name)?),
        }
    }

    /// Writes a setting. Whether it took is seen by reading it.
    pub fn write(&self, name: &str, value: &str) -> io::Result<()> {
        match name {
            GOVERNOR => self.write_governor(value),
            TURBO => {
                let (path, on) = self.turbo().ok_or_else(|| no_such(name))?;
                let off = if on == "1" { "0" } else { "1" };
                match value {
                    "on" => put(&path, on),
                    "off" => put(&path, off),
                    _ => Err(io::Error::other(format!("{TURBO} is `on` or `off`"))),
                }
            }
            _ => put(&self.path(name).ok_or_else(|| no_such(name))?, value),
        }
    }

    /// Writes back what a setting was; what it is then.
    pub fn put_back(&self, name: &str, before: &str) -> Result<String, String> {
        self.write(name, before).map_err(|error| format!("the kernel refuses `{}`: {error}", tidy(before)))?;
        match self.read(name) {
            Some(now) if same(&now, before) => Ok(now),
            Some(now) => Err(format!("it reads `{}` after `{}` was written", tidy(&now), tidy(before))),
            None => Err("it can't be read any more".to_owned()),
        }
    }

    /// Why this process may not write it, as far as the file tells.
    pub fn not_writable(&self, name: &str) -> Option<String> {
        let path = match name {
            GOVERNOR => self.governors().into_iter().next().map(|(_, path)| path),
            TURBO => self.turbo().map(|(path, _)| path),
            _ => self.path(name),
        };
        match access(&path?, AccessFlags::W_OK) {
            Ok(()) => None,
            Err(Errno::EROFS) => Some("the kernel's settings are mounted read-only here".to_owned()),
            Err(Errno::EACCES | Errno::EPERM) => Some("the kernel lets nobody set it here".to_owned()),
            Err(error) => Some(error.desc().to_owned()),
        }
    }

    /// The names of all settings whose files can be listed, but for those below a name that `skip` knows.
    pub fn names(&self, skip: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![(self.sysctl.clone(), String::new())];
        while let Some((folder, above)) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(part) = entry.file_name().into_string() else { continue };
                // As the tool `sysctl` writes it: a dot within a name is a slash.
                let part = part.replace('.', "/");
                let name = if above.is_empty() { part } else { format!("{above}.{part}") };
                if skip(&name) {
                    continue;
                }
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push((entry.path(), name)),
                    Ok(kind) if kind.is_file() => names.push(name),
                    _ => {}
                }
            }
        }
        names.sort();
        names
    }

    /// The file of a sysctl. The agent is root: a name leads nowhere else.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let mut path = self.sysctl.clone();
        for part in name.split('.') {
            let part = part.replace('/', ".");
            if part.is_empty() || part == "." || part == ".." || part.contains('\0') {
                return None;
            }
            path.push(part);
        }
        fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()).then_some(path)
    }

    /// Each processor's number and its governor's file.
    fn governors(&self) -> Vec<(u32, PathBuf)> {
        let entries = fs::read_dir(&self.cpu).into_iter().flatten().flatten();
        let number = |name: &str| name.strip_prefix("cpu")?.parse::<u32>().ok();
        let mut found: Vec<_> = entries
            .filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path())))
            .map(|(number, path)| (number, path.join("cpufreq/scaling_governor")))
            .filter(|(_, path)| path.is_file())
            .collect();
        found.sort();
        found
    }

    /// One word where all processors have the same governor, else `cpu0=powersave cpu1=performance`.
    fn read_governor(&self) -> Option<String> {
        let all: Option<Vec<(u32, String)>> =
            self.governors().into_iter().map(|(number, path)| Some((number, text(&path)?))).collect();
        let all = all.filter(|all| !all.is_empty())?;
        if all.iter().all(|(_, governor)| *governor == all[0].1) {
            return Some(all[0].1.clone());
        }
        Some(all.iter().map(|(number, governor)| format!("cpu{number}={governor}")).collect::<Vec<_>>().join(" "))
    }

    fn write_governor(&self, value: &str) -> io::Result<()> {
        let of = |number: u32| {
            let name = format!("cpu{number}=");
            value.split_ascii_whitespace().find_map(|word| word.strip_prefix(name.as_str()))
        };
        let governors = self.governors();
        if governors.is_empty() {
            return Err(no_such(GOVERNOR));
        }
        for (number, path) in governors {
            let word = if value.contains('=') { of(number) } else { Some(value) };
            // A processor that came meanwhile keeps what it came with.
            if let Some(word) = word {
                put(&path, word)?;
            }
        }
        Ok(())
    }

    /// The file that says whether turbo is on, and with which word.
    fn turbo(&self) -> Option<(PathBuf, &'static str)> {
        let found = [("intel_pstate/no_turbo", "0"), ("cpufreq/boost", "1")];
        found.into_iter().map(|(path, on)| (self.cpu.join(path), on)).find(|(path, _)| path.is_file())
    }
}

fn no_such(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("this kernel has no {name}"))
}

fn text(path: &Path) -> Option<String> {
    Some(procfs::setting(path)?.trim_end_matches('\n').to_owned())
}

/// In one write, as the kernel wants it, and with a line's end: without one an empty value would be no write at all.
fn put(path: &Path, value: &str) -> io::Result<()> {
    use io::Write;
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(path)?;
    let line = format!("{value}\n");
    let written = file.write(line.as_bytes())?;
    // The kernel takes no more of some values than it has room for.
    if written + 1 < line.len() { Err(io::Error::other("the kernel took only a part of it")) } else { Ok(()) }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A kernel made of files.
    pub fn made_up(place: &Path, settings: &[(&str, &str)]) -> Kernel {
        let kernel = Kernel { sysctl: place.join("sys"), cpu: place.join("cpu") };
        for (name, value) in settings {
            let path = kernel.sysctl.join(name.replace('.', "/"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{value}\n")).unwrap();
        }
        kernel
    }

    #[test]
    fn a_name_leads_to_its_file_and_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let kernel = made_up(place.path(), &[("vm.swappiness", "60"), ("net.some", "1\t2  3")]);
        fs::write(place.path().join("secret"), "1").unwrap();
        fs::write(kernel.sysctl.join("net/eth0.7"), "1\n").unwrap();
        std::os::unix::fs::symlink(place.path().join("secret"), kernel.sysctl.join("link")).unwrap();
        assert_eq!(kernel.read("vm.swappiness").as_deref(), Some("60"));
        assert_eq!(kernel.read("net.some").as_deref(), Some("1\t2  3"), "as it is, for it may be written back");
        assert_eq!(kernel.read("net.eth0/7").as_deref(), Some("1"));
        for bad in ["", "vm", "vm.", "//.secret", "link", "vm.none", ".vm.swappiness"] {
            assert_eq!(kernel.read(bad), None, "{bad}");
            assert!(kernel.write(bad, "1").is_err(), "{bad}");
        }
        assert_eq!(kernel.names(&|name| name == "vm"), ["net.eth0/7", "net.some"]);
        assert_eq!(kernel.put_back("vm.swappiness", "10").unwrap(), "10");
    }

    #[test]
    fn governors_and_turbo_are_settings_too() {
        let place = tempfile::tempdir().unwrap();
        let kernel = made_up(place.path(), &[]);
        assert_eq!((kernel.read(GOVERNOR), kernel.read(TURBO)), (None, None));
        assert!(kernel.write(GOVERNOR, "performance").is_err() && kernel.write(TURBO, "on").is_err());
        for cpu in 0..3 {
            let folder = kernel.cpu.join(format!("cpu{cpu}/cpufreq"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("scaling_governor"), if cpu == 1 { "ondemand\n" } else { "powersave\n" }).unwrap();
        }
        let mixed = kernel.read(GOVERNOR).unwrap();
        assert_eq!(mixed, "cpu0=powersave cpu1=ondemand cpu2=powersave");
        kernel.write(GOVERNOR, "performance").unwrap();
        assert_eq!(kernel.read(GOVERNOR).as_deref(), Some("performance"));
        kernel.put_back(GOVERNOR, &mixed).unwrap();
        for (path, off) in [("cpufreq/boost", "0\n"), ("intel_pstate/no_turbo", "1\n")] {
            fs::create_dir_all(kernel.cpu.join(path).parent().unwrap()).unwrap();
            fs::write(kernel.cpu.join(path), if off == "0\n" { "1\n" } else { "0\n" }).unwrap();
            assert_eq!(kernel.read(TURBO).as_deref(), Some("on"), "{path}");
            kernel.write(TURBO, "off").unwrap();
            assert_eq!(fs::read_to_string(kernel.cpu.join(path)).unwrap(), off);
            assert_eq!(kernel.read(TURBO).as_deref(), Some("off"), "{path}");
        }
        assert!(kernel.write(TURBO, "perhaps").is_err());
    }
}
