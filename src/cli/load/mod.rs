//! `load`: the built-in load generator, from its arguments to what it prints.

pub mod arguments;
mod find;
mod machine;
mod output;
mod read;
mod requests;
mod resolve;
mod run;
mod signals;
#[cfg(test)]
mod tests;
mod url;
mod words;
mod wrong;

pub use output::create;
pub use run::load;
