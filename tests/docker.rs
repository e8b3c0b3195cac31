//! Campaigns in containers of a real Docker engine: `cargo test --test docker -- --ignored`. The image is made of our own
//! static stubs and nothing else, so that no registry is needed.

#![expect(clippy::unwrap_used, reason = "what fails here ends the test")]

#[expect(dead_code, reason = "a part of what the tests of whole campaigns share")]
mod support;

mod docker {
    mod boxes;
    mod campaigns;
    mod refusals;
}
