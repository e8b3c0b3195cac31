//! A machine as it will be once the plan has tuned it.

use std::time::Duration;

use crate::event::{Sum, SumVerdict};
use crate::plan::{Database, DatabaseUse, Machine, Plan, Share, Transport, Trial, TunedSetting, Tuning};
use crate::preflight::Seen;
use crate::preflight::conf::Conf;
use crate::tool::{self, LoadRequest};

/// A machine, with the plan that it takes part in.
#[derive(Clone, Copy)]
pub(in crate::preflight) struct On<'a> {
    pub(in crate::preflight) plan: &'a Plan,
    pub(in crate::preflight) name: &'a str,
    pub(in crate::preflight) seen: &'a Seen,
}

impl<'a> On<'a> {
    /// A sum about this machine.
    pub(in crate::preflight) fn sum(&self, code: &str, text: String, verdict: SumVerdict) -> Sum {
        Sum { code: code.to_owned(), machine: self.name.to_owned(), text, verdict, hint: None }
    }

    /// What the plan changes here.
    pub(in crate::preflight) fn tuning(&self) -> Option<&'a Tuning> {
        self.plan.tuning.iter().find(|tuning| tuning.machine == self.name)
    }

    /// The value that a kernel setting will have; none where nobody could read it.
    pub(in crate::preflight) fn value(&self, name: &str) -> Option<String> {
        let tuned = self.tuning().and_then(|tuning| tuning.settings.iter().rev().find(|setting| setting.name == name));
        let tuned = tuned.filter(|setting| !self.is_made_with(&setting.name));
        if let Some(setting) = tuned.filter(|setting| self.refusal(setting).is_none()) {
            return Some(tidy(&setting.value));
        }
        self.value_now(name)
    }

    /// The value that it has before anything is changed.
    pub(in crate::preflight) fn value_now(&self, name: &str) -> Option<String> {
        let standing = self.seen.look.settings.get(name).and_then(|standing| standing.value.as_ref());
        standing.or_else(|| self.seen.facts.sysctl.get(name)).map(|value| tidy(value))
    }

    /// Its fields, where all of them are whole numbers.
    pub(in crate::preflight) fn numbers(&self, name: &str) -> Option<Vec<u64>> {
        self.value(name)?.split(' ').map(|field| field.parse().ok()).collect()
    }

    /// Where it is one whole number.
    pub(in crate::preflight) fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.parse().ok()
    }

    /// Why a setting of the plan can't be made here. One that stands already as it shall needs nobody's leave.
    pub(in crate::preflight) fn refusal(&self, setting: &TunedSetting) -> Option<String> {
        if self.value_now(&setting.name).is_some_and(|value| value == tidy(&setting.value)) {
            return None;
        }
        let standing = self.seen.look.settings.get(&setting.name);
        let is_forbidden = || !self.seen.look.root && !self.is_made_with(&setting.name);
        let not_root = || is_forbidden().then(|| "the agent is not root there".to_owned());
        standing.and_then(|standing| standing.refused.clone()).or_else(not_root)
    }

    /// Whether what a setting is now is enough, where it can't be made.
    pub(in crate::preflight) fn is_enough(&self, setting: &TunedSetting) -> bool {
        let now = self.value_now(&setting.name).and_then(|value| value.parse::<u64>().ok());
        setting.at_least.zip(now).is_some_and(|(least, now)| now >= least)
    }

    /// Whether the machine is made with this setting, so that nobody has to make it.
    fn is_made_with(&self, name: &str) -> bool {
        self.plan.machine(self.name).is_some_and(|machine| made_with(machine).any(|(given, _)| given == name))
    }

    /// Trials whose load comes from here.
    pub(in crate::preflight) fn loading(&self) -> impl Iterator<Item = &'a Trial> {
        let name = self.name;
        self.plan.trials.iter().filter(move |trial| trial.clients().any(|client| client == name))
    }

    /// Trials whose daemon runs here.
    pub(in crate::preflight) fn serving(&self) -> impl Iterator<Item = &'a Trial> {
        let name = self.name;
        self.plan.trials.iter().filter(move |trial| trial.server == name)
    }

    /// The database, where it runs here.
    pub(in crate::preflight) fn database(&self) -> Option<&'a Database> {
        self.plan.database.as_ref().filter(|database| database.machine == self.name)
    }

    /// What PostgreSQL will run with, wherever that is.
    pub(in crate::preflight) fn conf(&self) -> Option<Conf<'a>> {
        // Of a server on another machine nobody has looked at its settings here.
        let own = || self.seen.look.cluster.as_ref();
        self.plan.database.as_ref().map(|database| Conf { database, own: own() })
    }

    /// The connections that a load really opens, from all machines that it comes from.
    pub(in crate::preflight) fn connections(&self, trial: &Trial) -> u64 {
        trial.shares().iter().map(|share| self.opened(trial, share)).sum()
    }

    /// The connections of it that begin here: one machine may be two of its clients, by two names.
    pub(in crate::preflight) fn own_connections(&self, trial: &Trial) -> u64 {
        self.own_shares(trial).iter().map(|share| self.opened(trial, share)).sum()
    }

    /// The parts of a load that come from here.
    pub(in crate::preflight) fn own_shares<'t>(&self, trial: &'t Trial) -> Vec<Share<'t>> {
        trial.shares().into_iter().filter(|share| share.client == self.name).collect()
    }

    /// A tool that divides connections over its threads may leave some out.
    pub(in crate::preflight) fn opened(&self, trial: &Trial, share: &Share<'_>) -> u64 {
        let load = &trial.load;
        let Some(tool) = tool::find(&load.tool) else { return u64::from(share.connections) };
        let request = LoadRequest {
            url: trial.url(),
            threads: load.threads,
            connections: share.connections,
            duration: Duration::from_secs_f64(load.duration_s.max(0.0)),
            timeout: Duration::from_secs_f64(load.timeout_s.unwrap_or_default().max(0.0)),
            rate: share.rate,
            start_at_us: None,
            protocol: self.plan.daemon(&trial.daemon).map_or_else(String::new, |daemon| daemon.protocol.clone()),
            streams: load.streams.unwrap_or(1),
        };
        u64::from(tool.connections_used(&request))
    }

    /// The workers of a trial's daemon, and the connections of each one's pool. A daemon opens its pools when it starts,
    /// whichever of its endpoints is loaded.
    pub(in crate::preflight) fn pool(&self, trial: &Trial) -> (u64, u64) {
        let workers = self.plan.daemon(&trial.daemon).map_or(1, |daemon| u64::from(daemon.workers));
        let same_daemon = self.plan.trials.iter().filter(|other| other.daemon == trial.daemon);
        let pools = same_daemon.filter_map(|other| match other.database_use {
            DatabaseUse::Pool { per_worker } => Some(u64::from(per_worker)),
            DatabaseUse::None | DatabaseUse::ConnectionPerRequest => None,
        });
        (workers, pools.max().unwrap_or(0))
    }
}

/// The settings that a machine is made with: a container's own. They stand from its first moment, so that its agent
/// neither makes them nor may.
pub(in crate::preflight) fn made_with(machine: &Machine) -> impl Iterator<Item = (&String, &String)> {
    let tuned = match &machine.transport {
        Transport::Docker(docker) => Some(&docker.tuned),
        Transport::Local | Transport::Ssh(_) => None,
    };
    tuned.into_iter().flatten()
}

/// Fields apart by one space, as the kernel's own tabs are not.
fn tidy(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::fixtures::{on, seen, tuned_plan};

    #[test]
    fn a_setting_that_is_refused_keeps_the_value_it_has() {
        let plan = tuned_plan(&[("net.core.somaxconn", "100000"), ("net.ipv4.tcp_rmem", "4096 131072\t16777216")]);
        let mut machine = seen(&[("net.core.somaxconn", "4096"), ("net.ipv4.tcp_rmem", "4096\t131072\t33554432")]);
        assert_eq!(on(&plan, &machine).number("net.core.somaxconn"), Some(100_000));
        assert_eq!(on(&plan, &machine).numbers("net.ipv4.tcp_rmem"), Some(vec![4096, 131_072, 16_777_216]));
        machine.look.settings.get_mut("net.core.somaxconn").unwrap().refused = Some("read-only".to_owned());
        assert_eq!(on(&plan, &machine).number("net.core.somaxconn"), Some(4096));
        machine.look.root = false;
        assert_eq!(on(&plan, &machine).numbers("net.ipv4.tcp_rmem"), Some(vec![4096, 131_072, 33_554_432]));
    }

    #[test]
    fn what_a_container_was_made_with_stands_already_and_is_not_refused() {
        let mut plan = tuned_plan(&[("net.core.somaxconn", "100000")]);
        let tuned = [("net.core.somaxconn".to_owned(), "100000".to_owned())].into();
        plan.machines[0].transport = Transport::Docker(crate::plan::Docker { tuned, ..Default::default() });
        let mut machine = seen(&[("net.core.somaxconn", "65535")]);
        machine.look.settings.get_mut("net.core.somaxconn").unwrap().refused = Some("read-only".to_owned());
        machine.look.root = false;
        crate::preflight::complete(&plan, &plan.machines[0], &mut machine);
        let on = on(&plan, &machine);
        assert_eq!((on.number("net.core.somaxconn"), on.refusal(&plan.tuning[0].settings[0])), (Some(65_535), None));
    }

    #[test]
    fn what_a_container_is_to_be_made_with_and_its_kernel_has_not_is_refused() {
        let mut plan = tuned_plan(&[("net.ipv4.tcp_congestion_control", "bbr")]);
        let tuned = [("net.ipv4.tcp_congestion_control".to_owned(), "bbr".to_owned())].into();
        plan.machines[0].transport = Transport::Docker(crate::plan::Docker { tuned, ..Default::default() });
        let settings =
            [("net.ipv4.tcp_congestion_control", "cubic"), ("net.ipv4.tcp_available_congestion_control", "reno cubic")];
        let mut machine = seen(&settings);
        crate::preflight::complete(&plan, &plan.machines[0], &mut machine);
        let machine = crate::preflight::as_made(&plan.machines[0], machine);
        let on = on(&plan, &machine);
        assert_eq!(on.value("net.ipv4.tcp_congestion_control").as_deref(), Some("cubic"));
        let refusal = on.refusal(&plan.tuning[0].settings[0]);
        assert!(refusal.unwrap().starts_with("this kernel has reno cubic loaded, and not bbr ("));
    }

    #[test]
    fn what_nobody_read_is_no_number() {
        let plan = tuned_plan(&[]);
        let mut machine = seen(&[("net.ipv4.tcp_congestion_control", "bbr")]);
        assert_eq!(on(&plan, &machine).number("net.core.somaxconn"), None);
        assert_eq!(on(&plan, &machine).number("net.ipv4.tcp_congestion_control"), None);
        machine.facts.sysctl.insert("net.core.somaxconn".to_owned(), "4096".to_owned());
        assert_eq!(on(&plan, &machine).number("net.core.somaxconn"), Some(4096));
    }
}
