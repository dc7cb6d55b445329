//! The words of a line, beside each other in one buffer, with what makes it quick to hold them against others.

use std::fmt::Write as _;
use std::ops::Range;

use super::events::Kind;
use super::template::ANYTHING;
use crate::engine::Gist;

/// Bytes of a text that are kept as a sample.
const SAMPLE: usize = 512;
/// The words of a line. Made once and filled again for each.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// All words, and what they were made of.
    text: String,
    words: Vec<Range<usize>>,
    /// Of each word.
    digests: Vec<u64>,
    /// Of each word, once somebody has asked.
    kinds: Vec<Kind>,
}

impl Words {
    /// Forgets the line before.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.words.clear();
        self.digests.clear();
        self.kinds.clear();
    }

    /// Takes in a word that another writes.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        self.words.push(start..self.text.len());
    }

    pub(super) fn pop(&mut self) {
        self.words.pop();
    }

    /// Leaves out the words in front of the last one, as long as they are of a kind.
    pub(super) fn leave_out_before_last(&mut self, mut is_of_kind: impl FnMut(&str, usize) -> bool) {
        while let Some(before) = self.words.len().checked_sub(2)
            && is_of_kind(self.get(before), before)
        {
            self.words.remove(before);
        }
    }

    pub(super) fn truncate(&mut self, words: usize) {
        self.words.truncate(words);
    }

    /// Puts the last so many bytes of the buffer behind the last word.
    pub(super) fn append(&mut self, bytes: usize) {
        let Some(last) = self.words.last().cloned() else { return };
        let signs = self.text.len() - bytes..self.text.len();
        if !signs.is_empty() {
            let start = self.text.len();
            self.text.extend_from_within(last);
            self.text.extend_from_within(signs);
            self.pop();
            self.words.push(start..self.text.len());
        }
    }

    /// The last word of the text that begins with the word `first`.
    pub(super) fn last(&self, first: usize) -> Option<&str> {
        self.words.get(first..)?.last().map(|range| &self.text[range.clone()])
    }

    /// All words are there: cuts long ones, and makes digests of them.
    pub(super) fn finish(&mut self, longest: usize) {
        let Self { text, words, digests, .. } = self;
        for range in words.iter_mut() {
            range.end = range.start + cut(&text[range.clone()], longest).len();
        }
        digests.extend(words.iter().map(|range| digest(&text[range.clone()])));
    }

    /// Puts one word, that ends in "anything", in the place of several: what stands in front of it and behind.
    pub(super) fn replace(&mut self, words: Range<usize>, front: Range<usize>, behind: Range<usize>) {
        let start = self.text.len();
        self.text.extend_from_within(front);
        self.text.push_str(ANYTHING);
        self.text.extend_from_within(behind);
        self.words[words.start] = start..self.text.len();
        self.words.drain(words.start + 1..words.end);
    }

    /// The same for the same words, and hardly ever for others.
    pub(super) fn digest(&self) -> u64 {
        self.digests.iter().fold(0, |digest, word| mixed(digest, *word))
    }

    /// Finds out what each word is; [`Words::kind`] knows it then.
    pub(super) fn look_at_kinds(&mut self) {
        let Self { text, words, kinds, .. } = self;
        if kinds.is_empty() {
            kinds.extend(words.iter().map(|range| Kind::of(&text[range.clone()])));
        }
    }

    pub(super) fn kind(&self, index: usize) -> Kind {
        self.kinds[index]
    }

    /// The same for the same word, and hardly ever for others.
    pub(super) fn digest_of(&self, index: usize) -> u64 {
        self.digests[index]
    }

    pub(super) fn range(&self, index: usize) -> Range<usize> {
        self.words[index].clone()
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn get(&self, index: usize) -> &str {
        &self.text[self.words[index].clone()]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.words.iter().map(|range| &self.text[range.clone()])
    }
}

/// Of a word. It must be the same on all machines, and needs no key: whoever makes two words alike makes them one word.
pub(super) fn digest(word: &str) -> u64 {
    let (pieces, rest) = word.as_bytes().as_chunks::<8>();
    let digest = pieces.iter().fold(word.len() as u64, |digest, piece| mixed(digest, u64::from_le_bytes(*piece)));
    mixed(digest, rest.iter().fold(0, |piece, byte| piece << 8 | u64::from(*byte)))
}

/// The golden ratio's multiplier, as in Knuth, The Art of Computer Programming, 6.4.
fn mixed(digest: u64, piece: u64) -> u64 {
    let product = (digest.rotate_left(5) ^ piece).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}

/// As a person reads it.
pub(super) fn text<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// What is kept of a line to show it.
pub(super) fn sample(gist: &Gist) -> String {
    let mut sample = String::new();
    for (index, text) in gist.says.iter().enumerate() {
        let _ = write!(sample, "{}{}", if index > 0 { " ⏎ " } else { "" }, cut(text.trim(), SAMPLE));
    }
    sample
}

pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
