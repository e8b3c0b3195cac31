//! All connections, each with a name that no later one has.

use std::os::fd::OwnedFd;

use crate::truth::connection::Connection;

/// The name of a connection: its place, and how many were there before it.
pub type Token = u64;

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Connections {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

impl Connections {
    /// A new one.
    pub fn add(&mut self, socket: OwnedFd) -> (Token, &mut Connection) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let slot = &mut self.slots[index];
        (u64::from(slot.generation) << 32 | index as u64, slot.connection.insert(Connection::new(socket)))
    }

    /// The one of that name, if it is still there.
    pub fn get(&mut self, token: Token) -> Option<&mut Connection> {
        self.slot(token)?.connection.as_mut()
    }

    /// Takes it out; its socket is closed with it.
    pub fn remove(&mut self, token: Token) -> Option<Connection> {
        let slot = self.slot(token)?;
        let connection = slot.connection.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(place(token));
        Some(connection)
    }

    /// All that are there.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|slot| slot.connection.as_ref())
    }

    fn slot(&mut self, token: Token) -> Option<&mut Slot> {
        self.slots.get_mut(place(token)).filter(|slot| u64::from(slot.generation) == token >> 32)
    }
}

fn place(token: Token) -> usize {
    (token & u64::from(u32::MAX)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_connection_only() {
        let socket = || OwnedFd::from(std::os::unix::net::UnixStream::pair().expect("a pair of sockets").0);
        let mut connections = Connections::default();
        let (first, _) = connections.add(socket());
        assert!(connections.remove(first).is_some());
        let (second, _) = connections.add(socket());
        assert_ne!(first, second);
        assert!(connections.get(first).is_none() && connections.remove(first).is_none());
        assert!(connections.get(second).is_some());
        assert_eq!(connections.iter().count(), 1);
    }
}
