//! The daemon on a real broker: the binary, as a process, from config file to exit code.
//!
//! The broker's address comes from `FINGERPOST_TEST_KAFKA`; without it these tests skip, and say so in the file that
//! `FINGERPOST_SKIPPED` names. Every test has topics and a group of its own, so they may run side by side.

mod verify;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::lines;
use crate::oracle::{self, Expected, Oracle};
use crate::skip::skipped;

/// The phrase of a shipped rule, in a line of its own making.
const MATCHING: &str = "error during request to KeyProtect: dial tcp: connection refused";

/// The broker's address, or `None` after having said that the test is skipped.
fn broker() -> Option<String> {
    let address = std::env::var("FINGERPOST_TEST_KAFKA").ok().filter(|address| !address.is_empty());
    if address.is_none() {
        skipped("broker: FINGERPOST_TEST_KAFKA is not set");
    }
    address
}

// ---------------------------------------------------------------------------------------------------------------------
// A stage: topics, a group, a config file, and the daemons that play on it.

struct Stage {
    broker: String,
    name: String,
    dir: PathBuf,
    config: String,
}

impl Stage {
    fn new(broker: &str, test: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{test}-{}-{unique}-{count}", std::process::id());
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&name);
        fs::create_dir_all(&dir).unwrap();
        let config = format!(
            "[kafka]\nbootstrap_servers = \"{broker}\"\ngroup_id = \"{name}\"\n\
             [input]\ntopics = [\"{name}\"]\n[output]\ntopic = \"{name}.out\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"info,fingerpost=debug\"\n"
        );
        Self { broker: broker.to_owned(), name, dir, config }
    }

    /// Changes a line of the configuration.
    fn with(mut self, line: &str, instead: &str) -> Self {
        let line = line.replace("NAME", &self.name);
        assert!(self.config.contains(&line), "{line}");
        self.config = self.config.replace(&line, &instead.replace("NAME", &self.name));
        self
    }

    fn output(&self) -> String {
        format!("{}.out", self.name)
    }

    fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let topic = settings
            .iter()
            .fold(NewTopic::new(topic, partitions, TopicReplication::Fixed(1)), |topic, (key, value)| {
                topic.set(key, value)
            });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
        for result in runtime.block_on(admin.create_topics([&topic], &options)).unwrap() {
            result.unwrap();
        }
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.broker);
        config
    }

    fn producer(&self) -> BaseProducer {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("linger.ms", "20").set("message.max.bytes", "1048588");
        config.create().unwrap()
    }

    fn start(&self) -> Daemon {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let config = self.dir.join("fingerpost.toml");
        fs::write(&config, &self.config).unwrap();
        let log = self.dir.join(format!("log-{number}"));
        let child = Command::new(env!("CARGO_BIN_EXE_fingerpost"))
            .args(["run", "-c"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Daemon { child, log }
    }

    /// Runs a daemon that ends by itself; its exit code and its log.
    fn run_to_end(&self) -> (Option<i32>, String) {
        let mut daemon = self.start();
        let status = daemon.wait(Duration::from_secs(60));
        (status.code(), daemon.log())
    }

    fn reader(&self) -> BaseConsumer {
        self.client().set("group.id", &self.name).set("enable.auto.commit", "false").create().unwrap()
    }

    /// First and last offset of each partition, the last one exclusive.
    fn ends(&self, topic: &str) -> Vec<(i64, i64)> {
        let reader = self.reader();
        let metadata = reader.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
        let count = metadata.topics()[0].partitions().len();
        (0..count as i32)
            .map(|partition| reader.fetch_watermarks(topic, partition, Duration::from_secs(10)).unwrap())
            .collect()
    }

    fn committed(&self, topic: &str, partitions: i32) -> Vec<Option<i64>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let found = self.reader().committed_offsets(list, Duration::from_secs(10)).unwrap();
        (0..partitions)
            .map(|partition| match found.find_partition(topic, partition)?.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
            .collect()
    }

    /// All records of a topic, partition by partition in their order.
    fn read(&self, topic: &str) -> Vec<Vec<Record>> {
        let ends = self.ends(topic);
        let reader = self.reader();
        let mut list = TopicPartitionList::new();
        for partition in 0..ends.len() as i32 {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        reader.assign(&list).unwrap();
        let mut records: Vec<Vec<Record>> = ends.iter().map(|_| Vec::new()).collect();
        let mut left: i64 = ends.iter().map(|(low, high)| high - low).sum();
        let deadline = Instant::now() + Duration::from_secs(120);
        while left > 0 {
            assert!(Instant::now() < deadline, "{left} records of {topic} could not be read");
            if let Some(message) = reader.poll(Duration::from_millis(200)) {
                let message = message.unwrap();
                records[message.partition() as usize].push(Record::of(&message));
                left -= 1;
            }
        }
        records
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What is left of a failed test is worth looking at.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    fn wait(&mut self, longest: Duration) -> ExitStatus {
        let deadline = Instant::now() + longest;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {longest:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it, and holds it to the promise: exit code 0 within five seconds.
    fn stop(&mut self) {
        self.signal("TERM");
        let status = self.wait(Duration::from_secs(5));
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    fn address(&self) -> String {
        eventually("an address in the log", Duration::from_secs(20), || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains("listening for probes"))?;
            let (_, address) = line.split_once("\"address\":\"")?;
            Some(address.split_once('"')?.0.to_owned())
        })
    }

    /// Status code and body.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn wait_ready(&self) {
        eventually("ready", Duration::from_secs(30), || (self.get("/readyz").0 == 200).then_some(()));
    }

    /// The sum of a metric over its labels, `None` when it is not there.
    fn metric(&self, name: &str) -> Option<f64> {
        let body = self.get("/metrics").1;
        let values: Vec<f64> = body
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The most memory it ever had, in KiB.
    fn peak_rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again: what runs in other processes cannot be waited for in any other way.
fn eventually<T>(what: &str, longest: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + longest;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {longest:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Records.

type RecordHeaders = Vec<(String, Option<Vec<u8>>)>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp: i64,
    headers: RecordHeaders,
}

impl Record {
    fn of(message: &impl Message) -> Self {
        let headers = message.headers().map(|headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        Self {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
            headers: headers.unwrap_or_default(),
        }
    }

    fn send(&self, producer: &BaseProducer, topic: &str, partition: i32) {
        let mut record = BaseRecord::to(topic).partition(partition).timestamp(self.timestamp);
        record.key = self.key.as_deref();
        record.payload = self.value.as_deref();
        if !self.headers.is_empty() {
            record.headers = Some(self.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: value.as_deref() })
            }));
        }
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(rdkafka::error::RDKafkaErrorCode::QueueFull));
            producer.poll(Duration::from_millis(5));
            record = back;
        }
    }

    fn plain(value: &str, timestamp: i64) -> Self {
        Self { key: None, value: Some(value.into()), timestamp, headers: Vec::new() }
    }

    /// Headers that the input had, and those that were added.
    fn split_headers(&self) -> (RecordHeaders, RecordHeaders) {
        self.headers.iter().cloned().partition(|(name, _)| name != "fingerpost" && !name.starts_with("fingerpost-"))
    }

    fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        Some(String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned())
    }
}

/// Record `sequence` of a partition: a line of some kind, odd in some way or other. Its timestamp tells the sequence
/// number, by which it is found again on the output.
fn make(random: &mut fastrand::Rng, partition: usize, sequence: usize, base: i64) -> Record {
    let key = match random.u8(..5) {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some(vec![0xff, 0x00, 0xfe]),
        _ => Some(format!("pod-{}", random.u8(..20)).into_bytes()),
    };
    let value = if sequence % 16_000 == 7 { Some(large(random, sequence)) } else { small(random, partition, sequence) };
    let timestamp = base + sequence as i64;
    Record { key, value, timestamp, headers: odd_headers(random) }
}

fn small(random: &mut fastrand::Rng, partition: usize, sequence: usize) -> Option<Vec<u8>> {
    let (n, p) = (sequence, partition);
    Some(match random.u8(..100) {
        0..70 => {
            format!(r#"{{"time":"2026-11-21T10:00:00Z","level":"info","pod":"p{p}","n":{n}, "msg" : "fine" }}"#).into()
        }
        70..84 => lines::line(random).0,
        84..86 => format!("{{ \"n\":{n},\"msg\":\"{MATCHING}\" }} \r\n").into(),
        86..88 => format!("plain text {n}: {MATCHING}").into(),
        88 => format!(r#"["{MATCHING}", {n}]"#).into(),
        89 => format!(r#"{{"n":{n},"msg":"{MATCHING}"#).into(),
        90 => format!(r#"{{"n":1e400,"n":{n},"x":"\ud800 \u0000","msg":"fine"}}"#).into(),
        91 => format!(r#"{{"n":{n},"fingerpost":{{"v":1,"rule":"stale.tag"}}}}"#).into(),
        92 => format!(r#"{{"n":{n},"fingerpost":{{"v":1,"rule":"stale.tag"}},"msg":"{MATCHING}"}}"#).into(),
        93 => [b"\xff\xfe not UTF-8 ".as_slice(), n.to_string().as_bytes()].concat(),
        94 => [br#"{"msg":"in JSON "#.as_slice(), b"\xc3\x28", MATCHING.as_bytes(), b"\"}"].concat(),
        95 => Vec::new(),
        96 => b"{}".to_vec(),
        97 => b" { } ".to_vec(),
        _ => return None,
    })
}

/// About a megabyte, every other one matching, so large that a tag fits in some and not in others.
fn large(random: &mut fastrand::Rng, sequence: usize) -> Vec<u8> {
    let size = if random.bool() { 1_000_000 } else { 1_047_500 };
    let msg = if random.bool() { MATCHING } else { "fine" };
    let mut line = format!(r#"{{"n":{sequence},"msg":"{msg}","pad":""#);
    while line.len() < size {
        let _ = write!(line, "{:016x}", random.u64(..));
    }
    (line + "\"}").into()
}

fn odd_headers(random: &mut fastrand::Rng) -> RecordHeaders {
    let header = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
    match random.u8(..10) {
        0..4 => Vec::new(),
        4 => vec![header("a", b"1"), header("b", b"2"), header("a", b"3")],
        5 => vec![("null".into(), None), header("empty", b"")],
        6 => vec![header("binary", b"\xff\x00\xfe"), header("", b"a name that is empty")],
        7 => vec![header("fingerpost", b"stale"), header("kept", b"yes"), header("fingerpost-source", b"forged/0/0")],
        8 => vec![header("fingerposted", b"not ours"), header("traceparent", b"00-af-b7-01")],
        _ => (0..20).map(|n| header(&format!("h{n}"), n.to_string().as_bytes())).collect(),
    }
}

/// What the oracle says of every line of a partition. `fresh`: offsets at which somebody took the partition over, with
/// an empty memory of what its sources said earlier.
fn judge(inputs: &[Record], fresh: &[usize]) -> Vec<Expected> {
    let mut oracle = Oracle::default();
    let judged = inputs.iter().enumerate().map(|(offset, input)| {
        if fresh.contains(&offset) {
            oracle = Oracle::default();
        }
        let key = input.key.as_deref().filter(|key| !key.is_empty()).map(String::from_utf8_lossy);
        input.value.as_deref().map_or_else(Expected::default, |line| oracle.classify(line, key.as_deref()))
    });
    judged.collect()
}

/// Whether `output` is what `input` must become. `place` is what the header `fingerpost-source` must say.
fn check_value(expected: &Expected, input: &Record, output: &Record, place: &str) {
    let (kept, added) = output.split_headers();
    assert_eq!(kept, input.split_headers().0, "{place}: the input's own headers");
    let (Some(line), Some(value)) = (&input.value, &output.value) else {
        assert_eq!((&input.value, &output.value), (&None, &None), "{place}: a tombstone");
        assert!(added.is_empty(), "{place}: {added:?}");
        return;
    };
    let untouched = if expected.is_object { oracle::expected_untouched(line) } else { line.clone() };
    // A record so near to the limit that not even the short headers (300 bytes at the least) fit goes out as it came.
    let headers: usize = kept.iter().map(|(name, value)| 10 + name.len() + value.as_ref().map_or(0, Vec::len)).sum();
    let weight = line.len() + input.key.as_ref().map_or(0, Vec::len) + headers;
    let no_room = weight + 300 > 1_048_588;
    if expected.matches.is_empty() || (no_room && added.is_empty()) {
        assert!(added.is_empty(), "{place}: not a match, but {added:?}");
        return same(value, &untouched, &format!("{place}: without a match only stale members go"));
    }
    assert_eq!(output.header("fingerpost-source").as_deref(), Some(place));
    assert_eq!(output.header("fingerpost-severity").as_deref(), Some(expected.severity), "{place}");
    assert_eq!(output.header("fingerpost-rule").as_deref(), Some(expected.matches[0]), "{place}");
    let runbook = output.header("fingerpost-runbook").unwrap();
    assert!(runbook.ends_with(&format!("#{}", expected.section)), "{place}: {runbook}");
    let in_header = output.header("fingerpost");
    let object = match (expected.is_object, &in_header) {
        (true, None) => {
            same(&oracle::strip(value), &untouched, &format!("{place}: taking the object out"));
            serde_json::from_slice::<serde_json::Value>(value).map(|mut value| value["fingerpost"].take()).ok()
        }
        (false, Some(header)) => {
            same(value, line, &format!("{place}: no object, but changed"));
            serde_json::from_str(header).ok()
        }
        (is_object, header) => panic!("{place}: is_object is {is_object}, the header {header:?}"),
    };
    // Some lines are objects to the engine that this JSON library will not read: invalid UTF-8, lone surrogates. What
    // was added to them was compared byte by byte above; a record that is nearly too large may have no object at all.
    if let Some(object) = object.filter(|object| object.is_object()) {
        check_object(expected, &object, place);
    }
}

fn check_object(expected: &Expected, object: &serde_json::Value, place: &str) {
    assert_eq!(object["rules"], serde_json::json!(expected.matches), "{place}");
    assert_eq!(object["rule"], expected.matches[0], "{place}");
    assert_eq!(object["severity"], expected.severity, "{place}");
    for (name, fact) in &expected.facts {
        assert_eq!(&object[name], fact, "{place}: {name}");
    }
}

/// Equal bytes; said so that a megabyte does not fill the screen.
fn same(left: &[u8], right: &[u8], what: &str) {
    if left != right {
        let at = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        let near = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(40)..bytes.len().min(at + 80)]).into_owned()
        };
        panic!("{what}: from byte {at} of {} and {}:\n{}\n{}", left.len(), right.len(), near(left), near(right));
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The proof.

const LINES: usize = 200_000;
const PARTITIONS: usize = 6;

#[test]
fn two_daemons_carry_200_000_odd_lines() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "proof");
    stage.create(&stage.name, PARTITIONS as i32, &[]);
    let mut first = stage.start();
    let base = 1_790_000_000_000;
    let mut random = fastrand::Rng::with_seed(20_261_121);
    let producer = stage.producer();
    let mut inputs: Vec<Vec<Record>> = vec![Vec::new(); PARTITIONS];
    let mut second = None;
    for n in 0..LINES {
        let partition = n % PARTITIONS;
        let record = make(&mut random, partition, inputs[partition].len(), base);
        record.send(&producer, &stage.name, partition as i32);
        inputs[partition].push(record);
        // The second one joins while the first is in full flow.
        if n == LINES / 2 {
            first.wait_ready();
            eventually("the first lines", Duration::from_secs(30), || {
                first.metric("fingerpost_lines_total").filter(|n| *n > 0.0)
            });
            second = Some(stage.start());
        }
        // And must not come too late to have its share.
        if let Some(second) = second.as_ref().filter(|_| n == LINES * 3 / 4) {
            second.wait_ready();
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    let mut second = second.unwrap();
    second.wait_ready();

    let ends: Vec<Option<i64>> = inputs.iter().map(|records| Some(records.len() as i64)).collect();
    eventually("all offsets committed", Duration::from_secs(120), || {
        (stage.committed(&stage.name, PARTITIONS as i32) == ends).then_some(())
    });
    for daemon in [&first, &second] {
        assert_eq!(daemon.get("/livez"), (200, "ok\n".to_owned()));
        eventually("no lag", Duration::from_secs(10), || {
            (daemon.metric("fingerpost_consumer_lag_records") == Some(0.0)).then_some(())
        });
        assert_eq!(daemon.metric("fingerpost_oldest_unprocessed_age_seconds"), Some(0.0));
        assert_eq!(daemon.metric("fingerpost_assigned_partitions"), Some(3.0), "shared fairly");
        assert!(daemon.metric("fingerpost_lines_total").unwrap() > 1000.0, "both did some of it");
        promtool(&daemon.get("/metrics").1);
        let peak = daemon.peak_rss_kib();
        println!("peak resident memory: {} MiB", peak / 1024);
        assert!(peak < 256 * 1024, "{peak} KiB");
    }
    first.stop();
    second.stop();

    let outputs = stage.read(&stage.output());
    assert_eq!(outputs.len(), PARTITIONS);
    let logs = first.log() + &second.log();
    let check = &|partition: usize| {
        let (inputs, outputs) = (&inputs[partition], &outputs[partition]);
        let expected = judge(inputs, &taken_over(&logs, partition));
        check_partition(&stage.name, partition, base, &expected, inputs, outputs)
    };
    let repeats: usize = std::thread::scope(|scope| {
        let checks: Vec<_> = (0..PARTITIONS).map(|partition| scope.spawn(move || check(partition))).collect();
        checks.into_iter().map(|check| check.join().unwrap()).sum()
    });
    println!("repeated: {repeats}");
    assert_eq!(repeats, 0, "joining and stopping in good order repeat nothing");

    let before = stage.ends(&stage.output());
    let mut third = stage.start();
    third.wait_ready();
    eventually("no lag after a restart", Duration::from_secs(10), || {
        (third.metric("fingerpost_consumer_lag_records") == Some(0.0)).then_some(())
    });
    third.stop();
    assert_eq!(stage.ends(&stage.output()), before, "a restart repeats nothing");
    kcat(&stage, outputs.concat().len());
}

/// Offsets at which a partition changed hands, from the daemons' logs.
fn taken_over(logs: &str, partition: usize) -> Vec<usize> {
    let events = logs.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let own = events.filter(|event| event["message"] == "took over" && event["partition"] == partition);
    own.map(|event| event["start"].as_u64().unwrap_or(0) as usize).collect()
}

/// Coverage, order, and every record; the number of repeats.
fn check_partition(
    topic: &str,
    partition: usize,
    base: i64,
    expected: &[Expected],
    inputs: &[Record],
    outputs: &[Record],
) -> usize {
    let mut seen = 0;
    for output in outputs {
        let sequence = usize::try_from(output.timestamp - base).unwrap();
        assert!(sequence <= seen, "partition {partition}: {sequence} came when {seen} was due");
        seen = seen.max(sequence + 1);
        let input = &inputs[sequence];
        assert_eq!(output.key, input.key, "partition {partition} offset {sequence}");
        check_value(&expected[sequence], input, output, &format!("{topic}/{partition}/{sequence}"));
    }
    assert_eq!(seen, inputs.len(), "partition {partition}: the last ones are missing");
    outputs.len() - inputs.len()
}

/// The metrics as Prometheus' own checker sees them.
fn promtool(metrics: &str) {
    let spawned =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else { return skipped("broker: promtool is not installed") };
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// A client of another make reads the same records, headers and all.
fn kcat(stage: &Stage, records: usize) {
    let output = stage.output();
    let arguments = ["-C", "-e", "-q", "-b", &stage.broker, "-t", &output, "-f", "%p/%o %h\n"];
    let Ok(result) = Command::new("kcat").args(arguments).output() else {
        return skipped("broker: kcat is not installed");
    };
    let text = String::from_utf8_lossy(&result.stdout);
    assert_eq!(text.lines().count(), records);
    let tagged = text.lines().filter(|line| line.contains("fingerpost-rule=")).count();
    assert!(tagged > records / 50, "{tagged}");
}

// ---------------------------------------------------------------------------------------------------------------------
// One behaviour each.

#[test]
fn an_offset_out_of_range_is_an_error_to_act_on() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "range");
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    Record::plain("{}", 1).send(&producer, &stage.name, 0);
    producer.flush(Duration::from_secs(10)).unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&stage.name, 0, Offset::Offset(1000)).unwrap();
    stage.reader().commit(&list, CommitMode::Sync).unwrap();
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    let sentence = format!(
        "topic {name} partition 0: group {name} was to read offset 1000 next, but the broker has 0 to 1",
        name = stage.name
    );
    assert!(log.contains(&sentence) && log.contains("--reset-offsets"), "{log}");
    assert_eq!(stage.committed(&stage.name, 1), [Some(1000)], "nothing was skipped silently");
}

#[test]
fn missing_topics_are_told_with_their_remedy() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "missing");
    stage.create(&format!("{}s", stage.name), 1, &[]);
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains(&format!("input topic {n} does not exist", n = stage.name)), "{log}");
    assert!(log.contains(&format!("did you mean {}s", stage.name)), "{log}");

    let stage =
        stage.with("topics = [\"NAME\"]", "topics = [\"NAMEs\"]").with("[kafka]", "[kafka]\ncreate_topics = false");
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    let command = format!("--create --topic {} --partitions 1", stage.output());
    assert!(log.contains(&command), "{log}");
}

#[test]
fn a_pattern_never_reads_what_we_write() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "pattern").with("topics = [\"NAME\"]", "topics = [\"^NAME.*\"]");
    stage.create(&stage.name, 2, &[]);
    let producer = stage.producer();
    for n in 0..100 {
        Record::plain(&format!(r#"{{"n":{n},"msg":"{MATCHING}"}}"#), n).send(&producer, &stage.name, 1);
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    let mut daemon = stage.start();
    eventually("all lines", Duration::from_secs(30), || {
        (stage.committed(&stage.name, 2)[1] == Some(100)).then_some(())
    });
    assert_eq!(daemon.metric("fingerpost_assigned_partitions"), Some(2.0));
    daemon.stop();
    let ends = stage.ends(&stage.output());
    assert_eq!(ends, [(0, 0), (0, 100)]);
}

#[test]
fn fewer_output_partitions_take_the_number_modulo_theirs() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "modulo").with("[output]", "[output]\nlines = \"matched\"\nwhere = \"headers\"");
    stage.create(&stage.name, 5, &[]);
    stage.create(&stage.output(), 2, &[]);
    let producer = stage.producer();
    for partition in 0..5 {
        Record::plain(&format!(r#"{{"msg":"{MATCHING}"}}"#), 1).send(&producer, &stage.name, partition);
        Record::plain(r#"{"msg":"fine"}"#, 2).send(&producer, &stage.name, partition);
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    let mut daemon = stage.start();
    eventually("all lines", Duration::from_secs(30), || {
        (stage.committed(&stage.name, 5) == [Some(2); 5]).then_some(())
    });
    daemon.stop();
    let outputs = stage.read(&stage.output());
    assert_eq!((outputs[0].len(), outputs[1].len()), (3, 2), "only what matches");
    let mut sources: Vec<_> = outputs[1].iter().map(|record| record.header("fingerpost-source").unwrap()).collect();
    sources.sort();
    assert_eq!(sources, [format!("{}/1/0", stage.name), format!("{}/3/0", stage.name)]);
    for record in outputs.concat() {
        assert_eq!(record.value.as_deref(), Some(format!(r#"{{"msg":"{MATCHING}"}}"#).as_bytes()));
        assert!(record.header("fingerpost").unwrap().starts_with('{'));
    }
}

#[test]
fn every_limit_crossed_is_counted_and_the_line_goes_out() {
    let Some(broker) = broker() else { return };
    let limits = "[limits]\npayload = 2000\nnesting = 4\nhits = 3\ncapture = 16\nsources = 1\nheader = 256\n";
    let mut stage = Stage::new(&broker, "limits");
    stage.config += limits;
    stage.create(&stage.name, 1, &[]);
    let long_url = format!("Post https://{}.example.net/x", "h".repeat(40));
    let lines = [
        format!(r#"{{"msg":"{MATCHING}","pad":"{}"}}"#, "x".repeat(2000)),
        format!(r#"{{"a":{{"b":{{"c":{{"d":["{MATCHING}"]}}}}}}}}"#),
        format!(r#"{{"msg":"{MATCHING}","more":"{}"}}"#, "failed to unwrap: error, unable, error, ".repeat(4)),
        format!(r#"{{"msg":"{MATCHING} {long_url}"}}"#),
        r#"{"pod":"p1","msg":"Service to service authentication will be used"}"#.to_owned(),
        r#"{"pod":"p2","msg":"Service to service authentication will be used"}"#.to_owned(),
        // No object, so what was found goes into the header, which is too small for it.
        format!("{MATCHING} in plain text"),
    ];
    let producer = stage.producer();
    for (n, line) in lines.iter().enumerate() {
        Record::plain(line, n as i64 + 1).send(&producer, &stage.name, 0);
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    let mut daemon = stage.start();
    eventually("all lines on the output", Duration::from_secs(30), || {
        (daemon.metric("fingerpost_lines_total") == Some(7.0)).then_some(())
    });
    for limit in ["payload", "nesting", "hits", "capture", "sources", "header"] {
        let labelled = format!("fingerpost_limit_crossed_total{{limit=\"{limit}\"}}");
        let counted = eventually(&labelled, Duration::from_secs(5), || {
            let body = daemon.get("/metrics").1;
            let line = body.lines().find(|line| line.starts_with(&labelled))?.to_owned();
            line.rsplit(' ').next().unwrap().parse::<f64>().ok()
        });
        assert!(counted >= 1.0, "{limit} was not counted");
    }
    daemon.stop();
    let outputs = stage.read(&stage.output()).remove(0);
    assert_eq!(outputs.len(), lines.len(), "every line goes out");
    for (record, line) in outputs.iter().zip(&lines) {
        let value = record.value.as_deref().unwrap();
        assert_eq!(oracle::strip(value), line.as_bytes(), "and nothing of it is changed");
    }
}

#[test]
fn a_record_too_large_is_stepped_down_and_in_the_end_an_error() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "size");
    stage.create(&stage.name, 1, &[]);
    stage.create(&stage.output(), 1, &[("max.message.bytes", "3000")]);
    let mut random = fastrand::Rng::with_seed(3);
    let mut line = |pad: usize| -> String {
        let pad: String = (0..pad).map(|_| random.alphanumeric()).collect();
        format!(r#"{{"msg":"{MATCHING}","pad":"{pad}"}}"#)
    };
    // From room for everything to room for nothing, and then one that does not even fit as it came.
    let mut lines: Vec<String> = (0..280).map(|n| line(n * 10)).collect();
    lines.extend([line(9000), line(100)]);
    let producer = stage.producer();
    for (n, line) in lines.iter().enumerate() {
        Record::plain(line, n as i64 + 1).send(&producer, &stage.name, 0);
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    let place = format!("topic {} partition 0 offset 280", stage.name);
    assert!(log.contains(&place) && log.contains("max.message.bytes=3000"), "{log}");
    assert_eq!(stage.committed(&stage.name, 1), [Some(280)], "nothing is committed past it");

    let outputs = stage.read(&stage.output()).remove(0);
    assert!(outputs.iter().all(|record| record.timestamp != 281));
    let mut steps: Vec<&str> = Vec::new();
    for (record, line) in outputs.iter().zip(&lines[..280]) {
        let tagged = record.value.as_deref() != Some(line.as_bytes());
        let step = match (tagged, record.header("fingerpost-rule").is_some()) {
            (true, true) => "object and headers",
            (false, true) => "headers",
            (false, false) => "as it came",
            (true, false) => panic!("an object without its headers: {record:?}"),
        };
        if steps.last() != Some(&step) {
            steps.push(step);
        }
    }
    assert_eq!(steps, ["object and headers", "headers", "as it came"]);
}

#[test]
fn a_signal_during_the_start_is_not_kept_waiting() {
    let stage = Stage::new("127.0.0.1:1", "impatient");
    let mut daemon = stage.start();
    eventually("its start", Duration::from_secs(20), || {
        daemon.log().contains("no answer from the brokers").then_some(())
    });
    daemon.stop();
}

#[test]
fn brokers_that_do_not_answer_are_told() {
    let stage = Stage::new("127.0.0.1:1", "nobody");
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("no answer from the brokers 127.0.0.1:1 within 15 s"), "{log}");
    assert!(log.contains("Connection refused"), "{log}");
}
