//! Whether the real-time class is taken, and why not where somebody would expect it.

use std::fs;
use std::net::SocketAddr;

use crate::loadgen::scheduler::{processors, real_time};
use crate::loadgen::settings::{Address, Settings};

/// Whether the threads run in real time; and a word about it in an open loop.
pub fn class(settings: &Settings) -> (bool, Option<String>) {
    if !settings.pace.is_open_loop() {
        return (false, None);
    }
    if !settings.real_time {
        return (false, Some("it was not wanted".to_owned()));
    }
    if let Some(why) = shared_with_server(settings) {
        return (false, Some(why));
    }
    // Tried in a thread of its own, which ends at once.
    let tried = std::thread::spawn(real_time).join().unwrap_or(Err(libc::EPERM));
    match tried {
        Ok(()) => (true, None),
        Err(errno) => {
            let why = std::io::Error::from_raw_os_error(errno);
            (false, Some(format!("this machine does not let us ({why}): it takes CAP_SYS_NICE, or a limit `rtprio`")))
        }
    }
}

/// Why the server may share a processor with us, if it may.
fn shared_with_server(settings: &Settings) -> Option<String> {
    let here: Vec<&Address> = settings.target.addresses.iter().filter(|address| is_here(address)).collect();
    if here.is_empty() {
        return None;
    }
    let ours = if settings.cpus.is_empty() { processors() } else { settings.cpus.clone() };
    for address in here {
        let Address::Tcp(to) = address else {
            return Some("the server is on this machine, and its processors are not known".to_owned());
        };
        let Some(theirs) = processors_of_listener(*to) else {
            return Some("the server is on this machine, and its processors are not known".to_owned());
        };
        if theirs.iter().any(|cpu| ours.contains(cpu)) {
            return Some("the server may run on the same processors; --cpus and taskset keep them apart".to_owned());
        }
    }
    None
}

/// Whether an address leads to this machine.
fn is_here(address: &Address) -> bool {
    match address {
        Address::Unix(_) => true,
        // Whoever may be bound to is here; that asks the kernel and nobody else.
        Address::Tcp(to) => to.ip().is_loopback() || std::net::UdpSocket::bind((to.ip(), 0)).is_ok(),
    }
}

/// The processors that the processes listening there may run on.
fn processors_of_listener(to: SocketAddr) -> Option<Vec<usize>> {
    let inodes = listening_inodes(to);
    let mut processors = Vec::new();
    let mut found = false;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        if !process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files.flatten().filter_map(|file| fs::read_link(file.path()).ok()).any(|link| {
            let link = link.to_string_lossy();
            link.strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|inode| inodes.iter().any(|known| known == inode))
        });
        if holds {
            found = true;
            for thread in fs::read_dir(process.path().join("task")).ok()?.flatten() {
                let status = fs::read_to_string(thread.path().join("status")).ok()?;
                let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
                processors.extend(list_of_processors(list.trim())?);
            }
        }
    }
    found.then_some(processors)
}

fn listening_inodes(to: SocketAddr) -> Vec<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let inodes = lines.filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, port) = words.get(1)?.rsplit_once(':')?;
        let is_ours = u16::from_str_radix(port, 16).ok()? == to.port() && *words.get(3)? == "0A";
        is_ours.then(|| words.get(9).map(|inode| (*inode).to_owned()))?
    });
    inodes.collect()
}

/// `0-3,8` as numbers.
fn list_of_processors(list: &str) -> Option<Vec<usize>> {
    let mut processors = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        processors.extend(first.trim().parse().ok()?..=last.trim().parse::<usize>().ok()?);
    }
    Some(processors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(list_of_processors("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(list_of_processors("7"), Some(vec![7]));
        assert_eq!(list_of_processors("x"), None);
    }

    #[test]
    fn whoever_listens_on_this_machine_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        assert_eq!(
            processors_of_listener(to).map(|mut cpus| {
                cpus.sort_unstable();
                cpus.dedup();
                cpus
            }),
            Some(processors())
        );
        assert!(is_here(&Address::Tcp(to)));
        let elsewhere: std::net::IpAddr = "192.0.2.1".parse().unwrap();
        assert!(!is_here(&Address::Tcp(SocketAddr::new(elsewhere, 80))));
    }
}
