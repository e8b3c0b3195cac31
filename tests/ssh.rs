//! Machines behind `ssh`, as a user reaches them: the real binary, the real ssh, and an sshd of each test's own on the
//! loopback. What is refused and how, what is put on a machine, and that nothing is left when any part of it dies.

#![expect(clippy::unwrap_used, reason = "what fails here ends the test")]

#[expect(dead_code, reason = "shared with `days`, which uses all of it")]
mod support;

mod ssh {
    mod bench;
    mod death;
    mod limited;
    mod placing;
    mod refusals;
    mod sshd;
    mod sudo;
    mod ways;
}
