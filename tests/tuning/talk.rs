//! An agent, and what is said to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use timetrial::wire::{
    Failure, FromAgent, HEARTBEAT, PROTOCOL, Reply, Request, Setting, ToAgent, Tuned, Undone, frame,
};

/// No answer takes longer.
const LIMIT: Duration = Duration::from_secs(40);

/// A started agent.
pub struct Talk {
    /// It, or what became it.
    pub child: Child,
    input: Arc<Mutex<Option<ChildStdin>>>,
    said: Receiver<FromAgent>,
    next: u64,
}

/// The product.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_timetrial");

impl Talk {
    /// Starts one here.
    pub fn start(state: &Path) -> Self {
        Self::start_by(&[PROGRAM], state)
    }

    /// Starts one by way of another program.
    pub fn start_by(way: &[&str], state: &Path) -> Self {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).arg("agent").arg("--state-dir").arg(state);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = Arc::new(Mutex::new(child.stdin.take()));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (tell, said) = channel();
        std::thread::spawn(move || {
            let mut magic = String::new();
            output.read_line(&mut magic).unwrap();
            while let Ok(Some(message)) = frame::read::<FromAgent>(&mut output) {
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let beating = Arc::clone(&input);
        std::thread::spawn(move || {
            loop {
                let sent = match beating.lock().unwrap().as_mut() {
                    Some(input) => frame::write(input, &ToAgent::Heartbeat).is_ok(),
                    None => false,
                };
                if !sent {
                    return;
                }
                std::thread::sleep(HEARTBEAT);
            }
        });
        Self { child, input, said, next: 0 }
    }

    /// Asks, without waiting.
    pub fn send(&mut self, request: Request) -> u64 {
        self.next += 1;
        let message = ToAgent::Request { id: self.next, request };
        frame::write(self.input.lock().unwrap().as_mut().unwrap(), &message).unwrap();
        self.next
    }

    /// Asks.
    pub fn ask(&mut self, request: Request) -> Result<Reply, Failure> {
        let asked = self.send(request);
        let began = Instant::now();
        loop {
            let left = LIMIT.checked_sub(began.elapsed()).expect("no answer in time");
            match self.said.recv_timeout(left).expect("no answer") {
                FromAgent::Reply { id, reply } if id == asked => return reply,
                _ => {}
            }
        }
    }

    /// Says hello; what was undone at that.
    pub fn hello(&mut self, run: &str) -> Result<Option<Undone>, Failure> {
        let owner = format!("tester, run {run}");
        let hello = Request::Hello { protocol: PROTOCOL, run: run.to_owned(), owner, ca_bundle: None, proxy: None };
        match self.ask(hello)? {
            Reply::Welcome { undone, .. } => Ok(undone),
            other => panic!("{other:?}"),
        }
    }

    /// Makes settings.
    pub fn tune(&mut self, settings: &[Setting]) -> Result<Vec<Tuned>, Failure> {
        match self.ask(Request::Tune { settings: settings.to_vec(), nofile: None })? {
            Reply::Tuned { settings, .. } => Ok(settings),
            other => panic!("{other:?}"),
        }
    }

    /// Closes its input.
    pub fn hang_up(&mut self) {
        self.input.lock().unwrap().take();
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < LIMIT, "no end in time");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it as nothing can be guarded against.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Says goodbye.
    pub fn goodbye(mut self) -> Reply {
        let reply = self.ask(Request::Goodbye).unwrap();
        self.end();
        reply
    }
}

/// A test that failed leaves nothing tuned: the agent ends as it does without a controller.
impl Drop for Talk {
    fn drop(&mut self) {
        self.hang_up();
        let _ = self.child.wait();
    }
}
