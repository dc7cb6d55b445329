//! Many groups that fire: what they take in memory stays below the bound that the start prints, and whoever asks for them
//! gets all of them, a page at a time.
//!
//! `FINGERPOST_TEST_GROUPS=200000` makes it as many as twelve partitions bear; by default there are fewer, as a daemon built for
//! tests is slow.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use rdkafka::producer::Producer as _;
use serde_json::Value as Json;

use super::exact::now_ms;
use super::replay::{Alert, Line};
use super::stage;
use crate::broker::broker;
use crate::records::Record;
use crate::stage::{Daemon, eventually};

const ALERT: Alert = Alert {
    id: "failed",
    from: &[0],
    unless: &[],
    by_cluster: true,
    distinct_jobs: false,
    window_ms: 3_600_000,
    least: 1,
};

fn groups() -> usize {
    std::env::var("FINGERPOST_TEST_GROUPS").ok().and_then(|groups| groups.parse().ok()).unwrap_or(10_000)
}

/// The clusters of all pages.
fn pages(daemon: &Daemon, limit: usize) -> Vec<String> {
    let (mut clusters, mut after) = (Vec::new(), String::new());
    loop {
        let (status, body) = daemon.get(&format!("/api/v1/alerts?limit={limit}{after}"));
        assert_eq!(status, 200, "{body}");
        let page: Json = serde_json::from_str(&body).unwrap();
        let alerts = page["alerts"].as_array().unwrap();
        assert!(alerts.len() <= limit);
        clusters.extend(alerts.iter().map(|alert| alert["labels"]["cluster"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return clusters,
        }
    }
}

#[test]
fn many_that_fire_stay_below_the_printed_bound_and_are_told_in_pages() {
    let Some(broker) = broker() else { return };
    let groups = groups();
    let mut stage = stage(&broker, "memory", &ALERT.toml());
    // Nobody listens there, so that the board keeps all of it.
    stage.config += "alertmanager = [\"http://127.0.0.1:9\"]\n";
    stage.create(&stage.name, 4, &[]);
    let producer = stage.producer();
    let now = now_ms();
    for number in 0..groups {
        let cluster = Some(format!("cluster-{number:07}"));
        let line = Line { timestamp: now, time: Some(now), rule: Some(0), cluster, job: None, from_the_future: false };
        Record::plain(&line.json(), now).send(&producer, &stage.name, (number % 4) as i32);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = stage.start();
    eventually("all fire", Duration::from_secs(300), || {
        (daemon.metric("fingerpost_alerts_firing") == Some(groups as f64)).then_some(())
    });
    let clusters = pages(&daemon, 1500);
    assert_eq!(clusters.len(), groups);
    assert_eq!(clusters.iter().collect::<BTreeSet<_>>().len(), groups, "each on one page");
    assert_eq!(daemon.get("/api/v1/alerts?limit=0").0, 400);
    assert_eq!(daemon.get("/api/v1/alerts?after=x").0, 400);
    let bound = daemon.metric("fingerpost_memory_bound_bytes").unwrap() / 1024.0;
    let peak = daemon.peak_rss_kib() as f64;
    eprintln!("{groups} groups: {:.0} MiB at most, {:.0} MiB printed", peak / 1024.0, bound / 1024.0);
    assert!(peak <= bound, "{peak} KiB of {bound} KiB");
    daemon.stop();
}

/// Each of many that fire has sixteen kilobytes to say, and few are told of: what is kept for the others is small, as is what is
/// kept for those who ask and take nothing.
#[test]
fn long_words_are_not_kept_for_all_and_slow_readers_hold_few_pages() {
    let Some(broker) = broker() else { return };
    let groups = 6_000;
    let long: String = (0..6).map(|number| format!("text{number} = \"{}\"\n", "x".repeat(4_000))).collect();
    let mut stage = stage(&broker, "words", &(ALERT.toml() + &long));
    stage.config += "alertmanager = [\"http://127.0.0.1:9\"]\nmax_firing = 100\n";
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    let mut daemon = stage.start();
    daemon.wait_ready();
    let before = daemon.peak_rss_kib();
    let now = now_ms();
    for number in 0..groups {
        let cluster = Some(format!("cluster-{number:07}"));
        let line = Line { timestamp: now, time: Some(now), rule: Some(0), cluster, job: None, from_the_future: false };
        Record::plain(&line.json(), now).send(&producer, &stage.name, 0);
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    eventually("all fire", Duration::from_secs(120), || {
        (daemon.metric("fingerpost_alerts_firing") == Some(f64::from(groups))).then_some(())
    });
    let slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(daemon.address()).unwrap();
            stream.write_all(b"GET /api/v1/alerts?limit=2000 HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let (_, page) = eventually("a page", Duration::from_secs(60), || {
        Some(daemon.get("/api/v1/alerts?limit=2000")).filter(|(status, _)| *status == 200)
    });
    let page: Json = serde_json::from_str(&page).unwrap();
    let alert = &page["alerts"][0];
    let texts: usize =
        alert["annotations"].as_object().unwrap().values().map(|text| text.as_str().unwrap().len()).sum();
    assert!((15_000..=16_384).contains(&texts), "{texts} bytes of annotations");
    assert!((50..70).contains(&page["alerts"].as_array().unwrap().len()), "a page is full");
    assert_eq!(alert["annotations"]["summary"], "1 lines", "short ones stay");
    let grown = daemon.peak_rss_kib() - before;
    eprintln!("{groups} groups with {texts} bytes to say each: {} MiB more than before", grown / 1024);
    assert!(grown < 80 << 10, "{grown} KiB more than before the lines came");
    drop(slow);
    daemon.stop();
}
