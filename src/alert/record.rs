//! What stands on the matches topic: lines that alerts count, and how far each input partition has been read. JSON with
//! a version, so that daemons of two versions can share the topic while they are exchanged.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Version of the records written here.
const VERSION: u32 = 1;

/// Where a line stands: what makes it one line, however often it is told of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Place {
    /// Input topic.
    pub topic: String,
    /// Input partition.
    pub partition: i32,
    /// Offset there.
    pub offset: i64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// A record of the matches topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Record {
    /// A line that an alert counts.
    Match(Match),
    /// How far an input partition is.
    Watermark(Watermark),
}

/// A line that an alert counts, or that keeps it from firing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Match {
    /// Id of the alert.
    pub alert: String,
    /// Values of its `group_by`, in that order; [`NO_VALUE`] where the line has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<String>,
    /// Event time, milliseconds since 1970.
    pub at: i64,
    /// Where the line stands.
    pub place: Place,
    /// It is of a rule in the alert's `unless`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub against: bool,
    /// It was late when it was judged, by [`super::LATENESS_MS`]. An earlier build reads over it, and counts the line for the
    /// times ahead of what it has settled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Value of the alert's `distinct`, where the line has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<String>,
    /// What labels and annotations are made of.
    #[serde(flatten)]
    pub said: Said,
}

/// What a line said that labels and annotations are made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Said {
    /// The rule that counts.
    #[serde(default)]
    pub rule: String,
    /// Values that the alert's templates and escalation name: facts, fields, members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(String, String)>,
    /// Link to the section of the rule.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub runbook: String,
    /// What to do, by the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Whom to ask, by the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// How long snoozing is fine, by the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snooze: Option<String>,
}

impl Said {
    /// Bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let Self { rule, values, runbook, action, contact, snooze } = self;
        let values: usize = values.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>()).sum();
        let texts: usize = [action, contact, snooze].into_iter().flatten().map(String::len).sum();
        size_of::<Self>() + rule.len() + runbook.len() + values + texts
    }
}

/// The group of lines that lack a value.
pub const NO_VALUE: &str = "(none)";

/// How far an input partition is: every line before `offset` has been judged, and its matches stand before this record
/// in every partition of the matches topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// Input topic.
    pub topic: String,
    /// Input partition.
    pub partition: i32,
    /// The next line to be judged.
    pub offset: i64,
    /// Its clock there, [`super::Clock::now`]: milliseconds since 1970.
    pub clock: i64,
    /// All input topics that the teller knows, with their numbers of partitions: nothing is over before all have told.
    pub inputs: Vec<(String, i32)>,
}

#[derive(Serialize)]
struct Written<'r> {
    v: u32,
    #[serde(flatten)]
    record: &'r Record,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// Bytes on the matches topic that mean nothing to this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Record {
    /// As it is written.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts and numbers: nothing that JSON could not say.
        serde_json::to_string(&Written { v: VERSION, record: self }).unwrap_or_default()
    }

    /// What was written.
    ///
    /// # Errors
    /// When it is no such record, or one of a later version.
    pub fn from_json(json: &[u8]) -> Result<Self, Unreadable> {
        let Version { v } = serde_json::from_slice(json).map_err(|error| Unreadable(error.to_string()))?;
        if v != VERSION {
            return Err(Unreadable(format!("it is of version {v}, this program reads {VERSION}")));
        }
        serde_json::from_slice(json).map_err(|error| Unreadable(error.to_string()))
    }
}

impl Match {
    /// Key of its record, and of the alert's records on the alerts topic: a JSON array of the alert's id and the group.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.alert, self.group.iter().map(String::as_str))
    }

    /// Appends [`Match::key`].
    pub(super) fn write_key(&self, to: &mut Vec<u8>) {
        to.push(b'[');
        for (index, part) in std::iter::once(&self.alert).chain(&self.group).enumerate() {
            if index > 0 {
                to.push(b',');
            }
            // A string, written into memory: neither can fail.
            let _ = serde_json::to_writer(&mut *to, part);
        }
        to.push(b']');
    }
}

/// See [`Match::key`].
pub(super) fn key<'g>(alert: &'g str, group: impl Iterator<Item = &'g str>) -> String {
    let parts: Vec<&str> = std::iter::once(alert).chain(group).collect();
    serde_json::to_string(&parts).unwrap_or_default()
}

/// The partition of a key among `count`: the same in every version of this program, since windows live where it says.
/// It is the first eight bytes of the key's SHA-256, big-endian, modulo `count`.
///
/// # Panics
/// When `count` is not positive.
#[must_use]
pub fn partition_of(key: &str, count: i32) -> i32 {
    let count = u64::try_from(count).ok().filter(|count| *count > 0).expect("a topic has partitions");
    let digest = Sha256::digest(key.as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    i32::try_from(number % count).expect("below an i32")
}
