//! What each source said earlier: the memory of one input partition.
//!
//! A context is *seen* or *unknown*; nothing is ever concluded from its absence. The memory is bounded: beyond the
//! limit the source not heard of for longest is forgotten, and that is counted.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::pack::{Value, hex};

/// What one source said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    /// Contexts seen, by index.
    seen: Vec<usize>,
    /// Facts remembered, by index; the last value wins.
    facts: Vec<(usize, Value)>,
}

impl Said {
    pub(super) fn has(&self, context: usize) -> bool {
        self.seen.contains(&context)
    }

    pub(super) fn fact(&self, fact: usize) -> Option<&Value> {
        self.facts.iter().find(|(index, _)| *index == fact).map(|(_, value)| value)
    }

    pub(super) fn see(&mut self, context: usize) {
        if !self.has(context) {
            self.seen.push(context);
        }
    }

    pub(super) fn set(&mut self, fact: usize, value: Value) {
        match self.facts.iter_mut().find(|(index, _)| *index == fact) {
            Some((_, old)) => *old = value,
            None => self.facts.push((fact, value)),
        }
    }
}

/// The memory of one input topic-partition, made by [`super::Engine::memory`] and handed to
/// [`super::Engine::classify`] with each line, in order.
#[derive(Debug)]
pub struct Memory {
    sources: LruCache<String, Said>,
    evicted: u64,
}

impl Memory {
    pub(super) fn new(sources: usize) -> Self {
        let bound = NonZeroUsize::new(sources).unwrap_or(NonZeroUsize::MIN);
        Self { sources: LruCache::sparse(bound), evicted: 0 }
    }

    /// Sources remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// True when nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Sources forgotten because the bound was reached.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// What the source said so far; nothing for a line that has no source.
    pub(super) fn said(&mut self, source: Option<&str>) -> Said {
        source.and_then(|source| self.sources.get(key(source).as_ref())).cloned().unwrap_or_default()
    }

    pub(super) fn remember(&mut self, source: &str, said: Said) {
        let key = key(source);
        if self.sources.len() == self.sources.cap().get() && !self.sources.contains(key.as_ref()) {
            self.evicted += 1;
        }
        self.sources.put(key.into_owned(), said);
    }
}

/// Bytes of a source's name that are kept as they are.
const KEY_MAX: usize = 256;

/// A source's name, or its digest when the name is so long that the memory's bound would mean nothing.
fn key(source: &str) -> Cow<'_, str> {
    if source.len() <= KEY_MAX {
        return Cow::Borrowed(source);
    }
    let digest = Sha256::digest(source.as_bytes());
    Cow::Owned(hex(&digest, digest.len()))
}
