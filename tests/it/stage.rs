//! A stage for the daemon on a real broker: topics, a group and a config file of its own, and the daemons that play on it,
//! each a process, from start to exit code.

use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::BaseProducer;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::program;
use super::records::Record;

/// For so long at the least everything is waited for that other processes do. It ends a test that hangs, and is no promise
/// about time: a busy machine would break that.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Stage {
    pub(crate) broker: String,
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) config: String,
    /// How long a stop may take, where no fault is played: on a busy machine the five seconds of the default are soon over.
    pub(crate) shutdown_timeout: Option<&'static str>,
    /// Who asks the brokers again and again. After an error another one does: a client that was there when a broker went has
    /// been seen not to learn that it is back.
    asking: Mutex<Option<Arc<BaseConsumer>>>,
}

impl Stage {
    pub(crate) fn new(broker: &str, test: &str) -> Self {
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
        let broker = broker.to_owned();
        Self { broker, name, dir, config, shutdown_timeout: Some("30s"), asking: Mutex::default() }
    }

    /// Changes a line of the configuration.
    pub(crate) fn with(mut self, line: &str, instead: &str) -> Self {
        let line = line.replace("NAME", &self.name);
        assert!(self.config.contains(&line), "{line}");
        self.config = self.config.replace(&line, &instead.replace("NAME", &self.name));
        self
    }

    pub(crate) fn output(&self) -> String {
        format!("{}.out", self.name)
    }

    pub(crate) fn dead_letters(&self) -> String {
        format!("{}.dead", self.name)
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let topic = settings
            .iter()
            .fold(NewTopic::new(topic, partitions, TopicReplication::Fixed(-1)), |topic, (key, value)| {
                topic.set(key, value)
            });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for result in runtime.block_on(admin.create_topics([&topic], &options)).unwrap() {
            result.unwrap();
        }
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.broker);
        config
    }

    pub(crate) fn producer(&self) -> BaseProducer {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("linger.ms", "20").set("message.max.bytes", "1048588");
        config.create().unwrap()
    }

    pub(crate) fn start(&self) -> Daemon {
        self.start_as(&[])
    }

    /// Starts a daemon with these flags.
    pub(crate) fn start_with(&self, flags: &[&str]) -> Daemon {
        self.launch(program::fingerpost(), &[], flags)
    }

    /// Starts a daemon with these variables in its environment.
    pub(crate) fn start_as(&self, variables: &[(&str, &str)]) -> Daemon {
        self.launch(program::fingerpost(), variables, &[])
    }

    /// Starts a daemon of another build.
    pub(crate) fn start_other(&self, mut program: Command) -> Daemon {
        program::unset(&mut program);
        self.launch(program, &[], &[])
    }

    fn launch(&self, mut program: Command, variables: &[(&str, &str)], flags: &[&str]) -> Daemon {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let config = self.dir.join(format!("fingerpost-{number}.toml"));
        fs::write(&config, &self.config).unwrap();
        let log = self.dir.join(format!("log-{number}"));
        let child = program
            .args(["run", "-c"])
            .arg(&config)
            .args(flags)
            .env("SHIFTED_CLOCK", self.dir.join("clock"))
            .envs(self.shutdown_timeout.map(|time| ("FINGERPOST_DELIVERY_SHUTDOWN_TIMEOUT", time)))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Daemon { child, log, address: OnceLock::new() }
    }

    /// Sets the wall clock of all daemons of this stage ahead, or back.
    pub(crate) fn shift_clock(&self, ms: i64) {
        // Never half written.
        fs::write(self.dir.join("clock.new"), ms.to_string()).unwrap();
        fs::rename(self.dir.join("clock.new"), self.dir.join("clock")).unwrap();
    }

    /// What all daemons said so far.
    pub(crate) fn logs(&self) -> String {
        let entries = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap());
        let logs = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("log-"));
        logs.map(|log| fs::read_to_string(log.path()).unwrap()).collect()
    }

    /// Runs a daemon that ends by itself; its exit code and its log.
    pub(crate) fn run_to_end(&self) -> (Option<i32>, String) {
        let mut daemon = self.start();
        let status = daemon.wait(PATIENCE);
        (status.code(), daemon.log())
    }

    pub(crate) fn reader(&self) -> BaseConsumer {
        self.client().set("group.id", &self.name).set("enable.auto.commit", "false").create().unwrap()
    }

    fn ask<T>(&self, question: impl FnOnce(&BaseConsumer) -> Option<T>) -> Option<T> {
        let client = self.asking.lock().unwrap().get_or_insert_with(|| Arc::new(self.reader())).clone();
        let answer = question(&client);
        if answer.is_none() {
            *self.asking.lock().unwrap() = None;
        }
        answer
    }

    /// First and last offset of each partition, the last one exclusive. A topic that was made a moment ago has no leaders
    /// yet.
    pub(crate) fn ends(&self, topic: &str) -> Vec<(i64, i64)> {
        let ends = |reader: &BaseConsumer| -> KafkaResult<Vec<(i64, i64)>> {
            let metadata = reader.fetch_metadata(Some(topic), Duration::from_secs(10))?;
            let count = metadata.topics()[0].partitions().len() as i32;
            (0..count).map(|partition| reader.fetch_watermarks(topic, partition, Duration::from_secs(10))).collect()
        };
        eventually(&format!("the ends of {topic}"), PATIENCE, || self.ask(|reader| ends(reader).ok()))
    }

    /// What the group has committed.
    pub(crate) fn committed(&self, topic: &str, partitions: i32) -> Vec<Option<i64>> {
        let ask = || self.ask(|reader| committed(reader, topic, partitions));
        eventually(&format!("what is committed of {topic}"), PATIENCE, ask)
    }

    /// All records of a topic, partition by partition in their order.
    pub(crate) fn read(&self, topic: &str) -> Vec<Vec<Record>> {
        let ends = self.ends(topic);
        let reader: BaseConsumer =
            self.client().set("group.id", &self.name).set("enable.partition.eof", "true").create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..ends.len() as i32 {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        reader.assign(&list).unwrap();
        let mut records: Vec<Vec<Record>> = ends.iter().map(|_| Vec::new()).collect();
        // Offsets do not tell how many there are: transactions take some of them, and aborted records are not shown.
        let mut open = ends.len();
        let deadline = Instant::now() + PATIENCE;
        while open > 0 {
            assert!(Instant::now() < deadline, "{open} partitions of {topic} could not be read to their ends");
            match reader.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => records[message.partition() as usize].push(Record::of(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                // A broker that has no time is one that is not there; the client comes back to it.
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
                ))) => {}
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => {}
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

pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    /// Where it listens, once that is known.
    address: OnceLock<String>,
}

impl Daemon {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, when it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end, for so long or for [`PATIENCE`], whichever is longer.
    pub(crate) fn wait(&mut self, longest: Duration) -> ExitStatus {
        let longest = longest.max(PATIENCE);
        let deadline = Instant::now() + longest;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {longest:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it, and holds it to the promise: exit code 0, which says that all was settled within the time for that. How
    /// long that takes is measured by the long chaos runs.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        let status = self.wait(PATIENCE);
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    pub(crate) fn address(&self) -> String {
        let told = || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains("listening for probes"))?;
            let (_, address) = line.split_once("\"address\":\"")?;
            Some(address.split_once('"')?.0.to_owned())
        };
        self.address.get_or_init(|| eventually("an address in the log", PATIENCE, told)).clone()
    }

    /// Status code and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        // On a busy machine a connection may be reset while it is still waiting to be accepted.
        let answer = within(PATIENCE, || self.answer(path).ok());
        let answer = answer.unwrap_or_else(|| panic!("no answer to GET {path}: {:?}", self.answer(path)));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn answer(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address())?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    pub(crate) fn wait_ready(&self) {
        eventually("ready", PATIENCE, || (self.get("/readyz").0 == 200).then_some(()));
    }

    /// The sum of a metric over its labels, `None` when it is not there.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let body = self.get("/metrics").1;
        let values: Vec<f64> = body
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The most memory it ever had, in KiB.
    pub(crate) fn peak_rss_kib(&self) -> u64 {
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

/// What the reader's group has committed; `None` when the brokers do not say.
pub(crate) fn committed(reader: &BaseConsumer, topic: &str, partitions: i32) -> Option<Vec<Option<i64>>> {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    let found = reader.committed_offsets(list, Duration::from_secs(10)).ok()?;
    let offset = |partition| match found.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    };
    Some((0..partitions).map(offset).collect())
}

/// Asks again and again: what runs in other processes cannot be waited for in any other way. For so long, or for
/// [`PATIENCE`], whichever is longer.
pub(crate) fn eventually<T>(what: &str, longest: Duration, ask: impl FnMut() -> Option<T>) -> T {
    let longest = longest.max(PATIENCE);
    within(longest, ask).unwrap_or_else(|| panic!("not within {longest:?}: {what}"))
}

/// The same within this time, for whoever has more to say where it never comes.
pub(crate) fn within<T>(longest: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + longest;
    loop {
        match ask() {
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            answer => return answer,
        }
    }
}
