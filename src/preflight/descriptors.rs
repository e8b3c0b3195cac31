//! Open files: each connection is one.

use crate::event::{Sum, SumVerdict};
use crate::metric::{count, counted};
use crate::preflight::machine::On;

const CODE: &str = "descriptors";

/// What a program has open beside its connections: libraries, logs, its listening socket, pipes.
const BESIDE: u64 = 50;

/// With fewer PostgreSQL does not start; with fewer than the other it keeps closing files to open others.
const POSTGRES_LEAST: u64 = 100;
const POSTGRES_EASY: u64 = 256;

/// How many files a started program may have open; none where nobody could read the limit.
pub(in crate::preflight) fn got(on: &On<'_>) -> Option<u64> {
    let look = &on.seen.look;
    let (soft, hard) = look.nofile.or(on.seen.facts.nofile)?;
    Some(match on.tuning().and_then(|tuning| tuning.nofile) {
        Some(limit) if limit.want <= hard => limit.want,
        // The kernel lets nobody have more than this; where nobody could read it, the agent raises nothing.
        Some(limit) if look.may_raise_nofile => limit.want.min(on.number("fs.nr_open").unwrap_or(hard)).max(hard),
        Some(_) => hard,
        None => soft,
    })
}

/// Why less is got than was asked for.
pub(in crate::preflight) fn bound(on: &On<'_>) -> &'static str {
    if on.seen.look.may_raise_nofile {
        "fs.nr_open there allows no more"
    } else {
        "the hard limit there, which the agent may not raise"
    }
}

/// All sums about open files here.
pub(in crate::preflight) fn sums(on: &On<'_>) -> Vec<Sum> {
    let Some(got) = got(on) else { return Vec::new() };
    let needs = [load(on), daemon(on)].into_iter().flatten();
    let mut sums: Vec<Sum> = limit(on, got).into_iter().collect();
    sums.extend(needs.map(|(needed, what)| enough(on, got, needed, what)));
    sums.extend(postgres(on, got));
    sums
}

/// What was asked for, against what is got.
fn limit(on: &On<'_>, got: u64) -> Option<Sum> {
    let limit = on.tuning()?.nofile?;
    let text = format!("{} asked for, {} got", counted(limit.want, "open file"), count(got));
    if got >= limit.want {
        return Some(on.sum(CODE, text, SumVerdict::Fits));
    }
    // Where no less than all is enough, that needs no saying.
    let least =
        if limit.at_least < limit.want { format!("; {} is enough", count(limit.at_least)) } else { String::new() };
    let enough = format!("{text}: {}{least}", bound(on));
    if got >= limit.at_least {
        return Some(on.sum(CODE, format!("{enough}, and it stands on the report's first page"), SumVerdict::Doubtful));
    }
    let raise = if on.seen.look.may_raise_nofile {
        "set fs.nr_open to more in a profile of this machine"
    } else {
        "raise the hard limit there (limits.conf for a login, `nofile` for a container), run the agent as root with \
         CAP_SYS_RESOURCE"
    };
    let hint = format!("{raise}, or be content with at_least = {got}");
    Some(Sum { hint: Some(hint), ..on.sum(CODE, enough, SumVerdict::Refused) })
}

fn enough(on: &On<'_>, got: u64, needed: u64, what: String) -> Sum {
    let text = format!("{what} = {}, of {} for each program", count(needed), counted(got, "open file"));
    if needed <= got {
        return on.sum(CODE, text, SumVerdict::Fits);
    }
    let hint =
        format!("ask for at least {needed} with `nofile` in the tuning of this machine, or open fewer connections");
    Sum { hint: Some(hint), ..on.sum(CODE, text, SumVerdict::Refused) }
}

fn load(on: &On<'_>) -> Option<(u64, String)> {
    let connections = on.loading().map(|trial| on.own_connections(trial)).max()?;
    let what = format!("the load: {} + {BESIDE} others", counted(connections, "connection"));
    Some((connections + BESIDE, what))
}

/// One worker may get all connections: the kernel deals them out as it likes.
fn daemon(on: &On<'_>) -> Option<(u64, String)> {
    let needs = on.serving().map(|trial| (on.connections(trial), on.pool(trial).1, trial.daemon.as_str()));
    let (connections, pool, name) = needs.max_by_key(|(connections, pool, _)| connections + pool)?;
    let what = format!("{name}: {} + pool of {pool} + {BESIDE} others", counted(connections, "connection"));
    Some((connections + pool + BESIDE, what))
}

fn postgres(on: &On<'_>, got: u64) -> Option<Sum> {
    on.database()?;
    let conf = on.conf()?;
    let most = conf.number("max_files_per_process", 1000);
    let text = format!(
        "PostgreSQL: each process of up to {} uses up to {}, of {} for each",
        counted(conf.max_connections(), "connection"),
        count(most),
        counted(got, "open file")
    );
    if got < POSTGRES_LEAST {
        let hint = format!("ask for at least {} with `nofile` in the tuning of this machine", most + BESIDE);
        return Some(Sum { hint: Some(hint), ..on.sum(CODE, text, SumVerdict::Refused) });
    }
    let verdict = if got < POSTGRES_EASY { SumVerdict::Doubtful } else { SumVerdict::Fits };
    Some(on.sum(CODE, text, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::NoFile;
    use crate::preflight::fixtures::{on, plan_of_2015, seen, tuned_plan};
    use crate::wire::Standing;

    #[test]
    fn connections_are_open_files() {
        let plan = plan_of_2015();
        let mut machine = seen(&[]);
        machine.look.nofile = Some((475, 20_000));
        let found = sums(&on(&plan, &machine));
        let texts: Vec<(&str, SumVerdict)> = found.iter().map(|sum| (sum.text.as_str(), sum.verdict)).collect();
        assert_eq!(
            texts,
            [
                ("the load: 396 connections + 50 others = 446, of 475 open files for each program", SumVerdict::Fits),
                (
                    "aiohttp: 396 connections + pool of 30 + 50 others = 476, of 475 open files for each program",
                    SumVerdict::Refused
                ),
                (
                    "PostgreSQL: each process of up to 1,000 connections uses up to 1,000, of 475 open files for each",
                    SumVerdict::Fits
                ),
            ]
        );
        assert!(found[1].hint.as_ref().unwrap().starts_with("ask for at least 476 with `nofile`"));
    }

    #[test]
    fn a_limit_is_got_asked_for_or_neither() {
        let mut plan = tuned_plan(&[]);
        plan.tuning[0].nofile = Some(NoFile { want: 100_000, at_least: 8192 });
        let mut machine = seen(&[]);
        let first = |machine: &_| sums(&on(&plan, machine))[0].clone();
        machine.look.nofile = Some((1024, 20_000));
        assert_eq!(first(&machine).verdict, SumVerdict::Doubtful);
        assert_eq!(
            first(&machine).text,
            "100,000 open files asked for, 20,000 got: the hard limit there, which the agent may not raise; 8,192 is \
             enough, and it stands on the report's first page"
        );
        machine.look.nofile = Some((1024, 4096));
        assert_eq!(first(&machine).verdict, SumVerdict::Refused);
        assert!(first(&machine).text.ends_with("; 8,192 is enough"), "{}", first(&machine).text);
        machine.look.may_raise_nofile = true;
        assert_eq!(first(&machine).verdict, SumVerdict::Refused, "nobody could read how far");
        let open = |most: &str| Standing { value: Some(most.to_owned()), refused: None };
        machine.look.settings.insert("fs.nr_open".to_owned(), open("1048576"));
        assert_eq!(first(&machine).verdict, SumVerdict::Fits);
        machine.look.settings.insert("fs.nr_open".to_owned(), open("9000"));
        assert_eq!(first(&machine).verdict, SumVerdict::Doubtful);
        assert!(
            first(&machine)
                .text
                .starts_with("100,000 open files asked for, 9,000 got: fs.nr_open there allows no more; ")
        );
        // A profile may raise that first.
        plan.tuning.extend(tuned_plan(&[("fs.nr_open", "200000")]).tuning);
        plan.tuning.swap_remove(0);
        plan.tuning[0].nofile = Some(NoFile { want: 100_000, at_least: 100_000 });
        assert_eq!(sums(&on(&plan, &machine))[0].verdict, SumVerdict::Fits);
        machine.look.root = false;
        let text = &sums(&on(&plan, &machine))[0].text;
        assert!(text.ends_with("9,000 got: fs.nr_open there allows no more"), "no less is enough: {text}");
    }

    #[test]
    fn postgresql_lives_with_few_and_not_with_none() {
        let plan = plan_of_2015();
        let verdict = |soft| {
            let mut machine = seen(&[]);
            machine.look.nofile = Some((soft, soft));
            sums(&on(&plan, &machine)).pop().unwrap().verdict
        };
        assert_eq!([verdict(99), verdict(100), verdict(255), verdict(256)].map(|v| v as u8), [2, 1, 1, 0]);
    }
}
