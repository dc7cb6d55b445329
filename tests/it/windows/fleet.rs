//! Three daemons at work on generated input, as far as pure code goes: readers that judge lines and send matches, counters
//! that turn the twelve partitions of the matches topic into alerts. They are killed, partitions are moved, a reader or
//! counter that lost its partition goes on for a while without knowing it, and what was sent and not committed is sent
//! again (at least once) or was never there (exactly once). Everything goes through the records' bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use fingerpost::alert::{Alerts, Bookmark, Clock, Limits, Place, Record, Settings, Watermark, Windows, partition_of};
use fingerpost::engine::{Countable, Engine};

use serde_json::Value as Json;

use super::brute::{Key, Stretch};
use super::lines::Written;

const DAEMONS: usize = 3;
const MATCHES: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    AtLeastOnce,
    ExactlyOnce,
}

pub(crate) struct Fleet<'a> {
    random: fastrand::Rng,
    mode: Mode,
    alerts: Arc<Alerts>,
    input: &'a [Vec<Written>],
    judged: Vec<Vec<Option<Countable>>>,
    readers: Vec<Reader>,
    counters: Vec<Counter>,
    topics: Topics,
    lost_some_counter: bool,
    /// How often something was killed or moved.
    pub(crate) faults: usize,
    pub(crate) too_late: BTreeSet<(usize, usize, usize)>,
}

/// What the brokers hold.
#[derive(Default)]
struct Topics {
    matches: Vec<Vec<Record>>,
    alerts: Vec<Vec<(String, String)>>,
    /// Offset and metadata of the readers' group.
    read: Vec<(usize, String)>,
    /// Offset and metadata of the counters' group.
    counted: Vec<Option<(i64, String)>>,
}

struct Reader {
    daemon: usize,
    /// It lost its partition and does not know it.
    is_lost: bool,
    input: usize,
    next: usize,
    clock: Clock,
    /// Sent and not on the topic yet, in order for each partition.
    unsent: Vec<VecDeque<Record>>,
}

struct Counter {
    daemon: usize,
    is_lost: bool,
    partition: usize,
    windows: Windows,
    next: usize,
    unsent: VecDeque<(String, String)>,
}

impl Counter {
    fn tell(&mut self) {
        for untold in self.windows.news() {
            let change = self.windows.in_words(&untold);
            assert_eq!(change.key(), untold.key());
            self.unsent.push_back((change.key(), change.to_json()));
        }
    }
}

/// The topic and partition of an input.
fn named(input: usize) -> (String, i32) {
    let topic = if input.is_multiple_of(2) { "logs" } else { "more" };
    (topic.to_owned(), i32::try_from(input / 2).unwrap())
}

/// As it comes out of the topic that it is written to.
fn through_bytes(record: &Record) -> Record {
    Record::from_json(record.to_json().as_bytes()).unwrap()
}

fn append_some<T>(random: &mut fastrand::Rng, unsent: &mut VecDeque<T>, topic: &mut Vec<T>) {
    let some = random.usize(0..=unsent.len());
    topic.extend(unsent.drain(..some));
}

/// How far on something was told of a stretch, and until when it fired by that.
type Word = ((i64, u64), Option<i64>);

impl<'a> Fleet<'a> {
    pub(crate) fn new(seed: u64, mode: Mode, engine: &Engine, input: &'a [Vec<Written>]) -> Self {
        let mut memory = engine.memory();
        memory.count_for_alerts();
        let mut judge =
            |written: &Written| engine.classify(written.payload().as_bytes(), None, &mut memory).countable.pop();
        let judged = input.iter().map(|partition| partition.iter().map(&mut judge).collect()).collect();
        let topics = Topics {
            matches: vec![Vec::new(); MATCHES],
            alerts: vec![Vec::new(); MATCHES],
            read: vec![(0, String::new()); input.len()],
            counted: vec![None; MATCHES],
        };
        let mut fleet = Self {
            random: fastrand::Rng::with_seed(seed),
            mode,
            alerts: Arc::new(Alerts::new(engine, Settings::default())),
            input,
            judged,
            readers: Vec::new(),
            counters: Vec::new(),
            topics,
            lost_some_counter: false,
            faults: 0,
            too_late: BTreeSet::new(),
        };
        (0..input.len()).for_each(|input| fleet.start_reader(input));
        (0..MATCHES).for_each(|partition| fleet.start_counter(partition));
        fleet
    }

    fn start_reader(&mut self, input: usize) {
        let (next, metadata) = &self.topics.read[input];
        self.readers.push(Reader {
            daemon: self.random.usize(0..DAEMONS),
            is_lost: false,
            input,
            next: *next,
            clock: Clock::from_metadata(metadata),
            unsent: vec![VecDeque::new(); MATCHES],
        });
    }

    fn start_counter(&mut self, partition: usize) {
        let bookmark = match &self.topics.counted[partition] {
            Some((next, metadata)) => Bookmark::from_metadata(*next, metadata),
            None => Bookmark::start(0),
        };
        let mut windows = Windows::new(Arc::clone(&self.alerts), Limits::default(), bookmark);
        let records = &self.topics.alerts[partition];
        // Compaction has been here, or not; but not where what a lost counter wrote late would be all that it leaves.
        let is_compacted = !self.lost_some_counter && self.random.bool();
        let last: BTreeMap<&String, usize> = records.iter().enumerate().map(|(at, (key, _))| (key, at)).collect();
        for (at, (key, value)) in records.iter().enumerate() {
            if !is_compacted || last[key] == at {
                windows.restore(key, Some(value.as_bytes())).unwrap();
            }
        }
        let daemon = self.random.usize(0..DAEMONS);
        let next = usize::try_from(bookmark.from).unwrap();
        self.counters.push(Counter { daemon, is_lost: false, partition, windows, next, unsent: VecDeque::new() });
    }

    /// Lets happen whatever happens.
    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.u32(0..200) {
                0..80 => self.some_reader(|fleet, reader| {
                    let lines = fleet.random.usize(1..20);
                    fleet.read(reader, lines);
                }),
                80..105 => self.some_reader(Self::settle),
                105..170 => self.some_counter(|fleet, counter| {
                    let records = fleet.random.usize(1..60);
                    fleet.count(counter, records);
                }),
                170..188 => self.some_counter(Self::commit),
                188..192 => self.kill(),
                192..196 => self.move_reader(),
                _ => self.move_counter(),
            }
        }
    }

    fn some_reader(&mut self, act: impl FnOnce(&mut Self, &mut Reader)) {
        let mut readers = std::mem::take(&mut self.readers);
        let index = self.random.usize(0..readers.len());
        act(self, &mut readers[index]);
        self.readers = readers;
    }

    fn some_counter(&mut self, act: impl FnOnce(&mut Self, &mut Counter)) {
        let mut counters = std::mem::take(&mut self.counters);
        let index = self.random.usize(0..counters.len());
        act(self, &mut counters[index]);
        self.counters = counters;
    }

    fn read(&mut self, reader: &mut Reader, lines: usize) {
        let lines = lines.min(self.input[reader.input].len() - reader.next);
        let (topic, partition) = named(reader.input);
        for at in reader.next..reader.next + lines {
            let written = &self.input[reader.input][at];
            reader.clock.see(written.timestamp);
            let Some(line) = &self.judged[reader.input][at] else { continue };
            let place = Place { topic: topic.clone(), partition, offset: i64::try_from(at).unwrap() };
            let counted = self.alerts.count(line, &place, written.timestamp, reader.clock);
            self.too_late.extend(counted.too_late.into_iter().map(|alert| (reader.input, at, alert)));
            for found in counted.matches {
                let to = partition_of(&found.key(), 12);
                reader.unsent[usize::try_from(to).unwrap()].push_back(through_bytes(&Record::Match(found)));
            }
        }
        reader.next += lines;
        if self.mode == Mode::AtLeastOnce {
            for (unsent, topic) in reader.unsent.iter_mut().zip(&mut self.topics.matches) {
                append_some(&mut self.random, unsent, topic);
            }
        }
    }

    /// Everything that was read is on the topic and committed; perhaps it is told how far that is. A reader that lost its
    /// partition commits nothing; exactly once, what it sent is not there either.
    fn settle(&mut self, reader: &mut Reader) {
        if reader.is_lost && self.mode == Mode::ExactlyOnce {
            reader.unsent.iter_mut().for_each(VecDeque::clear);
            return;
        }
        for (unsent, topic) in reader.unsent.iter_mut().zip(&mut self.topics.matches) {
            topic.extend(unsent.drain(..));
        }
        if !reader.is_lost {
            self.topics.read[reader.input] = (reader.next, reader.clock.to_metadata());
        }
        if self.random.u32(0..3) > 0 {
            self.tell(reader, MATCHES);
        }
    }

    fn tell(&mut self, reader: &Reader, partitions: usize) {
        let Some(clock) = reader.clock.now() else { return };
        let (topic, partition) = named(reader.input);
        let count = |topic: &str| (0..self.input.len()).filter(|input| named(*input).0 == topic).count();
        let inputs = ["logs", "more"].map(|topic| (topic.to_owned(), i32::try_from(count(topic)).unwrap()));
        let inputs = inputs.into_iter().filter(|(_, count)| *count > 0).collect();
        let offset = i64::try_from(reader.next).unwrap();
        let watermark = through_bytes(&Record::Watermark(Watermark { topic, partition, offset, clock, inputs }));
        self.topics.matches.iter_mut().take(partitions).for_each(|topic| topic.push(watermark.clone()));
    }

    fn count(&mut self, counter: &mut Counter, records: usize) {
        let topic = &self.topics.matches[counter.partition];
        let to = topic.len().min(counter.next + records);
        for (offset, record) in topic.iter().enumerate().take(to).skip(counter.next) {
            counter.windows.take(i64::try_from(offset).unwrap(), record);
            counter.tell();
        }
        counter.next = to.max(counter.next);
        assert_eq!(counter.windows.meters().behind, 0, "what a watermark says holds");
        if self.mode == Mode::AtLeastOnce {
            append_some(&mut self.random, &mut counter.unsent, &mut self.topics.alerts[counter.partition]);
        }
    }

    fn commit(&mut self, counter: &mut Counter) {
        if counter.is_lost && self.mode == Mode::ExactlyOnce {
            return;
        }
        self.topics.alerts[counter.partition].extend(counter.unsent.drain(..));
        if !counter.is_lost {
            let bookmark = counter.windows.bookmark();
            self.topics.counted[counter.partition] = Some((bookmark.next, bookmark.to_metadata()));
            counter.windows.committed(&bookmark);
        }
    }

    /// A daemon dies: of what it sent some has arrived, at least once, and the rest never will.
    fn kill(&mut self) {
        self.faults += 1;
        let daemon = self.random.usize(0..DAEMONS);
        let arrives = self.mode == Mode::AtLeastOnce;
        let (dead, alive): (Vec<Reader>, Vec<Reader>) =
            std::mem::take(&mut self.readers).into_iter().partition(|reader| reader.daemon == daemon);
        self.readers = alive;
        for mut reader in dead {
            for (unsent, topic) in reader.unsent.iter_mut().zip(&mut self.topics.matches).filter(|_| arrives) {
                append_some(&mut self.random, unsent, topic);
            }
            if !reader.is_lost {
                self.start_reader(reader.input);
            }
        }
        let (dead, alive): (Vec<Counter>, Vec<Counter>) =
            std::mem::take(&mut self.counters).into_iter().partition(|counter| counter.daemon == daemon);
        self.counters = alive;
        for mut counter in dead {
            if arrives {
                append_some(&mut self.random, &mut counter.unsent, &mut self.topics.alerts[counter.partition]);
            }
            if !counter.is_lost {
                self.start_counter(counter.partition);
            }
        }
    }

    /// A partition is given up in order, or taken from somebody who does not know it yet.
    fn move_reader(&mut self) {
        self.faults += 1;
        let index = self.random.usize(0..self.readers.len());
        let mut reader = self.readers.swap_remove(index);
        let (input, is_lost) = (reader.input, reader.is_lost);
        if is_lost {
            return;
        }
        if self.random.bool() {
            self.give_up(&mut reader);
        } else {
            self.readers.push(Reader { is_lost: true, ..reader });
        }
        self.start_reader(input);
    }

    fn give_up(&mut self, reader: &mut Reader) {
        for (unsent, topic) in reader.unsent.iter_mut().zip(&mut self.topics.matches) {
            topic.extend(unsent.drain(..));
        }
        self.topics.read[reader.input] = (reader.next, reader.clock.to_metadata());
        // The watermark may reach only some partitions.
        let partitions = self.random.usize(0..=MATCHES);
        self.tell(reader, partitions);
    }

    fn move_counter(&mut self) {
        self.faults += 1;
        let index = self.random.usize(0..self.counters.len());
        let mut counter = self.counters.swap_remove(index);
        let (partition, is_lost) = (counter.partition, counter.is_lost);
        if is_lost {
            return;
        }
        if self.random.bool() {
            self.commit(&mut counter);
        } else {
            self.lost_some_counter = true;
            self.counters.push(Counter { is_lost: true, ..counter });
        }
        self.start_counter(partition);
    }

    /// Reads everything to the end, with the clocks as the lines leave them or long after.
    pub(crate) fn finish(&mut self, wall: Option<i64>) {
        self.readers.retain(|reader| !reader.is_lost);
        self.counters.retain(|counter| !counter.is_lost);
        let mut readers = std::mem::take(&mut self.readers);
        for reader in &mut readers {
            self.read(reader, usize::MAX);
            if let Some(wall) = wall {
                reader.clock.idle(wall);
            }
            self.give_up(reader);
            self.tell(reader, MATCHES);
        }
        self.readers = readers;
        let mut counters = std::mem::take(&mut self.counters);
        for counter in &mut counters {
            self.count(counter, usize::MAX / 2);
            self.topics.alerts[counter.partition].extend(counter.unsent.drain(..));
            let bookmark = counter.windows.bookmark();
            self.topics.counted[counter.partition] = Some((bookmark.next, bookmark.to_metadata()));
            counter.windows.committed(&bookmark);
        }
        self.counters = counters;
    }

    /// What the alerts topic says in the end: of the words on one stretch of a group the one told furthest on holds.
    pub(crate) fn over(&self) -> BTreeSet<Stretch> {
        let mut last: BTreeMap<(Key, i64), Word> = BTreeMap::new();
        for (key, value) in self.topics.alerts.iter().flatten() {
            let record: Json = serde_json::from_str(value).unwrap();
            let own = &record["fingerpost"];
            let far = (own["read_to"].as_i64().unwrap(), own["word"].as_u64().unwrap_or(0));
            let ends_at = own["ends_at"].as_i64().filter(|_| own["withdrawn"] != true);
            let known = last.entry((key.clone(), own["starts_at"].as_i64().unwrap())).or_insert((far, None));
            if known.0 <= far {
                *known = (far, ends_at);
            }
        }
        let over = last.into_iter().filter_map(|((key, start), (_, end))| Some((key, start, end?)));
        over.collect()
    }

    /// How often the alerts topic says something twice in a row, and how often it takes something back.
    pub(crate) fn repeated_and_withdrawn(&self) -> (usize, usize) {
        let records = || self.topics.alerts.iter();
        let repeated = records().map(|records| records.windows(2).filter(|two| two[0] == two[1]).count()).sum();
        let withdrawn = records().flatten().filter(|(_, value)| value.contains("\"withdrawn\":true")).count();
        (repeated, withdrawn)
    }

    /// What fires, by the windows themselves.
    pub(crate) fn firing(&self) -> BTreeSet<(Key, i64)> {
        let firing = self.counters.iter().flat_map(|counter| counter.windows.firing());
        firing.map(|change| (change.key(), change.starts_at)).collect()
    }
}
