//! The names of texts: a digest for each pack, and one for all of them, by which records, metrics and reloads tell which
//! rules were in use. It is made of the text as it is written, so that packs that cannot be read as such have one, too.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::diagnostic::Source;

/// The digest that packs read from these files have as a set, whatever their order: 16 hexadecimal digits of SHA-256.
///
/// ```
/// let (packs, _) = fingerpost::pack::parse(&fingerpost::pack::builtin());
/// assert_eq!(packs.unwrap().digest, fingerpost::pack::digest(&fingerpost::pack::builtin()));
/// ```
#[must_use]
pub fn digest(sources: &[Arc<Source>]) -> String {
    of_texts(sources.iter().map(|source| (pack_name(&source.name), source.text.as_str())).collect())
}

/// Of names and texts.
pub(super) fn of_texts(mut packs: Vec<(&str, &str)>) -> String {
    packs.sort_unstable();
    let mut digesting = Digesting::default();
    for (name, text) in packs {
        digesting.begin(name);
        digesting.piece(text.as_bytes());
        digesting.end();
    }
    digesting.digest()
}

/// [`digest`] of packs that come piece by piece, in the order of their names.
#[derive(Default)]
pub(crate) struct Digesting(Sha256);

impl Digesting {
    /// A pack begins.
    pub(crate) fn begin(&mut self, name: &str) {
        self.0.update(name);
        self.0.update([0]);
    }

    /// A piece of its text.
    pub(crate) fn piece(&mut self, text: &[u8]) {
        self.0.update(text);
    }

    /// The pack ends.
    pub(crate) fn end(&mut self) {
        self.0.update([0]);
    }

    /// That of all of them.
    pub(crate) fn digest(self) -> String {
        hex(&self.0.finalize(), 8)
    }
}

/// Of one text: 8 hexadecimal digits.
pub(super) fn of_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()), 4)
}

/// A pack is called as its file, without `.toml`.
pub(crate) fn pack_name(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.strip_suffix(".toml").unwrap_or(name)
}

/// The first `bytes` bytes as hexadecimal digits.
pub(crate) fn hex(digest: &[u8], bytes: usize) -> String {
    digest.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into() })
    }

    #[test]
    fn the_order_of_files_does_not_count_and_their_names_and_texts_do() {
        let (a, b) = (source("d/a.toml", "1"), source("d/b.toml", "2"));
        let both = digest(&[a.clone(), b.clone()]);
        assert_eq!(both.len(), 16);
        assert_eq!(both, digest(&[b.clone(), a.clone()]));
        assert_eq!(both, digest(&[source("elsewhere/a.toml", "1"), b.clone()]), "directories are no part of a name");
        for other in [vec![a.clone()], vec![a.clone(), source("c.toml", "2")], vec![a, source("b.toml", "3")]] {
            assert_ne!(both, digest(&other));
        }
    }

    #[test]
    fn half_a_file_has_another_digest() {
        assert_ne!(digest(&[source("a.toml", "[[rule]]\nid")]), digest(&[source("a.toml", "[[rule]]\n")]));
    }
}
