//! What a stream holds, told by its first bytes and not by its name: a text, an archive, or something packed. What it is packed
//! with is undone while reading, once; what comes out of that is not unpacked again, or a file of a few bytes could
//! unpack to itself for ever.

use std::io::{self, BufReader, Cursor, ErrorKind, Read};

use flate2::read::MultiGzDecoder;
use memchr::{memchr, memchr2};
use zstd::stream::read::Decoder;

use super::archive::{self, BLOCK};
use super::wide::{Order, Wide};

/// Bytes read from a packed file at a time.
const PIECE: usize = 1 << 17;
/// Bytes looked at, if the first read gives so many.
const HEAD: usize = 8 << 10;
/// The mark that some editors put before a text in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// How packed streams that we cannot read begin, their kind, and what unpacks them to stdout.
const FOREIGN: [(&[u8], &str, &str); 5] = [
    (b"\xfd7zXZ\0", "xz", "xz -dc"),
    (b"BZh", "bzip2", "bzip2 -dc"),
    (b"PK\x03\x04", "zip", "unzip -p"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -dc"),
    (b"\x1f\x9d", "compress", "uncompress -c"),
];

/// A stream, and what it was packed with: `gzip` or `zstd`.
pub struct Opened<'r> {
    /// What it holds.
    pub content: Content<'r>,
    /// What it was packed with.
    pub packed: Option<&'static str>,
}

/// What a stream holds.
pub enum Content<'r> {
    /// Lines, or at least no archive.
    Text(Plain<'r>),
    /// A tar.
    Tar(Box<dyn Read + 'r>),
    /// Something packed that cannot be undone here.
    Foreign(Foreign),
}

/// A text.
pub struct Plain<'r> {
    /// In UTF-8, as far as it is text at all, and without a byte order mark.
    pub reader: Box<dyn Read + 'r>,
    /// The mark that stood before it, of a text that was in UTF-8.
    pub mark: &'static [u8],
    /// There is no byte at all.
    pub is_empty: bool,
    /// Among its first bytes are some that no text has.
    pub has_nul: bool,
}

/// A way of packing that is known, and what undoes it.
#[derive(Debug, Clone, Copy)]
pub struct Foreign {
    /// Its name.
    pub kind: &'static str,
    /// The command that unpacks to stdout.
    pub tool: &'static str,
}

/// Looks what a stream holds.
///
/// # Errors
/// When unpacking cannot even begin. What else may be wrong is told while reading, behind what could be read.
pub fn open(input: Box<dyn Read + '_>) -> io::Result<Opened<'_>> {
    let Peeked { head, input } = peek(input);
    if let Some((_, kind, tool)) = FOREIGN.into_iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Ok(Opened { content: Content::Foreign(Foreign { kind, tool }), packed: None });
    }
    if head.starts_with(b"\x1f\x8b") {
        let unpacked = MultiGzDecoder::new(BufReader::with_capacity(PIECE, input));
        return Ok(Opened { content: content(peek(Box::new(unpacked)))?, packed: Some("gzip") });
    }
    if head.starts_with(b"\x28\xb5\x2f\xfd") {
        return Ok(Opened { content: content(peek(Box::new(Decoder::new(input)?)))?, packed: Some("zstd") });
    }
    Ok(Opened { content: content(Peeked { head, input })?, packed: None })
}

fn content(Peeked { head, mut input }: Peeked<'_>) -> io::Result<Content<'_>> {
    if archive::begins(&head) {
        return Ok(Content::Tar(input));
    }
    let order = Order::marked(&head);
    let has_nul = order.is_none() && memchr(0, &head).is_some();
    let is_empty = head.is_empty();
    let mut mark: &[u8] = b"";
    if head.starts_with(MARK) {
        input.read_exact(&mut [0; MARK.len()])?;
        mark = MARK;
    }
    let reader = match order {
        Some(order) => Box::new(Wide::new(input, order)),
        None => input,
    };
    Ok(Content::Text(Plain { reader, mark, is_empty, has_nul }))
}

/// A stream of which the first bytes are known.
struct Peeked<'r> {
    head: Vec<u8>,
    /// All of it, what was looked at too.
    input: Box<dyn Read + 'r>,
}

/// Reads until it is known what the stream holds. Of a text that is its first line, or a part of it: somebody may be writing the
/// second one only when he has seen what becomes of the first.
fn peek(mut input: Box<dyn Read + '_>) -> Peeked<'_> {
    let mut head = vec![0; HEAD];
    let mut held = 0;
    while held < BLOCK && !is_text(&head[..held]) {
        match input.read(&mut head[held..]) {
            Ok(0) => return Peeked::ended(head, held, None),
            Ok(read) => held += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Peeked::ended(head, held, Some(error)),
        }
    }
    head.truncate(held);
    Peeked { input: Box::new(Cursor::new(head.clone()).chain(input)), head }
}

impl Peeked<'_> {
    /// Nothing more is to come, but perhaps the reason for that.
    fn ended(mut head: Vec<u8>, held: usize, trouble: Option<io::Error>) -> Self {
        head.truncate(held);
        Self { input: Box::new(Cursor::new(head.clone()).chain(Ended(trouble))), head }
    }
}

/// A whole line without a NUL: neither an archive nor anything packed begins so.
fn is_text(head: &[u8]) -> bool {
    memchr2(b'\n', 0, head).is_some_and(|at| head[at] == b'\n')
}

/// The end of a stream, and why.
struct Ended(Option<io::Error>);

impl Read for Ended {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
