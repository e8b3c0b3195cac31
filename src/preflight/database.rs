//! Connections to PostgreSQL against what it allows, and its semaphores.

use crate::event::{Sum, SumVerdict};
use crate::metric::{count, counted};
use crate::plan::{DatabaseUse, Trial};
use crate::preflight::machine::On;

/// All sums about the database that runs here.
pub(in crate::preflight) fn sums(on: &On<'_>) -> Vec<Sum> {
    if on.database().is_none() {
        return Vec::new();
    }
    nameless(on).into_iter().chain(connections(on)).chain(semaphores(on)).collect()
}

/// `initdb` looks its user up by number, whatever it is told of names, and ends where nobody has that number.
fn nameless(on: &On<'_>) -> Option<Sum> {
    let facts = &on.seen.facts;
    let user = &facts.user;
    let text = format!(
        "PostgreSQL would run as user {user}, which has no name here, and its initdb makes no cluster for such a one"
    );
    let hint = format!(
        "give it one, as root there: useradd --uid {user} bench (for a container, in its image); or use a user that has one"
    );
    facts.nameless.then(|| Sum { hint: Some(hint), ..on.sum("user-name", text, SumVerdict::Refused) })
}

/// How many connections a trial may open.
struct Demand<'a> {
    trial: &'a Trial,
    workers: u64,
    pool: u64,
    /// Connections that requests make for themselves: one for each worker surely, one for each request under way at most.
    own: Option<(u64, u64)>,
}

impl Demand<'_> {
    fn least(&self) -> u64 {
        self.workers * self.pool + self.own.map_or(0, |(least, _)| least)
    }

    fn most(&self) -> u64 {
        self.workers * self.pool + self.own.map_or(0, |(_, most)| most)
    }

    fn words(&self) -> String {
        let mut parts = Vec::new();
        if self.pool > 0 {
            let (workers, pool) = (counted(self.workers, "worker"), count(self.pool));
            parts.push(format!("{workers} x pool of {pool} = {}", count(self.workers * self.pool)));
        }
        match self.own {
            Some((least, most)) if least < most => {
                parts.push(format!("{} to {} of requests under way", count(least), count(most)));
            }
            Some((_, most)) => parts.push(format!("{} of requests under way", count(most))),
            None => {}
        }
        parts.join(", and ")
    }
}

fn demand<'a>(on: &On<'_>, trial: &'a Trial) -> Demand<'a> {
    let (workers, pool) = on.pool(trial);
    let at_once = on.connections(trial) * u64::from(trial.load.streams.unwrap_or(1).max(1));
    // A worker that does one thing at a time has one connection; one with threads may have as many as there are requests.
    let own = (trial.database_use == DatabaseUse::ConnectionPerRequest).then(|| (workers.min(at_once), at_once));
    Demand { trial, workers, pool, own }
}

fn connections(on: &On<'_>) -> Option<Sum> {
    let conf = on.conf()?;
    let (allowed, reserved) = (conf.max_connections(), conf.reserved());
    let demands: Vec<Demand<'_>> = on.plan.trials.iter().rev().map(|trial| demand(on, trial)).collect();
    // One that surely does not fit goes before one that may need more still.
    let weight = |demand: &&Demand<'_>| (demand.least() + reserved > allowed, demand.most(), demand.least());
    let worst = demands.iter().max_by_key(weight).filter(|worst| worst.most() > 0)?;
    let text = format!(
        "{} ({}), and {} reserved, of max_connections {}",
        worst.words(),
        worst.trial.daemon,
        count(reserved),
        count(allowed)
    );
    let verdict = if worst.least() + reserved > allowed {
        SumVerdict::Refused
    } else if worst.most() + reserved > allowed {
        SumVerdict::Doubtful
    } else {
        SumVerdict::Fits
    };
    let needed = demands.iter().map(Demand::most).max().unwrap_or(0) + reserved;
    let hint = (verdict != SumVerdict::Fits)
        .then(|| format!("max_connections = {needed} is enough; or make pool, workers or connections smaller"));
    Some(Sum { hint, ..on.sum("database-connections", text, verdict) })
}

/// PostgreSQL's documented need of System V semaphores: sets of 16, each with one more for itself.
fn semaphores(on: &On<'_>) -> Option<Sum> {
    let conf = on.conf()?;
    let [_, all, _, sets] = on.numbers("kernel.sem")?[..] else { return None };
    let processes = conf.max_connections()
        + conf.number("autovacuum_max_workers", 3)
        + conf.number("max_wal_senders", 10)
        + conf.number("max_worker_processes", 8)
        + 5;
    let need = processes.div_ceil(16);
    let would = if need <= sets && need * 17 <= all { "which would fit" } else { "which would not fit" };
    let text = format!(
        "PostgreSQL uses POSIX semaphores on Linux, so kernel.sem bounds nothing; of System V ones it would need \
         ({} connections and helpers) / 16 = {} x 17 = {}, {would} in {} of {}",
        count(processes),
        counted(need, "set"),
        count(need * 17),
        counted(sets, "set"),
        count(all),
    );
    Some(on.sum("semaphores", text, SumVerdict::Fits))
}

#[cfg(test)]
mod tests {
    use crate::event::SumVerdict;
    use crate::plan::DatabaseUse;
    use crate::preflight::fixtures::{on, plan_of_2015, seen, with_conf};

    #[test]
    fn the_pools_of_2015_fit_into_its_thousand_connections() {
        let plan = plan_of_2015();
        let sums = super::sums(&on(&plan, &seen(&[])));
        assert_eq!(sums.len(), 1, "{sums:?}");
        assert_eq!((sums[0].code.as_str(), sums[0].verdict), ("database-connections", SumVerdict::Fits));
        assert_eq!(sums[0].text, "16 workers x pool of 30 = 480 (aiohttp), and 3 reserved, of max_connections 1,000");
    }

    #[test]
    fn the_pools_of_2015_do_not_fit_into_todays_default() {
        let mut plan = plan_of_2015();
        with_conf(&mut plan, &[("max_connections", "100")]);
        let sums = super::sums(&on(&plan, &seen(&[])));
        assert_eq!(sums[0].verdict, SumVerdict::Refused);
        assert!(sums[0].text.ends_with("of max_connections 100"), "{}", sums[0].text);
        assert!(sums[0].hint.as_ref().unwrap().starts_with("max_connections = 483 is enough"), "{:?}", sums[0].hint);
        with_conf(&mut plan, &[("max_connections", "483")]);
        assert_eq!(super::sums(&on(&plan, &seen(&[])))[0].verdict, SumVerdict::Fits);
        with_conf(&mut plan, &[("max_connections", "482")]);
        assert_eq!(super::sums(&on(&plan, &seen(&[])))[0].verdict, SumVerdict::Refused);
    }

    #[test]
    fn requests_with_a_connection_of_their_own_need_one_a_worker_and_may_need_one_each() {
        let mut plan = plan_of_2015();
        for trial in &mut plan.trials {
            trial.database_use = DatabaseUse::ConnectionPerRequest;
        }
        let verdict = |most: &str| {
            let mut plan = plan.clone();
            with_conf(&mut plan, &[("max_connections", most)]);
            super::sums(&on(&plan, &seen(&[])))[0].clone()
        };
        // 12 threads open 396 of the 400 connections.
        assert_eq!(verdict("399").verdict, SumVerdict::Fits);
        assert!(verdict("399").text.starts_with("16 to 396 of requests under way ("), "{}", verdict("399").text);
        assert_eq!(verdict("398").verdict, SumVerdict::Doubtful);
        assert_eq!(verdict("19").verdict, SumVerdict::Doubtful);
        assert_eq!(verdict("18").verdict, SumVerdict::Refused);
    }

    #[test]
    fn a_pool_that_can_not_fit_is_not_hidden_by_requests_that_may_need_more() {
        let mut plan = plan_of_2015();
        for trial in &mut plan.trials {
            if let DatabaseUse::Pool { per_worker } = &mut trial.database_use {
                *per_worker = 10;
            }
        }
        let sum = |most: &str| {
            let mut plan = plan.clone();
            with_conf(&mut plan, &[("max_connections", most)]);
            super::sums(&on(&plan, &seen(&[])))[0].clone()
        };
        let refused = sum("162");
        assert_eq!(refused.verdict, SumVerdict::Refused, "{refused:?}");
        assert!(refused.text.starts_with("16 workers x pool of 10 = 160 (aiohttp), "), "{}", refused.text);
        assert!(refused.hint.unwrap().starts_with("max_connections = 399 is enough"));
        let doubtful = sum("163");
        assert_eq!(doubtful.verdict, SumVerdict::Doubtful);
        assert!(doubtful.text.starts_with("16 to 396 of requests under way ("), "{}", doubtful.text);
    }

    #[test]
    fn a_user_without_a_name_can_make_no_cluster() {
        let mut plan = plan_of_2015();
        let mut machine = seen(&[]);
        (machine.facts.user, machine.facts.nameless) = ("4321".to_owned(), true);
        let sum = super::sums(&on(&plan, &machine)).remove(0);
        assert_eq!((sum.code.as_str(), sum.verdict), ("user-name", SumVerdict::Refused));
        assert_eq!(
            sum.text,
            "PostgreSQL would run as user 4321, which has no name here, and its initdb makes no cluster for such a one"
        );
        assert!(sum.hint.unwrap().contains("useradd --uid 4321"));
        plan.database = None;
        assert!(super::sums(&on(&plan, &machine)).is_empty(), "daemons need no name");
    }

    #[test]
    fn semaphores_only_inform() {
        let plan = plan_of_2015();
        let sums = super::sums(&on(&plan, &seen(&[("kernel.sem", "32000 1024000000 500 32000")])));
        assert_eq!((sums[1].code.as_str(), sums[1].verdict), ("semaphores", SumVerdict::Fits));
        assert!(sums[1].text.contains("/ 16 = 65 sets x 17 = 1,105, which would fit"), "{}", sums[1].text);
        let few = super::sums(&on(&plan, &seen(&[("kernel.sem", "250 1000 32 128")])));
        assert_eq!(few[1].verdict, SumVerdict::Fits);
        assert!(few[1].text.contains("which would not fit in 128 sets of 1,000"), "{}", few[1].text);
    }
}
