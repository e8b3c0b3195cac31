//! The `timetrial` command.

fn main() {}
