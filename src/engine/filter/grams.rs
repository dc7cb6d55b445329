//! Long atoms: eight grams of a window of each, and one look at every eighth byte of a line.
//!
//! Of each atom a window of 15 bytes is chosen, and the eight grams of eight bytes in it are entered into a table.
//! Wherever the atom stands in a line, exactly one of these eight grams begins at a multiple of eight, so looking at the
//! line's bytes 0..8, 8..16, 16..24, … finds it. Each look is one multiplication and one word of a Bloom filter whose two
//! bits lie in the same word (a "register-blocked" one, as in Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient
//! Bloom Filters, 2007). For what passes that, a table says at which places of a window the gram stands, and another one
//! which atoms have the window that would be there.
//!
//! Atoms that begin alike, or end alike, share windows on purpose: a hundred thousand phrases made of a few hundred words
//! then need no larger a filter than a few thousand do, and what costs is whether the filter fits the cache. Which atom
//! of a window's group it is, if any, is told without comparing them one by one: by how far from the window it ends and
//! by its last eight bytes, then by how far before the window it begins, by its first eight bytes, and by a hash of all of
//! it. Only then an atom is compared.
//!
//! The same tables tell all atoms of a text, each with its place: that is the exact search (`engine/search.rs`).

/// From this length on, in bytes, an atom has a window.
pub(in crate::engine) const LONG: usize = WINDOW;
const WINDOW: usize = GRAMS + GRAM - 1;
/// Bytes of a gram.
const GRAM: usize = 8;
/// Grams of a window.
const GRAMS: usize = 8;
/// Bytes that are looked at before the outcome is.
const BLOCK: usize = 64;

/// Makes upper case lower case in each of eight bytes, and other bytes into others, which the comparison sorts out.
const FOLD: u64 = 0x2020_2020_2020_2020;
/// 2⁶⁴ divided by the golden ratio: products with it are spread evenly over their upper bits (Knuth, volume 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const SPREAD_AGAIN: u64 = 0xd6e8_feb8_6659_fd93;

/// A group whose atoms begin at more different places is not looked through: the scan stops at its window.
const STARTS_MAX: usize = 256;
/// In place of a group.
const CROWDED: u32 = u32::MAX;
/// What a window is worth for being shared by twice as many, and for lying further behind, where 150 is the difference
/// between the most ordinary text and the rarest. Found by trying, with phrases that are alike and lines that begin so.
const PER_DOUBLING: i64 = 4;
const PER_BYTE: i64 = 4;
/// So many steps are always made in a line, and one more for each of so many bytes; then it is as cheap to stop.
const STEPS: usize = 32;
const BYTES_PER_STEP: usize = 2;
/// Words of the Bloom filter, as a power of two: at least 8 KiB, which is never what costs.
const WORDS_LOG_MIN: u32 = 10;

/// See the top of the file.
#[derive(Debug)]
pub(in crate::engine) struct Grams {
    /// The Bloom filter.
    words: Vec<u64>,
    /// 64 minus the power of two that the number of words is; likewise below.
    words_shift: u32,
    /// By gram: in the lower byte a bit for each place of a window at which it stands, above them a part of its hash; 0
    /// where there is none.
    places: Vec<u32>,
    places_shift: u32,
    windows: Vec<Slot>,
    windows_shift: u32,
    /// Where the ends of each group begin; and one more, which says where the last one's end. Likewise below.
    groups: Vec<u32>,
    ends: Vec<End>,
    starts: Vec<Start>,
    members: Vec<Member>,
    /// Where the bytes of each atom begin.
    atoms: Vec<u32>,
    /// In lower case, one after the other.
    text: Vec<u8>,
    /// An atom at which the scan stops only where the line holds what it announces.
    marker: Option<Marker>,
}

/// See [`Grams::mark`].
#[derive(Debug, Clone, Copy)]
struct Marker {
    atom: u32,
    holds: fn(&[u8]) -> bool,
}

/// What a scan has come to so far.
struct Looking {
    steps: usize,
    has_marker: bool,
}

/// A window.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// A part of its hash.
    tag: u32,
    /// One more than the number of its group, or [`CROWDED`]; 0 where there is none.
    group: u32,
}

/// The atoms of a group that end equally far from the beginning of the window.
#[derive(Debug, Clone, Copy)]
struct End {
    /// A bit for the last gram of each.
    tails: u64,
    /// Bytes from the beginning of the window.
    distance: u32,
    /// Where its starts begin.
    starts: u32,
}

/// Those of them that begin equally far before the window.
#[derive(Debug, Clone, Copy)]
struct Start {
    /// A bit for the first gram of each.
    heads: u64,
    /// Bytes up to the window.
    before: u32,
    /// Where its members begin, by their keys.
    members: u32,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    /// A hash of the whole atom.
    key: u32,
    atom: u32,
}

/// An atom with its window, while the tables are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Chosen {
    window: u64,
    distance: u32,
    before: u32,
    key: u32,
    atom: u32,
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

/// The bit of a text's first gram.
fn head(text: &[u8]) -> u64 {
    1 << (spread(load(text)) >> 58)
}

/// The bit of its last gram.
fn tail(text: &[u8]) -> u64 {
    head(&text[text.len() - GRAM..])
}

/// A hash of an atom.
fn key(atom: &[u8]) -> u32 {
    let (grams, _) = atom.as_chunks::<GRAM>();
    let last = load(&atom[atom.len() - GRAM..]);
    let all = grams.iter().fold(last, |hash, gram| spread_again(hash ^ load(gram)));
    (all >> 32) as u32
}

impl Grams {
    /// Atoms are in lower case, have at least [`LONG`] bytes each, and are not there twice. Beside them, the numbers of
    /// those that [`Grams::each`] will not tell, as too many others have their windows; [`Grams::stops_at`] stops there.
    pub(in crate::engine) fn new(atoms: &[&[u8]]) -> (Self, Vec<usize>) {
        let mut text = Vec::with_capacity(atoms.iter().map(|atom| atom.len()).sum());
        let mut starts = Vec::with_capacity(atoms.len() + 1);
        for atom in atoms {
            starts.push(text.len() as u32);
            text.extend_from_slice(atom);
        }
        starts.push(text.len() as u32);
        let mut chosen = choose(atoms);
        chosen.sort_unstable();
        let windows = chosen.chunk_by(|a, b| a.window == b.window);
        let (crowds, groups): (Vec<_>, Vec<_>) = windows.partition(|group| starts_of(group).count() > STARTS_MAX);
        let mut grams = Self::with_room_for(groups.len() + crowds.len(), starts, text);
        for group in groups {
            grams.enter(group);
        }
        grams.close();
        let mut untold = Vec::new();
        for crowd in crowds {
            grams.enter_window(crowd, CROWDED);
            untold.extend(crowd.iter().map(|chosen| chosen.atom as usize));
        }
        (grams, untold)
    }

    fn with_room_for(windows: usize, atoms: Vec<u32>, text: Vec<u8>) -> Self {
        let entries = windows * GRAMS;
        let words_log = (entries / 2).max(1).next_power_of_two().ilog2().max(WORDS_LOG_MIN);
        let (places_log, windows_log) = (table_log(entries), table_log(windows));
        Self {
            words: vec![0; 1 << words_log],
            words_shift: 64 - words_log,
            places: vec![0; 1 << places_log],
            places_shift: 64 - places_log,
            windows: vec![Slot::default(); 1 << windows_log],
            windows_shift: 64 - windows_log,
            groups: Vec::with_capacity(windows + 1),
            ends: Vec::new(),
            starts: Vec::new(),
            members: Vec::with_capacity(atoms.len()),
            atoms,
            text,
            marker: None,
        }
    }

    /// The scan stops at this atom only in lines of which this holds, which is asked once for a line.
    pub(super) fn mark(&mut self, atom: usize, holds: fn(&[u8]) -> bool) {
        self.marker = Some(Marker { atom: atom as u32, holds });
    }

    /// Enters the atoms of one window, in order.
    fn enter(&mut self, group: &[Chosen]) {
        self.groups.push(self.ends.len() as u32);
        self.enter_window(group, self.groups.len() as u32);
        for end in ends_of(group) {
            let tails = end.iter().fold(0, |tails, chosen| tails | tail(self.atom(chosen.atom)));
            self.ends.push(End { tails, distance: end[0].distance, starts: self.starts.len() as u32 });
            for start in starts_of(end) {
                let heads = start.iter().fold(0, |heads, chosen| heads | head(self.atom(chosen.atom)));
                let members = self.members.len() as u32;
                self.starts.push(Start { heads, before: start[0].before, members });
                self.members.extend(start.iter().map(|chosen| Member { key: chosen.key, atom: chosen.atom }));
            }
        }
    }

    /// What says where the last ones end.
    fn close(&mut self) {
        self.groups.push(self.ends.len() as u32);
        self.ends.push(End { tails: 0, distance: 0, starts: self.starts.len() as u32 });
        self.starts.push(Start { heads: 0, before: 0, members: self.members.len() as u32 });
        self.ends.shrink_to_fit();
        self.starts.shrink_to_fit();
    }

    fn enter_window(&mut self, atoms: &[Chosen], group: u32) {
        let Chosen { window, .. } = atoms[0];
        self.enter_places(&atoms[0]);
        for chosen in atoms {
            // Unlike windows may have one hash, though hardly anybody will live to see it.
            if self.window(chosen) != self.window(&atoms[0]) {
                self.enter_places(chosen);
            }
        }
        let mut at = (window >> self.windows_shift) as usize;
        while self.windows[at].group != 0 {
            at = (at + 1) & (self.windows.len() - 1);
        }
        self.windows[at] = Slot { tag: window as u32, group };
    }

    fn enter_places(&mut self, of: &Chosen) {
        let window = self.atoms[of.atom as usize] as usize + of.before as usize;
        for place in 0..GRAMS {
            let hash = spread(load(&self.text[window + place..]));
            self.words[(hash >> self.words_shift) as usize] |= bits(hash);
            let at = self.places_slot(hash);
            self.places[at] |= place_tag(hash) | 1 << place;
        }
    }

    fn window(&self, of: &Chosen) -> &[u8] {
        &self.atom(of.atom)[of.before as usize..][..WINDOW]
    }

    fn atom(&self, number: u32) -> &[u8] {
        &self.text[self.atoms[number as usize] as usize..self.atoms[number as usize + 1] as usize]
    }

    /// Tells every atom that stands in a text, in any ASCII case: its number, and where it ends. In no order. Until told
    /// to stop by a false.
    pub(in crate::engine) fn each(&self, text: &[u8], mut see: impl FnMut(usize, usize) -> bool) {
        let (grams, _) = text.as_chunks();
        let mut steps = usize::MAX;
        for (number, gram) in grams.iter().enumerate() {
            if self.probe(gram) & 1 == 1 {
                let found = self.around(text, number * GRAM, &mut steps, Found::Nothing, |atom, end| !see(atom, end));
                if found != Found::Nothing {
                    return;
                }
            }
        }
    }

    /// Where a gram is in the table, or belongs.
    fn places_slot(&self, hash: u64) -> usize {
        let mut at = (spread_again(hash) >> self.places_shift) as usize;
        while self.places[at] != 0 && self.places[at] & !0xff != place_tag(hash) {
            at = (at + 1) & (self.places.len() - 1);
        }
        at
    }

    /// The groups with a window, or [`CROWDED`]; 0 after the last one.
    #[inline(always)]
    fn next_group(&self, hash: u64, at: &mut usize) -> u32 {
        loop {
            let slot = self.windows[*at & (self.windows.len() - 1)];
            *at += 1;
            if slot.group == 0 || slot.tag == hash as u32 {
                return slot.group;
            }
        }
    }

    /// Whether a line may hold an atom.
    #[inline(always)]
    pub(super) fn stops_at(&self, line: &[u8]) -> bool {
        let mut looking = Looking { steps: STEPS + line.len() / BYTES_PER_STEP, has_marker: false };
        let mut at = 0;
        let (blocks, rest) = line.as_chunks::<BLOCK>();
        for block in blocks {
            let (grams, _) = block.as_chunks();
            let any = grams.iter().fold(0, |any, gram| any | self.probe(gram));
            if any & 1 == 1 && self.look(line, at, block, &mut looking) {
                return true;
            }
            at += BLOCK;
        }
        let (grams, _) = rest.as_chunks();
        let any = grams.iter().fold(0, |any, gram| any | self.probe(gram));
        if any & 1 == 1 && self.look(line, at, rest, &mut looking) {
            return true;
        }
        looking.has_marker && self.marker.is_some_and(|marker| (marker.holds)(line))
    }

    /// Its lowest bit is set when the gram may be in the table.
    #[inline(always)]
    fn probe(&self, gram: &[u8; GRAM]) -> u64 {
        let hash = spread(u64::from_le_bytes(*gram) | FOLD);
        // The shift leaves no more than the length has; the mask says so to the compiler.
        let word = self.words[(hash >> self.words_shift) as usize & (self.words.len() - 1)];
        (word >> (hash >> 32 & 63)) & (word >> (hash >> 38 & 63))
    }

    /// Looks at the grams of a block one by one: whether an atom stands where one would be its own, or there is no telling.
    #[cold]
    #[inline(never)]
    fn look(&self, line: &[u8], start: usize, block: &[u8], looking: &mut Looking) -> bool {
        let (grams, _) = block.as_chunks();
        let Looking { steps, has_marker } = looking;
        let mut is_enough = |atom: usize, _: usize| {
            let is_marker = self.marker.is_some_and(|marker| marker.atom as usize == atom);
            *has_marker |= is_marker;
            !is_marker
        };
        grams.iter().enumerate().any(|(place, gram)| {
            self.probe(gram) & 1 == 1
                && self.around(line, start + place * GRAM, steps, Found::Untold, &mut is_enough) != Found::Nothing
        })
    }

    /// Shows every atom, and where it ends, that stands in a text so that the gram at this place is of its window. A window
    /// of too many is `crowded`.
    #[inline(always)]
    fn around(
        &self,
        text: &[u8],
        gram_at: usize,
        steps: &mut usize,
        crowded: Found,
        mut enough: impl FnMut(usize, usize) -> bool,
    ) -> Found {
        let hash = spread(load(&text[gram_at..]));
        let mut places = self.places[self.places_slot(hash)] as u8;
        while places != 0 {
            let place = places.trailing_zeros() as usize;
            places &= places - 1;
            let Some(start) = gram_at.checked_sub(place) else { break };
            let Some(window) = text.get(start..start + WINDOW) else { continue };
            let hash = window_hash(window);
            let mut at = (hash >> self.windows_shift) as usize;
            loop {
                if *steps == 0 {
                    return Found::Untold;
                }
                *steps -= 1;
                let found = match self.next_group(hash, &mut at) {
                    0 => break,
                    CROWDED => crowded,
                    group => self.of_group(text, start, group as usize - 1, steps, &mut enough),
                };
                if found != Found::Nothing {
                    return found;
                }
            }
        }
        Found::Nothing
    }

    /// Shows the atoms of a group that stand in a text so that their window begins at `window`.
    fn of_group(
        &self,
        text: &[u8],
        window: usize,
        group: usize,
        steps: &mut usize,
        enough: &mut impl FnMut(usize, usize) -> bool,
    ) -> Found {
        let (first, next) = (self.groups[group] as usize, self.groups[group + 1] as usize);
        for number in first..next {
            let end = self.ends[number];
            // The nearest end comes first.
            let Some(until) = text.get(..window + end.distance as usize) else { break };
            if *steps == 0 {
                return Found::Untold;
            }
            *steps -= 1;
            if end.tails & tail(until) == 0 {
                continue;
            }
            for number in end.starts as usize..self.ends[number + 1].starts as usize {
                let start = self.starts[number];
                let Some(begin) = window.checked_sub(start.before as usize) else { break };
                if *steps == 0 {
                    return Found::Untold;
                }
                *steps -= 1;
                if start.heads & head(&until[begin..]) == 0 {
                    continue;
                }
                let key = key(&until[begin..]);
                let members = &self.members[start.members as usize..self.starts[number + 1].members as usize];
                let same = members.partition_point(|member| member.key < key);
                for member in members[same..].iter().take_while(|member| member.key == key) {
                    if until[begin..].eq_ignore_ascii_case(self.atom(member.atom))
                        && enough(member.atom as usize, until.len())
                    {
                        return Found::Enough;
                    }
                }
            }
        }
        Found::Nothing
    }

    pub(in crate::engine) fn memory_usage(&self) -> usize {
        let tables = size_of_val(&*self.words) + size_of_val(&*self.places) + size_of_val(&*self.windows);
        let groups = size_of_val(&*self.groups) + size_of_val(&*self.ends) + size_of_val(&*self.starts);
        tables + groups + size_of_val(&*self.members) + size_of_val(&*self.atoms) + self.text.len()
    }
}

/// Parts of a sorted group that end equally far from the window.
fn ends_of(group: &[Chosen]) -> impl Iterator<Item = &[Chosen]> {
    group.chunk_by(|a, b| a.distance == b.distance)
}

/// Parts of them that begin equally far before it as well.
fn starts_of(group: &[Chosen]) -> impl Iterator<Item = &[Chosen]> {
    group.chunk_by(|a, b| (a.distance, a.before) == (b.distance, b.before))
}

/// What became of a look at a place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// No atom, or none that was enough.
    Nothing,
    /// Somebody has seen enough.
    Enough,
    /// There may be one: it was not to be told in the steps that were left, or too many have the window.
    Untold,
}

/// Chooses a window for each atom.
fn choose(atoms: &[&[u8]]) -> Vec<Chosen> {
    // How many atoms have a window, about: windows whose hashes begin alike are counted as one.
    let windows: usize = atoms.iter().map(|atom| atom.len() + 1 - WINDOW).sum();
    let shift = 64 - table_log(windows).clamp(10, 20);
    let mut counts = vec![0_u16; 1 << (64 - shift)];
    for window in atoms.iter().flat_map(|atom| atom.windows(WINDOW)) {
        let count = &mut counts[(window_hash(window) >> shift) as usize];
        *count = count.saturating_add(1);
    }
    let most = counts.iter().copied().max().unwrap_or_default().max(1);
    let of = |(number, atom): (usize, &&[u8])| {
        let mut weight: u32 = atom[atom.len() + 1 - WINDOW..].iter().copied().map(ordinary).sum();
        let mut best = (i64::MAX, 0, 0);
        // Those far behind are the cheapest, so that most of the others need not be hashed.
        for (start, window) in atom.windows(WINDOW).enumerate().rev() {
            weight += ordinary(window[0]);
            if price(weight, most, start) <= best.0 {
                let hash = window_hash(window);
                let price = price(weight, counts[(hash >> shift) as usize], start);
                if price <= best.0 {
                    best = (price, start, hash);
                }
            }
            weight -= ordinary(window[WINDOW - 1]);
        }
        let (_, start, window) = best;
        let distance = (atom.len() - start) as u32;
        Chosen { window, distance, before: start as u32, key: key(atom), atom: number as u32 }
    };
    atoms.iter().enumerate().map(of).collect()
}

/// What a window costs: the more, the more it is like ordinary text. One that is shared saves grams; and one far behind is
/// seldom met in vain, as what nearly matches mostly begins alike.
fn price(weight: u32, shared: u16, start: usize) -> i64 {
    i64::from(weight) - PER_DOUBLING * i64::from(shared.ilog2()) - PER_BYTE * start as i64
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
