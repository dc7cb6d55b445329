//! What stands around a line: the onion.
//!
//! A payload is Kafka Connect's schema around Mezmo's record around a container runtime's prefix around the application's own
//! JSON. Each of these is a *layer*, and each layer states some facts: who wrote the line, how bad it is, when it was. A
//! layer that is an object is known by the [table](table::ROWS); one that is text by what it begins with ([`prefix`]). The
//! layers are peeled by [`super::line`] on lines at which the scan stopped, from the outermost to the innermost; no byte that
//! goes out is changed by it.
//!
//! Where several layers say something, this decides ([`Said`]):
//!
//! - a field that the configuration names comes before everything;
//! - for app, source and region: what the line itself calls so (`app`, `pod`), the innermost first; then what an envelope
//!   states by its documentation, the nearest first; then what is called alike (`service`, `host`);
//! - for time: the innermost layer that states one that can be read;
//! - for the level: the innermost layer's own. A collector's *stamp* is often a default, so it counts only where no layer says
//!   a level of its own, and then it makes an error of a line and never shuts a rule out.

mod known;
pub(super) mod lists;
pub(super) mod prefix;
mod recognise;
mod row;
pub(super) mod table;

use super::json::{Json, Member};
use crate::level::{Extra, Level, Reading, Scale, read};
use recognise::{Kind, Names, recognise};
use row::At;

pub use known::{Envelope, envelopes};
use row::scalar;
pub(super) use row::{Row, find, scalar_at};

/// A fact, and where it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact<T = String> {
    pub(super) value: T,
    /// Path of the member, or what the text is that states it.
    pub(super) path: &'static str,
    /// Which layer, the outermost being 0.
    pub(super) layer: usize,
}

/// A level as it is written, and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) written: String,
    /// None where it is not understood.
    pub(super) level: Option<Level>,
    /// A collector gave it.
    pub(super) is_stamp: bool,
}

impl Stated {
    /// A level that stands where the configuration says, however it counts.
    pub(super) fn of(written: String, extra: &Extra) -> Self {
        let level = match read(&written, Scale::Word, extra) {
            Reading::Level(level) => Some(level),
            Reading::NoLevel | Reading::Unknown => None,
        };
        Self { written, level, is_stamp: false }
    }
}

/// What the layers say, put together while they are peeled from the outermost to the innermost.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    app: Ranked,
    source: Ranked,
    region: Ranked,
    /// Times, each layer's own, the outermost first.
    pub(super) times: Vec<Fact>,
    level: Option<Fact<Stated>>,
    stamp: Option<Fact<Stated>>,
    unknown: Option<Fact<Stated>>,
    /// Members that were taken for an app or a source by their names, each with its layer.
    alike: Vec<(&'static str, usize)>,
    /// The ids of the layers, the outermost first.
    pub(super) layers: Vec<&'static str>,
    /// The innermost line or message: which of the texts, and where in it the message begins, behind what a logger put in front.
    pub(super) says: Option<(usize, usize)>,
    /// Why it came to that: in which document, and at which path.
    pub(super) why: Option<(usize, &'static str)>,
}

/// Of several that say the same thing, who counts most; among equals the one that comes later, which is further inside.
#[derive(Debug, Clone, Default)]
struct Ranked(Option<(Rank, Fact)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It is called alike.
    Alike,
    /// An envelope documents it.
    Documented,
    /// The line calls it so.
    Itself,
}

impl Ranked {
    fn offer(&mut self, rank: Rank, fact: Fact) {
        if self.0.as_ref().is_none_or(|(known, _)| *known <= rank) {
            self.0 = Some((rank, fact));
        }
    }
}

impl Said {
    pub(super) fn take_app(&mut self) -> Option<Fact> {
        self.app.0.take().map(|(_, fact)| fact)
    }

    pub(super) fn take_source(&mut self) -> Option<Fact> {
        self.source.0.take().map(|(_, fact)| fact)
    }

    pub(super) fn take_region(&mut self) -> Option<Fact> {
        self.region.0.take().map(|(_, fact)| fact)
    }

    /// The time of the innermost layer that states one which can be read.
    pub(super) fn time(&self) -> Option<&Fact> {
        if let [only] = self.times.as_slice() {
            return Some(only);
        }
        let readable = |fact: &&Fact| crate::moment::read(&fact.value).is_some();
        self.times.iter().rev().find(readable).or_else(|| self.times.last())
    }

    /// Whether this layer states a level of its own.
    pub(super) fn has_level_at(&self, layer: usize) -> bool {
        self.level.as_ref().is_some_and(|fact| fact.layer == layer)
    }

    /// Whether a fact was taken from this place.
    pub(super) fn is_from(&self, path: &str, layer: usize) -> bool {
        let named = [&self.app, &self.source, &self.region].map(|ranked| ranked.0.as_ref().map(|(_, fact)| fact));
        let mut facts = named.into_iter().flatten().chain(&self.times);
        // What is called alike is none of the text, also when another layer, before or behind it, says it better.
        self.alike.contains(&(path, layer)) || facts.any(|fact| fact.path == path && fact.layer == layer)
    }

    /// The line's level: its own, else a stamp, else what nobody understands.
    pub(super) fn take_level(&mut self) -> Option<Fact<Stated>> {
        self.level.take().or_else(|| self.stamp.take()).or_else(|| self.unknown.take())
    }

    /// Takes in what an object says, and tells which envelope it is, if the table has it.
    pub(super) fn object(&mut self, members: &[Member<'_>], forced: Option<&'static Row>, extra: &Extra) -> Layer {
        let seen = recognise(members);
        let row = forced.or(seen.row);
        let layer = self.layers.len();
        self.layers.push(row.map_or("object", |row| row.id));
        if let Some(row) = row {
            let first = |places: &[At]| {
                places
                    .iter()
                    .find_map(|at| Some(Fact { value: at.read(members)?, path: at.path().unwrap_or(row.id), layer }))
            };
            first(row.app).into_iter().for_each(|fact| self.app.offer(Rank::Documented, fact));
            first(row.source).into_iter().for_each(|fact| self.source.offer(Rank::Documented, fact));
            let region = row.region.iter().find_map(|path| self::fact(members, path, layer));
            region.into_iter().for_each(|fact| self.region.offer(Rank::Documented, fact));
        }
        // A shape that is forced has its fields where it has them, and nowhere else.
        let mut time = row.and_then(|row| row.time.iter().find_map(|path| self::fact(members, path, layer)));
        let has_own_level = self.row_levels(row, members, layer, extra);
        if forced.is_none() {
            let first = |kind| seen.names.of(kind).find_map(|path| self::fact(members, path, layer));
            let alike = &mut self.alike;
            let mut like = |fact: Fact| {
                alike.push((fact.path, layer));
                fact
            };
            first(Kind::LikeApp).into_iter().for_each(|fact| self.app.offer(Rank::Alike, like(fact)));
            first(Kind::App).into_iter().for_each(|fact| self.app.offer(Rank::Itself, fact));
            first(Kind::LikeSource).into_iter().for_each(|fact| self.source.offer(Rank::Alike, like(fact)));
            first(Kind::Source).into_iter().for_each(|fact| self.source.offer(Rank::Itself, fact));
            first(Kind::Region).into_iter().for_each(|fact| self.region.offer(Rank::Itself, fact));
            time = time.or_else(|| first(Kind::Time));
            if !has_own_level {
                // What the row takes for a stamp is one.
                let own = |path: &&str| row.is_none_or(|row| !row.stamp.iter().any(|(stamp, _)| stamp == path));
                let places = seen.names.of(Kind::Level).filter(own).map(|path| (path, generic_scale(members)));
                self.levels(places, members, layer, false, extra);
            }
        }
        self.times.extend(time);
        Layer { row, names: if forced.is_some() { Names::default() } else { seen.names } }
    }

    /// Takes in the levels that a row tells of. True when one is the line's own.
    fn row_levels(&mut self, row: Option<&'static Row>, members: &[Member<'_>], layer: usize, extra: &Extra) -> bool {
        let Some(row) = row else { return false };
        self.levels(row.stamp.iter().copied(), members, layer, true, extra);
        let is_there = self.levels(row.level.iter().copied(), members, layer, false, extra);
        match row.level_else.filter(|_| !is_there) {
            Some(word) => {
                self.state(word.to_owned(), Scale::Word, Fact { value: (), path: row.id, layer }, false, extra)
            }
            None => is_there,
        }
    }

    /// Takes in the first of these levels that is understood, or else that none is. True when there is any.
    fn levels(
        &mut self,
        places: impl Iterator<Item = (&'static str, Scale)>,
        members: &[Member<'_>],
        layer: usize,
        is_stamp: bool,
        extra: &Extra,
    ) -> bool {
        let mut any = false;
        for (path, scale) in places {
            let Some(written) = scalar_at(members, path) else { continue };
            any = true;
            if self.state(written, scale, Fact { value: (), path, layer }, is_stamp, extra) {
                break;
            }
        }
        any
    }

    /// Takes in a level. True when it is understood, be it as none.
    fn state(&mut self, written: String, scale: Scale, at: Fact<()>, is_stamp: bool, extra: &Extra) -> bool {
        let Fact { path, layer, .. } = at;
        let state = |level| Some(Fact { value: Stated { written: written.clone(), level, is_stamp }, path, layer });
        match read(&written, scale, extra) {
            Reading::Level(level) if is_stamp => self.stamp = state(Some(level)),
            Reading::Level(level) => self.level = state(Some(level)),
            Reading::NoLevel => {}
            Reading::Unknown => {
                self.unknown = state(None);
                return false;
            }
        }
        true
    }

    /// Takes in what the beginning of a text says.
    pub(super) fn prefix(&mut self, prefix: &prefix::Prefix, extra: &Extra) {
        let layer = self.layers.len();
        self.layers.push(prefix.id);
        let fact = |value: &Option<String>| value.clone().map(|value| Fact { value, path: prefix.id, layer });
        fact(&prefix.app).into_iter().for_each(|fact| self.app.offer(Rank::Documented, fact));
        fact(&prefix.source).into_iter().for_each(|fact| self.source.offer(Rank::Documented, fact));
        self.times.extend(fact(&prefix.time));
        if let Some((written, scale)) = &prefix.level {
            let at = Fact { value: (), path: prefix.id, layer };
            self.state(written.clone(), *scale, at, prefix.is_stamp, extra);
        }
    }
}

/// An object as a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer {
    pub(super) row: Option<&'static Row>,
    /// The names of the table that it may have; none where it is forced to be what it is taken for.
    names: Names,
}

impl Layer {
    /// Where the message or the line inside stands: the first that is there and says something.
    pub(super) fn says(self, members: &[Member<'_>]) -> Option<&'static str> {
        let says = |path: &&&str| match find(members, path) {
            Some(Json::String(text)) => !text.trim().is_empty(),
            Some(Json::Object(inner)) => !inner.is_empty(),
            Some(Json::Array(values)) => lists::bytes(values).is_some(),
            _ => false,
        };
        let rows = self.row.map_or(&[] as &[&str], |row| row.says).iter();
        let known = rows.clone().find(says);
        // Of an object that is unknown, an object inside is a part of it and no line of its own.
        let text = |path: &&str| matches!(find(members, path), Some(Json::String(_)));
        known.copied().or_else(|| self.names.of(Kind::Says).filter(text).find(|path| says(&path)))
    }

    /// Where it says why.
    pub(super) fn why(self, members: &[Member<'_>]) -> Option<&'static str> {
        let rows = self.row.map_or(&[] as &[&str], |row| row.why).iter().copied();
        let says = |path: &&str| matches!(find(members, path), Some(Json::String(text)) if !text.trim().is_empty());
        rows.chain(self.names.of(Kind::Why)).find(says)
    }
}

/// How an object that is unknown counts its levels: as pino does, if it has such a number.
fn generic_scale(members: &[Member<'_>]) -> Scale {
    let says = |member: &&Member<'_>| member.key == "level" && scalar(&member.value).is_some();
    let level = members.iter().rev().find(says).map(|member| &member.value);
    match level {
        Some(Json::Number(number)) if matches!(number.as_ref(), "10" | "20" | "30" | "40" | "50" | "60") => Scale::Pino,
        _ => Scale::Word,
    }
}

fn fact(members: &[Member<'_>], path: &'static str, layer: usize) -> Option<Fact> {
    Some(Fact { value: scalar_at(members, path)?, path, layer })
}
