//! What is wrong with a file that a person wrote, told so that they can mend it.
//!
//! A [`Diagnostic`] has a stable code, a place (file, line, column), a sentence, and where possible a label under the
//! spot and a help line. Parsers collect as many as they find and never stop at the first. Drawing is the
//! `annotate-snippets` crate's, in the look of rustc. This file knows nothing of packs or configuration.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A file's name and text, shared by every diagnostic that points into it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The name as the person knows it: a path, or `<built-in>/kms.toml`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Line and column (both from 1, the column in characters) of a byte offset.
    ///
    /// ```
    /// let source = fingerpost::diagnostic::Source { name: "a.toml".into(), text: "a = 1\nb = 2\n".into() };
    /// assert_eq!(source.line_column(6), (2, 1));
    /// ```
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (line, before[start..].chars().count() + 1)
    }
}

/// Whether the file can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Worth a look; the file can be used.
    Warning,
    /// The file cannot be used.
    Error,
}

/// One thing that is wrong, with its place and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code: `P…` for packs, `C…` for configuration.
    pub code: &'static str,
    /// Error or warning.
    pub grade: Grade,
    /// One sentence: what is wrong, with the value and the limit where there is one.
    pub message: String,
    /// Where: the file and the byte range in it. `None` for what has no file (an environment variable).
    pub place: Option<(Arc<Source>, Range<usize>)>,
    /// What stands under the marked spot.
    pub label: String,
    /// Further spots that belong to it (the first of two equal ids, say).
    pub also: Vec<(Arc<Source>, Range<usize>, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without place, label and help.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            grade: Grade::Error,
            message: message.into(),
            place: None,
            label: String::new(),
            also: Vec::new(),
            help: None,
        }
    }

    /// A warning without place, label and help.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, ..Self::error(code, message) }
    }

    /// The same, pointing at a spot with a label under it.
    #[must_use]
    pub fn at(mut self, source: &Arc<Source>, span: Range<usize>, label: impl Into<String>) -> Self {
        self.place = Some((Arc::clone(source), span));
        self.label = label.into();
        self
    }

    /// The same, with a further spot.
    #[must_use]
    pub fn and_at(mut self, source: &Arc<Source>, span: Range<usize>, label: impl Into<String>) -> Self {
        self.also.push((Arc::clone(source), span, label.into()));
        self
    }

    /// The same, with a line of advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `file:line:column`, or nothing for what has no file.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let (source, span) = self.place.as_ref()?;
        let (line, column) = source.line_column(span.start);
        Some(format!("{}:{line}:{column}", source.name))
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.grade {
            Grade::Warning => Level::WARNING,
            Grade::Error => Level::ERROR,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code));
        if let Some((source, span)) = &self.place {
            group = group.element(self.snippet(source, span));
            for (other, span, label) in self.also.iter().filter(|(other, ..)| !Arc::ptr_eq(other, source)) {
                let annotation = AnnotationKind::Context.span(clamp(other, span)).label(label.as_str());
                group = group
                    .element(Snippet::source(other.text.as_str()).path(other.name.as_str()).annotation(annotation));
            }
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    fn snippet<'a>(
        &'a self,
        source: &'a Arc<Source>,
        span: &Range<usize>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let primary = AnnotationKind::Primary.span(clamp(source, span)).label(self.label.as_str());
        let same_file = self.also.iter().filter(|(other, ..)| Arc::ptr_eq(other, source));
        Snippet::source(source.text.as_str()).path(source.name.as_str()).annotation(primary).annotations(
            same_file
                .map(|(other, span, label)| AnnotationKind::Context.span(clamp(other, span)).label(label.as_str())),
        )
    }
}

/// A span never leaves its text, and a long one is marked on its first line only: forty lines of underline help nobody.
fn clamp(source: &Source, span: &Range<usize>) -> Range<usize> {
    let start = source.text.floor_char_boundary(span.start.min(source.text.len()));
    let end = source.text.ceil_char_boundary(span.end.clamp(start, source.text.len()));
    match source.text[start..end].find('\n') {
        Some(newline) if newline > 0 => start..start + newline,
        _ => start..end,
    }
}

/// Draws diagnostics, one blank line between them, in the order given; with colour codes when `colour` is true.
#[must_use]
pub fn draw(diagnostics: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for diagnostic in diagnostics {
        let _ = writeln!(text, "{}\n", diagnostic.render(&renderer));
    }
    text
}

/// Sorts by file, place and code, so that the same files always print the same report.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| d.place.as_ref().map(|(source, span)| (source.name.clone(), span.start));
        key(a).cmp(&key(b)).then_with(|| a.code.cmp(b.code))
    });
}

/// True when any of them forbids using the file.
#[must_use]
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.grade == Grade::Error)
}
