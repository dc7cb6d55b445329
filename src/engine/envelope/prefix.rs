//! What a text begins with: what runtimes, `kubectl`, syslog and loggers write before the line or the message.
//!
//! Some of it stands around the line ([`Prefix::line`] is where the line inside begins); the rest is the line's own head, which
//! states a time and a level and is a part of its text. A new one is one row of [`KINDS`].

use std::borrow::Cow;
use std::ops::Range;

use crate::level::Scale;
use crate::moment;

/// What a text begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Prefix {
    /// Which it is.
    pub(in crate::engine) id: &'static str,
    pub(in crate::engine) app: Option<String>,
    pub(in crate::engine) source: Option<String>,
    pub(in crate::engine) time: Option<String>,
    pub(in crate::engine) level: Option<(String, Scale)>,
    /// The level is a collector's.
    pub(in crate::engine) is_stamp: bool,
    /// Where the line inside begins; 0 where this is the line's own head.
    pub(in crate::engine) line: usize,
    /// Where the message begins.
    pub(in crate::engine) says: usize,
    /// Where facts stand in the midst of the text: they are no part of it. Ascending.
    pub(in crate::engine) facts: Vec<Range<usize>>,
}

impl Prefix {
    fn new(id: &'static str) -> Self {
        Self {
            id,
            app: None,
            source: None,
            time: None,
            level: None,
            is_stamp: false,
            line: 0,
            says: 0,
            facts: Vec::new(),
        }
    }

    /// Of what stands around a line.
    fn around(id: &'static str, line: usize) -> Self {
        Self { line, says: line, ..Self::new(id) }
    }
}

/// Which bytes a text of a kind may begin with, and how it is read.
type Kind = (fn(u8) -> bool, fn(&str) -> Option<Prefix>);

/// All kinds, each with the bytes that it may begin with; what stands around a line before the heads of lines.
const KINDS: &[Kind] = &[
    (|byte| byte == 0xef, mark),
    (is_digit, cri),
    (|byte| byte == b'[', kubectl),
    (is_name, compose),
    (|byte| byte == b'<', syslog_5424),
    (|byte| byte == b'<' || byte.is_ascii_uppercase(), syslog_3164),
    (is_name, stern),
    (is_digit, stamped),
    (|byte| b"IWEFD".contains(&byte), klog),
    (is_digit, nginx),
    (|byte| byte.is_ascii_alphabetic() || byte == b'@', logfmt),
    (|byte| is_digit(byte) || byte.is_ascii_uppercase(), postgres),
    (may_be_head, headed),
];

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// A time, a bracket, or a level in capitals; or a day or month by its name.
fn may_be_head(byte: u8) -> bool {
    is_digit(byte) || byte.is_ascii_uppercase() || b"[(<".contains(&byte)
}

/// Of [`KINDS`], those that stand around a line.
const AROUND: usize = 8;

/// What a text begins with, if it is known: what stands around a line, or a line's own head, if it may have one.
pub(in crate::engine) fn peel(text: &str, may_have_head: bool) -> Option<Prefix> {
    let first = *text.as_bytes().first()?;
    let kinds = if may_have_head { KINDS } else { &KINDS[..AROUND] };
    let mut found = kinds.iter().filter(|(begins, _)| begins(first)).filter_map(|(_, kind)| kind(text));
    found.find(|prefix| prefix.line > 0 || may_have_head)
}

/// A text without what stands at these places.
pub(in crate::engine) fn without<'t>(text: Cow<'t, str>, places: &[Range<usize>]) -> Cow<'t, str> {
    if places.is_empty() {
        return text;
    }
    let mut rest = String::with_capacity(text.len());
    let mut at = 0;
    for place in places {
        rest.push_str(&text[at..place.start]);
        at = place.end;
    }
    rest.push_str(&text[at..]);
    Cow::Owned(rest)
}

/// A byte order mark.
fn mark(text: &str) -> Option<Prefix> {
    text.starts_with('\u{feff}').then(|| Prefix::around("byte-order-mark", '\u{feff}'.len_utf8()))
}

/// `2024-03-05T10:00:00.123456789Z stderr F the line`
fn cri(text: &str) -> Option<Prefix> {
    let (time, rest) = text.split_once(' ')?;
    let (stream, rest) = rest.split_once(' ')?;
    let (tags, line) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_cri = matches!(stream, "stdout" | "stderr") && matches!(tags.split(':').next(), Some("F" | "P"));
    (is_cri && is_rfc_3339(time))
        .then(|| Prefix { time: Some(time.to_owned()), ..Prefix::around("cri", text.len() - line.len()) })
}

/// `[pod/POD/CONTAINER] the line`, of `kubectl logs --prefix`
fn kubectl(text: &str) -> Option<Prefix> {
    let (about, line) = text.strip_prefix("[pod/")?.split_once("] ")?;
    let (pod, container) = about.split_once('/')?;
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_label);
    (is_name(pod) && is_name(container)).then(|| Prefix {
        app: Some(container.to_owned()),
        source: Some(pod.to_owned()),
        ..Prefix::around("kubectl", text.len() - line.len())
    })
}

/// Names of containers and pods are no longer than this.
const NAME_MAX: usize = 256;

/// `name-1  | the line`, of docker compose
fn compose(text: &str) -> Option<Prefix> {
    let name_ends = text.bytes().take(NAME_MAX).position(|byte| byte == b'|')?;
    let (name, line) = (&text[..name_ends], text[name_ends..].strip_prefix("| ")?);
    let is_padded = name.ends_with(' ');
    let name = name.trim_end();
    let (app, number) = name.rsplit_once(['-', '_'])?;
    let is_name = name.bytes().all(|byte| is_label(byte) || byte == b'_') && !app.is_empty();
    (is_padded && is_name && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| Prefix {
        app: Some(app.to_owned()),
        source: Some(name.to_owned()),
        ..Prefix::around("compose", text.len() - line.len())
    })
}

/// `POD CONTAINER the line`, of stern. Two words begin many lines: the first must be named as pods are, and the line must
/// begin as lines do.
fn stern(text: &str) -> Option<Prefix> {
    let (pod, rest) = text.split_once(' ')?;
    let (container, line) = rest.split_once(' ')?;
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_label);
    if !is_name(pod) || !is_name(container) || !is_pod(pod) {
        return None;
    }
    let begins = line.starts_with(['{', '[']) || peel(line, true).is_some();
    begins.then(|| Prefix {
        app: Some(container.to_owned()),
        source: Some(pod.to_owned()),
        ..Prefix::around("stern", text.len() - line.len())
    })
}

/// Whether a name ends as those of pods do: in five letters and digits, or in a number.
fn is_pod(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(before, last)| {
        let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
        let is_hash = last.len() == 5 && last.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        !before.is_empty() && (is_number || is_hash)
    })
}

/// A time before a line that has a beginning of its own, of `kubectl logs --timestamps`.
fn stamped(text: &str) -> Option<Prefix> {
    let (time, line) = text.split_once(' ')?;
    if !is_rfc_3339(time) {
        return None;
    }
    let has_its_own = line.starts_with('{') || [klog, logfmt, nginx].iter().any(|kind| kind(line).is_some());
    has_its_own.then(|| Prefix {
        time: Some(time.to_owned()),
        ..Prefix::around("kubectl-timestamps", text.len() - line.len())
    })
}

/// `<11>1 2024-03-05T10:00:00Z host app 123 ID - the line` (RFC 5424)
fn syslog_5424(text: &str) -> Option<Prefix> {
    let (number, rest) = priority(text)?;
    let rest = rest.strip_prefix("1 ")?;
    let mut words = rest.splitn(6, ' ');
    let (time, host, app) = (words.next()?, words.next()?, words.next()?);
    let (_process, _id, rest) = (words.next()?, words.next()?, words.next()?);
    let line = rest.strip_prefix("- ").or_else(|| behind_structured_data(rest))?;
    let line = line.trim_start_matches('\u{feff}');
    let line = line.strip_prefix("@cee:").map_or(line, str::trim_start);
    let named = |name: &str| (name != "-").then(|| name.to_owned());
    Some(Prefix {
        app: named(app),
        source: named(host),
        time: named(time),
        level: Some(level_of(number)),
        is_stamp: true,
        ..Prefix::around("syslog-5424", text.len() - line.len())
    })
}

/// What stands behind `[id name="value"][…] `; a bracket in a value is escaped.
fn behind_structured_data(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(inside) = rest.strip_prefix('[') {
        let mut is_escaped = false;
        let end = inside.bytes().position(|byte| {
            let ends = byte == b']' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        })?;
        rest = &inside[end + 1..];
    }
    (rest.len() < text.len()).then(|| rest.strip_prefix(' ').unwrap_or(rest))
}

/// `<11>Mar  5 10:00:00 host app[123]: the line` (RFC 3164); without the number in front, as in files, it is the line's head.
fn syslog_3164(text: &str) -> Option<Prefix> {
    let (level, rest) = match priority(text) {
        Some((number, rest)) => (Some(level_of(number)), rest),
        None => (None, text),
    };
    let length = time_head(rest).filter(|_| level.is_some() || starts_with_month(rest))?;
    let (time, behind) = (&rest[..length], rest[length..].strip_prefix(' ')?);
    let (host, behind) = behind.split_once(' ')?;
    let (tag, line) = behind.split_once(": ").or_else(|| Some((behind.strip_suffix(':')?, "")))?;
    if tag.contains(' ') || host.contains('=') {
        return None;
    }
    let app = tag.split('[').next().unwrap_or(tag);
    let line = line.strip_prefix("@cee:").map_or(line, str::trim_start);
    let begins = text.len() - line.len();
    let is_around = level.is_some() || line.starts_with('{');
    Some(Prefix {
        app: (!app.is_empty()).then(|| app.to_owned()),
        source: Some(host.to_owned()),
        time: Some(time.to_owned()),
        level,
        is_stamp: true,
        line: if is_around { begins } else { 0 },
        says: begins,
        ..Prefix::new("syslog-3164")
    })
}

fn starts_with_month(text: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ", "Dec "];
    MONTHS.iter().any(|month| text.starts_with(month))
}

/// The number in `<11>`, and what is behind it
pub(in crate::engine) fn priority(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    ((1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())).then_some((number, rest))
}

/// As a level.
fn level_of(priority: &str) -> (String, Scale) {
    (priority.to_owned(), Scale::Priority)
}

/// `I0305 10:00:00.123456       1 file.go:12] the message`
fn klog(text: &str) -> Option<Prefix> {
    let bytes = text.as_bytes();
    let is_head = matches!(bytes.first(), Some(b'I' | b'W' | b'E' | b'F' | b'D'))
        && bytes.get(1..5)?.iter().all(u8::is_ascii_digit)
        && bytes.get(5) == Some(&b' ')
        && bytes.get(8) == Some(&b':');
    if !is_head {
        return None;
    }
    let (head, message) = text.split_once("] ").or_else(|| Some((text.strip_suffix(']')?, "")))?;
    let time = head.split_ascii_whitespace().nth(1)?;
    let behind = head.find(time)? + time.len();
    Some(Prefix {
        time: Some(head[..behind].to_owned()),
        level: Some((text[..1].to_owned(), Scale::Letter)),
        says: text.len() - message.len(),
        ..Prefix::new("klog")
    })
}

/// `2024/03/05 09:19:24 [error] 31#31: the message`
fn nginx(text: &str) -> Option<Prefix> {
    let length = time_head(text).filter(|_| text.as_bytes().get(4) == Some(&b'/'))?;
    let rest = text[length..].strip_prefix(" [")?;
    let (level, message) = rest.split_once("] ")?;
    // The process and its thread, and the connection.
    let process = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'#');
    let message = message.split_once(": ").filter(|(before, _)| process(before)).map_or(message, |(_, rest)| rest);
    let connection =
        |text: &str| text.strip_prefix('*').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let message = message.split_once(' ').filter(|(before, _)| connection(before)).map_or(message, |(_, rest)| rest);
    level.bytes().all(|byte| byte.is_ascii_lowercase()).then(|| Prefix {
        app: Some("nginx".to_owned()),
        time: Some(text[..length].to_owned()),
        level: Some((level.to_owned(), Scale::Word)),
        says: text.len() - message.len(),
        ..Prefix::new("nginx-error")
    })
}

/// `time=… level=error msg="the message" app=…`
fn logfmt(text: &str) -> Option<Prefix> {
    let mut prefix = Prefix::new("logfmt");
    let (mut pairs, mut is_known, mut at) = (0, false, 0);
    while let Some((key, value, behind)) = pair(text, at) {
        pairs += 1;
        if FACTS.contains(&key) {
            prefix.facts.push(value.clone());
        }
        let value = || Some(text[value.clone()].to_owned()).filter(|value| !value.is_empty());
        match key {
            "level" | "lvl" | "severity" => prefix.level = value().map(|level| (level, Scale::Word)),
            "app" | "service" => prefix.app = prefix.app.or_else(value),
            "pod" | "host" => prefix.source = prefix.source.or_else(value),
            "ts" | "time" | "timestamp" | "t" => prefix.time = prefix.time.or_else(value),
            "msg" | "message" => {
                prefix.says = behind.saturating_sub(value().map_or(0, |value| value.len() + 1)).max(at)
            }
            _ => {}
        }
        is_known |= matches!(key, "level" | "lvl" | "msg");
        at = behind;
        if pairs == LOGFMT_PAIRS_MAX {
            break;
        }
    }
    (pairs >= 2 && is_known).then_some(prefix)
}

/// Keys of facts.
const FACTS: [&str; 11] = ["level", "lvl", "severity", "app", "service", "pod", "host", "ts", "time", "timestamp", "t"];

/// Pairs that are looked at.
const LOGFMT_PAIRS_MAX: usize = 64;

/// The pair `key=value` or `key="value"` at a place: the key, where the value stands, and what is behind both.
fn pair(text: &str, at: usize) -> Option<(&str, Range<usize>, usize)> {
    let rest = text.get(at..)?;
    let start = at + (rest.len() - rest.trim_start_matches(' ').len());
    let length =
        text[start..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_.-/@".contains(byte)).count();
    let key = &text[start..start + length];
    let begins = start + length + 1;
    if length == 0 || text.as_bytes().get(start + length) != Some(&b'=') {
        return None;
    }
    if text[begins..].starts_with('"') {
        let mut is_escaped = false;
        let end = text[begins + 1..].bytes().position(|byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        })?;
        let value = begins + 1..begins + 1 + end;
        return Some((key, value.clone(), value.end + 1));
    }
    let end = text[begins..].find(' ').map_or(text.len(), |end| begins + end);
    Some((key, begins..end, end))
}

/// `2024-03-05 09:19:24.123 UTC [31] ERROR:  the message`, of PostgreSQL, by the two blanks.
fn postgres(text: &str) -> Option<Prefix> {
    const WORDS: [&str; 9] = ["LOG", "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "DEBUG", "STATEMENT"];
    let head_ends = text.as_bytes().windows(3).take(NAME_MAX).position(|window| window == b":  ")?;
    let (head, message) = (&text[..head_ends], &text[head_ends + 3..]);
    let (before, word) = head.rsplit_once(' ').unwrap_or(("", head));
    if !WORDS.contains(&word) || before.len() > 128 {
        return None;
    }
    let time = time_head(text).map(|length| text[..length].to_owned());
    Some(Prefix {
        time,
        level: Some((word.to_owned(), Scale::Word)),
        says: text.len() - message.len(),
        ..Prefix::new("postgres")
    })
}

/// Words among which a head has its level.
const HEAD_WORDS: usize = 6;

/// A time, and then a level in capitals or in brackets among the first words; or such a level first of all.
fn headed(text: &str) -> Option<Prefix> {
    const LEVELS: [&str; 16] = [
        "TRACE",
        "DEBUG",
        "INFO",
        "NOTICE",
        "WARN",
        "WARNING",
        "ERROR",
        "ERR",
        "FATAL",
        "CRITICAL",
        "CRIT",
        "SEVERE",
        "ALERT",
        "EMERG",
        "PANIC",
        "INFORMATION",
    ];
    let length = time_head(text);
    let time = length.map(|length| text[..length].trim_matches(['[', ']', ' ']).to_owned());
    let behind = length.unwrap_or(0);
    let words = if length.is_some() { HEAD_WORDS } else { 1 };
    let mut at = behind;
    let mut level = None;
    let mut seen = 0;
    for word in text[behind..].split_inclusive(' ') {
        at += word.len();
        if word.trim().is_empty() {
            continue;
        }
        if seen == words {
            break;
        }
        seen += 1;
        let bare = word.trim().trim_end_matches([':', ',']);
        let bracketed = bare.strip_prefix(['[', '<', '(']).map(|inner| inner.trim_end_matches([']', '>', ')', ':']));
        // Python's: `ERROR:root:the message`.
        let bare = bare.split(':').next().unwrap_or(bare);
        let known = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        let is_capital = bare.bytes().all(|byte| byte.is_ascii_uppercase());
        // Alone at the beginning of a sentence it is a word, unless it stands as levels do.
        let is_marked =
            length.is_some() || word.trim() != bare || text[at..].trim_start().starts_with(['[', '{', '(', ':']);
        match bracketed {
            Some(inner) if known(inner) => level = Some((inner.to_owned(), Scale::Word)),
            None if known(bare) && is_capital && is_marked => level = Some((bare.to_owned(), Scale::Word)),
            _ => continue,
        }
        break;
    }
    if time.is_none() && level.is_none() {
        return None;
    }
    let after = if level.is_some() { at } else { behind };
    let rest = &text[after..];
    let says = rest.find(" - ").map(|at| at + 3).or_else(|| rest.find(": ").map(|at| at + 2)).unwrap_or(0);
    Some(Prefix { time, level, says: after + says, ..Prefix::new("head") })
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
}

fn is_rfc_3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && time_head(text) == Some(text.len())
}

/// How many bytes of a text are a time.
fn time_head(text: &str) -> Option<usize> {
    // Most messages are words: those of a day or a month are short, and have a blank or a comma behind them.
    let first = *text.as_bytes().first()?;
    let may_be_name = || text.bytes().take(10).any(|byte| byte == b' ' || byte == b',');
    if !(is_digit(first) || b"[(<\"".contains(&first) || first.is_ascii_uppercase() && may_be_name()) {
        return None;
    }
    moment::head(text).filter(|head| head.start == 0).map(|head| head.end)
}
