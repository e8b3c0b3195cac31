//! Memory: what PostgreSQL and sockets may want, against what is there.

use crate::event::{Sum, SumVerdict};
use crate::metric::{count, counted, short_bytes};
use crate::preflight::machine::On;

/// The kernel's word for a piece of memory, on every machine that this runs on.
const PAGE: u64 = 4096;

/// PostgreSQL's own, where no profile says otherwise.
const SHARED_BUFFERS: u64 = 128 << 20;
const WORK_MEM: u64 = 4 << 20;

/// All sums about memory here.
pub(in crate::preflight) fn sums(on: &On<'_>) -> Vec<Sum> {
    database(on).into_iter().chain(sockets(on)).collect()
}

fn database(on: &On<'_>) -> Option<Sum> {
    on.database()?;
    let conf = on.conf()?;
    let memory = on.seen.facts.memory_bytes?;
    let available = on.seen.facts.memory_available_bytes.unwrap_or(memory);
    let shared = conf.bytes("shared_buffers", "8kB", SHARED_BUFFERS);
    let (work, connections) = (conf.bytes("work_mem", "kB", WORK_MEM), conf.max_connections());
    let whole = shared.saturating_add(work.saturating_mul(connections));
    let text = format!(
        "shared_buffers {} + work_mem {} x {} = {} at worst, of {} available and {} in all",
        short_bytes(shared),
        short_bytes(work),
        counted(connections, "connection"),
        short_bytes(whole),
        short_bytes(available),
        short_bytes(memory)
    );
    let (verdict, hint) = if shared > memory {
        (SumVerdict::Refused, Some("make shared_buffers smaller than the machine's memory: a quarter of it is usual"))
    } else if whole > available {
        (
            SumVerdict::Doubtful,
            Some("make work_mem or max_connections smaller; a plain query uses much less than work_mem"),
        )
    } else {
        (SumVerdict::Fits, None)
    };
    Some(Sum { hint: hint.map(str::to_owned), ..on.sum("database-memory", text, verdict) })
}

/// Ends of connections that are here at once: of the load, of the daemon, of its pools, of PostgreSQL.
fn ends(on: &On<'_>) -> u64 {
    let here = |trial: &crate::plan::Trial| {
        let (workers, pool) = on.pool(trial);
        let is_server = trial.server == on.name;
        let served = if is_server { on.connections(trial) } else { 0 };
        let pools = u64::from(is_server && on.plan.database.is_some()) + u64::from(on.database().is_some());
        on.own_connections(trial) + served + workers * pool * pools
    };
    on.plan.trials.iter().map(here).max().unwrap_or(0)
}

/// The least that each socket's buffers may grow to however short memory is.
fn sockets(on: &On<'_>) -> Option<Sum> {
    let ends = ends(on);
    let (read, write) = (*on.numbers("net.ipv4.tcp_rmem")?.first()?, *on.numbers("net.ipv4.tcp_wmem")?.first()?);
    let memory = on.seen.facts.memory_bytes?;
    let needed = ends.saturating_mul(read.saturating_add(write));
    let most = on.numbers("net.ipv4.tcp_mem").and_then(|pages| pages.get(2).map(|pages| pages.saturating_mul(PAGE)));
    let bound =
        most.map_or_else(String::new, |most| format!(", and {} for all of TCP (net.ipv4.tcp_mem)", short_bytes(most)));
    let text = format!(
        "{} ends of connections x ({} to read + {} to write, the least of net.ipv4.tcp_rmem and tcp_wmem) = {}, of {} of \
         memory{bound}",
        count(ends),
        short_bytes(read),
        short_bytes(write),
        short_bytes(needed),
        short_bytes(memory)
    );
    if ends == 0 {
        return None;
    }
    if needed <= memory && most.is_none_or(|most| needed <= most) {
        return Some(on.sum("socket-memory", text, SumVerdict::Fits));
    }
    let hint = "make the first number of net.ipv4.tcp_rmem and net.ipv4.tcp_wmem small (4096): the last one is the most that \
                a socket gets";
    Some(Sum { hint: Some(hint.to_owned()), ..on.sum("socket-memory", text, SumVerdict::Doubtful) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::fixtures::{on, plan_of_2015, seen, tuned_plan, with_conf};

    #[test]
    fn what_every_connection_may_sort_with_can_exceed_the_machine() {
        let mut plan = plan_of_2015();
        with_conf(&mut plan, &[("work_mem", "32MB"), ("shared_buffers", "16384")]);
        let machine = seen(&[]);
        let sum = sums(&on(&plan, &machine)).remove(0);
        assert_eq!(sum.verdict, SumVerdict::Doubtful);
        assert_eq!(
            sum.text,
            "shared_buffers 134 MB + work_mem 33.6 MB x 1,000 connections = 33.7 GB at worst, of 6.00 GB available and 8.00 \
             GB in all"
        );
        with_conf(&mut plan, &[("work_mem", "5MB")]);
        assert_eq!(sums(&on(&plan, &machine)).remove(0).verdict, SumVerdict::Fits);
        with_conf(&mut plan, &[("shared_buffers", "8GB")]);
        assert_eq!(sums(&on(&plan, &machine)).remove(0).verdict, SumVerdict::Refused);
    }

    #[test]
    fn thirty_million_bytes_for_each_socket_of_2015_are_doubtful() {
        let now = [("net.ipv4.tcp_rmem", "4096 131072 33554432"), ("net.ipv4.tcp_wmem", "4096 16384 4194304")];
        let machine = seen(&now);
        let last = |plan: &_, machine: &_| sums(&on(plan, machine)).pop().unwrap();
        assert_eq!(last(&plan_of_2015(), &machine).verdict, SumVerdict::Fits);
        let minimum = "30000000 30000000 30000000";
        let plan = tuned_plan(&[("net.ipv4.tcp_rmem", minimum), ("net.ipv4.tcp_wmem", minimum)]);
        let sum = last(&plan, &machine);
        assert_eq!((sum.code.as_str(), sum.verdict), ("socket-memory", SumVerdict::Doubtful));
        // 396 connections and 480 of the pools, both ends of all here: 1,752 x 60 MB.
        assert!(
            sum.text.starts_with("1,752 ends of connections x (30.0 MB to read + 30.0 MB to write,"),
            "{}",
            sum.text
        );
        assert!(sum.text.contains(" = 105 GB, of 8.00 GB of memory"), "{}", sum.text);
        let little = seen(&[now[0], now[1], ("net.ipv4.tcp_mem", "10 20 30")]);
        assert_eq!(last(&plan_of_2015(), &little).verdict, SumVerdict::Doubtful);
    }
}
