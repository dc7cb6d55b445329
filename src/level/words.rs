//! The words that loggers, collectors and platforms have for levels.

use super::severity::{Level, Reading};

/// What is longer is a sentence and no level, in bytes.
pub(super) const LONGEST: usize = 64;

/// Words by level; case is nothing. Loggers that are cut to three or four letters are here as they are cut.
const WORDS: [(Level, &[&str]); 11] = [
    (
        Level::TRACE,
        &[
            "trace", "trac", "trc", "trce", "tracing", "finest", "verbose", "verb", "vrb", "silly", "sill", "blather",
            "blat",
        ],
    ),
    (Level::DEBUG, &["debug", "debu", "debg", "dbg", "dbug", "debugging", "debug5", "finer"]),
    (Level::DEBUG2, &["fine"]),
    (Level::DEBUG4, &["config", "http", "timing"]),
    // PostgreSQL's LOG is no error, and DETAIL and its like go with a message; System is MySQL's, Normal Kubernetes'.
    (
        Level::INFO,
        &[
            "info",
            "inf",
            "information",
            "informational",
            "informative",
            "log",
            "hint",
            "detail",
            "statement",
            "context",
            "system",
            "normal",
            "ok",
            "success",
        ],
    ),
    (Level::INFO2, &["notice", "note", "audit"]),
    (Level::WARN, &["warn", "warning", "wrn", "warnings", "deprecated", "deprecation"]),
    (
        Level::ERROR,
        &["error", "err", "erro", "errors", "severe", "failure", "fail", "failed", "fault", "exception", "parse error"],
    ),
    (Level::FATAL, &["fatal", "fata", "ftl", "critical", "crit", "crt", "dpanic", "dpan", "fatal error", "assert"]),
    (Level::FATAL2, &["alert"]),
    // Syslog's old name for an emergency is panic.
    (Level::FATAL4, &["emergency", "emerg", "panic", "pani", "pnc"]),
];

/// Words for having none. `SystemOut` and `SystemErr` are the streams that Liberty found a line on.
const NONE: [&str; 20] = [
    "",
    "-",
    "--",
    "default",
    "unspecified",
    "unknown",
    "none",
    "notset",
    "not set",
    "unset",
    "undefined",
    "null",
    "nil",
    "n/a",
    "na",
    "off",
    "any",
    "all",
    "systemout",
    "systemerr",
];

/// What stands before the word where a constant's name is written: OpenTelemetry's, syslog's, NLog's, PHP's.
const BEFORE: [&str; 8] = ["severity_number_", "log_level_", "loglevel.", "level_", "level.", "log_", "e_", "php "];

/// What a word means; nothing when it is none of those known.
pub(super) fn read(bare: &str) -> Option<Reading> {
    if bare.len() > LONGEST {
        return None;
    }
    let plain = |word: &str| known(word).or_else(|| numbered(word).map(Reading::Level));
    plain(bare).or_else(|| BEFORE.iter().find_map(|before| plain(without(bare, before)?)))
}

fn known(word: &str) -> Option<Reading> {
    let is = |other: &&str| other.eq_ignore_ascii_case(word);
    let level = WORDS.iter().find(|(_, words)| words.iter().any(&is)).map(|(level, _)| *level);
    level.map(Reading::Level).or_else(|| NONE.iter().any(&is).then_some(Reading::NoLevel))
}

fn without<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let (front, rest) = text.split_at_checked(before.len())?;
    front.eq_ignore_ascii_case(before).then_some(rest)
}

/// `INFO2` of OpenTelemetry, `ERROR+2` and `INFO-1` of Go's slog: so many numbers from the first of the word.
fn numbered(word: &str) -> Option<Level> {
    let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (name, rest) = word.split_at(letters);
    let (_, base) = Level::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    let more = match rest.as_bytes() {
        [digit @ b'1'..=b'4'] => i8::try_from(digit - b'1').ok()?,
        [b'+' | b'-', ..] => rest.parse().ok()?,
        _ => return None,
    };
    Level::new(base.number().checked_add_signed(more)?.clamp(1, 24))
}
