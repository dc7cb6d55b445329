//! A file that a person wrote, as diagnostics point into it.

/// A file's name and text, shared by every diagnostic that points into it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The name as the person knows it: a path, or `<built-in>/kms.toml`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Line and column (both from 1, the column in characters) of a byte offset.
    ///
    /// ```
    /// let source = fingerpost::diagnostic::Source { name: "a.toml".into(), text: "a = 1\nb = 2\n".into() };
    /// assert_eq!(source.line_column(6), (2, 1));
    /// ```
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (line, before[start..].chars().count() + 1)
    }
}
