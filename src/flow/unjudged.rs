//! The place of one line, as people write it: `topic:partition:offset`. The watchdog names the line in hand by it, and
//! `input.unjudged` takes it, so that a line at which judging comes to no end does not keep all others.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinePlace {
    /// Input topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

impl LinePlace {
    fn is(&self, topic: &str, partition: i32, offset: i64) -> bool {
        self.offset == offset && self.partition == partition && self.topic == topic
    }
}

impl fmt::Display for LinePlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.topic, self.partition, self.offset)
    }
}

impl FromStr for LinePlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.trim().rsplitn(3, ':');
        let mut next = || parts.next().ok_or(());
        let (offset, partition, topic) = (next()?, next()?, next()?);
        let place = Self {
            topic: topic.to_owned(),
            partition: partition.parse().map_err(|_| ())?,
            offset: offset.parse().map_err(|_| ())?,
        };
        if place.topic.is_empty() || place.partition < 0 || place.offset < 0 { Err(()) } else { Ok(place) }
    }
}

/// What goes on beside the judging of lines: which of them are not to be judged, and where it is seen which one is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside<'b> {
    /// Lines that go out as they came.
    pub(crate) unjudged: &'b [LinePlace],
    /// Offset of the line in hand, [`NO_LINE`] while there is none.
    pub(crate) at_hand: Option<&'b AtomicI64>,
}

/// No line is in hand.
pub(crate) const NO_LINE: i64 = -1;

impl Beside<'_> {
    pub(crate) fn leaves(self, topic: &str, partition: i32, offset: i64) -> bool {
        self.unjudged.iter().any(|place| place.is(topic, partition, offset))
    }

    /// Takes the line at this offset in hand, until what is returned is dropped: also when judging panics.
    pub(crate) fn takes(self, offset: i64) -> impl Drop {
        let in_hand = InHand(self.at_hand);
        if let Some(at_hand) = self.at_hand {
            at_hand.store(offset, Relaxed);
        }
        in_hand
    }
}

struct InHand<'b>(Option<&'b AtomicI64>);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if let Some(at_hand) = self.0 {
            at_hand.store(NO_LINE, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_is_written() {
        let place = LinePlace { topic: "a:b".into(), partition: 3, offset: 1 << 40 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "logs", "logs:1", ":1:2", "logs:-1:2", "logs:1:-2", "logs:1:x", "logs:x:1"] {
            assert_eq!(wrong.parse::<LinePlace>(), Err(()), "{wrong}");
        }
    }
}
