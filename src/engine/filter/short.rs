//! Short atoms: looked for at every byte.
//!
//! Three bytes of each are its fingerprint, and atoms are spread over eight buckets by their fingerprints. For each of
//! the three places two small tables say which buckets have an atom with a byte of this lower, and of this upper half
//! there; a place in the line at which a bucket is left over from all six tables is looked at closely. With vector
//! instructions this is done for 32 places at a time (the "Teddy" algorithm of Hyperscan, as the `aho-corasick` crate
//! has it too, but without regard to case). Without them, an automaton is used.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

use super::grams::ordinary;

/// Bytes of a fingerprint.
pub(super) const PRINT: usize = 3;
const BUCKETS: usize = 8;

/// For each place of a fingerprint, which buckets take a byte with this half.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Halves {
    pub(super) lower: [u8; 16],
    pub(super) upper: [u8; 16],
}

#[derive(Debug)]
struct Atom {
    /// In lower case.
    text: Vec<u8>,
    /// Where its fingerprint is.
    print: usize,
}

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Short {
    pub(super) halves: [Halves; PRINT],
    buckets: [Vec<Atom>; BUCKETS],
    automaton: Option<AhoCorasick>,
}

impl Short {
    /// Atoms are in lower case and have at least [`PRINT`] bytes each.
    pub(super) fn new(atoms: &[Vec<u8>]) -> Self {
        let mut atoms: Vec<Atom> = atoms.iter().map(|text| Atom { text: text.clone(), print: print(text) }).collect();
        // Equal fingerprints go into one bucket, and similar ones too: what they share stops the scan only once.
        atoms.sort_by_key(Atom::fingerprint);
        let prints = atoms.chunk_by(|a, b| a.fingerprint() == b.fingerprint()).count();
        let mut short =
            Self { halves: [Halves::default(); PRINT], buckets: Default::default(), automaton: automaton(&atoms) };
        let mut number = 0;
        let mut before = atoms.first().map(Atom::fingerprint).unwrap_or_default();
        for atom in atoms {
            let fingerprint = atom.fingerprint();
            number += usize::from(before != fingerprint);
            before = fingerprint;
            let bucket = number * BUCKETS / prints;
            for (halves, byte) in short.halves.iter_mut().zip(fingerprint) {
                let byte = fold(byte);
                halves.lower[usize::from(byte & 15)] |= 1 << bucket;
                halves.upper[usize::from(byte >> 4)] |= 1 << bucket;
            }
            short.buckets[bucket].push(atom);
        }
        short
    }

    pub(super) fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// Whether a line holds an atom.
    pub(super) fn stops_at(&self, line: &[u8]) -> bool {
        self.automaton.as_ref().is_some_and(|automaton| automaton.is_match(line))
    }

    /// Whether an atom of one of these buckets has its fingerprint at this place.
    pub(super) fn holds(&self, line: &[u8], at: usize, buckets: u8) -> bool {
        let chosen = self.buckets.iter().enumerate().filter(|(bucket, _)| buckets >> bucket & 1 == 1);
        chosen.flat_map(|(_, atoms)| atoms).any(|atom| {
            let Some(start) = at.checked_sub(atom.print) else { return false };
            line.get(start..start + atom.text.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(&atom.text))
        })
    }

    pub(super) fn memory_usage(&self) -> usize {
        let buckets: usize = self.buckets.iter().flatten().map(|atom| size_of::<Atom>() + atom.text.len()).sum();
        buckets + size_of_val(&self.halves) + self.automaton.as_ref().map_or(0, AhoCorasick::memory_usage)
    }
}

impl Atom {
    fn fingerprint(&self) -> [u8; PRINT] {
        self.text[self.print..].first_chunk().copied().unwrap_or_default()
    }
}

/// As the vector instructions see a byte: upper case as lower case.
pub(super) fn fold(byte: u8) -> u8 {
    byte | 0x20
}

/// Where an atom is least like ordinary text.
fn print(text: &[u8]) -> usize {
    let weight = |bytes: &[u8]| bytes.iter().copied().map(ordinary).sum::<u32>();
    text.windows(PRINT).enumerate().min_by_key(|(_, bytes)| weight(bytes)).map_or(0, |(at, _)| at)
}

/// A few short texts are never too many for an automaton.
fn automaton(atoms: &[Atom]) -> Option<AhoCorasick> {
    let texts = || atoms.iter().map(|atom| &atom.text);
    (!atoms.is_empty()).then(|| AhoCorasickBuilder::new().ascii_case_insensitive(true).build(texts()).ok()).flatten()
}
