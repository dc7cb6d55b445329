//! Lines that a container runtime cut, whole again. Runtimes cut at 16 KiB, and a phrase stands half here, half there.
//!
//! ```text
//! 2024-03-05T09:19:24.123456789Z stdout P no space le     ← a part: the next of its stream goes on
//! 2024-03-05T09:19:24.123456790Z stderr F other
//! 2024-03-05T09:19:24.123456791Z stdout F ft on device    ← full, or the last part
//! {"log":"no space le","stream":"stdout","time":"…"}      ← Docker's way: no newline at the end, so the next goes on
//! {"log":"ft on device\n","stream":"stdout","time":"…"}
//! ```
//!
//! What is put together has the number and the time of its first part. Its length is bounded as that of any line: of
//! what is longer, the beginning is given out. Parts in two files are not put together.
//!
//! Other programs write objects that look like Docker's and never end in a newline. So a few short parts in a row are taken for
//! that: Docker's own are as long as its buffer but for the last.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::{self, Finder};

use super::lines::{Line, Lines};

/// Bytes of a part that fills the runtime's buffer of 16 KiB, with room for what the envelope makes of them.
const FULL: usize = 16_000;
/// So many shorter parts in a row are lines of somebody who writes no newlines.
const SHORT_MAX: usize = 16;
/// Longer is no time stamp.
const STAMP_MAX: usize = 40;

/// What ends a text of Docker's, and what stands last.
static STREAM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#"","stream":"std"#));
const TIME: &[u8] = br#""time":""#;

/// What a line is to those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// Its envelope.
    kind: Kind,
    /// The stream is stderr, not stdout.
    is_stderr: bool,
    /// The next of its stream goes on where it ends.
    goes_on: bool,
    /// Where its text begins and ends.
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// CRI: containerd, CRI-O, Podman.
    Cri,
    /// Docker's json-file.
    Docker,
}

/// See the top of the file.
pub struct Parts<R> {
    lines: Lines<R>,
    longest: usize,
    /// Lines begun: stdout and stderr of each kind.
    begun: [Begun; 4],
    /// What is complete and not given out yet.
    ready: VecDeque<(u64, Vec<u8>)>,
    /// What was given out last, unless it lies in the buffer of `lines`.
    given: Vec<u8>,
    /// Docker is at work here: some line ended in a newline.
    has_newlines: bool,
    /// What the lines ended with.
    ended: Option<io::Result<()>>,
}

/// A line that is not at its end.
#[derive(Debug, Default)]
struct Begun {
    /// Its first part.
    first: Option<(u64, Part)>,
    /// What there is of it, up to the end of its text, and what closes the envelope.
    whole: Vec<u8>,
    close: Vec<u8>,
    /// A runtime cut it, beyond doubt.
    is_sure: bool,
    /// Its parts, as long as they may be lines of somebody who writes no newlines.
    apart: Vec<(u64, Vec<u8>)>,
}

impl<R: Read> Parts<R> {
    /// As [`Lines::new`].
    pub fn new(input: R, longest: usize) -> Self {
        let lines = Lines::new(input, longest);
        let (begun, ready, given) = (<[Begun; 4]>::default(), VecDeque::new(), Vec::new());
        Self { lines, longest, begun, ready, given, has_newlines: false, ended: None }
    }

    /// Lines read so far, each part by itself.
    pub fn count(&self) -> u64 {
        self.lines.count()
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// The next line, whole; `None` after the last.
    ///
    /// # Errors
    /// As [`Lines::advance`], after all that was begun was given out.
    pub fn advance(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            if let Some((number, bytes)) = self.ready.pop_front() {
                self.given = bytes;
                return Ok(Some(Line { number, bytes: &self.given }));
            }
            if let Some(ended) = self.ended.take() {
                return ended.map(|()| None);
            }
            match self.lines.advance() {
                Ok(Some(_)) => {}
                ended => {
                    self.ended = Some(ended.map(|_| ()));
                    self.release();
                    continue;
                }
            }
            if self.is_whole() {
                return Ok(Some(self.lines.latest()));
            }
        }
    }

    /// Whether the latest line stands by itself; if not, it was taken.
    fn is_whole(&mut self) -> bool {
        let line = self.lines.latest();
        let Some(part) = part(line.bytes) else { return true };
        self.has_newlines |= part.kind == Kind::Docker && !part.goes_on;
        let begun = &mut self.begun[2 * part.kind as usize + usize::from(part.is_stderr)];
        if begun.first.is_none() && !part.goes_on {
            return true;
        }
        begun.add(line, part, self.longest);
        if !part.goes_on {
            self.ready.extend(mem::take(begun).whole());
        } else if begun.apart.len() > SHORT_MAX {
            self.ready.extend(mem::take(begun).apart);
        }
        false
    }

    /// Lets go of what has no end, as nothing more is to come.
    fn release(&mut self) {
        for begun in &mut self.begun {
            let begun = mem::take(begun);
            if begun.apart.is_empty() || self.has_newlines {
                self.ready.extend(begun.whole());
            } else {
                self.ready.extend(begun.apart);
            }
        }
        self.ready.make_contiguous().sort_by_key(|(number, _)| *number);
    }
}

impl Begun {
    fn add(&mut self, line: Line<'_>, part: Part, longest: usize) {
        let text = &line.bytes[part.start..part.end];
        if self.first.is_none() {
            self.first = Some((line.number, part));
            self.whole.extend(&line.bytes[..part.start]);
            self.close.extend(&line.bytes[part.end..]);
        }
        // What is beyond the limit is not held.
        let room = (longest + 1).saturating_sub(self.whole.len());
        self.whole.extend(&text[..text.len().min(room)]);
        self.is_sure |= part.kind == Kind::Cri || text.len() >= FULL;
        if self.is_sure {
            self.apart.clear();
        } else {
            self.apart.push((line.number, line.bytes.to_vec()));
        }
    }

    /// The line, in the envelope of its first part.
    fn whole(mut self) -> Option<(u64, Vec<u8>)> {
        let (number, first) = self.first?;
        // It is full now: `… stdout F …`
        let tag = self.whole[..first.start].iter().position(|byte| first.kind == Kind::Cri && *byte == b'P');
        tag.into_iter().for_each(|at| self.whole[at] = b'F');
        self.whole.extend(self.close);
        Some((number, self.whole))
    }
}

/// Nothing for lines that no runtime wrote.
fn part(line: &[u8]) -> Option<Part> {
    match line.first()? {
        b'{' => docker(line),
        b'0'..=b'9' => cri(line),
        _ => None,
    }
}

/// `2024-03-05T09:19:24.123456789Z stdout P text`
fn cri(line: &[u8]) -> Option<Part> {
    let is_stamp = line.get(4) == Some(&b'-') && line.get(10) == Some(&b'T');
    let stamp = memchr(b' ', &line[..line.len().min(STAMP_MAX)]).filter(|_| is_stamp)?;
    let (stream, rest) = line[stamp + 1..].split_at_checked("stdout ".len())?;
    let is_stderr = match stream {
        b"stdout " => false,
        b"stderr " => true,
        _ => return None,
    };
    // More tags may stand behind the first, with colons between.
    let (tag, behind) = rest.split_first()?;
    let tags = memchr(b' ', behind).filter(|at| *at == 0 || behind[0] == b':')?;
    let goes_on = match tag {
        b'P' => true,
        b'F' => false,
        _ => return None,
    };
    let start = line.len() - behind.len() + tags + 1;
    Some(Part { kind: Kind::Cri, is_stderr, goes_on, start, end: line.len() })
}

/// `{"log":"text\n","stream":"stdout","time":"…"}`, as Docker writes it and nobody by hand.
fn docker(line: &[u8]) -> Option<Part> {
    let start = br#"{"log":""#.len();
    let rest = line.strip_prefix(br#"{"log":""#)?;
    // Within the text its first quotation mark would have a backslash.
    let end = start + STREAM.find(rest)?;
    let (stream, rest) = line[end + br#"","stream":"std"#.len()..].split_at_checked(br#"out","#.len())?;
    let is_stderr = match stream {
        br#"out","# => false,
        br#"err","# => true,
        _ => return None,
    };
    // Collectors take such an object and add to it what they know.
    let is_time = |at: &usize| rest.len() - at < STAMP_MAX + 10;
    let time = if rest.starts_with(TIME) { Some(0) } else { memmem::rfind(rest, TIME) }.filter(is_time)?;
    if !rest.ends_with(br#""}"#) || (time > 0 && !rest.starts_with(br#""attrs":{"#)) {
        return None;
    }
    let is_ended = line[start..end].strip_suffix(b"n").is_some_and(|text| {
        let backslashes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
        backslashes % 2 == 1
    });
    Some(Part { kind: Kind::Docker, is_stderr, goes_on: !is_ended, start, end })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, longest: usize) -> Vec<(u64, String)> {
        let mut parts = Parts::new(text.as_bytes(), longest);
        let mut read = Vec::new();
        while let Some(line) = parts.advance().unwrap() {
            read.push((line.number, String::from_utf8_lossy(line.bytes).into_owned()));
        }
        read
    }

    fn cri(stream: &str, tag: &str, text: &str) -> String {
        format!("2024-03-05T09:19:24.123456789Z {stream} {tag} {text}")
    }

    fn docker(stream: &str, text: &str) -> String {
        format!(r#"{{"log":"{text}","stream":"{stream}","time":"2024-03-05T09:19:24.123456789Z"}}"#)
    }

    /// The lines that come out of these, by number and text.
    fn come_out(lines: &[String], expected: &[(u64, String)]) {
        assert_eq!(read(&lines.join("\n"), 1 << 20), expected, "{lines:#?}");
    }

    #[test]
    fn parts_of_a_stream_are_one_line() {
        let (out, err) = ("stdout", "stderr");
        come_out(
            &[cri(out, "P", "a "), cri(err, "F", "e"), cri(out, "P:x", "b "), cri(out, "F", "c"), cri(out, "F", "d")],
            &[(2, cri(err, "F", "e")), (1, cri(out, "F", "a b c")), (5, cri(out, "F", "d"))],
        );
        come_out(
            &[docker(out, r"a\\n"), docker(err, r"e\n"), docker(out, "b"), docker(out, r#" \"c\"\n"#), "x".to_owned()],
            &[(2, docker(err, r"e\n")), (1, docker(out, r#"a\\nb \"c\"\n"#)), (5, "x".to_owned())],
        );
        let tagged = |text: &str| docker(out, text).replace(r#","time""#, r#","attrs":{"tag":"kms"},"time""#);
        come_out(&[tagged("a"), tagged(r"b\n")], &[(1, tagged(r"ab\n"))]);
    }

    #[test]
    fn what_has_no_end_is_told_all_the_same() {
        come_out(
            &[cri("stdout", "P", "a"), cri("stderr", "P", "e"), cri("stdout", "P", "b")],
            &[(1, cri("stdout", "F", "ab")), (2, cri("stderr", "F", "e"))],
        );
        let ended = docker("stdout", r"x\n");
        come_out(
            &[ended.clone(), docker("stdout", "a"), docker("stdout", "b")],
            &[(1, ended), (2, docker("stdout", "ab"))],
        );
    }

    #[test]
    fn who_writes_no_newlines_has_a_line_for_each() {
        for count in [1, 3, SHORT_MAX, SHORT_MAX + 1, 100] {
            let lines: Vec<String> = (0..count).map(|n| docker("stdout", &format!("line {n}"))).collect();
            let each: Vec<(u64, String)> =
                lines.iter().cloned().zip(1..).map(|(line, number)| (number, line)).collect();
            come_out(&lines, &each);
        }
    }

    #[test]
    fn what_looks_alike_is_left_alone() {
        for line in [
            r#"{"log":"a","stream":"stdout"}"#,
            r#"{"log":"a","stream":"stdin","time":"t"}"#,
            r#"{"log":"a","stream":"stdout","kubernetes":{"pod_name":"p"},"time":"t"}"#,
            r#"{"log":"a","stream":"stdout","time":"t","pod":"p"}"#,
            r#"{"stream":"stdout","log":"a","time":"t"}"#,
            r#"{"log":"a \",\"stream\":\"stdout\",\"\n","time":"t"}"#,
            "2024-03-05T09:19:24Z stdout P",
            "2024-03-05T09:19:24Z stdout Part of it",
            "2024-03-05 09:19:24 stdout P x",
            "2024-03-05T09:19:24Z stdoutP x",
        ] {
            come_out(&[line.to_owned(), line.to_owned()], &[(1, line.to_owned()), (2, line.to_owned())]);
        }
    }

    #[test]
    fn a_line_of_many_parts_is_held_up_to_the_limit() {
        let part = cri("stdout", "P", &"x".repeat(1000));
        let mut parts = Parts::new(io::Cursor::new(format!("{part}\n").repeat(50_000)), 5000);
        let line = parts.advance().unwrap().unwrap();
        assert_eq!((line.number, line.bytes.len()), (1, 5001));
        assert!(parts.given.capacity() < 20_000, "{}", parts.given.capacity());
        assert!(parts.advance().unwrap().is_none());
    }

    proptest! {
        #[test]
        fn no_byte_of_a_text_is_lost(cuts in prop::collection::vec("[a-z ]{0,9}", 1..30), docks in any::<bool>()) {
            let last = cuts.len() - 1;
            let lines: Vec<String> = cuts.iter().enumerate().map(|(n, text)| match (docks, n == last) {
                (false, is_last) => cri("stdout", if is_last { "F" } else { "P" }, text),
                (true, false) => docker("stdout", &format!("{text}{}", "x".repeat(FULL))),
                (true, true) => docker("stdout", &format!("{text}\\n")),
            }).collect();
            let read = read(&lines.join("\n"), 1 << 20);
            prop_assert_eq!(read.len(), 1);
            let expected = if docks {
                docker("stdout", &(cuts[..last].iter().map(|text| text.clone() + &"x".repeat(FULL)).collect::<String>() + &cuts[last] + "\\n"))
            } else {
                cri("stdout", "F", &cuts.concat())
            };
            prop_assert_eq!(&read[0], &(1, expected));
        }
    }
}
