//! How long labels and annotations may get: whoever writes log lines must not be able to fill the memory of an Alertmanager,
//! or the pages of those who are called.

use sha2::{Digest as _, Sha256};

use crate::pack::hex;

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
    /// A label that fits. What identifies an alert must differ wherever it did: one that is cut ends in a digest of all of it.
    #[must_use]
    pub fn label(self, text: String) -> String {
        if text.len() <= self.label {
            return text;
        }
        let end = format!("{CUT}{}", hex(&Sha256::digest(text.as_bytes()), TOLD_APART));
        beginning(text, self.label, &end)
    }

    /// An annotation that fits; nothing for a command that does not.
    #[must_use]
    pub fn annotation(self, name: &str, text: String) -> Option<String> {
        match text.len() <= self.annotation {
            true => Some(text),
            false if WHOLE_OR_NOT.contains(&name) => None,
            false => Some(beginning(text, self.annotation, CUT)),
        }
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
