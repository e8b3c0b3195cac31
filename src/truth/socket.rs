//! Where it listens, and connections from there.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt as options};

use crate::truth::settings::Place;

/// Connections that may wait until they are accepted; the kernel may allow fewer.
const BACKLOG: i32 = 4_096;

/// A socket that listens. A unix socket's file goes with it.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// Where it listens: `127.0.0.1:34567`, or `unix:/path`.
    pub address: String,
    file: Option<PathBuf>,
}

impl Listener {
    /// Listens there. Connections from there do not delay small packets, and tell when theirs came where that is wanted.
    pub fn bind(place: &Place, with_times: bool) -> io::Result<Self> {
        match place {
            Place::Unix(path) => {
                let socket = UnixListener::bind(path)?;
                socket.set_nonblocking(true)?;
                let address = format!("unix:{}", path.display());
                Ok(Self { socket: socket.into(), address, file: Some(path.clone()) })
            }
            Place::Tcp(address) => {
                let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
                let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
                let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
                options::set_socket_reuseaddr(&socket, true)?;
                options::set_tcp_nodelay(&socket, true)?;
                if with_times {
                    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
                }
                net::bind(&socket, address)?;
                net::listen(&socket, BACKLOG)?;
                let address = std::net::SocketAddr::try_from(net::getsockname(&socket)?)?;
                Ok(Self { socket, address: address.to_string(), file: None })
            }
        }
    }

    /// The next connection, if there is one.
    pub fn accept(&self) -> Result<OwnedFd, Errno> {
        net::accept_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

/// Lets its close be a reset.
pub fn close_by_reset(socket: impl AsFd) {
    let _ = options::set_socket_linger(socket, Some(std::time::Duration::ZERO));
}
