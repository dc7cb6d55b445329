//! What a step of a probe found: a line of `config check`.

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it should.
    Good,
    /// Cannot be told, or not yet.
    Untried,
    /// Worth a look; the daemon works.
    Doubt,
    /// The daemon would not work.
    Bad,
}

/// What a step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it went.
    pub mark: Mark,
    /// What was tried: `broker one:9092`, `topic logs`.
    pub subject: String,
    /// What came of it.
    pub says: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Finding {
    /// A finding without a remedy.
    #[must_use]
    pub fn new(mark: Mark, subject: impl Into<String>, says: impl Into<String>) -> Self {
        Self { mark, subject: subject.into(), says: says.into(), fix: None }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// `1 partition`, `3 partitions`
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
