//! What `check` says about the files that people write: golden texts, schemas, and bytes of all kinds.

#![expect(clippy::unwrap_used, reason = "a test that can't read its own files has failed, and the panic says where")]

mod golden;
mod robust;
mod schema;
mod shipped;

use std::path::Path;

/// The folder of this repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
