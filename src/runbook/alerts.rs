//! "Example Alerts": blocks that show the labels and annotations of an alert as it was received.
//!
//! ```text
//! Labels:
//!  - alertname = disks/disk_failures
//!  - severity = "critical"
//! Annotations:
//!  - summary = "3 disks failed in the last 10 minutes"
//! ```

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::liquid::pattern;
use super::{Block, Runbook};

static ITEM: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[-*]?\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$"));

/// An alert that a runbook shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its labels, in order, one pair of quotation marks taken off.
    pub labels: Vec<(String, String)>,
    /// Its annotations, likewise.
    pub annotations: Vec<(String, String)>,
    /// Where the block stands.
    pub span: Range<usize>,
}

impl Shown {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// The alerts of a runbook, in order: its blocks with a line `Labels:` or a label `alertname`.
#[must_use]
pub fn shown(runbook: &Runbook) -> Vec<Shown> {
    runbook.blocks.iter().filter_map(of_block).collect()
}

fn of_block(block: &Block) -> Option<Shown> {
    let mut shown = Shown::default();
    let (mut announced, mut in_annotations) = (false, false);
    for (line, span) in block.text.lines() {
        match line.trim_end_matches(':').to_ascii_lowercase().as_str() {
            "labels" => (announced, in_annotations) = (true, false),
            "annotations" => in_annotations = true,
            _ => {}
        }
        shown.span = if shown.span.is_empty() { span } else { shown.span.start..span.end };
        let Some(item) = ITEM.captures(line) else { continue };
        let text = item[2].trim();
        let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let pair = (item[1].to_owned(), inside.unwrap_or(text).to_owned());
        let list = if in_annotations { &mut shown.annotations } else { &mut shown.labels };
        if !list.iter().any(|(name, _)| *name == pair.0) {
            list.push(pair);
        }
    }
    let is_alert = announced && !shown.labels.is_empty() || shown.label("alertname").is_some();
    is_alert.then_some(shown)
}
