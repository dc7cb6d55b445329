//! The codes of everything that can be wrong with a configuration. A code never changes its meaning.

use crate::document::Codes;

/// The file is not valid TOML.
pub const SYNTAX: &str = "C001";
/// A key of the file or of `--set` that means nothing.
pub const UNKNOWN_KEY: &str = "C002";
/// A value of the wrong type.
pub const WRONG_TYPE: &str = "C003";
/// A value that must be there is given nowhere.
pub const MISSING: &str = "C004";
/// An environment variable with our prefix that means nothing.
pub const UNKNOWN_VARIABLE: &str = "C005";
/// The configuration file cannot be read.
pub const UNREADABLE: &str = "C006";
/// A value that is none of those possible.
pub const BAD_VALUE: &str = "C007";
/// A value outside its range.
pub const OUT_OF_RANGE: &str = "C008";
/// A secret that stands in the open.
pub const INLINE_SECRET: &str = "C010";
/// A file that a key names cannot be used.
pub const BAD_FILE: &str = "C011";
/// A secret's file that others can read (warning).
pub const OPEN_FILE: &str = "C012";
/// A librdkafka setting that Fingerpost sets itself.
pub const OWNED_OPTION: &str = "C013";
/// A setting or value that librdkafka refuses.
pub const REFUSED_OPTION: &str = "C014";
/// A librdkafka setting in the table of the side that does not know it.
pub const WRONG_SIDE: &str = "C015";
/// A librdkafka setting that is not let through: it loads code, or replaces the brokers by a mock.
pub const FORBIDDEN_OPTION: &str = "C016";
/// A topic name or pattern that cannot be one.
pub const BAD_TOPIC: &str = "C017";
/// A topic both read and written.
pub const LOOP: &str = "C018";
/// Settings of TLS or sign-in that do not fit together.
pub const SECURITY: &str = "C019";
/// The HTTP address can be reached from other machines (warning).
pub const OPEN_ADDRESS: &str = "C021";
/// The connection protects less than it seems to (warning).
pub const WEAK_SECURITY: &str = "C022";

/// Those that any TOML file may bring.
pub(crate) const FILE: Codes =
    Codes { syntax: SYNTAX, unknown_key: UNKNOWN_KEY, wrong_type: WRONG_TYPE, missing_key: MISSING };
