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
//! startsAt, resolved at). It depends on nothing but what each input partition holds, because:
//!
//! 1. **Late or not is told by the line's own partition alone.** Its [`Clock`] is the largest timestamp of its records so
//!    far; a line whose event time is more than [`LATENESS_MS`] behind it is not counted. The clock is committed together
//!    with the offset it belongs to, so whoever reads on judges as the one before would have.
//! 2. **What fires is a property of a set.** A counted line covers the times `[t, t + window)`. The alert holds at the times
//!    that enough lines cover; it fires in the longest stretches `[startsAt, resolved at)` of such times. A set has no
//!    order, and a line counts by its place in the input, so neither the mixing nor repeats can change the stretches.
//! 3. **What is told as over stays over.** A watermark says that all lines of its input partition before an offset stand on
//!    the matches topic before it, and what the clock is there: what that partition counts from then on is not older than
//!    [`LATENESS_MS`] before that clock. The least such bound over all input partitions is the horizon. A stretch that ends
//!    before it is resolved, with its own end and not with the time when that was noticed. Before every input partition has
//!    told, there is no horizon: things fire, nothing resolves.
//! 4. **Firing does not wait.** More lines only make stretches longer, earlier and fuller, so an alert fires as soon as
//!    enough lines are there; one that arrives afterwards may move `startsAt` to an earlier time. With `unless`, more lines
//!    can take a stretch away: then it fires when the horizon has passed its start.
//! 5. **State is what the log says.** Behind the horizon only two things matter: since when the alert holds (its record on
//!    the alerts topic) and the lines that still cover times ahead of it (replayed from [`Bookmark::from`]).
//!
//! The one thing that time decides: an input partition in which nothing comes must not hold all others back, so its clock
//! follows the wall clock at a distance, [`Clock::idle`]. A line that comes to such a partition with a time more than
//! [`LATENESS_MS`] and [`IDLE_BEHIND_MS`] ago is late, whatever it is read as later.

mod bookmark;
mod change;
mod clock;
mod counting;
mod escalation;
mod group;
mod horizon;
mod lengths;
mod meters;
mod record;
pub mod sequence;
mod stretch;
mod window;

pub use bookmark::Bookmark;
pub(crate) use change::time;
pub use change::{Change, LINES_MAX, State};
pub use clock::{Clock, EventTime, IDLE_BEHIND_MS, LATENESS_MS, Origin, event_time};
pub use counting::{Alerts, Counted, Settings};
pub use escalation::{Hours, Wrong};
pub use lengths::Lengths;
pub use meters::{Limits, Meters};
pub use record::{Match, NO_VALUE, Place, Record, Said, Unreadable, Watermark, partition_of};
pub use window::Windows;
