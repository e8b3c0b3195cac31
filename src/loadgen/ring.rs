//! io_uring, with all that is not safe about it in this one file. What it is given to send outlives it; what it receives
//! into is its own, and is let go of only when the kernel has let go of it.

use std::cell::UnsafeCell;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

/// Buffers that the kernel receives into, and the size of each: one page, of which its own words take 80 bytes.
const BUFFERS: u16 = 128;
const PAGE: usize = 4_096;
/// What the kernel says before the bytes: lengths, and room for its stamp.
const HEAD: usize = 16;
const CONTROL: usize = 64;
const GROUP: u16 = 0;

/// A page that the kernel writes to.
#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; PAGE]>);

/// What is done.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// The number it was begun with.
    pub data: u64,
    /// Bytes, or a code of the kernel below zero.
    pub result: i32,
    /// Whether more will be told under this number.
    pub more: bool,
    /// The buffer that bytes lie in.
    pub buffer: Option<u16>,
}

/// A ring for some connections.
pub struct Ring<'a> {
    ring: IoUring,
    pages: Box<[Page]>,
    entries: Box<Page>,
    message: Box<libc::msghdr>,
    tail: u16,
    /// What the kernel still works on.
    under_way: u64,
    waits_long: bool,
    _sent: PhantomData<&'a [u8]>,
}

impl<'a> Ring<'a> {
    /// A ring for so many connections, if kernel and container let us have one.
    pub fn new(connections: u32) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_cqsize(4_096);
        let ring = builder.build(connections.next_power_of_two().clamp(64, 1_024))?;
        ring.submitter().register_files_sparse(connections)?;
        let page = || Page(UnsafeCell::new([0; PAGE]));
        let mut control_only: libc::msghdr = empty_message();
        control_only.msg_controllen = CONTROL as _;
        let mut this = Self {
            waits_long: ring.params().is_feature_min_timeout(),
            ring,
            pages: (0..BUFFERS).map(|_| page()).collect(),
            entries: Box::new(page()),
            message: Box::new(control_only),
            tail: 0,
            under_way: 0,
            _sent: PhantomData,
        };
        this.register_buffers()?;
        (0..BUFFERS).for_each(|buffer| this.give_back(buffer));
        Ok(this)
    }

    #[expect(unsafe_code, reason = "the kernel is told of memory that it writes to")]
    fn register_buffers(&self) -> io::Result<()> {
        let entries = self.entries.0.get() as u64;
        // SAFETY: the page is ours, page-aligned, has room for all entries (128 of 16 bytes), and lives as long as the ring:
        // `Drop` forgets it where the kernel may still write.
        unsafe { self.ring.submitter().register_buf_ring_with_flags(entries, BUFFERS, GROUP, 0) }
    }

    /// Has a socket in this place.
    pub fn put(&self, slot: u32, socket: &OwnedFd) -> io::Result<()> {
        self.ring.submitter().register_files_update(slot, &[socket.as_raw_fd()]).map(drop)
    }

    /// Has none there any more.
    pub fn take_out(&self, slot: u32) {
        // A place that is empty already is as good.
        let _ = self.ring.submitter().register_files_update(slot, &[-1]);
    }

    /// Sends all of these bytes. Nothing is told of it unless it fails.
    pub fn send(&mut self, slot: u32, bytes: &'a [u8], data: u64) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let entry = opcode::Send::new(Fixed(slot), bytes.as_ptr(), length).flags(flags).build();
        self.push(&entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(data))
    }

    /// Receives whatever comes, again and again.
    pub fn receive(&mut self, slot: u32, data: u64) -> io::Result<()> {
        let entry = opcode::RecvMsgMulti::new(Fixed(slot), &raw const *self.message, GROUP).build();
        self.under_way += 1;
        self.push(&entry.user_data(data))
    }

    /// Tells when a socket can be written to.
    pub fn await_writable(&mut self, socket: &OwnedFd, data: u64) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(socket.as_raw_fd()), libc::POLLOUT as u32).build();
        self.under_way += 1;
        self.push(&entry.user_data(data))
    }

    #[expect(unsafe_code, reason = "the kernel is told of memory that it reads and writes")]
    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: what is sent lives for 'a, longer than the ring; the message and the pages are our own, and outlive it.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.ring.submit()?;
        }
        Ok(())
    }

    /// Hands over what was begun, and waits: for so many things within `short_us`, else for one until the span is over.
    pub fn wait(&mut self, want: usize, short_us: u32, seconds: u64, nanoseconds: u32) -> io::Result<()> {
        let span = Timespec::new().sec(seconds).nsec(nanoseconds);
        let mut args = SubmitArgs::new().timespec(&span);
        if want > 1 && self.waits_long {
            args = args.min_wait_usec(short_us);
        }
        let want = if self.waits_long { want } else { 1 };
        match self.ring.submitter().submit_with_args(want, &args) {
            Err(error) if !matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR)) => Err(error),
            _ => Ok(()),
        }
    }

    /// The next thing that is done.
    pub fn next(&mut self) -> Option<Done> {
        let entry = self.ring.completion().next()?;
        let more = cqueue::more(entry.flags());
        if !more && entry.user_data() & SENDS == 0 {
            self.under_way = self.under_way.saturating_sub(1);
        }
        let buffer = cqueue::buffer_select(entry.flags());
        Some(Done { data: entry.user_data(), result: entry.result(), more, buffer })
    }

    /// The bytes in a buffer, and when the kernel had the last of them. It must be given back.
    #[expect(unsafe_code, reason = "a buffer that the kernel has filled is read")]
    pub fn bytes(&self, buffer: u16, result: i32) -> (&[u8], Option<u64>) {
        let Some(page) = self.pages.get(usize::from(buffer)) else { return (&[], None) };
        // SAFETY: the kernel has told that it filled this page, and writes to it again only when it is given back, which
        // takes `&mut self`.
        let page: &[u8; PAGE] = unsafe { &*page.0.get() };
        let filled = usize::try_from(result).unwrap_or(0).min(PAGE);
        let bytes = page.get(HEAD + CONTROL..filled).unwrap_or(&[]);
        (bytes, stamp(&page[HEAD..HEAD + CONTROL], u32_at(page, 4) as usize))
    }

    /// Lets the kernel fill a buffer again.
    #[expect(unsafe_code, reason = "the kernel reads this memory meanwhile")]
    pub fn give_back(&mut self, buffer: u16) {
        let Some(page) = self.pages.get(usize::from(buffer)) else { return };
        let address = page.0.get() as u64;
        let entries = self.entries.0.get().cast::<BufRingEntry>();
        let place = usize::from(self.tail % BUFFERS);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: there are BUFFERS entries in the page and `place` is below that; the kernel reads an entry only once the
        // tail has passed it, and the tail lies in the one field of the first entry that is not written here.
        unsafe {
            let entry = &mut *entries.add(place);
            entry.set_addr(address);
            entry.set_len(PAGE as u32);
            entry.set_bid(buffer);
            AtomicU16::from_ptr(BufRingEntry::tail(entries).cast_mut()).store(self.tail, Ordering::Release);
        }
    }
}

/// Set in the number of everything that is sent: nothing is told of it where it went well.
pub const SENDS: u64 = 1 << 63;

impl Drop for Ring<'_> {
    fn drop(&mut self) {
        // The sockets are shut down by now, so what is under way ends at once. Should it not, the kernel may still write to
        // these pages: then they are never given to anybody else.
        for _ in 0..100 {
            if self.under_way == 0 {
                return;
            }
            let _ = self.wait(1, 0, 0, 10_000_000);
            while self.next().is_some() {}
        }
        std::mem::forget(std::mem::take(&mut self.pages));
        std::mem::forget(std::mem::replace(&mut self.entries, Box::new(Page(UnsafeCell::new([0; PAGE])))));
        std::mem::forget(std::mem::replace(&mut self.message, Box::new(empty_message())));
    }
}

#[expect(unsafe_code, reason = "the structure has private padding, so it can only be made of zeros")]
fn empty_message() -> libc::msghdr {
    // SAFETY: numbers and null pointers, for all of which zero is a value.
    unsafe { std::mem::zeroed() }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes)
}

/// The kernel's stamp in a control message, in nanoseconds of Unix time: length, level, type, seconds, nanoseconds.
fn stamp(control: &[u8], length: usize) -> Option<u64> {
    let is_stamp = u32_at(control, 8) == libc::SOL_SOCKET as u32 && u32_at(control, 12) == libc::SCM_TIMESTAMPNS as u32;
    (length >= 32 && is_stamp && cfg!(target_pointer_width = "64"))
        .then(|| u64_at(control, 16).wrapping_mul(1_000_000_000).wrapping_add(u64_at(control, 24)))
}
