//! What of a level's text is the level: colours, brackets and colons around it are not.

use std::borrow::Cow;

/// Without colour codes (`ESC [ … m`), also where only the escape character was taken out of them.
pub(super) fn uncoloured(text: &str) -> Cow<'_, str> {
    if !text.contains('[') {
        return Cow::Borrowed(text);
    }
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, from) = (&rest[..at], &rest[at + 1..]);
        let plain = before.strip_suffix('\u{1b}');
        match behind_colour(from, plain.is_some()) {
            Some(behind) => {
                left.push_str(plain.unwrap_or(before));
                rest = behind;
            }
            None => {
                left.push_str(&rest[..=at]);
                rest = from;
            }
        }
    }
    left.push_str(rest);
    Cow::Owned(left)
}

/// What stands behind `31;1m`. Behind a bare `m` only where the escape character is there.
fn behind_colour(text: &str, escaped: bool) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    text[end..].strip_prefix('m').filter(|_| escaped || end > 0)
}

/// Without what stands around a level. A text of nothing but such signs stays, since some of those mean something.
pub(super) fn bare(text: &str) -> &str {
    let text = text.trim();
    match text.trim_matches(|c: char| !c.is_alphanumeric()) {
        "" => text,
        bare => bare,
    }
}
