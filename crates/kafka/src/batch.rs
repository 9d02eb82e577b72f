//! Batches of records straight from librdkafka: the only unsafe code of the program.
//!
//! `rd_kafka_consume_batch_queue` hands over many messages in one call, at a quarter of the calling thread's cost of
//! one `poll` each. rdkafka does not wrap it. What makes the unsafe calls sound is kept in three places:
//!
//! - a [`FeedQueue`] holds its consumer alive, so the native client outlives the native queue;
//! - a batch owns its messages and destroys each exactly once, in `Drop`, also when the callback panics;
//! - a [`MessageRef`] borrows from the batch, so no byte of a message is read after it is destroyed.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;

use crate::fault::{Answer, Fault};

/// One record, borrowed from the client's memory for the length of a callback.
#[derive(Clone, Copy)]
pub struct MessageRef<'a> {
    raw: &'a sys::rd_kafka_message_t,
}

impl<'a> MessageRef<'a> {
    /// The partition it lies in.
    pub fn partition(&self) -> i32 {
        self.raw.partition
    }

    /// Its offset. The next position is at least one more; markers of transactions leave gaps.
    pub fn offset(&self) -> i64 {
        self.raw.offset
    }

    /// The record's own timestamp in milliseconds since the epoch, if it has one.
    pub fn timestamp_ms(&self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: `raw` is a live message, `kind` a valid place to write to.
        let time = unsafe { sys::rd_kafka_message_timestamp(self.raw, &mut kind) };
        let known = kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        (known && time >= 0).then_some(time)
    }

    /// The key's bytes; `None` is a null key.
    pub fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: librdkafka keeps `key_len` bytes at `key` until the message is destroyed, which is after 'a.
        unsafe { bytes(self.raw.key.cast(), self.raw.key_len) }
    }

    /// The value's bytes; `None` is a null value (a deletion).
    pub fn payload(&self) -> Option<&'a [u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.raw.payload.cast(), self.raw.len) }
    }

    /// The headers in their order; a name that is not UTF-8 is left out.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let mut headers = ptr::null_mut();
        // SAFETY: `raw` is a live message; on success librdkafka writes a list that the message owns.
        let found = unsafe { sys::rd_kafka_message_headers(self.raw, &mut headers) }
            == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        let raw = self.raw;
        (0..)
            .map_while(move |index| {
                // The list lives as long as its message.
                let _message = raw;
                if !found {
                    return None;
                }
                let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
                // SAFETY: `headers` is the message's own list; the out-pointers are valid; an index past the end is
                // answered with an error.
                let error =
                    unsafe { sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size) };
                if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return None;
                }
                // SAFETY: on success `name` is a NUL-terminated string and `value` has `size` bytes (or is null),
                // both owned by the message.
                Some(unsafe { (CStr::from_ptr(name), bytes(value.cast(), size)) })
            })
            .filter_map(|(name, value)| Some((name.to_str().ok()?, value)))
    }
}

/// # Safety
/// `start` is null or points to `length` bytes that live and do not change for `'a`.
unsafe fn bytes<'a>(start: *const u8, length: usize) -> Option<&'a [u8]> {
    // SAFETY: by the caller's promise.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start, length) })
}

/// What a queue hands over, in the order of each partition.
pub enum Served<'a> {
    /// A record.
    Message(MessageRef<'a>),
    /// The partition has been read to its end as this isolation level sees it.
    Eof {
        /// The partition.
        partition: i32,
        /// The offset that the next record will have at least; past transaction markers.
        position: i64,
    },
    /// The partition cannot be read further.
    Error {
        /// The partition; -1 if the whole topic is meant.
        partition: i32,
        /// What to do about it.
        fault: Fault,
    },
}

/// A private queue to which any number of partitions are forwarded; nothing else ever arrives there, so not serving it
/// is a tap that costs nothing.
pub(crate) struct FeedQueue<C: ConsumerContext> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// Reused from call to call.
    slots: Vec<*mut sys::rd_kafka_message_t>,
    /// Dropped after the queue is destroyed (fields drop after `Drop::drop`).
    consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: librdkafka's queues may be used from any thread; `slots` is empty between calls.
unsafe impl<C: ConsumerContext> Send for FeedQueue<C> {}

impl<C: ConsumerContext> FeedQueue<C> {
    pub(crate) fn new(consumer: Arc<BaseConsumer<C>>) -> Self {
        // SAFETY: the pointer is that of a live client.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        Self {
            queue: NonNull::new(queue).expect("rd_kafka_queue_new always returns a queue"),
            slots: Vec::new(),
            consumer,
        }
    }

    /// Sends what is fetched from a partition here from now on. It has to be done again before each assignment: the
    /// end of an assignment takes the forwarding away.
    pub(crate) fn forward(&self, topic: &str, partition: i32) -> Result<(), Fault> {
        let during = "forward partition";
        let topic = CString::new(topic)
            .map_err(|_| Fault::config(during, "a topic's name contains a NUL character"))?;
        // SAFETY: the client is live, `topic` is NUL-terminated and outlives the call.
        let source = unsafe {
            sys::rd_kafka_queue_get_partition(self.consumer.client().native_ptr(), topic.as_ptr(), partition)
        };
        if source.is_null() {
            return Err(Fault::new(
                Answer::CloseDirty,
                during,
                "UnknownPartition",
                format!("partition {partition} of {} has no queue", topic.to_string_lossy()),
            ));
        }
        // SAFETY: both queues are live; `source` is a counted reference that is given back once.
        unsafe {
            sys::rd_kafka_queue_forward(source, self.queue.as_ptr());
            sys::rd_kafka_queue_destroy(source);
        }
        Ok(())
    }

    /// Hands over up to `max` items. With a timeout it waits for the first one only: librdkafka itself would wait
    /// until the batch is full.
    pub(crate) fn serve(&mut self, max: usize, timeout: Duration, mut each: impl FnMut(Served<'_>)) -> usize {
        let mut served = 0;
        if !timeout.is_zero() && max > 0 {
            served += self.batch(1, timeout, &mut each);
            if served == 0 {
                return 0;
            }
        }
        if max > served {
            served += self.batch(max - served, Duration::ZERO, &mut each);
        }
        served
    }

    fn batch(&mut self, max: usize, timeout: Duration, each: &mut impl FnMut(Served<'_>)) -> usize {
        self.slots.clear();
        self.slots.resize(max, ptr::null_mut());
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is live and no consumer's main queue; `slots` has room for `max` pointers.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), timeout_ms, self.slots.as_mut_ptr(), max)
        };
        // A negative count would be an error without messages.
        let count = usize::try_from(count).unwrap_or(0);
        let batch = Batch { messages: &mut self.slots[..count] };
        for message in batch.messages.iter() {
            // SAFETY: librdkafka filled the first `count` slots with live messages that are ours until destroyed.
            each(served(unsafe { &**message }));
        }
        count
    }
}

impl<C: ConsumerContext> Drop for FeedQueue<C> {
    fn drop(&mut self) {
        // SAFETY: the queue is live, ours alone, and destroyed once; the client outlives this call. Partitions still
        // forwarded hold their own reference.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// Owns the messages of one call.
struct Batch<'a> {
    messages: &'a mut [*mut sys::rd_kafka_message_t],
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in self.messages.iter() {
            // SAFETY: each is live, ours, and destroyed here and nowhere else.
            unsafe { sys::rd_kafka_message_destroy(*message) }
        }
    }
}

fn served(raw: &sys::rd_kafka_message_t) -> Served<'_> {
    use sys::rd_kafka_resp_err_t::{
        RD_KAFKA_RESP_ERR__PARTITION_EOF as EOF, RD_KAFKA_RESP_ERR_NO_ERROR as NONE,
    };
    if raw.err == NONE {
        return Served::Message(MessageRef { raw });
    }
    if raw.err == EOF {
        return Served::Eof { partition: raw.partition, position: raw.offset };
    }
    let code = RDKafkaErrorCode::from(raw.err);
    // SAFETY: the message is live; the string belongs to it or is static, and is NUL-terminated.
    let message = unsafe {
        let text = sys::rd_kafka_message_errstr(raw);
        if text.is_null() { code.to_string() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    };
    Served::Error { partition: raw.partition, fault: Fault::code("read partition", code, message) }
}
