//! What a line says, whether or not a rule knows it: for whoever counts error lines, or looks for what no rule claims.
//!
//! [`Engine::classify`] does not come by here: a line is parsed for this alone.

use std::borrow::Cow;

use super::decide::is_error;
use super::line::Line;
use super::{Engine, Writer, is_probe};

/// Members that hold what a line says, the first that it has.
const SAYS: [&str; 8] = ["msg", "message", "MESSAGE", "log", "line", "_line", "text", "body"];
/// Members that hold why, where they are texts.
const CAUSE: [&str; 4] = ["error", "err", "exception", "cause"];
/// Levels as lines without fields write them. What stands first decides.
const LEVELS: [&str; 12] =
    ["trace", "debug", "info", "notice", "warn", "warning", "error", "err", "fatal", "critical", "severe", "panic"];
/// Words of such a line that may be its level, from the beginning.
const LEVEL_WITHIN: usize = 12;
/// Words that make an error of a line that tells no level in any way.
const ERROR_WORDS: [&str; 14] = [
    "error",
    "errors",
    "err",
    "fail",
    "failed",
    "failure",
    "failures",
    "fatal",
    "panic",
    "exception",
    "critical",
    "severe",
    "refused",
    "denied",
];

/// The gist of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gist {
    /// Who wrote it.
    pub app: Option<String>,
    /// The member that holds what it says, and one that says why; of a line without such members its longest text. Each
    /// is a text that phrases are matched on.
    pub says: Vec<String>,
    /// Its level stands for an error (error, err, fatal, critical, panic, alert, emerg). A line without a level member is
    /// one when the level written among its first words does, or severe; or, where none is written, when it holds a word
    /// such as `failed`.
    pub is_error: bool,
    /// It is a JSON object.
    pub is_object: bool,
}

impl Engine {
    /// The gist of a line. Nothing for one that is too long to be judged, for LogDNA's set-up probe, and for one without
    /// any text.
    #[must_use]
    pub fn gist(&self, payload: &[u8], writer: Writer<'_>) -> Option<Gist> {
        if payload.len() > self.settings.limits.payload {
            return None;
        }
        let record = self.open(payload, writer);
        let line = &record.line;
        if is_probe(line) {
            return None;
        }
        let says = says(line);
        let is_error = match &line.level {
            Some(level) => is_error(level),
            None => says.iter().any(|text| reads_as_error(text)),
        };
        let is_object = record.object.is_some();
        (!says.is_empty()).then(|| Gist { app: line.app.clone(), says, is_error, is_object })
    }
}

fn says(line: &Line<'_>) -> Vec<String> {
    let is_text = |text: &String| line.texts.iter().any(|other| other == text) && !text.trim().is_empty();
    let named = |names: &[&str]| names.iter().find_map(|name| line.member(name).filter(is_text));
    let (what, why) = (named(&SAYS), named(&CAUSE));
    let mut says: Vec<String> = what.into_iter().chain(why).collect();
    says.dedup();
    if says.is_empty() {
        let longest = line.texts.iter().rev().max_by_key(|text| text.len()).filter(|text| !text.trim().is_empty());
        says.extend(longest.cloned().map(Cow::into_owned));
    }
    says
}

/// Whether a text that stands without a level tells of an error.
fn reads_as_error(text: &str) -> bool {
    let words = || text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let known = |word: &str| LEVELS.iter().position(|level| level.eq_ignore_ascii_case(word));
    // In the midst of a sentence `error` is a word and no level: a level is written in capitals or in brackets.
    let is_level = |word: &&str| {
        let bracketed = || ["[", "<", "("].iter().any(|open| text.contains(&format!("{open}{word}")));
        known(word).is_some() && (word.bytes().all(|byte| byte.is_ascii_uppercase()) || bracketed())
    };
    match words().take(LEVEL_WITHIN).find(is_level).and_then(known) {
        Some(level) => level >= LEVELS.iter().position(|level| *level == "error").unwrap_or_default(),
        None => words().any(|word| ERROR_WORDS.iter().any(|error| error.eq_ignore_ascii_case(word))),
    }
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
        ] {
            assert_eq!(gist(line).map(|gist| gist.is_error), Some(expected), "{line}");
        }
    }
}
