//! Words for levels that only one house knows.

use std::collections::BTreeMap;

use super::bare::bare;
use super::severity::{Level, Reading};
use super::words;

/// What a house's own words, numbers and letters mean, whatever the scale; they come before all others. Case is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra(BTreeMap<String, Reading>);

/// Not a word of the scale, nor one for having no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchLevel;

impl Extra {
    /// From now on `name` means what `meaning` does: `trace`, `debug`, `info`, `warn`, `error`, `fatal`, or `none` for no
    /// level. A name that was there means the new thing.
    ///
    /// # Errors
    /// When `meaning` is none of these.
    pub fn add(&mut self, name: &str, meaning: &str) -> Result<(), NoSuchLevel> {
        let reading = match meaning {
            "none" => Reading::NoLevel,
            word => Reading::Level(Level::named(word).ok_or(NoSuchLevel)?),
        };
        self.0.insert(bare(name).to_lowercase(), reading);
        Ok(())
    }

    /// What a name means; nothing when it is not among them.
    pub(super) fn read(&self, bare: &str) -> Option<Reading> {
        if self.0.is_empty() || bare.len() > words::LONGEST {
            return None;
        }
        self.0.get(&bare.to_lowercase()).copied()
    }
}
