//! A line taken apart: its text values, its fields, and where its members stand. Only lines that the scan stopped at
//! come here, so this may allocate.
//!
//! What is text and what is a field is the catalog's definition, written out in `patterns/README.md`: every string
//! value is text, JSON inside a string is replaced by its values, and the values of configured fields are not text.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use super::json::{self, Json, Member};
use super::settings::{Fields, Settings, Shape};
use crate::NAME;

/// The record as it arrived.
pub(super) struct Record<'a> {
    /// The record, when it is one JSON object.
    pub(super) object: Option<Object>,
    pub(super) line: Line<'a>,
}

/// Where a JSON object can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// Members of ours from an earlier pass, to be cut out; ascending, disjoint.
    pub(super) stale: Vec<Range<usize>>,
    /// Offset of the closing brace.
    pub(super) close: usize,
    /// No member is left when the stale ones are cut out.
    pub(super) empty: bool,
}

/// What a line says.
#[derive(Default)]
pub(super) struct Line<'a> {
    /// The text values, in document order.
    pub(super) texts: Vec<Cow<'a, str>>,
    pub(super) app: Option<String>,
    pub(super) source: Option<String>,
    pub(super) level: Option<String>,
    /// Something lay deeper than the nesting limit.
    pub(super) too_deep: bool,
    /// Members of all objects, at most so many of which are looked at for a path.
    pub(super) members: usize,
    /// The objects in which members are looked for: the record, its `_source`, JSON inside strings.
    documents: Vec<Vec<Member<'a>>>,
    joined: OnceCell<Joined>,
}

/// From so many texts on, going over all of them at once is worth the copy.
const MANY: usize = 16;

/// All texts of a line as one, each ended by a line feed.
pub(super) struct Joined {
    pub(super) text: String,
    /// Where each text begins.
    pub(super) starts: Vec<usize>,
}

impl Joined {
    /// Which text a byte is in; the line feed behind a text is in it.
    pub(super) fn text_at(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte) - 1
    }
}

impl Line<'_> {
    /// The member at a dotted path, in the first document that has it: the text of a string, number, `true` or `false`.
    pub(super) fn member(&self, path: &str) -> Option<String> {
        self.documents.iter().find_map(|document| resolve(document, path))
    }

    /// The same, free of the text it was parsed from.
    fn into_owned(self) -> Line<'static> {
        let Self { texts, app, source, level, too_deep, members, documents, joined } = self;
        let owned = |members: Vec<Member<'_>>| members.into_iter().map(Member::into_owned).collect();
        Line {
            texts: texts.into_iter().map(|text| Cow::Owned(text.into_owned())).collect(),
            app,
            source,
            level,
            too_deep,
            members,
            documents: documents.into_iter().map(owned).collect(),
            joined,
        }
    }

    /// Whether its texts are better gone over as one.
    pub(super) fn has_many_texts(&self) -> bool {
        self.texts.len() >= MANY
    }

    /// Its texts as one, made when somebody asks first.
    pub(super) fn joined(&self) -> &Joined {
        self.joined.get_or_init(|| {
            let bytes = self.texts.iter().map(|text| text.len() + 1).sum();
            let (mut text, mut starts) = (String::with_capacity(bytes), Vec::with_capacity(self.texts.len()));
            for one in &self.texts {
                starts.push(text.len());
                text.push_str(one);
                text.push('\n');
            }
            Joined { text, starts }
        })
    }

    /// The first of these paths that the line has.
    pub(super) fn first_member(&self, paths: &[String]) -> Option<String> {
        paths.iter().find_map(|path| self.member(path))
    }
}

/// Takes a payload apart.
pub(super) fn parse<'a>(payload: &'a [u8], settings: &Settings) -> Record<'a> {
    let json =
        if settings.shape == Shape::Text { Err(json::NotJson) } else { json::parse(payload, settings.limits.nesting) };
    let Ok((Json::Object(members), end)) = json else {
        return Record { object: None, line: plain(payload) };
    };
    let (stale, kept) = cuts(&members);
    let object = Object { stale, close: end - 1, empty: kept == 0 };
    let record: Vec<Member<'a>> = members.into_iter().filter(|member| !is_ours(member)).collect();
    let line = match wrapped_line(&record) {
        Some(text) => parse(text.as_bytes(), settings).line.into_owned(),
        None => {
            let mut reading = Reading { fields: &settings.fields, line: Line::default(), path: String::new() };
            reading.document(record, settings.limits.nesting.saturating_sub(1), true);
            reading.finish()
        }
    };
    Record { object: Some(object), line }
}

/// A plain line that `classify` wrapped, or a record that looks just so: an object with `_line` and nothing else. It is
/// judged as if what stands in `_line` had come bare, so that classifying the wrapped line again changes nothing.
fn wrapped_line<'m>(record: &'m [Member<'_>]) -> Option<&'m str> {
    match record {
        [Member { key, value: Json::String(text), .. }] if key == "_line" => Some(text),
        _ => None,
    }
}

/// A payload that is no JSON object is text as a whole and has no fields.
fn plain(payload: &[u8]) -> Line<'_> {
    Line { texts: vec![String::from_utf8_lossy(payload)], ..Line::default() }
}

/// A member of ours: of our name, and an object with `v` or `rule` in it.
fn is_ours(member: &Member<'_>) -> bool {
    let Json::Object(members) = &member.value else { return false };
    member.key == NAME && members.iter().any(|member| member.key == "v" || member.key == "rule")
}

/// What to cut so that the members of ours are gone and the rest is well-formed; and how many members are left.
///
/// A member goes with the comma before it when something is kept before it, so that cutting what [`super::splice`]
/// put in gives back the bytes that were there; else with the comma behind it.
fn cuts(members: &[Member<'_>]) -> (Vec<Range<usize>>, usize) {
    let mut kept = 0;
    let mut cuts = Vec::new();
    for member in members {
        match (is_ours(member), member.comma_before, member.comma_after) {
            (false, ..) => kept += 1,
            (true, Some(before), _) if kept > 0 => cuts.push(before..member.end),
            (true, _, Some(after)) => cuts.push(member.start..after + 1),
            (true, ..) => cuts.push(member.start..member.end),
        }
    }
    (cuts, kept)
}

/// One walk over the record.
struct Reading<'a, 's> {
    fields: &'s Fields,
    line: Line<'a>,
    /// Of the value at hand, below its document.
    path: String,
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    /// It has a path: it is not inside an array, where paths do not reach.
    has_path: bool,
    /// It is inside the record's `_source`.
    under_wrapper: bool,
    /// Levels of objects and arrays that may still be looked into.
    room: usize,
}

impl Place {
    fn deeper(self) -> Self {
        Self { room: self.room.saturating_sub(1), ..self }
    }
}

impl<'a> Reading<'a, '_> {
    fn finish(mut self) -> Line<'a> {
        self.line.app = self.line.first_member(&self.fields.app);
        self.line.source = self.line.first_member(&self.fields.source);
        self.line.level = self.line.first_member(&self.fields.level);
        self.line
    }

    /// Reads an object in which members are looked for. Its place among the documents is taken before those inside it.
    fn document(&mut self, members: Vec<Member<'a>>, room: usize, is_record: bool) {
        let place = self.line.documents.len();
        self.line.documents.push(Vec::new());
        let wrapper = if is_record { members.iter().rposition(is_wrapper) } else { None };
        if let Some(wrapper) = wrapper
            && let Json::Object(inner) = &members[wrapper].value
        {
            self.line.documents.push(inner.clone());
            self.line.members += inner.len();
        }
        self.line.members += members.len();
        let outer = std::mem::take(&mut self.path);
        for member in members.iter().filter(|member| !is_ours(member)) {
            self.path.clear();
            self.path.push_str(&member.key);
            let under_wrapper = is_record && is_wrapper(member);
            self.value(&member.value, Place { has_path: true, under_wrapper, room });
        }
        self.path = outer;
        self.line.documents[place] = members;
    }

    fn value(&mut self, value: &Json<'a>, place: Place) {
        match value {
            Json::String(text) => {
                if !self.is_field(place) {
                    self.text(text, place.room);
                }
            }
            Json::Array(values) => {
                let inside = Place { has_path: false, under_wrapper: false, ..place.deeper() };
                values.iter().for_each(|value| self.value(value, inside));
            }
            Json::Object(members) => {
                let is_source = place.under_wrapper && place.has_path && self.path == "_source";
                let length = self.path.len();
                self.line.members += members.len();
                for member in members.iter().filter(|member| !(is_source && is_ours(member))) {
                    self.path.truncate(length);
                    self.path.push('.');
                    self.path.push_str(&member.key);
                    self.value(&member.value, place.deeper());
                }
                self.path.truncate(length);
            }
            Json::TooDeep => self.line.too_deep = true,
            Json::Number(_) | Json::Bool(_) | Json::Null => {}
        }
    }

    fn is_field(&self, place: Place) -> bool {
        if !place.has_path {
            return false;
        }
        let inner = if place.under_wrapper { self.path.strip_prefix("_source.") } else { None };
        let Fields { app, source, region, time, level } = self.fields;
        [app, source, region, time, level]
            .into_iter()
            .flatten()
            .any(|field| *field == self.path || Some(field.as_str()) == inner)
    }

    /// A string is text, or, when it parses whole as JSON, what stands in that.
    #[expect(clippy::ptr_arg, reason = "text borrowed from the line is kept as it is, without a copy")]
    fn text(&mut self, text: &Cow<'a, str>, room: usize) {
        let looks = text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(['{', '[']);
        // The string is a level of its own, so what is in it has one level less.
        let json = if looks { json::parse(text.as_bytes(), room.saturating_sub(1)).ok() } else { None };
        match json {
            None => self.line.texts.push(text.clone()),
            Some((Json::TooDeep, _)) => self.line.too_deep = true,
            Some((Json::Object(members), _)) => {
                let members = members.into_iter().map(Member::into_owned).collect();
                self.document(members, room.saturating_sub(2), false);
            }
            Some((other, _)) => {
                let inside = Place { has_path: false, under_wrapper: false, room: room.saturating_sub(1) };
                self.value(&other.into_owned(), inside);
            }
        }
    }
}

fn is_wrapper(member: &Member<'_>) -> bool {
    member.key == "_source" && matches!(member.value, Json::Object(_))
}

/// The last member in document order whose keys, joined by dots, are the path.
fn resolve(members: &[Member<'_>], path: &str) -> Option<String> {
    members.iter().rev().find_map(|member| {
        let rest = path.strip_prefix(member.key.as_ref())?;
        match (&member.value, rest.strip_prefix('.')) {
            (Json::Object(inner), Some(rest)) => resolve(inner, rest),
            (value, None) if rest.is_empty() => scalar(value),
            _ => None,
        }
    })
}

fn scalar(value: &Json<'_>) -> Option<String> {
    match value {
        Json::String(text) if !text.is_empty() => Some(text.clone().into_owned()),
        Json::Number(text) => Some(text.clone().into_owned()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
