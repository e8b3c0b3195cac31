//! Local ports: how many there are for connections that begin here, and whether one of them is somebody's own.

use crate::event::{Sum, SumVerdict};
use crate::metric::{count, counted};
use crate::plan::port_ranges;
use crate::preflight::machine::On;

/// The kernel settings that this is about.
const RANGE: &str = "net.ipv4.ip_local_port_range";
const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";

/// The ports that the kernel gives to outgoing connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::preflight) struct Ports {
    first: u16,
    last: u16,
    /// Those that it never gives, in order and without overlap.
    reserved: Vec<(u16, u16)>,
}

impl Ports {
    /// As they will be on a machine.
    pub(in crate::preflight) fn of(on: &On<'_>) -> Option<Self> {
        let [first, last] = on.numbers(RANGE)?[..] else { return None };
        let (first, last) = (u16::try_from(first).ok()?, u16::try_from(last).ok()?);
        let reserved = port_ranges(&on.value(RESERVED).unwrap_or_default());
        (first <= last).then_some(Self { first, last, reserved })
    }

    /// How many it can give.
    pub(in crate::preflight) fn size(&self) -> u64 {
        u64::from(self.last) - u64::from(self.first) + 1 - self.kept()
    }

    fn kept(&self) -> u64 {
        let inside = self.reserved.iter().map(|(first, last)| (*first.max(&self.first), *last.min(&self.last)));
        inside.filter(|(first, last)| first <= last).map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    fn gives(&self, port: u16) -> bool {
        let is_reserved = self.reserved.iter().any(|(first, last)| (*first..=*last).contains(&port));
        (self.first..=self.last).contains(&port) && !is_reserved
    }

    /// `64,512 local ports (1024 to 65535)`
    pub(in crate::preflight) fn words(&self) -> String {
        let less = match self.kept() {
            0 => String::new(),
            kept => format!(", less {} reserved", count(kept)),
        };
        format!("{} ({} to {}{less})", counted(self.size(), "local port"), self.first, self.last)
    }
}

fn list(ranges: &[(u16, u16)]) -> String {
    let one = |(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(",")
}

/// All sums about ports here.
pub(in crate::preflight) fn sums(on: &On<'_>) -> Vec<Sum> {
    let Some(ports) = Ports::of(on) else { return Vec::new() };
    enough(on, &ports).into_iter().chain(in_range(on, &ports)).collect()
}

/// Connections that are open at once. A port can be had once for each address that is connected to, so the load's and
/// the pools' do not add up.
fn enough(on: &On<'_>, ports: &Ports) -> Vec<Sum> {
    let waiting = on.seen.look.time_wait.unwrap_or(0);
    let one = |needed: u64, what: String| {
        let less = match waiting {
            0 => String::new(),
            _ => format!(", of which {} may be held by connections in TIME_WAIT now", count(waiting)),
        };
        let text = format!("{what}, of {}{less}", ports.words());
        if needed <= ports.size().saturating_sub(waiting) {
            return on.sum("ephemeral-ports", text, SumVerdict::Fits);
        }
        let hint = if needed <= ports.size() {
            "wait a minute, until those in TIME_WAIT are gone, or widen net.ipv4.ip_local_port_range in a profile"
        } else {
            "widen net.ipv4.ip_local_port_range in a profile, or open fewer connections"
        };
        Sum { hint: Some(hint.to_owned()), ..on.sum("ephemeral-ports", text, SumVerdict::Refused) }
    };
    let mut sums = Vec::new();
    if let Some(connections) = on.loading().map(|trial| on.own_connections(trial)).max() {
        sums.push(one(connections, format!("{} of the load", counted(connections, "connection"))));
    }
    let pools = on.serving().map(|trial| on.pool(trial)).max_by_key(|(workers, pool)| workers * pool);
    if let Some((workers, pool)) = pools.filter(|(workers, pool)| on.plan.database.is_some() && workers * pool > 0) {
        let what =
            format!("{} x pool of {pool} = {} to the database", counted(workers, "worker"), count(workers * pool));
        sums.push(one(workers * pool, what));
    }
    sums
}

/// Ports that somebody will listen on here, by whom.
fn listened_on(on: &On<'_>) -> Vec<(u16, String)> {
    let mut found: Vec<(u16, String)> = on.serving().map(|trial| (trial.port, "the daemons".to_owned())).collect();
    found.extend(on.database().map(|database| (database.port, "PostgreSQL".to_owned())));
    let network = on.plan.network.iter();
    let takes_part = |pair: &crate::plan::NetworkPair| pair.client == on.name || pair.server == on.name;
    // Both sides: a tool that sends both ways listens where it began as well.
    let network = network.filter(|network| network.pairs.iter().any(takes_part));
    found.extend(network.map(|network| (network.port, "the network check".to_owned())));
    found.sort();
    found.dedup();
    found
}

fn in_range(on: &On<'_>, ports: &Ports) -> Option<Sum> {
    let listened = listened_on(on);
    let taken: Vec<&(u16, String)> = listened.iter().filter(|(port, _)| ports.gives(*port)).collect();
    let name = |(port, who): &(u16, String)| format!("{port} ({who})");
    if taken.is_empty() {
        let all: Vec<String> = listened.iter().map(name).collect();
        let text = format!("no outgoing connection can take {}: {}", all.join(", "), ports.words());
        return (!all.is_empty()).then(|| on.sum("ports-in-range", text, SumVerdict::Fits));
    }
    let names: Vec<String> = taken.iter().map(|port| name(port)).collect();
    let text = format!("an outgoing connection can take {}: {}", names.join(", "), ports.words());
    let mut reserved = list(&ports.reserved);
    for (port, _) in taken {
        reserved.push_str(&format!(",{port}"));
    }
    let line = list(&port_ranges(&reserved));
    let hint = format!("add the line `{RESERVED} = {line}` to a profile of this machine");
    Some(Sum { hint: Some(hint), ..on.sum("ports-in-range", text, SumVerdict::Refused) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::fixtures::{on, plan_of_2015, seen, tuned_plan};

    fn ports(range: &str, reserved: &str) -> Ports {
        Ports::of(&on(&plan_of_2015(), &seen(&[(RANGE, range), (RESERVED, reserved)]))).unwrap()
    }

    #[test]
    fn ports_are_counted_without_reserved_ones() {
        assert_eq!(ports("1024\t65535", "").size(), 64_512);
        assert_eq!(ports("32768 60999", "").words(), "28,232 local ports (32768 to 60999)");
        let some = ports("1024 65535", "1000-1025,8016,8017,15432");
        assert_eq!(some.size(), 64_512 - 5);
        assert_eq!(some.words(), "64,507 local ports (1024 to 65535, less 5 reserved)");
        assert_eq!(list(&some.reserved), "1000-1025,8016-8017,15432");
        assert_eq!(Ports::of(&on(&plan_of_2015(), &seen(&[]))), None);
    }

    #[test]
    fn the_load_of_2015_has_ports_enough_for_connections_that_stay() {
        let plan = plan_of_2015();
        let mut machine = seen(&[(RANGE, "1024 65535"), (RESERVED, "5432,8000")]);
        machine.look.time_wait = Some(220);
        let sums = sums(&on(&plan, &machine));
        let texts: Vec<&str> = sums.iter().map(|sum| sum.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "396 connections of the load, of 64,510 local ports (1024 to 65535, less 2 reserved), of which 220 may be \
                 held by connections in TIME_WAIT now",
                "16 workers x pool of 30 = 480 to the database, of 64,510 local ports (1024 to 65535, less 2 reserved), of \
                 which 220 may be held by connections in TIME_WAIT now",
                "no outgoing connection can take 5432 (PostgreSQL), 8000 (the daemons): 64,510 local ports (1024 to 65535, \
                 less 2 reserved)",
            ]
        );
        assert!(sums.iter().all(|sum| sum.verdict == SumVerdict::Fits));
    }

    #[test]
    fn each_of_several_clients_has_its_own_part() {
        let mut plan = plan_of_2015();
        for trial in &mut plan.trials {
            (trial.load.tool, trial.load.connections) = ("timetrial".to_owned(), 401);
            (trial.server, trial.more_clients) = ("far".to_owned(), vec!["other".to_owned()]);
        }
        let machine = seen(&[(RANGE, "1024 65535"), (RESERVED, "5432,8000")]);
        let text = |name: &str| {
            let on = On { plan: &plan, name, seen: &machine };
            sums(&on).into_iter().find(|sum| sum.code == "ephemeral-ports").unwrap().text
        };
        assert!(text("pc").starts_with("201 connections of the load, of 64,510"), "{}", text("pc"));
        assert!(text("other").starts_with("200 connections of the load, of 64,510"), "{}", text("other"));
        // Two names of one machine are two of its clients there.
        let one = crate::preflight::as_one(&plan, &[("other".to_owned(), "pc".to_owned())].into());
        let on = On { plan: &one, name: "pc", seen: &machine };
        let text = &sums(&on)[0].text;
        assert!(text.starts_with("401 connections of the load"), "{text}");
        let served = On { plan: &plan, name: "far", seen: &machine };
        assert_eq!(served.serving().map(|trial| served.connections(trial)).max(), Some(401));
        assert_eq!(served.loading().count(), 0);
    }

    #[test]
    fn too_few_ports_are_refused_and_so_are_those_that_wait() {
        let plan = plan_of_2015();
        let mut machine = seen(&[(RANGE, "10000 10395")]);
        let verdict = |machine: &_| sums(&on(&plan, machine))[0].clone();
        assert_eq!(verdict(&machine).verdict, SumVerdict::Fits);
        machine.look.time_wait = Some(1);
        assert_eq!(verdict(&machine).verdict, SumVerdict::Refused);
        assert!(verdict(&machine).hint.unwrap().starts_with("wait a minute"));
        let narrow = seen(&[(RANGE, "10000 10394")]);
        assert!(verdict(&narrow).hint.unwrap().starts_with("widen"));
    }

    #[test]
    fn a_port_in_the_tuned_range_is_refused_with_the_line_that_mends_it() {
        let plan = tuned_plan(&[(RANGE, "1024 65535")]);
        let machine = seen(&[(RANGE, "32768 60999"), (RESERVED, "9100")]);
        let sum = sums(&on(&plan, &machine)).pop().unwrap();
        assert_eq!((sum.code.as_str(), sum.verdict), ("ports-in-range", SumVerdict::Refused));
        assert!(sum.text.starts_with("an outgoing connection can take 5432 (PostgreSQL), 8000 (the daemons): "));
        assert_eq!(
            sum.hint.as_deref(),
            Some("add the line `net.ipv4.ip_local_reserved_ports = 5432,8000,9100` to a profile of this machine")
        );
        let mended = tuned_plan(&[(RANGE, "1024 65535"), (RESERVED, "5432,8000,9100")]);
        assert_eq!(sums(&on(&mended, &machine)).pop().unwrap().verdict, SumVerdict::Fits);
    }
}
