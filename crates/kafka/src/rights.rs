//! What the brokers allow us, asked for instead of found out.
//!
//! A right that is missing would show at its first use, and that may come days after the start: `Write` on the topic of
//! actions at the first action. Brokers tell what is allowed when they describe a topic or a group; rdkafka does not pass
//! that on. What makes the unsafe calls sound:
//!
//! - the client outlives every call, for it is borrowed; queue, options, collection and event are each owned by a value that
//!   destroys them exactly once;
//! - what is read out of an event is copied before the event is destroyed.
#![allow(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;
use sys::rd_kafka_AclOperation_t as Acl;
use sys::rd_kafka_admin_op_t as Api;

use crate::admin::Admin;
use crate::fault;
use cxwatch_runtime::ports::Fault;

/// Something that a user may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To know of it.
    Describe,
    /// To read records, or be a member of a group.
    Read,
    /// To write records.
    Write,
    /// To delete records.
    Delete,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What is allowed on each of what was asked for; nothing of what the broker says nothing of.
pub type Allowed = BTreeMap<String, BTreeSet<Right>>;

impl Admin {
    /// What our user may do with topics. One that does not exist, or of which the broker does not tell, is left out; one that we
    /// must not even know of allows nothing.
    pub fn allowed_on_topics(&self, topics: &[&str]) -> Result<Allowed, Fault> {
        self.allowed(Api::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, topics)
    }

    /// The same of a group.
    pub fn allowed_on_group(&self, group: &str) -> Result<Allowed, Fault> {
        self.allowed(Api::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, &[group])
    }

    fn allowed(&self, api: Api, names: &[&str]) -> Result<Allowed, Fault> {
        let during = "ask for our rights";
        let names: Vec<CString> = names
            .iter()
            .map(|name| CString::new(*name))
            .collect::<Result<_, _>>()
            .map_err(|_| fault::exit(during, "a name contains a NUL character"))?;
        let client = self.native().inner().native_ptr();
        // A broker that is slow to answer is waited for a little longer than the request itself may take.
        let event = describe(client, api, &names, self.timeout())
            .map_err(|code| fault::code(during, code, code.to_string()))?;
        let Some(event) = event else {
            let code = RDKafkaErrorCode::OperationTimedOut;
            return Err(fault::code(during, code, code.to_string()));
        };
        Ok(event.answers().into_iter().filter_map(Answered::allowed).collect())
    }
}

/// What an event says of one name.
struct Answered {
    name: String,
    error: RDKafkaErrorCode,
    /// `None`: the broker does not tell.
    operations: Option<Vec<Acl>>,
}

impl Answered {
    fn allowed(self) -> Option<(String, BTreeSet<Right>)> {
        let rights = match self.error {
            RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed => {
                BTreeSet::new()
            }
            RDKafkaErrorCode::NoError => self.operations?.into_iter().filter_map(right).collect(),
            _ => return None,
        };
        Some((self.name, rights))
    }
}

fn right(operation: Acl) -> Option<Right> {
    match operation {
        Acl::RD_KAFKA_ACL_OPERATION_DESCRIBE => Some(Right::Describe),
        Acl::RD_KAFKA_ACL_OPERATION_READ => Some(Right::Read),
        Acl::RD_KAFKA_ACL_OPERATION_WRITE => Some(Right::Write),
        Acl::RD_KAFKA_ACL_OPERATION_DELETE => Some(Right::Delete),
        _ => None,
    }
}

/// Destroys what it holds.
struct Owned<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: made by the function that the destructor belongs to, and destroyed nowhere else.
        unsafe { (self.1)(self.0.as_ptr()) }
    }
}

/// The answer to a description.
struct Event(Owned<sys::rd_kafka_event_t>, Api);

/// Asks and waits; `None` if no answer comes.
fn describe(
    client: *mut sys::rd_kafka_t,
    api: Api,
    names: &[CString],
    timeout: Duration,
) -> Result<Option<Event>, RDKafkaErrorCode> {
    let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX / 2);
    let mut names: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the client is live as long as the caller's borrow; the constructors never give null. The names live until
    // the call returns, which copies them. An error of an option is destroyed here.
    let event = unsafe {
        let queue = NonNull::new(sys::rd_kafka_queue_new(client)).expect("a queue is always made");
        let queue = Owned(queue, sys::rd_kafka_queue_destroy);
        let options = NonNull::new(sys::rd_kafka_AdminOptions_new(client, api)).expect("options are made");
        let options = Owned(options, sys::rd_kafka_AdminOptions_destroy);
        sys::rd_kafka_AdminOptions_set_request_timeout(options.0.as_ptr(), timeout_ms, ptr::null_mut(), 0);
        let error = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options.0.as_ptr(), 1);
        if !error.is_null() {
            sys::rd_kafka_error_destroy(error);
        }
        if api == Api::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS {
            let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
            let topics = NonNull::new(topics).expect("a collection is always made");
            let topics = Owned(topics, sys::rd_kafka_TopicCollection_destroy);
            sys::rd_kafka_DescribeTopics(client, topics.0.as_ptr(), options.0.as_ptr(), queue.0.as_ptr());
        } else {
            sys::rd_kafka_DescribeConsumerGroups(
                client,
                names.as_mut_ptr(),
                names.len(),
                options.0.as_ptr(),
                queue.0.as_ptr(),
            );
        }
        sys::rd_kafka_queue_poll(queue.0.as_ptr(), timeout_ms.saturating_add(1_000))
    };
    let Some(event) = NonNull::new(event) else { return Ok(None) };
    let event = Event(Owned(event, sys::rd_kafka_event_destroy), api);
    // SAFETY: the event is live.
    let error = unsafe { sys::rd_kafka_event_error(event.0.0.as_ptr()) };
    match RDKafkaErrorCode::from(error) {
        RDKafkaErrorCode::NoError => Ok(Some(event)),
        code => Err(code),
    }
}

impl Event {
    fn answers(&self) -> Vec<Answered> {
        let event = self.0.0.as_ptr();
        let mut count = 0;
        // SAFETY: the event is live and, by `describe`, the answer to this call; the lists it gives have `count` members, and
        // all of it lives as long as the event.
        unsafe {
            if self.1 == Api::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS {
                let result = sys::rd_kafka_event_DescribeTopics_result(event);
                if result.is_null() {
                    return Vec::new();
                }
                let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
                list(topics, count)
                    .iter()
                    .map(|&topic| {
                        let mut operations = 0;
                        let first =
                            sys::rd_kafka_TopicDescription_authorized_operations(topic, &mut operations);
                        answered(
                            sys::rd_kafka_TopicDescription_name(topic),
                            sys::rd_kafka_TopicDescription_error(topic),
                            first,
                            operations,
                        )
                    })
                    .collect()
            } else {
                let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event);
                if result.is_null() {
                    return Vec::new();
                }
                let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
                list(groups, count)
                    .iter()
                    .map(|&group| {
                        let mut operations = 0;
                        let first = sys::rd_kafka_ConsumerGroupDescription_authorized_operations(
                            group,
                            &mut operations,
                        );
                        answered(
                            sys::rd_kafka_ConsumerGroupDescription_group_id(group),
                            sys::rd_kafka_ConsumerGroupDescription_error(group),
                            first,
                            operations,
                        )
                    })
                    .collect()
            }
        }
    }
}

/// # Safety
/// `first` is null or points to `count` values that live and do not change for `'a`.
unsafe fn list<'a, T>(first: *const T, count: usize) -> &'a [T] {
    // SAFETY: by the caller's promise.
    if first.is_null() { &[] } else { unsafe { slice::from_raw_parts(first, count) } }
}

/// # Safety
/// `name` is a live string, `error` null or live, and `first` as in [`list`].
unsafe fn answered(
    name: *const c_char,
    error: *const sys::rd_kafka_error_t,
    first: *const Acl,
    count: usize,
) -> Answered {
    // SAFETY: by the caller's promise; librdkafka gives only operations that the enumeration has.
    unsafe {
        let name = CStr::from_ptr(name).to_string_lossy().into_owned();
        let error =
            if error.is_null() { RDKafkaErrorCode::NoError } else { sys::rd_kafka_error_code(error).into() };
        let operations = (!first.is_null()).then(|| list(first, count).to_vec());
        Answered { name, error, operations }
    }
}
