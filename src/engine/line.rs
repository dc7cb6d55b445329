//! A payload taken apart: its records, and of each its text values, its fields, and where its members stand. Only lines that
//! the scan stopped at come here, so this may allocate.
//!
//! What is text and what is a field is the catalog's definition, written out in `patterns/README.md`: every string
//! value is text, JSON inside a string is replaced by its values, and the values of fields are not text. Layer by layer
//! what stands around a line is peeled off ([`super::envelope`]).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use super::envelope::lists::{self, Inside};
use super::envelope::prefix;
use super::envelope::{self, Fact, Layer, Row, Said, Stated, table};
use super::json::{self, Json, Member};
use super::settings::{Fields, Settings, Shape};
use crate::NAME;
use crate::level::Level;
use crate::sanitize::colourless;

/// The payload as it arrived.
pub(super) struct Record<'a> {
    /// The payload, when it is one JSON object.
    pub(super) object: Option<Object>,
    /// What is in it: one line, or each record of a list of them.
    pub(super) lines: Vec<Line<'a>>,
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
    pub(super) app: Option<Fact>,
    pub(super) source: Option<Fact>,
    pub(super) region: Option<Fact>,
    pub(super) time: Option<Fact>,
    pub(super) level: Option<Fact<Stated>>,
    /// What its layers say.
    pub(super) said: Said,
    /// Where in the payload it stands, when it is one record of a list.
    pub(super) path: Option<String>,
    /// Something lay deeper than the nesting limit.
    pub(super) too_deep: bool,
    /// Members of all objects, at most so many of which are looked at for a path.
    pub(super) members: usize,
    /// The objects in which members are looked for: layers, and JSON inside other strings.
    documents: Vec<Vec<Member<'a>>>,
    /// Which of them are layers, the outermost first.
    layers: Vec<usize>,
    joined: OnceCell<Joined>,
}

/// From so many texts on, going over all of them at once is worth the copy.
const MANY: usize = 16;
/// Texts that are peeled one out of the other.
const PEELS_MAX: usize = 16;

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
    /// The member at a dotted path, in the innermost layer that has it, else in another document: the text of a string, number,
    /// `true` or `false`.
    pub(super) fn member(&self, path: &str) -> Option<String> {
        let layers = self.layers.iter().rev();
        let others = (0..self.documents.len()).filter(|document| !self.layers.contains(document));
        let mut all = layers.copied().chain(others);
        all.find_map(|document| envelope::scalar_at(&self.documents[document], path))
    }

    /// The innermost line or message, as it stands there.
    pub(super) fn says(&self) -> Option<&str> {
        self.said.says.map(|(text, _)| self.texts[text].as_ref())
    }

    /// The same without what a logger puts in front of it.
    pub(super) fn message(&self) -> Option<&str> {
        self.said.says.map(|(text, at)| &self.texts[text][at..])
    }

    /// Why it came to that.
    pub(super) fn why(&self) -> Option<String> {
        let (document, path) = self.said.why?;
        envelope::scalar_at(self.documents.get(document)?, path)
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

    /// Its level, as it is written.
    pub(super) fn level_written(&self) -> Option<&str> {
        self.level.as_ref().map(|fact| fact.value.written.as_str())
    }

    /// It says that it is an error, or its collector does.
    pub(super) fn is_error(&self) -> bool {
        self.level.as_ref().and_then(|fact| fact.value.level).is_some_and(|level| level >= Level::ERROR)
    }

    /// It says itself that it is none.
    pub(super) fn is_below_error(&self) -> bool {
        let own = self.level.as_ref().map(|fact| &fact.value).filter(|stated| !stated.is_stamp);
        own.and_then(|stated| stated.level).is_some_and(|level| level < Level::ERROR)
    }

    /// Its app, by name.
    pub(super) fn app(&self) -> Option<&str> {
        self.app.as_ref().map(|fact| fact.value.as_str())
    }

    /// What its memory is kept by.
    pub(super) fn source(&self) -> Option<&str> {
        self.source.as_ref().map(|fact| fact.value.as_str())
    }
}

/// Takes a payload apart.
pub(super) fn parse<'a>(payload: &'a [u8], settings: &Settings) -> Record<'a> {
    let nesting = settings.limits.nesting;
    let json = if settings.shape == Shape::Text { Err(json::NotJson) } else { json::parse(payload, nesting) };
    let mut reading = Reading::new(settings);
    let room = nesting.saturating_sub(1);
    match json {
        Ok((Json::Object(members), end)) => {
            let (stale, kept) = cuts(&members);
            let object = Object { stale, close: end - 1, empty: kept == 0 };
            let record: Vec<Member<'a>> = members.into_iter().filter(|member| !is_ours(member)).collect();
            // A plain line that `classify` wrapped, or a record that looks just so: it is judged as if what stands in `_line`
            // had come bare, so that classifying the wrapped line again changes nothing.
            match wrapped_line(record) {
                Ok(text) => reading.bare(text, room),
                Err(record) => reading.document(record, room, true),
            }
            Record { object: Some(object), lines: reading.finish(room) }
        }
        Ok((Json::Array(values), _)) if is_list_of_records(&values) => {
            reading.inside = lists::of_list(values);
            Record { object: None, lines: reading.finish(room) }
        }
        _ => {
            reading.layered(String::from_utf8_lossy(payload), room, Begins::Anyhow);
            Record { object: None, lines: reading.finish(room) }
        }
    }
}

fn is_list_of_records(values: &[Json<'_>]) -> bool {
    values.iter().any(|value| matches!(value, Json::Object(_)))
}

fn wrapped_line<'a>(mut record: Vec<Member<'a>>) -> Result<Cow<'a, str>, Vec<Member<'a>>> {
    match record.as_slice() {
        [Member { key, value: Json::String(_), .. }] if key == "_line" => match record.pop().map(|member| member.value)
        {
            Some(Json::String(text)) => Ok(text),
            _ => Err(record),
        },
        _ => Err(record),
    }
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

/// One walk over the payload, or over a record inside it.
struct Reading<'a, 's> {
    settings: &'s Settings,
    line: Line<'a>,
    /// Of the value at hand, below its document.
    path: String,
    /// Records of their own that were found on the way: then they are what there is to judge.
    inside: Vec<Inside<'a>>,
}

/// The object in which a value stands.
#[derive(Clone, Copy, Default)]
struct Document {
    layer: Option<Layer>,
    /// Its number among the layers.
    number: usize,
    /// Where in it the message or the line inside stands.
    says: Option<&'static str>,
    /// It states a level of its own, so its message is no line with a head.
    has_level: bool,
}

impl Document {
    fn begins(&self) -> Begins {
        if self.has_level { Begins::WithWhatStandsAround } else { Begins::Anyhow }
    }
}

/// How a text may begin that is the message or the line inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// With what stands around a line, or with a head.
    Anyhow,
    /// With what stands around a line. It has its level elsewhere, so it is no line with a head.
    WithWhatStandsAround,
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    within: Document,
    /// It has a path: it is not inside an array, where paths do not reach.
    has_path: bool,
    /// Levels of objects and arrays that may still be looked into.
    room: usize,
}

impl Place {
    fn deeper(self) -> Self {
        Self { room: self.room.saturating_sub(1), ..self }
    }
}

impl<'a, 's> Reading<'a, 's> {
    fn new(settings: &'s Settings) -> Self {
        Self { settings, line: Line::default(), path: String::new(), inside: Vec::new() }
    }

    /// The line, or those inside.
    fn finish(mut self, room: usize) -> Vec<Line<'a>> {
        if self.inside.is_empty() {
            return vec![self.finish_line()];
        }
        let inside = std::mem::take(&mut self.inside);
        let around = &self.line;
        let lines = inside.into_iter().flat_map(|Inside { path, value }| {
            // What is said and why is each record's own.
            let mut said = around.said.clone();
            (said.says, said.why) = (None, None);
            let line = Line { said, too_deep: around.too_deep, ..Line::default() };
            let mut reading = Reading { line, ..Reading::new(self.settings) };
            match value {
                Json::Object(members) => reading.document(members, room.saturating_sub(1), true),
                Json::String(text) => reading.layered(text, room, Begins::Anyhow),
                _ => {}
            }
            let join = |inner: Option<String>| match inner {
                Some(inner) if inner.starts_with('[') => Some(format!("{path}{inner}")),
                Some(inner) => Some(format!("{path}.{inner}")),
                None => Some(path.clone()),
            };
            let mut lines = reading.finish(room.saturating_sub(1));
            lines.iter_mut().for_each(|line| line.path = join(line.path.take()));
            lines
        });
        lines.take(lists::RECORDS_MAX).collect()
    }

    fn finish_line(self) -> Line<'a> {
        let Fields { app, source, region, time, level } = &self.settings.fields;
        let mut line = self.line;
        let configured =
            |paths: &[String]| line.first_member(paths).map(|value| Fact { value, path: CONFIGURED, layer: 0 });
        let found = [app, source, region, time, level].map(|paths| configured(paths));
        let [app, source, region, time, level] = found;
        line.app = app.or_else(|| line.said.take_app());
        line.source = source.or_else(|| line.said.take_source());
        line.region = region.or_else(|| line.said.take_region());
        line.time = time.or_else(|| line.said.time().cloned());
        line.level = match level {
            Some(Fact { value, path, layer }) => {
                Some(Fact { value: Stated::of(value, &self.settings.levels), path, layer })
            }
            None => line.said.take_level(),
        };
        line
    }

    /// Reads an object in which members are looked for. Its place among the documents is taken before those inside it.
    fn document(&mut self, mut members: Vec<Member<'a>>, room: usize, is_layer: bool) {
        lists::straighten_members(&mut members);
        let mut within = Document::default();
        if is_layer {
            let number = self.line.said.layers.len();
            let layer = self.line.said.object(&members, self.forced(), &self.settings.levels);
            if let Some(records) = layer.row.and_then(|row| row.records) {
                self.inside = lists::records(&members, records);
                if !self.inside.is_empty() {
                    return;
                }
            }
            let says = layer.says(&members);
            self.line.said.says = None;
            let why = layer.why(&members).map(|path| (self.line.documents.len(), path));
            self.line.said.why = why.or(self.line.said.why);
            within = Document { layer: Some(layer), number, says, has_level: self.line.said.has_level_at(number) };
            self.line.layers.push(self.line.documents.len());
        }
        let place = self.line.documents.len();
        self.line.documents.push(Vec::new());
        self.line.members += members.len();
        let outer = std::mem::take(&mut self.path);
        // Of an envelope that nobody knows, the first member that holds a whole record is the line inside.
        let mut may_hold_line = is_layer && within.says.is_none();
        for member in members.iter().filter(|member| !is_ours(member)) {
            self.path.clear();
            self.path.push_str(&member.key);
            if let Json::String(text) = &member.value
                && may_hold_line
                && text.starts_with('{')
                && !self.is_field(Place { within, has_path: true, room })
                && self.json(text, room, true)
            {
                may_hold_line = false;
                continue;
            }
            self.value(&member.value, Place { within, has_path: true, room });
        }
        self.path = outer;
        self.line.documents[place] = members;
    }

    /// The row that a forced shape makes of the outermost object.
    fn forced(&self) -> Option<&'static Row> {
        if self.line.said.layers.is_empty() { self.settings.shape.row() } else { None }
    }

    fn value(&mut self, value: &Json<'a>, place: Place) {
        let says = place.has_path && place.within.says == Some(self.path.as_str());
        match value {
            Json::String(text) if says => self.layered(text.clone(), place.room, place.within.begins()),
            Json::String(text) => {
                if !self.is_field(place) {
                    self.text(text.clone(), place.room);
                }
            }
            Json::Array(values) => {
                if let Some(text) = lists::bytes(values).filter(|_| says) {
                    self.layered(Cow::Owned(text), place.room, place.within.begins());
                    return;
                }
                let inside = Place { has_path: false, ..place.deeper() };
                values.iter().for_each(|value| self.value(value, inside));
            }
            Json::Object(members) if says => self.document(members.clone(), place.deeper().room, true),
            Json::Object(members) => {
                let length = self.path.len();
                self.line.members += members.len();
                for member in members {
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
        let path = self.path.as_str();
        let Fields { app, source, region, time, level } = &self.settings.fields;
        let configured = || [app, source, region, time, level].into_iter().flatten().any(|field| *field == path);
        let row = place.within.layer.and_then(|layer| layer.row);
        configured()
            || row.is_some_and(|row| row.is_fact(path))
            || table::is_fact(path)
            || place.within.layer.is_some() && self.line.said.is_from(path, place.within.number)
    }

    /// A text that came as a whole payload would.
    fn bare(&mut self, text: Cow<'a, str>, room: usize) {
        let values = match read_json(&text, room) {
            Some(Json::Array(values)) if is_list_of_records(&values) => values,
            _ => return self.layered(text, room, Begins::Anyhow),
        };
        self.inside = lists::of_list(values);
    }

    /// A text that is the message or the line inside: what it begins with is peeled off, and JSON behind that is a layer.
    fn layered(&mut self, text: Cow<'a, str>, room: usize, begins: Begins) {
        let mut text = colourless(text);
        let mut message = 0;
        for _ in 0..PEELS_MAX {
            let trimmed = text.trim_start_matches([' ', '\t', '\n', '\r']);
            if trimmed.starts_with(['{', '[']) && self.json(&text, room, true) {
                return;
            }
            let Some(prefix) = prefix::peel(&text, begins == Begins::Anyhow) else { break };
            self.line.said.prefix(&prefix, &self.settings.levels);
            if prefix.line == 0 {
                let before = prefix.facts.iter().filter(|fact| fact.end <= prefix.says);
                message = prefix.says - before.map(Range::len).sum::<usize>();
                text = prefix::without(text, &prefix.facts);
                break;
            }
            text = from(text, prefix.line);
        }
        self.line.said.says = Some((self.line.texts.len(), message));
        self.line.texts.push(text);
    }

    /// A string is text, or, when it parses whole as JSON, what stands in that.
    fn text(&mut self, text: Cow<'a, str>, room: usize) {
        let looks = text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(['{', '[']);
        if !looks || !self.json(&text, room, false) {
            self.line.texts.push(colourless(text));
        }
    }

    /// Reads what stands in a text that parses whole as JSON; false when it does not.
    #[expect(clippy::ptr_arg, reason = "what is borrowed from the payload stays so, without a copy")]
    fn json(&mut self, text: &Cow<'a, str>, room: usize, is_layer: bool) -> bool {
        if self.settings.shape == Shape::Text {
            return false;
        }
        // The string is a level of its own, so what is in it has one level less.
        let Some(json) = read_json(text, room) else { return false };
        match json {
            Json::TooDeep => self.line.too_deep = true,
            Json::Object(members) => self.document(members, room.saturating_sub(2), is_layer),
            other => {
                let within = Document::default();
                self.value(&other, Place { within, has_path: false, room: room.saturating_sub(1) });
            }
        }
        true
    }
}

/// What stands for the path of an app that was told with the line.
pub(super) const WRITER: &str = "";
/// What stands for the path of a field that the configuration names.
pub(super) const CONFIGURED: &str = "[fields]";

/// A text as JSON, borrowed where the text is.
fn read_json<'a>(text: &Cow<'a, str>, room: usize) -> Option<Json<'a>> {
    let room = room.saturating_sub(1);
    match text {
        Cow::Borrowed(text) => json::parse(text.as_bytes(), room).ok().map(|(json, _)| json),
        Cow::Owned(text) => json::parse(text.as_bytes(), room).ok().map(|(json, _)| json.into_owned()),
    }
}

/// A text from a place on.
fn from(text: Cow<'_, str>, at: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[at..]),
        Cow::Owned(mut text) => {
            text.drain(..at);
            Cow::Owned(text)
        }
    }
}
