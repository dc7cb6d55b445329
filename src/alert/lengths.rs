//! How long labels and annotations may get: whoever writes log lines must not be able to fill the memory of an Alertmanager,
//! or of this process, or the pages of those who are called. All labels of an alert together have at most [`TOGETHER`] times
//! what one may have, and so have all annotations: where they would have more, the longest are cut.

use sha2::{Digest as _, Sha256};

use crate::pack::hex;

/// So many times what one may have, all of an alert may have together.
const TOGETHER: usize = 4;
/// Bytes of a digest that tell labels apart of which only the beginnings are equal.
const TOLD_APART: usize = 4;
/// What stands where something was cut off.
const CUT: &str = "…";
/// Commands: half of one is worse than none.
const WHOLE_OR_NOT: [&str; 1] = ["silence"];

/// Of `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Bytes of a label, at least 64.
    pub label: usize,
    /// Bytes of an annotation, at least 64.
    pub annotation: usize,
}

impl Default for Lengths {
    fn default() -> Self {
        Self { label: 1 << 10, annotation: 4 << 10 }
    }
}

impl Lengths {
    /// Labels that fit. What identifies an alert must differ wherever it did: one that is cut ends in a digest of all of it.
    #[must_use]
    pub fn labels(self, labels: Vec<(String, String)>) -> Vec<(String, String)> {
        let most = each(&labels, self.label);
        labels.into_iter().map(|(name, text)| (name, label(text, most))).collect()
    }

    /// Annotations that fit, without commands that do not.
    #[must_use]
    pub fn annotations(self, annotations: Vec<(String, String)>) -> Vec<(String, String)> {
        let most = each(&annotations, self.annotation);
        let fits = |(name, text): (String, String)| annotation(&name, text, most).map(|text| (name, text));
        annotations.into_iter().filter_map(fits).collect()
    }

    /// Bytes that the texts of an alert have together, at most.
    #[must_use]
    pub fn most(self) -> usize {
        TOGETHER.saturating_mul(self.label.saturating_add(self.annotation))
    }
}

/// What each text may have, so that none has more than `one` and all together no more than [`TOGETHER`] times as much.
fn each(texts: &[(String, String)], one: usize) -> usize {
    let mut lengths: Vec<usize> = texts.iter().map(|(_, text)| text.len().min(one)).collect();
    lengths.sort_unstable();
    let mut left = one.saturating_mul(TOGETHER);
    for (number, length) in lengths.iter().enumerate() {
        // What shorter ones leave over is for those that are longer.
        let share = left / (lengths.len() - number);
        if *length > share {
            return share;
        }
        left -= length;
    }
    one
}

fn label(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let end = format!("{CUT}{}", hex(&Sha256::digest(text.as_bytes()), TOLD_APART));
    beginning(text, most, &end)
}

fn annotation(name: &str, text: String, most: usize) -> Option<String> {
    match text.len() <= most {
        true => Some(text),
        false if WHOLE_OR_NOT.contains(&name) => None,
        false => Some(beginning(text, most, CUT)),
    }
}

/// So much of a text as leaves room for its end.
fn beginning(mut text: String, limit: usize, end: &str) -> String {
    text.truncate(text.floor_char_boundary(limit.saturating_sub(end.len())));
    text + end
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: Lengths = Lengths { label: 64, annotation: 64 };

    impl Lengths {
        fn label(self, text: String) -> String {
            self.labels(vec![(String::new(), text)]).remove(0).1
        }

        fn annotation(self, name: &str, text: String) -> Option<String> {
            self.annotations(vec![(name.to_owned(), text)]).pop().map(|(_, text)| text)
        }
    }

    #[test]
    fn together_texts_have_four_times_what_one_may_have_and_short_ones_stay() {
        let texts = |lengths: &[usize]| -> Vec<(String, String)> {
            let text = |(name, length): (usize, &usize)| (format!("n{name}"), "x".repeat(*length));
            lengths.iter().enumerate().map(text).collect()
        };
        for (given, expected) in [
            (vec![64, 64, 64, 64], vec![64, 64, 64, 64]),
            (vec![99, 64, 64, 64], vec![64, 64, 64, 64]),
            (vec![64, 64, 64, 64, 64], vec![51, 51, 51, 51, 51]),
            (vec![9, 64, 500, 60, 64, 64], vec![9, 49, 49, 49, 49, 49]),
            (vec![0; 100], vec![0; 100]),
        ] {
            let lengths = |told: &[(String, String)]| told.iter().map(|(_, text)| text.len()).collect::<Vec<_>>();
            assert_eq!(lengths(&LENGTHS.labels(texts(&given))), expected);
            assert_eq!(lengths(&LENGTHS.annotations(texts(&given))), expected);
        }
        assert_eq!(LENGTHS.most(), 512);
        let mut many = texts(&[64; 40]);
        many[7].1.push('y');
        let told = LENGTHS.labels(many);
        assert_ne!(told[7].1, told[8].1);
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let fits = "ä".repeat(32);
        assert_eq!(LENGTHS.label(fits.clone()), fits);
        assert_eq!(LENGTHS.annotation("silence", fits.clone()), Some(fits));
    }

    #[test]
    fn labels_that_are_cut_still_tell_groups_apart() {
        let [one, two] = ["1", "2"].map(|end| LENGTHS.label("鍵".repeat(1000) + end));
        assert!(one.len() <= 64 && one.starts_with('鍵') && one.contains(CUT), "{one}");
        assert_ne!(one, two);
        assert_eq!(one, LENGTHS.label("鍵".repeat(1000) + "1"));
    }

    #[test]
    fn annotations_are_cut_and_commands_left_out() {
        let cut = LENGTHS.annotation("summary", "ä".repeat(1000)).unwrap();
        assert!(cut.len() <= 64 && cut.ends_with("ä…"), "{cut}");
        assert_eq!(LENGTHS.annotation("silence", "ä".repeat(1000)), None);
    }
}
