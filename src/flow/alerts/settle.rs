//! Telling what came of the counting, and committing how far it is. At least once: the alerts first, then the offsets.
//! Exactly once: both in one transaction.
//!
//! What cannot be committed was never told: then all windows are made anew from what is committed, and count again. As
//! with lines, a producer of whose transaction the outcome is not known is never used again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::counter::{Counter, LONG_WAIT, News};
use super::lane::Lane;
use crate::flow::ledger::Ticket;
use crate::flow::recent::Recent;
use crate::flow::record::Writer;
use crate::flow::status::now_ms;
use crate::flow::transport::{Ack, Fate, Mark, Sink, Source, To, Unsent};
use crate::flow::{Failure, Mode};
use crate::telemetry::foreign;

/// One look at the producer.
const LOOK: Duration = Duration::from_millis(5);
/// Between two attempts to publish what was refused for something that may pass.
const AGAIN_PAUSE: Duration = Duration::from_secs(1);
/// What a record of ours takes on the wire besides key and value, at most.
const OVERHEAD: usize = 128;
/// So many alerts that are long over are taken off the alerts topic at a time.
const FORGOTTEN_MAX: usize = 1000;
/// So often may the producer be fenced within a minute before it is clear that another one has the same name.
const FENCED_MAX: usize = 3;

/// Whether the producer can be used.
#[derive(Debug)]
pub(super) struct Producing {
    mode: Mode,
    /// With transactions: it can begin one.
    is_ready: bool,
    /// A new one is to be asked for then.
    renew_at: Option<Instant>,
    fenced: Recent,
}

impl Producing {
    pub(super) fn new(mode: Mode) -> Self {
        Self { mode, is_ready: mode == Mode::AtLeastOnce, renew_at: None, fenced: Recent::default() }
    }
}

/// What came of publishing.
enum Published {
    /// All of it is on the topic.
    Yes,
    /// Some of it is not, for this reason.
    No(String),
    /// Somebody wants us to stop, and there was no time to wait for it.
    Cut,
}

impl<K: Sink> Counter<K> {
    /// Tells what is new and commits what was read. True when nothing is left to do.
    pub(super) fn settle<S: Source>(&mut self, source: &S) -> Result<bool, Failure> {
        let deadline = source.now() + self.settings.delivery.shutdown_timeout;
        let done = match self.producing.mode {
            Mode::AtLeastOnce => self.settle_at_least_once(source, deadline)?,
            Mode::ExactlyOnce => self.settle_exactly_once(source, deadline)?,
        };
        self.status.renewing.store(!self.producing.is_ready, std::sync::atomic::Ordering::Relaxed);
        Ok(done)
    }

    fn marks(&self) -> Vec<Mark> {
        self.lanes.iter().filter_map(Lane::news).collect()
    }

    fn settle_at_least_once<S: Source>(&mut self, source: &S, deadline: Instant) -> Result<bool, Failure> {
        let news = std::mem::take(&mut self.news);
        let forgotten = self.forgotten(&news);
        match self.publish(source, &news, &forgotten, deadline)? {
            Published::Yes => self.forgot(&forgotten),
            Published::No(why) => {
                tracing::warn!("alerts: a record was refused, trying again: {}", foreign(why.as_bytes()));
                self.news = news;
                // With a refusal the producer has come to its end; all of it goes out again by another.
                self.sink.renew()?;
                self.sink.wait(AGAIN_PAUSE);
                return Ok(false);
            }
            Published::Cut => {
                self.news = news;
                return Ok(false);
            }
        }
        // They stand on the topic, whatever becomes of the offsets.
        self.told(&news);
        Ok(self.commit(source, deadline))
    }

    /// Commits, and waits for the answer; as long as it takes, unless somebody wants us to stop.
    fn commit<S: Source>(&mut self, source: &S, deadline: Instant) -> bool {
        if !self.committing {
            let marks = self.marks();
            if marks.is_empty() {
                return true;
            }
            source.commit(marks);
            self.committing = true;
        }
        loop {
            self.status.turn();
            self.answer(LONG_WAIT);
            if let Some((marks, result)) = source.commit_answer(LOOK) {
                self.committing = false;
                match result {
                    Ok(()) => {
                        self.committed(&marks);
                        return true;
                    }
                    Err(code) => {
                        tracing::warn!("alerts: offsets were not committed: {code}");
                        return false;
                    }
                }
            }
            if self.is_over(source, deadline) {
                return false;
            }
        }
    }

    fn committed(&mut self, marks: &[Mark]) {
        for mark in marks {
            if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.partition == mark.partition) {
                lane.committed(mark);
            }
        }
    }

    fn is_over<S: Source>(&self, source: &S, deadline: Instant) -> bool {
        self.stop.is_raised() && source.now() >= deadline
    }

    fn settle_exactly_once<S: Source>(&mut self, source: &S, deadline: Instant) -> Result<bool, Failure> {
        if !self.get_ready(source)? {
            return Ok(self.news.is_empty() && self.marks().is_empty());
        }
        let marks = self.marks();
        // What is long over is forgotten along with the next offsets.
        if self.news.is_empty() && marks.is_empty() {
            // What fires since before we had a partition is told although nothing changed.
            self.told(&[]);
            return Ok(true);
        }
        if let Err(fate) = self.sink.begin() {
            return self.fell(source, fate);
        }
        let news = std::mem::take(&mut self.news);
        let forgotten = self.forgotten(&news);
        let fate = match self.publish(source, &news, &forgotten, deadline)? {
            Published::Yes => match self.sink.commit(&marks) {
                Ok(()) => self.ended(source, deadline),
                Err(fate) => Some(fate),
            },
            Published::No(why) => Some(Fate::Abort(why)),
            Published::Cut => None,
        };
        match fate {
            Some(fate @ (Fate::Done | Fate::DoneLate)) => {
                self.committed(&marks);
                self.forgot(&forgotten);
                self.told(&news);
                if fate == Fate::DoneLate {
                    self.renew_at(source.now());
                }
                Ok(true)
            }
            Some(fate) => self.fell(source, fate),
            // The process is about to end, and the brokers abort what it leaves open.
            None => Ok(false),
        }
    }

    /// A transaction can be begun, and the windows hold what was committed and what was read since.
    fn get_ready<S: Source>(&mut self, source: &S) -> Result<bool, Failure> {
        if !self.producing.is_ready {
            if let Some(at) = self.producing.renew_at {
                if source.now() < at {
                    return Ok(false);
                }
                self.sink.renew()?;
                self.producing.renew_at = None;
            }
            match self.sink.ended(LOOK) {
                None => return Ok(false),
                Some(Fate::Done | Fate::DoneLate) => self.producing.is_ready = true,
                Some(fate) => {
                    self.fell(source, fate)?;
                    return Ok(false);
                }
            }
        }
        if self.is_stale {
            self.rebuild(source)?;
        }
        Ok(true)
    }

    fn renew_at(&mut self, at: Instant) {
        self.producing.is_ready = false;
        self.producing.renew_at = Some(at);
    }

    /// A transaction did not come to its end as it should.
    fn fell<S: Source>(&mut self, source: &S, fate: Fate) -> Result<bool, Failure> {
        let now = source.now();
        self.is_stale = true;
        self.news.clear();
        match fate {
            Fate::Done | Fate::DoneLate => {}
            Fate::Abort(why) => {
                tracing::warn!(
                    "alerts: a transaction has to be aborted and is done again: {}",
                    foreign(why.as_bytes())
                );
                self.sink.abort();
                match self.ended(source, now + self.settings.delivery.shutdown_timeout) {
                    Some(Fate::Final(failure)) => return Err(failure),
                    // A record that was refused leaves a gap in the numbers of the records, see `worker/batch.rs`.
                    Some(Fate::Done) => self.renew_at(source.now() + AGAIN_PAUSE),
                    // Late, or not known.
                    _ => self.renew_at(source.now()),
                }
            }
            Fate::Unknown(why) => {
                tracing::warn!("alerts: it is not known how a transaction ended: {}", foreign(why.as_bytes()));
                self.renew_at(now);
            }
            Fate::Fenced(why) => {
                tracing::warn!("alerts: the transactional producer was fenced: {}", foreign(why.as_bytes()));
                let times = self.producing.fenced.again(now);
                if times > FENCED_MAX {
                    return Err(Failure::config(format!(
                        "the transactional producer of the alerts was fenced {times} times within a minute ({why}): \
                         another process runs with delivery.instance = \"{}\"; give each its own, or leave it away",
                        self.settings.delivery.instance
                    )));
                }
                self.renew_at(now + AGAIN_PAUSE * times as u32);
            }
            Fate::Final(failure) => return Err(failure),
        }
        Ok(false)
    }

    /// How the transaction ended; `None` when somebody wants us to stop first.
    fn ended<S: Source>(&self, source: &S, deadline: Instant) -> Option<Fate> {
        loop {
            self.status.turn();
            self.answer(LONG_WAIT);
            if let Some(fate) = self.sink.ended(LOOK) {
                return Some(fate);
            }
            if self.is_over(source, deadline) {
                return None;
            }
        }
    }

    /// What is over since so long that it need not stand on the alerts topic any more; not what the news are about.
    fn forgotten(&self, news: &[News]) -> Vec<(i32, String)> {
        let most = self.limits.groups;
        let keys = |lane: &Lane| {
            let number = lane.partition.number;
            lane.forgotten(most, FORGOTTEN_MAX).into_iter().map(move |key| (number, key))
        };
        let mut forgotten: Vec<(i32, String)> = self.lanes.iter().flat_map(keys).take(FORGOTTEN_MAX).collect();
        if !forgotten.is_empty() {
            let told: HashSet<&str> = news.iter().map(|news| news.untold.key()).collect();
            forgotten.retain(|(_, key)| !told.contains(key.as_str()));
        }
        forgotten
    }

    fn forgot(&mut self, forgotten: &[(i32, String)]) {
        for (number, key) in forgotten {
            self.lanes.iter_mut().filter(|lane| lane.partition.number == *number).for_each(|lane| lane.forgot(key));
        }
    }

    /// Puts the news on the alerts topic, takes away what is forgotten, and waits until that is done.
    fn publish<S: Source>(
        &mut self,
        source: &S,
        news: &[News],
        forgotten: &[(i32, String)],
        deadline: Instant,
    ) -> Result<Published, Failure> {
        let mut acks = Vec::new();
        let mut waiting = 0_usize;
        let mut refused = None;
        let told = news.iter().map(|news| (news.partition, news.untold.key(), Some(news)));
        let records = told.chain(forgotten.iter().map(|(number, key)| (*number, key.as_str(), None)));
        for (partition, key, news) in records {
            // One at a time: words take much memory.
            let json = news.and_then(|news| self.in_words(news)).map(|change| change.to_json());
            if news.is_some() && json.is_none() {
                continue;
            }
            let record = Writer::text(To::Output, partition, Some(key), json.as_deref(), now_ms());
            if record.weight() + OVERHEAD > self.route.alerts_limit {
                let alert = foreign(key.as_bytes());
                tracing::error!(
                    bytes = record.weight(),
                    "alerts topic: the record of {alert} is too large, and is left out"
                );
                self.meters.too_large.increment(1);
                continue;
            }
            let mut ticket = Ticket::nobodys();
            loop {
                match self.sink.send(&record, None, ticket) {
                    Ok(()) => {
                        waiting += 1;
                        break;
                    }
                    Err((Unsent::Full, back)) => ticket = back,
                    Err((Unsent::Refused(code), _)) => return self.refusal(code).map(Published::No),
                }
                if !self.look(source, deadline, &mut waiting, &mut acks, &mut refused) {
                    return Ok(Published::Cut);
                }
            }
        }
        while waiting > 0 {
            if !self.look(source, deadline, &mut waiting, &mut acks, &mut refused) {
                return Ok(Published::Cut);
            }
        }
        match refused {
            None => Ok(Published::Yes),
            Some(code) => self.refusal(code).map(Published::No),
        }
    }

    /// Gives acknowledgements a moment; false when somebody wants us to stop and it is time.
    fn look<S: Source>(
        &self,
        source: &S,
        deadline: Instant,
        waiting: &mut usize,
        acks: &mut Vec<Ack>,
        refused: &mut Option<crate::flow::kafka::Code>,
    ) -> bool {
        self.status.turn();
        self.answer(LONG_WAIT);
        self.sink.hurry(LOOK);
        self.sink.acks(acks);
        for ack in acks.drain(..) {
            *waiting = waiting.saturating_sub(1);
            *refused = refused.or(ack.refused);
        }
        !self.is_over(source, deadline)
    }

    /// Why a record was refused, or what somebody has to do about it.
    fn refusal(&self, code: crate::flow::kafka::Code) -> Result<String, Failure> {
        use crate::flow::kafka::Code;
        let topic = &self.settings.output.topic;
        match code {
            Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                Err(Failure::unavailable(format!("writing to alerts topic {topic} is not allowed; grant WRITE on it")))
            }
            Code::MessageSizeTooLarge | Code::InvalidRecord | Code::InvalidMessage => {
                Err(Failure::unavailable(format!(
                    "alerts topic {topic} refuses a record for what it is ({code}); its max.message.bytes, or what else it \
                 demands of records, must be relaxed"
                )))
            }
            code => Ok(format!("{code}{}", self.sink.last_word())),
        }
    }
}
