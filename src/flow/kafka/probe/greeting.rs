//! The first question of Kafka's protocol, which every broker answers to everybody: which versions do you speak?
//!
//! It tells whether it is Kafka that listens on a port, and whether in plain text.

use std::io::{Error, Read, Write};

/// What came back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// As a broker answers.
    Kafka,
    /// Something else.
    Other,
    /// The connection broke, or the time was over.
    Nothing(Error),
}

/// ApiVersions, version 0, without a client's name.
const QUESTION: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, NUMBER, 0xff, 0xff];
/// By which the answer is known.
const NUMBER: u8 = 42;
/// An answer that is longer is none of a broker's.
const ANSWER_MAX: u32 = 1 << 16;

/// Asks; waits as long as the stream does.
pub(crate) fn greet(stream: &mut (impl Read + Write)) -> Answer {
    let mut head = [0; 8];
    if let Err(error) = stream.write_all(&QUESTION).and_then(|()| stream.read_exact(&mut head)) {
        return Answer::Nothing(error);
    }
    let [a, b, c, d, number @ ..] = head;
    let is_answer = (4..ANSWER_MAX).contains(&u32::from_be_bytes([a, b, c, d])) && number == [0, 0, 0, NUMBER];
    if is_answer { Answer::Kafka } else { Answer::Other }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Result};

    struct Says(Cursor<Vec<u8>>);

    impl Read for Says {
        fn read(&mut self, into: &mut [u8]) -> Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Says {
        fn write(&mut self, from: &[u8]) -> Result<usize> {
            assert_eq!(from, QUESTION);
            Ok(from.len())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_broker_is_taken_for_one() {
        let asked = |bytes: &[u8]| greet(&mut Says(Cursor::new(bytes.to_vec())));
        assert!(matches!(asked(&[0, 0, 1, 0, 0, 0, 0, NUMBER, 0, 0]), Answer::Kafka));
        assert!(matches!(asked(b"HTTP/1.1 400 Bad Request"), Answer::Other));
        assert!(matches!(asked(&[0, 0, 1, 0, 0, 0, 0, 1, 0, 0]), Answer::Other));
        assert!(matches!(asked(&[0, 0]), Answer::Nothing(_)));
    }
}
