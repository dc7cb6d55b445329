//! Where offsets stand in files, for many diagnostics of one file: its lines are looked up once and not for each, so that a
//! file with thousands of mistakes costs no more than their number.
//!
//! A line that is too long to be shown, as in a file that somebody has made of one line, has no [`Window`].

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use super::source::Source;

/// A longer line is not shown.
const LINE_MAX: usize = 4 << 10;
/// Spots further apart are shown apart.
const WINDOW_MAX: usize = 16 << 10;

/// The lines of the files that were asked about.
#[derive(Debug, Default)]
pub struct Places<'s> {
    known: HashMap<*const Source, Lines<'s>>,
}

impl<'s> Places<'s> {
    /// Line and column (both from 1, the column in characters) of a byte offset.
    pub fn line_column(&mut self, source: &'s Source, offset: usize) -> (usize, usize) {
        self.of(source).line_column(offset)
    }

    pub(crate) fn of(&mut self, source: &'s Source) -> &Lines<'s> {
        self.known.entry(std::ptr::from_ref(source)).or_insert_with(|| Lines::of(source))
    }
}

/// The lines of a file.
#[derive(Debug)]
pub(crate) struct Lines<'s> {
    text: &'s str,
    /// Offset of each.
    starts: Vec<usize>,
    /// An offset, and the characters before it in its line: who asks for one after the other counts none twice.
    counted: Cell<(usize, usize)>,
}

/// A part of a file that holds whole lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) bytes: Range<usize>,
    /// Number of its first line, from 1.
    pub(crate) line: usize,
}

impl<'s> Lines<'s> {
    fn of(source: &'s Source) -> Self {
        let newlines = source.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text: &source.text, starts: [0].into_iter().chain(newlines).collect(), counted: Cell::new((0, 0)) }
    }

    /// Index of the line that an offset is in.
    fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line(offset);
        let start = self.starts[line];
        let (from, characters) = match self.counted.get() {
            (known, characters) if (start..=offset).contains(&known) => (known, characters),
            _ => (start, 0),
        };
        let characters = characters + self.text[from..offset].chars().count();
        self.counted.set((offset, characters));
        (line + 1, characters + 1)
    }

    /// The lines that a span is in, with one before and one behind where these are short; nothing where it is in one that is
    /// too long.
    pub(crate) fn window(&self, span: &Range<usize>) -> Option<Window> {
        let (first, last) = (self.line(span.start), self.line(span.end));
        if !(first..=last).all(|line| self.is_short(line)) {
            return None;
        }
        let first = first - usize::from(first > 0 && self.is_short(first - 1));
        let last = last + usize::from(self.is_short(last + 1));
        Some(Window { bytes: self.start(first)..self.start(last + 1), line: first + 1 })
    }

    fn start(&self, line: usize) -> usize {
        self.starts.get(line).copied().unwrap_or(self.text.len())
    }

    fn is_short(&self, line: usize) -> bool {
        self.start(line + 1) - self.start(line) <= LINE_MAX
    }
}

impl Window {
    /// Both, if they are near each other.
    pub(crate) fn with(&self, other: &Self) -> Option<Self> {
        let bytes = self.bytes.start.min(other.bytes.start)..self.bytes.end.max(other.bytes.end);
        (bytes.len() <= WINDOW_MAX).then(|| Self { bytes, line: self.line.min(other.line) })
    }

    /// A span as seen from here.
    pub(crate) fn within(&self, span: &Range<usize>) -> Range<usize> {
        span.start - self.bytes.start..span.end - self.bytes.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { name: "a.toml".into(), text: text.into() }
    }

    #[test]
    fn places_are_those_of_the_file() {
        for text in ["", "a", "a\n", "ä鍵\n\nb = 1\r\nc", "\n\n"] {
            let source = source(text);
            let mut places = Places::default();
            for offset in (0..=text.len()).chain((0..=text.len()).rev()) {
                assert_eq!(places.line_column(&source, offset), source.line_column(offset), "{text:?} at {offset}");
            }
        }
    }

    #[test]
    fn a_window_holds_whole_lines_around_a_spot() {
        let source = source("one\ntwo\nthree\nfour\nfive\n");
        let lines = Lines::of(&source);
        let shown = |span: Range<usize>| {
            let window = lines.window(&span).unwrap();
            (&source.text[window.bytes.clone()], window.line)
        };
        assert_eq!(shown(8..10), ("two\nthree\nfour\n", 2));
        assert_eq!(shown(0..1), ("one\ntwo\n", 1));
        assert_eq!(shown(24..24), ("five\n", 5));
    }

    #[test]
    fn a_line_that_is_too_long_has_no_window() {
        let source = source(&format!("a\n{}\nb\n", "x".repeat(LINE_MAX)));
        let lines = Lines::of(&source);
        assert_eq!(lines.window(&(10..11)), None);
        assert_eq!(lines.line_column(1002), (2, 1001));
    }
}
