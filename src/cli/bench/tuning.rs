//! `bench tuning`: how long it takes to tune this machine and to put it back, beside Ansible with the same settings, in turns
//! in one run; and how long a machine stays tuned when its controller is gone without a goodbye.
//!
//! It changes a few settings of this very machine that nothing depends on, and puts them back whatever happens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::task::JoinHandle;

use crate::cli::arguments::{Format, TuningArguments};
use crate::cli::bench::machines::{find_ansible, finish, program, stopped};
use crate::cli::bench::{Scratch, Spread, failed, say};
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::main::print;
use crate::host::{Link, LinkError};
use crate::wire::{self, Reply, Request, Setting};

/// The same by Ansible.
const PLAYBOOK: &str = include_str!("../../../benches/tuning.yml");

/// Whole numbers of which one more does no harm for a moment.
const NAMES: [&str; 5] = [
    "kernel.printk_ratelimit",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
];

/// Putting back that takes longer does not happen.
const LIMIT: Duration = Duration::from_secs(60);

/// `bench tuning`
pub fn tuning(arguments: &TuningArguments, format: Format) -> Result<u8, Problem> {
    if !nix::unistd::Uid::effective().is_root() {
        return Err(
            failed("only root can set what this bench sets on this machine").hint("sudo timetrial bench tuning")
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = Scratch(std::env::temp_dir().join(format!("timetrial-bench-tuning-{}", std::process::id())));
    fs::create_dir(&folder.0)?;
    // An agent that was killed before may have left something: the first contact puts it back. And while an agent is here,
    // no other one tunes, so what is read now is the machine's own.
    let mut values = runtime.block_on(async {
        let mut agent = Agent::start(&folder.0).await?;
        let values = Values::read();
        agent.goodbye().await?;
        agent.ended().await?;
        values
    })?;
    say(&format!("this machine's values, put back at the end: {}", values.in_words()));
    let rows = runtime.block_on(async {
        tokio::select! {
            biased;
            stopped = stopped() => Err(stopped.err().map_or_else(|| Problem::told(exit::INTERRUPTED), Problem::from)),
            rows = measure(arguments, &folder.0, &values) => rows,
        }
    });
    // With the runtime the agent's pipes close, and Ansible's programs end.
    drop(runtime);
    values.put_back(rows.is_err())?;
    print(&table(&rows?, arguments.rounds, format))?;
    Ok(exit::FINE)
}

/// The settings: what they were, and what they become. Put back when it is let go of.
struct Values {
    all: Vec<Value>,
    done: bool,
}

struct Value {
    name: &'static str,
    before: String,
    wanted: String,
}

impl Value {
    fn path(&self) -> PathBuf {
        place(self.name)
    }
}

fn place(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name.replace('.', "/"))
}

impl Values {
    fn read() -> Result<Self, Problem> {
        let mut all = Vec::new();
        for name in NAMES {
            let path = place(name);
            let unread = |why: String| failed(format!("{} can't be used for this bench: {why}", path.display()));
            let before = fs::read_to_string(&path).map_err(|error| unread(error.to_string()))?.trim().to_owned();
            let number: i64 = before.parse().map_err(|_| unread(format!("`{before}` is no whole number")))?;
            all.push(Value { name, before, wanted: (number + 1).to_string() });
        }
        Ok(Self { all, done: false })
    }

    fn in_words(&self) -> String {
        let words: Vec<String> = self.all.iter().map(|value| format!("{} = {}", value.name, value.before)).collect();
        words.join(", ")
    }

    /// Whether the machine has all of them as they were.
    fn are_back(&self) -> bool {
        self.all.iter().all(|value| stands(value.name, &value.before))
    }

    fn are_set(&self) -> bool {
        self.all.iter().all(|value| stands(value.name, &value.wanted))
    }

    fn settings(&self) -> Vec<Setting> {
        let setting = |value: &Value| Setting {
            name: value.name.to_owned(),
            value: value.wanted.clone(),
            optional: false,
            at_least: None,
        };
        self.all.iter().map(setting).collect()
    }

    /// Waits until all are as they were.
    async fn back(&self) -> Result<(), Problem> {
        let begun = Instant::now();
        while !self.are_back() {
            if begun.elapsed() > LIMIT {
                return Err(failed(format!("after {} s, not all settings were put back", LIMIT.as_secs())));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Puts back what is not as it was. After an interruption, a program that was in the middle of a setting may still make
    /// it, so all must have stood for a moment.
    fn put_back(&mut self, interrupted: bool) -> Result<(), Problem> {
        self.done = true;
        let begun = Instant::now();
        let mut since = Instant::now();
        loop {
            for value in &self.all {
                if !stands(value.name, &value.before) {
                    since = Instant::now();
                    let path = value.path();
                    fs::write(&path, &value.before).map_err(|error| {
                        let (name, before) = (value.name, &value.before);
                        failed(format!("{} can't be put back: {error}", path.display()))
                            .hint(format!("sysctl -w {name}={before}"))
                    })?;
                }
            }
            let calm = !interrupted || since.elapsed() > Duration::from_millis(500);
            if calm && self.are_back() {
                return Ok(());
            }
            if begun.elapsed() > LIMIT {
                return Err(failed("somebody else keeps changing the settings of this bench")
                    .hint(format!("this machine had {}", self.in_words())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        if !self.done
            && let Err(problem) = self.put_back(true)
        {
            say(&problem.text());
        }
    }
}

fn stands(name: &str, value: &str) -> bool {
    fs::read_to_string(place(name)).is_ok_and(|now| now.trim() == value)
}

/// An agent of this machine, whose pipes can be cut as a `kill -9` of its controller cuts them.
struct Agent {
    child: Child,
    link: Link,
    pumps: [JoinHandle<std::io::Result<u64>>; 2],
}

fn lost(error: LinkError) -> Problem {
    Problem::new(exit::FAILED, error)
}

impl Agent {
    async fn start(folder: &Path) -> Result<Self, Problem> {
        // Not killed on drop: the end of its input makes it put back what it set.
        let mut command = program("/proc/self/exe");
        command.arg("agent").arg("--state-dir").arg(folder.join("state"));
        command.stdin(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(false);
        let mut child = command.spawn()?;
        let missing = || failed("a pipe to the agent is missing");
        let mut input = child.stdin.take().ok_or_else(missing)?;
        let mut output = child.stdout.take().ok_or_else(missing)?;
        let (to, mut from_us) = tokio::io::duplex(1 << 16);
        let (mut to_us, from) = tokio::io::duplex(1 << 16);
        let sending = tokio::spawn(async move { tokio::io::copy(&mut from_us, &mut input).await });
        let hearing = tokio::spawn(async move {
            let copied = tokio::io::copy(&mut output, &mut to_us).await;
            to_us.shutdown().await?;
            copied
        });
        let link = Link::open("local", from, to).await.map_err(lost)?;
        let agent = Self { child, link, pumps: [sending, hearing] };
        let hello = Request::Hello {
            protocol: wire::PROTOCOL,
            run: format!("bench-tuning-{}", std::process::id()),
            owner: "timetrial bench tuning".to_owned(),
            ca_bundle: None,
            proxy: None,
        };
        agent.link.ask(hello).await.map_err(lost)?;
        Ok(agent)
    }

    async fn tune(&self, values: &Values) -> Result<(), Problem> {
        let asked = Request::Tune { settings: values.settings(), nofile: None };
        match self.link.ask(asked).await.map_err(lost)? {
            Reply::Tuned { settings, .. } if settings.iter().all(|tuned| tuned.took) => Ok(()),
            other => Err(failed(format!("the agent did not make all settings: {other:?}"))),
        }
    }

    async fn goodbye(&mut self) -> Result<(), Problem> {
        self.link.ask(Request::Goodbye).await.map(|_| ()).map_err(lost)
    }

    /// Both pipes close, without a word.
    fn cut(&self) {
        for pump in &self.pumps {
            pump.abort();
        }
    }

    /// Waits for its end: until then it holds the machine's lock.
    async fn ended(&mut self) -> Result<(), Problem> {
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await;
        ended.map_err(|_| failed(format!("the agent did not end within {} s", LIMIT.as_secs())))??;
        Ok(())
    }
}

/// Milliseconds of one round.
struct Ours {
    apply: f64,
    /// Until the last setting is back.
    back: f64,
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

/// An agent from its start to its end, by a goodbye or without one.
async fn ours(folder: &Path, values: &Values, says_goodbye: bool) -> Result<Ours, Problem> {
    let begun = Instant::now();
    let mut agent = Agent::start(folder).await?;
    agent.tune(values).await?;
    let apply = ms(begun);
    if !values.are_set() {
        return Err(failed("the agent said that it made all settings, and /proc/sys has others"));
    }
    let begun = Instant::now();
    let back = if says_goodbye {
        let back = async {
            values.back().await?;
            Ok::<f64, Problem>(ms(begun))
        };
        let (said, back) = tokio::join!(agent.goodbye(), back);
        said?;
        back?
    } else {
        agent.cut();
        values.back().await?;
        ms(begun)
    };
    agent.ended().await?;
    Ok(Ours { apply, back })
}

/// Ansible, with a folder for all that it writes.
struct Ansible<'a> {
    program: PathBuf,
    folder: &'a Path,
    values: &'a Values,
}

impl Ansible<'_> {
    async fn play(&self, which: &str, value: fn(&Value) -> &String) -> Result<f64, Problem> {
        let settings: Vec<serde_json::Value> =
            self.values.all.iter().map(|one| serde_json::json!({"name": one.name, "value": value(one)})).collect();
        let variables = self.folder.join(format!("{which}.json"));
        let text = serde_json::json!({"settings": settings, "sysctl_file": self.folder.join("sysctl.conf")});
        fs::write(&variables, text.to_string())?;
        let mut command = program(&self.program);
        command.args(["-i", "localhost,", "-c", "local", "-e"]).arg(format!("@{}", variables.display()));
        command.arg(self.folder.join("tuning.yml")).current_dir(self.folder);
        command.env("ANSIBLE_PIPELINING", "true").env("ANSIBLE_NOCOLOR", "1").env("LC_ALL", "C.UTF-8");
        command.env("ANSIBLE_LOCAL_TEMP", self.folder.join("ansible"));
        // Where it is, Ansible is spared the search for one.
        if Path::new("/usr/bin/python3").is_file() {
            command.env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3");
        }
        finish(command, "ansible-playbook").await
    }

    async fn apply(&self) -> Result<f64, Problem> {
        let took = self.play("apply", |value| &value.wanted).await?;
        if self.values.are_set() {
            Ok(took)
        } else {
            Err(failed("Ansible ended well and did not make all settings, or somebody else changed one meanwhile"))
        }
    }

    async fn put_back(&self) -> Result<f64, Problem> {
        let took = self.play("put-back", |value| &value.before).await?;
        if self.values.are_back() {
            Ok(took)
        } else {
            Err(failed("Ansible ended well and did not put all settings back, or somebody else changed one meanwhile"))
        }
    }
}

/// Ansible, if it is here and has the module; its first play fills its caches and is not measured.
async fn peer<'a>(
    arguments: &TuningArguments,
    folder: &'a Path,
    values: &'a Values,
) -> Result<Option<Ansible<'a>>, Problem> {
    let Some(program) = find_ansible(arguments.ansible.as_deref()) else {
        say("there is no ansible-playbook on the PATH (pip install ansible; --ansible DIR): ours is measured alone");
        return Ok(None);
    };
    fs::write(folder.join("tuning.yml"), PLAYBOOK)?;
    let ansible = Ansible { program, folder, values };
    match ansible.apply().await {
        Ok(_) => {
            ansible.put_back().await?;
            Ok(Some(ansible))
        }
        Err(problem) if problem.text().contains("couldn't resolve module") => {
            say(
                "this Ansible has no module ansible.posix.sysctl (ansible-galaxy collection install ansible.posix, or pip \
                 install ansible in place of ansible-core): ours is measured alone",
            );
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

/// What came of all rounds.
struct Rows {
    apply: Spread,
    goodbye: Spread,
    cut: Spread,
    ansible: Option<[Spread; 2]>,
}

async fn measure(arguments: &TuningArguments, folder: &Path, values: &Values) -> Result<Rows, Problem> {
    let ansible = peer(arguments, folder, values).await?;
    let (mut apply, mut goodbye, mut cut) = (Vec::new(), Vec::new(), Vec::new());
    let mut theirs = [Vec::new(), Vec::new()];
    for round in 1..=arguments.rounds {
        say(&format!("round {round} of {}", arguments.rounds));
        let by_goodbye = ours(folder, values, true).await?;
        if let Some(ansible) = &ansible {
            theirs[0].push(ansible.apply().await?);
            theirs[1].push(ansible.put_back().await?);
        }
        let by_cut = ours(folder, values, false).await?;
        apply.extend([by_goodbye.apply, by_cut.apply]);
        goodbye.push(by_goodbye.back);
        cut.push(by_cut.back);
    }
    Ok(Rows {
        apply: Spread::of(apply),
        goodbye: Spread::of(goodbye),
        cut: Spread::of(cut),
        ansible: ansible.map(|_| theirs.map(Spread::of)),
    })
}

fn table(rows: &Rows, rounds: u32, format: Format) -> String {
    let Rows { apply, goodbye, cut, ansible } = rows;
    let theirs = |which: usize| ansible.as_ref().map(|ansible| ansible[which]);
    let lines = [
        ("apply", apply, theirs(0), "not run: no Ansible"),
        ("put back", goodbye, theirs(1), "not run: no Ansible"),
        ("put back, controller killed", cut, None, "never: nothing of it stays to do it"),
    ];
    if format == Format::Json {
        let line = |(what, ours, theirs, _): &(&str, &Spread, Option<Spread>, &str)| {
            let mut line = serde_json::json!({"bench": "tuning", "what": what, "rounds": rounds, "settings": NAMES,
                "timetrial": ours.json()});
            if let Some(theirs) = theirs {
                line["ansible"] = theirs.json();
                line["ratio"] = (theirs.median / ours.median).into();
            }
            line.to_string() + "\n"
        };
        return lines.iter().map(line).collect();
    }
    let spread = |spread: &Spread| format!("{:.1} ms ({:.1} to {:.1})", spread.median, spread.least, spread.most);
    let mut text = format!(
        "tuning of this machine: {} settings made and read back, then put back, beside ansible.posix.sysctl\n\
         (median and range of {rounds} interleaved rounds; ours from the agent's start, and from its goodbye until /proc/sys\n\
         has the last value again; Ansible's are whole commands, each of which is told the values)\n\n\
         \x20                              timetrial                    Ansible                          ratio\n",
        NAMES.len()
    );
    for (what, ours, theirs, without) in &lines {
        let (told, ratio) = match theirs {
            Some(theirs) => (spread(theirs), format!("{:.1}", theirs.median / ours.median)),
            None => ((*without).to_owned(), "-".to_owned()),
        };
        text += &format!("  {what:<27}  {:<27}  {told:<36}  {ratio:>5}\n", spread(ours));
    }
    text
}
