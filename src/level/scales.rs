//! The table of ways to count: what a number, a letter or a sign means, by who wrote it.

use super::severity::{Level, Reading};

/// Whose numbers, letters and signs they are. Words are understood on each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scale {
    /// Nobody's: words only. A bare number says nothing.
    Word,
    /// One letter, of klog, glog and logcat: `I`.
    Letter,
    /// WebSphere and Liberty: one letter, of which `A` is audit and `C` configuration.
    Liberty,
    /// mongod's `s`: `F`, `E`, `W`, `I`, `D1` to `D5`.
    Mongo,
    /// Redis: `.`, `-`, `*`, `#`.
    Redis,
    /// pino and bunyan: 10 to 60.
    Pino,
    /// Python's `levelno`: 10 to 50.
    Python,
    /// Syslog's severity: 0 (emergency) to 7 (debug). In angles (`<11>`) it is the whole priority.
    Syslog,
    /// Syslog's whole priority: eight times the facility, and the severity.
    Priority,
    /// IBM Cloud Logs and Coralogix: 1 to 6.
    Coralogix,
    /// OpenTelemetry: 1 to 24.
    Otel,
    /// logback's `level_value` and log4j 1: 10000 to 50000.
    Logback,
    /// log4j 2: 100 (fatal) to 600 (trace).
    Log4j2,
    /// java.util.logging and what is built on it: 300 to 1100.
    Jul,
    /// Google Cloud: 0, 100 to 800.
    Google,
    /// PHP's Monolog: 100 to 600.
    Monolog,
    /// Windows events: 1 (critical) to 5 (verbose).
    Windows,
    /// .NET: 0 (trace) to 5 (critical), 6 for none.
    DotNet,
    /// zap and zerolog as numbers: -1 (debug) to 5 (fatal).
    Zap,
    /// Go's slog as numbers: -4, 0, 4, 8, and between.
    Slog,
}

/// How a scale counts.
enum Numbers {
    /// It does not.
    None,
    /// Each number has its meaning, and others have none. Nothing stands for "no level".
    Each(&'static [(i64, Option<Level>)]),
    /// Each number and what lies between it and the next, without end. Rising.
    From(&'static [(i64, Option<Level>)]),
    /// By syslog's severity, which is what is left of the priority divided by eight.
    Priority,
    /// The number is the level, behind so much added to it; `none` is no level.
    Plus { more: i64, none: Option<i64> },
}

/// A way to count.
struct Row {
    /// Letters and signs, in capitals.
    marks: &'static [(&'static str, Level)],
    numbers: Numbers,
}

const SYSLOG: &[(i64, Option<Level>)] = &[
    (0, Some(Level::FATAL4)),
    (1, Some(Level::FATAL2)),
    (2, Some(Level::FATAL)),
    (3, Some(Level::ERROR)),
    (4, Some(Level::WARN)),
    (5, Some(Level::INFO2)),
    (6, Some(Level::INFO)),
    (7, Some(Level::DEBUG)),
];

/// Java's `Integer.MAX_VALUE`, the level OFF.
const OFF: (i64, Option<Level>) = (i32::MAX as i64, None);

/// Priorities go up to facility 23, severity 7.
const PRIORITY_MAX: i64 = 191;

impl Scale {
    /// The table.
    const fn row(self) -> Row {
        let (marks, numbers): (&'static [(&'static str, Level)], Numbers) = match self {
            Self::Word => (&[], Numbers::None),
            Self::Letter => (
                &[
                    ("T", Level::TRACE),
                    ("V", Level::TRACE),
                    ("D", Level::DEBUG),
                    ("I", Level::INFO),
                    ("N", Level::INFO2),
                    ("W", Level::WARN),
                    ("E", Level::ERROR),
                    ("C", Level::FATAL),
                    ("F", Level::FATAL),
                    // logcat's "what a terrible failure".
                    ("A", Level::FATAL),
                ],
                Numbers::None,
            ),
            Self::Liberty => (
                &[
                    ("F", Level::FATAL),
                    ("E", Level::ERROR),
                    ("W", Level::WARN),
                    ("A", Level::INFO2),
                    ("I", Level::INFO),
                    ("O", Level::INFO),
                    ("C", Level::DEBUG4),
                    ("D", Level::DEBUG),
                    ("1", Level::DEBUG2),
                    ("2", Level::DEBUG),
                    ("3", Level::TRACE),
                ],
                Numbers::None,
            ),
            Self::Mongo => (
                &[
                    ("F", Level::FATAL),
                    ("E", Level::ERROR),
                    ("W", Level::WARN),
                    ("I", Level::INFO),
                    ("D", Level::DEBUG),
                    ("D1", Level::DEBUG),
                    ("D2", Level::TRACE4),
                    ("D3", Level::TRACE3),
                    ("D4", Level::TRACE2),
                    ("D5", Level::TRACE),
                ],
                Numbers::None,
            ),
            Self::Redis => {
                (&[(".", Level::DEBUG), ("-", Level::DEBUG4), ("*", Level::INFO2), ("#", Level::WARN)], Numbers::None)
            }
            Self::Pino => (
                &[],
                Numbers::From(&[
                    (1, Some(Level::TRACE)),
                    (20, Some(Level::DEBUG)),
                    (30, Some(Level::INFO)),
                    (40, Some(Level::WARN)),
                    (50, Some(Level::ERROR)),
                    (60, Some(Level::FATAL)),
                ]),
            ),
            Self::Python => (
                &[],
                Numbers::From(&[
                    (0, None),
                    (1, Some(Level::TRACE)),
                    (10, Some(Level::DEBUG)),
                    (20, Some(Level::INFO)),
                    (25, Some(Level::INFO2)),
                    (30, Some(Level::WARN)),
                    (40, Some(Level::ERROR)),
                    (50, Some(Level::FATAL)),
                ]),
            ),
            Self::Syslog => (&[], Numbers::Each(SYSLOG)),
            Self::Priority => (&[], Numbers::Priority),
            Self::Coralogix => (
                &[],
                Numbers::Each(&[
                    (1, Some(Level::DEBUG)),
                    (2, Some(Level::DEBUG2)),
                    (3, Some(Level::INFO)),
                    (4, Some(Level::WARN)),
                    (5, Some(Level::ERROR)),
                    (6, Some(Level::FATAL)),
                ]),
            ),
            Self::Otel => (&[], Numbers::Plus { more: 0, none: Some(0) }),
            Self::Logback => (
                &[],
                Numbers::From(&[
                    (1, Some(Level::TRACE)),
                    (10_000, Some(Level::DEBUG)),
                    (20_000, Some(Level::INFO)),
                    (30_000, Some(Level::WARN)),
                    (40_000, Some(Level::ERROR)),
                    (50_000, Some(Level::FATAL)),
                    OFF,
                ]),
            ),
            // The lower the worse, so what lies between two belongs to the higher number, which is the lesser.
            Self::Log4j2 => (
                &[],
                Numbers::From(&[
                    (0, None),
                    (1, Some(Level::FATAL)),
                    (101, Some(Level::ERROR)),
                    (201, Some(Level::WARN)),
                    (301, Some(Level::INFO)),
                    (401, Some(Level::DEBUG)),
                    (501, Some(Level::TRACE)),
                    OFF,
                ]),
            ),
            Self::Jul => (
                &[],
                Numbers::From(&[
                    (1, Some(Level::TRACE)),
                    (400, Some(Level::DEBUG)),
                    (500, Some(Level::DEBUG2)),
                    (700, Some(Level::DEBUG4)),
                    (800, Some(Level::INFO)),
                    (850, Some(Level::INFO2)),
                    (900, Some(Level::WARN)),
                    (1000, Some(Level::ERROR)),
                    (1100, Some(Level::FATAL)),
                    OFF,
                ]),
            ),
            Self::Google => (
                &[],
                Numbers::From(&[
                    (0, None),
                    (100, Some(Level::DEBUG)),
                    (200, Some(Level::INFO)),
                    (300, Some(Level::INFO2)),
                    (400, Some(Level::WARN)),
                    (500, Some(Level::ERROR)),
                    (600, Some(Level::FATAL)),
                    (700, Some(Level::FATAL2)),
                    (800, Some(Level::FATAL4)),
                ]),
            ),
            Self::Monolog => (
                &[],
                Numbers::From(&[
                    (100, Some(Level::DEBUG)),
                    (200, Some(Level::INFO)),
                    (250, Some(Level::INFO2)),
                    (300, Some(Level::WARN)),
                    (400, Some(Level::ERROR)),
                    (500, Some(Level::FATAL)),
                    (550, Some(Level::FATAL2)),
                    (600, Some(Level::FATAL4)),
                ]),
            ),
            Self::Windows => (
                &[],
                Numbers::Each(&[
                    (0, None),
                    (1, Some(Level::FATAL)),
                    (2, Some(Level::ERROR)),
                    (3, Some(Level::WARN)),
                    (4, Some(Level::INFO)),
                    (5, Some(Level::TRACE)),
                ]),
            ),
            Self::DotNet => (
                &[],
                Numbers::Each(&[
                    (0, Some(Level::TRACE)),
                    (1, Some(Level::DEBUG)),
                    (2, Some(Level::INFO)),
                    (3, Some(Level::WARN)),
                    (4, Some(Level::ERROR)),
                    (5, Some(Level::FATAL)),
                    (6, None),
                ]),
            ),
            Self::Zap => (
                &[],
                Numbers::Each(&[
                    (-1, Some(Level::DEBUG)),
                    (0, Some(Level::INFO)),
                    (1, Some(Level::WARN)),
                    (2, Some(Level::ERROR)),
                    (3, Some(Level::FATAL)),
                    (4, Some(Level::FATAL4)),
                    (5, Some(Level::FATAL)),
                ]),
            ),
            Self::Slog => (&[], Numbers::Plus { more: 9, none: None }),
        };
        Row { marks, numbers }
    }

    /// What a text means by this scale's own signs and numbers. `plain` is the text with what stands around it, as signs
    /// are signs and an angle says that a number is a priority.
    pub(super) fn read(self, plain: &str, bare: &str) -> Option<Reading> {
        let Row { marks, numbers } = self.row();
        let mark = |text: &str| marks.iter().find(|(mark, _)| mark.eq_ignore_ascii_case(text)).map(|(_, level)| *level);
        if let Some(level) = mark(plain).or_else(|| mark(bare)) {
            return Some(Reading::Level(level));
        }
        let number = whole(plain).or_else(|| whole(bare))?;
        let in_angles = self == Self::Syslog && plain.starts_with('<') && plain.ends_with('>');
        if in_angles { Numbers::Priority.read(number) } else { numbers.read(number) }
    }
}

impl Numbers {
    fn read(self, number: i64) -> Option<Reading> {
        let told = |level: Option<Level>| level.map_or(Reading::NoLevel, Reading::Level);
        let found = match self {
            Self::None => None,
            Self::Each(each) => each.iter().find(|(known, _)| *known == number),
            Self::From(from) => from.iter().rev().find(|(known, _)| *known <= number),
            Self::Priority if (0..=PRIORITY_MAX).contains(&number) => SYSLOG.iter().find(|(low, _)| *low == number % 8),
            Self::Priority => None,
            Self::Plus { none: Some(none), .. } if none == number => return Some(Reading::NoLevel),
            Self::Plus { more, .. } => {
                return u8::try_from(number.checked_add(more)?).ok().and_then(Level::new).map(Reading::Level);
            }
        };
        found.map(|(_, level)| told(*level))
    }
}

/// A whole number, also when JSON wrote it as `17.0`.
fn whole(text: &str) -> Option<i64> {
    let text = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    text.parse().ok()
}
