//! One broker with everything that keeps strangers out: sign-in by SCRAM, TLS with certificates of all kinds, and an
//! authorizer that allows only what was granted. The tests here share it. They mostly wait, some of them for a minute, so by
//! their name they come first, and all others fill the time beside them.
//!
//! Who comes to its plaintext port may do everything: that is how the tests grant rights and look at topics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};

use super::cluster::{free_port, has_broker, sweep};
use super::it::program;
use super::it::records::Record;
use super::it::skip::skipped;
use super::it::stage::{PATIENCE, Stage, eventually, within};
use super::run::Mode;
use admin::{May, On};
use certificates::{Authority, FUTURE, NOW, PAST, Pair};

pub(crate) mod admin;
mod certificates;
mod passwords;
mod quotas;
mod rights;
mod tls;

/// The listeners with TLS, each with a certificate of its own.
const TLS: [&str; 6] = ["GOOD", "EXPIRED", "FUTURE", "NAMED", "FOREIGN", "MUTUAL"];
const PASSWORD: &str = "right";
/// After which the broker asks for a new sign-in.
const SIGNED_IN_FOR: Duration = Duration::from_secs(5);

pub(crate) struct Secure {
    dir: PathBuf,
    /// By the names of the listeners.
    ports: BTreeMap<&'static str, u16>,
    authority: Authority,
    foreign: Authority,
}

/// The broker. `None`, after having said so, where none can run.
fn secure() -> Option<&'static Secure> {
    static SECURE: OnceLock<Option<Secure>> = OnceLock::new();
    SECURE.get_or_init(Secure::start).as_ref()
}

impl Secure {
    fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !has_broker(root) {
            skipped("faults: no broker can be started (Java 17, and tests/kafka/kafka-up --libs-only once)");
            return None;
        }
        let dir = root.join(".tools").join(format!("run.{}-secure", std::process::id()));
        sweep(&root.join(".tools"));
        let names = ["PLAIN", "SCRAM", "SCRAMTLS", "CONTROLLER"].into_iter().chain(TLS);
        let secure = Self {
            ports: names.map(|name| (name, free_port())).collect(),
            authority: Authority::new(&dir.join("ours"), "Ours"),
            foreign: Authority::new(&dir.join("foreign"), "Somebody Else"),
            dir,
        };
        let up = Command::new(root.join("tests/kafka/kafka-up"))
            .arg("--dir")
            .arg(secure.dir.join("node"))
            .args(["--port", &secure.ports["PLAIN"].to_string(), "--while", &std::process::id().to_string()])
            .args(["--controllers", &secure.ports["CONTROLLER"].to_string(), "--scram", &format!("first:{PASSWORD}")])
            .env("KAFKA_EXTRA", secure.properties())
            .env("KAFKA_HEAP", "320m")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(up.success(), "the broker did not start, see {}", secure.dir.display());
        Some(secure)
    }

    fn properties(&self) -> String {
        let protocol = |name: &str| match name {
            "PLAIN" | "CONTROLLER" => "PLAINTEXT",
            "SCRAM" => "SASL_PLAINTEXT",
            "SCRAMTLS" => "SASL_SSL",
            _ => "SSL",
        };
        let listeners: Vec<String> =
            self.ports.iter().map(|(name, port)| format!("{name}://127.0.0.1:{port}")).collect();
        let protocols: Vec<String> = self.ports.keys().map(|name| format!("{name}:{}", protocol(name))).collect();
        let mut text = format!(
            "listeners={0}\nadvertised.listeners={1}\nlistener.security.protocol.map={2}\n\
             inter.broker.listener.name=PLAIN\nsasl.enabled.mechanisms=SCRAM-SHA-256\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nsuper.users=User:ANONYMOUS\n\
             num.network.threads=1\nnum.io.threads=4\nbackground.threads=2\n",
            listeners.join(","),
            listeners.iter().filter(|one| !one.starts_with("CONTROLLER")).cloned().collect::<Vec<_>>().join(","),
            protocols.join(",")
        );
        for name in ["SCRAM", "SCRAMTLS"] {
            let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
            let prefix = format!("listener.name.{}.scram-sha-256", name.to_lowercase());
            let _ = writeln!(text, "{prefix}.sasl.jaas.config={scram}");
            let _ = writeln!(text, "{prefix}.connections.max.reauth.ms={}", SIGNED_IN_FOR.as_millis());
        }
        for name in TLS.into_iter().chain(["SCRAMTLS"]) {
            let prefix = format!("listener.name.{}.ssl", name.to_lowercase());
            let pair = self.certificate(name);
            let _ = writeln!(
                text,
                "{prefix}.keystore.type=PEM\n{prefix}.keystore.location={}\n{prefix}.truststore.type=PEM\n\
                 {prefix}.truststore.location={}",
                pair.both.display(),
                self.authority.file().display()
            );
            if name == "MUTUAL" {
                let _ = writeln!(text, "{prefix}.client.auth=required");
            }
        }
        text
    }

    fn certificate(&self, listener: &str) -> Pair {
        let (authority, host, days) = match listener {
            "EXPIRED" => (&self.authority, "127.0.0.1", PAST),
            "FUTURE" => (&self.authority, "127.0.0.1", FUTURE),
            "NAMED" => (&self.authority, "kafka.example.com", NOW),
            "FOREIGN" => (&self.foreign, "127.0.0.1", NOW),
            _ => (&self.authority, "127.0.0.1", NOW),
        };
        authority.sign(listener, "broker", host, days)
    }

    /// Where everything is allowed.
    fn open(&self) -> String {
        self.at("PLAIN")
    }

    fn at(&self, listener: &str) -> String {
        format!("127.0.0.1:{}", self.ports[listener])
    }

    /// A stage with topics, whose daemons come to this listener with these lines in `[kafka]`.
    fn stage(&self, test: &str, listener: &str, lines: &str) -> Stage {
        let mut stage = Stage::new(&self.open(), test);
        let open = format!("bootstrap_servers = \"{}\"", self.open());
        assert!(stage.config.contains(&open));
        let secured = format!("bootstrap_servers = \"{}\"\n{lines}", self.at(listener));
        stage.config = stage.config.replace(&open, &secured);
        stage.create(&stage.name, 2, &[]);
        stage.create(&stage.output(), 2, &[]);
        stage
    }

    /// A stage whose daemons sign in, each as a user of its own, who has this password and no rights.
    fn signed_in(&self, test: &str, password: &str) -> User {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{test}-user-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        admin::set_password(&self.open(), &name, PASSWORD);
        let mut stage = self.stage(test, "SCRAM", "");
        let file = stage.dir.join("password");
        write_secret(&file, password);
        stage.config = stage.config.replace(
            "[kafka]\n",
            &format!(
                "[kafka]\nsecurity_protocol = \"sasl_plaintext\"\nsasl_mechanism = \"SCRAM-SHA-256\"\n\
                 sasl_username = \"{name}\"\nsasl_password_file = \"{}\"\n",
                file.display()
            ),
        );
        User { name, stage, file, open: self.open() }
    }
}

/// Somebody who signs in, and a stage of theirs.
struct User {
    name: String,
    stage: Stage,
    /// Holds the password.
    file: PathBuf,
    open: String,
}

impl User {
    /// The same with transactions, and a state topic.
    fn exactly_once(mut self) -> Self {
        let state = format!("{}.state", self.stage.name);
        self.stage.config += &format!("[delivery]\nmode = \"exactly_once\"\n[state]\ntopic = \"{state}\"\n");
        self.stage.create(&state, 2, &[("cleanup.policy", "compact")]);
        self
    }

    fn may(&self, on: On, name: &str, operations: &[May]) {
        admin::allow(&self.open, &self.name, on, name, operations);
    }

    /// Everything that the daemon needs, but for what it creates.
    fn may_all(&self) {
        self.may(On::Topic, &self.stage.name, &[May::Read, May::DescribeConfigs]);
        self.may(
            On::Topic,
            &format!("{}.*", self.stage.name),
            &[May::Read, May::Write, May::Create, May::DescribeConfigs],
        );
        self.may(On::Group, &self.stage.name, &[May::Read]);
        self.may(On::TransactionalId, &format!("{}/*", self.stage.name), &[May::Write, May::Describe]);
    }
}

/// Sends a line, the `nth` of partition 0, and waits until it is committed.
fn send_and_wait(stage: &Stage, nth: i64) {
    let producer = stage.producer();
    Record::plain(r#"{"msg":"fine"}"#, nth).send(&producer, &stage.name, 0);
    producer.flush(Duration::from_secs(120)).unwrap();
    let done = || (stage.committed(&stage.name, 2)[0] == Some(nth)).then_some(());
    if within(PATIENCE, done).is_none() {
        panic!("line {nth} is not committed\n{}", stage.logs());
    }
}

/// A file that only we can read; renamed into its place, as whoever reads it must not find half of it.
fn write_secret(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, file).unwrap();
}

/// `config check` on a stage: its exit code, and what it printed.
fn check(stage: &Stage) -> (Option<i32>, String) {
    let file = stage.dir.join("check.toml");
    fs::write(&file, &stage.config).unwrap();
    let output: Output =
        program::fingerpost().args(["config", "check", "--timeout", "30s", "-c"]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

/// The line of a check that speaks of this.
fn line<'t>(text: &'t str, subject: &str) -> &'t str {
    text.lines().find(|line| line.contains(subject)).unwrap_or_else(|| panic!("nothing of {subject} in\n{text}"))
}
