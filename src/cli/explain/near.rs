//! Which rules came near a line, and what stands there in place of a phrase: a gauge for the reader's attention. Nothing is
//! decided by it.
//!
//! Two texts are alike by their grams of four bytes: those of the phrase that lie in the text at about the right places.
//! `failed to get web key set` and `failed to get web keyset` share 17 of 21.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::engine::Spot;
use crate::engine::explain::{Asks, Clause, Explanation, Fate, Trial};

/// Bytes of a gram.
const GRAM: usize = 4;
/// Shorter phrases are alike by chance.
const PHRASE_MIN: usize = 10;
/// What of a phrase, or of a rule's phrases together, must be there to be near.
const SHARE_MIN: f64 = 0.6;
/// Bytes by which grams may have moved.
const DRIFT: isize = 6;
/// Occurrences of one gram that are looked at.
const OCCURRENCES_MAX: usize = 64;
/// Near rules shown, unless all are.
const RULES_MAX: usize = 5;

/// What is shown of an explanation besides what matched.
#[derive(Debug)]
pub struct Near {
    /// Rules that did not match, by their place among the explanation's trials, the nearest first.
    pub trials: Vec<usize>,
    /// Where each gram is in all texts, so that a phrase costs the same however many they are.
    grams: HashMap<[u8; GRAM], Vec<usize>>,
    /// All of them, one behind the other, in lower case.
    joined: Vec<u8>,
    /// Where each begins in it, and where the last ends.
    starts: Vec<usize>,
    as_written: Vec<String>,
}

/// What stands in place of a phrase.
#[derive(Debug, Clone, PartialEq)]
pub struct Almost {
    /// Where.
    pub spot: Spot,
    /// How much of the phrase is there, up to 1.
    pub share: f64,
}

impl Near {
    /// Finds the rules that came near; with `all`, every rule is one.
    #[must_use]
    pub fn of(told: &Explanation<'_>, all: bool) -> Self {
        let joined = told.texts.concat().to_ascii_lowercase().into_bytes();
        let mut starts = vec![0];
        starts.extend(told.texts.iter().scan(0, |end, text| {
            *end += text.len();
            Some(*end)
        }));
        let grams = grams(&joined, &starts);
        let mut near = Self { trials: Vec::new(), grams, joined, starts, as_written: told.texts.clone() };
        let unmatched = told.trials.iter().enumerate().filter(|(_, trial)| trial.fate == Fate::Unmatched);
        let mut trials: Vec<(usize, f64)> = unmatched.map(|(at, trial)| (at, near.share(trial))).collect();
        trials.sort_by(|a, b| b.1.total_cmp(&a.1));
        if !all {
            trials.retain(|(_, share)| *share >= SHARE_MIN);
            trials.truncate(RULES_MAX);
        }
        near.trials = trials.into_iter().map(|(at, _)| at).collect();
        near
    }

    /// How much of a rule's phrases is there: of all those in `all`, and of the best in `any`. A rule that was worth judging
    /// is always near.
    fn share(&self, trial: &Trial<'_>) -> f64 {
        let mut there = 0.0;
        let mut wanted = 0.0;
        let mut best: Option<(f64, f64)> = None;
        for clause in &trial.clauses {
            let (Asks::All(condition) | Asks::Any(condition)) = clause.asks else { continue };
            let Some(length) = condition.literal().map(|literal| literal.len() as f64) else { continue };
            let share = if clause.holds { 1.0 } else { self.almost(clause).map_or(0.0, |almost| almost.share) };
            if matches!(clause.asks, Asks::All(_)) {
                (there, wanted) = (there + share * length, wanted + length);
            } else if best.is_none_or(|(other, _)| share > other) {
                best = Some((share, length));
            }
        }
        if let Some((share, length)) = best {
            (there, wanted) = (there + share * length, wanted + length);
        }
        let share = if wanted > 0.0 { there / wanted } else { 0.0 };
        if trial.is_candidate { 1.0 + share } else { share }
    }

    /// What stands in place of the phrase of a clause that does not hold.
    #[must_use]
    pub fn almost(&self, clause: &Clause<'_>) -> Option<Almost> {
        let (Asks::All(condition) | Asks::Any(condition)) = clause.asks else { return None };
        if clause.holds {
            return None;
        }
        let phrase = condition.literal()?.to_ascii_lowercase();
        self.nearest(phrase.as_bytes()).filter(|almost| almost.share >= SHARE_MIN)
    }

    /// What stands at a spot.
    #[must_use]
    pub fn text(&self, spot: &Spot) -> String {
        let text = &self.as_written[spot.text];
        text[text.floor_char_boundary(spot.span.start)..text.ceil_char_boundary(spot.span.end)].to_owned()
    }

    fn nearest(&self, phrase: &[u8]) -> Option<Almost> {
        if phrase.len() < PHRASE_MIN {
            return None;
        }
        // By text, and by where in it the phrase would begin.
        let mut votes: BTreeMap<(usize, isize), usize> = BTreeMap::new();
        let wanted = phrase.len() + 1 - GRAM;
        for (at, gram) in phrase.windows(GRAM).enumerate() {
            for place in self.grams.get(gram).into_iter().flatten() {
                let text = self.starts.partition_point(|start| start <= place) - 1;
                *votes.entry((text, (*place - self.starts[text]) as isize - at as isize)).or_default() += 1;
            }
        }
        let near = |(text, shift): (usize, isize)| {
            votes.range((text, shift - DRIFT)..=(text, shift + DRIFT)).map(|(_, votes)| votes).sum::<usize>()
        };
        let ((text, shift), count) =
            votes.keys().map(|place| (*place, near(*place))).max_by_key(|(_, count)| *count)?;
        let span = whole_words(&self.joined[self.starts[text]..self.starts[text + 1]], shift, phrase.len());
        Some(Almost { spot: Spot { text, span }, share: (count as f64 / wanted as f64).min(1.0) })
    }
}

/// Those that reach from one text into the next are none.
fn grams(joined: &[u8], starts: &[usize]) -> HashMap<[u8; GRAM], Vec<usize>> {
    let mut grams: HashMap<[u8; GRAM], Vec<usize>> = HashMap::new();
    for (start, end) in starts.iter().zip(&starts[1..]) {
        for (at, gram) in joined[*start..*end].windows(GRAM).enumerate() {
            if let Ok(gram) = gram.try_into() {
                let places = grams.entry(gram).or_default();
                if places.len() < OCCURRENCES_MAX {
                    places.push(start + at);
                }
            }
        }
    }
    grams
}

/// The words that stand where the phrase would.
fn whole_words(text: &[u8], shift: isize, length: usize) -> Range<usize> {
    let inside = |at: isize| usize::try_from(at).unwrap_or(0).min(text.len());
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b',');
    let (start, end) = (inside(shift), inside(shift + length as isize));
    let start = text[..start].iter().rposition(ends).map_or(0, |at| at + 1);
    let end = text[end..].iter().position(ends).map_or(text.len(), |at| end + at);
    start..end.max(start)
}
