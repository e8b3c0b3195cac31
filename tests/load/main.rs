//! What `timetrial load` and `timetrial hist` say: results, their forms, their merging, and what is refused.

mod fixture;
mod forms;
mod lines;
mod merging;
mod real;
mod said;
mod verdicts;
