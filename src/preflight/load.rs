//! How a load's connections are dealt out, and how many of them may wait for a daemon at once.

use std::collections::BTreeSet;

use crate::event::{Sum, SumVerdict};
use crate::metric::{count, counted};
use crate::plan::Trial;
use crate::preflight::machine::On;

/// All sums about loads that come from here or go here.
pub(in crate::preflight) fn sums(on: &On<'_>) -> Vec<Sum> {
    even(on).into_iter().chain(backlog(on)).collect()
}

/// Some load generators give each thread the same whole number of connections, and open no others.
fn even<'a>(on: &On<'a>) -> Vec<Sum> {
    let of_trial = |trial: &'a Trial| {
        let shares = on.own_shares(trial).into_iter();
        shares.map(move |share| (share.connections, trial.load.threads, on.opened(trial, &share)))
    };
    let loads: BTreeSet<(u32, u32, u64)> = on.loading().flat_map(of_trial).collect();
    let one = |(asked, threads, used): &(u32, u32, u64)| {
        let threads = counted(*threads, "thread");
        if u64::from(*asked) == *used {
            let text = format!("{} over {threads}: all are opened", counted(*asked, "connection"));
            return on.sum("even-connections", text, SumVerdict::Fits);
        }
        let text = format!(
            "{} over {threads}: {} are opened, the same whole number by each thread",
            counted(*asked, "connection"),
            count(*used)
        );
        let hint = format!("write connections = {used}, which is what will be measured");
        Sum { hint: Some(hint), ..on.sum("even-connections", text, SumVerdict::Doubtful) }
    };
    loads.iter().map(one).collect()
}

/// Connections come all at once when a load begins, and wait until the daemon takes them.
fn backlog(on: &On<'_>) -> Option<Sum> {
    let connections = on.serving().map(|trial| on.connections(trial)).max()?;
    let most = on.number("net.core.somaxconn")?;
    let text = format!(
        "{} may come at once, and {} may wait for a daemon (net.core.somaxconn; a daemon's own backlog may be less)",
        counted(connections, "connection"),
        count(most)
    );
    if connections <= most {
        return Some(on.sum("backlog", text, SumVerdict::Fits));
    }
    let hint = format!("set net.core.somaxconn to at least {connections} in a profile of this machine");
    Some(Sum { hint: Some(hint), ..on.sum("backlog", text, SumVerdict::Doubtful) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::fixtures::{on, plan_of_2015, seen, tuned_plan};

    #[test]
    fn twelve_threads_open_396_of_the_400_connections_of_2015() {
        let mut plan = plan_of_2015();
        let found = sums(&on(&plan, &seen(&[])));
        assert_eq!((found.len(), found[0].verdict), (1, SumVerdict::Doubtful));
        assert_eq!(
            found[0].text,
            "400 connections over 12 threads: 396 are opened, the same whole number by each thread"
        );
        for trial in &mut plan.trials {
            trial.load.tool = "h2load".to_owned();
        }
        let all = sums(&on(&plan, &seen(&[])));
        assert_eq!(
            (all[0].verdict, all[0].text.as_str()),
            (SumVerdict::Fits, "400 connections over 12 threads: all are opened")
        );
    }

    #[test]
    fn a_backlog_that_is_too_short_is_doubtful_until_it_is_tuned() {
        let machine = seen(&[("net.core.somaxconn", "128")]);
        let last = |plan: &_| sums(&on(plan, &machine)).pop().unwrap();
        assert_eq!(last(&plan_of_2015()).verdict, SumVerdict::Doubtful);
        assert!(last(&plan_of_2015()).text.starts_with("396 connections may come at once, and 128 may wait"));
        assert_eq!(last(&tuned_plan(&[("net.core.somaxconn", "100000")])).verdict, SumVerdict::Fits);
    }
}
