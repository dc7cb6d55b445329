//! Telling Alertmanagers what is firing and what is over, without ever making the stream wait.
//!
//! ```text
//! alert role ── put ──→ Board: the latest word on each alert ── due ──→ one thread for each Alertmanager ── POST ──→
//! ```
//!
//! The board is no queue of messages: it holds one entry for each alert, so an Alertmanager that is away for hours costs
//! no more memory than one that answers, and hears the truth of the moment when it is back. Every replica of a cluster
//! is told by itself. What fires is told again, at each interval, since an Alertmanager that hears nothing more takes an
//! alert for resolved; what is over is told until it was taken, and for a quarter of an hour after, as an Alertmanager
//! may restart and forget it.
//!
//! Of each alert so many groups are told of and no more (`crowd`): one more alert says how many there are, so that a storm
//! of forged lines is no storm of pages.
//!
//! This room knows nothing of Kafka, and what it is told has been committed there.

mod board;
mod crowd;
pub(crate) mod notice;
mod post;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use board::BATCH;
pub(crate) use board::{Board, Most, memory_bound};
use crowd::Crowd;
use notice::time;
pub use post::check_authorities;
use post::{Posted, Poster};

use super::meters;
use super::status::now_ms;
use crate::sanitize::secrets;
use crate::telemetry::foreign;

/// An Alertmanager's address, as in `http://alertmanager:9093`, without a slash at the end. Behind the host there may be a
/// secret, as in the addresses of hooks: it shows itself without.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Of this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who goes there.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whoever listens on the way can read what is sent there.
    #[must_use]
    pub fn is_unencrypted(&self) -> bool {
        self.0.starts_with("http://") && secrets::open_part(&self.0) > 0
    }

    /// It has a part that is not shown.
    fn has_more(&self) -> bool {
        secrets::address(&self.0) != self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&secrets::address(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{self}\"")
    }
}

/// What these are called in logs and metrics: addresses that look the same as shown are numbered.
pub(crate) fn names(addresses: &[Address]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(addresses.len());
    for address in addresses {
        let same = addresses[..names.len()].iter().filter(|other| other.to_string() == address.to_string()).count();
        names.push(if same == 0 { address.to_string() } else { format!("{address} ({})", same + 1) });
    }
    names
}

/// Whom to tell, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Their addresses.
    pub alertmanagers: Vec<Address>,
    /// How to sign in with them.
    pub sign_in: Option<SignIn>,
    /// PEM text of the authorities that may vouch for them; the system's when absent.
    pub authorities: Option<Vec<u8>>,
    /// How often they are told again what is firing.
    pub repeat_interval: Duration,
    /// How long an alert that was over before it was found is told to fire: of one that is over when they first hear of it,
    /// Alertmanagers say nothing to anybody.
    pub found_late: Duration,
    /// Groups of one alert that are told of, at most.
    pub max_firing: usize,
}

/// Signing in. The files are read each time, as secrets change while the process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// A token.
    Bearer {
        /// File that holds it.
        file: PathBuf,
    },
    /// A user name and a password.
    Password {
        /// User name.
        name: String,
        /// File that holds the password.
        file: PathBuf,
    },
}

/// An alert that is not told again is taken for resolved after this many intervals, or [`HOLD_MIN`].
const HOLD_INTERVALS: u32 = 4;
/// The same, at least: what a restart of this fleet may take.
const HOLD_MIN: Duration = Duration::from_secs(300);
/// Before the first attempt after a failure; doubled with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// The threads that tell.
#[derive(Debug)]
pub(crate) struct Notifier {
    board: Arc<Board>,
}

impl Notifier {
    /// Starts a thread for each Alertmanager. `instance` names this daemon to them.
    ///
    /// # Errors
    /// When there is no thread for one.
    pub(crate) fn start(settings: &Settings, instance: &str) -> std::io::Result<Self> {
        let crowd = Crowd::new(settings.max_firing, instance);
        let board = Arc::new(Board::new(settings.alertmanagers.len(), settings.repeat_interval, crowd));
        for (index, (address, name)) in settings.alertmanagers.iter().zip(names(&settings.alertmanagers)).enumerate() {
            let teller = Teller {
                poster: Poster::new(address, name, settings),
                board: board.clone(),
                index,
                hold: (settings.repeat_interval * HOLD_INTERVALS).max(HOLD_MIN),
                failures: 0,
            };
            std::thread::Builder::new().name(format!("alertmanager-{index}")).spawn(move || teller.run())?;
        }
        Ok(Self { board })
    }

    /// Where the latest word on each alert is put.
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Lets the threads tell what is new once more, and waits for them until `deadline`. One that hangs in a request is
    /// left behind: what it did not tell is told again by whoever counts the alert next.
    pub(crate) fn stop(&self, deadline: Instant) {
        self.board.stop(deadline);
    }
}

/// One Alertmanager's thread.
struct Teller {
    poster: Poster,
    board: Arc<Board>,
    index: usize,
    hold: Duration,
    /// Attempts that failed in a row.
    failures: u32,
}

impl Teller {
    fn run(mut self) {
        while let Some(batch) = self.board.due(self.index, BATCH) {
            let failed = self.tell(&batch);
            if failed && !self.board.pause(self.pause()) {
                break;
            }
        }
        self.board.ended();
    }

    /// True when it failed for something that may pass.
    fn tell(&mut self, batch: &[board::Due]) -> bool {
        let bodies: Vec<Json> = batch.iter().map(|due| self.body(due)).collect();
        match self.poster.post(&bodies) {
            Posted::Taken => {
                if self.failures > 0 {
                    tracing::info!(alertmanager = self.poster.name(), "the Alertmanager takes alerts again");
                }
                self.failures = 0;
                meters::told(self.poster.name(), "sent", batch.len());
                self.board.told(self.index, batch);
                false
            }
            // One that it cannot read spoils the whole request; so each is sent alone.
            Posted::Refused(_) if batch.len() > 1 => batch.chunks(1).any(|one| self.tell(one)),
            Posted::Refused(why) => {
                let labels = batch.first().and_then(|due| due.notice.alert.get("labels").map(Json::to_string));
                let labels = foreign(labels.unwrap_or_default().as_bytes());
                tracing::error!(
                    alertmanager = self.poster.name(),
                    "the Alertmanager refused an alert, which is not sent again before it changes: {why}; labels {labels}"
                );
                meters::told(self.poster.name(), "refused", batch.len());
                self.board.told(self.index, batch);
                false
            }
            Posted::Failed(why) => {
                self.failures += 1;
                meters::told(self.poster.name(), "failed", batch.len());
                // Told at the first, and then each time that the count has doubled.
                if self.failures.is_power_of_two() {
                    tracing::warn!(
                        alertmanager = self.poster.name(),
                        attempts = self.failures,
                        "the Alertmanager could not be told, trying again: {why}"
                    );
                }
                true
            }
        }
    }

    /// What it says of an alert now. Of one that fires: for how long to believe it, as Prometheus does.
    fn body(&self, due: &board::Due) -> Json {
        let notice = &due.notice;
        let hold_ms = i64::try_from(self.hold.as_millis()).unwrap_or(i64::MAX);
        let ends_ms = notice.ends_ms.filter(|_| !due.fires);
        let ends_ms = ends_ms.unwrap_or_else(|| now_ms().max(notice.starts_ms).saturating_add(hold_ms));
        let mut alert = notice.alert.clone();
        alert.insert("endsAt".to_owned(), time(ends_ms.max(notice.starts_ms)).into());
        Json::Object(alert)
    }

    fn pause(&self) -> Duration {
        let pause = PAUSE_MIN.saturating_mul(1_u32.checked_shl(self.failures.saturating_sub(1)).unwrap_or(u32::MAX));
        // Give or take a quarter, so that not all daemons come at once.
        pause.min(PAUSE_MAX).mul_f64(0.75 + 0.5 * fastrand::f64())
    }
}
