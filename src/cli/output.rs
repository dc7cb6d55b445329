//! How verbs write: to stdout what was asked for, to stderr what is wrong. The one way out, so that nothing of a foreign
//! text can steer a terminal, and an output that cannot be written is told as that.
//!
//! | what | on a terminal | into a pipe or file |
//! |---|---|---|
//! | text for people ([`print()`], [`people`]) | colours; nothing that steers | neither |
//! | JSON and XML ([`print_json`], [`print_xml`]) | the same text, nothing that steers | the same bytes |
//! | bytes that somebody reads again ([`print_exactly`], [`exactly`]) | nothing that steers | as they are |

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use anyhow::Result;

use crate::diagnostic::{Diagnostic, draw};
use crate::sanitize;

/// A line of which the end does not come is written in pieces of this many bytes.
const PIECE: usize = 64 << 10;

/// Writes to stdout; what fails is known to have failed there, see [`is_unwritten`].
#[derive(Debug)]
pub struct Out<W> {
    out: W,
    /// Nothing that steers goes out.
    is_guarded: bool,
    /// What is not written yet: a line that is not at its end.
    held: Vec<u8>,
}

impl<W: Write> Out<W> {
    /// Lets out nothing that steers a terminal.
    pub fn guarded(out: W) -> Self {
        Self { out, is_guarded: true, held: Vec::new() }
    }

    /// Lets everything out.
    pub fn plain(out: W) -> Self {
        Self { out, is_guarded: false, held: Vec::new() }
    }

    /// Writes so many of the bytes that are held.
    fn release(&mut self, bytes: usize) -> io::Result<()> {
        let rest = self.held.split_off(bytes);
        let text = std::mem::replace(&mut self.held, rest);
        self.out.write_all(sanitize::terminal(&String::from_utf8_lossy(&text)).as_bytes()).map_err(unwritten)
    }
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_guarded {
            return self.out.write(bytes).map_err(unwritten);
        }
        self.held.extend_from_slice(bytes);
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            // Whole lines: neither a character nor a colour goes beyond one.
            Some(newline) => self.release(self.held.len() - (bytes.len() - newline - 1))?,
            None if self.held.len() >= PIECE => self.release(self.held.len() - begun(&self.held))?,
            None => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.release(self.held.len())?;
        self.out.flush().map_err(unwritten)
    }
}

/// Bytes of a character that has only begun where the text ends.
fn begun(text: &[u8]) -> usize {
    let is_first = |byte: u8| byte & 0b1100_0000 != 0b1000_0000;
    let Some(back) = (1..=text.len().min(3)).find(|back| is_first(text[text.len() - back])) else { return 0 };
    let needs = match text[text.len() - back] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    if needs > back { back } else { 0 }
}

/// Why stdout cannot be written.
#[derive(Debug)]
struct Unwritten(io::Error);

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the output cannot be written: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

fn unwritten(error: io::Error) -> io::Error {
    if is_unwritten(&error) { error } else { io::Error::new(error.kind(), Unwritten(error)) }
}

/// Whether an error is that an [`Out`] could not be written.
#[must_use]
pub fn is_unwritten(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unwritten>())
}

/// Whether that is what a verb failed for.
#[must_use]
pub fn failed_to_write(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref().is_some_and(is_unwritten))
}

/// A reader who has seen enough (`| head`) is no error.
///
/// # Errors
/// Any other.
pub fn ended(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Stdout for people.
pub fn people() -> Out<impl Write> {
    Out::guarded(anstream::stdout().lock())
}

/// Stdout for bytes that count; on a terminal nobody counts them.
pub fn exactly() -> Out<impl Write> {
    let out = io::stdout().lock();
    if io::stdout().is_terminal() { Out::guarded(out) } else { Out::plain(out) }
}

/// Prints text for people, without colours where nobody would see them. A reader who has seen enough is no error.
///
/// # Errors
/// Any other trouble with the stream.
pub fn print(text: &str) -> Result<()> {
    print_to(people(), text)
}

/// Prints what a program reads, every character of it.
///
/// # Errors
/// As [`print()`].
pub fn print_exactly(text: &str) -> Result<()> {
    print_to(exactly(), text)
}

/// Prints JSON, one value or many.
///
/// # Errors
/// As [`print()`].
pub fn print_json(text: &str) -> Result<()> {
    print_to(Out::plain(io::stdout().lock()), &sanitize::json(text))
}

/// Prints XML.
///
/// # Errors
/// As [`print()`].
pub fn print_xml(text: &str) -> Result<()> {
    print_to(Out::plain(io::stdout().lock()), &sanitize::xml(text))
}

fn print_to(mut out: impl Write, text: &str) -> Result<()> {
    ended(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Shows everything found wrong, on stderr.
pub fn show(diagnostics: &[Diagnostic]) {
    say(&draw(diagnostics, true));
}

/// Tells on stderr why something does not work.
pub fn complain(message: &str) {
    let red: Style = AnsiColor::Red.on_default().bold();
    say(&format!("{red}error{red:#}: {}\n", lines(message)));
}

/// Tells on stderr what is worth knowing.
pub fn note(message: &str) {
    let yellow: Style = AnsiColor::Yellow.on_default().bold();
    say(&format!("{yellow}note{yellow:#}: {}\n", lines(message)));
}

/// A message may have several lines, and no colours.
fn lines(message: &str) -> String {
    message.lines().map(sanitize::escaped).collect::<Vec<_>>().join("\n")
}

fn say(text: &str) {
    // There is nobody else to tell that stderr cannot be written.
    let _ = anstream::stderr().write_all(sanitize::terminal(text).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk without room.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told_as_that() {
        for mut out in [Out::plain(Full), Out::guarded(Full)] {
            let error = out.write_all(b"line\n").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            assert!(is_unwritten(&error) && failed_to_write(&ended(Err(error)).unwrap_err()));
        }
        let other = io::Error::from(ErrorKind::StorageFull);
        assert!(!failed_to_write(&anyhow::Error::from(other).context("while reading")));
        assert!(ended(Out::plain(Full).write_all(b"x").map_err(|_| ErrorKind::BrokenPipe.into())).is_ok());
    }

    #[test]
    fn nothing_that_steers_goes_out_however_it_is_cut() {
        let text = "a\u{1b}[2Jb\tä鍵\u{202e}\n\u{9b}\u{1b}[1mbold\u{1b}[0m".as_bytes();
        let expected = "a\\u{1b}[2Jb\tä鍵\\u{202e}\n\\u{9b}\u{1b}[1mbold\u{1b}[0m";
        for size in [1, 2, 3, 5, text.len()] {
            let mut written = Vec::new();
            let mut out = Out::guarded(&mut written);
            text.chunks(size).for_each(|piece| out.write_all(piece).unwrap());
            out.flush().unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_held() {
        let mut written = Vec::new();
        let mut out = Out::guarded(&mut written);
        for _ in 0..PIECE {
            out.write_all("鍵".as_bytes()).unwrap();
        }
        assert!(out.held.len() < PIECE);
        out.flush().unwrap();
        assert_eq!(written.len(), 3 * PIECE);
    }
}
