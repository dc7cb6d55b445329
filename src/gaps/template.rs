//! What templates are: what stands in them for what varies, what is known of one, and how many there may be.

/// Bounds of what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Templates; beyond them the one that was not met for longest is forgotten.
    pub templates: usize,
    /// Words of a line that are looked at; the rest is not.
    pub words: usize,
    /// Bytes of a word, its numbers taken out; the rest of a longer one is dropped.
    pub word: usize,
}

impl Default for Limits {
    /// A thousand templates of up to 48 words of up to 128 bytes: a few megabytes at the very worst.
    fn default() -> Self {
        Self { templates: 1000, words: 48, word: 128 }
    }
}

/// A number, an id, a time or an address in a template.
pub const NUMBER: &str = "<n>";
/// A word that varies.
pub const ANYTHING: &str = "<*>";
/// A share of a number, `0/7`, in a template.
pub(super) const PARTS: &str = "<n>/<n>";
/// A path or an address of a page in a template.
pub const PATH: &str = "<path>";
/// What stands in a template for what varies.
pub(super) const MARKS: [&str; 3] = [NUMBER, PATH, ANYTHING];
/// Between what a line says and why it says so.
pub const WHY: &str = "⏎";

/// Lines that say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Digest of its text, eight hexadecimal digits: the same text has the same id everywhere. While lines still teach
    /// what varies in it, text and id change.
    pub id: String,
    /// What its lines have in common, [`NUMBER`] and [`ANYTHING`] where they differ, [`WHY`] before the cause.
    pub text: String,
    /// How many lines.
    pub lines: u64,
    /// Apps that wrote them, a few.
    pub apps: Vec<String>,
    /// Where the first one stands.
    pub first: String,
    /// Where the latest one stands.
    pub last: String,
    /// The first one's text, cut if it is long.
    pub sample: String,
    /// They are JSON objects.
    pub is_object: bool,
}
