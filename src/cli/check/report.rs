//! What a check came to, as text, as JSON and as JUnit's XML.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value as Json, json};

use super::{contents, counted};
use crate::cli::packs::Run;
use crate::diagnostic::{self, Diagnostic, Grade, Places, Source};
use crate::engine::Engine;
use crate::pack::lint::{Outline, Waived};

/// Everything that a check found.
#[derive(Debug)]
pub struct Report {
    /// What was found wrong, in the order of files.
    pub diagnostics: Vec<Diagnostic>,
    /// Nothing forbids using the packs.
    pub loadable: bool,
    waived: Vec<Waived>,
    sources: Vec<Arc<Source>>,
    runbooks: Vec<Arc<Source>>,
    contents: String,
    digest: String,
    rules: usize,
    run: Run,
}

impl Report {
    pub(super) fn of(
        engine: &Engine,
        sources: Vec<Arc<Source>>,
        run: Run,
        loadable: bool,
        diagnostics: Vec<Diagnostic>,
        waived: Vec<Waived>,
    ) -> Self {
        let (digest, rules) = (engine.digest().to_owned(), engine.packs().rules.len());
        Self {
            diagnostics,
            loadable,
            waived,
            sources,
            runbooks: Vec::new(),
            contents: contents(engine),
            digest,
            rules,
            run,
        }
    }

    /// When there is nothing to check.
    pub(super) fn unreadable(diagnostics: Vec<Diagnostic>) -> Self {
        let (contents, digest) = (String::new(), String::new());
        Self {
            diagnostics,
            loadable: false,
            waived: vec![],
            sources: vec![],
            runbooks: vec![],
            contents,
            digest,
            rules: 0,
            run: Run::default(),
        }
    }

    /// The same, told to have been held against these runbooks.
    pub(super) fn beside(self, runbooks: Vec<Arc<Source>>) -> Self {
        Self { runbooks, ..self }
    }

    /// Errors, warnings.
    fn counts(&self) -> (usize, usize) {
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.grade == Grade::Error).count();
        (errors, self.diagnostics.len() - errors)
    }

    /// For people, in the look of rustc.
    #[must_use]
    pub fn text(&self, colour: bool) -> String {
        let drawn = diagnostic::draw(&self.diagnostics, colour);
        let (errors, warnings) = self.counts();
        let ((errors, s), (warnings, ws)) = (counted(errors), counted(warnings));
        let waived = match self.waived.len() {
            0 => String::new(),
            number => format!(", {number} waived"),
        };
        let more = self.diagnostics.first().map_or_else(String::new, |first| {
            format!("more about a code: fingerpost check --explain {}\n", first.code)
        });
        let (examples, es) = counted(self.run.examples);
        let tests = match counted(self.run.sequences) {
            (0, _) => String::new(),
            (tests, s) => format!(" and {tests} test{s} of alerts"),
        };
        let beside = match counted(self.runbooks.len()) {
            (0, _) => String::new(),
            (runbooks, s) => format!(" held against {runbooks} runbook{s}"),
        };
        let contents = format!("{}{beside}", self.contents);
        let verb = if examples == 1 && tests.is_empty() { "holds" } else { "hold" };
        let end = if !self.loadable {
            format!("{errors} error{s}, {warnings} warning{ws}{waived}: these packs would not be loaded")
        } else if errors > 0 {
            format!("{contents}: {errors} error{s}, {warnings} warning{ws}{waived}")
        } else {
            format!("{contents}: {examples} example{es}{tests} {verb}, {warnings} warning{ws}{waived}")
        };
        format!("{drawn}{more}{end}\n")
    }

    /// For programs: one object.
    #[must_use]
    pub fn json(&self) -> String {
        let (errors, warnings) = self.counts();
        let mut places = Places::default();
        let waived = self.waived.iter().map(|waived| {
            let mut object = described(&waived.diagnostic, &mut places);
            object["reason"] = waived.reason.as_str().into();
            object
        });
        let waived: Vec<Json> = waived.collect();
        let diagnostics: Vec<Json> = self.diagnostics.iter().map(|it| described(it, &mut places)).collect();
        let report = json!({
            "v": 1,
            "loadable": self.loadable,
            "digest": self.digest,
            "packs": self.sources.len(),
            "rules": self.rules,
            "examples": self.run.examples,
            "tests": self.run.sequences,
            "runbooks": self.runbooks.len(),
            "errors": errors,
            "warnings": warnings,
            "diagnostics": diagnostics,
            "waived": waived,
        });
        format!("{report:#}\n")
    }

    /// For CI systems: a suite for each file, a test for each rule and table in it. Warnings do not fail a test; they
    /// are its output.
    ///
    /// # Errors
    /// When the XML cannot be written.
    pub fn junit(&self) -> Result<String> {
        let mut report = quick_junit::Report::new("fingerpost check");
        let nowhere: Vec<&Diagnostic> = self.diagnostics.iter().filter(|it| it.place.is_none()).collect();
        if !nowhere.is_empty() {
            let mut suite = TestSuite::new("packs");
            suite.add_test_case(test_case("packs", &nowhere));
            report.add_test_suite(suite);
        }
        for source in &self.sources {
            report.add_test_suite(self.suite(source));
        }
        for runbook in &self.runbooks {
            let here = |it: &&Diagnostic| it.place.as_ref().is_some_and(|(source, _)| Arc::ptr_eq(source, runbook));
            let found: Vec<&Diagnostic> = self.diagnostics.iter().filter(here).collect();
            let mut suite = TestSuite::new(runbook.name.as_str());
            suite.add_test_case(test_case("the runbook", &found));
            report.add_test_suite(suite);
        }
        Ok(report.to_string()?)
    }

    fn suite(&self, source: &Arc<Source>) -> TestSuite {
        let mut suite = TestSuite::new(source.name.as_str());
        let outline = Outline::of(source);
        let mut by_item: BTreeMap<Option<usize>, Vec<&Diagnostic>> = BTreeMap::new();
        for diagnostic in &self.diagnostics {
            let here = diagnostic.place.as_ref().filter(|(other, _)| other == source);
            if let Some((_, span)) = here {
                by_item.entry(outline.at(span.start).map(|item| item.start)).or_default().push(diagnostic);
            }
        }
        let in_item = |start: Option<usize>| by_item.get(&start).map_or(&[][..], Vec::as_slice);
        let above = in_item(None);
        if !above.is_empty() {
            suite.add_test_case(test_case("the file", above));
        }
        for item in &outline.0 {
            let name = if item.id.is_empty() { &item.kind } else { &item.id };
            let mut case = test_case(name, in_item(Some(item.start)));
            case.set_classname(item.kind.as_str());
            suite.add_test_case(case);
        }
        suite
    }
}

fn test_case(name: &str, diagnostics: &[&Diagnostic]) -> TestCase {
    let owned: Vec<Diagnostic> = diagnostics.iter().map(|diagnostic| (*diagnostic).clone()).collect();
    let drawn = diagnostic::draw(&owned, false);
    let status = match diagnostics.iter().find(|diagnostic| diagnostic.grade == Grade::Error) {
        None => TestCaseStatus::success(),
        Some(error) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(error.code).set_message(error.message.as_str()).set_description(drawn.as_str());
            status
        }
    };
    let mut case = TestCase::new(name, status);
    if !drawn.is_empty() && !diagnostic::any_error(&owned) {
        case.set_system_out(drawn.as_str());
    }
    case
}

/// One diagnostic as JSON; lines and columns from 1.
fn described<'d>(diagnostic: &'d Diagnostic, places: &mut Places<'d>) -> Json {
    let mut object = json!({
        "code": diagnostic.code,
        "grade": match diagnostic.grade { Grade::Error => "error", Grade::Warning => "warning" },
        "message": diagnostic.message,
    });
    if let Some((source, span)) = &diagnostic.place {
        spot(&mut object, (source, span), &diagnostic.label, places);
    }
    if let Some(help) = &diagnostic.help {
        object["help"] = help.as_str().into();
    }
    let also = diagnostic.also.iter().map(|(source, span, label)| {
        let mut other = json!({});
        spot(&mut other, (source, span), label, places);
        other
    });
    if !diagnostic.also.is_empty() {
        object["also"] = also.collect();
    }
    object
}

fn spot<'d>(
    object: &mut Json,
    (source, span): (&'d Source, &std::ops::Range<usize>),
    label: &str,
    places: &mut Places<'d>,
) {
    let (line, column) = places.line_column(source, span.start);
    let (end_line, end_column) = places.line_column(source, span.end);
    object["file"] = source.name.as_str().into();
    object["line"] = line.into();
    object["column"] = column.into();
    object["end_line"] = end_line.into();
    object["end_column"] = end_column.into();
    object["label"] = label.into();
}
