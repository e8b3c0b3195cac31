//! The parts of the bench: which generators meet which server, and what must come of it. The targets are those of the
//! project's issue on its load generator; `docs/bench-load.md` explains each.

use crate::cli::bench::load::generator::{CONNECTIONS, Candidate, Load, Outcome};
use crate::cli::bench::load::goal::{Figures, Goal, Sense, Unit};
use crate::cli::bench::load::rounds::{Bench, Figure, Series, find};
use crate::cli::bench::load::section::{Column, Section};
use crate::cli::bench::load::server::Kind;
use crate::cli::error::Problem;
use crate::metric::count;

const EPOLL: &str = "timetrial, epoll";
const URING: &str = "timetrial, io_uring";
const PLAIN: &str = "timetrial, SCHED_OTHER";
const FIFO: &str = "timetrial, SCHED_FIFO";
const ECONOMY: &str = "timetrial, economy";
const SHORT: &str = "timetrial, short";
const LONG: &str = "timetrial, 4 times as long";

/// What the server of steady loads waits.
const DELAY_US: f64 = 1_000.0;

/// Of a server that is frozen 1 s in every 10, at 99 % and 99.9 %: a request due in the freeze waits for its end.
const FROZEN_US: [(&str, f64); 2] = [("p99", 900_000.0), ("p99.9", 990_000.0)];

const FREEZES_S: u64 = 30;

fn per_cpu_second(outcome: &Outcome) -> Option<f64> {
    Some(outcome.known.requests as f64 / outcome.cpu.as_secs_f64())
}

fn cpu_us_per_request(outcome: &Outcome) -> Option<f64> {
    Some(outcome.cpu.as_secs_f64() * 1e6 / outcome.known.requests as f64)
}

fn peak_mb(outcome: &Outcome) -> Option<f64> {
    Some(outcome.peak_memory_bytes.or(outcome.said.peak_memory_bytes)? as f64 / 1e6)
}

/// The bounds of a goal.
struct Bounds(f64, Option<f64>);

/// How many times the other's figure one's is, or, where less is better, the other's is one's.
fn ratio(
    all: &[Series],
    (one, other): (&'static str, &'static str),
    of: &Figure,
    sense: Sense,
    Bounds(target, aim): Bounds,
) -> Goal {
    let missing = |name: &str| Err(format!("not here: {name}"));
    let figures = match (find(all, one), find(all, other)) {
        (_, None) => missing(other),
        (None, _) => missing(one),
        (Some(ours), Some(theirs)) => ours.over(theirs, of).or_failure(),
    };
    Goal { what: format!("{one}, to {other}"), unit: Unit::Times, sense, target, aim, figures }
}

/// What one of ours has.
fn of_ours(all: &[Series], name: &str, of: &Figure) -> Figures {
    find(all, name).map(|ours| ours.known(of)).unwrap_or_default()
}

impl Bench {
    fn ours(&self, name: &'static str, options: &[&'static str]) -> Candidate {
        Candidate::ours(name, &self.ours, options)
    }

    fn as_fast_as_they_can(&self, server: Kind) -> Load {
        Load { server, seconds: self.seconds, rate: None, watches_memory: false }
    }

    /// As fast as answers come, against nginx.
    pub async fn closed(&self) -> Result<Section, Problem> {
        let title = format!("as fast as answers come, {CONNECTIONS} connections, nginx with one worker");
        let Some(nginx) = self.peers.nginx.clone() else {
            let mut section = Section::new("closed", title, &[], &[], Vec::new());
            section.remarks.push("not here: nginx; nothing of this was measured".to_owned());
            return Ok(section);
        };
        let mut candidates =
            vec![self.ours(EPOLL, &["--engine", "epoll"]), self.ours(URING, &["--engine", "io_uring"])];
        candidates.extend(Candidate::others(&self.peers, &["wrk", "wrk2", "oha", "h2load", "ab"]));
        let all = self.turns("closed", &self.as_fast_as_they_can(Kind::Nginx(nginx)), &candidates, self.rounds).await?;
        let goal = |pair, target, aim| ratio(&all, pair, &per_cpu_second, Sense::AtLeast, Bounds(target, Some(aim)));
        let goals = vec![
            goal((EPOLL, "wrk"), 1.05, 1.10),
            goal((EPOLL, "wrk2"), 1.15, 1.20),
            goal((EPOLL, "oha"), 1.40, 1.45),
            goal((URING, "wrk"), 1.20, 1.30),
        ];
        Ok(Section::new("closed", title, &fast_columns(), &all, goals))
    }

    /// The same against a server that never waits.
    pub async fn fast(&self) -> Result<Section, Problem> {
        let mut candidates =
            vec![self.ours(EPOLL, &["--engine", "epoll"]), self.ours(URING, &["--engine", "io_uring"])];
        candidates.extend(Candidate::others(&self.peers, &["wrk", "wrk2", "oha"]));
        let load = self.as_fast_as_they_can(Kind::Truth(vec!["--busy"]));
        let all = self.turns("fast", &load, &candidates, self.rounds).await?;
        let goal = |pair, target, aim| ratio(&all, pair, &per_cpu_second, Sense::AtLeast, Bounds(target, Some(aim)));
        let goals = vec![goal((EPOLL, "wrk"), 1.20, 1.30), goal((URING, "wrk"), 1.30, 1.40)];
        let title =
            format!("as fast as answers come, {CONNECTIONS} connections, a server that is faster than the client");
        Ok(Section::new("fast", title, &fast_columns(), &all, goals))
    }

    /// At a rate, against a server that waits a millisecond and records arrivals.
    pub async fn steady(&self, name: &'static str, rate: u64) -> Result<Section, Problem> {
        let mut candidates = vec![self.ours(PLAIN, &["--no-real-time"]), self.ours(FIFO, &[])];
        if rate >= 20_000 {
            candidates.push(self.ours(ECONOMY, &["--economy"]));
        }
        candidates.extend(Candidate::others(&self.peers, &["wrk2", "oha"]));
        let server = Kind::Truth(vec!["--busy", "--delay-us", "1000"]);
        let load = Load { server, seconds: self.seconds, rate: Some(rate), watches_memory: false };
        let all = self.turns(name, &load, &candidates, self.rounds).await?;
        let asked = rate as f64;
        let deviation = move |outcome: &Outcome| outcome.known.arrivals.deviation_p99_us(asked);
        let columns = [
            Column::new("rate", "rate", Unit::PerSecond, |outcome| outcome.known.arrivals.rate()),
            Column::new("dispersion", "dispersion", Unit::Plain, |outcome| {
                outcome.known.arrivals.index_of_dispersion()
            }),
            Column::new("off schedule, p99", "off_schedule_p99", Unit::Us, deviation),
            Column::new("p50", "p50", Unit::Us, |outcome| outcome.said.p50_us),
            Column::new("p99", "p99", Unit::Us, |outcome| outcome.said.p99_us),
            Column::new("CPU/request", "cpu_per_request", Unit::Us, cpu_us_per_request),
        ];
        let mut goals = kept(&all, asked);
        for other in ["wrk2", "oha"] {
            let goal = |ours, target, aim| {
                let times = ratio(&all, (other, ours), &deviation, Sense::AtLeast, Bounds(target, Some(aim)));
                Goal { what: format!("off schedule, p99: {other}'s, to {ours}"), ..times }
            };
            goals.extend([goal(PLAIN, 2.0, 10.0), real_time(&all, goal(FIFO, 8.0, 20.0))]);
        }
        goals.extend(added(&all));
        if rate >= 20_000 {
            for (other, target, aim) in [("wrk2", 1.0, 0.95), ("oha", 0.8, 0.75)] {
                let bounds = Bounds(target, Some(aim));
                let cpu = ratio(&all, (ECONOMY, other), &cpu_us_per_request, Sense::AtMost, bounds);
                goals.push(Goal { what: format!("CPU time: {}", cpu.what), ..cpu });
            }
        }
        let title = format!("{} requests a second, {CONNECTIONS} connections, a server that waits 1 ms", count(rate));
        Ok(Section::new(name, title, &columns, &all, goals))
    }

    /// At a rate, against a server that is frozen again and again.
    pub async fn freeze(&self) -> Result<Section, Problem> {
        let mut candidates = vec![self.ours("timetrial", &[])];
        candidates.extend(Candidate::others(&self.peers, &["wrk2", "oha"]));
        let server = Kind::Truth(vec!["--busy", "--freeze-ms", "1000", "--freeze-every-ms", "10000"]);
        let load = Load { server, seconds: FREEZES_S, rate: Some(5_000), watches_memory: false };
        // Each takes half a minute, and there is little chance in it.
        let all = self.turns("freeze", &load, &candidates, self.rounds.div_ceil(2)).await?;
        let p99 = |outcome: &Outcome| outcome.said.p99_us;
        let p99_9 = |outcome: &Outcome| outcome.said.p99_9_us;
        let columns = [
            Column::new("p50", "p50", Unit::Us, |outcome| outcome.said.p50_us),
            Column::new("p99 (truth: 900 ms)", "p99", Unit::Us, p99),
            Column::new("p99.9 (truth: 990 ms)", "p99_9", Unit::Us, p99_9),
        ];
        let goal = |(name, truth): (&str, f64), of: &Figure| {
            let wrong = of_ours(&all, "timetrial", of).map(|figure| (figure / truth - 1.0).abs() * 100.0);
            Goal {
                what: format!("{name} is wrong by"),
                unit: Unit::Percent,
                sense: Sense::AtMost,
                target: 1.0,
                aim: Some(0.5),
                figures: wrong.or_failure(),
            }
        };
        let goals = vec![goal(FROZEN_US[0], &p99), goal(FROZEN_US[1], &p99_9)];
        let title =
            format!("5,000 requests a second, {CONNECTIONS} connections, a server that is frozen 1 s in every 10");
        Ok(Section::new("freeze", title, &columns, &all, goals))
    }

    /// What a short and a long load need.
    pub async fn memory(&self) -> Result<Section, Problem> {
        let server = Kind::Truth(vec!["--busy"]);
        let load = |seconds| Load { server: server.clone(), seconds, rate: None, watches_memory: true };
        let (short, long) = (self.ours(SHORT, &[]), self.ours(LONG, &[]));
        let mut all = self.turns("memory, short", &load(self.seconds), &[short], self.rounds).await?;
        all.extend(self.turns("memory, long", &load(4 * self.seconds), &[long], self.rounds).await?);
        let (shorts, longs) = (of_ours(&all, SHORT, &peak_mb), of_ours(&all, LONG, &peak_mb));
        // Memory is what it is, whoever disturbs.
        let sure = |values| Figures { values, are_disturbed: false };
        let growth = shorts.values.iter().zip(&longs.values).map(|(short, long)| long - short).collect();
        let goal = |what: &str, target, figures: Figures| Goal {
            what: what.to_owned(),
            unit: Unit::Mb,
            sense: Sense::AtMost,
            target,
            aim: None,
            figures: figures.or_failure(),
        };
        // Pages come one by one, some of them late: a quarter of a megabyte is none.
        let goals = vec![
            goal("peak of the long load", 10.0, sure(longs.values)),
            goal("more than the short one", 0.25, sure(growth)),
        ];
        let columns = [
            Column::new("peak", "peak", Unit::Mb, peak_mb),
            Column::new("requests", "requests", Unit::Plain, |outcome| Some(outcome.known.requests as f64)),
        ];
        let title = format!("memory, as fast as answers come, {CONNECTIONS} connections");
        Ok(Section::new("memory", title, &columns, &all, goals))
    }
}

fn fast_columns() -> [Column; 1] {
    [Column::new("requests/CPU-s", "requests", Unit::PerCpuSecond, per_cpu_second)]
}

/// How near to the rate asked for we come, by the server's clock.
fn kept(all: &[Series], asked: f64) -> Vec<Goal> {
    let off = move |outcome: &Outcome| Some((outcome.known.arrivals.rate()? / asked - 1.0).abs() * 100.0);
    let goal = |name: &'static str| Goal {
        what: format!("the rate of {name} is wrong by"),
        unit: Unit::Percent,
        sense: Sense::AtMost,
        target: 0.05,
        aim: Some(0.01),
        figures: of_ours(all, name, &off).or_failure(),
    };
    [PLAIN, FIFO, ECONOMY].into_iter().filter(|name| find(all, name).is_some()).map(goal).collect()
}

/// What we add to the server's own delay, by our own figures.
fn added(all: &[Series]) -> Vec<Goal> {
    let goal = |name: &str, of: &Figure, target, aim| {
        let added = of_ours(all, FIFO, of).map(|figure| figure - DELAY_US);
        let (unit, sense, aim) = (Unit::Us, Sense::AtMost, Some(aim));
        let what = format!("{FIFO} adds to {name}");
        real_time(all, Goal { what, unit, sense, target, aim, figures: added.or_failure() })
    };
    vec![
        goal("p50", &|outcome: &Outcome| outcome.said.p50_us, 50.0, 30.0),
        goal("p99", &|outcome: &Outcome| outcome.said.p99_us, 150.0, 100.0),
    ]
}

/// A goal with SCHED_FIFO is none where that can't be had.
fn real_time(all: &[Series], goal: Goal) -> Goal {
    match find(all, FIFO).and_then(Series::scheduler) {
        Some(scheduler) if !scheduler.starts_with("SCHED_FIFO") => Goal { figures: Err(scheduler.to_owned()), ..goal },
        _ => goal,
    }
}
