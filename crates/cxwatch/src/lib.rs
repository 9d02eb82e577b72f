//! The program: what its commands do, as a library, so that tests and benches can call it.

#![forbid(unsafe_code)]

mod admin;
pub mod cli;
mod cluster;
mod control;
mod demo;
mod explain;
pub mod generate;
mod problems;
pub mod replay;
mod reset;
mod run;
pub mod scenario;
mod settings;
mod topics;
