//! What is most likely not meant, in packs that are otherwise sound.
//!
//! [`lint`] looks at the rules alone; what takes running examples (`engine::trial`) adds its findings to these. Each
//! [`Finding`] belongs to a rule, a context or a pack, whose `waive` may let it pass: [`settle`] takes those out and
//! tells of waivers that have expired or waive nothing. A lint is a function over a `Desk`: to add one, write it in
//! the file it belongs to, call it in [`lint`], give it a row in [`super::codes`] and a case under `tests/cases/lints`.

mod captures;
mod cases;
mod conditions;
mod drift;
mod examples;
mod outline;
mod phrases;
mod places;
mod rivals;
mod todo;
mod unused;
mod waivers;

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use super::{Condition, Context, Packs, codes};
use crate::diagnostic::{Diagnostic, Grade, Source};
use places::{Index, Places};

pub use drift::{CODES as OF_DRIFT, Shelf, drift};
pub use outline::{Item, Outline, sound, without_echoes};
pub use rivals::{Contained, contained, decided};
pub use waivers::{Settled, Waived, settle};

/// Whom a finding is about: whose waiver it takes to let it pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A pack as a whole, by its index.
    Pack(usize),
    /// A rule and its cases, by its index.
    Rule(usize),
    /// A context, by its index.
    Context(usize),
}

/// Something that a lint has found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Whom it is about.
    pub subject: Subject,
    /// What it is.
    pub diagnostic: Diagnostic,
}

/// Everything that can be told from the rules without running any.
#[must_use]
pub fn lint(packs: &Packs) -> Vec<Finding> {
    let places = Places::of(packs);
    let mut desk = Desk { packs, places: &places, index: places.index(), findings: Vec::new() };
    phrases::lint(&mut desk);
    conditions::lint(&mut desk);
    rivals::lint(&mut desk);
    cases::lint(&mut desk);
    captures::lint(&mut desk);
    unused::lint(&mut desk);
    examples::lint(&mut desk);
    todo::lint(&mut desk);
    desk.findings
}

/// Where a lint works: the packs, where everything stands in their files, and what was found so far.
struct Desk<'p> {
    packs: &'p Packs,
    places: &'p Places<'p>,
    index: Index<'p>,
    findings: Vec<Finding>,
}

impl<'p> Desk<'p> {
    fn report(
        &mut self,
        subject: Subject,
        code: &str,
        span: Range<usize>,
        message: String,
        label: &str,
    ) -> &mut Finding {
        self.findings.push(finding(self.packs, &self.index, subject, code, span, message, label));
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    fn source(&self, pack: usize) -> &'p Arc<Source> {
        &self.packs.packs[pack].source
    }
}

/// Whoever has conditions: a rule or a context.
#[derive(Clone, Copy)]
struct Holder<'p> {
    subject: Subject,
    id: &'p str,
    pack: usize,
    all: &'p [Condition],
    any: &'p [Condition],
    none: &'p [Condition],
    table: Option<&'p DeTable<'p>>,
}

impl<'p> Desk<'p> {
    /// Every rule, then every context.
    fn holders(&self) -> Vec<Holder<'p>> {
        let rules = self.packs.rules.iter().enumerate().map(|(index, rule)| Holder {
            subject: Subject::Rule(index),
            id: &rule.report.id,
            pack: rule.pack,
            all: &rule.all,
            any: &rule.any,
            none: &rule.none,
            table: self.index.rule(rule),
        });
        let contexts = self.packs.contexts.iter().enumerate().filter_map(|(index, context)| {
            let (pack, table) = self.index.context(&context.id)?;
            let (subject, id) = (Subject::Context(index), context.id.as_str());
            let Context { all, any, none, .. } = context;
            Some(Holder { subject, id, pack, all, any, none, table: Some(table) })
        });
        rules.chain(contexts).collect()
    }
}

impl<'p> Holder<'p> {
    fn lists(&self) -> [(&'static str, &'p [Condition]); 3] {
        [("all", self.all), ("any", self.any), ("none", self.none)]
    }

    /// Where the n-th condition of a list stands.
    fn at(&self, list: &str, nth: usize) -> Range<usize> {
        let found = self.table.and_then(|table| places::elements(table, list).nth(nth));
        found.map_or(0..0, toml::Spanned::span)
    }
}

impl Finding {
    fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.diagnostic.help = Some(help.into());
        self
    }

    fn and_at(&mut self, source: &Arc<Source>, span: Range<usize>, label: &str) -> &mut Self {
        self.diagnostic.also.push((Arc::clone(source), span, label.to_owned()));
        self
    }
}

/// A finding about a rule, for lints that live elsewhere.
///
/// # Panics
/// When the code has no row in [`codes::TABLE`].
#[must_use]
pub fn about_rule(packs: &Packs, rule: usize, code: &str, span: Range<usize>, message: String, label: &str) -> Finding {
    let source = &packs.packs[packs.rules[rule].pack].source;
    Finding { subject: Subject::Rule(rule), diagnostic: diagnostic(code, message).at(source, span, label) }
}

/// Where the conditions of rules and contexts stand, for lints that live elsewhere.
pub struct Spots<'p> {
    packs: &'p Packs,
    places: Places<'p>,
}

impl<'p> Spots<'p> {
    /// Reads the files once more.
    #[must_use]
    pub fn of(packs: &'p Packs) -> Self {
        Self { packs, places: Places::of(packs) }
    }

    /// Looks places up.
    #[must_use]
    pub fn look(&self) -> Look<'_> {
        Look { packs: self.packs, index: self.places.index() }
    }
}

/// See [`Spots::look`].
pub struct Look<'t> {
    packs: &'t Packs,
    index: Index<'t>,
}

impl Look<'_> {
    /// The n-th condition of a rule's list, or of one of its cases.
    #[must_use]
    pub fn condition(&self, rule: usize, case: Option<usize>, list: &str, nth: usize) -> Range<usize> {
        let rule = &self.packs.rules[rule];
        match case {
            Some(case) => self.index.in_case(rule, &rule.cases[case], list, nth),
            None => self.index.in_rule(rule, list, nth),
        }
    }

    /// A finding about the n-th condition of a context's list.
    #[must_use]
    pub fn about_context(
        &self,
        context: usize,
        list: &str,
        nth: usize,
        code: &str,
        message: String,
        label: &str,
    ) -> Finding {
        let table = self.index.context(&self.packs.contexts[context].id);
        let span =
            table.and_then(|(_, table)| places::elements(table, list).nth(nth)).map_or(0..0, toml::Spanned::span);
        finding(self.packs, &self.index, Subject::Context(context), code, span, message, label)
    }
}

fn finding(
    packs: &Packs,
    index: &Index<'_>,
    subject: Subject,
    code: &str,
    span: Range<usize>,
    message: String,
    label: &str,
) -> Finding {
    let pack = match subject {
        Subject::Pack(pack) => pack,
        Subject::Rule(rule) => packs.rules[rule].pack,
        Subject::Context(context) => index.context(&packs.contexts[context].id).map_or(0, |(pack, _)| pack),
    };
    Finding { subject, diagnostic: diagnostic(code, message).at(&packs.packs[pack].source, span, label) }
}

/// A diagnostic of the grade that the table gives its code.
fn diagnostic(code: &str, message: String) -> Diagnostic {
    let row = codes::find(code).expect("every lint has a row in the table of codes");
    match row.grade {
        Grade::Error => Diagnostic::error(row.code, message),
        Grade::Warning => Diagnostic::warning(row.code, message),
    }
}
