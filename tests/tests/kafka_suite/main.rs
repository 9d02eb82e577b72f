//! The program as a process against Apache Kafka itself: what it writes is what an independent reading of the same
//! topics says, whatever is done to it meanwhile.
//!
//! `cargo test` runs a short cut, which leaves out the router's closed loop, broker restarts, rollouts, the bank's year, the
//! large restore and, unless `CXWATCH_REQUIRE_CLIENTS=1`, clients in other languages; it says so of each. Of the rest it runs
//! little: some thousand events, a few kills. The long suite, some minutes: `CXWATCH_LONG=1 cargo test -p cxwatch-tests --test
//! kafka_suite -- --nocapture`. Where there is no Java or no Maven the tests say so and pass; with
//! `CXWATCH_REQUIRE_KAFKA=1` they fail instead. `CXWATCH_BIN` names another program to be tested, `CXWATCH_SEED` another
//! seed of the events and of the moments at which processes are killed. After a failure the folder with settings, rulebook and
//! log files is kept, and named.

// The suite reports what it saw: how often, and how long.
#![allow(clippy::print_stderr)]
#![allow(unreachable_pub, reason = "the broker's module is shared with other packages")]

mod access;
mod ask;
mod bank;
mod bounded;
mod change;
mod client;
mod dead_letters;
mod decisions;
mod foreign;
mod idle;
// The same file as of the other packages, without depending on all that they depend on.
#[allow(dead_code, reason = "not every way to stop a broker is used here")]
#[path = "../../src/kafka_server.rs"]
mod kafka_server;
mod live;
mod lives;
mod mapping;
mod oracle;
mod pause;
mod program;
mod rebalance;
mod restart;
mod restore;
mod rollout;
mod router;
mod stage;
mod starter;

use std::io::Write;

/// Whether the long suite is asked for.
fn is_long() -> bool {
    std::env::var("CXWATCH_LONG").is_ok_and(|value| value == "1")
}

/// Whether a part is left out because it belongs to the long suite alone. Said past the harness, which keeps what passing
/// tests print to itself.
fn is_left_out(what: &str) -> bool {
    if !is_long() {
        let _ =
            writeln!(std::io::stderr(), "{what}: a part of the long suite, not run (CXWATCH_LONG=1 runs it)");
    }
    !is_long()
}

/// The seed of everything that is drawn.
fn seed() -> u64 {
    let seed = std::env::var("CXWATCH_SEED").ok().map(|text| text.parse().expect("CXWATCH_SEED is a number"));
    seed.unwrap_or(20_261_124)
}
