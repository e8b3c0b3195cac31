//! A daemon's files as they lie on a machine.

use std::collections::BTreeMap;

use crate::plan::Daemon;
use crate::scenario::fill_template;

impl Daemon {
    /// One of its files as it shall lie on the machine with this work directory: as it is, but for templates.
    pub fn on_machine(&self, file: &str, bytes: &[u8], work: &str) -> Vec<u8> {
        match std::str::from_utf8(bytes) {
            Ok(text) if self.templates.iter().any(|template| template == file) => {
                let value = |(name, value): (&String, &String)| (name.clone(), value.replace("{work}", work));
                let values: BTreeMap<String, String> = self.values.iter().map(value).collect();
                fill_template(text, &values).into_bytes()
            }
            _ => bytes.to_vec(),
        }
    }
}
