//! Progress of long work, as bars on stderr where that is a terminal, and as nothing where nobody sees it.

use std::io::{IsTerminal, stderr};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

/// Of records of topics.
pub const RECORDS: &str = "{bar:40} {human_pos} of {human_len} records, {per_sec}, {eta} to go";
const BYTES: &str = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go";
/// Smaller files are read before anybody wonders.
const FROM_BYTES: u64 = 32 << 20;

/// For work of this length, 0 where it is not known yet; the template is `indicatif`'s.
#[must_use]
pub fn bar(length: u64, template: &str) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// For reading a file, if it is a big one.
#[must_use]
pub fn bar_of_file(path: &Path) -> ProgressBar {
    match std::fs::metadata(path).map_or(0, |data| data.len()) {
        ..FROM_BYTES => ProgressBar::hidden(),
        bytes => bar(bytes, BYTES),
    }
}
