//! A file to scan, opened: what it is packed with is told by its first bytes and not by its name, and undone while reading.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use zstd::stream::read::Decoder;

/// What stdin is called.
pub const STDIN: &str = "-";
/// Bytes read from a file at a time.
const PIECE: usize = 1 << 17;
/// Bytes that tell what a file is.
const HEAD: usize = 6;

/// How packed files that we cannot read begin, their kind, and what unpacks them to stdout.
const FOREIGN: [(&[u8], &str, &str); 5] = [
    (b"\xfd7zXZ\0", "xz", "xz -dc"),
    (b"BZh", "bzip2", "bzip2 -dc"),
    (b"PK\x03\x04", "zip", "unzip -p"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -dc"),
    (b"\x1f\x9d", "compress", "uncompress -c"),
];

/// A file to read lines from.
pub struct Input {
    /// Its text, unpacked.
    pub reader: Box<dyn Read>,
    /// What it was packed with: `gzip` or `zstd`.
    pub packed: Option<&'static str>,
    /// It has no byte at all.
    pub is_empty: bool,
    /// Something about it that the reader should know.
    pub note: Option<&'static str>,
}

/// Opens a file, or stdin for `-`. The bar is told of every byte read, as the file has them.
///
/// # Errors
/// A file that is not there, is no file, may not be read, or is packed in a way that cannot be undone here: a sentence that
/// says so and what to do.
pub fn open(path: &Path, bar: &ProgressBar) -> Result<Input, String> {
    if path == Path::new(STDIN) {
        return of(io::stdin(), "stdin", bar).map_err(|why| why.replace("unpack it: ", "unpack it first: "));
    }
    let name = path.display().to_string();
    let cannot = |error: io::Error| format!("`{name}` cannot be read: {error}");
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err(format!("`{name}` is a directory: name the files in it, as in {name}/*"));
    }
    of(file, &name, bar)
}

fn of(file: impl Read + 'static, name: &str, bar: &ProgressBar) -> Result<Input, String> {
    let mut file = bar.wrap_read(file);
    let mut head = Vec::with_capacity(HEAD);
    let first = file.by_ref().take(HEAD as u64).read_to_end(&mut head);
    first.map_err(|error| format!("`{name}` cannot be read: {error}"))?;
    if let Some((_, kind, tool)) = FOREIGN.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Err(format!("`{name}` is packed with {kind}; unpack it: {tool} {name} | fingerpost scan -"));
    }
    let is_empty = head.is_empty();
    let wide = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let note = wide.then_some("is UTF-16, in which no phrase is found; convert it: iconv -f UTF-16 -t UTF-8");
    let is_gzip = head.starts_with(b"\x1f\x8b");
    let is_zstd = head.starts_with(b"\x28\xb5\x2f\xfd");
    let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(head).chain(file);
    let (reader, packed): (Box<dyn Read>, _) = if is_gzip {
        (Box::new(MultiGzDecoder::new(BufReader::with_capacity(PIECE, whole))), Some("gzip"))
    } else if is_zstd {
        let decoder = Decoder::new(whole).map_err(|error| format!("`{name}` cannot be unpacked: {error}"))?;
        (Box::new(decoder), Some("zstd"))
    } else {
        (Box::new(whole), None)
    };
    Ok(Input { reader, packed, is_empty, note })
}
