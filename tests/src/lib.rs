//! What the tests of the whole rest on: an oracle for the engine, random worlds, and ways to drive them.

pub mod kafka_server;
pub mod naive;
pub mod world;
