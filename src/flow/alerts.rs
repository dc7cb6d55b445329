//! The alert role.

use super::notify;

/// How alerts are counted and told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Topic of the matches that are counted.
    pub matches: String,
    /// Topic of what fires and what is over.
    pub topic: String,
    /// Whom to tell besides.
    pub notify: notify::Settings,
}
