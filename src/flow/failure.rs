//! Why the flow could not start or ended by itself, and whose turn it is.

use std::fmt;

/// Why the flow could not start, or ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose turn it is.
    pub kind: FailureKind,
    /// What is wrong, where, and what to do: one sentence or two.
    pub message: String,
}

/// Who can mend a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The operator of brokers and topics, or time: 69.
    Unavailable,
    /// The author of this program: 70.
    Software,
    /// The author of the configuration: 78.
    Config,
}

impl FailureKind {
    /// The exit code of the process, after sysexits.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Unavailable => 69,
            Self::Software => 70,
            Self::Config => 78,
        }
    }
}

impl Failure {
    pub(crate) fn unavailable(message: String) -> Self {
        Self { kind: FailureKind::Unavailable, message }
    }

    pub(crate) fn software(message: String) -> Self {
        Self { kind: FailureKind::Software, message }
    }

    pub(crate) fn config(message: String) -> Self {
        Self { kind: FailureKind::Config, message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
