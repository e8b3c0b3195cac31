//! The binary that is sent to a machine: read, known by its digest, and fit to run there.

use std::io;
use std::path::{Path, PathBuf};

use crate::wire::Failure;
use crate::wire::digest::sha256;

/// A static `timetrial`.
#[derive(Debug, Clone)]
pub struct Binary {
    /// Where it was read.
    pub path: PathBuf,
    /// The whole of it.
    pub bytes: Vec<u8>,
    /// What it is called on machines.
    pub sha256: String,
    /// Its processor, as `uname -m` names it.
    pub architecture: &'static str,
}

impl Binary {
    /// The one that runs: itself, not what stands at its path now.
    pub fn own() -> io::Result<Self> {
        Self::read(Path::new("/proc/self/exe"))
    }

    /// One for another processor.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let architecture = architecture(&bytes).map_err(io::Error::other)?;
        Ok(Self { path: path.to_owned(), sha256: sha256(&bytes), bytes, architecture })
    }

    /// Whether it runs on a machine that says this of itself (`uname -m`): else what to do.
    pub fn fits(&self, machine: &str) -> Result<(), Failure> {
        let same = self.architecture == machine
            // A 32-bit ARM machine names its version, and our binary only its family.
            || (self.architecture == "armv7l" && machine.starts_with("armv"));
        if same {
            return Ok(());
        }
        let message =
            format!("it has a processor of the kind {machine}, and {} is for {}", self.name(), self.architecture);
        Err(Failure::new("other-architecture", message).hint(remedy(machine)))
    }

    fn name(&self) -> String {
        if self.path == Path::new("/proc/self/exe") {
            return "this `timetrial`".to_owned();
        }
        self.path.display().to_string()
    }
}

/// How a binary for another kind of processor is made and named.
fn remedy(machine: &str) -> String {
    format!(
        "build one for it, `cargo build --release --target {machine}-unknown-linux-gnu` (or on such a machine), and name \
         it in hosts.toml: binary = \"FILE\""
    )
}

/// Numbers in a file of this byte order.
#[derive(Clone, Copy)]
struct Elf<'a> {
    bytes: &'a [u8],
    is_64: bool,
    is_little: bool,
}

impl Elf<'_> {
    /// The number of this many bytes at this place.
    fn number(self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) })
    }

    /// Whether it asks for a program that loads it, and with it for libraries of the machine.
    fn asks_for_a_loader(self) -> Option<bool> {
        const PT_INTERP: u64 = 3;
        let (at, size) = if self.is_64 { (32, 8) } else { (28, 4) };
        let first = usize::try_from(self.number(at, size)?).ok()?;
        let (entry, count) = if self.is_64 { (54, 56) } else { (42, 44) };
        let entry = usize::try_from(self.number(entry, 2)?).ok()?;
        let count = usize::try_from(self.number(count, 2)?).ok()?;
        for place in 0..count {
            let at = first.checked_add(place.checked_mul(entry)?)?;
            if self.number(at, 4)? == PT_INTERP {
                return Some(true);
            }
        }
        Some(false)
    }
}

/// The processor of a static ELF file.
fn architecture(bytes: &[u8]) -> Result<&'static str, String> {
    let none = || "it is not a program for Linux (no ELF file)".to_owned();
    if !bytes.starts_with(b"\x7fELF") {
        return Err(none());
    }
    let (class, order) = (bytes.get(4).ok_or_else(none)?, bytes.get(5).ok_or_else(none)?);
    let elf = Elf { bytes, is_64: *class == 2, is_little: *order == 1 };
    let machine = elf.number(18, 2).ok_or_else(none)?;
    if elf.asks_for_a_loader().ok_or_else(|| "its ELF header is damaged".to_owned())? {
        return Err("it is not static: it would need the libraries of this machine on every other one; build it with \
             `cargo build --release` in the project's folder, whose .cargo/config.toml links statically"
            .to_owned());
    }
    match (machine, elf.is_64, elf.is_little) {
        (62, true, _) => Ok("x86_64"),
        (183, true, true) => Ok("aarch64"),
        (243, true, _) => Ok("riscv64"),
        (40, false, _) => Ok("armv7l"),
        (3, false, _) => Ok("i686"),
        (21, true, true) => Ok("ppc64le"),
        (22, true, _) => Ok("s390x"),
        (258, true, _) => Ok("loongarch64"),
        (number, ..) => Err(format!("it is for a kind of processor that is not known here (ELF machine {number})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with one program header of this type.
    fn elf(machine: u16, program: u32) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64 + 56, 0);
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&1_u16.to_le_bytes());
        bytes[64..68].copy_from_slice(&program.to_le_bytes());
        bytes
    }

    #[test]
    fn a_binary_says_its_processor_and_whether_it_is_static() {
        assert_eq!(architecture(&elf(62, 1)), Ok("x86_64"));
        assert_eq!(architecture(&elf(183, 1)), Ok("aarch64"));
        assert!(architecture(&elf(62, 3)).unwrap_err().starts_with("it is not static"));
        assert!(architecture(&elf(9999, 1)).unwrap_err().contains("ELF machine 9999"));
        assert!(architecture(&elf(62, 1)[..80]).is_ok_and(|name| name == "x86_64"));
        assert!(architecture(&elf(62, 1)[..60]).unwrap_err().contains("damaged"));
        assert!(architecture(b"#!/bin/sh\n").unwrap_err().contains("no ELF file"));
        assert!(architecture(b"\x7fELF").is_err());
    }

    #[test]
    fn this_test_is_a_static_binary_of_its_own_processor() {
        let own = Binary::own().unwrap();
        assert_eq!(own.architecture, std::env::consts::ARCH);
        assert_eq!(own.sha256.len(), 64);
        assert!(own.fits(std::env::consts::ARCH).is_ok());
        let failure = own.fits("sparc64").unwrap_err();
        assert!(failure.message.contains("of the kind sparc64, and this `timetrial` is for"), "{failure}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("--target sparc64-unknown-linux-gnu")));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        assert!(Binary::read(Path::new("/nowhere/timetrial")).is_err());
    }
}
