//! Has this happened too often? Lines in, alerts out, with nothing but event time: no clock, no files, no Kafka.
//!
//! A line that a rule of an alert matched becomes a [`Match`], written to the matches topic under the alert's id and
//! group, so that one partition of that topic holds all there is to count, whichever daemon read the line. [`Windows`] is
//! the counting of one such partition: it reads matches and [`Watermark`]s and gives [`Change`]s.
//!
//! ```text
//! line → Outcome.countable → Alerts::count → Match ─┐ matches topic ┌→ Windows::read → Change → alerts topic, Alertmanager
//!                             Clock::now → Watermark ┘               └→ Windows::bookmark → commit of the alert role
//! ```
//!
//! # Why the same lines always give the same alerts
//!
//! What must not depend on restarts, rebalances, crashes, or on how partitions are mixed, is the set of (alert, group,
//! startsAt, resolved at), as it stands in the end. It depends on nothing but what each input partition holds, because:
//!
//! 1. **How late a line is is told by its own partition alone.** Its [`Clock`] is the largest timestamp of its records so far,
//!    and none is believed on one record's word. A line more than [`LATENESS_MS`] behind it is late, and one further behind than
//!    `lateness` ([`Settings`]) counts nowhere. The clock is committed together with the offset it belongs to, so whoever reads
//!    on judges as the one before would have.
//! 2. **When an alert holds is a property of a set.** A counted line, late or not, covers the times `[t, t + window)`. The alert
//!    holds at the times that enough lines cover; it fires in the longest stretches `[startsAt, resolved at)` of such times. A
//!    set has no order, and a line counts by its place in the input, so neither the mixing nor repeats can change the stretches.
//! 3. **What is told is worked out from all that is known**, each time that something changes. A watermark says that all lines
//!    of its input partition before an offset stand on the matches topic before it, and what the clock is there. The least
//!    clock of all input partitions, less [`LATENESS_MS`], is the *horizon*: no line that is in time will be older. A stretch that
//!    ends before it is over, with its own end and not with the time when that was noticed; the first of the others fires. Before
//!    every input partition has told, there is no horizon: things fire, nothing resolves.
//! 4. **Firing does not wait.** More lines only make stretches longer, earlier and fuller, so an alert fires as soon as enough
//!    lines are there; one that arrives afterwards may move `startsAt` to an earlier time.
//! 5. **Late lines change what was told.** One that makes an alert hold where it did not is told at once. A stretch whose end
//!    moves is told again; one that is joined to an earlier one takes its `startsAt`, and what was told of it is withdrawn. Of
//!    several words on one `startsAt` the one told furthest on the matches topic holds.
//! 6. **`unless` is decided at the horizon.** More lines against can take a stretch away, so such an alert fires when the horizon
//!    has passed its start, by the lines that were in time. A late line against ends it where it stands: it takes what it covers
//!    out of a stretch that began before it, and never takes away the beginning, which somebody may have been told of.
//! 7. **State is what the log says.** Late lines are not older than the *floor*, as far behind the horizon as lines may be late.
//!    Behind it only one thing matters: since when the alert held there (told on the alerts topic). The lines that still cover
//!    times ahead of it are read again, from [`Bookmark::from`].
//!
//! ```text
//!                            floor                                   horizon           clocks
//!    settled for good          │  told, and told otherwise if need be   │  not over yet   │
//! ─────────────────────────────┼────────────────────────────────────────┼─────────────────┼──→ event time
//!                              │◀───────── lateness - 5 min ───────────▶│◀──── 5 min ────▶│
//! ```
//!
//! Two things are decided by the time of day. An input partition in which nothing comes must not hold all others back, so its
//! clock follows real time at a distance, [`Clock::idle`]; and a record from later than now moves no clock, [`Clock::see_by`].
//! Both can make a line late that would not be so in a backlog, which matters to an alert with `unless` only; what is counted is
//! the same, as long as lines are no later than `lateness`.

mod bookmark;
mod change;
mod clock;
mod counting;
mod escalation;
mod event_time;
mod group;
mod held;
mod horizon;
mod late;
mod lengths;
mod meters;
mod record;
mod restored;
pub mod sequence;
mod stretch;
mod sweep;
mod window;

pub use bookmark::Bookmark;
pub use change::{Change, LINES_MAX, State};
pub(crate) use change::{Final, time};
pub use clock::{Clock, IDLE_BEHIND_MS, LATENESS_MS, LEAP_MS};
pub use counting::{Alerts, Counted, Settings};
pub use escalation::{Hours, Wrong};
pub use event_time::{EventTime, Origin, event_time};
pub use lengths::Lengths;
pub use meters::{Limits, Meters};
pub use record::{Match, NO_VALUE, Place, Record, Said, Unreadable, Watermark, partition_of};
pub use window::{Untold, Windows};
