//! How the flow ends: the one place that says in which order things are let go.
//!
//! Asked to stop (by a signal, by the demo's clock, or because a worker failed), every worker, each for itself:
//!
//! 1. reads nothing more;
//! 2. waits for the output to acknowledge what is in flight, at most `delivery.shutdown_timeout`;
//! 3. commits what is settled, and waits for the answer;
//! 4. leaves the group, so that others take over at once;
//! 5. drops its producer, which by now holds nothing, or only what will be read and published again.
//!
//! The supervisor, on the thread that called [`Flow::wait`](super::Flow::wait), gives them that long and a little more.
//! A second request ends the process at once. In both cases nothing is lost: what was not committed is done again. The
//! fourth step has been seen to take as long as another member's session, when that died and the group waits for it; all
//! is well then, even when the time runs out.
//!
//! The supervisor is the watchdog too: where the client hangs in a call, or a line is judged without end, no thread of ours
//! can mend it, and the process ends with 70. Whoever runs it starts it anew, and what was not committed is done again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::Failure;

/// Beyond the time for draining: leaving the group, and threads that come to their ends.
const GRACE: Duration = Duration::from_secs(2);

/// How often the watchdog looks.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// What the supervisor is told.
#[derive(Debug)]
pub(crate) enum Word {
    /// Stop; the second time, at once.
    Stop,
    /// Drain as for a stop, and say that it is to be started anew.
    Renew,
    /// A worker cannot go on, and begins to leave.
    Failed(Failure),
    /// A worker has settled and committed what it could, and leaves the group.
    Drained(Drained),
    /// A worker came to its end.
    Ended(Result<(), Failure>),
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There is more to do.
    On,
    /// It was asked to stop.
    Stop,
}

/// Takes one turn after the other, until asked to stop or unable to go on. The latter is told at once: leaving takes time,
/// and where the client hangs it takes forever.
pub(crate) fn turns(mut step: impl FnMut() -> Result<Turn, Failure>, tell: &dyn Fn(Word)) {
    loop {
        match step() {
            Ok(Turn::On) => {}
            Ok(Turn::Stop) => return,
            Err(failure) => return tell(Word::Failed(failure)),
        }
    }
}

/// How a worker left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Lines read and not settled; they will be read again.
    pub(crate) unsettled: usize,
    /// What was settled is committed.
    pub(crate) committed: bool,
}

/// How the flow ended.
#[derive(Debug, Clone)]
pub enum End {
    /// Everything that was read is settled and committed.
    Drained,
    /// The same, and it wants to be started anew: what its clients are made of has changed.
    Renewed,
    /// It took too long, or was cut short: some lines will be read and published again.
    Cut,
    /// It cannot go on.
    Failed(Failure),
}

impl End {
    /// For the process: 0, 75 (stopped before all was settled; nothing is lost), or that of the failure.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Drained | Self::Renewed => 0,
            Self::Cut => 75,
            Self::Failed(failure) => failure.kind.exit_code(),
        }
    }
}

/// Asks the workers, each turn of their loops, whether to go on.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Stops a flow from anywhere; the second call ends it without draining.
#[derive(Debug, Clone)]
pub struct Stopper {
    words: Sender<Word>,
    was_asked: Arc<AtomicBool>,
}

impl Stopper {
    pub(crate) fn new(words: Sender<Word>) -> Self {
        Self { words, was_asked: Arc::default() }
    }

    /// Whether somebody has asked for a stop, heard or not.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }

    /// Asks. Does not wait.
    pub fn stop(&self) {
        self.was_asked.store(true, Ordering::Relaxed);
        // A flow that has ended hears nothing, and need not.
        let _ = self.words.send(Word::Stop);
    }

    /// Asks for a drained end after which it is started anew. Does not wait.
    pub(crate) fn renew(&self) {
        let _ = self.words.send(Word::Renew);
    }
}

/// Waits until all `running` workers have ended, one of them failed and the others drained, or a stop was asked for and
/// took too long; or until `hangs` says that a worker will never end.
pub(crate) fn supervise(
    words: &Receiver<Word>,
    mut running: usize,
    stop: &StopFlag,
    drain: Duration,
    hangs: impl Fn() -> Option<String>,
) -> End {
    let mut end = End::Drained;
    let mut deadline: Option<Instant> = None;
    let mut undrained = running;
    let mut renews = false;
    while running > 0 {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match words.recv_timeout(left.map_or(WATCH_INTERVAL, |left| left.min(WATCH_INTERVAL))) {
            Ok(Word::Renew) => renews = !stop.is_raised(),
            Ok(Word::Stop) if renews => {
                tracing::info!("stopping, and not starting anew");
                renews = false;
                continue;
            }
            Ok(Word::Stop) if stop.is_raised() => {
                tracing::warn!("asked twice to stop: ending at once; what was not committed is done again");
                return cut(end);
            }
            Ok(Word::Stop) => tracing::info!("stopping: draining for at most {drain:?}"),
            Ok(Word::Failed(failure)) => end = failed(end, failure),
            Ok(Word::Drained(drained)) => {
                end = with(end, drained);
                undrained = undrained.saturating_sub(1);
                if undrained == 0 && matches!(end, End::Drained) {
                    tracing::info!("drained: what was read is published and committed; leaving the group");
                }
            }
            Ok(Word::Ended(result)) => {
                running -= 1;
                if let Err(failure) = result {
                    end = failed(end, failure);
                }
            }
            Err(RecvTimeoutError::Timeout) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                if let Some(what) = hangs() {
                    return End::Failed(Failure::software(format!(
                        "{what}; ending, so that what was not committed is done again"
                    )));
                }
                continue;
            }
            Err(RecvTimeoutError::Timeout) if undrained == 0 => {
                tracing::warn!("the group did not let us go in time; it will notice by itself");
                return renewed(end, renews);
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("draining took too long; what was not committed is done again");
                return cut(end);
            }
            Err(RecvTimeoutError::Disconnected) => return cut(end),
        }
        // One worker does not go on alone: a part of the partitions without a reader would look like all is well.
        stop.raise();
        deadline.get_or_insert_with(|| Instant::now() + drain + GRACE);
    }
    renewed(end, renews)
}

/// Only what has drained can go on within this process: else a thread of the old flow may still be at work.
fn renewed(end: End, renews: bool) -> End {
    if renews && matches!(end, End::Drained) { End::Renewed } else { end }
}

fn cut(end: End) -> End {
    match end {
        End::Drained | End::Renewed | End::Cut => End::Cut,
        failed => failed,
    }
}

/// The first failure is what it ends with.
fn failed(end: End, failure: Failure) -> End {
    tracing::error!("{}", failure.message);
    match end {
        End::Drained | End::Renewed | End::Cut => End::Failed(failure),
        first => first,
    }
}

fn with(end: End, Drained { unsettled, committed }: Drained) -> End {
    if unsettled == 0 && committed {
        return end;
    }
    tracing::warn!(unsettled, committed, "not everything was acknowledged and committed in time");
    cut(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn ends(words: Vec<Word>, running: usize) -> (u8, bool) {
        let (sender, receiver) = channel();
        for word in words {
            sender.send(word).unwrap();
        }
        drop(sender);
        let stop = StopFlag::default();
        (supervise(&receiver, running, &stop, Duration::ZERO, || None).exit_code(), stop.is_raised())
    }

    fn drained(unsettled: usize) -> Word {
        Word::Drained(Drained { unsettled, committed: true })
    }

    fn ended() -> Word {
        Word::Ended(Ok(()))
    }

    #[test]
    fn ends_with_the_worst_that_a_worker_says() {
        let failed = || Word::Ended(Err(Failure::unavailable("no".into())));
        assert_eq!(ends(vec![Word::Stop, drained(0), drained(0), ended(), ended()], 2), (0, true));
        assert_eq!(ends(vec![Word::Stop, drained(3), drained(0), ended(), ended()], 2), (75, true));
        assert_eq!(ends(vec![failed(), drained(2), ended()], 2), (69, true));
        assert_eq!(ends(vec![drained(0), ended(), failed()], 2), (69, true));
    }

    #[test]
    fn who_has_drained_need_not_wait_for_the_group() {
        let (sender, receiver) = channel();
        for word in [Word::Stop, drained(0), ended(), drained(0)] {
            sender.send(word).unwrap();
        }
        let end = supervise(&receiver, 2, &StopFlag::default(), Duration::ZERO, || None);
        assert_eq!(end.exit_code(), 0);
    }

    #[test]
    fn a_worker_that_hangs_ends_the_process() {
        let (_sender, receiver) = channel();
        let end = supervise(&receiver, 1, &StopFlag::default(), Duration::ZERO, || Some("worker 0 …".into()));
        assert_eq!(end.exit_code(), 70);
    }

    #[test]
    fn a_renewal_that_has_drained_is_started_anew() {
        let ends = |words: Vec<Word>| {
            let (sender, receiver) = channel();
            words.into_iter().for_each(|word| sender.send(word).unwrap());
            drop(sender);
            supervise(&receiver, 1, &StopFlag::default(), Duration::from_secs(60), || None)
        };
        assert!(matches!(ends(vec![Word::Renew, drained(0), ended()]), End::Renewed));
        assert!(matches!(ends(vec![Word::Renew, drained(3), ended()]), End::Cut));
        assert!(matches!(ends(vec![Word::Renew, Word::Stop, drained(0), ended()]), End::Drained), "a stop counts more");
        assert!(matches!(ends(vec![Word::Stop, Word::Renew, drained(0), ended()]), End::Drained));
        assert!(matches!(ends(vec![Word::Renew, Word::Stop, Word::Stop, ended()]), End::Cut));
        let failed = Word::Ended(Err(Failure::unavailable("no".into())));
        assert!(matches!(ends(vec![Word::Renew, failed]), End::Failed(_)));
    }

    #[test]
    fn a_second_request_does_not_wait() {
        assert_eq!(ends(vec![Word::Stop, Word::Stop], 1), (75, true));
    }
}
