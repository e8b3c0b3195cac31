//! The ports that a machine gives to outgoing connections, as far as files say it.

use std::ops::RangeInclusive;

use crate::diagnostic::Place;
use crate::inventory::Machine;
use crate::plan::check::Written;
use crate::plan::check::machines::{machine_with, machines_with};
use crate::plan::port_ranges;
use crate::plan::wanted::{setting_name, wanted};
use crate::scenario::Tune;

/// The kernel settings that decide it.
pub(super) const RANGE: &str = "net.ipv4.ip_local_port_range";
pub(super) const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";

/// Linux takes the local ports of outgoing connections from this range unless it is told otherwise.
const DEFAULT: RangeInclusive<u16> = 32_768..=60_999;

/// A range, and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Given<'a> {
    pub(super) range: RangeInclusive<u16>,
    /// Where it is written, and by what; none for the kernel's own.
    pub(super) said: Option<(&'a Place, String)>,
}

/// What one machine gives to outgoing connections.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    /// The ranges that may hold: more than one where the campaign goes on without the setting.
    ranges: Vec<Given<'a>>,
    /// Ports that it never gives. Those of a setting that is optional are among them: where it does not take, the sums
    /// that are done before anything is changed say so.
    reserved: Vec<(u16, u16)>,
}

impl<'a> Outgoing<'a> {
    /// Of the machine with this role.
    pub(super) fn of(written: Written<'a>, role: &str) -> Self {
        Self::of_machine(written, role, written.inventory.and_then(|inventory| machine_with(inventory, role)))
    }

    /// Of each machine with this role, one at least.
    pub(super) fn every(written: Written<'a>, role: &str) -> Vec<Self> {
        let machines = written.inventory.into_iter().flat_map(|inventory| machines_with(inventory, role));
        let all: Vec<Self> = machines.map(|machine| Self::of_machine(written, role, Some(machine))).collect();
        if all.is_empty() { vec![Self::of(written, role)] } else { all }
    }

    fn of_machine(written: Written<'a>, role: &str, machine: Option<&'a Machine>) -> Self {
        let mut outgoing = Self { ranges: vec![Given { range: DEFAULT, said: None }], reserved: Vec::new() };
        for (name, value) in
            machine.and_then(|machine| machine.docker.as_ref()).iter().flat_map(|docker| &docker.sysctls)
        {
            let place = machine.map(|machine| &machine.name.place);
            outgoing.take(&setting_name(name), value, false, place.map(|place| (place, "its `sysctls`".to_owned())));
        }
        let is_its_own = |tune: &&Tune| is_of(tune, role, machine);
        for tune in written.scenario.tunes.iter().filter(is_its_own) {
            for setting in wanted(tune, written.profiles) {
                let said = Some((setting.place, format!("[tune.{}]", tune.role.value)));
                outgoing.take(setting.name, &setting.value, setting.optional, said);
            }
        }
        outgoing
    }

    fn take(&mut self, name: &str, value: &str, optional: bool, said: Option<(&'a Place, String)>) {
        match name {
            RANGE => {
                let Some(range) = range(value) else { return };
                if !optional {
                    self.ranges.clear();
                }
                self.ranges.push(Given { range, said });
            }
            RESERVED => self.reserved.extend(port_ranges(value)),
            _ => {}
        }
    }

    /// Out of which range it gives a port, whatever becomes of optional settings; none where it may not give it.
    pub(super) fn gives(&self, port: u16) -> Option<&Given<'a>> {
        let is_reserved = self.reserved.iter().any(|(first, last)| (first..=last).contains(&&port));
        let in_all = self.ranges.iter().all(|given| given.range.contains(&port));
        self.ranges.first().filter(|_| in_all && !is_reserved)
    }

    /// The first port that it gives.
    pub(super) fn first(&self) -> u16 {
        self.ranges.iter().map(|given| *given.range.start()).min().unwrap_or(*DEFAULT.start())
    }
}

/// Whether a `[tune.ROLE]` is about the machine with this role: a machine may have several.
fn is_of(tune: &Tune, role: &str, machine: Option<&Machine>) -> bool {
    tune.role.value == role
        || machine.is_some_and(|machine| machine.roles.iter().any(|has| has.value == tune.role.value))
}

/// `1024 65535`
fn range(value: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = value.split_once([' ', '\t'])?;
    let (first, last): (u16, u16) = (first.parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some(first..=last)
}
