//! Programs of others that can do the job, as `tests/setup bench` brings them: Kafka Streams with a small program of our
//! own, and rsyslog with a configuration that is written here; and the library by which the pass-through gets the daemon's
//! allocator.
//!
//! rsyslog hands on neither keys nor headers, so its lines go to any partition and their order is lost.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::candidate::{Job, Program, Tag, tags};

/// Where `tests/setup bench` puts them.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers").join(name)
}

/// Why a program cannot take part; `None` when it can.
pub(crate) fn missing(program: Program) -> Option<&'static str> {
    let (file, why) = match program {
        Program::Streams => (streams_main(), "tests/setup bench could not build it: it takes a JDK and Maven"),
        Program::Rsyslog => (rsyslogd(), "tests/setup bench could not fetch Debian's rsyslog and rsyslog-kafka"),
        Program::Preloaded => (jemalloc(), "tests/setup bench could not fetch Debian's libjemalloc2"),
        _ => return None,
    };
    (!file.exists()).then_some(why)
}

/// The daemon's allocator, as a library that can take the place of another program's.
pub(crate) fn jemalloc() -> PathBuf {
    place(&format!("jemalloc/usr/lib/{}-linux-gnu/libjemalloc.so.2", std::env::consts::ARCH))
}

fn streams_main() -> PathBuf {
    place("streams/classes/Tagger.class")
}

fn rsyslogd() -> PathBuf {
    place("rsyslog/usr/sbin/rsyslogd")
}

/// Kafka Streams.
pub(crate) fn streams(job: &Job, dir: &Path) -> Result<Command> {
    let Job { broker, input, output, group, tags } = job;
    let classes = format!("{}:{}/*", place("streams/classes").display(), place("streams/lib").display());
    let mut command = Command::new("java");
    command.args(["-Xmx1g", "-cp", &classes, "Tagger", broker, input, output, group]).arg(tags).arg(dir.join("state"));
    Ok(command)
}

/// rsyslog.
pub(crate) fn rsyslog(job: &Job, dir: &Path) -> Result<Command> {
    let config = dir.join("rsyslog.conf");
    fs::write(&config, rsyslog_config(job, dir, &tags(job)?))?;
    let libraries = place(&format!("rsyslog/usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    let mut command = Command::new(rsyslogd());
    command
        .args(["-n", "-f"])
        .arg(config)
        .arg("-i")
        .arg(dir.join("pid"))
        .arg("-M")
        .arg(libraries.join("rsyslog"))
        .env("LD_LIBRARY_PATH", libraries);
    Ok(command)
}

fn rsyslog_config(job: &Job, dir: &Path, tags: &[Tag]) -> String {
    let Job { broker, input, output, group, .. } = job;
    let dir = dir.display();
    let queue = r#"queue.type="FixedArray" queue.size="100000" queue.dequeueBatchSize="4096""#;
    let mut chain = String::new();
    for (number, Tag { rule, severity, phrase }) in tags.iter().enumerate() {
        let otherwise = if number == 0 { "" } else { "else " };
        let _ = writeln!(
            chain,
            "  {otherwise}if $msg contains_i '{phrase}' then {{ set $.rule = '{rule}'; set $.severity = '{severity}'; }}"
        );
    }
    let publish = |template: &str| {
        format!(
            "action(type=\"omkafka\" broker=[\"{broker}\"] topic=\"{output}\" template=\"{template}\" \
             confParam=[\"compression.codec=lz4\",\"linger.ms=50\",\"batch.size=1000000\"] partitions.auto=\"on\" \
             resubmitOnFailure=\"on\" keepFailedMessages=\"on\" failedMsgFile=\"{dir}/failed-{template}\")"
        )
    };
    format!(
        "global(workDirectory=\"{dir}\")\n\
         main_queue({queue} queue.workerThreads=\"1\")\n\
         module(load=\"imkafka\") module(load=\"omkafka\")\n\
         input(type=\"imkafka\" topic=\"{input}\" broker=[\"{broker}\"] consumergroup=\"{group}\" ruleset=\"tag\" \
         confParam=[\"auto.offset.reset=earliest\"])\n\
         template(name=\"line\" type=\"string\" string=\"%msg%\")\n\
         template(name=\"tagged\" type=\"string\" \
         string=\"%$.stem%,\\\"fingerpost\\\":{{\\\"rule\\\":\\\"%$.rule%\\\",\\\"severity\\\":\\\"%$.severity%\\\"}}}}\")\n\
         ruleset(name=\"tag\" {queue}) {{\n{chain}\
         \x20 if $.rule != \"\" then {{ set $.stem = substring($msg, 0, -1); {} }}\n  else {{ {} }}\n}}\n",
        publish("tagged"),
        publish("line"),
    )
}

/// The version of the broker.
pub(crate) fn kafka() -> &'static str {
    let line = include_str!("../../tests/kafka/kafka-up").lines().find_map(|line| line.strip_prefix("version="));
    line.unwrap_or("of unknown version")
}
