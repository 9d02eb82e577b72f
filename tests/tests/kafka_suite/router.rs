//! The contract from the other side: what clients in other languages make of what the service writes, and a routing system that
//! acts on it and answers.
//!
//! They are installed into a temporary folder, which takes a while: by the long suite, or where they are required. Where there
//! is no Python, no Node.js or no package registry, the tests say so and pass; with `CXWATCH_REQUIRE_CLIENTS=1` they run in the
//! short cut as well, and fail instead.

mod closed_loop;
mod contract;
mod judge;
mod tools;
mod watch;
