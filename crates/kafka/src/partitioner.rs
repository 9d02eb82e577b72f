//! Which hash put a key into its partition?
//!
//! A customer's events must lie in the same partition number of every feed. Java clients hash keys with murmur2,
//! librdkafka and its many bindings with CRC32 unless told otherwise; two feeds written by the two are torn apart, and
//! nothing else would tell.

use cxwatch_event::partition::murmur2;

/// The function that a feed's keys agree with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyHash {
    /// Java clients, and librdkafka's `murmur2` and `murmur2_random`.
    Murmur2,
    /// librdkafka's default (`consistent_random`, `consistent`).
    Crc32,
    /// Some other function, or more than one.
    Neither,
    /// Too few records with keys to tell (or a single partition, where all agree).
    Undecided,
}

/// The partition that a Java client chooses.
pub fn murmur2_partition(key: &[u8], partitions: i32) -> i32 {
    modulo(murmur2(key) & 0x7fff_ffff, partitions)
}

/// The partition that librdkafka chooses by default, for keys that are not empty.
pub fn crc32_partition(key: &[u8], partitions: i32) -> i32 {
    modulo(crc32(key), partitions)
}

fn modulo(hash: u32, partitions: i32) -> i32 {
    let count = u32::try_from(partitions).unwrap_or(0).max(1);
    i32::try_from(hash % count).expect("less than an i32")
}

/// CRC-32 as in Ethernet and zip; bit by bit, since it only sees the first records of a feed.
fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let polynomial = if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            crc = (crc >> 1) ^ polynomial;
        }
    }
    !crc
}

/// Watches the keys of one feed until it can tell how they were hashed.
#[derive(Debug, Clone, Default)]
pub struct KeyHashDetector {
    murmur2: u32,
    crc32: u32,
    neither: u32,
}

impl KeyHashDetector {
    /// How many telling records are needed. A feed that some third function wrote into two partitions agrees with
    /// murmur2 alone on a third of them, with CRC32 alone on another third; that 19 of 20 speak for the same one happens
    /// once in forty million feeds, and with more partitions hardly ever.
    const ENOUGH: u32 = 20;
    /// Fewer than one in twenty may disagree: a feed may have been repartitioned or written by hand.
    const TOLERATED: u32 = 20;

    /// Looks at one record. Records without a key, and those on which both functions agree with the partition, tell
    /// nothing.
    pub fn see(&mut self, key: Option<&[u8]>, partition: i32, partitions: i32) {
        let Some(key) = key.filter(|key| !key.is_empty() && partitions > 1) else {
            return;
        };
        let by_murmur2 = murmur2_partition(key, partitions) == partition;
        let by_crc32 = crc32_partition(key, partitions) == partition;
        match (by_murmur2, by_crc32) {
            (true, true) => {}
            (true, false) => self.murmur2 += 1,
            (false, true) => self.crc32 += 1,
            (false, false) => self.neither += 1,
        }
    }

    /// How many records told something so far.
    pub fn seen(&self) -> u32 {
        self.murmur2 + self.crc32 + self.neither
    }

    /// The verdict.
    pub fn verdict(&self) -> KeyHash {
        let seen = self.seen();
        let tolerated = seen / Self::TOLERATED;
        if seen < Self::ENOUGH {
            KeyHash::Undecided
        } else if seen - self.murmur2 <= tolerated {
            KeyHash::Murmur2
        } else if seen - self.crc32 <= tolerated {
            KeyHash::Crc32
        } else {
            KeyHash::Neither
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    fn fed(partition: impl Fn(&[u8], usize) -> i32, records: usize) -> KeyHash {
        let mut detector = KeyHashDetector::default();
        for index in 0..records {
            let key = format!("customer-{index}");
            detector.see(Some(key.as_bytes()), partition(key.as_bytes(), index), 8);
        }
        detector.verdict()
    }

    #[test]
    fn a_feed_is_known_by_its_first_records() {
        assert_eq!(fed(|key, _| murmur2_partition(key, 8), 100), KeyHash::Murmur2);
        assert_eq!(fed(|key, _| crc32_partition(key, 8), 100), KeyHash::Crc32);
        assert_eq!(fed(|_, index| (index % 8) as i32, 100), KeyHash::Neither);
        assert_eq!(fed(|key, _| murmur2_partition(key, 8), 10), KeyHash::Undecided);
        let mixed = |key: &[u8], index: usize| match index % 2 {
            0 => murmur2_partition(key, 8),
            _ => crc32_partition(key, 8),
        };
        assert_eq!(fed(mixed, 100), KeyHash::Neither);
    }

    #[test]
    fn one_partition_and_records_without_keys_tell_nothing() {
        let mut detector = KeyHashDetector::default();
        for _ in 0..100 {
            detector.see(Some(b"k"), 0, 1);
            detector.see(None, 0, 8);
            detector.see(Some(b""), 0, 8);
        }
        assert_eq!((detector.seen(), detector.verdict()), (0, KeyHash::Undecided));
    }
}
