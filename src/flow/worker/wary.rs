//! What the last culprits were like: for a while, lines like them are each alone on their way from the beginning, so that
//! one which is refused is known at once, and spoils nothing.

use crate::flow::kafka::Code;
use crate::flow::record::{Line, Writer};

/// After each refusal, so many lines like it.
const LINES: u32 = 100;
/// A timestamp this near to one that was refused may be refused as well: clocks go on, and differ.
const SLACK_MS: i64 = 60_000;

/// See the top of the file.
#[derive(Debug, Default)]
pub(super) struct Wary {
    /// So many more.
    lines: u32,
    /// Those that may be too large.
    size: bool,
    /// Those without a key.
    keyless: bool,
    /// Those whose timestamp is so far ahead of now, or behind it, milliseconds.
    ahead: Option<i64>,
    behind: Option<i64>,
}

impl Wary {
    /// A record was refused when it was alone.
    pub(super) fn learn(&mut self, code: Code, timestamp_ms: i64, has_key: bool, now_ms: i64) {
        self.lines = LINES;
        match code {
            Code::InvalidTimestamp => {
                let ahead = timestamp_ms - now_ms;
                let (known, off) = if ahead > 0 { (&mut self.ahead, ahead) } else { (&mut self.behind, -ahead) };
                *known = Some(known.map_or(off, |known| known.min(off)));
            }
            Code::InvalidRecord | Code::InvalidMessage => self.keyless |= !has_key,
            _ => self.size = true,
        }
    }

    /// Whether a line may be refused for what it is.
    pub(super) fn suspects(&self, writer: &Writer, line: &Line<'_>, now_ms: impl Fn() -> i64) -> bool {
        self.lines > 0
            && ((self.size && writer.is_risky(line))
                || (self.keyless && line.key.is_none())
                || ((self.ahead.is_some() || self.behind.is_some()) && self.is_off(line.timestamp_ms - now_ms())))
    }

    fn is_off(&self, ahead: i64) -> bool {
        self.ahead.is_some_and(|least| ahead >= least - SLACK_MS)
            || self.behind.is_some_and(|least| -ahead >= least - SLACK_MS)
    }

    /// One more of them is tried; when it is refused, that is learned anew.
    pub(super) fn tries(&mut self) {
        self.lines = self.lines.saturating_sub(1);
        if self.lines == 0 {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::record::test_line;
    use crate::flow::test_settings;

    const NOW: i64 = 1_800_000_000_000;
    const DAY: i64 = 86_400_000;

    #[test]
    fn a_timestamp_as_far_off_as_a_refused_one_is_suspicious() {
        let writer = Writer::new(&test_settings().output, 1 << 20, 1, 1);
        let mut wary = Wary::default();
        let suspects = |wary: &Wary, timestamp_ms| {
            wary.suspects(&writer, &Line { timestamp_ms, ..test_line(1, Some(b"{}")) }, || NOW)
        };
        assert!(!suspects(&wary, NOW + 9 * DAY));
        wary.learn(Code::InvalidTimestamp, NOW + 2 * DAY, true, NOW);
        assert!(suspects(&wary, NOW + 2 * DAY) && suspects(&wary, NOW + 9 * DAY));
        assert!(!suspects(&wary, NOW + DAY) && !suspects(&wary, NOW - 9 * DAY));
        wary.learn(Code::InvalidTimestamp, NOW - 8 * DAY, true, NOW);
        assert!(suspects(&wary, NOW - 9 * DAY) && !suspects(&wary, NOW));
        (0..LINES).for_each(|_| wary.tries());
        assert!(!suspects(&wary, NOW + 9 * DAY), "the topic takes them now");
    }

    #[test]
    fn a_line_without_a_key_is_suspicious_only_after_one_was_refused() {
        let writer = Writer::new(&test_settings().output, 1 << 20, 1, 1);
        let mut wary = Wary::default();
        let line = test_line(1, Some(b"{}"));
        wary.learn(Code::InvalidRecord, NOW, true, NOW);
        assert!(!wary.suspects(&writer, &line, || NOW));
        wary.learn(Code::InvalidRecord, NOW, false, NOW);
        assert!(wary.suspects(&writer, &line, || NOW));
        assert!(!wary.suspects(&writer, &Line { key: Some(b"k"), ..line }, || NOW));
    }
}
