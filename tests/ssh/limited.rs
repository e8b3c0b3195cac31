//! An sshd that allows as little as it can, and one that is stopped while its sessions live on.

use crate::ssh::bench::Bench;
use crate::support::project::Scenario;

#[test]
#[ignore = "needs sshd: it allows one session for each connection"]
fn one_session_for_each_connection_is_enough() {
    let Some(bench) = Bench::with(&[("alpha", &[])], &Scenario::default(), "MaxSessions 1") else { return };
    // The program is not there: it has to be sent as well.
    std::fs::remove_dir_all(bench.project.path("s")).unwrap();
    bench.run().assert_code(0).assert_said("our program was sent, ").assert_said("1 measured");
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: it is stopped in a trial"]
fn an_sshd_that_stops_listening_ends_no_campaign() {
    let Some(bench) = Bench::new() else { return };
    let running = bench.begin();
    running.await_event("load-started");
    bench.sshd.stop_listening();
    running.end().assert_code(0).assert_said("1 measured");
    bench.run().assert_code(5).assert_said("nothing listens on its port ");
    bench.assert_clean();
}
