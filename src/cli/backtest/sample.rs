//! A few lines of many, each line with the same chance: a reservoir (J. S. Vitter, "Random Sampling with a Reservoir",
//! ACM TOMS 1985, algorithm R), with seeded random numbers.

use fastrand::Rng;

use crate::cli::feed::Fed;

/// Bytes of a line that are kept.
const LINE_MAX: usize = 4096;

/// A line that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where it stands.
    pub place: String,
    /// The line, cut if it is long.
    pub line: Vec<u8>,
    /// Its place among all lines, for the order.
    at: u64,
}

/// The samples of one thing, and how many lines there were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples {
    /// Lines seen.
    pub lines: u64,
    kept: Vec<Sample>,
}

impl Samples {
    /// Sees a line; `at` is its number among all.
    pub fn see(&mut self, line: &Fed<'_>, at: u64, most: usize, random: &mut Rng) {
        self.lines += 1;
        let slot = if self.kept.len() < most { self.kept.len() } else { random.u64(..self.lines) as usize };
        if slot >= most {
            return;
        }
        let bytes = line.bytes.unwrap_or_default();
        let bytes = bytes[..bytes.len().min(LINE_MAX)].to_vec();
        let sample = Sample { place: line.spot.to_string(), line: bytes, at };
        match self.kept.get_mut(slot) {
            Some(old) => *old = sample,
            None => self.kept.push(sample),
        }
    }

    /// What was kept, in the order of the lines.
    #[must_use]
    pub fn kept(&self) -> Vec<&Sample> {
        let mut kept: Vec<&Sample> = self.kept.iter().collect();
        kept.sort_by_key(|sample| sample.at);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::feed::Spot;
    use crate::engine::Writer;

    fn drawn(seed: u64) -> Vec<String> {
        let (mut samples, mut random) = (Samples::default(), Rng::with_seed(seed));
        for number in 1..=1000 {
            let spot = Spot::File { name: "f", number };
            samples.see(&Fed { spot, writer: Writer::default(), bytes: Some(b"x") }, number, 5, &mut random);
        }
        assert_eq!(samples.lines, 1000);
        samples.kept().into_iter().map(|sample| sample.place.clone()).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_lines_and_all_have_a_chance() {
        assert_eq!((drawn(1), drawn(1).len()), (drawn(1), 5));
        let late = (0..200).flat_map(drawn).filter(|place| place[2..].parse::<u64>().unwrap() > 500).count();
        assert!((400..600).contains(&late), "{late} of 1000 are of the second half");
    }
}
