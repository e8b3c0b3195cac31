//! Several machines: they are greeted at once, and what two names of one machine have between them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use timetrial::event::{Event, Happening, Recorder, Write};
use timetrial::host::{Connection, Host, LinkError, fake};
use timetrial::plan::{Machine, Plan, Ssh, Transport};
use timetrial::run::{Campaign, RunError, Summary, dry_run, run, stop_channel};
use timetrial::wire::{Failure, Reply, Request};

use crate::machine::{CONTENT, Scene, Trouble, golden, two_trials};

/// The plan, with a second machine of this name.
fn with_second(name: &str) -> Plan {
    let mut plan = golden("steady");
    let second = Machine { name: name.to_owned(), ..plan.machines[0].clone() };
    plan.machines.push(second);
    plan
}

#[derive(Default)]
struct Kept(Vec<Event>);

impl Recorder for Kept {
    fn write(&mut self, write: Write<'_>) -> std::io::Result<()> {
        if let Write::Event(event) = write {
            self.0.push(event.clone());
        }
        Ok(())
    }
}

/// Every machine that was greeted, what happened, and how it ended.
type Story = (Vec<String>, Vec<Happening>, Summary);

/// A campaign that comes no further than facts, on machines with these identities, greeted so.
fn tell(plan: &Plan, identity: fn(&str) -> String, hello: fn(&str) -> Result<Reply, Failure>) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let (_handle, stop) = stop_channel();
    let (inputs, certificates) = (BTreeMap::new(), BTreeMap::new());
    let owner = "a test".to_owned();
    let campaign = Campaign {
        plan,
        run: "a-run",
        inputs: &inputs,
        certificates: &certificates,
        owner,
        confirm: None,
        resumed: None,
        stop,
    };
    let greeted = Arc::new(Mutex::new(Vec::new()));
    let kept = RefCell::new(Kept::default());
    let connect = async |machine: &Machine| {
        let (name, greeted) = (machine.name.clone(), Arc::clone(&greeted));
        let script = move |request: &Request, _: &mut Vec<_>| match request {
            Request::Identify => {
                let identity = identity(&name);
                // What stands before a space is the machine alone.
                let machine = identity.split(' ').next().unwrap_or_default().to_owned();
                Ok(Reply::Identity { identity, machine })
            }
            Request::Hello { .. } => {
                greeted.lock().expect("nobody panicked").push(name.clone());
                hello(&name)
            }
            Request::Goodbye => {
                Ok(Reply::Goodbye { stopped: Vec::new(), removed_work_dir: true, undone: None, compared: None })
            }
            _ => Err(Failure::new("made-up", "no further")),
        };
        let (link, _) = fake(&machine.name, Box::new(script)).await?;
        Ok(Connection { host: Host::Elsewhere, link })
    };
    let summary = runtime.block_on(run(&campaign, &mut *kept.borrow_mut(), connect));
    let greeted = greeted.lock().expect("nobody panicked").clone();
    (greeted, kept.into_inner().0.into_iter().map(|event| event.event).collect(), summary)
}

fn welcome() -> Reply {
    Reply::Welcome {
        protocol: timetrial::wire::PROTOCOL,
        version: "0".to_owned(),
        pid: 1,
        boot_id: "boot".to_owned(),
        state_dir: "/state".to_owned(),
        work_dir: "/state/w/0".to_owned(),
        swept: Vec::new(),
        undone: None,
    }
}

#[test]
fn of_two_busy_machines_both_are_told() {
    let busy = |name: &str| Err(Failure::new("machine-busy", format!("{name} is busy")));
    let (greeted, _, summary) = tell(&with_second("aside"), str::to_owned, busy);
    assert_eq!(greeted.len(), 2, "{greeted:?}");
    let Some(RunError::NotFit(reason)) = &summary.error else { panic!("{summary:?}") };
    assert_eq!((reason.code.as_str(), reason.message.as_str()), ("machine-busy", "bench: bench is busy"));
    assert_eq!(reason.detail, ["and aside: aside is busy"]);
}

/// All or nothing: the one that is free is left as it was found, and at once.
#[test]
fn of_a_busy_machine_and_a_free_one_neither_is_used() {
    let busy = |name: &str| match name {
        "aside" => Err(Failure::new("machine-busy", "aside is busy")),
        _ => Ok(welcome()),
    };
    let (greeted, events, summary) = tell(&with_second("aside"), str::to_owned, busy);
    assert_eq!(greeted.len(), 2, "{greeted:?}");
    let Some(RunError::NotFit(reason)) = &summary.error else { panic!("{summary:?}") };
    assert_eq!((reason.message.as_str(), reason.detail.len()), ("aside: aside is busy", 0));
    // It refuses whatever comes between hello and goodbye, which would be another error; and it was sent home.
    let released = events.iter().filter_map(|event| match event {
        Happening::MachineReleased { machine, .. } => Some(machine.as_str()),
        _ => None,
    });
    assert_eq!(released.collect::<Vec<_>>(), ["aside", "bench"]);
    let begun =
        |event: &Happening| matches!(event, Happening::ProvisionStarted { .. } | Happening::TrialStarted { .. });
    assert!(!events.iter().any(begun));
}

/// `aside` is first in the alphabet, and second in the plan.
#[test]
fn machines_are_told_in_the_order_of_the_plan() {
    let (_, events, _) = tell(&with_second("aside"), str::to_owned, |_| Ok(welcome()));
    let connected = events.iter().filter_map(|event| match event {
        Happening::MachineConnected { machine, .. } => Some(machine.as_str()),
        _ => None,
    });
    assert_eq!(connected.collect::<Vec<_>>(), ["bench", "aside"]);
}

#[test]
fn what_a_second_name_says_of_downloads_is_not_passed_over_in_silence() {
    let warnings = |plan: &Plan| -> Vec<String> {
        let (greeted, events, _) = tell(plan, |_| "one machine".to_owned(), |_| Ok(welcome()));
        assert_eq!(greeted, ["bench"]);
        let is_shared = |event: &Happening| matches!(event, Happening::MachineShared { machine, other } if machine == "aside" && other == "bench");
        assert!(events.iter().any(is_shared));
        let warned = events.into_iter().filter_map(|event| match event {
            Happening::Warning { message } => Some(message),
            _ => None,
        });
        warned.collect()
    };
    let mut plan = with_second("aside");
    assert_eq!(warnings(&plan), [""; 0]);
    plan.machines[1].proxy = Some("http://10.0.0.9:3128".to_owned());
    let warned = warnings(&plan);
    let [message] = &warned[..] else { panic!("{warned:?}") };
    assert!(
        message.starts_with("aside is the same machine as bench") && message.contains("`proxy` of aside"),
        "{message}"
    );
}

#[test]
fn two_names_of_one_machine_with_two_state_directories_are_refused_where_it_is_tuned() {
    let two = |name: &str| format!("machine {name}");
    let mut plan = with_second("aside");
    plan.tuning.clear();
    let (greeted, _, _) = tell(&plan, two, |_| Ok(welcome()));
    assert_eq!(greeted, ["aside", "bench"], "to try a campaign out it is of use");
    plan.tuning = vec![timetrial::plan::Tuning { machine: "aside".to_owned(), ..crate::machine::tuning() }];
    let (greeted, _, summary) = tell(&plan, two, |_| Ok(welcome()));
    assert_eq!(greeted, [""; 0], "nothing was begun");
    let Some(RunError::NotFit(reason)) = &summary.error else { panic!("{summary:?}") };
    assert_eq!(reason.code, "two-state-dirs");
    assert!(reason.hint.as_ref().unwrap().contains("give bench and aside the same `state_dir`"), "{reason:?}");
}

#[test]
fn a_dry_run_knows_two_names_of_one_machine_as_a_run_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let mut plan = with_second("aside");
    plan.trials.iter_mut().for_each(|trial| "aside".clone_into(&mut trial.client));
    let looks = Arc::new(Mutex::new(0));
    let connect = async |machine: &Machine| {
        let looks = Arc::clone(&looks);
        let script = move |request: &Request, _: &mut Vec<_>| match request {
            Request::Identify => Ok(Reply::Identity { identity: "one machine".to_owned(), machine: String::new() }),
            Request::Look { .. } => {
                *looks.lock().expect("nobody panicked") += 1;
                Ok(Reply::Look(Box::default()))
            }
            Request::ReadFacts => Ok(Reply::Facts(Box::default())),
            _ => Ok(Reply::Goodbye { stopped: Vec::new(), removed_work_dir: true, undone: None, compared: None }),
        };
        let (link, _) = fake(&machine.name, Box::new(script)).await?;
        Ok(Connection { host: Host::Elsewhere, link })
    };
    let looked = runtime.block_on(dry_run(&plan, connect)).expect("it can be looked at");
    assert_eq!(looked.machines.into_keys().collect::<Vec<_>>(), ["bench"]);
    assert_eq!(*looks.lock().expect("nobody panicked"), 1);
    assert!(!looked.sums.is_empty() && looked.sums.iter().all(|sum| sum.machine == "bench"), "{:?}", looked.sums);
}

/// The machine that the user sits at may have another name before it, by which it is reached in another way.
#[test]
fn the_users_own_machine_is_not_tuned_unasked_by_another_name() {
    let mut plan = with_second("aside");
    plan.machines[0].transport = Transport::Ssh(Ssh { host: "localhost".to_owned(), ..Ssh::default() });
    plan.machines[1].transport = Transport::Local;
    plan.tuning = vec![timetrial::plan::Tuning { machine: "aside".to_owned(), ..crate::machine::tuning() }];
    let (handle, stop) = stop_channel();
    let handle = Arc::new(handle);
    let inputs = plan.inputs.keys().map(|name| (name.clone(), CONTENT.as_bytes().to_vec())).collect();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let confirm = {
        let shown = Arc::clone(&shown);
        move |lines: Vec<String>| -> Pin<Box<dyn Future<Output = bool>>> {
            shown.lock().expect("nobody panicked").extend(lines);
            Box::pin(std::future::ready(false))
        }
    };
    let campaign = Campaign {
        plan: &plan,
        run: "a-run",
        inputs: &inputs,
        certificates: &BTreeMap::new(),
        owner: "a test".to_owned(),
        confirm: Some(&confirm),
        resumed: None,
        stop,
    };
    let connect = async |machine: &Machine| {
        let mut scene = Scene::new(&plan, Trouble::Nothing, Arc::clone(&handle));
        let script = move |request: &Request, notices: &mut Vec<_>| scene.answer(request, notices);
        let (link, _) = fake(&machine.name, Box::new(script)).await?;
        Ok(Connection { host: Host::Elsewhere, link })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let summary = runtime.block_on(run(&campaign, &mut Kept::default(), connect));
    let Some(RunError::NotFit(reason)) = &summary.error else { panic!("{summary:?}") };
    assert_eq!(reason.code, "not-agreed");
    let shown = shown.lock().expect("nobody panicked");
    assert!(shown[0].starts_with("bench: net.core.somaxconn 4096 -> 100000 ("), "{shown:?}");
}

/// Whoever mends one machine wants to hear of all.
#[test]
fn a_dry_run_tells_every_machine_that_can_not_be_reached() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let connect = async |machine: &Machine| {
        let failure = Failure::new("ssh-refused", "nobody listens").detail(["in its words"]).hint("look there");
        Err(LinkError::Unreachable { machine: machine.name.clone(), failure: Box::new(failure) })
    };
    let refused = runtime.block_on(dry_run(&with_second("aside"), connect)).expect_err("nobody is there");
    let RunError::NotFit(reason) = refused else { panic!("{refused:?}") };
    assert_eq!(reason.message, "bench: nobody listens");
    assert_eq!(reason.detail, ["in its words", "and aside: nobody listens (hint: look there)"]);
}

/// Daemons get in from their own machine: the password goes from agent to agent, and nobody shows it.
#[test]
fn daemons_are_let_into_a_database_on_another_machine() {
    let mut plan = two_trials();
    (plan.tuning, plan.network) = (Vec::new(), None);
    plan.machines.push(Machine { name: "aside".to_owned(), ..plan.machines[0].clone() });
    plan.database.as_mut().expect("it has one").machine = "aside".to_owned();
    let (handle, stop) = stop_channel();
    let handle = Arc::new(handle);
    let inputs = plan.inputs.keys().map(|name| (name.clone(), CONTENT.as_bytes().to_vec())).collect();
    let campaign = Campaign {
        plan: &plan,
        run: "a-run",
        inputs: &inputs,
        certificates: &BTreeMap::new(),
        owner: "a test".to_owned(),
        confirm: None,
        resumed: None,
        stop,
    };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let connect = async |machine: &Machine| {
        let (name, asked) = (machine.name.clone(), Arc::clone(&asked));
        let mut scene = Scene::new(&plan, Trouble::Nothing, Arc::clone(&handle));
        let script = move |request: &Request, notices: &mut Vec<_>| match request {
            Request::Identify => Ok(Reply::Identity { identity: name.clone(), machine: name.clone() }),
            _ => {
                asked.lock().expect("nobody panicked").push((name.clone(), request.clone()));
                scene.answer(request, notices)
            }
        };
        let (link, _) = fake(&machine.name, Box::new(script)).await?;
        Ok(Connection { host: Host::Elsewhere, link })
    };
    let kept = RefCell::new(Kept::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let summary = runtime.block_on(run(&campaign, &mut *kept.borrow_mut(), connect));
    assert_eq!((summary.measured, &summary.error.is_none()), (2, &true), "{summary:?}");
    let asked = asked.lock().expect("nobody panicked");
    let place = |machine: &str, is: fn(&Request) -> bool| {
        let found = asked.iter().position(|(name, request)| name == machine && is(request));
        found.unwrap_or_else(|| panic!("not asked of {machine}: {asked:?}"))
    };
    let order = [
        place("aside", |request| matches!(request, Request::StartDatabase(_))),
        place("aside", |request| matches!(request, Request::DatabaseAccess)),
        place("bench", |request| matches!(request, Request::UseDatabase { .. })),
        place("bench", |request| matches!(request, Request::Start(start) if start.database)),
    ];
    assert!(order.is_sorted(), "{order:?}");
    assert!(!format!("{asked:?} {:?}", kept.borrow().0).contains("a secret"));
}
