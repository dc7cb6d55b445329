//! A Kafka cluster of one test's own: one broker or three, each of which can be killed, frozen and started again on its
//! port and with its data, and each behind doors, the proxies that a daemon comes through.
//!
//! The controller is a process of its own, which nobody kills, so that somebody notices that a broker is gone.
//!
//! It ends with the value, and, by `kafka-up --while`, with this process, however that ends.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::it::skip::skipped;
use super::proxy::{Proxy, Way};

/// Java objects of one broker.
const HEAP: &str = "320m";
/// Those of a controller.
const CONTROLLER_HEAP: &str = "384m";
/// How long the controller takes to notice that a broker is gone, where one is killed.
pub(crate) const NOTICED: Duration = Duration::from_secs(6);
/// The same where none is: a busy machine keeps a broker from its controller for longer than [`NOTICED`], and is not the
/// fault that is tested.
pub(crate) const NEVER_KILLED: Duration = Duration::from_secs(120);
/// Whoever comes is allowed everything, until something is said about a topic.
const AUTHORIZER: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                          allow.everyone.if.no.acl.found=true\n";
/// The node that is the controller; the brokers come after it.
const CONTROLLER: usize = 1;

pub(crate) struct Cluster {
    dir: PathBuf,
    controller: Node,
    /// The brokers.
    pub(crate) nodes: Vec<Node>,
}

pub(crate) struct Node {
    id: usize,
    dir: PathBuf,
    port: u16,
    controller: u16,
    properties: String,
    pub(crate) doors: Vec<Proxy>,
}

impl Cluster {
    /// Starts so many brokers, each with so many doors. `None`, after having said so, where no broker can run.
    pub(crate) fn start(nodes: usize, doors: usize, noticed: Duration) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let run = format!("run.{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        if !has_broker(root) {
            skipped("chaos: no broker can be started (Java 17, and tests/kafka/kafka-up --libs-only once)");
            return None;
        }
        sweep(&root.join(".tools"));
        let dir = root.join(".tools").join(run);
        let controller = Node::controller(&dir, nodes.min(3), noticed);
        let first = CONTROLLER + 1;
        let nodes = (first..first + nodes).map(|id| Node::broker(id, nodes, doors, &dir, controller.port)).collect();
        let cluster = Self { dir, controller, nodes };
        // None is ready before most are there.
        let starting: Vec<_> = cluster.all().map(Node::starting).collect();
        for mut child in starting {
            assert!(child.wait().unwrap().success(), "a broker did not start, see {}", cluster.dir.display());
        }
        Some(cluster)
    }

    fn all(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.controller).chain(&self.nodes)
    }

    /// Straight to the brokers.
    pub(crate) fn address(&self) -> String {
        self.join(|node| node.port)
    }

    /// Through this door of every broker.
    pub(crate) fn door(&self, door: usize) -> String {
        self.join(|node| node.doors[door].port)
    }

    fn join(&self, port: impl Fn(&Node) -> u16) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", port(node))).collect();
        addresses.join(",")
    }

    /// All proxies.
    pub(crate) fn doors(&self) -> impl Iterator<Item = &Proxy> {
        self.nodes.iter().flat_map(|node| &node.doors)
    }

    /// From now on bytes pass so through all doors.
    pub(crate) fn pass(&self, requests: Way, answers: Way) {
        self.doors().for_each(|door| door.pass(requests, answers));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.all().for_each(Node::kill);
        // Of a failed test the brokers' logs are worth a look, their data are not.
        if std::thread::panicking() {
            self.all().for_each(|node| drop(fs::remove_dir_all(node.dir.join("data"))));
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

impl Node {
    /// It is the controller that makes topics, and so decides how many copies there are.
    fn controller(cluster: &Path, copies: usize, noticed: Duration) -> Self {
        let (port, dir) = (free_port(), cluster.join("controller"));
        let properties = format!(
            "broker.session.timeout.ms={}\ndefault.replication.factor={copies}\nmin.insync.replicas={}\n{AUTHORIZER}",
            noticed.as_millis(),
            copies.div_ceil(2)
        );
        Self { id: CONTROLLER, dir, port, controller: port, properties, doors: Vec::new() }
    }

    fn broker(id: usize, nodes: usize, doors: usize, cluster: &Path, controller: u16) -> Self {
        let port = free_port();
        let copies = nodes.min(3);
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{port}");
        let mut advertised = listeners.clone();
        let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
        let own: Vec<Proxy> = (0..doors)
            .map(|door| {
                let behind = free_port();
                let proxy = Proxy::towards(behind);
                let _ = write!(listeners, ",DOOR{door}://127.0.0.1:{behind}");
                let _ = write!(advertised, ",DOOR{door}://127.0.0.1:{}", proxy.port);
                let _ = write!(protocols, ",DOOR{door}:PLAINTEXT");
                proxy
            })
            .collect();
        // A broker that comes back ends the transactions of those that are gone, but with Kafka's own timeouts only after
        // half a minute and more.
        let properties = format!(
            "listeners={listeners}\nadvertised.listeners={advertised}\n\
             listener.security.protocol.map={protocols}\ninter.broker.listener.name=PLAINTEXT\n\
             num.network.threads=1\nnum.io.threads=4\nbackground.threads=2\n\
             default.replication.factor={copies}\nmin.insync.replicas={insync}\n\
             offsets.topic.replication.factor={copies}\ntransaction.state.log.replication.factor={copies}\n\
             transaction.state.log.min.isr={insync}\nrequest.timeout.ms=3000\n\
             transaction.abort.timed.out.transaction.cleanup.interval.ms=1000\nreplica.lag.time.max.ms=6000\n{AUTHORIZER}",
            insync = copies.div_ceil(2),
        );
        let dir = cluster.join(format!("node-{id}"));
        Self { id, dir, port, controller, properties, doors: own }
    }

    fn starting(&self) -> std::process::Child {
        fs::create_dir_all(&self.dir).unwrap();
        let (roles, heap) = if self.id == CONTROLLER { ("controller", CONTROLLER_HEAP) } else { ("broker", HEAP) };
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/kafka-up"))
            .arg("--dir")
            .arg(&self.dir)
            .args(["--port", &self.port.to_string(), "--id", &self.id.to_string()])
            .args(["--roles", roles, "--controllers", &self.controller.to_string()])
            .args(["--while", &std::process::id().to_string()])
            .env("KAFKA_EXTRA", &self.properties)
            .env("KAFKA_HEAP", heap)
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.dir.join("up.log")).unwrap())
            .spawn()
            .unwrap()
    }

    /// Straight to it.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, on its port and with its data; back when it is ready.
    pub(crate) fn up(&self) {
        assert!(self.starting().wait().unwrap().success(), "{} did not start again", self.dir.display());
    }

    /// Stops it in good order.
    pub(crate) fn down(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/kafka-down");
        let status = Command::new(script).arg("--dir").arg(&self.dir).stderr(Stdio::null()).status();
        assert!(status.unwrap().success());
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
    }

    /// Sends it a signal; false when it does not run.
    pub(crate) fn signal(&self, name: &str) -> bool {
        let Ok(pid) = fs::read_to_string(self.dir.join("pid")) else { return false };
        let status = Command::new("kill").args([&format!("-{name}"), pid.trim()]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// Where its records lie.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
}

/// Removes what processes that are gone have left behind: a cluster that is shared to the end is never dropped.
pub(crate) fn sweep(tools: &Path) {
    for entry in fs::read_dir(tools).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix("run.")?.split_once('-')).map(|(pid, _)| pid);
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

pub(crate) fn has_broker(root: &Path) -> bool {
    let jars = fs::read_dir(root.join(".tools")).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("kafka-")))
    });
    jars && Command::new("java").arg("-version").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Below those that the system gives away by itself, so that it is still free when a broker comes back to it; and never
/// the same one twice, as nobody listens there yet.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap();
    loop {
        let port = fastrand::u16(20_000..32_000);
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return port;
        }
    }
}
