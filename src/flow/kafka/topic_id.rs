//! A topic is its id, not its name: one that was deleted and made anew has the same name and other lines. So the id goes
//! into the note that is committed with an offset, and whoever begins there knows whether it is still the same topic.
//!
//! A [`Note`] is what the group keeps with an offset: the text of whoever commits it, and behind that, as one more word,
//! `topic_id=…`. What the text says is nobody's business here, and a note without an id is read as well.

use std::fmt;
use std::sync::Arc;

/// What stands before the id in a note.
const WORD: &str = "topic_id=";
/// The id of every topic on brokers older than 2.8, which have none.
const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// The id that the brokers gave a topic when it was made, in base64 as Kafka's own tools show it, safe in addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicId(Arc<str>);

impl TopicId {
    /// From base64 of either kind; `None` of what is no id.
    pub(super) fn new(base64: &str) -> Option<Self> {
        let safe = || base64.replace('+', "-").replace('/', "_");
        (!base64.is_empty() && base64 != NONE).then(|| Self(safe().into()))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// See the top of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) topic: Option<TopicId>,
}

impl Note {
    /// Reads what the group kept, whoever wrote it.
    pub(super) fn read(note: &str) -> Self {
        let (text, word) = note.rsplit_once(' ').unwrap_or(("", note));
        match word.strip_prefix(WORD).and_then(TopicId::new) {
            Some(id) => Self { text: text.to_owned(), topic: Some(id) },
            None => Self { text: note.to_owned(), topic: None },
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.topic {
            None => out.write_str(&self.text),
            Some(id) if self.text.is_empty() => write!(out, "{WORD}{id}"),
            Some(id) => write!(out, "{} {WORD}{id}", self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        for text in ["", "clock=1700000000000", "from=3 horizon=9", "somebody else's"] {
            for topic in [None, TopicId::new("fs1Qvyj_T2q3zRuzZc-8bA")] {
                let note = Note { text: text.to_owned(), topic };
                assert_eq!(Note::read(&note.to_string()), note);
            }
        }
        assert_eq!(Note::read("clock=5 topic_id=x").topic.unwrap().to_string(), "x");
        // As librdkafka tells it, and `kafka-topics.sh --describe`.
        assert_eq!(TopicId::new("fs1Qvyj/T2q3zRuzZc+8bA"), TopicId::new("fs1Qvyj_T2q3zRuzZc-8bA"));
    }

    #[test]
    fn what_is_no_id_is_none() {
        assert_eq!(TopicId::new(NONE), None);
        for note in ["topic_id=", "clock=5 topic_id=", "topic_id=x clock=5"] {
            assert_eq!(Note::read(note), Note { text: note.to_owned(), topic: None });
        }
    }
}
