//! An sshd that allows as little as it can, and one that is stopped while its sessions live on.

use crate::ssh::bench::Bench;
use crate::support::project::Scenario;

#[test]
#[ignore = "needs sshd: it allows few sessions for each connection"]
fn three_sessions_for_each_connection_are_enough_and_one_is_told() {
    let with = |sessions: &str| {
        let bench = Bench::with(&[("alpha", &[])], &Scenario::default(), sessions)?;
        // The program is not there: it has to be sent as well.
        std::fs::remove_dir_all(bench.project.path("s")).unwrap();
        Some(bench)
    };
    let (Some(narrow), Some(enough)) = (with("MaxSessions 1"), with("MaxSessions 3")) else { return };
    let (ended, code) = narrow.refused();
    // Which session is one too many depends on how soon sshd lets go of the one before it.
    assert!(["ssh", "sftp"].contains(&code.as_str()), "{code}");
    ended.assert_said("(MaxSessions)");
    assert!(!narrow.project.path("s").exists());
    enough.run().assert_code(0).assert_said("our program was sent, ").assert_said("1 measured");
    enough.assert_clean();
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
