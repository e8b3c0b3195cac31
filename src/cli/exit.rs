//! Exit codes. They are documented in the README, and scripts rely on them.

/// Fine.
pub const FINE: u8 = 0;
/// The run failed: at least one trial has no figures, or the campaign ended early.
pub const FAILED: u8 = 1;
/// The user's files or arguments are wrong; no machine was contacted.
pub const WRONG_INPUT: u8 = 2;
/// It ran, and a verdict is invalid.
pub const INVALID: u8 = 3;
/// A machine can't be reached or is not fit; nothing but its cache was changed.
pub const NOT_FIT: u8 = 5;
/// Interrupted.
pub const INTERRUPTED: u8 = 130;
