//! The lines of a stream, one buffer for all of them. A line longer than the limit is never held whole: its beginning is
//! given out and the rest is passed by.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use memchr::memchr;

/// Bytes read at a time.
const PIECE: usize = 1 << 18;

/// A line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'l> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes; of a longer one, one byte more than the limit.
    pub bytes: &'l [u8],
}

/// See the top of the file.
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// What is in the buffer and was not given out yet.
    start: usize,
    end: usize,
    /// Where in the buffer the line lies that was given out last.
    given: Range<usize>,
    longest: usize,
    number: u64,
    bytes: u64,
    /// A line is being passed by.
    passing: bool,
    ended: bool,
    /// What reading ended with, told when all that came before was given out.
    trouble: Option<io::Error>,
}

impl<R: Read> Lines<R> {
    /// Lines of which none is given out longer than `longest` bytes and one.
    pub fn new(input: R, longest: usize) -> Self {
        let (start, end, given) = (0, 0, 0..0);
        let (number, bytes, buffer) = (0, 0, vec![0; PIECE]);
        Self { input, buffer, start, end, given, longest, number, bytes, passing: false, ended: false, trouble: None }
    }

    /// Lines given out so far.
    pub fn count(&self) -> u64 {
        self.number
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; `None` after the last.
    ///
    /// # Errors
    /// What kept the stream from being read to its end; all that came before, the beginning of a line too, was given out.
    pub fn advance(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut looked = 0;
        loop {
            let held = self.end - self.start;
            let newline = memchr(b'\n', &self.buffer[self.start + looked..self.end]).map(|at| looked + at);
            if self.passing {
                match newline {
                    Some(at) => (self.start, self.passing, looked) = (self.start + at + 1, false, 0),
                    None => (self.start, looked) = (self.end, 0),
                }
                if newline.is_none() && !self.fill() {
                    self.passing = false;
                }
                continue;
            }
            if let Some(at) = newline.filter(|at| *at <= self.longest + 1) {
                return Ok(Some(self.give(at, at + 1)));
            }
            if held > self.longest {
                self.passing = true;
                return Ok(Some(self.give(self.longest + 1, self.longest + 1)));
            }
            looked = held;
            if !self.fill() {
                return match (held, self.trouble.take()) {
                    (0, None) => Ok(None),
                    (0, Some(trouble)) => Err(trouble),
                    (_, trouble) => {
                        self.trouble = trouble;
                        Ok(Some(self.give(held, held)))
                    }
                };
            }
        }
    }

    fn give(&mut self, length: usize, upto: usize) -> Line<'_> {
        self.given = self.start..self.start + length;
        self.start += upto;
        self.number += 1;
        self.latest()
    }

    /// The line that was given out last.
    pub fn latest(&self) -> Line<'_> {
        let bytes = &self.buffer[self.given.clone()];
        Line { number: self.number, bytes: bytes.strip_suffix(b"\r").unwrap_or(bytes) }
    }

    /// Reads more; false when there is no more.
    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(read) => {
                    self.end += read;
                    self.bytes += read as u64;
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => (self.ended, self.trouble) = (true, Some(error)),
            }
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives a few bytes at a time, then fails if it is told to.
    struct Drops<'d>(&'d [u8], usize, bool);

    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() && self.2 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.0.take(self.1 as u64).read(into).inspect(|read| self.0 = &self.0[*read..])
        }
    }

    fn all(input: impl Read, longest: usize) -> (Vec<Vec<u8>>, bool) {
        let mut lines = Lines::new(input, longest);
        let mut given = Vec::new();
        loop {
            match lines.advance() {
                Ok(Some(line)) => {
                    assert_eq!(line.number, given.len() as u64 + 1);
                    given.push(line.bytes.to_vec());
                }
                Ok(None) => return (given, false),
                Err(_) => return (given, true),
            }
        }
    }

    proptest! {
        #[test]
        fn lines_are_what_stands_between_newlines(
            text in "[ab\r\n]{0,200}", drop in 1..20_usize, fails in any::<bool>(), longest in 1..40_usize,
        ) {
            let mut expected: Vec<Vec<u8>> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            for line in &mut expected {
                line.truncate(longest + 1);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
            }
            let given = all(Drops(text.as_bytes(), drop, fails), longest);
            prop_assert_eq!(given, (expected, fails));
        }
    }

    #[test]
    fn a_line_longer_than_the_limit_is_not_held() {
        let text = format!("{}\nshort\n{}", "x".repeat(40 << 20), "y".repeat(30 << 20));
        let mut lines = Lines::new(text.as_bytes(), 1000);
        let mut lengths = Vec::new();
        while let Some(line) = lines.advance().unwrap() {
            lengths.push(line.bytes.len());
        }
        assert_eq!(lengths, [1001, 5, 1001]);
        assert_eq!(lines.buffer.len(), PIECE);
    }
}
