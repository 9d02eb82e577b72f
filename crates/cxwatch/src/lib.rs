//! The program: what its commands do, as a library, so that tests and benches can call it.

pub mod cli;
pub mod generate;
mod problems;
pub mod replay;
mod settings;
