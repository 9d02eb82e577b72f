//! Asking for memory before it is needed.

use prefetch_index::prefetch_index;
use std::slice;

/// Asks for the cache line in which a value begins, and waits for nothing. What the value consists of is not read.
#[inline]
pub fn ask_for<T>(value: &T) {
    prefetch_index(slice::from_ref(value), 0);
}
