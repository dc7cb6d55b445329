//! What the alerts topic says of a group, for windows that go on from there.

use super::change::Change;
use super::stretch::Stretch;

/// What the alerts topic says of a group.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The last word of those that the commit covers.
    pub(super) settled: Option<Change>,
    /// The last word of all.
    pub(super) last: Option<Change>,
}

impl Words {
    /// Puts `change` into the place of what was told before it. Of two words the one that was told further on counts, as who has
    /// lost the partition may write late; a build that does not tell how far it was is believed.
    pub(super) fn take(place: &mut Option<Change>, change: &Change) {
        let is_told = |known: &Change| known.read_to.is_some() && change.read_to.is_some();
        let is_older = |known: &Change| is_told(known) && change.far() < known.far();
        if !place.as_ref().is_some_and(is_older) {
            *place = Some(change.clone());
        }
    }
}

/// Whether something may still follow from what was told.
pub(super) fn matters(change: &Change, floor: i64) -> bool {
    held(change).any(|(_, end)| floor <= end)
}

/// What is left to know of what was told when nothing follows from it any more: how far it was told.
pub(super) fn slim(change: Change) -> Change {
    let nothing = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (lines, labels, annotations, held) = nothing;
    Change { lines, labels, annotations, held, said: super::Said::default(), ..change }
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
