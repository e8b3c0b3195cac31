//! The order of a campaign: what is asked of an agent, and that it is left clean whatever fails. The agent is a script
//! (`host::fake`); nothing is started and nothing is waited for.

mod clients;
mod left;
mod machine;
mod resumed;
mod sequence;
mod several;
mod trouble;
