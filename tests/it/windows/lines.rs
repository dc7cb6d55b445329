//! Generated input: what each input partition holds, seeded. Clocks run ahead and behind, lines come late and out of
//! order, singly and as what a collector that was away delivers, records leap ahead, partitions stand hours apart, values are
//! missing.

use fingerpost::engine::Engine;
use fingerpost::pack;

use std::sync::Arc;

/// One record of an input partition.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// The record's timestamp, milliseconds since 1970; -1 when it has none.
    pub(crate) timestamp: i64,
    /// The time that the line itself tells.
    pub(crate) time: Option<i64>,
    pub(crate) what: What,
    pub(crate) volume: Option<&'static str>,
    pub(crate) request: Option<&'static str>,
    pub(crate) app: Option<&'static str>,
    pub(crate) region: Option<&'static str>,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Full,
    Slow,
    Repair,
    /// Two failures in one line.
    FullAndSlow,
    Nothing,
}

impl Written {
    pub(crate) fn payload(&self) -> String {
        let msg = match self.what {
            What::Full => "no space left",
            What::Slow => "write is slow",
            What::Repair => "repair under way",
            What::FullAndSlow => "no space left, write is slow",
            What::Nothing => "all is well",
        };
        let mut line = serde_json::json!({ "msg": msg });
        let members = [("volume", self.volume), ("request", self.request), ("app", self.app), ("region", self.region)];
        for (name, value) in members {
            if let Some(value) = value {
                line[name] = value.into();
            }
        }
        if let Some(time) = self.time {
            line["time"] = time.into();
        }
        line.to_string()
    }
}

/// The engine that judges such lines.
pub(crate) fn engine() -> Engine {
    let text = include_str!("../../cases/alerts/disks.toml");
    let source = fingerpost::diagnostic::Source { name: "disks.toml".into(), text: text.into() };
    let (packs, problems) = pack::parse(&[Arc::new(source)]);
    let packs = packs.unwrap_or_else(|| panic!("{}", fingerpost::diagnostic::draw(&problems, false)));
    Engine::new(packs, fingerpost::engine::Settings::default()).unwrap()
}

/// 2024-01-03T12:00:00Z.
pub(crate) const START: i64 = 1_704_283_200_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// What so many input partitions hold.
pub(crate) fn generate(random: &mut fastrand::Rng, partitions: usize, lines: usize) -> Vec<Vec<Written>> {
    // Either all at one time, or spread over hours.
    let spread = [0, 0, 6 * HOUR][random.usize(0..3)];
    // Times on a coarse grid meet each other, and the ends of windows.
    let grid = [1, 1000, 30_000, MINUTE][random.usize(0..4)];
    let pace = random.i64(1_000..90_000);
    // Some inputs have none of it, most have some.
    let (away, leaps) = (random.u32(0..4), random.u32(0..4));
    (0..partitions)
        .map(|_| {
            let mut now = START + random.i64(0..=spread);
            let mut collector = None;
            (0..random.usize(0..=2 * lines / partitions))
                .map(|_| {
                    now += random.i64(0..pace) / grid * grid;
                    // A pause that is longer than a clock believes at once.
                    if random.u32(0..60) == 0 {
                        now += random.i64(4 * MINUTE..70 * MINUTE) / grid * grid;
                    }
                    if random.u32(0..100) < 3 * away {
                        collector = Some((random.usize(1..12), random.i64(MINUTE..135 * MINUTE)));
                    }
                    let late = collector.map(|(_, late)| late);
                    collector = collector.filter(|(left, _)| *left > 1).map(|(left, late)| (left - 1, late));
                    let mut written = written(random, now, grid);
                    if let Some(late) = late {
                        written.time = Some((now - late) / grid * grid);
                    }
                    if random.u32(0..100) < 2 * leaps {
                        let ahead = [5 * MINUTE, 59 * MINUTE, 48 * HOUR][random.usize(0..3)];
                        written.timestamp = now + ahead + random.i64(-1..=1);
                        written.time = written.time.filter(|_| random.bool());
                    }
                    written
                })
                .collect()
        })
        .collect()
}

fn written(random: &mut fastrand::Rng, now: i64, grid: i64) -> Written {
    let timestamp = match random.u32(0..100) {
        // Producers whose clocks differ, or that send again what they could not send before.
        0..10 => now - random.i64(0..20 * MINUTE),
        10..12 => -1,
        _ => now,
    };
    let behind = match random.u32(0..100) {
        0..60 => 0,
        60..80 => random.i64(0..5 * MINUTE),
        // At the border, to the millisecond.
        80..84 => 5 * MINUTE + random.i64(-1..=1),
        84..90 => random.i64(5 * MINUTE..30 * MINUTE),
        90..94 => -random.i64(0..HOUR),
        94..96 => -HOUR + random.i64(-1..=1),
        _ => -random.i64(HOUR..3 * HOUR),
    };
    let time = match random.u32(0..20) {
        0 => None,
        1 => Some(500_000_000_000),
        // Beside the grid by a millisecond, as ends of windows and horizons may be.
        2..5 => Some((now - behind) / grid * grid + random.i64(-1..=1)),
        _ => Some((now - behind) / grid * grid),
    };
    let pick = |random: &mut fastrand::Rng, from: &[&'static str]| from.get(random.usize(0..=from.len())).copied();
    Written {
        timestamp,
        time,
        what: [What::Full, What::Full, What::Slow, What::Slow, What::Repair, What::FullAndSlow, What::Nothing]
            [random.usize(0..7)],
        volume: pick(random, &["a", "b", "c"]),
        request: pick(random, &["1", "2", "3", "4"]),
        app: pick(random, &["writer", "reader"]),
        region: pick(random, &["north"]),
    }
}
