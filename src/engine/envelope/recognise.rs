//! Which row an object is, without going through all of them: each row's signs begin with a key, and an object has few.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::super::json::Member;
use super::row::Row;
use super::table;

/// What an object is known to be, and which kinds of names it has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) row: Option<&'static Row>,
    pub(super) names: Names,
}

/// Whether one of the names of the table is there at all, so that the lists need be gone through.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of kinds of names, each there or not")]
pub(super) struct Names {
    pub(super) has_app: bool,
    pub(super) has_source: bool,
    pub(super) has_region: bool,
    pub(super) has_time: bool,
    pub(super) has_level: bool,
}

/// What a key at the top of an object may belong to.
#[derive(Debug, Default)]
struct Key {
    /// Rows with a sign that begins with it, as bits.
    rows: u64,
    names: Names,
}

static KEYS: LazyLock<HashMap<&'static str, Key>> = LazyLock::new(keys);

fn keys() -> HashMap<&'static str, Key> {
    assert!(table::ROWS.len() <= 64, "one bit for each row");
    let mut keys: HashMap<&'static str, Key> = HashMap::new();
    for (bit, row) in table::ROWS.iter().enumerate() {
        for sign in row.known_by.iter().flat_map(|signs| *signs) {
            beginnings(sign.path()).for_each(|key| keys.entry(key).or_default().rows |= 1 << bit);
        }
    }
    let mut name = |paths: &[&'static str], mark: fn(&mut Names)| {
        for key in paths.iter().flat_map(|path| beginnings(path)) {
            mark(&mut keys.entry(key).or_default().names);
        }
    };
    name(table::APP, |names| names.has_app = true);
    name(table::LIKE_APP, |names| names.has_app = true);
    name(table::SOURCE, |names| names.has_source = true);
    name(table::LIKE_SOURCE, |names| names.has_source = true);
    name(table::REGION, |names| names.has_region = true);
    name(table::TIME, |names| names.has_time = true);
    name(table::LEVEL, |names| names.has_level = true);
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
        names.has_app |= key.names.has_app;
        names.has_source |= key.names.has_source;
        names.has_region |= key.names.has_region;
        names.has_time |= key.names.has_time;
        names.has_level |= key.names.has_level;
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
