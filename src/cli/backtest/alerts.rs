//! Which alerts would have fired, and when: what the lines of all partitions say, put into the order of event time and run
//! through the windows that the daemons count with. What fires depends on the set of lines alone (see [`crate::alert`]),
//! so this order, which keeps the windows small, gives what a fleet of daemons would have told.

use std::sync::Arc;

use crate::alert::{
    Alerts, Bookmark, Change, Clock, Final, LATENESS_MS, Limits, Match, Origin, Place, Record, Watermark, Windows,
    event_time,
};
use crate::cli::feed::Spot;
use crate::engine::Countable;

/// Matches held, about half a kilobyte each; further ones are counted, and it is said that alerts are not whole.
const MATCHES_MAX: usize = 1_000_000;
/// Groups in the windows at a time, and their bytes: those of a matches topic with twelve partitions.
const LIMITS: Limits = Limits { groups: 12 * 25_000, bytes: 12 * (32 << 20) };
/// Event time between two watermarks.
const STEP_MS: i64 = 60_000;
/// The one input of the windows; places of lines name the real ones.
const INPUT: &str = "";

/// Collects what alerts count.
#[derive(Debug)]
pub struct Counting {
    alerts: Arc<Alerts>,
    found: Vec<Match>,
    /// Of the partition at hand.
    clock: Clock,
    lane: Option<(String, i32)>,
    /// Latest time of a record, or of a line of a file that some alert looks at.
    end: Option<i64>,
    /// The first such time.
    start: Option<i64>,
    /// Matching lines that came too late to be counted.
    pub late: u64,
    /// Matching lines of files that tell no time.
    pub untimed: u64,
    /// Matches that found no room.
    pub dropped: u64,
}

/// An alert that would have fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// What would have been told of it when it was over.
    pub change: Change,
    /// It holds at the end of the range: whether it would have gone on is not known.
    pub open: bool,
}

impl Fired {
    /// What makes it the same alert in another run.
    #[must_use]
    pub fn identity(&self) -> (&str, &[(String, String)], i64, Option<i64>) {
        let Change { alert, group, starts_at, ends_at, .. } = &self.change;
        (alert, group, *starts_at, *ends_at)
    }
}

/// What came of the alerts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replayed {
    /// In the order of `startsAt`.
    pub fired: Vec<Fired>,
    /// First and last event time, milliseconds since 1970.
    pub range: Option<(i64, i64)>,
    /// As in [`Counting`].
    pub late: u64,
    /// As in [`Counting`].
    pub untimed: u64,
    /// Matches and groups that found no room: then alerts are not whole.
    pub dropped: u64,
}

impl Counting {
    pub(super) fn new(alerts: Arc<Alerts>) -> Self {
        let (clock, lane, end, start) = (Clock::default(), None, None, None);
        Self { alerts, found: Vec::new(), clock, lane, end, start, late: 0, untimed: 0, dropped: 0 }
    }

    /// A record of a topic, whatever it holds: its partition's clock sees it.
    pub fn see(&mut self, spot: &Spot<'_>) {
        let Spot::Topic { topic, partition, timestamp_ms, .. } = *spot else { return };
        if self.lane.as_ref().is_none_or(|(known, number)| known != topic || *number != partition) {
            self.lane = Some((topic.to_owned(), partition));
            self.clock = Clock::default();
        }
        self.clock.see(timestamp_ms);
        if timestamp_ms >= 0 {
            self.at(timestamp_ms);
        }
    }

    fn at(&mut self, time: i64) {
        self.start = Some(self.start.map_or(time, |start| start.min(time)));
        self.end = self.end.max(Some(time));
    }

    /// A line that some alert looks at.
    pub fn count(&mut self, line: &Countable, spot: &Spot<'_>) {
        let (place, timestamp_ms, clock) = match *spot {
            Spot::Topic { topic, partition, offset, timestamp_ms } => {
                (Place { topic: topic.to_owned(), partition, offset }, timestamp_ms, self.clock)
            }
            // A file has no clock but its lines, and they may be of many writers: none is late.
            Spot::File { name, number } => {
                let time = event_time(line.time.as_deref(), -1, Clock::default());
                if time.origin != Origin::Line {
                    self.untimed += 1;
                    return;
                }
                self.at(time.at);
                (Place { topic: name.to_owned(), partition: 0, offset: number.cast_signed() }, -1, Clock::default())
            }
        };
        let counted = self.alerts.count(line, &place, timestamp_ms, clock);
        self.late += u64::from(!counted.too_late.is_empty());
        let room = MATCHES_MAX.saturating_sub(self.found.len());
        self.dropped += counted.matches.len().saturating_sub(room) as u64;
        self.found.extend(counted.matches.into_iter().take(room));
    }

    /// Replays all of it.
    #[must_use]
    pub fn replay(mut self) -> Replayed {
        self.found.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.place.cmp(&b.place)));
        let mut windows = Windows::new(Arc::clone(&self.alerts), LIMITS, Bookmark::start(0));
        let (mut offset, mut horizon) = (0, i64::MIN);
        let mut told = Final::default();
        let mut read = |record: Record| {
            windows.read(offset, &record).into_iter().for_each(|change| told.take(change));
            // Nobody goes on from here.
            windows.committed(&windows.bookmark());
            offset += 1;
        };
        for found in self.found {
            if found.at >= horizon.saturating_add(STEP_MS) {
                horizon = found.at;
                read(watermark(horizon.saturating_add(LATENESS_MS)));
            }
            read(Record::Match(found));
        }
        read(watermark(i64::MAX));
        let end = self.end.unwrap_or(i64::MAX);
        let is_open = |change: &Change| change.ends_at.is_some_and(|ends_at| ends_at > end);
        let mut fired: Vec<Fired> =
            told.over().into_iter().map(|change| Fired { open: is_open(&change), change }).collect();
        fired.sort_by(|a, b| {
            let key = |fired: &Fired| (fired.change.starts_at, fired.change.ends_at);
            key(a).cmp(&key(b)).then_with(|| a.change.key().cmp(&b.change.key()))
        });
        let dropped = self.dropped + windows.meters().evicted;
        Replayed { fired, range: self.start.zip(self.end), late: self.late, untimed: self.untimed, dropped }
    }
}

fn watermark(clock: i64) -> Record {
    Record::Watermark(Watermark {
        topic: INPUT.into(),
        partition: 0,
        offset: 0,
        clock,
        inputs: vec![(INPUT.into(), 1)],
    })
}
