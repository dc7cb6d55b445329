//! The fault matrix, a test for each row that the chaos runs do not cover, named after it. `tests/FAULTS.md` is the whole
//! table.
//!
//! The tests share one broker; each comes to it through a door of its own and so has the network to itself.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};

use super::cluster::{Cluster, NEVER_KILLED};
use super::feed::{BASE, Feed, Feeder};
use super::it::records::Record;
use super::it::stage::{Daemon, PATIENCE, Stage, eventually, within};
use super::knows;
use super::proxy::Proxy;
use super::run::Mode;
use super::verdict::Verdict;

mod input;
mod network;
mod patterns;
mod places;
mod process;
mod refusals;
mod rights;
mod topics;
mod transactions;

/// Doors of the broker that all share.
const DOORS: usize = 80;
/// The group's session timeout in these tests.
const SESSION: Duration = Duration::from_secs(2);
const BOTH: [Mode; 2] = [Mode::AtLeastOnce, Mode::ExactlyOnce];

fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(1, DOORS, NEVER_KILLED)).as_ref()
}

/// A stage whose daemons come through a door of its own, and lines to send.
struct Scene<'c> {
    stage: Stage,
    door: &'c Proxy,
    feed: Feed,
}

impl Scene<'_> {
    /// On the cluster that the tests share. `None`, after having said so, where no broker can run.
    fn new(test: &str, mode: Mode, lines: usize) -> Option<Scene<'static>> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Some(Scene::on(cluster()?, NEXT.fetch_add(1, Ordering::Relaxed), test, mode, lines))
    }

    /// Through this door of the first broker.
    fn on<'c>(cluster: &'c Cluster, door: usize, test: &str, mode: Mode, lines: usize) -> Scene<'c> {
        let door = &cluster.nodes[0].doors[door];
        let mut stage = Stage::new(&cluster.address(), test);
        // As it is by default, since rebalances among faults wait as long.
        stage.shutdown_timeout = None;
        stage.config = stage.config.replace(&stage.broker, &format!("127.0.0.1:{}", door.port));
        stage.config += &format!("[delivery]\nmode = \"{}\"\n", mode.word());
        stage.config += &format!(
            "[input.options]\n\"session.timeout.ms\" = {}\n\"heartbeat.interval.ms\" = 400\n\"topic.metadata.refresh.interval.ms\" = 1000\n",
            SESSION.as_millis()
        );
        if knows("state.topic") {
            stage.config += &format!("[state]\ntopic = \"{}.state\"\n", stage.name);
        }
        let feed = Feed { seed: 7, partitions: 2, lines, refused: 0, wild: None };
        stage.create(&stage.name, feed.partitions as i32, &[]);
        stage.create(&stage.output(), feed.partitions as i32, &[]);
        Scene { stage, door, feed }
    }

    /// Its daemons have time: a session that ends because the machine is busy would repeat lines, rightly.
    fn patient(mut self) -> Self {
        let session = format!("\"session.timeout.ms\" = {}\n", SESSION.as_millis());
        assert!(self.stage.config.contains(&session));
        self.stage.shutdown_timeout = Some("30s");
        self.stage.config = self.stage.config.replace(&session, "\"session.timeout.ms\" = 30000\n");
        self
    }

    /// Sends the lines in the background, as far as they are let.
    fn feeder(&self) -> Feeder {
        Feeder::start(self.feed, &self.stage)
    }

    /// Sends all lines.
    fn feed(&self) {
        let mut feeder = self.feeder();
        feeder.allow(u64::MAX);
        feeder.finish();
    }

    /// Starts a daemon that keeps its name from one start to the next.
    fn start(&self) -> Daemon {
        self.stage.start_as(&[("FINGERPOST_DELIVERY_INSTANCE", "only")])
    }

    fn started(&self) -> Daemon {
        let daemon = self.start();
        daemon.wait_ready();
        daemon
    }

    /// Lines on the output.
    fn out(&self) -> i64 {
        self.stage.ends(&self.stage.output()).iter().map(|(_, end)| end).sum()
    }

    /// Lets lines go, up to so many, and waits until some of them are out.
    fn flow(&self, feeder: &Feeder, lines: usize) {
        let before = self.out();
        feeder.allow(lines as u64);
        eventually("lines to move", Duration::from_secs(60), || (self.out() > before).then_some(()));
    }

    /// Waits until all that the input has is committed.
    fn drained(&self) {
        self.drained_while(|| ());
    }

    /// The same under one daemon, started anew where its watchdog has ended it: a transactional call that hangs for twice the
    /// transaction's time, as it does without a broker and on a busy machine, has no other end.
    fn drained_under(&self, daemon: &mut Daemon) {
        self.drained_while(|| {
            let was_ended = daemon.ended().is_some_and(|status| status.code() == Some(70));
            if was_ended && daemon.log().contains("the Kafka client hangs") {
                *daemon = self.start();
            }
        });
    }

    fn drained_while(&self, mut meanwhile: impl FnMut()) {
        let ends: Vec<i64> = self.stage.ends(&self.stage.name).iter().map(|(_, end)| *end).collect();
        assert!(ends.iter().sum::<i64>() >= self.feed.lines as i64, "the input has {ends:?}");
        let committed = || -> Vec<i64> {
            let committed = self.stage.committed(&self.stage.name, ends.len() as i32);
            committed.into_iter().map(|offset| offset.unwrap_or(0)).collect()
        };
        let is_drained = within(PATIENCE, || {
            meanwhile();
            (committed() == ends).then_some(())
        });
        if is_drained.is_none() {
            panic!("committed {:?} of {ends:?}\n{}", committed(), self.stage.logs());
        }
    }

    /// Everything is there, in order, and as it must be; how many lines were repeated.
    fn verify(&self) -> usize {
        let verdict = Verdict::on(&self.stage, self.feed, knows("state.topic"));
        assert_eq!((verdict.lost, verdict.out_of_order), (0, 0), "lost, out of order");
        assert!(verdict.wrong.is_empty(), "{:#?}", verdict.wrong);
        verdict.repeats()
    }

    /// The same, and nothing was repeated where that is promised.
    fn verify_as(&self, mode: Mode) {
        let repeats = self.verify();
        assert!(mode == Mode::AtLeastOnce || repeats == 0, "{repeats} repeated");
    }

    fn committed(&self) -> i64 {
        self.stage.committed(&self.stage.name, self.feed.partitions as i32).into_iter().flatten().sum()
    }

    /// Does something with topics, and waits for it.
    fn administer<F: Future>(
        &self,
        what: impl FnOnce(AdminClient<DefaultClientContext>, AdminOptions) -> F,
    ) -> F::Output {
        let admin: AdminClient<DefaultClientContext> = self.stage.client().create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(120)));
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(what(admin, options))
    }

    /// Deletes a topic; back when it is gone.
    fn delete(&self, topic: &str) {
        self.administer(async |admin, options| {
            admin.delete_topics(&[topic], &options).await.unwrap().remove(0).unwrap();
        });
        let reader = self.stage.reader();
        eventually("the topic to be gone", PATIENCE, || {
            let metadata = reader.fetch_metadata(None, PATIENCE).ok()?;
            (!metadata.topics().iter().any(|known| known.name() == topic)).then_some(())
        });
    }

    /// The first records of partition 0 of the output; a later one may have headers that this client cannot read.
    fn first_of_output(&self, count: usize) -> Vec<Record> {
        let reader = self.stage.reader();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.stage.output(), 0, Offset::Beginning).unwrap();
        reader.assign(&list).unwrap();
        let one = || reader.poll(Duration::from_millis(100)).map(|message| Record::of(&message.unwrap()));
        (0..count).map(|_| eventually("a record of the output", Duration::from_secs(20), one)).collect()
    }

    /// Sends records of a test's own to partition 0.
    fn send(&self, records: &[Record]) {
        let producer = self.stage.producer();
        records.iter().for_each(|record| record.send(&producer, &self.stage.name, 0));
        producer.flush(Duration::from_secs(120)).unwrap();
    }
}

/// Whether this program is installed; says so when it is not.
fn installed(program: &str) -> bool {
    let found = std::process::Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    if !found.status.success() {
        super::it::skip::skipped(&format!("faults: {program} is not installed"));
    }
    found.status.success()
}
