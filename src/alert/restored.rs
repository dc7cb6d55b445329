//! What the alerts topic says of a group, for windows that go on from there.

use std::sync::Arc;

use super::change::Change;
use super::group::Told;
use super::stretch::Stretch;

/// What the alerts topic says of a group.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The last word of those that the commit covers.
    pub(super) settled: Option<Arc<Word>>,
    /// The last word of all.
    pub(super) last: Option<Arc<Word>>,
}

/// What was told, as far as windows go on from it: a small part of the words.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// How far it was told.
    pub(super) far: (Option<i64>, u32),
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// Nothing follows from it any more.
    Nothing,
    /// Of an alert that the packs have.
    Known {
        alert: usize,
        /// It held when everything before was settled, since then.
        since: Option<i64>,
        fires: bool,
        told: Told,
    },
    /// It fires, and the packs do not have its alert any more.
    Orphan(Box<Change>),
}

impl Words {
    /// Puts a word into the place of what was told before it. Of two words the one that was told further on counts, as who has
    /// lost the partition may write late; a build that does not tell how far it was is believed.
    pub(super) fn take(place: &mut Option<Arc<Word>>, word: &Arc<Word>) {
        let is_told = |known: &Arc<Word>| known.far.0.is_some() && word.far.0.is_some();
        let is_older = |known: &Arc<Word>| is_told(known) && word.far < known.far;
        if !place.as_ref().is_some_and(is_older) {
            *place = Some(Arc::clone(word));
        }
    }
}

/// Whether something may still follow from what was told.
pub(super) fn matters(change: &Change, floor: i64) -> bool {
    held(change).any(|(_, end)| floor <= end)
}

/// When an alert has held, by what was told of it. What fires has not ended.
pub(super) fn held(change: &Change) -> impl Iterator<Item = Stretch> {
    let own = (change.starts_at, change.ends_at.unwrap_or(i64::MAX));
    let own = change.held.is_empty().then_some(own);
    let fires = change.ends_at.is_none().then_some(change.starts_at);
    let open = move |(start, end): Stretch| {
        let is_open = fires.is_some_and(|fires| start <= fires && fires <= end);
        (start, if is_open { i64::MAX } else { end })
    };
    change.held.iter().copied().chain(own).map(open)
}
