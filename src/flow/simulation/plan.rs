//! What a seed means: how the flow is set up, and what goes wrong when.

use std::time::Duration;

use fastrand::Rng;

use super::lines::Mix;
use crate::flow::kafka::topics::Route;
use crate::flow::memory::{Rates, USUAL_MS};
use crate::flow::status::now_ms;
use crate::flow::takes::{Takes, Told};
use crate::flow::{Lines, Mode, Place, RefusedTime, Settings};

/// Something that goes wrong, or is done to the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Some process ends after so many calls.
    Crash(u32),
    /// Some worker is asked to stop.
    Stop,
    /// Some process is frozen for so long, microseconds.
    Freeze(u64),
    /// One worker more.
    Join,
    /// The group throws some member out.
    Evict,
    /// The group makes a rebalance for no reason.
    Rebalance,
    /// The other set of rules comes into use.
    Reload,
    /// Some partition of the output takes nothing for so long.
    Stall(u64),
    /// The output, or the dead-letter topic, is not there for so long.
    Miss(u64),
    /// Somebody else uses a transactional name.
    Rival,
}

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) route: Route,
    pub(super) cooperative: bool,
    pub(super) mix: Mix,
    pub(super) rates: Rates,
    pub(super) queue_limit: usize,
    /// A restarted worker has the transactional name of the one before it.
    pub(super) keeps_names: bool,
    /// When, in microseconds, and what.
    pub(super) faults: Vec<(u64, Fault)>,
    pub(super) tells: Tells,
}

/// What the brokers tell of the timestamps that the output takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// Nothing, ever.
    Nothing,
    /// What is true.
    All,
    /// What is true, once somebody asks.
    Asked,
    /// Less than it takes.
    TooLittle,
}

impl Tells {
    /// What is told of the output.
    pub(super) fn told(self) -> Told {
        let limit_ms = match self {
            Self::Nothing => return Told::default(),
            Self::All | Self::Asked => now_ms() - USUAL_MS / 2,
            Self::TooLittle => now_ms() - USUAL_MS / 2 * 3,
        };
        let output = Takes { before_ms: Some(limit_ms), after_ms: Some(i64::MAX), ..Takes::default() };
        Told { output, ..Told::default() }
    }
}

impl Plan {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let settings = settings(rng);
        let exactly_once = settings.delivery.mode == Mode::ExactlyOnce;
        let horizon = rng.u64(500_000..8_000_000);
        let partitions = rng.usize(1..=4);
        let calm = rng.u8(..10) == 0;
        let mut faults = if calm { Vec::new() } else { faults(rng, horizon, exactly_once) };
        faults.sort_by_key(|(at, _)| *at);
        let troubled = settings.dead_letter.is_some() && !calm;
        let frozen = faults.iter().any(|(_, fault)| matches!(fault, Fault::Freeze(_) | Fault::Evict));
        let mut rates = if calm { Rates::default() } else { rates(rng) };
        if !exactly_once && frozen {
            // A zombie writes old state behind its successor's, and what is compacted away then is lost.
            rates.compaction = 0.0;
        }
        let output_partitions = if rng.bool() { partitions } else { rng.usize(1..=4) } as i32;
        Self {
            route: Route {
                partitions: output_partitions,
                record_limit: 1 << 20,
                dead_letter_partitions: rng.i32(1..=3),
                state_limit: 1 << 20,
                matches_partitions: rng.i32(1..=3),
                matches_limit: 1 << 20,
                alerts_limit: 1 << 20,
                brokers: 1,
            },
            cooperative: rng.bool(),
            mix: Mix {
                partitions,
                lines: rng.usize(50..=300),
                horizon,
                poison: troubled && rng.bool(),
                panics: troubled && rng.u8(..4) == 0,
                many: rng.u8(..8) == 0,
            },
            rates,
            queue_limit: if rng.u8(..4) == 0 { rng.usize(4..30) } else { 10_000 },
            keeps_names: rng.bool(),
            faults,
            settings,
            tells: rng.choice([Tells::Nothing, Tells::All, Tells::Asked, Tells::TooLittle]).unwrap_or(Tells::All),
        }
    }

    /// Nothing goes wrong by itself, and lines come for so long. Whoever starts again has new names.
    pub(super) fn without_faults(mode: Mode, time: Duration, rng: &mut Rng) -> Self {
        let mut plan = Self::new(rng);
        plan.settings.delivery.mode = mode;
        plan.mix = Mix { horizon: time.as_micros() as u64, poison: false, panics: false, ..plan.mix };
        Self { rates: Rates::default(), keeps_names: false, faults: Vec::new(), ..plan }
    }
}

fn settings(rng: &mut Rng) -> Settings {
    let mut settings = crate::flow::test_settings();
    settings.delivery.mode = if rng.bool() { Mode::AtLeastOnce } else { Mode::ExactlyOnce };
    settings.delivery.in_flight = rng.usize(5..=60);
    settings.delivery.commit_interval = Duration::from_millis(rng.u64(5..800));
    settings.delivery.shutdown_timeout = Duration::from_millis(rng.u64(20..3_000));
    settings.delivery.workers = rng.usize(1..=3);
    settings.output.lines = if rng.u8(..4) == 0 { Lines::Matched } else { Lines::All };
    settings.output.place = if rng.u8(..4) == 0 { Place::Headers } else { Place::Value };
    settings.output.source_header_on_all = rng.bool();
    settings.output.refused_time = if rng.bool() { RefusedTime::DeadLetter } else { RefusedTime::Now };
    settings.state = Some("state".to_owned());
    settings.alerts = Some(super::lines::alerts());
    settings.dead_letter = (rng.u8(..4) != 0).then(|| "dead".to_owned());
    // The shortest that leaves room for the session: a worker that is blocked pauses soon.
    settings.input.options.push(("max.poll.interval.ms".to_owned(), "10000".to_owned()));
    settings
}

fn faults(rng: &mut Rng, horizon: u64, exactly_once: bool) -> Vec<(u64, Fault)> {
    let mut rivals = 0;
    let many = rng.usize(0..=6);
    let one = |_| {
        let at = rng.u64(0..horizon);
        let fault = match rng.u8(..17) {
            0..4 => Fault::Crash(rng.u32(1..400)),
            4..6 => Fault::Stop,
            6..8 => Fault::Freeze(if rng.bool() { rng.u64(1_000..2_000_000) } else { rng.u64(9_000_000..25_000_000) }),
            8..10 => Fault::Join,
            10 => Fault::Evict,
            11 => Fault::Rebalance,
            12..14 => Fault::Reload,
            14 => Fault::Stall(if rng.bool() { rng.u64(1_000..300_000) } else { rng.u64(1_000_000..6_000_000) }),
            15 => Fault::Miss(rng.u64(1_000..2_500_000)),
            _ if exactly_once && rivals < 2 => {
                rivals += 1;
                Fault::Rival
            }
            _ => Fault::Rebalance,
        };
        (at, fault)
    };
    (0..many).map(one).collect()
}

fn rates(rng: &mut Rng) -> Rates {
    let mut rate = |most: f32| if rng.u8(..3) == 0 { rng.f32() * most } else { 0.0 };
    Rates {
        commit_refused: rate(0.4),
        commit_lost: rate(0.3),
        commit_unheard: rate(0.3),
        end_refused: rate(0.2),
        end_lost: rate(0.15),
        end_late: rate(0.2),
        end_twice: rate(0.2),
        end_unheard: rate(0.2),
        abort_uncertain: rate(0.1),
        stale: rate(0.8),
        full: rate(0.1),
        trouble: rate(0.05),
        slow: rate(0.2),
        compaction: rate(1.0),
        unnamed: rng.f32(),
    }
}
