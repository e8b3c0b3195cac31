//! Who listens on a port.

use crate::agent::procfs;
use crate::wire::Listener;

/// The listeners on a TCP port, with their processes where they can be seen.
pub fn on(port: u16) -> Vec<Listener> {
    let sockets = procfs::listening(port);
    let holders = if sockets.is_empty() { Default::default() } else { procfs::holders(&sockets) };
    let listener = |socket: &procfs::Socket| {
        let pid = holders.get(&socket.inode).copied();
        Listener { address: socket.address.clone(), pid, command: pid.map(procfs::command_line), uid: socket.uid }
    };
    sockets.iter().map(listener).collect()
}
