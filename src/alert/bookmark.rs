//! From where a partition of the matches topic is read again after a restart.

use std::collections::BTreeMap;

/// From where a partition of the matches topic must be read again, and what is known there. It stands in the metadata
/// string of the alert role's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bookmark {
    /// The lowest offset whose line may still change anything; never above `next`.
    pub from: i64,
    /// The offset that is committed: records before it have been told of.
    pub next: i64,
    /// The horizon there, milliseconds since 1970: what ended before it was told to be over; `i64::MIN` while there is none.
    pub horizon: i64,
    /// Event time before which nothing changes any more; never above `horizon`.
    pub floor: i64,
    /// When the group first counted this partition, by the time of day: what was over before is no news. `i64::MIN` when that
    /// is not known, as it was long ago.
    pub began: i64,
}

impl Bookmark {
    /// The first reading of a partition, from this offset on.
    #[must_use]
    pub fn start(next: i64) -> Self {
        Self { from: next, next, horizon: i64::MIN, floor: i64::MIN, began: i64::MIN }
    }

    /// For the metadata string of the commit of `next`.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        let Self { from, next: _, horizon, floor, began } = *self;
        let began = if began == i64::MIN { String::new() } else { format!(" began={began}") };
        format!("from={from} horizon={horizon} floor={floor}{began}")
    }

    /// What stood beside a committed offset; an earlier build told of no floor, as late lines did not count. Of any other text
    /// it is [`Bookmark::start`]: lines before that offset do not count any more.
    #[must_use]
    pub fn from_metadata(next: i64, metadata: &str) -> Self {
        let value = |name: &str| metadata.split(' ').find_map(|word| word.strip_prefix(name)?.parse::<i64>().ok());
        match (value("from="), value("horizon=")) {
            (Some(from), Some(horizon)) => Self {
                from: from.min(next),
                next,
                horizon,
                floor: value("floor=").map_or(horizon, |floor| floor.min(horizon)),
                began: value("began=").unwrap_or(i64::MIN),
            },
            _ => Self::start(next),
        }
    }
}

/// Milliseconds of the times that are kept together.
const STEP: i64 = 60_000;

/// The lowest offset whose match still covers a time ahead, to within a minute of event time.
#[derive(Debug, Default)]
pub(super) struct Lowest(BTreeMap<i64, i64>);

impl Lowest {
    /// The match at this offset covers times before `until`.
    pub(super) fn see(&mut self, offset: i64, until: i64) {
        let lowest = self.0.entry(until.div_euclid(STEP)).or_insert(offset);
        *lowest = offset.min(*lowest);
    }

    /// Forgets what is before the floor.
    pub(super) fn pass(&mut self, floor: i64) {
        self.0 = self.0.split_off(&floor.div_euclid(STEP));
    }

    /// The lowest offset that covers a time from the floor on.
    pub(super) fn of(&self, floor: i64) -> Option<i64> {
        self.0.range(floor.div_euclid(STEP)..).map(|(_, offset)| *offset).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_is_what_its_note_says_and_what_the_build_before_wrote() {
        let bookmark = Bookmark { from: 3, next: 9, horizon: 700, floor: 200, began: 50 };
        assert_eq!(Bookmark::from_metadata(9, &bookmark.to_metadata()), bookmark);
        let bookmark = Bookmark { began: i64::MIN, ..bookmark };
        assert_eq!(Bookmark::from_metadata(9, &bookmark.to_metadata()), bookmark);
        let before = Bookmark::from_metadata(9, "from=3 horizon=700");
        assert_eq!(before, Bookmark { floor: 700, ..bookmark });
        assert_eq!(Bookmark::from_metadata(9, "somebody else's"), Bookmark::start(9));
    }
}
