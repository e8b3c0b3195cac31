//! What tuning and its sums need to know of a machine, read without changing anything: not even a directory is made.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::unistd::Uid;

use crate::agent::database;
use crate::agent::tuning::journal::{self, Journal};
use crate::agent::tuning::kernel::Kernel;
use crate::agent::tuning::permission::standing;
use crate::agent::tuning::{namespaces, nofile, undo};
use crate::wire::{Change, Failure, Left, Look};

/// What sums need.
const FOR_SUMS: [&str; 15] = [
    "fs.file-max",
    "fs.nr_open",
    "kernel.sem",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_available_congestion_control",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_wmem",
    "vm.overcommit_memory",
];

/// States of a socket in the kernel's numbering.
const TIME_WAIT: &str = "06";
const LISTEN: &str = "0A";

/// Reads it all.
pub fn look(kernel: &Kernel, place: &Path, asked: &[String]) -> Result<Look, Failure> {
    let root = Uid::effective().is_root();
    let namespaces = namespaces::read(kernel);
    let names: BTreeSet<&str> = asked.iter().map(String::as_str).chain(FOR_SUMS).collect();
    let standing = |name: &str| (name.to_owned(), standing(name, kernel, &namespaces, root));
    let sockets = Sockets::read("/proc/net");
    Ok(Look {
        settings: names.into_iter().map(standing).collect(),
        root,
        nofile: nofile::current(),
        may_raise_nofile: nofile::may_raise(),
        time_wait: sockets.as_ref().map(|sockets| sockets.time_wait),
        listening: sockets.map(|sockets| sockets.listening.into_iter().collect()).unwrap_or_default(),
        left: left(kernel, place)?,
        cluster: None,
        namespaces,
    })
}

/// What nobody has undone yet; who is not root sees only whose it is.
pub fn left(kernel: &Kernel, place: &Path) -> Result<Option<Left>, Failure> {
    if Uid::effective().is_root() {
        let mut found = Journal::open(place)?.map(|journal| undo::left(kernel, &journal));
        match database::recorded(place) {
            Ok(None) => {}
            Ok(Some(record)) => {
                let journal::Maker { run, owner, since, boot_id } = record.maker.clone();
                let left = found.get_or_insert_with(|| Left { run, owner, since, boot_id, ..Left::default() });
                left.entries.extend(record.changes());
            }
            // Whoever undoes is told why, once the settings were put back.
            Err(_) => {
                let unread = Change {
                    name: "PostgreSQL".to_owned(),
                    from: Some("a record nobody can read".to_owned()),
                    to: None,
                };
                found.get_or_insert_default().entries.push(unread);
            }
        }
        return Ok(found);
    }
    if !journal::is_there(place) {
        return Ok(None);
    }
    let journal::Maker { run, owner, since, boot_id } = journal::whose(place).unwrap_or_default();
    Ok(Some(Left { run, owner, since, boot_id, ..Left::default() }))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sockets {
    time_wait: u64,
    listening: BTreeSet<u16>,
}

impl Sockets {
    fn read(place: &str) -> Option<Self> {
        let texts: Vec<String> =
            ["tcp", "tcp6"].iter().filter_map(|name| fs::read_to_string(format!("{place}/{name}")).ok()).collect();
        if texts.is_empty() {
            return None;
        }
        let mut sockets = Self::default();
        texts.iter().for_each(|text| sockets.count(text));
        Some(sockets)
    }

    fn count(&mut self, text: &str) {
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (Some(local), Some(state)) = (fields.get(1), fields.get(3)) else { continue };
            match *state {
                TIME_WAIT => self.time_wait += 1,
                LISTEN => {
                    let port = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
                    self.listening.extend(port);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_by_their_state() {
        let mut sockets = Sockets::default();
        sockets.count(
            "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n   1: 0100007F:1F90 0100007F:1 06 0\n\
             \n   2: 00000000000000000000000001000000:0016 0:0 0A\n   3: 0100007F:2000 0:0 01\n",
        );
        assert_eq!(sockets, Sockets { time_wait: 1, listening: BTreeSet::from([22, 8080]) });
    }

    #[test]
    fn a_look_at_this_machine_changes_nothing_and_sees_what_it_is_asked_for() {
        let above = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let asked = ["vm.swappiness".to_owned(), "no.such.thing".to_owned()];
        let look = look(&Kernel::default(), &above.path().join("timetrial"), &asked).unwrap();
        assert_eq!(look.settings.len(), 17);
        assert!(look.settings["vm.swappiness"].value.as_ref().unwrap().parse::<u8>().is_ok());
        assert!(look.settings["no.such.thing"].refused.is_some());
        assert!(look.listening.contains(&listener.local_addr().unwrap().port()));
        assert_eq!((look.left, fs::read_dir(above.path()).unwrap().count()), (None, 0));
    }
}
