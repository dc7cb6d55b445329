//! How a line of a log looks to a person: colours of severities, and the line cut down to what matters, with marks below
//! it. What is shown holds no control character, whatever the log holds.
//!
//! ```text
//! … 17:04:11 "msg":"error during request to KeyProtect correlation_id='0b7e' … connect: connection refused" …
//!                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^                                   ^^^^^^^^^^^^^^^^^^
//! ```

use std::fmt::Write as _;
use std::iter::once;
use std::ops::Range;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthChar;

use crate::sanitize;

/// Columns where nobody says how many there are.
const COLUMNS: usize = 100;
/// Fewer are taken for a terminal that does not know.
const COLUMNS_MIN: usize = 40;
/// Columns of the line that are shown around a marked spot, if there is room.
const AROUND: usize = 36;
/// Columns that a cut in the midst takes.
const GAP: usize = 3;

/// Colour of a severity, as a block.
#[must_use]
pub fn block(severity: &str) -> Style {
    let on = |colour: AnsiColor| Style::new().fg_color(Some(AnsiColor::Black.into())).bg_color(Some(colour.into()));
    match severity {
        "critical" => on(AnsiColor::Red).bold(),
        "error" => on(AnsiColor::Magenta),
        "warning" => on(AnsiColor::Yellow),
        _ => on(AnsiColor::Cyan),
    }
}

/// Colour of a severity, as ink.
#[must_use]
pub fn ink(severity: &str) -> Style {
    let of = |colour: AnsiColor| Style::new().fg_color(Some(colour.into())).bold();
    match severity {
        "critical" => of(AnsiColor::Red),
        "error" => of(AnsiColor::Magenta),
        "warning" => of(AnsiColor::Yellow),
        _ => of(AnsiColor::Cyan),
    }
}

/// Columns of the terminal; of `COLUMNS`, or a hundred, where there is none.
#[must_use]
pub fn columns() -> usize {
    let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(told).filter(|columns| *columns >= COLUMNS_MIN).unwrap_or(COLUMNS)
}

/// A line, or the parts of it around the marked spots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    shown: char,
    columns: usize,
    marked: bool,
}

impl Excerpt {
    /// Cuts a line down to so many columns. The spans are in bytes; those that find no room are left out.
    #[must_use]
    pub fn new(line: &[u8], spans: &[Range<usize>], columns: usize) -> Self {
        let spans = shown_spans(line.len(), spans, columns);
        let mut excerpt = Self::default();
        let mut at = 0;
        for piece in pieces(line.len(), &spans, columns) {
            if piece.start > at {
                excerpt.gap(if excerpt.cells.is_empty() { "… " } else { " … " });
            }
            excerpt.read(line, piece.clone(), &spans);
            at = piece.end;
        }
        if at < line.len() {
            excerpt.gap(" …");
        }
        excerpt.fit(columns);
        excerpt
    }

    /// The text without marks.
    #[must_use]
    pub fn text(&self) -> String {
        self.cells.iter().map(|cell| cell.shown).collect()
    }

    /// The text, the marked spots in this style.
    #[must_use]
    pub fn styled(&self, style: Style) -> String {
        let mut text = String::new();
        for run in self.cells.chunk_by(|a, b| a.marked == b.marked) {
            let inside: String = run.iter().map(|cell| cell.shown).collect();
            let _ = if run[0].marked { write!(text, "{style}{inside}{style:#}") } else { write!(text, "{inside}") };
        }
        text
    }

    /// The row of marks that belongs under the text; empty when nothing is marked.
    #[must_use]
    pub fn marks(&self) -> String {
        let mark = |cell: &Cell| if cell.marked { "^" } else { " " }.repeat(cell.columns);
        self.cells.iter().map(mark).collect::<String>().trim_end().to_owned()
    }

    fn gap(&mut self, mark: &str) {
        self.cells.extend(mark.chars().map(|shown| Cell { shown, columns: 1, marked: false }));
    }

    fn read(&mut self, line: &[u8], piece: Range<usize>, spans: &[Range<usize>]) {
        let piece = boundary(line, piece.start)..boundary(line, piece.end);
        let mut at = piece.start;
        for chunk in line[piece].utf8_chunks() {
            for shown in chunk.valid().chars() {
                self.push(shown, spans.iter().any(|span| span.contains(&at)));
                at += shown.len_utf8();
            }
            if !chunk.invalid().is_empty() {
                self.push(char::REPLACEMENT_CHARACTER, spans.iter().any(|span| span.contains(&at)));
                at += chunk.invalid().len();
            }
        }
    }

    fn push(&mut self, c: char, marked: bool) {
        // What has no width, or turns the direction of writing, would move what stands beside it.
        let shown = sanitize::dot(c);
        self.cells.push(Cell { shown, columns: shown.width().unwrap_or(1), marked });
    }

    /// Wide characters may still take too much room.
    fn fit(&mut self, columns: usize) {
        let mut room = columns;
        let fits = self.cells.iter().position(|cell| match room.checked_sub(cell.columns) {
            Some(rest) => {
                room = rest;
                false
            }
            None => true,
        });
        if let Some(end) = fits {
            self.cells.truncate(end.saturating_sub(1));
            self.cells.push(Cell { shown: '…', columns: 1, marked: false });
        }
    }
}

/// The spans for which there is room, ascending and apart; a long one is cut.
fn shown_spans(length: usize, spans: &[Range<usize>], columns: usize) -> Vec<Range<usize>> {
    let mut sorted: Vec<Range<usize>> = spans.iter().filter(|span| span.end <= length).cloned().collect();
    sorted.sort_by_key(|span| span.start);
    let mut room = columns.saturating_sub(2 * GAP);
    let mut shown: Vec<Range<usize>> = Vec::new();
    for span in sorted {
        if room <= 2 * GAP {
            break;
        }
        let end = span.end.min(span.start + room);
        room = room.saturating_sub(end - span.start + GAP);
        shown.push(span.start..end);
    }
    shown
}

/// The parts of the line that are shown: as much around each span as there is room for.
fn pieces(length: usize, spans: &[Range<usize>], columns: usize) -> Vec<Range<usize>> {
    if length <= columns {
        return once(0..length).collect();
    }
    if spans.is_empty() {
        return once(0..columns.saturating_sub(GAP)).collect();
    }
    let widths = (0..=columns).rev().map(|around| around_spans(length, spans, around));
    let taken = |pieces: &[Range<usize>]| pieces.iter().map(|piece| piece.len() + GAP).sum::<usize>() + GAP;
    widths.into_iter().find(|pieces| taken(pieces) <= columns).unwrap_or_else(|| spans.to_vec())
}

fn around_spans(length: usize, spans: &[Range<usize>], around: usize) -> Vec<Range<usize>> {
    // More is shown behind a spot, where the story goes on.
    let before = around.min(AROUND);
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for span in spans {
        let piece = span.start.saturating_sub(before)..(span.end + 2 * around - before).min(length);
        match pieces.last_mut() {
            // A gap that is no longer than its mark is no gap.
            Some(last) if piece.start <= last.end + GAP => last.end = piece.end.max(last.end),
            _ => pieces.push(piece),
        }
    }
    pieces
}

/// The nearest beginning of a character at or before an offset.
fn boundary(line: &[u8], offset: usize) -> usize {
    let is_inside = |at: usize| line.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let least = offset.saturating_sub(3);
    (least..=offset).rev().find(|at| !is_inside(*at)).unwrap_or(offset)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use proptest::prelude::*;

    use super::*;

    fn both(line: &str, spans: &[Range<usize>], columns: usize) -> String {
        let excerpt = Excerpt::new(line.as_bytes(), spans, columns);
        format!("{}\n{}", excerpt.text(), excerpt.marks())
    }

    #[test]
    fn a_line_that_fits_is_shown_whole() {
        assert_eq!(both("a key was deleted", from_ref(&(2..5)), 40), "a key was deleted\n  ^^^");
        assert_eq!(both("鍵 key\tx\u{1b}[31m", &[4..7, 8..9], 40), "鍵 key x·[31m\n   ^^^ ^");
        assert_eq!(both("nothing", &[], 40), "nothing\n");
        assert_eq!(both("", &[], 40), "\n");
    }

    #[test]
    fn a_long_line_is_shown_around_its_spots() {
        let line = format!("{}here it is{}and here{}", "a".repeat(500), "b".repeat(500), "c".repeat(500));
        let (first, second) = (500..510, 1010..1018);
        assert_eq!(
            both(&line, from_ref(&first), 40),
            "… aaaaaaaaaaaahere it isbbbbbbbbbbbb …\n              ^^^^^^^^^^"
        );
        assert_eq!(
            both(&line, &[second, first], 60),
            "… aaaaaaaahere it isbbbbbbbb … bbbbbbbband herecccccccc …\n          ^^^^^^^^^^                   ^^^^^^^^"
        );
        let long = both(&line, from_ref(&(500..1400)), 40);
        assert!(long.lines().next().unwrap().chars().count() <= 40, "{long}");
        assert!(both(&line, &[], 40).starts_with(&"a".repeat(37)));
    }

    proptest! {
        /// Whatever the line holds, the marks stand under what they mean and nothing is wider than it may be.
        #[test]
        fn marks_stand_under_what_they_mean(
            before in "\\PC{0,300}", phrase in "[a-z ]{1,30}", after in prop::collection::vec(any::<u8>(), 0..300),
            columns in 60..140_usize,
        ) {
            let mut line = before.clone().into_bytes();
            line.extend(phrase.bytes());
            line.extend(after);
            let span = before.len()..before.len() + phrase.len();
            let excerpt = Excerpt::new(&line, &[span], columns);
            let marked: String = excerpt.cells.iter().filter(|cell| cell.marked).map(|cell| cell.shown).collect();
            let width: usize = excerpt.cells.iter().map(|cell| cell.columns).sum();
            prop_assert!(width <= columns, "{width} of {columns}");
            prop_assert!(excerpt.cells.iter().all(|cell| !cell.shown.is_control()));
            prop_assert!(phrase.starts_with(&marked) || marked == phrase, "{marked:?}");
            if before.is_ascii() {
                prop_assert_eq!(marked, phrase);
            }
        }
    }
}
