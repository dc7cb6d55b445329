//! Which lines of one partition are still on their way, and how far everything is done.
//!
//! Every line that is read opens a ticket; the acknowledgement of its record (or the decision that it has none) spends
//! it. Acknowledgements come in any order, so what may be committed is the offset after the longest run of settled
//! lines from the front, never after the last one acknowledged:
//!
//! ```text
//! offsets seen   10   11   14   15        (12 and 13 were compacted away)
//! settled        yes  yes  no   yes       commit 12; once 14 is settled, commit 16
//! ```
//!
//! A line can have more than one record on its way (its own, and what its source said); it is settled when the last of
//! them is. A line that has no record at all is settled before the next one is opened: while an older line is waited for,
//! it is added to the line before it and takes no place of its own. The ledger also counts what a crash would repeat: lines
//! whose record was handed to the output and whose offset is not committed yet.
//!
//! It knows nothing of Kafka, of time, or of what a line is.

use std::collections::VecDeque;

/// Bits of a packed ticket that count lines; the rest names the lane. 2^44 lines are a year at half a million a second.
const LINE_BITS: u32 = 44;
const _: () = assert!(usize::BITS == 64, "a ticket travels in a pointer of 64 bits");
/// Lanes are numbered anew for every assignment of a partition; the numbers come round after a million assignments.
pub(crate) const LANES: u32 = NOBODY;
/// The lane of records that no line waits for.
const NOBODY: u32 = (1 << (usize::BITS - LINE_BITS)) - 1;

/// The right to settle one record of a line, once. Not `Clone`; through a C library it travels as a number, which is why a ledger
/// also checks at run time that no ticket is spent twice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    lane: u32,
    line: u64,
}

impl Ticket {
    /// As a number that a C library can carry.
    pub(crate) fn pack(self) -> usize {
        (self.lane as usize) << LINE_BITS | self.line as usize
    }

    /// Back from [`Ticket::pack`].
    pub(crate) fn unpack(packed: usize) -> Self {
        Self { lane: (packed >> LINE_BITS) as u32, line: (packed & ((1 << LINE_BITS) - 1)) as u64 }
    }

    /// For a record that no line waits for.
    pub(crate) fn nobodys() -> Self {
        Self { lane: NOBODY, line: 0 }
    }

    /// Whether it is from [`Ticket::nobodys`].
    pub(crate) fn is_nobodys(&self) -> bool {
        self.lane == NOBODY
    }

    /// The lane that opened it.
    pub(crate) fn lane(&self) -> u32 {
        self.lane
    }
}

/// The ticket was spent before, or is another ledger's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spent;

/// One line on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Offset in the input partition.
    pub(crate) offset: i64,
    /// The record's timestamp, milliseconds since 1970; negative when it has none.
    pub(crate) timestamp_ms: i64,
    /// Of this line and those without records that were added to it: the last offset, that of what is no line behind them
    /// included, and the largest timestamp.
    through: i64,
    latest_ms: i64,
    /// Tickets not spent.
    open: u32,
    /// It is on the output, or on its way there.
    published: bool,
    /// It has had tickets for further records.
    shared: bool,
}

impl Entry {
    fn is_settled(&self) -> bool {
        self.open == 0
    }

    fn has_had_no_record(&self) -> bool {
        self.is_settled() && !self.published && !self.shared
    }
}

/// The open lines of one assignment of one partition.
#[derive(Debug)]
pub(crate) struct Ledger {
    lane: u32,
    /// Number of the line at the front of `ring`.
    front: u64,
    /// From the oldest unsettled line on; its front is never settled.
    ring: VecDeque<Entry>,
    last_seen: Option<i64>,
    mark: Option<i64>,
    unsettled: usize,
    /// Of the lines in `ring`, those published.
    published: usize,
    /// Of the lines before `ring` that are not committed, those published.
    uncommitted: usize,
    /// The largest timestamp of the lines before `ring`; negative while there is none.
    settled_ms: i64,
}

impl Ledger {
    /// An empty one. `lane` must be below [`LANES`] and differ from those whose acknowledgements may still come in.
    pub(crate) fn new(lane: u32) -> Self {
        debug_assert!(lane < LANES);
        Self {
            lane,
            front: 0,
            ring: VecDeque::new(),
            last_seen: None,
            mark: None,
            unsettled: 0,
            published: 0,
            uncommitted: 0,
            settled_ms: -1,
        }
    }

    /// The number given to [`Ledger::new`].
    pub(crate) fn lane(&self) -> u32 {
        self.lane
    }

    /// Opens the line at `offset`. `None` when this or a later offset was opened before: such a line is a repeat, whose
    /// fate the first opening decides.
    pub(crate) fn open(&mut self, offset: i64, timestamp_ms: i64) -> Option<Ticket> {
        if self.last_seen.is_some_and(|last| offset <= last) {
            return None;
        }
        self.last_seen = Some(offset);
        let line = self.front + self.ring.len() as u64;
        self.ring.push_back(Entry {
            offset,
            timestamp_ms,
            through: offset,
            latest_ms: timestamp_ms,
            open: 1,
            published: false,
            shared: false,
        });
        self.unsettled += 1;
        Some(Ticket { lane: self.lane, line: line & ((1 << LINE_BITS) - 1) })
    }

    /// No line but those opened so far stands before `end`.
    pub(crate) fn reach(&mut self, end: i64) {
        let last = end - 1;
        if self.last_seen.is_some_and(|seen| last <= seen) {
            return;
        }
        self.last_seen = Some(last);
        match self.ring.back_mut() {
            Some(entry) => entry.through = last,
            None => self.mark = Some(last),
        }
    }

    /// The line opened last counts with this time for [`Ledger::settled_ms`], not with its own timestamp.
    pub(crate) fn counts_as(&mut self, latest_ms: i64) {
        if let Some(last) = self.ring.back_mut() {
            last.latest_ms = latest_ms;
        }
    }

    /// Another ticket for the same line, for a further record of it.
    pub(crate) fn share(&mut self, ticket: &Ticket) -> Result<Ticket, Spent> {
        let entry = self.entry_mut(ticket).filter(|entry| !entry.is_settled()).ok_or(Spent)?;
        entry.open += 1;
        entry.shared = true;
        Ok(Ticket { lane: ticket.lane, line: ticket.line })
    }

    /// The line's record was handed to the output: a crash before its offset is committed would repeat it.
    pub(crate) fn publish(&mut self, ticket: &Ticket) {
        let newly = self.entry_mut(ticket).is_some_and(|entry| !std::mem::replace(&mut entry.published, true));
        self.published += usize::from(newly);
    }

    /// Spends a ticket and tells which line it was.
    pub(crate) fn settle(&mut self, ticket: Ticket) -> Result<Entry, Spent> {
        let entry = self.entry_mut(&ticket).filter(|entry| !entry.is_settled()).ok_or(Spent)?;
        entry.open -= 1;
        let entry = *entry;
        self.unsettled -= usize::from(entry.is_settled());
        if self.ring.back() == Some(&entry) && self.ring.len() > 1 && entry.has_had_no_record() {
            // No other ticket of this line was ever made, so its number can be given to the next one.
            self.ring.pop_back();
            if let Some(before) = self.ring.back_mut() {
                before.through = entry.through;
                before.latest_ms = before.latest_ms.max(entry.latest_ms);
            }
            return Ok(entry);
        }
        while let Some(done) = self.ring.front().copied().filter(Entry::is_settled) {
            self.mark = Some(done.through);
            self.settled_ms = self.settled_ms.max(done.latest_ms);
            self.published -= usize::from(done.published);
            self.uncommitted += usize::from(done.published);
            self.ring.pop_front();
            self.front += 1;
        }
        Ok(entry)
    }

    /// The group has a mark up to which `lines` of those that [`Ledger::uncommitted`] counted had been published.
    pub(crate) fn committed(&mut self, lines: usize) {
        self.uncommitted = self.uncommitted.saturating_sub(lines);
    }

    /// Lines published and settled that the next commit covers.
    pub(crate) fn uncommitted(&self) -> usize {
        self.uncommitted
    }

    /// Lines that a crash at this moment would repeat, at most.
    pub(crate) fn repeatable(&self) -> usize {
        self.published + self.uncommitted
    }

    /// The line that a ticket stands for, while it is open.
    pub(crate) fn entry(&mut self, ticket: &Ticket) -> Option<Entry> {
        self.entry_mut(ticket).copied()
    }

    fn entry_mut(&mut self, ticket: &Ticket) -> Option<&mut Entry> {
        // A line number below the front wraps to an index that no ring has.
        let index = ticket.line.wrapping_sub(self.front) & ((1 << LINE_BITS) - 1);
        (ticket.lane == self.lane).then(|| self.ring.get_mut(index as usize)).flatten()
    }

    /// What to commit: the offset before which nothing is open, behind the last line and what is no line behind it. `None`
    /// until a line is settled, or it is known that there is none.
    pub(crate) fn commit(&self) -> Option<i64> {
        self.mark.map(|offset| offset + 1)
    }

    /// The largest time of the lines before [`Ledger::commit`], negative when none of them has one.
    pub(crate) fn settled_ms(&self) -> i64 {
        self.settled_ms
    }

    /// The last offset opened, or known to be no line.
    pub(crate) fn last_seen(&self) -> Option<i64> {
        self.last_seen
    }

    /// Lines opened and not settled.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Lines from the oldest unsettled one on, settled ones among them if they had records: what the ledger holds in memory.
    pub(crate) fn span(&self) -> usize {
        self.ring.len()
    }

    /// The oldest line that is not settled.
    pub(crate) fn oldest(&self) -> Option<Entry> {
        self.ring.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commits_only_behind_an_unbroken_run() {
        let mut ledger = Ledger::new(3);
        let mut tickets: Vec<_> = [10, 11, 14, 15].map(|offset| ledger.open(offset, 0)).into_iter().collect();
        let last = tickets.pop().flatten().unwrap();
        let third = tickets.pop().flatten().unwrap();
        ledger.settle(last).unwrap();
        assert_eq!(ledger.commit(), None);
        for ticket in tickets {
            ledger.settle(ticket.unwrap()).unwrap();
        }
        assert_eq!((ledger.commit(), ledger.unsettled()), (Some(12), 1));
        assert_eq!(ledger.oldest().unwrap().offset, 14);
        ledger.settle(third).unwrap();
        assert_eq!((ledger.commit(), ledger.unsettled()), (Some(16), 0));
    }

    #[test]
    fn a_ticket_is_spent_once_and_only_where_it_was_opened() {
        let mut ledger = Ledger::new(1);
        let packed = ledger.open(5, 0).unwrap().pack();
        let _open = ledger.open(6, 0).unwrap();
        assert!(ledger.settle(Ticket::unpack(packed)).is_ok());
        assert_eq!(ledger.settle(Ticket::unpack(packed)), Err(Spent));
        let mut other = Ledger::new(2);
        other.open(5, 0).unwrap();
        assert_eq!(other.settle(Ticket::unpack(packed)), Err(Spent));
        assert_eq!(ledger.settle(Ticket { lane: 1, line: 77 }), Err(Spent));
    }

    #[test]
    fn a_line_is_settled_when_all_its_records_are() {
        let mut ledger = Ledger::new(0);
        let line = ledger.open(7, 0).unwrap();
        let state = ledger.share(&line).unwrap();
        ledger.settle(line).unwrap();
        assert_eq!((ledger.commit(), ledger.unsettled()), (None, 1));
        let packed = state.pack();
        ledger.settle(Ticket::unpack(packed)).unwrap();
        assert_eq!((ledger.commit(), ledger.unsettled()), (Some(8), 0));
        assert_eq!(ledger.settle(Ticket::unpack(packed)), Err(Spent));
        assert_eq!(ledger.share(&Ticket::unpack(packed)), Err(Spent));
    }

    #[test]
    fn what_a_crash_would_repeat_is_counted() {
        let mut ledger = Ledger::new(0);
        let tickets = [1, 2, 3, 4].map(|offset| ledger.open(offset, 0).unwrap());
        for ticket in &tickets[..3] {
            ledger.publish(ticket);
            ledger.publish(ticket);
        }
        assert_eq!((ledger.repeatable(), ledger.uncommitted()), (3, 0));
        let [first, second, ..] = tickets;
        ledger.settle(second).unwrap();
        assert_eq!((ledger.repeatable(), ledger.uncommitted()), (3, 0));
        ledger.settle(first).unwrap();
        assert_eq!((ledger.repeatable(), ledger.uncommitted()), (3, 2));
        ledger.committed(2);
        assert_eq!((ledger.repeatable(), ledger.uncommitted()), (1, 0));
    }

    #[test]
    fn lines_without_records_take_no_place() {
        let mut ledger = Ledger::new(0);
        let first = ledger.open(1, 10).unwrap();
        ledger.publish(&first);
        for offset in 2..100 {
            let line = ledger.open(offset, 1000 - offset).unwrap();
            assert_eq!(ledger.settle(line).unwrap().offset, offset);
        }
        assert_eq!((ledger.span(), ledger.unsettled(), ledger.commit()), (1, 1, None));
        let second = ledger.open(100, 20).unwrap();
        let state = ledger.share(&second).unwrap();
        ledger.settle(state).unwrap();
        ledger.settle(second).unwrap();
        assert_eq!((ledger.span(), ledger.unsettled()), (2, 1), "its record may be heard of again");
        ledger.settle(first).unwrap();
        assert_eq!((ledger.span(), ledger.commit(), ledger.settled_ms()), (0, Some(101), 998));
    }

    #[test]
    fn an_offset_seen_before_opens_nothing() {
        let mut ledger = Ledger::new(0);
        assert!(ledger.open(7, 0).is_some());
        assert!(ledger.open(7, 0).is_none());
        assert!(ledger.open(6, 0).is_none());
        assert!(ledger.open(8, 0).is_some());
    }

    #[test]
    fn what_is_no_line_is_committed_behind_the_lines_before_it() {
        let mut ledger = Ledger::new(0);
        ledger.reach(3);
        assert_eq!((ledger.commit(), ledger.last_seen(), ledger.settled_ms()), (Some(3), Some(2), -1));
        assert!(ledger.open(2, 0).is_none(), "it is known to be no line");
        let first = ledger.open(3, 10).unwrap();
        ledger.publish(&first);
        let left_out = ledger.open(4, 20).unwrap();
        ledger.settle(left_out).unwrap();
        ledger.reach(7);
        ledger.reach(6);
        assert_eq!((ledger.commit(), ledger.span(), ledger.last_seen()), (Some(3), 1, Some(6)));
        let second = ledger.open(7, 30).unwrap();
        ledger.settle(first).unwrap();
        assert_eq!((ledger.commit(), ledger.uncommitted()), (Some(7), 1));
        ledger.settle(second).unwrap();
        assert_eq!((ledger.commit(), ledger.settled_ms()), (Some(8), 30));
        ledger.reach(8);
        assert_eq!(ledger.commit(), Some(8));
    }

    proptest! {
        #[test]
        fn packing_loses_nothing(lane in 0..LANES, line in 0u64..1 << LINE_BITS) {
            let ticket = Ticket { lane, line };
            prop_assert_eq!(Ticket::unpack(Ticket { lane, line }.pack()), ticket);
        }

        /// Against the plainest model there is: a list of offsets with a flag each.
        #[test]
        fn agrees_with_a_list(steps in prop::collection::vec((0i64..4, any::<prop::sample::Index>(), any::<bool>(), any::<bool>(), 0i64..3), 1..300)) {
            let timestamp = |offset: i64| offset * 7919 % 1000 - 100;
            let mut ledger = Ledger::new(9);
            let mut seen: Vec<(i64, bool)> = Vec::new();
            let mut open: Vec<(usize, usize)> = Vec::new();
            let mut offset = 100;
            // Up to where it is known that there is no other line.
            let mut reached = 0;
            for (gap, pick, opens, has_record, beyond) in steps {
                if opens || open.is_empty() {
                    offset += 1 + gap;
                    let ticket = ledger.open(offset, timestamp(offset)).unwrap();
                    if has_record {
                        ledger.publish(&ticket);
                        open.push((seen.len(), ticket.pack()));
                    } else {
                        prop_assert_eq!(ledger.settle(ticket).unwrap().offset, offset);
                    }
                    seen.push((offset, !has_record));
                } else {
                    let (line, packed) = open.swap_remove(pick.index(open.len()));
                    prop_assert_eq!(ledger.settle(Ticket::unpack(packed)).unwrap().offset, seen[line].0);
                    prop_assert_eq!(ledger.settle(Ticket::unpack(packed)), Err(Spent));
                    seen[line].1 = true;
                }
                if beyond > 0 {
                    reached = offset + beyond;
                    ledger.reach(reached);
                    offset = reached - 1;
                }
                let done = seen.iter().take_while(|(_, settled)| *settled).last().map(|(offset, _)| offset + 1);
                let next = seen.iter().find(|(_, settled)| !settled).map(|(offset, _)| *offset);
                let known = (reached > 0).then(|| next.map_or(reached, |next| next.min(reached)));
                prop_assert!(ledger.commit() >= done && ledger.commit() <= done.max(known));
                prop_assert!(next.is_some() || ledger.commit() == done.max(known));
                let settled = seen.iter().take_while(|(_, settled)| *settled).map(|(offset, _)| timestamp(*offset));
                prop_assert_eq!(ledger.settled_ms(), settled.max().unwrap_or(-1).max(-1));
                prop_assert!(ledger.span() <= seen.len() && ledger.span() >= open.len());
                prop_assert_eq!(ledger.unsettled(), open.len());
                let oldest = seen.iter().find(|(_, settled)| !settled).map(|(offset, _)| *offset);
                prop_assert_eq!(ledger.oldest().map(|entry| entry.offset), oldest);
            }
        }
    }
}
