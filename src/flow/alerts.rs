//! The alert role.

use super::notify;
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
