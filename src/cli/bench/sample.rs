//! The lines that are measured: those of a file or of stdin, one line per record as `classify` reads them, or the demo's.
//!
//! A sample is held in memory whole and has bounds; what was cut off is told. Bytes that cannot be log lines are refused
//! with the remedy, so that nobody takes figures of a packed file for those of his stream.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::demo::lines::Lines;
use crate::engine::Engine;

/// Bytes that are read at most.
pub const BYTES_MAX: usize = 64 << 20;
/// Lines that are read at most.
pub const LINES_MAX: usize = 2_000_000;
/// Lines of the demo that stand in for a sample.
const DEMO_LINES: usize = 20_000;
/// Text has no zero byte among so many at its beginning.
const LOOKED_AT: usize = 8 << 10;

/// Some lines, and what to call them.
#[derive(Debug)]
pub struct Sample {
    /// The file's name, `-` for stdin, or what stands in for it.
    pub name: String,
    /// There were more bytes or lines than the bounds allow.
    pub cut: bool,
    bytes: Vec<u8>,
}

impl Sample {
    /// Takes the lines of a file, of stdin (`-`), or, without a file, the demo's for this engine's packs.
    ///
    /// # Errors
    /// A file that cannot be opened or read, has no line, or is binary.
    pub fn take(file: Option<&Path>, engine: &Engine) -> Result<Self> {
        match file {
            None => Ok(Self::of_demo(engine)),
            Some(file) if file == Path::new("-") => Self::read("-", io::stdin().lock()),
            Some(file) => {
                let name = file.display().to_string();
                let open = File::open(file).with_context(|| format!("cannot open `{name}`"))?;
                Self::read(&name, open)
            }
        }
    }

    fn of_demo(engine: &Engine) -> Self {
        // An example that has a newline in it is one record, and could not be one line.
        let records = Lines::new(engine, 1).filter(|record| !record.line.contains('\n'));
        let lines = records.take(DEMO_LINES).flat_map(|record| (record.line + "\n").into_bytes());
        Self { name: "the demo's own lines".into(), cut: false, bytes: lines.collect() }
    }

    /// Reads lines, up to the bounds.
    ///
    /// # Errors
    /// As [`Sample::take`].
    pub fn read(name: &str, input: impl Read) -> Result<Self> {
        let mut bytes = Vec::new();
        input.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("while reading `{name}`"))?;
        if bytes.is_empty() {
            bail!("`{name}` is empty: a sample has at least one line");
        }
        if let Some(at) = bytes.iter().take(LOOKED_AT).position(|byte| *byte == 0) {
            bail!(
                "`{name}` is no text (byte {at} is zero): unpack it first, as in `zcat app.log.gz | fingerpost bench -`"
            );
        }
        let cut = bound(&mut bytes);
        Ok(Self { name: name.to_owned(), cut, bytes })
    }

    /// The lines, without their newlines.
    #[must_use]
    pub fn lines(&self) -> Vec<&[u8]> {
        let body = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        body.split(|byte| *byte == b'\n').collect()
    }
}

/// Keeps whole lines within the bounds; true when something was cut off.
fn bound(bytes: &mut Vec<u8>) -> bool {
    let whole = bytes.len();
    if whole > BYTES_MAX {
        bytes.truncate(BYTES_MAX);
        // A last line that was cut is none, unless there is no other.
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(BYTES_MAX, |at| at + 1);
        bytes.truncate(end);
    }
    let mut newlines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    if let Some(end) = newlines.nth(LINES_MAX - 1) {
        bytes.truncate(end);
    }
    bytes.len() < whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<Vec<u8>> {
        Sample::read("x", text).expect("a sample").lines().into_iter().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn lines_are_those_of_classify() {
        assert_eq!(lines(b"a\r\n\n\nb"), [b"a\r".to_vec(), vec![], vec![], b"b".to_vec()]);
        assert_eq!(lines(b"one"), [b"one"]);
        assert_eq!(lines(b"\n"), [b""]);
    }

    #[test]
    fn too_much_is_cut_behind_a_whole_line() {
        let sample =
            Sample::read("x", io::repeat(b'x').take(20).chain(&b"\n"[..]).chain(io::repeat(b'y'))).expect("cut");
        assert!(sample.cut);
        assert_eq!(sample.lines(), [[b'x'; 20]]);
        let sample = Sample::read("x", io::repeat(b'\n').take(LINES_MAX as u64 + 5)).expect("cut");
        assert_eq!((sample.cut, sample.lines().len()), (true, LINES_MAX));
        assert!(!Sample::read("x", io::repeat(b'\n').take(LINES_MAX as u64)).expect("whole").cut);
    }

    #[test]
    fn what_cannot_be_lines_is_refused() {
        let refusal = |bytes: &[u8]| Sample::read("x", bytes).expect_err("refused").to_string();
        assert_eq!(refusal(b""), "`x` is empty: a sample has at least one line");
        assert!(refusal(b"\x1f\x8b\x08\0").starts_with("`x` is no text (byte 3 is zero)"));
    }
}
