//! Which room may use which. `docs/architecture.md` shows the same table to people, and a test holds that it does.

/// A room and the rooms it may use. A room that is not named here may not exist.
pub const MAY_USE: &[(&str, &[&str])] = &[
    ("command", &[]),
    ("metric", &[]),
    ("diagnostic", &[]),
    ("inventory", &["diagnostic"]),
    ("scenario", &["diagnostic"]),
    ("loadgen", &["metric"]),
    // `loadgen`: the results of our own generator on several machines are merged by the code that `hist merge` has.
    ("tool", &["command", "loadgen", "metric"]),
    ("tuning", &["diagnostic"]),
    ("truth", &[]),
    ("wire", &["command"]),
    ("host", &["wire"]),
    // `tool`: which load generators there are, their packages and their shortest loads decide what is planned.
    // `metric`: only how a number of things is written for people.
    ("plan", &["command", "diagnostic", "inventory", "metric", "scenario", "tool", "tuning"]),
    // `metric`: how a size is written for people, and read. `tuning`: where a setting applies, and when two values are one.
    ("agent", &["command", "metric", "tuning", "wire"]),
    // `wire`: what was tuned and undone is told as the agent told it.
    ("event", &["command", "metric", "plan", "wire"]),
    // `tool`: how many connections a load generator really opens. `wire`: what an agent saw of its machine.
    ("preflight", &["event", "metric", "plan", "tool", "wire"]),
    // `tool`: the run asks a tool how it is called and what it printed; it knows no tool by name.
    ("run", &["command", "event", "host", "metric", "plan", "preflight", "tool", "wire"]),
    // `wire`: facts of machines are kept as the agent told them.
    ("store", &["event", "metric", "plan", "wire"]),
    // `diagnostic`: the one function that makes outside bytes harmless on a terminal.
    // `wire`: what became of each setting is told as the agent told it.
    ("display", &["diagnostic", "event", "metric", "wire"]),
    ("referee", &["event", "metric", "plan", "store"]),
    // `diagnostic`: which characters a terminal obeys, said once.
    ("report", &["command", "diagnostic", "event", "metric", "plan", "referee", "store", "wire"]),
    (
        "cli",
        &[
            "agent",
            "command",
            "diagnostic",
            "display",
            "event",
            "host",
            "inventory",
            "loadgen",
            "metric",
            "plan",
            "preflight",
            "referee",
            "report",
            "run",
            "scenario",
            "store",
            "tool",
            "truth",
            "wire",
        ],
    ),
];

/// The rooms that a room may use.
pub fn may_use(room: &str) -> Option<&'static [&'static str]> {
    MAY_USE.iter().find(|(name, _)| *name == room).map(|(_, others)| *others)
}
