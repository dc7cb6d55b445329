//! Packs held against the runbooks that they come from, in both directions: is what the pack says of the runbook still so
//! (L16, L17, L19), and does the pack know what the runbook says (L18)?

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use super::places::{Places, elements, tables};
use super::rivals::literal_parts;
use super::{Desk, Finding, Subject, diagnostic};
use crate::document::did_you_mean;
use crate::pack::{Condition, Fits, Packs, Rule};
use crate::runbook::{Mention, Runbook, fold, heading_text};

/// The runbooks of a directory.
#[derive(Debug, Default)]
pub struct Shelf {
    /// The directory, as the person knows it.
    pub directory: String,
    /// Those that packs name, by file name; why not, for one that cannot be read.
    pub runbooks: BTreeMap<String, Result<Runbook, String>>,
}

/// Codes that only a comparison with runbooks finds.
pub const CODES: [&str; 5] = ["L16", "L17", "L18", "L19", "L44"];

/// Below this likeness (of 1) another text of the runbook is not offered as what was perhaps meant.
const ALIKE: f64 = 0.85;

/// Holds every pack that names a runbook against it.
#[must_use]
pub fn drift(packs: &Packs, shelf: &Shelf) -> Vec<Finding> {
    let places = Places::of(packs);
    let mut desk = Desk { packs, places: &places, index: places.index(), findings: Vec::new() };
    for pack in 0..packs.packs.len() {
        let Some(name) = &packs.packs[pack].runbook else { continue };
        match shelf.runbooks.get(name) {
            Some(Ok(runbook)) => {
                sections(&mut desk, pack, runbook);
                phrases(&mut desk, pack, runbook);
                mentions(&mut desk, pack, name, runbook);
            }
            missing => {
                let why = match missing {
                    Some(Err(why)) => format!("the runbook `{name}` in `{}` cannot be read: {why}", shelf.directory),
                    _ => format!("the runbook `{name}` is not in `{}`", shelf.directory),
                };
                let table = table(&desk, pack, "pack");
                let span = table.and_then(|table| table.get("runbook")).map_or(0..0, toml::Spanned::span);
                desk.report(Subject::Pack(pack), "L16", span, why, "no such runbook")
                    .help("name the file as it is called now, or give the directory that holds it");
            }
        }
    }
    desk.findings
}

fn table<'p>(desk: &Desk<'p>, pack: usize, key: &str) -> Option<&'p DeTable<'p>> {
    desk.places.tree(pack).get(key).and_then(|value| value.get_ref().as_table())
}

/// Each anchor is there, and its heading reads as it is said to.
fn sections(desk: &mut Desk<'_>, pack: usize, runbook: &Runbook) {
    let Some(sections) = table(desk, pack, "sections") else { return };
    for (anchor, heading) in sections {
        let (id, Some(written)) = (anchor.get_ref().as_ref(), heading.get_ref().as_str()) else { continue };
        let wanted = heading_text(written);
        let readings = runbook.readings(id);
        if readings.is_empty() {
            let message = format!("the runbook `{}` has no anchor `{id}`", runbook.source.name);
            let moved = runbook.headings.iter().find(|heading| heading.text == wanted && !heading.id.is_empty());
            let help = match moved {
                Some(heading) => format!("the heading `{wanted}` has the anchor `{}` now", heading.id),
                None => did_you_mean(id, runbook.ids()),
            };
            let finding = desk.report(Subject::Pack(pack), "L16", anchor.span(), message, "no such anchor").help(help);
            if let Some(heading) = moved {
                finding.and_at(&runbook.source, heading.span.clone(), "this heading");
            }
        } else if readings.iter().all(|(text, _)| *text != wanted) {
            let (text, span) = readings[readings.len() - 1].clone();
            let message = format!("the heading at `#{id}` is `{text}`, not `{wanted}`");
            desk.report(Subject::Pack(pack), "L19", heading.span(), message, "not what the runbook says")
                .help("read the section; if it is still the one that is meant, take over its heading")
                .and_at(&runbook.source, span, "the heading now");
        }
    }
}

/// Each phrase stands in the runbook, or is said to be ours.
fn phrases(desk: &mut Desk<'_>, pack: usize, runbook: &Runbook) {
    for (index, rule) in desk.packs.rules.iter().enumerate().filter(|(_, rule)| rule.pack == pack) {
        let ours = desk.index.rule(rule).map_or_else(Vec::new, ours);
        for (phrase, span) in phrases_of(desk, rule) {
            if runbook.find(phrase).is_none() && !ours.iter().any(|(own, _)| same(own, phrase)) {
                missing(desk, Subject::Rule(index), phrase, span, runbook);
            }
        }
        for (own, span) in ours {
            let holds = phrases_of(desk, rule).iter().any(|(phrase, _)| same(phrase, &own));
            // That prose has a word in it, as in error, does not make the word the runbook's phrase.
            let is_word = own.bytes().all(|byte| byte.is_ascii_alphabetic());
            let place = runbook.find(&own).filter(|_| !is_word);
            if holds && place.is_none() {
                continue;
            }
            let message = match holds {
                true => format!("`{own}` does stand in the runbook"),
                false => format!("`{own}` is no phrase of `{}`", rule.report.id),
            };
            let finding = desk.report(Subject::Rule(index), "L44", span, message, "not so");
            finding.help("drop it from `not_in_runbook`");
            if let Some(place) = place.filter(|_| holds) {
                finding.and_at(&runbook.source, place, "here");
            }
        }
    }
    for holder in desk.holders() {
        let Subject::Context(_) = holder.subject else { continue };
        let lists = holder.lists().into_iter().take(2).filter(|_| holder.pack == pack);
        for (list, nth, phrase) in lists.flat_map(|(list, conditions)| parts(list, conditions)) {
            if runbook.find(phrase).is_none() {
                missing(desk, holder.subject, phrase, holder.at(list, nth), runbook);
            }
        }
    }
}

fn missing(desk: &mut Desk<'_>, subject: Subject, phrase: &str, span: Range<usize>, runbook: &Runbook) {
    let message = format!("`{phrase}` is not in the runbook `{}`", runbook.source.name);
    let like = |mention: &&Mention| strsim::jaro_winkler(&mention.text.to_lowercase(), &phrase.to_lowercase());
    let nearest = runbook.mentions.iter().max_by(|a, b| like(a).total_cmp(&like(b))).filter(|it| like(it) > ALIKE);
    let finding = desk.report(subject, "L17", span, message, "not in the runbook");
    finding.help("take over what the runbook says now, or say that it is ours: not_in_runbook = { phrase = \"…\", reason = \"…\" }");
    if let Some(mention) = nearest {
        finding.and_at(&runbook.source, mention.span.clone(), "did the runbook mean this?");
    }
}

/// What the rule says is ours, and where.
fn ours(table: &DeTable<'_>) -> Vec<(String, Range<usize>)> {
    let entries = tables(table, "not_in_runbook").filter_map(|entry| entry.get("phrase"));
    entries.filter_map(|phrase| Some((phrase.get_ref().as_str()?.to_owned(), phrase.span()))).collect()
}

/// Every phrase that a rule asks for, and where it stands. What `none` excludes is not what the runbook is about.
fn phrases_of<'p>(desk: &Desk<'p>, rule: &'p Rule) -> Vec<(&'p str, Range<usize>)> {
    let own = [("all", &rule.all), ("any", &rule.any)].into_iter().flat_map(|(list, it)| parts(list, it));
    let mut phrases: Vec<_> = own.map(|(list, nth, phrase)| (phrase, desk.index.in_rule(rule, list, nth))).collect();
    for case in &rule.cases {
        let also = parts("also", &case.also).into_iter();
        phrases.extend(also.map(|(list, nth, phrase)| (phrase, desk.index.in_case(rule, case, list, nth))));
    }
    phrases
}

/// The literal texts of a list of conditions, each with the list's name and its condition's index.
fn parts<'p>(list: &'static str, conditions: &'p [Condition]) -> Vec<(&'static str, usize, &'p str)> {
    let then = |condition: &'p Condition| match condition {
        Condition::PhraseThen { then, .. } => then.as_slice(),
        _ => &[],
    };
    let texts = conditions.iter().enumerate().flat_map(|(nth, condition)| {
        let texts = literal_parts(condition).chain(then(condition).iter().map(String::as_str));
        texts.map(move |text| (list, nth, text))
    });
    texts.collect()
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Each text of the runbook that reads like a log line is claimed by a rule, or ignored.
fn mentions(desk: &mut Desk<'_>, pack: usize, name: &str, runbook: &Runbook) {
    let packs = desk.packs;
    let of_runbook = |index: usize| packs.packs[index].runbook.as_deref() == Some(name);
    // Packs of one runbook share the work; the first of them tells what nobody claims.
    let first = (0..packs.packs.len()).find(|index| of_runbook(*index)) == Some(pack);
    let group: Vec<usize> = (0..packs.packs.len()).filter(|index| of_runbook(*index)).collect();
    let named: BTreeSet<usize> = group.iter().flat_map(|pack| named_sections(desk, *pack, runbook)).collect();
    let ignored: Vec<_> = group.iter().flat_map(|pack| ignored(desk, *pack)).collect();
    let mut used = vec![false; ignored.len()];
    let mut told = BTreeSet::new();
    let mut unclaimed = Vec::new();
    for mention in &runbook.mentions {
        let section = runbook.section_at(mention.span.start);
        let is_named = section.is_some_and(|section| {
            runbook.ancestry(section).any(|above| named.iter().any(|named| runbook.headings[*named] == *above))
        });
        let attentive = is_named || mention.is_under_errors(runbook);
        if !mention.reads_like_a_log(runbook, attentive) || group.iter().any(|pack| claimed(desk, *pack, mention)) {
            continue;
        }
        let fits = ignored.iter().position(|(_, fits, ..)| fits.fits(&mention.text));
        match fits {
            Some(ignore) => used[ignore] = true,
            None if first && told.insert(mention.text.to_lowercase()) => unclaimed.push(mention),
            None => {}
        }
    }
    for mention in unclaimed {
        let message = format!("no rule claims `{}`", mention.text);
        let help = format!(
            "write a rule in `{}`; if it is no log line: ignore = [{{ phrase = \"…\", reason = \"…\" }}] under `[pack]`",
            packs.packs[pack].source.name
        );
        let diagnostic = diagnostic("L18", message).at(&runbook.source, mention.span.clone(), "reads like a log line");
        desk.findings.push(Finding { subject: Subject::Pack(pack), diagnostic: diagnostic.help(help) });
    }
    // With a section gone it is not known any more where log lines are to be expected.
    if desk.findings.iter().any(|finding| finding.subject == Subject::Pack(pack) && finding.diagnostic.code == "L16") {
        return;
    }
    for ((owner, _, text, span), _) in
        ignored.into_iter().zip(used).filter(|((owner, ..), used)| *owner == pack && !used)
    {
        let message = format!("`{text}` is ignored for nothing: the runbook does not show it, or a rule claims it");
        desk.report(Subject::Pack(owner), "L44", span, message, "not needed").help("drop it from `ignore`");
    }
}

/// The headings that the pack's sections name.
fn named_sections(desk: &Desk<'_>, pack: usize, runbook: &Runbook) -> Vec<usize> {
    let Some(sections) = table(desk, pack, "sections") else { return Vec::new() };
    let index = |id: &str| {
        let heading = runbook.headings.iter().position(|heading| heading.id == id);
        let tag = || runbook.anchors.iter().find(|anchor| anchor.id == id);
        heading.or_else(|| runbook.section_at(tag()?.span.start))
    };
    sections.iter().filter_map(|(anchor, _)| index(anchor.get_ref())).collect()
}

/// What `ignore` names: the pack, what it fits, the text, the place.
fn ignored(desk: &Desk<'_>, pack: usize) -> Vec<(usize, Fits, String, Range<usize>)> {
    let Some(table) = table(desk, pack, "pack") else { return Vec::new() };
    let phrases = elements(table, "ignore").filter_map(|entry| entry.get_ref().as_table()?.get("phrase"));
    let read = |phrase: &toml::Spanned<toml::de::DeValue<'_>>| {
        let text = phrase.get_ref().as_str()?;
        Some((pack, Fits::Glob(text.to_owned()), text.to_owned(), phrase.span()))
    };
    phrases.filter_map(read).collect()
}

/// Whether a rule or context of the pack finds this text, or looks for something that it is a part of. Levels and
/// expressions are taken to hold: a runbook quotes a part of a line.
fn claimed(desk: &Desk<'_>, pack: usize, mention: &Mention) -> bool {
    let texts: Vec<String> = mention.texts().iter().map(|text| fold(text)).collect();
    let has = |phrase: &str| texts.iter().any(|text| text.contains(&fold(phrase)));
    let holds = |condition: &Condition| match condition {
        Condition::Phrase(phrase) | Condition::PhraseThen { phrase, .. } => has(phrase),
        Condition::Words(words) => words.iter().all(|word| has(word)),
        Condition::Regex(_) | Condition::LevelError => true,
    };
    let part_of = |condition: &Condition| {
        literal_parts(condition).any(|phrase| texts.iter().any(|text| fold(phrase).contains(text.as_str())))
    };
    let claims = |all: &[Condition], any: &[Condition]| {
        all.iter().all(holds) && (any.is_empty() || any.iter().any(holds)) || all.iter().chain(any).any(part_of)
    };
    let of_rule = |rule: &Rule| {
        let also = || rule.cases.iter().flat_map(|case| &case.also);
        claims(&rule.all, &rule.any) || also().any(|it| literal_parts(it).next().is_some() && holds(it) || part_of(it))
    };
    let rules = desk.packs.rules.iter().filter(|rule| rule.pack == pack);
    let contexts = desk.holders().into_iter().filter(|holder| holder.pack == pack);
    let mut contexts = contexts.filter(|holder| matches!(holder.subject, Subject::Context(_)));
    rules.into_iter().any(of_rule) || contexts.any(|holder| claims(holder.all, holder.any))
}

impl Shelf {
    /// Every runbook that was read.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<crate::diagnostic::Source>> {
        self.runbooks.values().filter_map(|runbook| runbook.as_ref().ok()).map(|runbook| &runbook.source)
    }
}
