//! The walls of the house, as tests: which room may use which, what may be done only in certain files, how large files
//! and functions may grow, and that the papers tell the truth. `docs/architecture.md` gives the reasons.

mod edges;
mod faults;
mod papers;
mod sources;
mod table;
mod walls;
