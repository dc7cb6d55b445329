//! The reloader: one thread that keeps the rules in use equal to the pack directory, and never lets a bad pack in.
//!
//! It looks when the system tells of a change, when a poll finds one, and when somebody asks (SIGHUP, `POST /-/reload`).
//! A directory that is being written to is given the time to come to rest. Then all files are read as they stood
//! together, parsed, compiled and proven on their own examples, all of it on the loader's thread; only when everything holds,
//! the engine is swapped as a whole. What cannot be used is told once, and not tried again before it changes. A load that
//! takes too long is told as well, and who asked for it is not left waiting.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use super::super::packs::Loaded;
use super::load::{Directory, Found, Job, Loader};
use super::watching::Watch;
use crate::diagnostic::Diagnostic;
use crate::engine::{self, Engine};
use crate::flow::PacksFrom;
use crate::flow::reload::{
    Answer, Happening, Outcome, Rejected, Reloading, Reloads, Settings, State, channel, sentence,
};
use crate::pack::{self, Changes};

/// A directory at rest for this long is taken to be written to the end.
const QUIET: Duration = Duration::from_millis(200);
/// Code of a load that takes too long.
const OVERDUE: &str = "P040";
/// One that never comes to rest is read all the same.
const LONGEST: Duration = Duration::from_secs(2);

/// Starts it. The packs in `swap` were loaded from this directory just now.
///
/// # Errors
/// When there is no thread for it.
pub(super) fn start(
    directory: PathBuf,
    judging: engine::Settings,
    settings: Settings,
    swap: watch::Sender<Arc<Engine>>,
) -> std::io::Result<Reloads> {
    let (reloads, reloading) = channel();
    let watch = settings.watch.then(|| Watch::new(directory.clone(), reloads.clone()));
    let shown = directory.display().to_string();
    let mut directory = Directory { from: PacksFrom::Directory(directory), judging, watch };
    let loader = Loader::start(settings.load_timeout, move |job| directory.work(job))?;
    let reloader = Reloader { directory: shown, settings, swap, reloading, asks: reloads.clone(), loader };
    std::thread::Builder::new().name("reload".into()).spawn(move || reloader.run())?;
    Ok(reloads)
}

/// See the top of the file.
struct Reloader {
    /// What it is called.
    directory: String,
    settings: Settings,
    swap: watch::Sender<Arc<Engine>>,
    reloading: Reloading,
    asks: Reloads,
    loader: Loader,
}

/// Changes that come one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Burst {
    first: Instant,
    last: Instant,
}

impl Burst {
    /// A further change, or the first.
    fn grow(burst: Option<Self>, now: Instant) -> Self {
        Self { first: burst.map_or(now, |burst| burst.first), last: now }
    }

    /// When the directory is read.
    fn over(self) -> Instant {
        (self.last + QUIET).min(self.first + LONGEST)
    }
}

impl Reloader {
    fn run(mut self) {
        // Somebody may have changed them since they were loaded.
        let mut burst = self.news();
        let mut next_poll = Instant::now() + self.settings.poll_interval;
        while !self.asks.is_stopping() {
            let wake = burst.map_or(next_poll, Burst::over);
            let happening = match wake.checked_duration_since(Instant::now()) {
                // Changes that never end must not keep it from looking.
                None => Err(RecvTimeoutError::Timeout),
                Some(time) => self.reloading.happenings.recv_timeout(time),
            };
            match happening {
                Ok(Happening::Changed) => burst = Some(Burst::grow(burst, Instant::now())),
                Ok(Happening::Asked(reply)) => {
                    burst = None;
                    self.answer(reply);
                }
                Ok(Happening::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if burst.take().is_some() => {
                    self.reload(false);
                }
                Err(RecvTimeoutError::Timeout) => {
                    burst = self.news();
                    next_poll = Instant::now() + self.settings.poll_interval;
                }
            }
        }
    }

    /// Answers all who have asked so far with one reload.
    fn answer(&mut self, first: oneshot::Sender<Answer>) {
        let mut replies = vec![first];
        while let Ok(happening) = self.reloading.happenings.try_recv() {
            match happening {
                Happening::Asked(reply) => replies.push(reply),
                // What changed before the reading is seen by it.
                Happening::Changed => {}
                Happening::Stop => return,
            }
        }
        let outcome = self.reload(true);
        let engine = self.swap.borrow().clone();
        let answer = Answer { outcome, digest: engine.digest().to_owned(), rules: engine.packs().rules.len() };
        for reply in replies {
            // Who has hung up needs no answer.
            let _ = reply.send(answer.clone());
        }
    }

    /// Whether there is something to reload. Where nobody tells of changes, the first sign of one is treated as if
    /// somebody had: more of them may be on the way.
    fn news(&mut self) -> Option<Burst> {
        let news = match self.ask(false) {
            Some(Found::InUse) => self.rejected().is_some(),
            Some(Found::Rejected(_)) => false,
            Some(Found::News | Found::Loaded(_) | Found::Unusable(..)) => true,
            None => !self.is_known_to_be_overdue(),
        };
        news.then(|| Burst::grow(None, Instant::now()))
    }

    fn rejected(&self) -> Option<Arc<Rejected>> {
        self.reloading.state.borrow().rejected.clone()
    }

    /// What is in the directory; nothing when that takes too long. What was too late before is taken in first.
    fn ask(&mut self, load: bool) -> Option<Found> {
        if let Some(found @ (Found::Loaded(_) | Found::Unusable(..))) = self.loader.late() {
            let before = self.digest();
            let (outcome, _) = self.take_in(found);
            self.tell(&outcome, &before);
        }
        self.loader.ask(Job { load, in_use: self.digest(), rejected: self.rejected() })
    }

    fn digest(&self) -> String {
        self.swap.borrow().digest().to_owned()
    }

    /// Looks, and does what is to be done. What was known before is told only to who asked.
    fn reload(&mut self, asked: bool) -> Outcome {
        let before = self.digest();
        let (outcome, news) = match self.ask(true) {
            Some(found) => self.take_in(found),
            None => self.overdue(),
        };
        if asked || news {
            self.tell(&outcome, &before);
        }
        outcome
    }

    /// What comes of it, and whether it is news.
    fn take_in(&mut self, found: Found) -> (Outcome, bool) {
        match found {
            Found::InUse | Found::News => (Outcome::Unchanged, self.restored()),
            Found::Rejected(rejected) => (Outcome::Failed(rejected), false),
            Found::Loaded(loaded) => (Outcome::Loaded(self.swap(*loaded)), true),
            Found::Unusable(problems, digest) => (self.reject(problems, digest), true),
        }
    }

    fn is_known_to_be_overdue(&self) -> bool {
        self.rejected().is_some_and(|rejected| rejected.diagnostics.iter().any(|problem| problem.code == OVERDUE))
    }

    /// The time is over. It is told once.
    fn overdue(&self) -> (Outcome, bool) {
        match self.rejected().filter(|_| self.is_known_to_be_overdue()) {
            Some(rejected) => (Outcome::Failed(rejected), false),
            None => {
                let message = format!(
                    "the packs in `{}` are not loaded after {:?} (`packs.load_timeout`), and are taken in when they are",
                    self.directory, self.settings.load_timeout
                );
                let help = "the file system does not answer, or the packs are too large for this machine";
                (self.reject(vec![Diagnostic::error(OVERDUE, message).help(help)], None), true)
            }
        }
    }

    /// The packs in use are back where others were that could not be used.
    fn restored(&self) -> bool {
        self.reloading.state.send_if_modified(|state| state.rejected.take().is_some())
    }

    fn swap(&mut self, loaded: Loaded) -> Changes {
        let changes = pack::changes(self.swap.borrow().packs(), loaded.engine.packs());
        for warning in &loaded.warnings {
            tracing::warn!("{}", sentence(warning));
        }
        self.swap.send_replace(Arc::new(loaded.engine.lean()));
        self.reloading.state.send_replace(State { loaded: Timestamp::now(), rejected: None });
        changes
    }

    fn reject(&self, diagnostics: Vec<Diagnostic>, digest: Option<String>) -> Outcome {
        let rejected = Arc::new(Rejected { since: Timestamp::now(), diagnostics, digest });
        self.reloading.state.send_modify(|state| state.rejected = Some(rejected.clone()));
        Outcome::Failed(rejected)
    }

    /// One line for each reload.
    fn tell(&self, outcome: &Outcome, before: &str) {
        let engine = self.swap.borrow().clone();
        let digest = engine.digest();
        outcome.count();
        match outcome {
            Outcome::Loaded(Changes { added, removed, changed }) => tracing::info!(
                digest,
                before,
                rules = engine.packs().rules.len(),
                added = added.len(),
                removed = removed.len(),
                changed = changed.len(),
                "packs loaded: other rules are in use from now on"
            ),
            Outcome::Unchanged => tracing::info!(digest, "packs unchanged: those in the directory are in use"),
            Outcome::Failed(rejected) => {
                tracing::error!(digest, "packs not loaded, the last good ones stay in use: {}", rejected.summary());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_over_when_it_was_quiet_for_a_while() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let first = Burst::grow(None, start);
        assert_eq!(first.over(), at(200));
        let second = Burst::grow(Some(first), at(150));
        assert_eq!(second.over(), at(350));
    }

    #[test]
    fn a_burst_that_never_ends_is_over_all_the_same() {
        let start = Instant::now();
        let mut burst = Burst::grow(None, start);
        for ms in (0..10_000).step_by(100) {
            burst = Burst::grow(Some(burst), start + Duration::from_millis(ms));
        }
        assert_eq!(burst.over(), start + LONGEST);
    }
}
