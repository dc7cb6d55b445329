//! One run: lines flow, faults happen in the midst of them, and at the end every line is accounted for.
//!
//! The lines are let go slice by slice, one slice for each fault, so that each fault meets a flow under way, however
//! fast the machine is. A fault counts only when it was seen to have had an effect: a process that died by a signal, a
//! group that changed hands, a connection that was reset. One that was not seen is played again, on a slice of those that
//! are kept for that: on a busy machine a fault can pass by the moment that it was meant for. A run in which some kind of
//! fault was never seen has failed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{fmt, fs};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;

use super::access::admin;
use super::cluster::{Cluster, NOTICED};
use super::counted::{self, Alerted};
use super::feed::{Feed, Feeder};
use super::it::stage::{Daemon, Stage, committed, eventually, within};
use super::proxy::{Moment, Way, api};
use super::tally::Summary;
use super::verdict::Verdict;

/// Daemons at most.
const SLOTS: usize = 3;
/// How long after a fault every partition must move again, whatever the fault was: beyond it something hangs.
const PATIENCE: Duration = Duration::from_secs(90);
/// How many faults of a run are played again, at most, as they had no effect.
const AGAIN_MAX: usize = 4;
/// How long one that stood still for too long may take to notice.
const NOTICE: Duration = Duration::from_secs(20);
/// Lines read and not committed of one worker, at most, where nobody says otherwise: `delivery.in_flight`.
pub(crate) const IN_FLIGHT: usize = 30_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    AtLeastOnce,
    ExactlyOnce,
}

impl Mode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }
}

/// What is done to the daemons, the brokers, or the way between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `kill -9` of a daemon, which comes back at once.
    Kill,
    /// `kill -9` at the moment a request of this kind passes, half of the time before and half after the broker has it.
    KillAt(i16),
    /// A daemon stands still for longer than its session lasts, and goes on as if nothing had been.
    Pause,
    /// A daemon stands still for a second.
    Blink,
    /// SIGTERM, and a new one in its place.
    Roll,
    /// One more daemon.
    Join,
    /// One daemon less, in good order.
    Leave,
    /// `kill -9` of a broker, which comes back after two seconds; the only one, once the controller has noticed.
    BrokerKill,
    /// A broker is stopped in good order and started again.
    BrokerRoll,
    /// A broker stands still for some seconds.
    BrokerFreeze,
    /// Connections are reset every 200 kB, for three seconds.
    Resets,
    /// Nothing passes, in either direction, for five seconds; nobody is told.
    Blackhole,
    /// Every piece comes late, by 10 to 90 ms, for three seconds.
    Slow,
    /// The right to write the output is taken away, until all have ended over it, and given back.
    Rights,
}

impl Fault {
    /// How many workers it may cost what they have in flight: one, or all that there can be.
    pub(crate) fn hits(self) -> usize {
        match self {
            Self::Kill | Self::KillAt(_) | Self::Pause | Self::Blink | Self::Roll | Self::Join | Self::Leave => 1,
            Self::BrokerKill | Self::BrokerRoll | Self::BrokerFreeze => SLOTS,
            Self::Resets | Self::Blackhole | Self::Slow | Self::Rights => SLOTS,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Kill => "kill -9",
            Self::KillAt(api::PRODUCE) => "kill -9 at Produce",
            Self::KillAt(api::OFFSET_COMMIT) => "kill -9 at OffsetCommit",
            Self::KillAt(api::ADD_PARTITIONS_TO_TXN) => "kill -9 at AddPartitionsToTxn",
            Self::KillAt(api::ADD_OFFSETS_TO_TXN) => "kill -9 at AddOffsetsToTxn",
            Self::KillAt(api::TXN_OFFSET_COMMIT) => "kill -9 at TxnOffsetCommit",
            Self::KillAt(api::END_TXN) => "kill -9 at EndTxn",
            Self::KillAt(_) => "kill -9 at a request",
            Self::Pause => "SIGSTOP past the session timeout",
            Self::Blink => "SIGSTOP for a second",
            Self::Roll => "SIGTERM and restart",
            Self::Join => "a daemon joins",
            Self::Leave => "a daemon leaves",
            Self::BrokerKill => "broker kill -9 and restart",
            Self::BrokerRoll => "broker rolled",
            Self::BrokerFreeze => "broker SIGSTOP",
            Self::Resets => "connections reset",
            Self::Blackhole => "blackhole",
            Self::Slow => "slow network",
            Self::Rights => "rights taken away",
        })
    }
}

/// What a run is.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    /// `partition.assignment.strategy`, or `consumer` for the broker-side protocol.
    pub(crate) assignor: &'static str,
    pub(crate) brokers: usize,
    pub(crate) feed: Feed,
    pub(crate) session: Duration,
    pub(crate) faults: Vec<Fault>,
    /// The least time between two faults; zero lets them come as fast as what they did is over.
    pub(crate) every: Duration,
}

/// Plays a plan; every promise that does not hold is in the summary. `None`: skipped, and said so.
pub(crate) fn play(plan: &Plan) -> Option<Summary> {
    let cluster = Cluster::start(plan.brokers, 1, NOTICED)?;
    let mut run = Run::new(plan, &cluster);
    run.flow();
    Some(run.end())
}

/// Changes a pack every 100 ms, always as a whole.
struct Swapper {
    over: Arc<AtomicBool>,
}

impl Swapper {
    fn start(packs: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let own = over.clone();
        std::thread::spawn(move || {
            let text = fs::read_to_string(packs.join("common.toml")).unwrap();
            for number in 0.. {
                // The directory goes at the end of a run.
                let written = fs::write(packs.join("next"), format!("{text}# {number}\n"));
                if own.load(Relaxed) || written.is_err() {
                    return;
                }
                let _ = fs::rename(packs.join("next"), packs.join("common.toml"));
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self { over }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
    }
}

struct Run<'p> {
    plan: &'p Plan,
    cluster: &'p Cluster,
    stage: Stage,
    reader: BaseConsumer,
    feeder: Feeder,
    swapper: Swapper,
    random: fastrand::Rng,
    daemons: Vec<Option<Daemon>>,
    began: Instant,
    summary: Summary,
    /// Where the output ended when each fault began.
    marks: Vec<Vec<i64>>,
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan, cluster: &'p Cluster) -> Self {
        let stage = stage(plan, cluster);
        let any_time = [("message.timestamp.after.max.ms", "9223372036854775807")];
        stage.create(&stage.name, plan.feed.partitions as i32, &any_time);
        for topic in [stage.output(), stage.dead_letters()] {
            stage.create(&topic, plan.feed.partitions as i32, &[]);
        }
        let feeder = Feeder::start(plan.feed, &stage);
        let reader = stage.reader();
        let swapper = Swapper::start(stage.dir.join("packs"));
        let mut run = Self {
            plan,
            cluster,
            stage,
            reader,
            feeder,
            swapper,
            random: fastrand::Rng::with_seed(plan.feed.seed),
            daemons: (0..SLOTS).map(|_| None).collect(),
            began: Instant::now(),
            summary: Summary::new(plan),
            marks: Vec::new(),
        };
        run.begin(0);
        run.wait_ready(0);
        run
    }

    fn flow(&mut self) {
        let mut again = AGAIN_MAX;
        for fault in &self.plan.faults {
            while !self.meets(*fault) && again > 0 {
                again -= 1;
            }
        }
        self.feeder.allow(u64::MAX);
    }

    /// Lets a slice flow and plays a fault in its midst; whether it had an effect.
    fn meets(&mut self, fault: Fault) -> bool {
        let slice = self.plan.feed.lines as u64 / (self.plan.faults.len() + AGAIN_MAX + 1) as u64;
        let (began, start) = (Instant::now(), slice * self.marks.len() as u64);
        self.feeder.allow(start + slice / 2);
        let fed = || (self.feeder.sent() >= start + slice / 3).then_some(());
        eventually("lines to go out", PATIENCE, fed);
        self.marks.push(self.ends());
        let time = self.began.elapsed();
        let seen = self.strike(fault, start + slice);
        let is_seen = seen.is_some();
        self.summary.saw(time, fault, began.elapsed(), seen);
        self.look_after();
        std::thread::sleep(self.plan.every.saturating_sub(began.elapsed()));
        is_seen
    }

    /// Does it, lets the rest of the slice flow meanwhile, and waits until every partition moves again. Tells what was
    /// seen of it; `None` when nothing was.
    fn strike(&mut self, fault: Fault, to: u64) -> Option<String> {
        match fault {
            Fault::Kill => {
                let slot = self.any();
                self.feeder.allow(to);
                let before = self.die(slot, |daemon| daemon.signal("KILL"))?;
                self.begin(slot);
                Some(self.recover(before))
            }
            Fault::KillAt(api) => self.kill_at(api, to),
            Fault::Pause | Fault::Blink => self.pause(fault, to),
            Fault::Roll => {
                let slot = self.any();
                self.feeder.allow(to);
                let seen = self.leave(slot);
                self.begin(slot);
                self.wait_ready(slot);
                seen
            }
            Fault::Join => {
                let Some(slot) = self.daemons.iter().position(Option::is_none) else {
                    return self.strike(Fault::Roll, to);
                };
                self.feeder.allow(to);
                self.begin(slot);
                self.wait_ready(slot);
                let own = || self.daemon(slot).metric("fingerpost_assigned_partitions").filter(|own| *own > 0.0);
                let own = eventually("partitions for the one that joined", PATIENCE, own);
                Some(format!("it has {own} of {} partitions", self.plan.feed.partitions))
            }
            Fault::Leave if self.living().len() == 1 => self.strike(Fault::Join, to),
            Fault::Leave => {
                let slot = self.any();
                self.feeder.allow(to);
                let seen = self.leave(slot);
                let before = self.ends();
                Some(format!("{}; {}", seen?, self.recover((Instant::now(), before))))
            }
            Fault::BrokerKill | Fault::BrokerRoll | Fault::BrokerFreeze => self.broker(fault, to),
            Fault::Resets | Fault::Blackhole | Fault::Slow => self.network(fault, to),
            Fault::Rights => self.rights(to),
        }
    }

    fn kill_at(&mut self, api: i16, to: u64) -> Option<String> {
        let slot = self.any();
        let pid = self.daemon(slot).pid().to_string();
        let moment = if self.random.bool() { Moment::Before } else { Moment::After };
        // Whoever sends the request, this one dies; with several daemons that is somebody else's moment at times.
        let pids = pid.clone();
        for door in self.cluster.doors() {
            let pid = pids.clone();
            door.trap(api, moment, move || {
                let _ = std::process::Command::new("kill").args(["-KILL", &pid]).status();
            });
        }
        self.feeder.allow(to);
        let before = self.die(slot, |_| ());
        let sprung = self.cluster.doors().filter(|door| door.disarm()).count();
        self.begin(slot);
        let recovered = self.recover(before?);
        (sprung > 0).then(|| format!("{moment:?} the broker had it; {recovered}"))
    }

    fn pause(&mut self, fault: Fault, to: u64) -> Option<String> {
        let slot = self.any();
        let time =
            if fault == Fault::Pause { self.plan.session + Duration::from_secs(2) } else { Duration::from_secs(1) };
        let warned = self.warnings(slot);
        self.daemon(slot).signal("STOP");
        self.feeder.allow(to);
        std::thread::sleep(time);
        self.daemon(slot).signal("CONT");
        let before = (Instant::now(), self.ends());
        let recovered = self.recover(before);
        // Whoever stood still for long learns of it from the group, or from its transaction, when it gets to it.
        let notices = || Some(self.warnings(slot).saturating_sub(warned)).filter(|notices| *notices > 0);
        let patience = if fault == Fault::Pause { NOTICE } else { Duration::ZERO };
        let notices = within(patience, notices).unwrap_or(0);
        (fault == Fault::Blink || notices > 0).then(|| format!("{time:?}, {notices} warnings in its log; {recovered}"))
    }

    fn broker(&mut self, fault: Fault, to: u64) -> Option<String> {
        let node = &self.cluster.nodes[self.random.usize(..self.cluster.nodes.len())];
        let down = Instant::now();
        match fault {
            Fault::BrokerKill => node.kill(),
            Fault::BrokerRoll => node.down(),
            _ => assert!(node.signal("STOP")),
        }
        self.feeder.allow(to);
        if fault == Fault::BrokerFreeze {
            std::thread::sleep(Duration::from_secs(self.random.u64(3..9)));
            node.signal("CONT");
        } else {
            // An only broker that is back sooner takes up its transactions before its partitions have a leader again, and
            // Kafka 4.3 leaves them open for ever then: see tests/FAULTS.md.
            let unnoticed = self.plan.brokers == 1 && fault == Fault::BrokerKill;
            std::thread::sleep(Duration::from_secs(2) + if unnoticed { NOTICED } else { Duration::ZERO });
            node.up();
        }
        let down = down.elapsed();
        let before = (Instant::now(), self.ends());
        let recovered = self.recover(before);
        self.heal();
        Some(format!("away for {:.1} s; {recovered}", down.as_secs_f64()))
    }

    /// Waits until every partition has all its copies: a second broker that goes before may leave one without a leader.
    fn heal(&self) {
        eventually("all copies of all partitions", PATIENCE, || {
            let metadata = self.reader.fetch_metadata(None, Duration::from_secs(5)).ok()?;
            let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
            partitions.all(|partition| partition.isr().len() == partition.replicas().len()).then_some(())
        });
    }

    fn network(&mut self, fault: Fault, to: u64) -> Option<String> {
        let disturbed = || self.cluster.doors().map(|door| door.disturbed()).sum::<u64>();
        let earlier = disturbed();
        let time = match fault {
            Fault::Resets => {
                self.cluster.doors().for_each(|door| door.reset_after(200_000));
                3
            }
            Fault::Blackhole => {
                self.cluster.pass(Way::Lost, Way::Lost);
                5
            }
            _ => {
                let way = Way::Slow(Duration::from_millis(10), Duration::from_millis(80));
                self.cluster.pass(way, way);
                3
            }
        };
        self.feeder.allow(to);
        std::thread::sleep(Duration::from_secs(time));
        self.cluster.doors().for_each(|door| door.mend());
        if fault == Fault::Blackhole {
            // What was swallowed can never be made good on the same connection.
            self.cluster.doors().for_each(|door| door.reset());
        }
        let count = disturbed() - earlier;
        let before = (Instant::now(), self.ends());
        let recovered = self.recover(before);
        (count > 0).then(|| format!("{count} pieces or connections for {time} s; {recovered}"))
    }

    /// Whoever starts daemons anew does so once they may write again.
    fn rights(&mut self, to: u64) -> Option<String> {
        let (broker, output) = (self.cluster.nodes[0].address(), self.stage.output());
        admin::forbid_writing(&broker, &output);
        self.feeder.allow(to);
        let grant = format!("topic {output} is not allowed; grant WRITE on it");
        let living = self.living();
        for slot in &living {
            let mut daemon = self.daemons[*slot].take().unwrap();
            let status = daemon.wait(PATIENCE);
            if status.code() != Some(69) || !daemon.log().contains(&grant) {
                self.summary.surprises.push(format!("without rights it ended with {status}: {}", tail(&daemon)));
            }
        }
        admin::let_write(&broker, &output);
        living.iter().for_each(|slot| self.begin(*slot));
        let recovered = self.recover((Instant::now(), self.ends()));
        Some(format!("{} ended with 69; {recovered}", living.len()))
    }

    // --- daemons ---

    fn begin(&mut self, slot: usize) {
        let instance = format!("slot-{slot}");
        let variables = [("FINGERPOST_DELIVERY_INSTANCE", instance.as_str())];
        let known = super::knows("delivery.instance");
        self.daemons[slot] = Some(self.stage.start_as(if known { &variables } else { &[] }));
    }

    fn daemon(&self, slot: usize) -> &Daemon {
        self.daemons[slot].as_ref().unwrap()
    }

    fn living(&self) -> Vec<usize> {
        (0..SLOTS).filter(|slot| self.daemons[*slot].is_some()).collect()
    }

    fn any(&mut self) -> usize {
        let living = self.living();
        living[self.random.usize(..living.len())]
    }

    fn wait_ready(&self, slot: usize) {
        self.daemon(slot).wait_ready();
    }

    /// Takes a daemon away by force; the moment, and where the output ended then.
    fn die(&mut self, slot: usize, how: impl Fn(&Daemon)) -> Option<(Instant, Vec<i64>)> {
        let mut daemon = self.daemons[slot].take().unwrap();
        how(&daemon);
        let deadline = Instant::now() + Duration::from_secs(20);
        while daemon.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let died = Instant::now();
        let by_signal = daemon.ended().is_some_and(|status| status.code().is_none());
        // What it had sent already is still being written.
        std::thread::sleep(Duration::from_millis(100));
        by_signal.then(|| (died, self.ends()))
    }

    /// Takes a daemon away by SIGTERM.
    fn leave(&mut self, slot: usize) -> Option<String> {
        let mut daemon = self.daemons[slot].take().unwrap();
        let began = Instant::now();
        daemon.signal("TERM");
        // One that had not begun yet has nothing to drain, and just ends.
        let is_drained = || {
            let says_so = daemon.log().contains("drained: what was read is published and committed");
            (says_so || daemon.ended().is_some()).then_some(())
        };
        eventually("a daemon to drain", Duration::from_secs(30), is_drained);
        let drained = began.elapsed();
        let status = daemon.wait(Duration::from_secs(30));
        let took = began.elapsed();
        self.summary.drains.push(drained);
        self.summary.leavings.push(took);
        let is_undone = status.code() == Some(75);
        if is_undone && self.plan.feed.refused > 0 && left_with_lines_to_do(&daemon) {
            self.summary.amid_refusals += 1;
        } else if is_undone && self.plan.mode == Mode::ExactlyOnce && undone_while_leaving(&daemon) {
            self.summary.undone += 1;
        } else if !matches!(status.code(), Some(0)) {
            self.summary.surprises.push(format!("SIGTERM ended with {status} after {took:?}: {}", tail(&daemon)));
        }
        let (drained, took) = (drained.as_secs_f64(), took.as_secs_f64());
        Some(format!("drained after {drained:.2} s, exit {} after {took:.2} s", status.code()?))
    }

    /// Daemons that ended by themselves are replaced, and remembered.
    fn look_after(&mut self) {
        for slot in self.living() {
            let Some(status) = self.daemons[slot].as_mut().and_then(Daemon::ended) else { continue };
            let words = tail(self.daemon(slot));
            // A transactional call that hangs for twice the transaction's time, as it does without a broker, has no
            // other end than this one.
            if self.plan.mode == Mode::ExactlyOnce && words.contains("the Kafka client hangs") {
                self.summary.hung += 1;
            } else {
                self.summary.surprises.push(format!("a daemon ended by itself with {status}: {words}"));
            }
            self.begin(slot);
        }
    }

    fn warnings(&self, slot: usize) -> usize {
        self.daemon(slot).log().matches("\"level\":\"WARN\"").count()
    }

    // --- offsets ---

    /// Where every partition of the output ends.
    fn ends(&self) -> Vec<i64> {
        self.ends_of(&self.stage.output())
    }

    fn ends_of(&self, topic: &str) -> Vec<i64> {
        let patience = Duration::from_secs(2);
        let ends = |reader: &BaseConsumer| -> KafkaResult<Vec<i64>> {
            (0..self.plan.feed.partitions).map(|p| Ok(reader.fetch_watermarks(topic, p as i32, patience)?.1)).collect()
        };
        eventually("the ends of a topic", PATIENCE, || {
            let error = match ends(&self.reader) {
                Ok(ends) => return Some(ends),
                Err(error) => error,
            };
            // A client that was there when a broker went and came has been seen to ask it for nothing any more.
            println!("{}: the ends of {topic} from a new client, as {error}", self.plan.name);
            ends(&self.stage.reader()).ok()
        })
    }

    /// Waits until every partition has moved from where it was, or has nothing left to do; how long that took from then.
    fn recover(&mut self, (since, before): (Instant, Vec<i64>)) -> String {
        let partitions = self.plan.feed.partitions;
        let deadline = since + PATIENCE;
        loop {
            let now = self.ends();
            let still: Vec<usize> = (0..partitions).filter(|p| now[*p] <= before[*p]).collect();
            if still.is_empty() || self.done(&still) {
                break;
            }
            self.look_after();
            if Instant::now() > deadline {
                let logs: Vec<String> = self.living().into_iter().map(|slot| tail(self.daemon(slot))).collect();
                panic!("partitions {still:?} do not move {PATIENCE:?} after the fault\n{}", logs.join("\n---\n"));
            }
        }
        let took = since.elapsed();
        self.summary.recoveries.push(took);
        format!("all partitions moved {:.1} s later", took.as_secs_f64())
    }

    /// Whether these partitions of the input are read and committed to their ends.
    fn done(&self, partitions: &[usize]) -> bool {
        let partition_count = self.plan.feed.partitions as i32;
        let Some(committed) = committed(&self.reader, &self.stage.name, partition_count) else { return false };
        let ends = self.ends_of(&self.stage.name);
        partitions.iter().all(|p| committed[*p].unwrap_or(0) == ends[*p])
    }

    // --- the end ---

    fn end(mut self) -> Summary {
        let (feed, calm) = (self.plan.feed, Instant::now());
        self.feeder.finish();
        let all: Vec<usize> = (0..feed.partitions).collect();
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            self.look_after();
            let ends = self.ends_of(&self.stage.name);
            let fed = all.iter().all(|p| ends[*p] >= feed.length(*p) as i64);
            if fed && self.done(&all) {
                break;
            }
            assert!(Instant::now() < deadline, "not drained within 10 min after the last fault");
            std::thread::sleep(Duration::from_millis(100));
        }
        self.summary.drained = calm.elapsed();
        self.summary.flowed = self.began.elapsed();
        if feed.wild.is_some() {
            self.summary.alerted = Alerted::on(&self.stage, feed.partitions);
            self.look_after();
        }
        for slot in self.living() {
            self.summary.rss_kib = self.summary.rss_kib.max(self.daemon(slot).peak_rss_kib());
            self.summary.reloads += self.daemon(slot).metric("fingerpost_pack_reloads_total").unwrap_or(0.0) as usize;
            self.leave(slot);
        }
        let Self { stage, feeder, swapper, marks, mut summary, .. } = self;
        drop(swapper);
        drop(feeder);
        let checking = Instant::now();
        let verdict = Verdict::on(&stage, feed, super::knows("state.topic"));
        summary.judged(verdict, &marks, checking.elapsed());
        summary
    }
}

/// The configuration of every daemon of a run.
fn stage(plan: &Plan, cluster: &Cluster) -> Stage {
    let mut stage = Stage::new(&cluster.address(), plan.name);
    // As it is by default, since rebalances among faults wait as long.
    stage.shutdown_timeout = None;
    let Stage { broker, config, name, .. } = &mut stage;
    // The daemons come through the doors, everybody else does not.
    *config = config.replace(&*broker, &cluster.door(0).replace(',', "\", \""));
    *config = config.replace("bootstrap_servers = \"", "bootstrap_servers = [\"");
    *config = config.replacen("\"\ngroup_id", "\"]\ngroup_id", 1);
    let millis = plan.session.as_millis();
    let group = match plan.assignor {
        "consumer" => "group.protocol = \"consumer\"\n".to_owned(),
        assignor => format!(
            "partition.assignment.strategy = \"{assignor}\"\n\"session.timeout.ms\" = {millis}\n\
             \"heartbeat.interval.ms\" = {}\n",
            millis / 5
        )
        .replacen("partition.assignment.strategy", "\"partition.assignment.strategy\"", 1),
    };
    *config += &format!("[input.options]\n{group}\"max.poll.interval.ms\" = {}\n", (millis * 3).max(20_000));
    *config += &format!("[delivery]\nmode = \"{}\"\n", plan.mode.word());
    if super::knows("state.topic") {
        *config += &format!("[state]\ntopic = \"{name}.state\"\n");
    }
    *config += &format!("[dead_letter]\ntopic = \"{name}.dead\"\n");
    lay_out_packs(&mut stage);
    if plan.feed.wild.is_some() {
        counted::turn_on(&mut stage);
    }
    stage
}

/// Daemons of this stage have the shipped packs in a directory of their own.
pub(crate) fn lay_out_packs(stage: &mut Stage) {
    let packs = stage.dir.join("packs");
    fs::create_dir(&packs).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("patterns")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), packs.join(entry.file_name())).unwrap();
    }
    stage.config += &format!("[packs]\ndir = \"{}\"\n", packs.display());
}

/// The last words of a daemon.
fn tail(daemon: &Daemon) -> String {
    let log = daemon.log();
    let lines: Vec<&str> = log.lines().rev().filter(|line| !line.contains("DEBUG")).take(6).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// So many of each, in an order that the seed decides, but each kind at least once before any comes twice.
pub(crate) fn mixed(seed: u64, count: usize, kinds: &[Fault]) -> Vec<Fault> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut faults = Vec::new();
    while faults.len() < count {
        let mut round = kinds.to_vec();
        random.shuffle(&mut round);
        faults.extend(round);
    }
    faults.truncate(count);
    faults
}

/// Faults by kind.
pub(crate) fn by_kind(faults: &[Fault]) -> BTreeMap<Fault, usize> {
    faults.iter().fold(BTreeMap::new(), |mut kinds, fault| {
        *kinds.entry(*fault).or_default() += 1;
        kinds
    })
}

/// Whether the last transaction of a daemon that was asked to stop came to no good end: in the middle of a rebalance the
/// group does not take its offsets, and a coordinator may not answer in time. Its lines are for whoever has the partitions
/// then.
pub(crate) fn undone_while_leaving(daemon: &Daemon) -> bool {
    let log = daemon.log();
    let end = log.rsplit_once("stopping: draining").map_or("", |(_, end)| end);
    end.contains("a transaction has to be aborted") || end.contains("it is not known how a transaction ended")
}

/// Whether a daemon that was asked to stop left lines for whoever has the partitions then, and said so. Where lines are
/// refused it may: what was refused goes out again line by line, which takes longer than leaving may. No line refused, it
/// is a surprise.
fn left_with_lines_to_do(daemon: &Daemon) -> bool {
    let log = daemon.log();
    let end = log.rsplit_once("stopping: draining").map_or("", |(_, end)| end);
    end.contains("not everything was acknowledged and committed in time")
}
