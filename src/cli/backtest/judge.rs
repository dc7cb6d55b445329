//! One pack set at work on the lines: its engine, what sources said, and what its alerts count.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use super::alerts::Counting;
use crate::alert::{self, Alerts};
use crate::cli::feed::{Fed, Spot};
use crate::engine::{Engine, Memory, Outcome};
use crate::telemetry::caught;

/// See the top of the file.
pub struct Judge<'e> {
    /// The packs.
    pub engine: &'e Engine,
    /// What its alerts count.
    pub counting: Counting,
    memory: Memory,
    /// Topic and partition whose memory it is.
    lane: Option<(String, i32)>,
}

impl<'e> Judge<'e> {
    /// Ready for the first line.
    #[must_use]
    pub fn new(engine: &'e Engine, escalation: &alert::Settings) -> Self {
        let counting = Counting::new(Arc::new(Alerts::new(engine, escalation.clone())));
        Self { engine, counting, memory: memory(engine), lane: None }
    }

    /// Judges a line as the daemon does; nothing when the engine failed at it, as the daemon passes such a line on.
    pub fn judge(&mut self, line: &Fed<'_>) -> Option<Outcome> {
        let bytes = line.bytes?;
        if let Spot::Topic { topic, partition, offset, .. } = line.spot {
            if self.lane.as_ref().is_none_or(|(known, number)| known != topic || *number != partition) {
                self.lane = Some((topic.to_owned(), partition));
                self.memory = memory(self.engine);
            }
            self.memory.turn_to(offset);
        }
        let Self { engine, memory, .. } = self;
        caught(AssertUnwindSafe(|| engine.classify_by(bytes, line.writer, memory))).ok()
    }
}

fn memory(engine: &Engine) -> Memory {
    let mut memory = engine.memory();
    memory.count_for_alerts();
    memory
}
