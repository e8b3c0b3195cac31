//! Events to a terminal: a bar, plain lines, or JSON lines. It is told everything and decides nothing.

mod json;
mod lines;
mod load;
mod progress;
mod screen;
mod tuning;

pub use load::{LoadBar, LoadMoment};
pub use screen::{Display, Style};
pub use tuning::{left_undone, put_back, still_changed, to_undo};
