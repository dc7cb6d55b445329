//! A place in a text, and the small steps that go on from it. A step that fails leaves the place where it was.
//!
//! Only ASCII is ever taken, or a whole character, so a place is always between two characters.

/// A place in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// The text is a time and nothing else, so what it ends with belongs to it.
    pub(super) alone: bool,
}

impl<'t> Scan<'t> {
    /// At the beginning of a text.
    pub(super) fn new(text: &'t str, alone: bool) -> Self {
        Self { text, at: 0, alone }
    }

    /// Bytes from the beginning.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn bytes(&self) -> &'t [u8] {
        &self.text.as_bytes()[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes().first().copied()
    }

    /// Nothing is left.
    pub(super) fn is_over(&self) -> bool {
        self.at == self.text.len()
    }

    /// No word or number goes on here.
    pub(super) fn is_at_end_of_word(&self) -> bool {
        !self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// How many digits stand here.
    pub(super) fn run(&self) -> usize {
        self.bytes().iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// This text, in any case.
    pub(super) fn text(&mut self, text: &str) -> bool {
        let is = self.bytes().get(..text.len()).is_some_and(|own| own.eq_ignore_ascii_case(text.as_bytes()));
        if is {
            self.at += text.len();
        }
        is
    }

    /// One of these, which are ASCII.
    pub(super) fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| bytes.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    /// Blanks and tabs, how many.
    pub(super) fn blanks(&mut self) -> usize {
        let blanks = self.bytes().iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.at += blanks;
        blanks
    }

    /// A number of no more digits than these, behind which none goes on.
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let run = self.run();
        if !(least..=most).contains(&run) {
            return None;
        }
        self.figures(run)
    }

    /// A number of so many digits, at most nine; others may follow.
    pub(super) fn figures(&mut self, count: usize) -> Option<u32> {
        if self.run() < count || count > 9 {
            return None;
        }
        let figures = &self.bytes()[..count];
        self.at += count;
        Some(figures.iter().fold(0, |number, figure| number * 10 + u32::from(figure - b'0')))
    }

    /// The fraction of a second whose digits stand here, in nanoseconds, and how many they are.
    pub(super) fn fraction(&mut self) -> Option<(i32, u8)> {
        let run = self.run();
        let kept = &self.bytes()[..run.min(9)];
        let number = kept.iter().fold(0, |number, figure| number * 10 + i32::from(figure - b'0'));
        self.at += run;
        (run > 0).then(|| (number * 10_i32.pow(9 - kept.len() as u32), u8::try_from(run).unwrap_or(u8::MAX)))
    }

    /// Letters, as many as there are, if there are any.
    pub(super) fn letters(&mut self) -> Option<&'t str> {
        let letters = self.bytes().iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let found = &self.rest()[..letters];
        self.at += letters;
        (letters > 0).then_some(found)
    }

    /// Up to the first blank, or the end.
    pub(super) fn word(&mut self) -> &'t str {
        let end = self.bytes().iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(self.bytes().len());
        let word = &self.rest()[..end];
        self.at += end;
        word
    }

    /// Colour codes, `ESC [ … m`.
    pub(super) fn colours(&mut self) {
        while let Some(code) = self.rest().strip_prefix("\u{1b}[") {
            let parameters = code.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
            if code.as_bytes().get(parameters) != Some(&b'm') {
                return;
            }
            self.at += 2 + parameters + 1;
        }
    }

    /// What a step finds; where it finds nothing the place is as before.
    pub(super) fn maybe<T>(&mut self, step: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut ahead = *self;
        let found = step(&mut ahead)?;
        *self = ahead;
        Some(found)
    }
}
