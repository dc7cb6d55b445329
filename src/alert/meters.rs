//! What bounds the windows of one partition of the matches topic, and what is counted of them.

/// Bounds of what one partition's windows hold. Beyond them a group is forgotten, and that is counted: first those that are
/// kept for late lines only, then the one that would be over soonest (one that fires is told to be over).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups of all alerts together.
    pub groups: usize,
    /// Bytes of all groups together, about.
    pub bytes: usize,
}

impl Default for Limits {
    /// 25,000 groups and 32 MiB: 300,000 and 384 MiB in a topic of 12 partitions.
    fn default() -> Self {
        Self { groups: 25_000, bytes: 32 << 20 }
    }
}

/// What happened in a partition's windows, for metrics. Counters but for the first three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meters {
    /// Groups that hold something now.
    pub groups: usize,
    /// Groups that fire now.
    pub firing: usize,
    /// Bytes of all groups now, about.
    pub bytes: usize,
    /// Matches counted.
    pub counted: u64,
    /// Matches that were there already.
    pub repeated: u64,
    /// Of these, late when they were judged.
    pub late: u64,
    /// Matches that cover no time that can change yet: repeats from long ago.
    pub passed: u64,
    /// Matches counted although they are older than anything that can change, for the times ahead of that only: an input
    /// partition that was new brought old lines.
    pub behind: u64,
    /// Matches of alerts that the packs do not have, or have with another group.
    pub unknown: u64,
    /// Groups forgotten because of the bounds.
    pub evicted: u64,
    /// Groups forgotten because of the bounds that only a late line could have changed any more.
    pub let_go: u64,
}
