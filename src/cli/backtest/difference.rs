//! What two pack sets make of the same line: nothing different, a tag more, a tag less, or another tag.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::sample::Samples;
use crate::engine::{Detail, Engine, Outcome};

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Only these packs tag it.
    New,
    /// Only the others tagged it.
    Lost,
    /// Both tag it, and not in the same way.
    Otherwise,
}

impl Kind {
    /// As it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Lost => "lost",
            Self::Otherwise => "otherwise",
        }
    }
}

/// Lines with the same difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// What became of them.
    pub kind: Kind,
    /// Ids that the others tagged them with, the primary first.
    pub before: Vec<String>,
    /// Ids that these packs tag them with.
    pub after: Vec<String>,
    /// Members of the added object that are not the same, where both have one.
    pub members: Vec<String>,
}

/// All differences, each with its lines.
pub type Differences = BTreeMap<Difference, Samples>;

/// The difference between two outcomes for a line; nothing when there is none. Which edition of a pack judged is none.
#[must_use]
pub fn difference(
    (before, old): (&Engine, Option<&Outcome>),
    (after, new): (&Engine, Option<&Outcome>),
) -> Option<Difference> {
    let ids = |engine: &Engine, outcome: Option<&Outcome>| -> Vec<String> {
        let rules = outcome.and_then(|outcome| outcome.verdict.as_ref()).map(|verdict| &verdict.rules);
        rules.into_iter().flatten().map(|rule| engine.reported()[*rule].id.clone()).collect()
    };
    let added = |outcome: Option<&Outcome>| {
        outcome.and_then(|outcome| outcome.added(Detail::Full).map(std::borrow::Cow::into_owned))
    };
    let kind = match (added(old), added(new)) {
        (None, None) => return None,
        (None, Some(_)) => (Kind::New, Vec::new()),
        (Some(_), None) => (Kind::Lost, Vec::new()),
        (Some(old), Some(new)) if old == new => return None,
        (Some(old), Some(new)) => (Kind::Otherwise, members(&object(&old), &object(&new))),
    };
    let (kind, members) = kind;
    if kind == Kind::Otherwise && members.is_empty() {
        return None;
    }
    Some(Difference { kind, before: ids(before, old), after: ids(after, new), members })
}

fn object(added: &str) -> Map<String, Json> {
    match serde_json::from_str(added) {
        Ok(Json::Object(mut object)) => {
            object.remove("pack");
            object
        }
        _ => Map::new(),
    }
}

fn members(old: &Map<String, Json>, new: &Map<String, Json>) -> Vec<String> {
    let differs = |name: &&String| old.get(*name) != new.get(*name);
    let gone = new.keys().filter(|name| !old.contains_key(*name));
    old.keys().chain(gone).filter(differs).cloned().collect()
}
