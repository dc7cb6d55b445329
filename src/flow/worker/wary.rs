//! What the output topic would refuse a line for, known before the line is sent: from the topic's settings, and from what was
//! refused.
//!
//! ```text
//!     ms ahead of our clock   0 ─────────── told ─────┬───────────── refused
//!                             goes as usual │ alone  half-way │ not sent at all
//! ```
//!
//! Whether a timestamp is too far off is for the broker's clock to say, and ours may be wrong. So the first line beyond what
//! the topic tells goes alone on its way, and spoils nothing: when it is refused, so is surely what is further off, and what is
//! nearer to it than to what is taken; when such lines are taken instead, they are nothing special any more. That is learned
//! anew each minute, as settings and clocks change. Where a topic tells nothing, what was refused tells it.
//!
//! A line without a key on a topic that needs one, and one that stays too large however it is compressed, are known for sure.

use std::io::{self, Write};

use crate::flow::kafka::Code;
use crate::flow::record::{Line, Writer};
use crate::flow::takes::Takes;

/// So many lines that may be refused go alone, and are taken, before they are nothing special.
const LINES: u32 = 20;
/// Where nothing is told: so near to a timestamp that was refused, another may be refused as well.
const SLACK_MS: i64 = 60_000;
/// So near to one it surely is. So much nearer to what is told than clocks and ways differ, it may be.
const NEAR_MS: i64 = 1_000;
/// A refusal is believed for so long.
const BELIEVED_MS: i64 = 60_000;

/// What will become of a line's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlook {
    /// Nothing speaks against it.
    Good,
    /// It may be refused: it should be alone on its way.
    Doubtful(Doubt),
    /// It is surely refused, so.
    Refused(Code),
}

/// For what a record may be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    Ahead,
    Behind,
    Size,
    Keyless,
}

/// See the top of the file.
#[derive(Debug, Default)]
pub(super) struct Wary {
    takes: Takes,
    /// What is sent is not compressed.
    is_plain: bool,
    ahead: Bound,
    behind: Bound,
    /// So many more that may be too large, or have no key, go alone.
    large: u32,
    keyless: u32,
}

/// How far a timestamp may be off in one direction, milliseconds.
#[derive(Debug, Default)]
struct Bound {
    /// By the topic's settings; nothing where there is no limit, or none is told.
    told: Option<i64>,
    /// One was taken that was so far off, beyond what is told.
    taken: Option<i64>,
    /// From so far off on records are refused, as one was at this time.
    refused: Option<(i64, i64)>,
    /// So many more go alone.
    tries: u32,
}

impl Bound {
    fn new(told: Option<i64>) -> Self {
        Self { told: told.filter(|told| *told != i64::MAX), taken: None, refused: None, tries: LINES }
    }

    /// So far off records are taken for all that is known.
    fn edge(&self) -> Option<i64> {
        self.told.max(self.taken)
    }

    fn believed(&self, now_ms: i64) -> Option<i64> {
        self.refused.filter(|(_, at_ms)| now_ms - at_ms < BELIEVED_MS).map(|(from, _)| from)
    }

    fn outlook(&self, off_ms: i64, doubt: Doubt, now_ms: i64) -> Outlook {
        if self.believed(now_ms).is_some_and(|from| off_ms >= from) {
            return Outlook::Refused(Code::InvalidTimestamp);
        }
        let near = |edge| edge - NEAR_MS;
        let edge = self.told.and(self.edge()).map(near).or_else(|| self.refused.map(|(from, _)| from - SLACK_MS));
        let is_doubtful = self.tries > 0 && edge.is_some_and(|edge| off_ms > edge);
        if is_doubtful { Outlook::Doubtful(doubt) } else { Outlook::Good }
    }

    /// One was refused that was so far off.
    fn learn(&mut self, off_ms: i64, now_ms: i64) {
        self.taken = self.taken.filter(|taken| *taken < off_ms);
        let from = match self.edge() {
            Some(edge) if edge < off_ms => edge + (off_ms - edge) / 2,
            _ => off_ms - NEAR_MS,
        };
        let from = self.believed(now_ms).map_or(from, |before| before.min(from));
        self.refused = Some((from, now_ms));
        self.tries = LINES;
    }

    /// One was taken that was so far off.
    fn is_taken(&mut self, off_ms: i64) {
        if self.told.is_some_and(|told| off_ms > told) {
            self.taken = self.taken.max(Some(off_ms));
        }
    }
}

impl Wary {
    /// The topic tells what it takes. `is_plain`: records are not compressed.
    pub(super) fn told(&mut self, takes: Takes, is_plain: bool) {
        if takes == self.takes && is_plain == self.is_plain {
            return;
        }
        let large = if takes.bytes.is_some() { LINES } else { self.large };
        let (ahead, behind) = (Bound::new(takes.after_ms), Bound::new(takes.before_ms));
        *self = Self { takes, is_plain, ahead, behind, large, keyless: self.keyless };
    }

    /// A record was refused when it was alone.
    pub(super) fn learn(&mut self, code: Code, timestamp_ms: i64, has_key: bool, now_ms: i64) {
        match code {
            Code::InvalidTimestamp if timestamp_ms > now_ms => self.ahead.learn(timestamp_ms - now_ms, now_ms),
            Code::InvalidTimestamp => self.behind.learn(now_ms - timestamp_ms, now_ms),
            Code::InvalidRecord | Code::InvalidMessage if has_key => {}
            Code::InvalidRecord | Code::InvalidMessage => self.keyless = LINES,
            _ => self.large = LINES,
        }
    }

    /// A record was taken that might have been refused.
    pub(super) fn is_taken(&mut self, timestamp_ms: i64, now_ms: i64) {
        self.ahead.is_taken(timestamp_ms - now_ms);
        self.behind.is_taken(now_ms - timestamp_ms);
    }

    /// What will become of the record of a line, which is judged by what it is now.
    pub(super) fn outlook(&self, writer: &Writer, line: &Line<'_>, now_ms: i64) -> Outlook {
        if line.key.is_none() && (self.takes.needs_key || self.keyless > 0) {
            let is_sure = self.takes.needs_key;
            return if is_sure { Outlook::Refused(Code::InvalidRecord) } else { Outlook::Doubtful(Doubt::Keyless) };
        }
        let size = self.size(writer, line);
        if size != Outlook::Good || line.timestamp_ms < 0 {
            return size;
        }
        match line.timestamp_ms - now_ms {
            off_ms @ 1.. => self.ahead.outlook(off_ms, Doubt::Ahead, now_ms),
            off_ms => self.behind.outlook(-off_ms, Doubt::Behind, now_ms),
        }
    }

    fn size(&self, writer: &Writer, line: &Line<'_>) -> Outlook {
        // What headers are is looked at only where they may matter.
        let Some(bytes) = self.takes.bytes else {
            let is_doubtful = self.large > 0 && writer.is_risky(line);
            return if is_doubtful { Outlook::Doubtful(Doubt::Size) } else { Outlook::Good };
        };
        if line.value.map_or(0, <[u8]>::len) <= bytes / 2 || !writer.is_risky(line) {
            return Outlook::Good;
        }
        match (is_too_large(line, bytes, self.is_plain), self.large) {
            (true, _) => Outlook::Refused(Code::MessageSizeTooLarge),
            (false, 0) => Outlook::Good,
            (false, _) => Outlook::Doubtful(Doubt::Size),
        }
    }

    /// One more of them is tried; when it is refused, that is learned anew.
    pub(super) fn tries(&mut self, doubt: Doubt) {
        let left = match doubt {
            Doubt::Ahead => &mut self.ahead.tries,
            Doubt::Behind => &mut self.behind.tries,
            Doubt::Size => &mut self.large,
            Doubt::Keyless => &mut self.keyless,
        };
        *left = left.saturating_sub(1);
    }
}

/// Whether a line is surely larger than a topic takes that takes so many bytes, compressed or not.
pub(super) fn is_too_large(line: &Line<'_>, bytes: usize, is_plain: bool) -> bool {
    let value = line.value.unwrap_or_default();
    let is_large = line.bytes() > bytes;
    is_large && (is_plain || line.bytes() - value.len() + least_bytes(value) > bytes)
}

/// Bytes that no compression makes fewer of a value, more or less: what a good one makes of it, and a quarter less.
fn least_bytes(value: &[u8]) -> usize {
    struct Count(usize);

    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    match zstd::stream::copy_encode(value, &mut count, 1) {
        Ok(()) => count.0 / 4 * 3,
        // Nothing is known then.
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::record::test_line;
    use crate::flow::test_settings;

    const NOW: i64 = 1_800_000_000_000;
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    const REFUSED: Outlook = Outlook::Refused(Code::InvalidTimestamp);
    const AHEAD: Outlook = Outlook::Doubtful(Doubt::Ahead);
    const BEHIND: Outlook = Outlook::Doubtful(Doubt::Behind);

    fn at(wary: &Wary, off_ms: i64, now_ms: i64) -> Outlook {
        let writer = Writer::new(&test_settings().output, 1 << 20, 1, 1);
        wary.outlook(&writer, &Line { timestamp_ms: now_ms + off_ms, ..test_line(1, Some(b"{}")) }, now_ms)
    }

    fn told(before_ms: i64, after_ms: i64) -> Wary {
        let mut wary = Wary::default();
        wary.told(Takes { before_ms: Some(before_ms), after_ms: Some(after_ms), ..Takes::default() }, false);
        wary
    }

    #[test]
    fn what_a_topic_tells_is_tried_once_and_then_believed() {
        let mut wary = told(i64::MAX, HOUR);
        assert_eq!(at(&wary, HOUR - 2 * NEAR_MS, NOW), Outlook::Good);
        assert_eq!([HOUR, 2 * DAY].map(|off| at(&wary, off, NOW)), [AHEAD; 2]);
        assert_eq!(at(&wary, -900 * DAY, NOW), Outlook::Good, "there is no limit");
        wary.learn(Code::InvalidTimestamp, NOW + 2 * DAY, true, NOW);
        assert_eq!([3 * DAY, 2 * DAY, 25 * HOUR].map(|off| at(&wary, off, NOW)), [REFUSED; 3]);
        assert_eq!(at(&wary, 24 * HOUR, NOW), AHEAD, "nearer to what is told than to what was refused");
        assert_eq!(at(&wary, HOUR / 2, NOW), Outlook::Good);
        assert_eq!(at(&wary, 2 * DAY, NOW + BELIEVED_MS), AHEAD, "after a while it is tried again");
    }

    #[test]
    fn lines_that_come_nearer_and_nearer_are_tried_a_few_times() {
        let mut wary = told(DAY, HOUR);
        let mut tried = 0;
        // A backlog whose oldest lines are 40 days old.
        for off_ms in (DAY..40 * DAY).rev().step_by(10_000) {
            match at(&wary, -off_ms, NOW) {
                Outlook::Doubtful(doubt) => {
                    wary.tries(doubt);
                    wary.learn(Code::InvalidTimestamp, NOW - off_ms, true, NOW);
                    tried += 1;
                }
                other => assert_eq!(other, REFUSED),
            }
        }
        assert!((10..20).contains(&tried), "{tried}");
    }

    #[test]
    fn a_clock_of_ours_that_is_wrong_condemns_nothing() {
        let mut wary = told(i64::MAX, HOUR);
        for _ in 0..LINES {
            assert_eq!(at(&wary, 2 * HOUR, NOW), AHEAD);
            wary.tries(Doubt::Ahead);
            wary.is_taken(NOW + 2 * HOUR - NEAR_MS, NOW);
        }
        wary.learn(Code::InvalidTimestamp, NOW + 4 * HOUR, true, NOW);
        assert_eq!(at(&wary, 3 * HOUR, NOW), REFUSED, "half-way from what was taken to what was refused");
        assert_eq!(at(&wary, 3 * HOUR - 2 * NEAR_MS, NOW), AHEAD);
        (0..LINES).for_each(|_| wary.tries(Doubt::Ahead));
        assert_eq!(at(&wary, 2 * HOUR, NOW), Outlook::Good, "the broker takes them");
        wary.told(Takes { after_ms: Some(2 * HOUR), ..Takes::default() }, false);
        assert_eq!(at(&wary, 3 * HOUR, NOW), AHEAD, "something else is told");
    }

    #[test]
    fn where_nothing_is_told_what_was_refused_tells_it() {
        let mut wary = Wary::default();
        assert_eq!(at(&wary, 9 * DAY, NOW), Outlook::Good);
        wary.learn(Code::InvalidTimestamp, NOW + 2 * DAY, true, NOW);
        assert_eq!([2 * DAY, 9 * DAY].map(|off| at(&wary, off, NOW)), [REFUSED; 2]);
        assert_eq!(at(&wary, 2 * DAY - SLACK_MS / 2, NOW), AHEAD);
        assert_eq!([DAY, -9 * DAY].map(|off| at(&wary, off, NOW)), [Outlook::Good; 2]);
        wary.learn(Code::InvalidTimestamp, NOW - 8 * DAY, true, NOW);
        assert_eq!((at(&wary, -9 * DAY, NOW), at(&wary, 0, NOW)), (REFUSED, Outlook::Good));
        let later = NOW + BELIEVED_MS;
        assert_eq!(at(&wary, -9 * DAY, later), BEHIND);
        (0..LINES).for_each(|_| wary.tries(Doubt::Behind));
        assert_eq!(at(&wary, -9 * DAY, later), Outlook::Good, "the topic takes them now");
    }

    #[test]
    fn a_line_without_a_key_is_doubtful_only_after_one_was_refused() {
        let writer = Writer::new(&test_settings().output, 1 << 20, 1, 1);
        let mut wary = Wary::default();
        let line = Line { timestamp_ms: NOW, ..test_line(1, Some(b"{}")) };
        wary.learn(Code::InvalidRecord, NOW, true, NOW);
        assert_eq!(wary.outlook(&writer, &line, NOW), Outlook::Good);
        wary.learn(Code::InvalidRecord, NOW, false, NOW);
        assert_eq!(wary.outlook(&writer, &line, NOW), Outlook::Doubtful(Doubt::Keyless));
        assert_eq!(wary.outlook(&writer, &Line { key: Some(b"k"), ..line }, NOW), Outlook::Good);
        wary.told(Takes { needs_key: true, ..Takes::default() }, false);
        assert_eq!(wary.outlook(&writer, &line, NOW), Outlook::Refused(Code::InvalidRecord));
    }

    #[test]
    fn what_stays_too_large_however_it_is_compressed_is_surely_refused() {
        let writer = Writer::new(&test_settings().output, 3000, 1, 1);
        let noise: Vec<u8> = (0..9000).map(|n: u64| ((n * n * 2_654_435_761) >> 13) as u8).collect();
        let (noise, same): (&'static [u8], &'static [u8]) = (noise.leak(), &[b'x'; 9000]);
        let outlook = |value, is_plain| {
            let mut wary = Wary::default();
            wary.told(Takes { bytes: Some(3000), ..Takes::default() }, is_plain);
            wary.outlook(&writer, &Line { timestamp_ms: NOW, ..test_line(1, Some(value)) }, NOW)
        };
        let refused = Outlook::Refused(Code::MessageSizeTooLarge);
        assert_eq!((outlook(noise, false), outlook(noise, true)), (refused, refused));
        assert_eq!(outlook(same, true), refused);
        assert_eq!(outlook(same, false), Outlook::Doubtful(Doubt::Size), "compressed it may fit");
        assert_eq!(outlook(b"{}", true), Outlook::Good);
    }
}
