//! UTF-16, as Windows writes it, read as UTF-8. What is no UTF-16, such as half a character, becomes U+FFFD.

use std::io::{self, ErrorKind, Read};

/// Bytes read at a time.
const PIECE: usize = 1 << 16;

/// Which byte of a unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The low one.
    Little,
    /// The high one.
    Big,
}

impl Order {
    /// As the byte order mark says that these bytes begin with.
    #[must_use]
    pub fn marked(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, ..] => Some(Self::Little),
            [0xfe, 0xff, ..] => Some(Self::Big),
            _ => None,
        }
    }

    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }
}

/// A reader of UTF-8.
pub struct Wide<R> {
    input: R,
    order: Order,
    /// Bytes that are not decoded yet: less than a character.
    rest: Vec<u8>,
    /// What is decoded, and how much of it was given out.
    text: String,
    given: usize,
    /// The byte order mark is still to come.
    at_start: bool,
    ended: bool,
}

impl<R: Read> Wide<R> {
    /// Reads units in this order; a byte order mark at the start is left out.
    pub fn new(input: R, order: Order) -> Self {
        Self { input, order, rest: Vec::new(), text: String::new(), given: 0, at_start: true, ended: false }
    }

    fn fill(&mut self) -> io::Result<()> {
        let held = self.rest.len();
        self.rest.resize(held + PIECE, 0);
        let read = loop {
            match self.input.read(&mut self.rest[held..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.rest.truncate(held + read.as_ref().map_or(0, |read| *read));
        self.ended = read? == 0;
        self.decode();
        Ok(())
    }

    fn decode(&mut self) {
        self.text.clear();
        self.given = 0;
        let (pairs, odd) = self.rest.as_chunks::<2>();
        let mut units: Vec<u16> = pairs.iter().map(|pair| self.order.unit(*pair)).collect();
        let mut left = odd.to_vec();
        // Its other half may come with the next piece.
        if !self.ended && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
            left = [&pairs[pairs.len() - 1], odd].concat();
        }
        if self.at_start && !units.is_empty() {
            self.at_start = false;
            units.drain(..usize::from(units[0] == 0xfeff));
        }
        let characters = char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER));
        self.text.extend(characters);
        if self.ended && !left.is_empty() {
            self.text.push(char::REPLACEMENT_CHARACTER);
            left.clear();
        }
        self.rest = left;
    }
}

impl<R: Read> Read for Wide<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.ended {
                return Ok(0);
            }
            self.fill()?;
        }
        let read = (&self.text.as_bytes()[self.given..]).read(into)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives a few bytes at a time.
    struct Drops<'d>(&'d [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.take(self.1 as u64).read(into).inspect(|read| self.0 = &self.0[*read..])
        }
    }

    fn read(bytes: &[u8], drop: usize) -> String {
        let mut text = String::new();
        let order = Order::marked(bytes).unwrap();
        Wide::new(Drops(bytes, drop), order).read_to_string(&mut text).unwrap();
        text
    }

    proptest! {
        #[test]
        fn any_units_are_read_as_the_standard_library_reads_them(
            units in prop::collection::vec(prop_oneof![0..0x80_u16, 0xd7f0..0xe010_u16, any::<u16>()], 0..100),
            odd in any::<bool>(), drop in 1..9_usize,
        ) {
            let mut expected = String::from_utf16_lossy(&units);
            expected.extend(odd.then_some('\u{fffd}'));
            let marked = || std::iter::once(0xfeff).chain(units.iter().copied());
            let mut little: Vec<u8> = marked().flat_map(u16::to_le_bytes).collect();
            let mut big: Vec<u8> = marked().flat_map(u16::to_be_bytes).collect();
            little.extend(odd.then_some(7));
            big.extend(odd.then_some(7));
            prop_assert_eq!(&read(&little, drop), &expected);
            prop_assert_eq!(&read(&big, drop), &expected);
        }
    }
}
