//! Follows a small topic of one partition: all of it at first, then whatever comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::consumer::FeedConsumer;
use crate::fault;
use crate::journal_reader::read_journal;
use crate::settings::Properties;
use cxwatch_runtime::ports::{Answer, Fault, FeedPartition, Item, RecordRef, Source};

/// So long it waits for a record before it looks whether it is to end.
const WAIT: Duration = Duration::from_millis(200);
/// So long it pauses after a fault.
const PAUSE: Duration = Duration::from_secs(1);

/// A thread that reads partition 0 of a topic, in no group: whoever follows sees all of it. Ends with this value.
pub struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Reads what the topic holds now before it returns, and goes on with a thread of its own. `properties` are those of
    /// the group's consumers; the group is not joined. Where records were deleted meanwhile it begins again with the first
    /// that exists: `each` sees some of them twice then, in their order.
    pub fn spawn(
        properties: &Properties,
        topic: &str,
        timeout: Duration,
        mut each: impl FnMut(&RecordRef<'_>) + Send + 'static,
    ) -> Result<Self, Fault> {
        // It is no member, and must not take a static member's place.
        let mut properties = properties.clone();
        properties.remove("group.instance.id");
        let mut next = read(&properties, topic, 0, timeout, &mut each)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, topic) = (Arc::clone(&stop), topic.to_owned());
        let thread = std::thread::Builder::new()
            .name("follower".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    if let Err(fault) = follow(&properties, &topic, &mut next, timeout, &stopped, &mut each) {
                        tracing::warn!(topic, %fault, "it is read again in a moment");
                        if fault.answer != Answer::Retry {
                            next = 0;
                        }
                        std::thread::sleep(PAUSE);
                        if next == 0
                            && let Ok(end) = read(&properties, &topic, 0, timeout, &mut each)
                        {
                            next = end;
                        }
                    }
                }
            })
            .map_err(|error| fault::exit("follow a topic", error.to_string()))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// All that a topic of one partition holds now. The next offset.
pub fn read(
    properties: &Properties,
    topic: &str,
    from: i64,
    timeout: Duration,
    each: &mut dyn FnMut(&RecordRef<'_>),
) -> Result<i64, Fault> {
    read_journal(properties, topic, 0, from, timeout, &mut |record| each(&record)).map(|bounds| bounds.end)
}

fn follow(
    properties: &Properties,
    topic: &str,
    next: &mut i64,
    timeout: Duration,
    stop: &AtomicBool,
    each: &mut dyn FnMut(&RecordRef<'_>),
) -> Result<(), Fault> {
    let at = FeedPartition { feed: 0, partition: 0 };
    let mut consumer = FeedConsumer::assign(properties, &[topic.to_owned()], &[(at, *next)], timeout)?;
    while !stop.load(Ordering::Relaxed) {
        consumer.poll(Duration::ZERO, &mut |_, _| {})?;
        let mut failed = None;
        consumer.serve_within(0, 100, WAIT, &mut |item| match item {
            Item::Record(record) => {
                *next = record.offset + 1;
                each(&record);
            }
            Item::Eof { .. } => {}
            Item::Error { fault, .. } => failed = Some(fault),
        });
        // A lost connection is mended by the client.
        if let Some(fault) = failed.filter(|fault| fault.answer != Answer::Retry) {
            return Err(fault);
        }
    }
    Ok(())
}
