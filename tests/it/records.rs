//! Records with everything odd that a record can have, from a seed, and the judgement on what became of each: held
//! against the oracle, byte by byte.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord};

use super::lines;
use super::oracle::{self, Expected};

/// The phrase of a shipped rule, in a line of its own making.
pub(crate) const MATCHING: &str = "error during request to KeyProtect: dial tcp: connection refused";

pub(crate) type RecordHeaders = Vec<(String, Option<Vec<u8>>)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: i64,
    pub(crate) headers: RecordHeaders,
}

impl Record {
    pub(crate) fn of(message: &impl Message) -> Self {
        let headers = message.headers().map(|headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        Self {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
            headers: headers.unwrap_or_default(),
        }
    }

    pub(crate) fn send(&self, producer: &BaseProducer, topic: &str, partition: i32) {
        let mut record = BaseRecord::to(topic).partition(partition).timestamp(self.timestamp);
        record.key = self.key.as_deref();
        record.payload = self.value.as_deref();
        if !self.headers.is_empty() {
            record.headers = Some(self.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: value.as_deref() })
            }));
        }
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(rdkafka::error::RDKafkaErrorCode::QueueFull));
            producer.poll(Duration::from_millis(5));
            record = back;
        }
    }

    pub(crate) fn plain(value: &str, timestamp: i64) -> Self {
        Self { key: None, value: Some(value.into()), timestamp, headers: Vec::new() }
    }

    /// Headers that the input had, and those that were added.
    pub(crate) fn split_headers(&self) -> (RecordHeaders, RecordHeaders) {
        self.headers.iter().cloned().partition(|(name, _)| name != "fingerpost" && !name.starts_with("fingerpost-"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        Some(String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned())
    }
}

/// Record `sequence` of a partition: a line of some kind, odd in some way or other. Its timestamp tells the sequence
/// number, by which it is found again on the output.
pub(crate) fn make(random: &mut fastrand::Rng, partition: usize, sequence: usize, base: i64) -> Record {
    let key = match random.u8(..5) {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some(vec![0xff, 0x00, 0xfe]),
        _ => Some(format!("pod-{}", random.u8(..20)).into_bytes()),
    };
    let value = if sequence % 16_000 == 7 { Some(large(random, sequence)) } else { small(random, partition, sequence) };
    let timestamp = base + sequence as i64;
    Record { key, value, timestamp, headers: odd_headers(random) }
}

/// How most lines begin: those that say nothing.
const PLAIN: &str = r#"{"time":"2026-11-21T10:00:00Z","level":"info","pod":"#;

/// A line of the plain kind, which nobody needs to look at to know that it says nothing.
pub(crate) fn is_plain(line: &[u8]) -> bool {
    line.starts_with(PLAIN.as_bytes())
}

/// The same line as far as the oracle is concerned, which is slow on purpose: a megabyte of padding says nothing.
pub(crate) fn without_padding(line: &[u8]) -> Cow<'_, [u8]> {
    let is_large = line.len() > 900_000 && line.starts_with(b"{\"n\":");
    if is_large { [&line[..200], b"\"}"].concat().into() } else { line.into() }
}

fn small(random: &mut fastrand::Rng, partition: usize, sequence: usize) -> Option<Vec<u8>> {
    let (n, p) = (sequence, partition);
    Some(match random.u8(..100) {
        0..70 => format!(r#"{PLAIN}"p{p}","n":{n}, "msg" : "fine" }}"#).into(),
        70..84 => lines::bare(random).payload,
        84..86 => format!("{{ \"n\":{n},\"msg\":\"{MATCHING}\" }} \r\n").into(),
        86..88 => format!("plain text {n}: {MATCHING}").into(),
        88 => format!(r#"["{MATCHING}", {n}]"#).into(),
        89 => format!(r#"{{"n":{n},"msg":"{MATCHING}"#).into(),
        90 => format!(r#"{{"n":1e400,"n":{n},"x":"\ud800 \u0000","msg":"fine"}}"#).into(),
        91 => format!(r#"{{"n":{n},"fingerpost":{{"v":1,"rule":"stale.tag"}}}}"#).into(),
        92 => format!(r#"{{"n":{n},"fingerpost":{{"v":1,"rule":"stale.tag"}},"msg":"{MATCHING}"}}"#).into(),
        93 => [b"\xff\xfe not UTF-8 ".as_slice(), n.to_string().as_bytes()].concat(),
        94 => [br#"{"msg":"in JSON "#.as_slice(), b"\xc3\x28", MATCHING.as_bytes(), b"\"}"].concat(),
        95 => Vec::new(),
        96 => b"{}".to_vec(),
        97 => b" { } ".to_vec(),
        _ => return None,
    })
}

/// About a megabyte, every other one matching, so large that a tag fits in some and not in others.
fn large(random: &mut fastrand::Rng, sequence: usize) -> Vec<u8> {
    let size = if random.bool() { 1_000_000 } else { 1_047_500 };
    let msg = if random.bool() { MATCHING } else { "fine" };
    let mut line = format!(r#"{{"n":{sequence},"msg":"{msg}","pad":""#);
    while line.len() < size {
        let _ = write!(line, "{:016x}", random.u64(..));
    }
    (line + "\"}").into()
}

fn odd_headers(random: &mut fastrand::Rng) -> RecordHeaders {
    let header = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
    match random.u8(..10) {
        0..4 => Vec::new(),
        4 => vec![header("a", b"1"), header("b", b"2"), header("a", b"3")],
        5 => vec![("null".into(), None), header("empty", b"")],
        6 => vec![header("binary", b"\xff\x00\xfe"), header("", b"a name that is empty")],
        7 => vec![header("fingerpost", b"stale"), header("kept", b"yes"), header("fingerpost-source", b"forged/0/0")],
        8 => vec![header("fingerposted", b"not ours"), header("traceparent", b"00-af-b7-01")],
        _ => (0..20).map(|n| header(&format!("h{n}"), n.to_string().as_bytes())).collect(),
    }
}

/// Whether `output` is what `input` must become. `place` is what the header `fingerpost-source` must say.
pub(crate) fn check_value(expected: &Expected, input: &Record, output: &Record, place: &str) {
    let (kept, added) = output.split_headers();
    assert_eq!(kept, input.split_headers().0, "{place}: the input's own headers");
    let (Some(line), Some(value)) = (&input.value, &output.value) else {
        assert_eq!((&input.value, &output.value), (&None, &None), "{place}: a tombstone");
        assert!(added.is_empty(), "{place}: {added:?}");
        return;
    };
    let untouched = if expected.is_object { oracle::expected_untouched(line) } else { line.clone() };
    // A record so near to the limit that not even the short headers (350 bytes at the least) fit goes out as it came.
    let headers: usize = kept.iter().map(|(name, value)| 10 + name.len() + value.as_ref().map_or(0, Vec::len)).sum();
    let weight = line.len() + input.key.as_ref().map_or(0, Vec::len) + headers;
    let no_room = weight + 350 > 1_048_588;
    if expected.matches.is_empty() || (no_room && added.is_empty()) {
        assert!(added.is_empty(), "{place}: not a match, but {added:?}");
        return same(value, &untouched, &format!("{place}: without a match only stale members go"));
    }
    assert_eq!(output.header("fingerpost-source").as_deref(), Some(place));
    assert_eq!(output.header("fingerpost-severity").as_deref(), Some(expected.severity), "{place}");
    assert_eq!(output.header("fingerpost-rule").as_deref(), Some(expected.matches[0]), "{place}");
    let pack = output.header("fingerpost-pack").unwrap();
    let runbook = output.header("fingerpost-runbook").unwrap();
    assert!(runbook.ends_with(&format!("#{}", expected.section)), "{place}: {runbook}");
    let in_header = output.header("fingerpost");
    let object = match (expected.is_object, &in_header) {
        (true, None) => {
            same(&oracle::strip(value), &untouched, &format!("{place}: taking the object out"));
            serde_json::from_slice::<serde_json::Value>(value).map(|mut value| value["fingerpost"].take()).ok()
        }
        (false, Some(header)) => {
            same(value, line, &format!("{place}: no object, but changed"));
            serde_json::from_str(header).ok()
        }
        (is_object, header) => panic!("{place}: is_object is {is_object}, the header {header:?}"),
    };
    // Some lines are objects to the engine that this JSON library will not read: invalid UTF-8, lone surrogates. What
    // was added to them was compared byte by byte above; a record that is nearly too large may have no object at all.
    if let Some(object) = object.filter(|object| object.is_object()) {
        check_object(expected, &object, place);
        assert_eq!(object["pack"], pack, "{place}: header and object name one pack");
    }
}

fn check_object(expected: &Expected, object: &serde_json::Value, place: &str) {
    assert_eq!(object["rules"], serde_json::json!(expected.matches), "{place}");
    assert_eq!(object["rule"], expected.matches[0], "{place}");
    assert_eq!(object["severity"], expected.severity, "{place}");
    for (name, fact) in &expected.facts {
        assert_eq!(&object[name], fact, "{place}: {name}");
    }
}

/// Equal bytes; said so that a megabyte does not fill the screen.
fn same(left: &[u8], right: &[u8], what: &str) {
    if left != right {
        let at = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        let near = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(40)..bytes.len().min(at + 80)]).into_owned()
        };
        panic!("{what}: from byte {at} of {} and {}:\n{}\n{}", left.len(), right.len(), near(left), near(right));
    }
}
