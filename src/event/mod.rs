//! What happened in a campaign: serialisable, versioned, ids and facts only.

mod clock;
mod happening;
mod record;
mod sum;

pub use clock::Clock;
pub use happening::{Event, Happening, Moment, Outcome, Reason};
pub use record::{Recorder, Write, paths};
pub use sum::{Sum, SumVerdict};
