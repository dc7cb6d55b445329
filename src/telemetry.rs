//! How the program speaks: logs to stderr, and care with text that others wrote. It knows no other room.
//!
//! Everything that comes from outside (log lines, broker messages, panics at such lines) goes through [`foreign`] before
//! it is logged: control characters would otherwise forge lines and colours in somebody's terminal.

mod seldom;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::panic::{PanicHookInfo, UnwindSafe};
use std::sync::Once;

use tracing_subscriber::EnvFilter;

use crate::sanitize::{self, steers};

pub(crate) use seldom::Seldom;

/// Bytes of foreign text that are logged.
const FOREIGN_MAX: usize = 300;

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
    let json = match settings.format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let writer = move || Guarded { out: std::io::stderr(), json };
    // It would complain about a log that cannot be written on that very log, and panic when that fails.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    // An error here says that logging was started before.
    let _ = if json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_ansi(colours).with_target(false).try_init()
    };
    Ok(())
}

/// Lets nothing out that steers a terminal, whoever forgot [`foreign`]. Each event comes as one piece.
struct Guarded<W> {
    out: W,
    json: bool,
}

impl<W: Write> Write for Guarded<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let shown = if self.json { sanitize::json(&text) } else { sanitize::terminal(&text) };
        self.out.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
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

thread_local! {
    /// Somebody on this thread catches the panic and reports it.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it becomes its message, for the caller to report, and is not printed.
///
/// # Errors
/// The panic's message, as [`foreign`] text: it may quote a log line.
pub fn caught<T>(work: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    guard_panics();
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

/// From now on a panic that nobody catches is told without what steers a terminal: it may quote what somebody else wrote.
pub fn guard_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            if !EXPECTED.get() {
                // There is nobody else to tell that stderr cannot be written.
                let _ = std::io::stderr().write_all(told(panic).as_bytes());
            }
        }));
    });
}

/// As the standard library tells it, with the calls that led there where the environment asks for them.
fn told(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    let says = panic.payload_as_str().unwrap_or("a panic without a message");
    let text = format!("thread '{}' panicked{place}:\n{says}\n", thread.name().unwrap_or("<unnamed>"));
    let mut text: String = text.lines().map(|line| sanitize::escaped(line).into_owned() + "\n").collect();
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(text, "{backtrace}");
    }
    text
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
    fn a_log_lets_nothing_out_that_steers() {
        for (json, expected) in
            [(false, "\\u{9b}2J \u{1b}[2mdim\u{1b}[0m\n"), (true, "\\u009b2J \\u001b[2mdim\\u001b[0m\n")]
        {
            let mut written = Vec::new();
            Guarded { out: &mut written, json }.write_all("\u{9b}2J \u{1b}[2mdim\u{1b}[0m\n".as_bytes()).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
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
    fn a_filter_that_is_wrong_is_an_error() {
        assert!(log(&Log { level: "a=b=c".into(), format: LogFormat::Auto }).is_err());
    }
}
