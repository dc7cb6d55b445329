//! Text taken out of a file, markup left behind, that still knows where in the file each part of it stands.

use std::ops::Range;

/// See above.
#[derive(Debug, Clone, Default)]
pub struct Excerpt {
    text: String,
    /// From this byte of the text on, it stands at that byte of the file.
    marks: Vec<(usize, usize)>,
}

impl Excerpt {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a range of the text stands in the file. What was decoded (`&lt;`) is placed to within its own length.
    #[must_use]
    pub fn place(&self, range: Range<usize>) -> Range<usize> {
        let at = |byte: usize| {
            let index = self.marks.partition_point(|(text, _)| *text <= byte).saturating_sub(1);
            self.marks.get(index).map_or(0, |(text, file)| file + (byte - text.min(&byte)))
        };
        if range.is_empty() {
            return at(range.start)..at(range.start);
        }
        at(range.start)..at(range.end - 1) + 1
    }

    /// Its lines that hold something, each with its place in the file.
    pub fn lines(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        let mut start = 0;
        self.text.split_inclusive('\n').filter_map(move |line| {
            let begin = start + (line.len() - line.trim_start().len());
            start += line.len();
            let trimmed = line.trim();
            (!trimmed.is_empty()).then(|| (trimmed, self.place(begin..begin + trimmed.len())))
        })
    }

    /// Adds what stands at a place of the file.
    pub(super) fn push(&mut self, text: &str, at: usize) {
        if !text.is_empty() {
            self.marks.push((self.text.len(), at));
            self.text.push_str(text);
        }
    }

    /// Adds another excerpt with its white space folded and in lower case, and an end that no search goes over.
    pub(super) fn push_folded(&mut self, other: &Self) {
        let mut space = true;
        let mut follows = false;
        for (at, c) in other.text.char_indices() {
            if c.is_whitespace() {
                follows = false;
                if !space {
                    self.push(" ", other.place(at..at + 1).start);
                }
                space = true;
                continue;
            }
            let mark = other.marks.binary_search_by_key(&at, |(text, _)| *text).is_ok();
            if !follows || mark {
                self.marks.push((self.text.len(), other.place(at..at + 1).start));
            }
            self.text.push(c.to_ascii_lowercase());
            (space, follows) = (false, true);
        }
        self.text.push(END);
    }
}

/// Stands in no text that anybody looks for.
const END: char = '\u{1}';

/// White space folded, in lower case: as [`Excerpt::push_folded`] holds a text.
pub(crate) fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}
