//! All load generators and network tools that a scenario can name.

use crate::tool::h2load::H2load;
use crate::tool::iperf::Iperf;
use crate::tool::iperf3::Iperf3;
use crate::tool::load::LoadTool;
use crate::tool::network::NetworkTool;
use crate::tool::timetrial::Timetrial;
use crate::tool::wrk::Wrk;
use crate::tool::wrk2::Wrk2;

/// One line for each tool.
const TOOLS: &[&dyn LoadTool] = &[
    &Timetrial, //
    &Wrk, &Wrk2, &H2load,
];

/// One line for each network tool.
const NETWORK_TOOLS: &[&dyn NetworkTool] = &[
    &Iperf, //
    &Iperf3,
];

/// The tool of this name.
pub fn find(name: &str) -> Option<&'static dyn LoadTool> {
    TOOLS.iter().copied().find(|tool| tool.name() == name)
}

/// The names of all tools, in the order in which they are shown.
pub fn names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|tool| tool.name())
}

/// The network tool of this name.
pub fn find_network(name: &str) -> Option<&'static dyn NetworkTool> {
    NETWORK_TOOLS.iter().copied().find(|tool| tool.name() == name)
}

/// The names of all network tools, in the order in which they are shown.
pub fn network_names() -> impl Iterator<Item = &'static str> {
    NETWORK_TOOLS.iter().map(|tool| tool.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_finds_its_tool_and_no_other() {
        for name in names() {
            assert_eq!(find(name).unwrap().name(), name);
            assert_eq!(names().filter(|other| *other == name).count(), 1);
        }
        for name in network_names() {
            assert_eq!(find_network(name).unwrap().name(), name);
            assert!(find(name).is_none());
        }
        assert!(find("Wrk").is_none());
        assert!(find("").is_none());
    }
}
