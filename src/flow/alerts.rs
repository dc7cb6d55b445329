//! The alert role: matches in, what fires and what is over out.
//!
//! A counter (`counter`) is a member of a group of its own, `<group>-alerts`, which shares the partitions of the
//! matches topic. Each partition has its windows (`lane`); what they tell goes to the alerts topic before the offset
//! behind it is committed, in one transaction or before it (`settle`), and only then to Alertmanagers and to whoever asks
//! over HTTP (`view`). No state is kept anywhere else: what was committed says from where to read again, silently, and
//! the alerts topic says what fires.

pub(crate) mod counter;
mod found_late;
mod lane;
mod lately;
pub(crate) mod meters;
mod settle;
mod stored;
mod view;

pub(crate) use lane::KEY_BYTES;
pub(crate) use lately::LATELY_BYTES;
pub use stored::{Told, lines, told};
pub use view::{Cursor, Page, View};
pub(crate) use view::{PAGE_BYTES, PAGE_MAX, PAGES_MAX};

use super::{Lines, Output, notify};
use crate::alert;

/// How alerts are counted and told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Topic of the matches that are counted.
    pub matches: String,
    /// Topic of what fires and what is over.
    pub topic: String,
    /// What alerts are told besides the packs.
    pub counting: alert::Settings,
    /// Bounds of what is counted, for each partition of the matches topic.
    pub limits: alert::Limits,
    /// Whom to tell besides.
    pub notify: notify::Settings,
}

/// Says what is kept for lines that come late.
pub(crate) fn tell_what_is_kept(settings: &Settings, partitions: i32) {
    let minutes = settings.counting.lateness_ms / 60_000;
    tracing::info!(
        lateness_minutes = minutes,
        memory_mib = settings.limits.bytes >> 20,
        partitions,
        "lines up to so late are counted: matches are kept on {}, and read again by whoever takes a partition over, as far \
         back as that and the window of their alert; groups live as long, within the memory of each partition",
        settings.matches
    );
}

/// What the role is told, where a worker is told of lines: it reads the matches and writes the alerts, which are its
/// state too, in a group of its own.
pub(crate) fn settings(settings: &super::Settings, alerts: &Settings) -> super::Settings {
    let mut role = settings.clone();
    role.kafka.group_id = format!("{}-alerts", settings.kafka.group_id);
    role.input.topics = vec![alerts.matches.clone()];
    role.output = Output { topic: alerts.topic.clone(), lines: Lines::Matched, ..role.output };
    role.state = Some(alerts.topic.clone());
    role.dead_letter = None;
    role.alerts = None;
    role
}
