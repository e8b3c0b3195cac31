//! Receives bytes, and says when they came.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::time::TimeSpec;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::truth::clock::{self, SECOND_NS};

/// Bytes that are read at once.
const BUFFER: usize = 65_536;

/// The difference of the clocks is looked at this often: somebody may set one.
const LOOK_EVERY_NS: u64 = SECOND_NS;

/// Whose times of arrival are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Nobody's: they are not needed.
    None,
    /// When we read the bytes.
    Ours,
    /// When the kernel had them, which a busy server does not change.
    Kernel,
}

/// Receives from all connections, into one buffer.
#[derive(Debug)]
pub struct Receiver {
    times: Times,
    /// What was received last.
    pub buffer: Vec<u8>,
    control: Vec<u8>,
    real_ahead: i64,
    looked_at: u64,
}

/// Bytes in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// How many; none at the end of the connection.
    pub bytes: usize,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`; 0 if nobody needs it.
    pub at_ns: u64,
}

impl Receiver {
    /// With times from there.
    pub fn new(times: Times) -> Self {
        let control = nix::cmsg_space!(TimeSpec);
        Self { times, buffer: vec![0; BUFFER], control, real_ahead: clock::real_ahead(), looked_at: clock::now() }
    }

    /// The next bytes of a connection.
    pub fn receive(&mut self, from: &OwnedFd) -> Result<Received, Errno> {
        match self.times {
            Times::None => {
                let bytes = recv(from, self.buffer.as_mut_slice(), RecvFlags::empty())?.1;
                Ok(Received { bytes, at_ns: 0 })
            }
            Times::Ours => {
                let bytes = recv(from, self.buffer.as_mut_slice(), RecvFlags::empty())?.1;
                Ok(Received { bytes, at_ns: clock::now() })
            }
            Times::Kernel => self.receive_stamped(from),
        }
    }

    fn receive_stamped(&mut self, from: &OwnedFd) -> Result<Received, Errno> {
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        self.control.resize(self.control.capacity(), 0);
        let message = recvmsg::<()>(from.as_raw_fd(), &mut slices, Some(&mut self.control), MsgFlags::empty());
        let message = message.map_err(|errno| Errno::from_raw_os_error(errno as i32))?;
        let stamp = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampns(time) => Some(time),
                _ => None,
            })
        });
        let (bytes, now) = (message.bytes, clock::now());
        if now - self.looked_at > LOOK_EVERY_NS {
            (self.real_ahead, self.looked_at) = (clock::real_ahead(), now);
        }
        let monotonic = stamp.map(|time| {
            let real = time.tv_sec() * SECOND_NS.cast_signed() + time.tv_nsec();
            (real - self.real_ahead).cast_unsigned()
        });
        // A stamp of the future belongs to a clock that was set meanwhile.
        let at_ns = monotonic.filter(|stamp| *stamp <= now).unwrap_or(now);
        Ok(Received { bytes, at_ns })
    }
}
