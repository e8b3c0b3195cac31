//! What is wrong in a user's file: code, place, text, hint; how it is drawn; and the reader that finds it.

mod place;

pub use place::{Place, Placed, SourceFile};
