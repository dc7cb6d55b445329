//! What a line says, whether or not a rule knows it: for whoever counts error lines, or looks for what no rule claims.
//!
//! [`Engine::classify`] does not come by here: a line is parsed for this alone. Where in a line its message and its level
//! stand is known in one place, `told`.

use std::borrow::Cow;

use super::line::Line;
use super::listed::is_among;
use super::plain::{self, Said};
use super::{Engine, Writer, is_probe};
use crate::level::Level;

/// Words that make an error of a line that tells no level in any way, in the order of the alphabet.
#[rustfmt::skip]
const ERROR_WORDS: [&str; 14] = [
    "critical", "denied", "err", "error", "errors", "exception", "fail", "failed", "failure", "failures", "fatal", "panic",
    "refused", "severe",
];
/// How names end that do the same: `NullPointerException`.
const ERROR_NAMES: [&str; 2] = ["Exception", "Error"];

/// The gist of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gist {
    /// Who wrote it.
    pub app: Option<String>,
    /// The member that holds what it says, and one that says why. Of a line without such members, the text that is most of
    /// a sentence; of one without fields, what stands behind its time and level.
    pub says: Vec<String>,
    /// Its level is an error or worse. A line without a level member is one when the level that its text states is, or the
    /// priority in front of it; or, where none is stated, when it holds a word such as `failed`.
    pub is_error: bool,
    /// It is a JSON object.
    pub is_object: bool,
}

impl Engine {
    /// The gist of a line. Nothing for one that is too long to be judged, for LogDNA's set-up probe, and for one without
    /// any text.
    #[must_use]
    pub fn gist(&self, payload: &[u8], writer: Writer<'_>) -> Option<Gist> {
        self.gist_if(payload, writer, true)
    }

    /// The same of error lines only.
    #[must_use]
    pub fn gist_of_error(&self, payload: &[u8], writer: Writer<'_>) -> Option<Gist> {
        self.gist_if(payload, writer, false)
    }

    fn gist_if(&self, payload: &[u8], writer: Writer<'_>, of_all: bool) -> Option<Gist> {
        if payload.len() > self.settings.limits.payload {
            return None;
        }
        let record = self.open(payload, writer);
        let is_object = record.object.is_some();
        record.lines.iter().filter(|line| !is_probe(line)).find_map(|line| gist(line, is_object, of_all))
    }
}

fn gist(line: &Line<'_>, is_object: bool, of_all: bool) -> Option<Gist> {
    let stated = line.level.as_ref().map(|fact| &fact.value);
    let own = stated.filter(|stated| !stated.is_stamp).and_then(|stated| stated.level);
    // Most lines are no errors and say so, and what else they say is not looked for.
    if !of_all && own.is_some_and(|level| !is_bad(level)) {
        return None;
    }
    let stamp = stated.filter(|stated| stated.is_stamp).and_then(|stated| stated.level);
    let told = Told { stamp, ..told(line, own)? };
    let is_error = told.is_error();
    let app = line.app().map(str::to_owned);
    (is_error || of_all).then(|| Gist { app, says: told.says(is_object), is_error, is_object })
}

/// What a line says and how bad it says that it is, as it stands there.
struct Told<'l> {
    what: Cow<'l, str>,
    why: Option<String>,
    level: Option<Level>,
    /// What a collector says of it.
    stamp: Option<Level>,
}

/// What its layers say of a line, and what its text does where they are silent.
fn told<'l>(line: &'l Line<'_>, stated: Option<Level>) -> Option<Told<'l>> {
    let why = line.why();
    let what = match line.says() {
        Some(what) => Cow::Borrowed(what),
        None if why.is_some() => Cow::Borrowed(""),
        None => Cow::Borrowed(most_of_a_sentence(&line.texts)?),
    };
    let level = stated.or_else(|| plain::level(&what));
    Some(Told { what, why, level, stamp: None })
}

fn is_bad(level: Level) -> bool {
    level.at_least(Level::ERROR)
}

/// Of texts that nobody names, the one of most words: paths of modules, names of resources, digests may be longer.
fn most_of_a_sentence<'l>(texts: &'l [Cow<'_, str>]) -> Option<&'l str> {
    if let [text] = texts {
        return Some(&**text).filter(|text| !text.trim().is_empty());
    }
    let is_word = |word: &&str| word.bytes().filter(u8::is_ascii_alphabetic).count() * 2 > word.len();
    let words = |text: &&str| text.split_ascii_whitespace().filter(is_word).count();
    let texts = texts.iter().map(AsRef::as_ref).filter(|text: &&str| !text.trim().is_empty());
    // Of several, the first.
    texts.rev().max_by_key(words)
}

impl Told<'_> {
    fn is_error(&self) -> bool {
        let texts = || [Some(&*self.what), self.why.as_deref()].into_iter().flatten();
        match self.level {
            Some(level) => is_bad(level),
            // A priority is often what a collector puts before all lines, so it makes no line quiet.
            None => self.stamp.or_else(|| plain::stamp(&self.what)).is_some_and(is_bad) || texts().any(reads_as_error),
        }
    }

    /// The message, without what a logger puts in front of it, and the cause.
    fn says(self, is_object: bool) -> Vec<String> {
        let Self { what, why, .. } = self;
        let said = if !is_object || plain::is_logged(&what) { plain::said(&what) } else { Said { what, why: None } };
        let why = why.or_else(|| said.why.map(Cow::into_owned));
        let mut says: Vec<String> =
            Some(said.what.into_owned()).filter(|what| !what.is_empty()).into_iter().chain(why).collect();
        says.dedup();
        says
    }
}

/// Whether a text that states no level tells of an error.
fn reads_as_error(text: &str) -> bool {
    text.as_bytes().split(|byte| !byte.is_ascii_alphanumeric()).any(|word| {
        // Only words that begin so need to be looked up.
        let may_be = word.first().is_some_and(|first| b"cdefprs".contains(&first.to_ascii_lowercase()));
        may_be && std::str::from_utf8(word).is_ok_and(|word| is_among(&ERROR_WORDS, word))
            || ERROR_NAMES.iter().any(|end| word.len() > end.len() && word.ends_with(end.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Settings;
    use crate::pack::{builtin, parse};

    fn gist(line: &str) -> Option<Gist> {
        let engine = Engine::new(parse(&builtin()).0.expect("packs"), Settings::default()).expect("builds");
        engine.gist(line.as_bytes(), Writer::default())
    }

    #[test]
    fn a_line_says_its_message_and_why() {
        let gist = gist(
            r#"{"app":"a","level":"ERROR","caller":"a/very/long/path/to/a/file.go:10","msg":"no luck","error":"gone"}"#,
        );
        let expected = Gist {
            app: Some("a".into()),
            says: vec!["no luck".into(), "gone".into()],
            is_error: true,
            is_object: true,
        };
        assert_eq!(gist, Some(expected));
        let nested = self::gist(r#"{"_app":"b","_line":"{\"level\":\"info\",\"msg\":\"within\"}"}"#).expect("a gist");
        assert_eq!((nested.app.as_deref(), nested.says), (Some("b"), vec!["within".to_owned()]));
        assert_eq!(self::gist(r#"{"_app":"logdna-selfstream-config-validation","msg":"probe"}"#), None);
        assert_eq!(self::gist(r#"{"n":1}"#), None);
    }

    #[test]
    fn the_message_is_the_message_and_not_the_longest_text() {
        let image =
            "registry.example.com/shop/cart@sha256:0b7e6c1a9d2f4c3b8e5aabcdefabcdef0b7e6c1a9d2f4c3b8e5aabcdefabcdef";
        let says = |line: String| gist(&line).map(|gist| gist.says).unwrap_or_default();
        for message in [
            r#""message":"no luck""#,
            r#""textPayload":"no luck""#,
            r#""fields":{"message":"no luck"}"#,
            r#""MESSAGE":"no luck""#,
            r#""short_message":"no luck""#,
            r#""@mt":"no luck""#,
            r#""event":"no luck""#,
            r#""nobody-knows-me":"no luck""#,
            r#""log":"2024-05-07 10:55:53,434 ERROR no luck""#,
            r#""_line":"{\"msg\":\"no luck\"}""#,
        ] {
            let line =
                format!(r#"{{"image":"{image}","logger":"com.example.shop.cart.Checkout",{message},"id":"{image}"}}"#);
            assert_eq!(says(line.clone()), ["no luck"], "{line}");
        }
        assert_eq!(says(r#"{"level":"error","error":"gone","id":"longer than the error"}"#.into()), ["gone"]);
        let klog = r#"{"log":"E0507 12:04:17.596973 1 x.go:202] \"Error syncing pod\" err=\"no such pod\"","stream":"stderr"}"#;
        assert_eq!(says(klog.into()), ["Error syncing pod", "no such pod"]);
    }

    #[test]
    fn an_error_is_told_by_its_level_or_else_by_its_words() {
        for (line, expected) in [
            (r#"{"level":"info","msg":"the call failed"}"#, false),
            (r#"{"level":"fatal","msg":"fine"}"#, true),
            (r#"{"msg":"the call failed"}"#, true),
            ("2015-07-29 17:41:44,747 - INFO  [main] - the call failed", false),
            ("2015-07-29 17:41:44,747 - ERROR  [main] - odd", true),
            ("[Thu Jun 09 06:07:04 2005] [notice] LDAP: error no matter", false),
            ("[Thu Jun 09 06:07:04 2005] [error] env.createBean2()", true),
            ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; logname= uid=0", true),
            ("Jun 14 15:16:01 combo sshd: session opened", false),
            (r#"{"level":"SEVERE","msg":"fine"}"#, true),
            (r#"{"level":"unknown","msg":"the call failed"}"#, true),
            (r#"{"level":30,"msg":"the call failed"}"#, false),
            (r#"{"log":"I0507 12:04:17.596973 1 x.go:202] failed"}"#, false),
            (r#"{"msg":"java.lang.NullPointerException"}"#, true),
            (r#"{"msg":"no luck","error":"dial failed"}"#, true),
            ("<11>May  7 12:04:17 host app[1]: no luck", true),
            ("<14>May  7 12:04:17 host app[1]: it failed", true),
            ("<11>May  7 12:04:17 host app[1]: level=info msg=\"no luck\"", false),
        ] {
            assert_eq!(gist(line).map(|gist| gist.is_error), Some(expected), "{line}");
        }
    }
}
