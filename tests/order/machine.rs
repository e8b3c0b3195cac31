//! A machine on which all goes well, but for the request that a test makes fail; and what became of a campaign there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use timetrial::command::Exit;
use timetrial::event::{Event, Recorder, Write};
use timetrial::host::{Connection, HANG_UP, Host, fake};
use timetrial::plan::{Machine, NoFile, Plan, TunedSetting, Tuning};
use timetrial::run::{Campaign, Resumed, StopHandle, Summary, run, stop_channel};
use timetrial::wire::{
    Access, Answer, Facts, Failure, Listener, Look, Member, Notice, Outcome, PutBack, Reply, Request, Setting,
    Standing, StartRequest, Tuned, Undone,
};

/// What goes wrong at the request with a number, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    /// The agent refuses it.
    Refused(usize),
    /// It asks to stop something, and that stays alive.
    StaysAlive(usize),
    /// The agent dies of it.
    Dies(usize),
    /// The user stops the campaign while it is answered.
    Stopped(usize),
    /// The user stops the campaign while it is answered, and not all that was tuned can be put back.
    StoppedAndLeft(usize),
    /// No request: an earlier run had left the machine changed, and not all of it could be undone.
    StillChanged,
    /// No request: the same, but that somebody else changed it since.
    LeftAlone,
    /// No request: fewer open files are got than the sums said.
    FewFiles,
    /// No request: somebody takes open files away during the campaign.
    FewerFilesLater,
    /// No request: so many checks of the network miss their way back.
    NoWayBack(usize),
}

/// A campaign that is over.
pub struct Story {
    pub asked: Vec<Request>,
    pub events: Vec<Event>,
    pub files: Vec<String>,
    pub summary: Summary,
}

/// Two trials with a database, packages, a network check, a warm-up, and a daemon of two processes.
pub fn two_trials() -> Plan {
    let mut plan = golden("steady");
    plan.tuning = vec![tuning()];
    plan.trials.truncate(2);
    plan
}

/// A plan of `tests/plan/golden`.
pub fn golden(name: &str) -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/plan/golden/{name}.json"));
    let text = std::fs::read_to_string(path).expect("the golden plan is there");
    serde_json::from_str(&text).expect("it is a plan")
}

/// What every input file holds.
pub const CONTENT: &str = "for @port@ and @socket@ of {work}";

/// What a tool printed in a real run of the same load, or of the same check.
fn printed(fixture: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
    std::fs::read(path).expect("the fixture is there")
}

#[derive(Default)]
struct Kept {
    events: Vec<Event>,
    files: Vec<String>,
}

impl Recorder for Kept {
    fn write(&mut self, write: Write<'_>) -> std::io::Result<()> {
        match write {
            Write::Event(event) if event.event.is_progress() => {}
            Write::Event(event) => self.events.push(event.clone()),
            Write::File { path, .. } => self.files.push(path.to_owned()),
        }
        Ok(())
    }
}

/// Runs the two trials on a machine with this trouble.
pub fn tell(trouble: Trouble) -> Story {
    tell_of(two_trials(), trouble)
}

/// Runs a plan on a machine with this trouble.
pub fn tell_of(plan: Plan, trouble: Trouble) -> Story {
    in_runtime(campaign(&plan, None, trouble))
}

/// Goes on with a run of a plan on a machine with this trouble.
pub fn tell_again(plan: &Plan, resumed: &Resumed, trouble: Trouble) -> Story {
    in_runtime(campaign(plan, Some(resumed), trouble))
}

fn in_runtime(story: impl Future<Output = Story>) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(story)
}

async fn campaign(plan: &Plan, resumed: Option<&Resumed>, trouble: Trouble) -> Story {
    let (handle, stop) = stop_channel();
    let handle = Arc::new(handle);
    let inputs = plan.inputs.keys().map(|name| (name.clone(), CONTENT.as_bytes().to_vec())).collect();
    let owner = "a test".to_owned();
    let certificates = BTreeMap::new();
    let (run_id, inputs, certificates) = ("20260101T000000Z-steady-0000", &inputs, &certificates);
    let campaign = Campaign { plan, run: run_id, inputs, certificates, owner, confirm: None, stop, resumed };
    let asked = Arc::new(Mutex::new(Arc::default()));
    let mut kept = Kept::default();
    let connect = async |machine: &Machine| {
        let mut scene = Scene::new(plan, trouble, Arc::clone(&handle));
        let (link, seen) =
            fake(&machine.name, Box::new(move |request, notices| scene.answer(request, notices))).await?;
        *asked.lock().expect("nobody panicked") = seen;
        Ok(Connection { host: Host::Elsewhere, link })
    };
    let summary = run(&campaign, &mut kept, connect).await;
    let seen: Arc<Mutex<Vec<Request>>> = Arc::clone(&asked.lock().expect("nobody panicked"));
    let asked = seen.lock().expect("nobody panicked").clone();
    Story { asked, events: kept.events, files: kept.files, summary }
}

/// The far end: a machine that answers as a real one would.
pub struct Scene {
    trouble: Trouble,
    handle: Arc<StopHandle>,
    number: usize,
    processes: u64,
    document: Vec<u8>,
    rows: BTreeMap<String, u64>,
    /// The waiting side of a network check, while it lives, and the port it listens on.
    waiting: Option<(u64, u16)>,
    network_port: u16,
    /// Checks of the network that were begun.
    checks: usize,
}

impl Scene {
    pub fn new(plan: &Plan, trouble: Trouble, handle: Arc<StopHandle>) -> Self {
        let document = plan.documents["index"].content.to_string().into_bytes();
        let rows = plan.database.as_ref().map(|database| database.tables.clone()).unwrap_or_default();
        let network_port = plan.network.as_ref().map_or(0, |network| network.port);
        Self { trouble, handle, number: 0, processes: 0, document, rows, waiting: None, network_port, checks: 0 }
    }

    pub fn answer(&mut self, request: &Request, notices: &mut Vec<Notice>) -> Result<Reply, Failure> {
        let number = self.number;
        self.number += 1;
        match self.trouble {
            Trouble::Refused(at) if at == number => return Err(Failure::new("made-up", "not today")),
            Trouble::Dies(at) if at == number => return Err(Failure::new(HANG_UP, "")),
            Trouble::Stopped(at) | Trouble::StoppedAndLeft(at) if at == number => self.handle.stop("Ctrl-C"),
            Trouble::StaysAlive(at) if at == number => {
                let still_alive = vec!["100 daemon --stuck".to_owned(), "101 worker".to_owned()];
                let leftovers = vec!["102 helper".to_owned()];
                return Ok(Reply::Stopped { exit: None, killed: true, leftovers, still_alive, took_ms: 1 });
            }
            _ => {}
        }
        Ok(self.fine(request, notices))
    }

    fn fine(&mut self, request: &Request, notices: &mut Vec<Notice>) -> Reply {
        let exit = Exit::Code { code: 0 };
        match request {
            Request::Identify => {
                Reply::Identity { identity: "one machine".to_owned(), machine: "one machine".to_owned() }
            }
            Request::Hello { protocol, .. } => Reply::Welcome {
                protocol: *protocol,
                version: "0".to_owned(),
                pid: 1,
                boot_id: "boot".to_owned(),
                state_dir: "/state".to_owned(),
                work_dir: "/state/w/0".to_owned(),
                swept: Vec::new(),
                undone: match self.trouble {
                    Trouble::StillChanged => Some(undone(Outcome::Failed { why: "read-only".to_owned() })),
                    Trouble::LeftAlone => Some(undone(Outcome::LeftAlone)),
                    _ => None,
                },
            },
            Request::ReadFacts => {
                Reply::Facts(Box::new(Facts { boot_id: Some("boot".to_owned()), ..Facts::default() }))
            }
            Request::Listeners { port } => Reply::Listeners { listeners: self.listeners(*port) },
            Request::PackageRoot { name, .. } | Request::BuildRoot { name, .. } | Request::Venv { name, .. } => {
                Reply::Provisioned {
                    digest: format!("digest of {name}"),
                    path: "/state/x".to_owned(),
                    reused: true,
                    bytes: 1,
                    versions: BTreeMap::new(),
                }
            }
            Request::Look { settings, .. } => Reply::Look(Box::new(looked(settings))),
            Request::Tune { settings, nofile } => Reply::Tuned {
                settings: settings.iter().map(took).collect(),
                nofile: nofile
                    .map(|files| if self.trouble == Trouble::FewFiles { 100 } else { files })
                    .map(|got| (got, got)),
            },
            Request::VerifyTuning => {
                let files = if self.trouble == Trouble::FewerFilesLater { 100 } else { 900 };
                let settings = tuning().settings.iter().map(so_still).collect();
                Reply::Tuned { settings, nofile: Some((files, files)) }
            }
            Request::Restore { .. } => Reply::Restored { left: None, undone: None, compared: None },
            Request::Unlock { .. } => Reply::Unlocked { owner: "me".to_owned(), left_tuned: false },
            Request::Kept | Request::RemoveKept => Reply::Kept { kept: Vec::new() },
            Request::PutFiles { .. } => Reply::Done,
            Request::StartDatabase(_) => Reply::DatabaseStarted {
                version: "15".to_owned(),
                pid: 2,
                rows: self.rows.clone(),
                settings: BTreeMap::new(),
                profile: Vec::new(),
            },
            Request::DatabaseAccess => Reply::Access(Access([("PGPASSWORD".to_owned(), "a secret".to_owned())].into())),
            Request::UseDatabase { .. } => Reply::Done,
            Request::StopDatabase | Request::Stop { .. } => {
                if let Request::Stop { process, .. } = request
                    && let Some((waiting, _)) = self.waiting.take_if(|(waiting, _)| waiting == process)
                {
                    notices.push(Notice::Exited { process: waiting, exit, elapsed_us: 2_000_000 });
                }
                let (leftovers, still_alive) = (Vec::new(), Vec::new());
                Reply::Stopped { exit: Some(exit), killed: false, leftovers, still_alive, took_ms: 1 }
            }
            Request::Start(start) => self.start(start, notices),
            Request::Tree { process } => {
                let leader = pid(*process);
                let (name, command) = ("worker".to_owned(), "daemon --worker".to_owned());
                let worker =
                    |pid| Member { pid, parent: leader, name: name.clone(), command: command.clone(), zombie: false };
                Reply::Tree { members: vec![worker(leader * 10 + 1), worker(leader * 10 + 2)] }
            }
            Request::Calm { .. } => Reply::Calm { calm: true, took_ms: 1, cpu_percent: 0.0 },
            Request::DatabaseLog => Reply::Log { stdout: Vec::new(), stderr: b"LOG: ready".to_vec() },
            Request::LogTail { .. } => Reply::Log { stdout: b"log".to_vec(), stderr: Vec::new() },
            Request::Probe { .. } => Reply::Answer(Answer::Http {
                status: 200,
                keep_alive: false,
                protocol: "HTTP/1.1".to_owned(),
                body: self.document.clone(),
            }),
            Request::Clock => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
                Reply::Clock { unix_us: u64::try_from(now.as_micros()).expect("not for long") }
            }
            Request::Goodbye => {
                let is_left = matches!(self.trouble, Trouble::StoppedAndLeft(_));
                let undone = is_left.then(|| undone(Outcome::Failed { why: "read-only".to_owned() }));
                Reply::Goodbye { stopped: Vec::new(), removed_work_dir: true, undone, compared: None }
            }
        }
    }

    fn listeners(&self, port: u16) -> Vec<Listener> {
        let waits = self.waiting.filter(|(_, listens)| *listens == port);
        let listener = |(process, _)| Listener {
            address: "127.0.0.1".to_owned(),
            pid: Some(pid(process)),
            command: Some("iperf -s".to_owned()),
            uid: 1000,
        };
        waits.map(listener).into_iter().collect()
    }

    /// A generator and the beginning side of a network check print and end at once; a daemon and the waiting side live.
    fn start(&mut self, start: &StartRequest, notices: &mut Vec<Notice>) -> Reply {
        let process = self.processes;
        self.processes += 1;
        let is_check = start.label == "network client by iperf";
        self.checks += usize::from(is_check);
        let (fixture, lives) = match start.label.as_str() {
            _ if is_check && matches!(self.trouble, Trouble::NoWayBack(times) if self.checks <= times) => {
                let bytes = printed("iperf/no-way-back-client.err");
                notices.push(Notice::Output { process, stderr: true, bytes });
                ("iperf/no-way-back-client.out", false)
            }
            "network server by iperf" => ("iperf/ok-server.out", true),
            "network client by iperf" => ("iperf/ok-client.out", false),
            // Each machine by its number of connections.
            _ if start.own && start.command.arguments.iter().any(|word| word == "3") => {
                ("timetrial/shared-one.out", false)
            }
            _ if start.own => ("timetrial/shared-two.out", false),
            _ => ("wrk/ok.out", !start.stream),
        };
        if start.stream {
            notices.push(Notice::Output { process, stderr: false, bytes: printed(fixture) });
        }
        if start.stream && lives {
            self.waiting = Some((process, self.network_port));
        } else if !lives {
            notices.push(Notice::Exited { process, exit: Exit::Code { code: 0 }, elapsed_us: 2_000_000 });
        }
        Reply::Started { process, pid: pid(process), start_ticks: Some(7), command: vec!["program".to_owned()] }
    }
}

fn pid(process: u64) -> u32 {
    100 + u32::try_from(process).expect("few processes")
}

/// What the plan changes: one setting that is taken, and the limit of open files.
pub fn tuning() -> Tuning {
    let setting = TunedSetting {
        name: "net.core.somaxconn".to_owned(),
        value: "100000".to_owned(),
        from: "sysctl/busy.conf:1".to_owned(),
        optional: false,
        at_least: None,
        danger: None,
    };
    let (machine, profiles) = ("bench".to_owned(), vec!["busy".to_owned()]);
    Tuning { machine, profiles, settings: vec![setting], nofile: Some(NoFile { want: 900, at_least: 900 }) }
}

/// What an agent that is root sees: every setting is there and may be set.
fn looked(settings: &[String]) -> Look {
    let refused = |name: &str| name.starts_with("refused.").then(|| "not here".to_owned());
    let standing = |name: &String| (name.clone(), Standing { value: Some("4096".to_owned()), refused: refused(name) });
    let is_tuned =
        |name: &&String| name.starts_with("refused.") || tuning().settings.iter().any(|setting| setting.name == **name);
    let settings = settings.iter().filter(is_tuned).map(standing).collect();
    Look { settings, root: true, nofile: Some((1024, 20_000)), ..Look::default() }
}

/// What became of one change.
fn undone(outcome: Outcome) -> Undone {
    let value = |text: &str| Some(text.to_owned());
    let name = "net.core.somaxconn".to_owned();
    let entry = PutBack { name, found: value("100000"), before: value("4096"), outcome };
    Undone { run: "an-earlier-one".to_owned(), entries: vec![entry], took_ms: 1 }
}

fn so_still(setting: &TunedSetting) -> Tuned {
    let TunedSetting { name, value, optional, at_least, .. } = setting.clone();
    took(&Setting { name, value, optional, at_least })
}

/// A setting that is what it shall be.
fn took(setting: &Setting) -> Tuned {
    let Setting { name, value, .. } = setting.clone();
    Tuned {
        name,
        wanted: value.clone(),
        before: Some("0".to_owned()),
        after: Some(value),
        took: true,
        why: None,
        source: None,
    }
}
