//! The worker, as it is shipped, on an in-memory Kafka on which everything goes wrong that may.
//!
//! A seed is a history: how the flow is set up, which lines come, what fails when, who is given which turn. Workers are
//! stepped one by one, in an order that the seed decides; any of their calls may be their last. When the last fault is
//! over, everything must drain. What must hold all the while is written in `memory::audit`.
//!
//! A seed that fails prints itself and its history, one line per event. `FINGERPOST_SIM_SEED=n` runs that one alone,
//! `FINGERPOST_SIM_SEEDS=n` runs so many (2,000 unless told), `FINGERPOST_SIM_FIRST=n` begins elsewhere.

mod lines;
mod plan;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::watch;

use super::memory::audit::Audit;
use super::memory::planted::{LyingSink, LyingSource, Planted, plant};
use super::memory::{Member, Producer, Rates, Shared, World};
use super::shutdown::{StopFlag, Turn};
use super::state::Recalled;
use super::status::Status;
use super::takes::{Told, Written};
use super::transport::{Partition, To};
use super::worker::Worker;
use super::{Failure, Mode, RefusedTime};
use crate::engine::Engine;
use crate::telemetry::caught;
use lines::ENGINES;
use plan::{Fault, Plan, Tells};

/// Turns that everything takes at most to drain once nothing fails any more.
const TURNS_MAX: usize = 300_000;
/// So often may a name be fenced before a worker may say that it has a rival.
const FENCED_MAX: u64 = 3;

/// A process with one worker.
struct Process {
    worker: Option<(Worker<LyingSink>, LyingSource)>,
    client: usize,
    /// The transactional names of its two producers.
    tids: Option<[usize; 2]>,
    stop: StopFlag,
    /// Frozen until then, or started again then.
    until: u64,
    is_frozen: bool,
}

/// One seed's history.
struct Simulation {
    plan: Plan,
    planted: Planted,
    world: Shared,
    rng: Rng,
    rules: watch::Sender<Arc<Engine>>,
    status: Status,
    /// What the brokers tell of the topics.
    written: Written,
    processes: Vec<Process>,
    reloads: usize,
}

/// What came of a seed.
struct Ended {
    finding: Option<String>,
    seen: BTreeMap<&'static str, u64>,
    story: Vec<String>,
}

impl Simulation {
    fn new(seed: u64, planted: Planted, tells: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::new(&mut rng);
        Self::of(plan, rng, planted, tells)
    }

    fn of(plan: Plan, mut rng: Rng, planted: Planted, tells: bool) -> Self {
        let inputs = lines::write(&mut rng, plan.mix);
        let unseen = lines::unseen(&mut rng, plan.mix, &inputs);
        let expected = lines::expect(&inputs, &plan.settings, plan.route);
        let mut audit = Audit::new(expected, plan.route.partitions, plan.settings.dead_letter.is_some());
        audit.at_now = plan.settings.output.refused_time == RefusedTime::Now;
        audit.matches_partitions = plan.route.matches_partitions;
        let mode = plan.settings.delivery.mode;
        let mut world = World::new(rng.fork(), mode, plan.cooperative, inputs, audit);
        world.rates = plan.rates;
        world.unseen = unseen;
        world.story = tells.then(Vec::new);
        let (rules, _) = watch::channel(ENGINES[0].clone());
        let first = if plan.tells == Tells::Asked { Told::default() } else { plan.tells.told() };
        let written = Written::new(first);
        Self {
            plan,
            planted,
            world: Rc::new(RefCell::new(world)),
            rng,
            rules,
            status: Status::default(),
            written,
            processes: Vec::new(),
            reloads: 0,
        }
    }

    fn run(mut self) -> Ended {
        for _ in 0..self.plan.settings.delivery.workers {
            self.start(None);
        }
        self.suffer();
        self.recover();
        self.finish();
        let world = &mut *self.world.borrow_mut();
        Ended {
            finding: world.audit.finding.take(),
            seen: std::mem::take(&mut world.seen),
            story: world.story.take().unwrap_or_default(),
        }
    }

    fn is_over(&self) -> bool {
        self.world.borrow().audit.finding.is_some()
    }

    /// Starts a process, under the transactional names of an earlier one or under new ones.
    fn start(&mut self, tids: Option<[usize; 2]>) {
        let settings = &self.plan.settings;
        let source = Member::new(&self.world, settings.delivery.in_flight);
        let tids = (settings.delivery.mode == Mode::ExactlyOnce)
            .then(|| tids.unwrap_or_else(|| [0, 1].map(|_| self.world.borrow_mut().broker.name())));
        let client = source.client;
        let sink = |tid| Producer::new(&self.world, client, tid, self.plan.queue_limit);
        let sinks = match tids {
            None => (sink(None), None),
            Some([one, other]) => (sink(Some(one)), Some(sink(Some(other)))),
        };
        let (source, sinks) = plant(self.planted, source, sinks);
        let stop = StopFlag::default();
        let now = self.world.borrow().instant();
        let status = self.status.add_worker();
        let to = (self.plan.route, self.written.clone());
        let worker = Worker::new(self.rules.subscribe(), settings, to, sinks, status, stop.clone(), now);
        let worker = Some((worker, source));
        self.processes.push(Process { worker, client, tids, stop, until: 0, is_frozen: false });
    }

    /// The time in which things go wrong.
    fn suffer(&mut self) {
        let mut faults = std::mem::take(&mut self.plan.faults).into_iter().peekable();
        for _ in 0..TURNS_MAX {
            if self.is_over() {
                return;
            }
            let now = self.world.borrow().now;
            while let Some((_, fault)) = faults.next_if(|(at, _)| *at <= now) {
                self.strike(fault);
            }
            if faults.peek().is_none() && now >= self.plan.mix.horizon {
                return;
            }
            self.turn();
        }
        self.world.borrow_mut().find("the time does not pass".to_owned());
    }

    fn some_runner(&mut self) -> Option<usize> {
        let runs = |(_, process): &(usize, &Process)| process.worker.is_some() && !process.is_frozen;
        let runners: Vec<usize> = self.processes.iter().enumerate().filter(runs).map(|(one, _)| one).collect();
        self.rng.choice(runners)
    }

    fn strike(&mut self, fault: Fault) {
        let Some(one) = self.some_runner() else { return };
        let client = self.processes[one].client;
        let now = self.world.borrow().now;
        self.world.borrow_mut().tell("fault", || format!("{fault:?} (w{client})"));
        match fault {
            Fault::Crash(calls) => self.world.borrow_mut().crash = Some((client, calls)),
            Fault::Stop => {
                self.world.borrow_mut().count("stops");
                self.processes[one].stop.raise();
            }
            Fault::Freeze(time) => {
                self.world.borrow_mut().stop(client);
                self.processes[one].is_frozen = true;
                self.processes[one].until = now + time;
            }
            Fault::Join if self.processes.iter().filter(|process| process.worker.is_some()).count() < 4 => {
                self.world.borrow_mut().count("workers added");
                self.start(None);
            }
            Fault::Join | Fault::Rebalance => self.world.borrow_mut().rebalance(),
            Fault::Evict => self.world.borrow_mut().evict(client),
            Fault::Reload => {
                self.reloads += 1;
                self.world.borrow_mut().count("reloads");
                self.rules.send_replace(ENGINES[self.reloads % 2].clone());
            }
            Fault::Stall(time) => {
                let number = self.rng.i32(0..self.plan.route.partitions);
                self.world.borrow_mut().stall(To::Output, number, time);
            }
            Fault::Miss(time) => {
                let to = if self.rng.bool() { To::Output } else { To::DeadLetter };
                self.world.borrow_mut().miss(to, time);
            }
            Fault::Rival => {
                if let Some(tids) = self.processes[one].tids {
                    let tid = tids[self.rng.usize(..tids.len())];
                    self.world.borrow_mut().rival(tid);
                }
            }
        }
    }

    /// Gives somebody a turn.
    fn turn(&mut self) {
        self.look_after();
        if self.plan.tells == Tells::Asked && self.written.is_asked() {
            self.written.tell(self.plan.tells.told());
        }
        match self.some_runner() {
            Some(one) => self.step(one),
            None => self.world.borrow_mut().advance(Duration::from_millis(50)),
        }
    }

    /// Wakes who is frozen, starts who has ended.
    fn look_after(&mut self) {
        let now = self.world.borrow().now;
        for one in 0..self.processes.len() {
            let process = &mut self.processes[one];
            if process.until == 0 || now < process.until {
                continue;
            }
            process.until = 0;
            if std::mem::take(&mut process.is_frozen) {
                let client = process.client;
                self.world.borrow_mut().wake(client);
            } else if process.worker.is_none() {
                let tids = process.tids.filter(|_| self.plan.keeps_names);
                self.start(tids);
            }
        }
    }

    fn step(&mut self, one: usize) {
        let process = &mut self.processes[one];
        let Some((mut worker, source)) = process.worker.take() else { return };
        match caught(AssertUnwindSafe(|| worker.step(&source))) {
            Ok(Ok(Turn::On)) => process.worker = Some((worker, source)),
            Ok(Ok(Turn::Stop)) => self.leave(one, worker, source),
            Ok(Err(failure)) => {
                self.blame(one, &failure);
                self.leave(one, worker, source);
            }
            Err(panic) => self.died(one, &panic),
        }
    }

    /// A worker cannot go on; there must be a reason.
    fn blame(&mut self, one: usize, failure: &Failure) {
        let mut world = self.world.borrow_mut();
        let fenced = world.seen.get("producers fenced").copied().unwrap_or(0);
        if failure.message.contains("was fenced") && fenced > FENCED_MAX {
            world.count("rivals complained of");
            return;
        }
        let client = self.processes[one].client;
        world.find(format!("w{client} cannot go on: {failure}"));
    }

    fn leave(&mut self, one: usize, worker: Worker<LyingSink>, source: LyingSource) {
        match caught(AssertUnwindSafe(|| worker.leave(source, |_| ()))) {
            Ok(_) => {
                let pause = self.rng.u64(1_000..3_000_000);
                let mut world = self.world.borrow_mut();
                world.gone(self.processes[one].client);
                self.processes[one].until = world.now + pause;
            }
            Err(panic) => self.died(one, &panic),
        }
    }

    /// A process came to its end in the middle of something.
    fn died(&mut self, one: usize, panic: &str) {
        let client = self.processes[one].client;
        let mut world = self.world.borrow_mut();
        if world.is_alive(client) {
            world.find(format!("w{client} panicked: {panic}"));
        }
        let pause = if self.rng.bool() { self.rng.u64(1_000..1_000_000) } else { self.rng.u64(1_000..12_000_000) };
        self.processes[one].until = world.now + pause;
    }

    /// Nothing fails any more: everything must drain.
    fn recover(&mut self) {
        {
            let mut world = self.world.borrow_mut();
            world.tell("fault", || "nothing fails from now on".to_owned());
            world.rates = Rates::default();
            world.crash = None;
        }
        let mut turns = 0;
        while !self.is_over() && !self.is_drained() {
            self.turn();
            turns += 1;
            if turns > TURNS_MAX {
                let offsets = self.world.borrow().group.offsets.clone();
                self.world.borrow_mut().find(format!("it does not drain; the group has {offsets:?}"));
            }
        }
    }

    fn is_drained(&self) -> bool {
        let world = self.world.borrow();
        let is_committed = |(partition, offset): (usize, &Option<i64>)| *offset == world.end(partition, u64::MAX);
        world.broker.is_quiet() && world.group.offsets.iter().enumerate().all(is_committed)
    }

    /// Stops everybody, and looks at what is left.
    fn finish(&mut self) {
        for one in 0..self.processes.len() {
            let process = &mut self.processes[one];
            if process.is_frozen {
                self.world.borrow_mut().wake(process.client);
            }
            if let Some((worker, source)) = self.processes[one].worker.take().filter(|_| !self.is_over()) {
                self.leave(one, worker, source);
            }
        }
        if self.is_over() {
            return;
        }
        self.world.borrow_mut().check_end();
        self.check_state();
    }

    /// Whoever is given a partition next knows what its sources said.
    fn check_state(&self) {
        let mut wrong = None;
        let world = self.world.borrow();
        for (number, inputs) in world.inputs.iter().enumerate() {
            let partition = Partition { topic: super::memory::INPUT.into(), number: number as i32 };
            let end = inputs.last().map_or(0, |line| line.offset + 1);
            let mut memory = ENGINES[0].memory();
            memory.settle(end);
            let mut recalled = Recalled::default();
            for stored in world.broker.committed(To::State, number as i32) {
                let key = stored.key.as_deref().unwrap_or_default();
                recalled.take(&mut memory, &partition, key, stored.value.as_deref());
            }
            let (found, wanted) = (lines::sights(&mut memory, end), lines::sights(&mut lines::remember(inputs), end));
            if found != wanted || recalled.unreadable > 0 {
                wrong = Some(format!("the state of partition {number} is {found:?} and not {wanted:?}"));
            }
        }
        drop(world);
        if let Some(wrong) = wrong {
            self.world.borrow_mut().find(wrong);
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Runs seeds until one finds something; that one, or what was seen.
fn search(seeds: impl Iterator<Item = u64>, planted: Planted) -> Result<BTreeMap<&'static str, u64>, (u64, String)> {
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in seeds {
        let ended = Simulation::new(seed, planted, false).run();
        if let Some(finding) = ended.finding {
            return Err((seed, finding));
        }
        for (what, many) in ended.seen {
            *seen.entry(what).or_default() += many;
        }
    }
    Ok(seen)
}

/// What must have happened, or the simulation proves less than it says.
const MUST_HAPPEN: &[&str] = &[
    "assignments",
    "batches aborted while the one ahead was being committed",
    "batches failed with the next one open, fenced",
    "batches failed with the next one open, to be aborted",
    "batches failed with the next one open, unknown",
    "batches done late with the next one open",
    "batches refused without a culprit named",
    "batches done with the next one open",
    "commits done and not heard of",
    "commits refused or lost",
    "commits to be aborted",
    "compactions",
    "crashes",
    "dead letters",
    "frozen processes",
    "late ends done",
    "late ends refused",
    "lines known to be refused",
    "lines of partitions given up",
    "lines read again",
    "lines repeated",
    "matches",
    "members thrown out",
    "neighbours refused",
    "offsets of a zombie refused",
    "outcomes unknown",
    "partitions asked back",
    "partitions lost",
    "passing problems",
    "pauses",
    "positions behind what is no line",
    "producers ended by a refusal",
    "producers fenced",
    "producers renewed",
    "queue full",
    "records called back",
    "rebalances, cooperative",
    "rebalances, eager",
    "records for a failed transaction",
    "records for a producer that has ended",
    "records of a fenced producer",
    "records refused",
    "records without a topic",
    "reloads",
    "requests done late",
    "rewinds",
    "rivals",
    "stale lines",
    "stalls",
    "stops",
    "transactions aborted",
    "transactions committed",
    "transactions timed out",
    "watermarks",
    "workers added",
    "zombies",
];

const SEEDS: u64 = 2_000;

#[test]
fn nothing_is_lost_whatever_goes_wrong() {
    if let Some(seed) = variable("FINGERPOST_SIM_SEED") {
        let ended = Simulation::new(seed, Planted::Nothing, true).run();
        for line in &ended.story {
            println!("{line}");
        }
        assert_eq!(ended.finding, None, "seed {seed}");
        return;
    }
    let first = variable("FINGERPOST_SIM_FIRST").unwrap_or(0);
    let many = variable("FINGERPOST_SIM_SEEDS").unwrap_or(SEEDS);
    let seen = match search(first..first + many, Planted::Nothing) {
        Ok(seen) => seen,
        Err((seed, finding)) => {
            let story = Simulation::new(seed, Planted::Nothing, true).run().story;
            panic!(
                "{}\nseed {seed}: {finding}\nalone: FINGERPOST_SIM_SEED={seed} cargo test --lib simulation -- --nocapture",
                story.join("\n")
            );
        }
    };
    println!("{many} seeds from {first} on, and nothing found; what happened:");
    for (what, many) in &seen {
        println!("{many:>10}  {what}");
    }
    let missing: Vec<_> = MUST_HAPPEN.iter().filter(|what| !seen.contains_key(**what)).collect();
    assert!(missing.is_empty() || many < SEEDS, "these never happened: {missing:?}");
}

#[test]
fn a_seed_is_one_history() {
    for seed in 0..20 {
        let [one, other] = [0, 1].map(|_| Simulation::new(seed, Planted::Nothing, true).run().story);
        assert!(one == other, "seed {seed} has two histories");
    }
}

#[test]
fn of_two_rivals_for_the_same_names_one_goes_on() {
    let mut complaints = 0;
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::without_faults(Mode::ExactlyOnce, Duration::from_secs(30), &mut rng);
        let mut simulation = Simulation::of(plan, rng, Planted::Nothing, false);
        simulation.start(None);
        let names = simulation.processes[0].tids;
        simulation.start(names);
        simulation.recover();
        simulation.finish();
        let world = simulation.world.borrow();
        assert_eq!(world.audit.finding, None, "seed {seed}");
        let complained = world.seen.get("rivals complained of").copied().unwrap_or(0);
        assert!(complained <= 1, "seed {seed}: both gave up");
        complaints += complained;
    }
    assert!(complaints > 100, "in {complaints} of 200 they met");
}

/// What becomes of lines that the output refuses with a code that nobody knows for so long; the failure of the last worker.
fn strange_for(micros: u64, seed: u64) -> (Option<Failure>, Option<String>) {
    let mut rng = Rng::with_seed(seed);
    let plan = Plan::without_faults(Mode::ExactlyOnce, Duration::from_secs(1), &mut rng);
    let mut simulation = Simulation::of(plan, rng, Planted::Nothing, false);
    simulation.world.borrow_mut().strange_until = micros;
    simulation.start(None);
    let Some((mut worker, source)) = simulation.processes[0].worker.take() else { return (None, None) };
    let mut failure = None;
    while failure.is_none() && !simulation.is_over() && !simulation.is_drained() {
        match caught(AssertUnwindSafe(|| worker.step(&source))) {
            Ok(step) => failure = step.err(),
            // Something is wrong.
            Err(_) => break,
        }
    }
    let finding = simulation.world.borrow_mut().audit.finding.take();
    (failure, finding)
}

#[test]
fn a_code_that_nobody_knows_is_tried_again_and_not_for_ever() {
    for seed in 0..50 {
        let (failure, finding) = strange_for(500_000, seed);
        assert!(failure.is_none() && finding.is_none(), "seed {seed}: it passes: {failure:?} {finding:?}");
        let (failure, finding) = strange_for(u64::MAX, seed);
        let Some(failure) = failure else { panic!("seed {seed}: {finding:?}") };
        assert!(failure.message.contains("refused its record"), "seed {seed}: {failure}");
        assert!(failure.message.contains("eplication"), "seed {seed}: it names the code: {failure}");
    }
}

fn is_found(planted: Planted) {
    let found = search(0..SEEDS, planted).expect_err("the bug is not found");
    println!("{planted:?} is found by seed {}: {}", found.0, found.1);
}

#[test]
fn finds_a_producer_that_begins_again_after_an_unknown_outcome() {
    is_found(Planted::SameProducer);
}

#[test]
fn finds_a_producer_that_begins_again_after_a_refusal() {
    is_found(Planted::KeepTheGap);
}

#[test]
fn finds_neighbours_of_a_refused_record_that_are_taken_for_it() {
    is_found(Planted::BlameNeighbours);
}

#[test]
fn finds_records_that_overtake_refused_ones() {
    is_found(Planted::Overtake);
}

#[test]
fn finds_a_producer_that_goes_on_after_an_end_it_may_have_asked_for_twice() {
    is_found(Planted::LateIsDone);
}

#[test]
fn finds_a_batch_that_is_committed_before_the_one_ahead_of_it() {
    is_found(Planted::CommitTogether);
}

#[test]
fn finds_a_batch_that_outlives_the_one_ahead_of_it() {
    is_found(Planted::GoOnAfterAbort);
}

#[test]
fn finds_a_commit_of_the_last_line_acknowledged() {
    is_found(Planted::CommitLast);
}

#[test]
fn finds_a_commit_before_the_acknowledgement() {
    is_found(Planted::CommitEarly);
}

#[test]
fn finds_partitions_given_up_without_settling() {
    is_found(Planted::DropOnRevoke);
}

#[test]
fn finds_state_that_is_not_looked_up() {
    is_found(Planted::ForgetState);
}

#[test]
fn finds_matches_that_are_not_written() {
    is_found(Planted::LoseMatches);
}

#[test]
fn finds_watermarks_that_claim_too_much() {
    is_found(Planted::ClaimMore);
}

#[test]
fn finds_positions_of_an_earlier_reading() {
    is_found(Planted::OldPositions);
}

#[test]
fn finds_positions_that_are_committed_before_the_lines() {
    is_found(Planted::CommitPositions);
}

#[test]
fn finds_lines_taken_for_the_next() {
    is_found(Planted::TakeAnyLine);
}
