//! What somebody else has of a machine: ports that the campaign needs, and changes that only root can undo first.

use crate::event::{Sum, SumVerdict};
use crate::preflight::machine::On;
use crate::tool;

/// One sum for each thing that is taken; none where nothing is.
pub(in crate::preflight) fn sums(on: &On<'_>) -> Vec<Sum> {
    let mut wanted: Vec<(u16, &str)> = on.serving().map(|trial| (trial.port, "the daemons")).collect();
    // The machine's own PostgreSQL listens already, and shall.
    let private = on.database().filter(|database| database.cluster.is_none());
    wanted.extend(private.map(|database| (database.port, "PostgreSQL")));
    wanted.extend(network(on).into_iter().map(|port| (port, "the network check")));
    wanted.sort_unstable();
    wanted.dedup();
    let taken = wanted.into_iter().filter(|(port, _)| on.seen.look.listening.contains(port));
    let taken = taken.map(|(port, whose)| {
        let text = format!("port {port}, which {whose} shall listen on, is taken");
        let hint = "stop the process that listens there (`ss -ltnp` shows it), or choose another port in the scenario";
        Sum { hint: Some(hint.to_owned()), ..on.sum("port-taken", text, SumVerdict::Refused) }
    });
    left(on).into_iter().chain(taken).collect()
}

fn network(on: &On<'_>) -> Vec<u16> {
    let Some(check) = &on.plan.network else { return Vec::new() };
    let mut ports = Vec::new();
    for pair in &check.pairs {
        if pair.server == on.name {
            ports.push(check.port);
        }
        if pair.client == on.name {
            let tools = check.tools.iter().filter_map(|tool| tool::find_network(&tool.name));
            ports.extend(tools.filter_map(|tool| tool.back_port(check.port)));
        }
    }
    ports
}

/// What an earlier run left: root undoes it at the contact, and nobody else can. Another boot has undone it.
fn left(on: &On<'_>) -> Option<Sum> {
    let left = on.seen.look.left.as_ref().filter(|_| !on.seen.look.root)?;
    if on.seen.facts.boot_id.as_ref().is_some_and(|boot| *boot != left.boot_id) {
        return None;
    }
    let text = format!("it is still tuned by run {}, and nobody but root can put it back", left.run);
    let hint =
        "have root put it back: timetrial restore --hosts FILE, with an inventory in which this machine is root's";
    Some(Sum { hint: Some(hint.to_owned()), ..on.sum("left-tuned", text, SumVerdict::Refused) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::fixtures::{on, plan_of_2015, seen};
    use crate::wire::Left;

    #[test]
    fn a_port_that_somebody_listens_on_is_refused() {
        let mut plan = plan_of_2015();
        let mut machine = seen(&[]);
        machine.look.listening = vec![22, 5432, 8000];
        let found: Vec<(String, SumVerdict)> =
            sums(&on(&plan, &machine)).into_iter().map(|sum| (sum.text, sum.verdict)).collect();
        let text = |port: u16, whose: &str| format!("port {port}, which {whose} shall listen on, is taken");
        let refused = SumVerdict::Refused;
        assert_eq!(found, [(text(5432, "PostgreSQL"), refused), (text(8000, "the daemons"), refused)]);
        plan.database.as_mut().unwrap().cluster = Some("15/main".to_owned());
        assert_eq!(sums(&on(&plan, &machine)).len(), 1, "the machine's own PostgreSQL listens already");
        machine.look.listening = vec![22];
        assert_eq!(sums(&on(&plan, &machine)), []);
    }

    #[test]
    fn what_only_root_can_put_back_is_refused_to_others() {
        let (plan, mut machine) = (plan_of_2015(), seen(&[]));
        machine.look.left =
            Some(Left { run: "an-earlier-one".to_owned(), boot_id: "this".to_owned(), ..Left::default() });
        machine.facts.boot_id = Some("this".to_owned());
        assert_eq!(sums(&on(&plan, &machine)), [], "root undoes it at the contact");
        machine.look.root = false;
        assert_eq!(sums(&on(&plan, &machine))[0].code, "left-tuned");
        machine.facts.boot_id = Some("a later one".to_owned());
        assert_eq!(sums(&on(&plan, &machine)), [], "the boot has undone it");
    }
}
