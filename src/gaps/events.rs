//! Words that say what happened. They tell two events apart: where such a word differs, lines are not made one template of,
//! whatever else is alike.
//!
//! - Names and codes of errors never become "anything": `ImagePullBackOff`, `KEY_DELETED_ERR`, `ECONNREFUSED`, `ORA-00942`.
//! - Everyday words do when there are many of them at one place, as names then happen to look so: verbs and their forms
//!   (`started`, `closing`), what has an opposite (`on`, `local`), what joins parts of a sentence (`over`, `from`), and
//!   what is written as programs write their own names (`GET`, `SCREEN_OFF`, `getTasks`).

use super::template::{MARKS, NUMBER};
use crate::engine::is_among;

/// Parts of names that say what went wrong, in the order of the alphabet, as are all lists here.
#[rustfmt::skip]
const TROUBLE: [&str; 48] = [
    "abort", "aborted", "backoff", "bad", "cannot", "conflict", "corrupt", "corrupted", "crash", "deadlock",
    "deleted", "denied", "err", "error", "errors", "evicted", "exceeded", "exception", "expired", "fail", "failed",
    "failure", "failures", "fatal", "fault", "forbidden", "illegal", "insufficient", "invalid", "killed", "lost",
    "misconfigured", "mismatch", "missing", "notfound", "overflow", "panic", "refused", "rejected", "timedout",
    "timeout", "unauthorized", "unavailable", "unhealthy", "unknown", "unreachable", "unsupported", "violation",
];
/// Names of errors as C has them, and what is written in it.
#[rustfmt::skip]
const ERRNO: [&str; 45] = [
    "EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "EAGAIN", "EALREADY", "EBADF", "EBUSY", "ECANCELED", "ECHILD",
    "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EDEADLK", "EDQUOT", "EEXIST", "EFAULT", "EFBIG", "EHOSTDOWN",
    "EHOSTUNREACH", "EINTR", "EINVAL", "EIO", "EISDIR", "EMFILE", "EMLINK", "ENAMETOOLONG", "ENETDOWN", "ENETUNREACH",
    "ENFILE", "ENODEV", "ENOENT", "ENOMEM", "ENOSPC", "ENOTCONN", "ENOTDIR", "ENOTEMPTY", "ENOTFOUND", "ENOTSUP",
    "EOF", "EPERM", "EPIPE", "EPROTO", "EROFS", "ETIMEDOUT", "SQLSTATE",
];
/// Who writes codes such as `ORA-00942`.
const VENDORS: [&str; 10] = ["EXP", "IMP", "KUP", "LRM", "MY", "ORA", "PLS", "RMAN", "SP2", "TNS"];
/// Verbs, words that have an opposite, and words that only join others. Neither names anything.
#[rustfmt::skip]
const EVERYDAY: [&str; 98] = [
    "accept", "active", "add", "alive", "allow", "and", "at", "attach", "because", "begin", "bind", "by", "check",
    "close", "connect", "copy", "create", "dead", "delete", "deny", "destroy", "detach", "disable", "disconnect",
    "done", "down", "empty", "enable", "end", "enter", "exit", "fail", "failure", "for", "found", "from", "full",
    "get", "grant", "in", "inactive", "insert", "into", "invalid", "join", "leave", "list", "load", "local", "lock",
    "lost", "modify", "mount", "move", "no", "not", "of", "off", "offline", "on", "online", "open", "or", "out",
    "over", "pull", "push", "put", "read", "ready", "receive", "reject", "remote", "remove", "revoke", "select",
    "send", "sent", "set", "shutdown", "spawn", "start", "startup", "stop", "success", "to", "unbind", "unload",
    "unlock", "unmount", "up", "update", "valid", "via", "view", "while", "with", "write",
];
/// No word of these is longer, in bytes.
const LONGEST: usize = 20;

/// What a word is for whoever compares lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It says nothing: a number, signs.
    Number,
    /// A word like others.
    Word,
    /// What happened, as an everyday word says it.
    Event,
    /// What happened, as a name or a code.
    Name,
}

impl Kind {
    /// Of a word whose numbers were taken out.
    pub(super) fn of(masked: &str) -> Self {
        let (mut letters, mut capitals, mut digits) = (false, 0, false);
        let mut bytes = masked.as_bytes();
        while let Some((first, rest)) = bytes.split_first() {
            let mark = if *first == b'<' { MARKS.iter().find(|mark| bytes.starts_with(mark.as_bytes())) } else { None };
            letters |= mark.is_none() && (first.is_ascii_alphabetic() || !first.is_ascii());
            capitals += usize::from(first.is_ascii_uppercase());
            digits |= first.is_ascii_digit();
            bytes = mark.map_or(rest, |mark| &bytes[mark.len()..]);
        }
        // A name has two capitals, or one within.
        let capitals = capitals > 1 || capitals == 1 && !masked.starts_with(|c: char| c.is_ascii_uppercase());
        match () {
            () if !letters && !digits => Self::Number,
            () if capitals && parts(masked).any(is_name_of_trouble) || digits && parts(masked).any(is_code) => {
                Self::Name
            }
            () if is_event(masked) => Self::Event,
            () => Self::Word,
        }
    }

    /// It is more than a number.
    pub(super) fn says(self) -> bool {
        self != Self::Number
    }
}

/// What signs divide that stand in no name of a class or constant.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    word.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).filter(|name| !name.is_empty())
}

fn is_name_of_trouble(name: &str) -> bool {
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return false;
    }
    if name.contains('_') {
        let is_constant = !name.bytes().any(|byte| byte.is_ascii_lowercase());
        return is_constant && name.split('_').any(|part| is_among(&TROUBLE, part));
    }
    ERRNO.binary_search(&name).is_ok() || is_compound_of_trouble(name)
}

/// `ImagePullBackOff`, of `Image`, `Pull`, `Back` and `Off`: one of them says it, or two together.
fn is_compound_of_trouble(name: &str) -> bool {
    let bytes = name.as_bytes();
    let begins = |at: &usize| {
        let before_small = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        bytes[*at].is_ascii_uppercase() && (bytes[at - 1].is_ascii_lowercase() || before_small)
    };
    let (mut before, mut start) = (0, 0);
    for end in (1..name.len()).filter(begins).chain([name.len()]) {
        let (hump, two) = (name.get(start..end), name.get(before..end));
        let is_whole = start == 0 && end == name.len();
        if !is_whole && [hump, two].into_iter().flatten().any(|part| is_among(&TROUBLE, part)) {
            return true;
        }
        (before, start) = (start, end);
    }
    false
}

/// `ORA-00942`, `CWWKS1100A`, `0x80070005`.
pub(super) fn is_code(name: &str) -> bool {
    let digits = |text: &str, count: std::ops::RangeInclusive<usize>| {
        count.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if let Some(number) = name.strip_prefix("0x").or_else(|| name.strip_prefix("0X")) {
        // What Windows returns: the highest bit says that it is an error, the next digits are not all nothing.
        let is_result = number.len() == 8 && number.starts_with("80") && !number.starts_with("80000");
        return is_result && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if let Some((vendor, number)) = name.split_once('-') {
        return VENDORS.binary_search(&vendor).is_ok() && digits(number, 4..=6);
    }
    // IBM ends the codes of its messages with how bad they are.
    let letters = name.bytes().take_while(u8::is_ascii_uppercase).count();
    let Some(number) = name[letters..].strip_suffix(['A', 'E', 'I', 'N', 'S', 'U', 'W']) else { return false };
    (3..=6).contains(&letters) && digits(number, 3..=5)
}

fn is_event(word: &str) -> bool {
    if word.contains('=') {
        return false;
    }
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '<' && c != '>');
    let bare = bare.strip_suffix(NUMBER).unwrap_or(bare);
    let core = bare.rsplit(['[', '(', ':', '\'', '"', '.']).next().unwrap_or_default();
    let is_written_so = !word.contains(['[', '(']) && (is_constant(core) || is_identifier(core));
    is_written_so || !bare.contains('.') && is_everyday(core)
}

/// `GET`, `IPV6`, `SCREEN_OFF`.
fn is_constant(core: &str) -> bool {
    core.bytes().filter(u8::is_ascii_uppercase).count() > 1
        && core.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// `getTasks`, `WindowManager`.
fn is_identifier(core: &str) -> bool {
    core.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && core.as_bytes().windows(2).any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase())
}

/// `started`, `closing`, `initialization`, `on`, `from`.
fn is_everyday(core: &str) -> bool {
    let ends = |end: &str, least: usize| {
        let at = core.len().saturating_sub(end.len());
        core.len() >= least && core.as_bytes()[at..].eq_ignore_ascii_case(end.as_bytes())
    };
    core.len() <= LONGEST
        && core.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (ends("ed", 5) || ends("ing", 6) || ends("ion", 6) || is_among(&EVERYDAY, core))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_order() {
        for list in [&TROUBLE[..], &ERRNO, &VENDORS, &EVERYDAY] {
            assert!(list.is_sorted(), "{list:?}");
            assert!(list.iter().all(|word| word.len() <= LONGEST), "{list:?}");
        }
    }

    #[test]
    fn names_and_codes_of_errors_are_known_by_how_they_are_written() {
        for word in [
            "ImagePullBackOff",
            "CrashLoopBackOff:",
            "CreateContainerConfigError",
            "ErrImagePull",
            "OOMKilled",
            "InvalidImageName",
            "java.net.ConnectException:",
            "NullPointerException",
            "reason=\"DeadlineExceeded\"",
            "ReadTimeout",
            "SocketTimedOut",
            "FailedScheduling",
            "NoSuchKeyNotFound",
            "TLSHandshakeTimeout",
            "ECONNREFUSED",
            "(ENOENT)",
            "EOF",
            "KEY_DELETED_ERR:",
            "ER_ACCESS_DENIED_ERROR",
            "CBS_E_INVALID_PACKAGE]",
            "ORA-00942:",
            "TNS-12541",
            "CWWKS1100A:",
            "SQL0911N",
            "0x80070005",
            "(0x800F0805)",
            "SQLSTATE[42S02]:",
        ] {
            assert_eq!(Kind::of(word), Kind::Name, "{word}");
        }
    }

    #[test]
    fn other_names_are_none() {
        for (word, kind) in [
            ("alpha", Kind::Word),
            ("Error", Kind::Word),
            ("errors:", Kind::Word),
            ("<n>", Kind::Number),
            ("<n>/<n>,", Kind::Number),
            ("<path>:<n>", Kind::Number),
            ("--", Kind::Number),
            ("<*>", Kind::Number),
            ("node<n>", Kind::Word),
            ("name=GET", Kind::Word),
            ("kube-system", Kind::Word),
            ("com.example.update", Kind::Word),
            ("größer", Kind::Word),
            ("Started", Kind::Event),
            ("'closing'", Kind::Event),
            ("On.", Kind::Event),
            ("\"GET", Kind::Event),
            ("SOCKS<n>", Kind::Event),
            ("getTasks:", Kind::Event),
            ("WWEN[disable]", Kind::Event),
            ("[LNKA]", Kind::Word),
            ("from", Kind::Event),
            ("red", Kind::Word),
            ("x.SCREEN_OFF", Kind::Event),
        ] {
            assert_eq!(Kind::of(word), kind, "{word}");
        }
    }
}
