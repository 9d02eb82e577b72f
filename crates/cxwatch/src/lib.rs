//! The program: what its commands do, as a library, so that tests and benches can call it.

pub mod cli;
mod problems;
pub mod replay;
mod settings;
