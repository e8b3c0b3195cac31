//! One file for each outside tool: how it is called, what it prints. Pure.
