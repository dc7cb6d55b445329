//! Long atoms: eight grams of each, and one look at every eighth byte of a line.
//!
//! Of each atom a window of 15 bytes is chosen, and the eight grams of eight bytes in it are entered into a table.
//! Wherever the atom stands in a line, exactly one of these eight grams begins at a multiple of eight, so looking at the
//! line's bytes 0..8, 8..16, 16..24, … finds it. Each look is one multiplication and one word of a Bloom filter whose two
//! bits lie in the same word (a "register-blocked" one, as in Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient
//! Bloom Filters, 2007). For what passes that, a table says at which places of a window the gram stands, and another one
//! which atoms have the window that would be there. Only then an atom is compared.
//!
//! So it does not matter how many atoms share a gram, as those do that begin alike. The window is where the atom is least
//! like ordinary text, and, if it can be, where no other atom is the same.
//!
//! The same tables tell all atoms of a text, each with its place: that is the exact search (`engine/search.rs`).

/// From this length on, in bytes, an atom has a window.
pub(in crate::engine) const LONG: usize = WINDOW;
const WINDOW: usize = GRAMS + GRAM - 1;
/// Bytes of a gram.
const GRAM: usize = 8;
/// Grams of an atom.
const GRAMS: usize = 8;
/// Bytes that are looked at before the outcome is.
const BLOCK: usize = 64;

/// Makes upper case lower case in each of eight bytes, and other bytes into others, which the comparison sorts out.
const FOLD: u64 = 0x2020_2020_2020_2020;
/// 2⁶⁴ divided by the golden ratio: products with it are spread evenly over their upper bits (Knuth, volume 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const SPREAD_AGAIN: u64 = 0xd6e8_feb8_6659_fd93;

/// More atoms than this are not told apart by their window: the scan stops at it.
const SHARED_MAX: usize = 16;
/// In place of an atom.
const CROWDED: u32 = u32::MAX;
/// So many comparisons are always made in a line, and one more for each of so many bytes; then it is as cheap to stop.
const COMPARISONS: usize = 32;
const BYTES_PER_COMPARISON: usize = 2;
/// Words of the Bloom filter, as a power of two: at least 8 KiB, which is never what costs.
const WORDS_LOG_MIN: u32 = 10;

/// See the top of the file.
#[derive(Debug)]
pub(in crate::engine) struct Grams {
    /// The Bloom filter.
    words: Vec<u64>,
    /// 64 minus the power of two that the number of words is; likewise below.
    words_shift: u32,
    /// By gram: in the lower byte a bit for each place of a window at which some atom has it, above them a part of its
    /// hash; 0 where there is none.
    places: Vec<u32>,
    places_shift: u32,
    windows: Vec<Slot>,
    windows_shift: u32,
    /// And one more, which says where the last one ends.
    atoms: Vec<Atom>,
    /// In lower case, one after the other.
    text: Vec<u8>,
}

/// An atom by its window.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// A part of the window's hash.
    tag: u32,
    /// One more than the atom's number; 0 where there is none.
    atom: u32,
}

#[derive(Debug, Clone, Copy)]
struct Atom {
    /// Where its bytes begin.
    start: u32,
    /// Where its window begins, from there.
    window: u32,
}

/// The least power of two that leaves an eighth of a table free.
fn table_log(entries: usize) -> u32 {
    (entries + entries / 7 + 1).next_power_of_two().ilog2().max(1)
}

fn load(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |gram| u64::from_le_bytes(*gram)) | FOLD
}

fn spread(gram: u64) -> u64 {
    gram.wrapping_mul(SPREAD)
}

fn spread_again(hash: u64) -> u64 {
    (hash ^ (hash >> 29)).wrapping_mul(SPREAD_AGAIN)
}

/// The part of a gram's hash that stands in the table: the lower half, which the place in the table does not tell.
fn place_tag(hash: u64) -> u32 {
    (spread_again(hash) as u32) << 8
}

/// The two bits of a gram in its word.
fn bits(hash: u64) -> u64 {
    1 << (hash >> 32 & 63) | 1 << (hash >> 38 & 63)
}

/// Of 15 bytes, by the two grams at their ends.
fn window_hash(window: &[u8]) -> u64 {
    spread_again(spread(load(window)) ^ load(&window[GRAMS - 1..]))
}

impl Grams {
    /// For [`Grams::stops_at`]. Atoms are in lower case, have at least [`LONG`] bytes each, and are not there twice.
    pub(super) fn new(atoms: &[Vec<u8>]) -> Self {
        let (mut grams, left_out) = Self::telling(atoms.iter().map(Vec::as_slice));
        for (_, slot) in left_out {
            grams.windows[slot].atom = CROWDED;
        }
        grams
    }

    /// For [`Grams::each`], and the numbers of the atoms that it will not tell, as too many others have their windows,
    /// each with one of the slots of these. Atoms are as above.
    pub(in crate::engine) fn telling<'a>(
        atoms: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
    ) -> (Self, Vec<(usize, usize)>) {
        let entries = atoms.len() * GRAMS;
        let words_log = (entries / 4).max(1).next_power_of_two().ilog2().max(WORDS_LOG_MIN);
        let (places_log, windows_log) = (table_log(entries), table_log(atoms.len()));
        let mut grams = Self {
            words: vec![0; 1 << words_log],
            words_shift: 64 - words_log,
            places: vec![0; 1 << places_log],
            places_shift: 64 - places_log,
            windows: vec![Slot::default(); 1 << windows_log],
            windows_shift: 64 - windows_log,
            atoms: Vec::with_capacity(atoms.len() + 1),
            text: Vec::with_capacity(atoms.clone().map(<[u8]>::len).sum()),
        };
        let mut left_out = Vec::new();
        for (number, atom) in atoms.enumerate() {
            if let Err(slot) = grams.enter(atom) {
                left_out.push((number, slot));
            }
        }
        grams.atoms.push(Atom { start: grams.text.len() as u32, window: 0 });
        (grams, left_out)
    }

    /// An error is one of the slots of those that have the same window, which are as many as may be.
    fn enter(&mut self, atom: &[u8]) -> Result<(), usize> {
        let number = self.atoms.len() as u32 + 1;
        let start = window(atom, |window| self.by_window(window_hash(window)).count());
        self.atoms.push(Atom { start: self.text.len() as u32, window: start as u32 });
        self.text.extend_from_slice(atom);
        let window = &atom[start..start + WINDOW];
        for (place, gram) in window.windows(GRAM).enumerate() {
            let hash = spread(load(gram));
            self.words[(hash >> self.words_shift) as usize] |= bits(hash);
            let at = self.places_slot(hash);
            self.places[at] |= place_tag(hash) | 1 << place;
        }
        let hash = window_hash(window);
        let mut at = (hash >> self.windows_shift) as usize;
        let mut same = 0;
        while self.windows[at].atom != 0 {
            if self.windows[at].tag == hash as u32 {
                same += 1;
                if same == SHARED_MAX {
                    return Err(at);
                }
            }
            at = (at + 1) & (self.windows.len() - 1);
        }
        self.windows[at] = Slot { tag: hash as u32, atom: number };
        Ok(())
    }

    /// Tells every atom that stands in a text, in any ASCII case: its number, and where it ends. In no order. Until told
    /// to stop by a false.
    pub(in crate::engine) fn each(&self, text: &[u8], mut see: impl FnMut(usize, usize) -> bool) {
        let (grams, _) = text.as_chunks();
        for (number, gram) in grams.iter().enumerate() {
            if self.probe(gram) & 1 == 0 {
                continue;
            }
            for (window, atom) in self.around(text, number * GRAM, spread(load(gram))) {
                let ends = self.stands(text, window, atom - 1);
                if ends.is_some_and(|end| !see(atom as usize - 1, end)) {
                    return;
                }
            }
        }
    }

    /// The windows in which a gram could stand at this place, each with an atom that has it (or [`CROWDED`]).
    fn around(&self, text: &[u8], at: usize, hash: u64) -> impl Iterator<Item = (usize, u32)> {
        let places = self.places[self.places_slot(hash)] as u8;
        let places = (0..GRAMS).filter(move |place| places >> place & 1 == 1);
        let windows = places.filter_map(move |place| {
            let start = at.checked_sub(place)?;
            Some((start, text.get(start..start + WINDOW)?))
        });
        windows.flat_map(|(start, window)| self.by_window(window_hash(window)).map(move |atom| (start, atom)))
    }

    /// Where a gram is in the table, or belongs.
    fn places_slot(&self, hash: u64) -> usize {
        let mut at = (spread_again(hash) >> self.places_shift) as usize;
        while self.places[at] != 0 && self.places[at] & !0xff != place_tag(hash) {
            at = (at + 1) & (self.places.len() - 1);
        }
        at
    }

    /// The atoms with a window, or [`CROWDED`].
    #[inline(always)]
    fn by_window(&self, hash: u64) -> impl Iterator<Item = u32> {
        let mut at = (hash >> self.windows_shift) as usize;
        std::iter::from_fn(move || {
            loop {
                let slot = self.windows[at & (self.windows.len() - 1)];
                if slot.atom == 0 {
                    return None;
                }
                at += 1;
                if slot.tag == hash as u32 {
                    return Some(slot.atom);
                }
            }
        })
    }

    /// Whether a line may hold an atom.
    #[inline(always)]
    pub(super) fn stops_at(&self, line: &[u8]) -> bool {
        let mut left = COMPARISONS + line.len() / BYTES_PER_COMPARISON;
        let mut at = 0;
        let (blocks, rest) = line.as_chunks::<BLOCK>();
        for block in blocks {
            let (grams, _) = block.as_chunks();
            let any = grams.iter().fold(0, |any, gram| any | self.probe(gram));
            if any & 1 == 1 && self.look(line, at, block, &mut left) {
                return true;
            }
            at += BLOCK;
        }
        let (grams, _) = rest.as_chunks();
        let any = grams.iter().fold(0, |any, gram| any | self.probe(gram));
        any & 1 == 1 && self.look(line, at, rest, &mut left)
    }

    /// Its lowest bit is set when the gram may be in the table.
    #[inline(always)]
    fn probe(&self, gram: &[u8; GRAM]) -> u64 {
        let hash = spread(u64::from_le_bytes(*gram) | FOLD);
        // The shift leaves no more than the length has; the mask says so to the compiler.
        let word = self.words[(hash >> self.words_shift) as usize & (self.words.len() - 1)];
        (word >> (hash >> 32 & 63)) & (word >> (hash >> 38 & 63))
    }

    /// Looks at the grams of a block one by one.
    #[cold]
    #[inline(never)]
    fn look(&self, line: &[u8], start: usize, block: &[u8], left: &mut usize) -> bool {
        let (grams, _) = block.as_chunks();
        grams.iter().enumerate().any(|(place, gram)| {
            self.probe(gram) & 1 == 1 && self.holds(line, start + place * GRAM, spread(load(gram)), left)
        })
    }

    /// Whether an atom stands where the gram at this place would be its own, or there is no telling.
    fn holds(&self, line: &[u8], gram_at: usize, hash: u64, left: &mut usize) -> bool {
        let mut places = self.places[self.places_slot(hash)] as u8;
        while places != 0 {
            let place = places.trailing_zeros() as usize;
            places &= places - 1;
            let Some(start) = gram_at.checked_sub(place) else { return false };
            let Some(window) = line.get(start..start + WINDOW) else { continue };
            for atom in self.by_window(window_hash(window)) {
                if atom == CROWDED || *left == 0 || self.stands(line, start, atom - 1).is_some() {
                    return true;
                }
                *left -= 1;
            }
            *left = left.saturating_sub(1);
        }
        false
    }

    /// Where an atom ends that stands in a line so that its window begins there.
    fn stands(&self, line: &[u8], window: usize, number: u32) -> Option<usize> {
        let [atom, next] = [self.atoms[number as usize], self.atoms[number as usize + 1]];
        let text = &self.text[atom.start as usize..next.start as usize];
        let start = window.checked_sub(atom.window as usize)?;
        let end = start + text.len();
        line.get(start..end).is_some_and(|bytes| same(bytes, text)).then_some(end)
    }

    pub(in crate::engine) fn memory_usage(&self) -> usize {
        let tables = size_of_val(&*self.words) + size_of_val(&*self.places) + size_of_val(&*self.windows);
        tables + size_of_val(&*self.atoms) + self.text.len()
    }
}

/// Compares in any ASCII case. What nearly matches mostly differs in the end.
fn same(bytes: &[u8], lower: &[u8]) -> bool {
    let tail = bytes.len() - GRAM;
    load(&bytes[tail..]) == load(&lower[tail..]) && bytes.eq_ignore_ascii_case(lower)
}

/// Where the window of an atom begins: at the least ordinary 15 bytes that no other atom has for its window, or else at
/// those that the fewest have. `shared` counts them.
fn window(atom: &[u8], shared: impl Fn(&[u8]) -> usize) -> usize {
    let mut weight: u32 = atom[..WINDOW - 1].iter().copied().map(ordinary).sum();
    let mut windows = Vec::with_capacity(atom.len());
    for (start, window) in atom.windows(WINDOW).enumerate() {
        weight += ordinary(window[WINDOW - 1]);
        windows.push((weight, start));
        weight -= ordinary(window[0]);
    }
    let mut fewest = (usize::MAX, 0);
    // Nearly always the first one is free, and sorting them all would be for nothing.
    while let Some(least) = (0..windows.len()).min_by_key(|at| windows[*at]) {
        let (_, start) = windows.swap_remove(least);
        let others = shared(&atom[start..start + WINDOW]);
        if others < fewest.0 {
            fewest = (others, start);
        }
        if others == 0 {
            break;
        }
    }
    fewest.1
}

/// How ordinary a byte in lower case is in logs, from 0 to 10.
pub(super) fn ordinary(byte: u8) -> u32 {
    // The commonest first, as counted in 32,000 lines of sixteen systems (the samples of Loghub), each put into JSON.
    const BY_FREQUENCY: &[u8; 60] = br##" "e10:ton2las9i-r4_d,6pc.753ubfh8mkvg{}/[]wyx=j()|q#*z@\$~;'"##;
    const BY_BYTE: [u8; 256] = {
        let (mut table, mut rank) = ([0; 256], 0);
        while rank < BY_FREQUENCY.len() {
            table[BY_FREQUENCY[rank] as usize] = 10 - rank as u8 / 6;
            rank += 1;
        }
        table
    };
    u32::from(BY_BYTE[usize::from(byte)])
}

/// The share of a log's bytes that a [folded](super::short::fold) byte has, about, as counted there.
pub(super) fn often(byte: u8) -> f64 {
    const PER_MILLE: [f64; 11] = [0.2, 1.0, 2.5, 4.0, 7.0, 10.0, 13.0, 18.0, 25.0, 35.0, 60.0];
    // Folding makes one byte of two.
    let twins = [byte, byte & !super::short::fold(0)];
    let twins = if byte.is_ascii_alphabetic() { &twins[..1] } else { &twins };
    twins.iter().map(|byte| PER_MILLE[ordinary(*byte) as usize] / 1000.0).sum()
}
