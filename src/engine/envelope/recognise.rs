//! Which row an object is, and which of the names of the table it has, without going through all of them: each sign and each
//! name begins with a key, and an object has few.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::super::json::Member;
use super::row::Row;
use super::table;

/// What an object is known to be, and which names it may have.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) row: Option<&'static Row>,
    pub(super) names: Names,
}

/// Of each list of names, those that may be there, as bits in the order of the list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names([u32; LISTS.len()]);

/// A list of names, as a number into [`LISTS`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    App,
    LikeApp,
    Source,
    LikeSource,
    Region,
    Time,
    Level,
    Says,
    Why,
}

/// In the order of [`Kind`].
const LISTS: [&[&str]; 9] = [
    table::APP,
    table::LIKE_APP,
    table::SOURCE,
    table::LIKE_SOURCE,
    table::REGION,
    table::TIME,
    table::LEVEL,
    table::SAYS,
    table::WHY,
];

impl Names {
    /// The names of a list that may be there, in its order.
    pub(super) fn of(self, kind: Kind) -> impl Iterator<Item = &'static str> {
        let (list, mut left) = (LISTS[kind as usize], self.0[kind as usize]);
        std::iter::from_fn(move || {
            let bit = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            list.get(bit).copied()
        })
    }
}

/// What a key at the top of an object may belong to.
#[derive(Debug, Default)]
struct Key {
    /// Rows with a sign that begins with it, as bits.
    rows: u64,
    names: Names,
}

/// Keys are looked up for each line that is judged, and nobody chooses what is in the table: a quick hash will do.
static KEYS: LazyLock<HashMap<&'static str, Key, FixedState>> = LazyLock::new(keys);

fn keys() -> HashMap<&'static str, Key, FixedState> {
    assert!(table::ROWS.len() <= 64, "one bit for each row");
    let mut keys: HashMap<&'static str, Key, FixedState> = HashMap::default();
    for (bit, row) in table::ROWS.iter().enumerate() {
        for sign in row.known_by.iter().flat_map(|signs| *signs) {
            beginnings(sign.path()).for_each(|key| keys.entry(key).or_default().rows |= 1 << bit);
        }
    }
    for (kind, list) in LISTS.iter().enumerate() {
        assert!(list.len() <= 31, "one bit for each name");
        for (bit, path) in list.iter().enumerate() {
            beginnings(path).for_each(|key| keys.entry(key).or_default().names.0[kind] |= 1 << bit);
        }
    }
    keys
}

/// The keys with which a path may begin, as keys may have dots: `a`, `a.b`, `a.b.c`.
fn beginnings(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.match_indices('.').map(|(at, _)| &path[..at]).chain([path])
}

/// What an object is.
pub(super) fn recognise(members: &[Member<'_>]) -> Seen {
    let (mut rows, mut names) = (0_u64, Names::default());
    for key in members.iter().filter_map(|member| KEYS.get(member.key.as_ref())) {
        rows |= key.rows;
        names.0.iter_mut().zip(key.names.0).for_each(|(all, more)| *all |= more);
    }
    while rows != 0 {
        let row = &table::ROWS[rows.trailing_zeros() as usize];
        if row.known_by.iter().any(|signs| signs.iter().all(|sign| sign.holds(members))) {
            return Seen { row: Some(row), names };
        }
        rows &= rows - 1;
    }
    Seen { row: None, names }
}
