//! Whether a line holds one of many atoms, in next to no time: nearly all lines hold none.
//!
//! Atoms of [`grams::LONG`] bytes and more are found by looking at one gram of eight bytes in every eight (`grams`),
//! which costs the same for ten of them and for a hundred thousand. Shorter ones are looked for at every byte, many at a
//! time, with vector instructions (`short`). What not every processor has is in `simd`.
//!
//! ASCII case is not looked at. What the filter stops at does hold an atom, with two exceptions, which let hostile input
//! cost no more than a line that matches: a window that too many unlike atoms share, and a line that would take too many
//! steps. It never passes over a line that holds one.

pub(super) mod grams;
mod short;
mod simd;

use std::collections::{HashMap, HashSet};

use grams::Grams;
use short::Short;

/// From this length on, in bytes, an atom costs no time of its own.
pub(super) const LONG: usize = grams::LONG;

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Filter {
    grams: Grams,
    short: Short,
    /// An atom has too few bytes to be looked for.
    always: bool,
}

impl Filter {
    /// Takes atoms in lower case, in any order, again and again too. Tells of each the number by which [`Filter::each`]
    /// knows it, where it does.
    pub(super) fn new<'a>(atoms: &[&'a str]) -> (Self, Vec<Option<usize>>) {
        let (mut long, mut short, mut always) = (Vec::new(), Vec::new(), false);
        let mut seen: HashMap<&str, Option<usize>> = HashMap::with_capacity(atoms.len());
        let enter = |atom: &&'a str| {
            *seen.entry(atom).or_insert_with(|| {
                if atom.len() >= grams::LONG {
                    long.push(atom.as_bytes());
                    return Some(long.len() - 1);
                }
                if atom.len() >= short::PRINT {
                    short.push(atom.as_bytes().to_vec());
                } else {
                    always = true;
                }
                None
            })
        };
        let mut numbers: Vec<Option<usize>> = atoms.iter().map(enter).collect();
        drop(seen);
        short.sort_unstable();
        let (grams, untold) = Grams::new(&long);
        let untold: HashSet<usize> = untold.into_iter().collect();
        for number in &mut numbers {
            *number = number.filter(|number| !untold.contains(number));
        }
        (Self { grams, short: Short::new(&short), always }, numbers)
    }

    /// See [`Grams::mark`].
    pub(super) fn mark(&mut self, number: usize, holds: fn(&[u8]) -> bool) {
        self.grams.mark(number, holds);
    }

    /// Tells atoms of [`LONG`] bytes and more that stand in a text: the number of each, and where it ends. In no order.
    /// Until told to stop by a false.
    pub(super) fn each(&self, text: &[u8], see: impl FnMut(usize, usize) -> bool) {
        self.grams.each(text, see);
    }

    /// Whether the line may hold an atom.
    #[inline]
    pub(super) fn stops_at(&self, line: &[u8]) -> bool {
        self.always || simd::stops_at(&self.grams, &self.short, line).unwrap_or_else(|| self.portable(line))
    }

    /// The same with what every processor has.
    fn portable(&self, line: &[u8]) -> bool {
        self.grams.stops_at(line) || self.short.stops_at(line)
    }

    /// Bytes that it takes.
    pub(super) fn memory_usage(&self) -> usize {
        self.grams.memory_usage() + self.short.memory_usage()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the filter must say, but for its two exceptions.
    fn holds(atoms: &[String], line: &[u8]) -> bool {
        atoms.iter().any(|atom| line.windows(atom.len()).any(|window| window.eq_ignore_ascii_case(atom.as_bytes())))
    }

    fn filter(atoms: &[String]) -> Filter {
        let lower: Vec<String> = atoms.iter().map(|atom| atom.to_ascii_lowercase()).collect();
        Filter::new(&lower.iter().map(String::as_str).collect::<Vec<_>>()).0
    }

    #[test]
    fn every_atom_is_found_at_every_place() {
        let atoms: Vec<String> = (3..80)
            .map(|length| {
                "the quick brown fox jumps over 13 lazy dogs_and then a cat: no, two! ".repeat(2)[..length]
                    .chars()
                    .rev()
                    .collect()
            })
            .collect();
        for atom in &atoms {
            let filter = filter(std::slice::from_ref(atom));
            for before in 0..70 {
                for after in [0, 1, 7, 40] {
                    let mut line = vec![b'~'; before];
                    line.extend(atom.to_ascii_uppercase().bytes());
                    line.resize(line.len() + after, b'~');
                    assert!(filter.stops_at(&line) && filter.portable(&line), "{atom:?} at {before}");
                    // One byte less, and it is not there.
                    line[before + atom.len() / 2] = b'~';
                    assert!(!filter.stops_at(&line) && !filter.portable(&line), "no {atom:?} at {before}");
                }
            }
        }
    }

    #[test]
    fn grams_that_all_atoms_share_are_no_danger() {
        let atoms: Vec<String> =
            (0..5000).map(|n| format!("a prefix that all of them share, and then {n:04}")).collect();
        let filter = filter(&atoms);
        for atom in &atoms {
            assert!(filter.stops_at(format!(".........{atom}.........").as_bytes()), "{atom}");
        }
        assert!(!filter.stops_at(b"something else that is long enough to be looked at, and then 0x17"));
    }

    #[test]
    fn a_window_of_too_many_stops_the_scan() {
        let atoms: Vec<String> = (1..400).map(|n| format!("{}a crowd of them", "e".repeat(n))).collect();
        let filter = filter(&atoms);
        for atom in &atoms {
            assert!(filter.stops_at(format!("...{atom}...").as_bytes()), "{atom}");
        }
        assert!(filter.stops_at(b"... a crowd of them ..."), "there is no telling");
        assert!(!filter.stops_at(b"... a crowd of us ..."));
    }

    #[test]
    fn the_work_for_a_line_is_bounded() {
        let word = |n: usize| ["kube", "node", "etcd", "pods"][n % 4];
        let atom = |n: usize| format!("{} {}{} the same end of it", word(n), "y".repeat(n % 50), word(n / 50));
        let atoms: Vec<String> = (0..200).map(atom).collect();
        let filter = filter(&atoms);
        // Behind nothing that begins one, each end of it is looked at in vain: a few are told, many stop the scan.
        let end = |times: usize| format!("{}{}", "~".repeat(80), "the same end of it; ".repeat(times));
        assert!(!holds(&atoms, end(500).as_bytes()));
        assert!(!filter.stops_at(end(1).as_bytes()) && !filter.portable(end(1).as_bytes()));
        assert!(filter.stops_at(end(500).as_bytes()) && filter.portable(end(500).as_bytes()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Few letters, so that much nearly matches.
        #[test]
        fn says_what_a_naive_search_says(
            atoms in prop::collection::vec("[abA_ ]{3,40}", 1..30),
            line in "[abAB_ ]{0,300}",
            at in any::<prop::sample::Index>(),
            put in any::<Option<prop::sample::Index>>(),
        ) {
            let mut line = line.into_bytes();
            if let Some(put) = put {
                let at = at.index(line.len() + 1);
                line.splice(at..at, put.get(&atoms).bytes());
            }
            let filter = filter(&atoms);
            let (said, portable, truth) = (filter.stops_at(&line), filter.portable(&line), holds(&atoms, &line));
            prop_assert!(said || !truth, "{atoms:?} in {:?}", String::from_utf8_lossy(&line));
            prop_assert!(portable || !truth, "{atoms:?} in {:?}", String::from_utf8_lossy(&line));
        }

        /// With many letters the exceptions do not happen, so it must be right both ways.
        #[test]
        fn does_not_cry_wolf(
            atoms in prop::collection::vec("[a-z0-9_:]{3,40}", 1..30),
            line in "[a-zA-Z0-9_: ]{0,300}",
            put in any::<Option<(prop::sample::Index, prop::sample::Index)>>(),
        ) {
            let mut line = line.into_bytes();
            if let Some((at, put)) = put {
                let at = at.index(line.len() + 1);
                line.splice(at..at, put.get(&atoms).bytes());
            }
            let filter = filter(&atoms);
            prop_assert_eq!(filter.stops_at(&line), holds(&atoms, &line));
            prop_assert_eq!(filter.portable(&line), holds(&atoms, &line));
        }
    }
}
