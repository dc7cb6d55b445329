//! How the program speaks: logs to stderr, metrics to whoever asks, and care with text that others wrote.
//!
//! Everything that comes from outside (log lines, broker messages, panics at such lines) goes through [`foreign`] before
//! it is logged: control characters would otherwise forge lines and colours in somebody's terminal.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::panic::UnwindSafe;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use tracing_subscriber::EnvFilter;

use crate::flow::meters::{DESCRIPTIONS, Kind, names};
use crate::flow::reload::{Outcome, State};
use crate::flow::{PartitionReport, Status};

/// Bytes of foreign text that are logged.
const FOREIGN_MAX: usize = 300;
/// A gauge that was not set for this long, as its partition is another's now, is no longer shown.
const GAUGE_IDLE: Duration = Duration::from_secs(30);

/// What is logged, and how: `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level, or directives as `tracing` knows them: `warn,fingerpost=debug`.
    pub level: String,
    /// Its form.
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// Lines for people.
    Text,
    /// Lines for machines.
    Json,
}

/// Starts logging. A second call, as from a test, changes nothing.
///
/// # Errors
/// When the filter is not understood; says which part.
pub fn log(settings: &Log) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .parse(&settings.level)
        .map_err(|error| format!("log.level `{}`: {error}", foreign(settings.level.as_bytes())))?;
    let terminal = std::io::stderr().is_terminal();
    // It would complain about a log that cannot be written on that very log, and panic when that fails.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let json = match settings.format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    // An error here says that logging was started before.
    let _ = if json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_ansi(colours).with_target(false).try_init()
    };
    Ok(())
}

/// Foreign text made fit for a log: invalid UTF-8 replaced, everything that steers a terminal or turns the direction of
/// writing escaped, cut after 300 bytes.
#[must_use]
pub fn foreign(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len().min(FOREIGN_MAX) + 16);
    // A character of four bytes may straddle the cut; lossy decoding of a little more than needed finds it whole.
    let head = String::from_utf8_lossy(&text[..text.len().min(FOREIGN_MAX + 4)]);
    for character in head.chars() {
        if out.len() + character.len_utf8() > FOREIGN_MAX {
            break;
        }
        if steers(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    if text.len() > FOREIGN_MAX {
        let _ = write!(out, "… ({} bytes)", text.len());
    }
    out
}

/// Control characters, line separators, and marks that change the direction of writing or are not seen at all.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

thread_local! {
    /// Somebody on this thread catches the panic and reports it.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it becomes its message, for the caller to report, and is not printed.
///
/// # Errors
/// The panic's message, as [`foreign`] text: it may quote a log line.
pub fn caught<T>(work: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    install_panic_hook();
    let before = EXPECTED.replace(true);
    let result = std::panic::catch_unwind(work);
    EXPECTED.set(before);
    result.map_err(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a panic without a message");
        foreign(text.as_bytes())
    })
}

fn install_panic_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                previous(info);
            }
        }));
    });
}

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
    for result in RELOAD_RESULTS {
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

/// What a reload can come to, as the label has it.
const RELOAD_RESULTS: [&str; 3] = ["loaded", "unchanged", "failed"];

/// Counts a reload.
pub(crate) fn count_reload(outcome: &Outcome) {
    let result = match outcome {
        Outcome::Loaded(_) => RELOAD_RESULTS[0],
        Outcome::Unchanged => RELOAD_RESULTS[1],
        Outcome::Failed(_) => RELOAD_RESULTS[2],
    };
    counter!(names::PACK_RELOADS, "result" => result).increment(1);
}

fn set_gauges(status: &Status, partitions: &[PartitionReport]) {
    let oldest = partitions.iter().map(|report| report.oldest_age).max().unwrap_or_default();
    gauge!(names::OLDEST_AGE).set(oldest.as_secs_f64());
    gauge!(names::ASSIGNED).set(partitions.len() as f64);
    gauge!(names::SOURCES).set(partitions.iter().map(|report| report.sources).sum::<u64>() as f64);
    gauge!(names::RULES_UNSEEN).set(status.coverage().unseen() as f64);
    gauge!(names::IN_FLIGHT).set(status.in_flight() as f64);
    gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer() {
        assert_eq!(foreign(b"plain text, \xc3\xa4 too"), "plain text, \u{e4} too");
        assert_eq!(foreign(b"a\x1b[31mred\r\n\x00"), "a\\u{1b}[31mred\\r\\n\\u{0}");
        assert_eq!(foreign("\u{202e}evil\u{2028}".as_bytes()), "\\u{202e}evil\\u{2028}");
        assert_eq!(foreign(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn foreign_text_is_cut() {
        let cut = foreign(&[b'x'; 5000]);
        assert!(cut.ends_with("x… (5000 bytes)"));
        assert!(cut.len() < FOREIGN_MAX + 32);
        assert_eq!(foreign("ä".repeat(400).as_bytes()).matches('ä').count(), FOREIGN_MAX / 2);
        assert_eq!(foreign(&[b'y'; 300]).len(), 300);
        assert!(foreign(&[0x1b; 400]).len() < FOREIGN_MAX + 32);
    }

    #[test]
    fn a_caught_panic_is_its_message() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| panic!("at \x1b line {}", 3)), Err::<(), _>("at \\u{1b} line 3".into()));
    }

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

    #[test]
    fn a_filter_that_is_wrong_is_an_error() {
        assert!(log(&Log { level: "a=b=c".into(), format: LogFormat::Auto }).is_err());
    }
}
