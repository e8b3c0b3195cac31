//! HTML: one self-contained page. No script, nothing loaded, a content security policy that allows only its own style.

mod appendix;
mod charts;
mod network;
mod page;
mod results;
mod style;
mod tuning;

pub use page::page;
