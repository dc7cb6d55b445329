//! What the state topic holds: for each source of each input partition, what it said.
//!
//! The topic is compacted; a record's key is `topic/partition/source`, its value the JSON text of
//! [`News::said`](crate::engine::News::said), or none when the source was forgotten. Input partition 7 keeps its state in
//! state partition 7, so whoever is given the one can read the other. Topic names have no slash; a source's name may
//! have any character, as it comes last.

use super::transport::Partition;
use crate::engine::Memory;

/// The key of a source's record.
pub(crate) fn key(topic: &str, partition: i32, source: &str) -> String {
    format!("{topic}/{partition}/{source}")
}

/// The source that a key is about, when it is one of `partition`.
fn source_of<'k>(key: &'k [u8], partition: &Partition) -> Option<&'k str> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(&*partition.topic)?.strip_prefix('/')?;
    let (number, source) = rest.split_once('/')?;
    (number == partition.number.to_string()).then_some(source)
}

/// What came of reading a partition's state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recalled {
    /// Records taken in.
    pub(crate) records: u64,
    /// Records of this partition that nobody of this program wrote.
    pub(crate) unreadable: u64,
}

impl Recalled {
    /// Takes one record of the state topic into the memory of `partition`; those of others are left.
    pub(crate) fn take(&mut self, memory: &mut Memory, partition: &Partition, key: &[u8], value: Option<&[u8]>) {
        let Some(source) = source_of(key, partition) else { return };
        match memory.restore(source, value) {
            Ok(()) => self.records += 1,
            Err(_) => self.unreadable += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_source_whatever_it_is_called() {
        let partition = Partition { topic: "logs.eu".into(), number: 7 };
        for source in ["pod-1", "", "a/b/c", "ü"] {
            assert_eq!(source_of(key("logs.eu", 7, source).as_bytes(), &partition), Some(source));
        }
        for other in ["logs.eu/8/pod", "logs.eu/77/pod", "logs/7/pod", "logs.eu", "logs.eu/7"] {
            assert_eq!(source_of(other.as_bytes(), &partition), None, "{other}");
        }
        assert_eq!(source_of(b"logs.eu/7/\xff", &partition), None);
    }
}
