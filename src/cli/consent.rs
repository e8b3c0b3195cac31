//! The user's consent before the machine that he sits at is changed.

use std::cell::RefCell;
use std::io::{BufRead, IsTerminal};
use std::pin::Pin;
use std::rc::Rc;

use tokio::sync::oneshot;

use crate::cli::error::Problem;
use crate::cli::exit;
use crate::diagnostic::printable;
use crate::display::Display;
use crate::plan::{Plan, Transport};

/// Whether he has to be asked: not where nothing here is tuned, nor where he has agreed already. Where nobody can be
/// asked, that is an error before anything is contacted.
pub fn needed(plan: &Plan, agreed: bool) -> Result<bool, Problem> {
    let here = |machine: &str| plan.machine(machine).is_some_and(|machine| machine.transport == Transport::Local);
    let tuned = plan.tuning.iter().filter(|tuning| !tuning.settings.is_empty()).map(|tuning| &tuning.machine);
    let own = plan.database.iter().filter(|database| database.cluster.is_some()).map(|database| &database.machine);
    let Some(machine) = tuned.chain(own).find(|machine| here(machine)).filter(|_| !agreed) else { return Ok(false) };
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let what =
        anyhow::anyhow!("this campaign tunes `{machine}`, which is this machine, and nobody is there to agree to that");
    Err(Problem::new(exit::WRONG_INPUT, what)
        .hint("pass --yes to agree; `timetrial run --dry-run` shows what would be changed, and all of it is undone at the end"))
}

type Answer = Pin<Box<dyn Future<Output = bool>>>;

/// Shows the changes and waits for `yes`, while the campaign goes on listening.
pub fn asker(display: &Rc<RefCell<Display>>) -> impl Fn(Vec<String>) -> Answer + use<> {
    let display = Rc::clone(display);
    move |lines: Vec<String>| {
        let say = |line: &str| display.borrow().say(line);
        say("This machine would be changed, and put back at the end:");
        lines.iter().for_each(|line| say(&format!("  {}", printable(line))));
        say("Agree? Type yes, or anything else to leave it as it is:");
        let (tell, told) = oneshot::channel();
        // A thread of its own: whoever reads a terminal can't be told to stop.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().lock().read_line(&mut line);
            let _ = tell.send(read.is_ok() && ["yes", "y"].contains(&line.trim().to_lowercase().as_str()));
        });
        Box::pin(async move { told.await.unwrap_or(false) })
    }
}
