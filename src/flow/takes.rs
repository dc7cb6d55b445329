//! Which records the topics that we write take, as far as their brokers tell: looked at before a record is sent, so that one
//! which would be refused spoils nothing.
//!
//! Settings can change under a running flow, so they are asked for again and again (`kafka::topic_settings`), and whoever
//! has a record refused asks for them soon.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What one topic takes. Nothing of it is known until it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Takes {
    /// Bytes of a record batch, compressed as it comes.
    pub(crate) bytes: Option<usize>,
    /// Milliseconds that a timestamp may be behind the broker's clock; `i64::MAX` for any.
    pub(crate) before_ms: Option<i64>,
    /// Milliseconds that it may be ahead; `i64::MAX` for any.
    pub(crate) after_ms: Option<i64>,
    /// It is compacted, and refuses records without a key.
    pub(crate) needs_key: bool,
}

/// What each of them takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Told {
    pub(crate) output: Takes,
    pub(crate) dead_letter: Takes,
    pub(crate) state: Takes,
    pub(crate) matches: Takes,
    pub(crate) alerts: Takes,
}

impl Told {
    /// Bytes of a record batch that every one of them takes that tells.
    pub(crate) fn least_bytes(&self) -> Option<usize> {
        [self.output, self.dead_letter, self.state, self.matches, self.alerts].iter().filter_map(|one| one.bytes).min()
    }
}

#[derive(Debug, Default)]
struct Shared {
    told: Mutex<Told>,
    /// How often something else was told than before.
    edition: AtomicU64,
    is_asked: AtomicBool,
}

/// What was told last. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written(Arc<Shared>);

impl Written {
    pub(crate) fn new(told: Told) -> Self {
        Self(Arc::new(Shared { told: Mutex::new(told), ..Shared::default() }))
    }

    pub(crate) fn told(&self) -> Told {
        *self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows when something else is told than before.
    pub(crate) fn edition(&self) -> u64 {
        self.0.edition.load(Ordering::Acquire)
    }

    /// This is told now.
    pub(crate) fn tell(&self, told: Told) {
        let before = std::mem::replace(&mut *self.0.told.lock().unwrap_or_else(PoisonError::into_inner), told);
        if before != told {
            self.0.edition.fetch_add(1, Ordering::Release);
        }
    }

    /// Something else than was told may be true by now.
    pub(crate) fn ask_soon(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
    }

    /// Whether somebody said so since the last time.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.is_asked.swap(false, Ordering::Relaxed)
    }

    /// Nobody else holds it.
    pub(crate) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}
