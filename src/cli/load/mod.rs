//! `load`: the built-in load generator, from its arguments to what it prints.

pub mod arguments;
mod find;
mod machine;
mod output;
mod read;
mod request_keys;
mod requests;
mod requests_file;
mod resolve;
mod run;
mod signals;
#[cfg(test)]
mod tests;
mod url;
mod words;
mod wrong;

pub use output::create;
pub use requests_file::schema as requests_schema;
pub use run::load;
