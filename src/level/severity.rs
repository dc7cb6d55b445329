//! A level, and what becomes of a text that is to be one.

use std::fmt;

/// How bad a line says it is: OpenTelemetry's severity number, 1 to 24. Four numbers share a word, the higher the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// 1: what only its author reads.
    pub const TRACE: Self = Self(1);
    /// 5.
    pub const DEBUG: Self = Self(5);
    /// 9.
    pub const INFO: Self = Self(9);
    /// 13.
    pub const WARN: Self = Self(13);
    /// 17.
    pub const ERROR: Self = Self(17);
    /// 21: fatal and critical; what is worse still (alert, panic, emergency) lies above.
    pub const FATAL: Self = Self(21);

    // What the tables here need of the numbers between, by OpenTelemetry's names for them.
    pub(super) const TRACE2: Self = Self(2);
    pub(super) const TRACE3: Self = Self(3);
    pub(super) const TRACE4: Self = Self(4);
    pub(super) const DEBUG2: Self = Self(6);
    pub(super) const DEBUG4: Self = Self(8);
    pub(super) const INFO2: Self = Self(10);
    pub(super) const FATAL2: Self = Self(22);
    pub(super) const FATAL4: Self = Self(24);

    /// The words of the scale, and the lowest level of each.
    pub const WORDS: [(&str, Self); 6] = [
        ("trace", Self::TRACE),
        ("debug", Self::DEBUG),
        ("info", Self::INFO),
        ("warn", Self::WARN),
        ("error", Self::ERROR),
        ("fatal", Self::FATAL),
    ];

    /// By its number; nothing for one that is not from 1 to 24.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if matches!(number, 1..=24) { Some(Self(number)) } else { None }
    }

    /// By its word, as rules write it. [`super::read`] is for what log lines write.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, level)| *level)
    }

    /// 1 to 24.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its word on the scale: that of the four numbers it is among.
    #[must_use]
    pub const fn word(self) -> &'static str {
        Self::WORDS[(self.0 as usize - 1) / 4].0
    }

    /// As bad as that, or worse: `level = "error"` of a rule means this.
    #[must_use]
    pub fn at_least(self, least: Self) -> bool {
        self >= least
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What became of a text that stands where a level stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// It is this level.
    Level(Level),
    /// It says that there is none: `DEFAULT`, `UNSPECIFIED`, `unknown`, `none`, nothing at all.
    NoLevel,
    /// There is something, and it means nothing to us: no level either, and worth counting.
    Unknown,
}

impl Reading {
    /// The level, if it is one.
    #[must_use]
    pub fn level(self) -> Option<Level> {
        match self {
            Self::Level(level) => Some(level),
            Self::NoLevel | Self::Unknown => None,
        }
    }
}
