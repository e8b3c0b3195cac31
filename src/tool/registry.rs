//! All load generators that a scenario can name.

use crate::tool::h2load::H2load;
use crate::tool::load::LoadTool;
use crate::tool::wrk::Wrk;
use crate::tool::wrk2::Wrk2;

/// One line for each tool.
const TOOLS: &[&dyn LoadTool] = &[
    &Wrk, //
    &Wrk2, &H2load,
];

/// The tool of this name.
pub fn find(name: &str) -> Option<&'static dyn LoadTool> {
    TOOLS.iter().copied().find(|tool| tool.name() == name)
}

/// The names of all tools, in the order in which they are shown.
pub fn names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|tool| tool.name())
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
        assert!(find("Wrk").is_none());
        assert!(find("").is_none());
    }
}
