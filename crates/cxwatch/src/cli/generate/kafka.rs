//! Made-up events into the feeds' topics.

use super::pace::Speed;
use crate::generate::Arrival;
use anyhow::{Context, Result, anyhow, bail};
use cxwatch_event::Millis;
use cxwatch_kafka::Properties;
use cxwatch_kafka::admin::Admin;
use cxwatch_kafka::writer::Writer;
use cxwatch_runtime::ports::{Answer, Fault};
use std::time::{Duration, Instant};

/// How long one question to the cluster may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a wait for the next event is at most, before the client is served.
const STEP: Duration = Duration::from_millis(50);
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// The topics, and how fast they are written to.
pub(crate) struct Topics {
    brokers: String,
    writer: Writer,
    /// By feed.
    topics: Vec<String>,
    speed: Speed,
    /// The instant that `start` of the made-up time stands for.
    began: Instant,
    start: Millis,
    count: u64,
    shown: Instant,
}

impl Topics {
    /// Looks whether the topics are there; none is made. `topics`: of these feeds.
    pub(crate) fn open(
        properties: &Properties,
        feeds: &[&str],
        topics: Vec<String>,
        speed: Speed,
    ) -> Result<Self> {
        let brokers = properties.get("bootstrap.servers").cloned().unwrap_or_default();
        let admin = Admin::new(properties, ANSWER_WITHIN)?;
        let mut missing = Vec::new();
        for (feed, topic) in feeds.iter().zip(&topics) {
            if admin.partitions(topic).map_err(|fault| unreachable(&brokers, fault))?.is_none() {
                missing.push(format!("{topic} of the feed {feed}"));
            }
        }
        if !missing.is_empty() {
            bail!(
                "{brokers} has no topic {}; `cxwatch topics create --config FILE` makes the topics of a settings file",
                missing.join(", nor ")
            );
        }
        let writer = Writer::new(properties, ANSWER_WITHIN)?;
        let now = Instant::now();
        Ok(Topics { brokers, writer, topics, speed, began: now, start: 0, count: 0, shown: now })
    }

    /// The made-up time begins now, with `start`.
    pub(crate) fn begin(&mut self, start: Millis) {
        (self.began, self.start) = (Instant::now(), start);
    }

    /// Writes an event when its time has come.
    pub(crate) fn write(&mut self, arrival: &Arrival<'_>) -> Result<()> {
        if let Some(due) = self.speed.due(arrival.at - self.start) {
            while let Some(wait) = due.checked_sub(self.began.elapsed()).filter(|wait| !wait.is_zero()) {
                self.writer.poll(wait.min(STEP)).map_err(|fault| self.undelivered(fault))?;
                self.show();
            }
        }
        let topic = &self.topics[arrival.feed];
        let sent = self.writer.send(topic, arrival.customer.as_bytes(), arrival.json);
        sent.map_err(|fault| self.undelivered(fault))?;
        self.count += 1;
        if self.count.is_multiple_of(1_024) {
            self.writer.poll(Duration::ZERO).map_err(|fault| self.undelivered(fault))?;
            self.show();
        }
        Ok(())
    }

    /// Waits until everything has arrived.
    pub(crate) fn finish(mut self) -> Result<()> {
        let flushed = self.writer.flush();
        flushed.map_err(|fault| self.undelivered(fault))?;
        self.say("in the topics");
        Ok(())
    }

    fn show(&mut self) {
        if self.shown.elapsed() >= BETWEEN_LINES {
            self.shown = Instant::now();
            self.say("written");
        }
    }

    fn say(&self, what: &str) {
        let rate = self.count as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        eprintln!("{} events {what}, {rate:.0}/s", self.count);
    }

    fn undelivered(&self, fault: Fault) -> anyhow::Error {
        let written = format!("after {} events, of which the last may not have arrived", self.count);
        Err::<(), _>(unreachable(&self.brokers, fault)).context(written).expect_err("it is one")
    }
}

fn unreachable(brokers: &str, fault: Fault) -> anyhow::Error {
    match fault.answer {
        Answer::Retry => {
            anyhow!(
                "no answer from the brokers at {brokers}: {fault}; are they up, and is that their address?"
            )
        }
        _ => anyhow!(fault),
    }
}
