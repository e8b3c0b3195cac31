//! What tests of the whole product share: a project folder of its own for each, the real binary, and a look at the
//! machine afterwards.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "as a user starts it; what fails ends the test")]

pub mod machine;
pub mod project;
pub mod running;
