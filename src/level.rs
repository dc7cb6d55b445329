//! How bad a line says it is: what the world writes as a level, on one scale.
//!
//! The scale is OpenTelemetry's severity number, 1 to 24 ([`Level`]). [`read`] understands words in any case, with colour
//! codes, brackets or a colon around them, and, where somebody knows how they are meant ([`Scale`]), numbers and letters:
//! `3` is an error in syslog, a warning in .NET and says nothing by itself. A new way of counting is a row in `scales.rs`,
//! a new word one in `words.rs`, and what only one house writes comes from its configuration ([`Extra`]).
//!
//! Nothing here knows where in a line a level stands.
//!
//! ```
//! use fingerpost::level::{Extra, Level, Reading, Scale, read};
//!
//! let none = Extra::default();
//! assert_eq!(read("\u{1b}[31mERROR\u{1b}[39m:", Scale::Word, &none), Reading::Level(Level::ERROR));
//! assert_eq!(read("3", Scale::Syslog, &none), Reading::Level(Level::ERROR));
//! assert_eq!(read("3", Scale::Word, &none), Reading::Unknown);
//! assert_eq!(read("DEFAULT", Scale::Google, &none), Reading::NoLevel);
//! ```

mod bare;
mod extra;
mod scales;
mod severity;
mod words;

pub use extra::{Extra, NoSuchLevel};
pub use scales::Scale;
pub use severity::{Level, Reading};

/// What a text that stands where a level stands means. What the house's own words say comes first, then the scale's
/// numbers and letters, then the words that everybody knows, which hold on every scale.
#[must_use]
pub fn read(text: &str, scale: Scale, extra: &Extra) -> Reading {
    let plain = bare::uncoloured(text);
    let bare = bare::bare(&plain);
    let known = extra.read(bare).or_else(|| scale.read(plain.trim(), bare)).or_else(|| words::read(bare));
    known.unwrap_or(Reading::Unknown)
}

#[cfg(test)]
mod tests;
