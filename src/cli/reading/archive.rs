//! A tar, member by member, as a stream: nothing is written to disk, and nothing is held but the header at hand.
//!
//! The headers are read by the `tar` crate, the way through the archive is ours: the crate's own would hold a name of any length in
//! memory, and make any number of zeros of a sparse member. Here a member costs no more than the bytes that it has in the
//! archive, whatever size it claims.

use std::io::{self, ErrorKind, Read};

use tar::{EntryType, Header, PaxExtensions};

/// Bytes of a block; headers are one, and members are filled up to whole ones.
pub const BLOCK: usize = 512;
/// Bytes that what stands before a member may have (its long name, say); paths have 4,096 at most on Linux.
const PREFACE_MAX: u64 = 1 << 20;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file: reading the archive reads it, up to its end.
    File,
    /// A file with holes, kept in pieces.
    Sparse,
    /// A directory, a link, a device: nothing to read.
    Other,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path in the archive.
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// See the top of the file.
pub struct Archive<'r> {
    input: Box<dyn Read + 'r>,
    /// Bytes of the member at hand that were not read yet, and of what fills its last block.
    left: u64,
    filling: u64,
    /// The stream ended, or broke, within a member; whoever read that was told.
    is_broken: bool,
}

/// Whether a stream that begins so is an archive. The checksum of the first header says so, as the magic word came only later.
#[must_use]
pub fn begins(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|block| header(block).is_some())
}

/// A header, if the block is one.
fn header(block: &[u8; BLOCK]) -> Option<Header> {
    let header = Header::from_byte_slice(block).clone();
    let mut summed = header.clone();
    summed.set_cksum();
    let is_sound = matches!((header.cksum(), summed.cksum()), (Ok(said), Ok(sum)) if said == sum);
    (is_sound && block[0] != 0).then_some(header)
}

/// What stands before a member and says more of it.
#[derive(Debug, Default)]
struct Preface {
    path: Option<String>,
    size: Option<u64>,
    is_sparse: bool,
}

impl<'r> Archive<'r> {
    /// At its start.
    #[must_use]
    pub fn new(input: Box<dyn Read + 'r>) -> Self {
        Self { input, left: 0, filling: 0, is_broken: false }
    }

    /// The next member; what was not read of the one before is passed by.
    ///
    /// # Errors
    /// An archive that is cut off or damaged, unless that came up while the member before was read.
    pub fn advance(&mut self) -> io::Result<Option<Member>> {
        let mut preface = Preface::default();
        loop {
            if self.is_broken {
                return Ok(None);
            }
            self.pass(self.left.saturating_add(self.filling))?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = header.entry_size()?;
            match header.entry_type() {
                EntryType::GNULongName => {
                    let name = self.preface(size)?;
                    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                    preface.path = Some(String::from_utf8_lossy(&name[..end]).into_owned());
                }
                EntryType::XHeader => preface.extend(&self.preface(size)?)?,
                EntryType::GNULongLink | EntryType::XGlobalHeader => self.begin(size),
                kind => return self.member(&header, kind, size, preface).map(Some),
            }
        }
    }

    fn member(&mut self, header: &Header, kind: EntryType, size: u64, preface: Preface) -> io::Result<Member> {
        let path = preface.path.unwrap_or_else(|| String::from_utf8_lossy(&header.path_bytes()).into_owned());
        let kind = match kind {
            EntryType::GNUSparse => Kind::Sparse,
            EntryType::Regular | EntryType::Continuous if preface.is_sparse => Kind::Sparse,
            // Before there were types, a slash at the end made a directory.
            EntryType::Regular | EntryType::Continuous if !path.ends_with('/') => Kind::File,
            _ => Kind::Other,
        };
        if header.as_gnu().is_some_and(|gnu| kind == Kind::Sparse && gnu.is_extended()) {
            self.pass_map()?;
        }
        // Links claim the size of what they lead to, and have no bytes.
        let has_bytes = !matches!(header.entry_type(), EntryType::Link | EntryType::Symlink);
        self.begin(if has_bytes { preface.size.unwrap_or(size) } else { 0 });
        Ok(Member { path, kind })
    }

    /// The next header; `None` at the end, which is a block of zeros.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut block = [0; BLOCK];
        let mut held = 0;
        while held < BLOCK {
            match self.input.read(&mut block[held..]) {
                // Some writers leave the last blocks out.
                Ok(0) if held == 0 => return Ok(None),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => held += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if block == [0; BLOCK] {
            return Ok(None);
        }
        let wrong = || io::Error::new(ErrorKind::InvalidData, "where a member should begin there is none");
        header(&block).map(Some).ok_or_else(wrong)
    }

    fn begin(&mut self, size: u64) {
        (self.left, self.filling) = (size, size.wrapping_neg() % BLOCK as u64);
    }

    /// What stands before a member, whole.
    fn preface(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > PREFACE_MAX {
            let what = format!("a member's name takes {size} bytes, the limit is {PREFACE_MAX}");
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        self.begin(size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        (self.left, self.filling) = (0, 0);
        let passed = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())?;
        if passed < bytes { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The blocks behind the header in which a sparse member says where its pieces belong; the last says so.
    fn pass_map(&mut self) -> io::Result<()> {
        const IS_EXTENDED: usize = 504;
        let mut block = [1; BLOCK];
        while block[IS_EXTENDED] == 1 {
            self.input.read_exact(&mut block)?;
        }
        Ok(())
    }
}

impl Preface {
    fn extend(&mut self, records: &[u8]) -> io::Result<()> {
        for record in PaxExtensions::new(records) {
            let record = record?;
            let text = || String::from_utf8_lossy(record.value_bytes()).into_owned();
            match record.key_bytes() {
                b"path" => self.path = Some(text()),
                b"size" => self.size = text().parse().ok(),
                b"GNU.sparse.name" => (self.path, self.is_sparse) = (Some(text()), true),
                key => self.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
        Ok(())
    }
}

/// The member at hand.
impl Read for Archive<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let upto = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if upto == 0 {
            return Ok(0);
        }
        let read = match self.input.read(&mut into[..upto]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            read => read,
        };
        match &read {
            Ok(read) => self.left -= *read as u64,
            Err(error) => self.is_broken |= error.kind() != ErrorKind::Interrupted,
        }
        read
    }
}
