//! What a line says that has no fields: how bad it says it is, and where its message begins. Loggers write both in front of
//! the message, in a few ways:
//!
//! ```text
//! E0507 12:04:17.597069       1 x.go:169] "Failed to sync" err="gone"       a letter, as klog has it; quoted, with pairs
//! time=2024-05-07T11:59:43Z level=error msg="no luck" err="gone"            pairs
//! <11>May  7 12:04:17 host app[1]: no luck                                  a priority, as syslog has it
//! 2024/05/07 12:04:17 [crit] 1#0: no luck                                   in brackets
//! 2024-05-07 12:04:17.597 UTC [1] LOG:  0 checkpoints failed                in capitals
//! 05-07 12:04:17.597   1   2 E Tag: no luck                                 a letter behind a time
//! ```
//!
//! What stands first decides. In the midst of a sentence `error` is a word and no level.

mod head;
mod pairs;

use std::borrow::Cow;

use super::envelope::prefix::priority;
use crate::level::{Extra, Level, Scale, read};
use crate::sanitize::colourless;

/// Keys of levels, of messages and of causes among pairs, in capitals or not.
const LEVEL: [&str; 6] = ["level", "lvl", "severity", "loglevel", "log_level", "log.level"];
const MESSAGE: [&str; 3] = ["msg", "message", "event"];
const CAUSE: [&str; 5] = ["err", "error", "exception", "cause", "reason"];

/// What a plain line says, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said<'t> {
    pub(super) what: Cow<'t, str>,
    pub(super) why: Option<Cow<'t, str>>,
}

/// The level that the line itself states. What a collector put before it, a priority, is [`stamp`].
pub(super) fn level(text: &str) -> Option<Level> {
    let text = colourless(Cow::Borrowed(text));
    let text = behind_priority(text.trim_start());
    head::klog(text).map(|(letter, _)| letter).or_else(|| pairs::level(text, &LEVEL)).or_else(|| head::level(text))
}

/// The level of the priority that syslog puts in front.
pub(super) fn stamp(text: &str) -> Option<Level> {
    let (priority, _) = priority(text.trim_start())?;
    read(priority, Scale::Priority, &Extra::default()).level()
}

/// The message, without what stands in front of it; the whole line where nothing else is left.
pub(super) fn said(text: &str) -> Said<'_> {
    match colourless(Cow::Borrowed(text)) {
        Cow::Borrowed(text) => said_plainly(text),
        Cow::Owned(text) => {
            let Said { what, why } = said_plainly(&text);
            Said { what: Cow::Owned(what.into_owned()), why: why.map(|why| Cow::Owned(why.into_owned())) }
        }
    }
}

fn said_plainly(text: &str) -> Said<'_> {
    let text = behind_priority(text.trim_start());
    if let Some((_, rest)) = head::klog(text) {
        return match pairs::quoted(rest) {
            Some((what, pairs)) => Said { what, why: pairs::value(pairs, &CAUSE) },
            None => Said { what: Cow::Borrowed(rest), why: None },
        };
    }
    if let Some(what) = pairs::message(text, &MESSAGE) {
        return Said { what, why: pairs::value(text, &CAUSE) };
    }
    let message = head::message(text);
    Said { what: Cow::Borrowed(if message.is_empty() { text } else { message }), why: None }
}

/// Whether a text begins as a line does that a logger wrote, and not as a sentence.
pub(super) fn is_logged(text: &str) -> bool {
    let text = text.trim_start();
    priority(text).is_some()
        || head::klog(text).is_some()
        || head::begins_with_time(text)
        || pairs::level(text, &LEVEL).is_some()
}

/// Without a priority and, where syslog's newer form says how many fields stand in front, without those.
fn behind_priority(text: &str) -> &str {
    let Some((_, rest)) = priority(text) else { return text };
    rest.strip_prefix("1 ").and_then(behind_fields).unwrap_or(rest)
}

/// Behind time, host, app, process, kind of message, and data in brackets.
fn behind_fields(text: &str) -> Option<&str> {
    let rest = text.splitn(6, ' ').nth(5)?;
    match rest.strip_prefix('[') {
        Some(data) => data.rsplit_once("] ").map(|(_, message)| message),
        None => rest.strip_prefix("- "),
    }
}

#[cfg(test)]
mod tests;
