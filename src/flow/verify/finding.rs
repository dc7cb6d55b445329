//! What can be wrong, each kind counted, the first of each kind with its place and a few words.

use std::collections::BTreeMap;

/// Findings of a kind that are told in full.
const EXAMPLES: usize = 10;

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An input line that is nowhere.
    Lost,
    /// A line that is on the output more often than was promised.
    Repeated,
    /// A line that comes after a later one, or a repeat that leaves lines out.
    OutOfOrder,
    /// A record that is not what its line was: key, value, timestamp or own headers.
    Changed,
    /// A tag that the rules do not give, or that is missing.
    Mislabelled,
    /// A record in a partition that is not its line's.
    WrongPartition,
    /// A line both on the output and among the dead letters.
    SettledTwice,
    /// A dead letter that is not what its line was.
    DeadLetter,
    /// The group committed an offset past a line that is nowhere.
    CommittedPast,
    /// Lines that were to be done are not, or their offsets are not committed.
    NotDrained,
    /// A record that comes from no line of the input.
    Unknown,
    /// A record that could not be compared, being too far behind the others.
    Unchecked,
}

impl Kind {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 12] = [
        Self::Lost,
        Self::Repeated,
        Self::OutOfOrder,
        Self::Changed,
        Self::Mislabelled,
        Self::WrongPartition,
        Self::SettledTwice,
        Self::DeadLetter,
        Self::CommittedPast,
        Self::NotDrained,
        Self::Unknown,
        Self::Unchecked,
    ];

    /// Its name in JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Repeated => "repeated",
            Self::OutOfOrder => "out_of_order",
            Self::Changed => "changed",
            Self::Mislabelled => "mislabelled",
            Self::WrongPartition => "wrong_partition",
            Self::SettledTwice => "settled_twice",
            Self::DeadLetter => "dead_letter",
            Self::CommittedPast => "committed_past",
            Self::NotDrained => "not_drained",
            Self::Unknown => "unknown",
            Self::Unchecked => "unchecked",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Repeated => "repeated",
            Self::OutOfOrder => "out of order",
            Self::Changed => "changed",
            Self::Mislabelled => "mislabelled",
            Self::WrongPartition => "in a wrong partition",
            Self::SettledTwice => "both published and dead-lettered",
            Self::DeadLetter => "wrong dead letters",
            Self::CommittedPast => "committed past a line that is nowhere",
            Self::NotDrained => "not drained",
            Self::Unknown => "unknown records",
            Self::Unchecked => "not compared",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `topic/partition/offset` of the input, or `topic/partition/first–last`; of the output where no input is known.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

/// How often something is wrong, and where first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Lines or records concerned.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Finding>,
}

/// Everything that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    groups: BTreeMap<Kind, Group>,
}

impl Findings {
    /// Adds `count` lines of a kind. The words are asked for only when they will be told.
    pub(super) fn add(&mut self, kind: Kind, count: u64, words: impl FnOnce() -> (String, String)) {
        let group = self.groups.entry(kind).or_default();
        group.count += count;
        if group.examples.len() < EXAMPLES {
            let (place, what) = words();
            group.examples.push(Finding { place, what });
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        for (kind, theirs) in other.groups {
            let ours = self.groups.entry(kind).or_default();
            ours.count += theirs.count;
            let room = EXAMPLES.saturating_sub(ours.examples.len());
            ours.examples.extend(theirs.examples.into_iter().take(room));
        }
    }

    /// How much is wrong of one kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.groups.get(&kind).map_or(0, |group| group.count)
    }

    /// The kinds that were found, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &Group)> {
        self.groups.iter().map(|(kind, group)| (*kind, group))
    }

    /// Nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}
