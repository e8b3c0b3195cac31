//! Whether the machine's own PostgreSQL can be used.

use crate::event::{Sum, SumVerdict};
use crate::preflight::machine::On;

/// One sum, where the plan uses it.
pub(in crate::preflight) fn sums(on: &On<'_>) -> Vec<Sum> {
    let own = on.database().and_then(|database| database.cluster.as_ref());
    let Some((name, look)) = own.zip(on.seen.look.cluster.as_ref()) else { return Vec::new() };
    let sum = match &look.refused {
        Some(refused) => {
            let sum = on.sum("system-postgresql", refused.message.clone(), SumVerdict::Refused);
            Sum { hint: refused.hint.clone(), ..sum }
        }
        None => {
            let text = format!(
                "PostgreSQL {name} is the machine's own: it is started anew before the first trial and after the last, and \
                 whoever uses it is cut off both times"
            );
            on.sum("system-postgresql", text, SumVerdict::Fits)
        }
    };
    vec![sum]
}

#[cfg(test)]
mod tests {
    use crate::event::SumVerdict;
    use crate::preflight::fixtures::{on, plan_of_2015, seen};
    use crate::wire::{ClusterLook, Failure};

    #[test]
    fn a_server_that_can_not_be_used_is_refused_with_its_reason() {
        let (mut plan, mut machine) = (plan_of_2015(), seen(&[]));
        assert_eq!(super::sums(&on(&plan, &machine)), []);
        plan.database.as_mut().unwrap().cluster = Some("15/main".to_owned());
        machine.look.cluster = Some(ClusterLook { name: "15/main".to_owned(), ..ClusterLook::default() });
        assert_eq!(super::sums(&on(&plan, &machine))[0].verdict, SumVerdict::Fits);
        let refused = Failure::new("system-postgresql", "PostgreSQL 15/main does not run").hint("start it");
        machine.look.cluster.as_mut().unwrap().refused = Some(refused);
        let sum = super::sums(&on(&plan, &machine)).remove(0);
        assert_eq!((sum.verdict, sum.hint.as_deref()), (SumVerdict::Refused, Some("start it")));
    }

    #[test]
    fn what_the_profile_leaves_is_the_servers_own() {
        let (mut plan, mut machine) = (plan_of_2015(), seen(&[]));
        plan.database.as_mut().unwrap().cluster = Some("15/main".to_owned());
        let settings = [("shared_buffers", "4GB"), ("max_connections", "77"), ("superuser_reserved_connections", "9")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        machine.look.cluster = Some(ClusterLook { settings, ..ClusterLook::default() });
        let on = on(&plan, &machine);
        let conf = on.conf().unwrap();
        assert_eq!(conf.bytes("shared_buffers", "8kB", 128 << 20), 4 << 30);
        assert_eq!((conf.max_connections(), conf.reserved()), (1000, 9));
    }
}
