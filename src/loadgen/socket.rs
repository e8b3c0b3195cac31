//! Sockets of the load generator: made without waiting, watched once, read with the time at which the kernel had the bytes.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use crate::loadgen::settings::Address;

/// Bytes with the kernel's stamp, if it gave one.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// How many; 0 means that the other side has ended.
    pub bytes: usize,
    /// When the kernel had the last of them, in nanoseconds of Unix time.
    pub unix_ns: Option<u64>,
}

/// A socket on its way to an address. It may be connected at once, or later: it is writable then.
pub fn connect(address: &Address) -> Result<(OwnedFd, bool), Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, connected) = match address {
        Address::Tcp(to) => {
            let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
            rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
            let connected = rustix::net::connect(&socket, to);
            (socket, connected)
        }
        Address::Unix(path) => {
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            let connected = rustix::net::connect(&socket, &SocketAddrUnix::new(path)?);
            (socket, connected)
        }
    };
    match connected {
        Ok(()) => Ok((socket, true)),
        Err(Errno::INPROGRESS) => Ok((socket, false)),
        Err(error) => Err(error),
    }
}

/// Asks for the kernel's stamps. Sockets of the file system have none.
pub fn stamp(socket: &OwnedFd) -> bool {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true).is_ok()
}

/// Why a connection could not be made, if it could not.
pub fn connect_error(socket: &OwnedFd) -> Result<(), Errno> {
    rustix::net::sockopt::socket_error(socket)?
}

/// Sends what fits.
pub fn send(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)
}

/// Receives without a stamp.
pub fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<Received, Errno> {
    let (bytes, _) = rustix::net::recv(socket, buffer, rustix::net::RecvFlags::empty())?;
    Ok(Received { bytes, unix_ns: None })
}

/// Receives with a stamp. `control` is memory for it that is used again and again.
pub fn receive_stamped(socket: &OwnedFd, buffer: &mut [u8], control: &mut [u8]) -> Result<Received, Errno> {
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::empty())
        .map_err(|error| Errno::from_raw_os_error(error as i32))?;
    let stamps = message.cmsgs().into_iter().flatten().filter_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => {
            Some((at.tv_sec() as u64).wrapping_mul(1_000_000_000).wrapping_add(at.tv_nsec() as u64))
        }
        _ => None,
    });
    Ok(Received { unix_ns: stamps.last(), bytes: message.bytes })
}

/// Watches a socket for all there is to know, once and for all: only changes are told.
pub fn watch(epoll: impl AsFd, socket: &OwnedFd, data: u64) -> Result<(), Errno> {
    let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
    epoll::add(epoll, socket, epoll::EventData::new_u64(data), flags)
}
