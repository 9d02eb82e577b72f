//! What the tests of the whole rest on: an oracle for the engine, random worlds, and ways to drive them.

pub mod naive;
pub mod world;
