//! Short lists of words, in order, and whether a word is among them in whatever case.

/// No word of a list is longer, in bytes.
const LONGEST: usize = 24;

/// Whether a list, in small letters and in the order of the alphabet, has this word.
pub(crate) fn is_among(sorted: &[&str], word: &str) -> bool {
    let mut small = [0; LONGEST];
    let Some(small) = small.get_mut(..word.len()) else { return false };
    small.copy_from_slice(word.as_bytes());
    small.make_ascii_lowercase();
    // The first letter nearly always tells, and quicker.
    let first = small.first().copied();
    sorted.binary_search_by(|known| known.bytes().next().cmp(&first).then_with(|| known.as_bytes().cmp(small))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_nothing_and_length_is_no_matter() {
        assert!(is_among(&["a", "error", "failed"], "Error"));
        assert!(!is_among(&["a", "error", "failed"], "err"));
        assert!(!is_among(&["a"], &"a".repeat(100)));
        assert!(!is_among(&[], ""));
    }
}
