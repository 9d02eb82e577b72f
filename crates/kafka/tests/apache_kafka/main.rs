//! This crate against Apache Kafka itself. One binary, so that its tests share one broker. Where there is no Java or no
//! Maven they say so and pass; with `CXWATCH_REQUIRE_KAFKA=1` they fail instead.
#![allow(unreachable_pub, missing_docs)]

mod admin;
mod consumer;
mod mock;
mod ports;
mod support;
mod transactions;
