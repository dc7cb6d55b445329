//! `fingerpost classify`: a filter for pipes. One line out per line in, in order; lines that no rule matches are the
//! same bytes; a last line without newline stays without.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli::arguments::ClassifyArguments;
use crate::cli::output::{ended, exactly, is_unwritten};
use crate::cli::{Exit, packs, show, usable};
use crate::config;
use crate::engine::{Engine, Memory};

/// What stdin is called, as the source of lines that name none.
const STDIN: &str = "-";

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
            classify(&loaded.engine, &arguments.files, &mut out)?;
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
/// A file that cannot be opened or read; an output that cannot be written, except that a reader who has had enough
/// (a closed pipe) is no error.
pub fn classify(engine: &Engine, files: &[PathBuf], out: &mut impl Write) -> Result<()> {
    let mut memory = engine.memory();
    let stdin = [PathBuf::from(STDIN)];
    let files = if files.is_empty() { &stdin } else { files };
    for file in files {
        let done = if file == Path::new(STDIN) {
            filter(engine, &mut memory, STDIN, io::stdin().lock(), out)
        } else {
            let open = File::open(file).with_context(|| format!("cannot open `{}`", file.display()))?;
            filter(engine, &mut memory, &file.display().to_string(), open, out)
        };
        match done {
            Err(error) if is_unwritten(&error) => return ended(Err(error)),
            done => done.with_context(|| format!("while reading `{}`", file.display()))?,
        }
    }
    Ok(())
}

fn filter(
    engine: &Engine,
    memory: &mut Memory,
    source: &str,
    input: impl Read,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let longest = engine.settings().limits.payload;
    let mut line = Vec::new();
    loop {
        line.clear();
        // One byte more than the limit, and one for the newline, tell a line that is too long from one that just fits.
        input.by_ref().take(longest as u64 + 2).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return out.flush();
        }
        let newline = line.last() == Some(&b'\n');
        let body = line.strip_suffix(b"\n").unwrap_or(&line);
        out.write_all(&engine.classify(body, Some(source), memory).piped(body))?;
        if newline {
            out.write_all(b"\n")?;
        } else if body.len() > longest {
            pass_rest(&mut input, out)?;
        }
        // Somebody may be watching: what is there is shown before waiting for more.
        if input.buffer().is_empty() {
            out.flush()?;
        }
    }
}

/// Copies the rest of a line that is too long to judge, without ever holding it whole.
fn pass_rest(input: &mut impl BufRead, out: &mut impl Write) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let newline = buffer.iter().position(|byte| *byte == b'\n');
        let upto = newline.map_or(buffer.len(), |at| at + 1);
        out.write_all(&buffer[..upto])?;
        let ended = newline.is_some() || buffer.is_empty();
        input.consume(upto);
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::packs;
    use crate::engine::{Limits, Settings};
    use crate::flow::PacksFrom;

    fn run(limits: Limits, input: &[u8]) -> String {
        let settings = Settings { limits, ..Settings::default() };
        let engine = packs::load(&PacksFrom::Builtin, settings).expect("the shipped packs load").engine;
        let mut out = Vec::new();
        filter(&engine, &mut engine.memory(), STDIN, input, &mut out).expect("written to memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_line_out_per_line_in() {
        let out = run(Limits::default(), b"{\"a\":1}\r\n\n\nKEY_DELETED_ERR\nplain");
        let lines: Vec<&str> = out.split('\n').collect();
        assert_eq!(lines.len(), 5);
        assert_eq!((lines[0], lines[1], lines[2], lines[4]), ("{\"a\":1}\r", "", "", "plain"));
        assert!(
            lines[3].starts_with("{\"_line\":\"KEY_DELETED_ERR\",\"fingerpost\":{\"v\":1,\"rule\":\"kms.key-deleted\"")
        );
    }

    #[test]
    fn a_line_beyond_the_limit_passes() {
        let limits = Limits { payload: 4096, ..Limits::default() };
        let long = format!("KEY_DELETED_ERR{}", "x".repeat(200_000));
        let input = format!("{long}\nKEY_DELETED_ERR\n{long}");
        let out = run(limits, input.as_bytes());
        let lines: Vec<&str> = out.split('\n').collect();
        assert_eq!((lines[0], lines[2]), (long.as_str(), long.as_str()));
        assert!(lines[1].contains("kms.key-deleted"));
    }
}
