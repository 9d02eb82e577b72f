//! Batches of records straight from librdkafka: with [`rights`](crate::rights) the only unsafe code of the program.
//!
//! `rd_kafka_consume_batch_queue` hands over many messages in one call, at a quarter of the calling thread's cost of
//! one `poll` each. rdkafka does not wrap it. What makes the unsafe calls sound is kept in four places:
//!
//! - a [`FeedQueue`] holds its consumer alive, so the native client outlives the native queue;
//! - a batch owns its messages and destroys each exactly once, in `Drop`, also when the callback panics;
//! - the bell that librdkafka's threads ring is kept alive by the queue, which takes the callback back, under the native
//!   queue's own lock, before it lets the bell go;
//! - a record is handed over as a borrow that ends with the callback, before its message is destroyed.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;
use smallvec::SmallVec;

use crate::bell::Bell;
use crate::fault;
use cxwatch_runtime::ports::{Answer, Fault, Item, RecordRef};

/// The headers of one record, on the stack as long as they are few.
type Headers<'a> = SmallVec<[(&'a str, &'a [u8]); 12]>;

/// The record's own timestamp in milliseconds since the epoch, if it has one.
fn timestamp(raw: &sys::rd_kafka_message_t) -> Option<i64> {
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: `raw` is a live message, `kind` a valid place to write to.
    let time = unsafe { sys::rd_kafka_message_timestamp(raw, &mut kind) };
    let known = kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    (known && time >= 0).then_some(time)
}

/// The headers in their order; a null value is an empty one, a name that is not UTF-8 is left out.
fn headers(raw: &sys::rd_kafka_message_t) -> Headers<'_> {
    let mut found = Headers::new();
    let mut list = ptr::null_mut();
    // SAFETY: `raw` is a live message; on success librdkafka writes a list that the message owns.
    let error = unsafe { sys::rd_kafka_message_headers(raw, &mut list) };
    if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return found;
    }
    for index in 0.. {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: `list` is the message's own; the out-pointers are valid; an index past the end is answered with an
        // error.
        let error = unsafe { sys::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut size) };
        if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            break;
        }
        // SAFETY: on success `name` is a NUL-terminated string and `value` has `size` bytes (or is null), both owned
        // by the message, which the result borrows from.
        let (name, value) = unsafe { (CStr::from_ptr(name), bytes(value.cast(), size)) };
        if let Ok(name) = name.to_str() {
            found.push((name, value.unwrap_or_default()));
        }
    }
    found
}

/// # Safety
/// `start` is null or points to `length` bytes that live and do not change for `'a`.
unsafe fn bytes<'a>(start: *const u8, length: usize) -> Option<&'a [u8]> {
    // SAFETY: by the caller's promise.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start, length) })
}

/// A private queue to which any number of partitions are forwarded; nothing else ever arrives there, so not serving it
/// is a tap that costs nothing.
pub(crate) struct FeedQueue<C: ConsumerContext> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// Reused from call to call.
    slots: Vec<*mut sys::rd_kafka_message_t>,
    /// Rung when the queue is no longer empty. Its address is known to librdkafka until `Drop::drop`.
    _bell: Arc<Bell>,
    /// Dropped after the queue is destroyed (fields drop after `Drop::drop`).
    consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: librdkafka's queues may be used from any thread; what `slots` holds between calls is never read.
unsafe impl<C: ConsumerContext> Send for FeedQueue<C> {}

impl<C: ConsumerContext> FeedQueue<C> {
    pub(crate) fn new(consumer: Arc<BaseConsumer<C>>, bell: Arc<Bell>) -> Self {
        // SAFETY: the pointer is that of a live client.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        let queue = NonNull::new(queue).expect("rd_kafka_queue_new always returns a queue");
        // SAFETY: the queue is live; the bell lives until after `drop` has taken the callback back.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(
                queue.as_ptr(),
                Some(ring),
                Arc::as_ptr(&bell).cast_mut().cast(),
            );
        }
        Self { queue, slots: Vec::new(), _bell: bell, consumer }
    }

    /// Sends what is fetched from a partition here from now on. It has to be done again before each assignment: the
    /// end of an assignment takes the forwarding away.
    pub(crate) fn forward(&self, topic: &str, partition: i32) -> Result<(), Fault> {
        let during = "forward partition";
        let topic = CString::new(topic)
            .map_err(|_| fault::exit(during, "a topic's name contains a NUL character"))?;
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
    pub(crate) fn serve(&mut self, max: usize, timeout: Duration, each: &mut dyn FnMut(Item<'_>)) -> usize {
        let mut served = 0;
        if !timeout.is_zero() && max > 0 {
            served += self.batch(1, timeout, each);
            if served == 0 {
                return 0;
            }
        }
        if max > served {
            served += self.batch(max - served, Duration::ZERO, each);
        }
        served
    }

    fn batch(&mut self, max: usize, timeout: Duration, each: &mut dyn FnMut(Item<'_>)) -> usize {
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
            hand_over(unsafe { &**message }, each);
        }
        count
    }
}

impl<C: ConsumerContext> Drop for FeedQueue<C> {
    fn drop(&mut self) {
        // SAFETY: the queue is live, ours alone, and destroyed once; the client outlives this call. Partitions still
        // forwarded hold their own reference to what is behind it, so the callback goes first; librdkafka calls it
        // with the queue locked, so after this it does not run.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

/// # Safety
/// `bell` points to a live [`Bell`].
unsafe extern "C" fn ring(_: *mut sys::rd_kafka_t, bell: *mut c_void) {
    // SAFETY: by the caller's promise; `FeedQueue` keeps it.
    unsafe { &*bell.cast::<Bell>() }.ring();
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

fn hand_over(raw: &sys::rd_kafka_message_t, each: &mut dyn FnMut(Item<'_>)) {
    use sys::rd_kafka_resp_err_t::{
        RD_KAFKA_RESP_ERR__PARTITION_EOF as EOF, RD_KAFKA_RESP_ERR_NO_ERROR as NONE,
    };
    if raw.err == NONE {
        each(Item::Record(RecordRef {
            partition: raw.partition,
            offset: raw.offset,
            timestamp: timestamp(raw),
            // SAFETY: librdkafka keeps `key_len` bytes at `key`, and `len` bytes at `payload`, until the message is
            // destroyed; the record borrows from the message.
            key: unsafe { bytes(raw.key.cast(), raw.key_len) },
            // SAFETY: as above.
            value: unsafe { bytes(raw.payload.cast(), raw.len) },
            headers: &headers(raw),
        }));
    } else if raw.err == EOF {
        each(Item::Eof { partition: raw.partition, position: raw.offset });
    } else {
        let code = RDKafkaErrorCode::from(raw.err);
        // SAFETY: the message is live; the string belongs to it or is static, and is NUL-terminated.
        let message = unsafe {
            let text = sys::rd_kafka_message_errstr(raw);
            if text.is_null() {
                code.to_string()
            } else {
                CStr::from_ptr(text).to_string_lossy().into_owned()
            }
        };
        each(Item::Error {
            partition: raw.partition,
            fault: fault::reading("read partition", code, message),
        });
    }
}
