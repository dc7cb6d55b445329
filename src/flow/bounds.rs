//! How much memory the process takes at most, said at the start: the sum of what every part of it may hold when all that
//! has a bound is at its bound. Parts that are there in turn are counted as if they were there together.
//!
//! It is held against what the process is given (`container`), which is a warning, and against `limits.memory`, which is
//! the end: whoever sets that wants to know before the first line, and not when the kernel ends the process.

use super::kafka::clients::{memory_of_queue, memory_of_worker};
use super::kafka::topics::Route;
use super::{Failure, Settings, alerts, container, notify};
use crate::engine::Engine;

/// The program itself, its runtime, HTTP and metrics, and what the allocator keeps for later.
const PROCESS_BYTES: usize = 48 << 20;
/// What is to be told of a group and is not in words yet.
const UNTOLD_BYTES: usize = 800;
/// What the alerts topic says of a group, until all before it is read again.
const RESTORED_BYTES: usize = 800;

/// The bound, in parts that somebody can turn: bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    process: usize,
    rules: usize,
    workers: usize,
    alerts: usize,
}

impl Bounds {
    fn of(settings: &Settings, engine: &Engine, route: &Route) -> Self {
        let worker = memory_of_worker(settings, route.record_limit, route.brokers);
        let workers = if settings.roles.classify { settings.delivery.workers.max(1) * worker } else { 0 };
        let counting = settings.alerts.as_ref().filter(|_| settings.roles.alert);
        Self {
            process: PROCESS_BYTES,
            // While rules are reloaded there are two engines.
            rules: 2 * engine.memory_usage(),
            workers,
            alerts: counting.map_or(0, |alerts| counted(settings, engine, alerts, route)),
        }
    }

    fn sum(self) -> usize {
        let Self { process, rules, workers, alerts } = self;
        process.saturating_add(rules).saturating_add(workers).saturating_add(alerts)
    }
}

/// What counting takes. Whoever is alone has all partitions.
fn counted(settings: &Settings, engine: &Engine, alerts: &alerts::Settings, route: &Route) -> usize {
    let role = alerts::settings(settings, alerts);
    let partitions = usize::try_from(route.matches_partitions).unwrap_or(0);
    let client = memory_of_worker(&role, route.alerts_limit, route.brokers) + memory_of_queue(route.alerts_limit);
    let each = alerts.limits.groups;
    let all = each.saturating_mul(partitions);
    // Where a horizon passes, all that fires in one partition may be over at the same moment, and fire anew.
    let news = each.saturating_mul(2 * UNTOLD_BYTES);
    // Of each group of which something is told: since when it fires or until when it did.
    let keys = all.saturating_mul(2 * alerts::KEY_BYTES);
    let restored = all.saturating_mul(RESTORED_BYTES);
    let groups = alerts.limits.bytes.saturating_mul(partitions);
    // As they are and as JSON, escaped.
    let pages = alerts::PAGES_MAX * 3 * alerts::PAGE_BYTES;
    let told = match alerts.notify.alertmanagers.len() {
        0 => 0,
        listeners => {
            let packs = engine.packs();
            let entries = packs.alerts.iter().map(|alert| alert.labels.len() + alert.annotations.len()).max();
            notify::memory_bound(notify::Most {
                firing: all,
                alerts: packs.alerts.len(),
                max_firing: alerts.notify.max_firing,
                texts: alerts.counting.lengths.most(),
                entries: entries.unwrap_or(0) + OF_ALL,
                listeners,
            })
        }
    };
    let parts = [client, news, keys, restored, groups, pages, told, alerts::LATELY_BYTES];
    parts.into_iter().fold(0, usize::saturating_add)
}

/// Labels and annotations that every alert has, besides those of its pack.
const OF_ALL: usize = 16;

/// Says what is promised, and how many bytes of memory it takes at most, and gives these.
///
/// # Errors
/// When that is more than `limits.memory`.
pub(super) fn tell(settings: &Settings, engine: &Engine, route: &Route) -> Result<usize, Failure> {
    let bounds = Bounds::of(settings, engine, route);
    tracing::info!(
        memory_bound_mib = mib(bounds.sum()),
        rules_mib = mib(bounds.rules),
        workers_mib = mib(bounds.workers),
        alerts_mib = mib(bounds.alerts),
        sources = engine.settings().limits.sources,
        "delivering {}; memory is bounded, whatever the lag, besides what is remembered of so many sources per partition",
        settings.delivery.mode.words(),
    );
    if let Some(given) = container::memory_limit().filter(|given| bounds.sum() as u64 > *given) {
        tracing::warn!(
            "memory may reach {} MiB, and this container is given {} MiB: the kernel would end the process; {}",
            mib(bounds.sum()),
            given >> 20,
            lower(bounds)
        );
    }
    refusal(settings.memory_limit, bounds).map_or(Ok(bounds.sum()), Err)
}

fn refusal(limit: Option<usize>, bounds: Bounds) -> Option<Failure> {
    let limit = limit.filter(|limit| bounds.sum() > *limit)?;
    Some(Failure::config(format!(
        "limits.memory is {} MiB, and memory may reach {} MiB ({} for rules, {} for workers, {} for alerts); {}",
        limit >> 20,
        mib(bounds.sum()),
        mib(bounds.rules),
        mib(bounds.workers),
        mib(bounds.alerts),
        lower(bounds)
    )))
}

/// What takes most, and which keys make it less.
fn lower(bounds: Bounds) -> &'static str {
    if bounds.alerts > bounds.workers {
        "lower limits.alert_memory and limits.alert_groups, or let other daemons count alerts (delivery.roles)"
    } else {
        "lower delivery.workers or delivery.in_flight, or give it more"
    }
}

fn mib(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_above_the_limit_is_refused_with_its_parts() {
        let mebibyte = 1 << 20;
        let bounds = Bounds { process: 48 * mebibyte, rules: mebibyte, workers: 70 * mebibyte, alerts: 300 * mebibyte };
        assert_eq!(refusal(None, bounds), None);
        assert_eq!(refusal(Some(419 * mebibyte), bounds), None);
        let refused = refusal(Some(418 * mebibyte), bounds).expect("one below");
        assert_eq!(refused.kind.exit_code(), 78);
        assert!(refused.message.starts_with("limits.memory is 418 MiB, and memory may reach 419 MiB"), "{refused}");
        assert!(refused.message.contains("300 for alerts") && refused.message.contains("limits.alert_memory"));
    }
}
