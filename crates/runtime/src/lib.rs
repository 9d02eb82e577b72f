//! The shell's logic behind ports: stream threads, tasks, commits, the journal, restore, dead letters, metrics. No
//! client library, no async: everything that touches the world goes through [`ports`].

pub mod ports;
