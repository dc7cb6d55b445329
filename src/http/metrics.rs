//! What `/metrics` shows: the one recorder of this process, its descriptions and buckets, and the gauges that are set when
//! somebody asks.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;

use crate::flow::meters::{DESCRIPTIONS, Kind, names};
use crate::flow::reload::{self, State};
use crate::flow::{PartitionReport, Status};

/// A gauge that was not set for this long, as its partition is another's now, is no longer shown.
const GAUGE_IDLE: Duration = Duration::from_secs(30);
/// Buckets in seconds: from a plain miss to a line of a megabyte full of hits.
const CLASSIFY_BUCKETS: &[f64] =
    &[1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1e-2, 0.1];
/// Buckets in seconds: from a quick broker to a backlog of hours.
const LATENCY_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];

/// The one recorder of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    /// Partitions whose lag was shown last time.
    shown: Arc<Mutex<HashSet<Place>>>,
    /// The digest that was shown last time.
    digest: Arc<Mutex<String>>,
    /// Alerts that were shown to fire.
    fired: Arc<Mutex<HashSet<String>>>,
}

/// Topic and partition.
type Place = (Arc<str>, i32);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Starts counting; must come before the flow starts, whose counters would otherwise count into nothing. Later calls
/// give the same recorder.
#[must_use]
pub fn metrics() -> Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(install_metrics).clone()
}

fn install_metrics() -> Metrics {
    let buckets = [(names::CLASSIFY, CLASSIFY_BUCKETS), (names::LATENCY, LATENCY_BUCKETS)];
    let builder = buckets.iter().fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
        let matcher = Matcher::Full((*name).to_owned());
        builder.set_buckets_for_metric(matcher, buckets).expect("the lists of buckets above are not empty")
    });
    let recorder = builder.idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_IDLE)).build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another metrics recorder was installed before; /metrics will be empty");
    }
    for (name, kind, text) in DESCRIPTIONS {
        match kind {
            Kind::Counter => describe_counter!(*name, *text),
            Kind::Gauge => describe_gauge!(*name, *text),
            Kind::Histogram => describe_histogram!(*name, Unit::Seconds, *text),
        }
    }
    for result in reload::RESULTS {
        counter!(names::PACK_RELOADS, "result" => result).increment(0);
    }
    Metrics { handle, shown: Arc::default(), digest: Arc::default(), fired: Arc::default() }
}

impl Metrics {
    /// The Prometheus text. Gauges are set now, from `status`, from the digest of the packs in use and what else is
    /// known of them.
    #[must_use]
    pub fn render(&self, status: &Status, digest: &str, packs: &State) -> String {
        let partitions = status.partitions();
        let counted = status.counted_partitions();
        self.set_lag(&[partitions.as_slice(), counted.as_slice()].concat());
        set_gauges(status, &partitions);
        self.set_alerts(status);
        self.set_packs(digest, packs);
        self.handle.render()
    }

    /// The lag of a partition that was given up is 0 here, until the gauge is forgotten: its new owner tells the rest,
    /// and the sum over all processes is right at any time.
    fn set_lag(&self, partitions: &[PartitionReport]) {
        let set = |(topic, partition): &Place, lag: i64| {
            gauge!(names::LAG, "topic" => topic.to_string(), "partition" => partition.to_string()).set(lag as f64);
        };
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = HashSet::new();
        for report in partitions {
            if let Some(lag) = report.lag {
                let place = (report.topic.clone(), report.partition);
                set(&place, lag);
                now.insert(place);
            }
        }
        for gone in shown.difference(&now) {
            set(gone, 0);
        }
        *shown = now;
    }

    /// An alert that fired and does not any more is 0, until the gauge is forgotten.
    fn set_alerts(&self, status: &Status) {
        let firing = status.alerts().firing_by_alert();
        let mut fired = self.fired.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in fired.iter().filter(|alert| !firing.contains_key(*alert)) {
            gauge!(names::ALERTS_FIRING, "alert" => gone.clone()).set(0.0);
        }
        for (alert, groups) in &firing {
            gauge!(names::ALERTS_FIRING, "alert" => alert.clone()).set(*groups as f64);
        }
        fired.extend(firing.into_keys());
        gauge!(names::ALERT_GROUPS).set(status.alerts().groups() as f64);
        for (alertmanager, waiting) in status.alerts().waiting() {
            gauge!(names::NOTIFICATIONS_WAITING, "alertmanager" => alertmanager).set(waiting as f64);
        }
    }

    /// The digest before is 0 until its gauge is forgotten, so that one digest only is in use at any time.
    fn set_packs(&self, digest: &str, packs: &State) {
        let mut shown = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != digest && !shown.is_empty() {
            gauge!(names::PACK_INFO, "digest" => shown.clone()).set(0.0);
        }
        digest.clone_into(&mut shown);
        gauge!(names::PACK_INFO, "digest" => digest.to_owned()).set(1.0);
        gauge!(names::PACK_LOADED).set(packs.loaded.as_millisecond() as f64 / 1000.0);
        gauge!(names::PACK_STALE).set(if packs.rejected.is_some() { 1.0 } else { 0.0 });
    }

    /// Counts up the samples of the histograms, which otherwise pile up until somebody asks. To be called every few
    /// seconds.
    pub fn sweep(&self) {
        self.handle.run_upkeep();
    }
}

fn set_gauges(status: &Status, partitions: &[PartitionReport]) {
    let oldest = partitions.iter().map(|report| report.oldest_age).max().unwrap_or_default();
    gauge!(names::OLDEST_AGE).set(oldest.as_secs_f64());
    gauge!(names::ASSIGNED).set(partitions.len() as f64);
    gauge!(names::SOURCES).set(partitions.iter().map(|report| report.sources).sum::<u64>() as f64);
    gauge!(names::RULES_UNSEEN).set(status.coverage().unseen() as f64);
    if let Some(bytes) = status.memory_bound() {
        gauge!(names::MEMORY_BOUND).set(bytes as f64);
    }
    gauge!(names::IN_FLIGHT).set(status.in_flight() as f64);
    gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_given_up_has_no_lag_here() {
        let metrics = metrics();
        let status = Status::default();
        let packs = State { loaded: jiff::Timestamp::UNIX_EPOCH, rejected: None };
        let worker = status.add_worker();
        let lane = worker.add("given-up".into(), 4, 10);
        worker.reaches("given-up", 4, 0, 30, -1);
        let line = |lag: &str| format!("fingerpost_consumer_lag_records{{topic=\"given-up\",partition=\"4\"}} {lag}\n");
        assert!(metrics.render(&status, "d", &packs).contains(&line("20")));
        worker.remove(&lane);
        let text = metrics.render(&status, "e", &packs);
        assert!(text.contains(&line("0")), "{text}");
        assert!(text.contains("fingerpost_pack_info{digest=\"d\"} 0\n"), "{text}");
        assert!(text.contains("fingerpost_pack_info{digest=\"e\"} 1\n"), "{text}");
        assert!(text.contains("fingerpost_pack_stale 0\n"), "{text}");
    }
}
