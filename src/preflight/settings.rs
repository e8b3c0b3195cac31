//! Settings that the plan would make, and the machine refuses.

use crate::event::{Sum, SumVerdict};
use crate::metric::counted;
use crate::plan::{TunedSetting, Tuning};
use crate::preflight::machine::On;

const CODE: &str = "settings";

/// One sum for what goes, and one for each setting that does not; a single one where nothing can go, for want of root.
pub(in crate::preflight) fn sums(on: &On<'_>) -> Vec<Sum> {
    let Some(tuning) = on.tuning().filter(|tuning| !tuning.settings.is_empty()) else { return Vec::new() };
    let refused: Vec<(&TunedSetting, String)> =
        tuning.settings.iter().filter_map(|setting| Some((setting, on.refusal(setting)?))).collect();
    if !on.seen.look.root && !refused.is_empty() {
        return vec![not_root(on, &refused)];
    }
    let (optional, required): (Vec<_>, Vec<_>) = refused.iter().partition(|(setting, _)| setting.optional);
    let (enough, required): (Vec<_>, Vec<_>) = required.into_iter().partition(|(setting, _)| on.is_enough(setting));
    let mut sums: Vec<Sum> = two_values(on, tuning);
    sums.extend(required.iter().map(|(setting, why)| one_refused(on, setting, why)));
    sums.extend(enough.iter().map(|(setting, why)| one_enough(on, setting, why)));
    sums.extend(done_without(on, &optional));
    if sums.is_empty() {
        let text = format!("all of {} of {} can be made", counted(tuning.settings.len(), "setting"), profiles(tuning));
        sums.push(on.sum(CODE, text, SumVerdict::Fits));
    }
    sums
}

fn profiles(tuning: &Tuning) -> String {
    match tuning.profiles.as_slice() {
        [] => "the plan".to_owned(),
        profiles => profiles.join(", "),
    }
}

fn not_root(on: &On<'_>, refused: &[(&TunedSetting, String)]) -> Sum {
    let required = refused.iter().filter(|(setting, _)| !setting.optional && !on.is_enough(setting)).count();
    let text = format!(
        "{} to be changed, {required} of them required, and the agent is not root, who alone may change them",
        counted(refused.len(), "setting"),
    );
    let verdict = if required > 0 { SumVerdict::Refused } else { SumVerdict::Doubtful };
    let is_local = on.plan.machine(on.name).is_some_and(|machine| machine.transport.word() == "local");
    let hint = if is_local {
        "run `timetrial` as root, for this machine is `local`, or leave the profile out"
    } else {
        "write become = \"sudo\" for this machine in the inventory, or log in as root, or leave the profile out"
    };
    Sum { hint: Some(hint.to_owned()), ..on.sum(CODE, text, verdict) }
}

/// One sum for each reason, however many settings it stops.
fn done_without(on: &On<'_>, optional: &[&(&TunedSetting, String)]) -> Vec<Sum> {
    let mut reasons: Vec<&str> = optional.iter().map(|(_, why)| why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let sum = |why: &str| {
        let alike = optional.iter().filter(|(_, other)| other == why);
        let names: Vec<String> = alike
            .map(|(setting, _)| match on.value_now(&setting.name) {
                Some(value) => format!("{} = {} (it stays {value})", setting.name, setting.value),
                None => format!("{} = {}", setting.name, setting.value),
            })
            .collect();
        let count = counted(names.len(), "optional setting");
        let text = format!("the campaign goes on without {count}, for {why}: {}", names.join(", "));
        on.sum(CODE, text, SumVerdict::Doubtful)
    };
    reasons.into_iter().map(sum).collect()
}

/// What can't be made, and is as much as is needed already.
fn one_enough(on: &On<'_>, setting: &TunedSetting, why: &str) -> Sum {
    let TunedSetting { name, value, from, .. } = setting;
    let stays = on.value_now(name).unwrap_or_default();
    let least = setting.at_least.unwrap_or_default();
    let text = format!("{name} = {value} ({from}) can't be made: {why}; it stays {stays}, and {least} is enough");
    on.sum(CODE, text, SumVerdict::Doubtful)
}

/// A machine of two names may be asked for two values: it has one kernel.
fn two_values(on: &On<'_>, tuning: &Tuning) -> Vec<Sum> {
    let mut sums = Vec::new();
    for (place, setting) in tuning.settings.iter().enumerate() {
        let Some(other) = tuning.settings[..place].iter().find(|other| other.name == setting.name) else { continue };
        let text = format!(
            "`{}` shall be {} ({}) and {} ({}), for two names of this one machine",
            setting.name, other.value, other.from, setting.value, setting.from
        );
        let hint = "give both roles the same value: it is one kernel".to_owned();
        sums.push(Sum { hint: Some(hint), ..on.sum("two-values", text, SumVerdict::Refused) });
    }
    sums
}

fn one_refused(on: &On<'_>, setting: &TunedSetting, why: &str) -> Sum {
    let stays = on.value_now(&setting.name).map_or_else(String::new, |value| format!("; it stays {value}"));
    let text = format!("{} = {} ({}) can't be made: {why}{stays}", setting.name, setting.value, setting.from);
    let hint = format!("add \"{}\" to `optional`, or mend {}", setting.name, setting.from);
    Sum { hint: Some(hint), ..on.sum(CODE, text, SumVerdict::Refused) }
}

#[cfg(test)]
mod tests {
    use crate::event::SumVerdict;
    use crate::preflight::fixtures::{on, seen, tuned_plan};

    #[test]
    fn each_refusal_says_what_where_and_why() {
        let mut plan = tuned_plan(&[("net.ipv4.tcp_tw_recycle", "1"), ("net.core.somaxconn", "100000")]);
        let mut machine = seen(&[("net.core.somaxconn", "4096")]);
        let fine = super::sums(&on(&plan, &machine));
        assert_eq!((fine.len(), fine[0].verdict), (1, SumVerdict::Fits));
        assert_eq!(fine[0].text, "all of 2 settings of network-booster can be made");
        let standing = machine.look.settings.entry("net.ipv4.tcp_tw_recycle".to_owned()).or_default();
        standing.refused = Some("this kernel has no such setting".to_owned());
        let refused = super::sums(&on(&plan, &machine));
        assert_eq!((refused.len(), refused[0].verdict), (1, SumVerdict::Refused));
        assert_eq!(
            refused[0].text,
            "net.ipv4.tcp_tw_recycle = 1 (sysctl/network-booster.conf:1) can't be made: this kernel has no such setting"
        );
        assert_eq!(
            refused[0].hint.as_deref(),
            Some("add \"net.ipv4.tcp_tw_recycle\" to `optional`, or mend sysctl/network-booster.conf:1")
        );
        plan.tuning[0].settings[0].optional = true;
        let doubtful = super::sums(&on(&plan, &machine));
        assert_eq!((doubtful[0].verdict, doubtful[0].hint.as_ref()), (SumVerdict::Doubtful, None));
        assert_eq!(
            doubtful[0].text,
            "the campaign goes on without 1 optional setting, for this kernel has no such setting: net.ipv4.tcp_tw_recycle = 1"
        );
    }

    #[test]
    fn what_can_not_be_made_and_is_enough_already_is_no_refusal() {
        let mut plan = tuned_plan(&[("net.core.rmem_max", "8388608")]);
        plan.tuning[0].settings[0].at_least = Some(212_992);
        let mut machine = seen(&[("net.core.rmem_max", "4194304")]);
        let standing = machine.look.settings.get_mut("net.core.rmem_max").unwrap();
        standing.refused = Some("it belongs to the host".to_owned());
        let sums = super::sums(&on(&plan, &machine));
        assert_eq!((sums.len(), sums[0].verdict), (1, SumVerdict::Doubtful));
        assert_eq!(
            sums[0].text,
            "net.core.rmem_max = 8388608 (sysctl/network-booster.conf:1) can't be made: it belongs to the host; it stays \
             4194304, and 212992 is enough"
        );
        plan.tuning[0].settings[0].at_least = Some(4_194_305);
        assert_eq!(super::sums(&on(&plan, &machine))[0].verdict, SumVerdict::Refused);
        machine.look.root = false;
        assert_eq!(super::sums(&on(&plan, &machine))[0].verdict, SumVerdict::Refused);
        plan.tuning[0].settings[0].at_least = Some(4_194_304);
        assert_eq!(super::sums(&on(&plan, &machine))[0].verdict, SumVerdict::Doubtful);
    }

    #[test]
    fn without_root_there_is_one_sum_and_not_one_for_each_setting() {
        let mut plan = tuned_plan(&[("net.core.somaxconn", "100000"), ("net.ipv4.tcp_sack", "1"), ("a.b", "2")]);
        plan.tuning[0].settings[2].optional = true;
        let mut machine = seen(&[("net.core.somaxconn", "4096"), ("net.ipv4.tcp_sack", "1")]);
        machine.look.root = false;
        let sums = super::sums(&on(&plan, &machine));
        assert_eq!((sums.len(), sums[0].verdict), (1, SumVerdict::Refused));
        assert!(sums[0].text.starts_with("2 settings to be changed, 1 of them required,"), "{}", sums[0].text);
        assert!(sums[0].hint.as_ref().unwrap().contains("as root"));
        plan.tuning[0].settings.retain(|setting| setting.name == "net.ipv4.tcp_sack");
        assert_eq!(super::sums(&on(&plan, &machine))[0].verdict, SumVerdict::Fits, "it stands so already");
    }
}
