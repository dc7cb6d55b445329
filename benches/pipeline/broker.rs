//! The bench's own broker: one node on this machine, started by `tests/kafka/kafka-up`, gone with this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// The longest that the broker may take over a question.
const PATIENCE: Duration = Duration::from_secs(20);

/// Topics that are deleted are gone from the disk within a second, not within Kafka's minute.
const PROPERTIES: &str = "log.segment.delete.delay.ms=1000\n";

/// A broker that runs.
pub(crate) struct Broker {
    /// Everything of this run; gone with the broker.
    root: PathBuf,
    /// `host:port`
    pub(crate) address: String,
    admin: AdminClient<DefaultClientContext>,
    watch: BaseConsumer,
    runtime: tokio::runtime::Runtime,
}

impl Broker {
    /// Starts it below this directory, which is made, and removed in the end.
    pub(crate) fn start(root: &Path) -> Result<Self> {
        fs::create_dir_all(root)?;
        let up = script("kafka-up")
            .arg("--dir")
            .arg(root.join("broker"))
            .args(["--while", &std::process::id().to_string()])
            .env("KAFKA_EXTRA", PROPERTIES)
            .env("KAFKA_HEAP", "1g")
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(up.status.success(), "no broker could be started (Java 17 and Maven are needed, once)");
        let address = String::from_utf8(up.stdout)?.trim().to_owned();
        let config = client(&address);
        // Where transactions end does not matter: what is written counts.
        let watch =
            config.clone().set("group.id", "fingerpost-bench").set("isolation.level", "read_uncommitted").create()?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self { root: root.to_owned(), admin: config.create()?, watch, address, runtime })
    }

    /// Creates a topic; back when it can be asked for its ends.
    pub(crate) fn create(&self, topic: &str, partitions: usize) -> Result<()> {
        let new = NewTopic::new(topic, i32::try_from(partitions)?, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for made in self.runtime.block_on(self.admin.create_topics([&new], &options))? {
            made.map_err(|(topic, error)| anyhow::anyhow!("{topic} cannot be created: {error}"))?;
        }
        let asked = Instant::now();
        while !self.is_there(topic, partitions)? {
            ensure!(asked.elapsed() < PATIENCE, "{topic} was created, but is not there");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether all its partitions can be asked for their ends. The metadata come first: a client that asks for the ends
    /// of a topic which it does not know goes on not knowing it.
    fn is_there(&self, topic: &str, partitions: usize) -> Result<bool> {
        let metadata = self.watch.fetch_metadata(Some(topic), PATIENCE)?;
        let found = metadata.topics().first().map_or(&[][..], MetadataTopic::partitions);
        let led = found.iter().filter(|partition| partition.error().is_none() && partition.leader() >= 0).count();
        Ok(led == partitions && self.ends(topic, partitions).is_ok())
    }

    /// Deletes a topic.
    pub(crate) fn delete(&self, topic: &str) -> Result<()> {
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for gone in self.runtime.block_on(self.admin.delete_topics(&[topic], &options))? {
            gone.map_err(|(topic, error)| anyhow::anyhow!("{topic} cannot be deleted: {error}"))?;
        }
        Ok(())
    }

    /// Deletes a consumer group, if it has no member any more; one whose last member was killed still has.
    pub(crate) fn forget(&self, group: &str) {
        let _ = self.runtime.block_on(self.admin.delete_groups(&[group], &AdminOptions::new()));
    }

    /// The sum of a topic's end offsets, of what readers may see: one request, however many partitions.
    pub(crate) fn ends(&self, topic: &str, partitions: usize) -> Result<usize> {
        let mut list = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions)? {
            list.add_partition_offset(topic, partition, Offset::End)?;
        }
        Ok(sum(&self.watch.offsets_for_times(list, PATIENCE)?))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        remove(&self.root);
    }
}

/// Removes what benches that were killed have left: directories that are named after processes which are gone.
pub(crate) fn sweep(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&entry.path());
        }
    }
}

/// Stops the broker below this directory, if it still runs, and removes all of it.
fn remove(root: &Path) {
    let _ = script("kafka-down").arg("--dir").arg(root.join("broker")).stderr(Stdio::null()).status();
    let _ = fs::remove_dir_all(root);
}

/// Looks at how far a group has committed, without joining it.
pub(crate) struct Commits {
    follower: BaseConsumer,
    list: TopicPartitionList,
}

impl Commits {
    /// Of this group, on this topic.
    pub(crate) fn of(broker: &Broker, group: &str, topic: &str, partitions: usize) -> Result<Self> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, i32::try_from(partitions)? - 1);
        // Of a transaction that is not done yet nothing is told either way, but this way nobody waits for its end.
        let follower =
            client(&broker.address).set("group.id", group).set("isolation.level", "read_uncommitted").create()?;
        Ok(Self { follower, list })
    }

    /// The sum of the committed offsets.
    pub(crate) fn read(&self) -> Result<usize> {
        Ok(sum(&self.follower.committed_offsets(self.list.clone(), PATIENCE)?))
    }
}

fn sum(list: &TopicPartitionList) -> usize {
    let offset = |offset| match offset {
        Offset::Offset(offset) => usize::try_from(offset).unwrap_or(0),
        _ => 0,
    };
    list.elements().iter().map(|element| offset(element.offset())).sum()
}

/// The settings of a client that has none.
pub(crate) fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}

fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka").join(name));
    command.stdin(Stdio::null());
    command
}
