//! Short atoms: looked for at every byte, with vector instructions for 32 places at a time.
//!
//! Where a few pairs of neighbouring bytes are rare, and each atom has one of them, only these pairs are compared (as the
//! `memchr` crate looks for one needle). Else three bytes of each atom are its fingerprint, and atoms are spread over
//! eight buckets by their fingerprints. For each of the three places two small tables say which buckets have an atom
//! with a byte of this lower, and of this upper half there; a place in the line at which a bucket is left over from all six
//! tables is looked at closely (the "Teddy" algorithm of Hyperscan, as the `aho-corasick` crate has it too, but without
//! regard to case). Without vector instructions an automaton is used.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

use super::grams::ordinary;

/// Bytes of a fingerprint.
pub(super) const PRINT: usize = 3;
const BUCKETS: usize = 8;
/// More pairs than these cost as much as fingerprints do.
pub(super) const PAIRS_MAX: usize = 4;
/// A pair is expected at fewer of the places of an ordinary line than this: about every other line then has one.
const PAIRS_OFTEN_MAX: f64 = 1.0 / 1000.0;

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
    /// Of each atom two neighbouring bytes, [folded](fold); empty where these would be too many, or too common.
    pub(super) pairs: Vec<[u8; 2]>,
    pub(super) halves: [Halves; PRINT],
    buckets: [Vec<Atom>; BUCKETS],
    automaton: Option<AhoCorasick>,
}

impl Short {
    fn empty(automaton: Option<AhoCorasick>) -> Self {
        Self { pairs: Vec::new(), halves: [Halves::default(); PRINT], buckets: Default::default(), automaton }
    }

    /// With a bucket for each pair, where pairs will do.
    fn by_pairs(atoms: &[Vec<u8>]) -> Option<Self> {
        let pairs = pairs(atoms)?;
        let mut buckets: [Vec<Atom>; BUCKETS] = Default::default();
        for text in atoms {
            let of_atom = |(bucket, pair): (usize, &[u8; 2])| Some((bucket, place(text, *pair)?));
            let (bucket, print) = pairs.iter().enumerate().find_map(of_atom)?;
            buckets[bucket].push(Atom { text: text.clone(), print });
        }
        Some(Self { pairs, buckets, ..Self::empty(automaton(atoms)) })
    }

    /// Atoms are in lower case and have at least [`PRINT`] bytes each.
    pub(super) fn new(atoms: &[Vec<u8>]) -> Self {
        if let Some(short) = Self::by_pairs(atoms) {
            return short;
        }
        let mut short = Self::empty(automaton(atoms));
        let mut atoms: Vec<Atom> = atoms.iter().map(|text| Atom { text: text.clone(), print: print(text) }).collect();
        // Equal fingerprints go into one bucket, and similar ones too: what they share stops the scan only once.
        atoms.sort_by_key(Atom::fingerprint);
        let prints = atoms.chunk_by(|a, b| a.fingerprint() == b.fingerprint()).count();
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

    /// The buckets whose pair stands at this place.
    pub(super) fn pairs_at(&self, line: &[u8], at: usize) -> u8 {
        let Some(bytes) = line.get(at..).and_then(<[u8]>::first_chunk::<2>) else { return 0 };
        let bytes = bytes.map(fold);
        self.pairs.iter().enumerate().fold(0, |buckets, (bucket, pair)| buckets | u8::from(*pair == bytes) << bucket)
    }

    /// Whether an atom of one of these buckets has its fingerprint at this place.
    pub(super) fn holds(&self, line: &[u8], at: usize, buckets: u8) -> bool {
        for (bucket, atoms) in self.buckets.iter().enumerate() {
            if buckets >> bucket & 1 == 1 && atoms.iter().any(|atom| atom.stands(line, at)) {
                return true;
            }
        }
        false
    }

    pub(super) fn memory_usage(&self) -> usize {
        let buckets: usize = self.buckets.iter().flatten().map(|atom| size_of::<Atom>() + atom.text.len()).sum();
        buckets + size_of_val(&self.halves) + self.automaton.as_ref().map_or(0, AhoCorasick::memory_usage)
    }
}

impl Atom {
    /// Whether it stands in a line so that its fingerprint is there.
    #[inline(always)]
    fn stands(&self, line: &[u8], at: usize) -> bool {
        let Some(start) = at.checked_sub(self.print) else { return false };
        line.get(start..start + self.text.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(&self.text))
    }

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

/// Where a pair stands in an atom.
fn place(text: &[u8], pair: [u8; 2]) -> Option<usize> {
    text.windows(2).position(|bytes| [fold(bytes[0]), fold(bytes[1])] == pair)
}

/// Pairs of bytes of which each atom has one, chosen one after the other for being rare and in many atoms.
fn pairs(atoms: &[Vec<u8>]) -> Option<Vec<[u8; 2]>> {
    let mut left: Vec<&Vec<u8>> = atoms.iter().collect();
    let (mut pairs, mut total) = (Vec::new(), 0.0);
    while !left.is_empty() {
        let mut counts: BTreeMap<[u8; 2], usize> = BTreeMap::new();
        for text in &left {
            let mut own: Vec<[u8; 2]> = text.windows(2).map(|bytes| [fold(bytes[0]), fold(bytes[1])]).collect();
            own.sort_unstable();
            own.dedup();
            own.into_iter().for_each(|pair| *counts.entry(pair).or_default() += 1);
        }
        let price = |(pair, count): (&[u8; 2], &usize)| pair_often(pair) / *count as f64;
        let cheapest = counts.iter().min_by(|a, b| price(*a).total_cmp(&price(*b)));
        let pair = cheapest.map(|(pair, _)| *pair)?;
        total += pair_often(&pair);
        pairs.push(pair);
        left.retain(|text| place(text, pair).is_none());
        if pairs.len() > PAIRS_MAX || total > PAIRS_OFTEN_MAX {
            return None;
        }
    }
    Some(pairs).filter(|pairs| !pairs.is_empty())
}

/// The share of a log's places at which two folded bytes stand together, about.
fn pair_often(pair: &[u8; 2]) -> f64 {
    // Letters keep company: "ng" is far commoner than "n" and "g" are. The commonest first, as counted in the same lines.
    const LETTERS: &[u8; 400] = b"\
        erinortereonsttiroatecseedentacodeesfontnealnotoomanlogecaleetnditkeacunotnfsschadutcemeniliilthasck\
        maiongarractulodagveprpaexicapshocblidnaemisourrheusdaaieacuwottamrufaborkoonneprdpeurbilavarnabjusu\
        ivsimotrvimpopxeimhrdubsirbyrtturitphaosytsciepohdhkhoelaufrrvldclppdoogovpdwasylllsmioxwihifsnseifi\
        ptplrcxyigrmspdsyscnuimbtyhtrsweswdmnvpsddcbumquupdfputcoweeskoadiifsadrtsbaevgimckacsgnpiewsoszncry";
    let (letters, _) = LETTERS.as_chunks::<2>();
    let by_rank = |rank: usize| 0.0105 / (1.0 + rank as f64 / 12.0);
    let apart = often(pair[0]) * often(pair[1]);
    match letters.iter().position(|letters| letters == pair) {
        Some(rank) => by_rank(rank),
        None if pair.iter().all(u8::is_ascii_alphabetic) => apart.min(by_rank(letters.len())),
        None => apart,
    }
}

/// The share of a log's bytes that a [folded](fold) byte has, about, as counted in the lines of [`ordinary`].
fn often(byte: u8) -> f64 {
    const PER_MILLE: [f64; 11] = [0.2, 1.0, 2.5, 4.0, 7.0, 10.0, 13.0, 18.0, 25.0, 35.0, 60.0];
    // Folding makes one byte of two.
    let twins = [byte, byte & !fold(0)];
    let twins = if byte.is_ascii_alphabetic() { &twins[..1] } else { &twins };
    twins.iter().map(|byte| PER_MILLE[ordinary(*byte) as usize] / 1000.0).sum()
}

/// A few short texts are never too many for an automaton.
fn automaton(atoms: &[Vec<u8>]) -> Option<AhoCorasick> {
    (!atoms.is_empty()).then(|| AhoCorasickBuilder::new().ascii_case_insensitive(true).build(atoms).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_pairs_are_used_while_they_are_few() {
        let of = |atoms: &[&str]| pairs(&atoms.iter().map(|atom| atom.as_bytes().to_vec()).collect::<Vec<_>>());
        let always = of(&["\\u0041", "\\u0042", "\\u0043", "\"fingerpost\""]).expect("few");
        assert_eq!(always.len(), 2);
        assert_eq!(always[0], *b"|u", "the backslash, folded");
        assert_eq!(always[1], *b"rp", "and not ng, as in every gerund");
        assert_eq!(of(&["tea", "ate"]), None, "in every line");
        assert_eq!(of(&["kpq", "vwx", "zjk", "qqz", "xvv", "jjw"]), None, "too many");
    }
}
