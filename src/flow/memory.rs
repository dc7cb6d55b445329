//! An in-memory Kafka on which the simulation plays out what can go wrong: input partitions, a consumer group, producers
//! with transactions, and a clock of its own.
//!
//! [`World`] is everything outside of the workers. Nothing happens in it but in [`World::run_until`], in the order of
//! virtual time, so that one seed is one history: no threads, no real clock, no order that hangs on a hash. A worker
//! meets it through [`Member`] and [`Producer`], whose waits are what makes the time pass.
//!
//! It is as unkind as Kafka may be, and no more: acknowledgements come late, but per partition in order; a request whose
//! answer is lost may have been done, or be done later; lines that the client had fetched before it was sent back may
//! still come, each once and before those that follow. What must hold all the while is watched by [`audit`].

pub(super) mod audit;
mod broker;
mod group;
mod matches;
mod member;
pub(super) mod planted;
mod producer;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::alert::{self, IDLE_BEHIND_MS};
use crate::flow::Mode;
use crate::flow::record::{Name, Record};
use crate::flow::transport::To;
use audit::Audit;
use broker::Broker;
use group::Group;
pub(super) use member::{Client, Member};
pub(super) use producer::Producer;
use producer::{End, Sender};

/// The name of the only input topic.
pub(super) const INPUT: &str = "in";
/// A member that was not heard of for so long is thrown out, and so long may a transaction be open.
pub(super) const SESSION: u64 = 10_000_000;

/// Lines that nothing is wrong with are from this time on, milliseconds since 1970; those whose timestamp is refused are
/// older.
pub(super) const USUAL_MS: i64 = 2_000_000_000;

/// No history takes longer, microseconds.
const FOREVER: u64 = 1_000_000_000;

/// The world, as those who live in it hold it.
pub(super) type Shared = Rc<RefCell<World>>;

/// A line of the input.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// When it is there to be read, microseconds.
    pub(super) at: u64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    /// Its record is too large for the output.
    pub(super) poison: bool,
    /// Its dead letter is too large as well.
    pub(super) poison_to_all: bool,
    /// The output refuses its timestamp.
    pub(super) poison_time: bool,
}

impl Input {
    /// Names the line on the output, since timestamps go out as they came.
    pub(super) fn timestamp_ms(&self) -> i64 {
        let begin = if self.poison_time { 0 } else { USUAL_MS };
        begin + i64::from(self.partition) * 1_000_000 + self.offset + 1
    }
}

/// From `at` on, microseconds, an input partition reaches to `end`; what stands between that and the line before it is none:
/// a transaction's marker, records of one that was aborted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unseen {
    pub(super) at: u64,
    pub(super) end: i64,
}

/// The partition and the offset of the line that a timestamp names.
fn named_by(timestamp_ms: i64) -> (usize, i64) {
    let timestamp_ms = timestamp_ms % USUAL_MS;
    ((timestamp_ms / 1_000_000) as usize, timestamp_ms % 1_000_000 - 1)
}

/// Partition and offset of the line that a record is of; of what a source said only the partition is known.
pub(super) fn line_of(record: &Record<'_>) -> (usize, i64) {
    let header = |wanted: Name| {
        let (_, value) = record.added.iter().find(|(name, _)| *name == wanted)?;
        std::str::from_utf8(value).ok()
    };
    let value = || record.value.as_deref().unwrap_or_default();
    match record.to {
        To::Output => named_by(header(Name::Timestamp).and_then(|own| own.parse().ok()).unwrap_or(record.timestamp_ms)),
        To::DeadLetter => placed_by(header(Name::Source).unwrap_or_default()),
        To::State => placed_by(record.key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default()),
        To::Matches => match alert::Record::from_json(value()) {
            Ok(alert::Record::Match(found)) => (found.place.partition as usize, found.place.offset),
            Ok(alert::Record::Watermark(mark)) => (mark.partition as usize, mark.offset),
            Err(why) => panic!("a record of the matches topic cannot be read: {why}"),
        },
    }
}

/// From `topic/partition/offset`, or `topic/partition/source`.
fn placed_by(text: &str) -> (usize, i64) {
    let mut parts = text.splitn(3, '/').skip(1);
    let partition = parts.next().and_then(|number| number.parse().ok()).expect("a partition");
    (partition, parts.next().and_then(|offset| offset.parse().ok()).unwrap_or(-1))
}

/// How often things go wrong, each from 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rates {
    pub(super) commit_refused: f32,
    pub(super) commit_lost: f32,
    pub(super) commit_unheard: f32,
    pub(super) end_refused: f32,
    pub(super) end_lost: f32,
    pub(super) end_late: f32,
    pub(super) end_twice: f32,
    pub(super) end_unheard: f32,
    pub(super) abort_uncertain: f32,
    pub(super) stale: f32,
    pub(super) full: f32,
    pub(super) trouble: f32,
    pub(super) slow: f32,
    pub(super) compaction: f32,
    /// Of batches that are refused, those of which nobody says which record it is for.
    pub(super) unnamed: f32,
}

/// What is going to happen.
#[derive(Debug)]
enum Due {
    /// A producer's next records reach a partition.
    Serve(usize, broker::Place),
    /// A commit reaches the group.
    Commit(usize),
    Join(usize),
    Rejoin(usize),
    /// A member hears that it is none.
    Notice(usize),
    /// A member that was not heard of since its n-th silence.
    Session(usize, u64),
    /// A rebalance has taken too long.
    Deadline(u64),
    /// The offsets of a transaction reach the group.
    Offsets(usize),
    /// The request to end a transaction arrives.
    End(usize, End),
    /// It arrives after nobody waits for it any more.
    LateEnd {
        tid: usize,
        epoch: u32,
        commit: bool,
    },
    Init(usize),
    /// A transaction has taken too long.
    Expire(usize),
    /// The end of a transaction is seen at one place.
    Marker(usize, Option<broker::Place>),
}

/// See the top of the file.
pub(super) struct World {
    start: Instant,
    /// Virtual time, microseconds.
    pub(super) now: u64,
    pub(super) rng: Rng,
    pub(super) mode: Mode,
    due: BTreeMap<(u64, u64), Due>,
    number: u64,
    pub(super) rates: Rates,
    pub(super) inputs: Vec<Vec<Rc<Input>>>,
    /// What stands between their lines and behind them, in its order.
    pub(super) unseen: Vec<Vec<Unseen>>,
    pub(super) broker: Broker,
    pub(super) group: Group,
    pub(super) clients: Vec<Client>,
    senders: Vec<Sender>,
    pub(super) audit: Audit,
    /// What happened, and how often.
    pub(super) seen: BTreeMap<&'static str, u64>,
    /// One line per event, when somebody wants to read it.
    pub(super) story: Option<Vec<String>>,
    /// A refusal does not end a producer without transactions: what is behind goes on.
    pub(super) overtakes: bool,
    /// Until then the output refuses everything with a code that nobody knows.
    pub(super) strange_until: u64,
    /// After so many calls of this client, or of its producer, its process ends.
    pub(super) crash: Option<(usize, u32)>,
}

impl World {
    pub(super) fn new(seed: Rng, mode: Mode, cooperative: bool, inputs: Vec<Vec<Rc<Input>>>, audit: Audit) -> Self {
        Self {
            unseen: vec![Vec::new(); inputs.len()],
            start: Instant::now(),
            now: 0,
            rng: seed,
            mode,
            due: BTreeMap::new(),
            number: 0,
            rates: Rates::default(),
            broker: Broker::default(),
            group: Group::new(inputs.len(), cooperative),
            inputs,
            clients: Vec::new(),
            senders: Vec::new(),
            audit,
            seen: BTreeMap::new(),
            story: None,
            overtakes: false,
            strange_until: 0,
            crash: None,
        }
    }

    /// The time as workers see it.
    pub(super) fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    /// The wall clock beside a partition. Timestamps name lines here, so each partition has an age of its own; and what
    /// an idle partition's clock is said to be is about the time that has passed.
    fn wall_ms(&self, partition: usize) -> i64 {
        USUAL_MS + partition as i64 * 1_000_000 + IDLE_BEHIND_MS + (self.now / 1000) as i64
    }

    /// Where a partition ends, at some time; nothing while it is empty.
    pub(super) fn end(&self, partition: usize, at: u64) -> Option<i64> {
        let lines = self.inputs[partition].iter().take_while(|line| line.at <= at).last().map(|line| line.offset + 1);
        let unseen = self.unseen[partition].iter().filter(|unseen| unseen.at <= at).map(|unseen| unseen.end).max();
        lines.max(unseen)
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, time: Duration) {
        self.run_until(self.now + time.as_micros() as u64);
    }

    fn run_until(&mut self, until: u64) {
        while let Some(next) = self.due.first_entry().filter(|next| next.key().0 <= until) {
            let ((at, _), due) = next.remove_entry();
            self.now = self.now.max(at);
            self.happens(due);
        }
        self.now = self.now.max(until);
        if self.now > FOREVER {
            self.find("it goes on for ever".to_owned());
        }
    }

    /// When something happens next.
    fn next_due(&self) -> Option<u64> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    fn after(&mut self, micros: u64, due: Due) {
        self.number += 1;
        self.due.insert((self.now + micros, self.number), due);
    }

    fn happens(&mut self, due: Due) {
        match due {
            Due::Serve(sender, place) => self.serve(sender, place),
            Due::Commit(client) => self.commit_arrives(client),
            Due::Join(client) => self.join(client),
            Due::Rejoin(client) => self.rejoin(client),
            Due::Notice(client) => self.notice(client),
            Due::Session(client, silence) => self.silent(client, silence),
            Due::Deadline(round) => self.rebalance_expired(round),
            Due::Offsets(sender) => self.offsets_arrive(sender),
            Due::End(sender, end) => self.end_arrives(sender, end),
            Due::LateEnd { tid, epoch, commit } => self.late_end(tid, epoch, commit),
            Due::Init(sender) => self.init(sender),
            Due::Expire(transaction) => self.expire(transaction),
            Due::Marker(transaction, place) => self.marker(transaction, place),
        }
    }

    fn chance(&mut self, rate: f32) -> bool {
        rate > 0.0 && self.rng.f32() < rate
    }

    /// How long a request takes, microseconds.
    fn latency(&mut self) -> u64 {
        if self.chance(self.rates.slow) { self.rng.u64(5_000..400_000) } else { self.rng.u64(200..6_000) }
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Adds an event to the story.
    pub(super) fn tell(&mut self, who: &str, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:>12.3} ms  {who:<6}  {}", self.now as f64 / 1000.0, what()));
        }
    }

    pub(super) fn find(&mut self, what: String) {
        self.tell("AUDIT", || what.clone());
        self.audit.finding.get_or_insert(what);
    }

    /// Ends the process of a client in the middle of a call, when its time has come.
    fn is_crash(&mut self, client: usize) -> bool {
        match &mut self.crash {
            Some((doomed, left)) if *doomed == client && !self.clients[client].is_dead => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            _ => false,
        }
    }
}

/// Every call of a worker passes here: any of them may be its last. Once something is wrong there is no use in going on.
fn pulse(world: &Shared, client: usize) {
    if world.borrow().audit.finding.is_some() {
        std::panic::resume_unwind(Box::new("something is wrong"));
    }
    let crash = world.borrow_mut().is_crash(client);
    if crash {
        world.borrow_mut().crash = None;
        world.borrow_mut().die(client);
        std::panic::resume_unwind(Box::new("the process ends here"));
    }
}
