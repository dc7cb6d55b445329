//! Swapping the rules while lines run: who asks for it, what it can come to, and what is known of the last time.
//!
//! One reloader owns the packs and waits for a `Happening`; everybody else has a [`Reloads`], by which they ask and
//! look. It never touches a line: it puts a new engine into [`Rules`](super::Rules), and each worker takes it between
//! two batches. Packs that cannot be loaded are [`Rejected`], and what was in use before stays in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use jiff::Timestamp;
use metrics::counter;
use tokio::sync::{oneshot, watch};

use super::meters::names;
use crate::diagnostic::{Diagnostic, Grade};
use crate::pack::Changes;
use crate::telemetry::foreign;

/// Happenings that wait while a reload runs. Changes beyond that are told by those that wait already.
const WAITING_MAX: usize = 64;
/// Diagnostics in a log line; the answer to `POST /-/reload` has all of them.
const TOLD_MAX: usize = 3;

/// How changes of the packs are noticed: `[packs]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Between two looks at the directory, for changes that nobody told of.
    pub poll_interval: Duration,
    /// Let the system tell of changes.
    pub watch: bool,
    /// Reading, compiling and proving packs may take as long, then it is given up.
    pub load_timeout: Duration,
}

/// Everything that makes the reloader look.
#[derive(Debug)]
pub(crate) enum Happening {
    /// The system says that something changed in the directory, or on the way to it.
    Changed,
    /// Somebody wants a reload now, and its answer.
    Asked(oneshot::Sender<Answer>),
    /// The daemon ends.
    Stop,
}

/// What a reload came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Other packs are in use from now on.
    Loaded(Changes),
    /// What is in the directory is in use already.
    Unchanged,
    /// What is in the directory cannot be used; what was in use stays.
    Failed(Arc<Rejected>),
}

/// What a reload can come to, as the metric's label has it.
pub(crate) const RESULTS: [&str; 3] = ["loaded", "unchanged", "failed"];

impl Outcome {
    /// Counts it.
    pub(crate) fn count(&self) {
        let result = match self {
            Self::Loaded(_) => RESULTS[0],
            Self::Unchanged => RESULTS[1],
            Self::Failed(_) => RESULTS[2],
        };
        counter!(names::PACK_RELOADS, "result" => result).increment(1);
    }
}

/// An [`Outcome`], and what is in use after it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it came to.
    pub outcome: Outcome,
    /// Digest of the packs in use.
    pub digest: String,
    /// How many rules they have.
    pub rules: usize,
}

/// Packs that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Since when.
    pub since: Timestamp,
    /// Why: at least one error.
    pub diagnostics: Vec<Diagnostic>,
    /// Digest of their text; nothing when not even that could be read.
    pub digest: Option<String>,
}

impl Rejected {
    /// Why, on one line: how many errors, and the first of them.
    #[must_use]
    pub fn summary(&self) -> String {
        let errors: Vec<_> = self.diagnostics.iter().filter(|problem| problem.grade == Grade::Error).collect();
        let told: Vec<String> = errors.iter().take(TOLD_MAX).map(|problem| sentence(problem)).collect();
        let more = match errors.len().saturating_sub(TOLD_MAX) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let s = if errors.len() == 1 { "" } else { "s" };
        format!("{} error{s}: {}{more}", errors.len(), told.join("; "))
    }
}

/// One that fits a log: `file:line:column: message [code]`.
pub(crate) fn sentence(problem: &Diagnostic) -> String {
    let place = problem.location().map_or_else(String::new, |place| place + ": ");
    foreign(format!("{place}{} [{}]", problem.message, problem.code).as_bytes())
}

/// What is known of the packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// When those in use were loaded.
    pub loaded: Timestamp,
    /// What is in the directory now, when it cannot be used.
    pub rejected: Option<Arc<Rejected>>,
}

/// Why there was no reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The packs are built in: there is nothing to load them from.
    Builtin,
    /// Too many wait for one already.
    Busy,
    /// The daemon is about to end.
    Stopping,
}

/// Asks for reloads and tells of them, from any thread.
#[derive(Debug, Clone)]
pub struct Reloads {
    happenings: Option<SyncSender<Happening>>,
    state: watch::Receiver<State>,
    stopping: Arc<AtomicBool>,
}

/// The reloader's end.
#[derive(Debug)]
pub(crate) struct Reloading {
    pub(crate) happenings: Receiver<Happening>,
    pub(crate) state: watch::Sender<State>,
}

/// Connects a reloader with all who ask, packs having been loaded just now.
pub(crate) fn channel() -> (Reloads, Reloading) {
    let (sender, happenings) = sync_channel(WAITING_MAX);
    let (state, known) = watch::channel(State { loaded: Timestamp::now(), rejected: None });
    (Reloads { happenings: Some(sender), state: known, stopping: Arc::default() }, Reloading { happenings, state })
}

impl Reloads {
    /// For packs that are built in.
    #[must_use]
    pub fn never() -> Self {
        Self { happenings: None, ..channel().0 }
    }

    /// What is known of the packs.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Has the directory read now, and waits for what comes of it. Who asks before a reading has begun shares it; who
    /// asks later gets the next one.
    ///
    /// # Errors
    /// When there is nothing to reload, or nobody to do it.
    pub async fn ask(&self) -> Result<Answer, Refused> {
        let happenings = self.happenings.as_ref().ok_or(Refused::Builtin)?;
        if self.stopping.load(Relaxed) {
            return Err(Refused::Stopping);
        }
        let (reply, answer) = oneshot::channel();
        happenings.try_send(Happening::Asked(reply)).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Busy,
            TrySendError::Disconnected(_) => Refused::Stopping,
        })?;
        answer.await.map_err(|_| Refused::Stopping)
    }

    /// Says that something changed. Does not wait.
    pub(crate) fn changed(&self) {
        if let Some(happenings) = &self.happenings {
            // When so many wait already, one of them is answered by a look that comes after this change.
            let _ = happenings.try_send(Happening::Changed);
        }
    }

    /// The daemon ends: from now on nothing is reloaded.
    pub fn stop(&self) {
        self.stopping.store(true, Relaxed);
        if let Some(happenings) = &self.happenings {
            let _ = happenings.try_send(Happening::Stop);
        }
    }

    /// Whether [`Reloads::stop`] was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_line_and_names_the_first_few() {
        let error = |message: &str| Diagnostic::error("P001", message);
        let warning = Diagnostic { grade: Grade::Warning, ..error("not this") };
        let diagnostics = vec![error("a\x1b[31m"), warning, error("b"), error("c\nd"), error("e"), error("f")];
        let rejected = Rejected { since: Timestamp::UNIX_EPOCH, diagnostics, digest: None };
        assert_eq!(rejected.summary(), "5 errors: a\\u{1b}[31m [P001]; b [P001]; c\\nd [P001]; and 2 more");
    }

    #[tokio::test]
    async fn who_asks_is_told_why_not() {
        assert_eq!(Reloads::never().ask().await.unwrap_err(), Refused::Builtin);
        let (reloads, reloading) = channel();
        for _ in 0..WAITING_MAX {
            reloads.changed();
        }
        assert_eq!(reloads.ask().await.unwrap_err(), Refused::Busy);
        drop(reloading);
        assert_eq!(reloads.ask().await.unwrap_err(), Refused::Stopping);
        let (reloads, _reloading) = channel();
        reloads.stop();
        assert_eq!(reloads.ask().await.unwrap_err(), Refused::Stopping);
    }
}
