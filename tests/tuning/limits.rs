//! The limit of open files, as the kernel tells it of what an agent started.

use timetrial::command::Command;
use timetrial::wire::{Reply, Request, StartRequest};

use crate::tuning::machine::{Machine, value};
use crate::tuning::talk::Talk;

/// Starts something that waits; its soft and hard limit.
fn limits_of_a_child(talk: &mut Talk) -> (u64, u64) {
    let request = StartRequest {
        label: "waiting".to_owned(),
        command: Command::new("sleep", ["60"]),
        uses: Vec::new(),
        directory: None,
        database: false,
        stream: false,
        own: false,
    };
    let Reply::Started { pid, .. } = talk.ask(Request::Start(request)).unwrap() else { panic!() };
    // Until the shim has become the program.
    while std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim() != "sleep" {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    (numbers[0], numbers[1])
}

fn tuned(talk: &mut Talk, files: u64) -> (u64, u64) {
    let Reply::Tuned { nofile, .. } = talk.ask(Request::Tune { settings: vec![], nofile: Some(files) }).unwrap() else {
        panic!()
    };
    nofile.unwrap()
}

#[test]
#[ignore = "needs root: a limit is raised"]
fn what_is_started_gets_the_limit_that_was_asked_for_or_what_can_be_had() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    // From a limit that is low: raising it is what is tried.
    let mut talk = Talk::start_by(&["prlimit", "--nofile=1024:4096", crate::tuning::talk::PROGRAM], state.path());
    talk.hello("limits").unwrap();
    assert_eq!(limits_of_a_child(&mut talk), (1024, 4096));
    assert_eq!((tuned(&mut talk, 2000), limits_of_a_child(&mut talk)), ((2000, 2000), (2000, 2000)));
    // Some machines take that right from root too; what another program manages is what must be got.
    let may_raise = std::process::Command::new("prlimit")
        .args(["--nofile=1024:4096", "prlimit", "--nofile=50000:50000", "true"])
        .output()
        .unwrap()
        .status
        .success();
    let Reply::Look(look) = talk.ask(Request::Look { settings: vec![], cluster: None }).unwrap() else { panic!() };
    assert_eq!((look.may_raise_nofile, look.nofile), (may_raise, Some((1024, 4096))));
    let raised = if may_raise { 50_000 } else { 4096 };
    assert_eq!((tuned(&mut talk, 50_000), limits_of_a_child(&mut talk)), ((raised, raised), (raised, raised)));
    let most = if may_raise { value("fs.nr_open").parse().unwrap() } else { 4096 };
    assert_eq!((tuned(&mut talk, u64::from(u32::MAX)), limits_of_a_child(&mut talk)), ((most, most), (most, most)));
    talk.goodbye();
    // Without the right to raise it, even root gets what it has.
    let way =
        ["prlimit", "--nofile=1024:4096", "setpriv", "--bounding-set=-sys_resource", crate::tuning::talk::PROGRAM];
    let mut talk = Talk::start_by(&way, state.path());
    talk.hello("bounded").unwrap();
    assert_eq!((tuned(&mut talk, 50_000), limits_of_a_child(&mut talk)), ((4096, 4096), (4096, 4096)));
    talk.goodbye();
    machine.is_as_it_was();
}
