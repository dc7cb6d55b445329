//! `fingerpost classify`: a filter for pipes. One line out per line in, in order; lines that no rule matches are the
//! same bytes; a last line without newline stays without, unless another file goes on behind it.
//!
//! Files come from `reading`, so packed ones come out unpacked, and UTF-16 as UTF-8. What a container runtime cut stays cut,
//! as it does on Kafka: each part is a line, and is judged by itself.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Error, Result};

use crate::cli::arguments::ClassifyArguments;
use crate::cli::output::{ended, exactly, failed_to_write, is_unwritten, note};
use crate::cli::reading::arguments::ReadingArguments;
use crate::cli::reading::origin::Origin;
use crate::cli::reading::{self, Found, How, Skipped, Text};
use crate::cli::{Exit, packs, show, usable};
use crate::config;
use crate::engine::{Engine, Memory, Writer};

/// The verb.
///
/// # Errors
/// As [`classify`].
pub fn run(arguments: &ClassifyArguments) -> Result<Exit> {
    let Some(config) = usable(config::load_judging(&arguments.judging.layers())) else { return Ok(Exit::Config) };
    match packs::load(&config.packs, config.engine) {
        Ok(loaded) => {
            // Flushed whenever the input has nothing more to give, so the buffer costs nobody who watches.
            let mut out = BufWriter::with_capacity(1 << 16, exactly());
            classify(&loaded.engine, &arguments.files, &arguments.reading, &mut out)?;
            Ok(Exit::Fine)
        }
        Err(problems) => {
            show(&problems);
            Ok(Exit::Config)
        }
    }
}

/// Runs files (or stdin, for none and for `-`) through the engine.
///
/// # Errors
/// A file that cannot be read, or not to its end; an output that cannot be written, except that a reader who has had enough
/// (a closed pipe) is no error.
pub fn classify(engine: &Engine, files: &[PathBuf], reading: &ReadingArguments, out: &mut impl Write) -> Result<()> {
    let how = How { arguments: reading, verb: "classify", has_progress: false, by_time: false };
    let mut filter = Filter { engine, memory: engine.memory(), out, is_open: false };
    let mut skipped = Skipped::default();
    let done = reading::each(files, &how, &mut |found, _| match found {
        Found::Text(text) => filter.text(text),
        Found::Skipped { name, why } => {
            skipped.one(name, why).iter().for_each(|told| note(told));
            Ok(())
        }
        Found::Trouble { what, .. } => Err(Error::msg(what.to_owned())),
    });
    skipped.rest().iter().for_each(|told| note(told));
    match done {
        Err(error) if failed_to_write(&error) => error.downcast().map_or_else(Err, |error| ended(Err(error))),
        done => done,
    }
}

/// One run over all files.
struct Filter<'f, W> {
    engine: &'f Engine,
    memory: Memory,
    out: &'f mut W,
    /// The last line has no newline yet.
    is_open: bool,
}

impl<W: Write> Filter<'_, W> {
    fn text(&mut self, text: Text<'_>) -> Result<()> {
        let Text { name, origin, reader, mark, note: told, .. } = text;
        told.iter().for_each(|told| note(&format!("`{name}` {told}")));
        match self.lines(&origin, mark, reader) {
            Err(error) if is_unwritten(&error) => Err(error.into()),
            done => done.with_context(|| format!("while reading `{name}`")),
        }
    }

    fn lines(&mut self, origin: &Origin, mark: &[u8], input: impl Read) -> io::Result<()> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let longest = self.engine.settings().limits.payload;
        let mut line = Vec::new();
        let mut mark = Some(mark);
        loop {
            line.clear();
            // Two bytes more than the limit, and one for the newline, tell a line that is too long from one that just fits.
            input.by_ref().take(longest as u64 + 3).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return self.out.flush();
            }
            if self.is_open {
                self.out.write_all(b"\n")?;
            }
            self.out.write_all(mark.take().unwrap_or_default())?;
            self.line(&line, origin)?;
            self.is_open = !line.ends_with(b"\n");
            if self.is_open && line.len() > longest {
                self.is_open = !pass_rest(&mut input, self.out)?;
            }
            // Somebody may be watching: what is there is shown before waiting for more.
            if input.buffer().is_empty() {
                self.out.flush()?;
            }
        }
    }

    /// A line with its end, which stays as it is.
    fn line(&mut self, line: &[u8], origin: &Origin) -> io::Result<()> {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let body = if body.len() < line.len() { body.strip_suffix(b"\r").unwrap_or(body) } else { body };
        let Origin { source, app, region } = origin;
        let writer = Writer { source: Some(source), app: app.as_deref(), region: region.as_deref() };
        let outcome = self.engine.classify_by(body, writer, &mut self.memory);
        self.out.write_all(&outcome.piped(body))?;
        self.out.write_all(&line[body.len()..])
    }
}

/// Copies the rest of a line that is too long to judge, without ever holding it whole. True when the line ended.
fn pass_rest(input: &mut impl BufRead, out: &mut impl Write) -> io::Result<bool> {
    loop {
        let buffer = input.fill_buf()?;
        let newline = buffer.iter().position(|byte| *byte == b'\n');
        let upto = newline.map_or(buffer.len(), |at| at + 1);
        out.write_all(&buffer[..upto])?;
        let ended = newline.is_some() || buffer.is_empty();
        input.consume(upto);
        if ended {
            return Ok(newline.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::packs;
    use crate::engine::{Limits, Settings};
    use crate::flow::PacksFrom;

    fn run(limits: Limits, inputs: &[&[u8]]) -> String {
        let settings = Settings { limits, ..Settings::default() };
        let engine = packs::load(&PacksFrom::Builtin, settings).expect("the shipped packs load").engine;
        let mut out = Vec::new();
        let mut filter = Filter { engine: &engine, memory: engine.memory(), out: &mut out, is_open: false };
        for input in inputs {
            filter.lines(&Origin::default(), b"", *input).expect("written to memory");
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_line_out_per_line_in() {
        let out = run(Limits::default(), &[b"{\"a\":1}\r\n\n\nKEY_DELETED_ERR\r\nplain"]);
        let lines: Vec<&str> = out.split('\n').collect();
        assert_eq!(lines.len(), 5);
        assert_eq!((lines[0], lines[1], lines[2], lines[4]), ("{\"a\":1}\r", "", "", "plain"));
        assert!(
            lines[3].starts_with("{\"_line\":\"KEY_DELETED_ERR\",\"fingerpost\":{\"v\":1,\"rule\":\"kms.key-deleted\"")
        );
        assert!(lines[3].ends_with("}\r"));
    }

    #[test]
    fn a_line_goes_on_in_no_other_file() {
        assert_eq!(run(Limits::default(), &[b"a\nb", b"", b"c\n", b"d\r", b"e"]), "a\nb\nc\nd\r\ne");
    }

    #[test]
    fn a_line_beyond_the_limit_passes() {
        let limits = Limits { payload: 4096, ..Limits::default() };
        let long = format!("KEY_DELETED_ERR{}", "x".repeat(200_000));
        let input = format!("{long}\nKEY_DELETED_ERR\n{long}");
        let out = run(limits, &[input.as_bytes()]);
        let lines: Vec<&str> = out.split('\n').collect();
        assert_eq!((lines[0], lines[2]), (long.as_str(), long.as_str()));
        assert!(lines[1].contains("kms.key-deleted"));
        // One that just fits is judged, whatever ends it.
        for end in ["", "\n", "\r\n"] {
            let line = format!("KEY_DELETED_ERR{:>1$}", "x", 4096 - 15);
            assert!(run(limits, &[format!("{line}{end}").as_bytes()]).contains("kms.key-deleted"), "{end:?}");
            assert_eq!(run(limits, &[format!("{line}x{end}").as_bytes()]), format!("{line}x{end}"));
        }
    }
}
