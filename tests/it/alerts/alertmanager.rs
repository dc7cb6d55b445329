//! A real Alertmanager, of Debian's package, told by a real daemon; looked at with its own `amtool`.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, Producer as _};
use serde_json::Value as Json;

use super::exact::{LATER, now_ms};
use super::replay::{Alert, Line};
use super::{stage, told};
use crate::broker::broker;
use crate::records::Record;
use crate::skip::skipped;
use crate::stage::{PATIENCE, Stage, eventually};

const ALERT: Alert =
    Alert { id: "failed", from: &[0], unless: &[], by_cluster: true, distinct_jobs: false, window_ms: 2_000, least: 1 };

/// An Alertmanager on a port of its own.
struct Alertmanager {
    program: PathBuf,
    directory: PathBuf,
    port: u16,
    child: Option<Child>,
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| directories.iter().map(move |one| one.join(name))).find(|path| path.is_file())
}

impl Alertmanager {
    /// `None` after having said that it is not installed.
    fn start(stage: &Stage, name: &str) -> Option<Self> {
        let Some(program) = find(&["prometheus-alertmanager", "alertmanager"]).filter(|_| find(&["amtool"]).is_some())
        else {
            skipped("alertmanager: prometheus-alertmanager and its amtool are not installed");
            return None;
        };
        let directory = stage.dir.join(name);
        fs::create_dir_all(&directory).unwrap();
        let config =
            "route:\n  receiver: nobody\n  group_by: [alertname]\n  group_wait: 1s\nreceivers:\n  - name: nobody\n";
        fs::write(directory.join("alertmanager.yml"), config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut started = Self { program, directory, port, child: None };
        started.up();
        Some(started)
    }

    fn up(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.directory.join("log")).unwrap();
        let child = Command::new(&self.program)
            .arg(format!("--config.file={}", self.directory.join("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", self.directory.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
        eventually("the Alertmanager", Duration::from_secs(20), || {
            self.amtool(&["cluster", "show"]).or_else(|| self.amtool(&["config", "show"])).map(drop)
        });
    }

    /// Gone from one moment to the next, and all alerts it knew with it.
    fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What `amtool` prints; `None` when it fails.
    fn amtool(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("amtool").args(arguments).arg(format!("--alertmanager.url={}", self.url())).output();
        output.ok().filter(|output| output.status.success()).map(|output| String::from_utf8(output.stdout).unwrap())
    }

    /// What it shows as firing, and neither silenced nor over.
    fn active(&self) -> Vec<Json> {
        let shown = self.amtool(&["alert", "query", "--output=json"]).unwrap_or_else(|| "[]".to_owned());
        serde_json::from_str(&shown).unwrap()
    }

    fn clusters(&self) -> Vec<String> {
        let mut clusters: Vec<String> =
            self.active().iter().map(|alert| alert["labels"]["cluster"].as_str().unwrap().to_owned()).collect();
        clusters.sort();
        clusters
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.down();
    }
}

fn say(producer: &BaseProducer, stage: &Stage, cluster: &str, at: i64) {
    let line = Line::failure(at, Some(cluster));
    Record::plain(&line.json(), at).send(producer, &stage.name, 0);
    producer.flush(Duration::from_secs(120)).unwrap();
}

/// Everything before is over: so much later, as the daemons' clock and records say, two by two until these know it.
fn let_pass(producer: &BaseProducer, stage: &Stage, know: &[&Alertmanager]) {
    stage.shift_clock(LATER);
    eventually("the daemon has seen it", PATIENCE, || stage.logs().contains("has jumped").then_some(()));
    eventually("all is over", PATIENCE, || {
        // Whoever reads may not know of the jump yet, and believes none of them.
        (0..2).for_each(|_| Record::plain("{}", now_ms() + 1_800_000).send(producer, &stage.name, 0));
        producer.flush(PATIENCE).unwrap();
        know.iter().all(|manager| manager.active().is_empty()).then_some(())
    });
}

/// Some lines that say nothing, each read and committed; how long that took.
fn carry(producer: &BaseProducer, stage: &Stage, lines: usize) -> Duration {
    let before = stage.ends(&stage.name)[0].1;
    let now = now_ms();
    let began = Instant::now();
    for n in 0..lines {
        Record::plain(&format!(r#"{{"n":{n},"msg":"all is well"}}"#), now).send(producer, &stage.name, 0);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    eventually("all lines are committed", Duration::from_secs(60), || {
        stage.committed(&stage.name, 1)[0].filter(|committed| *committed >= before + lines as i64)
    });
    began.elapsed()
}

#[test]
#[ignore = "field: a real Alertmanager, by make field"]
fn field_an_alertmanager_receives_groups_shows_silences_and_resolves() {
    let Some(broker) = broker() else { return };
    let mut stage = stage(&broker, "alertmanager", &ALERT.toml());
    let Some(manager) = Alertmanager::start(&stage, "one") else { return };
    stage.config += &format!("alertmanager = [\"{}\"]\nrepeat_interval = \"1s\"\nfound_late = \"0s\"\n", manager.url());
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    let mut daemon = stage.start();
    daemon.wait_ready();
    let began = now_ms();
    say(&producer, &stage, "c1", began);
    say(&producer, &stage, "c2", began + 1);
    eventually("both are shown", Duration::from_secs(20), || (manager.clusters() == ["c1", "c2"]).then_some(()));
    let alerts = manager.active();
    let first = alerts.iter().find(|alert| alert["labels"]["cluster"] == "c1").unwrap();
    assert_eq!(first["labels"]["alertname"], "failed");
    assert_eq!(first["labels"]["severity"], "critical");
    assert_eq!(first["annotations"]["summary"], "1 lines");
    assert_eq!(first["annotations"]["contact"], "#jobs");
    assert_eq!(first["annotations"]["first_line"], format!("{}/0/0", stage.name));
    let starts: jiff::Timestamp = first["startsAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(starts.as_millisecond(), began, "it fires since the line's own time");
    let groups = manager.amtool(&["alert", "query", "alertname=failed", "--output=extended"]).unwrap();
    assert_eq!(groups.lines().filter(|line| line.contains("failed")).count(), 2, "{groups}");

    // The command in the annotation silences this alert and no other.
    let silence = first["annotations"]["silence"].as_str().unwrap();
    let command = format!("{silence} --author=test --alertmanager.url={}", manager.url());
    assert!(Command::new("sh").args(["-c", &command]).stdout(Stdio::null()).status().unwrap().success(), "{command}");
    eventually("c1 is silenced", Duration::from_secs(10), || (manager.clusters() == ["c2"]).then_some(()));

    let_pass(&producer, &stage, &[&manager]);
    assert_eq!(daemon.metric("fingerpost_notifications_waiting"), Some(0.0));
    assert_eq!(daemon.metric("fingerpost_alert_changes_total"), Some(4.0), "two fired, and both were over");
    daemon.stop();
}

#[test]
#[ignore = "field: a real Alertmanager, by make field"]
fn field_while_an_alertmanager_is_down_nothing_is_lost_or_slowed() {
    is_away(Duration::from_secs(3), 20_000);
}

#[test]
#[ignore = "two minutes of waiting; the same with three seconds is run each time"]
fn while_an_alertmanager_is_down_for_two_minutes_nothing_is_lost_or_slowed() {
    is_away(Duration::from_secs(120), 300_000);
}

/// Of two replicas one goes away, with all it knew; alerts begin meanwhile, and lines are carried as before.
fn is_away(time: Duration, lines: usize) {
    let Some(broker) = broker() else { return };
    let mut stage = stage(&broker, "away", &ALERT.toml());
    let (Some(there), Some(mut away)) = (Alertmanager::start(&stage, "there"), Alertmanager::start(&stage, "away"))
    else {
        return;
    };
    stage.config += &format!(
        "alertmanager = [\"{}\", \"{}\"]\nrepeat_interval = \"5s\"\nfound_late = \"0s\"\n",
        there.url(),
        away.url()
    );
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    let mut daemon = stage.start();
    daemon.wait_ready();
    say(&producer, &stage, "before", now_ms());
    eventually("both know", Duration::from_secs(20), || {
        (there.clusters() == ["before"] && away.clusters() == ["before"]).then_some(())
    });
    let with_both = carry(&producer, &stage, lines);
    away.down();
    let back = Instant::now() + time;
    let clusters: Vec<String> = (0..50).map(|n| format!("c{n:02}")).collect();
    for cluster in &clusters {
        say(&producer, &stage, cluster, now_ms());
    }
    let with_one = carry(&producer, &stage, lines);
    println!("{lines} lines in {with_both:.2?} with both Alertmanagers, in {with_one:.2?} with one of them down");
    let all: Vec<String> = std::iter::once("before".to_owned()).chain(clusters).collect();
    eventually("the other one knows all", Duration::from_secs(20), || (there.clusters() == all).then_some(()));
    std::thread::sleep(back.saturating_duration_since(Instant::now()));
    assert_eq!(daemon.get("/readyz").0, 200, "an Alertmanager that is down is no reason not to be ready");
    assert_eq!(daemon.metric("fingerpost_notifications_waiting"), Some(50.0));
    away.up();
    // What it had taken before it forgot everything comes with the next repetition, the rest at once.
    eventually("it is told what it missed", Duration::from_secs(90), || (away.clusters() == all).then_some(()));
    let_pass(&producer, &stage, &[&there, &away]);
    daemon.stop();
}

/// A collector delivers what happened while it was away: it is over, and is told to fire for a while all the same. What
/// happened before anybody counted is nobody's news.
#[test]
fn what_is_found_late_is_announced() {
    const MINUTE: i64 = 60_000;
    let Some(broker) = broker() else { return };
    let mut stage = stage(&broker, "foundlate", &ALERT.toml());
    stage.shutdown_timeout = None;
    let Some(manager) = Alertmanager::start(&stage, "one") else { return };
    stage.config += &format!(
        "alertmanager = [\"{}\"]\nrepeat_interval = \"1s\"\nfound_late = \"8s\"\n[delivery]\nshutdown_timeout = \"2s\"\n",
        manager.url()
    );
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    // The group begins half an hour ago.
    stage.shift_clock(-30 * MINUTE);
    let now = now_ms();
    say(&producer, &stage, "before", now - 40 * MINUTE);
    let mut daemon = stage.start();
    eventually("it is counted", Duration::from_secs(30), || (!told(&stage).is_empty()).then_some(()));
    daemon.stop();
    stage.shift_clock(0);
    let mut daemon = stage.start();
    daemon.wait_ready();
    // Two of now, so that the third is late.
    (0..2).for_each(|_| Record::plain("{}", now_ms()).send(&producer, &stage.name, 0));
    let late = Line { time: Some(now - 25 * MINUTE), ..Line::failure(now_ms(), Some("late")) };
    Record::plain(&late.json(), late.timestamp).send(&producer, &stage.name, 0);
    producer.flush(Duration::from_secs(120)).unwrap();
    let alert = eventually("it is announced", Duration::from_secs(20), || {
        let says =
            |alert: &Json| alert["labels"]["cluster"] == "late" && alert["annotations"]["found_late"].is_string();
        manager.active().into_iter().find(says)
    });
    let words = alert["annotations"]["found_late"].as_str().unwrap_or_default();
    assert!(words.starts_with("it fired from ") && words.contains("and was found 2"), "{alert}");
    assert_eq!(manager.clusters(), ["late"], "what was over before the group's first start is no news");
    eventually("it is over", Duration::from_secs(30), || manager.active().is_empty().then_some(()));
    daemon.stop();
    let told: Vec<(String, Option<i64>)> = told(&stage)
        .iter()
        .map(|record| &record["fingerpost"])
        .filter(|own| own["group"]["cluster"] == "late")
        .map(|own| (own["state"].as_str().unwrap().to_owned(), own["ends_at"].as_i64()))
        .collect();
    let ends_at = now - 25 * MINUTE + 2_000;
    assert_eq!(told, [("firing".to_owned(), None), ("resolved".to_owned(), Some(ends_at))], "the topic is exact");
}
