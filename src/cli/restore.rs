//! `restore` and `unlock`: machines put back where an agent could not, and another's agent ended.

use std::fmt::Write as _;

use crate::cli::arguments::{Format, RestoreArguments, UnlockArguments};
use crate::cli::campaign::owner;
use crate::cli::connect::Connector;
use crate::cli::error::Problem;
use crate::cli::main::print;
use crate::cli::{exit, files};
use crate::diagnostic::{Diagnostics, printable};
use crate::host::{Connection, LinkError};
use crate::inventory::{self, Inventory, read_inventory};
use crate::metric::counted;
use crate::plan::lone_machine;
use crate::wire::{Compared, Failure, Left, Outcome, PutBack, Reply, Request, Undone};

/// `restore`
pub fn restore(arguments: &RestoreArguments, format: Format) -> Result<u8, Problem> {
    let inventory = read(&arguments.hosts, format)?;
    let run = format!("restore-{}", std::process::id());
    let connector = Connector::new(&arguments.hosts, &run, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut code = exit::FINE;
    for machine in &inventory.machines {
        let name = &machine.name.value;
        // A container goes with its agent, and what it was tuned to with it.
        let told = if machine.docker.is_some() {
            Ok(Restored::default())
        } else {
            let before = |reply: Reply| match (format, will_undo(name, &reply)) {
                (Format::Human, Some(text)) => print(&text),
                _ => Ok(()),
            };
            let restore = Request::Restore { owner: owner(&run) };
            runtime.block_on(ask(&connector, machine, &[look(), restore], before)).map(Restored::of)
        };
        let (text, worse) = match (&told, format) {
            (Ok(restored), Format::Human) => (restored.text(name), restored.is_whole()),
            (Ok(restored), Format::Json) => (restored.json(name), restored.is_whole()),
            (Err(error), Format::Human) => (format!("{name}: {}\n", words(error)), false),
            (Err(error), Format::Json) => {
                (serde_json::json!({"machine": name, "error": words(error)}).to_string() + "\n", false)
            }
        };
        print(&text)?;
        code = match (worse, &told) {
            (true, _) => code,
            (false, Ok(_)) => code.max(exit::FAILED),
            (false, Err(_)) => code.max(exit::NOT_FIT),
        };
    }
    runtime.block_on(connector.close());
    Ok(code)
}

/// `unlock`
pub fn unlock(arguments: &UnlockArguments, format: Format) -> Result<u8, Problem> {
    let inventory = read(&arguments.hosts, format)?;
    let found = inventory.machines.iter().find(|machine| machine.name.value == arguments.machine);
    let machine = found.ok_or_else(|| {
        let names: Vec<&str> = inventory.machines.iter().map(|machine| machine.name.value.as_str()).collect();
        let what = anyhow::anyhow!("{} has no machine `{}`", arguments.hosts.display(), arguments.machine);
        Problem::new(exit::WRONG_INPUT, what).hint(format!("its machines are {}", names.join(", ")))
    })?;
    if machine.docker.is_some() {
        let what = anyhow::anyhow!("`{}` is a container: it belongs to the campaign that made it", arguments.machine);
        return Err(Problem::new(exit::WRONG_INPUT, what).hint(
            "stop that campaign, or its container: `docker ps --filter label=timetrial.run`, `docker stop NAME`",
        ));
    }
    let run = format!("unlock-{}", std::process::id());
    let connector = Connector::new(&arguments.hosts, &run, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let unlock = Request::Unlock { id: arguments.id.clone() };
        let answer = ask(&connector, machine, &[unlock], |_| Ok(())).await;
        connector.close().await;
        answer
    });
    match answer {
        Ok(Reply::Unlocked { owner, left_tuned }) => {
            let name = &arguments.machine;
            let put_back = if left_tuned {
                "what it had changed is NOT all put back"
            } else {
                "its agent undid what it had changed"
            };
            print(&match format {
                Format::Human => {
                    format!("{name} is free: ended {}; {put_back}\n", printable(&owner))
                }
                Format::Json => {
                    serde_json::json!({"machine": name, "ended": owner, "left_tuned": left_tuned}).to_string() + "\n"
                }
            })?;
            if !left_tuned {
                return Ok(exit::FINE);
            }
            let what = anyhow::anyhow!("{name} is still tuned: its agent has ended, and its journal is still there");
            Err(Problem::new(exit::FAILED, what)
                .hint("`timetrial restore --hosts FILE` tries again, and says what it does"))
        }
        Ok(_) => Err(Problem::new(exit::FAILED, anyhow::anyhow!("the agent answered out of turn"))),
        Err(error) => Err(problem(error)),
    }
}

fn read(hosts: &std::path::Path, format: Format) -> Result<Inventory, Problem> {
    let mut diagnostics = Diagnostics::new();
    let inventory = read_inventory(hosts, &mut diagnostics);
    files::show(&diagnostics, format)?;
    inventory.filter(|_| !diagnostics.has_errors()).ok_or_else(|| Problem::told(exit::WRONG_INPUT))
}

/// What is looked at before anything is undone.
fn look() -> Request {
    Request::Look { settings: Vec::new(), cluster: None }
}

/// What restoring a machine will do, in words; nothing where there is nothing to undo.
fn will_undo(machine: &str, seen: &Reply) -> Option<String> {
    let Reply::Look(look) = seen else { return None };
    // Who is not root sees nothing of it, and is refused.
    let left = look.left.as_ref().filter(|_| look.root)?;
    let run = printable(&left.run);
    // It may live, and then it is in use: that is for the agent to say.
    let mut text = format!("{machine} is tuned by run {run}; restoring will:\n");
    for line in crate::display::to_undo(left) {
        let _ = writeln!(text, "  {line}");
    }
    Some(text)
}

/// Asks an agent for these, one after the other: the last answer. Each one before is shown when it comes.
async fn ask(
    connector: &Connector,
    machine: &inventory::Machine,
    requests: &[Request],
    show: impl Fn(Reply) -> Result<(), Problem>,
) -> Result<Reply, LinkError> {
    let mut planned = lone_machine(machine, &[]);
    // What was tuned once is put back, also where nothing may be tuned any more: by root, if the inventory says how.
    planned.may_tune = true;
    let say = |line: &str| {
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), format!("{}\n", printable(line)).as_bytes());
    };
    let Connection { host, link } = connector.connect(&planned, &say).await?;
    let mut reply = Ok(Reply::Done);
    for request in requests {
        if let Ok(before) = reply {
            // Whoever can't be shown it still wants it done.
            let _ = show(before);
            reply = link.ask(request.clone()).await;
        }
    }
    let left = link.ask(Request::Goodbye).await;
    drop(link);
    host.wait().await;
    let reply = reply?;
    left.map(|_| reply)
}

fn failure(error: &LinkError) -> Option<&Failure> {
    match error {
        LinkError::Refused { failure, .. } => Some(failure),
        LinkError::Unreachable { failure, .. } => Some(failure),
        _ => None,
    }
}

fn words(error: &LinkError) -> String {
    let Some(failure) = failure(error) else { return printable(&error.to_string()).into_owned() };
    let detail: String = failure.detail.iter().map(|line| format!("\n  | {}", printable(line))).collect();
    let hint = failure.hint.iter().map(|hint| format!("\n  (hint: {})", printable(hint))).collect::<String>();
    format!("{}{detail}{hint}", printable(&failure.message))
}

fn problem(error: LinkError) -> Problem {
    let Some(failure) = failure(&error) else { return Problem::new(exit::NOT_FIT, error) };
    let problem = Problem::new(exit::NOT_FIT, anyhow::anyhow!("{}", failure.message)).detail(failure.detail.clone());
    failure.hint.clone().into_iter().fold(problem, Problem::hint)
}

/// What an agent says of its restoring.
#[derive(Default)]
struct Restored {
    left: Option<Left>,
    undone: Option<Undone>,
    compared: Option<Compared>,
}

impl Restored {
    fn of(reply: Reply) -> Self {
        match reply {
            Reply::Restored { left, undone, compared } => Self { left, undone, compared },
            _ => Self::default(),
        }
    }

    /// Whether nothing is left changed.
    fn is_whole(&self) -> bool {
        let failed = |entry: &&PutBack| matches!(entry.outcome, Outcome::Failed { .. });
        self.undone.as_ref().is_none_or(|undone| undone.entries.iter().find(failed).is_none())
    }

    fn text(&self, machine: &str) -> String {
        let Some(undone) = &self.undone else { return format!("{machine}: nothing to put back\n") };
        let since = self.left.as_ref().map(|left| format!(", made {}", printable(&left.since))).unwrap_or_default();
        let changes = counted(undone.entries.len(), "change");
        let mut text = format!("{machine}: {changes} of run {}{since}\n", printable(&undone.run));
        for entry in &undone.entries {
            let _ = writeln!(text, "  {}", crate::display::put_back(entry));
        }
        let differences = self.compared.iter().flat_map(|compared| &compared.differences);
        for change in differences {
            let [from, to] = [&change.from, &change.to].map(|value| value.as_deref().unwrap_or("nothing"));
            let _ = writeln!(
                text,
                "  not as it was: {} was {} and is {}",
                printable(&change.name),
                printable(from),
                printable(to)
            );
        }
        text
    }

    fn json(&self, machine: &str) -> String {
        serde_json::json!({"machine": machine, "left": self.left, "undone": self.undone, "compared": self.compared})
            .to_string()
            + "\n"
    }
}
