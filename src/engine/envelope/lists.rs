//! Lists that are no lists of texts: maps written as lists of keys and values, texts written as lists of bytes, and lists of
//! records of their own.

use std::borrow::Cow;

use super::super::json::{Json, Member};

/// Makes maps of lists of keys and values (`[{"key":"k","value":{"stringValue":"v"}}]`, as OpenTelemetry's JSON has them), and
/// plain values of wrapped ones, wherever they are: the keys are keys and no text.
pub(in crate::engine) fn straighten(value: &mut Json<'_>) {
    match value {
        Json::Array(values) => {
            values.iter_mut().for_each(straighten);
            if let Some(members) = map_of(values) {
                *value = Json::Object(members);
            }
        }
        Json::Object(members) => {
            straighten_members(members);
            if let Some(plain) = wrapped(members) {
                *value = plain;
            }
        }
        _ => {}
    }
}

/// The same of all members.
pub(in crate::engine) fn straighten_members(members: &mut [Member<'_>]) {
    members.iter_mut().for_each(|member| straighten(&mut member.value));
}

/// The members of a list of keys and values.
fn map_of<'a>(values: &mut [Json<'a>]) -> Option<Vec<Member<'a>>> {
    let is_pair = |value: &Json<'_>| match value {
        Json::Object(members) => match members.as_slice() {
            [one, other] => one.key == "key" && other.key == "value" && matches!(one.value, Json::String(_)),
            _ => false,
        },
        _ => false,
    };
    if values.is_empty() || !values.iter().all(is_pair) {
        return None;
    }
    let member = |value: &mut Json<'a>| {
        let Json::Object(members) = value else { return None };
        let (value, key) = (members.pop()?.value, members.pop()?.value);
        let Json::String(key) = key else { return None };
        Some(Member { key, value, start: 0, end: 0, comma_before: None, comma_after: None })
    };
    Some(values.iter_mut().filter_map(member).collect())
}

/// The value in OpenTelemetry's `AnyValue`: an object of one member whose name says its type.
fn wrapped<'a>(members: &mut Vec<Member<'a>>) -> Option<Json<'a>> {
    let [only] = members.as_mut_slice() else { return None };
    let inner = match (only.key.as_ref(), &mut only.value) {
        ("stringValue" | "intValue" | "doubleValue" | "boolValue", value)
            if matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_)) =>
        {
            value
        }
        // What is in there has been straightened.
        ("arrayValue" | "kvlistValue", Json::Object(inner)) => match inner.as_mut_slice() {
            [values] if values.key == "values" => &mut values.value,
            _ => return None,
        },
        _ => return None,
    };
    Some(std::mem::replace(inner, Json::Null))
}

/// A text that is written as a list of its bytes.
pub(in crate::engine) fn bytes(values: &[Json<'_>]) -> Option<String> {
    let byte = |value: &Json<'_>| match value {
        Json::Number(number) => number.parse::<u8>().ok(),
        _ => None,
    };
    let bytes: Vec<u8> = values.iter().map(byte).collect::<Option<_>>()?;
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Stands in every record in which a text may be a list of its bytes, in lower case: journald writes a message so as soon as one of
/// them is not printable.
pub(in crate::engine) const BYTES_MARKER: &str = "__realtime_timestamp";

/// Whether the message in a record of journald's may be a list of bytes, which hides its text from the scan.
pub(in crate::engine) fn may_hold_bytes(line: &[u8]) -> bool {
    const KEY: &[u8] = b"MESSAGE";
    let mut rest = line;
    while let Some(at) = rest.windows(KEY.len()).position(|window| window == KEY) {
        rest = &rest[at + KEY.len()..];
        // A quote, a colon and white space; in JSON in a string the first and the last are escaped: `\"`, `\n`, `\u000a`.
        let between = |byte: &&u8| b" \t\n\r\":\\nrtu".contains(byte) || byte.is_ascii_hexdigit();
        rest = &rest[rest.iter().take_while(between).count()..];
        if rest.starts_with(b"[") {
            return true;
        }
    }
    false
}

/// A record inside a payload.
#[derive(Debug)]
pub(in crate::engine) struct Inside<'a> {
    /// Where it stands: `resourceLogs[0].scopeLogs[0].logRecords[3]`.
    pub(in crate::engine) path: String,
    pub(in crate::engine) value: Json<'a>,
}

/// Records of one payload that are judged: further ones are not.
pub(in crate::engine) const RECORDS_MAX: usize = 10_000;
/// Values around records that are repeated for them, all records together. What is around later ones is not known to them.
const AROUND_MAX: usize = 1 << 18;

/// The records at a path of lists (`a[].b[]`): each with the members of what is around it, but for the lists, behind its own.
pub(in crate::engine) fn records<'a>(members: &[Member<'a>], path: &str) -> Vec<Inside<'a>> {
    let mut found = Found { records: Vec::new(), room: AROUND_MAX };
    step(members, path, "", &[], &mut found);
    found.records
}

/// The records of a payload that is a list.
pub(in crate::engine) fn of_list(values: Vec<Json<'_>>) -> Vec<Inside<'_>> {
    let records = values.into_iter().take(RECORDS_MAX).enumerate();
    records.map(|(index, value)| Inside { path: format!("[{index}]"), value }).collect()
}

/// Records found so far.
struct Found<'a> {
    records: Vec<Inside<'a>>,
    /// Values around them that may still be repeated.
    room: usize,
}

/// How many values these members have, at any depth.
fn values(members: &[Member<'_>]) -> usize {
    fn of(value: &Json<'_>) -> usize {
        1 + match value {
            Json::Array(values) => values.iter().map(of).sum(),
            Json::Object(members) => values(members),
            _ => 0,
        }
    }
    members.iter().map(|member| of(&member.value)).sum()
}

fn step<'a>(members: &[Member<'a>], path: &str, walked: &str, around: &[Member<'a>], found: &mut Found<'a>) {
    let (list, rest) = path.split_once("[]").unwrap_or((path, ""));
    let list = list.trim_start_matches('.');
    let Some(values) = members.iter().rev().find(|member| member.key == list) else { return };
    let Json::Array(values) = &values.value else { return };
    let mut around: Vec<Member<'a>> = around.to_vec();
    let own: Vec<Member<'a>> = members.iter().filter(|member| member.key != list).cloned().collect();
    found.room = found.room.saturating_sub(self::values(&own));
    around.extend(own.into_iter().filter(|_| found.room > 0));
    let size = self::values(&around);
    for (index, value) in values.iter().enumerate() {
        if found.records.len() == RECORDS_MAX {
            return;
        }
        let dot = if walked.is_empty() { "" } else { "." };
        let walked = format!("{walked}{dot}{list}[{index}]");
        match value {
            Json::Object(inner) if !rest.is_empty() => step(inner, rest, &walked, &around, found),
            _ => {
                let around = if found.room >= size { around.as_slice() } else { &[] };
                found.room = found.room.saturating_sub(size);
                found.records.extend(record(value, around).map(|value| Inside { path: walked, value }));
            }
        }
    }
}

/// A record with what is around it. What it says itself comes last, and so counts.
fn record<'a>(value: &Json<'a>, around: &[Member<'a>]) -> Option<Json<'a>> {
    let own = match value {
        Json::Object(own) => own.clone(),
        // Loki's: time, line, and perhaps more about it.
        Json::Array(parts) => match parts.as_slice() {
            [time @ Json::String(_), line @ Json::String(_), more @ ..] => {
                let mut own = vec![member("timestamp", time.clone()), member("line", line.clone())];
                own.extend(
                    more.iter()
                        .filter_map(|more| match more {
                            Json::Object(more) => Some(more.clone()),
                            _ => None,
                        })
                        .flatten(),
                );
                own
            }
            _ => return None,
        },
        Json::String(_) => vec![member("message", value.clone())],
        _ => return None,
    };
    let labels = |outer: &Member<'a>| match outer.key.as_ref() {
        "stream" if matches!(outer.value, Json::Object(_)) => member("labels", outer.value.clone()),
        _ => outer.clone(),
    };
    Some(Json::Object(around.iter().map(labels).chain(own).collect()))
}

fn member<'a>(key: &'static str, value: Json<'a>) -> Member<'a> {
    Member { key: Cow::Borrowed(key), value, start: 0, end: 0, comma_before: None, comma_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else a few megabytes with much around many records would be terabytes.
    #[test]
    fn what_is_around_records_is_not_repeated_without_end() {
        let attributes: Vec<String> = (0..10_000).map(|number| format!("\"a{number}\":1")).collect();
        let records = vec!["{\"body\":\"x\"}"; 20_000].join(",");
        let line = format!(
            "{{\"resourceLogs\":[{{\"resource\":{{{}}},\"scopeLogs\":[{{\"logRecords\":[{records}]}}]}}]}}",
            attributes.join(",")
        );
        let Ok((Json::Object(members), _)) = super::super::super::json::parse(line.as_bytes(), 64) else { panic!() };
        let records = super::records(&members, "resourceLogs[].scopeLogs[].logRecords[]");
        assert_eq!(records.len(), RECORDS_MAX);
        let all = |inside: &Inside<'_>| matches!(&inside.value, Json::Object(members) if values(members) > 10_000);
        let with_all = records.iter().filter(|inside| all(inside)).count();
        assert!((10..30).contains(&with_all), "{with_all} records have all that is around them");
        assert_eq!(records[9_999].path, "resourceLogs[0].scopeLogs[0].logRecords[9999]");
    }

    #[test]
    fn a_message_of_bytes_is_seen_whatever_stands_between() {
        for line in [
            r#"{"MESSAGE":[1]}"#,
            "{\"MESSAGE\" :\r\n\t [1]}",
            r#"{"m":"{\"MESSAGE\":[1]}"}"#,
            r#"{"m":"{\"MESSAGE\"\n:\u000d\\u000a[1]}"}"#,
            r#"{"MESSAGE":"text","m":"{\"MESSAGE\": [1]}"}"#,
        ] {
            assert!(may_hold_bytes(line.as_bytes()), "{line}");
        }
        for line in [r#"{"MESSAGE":"text [1]"}"#, r#"{"MESSAGE":null}"#, r#"{"message":[1]}"#, "MESSAGE"] {
            assert!(!may_hold_bytes(line.as_bytes()), "{line}");
        }
    }
}
