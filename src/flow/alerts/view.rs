//! What fires in this process, for whoever asks: written by the counter after each commit, read by HTTP and metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::alert::Change;
use crate::flow::notify::Board;

/// See the top of the file.
#[derive(Debug, Default)]
pub struct View {
    firing: RwLock<BTreeMap<i32, Arc<[Change]>>>,
    /// Groups that are counted, by partition.
    groups: RwLock<BTreeMap<i32, usize>>,
    board: OnceLock<(Arc<Board>, Vec<String>)>,
}

impl View {
    /// This is what fires in a partition.
    pub(super) fn set(&self, partition: i32, firing: Vec<Change>) {
        self.firing.write().unwrap_or_else(PoisonError::into_inner).insert(partition, firing.into());
    }

    /// Whether somebody said what fires in a partition.
    pub(super) fn knows(&self, partition: i32) -> bool {
        self.firing.read().unwrap_or_else(PoisonError::into_inner).contains_key(&partition)
    }

    /// So many groups are counted in a partition.
    pub(super) fn count(&self, partition: i32, groups: usize) {
        self.groups.write().unwrap_or_else(PoisonError::into_inner).insert(partition, groups);
    }

    /// A partition is another's.
    pub(super) fn forget(&self, partition: i32) {
        self.firing.write().unwrap_or_else(PoisonError::into_inner).remove(&partition);
        self.groups.write().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }

    /// Where Alertmanagers are told from, and who they are.
    pub(crate) fn tells(&self, board: Arc<Board>, alertmanagers: Vec<String>) {
        let _ = self.board.set((board, alertmanagers));
    }

    /// What fires in the partitions of this process: those of one partition together, in the order of their keys.
    #[must_use]
    pub fn firing(&self) -> Vec<Change> {
        let firing = self.firing.read().unwrap_or_else(PoisonError::into_inner);
        firing.values().flat_map(|changes| changes.iter().cloned()).collect()
    }

    /// How many groups of each alert fire in this process.
    pub(crate) fn firing_by_alert(&self) -> BTreeMap<String, usize> {
        let mut many = BTreeMap::new();
        for change in self.firing.read().unwrap_or_else(PoisonError::into_inner).values().flat_map(|list| list.iter()) {
            *many.entry(change.alert.clone()).or_default() += 1;
        }
        many
    }

    /// Groups that are counted in this process.
    pub(crate) fn groups(&self) -> usize {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// For each Alertmanager, alerts of which it has not heard the latest word.
    pub(crate) fn waiting(&self) -> Vec<(String, usize)> {
        let Some((board, alertmanagers)) = self.board.get() else { return Vec::new() };
        let waiting = |(index, address): (usize, &String)| (address.clone(), board.waiting(index));
        alertmanagers.iter().enumerate().map(waiting).collect()
    }
}
