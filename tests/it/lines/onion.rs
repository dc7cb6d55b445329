//! A line with layers around it, and what these say of it in their own ways.
//!
//! It begins with what the application wrote, and keeps that as it is: it is what the oracle is to judge. Each layer that
//! is put around it may say who wrote the line and how bad it is. Of several that do, the one that is nearest counts, but that
//! what is called `app` or `pod` comes before what an envelope documents.

use fastrand::Rng;
use serde_json::Value;

use super::super::oracle::Told;
use super::content::Content;
use super::envelopes::{self, Template};
use super::json::{Members, Node, Style, write};
use super::{guarded, percent, pick, shapes, text};

/// What the application wrote, or that with some layers around it.
#[derive(Debug, Clone)]
pub(super) struct Onion {
    pub(super) inner: Inner,
    /// What the application wrote.
    line: String,
    pub(super) said: Said,
    /// What the line's own head says, as long as it is open whether anybody looks at it.
    head: Said,
    /// The layers, the innermost first.
    pub(super) layers: Vec<&'static str>,
}

#[derive(Debug, Clone)]
pub(super) enum Inner {
    Object(Members),
    Text(String),
}

/// What layers say, the nearest of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// What is called `app`, what an envelope documents, and what only sounds like it.
    app_itself: Option<String>,
    app: Option<String>,
    app_alike: Option<String>,
    /// The same for `pod`.
    source_itself: Option<String>,
    source: Option<String>,
    source_alike: Option<String>,
    /// Whether it is an error: the line's own word, and a collector's.
    own: Option<bool>,
    stamp: Option<bool>,
}

impl Said {
    /// Of an envelope that says who wrote the line.
    pub(super) fn of(app: Option<&String>, source: Option<&String>) -> Self {
        Self { app: app.cloned(), source: source.cloned(), ..Self::default() }
    }

    /// And of one that has a level.
    pub(super) fn with(self, own: Option<bool>, stamp: Option<bool>) -> Self {
        Self { own, stamp, ..self }
    }

    /// Takes in what a layer further out says.
    pub(super) fn and(&mut self, outer: Self) {
        let Self { app_itself, app, app_alike, source_itself, source, source_alike, own, stamp } = outer;
        self.app_itself = self.app_itself.take().or(app_itself);
        self.app = self.app.take().or(app);
        self.source_itself = self.source_itself.take().or(source_itself);
        self.source = self.source.take().or(source);
        self.app_alike = self.app_alike.take().or(app_alike);
        self.source_alike = self.source_alike.take().or(source_alike);
        self.own = self.own.or(own);
        self.stamp = self.stamp.or(stamp);
    }
}

/// A line without layers: JSON or text, as it is and as the oracle is to read it, which knows neither colours nor `NaN`.
pub(super) fn core(rng: &mut Rng, content: &Content) -> Onion {
    let content = &content.without_odd_characters();
    if percent(rng, 60) { object(rng, content) } else { plain(rng, content) }
}

fn object(rng: &mut Rng, content: &Content) -> Onion {
    let mut members = shapes::bare(rng, content);
    let line = write(rng, &Node::Object(members.clone()), Style::any);
    let is_coloured = percent(rng, 10);
    for (name, value) in &mut members {
        if let Node::Text(said) = value
            && is_coloured
            && ["msg", "message", "text", "level"].contains(&name.as_str())
            && !said.is_empty()
            && !said.starts_with(['{', '['])
        {
            *said = coloured_text(rng, said);
        }
    }
    if percent(rng, 5) {
        members.push(("ratio".to_owned(), Node::Raw(pick(rng, &["NaN", "Infinity", "-Infinity"]).to_owned())));
    }
    Onion { inner: Inner::Object(members), line, said: Said::default(), head: Said::default(), layers: vec!["json"] }
}

/// With codes that colour it on a terminal: all of it, or something in its midst.
fn coloured_text(rng: &mut Rng, said: &str) -> String {
    let (start, end) = (rng.usize(..=said.len()), rng.usize(..=said.len()));
    let place = if rng.bool() { 0..said.len() } else { start.min(end)..start.max(end) };
    let (start, end) = (said.floor_char_boundary(place.start), said.floor_char_boundary(place.end));
    let code = pick(rng, &["\u{1b}[31m", "\u{1b}[1;31m", "\u{1b}[38;5;9m"]);
    format!("{}{code}{}\u{1b}[0m{}", &said[..start], &said[start..end], &said[end..])
}

fn plain(rng: &mut Rng, content: &Content) -> Onion {
    let said = guarded(&content.texts.join(pick(rng, &[" ", ": ", "\n", " | "])));
    let (line, head, layer) = headed(rng, content, said);
    let mut inner = line.clone();
    if percent(rng, 15) {
        inner = coloured_text(rng, &inner);
    }
    Onion { inner: Inner::Text(inner), line, said: Said::default(), head, layers: vec![layer] }
}

/// A text with a head as loggers write it, or without one.
fn headed(rng: &mut Rng, content: &Content, said: String) -> (String, Said, &'static str) {
    let (capital, is_error) = pick(
        rng,
        &[("ERROR", true), ("FATAL", true), ("CRITICAL", true), ("INFO", false), ("WARN", false), ("DEBUG", false)],
    );
    let own = Said { own: Some(is_error), ..Said::default() };
    let app = content.plain_app();
    match rng.u8(..20) {
        0 => (format!("2024-03-05T10:00:00Z {capital} [{}] {said}", app.unwrap_or("-")), own, "head"),
        1 => (format!("2024-03-05 10:00:00,123 [main] {capital} com.Foo - {said}"), own, "head"),
        2 => (format!("{capital}:root:{said}"), own, "head"),
        3 => (format!("[{capital}] {said}"), own, "head"),
        4 => {
            let letter = if is_error { 'E' } else { 'I' };
            (format!("{letter}0305 10:00:00.123456       1 file.go:12] {said}"), own, "klog")
        }
        5 => {
            let level = pick(rng, if is_error { &["error", "crit", "emerg"] } else { &["warn", "notice", "info"] });
            let own = Said { app: Some("nginx".to_owned()), ..own };
            (format!("2024/03/05 09:19:24 [{level}] 31#31: {said}"), own, "nginx")
        }
        6 => {
            let word = if is_error { "ERROR" } else { "LOG" };
            (format!("2024-03-05 09:19:24.123 UTC [31] {word}:  {said}"), own, "postgres-text")
        }
        7 if !said.contains(['"', '\\', '\n']) => {
            let app = app.map(str::to_owned);
            let about = app.as_ref().map(|app| format!(" app={app}")).unwrap_or_default();
            // Where such a head is read, its level and app are no text: so they are none for which a rule looks.
            let level = if is_error { "fatal" } else { "info" };
            let line = format!("time=2024-03-05T10:00:00Z level={level} msg=\"{said}\"{about}");
            (line, Said { app, ..own }, "logfmt")
        }
        _ => (said, Said::default(), "text"),
    }
}

impl Onion {
    /// Puts any layer around it.
    pub(super) fn wrap(&mut self, rng: &mut Rng, content: &Content) {
        if percent(rng, 30) {
            self.prefix(rng, content);
        } else {
            // Only what the application wrote is promoted.
            let fits = |(name, _): &&Template| *name != "mezmo-promoted" || self.layers == ["json"];
            let templates: Vec<&Template> = envelopes::TEMPLATES.iter().filter(fits).collect();
            let template = pick(rng, &templates);
            self.envelope(rng, content, template);
        }
    }

    /// Puts an object around it.
    pub(super) fn envelope(&mut self, rng: &mut Rng, content: &Content, &(name, json): &Template) {
        let Ok(Value::Object(looks)) = serde_json::from_str::<Value>(json) else { panic!("{json} is no object") };
        let (app, source) = who(rng, content);
        let app = app.or_else(|| json.contains("{app!}").then(|| "armada-api".to_owned()));
        let source = source.or_else(|| json.contains("{source!}").then(|| "pod-d".to_owned()));
        let said = Said::default();
        let mut filling = Filling { rng, app, source, inner: &self.inner, said, is_silent: true, is_lonely: false };
        let members = filling.members(looks, true);
        let Filling { said, is_silent, is_lonely, .. } = filling;
        let own = said.own.or((is_silent && json.contains("{else}")).then_some(false));
        self.object_around(Said { own, ..said }, is_lonely);
        self.inner = Inner::Object(members);
        self.layers.push(name);
    }

    /// Puts something in front of it.
    fn prefix(&mut self, rng: &mut Rng, content: &Content) {
        let inner = self.inner.text(rng);
        let is_json = matches!(self.inner, Inner::Object(_));
        let (app, source) = who(rng, content);
        let (app, source) = (app.unwrap_or("kms".to_owned()), source.unwrap_or("pod-d".to_owned()));
        let by_name = |app: &String, source: &String| Said::of(Some(app), Some(source));
        let (layer, before, said) = match rng.u8(..9) {
            0 => ("byte-order-mark", "\u{feff}".to_owned(), Said::default()),
            1 => ("kubectl", format!("[pod/{source}/{app}] "), by_name(&app, &source)),
            2 => ("compose", format!("{app}-1  | "), by_name(&app, &format!("{app}-1"))),
            3 => {
                let (level, is_error) = pick(rng, &[(11, true), (8, true), (14, false), (191, false)]);
                let cee = if is_json && rng.bool() { "@cee: " } else { "" };
                let data = pick(rng, &["-", "-", "[x@1 a=\"b \\] c\"][y@1]"]);
                let before = format!("<{level}>1 2024-03-05T10:00:00Z {source} {app} 123 ID47 {data} {cee}");
                ("syslog-5424", before, Said { stamp: Some(is_error), ..by_name(&app, &source) })
            }
            4 => {
                let (level, is_error) = pick(rng, &[(11, true), (14, false)]);
                let before = format!("<{level}>Mar  5 10:00:00 {source} {app}[123]: ");
                ("syslog-3164", before, Said { stamp: Some(is_error), ..by_name(&app, &source) })
            }
            5 if is_json => ("stern", format!("{source}-x2x4z {app} "), by_name(&app, &format!("{source}-x2x4z"))),
            6 if is_json => ("kubectl-timestamps", "2024-03-05T10:00:00.123456789Z ".to_owned(), Said::default()),
            _ => {
                let stream = pick(rng, &["stdout F", "stderr F", "stderr P"]);
                ("cri", format!("2024-03-05T10:00:00.123456789Z {stream} "), Said::default())
            }
        };
        // A text's own head is looked for behind whatever stands in front.
        self.said.and(said);
        self.inner = Inner::Text(format!("{before}{inner}"));
        self.layers.push(layer);
    }

    /// What an object says comes behind what is known. Where it states a level of its own, nobody looks for another one in the
    /// head of its message, unless that stands alone in an object between.
    pub(super) fn object_around(&mut self, outer: Said, is_lonely: bool) {
        let mut said = std::mem::take(&mut self.head);
        if outer.own.is_some() && !is_lonely {
            said = Said::default();
        }
        said.and(std::mem::take(&mut self.said));
        said.and(outer);
        self.said = said;
    }

    /// It as a value, inside a list or another object.
    pub(super) fn node(&self) -> Node {
        match &self.inner {
            Inner::Object(members) => Node::Object(members.clone()),
            Inner::Text(said) => text(said),
        }
    }

    /// What the oracle is to judge.
    pub(super) fn told(&self, path: Option<String>) -> Told {
        let mut said = self.head.clone();
        said.and(self.said.clone());
        let line = super::json::to_bytes(&self.line);
        let app = said.app_itself.or(said.app).or(said.app_alike);
        let source = said.source_itself.or(said.source).or(said.source_alike);
        Told { line, app, source, own: said.own, stamp: said.stamp, path }
    }
}

impl Inner {
    pub(super) fn text(&self, rng: &mut Rng) -> String {
        match self {
            Self::Object(members) => write(rng, &Node::Object(members.clone()), Style::any),
            Self::Text(said) => said.clone(),
        }
    }
}

/// Whom a layer names: nobody, or mostly whom the line is of.
pub(super) fn who(rng: &mut Rng, content: &Content) -> (Option<String>, Option<String>) {
    let app = match rng.u8(..10) {
        0..3 => None,
        // One of them would be found in the text, if it were text.
        3 => Some(pick(
            rng,
            &["armada-compute-identity", "armada-kp-events", "armada-cluster", "kms", "etcd-error-rotation"],
        )),
        _ => content.plain_app(),
    };
    let source = if percent(rng, 50) { Some(pick(rng, &["pod-a", "pod-b", "pod-c"])) } else { None };
    (app.map(str::to_owned), source.map(str::to_owned))
}

/// Fills the holes of a template.
struct Filling<'a> {
    rng: &'a mut Rng,
    app: Option<String>,
    source: Option<String>,
    inner: &'a Inner,
    said: Said,
    /// There is no level.
    is_silent: bool,
    /// The line is a text, and was put into an object that says nothing else.
    is_lonely: bool,
}

impl Filling<'_> {
    fn members(&mut self, looks: serde_json::Map<String, Value>, is_root: bool) -> Members {
        let mut members = Members::new();
        for (key, value) in looks {
            match (key.as_str(), self.inner) {
                ("{else}", _) => {}
                ("{is}", _) => self.said.app = value.as_str().map(str::to_owned),
                ("{promoted}", Inner::Object(inner)) => members.extend(inner.iter().cloned()),
                ("{promoted}", Inner::Text(_)) => {}
                _ => {
                    let value = self.value(value, is_root.then_some(key.as_str()));
                    members.extend(value.map(|value| (key, value)));
                }
            }
        }
        members
    }

    /// `key`: of a member of the outermost object.
    fn value(&mut self, value: Value, key: Option<&str>) -> Option<Node> {
        Some(match value {
            Value::Object(looks) => Node::Object(self.members(looks, false)),
            Value::Array(looks) => Node::Array(looks.into_iter().filter_map(|one| self.value(one, None)).collect()),
            Value::String(looks) => return self.text(&looks, key),
            other => Node::Raw(other.to_string()),
        })
    }

    fn text(&mut self, looks: &str, key: Option<&str>) -> Option<Node> {
        match looks {
            "{line}" => return Some(self.line()),
            "{line:any}" if self.rng.bool() => return Some(self.line()),
            "{line:any}" | "{line:object}" => return Some(self.object()),
            "{line:bytes}" => {
                let bytes = super::json::to_bytes(&self.inner.text(self.rng));
                return Some(Node::Array(bytes.iter().map(|byte| Node::Raw(byte.to_string())).collect()));
            }
            _ => {}
        }
        if let Some(scale) = looks.strip_prefix("{own:") {
            return self.level(scale, |said, level| said.own = level);
        }
        if let Some(scale) = looks.strip_prefix("{stamp:") {
            return self.level(scale, |said, level| said.stamp = level);
        }
        if looks == "{app:alike}" {
            self.said.app_alike = self.app.clone();
            return self.app.clone().map(text);
        }
        if looks == "{source:alike}" {
            self.said.source_alike = self.source.clone();
            return self.source.clone().map(text);
        }
        if looks.contains("{app") {
            let app = self.app.clone()?;
            let said = if key == Some("app") { &mut self.said.app_itself } else { &mut self.said.app };
            *said = Some(app.clone());
            return Some(text(looks.replace("{app!}", &app).replace("{app}", &app)));
        }
        if looks.contains("{source") {
            let source = self.source.clone()?;
            let said = if key == Some("pod") { &mut self.said.source_itself } else { &mut self.said.source };
            *said = Some(source.clone());
            return Some(text(looks.replace("{source!}", &source).replace("{source}", &source)));
        }
        Some(text(looks))
    }

    fn line(&mut self) -> Node {
        match self.inner {
            Inner::Object(members) => Node::Json(Box::new(Node::Object(members.clone()))),
            Inner::Text(said) => text(said),
        }
    }

    /// A text stands in an object that says nothing else.
    fn object(&mut self) -> Node {
        self.is_lonely = matches!(self.inner, Inner::Text(_));
        Node::Object(match self.inner {
            Inner::Object(members) => members.clone(),
            Inner::Text(said) => vec![("message".to_owned(), text(said))],
        })
    }

    fn level(&mut self, scale: &str, say: impl Fn(&mut Said, Option<bool>)) -> Option<Node> {
        let scale = scale.trim_end_matches('}');
        let (scale, is_needed) = (scale.trim_end_matches('!'), scale.ends_with('!'));
        if !is_needed && percent(self.rng, 40) {
            return None;
        }
        let (node, says) = envelopes::level(self.rng, scale);
        self.is_silent &= matches!(&node, Node::Text(word) if word.is_empty());
        say(&mut self.said, says);
        Some(node)
    }
}
