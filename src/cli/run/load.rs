//! The loader: one thread that touches the pack directory, so that nobody else waits for it. A file system may not answer,
//! and packs may take long to compile and to prove; the reloader asks here, and goes on when its time is over. What comes
//! after that is not lost: it is taken in when it is there, and nothing else is begun before.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::super::packs::{self, Loaded};
use super::watching::Watch;
use crate::diagnostic::Diagnostic;
use crate::engine;
use crate::flow::PacksFrom;
use crate::flow::reload::Rejected;
use crate::pack;
use crate::telemetry::caught;

/// What to do, and what is known already.
pub(crate) struct Job {
    /// Load what is new, not only look whether there is anything.
    pub(crate) load: bool,
    /// Digest of the packs in use.
    pub(crate) in_use: String,
    /// What was rejected last.
    pub(crate) rejected: Option<Arc<Rejected>>,
}

/// What is in the directory, compared with what is known.
pub(crate) enum Found {
    /// The packs in use.
    InUse,
    /// The packs that were rejected last.
    Rejected(Arc<Rejected>),
    /// Something else; nobody asked to load it.
    News,
    /// Other packs, ready for use.
    Loaded(Box<Loaded>),
    /// Something that cannot be used: why, and its digest where it could be read.
    Unusable(Vec<Diagnostic>, Option<String>),
}

/// The reloader's end.
pub(crate) struct Loader {
    jobs: SyncSender<Job>,
    found: Receiver<Found>,
    timeout: Duration,
    /// It has not answered what it was asked last.
    is_overdue: bool,
}

impl Loader {
    /// Starts the thread, which does each job by `work`.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(crate) fn start(timeout: Duration, mut work: impl FnMut(&Job) -> Found + Send + 'static) -> io::Result<Self> {
        let (jobs, to_do) = sync_channel::<Job>(1);
        let (done, found) = sync_channel(1);
        let run = move || {
            for job in to_do {
                let answer = caught(AssertUnwindSafe(|| work(&job))).unwrap_or_else(|panic| {
                    let message = format!("the packs cannot be loaded: {panic}");
                    let help = "this is a mistake in Fingerpost: please report it";
                    Found::Unusable(vec![Diagnostic::error("P029", message).help(help)], None)
                });
                if done.send(answer).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("load".into()).spawn(run)?;
        Ok(Self { jobs, found, timeout, is_overdue: false })
    }

    /// Has a job done, and waits for it; nothing when it takes too long, or an earlier one still does.
    pub(crate) fn ask(&mut self, job: Job) -> Option<Found> {
        if self.is_overdue {
            return None;
        }
        self.jobs.send(job).ok()?;
        let found = self.found.recv_timeout(self.timeout).ok();
        self.is_overdue = found.is_none();
        found
    }

    /// What came of a job that took too long, once it is there.
    pub(crate) fn late(&mut self) -> Option<Found> {
        let found = self.found.try_recv().ok().filter(|_| self.is_overdue)?;
        self.is_overdue = false;
        Some(found)
    }
}

/// The pack directory, and what is told of it.
pub(crate) struct Directory {
    pub(crate) from: PacksFrom,
    pub(crate) judging: engine::Settings,
    pub(crate) watch: Option<Watch>,
}

impl Directory {
    pub(crate) fn work(&mut self, job: &Job) -> Found {
        // What changes after the reading is then surely told.
        if let Some(watch) = &mut self.watch {
            watch.follow();
        }
        // Nearly always nothing is new, and then no file need be had as a whole.
        if packs::digest(&self.from).as_ref() == Some(&job.in_use) {
            return Found::InUse;
        }
        let sources = match packs::sources(&self.from) {
            Ok(sources) => sources,
            Err(problems) => {
                return match job.rejected.clone().filter(|rejected| rejected.diagnostics == problems) {
                    Some(rejected) => Found::Rejected(rejected),
                    None => Found::Unusable(problems, None),
                };
            }
        };
        let digest = pack::digest(&sources);
        match job.rejected.clone().filter(|rejected| rejected.digest.as_ref() == Some(&digest)) {
            _ if digest == job.in_use => Found::InUse,
            Some(rejected) => Found::Rejected(rejected),
            None if !job.load => Found::News,
            None => match packs::compile(&sources, self.judging.clone()) {
                Ok(loaded) => Found::Loaded(Box::new(loaded)),
                Err(problems) => Found::Unusable(problems, Some(digest)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job { load: true, in_use: String::new(), rejected: None }
    }

    #[test]
    fn a_job_that_takes_too_long_is_given_up_and_its_answer_taken_in_later() {
        let (go, wait) = sync_channel::<()>(0);
        let mut loader = Loader::start(Duration::from_millis(1), move |_| {
            wait.recv().ok();
            Found::News
        })
        .unwrap();
        assert!(loader.ask(job()).is_none(), "nobody lets it go on");
        assert!(loader.late().is_none());
        assert!(loader.ask(job()).is_none(), "nothing is begun before it is done");
        go.send(()).unwrap();
        let found = std::iter::repeat_with(|| loader.late()).flatten().next();
        assert!(matches!(found, Some(Found::News)));
        assert!(!loader.is_overdue && loader.late().is_none());
    }

    #[test]
    fn a_panic_is_an_answer() {
        let mut loader = Loader::start(Duration::from_secs(60), |_| panic!("at this pack")).unwrap();
        for _ in 0..2 {
            let Some(Found::Unusable(problems, None)) = loader.ask(job()) else { panic!("no answer") };
            assert_eq!((problems[0].code, problems[0].message.contains("at this pack")), ("P029", true));
        }
    }
}
