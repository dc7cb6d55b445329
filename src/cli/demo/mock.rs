//! A Kafka inside this process: librdkafka's mock cluster. Other programs on this machine can attach to it (kcat does).
//!
//! It keeps 5 MiB or 100,000 records for each partition and knows no transactions worth the name: right for showing,
//! wrong for proving delivery.

#![expect(unsafe_code, reason = "the one setting of the mock cluster that the safe binding has no function for")]

use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::bindings;
use rdkafka::producer::{BaseProducer, Producer};

/// The cluster; it ends when this is dropped.
pub struct Mock {
    // The client that the cluster lives in. It never produces anything.
    owner: BaseProducer,
}

impl Mock {
    /// Starts a cluster of one broker with these topics.
    ///
    /// # Errors
    /// When no port of the loopback interface can be had.
    pub fn start(topics: &[&str], partitions: i32) -> Result<Self> {
        let owner: BaseProducer = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .create()
            .context("the Kafka inside this process cannot start")?;
        // The coordinator waits three seconds for further members of a new group; somebody is watching.
        // SAFETY: the pointer to the client is valid as long as `owner` lives. The cluster it gives out was made by the
        // client itself (test.mock.num.brokers) and lives as long as the client; a null is not passed on.
        unsafe {
            let cluster = bindings::rd_kafka_handle_mock_cluster(owner.client().native_ptr());
            if !cluster.is_null() {
                bindings::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
            }
        }
        let mock = Self { owner };
        for topic in topics {
            mock.cluster()?.create_topic(topic, partitions, 1).with_context(|| format!("cannot create `{topic}`"))?;
        }
        Ok(mock)
    }

    /// `host:port`
    ///
    /// # Errors
    /// When the cluster is gone.
    pub fn address(&self) -> Result<String> {
        Ok(self.cluster()?.bootstrap_servers())
    }

    fn cluster(&self) -> Result<rdkafka::mocking::MockCluster<'_, impl rdkafka::ClientContext>> {
        self.owner.client().mock_cluster().context("the Kafka inside this process is gone")
    }
}
