//! The engine for HTTP/2: a well-kept library on a runtime of one thread. Its slots are streams, of which each connection has
//! several. It sees no stamps of the kernel; how late it sends is measured like everywhere else.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use sha2::{Digest, Sha256};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet};

use crate::loadgen::answer::Answer;
use crate::loadgen::clock::now_ns;
use crate::loadgen::epoll::span;
use crate::loadgen::fault::Fault;
use crate::loadgen::http2_wire::{Counted, Passed, connect};
use crate::loadgen::thread::{Common, Gate};
use crate::loadgen::worker::{After, Step, Worker};

/// Flow control never holds an answer up: these are windows of a stream and of a connection.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// One connection.
#[derive(Default)]
struct Line {
    sender: Option<SendRequest<Bytes>>,
    is_making: bool,
    was_made: bool,
    since_ns: u64,
    /// Slots that wait for it.
    waiting: Vec<u32>,
    generation: u64,
    driver: Option<AbortHandle>,
}

/// One stream.
#[derive(Default)]
struct Place {
    generation: u64,
    task: Option<AbortHandle>,
}

/// What tasks tell the engine.
enum News {
    Made(usize, Result<(SendRequest<Bytes>, AbortHandle), Fault>),
    Lost(usize, u64),
    Ended(u32, u64, Result<Answer, Fault>, u64),
}

#[derive(Default)]
struct Inbox {
    news: RefCell<VecDeque<News>>,
    notify: Notify,
}

impl Inbox {
    fn tell(&self, news: News) {
        self.news.borrow_mut().push_back(news);
        self.notify.notify_one();
    }
}

/// The engine of one thread.
pub struct Engine<'a> {
    common: &'a Common<'a>,
    worker: Worker<'a>,
    lines: Vec<Line>,
    places: Vec<Place>,
    inbox: Rc<Inbox>,
    passed: Rc<Passed>,
    runtime: Runtime,
}

impl<'a> Engine<'a> {
    /// An engine for so many connections with so many slots together.
    pub fn new(common: &'a Common<'a>, worker: Worker<'a>, connections: u32, slots: u32) -> std::io::Result<Self> {
        common.is_unstamped.store(true, Ordering::Relaxed);
        Ok(Self {
            common,
            worker,
            lines: (0..connections).map(|_| Line::default()).collect(),
            places: (0..slots).map(|_| Place::default()).collect(),
            inbox: Rc::default(),
            passed: Rc::default(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// Makes the connections, waits at the gate for the others, and runs the load to its end.
    pub fn run(mut self, gate: &Gate) -> Worker<'a> {
        let deadline = now_ns().saturating_add(self.common.connect_limit_ns());
        let local = LocalSet::new();
        let runtime = std::mem::replace(&mut self.runtime, unused());
        // Where there is no timer, nothing can be sent in time: it is as if no connection could be made.
        if let Ok(timer) = runtime.block_on(async { timer() }) {
            runtime.block_on(local.run_until(async {
                while !self.worker.is_settled() && now_ns() < deadline && !self.common.stop.is_asked() {
                    self.turn(&timer, deadline).await;
                }
            }));
            if let Some((start, duration)) = gate.pass(self.worker.open()) {
                self.worker.begin(start, duration);
                runtime.block_on(local.run_until(self.load(&timer)));
            }
        } else {
            gate.pass(0);
        }
        self.worker
    }

    async fn load(&mut self, timer: &AsyncFd<OwnedFd>) {
        while !self.worker.is_done(now_ns()) {
            if self.common.stop.is_asked() {
                self.worker.stop(now_ns());
                break;
            }
            self.turn(timer, u64::MAX).await;
        }
    }

    async fn turn(&mut self, timer: &AsyncFd<OwnedFd>, deadline: u64) {
        let now = self.pump();
        let wake = self.worker.wake_ns().min(deadline);
        if wake > now {
            tokio::select! {
                () = self.inbox.notify.notified() => {}
                () = elapsed(timer, now, wake) => {}
            }
        } else {
            // The tasks of the connections get their turn even when something is always due.
            tokio::task::yield_now().await;
        }
        loop {
            let news = self.inbox.news.borrow_mut().pop_front();
            let Some(news) = news else { break };
            self.take(news);
            self.pump();
        }
        let (received, sent) = self.passed.take();
        self.worker.carried(received, sent);
        let now = now_ns();
        while let Some(slot) = self.worker.expired(now) {
            self.forget(slot);
        }
    }

    /// Begins all that can be begun now.
    fn pump(&mut self) -> u64 {
        loop {
            let now = now_ns();
            match self.worker.next(now) {
                Step::Nothing => return now,
                Step::Open(slot) => self.open(slot, now),
                Step::Send(slot) => self.send(slot, now),
            }
        }
    }

    /// Neighbouring slots are streams of different connections, so that a low load is spread over all of them.
    fn line_of(&self, slot: u32) -> usize {
        slot as usize % self.lines.len()
    }

    fn open(&mut self, slot: u32, now: u64) {
        let index = self.line_of(slot);
        let line = &mut self.lines[index];
        if line.sender.is_some() {
            if self.worker.connected(slot, now) {
                self.send(slot, now);
            }
            return;
        }
        line.waiting.push(slot);
        if line.is_making {
            return;
        }
        line.is_making = true;
        line.since_ns = now;
        let addresses = &self.common.settings.target.addresses;
        let address = addresses[index % addresses.len()].clone();
        let (tls, limit) = (self.common.tls.clone(), Duration::from_nanos(self.common.connect_limit_ns()));
        let (inbox, passed) = (Rc::clone(&self.inbox), Rc::clone(&self.passed));
        line.generation += 1;
        let generation = line.generation;
        tokio::task::spawn_local(async move {
            let made = match connect(address, tls, limit, passed).await {
                Ok(stream) => greet(stream, index, generation, &inbox).await,
                Err(fault) => Err(fault),
            };
            inbox.tell(News::Made(index, made));
        });
    }

    fn send(&mut self, slot: u32, now: u64) {
        let index = self.line_of(slot);
        let (spec, number) = (self.worker.spec(slot), self.worker.number(slot));
        let request = match request(self.common, spec, number) {
            Ok(request) => request,
            Err(why) => {
                self.worker.fail(slot, Fault::Parse(why), now);
                return;
            }
        };
        let body = Bytes::from(self.common.settings.requests.body(spec, number).into_owned());
        let hashed = self.common.settings.requests.spec(spec).expect.sha256.is_some();
        let Some(sender) = &mut self.lines[index].sender else {
            self.worker.without_connection(slot, now);
            return;
        };
        match sender.send_request(request, body.is_empty()) {
            Ok((response, mut stream)) => {
                if !body.is_empty() {
                    let _ = stream.send_data(body, true);
                }
                self.worker.sent(slot, 0, now);
                let place = &mut self.places[slot as usize];
                place.generation += 1;
                let (generation, inbox) = (place.generation, Rc::clone(&self.inbox));
                let task = tokio::task::spawn_local(async move {
                    let ended = receive(response, hashed).await;
                    inbox.tell(News::Ended(slot, generation, ended, now_ns()));
                });
                place.task = Some(task.abort_handle());
            }
            Err(error) => {
                self.worker.fail(slot, fault_of(&error, false), now);
            }
        }
    }

    fn take(&mut self, news: News) {
        let now = now_ns();
        match news {
            News::Made(index, made) => self.made(index, made, now),
            News::Lost(index, generation) => self.lost(index, generation, now),
            News::Ended(slot, generation, ended, at) => {
                let place = &mut self.places[slot as usize];
                if place.generation != generation || place.task.is_none() {
                    return;
                }
                place.task = None;
                let after = match ended {
                    Ok(answer) => self.worker.answered(slot, answer, at),
                    Err(fault) => self.worker.fail(slot, fault, at),
                };
                // Its connection may have been closed meanwhile, for all that comes next.
                if after == After::Free && self.lines[self.line_of(slot)].sender.is_none() {
                    self.worker.without_connection(slot, now);
                }
            }
        }
    }

    fn made(&mut self, index: usize, made: Result<(SendRequest<Bytes>, AbortHandle), Fault>, now: u64) {
        let line = &mut self.lines[index];
        line.is_making = false;
        let waiting = std::mem::take(&mut line.waiting);
        match made {
            Ok((sender, driver)) => {
                line.sender = Some(sender);
                line.driver = Some(driver);
                self.worker.made(now.saturating_sub(line.since_ns), std::mem::replace(&mut line.was_made, true));
                for slot in waiting {
                    if self.worker.is_opening(slot) {
                        self.worker.connected(slot, now);
                    }
                }
            }
            Err(fault) => {
                // One connection failed, however many streams it was to have.
                let mut waiting = waiting.into_iter().filter(|slot| self.worker.is_opening(*slot)).collect::<Vec<_>>();
                if let Some(first) = waiting.pop() {
                    self.worker.fail(first, fault, now);
                }
                for slot in waiting {
                    self.worker.without_connection(slot, now);
                }
            }
        }
    }

    fn lost(&mut self, index: usize, generation: u64, now: u64) {
        let line = &mut self.lines[index];
        if line.generation != generation || line.sender.take().is_none() {
            return;
        }
        line.driver = None;
        self.worker.lost(true);
        for slot in (index..self.places.len()).step_by(self.lines.len()) {
            if self.worker.is_idle(slot as u32) {
                self.worker.without_connection(slot as u32, now);
            }
        }
    }

    /// Lets go of a stream: the library resets it.
    fn forget(&mut self, slot: u32) {
        if let Some(task) = self.places[slot as usize].task.take() {
            task.abort();
        }
    }
}

/// A runtime for the moment in which the engine's own is in use.
fn unused() -> Runtime {
    #[expect(clippy::expect_used, reason = "a runtime without drivers asks the kernel for nothing")]
    tokio::runtime::Builder::new_current_thread().build().expect("no drivers")
}

/// The library's own greeting, and its task that carries bytes to and fro.
async fn greet(
    stream: Counted,
    index: usize,
    generation: u64,
    inbox: &Rc<Inbox>,
) -> Result<(SendRequest<Bytes>, AbortHandle), Fault> {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW).enable_push(false);
    let (sender, connection) = builder.handshake(stream).await.map_err(|error| fault_of(&error, false))?;
    let inbox = Rc::clone(inbox);
    let driver = tokio::task::spawn_local(async move {
        // Why it ended is told by each stream that was under way on it.
        let _ = connection.await;
        inbox.tell(News::Lost(index, generation));
    });
    Ok((sender, driver.abort_handle()))
}

fn request(common: &Common<'_>, spec: usize, number: u64) -> Result<http::Request<()>, &'static str> {
    let settings = common.settings;
    let scheme = if settings.target.tls.is_some() { "https" } else { "http" };
    let requests = &settings.requests;
    let path = requests.path(spec, number);
    let path = std::str::from_utf8(&path).map_err(|_| "the path is no text")?;
    // HTTP/2's word for what `Host` says.
    let own = requests.headers(spec, number).find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let own = own.map_or_else(|| settings.target.authority.clone().into_bytes(), |(_, host)| host.into_owned());
    let uri = http::Uri::builder().scheme(scheme).authority(&*own).path_and_query(path);
    let uri = uri.build().map_err(|_| "the path can't be requested")?;
    let mut request = http::Request::builder().method(requests.spec(spec).method.as_str()).uri(uri);
    for (name, value) in requests.headers(spec, number) {
        // Those of a connection are none of HTTP/2's.
        let is_of_connection = ["host", "connection", "keep-alive", "transfer-encoding", "upgrade"]
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other));
        if !is_of_connection {
            request = request.header(name.to_ascii_lowercase(), &*value);
        }
    }
    request.body(()).map_err(|_| "a header can't be sent")
}

async fn receive(response: h2::client::ResponseFuture, hashed: bool) -> Result<Answer, Fault> {
    let response = response.await.map_err(|error| fault_of(&error, false))?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let (mut body_bytes, mut hash) = (0, hashed.then(Sha256::new));
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| fault_of(&error, true))?;
        body_bytes += data.len() as u64;
        if let Some(hash) = &mut hash {
            hash.update(&data);
        }
        let _ = body.flow_control().release_capacity(data.len());
    }
    let digest = hash.map(|hash| hash.finalize().into());
    Ok(Answer { status, body_bytes, digest, version: "HTTP/2", keeps_open: true })
}

fn fault_of(error: &h2::Error, has_begun: bool) -> Fault {
    if let Some(io) = error.get_io() {
        return match io.raw_os_error() {
            Some(errno) => Fault::Receive(errno),
            None if has_begun => Fault::ClosedInAnswer,
            None => Fault::ClosedBeforeAnswer,
        };
    }
    match error.reason() {
        Some(reason) if error.is_library() => {
            if reason == h2::Reason::PROTOCOL_ERROR || reason == h2::Reason::FRAME_SIZE_ERROR {
                Fault::Parse("what came is no HTTP/2")
            } else {
                Fault::Stream(reason.into())
            }
        }
        Some(reason) => Fault::Stream(reason.into()),
        None if has_begun => Fault::ClosedInAnswer,
        None => Fault::ClosedBeforeAnswer,
    }
}

/// The runtime's own timers know milliseconds only; this one knows nanoseconds.
#[expect(deprecated, reason = "the new call is not safe for types that lie about their descriptor; this one does not")]
fn timer() -> std::io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)
}

async fn elapsed(timer: &AsyncFd<OwnedFd>, now: u64, until: u64) {
    let it_value = span(now, until.min(now + 3_600_000_000_000));
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
    if timerfd_settime(timer.get_ref(), TimerfdTimerFlags::empty(), &once).is_err() {
        return;
    }
    loop {
        let Ok(mut guard) = timer.readable().await else { return };
        let read = guard.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut [0; 8])?));
        if read.is_ok() {
            return;
        }
    }
}
