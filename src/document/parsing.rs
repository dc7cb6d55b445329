//! A text as TOML, and all its mistakes, for at most so much memory and work as its length allows.
//!
//! The `toml` crate goes on after a mistake, and keeps each in some hundred bytes; a file of nothing but `=` has one for each
//! byte. So where there are any, they are counted first, which keeps none, and only what lies before the
//! [`MISTAKES_MAX`]th is read for them. The tree takes memory as well, and by far the most where each word is a table of its
//! own: a text of more than [`TOKENS_MAX`] words and signs is not read at all.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, Error};
use toml_parser::decoder::Encoding;
use toml_parser::lexer::TokenKind;
use toml_parser::parser::{EventReceiver, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{ErrorSink, ParseError, Raw, Source, Span};

/// A text as far as it could be read.
#[derive(Debug)]
pub struct Parsed<'t> {
    /// What is in it.
    pub table: Spanned<DeTable<'t>>,
    /// What is wrong with it, in no order.
    pub mistakes: Vec<Mistake>,
    /// It was too much, and nothing of it was read.
    pub is_refused: bool,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The place.
    pub span: Range<usize>,
    /// A sentence.
    pub says: String,
    /// What to do.
    pub help: &'static str,
}

/// Words, signs, strings, spaces and line ends of a text. Rules have about ten in a hundred bytes; each may come to 220 bytes.
const TOKENS_MAX: usize = 2 << 20;
/// Mistakes in words and signs that are looked for; each may come to 250 bytes, and nobody mends more at once.
const MISTAKES_MAX: usize = 1000;
/// Arrays within arrays, as the `toml` crate has it.
const DEPTH_MAX: u32 = 80;

const STRINGS: &str = "strings stand in '…' or '''…''' (nothing is escaped inside) or in \"…\"";

/// Reads a text.
#[must_use]
pub fn parse(text: &str) -> Parsed<'_> {
    if let Some(at) = beyond(text, TOKENS_MAX) {
        let says = format!("this is not read: it has more than {TOKENS_MAX} words and signs");
        let mistake = Mistake { span: at..at, says, help: "make several files of it" };
        return Parsed { table: Spanned::new(0..0, DeTable::new()), mistakes: vec![mistake], is_refused: true };
    }
    match DeTable::parse(text) {
        Ok(table) => Parsed { table, mistakes: Vec::new(), is_refused: false },
        Err(first) => recovered(text, &first),
    }
}

/// Where a text has more tokens than so many.
fn beyond(text: &str, tokens: usize) -> Option<usize> {
    // None is empty but the end.
    if text.len() < tokens {
        return None;
    }
    let mut lexed = Source::new(text).lex().filter(|token| token.kind() != TokenKind::Eof);
    lexed.nth(tokens).map(|token| token.span().start())
}

/// What is wrong with a text with mistakes, of which this one is told first.
fn recovered<'t>(text: &'t str, first: &Error) -> Parsed<'t> {
    let end = last_told(text);
    let (table, errors) = DeTable::parse_recoverable(&text[..end]);
    let mut mistakes: Vec<Mistake> = errors.iter().map(mistake).collect();
    if mistakes.is_empty() {
        mistakes.push(mistake(first));
    }
    if end < text.len() {
        let says = "what stands behind this is not read before the mistakes in front of it are mended".to_owned();
        mistakes.push(Mistake { span: end..end, says, help: "mend those, then look again" });
    }
    Parsed { table, mistakes, is_refused: false }
}

/// Where the last mistake stands that is told, or the end of the text. Keys that stand there twice do not count here, as they
/// are found by making the tree; of them there are few, since each takes four tokens.
fn last_told(text: &str) -> usize {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let (mut found, mut last) = (0, text.len());
    let mut count = |error: ParseError| {
        found += 1;
        if found == MISTAKES_MAX {
            last = error.unexpected().or(error.context()).map_or(text.len(), |span| span.end());
        }
    };
    let mut decoding = Decoding { source };
    let mut decoding = ValidateWhitespace::new(&mut decoding, source);
    parse_document(&tokens, &mut RecursionGuard::new(&mut decoding, DEPTH_MAX), &mut count);
    text.ceil_char_boundary(last)
}

/// Looks into keys and values as the `toml` crate does, and keeps nothing.
struct Decoding<'t> {
    source: Source<'t>,
}

impl EventReceiver for Decoding<'_> {
    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        if let Some(raw) = self.source.input().get(span.start()..span.end()) {
            Raw::new_unchecked(raw, encoding, span).decode_key(&mut (), error);
        }
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        if let Some(raw) = self.source.input().get(span.start()..span.end()) {
            let _ = Raw::new_unchecked(raw, encoding, span).decode_scalar(&mut (), error);
        }
    }
}

fn mistake(error: &Error) -> Mistake {
    let says = format!("this is not valid TOML: {}", error.message().replace('\n', ", "));
    Mistake { span: error.span().unwrap_or(0..0), says, help: STRINGS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        parse(text).mistakes.into_iter().map(|mistake| mistake.says).collect()
    }

    #[test]
    fn all_mistakes_of_a_file_are_told() {
        assert_eq!(told("a = 1\n"), [""; 0]);
        assert_eq!(told("a = \nb = 2\nc =\n").len(), 2);
        assert_eq!(parse("a = \nb = 2\n").table.get_ref().len(), 2);
    }

    /// One mistake for each byte, or each two, however many tokens they are.
    #[test]
    fn of_a_file_that_is_nothing_but_mistakes_the_first_are_told() {
        for unit in ["=", "\r", "\0", "]", "\"\n", "a\n", "\\q", "\u{e9}", "a = 08\n", "'\0'\n"] {
            for text in [unit.repeat(3 << 20), format!("a = \"{}\"", unit.repeat(1 << 20)), unit.repeat(1 << 20)] {
                let parsed = parse(&text);
                assert!(parsed.mistakes.len() < MISTAKES_MAX + 10, "{unit:?}: {}", parsed.mistakes.len());
            }
        }
    }

    #[test]
    fn what_is_behind_many_mistakes_is_not_read() {
        let text = "a = \n".repeat(MISTAKES_MAX + 1) + "b = \n";
        let parsed = parse(&text);
        assert!(parsed.mistakes.iter().any(|mistake| mistake.says.starts_with("what stands behind")));
        assert!(parsed.mistakes.iter().all(|mistake| mistake.span.end < text.len()));
        let text = "a = \n".repeat(MISTAKES_MAX - 1);
        assert!(told(&text).iter().all(|says| says.starts_with("this is not valid TOML")));
    }

    #[test]
    fn a_file_of_too_many_words_is_refused_where_they_are_too_many() {
        assert_eq!(beyond("a = 1\n", 6), None);
        assert_eq!(beyond("a = 1\n", 5), Some(5));
        let text = "a\n".repeat(TOKENS_MAX / 2);
        assert!(!parse(&text).is_refused);
        let text = text + "b";
        let parsed = parse(&text);
        assert!(parsed.is_refused && parsed.mistakes[0].span == (2 * (TOKENS_MAX / 2)..2 * (TOKENS_MAX / 2)));
    }
}
