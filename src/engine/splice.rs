//! The bytes that go out: the bytes that came in, with the added object spliced in and an older one cut out.
//!
//! The object goes directly before the closing brace, after any white space there. Cutting it out again, with the comma
//! before it, gives the input back byte for byte; no other byte is ever looked at, let alone changed.

use std::borrow::Cow;

use super::line::Object;
use crate::NAME;

/// The line without members of ours from an earlier pass, and with this object (JSON text), if any, put in.
pub(super) fn splice<'l>(line: &'l [u8], object: &Object, added: Option<&str>) -> Cow<'l, [u8]> {
    if object.stale.is_empty() && added.is_none() {
        return Cow::Borrowed(line);
    }
    let mut out = Vec::with_capacity(line.len() + added.map_or(0, |added| added.len() + NAME.len() + 4));
    let mut from = 0;
    for cut in &object.stale {
        out.extend_from_slice(&line[from..cut.start]);
        from = cut.end;
    }
    out.extend_from_slice(&line[from..object.close]);
    if let Some(added) = added {
        out.extend_from_slice(if object.empty { b"\"" } else { b",\"" });
        out.extend_from_slice(NAME.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(added.as_bytes());
    }
    out.extend_from_slice(&line[object.close..]);
    Cow::Owned(out)
}

/// A line that is no JSON object, as an object: for pipes, which have no headers. Bytes that are not UTF-8 are replaced.
pub(super) fn wrap(line: &[u8], added: &str) -> Vec<u8> {
    let text = serde_json::Value::from(String::from_utf8_lossy(line).into_owned());
    format!("{{\"_line\":{text},\"{NAME}\":{added}}}").into_bytes()
}
