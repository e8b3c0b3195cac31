//! A port for each request: what a connection that is not kept costs, and when ports run out.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Sum, SumVerdict};
use crate::metric::{count, counted, duration_us, rate};
use crate::plan::{DatabaseUse, Trial};
use crate::preflight::machine::On;
use crate::preflight::ports::Ports;

const CODE: &str = "port-per-request";

/// How long Linux keeps a closed connection in TIME_WAIT: a constant of its source.
const TIME_WAIT_S: f64 = 60.0;

/// Trials that use ports up alike. Their seconds are kept as milliseconds, so that they can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    to_database: bool,
    loopback: bool,
    rate: Option<u64>,
    milliseconds: u64,
}

impl Alike {
    fn of(trial: &Trial, rate: Option<u64>, to_database: bool, address: &str, same_machine: bool) -> Self {
        let seconds = trial.load.duration_s + trial.load.warm_up_s.unwrap_or(0.0);
        Self {
            to_database,
            loopback: same_machine && (address.starts_with("127.") || address == "::1" || address == "localhost"),
            rate,
            milliseconds: (seconds * 1e3).round() as u64,
        }
    }

    fn seconds(&self) -> f64 {
        self.milliseconds as f64 / 1e3
    }
}

/// One sum for trials that are alike, however many.
pub(in crate::preflight) fn sums(on: &On<'_>) -> Vec<Sum> {
    let Some(ports) = Ports::of(on) else { return Vec::new() };
    let mut groups: BTreeMap<Alike, (BTreeSet<&str>, usize)> = BTreeMap::new();
    let mut put = |alike: Alike, daemon| {
        let (daemons, trials) = groups.entry(alike).or_default();
        daemons.insert(daemon);
        *trials += 1;
    };
    for trial in on.loading() {
        if on.plan.daemon(&trial.daemon).is_some_and(|daemon| !daemon.keep_alive) {
            // Only what begins here takes ports here.
            let rates: Option<f64> = on.own_shares(trial).iter().map(|share| share.rate).sum();
            let rate = rates.map(|rate| rate.ceil() as u64);
            put(Alike::of(trial, rate, false, &trial.address, trial.server == on.name), trial.daemon.as_str());
        }
    }
    if let Some(database) = &on.plan.database {
        for trial in on.serving().filter(|trial| trial.database_use == DatabaseUse::ConnectionPerRequest) {
            let same_machine = database.machine == on.name;
            put(Alike::of(trial, trial.load.rate, true, &database.address, same_machine), trial.daemon.as_str());
        }
    }
    groups.iter().map(|(alike, (daemons, trials))| sum(on, &ports, alike, daemons, *trials)).collect()
}

/// How long a port is held after its connection, in seconds, and whether the kernel hands it out again before its time.
fn held(on: &On<'_>, alike: &Alike) -> (f64, Option<u64>) {
    let reuse = on.number("net.ipv4.tcp_tw_reuse").unwrap_or(0);
    let may = reuse == 1 || (reuse == 2 && alike.loopback);
    // Without timestamps the kernel can't tell old segments from new ones, and never does it.
    if !may || on.number("net.ipv4.tcp_timestamps") == Some(0) {
        return (TIME_WAIT_S, None);
    }
    let delay_ms = on.number("net.ipv4.tcp_tw_reuse_delay").unwrap_or(1000);
    (delay_ms as f64 / 1e3, Some(reuse))
}

fn sum(on: &On<'_>, ports: &Ports, alike: &Alike, daemons: &BTreeSet<&str>, trials: usize) -> Sum {
    let (held, reuse) = held(on, alike);
    let size = ports.size() as f64;
    let names = daemons.iter().copied().collect::<Vec<_>>().join(", ");
    let what =
        if alike.to_database { "a database connection for each request" } else { "a connection for each request" };
    // Below this rate ports come back as fast as they go; above the other they are gone before the load ends.
    let (for_ever, in_time) = if held > 0.0 {
        (size / held, size / held.min(alike.seconds().max(1e-3)))
    } else {
        (f64::INFINITY, f64::INFINITY)
    };
    let mut text = format!("{names}: {what}; {}", ports.words());
    if let Some(buckets) = on.number("net.ipv4.tcp_max_tw_buckets").filter(|buckets| *buckets < ports.size()) {
        let enough = format!(
            "{text}, and only {} connections may be in TIME_WAIT at once (net.ipv4.tcp_max_tw_buckets), so ports do not run out",
            count(buckets)
        );
        return on.sum(CODE, enough, SumVerdict::Fits);
    }
    text.push_str(&match reuse {
        None => format!(
            " / {held:.0} s in TIME_WAIT = {} requests/s for ever, and in {} of load {} requests",
            rate(for_ever),
            duration_us(alike.seconds() * 1e6),
            count((in_time * alike.seconds()) as u64),
        ),
        Some(reuse) => format!(
            " / {} until one is used again (net.ipv4.tcp_tw_reuse = {reuse}{}) = {} requests/s for ever",
            duration_us(held * 1e6),
            if reuse == 1 { ", which hides that ports run out" } else { ", on the loopback" },
            rate(for_ever),
        ),
    });
    let (verdict, more) = judged(alike, reuse.is_some(), for_ever, in_time, trials);
    text.push_str(&more);
    let hint = (verdict != SumVerdict::Fits).then(|| {
        "let the daemon keep connections, widen net.ipv4.ip_local_port_range in a profile, or make the load shorter or slower"
            .to_owned()
    });
    Sum { hint, ..on.sum(CODE, text, verdict) }
}

fn judged(alike: &Alike, reused: bool, for_ever: f64, in_time: f64, trials: usize) -> (SumVerdict, String) {
    match alike.rate {
        Some(asked) if asked as f64 > in_time => {
            // What a daemon asks of the database is less than what it is asked itself, where it can't keep up.
            let verdict = if alike.to_database { SumVerdict::Doubtful } else { SumVerdict::Refused };
            (verdict, format!("; {} requests/s are asked for", count(asked)))
        }
        Some(asked) if asked as f64 > for_ever && trials > 1 => (
            SumVerdict::Doubtful,
            format!(
                "; {} requests/s are asked for, in each of {}, and one leaves fewer ports to the next",
                count(asked),
                counted(trials, "trial")
            ),
        ),
        Some(asked) => (SumVerdict::Fits, format!("; {} requests/s are asked for", count(asked))),
        // As fast as it goes: no daemon is known to reach what reuse allows.
        None if reused => (SumVerdict::Fits, String::new()),
        None => {
            (SumVerdict::Doubtful, format!("; from {} requests/s on ports run out before the load ends", rate(in_time)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Seen;
    use crate::preflight::fixtures::{on, plan_of_2015, seen};

    fn machine(reuse: &str) -> Seen {
        seen(&[("net.ipv4.ip_local_port_range", "1024 65535"), ("net.ipv4.tcp_tw_reuse", reuse)])
    }

    #[test]
    fn the_first_round_of_2015_is_doubtful_in_one_sum_for_all_trials_alike() {
        let plan = plan_of_2015();
        let sums = sums(&on(&plan, &machine("0")));
        assert_eq!(sums.len(), 2, "{sums:#?}");
        assert_eq!(
            sums[0].text,
            "django, flask: a connection for each request; 64,512 local ports (1024 to 65535) / 60 s in TIME_WAIT = 1,075 \
             requests/s for ever, and in 30.0 s of load 64,512 requests; from 2,150 requests/s on ports run out before the \
             load ends"
        );
        assert_eq!(sums[0].verdict, SumVerdict::Doubtful);
        assert!(
            sums[1].text.starts_with("django, flask: a database connection for each request; "),
            "{}",
            sums[1].text
        );
    }

    #[test]
    fn the_second_round_of_2015_asked_for_more_than_there_was() {
        let mut plan = plan_of_2015();
        for trial in &mut plan.trials {
            (trial.load.rate, trial.load.duration_s) = (Some(4000), 300.0);
        }
        let asked = sums(&on(&plan, &machine("0")));
        assert_eq!(asked[0].verdict, SumVerdict::Refused);
        assert!(asked[0].text.ends_with("; 4,000 requests/s are asked for"), "{}", asked[0].text);
        assert_eq!(asked[1].verdict, SumVerdict::Doubtful, "a daemon that can't keep up makes fewer");
        for trial in &mut plan.trials {
            trial.load.rate = Some(1075);
        }
        assert_eq!(sums(&on(&plan, &machine("0")))[0].verdict, SumVerdict::Fits);
        // More than for ever, but over before ports run out: only the next trial may miss them.
        for trial in &mut plan.trials {
            (trial.load.rate, trial.load.duration_s) = (Some(2000), 30.0);
        }
        assert_eq!(sums(&on(&plan, &machine("0")))[0].verdict, SumVerdict::Doubtful);
        plan.trials.truncate(1);
        assert_eq!(sums(&on(&plan, &machine("0")))[0].verdict, SumVerdict::Fits);
    }

    #[test]
    fn reuse_hides_it_everywhere_or_on_the_loopback_only() {
        let mut plan = plan_of_2015();
        let one = |plan: &_, machine: &_| sums(&on(plan, machine))[0].clone();
        let everywhere = one(&plan, &machine("1"));
        assert_eq!(everywhere.verdict, SumVerdict::Fits);
        assert!(
            everywhere.text.ends_with(
                " / 1.00 s until one is used again (net.ipv4.tcp_tw_reuse = 1, which hides that ports run out) = 64,512 \
                 requests/s for ever"
            ),
            "{}",
            everywhere.text
        );
        assert_eq!(one(&plan, &machine("2")).verdict, SumVerdict::Fits);
        for trial in &mut plan.trials {
            trial.address = "10.0.0.1".to_owned();
        }
        assert_eq!(one(&plan, &machine("2")).verdict, SumVerdict::Doubtful);
        let mut without = machine("1");
        without.facts.sysctl.insert("net.ipv4.tcp_timestamps".to_owned(), "0".to_owned());
        assert_eq!(one(&plan, &without).verdict, SumVerdict::Doubtful);
    }

    #[test]
    fn few_buckets_free_ports_and_kept_connections_use_none() {
        let mut plan = plan_of_2015();
        let mut machine = machine("0");
        machine.facts.sysctl.insert("net.ipv4.tcp_max_tw_buckets".to_owned(), "4096".to_owned());
        assert!(sums(&on(&plan, &machine)).iter().all(|sum| sum.verdict == SumVerdict::Fits));
        for daemon in &mut plan.daemons {
            daemon.keep_alive = true;
        }
        plan.trials.retain(|trial| trial.database_use == DatabaseUse::None);
        assert_eq!(sums(&on(&plan, &machine)), []);
    }
}
