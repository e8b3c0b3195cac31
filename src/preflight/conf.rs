//! What PostgreSQL will run with: its profile's settings, and for the rest its own defaults, or what the machine's own server has.

use crate::metric::amount;
use crate::plan::Database;
use crate::wire::ClusterLook;

/// A planned database.
#[derive(Clone, Copy)]
pub(in crate::preflight) struct Conf<'a> {
    pub(in crate::preflight) database: &'a Database,
    /// What the machine's own server has by itself, where it is that one.
    pub(in crate::preflight) own: Option<&'a ClusterLook>,
}

impl Conf<'_> {
    fn said(&self, name: &str) -> Option<&str> {
        let own = || Some(self.own?.settings.get(&name.to_ascii_lowercase())?.as_str());
        // The campaign sets it, whatever the server has.
        let own = || own().filter(|_| name != "max_connections");
        // PostgreSQL minds no case in names, and the last of several counts.
        let mut settings = self.database.conf.iter().flat_map(|conf| &conf.settings);
        let found = settings.rfind(|setting| setting.name.eq_ignore_ascii_case(name));
        found.map(|setting| setting.value.as_str()).or_else(own)
    }

    /// A whole number, or what PostgreSQL has by itself.
    pub(in crate::preflight) fn number(&self, name: &str, default: u64) -> u64 {
        whole(self.said(name).and_then(|value| amount(value, None))).unwrap_or(default)
    }

    /// An amount of memory in bytes, where a bare number is in `unit`.
    pub(in crate::preflight) fn bytes(&self, name: &str, unit: &str, default: u64) -> u64 {
        whole(self.said(name).and_then(|value| amount(value, Some(unit)))).unwrap_or(default)
    }

    /// The connections that it allows: the profile's word goes before the scenario's.
    pub(in crate::preflight) fn max_connections(&self) -> u64 {
        self.number("max_connections", u64::from(self.database.max_connections))
    }

    /// Those of them that it keeps for its superuser and other chosen ones.
    pub(in crate::preflight) fn reserved(&self) -> u64 {
        self.number("superuser_reserved_connections", 3) + self.number("reserved_connections", 0)
    }
}

fn whole(number: Option<f64>) -> Option<u64> {
    // A negative one means something else to PostgreSQL ("by itself", "without end"), which no sum can reckon with.
    number.filter(|number| (0.0..9e15).contains(number)).map(|number| number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::fixtures::{plan_of_2015, with_conf};

    #[test]
    fn a_profile_goes_before_what_the_scenario_says() {
        let mut plan = plan_of_2015();
        assert_eq!(Conf { database: plan.database.as_ref().unwrap(), own: None }.max_connections(), 1000);
        with_conf(&mut plan, &[("max_connections", "50"), ("Max_Connections", "400"), ("work_mem", "32MB")]);
        let conf = Conf { database: plan.database.as_ref().unwrap(), own: None };
        assert_eq!((conf.max_connections(), conf.reserved()), (400, 3));
        assert_eq!(conf.bytes("work_mem", "kB", 4 << 20), 32 << 20);
        assert_eq!(conf.bytes("shared_buffers", "8kB", 128 << 20), 128 << 20);
    }
}
