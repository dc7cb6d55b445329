//! What is wrong with a file that a person wrote, told so that they can mend it.
//!
//! A [`Diagnostic`] has a stable code, a place (file, line, column), a sentence, and where possible a label under the
//! spot and a help line. Parsers collect as many as they find and never stop at the first. Drawing is the
//! `annotate-snippets` crate's, in the look of rustc. This file knows nothing of packs or configuration.

mod places;
mod source;

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::sanitize::escaped;
use places::Window;

pub use places::Places;
pub use source::Source;

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

    fn render<'a>(&'a self, renderer: &Renderer, places: &mut Places<'a>) -> String {
        let level = match self.grade {
            Grade::Warning => Level::WARNING,
            Grade::Error => Level::ERROR,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code));
        for excerpt in self.excerpts(places) {
            group = match excerpt.window {
                Some(_) => group.element(excerpt.snippet()),
                None => group.element(excerpt.origin(places)),
            };
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// What is shown of files: the spot, with further ones that are near it, then the others.
    fn excerpts<'a>(&'a self, places: &mut Places<'a>) -> Vec<Excerpt<'a>> {
        let Some((source, span)) = &self.place else { return Vec::new() };
        let mut excerpts = vec![Excerpt::new(source, span, &self.label, AnnotationKind::Primary, places)];
        for (other, span, label) in &self.also {
            let further = Excerpt::new(other, span, label, AnnotationKind::Context, places);
            match excerpts[0].joined(&further).filter(|_| Arc::ptr_eq(source, other)) {
                Some(window) => {
                    excerpts[0].window = Some(window);
                    excerpts[0].spots.extend(further.spots);
                }
                None => excerpts.push(further),
            }
        }
        excerpts
    }
}

/// A part of a file, with marked spots in it.
struct Excerpt<'a> {
    source: &'a Source,
    /// Nothing where the lines are too long to be shown.
    window: Option<Window>,
    spots: Vec<(AnnotationKind, Range<usize>, &'a str)>,
}

impl<'a> Excerpt<'a> {
    fn new(
        source: &'a Source,
        span: &Range<usize>,
        label: &'a str,
        kind: AnnotationKind,
        places: &mut Places<'a>,
    ) -> Self {
        let span = clamp(source, span);
        Self { source, window: places.of(source).window(&span), spots: vec![(kind, span, label)] }
    }

    fn joined(&self, other: &Self) -> Option<Window> {
        self.window.as_ref()?.with(other.window.as_ref()?)
    }

    fn snippet(&self) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let Window { bytes, line } = self.window.clone().unwrap_or(Window { bytes: 0..0, line: 1 });
        let window = Window { bytes: bytes.clone(), line };
        let marks = self.spots.iter().map(|(kind, span, label)| kind.span(window.within(span)).label(*label));
        Snippet::source(&self.source.text[bytes]).line_start(line).path(escaped(&self.source.name)).annotations(marks)
    }

    fn origin(&self, places: &mut Places<'a>) -> Origin<'a> {
        let at = self.spots.first().map_or(0, |(_, span, _)| span.start);
        let (line, column) = places.line_column(self.source, at);
        Origin::path(escaped(&self.source.name)).line(line).char_column(column)
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
    let (mut text, mut places) = (String::new(), Places::default());
    for diagnostic in diagnostics {
        let _ = writeln!(text, "{}\n", diagnostic.render(&renderer, &mut places));
    }
    text
}

/// Sorts by file, place and code, so that the same files always print the same report.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    fn key(diagnostic: &Diagnostic) -> (Option<(&str, usize)>, &str) {
        (diagnostic.place.as_ref().map(|(source, span)| (source.name.as_str(), span.start)), diagnostic.code)
    }
    diagnostics.sort_by(|a, b| key(a).cmp(&key(b)));
}

/// True when any of them forbids using the file.
#[must_use]
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.grade == Grade::Error)
}
