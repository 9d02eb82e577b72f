//! stub
pub mod admin;
mod batch;
mod block_on;
pub mod consumer;
pub mod end_offsets;
mod fault;
mod groups;
pub mod journal_reader;
pub mod mock;
pub mod partitioner;
pub mod producer;
mod settings;

pub use batch::{MessageRef, Served};
pub use fault::{Answer, Fault};
pub use groups::{GroupDescription, GroupMember};
pub use settings::Properties;
