//! The referee and the report, over runs that are built here: a whole one, one with a failed trial, one that was cut
//! off, one full of hostile bytes, and the mistakes of the 2015 campaign.

mod build;
mod golden;
mod hostile;
mod mistakes;
mod network;
mod own;
mod page;
mod runs;
mod tuning;
