//! What `/proc` tells of processes and listeners. Read directly: the figures must be the kernel's own.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// What `/proc/PID/stat` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Process id.
    pub pid: u32,
    /// Short name.
    pub name: String,
    /// `R`, `S`, `Z`, ...
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// Its session.
    pub session: u32,
    /// Whether it has a controlling terminal: nothing that an agent starts has one.
    pub has_terminal: bool,
    /// CPU time used, user and system, in clock ticks (10 ms each).
    pub cpu_ticks: u64,
    /// Start, in clock ticks since boot: with the pid it names a process for good.
    pub start_ticks: u64,
}

/// Reads one process; `None` when it is gone.
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses a line of `stat`. The name may hold spaces and parentheses, so fields count from the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let open = text.find('(')?;
    let close = text.rfind(')')?;
    let fields: Vec<&str> = text.get(close + 1..)?.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        pid: text[..open].trim().parse().ok()?,
        name: text.get(open + 1..close)?.to_owned(),
        state: fields.first()?.chars().next()?,
        parent: u32::try_from(number(1)?).ok()?,
        session: u32::try_from(number(3)?).ok()?,
        has_terminal: fields.get(4)? != &"0",
        cpu_ticks: number(11)? + number(12)?,
        start_ticks: number(19)?,
    })
}

/// All processes, as far as they can be seen.
pub fn all() -> Vec<Stat> {
    pids().filter_map(stat).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The processes of a session, and their descendants.
pub fn members(session: u32) -> Vec<Stat> {
    family(|process| process.session == session)
}

/// The processes that belong, and their descendants.
pub fn family(belongs: impl Fn(&Stat) -> bool) -> Vec<Stat> {
    let mut processes = all();
    let mut found: Vec<Stat> = Vec::new();
    let mut next: Vec<Stat> = processes.extract_if(.., |process| belongs(process)).collect();
    while !next.is_empty() {
        found.append(&mut next);
        next = processes.extract_if(.., |process| found.iter().any(|parent| parent.pid == process.parent)).collect();
    }
    found
}

/// Whether a process has `NAME=value` in its environment.
pub fn has_mark(pid: u32, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
}

/// Whether a process has its current directory under this one.
pub fn works_under(pid: u32, directory: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
}

/// A process's command line for people; its short name where that is all there is.
pub fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> =
        bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
    if words.is_empty() { stat(pid).map_or_else(|| "?".to_owned(), |stat| stat.name) } else { words.join(" ") }
}

/// What is mounted as the root, by the number that the kernel gives each mount of each namespace. Who lives in a folder
/// below it sees none.
pub fn root_mount(mountinfo: &str) -> Option<String> {
    let line = mountinfo.lines().rfind(|line| line.split(' ').nth(4) == Some("/"))?;
    Some(line.split(' ').next()?.to_owned())
}

/// The kernel's id of this boot.
pub fn boot_id() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// A listening TCP socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// Its inode, by which a process's descriptors name it.
    pub inode: u64,
    /// The user that made it.
    pub uid: u32,
}

/// Sockets that listen on a port, in this network namespace.
pub fn listening(port: u16) -> Vec<Socket> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| text.lines().skip(1).filter_map(parse_listening).collect::<Vec<_>>())
        .filter(|socket| socket.port == port)
        .collect()
}

const LISTEN: &str = "0A";

fn parse_listening(line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if fields.get(3) != Some(&LISTEN) {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    Some(Socket {
        address: readable_address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        inode: fields.get(9)?.parse().ok()?,
        uid: fields.get(7)?.parse().ok()?,
    })
}

/// The kernel prints addresses as 32-bit words in host order.
fn readable_address(hex: &str) -> Option<String> {
    let words: Option<Vec<u32>> =
        (0..hex.len() / 8).map(|word| u32::from_str_radix(hex.get(word * 8..word * 8 + 8)?, 16).ok()).collect();
    let bytes: Vec<u8> = words?.into_iter().flat_map(u32::to_ne_bytes).collect();
    match bytes.len() {
        4 => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        16 => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    }
}

/// Which process holds each of these sockets, as far as it can be seen.
pub fn holders(sockets: &[Socket]) -> HashMap<u64, u32> {
    let wanted: HashMap<String, u64> =
        sockets.iter().map(|socket| (format!("socket:[{}]", socket.inode), socket.inode)).collect();
    let mut holders = HashMap::new();
    for pid in pids() {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        for target in descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()) {
            if let Some(inode) = target.to_str().and_then(|target| wanted.get(target)) {
                // The lowest pid is most often the parent of those that inherited the socket.
                holders.entry(*inode).and_modify(|holder: &mut u32| *holder = pid.min(*holder)).or_insert(pid);
            }
        }
    }
    holders
}

/// A setting of the kernel, read at once: of some (`ip_local_reserved_ports` is one) a second read gives nothing, whatever
/// the first one had no room for.
pub fn setting(path: &std::path::Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = vec![0; 64 << 10];
    let length = fs::File::open(path).ok()?.read(&mut bytes).ok()?;
    bytes.truncate(length);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "42 (evil ) R (name) S 1 42 42 0 -1 4194560 1 2 3 4 11 22 5 6 20 0 1 0 777 1 2";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.pid, stat.name.as_str(), stat.state), (42, "evil ) R (name", 'S'));
        assert_eq!((stat.parent, stat.session, stat.cpu_ticks, stat.start_ticks), (1, 42, 33, 777));
        assert_eq!(parse_stat("42 (cut"), None);
    }

    #[test]
    fn this_process_is_found_with_its_listener() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sockets = listening(port);
        assert_eq!(sockets.len(), 1);
        assert_eq!(sockets[0].address, "127.0.0.1");
        assert_eq!(holders(&sockets).get(&sockets[0].inode), Some(&std::process::id()));
        assert!(stat(std::process::id()).unwrap().start_ticks > 0);
    }

    #[test]
    fn a_line_of_tcp6_is_read() {
        let line = "   0: 00000000000000000000000001000000:1F50 00000000000000000000000000000000:0000 0A \
                    00000000:00000000 00:00000000 00000000  1000        0 98765 1 0 100 0 0 10 0";
        let socket = parse_listening(line).unwrap();
        assert_eq!((socket.address.as_str(), socket.port, socket.inode, socket.uid), ("::1", 8016, 98765, 1000));
    }
}
