//! What judging one line may cost, in a unit that no machine has a part in: a byte that an expensive step goes over.
//!
//! Expensive are the steps of which rules ask for any number: expressions, words, what follows a phrase, members by path.
//! Each is paid for before it is done, by the bytes of the texts that it goes over and [`LOOK`] for each of them. A line
//! may cost [`Limits::work`] times its length; the step that would cost more is not done, and none after it. All else
//! that is done with a line is linear in it, or has a limit of its own.
//!
//! What a line comes to when it is used up depends on the line and the packs alone, as everything else does:
//!
//! - A condition that was not looked at leaves its rule or context undecided, and so unmatched. Phrases cost nothing, as
//!   they are found by then: a rule that asks for nothing else is decided whatever the line holds.
//! - A rule that matched is reported all the same, without the facts that were not looked for and without a case; one that
//!   requires such a fact is not. The most severe rules are the first to look.
//! - Contexts come before rules and may use half.

use std::cell::Cell;

use super::settings::Limits;

/// Beginning to look at one text, or through the members, costs as much as going over so many bytes.
pub(crate) const LOOK: u64 = 64;

/// A shorter line may cost as much as one of so many bytes: how long it is says little of what its rules ask.
const SHORTEST: u64 = 4 << 10;

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Work {
    left: Cell<u64>,
    /// Kept back for the rules, while contexts are looked at.
    kept: Cell<u64>,
    /// Nothing is left for what is being looked at: contexts, or rules.
    used_up: Cell<bool>,
    /// Something was not done.
    crossed: Cell<bool>,
}

impl Work {
    /// What a line of so many bytes may cost.
    pub(crate) fn of(limits: &Limits, bytes: usize) -> Self {
        let all = (bytes as u64).max(SHORTEST).saturating_mul(limits.work as u64);
        Self::new(all.div_ceil(2), all / 2)
    }

    /// For whoever shows a line to a person, and has time.
    pub(crate) fn unlimited() -> Self {
        Self::new(u64::MAX, 0)
    }

    fn new(left: u64, kept: u64) -> Self {
        Self { left: Cell::new(left), kept: Cell::new(kept), used_up: Cell::new(false), crossed: Cell::new(false) }
    }

    /// The contexts are done: what was kept back is there for the rules.
    pub(crate) fn turn_to_rules(&self) {
        self.left.set(self.left.get().saturating_add(self.kept.take()));
        self.used_up.set(false);
    }

    /// Pays for a step. False when there is not enough left: then it must not be done, and there will be nothing left.
    #[inline]
    pub(crate) fn pay(&self, units: u64) -> bool {
        match self.left.get().checked_sub(units) {
            Some(left) => {
                self.left.set(left);
                true
            }
            None => {
                self.left.set(0);
                self.used_up.set(true);
                self.crossed.set(true);
                false
            }
        }
    }

    /// No step is done any more, until it is the rules' turn.
    pub(crate) fn is_used_up(&self) -> bool {
        self.used_up.get()
    }

    /// Some step was not done for what it costs.
    pub(crate) fn is_crossed(&self) -> bool {
        self.crossed.get()
    }

    /// What is left, with what is kept back.
    #[cfg(test)]
    pub(crate) fn left(&self) -> u64 {
        self.left.get() + self.kept.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_does_not_fit_is_the_last_one() {
        let limits = Limits { work: 2, ..Limits::default() };
        let work = Work::of(&limits, 0);
        assert_eq!(work.left(), 2 * SHORTEST);
        assert!(work.pay(SHORTEST) && !work.is_crossed(), "half of it is the contexts'");
        assert!(!work.pay(1) && work.is_crossed());
        work.turn_to_rules();
        assert!(work.pay(SHORTEST - 1) && !work.is_used_up());
        assert!(!work.pay(2) && !work.pay(1) && work.is_used_up(), "one unit was left, and nobody gets it");
        assert_eq!(Work::of(&limits, 1 << 20).left(), 2 << 20);
    }
}
