//! Waivers: what their authors let pass is taken out of the findings, and a waiver that has expired or lets nothing pass
//! is a finding itself.

use std::sync::Arc;

use jiff::civil::Date;

use super::{Finding, Subject, diagnostic, places::Places};
use crate::diagnostic::Diagnostic;
use crate::pack::{Packs, Waiver};

/// What is left of the findings, and what was let pass.
#[derive(Debug, Clone, Default)]
pub struct Settled {
    /// To be shown.
    pub diagnostics: Vec<Diagnostic>,
    /// Let pass.
    pub waived: Vec<Waived>,
}

/// A finding that was let pass.
#[derive(Debug, Clone)]
pub struct Waived {
    /// What was found.
    pub diagnostic: Diagnostic,
    /// Why it may stay.
    pub reason: String,
}

/// Takes out what is waived; `today` is the day (UTC) by which waivers expire. That a waiver waives nothing can
/// only be told of a code whose lint has been `run`.
#[must_use]
pub fn settle(packs: &Packs, findings: Vec<Finding>, run: impl Fn(&str) -> bool, today: Date) -> Settled {
    let waivers = collect(packs);
    let mut used = vec![false; waivers.len()];
    let mut settled = Settled::default();
    for finding in findings {
        let pack = pack_of(packs, &finding).map(Subject::Pack);
        let fits = |(holder, _, waiver): &(Subject, usize, &Waiver)| {
            waiver.code == finding.diagnostic.code && (*holder == finding.subject || pack == Some(*holder))
        };
        let Some(found) = waivers.iter().position(fits) else {
            settled.diagnostics.push(finding.diagnostic);
            continue;
        };
        used[found] = true;
        let waiver = waivers[found].2;
        match waiver.until {
            Some(until) if until < today => settled.diagnostics.push(finding.diagnostic),
            _ => settled.waived.push(Waived { diagnostic: finding.diagnostic, reason: waiver.reason.clone() }),
        }
    }
    for ((_, pack, waiver), used) in waivers.iter().zip(used) {
        if used || run(&waiver.code) {
            settled.diagnostics.extend(judged(packs, *pack, waiver, used, today));
        }
    }
    settled
}

/// Every waiver, with whose it is and in which pack it stands.
fn collect(packs: &Packs) -> Vec<(Subject, usize, &Waiver)> {
    let places = Places::of(packs);
    let index = places.index();
    let mut waivers = Vec::new();
    for (nth, rule) in packs.rules.iter().enumerate() {
        waivers.extend(rule.waivers.iter().map(|waiver| (Subject::Rule(nth), rule.pack, waiver)));
    }
    for (nth, context) in packs.contexts.iter().enumerate() {
        let pack = index.context(&context.id).map_or(0, |(pack, _)| pack);
        waivers.extend(context.waivers.iter().map(|waiver| (Subject::Context(nth), pack, waiver)));
    }
    for (nth, pack) in packs.packs.iter().enumerate() {
        waivers.extend(pack.waivers.iter().map(|waiver| (Subject::Pack(nth), nth, waiver)));
    }
    waivers
}

/// The pack in which it was found.
fn pack_of(packs: &Packs, finding: &Finding) -> Option<usize> {
    let (source, _) = finding.diagnostic.place.as_ref()?;
    packs.packs.iter().position(|pack| Arc::ptr_eq(&pack.source, source))
}

/// What there is to say of a waiver itself.
fn judged(packs: &Packs, pack: usize, waiver: &Waiver, used: bool, today: Date) -> Option<Diagnostic> {
    let expired = waiver.until.filter(|until| *until < today);
    let (code, message, label, help) = match (used, expired) {
        (true, None) => return None,
        (true, Some(until)) => {
            let message = format!("this waiver of {} has expired: its last day was {until}", waiver.code);
            ("L41", message, "expired", "mend what it let pass, or think again and give it a new day")
        }
        (false, _) => {
            let message = format!("this waiver of {} waives nothing", waiver.code);
            ("L40", message, "not needed", "take it out, so that it hides nothing later")
        }
    };
    Some(diagnostic(code, message).at(&packs.packs[pack].source, waiver.span.clone(), label).help(help))
}
